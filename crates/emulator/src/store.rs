//! Tables on one write-ahead log: how the account survives `kill -9` without losing an acknowledged write.
//!
//! Every store of the emulator keeps its documents in [`Table`]s. A change is appended to the log's buffer as one JSON
//! line (`{"t":table,"k":key,"v":document}`, no `v` for a removal); the HTTP front and the MQTT services call
//! [`Wal::commit`] before they acknowledge. Without `--state DIR` the log is absent and a table is just a map.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The shared log. Cheap to clone; a default one keeps nothing.
#[derive(Clone, Default)]
pub struct Wal(Option<Arc<Mutex<Log>>>);

struct Log {
    file: File,
    buffer: Vec<u8>,
    replayed: BTreeMap<String, BTreeMap<String, Value>>,
}

impl Wal {
    /// Opens (or creates, 0600 in a 0700 folder) the log in `dir`, reads what it holds, and rewrites it without history.
    ///
    /// A torn last line is what an interrupted, unacknowledged write leaves; it is dropped.
    pub fn open(dir: &Path) -> io::Result<Self> {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let path = dir.join("state.jsonl");
        let mut replayed: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
        if path.exists() {
            for line in BufReader::new(File::open(&path)?).split(b'\n') {
                let Ok(Value::Object(mut entry)) = serde_json::from_slice::<Value>(&line?) else { continue };
                let (Some(Value::String(table)), Some(Value::String(key))) =
                    (entry.remove("t"), entry.remove("k"))
                else {
                    continue;
                };
                let rows = replayed.entry(table).or_default();
                match entry.remove("v") {
                    Some(v) => rows.insert(key, v),
                    None => rows.remove(&key),
                };
            }
        }
        let fresh = dir.join("state.jsonl.new");
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&fresh)?;
        let mut whole = Vec::new();
        for (table, rows) in &replayed {
            for (key, value) in rows {
                append_line(&mut whole, table, key, Some(value));
            }
        }
        file.write_all(&whole)?;
        file.sync_all()?;
        std::fs::rename(&fresh, &path)?;
        File::open(dir)?.sync_all()?;
        Ok(Self(Some(Arc::new(Mutex::new(Log { file, buffer: Vec::new(), replayed })))))
    }

    /// Removes the log in `dir`, if there is one. A log that is open goes on in a file that has no name any more.
    pub fn forget(dir: &Path) -> io::Result<()> {
        match std::fs::remove_file(dir.join("state.jsonl")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes everything written so far durable. Blocking: call it off the asynchronous threads or accept the wait.
    pub fn commit(&self) -> io::Result<()> {
        let Some(log) = &self.0 else { return Ok(()) };
        let mut log = log.lock();
        if log.buffer.is_empty() {
            return Ok(());
        }
        let buffer = std::mem::take(&mut log.buffer);
        log.file.write_all(&buffer)?;
        log.file.sync_data()
    }

    /// [`Wal::commit`] from code that may run on an asynchronous worker: other tasks are moved off it while the disk works.
    pub fn commit_in_place(&self) -> io::Result<()> {
        if self.0.is_none() {
            return Ok(());
        }
        in_place(|| self.commit())
    }

    fn append(&self, table: &str, key: &str, value: Option<&Value>) {
        if let Some(log) = &self.0 {
            append_line(&mut log.lock().buffer, table, key, value);
        }
    }
}

/// Does blocking work on the spot; inside the runtime, its worker hands its other tasks on before.
pub(crate) fn in_place<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

fn append_line(out: &mut Vec<u8>, table: &str, key: &str, value: Option<&Value>) {
    let mut entry = serde_json::Map::new();
    entry.insert("t".into(), table.into());
    entry.insert("k".into(), key.into());
    if let Some(v) = value {
        entry.insert("v".into(), v.clone());
    }
    out.extend_from_slice(Value::Object(entry).to_string().as_bytes());
    out.push(b'\n');
}

/// A named map from string keys to documents, in key order, whose changes go to the log.
pub struct Table<V> {
    name: &'static str,
    rows: BTreeMap<String, V>,
    wal: Wal,
}

impl<V: Serialize + DeserializeOwned> Table<V> {
    /// The table `name` of `wal`, with the rows the log held. A row of another version's shape is left out.
    pub fn open(wal: &Wal, name: &'static str) -> Self {
        let mut rows = BTreeMap::new();
        if let Some(log) = &wal.0
            && let Some(held) = log.lock().replayed.remove(name)
        {
            for (key, value) in held {
                match serde_json::from_value(value) {
                    Ok(row) => drop(rows.insert(key, row)),
                    Err(error) => tracing::warn!(table = name, key, %error, "row not understood"),
                }
            }
        }
        Self { name, rows, wal: wal.clone() }
    }

    /// The row under `key`.
    pub fn get(&self, key: &str) -> Option<&V> {
        self.rows.get(key)
    }

    /// True when `key` has a row.
    pub fn contains(&self, key: &str) -> bool {
        self.rows.contains_key(key)
    }

    /// Sets the row under `key`; returns the one it replaced.
    pub fn put(&mut self, key: &str, row: V) -> Option<V> {
        self.log(key, Some(&row));
        self.rows.insert(key.to_owned(), row)
    }

    /// Changes the row under `key` in place; `None` when there is none.
    pub fn update<R>(&mut self, key: &str, change: impl FnOnce(&mut V) -> R) -> Option<R> {
        let row = self.rows.get_mut(key)?;
        let result = change(row);
        if self.wal.0.is_some() {
            self.wal.append(self.name, key, serde_json::to_value(&*row).ok().as_ref());
        }
        Some(result)
    }

    /// Removes the row under `key`.
    pub fn remove(&mut self, key: &str) -> Option<V> {
        let row = self.rows.remove(key)?;
        self.log(key, None);
        Some(row)
    }

    /// All rows in key order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &V)> {
        self.rows.iter().map(|(k, v)| (k.as_str(), v))
    }

    /// Rows whose key is greater than `after` (all with `None`), in key order: what a page continues with.
    pub fn after<'a>(&'a self, after: Option<&str>) -> impl Iterator<Item = (&'a str, &'a V)> + use<'a, V> {
        use std::ops::Bound;
        let start = after.map_or(Bound::Unbounded, |k| Bound::Excluded(k.to_owned()));
        self.rows.range((start, Bound::Unbounded)).map(|(k, v)| (k.as_str(), v))
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    fn log(&self, key: &str, row: Option<&V>) {
        if self.wal.0.is_some() {
            let value = row.and_then(|r| serde_json::to_value(r).ok());
            self.wal.append(self.name, key, value.as_ref());
        }
    }
}

/// A named map that is kept elsewhere in memory and only written here.
pub struct Journal {
    name: &'static str,
    wal: Wal,
}

impl Journal {
    /// The journal `name` of `wal`, and the rows the log held, in key order. A row of another version's shape is left out.
    pub fn open<V: Serialize + DeserializeOwned>(
        wal: &Wal,
        name: &'static str,
    ) -> (Self, BTreeMap<String, V>) {
        let rows = Table::open(wal, name).rows;
        (Self { name, wal: wal.clone() }, rows)
    }

    /// The row under `key` is now what `row` makes; it is not called where nothing is kept.
    pub fn put<V: Serialize>(&self, key: &str, row: impl FnOnce() -> V) {
        if self.wal.0.is_some() {
            self.wal.append(self.name, key, serde_json::to_value(row()).ok().as_ref());
        }
    }

    /// [`Wal::commit_in_place`] of the log behind it.
    pub fn commit_in_place(&self) -> io::Result<()> {
        self.wal.commit_in_place()
    }

    /// There is no row under `key` any more.
    pub fn remove(&self, key: &str) {
        self.wal.append(self.name, key, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_committed_write_is_there_after_reopening_and_an_uncommitted_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let wal = Wal::open(dir.path()).unwrap();
        let mut table: Table<u32> = Table::open(&wal, "numbers");
        table.put("a", 1);
        table.put("b", 2);
        table.update("a", |v| *v = 10);
        table.remove("b");
        wal.commit().unwrap();
        table.put("c", 3);
        drop((table, wal));

        let wal = Wal::open(dir.path()).unwrap();
        let table: Table<u32> = Table::open(&wal, "numbers");
        assert_eq!(table.iter().collect::<Vec<_>>(), [("a", &10)]);
        assert_eq!(table.after(Some("a")).count(), 0);
    }
}
