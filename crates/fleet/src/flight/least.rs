//! The least policy that what was heard needs, one for the devices of a group, with policy variables where a topic names its
//! device.

use std::collections::{BTreeMap, BTreeSet};

use quell_rules::policy::{CHARACTERS, characters};
use quell_rules::topics;
use serde_json::{Value, json};

use super::fly::{self, attached};
use super::{Device, Heard};

/// The variable for a thing's name.
const THING: &str = "${iot:Connection.Thing.ThingName}";
/// The variable for the client id.
const CLIENT: &str = "${iot:ClientId}";
/// A name of fewer characters is only taken for a device's where it fills a level.
const WITHIN: usize = 4;
/// Policies AWS lets a certificate have (docs/aws-iot.md#2.4).
const POLICIES: usize = 10;
/// Examples named in a note.
const NAMED: usize = 3;
/// The actions, in the order of the statements.
const ACTIONS: [&str; 4] = ["iot:Connect", "iot:Publish", "iot:Subscribe", "iot:Receive"];

/// The least policy of some devices.
#[derive(Clone, Debug)]
pub struct Least {
    /// The thing groups they are in; empty for those in none that is known.
    pub groups: Vec<String>,
    /// The devices.
    pub devices: Vec<String>,
    /// The policy, in as many documents as AWS's limit of characters makes of it.
    pub documents: Vec<Value>,
    /// What to know before it is used, in sentences.
    pub notes: Vec<String>,
}

/// Writes the policies. `apart` says that each set of thing groups has one of its own, `ignored` which groups do not count
/// for that: those of an isolation say nothing of a device's work.
pub fn write(heard: &Heard, prefix: &str, apart: bool, ignored: &[&str]) -> Vec<Least> {
    let mut parts: BTreeMap<Vec<String>, Vec<(&str, &Device)>> = BTreeMap::new();
    for (name, device) in heard.devices() {
        let groups = device.groups.iter().flatten().filter(|g| apart && !ignored.contains(&&***g));
        parts.entry(groups.map(ToString::to_string).collect()).or_default().push((name, device));
    }
    parts.into_iter().map(|(groups, devices)| part(groups, &devices, prefix)).collect()
}

/// What the devices of one part need, by action and pattern, and how many of them each.
#[derive(Default)]
struct Needs {
    of: BTreeMap<(usize, String), usize>,
    literal: BTreeSet<String>,
    unconnected: usize,
    unasked: usize,
    inferred: usize,
    jobs: bool,
}

fn part(groups: Vec<String>, devices: &[(&str, &Device)], prefix: &str) -> Least {
    let mut needs = Needs::default();
    for (name, device) in devices {
        needs.unconnected += usize::from(device.clients.is_empty());
        needs.unasked += usize::from(device.subscriptions.is_none());
        for (id, client) in fly::clients(device) {
            let principal = client.and_then(|c| c.principal.as_deref());
            let acts = attached(name, device, id, principal) == Some(true);
            let names = Names::of(name, device, id, acts);
            for (request, times) in fly::requests(device, id, client, &[]) {
                needs.inferred += usize::from(times.inferred && request.action == "iot:Publish");
                let resource = request.resource.as_str();
                let (pattern, named) = match request.action {
                    // `${iot:ClientId}` would let it connect under any.
                    "iot:Connect" if acts && resource == *name => (THING.to_owned(), true),
                    "iot:Connect" => (literal(resource), true),
                    _ => names.pattern(resource),
                };
                needs.jobs |= pattern.contains("/jobs/*");
                if !named && request.action == "iot:Publish" {
                    needs.literal.insert(request.resource.clone());
                }
                if let Some(action) = ACTIONS.iter().position(|a| *a == request.action) {
                    *needs.of.entry((action, format!("{prefix}{}/{pattern}", request.kind))).or_default() +=
                        1;
                }
                if request.action == "iot:Subscribe" {
                    let topics = received(&pattern);
                    *needs.of.entry((3, format!("{prefix}topic/{topics}"))).or_default() += 1;
                }
            }
        }
    }
    let documents = documents(&needs);
    let notes = notes(&needs, documents.len());
    Least { groups, devices: devices.iter().map(|(name, _)| (*name).to_owned()).collect(), documents, notes }
}

/// Texts that stand for one device, and the variables that do so for each.
struct Names<'a>(Vec<(&'a str, String)>);

impl<'a> Names<'a> {
    fn of(name: &'a str, device: &'a Device, id: Option<&'a str>, acts: bool) -> Self {
        let mut all = Vec::new();
        if acts {
            all.push((name, THING.to_owned()));
            for (key, value) in device.attributes.iter().flatten().filter(|(_, value)| value.len() > 1) {
                all.push((value.as_str(), format!("${{iot:Connection.Thing.Attributes[{key}]}}")));
            }
        } else if let Some(id) = id {
            all.push((id, CLIENT.to_owned()));
        }
        Self(all)
    }

    /// A topic or filter with the device's names replaced, and whether one was.
    fn pattern(&self, resource: &str) -> (String, bool) {
        let mut named = false;
        let reserved = resource.starts_with("$aws/things/");
        let level = |(i, level): (usize, &str)| {
            // The id of a job is another one for each job.
            if reserved && i == 4 && resource.split('/').nth(3) == Some("jobs") && level.len() > 1 {
                return if is_of_jobs(level) { literal(level) } else { "*".to_owned() };
            }
            if let Some((_, variable)) = self.0.iter().find(|(name, _)| *name == level) {
                named = true;
                return variable.clone();
            }
            match self.0.first() {
                Some((name, variable)) if name.len() >= WITHIN => match level.split_once(name) {
                    Some((before, after)) => {
                        named = true;
                        format!("{}{variable}{}", literal(before), literal(after))
                    }
                    None => literal(level),
                },
                _ => literal(level),
            }
        };
        let levels: Vec<String> = resource.split('/').enumerate().map(level).collect();
        (levels.join("/"), named)
    }
}

/// Is it a word of the jobs' own topics, rather than the id of a job?
fn is_of_jobs(level: &str) -> bool {
    matches!(level, "get" | "start-next" | "notify" | "notify-next" | "$next")
}

/// Text that stands for itself in a policy: its wildcards and dollars are written as variables of the same name.
fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '*' | '?' => {
                out.push_str("${");
                out.push(c);
                out.push('}');
            }
            '$' if rest.peek() == Some(&'{') => out.push_str("${$}"),
            c => out.push(c),
        }
    }
    out
}

/// The topics that the pattern of a filter brings: what MQTT's wildcards stand for, a policy says with `*`.
fn received(filter: &str) -> String {
    // The name of a share is in no topic.
    let filter = topics::shared(filter).map_or(filter, |(_, filter)| filter);
    let levels = filter.split('/').map(|level| if matches!(level, "+" | "#") { "*" } else { level });
    levels.collect::<Vec<_>>().join("/")
}

fn documents(needs: &Needs) -> Vec<Value> {
    let mut all = Vec::new();
    let mut held: Vec<&(usize, String)> = Vec::new();
    for need in needs.of.keys() {
        held.push(need);
        if characters(&document(&held).to_string()) > CHARACTERS {
            held.pop();
            all.push(document(&held));
            held = vec![need];
        }
    }
    if !held.is_empty() {
        all.push(document(&held));
    }
    all
}

fn document(needs: &[&(usize, String)]) -> Value {
    let statement = |(i, action): (usize, &&str)| {
        let resources: Vec<&str> =
            needs.iter().filter(|(a, _)| *a == i).map(|(_, resource)| resource.as_str()).collect();
        let sid = action.strip_prefix("iot:").unwrap_or(action);
        (!resources.is_empty())
            .then(|| json!({"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resources}))
    };
    let statements: Vec<Value> = ACTIONS.iter().enumerate().filter_map(statement).collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn notes(needs: &Needs, documents: usize) -> Vec<String> {
    let mut notes = Vec::new();
    if !needs.literal.is_empty() {
        let named: Vec<&str> = needs.literal.iter().take(NAMED).map(String::as_str).collect();
        let more = if needs.literal.len() > NAMED { ", …" } else { "" };
        notes.push(format!(
            "{} topic(s) do not name their device, so every device here may publish on them: {}{more}",
            needs.literal.len(),
            named.join(", ")
        ));
    }
    if needs.unconnected > 0 {
        notes.push(format!(
            "of {} device(s) no connect was heard, so nothing lets them connect: listen while they connect, or say --as-things",
            needs.unconnected
        ));
    }
    if needs.unasked > 0 {
        notes.push(format!(
            "the subscriptions of {} device(s) are not known, so nothing lets them subscribe",
            needs.unasked
        ));
    }
    if needs.inferred > 0 {
        notes.push(
            "publishing on reserved topics is concluded from what followed; reads of shadows and jobs are not heard"
                .to_owned(),
        );
    }
    if needs.jobs {
        notes.push("the ids of jobs are written as *: each job has another".to_owned());
    }
    notes.push(
        "whether a message was published to be retained is not heard: iot:RetainPublish is not in it"
            .to_owned(),
    );
    if documents > POLICIES {
        notes.push(format!("{documents} documents: a certificate can have {POLICIES} policies"));
    }
    notes
}
