//! The commands that change an account, as one table: what the journal and the configuration call each, its words, what
//! takes it back, and what of the account to read again afterwards.
//!
//! The table stands at the bottom because guardrails name commands. A verb is one row here and one intent that carries
//! it; a row with a part left out does not compile.

use std::fmt;

use quell_fleet::SourceId;
use serde::{Serialize, Serializer};

/// What takes a change back, as long as the plan's own facts say nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inverse {
    /// It can be taken back, and how.
    By(&'static str),
    /// It cannot, and why.
    None(&'static str),
}

/// The row of a verb.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// Its name in the journal, in guardrails and on the command line. Never changed: old journals are read by it.
    pub id: &'static str,
    /// How the title of its plan begins: `Isolate`.
    pub lead: &'static str,
    /// While it is under way: `isolating`.
    pub doing: &'static str,
    /// Once it is proven: `contained`.
    pub proven: &'static str,
    /// When all was accepted but the proof did not come.
    pub unproven: &'static str,
    /// When nothing was changed.
    pub failed: &'static str,
    /// What takes it back.
    pub inverse: Inverse,
    /// True when it silences devices: its time to contain is measured.
    pub contains: bool,
    /// What of the account looks different afterwards.
    pub changes: &'static [SourceId],
}

macro_rules! verbs {
    ($($(#[$doc:meta])* $verb:ident { $($part:tt)* })+) => {
        /// A command that changes the account.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Verb { $($(#[$doc])* $verb,)+ }

        impl Verb {
            /// Each of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$verb),+];

            /// Its row.
            pub fn words(self) -> &'static Words {
                match self { $(Self::$verb => const { &Words { $($part)* } },)+ }
            }
        }
    };
}

use Inverse::{By, None as Never};
use SourceId as S;

verbs! {
    /// Put devices under a group's policy that denies, and cut their connections.
    Isolate {
        id: "isolate", lead: "Isolate", doing: "isolating", proven: "contained",
        unproven: "isolated as far as AWS answered, but not proven contained", failed: "not isolated",
        inverse: By("release takes it back"), contains: true, changes: &[],
    }
    /// Let isolated devices speak again.
    Release {
        id: "release", lead: "Release", doing: "releasing", proven: "released",
        unproven: "released, but not heard again", failed: "not released",
        inverse: By("isolate does it again"), contains: false, changes: &[],
    }
    /// Set certificates INACTIVE.
    Deactivate {
        id: "deactivate", lead: "Deactivate the certificate of", doing: "deactivating",
        proven: "certificate deactivated",
        unproven: "certificate deactivated, but the device is not proven silent", failed: "certificate left as it was",
        inverse: By("activate takes it back"), contains: true, changes: &[],
    }
    /// Set certificates ACTIVE.
    Activate {
        id: "activate", lead: "Activate the certificate of", doing: "activating", proven: "certificate activated",
        unproven: "certificate activated, but the device is not heard again", failed: "certificate left as it was",
        inverse: By("deactivate takes it back"), contains: false, changes: &[],
    }
    /// Set certificates REVOKED, for good.
    Revoke {
        id: "revoke", lead: "REVOKE the certificate of", doing: "revoking", proven: "certificate revoked",
        unproven: "certificate revoked, but the device is not proven silent", failed: "certificate left as it was",
        inverse: Never("a revoked certificate stays revoked; the device needs a new one"), contains: true, changes: &[],
    }
    /// Cut one session of an identity that several use.
    Cut {
        id: "cut", lead: "Cut a session of", doing: "cutting", proven: "cut: one session or none is left",
        unproven: "cut, but not proven to stay away", failed: "not cut",
        inverse: Never("a client that was cut comes back by itself, if it tries"), contains: false, changes: &[],
    }
    /// Ask devices by their shadow to quarantine themselves.
    Flag {
        id: "flag", lead: "Flag the shadow of", doing: "asking by the shadow", proven: "reports that it quarantined itself",
        unproven: "asked by its shadow, but the device does not report it", failed: "shadow left as it was",
        inverse: By("undo takes it back"), contains: false, changes: &[],
    }
    /// Put devices into a thing group.
    Join {
        id: "join", lead: "Add", doing: "adding to the group", proven: "put into the group",
        unproven: "put into the group, but its list does not show it yet", failed: "not put into the group",
        inverse: By("leaving the group takes it back"), contains: false, changes: &[],
    }
    /// Take devices out of a thing group.
    Leave {
        id: "leave", lead: "Remove", doing: "removing from the group", proven: "taken out of the group",
        unproven: "taken out of the group, but its list still shows it", failed: "not taken out of the group",
        inverse: By("joining the group takes it back"), contains: false, changes: &[],
    }
    /// Run AWS's own mitigation actions.
    Mitigate {
        id: "mitigate", lead: "Run", doing: "AWS is mitigating", proven: "mitigated by AWS",
        unproven: "started, but AWS's task is not seen to have ended well", failed: "AWS's mitigation was not started",
        inverse: Never("AWS's tasks have no rollback; release and activate take devices back"),
        contains: false, changes: &[],
    }
    /// Make the isolation group and its policy.
    Setup {
        id: "setup", lead: "Set up", doing: "setting up", proven: "set up",
        unproven: "set up, but the group is not seen to deny yet", failed: "not set up",
        inverse: By("undo detaches and deletes what was created"), contains: false, changes: &[],
    }
    /// Clear the retained messages on a device's topics.
    ClearRetained {
        id: "retained clear", lead: "Clear the retained messages of", doing: "clearing", proven: "cleared",
        unproven: "cleared, but AWS still shows a retained message", failed: "nothing was cleared",
        inverse: Never("AWS keeps no copy of a retained message: what it said is gone"), contains: false, changes: &[],
    }
    /// Create a job.
    LaunchJob {
        id: "job create", lead: "Launch job", doing: "launching", proven: "launched",
        unproven: "launched, but AWS does not show the job yet", failed: "not launched",
        inverse: Never("canceling stops what is QUEUED; what a device has done stays done"), contains: false, changes: &[],
    }
    /// Cancel a job.
    CancelJob {
        id: "job cancel", lead: "Cancel job", doing: "cancelling", proven: "cancelled",
        unproven: "cancelled, but AWS does not show it CANCELED yet", failed: "not cancelled",
        inverse: Never("a canceled job does not run again; create a new one"), contains: false, changes: &[],
    }
    /// Write a security profile.
    ApplyProfile {
        id: "profiles apply", lead: "Write security profile", doing: "writing", proven: "written",
        unproven: "written, but the account does not show the profile so yet", failed: "profile left as it was",
        inverse: By("undo puts back what was before"), contains: false, changes: PROFILES,
    }
    /// Delete a security profile.
    DeleteProfile {
        id: "profiles delete", lead: "Delete security profile", doing: "deleting", proven: "deleted",
        unproven: "deleted, but the account still shows the profile", failed: "profile not deleted",
        inverse: By("undo creates and attaches it again"), contains: false, changes: PROFILES,
    }
    /// Attach a security profile to targets.
    AttachProfile {
        id: "profiles attach", lead: "Attach", doing: "attaching", proven: "attached",
        unproven: "attached, but the account does not show it yet", failed: "not attached",
        inverse: By("undo detaches it again"), contains: false, changes: PROFILES,
    }
    /// Detach a security profile from targets.
    DetachProfile {
        id: "profiles detach", lead: "Detach", doing: "detaching", proven: "detached",
        unproven: "detached, but the account still shows it attached", failed: "not detached",
        inverse: By("undo attaches it again"), contains: false, changes: PROFILES,
    }
    /// Write a dimension.
    PutDimension {
        id: "dimension create", lead: "Write dimension", doing: "writing", proven: "written",
        unproven: "written, but the account does not show the dimension so yet", failed: "dimension left as it was",
        inverse: By("undo puts the filters back"), contains: false, changes: &[S::Dimensions],
    }
    /// Delete a dimension.
    DeleteDimension {
        id: "dimension delete", lead: "Delete dimension", doing: "deleting", proven: "deleted",
        unproven: "deleted, but the account still shows the dimension", failed: "dimension not deleted",
        inverse: By("undo creates it again as it was"), contains: false, changes: &[S::Dimensions],
    }
    /// Create a custom metric.
    CreateMetric {
        id: "metric create", lead: "Create custom metric", doing: "creating", proven: "written",
        unproven: "created, but the account does not show the metric yet", failed: "metric not created",
        inverse: By("undo deletes it"), contains: false, changes: &[S::CustomMetrics],
    }
    /// Delete a custom metric.
    DeleteMetric {
        id: "metric delete", lead: "Delete custom metric", doing: "deleting", proven: "deleted",
        unproven: "deleted, but the account still shows the metric", failed: "metric not deleted",
        inverse: By("undo creates it again, without its values"), contains: false, changes: &[S::CustomMetrics],
    }
    /// Say what violations were found to be.
    Verify {
        id: "verify", lead: "Mark", doing: "marking", proven: "marked",
        unproven: "marked, but the account does not show it yet", failed: "not marked",
        inverse: By("undo puts back what was said before"), contains: false,
        changes: &[S::Violations, S::ViolationEvents],
    }
    /// Switch a topic rule on.
    EnableRule {
        id: "rules enable", lead: "Enable topic rule", doing: "enabling", proven: "enabled",
        unproven: "enabled, but the account does not show the rule so yet", failed: "rule left disabled",
        inverse: By("undo switches it back"), contains: false, changes: &[S::Rules],
    }
    /// Switch a topic rule off.
    DisableRule {
        id: "rules disable", lead: "Disable topic rule", doing: "disabling", proven: "disabled",
        unproven: "disabled, but the account does not show the rule so yet", failed: "rule left enabled",
        inverse: By("undo switches it back"), contains: false, changes: &[S::Rules],
    }
    /// Write a topic rule.
    WriteRule {
        id: "rules write", lead: "Write topic rule", doing: "writing", proven: "written",
        unproven: "written, but the account does not show the rule so yet", failed: "rule left as it was",
        inverse: By("undo restores what was"), contains: false, changes: &[S::Rules],
    }
    /// Delete a topic rule.
    DeleteRule {
        id: "rules delete", lead: "Delete topic rule", doing: "deleting", proven: "deleted",
        unproven: "deleted, but the account still shows the rule", failed: "rule not deleted",
        inverse: By("undo creates it again as it was"), contains: false, changes: &[S::Rules],
    }
    /// Audit the account now.
    StartAudit {
        id: "audit start", lead: "Audit the account now", doing: "auditing", proven: "audited",
        unproven: "the audit was started and has not ended yet", failed: "the audit was not started",
        inverse: Never("an audit can be canceled while it runs"), contains: false, changes: AUDIT,
    }
    /// Cancel an audit.
    CancelAudit {
        id: "audit cancel", lead: "Cancel audit", doing: "cancelling", proven: "cancelled",
        unproven: "cancelled, but AWS does not show it so yet", failed: "audit not cancelled",
        inverse: Never("an audit does not go on; start another"), contains: false, changes: AUDIT,
    }
    /// Suppress audit findings.
    Suppress {
        id: "audit suppress", lead: "Suppress findings about", doing: "suppressing", proven: "suppressed",
        unproven: "suppressed, but the account does not show it yet", failed: "not suppressed",
        inverse: By("undo ends it"), contains: false, changes: AUDIT,
    }
    /// End the suppression of audit findings.
    Unsuppress {
        id: "audit unsuppress", lead: "Tell findings about", doing: "ending the suppression", proven: "told again",
        unproven: "told again, but the account still shows the suppression", failed: "still suppressed",
        inverse: By("undo suppresses them again"), contains: false, changes: AUDIT,
    }
    /// Schedule an audit.
    ScheduleAudit {
        id: "audit schedule", lead: "Schedule audit", doing: "scheduling", proven: "scheduled",
        unproven: "scheduled, but the account does not show it yet", failed: "schedule left as it was",
        inverse: By("undo puts the times and checks back"), contains: false, changes: AUDIT,
    }
    /// End a scheduled audit.
    UnscheduleAudit {
        id: "audit unschedule", lead: "End scheduled audit", doing: "ending the schedule", proven: "ended",
        unproven: "ended, but the account still shows the schedule", failed: "still scheduled",
        inverse: By("undo schedules it again as it was"), contains: false, changes: AUDIT,
    }
    /// Create a mitigation action.
    CreateAction {
        id: "action create", lead: "Create mitigation action", doing: "creating", proven: "created",
        unproven: "created, but the account does not show the action yet", failed: "action not created",
        inverse: By("undo deletes it"), contains: false, changes: AUDIT,
    }
    /// Delete a mitigation action.
    DeleteAction {
        id: "action delete", lead: "Delete mitigation action", doing: "deleting", proven: "deleted",
        unproven: "deleted, but the account still shows the action", failed: "action not deleted",
        inverse: By("undo creates it again"), contains: false, changes: AUDIT,
    }
    /// Take an earlier plan back.
    Undo {
        id: "undo", lead: "Undo:", doing: "undoing", proven: "undone",
        unproven: "undone as far as AWS answered, but not proven", failed: "nothing was undone",
        inverse: By("the first plan can be asked for again"), contains: false, changes: ANY,
    }
    /// Send what an earlier plan left unsent.
    Finish {
        id: "finish", lead: "Finish:", doing: "finishing", proven: "finished",
        unproven: "all of it sent, but not proven", failed: "nothing more was changed",
        inverse: By("undo takes it back where AWS has an inverse"), contains: false, changes: ANY,
    }
}

const PROFILES: &[SourceId] = &[S::Profiles, S::Violations, S::Suppressed];
const AUDIT: &[SourceId] = &[S::AuditSetup, S::AuditTasks];
/// An undo or a finish may have been about any of them.
const ANY: &[SourceId] = &[S::Profiles, S::Dimensions, S::CustomMetrics, S::ViolationEvents];

impl Verb {
    /// Its name in the journal, in guardrails and on the command line.
    pub fn id(self) -> &'static str {
        self.words().id
    }

    /// The verb of that name; `None` for a name this version does not know.
    pub fn parse(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|verb| verb.id() == id)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

impl Serialize for Verb {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verb_has_a_name_and_words_of_its_own() {
        for verb in Verb::ALL {
            assert_eq!(Verb::parse(verb.id()), Some(*verb), "{verb} is the name of one verb");
            let words = verb.words();
            for text in [words.lead, words.doing, words.proven, words.unproven, words.failed] {
                assert!(!text.is_empty() && text.trim() == text, "{verb}: {text:?}");
            }
            assert_ne!(words.proven, "proven", "{verb} says what was reached");
        }
        assert_eq!(Verb::parse("no such command"), None);
    }

    #[test]
    fn journals_of_earlier_versions_are_read() {
        // Journals hold these names for as long as somebody keeps them.
        let written = [
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
            "rules enable",
            "rules disable",
            "rules write",
            "rules delete",
            "audit start",
            "audit cancel",
            "audit suppress",
            "audit unsuppress",
            "audit schedule",
            "audit unschedule",
            "action create",
            "action delete",
            "cut",
            "retained clear",
            "flag",
        ];
        for id in written {
            assert!(Verb::parse(id).is_some(), "{id}");
        }
    }
}
