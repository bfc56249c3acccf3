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

use super::super::app::{App, Env, Section};
use super::super::paint::{Paint, inside, part};
use super::layout::{Place, cut};
use super::{frame, lasting, quiet, reason, said, split};

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
    let theme = paint.theme;
    let (word, style) = said(env, theme, id, 40);
    let mut title = vec![part(word, style)];
    title.extend(lasting(env, id).map(|text| part(text, theme.dim)));
    let lines = facts::lines(app, env, id, theme);
    let Some(facts) = facts_area(app, area, lines.len()) else {
        return section(app, env, paint, area, name, app.section());
    };
    facts::draw(app, env, paint, facts, id, title, &lines);
    let (first, rest) = split(area, facts.height);
    if is_wide(area) {
        let (second, third) = split(rest, rest.height / 2);
        section(app, env, paint, columns(first, 58).1, name, Section::Sizes);
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
    if rest.height > 0 {
        section(app, env, paint, rest, name, app.section());
    }
}

/// Where the facts are, at the top; `None` where a part of the view has the whole screen.
fn facts_area(app: &App, area: Rect, lines: usize) -> Option<Rect> {
    let needed = u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(4);
    if app.zoomed() {
        return None;
    }
    Some(if is_wide(area) {
        columns(split(area, needed.clamp(12, area.height / 2)).0, 58).0
    } else if area.height < 10 {
        area
    } else {
        split(area, needed.min(area.height * 11 / 20)).0
    })
}

/// Room for all parts side by side.
fn is_wide(area: Rect) -> bool {
    area.width >= 110 && area.height >= 32
}

pub(super) fn place(app: &App, env: &Env<'_>, area: Rect, name: &Name) -> Option<Place> {
    let id = env.fleet.find(name.raw())?;
    let lines = facts::lines(app, env, id, &app.look.theme).len();
    let area = facts_area(app, area, lines)?;
    Some(Place::Text { lines, page: facts::text_area(inside(area)).height.into() })
}

/// Splits an area, `percent` to the left.
fn columns(area: Rect, percent: u16) -> (Rect, Rect) {
    cut(area, area.width * percent / 100)
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
