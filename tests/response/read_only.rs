//! In read-only mode nothing leaves the process, whatever is asked: a verb that is added without an intent here does not
//! compile.

use quell::config::Verb;
use quell::response::{
    ActionSpec, AuditChange, DetectChange, Intent, JobOptions, JobRequest, JobTarget, Mitigation, RuleBody,
    RuleChange, RuleEdit, SetupRequest,
};
use quell_fleet::audit::{Resource, Schedule};
use quell_fleet::model::Name;

use crate::headless::{ROLE, busy};
use crate::world::target;

const CHECK: &str = "LOGGING_DISABLED_CHECK";

/// What an operator might ask with each verb in an account where it would have something to do.
fn intent(verb: Verb, [done, failed]: &[String; 2]) -> Intent {
    let things = || vec![target("Thing02")];
    let name = Name::new;
    let account = || Resource([("account".to_owned(), Name::new("123456789012"))].into());
    let rule = |rule: &str, change| Intent::Rule(RuleChange { rule: Name::new(rule), change });
    let profile = || Box::new(serde_json::from_str(crate::profiles::CORRECTED).unwrap());
    let all = || vec!["all things".to_owned()];
    match verb {
        Verb::Isolate => Intent::Isolate { things: vec![target("Thing03")], group: None, time: None },
        Verb::Release => Intent::Release { things: things(), group: None },
        Verb::Deactivate => Intent::Deactivate { things: things(), certificate: None },
        Verb::Activate => Intent::Activate { things: vec![target("Thing04")], certificate: None },
        Verb::Revoke => Intent::Revoke { things: things(), certificate: None },
        Verb::Cut => Intent::Cut { things: vec![target("Thing05")], client: name("Thing05") },
        Verb::Flag => Intent::Flag { things: vec![target("Thing05")] },
        Verb::Join => Intent::Join { things: things(), group: name("NeedsUpdate") },
        Verb::Leave => Intent::Leave { things: things(), group: name("IsolatedDevices") },
        Verb::Mitigate => Intent::Mitigate(Mitigation {
            actions: vec!["Known".to_owned()],
            violations: vec!["0".repeat(32)],
            findings: Vec::new(),
            check: None,
            task: "task-1".to_owned(),
        }),
        Verb::Setup => {
            Intent::Setup(SetupRequest { group: Some(name("New")), policy: None, patchable: false })
        }
        Verb::ClearRetained => Intent::ClearRetained { things: things(), topics: Vec::new() },
        Verb::LaunchJob => Intent::LaunchJob(JobRequest {
            id: "update-1".to_owned(),
            targets: vec![JobTarget::Group(name("NeedsUpdate"))],
            document: "{}".to_owned(),
            continuous: true,
            description: None,
            options: JobOptions::default(),
        }),
        Verb::CancelJob => Intent::CancelJob { job: name("running"), force: true },
        Verb::ApplyProfile => {
            let (profile, heard) = (profile(), Vec::new());
            Intent::Detect(DetectChange::Apply { profile, heard, devices: None, new: false })
        }
        Verb::DeleteProfile => Intent::Detect(DetectChange::Delete { profile: name("Judged") }),
        Verb::AttachProfile => {
            let targets = vec!["NeedsUpdate".to_owned()];
            Intent::Detect(DetectChange::Attach { profile: name("Judged"), targets })
        }
        Verb::DetachProfile => {
            Intent::Detect(DetectChange::Detach { profile: name("Judged"), targets: all() })
        }
        Verb::PutDimension => {
            let values = vec!["temperature/#".to_owned()];
            Intent::Detect(DetectChange::PutDimension { name: name("New"), values })
        }
        Verb::DeleteDimension => Intent::Detect(DetectChange::DeleteDimension { name: name("Known") }),
        Verb::CreateMetric => Intent::Detect(DetectChange::CreateMetric {
            name: name("battery"),
            kind: "number".to_owned(),
            display: None,
        }),
        Verb::DeleteMetric => Intent::Detect(DetectChange::DeleteMetric { name: name("known") }),
        Verb::Verify => Intent::Detect(DetectChange::Verify {
            violations: vec!["0".repeat(32)],
            state: "FALSE_POSITIVE".to_owned(),
            note: String::new(),
        }),
        Verb::EnableRule => rule("Sleeping", RuleEdit::Enable),
        Verb::DisableRule => rule("Awake", RuleEdit::Disable),
        Verb::WriteRule => {
            let (sql, version) = ("SELECT * FROM 'a/b'".to_owned(), "2016-03-23".to_owned());
            let body = RuleBody { sql, version, ..RuleBody::default() };
            rule("Awake", RuleEdit::Amend(Box::new(body)))
        }
        Verb::DeleteRule => rule("Awake", RuleEdit::Delete),
        Verb::StartAudit => {
            Intent::Audit(AuditChange::Start { checks: vec![CHECK.to_owned()], role: Some(ROLE.to_owned()) })
        }
        Verb::CancelAudit => Intent::Audit(AuditChange::Cancel { task: name("none") }),
        Verb::Suppress => Intent::Audit(AuditChange::Suppress {
            check: name("CONFLICTING_CLIENT_IDS_CHECK"),
            resource: account(),
            until: None,
            description: String::new(),
        }),
        Verb::Unsuppress => {
            Intent::Audit(AuditChange::Unsuppress { check: name(CHECK), resource: account() })
        }
        Verb::ScheduleAudit => {
            let wanted = Schedule {
                name: name("nightly"),
                frequency: "DAILY".to_owned(),
                day: None,
                checks: vec![CHECK.to_owned()],
            };
            Intent::Audit(AuditChange::Schedule { wanted, role: Some(ROLE.to_owned()) })
        }
        Verb::UnscheduleAudit => Intent::Audit(AuditChange::Unschedule { name: name("Weekly") }),
        Verb::CreateAction => Intent::Audit(AuditChange::CreateAction {
            name: name("Contain"),
            does: ActionSpec::Certificate,
            role: ROLE.to_owned(),
        }),
        Verb::DeleteAction => Intent::Audit(AuditChange::DeleteAction { name: name("Known") }),
        Verb::Undo => Intent::Undo { plan: done.clone() },
        Verb::Finish => Intent::Finish { plan: failed.clone() },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_intent_sends_anything_in_read_only_mode() {
    let (mut world, plans) = Box::pin(busy()).await;
    let certificate = world.things(&["Thing05"]).await;
    world.device("Thing05", &certificate).await;
    let mut console = world.console();
    console.hears("Thing05").await;
    let before = console.entries().len();
    // The same without the mode has something to send: it is the mode that keeps it back.
    let mut able = Vec::new();
    for verb in Verb::ALL {
        let plan = console.plan(intent(*verb, &plans)).await;
        if plan.refused().is_none() && !plan.steps().is_empty() {
            able.push(*verb);
        }
    }
    let unable: Vec<_> = Verb::ALL.iter().filter(|verb| !able.contains(verb)).collect();
    // These need what takes minutes to come about: an alarm, an audit that runs, a schedule.
    let expected = [Verb::Verify, Verb::CancelAudit, Verb::UnscheduleAudit];
    assert_eq!(unable, expected.iter().collect::<Vec<_>>());
    world.rules.read_only = true;
    let mut console = world.console();
    for verb in Verb::ALL {
        let intent = intent(*verb, &plans);
        assert_eq!(intent.verb(), *verb);
        let plan = console.plan(intent).await;
        let refused = console.confirm(plan, Some("Thing02")).await.unwrap_err();
        assert!(refused.contains("read-only"), "{verb}: {refused}");
        assert_eq!(world.door.changes(), [] as [&str; 0], "{verb}");
    }
    let entries = console.entries().split_off(before);
    assert!(entries.iter().all(|e| e["kind"] == "refused"), "{entries:?}");
    let told: Vec<&str> = entries.iter().map(|e| e["what"].as_str().unwrap()).collect();
    assert_eq!(told, Verb::ALL.iter().map(|verb| verb.id()).collect::<Vec<_>>());
}
