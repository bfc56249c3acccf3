//! What Detect judges by, changed: security profiles, whom they judge, dimensions, custom metrics, and what somebody found
//! a violation to be.

pub(in crate::response) mod build;
pub(in crate::response) mod request;

use crate::config::Verb;
use crate::response::plan::Note;
use quell_fleet::model::Name;
use quell_rules::detect::profile::{SecurityProfile, target_words};

/// A change to what Detect judges by.
#[derive(Clone, Debug, PartialEq)]
pub enum DetectChange {
    /// Create the profile, or make the one of that name be as this.
    Apply {
        /// All of it. Without `targets` the targets stay as they are.
        profile: Box<SecurityProfile>,
        /// What a console says of it from what it heard; the plan repeats it.
        heard: Vec<Note>,
        /// How many devices were heard, when somebody listened.
        devices: Option<usize>,
        /// It is meant to be a new one: a profile of that name is not written over.
        new: bool,
    },
    /// Delete a profile, its targets first.
    Delete {
        /// The profile.
        profile: Name,
    },
    /// Let a profile judge these too.
    Attach {
        /// The profile.
        profile: Name,
        /// `all things`, `registered`, `unregistered`, thing groups, or ARNs.
        targets: Vec<String>,
    },
    /// Let a profile no longer judge these.
    Detach {
        /// The profile.
        profile: Name,
        /// As for attaching.
        targets: Vec<String>,
    },
    /// Create a dimension, or change its topic filters.
    PutDimension {
        /// The dimension.
        name: Name,
        /// Topic filters.
        values: Vec<String>,
    },
    /// Delete a dimension.
    DeleteDimension {
        /// The dimension.
        name: Name,
    },
    /// Create a custom metric.
    CreateMetric {
        /// The metric.
        name: Name,
        /// `string-list`, `ip-address-list`, `number-list` or `number`.
        kind: String,
        /// What people call it.
        display: Option<String>,
    },
    /// Delete a custom metric.
    DeleteMetric {
        /// The metric.
        name: Name,
    },
    /// Say what violations were found to be.
    Verify {
        /// Their ids.
        violations: Vec<String>,
        /// `TRUE_POSITIVE`, `FALSE_POSITIVE`, `BENIGN_POSITIVE` or `UNKNOWN`.
        state: String,
        /// Why, at most 1000 characters.
        note: String,
    },
}

impl DetectChange {
    /// The command's name, as the journal and the command line say it.
    pub fn verb(&self) -> Verb {
        match self {
            Self::Apply { .. } => Verb::ApplyProfile,
            Self::Delete { .. } => Verb::DeleteProfile,
            Self::Attach { .. } => Verb::AttachProfile,
            Self::Detach { .. } => Verb::DetachProfile,
            Self::PutDimension { .. } => Verb::PutDimension,
            Self::DeleteDimension { .. } => Verb::DeleteDimension,
            Self::CreateMetric { .. } => Verb::CreateMetric,
            Self::DeleteMetric { .. } => Verb::DeleteMetric,
            Self::Verify { .. } => Verb::Verify,
        }
    }

    /// What it acts on.
    pub(in crate::response) fn targets(&self) -> Vec<Name> {
        match self {
            Self::Apply { profile, .. } => vec![Name::new(&profile.security_profile_name)],
            Self::Delete { profile } | Self::Attach { profile, .. } | Self::Detach { profile, .. } => {
                vec![profile.clone()]
            }
            Self::PutDimension { name, .. }
            | Self::DeleteDimension { name }
            | Self::CreateMetric { name, .. }
            | Self::DeleteMetric { name } => vec![name.clone()],
            Self::Verify { violations, .. } => violations.iter().map(|id| Name::new(id)).collect(),
        }
    }

    /// The plan's title.
    pub fn title(&self) -> String {
        let words =
            |targets: &[String]| targets.iter().map(|t| target_words(t)).collect::<Vec<_>>().join(", ");
        let lead = self.verb().words().lead;
        match self {
            Self::Apply { profile, .. } => format!("{lead} {}", profile.security_profile_name),
            Self::Attach { profile, targets } => format!("{lead} {} to {}", profile.raw(), words(targets)),
            Self::Detach { profile, targets } => format!("{lead} {} from {}", profile.raw(), words(targets)),
            Self::Delete { profile: name }
            | Self::PutDimension { name, .. }
            | Self::DeleteDimension { name }
            | Self::CreateMetric { name, .. }
            | Self::DeleteMetric { name } => format!("{lead} {}", name.raw()),
            Self::Verify { violations, state, .. } => match violations.as_slice() {
                [_] => format!("{lead} the violation {state}"),
                many => format!("{lead} {} violations {state}", many.len()),
            },
        }
    }
}

/// What was read for such a change.
#[derive(Clone, Debug, Default)]
pub struct DetectFacts {
    /// The profile as it is, targets included; `None` when there is none of that name.
    pub profile: Option<SecurityProfile>,
    /// Its version.
    pub version: Option<i64>,
    /// What ValidateSecurityProfileBehaviors said against the behaviours.
    pub invalid: Vec<String>,
    /// Of each new target: how many profiles judge it already, `None` when there is no such thing group.
    pub targets: Vec<(String, Option<usize>)>,
    /// Dimensions and custom metrics that are named and do not exist.
    pub unknown: Vec<String>,
    /// The dimension's filters as they are.
    pub dimension: Option<Vec<String>>,
    /// The custom metric's type and what people call it, as they are.
    pub metric: Option<(String, Option<String>)>,
    /// Profiles that use the dimension or the metric.
    pub used_by: Vec<String>,
    /// The violations, as far as they were found.
    pub violations: Vec<ViolationFacts>,
    /// Active violations of the profile.
    pub active: usize,
}

/// A violation that is to be judged by somebody.
#[derive(Clone, Debug, PartialEq)]
pub struct ViolationFacts {
    /// Its id.
    pub id: String,
    /// The thing.
    pub thing: Name,
    /// The behaviour.
    pub behavior: String,
    /// What it was found to be, and why, so far.
    pub was: Option<(String, String)>,
}
