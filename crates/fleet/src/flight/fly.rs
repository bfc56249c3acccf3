//! A policy on what was heard: each request of each device, allowed, refused or unknown, by which statement.

use std::fmt::Write as _;

use quell_rules::policy::{Bound, Context, Decision, Document, Doubt, Why};
use quell_rules::topics::Dialect;

use crate::Ms;

use super::{Client, Device, Heard, Times};

/// Heard topics that are held against the subscriptions of one client; AWS decides each delivery by its topic.
const RECEIVED: usize = 64;

/// What a device asks of AWS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    /// `iot:Publish`.
    pub action: &'static str,
    /// `topic`, `client` or `topicfilter`, as in an ARN.
    pub kind: &'static str,
    /// The bare topic, client id or filter.
    pub resource: String,
}

/// What a policy does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It is refused, whatever else there is to know.
    Refused,
    /// It hangs on a value that is not known.
    Unknown,
    /// It is allowed, whatever else there is to know.
    Allowed,
}

impl Outcome {
    /// In a word.
    pub fn text(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Allowed => "allowed",
        }
    }
}

/// One request, decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Flown {
    /// What was asked.
    pub request: Request,
    /// How often, and when last.
    pub times: Times,
    /// What the policies do with it.
    pub outcome: Outcome,
    /// The statements that decided, and what was missing.
    pub decision: Decision,
}

impl Flown {
    /// By which statement, or for want of what, in words.
    pub fn why(&self) -> String {
        let first = |list: &[quell_rules::policy::StatementId]| {
            let mut text = list.first().map(ToString::to_string).unwrap_or_default();
            if list.len() > 1 {
                let _ = write!(text, " and {} more", list.len() - 1);
            }
            text
        };
        match &self.decision {
            Decision::Allowed { by } => first(by),
            Decision::ExplicitDeny { by, .. } => format!("denied by {}", first(by)),
            Decision::ImplicitDeny { missed } => {
                // A statement that would match but for a value or a condition says more than one about other resources.
                let telling = missed.iter().find(|m| match self.outcome {
                    Outcome::Unknown => matches!(m.why, Why::NotKnown(_)),
                    _ => m.why != Why::Resource,
                });
                match telling.or_else(|| missed.first()) {
                    Some(missed) => format!("{}: {}", missed.statement, missed.why),
                    None => format!("no statement allows {}", self.request.action),
                }
            }
        }
    }
}

/// One client of a device, and what the policies do with its requests.
#[derive(Clone, Debug)]
pub struct Flight {
    /// The device: a thing, or a client that is none.
    pub device: String,
    /// The client id; `None` when it was not heard.
    pub client: Option<String>,
    /// The principal it connects with, where that is known.
    pub principal: Option<String>,
    /// Its requests.
    pub requests: Vec<Flown>,
}

/// Policies with their names: they apply together, as those of one certificate do.
pub type Policies = [(String, Document)];

/// Flies `policies` on everything that was heard. `prefix` is what ARNs begin with, `arn:aws:iot:REGION:ACCOUNT:`.
pub fn fly<'a>(
    heard: &'a Heard,
    policies: &'a Policies,
    prefix: &'a str,
) -> impl Iterator<Item = Flight> + 'a {
    let topics: Vec<&str> = heard.topics().into_iter().collect();
    heard.devices().flat_map(move |(name, device)| {
        let each = clients(device).into_iter();
        each.map(|(id, client)| one(name, device, id, client, policies, prefix, &topics)).collect::<Vec<_>>()
    })
}

/// The clients of a device; one without an id when none was heard.
pub(super) fn clients(device: &Device) -> Vec<(Option<&str>, Option<&Client>)> {
    if device.clients.is_empty() {
        return vec![(None, None)];
    }
    device.clients.iter().map(|(id, client)| (Some(&**id), Some(client))).collect()
}

fn one(
    name: &str,
    device: &Device,
    id: Option<&str>,
    client: Option<&Client>,
    policies: &Policies,
    prefix: &str,
    topics: &[&str],
) -> Flight {
    let asked = requests(device, id, client, topics);
    let last = asked.iter().map(|(_, times)| times.last).max().unwrap_or_default();
    let context = context(name, device, id, client, last);
    let named = || policies.iter().map(|(name, document)| (name.as_str(), document));
    let [closed, open] = [Doubt::Closed, Doubt::Open].map(|doubt| Bound::new(named(), &context, doubt));
    let requests = asked
        .into_iter()
        .map(|(request, times)| {
            let arn = format!("{prefix}{}/{}", request.kind, request.resource);
            let (outcome, decision) = decide(&closed, &open, request.action, &arn);
            Flown { request, times, outcome, decision }
        })
        .collect();
    Flight {
        device: name.to_owned(),
        client: id.map(str::to_owned),
        principal: client.and_then(|c| c.principal.as_deref()).map(str::to_owned),
        requests,
    }
}

/// Decides one request with doubtful values taken both ways.
pub fn decide(closed: &Bound, open: &Bound, action: &str, arn: &str) -> (Outcome, Decision) {
    let certain = closed.decide(action, arn);
    if certain.is_allowed() {
        return (Outcome::Allowed, certain);
    }
    let possible = open.decide(action, arn);
    if possible.is_allowed() { (Outcome::Unknown, certain) } else { (Outcome::Refused, possible) }
}

/// What a client asked for, as far as it was heard.
pub fn requests(
    device: &Device,
    id: Option<&str>,
    client: Option<&Client>,
    topics: &[&str],
) -> Vec<(Request, Times)> {
    let mut all = Vec::new();
    let mut add = |action, kind, resource: &str, times| {
        all.push((Request { action, kind, resource: resource.to_owned() }, times));
    };
    if let Some(id) = id {
        let connects = client.map(|c| c.connects).unwrap_or_default();
        add("iot:Connect", "client", id, Times { inferred: connects.count == 0, ..connects });
    }
    // Which of several clients published is not heard: each must be allowed to.
    for (topic, times) in &device.published {
        add("iot:Publish", "topic", topic, *times);
    }
    let held = device.subscriptions.iter().flatten();
    for filter in held.clone() {
        add("iot:Subscribe", "topicfilter", filter, Times { count: 1, ..Times::default() });
    }
    let brought = topics.iter().filter(|topic| held.clone().any(|f| Dialect::Aws.matches(f, topic)));
    for topic in brought.take(RECEIVED) {
        add("iot:Receive", "topic", topic, Times { count: 1, inferred: true, ..Times::default() });
    }
    all
}

/// What policy variables stand for on a connection of this client; what was not heard or read is unknown.
pub fn context(name: &str, device: &Device, id: Option<&str>, client: Option<&Client>, at: Ms) -> Context {
    let mut context = Context::default();
    match id {
        Some(id) => context.set("iot:ClientId", id),
        None => context.unknown("iot:ClientId"),
    }
    match client.and_then(|c| c.address.as_deref()) {
        Some(address) => context.set("aws:SourceIp", address),
        None => context.unknown("aws:SourceIp"),
    }
    // Devices reach AWS IoT by TLS alone.
    context.set("aws:SecureTransport", "true");
    context.set("aws:CurrentTime", jiff::Timestamp::from_millisecond(at).unwrap_or_default().to_string());
    context.set("aws:EpochTime", (at / 1000).to_string());
    // Presence does not tell whether a session is kept or a last will was left.
    context.unknown("iot:ConnectAttributes");
    let principal = client.and_then(|c| c.principal.as_deref());
    match principal {
        Some(id) => context.set("iot:CertificateId", id),
        None => context.unknown("iot:CertificateId"),
    }
    context.unknown("iot:Certificate.");
    match attached(name, device, id, principal) {
        Some(false) => context.set("iot:Connection.Thing.IsAttached", "false"),
        Some(true) => {
            context.set("iot:Connection.Thing.IsAttached", "true");
            context.set("iot:Connection.Thing.ThingName", name);
            match &device.thing_type {
                Some(Some(kind)) => context.set("iot:Connection.Thing.ThingTypeName", &**kind),
                Some(None) => {}
                None => context.unknown("iot:Connection.Thing.ThingTypeName"),
            }
            match &device.attributes {
                Some(attributes) => attributes.iter().for_each(|(key, value)| {
                    context.set(&format!("iot:Connection.Thing.Attributes[{key}]"), value.as_str());
                }),
                None => context.unknown("iot:Connection.Thing.Attributes["),
            }
        }
        None => context.unknown("iot:Connection.Thing."),
    }
    context
}

/// Whether the connection acts as the thing (docs/aws-iot.md#4.3); `None` when that is not known.
pub(super) fn attached(
    name: &str,
    device: &Device,
    id: Option<&str>,
    principal: Option<&str>,
) -> Option<bool> {
    if let (Some(exclusive), Some(principal)) = (&device.exclusive, principal)
        && exclusive.contains(principal)
    {
        return Some(true);
    }
    if id? != name {
        // An exclusive attachment holds under any client id.
        return device.exclusive.is_some().then_some(false);
    }
    match (&device.certificates, principal) {
        (Some(certificates), Some(principal)) => Some(certificates.contains(principal)),
        (Some(certificates), None) if certificates.is_empty() => Some(false),
        _ => device.assumed.then_some(true),
    }
}
