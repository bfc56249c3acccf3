//! Requests a second for each API, shared by everything that asks. AWS counts most of them ten a second over all consoles
//! and Lambdas of an account (docs/aws-iot.md#6.15). A response may use what AWS allows, less a margin; the polls use half
//! of that at most, and only what the responses leave: a response goes first and takes its share from theirs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The part of AWS's rate that is used in any one second, the burst after a pause included: what is left is for requests that
/// are late on the way and come together with the next ones.
const USED: f64 = 0.9;
/// The part of AWS's rate that may come at once after a pause.
const BURST: f64 = 0.1;
/// The part of AWS's rate that the polls use: there are other consoles.
const POLLS: f64 = 0.5;
/// The polls never ask one API more often than this, a second, however much AWS allows.
const POLLS_MOST: f64 = 20.0;
/// Polls that were throttled never become slower than this, a second: five minutes a request is as good as none.
const SLOWEST: f64 = 1.0 / 60.0;
/// A response that was throttled slows to this part of its rate, and no further.
const HASTE: f64 = 0.25;
/// A response does not wait longer than this because AWS said "later": then AWS may say it again.
const HASTE_HOLD: Duration = Duration::from_secs(5);
/// A `Retry-After` longer than this is not waited for within one read.
const PATIENCE: Duration = Duration::from_secs(20);
/// Where responses had to wait for their turn, polls step back for this long.
const COURTESY: Duration = Duration::from_secs(1);
/// The first of the polls in the row does not step back for longer: a plan of a thousand devices takes minutes.
const COURTESY_ENDS: Duration = Duration::from_secs(5);
/// Polls' requests in flight at once.
const AT_ONCE: usize = 4;

/// Requests a second that AWS allows an account and region by default (docs/aws-iot.md#2.3 to #2.7). Where regions differ the
/// smaller number stands; what has no published number counts as ten.
fn allowed(operation: &str) -> f64 {
    match operation {
        "iot:ListTopicRules" => 2.0,
        "iot:GetEffectivePolicies"
        | "iot:DescribeAccountAuditConfiguration"
        | "iot:UpdateAccountAuditConfiguration"
        | "iot:CreateTopicRule" => 5.0,
        "iot:ListMetricValues"
        | "iot:AttachPolicy"
        | "iot:DetachPolicy"
        | "iot:ListAttachedPolicies"
        | "iot:SearchIndex"
        | "iot:GetStatistics"
        | "iot:GetBucketsAggregation" => 15.0,
        "iot:ListThingPrincipals" | "iot:GetIndexingConfiguration" => 20.0,
        "iot:DescribeSecurityProfile"
        | "iot:DescribeCustomMetric"
        | "iot:DescribeMitigationAction"
        | "iot:DescribeAuditFinding"
        | "iot:ListThingsInThingGroup"
        | "iot:CreateThingGroup" => 25.0,
        "iot:AddThingToThingGroup" | "iot:RemoveThingFromThingGroup" | "iot:ListThingGroupsForThing" => 50.0,
        // A shadow's limit is each thing's (20), and the account's is thousands.
        "iot:DescribeThingGroup"
        | "iot:GetConnection"
        | "iot:ListSubscriptions"
        | "iot:SendDirectMessage"
        | "iot:DeleteConnection"
        | "iot:GetThingShadow"
        | "iot:UpdateThingShadow" => 100.0,
        "iot:GetTopicRule" => 200.0,
        "iot:DescribeThing" => 350.0,
        _ => 10.0,
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Priority {
    /// An operator's command: a plan's reads, its changes, their proofs; a headless read.
    Response,
    /// A read that comes again by itself.
    Poll,
}

/// One request's turn: it is under way until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Turn {
    _in_flight: Option<OwnedSemaphorePermit>,
}

/// The budget of all APIs. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    operations: Arc<Mutex<HashMap<&'static str, Operation>>>,
    in_flight: Arc<Semaphore>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { operations: Arc::default(), in_flight: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

/// One API's budget.
#[derive(Debug)]
struct Operation {
    /// Everything that is asked.
    all: Bucket,
    /// The polls' part of it.
    polls: Bucket,
    /// When a response last had to wait for its turn.
    pressed: Option<Instant>,
    /// Polls wait in a row: only the first looks for a place that no response takes.
    row: Arc<tokio::sync::Mutex<()>>,
}

impl Operation {
    fn new(operation: &str, now: Instant) -> Self {
        let allowed = allowed(operation);
        let burst = (allowed * BURST).max(1.0);
        let steady = allowed * USED - burst;
        let polls = (allowed * POLLS).min(POLLS_MOST).min(steady);
        Self {
            all: Bucket::new(steady, burst, now),
            polls: Bucket::new(polls, burst, now),
            pressed: None,
            row: Arc::default(),
        }
    }

    /// Takes a response's place; how long until it comes.
    fn respond(&mut self, now: Instant) -> Duration {
        let held = self.all.held(now).min(HASTE_HOLD);
        let wait = self.all.take(now);
        if !wait.is_zero() {
            self.pressed = Some(now + wait);
        }
        wait.max(held)
    }

    /// How long until a place may be free for the poll that is the first in the row since `first`. Takes nothing.
    fn free_in(&mut self, first: Instant, now: Instant) -> Duration {
        let courtesy = self.pressed.map_or(first, |at| (at + COURTESY).min(first + COURTESY_ENDS));
        let courtesy = courtesy.saturating_duration_since(now);
        self.polls.free_in(now).max(self.all.free_in(now)).max(courtesy)
    }

    /// Takes a poll's place if one is free now; otherwise how long it takes until one may be.
    fn poll(&mut self, first: Instant, now: Instant) -> Result<(), Duration> {
        let wait = self.free_in(first, now);
        if !wait.is_zero() {
            return Err(wait);
        }
        self.polls.take(now);
        self.all.take(now);
        Ok(())
    }

    fn throttled(&mut self, who: Priority, now: Instant, retry_after: Option<Duration>) -> Duration {
        let hold = self.polls.throttled(SLOWEST, now, retry_after);
        match who {
            Priority::Poll => hold,
            Priority::Response => self.all.throttled(self.all.most * HASTE, now, retry_after),
        }
    }
}

#[derive(Debug)]
struct Bucket {
    /// Requests a second when all is well.
    most: f64,
    /// What may come at once after a pause.
    burst: f64,
    /// Requests a second at present.
    rate: f64,
    level: f64,
    at: Instant,
    held_until: Option<Instant>,
}

impl Bucket {
    fn new(most: f64, burst: f64, now: Instant) -> Self {
        Self { most, burst, rate: most, level: burst, at: now, held_until: None }
    }

    fn fill(&mut self, now: Instant) {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * self.rate;
        self.level = (self.level + gained).min(self.burst);
        self.at = now;
    }

    /// Takes one request; how long to wait before it is made.
    fn take(&mut self, now: Instant) -> Duration {
        self.fill(now);
        self.level -= 1.0;
        if self.level < 0.0 { Duration::from_secs_f64(-self.level / self.rate) } else { Duration::ZERO }
    }

    /// How long until a request could be made at once, if nothing else is asked until then. Takes nothing.
    fn free_in(&mut self, now: Instant) -> Duration {
        self.fill(now);
        let missing = 1.0 - self.level;
        // Less than a microsecond is the rounding of a wait that is over.
        let for_rate =
            if missing > 1e-6 { Duration::from_secs_f64(missing / self.rate) } else { Duration::ZERO };
        for_rate.max(self.held(now))
    }

    fn held(&self, now: Instant) -> Duration {
        self.held_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    fn throttled(&mut self, slowest: f64, now: Instant, retry_after: Option<Duration>) -> Duration {
        self.rate = (self.rate / 2.0).max(slowest);
        self.level = self.level.min(0.0);
        let hold = retry_after.unwrap_or_else(|| Duration::from_secs_f64((1.0 / self.rate).min(60.0)));
        let until = now + hold;
        self.held_until = Some(self.held_until.map_or(until, |known| known.max(until)));
        hold
    }

    fn went_well(&mut self) {
        self.rate = (self.rate * 1.05).min(self.most);
    }
}

impl Budget {
    fn with<T>(&self, operation: &'static str, act: impl FnOnce(&mut Operation, Instant) -> T) -> T {
        let now = Instant::now();
        let mut operations = self.operations.lock();
        act(operations.entry(operation).or_insert_with(|| Operation::new(operation, now)), now)
    }

    /// Waits until a request of `operation` may be made.
    pub(super) async fn turn(&self, operation: &'static str, who: Priority) -> Turn {
        match who {
            Priority::Response => {
                let wait = self.with(operation, Operation::respond);
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                }
                Turn { _in_flight: None }
            }
            Priority::Poll => {
                let row = self.with(operation, |of, _| Arc::clone(&of.row));
                let _first = row.lock().await;
                let first = Instant::now();
                loop {
                    // A place in flight is not held while the clock is waited for: other APIs need it.
                    loop {
                        let wait = self.with(operation, |of, now| of.free_in(first, now));
                        if wait.is_zero() {
                            break;
                        }
                        tokio::time::sleep(wait).await;
                    }
                    let in_flight = Arc::clone(&self.in_flight).acquire_owned().await.ok();
                    if self.with(operation, |of, now| of.poll(first, now)).is_ok() {
                        return Turn { _in_flight: in_flight };
                    }
                }
            }
        }
    }

    /// AWS said that it is too much; true when it is worth trying again within the same read.
    pub(super) fn throttled(
        &self,
        operation: &'static str,
        who: Priority,
        retry_after: Option<Duration>,
    ) -> bool {
        self.with(operation, |of, now| of.throttled(who, now, retry_after)) <= PATIENCE
    }

    pub(super) fn went_well(&self, operation: &'static str, who: Priority) {
        self.with(operation, |of, _| match who {
            Priority::Poll => of.polls.went_well(),
            Priority::Response => of.all.went_well(),
        });
    }

    /// How long the polls of an API rest because they were told to.
    pub(super) fn held(&self, operation: &'static str) -> Duration {
        self.with(operation, |of, now| of.polls.held(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each of `count` requests, asked for all at once, is made.
    fn times(of: &mut Operation, start: Instant, count: usize) -> Vec<Duration> {
        (0..count).map(|_| of.respond(start)).collect()
    }

    #[test]
    fn in_no_second_are_there_more_requests_than_aws_allows() {
        let start = Instant::now();
        for operation in
            ["iot:ListTopicRules", "iot:GetEffectivePolicies", "iot:ListThings", "iot:GetTopicRule"]
        {
            let mut of = Operation::new(operation, start);
            let times = times(&mut of, start, 400);
            let allowed = allowed(operation);
            for first in &times {
                let second = first..&(*first + Duration::from_secs(1));
                let count = times.iter().filter(|at| second.contains(at)).count();
                assert!(count as f64 <= allowed, "{operation}: {count} in a second");
            }
            let last = times.last().unwrap().as_secs_f64();
            assert!(last < 400.0 / allowed * 2.6, "{operation}: 400 take {last} s");
        }
    }

    #[test]
    fn a_response_goes_before_polls_and_takes_its_share_from_them() {
        let start = Instant::now();
        let mut of = Operation::new("iot:ListThings", start);
        assert!(of.poll(start, start).is_ok());
        let alone = Operation::new("iot:ListThings", start).polls.rate;
        assert!(of.poll(start, start).is_err(), "the burst is used up");
        let plan = times(&mut of, start, 15);
        assert!(plan.iter().all(|at| *at <= Duration::from_secs(2)), "eight a second: {plan:?}");
        let wait = of.poll(start, start).unwrap_err();
        assert!(wait > Duration::from_secs(2), "after the plan: {wait:?}");
        assert!(of.poll(start, start + wait).is_ok());
        // Polls step back where a response had to wait, and not for the minutes that a large plan takes.
        let pressed = start + Duration::from_secs(60);
        assert!(of.respond(pressed).is_zero() && !of.respond(pressed).is_zero());
        let soon = pressed + Duration::from_millis(500);
        assert!(!of.free_in(pressed, soon).is_zero(), "there is room, and it is left to the plan");
        assert!(
            of.free_in(pressed - COURTESY_ENDS, soon).is_zero(),
            "the first of the polls waited long enough"
        );
        assert!(alone <= 5.0, "half of what AWS allows");
    }

    #[test]
    fn polls_that_are_throttled_slow_down_and_recover_and_a_response_does_not_wait_for_it() {
        let start = Instant::now();
        let mut of = Operation::new("iot:ListThings", start);
        let hold = of.throttled(Priority::Poll, start, Some(Duration::from_secs(7)));
        assert_eq!(hold, Duration::from_secs(7));
        assert!(of.poll(start, start).unwrap_err() >= hold);
        assert!(of.respond(start).is_zero());
        let later = start + Duration::from_secs(60);
        assert!(of.poll(later, later).is_ok());
        assert!((of.polls.rate - of.polls.most / 2.0).abs() < 1e-9);
        for _ in 0..100 {
            of.polls.went_well();
        }
        assert!((of.polls.rate - of.polls.most).abs() < 1e-9);
        for _ in 0..50 {
            of.throttled(Priority::Poll, later, None);
        }
        assert!(of.polls.rate >= SLOWEST);
    }

    #[test]
    fn a_response_that_is_told_to_wait_an_hour_asks_again_within_seconds() {
        let start = Instant::now();
        let mut of = Operation::new("iot:UpdateCertificate", start);
        of.throttled(Priority::Response, start, Some(Duration::from_secs(3_600)));
        assert!(of.respond(start + Duration::from_secs(1)) <= HASTE_HOLD);
        for _ in 0..50 {
            of.throttled(Priority::Response, start, None);
        }
        assert!(of.all.rate >= of.all.most * HASTE);
    }
}
