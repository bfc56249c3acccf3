//! A local AWS IoT that the console, the AWS CLI, device SDKs and MQTT clients cannot tell from the real one.
//!
//! `quell demo`, `quell local` and the tests need an AWS IoT that is *right*. It is reached over sockets only (HTTP with
//! SigV4, MQTT over TCP, TLS and WebSocket): nothing here uses `fleet`, `cloud`, `stream`, `response` or `console`, so that
//! a bug on one side cannot be cancelled by its twin on the other.
//!
//! Where to find what:
//!
//! * `api`: the HTTP front; `api/routes.rs` is the one table of operations, one file per resource family beside it.
//! * `broker`: MQTT 3.1.1 and 5. Knows sessions and topics; asks its `Host` about everything that is AWS.
//! * `account`: what the account holds, in small stores on one write-ahead log (`store`).
//! * `cloud`: the accounts and regions of one emulator, found by who signs; what they have in common.
//! * `hooks`: the account as the broker's host: what a connection, a publish or a delivery means to policies, shadows, jobs
//!   and Detect.
//! * `listen`, `tls`, `ws`, `sigv4`: the sockets and who is at their other end.
//! * `quell_rules::sql`: AWS IoT SQL, pure, shared with the console, which tests a rule before it is written.
//! * [`start`]: start-up; `seed`, [`scenario`], `devices`: the workshop's account, its incident and its devices.
//! * [`faults`]: what goes wrong on order.
//! * [`drill`]: scenarios that are scored, for people who practise.
//!
//! The face is small: [`start::start`] with [`start::Options`], and what a [`start::Running`] lets those in the same process
//! see of its [`Account`] and [`Broker`].

// What is cut by a byte that a device or a caller chose may be cut inside a character.
#![cfg_attr(not(test), deny(clippy::string_slice))]
#![expect(
    unreachable_pub,
    reason = "the modules are private: `pub` in them means the crate, and what the crate does not use is seen as dead"
)]

mod account;
mod api;
mod broker;
mod clock;
mod cloud;
mod credentials;
pub mod deviations;
mod devices;
pub mod drill;
pub mod faults;
mod hooks;
mod http;
mod listen;
#[cfg(test)]
#[path = "../../../tests/common/mutate.rs"]
mod mutate;
pub mod operations;
mod places;
mod room;
pub mod scenario;
mod seed;
mod signature;
mod sigv4;
pub mod start;
mod store;
mod tls;
mod ws;

pub use account::Account;
pub use broker::{Action, Broker, Connection, Counters, Limits, Principal};
