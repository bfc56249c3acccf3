use super::*;
use std::os::unix::fs::PermissionsExt as _;

fn filled(lines: i64) -> (tempfile::TempDir, Journal, PathBuf) {
    filled_rotating(lines, ROTATE)
}

fn filled_rotating(lines: i64, rotate: u64) -> (tempfile::TempDir, Journal, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quell/journal.jsonl");
    let journal = Journal::rotating(&path, rotate).unwrap();
    for i in 0..lines {
        journal.append(1_700_000_000_000 + i, "intent", "p", json!({"n": i})).unwrap();
    }
    (folder, journal, path)
}

fn entries(journal: &Journal) -> Vec<Value> {
    let mut all = Vec::new();
    journal.each(|entry| all.push(entry)).unwrap();
    all
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_whole_journal_verifies_and_is_private() {
    let (_folder, journal, path) = filled(3);
    assert_eq!(journal.verify().unwrap(), Verdict { lines: 3, faults: Vec::new() });
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    let entries = entries(&journal);
    assert_eq!(entries[2]["seq"], 2);
    assert_eq!(entries[0]["at"], "2023-11-14T22:13:20.000Z");
}

#[test]
fn a_changed_a_removed_and_a_cut_off_line_show() {
    for damage in [
        |text: &str| text.replacen("\"n\":1", "\"n\":7", 1),
        |text: &str| {
            text.lines().enumerate().filter(|(i, _)| *i != 1).map(|(_, l)| format!("{l}\n")).collect()
        },
        |text: &str| text.lines().take(2).map(|l| format!("{l}\n")).collect(),
        |_: &str| String::new(),
    ] {
        let (_folder, journal, path) = filled(3);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, damage(&text)).unwrap();
        assert!(!journal.verify().unwrap().faults.is_empty());
    }
}

#[test]
fn a_head_that_is_missing_or_damaged_is_a_fault_and_one_that_is_behind_is_a_crash() {
    let (_folder, journal, path) = filled(1);
    let head = path.with_file_name("journal.jsonl.head");
    let earlier = std::fs::read(&head).unwrap();
    journal.append(1_700_000_000_002, "outcome", "p", json!({})).unwrap();
    std::fs::write(&head, earlier).unwrap();
    assert_eq!(journal.verify().unwrap().faults, Vec::<String>::new());
    for wrong in ["", "nonsense\n"] {
        std::fs::write(&head, wrong).unwrap();
        assert!(journal.verify().unwrap().faults[0].contains("damaged"));
    }
    std::fs::remove_file(&head).unwrap();
    assert!(journal.verify().unwrap().faults[0].contains("missing"));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(journal.verify().unwrap().faults, Vec::<String>::new(), "no journal, no fault");
}

#[test]
fn what_others_can_read_is_tightened_by_the_next_entry_and_named_until_then() {
    let (_folder, journal, path) = filled(1);
    let folder = path.parent().unwrap();
    let open =
        |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    open(&path, 0o644);
    open(folder, 0o755);
    let faults = journal.verify().unwrap().faults;
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].contains("chmod 600") && faults[1].contains("chmod 700"), "{faults:?}");
    journal.append(1_700_000_000_009, "outcome", "p", json!({})).unwrap();
    assert_eq!((mode(&path), mode(folder)), (0o600, 0o700));
    assert_eq!(journal.verify().unwrap().faults, Vec::<String>::new());
}

#[test]
fn a_journal_that_is_a_link_or_a_device_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = folder.path().join("elsewhere");
    std::fs::write(&elsewhere, "").unwrap();
    for target in [elsewhere.as_path(), Path::new("/dev/null")] {
        let path = folder.path().join("journal.jsonl");
        std::os::unix::fs::symlink(target, &path).unwrap();
        let journal = Journal::open(&path).unwrap();
        let refused = journal.append(0, "intent", "p", json!({})).unwrap_err();
        assert!(refused.to_string().contains("symbolic link"), "{refused}");
        assert!(journal.verify().is_err() && journal.each(|_| ()).is_err());
        assert_eq!(std::fs::read(&elsewhere).unwrap(), b"");
        std::fs::remove_file(&path).unwrap();
    }
    let device = Journal::open(Path::new("/dev/null")).unwrap();
    assert!(device.append(0, "intent", "p", json!({})).is_err());
}

#[test]
fn several_writers_share_one_chain_through_all_its_files() {
    // Small enough that the writers set files aside under each other's hands.
    let (_folder, journal, path) = filled_rotating(1, 2_000);
    let writers: Vec<_> = (0..4)
        .map(|w| {
            let path = path.clone();
            std::thread::spawn(move || {
                // Each opens the file anew, as another console would.
                for i in 0..25 {
                    let journal = Journal::rotating(&path, 2_000).unwrap();
                    journal.append(1_700_000_000_000, "request", "p", json!({"w": w, "i": i})).unwrap();
                    journal.each(|_| ()).unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    assert!(journal.set_asides().unwrap().len() > 3, "{:?}", journal.set_asides());
    assert_eq!(journal.verify().unwrap(), Verdict { lines: 101, faults: Vec::new() });
    let seqs: Vec<u64> = entries(&journal).iter().map(|e| e["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (0..101).collect::<Vec<u64>>());
}

#[test]
fn a_file_that_was_set_aside_is_part_of_the_chain() {
    for damage in 0..3 {
        let (_folder, journal, path) = filled_rotating(40, 1_200);
        let aside = journal.set_asides().unwrap();
        assert!(aside.len() > 2 && aside[0].ends_with("journal.jsonl.000000000000"), "{aside:?}");
        assert_eq!(mode(&aside[1]), 0o600);
        match damage {
            0 => std::fs::remove_file(&aside[1]).unwrap(),
            1 => std::fs::remove_file(&aside[0]).unwrap(),
            // A crash after the old file was set aside, before the new one was begun: the next entry goes on.
            _ => {
                std::fs::rename(&path, journal.aside(39)).unwrap();
                journal.append(1_700_000_000_040, "outcome", "p", json!({})).unwrap();
                assert_eq!(journal.verify().unwrap(), Verdict { lines: 41, faults: Vec::new() });
                continue;
            }
        }
        assert_eq!(journal.verify().unwrap().faults.len(), 1, "{:?}", journal.verify());
    }
}

#[test]
fn a_line_cut_short_by_a_crash_spoils_only_itself() {
    let (_folder, journal, path) = filled(2);
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{\"seq\":2,\"at\":\"20").unwrap();
    journal.append(1_700_000_000_009, "outcome", "p", json!({})).unwrap();
    let entries = entries(&journal);
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[2]["seq"], 2);
    let verdict = journal.verify().unwrap();
    assert_eq!(verdict.lines, 3);
    assert_eq!(verdict.faults.len(), 1, "{verdict:?}");
    assert!(verdict.faults[0].starts_with("line 3:"), "{verdict:?}");
}

#[test]
fn an_entry_longer_than_a_look_at_the_end_is_chained() {
    let (_folder, journal, _path) = filled(1);
    let long = "x".repeat(700_000);
    journal.append(1_700_000_000_001, "intent", "p", json!({ "long": long })).unwrap();
    journal.append(1_700_000_000_002, "outcome", "p", json!({})).unwrap();
    assert_eq!(journal.verify().unwrap(), Verdict { lines: 3, faults: Vec::new() });
}
