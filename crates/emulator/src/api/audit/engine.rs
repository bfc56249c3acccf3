//! Runs audits: one check after another, each with its time; tells of the end by SNS and in CloudWatch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::checks::{self, Draft, LOOK_BACK_MS, Outcome, Window};
use super::{AuditStore, CheckRun, Finding, ONLY, Task, ordered_id};
use crate::account::Account;
use crate::api::{ApiError, cloudwatch, sns};

/// How long one check takes. AWS's need minutes and more, the larger the account.
const CHECK: Duration = Duration::from_secs(3);
/// How long findings and audits are kept: 90 days.
const KEPT_MS: i64 = 90 * 86_400_000;
/// On-demand audits at the same time.
const AT_ONCE: usize = 10;

/// Starts an audit; gives its id. It runs within the runtime this is called from.
///
/// # Errors
/// `InvalidRequestException` for a check that is not enabled, `LimitExceededException` for an eleventh on-demand audit.
pub(super) fn start(account: &Account, schedule: Option<&str>, names: &[String]) -> Result<String, ApiError> {
    let now = account.clock.now_ms();
    let id = ordered_id(now).replace('-', "");
    {
        let mut state = account.write();
        let audit = &mut state.audit;
        audit.check_targets(names)?;
        let running = |t: &Task| t.status == "IN_PROGRESS" && t.schedule.is_none();
        if schedule.is_none() && audit.tasks.iter().filter(|(_, t)| running(t)).count() >= AT_ONCE {
            return Err(ApiError::limit(format!("At most {AT_ONCE} on-demand audits can be in progress")));
        }
        forget_old(audit, now - KEPT_MS);
        let checks: BTreeMap<_, _> =
            names.iter().map(|name| (name.clone(), CheckRun::with_status("IN_PROGRESS"))).collect();
        let task = Task {
            schedule: schedule.map(str::to_owned),
            status: "IN_PROGRESS".to_owned(),
            start_ms: now,
            checks,
        };
        audit.tasks.put(&id, task);
    }
    spawn(account, id.clone());
    Ok(id)
}

fn forget_old(audit: &mut AuditStore, before_ms: i64) {
    let tasks: Vec<String> =
        audit.tasks.iter().take_while(|(_, t)| t.start_ms < before_ms).map(|(id, _)| id.to_owned()).collect();
    for id in tasks {
        audit.tasks.remove(&id);
    }
    let findings: Vec<String> =
        audit.findings.iter().take_while(|(_, f)| f.at_ms < before_ms).map(|(id, _)| id.to_owned()).collect();
    for id in findings {
        audit.findings.remove(&id);
    }
}

fn spawn(account: &Account, id: String) {
    account.spawn(move |account| drive(account, id));
}

/// Takes up audits a restart interrupted, and starts the scheduled ones as they become due; until the process ends.
pub async fn run(account: Arc<Account>) {
    let open: Vec<String> = {
        let state = account.read();
        let open = state.audit.tasks.iter().filter(|(_, t)| t.status == "IN_PROGRESS");
        open.map(|(id, _)| id.to_owned()).collect()
    };
    for id in open {
        spawn(&account, id);
    }
    let step = account.clock.scaled(Duration::from_secs(60));
    let mut beat = tokio::time::interval(step.clamp(Duration::from_millis(20), Duration::from_secs(1)));
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        beat.tick().await;
        super::schedules::start_due(&account);
    }
}

/// Runs what is open of one audit.
async fn drive(account: Arc<Account>, id: String) {
    loop {
        let next = {
            let state = account.read();
            let Some(task) = state.audit.tasks.get(&id).filter(|t| t.status == "IN_PROGRESS") else { return };
            let open = task.checks.iter().find(|(_, c)| c.check_run_status == "IN_PROGRESS");
            open.map(|(name, _)| (name.clone(), task.clone()))
        };
        let Some((name, task)) = next else { break };
        tokio::time::sleep(account.clock.scaled(CHECK)).await;
        let outcome = look(&account, &name, &id, &task);
        record(&account, &id, &name, &task, outcome);
        commit(&account);
    }
    let ended = account.write().audit.tasks.update(&id, |t| {
        let open = t.status == "IN_PROGRESS";
        if open {
            let all_failed = t.count("FAILED") == t.checks.len();
            t.status = if all_failed { "FAILED" } else { "COMPLETED" }.to_owned();
        }
        open
    });
    if ended == Some(true) {
        commit(&account);
        tell(&account, &id);
    }
}

fn commit(account: &Account) {
    if let Err(error) = account.wal.commit_in_place() {
        tracing::error!(%error, "an audit could not be kept");
    }
}

/// Scheduled audits look back to the one before, on-demand ones 31 days.
fn look(account: &Account, name: &str, id: &str, task: &Task) -> Outcome {
    let now_ms = account.clock.now_ms();
    let before = task.schedule.is_some().then(|| {
        let state = account.read();
        let earlier = state.audit.tasks.iter().filter(|(k, t)| *k < id && t.schedule == task.schedule);
        earlier.map(|(_, t)| t.start_ms).max()
    });
    let from_ms = before.flatten().unwrap_or(now_ms - LOOK_BACK_MS);
    match checks::find(name) {
        Some(check) => check.look(account, Window { from_ms, now_ms }),
        None => Outcome::Cannot("The check is not known."),
    }
}

/// Keeps what a check came to, unless the audit was canceled meanwhile.
fn record(account: &Account, id: &str, name: &str, task: &Task, outcome: Outcome) {
    let now = account.clock.now_ms();
    let mut run = CheckRun::with_status("FAILED");
    let mut evaluated = None;
    {
        let mut state = account.write();
        let audit = &mut state.audit;
        // Canceled, or an audit that was taken up twice at start-up.
        let open = |c: &CheckRun| c.check_run_status == "IN_PROGRESS";
        let held = audit.tasks.get(id).filter(|t| t.status == "IN_PROGRESS");
        if !held.and_then(|t| t.checks.get(name)).is_some_and(open) {
            return;
        }
        match outcome {
            Outcome::Cannot(why) => {
                run.error_code = Some("INSUFFICIENT_PERMISSIONS".to_owned());
                run.message = Some(why.to_owned());
            }
            Outcome::Looked(total, drafts) => {
                let (mut open, mut suppressed) = (0, 0);
                for draft in drafts {
                    let finding = finding_of(audit, id, name, task, draft, now);
                    *(if finding.suppressed { &mut suppressed } else { &mut open }) += 1;
                    audit.findings.put(&ordered_id(now), finding);
                }
                let status = if open > 0 { "COMPLETED_NON_COMPLIANT" } else { "COMPLETED_COMPLIANT" };
                run = CheckRun::with_status(status);
                run.check_compliant = Some(open == 0);
                run.total_resources_count = Some(total);
                run.non_compliant_resources_count = Some(open);
                run.suppressed_non_compliant_resources_count = Some(suppressed);
                evaluated = Some((total, open));
            }
        }
        audit.tasks.update(id, |t| t.checks.insert(name.to_owned(), run));
    }
    if let Some((total, open)) = evaluated {
        let schedule = task.schedule.as_deref().unwrap_or("OnDemand");
        let dimensions = [("CheckName", name), ("ScheduledAuditName", schedule)];
        cloudwatch::count(account, "AWS/IoT", "ResourcesEvaluated", &dimensions, total as f64);
        cloudwatch::count(account, "AWS/IoT", "NonCompliantResources", &dimensions, open as f64);
    }
}

fn finding_of(audit: &AuditStore, id: &str, name: &str, task: &Task, draft: Draft, now: i64) -> Finding {
    Finding {
        task: id.to_owned(),
        check: name.to_owned(),
        task_start_ms: task.start_ms,
        at_ms: now,
        suppressed: audit.is_suppressed(name, &draft.resource.resource_identifier, now),
        resource: draft.resource,
        related: draft.related,
        reason: draft.reason,
        code: draft.code.to_owned(),
    }
}

/// Tells the notification target that an audit ended, if there is one (docs/aws-iot.md#3.9).
pub(super) fn tell(account: &Account, id: &str) {
    let (topic, message) = {
        let state = account.read();
        let Some(task) = state.audit.tasks.get(id) else { return };
        let target = state.audit.configuration.get(ONLY).and_then(|c| c.targets.get("SNS"));
        let Some(topic) = target.filter(|t| t.enabled).and_then(|t| t.target_arn.clone()) else { return };
        (topic, notification(account, id, task))
    };
    if let Err(error) = sns::publish(account, &topic, None, &message.to_string()) {
        tracing::warn!(topic, error = error.message, "the end of an audit could not be told");
    }
}

fn notification(account: &Account, id: &str, task: &Task) -> Value {
    let details: Vec<Value> = task
        .checks
        .iter()
        .map(|(name, run)| {
            json!({
                "checkName": name,
                "checkRunStatus": run.check_run_status,
                "nonCompliantResourcesCount": run.non_compliant_resources_count,
                "suppressedNonCompliantResourcesCount": run.suppressed_non_compliant_resources_count,
                "totalResourcesCount": run.total_resources_count,
                "message": run.message,
                "errorCode": run.error_code,
            })
        })
        .collect();
    json!({
        "accountId": account.id,
        "taskId": id,
        "taskStatus": task.status,
        "taskType": task.kind(),
        "scheduledAuditName": task.schedule,
        "failedChecksCount": task.count("FAILED"),
        "canceledChecksCount": task.count("CANCELED"),
        "nonCompliantChecksCount": task.count("COMPLETED_NON_COMPLIANT"),
        "compliantChecksCount": task.count("COMPLETED_COMPLIANT"),
        "totalChecksCount": task.checks.len(),
        "taskStartTime": task.start_ms,
        "auditDetails": details,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::audit::{CheckSettings, Configuration};
    use crate::clock::Clock;
    use crate::store::Wal;

    const CHECK_NAME: &str = "LOGGING_DISABLED_CHECK";

    fn open(dir: &std::path::Path) -> Arc<Account> {
        let wal = Wal::open(dir).unwrap();
        Account::open("123456789012", "us-east-1", Clock::new(1_000.0), wal, "test", "test")
    }

    #[test]
    fn an_audit_goes_on_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let id = {
            let account = open(dir.path());
            let enabled = CheckSettings { enabled: true, ..CheckSettings::default() };
            let configuration = Configuration {
                checks: [(CHECK_NAME.to_owned(), enabled)].into(),
                ..Configuration::default()
            };
            account.write().audit.configuration.put(ONLY, configuration);
            // Outside a runtime nothing runs: as if the process ended here.
            let id = start(&account, None, &[CHECK_NAME.to_owned()]).unwrap();
            account.wal.commit().unwrap();
            id
        };
        let account = open(dir.path());
        let status = || account.read().audit.task(&id).unwrap().status.clone();
        assert_eq!(status(), "IN_PROGRESS");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            tokio::spawn(run(Arc::clone(&account)));
            // Twice, as when a request comes in before what is open is taken up: nothing is found twice.
            spawn(&account, id.clone());
            let ended = async {
                while status() == "IN_PROGRESS" {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap();
        });
        assert_eq!(status(), "COMPLETED");
        assert_eq!(account.read().audit.findings().count(), 1);
    }
}
