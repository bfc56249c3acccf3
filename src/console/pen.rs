//! Cells as a terminal is told of them, in few bytes: over a slow line most of a frame is what moves the cursor and what
//! changes the style, not what is read.
//!
//! The cursor goes on along a line by steps where that is shorter, the style changes by what is other than before, and is
//! kept from frame to frame; the sixteen colours have short names.

use std::collections::HashMap;

use ratatui::buffer::Cell;
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr as _;

/// Where the terminal's cursor is, and how it writes.
#[derive(Debug, Default)]
pub(super) struct Pen {
    /// Where the next letter would stand; `None` when that is not known.
    at: Option<(u16, u16)>,
    /// What was written to the left of it on its line takes as many cells here as there: ASCII alone does for certain.
    exact: bool,
    /// How it writes; `None` when that is not known.
    style: Option<Ink>,
    /// The letters on the screen that are two cells wide, by their first cell.
    wide: HashMap<(u16, u16), Ink>,
}

/// The letters' colour, their ground, and how they are written.
type Ink = (Color, Color, Modifier);

/// What is set, and the parameter that sets it.
const MODIFIERS: [(Modifier, u8); 9] = [
    (Modifier::BOLD, 1),
    (Modifier::DIM, 2),
    (Modifier::ITALIC, 3),
    (Modifier::UNDERLINED, 4),
    (Modifier::SLOW_BLINK, 5),
    (Modifier::RAPID_BLINK, 6),
    (Modifier::REVERSED, 7),
    (Modifier::HIDDEN, 8),
    (Modifier::CROSSED_OUT, 9),
];

impl Pen {
    /// Somebody else wrote: neither the place nor the style is known.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Somebody else moved the cursor.
    pub(super) fn lose_place(&mut self) {
        self.at = None;
    }

    /// Writes a cell.
    fn write(&mut self, out: &mut Vec<u8>, (x, y): (u16, u16), cell: &Cell) {
        let symbol = cell.symbol();
        let ink = (cell.fg, cell.bg, cell.modifier);
        let wide = u16::try_from(symbol.width()).unwrap_or(1).max(1);
        self.cut(out, (x, y), wide);
        self.go(out, (x, y));
        self.take(out, ink);
        out.extend_from_slice(symbol.as_bytes());
        self.exact &= symbol.is_ascii();
        self.at = Some((x.saturating_add(wide), y));
        if wide > 1 {
            self.wide.insert((x, y), ink);
        }
    }

    /// Blanks the wide letters that writing `wide` cells at `(x, y)` would leave one half of: what a terminal makes of a half is
    /// its own affair, and what is not drawn again would keep it.
    fn cut(&mut self, out: &mut Vec<u8>, (x, y): (u16, u16), wide: u16) {
        if self.wide.is_empty() {
            return;
        }
        for first in x.saturating_sub(1)..x.saturating_add(wide) {
            let Some(ink) = self.wide.remove(&(first, y)) else { continue };
            if first == x && wide > 1 {
                continue;
            }
            self.go(out, (first, y));
            self.take(out, ink);
            out.extend_from_slice(b"  ");
            self.at = Some((first.saturating_add(2), y));
        }
    }

    /// Writes cells that changed, from the left to the right of each line.
    pub(super) fn draw<'a>(&mut self, out: &mut Vec<u8>, cells: impl Iterator<Item = (u16, u16, &'a Cell)>) {
        for (x, y, cell) in cells {
            self.write(out, (x, y), cell);
        }
    }

    fn go(&mut self, out: &mut Vec<u8>, (x, y): (u16, u16)) {
        let ahead = self.at.filter(|(_, line)| *line == y).and_then(|(column, _)| x.checked_sub(column));
        match ahead {
            Some(0) => return,
            Some(1) if self.exact => out.extend_from_slice(b"\x1b[C"),
            Some(cells) if self.exact => out.extend_from_slice(format!("\x1b[{cells}C").as_bytes()),
            _ => {
                out.extend_from_slice(format!("\x1b[{};{}H", u32::from(y) + 1, u32::from(x) + 1).as_bytes());
                self.exact = true;
            }
        }
        self.at = Some((x, y));
    }

    fn take(&mut self, out: &mut Vec<u8>, style: Ink) {
        if self.style == Some(style) {
            return;
        }
        let (fg, bg, modifier) = style;
        // What is set can only be taken back all at once in few bytes.
        let kept = self.style.filter(|(.., before)| modifier.contains(*before));
        let mut codes: Vec<String> = Vec::new();
        let (was_fg, was_bg, was) = kept.unwrap_or_else(|| {
            codes.push(String::new());
            (Color::Reset, Color::Reset, Modifier::empty())
        });
        for (each, code) in MODIFIERS {
            if modifier.contains(each) && !was.contains(each) {
                codes.push(code.to_string());
            }
        }
        if fg != was_fg {
            codes.push(code(fg, 30));
        }
        if bg != was_bg {
            codes.push(code(bg, 40));
        }
        if !codes.is_empty() {
            out.extend_from_slice(format!("\x1b[{}m", codes.join(";")).as_bytes());
        }
        self.style = Some(style);
    }
}

/// A colour as a parameter, of letters from 30 on or of their ground from 40 on.
fn code(colour: Color, base: u8) -> String {
    let named = |n: u8| (base + n).to_string();
    let bright = |n: u8| (base + 60 + n).to_string();
    match colour {
        Color::Reset => named(9),
        Color::Black => named(0),
        Color::Red => named(1),
        Color::Green => named(2),
        Color::Yellow => named(3),
        Color::Blue => named(4),
        Color::Magenta => named(5),
        Color::Cyan => named(6),
        Color::Gray => named(7),
        Color::DarkGray => bright(0),
        Color::LightRed => bright(1),
        Color::LightGreen => bright(2),
        Color::LightYellow => bright(3),
        Color::LightBlue => bright(4),
        Color::LightMagenta => bright(5),
        Color::LightCyan => bright(6),
        Color::White => bright(7),
        Color::Indexed(index) => format!("{};5;{index}", base + 8),
        Color::Rgb(r, g, b) => format!("{};2;{r};{g};{b}", base + 8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::paint::Paint;
    use crate::console::theme::{Colours, Theme};
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    fn written(cells: &[(u16, u16, &str, Style)]) -> String {
        let mut pen = Pen::default();
        let mut out = Vec::new();
        for (x, y, symbol, style) in cells {
            let mut cell = Cell::default();
            cell.set_symbol(symbol).set_style(*style);
            pen.write(&mut out, (*x, *y), &cell);
        }
        String::from_utf8(out).unwrap().replace('\x1b', "^")
    }

    #[test]
    fn only_what_is_other_is_told() {
        let (plain, red) = (Style::reset(), Style::reset().fg(Color::LightRed));
        let bold = Style::reset().add_modifier(Modifier::BOLD);
        let cells = [
            (2, 4, "a", plain),
            (3, 4, "b", plain),
            (4, 4, "c", red),
            (5, 4, "d", red.add_modifier(Modifier::BOLD)),
            (6, 4, "e", plain),
            (8, 4, "f", bold),
            (20, 4, "▲", bold),
            (22, 4, "g", bold),
            (0, 5, "h", bold),
        ];
        assert_eq!(written(&cells), "^[5;3H^[mab^[91mc^[1md^[me^[C^[1mf^[11C▲^[5;23Hg^[6;1Hh");
    }

    /// A colour as the terminal keeps it.
    fn told(colour: Color) -> vt100::Color {
        match colour {
            Color::Reset => vt100::Color::Default,
            Color::Black => vt100::Color::Idx(0),
            Color::Red => vt100::Color::Idx(1),
            Color::Gray => vt100::Color::Idx(7),
            Color::DarkGray => vt100::Color::Idx(8),
            Color::LightRed => vt100::Color::Idx(9),
            Color::White => vt100::Color::Idx(15),
            Color::Indexed(n) => vt100::Color::Idx(n),
            Color::Rgb(r, g, b) => vt100::Color::Rgb(r, g, b),
            other => panic!("{other} is not drawn here"),
        }
    }

    proptest::proptest! {
        /// A terminal that is told so shows what the buffer holds.
        #[test]
        fn a_terminal_shows_what_is_written(
            frames in proptest::collection::vec(
                proptest::collection::vec((0u16..12, 0u16..4, 0usize..8, 0usize..9, 0u16..16), 1..30), 1..5)
        ) {
            let symbols = ["a", " ", "▲", "é", "          ", "…", "漢", "漢字"];
            let colours = [
                Color::Reset, Color::Red, Color::LightRed, Color::Gray, Color::DarkGray, Color::White,
                Color::Indexed(200), Color::Rgb(1, 2, 3), Color::Black,
            ];
            let area = Rect::new(0, 0, 13, 4);
            let theme = Theme::named(None, Colours::Sixteen, false).unwrap();
            let (mut shown, mut pen) = (Buffer::empty(area), Pen::default());
            let mut terminal = vt100::Parser::new(4.try_into().unwrap(), 13.try_into().unwrap(), 0);
            for frame in frames {
                let mut next = shown.clone();
                for (x, y, symbol, colour, bits) in frame {
                    let style = Style::reset().fg(colours[colour]).bg(colours[8 - colour]).add_modifier(
                        Modifier::from_bits_truncate(bits & 0b1101),
                    );
                    Paint::new(&mut next, &theme).text(x, y, 10, symbols[symbol], style);
                }
                let mut out = Vec::new();
                pen.draw(&mut out, shown.diff(&next).into_iter());
                terminal.process(&out);
                shown = next;
                for y in 0..4 {
                    for x in 0..13 {
                        let cell = terminal.screen().cell(y, x).unwrap();
                        let wanted = &shown[(x, y)];
                        // The second cell of a wide letter is the terminal's own.
                        let second = x > 0 && shown[(x - 1, y)].symbol().width() > 1;
                        proptest::prop_assert_eq!(cell.is_wide_continuation(), second, "{},{}", x, y);
                        if second {
                            continue;
                        }
                        // A cell that nothing was written into is a blank.
                        let held = if cell.contents().is_empty() { " " } else { cell.contents() };
                        proptest::prop_assert_eq!(held, wanted.symbol(), "{},{}", x, y);
                        proptest::prop_assert_eq!(cell.bgcolor(), told(wanted.bg));
                        if wanted.symbol() == " " {
                            continue;
                        }
                        proptest::prop_assert_eq!(cell.bold(), wanted.modifier.contains(Modifier::BOLD));
                        proptest::prop_assert_eq!(cell.underline(), wanted.modifier.contains(Modifier::UNDERLINED));
                        proptest::prop_assert_eq!(cell.fgcolor(), told(wanted.fg));
                    }
                }
            }
        }
    }
}
