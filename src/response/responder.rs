//! The handle to the background task that plans, executes and proves.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{OnceCell, mpsc, watch};

use crate::cloud::{self, Aws};
use crate::config::Settings;
use crate::stream::Questions;
use quell_fleet::Ms;
use quell_fleet::event::{Event, ResponseEvent, Stage};
use quell_fleet::known::{Trouble, TroubleKind};
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::gate::{self, Grant, Refusal};
use super::journal::scribe::Scribe;
use super::journal::who;
use super::listen::{Fact, Facts, Hearing, Listener, Watched};
use super::plan::{Intent, Plan, PlanId};
use super::read;
use super::recover;
use super::rules::Rules;
use super::run::{self, Shared, now};
use super::stop::Stop;
use super::sweep::Swept;
use super::timed::HeldFor;
use super::view::{ActionView, Answer, Outcome, TargetOutcome, TargetView};

/// What the task is asked to do.
#[derive(Debug)]
pub(in crate::response) enum Ask {
    /// Compute a plan.
    Plan { generation: u64, intent: Intent },
    /// Run a plan.
    Confirm { plan: Box<Plan>, typed: Option<String> },
    /// Write down that a plan was declined.
    Decline { plan: Box<Plan>, reason: SafeText },
    /// Stop after the requests that are under way; all that run, when none is named.
    Stop { plan: Option<PlanId>, why: Stop },
    /// What asks the stream's connections.
    Questions(Questions),
}

/// What may wait to be asked. The task answers at once, so that only a fault fills it; then what is asked is refused, and said.
const ASKS: usize = 256;
/// Of these, kept for what stops a run.
const STOPS: usize = 16;
/// Runs that may wait to be struck off.
const ENDS: usize = 64;

/// A cheap handle to the task; every call returns at once.
#[derive(Clone, Debug)]
pub struct Responder {
    asks: mpsc::Sender<Ask>,
    facts: Arc<Facts>,
    answers: mpsc::WeakSender<Answer>,
    watched: Arc<Watched>,
    /// The rules from now on. Beside what is asked: rules that found no room there would leave those that allow more.
    rules: Arc<watch::Sender<Arc<Rules>>>,
}

impl Responder {
    /// Starts the task on the current tokio runtime. It ends when the last handle is dropped and nothing runs any more.
    /// Changes to devices are told to `events` (the fleet's channel), everything else to `answers`.
    pub fn spawn(
        clients: Aws,
        settings: &Settings,
        events: mpsc::Sender<Event>,
        answers: mpsc::Sender<Answer>,
    ) -> Self {
        Self::with_rules(clients, Rules::from(settings), events, answers)
    }

    /// As [`Responder::spawn`], with rules of one's own.
    pub fn with_rules(
        clients: Aws,
        rules: Rules,
        events: mpsc::Sender<Event>,
        answers: mpsc::Sender<Answer>,
    ) -> Self {
        let (asks, asked) = mpsc::channel(ASKS);
        let (facts, heard) = Facts::channel();
        let told = answers.downgrade();
        let watched = Arc::new(Watched::default());
        let (rules, newer) = watch::channel(Arc::new(rules));
        let standing = Arc::clone(&newer.borrow());
        let task = Task {
            clients,
            journal: Scribe::start(&standing.journal),
            rules: standing,
            newer,
            events,
            answers,
            watched: Arc::clone(&watched),
            hearing: Hearing::default(),
            questions: None,
            runs: HashMap::new(),
            identity: Arc::default(),
        };
        tokio::spawn(task.serve(asked, heard));
        Self { asks, facts: Arc::new(facts), answers: told, watched, rules: Arc::new(rules) }
    }

    /// Asks for a plan; the answer carries `generation`.
    pub fn plan(&self, generation: u64, intent: Intent) {
        self.ask(Ask::Plan { generation, intent });
    }

    /// Confirms a plan with what was typed, if anything: gate → journal → execute → journal → prove.
    pub fn confirm(&self, plan: Plan, typed: Option<String>) {
        self.ask(Ask::Confirm { plan: Box::new(plan), typed });
    }

    /// Writes into the journal that the operator declined a plan; answered by Refused.
    pub fn decline(&self, plan: Plan, reason: SafeText) {
        self.ask(Ask::Decline { plan: Box::new(plan), reason });
    }

    /// Stops a running plan after the requests under way; what was done stays done and is in the journal, with who or what
    /// stopped it. Asked again, it waits no longer for their answers than a moment: the outcome is written all the same.
    pub fn stop(&self, plan: &PlanId, why: Stop) {
        self.ask(Ask::Stop { plan: Some(plan.clone()), why });
    }

    /// Stops all that runs.
    pub fn stop_all(&self, why: Stop) {
        self.ask(Ask::Stop { plan: None, why });
    }

    /// Other guardrails, groups and read-only mode from now on; what runs goes on under those it was confirmed under.
    pub fn take(&self, settings: &Settings) {
        self.rules.send_replace(Arc::new(Rules::from(settings)));
    }

    /// The listener of this responder: whoever receives the fleet's events shows it each of them first.
    pub fn listener(&self) -> Listener {
        Listener::new(self.facts.beside(), Arc::clone(&self.watched))
    }

    /// Lets a proof ask the stream whether anything is left on its way. Without it the stream asks by itself, and a proof
    /// takes a few seconds longer.
    pub fn asks_by(&self, questions: Questions) {
        self.ask(Ask::Questions(questions));
    }

    /// Asks, or says that it cannot. The task ends only with the process: then nobody is left to tell.
    fn ask(&self, ask: Ask) {
        let room = if matches!(ask, Ask::Stop { .. }) { 0 } else { STOPS };
        let ask = if self.asks.capacity() > room {
            match self.asks.try_send(ask) {
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => return,
                Err(mpsc::error::TrySendError::Full(ask)) => ask,
            }
        } else {
            ask
        };
        tracing::error!("the responder is asked more than it answers");
        let why = SafeText::new("too much is asked at once: nothing was done; ask again");
        let answer = match ask {
            Ask::Plan { generation, .. } => {
                let trouble =
                    Trouble { kind: TroubleKind::Failed, message: why, missing_action: None, since: now() };
                Answer::Plan { generation, result: Err(trouble) }
            }
            Ask::Confirm { plan, .. } | Ask::Decline { plan, .. } => {
                Answer::Refused { plan: plan.id, reason: why }
            }
            Ask::Stop { .. } | Ask::Questions(_) => return,
        };
        if let Some(answers) = self.answers.upgrade() {
            let _ = answers.try_send(answer);
        }
    }
}

/// A plan under way.
struct Running {
    facts: Facts,
    stop: watch::Sender<Option<Stop>>,
    names: std::collections::HashSet<String>,
}

struct Task {
    clients: Aws,
    journal: Scribe,
    rules: Arc<Rules>,
    /// What they are to be from the next that is asked on.
    newer: watch::Receiver<Arc<Rules>>,
    events: mpsc::Sender<Event>,
    answers: mpsc::Sender<Answer>,
    watched: Arc<Watched>,
    /// Since when telemetry is received, and of whom.
    hearing: Hearing,
    questions: Option<Questions>,
    runs: HashMap<PlanId, Running>,
    identity: Arc<OnceCell<String>>,
}

impl Task {
    async fn serve(mut self, mut asked: mpsc::Receiver<Ask>, mut heard: mpsc::Receiver<Fact>) {
        let (ended, mut ends) = mpsc::channel::<PlanId>(ENDS);
        self.recover();
        let teller = self.teller();
        tokio::spawn(async move { teller.identify().await });
        loop {
            tokio::select! {
                ask = asked.recv() => match ask {
                    Some(ask) => self.ask(ask, &ended),
                    None => break,
                },
                Some(fact) = heard.recv() => self.fact(fact),
                Some(plan) = ends.recv() => {
                    self.runs.remove(&plan);
                    self.watch();
                }
            }
        }
    }

    /// What an earlier process left without an outcome is looked for once, beside everything else.
    fn recover(&self) {
        let (clients, rules, answers) = (self.clients.clone(), Arc::clone(&self.rules), self.answers.clone());
        tokio::spawn(async move {
            match Box::pin(recover::unfinished(&clients, &rules.journal, rules.since)).await {
                Ok(plans) if plans.is_empty() => {}
                Ok(plans) => drop(answers.send(Answer::Recovered { plans }).await),
                Err(error) => tracing::warn!(%error, "the journal could not be read for unfinished plans"),
            }
        });
    }

    /// Nothing here is waited for: neither AWS nor the disk may keep a stop from being heard.
    fn ask(&mut self, ask: Ask, ended: &mpsc::Sender<PlanId>) {
        self.take_rules();
        match ask {
            Ask::Plan { generation, intent } => self.plan(generation, intent),
            Ask::Confirm { plan, typed } => self.confirm(*plan, typed.as_deref(), ended),
            Ask::Decline { plan, reason } => {
                let teller = self.teller();
                tokio::spawn(async move { teller.refused(&plan, reason).await });
            }
            Ask::Stop { plan, why } => {
                let sought = self.runs.iter().filter(|(id, _)| plan.as_ref().is_none_or(|p| p == *id));
                for (_, running) in sought {
                    // Whoever stopped it first is who stopped it; whoever stops it again is in a hurry.
                    running.stop.send_modify(|stop| {
                        stop.get_or_insert(why);
                    });
                }
            }
            Ask::Questions(questions) => self.questions = Some(questions),
        }
    }

    /// Whatever is asked is answered under the latest rules.
    fn take_rules(&mut self) {
        let rules = Arc::clone(&self.newer.borrow_and_update());
        if rules.journal != self.rules.journal {
            self.journal = Scribe::start(&rules.journal);
        }
        self.rules = rules;
    }

    /// Plans beside everything else: a slow account must not hold up a run or another question.
    fn plan(&self, generation: u64, intent: Intent) {
        let (clients, rules, answers) = (self.clients.clone(), Arc::clone(&self.rules), self.answers.clone());
        tokio::spawn(async move {
            let result = Box::pin(read::read(&clients, &rules, &intent, now())).await;
            let result = result.map(|facts| Box::new(Plan::build(intent, &facts, &rules, new_id(), now())));
            let _ = answers.send(Answer::Plan { generation, result }).await;
        });
    }

    fn confirm(&mut self, plan: Plan, typed: Option<&str>, ended: &mpsc::Sender<PlanId>) {
        let (began, teller) = (now(), self.teller());
        let running = self.runs.contains_key(&plan.id);
        let granted = if running {
            Err(Refusal(SafeText::new("this plan is running already")))
        } else {
            gate::decide(&plan, typed, &self.rules, began)
        };
        let grant = match granted {
            Ok(grant) => grant,
            Err(Refusal(reason)) => {
                tokio::spawn(async move { teller.refused(&plan, reason).await });
                return;
            }
        };
        let (facts, heard) = Facts::channel();
        let (stop, stopped) = watch::channel(None);
        let id = plan.id.clone();
        self.runs.insert(id.clone(), Running { facts, stop, names: run::names(&plan) });
        self.watch();
        let shared = Shared {
            clients: self.clients.clone(),
            rules: Arc::clone(&self.rules),
            journal: self.journal.clone(),
            unwritten: Arc::default(),
            events: self.events.clone(),
            answers: self.answers.clone(),
            questions: self.questions.clone(),
        };
        let (hearing, ended) = (self.hearing.clone(), ended.clone());
        tokio::spawn(async move {
            Box::pin(teller.run(shared, plan, grant, began, hearing, heard, stopped)).await;
            let _ = ended.send(id).await;
        });
    }

    fn teller(&self) -> Teller {
        Teller {
            clients: self.clients.clone(),
            journal: self.journal.clone(),
            answers: self.answers.clone(),
            identity: Arc::clone(&self.identity),
        }
    }

    fn fact(&mut self, fact: Fact) {
        self.hearing.note(&fact);
        let at = now();
        for running in self.runs.values_mut() {
            running.facts.send(fact.clone(), at);
        }
    }

    fn watch(&self) {
        self.watched.set(self.runs.values().flat_map(|r| r.names.iter().cloned()).collect());
    }
}

/// AWS's answer to whose credentials these are is waited for no longer than this: the journal then says what is known here.
const IDENTITY: Duration = Duration::from_secs(3);

/// What writes down and answers for the task, beside it.
struct Teller {
    clients: Aws,
    journal: Scribe,
    answers: mpsc::Sender<Answer>,
    /// Whose credentials these are; asked once, at the start.
    identity: Arc<OnceCell<String>>,
}

impl Teller {
    /// Whose credentials these are.
    async fn identify(&self) -> Option<String> {
        let ask = || async {
            let found = Box::pin(cloud::read::caller_identity(&self.clients)).await.map_err(drop)?;
            if found.arn.is_empty() { Err(()) } else { Ok(found.arn.as_str().to_owned()) }
        };
        let asked = tokio::time::timeout(IDENTITY, self.identity.get_or_try_init(ask)).await;
        asked.ok()?.ok().cloned()
    }

    /// Writes a refusal down and answers with it.
    async fn refused(&self, plan: &Plan, reason: SafeText) {
        let targets: Vec<&str> = plan.targets.iter().map(|t| t.raw()).collect();
        let who = who(self.identify().await.as_deref());
        let fields = json!({"what": plan.intent.verb(), "targets": targets, "who": who, "reason": reason});
        if let Err(e) = self.journal.append(now(), "refused", &plan.id.0, fields).await {
            tracing::warn!(error = %e, "a refusal could not be written to the journal");
        }
        let _ = self.answers.send(Answer::Refused { plan: plan.id.clone(), reason }).await;
    }

    /// Has the intent on disk and runs it to its end; nothing is sent otherwise.
    #[expect(clippy::too_many_arguments, reason = "what a run is given, handed on")]
    async fn run(
        &self,
        shared: Shared,
        plan: Plan,
        grant: Grant,
        began: Ms,
        hearing: Hearing,
        heard: mpsc::Receiver<Fact>,
        mut stopped: watch::Receiver<Option<Stop>>,
    ) {
        let arn = tokio::select! {
            arn = self.identify() => arn,
            true = async { stopped.wait_for(Option::is_some).await.is_ok() } => {
                return self.refused(&plan, SafeText::new("stopped before anything was sent")).await;
            }
        };
        let fields = intent(&plan, &self.clients.region, arn.as_deref());
        // On disk before the first request leaves; otherwise nothing leaves.
        if let Err(e) = self.journal.append(began, "intent", &plan.id.0, fields).await {
            let reason = SafeText::new(&format!("the journal cannot be written ({e}): nothing was sent"));
            let _ = self.answers.send(Answer::Refused { plan: plan.id, reason }).await;
            return;
        }
        let (kept, events) = (plan.clone(), shared.events.clone());
        let run = tokio::spawn(Box::pin(run::run(shared, plan, grant, began, hearing, heard, stopped)));
        if run.await.is_err() {
            self.broke_down(kept, began, &events).await;
        }
    }

    /// A fault of quell's own ended a run: the journal and whoever waits hear of it.
    async fn broke_down(&self, plan: Plan, began: Ms, events: &mpsc::Sender<Event>) {
        let why = SafeText::new("a fault in quell itself ended it; the log has the report");
        let outcome = Some(TargetOutcome::Left { why: why.clone(), missing: SafeText::default() });
        let (result, ..) = TargetOutcome::told(outcome.as_ref());
        let told = |name: &Name| json!({"target": name.raw(), "result": result, "why": why, "steps": []});
        let targets: Vec<_> = plan.targets.iter().map(told).collect();
        let ended = Outcome::Left;
        let fields = json!({
            "outcome": ended.word(), "took_ms": now() - began, "targets": targets, "stopped": "fault",
        });
        if let Err(error) = self.journal.append(now(), "outcome", &plan.id.0, fields).await {
            tracing::error!(%error, "the outcome could not be written to the journal");
        }
        for work in plan.work.iter().filter(|work| work.proof.holds()) {
            let left = SafeText::new("the rest of the plan");
            let stage = Stage::Failed { began, what: why.clone(), left };
            let told = ResponseEvent {
                plan: Some(SafeText::new(&plan.id.0)),
                ..ResponseEvent::new(work.name.clone(), stage, now())
            };
            let _ = events.send(Event::Response(told)).await;
        }
        let target = |name| TargetView { name, rows: Vec::new(), outcome: outcome.clone() };
        let targets = plan.targets.into_iter().map(target).collect();
        let (id, title) = (plan.id, plan.title);
        let (rows, finished) = (Vec::new(), Some(ended));
        let view = ActionView { id, title, began, rows, targets, finished, swept: Swept::None };
        let _ = self.answers.send(Answer::Done(view)).await;
    }
}

/// The intent of a plan, as the journal keeps it: enough to tell, to finish and to undo it.
fn intent(plan: &Plan, region: &str, arn: Option<&str>) -> Value {
    let targets: Vec<&str> = plan.targets.iter().map(|t| t.raw()).collect();
    let steps: Vec<_> = plan
        .work
        .iter()
        .flat_map(|w| w.requests.iter().map(move |r| (w, r.call())))
        .map(|(w, c)| json!({"target": w.name.raw(), "operation": c.operation, "resource": c.resource, "parameters": c.summary}))
        .collect();
    json!({
        "what": plan.intent.verb(), "title": plan.title, "targets": targets, "who": who(arn),
        "region": region, "steps": steps, "work": plan.work,
        // Whoever waits releases them; otherwise a guard that reads this does.
        "held_for_ms": match &plan.intent {
            Intent::Isolate { time: Some(HeldFor { length, waits: false }), .. } => Some(length),
            _ => None,
        },
        "undoes": match &plan.intent { Intent::Undo { plan } => Some(plan), _ => None },
        "finishes": match &plan.intent { Intent::Finish { plan } => Some(plan), _ => None },
    })
}

/// A name for a plan: when, and enough chance that two consoles never meet.
fn new_id() -> String {
    format!("{:x}-{:08x}", now(), fastrand::u32(..))
}
