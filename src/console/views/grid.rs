//! All devices as cells by state: a room of thirty on a projector, a fleet of ten thousand at a glance.
//!
//! As long as names fit, a cell is a box with the name and the state in a word, or at least a letter and the name. Beyond
//! that a cell is one letter, by thing group as far as members are known and else by thing type, with the loud ones named
//! below; and where even letters do not fit, one stands for several devices and shows the worst of them.

use std::collections::{BTreeMap, HashMap};

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use unicode_width::UnicodeWidthStr as _;

use quell_fleet::{Device, DeviceId, Word};

use super::super::app::{App, Env};
use super::super::paint::{Paint, fit, part};
use super::super::words;
use super::{focus, frame, large, lasting, quiet, said, spark, why, word_style};

/// A box: its smallest size.
const BOX: (u16, u16) = (16, 4);

/// From so large a box on it has room for a chart.
const CHARTED: (u16, u16) = (36, 10);

/// A letter and a name: the widest they get.
const NAME: u16 = 28;

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    // By name, not by severity: a participant's place in the room must not move.
    let ids = app.rows().by_name();
    let facts = vec![part(ids.len().to_string(), theme.text)];
    let inner = frame(paint, area, true, "Devices by state", facts);
    if ids.is_empty() {
        return quiet(paint, inner, "no device is known yet");
    }
    let mut body = inner;
    let figured = large_type(app, theme) && body.height > 20;
    if figured {
        figures(env, paint, body);
        let taken = large::ROWS + 1;
        body = Rect { y: body.y + taken, height: body.height - taken, ..body };
    }
    // Letters need to be told; tiles with their words below large figures do not.
    let legend = !(figured && Boxes::fit(body, ids.len()).is_some()) && inner.height >= 4;
    body.height -= u16::from(legend);
    if let Some(boxes) = Boxes::fit(body, ids.len()) {
        for (i, id) in ids.iter().enumerate() {
            one(app, env, paint, boxes.at(body, i), *id, env.fleet.device(*id));
        }
    } else if let Some(width) = names_fit(env, body, ids) {
        names(env, paint, body, ids, width);
    } else {
        letters(env, paint, body, ids);
    }
    if legend {
        draw_legend(env, paint, Rect { y: inner.bottom() - 1, height: 1, ..inner });
    }
}

/// How boxes are laid out.
struct Boxes {
    columns: usize,
    width: u16,
    height: u16,
}

impl Boxes {
    /// The largest boxes that all fit, so that the few there are fill the room; `None` when not even small ones do.
    fn fit(area: Rect, count: usize) -> Option<Self> {
        let most = (area.width / BOX.0).max(1) as usize;
        (1..=most)
            .filter_map(|columns| {
                let rows = count.div_ceil(columns) as u16;
                let (width, height) = (area.width / columns as u16, area.height / rows.max(1));
                (width >= BOX.0 && height >= BOX.1).then_some(Self { columns, width, height })
            })
            // The squarest: a cell is about twice as tall as it is wide.
            .min_by_key(|b| (i32::from(b.width) - i32::from(b.height) * 5).abs())
    }

    fn at(&self, area: Rect, i: usize) -> Rect {
        let (column, row) = ((i % self.columns) as u16, (i / self.columns) as u16);
        Rect {
            x: area.x + column * self.width,
            y: area.y + row * self.height,
            width: self.width,
            height: self.height,
        }
    }
}

fn one(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, id: DeviceId, device: &Device) {
    let theme = paint.theme;
    if large_type(app, theme) && area.height > large::ROWS + 2 {
        return tile(app, env, paint, area, id, device);
    }
    if area.height >= CHARTED.1 && area.width >= CHARTED.0 {
        return charted(app, env, paint, area, id, device);
    }
    let room = usize::from(area.width.saturating_sub(3));
    let (word, style) = said(env, theme, id, room);
    let loud = matches!(device.word(), Word::Leaking | Word::NotHeld | Word::Alarm);
    let inner = paint.pane(area, &[], if loud { style } else { theme.border });
    if loud {
        paint.style(inner, style);
    }
    let room = inner.width.saturating_sub(1);
    let name = device.name().shown();
    let name_style = if loud { style } else { theme.brand };
    paint.text(inner.x + 1, inner.y, room, name.as_str(), name_style);
    paint.text(inner.x + 1, inner.y + 1, room, &word, style);
    if inner.height >= 3 {
        let size = device.last_len().map_or("-".to_owned(), |n| words::bytes(f64::from(n)));
        let heard = device.last_seen().map_or(String::new(), |at| format!("  {}", words::ago(env.now - at)));
        paint.text(
            inner.x + 1,
            inner.y + 2,
            room,
            &format!("{size}{heard}"),
            if loud { style } else { theme.dim },
        );
    }
}

/// A box with room for what the device sent over time: below its word and why it has it.
fn charted(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, id: DeviceId, device: &Device) {
    let theme = paint.theme;
    let word = device.word();
    let (said, style) = said(env, theme, id, 30);
    let edge = if word.is_loud() { theme.alarm } else { theme.border };
    let inner = paint.pane(area, &[part(device.name().shown().as_str(), theme.brand)], edge);
    let room = inner.width.saturating_sub(2);
    let lasting = lasting(env, id).map(|text| format!("  {text}")).unwrap_or_default();
    paint.line(inner.x + 1, inner.y, room, &[part(format!(" {said} "), style), part(lasting, theme.dim)]);
    let (why, style) = why(app, env, id, theme);
    paint.text(inner.x + 1, inner.y + 1, room, &why, style);
    let size = device.last_len().map(|n| format!("last {}", words::bytes(f64::from(n))));
    let rate = env.fleet.per_minute(id, env.now).map(|n| format!("{}/min", words::number(n)));
    let heard = device.last_seen().map(|at| format!("heard {}", words::ago(env.now - at)));
    let facts: Vec<String> = [size, rate, heard].into_iter().flatten().collect();
    paint.text(inner.x + 1, inner.y + 2, room, &facts.join(", "), theme.dim);
    if device.last_seen().is_some() {
        let plot =
            Rect { y: inner.y + 3, height: inner.height.saturating_sub(3), width: inner.width - 1, ..inner };
        // One scale for all of them.
        focus::sizes(app, env, paint, plot, id, app.rows().most());
    }
}

/// A tile for a room: who needs somebody is to be seen from the last row. The state is large and tints the tile; the name is
/// small, and below stands since when, or how long it took.
fn tile(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, id: DeviceId, device: &Device) {
    let theme = paint.theme;
    let word = device.word();
    let (said, style) = said(env, theme, id, area.width.saturating_sub(4).into());
    // What is calm stays calm: a room of tinted tiles would hide the one that matters.
    let tinted = word.is_loud() || matches!(word, Word::Contained | Word::Containing | Word::Revoked);
    let ground = match (tinted, style.bg) {
        (false, _) => theme.border,
        (true, Some(_)) => style,
        (true, None) => style.add_modifier(Modifier::REVERSED),
    };
    let name = if tinted { ground } else { theme.text };
    let inner = paint.pane(area, &[part(device.name().shown().as_str(), name)], ground);
    if tinted {
        paint.style(inner, ground);
    }
    let text = if tinted { ground } else { style };
    let room = inner.width.saturating_sub(2);
    let x = |wide: u16| inner.x + inner.width.saturating_sub(wide) / 2;
    // As large as it fits: the last row reads it.
    let twice = large::width(&said).map_or(0, |wide| (wide * 2).saturating_sub(2));
    let doubled = inner.height > large::TWICE + 2 && twice > 0 && twice <= room;
    let rows = if doubled { large::TWICE } else { large::ROWS };
    let top = inner.y + inner.height.saturating_sub(rows + 1) / 3;
    let spaced = || said.chars().map(String::from).collect::<Vec<_>>().join(" ");
    match large::width(&said).map(|wide| wide.saturating_sub(1)).filter(|wide| *wide <= room) {
        Some(_) if doubled => large::twice(paint, (x(twice), top), &said, text),
        Some(wide) => {
            large::draw(paint, x(wide), top, wide, &said, text);
        }
        // Letters apart are read further than letters together.
        None => {
            let wide = u16::try_from(spaced().width()).unwrap_or(u16::MAX);
            let line = if wide <= room { spaced() } else { said.clone() };
            let wide = wide.min(room);
            paint.text(x(wide), top + 1, room, &line, text.add_modifier(Modifier::BOLD));
        }
    }
    let since = match (device.contained_after(), lasting(env, id)) {
        (Some(after), _) if word == Word::Contained => format!("in {}", words::took(after)),
        (_, Some(_)) if env.now - device.word_since() < 1_000 => "just now".to_owned(),
        (_, lasting) => lasting.unwrap_or_default(),
    };
    let wide = u16::try_from(since.width()).unwrap_or(room).min(room);
    let calm = if tinted { ground } else { theme.dim };
    paint.text(x(wide), top + rows, room, &since, calm);
    // Why, where there is room for it; of a calm one what it sends.
    if inner.height >= rows + 2 {
        let (why, _) = why(app, env, id, theme);
        let rate = env.fleet.per_minute(id, env.now).map(|n| format!("{}/min", words::number(n)));
        let size = device.last_len().map(|n| words::bytes(f64::from(n)));
        let sends = || [size, rate].into_iter().flatten().collect::<Vec<_>>().join(", ");
        let text = if why.is_empty() { sends() } else { why };
        let wide = words::cells(&text).min(room);
        paint.text(x(wide), top + rows + 1, room, &text, calm);
    }
    // What it sent, where there is room: the limit shows in it.
    if !tinted && inner.height >= rows + 3 {
        let at = Rect { x: inner.x + 1, y: inner.bottom() - 1, width: room, height: 1 };
        let scale = spark::Scale::of(app, env, app.rows().most());
        spark::draw(env, paint, at, id, spark::span(env), &scale);
    }
}

/// What matters in the room, in large letters: how many have which word, the same numbers as the header's; the worst first,
/// as many as fit.
fn figures(env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let mut x = area.x + 2;
    for (word, n) in env.fleet.counts().each() {
        let style = if word == Word::Ok { theme.good } else { word_style(theme, word) };
        let text = format!("{n} {word}");
        let wide = large::width(&text).unwrap_or(0);
        if x + wide <= area.right() {
            // A word that is told by its ground has that ground round its letters.
            let ground = Rect { x: x.saturating_sub(1), y: area.y, width: wide + 1, height: large::ROWS };
            if style.bg.is_some() || style.add_modifier.contains(Modifier::REVERSED) {
                paint.style(ground, style);
            }
            x += large::draw(paint, x, area.y, wide, &text, style) + 6;
        }
    }
}

/// Large letters are for a room, and need half blocks.
fn large_type(app: &App, theme: &super::Theme) -> bool {
    app.is_instructing() && !theme.symbols.ascii
}

/// How wide a letter with a name is, when all of them fit.
fn names_fit(env: &Env<'_>, area: Rect, ids: &[DeviceId]) -> Option<u16> {
    // A letter and the shortest name take five cells: the names of a fleet that is too large for that are not measured.
    if ids.len() > usize::from(area.width / 5).max(1) * usize::from(area.height) {
        return None;
    }
    let width = |id: &DeviceId| env.fleet.device(*id).name().shown().as_str().width();
    let longest = ids.iter().map(width).max().unwrap_or(0);
    let width = u16::try_from(longest + 4).unwrap_or(u16::MAX).min(NAME);
    // A name that is cut still tells whose it is, as long as most of it is there.
    let most = [width, width * 3 / 4, 12].into_iter().find(|width| {
        let columns = usize::from(area.width / (*width).max(1)).max(1);
        ids.len().div_ceil(columns) <= usize::from(area.height)
    });
    most.filter(|width| *width >= 12 || *width == longest as u16 + 4)
}

/// A letter and the name a device, column by column.
fn names(env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, ids: &[DeviceId], width: u16) {
    let theme = paint.theme;
    let columns = usize::from(area.width / width.max(1)).max(1);
    let rows = ids.len().div_ceil(columns).max(1);
    // Spread over the room there is: from the last row of a classroom a line between helps.
    let gap = if rows * 2 <= usize::from(area.height) { 2 } else { 1 };
    for (i, id) in ids.iter().enumerate() {
        let device = env.fleet.device(*id);
        let (x, y) = (area.x + (i / rows) as u16 * width, area.y + (i % rows) as u16 * gap);
        let word = device.word();
        let (_, style) = said(env, theme, *id, 0);
        let room = usize::from(width.saturating_sub(4));
        let name = fit(device.name().shown().as_str(), room, theme.symbols.more);
        let loud = word <= Word::Warning;
        let parts =
            [part(format!(" {} ", word.letter()), style), part(name, if loud { style } else { theme.brand })];
        paint.line(x, y, width, &parts);
    }
}

/// The loud ones by name, at the bottom: how many lines that took.
fn draw_loud(paint: &mut Paint<'_>, area: Rect, mut loud: Vec<&Device>) -> u16 {
    let theme = paint.theme;
    if loud.is_empty() || area.height < 8 {
        return 0;
    }
    loud.sort_by_key(|d| d.word());
    let (y, room) = (area.bottom() - 1, usize::from(area.width.saturating_sub(2)));
    let (mut parts, mut used) = (Vec::new(), 0);
    for (i, device) in loud.iter().enumerate() {
        let name = fit(device.name().shown().as_str(), NAME.into(), theme.symbols.more);
        let text = format!(" {} {name} ", device.word());
        let rest = format!(" and {} more", loud.len() - i);
        used += text.width() + 1;
        if used + rest.width() > room && i > 0 {
            parts.push(part(rest, theme.text));
            break;
        }
        parts.push(part(text, word_style(theme, device.word())));
        parts.push(part(" ", theme.text));
    }
    paint.line(area.x + 1, y, room as u16, &parts);
    1
}

/// By name: the first thing group it is a known member of, quarantines aside.
fn groups<'a>(env: &Env<'a>) -> HashMap<&'a str, String> {
    let mut of: HashMap<&str, String> = HashMap::new();
    for group in env.fleet.groups_known() {
        let members = env.fleet.members(group.raw()).and_then(|known| known.get()).and_then(Option::as_ref);
        for member in members.into_iter().flatten() {
            of.entry(member.raw()).or_insert_with(|| format!("thing group {}", group.shown()));
        }
    }
    if of.is_empty() {
        return of;
    }
    // Where somebody is put is a state, and the letter says it.
    for (_, device) in env.fleet.devices() {
        let quarantine = device.quarantined_in().map(|g| format!("thing group {}", g.shown()));
        if quarantine.is_some() && of.get(device.name().raw()) == quarantine.as_ref() {
            of.remove(device.name().raw());
        }
    }
    of
}

/// The group of a device, as far as groups are known, else its thing type.
fn kind<'a>(device: &'a Device, groups: &'a HashMap<&str, String>) -> &'a str {
    let of = if groups.is_empty() { None } else { groups.get(device.name().raw()) };
    of.map_or_else(|| device.thing_type().map_or("no thing type", |t| t.as_str()), String::as_str)
}

/// A letter a device, by group or thing type; several devices a letter when there is no room for all. Every device is looked at
/// once: at a million that is what a frame costs.
fn letters(env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, ids: &[DeviceId]) {
    let theme = paint.theme;
    let known = groups(env);
    let mut groups: BTreeMap<&str, Vec<Word>> = BTreeMap::new();
    let (mut loud, mut run, mut of) = (Vec::new(), Vec::new(), "");
    for id in ids {
        let device = env.fleet.device(*id);
        let (word, kind) = (device.word(), kind(device, &known));
        // Neighbours by name are mostly of one kind: only where it changes is its list looked for.
        if kind != of {
            groups.entry(of).or_default().append(&mut run);
            of = kind;
        }
        run.push(word);
        if word.is_loud() {
            loud.push(device);
        }
    }
    groups.entry(of).or_default().append(&mut run);
    groups.retain(|_, words| !words.is_empty());
    let area = Rect { height: area.height - draw_loud(paint, area, loud), ..area };
    let width = area.width.saturating_sub(2).max(1) as usize;
    let rows =
        |each: usize| -> usize { groups.values().map(|g| 1 + g.len().div_ceil(each).div_ceil(width)).sum() };
    let mut each = 1;
    while rows(each) > area.height as usize && each < ids.len() {
        each = if each < 10 { each + 1 } else { each * 2 };
    }
    let mut y = area.y;
    for (kind, group) in &groups {
        if y >= area.bottom() {
            break;
        }
        let stands =
            if each > 1 { format!("; a letter is {each}, the worst of them") } else { String::new() };
        let title = format!("{kind}: {}{stands}", words::plural(group.len(), "device", "devices"));
        paint.text(area.x + 1, y, area.width.saturating_sub(2), &title, theme.label);
        y += 1;
        let cells: Vec<Word> = group.chunks(each).filter_map(|c| c.iter().min().copied()).collect();
        for line in cells.chunks(width) {
            if y >= area.bottom() {
                break;
            }
            for (i, word) in line.iter().enumerate() {
                let style: Style = word_style(theme, *word);
                paint.cell(area.x + 1 + i as u16, y, word.letter(), style);
            }
            y += 1;
        }
    }
}

fn draw_legend(env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let text = |word: Word, n: usize| format!(" {} {n} {word} ", word.letter());
    let parts: Vec<_> =
        env.fleet.counts().each().map(|(word, n)| part(text(word, n), word_style(theme, word))).collect();
    paint.line(area.x, area.y, area.width, &parts);
}
