//! Whether a device is held, and by what that is known: the steps of responses, membership of isolation groups and whether
//! those deny anything, its connection, and its silence.

use crate::event::{ResponseEvent, Stage};
use crate::model::Name;
use crate::text::SafeText;
use crate::{Changes, Device, DeviceId, Fleet, Ms, SourceId};

use super::facets::{After, Containment, Denies, Hearing, Missing, Proof, Reason, Signs};

/// What a group's policies do to its members, as read.
#[derive(Clone, Debug, PartialEq)]
pub struct Denial {
    /// The policy that denies publishing or connecting, if there is one.
    pub by: Option<SafeText>,
    /// When it was first seen to deny, after it was seen not to; the least time there is when it always did.
    pub(crate) from: Ms,
}

/// A silence that was seen from here to be one that is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) silent_from: Ms,
    pub(crate) proven: Ms,
}

impl Fleet {
    /// Whether a group's policies deny, if that was ever asked.
    pub fn denial(&self, group: &str) -> Option<&crate::known::Known<Denial>> {
        self.denials.get(group)
    }

    /// A group's policies were read.
    pub(crate) fn learn_denial(&mut self, group: &Name, by: Option<SafeText>, at: Ms, now: Ms) -> Changes {
        let known = self.denials.entry(group.key()).or_default();
        let from = match known.get() {
            Some(Denial { by: Some(_), from }) => *from,
            Some(Denial { by: None, .. }) => at,
            None => Ms::MIN,
        };
        known.learn(Denial { by, from }, at);
        let inside = |(i, device): (usize, &Device)| {
            (device.quarantined_in() == Some(group)).then_some(DeviceId::at(i))
        };
        let members: Vec<DeviceId> = self.devices.iter().enumerate().filter_map(inside).collect();
        members.into_iter().fold(Changes::NONE, |changes, id| changes | self.judge(id, now))
            | Changes::DEVICES
    }

    /// A response may have been taken back by somebody who writes no journal of ours. What it proved, or could not prove, ends
    /// when the groups are read without the device, and no certificate of it is known to be barred.
    pub(crate) fn reconcile(&mut self, id: DeviceId, now: Ms) -> Changes {
        /// Lists that were read sooner after the response may not have it yet.
        const AFTER: Ms = 10_000;
        let Some(device) = self.devices.get(id.index()) else { return Changes::NONE };
        let Some((Stage::Contained { .. } | Stage::Unproven { .. }, at)) = device.stage_and_time() else {
            return Changes::NONE;
        };
        // What was done here is known here.
        if device.responder().is_none() {
            return Changes::NONE;
        }
        let certificates = device.certificates();
        let barred = match certificates.get() {
            Some(all) if certificates.read_at().is_some_and(|read| read > at) => {
                all.is_empty() || all.iter().any(|c| c.status.as_str() != "ACTIVE")
            }
            // Not read since: they may hold it.
            Some(_) | None => true,
        };
        let without = |group: &std::sync::Arc<str>| {
            let known = self.members.get(&**group);
            known.and_then(|known| known.read_at()).is_some_and(|read| read > at + AFTER)
        };
        let groups = &self.limits.quarantine_groups;
        if barred || device.quarantined_in().is_some() || groups.is_empty() || !groups.iter().all(without) {
            return Changes::NONE;
        }
        if let Some(device) = self.devices.get_mut(id.index()) {
            device.resume(now);
            device.set_stage(ResponseEvent::new(device.name().clone(), Stage::Released, now));
        }
        self.judge(id, now)
    }

    /// What must be known of a device that was found in an isolation group: whether the group denies, and whether the device
    /// has a certificate that its policy applies to.
    pub(crate) fn want_denial(&mut self, group: &Name, thing: &Name) {
        if self.denials.get(group.raw()).is_none_or(|known| known.get().is_none()) {
            self.want(SourceId::Denial(group.clone()));
        }
        let known = self.find(thing.raw()).map(|id| self.device(id).certificates().get().is_some());
        if known != Some(true) {
            self.want(SourceId::Certificates(thing.clone()));
        }
    }

    pub(crate) fn denies<'a>(&'a self, device: &'a Device, group: &Name) -> Denies<'a> {
        let known = self.denials.get(group.raw());
        let denial = known.and_then(|known| Some((known.get()?, known.read_at()?)));
        let certificates = device.certificates();
        match denial {
            Some((Denial { by: None, .. }, read)) => Denies::No { read },
            _ if certificates.get().is_some_and(Vec::is_empty) => {
                Denies::NoCertificate { read: certificates.read_at().unwrap_or_default() }
            }
            Some((Denial { by: Some(by), .. }, read)) => Denies::Yes { by, read },
            None => Denies::Unknown(match known.and_then(|known| known.trouble()) {
                Some(trouble) => Reason::Unreadable("its policies", trouble),
                None => Reason::NotRead("its policies"),
            }),
        }
    }

    /// From when on a sign of life of a member is a leak: at once where nothing holds it, after AWS's delay where a deny was
    /// read, and after the same delay where that is not known, since by then it leaks either way.
    fn leaks_from(&self, group: &Name, denies: &Denies<'_>, since: Ms) -> Ms {
        match denies {
            Denies::No { .. } | Denies::NoCertificate { .. } => since,
            Denies::Yes { .. } => {
                let denial = self.denials.get(group.raw()).and_then(|known| known.get());
                since.max(denial.map_or(Ms::MIN, |d| d.from)).saturating_add(self.limits.policy_delay)
            }
            Denies::Unknown(_) => since.saturating_add(self.limits.policy_delay),
        }
    }

    /// Where a device stands.
    pub(crate) fn containment<'a>(
        &'a self,
        device: &'a Device,
        signs: &Signs,
        hearing: &Hearing<'a>,
    ) -> Containment<'a> {
        let through = signs.last_through();
        let heard_after = |at: Ms| through.filter(|(_, heard)| *heard > at);
        let seen = self.seen(device, through.map_or(Ms::MIN, |(_, at)| at));
        let by = device.responder();
        match device.stage_and_time() {
            Some((Stage::Containing { began, waiting_for }, _)) => {
                return Containment::Asked { by, since: *began, waiting_for };
            }
            Some((Stage::Failed { what, left, .. }, at)) => {
                return Containment::Failed { by, at, what, left };
            }
            Some((stage @ (Stage::Contained { .. } | Stage::Revoked), proven)) => {
                let (began, took) = match stage {
                    Stage::Contained { began, took } => (*began, *took),
                    _ => (proven, 0),
                };
                // What was heard between the end of the silence and the word about it is a leak as well.
                if let Some((heard, at)) = heard_after(device.silent_until().unwrap_or(proven)) {
                    return seen.unwrap_or(Containment::Leaking { heard, at, after: After::Proof(proven) });
                }
                let proof = Proof::Response { began, took, proven, by };
                return if *stage == Stage::Revoked {
                    Containment::Revoked(proof)
                } else {
                    Containment::Contained(proof)
                };
            }
            Some((Stage::Unproven { began, missing }, at)) => {
                let group = device.quarantined_in();
                let nothing = group.filter(|g| {
                    matches!(self.denies(device, g), Denies::No { .. } | Denies::NoCertificate { .. })
                });
                let from = if nothing.is_some() { *began } else { at.max(*began + self.limits.policy_delay) };
                if let Some((heard, at)) = heard_after(from) {
                    let after = nothing.map_or(After::Response(*began), After::NothingDenied);
                    return seen.unwrap_or(Containment::Leaking { heard, at, after });
                }
                // What was seen from here although the response could not prove it, and is over.
                if let Some(Held { proven, .. }) = device.held()
                    && let Some((heard, at)) = heard_after(proven.max(at))
                {
                    return seen.unwrap_or(Containment::Leaking { heard, at, after: After::Proof(proven) });
                }
                let missing = Missing::Said(missing);
                return seen.unwrap_or(Containment::Unproven { by, at, missing });
            }
            // The group may be read as it was for a moment; what we let go is let go.
            Some((Stage::Released, at)) if device.quarantined_since().is_none_or(|since| since <= at) => {
                return Containment::None;
            }
            Some((Stage::Released, _)) | None => {}
        }
        let (Some(group), Some(since)) = (device.quarantined_in(), device.quarantined_since()) else {
            return Containment::None;
        };
        if let Some(seen) = seen {
            return seen;
        }
        // A proof that was seen, and then heard to be over.
        if let (Some(Held { proven, .. }), Some((heard, at))) = (device.held(), through) {
            return Containment::Leaking { heard, at, after: After::Proof(proven) };
        }
        let denies = self.denies(device, group);
        let from = self.leaks_from(group, &denies, since);
        if let Some((heard, at)) = heard_after(from) {
            let after = match denies {
                Denies::No { .. } | Denies::NoCertificate { .. } => After::NothingDenied(group),
                Denies::Yes { .. } | Denies::Unknown(_) => After::Denied(group),
            };
            return Containment::Leaking { heard, at, after };
        }
        let missing = self.missing(device, signs, hearing, (group, since));
        Containment::InGroup { group, since, denies, missing }
    }

    /// The containment that was seen from here, as long as nothing has come through since.
    fn seen<'a>(&'a self, device: &'a Device, through: Ms) -> Option<Containment<'a>> {
        let Held { silent_from, proven } = device.held().filter(|held| through <= held.silent_from)?;
        let group = device.quarantined_in()?;
        let denied_by = self.denials.get(group.raw())?.get()?.by.as_ref()?;
        Some(Containment::Contained(Proof::Seen { denied_by, group, silent_from, proven }))
    }

    /// What is missing to call a member of a group contained. Whether the time of the last of it has come, and the connection
    /// has answered since, [`Self::prove_held`] looks.
    fn missing<'a>(
        &'a self,
        device: &'a Device,
        signs: &Signs,
        hearing: &Hearing<'a>,
        (group, since): (&'a Name, Ms),
    ) -> Missing<'a> {
        match self.denies(device, group) {
            Denies::No { .. } => return Missing::Deny(group),
            Denies::NoCertificate { .. } => return Missing::Certificate,
            Denies::Unknown(why) => return Missing::DenyUnknown(group, why),
            Denies::Yes { .. } => {}
        }
        if device.certificates().get().is_none() {
            let why = match device.certificates().trouble() {
                Some(trouble) => Reason::Unreadable("its certificates", trouble),
                None => Reason::NotRead("its certificates"),
            };
            return Missing::DenyUnknown(group, why);
        }
        let listened = match hearing {
            Hearing::Listening { since } => *since,
            Hearing::NotListening { why, .. } => return Missing::Hearing(*why),
            Hearing::Unknown(why) => return Missing::HearingUnknown(*why),
        };
        // Under whatever client id. What connected before a gap may be gone, and what uses a certificate that others share
        // may be another device: of these it is not known.
        if let Some(id) = self.find(device.name().raw()) {
            let connected: Vec<_> = self.clients_of(id).filter(|client| client.connected).collect();
            let its = |principal: Option<&str>| principal.is_none_or(|p| self.owner(p) == Some(id));
            if connected.iter().any(|c| c.lately && (c.client == device.name() || its(c.principal))) {
                return Missing::Connected;
            }
            if !connected.is_empty() {
                return Missing::Connection;
            }
        }
        let Some(presence) = device.presence() else { return Missing::Connection };
        let through = signs.last_through().map_or(Ms::MIN, |(_, at)| at);
        let refused = presence.refused_at().is_some_and(|at| at > since && at > through);
        match presence.known() {
            Some(true) => return Missing::Connected,
            // It spoke after it was said to be gone: by a connection that nothing is known of.
            Some(false) if !refused && through > presence.since() => return Missing::Connection,
            None if !refused => return Missing::Connection,
            Some(false) | None => {}
        }
        let from = self.silent_from(signs, since, listened);
        let twice = presence.refused_before().is_some_and(|at| at > since && at > through);
        let until = if refused && twice { from } else { from.saturating_add(self.quiet_after(device)) };
        let applied = self.leaks_from(group, &self.denies(device, group), since);
        // A refused connect tells that the deny is in effect; without one, only AWS's delay does.
        if !refused && applied > until {
            return Missing::Policy { until: applied };
        }
        Missing::Silence { until }
    }

    fn silent_from(&self, signs: &Signs, since: Ms, listened: Ms) -> Ms {
        signs.last_through().map_or(Ms::MIN, |(_, at)| at).max(since).max(listened)
    }

    /// Looks whether everything is there that proves a member of a group to be held: a deny that was read, a certificate it
    /// applies to, no connection, and a silence (or two refusals) that lies between two answers of the connection.
    pub(crate) fn prove_held(
        &self,
        device: &Device,
        signs: &Signs,
        hearing: &Hearing<'_>,
        now: Ms,
    ) -> Option<Held> {
        let (group, since) = (device.quarantined_in()?, device.quarantined_since()?);
        let through = signs.last_through().map_or(Ms::MIN, |(_, at)| at);
        // What was proven stands until the deny goes. When something came through it is what that leaked from, until there is
        // another proof.
        let denied = matches!(self.denies(device, group), Denies::Yes { .. });
        let before = device.held().filter(|_| denied);
        if before.is_some_and(|held| through <= held.silent_from) {
            return before;
        }
        let missing = self.missing(device, signs, hearing, (group, since));
        let (Missing::Silence { until } | Missing::Policy { until }) = missing else { return before };
        let Some(listened) = hearing.since() else { return before };
        let proven = until <= now && self.answered_since(device, until);
        proven.then(|| Held { silent_from: self.silent_from(signs, since, listened), proven: now }).or(before)
    }
}
