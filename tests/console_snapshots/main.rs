//! The screens at fixed sizes from a fleet with fixed events and times: the same input must give the same cells.

#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

mod alerts;
mod contrast;
mod grid;
mod guide;
mod help;
mod hints;
mod keys;
mod quiet;
mod screens;
mod shadows;
mod stream;
mod tables;
mod views;
mod whatif;
mod world;
