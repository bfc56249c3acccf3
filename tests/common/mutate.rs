//! Text from outside, as it is and mutated: a bounded number of changes to the files of a corpus, the same in every run.
//! Each crate's tests bring the files, the pieces that mean something to their parsers, and the parsers.

use std::path::Path;

pub(crate) use fastrand::Rng;

/// What every run begins with: a failure comes again.
pub(crate) const SEED: u64 = 0x9e37_79b9;
/// No mutation grows longer.
const LONGEST: usize = 20_000;
/// Pieces that mean something to most parsers.
const COMMON: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "<",
    ">",
    "'",
    "\"",
    "\\",
    ",",
    ".",
    ":",
    ";",
    "=",
    "*",
    "?",
    "#",
    "+",
    "/",
    "-",
    "$",
    "${",
    "}}",
    "null",
    "true",
    "-1",
    "0.0",
    "1e309",
    "9223372036854775807",
    "99999999999999999999",
    "\\ud800",
    "é",
    "\u{0}",
    "\u{202e}",
    "\u{301}",
    "😀",
    "\n",
    "\r\n",
    "\t",
    " ",
    "%",
    "%zz",
    "T",
    "Z",
    "\u{feff}",
];

/// The files of a folder of this crate, by name.
pub(crate) fn corpus(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap())
        })
        .collect();
    // In the same order everywhere.
    files.sort();
    assert!(!files.is_empty());
    files
}

/// Those of them that are text.
pub(crate) fn texts(folder: &str) -> Vec<String> {
    corpus(folder).into_iter().filter_map(|(_, bytes)| String::from_utf8(bytes).ok()).collect()
}

/// A few changes to one of the texts.
pub(crate) fn mutated(texts: &[String], pieces: &[&str], rng: &mut Rng) -> String {
    let piece = |rng: &mut Rng| -> Vec<char> {
        let own = !pieces.is_empty() && rng.bool();
        rng.choice(if own { pieces } else { COMMON }).unwrap().chars().collect()
    };
    let mut text: Vec<char> = rng.choice(texts).unwrap().chars().collect();
    for _ in 0..rng.usize(1..6) {
        let at = rng.usize(..=text.len());
        let to = (at + rng.usize(0..12)).min(text.len());
        match rng.u8(0..6) {
            0 => drop(text.drain(at..to)),
            1 => drop(text.splice(at..to, piece(rng))),
            2 => {
                let part: Vec<char> = text[at..to].to_vec();
                let many = rng.usize(1..40);
                text.splice(at..at, part.repeat(many));
            }
            3 => {
                let other: Vec<char> = rng.choice(texts).unwrap().chars().collect();
                let from = rng.usize(..=other.len());
                text.splice(at..to, other[from..].iter().copied());
            }
            4 => text.insert(at, rng.char(..)),
            _ => {
                let part = piece(rng);
                text.splice(at..at, part.repeat(rng.usize(1..300)));
            }
        }
        text.truncate(LONGEST);
    }
    text.into_iter().collect()
}

/// A few changes to the bytes of one of the files: what comes over a wire need not be text.
pub(crate) fn scrambled(files: &[(String, Vec<u8>)], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = rng.choice(files).unwrap().1.clone();
    for _ in 0..rng.usize(1..8) {
        let at = rng.usize(..=bytes.len());
        let to = (at + rng.usize(0..12)).min(bytes.len());
        match rng.u8(0..4) {
            0 => drop(bytes.drain(at..to)),
            1 => bytes.insert(at, rng.u8(..)),
            2 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << rng.u8(0..8);
                }
            }
            _ => {
                let part = bytes[at..to].to_vec();
                bytes.splice(at..at, part.repeat(rng.usize(1..40)));
            }
        }
        bytes.truncate(LONGEST);
    }
    bytes
}
