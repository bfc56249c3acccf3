//! Checking a closed case with the public key alone: no account, no network, no trust in whoever brings it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::response::journal::Journal;

use super::folder::{self, About};
use super::sign::{PublicKey, Signature};
use super::{ABOUT, CUSTODY, FILES, MOST, SIGNATURE, SUMS, archive, custody};

/// Files that are read whole are not longer, all together.
const WHOLE: u64 = 64 << 20;

/// What was checked and found whole.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What the case is about.
    pub about: About,
    /// The comment that was signed with it: when, and which case.
    pub trusted: String,
    /// How many files it holds, but for the sums and their signature.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Entries of the custody log.
    pub custody: u64,
}

/// Checks an archive: that it is byte for byte what was closed with this key, and that its custody log is whole.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn verify(path: &Path, key: &PublicKey) -> Result<Verified, String> {
    let say = |e: io::Error| e.to_string();
    let file = File::open(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut sums: BTreeMap<String, (String, u64)> = BTreeMap::new();
    let mut whole: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let (mut bytes, mut in_memory) = (0, 0);
    archive::each(&mut BufReader::new(file), |name, size, content| {
        let held = matches!(name, ABOUT | SUMS | SIGNATURE) || custody::is_own(name);
        bytes += size;
        in_memory += if held { size } else { 0 };
        if bytes > MOST * 2 || sums.len() > FILES || in_memory > WHOLE {
            return Err(io::Error::other("larger than a case can be"));
        }
        let (mut sum, mut kept) = (Sha256::new(), Vec::new());
        let mut content = content;
        folder::copy(&mut content, |piece| {
            sum.update(piece);
            if held {
                kept.extend_from_slice(piece);
            }
            Ok(())
        })?;
        if held {
            whole.insert(name.to_owned(), kept);
        }
        sums.insert(name.to_owned(), (hex::encode(sum.finalize()), size));
        Ok(())
    })
    .map_err(say)?;
    let text = |name: &str| -> Result<String, String> {
        let bytes = whole.get(name).ok_or_else(|| format!("{name} is missing"))?;
        String::from_utf8(bytes.clone()).map_err(|_| format!("{name} is not text"))
    };
    let (listed, signed) = (text(SUMS)?, text(SIGNATURE)?);
    let signature = Signature::parse(&signed).map_err(|why| format!("{SIGNATURE}: {why}"))?;
    if signature.text() != signed {
        return Err(format!("{SIGNATURE} was changed"));
    }
    key.verify(listed.as_bytes(), &signature)?;
    for name in [SUMS, SIGNATURE] {
        bytes -= sums.remove(name).map_or(0, |(_, size)| size);
    }
    let mut expected = String::new();
    for (name, (sum, _)) in &sums {
        expected.push_str(&format!("{sum}  {name}\n"));
    }
    if expected != listed {
        return Err(difference(&expected, &listed));
    }
    let about = serde_json::from_str(&text(ABOUT)?).map_err(|e| format!("{ABOUT}: {e}"))?;
    let custody = custody(&whole, &sums)?;
    Ok(Verified { about, trusted: signature.trusted().to_owned(), files: sums.len(), bytes, custody })
}

/// Which file is not as it was signed.
fn difference(found: &str, listed: &str) -> String {
    let found: Vec<&str> = found.lines().collect();
    let listed: Vec<&str> = listed.lines().collect();
    let name = |line: &str| line.split_once("  ").map_or_else(String::new, |(_, name)| name.to_owned());
    if let Some(line) = found.iter().find(|line| !listed.contains(line)) {
        let name = name(line);
        return match listed.iter().any(|line| line.ends_with(&format!("  {name}"))) {
            true => format!("{name} was changed"),
            false => format!("{name} was not in the case when it was closed"),
        };
    }
    let gone = listed.iter().find(|line| !found.contains(line)).map(|line| name(line)).unwrap_or_default();
    format!("{gone} is missing")
}

/// The custody log's chain, checked by the journal's own rules, and the files held against it.
fn custody(whole: &BTreeMap<String, Vec<u8>>, sums: &BTreeMap<String, (String, u64)>) -> Result<u64, String> {
    let say = |e: io::Error| format!("{CUSTODY}: {e}");
    let folder = Temporary::new().map_err(say)?;
    for (name, bytes) in whole.iter().filter(|(name, _)| custody::is_own(name)) {
        folder.write(name, &mut bytes.as_slice()).map_err(say)?;
    }
    let log = Journal::open(&folder.0.join(CUSTODY)).map_err(say)?;
    let entries = custody::chained(&log)?;
    custody::compare(&log, sums.iter().map(|(name, (sum, _))| (name.as_str(), sum.as_str())))?;
    Ok(entries)
}

/// A folder that goes with its value, for its owner alone.
pub(super) struct Temporary(pub(super) PathBuf);

impl Temporary {
    pub(super) fn new() -> io::Result<Self> {
        for _ in 0..100 {
            let path = std::env::temp_dir().join(format!("quell-case-{:016x}", fastrand::u64(..)));
            match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
        Err(io::Error::other("no room for a temporary folder"))
    }

    /// Writes a file whose name an archive gave: those are plain and lead nowhere else.
    pub(super) fn write(&self, name: &str, content: &mut dyn io::Read) -> io::Result<()> {
        let path = self.0.join(name);
        if let Some(above) = path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(above)?;
        }
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let mut content = content;
        folder::copy(&mut content, |bytes| file.write_all(bytes)).map(drop)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Unpacks an archive into a temporary folder, bounded.
pub(super) fn unpack(path: &Path) -> io::Result<Temporary> {
    let into = Temporary::new()?;
    let (mut bytes, mut files) = (0, 0);
    archive::each(&mut BufReader::new(File::open(path)?), |name, size, content| {
        bytes += size;
        files += 1;
        if bytes > MOST * 2 || files > FILES {
            return Err(io::Error::other("larger than a case can be"));
        }
        into.write(name, content)
    })?;
    Ok(into)
}
