//! The stream: every message a line, and beside or below them the one that keys are about, with what is other in it than in
//! the one before.

use ratatui::layout::Rect;

use quell_fleet::TopicKind;

use super::super::app::{App, Env, ListState};
use super::super::paint::{Paint, Part, inside, part};
use super::super::words;
use super::layout::{beside, has_details};
use super::payload::Payload;
use super::{frame, quiet, split, telemetry, text};

/// How far back rates by kind look, in milliseconds, and how many messages at most.
const RECENT: (i64, usize) = (10_000, 4_000);

/// The list, and where the message is shown.
fn parts(app: &App, body: Rect) -> (Rect, Option<Rect>) {
    if has_details(app.size()) { beside(body) } else { (body, None) }
}

/// Heads are worth a line where there are many.
fn heads(area: Rect) -> bool {
    area.height >= 14
}

/// Messages there is room for.
pub(super) fn page(app: &App, body: Rect) -> usize {
    let (area, _) = parts(app, body);
    telemetry::page(area, heads(area))
}

/// Where messages stand: their frame, the lines of heads above them, and how tall each is.
pub(super) fn rows(app: &App, body: Rect) -> (Rect, u16, u16) {
    let (area, _) = parts(app, body);
    (area, u16::from(heads(area)), telemetry::tall(inside(area)))
}

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, body: Rect) {
    let (area, details) = parts(app, body);
    telemetry::list(app, env, paint, area, true, "Stream", heads(area));
    let Some(details) = details else { return };
    let by_kind = by_kind(env, paint.theme);
    let (details, foot) = split(details, details.height.saturating_sub(3));
    let inner = frame(paint, foot, false, "Messages a second", Vec::new());
    paint.line(inner.x + 1, inner.y, inner.width.saturating_sub(2), &by_kind);
    match app.inspected() {
        Some(payload) => one(app, paint, details, payload),
        None => {
            let inner = frame(paint, details, false, "Message", Vec::new());
            quiet(paint, inner, "no message yet");
        }
    }
}

/// A message: whose it is, its payload, and below that what is other than before.
fn one(app: &App, paint: &mut Paint<'_>, area: Rect, payload: &Payload) {
    let theme = paint.theme;
    let (area, below) = match payload.shows_change() {
        true => (area, None),
        false => {
            let room = area.width.saturating_sub(4);
            let lines = u16::try_from(payload.differences(theme, room).len()).unwrap_or(u16::MAX);
            let (above, below) =
                split(area, area.height.saturating_sub(lines.saturating_add(2).min(area.height / 2)));
            (above, Some(below))
        }
    };
    let mut facts = payload.tabs(theme);
    facts.push(part(" ", theme.text));
    let whose = payload.thing.as_ref().map_or("no thing", |name| name.shown().as_str());
    let inner = frame(paint, area, false, whose, vec![]);
    // The ways it can be shown stand on the right of the frame.
    let wide: usize =
        facts.iter().map(|(text, _)| unicode_width::UnicodeWidthStr::width(text.as_ref())).sum();
    let wide = u16::try_from(wide).unwrap_or(u16::MAX);
    if wide + 6 < area.width {
        paint.on_edge(area.right().saturating_sub(wide + 2), area.y, wide, &facts);
    }
    let message = &payload.message;
    let size = words::bytes(f64::from(message.len));
    let room = inner.width.saturating_sub(2);
    let topic = super::super::paint::fit_middle(payload.topic.as_str(), room.into(), theme.symbols.more);
    paint.text(inner.x + 1, inner.y, room, &topic, theme.brand);
    let when = format!("{}  {size}", words::clock(message.at, &app.look.zone));
    paint.text(inner.x + 1, inner.y + 1, room, &when, theme.dim);
    if inner.height > 3 {
        let rest = Rect { y: inner.y + 3, height: inner.height - 3, ..inner };
        payload.draw(paint, rest, &ListState::default());
        let hidden = payload.lines(app, room).saturating_sub(rest.height.into());
        if hidden > 0 {
            text::below(paint, area, hidden, theme.dim);
        }
    }
    if let Some(below) = below.filter(|below| below.height > 2) {
        let inner = frame(paint, below, false, "Change", Vec::new());
        let room = inside(below).width.saturating_sub(2);
        super::text::lines(paint, inner, &payload.differences(theme, room));
    }
}

/// How many messages a second there are of each kind.
fn by_kind<'a>(env: &Env<'_>, theme: &super::Theme) -> Vec<Part<'a>> {
    let since = env.fleet.watch().since().filter(|_| env.fleet.rates(env.now).is_some());
    let Some(since) = since else {
        return vec![part(format!("{} no rate: nothing can be heard", theme.symbols.dash), theme.dim)];
    };
    // What came before the connection was there is no part of its rate.
    let span = RECENT.0.min(env.now - since).max(0);
    let mut counts = TopicKind::ALL.map(|kind| (kind, 0_u32));
    let log = env.fleet.stream();
    let recent = log.iter().rev().take(RECENT.1).take_while(|kept| env.now - kept.at <= span);
    let mut oldest = env.now;
    for kept in recent {
        oldest = oldest.min(kept.at);
        let kind = env.fleet.topic(kept.topic).map_or(TopicKind::Other, quell_fleet::Topic::kind);
        counts.iter_mut().filter(|(of, _)| *of == kind).for_each(|(_, n)| *n += 1);
    }
    // Where more came than is looked at, the time they came in is shorter.
    let full = counts.iter().map(|(_, n)| *n as usize).sum::<usize>() >= RECENT.1;
    // A rate over less than a second says nothing yet.
    let seconds = (if full { env.now - oldest } else { span }).max(1_000) as f64 / 1000.0;
    let mut out = Vec::new();
    for (kind, n) in counts.into_iter().filter(|(_, n)| *n > 0) {
        out.push(part(format!("{} ", kind.text()), theme.dim));
        out.push(part(format!("{}   ", words::number(f64::from(n) / seconds)), theme.text));
    }
    if out.is_empty() {
        out.push(part(format!("none in the last {}", words::took(span)), theme.dim));
    }
    out
}
