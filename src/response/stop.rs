//! Why a response ends before its proof: who or what stopped it belongs into the journal.

use quell_fleet::format::seconds;
use std::time::Duration;

/// Requests under way get this long to be answered when nobody waits for them.
pub(in crate::response) const PATIENCE: Duration = Duration::from_secs(1);

/// Why a response ends before its proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The operator stopped it.
    Operator,
    /// The time given for its proof ran out: the time given.
    Timeout(Duration),
    /// The operator left the console.
    Left,
    /// The process was told to end, or lost its terminal: the signal's name.
    Signal(&'static str),
}

impl Stop {
    /// One word, as the journal says it.
    pub(in crate::response) fn word(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Timeout(_) => "timeout",
            Self::Left => "left",
            Self::Signal(name) => name,
        }
    }

    /// A sentence about it.
    pub(in crate::response) fn why(self) -> String {
        match self {
            Self::Operator => "stopped by the operator".to_owned(),
            Self::Timeout(given) => {
                let given = i64::try_from(given.as_millis()).unwrap_or(i64::MAX);
                format!("not within the time that was given for it, {}", seconds(given))
            }
            Self::Left => "the operator left before it was proven".to_owned(),
            Self::Signal(name) => format!("its process was ended by {name} before it was proven"),
        }
    }

    /// True when somebody is there to wait for the answers to the requests under way.
    pub(in crate::response) fn is_waited_for(self) -> bool {
        match self {
            Self::Operator | Self::Timeout(_) => true,
            Self::Left | Self::Signal(_) => false,
        }
    }
}
