//! Bulk registration: a template, and a file of which each line has the parameters of one device (docs/aws-iot.md#3.11). A task
//! goes on while the emulator runs; what came of each line stands in its reports.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::register::registered;
use crate::account::Account;
use crate::api::registry::uuid;
use crate::api::s3::{self, Signer};
use crate::api::when::{missing, seconds};
use crate::api::{ApiError, Req, Resp, audit};
use crate::store::{Table, Wal};

/// How long the URL of a report is good for.
const REPORT_SECONDS: u64 = 3600;
/// The bucket of the reports: AWS's own, in no list of the account's.
const REPORTS: &str = "aws-iot-thing-registration-reports";

/// A task. Its id is its key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    template: String,
    bucket: String,
    key: String,
    role: String,
    created_ms: i64,
    modified_ms: i64,
    status: Status,
    message: Option<String>,
    registered: u32,
    failed: u32,
    percent: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Status {
    InProgress,
    Completed,
    Failed,
    Cancelled,
}

/// The tasks of an account; one that was under way when the emulator ended has failed.
pub fn open(wal: &Wal) -> Table<Task> {
    let mut tasks = Table::<Task>::open(wal, "thing-registration-tasks");
    let under_way = |task: &&str| tasks.get(task).is_some_and(|task| task.status == Status::InProgress);
    let cut_off: Vec<String> = tasks.iter().map(|(id, _)| id).filter(under_way).map(str::to_owned).collect();
    for id in cut_off {
        let ended = |task: &mut Task| {
            (task.status, task.message) = (Status::Failed, Some("The service was interrupted.".to_owned()));
        };
        tasks.update(&id, ended);
    }
    tasks
}

fn absent(id: &str) -> ApiError {
    ApiError::not_found(format!("Thing registration task {id} does not exist."))
}

/// StartThingRegistrationTask.
pub(super) fn start(req: &Req) -> Result<Resp, ApiError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        template_body: Option<String>,
        input_file_bucket: Option<String>,
        input_file_key: Option<String>,
        role_arn: Option<String>,
    }
    let body: Body = req.json()?;
    let template = body.template_body.ok_or_else(|| missing("templateBody"))?;
    if !serde_json::from_str::<Value>(&template).is_ok_and(|body| body["Resources"].is_object()) {
        return Err(ApiError::invalid("The template body is invalid"));
    }
    let role = body.role_arn.ok_or_else(|| missing("roleArn"))?;
    audit::check_role("roleArn", &role)?;
    let now = req.account.clock.now_ms();
    let task = Task {
        template,
        bucket: body.input_file_bucket.ok_or_else(|| missing("inputFileBucket"))?,
        key: body.input_file_key.ok_or_else(|| missing("inputFileKey"))?,
        role,
        created_ms: now,
        modified_ms: now,
        status: Status::InProgress,
        message: None,
        registered: 0,
        failed: 0,
        percent: 0,
    };
    let id = uuid();
    {
        let mut state = req.account.write();
        if state.registration_tasks.iter().any(|(_, task)| task.status == Status::InProgress) {
            return Err(ApiError::invalid(
                "Only one thing registration task can run at a time, and one is running.",
            ));
        }
        state.registration_tasks.put(&id, task);
    }
    let started = id.clone();
    req.account.spawn(async move |account| run(&account, &started).await);
    Resp::json(json!({ "taskId": id }))
}

/// Registers one device after another, until the file ends or somebody stops the task.
async fn run(account: &std::sync::Arc<Account>, id: &str) {
    let Some(task) = account.read().registration_tasks.get(id).cloned() else { return };
    let Some(file) = s3::get_object(account, &task.bucket, &task.key) else {
        let text = format!("The input file {} is not in the bucket {}.", task.key, task.bucket);
        return end(account, id, Status::Failed, Some(text));
    };
    let lines: Vec<&[u8]> =
        file.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).collect();
    let mut reports = [Vec::new(), Vec::new()];
    for (n, line) in (1..).zip(&lines) {
        let given = serde_json::from_slice::<BTreeMap<String, String>>(line);
        let made = match given {
            Ok(given) => registered(account, &task.template, &given),
            Err(error) => Err(ApiError::invalid(format!("The line is no object of texts: {error}"))),
        };
        let is_failed = made.is_err();
        let told = match made {
            Ok(response) => json!({ "lineNumber": n, "response": response }),
            Err(error) => json!({ "lineNumber": n, "errorCode": error.code, "errorMessage": error.message }),
        };
        reports[usize::from(is_failed)].extend(format!("{told}\n").into_bytes());
        let percent = u8::try_from(n * 100 / lines.len()).unwrap_or(100);
        let goes_on = account.write().registration_tasks.update(id, |task| {
            *(if is_failed { &mut task.failed } else { &mut task.registered }) += 1;
            (task.percent, task.modified_ms) = (percent, account.clock.now_ms());
            task.status == Status::InProgress
        });
        if goes_on != Some(true) {
            break;
        }
        // A request gets its turn between two devices.
        tokio::task::yield_now().await;
    }
    for (kind, report) in [ReportKind::Results, ReportKind::Errors].into_iter().zip(reports) {
        if !report.is_empty() {
            s3::keep_apart(account, REPORTS, &kind.key(id), report);
        }
    }
    end(account, id, Status::Completed, None);
}

/// Ends a task that is under way, and makes durable what it came to.
fn end(account: &Account, id: &str, status: Status, message: Option<String>) {
    account.write().registration_tasks.update(id, |task| {
        if task.status == Status::InProgress {
            (task.status, task.message, task.modified_ms) = (status, message, account.clock.now_ms());
        }
    });
    if let Err(error) = account.wal.commit_in_place() {
        tracing::error!(%error, "a registration task could not be kept");
    }
}

/// DescribeThingRegistrationTask.
pub(super) fn describe(req: &Req) -> Result<Resp, ApiError> {
    let id = req.path("taskId");
    let state = req.account.read();
    let task = state.registration_tasks.get(id).ok_or_else(|| absent(id))?;
    let mut said = json!({
        "taskId": id,
        "creationDate": seconds(task.created_ms),
        "lastModifiedDate": seconds(task.modified_ms),
        "templateBody": task.template,
        "inputFileBucket": task.bucket,
        "inputFileKey": task.key,
        "roleArn": task.role,
        "status": task.status,
        "successCount": task.registered,
        "failureCount": task.failed,
        "percentageProgress": task.percent,
    });
    if let Some(message) = &task.message {
        said["message"] = json!(message);
    }
    Resp::json(said)
}

/// ListThingRegistrationTasks.
pub(super) fn list(req: &Req) -> Result<Resp, ApiError> {
    let page = req.page(250, 25)?;
    let wanted = req.query("status");
    let state = req.account.read();
    let is_wanted = |task: &Task| wanted.is_none_or(|wanted| json!(task.status) == wanted);
    let rows = state.registration_tasks.iter().filter(|(_, task)| is_wanted(task)).map(|(id, _)| (id, id));
    let (rows, next) = page.take(rows);
    Resp::page("taskIds", rows, next)
}

/// StopThingRegistrationTask; one that has ended stays as it is.
pub(super) fn stop(req: &Req) -> Result<Resp, ApiError> {
    let id = req.path("taskId");
    let now = req.account.clock.now_ms();
    let stopped = req.account.write().registration_tasks.update(id, |task| {
        if task.status == Status::InProgress {
            (task.status, task.modified_ms) = (Status::Cancelled, now);
        }
    });
    stopped.ok_or_else(|| absent(id))?;
    Resp::empty()
}

#[derive(Clone, Copy)]
enum ReportKind {
    Results,
    Errors,
}

impl ReportKind {
    fn key(self, task: &str) -> String {
        let kind = match self {
            Self::Results => "results",
            Self::Errors => "errors",
        };
        format!("{task}/{kind}.json")
    }
}

/// ListThingRegistrationTaskReports: where the report can be had; none while there is none. Its model knows no
/// `ResourceNotFoundException`.
pub(super) fn reports(req: &Req) -> Result<Resp, ApiError> {
    let id = req.path("taskId");
    let kind = req.required_query("reportType")?;
    let key = if kind == "ERRORS" { ReportKind::Errors } else { ReportKind::Results }.key(id);
    if !req.account.read().registration_tasks.contains(id) {
        return Err(ApiError::invalid(absent(id).message));
    }
    let there = s3::get_object(&req.account, REPORTS, &key).is_some();
    let links = there.then(|| Signer::of(&req.account).url(REPORTS, &key, REPORT_SECONDS));
    Resp::json(json!({ "resourceLinks": links.as_slice(), "reportType": kind }))
}
