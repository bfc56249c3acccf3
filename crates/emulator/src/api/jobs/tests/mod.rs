//! Jobs as a whole: the engine, what it says on MQTT, and the handlers, without sockets.

mod doors;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::model::Status;
use super::presign::Presigner;
use super::*;
use crate::api::registry::{GroupSpec, ThingSpec};
use crate::api::{Req, Resp, Service};
use crate::clock::Clock;
use crate::store::Wal;

const MINUTE: i64 = 60_000;

/// An account with things t0..tN in no group, and the groups NeedsUpdate and NeedsUpdate's child.
fn account(things: usize) -> Arc<Account> {
    let account = Account::open("123456789012", "us-east-1", Clock::new(1.0), Wal::default(), "AK", "SK");
    {
        let mut state = account.write();
        for n in 0..things {
            state.registry.create_thing(&format!("t{n}"), ThingSpec::default(), 0).unwrap();
        }
        state.registry.create_group("NeedsUpdate", GroupSpec::default(), 0).unwrap();
        state.registry.enable_events("JOB", true, 0).unwrap();
        state.registry.enable_events("JOB_EXECUTION", true, 0).unwrap();
    }
    account
}

fn request(
    account: &Arc<Account>,
    path: &[(&'static str, &str)],
    query: &[(&str, &str)],
    body: Value,
) -> Req {
    Req {
        account: account.clone(),
        caller: "AK".into(),
        device: None,
        path: path.iter().map(|(n, v)| (*n, (*v).to_owned())).collect(),
        query: query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        headers: Vec::new(),
        body: if body.is_null() { Bytes::new() } else { body.to_string().into() },
    }
}

fn body(answer: Result<Resp, ApiError>) -> Value {
    serde_json::from_slice(&answer.unwrap().body).unwrap()
}

fn create(account: &Arc<Account>, id: &str, body: Value) -> Result<Resp, ApiError> {
    let req = request(account, &[("jobId", id)], &[], body);
    // The front holds every request against AWS's model before an operation sees it.
    crate::api::model::check(Service::Iot, "CreateJob", &req)?;
    control::create(&req)
}

fn things(account: &Account, range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| account.arn("thing", &format!("t{n}"))).collect()
}

/// Runs `act` at a time of its own; gives topics and payloads.
fn at<R>(
    account: &Account,
    now_ms: i64,
    act: impl FnOnce(&mut Jobs, &Env<'_>, &mut Changes) -> R,
) -> (R, Vec<(String, Value)>) {
    let mut state = account.write();
    let state = &mut *state;
    let presigner = Presigner::of(account);
    let env = Env { now_ms, minute_ms: MINUTE, arns: &account.arns, registry: &state.registry, presigner };
    let mut changes = Changes::default();
    let result = act(&mut state.jobs, &env, &mut changes);
    let messages = changes.messages(&state.jobs, &env);
    let read = |(topic, payload): (String, Bytes)| (topic, serde_json::from_slice(&payload).unwrap());
    (result, messages.into_iter().map(read).collect())
}

fn update(account: &Account, now_ms: i64, thing: &str, job: &str, status: &str) -> Vec<(String, Value)> {
    let asked = device::Request { status: Some(status.into()), ..Default::default() };
    let (answer, messages) = at(account, now_ms, |jobs, env, changes| {
        device::update(jobs, env, changes, thing, job, &asked, false)
    });
    answer.unwrap();
    messages
}

fn now(account: &Account) -> i64 {
    account.clock.now_ms()
}

fn statuses(account: &Account, job: &str) -> BTreeMap<String, Status> {
    account.read().jobs.executions_of(job).map(|(thing, e)| (thing.to_owned(), e.status)).collect()
}

fn topics(messages: &[(String, Value)]) -> Vec<&str> {
    messages.iter().map(|(topic, _)| topic.as_str()).collect()
}

#[test]
fn a_snapshot_job_is_queued_at_once_and_completes_when_every_execution_is_over() {
    let account = account(2);
    let answer =
        body(create(&account, "j", json!({"targets": things(&account, 0..2), "document": "{\"a\":1}"})));
    assert_eq!(answer, json!({"jobArn":"arn:aws:iot:us-east-1:123456789012:job/j","jobId":"j"}));
    assert_eq!(statuses(&account, "j").values().collect::<Vec<_>>(), [&Status::Queued; 2]);

    let at_start = now(&account);
    assert!(update(&account, at_start, "t0", "j", "IN_PROGRESS").is_empty(), "a start changes no list");
    let messages = update(&account, at_start + 5, "t0", "j", "SUCCEEDED");
    assert_eq!(
        topics(&messages),
        [
            "$aws/things/t0/jobs/notify",
            "$aws/things/t0/jobs/notify-next",
            "$aws/events/jobExecution/j/succeeded"
        ]
    );
    assert_eq!(messages[0].1["jobs"], json!({}));
    assert!(messages[1].1.get("execution").is_none());
    let messages = update(&account, at_start + 9, "t1", "j", "REJECTED");
    let (topic, event) = messages.last().unwrap();
    assert_eq!(topic, "$aws/events/job/j/completed");
    assert!(event["createdAt"].as_i64().unwrap() > 100_000_000_000, "milliseconds");
    assert_eq!(event["jobProcessDetails"]["numberOfRejectedThings"], 1);

    let job = body(control::describe(&request(&account, &[("jobId", "j")], &[], Value::Null)));
    assert_eq!(job["job"]["status"], "COMPLETED");
    assert_eq!(job["job"]["targetSelection"], "SNAPSHOT");
    assert_eq!(job["job"]["jobProcessDetails"]["numberOfSucceededThings"], 1);
    let again =
        create(&account, "j", json!({"targets": things(&account, 0..1), "document": "{}"})).unwrap_err();
    assert_eq!((again.status, again.code), (409, "ResourceAlreadyExistsException"));
}

#[test]
fn a_continuous_job_reaches_a_thing_that_joins_later_and_lets_go_of_one_that_leaves() {
    let account = account(2);
    let group = account.arn("thinggroup", "NeedsUpdate");
    let spec =
        json!({"targets": [group], "document": "{\"operation\":\"test\"}", "targetSelection": "CONTINUOUS"});
    create(&account, "Update-temp-firmware", spec).unwrap();
    assert!(statuses(&account, "Update-temp-firmware").is_empty());

    account.write().registry.join_group("t1", "NeedsUpdate", false).unwrap();
    let join = |jobs: &mut Jobs, env: &Env<'_>, changes: &mut Changes| {
        jobs.membership(env, changes, "t1", "NeedsUpdate", true);
    };
    let ((), messages) = at(&account, 7_000, join);
    assert_eq!(
        messages[0],
        (
            "$aws/things/t1/jobs/notify".to_owned(),
            json!({"timestamp":7,"jobs":{"QUEUED":[{"jobId":"Update-temp-firmware","queuedAt":7,"lastUpdatedAt":7,
                "executionNumber":1,"versionNumber":1}]}})
        )
    );
    assert_eq!(
        messages[1],
        (
            "$aws/things/t1/jobs/notify-next".to_owned(),
            json!({"timestamp":7,"execution":{"jobId":"Update-temp-firmware","status":"QUEUED","queuedAt":7,
                "lastUpdatedAt":7,"versionNumber":1,"executionNumber":1,"jobDocument":{"operation":"test"}}})
        )
    );
    let ((), again) = at(&account, 8_000, join);
    assert!(again.is_empty(), "one open execution is enough");

    account.write().registry.leave_group("t1", "NeedsUpdate").unwrap();
    let ((), messages) = at(&account, 9_000, |jobs, env, changes| {
        jobs.membership(env, changes, "t1", "NeedsUpdate", false);
    });
    assert_eq!(statuses(&account, "Update-temp-firmware")["t1"], Status::Removed);
    assert_eq!(messages.last().unwrap().0, "$aws/events/jobExecution/Update-temp-firmware/removed");
    account.write().registry.join_group("t1", "NeedsUpdate", false).unwrap();
    at(&account, 10_000, join);
    let state = account.read();
    let execution = state.jobs.execution("Update-temp-firmware", "t1").unwrap();
    assert_eq!((execution.number, execution.status), (2, Status::Queued));
    assert_eq!(state.jobs.numbered("Update-temp-firmware", "t1", Some(1)).unwrap().status, Status::Removed);
}

#[test]
fn the_membership_hook_itself_queues_the_execution() {
    let account = account(1);
    let group = account.arn("thinggroup", "NeedsUpdate");
    let spec = json!({"targets": [group], "document": "{}", "targetSelection": "CONTINUOUS"});
    create(&account, "j", spec).unwrap();
    crate::api::registry::add_to_group(&account, "t0", "NeedsUpdate", false).unwrap();
    assert_eq!(statuses(&account, "j")["t0"], Status::Queued);
}

#[test]
fn a_rollout_keeps_its_rate_minute_by_minute() {
    let account = account(5);
    let spec = json!({"targets": things(&account, 0..5), "document": "{}",
        "jobExecutionsRolloutConfig": {"maximumPerMinute": 2}});
    create(&account, "j", spec).unwrap();
    let began = account.read().jobs.job("j").unwrap().created_ms;
    assert_eq!(statuses(&account, "j").len(), 2);
    for (after, expected) in [(MINUTE - 1, 2), (MINUTE, 4), (2 * MINUTE - 1, 4), (2 * MINUTE, 5)] {
        assert!(expected > 4 || account.read().jobs.is_due(began + after));
        at(&account, began + after, |jobs, env, changes| jobs.tick(env, changes));
        assert_eq!(statuses(&account, "j").len(), expected, "{after} ms after the start");
    }
    assert!(!account.read().jobs.is_due(began + 9 * MINUTE));
}

#[test]
fn timers_time_out_and_retries_follow_until_they_are_used_up() {
    let account = account(1);
    let spec = json!({"targets": things(&account, 0..1), "document": "{}",
        "timeoutConfig": {"inProgressTimeoutInMinutes": 3},
        "jobExecutionsRetryConfig": {"criteriaList": [{"failureType": "TIMED_OUT", "numberOfRetries": 1}]}});
    create(&account, "j", spec).unwrap();
    let began = now(&account);
    update(&account, began, "t0", "j", "IN_PROGRESS");
    at(&account, began + 3 * MINUTE - 1, |jobs, env, changes| jobs.tick(env, changes));
    assert_eq!(statuses(&account, "j")["t0"], Status::InProgress);
    let ((), messages) = at(&account, began + 3 * MINUTE, |jobs, env, changes| jobs.tick(env, changes));
    assert!(topics(&messages).contains(&"$aws/events/jobExecution/j/timed_out"));
    let execution = account.read().jobs.execution("j", "t0").unwrap().clone();
    assert_eq!((execution.number, execution.status, execution.retry_attempt()), (2, Status::Queued, 1));
    update(&account, began + 4 * MINUTE, "t0", "j", "IN_PROGRESS");
    at(&account, began + 9 * MINUTE, |jobs, env, changes| jobs.tick(env, changes));
    assert_eq!(statuses(&account, "j")["t0"], Status::TimedOut);
    assert_eq!(account.read().jobs.job("j").unwrap().status.as_str(), "COMPLETED");
}

#[test]
fn an_abort_cancels_what_is_queued_and_leaves_what_is_in_progress() {
    let account = account(4);
    let spec = json!({"targets": things(&account, 0..4), "document": "{}", "abortConfig": {"criteriaList": [
        {"failureType": "FAILED", "action": "CANCEL", "thresholdPercentage": 50.0, "minNumberOfExecutedThings": 2}]}});
    create(&account, "j", spec).unwrap();
    let at = now(&account);
    update(&account, at, "t0", "j", "FAILED");
    update(&account, at, "t1", "j", "IN_PROGRESS");
    assert_eq!(account.read().jobs.job("j").unwrap().status.as_str(), "IN_PROGRESS");
    update(&account, at, "t2", "j", "FAILED");
    assert_eq!(account.read().jobs.job("j").unwrap().status.as_str(), "CANCELED");
    let expected = [Status::Failed, Status::InProgress, Status::Failed, Status::Canceled];
    assert_eq!(statuses(&account, "j").into_values().collect::<Vec<_>>(), expected);
}

#[test]
fn cancelling_spares_work_in_progress_unless_forced_and_then_the_device_hears_so() {
    let account = account(2);
    create(&account, "j", json!({"targets": things(&account, 0..2), "document": "{}"})).unwrap();
    update(&account, now(&account), "t0", "j", "IN_PROGRESS");
    let path = [("jobId", "j")];
    let refused = control::delete(&request(&account, &path, &[], Value::Null)).unwrap_err();
    assert_eq!((refused.status, refused.code), (409, "InvalidStateTransitionException"));
    control::cancel(&request(&account, &path, &[], json!({"reasonCode": "R"}))).unwrap();
    assert_eq!(
        statuses(&account, "j").into_values().collect::<Vec<_>>(),
        [Status::InProgress, Status::Canceled]
    );
    control::cancel(&request(&account, &path, &[("force", "true")], Value::Null)).unwrap();
    assert_eq!(statuses(&account, "j")["t0"], Status::Canceled);
    let asked = device::Request { status: Some("SUCCEEDED".into()), ..Default::default() };
    let (answer, _) = at(&account, now(&account), |jobs, env, changes| {
        device::update(jobs, env, changes, "t0", "j", &asked, false)
    });
    let refusal = answer.unwrap_err();
    assert_eq!(refusal.code, "TerminalStateReached");
    assert_eq!(refusal.state.clone().unwrap()["status"], "CANCELED");
    assert_eq!(ApiError::from(refusal).status, 410);
    let job = body(control::describe(&request(&account, &path, &[], Value::Null)));
    assert_eq!((&job["job"]["forceCanceled"], &job["job"]["reasonCode"]), (&json!(true), &json!("R")));
    control::delete(&request(&account, &path, &[], Value::Null)).unwrap();
    assert!(account.read().jobs.job("j").is_none());
    assert!(account.read().jobs.pending_of("t0").is_empty());
}

#[test]
fn a_scheduled_job_starts_and_ends_at_its_times() {
    let account = account(2);
    let at_ms = |minutes: i64| {
        let ms = now(&account) + minutes * MINUTE;
        jiff::Timestamp::from_millisecond(ms).unwrap().to_string()
    };
    let spec = |start: String, end: String| {
        json!({"targets": things(&account, 0..2), "document": "{}",
            "schedulingConfig": {"startTime": start, "endTime": end, "endBehavior": "CANCEL"}})
    };
    assert_eq!(create(&account, "early", spec(at_ms(5), at_ms(60))).unwrap_err().status, 400);
    create(&account, "j", spec(at_ms(31), at_ms(90))).unwrap();
    let job = account.read().jobs.job("j").unwrap().clone();
    assert_eq!(job.status.as_str(), "SCHEDULED");
    assert!(statuses(&account, "j").is_empty());
    let tick = |ms: i64| at(&account, ms, |jobs, env, changes| jobs.tick(env, changes));
    tick(job.start_ms.unwrap() - 1);
    assert!(statuses(&account, "j").is_empty());
    tick(job.start_ms.unwrap());
    assert_eq!(statuses(&account, "j").len(), 2);
    tick(job.end_ms.unwrap());
    assert_eq!(account.read().jobs.job("j").unwrap().status.as_str(), "CANCELED");
}

#[test]
fn jobs_and_executions_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        let wal = Wal::open(dir.path()).unwrap();
        Account::open("123456789012", "us-east-1", Clock::new(1.0), wal, "AK", "SK")
    };
    let first = open();
    for n in 0..3 {
        first.write().registry.create_thing(&format!("t{n}"), ThingSpec::default(), 0).unwrap();
    }
    let spec = json!({"targets": things(&first, 0..3), "document": "{}",
        "timeoutConfig": {"inProgressTimeoutInMinutes": 1}, "jobExecutionsRolloutConfig": {"maximumPerMinute": 2}});
    create(&first, "j", spec).unwrap();
    update(&first, now(&first), "t0", "j", "IN_PROGRESS");
    first.wal.commit().unwrap();
    drop(first);
    let second = open();
    let expected = [Status::InProgress, Status::Queued];
    assert_eq!(statuses(&second, "j").into_values().collect::<Vec<_>>(), expected);
    at(&second, now(&second) + 2 * MINUTE, |jobs, env, changes| jobs.tick(env, changes));
    let expected = [Status::TimedOut, Status::Queued, Status::Queued];
    assert_eq!(statuses(&second, "j").into_values().collect::<Vec<_>>(), expected);
}
