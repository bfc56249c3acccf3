//! Runs one confirmed plan: journal the intent, send what was granted target by target, journal each outcome, wait for the
//! proofs, and look for what was left behind.

mod look;
mod send;
mod sweep;
mod told;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::cloud::Aws;
use crate::stream::Questions;
use quell_fleet::Ms;
use quell_fleet::event::{Event, ResponseEvent, Stage};
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::execute::{Accepted, Failed};
use super::gate::Grant;
use super::journal::scribe::Scribe;
use super::listen::{Fact, Hearing};
use super::plan::request::{Request, Work};
use super::plan::{Plan, PlanId};
use super::prover::{Look, Prover};
use super::rules::Rules;
use super::stop::{PATIENCE, Stop};
use super::sweep::Swept;
use super::view::{ActionView, Answer, Outcome, summary};
use look::look;
use send::{send_target, sent};
use told::{outcome, stage, target_json};

/// So many targets are worked on at once.
const AT_ONCE: usize = 8;
/// How often time is looked at while proving.
const TICK: Duration = Duration::from_millis(200);
/// Between two looks at the account for one target, in milliseconds.
const BETWEEN_LOOKS: Ms = 2_000;
/// Between two questions to the stream's connections, in milliseconds: a proof takes at most this much longer.
const BETWEEN_QUESTIONS: Ms = 400;
/// What may be looked at in one tick: a question to TestAuthorization weighs four (10 calls a second), the rest one.
const LOOKS_A_TICK: usize = 8;

/// Reports that may wait to be heard: then whoever reports waits too.
const REPORTS: usize = 256;
/// Consoles that share the journal look at it three times a second: before the first message of ours that they would take for a
/// device's, they have the time to read of it.
const TOLD: Duration = Duration::from_millis(1_000);

/// After the disk refused the outcome, the next attempt.
const AGAIN: Duration = Duration::from_secs(5);

/// One more target makes all of them wait this much longer, in milliseconds.
const QUEUE_MS: Ms = 300;

/// What a run shares with its task.
#[derive(Clone, Debug)]
pub(in crate::response) struct Shared {
    pub(in crate::response) clients: Aws,
    pub(in crate::response) rules: Arc<Rules>,
    pub(in crate::response) journal: Scribe,
    /// Answers whose line the disk refused: they are told with the outcome.
    pub(in crate::response) unwritten: Arc<Mutex<Vec<Value>>>,
    pub(in crate::response) events: mpsc::Sender<Event>,
    pub(in crate::response) answers: mpsc::Sender<Answer>,
    /// What asks the stream's connections, where there is a stream.
    pub(in crate::response) questions: Option<Questions>,
}

/// What the tasks of a run report.
enum Report {
    Begun(usize, usize),
    Ended(usize, usize, Result<Accepted, Failed>, Ms),
    AllSent(usize, Ms),
    Looked(usize, Box<Look>),
    CutAgain(usize, Name, bool, Ms),
}

pub(in crate::response) fn now() -> Ms {
    jiff::Timestamp::now().as_millisecond()
}

struct Run {
    shared: Shared,
    plan: Plan,
    grant: Arc<Grant>,
    began: Ms,
    provers: Vec<Prover>,
    stages: Vec<Option<Stage>>,
    reports: mpsc::Sender<Report>,
    tasks: JoinSet<()>,
    stop: watch::Receiver<Option<Stop>>,
    /// When the stream was last asked.
    asked: Ms,
    /// Requests under way were not waited for: what became of them is not known.
    cut_off: bool,
}

/// Runs `plan`, whose intent is already in the journal, to its end.
pub(in crate::response) async fn run(
    shared: Shared,
    plan: Plan,
    grant: Grant,
    began: Ms,
    hearing: Hearing,
    mut facts: mpsc::Receiver<Fact>,
    stop: watch::Receiver<Option<Stop>>,
) {
    let (reports, mut reported) = mpsc::channel(REPORTS);
    let mut provers: Vec<Prover> =
        plan.work.iter().map(|w| Prover::new(w.clone(), began, &hearing, &shared.rules)).collect();
    // The account is looked at for a few devices at a time: many devices need more patience.
    let queue = Ms::try_from(provers.len()).unwrap_or(Ms::MAX).saturating_mul(QUEUE_MS);
    for prover in &mut provers {
        prover.wait_longer(queue);
    }
    let stages = vec![None; provers.len()];
    let mut run = Run {
        shared,
        plan,
        grant: Arc::new(grant),
        began,
        provers,
        stages,
        reports,
        tasks: JoinSet::new(),
        stop,
        asked: 0,
        cut_off: false,
    };
    run.send_all();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut stop = run.stop.clone();
    let mut stopped: Option<Stop> = None;
    loop {
        tokio::select! {
            Some(report) = reported.recv() => run.report(report),
            Some(fact) = facts.recv() => for prover in &mut run.provers { prover.fact(&fact) },
            _ = tick.tick() => {
                run.tick();
                run.tell(None);
            }
            Ok(()) = stop.changed(), if stopped.is_none() => stopped = *stop.borrow(),
        }
        run.stages().await;
        if let Some(stopped) = stopped {
            // Requests under way are waited for: what became of them belongs into the journal.
            run.settle(stopped, &mut stop, &mut reported).await;
            while let Ok(report) = reported.try_recv() {
                run.report(report);
            }
            for prover in &mut run.provers {
                prover.give_up(stopped);
            }
            run.stages().await;
        }
        if run.provers.iter().all(|c| c.outcome().is_some()) {
            break;
        }
    }
    // What is under way still must not wait to be heard.
    drop(reported);
    run.finish(stopped).await;
}

impl Run {
    fn send_all(&mut self) {
        let gate = Arc::new(Semaphore::new(AT_ONCE));
        let clears = |work: &Work| work.requests.iter().any(|r| matches!(r, Request::ClearRetained { .. }));
        let told = if self.plan.work.iter().any(clears) { TOLD } else { Duration::ZERO };
        for (t, work) in self.plan.work.iter().enumerate() {
            let (gate, work) = (Arc::clone(&gate), work.clone());
            let (shared, grant, reports) =
                (self.shared.clone(), Arc::clone(&self.grant), self.reports.clone());
            let stop = self.stop.clone();
            self.tasks.spawn(async move {
                // Once for the plan, not once for each that waits for its turn.
                tokio::time::sleep(told).await;
                let Ok(_turn) = gate.acquire().await else { return };
                Box::pin(send_target(&shared, &grant, &work, t, &reports, &stop)).await;
            });
        }
    }

    fn report(&mut self, report: Report) {
        match report {
            Report::Begun(t, i) => self.with(t, |c| c.requesting(i)),
            Report::Ended(t, i, result, at) => self.with(t, |c| c.requested(i, &result, at)),
            Report::AllSent(t, at) => self.with(t, |c| c.all_sent(at)),
            Report::Looked(t, look) => self.with(t, |c| c.look(&look, now())),
            Report::CutAgain(t, client, accepted, at) => self.with(t, |p| p.cut_again(&client, accepted, at)),
        }
    }

    fn with(&mut self, t: usize, act: impl FnOnce(&mut Prover)) {
        if let Some(prover) = self.provers.get_mut(t) {
            act(prover);
        }
    }

    /// Waits for the answers to the requests under way: as long as it takes, unless nobody is left to wait, or whoever stopped
    /// it asks again.
    async fn settle(
        &mut self,
        stopped: Stop,
        again: &mut watch::Receiver<Option<Stop>>,
        reported: &mut mpsc::Receiver<Report>,
    ) {
        let (tasks, mut told) = (&mut self.tasks, Vec::new());
        let answered = async {
            loop {
                tokio::select! {
                    ended = tasks.join_next() => if ended.is_none() { break },
                    Some(report) = reported.recv() => told.push(report),
                }
            }
        };
        let hurry = async {
            if stopped.is_waited_for() && again.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(PATIENCE).await;
        };
        let answered = tokio::select! {
            () = answered => true,
            () = hurry => false,
        };
        told.into_iter().for_each(|report| self.report(report));
        if !answered {
            self.cut_off = true;
            self.tasks.abort_all();
        }
    }

    /// A silence lasts up to an answer of the connection, so somebody has to ask.
    fn inquire(&mut self, at: Ms) {
        let wanted = self.provers.iter().any(Prover::wants_answers);
        if let Some(questions) = self.shared.questions.as_ref().filter(|_| wanted)
            && at - self.asked >= BETWEEN_QUESTIONS
        {
            self.asked = at;
            questions.ask();
        }
    }

    fn tick(&mut self) {
        let at = now();
        self.inquire(at);
        for t in 0..self.provers.len() {
            let Some(prover) = self.provers.get_mut(t) else { continue };
            prover.tick(at);
            for client in prover.cuts_due(at) {
                prover.cut_again(&client, false, at);
                let request = Request::Cut { client: client.clone() };
                let (shared, grant, reports) =
                    (self.shared.clone(), Arc::clone(&self.grant), self.reports.clone());
                let name = prover.work.name.raw().to_owned();
                self.tasks.spawn(async move {
                    let result = sent(&shared, &grant, &request, &name, None).await;
                    let _ = reports.send(Report::CutAgain(t, client, result.is_ok(), now())).await;
                });
            }
        }
        self.look_around(at);
        while self.tasks.try_join_next().is_some() {}
    }

    /// Looks at the account for those that have waited longest, within AWS's rates.
    fn look_around(&mut self, at: Ms) {
        let mut due: Vec<(Ms, usize)> = self
            .provers
            .iter()
            .enumerate()
            .filter(|(_, c)| c.proving() && c.next_look <= at)
            .map(|(t, c)| (c.next_look, t))
            .collect();
        due.sort_unstable();
        let mut left = LOOKS_A_TICK;
        for (_, t) in due {
            let Some(prover) = self.provers.get_mut(t) else { continue };
            let wants = prover.wants();
            let weight = if wants.denied { 4 } else { 1 };
            if weight > left {
                break;
            }
            left -= weight;
            prover.next_look = at + self.shared.rules.scaled(BETWEEN_LOOKS as f64).max(500);
            let (clients, work, reports) =
                (self.shared.clients.clone(), prover.work.clone(), self.reports.clone());
            self.tasks.spawn(async move {
                let look = Box::pin(look(&clients, &work, wants)).await;
                let _ = reports.send(Report::Looked(t, Box::new(look))).await;
            });
        }
    }

    fn view(&self, finished: Option<Outcome>) -> ActionView {
        let targets: Vec<_> = self.provers.iter().map(Prover::view).collect();
        ActionView {
            id: self.plan.id.clone(),
            title: self.plan.title.clone(),
            began: self.began,
            rows: summary(&targets),
            targets,
            finished,
            swept: Swept::None,
        }
    }

    fn tell(&self, finished: Option<Outcome>) {
        // A screen that is busy gets the next one; only the end must arrive.
        let _ = self.shared.answers.try_send(Answer::Progress(self.view(finished)));
    }

    /// Tells the fleet how far each device is, when that changed.
    async fn stages(&mut self) {
        for t in 0..self.provers.len() {
            let (Some(prover), Some(last)) = (self.provers.get(t), self.stages.get_mut(t)) else { continue };
            let stage = stage(prover, self.began);
            if stage.is_none() || *last == stage {
                continue;
            }
            last.clone_from(&stage);
            if let Some(stage) = stage {
                tracing::info!(plan = %self.plan.id.0, thing = %prover.work.name.shown(), ?stage, "proof");
                let event = ResponseEvent {
                    plan: Some(SafeText::new(&self.plan.id.0)),
                    silent_until: prover.silent_until(),
                    ..ResponseEvent::new(prover.work.name.clone(), stage, now())
                };
                let _ = self.shared.events.send(Event::Response(event)).await;
            }
        }
    }

    async fn finish(mut self, stopped: Option<Stop>) {
        while self.tasks.join_next().await.is_some() {}
        let outcome = if self.cut_off { Outcome::Left } else { outcome(&self.provers, stopped) };
        let mut view = self.view(Some(outcome.clone()));
        let until = self.provers.iter().map(Prover::silent_until);
        let targets: Vec<_> =
            view.targets.iter().zip(until).map(|(target, until)| target_json(target, until)).collect();
        for target in &targets {
            tracing::info!(plan = %self.plan.id.0, %target, "proof ended");
        }
        let mut fields = json!({
            "outcome": outcome.word(), "took_ms": now() - self.began, "targets": targets,
            "stopped": stopped.map(Stop::word),
        });
        let unwritten = std::mem::take(&mut *self.shared.unwritten.lock());
        if !unwritten.is_empty() {
            fields["requests"] = unwritten.into();
        }
        if let Err(e) = self.shared.journal.append(now(), "outcome", &self.plan.id.0, fields.clone()).await {
            let why = SafeText::new(&format!(
                "how it ended could not be written to the journal ({e}): until there is room, it is taken for a \
                 response that never ended"
            ));
            let plan = self.plan.id.clone();
            tokio::spawn(until_written(self.shared.journal.clone(), plan.clone(), now(), fields));
            let _ = self.shared.answers.send(Answer::Unwritten { plan, why }).await;
        }
        // Whoever stopped it does not wait for more.
        let contained = if stopped.is_none() { sweep::contained(&self.provers) } else { Vec::new() };
        if contained.is_empty() {
            let _ = self.shared.answers.send(Answer::Done(view)).await;
            return;
        }
        view.swept = Swept::Running;
        let _ = self.shared.answers.send(Answer::Done(view.clone())).await;
        let found = sweep::run(&self.shared, self.grant, &self.plan.id, contained).await;
        view.swept = Swept::Done(found);
        let _ = self.shared.answers.send(Answer::Swept(view)).await;
    }
}

/// Tries again to write how a response ended, as long as the process lives.
async fn until_written(journal: Scribe, plan: PlanId, at: Ms, fields: Value) {
    loop {
        tokio::time::sleep(AGAIN).await;
        if journal.append(at, "outcome", &plan.0, fields.clone()).await.is_ok() {
            return;
        }
    }
}

/// The things, client ids and principals a run listens for.
pub(in crate::response) fn names(plan: &Plan) -> HashSet<String> {
    let of = |w: &Work| {
        let clients = w.clients.iter().map(|client| client.raw().to_owned());
        clients.chain(w.principals.iter().cloned()).chain([w.name.raw().to_owned()]).collect::<Vec<_>>()
    };
    plan.work.iter().flat_map(of).collect()
}
