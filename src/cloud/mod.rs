//! AWS IoT over the AWS SDK: clients, paged reads, polls that answer as fleet events.
//!
//! Nothing here changes anything in an account; that is the response room's.

mod alias;
mod asks;
mod budget;
mod call;
pub mod clients;
mod convert;
mod hollow;
pub mod iam;
mod index;
mod keys;
pub mod metrics;
pub mod mfa;
mod own;
mod patience;
mod polls;
pub mod profile;
pub mod read;
pub mod read_account;
pub mod read_audit;
mod signed;
mod skew;
pub mod trouble;

pub use clients::Clients;
pub use keys::Keys;
pub use own::refuse_device_certificate;
pub use polls::{PollHandle, spawn_polls};
pub use skew::Skew;

use quell_fleet::Ms;

/// The wall clock.
pub(crate) fn now_ms() -> Ms {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| Ms::try_from(since.as_millis()).unwrap_or(Ms::MAX))
}
