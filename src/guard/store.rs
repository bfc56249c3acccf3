//! What survives a kill: every alert, written down before anybody is told of it, with whom it is to be told and whom it was;
//! the devices that are held for a time; and, in a file of its own, what judging needs ([`KeptFleet`]).
//!
//! The alerts are a file of lines that grows and is now and then replaced by a shorter one, in one step. A line that was cut by a
//! kill was never acted on, and is cut off. One process writes at a time: the folder has a lock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::json;

use quell_fleet::text::SafeText;
use quell_fleet::{KeptFleet, Ms};

use crate::config::AlertKind;

use super::alert::{Alert, Step};

/// The form of the lines; another one is not read.
const VERSION: u32 = 1;
/// After so many lines the file is replaced by what of them still counts.
const LINES: usize = 20_000;
/// No line is longer: an alert's texts are bounded.
const LINE: u64 = 1 << 20;
/// The largest file of windows that is read.
const WINDOWS: u64 = 1 << 30;
/// Alerts that wait for one receiver at most: beyond it the oldest cannot be delivered any more.
pub const WAITING: usize = 10_000;

/// A device that was isolated for a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hold {
    /// The thing.
    pub thing: String,
    /// The isolation group; none for the configured one.
    pub group: Option<String>,
    /// Since when.
    pub since: Ms,
    /// Until when, unless it offends again.
    pub until: Ms,
    /// How long it was to be held the first time, milliseconds.
    pub length: Ms,
    /// How often it was held: longer each time.
    pub times: u32,
    /// It was let go: remembered for how often, and that it is not held.
    pub over: bool,
    /// The alert that led to it.
    pub alert: String,
}

/// A line of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The first one.
    Guard {
        version: u32,
    },
    Alert {
        number: u64,
        alert: Box<Alert>,
        to: Vec<String>,
    },
    /// Delivered.
    Sent {
        number: u64,
        to: String,
    },
    /// Given up, and in the file of what could not be delivered.
    Dead {
        number: u64,
        to: String,
    },
    /// An alert is over that somebody still waits to hear of.
    Over {
        id: String,
    },
    /// Something is being done about an alert, or was.
    Acting {
        id: String,
        on: bool,
    },
    Hold(Hold),
    Forget {
        thing: String,
    },
}

/// An alert that is to be told to somebody.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// Its number: they are told in this order.
    pub number: u64,
    /// The alert.
    pub alert: Alert,
}

#[derive(Debug, Default)]
struct Known {
    /// By number: what somebody still has to be told, and whom.
    waiting: BTreeMap<u64, (Alert, Vec<String>)>,
    /// By id: what is not over.
    open: HashMap<String, Alert>,
    holds: BTreeMap<String, Hold>,
    /// Alerts about which something is being done.
    acting: BTreeSet<String>,
    next: u64,
}

impl Known {
    fn line(&mut self, line: Line) {
        match line {
            Line::Guard { .. } => {}
            Line::Alert { number, alert, to } => {
                self.next = self.next.max(number + 1);
                match alert.step {
                    // What was done is not over at some time.
                    _ if alert.kind == AlertKind::Action => {}
                    Step::InAlarm => drop(self.open.insert(alert.id.clone(), (*alert).clone())),
                    Step::AlarmCleared | Step::AlarmInvalidated => drop(self.open.remove(&alert.id)),
                }
                if !to.is_empty() {
                    self.waiting.insert(number, (*alert, to));
                }
            }
            Line::Sent { number, to } | Line::Dead { number, to } => {
                if let Some((_, waiting)) = self.waiting.get_mut(&number) {
                    waiting.retain(|name| *name != to);
                    if waiting.is_empty() {
                        self.waiting.remove(&number);
                    }
                }
            }
            Line::Over { id } => drop(self.open.remove(&id)),
            Line::Acting { id, on: true } => drop(self.acting.insert(id)),
            Line::Acting { id, on: false } => drop(self.acting.remove(&id)),
            Line::Hold(hold) => drop(self.holds.insert(hold.thing.clone(), hold)),
            Line::Forget { thing } => drop(self.holds.remove(&thing)),
        }
    }

    /// What still counts, as lines.
    fn lines(&self) -> Vec<Line> {
        let mut out = vec![Line::Guard { version: VERSION }];
        let waits = |alert: &Alert| self.waiting.values().any(|(waiting, _)| waiting == alert);
        // What is open is told already, unless it waits; its number is of no account.
        let mut open: Vec<&Alert> = self.open.values().filter(|alert| !waits(alert)).collect();
        open.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        let first = self.next;
        out.extend(open.into_iter().map(|alert| Line::Alert {
            number: first,
            alert: Box::new(alert.clone()),
            to: Vec::new(),
        }));
        out.extend(self.waiting.iter().map(|(number, (alert, to))| Line::Alert {
            number: *number,
            alert: Box::new(alert.clone()),
            to: to.clone(),
        }));
        let over = self
            .waiting
            .values()
            .filter(|(alert, _)| alert.step == Step::InAlarm && !self.open.contains_key(&alert.id));
        out.extend(over.map(|(alert, _)| Line::Over { id: alert.id.clone() }));
        out.extend(self.acting.iter().map(|id| Line::Acting { id: id.clone(), on: true }));
        out.extend(self.holds.values().cloned().map(Line::Hold));
        out
    }
}

/// The files of a guard.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    file: File,
    lines: usize,
    known: Known,
    /// Alerts about which an earlier process was doing something when it was killed.
    killed: BTreeSet<String>,
    _lock: File,
}

fn open_private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.mode(0o600).open(path)
}

impl Store {
    /// Opens the folder, made if it is not there, and reads what is in it.
    ///
    /// # Errors
    /// Another guard has it, it cannot be written, or it is of another version.
    pub fn open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let lock =
            open_private(&folder.join("lock"), OpenOptions::new().create(true).truncate(false).write(true))?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(|error| {
            let why = format!("{}: another quell guard runs with this folder ({error})", folder.display());
            io::Error::new(io::ErrorKind::WouldBlock, why)
        })?;
        let path = folder.join("alerts.jsonl");
        let mut known = Known::default();
        match File::open(&path) {
            Ok(file) => read(file, &mut known)
                .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // What is over was done, or needs nobody any more.
        let Known { acting, open, .. } = &mut known;
        acting.retain(|id| open.contains_key(id));
        let file = replace(folder, &known)?;
        keep_name(folder)?;
        let killed = known.acting.clone();
        Ok(Self { folder: folder.to_owned(), file, lines: 0, known, killed, _lock: lock })
    }

    /// Alerts that are not over.
    pub fn open_alerts(&self) -> Vec<Alert> {
        let mut open: Vec<Alert> = self.known.open.values().cloned().collect();
        open.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        open
    }

    /// Writes alerts down, each with whom it is to be told: on the disk when this returns.
    ///
    /// # Errors
    /// They could not be written: then nobody is told, and they are to be given again.
    pub fn alerts(&mut self, alerts: Vec<(Alert, Vec<String>)>) -> io::Result<()> {
        if alerts.is_empty() {
            return Ok(());
        }
        let first = self.known.next;
        let lines = (first..)
            .zip(alerts)
            .map(|(number, (alert, to))| Line::Alert { number, alert: Box::new(alert), to })
            .collect();
        self.append(lines)
    }

    /// What `name` is to be told next.
    pub fn next(&self, name: &str) -> Option<Waiting> {
        let (number, (alert, _)) =
            self.known.waiting.iter().find(|(_, (_, to))| to.iter().any(|to| to == name))?;
        Some(Waiting { number: *number, alert: alert.clone() })
    }

    /// How many alerts wait for `name`.
    pub fn waiting(&self, name: &str) -> usize {
        self.known.waiting.values().filter(|(_, to)| to.iter().any(|to| to == name)).count()
    }

    /// Names of receivers that alerts wait for, though the configuration does not know them any more.
    pub fn strangers(&self, known: &[String]) -> Vec<String> {
        let mut names: Vec<String> = self.known.waiting.values().flat_map(|(_, to)| to.clone()).collect();
        names.sort();
        names.dedup();
        names.retain(|name| !known.contains(name));
        names
    }

    /// An alert was delivered.
    ///
    /// # Errors
    /// It could not be written down: after a restart it is delivered again.
    pub fn sent(&mut self, number: u64, to: &str) -> io::Result<()> {
        self.append(vec![Line::Sent { number, to: to.to_owned() }])
    }

    /// What was found before a moment `name` was told by another.
    ///
    /// # Errors
    /// It could not be written down.
    pub fn skip(&mut self, name: &str, before: Ms) -> io::Result<()> {
        let old = self
            .known
            .waiting
            .iter()
            .filter(|(_, (alert, to))| alert.found < before && to.iter().any(|to| to == name));
        let lines: Vec<Line> =
            old.map(|(number, _)| Line::Sent { number: *number, to: name.to_owned() }).collect();
        if lines.is_empty() { Ok(()) } else { self.append(lines) }
    }

    /// An alert cannot be delivered: it goes into the file of those, and is not tried again.
    ///
    /// # Errors
    /// It could not be written down.
    pub fn dead(&mut self, waiting: &Waiting, to: &str, why: &SafeText, at: Ms) -> io::Result<()> {
        let path = self.folder.join("undelivered.jsonl");
        let mut file = open_private(&path, OpenOptions::new().create(true).append(true))?;
        let line = json!({"at": at, "sink": to, "why": why, "alert": waiting.alert.line()});
        file.write_all(format!("{line}\n").as_bytes())?;
        file.sync_data()?;
        self.append(vec![Line::Dead { number: waiting.number, to: to.to_owned() }])
    }

    /// Devices that are, or were, held for a time.
    pub fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.known.holds.values()
    }

    /// Something is being done about an alert from now on, or no more: who was killed over it is known by that.
    ///
    /// # Errors
    /// It could not be written down: then it is not to be begun.
    pub fn acting(&mut self, id: &str, on: bool) -> io::Result<()> {
        if self.known.acting.contains(id) != on {
            self.append(vec![Line::Acting { id: id.to_owned(), on }])?;
        }
        if !on {
            self.killed.remove(id);
        }
        Ok(())
    }

    /// Whether an earlier process was killed while it did something about an alert that nothing was done about since.
    pub fn was_acting(&self, id: &str) -> bool {
        self.killed.contains(id)
    }

    /// A device is held, or for longer, or no more.
    ///
    /// # Errors
    /// It could not be written down.
    pub fn hold(&mut self, hold: Hold) -> io::Result<()> {
        self.append(vec![Line::Hold(hold)])
    }

    /// A device is of no interest any more.
    ///
    /// # Errors
    /// It could not be written down.
    pub fn forget(&mut self, thing: &str) -> io::Result<()> {
        self.append(vec![Line::Forget { thing: thing.to_owned() }])
    }

    fn append(&mut self, lines: Vec<Line>) -> io::Result<()> {
        let mut text = String::new();
        for line in &lines {
            text.push_str(&serde_json::to_string(line).map_err(io::Error::other)?);
            text.push('\n');
        }
        let before = self.file.metadata()?.len();
        if let Err(error) = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data()) {
            // Half of it must not stand before what comes next.
            let _ = self.file.set_len(before);
            return Err(error);
        }
        self.lines += lines.len();
        for line in lines {
            self.known.line(line);
        }
        if self.lines > LINES {
            // The lines are on the disk: that the file stays long is no failure of theirs. It is tried again after as many.
            self.lines = 0;
            let shorter = replace(&self.folder, &self.known).and_then(|file| {
                self.file = file;
                keep_name(&self.folder)
            });
            if let Err(error) = shorter {
                tracing::warn!(%error, "the file of alerts could not be made shorter");
            }
        }
        Ok(())
    }

    /// Where windows are kept.
    pub fn windows_path(&self) -> PathBuf {
        self.folder.join("fleet.bin")
    }

    /// Windows and baselines as they were kept last; none when there are none, or they cannot be used, with why.
    pub fn windows(&self) -> (KeptFleet, Option<String>) {
        let path = self.windows_path();
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(WINDOWS).read_to_end(&mut bytes));
        match read {
            Ok(_) => match KeptFleet::from_bytes(&bytes) {
                Ok(kept) => (kept, None),
                Err(why) => {
                    (KeptFleet::default(), Some(format!("{}: {why}: windows begin anew", path.display())))
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => (KeptFleet::default(), None),
            Err(error) => {
                (KeptFleet::default(), Some(format!("{}: {error}: windows begin anew", path.display())))
            }
        }
    }
}

/// Writes windows and baselines, in one step.
///
/// # Errors
/// They could not be written; those before are still there.
pub fn keep_windows(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = open_private(&new, OpenOptions::new().create(true).truncate(true).write(true))?;
    file.write_all(bytes)?;
    file.sync_data()?;
    std::fs::rename(&new, path)
}

fn read(file: File, known: &mut Known) -> io::Result<()> {
    let mut lines = BufReader::new(file);
    let mut first = true;
    loop {
        let mut line = Vec::new();
        lines.by_ref().take(LINE).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        // Cut by a kill: nobody was told.
        let Some(line) = line.strip_suffix(b"\n") else { return Ok(()) };
        let read: Line = serde_json::from_slice(line).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidData, format!("a line that is none of a guard's: {error}"))
        })?;
        if std::mem::take(&mut first) && !matches!(read, Line::Guard { version: VERSION }) {
            let why = format!("written by another version of quell; this one reads version {VERSION}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        known.line(read);
    }
}

/// A file of what still counts, in the place of the one before: what is appended to from then on, whatever fails after it.
fn replace(folder: &Path, known: &Known) -> io::Result<File> {
    let (path, new) = (folder.join("alerts.jsonl"), folder.join("alerts.new"));
    let mut file = open_private(&new, OpenOptions::new().create(true).append(true))?;
    file.set_len(0)?;
    let mut text = String::new();
    for line in known.lines() {
        text.push_str(&serde_json::to_string(&line).map_err(io::Error::other)?);
        text.push('\n');
    }
    file.write_all(text.as_bytes())?;
    file.sync_data()?;
    std::fs::rename(&new, &path)?;
    Ok(file)
}

/// The names of a folder, on the disk when this returns.
fn keep_name(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::judge::own;
    use std::os::unix::fs::PermissionsExt as _;

    fn alert(name: &str, at: Ms) -> Alert {
        own(AlertKind::Blind, None, name, &"why".into(), at, at)
    }

    fn to(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_was_written_is_there_again_and_nobody_else_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guard");
        let mut store = Store::open(&path).unwrap();
        assert!(Store::open(&path).unwrap_err().to_string().contains("another quell guard"));
        let (one, two) = (alert("one", 1), alert("two", 2));
        store.alerts(vec![(one.clone(), to(&["a", "b"])), (two.clone(), to(&["a"]))]).unwrap();
        let first = store.next("a").unwrap();
        store.sent(first.number, "a").unwrap();
        store.alerts(vec![(one.ended(Step::AlarmCleared, 3, 3), to(&["a"]))]).unwrap();
        drop(store);
        // Twice: what was told in the file before is told in the one that takes its place.
        drop(Store::open(&path).unwrap());
        let mut store = Store::open(&path).unwrap();
        let hold = Hold {
            thing: "t".into(),
            group: None,
            since: 1,
            until: 2,
            length: 1,
            times: 1,
            over: false,
            alert: "x".into(),
        };
        store.hold(hold.clone()).unwrap();
        drop(store);
        let mut store = Store::open(&path).unwrap();
        assert_eq!(store.open_alerts(), std::slice::from_ref(&two));
        assert_eq!(store.next("a").map(|w| w.alert), Some(two));
        assert_eq!(store.next("b").map(|w| w.alert), Some(one));
        assert_eq!((store.waiting("a"), store.waiting("b")), (2, 1));
        assert_eq!(store.strangers(&to(&["a"])), ["b"]);
        assert_eq!(store.holds().collect::<Vec<_>>(), [&hold]);
        let dead = store.next("b").unwrap();
        store.dead(&dead, "b", &"it answered 503".into(), 9).unwrap();
        assert_eq!(store.waiting("b"), 0);
        let text = std::fs::read_to_string(path.join("undelivered.jsonl")).unwrap();
        assert!(text.contains("it answered 503") && text.contains("\"sink\":\"b\""), "{text}");
        for file in ["alerts.jsonl", "undelivered.jsonl", "lock"] {
            let mode = std::fs::metadata(path.join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_line_that_a_kill_cut_is_left_out_and_any_other_mistake_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("alerts.jsonl");
        let mut store = Store::open(folder.path()).unwrap();
        store.alerts(vec![(alert("one", 1), to(&["a"]))]).unwrap();
        drop(store);
        let whole = std::fs::read(&file).unwrap();
        store = Store::open(folder.path()).unwrap();
        store.alerts(vec![(alert("two", 2), to(&["a"]))]).unwrap();
        drop(store);
        let longer = std::fs::read(&file).unwrap();
        for cut in whole.len()..longer.len() - 1 {
            std::fs::write(&file, &longer[..cut]).unwrap();
            let store = Store::open(folder.path()).unwrap();
            assert_eq!(store.open_alerts().len(), 1, "cut at {cut}");
        }
        std::fs::write(&file, "{\"guard\":{\"version\":9}}\n").unwrap();
        assert!(Store::open(folder.path()).unwrap_err().to_string().contains("version 1"));
        std::fs::write(&file, "\u{1b}[31m\n").unwrap();
        assert!(Store::open(folder.path()).unwrap_err().to_string().contains("alerts.jsonl"));
    }

    #[test]
    fn who_was_killed_over_an_alert_is_known_until_it_is_answered_or_over() {
        let folder = tempfile::tempdir().unwrap();
        let (open, over) = (alert("open", 1), alert("over", 2));
        let mut store = Store::open(folder.path()).unwrap();
        store.alerts(vec![(open.clone(), Vec::new()), (over.clone(), Vec::new())]).unwrap();
        store.acting(&open.id, true).unwrap();
        store.acting(&over.id, true).unwrap();
        store.alerts(vec![(over.ended(Step::AlarmCleared, 3, 3), Vec::new())]).unwrap();
        assert!(!store.was_acting(&open.id), "it is this process that acts");
        drop(store);
        let mut store = Store::open(folder.path()).unwrap();
        assert!(store.was_acting(&open.id) && !store.was_acting(&over.id));
        store.acting(&open.id, false).unwrap();
        assert!(!store.was_acting(&open.id));
        drop(store);
        assert!(!Store::open(folder.path()).unwrap().was_acting(&open.id));
    }

    #[test]
    fn what_is_on_the_disk_is_taken_even_if_the_file_cannot_be_made_shorter() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let stands_in_the_way = folder.path().join("alerts.new");
        std::fs::create_dir(&stands_in_the_way).unwrap();
        let many = (0..=LINES as Ms).map(|at| (alert("x", at), Vec::new())).collect();
        store.alerts(many).unwrap();
        store.alerts(vec![(alert("last", 1), to(&["a"]))]).unwrap();
        drop(store);
        std::fs::remove_dir(&stands_in_the_way).unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.open_alerts().len(), LINES + 2);
        assert_eq!(store.waiting("a"), 1);
    }

    #[test]
    fn the_file_stays_short_however_many_alerts_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let lines: Vec<_> = (0..LINES as Ms / 2 + 1)
            .flat_map(|at| {
                let one = alert("x", at);
                [(one.clone(), Vec::new()), (one.ended(Step::AlarmCleared, at, at), Vec::new())]
            })
            .collect();
        store.alerts(lines).unwrap();
        assert!(std::fs::metadata(folder.path().join("alerts.jsonl")).unwrap().len() < 1_000);
        store.alerts(vec![(alert("last", 1), Vec::new())]).unwrap();
        drop(store);
        assert_eq!(Store::open(folder.path()).unwrap().open_alerts().len(), 1);
    }
}
