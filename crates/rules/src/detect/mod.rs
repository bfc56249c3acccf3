//! Device Defender behaviours and how a metric window is judged against them. Pure: no clock, no I/O, no async.
//!
//! Datapoints go in with their times, verdicts come out; whoever feeds the [`engine::Engine`] owns the clock. The emulator
//! feeds it from its broker; the console can feed it from a live stream, or with a profile that exists nowhere yet.
//!
//! * [`model`]: AWS's shapes. [`metric`]: which metrics there are and what a behaviour may ask of each.
//! * [`judge`]: one value against one criterion. [`percentile`]: the fleet's value a statistical criterion compares with.
//! * `alarm`: consecutive datapoints to alarm and to clear. [`engine`]: windows, devices, rules.
//! * [`validate`]: what ValidateSecurityProfileBehaviors rejects. [`file`]: profiles from a file in AWS's shape.
//! * [`profile`]: a security profile as a whole, as it is read, exported and written.
//! * [`report`]: what an agent on a device reports.
//! * [`in_aws`]: a behaviour as a statement for AWS's own rules engine.
//! * [`whatif`]: a behaviour that is not in force, judged on what was held.

mod alarm;
#[cfg_attr(
    not(test),
    expect(clippy::indexing_slicing, reason = "the engine indexes by numbers it gave out itself")
)]
pub mod engine;
pub mod file;
pub mod in_aws;
pub mod judge;
pub mod metric;
pub mod model;
pub mod percentile;
pub mod profile;
pub mod report;
pub mod validate;
pub mod whatif;
pub mod window;
