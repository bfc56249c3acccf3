//! Where everything is, from the size of the screen and what is looked at: computed before anything is drawn, so that what is
//! in sight is known to the keys, and drawing changes nothing.

use ratatui::layout::Rect;

use quell_fleet::Heed;

use super::super::app::{App, Env, ListId, Pane, View};
use super::super::paint::inside;
use super::{
    audit, deltas, device, devices, doctor, focus, guide, history, jobs, journal, link, policy, profiles,
    rules, shadows, split, stream, telemetry, violations, whatif,
};

/// Room for the four live things at once, and the device under the cursor beside its list.
const WIDE: (u16, u16) = (120, 30);
/// Room for a column of the stream's own beside them.
const BROAD: (u16, u16) = (190, 36);
/// Room for two lower panes side by side.
const PAIR: (u16, u16) = (90, 26);
/// Room for a second line of the header.
const TALL: (u16, u16) = (100, 30);
/// Below this a single pane.
const SMALL: (u16, u16) = (60, 15);

/// What scrolls, and how much of it there is room for.
pub(in crate::console) enum Place {
    /// A list, in entries.
    List(ListId, usize),
    /// The text of the view.
    Text {
        /// All lines.
        lines: usize,
        /// Those there is room for.
        page: usize,
    },
    /// The text of the dialog in front.
    Dialog {
        /// All lines.
        lines: usize,
        /// Those there is room for.
        page: usize,
    },
}

/// The bands of a screen.
pub(super) struct Bands {
    pub(super) header: Option<Rect>,
    /// A line of its own for how bad it is.
    pub(super) counts: Option<Rect>,
    /// That nothing can be heard.
    pub(super) deaf: Option<Rect>,
    pub(super) leaks: Option<Rect>,
    pub(super) footer: Option<Rect>,
    pub(super) body: Rect,
}

impl Bands {
    pub(super) fn of(app: &App, env: &Env<'_>, area: Rect) -> Self {
        let mut body = area;
        let band = |wanted: bool, body: &mut Rect| {
            wanted.then(|| {
                let line = Rect { height: 1, ..*body };
                body.y += 1;
                body.height -= 1;
                line
            })
        };
        let header = band(area.height >= 4, &mut body);
        let counts = band(area.width >= TALL.0 && area.height >= TALL.1, &mut body);
        let deaf = band(matches!(env.fleet.heed(), Heed::Deaf(..)) && body.height >= 2, &mut body);
        let leaks = band(!app.leaks().is_empty() && body.height >= 2, &mut body);
        let footer = (area.height >= 6).then(|| {
            body.height -= 1;
            Rect { y: body.bottom(), height: 1, ..area }
        });
        Self { header, counts, deaf, leaks, footer, body }
    }
}

/// The overview: its panes, and what stands beside them.
pub(super) struct Overview {
    pub(super) panes: Vec<(Pane, Rect)>,
    /// The device under the cursor.
    pub(super) focus: Option<Rect>,
    /// The line for the titles of the panes that share a place.
    pub(super) tabs: Option<Rect>,
}

/// The pane below the devices where there is one place for three.
pub(super) fn lower(pane: Pane) -> Pane {
    if pane == Pane::Devices { Pane::Violations } else { pane }
}

impl Overview {
    pub(super) fn of(app: &App, env: &Env<'_>, full: Rect, body: Rect) -> Self {
        let fits = |(width, height)| full.width >= width && full.height >= height;
        if app.zoomed() || !fits(SMALL) {
            return Self { panes: vec![(app.pane(), body)], focus: None, tabs: None };
        }
        if fits(WIDE) {
            return Self::wide(app, env, body, fits(BROAD));
        }
        if fits(PAIR) {
            let tall = rows(app, env).max(8).min(body.height.saturating_sub(wanted(env, body)));
            let (above, below) = split(body, tall);
            let (left, right) = cut(below, below.width / 2);
            let second = if app.pane() == Pane::Deltas { Pane::Deltas } else { Pane::Telemetry };
            let panes = vec![(Pane::Devices, above), (Pane::Violations, left), (second, right)];
            return Self { panes, focus: None, tabs: None };
        }
        let (above, below) = split(body, rows(app, env).clamp(7, (body.height * 3 / 5).max(7)));
        let panes = vec![(Pane::Devices, above), (lower(app.pane()), below)];
        Self { panes, focus: None, tabs: Some(Rect { height: 1, ..below }) }
    }

    fn wide(app: &App, env: &Env<'_>, body: Rect, broad: bool) -> Self {
        let (main, column) = if broad {
            cut(body, body.width - (body.width * 29 / 100).min(70))
        } else {
            (body, Rect { width: 0, ..body })
        };
        // What is below gets what it has lines for, what is above the rest; few devices leave the stream more.
        let lower = wanted(env, main);
        let most = main.height.saturating_sub(lower);
        let top = if broad { most } else { rows(app, env).max(focus::ROOM).min(most) };
        let (above, below) = split(main, top);
        let aside = (above.width * 38 / 100).clamp(44, 66);
        let (list, focus) = cut(above, above.width.saturating_sub(aside));
        let mut panes = vec![(Pane::Devices, list)];
        if broad {
            let (left, right) = cut(below, below.width * 54 / 100);
            panes.extend([(Pane::Violations, left), (Pane::Deltas, right), (Pane::Telemetry, column)]);
        } else {
            let (left, rest) = cut(below, below.width * 30 / 100);
            let (middle, right) = cut(rest, rest.width * 34 / 100);
            panes.extend([(Pane::Violations, left), (Pane::Deltas, middle), (Pane::Telemetry, right)]);
        }
        Self { panes, focus: Some(focus), tabs: None }
    }
}

/// Rows the devices have lines for, with their heads and their frame; where there is none, what to do takes all there is.
fn rows(app: &App, env: &Env<'_>) -> u16 {
    if env.fleet.is_empty() {
        return u16::MAX;
    }
    u16::try_from(app.rows().ids().len()).unwrap_or(u16::MAX).saturating_add(3)
}

/// Rows the lower panes have lines for, frames included, within reason.
fn wanted(env: &Env<'_>, body: Rect) -> u16 {
    let violations =
        2 * (env.fleet.violations().get().map_or(0, Vec::len) + env.fleet.findings_alone().count());
    let lines = u16::try_from(violations.max(deltas::lines(env))).unwrap_or(u16::MAX).saturating_add(2);
    lines.clamp(6, (body.height * 2 / 5).max(6))
}

/// Splits an area, `left` columns to the left.
pub(super) fn cut(area: Rect, left: u16) -> (Rect, Rect) {
    let left = left.min(area.width);
    (Rect { width: left, ..area }, Rect { x: area.x + left, width: area.width - left, ..area })
}

/// From so large a screen on a list stands beside or above what is chosen in it.
const DETAILS: (u16, u16) = (120, 36);

/// Whether there is room for what is chosen beside its list.
pub(in crate::console) fn has_details((width, height): (u16, u16)) -> bool {
    width >= DETAILS.0 && height >= DETAILS.1
}

/// A list and what is chosen in it: beside each other where that leaves both wide enough, else one above the other.
pub(super) fn beside(area: Rect) -> (Rect, Option<Rect>) {
    if area.width >= 140 {
        let (left, right) = cut(area, area.width * 3 / 5);
        return (left, Some(right));
    }
    let (above, below) = split(area, area.height * 11 / 20);
    (above, Some(below))
}

/// A list above its details: as tall as its lines, up to a third; nothing of it while what is chosen has the screen.
pub(super) fn above_details(app: &App, area: Rect, lines: usize) -> (Rect, Rect) {
    if app.shows_one() && lines > 0 {
        return split(area, 0);
    }
    let lines = u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(2);
    split(area, lines.clamp(4, (area.height / 3).max(4)))
}

/// Where the view is on a screen of so many columns and rows.
pub(in crate::console) fn body(app: &App, env: &Env<'_>, (width, height): (u16, u16)) -> Rect {
    Bands::of(app, env, Rect { x: 0, y: 0, width, height }).body
}

/// A list above what is told of its chosen line, on a screen that has room for both: as tall as its lines, up to a half.
pub(super) fn above_told(area: Rect, lines: usize) -> (Rect, Rect) {
    if !tells(area) {
        return (area, Rect { y: area.bottom(), height: 0, ..area });
    }
    let lines = u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(2);
    split(area, lines.clamp(5, area.height / 2))
}

/// Whether a body has room for a list and what is told of its chosen line.
pub(super) fn tells(body: Rect) -> bool {
    // The bands above and below it take up to five rows.
    has_details((body.width, body.height.saturating_add(5)))
}

/// What scrolls on a screen of so many columns and rows.
pub(in crate::console) fn places(app: &App, env: &Env<'_>, (width, height): (u16, u16)) -> Vec<Place> {
    let full = Rect { x: 0, y: 0, width, height };
    let body = Bands::of(app, env, full).body;
    let one = |list, page| vec![Place::List(list, page)];
    let mut places = match app.view() {
        View::Overview => Overview::of(app, env, full, body)
            .panes
            .into_iter()
            .map(|(pane, area)| Place::List(pane.list(), page(env, pane, area)))
            .collect(),
        View::Device(name) => device::place(app, env, body, name).into_iter().collect(),
        View::Stream => one(ListId::Stream, stream::page(app, body)),
        View::Violations => {
            one(ListId::Violations, violations::page(env, violations::parts(env, body).active, true))
        }
        // What is chosen stays so while it has the screen.
        view if app.shows_one() => {
            let kept = |list| Place::List(list, app.list(list).page());
            match view {
                View::Profiles => vec![kept(ListId::Profiles), profiles::place(app, env, body)],
                View::Rules => vec![kept(ListId::Rules), rules::place(app, env, body)],
                View::Audit => vec![kept(ListId::Findings), audit::place(app, env, body)],
                _ => vec![kept(ListId::Shadows), shadows::place(app, env, body)],
            }
        }
        View::Shadows => shadows::places(app, env, body),
        View::Jobs => one(ListId::Jobs, jobs::page(env, body)),
        View::Executions(job) => one(ListId::Executions, jobs::executions_page(env, body, job)),
        View::Journal => one(ListId::Journal, inside(journal::parts(app, body).0).height.into()),
        View::Profiles => one(ListId::Profiles, inside(profiles::parts(app, env, body).0).height.into()),
        View::History => one(ListId::History, inside(history::parts(env, body).list).height.into()),
        View::Audit => one(ListId::Findings, inside(audit::parts(app, env, body).list).height.into()),
        View::Rules => one(ListId::Rules, inside(rules::parts(app, env, body).0).height.into()),
        View::WhatIf => one(ListId::WhatIf, whatif::page(app, body)),
        View::Doctor => vec![doctor::place(app, body)],
        View::Link => vec![link::place(app, env, body)],
        View::Policy(name) => vec![policy::place(app, env, body, name)],
        View::Guide => vec![guide::place(app, env, body)],
        View::Grid => Vec::new(),
    };
    places.extend(app.dialog().and_then(|dialog| dialog.component().place(app, body)));
    places
}

/// What is at a place of the screen.
pub(in crate::console) struct Under {
    /// The pane of the overview.
    pub(in crate::console) pane: Option<Pane>,
    /// A line of a list, from the first in sight.
    pub(in crate::console) row: Option<(ListId, usize)>,
    /// The order that the head of a column stands for.
    pub(in crate::console) sort: Option<super::Sort>,
}

/// What is at a place of the screen; `None` outside all that can be pointed at.
pub(in crate::console) fn under(
    app: &App,
    env: &Env<'_>,
    size: (u16, u16),
    (x, y): (u16, u16),
) -> Option<Under> {
    let at = ratatui::layout::Position { x, y };
    let full = Rect { x: 0, y: 0, width: size.0, height: size.1 };
    let body = body(app, env, size);
    // A line of a list of lines that are `tall` each, below its heads.
    let line = |list, area: Rect, heads: u16, tall: u16| {
        let inner = inside(area);
        let below = y.checked_sub(inner.y + heads)?;
        inner.contains(at).then(|| (list, usize::from(below / tall.max(1))))
    };
    match app.view() {
        View::Overview => {
            let panes = Overview::of(app, env, full, body).panes;
            let (pane, area) = panes.into_iter().find(|(_, area)| area.contains(at))?;
            let inner = inside(area);
            let (mut row, mut sort) = (None, None);
            match pane {
                Pane::Devices => {
                    let heads = u16::from(inner.height >= 3);
                    row = line(ListId::Devices, area, heads, 1);
                    if heads == 1 && y == inner.y {
                        let x = x.saturating_sub(inner.x);
                        sort = app.rows().sort().by_head(x, inner.width, app.rows().longest());
                    }
                }
                Pane::Telemetry => row = line(ListId::Stream, area, 0, telemetry::tall(inner)),
                Pane::Violations => row = violations::row(env, area, at, false),
                // Each is as tall as what it asks for.
                Pane::Deltas => {}
            }
            Some(Under { pane: Some(pane), row, sort })
        }
        View::Stream => {
            let (area, heads, tall) = stream::rows(app, body);
            Some(Under { pane: None, row: line(ListId::Stream, area, heads, tall), sort: None })
        }
        _ if app.shows_one() => None,
        View::Shadows => {
            let area = shadows::parts(app, body).0;
            Some(Under { pane: None, row: line(ListId::Shadows, area, 1, 1), sort: None })
        }
        View::Violations => {
            let row = violations::row(env, violations::parts(env, body).active, at, true);
            Some(Under { pane: None, row, sort: None })
        }
        view => {
            let (list, area, tall) = match view {
                View::Jobs => (ListId::Jobs, jobs::list_parts(env, body).0, jobs::TALL),
                View::Executions(job) => (ListId::Executions, jobs::executions_area(env, body, job), 1),
                View::Journal => (ListId::Journal, journal::parts(app, body).0, 1),
                View::Profiles => (ListId::Profiles, profiles::parts(app, env, body).0, 1),
                View::History => (ListId::History, history::parts(env, body).list, 1),
                View::Audit => (ListId::Findings, audit::parts(app, env, body).list, 1),
                View::Rules => (ListId::Rules, rules::parts(app, env, body).0, 1),
                _ => return None,
            };
            Some(Under { pane: None, row: line(list, area, 0, tall), sort: None })
        }
    }
}

/// How many entries of a pane of the overview there is room for.
fn page(env: &Env<'_>, pane: Pane, area: Rect) -> usize {
    match pane {
        Pane::Devices => devices::page(area),
        Pane::Violations => violations::page(env, area, false),
        Pane::Deltas => deltas::page(area),
        Pane::Telemetry => telemetry::page(area, false),
    }
}
