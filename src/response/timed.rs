//! Isolations that a person asked for a time: who ends them. The journal says for how long; the guard that reads it releases the
//! devices, or the command that isolated them does, when it was told to stay.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use quell_fleet::Ms;
use quell_fleet::model::Name;

/// A guard answers within this time, or does not.
const WHOLE: Duration = Duration::from_secs(10);
/// A plan waits for it no longer than this.
const SOON: Duration = Duration::from_secs(2);
/// No answer is longer.
const MOST: u64 = 1 << 20;

/// A device is held at most so long at a time, however often it offends.
const LONGEST: Ms = 86_400_000;
/// What failed is tried again after this, before an emulator's speed divides it; doubled each time, up to the longest.
pub const AGAIN: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Ms = 3_600_000;

/// How long a device is held that was held so many times before: twice as long each time.
pub fn lasts(length: Ms, before: u32) -> Ms {
    length.saturating_mul(1 << before.min(16)).min(LONGEST.max(length))
}

/// The pause before what failed is tried again, after the last pause or as the first.
pub fn pause(last: Option<Ms>, first: Ms) -> Ms {
    last.map_or(first, |last| last.saturating_mul(2).min(LONGEST_PAUSE.max(first)))
}

/// For how long devices are to be isolated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldFor {
    /// Milliseconds, counted from the end of the response.
    pub length: Ms,
    /// Who asks releases them: a guard leaves them alone.
    pub waits: bool,
}

impl HeldFor {
    /// For this long, until a guard ends it.
    pub fn of(length: Duration) -> Self {
        Self { length: Ms::try_from(length.as_millis()).unwrap_or(Ms::MAX), waits: false }
    }

    /// `2 h`, `30 min`, `90 s`.
    pub fn words(&self) -> String {
        match self.length / 1000 {
            s if s > 0 && s % 3_600 == 0 => format!("{} h", s / 3_600),
            s if s > 0 && s % 60 == 0 => format!("{} min", s / 60),
            s => format!("{s} s"),
        }
    }
}

/// How long an isolation lasts: `90s`, `30m`, `4h`, `2d`.
///
/// # Errors
/// It is no such length, or longer than a month: what is for good is a person's word.
pub fn length(text: &str) -> Result<Duration, String> {
    let wrong =
        || "a length of time is a whole number with s, m, h or d, such as 30m, of 31d at most".to_owned();
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text.get(..text.len() - 1).and_then(|n| n.parse().ok()).ok_or_else(wrong)?;
    let seconds = number.checked_mul(unit).filter(|s| (1..=31 * 86_400).contains(s)).ok_or_else(wrong)?;
    Ok(Duration::from_secs(seconds))
}

/// Who would release a device when its time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Releaser {
    /// A guard that acts, and reads the journal.
    Guard,
    /// A guard runs, and changes nothing.
    DryGuard,
    /// No guard answers.
    Nobody,
}

/// A device that was isolated for a time, or until somebody releases it, by another process that writes the same journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Isolated {
    /// The plan.
    pub plan: String,
    /// The device.
    pub thing: Name,
    /// The isolation group.
    pub group: String,
    /// For so long, milliseconds; none for an isolation that somebody has to end.
    pub length: Option<Ms>,
    /// Since when: the end of the response where it is for a time, its beginning otherwise.
    pub at: Ms,
    /// The response came to its end; otherwise what of it was done is to be ended all the same.
    pub whole: bool,
}

/// Where the guard that reads a journal keeps what survives a restart, unless it was told another place.
pub fn guard_folder(journal: &Path) -> PathBuf {
    journal.with_file_name("guard")
}

/// How a guard with this folder is, in a form of the asker's.
///
/// # Errors
/// Nobody answers, or something else than a guard.
pub async fn ask<T: DeserializeOwned>(folder: &Path) -> io::Result<T> {
    let asked = async {
        let mut stream = UnixStream::connect(folder.join("socket")).await?;
        stream.write_all(b"GET /status HTTP/1.1\r\nhost: guard\r\nconnection: close\r\n\r\n").await?;
        let mut text = Vec::new();
        stream.take(MOST).read_to_end(&mut text).await?;
        let text = String::from_utf8_lossy(&text);
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        serde_json::from_str(body).map_err(io::Error::other)
    };
    let late = || io::Error::from(io::ErrorKind::TimedOut);
    tokio::time::timeout(WHOLE, asked).await.unwrap_or_else(|_| Err(late()))
}

/// Who would release what is isolated for a time by a plan of this journal.
pub async fn releaser(journal: &Path) -> Releaser {
    #[derive(Deserialize)]
    struct Acts {
        acts: bool,
    }
    match tokio::time::timeout(SOON, ask::<Acts>(&guard_folder(journal))).await {
        Ok(Ok(Acts { acts: true })) => Releaser::Guard,
        Ok(Ok(Acts { acts: false })) => Releaser::DryGuard,
        _ => Releaser::Nobody,
    }
}
