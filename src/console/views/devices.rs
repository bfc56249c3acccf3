//! The device table.

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use quell_fleet::event::Stage;
use quell_fleet::{Condition, Device, DeviceId};

use super::super::app::{App, Env, Key, ListId, condition_word};
use super::super::paint::{Paint, inside, part};
use super::super::words;
use super::spark::{self, Scale};
use super::{absence, condition_style, cursor_style, filtered, frame, quiet, reason};

/// Where each column begins and how wide it is; zero width is not shown.
struct Columns {
    thing: u16,
    state: u16,
    rate: u16,
    last: u16,
    p50: u16,
    max: u16,
    spark: u16,
    cert: u16,
    violation: u16,
}

impl Columns {
    fn of(width: u16, longest: u16) -> Self {
        let none =
            Self { thing: 0, state: 0, rate: 0, last: 0, p50: 0, max: 0, spark: 0, cert: 0, violation: 0 };
        // Three cells for the cursor and the mark, and one between columns.
        let room = width.saturating_sub(3);
        if width < 26 {
            let state = if room >= 18 { 9 } else { 0 };
            return Self { thing: room.saturating_sub(state + u16::from(state > 0)), state, ..none };
        }
        if width < 56 {
            let last = if room >= 38 { 7 } else { 0 };
            let thing = longest.clamp(10, room.saturating_sub(14 + last + 2).max(10));
            let spark = room.saturating_sub(thing + 1 + 13 + 1 + last + 2);
            return Self { thing, state: 13, last, spark: if spark >= 6 { spark } else { 0 }, ..none };
        }
        if width < 110 {
            let thing = longest.clamp(12, 18);
            let rest = room.saturating_sub(thing + 1 + 14 + 8);
            if width < 70 {
                // A name cut to five letters says nothing; the pane below names the violation.
                return Self { thing, state: 13, last: 7, spark: rest.saturating_sub(1), ..none };
            }
            let spark = (rest * 2 / 5).clamp(10, 30);
            return Self {
                thing,
                state: 13,
                last: 7,
                spark,
                violation: rest.saturating_sub(spark + 2),
                ..none
            };
        }
        let thing = longest.clamp(14, 28);
        let fixed = thing + 1 + 14 + 6 + 7 + 7 + 7 + 9;
        let rest = room.saturating_sub(fixed);
        let violation = (rest * 2 / 5).clamp(24, 44);
        let spark = rest.saturating_sub(violation + 2).min(60);
        Self {
            thing,
            state: 13,
            rate: 5,
            last: 6,
            p50: 6,
            max: 6,
            spark,
            cert: 8,
            violation: rest.saturating_sub(spark + 1),
        }
    }
}

/// Rows there is room for: the heads take one where three fit.
pub(super) fn page(area: Rect) -> usize {
    let inner = inside(area);
    (inner.height - u16::from(inner.height >= 3)).into()
}

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, focused: bool) {
    let theme = paint.theme;
    let rows = app.rows();
    let total = env.fleet.len();
    let shown = rows.ids().len();
    // Rows follow a moment later: only a filter leaves any out.
    let all = shown == total || app.filter_of(ListId::Devices).is_none();
    let count = if all { total.to_string() } else { format!("{shown} of {total}") };
    let mut facts = vec![part(count, theme.text), part(rows.sort().word(), theme.dim)];
    if app.marked() > 0 {
        facts.push(part(format!("{} marked", app.marked()), theme.mark));
    }
    facts.extend(filtered(app, ListId::Devices, theme));
    let inner = frame(paint, area, focused, "Devices", facts);
    if inner.width == 0 || inner.height == 0 {
        return;
    }
    if total == 0 {
        return absence_of_devices(app, env, paint, inner);
    }
    if shown == 0 {
        return quiet(paint, inner, &none_passes(app, env, paint.theme.symbols.more));
    }
    let head = u16::from(inner.height >= 3);
    let list = app.list(ListId::Devices);
    let visible: Vec<DeviceId> = app.devices_in_sight().collect();
    let longest = visible.iter().map(|id| env.fleet.device(*id).name().shown().width()).max().unwrap_or(0);
    let columns = Columns::of(inner.width, u16::try_from(longest).unwrap_or(u16::MAX));
    let scale = Scale::of(app, env, visible.iter().map(|id| env.fleet.device(*id)));
    let span = spark::span(env);
    if head == 1 {
        heads(app, paint, inner, &columns, &scale, span);
    }
    let cursor = list.cursor();
    for (i, id) in visible.iter().enumerate() {
        let y = inner.y + head + i as u16;
        let device = env.fleet.device(*id);
        let here = cursor == Some(id.index() as Key);
        let line = Rect { y, height: 1, ..inner };
        let bars = row(app, env, paint, line, &columns, *id, device, span, &scale, here);
        if here {
            // Reversed, a high bar would look low: the sparkline stays as it is.
            let after = bars.right().min(line.right());
            let style = cursor_style(theme, focused);
            paint.style(Rect { width: bars.x.saturating_sub(line.x), ..line }, style);
            paint.style(Rect { x: after, width: line.right() - after, ..line }, style);
        }
    }
}

/// Why a filter leaves nothing. Of a large account few things are known here: the index is asked before that is said.
fn none_passes(app: &App, env: &Env<'_>, more: &str) -> String {
    let asked = app.searched(env).map(|source| env.fleet.polls().find(|(id, _)| **id == source));
    match asked {
        None => "no device passes the filter; esc takes it away".to_owned(),
        Some(Some((_, state))) if state.trouble.is_some() => {
            let why = state.trouble.as_ref().map(reason).unwrap_or_default();
            format!("no device known here passes the filter, and the fleet index: {why}")
        }
        Some(Some(_)) => {
            "no device passes the filter, here or in the fleet index; esc takes it away".to_owned()
        }
        Some(None) => format!("asking the fleet index {more}"),
    }
}

fn absence_of_devices(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, inner: Rect) {
    if env.fleet.registered().get().is_some() {
        quiet(paint, inner, "the registry has no things, and nothing was heard yet");
    } else if app.look.aws {
        absence(app, env.fleet.registered(), "things", paint, inner);
    } else {
        quiet(paint, inner, "nothing was heard yet");
    }
}

fn heads(app: &App, paint: &mut Paint<'_>, inner: Rect, c: &Columns, scale: &Scale, span: i64) {
    let style = paint.theme.label;
    let y = inner.y;
    let mut x = inner.x + 3;
    paint.text(x, y, c.thing, "THING", style);
    x += c.thing + 1;
    if c.state > 0 {
        paint.text(x, y, c.state, "STATE", style);
        x += c.state + 1;
    }
    for (width, name) in [(c.rate, "/MIN"), (c.last, "LAST"), (c.p50, "P50"), (c.max, "MAX")] {
        if width > 0 {
            paint.right(x, y, width, name, style);
            x += width + 1;
        }
    }
    if c.spark > 0 {
        x += 1;
        let mut text = if c.spark >= 22 {
            format!("SIZE B {} {}", paint.theme.symbols.dot, spark::span_words(span))
        } else {
            format!("SIZE {} min", span / 60_000)
        };
        if c.spark >= 34 {
            text.push_str(&format!(
                " {} max {}",
                paint.theme.symbols.dot,
                words::number(f64::from(scale.most))
            ));
            if let Some(limit) = scale.limit {
                text.push_str(&format!(
                    " {} limit {}",
                    paint.theme.symbols.dot,
                    words::number(f64::from(limit))
                ));
            }
        }
        if app.is_log_scale() {
            text.push_str(" log");
        }
        paint.text(x, y, c.spark, &text, style);
        x += c.spark + 1;
    }
    if c.cert > 0 {
        paint.text(x, y, c.cert, "CERT", style);
        x += c.cert + 1;
    }
    if c.violation > 0 {
        paint.text(x, y, c.violation, "VIOLATION", style);
    }
}

/// Draws one row; where its sparkline stands.
#[expect(clippy::too_many_arguments, reason = "one row of one table, drawn in one place")]
fn row(
    app: &App,
    env: &Env<'_>,
    paint: &mut Paint<'_>,
    line: Rect,
    c: &Columns,
    id: DeviceId,
    device: &Device,
    span: i64,
    scale: &Scale,
    here: bool,
) -> Rect {
    let theme = paint.theme;
    let s = theme.symbols;
    let y = line.y;
    let mut bars = Rect { width: 0, ..line };
    if here {
        paint.text(line.x, y, 1, s.cursor, theme.key);
    }
    if app.is_marked(id) {
        paint.text(line.x + 1, y, 1, s.mark, theme.mark);
    }
    let condition = device.condition();
    let never = device.last_seen().is_none() && matches!(condition, Condition::Stale | Condition::Ok);
    let loud = if never { theme.dim } else { condition_style(theme, condition) };
    let mut x = line.x + 3;
    let name = if matches!(condition, Condition::Leaking | Condition::Alarm | Condition::Finding) {
        theme.brand
    } else {
        theme.text
    };
    paint.text(x, y, c.thing, device.name().shown().as_str(), name);
    x += c.thing + 1;
    if c.state > 0 {
        let word = if never { "not heard" } else { condition_word(condition) };
        paint.text(x, y, c.state, word, loud);
        x += c.state + 1;
    }
    let size = |value: Option<u32>| value.map_or("-".to_owned(), |v| words::count(u64::from(v)));
    let rate = device
        .per_minute(env.now)
        .map_or("-".to_owned(), |v| if v < 0.05 { "0".to_owned() } else { words::number(v) });
    let numbers = [
        (c.rate, rate),
        (c.last, size(device.last_len())),
        (c.p50, size(device.p50())),
        (c.max, size(device.max())),
    ];
    for (width, text) in numbers {
        if width > 0 {
            paint.right(x, y, width, &text, if text == "-" { theme.dim } else { theme.text });
            x += width + 1;
        }
    }
    if c.spark > 0 {
        x += 1;
        spark::draw(env, paint, x, y, c.spark, id, span, scale);
        bars = Rect { x, width: c.spark, ..line };
        x += c.spark + 1;
    }
    if c.cert > 0 {
        let (text, style) = certificate(app, device, theme);
        paint.text(x, y, c.cert, &text, style);
        x += c.cert + 1;
    }
    if c.violation > 0 {
        let room = line.right().saturating_sub(x).min(c.violation);
        let (text, style) = about(app, env, id, device, theme);
        // The age stands at the end and is never cut: how long matters more than the end of a name.
        match text.rsplit_once("  ") {
            Some((text, age)) if text.width() + age.width() + 1 > room as usize => {
                let wide = age.width() as u16;
                paint.text(x, y, room.saturating_sub(wide + 1), text, style);
                paint.right(x, y, room, age, style);
            }
            _ => {
                paint.text(x, y, room, &text, style);
            }
        }
    }
    bars
}

/// The worst status among a device's certificates.
fn certificate(app: &App, device: &Device, theme: &super::Theme) -> (String, ratatui::style::Style) {
    let Some(all) = device.certificates().get() else {
        let text =
            if device.certificates().trouble().is_some() || !app.look.aws { "?" } else { theme.symbols.more };
        return (text.to_owned(), theme.dim);
    };
    let rank = |status: &str| match status {
        "REVOKED" => 0,
        "INACTIVE" => 1,
        "ACTIVE" => 3,
        _ => 2,
    };
    match all.iter().min_by_key(|c| rank(c.status.as_str())) {
        None => ("none".to_owned(), theme.warning),
        Some(worst) => {
            let style = if worst.status.as_str() == "ACTIVE" { theme.text } else { theme.warning };
            (worst.status.as_str().to_lowercase(), style)
        }
    }
}

/// In an account too large to stream whole.
const NOT_STREAMED: &str = "not streamed right now";

/// A device that was never heard is nothing to worry about by itself: many speak rarely, or on other topics.
fn not_heard(env: &Env<'_>, id: DeviceId) -> String {
    match env.fleet.listening(id).since() {
        Some(since) if env.now - since < 1_000 => "listening from now on".to_owned(),
        Some(since) => format!("no telemetry in {}", words::age(env.now - since)),
        None if env.fleet.watch().since().is_some() => NOT_STREAMED.to_owned(),
        None => "not listening yet".to_owned(),
    }
}

/// Why the device is what it is, in the last column.
fn about(
    app: &App,
    env: &Env<'_>,
    id: DeviceId,
    device: &Device,
    theme: &super::Theme,
) -> (String, ratatui::style::Style) {
    let s = theme.symbols;
    let condition = device.condition();
    let violation = device.violations().iter().find_map(|i| env.fleet.violations().get()?.get(*i as usize));
    match (condition, device.stage()) {
        (Condition::Leaking, _) => {
            let heard = device.last_seen().map(|at| words::ago(env.now - at)).unwrap_or_default();
            let key = super::super::command::find("revoke")
                .map(|id| app.look.keymap.keys_of(id))
                .unwrap_or_default();
            let key = key.first().map(|k| format!("; {k} revokes")).unwrap_or_default();
            return (format!("heard {heard}{key}"), theme.alarm);
        }
        (Condition::Containing, Some(Stage::Containing { waiting_for, began })) => {
            return (format!("{} {} {waiting_for}", words::age(env.now - began), s.dot), theme.busy);
        }
        (Condition::Containing, Some(Stage::Unproven { missing, .. })) => {
            return (format!("not proven: {missing}"), theme.warning);
        }
        (Condition::Contained | Condition::Revoked, Some(Stage::Contained { took, .. })) => {
            let alarm = violation
                .map(|v| format!(" {} {}", s.dot, quell_fleet::text::SafeText::new(&v.behavior.name)));
            // The whole wait until it was proven, not the moment of the first cut.
            let took = device.contained_after().unwrap_or(*took);
            return (format!("contained in {}{}", words::took(took), alarm.unwrap_or_default()), theme.good);
        }
        _ => {}
    }
    if let Some(violation) = violation {
        let more = device.violations().len() - 1;
        let more = if more > 0 { format!(" +{more}") } else { String::new() };
        let name = quell_fleet::text::SafeText::new(&violation.behavior.name);
        let style = if condition == Condition::Alarm { theme.alarm } else { theme.dim };
        return (format!("{name}{more}  {}", words::age(env.now - violation.started)), style);
    }
    if device.findings() > 0
        && let Some(finding) = env.fleet.own_findings().iter().find(|f| f.device == id)
    {
        let name = quell_fleet::text::SafeText::new(&finding.behavior.name);
        let style = if condition == Condition::Finding { theme.warning } else { theme.dim };
        return (format!("{name}  {}", words::age(env.now - finding.found)), style);
    }
    if let Some(warning) = device.warning() {
        let text = if s.ascii { warning.text.as_str().replace('×', "x") } else { warning.text.to_string() };
        return (text, theme.warning);
    }
    match condition {
        Condition::Contained => match device.quarantined_in() {
            Some(group) => (format!("member of {}", group.shown()), theme.dim),
            None => (String::new(), theme.dim),
        },
        Condition::Stale => match device.last_seen() {
            Some(at) => (format!("last heard {}", words::ago(env.now - at)), theme.dim),
            None => (not_heard(env, id), theme.dim),
        },
        Condition::Ok if device.last_seen().is_none() => (not_heard(env, id), theme.dim),
        Condition::Ok
            if env.fleet.focus().listened().is_some() && env.fleet.listening(id).since().is_none() =>
        {
            (NOT_STREAMED.to_owned(), theme.dim)
        }
        Condition::Unattributed => ("topic of no known thing".to_owned(), theme.dim),
        _ => (String::new(), theme.dim),
    }
}
