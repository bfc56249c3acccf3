//! kill -9 between any two requests of an isolation: the next start tells the truth, and finishes or undoes it.

use serde_json::Value;

use crate::door::Verdict;
use crate::world::World;

/// What the account shows of the isolation of Thing02.
#[derive(Debug, PartialEq)]
struct State {
    member: bool,
    flag: Option<Value>,
}

async fn state(world: &World) -> State {
    let member = world.member("Thing02").await;
    let flag = match world.data.get_thing_shadow().thing_name("Thing02").send().await {
        Ok(found) => {
            let document: Value = serde_json::from_slice(found.payload().unwrap().as_ref()).unwrap();
            document.pointer("/state/desired/quarantine").cloned()
        }
        Err(_) => None,
    };
    State { member, flag }
}

/// Begins an isolation and kills it at its `n`th request, before the account sees it or before its answer arrives.
pub(crate) async fn killed(world: &World, n: usize, verdict: Verdict) {
    world.door.rule(move |i, _| if i == n { verdict } else { Verdict::Pass });
    let mut child = world.spawn(&["isolate", "Thing02", "--yes"]);
    world.door.held().await;
    child.kill().unwrap();
    child.wait().unwrap();
    world.door.open();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_any_two_requests_is_told_truly_and_finished_or_undone() {
    for n in 0..3 {
        for verdict in [Verdict::Hold, Verdict::Swallow] {
            for finish in [true, false] {
                one(n, verdict, finish).await;
            }
        }
    }
}

async fn one(n: usize, verdict: Verdict, finish: bool) {
    let case = format!("request {n}, {verdict:?}, {}", if finish { "finish" } else { "undo" });
    let world = World::start().await;
    let certificate = world.things(&["Thing02"]).await;
    world.device("Thing02", &certificate).await;
    killed(&world, n, verdict).await;
    let after = state(&world).await;

    let told = world.run(&["journal", "recover", "--json"]).await;
    assert_eq!(told.code, Some(0), "{case}: {told:?}");
    let told = told.json();
    let plans = told["plans"].as_array().unwrap();
    assert_eq!(plans.len(), 1, "{case}: {told}");
    let steps = plans[0]["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 3, "{case}: {told}");
    let happened = |i: usize| steps[i]["happened"] == true;
    assert_eq!(happened(0), after.member, "{case}: the truth about the group: {told}");
    assert_eq!(happened(1), after.flag == Some(Value::Bool(true)), "{case}: about the shadow: {told}");
    for (i, step) in steps.iter().enumerate() {
        let answer = if i < n { "accepted" } else { "lost" };
        assert_eq!(step["answer"], answer, "{case}: an acknowledged step is never missing: {step}");
        assert_eq!(step["requestId"].is_string(), i < n, "{case}: {step}");
    }
    assert!(world.run(&["journal", "verify"]).await.code == Some(0), "{case}");

    let id = plans[0]["id"].as_str().unwrap();
    let verb = if finish { "finish" } else { "undo" };
    let ran = world.run(&[verb, id, "--yes", "--json"]).await;
    if finish {
        assert_eq!(ran.code, Some(0), "{case}: {ran:?}");
        assert_eq!(state(&world).await, State { member: true, flag: Some(true.into()) }, "{case}");
        assert_eq!(ran.json()["outcome"], "proven", "{case}");
    } else {
        // Nothing happened: then there is nothing to take back, and that is said.
        let expected = if after.member { Some(0) } else { Some(4) };
        assert_eq!(ran.code, expected, "{case}: {ran:?}");
        assert_eq!(state(&world).await, State { member: false, flag: None }, "{case}");
    }
    if ran.code == Some(0) {
        let left = world.run(&["journal", "recover", "--json"]).await.json();
        assert_eq!(left["plans"], serde_json::json!([]), "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_isolation_under_way_is_not_taken_for_a_crash() {
    let world = World::start().await;
    world.things(&["Thing02"]).await;
    world.door.rule(|_, _| Verdict::Hold);
    let mut child = world.spawn(&["isolate", "Thing02", "--yes"]);
    world.door.held().await;
    let told = world.run(&["journal", "recover", "--json"]).await.json();
    assert_eq!(told["plans"], serde_json::json!([]), "its process is alive");
    child.kill().unwrap();
    child.wait().unwrap();
    world.door.open();
    let told = world.run(&["journal", "recover"]).await;
    assert!(told.out.contains("not done") && told.out.contains("quell finish"), "{told:?}");
    let id = told.out.split_whitespace().next().unwrap().to_owned();
    // Any next start says so, whatever it is there for.
    let next = world.run(&["join", "IsolatedDevices", "Thing02", "--dry-run"]).await;
    assert!(next.err.contains("never ended"), "{next:?}");
    assert_eq!(world.run(&["journal", "recover", "--close", &id]).await.code, Some(0));
    let told = world.run(&["journal", "recover", "--json"]).await.json();
    assert_eq!(told["plans"], serde_json::json!([]));
}
