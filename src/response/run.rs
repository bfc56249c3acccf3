//! Runs one confirmed plan: journal the intent, send what was granted target by target, journal each outcome, and wait for
//! the proofs.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::cloud::Clients;
use crate::fleet::Ms;
use crate::fleet::event::{Event, ResponseEvent, Stage};
use crate::text::SafeText;

use super::climb::{Climb, Look, Wants};
use super::execute::{self, Accepted, Failed};
use super::gate::Grant;
use super::journal::Journal;
use super::listen::Fact;
use super::pace::Pace;
use super::past::Seen;
use super::plan::Plan;
use super::plan::request::{CertificateStatus, Proof, Request, Work};
use super::read;
use super::rules::Rules;
use super::view::{ActionView, Answer, Outcome, TargetOutcome, summary};

/// So many targets are worked on at once.
const AT_ONCE: usize = 8;
/// How often time is looked at while proving.
const TICK: Duration = Duration::from_millis(200);
/// Between two looks at the account for one target, in milliseconds.
const BETWEEN_LOOKS: Ms = 2_000;
/// What may be looked at in one tick: a question to TestAuthorization weighs four (10 calls a second), the rest one.
const LOOKS_A_TICK: usize = 8;

/// One more target makes all of them wait this much longer, in milliseconds.
const QUEUE_MS: Ms = 300;

/// What a run shares with its task.
#[derive(Clone, Debug)]
pub(in crate::response) struct Shared {
    pub(in crate::response) clients: Clients,
    pub(in crate::response) rules: Arc<Rules>,
    pub(in crate::response) journal: Arc<Journal>,
    pub(in crate::response) events: mpsc::Sender<Event>,
    pub(in crate::response) answers: mpsc::Sender<Answer>,
    pub(in crate::response) pace: Arc<Pace>,
}

/// What the tasks of a run report.
enum Report {
    Begun(usize, usize),
    Ended(usize, usize, Result<Accepted, Failed>, Ms),
    AllSent(usize, Ms),
    Looked(usize, Box<Look>),
    CutAgain(usize, bool, Ms),
}

pub(in crate::response) fn now() -> Ms {
    jiff::Timestamp::now().as_millisecond()
}

struct Run {
    shared: Shared,
    plan: Plan,
    grant: Arc<Grant>,
    began: Ms,
    climbs: Vec<Climb>,
    stages: Vec<Option<Stage>>,
    reports: mpsc::UnboundedSender<Report>,
    tasks: JoinSet<()>,
    stop: watch::Receiver<bool>,
}

/// Runs `plan`, whose intent is already in the journal, to its end.
pub(in crate::response) async fn run(
    shared: Shared,
    plan: Plan,
    grant: Grant,
    began: Ms,
    link: Option<Ms>,
    mut facts: mpsc::UnboundedReceiver<Fact>,
    stop: watch::Receiver<bool>,
) {
    let (reports, mut reported) = mpsc::unbounded_channel();
    let climbs: Vec<Climb> =
        plan.work.iter().map(|w| Climb::new(w.clone(), began, link, &shared.rules)).collect();
    let mut climbs = climbs;
    // The account is looked at for a few devices at a time: many devices need more patience.
    let queue = Ms::try_from(climbs.len()).unwrap_or(Ms::MAX).saturating_mul(QUEUE_MS);
    for climb in &mut climbs {
        climb.wait_longer(queue);
    }
    let stages = vec![None; climbs.len()];
    let mut run = Run {
        shared,
        plan,
        grant: Arc::new(grant),
        began,
        climbs,
        stages,
        reports,
        tasks: JoinSet::new(),
        stop,
    };
    run.send_all();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut stop = run.stop.clone();
    let mut interrupted = false;
    loop {
        tokio::select! {
            Some(report) = reported.recv() => run.report(report),
            Some(fact) = facts.recv() => for climb in &mut run.climbs { climb.fact(&fact) },
            _ = tick.tick() => {
                run.tick();
                run.tell(None);
            }
            Ok(()) = stop.changed(), if !interrupted => {
                interrupted = *stop.borrow();
            }
        }
        run.stages().await;
        if interrupted {
            // Requests under way are waited for: what became of them belongs into the journal.
            while run.tasks.join_next().await.is_some() {}
            while let Ok(report) = reported.try_recv() {
                run.report(report);
            }
            for climb in &mut run.climbs {
                climb.give_up("stopped by the operator");
            }
            run.stages().await;
        }
        if run.climbs.iter().all(|c| c.outcome().is_some()) {
            break;
        }
    }
    run.finish(interrupted).await;
}

impl Run {
    fn send_all(&mut self) {
        let gate = Arc::new(Semaphore::new(AT_ONCE));
        for (t, work) in self.plan.work.iter().enumerate() {
            let (gate, work) = (Arc::clone(&gate), work.clone());
            let (shared, grant, reports) =
                (self.shared.clone(), Arc::clone(&self.grant), self.reports.clone());
            let stop = self.stop.clone();
            self.tasks.spawn(async move {
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
            Report::CutAgain(t, accepted, at) => self.with(t, |c| c.cut_again(accepted, at)),
        }
    }

    fn with(&mut self, t: usize, act: impl FnOnce(&mut Climb)) {
        if let Some(climb) = self.climbs.get_mut(t) {
            act(climb);
        }
    }

    fn tick(&mut self) {
        let at = now();
        for t in 0..self.climbs.len() {
            let Some(climb) = self.climbs.get_mut(t) else { continue };
            climb.tick(at);
            if climb.cut_due(at) {
                climb.cut_again(false, at);
                let request = Request::Cut { client: climb.work.client.clone() };
                let (shared, grant, reports) =
                    (self.shared.clone(), Arc::clone(&self.grant), self.reports.clone());
                let name = climb.work.name.raw().to_owned();
                self.tasks.spawn(async move {
                    let result = sent(&shared, &grant, &request, &name, None).await;
                    let _ = reports.send(Report::CutAgain(t, result.is_ok(), now()));
                });
            }
        }
        self.look_around(at);
        while self.tasks.try_join_next().is_some() {}
    }

    /// Looks at the account for those that have waited longest, within AWS's rates.
    fn look_around(&mut self, at: Ms) {
        let mut due: Vec<(Ms, usize)> = self
            .climbs
            .iter()
            .enumerate()
            .filter(|(_, c)| c.proving() && c.next_look <= at)
            .map(|(t, c)| (c.next_look, t))
            .collect();
        due.sort_unstable();
        let mut left = LOOKS_A_TICK;
        for (_, t) in due {
            let Some(climb) = self.climbs.get_mut(t) else { continue };
            let wants = climb.wants();
            let weight = if wants.denied { 4 } else { 1 };
            if weight > left {
                break;
            }
            left -= weight;
            climb.next_look = at + self.shared.rules.scaled(BETWEEN_LOOKS as f64).max(500);
            let (clients, work, reports) =
                (self.shared.clients.clone(), climb.work.clone(), self.reports.clone());
            self.tasks.spawn(async move {
                let look = Box::pin(look(&clients, &work, wants)).await;
                let _ = reports.send(Report::Looked(t, Box::new(look)));
            });
        }
    }

    fn view(&self, finished: Option<Outcome>) -> ActionView {
        let targets: Vec<_> = self.climbs.iter().map(Climb::view).collect();
        ActionView {
            id: self.plan.id.clone(),
            title: self.plan.title.clone(),
            began: self.began,
            rows: summary(&targets),
            targets,
            finished,
        }
    }

    fn tell(&self, finished: Option<Outcome>) {
        // A screen that is busy gets the next one; only the end must arrive.
        let _ = self.shared.answers.try_send(Answer::Progress(self.view(finished)));
    }

    /// Tells the fleet how far each device is, when that changed.
    async fn stages(&mut self) {
        for t in 0..self.climbs.len() {
            let (Some(climb), Some(last)) = (self.climbs.get(t), self.stages.get_mut(t)) else { continue };
            let stage = stage(climb, self.began);
            if stage.is_none() || *last == stage {
                continue;
            }
            last.clone_from(&stage);
            if let Some(stage) = stage {
                let event = ResponseEvent { thing: climb.work.name.clone(), stage, at: now() };
                let _ = self.shared.events.send(Event::Response(event)).await;
            }
        }
    }

    async fn finish(mut self, interrupted: bool) {
        while self.tasks.join_next().await.is_some() {}
        let outcome = outcome(&self.climbs, interrupted);
        let view = self.view(Some(outcome.clone()));
        let targets: Vec<_> = view.targets.iter().map(target_json).collect();
        let fields = json!({"outcome": outcome.word(), "took_ms": now() - self.began, "targets": targets});
        if let Err(e) = self.shared.journal.append(now(), "outcome", &self.plan.id.0, fields) {
            tracing::error!(error = %e, "the outcome could not be written to the journal");
        }
        let _ = self.shared.answers.send(Answer::Done(view)).await;
    }
}

fn target_json(target: &super::view::TargetView) -> serde_json::Value {
    let rows: Vec<_> = target
        .rows
        .iter()
        .map(|r| {
            let (state, ms) = match &r.state {
                super::view::RowState::Done(ms) => ("done", Some(*ms)),
                super::view::RowState::Failed(_) => ("failed", None),
                super::view::RowState::Skipped(_) => ("skipped", None),
                super::view::RowState::Waiting | super::view::RowState::Running => ("open", None),
            };
            json!({"proof": r.title, "state": state, "after_ms": ms, "detail": r.detail})
        })
        .collect();
    let (result, took, why) = match &target.outcome {
        Some(TargetOutcome::Proven { took }) => ("proven", Some(*took), None),
        Some(TargetOutcome::Unproven { missing }) => ("unproven", None, Some(missing)),
        Some(TargetOutcome::Failed { reason, partly }) => {
            (if *partly { "partly" } else { "failed" }, None, Some(reason))
        }
        None => ("open", None, None),
    };
    json!({"target": target.name.raw(), "result": result, "took_ms": took, "why": why, "steps": rows})
}

fn stage(climb: &Climb, began: Ms) -> Option<Stage> {
    let containing = matches!(climb.work.proof, Proof::Isolated { .. } | Proof::Barred { .. });
    match (&climb.work.proof, climb.outcome()) {
        (
            Proof::Job { .. }
            | Proof::Member { .. }
            | Proof::Ready { .. }
            | Proof::Mitigated { .. }
            | Proof::Shown,
            _,
        ) => None,
        (Proof::Barred { is: CertificateStatus::Revoked, .. }, Some(TargetOutcome::Proven { .. })) => {
            Some(Stage::Revoked)
        }
        (_, Some(TargetOutcome::Proven { took })) if containing => {
            Some(Stage::Contained { began, took: *took })
        }
        (_, Some(TargetOutcome::Unproven { missing })) if containing => {
            Some(Stage::Unproven { began, missing: missing.clone() })
        }
        (_, Some(TargetOutcome::Failed { reason, .. })) if containing => {
            Some(Stage::Unproven { began, missing: reason.clone() })
        }
        (_, None) if containing => Some(Stage::Containing { began, waiting_for: climb.waiting_for() }),
        // From the moment it may speak on purpose, hearing it is no leak.
        (_, _)
            if !containing
                && (climb.proving() || matches!(climb.outcome(), Some(TargetOutcome::Proven { .. }))) =>
        {
            Some(Stage::Released)
        }
        _ => None,
    }
}

fn outcome(climbs: &[Climb], interrupted: bool) -> Outcome {
    let count = |f: fn(&TargetOutcome) -> bool| climbs.iter().filter(|c| c.outcome().is_some_and(f)).count();
    let failed = count(|o| matches!(o, TargetOutcome::Failed { .. }));
    let partly = count(|o| matches!(o, TargetOutcome::Failed { partly: true, .. }));
    let unproven = count(|o| matches!(o, TargetOutcome::Unproven { .. }));
    match () {
        () if interrupted => Outcome::Interrupted,
        () if failed == climbs.len() && partly == 0 => Outcome::Failed,
        () if failed > 0 => Outcome::Partly,
        () if unproven > 0 => Outcome::Unproven,
        () => Outcome::Proven,
    }
}

/// One target's requests, one after the other; the first failure ends them.
async fn send_target(
    shared: &Shared,
    grant: &Grant,
    work: &Work,
    t: usize,
    reports: &mpsc::UnboundedSender<Report>,
    stop: &watch::Receiver<bool>,
) {
    for (i, request) in work.requests.iter().enumerate() {
        // What was begun is completed: a device that is half contained helps nobody.
        if i == 0 && *stop.borrow() {
            return;
        }
        let _ = reports.send(Report::Begun(t, i));
        shared.pace.turn(request.operation()).await;
        let result = sent(shared, grant, request, work.name.raw(), Some((t, i))).await;
        let ended = result.is_err();
        let _ = reports.send(Report::Ended(t, i, result, now()));
        if ended {
            return;
        }
    }
    let _ = reports.send(Report::AllSent(t, now()));
}

/// Sends one request and has its outcome on disk before anything else is sent for this target.
///
/// `place` is the target's and the request's number in the plan; a cut that is repeated has none.
async fn sent(
    shared: &Shared,
    grant: &Grant,
    request: &Request,
    target: &str,
    place: Option<(usize, usize)>,
) -> Result<Accepted, Failed> {
    let at = now();
    let result = Box::pin(execute::send(&shared.clients, grant, request, at)).await;
    let (ok, id, why) = match &result {
        Ok(accepted) => (true, &accepted.request_id, accepted.remark.as_ref()),
        Err(failed) => (false, &failed.request_id, Some(&failed.reason)),
    };
    let certain = result.as_ref().map_or_else(|failed| failed.certain, |_| true);
    let call = request.call();
    let fields = json!({
        "target": target, "operation": call.operation, "resource": call.resource,
        "of": place.map(|p| p.0), "n": place.map(|p| p.1), "accepted": ok, "certain": certain, "request_id": id, "said": why, "ms": now() - at,
    });
    if let Err(e) = shared.journal.append(now(), "request", &grant.plan().0, fields) {
        // Without a journal nothing more may be done; what was done is told.
        return Err(Failed {
            reason: SafeText::new(&format!(
                "stopped: the journal cannot be written ({e}); {} was sent",
                call.operation
            )),
            request_id: id.clone(),
            certain: false,
        });
    }
    result
}

/// Looks at the account for what would prove `work`.
async fn look(c: &Clients, work: &Work, wants: Wants) -> Look {
    let at = now();
    let mut look = Look::default();
    match &work.proof {
        Proof::Isolated { group, ask, .. } => {
            if wants.member {
                look.member = read::groups_of(c, work.name.raw(), at).await.ok().map(|g| g.contains(group));
            }
            if wants.denied
                && look.member != Some(false)
                && let Some(question) = ask
            {
                look.denied = match read::would_deny(c, question, &[], at).await {
                    Ok(denied) => Some(Ok(denied)),
                    Err(t) => Some(Err(t.message)),
                };
            }
        }
        Proof::Released { group } | Proof::Member { group, .. } => {
            look.member = read::groups_of(c, work.name.raw(), at).await.ok().map(|g| g.contains(group));
        }
        Proof::Barred { certificates, is, .. } => {
            look.status = statuses(c, certificates, is.word(), at).await;
        }
        Proof::Activated { certificates } => look.status = statuses(c, certificates, "ACTIVE", at).await,
        Proof::Ready { group, is } => look.status = read::denies(c, group, at).await.ok().map(|d| d == *is),
        Proof::Mitigated { task, audit } => {
            look.status = read::mitigated(c, task, *audit, at).await.ok();
        }
        Proof::Shown => {
            let mut all = Some(true);
            for request in &work.requests {
                all = match read::seen::shows(c, request, at).await {
                    Ok(Seen::Yes) => all,
                    Ok(_) => Some(false),
                    Err(_) => None,
                };
                if all != Some(true) {
                    break;
                }
            }
            look.status = all;
            return look;
        }
        Proof::Job { job, canceled } => {
            look.status = match read::job_status(c, job.raw(), at).await {
                Ok(status) => Some(status.is_some_and(|s| !canceled || s == "CANCELED")),
                Err(_) => None,
            };
            return look;
        }
    }
    if matches!(work.proof, Proof::Member { .. } | Proof::Ready { .. } | Proof::Mitigated { .. }) {
        return look;
    }
    look.connected = read::connected(c, work.client.raw(), at).await.ok().map(|c| c.unwrap_or(false));
    look
}

async fn statuses(c: &Clients, certificates: &[String], wanted: &str, at: Ms) -> Option<bool> {
    for id in certificates {
        if read::certificate_status(c, id, at).await.ok()?.as_deref() != Some(wanted) {
            return Some(false);
        }
    }
    Some(true)
}

/// Names a run listens for.
pub(in crate::response) fn names(plan: &Plan) -> HashSet<String> {
    plan.work.iter().flat_map(|w| [w.name.raw().to_owned(), w.client.raw().to_owned()]).collect()
}
