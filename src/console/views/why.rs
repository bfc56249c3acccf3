//! Why a device has its word, in the few words of a row's last column: always what the word was made of.

use ratatui::style::Style;

use quell_fleet::event::Stage;
use quell_fleet::state::{After, Containment, Deaf, Health, Hearing, Missing, Proof, Sign, Voice};
use quell_fleet::text::SafeText;
use quell_fleet::{DeviceId, Ms};

use super::super::app::{App, Env};
use super::super::command;
use super::super::theme::Theme;
use super::super::words;

/// A colleague's release is told for this long.
const RELEASED: Ms = 600_000;

/// A command's first key, with what it does: `; R revokes`.
fn key(app: &App, command: &str, does: &str) -> String {
    let keys = command::find(command).map(|id| app.look.keymap.keys_of(id)).unwrap_or_default();
    keys.first().map(|key| format!("; {key} {does}")).unwrap_or_default()
}

/// `by ana 2 m ago`; nothing for what was done here.
fn by(who: Option<&SafeText>, ago: Ms) -> String {
    who.map(|who| format!("by {who} {}", words::ago(ago))).unwrap_or_default()
}

fn joined(dot: &str, parts: impl IntoIterator<Item = String>) -> String {
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(&format!(" {dot} "))
}

/// By what it was seen, and when.
fn seen((sign, at): (Sign, Ms), now: Ms) -> String {
    let word = if sign == Sign::Telemetry { "heard" } else { sign.word() };
    format!("{word} {}", words::ago(now - at))
}

/// What is missing to a proof, with the time it takes.
pub(super) fn missing(missing: &Missing<'_>, now: Ms) -> String {
    match missing {
        Missing::Policy { until } if *until > now => {
            format!("{missing}, for up to {}", words::age(*until - now))
        }
        Missing::Silence { until } if *until > now => {
            format!("{missing}: {} more", words::age(*until - now))
        }
        Missing::Silence { .. } => "silent, and the connection has not answered since".to_owned(),
        _ => missing.to_string(),
    }
}

/// Why the device is what it is.
pub(in crate::console) fn why(app: &App, env: &Env<'_>, id: DeviceId, theme: &Theme) -> (String, Style) {
    let (device, facets, now) = (env.fleet.device(id), env.fleet.facets(id), env.now);
    let dot = theme.symbols.dot;
    if device.is_unattributed() {
        return ("topic of no known thing".to_owned(), theme.dim);
    }
    let violation = device.violations().iter().find_map(|i| env.fleet.violations().get()?.get(*i as usize));
    let alarm = || violation.map(|v| SafeText::new(&v.behavior.name).to_string()).unwrap_or_default();
    match facets.containment {
        Containment::Leaking { heard, at, after } => {
            let held = match after {
                After::NothingDenied(group) => format!("; {} denies nothing", group.shown()),
                After::Proof(_) | After::Response(_) | After::Denied(_) => String::new(),
            };
            let text = format!("{}{held}{}", seen((heard, at), now), key(app, "revoke", "revokes"));
            return (text, theme.alarm);
        }
        Containment::Failed { by: who, at, what, left } => {
            let left = if left.is_empty() { String::new() } else { format!("left: {left}") };
            // What to do comes first: the reason may be longer than the row.
            let finish = key(app, "finish", "finishes").trim_start_matches("; ").to_owned();
            return (joined(dot, [finish, by(who, now - at), what.to_string(), left]), theme.alarm);
        }
        Containment::Asked { by: who, since, waiting_for } => {
            let whose = by(who, now - since);
            let whose = if whose.is_empty() { words::age(now - since) } else { whose };
            return (joined(dot, [whose, waiting_for.to_string()]), theme.busy);
        }
        Containment::Unproven { by: who, at, missing: lacks } => {
            let text = format!("not proven: {}", missing(&lacks, now));
            return (joined(dot, [text, by(who, now - at)]), theme.warning);
        }
        Containment::Contained(proof) | Containment::Revoked(proof) => {
            let text = match proof {
                // The whole wait until it was proven, not the moment of the first cut.
                Proof::Response { began, proven, by: who, .. } => {
                    let held = format!("contained in {}", words::took((proven - began).max(0)));
                    let held = if matches!(facets.containment, Containment::Revoked(_)) {
                        format!("proven silent {}", words::ago(now - proven))
                    } else {
                        held
                    };
                    joined(dot, [held, by(who, now - proven), alarm()])
                }
                Proof::Seen { denied_by, silent_from, .. } => {
                    let silent = format!("silent for {}", words::age(now - silent_from));
                    joined(dot, [format!("denied by {denied_by}"), silent, alarm()])
                }
            };
            return (text, theme.good);
        }
        Containment::None | Containment::InGroup { .. } => {}
    }
    let within = match facets.containment {
        Containment::InGroup { group, .. } => format!("in {}", group.shown()),
        _ => String::new(),
    };
    match facets.health {
        Health::Alarm { violations } => {
            if let Some(violation) = violation {
                let more = if violations > 1 { format!(" +{}", violations - 1) } else { String::new() };
                let text = joined(dot, [format!("{}{more}", alarm()), within]);
                let age = words::age(now - env.fleet.alarm_since(violation));
                return (format!("{text}  {age}"), theme.alarm);
            }
        }
        Health::Finding { .. } => {
            if let Some(finding) = env.fleet.own_findings().iter().find(|f| f.device == id) {
                let name = SafeText::new(&finding.behavior.name).to_string();
                let text = joined(dot, [name, within]);
                return (format!("{text}  {}", words::age(now - finding.found)), theme.warning);
            }
            if let Some(cloned) = env.fleet.cloned_of(id) {
                let text = joined(dot, [cloned.text().to_owned(), within]);
                return (format!("{text}  {}", words::age(now - cloned.found)), theme.warning);
            }
        }
        Health::Warning(warning) => {
            return (joined(dot, [warning.text.to_string(), within]), theme.warning);
        }
        Health::Fine | Health::Unknown(_) => {}
    }
    if let Containment::InGroup { missing: lacks, .. } = facets.containment {
        return (missing(&lacks, now), theme.warning);
    }
    let released = device.responder().zip(device.stage_and_time()).and_then(|(who, (stage, at))| {
        (*stage == Stage::Released && now - at < RELEASED)
            .then(|| format!("released {}", by(Some(who), now - at)))
    });
    if let Some(text) = released {
        return (text, theme.dim);
    }
    (quiet(&facets, now), theme.dim)
}

/// What is said of a device that nothing is against.
fn quiet(facets: &quell_fleet::Facets<'_>, now: Ms) -> String {
    let not_streamed = matches!(facets.hearing, Hearing::NotListening { why: Deaf::NotStreamed, .. });
    let besides = facets.life.signs.last_besides_telemetry();
    match facets.life.voice {
        Voice::Silent => match facets.life.signs.last() {
            Some(last) => format!("last {}", seen(last, now)),
            None => String::new(),
        },
        Voice::NoData => match (besides, facets.hearing) {
            (Some(other), _) => seen(other, now),
            (None, Hearing::Listening { since }) if now - since < 1_000 => "listening from now on".to_owned(),
            (None, Hearing::Listening { since }) => format!("no telemetry in {}", words::age(now - since)),
            (None, Hearing::NotListening { why, .. }) => why.to_string(),
            (None, Hearing::Unknown(why)) => why.to_string(),
        },
        Voice::Unknown(why) => why.to_string(),
        Voice::Heard if not_streamed => Deaf::NotStreamed.to_string(),
        Voice::Heard => match facets.hearing {
            Hearing::NotListening { why: why @ Deaf::Refused(_), .. } => why.to_string(),
            _ => String::new(),
        },
    }
}
