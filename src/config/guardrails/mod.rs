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

mod window;

use std::collections::BTreeMap;

use serde::Deserialize;

use super::verb::Verb;

pub use window::Window;

/// The names rules may use: what the journal calls each changing command.
fn commands() -> Vec<&'static str> {
    Verb::ALL.iter().map(|verb| verb.id()).collect()
}

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
    quell_rules::policy::Glob::new(pattern).matches(text)
}

/// What of the section of the file is no plain key, as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct GuardrailsFile {
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
    /// Takes over the levels and the rules it says.
    ///
    /// # Errors
    /// Where in the file, and what is wrong there.
    pub(super) fn read(self, out: &mut Guardrails) -> Result<(), (usize, String)> {
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
        Ok(())
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
            "command": {"type": "array", "items": {"enum": commands()}},
            "thing": names, "group": names, "within": window, "outside": window,
            "require": demand, "reason": {"type": "string"},
        },
    });
    let levels = json!({
        "type": "object", "propertyNames": {"enum": commands()}, "additionalProperties": demand,
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
    if Verb::parse(command.get_ref()).is_some() {
        return Ok(command.into_inner());
    }
    let text =
        format!("{:?} is no command that changes anything: {}", command.get_ref(), commands().join(", "));
    Err((command.span().start, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn patterns_match_whole_names() {
        assert!(glob("line-*", "line-7") && glob("*", "") && glob("a?c", "abc") && glob("*b*", "abc"));
        assert!(!glob("line-*", "deadline-7") && !glob("a?c", "ac") && !glob("", "a"));
    }

    #[test]
    fn the_strictest_rule_wins_and_says_why() {
        let text = r#"
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
        let mut rails = Guardrails::default();
        toml::from_str::<GuardrailsFile>(text).unwrap().read(&mut rails).unwrap();
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
        let file = toml::from_str::<GuardrailsFile>(text).unwrap();
        let (place, why) = file.read(&mut Guardrails::default()).unwrap_err();
        assert!(place > 8 && why.contains("isolate"), "{place} {why}");
    }
}
