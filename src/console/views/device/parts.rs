//! The parts of the device view that are lists: messages, shadow, violations, policies, jobs, what was done.

use ratatui::layout::Rect;
use serde_json::Value;

use quell_fleet::model::Name;

use super::super::super::app::{App, Env, Section};
use super::super::super::paint::{Paint, Part, part, wrap};
use super::super::super::words;
use super::super::text;
use super::super::{aged, frame, quiet, read};

pub(super) fn messages(
    app: &App,
    env: &Env<'_>,
    paint: &mut Paint<'_>,
    area: Rect,
    name: &Name,
    focused: bool,
) {
    let theme = paint.theme;
    let inner = frame(paint, area, focused, Section::Messages.title(), Vec::new());
    let id = env.fleet.find(name.raw());
    let mine = env
        .fleet
        .stream()
        .iter()
        .rev()
        // A quiet device among many: look back far enough, not through everything at every frame.
        .take(4_000)
        .filter(|k| env.fleet.topic(k.topic).and_then(|t| t.device()) == id);
    let mut any = false;
    for (i, message) in mine.take(inner.height as usize).enumerate() {
        any = true;
        let parts = [
            part(format!(" {} ", words::clock(message.at, &app.look.zone)), theme.dim),
            part(format!("{:>8}  ", words::bytes(f64::from(message.len))), theme.text),
            part(super::super::telemetry::glance(message, theme, None), theme.dim),
        ];
        paint.line(inner.x, inner.y + i as u16, inner.width.saturating_sub(1), &parts);
    }
    if !any {
        quiet(paint, inner, "none kept");
    }
}

pub(super) fn shadow(
    app: &App,
    env: &Env<'_>,
    paint: &mut Paint<'_>,
    area: Rect,
    name: &Name,
    focused: bool,
) {
    let theme = paint.theme;
    let known = env.fleet.shadow(name.raw(), None);
    let document = known.and_then(|k| k.get());
    let facts = match document {
        Some(Some(document)) => vec![part(format!("v{}", document.version), theme.text)],
        _ => Vec::new(),
    };
    let inner = frame(paint, area, focused, Section::Shadow.title(), facts);
    match read(app, known, "shadow", paint, inner) {
        Some(Some(document)) => {
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
        Some(None) => quiet(paint, inner, "this thing has no classic shadow"),
        None => {}
    }
}

fn column(paint: &mut Paint<'_>, area: Rect, value: &Value) {
    let theme = paint.theme;
    if value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty) {
        paint.text(area.x, area.y, area.width, "nothing", theme.dim);
        return;
    }
    let mut lines = Vec::new();
    super::super::tree(value, theme, area.height.into(), &mut lines);
    for (i, line) in lines.iter().take(area.height as usize).enumerate() {
        paint.line(area.x, area.y + i as u16, area.width, line);
    }
}

pub(super) fn violations(
    app: &App,
    env: &Env<'_>,
    paint: &mut Paint<'_>,
    area: Rect,
    name: &Name,
    focused: bool,
) {
    let facts = aged(env.fleet.violation_events(), env, paint.theme).into_iter().collect();
    let inner = frame(paint, area, focused, Section::Violations.title(), facts);
    super::super::violations::past_of(app, env, paint, inner, name);
}

pub(super) fn policies(
    app: &App,
    env: &Env<'_>,
    paint: &mut Paint<'_>,
    area: Rect,
    name: &Name,
    focused: bool,
) {
    let theme = paint.theme;
    let inner = frame(paint, area, focused, Section::Policies.title(), Vec::new());
    let Some(all) = read(app, env.fleet.policies_of(name.raw()), "policies", paint, inner) else { return };
    if all.is_empty() {
        return quiet(paint, inner, "no policy is in effect: nothing is allowed");
    }
    let room = inner.width.saturating_sub(2) as usize;
    let mut lines: Vec<Vec<Part<'_>>> = Vec::new();
    for policy in all {
        lines.push(vec![
            part(policy.name.as_str(), theme.brand),
            part(format!("  {}", policy.hangs_on), theme.dim),
        ]);
        for statement in &policy.statements {
            let denies = statement.as_str().starts_with("Deny");
            let style = if denies { theme.warning } else { theme.text };
            for line in wrap(statement.as_str(), room.saturating_sub(2)) {
                lines.push(vec![part(format!("  {line}"), style)]);
            }
        }
    }
    text::lines(paint, inner, &lines);
}

pub(super) fn jobs(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, name: &Name, focused: bool) {
    let theme = paint.theme;
    let inner = frame(paint, area, focused, Section::Jobs.title(), Vec::new());
    let Some(all) = read(app, env.fleet.jobs_of(name.raw()), "job executions", paint, inner) else { return };
    if all.is_empty() {
        return quiet(paint, inner, "it never had a job");
    }
    for (i, execution) in all.iter().take(inner.height as usize).enumerate() {
        let at = execution.updated.or(execution.started).or(execution.queued);
        let at = at.map(|at| words::moment(at, env.now, &app.look.zone)).unwrap_or_default();
        let status = execution.status.as_str();
        let parts = [
            part(format!(" {at:<8} "), theme.dim),
            part(format!("{status:<12} "), super::super::jobs::status_style(theme, status)),
            part(execution.job.shown().as_str(), theme.text),
            part(format!("  #{}", execution.number), theme.dim),
        ];
        paint.line(inner.x, inner.y + i as u16, inner.width.saturating_sub(1), &parts);
    }
}

pub(super) fn done(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, name: &Name, focused: bool) {
    let inner = frame(paint, area, focused, Section::Done.title(), Vec::new());
    super::super::journal::of_thing(app, env, paint, inner, name);
}
