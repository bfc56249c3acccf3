//! What a contained device left behind. Silence on the wire is half of a containment: a retained message speaks for it to
//! whoever subscribes, keys it took for a role are good until they expire, a job waits for its return.
//!
//! A sweep looks for each [`Residue`] after the proof, by reads alone, and says of each whether it is there, with the request
//! ids that say so. It changes nothing, holds up no proof, and what it could not ask is unknown, with the reason.
//!
//! * `look`: the reads. `judge`: what they mean, pure.

mod judge;
mod look;

use serde_json::{Value, json};

use crate::cloud::Aws;
use crate::config::Settings;
use quell_fleet::Target;
use quell_fleet::known::Trouble;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::plan::facts::ThingFacts;
use super::read;
use super::rules::Rules;

pub(in crate::response) use judge::Cut;
pub(in crate::response) use look::{Own, Subject, sweep};

/// Something that a device may leave behind, or have left of its reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residue {
    /// Retained messages on its topics: brokers give them to whoever subscribes.
    Retained,
    /// Connections under the client ids seen with its principals.
    Sessions,
    /// Sessions kept beyond their connection, with what is queued for them; last wills.
    Queued,
    /// Other things on its certificates.
    Things,
    /// Certificates of it that the response did not touch.
    Certificates,
    /// Publishing over HTTPS, where there is no client id for a group's policy to go by.
    Https,
    /// Temporary AWS credentials of a role alias: good until they expire, whatever becomes of the certificate.
    Credentials,
    /// Desired state that waits in its shadows.
    Desired,
    /// Job executions that wait for it.
    Jobs,
    /// What its clients answered when they were asked by a direct message.
    Answer,
}

impl Residue {
    /// Each of them, in the order in which they are told.
    pub const ALL: [Self; 10] = [
        Self::Retained,
        Self::Sessions,
        Self::Queued,
        Self::Things,
        Self::Certificates,
        Self::Https,
        Self::Credentials,
        Self::Desired,
        Self::Jobs,
        Self::Answer,
    ];

    /// Its name for programs and the journal. Never changed.
    pub fn id(self) -> &'static str {
        match self {
            Self::Retained => "retained",
            Self::Sessions => "sessions",
            Self::Queued => "queued",
            Self::Things => "things",
            Self::Certificates => "certificates",
            Self::Https => "https",
            Self::Credentials => "credentials",
            Self::Desired => "desired",
            Self::Jobs => "jobs",
            Self::Answer => "answer",
        }
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Retained => "retained messages",
            Self::Sessions => "connections",
            Self::Queued => "queued session, will",
            Self::Things => "other things",
            Self::Certificates => "other certificates",
            Self::Https => "publishing over HTTPS",
            Self::Credentials => "AWS credentials",
            Self::Desired => "desired state",
            Self::Jobs => "queued jobs",
            Self::Answer => "asked itself",
        }
    }
}

/// What was found of a residue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Looked for, and not there.
    Clear,
    /// There, or possible.
    Found,
    /// It could not be told.
    Unknown,
}

impl Mark {
    /// Its word for programs and the journal. Never changed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Found => "found",
            Self::Unknown => "unknown",
        }
    }
}

/// One line of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// What was looked for.
    pub residue: Residue,
    /// Whether it is there.
    pub mark: Mark,
    /// What was found, or why it is not known.
    pub text: SafeText,
    /// The request ids of the calls it rests on.
    pub requests: Vec<SafeText>,
    /// The command that mends it, ready to run; where there is none nothing is offered.
    pub run: Option<SafeText>,
}

/// The sweep of one device.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// The device.
    pub thing: Name,
    /// A line for each [`Residue`], in their order.
    pub traces: Vec<Trace>,
}

impl Sweep {
    /// How many residues were found, and of how many nothing is known.
    pub fn counts(&self) -> (usize, usize) {
        let of = |mark| self.traces.iter().filter(|trace| trace.mark == mark).count();
        (of(Mark::Found), of(Mark::Unknown))
    }

    /// True when `residue` was found.
    pub fn left(&self, residue: Residue) -> bool {
        self.traces.iter().any(|trace| trace.residue == residue && trace.mark == Mark::Found)
    }

    /// `nothing left behind`, `2 found, 1 unknown`, `unknown`.
    pub fn summary(&self) -> String {
        match self.counts() {
            (0, unknown) if unknown == self.traces.len() => "unknown".to_owned(),
            (0, 0) => "nothing left behind".to_owned(),
            (found, 0) => format!("{found} found"),
            (0, unknown) => format!("none found, {unknown} unknown"),
            (found, unknown) => format!("{found} found, {unknown} unknown"),
        }
    }

    /// One object for programs and the journal.
    pub fn json(&self) -> Value {
        let traces: Vec<Value> = self
            .traces
            .iter()
            .map(|trace| {
                json!({
                    "residue": trace.residue.id(), "mark": trace.mark.word(), "text": trace.text,
                    "requestIds": trace.requests, "run": trace.run,
                })
            })
            .collect();
        json!({"target": self.thing.raw(), "lines": traces})
    }

    /// A sweep that could not be made: nothing is known, and why.
    pub(in crate::response) fn unmade(thing: Name, why: &str) -> Self {
        let unknown = |residue| Trace {
            residue,
            mark: Mark::Unknown,
            text: SafeText::new(why),
            requests: Vec::new(),
            run: None,
        };
        Self { thing, traces: Residue::ALL.into_iter().map(unknown).collect() }
    }
}

/// Sweeps `things` as they are now, whatever was done about them. Their clients are not asked: that is no read.
///
/// # Errors
/// When the things cannot be read at all.
pub async fn now(aws: &Aws, settings: &Settings, things: &[Target]) -> Result<Vec<Sweep>, Trouble> {
    let prefix = read::arn_prefix(aws).await?;
    let facts = read::things(aws, things, &prefix).await?;
    let subject = |facts: &ThingFacts| Subject {
        thing: facts.target.thing.clone(),
        clients: facts.client_ids().into_iter().map(|client| (client, Cut::ByNobody)).collect(),
        siblings: facts.siblings(),
        topics: facts.target.topics.clone(),
        connects: false,
        barred: false,
        told: None,
    };
    let subjects = facts.iter().map(subject).collect();
    Ok(sweep(aws, &Rules::from(settings), Some(prefix), subjects, super::run::now()).await)
}

/// How far the sweep after a response is.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Swept {
    /// There is none: nothing was contained.
    #[default]
    None,
    /// Under way: what it finds is told by itself.
    Running,
    /// Made.
    Done(Vec<Sweep>),
}
