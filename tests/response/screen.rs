//! The console on a real terminal: what a crash left is told at the start and finished; many devices in one action with a
//! bar, a stop and the rest; the doctor and what mends it.

use std::time::Duration;

use crate::crash::killed;
use crate::door::Verdict;
use crate::term::{Term, line_with};
use crate::world::World;

const LIMIT: Duration = Duration::from_secs(60);

/// The console against this account. Waiting for its screen blocks: run it beside the account.
pub(crate) fn console(world: &World, config: &str) -> Term {
    let command = world.command(&[], config);
    let args: Vec<&str> = command.get_args().map(|a| a.to_str().unwrap()).collect();
    let keys = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    Term::spawn(&args, 140, 40, world.folder.path(), &keys)
}

pub(crate) async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// Esc and the next key in one breath would be another key: the staircase is waited for to be gone.
fn close(term: &mut Term) {
    term.keys("\x1b");
    term.wait_for("the staircase to close", LIMIT, |s| !s.contains("esc close"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_is_told_at_the_next_start_and_finished_there() {
    let world = World::start().await;
    let certificate = world.things(&["Thing02"]).await;
    world.device("Thing02", &certificate).await;
    killed(&world, 1, Verdict::Swallow).await;
    assert!(world.member("Thing02").await);
    let mut term = console(&world, "");
    beside(move || {
        let told = term.wait_for("what was found", LIMIT, |s| s.contains("Cut short"));
        assert!(told.contains("Isolate Thing02"), "{told}");
        assert!(line_with(&told, &["iot:AddThingToThingGroup", "done"]).is_some(), "{told}");
        assert!(line_with(&told, &["iot:UpdateThingShadow", "its answer was lost"]).is_some(), "{told}");
        assert!(told.contains("finish it") && told.contains("undo it"), "{told}");
        term.keys("F");
        let plan = term.wait_for("the plan", LIMIT, |s| s.contains("⏎ finish"));
        assert!(plan.contains("cut the connection"), "only the rest is sent:\n{plan}");
        assert!(line_with(&plan, &["1  ", "add to thing group"]).is_none(), "{plan}");
        term.keys("\r");
        term.wait_for("the proof", LIMIT, |s| s.contains("finished in"));
        close(&mut term);
        term.keys("7");
        let journal = term.wait_for("the journal", LIMIT, |s| line_with(s, &["finish", "proven"]).is_some());
        assert!(line_with(&journal, &["isolate", "no outcome"]).is_some(), "{journal}");
    })
    .await;
    let left = world.run(&["journal", "recover", "--json"]).await.json();
    assert_eq!(left["plans"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_isolated_under_a_bar_stopped_and_the_rest_is_finished() {
    let world = World::start().await;
    let names: Vec<String> = (0..30).map(|i| format!("bulk-{i:02}")).collect();
    world.things(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    // The shadow of one cannot be written.
    world.door.rule(|_, line| {
        // Slow enough to be stopped in the middle.
        std::thread::sleep(Duration::from_millis(30));
        if line.contains("bulk-00") { Verdict::Refuse } else { Verdict::Pass }
    });
    let mut term = console(&world, "");
    let mut term = beside(move || {
        term.wait_for("the things", LIMIT, |s| s.contains("bulk-00") && s.contains("30 things"));
        // From the first to the last.
        term.keys("ggVG");
        term.keys("i");
        term.wait_for("the plan", LIMIT, |s| {
            s.contains("Isolate 30 devices") && s.contains("type the number")
        });
        term.keys("30\r");
        term.wait_for("the bar", LIMIT, |s| s.contains("/30") && s.contains("█"));
        term.keys("s");
        let stopped = term.wait_for("the stop", LIMIT, |s| s.contains("stopped before it was proven"));
        assert!(line_with(&stopped, &["✗", "bulk-00"]).is_some(), "what failed is named first:\n{stopped}");
        term
    })
    .await;
    world.door.open();
    let journal = world.run(&["journal", "--json"]).await.json();
    assert_eq!(journal["plans"][0]["outcome"], "interrupted");
    beside(move || {
        close(&mut term);
        term.keys("7");
        term.wait_for("the journal", LIMIT, |s| line_with(s, &["isolate", "interrupted"]).is_some());
        term.keys("F");
        let plan = term.wait_for("the rest's plan", LIMIT, |s| s.contains("type the number"));
        let left = plan.split("it acts on ").nth(1).unwrap().split(' ').next().unwrap();
        assert!(left == "30" || plan.contains(&format!("({left} of 30)")), "only what is left:\n{plan}");
        term.keys(&format!("{left}\r"));
        term.wait_for("its end", LIMIT, |s| s.contains("finished in") || s.contains("not proven"));
    })
    .await;
    for name in &names {
        assert!(world.member(name).await, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_s_keys_plan_what_is_missing() {
    let world = World::start().await;
    world.things(&["Thing02"]).await;
    let mut term = console(&world, "[groups]\nisolate = \"Ward\"\n");
    beside(move || {
        term.wait_for("the console", LIMIT, |s| s.contains("Thing02"));
        term.keys("gd");
        let sick = term
            .wait_for("the doctor", LIMIT, |s| line_with(s, &["isolation", "no thing group Ward"]).is_some());
        assert!(sick.contains("quell setup"), "{sick}");
        term.keys("s");
        let plan = term.wait_for("the plan", LIMIT, |s| s.contains("⏎ setup"));
        assert!(plan.contains("create thing group") && plan.contains("DenyAll"), "{plan}");
        term.keys("\r");
        term.wait_for("its end", LIMIT, |s| s.contains("set up in"));
        close(&mut term);
        term.wait_for("a look again", LIMIT, |s| {
            line_with(s, &["isolation", "Ward: policy DenyAll"]).is_some()
        });
    })
    .await;
    let made = world.iot.describe_thing_group().thing_group_name("Ward").send().await;
    assert!(made.is_ok(), "{made:?}");
}
