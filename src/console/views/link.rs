//! The connection: where it leads, what it carries, what it lost and what was refused; and how reading AWS goes.

use ratatui::layout::Rect;

use quell_fleet::known::TroubleKind;
use quell_fleet::{LinkState, Loss, LossKind};

use super::super::app::{App, Env, ListId};
use super::super::paint::{Paint, inside, part, wrap};
use super::super::words;
use super::layout::Place;
use super::text::{self, Line};
use super::{Theme, frame, reason};

/// Filters listed of those of single things.
const FILTERS: usize = 12;

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let fact = part(words::plural(env.fleet.losses().iter().len(), "loss", "losses"), theme.text);
    let inner = frame(paint, area, true, "Connection", vec![fact]);
    text::scrolled(paint, (area, inner), &told(app, env, inner), app.list(ListId::Text), theme.dim);
}

pub(super) fn place(app: &App, env: &Env<'_>, area: Rect) -> Place {
    let inner = inside(area);
    Place::Text { lines: told(app, env, inner).len(), page: inner.height.into() }
}

fn told<'a>(app: &'a App, env: &Env<'a>, inner: Rect) -> Vec<Line<'a>> {
    let theme = &app.look.theme;
    let totals = env.fleet.losses().totals();
    let width = inner.width.saturating_sub(2) as usize;
    let mut lines = connection(app, env, theme, width);
    lines.extend(standing(app, env, theme, width));
    heading(&mut lines, "Lost", theme);
    let text = format!(
        "  {}, {} without one; {} at the limit; {} messages counted but not kept; {} throttled",
        words::plural(
            usize::try_from(totals.disconnects).unwrap_or(usize::MAX),
            "lost connection",
            "lost connections"
        ),
        words::took(totals.disconnected),
        words::plural(usize::try_from(totals.at_limit).unwrap_or(usize::MAX), "time", "times"),
        words::count(totals.merged),
        words::plural(usize::try_from(totals.throttled).unwrap_or(usize::MAX), "read", "reads"),
    );
    lines.push(vec![part(text, theme.text)]);
    for loss in env.fleet.losses().iter().rev() {
        lines.push(lost(app, env, theme, loss));
    }
    lines.extend(subscribed(env, theme));
    heading(&mut lines, "Read from AWS", theme);
    for (source, state) in env.fleet.polls() {
        let age = state.last_ok.map_or("never".to_owned(), |at| words::ago((env.now - at).max(0)));
        let mut line = vec![part(format!("  {:<44} {age:<12} ", source.words()), theme.text)];
        if let Some(trouble) = &state.trouble {
            let style = if trouble.kind == TroubleKind::Throttled { theme.warning } else { theme.unknown };
            line.push(part(reason(trouble), style));
        }
        lines.push(line);
    }
    lines
}

fn heading(lines: &mut Vec<Line<'_>>, text: &'static str, theme: &Theme) {
    lines.push(Vec::new());
    lines.push(vec![part(text, theme.brand)]);
}

fn connection<'a>(app: &App, env: &Env<'_>, theme: &Theme, width: usize) -> Vec<Line<'a>> {
    let link = env.fleet.link();
    let since = link
        .since()
        .map(|at| format!(" since {}", words::moment(at, env.now, &app.look.zone)))
        .unwrap_or_default();
    let mut lines: Vec<Line<'a>> = Vec::new();
    match link.state() {
        LinkState::Up => lines.push(vec![part(format!("MQTT is up{since}"), theme.good)]),
        LinkState::Off | LinkState::Connecting => {
            lines.push(vec![part(format!("MQTT is connecting{since}"), theme.dim)]);
        }
        LinkState::Down { reason, retry_at } => {
            let again = match retry_at {
                Some(at) => format!("; again {}", words::within(at - env.now)),
                None => "; stopped".to_owned(),
            };
            for line in wrap(&format!("MQTT is down{since}: {reason}{again}"), width) {
                lines.push(vec![part(line, theme.alarm)]);
            }
        }
    }
    if let Some(id) = link.client_id() {
        let many = match link.connections() {
            1 => String::new(),
            n => format!(", {n} connections that share the filters"),
        };
        lines.push(vec![part(format!("  as {id}, {}{many}", reconnected(link.reconnects())), theme.text)]);
    }
    let rates = env.fleet.rates(env.now);
    let carries = match rates {
        Some(rates) => {
            format!("  {}/s, {}/s", words::number(rates.messages_per_s), words::bytes(rates.bytes_per_s))
        }
        None => format!("  {} no rate: nothing can be heard", theme.symbols.dash),
    };
    let mut line = vec![part(carries, theme.text)];
    if let Some((messages, bytes)) = env.fleet.ceiling() {
        let text = format!(
            "   AWS carries {messages:.0}/s and {}/s on one connection and discards the rest without a word",
            words::bytes(bytes)
        );
        let near = env.fleet.near_limit(env.now);
        line.push(part(text, if near.is_some() { theme.warning } else { theme.dim }));
        lines.push(line);
        if let Some(share) = near {
            let text = format!(
                "  {} {:.0} % of the limit: what is shown may not be all; several filters and mqtt.connections share the load",
                theme.symbols.warn,
                share * 100.0
            );
            lines.extend(wrap(&text, width).into_iter().map(|line| vec![part(line, theme.warning)]));
        }
    } else {
        lines.push(line);
    }
    if env.fleet.has_more_topics() {
        let text = format!(
            "  {} more topics came than the {} that are told apart: the others share a row; --memory-budget 80MB tells a million apart",
            theme.symbols.warn,
            env.fleet.topics()
        );
        lines.extend(wrap(&text, width).into_iter().map(|line| vec![part(line, theme.warning)]));
    }
    for (filter, why) in link.refused() {
        let text = format!("  {} {filter} is refused: {why}", theme.symbols.cross);
        lines.extend(wrap(&text, width).into_iter().map(|line| vec![part(line, theme.warning)]));
    }
    lines
}

/// The filters in force. Below what tells how the connection is: there are many, and those refused are told first.
fn subscribed<'a>(env: &Env<'_>, theme: &Theme) -> Vec<Line<'a>> {
    let link = env.fleet.link();
    let all = link.filters().len();
    let mut lines = Vec::new();
    if all == 0 {
        return lines;
    }
    heading(&mut lines, "Subscribed", theme);
    // Where single things are streamed, each has filters of its own: the table shows which they are.
    let shown = if env.fleet.focus().listened().is_some() { all.min(FILTERS) } else { all };
    for filter in link.filters().iter().take(shown) {
        lines.push(vec![part(format!("  {} {filter}", theme.symbols.check), theme.dim)]);
    }
    if all > shown {
        lines.push(vec![part(
            format!("  {} {} more of single things", theme.symbols.check, all - shown),
            theme.dim,
        )]);
    }
    lines
}

fn reconnected(times: u64) -> String {
    match times {
        0 => "never reconnected".to_owned(),
        1 => "reconnected once".to_owned(),
        n => format!("reconnected {n} times"),
    }
}

fn standing<'a>(app: &App, env: &Env<'_>, theme: &Theme, width: usize) -> Vec<Line<'a>> {
    let mut lines = Vec::new();
    if !app.look.aws {
        return lines;
    }
    heading(&mut lines, "AWS", theme);
    if let Some(identity) = env.fleet.identity().get() {
        let text = format!("  {} in {} ({})", identity.arn, identity.region, identity.account);
        lines.push(vec![part(text, theme.text)]);
    }
    let known = env.fleet.standing();
    if let Some(trouble) = known.trouble() {
        lines.push(vec![part(format!("  credentials: {}", trouble.message), theme.warning)]);
    } else if let Some(standing) = known.get() {
        let ends = match standing.expires {
            Some(end) if end <= env.now => "have ended".to_owned(),
            Some(end) => format!("end in {}", words::age(end - env.now)),
            None => "do not end".to_owned(),
        };
        let skew = match standing.skew {
            0 => "agrees with AWS's".to_owned(),
            ms => format!("is {} off AWS's, which is made up for", words::age(ms.abs())),
        };
        lines.push(vec![part(format!("  credentials {ends}; this clock {skew}"), theme.text)]);
    }
    if let Some(command) = app.reach() {
        let lead = "  a local cloud, which the AWS CLI reaches too:";
        lines.push(vec![part(lead, theme.text)]);
        // It is typed or copied from here: none of it is cut.
        for line in wrap(command.as_str(), width.saturating_sub(2)) {
            lines.push(vec![part(format!("  {line}"), theme.key)]);
        }
    }
    if let Some(so_far) = env.fleet.reading() {
        lines.push(vec![part(format!("  reading the registry: {so_far} things so far"), theme.text)]);
    }
    lines.extend(super::indexed::lines(app, env, theme));
    lines
}

fn lost<'a>(app: &App, env: &Env<'_>, theme: &Theme, loss: &Loss) -> Line<'a> {
    let from = words::moment(loss.from, env.now, &app.look.zone);
    let lasted = match loss.to {
        Some(to) => words::age(to - loss.from),
        None => format!("{} and still", words::age(env.now - loss.from)),
    };
    let text = match &loss.kind {
        LossKind::NotConnected(why) => format!("not connected: {why}"),
        LossKind::AtLimit => "at the limit: AWS discards the excess without a word".to_owned(),
        LossKind::Merged(count) => {
            format!("{} messages counted but not kept one by one", words::count(*count))
        }
        LossKind::Throttled(source) => format!("throttled by AWS: {}", source.words()),
    };
    let style = if loss.to.is_none() { theme.warning } else { theme.text };
    vec![part(format!("  {from:<9} {lasted:<14} "), theme.dim), part(text, style)]
}
