//! Messages as they come, the newest last: one line each, with what was searched for marked. The pane of the overview, and the
//! list of the stream.

use std::ops::Range;

use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr as _;

use quell_fleet::text::SafeText;
use quell_fleet::{Kept, LinkState, Topic, TopicKind};

use super::super::app::{App, Env, Filter, ListId, View};
use super::super::paint::{Paint, Part, fit, fit_middle, inside, part};
use super::super::theme::{Symbols, Theme};
use super::super::words;
use super::limit::Limit;
use super::{filtered, frame, quiet, scroll_bar, spark};

/// Bytes of a payload looked at for one line.
const GLANCE: usize = 300;
/// Bytes of a payload shown before what was found in it.
const LEAD: usize = 4;
/// From so many cells on a message is one line; narrower, its payload stands below its topic.
const ONE_LINE: u16 = 56;

/// Lines of a message.
pub(super) fn tall(inner: Rect) -> u16 {
    if inner.width >= ONE_LINE { 1 } else { 2 }
}

/// Messages there is room for, below a line of heads or not.
pub(super) fn page(area: Rect, heads: bool) -> usize {
    let inner = inside(area);
    (inner.height.saturating_sub(u16::from(heads)) / tall(inner)).max(1).into()
}

/// The pane of the overview.
pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, focused: bool) {
    list(app, env, paint, area, focused, "Telemetry", false);
}

/// The columns of a message that is one line: from the left edge, and how wide.
struct Columns {
    thing: (u16, u16),
    mark: u16,
    topic: (u16, u16),
    size: (u16, u16),
    payload: (u16, u16),
}

impl Columns {
    /// They depend on the screen and the account, not on what is in sight.
    fn of(app: &App, width: u16) -> Self {
        let thing = app.rows().longest().clamp(6, (width / 5).clamp(6, 24));
        let mark = 10 + thing + 1;
        let left = width.saturating_sub(mark + 2 + 10);
        // A topic tells more at its ends than a payload at its end.
        let topic = (left * 2 / 5).clamp(10, 44).min(left);
        let at = mark + 2;
        let size = at + topic + 1;
        let payload = size + 9;
        Self {
            thing: (10, thing),
            mark,
            topic: (at, topic),
            size: (size, 7),
            payload: (payload, width.saturating_sub(payload + 1)),
        }
    }
}

/// A list of messages; with a line of heads or not.
pub(super) fn list(
    app: &App,
    env: &Env<'_>,
    paint: &mut Paint<'_>,
    area: Rect,
    focused: bool,
    title: &str,
    heads: bool,
) {
    let theme = paint.theme;
    let log = env.fleet.stream();
    let inner = frame(paint, area, focused, title, facts(app, env, theme, area.width));
    if let LinkState::Down { reason, .. } = env.fleet.link().state()
        && log.is_empty()
    {
        return quiet(paint, inner, reason.as_str());
    }
    if log.is_empty() {
        let text = if env.fleet.link().is_up() { "nothing was heard yet" } else { "not listening yet" };
        return quiet(paint, inner, text);
    }
    if let Some(why) = app.nothing_found().filter(|_| app.shows_only_hits()) {
        return quiet(paint, inner, &why);
    }
    let tall = tall(inner);
    let columns = Columns::of(app, inner.width);
    let mut top = inner.y;
    if heads {
        head(paint, inner, &columns, tall);
        top += 1;
    }
    let list = app.list(ListId::Stream);
    let limit = spark::limit(env);
    let messages = list.in_sight().iter().filter_map(|seq| log.get(log.position(*seq)?));
    for (y, message) in (top..inner.bottom()).step_by(tall.into()).zip(messages) {
        let told = Told::of(app, env, theme, message, limit);
        let at = Rect { y, height: tall.min(inner.bottom() - y), ..inner };
        if tall == 1 {
            told.line(paint, at, &columns);
        } else {
            told.lines(paint, at);
        }
        if list.cursor() == Some(message.seq) && focused {
            paint.select(Rect { y, height: 1, ..inner }, focused);
        }
    }
    if list.cursor().is_some() {
        scroll_bar(paint, area, list, focused);
    }
}

/// What stands in the title.
fn facts<'a>(app: &App, env: &Env<'_>, theme: &Theme, width: u16) -> Vec<Part<'a>> {
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
    if let Some(hits) = app.hits() {
        let (found, looked) = hits.counts();
        let text = words::plural(found, "hit", "hits");
        let so_far = if hits.is_behind() { format!(" in {looked} so far") } else { String::new() };
        facts.push(part(format!("{text}{so_far}"), theme.text));
    }
    facts.extend(filtered(app, ListId::Stream, theme));
    if width > 70 {
        // A number that changes with every message is for who looks at messages.
        if *app.view() == View::Stream {
            facts.push(part(format!("{} received", words::count(log.received())), theme.dim));
        }
        if log.let_go() > 0 {
            facts.push(part(format!("{} payloads let go", words::count(log.let_go())), theme.dim));
        }
        if log.merged() > 0 {
            facts.push(part(format!("{} only counted", words::count(log.merged())), theme.warning));
        }
    }
    facts
}

fn head(paint: &mut Paint<'_>, inner: Rect, columns: &Columns, tall: u16) {
    let style = paint.theme.label;
    let y = inner.y;
    if tall > 1 {
        paint.text(inner.x + 1, y, inner.width, "TIME     THING, TOPIC, SIZE", style);
        return;
    }
    paint.text(inner.x + 1, y, 8, "TIME", style);
    paint.text(inner.x + columns.thing.0, y, columns.thing.1, "THING", style);
    paint.text(inner.x + columns.topic.0, y, columns.topic.1, "TOPIC", style);
    paint.right(inner.x + columns.size.0, y, columns.size.1, "SIZE", style);
    paint.text(inner.x + columns.payload.0, y, columns.payload.1, "PAYLOAD", style);
}

/// The mark of what a message is about, and its style.
fn mark(kind: TopicKind, topic: &str, s: Symbols, theme: &Theme) -> (&'static str, Style) {
    match kind {
        TopicKind::Telemetry => (" ", theme.text),
        TopicKind::Presence if topic.contains("/connected/") => (s.up, theme.good),
        TopicKind::Presence => (s.down, theme.warning),
        TopicKind::Shadow => (s.shadow, theme.json_key),
        TopicKind::Job => (s.job, theme.key),
        TopicKind::Agent => (s.agent, theme.unknown),
        TopicKind::Other => (s.dot, theme.dim),
    }
}

/// A message as it is told in a line.
struct Told<'a> {
    at: String,
    thing: (&'a str, Style),
    mark: (&'static str, Style),
    topic: (&'a str, Style),
    size: (String, Style),
    glance: (String, Style),
    search: Option<&'a Filter>,
}

impl<'a> Told<'a> {
    fn of(app: &'a App, env: &Env<'a>, theme: &Theme, message: &Kept, limit: Option<Limit>) -> Self {
        let s = theme.symbols;
        let topic = env.fleet.topic(message.topic);
        let text = topic.map_or("?", |t| t.text());
        let kind = topic.map_or(TopicKind::Other, Topic::kind);
        let device = topic.and_then(|t| t.device()).map(|id| env.fleet.device(id));
        let thing = match device.filter(|device| !device.is_unattributed()) {
            Some(device) => (device.name().shown().as_str(), theme.brand),
            // Of a client AWS speaks by the last level of the topic.
            None if kind == TopicKind::Presence => (text.rsplit('/').next().unwrap_or_default(), theme.text),
            None => ("-", theme.dim),
        };
        let over = kind == TopicKind::Telemetry
            && limit.is_some_and(|limit| limit.is_beyond(f64::from(message.len)));
        let quiet = if device.is_none_or(|device| device.is_unattributed()) { theme.dim } else { theme.text };
        let size = words::bytes(f64::from(message.len));
        Self {
            at: format!(" {} ", words::clock(message.at, &app.look.zone)),
            thing,
            mark: if over { (s.warn, theme.alarm) } else { mark(kind, text, s, theme) },
            topic: (text, quiet),
            size: (size, if over { theme.alarm } else { theme.text }),
            glance: (glance(message, theme, app.filter_of(ListId::Stream)), theme.dim),
            search: app.filter_of(ListId::Stream),
        }
    }

    fn line(&self, paint: &mut Paint<'_>, at: Rect, columns: &Columns) {
        let theme = paint.theme;
        let more = theme.symbols.more;
        paint.text(at.x, at.y, 10, &self.at, theme.dim);
        paint.text(at.x + columns.thing.0, at.y, columns.thing.1, self.thing.0, self.thing.1);
        paint.text(at.x + columns.mark, at.y, 1, self.mark.0, self.mark.1);
        let (x, width) = columns.topic;
        self.marked(
            paint,
            at.x + x,
            at.y,
            width,
            &fit_middle(self.topic.0, width.into(), more),
            self.topic.1,
        );
        paint.right(at.x + columns.size.0, at.y, columns.size.1, &self.size.0, self.size.1);
        let (x, width) = columns.payload;
        self.marked(paint, at.x + x, at.y, width, &self.glance.0, self.glance.1);
    }

    fn lines(&self, paint: &mut Paint<'_>, at: Rect) {
        let theme = paint.theme;
        let more = theme.symbols.more;
        let size = self.size.0.width() as u16 + 1;
        let used = paint.line(
            at.x,
            at.y,
            at.width,
            &[
                part(self.at.as_str(), theme.dim),
                part(fit(self.thing.0, usize::from(at.width / 3), more), self.thing.1),
                part(" ", theme.text),
                part(self.mark.0, self.mark.1),
                part(" ", theme.text),
            ],
        );
        let room = at.width.saturating_sub(used + size + 1);
        let topic = fit_middle(self.topic.0, room.into(), more);
        self.marked(paint, at.x + used, at.y, room, &topic, self.topic.1);
        paint.right(at.x, at.y, at.width.saturating_sub(1), &self.size.0, self.size.1);
        if at.height > 1 {
            self.marked(paint, at.x + 3, at.y + 1, at.width.saturating_sub(4), &self.glance.0, self.glance.1);
        }
    }

    /// Text in which what was searched for stands out.
    fn marked(&self, paint: &mut Paint<'_>, x: u16, y: u16, width: u16, text: &str, style: Style) {
        let marks = self.search.map(|search| search.marks(text)).unwrap_or_default();
        paint.line(x, y, width, &parted(text, &marks, style, paint.theme.hit));
    }
}

/// A text in parts, the marked ones in a style of their own.
fn parted<'a>(text: &'a str, marks: &[Range<usize>], style: Style, hit: Style) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    let mut from = 0;
    for mark in marks {
        parts.push(part(text.get(from..mark.start).unwrap_or_default(), style));
        parts.push(part(text.get(mark.clone()).unwrap_or_default(), hit));
        from = mark.end;
    }
    parts.push(part(text.get(from..).unwrap_or_default(), style));
    parts
}

/// The beginning of a payload, printable; or what stands round what was found in it.
pub(super) fn glance(message: &Kept, theme: &Theme, search: Option<&Filter>) -> String {
    let more = theme.symbols.more;
    match &message.payload {
        None => "payload let go".to_owned(),
        Some(bytes) if bytes.is_empty() => "empty".to_owned(),
        Some(bytes) => {
            // Found far behind the beginning, the beginning does not tell why it is shown.
            let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() > LEAD * 2);
            let hit = search.zip(text).and_then(|(search, text)| Some(search.marks(text).first()?.start));
            let from = hit.filter(|at| *at > LEAD * 2).map_or(0, |at| at - LEAD);
            let from =
                (from..bytes.len()).find(|at| text.is_none_or(|t| t.is_char_boundary(*at))).unwrap_or(0);
            let rest = bytes.get(from..).unwrap_or_default();
            let shown = SafeText::limited(rest, GLANCE);
            let lead = if from > 0 { more } else { "" };
            format!("{lead}{shown}")
        }
    }
}
