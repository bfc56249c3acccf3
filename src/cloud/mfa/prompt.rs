//! A question on the terminal whose answer is not shown.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

/// Longer than any code.
const MOST: usize = 64;

/// Gives the terminal back as it was.
struct Back<'a>(&'a File, Termios);

impl Drop for Back<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.0, OptionalActions::Flush, &self.1);
    }
}

/// Asks, and reads one line.
///
/// # Errors
/// A sentence: there is no terminal, or it was cancelled.
pub(super) fn hidden(question: &str) -> Result<String, String> {
    let nobody = |_| {
        "there is no terminal to ask on (`aws sts get-caller-identity` with it begins a session)".to_owned()
    };
    let mut tty = OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(nobody)?;
    let failed = |error: std::io::Error| format!("the terminal: {error}");
    let before = tcgetattr(&tty).map_err(|e| failed(e.into()))?;
    let mut mode = before.clone();
    // Signals of keys too are read as keys: the program that asks may have taken SIGINT for itself.
    mode.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
    mode.special_codes[SpecialCodeIndex::VMIN] = 1;
    mode.special_codes[SpecialCodeIndex::VTIME] = 0;
    let shared = tty.try_clone().map_err(failed)?;
    tcsetattr(&tty, OptionalActions::Flush, &mode).map_err(|e| failed(e.into()))?;
    let _back = Back(&shared, before);
    tty.write_all(question.as_bytes()).map_err(failed)?;
    let answer = line(&mut tty);
    let _ = tty.write_all(b"\r\n");
    answer
}

fn line(tty: &mut File) -> Result<String, String> {
    let mut typed = String::new();
    let mut byte = [0];
    loop {
        match tty.read(&mut byte) {
            Ok(1) => {}
            _ => return Err("the terminal went away".to_owned()),
        }
        match byte {
            [b'\r' | b'\n'] if typed.is_empty() => return Err("nothing was typed".to_owned()),
            [b'\r' | b'\n'] => return Ok(typed),
            // ^C, ^D and esc.
            [3 | 4 | 27] => return Err("cancelled".to_owned()),
            [8 | 127] => drop(typed.pop()),
            // ^U
            [21] => typed.clear(),
            [key] if key.is_ascii_graphic() && typed.len() < MOST => typed.push(char::from(key)),
            _ => {}
        }
    }
}
