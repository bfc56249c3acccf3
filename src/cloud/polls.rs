//! What is asked again and again: adaptive, jittered, each ask with its generation (docs/aws-iot.md#6.15).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::config::Settings;
use quell_fleet::account::AccountReading;
use quell_fleet::event::{Event, Poll, Reading};
use quell_fleet::known::{Trouble, TroubleKind};
use quell_fleet::model::Name;
use quell_fleet::{Ms, SourceId};

use super::asks::{Ask, Pace};
use super::{Aws, index, now_ms};

/// Steers the polls; dropping the last one stops them. All calls return at once.
#[derive(Clone, Debug)]
pub struct PollHandle {
    asks: mpsc::Sender<Steer>,
}

#[derive(Debug)]
enum Steer {
    Settings(Box<Settings>),
    Now(SourceId),
    Watch(Vec<SourceId>),
}

impl PollHandle {
    /// Asks for one source as soon as possible. While the queue is full the ask is dropped: the poll comes anyway.
    pub fn now(&self, source: SourceId) {
        let _ = self.asks.try_send(Steer::Now(source));
    }

    /// Other intervals and quarantine groups from now on.
    pub fn take(&self, settings: &Settings) {
        let _ = self.asks.try_send(Steer::Settings(Box::new(settings.clone())));
    }

    /// What the open view needs besides the sources that are always polled: certificates, groups and shadows of the
    /// devices in sight, executions of a job. Replaces what was watched before.
    pub fn watch(&self, sources: Vec<SourceId>) {
        let _ = self.asks.try_send(Steer::Watch(sources));
    }
}

/// The longest a throttled source waits.
const SLOWEST: Duration = Duration::from_secs(300);
/// Faster is never asked, whatever the speed of an emulator.
const FASTEST: Duration = Duration::from_secs(1);
/// What failed is asked again after this long, however rarely it is asked otherwise, and then ever less often.
const AGAIN: Duration = Duration::from_secs(10);
/// Refused credentials are looked for sooner: somebody is renewing them.
const RENEWED: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct Source {
    due: Instant,
    running: bool,
    /// How the last ask failed.
    trouble: Option<TroubleKind>,
    /// Asks in a row that failed, for whatever reason.
    failures: u32,
    always: bool,
    /// Asked for while it was running: run again at once.
    again: bool,
}

/// Starts polling. The first answers come as soon as the network allows.
pub fn spawn_polls(aws: Aws, settings: &Settings, events: mpsc::Sender<Event>) -> PollHandle {
    let (asks, inbox) = mpsc::channel(256);
    let (answers, results) = mpsc::channel(64);
    let poller = Poller {
        aws: aws.polling(),
        settings: settings.clone(),
        events,
        sources: HashMap::new(),
        answers,
        active: Arc::new(AtomicUsize::new(0)),
        generation: 0,
        locked_out: false,
        released: None,
        auditing: false,
        indexed: false,
    };
    tokio::spawn(poller.run(inbox, results));
    PollHandle { asks }
}

struct Poller {
    aws: Aws,
    settings: Settings,
    events: mpsc::Sender<Event>,
    sources: HashMap<SourceId, Source>,
    answers: mpsc::Sender<Done>,
    /// Active violations as last read.
    active: Arc<AtomicUsize>,
    /// Counts all asks: a source that was dropped and watched again must not begin anew.
    generation: u64,
    /// Some source was refused for its credentials.
    locked_out: bool,
    /// When those that were refused were asked again because another was not.
    released: Option<Instant>,
    /// An audit or a mitigation task is under way.
    auditing: bool,
    /// There were too many things to list when they were last read: the index was asked.
    indexed: bool,
}

/// What is always read of an isolation group: who is in it, and whether it denies anything.
fn of_group(group: &str) -> [SourceId; 2] {
    [SourceId::Members(Name::new(group)), SourceId::Denial(Name::new(group))]
}

struct Done {
    source: SourceId,
    generation: u64,
    outcome: Result<Reading, Trouble>,
}

impl Poller {
    async fn run(mut self, mut inbox: mpsc::Receiver<Steer>, mut results: mpsc::Receiver<Done>) {
        let start = Instant::now();
        let mut always = vec![
            SourceId::Standing,
            SourceId::Identity,
            SourceId::Alias,
            SourceId::Violations,
            SourceId::Things,
            SourceId::Jobs,
        ];
        always.extend(self.settings.quarantine_groups().flat_map(of_group));
        always.extend([SourceId::Profiles, SourceId::ViolationEvents]);
        for source in always {
            self.sources.insert(source, Source::new(start, true));
        }
        loop {
            let next = self.sources.values().filter(|s| !s.running).map(|s| s.due).min();
            let wait = next.unwrap_or_else(|| Instant::now() + SLOWEST);
            tokio::select! {
                ask = inbox.recv() => match ask {
                    Some(Steer::Settings(settings)) => self.take(*settings),
                    Some(Steer::Now(source)) => self.hurry(source),
                    Some(Steer::Watch(list)) => self.watch(list),
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
        let same = self.settings.polls == settings.polls
            && self.settings.groups == settings.groups
            && self.settings.index_above == settings.index_above;
        self.settings = settings;
        if same {
            return;
        }
        let now = Instant::now();
        let groups: Vec<_> = self.settings.quarantine_groups().flat_map(of_group).collect();
        for source in groups {
            self.sources.entry(source).or_insert_with(|| Source::new(now, true)).always = true;
        }
        // A shorter interval holds from the next read of each, and that is now.
        for source in self.sources.values_mut().filter(|s| s.always && !s.running && !s.is_held()) {
            source.due = source.due.min(now + Duration::from_secs(1));
        }
    }

    fn hurry(&mut self, source: SourceId) {
        let now = Instant::now();
        let known = self.sources.entry(source).or_insert_with(|| Source::new(now, false));
        if known.running {
            known.again = true;
        } else if !known.is_held() {
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
            let (source, generation) = (id.clone(), self.generation);
            let ask = Ask {
                aws: self.aws.clone(),
                wish: index::Wish::of(&self.settings, self.indexed),
                generation,
                events: self.events.clone(),
            };
            let answers = self.answers.clone();
            tokio::spawn(async move {
                let outcome = ask.read(source.clone()).await;
                let _ = answers.send(Done { source, generation, outcome }).await;
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
        match &outcome {
            Ok(Reading::Indexed(_)) => self.indexed = true,
            Ok(Reading::Things(_)) => self.indexed = false,
            _ => {}
        }
        let base = self.interval(&id);
        let Some(source) = self.sources.get_mut(&id) else {
            return true;
        };
        source.running = false;
        let trouble = outcome.as_ref().err().map(|t| t.kind);
        let locked_out = trouble == Some(TroubleKind::Credentials);
        let wait = source.next_after(trouble, base);
        let wait = match trouble {
            Some(TroubleKind::Throttled) => wait.max(self.aws.budget.held(id.action())),
            _ => wait,
        };
        let wait = wait.mul_f64(0.9 + 0.2 * fastrand::f64());
        source.due = Instant::now() + if std::mem::take(&mut source.again) { Duration::ZERO } else { wait };
        let due_in =
            Ms::try_from(source.due.saturating_duration_since(Instant::now()).as_millis()).unwrap_or(Ms::MAX);
        let at = now_ms();
        if locked_out {
            let keys = self.aws.credentials.clone();
            tokio::spawn(async move { keys.renew().await });
        }
        let recently = self.released.is_some_and(|at| at.elapsed() < AGAIN);
        if self.locked_out && outcome.is_ok() && id != SourceId::Standing && !recently {
            // Others found credentials refused a moment ago: they need not wait any longer. Not at each answer: where
            // one API takes them and another does not, the other would be asked in a loop.
            let now = Instant::now();
            self.released = Some(now);
            let refused = Some(TroubleKind::Credentials);
            for other in self.sources.values_mut().filter(|other| !other.running && other.trouble == refused)
            {
                (other.due, other.trouble) = (now, None);
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
        let alarm = self.active.load(Ordering::Relaxed) > 0;
        let pace = Pace { polls: &self.settings.polls, alarm, auditing: self.auditing };
        let base = pace.of(id);
        if matches!(id, SourceId::Identity | SourceId::Alias | SourceId::Standing) {
            // Not of the fleet: an emulator's faster time does not make them older.
            return base;
        }
        self.settings.scaled(base).max(FASTEST.min(base))
    }
}

impl Source {
    fn new(due: Instant, always: bool) -> Self {
        Self { due, running: false, trouble: None, failures: 0, always, again: false }
    }

    /// Not to be hurried: throttled, refused or locked out.
    fn is_held(&self) -> bool {
        use TroubleKind::{Credentials, Denied, Refused, Throttled};
        matches!(self.trouble, Some(Throttled | Credentials | Denied | Refused))
    }

    /// How long until the next ask, after one that ended so.
    fn next_after(&mut self, trouble: Option<TroubleKind>, base: Duration) -> Duration {
        self.failures = if trouble.is_some() { (self.failures + 1).min(9) } else { 0 };
        self.trouble = trouble;
        let ever_later = |step: Duration| base.min(step) * 2_u32.pow(self.failures);
        match trouble {
            None => base,
            // What IAM or the account refuses is asked rarely: it will not change by asking.
            Some(TroubleKind::Denied | TroubleKind::Refused) => (base * 2).min(SLOWEST.max(base)),
            Some(TroubleKind::Throttled) => ever_later(AGAIN).min(SLOWEST.max(base)),
            Some(TroubleKind::Credentials) => ever_later(RENEWED).min(SLOWEST.max(base)),
            // Who we are must not stay unknown for a quarter of an hour because one call was lost.
            Some(_) => ever_later(AGAIN / 2).min(base),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_call_is_made_up_for_soon_and_a_throttle_is_heeded() {
        let now = Instant::now();
        let quarter = Duration::from_secs(900);
        let waits = |base, kinds: &[Option<TroubleKind>]| -> Vec<u64> {
            let mut source = Source::new(now, true);
            kinds.iter().map(|kind| source.next_after(*kind, base).as_secs()).collect()
        };
        let (lost, throttled) = (Some(TroubleKind::Unreachable), Some(TroubleKind::Throttled));
        assert_eq!(waits(quarter, &[lost, lost, None, lost]), [10, 20, 900, 10]);
        assert_eq!(waits(quarter, &[throttled; 9]), [20, 40, 80, 160, 320, 640, 900, 900, 900]);
        assert_eq!(waits(Duration::from_secs(5), &[lost; 3]), [5, 5, 5], "an outage's end is found at once");
        assert_eq!(waits(Duration::from_secs(5), &[throttled; 7]), [10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(waits(Duration::from_secs(30), &[Some(TroubleKind::Denied); 3]), [60, 60, 60]);
    }
}
