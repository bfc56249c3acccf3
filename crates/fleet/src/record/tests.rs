//! What can be written can be read; what is damaged is skipped and named, and nothing else is lost.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::json;

use super::file::Recording;
use super::{Entry, Header, Player, Recorder, What, report};
use crate::event::{Batch, Event, LinkEvent, Message, Notice, TopicEntry};
use crate::model::Name;
use crate::{Limits, Ms};

const T0: Ms = 1_700_000_000_000;

fn header() -> Header {
    Header {
        quell: "test".to_owned(),
        began: T0,
        payloads: true,
        aws: true,
        speed: 1.0,
        badge: None,
        limits: (&Limits::default()).into(),
    }
}

fn shadow(key: &str, at: Ms) -> Event {
    let state = json!({ key: {"nested": [1, 2.5, null, "x"]} });
    let notice = Notice::ShadowDelta { thing: Name::new("Thing02"), shadow: None, version: 2, state, at };
    Event::Batch(Batch { notices: vec![notice], ..Batch::default() })
}

/// A recording of so many seconds; each is a frame of its own.
fn recorded(folder: &Path, seconds: i64) -> PathBuf {
    let path = folder.join("r.quellrec");
    let up = LinkEvent::Up { at: T0, client_id: "q".into(), filters: vec!["t/+".into()] };
    let mut out = Vec::new();
    super::file::begin(&mut out).unwrap();
    let mut frame = |entries: &[Entry], at: Ms| {
        let mut raw = Vec::new();
        for entry in entries {
            raw.extend(super::file::encode_entry(entry).unwrap());
        }
        out.extend(super::file::frame(&raw, at, at).unwrap());
    };
    let entry = |at, what| Entry { at, what };
    let topics =
        vec![TopicEntry { id: 0, topic: "t/a".into(), thing: Some(Name::new("A")), telemetry: true }];
    let first = [
        entry(T0, What::Event(Event::Link(up))),
        entry(T0, What::Event(Event::Batch(Batch { topics, ..Batch::default() }))),
    ];
    let mut frames: Vec<(Vec<Entry>, Ms)> = vec![(first.to_vec(), T0)];
    for second in 0..seconds {
        let at = T0 + second * 1_000;
        let payload = Some(Bytes::from(format!("{{\"t\":{second}}}")));
        let message = Message { topic: 0, len: 10, at, payload };
        let batch = Batch { messages: vec![message], ..Batch::default() };
        frames.push((vec![entry(at, What::Event(Event::Batch(batch))), entry(at, What::Tick)], at));
    }
    let mut raw = Vec::new();
    super::file::encode(&header(), &mut raw).unwrap();
    let head = super::file::frame(&raw, T0, T0).unwrap();
    for (entries, at) in &frames {
        frame(entries, *at);
    }
    // The header's frame comes first.
    let mut whole = out.get(..9).unwrap().to_vec();
    whole.extend(head);
    whole.extend(out.get(9..).unwrap());
    std::fs::write(&path, whole).unwrap();
    path
}

/// Where each frame begins, the header's first.
fn places(bytes: &[u8]) -> Vec<usize> {
    let (mut at, mut places) = (9, Vec::new());
    while at + 24 <= bytes.len() {
        places.push(at);
        at += 24 + u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    }
    places
}

fn read(path: &Path) -> (usize, usize) {
    let mut recording = Recording::open(path).unwrap();
    let entries = (0..recording.frames()).map(|f| recording.entries(f).unwrap().len()).sum();
    (entries, recording.damages().len())
}

#[test]
fn a_name_a_device_made_long_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    for length in [4_095, 4_096, 4_097, 5_000, 127_000] {
        let path = folder.path().join(format!("{length}"));
        let mut recorder = Recorder::create(&path, &header(), 1 << 20).unwrap();
        recorder.event(&shadow(&"k".repeat(length), T0 + 1), T0 + 1);
        recorder.tick(T0 + 2);
        recorder.finish().unwrap();
        let mut player = Player::open(&path).unwrap();
        let told = report::tell(&mut player, &[], &mut |_| {}).unwrap();
        assert!(told.damages.is_empty() && !told.incomplete, "{length}: {told:?}");
        assert_eq!(player.at(), T0 + 2, "{length}");
    }
}

/// What is done to the bytes of a recording.
type Damage<'a> = &'a dyn Fn(&mut Vec<u8>);

#[test]
fn a_damaged_part_is_skipped_and_named_and_what_follows_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(recorded(folder.path(), 10)).unwrap();
    let places = places(&whole);
    let path = folder.path().join("damaged");
    // In the data, in each length, in a time, and bytes that are gone or were put in between.
    let at = places[5];
    let damages: [Damage<'_>; 7] = [
        &|b| b[at + 30] ^= 0xff,
        &|b| b[at] ^= 0x40,
        &|b| b[at + 2] ^= 0xff,
        &|b| b[at + 3] = 0xff,
        &|b| b[at + 7] = 0xff,
        &|b| b[at + 15] = 0xff,
        &|b| drop(b.drain(at..at + 7)),
    ];
    for (n, damage) in damages.iter().enumerate() {
        let mut bytes = whole.clone();
        damage(&mut bytes);
        std::fs::write(&path, &bytes).unwrap();
        let mut player = Player::open(&path).unwrap();
        let told = report::tell(&mut player, &[], &mut |_| {}).unwrap();
        assert_eq!(told.damages.len(), 1, "{n}: {:?}", told.damages);
        let damage = &told.damages[0];
        assert!(damage.from <= T0 + 3_000 && damage.to >= T0 + 3_000, "{n}: {damage:?}");
        assert_eq!(player.at(), T0 + 9_000, "{n}: what follows is played");
        assert!(told.markdown().contains("Damaged from"), "{n}");
        assert_eq!(told.json()["damaged"].as_array().unwrap().len(), 1, "{n}");
    }
}

#[test]
fn an_end_that_is_cut_off_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(recorded(folder.path(), 3)).unwrap();
    let path = folder.path().join("cut");
    std::fs::write(&path, whole.get(..whole.len() - 3).unwrap()).unwrap();
    let player = Player::open(&path).unwrap();
    assert!(player.is_incomplete() && player.damages().is_empty());
    assert_eq!(read(&path).1, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever becomes of a file, reading it ends, and says nothing that was not in it.
    #[test]
    fn any_damage_ends(
        changes in prop::collection::vec((0_usize..4, any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = recorded(folder.path(), 6);
        let mut bytes = std::fs::read(&path).unwrap();
        for (kind, at, byte) in changes {
            if bytes.len() < 2 {
                break;
            }
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at.max(bytes.len() / 2)),
            }
        }
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(mut player) = Player::open(&path) {
            let (from, to) = player.span();
            prop_assert!(from <= to);
            let told = report::tell(&mut player, &[], &mut |_| {}).unwrap();
            let _ = (told.markdown(), told.json());
            player.seek(from).unwrap();
            while player.next_alarm().unwrap().is_some() {}
        }
    }

    /// Data that is whole and makes no sense: entries of any bytes behind a checksum that is right.
    #[test]
    fn any_entries_end(raw in prop::collection::vec(any::<u8>(), 1..400), first in 0_i64..1 << 50) {
        let folder = tempfile::tempdir().unwrap();
        let path = recorded(folder.path(), 2);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend(super::file::frame(&raw, first, first).unwrap());
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(mut player) = Player::open(&path) {
            report::tell(&mut player, &[], &mut |_| {}).unwrap();
        }
    }
}
