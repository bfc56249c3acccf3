//! AWS IoT policies: what a document says, and what it decides for one request of one connection (docs/aws-iot.md#4.3).
//!
//! There is one evaluator, and it is pure: the emulator enforces with it, and a proposed policy is tried with it on what was
//! heard. It says more than allow or deny: [`Decision`] names the statements that decided, and where nothing allows, why each
//! statement that speaks of the action does not ([`Missed`]).
//!
//! What is not modelled fails closed: an Allow under a condition key without a known value does not count, a Deny does.
//!
//! * [`Document`]: what a policy document says, and what makes it malformed.
//! * [`Context`]: what policy variables and condition keys stand for on one connection.
//! * [`Bound`]: documents bound to a context, and the decision.
//! * [`Glob`]: wildcards over ARNs, in which MQTT's `+` and `#` mean nothing.
//! * [`audit`]: what an auditor would say of a document.

pub mod audit;
mod conditions;
mod document;
mod evaluate;
mod glob;

pub use document::{CHARACTERS, Document, characters};
pub use evaluate::{Bound, Context, Decision, Doubt, Missed, StatementId, Why};
pub use glob::Glob;
