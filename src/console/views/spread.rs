//! How often each value came: columns on a logarithmic axis of values, with the limit as a line in it.

use ratatui::layout::Rect;

use super::super::paint::Paint;
use super::super::words;
use super::chart;
use super::limit::Limit;
use super::spark::Scale;

/// Steps of a doubling.
const STEPS: f64 = 4.0;
/// Steps up to 2⁴⁰.
const ALL: usize = 160;

/// Values counted by their size.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::console) struct Spread {
    counts: Vec<u32>,
}

impl Default for Spread {
    fn default() -> Self {
        Self { counts: vec![0; ALL] }
    }
}

fn step(value: f64) -> f64 {
    (value.max(1.0).log2() * STEPS).min((ALL - 1) as f64)
}

impl FromIterator<f64> for Spread {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut spread = Self::default();
        for value in values {
            if let Some(count) = spread.counts.get_mut(step(value) as usize) {
                *count += 1;
            }
        }
        spread
    }
}

impl Spread {
    /// True when nothing was counted.
    pub(in crate::console) fn is_empty(&self) -> bool {
        self.counts.iter().all(|n| *n == 0)
    }

    /// The steps from the smallest value to the largest and the line, with some room.
    fn range(&self, line: Option<&Limit>) -> (usize, usize) {
        let at = line.map(|line| step(line.at) as usize);
        let first = self.counts.iter().position(|n| *n > 0).into_iter().chain(at).min().unwrap_or(0);
        let last = self.counts.iter().rposition(|n| *n > 0).into_iter().chain(at).max().unwrap_or(0);
        (first.saturating_sub(2), (last + 3).min(ALL))
    }
}

/// Draws it; the last of several rows is the axis.
pub(super) fn draw(
    paint: &mut Paint<'_>,
    area: Rect,
    spread: &Spread,
    line: Option<&Limit>,
    unit: fn(f64) -> String,
) {
    let theme = paint.theme;
    let s = theme.symbols;
    if area.width < 8 || area.height == 0 {
        return;
    }
    let rows = if area.height > 2 { area.height - 1 } else { area.height };
    let (first, last) = spread.range(line);
    let steps = (last - first).max(1);
    let cell_of = |at: f64| {
        let part = (at - first as f64) / steps as f64;
        area.x + ((part * f64::from(area.width)) as u16).min(area.width - 1)
    };
    let most = spread.counts.iter().copied().max().unwrap_or(0);
    let scale = Scale::to(most, None);
    for x in 0..area.width {
        let at = first + usize::from(x) * steps / usize::from(area.width);
        let count = spread.counts.get(at).copied().unwrap_or(0);
        let middle = ((at as f64 + 0.5) / STEPS).exp2();
        let wrong = line.is_some_and(|line| line.is_beyond(middle));
        let style = if wrong { theme.spark_over } else { theme.spark };
        if count == 0 {
            paint.cell(area.x + x, area.y + rows - 1, s.gap, theme.border);
            continue;
        }
        chart::bar(paint, (area.x + x, area.y + rows - 1), rows, scale.eighths(count, rows), style);
    }
    let mark = line.map(|line| cell_of(step(line.at)));
    if let Some(x) = mark {
        for row in 0..rows {
            paint.cell(x, area.y + row, s.bound, theme.limit);
        }
    }
    if rows == area.height {
        return;
    }
    let y = area.y + rows;
    let value = |step: usize| (step as f64 / STEPS).exp2();
    let (low, high) = (unit(value(first)), unit(value(last)));
    paint.text(area.x, y, area.width, &low, theme.dim);
    paint.right(area.x, y, area.width, &high, theme.dim);
    if let (Some(x), Some(line)) = (mark, line) {
        let text = unit(line.at);
        let wide = words::cells(&text);
        // Centred below its line, and kept off what stands at the ends.
        let (left, right) =
            (area.x + words::cells(&low) + 1, area.right().saturating_sub(words::cells(&high) + 1 + wide));
        if left <= right {
            paint.text(x.saturating_sub(wide / 2).clamp(left, right), y, wide, &text, theme.limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::theme::{Colours, Theme};
    use quell_rules::detect::model::ComparisonOperator::{GreaterThan, LessThan};
    use ratatui::buffer::Buffer;

    fn drawn(values: &[f64], line: Option<Limit>, area: Rect) -> Vec<String> {
        let mut buffer = Buffer::empty(area);
        let theme = Theme::named(None, Colours::Sixteen, false).unwrap();
        let spread: Spread = values.iter().copied().collect();
        draw(&mut Paint::new(&mut buffer, &theme), area, &spread, line.as_ref(), words::bytes);
        (0..area.height).map(|y| (0..area.width).map(|x| buffer[(x, y)].symbol()).collect()).collect()
    }

    #[test]
    fn the_limit_stands_between_what_is_normal_and_what_is_not() {
        let values: Vec<f64> = [114.0; 20].into_iter().chain([3_000.0; 2]).collect();
        let rows = drawn(&values, Limit::new(LessThan, 1_000.0), Rect::new(0, 0, 48, 4));
        let line = rows[0].chars().position(|c| c == '┊').unwrap();
        let normal = rows[2].chars().position(|c| c == '█').unwrap();
        let rogue = rows[2].chars().rev().position(|c| "▁▂▃".contains(c)).unwrap();
        assert!(normal < line && line < 48 - rogue, "{rows:#?}");
        assert!(rows[3].contains("1.0 kB"), "{rows:#?}");
    }

    proptest::proptest! {
        #[test]
        fn no_size_and_no_value_is_too_strange(
            width in 0u16..60, height in 0u16..8,
            values in proptest::collection::vec(0f64..1e15, 0..20), at in 0f64..1e15, above in proptest::bool::ANY
        ) {
            drawn(&values, Limit::new(if above { LessThan } else { GreaterThan }, at), Rect::new(0, 0, width, height));
        }
    }
}
