//! Header, footer and the banner of leaks: what stands around every view.

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use crate::fleet::known::TroubleKind;
use crate::fleet::{LinkState, SourceId};
use crate::text::SafeText;

use super::super::app::{App, Env, ListId, Overlay, Tone, View};
use super::super::command;
use super::super::keymap::Found;
use super::super::paint::{Paint, Part, part};
use super::super::words;
use super::reason;

/// Below this many columns what was done last is told in a few words: keys are worth more.
const NARROW: u16 = 100;

/// Where we are, how fresh it is, how bad it is, what time it is. Parts fall away from narrow screens, the least
/// needed first.
pub(super) fn header(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let s = theme.symbols;
    let mut left: Vec<(u8, Vec<Part<'_>>)> = vec![(0, vec![part("quell", theme.brand)])];
    if let Some(badge) = &app.look.badge {
        let text = if s.ascii { badge.as_str().replace('×', "x") } else { badge.to_string() };
        left.push((1, vec![part(format!(" {text} "), theme.badge)]));
    }
    if app.is_recording() {
        left.push((1, vec![part(" REC ", theme.badge)]));
    }
    if app.look.read_only {
        // Never falls away: who looks must know that nothing here can be sent.
        left.push((0, vec![part(" READ-ONLY ", theme.badge)]));
    }
    if app.is_instructing() {
        left.push((0, vec![part(" INSTRUCTOR ", theme.badge)]));
    }
    match env.fleet.identity().get() {
        Some(identity) => {
            left.push((4, vec![part(identity.region.as_str(), theme.text)]));
            match &identity.alias {
                // Names the account as well as its number does: for a room, neither.
                Some(alias) if !app.is_instructing() => {
                    let text = format!("{alias} ({})", identity.account);
                    left.push((6, vec![part(text, theme.dim)]));
                }
                _ => left.push((6, vec![part(identity.account.as_str(), theme.dim)])),
            }
            left.push((7, vec![part(tail(identity.arn.as_str()), theme.dim)]));
        }
        None => {
            let trouble = env.fleet.identity().trouble().or(app.startup_trouble());
            match trouble {
                Some(trouble) => left.push((3, vec![part(reason(trouble), theme.unknown)])),
                None if app.look.aws => {
                    left.push((6, vec![part(format!("connecting {}", s.more), theme.dim)]));
                }
                None => left.push((6, vec![part("no AWS", theme.dim)])),
            }
        }
    }
    let mut right: Vec<(u8, Vec<Part<'_>>)> = vec![(2, mqtt(env, theme)), (5, polls(app, env, theme))];
    if let Some(text) = standing(env) {
        right.push((1, vec![part(format!("{}{text}", s.warn), theme.warning)]));
    }
    let counts = env.fleet.counts();
    let things = if let Some(so_far) = env.fleet.reading() {
        format!("reading {so_far} things {}", s.more)
    } else if let (Some(_), Some(total)) = (env.fleet.indexing().used(), env.fleet.registered().get()) {
        let streamed = env.fleet.focus().listened().map(|n| format!(", {n} streamed")).unwrap_or_default();
        format!("{total} things (indexed), {} shown{streamed}", counts.devices)
    } else if env.fleet.registered().get().is_some() || counts.devices > 0 {
        words::plural(counts.devices, "thing", "things")
    } else {
        "? things".to_owned()
    };
    right.push((6, vec![part(things, theme.text)]));
    if counts.leaking > 0 {
        right.push((0, vec![part(format!("{} LEAKING", counts.leaking), theme.leaking)]));
    }
    right.push((
        1,
        vec![match counts.alarm {
            Some(0) => part("0 alarm", theme.dim),
            Some(n) => part(format!("{n} alarm"), theme.alarm),
            None if !app.look.aws => part("no Detect", theme.dim),
            None => part("? alarm", theme.unknown),
        }],
    ));
    if counts.finding > 0 {
        right.push((2, vec![part(words::plural(counts.finding, "finding", "findings"), theme.warning)]));
    }
    if counts.containing > 0 {
        right.push((3, vec![part(format!("{} containing", counts.containing), theme.busy)]));
    }
    if counts.contained > 0 {
        right.push((3, vec![part(format!("{} isolated", counts.contained), theme.good)]));
    }
    right.push((3, vec![part(words::clock(env.now, &app.look.zone), theme.text)]));
    let width = |parts: &[(u8, Vec<Part<'_>>)]| -> usize {
        parts.iter().map(|(_, p)| p.iter().map(|(t, _)| t.width()).sum::<usize>() + 2).sum()
    };
    while width(&left) + width(&right) > area.width as usize {
        let Some(worst) = left.iter().chain(&right).map(|(rank, _)| *rank).max().filter(|r| *r > 0) else {
            break;
        };
        left.retain(|(rank, _)| *rank < worst);
        right.retain(|(rank, _)| *rank < worst);
    }
    let mut x = area.x + u16::from(area.width > 40);
    for (_, parts) in &left {
        x += paint.line(x, area.y, area.right().saturating_sub(x), parts) + 2;
    }
    let start = area.right().saturating_sub((width(&right) as u16).saturating_sub(1)).max(x);
    let mut x = start;
    for (_, parts) in &right {
        x += paint.line(x, area.y, area.right().saturating_sub(x), parts) + 2;
    }
}

/// The user's or role's own name.
fn tail(arn: &str) -> String {
    let path = arn.rsplit(':').next().unwrap_or(arn);
    let path = path.strip_prefix("assumed-role/").or_else(|| path.strip_prefix("user/")).unwrap_or(path);
    path.to_owned()
}

/// What is about to go wrong between AWS and us: credentials that end soon, a clock that is off.
fn standing(env: &Env<'_>) -> Option<String> {
    /// Credentials that renew themselves do so five minutes ahead; what is left when this is said does not.
    const SOON: i64 = 15 * 60_000;
    const NOW: i64 = 4 * 60_000;
    let known = env.fleet.standing();
    if let Some(trouble) = known.trouble() {
        return Some(format!("credentials: {}", trouble.message));
    }
    let standing = known.get()?;
    if let Some(left) = standing.expires.map(|end| end - env.now) {
        if left <= 0 {
            return Some(
                "credentials have ended: sign in again elsewhere, quell goes on by itself".to_owned(),
            );
        }
        if left < NOW {
            return Some(format!("credentials end in {}: sign in again elsewhere", words::age(left)));
        }
        if left < SOON {
            return Some(format!("credentials end in {}", words::age(left / 60_000 * 60_000)));
        }
    }
    let seconds = standing.skew / 1_000;
    (seconds.abs() >= 60).then(|| format!("this clock is {} off AWS's", words::age(standing.skew.abs())))
}

fn mqtt<'a>(env: &Env<'_>, theme: &super::Theme) -> Vec<Part<'a>> {
    let s = theme.symbols;
    match env.fleet.link().state() {
        LinkState::Up => {
            let rates = env.fleet.rates(env.now);
            let mut parts = vec![
                part(format!("{}mqtt", s.up), theme.good),
                part(
                    format!(
                        " {}/s {}/s",
                        words::number(rates.messages_per_s),
                        words::bytes(rates.bytes_per_s)
                    ),
                    theme.text,
                ),
            ];
            if let Some(share) = env.fleet.near_limit(env.now) {
                // Beyond it one connection to AWS loses messages without a word (contract §3.3).
                let text = format!(" {}{:.0} % of limit", s.warn, share * 100.0);
                parts.push(part(text, if share >= 0.97 { theme.alarm } else { theme.warning }));
            }
            let refused = env.fleet.link().refused().len();
            if refused > 0 {
                let text = words::plural(refused, "filter", "filters");
                parts.push(part(format!(" {}{text} refused", s.warn), theme.warning));
            }
            parts
        }
        LinkState::Off | LinkState::Connecting => vec![part(format!("{}mqtt connecting", s.down), theme.dim)],
        LinkState::Down { retry_at, .. } => {
            let again =
                retry_at.map(|at| format!(", again {}", words::within(at - env.now))).unwrap_or_default();
            vec![part(format!("{}mqtt down{again}", s.down), theme.alarm)]
        }
    }
}

fn polls<'a>(app: &App, env: &Env<'_>, theme: &super::Theme) -> Vec<Part<'a>> {
    let s = theme.symbols;
    if !app.look.aws {
        return vec![part("no polls", theme.dim)];
    }
    let violations =
        env.fleet.polls().find(|(source, _)| **source == SourceId::Violations).map(|(_, state)| state);
    match violations {
        None => vec![part(format!("{}poll {}", s.down, s.more), theme.dim)],
        Some(state) => {
            let age = state.last_ok.map(|at| (env.now - at).max(0));
            // In steps of five seconds: a header that counts would cost a frame a second and tell nothing more.
            let age =
                age.map(|ms| if ms < 5_000 { "<5 s".to_owned() } else { words::age(ms / 5_000 * 5_000) });
            match (&state.trouble, age) {
                (Some(trouble), Some(age)) => {
                    vec![part(format!("{}poll {age}, {}", s.down, short(trouble.kind)), theme.warning)]
                }
                (Some(trouble), None) => {
                    vec![part(format!("{}poll {}", s.down, short(trouble.kind)), theme.warning)]
                }
                (None, Some(age)) => {
                    vec![part(format!("{}poll", s.up), theme.good), part(format!(" {age}"), theme.text)]
                }
                (None, None) => vec![part(format!("{}poll {}", s.down, s.more), theme.dim)],
            }
        }
    }
}

/// Why the polls say nothing, in a word or two.
fn short(kind: TroubleKind) -> &'static str {
    match kind {
        TroubleKind::Denied => "not allowed",
        TroubleKind::Throttled => "throttled",
        TroubleKind::Refused => "not offered",
        TroubleKind::Unreachable => "unreachable",
        TroubleKind::Credentials => "no valid credentials",
        TroubleKind::Failed => "failed",
    }
}

/// Isolated, yet heard: on every screen until it is over.
pub(super) fn leaks(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let Some((first, _)) = app.leaks().first() else { return };
    let more = app.leaks().len() - 1;
    let others = if more > 0 { format!(" and {more} more") } else { String::new() };
    let heard = env
        .fleet
        .find(first.raw())
        .and_then(|id| env.fleet.device(id).last_seen())
        .map(|at| format!(", {}", words::ago(env.now - at)))
        .unwrap_or_default();
    let revoke = command::find("revoke").map(|id| app.look.keymap.keys_of(id)).unwrap_or_default();
    let key = revoke.first().map(|k| format!("; {k} revokes")).unwrap_or_default();
    let text = format!(
        " {} LEAKING  {}{others}: isolated, yet heard{heard}{key}",
        theme.symbols.warn,
        first.shown()
    );
    paint.style(area, theme.leaking);
    paint.text(area.x, area.y, area.width, &text, theme.leaking);
}

/// What the keys do here, and the last thing that happened.
pub(super) fn footer(app: &App, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    if let Some(Overlay::Filter(_, input)) = app.overlay() {
        let used = paint.text(area.x, area.y, area.width, " / ", theme.key);
        let text = SafeText::new(input.value());
        let wide =
            paint.text(area.x + used, area.y, area.width.saturating_sub(used), text.as_str(), theme.text);
        paint.cell(area.x + used + wide, area.y, " ", theme.cursor);
        let hint = "state:alarm  size>1k  rate>10  group:NAME  topic:dt/+/x  !word   ";
        if area.width as usize > used as usize + wide as usize + hint.len() + 4 {
            paint.right(area.x, area.y, area.width, hint, theme.dim);
        }
        return;
    }
    if !app.pending().is_empty()
        && let Found::Pending(next) = app.look.keymap.find(app.scopes(), app.pending())
    {
        let begun: Vec<_> = app.pending().iter().map(ToString::to_string).collect();
        let mut parts = vec![part(format!(" {} ", begun.join(" ")), theme.key)];
        for (keys, id) in next {
            parts.push(part(format!("  {keys} "), theme.key));
            parts.push(part(command::get(id).name, theme.text));
        }
        paint.line(area.x, area.y, area.width, &parts);
        return;
    }
    let (note, style) = match app.status() {
        Some((text, Tone::Warn, _)) => (text.to_string(), theme.warning),
        Some((text, Tone::Calm, _)) => (text.to_string(), theme.text),
        None => match app.actions().last() {
            Some(action) => (last_action(app, action, area.width < NARROW), theme.dim),
            None => (String::new(), theme.dim),
        },
    };
    let room = area.width as usize;
    let note_width = note.width().min(room);
    // A note is read before keys are: it gets its room, keys the rest.
    let keys_room = if note.is_empty() { room } else { room.saturating_sub(note_width + 2) };
    let mut x = area.x + 1;
    for name in hints(app) {
        let Some(id) = command::find(name) else { continue };
        // A plan that cannot be sent is no hint; its key still shows what it would do.
        let barred = app.look.read_only || app.is_instructing() || !app.look.aws;
        if barred && command::get(id).danger != command::Danger::None {
            continue;
        }
        let Some(key) = app.look.keymap.key_for(app.scopes(), id) else { continue };
        let key = shown_key(&key, theme);
        let words = command::get(id).name;
        let wide = key.width() + words.width() + 3;
        if (x - area.x) as usize + wide > keys_room {
            break;
        }
        x += paint.text(x, area.y, area.width, &key, theme.key) + 1;
        x += paint.text(x, area.y, area.width, words, theme.dim) + 2;
    }
    if !note.is_empty() {
        paint.right(area.x, area.y, area.width.saturating_sub(u16::from(room > note_width)), &note, style);
    }
}

/// What the last response came to, for as long as nothing newer is to be said; in a few words where keys need the room.
fn last_action(app: &App, action: &crate::response::ActionView, narrow: bool) -> String {
    use crate::response::Outcome;
    let s = app.look.theme.symbols;
    let (shape, word) = match action.finished {
        None => (s.running, "under way"),
        Some(Outcome::Proven) => {
            let after = super::super::app::proven_after(action);
            let at = action.began + after.unwrap_or(0);
            let whom = match action.targets.as_slice() {
                [only] => only.name.shown().to_string(),
                many => words::plural(many.len(), "thing", "things"),
            };
            let word = super::super::app::done_word(app.verb_of(&action.id));
            let took = after.map(|ms| format!(" in {}", words::took(ms))).unwrap_or_default();
            if narrow {
                return format!("{} {word}{took}", s.check);
            }
            return format!("journal {} {} {whom} {word}{took}", s.check, words::clock(at, &app.look.zone));
        }
        Some(Outcome::Unproven) => (s.warn, "not proven"),
        Some(Outcome::Partly) => (s.warn, "partly done"),
        Some(Outcome::Failed) => (s.cross, "failed"),
        Some(Outcome::Interrupted) => (s.warn, "interrupted"),
    };
    if narrow { format!("{shape} {word}") } else { format!("{shape} {}: {word}", action.title) }
}

/// A key as the eye knows it.
pub(super) fn shown_key(key: &str, theme: &super::Theme) -> String {
    key.split(' ')
        .map(|k| match k {
            "enter" => theme.symbols.enter,
            "space" => theme.symbols.space,
            other => other,
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// The commands worth a hint here, the most wanted first.
fn hints(app: &App) -> &'static [&'static str] {
    match app.overlay() {
        Some(
            Overlay::Plan(_)
            | Overlay::Palette(_)
            | Overlay::Job(_)
            | Overlay::Group(_)
            | Overlay::Profile(_)
            | Overlay::Fields(_)
            | Overlay::Filter(..),
        ) => &[],
        Some(Overlay::Action(id)) => {
            let runs = app.actions().iter().all(|a| a.id != *id || a.finished.is_none());
            if runs { &["escape", "stop"] } else { &["escape"] }
        }
        Some(Overlay::Entry(_)) => &["escape", "undo", "finish", "down"],
        Some(Overlay::Recovered(_)) => &["finish", "undo", "escape", "down"],
        Some(Overlay::Payload(_)) => &["escape", "left", "right", "copy", "down"],
        Some(Overlay::Help(_)) => &["escape", "down", "up"],
        None => match app.focused_list() {
            ListId::Devices => &[
                "next-alarm",
                "isolate",
                "open",
                "filter",
                "mark",
                "help",
                "release",
                "revoke",
                "job",
                "sort",
                "palette",
            ],
            ListId::Stream => &["open", "pause", "filter", "help", "isolate", "zoom", "last"],
            ListId::Jobs | ListId::Executions => &["open", "job", "cancel-job", "back", "help", "filter"],
            ListId::Journal => &["open", "undo", "finish", "back", "help"],
            ListId::Profiles => &[
                "profile-form",
                "profile-new",
                "what-if",
                "profile-attach",
                "profile-detach",
                "profile-delete",
                "help",
                "dimension",
                "custom-metric",
                "profile-export",
                "profile-import",
                "back",
            ],
            ListId::Findings => &[
                "audit-start",
                "mitigate-finding",
                "audit-more",
                "audit-schedule",
                "suppress",
                "action-form",
                "help",
                "filter",
                "back",
            ],
            ListId::Rules => {
                &["rule-form", "rule-switch", "rule-new", "help", "rule-delete", "filter", "back"]
            }
            ListId::History => &["open", "verify", "filter", "isolate", "back", "help"],
            ListId::WhatIf => &[
                "what-if-raise",
                "what-if-lower",
                "what-if-operator",
                "what-if-statistic",
                "what-if-duration",
                "what-if-to-alarm",
                "what-if-next",
                "help",
                "what-if-reset",
                "what-if-to-clear",
                "back",
            ],
            ListId::Text if *app.view() == View::Link => &["down", "up", "back", "help", "profile", "region"],
            ListId::Text if *app.view() == View::Doctor => {
                &["setup", "setup-patchable", "examine", "back", "help"]
            }
            ListId::Text if *app.view() == View::Grid => &["instructor", "next-alarm", "back", "help"],
            ListId::Text => {
                &["isolate", "release", "focus-next", "deactivate", "revoke", "join-group", "back", "help"]
            }
            _ => &["next-alarm", "isolate", "open", "filter", "help", "zoom", "back"],
        },
    }
}
