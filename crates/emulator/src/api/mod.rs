//! The HTTP side of the emulated account.
//!
//! `routes.rs` is the one table of operations. A handler is a plain function from a [`Req`] to a [`Resp`] or an
//! [`ApiError`]; signatures, throttling, durability and error bodies are the front's business, not the handler's.

mod absent;
mod account_ops;
mod account_routes;
pub mod arn;
pub mod audit;
pub mod authorities;
pub mod authorizers;
pub mod cloudwatch;
pub mod connections;
pub mod detect;
pub mod domains;
pub mod error;
pub mod front;
pub mod iam;
pub mod identity;
pub mod indexing;
pub mod jobs;
pub mod logging;
mod messages;
pub mod mitigation;
mod model;
pub mod policy;
pub mod provisioning;
mod query;
pub mod registry;
pub mod request;
pub mod role_aliases;
pub mod routes;
pub mod rules;
pub mod s3;
mod sessions;
pub mod shadows;
pub mod sns;
pub mod validate;
pub mod when;

pub use error::ApiError;
pub use request::{Req, Resp};

/// The AWS service an operation belongs to, from the SigV4 credential scope. It decides between operations that share a
/// path (`GET /things/{t}/jobs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// `iot` (control plane); also signs as `execute-api` in nobody's client.
    Iot,
    /// `iotdata` or `iotdevicegateway`: shadows, publish, connections.
    IotData,
    /// `iot-jobs-data`: the device side of jobs.
    JobsData,
    /// `sts`: who calls, and temporary keys.
    Sts,
    /// `iam`: only the account's alias.
    Iam,
    /// `sns`.
    Sns,
    /// `monitoring`: CloudWatch.
    CloudWatch,
    /// `s3`: job documents.
    S3,
}
