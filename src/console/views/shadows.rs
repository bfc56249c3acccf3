//! Shadows: who has not done what it was told, the oldest first; and beside the list the chosen shadow, member by member:
//! what is reported, what is desired, and where they differ.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use ratatui::layout::Rect;
use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

use quell_fleet::model::{Name, ShadowDocument};
use quell_fleet::text::SafeText;
use quell_fleet::{Outstanding, TopicKind};

use super::super::app::{App, Env, ListId, ListState, outstanding_key};
use super::super::paint::{Paint, inside, part, wrap};
use super::super::theme::Theme;
use super::super::words;
use super::layout::{Place, beside, cut, has_details};
use super::text::Line;
use super::{absence, counted, deltas, difference, filtered, focus, frame, quiet, reason, split, text};

/// Bytes told of one value.
const VALUE: usize = 200;
/// Members shown of one part of a shadow; AWS allows few more bytes than that make.
const MEMBERS: usize = 2_000;
/// Rows from which those in step have a pane.
const IN_STEP: u16 = 6;
/// Members told at least of one that is in step.
const REPORTED: usize = 4;
/// Rows from which what is heard of shadows has a pane.
const HEARD: u16 = 4;
/// Devices gone through for those that are in step: a screen shows few.
const LOOKED: usize = 1_000;
/// Deltas told of one shadow.
const ASKED: usize = 6;

/// The list, and where the chosen shadow is shown.
pub(super) fn parts(app: &App, body: Rect) -> (Rect, Option<Rect>) {
    if app.zoomed() {
        return (Rect { height: 0, ..body }, Some(body));
    }
    if has_details(app.size()) { beside(body) } else { (body, None) }
}

/// Where the chosen shadow is, and beside it the device it is of, where both have room.
fn beside_device(app: &App, details: Rect) -> (Rect, Option<Rect>) {
    /// Columns from which the two stand beside each other.
    const BROAD: u16 = 110;
    if app.zoomed() || details.width < BROAD {
        return (details, None);
    }
    let (left, right) = cut(details, details.width * 11 / 20);
    (left, Some(right))
}

/// The same one above the other: the shadow as tall as its lines.
fn above_device(app: &App, details: Rect, lines: usize) -> (Rect, Option<Rect>) {
    let lines = u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(2);
    if app.zoomed() || details.height < lines.saturating_add(focus::ROOM) {
        return (details, None);
    }
    let (above, below) = split(details, lines);
    (above, Some(below))
}

/// The list, and below it what was asked for of whom, where there is room: as tall as its lines, up to three fifths.
fn above_log(app: &App, area: Rect, lines: usize) -> (Rect, Option<Rect>) {
    if !has_details(app.size()) {
        return (area, None);
    }
    let lines = u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(3);
    let (above, below) = split(area, lines.clamp(6, (area.height * 3 / 5).max(6)));
    (above, Some(below))
}

/// What scrolls: the list below a line of heads, and what was asked for.
pub(super) fn places(app: &App, env: &Env<'_>, body: Rect) -> Vec<Place> {
    let (above, below) = above_log(app, parts(app, body).0, env.fleet.outstanding().len());
    let page = inside(above).height.saturating_sub(1).into();
    let mut places = vec![Place::List(ListId::Shadows, page)];
    places.extend(below.map(|below| Place::List(ListId::Deltas, deltas::page(below))));
    places
}

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, body: Rect) {
    let theme = paint.theme;
    let (area, details) = parts(app, body);
    let all = env.fleet.outstanding();
    let list = app.list(ListId::Shadows);
    if area.height > 0 {
        let (above, below) = above_log(app, area, all.len());
        outstanding(app, env, paint, above, &all);
        if let Some(below) = below {
            let asked = u16::try_from(deltas::lines(env)).unwrap_or(u16::MAX).saturating_add(2);
            // Those that did what they were told get what the deltas leave, where that is worth a pane.
            let (below, rest) = split(below, asked.clamp(below.height / 3, below.height));
            let (below, rest) = if rest.height >= IN_STEP {
                (below, rest)
            } else {
                (Rect { height: below.height + rest.height, ..below }, Rect { height: 0, ..rest })
            };
            deltas::draw(app, env, paint, below, false);
            if rest.height > 0 {
                let lines = in_step(app, env, rest, &all);
                let told = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
                // What is heard of shadows gets what those in step leave.
                let (above, below) = match rest.height.checked_sub(told) {
                    Some(HEARD..) => split(rest, told),
                    _ => (rest, Rect { height: 0, ..rest }),
                };
                let title = "In step: what is reported is what was asked for";
                let inner = frame(paint, above, false, title, Vec::new());
                text::lines(paint, inner, &lines);
                if below.height > 0 {
                    heard(app, env, paint, below);
                }
            }
        }
    }
    let Some(details) = details else { return };
    match chosen(app, &all) {
        Some(one) => {
            let (details, aside) = beside_device(app, details);
            let lines = lines(app, env, one, details.width.saturating_sub(4));
            let (details, device) = match aside {
                Some(aside) => (details, Some(aside)),
                None => above_device(app, details, lines.len()),
            };
            // Whether it is there at all, and speaks, is the next question.
            if let Some(area) = device {
                match env.fleet.find(one.thing.raw()) {
                    Some(id) => focus::one(app, env, paint, area, id),
                    None => quiet(paint, area, "no such thing is known here"),
                }
            }
            let inner = frame(paint, details, app.zoomed(), &title(one), Vec::new());
            let still = ListState::default();
            let scroll = if app.zoomed() { app.list(ListId::Text) } else { &still };
            text::scrolled(paint, (details, inner), &lines, scroll, theme.dim);
        }
        None => {
            let inner = frame(paint, details, false, "Shadow", Vec::new());
            let gone = list.cursor().is_some() && app.zoomed();
            quiet(paint, inner, if gone { "it is outstanding no more" } else { "no shadow is chosen" });
        }
    }
}

/// The shadow under the cursor, while it is outstanding.
fn chosen<'a, 'b>(app: &App, all: &'b [Outstanding<'a>]) -> Option<&'b Outstanding<'a>> {
    let key = app.list(ListId::Shadows).chosen()?;
    all.iter().find(|one| outstanding_key(one) == key)
}

/// How much text there is of the chosen shadow, and room for, when it has the screen.
pub(super) fn place(app: &App, env: &Env<'_>, body: Rect) -> Place {
    let inner = inside(body);
    let all = env.fleet.outstanding();
    let lines = chosen(app, &all).map_or(0, |one| lines(app, env, one, inner.width.saturating_sub(2)).len());
    Place::Text { lines, page: inner.height.into() }
}

/// The list.
fn outstanding(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, all: &[Outstanding<'_>]) {
    let theme = paint.theme;
    let mut facts = vec![counted(app, ListId::Shadows, Some(all.len()), theme)];
    facts.extend(filtered(app, ListId::Shadows, theme));
    facts.push(part(reach(app, env), theme.dim));
    let inner = frame(paint, area, true, "Outstanding shadows, oldest first", facts);
    let list = app.list(ListId::Shadows);
    let columns = Columns::of(app, inner.width, all);
    if all.is_empty() {
        nothing(app, env, paint, inner);
    } else if list.in_sight().is_empty() {
        quiet(paint, inner, "none of them passes the filter");
    } else {
        columns.heads(paint, inner);
        let rows = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
        text::rows(paint, area, rows, list, |key| {
            let one = all.iter().find(|one| outstanding_key(one) == key)?;
            Some(columns.row(env, theme, one))
        });
    }
}

/// What a shadow reports, up to `most` members, in a line.
pub(super) fn reported(document: &ShadowDocument, most: usize) -> String {
    let members = members(&document.reported).0.into_iter().take(most);
    members.map(|(path, value)| format!("{} {value}", safe(&path))).collect::<Vec<_>>().join(", ")
}

/// The classic shadows that are known and ask for nothing, each with what it reports; and whose has
/// nothing to tell.
fn in_step<'a>(app: &App, env: &Env<'_>, area: Rect, all: &[Outstanding<'_>]) -> Vec<Line<'a>> {
    let theme = &app.look.theme;
    let room = usize::from(area.height);
    let (mut in_step, mut quiet_ones) = (Vec::new(), Vec::new());
    let waiting: HashSet<&Name> =
        all.iter().filter(|one| one.shadow.is_none()).map(|one| one.thing).collect();
    for id in app.rows().ids().iter().take(LOOKED) {
        let name = env.fleet.device(*id).name();
        let known = env.fleet.shadow(name.raw(), None).and_then(|known| known.get());
        match known {
            _ if in_step.len() + quiet_ones.len() >= room => break,
            _ if waiting.contains(name) => {}
            Some(Some(document)) if members(&document.delta).0.is_empty() => in_step.push((name, document)),
            Some(Some(_)) => {}
            Some(None) => quiet_ones.push((name, "has no classic shadow: nothing is asked of it there")),
            None if env.fleet.shadow_was_looked_at(name.raw()) => {
                quiet_ones.push((name, "was looked at: nothing is asked of it that it does not report"));
            }
            None => {}
        }
    }
    if in_step.is_empty() && quiet_ones.is_empty() {
        return vec![vec![part("no other shadow was read yet", theme.dim)]];
    }
    // Each gets an equal share of what the others leave.
    let share = room.saturating_sub(quiet_ones.len() + 2) / in_step.len().max(1);
    let most = share.saturating_sub(1).max(REPORTED);
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (name, document) in in_step {
        lines.push(vec![
            part(format!("{} ", name.shown()), theme.brand),
            part(format!("v{}", document.version), theme.dim),
        ]);
        let reported = members(&document.reported).0;
        if reported.is_empty() {
            lines.push(vec![part("  reports nothing", theme.dim)]);
        }
        for (path, value) in reported.into_iter().take(most) {
            lines.push(vec![part(format!("  {} ", safe(&path)), theme.json_key), part(value, theme.text)]);
        }
    }
    for (name, why) in quiet_ones {
        lines.push(vec![part(format!("{} ", name.shown()), theme.brand), part(why, theme.dim)]);
    }
    lines
}

/// Messages of the ring looked back through for those of shadows.
const FAR: usize = 10_000;
/// A longer payload is not looked into for a line.
const SHORT: usize = 8 * 1024;

/// The messages of shadows, the newest first: who reports, and who is asked.
fn heard(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let inner = frame(paint, area, false, "Heard of shadows, newest first", Vec::new());
    let room = usize::from(inner.width.saturating_sub(2));
    let kept = env.fleet.stream().iter().rev().take(FAR).filter_map(|kept| {
        let topic = env.fleet.topic(kept.topic).filter(|topic| topic.kind() == TopicKind::Shadow)?;
        Some((kept, topic))
    });
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (kept, topic) in kept.take(inner.height.into()) {
        let (of, what) = topic.text().split_once("/shadow/").unwrap_or((topic.text(), ""));
        let thing = of.rsplit('/').next().unwrap_or(of);
        let head = format!("{} {thing} ", words::moment(kept.at, env.now, &app.look.zone));
        let used = head.width() + what.width() + 2;
        let (clock, thing) = head.split_at(head.len() - thing.len() - 1);
        let payload = kept.payload.as_deref().filter(|payload| payload.len() <= SHORT);
        let said = payload.and_then(|payload| said(payload, room.saturating_sub(used)));
        lines.push(vec![
            part(clock.to_owned(), theme.dim),
            part(thing.to_owned(), theme.brand),
            part(format!("{what}  "), theme.dim),
            part(said.unwrap_or_else(|| words::bytes(f64::from(kept.len))), theme.json_value),
        ]);
    }
    if lines.is_empty() {
        return quiet(paint, inner, "no message of a shadow is kept");
    }
    text::lines(paint, inner, &lines);
}

/// What a message of a shadow says, in `room` cells: what is reported, else what is asked for, with its version.
fn said(payload: &[u8], room: usize) -> Option<String> {
    let document: Value = serde_json::from_slice(payload).ok()?;
    let whole = document.get("current").unwrap_or(&document);
    let state = whole.get("state")?;
    let part = ["reported", "desired"].iter().find_map(|part| state.get(part)).unwrap_or(state);
    let mut out = whole.get("version").and_then(Value::as_i64).map(|v| format!("v{v} ")).unwrap_or_default();
    for (path, value) in members(part).0 {
        if out.width() > room {
            break;
        }
        out.push_str(&format!("{} {value} ", safe(&path)));
    }
    Some(out)
}

/// A shadow's name: `Thing02`, `Thing02 [config]`.
fn title(one: &Outstanding<'_>) -> String {
    match one.shadow {
        Some(shadow) => format!("{} [{shadow}]", one.thing.shown()),
        None => one.thing.shown().to_string(),
    }
}

/// How the account was looked through, in a few words.
fn reach(app: &App, env: &Env<'_>) -> String {
    let known = env.fleet.shadows_reach();
    let Some(reach) = known.get() else {
        return match known.trouble() {
            Some(_) => "not read".to_owned(),
            None if app.look.aws => "reading".to_owned(),
            None => "as heard".to_owned(),
        };
    };
    let age =
        known.age(env.now).map(|ms| format!(", {}", words::ago(ms / 5_000 * 5_000))).unwrap_or_default();
    let whole = match (reach.indexed, reach.more) {
        (true, false) => "of all things, by the fleet index".to_owned(),
        (true, true) => "the first the fleet index found".to_owned(),
        (false, more) => {
            let first = if more { "the first " } else { "" };
            format!("of {first}{}, read one by one", words::plural(reach.things, "thing", "things"))
        }
    };
    format!("{whole}{age}")
}

/// Nothing is outstanding, as far as that is known.
fn nothing(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let known = env.fleet.shadows_reach();
    if known.get().is_none() && app.look.aws {
        return absence(app, known, "shadows", paint, area);
    }
    let text = match known.get() {
        Some(reach) => {
            let unnamed = reach.unnamed.as_ref().map(|why| format!(" Named shadows were not read: {why}."));
            let mut text = match reach.more {
                true => "Nothing is outstanding in what was read: not all things were.".to_owned(),
                false => "Nothing is outstanding.".to_owned(),
            };
            text.push_str(&unnamed.unwrap_or_default());
            if let Some(trouble) = known.trouble() {
                text.push_str(&format!(" Since then it was not read again: {}.", reason(trouble)));
            }
            text
        }
        None if env.fleet.link().is_up() => "No delta was heard yet.".to_owned(),
        None => "Not listening yet.".to_owned(),
    };
    quiet(paint, area, &text);
}

/// Where things stand on a line.
struct Columns {
    thing: usize,
    shadow: usize,
    what: usize,
}

impl Columns {
    /// They depend on the screen and on all that is outstanding, not on what is in sight.
    fn of(app: &App, width: u16, all: &[Outstanding<'_>]) -> Self {
        let longest = all.iter().map(|one| one.thing.shown().width()).max().unwrap_or(0);
        let longest = u16::try_from(longest).unwrap_or(u16::MAX).max(app.rows().longest());
        let thing = longest.clamp(6, (width / 4).clamp(6, 28)).into();
        let shadow = if width >= 70 { 12 } else { 0 };
        let what = usize::from(width).saturating_sub(1 + 6 + thing + 1 + shadow + 6 + 2);
        Self { thing, shadow, what }
    }

    fn heads(&self, paint: &mut Paint<'_>, inner: Rect) {
        let shadow = if self.shadow > 0 { "SHADOW" } else { "" };
        let text = format!(
            " {:>5} {:<thing$} {shadow:<width$}{:<6}ASKED FOR",
            "SINCE",
            "THING",
            "VERS",
            thing = self.thing,
            width = self.shadow,
        );
        let style = paint.theme.label;
        paint.text(inner.x, inner.y, inner.width.saturating_sub(1), &text, style);
    }

    fn row<'a>(&self, env: &Env<'_>, theme: &Theme, one: &Outstanding<'_>) -> Line<'a> {
        let more = theme.symbols.more;
        let pad = |text: &str, width: usize| {
            let text = super::super::paint::fit_middle(text, width, more).into_owned();
            let gap = " ".repeat(width.saturating_sub(text.width()));
            format!("{text}{gap}")
        };
        let age = words::age(env.now - one.since);
        let mut line = vec![
            part(format!(" {age:>5} "), theme.dim),
            part(format!("{} ", pad(one.thing.shown().as_str(), self.thing)), theme.brand),
        ];
        let shadow = one.shadow.map_or("", SafeText::as_str);
        if self.shadow > 0 {
            line.push(part(format!("{} ", pad(shadow, self.shadow - 1)), theme.text));
        } else if !shadow.is_empty() {
            line.push(part(format!("[{}] ", pad(shadow, 8).trim_end()), theme.text));
        }
        line.push(part(format!("v{:<5}", one.version), theme.dim));
        line.push(part(asked_for(one, theme, self.what), theme.json_value));
        line
    }
}

/// What is asked for, in one line.
fn asked_for(one: &Outstanding<'_>, theme: &Theme, room: usize) -> String {
    let arrow = theme.symbols.arrow;
    let mut out = String::new();
    let mut add = |path: &str, value: &str| {
        if out.width() < room {
            let comma = if out.is_empty() { "" } else { ", " };
            out.push_str(&format!("{comma}{path} {arrow} {value}"));
        }
    };
    match (one.document, one.asked) {
        (Some(document), _) => {
            for (path, value) in members(&document.delta).0 {
                add(&safe(path.as_str()), &value);
            }
        }
        (None, Some(entry)) => {
            for (path, value) in &entry.changes {
                add(path.as_str(), value.as_str());
            }
        }
        (None, None) => {}
    }
    out
}

/// The members of a part of a document by their paths, each value as it may be shown; and whether there are more.
fn members(part: &Value) -> (BTreeMap<String, String>, bool) {
    let mut found = BTreeMap::new();
    let more = !part.is_null() && difference::members(part, MEMBERS, &mut found);
    (found.into_iter().map(|(path, value)| (path, safe(&value.to_string()))).collect(), more)
}

/// A path or a value as it may be shown.
fn safe(text: &str) -> String {
    SafeText::limited(text.as_bytes(), VALUE).to_string()
}

/// A shadow in `room` cells: reported, desired and delta side by side, what differs marked; what it waits for, and since when.
fn lines<'a>(app: &App, env: &Env<'_>, one: &Outstanding<'_>, room: u16) -> Vec<Line<'a>> {
    let theme = &app.look.theme;
    let zone = &app.look.zone;
    let since = words::moment(one.since, env.now, zone);
    let head = format!("asked for {} ({since}), version {}", words::ago(env.now - one.since), one.version);
    let mut out: Vec<Line<'a>> =
        wrap(&head, room.into()).into_iter().map(|line| vec![part(line, theme.dim)]).collect();
    out.push(Vec::new());
    let known = env.fleet.shadow(one.thing.raw(), one.shadow.map(SafeText::as_str));
    if let Some(trouble) = known.and_then(|known| known.trouble()) {
        let text = format!("not read again: {}", reason(trouble));
        out.extend(wrap(&text, room.into()).into_iter().map(|line| vec![part(line, theme.unknown)]));
        out.push(Vec::new());
    }
    match one.document {
        Some(document) => out.extend(table(document, theme, room.into())),
        None => {
            let text = "only its delta was heard: the document was not read yet";
            out.extend(wrap(text, room.into()).into_iter().map(|line| vec![part(line, theme.unknown)]));
            for (path, value) in one.asked.into_iter().flat_map(|entry| &entry.changes) {
                out.push(vec![
                    part(format!("{path} "), theme.json_key),
                    part(format!("{} {value}", theme.symbols.arrow), theme.warning),
                ]);
            }
        }
    }
    let mine = env
        .fleet
        .deltas()
        .rev()
        .filter(|entry| entry.thing == *one.thing && entry.shadow.as_ref() == one.shadow);
    let mut asked = mine.take(ASKED).peekable();
    if asked.peek().is_some() {
        out.push(Vec::new());
        out.push(vec![part("asked, the newest first", theme.label)]);
    }
    for entry in asked {
        let what: Vec<String> = entry.changes.iter().map(|(path, value)| format!("{path} {value}")).collect();
        out.push(vec![
            part(format!("{} v{} ", words::moment(entry.at, env.now, zone), entry.version), theme.dim),
            part(what.join(", "), theme.text),
        ]);
    }
    out
}

/// Member by member: reported, desired, delta; what differs is marked.
fn table<'a>(document: &ShadowDocument, theme: &Theme, room: usize) -> Vec<Line<'a>> {
    let parts = [&document.reported, &document.desired, &document.delta].map(members);
    let more = parts.iter().any(|(_, more)| *more);
    let [reported, desired, delta] = parts.map(|(members, _)| members);
    let paths: BTreeSet<&String> = reported.keys().chain(desired.keys()).chain(delta.keys()).collect();
    // The delta repeats what is desired: it has a column where there is room for it.
    let columns = if room >= 56 { 3 } else { 2 };
    let longest = paths.iter().map(|path| safe(path).width()).max().unwrap_or(0);
    let name = longest.clamp(4, (room / 3).max(4));
    let width = room.saturating_sub(name + 3) / columns;
    let cell = |text: &str| {
        let text = super::super::paint::fit(text, width.saturating_sub(1), theme.symbols.more).into_owned();
        let gap = " ".repeat(width.saturating_sub(text.width()));
        format!("{text}{gap}")
    };
    let key = |text: &str| {
        let text = super::super::paint::fit_middle(&safe(text), name, theme.symbols.more).into_owned();
        let gap = " ".repeat((name + 1).saturating_sub(text.width()));
        format!("{text}{gap}")
    };
    let mut head = format!("  {}{}{}", key("KEY"), cell("REPORTED"), cell("DESIRED"));
    if columns == 3 {
        head.push_str("DELTA");
    }
    let mut lines = vec![vec![part(head, theme.label)]];
    for path in paths {
        let differs = delta.contains_key(path.as_str())
            || delta
                .keys()
                .any(|of| path.starts_with(&format!("{of}.")) || of.starts_with(&format!("{path}.")));
        // What was left off may be there: only of a part that is whole it is known that it has no such member.
        let absent = if more { "?" } else { "-" };
        let told = |of: &BTreeMap<String, String>| cell(of.get(path).map_or(absent, String::as_str));
        let (mark, style) = if differs { (theme.symbols.differs, theme.warning) } else { (" ", theme.text) };
        let mut line = vec![
            part(format!("{mark} "), theme.warning),
            part(key(path), theme.json_key),
            part(told(&reported), if differs { theme.dim } else { theme.text }),
            part(told(&desired), style),
        ];
        if columns == 3 {
            line.push(part(delta.get(path).cloned().unwrap_or_default(), theme.warning));
        }
        lines.push(line);
    }
    if more {
        let text = format!("more than {MEMBERS} members: the rest is not shown, and not compared");
        lines.extend(wrap(&text, room).into_iter().map(|line| vec![part(line, theme.unknown)]));
    }
    lines
}
