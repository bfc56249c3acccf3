//! Header and the banner of leaks: what stands above every view.

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use quell_fleet::state::{Containment, Proof};
use quell_fleet::{Heed, LinkState, SourceId, Word};

use super::super::app::{App, Env};
use super::super::command;
use super::super::paint::{Paint, Part, part};
use super::super::words;
use super::{reason, short, word_style};

/// A part of the header: the lower its rank, the longer it stays on a screen that narrows.
type Ranked<'a> = (u8, Vec<Part<'a>>);

/// Where we are, how fresh it is, what time it is; how bad it is stands below that where there is a line for it, else
/// between. Parts fall away from narrow screens, the least needed first.
pub(super) fn header(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, below: Option<Rect>) {
    let theme = paint.theme;
    let left = place(app, env, theme);
    let mut right: Vec<Ranked<'_>> =
        vec![(2, mqtt(env, theme, below.is_some())), (5, polls(app, env, theme))];
    if let Some(text) = standing(env) {
        right.push((1, vec![part(format!("{}{text}", theme.symbols.warn), theme.warning)]));
    }
    let mut counted = counts(app, env, theme);
    if let Some(line) = below {
        row(paint, line, counted, last_contained(app, env, theme).into_iter().collect());
    } else {
        right.append(&mut counted);
    }
    right.push((3, vec![part(words::clock(env.now, &app.look.zone), theme.text)]));
    row(paint, area, left, right);
}

/// Parts at the left and at the right of a line.
fn row(paint: &mut Paint<'_>, area: Rect, mut left: Vec<Ranked<'_>>, mut right: Vec<Ranked<'_>>) {
    let width = |parts: &[Ranked<'_>]| -> usize {
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

/// What is looked at, and as whom.
fn place<'a>(app: &App, env: &Env<'a>, theme: &super::Theme) -> Vec<Ranked<'a>> {
    let s = theme.symbols;
    let mut left: Vec<Ranked<'a>> = vec![(0, vec![part("quell", theme.brand)])];
    if let Some(badge) = &app.look.badge {
        // The factor of time is quell's own word.
        let badge = badge.as_str().replace('×', s.times);
        left.push((1, vec![part(format!(" {badge} "), theme.badge)]));
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
            match env.fleet.alias() {
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
                Some(trouble) => {
                    let whole = reason(trouble);
                    // The panes have all of it; here it must not push the rest off the line.
                    let fits = whole.width() * 3 <= usize::from(app.size().0);
                    let text = if fits { whole } else { short(trouble.kind).to_owned() };
                    left.push((3, vec![part(text, theme.unknown)]));
                }
                None if app.look.aws => {
                    left.push((6, vec![part(format!("connecting {}", s.more), theme.dim)]));
                }
                None => left.push((6, vec![part("no AWS", theme.dim)])),
            }
        }
    }
    left
}

/// How many things there are, and how many of each word, as the rows and the grid say it: the worst first, and the calm ones
/// fall away first.
fn counts<'a>(app: &App, env: &Env<'_>, theme: &super::Theme) -> Vec<Ranked<'a>> {
    let s = theme.symbols;
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
    let mut parts: Vec<Ranked<'a>> = vec![(6, vec![part(things, theme.text)])];
    if env.fleet.has_more_topics() {
        // The link's view says what to do about it.
        parts.push((2, vec![part(format!("{}more topics than are told apart", s.warn), theme.warning)]));
    }
    for (word, n) in counts.each() {
        let rank = match word {
            Word::Leaking | Word::NotHeld => 0,
            Word::Alarm => 1,
            Word::Finding | Word::Warning | Word::Unproven => 2,
            Word::Containing | Word::Contained | Word::Revoked => 3,
            Word::Silent | Word::NoData | Word::Ok | Word::Unknown | Word::Unattributed => 6,
        };
        // An inverse word has its ground round it.
        let text = if rank <= 1 { format!(" {n} {word} ") } else { format!("{n} {word}") };
        parts.push((rank, vec![part(text, word_style(theme, word))]));
    }
    if counts.of(Word::Alarm) == 0 {
        let none = match counts.alarms_known {
            true => part("0 ALARM", theme.dim),
            false if !app.look.aws => part("no Detect", theme.dim),
            false => part("? ALARM", theme.unknown),
        };
        parts.push((1, vec![none]));
    }
    parts
}

/// What was proven last, by whom, and how long it took: `contained Thing02 in 3.3 s (14:21:58, ana)`.
fn last_contained<'a>(app: &App, env: &Env<'_>, theme: &super::Theme) -> Option<Ranked<'a>> {
    let counts = env.fleet.counts();
    if counts.of(Word::Contained) + counts.of(Word::Revoked) == 0 {
        return None;
    }
    let held = env.fleet.devices().filter(|(_, d)| matches!(d.word(), Word::Contained | Word::Revoked));
    let proven = held.filter_map(|(id, device)| match env.fleet.facets(id).containment {
        Containment::Contained(proof) | Containment::Revoked(proof) => match proof {
            Proof::Response { began, proven, by, .. } => Some((proven, began, by.cloned(), device)),
            Proof::Seen { .. } => None,
        },
        _ => None,
    });
    let (at, began, by, device) = proven.max_by_key(|(proven, ..)| *proven)?;
    let by = by.map(|who| format!(", {who}")).unwrap_or_default();
    let verb = if device.word() == Word::Revoked { "revoked" } else { "contained" };
    let text = format!(
        "{} {verb} {} in {} ({}{by})",
        theme.symbols.check,
        device.name().shown(),
        words::took((at - began).max(0)),
        words::moment(at, env.now, &app.look.zone)
    );
    Some((2, vec![part(text, theme.good)]))
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

fn mqtt<'a>(env: &Env<'_>, theme: &super::Theme, whole: bool) -> Vec<Part<'a>> {
    let s = theme.symbols;
    match env.fleet.link().state() {
        LinkState::Up => {
            let mut parts = match env.fleet.rates(env.now) {
                Some(rates) => vec![
                    part(format!("{}MQTT", s.up), theme.good),
                    part(
                        format!(
                            " {}/s {}/s",
                            words::number(rates.messages_per_s),
                            words::bytes(rates.bytes_per_s)
                        ),
                        theme.text,
                    ),
                ],
                // It seems to stand, and nothing comes any more.
                None => vec![part(format!("{}MQTT {} suspect", s.down, s.dash), theme.alarm)],
            };
            if let Some(share) = env.fleet.near_limit(env.now) {
                // Beyond it one connection to AWS loses messages without a word (docs/aws-iot.md#3.3).
                let text = format!(" {}{:.0} % of limit", s.warn, share * 100.0);
                parts.push(part(text, if share >= 0.97 { theme.alarm } else { theme.warning }));
            } else if whole
                && env.fleet.link().connections() == 1
                && let (Some((messages, bytes)), Some(rates)) =
                    (env.fleet.ceiling(), env.fleet.rates(env.now))
            {
                let share = (rates.messages_per_s / messages).max(rates.bytes_per_s / bytes) * 100.0;
                parts.push(part(format!(" {} {share:.0} % of limit", s.dot), theme.dim));
            }
            let refused = env.fleet.link().refused().len();
            if refused > 0 {
                let text = words::plural(refused, "filter", "filters");
                parts.push(part(format!(" {}{text} refused", s.warn), theme.warning));
            }
            parts
        }
        LinkState::Off | LinkState::Connecting => vec![part(format!("{}MQTT connecting", s.down), theme.dim)],
        LinkState::Down { retry_at, .. } => {
            let again =
                retry_at.map(|at| format!(", again {}", words::within(at - env.now))).unwrap_or_default();
            vec![part(format!("{}MQTT down{again}", s.down), theme.alarm)]
        }
    }
}

/// A read that should have come back so long ago is not merely slow.
const OVERDUE: i64 = 10_000;

fn polls<'a>(app: &App, env: &Env<'_>, theme: &super::Theme) -> Vec<Part<'a>> {
    let s = theme.symbols;
    if !app.look.aws {
        return vec![part("no AWS", theme.dim)];
    }
    let violations =
        env.fleet.polls().find(|(source, _)| **source == SourceId::Violations).map(|(_, state)| state);
    match violations {
        None => vec![part(format!("{}AWS {}", s.down, s.more), theme.dim)],
        Some(state) => {
            let age = state.last_ok.map(|at| (env.now - at).max(0));
            // In steps of five seconds: a header that counts would cost a frame a second and tell nothing more.
            let age = age.map(|ms| format!("read {}", words::ago(ms / 5_000 * 5_000)));
            match (&state.trouble, age) {
                (Some(trouble), Some(age)) => {
                    vec![part(format!("{}AWS {age}, {}", s.down, short(trouble.kind)), theme.warning)]
                }
                (Some(trouble), None) => {
                    vec![part(format!("{}AWS {}", s.down, short(trouble.kind)), theme.warning)]
                }
                // Asked, and nobody answers: a network that hangs tells nothing for half a minute a call.
                (None, Some(age)) if state.next_at.is_some_and(|next| env.now - next > OVERDUE) => {
                    vec![part(format!("{}AWS {age}, no answer yet", s.down), theme.warning)]
                }
                (None, Some(age)) => {
                    vec![part(format!("{}AWS", s.up), theme.good), part(format!(" {age}"), theme.text)]
                }
                (None, None) => vec![part(format!("{}AWS {}", s.down, s.more), theme.dim)],
            }
        }
    }
}

/// Nothing can be heard: on every screen until it is over, since all that is below is as old.
pub(super) fn deaf(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let Heed::Deaf(why, since) = env.fleet.heed() else { return };
    let at = words::moment(since, env.now, &app.look.zone);
    let text = format!(
        " {} NOT LISTENING since {at}: nothing below is newer {} {why}",
        theme.symbols.warn, theme.symbols.dash
    );
    paint.style(area, theme.alarm_state);
    paint.text(area.x, area.y, area.width, &text, theme.alarm_state);
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
