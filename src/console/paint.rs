//! Drawing: text by cells, clipped, in the theme's styles. All a view needs of ratatui.

use std::borrow::Cow;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use super::theme::Theme;

/// A buffer with the theme. Coordinates outside the buffer are ignored, so a view need not ask whether it fits.
pub(crate) struct Paint<'a> {
    buf: &'a mut Buffer,
    /// The look.
    pub theme: &'a Theme,
    masked: bool,
}

/// A part of a line.
pub(crate) type Part<'a> = (Cow<'a, str>, Style);

/// A part from anything that is text.
pub(crate) fn part<'a>(text: impl Into<Cow<'a, str>>, style: Style) -> Part<'a> {
    (text.into(), style)
}

/// Cuts `text` to `width` cells, ending with `more` when something was left off.
pub(crate) fn fit<'a>(text: &'a str, width: usize, more: &str) -> Cow<'a, str> {
    if text.len() <= width || text.width() <= width {
        return Cow::Borrowed(text);
    }
    let room = width.saturating_sub(more.width());
    let mut out = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let wide = grapheme.width();
        if used + wide > room {
            break;
        }
        used += wide;
        out.push_str(grapheme);
    }
    if width >= more.width() {
        out.push_str(more);
    }
    Cow::Owned(out)
}

/// Cuts `text` to `width` cells in its middle: names and topics tell most at their ends.
pub(crate) fn fit_middle<'a>(text: &'a str, width: usize, more: &str) -> Cow<'a, str> {
    if text.len() <= width || text.width() <= width {
        return Cow::Borrowed(text);
    }
    let room = width.saturating_sub(more.width());
    if room < 2 {
        return fit(text, width, more);
    }
    let ahead = fit(text, room / 2, "");
    Cow::Owned(format!("{ahead}{more}{}", tail(text, room - ahead.width())))
}

/// Replaces account ids (twelve digits) and IP addresses by as many dots: widths stay.
pub(crate) fn mask(text: &str) -> Cow<'_, str> {
    let private = |word: &str| -> bool {
        let digits = word.len() == 12 && word.bytes().all(|b| b.is_ascii_digit());
        digits || (word.len() >= 7 && word.parse::<std::net::IpAddr>().is_ok())
    };
    let inside = |c: char| c.is_ascii_hexdigit() || c == '.' || c == ':';
    let mut out = String::new();
    let mut rest = text;
    let mut any = false;
    while !rest.is_empty() {
        let begin = rest.find(inside).unwrap_or(rest.len());
        out.push_str(rest.get(..begin).unwrap_or_default());
        rest = rest.get(begin..).unwrap_or_default();
        let end = rest.find(|c| !inside(c)).unwrap_or(rest.len());
        let run = rest.get(..end).unwrap_or_default();
        rest = rest.get(end..).unwrap_or_default();
        // An account id stands between the colons of an ARN.
        if private(run.trim_matches(['.', ':'])) {
            any = true;
            out.extend(run.chars().map(|c| if c.is_ascii_hexdigit() { '*' } else { c }));
        } else {
            for (i, word) in run.split(':').enumerate() {
                if i > 0 {
                    out.push(':');
                }
                if private(word.trim_matches('.')) {
                    any = true;
                    out.extend(word.chars().map(|c| if c == '.' { c } else { '*' }));
                } else {
                    out.push_str(word);
                }
            }
        }
    }
    if any { Cow::Owned(out) } else { Cow::Borrowed(text) }
}

/// A text in ASCII. What others wrote is escaped as what cannot be printed is (`\u{e4}`); an ellipsis becomes three dots, so
/// that none of a device's is taken for the mark of what this screen cut, which is `Symbols::more`.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '…' => out.push_str("..."),
            c if c.is_ascii() => out.push(c),
            c => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
        }
    }
    out
}

/// Breaks `text` into lines of at most `width` cells, at spaces where there are some.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split_inclusive(' ') {
        let wide = word.trim_end().width();
        if used > 0 && used + wide > width {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
            used = 0;
        }
        if wide <= width {
            line.push_str(word);
            used += word.width();
            continue;
        }
        for grapheme in word.graphemes(true) {
            let wide = grapheme.width();
            if used + wide > width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push_str(grapheme);
            used += wide;
        }
    }
    if !line.trim_end().is_empty() || lines.is_empty() {
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// The last `width` cells of a text.
pub(crate) fn tail(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    wrap(&text.chars().rev().collect::<String>(), width)
        .first()
        .map(|line| line.chars().rev().collect())
        .unwrap_or_default()
}

/// What is inside a frame round `area`; all of it where there is no room for a frame.
pub(crate) fn inside(area: Rect) -> Rect {
    if area.width < 4 || area.height < 3 {
        return area;
    }
    Rect::new(area.x + 1, area.y + 1, area.width - 2, area.height - 2)
}

impl<'a> Paint<'a> {
    /// Draws into `buf`.
    pub(crate) fn new(buf: &'a mut Buffer, theme: &'a Theme) -> Self {
        Self { buf, theme, masked: false }
    }

    /// From now on account ids and addresses are drawn as dots: somebody else is looking.
    pub(crate) fn mask_private(&mut self, masked: bool) {
        self.masked = masked;
    }

    /// The whole screen.
    pub(crate) fn area(&self) -> Rect {
        self.buf.area
    }

    /// Draws `text` at `(x, y)` in at most `width` cells, cut with an ellipsis; returns the cells used.
    pub(crate) fn text(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        let area = self.buf.area;
        if y < area.top() || y >= area.bottom() || x < area.left() || x >= area.right() || width == 0 {
            return 0;
        }
        let room = width.min(area.right() - x);
        let mut shown = if self.masked { mask(text) } else { Cow::Borrowed(text) };
        if self.theme.symbols.ascii && !shown.is_ascii() {
            shown = Cow::Owned(plain(&shown));
        }
        let text = fit(&shown, room as usize, self.theme.symbols.more);
        let end = match self.letters(x, y, &text, style) {
            Some(end) => end,
            None => self.buf.set_stringn(x, y, &text, room as usize, style).0,
        };
        if end > x {
            self.uncover(x, y);
        }
        if !text.is_ascii() {
            self.dress_wide(x, end, y);
        }
        end - x
    }

    /// Draws a text of letters that take a cell each, which most are, and gives where it ends: what takes what else there is apart
    /// costs several times as much. `None` where the text has others, or no room.
    fn letters(&mut self, x: u16, y: u16, text: &str, style: Style) -> Option<u16> {
        if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return None;
        }
        let end = x.checked_add(u16::try_from(text.len()).ok()?)?;
        if end > self.buf.area.right() {
            return None;
        }
        for (i, x) in (x..end).enumerate() {
            self.buf.cell_mut((x, y))?.set_symbol(text.get(i..=i)?).set_style(style);
        }
        Some(end)
    }

    /// The second cell of a wide letter looks as the first does, as on a terminal; ratatui leaves it bare, and what changes by
    /// its ground alone would not be drawn.
    fn dress_wide(&mut self, from: u16, to: u16, y: u16) {
        let mut style = None;
        for x in from..to {
            let Some(cell) = self.buf.cell_mut((x, y)) else { return };
            if let Some(style) = style.take() {
                cell.set_style(style);
            } else if cell.symbol().width() > 1 {
                style = Some(cell.style());
            }
        }
    }

    /// Takes away a wide letter whose second cell is at `(x, y)` and is something else now: a terminal would show the letter,
    /// and hide what was drawn over half of it.
    fn uncover(&mut self, x: u16, y: u16) {
        if let Some(left) = x.checked_sub(1)
            && let Some(cell) = self.buf.cell_mut((left, y))
            // No letter of fewer bytes is wide.
            && cell.symbol().len() >= 3
            && cell.symbol().width() > 1
        {
            cell.set_symbol(" ");
        }
    }

    /// Draws `text` so that it ends at the right edge of `width` cells.
    pub(crate) fn right(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) {
        let wide = (text.width() as u16).min(width);
        self.text(x + (width - wide), y, wide, text, style);
    }

    /// Draws parts after each other on the edge of a frame, whose colour does not shine through.
    pub(crate) fn on_edge(&mut self, x: u16, y: u16, width: u16, parts: &[Part<'_>]) -> u16 {
        let told: usize = parts.iter().map(|(text, _)| text.width()).sum();
        let told = u16::try_from(told).unwrap_or(u16::MAX).min(width);
        self.clear(Rect { x, y, width: told, height: 1 });
        self.line(x, y, width, parts)
    }

    /// Draws parts after each other; returns the cells used.
    pub(crate) fn line(&mut self, x: u16, y: u16, width: u16, parts: &[Part<'_>]) -> u16 {
        let mut used = 0;
        for (text, style) in parts {
            if used >= width {
                break;
            }
            used += self.text(x + used, y, width - used, text, *style);
        }
        used
    }

    /// Lays `style` over an area.
    pub(crate) fn style(&mut self, area: Rect, style: Style) {
        let area = area.intersection(self.buf.area);
        self.buf.set_style(area, style);
    }

    /// Whether every cell of `area` holds `symbol`.
    pub(crate) fn holds(&self, area: Rect, symbol: &str) -> bool {
        let mut cells = area.positions().map(|at| self.buf.cell(at));
        cells.all(|cell| cell.is_some_and(|cell| cell.symbol() == symbol))
    }

    /// Chooses a line, all of it: see [`Theme::on_row`].
    pub(crate) fn select(&mut self, line: Rect, focused: bool) {
        let line = line.intersection(self.buf.area);
        for y in line.top()..line.bottom() {
            for x in line.left()..line.right() {
                if let Some(cell) = self.buf.cell_mut((x, y)) {
                    cell.set_style(self.theme.on_row(cell.style(), focused));
                }
            }
        }
    }

    /// Empties an area: the theme's ground is left.
    pub(crate) fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buf.area);
        let mut empty = Cell::EMPTY;
        empty.set_style(self.theme.text);
        for y in area.top()..area.bottom() {
            if area.width == 0 {
                continue;
            }
            self.uncover(area.left(), y);
            // A row at once: the whole screen goes through here for each frame.
            let from = self.buf.index_of(area.left(), y);
            if let Some(row) = self.buf.content.get_mut(from..from + usize::from(area.width)) {
                row.fill(empty.clone());
            }
        }
    }

    /// Puts what is drawn there behind what comes next: words stay legible and have neither colour, ground nor weight, and what is
    /// drawn of lines and blocks is as quiet as a frame.
    pub(crate) fn recede(&mut self, area: Rect) {
        let area = area.intersection(self.buf.area);
        let quiet = |style| Style::reset().patch(self.theme.text).patch(style);
        let (words, shapes) = (quiet(self.theme.dim), quiet(self.theme.border));
        for at in area.positions() {
            if let Some(cell) = self.buf.cell_mut(at) {
                let is_shape = cell.symbol().starts_with(|c| matches!(c, '\u{2500}'..='\u{259f}'));
                cell.set_style(if is_shape { shapes } else { words });
            }
        }
    }

    /// A frame with a title; returns what is inside. Too small for a frame, the whole area is inside.
    pub(crate) fn pane(&mut self, area: Rect, title: &[Part<'_>], style: Style) -> Rect {
        let area = area.intersection(self.buf.area);
        if area.width < 4 || area.height < 3 {
            return area;
        }
        let [top_left, top_right, bottom_left, bottom_right, across, down] = self.theme.symbols.frame;
        let (right, bottom) = (area.right() - 1, area.bottom() - 1);
        for x in area.left() + 1..right {
            self.cell(x, area.top(), across, style);
            self.cell(x, bottom, across, style);
        }
        for y in area.top() + 1..bottom {
            self.cell(area.left(), y, down, style);
            self.cell(right, y, down, style);
        }
        self.cell(area.left(), area.top(), top_left, style);
        self.cell(right, area.top(), top_right, style);
        self.cell(area.left(), bottom, bottom_left, style);
        self.cell(right, bottom, bottom_right, style);
        if !title.is_empty() && area.width > 6 {
            let x = area.left() + 1;
            let used = self.text(x, area.top(), 1, " ", style);
            let wide = self.on_edge(x + used, area.top(), area.width - 4, title);
            self.text(x + used + wide, area.top(), 1, " ", style);
        }
        inside(area)
    }

    /// One cell.
    pub(crate) fn cell(&mut self, x: u16, y: u16, symbol: &str, style: Style) {
        if let Some(cell) = self.buf.cell_mut((x, y)) {
            cell.set_symbol(symbol);
            cell.set_style(style);
            self.uncover(x, y);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_by_cells() {
        assert_eq!(fit("temperature", 20, "…"), "temperature");
        assert_eq!(fit("temperature", 5, "…"), "temp…");
        // Two cells each: the third does not fit beside the ellipsis.
        assert_eq!(fit("温度計測", 6, "…"), "温度…");
        assert_eq!(fit("abc", 0, "…"), "");
    }

    #[test]
    fn in_ascii_nothing_of_a_device_is_taken_for_our_own_mark() {
        assert_eq!(plain("Süd…/7~"), "S\\u{fc}d.../7~");
        assert_eq!(plain("温"), "\\u{6e29}");
    }

    #[test]
    fn a_topic_is_cut_where_topics_agree() {
        assert_eq!(fit_middle("temperature-device-02", 30, "…"), "temperature-device-02");
        assert_eq!(fit_middle("temperature-device-02", 12, "…"), "tempe…ice-02");
        assert_eq!(fit_middle("温度計測の値段", 7, "…"), "温…値段");
        assert_eq!(fit_middle("abcdef", 2, "…"), "a…");
    }

    #[test]
    fn what_is_private_is_masked_and_nothing_else() {
        for (text, shown) in [
            ("123456789012", "************"),
            ("arn:aws:iot:us-east-1:123456789012:thing/T", "arn:aws:iot:us-east-1:************:thing/T"),
            ("from 203.0.113.7:8883", "from ***.*.***.*:8883"),
            ("addr 2001:db8::1 ok", "addr ****:***::* ok"),
            ("12:55:00 Thing02 3.0 kB 0.0.1", "12:55:00 Thing02 3.0 kB 0.0.1"),
            ("9f3c9f3cabcd", "9f3c9f3cabcd"),
        ] {
            assert_eq!(mask(text), shown);
        }
    }

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("", 4), [""]);
    }

    proptest::proptest! {
        #[test]
        fn wrapping_never_exceeds_the_width(text in ".{0,80}", width in 2usize..20) {
            let safe = quell_fleet::text::SafeText::new(&text);
            for line in wrap(safe.as_str(), width) {
                proptest::prop_assert!(line.width() <= width, "{line:?}");
            }
            proptest::prop_assert!(fit(safe.as_str(), width, "…").width() <= width);
            proptest::prop_assert!(fit_middle(safe.as_str(), width, "…").width() <= width);
        }
    }
}
