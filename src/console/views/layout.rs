//! Where everything is, from the size of the screen and what is looked at: computed before anything is drawn, so that what is
//! in sight is known to the keys, and drawing changes nothing.

use ratatui::layout::Rect;

use quell_fleet::Heed;

use super::super::app::{App, Env, ListId, Pane, View};
use super::super::paint::inside;
use super::{
    audit, deltas, device, devices, doctor, history, jobs, link, profiles, rules, split, telemetry,
    violations, whatif,
};

/// Wide enough for the four live things side by side.
const WIDE: (u16, u16) = (120, 26);
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
        let deaf = band(matches!(env.fleet.heed(), Heed::Deaf(..)) && body.height >= 2, &mut body);
        let leaks = band(!app.leaks().is_empty() && body.height >= 2, &mut body);
        let footer = (area.height >= 6).then(|| {
            body.height -= 1;
            Rect { y: body.bottom(), height: 1, ..area }
        });
        Self { header, deaf, leaks, footer, body }
    }
}

/// The panes of the overview.
pub(super) fn panes(app: &App, full: Rect, body: Rect) -> Vec<(Pane, Rect)> {
    if app.zoomed() || full.width < SMALL.0 || full.height < SMALL.1 {
        return vec![(app.pane(), body)];
    }
    if full.width >= WIDE.0 && full.height >= WIDE.1 {
        // No emptier than needed above, and never so tall that the three below get too little.
        let rows = u16::try_from(app.rows().ids().len()).unwrap_or(u16::MAX).saturating_add(3);
        let top = rows.clamp(8, (body.height * 3 / 5).max(8));
        let (above, below) = split(body, top);
        let left = below.width * 2 / 5;
        let middle = below.width * 26 / 100;
        let b = Rect { x: below.x + left, width: middle, ..below };
        let c = Rect { x: below.x + left + middle, width: below.width - left - middle, ..below };
        return vec![
            (Pane::Devices, above),
            (Pane::Violations, Rect { width: left, ..below }),
            (Pane::Deltas, b),
            (Pane::Telemetry, c),
        ];
    }
    let (above, below) = split(body, body.height * 3 / 5);
    let other = if app.pane() == Pane::Devices { Pane::Violations } else { app.pane() };
    vec![(Pane::Devices, above), (other, below)]
}

/// A list above its details: as tall as its lines, up to a third.
pub(super) fn above_details(area: Rect, lines: usize) -> (Rect, Rect) {
    let lines = u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(2);
    split(area, lines.clamp(4, (area.height / 3).max(4)))
}

/// What scrolls on a screen of so many columns and rows.
pub(in crate::console) fn places(app: &App, env: &Env<'_>, (width, height): (u16, u16)) -> Vec<Place> {
    let full = Rect { x: 0, y: 0, width, height };
    let body = Bands::of(app, env, full).body;
    let one = |list, page| vec![Place::List(list, page)];
    let mut places = match app.view() {
        View::Overview => panes(app, full, body)
            .into_iter()
            .map(|(pane, area)| Place::List(pane.list(), page(env, pane, area)))
            .collect(),
        View::Device(name) => device::place(app, env, body, name).into_iter().collect(),
        View::Stream => one(ListId::Stream, telemetry::page(body)),
        View::Violations => {
            one(ListId::Violations, violations::page(env, violations::parts(body, true).0, true))
        }
        View::Shadows => one(ListId::Deltas, deltas::page(body)),
        View::Jobs => one(ListId::Jobs, jobs::page(body)),
        View::Executions(job) => one(ListId::Executions, jobs::executions_page(env, body, job)),
        View::Journal => one(ListId::Journal, inside(body).height.into()),
        View::Profiles => one(ListId::Profiles, inside(profiles::parts(env, body).0).height.into()),
        View::History => one(ListId::History, inside(history::parts(body).0).height.into()),
        View::Audit => one(ListId::Findings, inside(audit::parts(app, env, body).list).height.into()),
        View::Rules => one(ListId::Rules, inside(rules::parts(env, body).0).height.into()),
        View::WhatIf => one(ListId::WhatIf, whatif::page(app, body)),
        View::Doctor => vec![doctor::place(app, body)],
        View::Link => vec![link::place(app, env, body)],
        View::Grid => Vec::new(),
    };
    places.extend(app.dialog().and_then(|dialog| dialog.component().place(app, body)));
    places
}

/// How many entries of a pane of the overview there is room for.
fn page(env: &Env<'_>, pane: Pane, area: Rect) -> usize {
    match pane {
        Pane::Devices => devices::page(area),
        Pane::Violations => violations::page(env, area, false),
        Pane::Deltas => deltas::page(area),
        Pane::Telemetry => telemetry::page(area),
    }
}
