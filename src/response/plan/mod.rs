//! What would be done, computed before anything is done: the exact requests in order, whom they touch, what is
//! reversible, and what will prove them.
//!
//! A [`Plan`] can only be made here, from facts read in the account. Its requests are private: what the operator confirmed
//! is what is sent, and nobody can edit it in between.

pub(in crate::response) mod audit;
mod build;
mod certificates;
mod cut;
pub(in crate::response) mod detect;
pub(in crate::response) mod draft;
pub mod facts;
mod flag;
mod groups;
mod intent;
pub(in crate::response) mod isolate;
mod jobs;
mod mitigate;
mod past;
pub(in crate::response) mod request;
mod retained;
pub(in crate::response) mod rule;
mod setup;

use std::fmt;

use crate::config::{Demand, Verb};
use quell_fleet::Ms;
use quell_fleet::format::few;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

pub use audit::{ActionSpec, AuditChange, AuditFacts};
pub use detect::DetectChange;
pub use intent::{Intent, JobAbort, JobOptions, JobRequest, JobTarget, Mitigation, SetupRequest};
pub use quell_fleet::Target;
pub use rule::build::doubts as rule_doubts;
pub use rule::{RuleBody, RuleChange, RuleEdit, RuleFacts};

/// Names a plan within this process and, through the journal, forever.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PlanId(pub(in crate::response) String);

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What would be done. Made by reading the account; confirmed as a whole or not at all.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(in crate::response) id: PlanId,
    pub(in crate::response) intent: Intent,
    pub(in crate::response) title: SafeText,
    pub(in crate::response) targets: Vec<Name>,
    pub(in crate::response) steps: Vec<Step>,
    pub(in crate::response) proofs: Vec<ProofLine>,
    pub(in crate::response) affects: Vec<Note>,
    pub(in crate::response) would_change_nothing: Option<SafeText>,
    pub(in crate::response) refused: Option<SafeText>,
    pub(in crate::response) confirmation: Confirmation,
    pub(in crate::response) reversible: Reversible,
    pub(in crate::response) made: Ms,
    /// What guardrails know it by: its own command, and that of the plan it undoes or finishes.
    pub(in crate::response) commands: Vec<Verb>,
    /// Groups it changes or aims at.
    pub(in crate::response) groups: Vec<Name>,
    pub(in crate::response) work: Vec<request::Work>,
    pub(in crate::response) instead: Option<Intent>,
    pub(in crate::response) cut: Option<Intent>,
}

impl Plan {
    /// Computes what `intent` means in an account of which `facts` were read. Pure.
    pub fn build(intent: Intent, facts: &facts::Facts, rules: &super::Rules, id: String, now: Ms) -> Self {
        build::build(intent, facts, rules, PlanId(id), now)
    }

    /// Its name.
    pub fn id(&self) -> &PlanId {
        &self.id
    }

    /// What was asked for, targets frozen; ask again with a changed copy to re-plan (another group, say).
    pub fn intent(&self) -> &Intent {
        &self.intent
    }

    /// `Isolate Thing02`.
    pub fn title(&self) -> &SafeText {
        &self.title
    }

    /// The devices (or the job) it acts on.
    pub fn targets(&self) -> &[Name] {
        &self.targets
    }

    /// What will be done, in order ("will").
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What will be waited for ("then prove"). Numbered on from the steps.
    pub fn proofs(&self) -> &[ProofLine] {
        &self.proofs
    }

    /// What it affects, for a person: what is said of several things in the same words is said once, with whom.
    pub fn told(&self) -> Vec<(Level, String)> {
        let mut out: Vec<(&Note, Vec<&SafeText>)> = Vec::new();
        for note in &self.affects {
            let same = out.iter_mut().find(|(first, names)| {
                !names.is_empty()
                    && note.about.is_some()
                    && first.level == note.level
                    && first.rest() == note.rest()
            });
            match same {
                Some((_, names)) => names.extend(&note.about),
                None => out.push((note, note.about.iter().collect())),
            }
        }
        let told = out.into_iter().map(|(note, names)| match names.as_slice() {
            [] | [_] => (note.level, note.text.as_str().to_owned()),
            many => {
                let whom = few(many, |name| name.as_str().to_owned());
                (note.level, format!("{} things {}: {whom}", many.len(), note.rest()))
            }
        });
        told.collect()
    }

    /// Blast radius and warnings ("affects"), worst first.
    pub fn affects(&self) -> &[Note] {
        &self.affects
    }

    /// Why running it would change nothing; shown in red.
    pub fn would_change_nothing(&self) -> Option<&SafeText> {
        self.would_change_nothing.as_ref()
    }

    /// What would reach the device where this would not; to be planned in its place.
    pub fn instead(&self) -> Option<&Intent> {
        self.instead.as_ref()
    }

    /// What would cut one session only, where several use the identity.
    pub fn cut_one(&self) -> Option<&Intent> {
        self.cut.as_ref()
    }

    /// Why it cannot be confirmed at all: with a reason here [`super::Responder::confirm`] answers Refused.
    pub fn refused(&self) -> Option<&SafeText> {
        self.refused.as_ref()
    }

    /// What the operator must do to let it run.
    pub fn confirmation(&self) -> &Confirmation {
        &self.confirmation
    }

    /// Whether it can be taken back, and how.
    pub fn reversible(&self) -> &Reversible {
        &self.reversible
    }
}

/// One numbered line of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// 1, 2, 3 ….
    pub n: usize,
    /// `add to thing group`.
    pub title: SafeText,
    /// `IsolatedDevices`, `{"quarantine":true}`.
    pub detail: SafeText,
    /// What was verified about it beforehand.
    pub check: Check,
    /// The API calls it stands for, in order.
    pub calls: Vec<ApiCall>,
}

/// The result of a verification made while planning.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// Nothing was to be verified.
    None,
    /// Verified: `policy DenyAll denies iot:* on *`.
    Passed(SafeText),
    /// Doubtful.
    Doubtful(SafeText),
    /// Verified to be wrong.
    Failed(SafeText),
}

/// A request as it will be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiCall {
    /// `iot:AddThingToThingGroup`.
    pub operation: &'static str,
    /// The resource it changes.
    pub resource: SafeText,
    /// Its parameters in one line, as the AWS CLI would take them.
    pub summary: SafeText,
}

/// One line of "then prove".
#[derive(Clone, Debug, PartialEq)]
pub struct ProofLine {
    /// Numbered on from the last step.
    pub n: usize,
    /// `no message from this device for 30 s (last heard 2 s ago, usually every 10 s)`.
    pub text: SafeText,
}

/// How much a note should worry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Good to know.
    Info,
    /// Think about it.
    Warn,
    /// Read it before you confirm.
    Danger,
}

/// One line of "affects".
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// How much it should worry.
    pub level: Level,
    /// The one thing it is about; of many things' notes those with the same words are told as one.
    pub about: Option<SafeText>,
    /// The sentence; it begins with what it is about.
    pub text: SafeText,
}

impl Note {
    /// The sentence without the name it begins with.
    pub fn rest(&self) -> &str {
        let text = self.text.as_str();
        let rest = self.about.as_ref().and_then(|name| text.strip_prefix(name.as_str()));
        rest.map_or(text, str::trim_start)
    }
}

/// What the operator must do.
#[derive(Clone, Debug, PartialEq)]
pub enum Confirmation {
    /// Nothing: the configuration lets this command run as soon as it is planned. A screen still shows the plan.
    Nothing,
    /// One key.
    Enter,
    /// Type the name as shown; where a certificate is at stake the last eight digits of its id will do too.
    TypeName {
        /// The name.
        name: SafeText,
        /// Accepted as well.
        or: Option<SafeText>,
    },
    /// Type how many devices it acts on.
    TypeCount(usize),
    /// Type the account's twelve digits.
    TypeAccount(SafeText),
}

impl Confirmation {
    /// True when `typed` satisfies it. `None` is a bare Enter.
    pub fn accepts(&self, typed: Option<&str>) -> bool {
        let typed = typed.map(str::trim);
        match self {
            Self::Nothing | Self::Enter => true,
            Self::TypeName { name, or } => typed.is_some_and(|t| {
                !t.is_empty() && (t == name.as_str() || or.as_ref().is_some_and(|o| t == o.as_str()))
            }),
            Self::TypeCount(n) => typed.is_some_and(|t| t.parse() == Ok(*n)),
            Self::TypeAccount(account) => typed.is_some_and(|t| !t.is_empty() && t == account.as_str()),
        }
    }

    /// The demand it satisfies.
    pub(in crate::response) fn level(&self) -> Demand {
        match self {
            Self::Nothing => Demand::None,
            Self::Enter => Demand::Confirm,
            Self::TypeName { .. } | Self::TypeCount(_) => Demand::Name,
            Self::TypeAccount(_) => Demand::Account,
        }
    }
}

/// Whether an action can be taken back.
#[derive(Clone, Debug, PartialEq)]
pub enum Reversible {
    /// Yes, and how.
    Yes(SafeText),
    /// No, and why.
    No(SafeText),
}

#[cfg(test)]
mod tests;
