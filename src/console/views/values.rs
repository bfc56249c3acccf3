//! A metric's history as AWS keeps it (ListMetricValues), beside what this console heard: labelled apart, for they may differ
//! (docs/aws-iot.md#6.9).

use ratatui::layout::Rect;
use ratatui::style::Style;

use quell_fleet::account::MetricSeries;
use quell_fleet::known::Known;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;
use quell_fleet::{Column, DeviceId, Ms};
use quell_rules::detect::model::MetricValue;

use super::super::app::{App, Env};
use super::super::paint::{Paint, part};
use super::super::words;
use super::chart::{self, Chart};
use super::spark::{self, Scale, draw as sparkline};
use super::violations::{got, metric_words};
use super::{frame, lack, quiet};

/// Rows it takes at least, frame included.
pub(super) const ROWS: u16 = 5;
/// Rows from which each trace is a chart.
const CHARTS: u16 = 2 * (chart::LEAST + 2);
/// Rows of a chart that is not taller for it.
const TALL: u16 = 16;

/// The metric of the violation under the cursor.
pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let Some((thing, metric)) = app.valued() else {
        let inner = frame(paint, area, false, "Metric", Vec::new());
        return quiet(paint, inner, "no violation with a metric under the cursor");
    };
    let title = format!("{} of {}", metric_words(metric.as_str()), thing.shown());
    let inner = frame(
        paint,
        area,
        false,
        &title,
        vec![part(format!("last {}", spark::span_words(spark::long_span(env))), theme.dim)],
    );
    if inner.height >= CHARTS {
        return charts(app, env, paint, inner, thing, metric);
    }
    let (x, room) = (inner.x + 1, inner.width.saturating_sub(2));
    let label = 7.min(room);
    let tail = 34.min(room.saturating_sub(label) / 2);
    let wide = room.saturating_sub(label + tail + 1);
    paint.text(x, inner.y, label, "AWS", theme.brand);
    match kept(app, env, thing, metric) {
        Err((text, style)) => {
            paint.text(x + label, inner.y, room.saturating_sub(label), &text, style);
        }
        Ok((series, (last_at, last))) => {
            blocks(env, paint, Rect { x: x + label, y: inner.y, width: wide, height: 1 }, &series.points);
            let text = format!("{}, {}", got(Some(last)), words::ago(env.now - last_at));
            paint.text(x + label + wide + 1, inner.y, tail, &text, theme.text);
            let most = series.points.iter().filter_map(|(_, v)| number(v)).fold(0.0, f64::max);
            let values = words::plural(series.points.len(), "value", "values");
            // Below stand sizes of messages: whoever compares the two must know that these are of a window each.
            let text = format!("{values}, one a window, at most {}", words::number(most));
            paint.text(x + label, inner.y + 1, wide, &text, theme.dim);
        }
    }
    let y = inner.y + 2;
    if y >= inner.bottom() {
        return;
    }
    paint.text(x, y, label, "heard", theme.brand);
    match heard_of(env, thing) {
        Some(id) => {
            let device = env.fleet.device(id);
            let scale = Scale::of(app, env, device.max().unwrap_or(0));
            sparkline(
                env,
                paint,
                Rect { x: x + label, y, width: wide, height: 1 },
                id,
                spark::long_span(env),
                &scale,
            );
            let size = device.last_len().map(|n| words::bytes(f64::from(n)));
            let text = format!("{}{} (sizes)", size.unwrap_or_default(), rate(env, id));
            paint.text(x + label + wide + 1, y, tail, &text, theme.text);
        }
        None => {
            paint.text(x + label, y, room.saturating_sub(label), UNHEARD, theme.dim);
        }
    }
}

/// AWS's values of a metric, and the last of them.
type Kept<'a> = (&'a MetricSeries, &'a (Ms, MetricValue));

/// AWS's values of a metric; else why there are none.
fn kept<'a>(app: &App, env: &Env<'a>, thing: &Name, metric: &SafeText) -> Result<Kept<'a>, (String, Style)> {
    let unread = Known::default();
    let known = env.fleet.values_of(thing, metric);
    let series = known.and_then(Known::get).ok_or_else(|| lack(app, known.unwrap_or(&unread), "values"))?;
    let none = "no values: no profile judges or retains this metric here, or nothing was reported";
    series.points.last().map(|last| (series, last)).ok_or_else(|| (none.to_owned(), app.look.theme.dim))
}

/// Said where there is no trace of a thing's own.
const UNHEARD: &str = "nothing of it was heard by this console";

/// The thing, when telemetry of it was heard.
fn heard_of(env: &Env<'_>, thing: &Name) -> Option<DeviceId> {
    env.fleet.find(thing.raw()).filter(|id| env.fleet.device(*id).last_seen().is_some())
}

/// Both traces as charts on one axis of time.
pub(super) fn charts(
    app: &App,
    env: &Env<'_>,
    paint: &mut Paint<'_>,
    area: Rect,
    thing: &Name,
    metric: &SafeText,
) {
    let half = (area.height / 2).min(TALL + 1);
    let (above, below) = super::split(Rect { width: area.width.saturating_sub(1), ..area }, half);
    let below = Rect { height: below.height.min(TALL + 1), ..below };
    aws(app, env, paint, above, thing, metric);
    heard(app, env, paint, below, thing);
}

fn head(paint: &mut Paint<'_>, area: Rect, name: &str, facts: &str, style: Style) -> Rect {
    let parts = [part(format!("{name}  "), paint.theme.brand), part(facts.to_owned(), style)];
    paint.line(area.x + 1, area.y, area.width.saturating_sub(1), &parts);
    super::split(area, 1).1
}

/// What AWS has of it. Of message sizes it keeps the sum of each window, so the limit on one message is no line in it.
fn aws(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, thing: &Name, metric: &SafeText) {
    let theme = paint.theme;
    let (series, (last_at, last)) = match kept(app, env, thing, metric) {
        Ok(kept) => kept,
        Err((text, style)) => {
            head(paint, area, "AWS", &text, style);
            return;
        }
    };
    let sizes = metric.as_str() == "aws:message-byte-size";
    let what = if sizes { "sum of each window" } else { "each window" };
    let facts = format!("{what}, last {}, {}", got(Some(last)), words::ago(env.now - last_at));
    let rest = head(paint, area, "AWS", &facts, theme.text);
    let cells = chart::cells(rest);
    let time = chart::time(env.now, spark::long_span(env), cells);
    let columns = held(&series.points, time, cells);
    let most = spark::largest(&columns);
    let scale = Scale::to(most, None);
    let unit = if sizes { words::bytes } else { words::number };
    chart::draw(paint, rest, &app.look.zone, &Chart { columns: &columns, time, scale, unit, now: env.now });
}

/// What this console heard: the largest message of each stretch.
fn heard(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, thing: &Name) {
    let theme = paint.theme;
    let Some(id) = heard_of(env, thing) else {
        head(paint, area, "heard", UNHEARD, theme.dim);
        return;
    };
    let device = env.fleet.device(id);
    let last =
        device.last_len().map(|n| format!(", last {}", words::bytes(f64::from(n)))).unwrap_or_default();
    let facts = format!("size of each message{last}{}", rate(env, id));
    let rest = head(paint, area, "heard", &facts, theme.text);
    let cells = chart::cells(rest);
    let mut columns = Vec::new();
    device.series().columns(env.fleet.listening(id), env.now, spark::long_span(env), cells, &mut columns);
    let scale = Scale::of(app, env, spark::largest(&columns));
    let time = chart::time(env.now, spark::long_span(env), cells);
    chart::draw(
        paint,
        rest,
        &app.look.zone,
        &Chart { columns: &columns, time, scale, unit: words::bytes, now: env.now },
    );
}

/// Its messages a minute, where there is such a rate now.
fn rate(env: &Env<'_>, id: DeviceId) -> String {
    env.fleet.per_minute(id, env.now).map(|rate| format!(", {}/min", words::number(rate))).unwrap_or_default()
}

/// Values as columns: each holds for its window, which is as long as the shortest time between two; a time without a value is
/// a gap, not a zero.
fn held(points: &[(Ms, MetricValue)], (from, to): (Ms, Ms), cells: usize) -> Vec<Column> {
    let apart = points.windows(2).filter_map(|pair| match pair {
        [(a, _), (b, _)] if b > a => Some(b - a),
        _ => None,
    });
    let window = apart.min().unwrap_or(300_000).min(300_000);
    let count = Ms::try_from(cells).unwrap_or(1).max(1);
    let step = ((to - from) / count).max(1);
    (0..count)
        .map(|cell| {
            let (begin, end) = (from + cell * step, from + (cell + 1) * step);
            let inside = points.iter().filter(|(at, _)| at - window < end && *at > begin);
            let value = inside.filter_map(|(_, value)| number(value)).reduce(f64::max);
            value
                .map_or(Column::Silent, |value| Column::Largest(value.clamp(0.0, f64::from(u32::MAX)) as u32))
        })
        .collect()
}

/// AWS's values: a cell without a value is a gap, not a zero.
fn blocks(env: &Env<'_>, paint: &mut Paint<'_>, line: Rect, points: &[(Ms, MetricValue)]) {
    let theme = paint.theme;
    let s = theme.symbols;
    let most = points.iter().filter_map(|(_, v)| number(v)).fold(1.0, f64::max);
    let (cells, span) = (Ms::from(line.width.max(1)), spark::long_span(env));
    for cell in 0..line.width {
        let from = env.now - span + span * Ms::from(cell) / cells;
        let to = env.now - span + span * Ms::from(cell + 1) / cells;
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
