//! A message's payload: as a JSON tree, as text, as bytes, and what is other than in the message before. Never more laid
//! out than is shown.

use ratatui::layout::Rect;
use serde_json::Value;

use quell_fleet::Kept;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::super::app::{App, ListState};
use super::super::paint::{Paint, Part, part, wrap};
use super::super::theme::Theme;
use super::super::words;
use super::difference::{self, Change, Difference};
use super::text::{self, Line};

/// Payloads beyond this many bytes are not read as documents.
const TREE: usize = 64 << 10;
/// Bytes of a payload shown at most as text; hex shows all of it, line by line.
const TEXT: usize = 16 << 10;
/// Lines of a JSON tree at most.
const LINES: usize = 4_000;
/// Levels of a JSON tree that are laid out; what is deeper stands on one line.
const DEEP: usize = 20;

/// How a payload is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    /// As a JSON tree.
    Json,
    /// As text.
    Text,
    /// As bytes.
    Hex,
    /// What is other than in the message before.
    Change,
}

impl Show {
    fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Text => "text",
            Self::Hex => "hex",
            Self::Change => "change",
        }
    }
}

/// A message with its payload read.
pub struct Payload {
    /// The message, kept here: it may be let go by the ring meanwhile.
    pub message: Kept,
    /// Its topic.
    pub topic: SafeText,
    /// The thing that sent it, when it is known.
    pub(crate) thing: Option<Name>,
    show: Show,
    /// The parsed payload, when it is JSON.
    json: Option<Value>,
    difference: Difference,
}

impl Payload {
    /// Reads a message, and what is other in it than in the one `before` on its topic. Shown the way that was chosen, else
    /// as what it is.
    pub(in crate::console) fn new(
        message: Kept,
        topic: SafeText,
        thing: Option<Name>,
        before: Option<&Kept>,
        chosen: Option<Show>,
    ) -> Self {
        let json = read(&message);
        let difference = difference::between(before, before.and_then(read).as_ref(), &message, json.as_ref());
        let is_text = message.payload.as_deref().is_some_and(|bytes| std::str::from_utf8(bytes).is_ok());
        let fitting = match (&json, is_text) {
            (Some(_), _) => Show::Json,
            (None, true) => Show::Text,
            (None, false) => Show::Hex,
        };
        let mut payload = Self { message, topic, thing, show: fitting, json, difference };
        if let Some(chosen) = chosen.filter(|show| payload.ways().contains(show)) {
            payload.show = chosen;
        }
        payload
    }

    /// True while what is other than before is what is shown.
    pub(in crate::console) fn shows_change(&self) -> bool {
        self.show == Show::Change
    }

    /// The ways it can be shown.
    fn ways(&self) -> &'static [Show] {
        match self.json {
            Some(_) => &[Show::Json, Show::Text, Show::Hex, Show::Change],
            None => &[Show::Text, Show::Hex, Show::Change],
        }
    }

    /// Shows it the next way, or the previous one; which that is.
    pub(in crate::console) fn turn(&mut self, forward: bool) -> Show {
        let ways = self.ways();
        let at = ways.iter().position(|s| *s == self.show).unwrap_or(0);
        let next = if forward { at + 1 } else { at + ways.len() - 1 };
        self.show = ways.get(next % ways.len()).copied().unwrap_or(self.show);
        self.show
    }

    /// What may be copied of it: the payload as text, as far as it is some.
    pub(in crate::console) fn text(&self) -> Result<&str, &'static str> {
        let bytes = self.message.payload.as_deref().ok_or("the payload was let go")?;
        std::str::from_utf8(bytes).map_err(|_| "the payload is not text")
    }

    /// The ways it can be shown, the one in force marked, as a part of a title.
    pub(in crate::console) fn tabs<'a>(&self, theme: &Theme) -> Vec<Part<'a>> {
        self.ways()
            .iter()
            .map(|way| match *way == self.show {
                true => part(format!("[{}]", way.name()), theme.key),
                false => part(format!(" {} ", way.name()), theme.dim),
            })
            .collect()
    }

    /// How many lines it takes in `room` cells, the way it is shown.
    pub(in crate::console) fn lines(&self, app: &App, room: u16) -> usize {
        let Some(bytes) = &self.message.payload else { return 1 };
        match self.show {
            Show::Hex => bytes.len().div_ceil(per(room)),
            Show::Text => as_text(bytes, room).len(),
            Show::Json => self.json.as_ref().map_or(0, |json| rows(json, true, 0, LINES)),
            Show::Change => self.differences(&app.look.theme, room).len(),
        }
    }

    /// Draws it, from where it is scrolled to.
    pub(in crate::console) fn draw(&self, paint: &mut Paint<'_>, inner: Rect, scroll: &ListState) {
        let theme = paint.theme;
        let room = inner.width.saturating_sub(2);
        let (top, height) = (scroll.top(), inner.height as usize);
        if self.show == Show::Change {
            let lines = self.differences(theme, room);
            return text::lines(paint, inner, lines.iter().skip(top));
        }
        let Some(bytes) = &self.message.payload else {
            let text = "the payload was let go; its length is exact";
            return text::lines(paint, inner, [&vec![part(text, theme.unknown)]]);
        };
        match self.show {
            Show::Hex => {
                let per = per(room);
                for (i, chunk) in bytes.chunks(per).skip(top).take(height).enumerate() {
                    hex(paint, inner, i as u16, (top + i) * per, chunk, per);
                }
            }
            Show::Text => {
                let lines = as_text(bytes, room);
                for (y, line) in (inner.y..inner.bottom()).zip(lines.iter().skip(top)) {
                    paint.text(inner.x + 1, y, room, line, theme.text);
                }
            }
            Show::Json => {
                let lines = self.tree(theme, top.saturating_add(height));
                text::lines(paint, inner, lines.iter().skip(top));
            }
            Show::Change => {}
        }
    }

    /// The lines of a payload shown as a tree, as many as are wanted.
    fn tree<'a>(&self, theme: &Theme, most: usize) -> Vec<Line<'a>> {
        let mut lines = Vec::new();
        if let Some(json) = &self.json {
            tree(json, theme, most.min(LINES), &mut lines);
        }
        lines
    }

    /// What is other than in the message before.
    pub(in crate::console) fn differences<'a>(&self, theme: &Theme, room: u16) -> Vec<Line<'a>> {
        let s = theme.symbols;
        let Difference { before, changes, more, same, compared } = &self.difference;
        let size = |len: u32| words::bytes(f64::from(len));
        let Some(before) = before else {
            return vec![vec![part("no message before it on its topic is kept", theme.dim)]];
        };
        let earlier = words::took((self.message.at - before.at).max(0));
        let mut head = format!("{earlier} after one of {}", size(before.len));
        if self.message.payload.is_none() || !before.payload {
            head.push_str("; a payload was let go");
        } else if !compared {
            head.push_str("; they could not be compared");
        } else if changes.is_empty() {
            head.push_str("; the same");
        } else if *same > 0 {
            head.push_str(&format!("; {same} as before"));
        }
        let mut lines: Vec<Line<'a>> =
            wrap(&head, room.into()).into_iter().map(|line| vec![part(line, theme.dim)]).collect();
        for change in changes {
            let line = match change {
                Change::Other { path, before, now } => vec![
                    part(format!("{path}: "), theme.json_key),
                    part(format!("{before} {} ", s.arrow), theme.dim),
                    part(now.to_string(), theme.warning),
                ],
                Change::New { path, now } => {
                    vec![part(format!("+ {path}: "), theme.json_key), part(now.to_string(), theme.warning)]
                }
                Change::Gone { path, before } => {
                    vec![part(format!("- {path}: "), theme.json_key), part(before.to_string(), theme.dim)]
                }
            };
            lines.push(line);
        }
        if *more > 0 {
            lines.push(vec![part(
                format!("and {}", words::plural(*more, "change more", "changes more")),
                theme.dim,
            )]);
        }
        lines
    }
}

/// A payload as a document, when it is one and small enough to be read as a tree.
fn read(message: &Kept) -> Option<Value> {
    let bytes = message.payload.as_deref().filter(|bytes| bytes.len() <= TREE)?;
    serde_json::from_slice(bytes).ok()
}

/// Bytes on a line of hex.
fn per(room: u16) -> usize {
    match room {
        76.. => 16,
        43.. => 8,
        _ => 4,
    }
}

/// The lines of a payload shown as text.
fn as_text(bytes: &[u8], room: u16) -> Vec<String> {
    let mut lines = Vec::new();
    for raw in bytes.get(..bytes.len().min(TEXT)).unwrap_or(bytes).split(|b| *b == b'\n') {
        lines.extend(wrap(SafeText::limited(raw, TEXT).as_str(), room as usize));
    }
    if bytes.len() > TEXT {
        lines.push(format!("{} more; hex shows all", words::bytes((bytes.len() - TEXT) as f64)));
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

/// Lays a JSON value out as a tree of at most `most` lines, without going deeper than a screen is wide.
pub(in crate::console) fn tree<'a>(value: &Value, theme: &Theme, most: usize, out: &mut Vec<Line<'a>>) {
    branch(value, None, 0, theme, most.min(LINES), out);
}

/// How many lines [`tree`] makes of a value, up to `most`: nothing is laid out for it.
fn rows(value: &Value, unnamed: bool, depth: usize, most: usize) -> usize {
    let inside = depth + usize::from(!unnamed);
    let mut count = usize::from(!unnamed);
    let mut add = |value: &Value, unnamed: bool| {
        let go = count < most;
        if go {
            count += rows(value, unnamed, inside + usize::from(unnamed), most - count);
        }
        go
    };
    match value {
        Value::Object(members) if !members.is_empty() && depth < DEEP => {
            let _ = members.values().all(|value| add(value, false));
        }
        Value::Array(items) if !items.is_empty() && depth < DEEP => {
            let _ = items.iter().all(|value| add(value, is_dashed(value, inside)));
        }
        _ => return 1.min(most),
    }
    count.min(most)
}

/// Whether an item of a list begins on the line of its first member, behind a dash: a line for its number tells nothing.
fn is_dashed(item: &Value, depth: usize) -> bool {
    let has_members = match item {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    has_members && depth < DEEP
}

fn branch<'a>(
    value: &Value,
    name: Option<&str>,
    depth: usize,
    theme: &Theme,
    most: usize,
    out: &mut Vec<Line<'a>>,
) {
    if out.len() >= most {
        return;
    }
    let mut line = vec![part("  ".repeat(depth.min(DEEP)), theme.text)];
    if let Some(name) = name {
        line.push(part(format!("{}: ", SafeText::new(name)), theme.json_key));
    }
    let inside = depth + usize::from(name.is_some());
    match value {
        Value::Object(members) if !members.is_empty() && depth < DEEP => {
            if name.is_some() {
                out.push(line);
            }
            for (key, value) in members {
                branch(value, Some(key), inside, theme, most, out);
            }
        }
        Value::Array(items) if !items.is_empty() && depth < DEEP => {
            if name.is_some() {
                out.push(line);
            }
            for (i, value) in items.iter().enumerate() {
                if out.len() >= most {
                    return;
                }
                if !is_dashed(value, inside) {
                    branch(value, Some(&i.to_string()), inside, theme, most, out);
                    continue;
                }
                let first = out.len();
                branch(value, None, inside + 1, theme, most, out);
                if let Some((indent, _)) = out.get_mut(first).and_then(|line| line.first_mut()) {
                    let at = inside * 2;
                    indent.to_mut().replace_range(at..at + 2, "- ");
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::theme::Colours;

    #[test]
    fn an_item_of_a_list_begins_with_its_first_member() {
        let theme = Theme::named(None, Colours::None, false).unwrap();
        let text = r#"{"Statement": [{"Action": ["iot:Connect", "iot:Publish"], "Effect": "Allow"}, [[1, {}]], []]}"#;
        let mut lines = Vec::new();
        tree(&serde_json::from_str(text).unwrap(), &theme, LINES, &mut lines);
        let told: Vec<String> =
            lines.iter().map(|line| line.iter().map(|(text, _)| text.as_ref()).collect()).collect();
        let expected = [
            "Statement:",
            "  - Action:",
            "      0: \"iot:Connect\"",
            "      1: \"iot:Publish\"",
            "    Effect: \"Allow\"",
            "  - - 0: 1",
            "      1: {}",
            "  2: []",
        ];
        let told: Vec<&str> = told.iter().map(|line| line.trim_end()).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn the_lines_of_a_tree_are_counted_as_it_is_laid_out() {
        let theme = Theme::named(None, Colours::None, false).unwrap();
        let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
        for text in [
            "1",
            "{}",
            "[]",
            r#"{"a": 1, "b": {"c": [1, [2, {}], {"d": null, "e": [[[3]], 4]}]}, "e": []}"#,
            &deep,
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            for most in [0, 1, 2, 5, LINES] {
                let mut lines = Vec::new();
                tree(&value, &theme, most, &mut lines);
                assert_eq!(rows(&value, true, 0, most), lines.len(), "{text}, {most}");
            }
        }
    }
}
