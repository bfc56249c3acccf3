//! Topic rules: the SQL, what it does with what matches, and where it can never match.

use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::fleet::account::RuleRecord;

use super::super::app::{App, Env, ListId, key_of};
use super::super::paint::{Paint, Part, part, wrap};
use super::super::words;
use super::{absence, cursor_style, filtered, frame, quiet};

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let known = env.fleet.rules();
    let count = known.get().map_or("?".to_owned(), |all| all.len().to_string());
    let mut facts = vec![part(count, theme.text)];
    facts.extend(filtered(app, ListId::Rules, theme));
    let all = known.get().map(Vec::as_slice).unwrap_or_default();
    let (above, below) = super::split(area, (all.len() as u16 + 2).clamp(4, (area.height / 2).max(4)));
    let inner = frame(paint, above, true, "Topic rules", facts);
    if known.get().is_none() {
        return absence(app, known, "rules", paint, inner);
    }
    if all.is_empty() {
        return quiet(paint, inner, "the account has no topic rule");
    }
    let keys = app.keys(ListId::Rules, env);
    let list = app.list(ListId::Rules);
    let top = list.window(&keys, inner.height as usize);
    for (i, key) in keys.iter().skip(top).take(inner.height as usize).enumerate() {
        let Some(rule) = all.iter().find(|r| key_of(r.name.raw()) == *key) else { continue };
        let y = inner.y + i as u16;
        let (shape, word, style) = state(theme, rule);
        let mut parts = vec![
            part(format!(" {shape:<2} {word:<9} "), style),
            part(format!("{:<22} ", rule.name.shown()), theme.brand),
        ];
        if never_matches(rule.sql.as_str()).is_some() {
            parts.push(part(format!("{} may never match  ", theme.symbols.warn), theme.warning));
        }
        parts.push(part(rule.sql.as_str(), theme.dim));
        paint.line(inner.x, y, inner.width.saturating_sub(1), &parts);
        if list.cursor() == Some(*key) || (list.cursor().is_none() && i + top == 0) {
            paint.style(Rect { y, height: 1, ..inner }, cursor_style(theme, true));
        }
    }
    let chosen = list.cursor().or(keys.first().copied());
    if let Some(rule) = all.iter().find(|r| Some(key_of(r.name.raw())) == chosen) {
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
    let mut lines: Vec<Vec<Part<'_>>> = Vec::new();
    let mut say = |label: &str, text: &str, style: Style| {
        for (i, line) in wrap(text, room).into_iter().enumerate() {
            let label = if i == 0 { label } else { "" };
            lines.push(vec![part(format!("{label:<10}"), theme.dim), part(line, style)]);
        }
    };
    say("SQL", rule.sql.as_str(), theme.brand);
    if let Some(why) = never_matches(rule.sql.as_str()) {
        say("", &format!("{} {why}", theme.symbols.warn), theme.warning);
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
    for (i, line) in lines.iter().take(inner.height as usize).enumerate() {
        paint.line(inner.x + 1, inner.y + i as u16, inner.width.saturating_sub(2), line);
    }
}

/// Members of the messages AWS publishes about shadows.
const SHADOW_MEMBERS: [&str; 7] =
    ["state", "current", "previous", "metadata", "version", "timestamp", "clientToken"];

/// Why a rule on a shadow's messages can never match: its condition asks for a member at the top level, where a shadow
/// document only has `state` and its like (contract §1.1).
fn never_matches(sql: &str) -> Option<String> {
    let lower = sql.to_lowercase();
    let (from, condition) = (lower.find("from ")?, lower.find(" where ")?);
    let topic = sql.get(from..condition)?;
    if !topic.contains("/shadow/") {
        return None;
    }
    let condition = sql.get(condition + 7..)?;
    let mut quoted = false;
    let mut names = Vec::new();
    let mut name = String::new();
    for c in condition.chars().chain([' ']) {
        if c == '\'' {
            quoted = !quoted;
        }
        if !quoted && (c.is_alphanumeric() || c == '_' || c == '.') {
            name.push(c);
            continue;
        }
        // A name before a bracket is a function.
        if !name.is_empty() && c != '(' {
            names.push(std::mem::take(&mut name));
        }
        name.clear();
    }
    let asks = names.iter().find(|name| {
        let first = name.split('.').next().unwrap_or(name);
        let number = first.chars().next().is_some_and(|c| c.is_ascii_digit());
        let word = ["and", "or", "not", "in", "as", "like", "true", "false", "null", "undefined", "exists"]
            .contains(&first.to_lowercase().as_str());
        !number && !word && !SHADOW_MEMBERS.contains(&first)
    })?;
    Some(format!(
        "a shadow message has no {asks} at its top level: it stands at state.reported.{asks}, or at current.state.reported.{asks} on …/documents"
    ))
}

#[cfg(test)]
mod tests {
    use super::never_matches;

    #[test]
    fn a_shadow_document_has_no_humidity_at_its_top() {
        let wrong = "SELECT * FROM '$aws/things/+/shadow/update/accepted' WHERE Humidity > 60";
        assert!(never_matches(wrong).unwrap().contains("state.reported.Humidity"));
        for right in [
            "SELECT * FROM '$aws/things/+/shadow/update/accepted' WHERE state.reported.Humidity > 60",
            "SELECT * FROM '$aws/things/+/shadow/update/accepted' WHERE isUndefined(state.reported) = false",
            "SELECT * FROM 'dt/+/data' WHERE Humidity > 60",
            "SELECT * FROM '$aws/things/+/shadow/update/accepted'",
        ] {
            assert_eq!(never_matches(right), None, "{right}");
        }
    }
}
