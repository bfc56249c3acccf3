//! The end: why it came, and what it does to the session, the will and those who watch.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Task;
use crate::broker::Broker;
use crate::broker::limits::SESSION_LONGEST;
use crate::broker::session::{Cut, Delivery, LastWords, SessionState};
use crate::broker::wire::Will;

/// Why a connection ends, in AWS's words, and what MQTT 5 says first.
pub(super) struct End {
    reason: String,
    /// The reason code of the DISCONNECT an MQTT 5 client is sent.
    pub(super) code: Option<u8>,
    will: bool,
    clean_session: bool,
}

impl End {
    pub(super) fn new(reason: &str, code: u8) -> Self {
        Self { reason: reason.to_owned(), code: Some(code), will: true, clean_session: false }
    }

    pub(super) fn lost() -> Self {
        Self { reason: "CONNECTION_LOST".into(), code: None, will: true, clean_session: false }
    }

    pub(super) fn client_error(code: u8) -> Self {
        Self::new("CLIENT_ERROR", code)
    }

    /// A denied publish or subscribe.
    pub(super) fn denied() -> Self {
        Self::new("AUTH_ERROR", 0x87)
    }
}

impl From<Cut> for End {
    fn from(cut: Cut) -> Self {
        Self {
            reason: cut.reason,
            code: Some(cut.code),
            will: !cut.prevent_will,
            clean_session: cut.clean_session,
        }
    }
}

impl Task<'_> {
    /// The client's own DISCONNECT.
    pub(super) fn goodbye(&mut self, with_will: bool, expiry: Option<u32>) -> End {
        if let Some(expiry) = expiry {
            if self.expiry == 0 && expiry > 0 {
                // MQTT 5 §3.14.2.2.2: a session that was to end with its connection cannot be made to last.
                return End::client_error(0x82);
            }
            self.expiry = expiry.min(SESSION_LONGEST);
        }
        End {
            reason: "CLIENT_INITIATED_DISCONNECT".into(),
            code: None,
            will: with_will,
            clean_session: false,
        }
    }

    /// The session waits or is dropped, the will is published or left for later, the world is told. Gives how long the will
    /// waits.
    pub(super) fn finish(&mut self, end: &End) -> Option<Duration> {
        let broker = self.broker;
        let lasts = self.expiry > 0 && !end.clean_session;
        let will = self.will.take().filter(|_| end.will);
        let (mut now, mut later) = (None, None);
        {
            let mut inner = self.session.inner.lock();
            self.session.retire();
            if let Some(info) = &mut inner.info {
                info.connected = false;
                info.disconnected_since = Some(broker.clock.now_ms());
                info.disconnect_reason = Some(end.reason.clone());
            }
            if lasts {
                inner.expires = Some(Instant::now() + Duration::from_secs(u64::from(self.expiry)));
                self.session.park(&mut inner);
            } else {
                for (filter, _) in self.session.clear(&mut inner).iter() {
                    broker.index.remove(filter, &self.session);
                }
            }
            if let Some(will) = will {
                let delay = will.delay.min(self.expiry);
                if lasts && delay > 0 {
                    later = Some(Duration::from_secs(u64::from(delay)));
                    let delivery = last_delivery(*will, delay);
                    inner.will = Some(Box::new(LastWords { who: self.who.clone(), delivery }));
                } else {
                    now = Some(last_delivery(*will, 0));
                }
            }
        }
        if let Some(delivery) = now {
            broker.publish_will(&self.who, &delivery);
        }
        self.host.disconnected(&self.who, &end.reason);
        broker.tell_disconnected(&self.who, &self.session_id, self.version, &end.reason);
        self.session.inner.lock().live = None;
        self.live.set_over();
        later
    }
}

/// A will as it is published `delay` seconds from now.
fn last_delivery(will: Will, delay: u32) -> Delivery {
    Delivery {
        confirm: None,
        topic: will.topic,
        payload: will.payload,
        qos: will.qos.min(1),
        retain: will.retain,
        properties: will.properties.map(Arc::new),
        expires: will.expiry.map(|s| Instant::now() + Duration::from_secs(u64::from(s) + u64::from(delay))),
    }
}

impl Broker {
    /// The delay of a will has passed: publishes it unless its client came back.
    pub(in crate::broker) fn speak_late(&self, session: &Arc<SessionState>, version: u64) {
        let words = {
            let mut inner = session.inner.lock();
            if inner.version != version || inner.live.is_some() {
                return;
            }
            inner.will.take()
        };
        self.speak(words);
    }
}
