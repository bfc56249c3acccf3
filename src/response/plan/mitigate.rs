//! AWS's own mitigation actions: quell starts the task and says how it ended; AWS offers no way back (docs/aws-iot.md#6.21).

use crate::response::plan::draft::{Draft, listed};
use quell_fleet::model::Name;

use super::facts::Facts;
use super::request::{Proof, Request, Work};
use super::{Level, Mitigation};

pub(super) fn build(draft: &mut Draft<'_>, facts: &Facts, wanted: &Mitigation) {
    let audit = !wanted.findings.is_empty();
    if wanted.actions.is_empty() {
        draft.refuse("which mitigation action? AWS lists those of the account");
    }
    if !audit && wanted.violations.is_empty() {
        draft.refuse("neither a violation nor a finding was named");
    }
    if audit && !wanted.violations.is_empty() {
        draft.refuse("violations and findings are different tasks: one at a time");
    }
    for (name, kind) in &facts.actions {
        match kind.as_deref() {
            None => draft.refuse(format!("the account has no mitigation action {name}")),
            Some("ADD_THINGS_TO_THING_GROUP") => {
                draft.note(Level::Info, format!("{name}: adds the things to its thing groups"));
            }
            Some(kind) if !audit => draft.refuse(format!(
                "{name} is {kind}: violations of Detect take ADD_THINGS_TO_THING_GROUP only"
            )),
            Some("UPDATE_DEVICE_CERTIFICATE") => {
                draft.note(
                    Level::Danger,
                    format!("{name}: sets the certificates INACTIVE, for every thing on them"),
                );
            }
            Some(kind) => draft.note(Level::Warn, format!("{name}: {kind}")),
        }
    }
    for id in &facts.missing {
        draft.note(Level::Danger, format!("there is no active violation {}: AWS may not know it", id.raw()));
    }
    let things: Vec<&Name> = facts.mitigated.iter().collect();
    if !things.is_empty() {
        draft.note(Level::Info, format!("things concerned: {}", listed(&things)));
    }
    let request = match (&wanted.check, audit) {
        (Some(check), true) => Request::MitigateFindings {
            task: wanted.task.clone(),
            findings: wanted.findings.clone(),
            check: check.clone(),
            actions: wanted.actions.clone(),
        },
        (None, true) => return draft.refuse("the audit check of the findings is not known"),
        (_, false) => Request::Mitigate {
            task: wanted.task.clone(),
            violations: wanted.violations.clone(),
            actions: wanted.actions.clone(),
        },
    };
    let name = Name::new(&wanted.task);
    draft.work.push(Work::of(name, vec![request], Proof::Mitigated { task: wanted.task.clone(), audit }));
    draft.prove("the task ends well; a group's policy still takes minutes to apply");
}
