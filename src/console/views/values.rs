//! A metric's history as AWS keeps it (ListMetricValues), beside what this console heard: labelled apart, for they may differ
//! (docs/aws-iot.md#6.9).

use ratatui::layout::Rect;

use quell_fleet::Ms;
use quell_rules::detect::model::MetricValue;

use super::super::app::{App, Env};
use super::super::paint::{Paint, part};
use super::super::words;
use super::spark::{Scale, draw as sparkline};
use super::violations::{got, metric_words};
use super::{frame, quiet};

/// Rows it takes, frame included.
pub(super) const ROWS: u16 = 5;
/// The stretch both are drawn over: as far back as this console keeps a device's sizes.
const SPAN: Ms = 3_600_000;

/// The metric of the violation under the cursor.
pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let Some((thing, metric)) = app.valued() else {
        let inner = frame(paint, area, false, "Metric", Vec::new());
        return quiet(paint, inner, "no violation with a metric under the cursor");
    };
    let title = format!("{} of {}", metric_words(metric.as_str()), thing.shown());
    let inner = frame(paint, area, false, &title, vec![part("last hour", theme.dim)]);
    let (x, room) = (inner.x + 1, inner.width.saturating_sub(2));
    let label = 7.min(room);
    let tail = 34.min(room.saturating_sub(label) / 2);
    let wide = room.saturating_sub(label + tail + 1);
    paint.text(x, inner.y, label, "AWS", theme.brand);
    let known = env.fleet.values_of(thing, metric);
    match known.and_then(|k| k.get()) {
        None => {
            let why = known.and_then(|k| k.trouble()).map(|t| t.message.to_string());
            let silent = if app.look.aws { "reading" } else { "no AWS (--no-aws)" };
            let text = why.unwrap_or_else(|| silent.to_owned());
            paint.text(x + label, inner.y, room.saturating_sub(label), &text, theme.dim);
        }
        Some(series) if series.points.is_empty() => {
            let text = "no values: no profile judges or retains this metric here, or nothing was reported";
            paint.text(x + label, inner.y, room.saturating_sub(label), text, theme.dim);
        }
        Some(series) => {
            blocks(env, paint, Rect { x: x + label, y: inner.y, width: wide, height: 1 }, &series.points);
            let last = series.points.last();
            let text = last.map(|(at, v)| format!("{}, {}", got(Some(v)), words::ago(env.now - at)));
            paint.text(x + label + wide + 1, inner.y, tail, &text.unwrap_or_default(), theme.text);
            let most = series.points.iter().filter_map(|(_, v)| number(v)).fold(0.0, f64::max);
            let values = words::plural(series.points.len(), "value", "values");
            let text = format!("{values}, at most {}", words::number(most));
            paint.text(x + label, inner.y + 1, wide, &text, theme.dim);
        }
    }
    let y = inner.y + 2;
    if y >= inner.bottom() {
        return;
    }
    paint.text(x, y, label, "heard", theme.brand);
    match env.fleet.find(thing.raw()).filter(|id| env.fleet.device(*id).last_seen().is_some()) {
        Some(id) => {
            let device = env.fleet.device(id);
            let scale = Scale::of(app, env, device.max().unwrap_or(0));
            sparkline(env, paint, Rect { x: x + label, y, width: wide, height: 1 }, id, SPAN, &scale, false);
            let size = device.last_len().map(|n| words::bytes(f64::from(n)));
            let rate = device.per_minute(env.now).map(|r| format!(", {}/min", words::number(r)));
            let text = format!("{}{} (sizes)", size.unwrap_or_default(), rate.unwrap_or_default());
            paint.text(x + label + wide + 1, y, tail, &text, theme.text);
        }
        None => {
            let text = "nothing of it was heard by this console";
            paint.text(x + label, y, room.saturating_sub(label), text, theme.dim);
        }
    }
}

/// AWS's values over the hour: a cell without a value is a gap, not a zero.
fn blocks(env: &Env<'_>, paint: &mut Paint<'_>, line: Rect, points: &[(Ms, MetricValue)]) {
    let theme = paint.theme;
    let s = theme.symbols;
    let most = points.iter().filter_map(|(_, v)| number(v)).fold(1.0, f64::max);
    let cells = Ms::from(line.width.max(1));
    for cell in 0..line.width {
        let from = env.now - SPAN + SPAN * Ms::from(cell) / cells;
        let to = env.now - SPAN + SPAN * Ms::from(cell + 1) / cells;
        let inside = points.iter().filter(|(at, _)| (from + 1..=to).contains(at));
        let value = inside.filter_map(|(_, v)| number(v)).reduce(f64::max);
        let (symbol, style) = match value {
            Some(value) => {
                let at = ((value / most * 8.0).ceil() as usize).clamp(1, 8) - 1;
                (s.blocks.get(at).copied().unwrap_or(s.gap), theme.spark)
            }
            None => (s.gap, theme.dim),
        };
        paint.cell(line.x + cell, line.y, symbol, style);
    }
}

fn number(value: &MetricValue) -> Option<f64> {
    value.count.map(|n| n as f64).or(value.number).or(value.ports.as_ref().map(|p| p.len() as f64))
}
