//! quell: an operations console for AWS IoT fleets.
//!
//! The rooms, from the bottom up; a module may use those above it in this list and never those below:
//!
//! * [`text`], [`detect`], [`sql`]: hostile text made printable; Device Defender behaviours and how a window is judged;
//!   the language of topic rules.
//! * [`fleet`]: what is true. Pure: events in, state out, time passed in.
//! * [`stream`], [`cloud`]: MQTT and the AWS APIs, turned into fleet events.
//! * [`record`]: a session's events in a file, played back, and told.
//! * [`response`]: the only room that changes anything in an account.
//! * [`console`]: the terminal.
//! * [`cli`]: the commands, thin callers of the rooms above.
//! * `emulator`: a local AWS IoT, reached by the others over sockets only.

pub mod cli;
pub mod cloud;
pub mod config;
pub mod console;
pub mod detect;
#[cfg(feature = "emulator")]
pub mod emulator;
pub mod fleet;
pub mod record;
pub mod response;
pub mod sql;
pub mod stream;
pub mod text;
