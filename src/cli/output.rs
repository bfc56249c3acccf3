//! Results on stdout: tables for people, JSON for programs; a closed pipe is an end, not an error.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::Value;

use quell_fleet::Ms;
use quell_fleet::text::SafeText;

/// JSON on one line in ASCII only: exact for programs, and nothing in it can move a terminal's cursor.
pub(super) fn ascii_json(value: &Value) -> String {
    let text = value.to_string();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() && c != '\u{7f}' {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

pub(super) use quell_fleet::format::iso_or_ms as iso;

/// Epoch seconds, as AWS's JSON has them.
pub(super) fn seconds(ms: Ms) -> f64 {
    ms as f64 / 1000.0
}

/// True when whoever read what is written is gone: that is an end, and no error.
pub(super) fn is_closed(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

/// What writing came to: a reader that is gone has read enough.
///
/// # Errors
/// Anything but a closed pipe.
pub(super) fn written(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if !is_closed(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Writes lines; false when the reader is gone.
///
/// # Errors
/// Anything but a closed pipe.
pub(super) fn lines(out: &mut dyn Write, lines: impl IntoIterator<Item = String>) -> io::Result<bool> {
    let write = || {
        for line in lines {
            out.write_all(line.as_bytes())?;
            out.write_all(b"\n")?;
        }
        out.flush()
    };
    match write() {
        Ok(()) => Ok(true),
        Err(error) if is_closed(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) fn duration(written: &str) -> Result<Duration, String> {
    let digits = written.len() - written.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let (number, unit) = written.split_at(digits);
    let scale = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("use a number with ms, s, m or h".into()),
    };
    let number: f64 = number.parse().map_err(|_| "use a number with ms, s, m or h".to_owned())?;
    Duration::try_from_secs_f64(number * scale).map_err(|e| e.to_string())
}

/// Writes what a change came to. What was done is done: a result that cannot be written is said on stderr, and the exit code
/// goes on telling what was done.
pub(super) fn result(written: &str) {
    if let Err(error) = text(written) {
        let _ = writeln!(
            io::stderr(),
            "quell: the result could not be written ({error}); the exit code and the journal tell what was done"
        );
    }
}

/// Writes a result to stdout; a reader that is gone is no failure.
///
/// # Errors
/// Anything but a closed pipe.
pub(super) fn text(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// A table with a head; columns are as wide as their widest cell. A column without its cell, or a cell without its column,
/// does not compile.
pub(super) fn table<const COLUMNS: usize>(
    head: [&str; COLUMNS],
    rows: &[[SafeText; COLUMNS]],
) -> Vec<String> {
    let head = head.map(SafeText::new);
    let mut widths = head.each_ref().map(SafeText::width);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let line = |row: &[SafeText; COLUMNS]| {
        let mut line = String::new();
        for (i, (cell, width)) in row.iter().zip(&widths).enumerate() {
            if i > 0 {
                line.push_str("  ");
            }
            line.push_str(cell.as_str());
            line.push_str(&" ".repeat(width.saturating_sub(cell.width())));
        }
        line.trim_end().to_owned()
    };
    std::iter::once(line(&head)).chain(rows.iter().map(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_ascii_and_exact() {
        let value = serde_json::json!({"n": "a\u{202e}ü😀\u{7f}\u{9b}"});
        let text = ascii_json(&value);
        assert!(text.bytes().all(|b| (0x20..0x7f).contains(&b)), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn tables_line_up_and_times_are_iso() {
        let rows = [["温度".into(), "x".into()], ["b".into(), "y".into()]];
        assert_eq!(table(["A", "B"], &rows), ["A     B", "温度  x", "b     y"]);
        assert_eq!(iso(1_574_254_500_123), "2019-11-20T12:55:00.123Z");
    }
}
