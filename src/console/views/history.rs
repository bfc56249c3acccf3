//! Violations of the past, newest first, with what somebody judged about them.

use ratatui::layout::Rect;

use super::super::app::{App, Env, ListId, event_key};
use super::super::paint::{Paint, part};
use super::super::words;
use super::text;
use super::violations::got;
use super::{absence, counted, filtered, frame, quiet};

/// Where the list is, and the values of its chosen line.
pub(super) fn parts(area: Rect) -> (Rect, Rect) {
    if area.height >= 3 * super::values::ROWS {
        super::split(area, area.height - super::values::ROWS)
    } else {
        (area, Rect { height: 0, ..area })
    }
}

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let s = theme.symbols;
    let known = env.fleet.violation_events();
    let list = app.list(ListId::History);
    let total = known.get().map(Vec::len);
    let mut facts = vec![counted(app, ListId::History, total, theme), part("last 24 h", theme.dim)];
    facts.extend(filtered(app, ListId::History, theme));
    let suppressed = env.fleet.suppressed().get().map_or(0, Vec::len);
    if suppressed > 0 {
        facts.push(part(format!("{suppressed} suppressed now"), theme.dim));
    }
    let (area, metric) = parts(area);
    if metric.height > 0 {
        super::values::draw(app, env, paint, metric);
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
        let (shape, style) = match event.kind.as_str() {
            "in-alarm" => (s.warn, theme.alarm),
            "alarm-cleared" => (s.check, theme.good),
            _ => ("-", theme.dim),
        };
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
        let value = event.value.as_ref().map(|v| format!("got {}  ", got(Some(v)))).unwrap_or_default();
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
