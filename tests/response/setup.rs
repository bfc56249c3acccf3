//! What an incident needs: `doctor` says what is missing, `setup` makes it after showing it, `undo` takes it away again.

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn what_the_doctor_misses_setup_makes_and_undo_removes() {
    let world = World::start().await;
    world.things(&["Thing02"]).await;
    let groups = "[groups]\nisolate = \"Ward\"\nupdate = \"IsolatedDevices\"\n";
    let sick = world.run_with(&["doctor", "--json"], groups, None).await;
    assert_eq!(sick.code, Some(1), "{sick:?}");
    let line = |ran: &crate::program::Ran, check: &str| {
        let told = ran.json();
        told["checks"].as_array().unwrap().iter().find(|c| c["check"] == check).unwrap().clone()
    };
    assert_eq!(line(&sick, "isolation")["mend"], "quell setup");
    for check in ["credentials", "telemetry", "journal", "principals", "violations"] {
        assert_eq!(line(&sick, check)["ok"], true, "{check}: {sick:?}");
    }
    assert_eq!(world.changed(), 0, "a doctor only looks");

    let shown = world.run_with(&["setup", "--patchable", "--dry-run", "--json"], groups, None).await;
    assert_eq!((shown.code, world.changed()), (Some(0), 0), "{shown:?}");
    let made = world.run_with(&["setup", "--patchable", "--yes", "--json"], groups, None).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let policy = world.iot.get_policy().policy_name("QuarantinePatchable").send().await.unwrap();
    assert!(policy.policy_document().unwrap().contains("/jobs/*"));
    let again = world.run_with(&["setup", "--patchable", "--yes"], groups, None).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(again.err.contains("nothing to do"), "{again:?}");
    let undone = world.run_with(&["undo", "--yes", "--json"], groups, None).await;
    assert_eq!(undone.code, Some(0), "{undone:?}");
    assert!(world.iot.describe_thing_group().thing_group_name("Ward").send().await.is_err());
    assert!(world.iot.get_policy().policy_name("QuarantinePatchable").send().await.is_err());
}
