//! The requests that change what Detect judges by, each with what it replaces.

use serde::{Deserialize, Serialize};

use crate::response::plan::request::words;
use quell_fleet::shell::word;
use quell_rules::detect::profile::{SecurityProfile, target_words};

/// One changing request of Detect's part of the API. `was` is what it replaces, for an undo that restores that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::response) enum DetectRequest {
    CreateProfile {
        profile: Box<SecurityProfile>,
    },
    /// Without a version (an undo) the profile must still be `was` when it is sent.
    UpdateProfile {
        to: Box<SecurityProfile>,
        was: Box<SecurityProfile>,
        version: Option<i64>,
    },
    DeleteProfile {
        was: Box<SecurityProfile>,
        version: Option<i64>,
    },
    Attach {
        profile: String,
        target: String,
    },
    Detach {
        profile: String,
        target: String,
    },
    CreateDimension {
        name: String,
        values: Vec<String>,
    },
    UpdateDimension {
        name: String,
        to: Vec<String>,
        was: Vec<String>,
    },
    DeleteDimension {
        name: String,
        was: Vec<String>,
    },
    CreateMetric {
        name: String,
        kind: String,
        display: Option<String>,
    },
    DeleteMetric {
        name: String,
        kind: String,
        display: Option<String>,
    },
    /// `was` is the state and the note before.
    Verify {
        violation: String,
        state: String,
        note: String,
        was: Option<(String, String)>,
    },
}

impl DetectRequest {
    /// The IAM action.
    pub(in crate::response) fn operation(&self) -> &'static str {
        match self {
            Self::CreateProfile { .. } => "iot:CreateSecurityProfile",
            Self::UpdateProfile { .. } => "iot:UpdateSecurityProfile",
            Self::DeleteProfile { .. } => "iot:DeleteSecurityProfile",
            Self::Attach { .. } => "iot:AttachSecurityProfile",
            Self::Detach { .. } => "iot:DetachSecurityProfile",
            Self::CreateDimension { .. } => "iot:CreateDimension",
            Self::UpdateDimension { .. } => "iot:UpdateDimension",
            Self::DeleteDimension { .. } => "iot:DeleteDimension",
            Self::CreateMetric { .. } => "iot:CreateCustomMetric",
            Self::DeleteMetric { .. } => "iot:DeleteCustomMetric",
            Self::Verify { .. } => "iot:PutVerificationStateOnViolation",
        }
    }

    /// What takes it back to what was.
    pub(in crate::response) fn inverse(&self) -> Self {
        match self.clone() {
            Self::CreateProfile { profile } => Self::DeleteProfile { was: profile, version: None },
            Self::UpdateProfile { to, was, .. } => Self::UpdateProfile { to: was, was: to, version: None },
            Self::DeleteProfile { was, .. } => Self::CreateProfile { profile: was },
            Self::Attach { profile, target } => Self::Detach { profile, target },
            Self::Detach { profile, target } => Self::Attach { profile, target },
            Self::CreateDimension { name, values } => Self::DeleteDimension { name, was: values },
            Self::UpdateDimension { name, to, was } => Self::UpdateDimension { name, to: was, was: to },
            Self::DeleteDimension { name, was } => Self::CreateDimension { name, values: was },
            Self::CreateMetric { name, kind, display } => Self::DeleteMetric { name, kind, display },
            Self::DeleteMetric { name, kind, display } => Self::CreateMetric { name, kind, display },
            Self::Verify { violation, state, note, was } => {
                let (before, why) = was.unwrap_or_else(|| ("UNKNOWN".to_owned(), String::new()));
                Self::Verify { violation, state: before, note: why, was: Some((state, note)) }
            }
        }
    }

    /// The resource and the parameters, as the AWS CLI would take them.
    pub(in crate::response) fn call(&self) -> (String, String) {
        let json = |profile: &SecurityProfile| serde_json::to_string(profile).unwrap_or_default();
        let version = |v: &Option<i64>| v.map(|v| format!(" --expected-version {v}")).unwrap_or_default();
        match self {
            Self::CreateProfile { profile } => (
                format!("securityprofile/{}", profile.security_profile_name),
                format!("--cli-input-json {}", word(&json(profile))),
            ),
            Self::UpdateProfile { to, version: v, .. } => (
                format!("securityprofile/{}", to.security_profile_name),
                format!("{} --cli-input-json {}", version(v), word(&json(to))).trim_start().to_owned(),
            ),
            Self::DeleteProfile { was, version: v } => {
                let name = &was.security_profile_name;
                (
                    format!("securityprofile/{name}"),
                    format!("--security-profile-name {}{}", word(name), version(v)),
                )
            }
            Self::Attach { profile, target } | Self::Detach { profile, target } => (
                format!("securityprofile/{profile} {target}"),
                format!(
                    "--security-profile-name {} --security-profile-target-arn {}",
                    word(profile),
                    word(target)
                ),
            ),
            Self::CreateDimension { name, values } | Self::UpdateDimension { name, to: values, .. } => (
                format!("dimension/{name}"),
                format!("--name {} --type TOPIC_FILTER --string-values {}", word(name), words(values)),
            ),
            Self::DeleteDimension { name, .. } => {
                (format!("dimension/{name}"), format!("--name {}", word(name)))
            }
            Self::CreateMetric { name, kind, display } => {
                let display =
                    display.as_ref().map(|d| format!(" --display-name {}", word(d))).unwrap_or_default();
                (
                    format!("custommetric/{name}"),
                    format!("--metric-name {} --metric-type {}{display}", word(name), word(kind)),
                )
            }
            Self::DeleteMetric { name, .. } => {
                (format!("custommetric/{name}"), format!("--metric-name {}", word(name)))
            }
            Self::Verify { violation, state, note, .. } => {
                let note = if note.is_empty() {
                    String::new()
                } else {
                    format!(" --verification-state-description {}", word(note))
                };
                (
                    format!("violation/{violation}"),
                    format!("--violation-id {} --verification-state {}{note}", word(violation), word(state)),
                )
            }
        }
    }

    /// The words of its row on the staircase.
    pub(in crate::response) fn title(&self) -> String {
        match self {
            Self::CreateProfile { profile } => format!("profile {} created", profile.security_profile_name),
            Self::UpdateProfile { to, .. } => format!("profile {} changed", to.security_profile_name),
            Self::DeleteProfile { was, .. } => format!("profile {} deleted", was.security_profile_name),
            Self::Attach { target, .. } => format!("attached to {}", target_words(target)),
            Self::Detach { target, .. } => format!("detached from {}", target_words(target)),
            Self::CreateDimension { name, .. } => format!("dimension {name} created"),
            Self::UpdateDimension { name, .. } => format!("dimension {name} changed"),
            Self::DeleteDimension { name, .. } => format!("dimension {name} deleted"),
            Self::CreateMetric { name, .. } => format!("custom metric {name} created"),
            Self::DeleteMetric { name, .. } => format!("custom metric {name} deleted"),
            Self::Verify { state, .. } => format!("marked {state}"),
        }
    }

    /// Its line in a plan: what, and on what.
    pub(in crate::response) fn words(&self) -> (&'static str, String) {
        let behaviors = |profile: &SecurityProfile| {
            let names: Vec<&str> = profile.behaviors.iter().map(|b| b.name.as_str()).collect();
            let names = if names.is_empty() { "no behaviours".to_owned() } else { names.join(", ") };
            format!("{} ({names})", profile.security_profile_name)
        };
        match self {
            Self::CreateProfile { profile } => ("create security profile", behaviors(profile)),
            Self::UpdateProfile { to, version, .. } => {
                let version = version.map(|v| format!(" of version {v}")).unwrap_or_default();
                ("update security profile", format!("{}{version}", behaviors(to)))
            }
            Self::DeleteProfile { was, .. } => ("delete security profile", was.security_profile_name.clone()),
            Self::Attach { profile, target } => {
                ("attach security profile", format!("{profile} to {}", target_words(target)))
            }
            Self::Detach { profile, target } => {
                ("detach security profile", format!("{profile} from {}", target_words(target)))
            }
            Self::CreateDimension { name, values } => {
                ("create dimension", format!("{name}: {}", values.join(", ")))
            }
            Self::UpdateDimension { name, to, was } => {
                ("update dimension", format!("{name}: {} instead of {}", to.join(", "), was.join(", ")))
            }
            Self::DeleteDimension { name, .. } => ("delete dimension", name.clone()),
            Self::CreateMetric { name, kind, .. } => ("create custom metric", format!("{name}, a {kind}")),
            Self::DeleteMetric { name, .. } => ("delete custom metric", name.clone()),
            Self::Verify { state, note, .. } if note.is_empty() => ("set verification state", state.clone()),
            Self::Verify { state, note, .. } => ("set verification state", format!("{state}: {note}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_inverse_taken_back_is_the_request_again() {
        let named = |name: &str| {
            Box::new(SecurityProfile { security_profile_name: name.to_owned(), ..SecurityProfile::default() })
        };
        let (a, b) = ("a".to_owned(), "b".to_owned());
        for request in [
            DetectRequest::CreateProfile { profile: named("p") },
            DetectRequest::UpdateProfile { to: named("p"), was: named("q"), version: None },
            DetectRequest::Attach { profile: a.clone(), target: b.clone() },
            DetectRequest::UpdateDimension { name: a.clone(), to: vec![b.clone()], was: vec![a.clone()] },
            DetectRequest::CreateMetric { name: a.clone(), kind: b.clone(), display: None },
            DetectRequest::Verify {
                violation: a.clone(),
                state: b.clone(),
                note: b.clone(),
                was: Some((a.clone(), b.clone())),
            },
        ] {
            assert_ne!(request.inverse(), request);
            assert_eq!(request.inverse().inverse(), request);
        }
        let first = DetectRequest::Verify { violation: a, state: "TRUE_POSITIVE".into(), note: b, was: None }
            .inverse();
        assert!(first.call().1.contains("--verification-state UNKNOWN"));
    }
}
