//! A device's sizes: an hour of them, and how often each size came among the messages kept.

use ratatui::layout::Rect;

use quell_fleet::model::Name;
use quell_fleet::{Column, DeviceId};

use super::super::super::app::{App, Env, Section};
use super::super::super::paint::{Paint, part};
use super::super::super::words;
use super::super::spark::Scale;
use super::super::{frame, quiet};

/// The longest stretch a device's sizes are kept for.
const HOUR: i64 = 3_600_000;
/// Messages of the ring looked back through for the histogram.
const FAR: usize = 10_000;

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, name: &Name, focused: bool) {
    let theme = paint.theme;
    let Some(id) = env.fleet.find(name.raw()) else { return };
    let device = env.fleet.device(id);
    let inner = frame(paint, area, focused, Section::Sizes.title(), vec![part("last hour", theme.dim)]);
    if device.last_seen().is_none() {
        return quiet(paint, inner, "no telemetry was heard");
    }
    let buckets = histogram(env, id);
    let bars = buckets.len() as u16;
    // The chart gets what the histogram leaves, as long as both can be read.
    let below = if inner.height >= bars + 5 { bars + 1 } else { 0 };
    let height = inner.height.saturating_sub(below).min(10);
    hour(app, env, paint, Rect { height, ..inner }, id);
    if below > 0 {
        let rest = Rect { y: inner.y + height, height: inner.height - height, ..inner };
        bars_of(paint, rest, &buckets);
    }
}

/// An hour in columns: the largest message of each two minutes.
fn hour(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, id: DeviceId) {
    let theme = paint.theme;
    let s = theme.symbols;
    if area.height < 2 || area.width < 12 {
        return;
    }
    let device = env.fleet.device(id);
    let mut columns = Vec::new();
    let width = (area.width - 2).min(120);
    device.series().columns(env.fleet.listening(id), env.now, HOUR, width as usize, &mut columns);
    let largest = columns.iter().filter_map(|c| match c {
        Column::Largest(v) => Some(*v),
        _ => None,
    });
    let most = largest.max().unwrap_or(0).max(1);
    let limit = Scale::of(app, env, device.max().unwrap_or(0)).limit;
    let rows = area.height - 1;
    for (i, column) in columns.iter().enumerate() {
        let x = area.x + 1 + i as u16;
        let value = match column {
            Column::NotWatching => continue,
            Column::Silent => {
                paint.cell(x, area.y + rows - 1, s.gap, theme.dim);
                continue;
            }
            Column::Largest(value) => *value,
        };
        let style = if limit.is_some_and(|l| value >= l) { theme.spark_over } else { theme.spark };
        let eighths = (u64::from(value) * u64::from(rows) * 8).div_ceil(u64::from(most)).max(1);
        for row in 0..rows {
            let filled = eighths.saturating_sub(u64::from(row) * 8).min(8);
            if filled > 0 {
                let block = s.blocks.get(filled as usize - 1).copied().unwrap_or(s.gap);
                paint.cell(x, area.y + rows - 1 - row, block, style);
            }
        }
    }
    let scale = limit.map(|l| format!(", limit {}", words::bytes(f64::from(l)))).unwrap_or_default();
    let text = format!("60 min ago; largest of each 2 min, max {}{scale}", words::bytes(f64::from(most)));
    let y = area.y + rows;
    let used = paint.text(area.x + 1, y, area.width.saturating_sub(6), &text, theme.dim);
    if used + 6 < width {
        paint.right(area.x + 1, y, width, "now", theme.dim);
    }
}

/// How often a size came.
struct Bucket {
    from: u32,
    to: u32,
    count: u64,
}

/// Sizes of the kept messages in steps of a doubling, from the smallest that came to the largest.
fn histogram(env: &Env<'_>, id: DeviceId) -> Vec<Bucket> {
    let mut counts = [0_u64; 33];
    let mine = env.fleet.stream().iter().rev().take(FAR).filter(|kept| {
        env.fleet.topic(kept.topic).is_some_and(|t| t.is_telemetry() && t.device() == Some(id))
    });
    for kept in mine {
        if let Some(count) = counts.get_mut((32 - kept.len.leading_zeros()) as usize) {
            *count += 1;
        }
    }
    let first = counts.iter().position(|n| *n > 0).unwrap_or(0);
    let last = counts.iter().rposition(|n| *n > 0).unwrap_or(0);
    counts
        .iter()
        .enumerate()
        .skip(first)
        .take(last.saturating_sub(first) + 1)
        .map(|(bits, count)| Bucket {
            from: if bits == 0 { 0 } else { 1 << (bits - 1) },
            to: if bits == 0 { 0 } else { ((1_u64 << bits) - 1).min(u64::from(u32::MAX)) as u32 },
            count: *count,
        })
        .collect()
}

fn bars_of(paint: &mut Paint<'_>, area: Rect, buckets: &[Bucket]) {
    let theme = paint.theme;
    let s = theme.symbols;
    let total: u64 = buckets.iter().map(|b| b.count).sum();
    let most = buckets.iter().map(|b| b.count).max().unwrap_or(0).max(1);
    let text = format!("sizes of the {} kept", words::plural(total as usize, "message", "messages"));
    paint.text(area.x + 1, area.y, area.width.saturating_sub(2), &text, theme.label);
    let width = area.width.saturating_sub(32);
    for (i, bucket) in buckets.iter().enumerate() {
        let y = area.y + 1 + i as u16;
        if y >= area.bottom() {
            break;
        }
        let range =
            format!("{} to {}", words::bytes(f64::from(bucket.from)), words::bytes(f64::from(bucket.to)));
        paint.right(area.x + 1, y, 18, &range, theme.text);
        let cells = (bucket.count * u64::from(width) / most) as u16;
        let cells = if bucket.count > 0 { cells.max(1) } else { 0 };
        for c in 0..cells {
            paint.cell(area.x + 20 + c, y, s.bar, theme.spark);
        }
        let count = words::count(bucket.count);
        paint.text(area.x + 21 + cells, y, area.width.saturating_sub(22 + cells), &count, theme.text);
    }
}
