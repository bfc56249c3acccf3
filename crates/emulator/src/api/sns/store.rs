//! Topics and subscriptions.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::deliver::Job;
use super::message::Signer;
use crate::store::{Table, Wal};

/// A topic, keyed by its ARN.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Topic {
    /// What SetTopicAttributes set.
    pub(super) attributes: BTreeMap<String, String>,
    /// Subscriptions that were removed, for GetTopicAttributes.
    pub(super) deleted: u64,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
}

/// A subscription, keyed by its ARN.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Subscription {
    pub(super) topic: String,
    pub(super) protocol: String,
    pub(super) endpoint: String,
    /// `Some` until it is confirmed.
    pub(super) token: Option<String>,
    pub(super) attributes: BTreeMap<String, String>,
}

pub(super) struct Inner {
    pub(super) topics: Table<Topic>,
    pub(super) subscriptions: Table<Subscription>,
    /// `http://HOST:PORT` as clients reached the emulator last; the links in messages begin with it.
    pub(super) base: Option<String>,
}

/// The account's topics and subscriptions, and the way messages leave.
pub struct Sns {
    pub(super) inner: Mutex<Inner>,
    pub(super) signer: OnceLock<Option<Signer>>,
    pub(super) outbox: OnceLock<PathBuf>,
    pub(super) queue: OnceLock<mpsc::Sender<Job>>,
}

impl Sns {
    /// What `wal` held.
    pub fn open(wal: &Wal) -> Self {
        Self {
            inner: Mutex::new(Inner {
                topics: Table::open(wal, "sns.topics"),
                subscriptions: Table::open(wal, "sns.subscriptions"),
                base: None,
            }),
            signer: OnceLock::new(),
            outbox: OnceLock::new(),
            queue: OnceLock::new(),
        }
    }

    /// Where messages for mail, Lambda, queues and endpoints elsewhere are written, one JSON object a line; set once, at
    /// start-up. Without it they are only logged.
    pub fn set_outbox(&self, path: PathBuf) {
        let _ = self.outbox.set(path);
    }

    /// `http://HOST:PORT` of the control plane, for the links in messages; until it is set the last caller's `Host` serves.
    pub fn set_base(&self, base: impl Into<String>) {
        self.inner.lock().base = Some(base.into());
    }

    /// The beginning of links to the emulator itself.
    pub fn base(&self, region: &str) -> String {
        self.inner.lock().base(region)
    }

    /// Is there such a topic?
    pub fn has_topic(&self, arn: &str) -> bool {
        self.inner.lock().topics.contains(arn)
    }
}

impl Inner {
    /// The links' beginning, or AWS's own when nobody called yet.
    pub(super) fn base(&self, region: &str) -> String {
        self.base.clone().unwrap_or_else(|| format!("https://sns.{region}.amazonaws.com"))
    }
}
