//! Lines of text in a pane: labelled, wrapped, cut to the room there is, scrolled.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::super::app::{App, Key, ListId, ListState};
use super::super::paint::{Paint, Part, inside, part, wrap};
use super::layout::Place;
use super::{Theme, scroll_bar};

/// A line of a pane.
pub(in crate::console) type Line<'a> = Vec<Part<'a>>;

/// Facts of one thing: each a label of `label` cells and a text wrapped into `room` cells beside it.
pub(in crate::console) struct Facts<'a> {
    pub(in crate::console) lines: Vec<Line<'a>>,
    label: usize,
    room: usize,
    dim: Style,
}

impl<'a> Facts<'a> {
    pub(in crate::console) fn new(label: usize, room: usize, theme: &Theme) -> Self {
        Self { lines: Vec::new(), label, room, dim: theme.dim }
    }

    pub(in crate::console) fn say(&mut self, label: &str, text: &str, style: Style) {
        for (i, line) in wrap(text, self.room).into_iter().enumerate() {
            let label = format!("{:<width$}", if i == 0 { label } else { "" }, width = self.label);
            self.lines.push(vec![part(label, self.dim), part(line, style)]);
        }
    }
}

/// A list with one line a key, as it is laid out.
pub(in crate::console) fn rows<'a>(
    paint: &mut Paint<'_>,
    pane: Rect,
    inner: Rect,
    list: &ListState,
    mut line: impl FnMut(Key) -> Option<Line<'a>>,
) {
    for (y, key) in (inner.y..inner.bottom()).zip(list.in_sight()) {
        let Some(parts) = line(*key) else { continue };
        paint.line(inner.x, y, inner.width.saturating_sub(1), &parts);
        if list.chosen() == Some(*key) {
            paint.select(Rect { y, height: 1, ..inner }, true);
        }
    }
    scroll_bar(paint, pane, list, true);
}

/// As many lines as there is room for, a cell from either side of `inner`.
pub(in crate::console) fn lines<'a, 'b: 'a>(
    paint: &mut Paint<'_>,
    inner: Rect,
    lines: impl IntoIterator<Item = &'a Line<'b>>,
) {
    for (y, line) in (inner.y..inner.bottom()).zip(lines) {
        paint.line(inner.x + 1, y, inner.width.saturating_sub(2), line);
    }
}

/// Lines that scroll in `inner`, and on the lower edge of its `pane` how many are below.
pub(in crate::console) fn scrolled(
    paint: &mut Paint<'_>,
    (pane, inner): (Rect, Rect),
    all: &[Line<'_>],
    scroll: &ListState,
    style: Style,
) {
    let below = scrolled_to(paint, inner, all, scroll);
    scroll_bar(paint, pane, scroll, true);
    if below > 0 {
        self::below(paint, pane, below, style);
    }
}

/// Details of what is chosen in a list: as much as there is room for, and where they have the screen, scrolled.
pub(in crate::console) fn opened(
    app: &App,
    paint: &mut Paint<'_>,
    (pane, inner): (Rect, Rect),
    all: &[Line<'_>],
) {
    let style = paint.theme.dim;
    if app.shows_one() {
        return scrolled(paint, (pane, inner), all, app.list(ListId::Text), style);
    }
    lines(paint, inner, all);
    let hidden = all.len().saturating_sub(inner.height.into());
    if hidden > 0 {
        below(paint, pane, hidden, style);
    }
}

/// On the lower edge of a pane, how many lines are below.
pub(in crate::console) fn below(paint: &mut Paint<'_>, pane: Rect, lines: usize, style: Style) {
    let text = format!(" {lines} more ");
    let wide = u16::try_from(text.len()).unwrap_or(u16::MAX);
    let x = pane.right().saturating_sub(2 + wide).max(pane.x);
    paint.on_edge(x, pane.bottom().saturating_sub(1), wide, &[part(text, style)]);
}

/// Room for lines above a line of keys, in a frame round `area`.
pub(in crate::console) fn above_foot_place(area: Rect, lines: usize) -> Place {
    Place::Dialog { lines, page: inside(area).height.saturating_sub(1).into() }
}

/// Lines that scroll above a line of keys, which ends with how many are below.
pub(in crate::console) fn above_foot(
    paint: &mut Paint<'_>,
    inner: Rect,
    all: &[Line<'_>],
    scroll: &ListState,
    mut foot: Line<'_>,
) {
    let height = inner.height.saturating_sub(1);
    let below = scrolled_to(paint, Rect { height, ..inner }, all, scroll);
    if below > 0 {
        foot.push(part(format!("{below} more"), paint.theme.warning));
    }
    if inner.height > 1 {
        lines(paint, Rect { y: inner.y + height, height: 1, ..inner }, [&foot]);
    }
}

/// The lines from where it is scrolled to; answers how many are below.
fn scrolled_to(paint: &mut Paint<'_>, inner: Rect, all: &[Line<'_>], scroll: &ListState) -> usize {
    lines(paint, inner, all.iter().skip(scroll.top()));
    all.len().saturating_sub(scroll.top() + inner.height as usize)
}
