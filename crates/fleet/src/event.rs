//! Everything that can happen to a [`super::Fleet`]: the one vocabulary between the senders (stream, cloud, response) and
//! the truth.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::text::SafeText;
use quell_rules::detect::report::Report;

use super::index::IndexReading;
use super::known::Trouble;
use super::model::{
    CertificateRecord, ExecutionRecord, Identity, JobRecord, Name, ProfileRecord, ShadowDocument, Standing,
    ThingRecord, Violation, ViolationEvent,
};
use super::{Ms, SourceId};

/// One thing that happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Event {
    /// Messages from MQTT, in order.
    Batch(Batch),
    /// The MQTT connection changed.
    Link(LinkEvent),
    /// A poll ended. Stale generations are dropped by [`super::Fleet::apply`].
    Poll(Poll),
    /// A response moved a device along (or off) the containment staircase.
    Response(ResponseEvent),
    /// This console is about to publish on a device's topic itself.
    Own(OwnMessage),
}

/// An empty message that this console is about to publish, to clear a retained one: heard, it is nobody's sign of life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OwnMessage {
    /// The topic, exact.
    pub topic: Arc<str>,
    /// When it is about to be sent.
    pub at: Ms,
}

/// A topic seen for the first time on this connection; messages refer to it by number.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TopicEntry {
    /// The number messages use: dense, from 0, never reused within a run.
    pub id: u32,
    /// The topic as received.
    pub topic: Arc<str>,
    /// The thing it belongs to, by configuration or pattern; `None` is shown as "unattributed", never guessed.
    pub thing: Option<Name>,
    /// True when its messages are a device's telemetry: they count for size, rate and silence. False for `$aws/…`.
    pub telemetry: bool,
}

/// One received message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Message {
    /// Its topic's number.
    pub topic: u32,
    /// Payload length in bytes, exact even when the payload was let go.
    pub len: u32,
    /// When it was received.
    pub at: Ms,
    /// The payload, unless the budget or a busy console made the stream let it go.
    pub payload: Option<Bytes>,
}

/// Messages of one topic that were counted but not kept one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The topic's number.
    pub topic: u32,
    /// How many.
    pub count: u32,
    /// Sum of their payload lengths.
    pub bytes: u64,
    /// Length of the largest.
    pub largest: u32,
    /// Length of the last.
    pub last: u32,
    /// When the last was received.
    pub at: Ms,
}

/// What the stream hands over at once. Counts are exact: a message is either in `messages` or in `counted`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Batch {
    /// Topics first used in this batch.
    pub topics: Vec<TopicEntry>,
    /// Messages kept one by one, oldest first.
    pub messages: Vec<Message>,
    /// Messages merged because the console was busy.
    pub counted: Vec<Counted>,
    /// What messages on reserved topics said, in order.
    pub notices: Vec<Notice>,
    /// More topics came than are told apart: messages on the others count, and come under one of them.
    #[serde(default)]
    pub beyond: bool,
}

/// The meaning of a message on a reserved topic.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Notice {
    /// `…/shadow/update/delta`.
    ShadowDelta {
        /// The thing.
        thing: Name,
        /// The named shadow; `None` for the classic one.
        shadow: Option<SafeText>,
        /// The version after the update.
        version: i64,
        /// The differing part of `desired`.
        state: Value,
        /// When it was received.
        at: Ms,
    },
    /// `…/shadow/update/documents`: the whole document after an update.
    ShadowDocument {
        /// The thing.
        thing: Name,
        /// The named shadow.
        shadow: Option<SafeText>,
        /// Reported, desired, delta (computed), version.
        document: ShadowDocument,
        /// When.
        at: Ms,
    },
    /// `…/shadow/delete/accepted`.
    ShadowDeleted {
        /// The thing.
        thing: Name,
        /// The named shadow.
        shadow: Option<SafeText>,
        /// When.
        at: Ms,
    },
    /// `…/shadow/update/rejected`.
    ShadowRejected {
        /// The thing.
        thing: Name,
        /// The error code.
        code: i64,
        /// The error message.
        message: SafeText,
        /// When.
        at: Ms,
    },
    /// `$aws/events/presence/…`.
    Presence {
        /// The MQTT client id.
        client: Name,
        /// What happened.
        kind: PresenceKind,
        /// Disconnect or failure reason.
        reason: Option<SafeText>,
        /// Certificate id or IAM id.
        principal: Option<SafeText>,
        /// Equal for a connect and its disconnect; grows.
        version: i64,
        /// AWS's timestamp.
        at: Ms,
        /// The address it connects from; a `disconnected` has none.
        #[serde(default)]
        address: Option<SafeText>,
        /// AWS's id of the session: equal for a connect and its disconnect.
        #[serde(default)]
        session: Option<SafeText>,
        /// When the event was received; absent in older recordings.
        #[serde(default)]
        received: Option<Ms>,
    },
    /// `$aws/things/{t}/jobs/notify`: the pending executions changed.
    JobsChanged {
        /// The thing.
        thing: Name,
        /// When.
        at: Ms,
    },
    /// `$aws/events/job/…` or `jobExecution/…`.
    JobEvent {
        /// The job.
        job: Name,
        /// The thing, for an execution.
        thing: Option<Name>,
        /// The status it reached.
        status: SafeText,
        /// When.
        at: Ms,
    },
    /// `$aws/events/thingGroupMembership/…`.
    Membership {
        /// The group.
        group: Name,
        /// The thing.
        thing: Name,
        /// Added or removed.
        added: bool,
        /// When.
        at: Ms,
    },
    /// `…/defender/metrics/…/accepted|rejected`: an agent reports.
    DefenderReport {
        /// The thing.
        thing: Name,
        /// Accepted or rejected.
        accepted: bool,
        /// When.
        at: Ms,
    },
    /// What an agent reports, where it can be heard: on a topic of the operator's own.
    Report {
        /// The thing.
        thing: Name,
        /// What it says.
        report: Box<Report>,
        /// When it was received.
        at: Ms,
    },
}

/// Kinds of presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PresenceKind {
    /// Connected.
    Connected,
    /// Disconnected.
    Disconnected,
    /// Tried, and was not authorized: the best evidence that a contained device keeps trying.
    ConnectFailed,
}

/// The MQTT connection's life.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum LinkEvent {
    /// Trying.
    Connecting {
        /// When.
        at: Ms,
    },
    /// Connected and subscribed.
    Up {
        /// When.
        at: Ms,
        /// The client id in use.
        client_id: SafeText,
        /// Filters accepted by the broker.
        filters: Vec<SafeText>,
    },
    /// A filter the broker refused.
    FilterRefused {
        /// When.
        at: Ms,
        /// The filter.
        filter: SafeText,
        /// Why, with the missing permission where that is the reason.
        why: SafeText,
    },
    /// Other things are streamed than before, on a connection that stays: what was not asked for is not silent.
    Focus {
        /// When.
        at: Ms,
        /// The things whose telemetry is listened to; `None` for all.
        things: Option<Vec<Name>>,
        /// How many were wanted; fewer are listened to where AWS's limit of subscriptions leaves no room.
        wanted: usize,
        /// Filters accepted by the broker.
        filters: Vec<SafeText>,
    },
    /// A connection answered a question that changes nothing (a ping, an UNSUBSCRIBE from a filter nobody holds). MQTT keeps
    /// order: what the broker had for us when it was asked has come.
    Answered {
        /// Which of several connections, from 0.
        connection: u32,
        /// When it was asked.
        asked: Ms,
        /// When the answer came.
        at: Ms,
    },
    /// The answer to such a question stays away, and nothing else comes either: the connection may be gone without our
    /// knowing.
    Unanswered {
        /// Which of several connections, from 0.
        connection: u32,
        /// When it was asked.
        asked: Ms,
        /// When it was late.
        at: Ms,
    },
    /// Lost or not reached. What happens until the next `Up` is a gap, not silence.
    Down {
        /// When.
        at: Ms,
        /// One sentence.
        reason: SafeText,
        /// When the next attempt is made.
        retry_at: Option<Ms>,
    },
}

/// The end of a poll.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Poll {
    /// What was read.
    pub source: SourceId,
    /// The generation it was asked in; answers of an older generation are dropped.
    pub generation: u64,
    /// When the answer came.
    pub at: Ms,
    /// The answer.
    pub outcome: Result<Reading, Trouble>,
    /// When this source is asked next, if it is polled.
    pub next_at: Option<Ms>,
}

/// What a poll read. Lists are whole: all pages.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Reading {
    /// STS GetCallerIdentity.
    Identity(Identity),
    /// IAM ListAccountAliases; `None` where the account has no alias or it may not be asked for.
    Alias(Option<SafeText>),
    /// ListThings.
    Things(Vec<ThingRecord>),
    /// A page of ListThings, and how many were read so far; [`Reading::Things`] follows after the last.
    ThingsPage(Vec<ThingRecord>, usize),
    /// What the fleet index says of the things, where there are too many to list.
    Indexed(Box<IndexReading>),
    /// What the fleet index found for a query.
    Found(Vec<super::index::IndexedThing>),
    /// There are many, and they are listed all the same, for this reason; pages and [`Reading::Things`] follow.
    NotIndexed(SafeText),
    /// ListActiveViolations.
    Violations(Vec<Violation>),
    /// ListViolationEvents.
    ViolationEvents(Vec<ViolationEvent>),
    /// ListThingsInThingGroup of one group; `None` when the group does not exist.
    Members(Name, Option<Vec<Name>>),
    /// Principals of one thing.
    Certificates(Name, Vec<CertificateRecord>),
    /// ListThingGroupsForThing.
    GroupsOf(Name, Vec<Name>),
    /// ListJobs with process details.
    Jobs(Vec<JobRecord>),
    /// Executions of one job.
    Executions(Name, Vec<ExecutionRecord>),
    /// GetThingShadow; `None` when there is none.
    Shadow(Name, Option<SafeText>, Option<ShadowDocument>),
    /// Shadows read to find those whose desired state is not reported.
    Outstanding(Box<super::model::ShadowsReading>),
    /// Security profiles.
    Profiles(Vec<ProfileRecord>),
    /// Credentials and clock.
    Standing(Standing),
    /// Of a group's policies, the one that denies publishing or connecting, if there is one.
    Denial(Name, Option<SafeText>),
    /// What only some views need.
    Account(super::account::AccountReading),
}

impl Reading {
    /// How many it found, where it is a list; it changes where what a reader would look at changes.
    pub fn found(&self) -> Option<usize> {
        match self {
            Self::Identity(_) | Self::Alias(_) | Self::Shadow(..) | Self::Standing(_) => None,
            Self::Things(list) => Some(list.len()),
            Self::ThingsPage(_, so_far) => Some(*so_far),
            // Told anew when what is in alarm changes, too.
            Self::Indexed(index) => usize::try_from(index.total).ok().map(|n| n + index.things.len()),
            Self::NotIndexed(_) => None,
            Self::Denial(_, by) => Some(usize::from(by.is_some())),
            Self::Violations(list) => Some(list.len()),
            Self::ViolationEvents(list) => Some(list.len()),
            Self::Found(list) => Some(list.len()),
            Self::Members(_, list) => list.as_ref().map(Vec::len),
            Self::Certificates(_, list) => Some(list.len()),
            Self::GroupsOf(_, list) => Some(list.len()),
            Self::Jobs(list) => Some(list.len()),
            Self::Executions(_, list) => Some(list.len()),
            Self::Outstanding(reading) => Some(reading.found.len()),
            Self::Profiles(list) => Some(list.len()),
            Self::Account(reading) => Some(reading.len()),
        }
    }
}

/// A device's way along a response.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ResponseEvent {
    /// The device.
    pub thing: Name,
    /// The stage it reached.
    pub stage: Stage,
    /// When.
    pub at: Ms,
    /// Whose response it is; `None` for this console's own.
    #[serde(default)]
    pub by: Option<SafeText>,
    /// The plan of the journal it belongs to, as finish and undo name it.
    #[serde(default)]
    pub plan: Option<SafeText>,
    /// Of a stage that a silence proves: until when the silence is known. Whatever is heard later is a leak, also when it was
    /// heard before the proof was told. `None`: until the stage was told.
    #[serde(default)]
    pub silent_until: Option<Ms>,
}

impl ResponseEvent {
    /// A step of this console's own, told at `at`.
    pub fn new(thing: Name, stage: Stage, at: Ms) -> Self {
        Self { thing, stage, at, by: None, plan: None, silent_until: None }
    }
}

/// Stages of containment and release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Stage {
    /// Requests are being sent; nothing is proven yet.
    Containing {
        /// When the operator confirmed.
        began: Ms,
        /// The proof still waited for, in a few words.
        waiting_for: SafeText,
    },
    /// Proven silent.
    Contained {
        /// When the operator confirmed.
        began: Ms,
        /// Milliseconds from confirmation to the last message heard or the cut of the connection, whichever is later.
        took: Ms,
    },
    /// The proof did not come within its time.
    Unproven {
        /// When the operator confirmed.
        began: Ms,
        /// Which proof is missing.
        missing: SafeText,
    },
    /// Let go again on purpose: what is heard from now on is no leak.
    Released,
    /// The certificate was revoked, and with it proven silent.
    Revoked,
    /// A request failed, or the response was left before it was done: the device is not held.
    Failed {
        /// When the operator confirmed.
        began: Ms,
        /// What failed, or that it was left.
        what: SafeText,
        /// What is left to do.
        left: SafeText,
    },
}
