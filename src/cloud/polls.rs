//! What is asked again and again: adaptive, jittered, each ask with its generation (contract §6.15).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use crate::config::Settings;
use crate::fleet::account::AccountReading;
use crate::fleet::event::{Event, Poll, Reading};
use crate::fleet::known::{Trouble, TroubleKind};
use crate::fleet::model::Name;
use crate::fleet::{Ms, SourceId};

use super::{Clients, metrics, now_ms, read, read_account, read_audit};

/// Steers the polls; dropping the last one stops them. All calls return at once.
#[derive(Clone, Debug)]
pub struct PollHandle {
    asks: mpsc::Sender<Ask>,
}

#[derive(Debug)]
enum Ask {
    Settings(Box<Settings>),
    Now(SourceId),
    Watch(Vec<SourceId>),
}

impl PollHandle {
    /// Asks for one source as soon as possible. While the queue is full the ask is dropped: the poll comes anyway.
    pub fn now(&self, source: SourceId) {
        let _ = self.asks.try_send(Ask::Now(source));
    }

    /// Other intervals and quarantine groups from now on.
    pub fn take(&self, settings: &Settings) {
        let _ = self.asks.try_send(Ask::Settings(Box::new(settings.clone())));
    }

    /// What the open view needs besides the sources that are always polled: certificates, groups and shadows of the
    /// devices in sight, executions of a job. Replaces what was watched before.
    pub fn watch(&self, sources: Vec<SourceId>) {
        let _ = self.asks.try_send(Ask::Watch(sources));
    }
}

/// Calls in flight at once: AWS counts 10 calls a second over all consoles and Lambdas of an account.
const AT_ONCE: usize = 4;
/// The longest a throttled source waits.
const SLOWEST: Duration = Duration::from_secs(300);
/// Faster is never asked, whatever the speed of an emulator.
const FASTEST: Duration = Duration::from_secs(1);
/// Jobs whose counts are read each time; finished ones keep theirs.
const COUNTED_JOBS: usize = 20;
/// How long a source asked for by a view stays fresh enough not to be asked again.
const WATCHED: Duration = Duration::from_secs(20);
/// Refused credentials are looked for again after this long, and then ever less often.
const AGAIN: Duration = Duration::from_secs(2);
/// Credentials and clock cost nothing to look at.
const STANDING: Duration = Duration::from_secs(15);
/// Past violation events are read this far back.
const EVENTS_BACK: Ms = 24 * 3_600_000;

#[derive(Debug)]
struct Source {
    due: Instant,
    running: bool,
    slowed: u32,
    always: bool,
    /// Asked for while it was running: run again at once.
    again: bool,
    /// Its credentials were refused.
    locked_out: bool,
}

/// Starts polling. The first answers come as soon as the network allows.
pub fn spawn_polls(clients: Clients, settings: &Settings, events: mpsc::Sender<Event>) -> PollHandle {
    let (asks, inbox) = mpsc::channel(256);
    let (answers, results) = mpsc::channel(64);
    let poller = Poller {
        clients,
        settings: settings.clone(),
        events,
        sources: HashMap::new(),
        answers,
        at_once: Arc::new(Semaphore::new(AT_ONCE)),
        active: Arc::new(AtomicUsize::new(0)),
        generation: 0,
        locked_out: false,
        auditing: false,
    };
    tokio::spawn(poller.run(inbox, results));
    PollHandle { asks }
}

struct Poller {
    clients: Clients,
    settings: Settings,
    events: mpsc::Sender<Event>,
    sources: HashMap<SourceId, Source>,
    answers: mpsc::Sender<Done>,
    at_once: Arc<Semaphore>,
    /// Active violations as last read.
    active: Arc<AtomicUsize>,
    /// Counts all asks: a source that was dropped and watched again must not begin anew.
    generation: u64,
    /// Some source was refused for its credentials.
    locked_out: bool,
    /// An audit or a mitigation task is under way.
    auditing: bool,
}

struct Done {
    source: SourceId,
    generation: u64,
    outcome: Result<Reading, Trouble>,
}

impl Poller {
    async fn run(mut self, mut inbox: mpsc::Receiver<Ask>, mut results: mpsc::Receiver<Done>) {
        let start = Instant::now();
        let mut always = vec![
            SourceId::Standing,
            SourceId::Identity,
            SourceId::Violations,
            SourceId::Things,
            SourceId::Jobs,
        ];
        always.extend(self.settings.quarantine_groups().map(|group| SourceId::Members(Name::new(group))));
        always.extend([SourceId::Profiles, SourceId::ViolationEvents]);
        for source in always {
            self.sources.insert(source, Source::new(start, true));
        }
        loop {
            let next = self.sources.values().filter(|s| !s.running).map(|s| s.due).min();
            let wait = next.unwrap_or_else(|| Instant::now() + SLOWEST);
            tokio::select! {
                ask = inbox.recv() => match ask {
                    Some(Ask::Settings(settings)) => self.take(*settings),
                    Some(Ask::Now(source)) => self.hurry(source),
                    Some(Ask::Watch(list)) => self.watch(list),
                    None => return,
                },
                Some(done) = results.recv() => {
                    if !self.finish(done).await {
                        return;
                    }
                }
                () = tokio::time::sleep_until(wait) => self.start_due(),
            }
        }
    }

    fn take(&mut self, settings: Settings) {
        let same = self.settings.polls == settings.polls && self.settings.groups == settings.groups;
        self.settings = settings;
        if same {
            return;
        }
        let now = Instant::now();
        let groups: Vec<_> =
            self.settings.quarantine_groups().map(|group| SourceId::Members(Name::new(group))).collect();
        for source in groups {
            self.sources.entry(source).or_insert_with(|| Source::new(now, true)).always = true;
        }
        // A shorter interval holds from the next read of each, and that is now.
        for source in self.sources.values_mut().filter(|s| s.always && !s.running && s.slowed == 0) {
            source.due = source.due.min(now + Duration::from_secs(1));
        }
    }

    fn hurry(&mut self, source: SourceId) {
        let now = Instant::now();
        let known = self.sources.entry(source).or_insert_with(|| Source::new(now, false));
        if known.running {
            known.again = true;
        } else if known.slowed == 0 {
            known.due = known.due.min(now);
        }
    }

    fn watch(&mut self, list: Vec<SourceId>) {
        self.sources.retain(|source, state| state.always || state.running || list.contains(source));
        let now = Instant::now();
        for (i, source) in list.into_iter().enumerate() {
            // A few a second: a screen of devices must not use up the account's ten calls a second.
            let due = now + Duration::from_millis(200 * i as u64);
            self.sources.entry(source).or_insert_with(|| Source::new(due, false));
        }
    }

    fn start_due(&mut self) {
        let now = Instant::now();
        for (id, source) in &mut self.sources {
            if source.running || source.due > now {
                continue;
            }
            source.running = true;
            self.generation += 1;
            let (id, generation) = (id.clone(), self.generation);
            let (clients, answers) = (self.clients.clone(), self.answers.clone());
            let (at_once, events) = (Arc::clone(&self.at_once), self.events.clone());
            tokio::spawn(async move {
                let Ok(_permit) = at_once.acquire_owned().await else { return };
                let outcome = Box::pin(ask(&clients, &id, generation, &events)).await;
                let _ = answers.send(Done { source: id, generation, outcome }).await;
            });
        }
    }

    /// False when nobody listens any more.
    async fn finish(&mut self, done: Done) -> bool {
        let Done { source: id, generation, outcome } = done;
        let mut more_often = false;
        if let Ok(Reading::Violations(list)) = &outcome {
            let before = self.active.swap(list.len(), Ordering::Relaxed);
            // The first alarm's events are wanted at once.
            more_often = list.len() != before;
        }
        if let Ok(Reading::Account(AccountReading::AuditTasks(tasks))) = &outcome {
            self.auditing = tasks.busy();
        }
        let base = self.interval(&id);
        let Some(source) = self.sources.get_mut(&id) else {
            return true;
        };
        source.running = false;
        let throttled = matches!(&outcome, Err(t) if t.kind == TroubleKind::Throttled);
        // What IAM or the account refuses is asked rarely: it will not change by asking.
        let refused =
            matches!(&outcome, Err(t) if matches!(t.kind, TroubleKind::Denied | TroubleKind::Refused));
        let locked_out = matches!(&outcome, Err(t) if t.kind == TroubleKind::Credentials);
        source.slowed = if throttled || locked_out { (source.slowed + 1).min(9) } else { u32::from(refused) };
        // Credentials are mended outside: looked for soon, and then ever less often.
        let step = if locked_out { base.min(AGAIN) } else { base };
        let wait = (step * 2_u32.pow(source.slowed)).min(SLOWEST.max(base));
        let wait = if throttled { wait.max(self.clients.budget.held(action(&id))) } else { wait };
        let wait = wait.mul_f64(0.9 + 0.2 * fastrand::f64());
        source.locked_out = locked_out;
        source.due = Instant::now() + if std::mem::take(&mut source.again) { Duration::ZERO } else { wait };
        let due_in =
            Ms::try_from(source.due.saturating_duration_since(Instant::now()).as_millis()).unwrap_or(Ms::MAX);
        let at = now_ms();
        if locked_out {
            let keys = self.clients.credentials.clone();
            tokio::spawn(async move { keys.renew().await });
        }
        if self.locked_out && outcome.is_ok() && id != SourceId::Standing {
            // Others found credentials refused a moment ago: they need not wait any longer.
            let now = Instant::now();
            for other in self.sources.values_mut().filter(|other| !other.running && other.locked_out) {
                (other.due, other.slowed) = (now, 0);
            }
            self.locked_out = false;
        }
        self.locked_out |= locked_out;
        if more_often {
            self.hurry(SourceId::ViolationEvents);
        }
        let poll = Poll { source: id, generation, at, outcome, next_at: Some(at.saturating_add(due_in)) };
        self.events.send(Event::Poll(poll)).await.is_ok()
    }

    fn interval(&self, id: &SourceId) -> Duration {
        let polls = &self.settings.polls;
        let alarm = self.active.load(Ordering::Relaxed) > 0;
        let base = match id {
            SourceId::Identity => return Duration::from_secs(900),
            SourceId::Standing => return STANDING,
            SourceId::Violations if alarm => polls.alarm,
            SourceId::Violations => polls.idle,
            SourceId::ViolationEvents => polls.idle * 4,
            SourceId::Members(_) | SourceId::GroupsOf(_) if alarm => polls.idle,
            SourceId::Members(_) | SourceId::Things | SourceId::Profiles => polls.registry,
            SourceId::Jobs | SourceId::Executions(_) | SourceId::JobsOf(_) => polls.jobs,
            SourceId::Rules | SourceId::Findings | SourceId::PoliciesOf(_) => polls.registry,
            // A task somebody watches moves on within seconds.
            SourceId::AuditTasks if self.auditing => FASTEST * 2,
            SourceId::AuditTasks | SourceId::AuditSetup => WATCHED * 3,
            SourceId::Dimensions | SourceId::CustomMetrics | SourceId::Training => polls.registry,
            SourceId::Suppressed => polls.idle,
            SourceId::MetricsOf(_) | SourceId::Values(..) | SourceId::RuleMetrics(_) => WATCHED,
            SourceId::Certificates(_) | SourceId::GroupsOf(_) | SourceId::Shadow(..) => WATCHED * 3,
        };
        self.settings.scaled(base).max(FASTEST.min(base))
    }
}

impl Source {
    fn new(due: Instant, always: bool) -> Self {
        Self { due, running: false, slowed: 0, always, again: false, locked_out: false }
    }
}

/// One read of one source.
async fn ask(
    clients: &Clients,
    id: &SourceId,
    generation: u64,
    events: &mpsc::Sender<Event>,
) -> Result<Reading, Trouble> {
    Ok(match id {
        SourceId::Identity => Reading::Identity(read::caller_identity(clients).await?),
        SourceId::Standing => Reading::Standing(read::standing(clients).await?),
        SourceId::Things => {
            let mut so_far = 0;
            let page = |things: Vec<_>| {
                so_far += things.len();
                let outcome = Ok(Reading::ThingsPage(things, so_far));
                let (source, at) = (SourceId::Things, now_ms());
                // A console that is busy gets them with the last page.
                let _ = events.try_send(Event::Poll(Poll { source, generation, at, outcome, next_at: None }));
            };
            Reading::Things(read::things_seen(clients, page).await?)
        }
        SourceId::Violations => Reading::Violations(read::active_violations(clients, None).await?),
        SourceId::ViolationEvents => {
            let now = now_ms();
            Reading::ViolationEvents(read::violation_events(clients, now - EVENTS_BACK, now).await?)
        }
        SourceId::Members(group) => {
            Reading::Members(group.clone(), read::members(clients, group.raw()).await?)
        }
        SourceId::Certificates(thing) => {
            Reading::Certificates(thing.clone(), read::certificates(clients, thing.raw()).await?)
        }
        SourceId::GroupsOf(thing) => {
            Reading::GroupsOf(thing.clone(), read::groups_of(clients, thing.raw()).await?)
        }
        SourceId::Jobs => {
            let mut jobs = read::jobs(clients).await?;
            for job in jobs.iter_mut().take(COUNTED_JOBS) {
                if let Some(detail) = read::job(clients, job.id.raw()).await? {
                    *job = detail;
                }
            }
            Reading::Jobs(jobs)
        }
        SourceId::Executions(job) => {
            Reading::Executions(job.clone(), read::executions(clients, job.raw()).await?)
        }
        SourceId::Shadow(thing, shadow) => {
            let found = read::shadow(clients, thing.raw(), shadow.as_ref().map(AsRef::as_ref)).await?;
            Reading::Shadow(thing.clone(), shadow.clone(), found)
        }
        SourceId::Profiles => Reading::Profiles(read::profiles(clients).await?),
        SourceId::PoliciesOf(_)
        | SourceId::JobsOf(_)
        | SourceId::MetricsOf(_)
        | SourceId::Rules
        | SourceId::Findings
        | SourceId::RuleMetrics(_)
        | SourceId::AuditSetup
        | SourceId::AuditTasks
        | SourceId::Dimensions
        | SourceId::CustomMetrics
        | SourceId::Training
        | SourceId::Suppressed
        | SourceId::Values(..) => Reading::Account(ask_account(clients, id).await?),
    })
}

/// One read of what only some views need.
async fn ask_account(clients: &Clients, id: &SourceId) -> Result<AccountReading, Trouble> {
    Ok(match id {
        SourceId::PoliciesOf(thing) => {
            AccountReading::Policies(thing.clone(), read_account::policies_of(clients, thing.raw()).await?)
        }
        SourceId::JobsOf(thing) => {
            AccountReading::JobsOf(thing.clone(), read_account::jobs_of(clients, thing.raw()).await?)
        }
        SourceId::MetricsOf(thing) => {
            AccountReading::Metrics(thing.clone(), read_account::metrics_of(clients, thing.raw()).await?)
        }
        SourceId::Findings => AccountReading::Findings(read_audit::findings(clients).await?),
        SourceId::AuditSetup => AccountReading::AuditSetup(read_audit::setup(clients).await?),
        SourceId::AuditTasks => AccountReading::AuditTasks(read_audit::tasks(clients).await?),
        SourceId::RuleMetrics(rule) => {
            let series = metrics::of_rule(clients, rule.raw(), now_ms()).await?;
            AccountReading::RuleMetrics(rule.clone(), series)
        }
        SourceId::Dimensions => AccountReading::Dimensions(read_account::dimensions(clients).await?),
        SourceId::CustomMetrics => {
            AccountReading::CustomMetrics(read_account::custom_metrics(clients).await?)
        }
        SourceId::Training => AccountReading::Training(read_account::training(clients).await?),
        SourceId::Suppressed => AccountReading::Suppressed(read_account::suppressed(clients).await?),
        SourceId::Values(thing, metric) => {
            AccountReading::Values(thing.clone(), read_account::values(clients, thing.raw(), metric).await?)
        }
        _ => AccountReading::Rules(read_account::rules(clients).await?),
    })
}

/// The API whose budget a source uses most.
fn action(id: &SourceId) -> &'static str {
    match id {
        SourceId::Identity | SourceId::Standing => "sts:GetCallerIdentity",
        SourceId::Things => "iot:ListThings",
        SourceId::Violations => "iot:ListActiveViolations",
        SourceId::ViolationEvents => "iot:ListViolationEvents",
        SourceId::Members(_) => "iot:ListThingsInThingGroup",
        SourceId::Certificates(_) => "iot:ListThingPrincipals",
        SourceId::GroupsOf(_) => "iot:ListThingGroupsForThing",
        SourceId::Jobs => "iot:ListJobs",
        SourceId::Executions(_) => "iot:ListJobExecutionsForJob",
        SourceId::Shadow(..) => "iot:GetThingShadow",
        SourceId::Profiles => "iot:ListSecurityProfiles",
        SourceId::PoliciesOf(_) => "iot:GetEffectivePolicies",
        SourceId::JobsOf(_) => "iot:ListJobExecutionsForThing",
        SourceId::MetricsOf(_) => "iot:ListMetricValues",
        SourceId::Rules => "iot:ListTopicRules",
        SourceId::Findings => "iot:ListAuditFindings",
        SourceId::RuleMetrics(_) => "cloudwatch:GetMetricData",
        SourceId::AuditSetup => "iot:DescribeAccountAuditConfiguration",
        SourceId::AuditTasks => "iot:ListAuditTasks",
        SourceId::Dimensions => "iot:ListDimensions",
        SourceId::CustomMetrics => "iot:ListCustomMetrics",
        SourceId::Training => "iot:GetBehaviorModelTrainingSummaries",
        SourceId::Suppressed => "iot:ListActiveViolations",
        SourceId::Values(..) => "iot:ListMetricValues",
    }
}
