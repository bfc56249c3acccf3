//! What is true: devices, telemetry, shadows, violations, jobs, containment.
//!
//! Pure: no I/O, no async, no clock of its own, no terminal. [`Fleet::apply`] is the one way in; the same events with the
//! same times give the same state, which is what makes record and replay, and tests, honest.

pub mod event;
pub mod known;
pub mod model;

/// Milliseconds since the Unix epoch, UTC.
pub type Ms = i64;

/// What is read from AWS, each with its own age and trouble.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SourceId {
    /// Who we are.
    Identity,
    /// The registry.
    Things,
    /// Active violations.
    Violations,
    /// Past violation events.
    ViolationEvents,
    /// Members of a group, by group name (the quarantine groups).
    Members(model::Name),
    /// Principals of a thing.
    Certificates(model::Name),
    /// Groups of a thing.
    GroupsOf(model::Name),
    /// Jobs.
    Jobs,
    /// Executions of a job.
    Executions(model::Name),
    /// A shadow (classic when no name).
    Shadow(model::Name, Option<crate::text::SafeText>),
    /// Security profiles.
    Profiles,
}
