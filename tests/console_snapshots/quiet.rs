//! A frame costs what changed: nothing changed, nothing is written; and what is written shows what is meant.

use std::io::Write;
use std::sync::{Arc, Mutex};

use quell::console::app::{Env, Msg};
use quell::console::backend::WriteOnly;
use quell::console::views;
use quell_fleet::{Fleet, Ms};
use ratatui::Terminal;
use ratatui::layout::Size;
use ratatui::style::{Color, Style};

use crate::world::*;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn frame(terminal: &mut Terminal<WriteOnly>, app: &mut App, fleet: &Fleet, now: Ms) {
    let env = Env { fleet, now };
    app.update(Msg::Resize(160, 48), &env);
    terminal.draw(|frame| views::draw(app, &env, frame.buffer_mut())).unwrap();
}

#[test]
fn nothing_changed_and_not_a_byte_is_written() {
    let fleet = incident();
    let sink = Sink::default();
    let backend = WriteOnly::to_sink(Box::new(sink.clone()), Size::new(160, 48));
    let mut terminal = Terminal::new(backend).unwrap();
    let mut app = App::new(look(false));
    frame(&mut terminal, &mut app, &fleet, NOW);
    let first = sink.take();
    assert!(first.len() > 4_000, "the first frame draws everything: {}", first.len());
    assert!(
        first.starts_with(b"\x1b[?2026h") && first.ends_with(b"\x1b[?2026l"),
        "in one synchronized write"
    );
    for _ in 0..20 {
        frame(&mut terminal, &mut app, &fleet, NOW);
        assert_eq!(sink.take(), b"", "no cell changed");
    }
    // A second passes: the clock and a few ages, and only these.
    frame(&mut terminal, &mut app, &fleet, NOW + 1_000);
    let second = sink.take();
    assert!(!second.is_empty() && second.len() < 400, "{}", String::from_utf8_lossy(&second));
}

/// The cells of a terminal: what stands there, in which colours.
fn shown(terminal: &vt100::Parser) -> Vec<(String, vt100::Color, vt100::Color)> {
    let cells = (0..2).flat_map(|y| (0..6).map(move |x| (y, x)));
    cells
        .map(|(y, x)| {
            let cell = terminal.screen().cell(y, x).unwrap();
            (cell.contents().trim().to_owned(), cell.fgcolor(), cell.bgcolor())
        })
        .collect()
}

#[test]
fn a_screen_that_is_cleared_is_drawn_as_on_an_empty_terminal() {
    let sink = Sink::default();
    let backend = WriteOnly::to_sink(Box::new(sink.clone()), Size::new(6, 2));
    let mut terminal = Terminal::new(backend).unwrap();
    let alarm = Style::new().fg(Color::White).bg(Color::Red);
    let draw = |terminal: &mut Terminal<WriteOnly>| {
        terminal
            .draw(|frame| {
                frame.buffer_mut().set_string(0, 0, "A", alarm);
                frame.buffer_mut().set_string(3, 1, "B", alarm);
            })
            .unwrap();
        sink.take()
    };
    let mut parser = vt100::Parser::new(2.try_into().unwrap(), 6.try_into().unwrap(), 0);
    parser.process(&draw(&mut terminal));
    let first = shown(&parser);
    // What is left in the pen is an alarm's ground; or it is not, for somebody else wrote meanwhile.
    for between in [b"".as_slice(), b"\x1b[m\x1b[?25hsomebody else\r\n"] {
        parser.process(between);
        terminal.clear().unwrap();
        parser.process(&draw(&mut terminal));
        assert_eq!(shown(&parser), first);
        assert!(parser.screen().hide_cursor(), "the cursor is never seen");
    }
}
