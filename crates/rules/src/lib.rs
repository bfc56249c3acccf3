//! Pure rules of AWS IoT, shared by the console and the emulator: what a behaviour means, what a statement selects.
//!
//! * [`detect`]: Device Defender behaviours and how a window is judged.
//! * [`sql`]: the language of topic rules.

pub mod detect;
pub mod sql;
