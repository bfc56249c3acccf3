//! Responses against the emulator, over its sockets: the real AWS SDK sends, real MQTT proves. One test binary: linking is
//! what costs.
#![cfg(feature = "emulator")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod alerts;
mod budget;
mod bulk;
#[expect(dead_code, reason = "shared with the tests of what comes in, which need more of it")]
#[path = "../incoming/cable.rs"]
mod cable;
mod case;
mod clients;
mod clones;
mod crash;
mod door;
mod guard;
mod guardrails;
mod headless;
mod in_aws;
#[path = "../common/outside.rs"]
mod outside;
mod plans;
mod policy;
mod profiles;
mod program;
mod read_only;
mod remedy;
mod rules;
mod schedules;
mod screen;
mod setup;
mod sinks;
mod sns;
mod states;
mod sweep;
#[expect(
    dead_code,
    clippy::expect_used,
    reason = "the terminal of the console's own tests, which use all of it"
)]
#[path = "../pty/term.rs"]
mod term;
mod undo;
mod unheard;
mod world;
