//! The last line of every screen: which keys do what here, and the last thing that happened.

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use quell_fleet::text::SafeText;

use super::super::app::{App, ListId, Tone, View};
use super::super::command;
use super::super::dialogs::Dialog;
use super::super::keymap::Found;
use super::super::paint::{Paint, part};
use super::super::words;

/// Below this many columns what was done last is told in a few words: keys are worth more.
const NARROW: u16 = 100;

/// What the keys do here, and the last thing that happened.
pub(super) fn draw(app: &App, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    if let Some(Dialog::Filter(line)) = app.dialog() {
        let used = paint.text(area.x, area.y, area.width, " / ", theme.key);
        let text = SafeText::new(line.input.value());
        let wide =
            paint.text(area.x + used, area.y, area.width.saturating_sub(used), text.as_str(), theme.text);
        paint.cell(area.x + used + wide, area.y, " ", theme.cursor);
        let hint = "state:alarm  size>1k  rate>10  group:NAME  topic:dt/+/x  !word  ~fuzzy   ";
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
        Some((text, Tone::Brief, _)) => (text.to_string(), theme.dim),
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
            let word = app.verb_of(&action.id).map_or("proven", |verb| verb.words().proven);
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
        Some(Outcome::Left) => (s.warn, "left unproven"),
    };
    if narrow { format!("{shape} {word}") } else { format!("{shape} {}: {word}", action.title) }
}

/// A key as the eye knows it.
pub(in crate::console) fn shown_key(key: &str, theme: &super::Theme) -> String {
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
    if let Some(dialog) = app.dialog() {
        return dialog.component().hints(app);
    }
    match app.focused_list() {
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
        ListId::Rules => &["rule-form", "rule-switch", "rule-new", "help", "rule-delete", "filter", "back"],
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
    }
}
