//! Requests a second, counted at the door: a plan of fifty and all polls together stay within what AWS allows, and the polls
//! do not come before the plan.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use quell::cloud::spawn_polls;
use quell::response::{Intent, Outcome};
use quell_fleet::SourceId;
use quell_fleet::model::Name;
use tokio::sync::mpsc;

use crate::world::{World, target};

/// The operation a request asks for, as far as this test tells them apart, with what AWS allows of it a second
/// (docs/aws-iot.md#2.3 to #2.7).
fn operation(line: &str) -> (&'static str, usize) {
    let (method, path) = line.split_once(' ').unwrap();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    match (method, parts.as_slice()) {
        ("GET", ["things"]) => ("ListThings", 10),
        ("GET", ["things", _]) => ("DescribeThing", 350),
        ("GET", ["things", _, "thing-groups"]) => ("ListThingGroupsForThing", 50),
        ("GET", ["things", _, "principals"]) => ("ListThingPrincipals", 20),
        ("GET", ["things", _, "shadow"]) => ("GetThingShadow", 100),
        ("POST", ["things", _, "shadow"]) => ("UpdateThingShadow", 100),
        ("GET", ["things", _, "jobs"]) => ("ListJobExecutionsForThing", 10),
        ("GET", ["principals", "things"]) => ("ListPrincipalThings", 10),
        ("GET", ["certificates", _]) => ("DescribeCertificate", 10),
        ("PUT", ["thing-groups", "addThingToThingGroup"]) => ("AddThingToThingGroup", 50),
        ("GET", ["thing-groups", _]) => ("DescribeThingGroup", 100),
        ("GET", ["thing-groups", _, "things"]) => ("ListThingsInThingGroup", 25),
        ("GET", ["connections", _]) => ("GetConnection", 100),
        ("DELETE", ["connections", _]) => ("DeleteConnection", 100),
        ("POST", ["attached-policies", _]) => ("ListAttachedPolicies", 15),
        ("GET", ["policies", _]) => ("GetPolicy", 10),
        ("POST", ["test-authorization"]) => ("TestAuthorization", 10),
        ("POST", ["effective-policies"]) => ("GetEffectivePolicies", 5),
        ("GET", ["active-violations"]) => ("ListActiveViolations", 10),
        ("GET", ["violation-events"]) => ("ListViolationEvents", 10),
        ("GET", ["jobs"]) => ("ListJobs", 10),
        ("GET", ["security-profiles"]) => ("ListSecurityProfiles", 10),
        ("GET", ["rules"]) => ("ListTopicRules", 2),
        ("POST", ["audit", "findings"]) => ("ListAuditFindings", 10),
        ("POST", [""]) => ("GetCallerIdentity", 10),
        _ => ("something else", 350),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_fifty_and_all_polls_stay_within_the_budget_and_the_plan_goes_first() {
    let world = World::start().await;
    let names =
        |kind: &str, count: usize| -> Vec<String> { (0..count).map(|i| format!("{kind}-{i:03}")).collect() };
    let (planned, watched) = (names("bulk", 50), names("watched", 20));
    let all: Vec<&str> = planned.iter().chain(&watched).map(String::as_str).collect();
    world.things(&all).await;
    let mut console = world.console();
    world.door.forget();

    // Everything that is ever polled, and the devices in sight, as fast as a poll may come.
    let (events, mut answers) = mpsc::channel(64);
    let polls = spawn_polls(world.clients.clone(), &world.settings, events);
    let answered = tokio::spawn(async move {
        let mut count = 0_usize;
        while answers.recv().await.is_some() {
            count += 1;
        }
        count
    });
    let devices = watched.iter().flat_map(|name| {
        let name = Name::new(name);
        [SourceId::Certificates(name.clone()), SourceId::GroupsOf(name.clone()), SourceId::Shadow(name, None)]
    });
    let sources: Vec<SourceId> =
        devices.chain([SourceId::Rules, SourceId::Findings, SourceId::Suppressed]).collect();
    polls.watch(sources.clone());
    let ahead = polls.clone();
    let hurrying = tokio::spawn(async move {
        loop {
            for source in &sources {
                ahead.now(source.clone());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    while !world.door.requests().iter().any(|(_, line)| line.contains("/things/watched-019/principals")) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let things: Vec<_> = planned.iter().map(|name| target(name)).collect();
    let _nothing_to_do = console.plan(Intent::Release { things: things.clone(), group: None }).await;
    let read = world.door.requests();
    let plan = console.plan(Intent::Isolate { things, group: None, time: None }).await;
    let view = console.confirm(plan, Some("50")).await.unwrap();
    assert!(!matches!(view.finished, Some(Outcome::Failed)), "{view:#?}");
    hurrying.abort();
    drop(polls);
    let requests = world.door.requests();

    let mut by_operation: BTreeMap<&str, (usize, Vec<Instant>)> = BTreeMap::new();
    for (at, line) in &requests {
        let (name, allowed) = operation(line);
        by_operation.entry(name).or_insert((allowed, Vec::new())).1.push(*at);
    }
    for (name, (allowed, times)) in &mut by_operation {
        times.sort_unstable();
        let busiest = times.iter().map(|first| {
            let end = *first + Duration::from_secs(1);
            times.iter().filter(|at| **at >= *first && **at < end).count()
        });
        let busiest = busiest.max().unwrap();
        assert!(busiest <= *allowed, "{name}: {busiest} in a second, AWS allows {allowed}");
    }
    let asked = |name: &str| by_operation.get(name).map_or(0, |(_, times)| times.len());
    assert!(asked("ListThingPrincipals") >= 120 && asked("AddThingToThingGroup") == 50, "{by_operation:#?}");
    assert!(asked("ListActiveViolations") > 0 && asked("ListTopicRules") > 0, "the polls go on");

    // The busiest of the plan's reads: what the polls have of it between the plan's first and last is what was on its way.
    let of = |kind: &str| -> Vec<usize> {
        let is = |line: &str| line.contains(kind) && operation(line).0 == "ListThingPrincipals";
        read.iter().enumerate().filter(|(_, (_, line))| is(line)).map(|(i, _)| i).collect()
    };
    let plans = of("bulk-");
    assert_eq!(plans.len(), 50);
    let (first, last) = (plans[0], plans[49]);
    let between = of("watched-").into_iter().filter(|at| (first..last).contains(at)).count();
    // They step back where the plan has to wait for its turn. A slow machine asks for less than the plan may have, 16 a second,
    // and what it leaves the polls may take, half of AWS's 20 a second at most.
    let took = read[last].0.duration_since(read[first].0).as_secs_f64();
    let left = (took - 50.0 / 16.0).max(0.0) * 10.0;
    assert!(
        between <= 6 + left as usize,
        "{between} polls came between the plan's fifty reads in {took:.1} s"
    );
    assert!(answered.await.unwrap() > 0);
}
