//! The rules of one execution and of the rollout rate, as pure functions (docs/aws-iot.md#4.5). Time is passed in.

use std::collections::BTreeMap;

use super::model::{AbortCriterion, Execution, Retry, Rollout, Status};

/// The most executions AWS queues for one job in a minute.
const MOST_PER_MINUTE: u32 = 1000;

/// Why a device's update was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The execution is over.
    Terminal,
    /// The state machine has no such step.
    Transition,
    /// `expectedVersion` is not the stored version.
    Version,
}

/// What a device asks for.
#[derive(Clone, Debug, Default)]
pub(super) struct Ask {
    /// The new status; a device may name it again to report progress.
    pub(super) status: Option<Status>,
    /// Replaces the details when given.
    pub(super) details: Option<BTreeMap<String, String>>,
    /// Must equal the stored version when given.
    pub(super) expected_version: Option<u64>,
    /// Minutes for this step; -1 takes the timer away.
    pub(super) step_minutes: Option<i64>,
}

/// Applies a device's update.
pub(super) fn update(
    execution: &mut Execution,
    ask: Ask,
    timeout_minutes: Option<u64>,
    now_ms: i64,
    minute_ms: i64,
) -> Result<(), Refused> {
    // A status no device can set is refused whatever the execution's own.
    if !matches!(
        ask.status,
        None | Some(Status::InProgress | Status::Succeeded | Status::Failed | Status::Rejected)
    ) {
        return Err(Refused::Transition);
    }
    if execution.status.is_terminal() {
        return Err(Refused::Terminal);
    }
    if ask.expected_version.is_some_and(|v| v != execution.version) {
        return Err(Refused::Version);
    }
    let status = ask.status.unwrap_or(execution.status);
    if execution.status == Status::Queued
        && matches!(status, Status::InProgress | Status::Succeeded | Status::Failed)
    {
        execution.started_ms = Some(now_ms);
    }
    if status == Status::InProgress && execution.status == Status::Queued {
        execution.job_deadline_ms = timeout_minutes.map(|m| now_ms + m as i64 * minute_ms);
    }
    match ask.step_minutes {
        Some(-1) => execution.step_deadline_ms = None,
        Some(minutes) => execution.step_deadline_ms = Some(now_ms + minutes * minute_ms),
        None => {}
    }
    if ask.details.is_some() {
        execution.details = ask.details;
    }
    execution.status = status;
    touch(execution, now_ms);
    Ok(())
}

/// Ends an execution from the cloud's side: CANCELED, REMOVED or TIMED_OUT.
pub(super) fn end(execution: &mut Execution, status: Status, now_ms: i64) {
    execution.force_canceled = status == Status::Canceled && execution.status == Status::InProgress;
    execution.status = status;
    // AWS keeps the version of an execution whose thing left the target.
    execution.version += u64::from(status != Status::Removed);
    execution.updated_ms = now_ms;
}

fn touch(execution: &mut Execution, now_ms: i64) {
    execution.version += 1;
    execution.updated_ms = now_ms;
}

/// The execution that follows a failed or timed-out one, when the job's retry criteria still allow it.
pub(super) fn retry(ended: &Execution, config: Option<&Retry>, now_ms: i64) -> Option<Execution> {
    let (slot, word) = match ended.status {
        Status::Failed => (0, "FAILED"),
        Status::TimedOut => (1, "TIMED_OUT"),
        _ => return None,
    };
    let criteria = &config?.criteria_list;
    let exact = criteria.iter().find(|c| c.failure_type == word);
    let (done, allowed) = match exact {
        Some(criterion) => (ended.retries[slot], criterion.number_of_retries),
        None => {
            let all = criteria.iter().find(|c| c.failure_type == "ALL")?;
            (ended.retry_attempt(), all.number_of_retries)
        }
    };
    (done < allowed).then(|| {
        let mut next = Execution::queued(&ended.job, &ended.thing, ended.number + 1, now_ms);
        next.retries = ended.retries;
        next.retries[slot] += 1;
        next
    })
}

/// Executions a minute the rollout may queue now; `None` without a limit.
pub(super) fn rate(rollout: Option<&Rollout>, notified: u64, succeeded: u64) -> Option<u32> {
    let rollout = rollout?;
    let Some(exponential) = &rollout.exponential_rate else { return rollout.maximum_per_minute };
    let criteria = &exponential.rate_increase_criteria;
    let steps = match (criteria.number_of_notified_things, criteria.number_of_succeeded_things) {
        (Some(threshold), _) => notified / u64::from(threshold.max(1)),
        (None, Some(threshold)) => succeeded / u64::from(threshold.max(1)),
        (None, None) => 0,
    };
    let grown = f64::from(exponential.base_rate_per_minute)
        * exponential.increment_factor.powi(i32::try_from(steps).unwrap_or(i32::MAX));
    let most = rollout.maximum_per_minute.unwrap_or(MOST_PER_MINUTE);
    Some(if grown >= f64::from(most) { most } else { (grown as u32).max(1) })
}

/// What AWS says of the abort criterion that the counts of things by status meet; `None` when they do not.
pub(super) fn aborts(criterion: &AbortCriterion, count: impl Fn(Status) -> u64) -> Option<String> {
    let bad: u64 = match Status::parse(&criterion.failure_type) {
        Some(status) => count(status),
        None => count(Status::Failed) + count(Status::Rejected) + count(Status::TimedOut),
    };
    let finished: u64 = Status::ALL.into_iter().filter(|status| status.is_terminal()).map(&count).sum();
    let met = finished > 0
        && finished >= criterion.min_number_of_executed_things
        && bad as f64 * 100.0 / finished as f64 >= criterion.threshold_percentage;
    let (kind, threshold) = (&criterion.failure_type, criterion.threshold_percentage);
    met.then(|| {
        format!(
            "Abort criteria for failure type {kind} with threshold {threshold:.2}% met. Total completed executions: \
             {finished}, total {kind} executions: {bad}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::jobs::model::{ExponentialRate, RateIncrease, RetryCriterion};

    const MINUTE: i64 = 60_000;

    fn ask(status: Status) -> Ask {
        Ask { status: Some(status), ..Ask::default() }
    }

    #[test]
    fn a_device_starts_reports_and_finishes_and_nothing_follows_a_terminal_state() {
        let mut execution = Execution::queued("j", "t", 1, 0);
        update(&mut execution, ask(Status::InProgress), Some(5), 1000, MINUTE).unwrap();
        assert_eq!((execution.version, execution.started_ms), (2, Some(1000)));
        assert_eq!(execution.deadline_ms(), Some(1000 + 5 * MINUTE));
        let progress = Ask {
            details: Some([("progress".to_owned(), "50%".to_owned())].into()),
            step_minutes: Some(1),
            expected_version: Some(2),
            ..Ask::default()
        };
        update(&mut execution, progress, Some(5), 2000, MINUTE).unwrap();
        assert_eq!(execution.deadline_ms(), Some(2000 + MINUTE), "the earlier timer wins");
        let clear = Ask { step_minutes: Some(-1), ..Ask::default() };
        update(&mut execution, clear, Some(5), 3000, MINUTE).unwrap();
        assert_eq!(execution.deadline_ms(), Some(1000 + 5 * MINUTE), "the job's own timer cannot be moved");
        let stale = Ask { expected_version: Some(2), ..ask(Status::Succeeded) };
        assert_eq!(update(&mut execution, stale, None, 4000, MINUTE), Err(Refused::Version));
        update(&mut execution, ask(Status::Succeeded), None, 4000, MINUTE).unwrap();
        assert_eq!((execution.version, execution.deadline_ms()), (5, None));
        assert_eq!(execution.details.as_ref().unwrap()["progress"], "50%");
        for status in [Status::InProgress, Status::Succeeded, Status::Failed, Status::Rejected] {
            assert_eq!(update(&mut execution, ask(status), None, 5000, MINUTE), Err(Refused::Terminal));
        }
        assert_eq!(
            update(&mut execution, ask(Status::Canceled), None, 5000, MINUTE),
            Err(Refused::Transition),
            "what no device may set is refused first"
        );
    }

    #[test]
    fn a_device_cannot_queue_cancel_remove_or_time_out_an_execution() {
        for from in [Status::Queued, Status::InProgress] {
            for to in Status::ALL {
                let mut execution = Execution::queued("j", "t", 1, 0);
                execution.status = from;
                let allowed =
                    matches!(to, Status::InProgress | Status::Succeeded | Status::Failed | Status::Rejected);
                assert_eq!(
                    update(&mut execution, ask(to), None, 1, MINUTE).is_ok(),
                    allowed,
                    "{from:?} {to:?}"
                );
            }
        }
    }

    #[test]
    fn retries_count_for_each_failure_type_and_end() {
        let criterion = |failure_type: &str, number_of_retries| RetryCriterion {
            failure_type: failure_type.into(),
            number_of_retries,
        };
        let config = Retry { criteria_list: vec![criterion("FAILED", 1), criterion("TIMED_OUT", 1)] };
        let mut execution = Execution::queued("j", "t", 1, 0);
        execution.status = Status::Failed;
        let mut second = retry(&execution, Some(&config), 5).unwrap();
        assert_eq!((second.number, second.status, second.retry_attempt()), (2, Status::Queued, 1));
        second.status = Status::Failed;
        assert!(retry(&second, Some(&config), 6).is_none());
        second.status = Status::TimedOut;
        assert_eq!(retry(&second, Some(&config), 6).unwrap().retry_attempt(), 2);
        for status in [Status::Rejected, Status::Removed, Status::Canceled, Status::Succeeded] {
            second.status = status;
            assert!(retry(&second, Some(&Retry { criteria_list: vec![criterion("ALL", 9)] }), 6).is_none());
        }
    }

    #[test]
    fn the_rate_is_constant_or_grows_with_each_threshold_up_to_a_thousand() {
        assert_eq!(rate(None, 0, 0), None);
        let constant = Rollout { maximum_per_minute: Some(7), exponential_rate: None };
        assert_eq!(rate(Some(&constant), 1_000_000, 0), Some(7));
        let exponential = |notified, succeeded| Rollout {
            maximum_per_minute: None,
            exponential_rate: Some(ExponentialRate {
                base_rate_per_minute: 10,
                increment_factor: 2.0,
                rate_increase_criteria: RateIncrease {
                    number_of_notified_things: notified,
                    number_of_succeeded_things: succeeded,
                },
            }),
        };
        let by_notified = exponential(Some(10), None);
        assert_eq!(
            [0, 9, 10, 25, 9000].map(|n| rate(Some(&by_notified), n, 0)),
            [Some(10), Some(10), Some(20), Some(40), Some(1000)]
        );
        assert_eq!(rate(Some(&exponential(None, Some(5))), 100, 6), Some(20));
    }

    #[test]
    fn an_abort_needs_both_the_share_and_the_number() {
        let criterion = AbortCriterion {
            failure_type: "ALL".into(),
            action: "CANCEL".into(),
            threshold_percentage: 50.0,
            min_number_of_executed_things: 4,
        };
        let counts = |succeeded, failed, rejected| {
            move |status| match status {
                Status::Succeeded => succeeded,
                Status::Failed => failed,
                Status::Rejected => rejected,
                _ => 0,
            }
        };
        assert_eq!(aborts(&criterion, counts(0, 3, 0)), None);
        assert_eq!(aborts(&criterion, counts(3, 1, 0)), None);
        let said = aborts(&criterion, counts(2, 1, 1)).unwrap();
        assert!(
            said.contains("ALL with threshold 50.00% met")
                && said.contains("executions: 4, total ALL executions: 2")
        );
        let failed = AbortCriterion { failure_type: "FAILED".into(), ..criterion };
        assert_eq!(aborts(&failed, counts(2, 1, 1)), None);
    }
}
