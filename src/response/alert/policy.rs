//! The rules file of `quell respond` and `quell guard`: which alert leads to which answer.
//!
//! ```toml
//! max-per-hour = 20
//! names = ["SensorDevice(\\d+)=Thing$1"]
//! never-groups = ["Critical*"]
//! ask-above = 5
//! quiet = ["Sun 02:00-04:00 Europe/Berlin"]
//! [notify]
//! slack = "https://hooks.slack.com/services/…"
//! [[rule]]
//! behavior = "Large*"
//! do = ["notify", "isolate"]
//! for = "30m"
//! case = true
//! [[rule]]
//! kind = ["clone"]
//! severity = "critical"
//! do = ["deactivate"]
//! ```

use std::time::Duration;

use serde::Deserialize;

use crate::config::{AlertKind, Severity, ThingFrom, Window, glob};
use crate::response::timed;
use quell_fleet::Ms;
use quell_fleet::text::SafeText;

use super::envelope::Alert;
use super::notify::Notify;

/// What is done about an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Tell people.
    Notify,
    /// Isolate the thing.
    Isolate,
    /// Ask the thing by its shadow to quarantine itself.
    Shadow,
    /// Put the thing into a group; a continuous job bound to it does the rest.
    Job,
    /// Set the thing's certificates INACTIVE.
    Deactivate,
    /// Cut the session under the thing's own name.
    Cut,
}

/// One rule: the first that fits an alert decides.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AlertRule {
    /// Pattern of the behavior's name.
    #[serde(default)]
    pub behavior: Option<String>,
    /// Pattern of the security profile's name.
    #[serde(default)]
    pub profile: Option<String>,
    /// Pattern of the thing's name.
    #[serde(default)]
    pub thing: Option<String>,
    /// Kinds of alerts; alarms of Device Defender's kind when nothing is said.
    #[serde(default = "alarms")]
    pub kind: Vec<AlertKind>,
    /// At least this severe.
    #[serde(default)]
    pub severity: Option<Severity>,
    /// Pattern of a group that the thing is in.
    #[serde(default)]
    pub member_of: Option<String>,
    /// Only within this time: `Mon-Fri 08:00-18:00 Europe/Berlin`.
    #[serde(default)]
    pub within: Option<Span>,
    /// Only outside of this time.
    #[serde(default)]
    pub outside: Option<Span>,
    /// What is done, in this order.
    #[serde(rename = "do")]
    pub actions: Vec<Action>,
    /// The isolation group instead of the configured one.
    #[serde(default)]
    pub group: Option<String>,
    /// The group whose continuous job is the remedy, instead of the configured one.
    #[serde(default)]
    pub job_group: Option<String>,
    /// Before the thing is contained, keep what that destroys in a case of its own.
    #[serde(default)]
    pub case: bool,
    /// Only say what would be done, even with `--yes`.
    #[serde(default)]
    pub dry_run: bool,
    /// How long an isolation lasts, such as `30m`, before a guard releases it; twice as long each time it offends again. Without
    /// it, until somebody releases it; `quell respond` ends after an answer, and releases nothing.
    #[serde(default, rename = "for", deserialize_with = "length")]
    pub length: Option<Duration>,
}

fn alarms() -> Vec<AlertKind> {
    vec![AlertKind::Alarm]
}

fn length<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    timed::length(&text).map(Some).map_err(serde::de::Error::custom)
}

/// A weekly span of time, as a file writes it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct Span(Window);

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Window::parse(&text).map(Self)
    }
}

/// What else is known when a rule is looked for.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// The groups the thing is in.
    pub groups: Vec<String>,
    /// The time.
    pub now: Ms,
}

/// What is wrong, with its line and without what stands there: the line may hold a webhook's token.
fn wrong(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map(|b| format!("line {}: ", b.matches('\n').count() + 1)).unwrap_or_default();
    // The message quotes names of keys, and values where one is of a wrong kind; a URL is neither.
    let message = error.message();
    let message = match message.split_once("://") {
        Some((before, _)) => format!("{before}://… (not shown: it may hold a token)"),
        None => message.to_owned(),
    };
    format!("{line}{}", SafeText::new(&message))
}

/// The file.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AlertRules {
    /// More responses than this within an hour are refused: a flood of alarms is no reason to cut off a fleet.
    pub max_per_hour: usize,
    /// How often a response that failed is tried again.
    pub retries: u32,
    /// Patterns of groups whose things are never acted on.
    pub never_groups: Vec<String>,
    /// Once more things than this were acted on within a day, the next is left to a person.
    pub ask_above: Option<usize>,
    /// Times in which nothing is done but telling.
    pub quiet: Vec<Span>,
    /// How names in alerts become names of things: `PATTERN=NAME`.
    names: Vec<String>,
    /// Who is told.
    pub notify: Notify,
    /// The rules; without any, every alarm isolates, as the workshop's function did.
    #[serde(rename = "rule")]
    pub rules: Vec<AlertRule>,
    #[serde(skip)]
    patterns: Vec<ThingFrom>,
}

impl Default for AlertRules {
    fn default() -> Self {
        let all = AlertRule {
            behavior: None,
            profile: None,
            thing: None,
            kind: alarms(),
            severity: None,
            member_of: None,
            within: None,
            outside: None,
            actions: vec![Action::Notify, Action::Isolate],
            group: None,
            job_group: None,
            case: false,
            dry_run: false,
            length: None,
        };
        Self {
            max_per_hour: 20,
            retries: 2,
            never_groups: Vec::new(),
            ask_above: None,
            quiet: Vec::new(),
            names: Vec::new(),
            notify: Notify::default(),
            rules: vec![all],
            patterns: Vec::new(),
        }
    }
}

impl AlertRules {
    /// Reads the file's text.
    ///
    /// # Errors
    /// What is wrong, with its line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rules: Self = toml::from_str(text).map_err(|e| wrong(text, &e))?;
        for name in &rules.names {
            rules.patterns.push(ThingFrom::parse(name).map_err(|e| format!("names: {e}"))?);
        }
        Ok(rules)
    }

    /// The name of the thing that a name in an alert means.
    pub fn thing(&self, name: &str) -> String {
        ThingFrom::of(&self.patterns, name).unwrap_or_else(|| name.to_owned())
    }

    /// True when a rule may be about alerts of a kind.
    pub fn names(&self, kind: AlertKind) -> bool {
        self.rules.iter().any(|rule| rule.kind.contains(&kind))
    }

    /// True when what is done depends on the groups a thing is in.
    pub fn asks_groups(&self) -> bool {
        !self.never_groups.is_empty() || self.rules.iter().any(|rule| rule.member_of.is_some())
    }

    /// Why nothing is to be done but telling, where that is so.
    pub fn forbidden(&self, around: &Around) -> Option<String> {
        let never =
            around.groups.iter().find(|group| self.never_groups.iter().any(|pattern| glob(pattern, group)));
        if let Some(group) = never {
            return Some(format!("never-groups: things of {} are left to an operator", SafeText::new(group)));
        }
        let quiet = self.quiet.iter().any(|span| span.0.contains(around.now));
        quiet.then(|| "quiet: at this time it is left to an operator".to_owned())
    }

    /// The rule that decides about an alert: the first that fits.
    pub fn rule(&self, alert: &Alert, around: &Around) -> Option<&AlertRule> {
        let fits = |pattern: &Option<String>, name: &str| pattern.as_ref().is_none_or(|p| glob(p, name));
        self.rules.iter().find(|r| {
            fits(&r.behavior, &alert.behavior)
                && fits(&r.profile, &alert.profile)
                && fits(&r.thing, &self.thing(&alert.thing))
                && r.kind.contains(&alert.kind)
                && r.severity.is_none_or(|least| alert.severity >= least)
                && r.member_of.as_ref().is_none_or(|p| around.groups.iter().any(|group| glob(p, group)))
                && r.within.as_ref().is_none_or(|span| span.0.contains(around.now))
                && r.outside.as_ref().is_none_or(|span| !span.0.contains(around.now))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(thing: &str, behavior: &str) -> Alert {
        let message = format!(
            r#"{{"thingName":"{thing}","violationEventType":"in-alarm","violationId":"1","securityProfileName":"P","behavior":{{"name":"{behavior}"}}}}"#
        );
        Alert::parse(&message).unwrap()
    }

    #[test]
    fn the_first_rule_that_fits_decides_and_names_are_mapped() {
        let text = r#"
            names = ["SensorDevice(\\d+)=Thing$1"]
            [notify]
            slack = "https://hooks.slack.com/secret"
            [[rule]]
            thing = "Thing02"
            do = ["notify"]
            [[rule]]
            behavior = "Large*"
            do = ["isolate", "job"]
            job-group = "NeedsUpdate"
        "#;
        let rules = AlertRules::parse(text).unwrap();
        let actions = |a: &Alert| rules.rule(a, &Around::default()).map(|r| r.actions.clone());
        assert_eq!(rules.thing("SensorDevice02"), "Thing02");
        assert_eq!(actions(&alert("SensorDevice02", "LargeX")), Some(vec![Action::Notify]));
        assert_eq!(actions(&alert("Thing03", "LargeX")), Some(vec![Action::Isolate, Action::Job]));
        assert_eq!(actions(&alert("Thing03", "other")), None);
        assert!(!format!("{rules:?}").contains("secret"), "a webhook is a secret");
        assert!(AlertRules::parse("[[rule]]\ndo = [\"explode\"]").unwrap_err().contains("line 2"));
        for mistaken in [
            "[notify]\nslak = \"https://hooks.slack.com/secret\"",
            "[notify]\nslack = [\"https://hooks.slack.com/secret\"]",
            "[notify]\nslack = \"https://hooks.slack.com/secret",
            "[[rule]]\ndo = [\"https://hooks.slack.com/secret\"]",
            "max-per-hour = \"https://hooks.slack.com/secret\"",
        ] {
            let told = AlertRules::parse(mistaken).unwrap_err();
            assert!(told.starts_with("line ") && !told.contains("secret"), "{told}");
        }
        let default = AlertRules::default();
        assert_eq!(
            default.rule(&alert("x", "y"), &Around::default()).unwrap().actions,
            [Action::Notify, Action::Isolate]
        );
    }

    #[test]
    fn kind_severity_group_and_time_decide_and_some_are_never_acted_on() {
        let text = r#"
            never-groups = ["Critical*"]
            quiet = ["Sun 02:00-04:00"]
            [[rule]]
            kind = ["clone"]
            severity = "critical"
            do = ["deactivate"]
            [[rule]]
            member-of = "Line-*"
            within = "Mon-Fri 08:00-18:00"
            do = ["isolate"]
            for = "30m"
            [[rule]]
            member-of = "Line-*"
            outside = "Mon-Fri 08:00-18:00"
            do = ["cut"]
        "#;
        let rules = AlertRules::parse(text).unwrap();
        let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let (monday, sunday) = (at("2026-11-23T12:00:00Z"), at("2026-11-22T03:00:00Z"));
        let around = |group: &str, now| Around { groups: vec![group.to_owned()], now };
        let does =
            |a: &Alert, group: &str, now| rules.rule(a, &around(group, now)).map(|r| r.actions.clone());
        let alarm = alert("x", "y");
        assert_eq!(does(&alarm, "Line-7", monday), Some(vec![Action::Isolate]));
        assert_eq!(does(&alarm, "Line-7", sunday), Some(vec![Action::Cut]));
        assert_eq!(does(&alarm, "Other", monday), None);
        let clone = Alert { kind: AlertKind::Clone, severity: Severity::Critical, ..alarm.clone() };
        assert_eq!(does(&clone, "Other", monday), Some(vec![Action::Deactivate]));
        assert_eq!(does(&Alert { severity: Severity::High, ..clone }, "Line-7", monday), None);
        let warning = Alert { kind: AlertKind::Warning, ..alarm.clone() };
        assert_eq!(does(&warning, "Line-7", monday), None, "a warning is no alarm unless a rule says so");
        let length = rules.rule(&alarm, &around("Line-7", monday)).and_then(|r| r.length);
        assert_eq!(length, Some(Duration::from_secs(1_800)));
        assert!(rules.forbidden(&around("CriticalPumps", monday)).unwrap().contains("CriticalPumps"));
        assert!(rules.forbidden(&around("Line-7", sunday)).unwrap().contains("quiet"));
        assert_eq!(rules.forbidden(&around("Line-7", monday)), None);
        assert!(rules.asks_groups() && !AlertRules::default().asks_groups());
        for wrong in
            ["for = \"30\"", "for = \"0m\"", "for = \"99999999d\"", "for = \"\u{e9}\"", "within = \"noon\""]
        {
            assert!(AlertRules::parse(&format!("[[rule]]\ndo = []\n{wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn mutated_rules_are_survived() {
        use crate::mutate::{self, Rng, SEED};
        let (mut rng, texts) = (Rng::with_seed(SEED), mutate::texts("tests/corpus/alert-rules"));
        AlertRules::parse(&texts[0]).unwrap();
        let alert = alert("SensorDevice02", "LargeMessageSize");
        let pieces = &["[[rule]]\n", "(\\\\d+)=", "names = [", "((((", "{thing}", "do = []\n"];
        let mut read = 0;
        for _ in 0..5_000 {
            if let Ok(rules) = AlertRules::parse(&mutate::mutated(&texts, pieces, &mut rng)) {
                read += 1;
                let _ = (rules.thing(&alert.thing), rules.rule(&alert, &Around::default()));
            }
        }
        assert!(read > 100, "too few of the mutations are rules still: {read}");
    }
}
