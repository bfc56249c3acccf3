//! Security profiles: what each calls normal, whom it judges, and where it is likely to be a mistake.

use std::collections::HashMap;

use ratatui::layout::Rect;

use quell_fleet::model::ProfileRecord;
use quell_fleet::text::SafeText;
use quell_rules::detect::profile::{SecurityProfile, target_words};

use super::super::app::{App, Env, Key, ListId, key_of};
use super::super::paint::{Paint, Part, inside, part, wrap};
use super::super::words;
use super::layout::{self, Place};
use super::spread::{self, Spread};
use super::text;
use super::violations::unit;
use super::{absence, aged, behavior, counted, filtered, frame, quiet};

/// Where the list is, and the details of its chosen line.
pub(super) fn parts(app: &App, env: &Env<'_>, area: Rect) -> (Rect, Rect) {
    layout::above_details(app, area, env.fleet.profiles().get().map_or(0, Vec::len))
}

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let known = env.fleet.profiles();
    let mut facts = vec![counted(app, ListId::Profiles, known.get().map(Vec::len), theme)];
    facts.extend(filtered(app, ListId::Profiles, theme));
    facts.extend(aged(known, env, theme));
    let all = known.get().map(Vec::as_slice).unwrap_or_default();
    let (above, below) = parts(app, env, area);
    let inner = frame(paint, above, true, "Security profiles", facts);
    if known.get().is_none() {
        return absence(app, known, "profiles", paint, inner);
    }
    if all.is_empty() {
        return quiet(paint, inner, "the account has no security profile: Detect judges nothing");
    }
    let list = app.list(ListId::Profiles);
    // What was heard of a behaviour is gathered from all devices: once for each that is shown.
    let shown = all.iter().map(|profile| (key_of(profile.name.as_str()), profile));
    let heard: HashMap<Key, HeardOf> = shown
        .filter(|(key, _)| list.in_sight().contains(key) || list.chosen() == Some(*key))
        .map(|(key, profile)| (key, profile.behaviors.iter().map(|b| behavior::heard(b, env)).collect()))
        .collect();
    let line = |key| {
        let profile = all.iter().find(|p| key_of(p.name.as_str()) == key)?;
        let judged = profile.behaviors.iter().zip(heard.get(&key)?);
        let doubts = behavior::profile_doubts(profile).len()
            + judged.map(|(b, heard)| behavior::doubts(b, heard.as_ref()).len()).sum::<usize>();
        let told = words::plural(profile.behaviors.len(), "behaviour", "behaviours");
        let mut parts = vec![
            part(format!(" {:<28} ", profile.name), theme.brand),
            part(format!("{told}  "), theme.text),
            part(words::plural(profile.targets.len(), "target", "targets"), theme.dim),
        ];
        if doubts > 0 {
            let text = format!("  {} {}", theme.symbols.warn, words::plural(doubts, "doubt", "doubts"));
            parts.push(part(text, theme.warning));
        }
        Some(parts)
    };
    if above.height > 0 {
        text::rows(paint, above, inner, list, line);
    }
    if let Some(profile) = all.iter().find(|p| Some(key_of(p.name.as_str())) == list.chosen())
        && let Some(heard) = list.chosen().and_then(|key| heard.get(&key))
    {
        detail(app, env, paint, below, profile, heard);
    }
}

/// What was heard of each behaviour of a profile.
type HeardOf = Vec<Option<behavior::Heard>>;

/// Where the text of a profile is, and beside it what was heard of its behaviours, where there is room.
fn beside(area: Rect) -> (Rect, Rect) {
    let inner = inside(area);
    if layout::tells(area) || (area.width >= 116 && area.height >= 20) {
        return layout::cut(inner, inner.width * 58 / 100);
    }
    (inner, Rect { width: 0, ..inner })
}

/// How much text there is of the chosen profile, and room for, when it has the screen.
pub(super) fn place(app: &App, env: &Env<'_>, body: Rect) -> Place {
    let (inner, _) = beside(body);
    let mut all = env.fleet.profiles().get().into_iter().flatten();
    let chosen = app.list(ListId::Profiles).chosen();
    let lines = all.find(|p| Some(key_of(p.name.as_str())) == chosen).map_or(0, |profile| {
        let heard = profile.behaviors.iter().map(|b| behavior::heard(b, env)).collect();
        told(env, &app.look.theme, profile, &heard, inner.width).len()
    });
    Place::Text { lines, page: inner.height.into() }
}

fn detail(
    app: &App,
    env: &Env<'_>,
    paint: &mut Paint<'_>,
    area: Rect,
    profile: &ProfileRecord,
    heard: &HeardOf,
) {
    let theme = paint.theme;
    let (text, aside) = beside(area);
    frame(paint, area, app.shows_one(), profile.name.as_str(), Vec::new());
    if aside.width > 0 {
        spreads(paint, aside, profile, heard);
    }
    let lines = told(env, theme, profile, heard, text.width);
    text::opened(app, paint, (area, text), &lines);
}

/// A profile in sentences.
fn told<'a>(
    env: &Env<'_>,
    theme: &super::Theme,
    profile: &ProfileRecord,
    heard: &HeardOf,
    width: u16,
) -> Vec<Vec<Part<'a>>> {
    let s = theme.symbols;
    let room = width.saturating_sub(4) as usize;
    let mut lines: Vec<Vec<Part<'_>>> = Vec::new();
    for doubt in behavior::profile_doubts(profile) {
        lines.push(vec![part(format!("{} {doubt}", s.warn), theme.warning)]);
    }
    for (behavior, heard) in profile.behaviors.iter().zip(heard) {
        let name = SafeText::new(&behavior.name);
        let metric = SafeText::new(behavior.metric.as_deref().unwrap_or("?"));
        lines.push(vec![part(name.to_string(), theme.brand), part(format!("  {metric}"), theme.dim)]);
        for line in wrap(&behavior::normal(behavior), room) {
            lines.push(vec![part(format!("  {line}"), theme.text)]);
        }
        for doubt in behavior::doubts(behavior, heard.as_ref()) {
            for (i, line) in wrap(&doubt, room.saturating_sub(2)).into_iter().enumerate() {
                let lead = if i == 0 { s.warn } else { " " };
                lines.push(vec![part(format!("  {lead} {line}"), theme.warning)]);
            }
        }
    }
    if let Some(whole) = &profile.whole {
        lines.extend(besides(whole, profile.version, theme));
    }
    if !profile.targets.is_empty() {
        lines.push(vec![part("judges", theme.dim)]);
    }
    for target in &profile.targets {
        lines.push(vec![part(format!("  {}", target_words(target.as_str())), theme.text)]);
    }
    let active = env
        .fleet
        .violations()
        .get()
        .map(|all| all.iter().filter(|v| v.profile.as_str() == profile.name.as_str()).count());
    let text = active.map_or("violations unknown".to_owned(), |n| {
        words::plural(n, "active violation", "active violations")
    });
    lines.push(vec![part(text, if active == Some(0) { theme.dim } else { theme.alarm })]);
    lines.extend(vocabulary(env, theme));
    lines
}

/// What was heard of each behaviour's metric, with the limit in it.
fn spreads(paint: &mut Paint<'_>, area: Rect, profile: &ProfileRecord, heard: &HeardOf) {
    const LEAST: u16 = 8;
    let theme = paint.theme;
    let drawn = profile.behaviors.iter().zip(heard).filter_map(|(b, heard)| Some((b, heard.as_ref()?)));
    let drawn: Vec<_> = drawn.collect();
    let each = area.height / u16::try_from(drawn.len()).unwrap_or(u16::MAX).max(1);
    let tall = each.max(LEAST);
    let mut y = area.y;
    for (behavior, heard) in drawn {
        if y + tall > area.bottom() {
            return;
        }
        let room = area.width.saturating_sub(2);
        let wrong = if heard.outside > 0 { theme.alarm } else { theme.good };
        let title = [
            part(SafeText::new(&behavior.name).to_string(), theme.brand),
            part(format!("  {} heard, ", words::plural(heard.values.len(), "device", "devices")), theme.dim),
            part(format!("{} outside now", heard.outside), wrong),
        ];
        paint.line(area.x + 1, y, room, &title);
        let unit = unit(behavior.metric.as_deref());
        let values: Spread = heard.values.iter().copied().collect();
        let plot = Rect { x: area.x + 1, y: y + 1, width: room, height: tall - 2 };
        spread::draw(paint, plot, &values, Some(&heard.limit), unit);
        y += tall;
    }
    if y == area.y {
        quiet(paint, area, "what was heard says nothing of these behaviours");
    }
}

/// Who is told, what is kept besides, and what the profile says of itself.
fn besides<'a>(whole: &SecurityProfile, version: Option<i64>, theme: &super::Theme) -> Vec<Vec<Part<'a>>> {
    let mut out = Vec::new();
    let safe = |text: &str| SafeText::new(text).to_string();
    if let Some(text) = whole.security_profile_description.as_deref().filter(|t| !t.is_empty()) {
        out.push(vec![part(safe(text), theme.dim)]);
    }
    let kept: Vec<&str> = whole.retained.iter().map(|k| k.metric.as_str()).collect();
    if !kept.is_empty() {
        out.push(vec![part("also retains  ", theme.dim), part(safe(&kept.join(", ")), theme.text)]);
    }
    out.push(match whole.alert() {
        Some(target) => vec![
            part("tells  ", theme.dim),
            part(safe(&target.alert_target_arn), theme.text),
            part(format!("  as {}", safe(&target.role_arn)), theme.dim),
        ],
        None => vec![part("tells nobody: no alert target", theme.dim)],
    });
    if let Some(export) = &whole.metrics_export_config {
        out.push(vec![part("exports to  ", theme.dim), part(safe(&export.mqtt_topic), theme.text)]);
    }
    if let Some(version) = version {
        out.push(vec![part(format!("version {version}"), theme.dim)]);
    }
    out
}

/// Dimensions, custom metrics, and how far AWS's learning is.
fn vocabulary<'a>(env: &Env<'_>, theme: &super::Theme) -> Vec<Vec<Part<'a>>> {
    let mut out: Vec<Vec<Part<'a>>> = Vec::new();
    for dimension in env.fleet.dimensions().get().into_iter().flatten() {
        let values: Vec<&str> = dimension.values.iter().map(SafeText::as_str).collect();
        out.push(vec![
            part(format!("dimension  {}  ", dimension.name), theme.text),
            part(values.join(", "), theme.dim),
        ]);
    }
    for metric in env.fleet.custom_metrics().get().into_iter().flatten() {
        let display = metric.display.as_ref().map(|d| format!(", {d}")).unwrap_or_default();
        out.push(vec![
            part(format!("custom metric  {}  ", metric.name), theme.text),
            part(format!("{}{display}", metric.kind), theme.dim),
        ]);
    }
    for model in env.fleet.training().get().into_iter().flatten() {
        let percent = model.collected.map(|p| format!(", {} % of its datapoints", words::number(p)));
        out.push(vec![
            part(format!("ML model  {} / {}  ", model.profile, model.behavior), theme.text),
            part(format!("{}{}", model.status, percent.unwrap_or_default()), theme.dim),
        ]);
    }
    if !out.is_empty() {
        out.insert(0, vec![part("", theme.dim)]);
    }
    out
}
