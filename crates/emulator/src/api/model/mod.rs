//! The constraints of AWS's own service models: which members a request must have, their lengths, patterns, ranges and
//! values. AWS checks every request against its model before the operation sees it and names all faults in one answer;
//! so does the front, with the same facts: `constraints.txt`, which `ci/constraints` writes from the models of `iot`,
//! `iot-data` and `iot-jobs-data`.
//!
//! * `read.rs`: the text, read once.
//! * `check.rs`: a request held against it.
//!
//! What the models cannot say (a name that must exist, two members that exclude each other) stays with the operations.

mod check;
mod read;
#[cfg(test)]
mod tests;

pub(super) use check::check;
