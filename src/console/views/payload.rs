//! An opened payload: JSON tree, text or hex. Never more lines laid out than are seen.

use ratatui::layout::Rect;
use serde_json::Value;

use quell_fleet::text::SafeText;

use super::super::app::{App, PayloadState, Show};
use super::super::paint::{Paint, Part, inside, part, wrap};
use super::super::words;
use super::layout::Place;

/// Bytes of a payload shown at most as text; hex shows all of it, line by line.
const TEXT: usize = 16 << 10;
/// Lines of a JSON tree at most.
const LINES: usize = 4_000;

fn area(body: Rect) -> Rect {
    let width = body.width.min(100.max(body.width * 4 / 5));
    Rect { x: body.x + (body.width - width) / 2, width, ..body }
}

/// Bytes on a line of hex.
fn per(room: u16) -> usize {
    if room >= 76 { 16 } else { 8 }
}

/// The lines of a payload shown as text.
fn text(bytes: &[u8], room: u16) -> Vec<String> {
    let mut lines = Vec::new();
    for raw in bytes.get(..bytes.len().min(TEXT)).unwrap_or(bytes).split(|b| *b == b'\n') {
        lines.extend(wrap(SafeText::limited(raw, TEXT).as_str(), room as usize));
    }
    if bytes.len() > TEXT {
        lines.push(format!("{} more; hex shows all", words::bytes((bytes.len() - TEXT) as f64)));
    }
    lines
}

/// The lines of a payload shown as a tree.
fn json<'a>(state: &PayloadState, theme: &super::Theme) -> Vec<Vec<Part<'a>>> {
    let mut lines = Vec::new();
    if let Some(json) = &state.json {
        tree(json, None, 0, theme, &mut lines);
    }
    lines
}

pub(super) fn place(app: &App, body: Rect, state: &PayloadState) -> Option<Place> {
    let inner = inside(area(body));
    let room = inner.width.saturating_sub(2);
    let bytes = state.message.payload.as_ref()?;
    let lines = match state.show {
        Show::Hex => bytes.len().div_ceil(per(room)),
        Show::Text => text(bytes, room).len(),
        Show::Json => json(state, &app.look.theme).len(),
    };
    Some(Place::Dialog { lines, page: inner.height.into() })
}

pub(super) fn draw(app: &App, paint: &mut Paint<'_>, body: Rect, state: &PayloadState) {
    let theme = paint.theme;
    let area = area(body);
    paint.clear(area);
    let way = |show: Show, name: &'static str| {
        let chosen = state.show == show;
        part(
            if chosen { format!("[{name}]") } else { format!(" {name} ") },
            if chosen { theme.key } else { theme.dim },
        )
    };
    let mut title = vec![
        part(state.topic.as_str(), theme.brand),
        part(
            format!(
                "  {}  {}  ",
                words::bytes(f64::from(state.message.len)),
                words::clock(state.message.at, &app.look.zone)
            ),
            theme.dim,
        ),
    ];
    if state.json.is_some() {
        title.push(way(Show::Json, "json"));
    }
    title.push(way(Show::Text, "text"));
    title.push(way(Show::Hex, "hex"));
    title.push(part(" ", theme.focus));
    let inner = paint.pane(area, &title, theme.focus);
    let Some(bytes) = &state.message.payload else {
        paint.text(
            inner.x + 1,
            inner.y,
            inner.width,
            "the payload was let go; its length is exact",
            theme.unknown,
        );
        return;
    };
    let room = inner.width.saturating_sub(2);
    let height = inner.height as usize;
    let top = state.scroll.top();
    match state.show {
        Show::Hex => {
            let per = per(room);
            for (i, chunk) in bytes.chunks(per).skip(top).take(height).enumerate() {
                hex(paint, inner, i as u16, (top + i) * per, chunk, per);
            }
        }
        Show::Text => {
            for (i, line) in text(bytes, room).iter().skip(top).take(height).enumerate() {
                paint.text(inner.x + 1, inner.y + i as u16, room, line, theme.text);
            }
        }
        Show::Json => {
            for (i, line) in json(state, theme).iter().skip(top).take(height).enumerate() {
                paint.line(inner.x + 1, inner.y + i as u16, room, line);
            }
        }
    }
}

fn hex(paint: &mut Paint<'_>, inner: Rect, line: u16, offset: usize, chunk: &[u8], per: usize) {
    let theme = paint.theme;
    let mut digits = String::with_capacity(per * 3);
    let mut text = String::with_capacity(per);
    for (i, byte) in chunk.iter().enumerate() {
        if i == 8 {
            digits.push(' ');
        }
        digits.push_str(&format!("{byte:02x} "));
        text.push(if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' });
    }
    let wide = per * 3 + per / 9;
    let parts = [
        part(format!("{offset:06x}  "), theme.dim),
        part(format!("{digits:<wide$} "), theme.text),
        part(text, theme.json_string),
    ];
    paint.line(inner.x + 1, inner.y + line, inner.width.saturating_sub(2), &parts);
}

/// Lays a JSON value out as a tree, without recursing deeper than a screen is wide.
pub(super) fn tree<'a>(
    value: &Value,
    name: Option<&str>,
    depth: usize,
    theme: &super::Theme,
    out: &mut Vec<Vec<Part<'a>>>,
) {
    if out.len() >= LINES {
        return;
    }
    let mut line = vec![part("  ".repeat(depth.min(20)), theme.text)];
    if let Some(name) = name {
        line.push(part(format!("{}: ", SafeText::new(name)), theme.json_key));
    }
    match value {
        Value::Object(members) if !members.is_empty() && depth < 20 => {
            if name.is_some() {
                out.push(line);
            }
            let inside = depth + usize::from(name.is_some());
            for (key, value) in members {
                tree(value, Some(key), inside, theme, out);
            }
        }
        Value::Array(items) if !items.is_empty() && depth < 20 => {
            if name.is_some() {
                out.push(line);
            }
            let inside = depth + usize::from(name.is_some());
            for (i, value) in items.iter().enumerate() {
                tree(value, Some(&i.to_string()), inside, theme, out);
            }
        }
        Value::String(text) => {
            line.push(part(format!("\"{}\"", SafeText::new(text)), theme.json_string));
            out.push(line);
        }
        other => {
            let text = SafeText::new(&other.to_string()).to_string();
            line.push(part(text, theme.json_value));
            out.push(line);
        }
    }
}
