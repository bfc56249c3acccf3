//! What is known about a device, as answers to four questions, each with its evidence. "Unknown" is an answer, and says why.

use std::fmt;

use crate::Ms;
use crate::device::Warning;
use crate::known::{Trouble, TroubleKind};
use crate::model::Name;
use crate::text::SafeText;

/// A kind of sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sign {
    /// A message on a topic of its own.
    Telemetry,
    /// It reported a state to a shadow.
    ShadowReport,
    /// It connected.
    Presence,
    /// It moved a job execution on.
    JobUpdate,
    /// Its Defender agent reported.
    AgentReport,
    /// It tried to connect and was refused: alive, and held.
    RefusedConnect,
}

impl Sign {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::Telemetry,
        Self::ShadowReport,
        Self::Presence,
        Self::JobUpdate,
        Self::AgentReport,
        Self::RefusedConnect,
    ];

    /// What it is called on a row: `shadow 1 s ago`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Telemetry => "telemetry",
            Self::ShadowReport => "shadow",
            Self::Presence => "connected",
            Self::JobUpdate => "job",
            Self::AgentReport => "agent",
            Self::RefusedConnect => "connect refused",
        }
    }

    /// The name of its member in JSON.
    pub fn key(self) -> &'static str {
        match self {
            Self::Telemetry => "telemetry",
            Self::ShadowReport => "shadow_report",
            Self::Presence => "presence",
            Self::JobUpdate => "job_update",
            Self::AgentReport => "agent_report",
            Self::RefusedConnect => "refused_connect",
        }
    }

    /// True when AWS let it through: what a contained device must not be able to do.
    pub fn got_through(self) -> bool {
        self != Self::RefusedConnect
    }
}

/// When each kind of sign was last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signs([Ms; Sign::ALL.len()]);

impl Default for Signs {
    fn default() -> Self {
        Self([Ms::MIN; Sign::ALL.len()])
    }
}

impl Signs {
    pub(crate) fn set(&mut self, sign: Sign, at: Option<Ms>) {
        if let (Some(slot), Some(at)) = (self.0.get_mut(sign as usize), at) {
            *slot = at;
        }
    }

    /// The last of one kind.
    pub fn of(&self, sign: Sign) -> Option<Ms> {
        self.0.get(sign as usize).copied().filter(|at| *at != Ms::MIN)
    }

    /// The last of any kind.
    pub fn last(&self) -> Option<(Sign, Ms)> {
        self.latest(|_| true)
    }

    /// The last that AWS let through.
    pub fn last_through(&self) -> Option<(Sign, Ms)> {
        self.latest(Sign::got_through)
    }

    /// The last of any kind but telemetry.
    pub fn last_besides_telemetry(&self) -> Option<(Sign, Ms)> {
        self.latest(|sign| sign != Sign::Telemetry)
    }

    fn latest(&self, of: impl Fn(Sign) -> bool) -> Option<(Sign, Ms)> {
        Sign::ALL
            .into_iter()
            .filter(|sign| of(*sign))
            .filter_map(|sign| Some((sign, self.of(sign)?)))
            .max_by_key(|(_, at)| *at)
    }
}

/// Why an answer is not known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reason<'a> {
    /// No stream was ever opened.
    NoStream,
    /// The connection is not there yet.
    NotConnectedYet,
    /// It was never listened to, because of this.
    NeverListened(Deaf<'a>),
    /// Something was not read yet.
    NotRead(&'static str),
    /// Something could not be read.
    Unreadable(&'static str, &'a Trouble),
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStream => f.write_str("nothing is listened to"),
            Self::NotConnectedYet => f.write_str("not listening yet"),
            Self::NeverListened(deaf) => deaf.fmt(f),
            Self::NotRead(what) => write!(f, "{what} not read yet"),
            Self::Unreadable(what, trouble) => match &trouble.missing_action {
                Some(action) => write!(f, "{what} not readable: no {action}"),
                None if trouble.kind == TroubleKind::Refused => {
                    write!(f, "{what} not offered to this account")
                }
                None => write!(f, "{what} not readable: {}", trouble.message),
            },
        }
    }
}

/// Why a device cannot be heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Deaf<'a> {
    /// The connection is lost, or not made again yet.
    LinkDown,
    /// The connection stands, and nothing comes any more from a fleet that spoke.
    Frozen,
    /// The connection stands, was asked, and does not answer.
    Unanswered,
    /// The connection carries all AWS lets it; the excess is discarded without a word (docs/aws-iot.md#3.3).
    AtLimit,
    /// In an account too large to stream whole, others are streamed.
    NotStreamed,
    /// The broker refused the filter that would bring its messages.
    Refused(&'a SafeText),
}

impl Deaf<'_> {
    /// The name in JSON.
    pub fn key(self) -> &'static str {
        match self {
            Self::LinkDown => "link_down",
            Self::Frozen => "frozen",
            Self::Unanswered => "unanswered",
            Self::AtLimit => "at_limit",
            Self::NotStreamed => "not_streamed",
            Self::Refused(_) => "filter_refused",
        }
    }
}

impl fmt::Display for Deaf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LinkDown => f.write_str("the connection is down"),
            Self::Frozen => f.write_str("the whole fleet fell silent at once"),
            Self::Unanswered => f.write_str("the broker was asked and does not answer"),
            Self::AtLimit => f.write_str("the connection is at its limit, the excess is discarded"),
            Self::NotStreamed => f.write_str("not streamed right now"),
            Self::Refused(filter) => write!(f, "the broker refused {filter}"),
        }
    }
}

/// Could it be heard now?
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Hearing<'a> {
    /// Without interruption.
    Listening {
        /// Since when.
        since: Ms,
    },
    /// It could speak without being heard.
    NotListening {
        /// Why.
        why: Deaf<'a>,
        /// Since when: nothing known is newer.
        since: Ms,
    },
    /// It was never listened to.
    Unknown(Reason<'a>),
}

impl Hearing<'_> {
    /// Since when it is listened to; `None` while it is not.
    pub fn since(&self) -> Option<Ms> {
        match self {
            Self::Listening { since } => Some(*since),
            Self::NotListening { .. } | Self::Unknown(_) => None,
        }
    }
}

/// Does it speak?
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Voice<'a> {
    /// Its telemetry was heard, and it is not silent for longer than usual.
    Heard,
    /// No sign of any kind for much longer than usual, or its disconnect settled.
    Silent,
    /// Listened to, and never a telemetry message.
    NoData,
    /// Nobody could have heard it.
    Unknown(Reason<'a>),
}

/// What was seen of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Life<'a> {
    /// Whether it speaks.
    pub voice: Voice<'a>,
    /// By kind, when it was last seen.
    pub signs: Signs,
}

/// Is anything against it?
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Health<'a> {
    /// AWS Device Defender has violations of it.
    Alarm {
        /// How many.
        violations: usize,
    },
    /// quell finds a behaviour not met.
    Finding {
        /// How many.
        findings: u16,
    },
    /// Out of its own ordinary.
    Warning(&'a Warning),
    /// AWS and quell have nothing against it.
    Fine,
    /// quell has nothing against it, and what AWS has is not known.
    Unknown(Reason<'a>),
}

/// Whether an isolation group's policies hold a member back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Denies<'a> {
    /// A policy that hangs on the group, or on one above it, denies.
    Yes {
        /// The policy.
        by: &'a SafeText,
        /// When it was read.
        read: Ms,
    },
    /// Nothing the group has denies anything.
    No {
        /// When it was read.
        read: Ms,
    },
    /// The device has no certificate the group's policy would apply to (docs/aws-iot.md#6.2).
    NoCertificate {
        /// When that was read.
        read: Ms,
    },
    /// Not known.
    Unknown(Reason<'a>),
}

/// What is missing to say that a device is contained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Missing<'a> {
    /// The group denies nothing.
    Deny(&'a Name),
    /// Whether the group denies is not known.
    DenyUnknown(&'a Name, Reason<'a>),
    /// The thing has no certificate, so the group's policy reaches nothing.
    Certificate,
    /// AWS may take until then to apply the policy.
    Policy {
        /// Until when.
        until: Ms,
    },
    /// It is connected, as far as is known.
    Connected,
    /// Whether it is connected is not known.
    Connection,
    /// Nobody could hear it.
    Hearing(Deaf<'a>),
    /// Nobody listens.
    HearingUnknown(Reason<'a>),
    /// The silence is not long enough, or the connection has not answered since it was: nobody knows that it could hear.
    Silence {
        /// Until when it has to last, between two answers of the connection.
        until: Ms,
    },
    /// What the response itself said.
    Said(&'a SafeText),
}

impl fmt::Display for Missing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deny(group) => write!(f, "{} denies nothing", group.shown()),
            Self::DenyUnknown(group, why) => write!(f, "whether {} denies is unknown: {why}", group.shown()),
            Self::Certificate => f.write_str("no certificate: the group's policy reaches nothing"),
            Self::Policy { .. } => f.write_str("AWS may still be applying the policy"),
            Self::Connected => f.write_str("still connected"),
            Self::Connection => f.write_str("whether it is connected is unknown"),
            Self::Hearing(deaf) => write!(f, "silence not heard: {deaf}"),
            Self::HearingUnknown(why) => write!(f, "silence not heard: {why}"),
            Self::Silence { .. } => f.write_str("its silence is not proven yet"),
            Self::Said(text) => f.write_str(text.as_str()),
        }
    }
}

/// By what a device is known to be contained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Proof<'a> {
    /// A response proved each step.
    Response {
        /// When it was confirmed.
        began: Ms,
        /// Milliseconds from there to the last message heard or the cut, whichever is later.
        took: Ms,
        /// When the proof was complete.
        proven: Ms,
        /// Who confirmed it; `None` when this console did.
        by: Option<&'a SafeText>,
    },
    /// Seen from here: the group's policy denies, the connection is gone, and it is silent between two answers.
    Seen {
        /// The policy that denies.
        denied_by: &'a SafeText,
        /// The group it hangs on.
        group: &'a Name,
        /// From when it is silent.
        silent_from: Ms,
        /// When the proof was complete.
        proven: Ms,
    },
}

impl Proof<'_> {
    /// When it was complete.
    pub fn proven(&self) -> Ms {
        match self {
            Self::Response { proven, .. } | Self::Seen { proven, .. } => *proven,
        }
    }
}

/// What a sign of life came after, which makes it a leak.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum After<'a> {
    /// A proof that it was held.
    Proof(Ms),
    /// A response that asked for its isolation, as far as AWS's delay allows.
    Response(Ms),
    /// Its membership of a group that denies, and AWS's delay.
    Denied(&'a Name),
    /// Its membership of a group that denies nothing.
    NothingDenied(&'a Name),
}

/// Is it held?
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Containment<'a> {
    /// Nobody asked for it.
    None,
    /// A response is in flight.
    Asked {
        /// Whose; `None` for this console's.
        by: Option<&'a SafeText>,
        /// When it was confirmed.
        since: Ms,
        /// The proof still waited for.
        waiting_for: &'a SafeText,
    },
    /// A response failed or was left.
    Failed {
        /// Whose; `None` for this console's.
        by: Option<&'a SafeText>,
        /// When it ended.
        at: Ms,
        /// What failed.
        what: &'a SafeText,
        /// What is left to do.
        left: &'a SafeText,
    },
    /// A response did all it was asked, and a proof is missing.
    Unproven {
        /// Whose; `None` for this console's.
        by: Option<&'a SafeText>,
        /// When it ended.
        at: Ms,
        /// Which.
        missing: Missing<'a>,
    },
    /// Denied, cut off and silent, each with its evidence.
    Contained(Proof<'a>),
    /// Its certificates are revoked, and it is silent.
    Revoked(Proof<'a>),
    /// Heard although it should be held.
    Leaking {
        /// By what it was heard.
        heard: Sign,
        /// When.
        at: Ms,
        /// What should have held it.
        after: After<'a>,
    },
    /// A member of an isolation group, whoever put it there.
    InGroup {
        /// The group.
        group: &'a Name,
        /// Since when, as far as is known.
        since: Ms,
        /// Whether the group denies.
        denies: Denies<'a>,
        /// What is missing to call it contained.
        missing: Missing<'a>,
    },
}

/// The four answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facets<'a> {
    /// Could it be heard now?
    pub hearing: Hearing<'a>,
    /// What was seen of it?
    pub life: Life<'a>,
    /// Is anything against it?
    pub health: Health<'a>,
    /// Is it held?
    pub containment: Containment<'a>,
}
