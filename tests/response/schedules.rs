//! Audits that run by themselves: scheduled, changed, ended, and each taken back to what was.

use aws_sdk_iot::types::{AuditCheckConfiguration, AuditFrequency, DayOfWeek};

use crate::world::World;

const CHECK: &str = "LOGGING_DISABLED_CHECK";
const ROLE: &str = "arn:aws:iam::123456789012:role/Audit";

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_is_scheduled_changed_ended_and_each_taken_back() {
    let world = World::start().await;
    let iot = &world.iot;
    let weekly = ["audit", "schedule", "nightly", "--every", "weekly", "--on", "mon", "--yes"];
    // Nothing is enabled, and no role is known: nothing can be audited yet.
    let unready = world.run(&weekly).await;
    assert_eq!(unready.code, Some(4), "{unready:?}");
    let with = [&weekly[..], &["--check", CHECK, "--role", ROLE]].concat();
    let made = world.run(&with).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let enabled = iot.describe_account_audit_configuration().send().await.unwrap();
    let on = enabled.audit_check_configurations().unwrap().get(CHECK).map(AuditCheckConfiguration::enabled);
    assert_eq!(on, Some(true), "AWS refuses a schedule of a check that is off");
    let read = || async { iot.describe_scheduled_audit().scheduled_audit_name("nightly").send().await };
    let found = read().await.unwrap();
    assert_eq!(found.frequency(), Some(&AuditFrequency::Weekly));
    assert_eq!(found.day_of_week(), Some(&DayOfWeek::Mon));
    assert_eq!(found.target_check_names(), [CHECK]);
    let again = world.run(&with).await;
    assert!(again.code == Some(0) && again.err.contains("already"), "{again:?}");

    let monthly = ["audit", "schedule", "nightly", "--every", "monthly", "--on", "last", "--yes"];
    let changed = world.run(&monthly).await;
    assert_eq!(changed.code, Some(0), "{changed:?}");
    assert!(changed.err.contains("it replaces: weekly on MON"), "{changed:?}");
    assert_eq!(read().await.unwrap().day_of_month(), Some("LAST"));
    let status = world.run(&["audit", "status", "--json"]).await.json();
    assert_eq!(status["scheduledAudits"][0]["dayOfMonth"], "LAST", "{status}");
    let undone = world.run(&["undo", "--yes"]).await;
    assert_eq!(undone.code, Some(0), "{undone:?}");
    assert_eq!(read().await.unwrap().frequency(), Some(&AuditFrequency::Weekly), "what was");

    let ended = world.run(&["audit", "unschedule", "nightly", "--yes", "--json"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(read().await.is_err());
    let plan = ended.json()["plan"]["id"].as_str().unwrap().to_owned();
    let undone = world.run(&["undo", &plan, "--yes"]).await;
    assert_eq!(undone.code, Some(0), "{undone:?}");
    assert_eq!(read().await.unwrap().day_of_week(), Some(&DayOfWeek::Mon));

    for (wrong, code) in [
        (&["--every", "weekly"][..], 4),
        (&["--every", "daily", "--on", "mon"], 4),
        (&["--every", "monthly", "--on", "32"], 4),
        (&["--every", "yearly"], 2),
        (&["--every", "daily", "--check", "NO_SUCH_CHECK"], 4),
    ] {
        let line = [&["audit", "schedule", "other", "--yes"][..], wrong].concat();
        let refused = world.run(&line).await;
        assert_eq!(refused.code, Some(code), "{wrong:?}: {refused:?}");
    }
    for name in ["a", "b", "c", "d"] {
        let more = world.run(&["audit", "schedule", name, "--every", "daily", "--yes"]).await;
        assert_eq!(more.code, Some(0), "{more:?}");
    }
    let sixth = world.run(&["audit", "schedule", "e", "--every", "daily", "--yes"]).await;
    assert!(sixth.code == Some(4) && sixth.err.contains("at most 5"), "{sixth:?}");
}
