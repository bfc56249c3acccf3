//! The staircase of a response: how far it is, for one device step by step, for many as a bar with those that need somebody
//! first.

use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr as _;

use quell_fleet::Ms;

use crate::response::{
    ActionView, Gauge, Outcome, PlanId, Residue, RowState, StairRow, Swept, TargetOutcome, TargetView,
};

use super::super::app::{App, Env, proven_after};
use super::super::command::{self, Scope};
use super::super::paint::{Paint, fit, part, wrap};
use super::super::theme::Theme;
use super::super::views::text::{self, Line};
use super::super::views::{left, split};
use super::super::words;
use super::plan::{WIDTH, keys};
use super::{Component, centered};

/// The staircase of a response.
pub struct ActionDialog {
    /// The plan that is carried out.
    pub(in crate::console) plan: PlanId,
}

impl Component for ActionDialog {
    fn scopes(&self) -> &'static [Scope] {
        &[Scope::Plan]
    }

    fn hints(&self, app: &App) -> &'static [&'static str] {
        match app.actions().iter().find(|a| a.id == self.plan) {
            Some(action) if action.finished.is_some() && action.unfinished() > 0 => &["escape", "finish"],
            Some(action) if action.finished.is_some() => &["escape"],
            Some(_) | None => &["escape", "stop"],
        }
    }

    fn draw(&self, app: &App, env: &Env<'_>, paint: &mut Paint<'_>, body: Rect) {
        match app.actions().iter().find(|a| a.id == self.plan) {
            Some(action) => staircase(app, env, paint, body, action),
            None => begun(paint, body),
        }
    }
}

/// Between the confirmation and the first word of the responder.
fn begun(paint: &mut Paint<'_>, body: Rect) {
    let theme = paint.theme;
    let area = centered(paint, body, 60.min(body.width), 1);
    let inner = paint.pane(area, &[part("Confirmed", theme.brand)], theme.busy);
    let text = format!("writing the intent to the journal {}", theme.symbols.more);
    paint.text(inner.x + 1, inner.y, inner.width.saturating_sub(2), &text, theme.dim);
}

/// The staircase.
fn staircase(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, body: Rect, action: &ActionView) {
    let theme = paint.theme;
    let s = theme.symbols;
    let width = WIDTH.min(body.width);
    let room = width.saturating_sub(4) as usize;
    let mut lines: Vec<Line<'_>> = Vec::new();
    if action.targets.len() > 1 {
        lines.push(bar(action, theme, room));
    }
    lines.extend(action.rows.iter().map(|row| stair(row, theme, room)));
    lines.push(Vec::new());
    let verb = app.verb_of(&action.id);
    let slowest = action.targets.iter().filter_map(|t| match &t.outcome {
        Some(TargetOutcome::Proven { took }) => Some(*took),
        _ => None,
    });
    let reached = verb.map_or("proven", |verb| verb.words().proven);
    let mut proven = proven_after(action)
        .map(|ms| format!("{reached} in {}", words::took(ms)))
        .unwrap_or(reached.to_owned());
    if let (true, Some(last)) = (verb.is_some_and(|verb| verb.words().contains), slowest.max()) {
        proven
            .push_str(&format!("; the last sign of life came {} after the confirmation", words::took(last)));
    }
    let (text, style, border): (String, Style, Style) = match &action.finished {
        None => (
            format!(
                "{} {} so far; closing this does not stop it",
                s.running,
                words::took(env.now - action.began)
            ),
            theme.busy,
            theme.busy,
        ),
        Some(Outcome::Proven) => (format!("{} {proven}", s.check), theme.good, theme.good),
        Some(Outcome::Unproven) => {
            let unproven = verb.map_or("done, but not proven", |verb| verb.words().unproven);
            (format!("{} {unproven} within its time", s.warn), theme.warning, theme.warning)
        }
        Some(Outcome::Partly) => {
            (format!("{} partly done: see above, and the journal", s.warn), theme.warning, theme.warning)
        }
        Some(Outcome::Failed) => {
            let failed = verb.map_or("failed", |verb| verb.words().failed);
            (format!("{} {failed}: nothing was changed", s.cross), theme.alarm, theme.alarm)
        }
        Some(ended @ (Outcome::Left | Outcome::Interrupted)) => {
            let held = if verb.is_some_and(|verb| verb.words().contains) { "NOT HELD: " } else { "" };
            let how = if *ended == Outcome::Left { "left" } else { "stopped" };
            let text =
                format!("{} {held}{how} before it was proven; the journal says how far it came", s.warn);
            (text, theme.warning, theme.warning)
        }
    };
    let told = wrap(&text, room).into_iter().map(|line| vec![part(line, style)]);
    if action.targets.len() > 1 {
        // The worst first: what is left out when there is no room is what went well.
        let all = by_need(action);
        let free = (body.height as usize).saturating_sub(lines.len() + 5);
        let shown = if all.len() > free { free.saturating_sub(1) } else { all.len() };
        lines.extend(all.iter().take(shown).map(|target| one(target, theme)));
        if all.len() > shown {
            lines.push(vec![part(format!("   and {} more", all.len() - shown), theme.dim)]);
        }
        lines.push(Vec::new());
    }
    lines.extend(told);
    let swept = left::under(&action.swept, theme, room);
    if !swept.is_empty() {
        lines.push(Vec::new());
        lines.extend(swept);
    }
    let retained = match &action.swept {
        Swept::Done(sweeps) => sweeps.iter().any(|sweep| sweep.left(Residue::Retained)),
        _ => false,
    };
    let left = format!("finish the {} left", action.unfinished());
    let mut foot = match action.finished {
        None => keys(app, &[("escape", "close"), ("stop", "stop")], theme),
        Some(_) if action.unfinished() > 0 => keys(app, &[("escape", "close"), ("finish", &left)], theme),
        Some(_) if retained => {
            keys(app, &[("escape", "close"), ("clear-retained", "clear what is retained")], theme)
        }
        Some(_) => keys(app, &[("escape", "close")], theme),
    };
    if let Some(key) =
        command::find("last-action").and_then(|id| app.look.keymap.keys_of(id).first().cloned())
    {
        foot.push(part(key, theme.key));
        foot.push(part(" shows it again", theme.dim));
    }
    let area = centered(paint, body, width, lines.len() + 1);
    let inner = paint.pane(area, &[part(action.title.as_str(), theme.brand)], border);
    let height = inner.height.saturating_sub(1) as usize;
    // Too many lines: the end says how it is.
    let top = lines.len().saturating_sub(height);
    let (above, below) = split(inner, height as u16);
    text::lines(paint, above, lines.iter().skip(top));
    if inner.height > 1 {
        text::lines(paint, below, [&foot]);
    }
}

/// `████████░░░░  81/200 · 2 failed · 1 not proven`: how many have come to an end.
fn bar<'a>(action: &ActionView, theme: &Theme, room: usize) -> Line<'a> {
    let s = theme.symbols;
    let all = action.targets.len();
    let count = |wanted: fn(&TargetOutcome) -> bool| {
        action.targets.iter().filter(|t| t.outcome.as_ref().is_some_and(wanted)).count()
    };
    let failed = count(|o| matches!(o, TargetOutcome::Failed { .. }));
    let unproven = count(|o| matches!(o, TargetOutcome::Unproven { .. } | TargetOutcome::Left { .. }));
    let proven = count(|o| matches!(o, TargetOutcome::Proven { .. }));
    let ended = failed + unproven + proven;
    let cells = room.saturating_sub(40).clamp(10, 50);
    // What ended badly is never too small to be seen.
    let share = |n: usize| if n == 0 { 0 } else { (n * cells / all).max(1) };
    let (bad, doubtful) = (share(failed), share(unproven));
    let good = share(proven).min(cells.saturating_sub(bad + doubtful));
    let empty = cells.saturating_sub(good + doubtful + bad);
    let mut line = vec![
        part(s.bar.repeat(good), theme.good),
        part(s.bar.repeat(doubtful), theme.warning),
        part(s.bar.repeat(bad), theme.alarm),
        part(s.bar_empty.repeat(empty), theme.dim),
        part(format!("  {ended}/{all}"), theme.text),
    ];
    if failed > 0 {
        line.push(part(format!(" {} {failed} failed", s.dot), theme.alarm));
    }
    if unproven > 0 {
        line.push(part(format!(" {} {unproven} not proven", s.dot), theme.warning));
    }
    line
}

/// The targets, those that need somebody first.
fn by_need(action: &ActionView) -> Vec<&TargetView> {
    let mut all: Vec<&TargetView> = action.targets.iter().collect();
    all.sort_by_key(|t| match &t.outcome {
        Some(TargetOutcome::Failed { .. }) => 0,
        Some(TargetOutcome::Unproven { .. } | TargetOutcome::Left { .. }) => 1,
        None if t.rows.iter().any(|r| !matches!(r.state, RowState::Waiting)) => 2,
        None => 3,
        Some(TargetOutcome::Proven { .. }) => 4,
    });
    all
}

fn one<'a>(target: &'a TargetView, theme: &Theme) -> Line<'a> {
    let s = theme.symbols;
    let (shape, text, style) = match &target.outcome {
        None => (s.running, current(&target.rows), theme.busy),
        Some(TargetOutcome::Proven { took }) => {
            (s.check, format!("proven in {}", words::took(*took)), theme.good)
        }
        Some(TargetOutcome::Unproven { missing }) => {
            (s.warn, format!("not proven: {missing}"), theme.warning)
        }
        Some(TargetOutcome::Left { why, missing }) => (s.warn, format!("{why}: {missing}"), theme.warning),
        Some(TargetOutcome::Failed { reason, partly }) => {
            let lead = if *partly { "partly done: " } else { "failed: " };
            (s.cross, format!("{lead}{reason}"), theme.alarm)
        }
    };
    vec![
        part(format!(" {shape} "), style),
        part(format!("{}  ", target.name.shown()), theme.text),
        part(text, style),
    ]
}

fn current(rows: &[StairRow]) -> String {
    rows.iter()
        .find(|r| matches!(r.state, RowState::Running))
        .map(|r| r.title.to_string())
        .unwrap_or_else(|| "waits for its turn".to_owned())
}

/// How much of a wait is over: a bar that counts.
fn gauge(gauge: Gauge, theme: &Theme) -> String {
    const CELLS: Ms = 8;
    let full = (gauge.done.max(0).saturating_mul(CELLS) / gauge.of.max(1)).min(CELLS);
    let cells = |symbol: &str, n: Ms| symbol.repeat(usize::try_from(n).unwrap_or_default());
    cells(theme.symbols.bar, full) + &cells(theme.symbols.bar_empty, CELLS - full)
}

fn stair<'a>(row: &'a StairRow, theme: &Theme, room: usize) -> Line<'a> {
    let s = theme.symbols;
    let (shape, right, style) = match &row.state {
        RowState::Waiting => (s.waiting, String::new(), theme.dim),
        RowState::Running => (s.running, row.gauge.map(|g| gauge(g, theme)).unwrap_or_default(), theme.busy),
        RowState::Done(ms) => (s.check, words::took(*ms), theme.good),
        RowState::Failed(why) => (s.cross, why.to_string(), theme.alarm),
        RowState::Skipped(why) => ("-", why.to_string(), theme.dim),
    };
    let title = if matches!(row.state, RowState::Waiting) { theme.dim } else { theme.text };
    let wide = (room * 2 / 5).clamp(12, 44);
    let shown = fit(row.title.as_str(), wide, s.more).into_owned();
    let pad = wide.saturating_sub(shown.width());
    let mut line = vec![
        part(format!("{shape:<2} "), style),
        part(format!("{shown}{} ", " ".repeat(pad)), title),
        part(format!("{right:<8}"), style),
    ];
    if !row.detail.is_empty() {
        line.push(part(format!(" {}", row.detail), theme.dim));
    }
    line
}
