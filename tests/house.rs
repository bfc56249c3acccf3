//! The structure of the sources, read as text: which room may use which, and that every fact cited is written down.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The rooms of `src/` from the bottom up, with those that stand side by side in one row.
const ROOMS: [&[&str]; 7] =
    [&["config"], &["stream", "cloud"], &["response"], &["case"], &["console"], &["guard"], &["cli"]];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` whose name ends in `.rs`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The names that follow `mark` in `text`, each as far as an identifier goes.
fn after<'a>(text: &'a str, mark: &str) -> impl Iterator<Item = &'a str> {
    text.split(mark).skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    })
}

/// The rooms that `text` uses by a path from the crate's root, `use crate::{a, b}` included.
fn rooms_used(text: &str) -> BTreeSet<&str> {
    let mut used: BTreeSet<&str> = after(text, "crate::").collect();
    for group in text.split("crate::{").skip(1) {
        let group = group.split("};").next().unwrap_or_default();
        used.extend(group.split(|c: char| !c.is_alphanumeric() && c != '_'));
    }
    used
}

fn row(room: &str) -> Option<usize> {
    ROOMS.iter().position(|row| row.contains(&room))
}

#[test]
fn no_room_uses_one_above_or_beside_it() {
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for path in sources(&root().join("src")) {
        let within = path.strip_prefix(root().join("src")).unwrap();
        let first = within.components().next().unwrap().as_os_str().to_str().unwrap();
        let room = first.trim_end_matches(".rs");
        let Some(own) = row(room) else { continue };
        seen.insert(room.to_owned());
        let text = std::fs::read_to_string(&path).unwrap();
        for used in rooms_used(&text) {
            if used != room && row(used).is_some_and(|row| row >= own) {
                wrong.push(format!("{} uses {used}", within.display()));
            }
        }
    }
    let named: BTreeSet<String> =
        ROOMS.iter().flat_map(|row| row.iter().map(|&room| room.to_owned())).collect();
    assert_eq!(seen, named, "each room named here is a room");
    assert!(wrong.is_empty(), "arrows up:\n{}", wrong.join("\n"));
}

/// Every file of `src/` whose text `holds`, by its path within.
fn holding(holds: impl Fn(&str) -> bool) -> Vec<String> {
    let src = root().join("src");
    let all = sources(&src).into_iter().filter(|path| holds(&std::fs::read_to_string(path).unwrap()));
    all.map(|path| path.strip_prefix(&src).unwrap().display().to_string()).collect()
}

#[test]
fn a_change_leaves_through_one_door_that_one_grant_opens() {
    let execute = |path: &String| path.starts_with("response/execute");
    let wrong: Vec<_> =
        holding(|text| text.contains(".changes(")).into_iter().filter(|path| !execute(path)).collect();
    assert!(wrong.is_empty(), "only the executor opens the door for changes: {wrong:?}");
    assert_eq!(holding(|text| text.contains("Warrant for")), ["response/gate.rs"], "one thing opens it");
    // What is said in quell's own name needs a leave of its own, which nobody has in read-only mode.
    assert_eq!(holding(|text| text.contains("Voice for")), ["response/gate.rs"], "one thing gives it");
    let tells = std::fs::read_to_string(root().join("src/cloud/tell.rs")).unwrap();
    let ways: Vec<&str> = after(&tells, "pub async fn ").collect();
    assert_eq!(ways, ["publish", "claim"]);
    assert_eq!(tells.matches("_held: &impl Voice").count(), ways.len(), "each asks for it");
    let sends: Vec<_> =
        holding(|text| text.contains(".send()")).into_iter().filter(|p| !execute(p)).collect();
    assert!(sends.iter().all(|path| path.starts_with("cloud/")), "requests leave from elsewhere: {sends:?}");
    let clients = holding(|text| text.contains("iot::Client") || text.contains("iotdataplane::Client"));
    assert!(clients.iter().all(|path| path.starts_with("cloud/")), "the SDK's clients: {clients:?}");
}

#[test]
fn a_crate_below_does_not_name_one_above_it() {
    for (below, above) in [
        ("rules", &["quell_fleet", "quell_emulator", "quell::"][..]),
        ("fleet", &["quell_emulator", "quell::"]),
        ("emulator/src", &["quell_fleet", "quell::"]),
    ] {
        for path in sources(&root().join("crates").join(below)) {
            let text = std::fs::read_to_string(&path).unwrap();
            for name in above {
                assert!(!text.contains(name), "{} names {name}", path.display());
            }
        }
    }
}

/// What stands behind each citation of the facts in `text`: `docs/aws-iot.md#2.3, #4.1` cites two.
fn citations(text: &str) -> Vec<String> {
    let mut cited = Vec::new();
    for rest in text.split("aws-iot.md#").skip(1) {
        let mut rest = rest;
        loop {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let (number, tail) = rest.split_at(end);
            cited.push(number.trim_end_matches('.').to_owned());
            let next = [", #", " to #", " and #"].iter().find_map(|join| tail.strip_prefix(join));
            match next {
                Some(more) => rest = more,
                None => break,
            }
        }
    }
    cited
}

#[test]
fn every_fact_that_a_comment_cites_is_written_down() {
    let facts = std::fs::read_to_string(root().join("docs/aws-iot.md")).unwrap();
    let anchors: BTreeSet<&str> =
        facts.split("<a id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let mut cited = 0;
    let mut wrong = Vec::new();
    for folder in ["src", "crates", "tests", "benches"] {
        for path in sources(&root().join(folder)) {
            if path.ends_with("tests/house.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for anchor in citations(&text) {
                cited += 1;
                if !anchors.contains(anchor.as_str()) {
                    wrong.push(format!("{} cites #{anchor}", path.display()));
                }
            }
            if text.contains("contract §") {
                wrong.push(format!("{} cites a contract that is not here", path.display()));
            }
        }
    }
    assert!(cited > 100, "only {cited} citations were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_citation_is_read_whole() {
    let text = "a (docs/aws-iot.md#2.3, #4.1.12). b docs/aws-iot.md#3.4 to #3.8; c docs/aws-iot.md#5.";
    assert_eq!(citations(text), ["2.3", "4.1.12", "3.4", "3.8", "5"]);
    assert_eq!(rooms_used("use crate::{cli, cloud::Clients};").len(), 4);
}

#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let page = std::fs::read_to_string(root().join("docs/threat-model.md")).unwrap();
    let texts: Vec<String> = ["src", "crates", "tests"]
        .iter()
        .flat_map(|folder| sources(&root().join(folder)))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    // What stands between backticks and looks like the name of a test: words joined by low lines.
    let named: BTreeSet<&str> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| {
            name.contains('_')
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        })
        .collect();
    assert!(named.len() > 25, "only {named:?}");
    let missing: Vec<_> = named
        .iter()
        .filter(|name| {
            let head = format!("fn {name}(");
            !texts.iter().any(|text| text.contains(&head))
        })
        .collect();
    assert!(missing.is_empty(), "no test has these names: {missing:?}");
}

#[test]
fn every_advisory_that_is_accepted_has_a_reason_and_an_end() {
    let text = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    let today = jiff::Zoned::now().date();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let accepted: Vec<usize> =
        (0..lines.len()).filter(|&n| lines[n].starts_with("{ id = \"RUSTSEC-")).collect();
    for &n in &accepted {
        assert!(lines[n].contains("reason = \""), "no reason: {}", lines[n]);
        let until = lines[n - 1].strip_prefix("# until ").and_then(|rest| rest.get(..10)).unwrap_or_default();
        let until: jiff::civil::Date =
            until.parse().unwrap_or_else(|_| panic!("no `# until DAY`: {}", lines[n]));
        assert!(today <= until, "is it still needed? {}", lines[n]);
    }
    assert_eq!(accepted.len(), text.matches("RUSTSEC-").count());
}

#[test]
fn the_worked_changes_fit_the_sources() {
    let mut hunks = 0;
    for entry in std::fs::read_dir(root().join("docs/contributing")).unwrap() {
        let diff = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for file in diff.split("\n+++ b/").skip(1) {
            let (name, rest) = file.split_once('\n').unwrap();
            let source = std::fs::read_to_string(root().join(name)).unwrap();
            for hunk in rest.split("\n@@ -").map(|hunk| hunk.trim_start_matches("@@ -")) {
                let lines = hunk.lines().skip(1).take_while(|line| !line.starts_with("diff --git"));
                let old: Vec<&str> = lines
                    .filter(|line| !line.starts_with('+'))
                    .map(|line| line.get(1..).unwrap_or(""))
                    .collect();
                hunks += 1;
                assert!(source.contains(&old.join("\n")), "{name} has changed under\n{hunk}");
            }
        }
    }
    assert!(hunks >= 7, "only {hunks}");
}
