//! What the fleet index says of an account too large to list, or why it is listed all the same.

use crate::fleet::Indexing;

use super::super::app::Env;
use super::super::paint::{Part, part};
use super::Theme;

/// Lines for the view of the connection; none for an account of ordinary size.
pub(super) fn lines<'a>(env: &Env<'_>, theme: &Theme) -> Vec<Vec<Part<'a>>> {
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
        "in the table: what is in alarm, in quarantine, or was heard".to_owned()
            + if index.cut { "; more than is shown" } else { "" },
        if index.cut { theme.warning } else { theme.dim },
    ));
    for (reason, count) in index.reasons.iter().take(4) {
        lines.push(line(format!("  {} not connected: {reason}", count), theme.dim));
    }
    for (group, count) in index.groups.iter().take(6) {
        lines.push(line(format!("  {} in {}", count, group.shown()), theme.dim));
    }
    lines
}
