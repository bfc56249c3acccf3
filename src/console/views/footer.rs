//! The last line of every screen: which keys do what here, and the last thing that happened.

use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr as _;

use quell_fleet::Word;
use quell_fleet::text::SafeText;

use super::super::app::{App, Env, ListId, Tone, View};
use super::super::command;
use super::super::dialogs::Dialog;
use super::super::keymap::Found;
use super::super::paint::{Paint, fit, part};
use super::super::words;

/// Below this many columns what was done last is told in a few words: keys are worth more.
const NARROW: u16 = 100;

/// Keys that a note does not hide: what is likely next must be in sight while one is told that it went wrong.
const FIRST: usize = 4;

/// A note on the frame above the line, where there is one: the keys keep theirs. False where it is not drawn.
fn on_edge(paint: &mut Paint<'_>, area: Rect, text: &str, style: Style) -> bool {
    /// Cells on both sides of it.
    const SIDES: u16 = 2;
    let room = area.width.saturating_sub(2 * SIDES);
    let text = format!(" {} ", fit(text, usize::from(room.saturating_sub(2)), paint.theme.symbols.more));
    let wide = words::cells(&text).min(room);
    let Some(y) = area.y.checked_sub(1).filter(|_| wide > 2) else { return false };
    let at = Rect { x: area.right() - SIDES - wide, y, width: wide, height: 1 };
    // Between two panes the frame has corners.
    let [_, _, left, right, across, _] = paint.theme.symbols.frame;
    if !at
        .positions()
        .all(|at| [across, left, right].iter().any(|edge| paint.holds(Rect::from((at, (1, 1).into())), edge)))
    {
        return false;
    }
    paint.on_edge(at.x, at.y, wide, &[part(text, style)]);
    true
}

/// What the keys do here, and the last thing that happened.
pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    if let Some(Dialog::Filter(line)) = app.dialog() {
        let used = paint.text(area.x, area.y, area.width, " / ", theme.key);
        let text = SafeText::new(line.input.value());
        let wide =
            paint.text(area.x + used, area.y, area.width.saturating_sub(used), text.as_str(), theme.text);
        paint.cell(area.x + used + wide, area.y, " ", theme.cursor);
        let hint = match line.list {
            ListId::Stream => {
                "\"phrase\"  payload:RE  temperature>50  size>1k  topic:dt/+/x  kind:job  !word   "
            }
            ListId::Devices => "state:alarm  size>1k  rate>10  group:NAME  topic:dt/+/x  !word  ~fuzzy   ",
            _ => "words  \"phrase\"  !word  ~fuzzy   ",
        };
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
    let last = || match app.actions().last() {
        Some(action) => (last_action(app, action, area.width < NARROW), theme.dim),
        None => (String::new(), theme.dim),
    };
    let room = area.width as usize;
    let hints: Vec<_> = hints(app, env).into_iter().filter_map(|hint| hint.told(app)).collect();
    let wide = |(keys, words): &(String, &str)| keys.width() + words.width() + 3;
    let (note, style) = match app.status() {
        None => last(),
        Some((text, tone, _)) => {
            let style = match tone {
                Tone::Warn => theme.warning,
                Tone::Calm => theme.text,
                Tone::Brief => theme.dim,
            };
            let wanted: usize = hints.iter().take(FIRST).map(wide).sum();
            let beside = text.width() + 2 + wanted <= room;
            if beside || !on_edge(paint, area, text.as_str(), style) {
                (text.to_string(), style)
            } else {
                last()
            }
        }
    };
    let note_width = note.width().min(room);
    // A note is read before keys are: it gets its room, keys the rest.
    let keys_room = if note.is_empty() { room } else { room.saturating_sub(note_width + 2) };
    let mut x = area.x + 1;
    for (keys, words) in hints {
        let wide = keys.width() + words.width() + 3;
        if usize::from(x - area.x) + wide > keys_room {
            break;
        }
        x += paint.text(x, area.y, area.width, &keys, theme.key) + 1;
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

/// What is worth a hint.
#[derive(Clone, Copy, PartialEq)]
enum Hint {
    /// A command.
    One(&'static str),
    /// Two commands that belong together, and what they do.
    Pair(&'static str, &'static str, &'static str),
}

impl Hint {
    /// The keys in force and what they do; `None` where no key does it, or nothing can be changed.
    fn told(self, app: &App) -> Option<(String, &'static str)> {
        match self {
            Self::One(id) => {
                let command = command::get(command::find(id)?);
                // A plan that cannot be sent is no hint; its key still shows what it would do.
                if app.is_barred() && command.danger != command::Danger::None {
                    return None;
                }
                Some((app.key_for(id)?, command.name))
            }
            Self::Pair(one, other, words) => {
                Some((format!("{} {}", app.key_for(one)?, app.key_for(other)?), words))
            }
        }
    }
}

/// What is most likely next, the likeliest first.
fn hints(app: &App, env: &Env<'_>) -> Vec<Hint> {
    if let Some(dialog) = app.dialog() {
        return dialog.component().hints(app).iter().copied().map(Hint::One).collect();
    }
    let mut hints = Vec::new();
    if app.is_replaying() {
        hints.extend([
            Hint::One("replay-pause"),
            Hint::Pair("replay-back", "replay-forward", "seek"),
            Hint::Pair("replay-slower", "replay-faster", "speed"),
            Hint::One("replay-next-alarm"),
        ]);
    }
    let list = listed(app);
    let is_text = app.focused_list() == ListId::Text;
    let bare = nothing_chosen(app, list) && app.marked() == 0 && app.device_in_front(env).is_none();
    let fits = |id: &&str| !(bare && ABOUT_LINE.contains(id) || is_text && OF_LIST.contains(id));
    let wanted = likely(app, env).iter().chain(usual(app, list)).copied();
    hints.extend(wanted.filter(fits).map(Hint::One));
    let mut seen: Vec<Hint> = Vec::new();
    hints.retain(|hint| {
        let new = !seen.contains(hint);
        seen.push(*hint);
        new
    });
    hints
}

/// What the state of things suggests.
fn likely(app: &App, env: &Env<'_>) -> &'static [&'static str] {
    if app.marked() > 0 {
        return &["isolate", "release", "job", "join-group", "escape"];
    }
    if app.focused_list() == ListId::Stream && app.hits().is_some() {
        return &["hit-previous", "hit-next", "open", "hits-around", "filter"];
    }
    let word = app.device_in_front(env).map(|id| env.fleet.device(id).word());
    match word {
        Some(Word::Leaking | Word::NotHeld) => &["revoke", "isolate", "next-alarm"],
        Some(Word::Alarm | Word::Finding | Word::Warning) => &["isolate", "next-alarm", "open"],
        Some(Word::Contained | Word::Containing | Word::Unproven) => &["release", "last-action", "open"],
        _ if env.fleet.counts().of(Word::Alarm) > 0 => &["next-alarm"],
        _ => &[],
    }
}

/// What is about the line under the cursor: no hint where there is none.
const ABOUT_LINE: [&str; 24] = [
    "cancel-job",
    "copy",
    "deactivate",
    "device",
    "finish",
    "isolate",
    "join-group",
    "mark",
    "mitigate-finding",
    "open",
    "pause",
    "profile-attach",
    "profile-delete",
    "profile-detach",
    "profile-export",
    "release",
    "revoke",
    "rule-delete",
    "rule-form",
    "rule-switch",
    "sort",
    "suppress",
    "undo",
    "verify",
];

/// What is about a list as such: no hint where there is only text, or the chosen line has the screen.
const OF_LIST: [&str; 4] = ["filter", "mark", "open", "sort"];

/// The list that keys are about: the one behind a line that has the screen, too.
fn listed(app: &App) -> ListId {
    match app.view() {
        View::Shadows => ListId::Shadows,
        View::Profiles => ListId::Profiles,
        View::Audit => ListId::Findings,
        View::Rules => ListId::Rules,
        _ => app.focused_list(),
    }
}

/// Whether a list has no line that keys could be about.
fn nothing_chosen(app: &App, list: ListId) -> bool {
    match list {
        ListId::Text | ListId::WhatIf => false,
        // A stream that is followed has no cursor: what it shows last is opened.
        ListId::Stream => app.list(list).in_sight().is_empty(),
        // The executions are of a job, which can be cancelled without any.
        ListId::Executions => false,
        list => app.list(list).chosen().is_none(),
    }
}

/// The commands worth a hint in a view, the most wanted first.
fn usual(app: &App, list: ListId) -> &'static [&'static str] {
    match list {
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
        ListId::Stream => &["open", "pause", "filter", "copy", "help", "isolate", "last", "back"],
        ListId::Shadows => &["open", "device", "filter", "isolate", "copy", "help", "back"],
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
        ListId::Text if *app.view() == View::Guide => &["down", "up", "back", "help", "palette"],
        ListId::Text if *app.view() == View::Link => &["down", "up", "back", "help", "profile", "region"],
        ListId::Text if *app.view() == View::Doctor => {
            &["setup", "setup-patchable", "examine", "back", "help"]
        }
        ListId::Text if matches!(app.view(), View::Policy(_)) => {
            &["policy", "isolate", "release", "device", "note", "back", "help"]
        }
        ListId::Text if *app.view() == View::Grid => &["instructor", "next-alarm", "back", "help"],
        ListId::Text => {
            &["isolate", "release", "focus-next", "deactivate", "revoke", "join-group", "back", "help"]
        }
        _ => &["next-alarm", "isolate", "open", "filter", "help", "zoom", "back"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_back_where_there_is_no_line_are_commands() {
        for id in ABOUT_LINE.iter().chain(&OF_LIST) {
            assert!(command::find(id).is_some(), "{id}");
        }
    }
}
