//! Topic rules: the SQL, what it does with what matches, and where it can never match.

mod chart;

use ratatui::layout::Rect;
use ratatui::style::Style;

use quell_fleet::account::RuleRecord;
use quell_fleet::text::SafeText;
use quell_rules::sql::{Outcome, Remark, Statement, Version};

use super::super::app::{App, Env, ListId, key_of, trials};
use super::super::paint::{Paint, fit_middle, inside, part};
use super::super::words;
use super::layout::{self, Place};
use super::text::{self, Facts};
use super::{absence, aged, counted, filtered, frame, quiet};

/// Rows of the chart of what FROM matches, where there are twice as many.
const MATCHED: u16 = 9;

/// What a rule makes of a message is shown up to here, in bytes.
const SHOWN: usize = 200;

/// Where the list is, and the details of its chosen line.
pub(in crate::console::views) fn parts(app: &App, env: &Env<'_>, area: Rect) -> (Rect, Rect) {
    layout::above_details(app, area, env.fleet.rules().get().map_or(0, Vec::len))
}

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let known = env.fleet.rules();
    let mut facts = vec![counted(app, ListId::Rules, known.get().map(Vec::len), theme)];
    facts.extend(filtered(app, ListId::Rules, theme));
    facts.extend(aged(known, env, theme));
    let all = known.get().map(Vec::as_slice).unwrap_or_default();
    let (above, below) = parts(app, env, area);
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
    if above.height > 0 {
        text::rows(paint, above, inner, list, line);
    }
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

/// How much text there is of the chosen rule, and room for, when it has the screen.
pub(in crate::console::views) fn place(app: &App, env: &Env<'_>, body: Rect) -> Place {
    let inner = inside(body);
    let chosen = app.list(ListId::Rules).chosen();
    let mut all = env.fleet.rules().get().into_iter().flatten();
    let lines = all
        .find(|r| Some(key_of(r.name.raw())) == chosen)
        .map_or(0, |rule| told(app, env, rule, inner.width).len());
    Place::Text { lines, page: above_chart(inner, lines).0.height.into() }
}

/// Where the text of a rule is, and where its chart.
fn above_chart(inner: Rect, lines: usize) -> (Rect, Rect) {
    let lines = u16::try_from(lines).unwrap_or(u16::MAX);
    super::split(inner, lines.min(inner.height.saturating_sub(chart::ROOM).max(inner.height / 2)))
}

fn detail(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, rule: &RuleRecord) {
    let (_, word, style) = state(paint.theme, rule);
    let inner = frame(paint, area, app.shows_one(), rule.name.shown().as_str(), vec![part(word, style)]);
    let lines = told(app, env, rule, inner.width);
    let (above, rest) = above_chart(inner, lines.len());
    text::opened(app, paint, (area, above), &lines);
    let (rest, below) = super::split(rest, chart::TALLEST);
    chart::draw(app, env, paint, rest, rule);
    let (matched, below) = super::split(below, if below.height >= 2 * MATCHED { MATCHED } else { 0 });
    if matched.height > 0 {
        chart::matched(env, paint, matched, rule);
    }
    if below.height >= 4 {
        tried(app, env, paint, super::split(below, 1).1, rule);
    }
}

/// A rule in facts.
fn told<'a>(app: &App, env: &Env<'_>, rule: &RuleRecord, width: u16) -> Vec<text::Line<'a>> {
    let theme = &app.look.theme;
    let room = width.saturating_sub(12) as usize;
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
    facts.lines
}

/// What the rule makes of the last messages on its topics: those that matched, and those that did not and why.
fn tried(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, rule: &RuleRecord) {
    let theme = paint.theme;
    let s = theme.symbols;
    let room = area.width.saturating_sub(2);
    paint.text(area.x + 1, area.y, room, "The last messages on its topics that quell knows", theme.label);
    let rows = super::split(area, 1).1;
    let version = Version::parse(rule.sql_version.as_str()).unwrap_or_default();
    let statement = match Statement::parse(rule.sql.as_str(), version) {
        Ok(statement) => statement,
        Err(why) => return quiet(paint, rows, &why.to_string()),
    };
    if let Some(why) = statement.unmodelled() {
        return quiet(paint, rows, &format!("only AWS can tell what it makes of a message: {}", why.message));
    }
    let trials = trials(&statement, env, rows.height.into());
    if trials.is_empty() {
        return quiet(paint, rows, "none was heard here, and no shadow is known that would be told there");
    }
    let topic_room = (usize::from(room) * 2 / 5).min(60);
    for (y, trial) in (rows.y..rows.bottom()).zip(&trials) {
        let at = trial.at.map_or_else(|| "now".to_owned(), |at| words::clock(at, &app.look.zone));
        let topic = SafeText::new(&trial.topic);
        let topic = fit_middle(topic.as_str(), topic_room, s.more).into_owned();
        let (mark, text, style) = match &trial.outcome {
            Outcome::Selected(bytes) => {
                let bytes = bytes.get(..bytes.len().min(SHOWN)).unwrap_or_default();
                (s.check, format!("matches: {}", SafeText::limited(bytes, SHOWN)), theme.good)
            }
            Outcome::NotSelected => {
                let payload = trial.payload.get(..trial.payload.len().min(SHOWN)).unwrap_or_default();
                let text = format!("WHERE is not true of {}", SafeText::limited(payload, SHOWN));
                (s.waiting, text, theme.dim)
            }
            Outcome::ParseError => {
                (s.warn, "its payload is no JSON, and the statement needs fields".to_owned(), theme.warning)
            }
            Outcome::TooMuch => (s.warn, "it takes more work than a rule may".to_owned(), theme.warning),
        };
        let gap = " ".repeat(topic_room.saturating_sub(words::cells(&topic).into()));
        let parts = [
            part(format!("{at:<8}  "), theme.dim),
            part(format!("{topic}{gap}  "), theme.text),
            part(format!("{mark} {text}"), style),
        ];
        paint.line(area.x + 1, y, room, &parts);
    }
}

/// What is known against a statement without a message: that it can never match comes first.
pub(in crate::console) fn remarks(rule: &RuleRecord) -> Vec<Remark> {
    // An unknown or absent version is AWS's default.
    let version = Version::parse(rule.sql_version.as_str()).unwrap_or_default();
    Statement::parse(rule.sql.as_str(), version).map(|s| s.remarks()).unwrap_or_default()
}
