//! A local AWS IoT that the console, the AWS CLI, device SDKs and MQTT clients cannot tell from the real one.
//!
//! `quell demo`, `quell local` and the tests need an AWS IoT that is *right*. It is reached over sockets only (HTTP with
//! SigV4, MQTT over TCP, TLS and WebSocket): nothing here uses `fleet`, `cloud`, `stream`, `response` or `console`, so that
//! a bug on one side cannot be cancelled by its twin on the other.
//!
//! Where to find what:
//!
//! * [`api`]: the HTTP front; `api/routes.rs` is the one table of operations, one file per resource family beside it.
//! * [`broker`]: MQTT 3.1.1 and 5. Knows sessions and topics; asks [`hooks`] about everything that is AWS.
//! * [`account`]: what the account holds, in small stores on one write-ahead log ([`store`]).
//! * [`listen`], [`tls`], [`ws`], [`sigv4`]: the sockets and who is at their other end.
//! * `quell_rules::sql`: AWS IoT SQL, pure, shared with the console, which tests a rule before it is written.
//! * [`start`]: start-up; [`seed`], [`scenario`], [`devices`]: the workshop's account, its incident and its devices.
//! * [`faults`]: what goes wrong on order.
//! * [`hooks`]: what a connection, a publish or a delivery means: policies, shadows, jobs, Detect.

pub mod account;
pub mod api;
pub mod broker;
pub mod clock;
pub mod credentials;
pub mod deviations;
pub mod devices;
pub mod faults;
pub mod hooks;
pub mod listen;
pub mod operations;
pub mod scenario;
pub mod seed;
mod signature;
pub mod sigv4;
pub mod start;
pub mod store;
pub mod tls;
pub mod ws;
