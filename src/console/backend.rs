//! Crossterm's backend, without its one question.
//!
//! To clear the screen ratatui asks the terminal where its cursor is, and waits for the answer: two seconds and an error on
//! a terminal that does not answer, and a race with the key reader on one that does. The console's cursor is always hidden
//! and never where it matters, so the backend answers for the terminal.

use std::io;

use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};

use super::terminal::FrameWriter;

/// A backend that only writes.
pub(super) struct WriteOnly(CrosstermBackend<FrameWriter>);

impl WriteOnly {
    /// A backend that collects each frame and writes it at once.
    pub(super) fn new() -> Self {
        Self(CrosstermBackend::new(FrameWriter::default()))
    }
}

impl Default for WriteOnly {
    fn default() -> Self {
        Self::new()
    }
}

impl Backend for WriteOnly {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        self.0.draw(content)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.0.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.0.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(Position::ORIGIN)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.0.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.0.clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.0.clear_region(clear_type)
    }

    fn size(&self) -> io::Result<Size> {
        self.0.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.0.window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        Backend::flush(&mut self.0)
    }
}
