//! The rules file of `quell respond`: which alert leads to which answer.
//!
//! ```toml
//! max-per-hour = 20
//! names = ["SensorDevice(\\d+)=Thing$1"]
//! [notify]
//! slack = "https://hooks.slack.com/services/…"
//! [[rule]]
//! behavior = "Large*"
//! do = ["notify", "isolate"]
//! ```

use serde::Deserialize;

use crate::config::{ThingFrom, glob};

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
    /// Put the thing into a group; a continuous job bound to it does the rest.
    Job,
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
    /// What is done, in this order.
    #[serde(rename = "do")]
    pub actions: Vec<Action>,
    /// The isolation group instead of the configured one.
    #[serde(default)]
    pub group: Option<String>,
    /// The group whose continuous job is the remedy, instead of the configured one.
    #[serde(default)]
    pub job_group: Option<String>,
    /// Only say what would be done, even with `--yes`.
    #[serde(default)]
    pub dry_run: bool,
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
    format!("{line}{}", quell_fleet::text::SafeText::new(&message))
}

/// The file.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AlertRules {
    /// More responses than this within an hour are refused: a flood of alarms is no reason to cut off a fleet.
    pub max_per_hour: usize,
    /// How often a response that failed is tried again.
    pub retries: u32,
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
            actions: vec![Action::Notify, Action::Isolate],
            group: None,
            job_group: None,
            dry_run: false,
        };
        Self {
            max_per_hour: 20,
            retries: 2,
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

    /// The name of the thing an alert means.
    pub fn thing(&self, alert: &Alert) -> String {
        self.patterns.iter().find_map(|p| p.thing(&alert.thing)).unwrap_or_else(|| alert.thing.clone())
    }

    /// The rule that decides about an alert.
    pub fn rule(&self, alert: &Alert) -> Option<&AlertRule> {
        let fits = |pattern: &Option<String>, name: &str| pattern.as_ref().is_none_or(|p| glob(p, name));
        self.rules.iter().find(|r| {
            fits(&r.behavior, &alert.behavior)
                && fits(&r.profile, &alert.profile)
                && fits(&r.thing, &self.thing(alert))
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
        let actions = |a: &Alert| rules.rule(a).map(|r| r.actions.clone());
        assert_eq!(rules.thing(&alert("SensorDevice02", "x")), "Thing02");
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
        assert_eq!(default.rule(&alert("x", "y")).unwrap().actions, [Action::Notify, Action::Isolate]);
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
                let _ = (rules.thing(&alert), rules.rule(&alert));
            }
        }
        assert!(read > 100, "too few of the mutations are rules still: {read}");
    }
}
