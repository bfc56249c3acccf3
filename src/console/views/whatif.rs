//! What-if: the behaviour as it is tried, what it would have done, and to whom.

use ratatui::layout::Rect;

use super::super::app::{App, Env, ListId, WhatIfState, Would, key_of};
use super::super::paint::{Paint, Part, inside, part, wrap};
use super::super::words;
use super::chart::{self, Chart};
use super::limit::Limit;
use super::spark::{self, Scale};
use super::spread;
use super::violations::{expected, got, is_in_bytes, unit};
use super::{Theme, frame, quiet};
use super::{layout, text};
use quell_fleet::text::SafeText;
use quell_fleet::{Column, Ms};
use quell_rules::detect::model::{Criteria, MetricValue};

/// Where the strip of alarms over time begins to be worth its room.
const STRIP: u16 = 40;

/// Rows of the charts at least, where both fit.
const CHARTS: u16 = 13;

/// Columns from which both charts stand side by side; in fewer, how often each value came has the width.
const BOTH: u16 = 96;

/// Rows of the chart at least, where there is one; the devices below it get five or more.
const ONE: u16 = 7;

/// Where things are.
struct Parts {
    charts: Rect,
    devices: Rect,
}

fn parts(area: Rect, lines: usize, devices: usize) -> Parts {
    let inner = inside(area);
    let told = u16::try_from(lines).unwrap_or(u16::MAX);
    let told = if inner.height >= 16 { told.saturating_add(1) } else { told };
    let (_, rest) = super::split(inner, told);
    // The devices get as many lines as there are, the charts the rest.
    let devices = u16::try_from(devices).unwrap_or(u16::MAX).max(2);
    let charts = rest.height.saturating_sub(devices).max(CHARTS).max(rest.height / 2).min(rest.height);
    let room = if layout::tells(area) {
        charts
    } else if rest.height >= ONE + 5 {
        rest.height.saturating_sub(devices).max(ONE)
    } else {
        0
    };
    let (charts, devices) = super::split(rest, room);
    Parts { charts, devices }
}

/// Devices there is room for.
pub(super) fn page(app: &App, area: Rect) -> usize {
    let room = inside(area).width.saturating_sub(2) as usize;
    let Some(state) = app.what_if_state() else { return 0 };
    let lines = told(state, &app.look.theme, room).len();
    parts(area, lines, state.would.len()).devices.height.into()
}

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let Some(state) = app.what_if_state() else {
        let inner = frame(paint, area, true, "What if", Vec::new());
        return quiet(paint, inner, "no behaviour chosen");
    };
    let mut facts = match &state.profile {
        Some(profile) => vec![part(profile.to_string(), theme.text)],
        None => vec![part("no profile known: an example", theme.dim)],
    };
    facts.push(part(SafeText::new(&state.draft.name).to_string(), theme.brand));
    facts.push(if state.is_changed() {
        part("tried here only", theme.warning)
    } else {
        part("as in force", theme.dim)
    });
    let inner = frame(paint, area, true, "What if", facts);
    let lines = told(state, theme, inner.width.saturating_sub(2) as usize);
    text::lines(paint, inner, &lines);
    let Parts { charts, devices: below } = parts(area, lines.len(), state.would.len());
    if charts.height > 0 {
        pictures(app, env, paint, charts, state);
    }
    devices(app, env, paint, below, state);
}

/// Both follow the keys: how often each value came, with the limit as a line in it, and the worst values over time.
fn pictures(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, state: &WhatIfState) {
    let theme = paint.theme;
    let picture = &state.picture;
    let both = area.width >= BOTH;
    let (left, right) = if both { layout::cut(area, area.width / 2) } else { (area, area) };
    let unit = unit(state.draft.metric.as_deref());
    let windowed = state.draft.criteria.as_ref().is_some_and(|c| c.duration_seconds.is_some());
    let of = if windowed { "windows" } else { "messages" };
    let limit = limit(state);
    let title = |paint: &mut Paint<'_>, area: Rect, text: String| {
        paint.text(area.x + 1, area.y, area.width.saturating_sub(2), &text, theme.label);
        let (_, rest) = super::split(area, 1);
        Rect {
            x: rest.x + 1,
            width: rest.width.saturating_sub(3),
            height: rest.height.saturating_sub(1),
            ..rest
        }
    };
    let named = limit.map_or(String::new(), |limit| format!(", the line is {}", unit(limit.at)));
    let plot = title(paint, left, format!("How many {of} had which value{named}"));
    if picture.spread.is_empty() {
        return quiet(paint, plot, "nothing to draw yet");
    }
    spread::draw(paint, plot, &picture.spread, limit.as_ref(), unit);
    if !both {
        return;
    }
    let worst = if state.is_upper() { "largest" } else { "smallest" };
    let plot = title(paint, right, format!("The {worst} value over time"));
    let cells = chart::cells(plot);
    let columns: Vec<Column> = (0..cells)
        .map(|cell| {
            let (begin, end) = (
                cell * picture.over_time.len() / cells.max(1),
                (cell + 1) * picture.over_time.len() / cells.max(1),
            );
            let stretch = picture.over_time.get(begin..end.max(begin + 1)).unwrap_or_default();
            let values = stretch.iter().flatten().copied();
            let worst = if state.is_upper() { values.max() } else { values.min() };
            worst.map_or(Column::Silent, |v| Column::Largest(u32::try_from(v.max(0)).unwrap_or(u32::MAX)))
        })
        .collect();
    let scale = Scale::to(spark::largest(&columns), limit);
    let chart = Chart { columns: &columns, time: picture.time, scale, unit, now: env.now };
    chart::draw(paint, plot, &app.look.zone, &chart);
}

/// What divides what is normal from what is not: the value tried, or the percentile as it was last.
fn limit(state: &WhatIfState) -> Option<Limit> {
    let criteria = state.draft.criteria.as_ref()?;
    if criteria.statistical_threshold.is_some() {
        return Limit::new(criteria.comparison_operator?, state.result.as_ref().ok()?.percentile?);
    }
    Limit::of(criteria)
}

/// What is tried, what is doubtful about it, and what it would have done.
fn told<'a>(state: &WhatIfState, theme: &Theme, width: usize) -> Vec<Vec<Part<'a>>> {
    let mut lines: Vec<Vec<Part<'_>>> = vec![numbers(state, theme)];
    let mut put = |text: &str, style| {
        lines.extend(wrap(text, width).into_iter().map(|line| vec![part(line, style)]));
    };
    put(&format!("expected: {}", expected(&state.draft)), theme.text);
    for caution in &state.cautions {
        put(&format!("{} {}", theme.symbols.warn, SafeText::new(caution)), theme.warning);
    }
    let result = match &state.result {
        Err(why) => {
            put(SafeText::new(why).as_str(), theme.unknown);
            return lines;
        }
        Ok(result) => result,
    };
    if result.judged == 0 {
        put(&nothing(state), theme.unknown);
        return lines;
    }
    let mut text = format!(
        "{} of {} would have alarmed over the last {}",
        result.alarmed,
        words::plural(result.judged, "device", "devices"),
        words::age(result.span_ms),
    );
    if let Some((alarmed, judged)) = state.in_force {
        text.push_str(&format!("; as in force {alarmed} of {judged}"));
    }
    put(&text, if result.alarmed > 0 { theme.alarm } else { theme.good });
    let datapoints = words::plural(result.datapoints, "datapoint", "datapoints");
    let mut text = format!("{} of {datapoints} off", result.violating);
    if let Some(percentile) = result.percentile {
        text.push_str(&format!(
            "; the percentile is {} in the last window",
            unit(state.draft.metric.as_deref())(percentile)
        ));
    }
    let windowed = state.draft.criteria.as_ref().is_some_and(|c| c.duration_seconds.is_some());
    if let (true, (missed @ 1.., all)) = (windowed, state.partial) {
        text.push_str(&format!("; {missed} of {all} windows of 5 min were heard in part only"));
    }
    put(&text, theme.dim);
    lines
}

/// Why there is nothing to judge.
fn nothing(state: &WhatIfState) -> String {
    let seconds = state.draft.criteria.as_ref().and_then(|c| c.duration_seconds);
    match (seconds, state.partial) {
        (Some(_), (_, 0)) => "no window is over yet: the first answer comes at its end".to_owned(),
        (Some(_), (missed, all)) if missed == all => {
            "nothing to judge yet: every window held was heard in part only".to_owned()
        }
        (Some(seconds), _) => {
            format!(
                "nothing to judge: no window of {} lies wholly in what is held",
                words::age(seconds * 1000)
            )
        }
        (None, _) => "no message is held of the devices this profile is about".to_owned(),
    }
}

/// The numbers that can be moved, those that were in another style.
fn numbers<'a>(state: &WhatIfState, theme: &Theme) -> Vec<Part<'a>> {
    let Some(criteria) = &state.draft.criteria else { return vec![part("no criteria", theme.dim)] };
    let original = state.original.criteria.clone().unwrap_or_default();
    let metric = state.draft.metric.as_deref();
    // To the byte: it is moved in small steps.
    let bytes = if metric.is_some_and(is_in_bytes) { " B" } else { "" };
    let value = |c: &Criteria| match (&c.statistical_threshold, &c.value) {
        (Some(threshold), _) => threshold.statistic.clone().unwrap_or_else(|| "p90".to_owned()),
        (None, Some(MetricValue { count: Some(n), .. })) => format!("{n}{bytes}"),
        (None, Some(value)) => got(metric, Some(value)),
        (None, None) => "?".to_owned(),
    };
    let each: [&dyn Fn(&Criteria) -> String; 5] = [
        &|c| {
            let name = c.comparison_operator.and_then(|o| serde_json::to_value(o).ok());
            name.and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_else(|| "no operator".to_owned())
        },
        &value,
        &|c| c.duration_seconds.map_or("each message".to_owned(), |s| format!("{} min", s / 60)),
        &|c| format!("{} to alarm", c.consecutive_datapoints_to_alarm.unwrap_or(1)),
        &|c| format!("{} to clear", c.consecutive_datapoints_to_clear.unwrap_or(1)),
    ];
    let mut parts = Vec::new();
    for (i, said) in each.iter().enumerate() {
        let (now, before) = (said(criteria), said(&original));
        let style = if now == before { theme.brand } else { theme.warning };
        if i > 0 {
            parts.push(part(if i == 1 { " " } else { "  " }, theme.dim));
        }
        parts.push(part(SafeText::new(&now).to_string(), style));
    }
    parts
}

fn devices(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, state: &WhatIfState) {
    let theme = paint.theme;
    if area.height == 0 || state.would.is_empty() {
        return;
    }
    let list = app.list(ListId::WhatIf);
    let top = list.top();
    let longest = state.would.iter().skip(top).take(area.height as usize);
    let name = longest.map(|w| w.thing.shown().as_str().chars().count()).max().unwrap_or(0).clamp(12, 28);
    let facts = (name + 41) as u16;
    let strip = area.width.saturating_sub(facts + 3);
    for (i, would) in state.would.iter().skip(top).take(area.height as usize).enumerate() {
        let y = area.y + i as u16;
        let over = if would.still() { "still" } else { "over" };
        let shown = super::super::paint::fit(would.thing.shown().as_str(), name, theme.symbols.more);
        let parts = [
            part(format!(" {:<9} ", words::moment(would.at, env.now, &app.look.zone)), theme.dim),
            part(format!("{shown:<name$} "), theme.brand),
            part(format!("got {:<7} ", unit(state.draft.metric.as_deref())(would.value as f64)), theme.text),
            part(format!("{:<9} ", words::plural(would.alarms.len(), "alarm", "alarms")), theme.text),
            part(over, if would.still() { theme.alarm } else { theme.dim }),
        ];
        paint.line(area.x, y, area.width, &parts);
        if strip >= STRIP {
            let bar = Rect { x: area.x + facts, y, width: strip, height: 1 };
            alarms(paint, bar, would, state.span);
        }
        if list.cursor() == Some(key_of(would.thing.raw())) {
            paint.select(Rect { y, height: 1, ..area }, true);
        }
    }
}

/// When it would have been in alarm, over the time held.
fn alarms(paint: &mut Paint<'_>, area: Rect, would: &Would, (from, to): (Ms, Ms)) {
    let theme = paint.theme;
    let cells = i64::from(area.width);
    let long = (to - from).max(1);
    for cell in 0..cells {
        let (begin, end) = (from + long * cell / cells, from + long * (cell + 1) / cells);
        let on = would.alarms.iter().any(|(at, over)| *at < end && over.is_none_or(|over| over > begin));
        let (shape, style) =
            if on { (theme.symbols.bar, theme.alarm) } else { (theme.symbols.gap, theme.dim) };
        paint.cell(area.x + cell as u16, area.y, shape, style);
    }
}
