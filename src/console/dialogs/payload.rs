//! An opened payload: JSON tree, text or hex. Never more lines laid out than are seen.

use ratatui::layout::Rect;
use serde_json::Value;

use quell_fleet::Kept;
use quell_fleet::text::SafeText;

use super::super::app::{App, Env, ListState};
use super::super::paint::{Paint, Part, inside, part, wrap};
use super::super::theme::Theme;
use super::super::views::Place;
use super::super::words;
use super::Component;

/// How a payload is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    /// As a JSON tree.
    Json,
    /// As text.
    Text,
    /// As bytes.
    Hex,
}

/// An opened message.
pub struct PayloadDialog {
    /// The message, kept here: it may be let go by the ring meanwhile.
    pub message: Kept,
    /// Its topic.
    pub topic: SafeText,
    show: Show,
    /// The parsed payload, when it is JSON.
    json: Option<Value>,
    scroll: ListState,
}

impl PayloadDialog {
    /// A message, opened as JSON when it is JSON and small enough to be read as a tree.
    pub(in crate::console) fn new(message: quell_fleet::Kept, topic: SafeText) -> Self {
        const TREE: usize = 64 << 10;
        let json = message
            .payload
            .as_deref()
            .filter(|bytes| bytes.len() <= TREE)
            .and_then(|bytes| serde_json::from_slice(bytes).ok());
        let text = message.payload.as_deref().is_some_and(|bytes| std::str::from_utf8(bytes).is_ok());
        let show = match (&json, text) {
            (Some(_), _) => Show::Json,
            (None, true) => Show::Text,
            (None, false) => Show::Hex,
        };
        Self { message, topic, show, json, scroll: ListState::default() }
    }
}

impl Component for PayloadDialog {
    /// The next way of showing, or the previous one.
    fn turn(&mut self, forward: bool) {
        let ways: &[Show] =
            if self.json.is_some() { &[Show::Json, Show::Text, Show::Hex] } else { &[Show::Text, Show::Hex] };
        let at = ways.iter().position(|s| *s == self.show).unwrap_or(0);
        let next = if forward { at + 1 } else { at + ways.len() - 1 };
        self.show = ways[next % ways.len()];
        self.scroll = ListState::default();
    }

    fn scroll(&mut self) -> Option<&mut ListState> {
        Some(&mut self.scroll)
    }

    fn place(&self, app: &App, body: Rect) -> Option<Place> {
        let inner = inside(area(body));
        let room = inner.width.saturating_sub(2);
        let bytes = self.message.payload.as_ref()?;
        let lines = match self.show {
            Show::Hex => bytes.len().div_ceil(per(room)),
            Show::Text => text(bytes, room).len(),
            Show::Json => json(self, &app.look.theme).len(),
        };
        Some(Place::Dialog { lines, page: inner.height.into() })
    }

    fn hints(&self, _: &App) -> &'static [&'static str] {
        &["escape", "left", "right", "copy", "down"]
    }

    fn draw(&self, app: &App, _: &Env<'_>, paint: &mut Paint<'_>, body: Rect) {
        let theme = paint.theme;
        let area = area(body);
        paint.clear(area);
        let way = |show: Show, name: &'static str| {
            let chosen = self.show == show;
            part(
                if chosen { format!("[{name}]") } else { format!(" {name} ") },
                if chosen { theme.key } else { theme.dim },
            )
        };
        let mut title = vec![
            part(self.topic.as_str(), theme.brand),
            part(
                format!(
                    "  {}  {}  ",
                    words::bytes(f64::from(self.message.len)),
                    words::clock(self.message.at, &app.look.zone)
                ),
                theme.dim,
            ),
        ];
        if self.json.is_some() {
            title.push(way(Show::Json, "json"));
        }
        title.push(way(Show::Text, "text"));
        title.push(way(Show::Hex, "hex"));
        title.push(part(" ", theme.focus));
        let inner = paint.pane(area, &title, theme.focus);
        let Some(bytes) = &self.message.payload else {
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
        let top = self.scroll.top();
        match self.show {
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
                for (i, line) in json(self, theme).iter().skip(top).take(height).enumerate() {
                    paint.line(inner.x + 1, inner.y + i as u16, room, line);
                }
            }
        }
    }
}

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
fn json<'a>(state: &PayloadDialog, theme: &Theme) -> Vec<Vec<Part<'a>>> {
    let mut lines = Vec::new();
    if let Some(json) = &state.json {
        tree(json, None, 0, theme, &mut lines);
    }
    lines
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
pub(in crate::console) fn tree<'a>(
    value: &Value,
    name: Option<&str>,
    depth: usize,
    theme: &Theme,
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
