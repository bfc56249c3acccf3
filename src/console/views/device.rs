//! One device: shadow side by side, sizes over time, certificate, groups, violations, last messages.

use ratatui::layout::Rect;
use serde_json::Value;

use crate::fleet::model::Name;
use crate::fleet::{Device, DeviceId};
use crate::text::SafeText;

use super::super::app::{App, Env, ListId, condition_word};
use super::super::paint::{Paint, Part, part};
use super::super::words;
use super::spark::{self, Scale};
use super::{absence, condition_style, frame, quiet};

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, name: &Name) {
    let Some(id) = env.fleet.find(name.raw()) else {
        let inner = frame(paint, area, true, name.shown().as_str(), Vec::new());
        return quiet(paint, inner, "nothing is known of this thing");
    };
    let device = env.fleet.device(id);
    let theme = paint.theme;
    let condition = device.condition();
    let facts = vec![
        part(condition_word(condition), condition_style(theme, condition)),
        part(format!("for {}", words::age(env.now - device.condition_since())), theme.dim),
    ];
    let lines = facts_of(app, env, device, theme);
    let wide = area.width >= 100 && area.height >= 20;
    let top = if wide { (lines.len() as u16 + 4).max(12) } else { lines.len() as u16 + 4 };
    let (above, below) = super::split(area, top.min(area.height));
    let (left, right) = if wide {
        let w = above.width * 55 / 100;
        (Rect { width: w, ..above }, Rect { x: above.x + w, width: above.width - w, ..above })
    } else {
        (above, Rect { width: 0, ..above })
    };
    let inner = frame(paint, left, true, name.shown().as_str(), facts);
    let chart = if inner.height >= 6 { 2 } else { 0 };
    if chart > 0 && inner.width > 12 {
        let scale = Scale::of(app, env, std::iter::once(device));
        spark::draw(env, paint, inner.x + 1, inner.y, inner.width - 2, device, spark::span(env), &scale);
        let limit =
            scale.limit.map(|l| format!(", limit {}", words::bytes(f64::from(l)))).unwrap_or_default();
        let text = format!(
            "message size, {}, max {}{limit}",
            spark::span_words(spark::span(env)),
            words::bytes(f64::from(scale.most))
        );
        paint.text(inner.x + 1, inner.y + 1, inner.width - 2, &text, theme.dim);
    }
    let scroll = app.list(ListId::Text);
    let height = inner.height.saturating_sub(chart) as usize;
    let first = scroll.scroll(lines.len(), height);
    for (i, line) in lines.iter().skip(first).take(height).enumerate() {
        paint.line(inner.x + 1, inner.y + chart + i as u16, inner.width.saturating_sub(2), line);
    }
    if wide {
        messages(app, env, paint, right, id);
    }
    if below.height >= 3 {
        if wide && below.height >= 8 {
            let (shadow, past) = super::split(below, below.height * 3 / 5);
            shadow_pane(app, env, paint, shadow, name);
            history(app, env, paint, past, name);
        } else {
            shadow_pane(app, env, paint, below, name);
        }
    }
}

fn label<'a>(text: &str, theme: &super::Theme) -> Part<'a> {
    part(format!("{text:<13}"), theme.dim)
}

fn facts_of<'a>(app: &App, env: &Env<'a>, device: &'a Device, theme: &super::Theme) -> Vec<Vec<Part<'a>>> {
    let s = theme.symbols;
    let mut lines = Vec::new();
    let heard = match (device.last_seen(), device.cadence()) {
        (Some(at), Some(every)) => {
            format!("{}, usually every {}", words::ago(env.now - at), words::took(every))
        }
        (Some(at), None) => words::ago(env.now - at),
        _ => "never".to_owned(),
    };
    lines.push(vec![label("last heard", theme), part(heard, theme.text)]);
    let size = |v: Option<u32>| v.map_or("?".to_owned(), |v| words::bytes(f64::from(v)));
    let sizes =
        format!("last {}, p50 {}, max {}", size(device.last_len()), size(device.p50()), size(device.max()));
    lines.push(vec![label("size", theme), part(sizes, theme.text)]);
    let total =
        format!("{} messages, {}", words::count(device.received()), words::bytes(device.bytes() as f64));
    lines.push(vec![label("received", theme), part(total, theme.text)]);
    let connected = match (device.connected(), device.presence()) {
        (Some(true), _) => part("yes", theme.good),
        (Some(false), Some(p)) => {
            let why = p.reason().map(|r| format!(": {r}")).unwrap_or_default();
            part(format!("no{why}"), theme.warning)
        }
        (Some(false), None) => part("no", theme.warning),
        (None, _) => part("? (no presence event heard)", theme.unknown),
    };
    lines.push(vec![label("connected", theme), connected]);
    if let Some(at) = device.presence().and_then(|p| p.refused_at()) {
        let text = format!("tried to connect and was refused {}", words::ago(env.now - at));
        lines.push(vec![label("", theme), part(text, theme.warning)]);
    }
    match device.certificates().get() {
        Some(all) if all.is_empty() => {
            lines.push(vec![label("certificate", theme), part("none", theme.warning)]);
        }
        Some(all) => {
            for certificate in all {
                let short: String = certificate.id.chars().take(8).collect();
                let style = if certificate.status.as_str() == "ACTIVE" { theme.text } else { theme.warning };
                let mut line = vec![
                    label("certificate", theme),
                    part(format!("{}{} ", SafeText::new(&short), s.more), theme.text),
                    part(certificate.status.as_str().to_owned(), style),
                ];
                let others: Vec<_> = certificate
                    .things
                    .iter()
                    .filter(|t| *t != device.name())
                    .map(|t| t.shown().to_string())
                    .collect();
                if !others.is_empty() {
                    line.push(part(format!("  serves also: {}", others.join(", ")), theme.warning));
                }
                lines.push(line);
            }
        }
        None => lines.push(vec![label("certificate", theme), unknown(app, device.certificates(), theme)]),
    }
    match device.groups().get() {
        Some(all) if all.is_empty() => lines.push(vec![label("groups", theme), part("none", theme.dim)]),
        Some(all) => {
            let names = all.iter().map(|g| g.shown().to_string()).collect::<Vec<_>>().join(", ");
            lines.push(vec![label("groups", theme), part(names, theme.text)]);
        }
        None => lines.push(vec![label("groups", theme), unknown(app, device.groups(), theme)]),
    }
    if let Some((at, accepted)) = device.agent_report() {
        let word = if accepted { "accepted" } else { "rejected" };
        let text = format!("report {word} {}", words::ago(env.now - at));
        lines
            .push(vec![label("agent", theme), part(text, if accepted { theme.text } else { theme.warning })]);
    }
    for violation in device.violations().iter().filter_map(|i| env.fleet.violations().get()?.get(*i as usize))
    {
        let name = SafeText::new(&violation.behavior.name).to_string();
        lines.push(vec![
            label("in alarm", theme),
            part(name, theme.alarm),
            part(format!("  for {}", words::age(env.now - violation.started)), theme.dim),
        ]);
        for text in super::violations::sentence(&violation.behavior, 60) {
            lines.push(vec![label("", theme), part(text, theme.text)]);
        }
        let got = super::violations::got(violation.value.as_ref());
        lines.push(vec![label("", theme), part(format!("got {got}"), theme.alarm)]);
    }
    for finding in env.fleet.own_findings().iter().filter(|f| f.thing == *device.name()) {
        lines.push(vec![
            label("finding", theme),
            part(SafeText::new(&finding.behavior.name).to_string(), theme.warning),
            part(format!("  by quell, for {}", words::age(env.now - finding.found)), theme.dim),
        ]);
        let got = super::violations::got(Some(&finding.value));
        lines.push(vec![label("", theme), part(format!("got {got}"), theme.warning)]);
    }
    if let Some(warning) = device.warning() {
        lines.push(vec![label("warning", theme), part(warning.text.as_str().to_owned(), theme.warning)]);
    }
    lines
}

fn unknown<'a, T>(app: &App, known: &crate::fleet::known::Known<T>, theme: &super::Theme) -> Part<'a> {
    match known.trouble() {
        Some(trouble) => part(format!("? {}", super::reason(trouble)), theme.unknown),
        None if !app.look.aws => part("? no AWS control plane", theme.dim),
        None => part(theme.symbols.more, theme.dim),
    }
}

fn messages(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, id: DeviceId) {
    let theme = paint.theme;
    let inner = frame(paint, area, false, "Last messages", Vec::new());
    let mine = env
        .fleet
        .stream()
        .iter()
        .rev()
        // A quiet device among many: look back far enough, not through everything at every frame.
        .take(4_000)
        .filter(|k| env.fleet.topic(k.topic).and_then(|t| t.device()) == Some(id));
    let mut any = false;
    for (i, message) in mine.take(inner.height as usize).enumerate() {
        any = true;
        let parts = [
            part(format!(" {} ", words::clock(message.at, &app.look.zone)), theme.dim),
            part(format!("{:>8}  ", words::bytes(f64::from(message.len))), theme.text),
            part(super::telemetry::glance(message, theme), theme.dim),
        ];
        paint.line(inner.x, inner.y + i as u16, inner.width.saturating_sub(1), &parts);
    }
    if !any {
        quiet(paint, inner, "none kept");
    }
}

fn shadow_pane(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, name: &Name) {
    let theme = paint.theme;
    let known = env.fleet.shadow(name.raw(), None);
    let document = known.and_then(|k| k.get());
    let facts = match document {
        Some(Some(document)) => vec![part(format!("v{}", document.version), theme.text)],
        _ => Vec::new(),
    };
    let inner = frame(paint, area, false, "Shadow", facts);
    match (known, document) {
        (_, Some(Some(document))) => {
            let width = inner.width / 3;
            for (i, (title, value)) in
                [("reported", &document.reported), ("desired", &document.desired), ("delta", &document.delta)]
                    .iter()
                    .enumerate()
            {
                let x = inner.x + 1 + width * i as u16;
                paint.text(x, inner.y, width.saturating_sub(2), title, theme.label);
                column(
                    paint,
                    Rect {
                        x,
                        y: inner.y + 1,
                        width: width.saturating_sub(2),
                        height: inner.height.saturating_sub(1),
                    },
                    value,
                );
            }
        }
        (_, Some(None)) => quiet(paint, inner, "this thing has no classic shadow"),
        (Some(known), None) => absence(app, known, "shadow", paint, inner),
        (None, None) => {
            quiet(paint, inner, if app.look.aws { "reading shadow" } else { "no AWS control plane" });
        }
    }
}

fn column(paint: &mut Paint<'_>, area: Rect, value: &Value) {
    let theme = paint.theme;
    if value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty) {
        paint.text(area.x, area.y, area.width, "nothing", theme.dim);
        return;
    }
    let mut lines = Vec::new();
    super::payload::tree(value, None, 0, theme, &mut lines);
    for (i, line) in lines.iter().take(area.height as usize).enumerate() {
        paint.line(area.x, area.y + i as u16, area.width, line);
    }
}

fn history(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, name: &Name) {
    let inner = frame(paint, area, false, "Violation history", Vec::new());
    let known = env.fleet.violation_events();
    let Some(all) = known.get() else { return absence(app, known, "history", paint, inner) };
    let mut any = false;
    for (i, event) in all.iter().filter(|e| e.thing == *name).take(inner.height as usize).enumerate() {
        any = true;
        super::violations::past(app, env, paint, Rect { y: inner.y + i as u16, height: 1, ..inner }, event);
    }
    if !any {
        quiet(paint, inner, "none");
    }
}
