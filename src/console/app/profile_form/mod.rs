//! A security profile being written: all of it, checked at every key as AWS would check it, and judged on what was heard.
//!
//! What the form has no field for (an export topic, a retained metric's dimension) is kept as it was.

mod behavior;
mod commands;
mod field;
mod heard;
mod shown;

use tui_input::Input;

use crate::response::Note;
use quell_fleet::Ms;
use quell_fleet::model::ProfileRecord;
use quell_fleet::text::SafeText;
use quell_rules::detect::model::Behavior;
use quell_rules::detect::profile::{AlertTarget, MetricToRetain, SecurityProfile, Target, target_arn};
use quell_rules::detect::validate;

use super::{Env, ListId, key_of};

use behavior::{BehaviorForm, Vocabulary, Way};

pub(super) use commands::NO_FILES;
pub(crate) use field::ProfileField;

/// The form.
pub struct ProfileForm {
    /// What it began as; a draft is found again by it.
    base: Option<Box<SecurityProfile>>,
    name: Input,
    description: Input,
    behaviors: Vec<BehaviorForm>,
    at: usize,
    retained: Input,
    topic: Input,
    role: Input,
    targets: Input,
    /// Which field is being filled in.
    pub field: ProfileField,
    words: Vocabulary,
    /// `arn:aws:iot:REGION:ACCOUNT:` of the account that is looked at.
    prefix: String,
    /// What the behaviour shown would have done on what was heard.
    pub judged: Vec<Note>,
    /// What AWS said against it.
    pub refused: Vec<SafeText>,
    devices: Option<usize>,
    judged_at: Ms,
}

/// `aws:` may be left out.
fn metric_name(text: &str, words: &Vocabulary) -> String {
    let known = |name: &str| quell_rules::detect::metric::BUILT_IN.iter().any(|(n, _)| *n == name);
    let full = format!("aws:{text}");
    if !words.metrics.iter().any(|(n, _)| n == text) && known(&full) { full } else { text.to_owned() }
}

fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|t| !t.is_empty())
}

/// What the account's ARNs begin with, once it is known whose account this is.
pub(in crate::console::app) fn prefix(env: &Env<'_>) -> Option<String> {
    let who = env.fleet.identity().get()?;
    let partition = who.arn.as_str().split(':').nth(1).unwrap_or("aws");
    Some(format!("arn:{partition}:iot:{}:{}:", who.region, who.account))
}

/// A name that no profile known here has: one that is there is never offered as new.
fn unused_name(env: &Env<'_>, wanted: &str) -> String {
    let taken: Vec<&str> =
        env.fleet.profiles().get().into_iter().flatten().map(|profile| profile.name.as_str()).collect();
    let mut name = wanted.to_owned();
    for n in 2.. {
        if !taken.contains(&name.as_str()) {
            break;
        }
        name = format!("{wanted}-{n}");
    }
    name
}

impl ProfileForm {
    /// As the workshop's corrected profile has it. `prefix` is what the account's ARNs begin with.
    pub(crate) fn new(env: &Env<'_>, prefix: String) -> Self {
        let metrics = env.fleet.custom_metrics().get().into_iter().flatten();
        let dimensions = env.fleet.dimensions().get().into_iter().flatten();
        Self {
            base: None,
            name: Input::new(unused_name(env, "DetectLargeMessageSize")),
            description: Input::default(),
            behaviors: vec![BehaviorForm::new()],
            at: 0,
            retained: Input::default(),
            topic: Input::default(),
            role: Input::default(),
            targets: Input::new("all things".to_owned()),
            field: ProfileField::Name,
            words: Vocabulary {
                metrics: metrics.map(|m| (m.name.to_string(), m.kind.to_string())).collect(),
                dimensions: dimensions.map(|d| d.name.to_string()).collect(),
            },
            prefix,
            judged: Vec::new(),
            refused: Vec::new(),
            devices: None,
            judged_at: 0,
        }
    }

    /// As a profile is.
    pub(crate) fn of(profile: SecurityProfile, env: &Env<'_>, prefix: String) -> Self {
        let mut form = Self::new(env, prefix);
        form.name = Input::new(profile.security_profile_name.clone());
        form.description = Input::new(profile.security_profile_description.clone().unwrap_or_default());
        form.behaviors = profile.behaviors.iter().map(BehaviorForm::of).collect();
        let kept: Vec<String> = profile.canonical().retained.into_iter().map(|k| k.metric).collect();
        form.retained = Input::new(kept.join(", "));
        let alert = profile.alert().cloned().unwrap_or_default();
        form.topic = Input::new(alert.alert_target_arn);
        form.role = Input::new(alert.role_arn);
        let targets: Vec<String> = profile
            .targets
            .iter()
            .flatten()
            .map(|t| match t.arn().rsplit(':').next().unwrap_or_default() {
                "all/things" => "all things".to_owned(),
                "all/registered-things" => "registered".to_owned(),
                "all/unregistered-things" => "unregistered".to_owned(),
                other => other.strip_prefix("thinggroup/").unwrap_or(other).to_owned(),
            })
            .collect();
        form.targets = Input::new(targets.join(", "));
        form.base = Some(Box::new(profile));
        form
    }

    /// The name of the profile it began as.
    fn base_name(&self) -> Option<&str> {
        self.base.as_ref().map(|b| b.security_profile_name.as_str())
    }

    fn here(&self) -> Option<&BehaviorForm> {
        self.behaviors.get(self.at)
    }

    /// The behaviour shown, as it stands.
    pub(crate) fn behavior(&self) -> Option<Behavior> {
        self.here().map(|b| b.behavior(&self.words))
    }

    /// True when the behaviour shown could be judged.
    pub(crate) fn is_sound(&self) -> bool {
        self.here().is_some_and(|b| b.mistake(&self.words).is_none())
    }

    /// How many devices were heard.
    pub(crate) fn devices(&self) -> Option<usize> {
        self.devices
    }

    /// Judges the behaviour shown on what was heard.
    pub(in crate::console) fn judge(&mut self, env: &Env<'_>) {
        let (held, heard) = heard::held(env);
        self.devices = Some(heard);
        self.judged_at = env.now;
        self.judged = match self.behavior().filter(|_| self.is_sound()) {
            Some(behavior) => heard::judged(&behavior, &held, env),
            None => Vec::new(),
        };
    }

    /// Judges again when windows may have ended since.
    pub(in crate::console) fn keep_judged(&mut self, env: &Env<'_>) {
        const AGAIN: Ms = 2_000;
        if !(0..AGAIN).contains(&(env.now - self.judged_at)) {
            self.judge(env);
        }
    }

    /// The next field, or the previous one.
    pub(in crate::console) fn step(&mut self, forward: bool) {
        let all = ProfileField::ALL;
        let at = all.iter().position(|f| *f == self.field).unwrap_or(0);
        let next = (at + if forward { 1 } else { all.len() - 1 }) % all.len();
        if let Some(field) = all.get(next) {
            self.field = *field;
        }
        // Without a behaviour there is nothing to fill in about it.
        if self.behaviors.is_empty() && (3..=12).contains(&next) {
            self.field = if forward { ProfileField::Retained } else { ProfileField::Which };
        }
    }

    /// Turns the focused field; false for one that is typed.
    pub(in crate::console) fn turn_choice(&mut self, forward: bool) -> bool {
        let words = self.words.clone();
        if self.field == ProfileField::Which {
            self.turn_behavior(forward);
            return true;
        }
        let field = self.field;
        let Some(here) = self.behaviors.get_mut(self.at) else { return false };
        match field {
            ProfileField::Metric => here.turn_metric(&words, forward),
            ProfileField::Dimension => here.turn_dimension(&words, forward),
            ProfileField::Way => here.turn_way(&words, forward),
            ProfileField::Operator => here.turn_operator(&words, forward),
            ProfileField::Value if here.way != Way::Value => here.turn_limit(forward),
            ProfileField::Duration => here.turn_duration(forward),
            ProfileField::Alerts => here.suppressed = !here.suppressed,
            _ => return false,
        }
        true
    }

    /// Shows the next behaviour, or the previous one.
    pub(in crate::console) fn turn_behavior(&mut self, forward: bool) {
        let len = self.behaviors.len().max(1);
        self.at = (self.at + if forward { 1 } else { len - 1 }) % len;
    }

    /// One behaviour more, and it is shown.
    pub(in crate::console) fn add_behavior(&mut self) {
        if self.behaviors.len() < validate::MAX_BEHAVIORS {
            self.behaviors.push(BehaviorForm::blank());
            self.at = self.behaviors.len() - 1;
            self.field = ProfileField::Behavior;
        }
    }

    /// The behaviour shown is taken out.
    pub(in crate::console) fn drop_behavior(&mut self) {
        if self.at < self.behaviors.len() {
            self.behaviors.remove(self.at);
            self.at = self.at.min(self.behaviors.len().saturating_sub(1));
            self.field = ProfileField::Which;
        }
    }

    /// The input of the focused field, when it is typed.
    pub(in crate::console) fn input(&mut self) -> Option<&mut Input> {
        let here = self.behaviors.get_mut(self.at);
        match self.field {
            ProfileField::Name => Some(&mut self.name),
            ProfileField::Description => Some(&mut self.description),
            ProfileField::Behavior => here.map(|b| &mut b.name),
            ProfileField::Value => here.filter(|b| b.way == Way::Value).map(|b| &mut b.value),
            ProfileField::Alarm => here.map(|b| &mut b.alarm),
            ProfileField::Clear => here.map(|b| &mut b.clear),
            ProfileField::Retained => Some(&mut self.retained),
            ProfileField::Topic => Some(&mut self.topic),
            ProfileField::Role => Some(&mut self.role),
            ProfileField::Targets => Some(&mut self.targets),
            _ => None,
        }
    }

    /// The SNS topic and role: a bare name is one of this account.
    fn alert(&self) -> Option<AlertTarget> {
        let (topic, role) = (self.topic.value().trim(), self.role.value().trim());
        if topic.is_empty() && role.is_empty() {
            return None;
        }
        let parts: Vec<&str> = self.prefix.split(':').collect();
        let (partition, region, account) = match parts.as_slice() {
            [_, partition, _, region, account, ..] => (*partition, *region, *account),
            _ => ("aws", "", ""),
        };
        let full = |text: &str, head: String| {
            if text.is_empty() || text.starts_with("arn:") {
                text.to_owned()
            } else {
                format!("{head}{text}")
            }
        };
        Some(AlertTarget {
            alert_target_arn: full(topic, format!("arn:{partition}:sns:{region}:{account}:")),
            role_arn: full(role, format!("arn:{partition}:iam::{account}:role/")),
        })
    }

    /// The profile as it stands.
    pub(crate) fn document(&self) -> SecurityProfile {
        let mut out = self.base.as_deref().cloned().unwrap_or_default();
        out.security_profile_name = self.name.value().trim().to_owned();
        let description = self.description.value().trim();
        out.security_profile_description = (!description.is_empty()).then(|| description.to_owned());
        out.behaviors = self.behaviors.iter().map(|b| b.behavior(&self.words)).collect();
        let before = out.canonical().retained;
        out.older.clear();
        out.retained = listed(self.retained.value())
            .map(|text| {
                let metric = metric_name(text, &self.words);
                let kept = before.iter().find(|k| k.metric == metric).cloned();
                kept.unwrap_or(MetricToRetain { metric, metric_dimension: None, export_metric: None })
            })
            .collect();
        out.set_alert(self.alert());
        let arn = |text: &str| target_arn(text, &self.prefix).unwrap_or_else(|_| text.to_owned());
        out.targets = Some(listed(self.targets.value()).map(|t| Target::Plain(arn(t))).collect());
        out
    }
}

/// The profile of the account under the cursor.
pub(super) fn profile_here<'f>(app: &super::App, env: &Env<'f>) -> Option<&'f ProfileRecord> {
    let all = env.fleet.profiles().get()?;
    let here = app.list(ListId::Profiles).cursor();
    all.iter().find(|p| Some(key_of(p.name.as_str())) == here)
}

#[cfg(test)]
mod tests;
