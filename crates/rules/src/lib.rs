//! Pure rules of AWS IoT, shared by the console and the emulator: what a behaviour means, what a statement selects, what a
//! topic filter brings, what a policy allows.
//!
//! * [`detect`]: Device Defender behaviours and how a window is judged.
//! * [`policy`]: IoT policies and what they decide.
//! * [`sql`]: the language of topic rules.
//! * [`topics`]: topic names and filters, in both dialects.

// Statements, filters, profiles and payloads are text from outside: nothing cuts it or indexes by what it says.
#![cfg_attr(not(test), deny(clippy::string_slice, clippy::indexing_slicing))]

pub mod detect;
pub mod policy;
pub mod sql;
pub mod topics;
