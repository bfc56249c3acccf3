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

/// More than are worked on at once, so that a kill leaves some that were not begun.
const MANY: [&str; 10] = ["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9"];

/// The changes of an isolation of so many: the group, the flag and the cut of each.
const CHANGES: usize = 3 * MANY.len();

/// What is done, one after the other. `K` kills at a change of that number, before the account sees it or before its answer
/// arrives.
#[derive(Clone, Copy, Debug)]
enum Act {
    Isolate,
    Release,
    Finish,
    Undo,
}

impl Act {
    fn line(self) -> Vec<&'static str> {
        let things = |verb| [&[verb], &MANY[..], &["--yes", "--json"]].concat();
        match self {
            Self::Isolate => things("isolate"),
            Self::Release => things("release"),
            Self::Finish => vec!["finish", "--yes", "--json"],
            Self::Undo => vec!["undo", "--yes", "--json"],
        }
    }

    /// Begins it and kills it at its `n`th change, or lets it end when there are fewer.
    async fn killed(self, world: &World, n: usize) {
        let verdict = if n.is_multiple_of(2) { Verdict::Hold } else { Verdict::Swallow };
        world.door.forget();
        world.door.rule(move |i, _| if i == n { verdict } else { Verdict::Pass });
        let mut child = world.spawn(&self.line());
        while !world.door.is_holding() && child.try_wait().unwrap().is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        world.door.open();
    }

    async fn done(self, world: &World, case: &str) {
        let ran = world.run(&self.line()).await;
        // Nothing to take back, or nothing to finish, is no failure here: where the devices are is looked at.
        assert!(matches!(ran.code, Some(0 | 1 | 4 | 5)), "{case}: {self:?}: {ran:?}");
    }
}

/// Whether all devices are isolated, or none is; anything else fails.
async fn all_isolated(world: &World, case: &str) -> bool {
    let mut isolated = Vec::new();
    for thing in MANY {
        let member = world.member(thing).await;
        let found = world.data.get_thing_shadow().thing_name(thing).send().await;
        let document: Option<Value> =
            found.ok().map(|f| serde_json::from_slice(f.payload().unwrap().as_ref()).unwrap());
        let flagged = document.is_some_and(|d| d.pointer("/state/desired/quarantine") == Some(&true.into()));
        isolated.push((thing, member, flagged));
    }
    let [all, none] = [true, false].map(|is| isolated.iter().all(|(_, m, f)| *m == is && *f == is));
    assert!(all || none, "{case}: neither here nor there: {isolated:?}");
    all
}

/// What is done first in peace, what is killed, and the rest in peace; whether the devices are isolated in the end.
type Way<'a> = (&'a [Act], &'a [Act], &'a [Act], bool);

/// Everything a kill can be followed by, and where the devices are then.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_anywhere_in_a_bulk_action_leaves_nothing_that_finish_and_undo_do_not_reach() {
    use Act::{Finish, Isolate, Release, Undo};
    let ways: [Way<'static>; 9] = [
        (&[], &[Isolate], &[Finish, Undo], false),
        (&[], &[Isolate], &[Undo, Finish], false),
        (&[], &[Isolate, Finish], &[Finish, Undo], false),
        (&[], &[Isolate, Finish], &[Undo], false),
        (&[], &[Isolate, Undo], &[Finish], false),
        (&[], &[Isolate, Undo, Undo], &[Undo, Finish], false),
        (&[Isolate], &[Release], &[Finish, Undo], true),
        (&[Isolate], &[Release, Undo], &[Finish], true),
        (&[Isolate], &[Release, Finish], &[Finish], false),
    ];
    let turns = std::sync::Arc::new(tokio::sync::Semaphore::new(6));
    let mut cases = tokio::task::JoinSet::new();
    for (way, (before, killed, after, isolated)) in ways.into_iter().enumerate() {
        // Each change of the thirty is the one of some way; together the ways try them all.
        for point in (way..CHANGES).step_by(ways.len()) {
            let turns = std::sync::Arc::clone(&turns);
            cases.spawn(async move {
                let _turn = turns.acquire().await.unwrap();
                let case = format!("{before:?}, killed at {point}: {killed:?}, then {after:?}");
                let world = World::start().await;
                world.things(&MANY).await;
                for act in before {
                    act.done(&world, &case).await;
                }
                for (n, act) in killed.iter().enumerate() {
                    act.killed(&world, if n == 0 { point } else { (point + 7 * n) % 11 }).await;
                    // Reading how far it came changes nothing about where it goes from there.
                    let told = world.run(&["journal", "recover", "--json"]).await;
                    assert_eq!(told.code, Some(0), "{case}: {told:?}");
                }
                for act in after {
                    act.done(&world, &case).await;
                }
                assert_eq!(all_isolated(&world, &case).await, isolated, "{case}");
                let left = world.run(&["journal", "recover", "--json"]).await.json();
                assert_eq!(left["plans"], serde_json::json!([]), "{case}");
                // A kill may fall into the writing of a line, page by page: that is said, and nothing else is wrong.
                let verdict = world.run(&["journal", "verify"]).await;
                let cut = |line: &str| line.contains("a crash while writing");
                let torn = verdict.code == Some(1) && !verdict.out.is_empty() && verdict.out.lines().all(cut);
                let whole = verdict.code == Some(0) || torn;
                assert!(whole, "{case}: {verdict:?}");
            });
        }
    }
    while let Some(case) = cases.join_next().await {
        case.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_undone_or_finished_says_so() {
    let world = World::start().await;
    world.things(&["Thing02"]).await;
    let joined = world.run(&["join", "IsolatedDevices", "Thing02", "--yes", "--json"]).await;
    assert_eq!(joined.code, Some(0), "{joined:?}");
    let id = joined.json()["plan"]["id"].as_str().unwrap().to_owned();
    let finished = world.run(&["finish", "--yes"]).await;
    assert!(finished.code == Some(1) && finished.err.contains("ended: proven"), "{finished:?}");
    let undone = world.run(&["undo", "--yes", "--json"]).await;
    assert_eq!(undone.code, Some(0), "{undone:?}");
    let by = undone.json()["plan"]["id"].as_str().unwrap().to_owned();
    let again = world.run(&["undo", "--yes"]).await;
    assert!(again.code == Some(1) && again.err.contains(&format!("was undone by {by}")), "{again:?}");
    let named = world.run(&["undo", &id, "--yes"]).await;
    assert!(named.code == Some(4) && named.err.contains("undone already"), "{named:?}");
    let named = world.run(&["finish", &id, "--yes"]).await;
    assert!(named.code == Some(4) && named.err.contains("nothing is left to finish"), "{named:?}");
}
