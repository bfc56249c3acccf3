//! What a client publishes and subscribes to.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;

use super::Task;
use super::end::End;
use crate::broker::index::{Matched, RetainHandling, SubOptions};
use crate::broker::limits::{HIGHEST_ALIAS, LARGEST_PAYLOAD, MOST_FILTERS, MOST_SUBSCRIPTIONS};
use crate::broker::session::Delivery;
use crate::broker::topic;
use crate::broker::wire::{Out, Publish};
use crate::broker::{Action, Properties, Routing};

/// Topics whose subscribers a connection remembers.
const CACHED_TOPICS: usize = 1024;

impl Task<'_> {
    pub(super) fn publish(&mut self, publish: Publish) -> Result<(), End> {
        if publish.qos > 1 {
            return Err(End::client_error(0x9b));
        }
        let name = self.resolve_alias(&publish)?;
        if !topic::name_ok(&name) {
            return Err(End::client_error(0x90));
        }
        if publish.payload.len() > LARGEST_PAYLOAD {
            return Err(End::client_error(0x95));
        }
        if !topic::publishable(&name) {
            return Err(End::new("FORBIDDEN_ACCESS", 0x87));
        }
        for action in
            [Some(Action::Publish), publish.retain.then_some(Action::RetainPublish)].into_iter().flatten()
        {
            if !self.host.authorize(&self.who, action, &name) {
                self.host.denied(&self.who, action, &name);
                if let (Some(id), true) = (publish.id, self.wire.is_v5()) {
                    self.wire.encode(Out::PubAck { id, code: 0x87 }, &mut self.output);
                }
                return Err(End::denied());
            }
        }
        let bytes = name.len() + publish.payload.len();
        let all = || self.broker.pace.as_ref().is_none_or(|pace| pace.lock().admits(bytes));
        if !self.pace.admits(bytes) || !all() {
            // Silently: at QoS 1 the acknowledgement does not come.
            self.pace.discarded(true);
            self.count_discarded();
            return Ok(());
        }
        // Memory of its own: the payload otherwise keeps the whole read buffer alive while it waits in queues.
        let payload = Bytes::copy_from_slice(&publish.payload);
        self.broker.published.fetch_add(1, Ordering::Relaxed);
        let routing = {
            let none = Properties::default();
            let with = self.wire.is_v5().then(|| publish.properties.as_deref().unwrap_or(&none));
            self.host.published(&self.who, &name, &payload, with)
        };
        if routing == Routing::Subscribers && !name.starts_with(topic::BASIC_INGEST) {
            let (topic, matched) = self.matched(&name);
            let delivery = Delivery {
                confirm: None,
                topic,
                payload,
                qos: publish.qos,
                retain: publish.retain,
                expires: publish
                    .expiry
                    .map(|seconds| std::time::Instant::now() + Duration::from_secs(u64::from(seconds))),
                properties: publish.properties,
            };
            if publish.retain {
                let broker = self.broker;
                broker.retained.keep(&delivery, broker.clock.now_ms(), broker.limits.retained_bytes);
                // Durable before it is acknowledged.
                if let Err(error) = broker.retained.commit() {
                    tracing::error!(%error, "a retained message could not be kept");
                    return Err(End::new("SERVER_ERROR", 0x83));
                }
            }
            self.broker.route(&matched, &delivery, Some(&self.who.client_id));
        }
        if let Some(id) = publish.id {
            self.wire.encode(Out::PubAck { id, code: 0 }, &mut self.output);
        }
        Ok(())
    }

    /// MQTT 5: an empty topic with an alias means the topic the alias was given.
    fn resolve_alias(&mut self, publish: &Publish) -> Result<ByteString, End> {
        let Some(alias) = publish.alias else { return Ok(publish.topic.clone()) };
        if alias > HIGHEST_ALIAS {
            return Err(End::client_error(0x94));
        }
        if publish.topic.is_empty() {
            return self.aliases.get(&alias).cloned().ok_or_else(|| End::client_error(0x82));
        }
        self.aliases.insert(alias, ByteString::from(&*publish.topic));
        Ok(publish.topic.clone())
    }

    /// Whom a topic reaches, and the topic in memory of its own.
    fn matched(&mut self, name: &str) -> (ByteString, Arc<Matched>) {
        let generation = self.broker.index.generation();
        if generation != self.cache_generation || self.cache.len() > CACHED_TOPICS {
            self.cache.clear();
            self.cache_generation = generation;
        }
        if let Some((topic, matched)) = self.cache.get_key_value(name) {
            return (topic.clone(), Arc::clone(matched));
        }
        let (topic, matched) = (ByteString::from(name), Arc::new(self.broker.index.matches(name)));
        self.cache.insert(topic.clone(), Arc::clone(&matched));
        (topic, matched)
    }

    pub(super) fn subscribe(
        &mut self,
        id: NonZeroU16,
        filters: Vec<(ByteString, SubOptions, bool)>,
        identifier: bool,
    ) -> Result<(), End> {
        if identifier {
            return Err(End::client_error(0xa1));
        }
        if filters.iter().any(|(filter, _, _)| !topic::filter_ok(filter)) {
            return Err(End::client_error(0x8f));
        }
        if filters.iter().any(|(filter, options, _)| options.no_local && topic::share(filter).is_some()) {
            return Err(End::client_error(0x82));
        }
        if filters.iter().any(|(_, _, exactly_once)| *exactly_once) {
            // AWS has no QoS 2 and does not answer such a SUBSCRIBE; MQTT 5 was told so in the CONNACK.
            return if self.wire.is_v5() { Err(End::client_error(0x9b)) } else { Ok(()) };
        }
        if filters.len() > MOST_FILTERS {
            self.wire.encode(Out::SubAck { id, codes: vec![0x97; filters.len()] }, &mut self.output);
            return Ok(());
        }
        let (mut codes, mut granted, mut denied) = (Vec::new(), Vec::new(), false);
        for (filter, options, _) in &filters {
            let plain = topic::share(filter).map_or(&**filter, |(_, inner)| inner);
            if !self.host.authorize(&self.who, Action::Subscribe, plain) {
                self.host.denied(&self.who, Action::Subscribe, plain);
                codes.push(0x87);
                denied = true;
                continue;
            }
            let mut inner = self.session.inner.lock();
            let new = !inner.subscriptions.contains(filter);
            if new && inner.subscriptions.len() >= MOST_SUBSCRIPTIONS {
                codes.push(0x97);
                continue;
            }
            inner.subscriptions.insert(filter, *options);
            drop(inner);
            self.broker.index.add(filter, &self.session, *options);
            codes.push(options.qos);
            granted.push((filter.to_string(), *options, new));
        }
        self.wire.encode(Out::SubAck { id, codes }, &mut self.output);
        for (filter, options, new) in &granted {
            let wanted = match options.retain_handling {
                RetainHandling::Every => true,
                RetainHandling::New => *new,
                RetainHandling::Never => false,
            };
            if wanted && let Some(mut held) = self.broker.retained.of(filter) {
                held.qos = held.qos.min(options.qos);
                self.broker.push(&self.session, held);
            }
        }
        if !granted.is_empty() {
            let filters: Vec<String> = granted.into_iter().map(|(filter, _, _)| filter).collect();
            self.broker.tell_topics("subscribed", &self.who, &self.session_id, &filters);
        }
        if denied { Err(End::denied()) } else { Ok(()) }
    }

    pub(super) fn unsubscribe(&mut self, id: NonZeroU16, filters: &[ByteString]) {
        let mut gone = Vec::new();
        let found = filters
            .iter()
            .map(|filter| {
                let had = self.session.inner.lock().subscriptions.remove(filter);
                if had {
                    self.broker.index.remove(filter, &self.session);
                    gone.push(filter.to_string());
                }
                had
            })
            .collect();
        self.deliver_all();
        self.wire.encode(Out::UnsubAck { id, found }, &mut self.output);
        if !gone.is_empty() {
            self.broker.tell_topics("unsubscribed", &self.who, &self.session_id, &gone);
        }
    }
}
