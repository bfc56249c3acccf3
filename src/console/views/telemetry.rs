//! Messages as they come, newest last.

use ratatui::layout::Rect;

use quell_fleet::text::SafeText;
use quell_fleet::{Kept, LinkState};

use super::super::app::{App, Env, ListId};
use super::super::paint::{Paint, inside, part};
use super::super::words;
use super::{cursor_style, filtered, frame, quiet};

/// Bytes of a payload looked at for one line.
const GLANCE: usize = 300;

/// Wide enough, a message is one line; else its payload stands below its topic.
fn tall(inner: Rect) -> u16 {
    if inner.width >= 90 { 1 } else { 2 }
}

/// Messages there is room for.
pub(super) fn page(area: Rect) -> usize {
    let inner = inside(area);
    (inner.height / tall(inner)).max(1).into()
}

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, focused: bool) {
    let theme = paint.theme;
    let log = env.fleet.stream();
    let rate = env.fleet.rates(env.now).map(|rates| words::number(rates.messages_per_s));
    let mut facts = vec![match env.fleet.link().state() {
        LinkState::Up => part(format!("{}/s", rate.as_deref().unwrap_or(theme.symbols.dash)), theme.text),
        LinkState::Off | LinkState::Connecting => part("connecting", theme.dim),
        LinkState::Down { .. } => part("down", theme.alarm),
    }];
    if let Some(at) = app.paused_at() {
        let missed = log.iter().next_back().map_or(0, |k| k.seq.saturating_sub(at));
        facts.push(part(format!("PAUSED, {missed} more"), theme.warning));
    }
    if area.width > 70 {
        facts.push(part(format!("{} received", words::count(log.received())), theme.dim));
        if log.let_go() > 0 {
            facts.push(part(format!("{} payloads let go", words::count(log.let_go())), theme.dim));
        }
        if log.merged() > 0 {
            facts.push(part(format!("{} only counted", words::count(log.merged())), theme.warning));
        }
    }
    facts.extend(filtered(app, ListId::Stream, theme));
    let inner = frame(paint, area, focused, "Telemetry", facts);
    if let LinkState::Down { reason, .. } = env.fleet.link().state()
        && log.is_empty()
    {
        return quiet(paint, inner, reason.as_str());
    }
    if log.is_empty() {
        let text = if env.fleet.link().is_up() { "nothing was heard yet" } else { "not listening yet" };
        return quiet(paint, inner, text);
    }
    let tall = tall(inner);
    let list = app.list(ListId::Stream);
    let messages = list.in_sight().iter().filter_map(|seq| log.get(log.position(*seq)?));
    for (y, message) in (inner.y..inner.bottom()).step_by(tall.into()).zip(messages) {
        let here = list.cursor() == Some(message.seq);
        line(app, env, paint, Rect { y, height: tall, ..inner }, message);
        if here && focused {
            paint.style(Rect { y, height: 1, ..inner }, cursor_style(theme, focused));
        }
    }
}

fn line(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, message: &Kept) {
    let theme = paint.theme;
    let topic = env.fleet.topic(message.topic);
    let text = topic.map_or("?", |t| t.text().as_str());
    let size = words::bytes(f64::from(message.len));
    let glance = glance(message, theme);
    let used = paint.text(
        area.x,
        area.y,
        area.width,
        &format!(" {} ", words::clock(message.at, &app.look.zone)),
        theme.dim,
    );
    let x = area.x + used;
    let room = area.width.saturating_sub(used);
    if area.height == 1 {
        let column = (room / 3).clamp(16, 44);
        paint.text(x, area.y, column, text, theme.text);
        paint.right(x + column, area.y, 9, &size, theme.text);
        paint.text(x + column + 11, area.y, room.saturating_sub(column + 12), &glance, theme.dim);
    } else {
        paint.text(x, area.y, room.saturating_sub(10), text, theme.text);
        paint.right(area.x, area.y, area.width.saturating_sub(1), &size, theme.text);
        if area.y + 1 < paint.area().bottom() {
            paint.text(area.x + 3, area.y + 1, area.width.saturating_sub(4), &glance, theme.dim);
        }
    }
}

/// The beginning of a payload, printable.
pub(super) fn glance(message: &Kept, theme: &super::Theme) -> String {
    match &message.payload {
        None => "payload let go".to_owned(),
        Some(bytes) if bytes.is_empty() => "empty".to_owned(),
        Some(bytes) => {
            let text = SafeText::limited(bytes, GLANCE);
            if theme.symbols.ascii { text.as_str().replace('…', "~") } else { text.to_string() }
        }
    }
}
