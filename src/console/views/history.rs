//! Violations of the past, newest first, with what somebody judged about them.

use std::collections::HashMap;

use ratatui::layout::Rect;

use quell_fleet::Ms;
use quell_fleet::model::ViolationEvent;

use super::super::app::{App, Env, ListId, event_key};
use super::super::paint::{Paint, part};
use super::super::words;
use super::violations::{event_look, got_then};
use super::{absence, aged, counted, filtered, frame, quiet, read};
use super::{layout, text};

/// Hours a strip is about.
const DAY: Ms = 86_400_000;
/// Behaviours with a strip of their own.
const STRIPS: usize = 6;

/// Where things are.
pub(super) struct Parts {
    pub(super) list: Rect,
    /// A strip for each behaviour over the day.
    strips: Rect,
    /// The values of the chosen line.
    metric: Rect,
}

pub(super) fn parts(env: &Env<'_>, area: Rect) -> Parts {
    let none = Rect { height: 0, ..area };
    if layout::tells(area) {
        let behaviours = behaviours(env).len();
        let (strips, rest) = super::split(area, u16::try_from(behaviours.clamp(1, STRIPS)).unwrap_or(1) + 3);
        let lines = u16::try_from(env.fleet.violation_events().get().map_or(0, Vec::len)).unwrap_or(u16::MAX);
        let (list, metric) = super::split(rest, lines.saturating_add(2).clamp(6, rest.height / 2));
        return Parts { list, strips, metric };
    }
    if area.height >= 3 * super::values::ROWS {
        let (list, metric) = super::split(area, area.height - super::values::ROWS);
        Parts { list, strips: none, metric }
    } else {
        Parts { list: area, strips: none, metric: none }
    }
}

/// The events of each behaviour that had some, the behaviour that had the newest first.
fn behaviours<'a>(env: &Env<'a>) -> Vec<(&'a str, Vec<&'a ViolationEvent>)> {
    let mut events: Vec<&ViolationEvent> = env.fleet.violation_events().get().into_iter().flatten().collect();
    events.sort_by_key(|event| std::cmp::Reverse(event.at));
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut all: Vec<(&str, Vec<&ViolationEvent>)> = Vec::new();
    for event in events {
        let name = event.behavior.as_str();
        let at = *places.entry(name).or_insert(all.len());
        match all.get_mut(at) {
            Some((_, mine)) => mine.push(event),
            None => all.push((name, vec![event])),
        }
    }
    all
}

/// The day of each behaviour: where it alarmed, where it cleared.
fn strips(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let s = theme.symbols;
    let inner = frame(paint, area, false, "The day", vec![part("alarms and clears by behaviour", theme.dim)]);
    if read(app, Some(env.fleet.violation_events()), "past violations", paint, inner).is_none() {
        return;
    }
    let all = behaviours(env);
    if all.is_empty() {
        return quiet(paint, inner, "no violation in the last 24 hours, as far as AWS tells");
    }
    let label = 26.min(inner.width / 3);
    let line = Rect { x: inner.x + label, width: inner.width.saturating_sub(label + 1), height: 1, ..inner };
    let (from, to) = super::chart::time(env.now, DAY, line.width.into());
    for (y, (name, events)) in (inner.y..inner.bottom().saturating_sub(1)).zip(all.iter().take(STRIPS)) {
        paint.text(inner.x + 1, y, label.saturating_sub(2), name, theme.text);
        for x in line.left()..line.right() {
            paint.cell(x, y, s.gap, theme.border);
        }
        // An alarm is not hidden by what else came in its stretch.
        for kind in [None, Some("alarm-cleared"), Some("in-alarm")] {
            let known = |event: &&ViolationEvent| match kind {
                None => !matches!(event.kind.as_str(), "alarm-cleared" | "in-alarm"),
                Some(kind) => event.kind.as_str() == kind,
            };
            for event in events.iter().copied().filter(known) {
                let cell = (event.at - from) * Ms::from(line.width) / (to - from).max(1);
                if let Ok(cell) = u16::try_from(cell)
                    && event.at >= from
                    && cell < line.width
                {
                    let (symbol, style) = event_look(theme, event.kind.as_str());
                    paint.cell(line.x + cell, y, symbol, style);
                }
            }
        }
    }
    super::chart::times(
        paint,
        Rect { y: inner.bottom().saturating_sub(1), ..line },
        &app.look.zone,
        (from, to),
        env.now,
    );
}

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let known = env.fleet.violation_events();
    let list = app.list(ListId::History);
    let total = known.get().map(Vec::len);
    let mut facts = vec![counted(app, ListId::History, total, theme), part("last 24 h", theme.dim)];
    facts.extend(filtered(app, ListId::History, theme));
    facts.extend(aged(known, env, theme));
    let suppressed = env.fleet.suppressed().get().map_or(0, Vec::len);
    if suppressed > 0 {
        facts.push(part(format!("{suppressed} suppressed now"), theme.dim));
    }
    let Parts { list: area, strips: day, metric } = parts(env, area);
    if metric.height > 0 {
        super::values::draw(app, env, paint, metric);
    }
    if day.height > 0 {
        strips(app, env, paint, day);
    }
    let inner = frame(paint, area, true, "Violation history", facts);
    let Some(all) = known.get() else { return absence(app, known, "past violations", paint, inner) };
    if all.is_empty() {
        return quiet(paint, inner, "no violation in the last 24 hours, as far as AWS tells");
    }
    if list.total() == 0 {
        return quiet(paint, inner, "nothing passes the filter; esc takes it away");
    }
    let line = |key| {
        let event = all.iter().find(|e| event_key(e) == key)?;
        let (shape, style) = event_look(theme, event.kind.as_str());
        let active = env.fleet.violations().get().and_then(|all| all.iter().find(|v| v.id == event.id));
        let verdict = event.verification.as_ref().or(active.and_then(|v| v.verification.as_ref()));
        let note = event.note.as_ref().or(active.and_then(|v| v.note.as_ref()));
        let wide = inner.width >= 100;
        let mut parts = vec![
            part(format!(" {:<8} ", words::moment(event.at, env.now, &app.look.zone)), theme.dim),
            part(format!("{shape:<2} {:<17} ", event.kind), style),
            part(format!("{:<18} ", event.thing.shown()), theme.brand),
            part(format!("{}  ", event.behavior), theme.text),
        ];
        parts.push(match verdict.map(|v| v.as_str()) {
            Some("TRUE_POSITIVE") => part("true positive  ", theme.alarm),
            Some("FALSE_POSITIVE") => part("false positive  ", theme.dim),
            Some("BENIGN_POSITIVE") => part("benign  ", theme.dim),
            _ if wide => part("not judged  ", theme.dim),
            _ => part("", theme.dim),
        });
        let value = got_then(env, event).map(|text| format!("{text}  ")).unwrap_or_default();
        parts.push(part(value, theme.dim));
        if wide {
            parts.push(part(format!("{}  ", event.profile), theme.dim));
            if let Some(note) = note.filter(|n| !n.is_empty()) {
                parts.push(part(format!("because {note}"), theme.dim));
            }
        }
        Some(parts)
    };
    text::rows(paint, area, inner, list, line);
}
