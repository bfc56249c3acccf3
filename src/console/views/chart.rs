//! A chart with a scale: the largest value of each stretch of time as a column, a y axis with units, an x axis with times, and
//! the limit as a line that is never out of sight.
//!
//! Columns of block elements, not dots of braille: every terminal's font has them, silence and time nobody listened in are
//! told apart in them, and a chart that only moves on by a column changes few cells.

use jiff::tz::TimeZone;
use ratatui::layout::Rect;
use ratatui::style::Style;

use quell_fleet::{Column, DeviceId, Ms};

use super::super::app::{App, Env};
use super::super::paint::Paint;
use super::super::words;
use super::spark::{self, Scale};

/// Cells of the y axis.
pub(super) const AXIS: u16 = 9;
/// Rows below which a chart says less than a line of text.
pub(super) const LEAST: u16 = 4;
/// Steps between marks on the x axis, in seconds.
const STEPS: [Ms; 14] = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800];

/// What is drawn.
pub(super) struct Chart<'a> {
    /// One a cell of the plot, the oldest first.
    pub(super) columns: &'a [Column],
    /// The time of the first column's left edge, and of the last one's right.
    pub(super) time: (Ms, Ms),
    /// The height and the limit.
    pub(super) scale: Scale,
    /// A value in words.
    pub(super) unit: fn(f64) -> String,
    /// What time it is: where the chart ends earlier, its end is no `now`.
    pub(super) now: Ms,
}

/// How many columns a chart in `area` has.
pub(super) fn cells(area: Rect) -> usize {
    area.width.saturating_sub(AXIS).into()
}

/// The time that `cells` columns over the `span` before `now` stand for: aligned to whole columns, as the fleet aligns them.
pub(super) fn time(now: Ms, span: Ms, cells: usize) -> (Ms, Ms) {
    let count = Ms::try_from(cells).unwrap_or(1).max(1);
    let step = (span / count).max(1);
    let end = (now.div_euclid(step) + 1) * step;
    (end - count * step, end)
}

/// Draws the largest message of each stretch of a device, over `span` before now; as high as `most` at least, so that charts
/// beside each other share their scale.
pub(super) fn sizes(
    app: &App,
    env: &Env<'_>,
    paint: &mut Paint<'_>,
    area: Rect,
    (id, span): (DeviceId, Ms),
    most: u32,
) {
    let cells = cells(area);
    let mut columns = Vec::new();
    env.fleet.device(id).series().columns(env.fleet.listening(id), env.now, span, cells, &mut columns);
    let scale = Scale::of(app, env, spark::largest(&columns).max(most));
    let time = time(env.now, span, cells);
    let chart = Chart { columns: &columns, time, scale, unit: words::bytes, now: env.now };
    draw(paint, area, &app.look.zone, &chart);
}

/// Draws it; nothing where it could not be read.
pub(super) fn draw(paint: &mut Paint<'_>, area: Rect, zone: &TimeZone, chart: &Chart<'_>) {
    let theme = paint.theme;
    let s = theme.symbols;
    if area.height < 2 || area.width < AXIS + 4 {
        return;
    }
    let rows = area.height - 1;
    let plot = Rect { x: area.x + AXIS, width: area.width - AXIS, height: rows, ..area };
    let Scale { most, limit, .. } = chart.scale;
    // Rows are counted from below.
    let limit_row = limit.map(|limit| (chart.scale.eighths(limit.at as u32, rows).saturating_sub(1)) / 8);
    for row in 0..rows {
        let y = plot.bottom() - 1 - row;
        let text = match limit.filter(|_| limit_row == Some(row)) {
            Some(limit) => Some(((chart.unit)(limit.at), theme.limit)),
            None if row + 1 == rows => Some(((chart.unit)(f64::from(most)), theme.dim)),
            None if row == 0 => Some(("0".to_owned(), theme.dim)),
            None if between(rows, limit_row).any(|mark| mark == row) => {
                // The value at the row's middle.
                let at = (f64::from(row) + 0.5) / f64::from(rows) * f64::from(most);
                Some(((chart.unit)(at), theme.dim))
            }
            None => None,
        };
        let axis = if text.is_some() { s.tick } else { s.axis };
        if let Some((text, style)) = text {
            paint.right(area.x, y, AXIS - 2, &text, style);
        }
        paint.cell(plot.x - 1, y, axis, theme.border);
        if limit_row == Some(row) {
            for x in plot.left()..plot.right() {
                paint.cell(x, y, s.limit, theme.limit);
            }
        }
    }
    for (x, column) in (plot.left()..plot.right()).zip(chart.columns) {
        let value = match column {
            Column::NotWatching => {
                paint.cell(x, plot.bottom() - 1, s.unwatched, theme.rule);
                continue;
            }
            Column::Silent => {
                paint.cell(x, plot.bottom() - 1, s.gap, theme.dim);
                continue;
            }
            Column::Largest(value) => *value,
        };
        let style = if chart.scale.is_over(value) { theme.spark_over } else { theme.spark };
        bar(paint, (x, plot.bottom() - 1), rows, chart.scale.eighths(value, rows), style);
    }
    times(paint, Rect { y: plot.bottom(), height: 1, ..plot }, zone, chart.time, chart.now);
}

/// Rows from which a chart has marks between its ends.
const MARKED: u16 = 8;

/// Rows with a mark between the ends of the axis: as many as help, and none beside another.
fn between(rows: u16, limit: Option<u16>) -> impl Iterator<Item = u16> {
    let quarters: &[u16] = if rows >= 2 * MARKED { &[1, 2, 3] } else { &[2] };
    let marks = quarters.iter().map(move |quarter| rows * quarter / 4);
    marks.filter(move |row| rows >= MARKED && limit.is_none_or(|limit| row.abs_diff(limit) > 1))
}

/// A bar of so many eighths of a cell, from its lowest cell up, in at most so many rows.
pub(super) fn bar(paint: &mut Paint<'_>, (x, y): (u16, u16), rows: u16, eighths: u16, style: Style) {
    let blocks = paint.theme.symbols.blocks;
    for row in 0..rows {
        let filled = usize::from(eighths.saturating_sub(row * 8).min(8));
        if let Some(block) = filled.checked_sub(1).and_then(|at| blocks.get(at)) {
            paint.cell(x, y - row, block, style);
        }
    }
}

/// The x axis: moments that are round, each where it was, and at the end `now`, or when that was.
pub(super) fn times(paint: &mut Paint<'_>, line: Rect, zone: &TimeZone, (from, to): (Ms, Ms), now: Ms) {
    let style = paint.theme.dim;
    let step = ((to - from) / Ms::from(line.width.max(1))).max(1);
    // A mark takes up to eight cells, and as many are left between two.
    let apart = STEPS.iter().map(|seconds| seconds * 1_000).find(|apart| apart / step >= 15);
    let end = if to >= now { "now".to_owned() } else { words::clock(to, zone) };
    let taken = words::cells(&end) + 1;
    paint.right(line.x, line.y, line.width, &end, style);
    let Some(apart) = apart else { return };
    let mut at = (from + apart - 1).div_euclid(apart) * apart;
    while at < to {
        let text = if apart % 60_000 == 0 { words::minute(at, zone) } else { words::clock(at, zone) };
        let x = line.x + u16::try_from((at - from) / step).unwrap_or(u16::MAX);
        let wide = u16::try_from(text.len()).unwrap_or(8);
        if x.saturating_add(wide + taken) > line.right() {
            break;
        }
        paint.text(x, line.y, wide, &text, style);
        at += apart;
    }
}

#[cfg(test)]
mod tests {
    use super::super::limit::Limit;
    use super::*;
    use crate::console::theme::{Colours, Theme};
    use ratatui::buffer::Buffer;

    fn below(limit: f64) -> Option<Limit> {
        Limit::new(quell_rules::detect::model::ComparisonOperator::LessThan, limit)
    }

    #[test]
    fn a_chart_that_ended_earlier_does_not_end_now() {
        let line = Rect::new(0, 0, 60, 1);
        let ends = |to: Ms, now: Ms| {
            let mut buffer = Buffer::empty(line);
            let theme = Theme::named(None, Colours::Sixteen, false).unwrap();
            times(&mut Paint::new(&mut buffer, &theme), line, &TimeZone::UTC, (to - 120_000, to), now);
            (0..60).map(|x| buffer[(x, 0)].symbol()).collect::<String>()
        };
        assert!(ends(1_700_000_100_000, 1_700_000_099_000).ends_with(" now"));
        let earlier = ends(1_700_000_100_000, 1_700_000_300_000);
        assert!(earlier.ends_with(" 22:15:00") && !earlier.contains("now"), "{earlier}");
    }

    /// A chart of 24 columns over two minutes, drawn in so many rows.
    fn drawn(columns: &[Column], scale: Scale, rows: u16) -> String {
        let area = Rect::new(0, 0, AXIS + columns.len() as u16, rows);
        let mut buffer = Buffer::empty(area);
        let theme = Theme::named(None, Colours::Sixteen, false).unwrap();
        let mut paint = Paint::new(&mut buffer, &theme);
        let now = 1_700_000_100_000;
        let time = time(now, 120_000, columns.len());
        draw(&mut paint, area, &TimeZone::UTC, &Chart { columns, time, scale, unit: words::bytes, now });
        let line =
            |y| (0..area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..area.height).map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_harmless_stays_low_and_the_limit_is_in_sight() {
        let columns = [Column::NotWatching, Column::Silent].into_iter().chain([Column::Largest(114); 22]);
        let columns: Vec<Column> = columns.collect();
        let text = drawn(&columns, Scale::to(114, below(1_000.0)), 5);
        let rows: Vec<&str> = text.lines().collect();
        let lines = [
            " 1.0 kB ┤┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄",
            "        │",
            "        │",
            "      0 ┤─·▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄",
        ];
        assert_eq!(rows[..4], lines, "{text}");
        assert!(rows[4].ends_with("now"), "{text}");
    }

    #[test]
    fn an_attack_stands_above_the_line() {
        let columns: Vec<Column> =
            (0..24).map(|i| Column::Largest(if i < 12 { 100 } else { 3_000 })).collect();
        let text = drawn(&columns, Scale::to(3_000, below(1_000.0)), 7);
        let rows: Vec<&str> = text.lines().collect();
        assert!(rows[0].starts_with(" 3.0 kB ┤            ████████████"), "{text}");
        assert!(rows[4].starts_with(" 1.0 kB ┤┄┄┄┄┄┄┄┄┄┄┄┄████████████"), "{text}");
    }

    proptest::proptest! {
        #[test]
        fn no_size_is_too_small(width in 0u16..60, height in 0u16..12, most in 0u32..5_000, limit in 0f64..5_000.0) {
            let area = Rect::new(0, 0, width, height);
            let mut buffer = Buffer::empty(area);
            let theme = Theme::named(None, Colours::Sixteen, true).unwrap();
            let columns = vec![Column::Largest(most); cells(area)];
            let now = 1_700_000_100_000;
            let time = time(now, 30_000, columns.len());
            let scale = Scale::to(most, below(limit).filter(|_| limit > 500.0));
            let chart = Chart { columns: &columns, time, scale, unit: words::bytes, now };
            draw(&mut Paint::new(&mut buffer, &theme), area, &TimeZone::UTC, &chart);
        }
    }
}
