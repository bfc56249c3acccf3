//! What the configuration forbids or asks for before a change: by command, thing, group and time. The strictest rule wins.
//!
//! ```toml
//! [guardrails]
//! max-bulk = 200
//! levels = { isolate = "confirm", release = "name" }
//! [[guardrails.rule]]
//! command = ["revoke"]
//! thing = ["line-*"]
//! outside = "Mon-Fri 08:00-18:00 Europe/Berlin"
//! require = "deny"
//! reason = "the line is certified"
//! ```

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::Deserialize;

/// The names rules may use: what the journal calls each changing command.
const COMMANDS: [&str; 22] = [
    "isolate",
    "release",
    "deactivate",
    "activate",
    "revoke",
    "join",
    "leave",
    "job create",
    "job cancel",
    "undo",
    "finish",
    "setup",
    "mitigate",
    "profiles apply",
    "profiles delete",
    "profiles attach",
    "profiles detach",
    "dimension create",
    "dimension delete",
    "metric create",
    "metric delete",
    "verify",
];

/// What an operator must do before a change is sent; ordered from nothing to never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Demand {
    /// Not asked.
    None,
    /// One key, or `--yes`.
    Confirm,
    /// The name, or the number of devices, is typed.
    Name,
    /// The account's twelve digits are typed.
    Account,
    /// Refused.
    Deny,
}

/// A weekly span of time in a time zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    days: [bool; 7],
    /// Minutes of the day.
    from: u16,
    to: u16,
    zone: TimeZone,
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Window {
    /// Reads `Mon-Fri 08:00-18:00 Europe/Berlin`; days and zone may be left out (every day, UTC). A span that ends before
    /// it begins goes over midnight and belongs to the day it begins on.
    ///
    /// # Errors
    /// A sentence that names what is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut window = Self { days: [true; 7], from: 0, to: 0, zone: TimeZone::UTC };
        let mut timed = false;
        for word in text.split_whitespace() {
            if let Some((from, to)) = word.split_once('-')
                && let (Some(from), Some(to)) = (minutes(from), minutes(to))
            {
                (window.from, window.to) = (from, to);
                timed = true;
            } else if let Some(days) = days(word) {
                window.days = days;
            } else {
                window.zone = TimeZone::get(word).map_err(|_| {
                    format!("{word:?} is no day (Mon-Fri), time (08:00-18:00) or time zone (Europe/Berlin)")
                })?;
            }
        }
        if timed { Ok(window) } else { Err(format!("{text:?} has no time such as 08:00-18:00")) }
    }

    /// True when `at` (milliseconds since 1970) lies in it.
    pub fn contains(&self, at: i64) -> bool {
        let Ok(time) = jiff::Timestamp::from_millisecond(at) else { return false };
        let time = time.to_zoned(self.zone.clone());
        let minute = u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs());
        let today = usize::from(time.weekday().to_monday_zero_offset().unsigned_abs());
        let on = |day: usize| self.days.get(day % 7).copied().unwrap_or(false);
        if self.from < self.to {
            on(today) && (self.from..self.to).contains(&minute)
        } else {
            (on(today) && minute >= self.from) || (on(today + 6) && minute < self.to)
        }
    }
}

fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 24 && minutes < 60 && hours * 60 + minutes <= 24 * 60).then_some(hours * 60 + minutes)
}

fn days(text: &str) -> Option<[bool; 7]> {
    let day = |name: &str| DAYS.iter().position(|d| d.eq_ignore_ascii_case(name.trim()));
    let mut out = [false; 7];
    for part in text.split(',') {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (day(first)?, day(last)?),
            None => (day(part)?, day(part)?),
        };
        let mut at = first;
        loop {
            if let Some(slot) = out.get_mut(at) {
                *slot = true;
            }
            if at == last {
                break;
            }
            at = (at + 1) % 7;
        }
    }
    Some(out)
}

/// One rule: it holds when everything it names fits; what it leaves out fits always.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// Commands.
    pub commands: Vec<String>,
    /// Patterns of thing names, with `*` and `?`.
    pub things: Vec<String>,
    /// Patterns of the groups that are changed or targeted.
    pub groups: Vec<String>,
    /// Only within this time.
    pub within: Option<Window>,
    /// Only outside of this time: a change window, with `require = "deny"`.
    pub outside: Option<Window>,
    /// What it demands.
    pub demand: Demand,
    /// Why, for the operator.
    pub reason: Option<String>,
}

/// All of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Guardrails {
    /// More devices than this in one action are refused.
    pub max_bulk: usize,
    /// Above this many devices the count must be typed.
    pub type_count_above: usize,
    /// The least a command demands; `confirm` where it is not named.
    pub levels: BTreeMap<String, Demand>,
    /// The rules.
    pub rules: Vec<Guard>,
}

impl Default for Guardrails {
    fn default() -> Self {
        Self { max_bulk: 500, type_count_above: 5, levels: BTreeMap::new(), rules: Vec::new() }
    }
}

/// What the guardrails demand of one action, and why when they refuse it.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The strictest demand.
    pub demand: Demand,
    /// The reason of the rule that made it so.
    pub reason: Option<String>,
}

impl Judged {
    /// Why the action is refused; `None` when it is not.
    pub fn refusal(&self) -> Option<String> {
        (self.demand == Demand::Deny).then(|| match &self.reason {
            Some(reason) => format!("a guardrail of the configuration forbids it: {reason}"),
            None => "a guardrail of the configuration forbids it".to_owned(),
        })
    }
}

impl Guardrails {
    /// Judges an action known under `commands` (its own name, and that of what it undoes or finishes).
    pub fn judge(&self, commands: &[&str], things: &[&str], groups: &[&str], now: i64) -> Judged {
        let base = commands.iter().filter_map(|c| self.levels.get(*c)).max().copied();
        let mut judged = Judged { demand: base.unwrap_or(Demand::Confirm), reason: None };
        if judged.demand == Demand::Deny {
            judged.reason = Some("the configuration never allows this command".to_owned());
        }
        for rule in &self.rules {
            let any = |patterns: &[String], names: &[&str]| {
                patterns.is_empty() || names.iter().any(|n| patterns.iter().any(|p| glob(p, n)))
            };
            let holds = (rule.commands.is_empty()
                || rule.commands.iter().any(|c| commands.contains(&c.as_str())))
                && any(&rule.things, things)
                && any(&rule.groups, groups)
                && rule.within.as_ref().is_none_or(|w| w.contains(now))
                && rule.outside.as_ref().is_none_or(|w| !w.contains(now));
            if holds && rule.demand > judged.demand {
                judged = Judged { demand: rule.demand, reason: rule.reason.clone() };
            }
        }
        judged
    }
}

/// `*` stands for any text, `?` for one character.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || text.get(t) == Some(c) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

/// The section of the file, as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct GuardrailsFile {
    max_bulk: Option<usize>,
    type_count_above: Option<usize>,
    levels: BTreeMap<toml::Spanned<String>, Demand>,
    rule: Vec<GuardFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct GuardFile {
    #[serde(default)]
    command: Vec<toml::Spanned<String>>,
    #[serde(default)]
    thing: Vec<String>,
    #[serde(default)]
    group: Vec<String>,
    within: Option<toml::Spanned<String>>,
    outside: Option<toml::Spanned<String>>,
    require: Demand,
    reason: Option<String>,
}

impl GuardrailsFile {
    /// The guardrails it says.
    ///
    /// # Errors
    /// Where in the file, and what is wrong there.
    pub(super) fn read(self) -> Result<Guardrails, (usize, String)> {
        let mut out = Guardrails::default();
        if let Some(most) = self.max_bulk {
            out.max_bulk = most;
        }
        if let Some(above) = self.type_count_above {
            out.type_count_above = above;
        }
        for (command, demand) in self.levels {
            out.levels.insert(known(command)?, demand);
        }
        for rule in self.rule {
            let window = |text: Option<toml::Spanned<String>>| {
                text.map(|t| Window::parse(t.get_ref()).map_err(|e| (t.span().start, e))).transpose()
            };
            out.rules.push(Guard {
                commands: rule.command.into_iter().map(known).collect::<Result<_, _>>()?,
                things: rule.thing,
                groups: rule.group,
                within: window(rule.within)?,
                outside: window(rule.outside)?,
                demand: rule.require,
                reason: rule.reason,
            });
        }
        Ok(out)
    }
}

/// The schema of what is no plain key: `levels` and `rule`.
pub(super) fn schema() -> serde_json::Map<String, serde_json::Value> {
    use serde_json::json;
    let demand = json!({"enum": ["none", "confirm", "name", "account", "deny"]});
    let names = json!({"type": "array", "items": {"type": "string"}});
    let window = json!({"type": "string", "description": "Mon-Fri 08:00-18:00 Europe/Berlin"});
    let rule = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["require"],
        "properties": {
            "command": {"type": "array", "items": {"enum": COMMANDS}},
            "thing": names, "group": names, "within": window, "outside": window,
            "require": demand, "reason": {"type": "string"},
        },
    });
    let levels = json!({
        "type": "object", "propertyNames": {"enum": COMMANDS}, "additionalProperties": demand,
        "description": "The least a command demands.",
    });
    [
        ("levels".to_owned(), levels),
        (
            "rule".to_owned(),
            json!({"type": "array", "items": rule, "description": "The strictest rule wins."}),
        ),
    ]
    .into_iter()
    .collect()
}

fn known(command: toml::Spanned<String>) -> Result<String, (usize, String)> {
    if COMMANDS.contains(&command.get_ref().as_str()) {
        return Ok(command.into_inner());
    }
    let text =
        format!("{:?} is no command that changes anything: {}", command.get_ref(), COMMANDS.join(", "));
    Err((command.span().start, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn windows_know_days_zones_and_midnight() {
        let office = Window::parse("Mon-Fri 08:00-18:00 Europe/Berlin").unwrap();
        assert!(office.contains(at("2026-11-20T07:30:00Z")), "08:30 in Berlin, a Friday");
        assert!(!office.contains(at("2026-11-20T17:30:00Z")), "18:30 in Berlin");
        assert!(!office.contains(at("2026-11-21T10:00:00Z")), "a Saturday");
        let night = Window::parse("Sat 22:00-06:00").unwrap();
        assert!(night.contains(at("2026-11-21T23:00:00Z")));
        assert!(night.contains(at("2026-11-22T05:59:00Z")), "the night of Saturday ends on Sunday");
        assert!(!night.contains(at("2026-11-21T05:00:00Z")), "that is the night of Friday");
        for wrong in ["", "Mon", "25:00-26:00", "08:00-18:00 Mars/Base"] {
            assert!(Window::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn patterns_match_whole_names() {
        assert!(glob("line-*", "line-7") && glob("*", "") && glob("a?c", "abc") && glob("*b*", "abc"));
        assert!(!glob("line-*", "deadline-7") && !glob("a?c", "ac") && !glob("", "a"));
    }

    #[test]
    fn the_strictest_rule_wins_and_says_why() {
        let text = r#"
            max-bulk = 7
            levels = { isolate = "none" }
            [[rule]]
            thing = ["line-*"]
            require = "name"
            [[rule]]
            command = ["revoke"]
            group = []
            require = "deny"
            reason = "ask security"
            [[rule]]
            command = ["isolate"]
            outside = "Mon-Fri 08:00-18:00"
            require = "account"
        "#;
        let rails = toml::from_str::<GuardrailsFile>(text).unwrap().read().unwrap();
        assert_eq!(rails.max_bulk, 7);
        let (monday, sunday) = (at("2026-11-23T12:00:00Z"), at("2026-11-22T12:00:00Z"));
        let judge = |c: &str, t: &str, now| rails.judge(&[c], &[t], &[], now);
        assert_eq!(judge("isolate", "Thing01", monday).demand, Demand::None);
        assert_eq!(judge("release", "Thing01", monday).demand, Demand::Confirm);
        assert_eq!(judge("isolate", "line-1", monday).demand, Demand::Name);
        assert_eq!(judge("isolate", "line-1", sunday).demand, Demand::Account);
        let denied = judge("revoke", "line-1", monday);
        assert_eq!((denied.demand, denied.reason.as_deref()), (Demand::Deny, Some("ask security")));
        let undone = rails.judge(&["undo", "revoke"], &["x"], &[], monday);
        assert_eq!(
            undone.demand,
            Demand::Deny,
            "what undoes or finishes a command is bound by its rules too"
        );
    }

    #[test]
    fn a_command_nobody_knows_is_an_error_with_its_place() {
        let text = "[[rule]]\ncommand = [\"isolat\"]\nrequire = \"deny\"\n";
        let (place, why) = toml::from_str::<GuardrailsFile>(text).unwrap().read().unwrap_err();
        assert!(place > 8 && why.contains("isolate"), "{place} {why}");
    }
}
