//! quell: an operations console for AWS IoT fleets.
//!
//! The rooms of the program, from the bottom up; a room may use those above it in this list and never those below:
//!
//! * [`quell_rules`], [`quell_fleet`]: crates of their own: what AWS IoT's rules mean, and what is true.
//! * [`config`]: one typed configuration.
//! * [`stream`], [`cloud`]: MQTT and the AWS APIs, turned into fleet events.
//! * [`response`]: the only room that changes anything in an account.
//! * [`case`]: evidence, kept before a response, signed, checked and told.
//! * [`console`]: the terminal.
//! * [`guard`]: the judge without a screen: alerts, who is told of them, and what survives a restart.
//! * [`cli`]: the commands, thin callers of the rooms above.
//!
//! `quell_emulator`, a local AWS IoT, is reached over sockets only; `cli` alone starts it.

// What is cut by a byte that a device or a file chose may be cut inside a character.
#![cfg_attr(not(test), deny(clippy::string_slice))]

pub mod case;
pub mod cli;
pub mod cloud;
pub mod config;
pub mod console;
pub mod guard;
pub mod response;
pub mod stream;

#[cfg(test)]
#[path = "../tests/common/mutate.rs"]
mod mutate;
