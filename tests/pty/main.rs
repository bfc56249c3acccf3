//! The real binary on a real terminal. One test binary: linking is what costs.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

mod actions;
mod elsewhere;
mod hostile;
mod incident;

mod suspend;
mod term;
mod terminal;
