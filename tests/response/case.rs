//! `quell case` against an account: evidence is kept before containment, closed, and every change of it is found.

use std::path::Path;

use quell::case::folder::Folder;
use quell::case::report;
use quell::case::sign::{Key, PublicKey};
use quell::case::verify::verify;
use quell::response::journal::Journal;
use quell_fleet::Limits;
use quell_fleet::event::{Batch, Event};
use quell_fleet::model::Name;
use quell_fleet::record::{Header, Recorder};
use serde_json::{Value, json};

use crate::world::World;

fn json_of(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_isolation_destroys_is_kept_before_it_and_closed_into_a_case() {
    let world = World::start().await;
    let certificate = world.things(&["Thing02"]).await;
    let _device = world.device("Thing02", &certificate).await;
    let shadow = r#"{"state":{"reported":{"firmware":"1.0"}}}"#;
    let update = world.data.update_thing_shadow().thing_name("Thing02");
    update.payload(shadow.as_bytes().to_vec().into()).send().await.unwrap();
    let retain = world.data.publish().topic("temperature/Thing02/last").retain(true);
    retain.payload(b"21.5".to_vec().into()).send().await.unwrap();
    let folder = world.folder.path().to_owned();

    let kept = world.run(&["isolate", "Thing02", "--case", "c", "--yes", "--json"]).await;
    assert_eq!(kept.code, Some(0), "{kept:?}");
    let case = folder.join("c");
    let part = |name: &str| json_of(&case.join(format!("kept/001-Thing02/{name}.json")));
    let groups = part("groups");
    assert_eq!(groups["read"]["thingGroups"], json!([]), "kept before it was isolated: {groups:#}");
    assert_eq!(part("certificates")["read"]["certificates"][0]["certificateId"], certificate);
    let policies = part("policies");
    assert_eq!(policies["read"]["effectivePolicies"][0]["policyName"], "AllowAll", "{policies:#}");
    assert_eq!(part("shadows")["read"]["shadows"][0]["document"]["state"]["reported"]["firmware"], "1.0");
    let sessions = part("sessions");
    assert_eq!(sessions["read"]["sessions"][0]["connection"]["connected"], true, "{sessions:#}");
    let retained = part("retained");
    assert_eq!(retained["read"]["retained"][0]["message"]["payload"], "MjEuNQ==", "{retained:#}");
    assert!(!part("messages")["messages"].as_array().unwrap().is_empty());
    assert!(part("shadows")["requestIds"].as_array().is_some_and(|ids| !ids.is_empty()));

    // Everything that was sent is in it when it is closed; nothing of it is a secret.
    assert_eq!(world.run(&["case", "key"]).await.code, Some(0));
    assert_eq!(world.run(&["case", "key"]).await.code, Some(2), "a key is never overwritten");
    world.file("alert.json", r#"{"violationEventType":"in-alarm"}"#);
    let added = ["case", "add", "c", "--alert", "alert.json", "--note", "seen at <b>the</b> gate"];
    assert_eq!(world.run(&added).await.code, Some(0));
    let closed = world.run(&["case", "close", "c"]).await;
    assert_eq!(closed.code, Some(0), "{closed:?}");
    let verified =
        world.run(&["case", "verify", "c.tar", "--public-key", "quell/case.key.pub", "--json"]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert_eq!(verified.json()["verified"], true);
    let journal = std::fs::read_to_string(case.join("added/journal.jsonl")).unwrap();
    assert!(journal.contains("request_id") && journal.contains("AddThingToThingGroup"), "{journal}");
    for text in [&journal, &std::fs::read_to_string(case.join("case.json")).unwrap()] {
        assert!(!text.contains("AWS_SECRET") && !text.contains("PRIVATE KEY"), "{text}");
    }
    for format in ["markdown", "html", "json"] {
        let told = world.run(&["case", "report", "c.tar", "--format", format]).await;
        assert_eq!(told.code, Some(0), "{told:?}");
        assert!(told.out.contains("Thing02"), "{}", told.out);
        assert!(format == "json" || !told.out.contains("<b>the</b>"), "{}", told.out);
    }
    let ocsf = world.run(&["case", "report", "c.tar", "--format", "json"]).await.json();
    assert_eq!(
        (&ocsf["class_uid"], &ocsf["type_uid"], &ocsf["status_id"]),
        (&2005.into(), &200_503.into(), &5.into())
    );
    let refused = world.run(&["release", "Thing02", "--case", "c", "--yes"]).await;
    assert_eq!(refused.code, Some(1), "a case is never overwritten, and then nothing is sent: {refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_read_is_unknown_in_the_case_and_nothing_changes() {
    let world = World::start().await;
    world.things(&["Thing02"]).await;
    world.door.unreadable(&["/shadow", "/things/Thing02/principals"]);
    let opened = world.run(&["case", "open", "Thing02", "--in", "c", "--note", "first look"]).await;
    assert_eq!(opened.code, Some(0), "{opened:?}");
    let part = json_of(&world.folder.path().join("c/kept/001-Thing02/shadows.json"));
    assert!(part["unknown"].is_string() && part["read"].is_null(), "{part:#}");
    // Without the certificates, their policies and the client ids seen with them are unknown, not none.
    let of = |name: &str| json_of(&world.folder.path().join(format!("c/kept/001-Thing02/{name}.json")));
    for name in ["certificates", "policies"] {
        assert!(of(name)["unknown"].is_string(), "{:#}", of(name));
    }
    assert!(of("sessions")["read"]["certificatesUnknown"].is_string(), "{:#}", of("sessions"));
    assert_eq!(world.changed(), 0);
    let checked = world.run(&["case", "report", "c", "--public-key", "x"]).await;
    assert_eq!(checked.code, Some(2), "an open case has no signature: {checked:?}");
    let told = world.run(&["case", "report", "c"]).await;
    assert!(told.out.contains("first look") && told.out.contains("unknown:"), "{}", told.out);
    assert_eq!(world.run(&["case", "close", "c"]).await.code, Some(2), "without a key");
}

/// A closed case without an account: a thing, a note, a file.
fn closed(folder: &Path) -> (std::path::PathBuf, PublicKey) {
    let case = Folder::create(&folder.join("case"), &["Thing02".to_owned()], None, None, 1_000).unwrap();
    case.keep("kept/001-Thing02/thing.json", &json!({"read": {"thingName": "Thing02"}}), 2_000).unwrap();
    case.note("a | <script>alert(1)</script> note", 3_000).unwrap();
    std::fs::write(folder.join("x.bin"), vec![7; 700]).unwrap();
    case.add("file", &folder.join("x.bin"), 4_000).unwrap();
    let key = Key::generate().unwrap();
    let out = folder.join("case.tar");
    case.close(&out, &key, &folder.join("no-journal"), 5_000).unwrap();
    (out, key.public())
}

#[test]
fn a_thousand_changes_of_one_byte_are_all_found() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, key) = closed(folder.path());
    verify(&archive, &key).unwrap();
    let whole = std::fs::read(&archive).unwrap();
    let mutated = folder.path().join("mutated.tar");
    let mut random = fastrand::Rng::with_seed(14);
    for round in 0..1_000 {
        let mut bytes = whole.clone();
        let at = random.usize(..bytes.len());
        match round % 10 {
            0 => drop(bytes.remove(at)),
            1 => bytes.insert(at, random.u8(..)),
            2 => bytes.truncate(at),
            _ => bytes[at] ^= random.u8(1..),
        }
        std::fs::write(&mutated, bytes).unwrap();
        let found = verify(&mutated, &key);
        assert!(found.is_err(), "round {round}: a change at {at} of {} was not found", whole.len());
    }
    let mut longer = whole;
    longer.push(0);
    std::fs::write(&mutated, longer).unwrap();
    assert!(verify(&mutated, &key).is_err(), "one byte more");
    let other = Key::generate().unwrap().public();
    assert!(verify(&archive, &other).unwrap_err().contains("signed with the key"), "another key");
}

#[test]
fn what_was_changed_before_it_was_closed_is_never_signed() {
    let open = |folder: &Path| {
        let case = Folder::create(&folder.join("case"), &["Thing02".to_owned()], None, None, 1_000).unwrap();
        case.keep("kept/001-Thing02/thing.json", &json!({"read": {"thingName": "Thing02"}}), 2_000).unwrap();
        case.note("first", 3_000).unwrap();
        case
    };
    let key = Key::generate().unwrap();
    let refused = |change: fn(&Path), named: &str| {
        let folder = tempfile::tempdir().unwrap();
        let case = open(folder.path());
        change(&folder.path().join("case"));
        let (out, none) = (folder.path().join("case.tar"), folder.path().join("none"));
        let log = || std::fs::read(folder.path().join("case/custody.jsonl")).unwrap();
        let before = log();
        let error = case.close(&out, &key, &none, 4_000).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
        assert!(!out.exists() && log() == before, "nothing was closed, and nothing says so");
    };
    let kept = "kept/001-Thing02/thing.json";
    refused(|case| std::fs::write(case.join("kept/001-Thing02/thing.json"), "{}").unwrap(), kept);
    refused(|case| std::fs::remove_file(case.join("kept/001-Thing02/thing.json")).unwrap(), kept);
    refused(|case| std::fs::write(case.join("added.txt"), "planted").unwrap(), "added.txt");
    refused(|case| std::fs::write(case.join("custody.jsonl.x"), "planted").unwrap(), "custody.jsonl.x");
    refused(
        |case| {
            let log = std::fs::read_to_string(case.join("custody.jsonl")).unwrap();
            std::fs::write(case.join("custody.jsonl"), log.replace("first", "other")).unwrap();
        },
        "custody.jsonl",
    );

    let folder = tempfile::tempdir().unwrap();
    let case = open(folder.path());
    let again = ["a.tar", "b.tar"].map(|name| folder.path().join(name));
    for out in &again {
        case.close(out, &key, &folder.path().join("none"), 5_000).unwrap();
        verify(out, &key.public()).unwrap();
    }
    let log = std::fs::read(folder.path().join("case/custody.jsonl")).unwrap();
    let nowhere = folder.path().join("no/where.tar");
    case.close(&nowhere, &key, &folder.path().join("none"), 6_000).unwrap_err();
    let after = std::fs::read(folder.path().join("case/custody.jsonl")).unwrap();
    assert_eq!(log, after, "what could not be closed is not said to be");
}

#[test]
fn other_tools_read_a_case_and_agree() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, _) = closed(folder.path());
    let into = folder.path().join("out");
    std::fs::create_dir(&into).unwrap();
    let run = |program: &str, args: &[&str]| {
        std::process::Command::new(program).args(args).current_dir(&into).output().unwrap()
    };
    let tar = run("tar", &["xf", archive.to_str().unwrap()]);
    assert!(tar.status.success() && tar.stderr.is_empty(), "{tar:?}");
    let sums = run("sha256sum", &["--check", "--strict", "SHA256SUMS"]);
    assert!(sums.status.success(), "{sums:?}");
    assert!(String::from_utf8(sums.stdout).unwrap().lines().count() >= 4);
}

#[test]
fn a_report_is_no_markup_of_what_it_tells() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, key) = closed(folder.path());
    let told = report::read(&archive, Some(verify(&archive, &key).unwrap()), true).unwrap();
    let (html, markdown) = (told.html(), told.markdown());
    assert!(!html.contains("<script>") && html.contains("&lt;script&gt;"), "{html}");
    assert!(!html.contains("http://") && !html.contains("https://"), "nothing is fetched");
    assert!(markdown.contains("a \\| \\<script\\>"), "{markdown}");
    assert!(markdown.contains("are as they were signed"), "{markdown}");
}

#[test]
fn a_report_tells_the_last_journal_alone_and_what_it_leaves_out() {
    let folder = tempfile::tempdir().unwrap();
    let at = |ms: i64| 1_574_254_200_000 + ms;
    let path = folder.path().join("case");
    let case = Folder::create(&path, &["Thing02".to_owned()], None, None, at(0)).unwrap();
    case.keep("kept/001-Thing02/retained.json", &json!({"read": {"retained": [], "notRead": 7}}), at(1))
        .unwrap();
    let sessions = json!({"read": {"sessions": [], "notRead": 3}});
    case.keep("kept/001-Thing02/sessions.json", &sessions, at(1)).unwrap();
    let header = Header {
        quell: "test".to_owned(),
        began: at(0),
        payloads: false,
        aws: true,
        speed: 1.0,
        badge: None,
        limits: (&Limits::default()).into(),
    };
    for n in 0..5 {
        let file = folder.path().join(format!("day-{n}.quell"));
        let mut recorder = Recorder::create(&file, &header, 1 << 20).unwrap();
        recorder.event(&Event::Batch(Batch::default()), at(0));
        recorder.tick(at(60_000));
        recorder.finish().unwrap();
        case.add("recording", &file, at(2)).unwrap();
    }
    let line = |what: &str| {
        json!({"at": "2019-11-20T12:50:10.000Z", "kind": "intent", "plan": "p1", "what": what,
        "targets": ["Thing02"]})
        .to_string()
            + "\n"
    };
    // An operator's own lines are no journal.
    std::fs::write(folder.path().join("mine.jsonl"), line("planted")).unwrap();
    case.add("file", &folder.path().join("mine.jsonl"), at(3)).unwrap();
    let key = Key::generate().unwrap();
    let journal = folder.path().join("journal.jsonl");
    let own = Journal::open(&journal).unwrap();
    own.append(at(10_000), "intent", "p1", json!({"what": "isolate", "targets": ["Thing02"]})).unwrap();
    own.note("seen at the gate", &[Name::new("Thing02")], None, at(11_000)).unwrap();
    own.note("of the whole evening", &[], None, at(12_000)).unwrap();
    own.note("another's", &[Name::new("Thing03")], None, at(13_000)).unwrap();
    for out in ["a.tar", "b.tar"] {
        case.close(&folder.path().join(out), &key, &journal, at(20_000)).unwrap();
    }
    let told = report::read(&folder.path().join("b.tar"), None, false).unwrap();
    let ocsf = told.ocsf();
    assert_eq!(ocsf["status_id"], 5);
    let timeline = ocsf["unmapped"]["recordings"][0]["report"]["timeline"].as_array().unwrap();
    let texts: Vec<&str> = timeline.iter().map(|line| line["text"].as_str().unwrap()).collect();
    let expected = ["isolate confirmed", "note: seen at the gate", "note: of the whole evening"];
    assert_eq!(texts, expected, "told once, although it was closed twice");
    let markdown = told.markdown();
    for said in ["1 of 5 recordings are not told", "; 7 more were not read", "; 3 more were not read"] {
        assert!(markdown.contains(said), "{said}: {markdown}");
    }

    // What is added after a closing opens the case again; of a long custody log its end is told, which says so.
    for n in 0..2_000 {
        case.note(&format!("note {n}"), at(30_000)).unwrap();
    }
    let told = report::read(&path, None, true).unwrap();
    assert_eq!(told.ocsf()["status_id"], 2);
    assert!(told.markdown().contains("note 1999") && told.markdown().contains("earlier entries are in"));
    assert!(told.html().contains("earlier entries are in"));
}

#[test]
fn a_case_takes_no_name_that_leads_elsewhere_and_no_links() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case");
    let case = Folder::create(&path, &["../../Thing\u{202e}02".to_owned()], None, None, 1_000).unwrap();
    assert!(!case.about().things[0].folder.contains(".."), "{:?}", case.about().things);
    assert!(case.keep("kept/../../x.json", &json!(1), 2_000).is_err());
    assert!(case.keep("case.json", &json!(1), 2_000).is_err(), "written once");
    std::os::unix::fs::symlink("/etc/passwd", path.join("kept")).unwrap();
    let key = Key::generate().unwrap();
    let error = case.close(&folder.path().join("case.tar"), &key, &folder.path().join("none"), 3_000);
    assert!(error.unwrap_err().to_string().contains("no links"));
    assert!(!folder.path().join("case.tar").exists());
}
