//! Topic rules: the SQL, what it does with what matches, and where it can never match.

mod chart;

use ratatui::layout::Rect;
use ratatui::style::Style;

use quell_fleet::account::RuleRecord;
use quell_rules::sql::{Remark, Statement, Version};

use super::super::app::{App, Env, ListId, key_of};
use super::super::paint::{Paint, part};
use super::super::words;
use super::layout;
use super::text::{self, Facts};
use super::{absence, aged, counted, filtered, frame, quiet};

/// Where the list is, and the details of its chosen line.
pub(super) fn parts(env: &Env<'_>, area: Rect) -> (Rect, Rect) {
    layout::above_details(area, env.fleet.rules().get().map_or(0, Vec::len))
}

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let known = env.fleet.rules();
    let mut facts = vec![counted(app, ListId::Rules, known.get().map(Vec::len), theme)];
    facts.extend(filtered(app, ListId::Rules, theme));
    facts.extend(aged(known, env, theme));
    let all = known.get().map(Vec::as_slice).unwrap_or_default();
    let (above, below) = parts(env, area);
    let inner = frame(paint, above, true, "Topic rules", facts);
    if known.get().is_none() {
        return absence(app, known, "rules", paint, inner);
    }
    if all.is_empty() {
        return quiet(paint, inner, "the account has no topic rule");
    }
    let line = |key| {
        let rule = all.iter().find(|r| key_of(r.name.raw()) == key)?;
        let (shape, word, style) = state(theme, rule);
        let mut parts = vec![
            part(format!(" {shape:<2} {word:<9} "), style),
            part(format!("{:<22} ", rule.name.shown()), theme.brand),
        ];
        if remarks(rule).iter().any(|r| r.never) {
            parts.push(part(format!("{} never matches  ", theme.symbols.warn), theme.warning));
        }
        parts.push(part(rule.sql.as_str(), theme.dim));
        Some(parts)
    };
    let list = app.list(ListId::Rules);
    text::rows(paint, above, inner, list, line);
    if let Some(rule) = all.iter().find(|r| Some(key_of(r.name.raw())) == list.chosen()) {
        detail(app, env, paint, below, rule);
    }
}

fn state(theme: &super::Theme, rule: &RuleRecord) -> (&'static str, &'static str, Style) {
    if rule.disabled {
        (theme.symbols.down, "disabled", theme.warning)
    } else {
        (theme.symbols.up, "enabled", theme.good)
    }
}

fn detail(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, rule: &RuleRecord) {
    let theme = paint.theme;
    let (_, word, style) = state(theme, rule);
    let inner = frame(paint, area, false, rule.name.shown().as_str(), vec![part(word, style)]);
    let room = inner.width.saturating_sub(12) as usize;
    let mut facts = Facts::new(10, room, theme);
    let mut say = |label: &str, text: &str, style: Style| facts.say(label, text, style);
    say("SQL", rule.sql.as_str(), theme.brand);
    for remark in remarks(rule) {
        say("", &format!("{} {}", theme.symbols.warn, remark.text), theme.warning);
    }
    if !rule.sql_version.is_empty() {
        say("version", rule.sql_version.as_str(), theme.text);
    }
    if !rule.description.is_empty() {
        say("about", rule.description.as_str(), theme.text);
    }
    if rule.actions.is_empty() {
        say("does", "nothing: it has no action", theme.warning);
    }
    for action in &rule.actions {
        say("does", action.as_str(), theme.text);
    }
    match &rule.error_action {
        Some(action) => say("on error", action.as_str(), theme.text),
        None => say("on error", "nothing: a failed action leaves no trace", theme.dim),
    }
    if let Some(at) = rule.created {
        say("created", &words::moment(at, env.now, &app.look.zone), theme.text);
    }
    let tall = (facts.lines.len() as u16).min(inner.height.saturating_sub(chart::ROOM).max(inner.height / 2));
    let (above, rest) = super::split(inner, tall);
    text::lines(paint, above, &facts.lines);
    chart::draw(app, env, paint, rest, rule);
}

/// What is known against a statement without a message: that it can never match comes first.
pub(in crate::console) fn remarks(rule: &RuleRecord) -> Vec<Remark> {
    // An unknown or absent version is AWS's default.
    let version = Version::parse(rule.sql_version.as_str()).unwrap_or_default();
    Statement::parse(rule.sql.as_str(), version).map(|s| s.remarks()).unwrap_or_default()
}
