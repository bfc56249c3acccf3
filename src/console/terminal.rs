//! The terminal: taken over, given back, whatever happens.
//!
//! Everything a frame writes goes out in one write between synchronized-output marks, so that no half-drawn frame is
//! seen. The terminal is restored on drop, on error, on panic and on signals; a terminal that has gone away must not
//! keep the process.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::backend::WriteOnly;
use super::ground::{self, Question};
use super::theme::Theme;
use crate::config::ScreenSize;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{cursor, event, execute, terminal};
use ratatui::Terminal;
use ratatui::layout::Size;

/// Begin and end of synchronized output (DEC mode 2026); terminals that do not know it ignore it.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

/// True while the terminal is ours: the panic hook restores only what was taken.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// True where the mouse is listened to: a terminal that was not asked to tell of it is never told to stop.
static MOUSE: AtomicBool = AtomicBool::new(false);

/// Buttons and the wheel, in numbers (DEC modes 1000 and 1006); not where the pointer moves.
const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1000l";

/// How long the terminal is waited for that was asked for its size, in tenths of a second.
const PATIENCE: u8 = 3;
/// The size of a terminal that does not tell one.
const USUAL: (u16, u16) = (80, 24);

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
    /// The size was asked for: what the terminal says by itself later is newer.
    asked: bool,
}

impl Screen {
    /// Takes the terminal: raw mode, alternate screen, bracketed paste, hidden cursor, and the mouse where it is wanted. Of a
    /// terminal that does not know its size, or where that is wished, the size is asked for.
    ///
    /// # Errors
    ///
    /// When standard input or output is not a terminal.
    pub(crate) fn take(size: Option<ScreenSize>, mouse: bool) -> io::Result<Self> {
        // The theme decides about colour; see there.
        crossterm::style::force_color_output(true);
        super::ending::guard();
        MOUSE.store(mouse, Ordering::SeqCst);
        enter()?;
        let unknown = !matches!(terminal::size(), Ok((columns, rows)) if columns > 0 && rows > 0);
        let (fixed, asked) = match size {
            Some(ScreenSize::Fixed(columns, rows)) => (Some((columns, rows)), false),
            None if !unknown => (None, false),
            Some(ScreenSize::Ask) | None => (ask_size()?.or(unknown.then_some(USUAL)), true),
        };
        let backend = WriteOnly::new(fixed.map(|(width, height)| Size { width, height }));
        let mut terminal = Terminal::new(backend)?;
        terminal.clear()?;
        Ok(Self { terminal, asked })
    }

    /// The terminal says that it has so many columns and rows: newer than what it answered when it was asked.
    pub(super) fn resized(&mut self, columns: u16, rows: u16) {
        if self.asked && columns > 0 && rows > 0 {
            self.asked = false;
            self.terminal.backend_mut().follow();
        }
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

    /// Puts `text` into the terminal's clipboard (OSC 52), through the multiplexer where there is one.
    ///
    /// # Errors
    ///
    /// When the terminal has gone away.
    pub(crate) fn copy(&mut self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(&clipboard(text, Multiplexer::of_process()))?;
        out.flush()
    }

    /// Asks the terminal what it writes on, where the theme follows that and the terminal understands; the answer comes among
    /// the keys.
    ///
    /// # Errors
    ///
    /// When the terminal has gone away.
    pub(super) fn ask_ground(&mut self, theme: &Theme, question: &mut Question) -> io::Result<()> {
        let term = std::env::var("TERM").ok();
        if !theme.follows_ground() || !ground::is_understood(term.as_deref()) {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        out.write_all(ground::ASK)?;
        out.flush()?;
        question.ask(Instant::now());
        Ok(())
    }

    /// Lets go of what was typed and not read: an answer that is still under way must not come to whoever reads next.
    pub(super) fn forget_input() {
        let _ = rustix::termios::tcflush(io::stdin(), rustix::termios::QueueSelector::IFlush);
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

/// What stands between this program and the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Multiplexer {
    None,
    Tmux,
    Screen,
}

impl Multiplexer {
    fn of_process() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        match (set("TMUX"), set("STY")) {
            (true, _) => Self::Tmux,
            (_, true) => Self::Screen,
            _ => Self::None,
        }
    }
}

/// OSC 52 with `text`. A multiplexer hands it on only as it is asked to: tmux with each escape doubled, screen in pieces, for
/// it lets go of longer ones.
fn clipboard(text: &str, through: Multiplexer) -> Vec<u8> {
    use base64::Engine as _;
    const PIECE: usize = 240;
    let encoded = base64::engine::general_purpose::STANDARD.encode(text.as_bytes());
    let plain = format!("\x1b]52;c;{encoded}\x07");
    match through {
        Multiplexer::None => plain.into_bytes(),
        Multiplexer::Tmux => format!("\x1bPtmux;{}\x1b\\", plain.replace('\x1b', "\x1b\x1b")).into_bytes(),
        Multiplexer::Screen => {
            let pieces = plain.as_bytes().chunks(PIECE);
            pieces.flat_map(|piece| [b"\x1bP".as_slice(), piece, b"\x1b\\"].concat()).collect()
        }
    }
}

fn enter() -> io::Result<()> {
    terminal::enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    execute!(io::stdout(), EnterAlternateScreen, event::EnableBracketedPaste, cursor::Hide)?;
    if MOUSE.load(Ordering::SeqCst) {
        io::stdout().write_all(MOUSE_ON)?;
    }
    io::stdout().flush()
}

/// Asks the terminal how large it is (CSI 18 t); `None` when it does not say so in time.
fn ask_size() -> io::Result<Option<(u16, u16)>> {
    use rustix::termios::{OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};
    let input = io::stdin();
    let before = tcgetattr(&input)?;
    let mut brief = before.clone();
    // A read comes back after so many tenths of a second, with nothing if need be.
    brief.special_codes[SpecialCodeIndex::VMIN] = 0;
    brief.special_codes[SpecialCodeIndex::VTIME] = PATIENCE;
    tcsetattr(&input, OptionalActions::Now, &brief)?;
    let mut out = io::stdout().lock();
    let asked = out.write_all(b"\x1b[18t").and_then(|()| out.flush());
    drop(out);
    let mut answer = Vec::new();
    let size = loop {
        let mut bytes = [0; 64];
        let read = rustix::io::read(&input, &mut bytes).unwrap_or(0);
        answer.extend_from_slice(bytes.get(..read).unwrap_or_default());
        if let Some(size) = told_size(&answer) {
            break Some(size);
        }
        if read == 0 || answer.len() > 1_024 {
            break None;
        }
    };
    tcsetattr(&input, OptionalActions::Now, &before)?;
    asked.map(|()| size)
}

/// `CSI 8 ; ROWS ; COLUMNS t`, wherever it stands in what was read: somebody may be typing.
fn told_size(answer: &[u8]) -> Option<(u16, u16)> {
    let text = String::from_utf8_lossy(answer);
    let (_, rest) = text.split_once("\x1b[8;")?;
    let (rows, rest) = rest.split_once(';')?;
    let (columns, _) = rest.split_once('t')?;
    let (columns, rows) = (columns.parse().ok()?, rows.parse().ok()?);
    (columns > 0 && rows > 0).then_some((columns, rows))
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
        // Frames leave the style as it is.
        let _ = out.write_all(b"\x1b[m");
        if MOUSE.load(Ordering::SeqCst) {
            let _ = out.write_all(MOUSE_OFF);
        }
        let _ = execute!(out, event::DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
        let _ = terminal::disable_raw_mode();
    }
}

#[cfg(test)]
mod tests {
    use super::{Multiplexer, clipboard, notification, told_size};
    use quell_fleet::text::SafeText;

    #[test]
    fn a_size_is_found_in_what_the_terminal_answers() {
        assert_eq!(told_size(b"\x1b[8;48;160t"), Some((160, 48)));
        assert_eq!(told_size(b"j\x1b[8;24;80tq"), Some((80, 24)));
        for nothing in [b"".as_slice(), b"\x1b[8;48", b"\x1b[8;0;0t", b"\x1b[8;x;yt", b"\xff\x1b[8;99999;1t"]
        {
            assert_eq!(told_size(nothing), None);
        }
    }

    #[test]
    fn a_multiplexer_hands_the_clipboard_on() {
        assert_eq!(clipboard("Thing02", Multiplexer::None), b"\x1b]52;c;VGhpbmcwMg==\x07");
        assert_eq!(
            clipboard("Thing02", Multiplexer::Tmux),
            b"\x1bPtmux;\x1b\x1b]52;c;VGhpbmcwMg==\x07\x1b\\"
        );
        let long = clipboard(&"x".repeat(1_000), Multiplexer::Screen);
        let text = String::from_utf8(long).unwrap();
        let pieces: Vec<&str> = text.split_terminator("\x1b\\").collect();
        assert!(pieces.len() > 4 && pieces.iter().all(|piece| piece.starts_with("\x1bP")), "{pieces:?}");
        let joined: String = pieces.iter().map(|piece| &piece[2..]).collect();
        assert_eq!(joined.into_bytes(), clipboard(&"x".repeat(1_000), Multiplexer::None));
    }

    #[test]
    fn a_notification_rings_and_holds_one_sequence_whatever_its_text() {
        let bytes =
            notification(&SafeText::new("quell: Thing02\x07\x1b]52;c;QUJD\x07 is isolated, yet heard"));
        assert!(bytes.starts_with(b"\x07\x1b]9;quell: Thing02"));
        assert_eq!(bytes.iter().filter(|b| **b == 0x1b).count(), 1);
        assert_eq!(bytes.iter().filter(|b| **b == 0x07).count(), 2);
    }
}
