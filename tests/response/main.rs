//! Responses against the emulator, over its sockets: the real AWS SDK sends, real MQTT proves. One test binary: linking is
//! what costs.
#![cfg(feature = "emulator")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod alerts;
mod bulk;
mod crash;
mod door;
mod guardrails;
mod headless;
mod plans;
mod profiles;
mod program;
mod remedy;
mod setup;
mod sns;
mod undo;
mod world;
