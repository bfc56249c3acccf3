//! What AWS's own topics said, taken in.

use std::net::IpAddr;
use std::sync::Arc;

use quell_rules::detect::metric::Metric;

use super::baseline::WarningKind;
use super::clones::Told;
use super::event::{Notice, PresenceKind};
use super::model::Name;
use super::presence::PresenceState;
use super::state::Sign;
use super::text::SafeText;
use super::{Changes, DeltaEntry, Fleet, Ms, SourceId, deltas};

/// A device that is refused again and again is not asked about more often.
const REFUSED_AGAIN: Ms = 60_000;

/// The end of the year 9999.
const LATEST: Ms = 253_402_300_799_999;

impl Fleet {
    pub(super) fn notice(&mut self, notice: Notice, now: Ms) -> Changes {
        match notice {
            Notice::ShadowDelta { thing, shadow, version, state, at } => {
                let churn = self.churn(&thing, at, now);
                let (changes, more) = deltas::flatten(&state);
                if let Some(Some(document)) = self.shadows.slot(&thing, shadow.as_ref()).get_mut()
                    && version >= document.version
                {
                    document.version = version;
                    document.delta = state;
                }
                if self.deltas.len() >= self.limits.deltas.max(1) {
                    self.deltas.pop_front();
                }
                self.deltas.push_back(DeltaEntry { at, thing, shadow, version, changes, more });
                Changes::DELTAS | churn
            }
            Notice::ShadowDocument { thing, shadow, document, at } => {
                let mut churn = self.churn(&thing, at, now);
                let known = self.shadow(thing.raw(), shadow.as_ref().map(SafeText::as_str));
                let reported = deltas::reports(known.and_then(|k| k.get()?.as_ref()), &document);
                if let (true, Some(id)) = (reported, self.find(thing.raw())) {
                    churn |= self.sign(id, Sign::ShadowReport, at, now);
                }
                self.shadows.learn(&thing, shadow.as_ref(), Some(document), at);
                Changes::DELTAS | churn
            }
            Notice::ShadowDeleted { thing, shadow, at } => {
                self.shadows.slot(&thing, shadow.as_ref()).learn(None, at);
                Changes::DELTAS
            }
            // The rejected request changed nothing; the message itself is in the stream.
            Notice::ShadowRejected { .. } => Changes::STREAM,
            Notice::Presence { client, kind, reason, principal, version, at, address, session, received } => {
                // A time that no clock of AWS's can show is what a broker of somebody else's, or a damaged recording, says.
                let at = at.clamp(0, LATEST);
                let received = received.unwrap_or(now).clamp(0, LATEST);
                let told = Told {
                    client: &client,
                    kind,
                    reason: reason.as_ref(),
                    principal: principal.as_ref(),
                    address: address.as_ref(),
                    session: session.as_ref(),
                    version,
                    at,
                    received,
                };
                if let Some(principal) = &principal {
                    let clients = Arc::make_mut(&mut self.clients);
                    clients.note(principal.as_str(), &client, kind, version, at, address.as_ref());
                }
                let cloned = self.sessions(&told, now);
                let foreign = self.foreign(&client, principal.as_ref(), (kind, at), now);
                let noted =
                    |presence: &mut PresenceState| presence.note(kind, version, at, now, reason, principal);
                let address = address.as_ref().and_then(|text| text.as_str().parse().ok());
                cloned | foreign | self.presence(&client, noted, (kind, at), (version, address), now)
            }
            Notice::JobsChanged { .. } => {
                self.want(SourceId::Jobs);
                Changes::NONE
            }
            Notice::JobEvent { job, thing, status, at } => {
                self.want(SourceId::Jobs);
                // The rest is AWS's or the operator's doing.
                let own = ["SUCCEEDED", "FAILED", "REJECTED", "IN_PROGRESS"]
                    .iter()
                    .any(|own| status.as_str().eq_ignore_ascii_case(own));
                if let (true, Some(thing)) = (own, &thing)
                    && let Some(id) = self.find(thing.raw())
                {
                    self.sign(id, Sign::JobUpdate, at, now);
                }
                if let Some(thing) = thing {
                    let executions = self.executions.get_mut(job.raw()).and_then(|known| known.get_mut());
                    let found = executions.and_then(|list| list.iter_mut().find(|e| e.thing == thing));
                    if let Some(execution) = found {
                        execution.status = status;
                    }
                    if self.executions.contains_key(job.raw()) {
                        self.want(SourceId::Executions(job));
                    }
                } else if let Some(job) =
                    self.jobs.get_mut().and_then(|jobs| jobs.iter_mut().find(|record| record.id == job))
                {
                    job.status = status;
                }
                Changes::JOBS
            }
            Notice::Membership { group, thing, added, at } => self.membership(&group, &thing, added, at, now),
            Notice::DefenderReport { thing, accepted, at } => {
                let id = self.thing(&thing, now);
                if let Some(device) = self.devices.get_mut(id.index()) {
                    device.set_report(at, accepted);
                }
                self.judge_sign(id, at);
                self.judge(id, now) | Changes::DEVICES
            }
            Notice::Report { thing, report, at } => {
                let id = self.thing(&thing, now);
                if let Some(device) = self.devices.get_mut(id.index()) {
                    device.set_report(at, true);
                }
                self.judge_sign(id, at);
                self.judge_report(id, &report, at, now) | self.judge(id, now) | Changes::DEVICES
            }
        }
    }

    /// A client that bears no thing's name, with a principal that is one thing's alone: what it does is that thing's sign of
    /// life, whatever it calls itself.
    fn foreign(
        &mut self,
        client: &Name,
        principal: Option<&SafeText>,
        (kind, at): (PresenceKind, Ms),
        now: Ms,
    ) -> Changes {
        let Some(principal) = principal.filter(|_| self.named(client).is_none()) else {
            return Changes::NONE;
        };
        let Some(id) = self.owner(principal.as_str()) else { return Changes::NONE };
        let skew = self.standing.get().map_or(0, |standing| standing.skew);
        let at = at.saturating_sub(skew);
        match kind {
            PresenceKind::Connected => self.sign(id, Sign::Presence, at, now),
            PresenceKind::ConnectFailed => self.sign(id, Sign::RefusedConnect, at, now),
            PresenceKind::Disconnected => self.judge(id, now) | Changes::DEVICES,
        }
    }

    /// A shadow changed: news only when it never stops.
    fn churn(&mut self, thing: &Name, at: Ms, now: Ms) -> Changes {
        match self.find(thing.raw()) {
            Some(id) => self.pace(id, WarningKind::ShadowChurn, at, now),
            None => Changes::NONE,
        }
    }

    fn presence(
        &mut self,
        client: &Name,
        note: impl FnOnce(&mut PresenceState) -> bool,
        (kind, at): (PresenceKind, Ms),
        whence: (i64, Option<IpAddr>),
        now: Ms,
    ) -> Changes {
        let settle = self.limits.settle;
        // A client id is a thing only if a thing of that name is known; colleagues' consoles are none.
        let Some(id) = self.find(client.raw()) else {
            if self.strangers.len() < self.limits.strangers || self.strangers.contains_key(client.raw()) {
                note(self.strangers.entry(client.key()).or_insert_with(|| PresenceState::new(settle)));
            }
            return Changes::NONE;
        };
        let Some(device) = self.devices.get_mut(id.index()) else { return Changes::NONE };
        let presence = device.presence_mut(settle);
        let before = presence.refused_at();
        if !note(presence) {
            return Changes::NONE;
        }
        if kind == PresenceKind::ConnectFailed && before.is_none_or(|before| at - before >= REFUSED_AGAIN) {
            // Why it was refused: a group's policy, or its certificate.
            self.want(SourceId::GroupsOf(client.clone()));
            self.want(SourceId::Certificates(client.clone()));
        }
        let metrics: &[Metric] = match kind {
            PresenceKind::Connected => &[Metric::ConnectionAttempts],
            PresenceKind::ConnectFailed => &[Metric::ConnectionAttempts, Metric::AuthorizationFailures],
            PresenceKind::Disconnected => &[Metric::Disconnects],
        };
        if kind != PresenceKind::Disconnected {
            // By the time it was heard: AWS's own may arrive in any order.
            self.pace(id, WarningKind::Reconnects, now, now);
        }
        for metric in metrics {
            self.judge_count(id, metric, at, now);
        }
        let judged = self.judge_presence(id, kind, whence, at, now);
        if kind == PresenceKind::Disconnected && !self.settling.contains(&id) {
            self.settling.push(id);
        }
        judged | self.judge(id, now) | Changes::DEVICES
    }
}
