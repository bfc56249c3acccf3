//! The form as it is drawn: its lines, and beside each what is wrong with it.

use tui_input::Input;

use quell_rules::detect::metric::Metric;
use quell_rules::detect::profile::{alert_mistake, target_arn};
use quell_rules::detect::validate;

use super::super::super::dialogs::FormLine;
use super::behavior::{BehaviorForm, Way};
use super::{ProfileField, ProfileForm, listed, metric_name};

impl ProfileForm {
    /// What is wrong with a field.
    pub(super) fn trouble(&self, field: ProfileField) -> Option<String> {
        let here = self.here();
        match field {
            ProfileField::Name => (!validate::valid_name(self.name.value().trim()))
                .then(|| "1 to 128 letters, digits, :, _ or -".to_owned()),
            ProfileField::Description => (self.description.value().chars().count() > 1000)
                .then(|| "at most 1000 characters".to_owned()),
            ProfileField::Which => {
                let other = self.behaviors.iter().enumerate().filter(|(i, _)| *i != self.at);
                let wrong = other.filter_map(|(i, b)| Some((i, b.mistake(&self.words)?))).next();
                wrong.map(|(i, why)| format!("{}: {why}", i + 1))
            }
            ProfileField::Behavior => here.and_then(|b| {
                let name = b.name.value().trim();
                let same = self.behaviors.iter().filter(|o| o.name.value().trim() == name).count();
                let twice = (same > 1).then(|| "another behaviour has this name".to_owned());
                b.name_mistake().or(twice)
            }),
            ProfileField::Value => {
                here.filter(|b| b.way == Way::Value).and_then(|b| b.expected(&self.words).err())
            }
            ProfileField::Alarm => here.and_then(|b| BehaviorForm::datapoints(&b.alarm).err()),
            ProfileField::Clear => here.and_then(|b| BehaviorForm::datapoints(&b.clear).err()),
            ProfileField::Retained => listed(self.retained.value())
                .map(|text| metric_name(text, &self.words))
                .find(|name| Metric::parse(name).is_none())
                .map(|name| format!("{name} is no metric")),
            ProfileField::Topic => self.alert().and_then(|a| alert_mistake(&a)).filter(|t| t.contains("SNS")),
            ProfileField::Role => self.alert().and_then(|a| alert_mistake(&a)).filter(|t| !t.contains("SNS")),
            ProfileField::Targets => {
                listed(self.targets.value()).find_map(|text| target_arn(text, &self.prefix).err())
            }
            _ => None,
        }
    }

    /// What AWS would refuse, apart from what stands beside a field.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        if self.first_wrong().is_some() { Vec::new() } else { self.document().mistakes() }
    }

    /// The first field that is wrong.
    pub(super) fn first_wrong(&self) -> Option<ProfileField> {
        ProfileField::ALL.into_iter().find(|field| self.trouble(*field).is_some())
    }

    /// Its fields as they are drawn.
    pub(crate) fn lines(&self) -> Vec<FormLine> {
        ProfileField::ALL.into_iter().filter_map(|f| self.line(f)).collect()
    }

    fn line(&self, field: ProfileField) -> Option<FormLine> {
        let label = field.label();
        let typed = |input: &Input| FormLine::typed(label, input);
        let turned = |text: &str| FormLine::turned(label, text);
        let here = self.here();
        let line = match field {
            ProfileField::Name => typed(&self.name),
            ProfileField::Description => typed(&self.description),
            ProfileField::Which => {
                let names = here.map_or("none: the profile only retains metrics".to_owned(), |b| {
                    format!("{} of {}: {}", self.at + 1, self.behaviors.len(), b.name.value())
                });
                turned(&names).hint("ctrl-n one more, ctrl-x takes it out, space shows the next")
            }
            ProfileField::Behavior => typed(&here?.name),
            ProfileField::Metric => turned(&here?.metric),
            ProfileField::Dimension if here?.takes_dimension() => turned(&here?.dimension_words()),
            ProfileField::Dimension => turned("all (this metric knows no topics)"),
            ProfileField::Way => turned(here?.way.words()),
            ProfileField::Operator if here?.way == Way::Learned => turned("what AWS learned"),
            ProfileField::Operator => turned(here?.operator_words()),
            ProfileField::Value if here?.way == Way::Value => typed(&here?.value),
            ProfileField::Value => turned(here?.limit_words()),
            ProfileField::Duration => turned(&here?.duration_words()),
            ProfileField::Alarm => typed(&here?.alarm).hint("datapoints in a row"),
            ProfileField::Clear => typed(&here?.clear).hint("datapoints in a row"),
            ProfileField::Alerts if here?.suppressed => turned("suppressed: recorded, nobody is told"),
            ProfileField::Alerts => turned("sent"),
            ProfileField::Retained => {
                typed(&self.retained).hint("metrics with commas: message-byte-size, num-messages-received")
            }
            ProfileField::Topic => typed(&self.topic).hint("a topic's name or ARN; empty tells nobody"),
            ProfileField::Role => typed(&self.role).hint("a role's name or ARN"),
            ProfileField::Targets => typed(&self.targets)
                .hint("all things, registered, unregistered, or thing groups; with commas"),
        };
        Some(line.wrong(self.trouble(field)))
    }

    /// The place of the focused field among [`Self::lines`].
    pub(crate) fn focus(&self) -> usize {
        let shown = |field: &&ProfileField| self.line(**field).is_some();
        ProfileField::ALL.iter().filter(shown).position(|f| *f == self.field).unwrap_or(0)
    }
}
