//! The few small files an operator names: read whole, or written new. Never a pipe or a device that could hold the screen.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// No security profile is larger: 100 behaviours and 1000 values.
const MOST: u64 = 1 << 20;

/// `~/` is what a shell would have made of it.
fn at(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::var_os("HOME")) {
        (Ok(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => path.to_owned(),
    }
}

/// Reads a file of at most a megabyte.
///
/// # Errors
/// A sentence: it is not there, not a file, too large, or no text.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let path = at(path);
    let found = std::fs::metadata(&path).map_err(|e| e.to_string())?;
    if !found.is_file() {
        return Err("not a file".to_owned());
    }
    if found.len() > MOST {
        return Err("larger than a megabyte".to_owned());
    }
    let mut text = String::new();
    let file = File::open(&path).map_err(|e| e.to_string())?;
    file.take(MOST).read_to_string(&mut text).map_err(|e| e.to_string())?;
    Ok(text)
}

/// Writes a file that does not exist yet, for its owner only.
///
/// # Errors
/// A sentence: it exists, or cannot be written.
pub(super) fn write_new(path: &Path, text: &str) -> Result<(), String> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(at(path))
        .map_err(|e| e.to_string())?;
    file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.json");
        write_new(&path, "{}").unwrap();
        assert_eq!(read(&path).unwrap(), "{}\n");
        assert!(write_new(&path, "other").is_err());
        assert_eq!(read(&path).unwrap(), "{}\n");
        assert!(read(folder.path()).unwrap_err().contains("not a file"));
        assert!(read(&folder.path().join("none")).is_err());
    }
}
