//! What comes in: `quell watch` as a program against the emulator over sockets, its JSON the witness. Messages, their
//! things and their counts; connections that end and come back; reads that are refused, throttled or cut short.
#![cfg(feature = "emulator")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod beside;
mod cable;
mod connection;
mod door;
mod endings;
mod faults;
mod faults_screen;
mod filters;
mod focused;
mod iam;
mod identity;
mod large;
mod lines;
mod log;
mod messages;
mod mfa;
mod ministack;
mod mosquitto;
mod others;
#[path = "../common/outside.rs"]
mod outside;
mod reads;
mod screen;
#[expect(dead_code, reason = "shared with the tests of the terminal, which need more of it")]
#[path = "../pty/term.rs"]
mod term;
mod world;
