//! Views: `&App` and `&Fleet` in, cells out. A view never awaits, never locks, never calls the network.

mod audit;
mod behavior;
mod chart;
mod chrome;
mod columns;
mod deltas;
mod device;
mod devices;
mod difference;
mod doctor;
mod focus;
mod footer;
mod grid;
mod guide;
mod history;
mod indexed;
mod jobs;
mod journal;
pub(super) mod large;
mod layout;
pub(super) mod left;
mod limit;
mod link;
mod payload;
mod policy;
mod profiles;
mod rules;
mod shadows;
mod spark;
mod spread;
mod stream;
mod telemetry;
pub(super) mod text;
mod values;
mod violations;
mod whatif;
mod why;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use quell_fleet::known::{Known, Trouble, TroubleKind};
use quell_fleet::{DeviceId, Heed, Word};
use unicode_width::UnicodeWidthStr as _;

use super::app::{App, Env, ListState, Pane, View};
use super::paint::{Paint, Part, part};
use super::theme::Theme;
use super::words;

pub(super) use behavior::normal;
pub(super) use columns::Sort;
pub(super) use footer::shown_key;
pub(super) use layout::{Place, Under, body, has_details, places, under};
pub use payload::Payload;
pub(super) use payload::{Show, tree};
pub(super) use rules::remarks;
pub(super) use spread::Spread;
pub(super) use values::Metered;
pub(crate) use violations::against;

use layout::Bands;
pub(super) use why::why;

/// Draws the whole screen.
pub fn draw(app: &App, env: &Env<'_>, buf: &mut Buffer) {
    let area = buf.area;
    let mut paint = Paint::new(buf, &app.look.theme);
    paint.mask_private(app.is_instructing());
    paint.clear(area);
    let Bands { header, counts, deaf, leaks, footer, body } = Bands::of(app, env, area);
    if let Some(line) = header {
        chrome::header(app, env, &mut paint, line, counts);
    }
    if let Some(line) = deaf {
        chrome::deaf(app, env, &mut paint, line);
    }
    if let Some(line) = leaks {
        chrome::leaks(app, env, &mut paint, line);
    }
    match app.view() {
        View::Overview => {
            let overview = layout::Overview::of(app, env, area, body);
            if let Some(area) = overview.focus {
                focus::draw(app, env, &mut paint, area);
            }
            for (which, place) in overview.panes {
                pane(app, env, &mut paint, place, which);
            }
            if let Some(line) = overview.tabs {
                tabs(app, &mut paint, line);
            }
        }
        View::Device(name) => device::draw(app, env, &mut paint, body, name),
        View::Stream => stream::draw(app, env, &mut paint, body),
        View::Violations => violations::draw_all(app, env, &mut paint, body),
        View::Shadows => shadows::draw(app, env, &mut paint, body),
        View::Jobs => jobs::draw(app, env, &mut paint, body),
        View::Executions(job) => jobs::executions(app, env, &mut paint, body, job),
        View::Journal => journal::draw(app, env, &mut paint, body),
        View::Profiles => profiles::draw(app, env, &mut paint, body),
        View::History => history::draw(app, env, &mut paint, body),
        View::Audit => audit::draw(app, env, &mut paint, body),
        View::Doctor => doctor::draw(app, env, &mut paint, body),
        View::Rules => rules::draw(app, env, &mut paint, body),
        View::Link => link::draw(app, env, &mut paint, body),
        View::Grid => grid::draw(app, env, &mut paint, body),
        View::Guide => guide::draw(app, env, &mut paint, body),
        View::WhatIf => whatif::draw(app, env, &mut paint, body),
        View::Policy(name) => policy::draw(app, env, &mut paint, body, name),
    }
    if let Some(dialog) = app.dialog() {
        if dialog.owns_screen() {
            paint.recede(body);
        }
        dialog.component().draw(app, env, &mut paint, body);
    }
    // Last: what is told stands on a frame above it.
    if let Some(line) = footer {
        footer::draw(app, env, &mut paint, line);
    }
}

pub(super) fn split(area: Rect, top: u16) -> (Rect, Rect) {
    let top = top.min(area.height);
    (Rect { height: top, ..area }, Rect { y: area.y + top, height: area.height - top, ..area })
}

fn pane(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, which: Pane) {
    let focused = app.pane() == which;
    match which {
        Pane::Devices => devices::draw(app, env, paint, area, focused),
        Pane::Violations => violations::draw(app, env, paint, area, focused),
        Pane::Deltas => deltas::draw(app, env, paint, area, focused),
        Pane::Telemetry => telemetry::draw(app, env, paint, area, focused),
    }
}

/// On the edge of the pane that has a place for itself alone, the names of those that share it: `Tab` brings each there.
fn tabs(app: &App, paint: &mut Paint<'_>, line: Rect) {
    let theme = paint.theme;
    let shown = layout::lower(app.pane());
    let others = [Pane::Violations, Pane::Deltas, Pane::Telemetry].into_iter().filter(|pane| *pane != shown);
    let names: Vec<&str> = others.map(Pane::title).collect();
    let text = format!(" tab {} ", names.join(&format!(" {} ", theme.symbols.axis)));
    let wide = text.width() as u16;
    let at = Rect { x: line.right().saturating_sub(wide + 2), width: wide, ..line };
    // Where the pane says something of its own it goes first.
    if at.x > line.x && paint.holds(at, theme.symbols.frame[4]) {
        paint.on_edge(at.x, at.y, wide, &[part(text, theme.dim)]);
    }
}

/// A pane's frame: its title, what is in it, and in the title what filters it.
fn frame(paint: &mut Paint<'_>, area: Rect, focused: bool, title: &str, facts: Vec<Part<'_>>) -> Rect {
    let theme = paint.theme;
    let style = if focused { theme.focus } else { theme.border };
    let name = if focused { theme.focus.add_modifier(Modifier::BOLD) } else { theme.text };
    let mut parts = vec![part(title.to_owned(), name)];
    for fact in facts {
        parts.push(part(format!(" {} ", theme.symbols.dash), style));
        parts.push(fact);
    }
    paint.pane(area, &parts, style)
}

/// Where the cursor stands in its list: `2/7`, or `1/3 of 7` where a filter shows three; how many there are while it is on
/// none of them.
fn placed(list: &ListState, total: usize, filtered: Option<usize>) -> String {
    let shown = filtered.unwrap_or(total);
    let of = if filtered.is_some() { format!(" of {total}") } else { String::new() };
    match list.place() {
        Some((at, _)) => format!("{at}/{shown}{of}"),
        None => format!("{shown}{of}"),
    }
}

/// The place of the cursor as a part of a list's title; `?` while it is not known how many there are.
fn counted<'a>(app: &App, list: super::app::ListId, total: Option<usize>, theme: &Theme) -> Part<'a> {
    let state = app.list(list);
    let shown = app.filter_of(list).map(|_| state.total());
    part(total.map_or("?".to_owned(), |total| placed(state, total, shown)), theme.text)
}

/// A bar on the right edge of a pane that shows less than there is: how much of it, and which part.
pub(super) fn scroll_bar(paint: &mut Paint<'_>, area: Rect, list: &ListState, focused: bool) {
    let (total, page, top) = (list.total(), list.page(), list.top());
    let track = usize::from(area.height.saturating_sub(2));
    if total <= page || page == 0 || track < 3 || area.width < 4 {
        return;
    }
    let thumb = (track * page / total).clamp(1, track - 1);
    let most = total - page;
    let at = ((track - thumb) * top.min(most)).div_ceil(most.max(1)).min(track - thumb);
    let style = if focused { paint.theme.focus } else { paint.theme.text };
    for y in at..at + thumb {
        let y = area.y + 1 + u16::try_from(y).unwrap_or(0);
        paint.cell(area.right() - 1, y, paint.theme.symbols.thumb, style);
    }
}

/// The filter of a list as a part of its title.
fn filtered<'a>(app: &App, list: super::app::ListId, theme: &Theme) -> Option<Part<'a>> {
    app.filter_of(list)
        .map(|f| part(format!("/{}", quell_fleet::text::SafeText::new(f.text())), theme.warning))
}

/// A word's style.
pub(super) fn word_style(theme: &Theme, word: Word) -> Style {
    match word {
        Word::Leaking => theme.leaking,
        Word::NotHeld | Word::Alarm => theme.alarm_state,
        Word::Finding | Word::Warning | Word::Unproven => theme.warning_state,
        Word::Containing => theme.busy_state,
        Word::Contained => theme.good_state,
        Word::Revoked | Word::Silent | Word::NoData | Word::Unattributed => theme.dim,
        Word::Unknown => theme.unknown,
        Word::Ok => theme.text,
    }
}

/// A device's word as it stands in `room` cells, and its style. While nobody listens a word that speaks of now carries its
/// age and is dimmed; a leak stays as loud as it was.
fn said(env: &Env<'_>, theme: &Theme, id: DeviceId, room: usize) -> (String, Style) {
    let word = env.fleet.device(id).word();
    let style = word_style(theme, word);
    let Some(at) = env.fleet.as_of(id) else { return (word.text().to_owned(), style) };
    let age = words::age(env.now - at);
    let forms = [
        format!("{word} {}", words::ago(env.now - at)),
        format!("{word} {age}"),
        format!("{word} {}", age.replace(' ', "")),
    ];
    let fits = forms.iter().find(|form| form.width() <= room).cloned();
    (fits.unwrap_or_else(|| word.text().to_owned()), if word.is_loud() { style } else { theme.dim })
}

/// Why something is not known, in a sentence for a person.
pub(super) fn reason(trouble: &Trouble) -> String {
    let kind = match trouble.kind {
        TroubleKind::Denied => "not allowed",
        TroubleKind::Throttled => "throttled by AWS",
        TroubleKind::Refused => "not offered to this account",
        TroubleKind::Unreachable => "not reachable",
        TroubleKind::Credentials => "no valid credentials",
        TroubleKind::Unsaid => "not asked",
        TroubleKind::Failed => "failed",
    };
    match &trouble.missing_action {
        Some(action) => format!("{kind}: {action} is missing"),
        None => format!("{kind}: {}", trouble.message),
    }
}

/// What was read, however old; else why there is nothing is drawn in its place. `None` is what was never asked for yet.
fn read<'a, T>(
    app: &App,
    known: Option<&'a Known<T>>,
    what: &str,
    paint: &mut Paint<'_>,
    area: Rect,
) -> Option<&'a T> {
    let value = known.and_then(Known::get);
    if value.is_none() {
        absence(app, known.unwrap_or(&Known::default()), what, paint, area);
    }
    value
}

/// What stands where a list would be, when there is nothing to list.
fn absence<T>(app: &App, known: &Known<T>, what: &str, paint: &mut Paint<'_>, area: Rect) {
    let (text, style) = lack(app, known, what);
    sentence(paint, area, &text, style);
}

/// Why there is nothing, in a sentence: unknown and empty never look alike.
fn lack<T>(app: &App, known: &Known<T>, what: &str) -> (String, Style) {
    let theme = &app.look.theme;
    match (known.trouble(), known.get(), app.startup_trouble()) {
        (Some(trouble), _, _) => (format!("{what} unknown: {}", reason(trouble)), theme.unknown),
        (None, None, _) if app.is_replaying() => (format!("{what}: not in the recording"), theme.unknown),
        (None, None, Some(trouble)) => (format!("{what} unknown: {}", reason(trouble)), theme.unknown),
        (None, None, None) if !app.look.aws => {
            (format!("{what}: no AWS control plane (--no-aws)"), theme.dim)
        }
        (None, None, None) => (format!("reading {what} {}", theme.symbols.more), theme.dim),
        (None, Some(_), _) => (format!("{what}: none"), theme.dim),
    }
}

/// How old a list is that cannot be read any more, and why, as a part of its title.
fn aged<'a, T>(known: &Known<T>, env: &Env<'_>, theme: &Theme) -> Option<Part<'a>> {
    let (trouble, age) = (known.trouble()?, known.age(env.now)?);
    Some(part(format!("read {}, then {}", words::ago(age), short(trouble.kind)), theme.warning))
}

/// Why something could not be read, in a word or two.
fn short(kind: TroubleKind) -> &'static str {
    match kind {
        TroubleKind::Denied => "not allowed",
        TroubleKind::Throttled => "throttled",
        TroubleKind::Refused => "not offered",
        TroubleKind::Unreachable => "unreachable",
        TroubleKind::Credentials => "no valid credentials",
        TroubleKind::Unsaid => "not asked",
        TroubleKind::Failed => "failed",
    }
}

/// A quiet sentence in an otherwise empty pane.
fn quiet(paint: &mut Paint<'_>, area: Rect, text: &str) {
    let style = paint.theme.dim;
    sentence(paint, area, text, style);
}

fn sentence(paint: &mut Paint<'_>, area: Rect, text: &str, style: Style) {
    let room = area.width.saturating_sub(2);
    for (y, line) in (area.y..area.bottom()).zip(super::paint::wrap(text, room.into())) {
        paint.text(area.x + 1, y, room, &line, style);
    }
}

/// For how long a device has had its word; nothing while nothing listens, for the word itself carries its age then.
fn lasting(env: &Env<'_>, id: DeviceId) -> Option<String> {
    let device = env.fleet.device(id);
    env.fleet.as_of(id).is_none().then(|| format!("for {}", words::age(env.now - device.word_since())))
}

/// What is said of now: with its age while nothing can be heard, and whether that is so.
fn of_now(env: &Env<'_>, text: &str) -> (String, bool) {
    match env.fleet.heed() {
        Heed::Deaf(_, since) => (format!("{text}, {}", words::ago(env.now - since)), true),
        Heed::Hears | Heed::Never(_) => (text.to_owned(), false),
    }
}
