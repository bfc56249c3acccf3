//! The handle to the background task that plans, executes and proves.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::json;
use tokio::sync::{mpsc, watch};

use crate::cloud::{self, Aws};
use crate::config::Settings;
use quell_fleet::event::Event;
use quell_fleet::text::SafeText;

use super::gate::{self, Refusal};
use super::journal::{Journal, who};
use super::listen::{Ear, Fact, Listener, Watched};
use super::plan::{Intent, Plan, PlanId};
use super::read;
use super::recover;
use super::rules::Rules;
use super::run::{self, Shared, now};
use super::view::Answer;

/// What the task is asked to do.
#[derive(Debug)]
pub(in crate::response) enum Ask {
    /// Compute a plan.
    Plan { generation: u64, intent: Intent },
    /// Run a plan.
    Confirm { plan: Box<Plan>, typed: Option<String> },
    /// Write down that a plan was declined.
    Decline { plan: Box<Plan>, reason: SafeText },
    /// Stop after the requests that are under way.
    Stop { plan: PlanId },
    /// Other rules from now on.
    Rules(Box<Rules>),
}

/// A cheap handle to the task; every call returns at once.
#[derive(Clone, Debug)]
pub struct Responder {
    asks: mpsc::UnboundedSender<Ask>,
    facts: mpsc::UnboundedSender<Fact>,
    watched: Arc<Watched>,
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
        let (asks, asked) = mpsc::unbounded_channel();
        let (facts, heard) = mpsc::unbounded_channel();
        let watched = Arc::new(Watched::default());
        let task = Task {
            clients,
            rules: Arc::new(rules),
            events,
            answers,
            watched: Arc::clone(&watched),
            ear: Ear::default(),
            runs: HashMap::new(),
            identity: None,
        };
        tokio::spawn(task.serve(asked, heard));
        Self { asks, facts, watched }
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

    /// Stops a running plan after the requests under way; what was done stays done and is in the journal.
    pub fn stop(&self, plan: &PlanId) {
        self.ask(Ask::Stop { plan: plan.clone() });
    }

    /// Other guardrails, groups and read-only mode from now on; what runs goes on under those it was confirmed under.
    pub fn take(&self, settings: &Settings) {
        self.ask(Ask::Rules(Box::new(Rules::from(settings))));
    }

    /// The ear of this responder: whoever receives the fleet's events shows it each of them first.
    pub fn listener(&self) -> Listener {
        Listener::new(self.facts.clone(), Arc::clone(&self.watched))
    }

    fn ask(&self, ask: Ask) {
        // The task ends only with the process; nobody is left to tell.
        let _ = self.asks.send(ask);
    }
}

/// A plan under way.
struct Running {
    facts: mpsc::UnboundedSender<Fact>,
    stop: watch::Sender<bool>,
    names: std::collections::HashSet<String>,
}

struct Task {
    clients: Aws,
    rules: Arc<Rules>,
    events: mpsc::Sender<Event>,
    answers: mpsc::Sender<Answer>,
    watched: Arc<Watched>,
    /// Since when telemetry is received, and of whom.
    ear: Ear,
    runs: HashMap<PlanId, Running>,
    identity: Option<String>,
}

impl Task {
    async fn serve(
        mut self,
        mut asked: mpsc::UnboundedReceiver<Ask>,
        mut heard: mpsc::UnboundedReceiver<Fact>,
    ) {
        let (ended, mut ends) = mpsc::unbounded_channel::<PlanId>();
        self.recover();
        loop {
            tokio::select! {
                ask = asked.recv() => match ask {
                    Some(ask) => Box::pin(self.ask(ask, &ended)).await,
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
            match Box::pin(recover::unfinished(&clients, &rules.journal)).await {
                Ok(plans) if plans.is_empty() => {}
                Ok(plans) => drop(answers.send(Answer::Recovered { plans }).await),
                Err(error) => tracing::warn!(%error, "the journal could not be read for unfinished plans"),
            }
        });
    }

    async fn ask(&mut self, ask: Ask, ended: &mpsc::UnboundedSender<PlanId>) {
        match ask {
            Ask::Plan { generation, intent } => self.plan(generation, intent),
            Ask::Confirm { plan, typed } => {
                let id = plan.id().clone();
                if let Err(Refusal(reason)) = self.confirm(*plan, typed.as_deref(), ended).await {
                    let _ = self.answers.send(Answer::Refused { plan: id, reason }).await;
                }
            }
            Ask::Decline { plan, reason } => {
                if let Ok(journal) = Journal::open(&self.rules.journal) {
                    self.identify().await;
                    self.refused(&journal, &plan, &reason);
                }
                let _ = self.answers.send(Answer::Refused { plan: plan.id, reason }).await;
            }
            Ask::Stop { plan } => {
                if let Some(running) = self.runs.get(&plan) {
                    let _ = running.stop.send(true);
                }
            }
            Ask::Rules(rules) => self.rules = Arc::new(*rules),
        }
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

    async fn confirm(
        &mut self,
        plan: Plan,
        typed: Option<&str>,
        ended: &mpsc::UnboundedSender<PlanId>,
    ) -> Result<(), Refusal> {
        let began = now();
        let journal = Journal::open(&self.rules.journal).map_err(|e| {
            Refusal(SafeText::new(&format!("the journal cannot be opened ({e}): nothing was sent")))
        })?;
        self.identify().await;
        let who = who(self.identity.as_deref());
        let targets: Vec<&str> = plan.targets.iter().map(|t| t.raw()).collect();
        if self.runs.contains_key(&plan.id) {
            return Err(Refusal(SafeText::new("this plan is running already")));
        }
        let grant = match gate::decide(&plan, typed, &self.rules, began) {
            Ok(grant) => grant,
            Err(refusal) => {
                self.refused(&journal, &plan, &refusal.0);
                return Err(refusal);
            }
        };
        let steps: Vec<_> = plan
            .work
            .iter()
            .flat_map(|w| w.requests.iter().map(move |r| (w, r.call())))
            .map(|(w, c)| json!({"target": w.name.raw(), "operation": c.operation, "resource": c.resource, "parameters": c.summary}))
            .collect();
        let fields = json!({
            "what": plan.intent.verb(), "title": plan.title, "targets": targets, "who": who,
            "region": self.clients.region, "steps": steps, "work": plan.work,
            "undoes": match &plan.intent { Intent::Undo { plan } => Some(plan), _ => None },
            "finishes": match &plan.intent { Intent::Finish { plan } => Some(plan), _ => None },
        });
        // On disk before the first request leaves; otherwise nothing leaves.
        journal.append(began, "intent", &plan.id.0, fields).map_err(|e| {
            Refusal(SafeText::new(&format!("the journal cannot be written ({e}): nothing was sent")))
        })?;
        let (facts, heard) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let names = run::names(&plan);
        let id = plan.id.clone();
        self.runs.insert(id.clone(), Running { facts, stop, names });
        self.watch();
        let shared = Shared {
            clients: self.clients.clone(),
            rules: Arc::clone(&self.rules),
            journal: Arc::new(journal),
            events: self.events.clone(),
            answers: self.answers.clone(),
        };
        let (ear, ended) = (self.ear.clone(), ended.clone());
        tokio::spawn(async move {
            Box::pin(run::run(shared, plan, grant, began, ear, heard, stopped)).await;
            let _ = ended.send(id);
        });
        Ok(())
    }

    /// Learns once whose credentials these are.
    async fn identify(&mut self) {
        if self.identity.is_none() {
            let who = cloud::read::caller_identity(&self.clients).await;
            self.identity = who.ok().map(|who| who.arn.to_string());
        }
    }

    fn refused(&self, journal: &Journal, plan: &Plan, reason: &SafeText) {
        let targets: Vec<&str> = plan.targets.iter().map(|t| t.raw()).collect();
        let who = who(self.identity.as_deref());
        let fields = json!({"what": plan.intent.verb(), "targets": targets, "who": who, "reason": reason});
        if let Err(e) = journal.append(now(), "refused", &plan.id.0, fields) {
            tracing::warn!(error = %e, "a refusal could not be written to the journal");
        }
    }

    fn fact(&mut self, fact: Fact) {
        self.ear.note(&fact);
        for running in self.runs.values() {
            let _ = running.facts.send(fact.clone());
        }
    }

    fn watch(&self) {
        self.watched.set(self.runs.values().flat_map(|r| r.names.iter().cloned()).collect());
    }
}

/// A name for a plan: when, and enough chance that two consoles never meet.
fn new_id() -> String {
    format!("{:x}-{:08x}", now(), fastrand::u32(..))
}
