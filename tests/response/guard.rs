//! `quell guard` against the emulator, killed and restarted: each alert told once to each receiver, each device acted on once.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::sns::{Ear, Running};
use crate::world::{LONG, World};

/// Every message of more than two bytes violates it; a device of the world says "21.5".
const PROFILE: &str = r#"{"securityProfileName": "Strict", "behaviors": [{"name": "Tiny", "metric": "aws:message-byte-size",
    "criteria": {"comparisonOperator": "less-than", "value": {"count": 2}}}]}"#;

pub(crate) async fn world() -> World {
    let world = World::without_detect().await;
    world.file("profile.json", PROFILE);
    let certificate = world.things(&["dev-IZWB"]).await;
    world.device("dev-IZWB", &certificate).await;
    world.door.forget();
    world
}

fn at(world: &World, name: &str) -> PathBuf {
    world.folder.path().join(name)
}

/// A guard with these flags and lines of configuration.
pub(crate) fn guard(world: &World, flags: &[&str], config: &str) -> Command {
    let profiles = at(world, "profile.json");
    let line = [&["guard", "--security-profiles", profiles.to_str().unwrap()], flags].concat();
    world.command(&line, config)
}

/// A sink that writes into a file of the world.
pub(crate) fn file_sink(world: &World, name: &str) -> String {
    format!("[[guard.sink]]\nkind = \"file\"\nname = {name:?}\npath = {:?}\n", at(world, name))
}

pub(crate) fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The lines of a sink once some of them are what is looked for.
pub(crate) async fn lines_until(path: &Path, sought: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let found = timeout(LONG, async {
        loop {
            let found = lines(path);
            if sought(&found) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("{:?}", lines(path)))
}

pub(crate) fn of<'a>(lines: &'a [Value], event: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["violationEventType"] == event).collect()
}

/// What was changed, the lease aside: it is about no device.
pub(crate) fn changes(world: &World) -> Vec<String> {
    world.door.changes().into_iter().filter(|line| !line.contains("/things/quell-guard/shadow")).collect()
}

/// The names of what was done, in order.
fn acted(lines: &[Value]) -> Vec<&str> {
    of(lines, "quell-action").iter().map(|line| line["behavior"]["name"].as_str().unwrap()).collect()
}

/// What a running guard says of itself, once that is what is looked for.
pub(crate) async fn status_until(world: &World, sought: impl Fn(&Value) -> bool) -> Value {
    let asked = async {
        loop {
            let ran = world.run(&["guard", "status", "--json"]).await;
            if ran.code == Some(0) && sought(&ran.json()) {
                return ran.json();
            }
        }
    };
    timeout(LONG, asked).await.unwrap()
}

pub(crate) fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

pub(crate) async fn ends(child: &mut Child, signal: &str) -> Option<i32> {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let ended = async {
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, ended).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rogue_is_found_told_and_isolated_once_whatever_is_killed() {
    let world = world().await;
    let ear = Ear::default();
    let hook = ear.open(200).await;
    let config = format!(
        "{}[[guard.sink]]\nkind = \"webhook\"\nurl = \"{hook}/hook\"\nalerts = [\"alarm\"]\n",
        file_sink(&world, "alerts.jsonl")
    );
    let path = at(&world, "alerts.jsonl");
    let mut first = Running::of(guard(&world, &["--yes"], &config).spawn().unwrap());
    first.says("guarding").await;
    let found = lines_until(&path, |all| !of(all, "in-alarm").is_empty()).await;
    let alarm = of(&found, "in-alarm")[0].clone();
    assert_eq!((&alarm["thingName"], &alarm["behavior"]["name"]), (&json!("dev-IZWB"), &json!("Tiny")));
    // Killed while it acts, or before, or after: the next one goes on.
    kill(&mut first.child);
    let mut second = Running::of(guard(&world, &["--yes"], &config).spawn().unwrap());
    let isolated = |all: &[Value]| {
        all.iter().any(|l| l["behavior"]["name"] == "isolated" || l["behavior"]["name"] == "done before")
    };
    lines_until(&path, isolated).await;
    assert!(world.member("dev-IZWB").await);
    kill(&mut second.child);
    world.door.forget();
    let mut third = Running::of(guard(&world, &["--yes"], &config).spawn().unwrap());
    third.says("guarding").await;
    // It asked the journal about what it found open.
    status_until(&world, |status| status["actions"].as_array().unwrap().iter().any(|a| a[0] == "ignored"))
        .await;
    assert_eq!(ends(&mut third.child, "-TERM").await, Some(130));
    let all = lines(&path);
    assert_eq!(of(&all, "in-alarm").len(), 1, "{all:#?}");
    let told = ear.heard("/hook");
    let told: Vec<&String> = told.iter().filter(|m| m.contains("in-alarm")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(alarm["violationId"].as_str().unwrap()));
    assert_eq!(changes(&world), [] as [&str; 0], "the third had nothing to do");
    let journal = world.run(&["journal", "verify"]).await;
    assert_eq!(journal.code, Some(0), "{journal:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_down_is_told_after_a_kill_and_its_end_too() {
    let world = world().await;
    let down = Ear::default();
    let address = down.open(503).await;
    let config = |url: &str| {
        format!(
            "{}[[guard.sink]]\nkind = \"slack\"\nurl = \"{url}/slack\"\n",
            file_sink(&world, "alerts.jsonl")
        )
    };
    let path = at(&world, "alerts.jsonl");
    let mut first = Running::of(guard(&world, &[], &config(&address)).spawn().unwrap());
    lines_until(&path, |all| !of(all, "in-alarm").is_empty()).await;
    down.hears("/slack", |m| m.contains("Tiny")).await;
    kill(&mut first.child);
    let up = Ear::default();
    let address = up.open(200).await;
    let mut second = Running::of(guard(&world, &[], &config(&address)).spawn().unwrap());
    up.hears("/slack", |m| m.contains("Tiny")).await;
    let delivered = |status: &Value| status["sinks"][1]["waiting"] == 0 && status["hears"] == true;
    let status = status_until(&world, delivered).await;
    assert_eq!((&status["open"], &status["acts"]), (&json!(1), &json!(false)), "{status}");
    assert_eq!(status["share"], json!(["temperature/#"]), "{status}");
    assert_eq!(ends(&mut second.child, "-INT").await, Some(130));
    let told: Vec<String> = up.heard("/slack").into_iter().filter(|m| m.contains("Tiny")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(world.changed(), 0, "a dry run is the default");
    let ran = world.run(&["guard", "status"]).await;
    assert_eq!(ran.code, Some(1), "nobody answers any more: {ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_guards_do_not_share_a_folder_and_a_wrong_configuration_is_said() {
    let world = world().await;
    let mut first = Running::of(guard(&world, &[], "").spawn().unwrap());
    first.says("guarding").await;
    let second = world.run(&["guard", "--for", "1s"]).await;
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.err.contains("another quell guard runs"), "{second:?}");
    // Without sinks, lines on stdout.
    let line = first.answer().await;
    assert!(line["quell"]["kind"].is_string(), "{line}");
    let wrong = world.run_with(&["guard", "--for", "1s"], "[[guard.sink]]\nkind = \"pigeon\"\n", None).await;
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.err.contains("no kind"), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_isolation_ends_by_itself_and_lasts_longer_when_it_offends_again() {
    let world = world().await;
    world.file("rules.toml", "[[rule]]\nbehavior = \"Tiny\"\ndo = [\"isolate\"]\nfor = \"2s\"\n");
    let rules = at(&world, "rules.toml");
    let config = file_sink(&world, "alerts.jsonl");
    let path = at(&world, "alerts.jsonl");
    let line = ["--yes", "--rules", rules.to_str().unwrap()];
    let mut first = Running::of(guard(&world, &line, &config).spawn().unwrap());
    lines_until(&path, |all| acted(all).contains(&"held")).await;
    // Whoever comes after a kill lets it go.
    kill(&mut first.child);
    let mut second = Running::of(guard(&world, &line, &config).spawn().unwrap());
    let held = |all: &[Value]| acted(all).iter().filter(|name| **name == "held").count();
    let all = lines_until(&path, |all| held(all) >= 2).await;
    let names = acted(&all);
    let released = names.iter().position(|name| *name == "released").unwrap_or_else(|| panic!("{names:?}"));
    assert!(names[released..].contains(&"isolated"), "it spoke again, and was isolated again: {names:?}");
    let sentences: Vec<&str> = of(&all, "quell-action")
        .iter()
        .filter(|line| line["behavior"]["name"] == "held")
        .map(|line| line["quell"]["sentence"].as_str().unwrap())
        .collect();
    assert!(
        sentences[0].starts_with("isolated for 2 s;") && sentences[1].starts_with("isolated for 4 s"),
        "{sentences:?}"
    );
    let alarms: Vec<&str> =
        of(&all, "in-alarm").iter().map(|line| line["violationId"].as_str().unwrap()).collect();
    assert_eq!(alarms.len(), 2, "the second offence is another violation: {alarms:?}");
    assert_ne!(alarms[0], alarms[1]);
    assert_eq!(ends(&mut second.child, "-TERM").await, Some(130));
    let journal = world.run(&["journal", "--json"]).await.json();
    let kinds: Vec<&str> =
        journal["entries"].as_array().unwrap().iter().filter_map(|entry| entry["kind"].as_str()).collect();
    assert!(kinds.contains(&"lease") && kinds.contains(&"intent") && kinds.contains(&"outcome"), "{kinds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_released_is_left_alone_for_the_rest_of_its_time() {
    let world = world().await;
    world.file("rules.toml", "[[rule]]\ndo = [\"isolate\"]\nfor = \"1h\"\n");
    let rules = at(&world, "rules.toml");
    let config = file_sink(&world, "alerts.jsonl");
    let path = at(&world, "alerts.jsonl");
    let line = ["--yes", "--rules", rules.to_str().unwrap()];
    let _guard = Running::of(guard(&world, &line, &config).spawn().unwrap());
    lines_until(&path, |all| acted(all).contains(&"held")).await;
    let released = world.run(&["release", "dev-IZWB", "--yes"]).await;
    assert!(!world.member("dev-IZWB").await, "{released:?}");
    world.door.forget();
    // It is met once, and broken again: that is another violation.
    world.say("temperature/dev-IZWB", "1");
    let all = lines_until(&path, |all| acted(all).contains(&"left alone")).await;
    assert_eq!(of(&all, "in-alarm").len(), 2, "it is told: {all:#?}");
    assert!(!world.member("dev-IZWB").await);
    assert_eq!(changes(&world), [] as [&str; 0]);
}

/// A guard that acts on nothing by itself.
async fn idle(world: &World) -> Running {
    world.file("idle.toml", "[[rule]]\nbehavior = \"Nothing\"\ndo = [\"isolate\"]\n");
    let rules = at(world, "idle.toml");
    let line = ["--yes", "--rules", rules.to_str().unwrap()];
    let mut guard = Running::of(guard(world, &line, &file_sink(world, "alerts.jsonl")).spawn().unwrap());
    guard.says("guarding").await;
    guard
}

/// Isolates for a time, by hand; who is to release it.
async fn isolate_for(world: &World, length: &str, more: &[&str]) -> (String, crate::program::Ran) {
    let line = [&["isolate", "dev-IZWB", "--for", length, "--yes", "--json"], more].concat();
    let ran = world.run(&line).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    (ran.json()["held"]["releasedBy"].as_str().unwrap().to_owned(), ran)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_isolates_for_a_time_the_guard_that_runs_by_then_releases_once() {
    let world = world().await;
    let path = at(&world, "alerts.jsonl");
    let dry = Running::of(guard(&world, &[], "").spawn().unwrap());
    status_until(&world, |status| status["acts"] == false).await;
    let planned = world.run(&["isolate", "dev-IZWB", "--for", "30m", "--dry-run"]).await;
    assert!(planned.out.contains("Isolate dev-IZWB for 30 min"), "{planned:?}");
    assert!(
        planned
            .out
            .contains("DANGER: nobody would release it after 30 min: the guard that runs here is a dry run")
    );
    let mut dry = dry;
    kill(&mut dry.child);
    // Nobody is there, and that is said; whoever comes later reads of it.
    let (by, ran) = isolate_for(&world, "2s", &[]).await;
    assert_eq!(by, "nobody");
    assert!(
        ran.err.contains("no guard runs with this journal") && ran.err.contains("quell release dev-IZWB"),
        "{ran:?}"
    );
    assert!(world.member("dev-IZWB").await);
    let mut first = idle(&world).await;
    lines_until(&path, |all| acted(all).contains(&"released")).await;
    assert!(!world.member("dev-IZWB").await);
    // One that is there holds it, also when it is killed over it.
    let (by, ran) = isolate_for(&world, "4s", &[]).await;
    assert_eq!(by, "guard");
    assert!(ran.err.contains("released after 4 s by the guard that runs here, with proof"), "{ran:?}");
    let held = |all: &[Value]| acted(all).iter().filter(|name| **name == "held").count();
    lines_until(&path, |all| held(all) == 2).await;
    kill(&mut first.child);
    let mut second = idle(&world).await;
    let released = |all: &[Value]| acted(all).iter().filter(|name| **name == "released").count();
    let all = lines_until(&path, |all| released(all) == 2).await;
    assert_eq!(held(&all), 2, "{all:#?}");
    assert!(!world.member("dev-IZWB").await);
    kill(&mut second.child);
    // What it released and somebody isolated again, for good, is no business of the next one.
    let ran = world.run(&["isolate", "dev-IZWB", "--yes"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    world.door.forget();
    let _third = idle(&world).await;
    status_until(&world, |status| status["hears"] == true && status["held"] == 0).await;
    assert!(world.member("dev-IZWB").await);
    assert_eq!(changes(&world), [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_isolation_for_good_outlives_the_time_of_one_before() {
    let world = world().await;
    let path = at(&world, "alerts.jsonl");
    let _guard = idle(&world).await;
    assert_eq!(isolate_for(&world, "8s", &[]).await.0, "guard");
    lines_until(&path, |all| acted(all).contains(&"held")).await;
    for line in [["release", "dev-IZWB", "--yes"], ["isolate", "dev-IZWB", "--yes"]] {
        let ran = world.run(&line).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    lines_until(&path, |all| acted(all).contains(&"left to a person")).await;
    assert!(world.member("dev-IZWB").await);
    status_until(&world, |status| status["held"] == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_that_waits_releases_itself_and_says_so() {
    let world = world().await;
    let (by, ran) = isolate_for(&world, "1s", &["--wait"]).await;
    assert_eq!(by, "this command");
    let released = &ran.json()["released"][0];
    assert_eq!(
        (&released["thing"], &released["result"]),
        (&json!("dev-IZWB"), &json!("released")),
        "{ran:?}"
    );
    assert!(!world.member("dev-IZWB").await);
    let wrong = world.run(&["isolate", "dev-IZWB", "--for", "800h", "--dry-run"]).await;
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    let wrong = world.run(&["isolate", "dev-IZWB", "--wait", "--dry-run"]).await;
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_guards_one_acts_and_the_other_takes_over_when_it_is_killed() {
    let world = World::start().await;
    world.file("profile.json", PROFILE);
    let certificate = world.things(&["dev-IZWB"]).await;
    // On two hosts: each with a journal and a folder of its own.
    let on = |host: &str| {
        let config = file_sink(&world, &format!("{host}.jsonl"));
        let state = at(&world, host);
        let command = guard(&world, &["--yes", "--state", state.to_str().unwrap()], &config);
        let args: Vec<String> = command.get_args().map(|arg| arg.to_str().unwrap().to_owned()).collect();
        let place = args.iter().position(|arg| arg == "--config").unwrap() + 1;
        let text = std::fs::read_to_string(&args[place]).unwrap();
        let journal = at(&world, &format!("{host}-journal.jsonl"));
        let text = text.replace(world.rules.journal.to_str().unwrap(), journal.to_str().unwrap());
        let file = at(&world, &format!("{host}.toml"));
        std::fs::write(&file, text).unwrap();
        let mut own = Command::new(command.get_program());
        own.args(&args[..place]).arg(&file).args(&args[place + 1..]).env_clear();
        own.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        own.current_dir(world.folder.path()).stdin(std::process::Stdio::null());
        own.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        own
    };
    let lease = async |host: &str, sought: &str| {
        let state = at(&world, host);
        let asked = async {
            loop {
                let ran = world.run(&["guard", "status", "--json", "--state", state.to_str().unwrap()]).await;
                if ran.code == Some(0) && ran.json()["lease"].as_str().is_some_and(|l| l.starts_with(sought))
                {
                    return;
                }
            }
        };
        timeout(LONG, asked).await.unwrap_or_else(|_| panic!("{host} never says {sought}"));
    };
    let mut one = Running::of(on("one").spawn().unwrap());
    lease("one", "held").await;
    let _two = Running::of(on("two").spawn().unwrap());
    lease("two", "held by").await;
    world.door.forget();
    world.device("dev-IZWB", &certificate).await;
    // Killed as soon as it has found it: it may have acted, or not.
    lines_until(&at(&world, "one.jsonl"), |all| !of(all, "in-alarm").is_empty()).await;
    lines_until(&at(&world, "two.jsonl"), |all| !of(all, "in-alarm").is_empty()).await;
    assert_eq!(acted(&lines(&at(&world, "two.jsonl"))), [] as [&str; 0]);
    kill(&mut one.child);
    let two = at(&world, "two.jsonl");
    let contained = |name: &&str| matches!(*name, "isolated" | "unproven" | "done before");
    lines_until(&two, |all| acted(all).iter().any(contained)).await;
    assert!(world.member("dev-IZWB").await);
    let adds = changes(&world).iter().filter(|line| line.contains("addThingToThingGroup")).count();
    assert_eq!(adds, 1, "{:?}", changes(&world));
}

/// A subscriber of a topic, confirmed; where it is posted to.
async fn subscribed(world: &World, topic: &str) -> Ear {
    let ear = Ear::default();
    let address = ear.open(200).await;
    world.subscribe(topic, &format!("{address}/lambda")).await;
    let asked = ear.hears("/lambda", |m| m.contains("SubscribeURL")).await;
    let asked: Value = serde_json::from_str(&asked).unwrap();
    let confirm = asked["SubscribeURL"].as_str().unwrap().to_owned();
    quell::response::alert::web::Web::default().get(&confirm).await.unwrap();
    ear
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lab_s_function_takes_a_guard_s_alert_from_sns_and_so_does_respond() {
    if !crate::outside::python_has("boto3") {
        return crate::outside::skipped("python3 with boto3 is not here, so the lab's function was not run");
    }
    let world = world().await;
    world.group("Quarantine").await;
    let topic = world.topic("DDD_Alerts").await;
    let ear = subscribed(&world, &topic).await;
    let config = format!("[[guard.sink]]\nkind = \"sns\"\ntopic = {topic:?}\n");
    let mut guard = Running::of(guard(&world, &[], &config).spawn().unwrap());
    let posted = ear.hears("/lambda", |m| m.contains("in-alarm")).await;
    kill(&mut guard.child);
    let told: Vec<String> =
        ear.heard("/lambda").into_iter().filter(|m| !m.contains("SubscribeURL")).collect();
    assert!(told.iter().all(|m| m.contains("in-alarm")), "a program gets what AWS would send it: {told:?}");
    let notification: Value = serde_json::from_str(&posted).unwrap();
    // As Lambda wraps it.
    let event = json!({"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": notification}]});
    let endpoint = world.settings.endpoint_url.clone().unwrap();
    let text = event.to_string();
    let ran = tokio::task::spawn_blocking(move || {
        use std::io::Write as _;
        let mut python = Command::new("python3")
            .args(["-B", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guard/lab_lambda.py")])
            .envs([
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
                ("AWS_DEFAULT_REGION", "us-east-1"),
                ("AWS_ENDPOINT_URL", &endpoint),
            ])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        python.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        python.wait_with_output().unwrap()
    });
    let ran = ran.await.unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stdout).trim(), "OK", "{}", String::from_utf8_lossy(&ran.stderr));
    let groups = world.iot.list_thing_groups_for_thing().thing_name("dev-IZWB").send().await.unwrap();
    assert!(groups.thing_groups().iter().any(|group| group.group_name() == Some("Quarantine")));
    // The same event, taken by quell itself.
    let answered = world.run_with(&["respond", "--json"], "", Some(&event.to_string())).await;
    assert_eq!(answered.code, Some(0), "{answered:?}");
    let alert = &answered.json()["alerts"][0];
    assert_eq!((&alert["thingName"], &alert["result"]), (&json!("dev-IZWB"), &json!("dry run")));
}

/// The blocks of a kind of a page.
fn blocks(page: &str, kind: &str) -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let page = std::fs::read_to_string(page).unwrap();
    let begin = format!("```{kind}\n");
    page.split(begin.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_pages_about_guards_show_is_taken() {
    let world = world().await;
    let [profile, limited] = blocks("guard.md", "json").try_into().unwrap();
    world.file("sizes.json", &profile);
    world.file("limited.json", &limited);
    let [alert] = blocks("alerts.md", "json").try_into().unwrap();
    let answered = world.run_with(&["respond", "--json"], "", Some(&alert)).await;
    assert_eq!(answered.json()["alerts"][0]["result"], "dry run", "{answered:?}");
    let [sinks] = blocks("alerts.md", "toml").try_into().unwrap();
    let [rules] = blocks("guardrails.md", "toml").try_into().unwrap();
    world.file("rules.toml", &rules);
    for name in ["hook-url", "hook-key"] {
        world.file(name, "http://127.0.0.1:9/");
    }
    let sinks = sinks.replace("/run/secrets", world.folder.path().to_str().unwrap());
    for profiles in ["sizes.json", "limited.json"] {
        let line = ["guard", "--for", "1s", "--security-profiles", profiles, "--rules", "rules.toml"];
        let ran = world.run_with(&line, &sinks, None).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.err.contains("dry run"), "{ran:?}");
    }
    // The commands themselves: a guard ends after a moment, and a person only plans.
    let pages = ["guard.md", "guardrails.md"].map(|page| blocks(page, "console").concat());
    for line in pages.iter().flat_map(|page| page.lines()) {
        let mut words: Vec<&str> = line.split(' ').skip(1).collect();
        match words[0] {
            "guard" if words.contains(&"--in-aws") => {}
            "guard" => words.extend(["--for", "1s"]),
            _ => words.push("--dry-run"),
        }
        words.iter_mut().filter(|word| **word == "Thing02").for_each(|word| *word = "dev-IZWB");
        let ran = world.run(&words).await;
        assert_eq!(ran.code, Some(0), "{line}: {ran:?}");
    }
    let planned =
        world.run(&["guard", "--plan", "100000", "--every", "10s", "--bytes", "200", "--json"]).await;
    assert_eq!(
        (&planned.json()["connections"], &planned.json()["guards"]),
        (&json!(167), &json!(11)),
        "{planned:?}"
    );
    // What checks a signature checks one of ours.
    let [check] = blocks("alerts.md", "python").try_into().unwrap();
    let now = jiff::Timestamp::now().as_millisecond();
    let body = "{\"a\":1}";
    let signed = quell::guard::sink::signature(&quell::config::Secret("key".to_owned()), now, body);
    let script = format!(
        "{check}\nassert is_quell(b'key', {signed:?}, b'{body}')\nassert not is_quell(b'key', {signed:?}, b'other')\n"
    );
    let ran = Command::new("python3").args(["-c", &script]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_reads_the_configuration_anew_and_a_wrong_one_changes_nothing() {
    let world = world().await;
    let command = guard(&world, &[], &file_sink(&world, "first.jsonl"));
    let args: Vec<String> = command.get_args().map(|arg| arg.to_str().unwrap().to_owned()).collect();
    let config = &args[args.iter().position(|arg| arg == "--config").unwrap() + 1];
    let mut command = command;
    let mut running = Running::of(command.spawn().unwrap());
    lines_until(&at(&world, "first.jsonl"), |all| !of(all, "in-alarm").is_empty()).await;
    let hangup =
        |id: u32| assert!(Command::new("kill").args(["-HUP", &id.to_string()]).status().unwrap().success());
    let text = std::fs::read_to_string(config).unwrap();
    std::fs::write(config, text.replace("kind = \"file\"", "kind = \"pigeon\"")).unwrap();
    hangup(running.child.id());
    let said = running.says("the old configuration stays in force").await;
    assert!(said.contains("pigeon"), "{said}");
    std::fs::write(config, text.replace("first.jsonl", "second.jsonl")).unwrap();
    hangup(running.child.id());
    status_until(&world, |status| status["sinks"][0]["name"] == "second.jsonl").await;
    // It goes on judging: what is over, and broken again, is told to the new one.
    world.say("temperature/dev-IZWB", "1");
    lines_until(&at(&world, "second.jsonl"), |all| !of(all, "in-alarm").is_empty()).await;
    let first = lines(&at(&world, "first.jsonl"));
    assert_eq!(of(&first, "in-alarm").len(), 1, "{first:#?}");
    assert_eq!(ends(&mut running.child, "-TERM").await, Some(130));
}

/// The configuration file that a guard was started with.
fn config_of(command: &Command) -> PathBuf {
    let args: Vec<&str> = command.get_args().map(|arg| arg.to_str().unwrap()).collect();
    PathBuf::from(args[args.iter().position(|arg| *arg == "--config").unwrap() + 1])
}

fn hangup(running: &Running) {
    assert!(Command::new("kill").args(["-HUP", &running.child.id().to_string()]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timed_isolation_of_a_mapped_name_ends() {
    let world = world().await;
    world.things(&["Pump-IZWB"]).await;
    let rules = "names = [\"dev-(.+)=Pump-$1\"]\n[[rule]]\ndo = [\"isolate\"]\nfor = \"3s\"\n";
    world.file("rules.toml", rules);
    let rules = at(&world, "rules.toml");
    let line = ["--yes", "--rules", rules.to_str().unwrap(), "--timeout", "5s"];
    let path = at(&world, "alerts.jsonl");
    let _guard = Running::of(guard(&world, &line, &file_sink(&world, "alerts.jsonl")).spawn().unwrap());
    // It was never heard, so that its release is not proven.
    let over = |line: &Value| {
        line["thingName"] == "Pump-IZWB"
            && line["quell"]["sentence"].as_str().unwrap().starts_with("its time is over: unproven")
    };
    lines_until(&path, |all| all.iter().any(over)).await;
    let taken = |line: &String| line.contains("removeThingFromThingGroup");
    assert!(changes(&world).iter().any(taken), "{:?}", changes(&world));
    assert!(!world.member("dev-IZWB").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_failed_is_tried_again_and_told_once() {
    use crate::door::Verdict;
    let world = world().await;
    world.file("rules.toml", "retries = 0\n[[rule]]\ndo = [\"isolate\"]\n");
    let rules = at(&world, "rules.toml");
    let path = at(&world, "alerts.jsonl");
    world.door.rule(
        |_, line| {
            if line.contains("addThingToThingGroup") { Verdict::Refuse } else { Verdict::Pass }
        },
    );
    let line = ["--yes", "--rules", rules.to_str().unwrap(), "--timeout", "20s"];
    let _guard = Running::of(guard(&world, &line, &file_sink(&world, "alerts.jsonl")).spawn().unwrap());
    lines_until(&path, |all| acted(all).contains(&"failed")).await;
    assert!(!world.member("dev-IZWB").await);
    let tried = |world: &World| changes(world).iter().filter(|l| l.contains("addThingToThingGroup")).count();
    timeout(LONG, async {
        while tried(&world) < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    world.door.open();
    let all = lines_until(&path, |all| acted(all).contains(&"isolated")).await;
    assert!(world.member("dev-IZWB").await);
    assert_eq!(acted(&all).iter().filter(|name| **name == "failed").count(), 1, "{all:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_only_after_a_hangup_changes_nothing_and_what_may_not_be_asked_is_told() {
    use crate::door::Verdict;
    let world = World::start().await;
    world.file("profile.json", PROFILE);
    let certificate = world.things(&["dev-IZWB"]).await;
    let mut command = guard(&world, &["--yes"], &file_sink(&world, "alerts.jsonl"));
    let config = config_of(&command);
    let mut running = Running::of(command.spawn().unwrap());
    status_until(&world, |status| status["lease"] == "held").await;
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("read-only = true\n{text}")).unwrap();
    hangup(&running);
    status_until(&world, |status| status["acts"] == false).await;
    world.door.forget();
    world.device("dev-IZWB", &certificate).await;
    let path = at(&world, "alerts.jsonl");
    let refused = |all: &[Value]| acted(all).contains(&"refused");
    let all = lines_until(&path, refused).await;
    assert!(all.iter().any(|l| l["quell"]["sentence"].as_str().unwrap().contains("read-only")), "{all:#?}");
    assert_eq!(world.door.changes(), [] as [&str; 0], "not even the lease is written");
    // It acts again; but nobody lets it ask who does. Whoever is told in the account or beyond it still is.
    world.door.rule(|_, line| {
        if line.contains("/things/quell-guard/shadow") { Verdict::Refuse } else { Verdict::Pass }
    });
    world.door.unreadable(&["/things/quell-guard/shadow"]);
    let ear = Ear::default();
    let hook = ear.open(200).await;
    std::fs::write(&config, format!("{text}[[guard.sink]]\nkind = \"webhook\"\nurl = \"{hook}/hook\"\n"))
        .unwrap();
    hangup(&running);
    ear.hears("/hook", |m| m.contains("lease_unknown")).await;
    assert!(!world.member("dev-IZWB").await);
    assert_eq!(changes(&world), [] as [&str; 0]);
    // It may ask again: what was found meanwhile is acted on.
    world.door.open();
    world.door.unreadable(&[]);
    lines_until(&path, |all| acted(all).contains(&"isolated")).await;
    assert!(world.member("dev-IZWB").await);
    assert_eq!(ends(&mut running.child, "-TERM").await, Some(130));
}
