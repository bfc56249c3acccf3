//! Crossterm's backend, without its one question.
//!
//! To clear the screen ratatui asks the terminal where its cursor is, and waits for the answer: two seconds and an error on
//! a terminal that does not answer, and a race with the key reader on one that does. The console's cursor is always hidden
//! and never where it matters, so the backend answers for the terminal.

use std::io;

use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};

use super::pen::Pen;
use super::terminal::FrameWriter;

/// A backend that only writes.
///
/// A frame in which no cell changed writes nothing at all: not a byte over a slow line for a second that only passed.
pub struct WriteOnly {
    inner: CrosstermBackend<FrameWriter>,
    /// The size of a terminal that does not tell it, or is none: of a test, or of a bench.
    fixed: Option<Size>,
    /// What the terminal was last told about its cursor.
    cursor_shown: Option<bool>,
    pen: Pen,
}

impl WriteOnly {
    /// A backend that collects each frame and writes it at once; on a terminal of this size, whatever it says itself.
    pub(super) fn new(fixed: Option<Size>) -> Self {
        Self {
            inner: CrosstermBackend::new(FrameWriter::default()),
            fixed,
            cursor_shown: None,
            pen: Pen::default(),
        }
    }

    /// From now on the terminal is as large as it says.
    pub(super) fn follow(&mut self) {
        self.fixed = None;
    }

    /// The same on a terminal of a fixed size that is only a sink: what the console writes can be counted.
    pub fn to_sink(sink: Box<dyn io::Write + Send>, size: Size) -> Self {
        Self {
            inner: CrosstermBackend::new(FrameWriter::to(sink)),
            fixed: Some(size),
            cursor_shown: None,
            pen: Pen::default(),
        }
    }
}

impl Default for WriteOnly {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Backend for WriteOnly {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut content = content.peekable();
        if content.peek().is_none() {
            return Ok(());
        }
        let mut frame = Vec::new();
        self.pen.draw(&mut frame, content);
        io::Write::write_all(&mut self.inner, &frame)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if self.cursor_shown.replace(false) == Some(false) {
            return Ok(());
        }
        self.inner.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.cursor_shown = Some(true);
        // Asked when the terminal is dropped, which complains on stderr of what fails: on a terminal that has gone away that
        // is a panic. Whoever gives the terminal back shows the cursor anyway.
        let _ = self.inner.show_cursor();
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(Position::ORIGIN)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.pen.lose_place();
        self.inner.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    /// All of it is cleared when the terminal is taken or has another size: somebody else may have written meanwhile.
    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        if clear_type == ClearType::All {
            self.cursor_shown = None;
            self.pen.forget();
            // Emptied cells take the ground that is written on.
            io::Write::write_all(&mut self.inner, b"\x1b[m")?;
        } else {
            self.pen.lose_place();
        }
        self.inner.clear_region(clear_type)
    }

    fn size(&self) -> io::Result<Size> {
        match self.fixed {
            Some(size) => Ok(size),
            // Asked for each frame: crossterm opens the terminal's device for it.
            None => match rustix::termios::tcgetwinsize(io::stdout()) {
                Ok(size) if size.ws_col > 0 && size.ws_row > 0 => Ok(Size::new(size.ws_col, size.ws_row)),
                _ => self.inner.size(),
            },
        }
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        match self.fixed {
            Some(size) => Ok(WindowSize { columns_rows: size, pixels: Size::default() }),
            None => self.inner.window_size(),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Backend::flush(&mut self.inner)
    }
}
