//! Device Defender's alerts as SNS carries them, and what is to be answered to them. What the workshop's two functions did,
//! and what they forgot: only `in-alarm` is acted on, and nobody is believed without a reason to.

pub mod accept;
pub mod certificates;
pub mod envelope;
pub mod ledger;
pub mod notify;
pub mod policy;
pub mod signature;
pub mod web;

pub use envelope::{Alert, Envelope, Form, Kind};
pub use ledger::Ledger;
pub use policy::{Action, AlertRules, Around};
