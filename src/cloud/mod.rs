//! The only door to AWS: typed reads, polls that answer as fleet events, and one door for changes, all within one budget of
//! requests a second in which a response goes before a poll.
//!
//! The SDK's clients are private to this room. Nothing here changes anything in an account: a change leaves through
//! [`Changes`], which the response room opens with what it holds of a confirmed plan.

mod alias;
mod asks;
mod aws;
mod budget;
mod call;
mod changes;
mod convert;
pub mod denial;
mod hollow;
pub mod iam;
pub(crate) mod index;
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
pub mod read_detect;
pub mod read_left;
mod read_shadows;
pub mod read_whole;
mod signed;
mod skew;
pub mod tell;
mod told;
mod traced;
pub mod trouble;

pub use aws::Aws;
pub(crate) use aws::found_region;
pub use budget::Turn;
pub use changes::{Changes, Voice, Warrant};
pub use keys::Keys;
pub use own::refuse_device_certificate;
pub use polls::{PollHandle, spawn_polls};
pub use skew::Skew;
pub use traced::{cite, traced};

use quell_fleet::Ms;

/// The wall clock.
pub(crate) fn now_ms() -> Ms {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| Ms::try_from(since.as_millis()).unwrap_or(Ms::MAX))
}
