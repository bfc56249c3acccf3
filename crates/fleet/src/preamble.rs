//! What is known, told again as events: the beginning of a recording that begins late.

use super::event::{
    Batch, Event, LinkEvent, Message, Notice, Poll, PresenceKind, Reading, ResponseEvent, TopicEntry,
};
use super::index::{IndexReading, IndexedThing};
use super::known::Known;
use super::model::{Name, ThingRecord};
use super::text::SafeText;
use super::{Fleet, Ms, SourceId};

impl Fleet {
    /// Events that bring an empty fleet to about what is known here: the connection, the topics, the messages still kept, who
    /// is connected, what was read, and how far responses came. Folded at their own times' end, they give the same devices in the same
    /// conditions; what happened before the oldest kept message is not told. That an identity is used by two is found anew, from
    /// the sessions to come.
    pub fn preamble(&self) -> Vec<Event> {
        let mut events = Vec::new();
        let (before, lately) = self.presence_told();
        let told_of = |notices: Vec<Notice>| Event::Batch(Batch { notices, ..Batch::default() });
        events.extend((!before.is_empty()).then(|| told_of(before)));
        if let (Some(at), Some(client_id)) = (self.watch().since(), self.link().client_id()) {
            let filters = self.link().filters().to_vec();
            events.push(Event::Link(LinkEvent::Up {
                at,
                client_id: client_id.clone(),
                filters: filters.clone(),
            }));
            if let Some((things, at)) = self.focus_now() {
                let wanted = self.focus().wanted();
                events.push(Event::Link(LinkEvent::Focus { at, things: Some(things), wanted, filters }));
            }
        }
        let topics = self.topics.iter().map(|(id, topic)| {
            let device = topic.device().map(|id| self.device(id)).filter(|d| !d.is_unattributed());
            TopicEntry {
                id,
                topic: topic.text().into(),
                thing: device.map(|d| d.name().clone()),
                telemetry: topic.is_telemetry(),
            }
        });
        let messages = self.log.iter().map(|kept| Message {
            topic: kept.topic,
            len: kept.len,
            at: kept.at,
            payload: kept.payload.clone(),
        });
        events.push(Event::Batch(Batch {
            topics: topics.collect(),
            messages: messages.collect(),
            beyond: self.beyond,
            ..Batch::default()
        }));
        told(&mut events, SourceId::Identity, &self.identity, |v| Reading::Identity(v.clone()));
        told(&mut events, SourceId::Alias, &self.alias, |v| Reading::Alias(v.clone()));
        if let Some(at) = self.things.read_at() {
            let registered = self.devices().filter(|(_, d)| d.registered() == Some(true));
            let things = registered
                .map(|(_, d)| ThingRecord { name: d.name().clone(), thing_type: d.thing_type().cloned() });
            let mut known = Known::default();
            known.learn(things.collect::<Vec<_>>(), at);
            match self.indexing.used() {
                None => told(&mut events, SourceId::Things, &known, |v| Reading::Things(v.clone())),
                Some(index) => {
                    let thing = |record: &ThingRecord| IndexedThing {
                        record: record.clone(),
                        groups: Vec::new(),
                        connection: None,
                        violations: Vec::new(),
                    };
                    told(&mut events, SourceId::Things, &known, |v| {
                        let things = v.iter().map(thing).collect();
                        // Their violations are told below; here they would be told as none.
                        let in_alarm = None;
                        Reading::Indexed(Box::new(IndexReading { things, in_alarm, ..index.clone() }))
                    });
                }
            }
        }
        told(&mut events, SourceId::Profiles, &self.profiles, |v| Reading::Profiles(v.clone()));
        told(&mut events, SourceId::Violations, &self.violations, |v| Reading::Violations(v.clone()));
        let past = &self.violation_events;
        told(&mut events, SourceId::ViolationEvents, past, |v| Reading::ViolationEvents(v.clone()));
        told(&mut events, SourceId::Jobs, &self.jobs, |v| Reading::Jobs(v.clone()));
        for (group, members) in &self.members {
            let group = Name::new(group);
            let source = SourceId::Members(group.clone());
            told(&mut events, source, members, |v| Reading::Members(group.clone(), v.clone()));
        }
        for (group, denial) in &self.denials {
            let group = Name::new(group);
            let source = SourceId::Denial(group.clone());
            told(&mut events, source, denial, |v| Reading::Denial(group.clone(), v.by.clone()));
        }
        for (_, device) in self.devices() {
            let name = device.name();
            let source = SourceId::Certificates(name.clone());
            let certificates = device.certificates();
            told(&mut events, source, certificates, |v| Reading::Certificates(name.clone(), v.clone()));
        }
        // Whose a client is, its certificate says.
        events.extend((!lately.is_empty()).then(|| told_of(lately)));
        for (_, device) in self.devices() {
            let name = device.name();
            if let Some((stage, at)) = device.stage_and_time() {
                events.push(Event::Response(ResponseEvent {
                    by: device.responder().cloned(),
                    plan: device.plan().cloned(),
                    silent_until: device.silent_until(),
                    ..ResponseEvent::new(name.clone(), stage.clone(), at)
                }));
            }
        }
        events
    }
}

impl Fleet {
    /// Who is connected and who was refused, as presence events: under each client id that was seen with a principal, and
    /// of things whose events named none. What was known before the listening last began, and what came since; each the oldest
    /// first.
    fn presence_told(&self) -> (Vec<Notice>, Vec<Notice>) {
        let notice = |client: &Name, kind, version, at, principal, reason, address| Notice::Presence {
            client: client.clone(),
            kind,
            reason,
            principal,
            version,
            at,
            address,
            session: None,
            received: None,
        };
        let kind = |connected| match connected {
            true => PresenceKind::Connected,
            false => PresenceKind::Disconnected,
        };
        let (mut before, mut lately) = (Vec::<(Ms, Notice)>::new(), Vec::<(Ms, Notice)>::new());
        for (principal, seen) in self.clients.all() {
            let told = |kind, version, at| {
                let principal = Some(SafeText::new(principal));
                (at, notice(&seen.client, kind, version, at, principal, None, seen.address.clone()))
            };
            let all = if seen.is_lately() { &mut lately } else { &mut before };
            all.extend(seen.version().map(|version| told(kind(seen.connected), version, seen.at)));
            all.extend(seen.refused_at().map(|at| told(PresenceKind::ConnectFailed, 0, at)));
        }
        for (_, device) in self.devices() {
            let Some(presence) = device.presence() else { continue };
            let told = |kind, at| {
                let (principal, reason) = (presence.principal().cloned(), presence.reason().cloned());
                (at, notice(device.name(), kind, presence.version(), at, principal, reason, None))
            };
            if let Some(connected) = presence.known() {
                lately.push(told(kind(connected), presence.since()));
            }
            lately.extend(presence.refused_at().map(|at| told(PresenceKind::ConnectFailed, at)));
        }
        let sorted = |mut all: Vec<(Ms, Notice)>| {
            all.sort_by_key(|(at, _)| *at);
            all.into_iter().map(|(_, notice)| notice).collect()
        };
        (sorted(before), sorted(lately))
    }
}

fn told<T>(events: &mut Vec<Event>, source: SourceId, known: &Known<T>, reading: impl Fn(&T) -> Reading) {
    let poll =
        |at, outcome| Event::Poll(Poll { source: source.clone(), generation: 0, at, outcome, next_at: None });
    if let (Some(value), Some(at)) = (known.get(), known.read_at()) {
        events.push(poll(at, Ok(reading(value))));
    }
    if let Some(trouble) = known.trouble() {
        events.push(poll(trouble.since, Err(trouble.clone())));
    }
}
