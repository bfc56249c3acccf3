//! A session's events in a file: written while it is watched, played back to the same screens, and read for a report.
//!
//! What is recorded is what went into [`crate::Fleet`], with the times at which it did; since the fleet is pure, the
//! same events with the same times give the same screens. Never in a recording: credentials, because no event carries any,
//! and payloads, unless the operator asked for them.
//!
//! * [`file`]: the format. [`recorder`]: writing without making the console wait. [`player`]: playing back, with seek.
//! * [`report`]: what happened, from a recording and the journal.

pub mod file;
pub mod player;
pub mod recorder;
pub mod report;

pub use file::{Damage, Entry, Header, What};
pub use player::Player;
pub use recorder::Recorder;

#[cfg(test)]
mod tests;
