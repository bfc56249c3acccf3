//! What-if: the behaviour as it is tried, what it would have done, and to whom.

use ratatui::layout::Rect;

use super::super::app::{App, Env, ListId, WhatIfState, Would, key_of};
use super::super::paint::{Paint, Part, inside, part, wrap};
use super::super::words;
use super::text;
use super::violations::expected;
use super::{Theme, cursor_style, frame, quiet};
use quell_fleet::Ms;
use quell_fleet::text::SafeText;
use quell_rules::detect::model::Criteria;

/// Where the strip of alarms over time begins to be worth its room.
const STRIP: u16 = 40;

/// Devices there is room for.
pub(super) fn page(app: &App, area: Rect) -> usize {
    let inner = inside(area);
    let lines = app
        .what_if_state()
        .map_or(0, |state| told(state, &app.look.theme, inner.width.saturating_sub(2) as usize).len());
    devices_area(inner, lines).height.into()
}

/// Where the devices are, below so many lines.
fn devices_area(inner: Rect, lines: usize) -> Rect {
    let mut y = inner.y.saturating_add(u16::try_from(lines).unwrap_or(u16::MAX)).min(inner.bottom());
    if inner.height >= 16 {
        y = (y + 1).min(inner.bottom());
    }
    Rect { y, height: inner.bottom().saturating_sub(y), ..inner }
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
    devices(app, env, paint, devices_area(inner, lines.len()), state);
}

/// What is tried, what is doubtful about it, and what it would have done.
fn told<'a>(state: &WhatIfState, theme: &Theme, width: usize) -> Vec<Vec<Part<'a>>> {
    let mut lines: Vec<Vec<Part<'_>>> = vec![numbers(state, theme)];
    let mut put = |text: &str, style| {
        lines.extend(wrap(text, width).into_iter().map(|line| vec![part(line, style)]));
    };
    put(&expected(&state.draft), theme.text);
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
        text.push_str(&format!("; the percentile is {} in the last window", words::number(percentile)));
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
    let each: [fn(&Criteria) -> String; 5] = [
        |c| {
            let name = c.comparison_operator.and_then(|o| serde_json::to_value(o).ok());
            name.and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_else(|| "no operator".to_owned())
        },
        |c| match (&c.statistical_threshold, &c.value) {
            (Some(threshold), _) => threshold.statistic.clone().unwrap_or_else(|| "p90".to_owned()),
            (None, Some(value)) => {
                value.count.map_or_else(|| super::violations::got(Some(value)), |n| n.to_string())
            }
            (None, None) => "?".to_owned(),
        },
        |c| c.duration_seconds.map_or("each message".to_owned(), |s| format!("{} min", s / 60)),
        |c| format!("{} to alarm", c.consecutive_datapoints_to_alarm.unwrap_or(1)),
        |c| format!("{} to clear", c.consecutive_datapoints_to_clear.unwrap_or(1)),
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
            part(format!("got {:<7} ", words::number(would.value as f64)), theme.text),
            part(format!("{:<9} ", words::plural(would.alarms.len(), "alarm", "alarms")), theme.text),
            part(over, if would.still() { theme.alarm } else { theme.dim }),
        ];
        paint.line(area.x, y, area.width, &parts);
        if strip >= STRIP {
            let bar = Rect { x: area.x + facts, y, width: strip, height: 1 };
            alarms(paint, bar, would, state.span);
        }
        if list.cursor() == Some(key_of(would.thing.raw())) {
            paint.style(Rect { y, height: 1, ..area }, cursor_style(theme, true));
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
        let full = if theme.symbols.ascii { "#" } else { "█" };
        let (shape, style) = if on { (full, theme.alarm) } else { (theme.symbols.gap, theme.dim) };
        paint.cell(area.x + cell as u16, area.y, shape, style);
    }
}
