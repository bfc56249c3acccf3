//! The terminal: taken over, given back, whatever happens.
//!
//! Everything a frame writes goes out in one write between synchronized-output marks, so that no half-drawn frame is
//! seen. The terminal is restored on drop, on error, on panic and on signals; a terminal that has gone away must not
//! keep the process.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use super::backend::WriteOnly;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{cursor, event, execute, terminal};
use ratatui::Terminal;

/// Begin and end of synchronized output (DEC mode 2026); terminals that do not know it ignore it.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

/// True while the terminal is ours: the panic hook restores only what was taken.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// True once a signal has told us to end.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Collects a frame and writes it at once, to standard output unless told otherwise.
#[derive(Default)]
pub(crate) struct FrameWriter {
    frame: Vec<u8>,
    elsewhere: Option<Box<dyn Write + Send>>,
}

impl FrameWriter {
    /// Writes frames to `sink`.
    pub(super) fn to(sink: Box<dyn Write + Send>) -> Self {
        Self { frame: Vec::new(), elsewhere: Some(sink) }
    }
}

impl Write for FrameWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.frame.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.frame.is_empty() {
            return Ok(());
        }
        let mut whole = Vec::with_capacity(self.frame.len() + BEGIN.len() + END.len());
        whole.extend_from_slice(BEGIN);
        whole.append(&mut self.frame);
        whole.extend_from_slice(END);
        let mut stdout;
        let out: &mut dyn Write = match &mut self.elsewhere {
            Some(sink) => sink,
            None => {
                stdout = io::stdout().lock();
                &mut stdout
            }
        };
        out.write_all(&whole)?;
        out.flush()
    }
}

/// The terminal in our hands. Dropping it gives it back.
pub(crate) struct Screen {
    terminal: Terminal<WriteOnly>,
}

impl Screen {
    /// Takes the terminal: raw mode, alternate screen, bracketed paste, hidden cursor.
    ///
    /// # Errors
    ///
    /// When standard input or output is not a terminal.
    pub(crate) fn take() -> io::Result<Self> {
        // The theme decides about colour; see there.
        crossterm::style::force_color_output(true);
        super::ending::guard();
        enter()?;
        let mut terminal = Terminal::new(WriteOnly::new())?;
        terminal.clear()?;
        Ok(Self { terminal })
    }

    /// Columns and rows.
    ///
    /// # Errors
    ///
    /// When the terminal has gone away.
    pub(super) fn size(&self) -> io::Result<(u16, u16)> {
        self.terminal.size().map(|size| (size.width, size.height))
    }

    /// Draws one frame: only the cells that changed are written.
    ///
    /// # Errors
    ///
    /// When the terminal has gone away.
    pub(crate) fn draw(&mut self, render: impl FnOnce(&mut ratatui::Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(render).map(|_| ())
    }

    /// Forgets what is on the screen, so that the next frame draws everything.
    ///
    /// # Errors
    ///
    /// When the terminal has gone away.
    pub(crate) fn forget(&mut self) -> io::Result<()> {
        self.terminal.clear()
    }

    /// Gives the terminal back, stops the process group as ctrl-z would have, and takes it again when continued.
    ///
    /// # Errors
    ///
    /// When the terminal has gone away meanwhile.
    pub(crate) fn suspend(&mut self) -> io::Result<()> {
        restore();
        // The whole group, as the terminal driver does: a `cargo run` above us must stop too. SIGSTOP, because SIGTSTP
        // is one of the signals we listen to.
        let _ = rustix::process::kill_current_process_group(rustix::process::Signal::STOP);
        self.retake()
    }

    /// Takes the terminal again after somebody else had it.
    ///
    /// # Errors
    ///
    /// When the terminal has gone away meanwhile.
    pub(crate) fn retake(&mut self) -> io::Result<()> {
        TAKEN.store(false, Ordering::SeqCst);
        enter()?;
        self.terminal.clear()
    }

    /// Rings the terminal's bell and, where the terminal knows OSC 9, raises a notification with `text`.
    ///
    /// # Errors
    ///
    /// When the terminal has gone away.
    pub(crate) fn notify(&mut self, text: &quell_fleet::text::SafeText) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(&notification(text))?;
        out.flush()
    }

    /// Puts `text` into the terminal's clipboard (OSC 52). Bounded: only names are copied.
    ///
    /// # Errors
    ///
    /// When the terminal has gone away.
    pub(crate) fn copy(&mut self, text: &quell_fleet::text::SafeText) -> io::Result<()> {
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::STANDARD.encode(text.as_str().as_bytes());
        let mut out = io::stdout().lock();
        write!(out, "\x1b]52;c;{encoded}\x07")?;
        out.flush()
    }

    /// True when the terminal behind standard input has gone away: crossterm's reader would spin on it.
    pub(crate) fn is_gone() -> bool {
        matches!(rustix::termios::tcgetattr(io::stdin()), Err(e) if e == rustix::io::Errno::IO)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// A bell, and OSC 9 with `text`: being [`quell_fleet::text::SafeText`] it cannot end the sequence early.
fn notification(text: &quell_fleet::text::SafeText) -> Vec<u8> {
    format!("\x07\x1b]9;{text}\x07").into_bytes()
}

fn enter() -> io::Result<()> {
    terminal::enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    execute!(io::stdout(), EnterAlternateScreen, event::EnableBracketedPaste, cursor::Hide)
}

/// From now on nobody is waited for who does not read.
pub(super) fn ending() {
    ENDING.store(true, Ordering::SeqCst);
}

/// True while the terminal is not given back.
pub(super) fn is_taken() -> bool {
    TAKEN.load(Ordering::SeqCst)
}

/// Lets go of output that nobody reads, and of ctrl-s: there is room again for a write that waits for it.
pub(super) fn free() {
    use rustix::termios::{Action, QueueSelector, tcflow, tcflush};
    let _ = tcflow(io::stdout(), Action::OOn);
    let _ = tcflush(io::stdout(), QueueSelector::OFlush);
}

/// Lines and echo as before, without writing anything.
pub(super) fn cook() {
    let _ = terminal::disable_raw_mode();
}

/// Gives the terminal back, once; errors are of no use to anyone by then.
pub(crate) fn restore() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        if ENDING.load(Ordering::SeqCst) {
            // What was written before would stand in the way.
            free();
        }
        let mut out = io::stdout();
        let _ = out.write_all(END);
        let _ = execute!(out, event::DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
        let _ = terminal::disable_raw_mode();
    }
}

#[cfg(test)]
mod tests {
    use super::notification;
    use quell_fleet::text::SafeText;

    #[test]
    fn a_notification_rings_and_holds_one_sequence_whatever_its_text() {
        let bytes =
            notification(&SafeText::new("quell: Thing02\x07\x1b]52;c;QUJD\x07 is isolated, yet heard"));
        assert!(bytes.starts_with(b"\x07\x1b]9;quell: Thing02"));
        assert_eq!(bytes.iter().filter(|b| **b == 0x1b).count(), 1);
        assert_eq!(bytes.iter().filter(|b| **b == 0x07).count(), 2);
    }
}
