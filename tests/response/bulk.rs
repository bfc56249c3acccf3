//! Many devices in one action: progress, failures by name, a second run for those alone, and a stop.

use std::collections::BTreeSet;

use crate::door::Verdict;
use crate::world::World;

const FAILING: [&str; 5] = ["bulk-007", "bulk-042", "bulk-099", "bulk-150", "bulk-199"];

fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("bulk-{i:03}")).collect()
}

async fn fleet(count: usize) -> (World, Vec<String>) {
    let world = World::start().await;
    let names = names(count);
    world.things(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    (world, names)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_are_isolated_and_the_five_that_failed_are_named_and_done_again() {
    let (world, names) = fleet(200).await;
    let mut line = vec!["isolate"];
    line.extend(names.iter().map(String::as_str));
    line.extend(["--yes", "--json"]);
    // The shadows of five cannot be written.
    world.door.rule(|_, line| {
        let hit = line.contains("/shadow") && FAILING.iter().any(|f| line.contains(f));
        if hit { Verdict::Refuse } else { Verdict::Pass }
    });
    let ran = world.run(&line).await;
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(ran.err.contains('#') && ran.err.contains("/200"), "a progress bar: {}", ran.err);
    let told = ran.json();
    let result = |wanted: &str| -> BTreeSet<String> {
        let targets = told["targets"].as_array().unwrap().iter();
        let of = targets.filter(|t| t["result"] == wanted);
        of.map(|t| t["thingName"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(result("proven").len(), 195, "{}", ran.err);
    assert_eq!(result("partly"), FAILING.map(String::from).into());
    world.door.open();
    world.door.forget();
    let again = world.run(&line).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    let touched: BTreeSet<String> = world
        .door
        .changes()
        .iter()
        .filter_map(|c| names.iter().find(|n| c.contains(n.as_str())).cloned())
        .collect();
    assert_eq!(touched, FAILING.map(String::from).into(), "a second run touches only those");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_completes_what_was_begun_and_finish_does_the_rest() {
    let (world, names) = fleet(40).await;
    let mut line = vec!["isolate"];
    line.extend(names.iter().map(String::as_str));
    line.extend(["--yes", "--json"]);
    let child = world.spawn(&line);
    let id = child.id().to_string();
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let end = std::time::Instant::now() + crate::world::LONG;
    while world.changed() < 6 {
        assert!(std::time::Instant::now() < end, "nothing was sent");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let interrupt = std::process::Command::new("kill").args(["-INT", &id]).status();
    assert!(interrupt.unwrap().success());
    let output = output.await.unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let journal = world.run(&["journal", "--json"]).await.json();
    let plan = &journal["plans"][0];
    assert_eq!(plan["outcome"], "interrupted");
    let entries = journal["entries"].as_array().unwrap();
    let mut members = 0;
    for name in &names {
        let sent = entries.iter().filter(|e| e["kind"] == "request" && e["target"] == name.as_str());
        let sent = sent.filter(|e| !e["n"].is_null()).count();
        assert!(sent == 0 || sent == 3, "{name}: {sent} of 3 requests: half contained");
        members += usize::from(sent == 3);
    }
    assert!((1..40).contains(&members), "{members}");
    world.door.forget();
    // Only those that are left, unsent or not proven, are acted on, and counted.
    let plan = world.run(&["finish", "--dry-run", "--json"]).await.json();
    let left = plan["targets"].as_array().unwrap().len().to_string();
    let rest = world.run(&["finish", "--yes", "--confirm", &left, "--json"]).await;
    assert_eq!(rest.code, Some(0), "{rest:?}");
    for name in &names {
        assert!(world.member(name).await, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_ctrl_c_waits_for_no_answer_and_loses_no_outcome() {
    let (world, _) = fleet(1).await;
    // AWS never answers the second request.
    world.door.rule(|n, _| if n == 1 { Verdict::Hold } else { Verdict::Pass });
    let child = world.spawn(&["isolate", "bulk-000", "--yes", "--json"]);
    let id = child.id().to_string();
    let interrupt = || {
        let sent = std::process::Command::new("kill").args(["-INT", &id]).status();
        assert!(sent.unwrap().success());
    };
    world.door.held().await;
    interrupt();
    // It waits for the answer, and goes on to: the journal has no outcome yet.
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    let journal = world.run(&["journal", "--json"]).await.json();
    assert!(journal["plans"][0]["outcome"].is_null(), "{journal}");
    interrupt();
    interrupt();
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let output = tokio::time::timeout(crate::world::LONG, ended).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let journal = world.run(&["journal", "--json"]).await.json();
    assert_eq!(journal["plans"][0]["outcome"], "left unproven", "{journal}");
    // What became of the request is not known, and is looked up rather than believed unsent.
    world.door.open();
    let finished = world.run(&["finish", "--yes", "--json"]).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(world.member("bulk-000").await);
}
