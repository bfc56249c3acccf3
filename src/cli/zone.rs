//! The operator's time zone. The database of zones is only read where `TZ` names one: walking it costs more than the first
//! frame.

use jiff::tz::TimeZone;

/// Where the system keeps the rules of its own zone.
const LOCAL: &str = "/etc/localtime";

/// The time zone of the environment or the system; UTC when neither says any.
pub(super) fn local() -> TimeZone {
    let given = std::env::var_os("TZ").is_some();
    let rules = if given { None } else { std::fs::read(LOCAL).ok() };
    rules.and_then(|rules| TimeZone::tzif("Local", &rules).ok()).unwrap_or_else(TimeZone::system)
}
