//! A device's sizes: up to an hour of them, and how often each size came among the messages kept.

use ratatui::layout::Rect;

use quell_fleet::DeviceId;
use quell_fleet::model::Name;

use super::super::super::app::{App, Env, Section};
use super::super::super::paint::{Paint, part};
use super::super::super::words;
use super::super::chart;
use super::super::spark;
use super::super::{frame, quiet};

/// Messages of the ring looked back through for the histogram.
const FAR: usize = 10_000;

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, name: &Name, focused: bool) {
    let theme = paint.theme;
    let Some(id) = env.fleet.find(name.raw()) else { return };
    let device = env.fleet.device(id);
    let inner = frame(
        paint,
        area,
        focused,
        Section::Sizes.title(),
        vec![part(format!("last {}", spark::span_words(spark::long_span(env))), theme.dim)],
    );
    if device.last_seen().is_none() {
        return quiet(paint, inner, "no telemetry was heard");
    }
    let buckets = histogram(env, id);
    let bars = buckets.len() as u16;
    // The chart gets what the histogram leaves, as long as both can be read.
    let below = if inner.height >= bars + 5 { bars + 1 } else { 0 };
    let height = inner.height.saturating_sub(below).min(14);
    let area = Rect { height, width: inner.width.saturating_sub(1), ..inner };
    chart::sizes(app, env, paint, area, (id, spark::long_span(env)), 0);
    if below > 0 {
        let rest = Rect { y: inner.y + height, height: inner.height - height, ..inner };
        bars_of(paint, rest, &buckets);
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
