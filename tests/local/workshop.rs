//! The account of the workshop, and its devices at work.

use std::collections::BTreeMap;

use aws_sdk_iot::Client;
use aws_sdk_iot::types::{JobExecutionStatus, TargetSelection};

use super::{Local, eventually};

/// Thing to state of its newest execution.
async fn executions(iot: &Client, job: &str) -> BTreeMap<String, JobExecutionStatus> {
    let found = iot.list_job_executions_for_job().job_id(job).send().await.unwrap();
    found
        .execution_summaries()
        .iter()
        .map(|e| {
            let thing = e.thing_arn().unwrap().rsplit('/').next().unwrap().to_owned();
            (thing, e.job_execution_summary().unwrap().status().unwrap().clone())
        })
        .collect()
}

#[tokio::test]
async fn the_workshops_account_has_what_its_texts_name() {
    let local = Local::start(&[]);
    let iot = local.iot();
    let things = iot.list_things_in_thing_group().thing_group_name("NeedsUpdate").send().await.unwrap();
    assert_eq!(things.things(), ["IoTTemperatureDemoDevice", "Thing01", "Thing03"]);
    for (profile, topic) in [("DetectLargeMessageSize", "BadIoTDevices"), ("MsgSentSecProfile", "DDD_Alerts")]
    {
        let profile = iot.describe_security_profile().security_profile_name(profile).send().await.unwrap();
        let target = profile.alert_targets().unwrap().values().next().unwrap();
        assert!(target.alert_target_arn().ends_with(&format!(":{topic}")), "{target:?}");
    }
    let rule = iot.get_topic_rule().rule_name("HighHumidity").send().await.unwrap().rule.unwrap();
    assert!(rule.sql().unwrap().contains("state.reported.Humidity > 50"));
    assert_eq!(rule.rule_disabled(), Some(false));
}

#[tokio::test]
async fn an_account_from_scratch_has_its_devices_and_nothing_that_the_text_has_one_make() {
    let local = Local::start(&["--from-scratch", "--speed", "20"]);
    let iot = local.iot();
    let groups = iot.list_thing_groups().send().await.unwrap();
    let groups: Vec<_> = groups.thing_groups().iter().filter_map(|g| g.group_name()).collect();
    assert_eq!(groups, ["Quarantine"]);
    assert!(iot.list_security_profiles().send().await.unwrap().security_profile_identifiers().is_empty());
    assert!(iot.list_topic_rules().send().await.unwrap().rules().is_empty());
    let policies = iot.list_policies().send().await.unwrap();
    let policies: Vec<_> = policies.policies().iter().filter_map(|p| p.policy_name()).collect();
    assert_eq!(policies, ["AllowAll", "DevicePolicy"]);
    let connected = |thing: &'static str| {
        let asked = iot.get_thing_connectivity_data().thing_name(thing).send();
        async move { asked.await.ok().and_then(|data| data.connected()) }
    };
    eventually("Thing01 and Thing02 at work", || async {
        (connected("Thing01").await == Some(true) && connected("Thing02").await == Some(true)).then_some(())
    })
    .await;
    assert_ne!(connected("Thing03").await, Some(true), "the participant starts it");
    let folder = std::path::Path::new(local.ready["credentials"].as_str().unwrap());
    assert!(folder.join("Thing03.private.key").is_file());
}

#[tokio::test]
async fn an_account_of_no_devices_is_empty() {
    let local = Local::start(&["--devices", "0"]);
    let iot = local.iot();
    assert!(iot.list_things().send().await.unwrap().things().is_empty());
    assert!(iot.list_thing_groups().send().await.unwrap().thing_groups().is_empty());
    assert!(iot.list_policies().send().await.unwrap().policies().is_empty());
    assert!(iot.list_certificates().send().await.unwrap().certificates().is_empty());
    assert!(iot.list_security_profiles().send().await.unwrap().security_profile_identifiers().is_empty());
    assert!(iot.list_topic_rules().send().await.unwrap().rules().is_empty());
    assert!(iot.list_jobs().send().await.unwrap().jobs().is_empty());
    assert!(iot.list_active_violations().send().await.unwrap().active_violations().is_empty());
}

#[tokio::test]
async fn the_continuous_job_is_done_by_its_group_then_by_who_joins_it_but_not_by_the_isolated() {
    let local = Local::start(&["--speed", "20"]);
    let iot = local.iot();
    let group = iot.describe_thing_group().thing_group_name("NeedsUpdate").send().await.unwrap();
    let job = "Update-temp-firmware";
    let create = iot.create_job().job_id(job).targets(group.thing_group_arn().unwrap());
    create
        .document(r#"{"operation":"update-firmware","version":"1.1.0"}"#)
        .target_selection(TargetSelection::Continuous)
        .send()
        .await
        .unwrap();
    let all = |states: &BTreeMap<String, JobExecutionStatus>, state: JobExecutionStatus| {
        states.len() == 3 && states.values().all(|s| *s == state)
    };
    // It takes a visible time: none is done at once, and one is seen at work.
    assert!(executions(&iot, job).await.values().all(|s| *s != JobExecutionStatus::Succeeded));
    eventually("a device at work", || async {
        executions(&iot, job).await.values().find(|s| **s == JobExecutionStatus::InProgress).cloned()
    })
    .await;
    eventually("three devices done", || async {
        all(&executions(&iot, job).await, JobExecutionStatus::Succeeded).then_some(())
    })
    .await;

    let join = |group: &'static str, thing: &'static str| {
        iot.add_thing_to_thing_group().thing_group_name(group).thing_name(thing).send()
    };
    // Isolated, and so never to be reached: cut first, then given the job.
    join("IsolatedDevices", "dev-XBHY").await.unwrap();
    eventually("dev-XBHY is cut", || async {
        let data = iot.get_thing_connectivity_data().thing_name("dev-XBHY").send().await.unwrap();
        (data.connected() == Some(false)).then_some(())
    })
    .await;
    join("NeedsUpdate", "dev-XBHY").await.unwrap();
    join("NeedsUpdate", "dev-IZWB").await.unwrap();
    let states = eventually("the new member is done", || async {
        let states = executions(&iot, job).await;
        (states.get("dev-IZWB") == Some(&JobExecutionStatus::Succeeded)).then_some(states)
    })
    .await;
    assert_eq!(states["dev-XBHY"], JobExecutionStatus::Queued);
    assert_eq!(states.len(), 5);
}
