//! The device table.

use ratatui::layout::Rect;

use quell_fleet::Device;
use quell_fleet::format::few;

use super::super::app::{App, Env, Key, ListId};
use super::super::paint::{Paint, inside, part, wrap};
use super::columns::{self, Row, Table};
use super::spark::{self, Scale};
use super::text;
use super::{absence, filtered, frame, placed, quiet, reason, scroll_bar};

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
    match app.joined_since_range() {
        None => {}
        Some(0) => facts.push(part("range", theme.mark)),
        Some(n) => facts.push(part(format!("range without {n} that came since"), theme.warning)),
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
        let row = Row { table: &table, id, device: env.fleet.device(id) };
        columns::row(&row, paint, line, &columns);
        if here {
            paint.select(line, focused);
        }
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
    let why = match (env.fleet.registered().get(), app.look.aws) {
        (Some(_), _) => "the registry has no things, and nothing was heard yet",
        (None, true) => return absence(app, env.fleet.registered(), "things", paint, inner),
        (None, false) => "nothing was heard yet",
    };
    let theme = paint.theme;
    let width = usize::from(inner.width.saturating_sub(2));
    let mut lines: Vec<_> = wrap(why, width).into_iter().map(|line| vec![part(line, theme.text)]).collect();
    lines.push(Vec::new());
    for (what, text) in next_steps(app, env) {
        for (n, line) in wrap(&text, width.saturating_sub(STEP)).into_iter().enumerate() {
            let lead = if n == 0 { what } else { "" };
            lines.push(vec![part(format!("{lead:<STEP$}"), theme.label), part(line, theme.dim)]);
        }
    }
    text::lines(paint, inner, &lines);
}

/// The column of what a next step is for.
const STEP: usize = 10;

/// What to do where there is nothing: who listens to what is not sent hears nothing for ever.
fn next_steps(app: &App, env: &Env<'_>) -> Vec<(&'static str, String)> {
    let way = |id: &str| app.key_for(id).unwrap_or_else(|| format!(":{id}"));
    let filters = env.fleet.link().filters();
    // What AWS itself sends is no topic of a device.
    let own = filters.iter().filter(|filter| !filter.as_str().starts_with("$aws/"));
    let heard = match own.clone().next() {
        Some(_) => few(own, ToString::to_string),
        None if env.fleet.link().is_up() => "no topic of devices".to_owned(),
        None => "nothing yet: MQTT is not up".to_owned(),
    };
    let mut steps = vec![
        ("listens", format!("to {heard}; {} tells more", way("link"))),
        ("other", "topics: --topic FILTER, or topics = [...] in the configuration".to_owned()),
    ];
    if app.look.aws {
        steps.push(("ready?", format!("{} says what an incident needs (quell doctor)", way("doctor"))));
    }
    steps.push(("new here?", format!("{} leads through an incident; quell demo makes one", way("guide"))));
    steps
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
