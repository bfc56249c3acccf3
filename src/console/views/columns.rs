//! The columns of the device table. Each is one value of [`COLUMNS`]: its head, its width, the order it sorts by and its
//! cells; nothing else knows of it.

use std::cmp::Ordering;

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use quell_fleet::{Device, DeviceId, Ms};

use super::super::app::{App, Env};
use super::super::paint::Paint;
use super::super::theme::Theme;
use super::super::words;
use super::spark::{self, Scale};
use super::{devices, said, why};

/// A column.
pub(in crate::console) struct Column {
    head: fn(&Table<'_>, u16) -> String,
    width: Width,
    /// Ends at its right edge: numbers.
    right: bool,
    order: Option<Order>,
    cell: fn(&Row<'_>, &mut Paint<'_>, Rect),
}

/// An order of devices.
#[derive(Clone, Copy)]
pub(in crate::console) struct Order {
    /// What it is called, and what its reverse is.
    words: [&'static str; 2],
    /// The one that stands first is less.
    compare: fn(&Device, &Device, Ms) -> Ordering,
}

/// How wide a column is. It depends on the screen and the account, never on the rows in sight: columns do not jump.
enum Width {
    /// As the longest name of the account, within reason.
    Name,
    /// From a table of so many cells on, so many; the last that holds.
    Cells(&'static [(u16, u16)]),
    /// So much of what is left, from a table of so many cells on, and what those after it cannot use; not shown where that
    /// is less than `least`.
    Rest { from: u16, percent: u16, least: u16, most: u16 },
    /// Only sorted by.
    Hidden,
}

/// What the cells and heads of a table share.
pub(super) struct Table<'a> {
    pub(super) app: &'a App,
    pub(super) env: &'a Env<'a>,
    pub(super) scale: Scale,
    pub(super) span: Ms,
}

/// A device's row.
pub(super) struct Row<'a> {
    pub(super) table: &'a Table<'a>,
    pub(super) id: DeviceId,
    pub(super) device: &'a Device,
}

/// A column where it stands: from the left edge of the table, and how wide.
pub(super) struct Placed {
    column: usize,
    x: u16,
    width: u16,
}

/// Cells for the cursor and the mark, left of the first column.
pub(super) const EDGE: u16 = 3;

/// The columns, from the left.
pub(in crate::console) const COLUMNS: [Column; 10] = [
    Column {
        head: |_, _| "THING".to_owned(),
        width: Width::Name,
        right: false,
        order: Some(Order { words: ["by name", "by name, backwards"], compare: |a, b, _| by_name(a, b) }),
        cell: |row, paint, at| {
            let style = if row.device.word().is_loud() { paint.theme.brand } else { paint.theme.text };
            paint.text(at.x, at.y, at.width, row.device.name().shown().as_str(), style);
        },
    },
    Column {
        head: |_, _| "STATE".to_owned(),
        width: Width::Cells(&[(21, 9), (26, 13)]),
        right: false,
        order: Some(Order {
            words: ["worst first", "worst last"],
            compare: |a, b, _| {
                let violations = b.violations().len().cmp(&a.violations().len());
                a.word().cmp(&b.word()).then(violations)
            },
        }),
        cell: |row, paint, at| {
            let (word, style) = said(row.table.env, paint.theme, row.id, at.width.into());
            paint.text(at.x, at.y, at.width, &word, style);
        },
    },
    Column {
        head: |_, _| "/MIN".to_owned(),
        width: Width::Cells(&[(84, 5)]),
        right: true,
        order: Some(Order {
            words: ["most talkative first", "least talkative first"],
            compare: |a, b, now| {
                let rate = |d: &Device| d.per_minute(now).unwrap_or(-1.0);
                rate(b).total_cmp(&rate(a))
            },
        }),
        cell: |row, paint, at| {
            // Without a listener there is no rate.
            let env = row.table.env;
            let rate = env.fleet.per_minute(row.id, env.now);
            let text = rate.map(|v| if v < 0.05 { "0".to_owned() } else { words::number(v) });
            number(paint, at, text);
        },
    },
    Column {
        head: |_, _| "LAST".to_owned(),
        width: Width::Cells(&[(41, 7), (84, 6)]),
        right: true,
        order: Some(Order {
            words: ["largest last message first", "smallest last message first"],
            compare: |a, b, _| b.last_len().cmp(&a.last_len()),
        }),
        cell: |row, paint, at| number(paint, at, size(row.device.last_len())),
    },
    Column {
        head: |_, _| "P50".to_owned(),
        width: Width::Cells(&[(106, 6)]),
        right: true,
        order: None,
        cell: |row, paint, at| number(paint, at, size(row.device.p50())),
    },
    Column {
        head: |_, _| "MAX".to_owned(),
        width: Width::Cells(&[(90, 6)]),
        right: true,
        order: None,
        cell: |row, paint, at| number(paint, at, size(row.device.max())),
    },
    Column {
        head: sizes,
        width: Width::Rest { from: 47, percent: 50, least: 6, most: 60 },
        right: false,
        order: None,
        cell: |row, paint, at| {
            let Table { env, scale, span, .. } = row.table;
            spark::draw(env, paint, at, row.id, *span, scale);
        },
    },
    Column {
        head: |_, _| "CERT".to_owned(),
        width: Width::Cells(&[(128, 8)]),
        right: false,
        order: None,
        cell: |row, paint, at| {
            let (text, style) = devices::certificate(row.table.app, row.device, paint.theme);
            paint.text(at.x, at.y, at.width, &text, style);
        },
    },
    Column {
        head: |_, _| "WHY".to_owned(),
        width: Width::Rest { from: 70, percent: 100, least: 16, most: 44 },
        right: false,
        order: None,
        cell: reason,
    },
    Column {
        head: |_, _| String::new(),
        width: Width::Hidden,
        right: false,
        order: Some(Order {
            words: ["last heard first", "longest silent first"],
            compare: |a, b, _| b.last_seen().cmp(&a.last_seen()),
        }),
        cell: |_, _, _| {},
    },
];

/// What a table is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sort {
    column: usize,
    reversed: bool,
}

impl Default for Sort {
    /// The worst first.
    fn default() -> Self {
        Self { column: 1, reversed: false }
    }
}

impl Sort {
    fn order(self) -> Option<Order> {
        COLUMNS.get(self.column).and_then(|column| column.order)
    }

    /// In words.
    pub(super) fn words(self) -> &'static str {
        self.order().map_or("", |order| order.words[usize::from(self.reversed)])
    }

    /// The mark of its direction.
    pub(super) fn mark(self, theme: &Theme) -> &'static str {
        theme.symbols.sorted[usize::from(self.reversed)]
    }

    /// The same backwards, and after that the next column that sorts.
    pub(in crate::console) fn next(self) -> Self {
        if !self.reversed {
            return Self { reversed: true, ..self };
        }
        let after = (1..=COLUMNS.len()).map(|step| (self.column + step) % COLUMNS.len());
        let next = after.into_iter().find(|at| COLUMNS.get(*at).is_some_and(|c| c.order.is_some()));
        Self { column: next.unwrap_or(self.column), reversed: false }
    }

    /// The order of the column whose head stands at `x` in a table of `width` cells; the one in force is reversed.
    pub(super) fn by_head(self, x: u16, width: u16, longest: u16) -> Option<Self> {
        let placed = lay_out(width, longest);
        let at = placed.iter().find(|at| (at.x..at.x.saturating_add(at.width)).contains(&x))?;
        COLUMNS.get(at.column)?.order?;
        let reversed = at.column == self.column && !self.reversed;
        Some(Self { column: at.column, reversed })
    }

    /// Which of two devices stands first; equals by name.
    pub(in crate::console) fn compare(self, a: &Device, b: &Device, now: Ms) -> Ordering {
        let order = self.order().map_or(Ordering::Equal, |order| (order.compare)(a, b, now));
        let order = if self.reversed { order.reverse() } else { order };
        order.then_with(|| by_name(a, b))
    }
}

fn by_name(a: &Device, b: &Device) -> Ordering {
    words::natural(a.name().raw(), b.name().raw())
}

/// Which columns there are in a table of `width` cells, and where; `longest` is the longest name of the account.
pub(super) fn lay_out(width: u16, longest: u16) -> Vec<Placed> {
    let room = width.saturating_sub(EDGE);
    let mut shown: Vec<(usize, u16)> = Vec::new();
    let mut stretched: Vec<usize> = Vec::new();
    for (i, column) in COLUMNS.iter().enumerate() {
        match column.width {
            Width::Name => shown.push((i, longest.clamp(10, (width / 4).clamp(10, 28)))),
            Width::Cells(steps) => {
                let cells = steps.iter().rev().find(|(from, _)| width >= *from).map(|(_, cells)| *cells);
                shown.extend(cells.map(|cells| (i, cells)));
            }
            Width::Rest { from, .. } if width >= from => {
                stretched.push(i);
                shown.push((i, 0));
            }
            Width::Rest { .. } | Width::Hidden => {}
        }
    }
    let taken = |shown: &[(usize, u16)]| -> u16 {
        let cells = shown.iter().fold(0_u16, |sum, (_, cells)| sum.saturating_add(*cells));
        cells.saturating_add(u16::try_from(shown.len()).unwrap_or(u16::MAX).saturating_sub(1))
    };
    // What is left is shared; a column for which too little is left goes, the last one first.
    while let Some(last) = stretched.last().copied() {
        let mut left = room.saturating_sub(taken(&shown));
        let mut shares = Vec::new();
        for (n, i) in stretched.iter().enumerate() {
            let Some(Width::Rest { percent, least, most, .. }) = COLUMNS.get(*i).map(|c| &c.width) else {
                continue;
            };
            let later = stretched.iter().skip(n + 1).filter_map(|i| match COLUMNS.get(*i)?.width {
                Width::Rest { most, .. } => Some(most),
                _ => None,
            });
            let part = u32::from(left) * u32::from(*percent) / 100;
            let unused = left.saturating_sub(later.fold(0, u16::saturating_add));
            let share = u16::try_from(part).unwrap_or(left).max(unused).min(*most);
            left -= share;
            shares.push((*i, share, share >= *least));
        }
        if shares.iter().all(|(_, _, enough)| *enough) {
            for (i, share, _) in shares {
                shown.iter_mut().filter(|(at, _)| *at == i).for_each(|(_, cells)| *cells = share);
            }
            break;
        }
        stretched.pop();
        shown.retain(|(i, _)| *i != last);
    }
    if stretched.is_empty() {
        // Nothing else takes the rest, and names want it.
        let rest = room.saturating_sub(taken(&shown));
        let over = taken(&shown).saturating_sub(room);
        if let Some((_, name)) = shown.first_mut() {
            *name = name.saturating_add(rest).saturating_sub(over);
        }
    }
    let mut x = EDGE;
    let mut placed = Vec::new();
    for (column, width) in shown {
        placed.push(Placed { column, x, width });
        x = x.saturating_add(width + 1);
    }
    placed
}

/// Draws the heads.
pub(super) fn heads(table: &Table<'_>, paint: &mut Paint<'_>, line: Rect, placed: &[Placed]) {
    let sort = table.app.rows().sort();
    for at in placed {
        let Some(column) = COLUMNS.get(at.column) else { continue };
        let sorted = sort.column == at.column;
        let mark = if sorted { sort.mark(paint.theme) } else { "" };
        let text = format!("{}{mark}", (column.head)(table, at.width));
        let style = if sorted { paint.theme.text } else { paint.theme.label };
        if column.right {
            paint.right(line.x + at.x, line.y, at.width, &text, style);
        } else {
            paint.text(line.x + at.x, line.y, at.width, &text, style);
        }
    }
}

/// Draws a row.
pub(super) fn row(row: &Row<'_>, paint: &mut Paint<'_>, line: Rect, placed: &[Placed]) {
    for at in placed {
        if let Some(column) = COLUMNS.get(at.column) {
            let area = Rect { x: line.x + at.x, width: at.width, ..line };
            (column.cell)(row, paint, area.intersection(line));
        }
    }
}

fn size(value: Option<u32>) -> Option<String> {
    value.map(|v| words::bytes(f64::from(v)))
}

fn number(paint: &mut Paint<'_>, at: Rect, text: Option<String>) {
    let style = if text.is_some() { paint.theme.text } else { paint.theme.dim };
    paint.right(at.x, at.y, at.width, text.as_deref().unwrap_or("-"), style);
}

/// The head of the sizes: the stretch of time they are of, and the scale all of them share.
fn sizes(table: &Table<'_>, width: u16) -> String {
    let Table { app, scale, span, .. } = table;
    let dot = app.look.theme.symbols.dot;
    let mut text = format!("SIZE {dot} {}", spark::span_words(*span));
    if let Some(limit) = scale.limit {
        let symbols = &app.look.theme.symbols;
        // In ASCII the line of a limit is a minus, which no number stands behind.
        let lead = if symbols.ascii { "<=" } else { symbols.limit };
        let limit = format!(" {lead}{}", words::bytes(limit.at));
        if text.width() + limit.width() <= usize::from(width) {
            text.push_str(&limit);
        }
    }
    if width >= 40 {
        text.push_str(&format!(" {dot} max {}", words::bytes(f64::from(scale.most))));
    }
    if app.is_log_scale() {
        text.push_str(" log");
    }
    text
}

/// Why the device is what it is.
fn reason(row: &Row<'_>, paint: &mut Paint<'_>, at: Rect) {
    let (text, style) = why::why(row.table.app, row.table.env, row.id, paint.theme);
    // The age stands at the end and is never cut: how long matters more than the end of a name.
    match text.rsplit_once("  ") {
        Some((text, age)) if text.width() + age.width() + 2 > usize::from(at.width) => {
            let wide = age.width() as u16;
            paint.text(at.x, at.y, at.width.saturating_sub(wide + 1), text, style);
            paint.right(at.x, at.y, at.width, age, style);
        }
        _ => {
            paint.text(at.x, at.y, at.width, &text, style);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn columns_stand_beside_each_other_inside_the_table(width in 0u16..300, longest in 0u16..200) {
            let placed = lay_out(width, longest);
            let mut x = 0;
            for at in &placed {
                proptest::prop_assert!(at.x >= x && at.width > 0 || width < 14, "{width}");
                x = at.x + at.width + 1;
            }
            proptest::prop_assert!(x <= width.max(14) + 1, "{x} of {width}");
        }
    }

    #[test]
    fn a_second_press_reverses_and_a_third_goes_on_to_the_next_column_round_and_round() {
        let mut sort = Sort::default();
        let mut seen = Vec::new();
        for _ in 0..10 {
            seen.push(sort.words());
            sort = sort.next();
        }
        assert_eq!(sort, Sort::default());
        assert_eq!(seen[..3], ["worst first", "worst last", "most talkative first"]);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 10);
    }
}
