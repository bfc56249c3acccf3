//! The real binary on a real terminal. One test binary: linking is what costs.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

mod actions;
mod clones;
mod drill;
mod elsewhere;
mod findings;
mod hostile;
mod incident;
mod leaving;
mod marked;
mod profiles;
mod record;
mod room;
mod rules_audit;
mod seen;
mod suspend;
mod term;
mod terminal;
