//! A security profile being written: one behaviour, checked at every key as AWS would check it.

use tui_input::Input;

use crate::detect::metric::DURATIONS;
use crate::detect::model::{Behavior, ComparisonOperator, Criteria, MetricValue};
use crate::detect::validate;
use crate::fleet::model::ProfileRecord;
use crate::text::SafeText;

use super::dialogs::Overlay;
use super::list::{ListId, key_of};
use super::{App, Effect, Env, Tone, View};

/// Metrics the form offers: those AWS counts itself, each with a number.
const METRICS: [&str; 6] = [
    "aws:message-byte-size",
    "aws:num-messages-sent",
    "aws:num-messages-received",
    "aws:num-authorization-failures",
    "aws:num-connection-attempts",
    "aws:num-disconnects",
];

/// What is normal, in the order the form turns through.
const OPERATORS: [(ComparisonOperator, &str); 4] = [
    (ComparisonOperator::LessThan, "normal is LESS THAN"),
    (ComparisonOperator::LessThanEquals, "normal is AT MOST"),
    (ComparisonOperator::GreaterThan, "normal is MORE THAN"),
    (ComparisonOperator::GreaterThanEquals, "normal is AT LEAST"),
];

/// Fields of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileField {
    /// The profile's name.
    Name,
    /// The behaviour's name.
    Behavior,
    /// What is measured.
    Metric,
    /// How normal compares.
    Operator,
    /// With what.
    Value,
    /// Over how long.
    Duration,
    /// How many in a row alarm.
    Datapoints,
}

impl ProfileField {
    /// In the order of the form.
    pub const ALL: [Self; 7] = [
        Self::Name,
        Self::Behavior,
        Self::Metric,
        Self::Operator,
        Self::Value,
        Self::Duration,
        Self::Datapoints,
    ];
}

/// The form.
pub struct ProfileForm {
    /// The profile's name.
    pub name: Input,
    /// The behaviour's name.
    pub behavior: Input,
    metric: usize,
    operator: usize,
    /// The limit.
    pub value: Input,
    duration: usize,
    /// Datapoints in a row that alarm.
    pub datapoints: Input,
    /// Which field is being filled in.
    pub field: ProfileField,
}

impl ProfileForm {
    /// A form as the workshop's corrected profile has it.
    pub fn new() -> Self {
        Self {
            name: Input::new("DetectLargeMessageSize".to_owned()),
            behavior: Input::new("LargeMessageSize".to_owned()),
            metric: 0,
            operator: 0,
            value: Input::new("1000".to_owned()),
            duration: 0,
            datapoints: Input::new("1".to_owned()),
            field: ProfileField::Name,
        }
    }

    /// A form that begins as a profile's first behaviour; what it has no field for is left out.
    pub fn of(profile: &ProfileRecord) -> Self {
        let mut form = Self::new();
        form.name = Input::new(profile.name.to_string());
        let Some(first) = profile.behaviors.first() else { return form };
        form.behavior = Input::new(first.name.clone());
        let metric = METRICS.iter().position(|m| Some(*m) == first.metric.as_deref());
        form.metric = metric.unwrap_or(0);
        if let Some(criteria) = &first.criteria {
            let operator = OPERATORS.iter().position(|(o, ..)| Some(*o) == criteria.comparison_operator);
            form.operator = operator.unwrap_or(0);
            if let Some(count) = criteria.value.as_ref().and_then(|v| v.count) {
                form.value = Input::new(count.to_string());
            }
            let duration = DURATIONS.iter().position(|d| Some(*d) == criteria.duration_seconds);
            form.duration = duration.unwrap_or(0);
            form.datapoints = Input::new(criteria.consecutive_datapoints_to_alarm.unwrap_or(1).to_string());
        }
        form
    }

    /// What a field shows.
    pub fn shown(&self, field: ProfileField) -> SafeText {
        let text = match field {
            ProfileField::Name => self.name.value().to_owned(),
            ProfileField::Behavior => self.behavior.value().to_owned(),
            ProfileField::Metric => METRICS.get(self.metric).copied().unwrap_or_default().to_owned(),
            ProfileField::Operator => OPERATORS.get(self.operator).map_or("", |(.., words)| words).to_owned(),
            ProfileField::Value => self.value.value().to_owned(),
            ProfileField::Duration if self.windowed() => {
                DURATIONS.get(self.duration).map(|s| format!("{} min", s / 60)).unwrap_or_default()
            }
            ProfileField::Duration => "each message by itself".to_owned(),
            ProfileField::Datapoints => self.datapoints.value().to_owned(),
        };
        SafeText::new(&text)
    }

    fn windowed(&self) -> bool {
        self.metric != 0
    }

    /// Turns a field that has choices; false for one that is typed.
    pub(super) fn turn(&mut self, by: usize) -> bool {
        let (at, len) = match self.field {
            ProfileField::Metric => (&mut self.metric, METRICS.len()),
            ProfileField::Operator => (&mut self.operator, OPERATORS.len()),
            ProfileField::Duration => (&mut self.duration, DURATIONS.len()),
            _ => return false,
        };
        *at = (*at + by) % len;
        true
    }

    /// The input of a field that is typed.
    pub(super) fn input(&mut self) -> Option<&mut Input> {
        match self.field {
            ProfileField::Name => Some(&mut self.name),
            ProfileField::Behavior => Some(&mut self.behavior),
            ProfileField::Value => Some(&mut self.value),
            ProfileField::Datapoints => Some(&mut self.datapoints),
            _ => None,
        }
    }

    /// The next field, or the previous one.
    pub(super) fn step(&mut self, by: usize) {
        let at = ProfileField::ALL.iter().position(|f| *f == self.field).unwrap_or(0);
        if let Some(field) = ProfileField::ALL.get((at + by) % ProfileField::ALL.len()) {
            self.field = *field;
        }
    }

    /// The behaviour as it stands.
    pub fn behavior(&self) -> Behavior {
        let number = |input: &Input| input.value().trim().parse::<i64>().ok();
        let datapoints = number(&self.datapoints);
        Behavior {
            name: self.behavior.value().trim().to_owned(),
            metric: METRICS.get(self.metric).map(|m| (*m).to_owned()),
            metric_dimension: None,
            criteria: Some(Criteria {
                comparison_operator: OPERATORS.get(self.operator).map(|(o, ..)| *o),
                value: number(&self.value).map(|n| MetricValue { count: Some(n), ..MetricValue::default() }),
                duration_seconds: if self.windowed() { DURATIONS.get(self.duration).copied() } else { None },
                consecutive_datapoints_to_alarm: datapoints,
                consecutive_datapoints_to_clear: datapoints,
                ..Criteria::default()
            }),
            suppress_alerts: None,
            export_metric: None,
        }
    }

    /// Everything AWS would refuse about it, before it is asked.
    pub fn mistakes(&self) -> Vec<String> {
        let mut out = Vec::new();
        if !validate::valid_name(self.name.value().trim()) {
            out.push("the profile's name has 1 to 128 letters, digits, :, _ or -".to_owned());
        }
        if self.value.value().trim().parse::<i64>().is_err() {
            out.push("the limit is a whole number".to_owned());
        }
        if self.datapoints.value().trim().parse::<i64>().is_err() {
            out.push("datapoints in a row are a whole number".to_owned());
        }
        if out.is_empty() {
            out = validate::behaviors(&[self.behavior()]);
        }
        out
    }

    /// The profile in AWS's own shape, as `create-security-profile --cli-input-json` takes it.
    fn json(&self) -> String {
        let behavior = serde_json::to_value(self.behavior()).unwrap_or_default();
        serde_json::json!({"securityProfileName": self.name.value().trim(), "behaviors": [behavior]})
            .to_string()
    }
}

impl Default for ProfileForm {
    fn default() -> Self {
        Self::new()
    }
}

impl App {
    /// Opens the form: as the profile under the cursor, else as the workshop's.
    pub fn profile_form(&mut self, env: &Env<'_>) {
        let here = match self.view() {
            View::Profiles => self.list(ListId::Profiles).cursor(),
            _ => None,
        };
        let found = env
            .fleet
            .profiles()
            .get()
            .and_then(|all| all.iter().find(|p| here.is_some_and(|key| key_of(p.name.as_str()) == key)));
        let form = found.map_or_else(ProfileForm::new, ProfileForm::of);
        self.overlay = Some(Overlay::Profile(Box::new(form)));
    }

    /// A form without mistakes goes to the clipboard in AWS's shape; one with mistakes stays.
    pub(super) fn submit_profile(&mut self, env: &Env<'_>) {
        let Some(Overlay::Profile(form)) = &self.overlay else { return };
        if !form.mistakes().is_empty() {
            return;
        }
        let json = SafeText::new(&form.json());
        self.overlay = None;
        let text = "checked and copied; aws iot create-security-profile --cli-input-json takes it";
        self.say(SafeText::new(text), Tone::Calm, env.now);
        self.effects.push(Effect::Copy(json));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_before_anybody_is_asked() {
        let mut form = ProfileForm::new();
        assert_eq!(form.mistakes(), Vec::<String>::new());
        assert!(form.json().contains(r#""comparisonOperator":"less-than""#), "{}", form.json());
        form.name = Input::new("two words".to_owned());
        form.value = Input::new("many".to_owned());
        assert_eq!(form.mistakes().len(), 2);
        let mut form = ProfileForm::new();
        form.field = ProfileField::Metric;
        assert!(form.turn(1));
        assert_eq!(form.behavior().criteria.unwrap().duration_seconds, Some(DURATIONS[0]));
        assert_eq!(form.mistakes(), Vec::<String>::new());
        form.datapoints = Input::new("99".to_owned());
        assert!(!form.mistakes().is_empty(), "at most ten in a row");
    }
}
