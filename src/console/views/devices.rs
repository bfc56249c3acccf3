//! The device table.

use ratatui::layout::Rect;

use quell_fleet::event::Stage;
use quell_fleet::{Condition, Device, DeviceId};

use super::super::app::{App, Env, Key, ListId};
use super::super::paint::{Paint, inside, part};
use super::super::words;
use super::columns::{self, Row, Table};
use super::spark::{self, Scale};
use super::{absence, cursor_style, filtered, frame, placed, quiet, reason, scroll_bar};

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
    let list = app.list(ListId::Devices);
    let sort = rows.sort();
    let mut facts = vec![part(format!("{} {}", sort.words(), sort.mark(theme)), theme.dim)];
    // Rows follow a moment later: only a filter leaves any out.
    let filter = app.filter_of(ListId::Devices);
    facts.push(part(placed(list, total, filter.map(|_| shown)), theme.text));
    if app.marked() > 0 {
        facts.push(part(format!("{} marked", app.marked()), theme.mark));
    }
    if rows.is_held() {
        facts.push(part(format!("{}order held", theme.symbols.held), theme.warning));
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
    let table = Table { app, env, scale: Scale::of(app, env, rows.most()), span: spark::span(env) };
    let columns = columns::lay_out(inner.width, rows.longest());
    if head == 1 {
        columns::heads(&table, paint, inner, &columns);
    }
    for (y, id) in (inner.y + head..inner.bottom()).zip(app.devices_in_sight()) {
        let here = list.cursor() == Some(id.index() as Key);
        let line = Rect { y, height: 1, ..inner };
        if here {
            paint.text(line.x, y, 1, theme.symbols.cursor, theme.key);
        }
        if app.is_marked(id) {
            paint.text(line.x + 1, y, 1, theme.symbols.mark, theme.mark);
        }
        let row = Row { table: &table, id, device: env.fleet.device(id), chosen: here && focused };
        columns::row(&row, paint, line, &columns, here.then(|| cursor_style(theme, focused)));
    }
    scroll_bar(paint, area, list, focused);
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

/// The worst status among a device's certificates.
pub(super) fn certificate(
    app: &App,
    device: &Device,
    theme: &super::Theme,
) -> (String, ratatui::style::Style) {
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
pub(super) fn about(
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
