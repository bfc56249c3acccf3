//! A metric's history as AWS keeps it (ListMetricValues), beside what this console heard: labelled apart, for they may differ
//! (docs/aws-iot.md#6.9).

use ratatui::layout::Rect;
use ratatui::style::Style;

use quell_fleet::account::MetricSeries;
use quell_fleet::known::Known;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;
use quell_fleet::{Column, DeviceId, Ms, SourceId};
use quell_rules::detect::model::{Behavior, MetricValue};

use super::super::app::{App, Env};
use super::super::paint::{Paint, part};
use super::super::words;
use super::chart::{self, Chart};
use super::limit::Limit;
use super::spark::{self, Scale, draw as sparkline};
use super::violations::{got, metric_words, stretch};
use super::{frame, lack, quiet};

/// Rows it takes at least, frame included.
pub(super) const ROWS: u16 = 5;
/// Rows from which each trace is a chart.
const CHARTS: u16 = 2 * (chart::LEAST + 2);
/// Rows of a chart that is not taller for it.
const TALL: u16 = 16;
/// The metric that is one message's, not a window's.
const SIZE: &str = "aws:message-byte-size";
/// The metric that this console counts itself.
const SENT: &str = "aws:num-messages-sent";

/// A metric of a thing, as a behaviour judges it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::console) struct Metered {
    thing: Name,
    metric: SafeText,
    limit: Option<Limit>,
    /// How long a window of the behaviour is.
    seconds: Option<i64>,
}

impl Metered {
    /// What a behaviour judges of a thing; `None` for one without a metric.
    pub(in crate::console) fn of(thing: &Name, behavior: &Behavior) -> Option<Self> {
        let criteria = behavior.criteria.as_ref();
        Some(Self {
            thing: thing.clone(),
            metric: SafeText::new(behavior.metric.as_deref()?),
            limit: criteria.and_then(Limit::of),
            seconds: criteria.and_then(|criteria| criteria.duration_seconds),
        })
    }

    /// The sizes of a thing's messages, which no behaviour has to judge.
    pub(super) fn sizes(thing: &Name) -> Self {
        Self { thing: thing.clone(), metric: SafeText::new(SIZE), limit: None, seconds: None }
    }

    /// Where AWS's values of it are read.
    pub(in crate::console) fn source(&self) -> SourceId {
        SourceId::Values(self.thing.clone(), self.metric.clone())
    }

    fn is_size(&self) -> bool {
        self.metric.as_str() == SIZE
    }

    fn unit(&self) -> fn(f64) -> String {
        super::violations::unit(Some(self.metric.as_str()))
    }

    /// `messages sent in 5 min`; of sizes AWS keeps the sum of each window.
    fn told(&self) -> String {
        let window = self.seconds.map(|seconds| format!(" in {}", stretch(seconds))).unwrap_or_default();
        match self.is_size() {
            true => "the sum of each window".to_owned(),
            false => format!("{}{window}", metric_words(self.metric.as_str())),
        }
    }

    /// The limit that AWS's values are held against: one on single messages is none on their sum.
    fn limit_of_windows(&self) -> Option<Limit> {
        self.limit.filter(|_| !self.is_size())
    }
}

/// The metric of the violation under the cursor.
pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let Some(metered) = app.valued() else {
        let inner = frame(paint, area, false, "Metric", Vec::new());
        return quiet(paint, inner, "no violation with a metric under the cursor");
    };
    let title = format!("{} of {}", metric_words(metered.metric.as_str()), metered.thing.shown());
    let mut facts = vec![part(format!("last {}", spark::span_words(spark::long_span(env))), theme.dim)];
    facts.extend(metered.limit.map(|l| part(format!("limit {}", (metered.unit())(l.at)), theme.limit)));
    let inner = frame(paint, area, false, &title, facts);
    if inner.height >= CHARTS {
        return charts(app, env, paint, inner, metered);
    }
    let (x, room) = (inner.x + 1, inner.width.saturating_sub(2));
    let label = 7.min(room);
    let tail = 34.min(room.saturating_sub(label) / 2);
    let wide = room.saturating_sub(label + tail + 1);
    let strip = |y| Rect { x: x + label, y, width: wide, height: 1 };
    paint.text(x, inner.y, label, "AWS", theme.brand);
    match kept(app, env, metered) {
        Err((text, style)) => {
            paint.text(x + label, inner.y, room.saturating_sub(label), &text, style);
        }
        Ok((series, (last_at, last))) => {
            blocks(env, paint, strip(inner.y), &series.points, metered.limit_of_windows());
            let text = format!(
                "{}, {}",
                got(Some(metered.metric.as_str()), Some(last)),
                words::ago(env.now - last_at)
            );
            paint.text(x + label + wide + 1, inner.y, tail, &text, theme.text);
            let most = series.points.iter().filter_map(|(_, v)| number(v)).fold(0.0, f64::max);
            // Of sizes AWS keeps sums: whoever compares the two traces must know that.
            let values = match metered.is_size() {
                true => words::plural(series.points.len(), "window sum", "window sums"),
                false => words::plural(series.points.len(), "value", "values"),
            };
            let window = metered.seconds.map(|seconds| format!(" in {}", stretch(seconds)));
            let text = format!("{values}, at most {}{}", (metered.unit())(most), window.unwrap_or_default());
            paint.text(x + label, inner.y + 1, wide, &text, theme.dim);
        }
    }
    let y = inner.y + 2;
    if y >= inner.bottom() {
        return;
    }
    paint.text(x, y, label, "heard", theme.brand);
    let Some(id) = heard_of(env, &metered.thing) else {
        paint.text(x + label, y, room.saturating_sub(label), UNHEARD, theme.dim);
        return;
    };
    let text = match metered.metric.as_str() {
        SIZE => {
            let device = env.fleet.device(id);
            let scale = Scale::of(app, env, device.max().unwrap_or(0));
            sparkline(env, paint, strip(y), id, spark::long_span(env), &scale);
            let size = device.last_len().map(|n| words::bytes(f64::from(n)));
            format!("{}{} (sizes)", size.unwrap_or_default(), rate(env, id))
        }
        SENT => {
            let counted = counted(env, id, metered);
            blocks(env, paint, strip(y), &counted, metered.limit_of_windows());
            let last = counted.last().map(|(_, value)| got(Some(metered.metric.as_str()), Some(value)));
            format!("{}{}", last.unwrap_or_default(), rate(env, id))
        }
        _ => {
            paint.text(x + label, y, room.saturating_sub(label), UNKEPT, theme.dim);
            return;
        }
    };
    paint.text(x + label + wide + 1, y, tail, &text, theme.text);
}

/// AWS's values of a metric, and the last of them.
type Kept<'a> = (&'a MetricSeries, &'a (Ms, MetricValue));

/// AWS's values of a metric; else why there are none.
fn kept<'a>(app: &App, env: &Env<'a>, metered: &Metered) -> Result<Kept<'a>, (String, Style)> {
    let unread = Known::default();
    let known = env.fleet.values_of(&metered.thing, &metered.metric);
    let series = known.and_then(Known::get).ok_or_else(|| lack(app, known.unwrap_or(&unread), "values"))?;
    let none = "no values: no profile judges or retains this metric here, or nothing was reported";
    series.points.last().map(|last| (series, last)).ok_or_else(|| (none.to_owned(), app.look.theme.dim))
}

/// Said where there is no trace of a thing's own.
const UNHEARD: &str = "nothing of it was heard by this console";

/// Said of a metric whose values only AWS keeps.
const UNKEPT: &str =
    "this console keeps no values of it; it judges each window as it ends, where it can hear it";

/// The thing, when telemetry of it was heard.
fn heard_of(env: &Env<'_>, thing: &Name) -> Option<DeviceId> {
    env.fleet.find(thing.raw()).filter(|id| env.fleet.device(*id).last_seen().is_some())
}

/// Both traces as charts on one axis of time.
pub(super) fn charts(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, metered: &Metered) {
    let area = Rect { width: area.width.saturating_sub(1), ..area };
    if !matches!(metered.metric.as_str(), SIZE | SENT) {
        // A line says that there is no second one.
        let (above, below) = super::split(area, area.height.saturating_sub(1).min(TALL + 1));
        aws(app, env, paint, above, metered);
        head(paint, Rect { height: below.height.min(1), ..below }, "heard", UNKEPT, paint.theme.dim);
        return;
    }
    let (above, below) = super::split(area, (area.height / 2).min(TALL + 1));
    let below = Rect { height: below.height.min(TALL + 1), ..below };
    aws(app, env, paint, above, metered);
    heard(app, env, paint, below, metered);
}

fn head(paint: &mut Paint<'_>, area: Rect, name: &str, facts: &str, style: Style) -> Rect {
    let parts = [part(format!("{name}  "), paint.theme.brand), part(facts.to_owned(), style)];
    paint.line(area.x + 1, area.y, area.width.saturating_sub(1), &parts);
    super::split(area, 1).1
}

/// What AWS has of it.
fn aws(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, metered: &Metered) {
    let theme = paint.theme;
    let (series, (last_at, last)) = match kept(app, env, metered) {
        Ok(kept) => kept,
        Err((text, style)) => {
            head(paint, area, "AWS", &text, style);
            return;
        }
    };
    let facts = format!(
        "{}, last {}, {}",
        metered.told(),
        got(Some(metered.metric.as_str()), Some(last)),
        words::ago(env.now - last_at)
    );
    let rest = head(paint, area, "AWS", &facts, theme.text);
    windows(app, env, paint, rest, metered, &series.points);
}

/// Values of windows as a chart.
fn windows(
    app: &App,
    env: &Env<'_>,
    paint: &mut Paint<'_>,
    area: Rect,
    metered: &Metered,
    points: &[(Ms, MetricValue)],
) {
    let cells = chart::cells(area);
    let time = chart::time(env.now, spark::long_span(env), cells);
    let window = env.fleet.window_ms(metered.seconds.unwrap_or(300));
    let columns = held(points, window, time, cells);
    let scale = Scale::to(spark::largest(&columns), metered.limit_of_windows());
    let chart = Chart { columns: &columns, time, scale, unit: metered.unit(), now: env.now };
    chart::draw(paint, area, &app.look.zone, &chart);
}

/// What this console heard: the largest message of each stretch, or the messages of each window.
fn heard(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, metered: &Metered) {
    let theme = paint.theme;
    let Some(id) = heard_of(env, &metered.thing) else {
        head(paint, area, "heard", UNHEARD, theme.dim);
        return;
    };
    let rate = rate(env, id);
    if !metered.is_size() {
        let counted = counted(env, id, metered);
        let last = counted
            .last()
            .map(|(_, value)| format!(", last {}", got(Some(metered.metric.as_str()), Some(value))));
        let facts = format!("{}{}{rate}", metered.told(), last.unwrap_or_default());
        let rest = head(paint, area, "heard", &facts, theme.text);
        return windows(app, env, paint, rest, metered, &counted);
    }
    let device = env.fleet.device(id);
    let last =
        device.last_len().map(|n| format!(", last {}", words::bytes(f64::from(n)))).unwrap_or_default();
    let facts = format!("size of each message{last}{rate}");
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

/// The messages of each window that is over and was listened to all along: in part of one there are fewer. The running one is
/// told once it is beyond an upper limit, for it will not be less.
fn counted(env: &Env<'_>, id: DeviceId, metered: &Metered) -> Vec<(Ms, MetricValue)> {
    let all = env.fleet.heard_windows(id, metered.seconds.unwrap_or(300), env.now);
    let beyond = |n: u64| metered.limit.is_some_and(|l| l.is_upper() && l.is_beyond(n as f64));
    all.into_iter()
        .filter(|window| window.messages > 0)
        .filter(|window| window.whole && window.time.1 <= env.now || beyond(window.messages))
        .map(|window| {
            let count = i64::try_from(window.messages).unwrap_or(i64::MAX);
            (window.time.1, MetricValue { count: Some(count), ..MetricValue::default() })
        })
        .collect()
}

/// Its messages a minute, where there is such a rate now.
fn rate(env: &Env<'_>, id: DeviceId) -> String {
    env.fleet.per_minute(id, env.now).map(|rate| format!(", {}/min", words::number(rate))).unwrap_or_default()
}

/// Values as columns: each holds for its window, or for the shortest time between two where that is less; a time without a value
/// is a gap, not a zero.
fn held(points: &[(Ms, MetricValue)], window: Ms, (from, to): (Ms, Ms), cells: usize) -> Vec<Column> {
    let apart = points.windows(2).filter_map(|pair| match pair {
        [(a, _), (b, _)] if b > a => Some(b - a),
        _ => None,
    });
    let window = apart.min().unwrap_or(window).min(window);
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

/// Values in a line: a cell without a value is a gap, not a zero.
fn blocks(
    env: &Env<'_>,
    paint: &mut Paint<'_>,
    line: Rect,
    points: &[(Ms, MetricValue)],
    limit: Option<Limit>,
) {
    let theme = paint.theme;
    let s = theme.symbols;
    let least = limit.map_or(1.0, |limit| limit.at.max(1.0));
    let most = points.iter().filter_map(|(_, v)| number(v)).fold(least, f64::max);
    let (cells, span) = (Ms::from(line.width.max(1)), spark::long_span(env));
    for cell in 0..line.width {
        let from = env.now - span + span * Ms::from(cell) / cells;
        let to = env.now - span + span * Ms::from(cell + 1) / cells;
        let inside = points.iter().filter(|(at, _)| (from + 1..=to).contains(at));
        let value = inside.filter_map(|(_, v)| number(v)).reduce(f64::max);
        let (symbol, style) = match value {
            Some(value) => {
                let at = ((value / most * 8.0).ceil() as usize).clamp(1, 8) - 1;
                let over = limit.is_some_and(|limit| limit.is_beyond(value));
                (
                    s.blocks.get(at).copied().unwrap_or(s.gap),
                    if over { theme.spark_over } else { theme.spark },
                )
            }
            None => (s.gap, theme.dim),
        };
        paint.cell(line.x + cell, line.y, symbol, style);
    }
}

fn number(value: &MetricValue) -> Option<f64> {
    value.count.map(|n| n as f64).or(value.number).or(value.ports.as_ref().map(|p| p.len() as f64))
}
