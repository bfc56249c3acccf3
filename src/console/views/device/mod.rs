//! One device: who it is, what was heard, what is registered, what it was judged, what was done to it.
//!
//! On a wide screen all of it stands side by side; on a narrow one `Tab` turns the lower half through its parts.

mod charts;
mod facts;
mod metrics;
mod parts;

use ratatui::layout::Rect;

use quell_fleet::SourceId;
use quell_fleet::model::Name;

use super::super::app::{App, Env, Section, condition_word};
use super::super::paint::{Paint, part};
use super::super::words;
use super::{condition_style, frame, quiet, reason, split};

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, name: &Name) {
    let Some(id) = env.fleet.find(name.raw()) else {
        let inner = frame(paint, area, true, name.shown().as_str(), Vec::new());
        let source = SourceId::GroupsOf(name.clone());
        let asked =
            env.fleet.polls().find(|(id, _)| **id == source).and_then(|(_, state)| state.trouble.as_ref());
        let text = match asked {
            Some(trouble) => format!("nothing is known of this thing: {}", reason(trouble)),
            None if app.look.aws => format!("asking AWS about this thing {}", paint.theme.symbols.more),
            None => "nothing is known of this thing".to_owned(),
        };
        return quiet(paint, inner, &text);
    };
    let device = env.fleet.device(id);
    let theme = paint.theme;
    let condition = device.condition();
    let title = vec![
        part(condition_word(condition), condition_style(theme, condition)),
        part(format!("for {}", words::age(env.now - device.condition_since())), theme.dim),
    ];
    if app.zoomed() {
        return section(app, env, paint, area, name, app.section());
    }
    let lines = facts::lines(app, env, device, theme);
    let needed = lines.len() as u16 + 4;
    if area.width >= 110 && area.height >= 34 {
        let top = needed.clamp(12, area.height / 2);
        let (first, rest) = split(area, top);
        let (second, third) = split(rest, rest.height / 2);
        let (left, right) = columns(first, 58);
        facts::draw(app, env, paint, left, id, title, &lines);
        section(app, env, paint, right, name, Section::Sizes);
        let (left, right) = columns(second, 58);
        section(app, env, paint, left, name, Section::Shadow);
        section(app, env, paint, right, name, Section::Messages);
        let (left, rest) = columns(third, 36);
        let (middle, right) = columns(rest, 50);
        section(app, env, paint, left, name, Section::Violations);
        // The policies, the jobs and the metrics share a place with what was done: `Tab` brings each there.
        let (a, b) = match app.section() {
            Section::Jobs => (Section::Policies, Section::Jobs),
            Section::Metrics => (Section::Metrics, Section::Done),
            _ => (Section::Policies, Section::Done),
        };
        section(app, env, paint, middle, name, a);
        section(app, env, paint, right, name, b);
        return;
    }
    if area.height < 10 {
        return facts::draw(app, env, paint, area, id, title, &lines);
    }
    let (above, below) = split(area, needed.min(area.height * 11 / 20));
    facts::draw(app, env, paint, above, id, title, &lines);
    section(app, env, paint, below, name, app.section());
}

/// Splits an area, `percent` to the left.
fn columns(area: Rect, percent: u16) -> (Rect, Rect) {
    let w = area.width * percent / 100;
    (Rect { width: w, ..area }, Rect { x: area.x + w, width: area.width - w, ..area })
}

fn section(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, name: &Name, which: Section) {
    let focused = app.section() == which;
    match which {
        Section::Messages => parts::messages(app, env, paint, area, name, focused),
        Section::Shadow => parts::shadow(app, env, paint, area, name, focused),
        Section::Sizes => charts::draw(app, env, paint, area, name, focused),
        Section::Violations => parts::violations(app, env, paint, area, name, focused),
        Section::Policies => parts::policies(app, env, paint, area, name, focused),
        Section::Jobs => parts::jobs(app, env, paint, area, name, focused),
        Section::Done => parts::done(app, env, paint, area, name, focused),
        Section::Metrics => metrics::draw(app, env, paint, area, name, focused),
    }
}
