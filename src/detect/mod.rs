//! Device Defender behaviours and how a metric window is judged against them. Pure: no clock, no I/O, no async.

pub mod model;
