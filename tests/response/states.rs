//! What the console says of devices in the states that tempt it to say too much: a group that denies nothing, nobody
//! listening, a response that failed, a colleague's response. The real program on a real terminal.

use std::time::{Duration, Instant};

use crate::cable::Cable;
use crate::door::Verdict;
use crate::term::{Term, line_with};
use crate::world::World;

const LIMIT: Duration = Duration::from_secs(60);
/// AWS's eight minutes pass in less than a second.
const FAST: f64 = 600.0;

/// The console of `who` against this account, with more lines in its configuration. Waiting for its screen blocks: it is
/// looked at beside the account.
fn console(world: &World, who: &str, config: &str) -> Term {
    let command = world.command(&[], config);
    let args: Vec<&str> = command.get_args().map(|a| a.to_str().unwrap()).collect();
    let env = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("SUDO_USER", who)];
    Term::spawn(&args, 170, 40, world.folder.path(), &env)
}

async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// Looks on for a while at what may never be true.
#[track_caller]
fn never(term: &Term, time: Duration, what: &str, wrong: impl Fn(&str) -> bool) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        let screen = term.screen();
        assert!(!wrong(&screen), "{what}:\n{screen}");
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// The word of a device, as its row has it.
fn says(screen: &str, thing: &str, word: &str) -> bool {
    line_with(screen, &[thing, word]).is_some()
}

/// Opens the plan of a key for a thing, confirms it, and puts the staircase away when it says `end`.
fn respond(term: &mut Term, thing: &str, key: &str, offer: &str, end: &str) {
    term.keys(&format!("/{thing}\r"));
    term.wait_for("the filter", LIMIT, |s| s.contains(&format!("/{thing}")));
    term.keys(key);
    term.wait_for("the plan", LIMIT, |s| s.contains(offer));
    term.keys("\r");
    term.wait_for("its end", LIMIT, |s| s.contains(end));
    close(term);
}

/// Esc and the next key in one breath would be another key: the staircase is waited for to be gone.
fn close(term: &mut Term) {
    term.keys("\x1b");
    term.wait_for("the staircase to close", LIMIT, |s| !s.contains("esc close"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_a_group_that_denies_nothing_is_never_contained() {
    let world = World::at(FAST).await;
    world.group("Ward").await;
    let things = ["quiet-1", "talks-1", "shadow-1"];
    for thing in things {
        let certificate = world.things(&[thing]).await;
        let add = world.iot.add_thing_to_thing_group();
        add.thing_name(thing).thing_group_name("Ward").send().await.unwrap();
        match thing {
            "talks-1" => _ = world.device(thing, &certificate).await,
            "shadow-1" => {
                let topic = "$aws/things/shadow-1/shadow/update";
                let report = r#"{"state":{"reported":{"t":21}}}"#;
                world.device_saying(thing, &certificate, topic, report).await;
            }
            _ => {}
        }
    }
    let term = console(&world, "ana", "[groups]\nisolate = \"Ward\"\n");
    beside(move || {
        let held = |s: &str| things.iter().any(|thing| says(s, thing, "CONTAINED"));
        let shown = term.wait_for("what each is", LIMIT, |s| {
            assert!(!held(s), "nothing denies it:\n{s}");
            says(s, "quiet-1", "UNPROVEN") && says(s, "talks-1", "LEAKING") && says(s, "shadow-1", "LEAKING")
        });
        let why = |thing: &str, text: &str| line_with(&shown, &[thing, text]).is_some();
        assert!(why("quiet-1", "Ward denie"), "{shown}");
        assert!(why("talks-1", "heard") && why("talks-1", "Ward denie"), "{shown}");
        assert!(why("shadow-1", "shadow") && why("shadow-1", "Ward denie"), "{shown}");
        never(&term, Duration::from_secs(4), "nothing denies it", held);
    })
    .await;
}

/// A world whose stream goes through a cable, a device that speaks, and a console that hears it.
async fn by_cable() -> (World, Cable, Term) {
    let mut world = World::at(FAST).await;
    let certificate = world.things(&["Thing02", "Thing03"]).await;
    world.device("Thing02", &certificate).await;
    world.device("Thing03", &certificate).await;
    let broker = world.settings.mqtt.url.clone().unwrap();
    let cable = Cable::to(broker.strip_prefix("mqtt://").unwrap().parse().unwrap());
    world.settings.mqtt.url = Some(format!("mqtt://{}", cable.address()));
    let term = console(&world, "ana", "");
    let heard = |s: &str| says(s, "Thing02", " ok ") && says(s, "Thing03", " ok ");
    let term = beside(move || {
        term.wait_for("both", LIMIT, heard);
        term
    })
    .await;
    (world, cable, term)
}

/// Nothing on the screen speaks of now: the line says since when, the rows carry their age, and nobody fell silent.
#[track_caller]
fn not_listening(term: &Term) {
    term.wait_for("that nobody listens", LIMIT, |s| {
        let aged = |thing: &str| line_with(s, &[thing, " ok ", " ago"]).is_some();
        s.contains("NOT LISTENING since") && aged("Thing02") && aged("Thing03")
    });
    never(term, Duration::from_secs(3), "nobody listens", |s| {
        says(s, "Thing0", "SILENT") || says(s, "Thing0", "stale")
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_link_down_nothing_speaks_of_now() {
    let (_world, cable, term) = by_cable().await;
    cable.shut(true);
    cable.cut(0);
    beside(move || {
        not_listening(&term);
        cable.shut(false);
        term.wait_for("it back", LIMIT, |s| !s.contains("NOT LISTENING") && says(s, "Thing02", " ok "));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_carries_nothing_is_no_listener_though_it_stands() {
    let (_world, cable, mut term) = by_cable().await;
    cable.freeze(true);
    beside(move || {
        not_listening(&term);
        // And a plan says so before anything is sent.
        term.keys("i");
        let plan = term.wait_for("the plan", LIMIT, |s| s.contains("⏎ isolate"));
        assert!(plan.contains("proves nothing meanwhile"), "{plan}");
        term.keys("\x1b");
        cable.freeze(false);
        term.wait_for("it back", LIMIT, |s| !s.contains("NOT LISTENING") && says(s, "Thing02", " ok "));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_limit_of_the_connection_silence_proves_nothing_and_the_plan_says_so() {
    // At AWS's own pace, where a connection takes a hundred messages a second.
    let world = World::at(1.0).await;
    let certificate = world.things(&["Thing02"]).await;
    world.device("Thing02", &certificate).await;
    let mut term = console(&world, "ana", "");
    let flood = world.flood("temperature/flood", 150);
    beside(move || {
        let full = |s: &str| s.contains("NOT LISTENING since") && s.contains("at its limit");
        term.wait_for("that the link is full", LIMIT, full);
        term.keys("/Thing02\r");
        term.wait_for("the filter", LIMIT, |s| s.contains("/Thing02"));
        term.keys("i");
        let plan = term.wait_for("the plan", LIMIT, |s| s.contains("⏎ isolate"));
        assert!(plan.contains("at its limit, the excess is discarded: the silence of Thing02"), "{plan}");
        term.keys("\x1b");
        drop(flood);
        term.wait_for("it free again", LIMIT, |s| !s.contains("NOT LISTENING"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_in_part_is_not_held_and_finished_from_its_row() {
    let world = World::start().await;
    let certificate = world.things(&["Thing02"]).await;
    world.device("Thing02", &certificate).await;
    // The group takes it, its shadow cannot be written.
    world.door.rule(|_, line| if line.contains("/shadow") { Verdict::Refuse } else { Verdict::Pass });
    let mut term = console(&world, "ana", "");
    let mut term = beside(move || {
        term.wait_for("the device", LIMIT, |s| says(s, "Thing02", " ok "));
        respond(&mut term, "Thing02", "i", "⏎ isolate", "partly done");
        let row = term.wait_for("what it is", LIMIT, |s| says(s, "Thing02", "NOT HELD"));
        let row = line_with(&row, &["Thing02", "NOT HELD"]).unwrap();
        assert!(row.contains("F finishes"), "{row}");
        never(&term, Duration::from_secs(2), "it failed", |s| says(s, "Thing02", "CONTAINING"));
        term
    })
    .await;
    world.door.open();
    beside(move || {
        term.keys("F");
        let plan = term.wait_for("the plan", LIMIT, |s| s.contains("⏎ finish"));
        assert!(line_with(&plan, &["1  ", "add to thing group"]).is_none(), "only the rest:\n{plan}");
        term.keys("\r");
        term.wait_for("the proof", LIMIT, |s| s.contains("finished in"));
        close(&mut term);
        term.wait_for("it held", LIMIT, |s| says(s, "Thing02", "CONTAINED"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_was_stopped_is_not_held_here_and_at_the_next_start_and_finishing_proves_it() {
    // Slow enough to be stopped: for five seconds it comes back before it is refused.
    let world = World::at(4.0).await;
    let certificate = world.things(&["Thing02"]).await;
    world.device("Thing02", &certificate).await;
    let mut term = console(&world, "ana", "");
    beside(move || {
        term.wait_for("the device", LIMIT, |s| says(s, "Thing02", " ok "));
        term.keys("/Thing02\r");
        term.wait_for("the filter", LIMIT, |s| s.contains("/Thing02"));
        term.keys("i");
        term.wait_for("the plan", LIMIT, |s| s.contains("⏎ isolate"));
        term.keys("\r");
        // All was sent; the proof is waited for.
        term.wait_for("the wait", LIMIT, |s| line_with(s, &["✓", "connection cut"]).is_some());
        term.keys("s");
        term.wait_for("the stop", LIMIT, |s| s.contains("NOT HELD: stopped"));
        close(&mut term);
        let screen = term.wait_for("what it is", LIMIT, |s| says(s, "Thing02", "NOT HELD"));
        assert!(line_with(&screen, &["Thing02", "stopped by the"]).is_some(), "{screen}");
        term.keys("q");
        assert_eq!(term.wait_exit(LIMIT), 0);
    })
    .await;
    let mut term = console(&world, "bob", "");
    beside(move || {
        let screen = term.wait_for("it, still", LIMIT, |s| says(s, "Thing02", "NOT HELD"));
        assert!(line_with(&screen, &["Thing02", "by ana"]).is_some(), "{screen}");
        term.keys("/Thing02\r");
        term.wait_for("the filter", LIMIT, |s| s.contains("/Thing02"));
        term.keys("F");
        let plan = term.wait_for("the plan", LIMIT, |s| s.contains("⏎ finish"));
        assert!(plan.contains("cut the connection"), "a cut lets it be proven:\n{plan}");
        term.keys("\r");
        term.wait_for("the proof", LIMIT, |s| s.contains("finished in"));
        close(&mut term);
        term.wait_for("it held", LIMIT, |s| says(s, "Thing02", "CONTAINED"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_colleague_does_is_told_and_believed_and_what_is_released_is_not_being_contained() {
    let world = World::start().await;
    let certificate = world.things(&["Thing02"]).await;
    world.device("Thing02", &certificate).await;
    let (mut ana, bob) = (console(&world, "ana", ""), console(&world, "bob", ""));
    beside(move || {
        for term in [&ana, &bob] {
            term.wait_for("the device", LIMIT, |s| says(s, "Thing02", " ok "));
        }
        ana.keys("i");
        ana.wait_for("the plan", LIMIT, |s| s.contains("⏎ isolate"));
        ana.keys("\r");
        bob.wait_for("that it began", LIMIT, |s| {
            let row = line_with(s, &["Thing02", "CONTAINING", "by ana"]).is_some();
            row && s.contains("ana is containing Thing02")
        });
        bob.wait_for("that it is proven", LIMIT, |s| {
            let row = line_with(s, &["Thing02", "CONTAINED", "by ana"]).is_some();
            row && s.contains("ana contained Thing02")
        });
        ana.wait_for("the end there", LIMIT, |s| says(s, "Thing02", "CONTAINED"));
        close(&mut ana);
        ana.keys("u");
        ana.wait_for("the plan", LIMIT, |s| s.contains("⏎ release"));
        ana.keys("\r");
        let wrong = |s: &str| says(s, "Thing02", "CONTAINING") || says(s, "Thing02", "LEAKING");
        // A device that speaks before its release is read in the journal is a leak, as far as anybody can know.
        bob.wait_for("that it was let go", LIMIT, |s| {
            assert!(!says(s, "Thing02", "CONTAINING"), "it was released:\n{s}");
            s.contains("ana lets Thing02 go") && line_with(s, &["Thing02", " ok "]).is_some()
        });
        never(&bob, Duration::from_secs(3), "it was released", wrong);
        assert!(!wrong(&ana.screen()), "{}", ana.screen());
    })
    .await;
}
