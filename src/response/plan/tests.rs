//! What plans say about accounts that are in order and accounts that are not.

use serde_json::json;

use super::facts::{ClientFacts, Facts, GroupFacts, GroupOfThing, PrincipalFacts, ThingFacts};
use super::*;
use crate::response::Rules;

const CERT: &str = "9f3c0000000000000000000000000000000000000000000000000000deadbeef";

fn name(raw: &str) -> Name {
    Name::new(raw)
}

fn rules() -> Rules {
    Rules::new("/nonexistent".into(), "IsolatedDevices")
}

fn group() -> GroupFacts {
    GroupFacts {
        name: name("IsolatedDevices"),
        exists: true,
        dynamic: false,
        ancestors: Vec::new(),
        policies: vec![(
            "DenyAll".to_owned(),
            json!({"Statement":[{"Effect":"Deny","Action":"iot:*","Resource":"*"}]}),
        )],
    }
}

fn thing(raw: &str, serves: &[&str]) -> ThingFacts {
    let target = Target {
        last_heard: Some(98_000),
        cadence: Some(10_000),
        topics: vec!["temperature-device-02".to_owned()],
        ..Target::named(name(raw))
    };
    ThingFacts {
        target,
        registered: true,
        groups: Vec::new(),
        principals: vec![PrincipalFacts {
            arn: format!("arn:aws:iot:r:1:cert/{CERT}"),
            certificate: Some(CERT.to_owned()),
            status: Some("ACTIVE".to_owned()),
            things: serves.iter().map(|n| name(n)).collect(),
            exclusive: None,
        }],
        clients: vec![client(raw, None)],
        flag: None,
        would_be_denied: None,
        effective: None,
    }
}

/// A client id that is connected, and the principal it was seen with.
fn client(id: &str, principal: Option<&str>) -> ClientFacts {
    ClientFacts {
        id: name(id),
        principal: principal.map(str::to_owned),
        seen: true,
        connected: Ok(Some(true)),
    }
}

fn facts(things: Vec<ThingFacts>) -> Facts {
    Facts { arn_prefix: "arn:aws:iot:r:1:".to_owned(), group: Some(group()), things, ..Facts::default() }
}

fn targets(facts: &Facts) -> Vec<Target> {
    facts.things.iter().map(|t| t.target.clone()).collect()
}

fn isolate(facts: &Facts) -> Plan {
    Plan::build(
        Intent::Isolate { things: targets(facts), group: None, time: None },
        facts,
        &rules(),
        "p".to_owned(),
        100_000,
    )
}

fn revoke(facts: &Facts) -> Plan {
    let intent = Intent::Revoke { things: targets(facts), certificate: None };
    Plan::build(intent, facts, &rules(), "p".to_owned(), 100_000)
}

fn says(plan: &Plan, level: Level, words: &str) -> bool {
    plan.affects().iter().any(|n| n.level == level && n.text.as_str().contains(words))
}

#[test]
fn an_isolation_reads_as_the_screen_shows_it() {
    let plan = isolate(&facts(vec![thing("Thing02", &["Thing02"])]));
    assert_eq!(plan.title().as_str(), "Isolate Thing02");
    assert_eq!(plan.refused(), None);
    assert_eq!(plan.would_change_nothing(), None);
    assert_eq!(plan.confirmation(), &Confirmation::Enter);
    let titles: Vec<_> = plan.steps().iter().map(|s| (s.n, s.title.as_str(), s.calls[0].operation)).collect();
    assert_eq!(
        titles,
        [
            (1, "add to thing group", "iot:AddThingToThingGroup"),
            (2, "set shadow desired", "iot:UpdateThingShadow"),
            (3, "cut the connection", "iot:DeleteConnection"),
        ]
    );
    assert_eq!(plan.steps()[0].check, Check::Passed("policy DenyAll denies iot:* on *".into()));
    let proofs: Vec<&str> = plan.proofs().iter().map(|proof| proof.text.as_str()).collect();
    let [.., silence, sweep] = proofs.as_slice() else { panic!("{proofs:?}") };
    assert_eq!(*silence, "no message from this device for 30 s (last heard 2 s ago, usually every 10 s)");
    assert!(sweep.contains("left behind") && sweep.contains("asked by a direct message"), "{sweep}");
    assert!(says(&plan, Level::Info, "serves no other thing"));
}

#[test]
fn a_group_that_would_not_contain_is_refused_in_words() {
    for (spoil, words) in [
        ((|g: &mut GroupFacts| g.policies.clear()) as fn(&mut GroupFacts), "would change nothing"),
        (
            |g| g.policies[0].1 = json!({"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}),
            "no policy of",
        ),
        (|g| g.dynamic = true, "dynamic"),
        (|g| g.exists = false, "there is no thing group"),
    ] {
        let mut facts = facts(vec![thing("Thing02", &["Thing02"])]);
        spoil(facts.group.as_mut().unwrap());
        let plan = isolate(&facts);
        assert!(plan.refused().is_some_and(|r| r.as_str().contains(words)), "{words}: {:?}", plan.refused());
        assert!(plan.would_change_nothing().is_some());
        assert!(matches!(plan.steps()[0].check, Check::Failed(_)));
    }
}

#[test]
fn what_aws_says_about_a_policy_outweighs_our_reading() {
    let mut all = facts(vec![thing("Thing02", &["Thing02"])]);
    all.things[0].would_be_denied = Some(false);
    assert!(isolate(&all).refused().is_some());
    all.things[0].would_be_denied = Some(true);
    all.group.as_mut().unwrap().policies[0].1 = json!({"Statement":[{"Effect":"Deny","Action":"iot:Publish","Resource":"arn:aws:iot:r:1:topic/temperature*"}]});
    assert_eq!(isolate(&all).refused(), None);
}

#[test]
fn doubts_about_a_device_are_said() {
    let mut all = facts(vec![thing("Thing02", &["Thing02", "Thing01", "Thing03"])]);
    assert!(says(&isolate(&all), Level::Warn, "with Thing01, Thing03"));
    all.things[0].principals.clear();
    assert!(says(&isolate(&all), Level::Danger, "no principal"));
}

#[test]
fn a_client_of_another_name_is_offered_its_certificate() {
    let mut all = facts(vec![thing("Thing02", &["Thing02"])]);
    all.things[0].clients = vec![client("gw-7", Some(CERT))];
    let plan = isolate(&all);
    assert!(says(&plan, Level::Danger, "Thing02 connects as gw-7: a group's policy does not reach it"));
    assert!(says(&plan, Level::Danger, "deactivate certificate"));
    assert!(plan.would_change_nothing().is_some_and(|why| why.as_str().contains("gw-7")));
    let Some(Intent::Deactivate { things, certificate }) = plan.instead() else {
        panic!("{:?}", plan.instead())
    };
    assert_eq!((things[0].thing.raw(), certificate.as_deref()), ("Thing02", Some(CERT)));
    assert!(plan.steps()[2].calls[0].summary.as_str().contains("--client-id gw-7"), "{:?}", plan.steps());

    // Under both names: only one of them would fall silent.
    all.things[0].clients.push(client("Thing02", Some(CERT)));
    let plan = isolate(&all);
    assert_eq!(plan.would_change_nothing(), None);
    assert!(says(&plan, Level::Danger, "connects as gw-7") && plan.instead().is_some());

    all.things[0].principals[0].exclusive = Some(true);
    let plan = isolate(&all);
    assert!(!says(&plan, Level::Danger, "gw-7") && plan.instead().is_none(), "{:?}", plan.affects());
    let cuts = plan.steps().iter().flat_map(|s| &s.calls).filter(|c| c.operation == "iot:DeleteConnection");
    assert_eq!(cuts.count(), 2, "each of its clients is cut");

    // Its name, used with a principal that is not its own.
    all.things[0].clients = vec![client("Thing02", Some("another"))];
    assert!(says(&isolate(&all), Level::Danger, "is not attached to the thing"));
    let unseen = ClientFacts { seen: false, connected: Ok(None), ..client("Thing02", None) };
    all.things[0].clients = vec![unseen];
    let plan = isolate(&all);
    assert!(says(&plan, Level::Warn, "client id of Thing02 was never seen"), "{:?}", plan.affects());
    assert!(plan.steps()[2].calls[0].summary.as_str().contains("--client-id Thing02"));
}

#[test]
fn limits_of_groups_are_known_before_aws_refuses() {
    let of = |n: &str, root: &str| GroupOfThing { name: name(n), root: name(root), dynamic: false };
    let mut all = facts(vec![thing("Thing02", &["Thing02"])]);
    all.things[0].groups = (0..10).map(|i| of(&format!("g{i}"), &format!("g{i}"))).collect();
    assert!(isolate(&all).refused().is_some_and(|r| r.as_str().contains("10 groups")));
    all.things[0].groups = vec![of("child", "IsolatedDevices")];
    assert!(isolate(&all).refused().is_some_and(|r| r.as_str().contains("same hierarchy")));
    all.things[0].groups = vec![of("IsolatedDevices", "IsolatedDevices")];
    let again = isolate(&all);
    assert_eq!(again.refused(), None);
    assert!(says(&again, Level::Info, "already in IsolatedDevices"));
    assert!(again.steps().iter().all(|s| s.calls[0].operation != "iot:AddThingToThingGroup"));
}

#[test]
fn a_revocation_names_the_others_first_and_wants_to_be_typed() {
    let plan = revoke(&facts(vec![thing("Thing02", &["Thing01", "Thing02", "Thing03"])]));
    assert!(says(&plan, Level::Danger, "also serves Thing01, Thing03"));
    assert_eq!(plan.affects()[0].level, Level::Danger);
    assert!(matches!(plan.reversible(), Reversible::No(_)));
    assert!(!plan.confirmation().accepts(None));
    assert!(!plan.confirmation().accepts(Some("")));
    assert!(!plan.confirmation().accepts(Some("thing02")));
    assert!(plan.confirmation().accepts(Some("Thing02")));
    assert!(plan.confirmation().accepts(Some("deadbeef")));
    let operations: Vec<_> = plan.steps().iter().map(|s| s.calls[0].operation).collect();
    assert_eq!(operations, ["iot:UpdateCertificate", "iot:DeleteConnection"]);
}

#[test]
fn a_certificate_shared_by_two_targets_is_changed_once() {
    let plan = revoke(&facts(vec![
        thing("Thing01", &["Thing01", "Thing02"]),
        thing("Thing02", &["Thing01", "Thing02"]),
    ]));
    let updates =
        plan.steps().iter().flat_map(|s| &s.calls).filter(|c| c.operation == "iot:UpdateCertificate").count();
    assert_eq!(updates, 1);
    assert_eq!(plan.confirmation(), &Confirmation::TypeCount(2));
    assert!(!says(&plan, Level::Danger, "also serves"));
}

#[test]
fn what_is_already_so_is_not_done_again() {
    let mut all = facts(vec![thing("Thing02", &["Thing02"])]);
    all.things[0].principals[0].status = Some("INACTIVE".to_owned());
    let intent = Intent::Deactivate { things: targets(&all), certificate: None };
    let plan = Plan::build(intent, &all, &rules(), "p".to_owned(), 100_000);
    assert!(plan.would_change_nothing().is_some());
    assert!(plan.steps().is_empty());
    all.things[0].principals[0].status = Some("REVOKED".to_owned());
    let intent = Intent::Activate { things: targets(&all), certificate: None };
    let plan = Plan::build(intent, &all, &rules(), "p".to_owned(), 100_000);
    assert!(plan.refused().is_some_and(|r| r.as_str().contains("REVOKED")));
}

#[test]
fn many_devices_are_counted_out_loud_and_too_many_refused() {
    let many = |n: usize| facts((0..n).map(|i| thing(&format!("t{i}"), &[&format!("t{i}")])).collect());
    let plan = isolate(&many(6));
    assert_eq!(plan.confirmation(), &Confirmation::TypeCount(6));
    assert_eq!(plan.steps()[0].calls.len(), 6);
    assert_eq!(plan.title().as_str(), "Isolate 6 devices");
    assert!(isolate(&many(501)).refused().is_some());
    assert!(isolate(&many(0)).refused().is_some());
}

#[test]
fn a_job_for_an_isolated_thing_is_refused_with_advice() {
    let job = JobRequest {
        id: "Update-temp-firmware".to_owned(),
        targets: vec![JobTarget::Group(name("NeedsUpdate"))],
        document: "{\"operation\":\"update\"}".to_owned(),
        continuous: true,
        description: None,
        options: JobOptions::default(),
    };
    let build = |facts: &Facts, job: &JobRequest| {
        Plan::build(Intent::LaunchJob(job.clone()), facts, &rules(), "p".to_owned(), 100_000)
    };
    let mut all = facts(Vec::new());
    all.reached = 3;
    let plan = build(&all, &job);
    assert_eq!(plan.refused(), None, "{plan:?}");
    assert!(plan.steps()[0].calls[0].summary.as_str().contains("arn:aws:iot:r:1:thinggroup/NeedsUpdate"));
    all.isolated = vec![name("Thing02")];
    assert!(build(&all, &job).refused().is_some_and(|r| r.as_str().contains("Release it first")));
    all.isolated.clear();
    assert!(build(&all, &JobRequest { document: "{".to_owned(), ..job.clone() }).refused().is_some());
    assert!(build(&all, &JobRequest { id: "a b".to_owned(), ..job.clone() }).refused().is_some());
    all.job_status = Some("IN_PROGRESS".to_owned());
    assert!(build(&all, &job).refused().is_some_and(|r| r.as_str().contains("already")));
}

#[test]
fn joining_a_group_names_its_standing_jobs_and_what_cannot_join() {
    let needs_update = |exists, dynamic| GroupFacts {
        name: name("NeedsUpdate"),
        exists,
        dynamic,
        ancestors: Vec::new(),
        policies: Vec::new(),
    };
    let mut facts = facts(vec![thing("Thing02", &["Thing02"]), thing("Thing03", &["Thing03"])]);
    facts.group = Some(needs_update(true, false));
    facts.standing = vec![name("Update-temp-firmware")];
    let member = GroupOfThing { name: name("NeedsUpdate"), root: name("NeedsUpdate"), dynamic: false };
    facts.things[1].groups.push(member);
    let plan = |facts: &Facts, join: bool| {
        let (things, group) = (targets(facts), name("NeedsUpdate"));
        let intent = if join { Intent::Join { things, group } } else { Intent::Leave { things, group } };
        Plan::build(intent, facts, &rules(), "p".to_owned(), 100_000)
    };
    let joining = plan(&facts, true);
    assert_eq!(joining.work.len(), 1, "who is a member already is left alone");
    assert_eq!(joining.steps()[0].calls[0].operation, "iot:AddThingToThingGroup");
    assert!(says(&joining, Level::Warn, "Update-temp-firmware"));
    let leaving = plan(&facts, false);
    assert_eq!(leaving.work.len(), 1);
    assert_eq!(leaving.work[0].name, name("Thing03"));
    facts.group = Some(needs_update(true, true));
    assert!(plan(&facts, true).would_change_nothing().is_some());
    facts.group = Some(needs_update(false, false));
    assert!(plan(&facts, true).refused().is_some());
    facts.group = Some(group());
    assert!(says(&plan(&facts, true), Level::Danger, "cut off"));
}

#[test]
fn a_release_that_another_policy_defeats_is_said_before() {
    let mut released = thing("Thing02", &["Thing02"]);
    let isolated =
        GroupOfThing { name: name("IsolatedDevices"), root: name("IsolatedDevices"), dynamic: false };
    released.groups = vec![isolated];
    let deny = json!({"Statement":[{"Effect":"Deny","Action":"iot:*","Resource":"*"}]});
    let allow = json!({"Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]});
    released.effective = Some(vec![("AllowAll".to_owned(), allow), ("DenyAll".to_owned(), deny.clone())]);
    let plan = |released: &ThingFacts| {
        let facts = facts(vec![released.clone()]);
        let intent = Intent::Release { things: targets(&facts), group: None };
        Plan::build(intent, &facts, &rules(), "p".to_owned(), 100_000)
    };
    let good = plan(&released);
    assert_eq!(good.would_change_nothing(), None);
    assert!(
        good.affects().iter().any(|n| n.text.as_str() == "policies in effect for it now: AllowAll, DenyAll")
    );
    released.effective.as_mut().unwrap().push(("Ward".to_owned(), deny));
    let bad = plan(&released);
    assert!(bad.would_change_nothing().unwrap().as_str().contains("policy Ward is in effect"), "{bad:?}");
}
