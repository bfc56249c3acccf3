//! `quell respond`: the workshop's event is answered as its function did, and what that function got wrong is not.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};

use serde_json::{Value, json};

use crate::world::World;

pub(crate) const EVENT: &str = include_str!("event.json");

pub(crate) async fn world() -> World {
    let world = World::start().await;
    let certificate = world.things(&["dev-IZWB"]).await;
    world.device("dev-IZWB", &certificate).await;
    world.door.forget();
    world
}

/// The event with another message in it.
pub(crate) fn with_message(change: impl FnOnce(&mut Value)) -> String {
    let mut event: Value = serde_json::from_str(EVENT).unwrap();
    let sns = &mut event["Records"][0]["Sns"];
    let mut message: Value = serde_json::from_str(sns["Message"].as_str().unwrap()).unwrap();
    change(&mut message);
    sns["Message"] = json!(message.to_string());
    event.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_workshop_s_event_isolates_its_thing_and_sets_its_shadow_once() {
    let world = world().await;
    let dry = world.run_with(&["respond", "--json"], "", Some(EVENT)).await;
    assert_eq!((dry.code, world.changed()), (Some(0), 0), "dry run is the default: {dry:?}");
    assert_eq!(dry.json()["alerts"][0]["result"], "dry run");
    assert!(dry.out.contains("iot:AddThingToThingGroup"), "it says what it would do");

    let acted = world.run_with(&["respond", "--yes", "--json"], "", Some(EVENT)).await;
    assert_eq!(acted.code, Some(0), "{acted:?}");
    let alert = &acted.json()["alerts"][0];
    assert_eq!((&alert["thingName"], &alert["result"]), (&json!("dev-IZWB"), &json!("isolated")));
    assert!(world.member("dev-IZWB").await);
    let shadow = world.data.get_thing_shadow().thing_name("dev-IZWB").send().await.unwrap();
    let shadow: Value = serde_json::from_slice(shadow.payload().unwrap().as_ref()).unwrap();
    assert_eq!(shadow["state"]["desired"], json!({"quarantine": true}));

    world.door.forget();
    let replay = world.run_with(&["respond", "--yes", "--json"], "", Some(EVENT)).await;
    assert_eq!((replay.code, world.changed()), (Some(0), 0), "{replay:?}");
    assert!(replay.json()["alerts"][0]["why"].as_str().unwrap().contains("replay"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_alarm_or_not_to_be_believed_changes_nothing_and_says_why() {
    let world = world().await;
    let event: Value = serde_json::from_str(EVENT).unwrap();
    // As SNS would post it: then the signature must be SNS's, and this one is not of this content.
    let mut forged = event["Records"][0]["Sns"].clone();
    forged["SigningCertURL"] = json!(format!("{}/forged.pem", world.settings.endpoint_url.as_ref().unwrap()));
    let mut stranger = forged.clone();
    stranger["SigningCertURL"] = json!("https://evil.example/cert.pem");
    let cases = [
        (with_message(|m| m["violationEventType"] = json!("alarm-cleared")), 0, "alarm-cleared"),
        (with_message(|m| m["violationEventType"] = json!("alarm-invalidated")), 0, "alarm-invalidated"),
        (forged.to_string(), 1, "not believed"),
        (stranger.to_string(), 1, "not where SNS keeps them"),
        (with_message(|m| m["thingName"] = json!("$aws/things")), 1, "thingName"),
        (with_message(|m| m["violationId"] = json!(null)), 1, "violationId"),
        ("\u{1b}[31mgarbage".to_owned(), 1, "no JSON"),
        (r#"{"Records":[{"s3":{}}]}"#.to_owned(), 1, "not from SNS"),
    ];
    for (text, code, why) in cases {
        let ran = world.run_with(&["respond", "--yes", "--json"], "", Some(&text)).await;
        assert_eq!(ran.code, Some(code), "{why}: {ran:?}");
        assert!(ran.json()["alerts"][0]["why"].as_str().unwrap().contains(why), "{why}: {ran:?}");
        assert_eq!(world.changed(), 0, "{why}");
    }
    let nobody = with_message(|m| m["thingName"] = json!("nobody"));
    let ran = world.run_with(&["respond", "--yes"], "", Some(&nobody)).await;
    assert_eq!((ran.code, world.changed()), (Some(4), 0), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_map_names_limit_themselves_and_ask_for_people() {
    let world = world().await;
    let file = world.folder.path().join("rules.toml");
    let text = "max-per-hour = 1\nretries = 0\nnames = [\"Sensor-(\\\\w+)=dev-$1\"]\n[[rule]]\nbehavior = \"Mess*\"\ndo = [\"isolate\"]\n";
    std::fs::write(&file, text).unwrap();
    let line = ["respond", "--yes", "--json", "--rules", file.to_str().unwrap()];
    let other = with_message(|m| m["behavior"]["name"] = json!("Other"));
    let ran = world.run_with(&line, "", Some(&other)).await;
    assert_eq!((ran.code, world.changed()), (Some(0), 0), "no rule: {ran:?}");
    let named = with_message(|m| m["thingName"] = json!("Sensor-IZWB"));
    let typed = "[guardrails]\nlevels = { isolate = \"account\" }\n";
    let ran = world.run_with(&line, typed, Some(&named)).await;
    assert_eq!((ran.code, world.changed()), (Some(4), 0), "a person is wanted: {ran:?}");
    // That attempt counts: the limit is one an hour.
    let ran = world.run_with(&line, "", Some(&named)).await;
    assert_eq!((ran.code, world.changed()), (Some(4), 0), "{ran:?}");
    assert!(ran.out.contains("flood"), "{ran:?}");
    std::fs::write(&file, text.replace("max-per-hour = 1", "max-per-hour = 9")).unwrap();
    let ran = world.run_with(&line, "", Some(&named)).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(world.member("dev-IZWB").await, "the alert's name was mapped");
    std::fs::write(&file, "[[rule]]\ndo = [\"explode\"]\n").unwrap();
    assert_eq!(world.run_with(&line, "", Some(&named)).await.code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_post_to_the_listener_is_answered_and_not_believed() {
    let world = world().await;
    let mut child = world.spawn(&["respond", "--yes", "--json", "--listen", "127.0.0.1:0"]);
    let event: Value = serde_json::from_str(EVENT).unwrap();
    let body = event["Records"][0]["Sns"].to_string();
    let told = tokio::task::spawn_blocking(move || {
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines
            .find_map(|l| l.unwrap().split_once("http://").map(|(_, a)| a.trim_end_matches('/').to_owned()));
        let post = |body: &str| {
            let mut stream = std::net::TcpStream::connect(address.as_ref().unwrap()).unwrap();
            let head = format!(
                "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all((head + body).as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        assert!(post("garbage").starts_with("HTTP/1.1 400"));
        assert!(
            post(&body.replace("https://sns.us-east-1.amazonaws.com", "https://evil.example"))
                .starts_with("HTTP/1.1 200")
        );
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        line
    })
    .await
    .unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert!(told["why"].as_str().unwrap().contains("not believed"), "{told}");
    assert_eq!(world.changed(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_of_another_topic_or_account_is_ignored_however_it_came() {
    let world = world().await;
    let of = |arn: &str| {
        let mut event: Value = serde_json::from_str(EVENT).unwrap();
        event["Records"][0]["Sns"]["TopicArn"] = json!(arn);
        event
    };
    let (ours, theirs) =
        ("arn:aws:sns:us-east-1:123456789012:DDD_Alerts", "arn:aws:sns:us-east-1:999999999999:DDD_Alerts");
    let only = "arn:aws:sns:us-east-1:123456789012:ONLY_THIS";
    let unchecked = of(theirs)["Records"][0]["Sns"].to_string();
    let bare = of(ours)["Records"][0]["Sns"]["Message"].as_str().unwrap().to_owned();
    let cases: [(&[&str], String, &str); 4] = [
        (&["--topic-arn", only], of(ours).to_string(), "which --topic-arn does not name"),
        (&[], of(theirs).to_string(), "of another account"),
        (&["--no-signature-check"], unchecked, "of another account"),
        (&["--topic-arn", only], bare, "names no topic"),
    ];
    for (flags, text, why) in cases {
        let line = [&["respond", "--yes", "--json"], flags].concat();
        let ran = world.run_with(&line, "", Some(&text)).await;
        assert_eq!((ran.code, world.changed()), (Some(0), 0), "{why}: {ran:?}");
        let alert = &ran.json()["alerts"][0];
        assert_eq!(alert["result"], "ignored", "{ran:?}");
        assert!(alert["why"].as_str().unwrap().contains(why), "{why}: {ran:?}");
    }
    let ran = world
        .run_with(&["respond", "--yes", "--json", "--topic-arn", ours], "", Some(&of(ours).to_string()))
        .await;
    assert_eq!(ran.json()["alerts"][0]["result"], "isolated", "{ran:?}");
}

/// A violation lives on while its device misbehaves: what AWS raises again is news, and so is another thing.
#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_the_same_alert_and_not_only_the_same_violation() {
    let world = world().await;
    world.things(&["dev-2"]).await;
    let line = ["respond", "--yes", "--json"];
    let first = world.run_with(&line, "", Some(EVENT)).await;
    assert_eq!(first.json()["alerts"][0]["result"], "isolated", "{first:?}");
    let other = with_message(|m| m["thingName"] = json!("dev-2"));
    let other = world.run_with(&line, "", Some(&other)).await;
    assert!(
        world.member("dev-2").await,
        "an id that was used keeps no other thing from being answered: {other:?}"
    );
    let release = world.run(&["release", "dev-IZWB", "--yes"]).await;
    assert!(!world.member("dev-IZWB").await, "{release:?}");
    let again = with_message(|m| m["violationEventTime"] = json!(1_573_786_900_000_i64));
    let again = world.run_with(&line, "", Some(&again)).await;
    assert!(world.member("dev-IZWB").await, "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_connections_and_bodies_of_many_records_do_not_stop_the_listener() {
    const IDLE: u64 = 1_100;
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    assert!(limit.maximum.is_none_or(|most| most > 2 * IDLE), "this machine gives too few descriptors");
    let world = world().await;
    // As a shell without privileges starts it.
    let inner = world.command(&["respond", "--yes", "--json", "--listen", "127.0.0.1:0"], "");
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", "ulimit -S -n 256; exec \"$@\"", "sh"])
        .arg(inner.get_program())
        .args(inner.get_args());
    command.env_clear().envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(world.folder.path());
    command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut many: Value = serde_json::from_str(EVENT).unwrap();
    let record = many["Records"][0].clone();
    many["Records"] = json!(vec![record.clone(); 300]);
    let signed_form = record["Sns"].to_string();
    let answers = tokio::task::spawn_blocking(move || {
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines
            .find_map(|l| l.unwrap().split_once("http://").map(|(_, a)| a.trim_end_matches('/').to_owned()))
            .unwrap();
        // The rest of what it says is read, so that it is never held up.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let idle: Vec<_> = (0..IDLE).map(|_| std::net::TcpStream::connect(&address).unwrap()).collect();
        let post = |body: &str| {
            let mut stream = std::net::TcpStream::connect(&address).unwrap();
            let head = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all((head + body).as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        let answers = [post(&many.to_string()), post(&signed_form)];
        // Whoever says nothing is not kept for ever.
        let mut first = idle.into_iter().next().unwrap();
        let mut rest = Vec::new();
        let ended = first.read_to_end(&mut rest).is_ok();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        (answers, ended, line)
    });
    let ([many, one], ended, line) = answers.await.unwrap();
    assert!(many.starts_with("HTTP/1.1 400"), "{many}");
    assert!(one.starts_with("HTTP/1.1 200"), "{one}");
    assert!(ended, "a connection without headers was closed");
    assert!(line.contains("not believed"), "one answer, to the one that was taken: {line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_rules_forbid_is_refused_with_its_reason_and_nobody_is_said_to_be_told() {
    let world = world().await;
    let file = world.folder.path().join("rules.toml");
    let line = ["respond", "--yes", "--json", "--rules", file.to_str().unwrap()];
    let days = r#"quiet = ["Mon-Sun 00:00-24:00"]"#;
    let cases = [
        (days, r#"["notify", "isolate"]"#, "refused", "quiet", 4),
        (days, r#"["notify"]"#, "refused", "quiet", 4),
        ("", r#"["notify"]"#, "ignored", "names nobody", 0),
    ];
    for (head, actions, result, why, code) in cases {
        std::fs::write(&file, format!("{head}\n[[rule]]\ndo = {actions}\n")).unwrap();
        let ran = world.run_with(&line, "", Some(EVENT)).await;
        assert_eq!((ran.code, world.changed()), (Some(code), 0), "{ran:?}");
        let alert = &ran.json()["alerts"][0];
        assert_eq!(alert["result"], result, "{alert}");
        assert!(alert["why"].as_str().unwrap().contains(why), "{alert}");
    }
    // Telling is no action on a thing: it is not what `ask-above` counts.
    let ear = crate::sns::Ear::default();
    let slack = ear.open(200).await;
    let told = format!("ask-above = 1\n[notify]\nslack = \"{slack}/slack\"\n[[rule]]\ndo = ");
    std::fs::write(&file, format!("{told}[\"notify\"]\n")).unwrap();
    let other = with_message(|m| m["thingName"] = json!("dev-2"));
    let ran = world.run_with(&line, "", Some(&other)).await;
    assert_eq!(ran.json()["alerts"][0]["result"], "notified", "{ran:?}");
    std::fs::write(&file, format!("{told}[\"isolate\"]\n")).unwrap();
    let later = with_message(|m| m["violationEventTime"] = json!(1_573_786_900_000_i64));
    let ran = world.run_with(&line, "", Some(&later)).await;
    assert_eq!(ran.json()["alerts"][0]["result"], "isolated", "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_is_asked_and_what_the_device_reports_is_the_proof() {
    let world = world().await;
    let file = world.folder.path().join("rules.toml");
    std::fs::write(&file, "[[rule]]\ndo = [\"shadow\"]\n").unwrap();
    let line = ["respond", "--yes", "--json", "--rules", file.to_str().unwrap()];
    let dry = world.run_with(&["respond", "--json", "--rules", line[4]], "", Some(EVENT)).await;
    assert_eq!((dry.code, world.changed()), (Some(0), 0), "{dry:?}");
    assert!(dry.out.contains("iot:UpdateThingShadow"), "{dry:?}");
    let asked = world.run_with(&line, "", Some(EVENT)).await;
    let alert = &asked.json()["alerts"][0];
    assert_eq!((asked.code, &alert["result"]), (Some(5), &json!("unproven")), "{asked:?}");
    let shadow = world.data.get_thing_shadow().thing_name("dev-IZWB").send().await.unwrap();
    let shadow: Value = serde_json::from_slice(shadow.payload().unwrap().as_ref()).unwrap();
    assert_eq!(shadow["state"]["desired"], json!({"quarantine": true}));
    assert!(!world.member("dev-IZWB").await, "nothing holds it");
    let journal = world.run(&["journal", "--json"]).await.json();
    let of_flag = |kind: &str| {
        journal["entries"].as_array().unwrap().iter().any(|e| e["kind"] == kind && e["what"] == "flag")
    };
    assert!(of_flag("intent"), "{journal}");
    // Another device does what its shadow asks.
    world.things(&["dev-2"]).await;
    let device = world.data.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            let Ok(found) = device.get_thing_shadow().thing_name("dev-2").send().await else { continue };
            let found: Value = serde_json::from_slice(found.payload().unwrap().as_ref()).unwrap();
            if found["state"]["desired"]["quarantine"] == true {
                let reports = json!({"state": {"reported": {"quarantine": true}}}).to_string();
                let update = device.update_thing_shadow().thing_name("dev-2");
                update.payload(reports.into_bytes().into()).send().await.unwrap();
                return;
            }
        }
    });
    let other = with_message(|m| m["thingName"] = json!("dev-2"));
    let proven = world.run_with(&line, "", Some(&other)).await;
    let alert = &proven.json()["alerts"][0];
    assert_eq!((proven.code, &alert["result"]), (Some(0), &json!("done")), "{proven:?}");
    assert!(alert["why"].as_str().unwrap().contains("proven"), "{alert}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_kept_before_the_first_request_or_nothing_is_sent() {
    let world = world().await;
    let file = world.folder.path().join("rules.toml");
    std::fs::write(&file, "retries = 0\n[[rule]]\ndo = [\"isolate\"]\ncase = true\n").unwrap();
    let line = ["respond", "--yes", "--json", "--rules", file.to_str().unwrap()];
    let cases = world.rules.journal.with_file_name("cases");
    std::fs::create_dir_all(cases.parent().unwrap()).unwrap();
    std::fs::write(&cases, "in the way").unwrap();
    let failed = world.run_with(&line, "", Some(EVENT)).await;
    assert_eq!((failed.code, world.changed()), (Some(1), 0), "{failed:?}");
    assert!(failed.out.contains("the case could not be kept"), "{failed:?}");
    std::fs::remove_file(&cases).unwrap();
    let done = world.run_with(&line, "", Some(EVENT)).await;
    assert_eq!(done.code, Some(0), "what failed is answered when it is told again: {done:?}");
    let folders: Vec<_> = std::fs::read_dir(&cases).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [case] = folders.as_slice() else { panic!("{folders:?}") };
    assert!(done.json()["alerts"][0]["why"].as_str().unwrap().contains(case.to_str().unwrap()), "{done:?}");
    let groups = std::fs::read_to_string(case.join("kept/001-dev-IZWB/groups.json")).unwrap();
    assert!(!groups.contains("IsolatedDevices"), "it was kept before the thing was put there: {groups}");
    let report = world.run(&["case", "report", case.to_str().unwrap()]).await;
    assert_eq!(report.code, Some(0), "{report:?}");
    assert!(report.out.contains("MessagesPub"), "the alert stands in it: {report:?}");
}

/// Every failed poll is another attempt, and no more news; that it ends is news once.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_while_polling_is_told_once_and_once_its_end() {
    let world = world().await;
    let ear = crate::sns::Ear::default();
    let slack = ear.open(200).await;
    world.file("rules.toml", &format!("[notify]\nslack = \"{slack}/slack\"\n"));
    let file = world.folder.path().join("rules.toml");
    world.door.unreadable(&["active-violations"]);
    let line = ["respond", "--poll", "--yes", "--rules", file.to_str().unwrap()];
    let _running =
        crate::sns::Running::of(world.command(&line, "[polls]\nalarm-seconds = 1\n").spawn().unwrap());
    ear.hears("/slack", |text| text.contains("violations cannot be read")).await;
    let polled = |world: &World| {
        world.door.requests().iter().filter(|(_, request)| request.contains("active-violations")).count()
    };
    let until = async |more: usize| {
        let before = polled(&world);
        tokio::time::timeout(crate::world::LONG, async {
            while polled(&world) < before + more {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        })
        .await
        .unwrap();
    };
    until(3).await;
    assert_eq!(ear.heard("/slack").len(), 1, "told once, however often it fails");
    world.door.unreadable(&[]);
    ear.hears("/slack", |text| text.contains("can be read again")).await;
    until(2).await;
    assert_eq!(ear.heard("/slack").len(), 2);
}
