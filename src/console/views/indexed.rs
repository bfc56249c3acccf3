//! What the fleet index says of an account too large to list, or why it is listed all the same.

use quell_fleet::Indexing;

use super::super::app::{App, Env};
use super::super::paint::{Part, part};
use super::super::words;
use super::Theme;

/// Lines for the view of the connection; none for an account of ordinary size.
pub(super) fn lines<'a>(app: &App, env: &Env<'_>, theme: &Theme) -> Vec<Vec<Part<'a>>> {
    let line = |text: String, style| vec![part(format!("  {text}"), style)];
    let index = match env.fleet.indexing() {
        Indexing::Unused => return Vec::new(),
        Indexing::Instead(why) => {
            return vec![line(format!("all things are listed: {why}"), theme.warning)];
        }
        Indexing::Used(index) => index,
    };
    let number = |n: Option<u64>| n.map_or_else(|| "? (not indexed)".to_owned(), |n| n.to_string());
    let mut lines = vec![line(
        format!(
            "fleet index: {} things; in alarm {}, connected {}, not connected {}",
            index.total,
            number(index.in_alarm),
            number(index.connected),
            number(index.disconnected)
        ),
        theme.text,
    )];
    lines.push(line(
        "in the table: what is in alarm, in quarantine, was heard or looked for (/), and the first few"
            .to_owned()
            + if index.cut { "; more than is shown" } else { "" },
        if index.cut { theme.warning } else { theme.dim },
    ));
    lines.push(streamed(app, env, theme));
    for (reason, count) in index.reasons.iter().take(4) {
        lines.push(line(format!("  {} not connected: {reason}", count), theme.dim));
    }
    for (group, count) in index.groups.iter().take(6) {
        lines.push(line(format!("  {} in {}", count, group.shown()), theme.dim));
    }
    lines
}

/// How much of it is streamed.
fn streamed<'a>(app: &App, env: &Env<'_>, theme: &Theme) -> Vec<Part<'a>> {
    let focus = env.fleet.focus();
    let (text, style) = match (focus.listened(), &app.look.streams_all) {
        (Some(listened), _) if listened < focus.wanted() => (
            format!(
                "streamed: {listened} of {} things on screen, marked or in alarm; a connection has room for no more \
                 (mqtt.connections)",
                focus.wanted()
            ),
            theme.warning,
        ),
        (Some(listened), _) => {
            let things = words::plural(listened, "thing", "things");
            (format!("streamed: the {things} on screen, marked or in alarm"), theme.text)
        }
        (None, Some(why)) => (format!("streamed: everything, {why}"), theme.warning),
        (None, None) => ("streamed: everything".to_owned(), theme.dim),
    };
    vec![part(format!("  {text}"), style)]
}
