//! The reads of a sweep, within the budget of a response. What serves all devices of one sweep is read once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_iot::types::{ActionType, AuthDecision};
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::OnceCell;

use quell_fleet::Ms;
use quell_fleet::model::Name;
use quell_fleet::policy::{Allows, allows};
use quell_fleet::text::SafeText;

use crate::cloud::read::Read;
use crate::cloud::read_left::{RetainedRecord, RoleAliasRecord};
use crate::cloud::{Aws, cite, read as cloud, read_account, read_left, traced};
use crate::response::read::retained::Retained;
use crate::response::rules::Rules;

use super::judge::{self, Asked, Client, Cut, Held, Part, Shadow, Told, Verdict};
use super::{Residue, Sweep, Trace};

/// So many devices are swept at once: each makes some fifteen calls, most of which AWS answers ten times a second.
const AT_ONCE: usize = 4;
/// A line that is not answered within this time is unknown.
const LINE: Duration = Duration::from_secs(20);
/// A sweep of many devices ends after this time: those that were not reached are unknown.
const ALL: Duration = Duration::from_secs(30);
/// Topics asked about in one TestAuthorization: AWS takes ten questions.
const QUESTIONS: usize = 10;
/// Topics of one device that are asked about: most devices have fewer.
const TOPICS: usize = 4 * QUESTIONS;
/// Client ids asked about for one device, those of the other things on its certificates among them.
const CLIENTS: usize = 12;
/// Named shadows of one device that are read.
const SHADOWS: usize = 8;
/// Role aliases described: an account's quota is 100.
const ALIASES: usize = 100;

/// A device to be swept, and what its response knows of it.
#[derive(Clone, Debug)]
pub(in crate::response) struct Subject {
    pub(in crate::response) thing: Name,
    /// The client ids that were watched, and whether a connection of each was cut.
    pub(in crate::response) clients: Vec<(Name, Cut)>,
    /// Client ids of other things on its certificates.
    pub(in crate::response) siblings: Vec<Name>,
    /// Its telemetry topics, exact.
    pub(in crate::response) topics: Vec<String>,
    /// The policy that isolates it lets it connect.
    pub(in crate::response) connects: bool,
    /// Its certificates were what the response was about.
    pub(in crate::response) barred: bool,
    /// What its clients answered when they were asked, with the request ids; `None` where nothing is sent to them.
    pub(in crate::response) told: Option<Vec<(Told, Option<String>)>>,
}

/// What is read once for all devices.
struct Once {
    aws: Aws,
    rules: Rules,
    now: Ms,
    /// What the ARNs of the account begin with.
    prefix: OnceCell<Found<String>>,
    retained: OnceCell<Found<Arc<[RetainedRecord]>>>,
    aliases: OnceCell<Found<Part<RoleAliasRecord>>>,
    certificates: tokio::sync::Mutex<Certificates>,
}

/// Certificates that were read, by id, with the request ids.
type Certificates = HashMap<String, Arc<(Held, Vec<SafeText>)>>;

/// What was read, and the request ids.
type Found<T> = (Read<T>, Vec<SafeText>);

/// What a line reads, or in words why it has nothing, and the request ids.
type Line<T> = (Result<T, String>, Vec<SafeText>);

/// Looks for what each of `subjects` left behind; `prefix` is what the ARNs of the account begin with, where it is known.
pub(in crate::response) async fn sweep(
    aws: &Aws,
    rules: &Rules,
    prefix: Option<String>,
    subjects: Vec<Subject>,
    now: Ms,
) -> Vec<Sweep> {
    let once = Arc::new(Once {
        aws: aws.clone(),
        rules: rules.clone(),
        now,
        prefix: OnceCell::new_with(prefix.map(|prefix| (Ok(prefix), Vec::new()))),
        retained: OnceCell::new(),
        aliases: OnceCell::new(),
        certificates: tokio::sync::Mutex::default(),
    });
    let subjects: Vec<Arc<Subject>> = subjects.into_iter().map(Arc::new).collect();
    let made: Mutex<HashMap<usize, Sweep>> = Mutex::default();
    let each = futures_util::stream::iter(subjects.iter().enumerate());
    let each = each.for_each_concurrent(AT_ONCE, |(i, subject)| {
        let (once, subject, made) = (Arc::clone(&once), Arc::clone(subject), &made);
        async move {
            let sweep = one(once, subject).await;
            made.lock().insert(i, sweep);
        }
    });
    let _ = tokio::time::timeout(ALL, each).await;
    let mut made = made.into_inner();
    let late = format!("not looked at: {} devices took longer than {} s", subjects.len(), ALL.as_secs());
    let sweeps = subjects.iter().enumerate();
    sweeps.map(|(i, of)| made.remove(&i).unwrap_or_else(|| Sweep::unmade(of.thing.clone(), &late))).collect()
}

async fn one(once: Arc<Once>, subject: Arc<Subject>) -> Sweep {
    let of = || (Arc::clone(&once), Arc::clone(&subject));
    // The certificates are asked about by three lines; the clients by two.
    let held =
        line(
            of(),
            |once, of| async move { Box::pin(certificates(&once, of.thing.raw())).await.map(Arc::new) },
        );
    let (held, of_held) = held.await;
    let read = match &held {
        Ok(Ok(held)) => Arc::clone(held),
        _ => Arc::default(),
    };
    let with = Arc::clone(&read);
    let clients = line(of(), |once, of| async move { clients(&once.aws, &of, &with).await });
    let (clients, of_clients) = clients.await;
    let retained = line(of(), |once, of| async move { Box::pin(retained(&once, &of)).await });
    let desired = line(of(), |once, of| async move { desired(&once.aws, of.thing.raw()).await });
    let jobs = line(of(), |once, of| async move { read_account::jobs_of(&once.aws, of.thing.raw()).await });
    let known = matches!(held, Ok(Ok(_)));
    let with = Arc::clone(&read);
    let https = line(of(), |once, of| async move { https(&once, &of, &with).await });
    let with = Arc::clone(&read);
    let credentials =
        line(of(), |once, of| async move { Box::pin(credentials(&once, of.thing.raw(), &with)).await });
    let (retained, desired, jobs, https, credentials) =
        tokio::join!(retained, desired, jobs, https, credentials);
    let of_certificates = |judged: &dyn Fn(&[Held]) -> Verdict| match &held {
        Ok(Ok(held)) => judged(held),
        Ok(Err(trouble)) => Verdict::unknown(judge::why(trouble)),
        Err(late) => Verdict::unknown(late.as_str()),
    };
    let of_sessions = |judged: &dyn Fn(&Part<Client>) -> Verdict| match &clients {
        Ok(clients) => judged(clients),
        Err(late) => Verdict::unknown(late.as_str()),
    };
    let plain = |(verdict, ids): Line<Verdict>| (verdict.unwrap_or_else(Verdict::unknown), ids);
    let certified = |found: Line<Verdict>| match known {
        true => plain(found),
        false => (of_certificates(&|_| Verdict::unknown("")), of_held.clone()),
    };
    let told: Option<Vec<Told>> =
        subject.told.as_ref().map(|told| told.iter().map(|(told, _)| told.clone()).collect());
    let of_told = subject.told.iter().flatten();
    let of_told = of_told.filter_map(|(_, id)| id.as_deref().map(SafeText::new)).collect();
    let thing = &subject.thing;
    let made = [
        (Residue::Retained, plain(retained)),
        (
            Residue::Sessions,
            (of_sessions(&|all| judge::sessions(thing, all, subject.connects, once.now)), of_clients.clone()),
        ),
        (
            Residue::Queued,
            (of_sessions(&|all| judge::queued(all, subject.clients.len())), of_clients.clone()),
        ),
        (Residue::Things, (of_certificates(&|held| judge::things(thing, held)), of_held.clone())),
        (
            Residue::Certificates,
            (of_certificates(&|held| judge::certificates(thing, held, subject.barred)), of_held.clone()),
        ),
        (Residue::Https, certified(https)),
        (Residue::Credentials, certified(credentials)),
        (Residue::Desired, plain((desired.0.map(|shadows| judge::desired(&shadows)), desired.1))),
        (Residue::Jobs, plain((jobs.0.map(|executions| judge::jobs(&executions)), jobs.1))),
        (Residue::Answer, (judge::answer(told.as_deref(), subject.connects), of_told)),
    ];
    let trace = |(residue, (verdict, requests)): (Residue, (Verdict, Vec<SafeText>))| Trace {
        residue,
        mark: verdict.mark,
        text: SafeText::new(&verdict.text),
        requests,
        run: verdict.run.map(|run| SafeText::new(&run)),
    };
    Sweep { thing: thing.clone(), traces: made.into_iter().map(trace).collect() }
}

/// What a line reads, in a task of its own: none waits for another, and a fault in one leaves the others.
async fn line<T, F>(
    (once, of): (Arc<Once>, Arc<Subject>),
    reads: impl FnOnce(Arc<Once>, Arc<Subject>) -> F,
) -> Line<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    match tokio::spawn(traced(tokio::time::timeout(LINE, reads(once, of)))).await {
        Ok((Ok(found), ids)) => (Ok(found), ids),
        Ok((Err(_), ids)) => (Err(format!("no answer within {} s", LINE.as_secs())), ids),
        Err(_) => (Err("a fault in quell itself ended it; the log has the report".to_owned()), Vec::new()),
    }
}

async fn certificates(once: &Once, thing: &str) -> Read<Vec<Held>> {
    let mut held = Vec::new();
    for arn in cloud::principals(&once.aws, thing).await? {
        let Some((_, id)) = arn.split_once(":cert/") else { continue };
        // Held while it is read: the next device on it finds it.
        let mut known = once.certificates.lock().await;
        let found = match known.get(id) {
            Some(found) => Arc::clone(found),
            None => {
                let found = Arc::new(traced(Box::pin(certificate(&once.aws, id, &arn))).await);
                known.insert(id.to_owned(), Arc::clone(&found));
                found
            }
        };
        cite(&found.1);
        held.push(found.0.clone());
    }
    Ok(held)
}

async fn certificate(aws: &Aws, id: &str, arn: &str) -> Held {
    let documents = cloud::attached_policies(aws, arn).await.map(|policies| {
        let document = |text: Option<String>| serde_json::from_str(&text.unwrap_or_default()).ok();
        policies.into_iter().filter_map(|policy| document(policy.document)).collect::<Vec<Value>>()
    });
    Held {
        id: id.to_owned(),
        status: cloud::certificate_status(aws, id).await,
        things: cloud::things_of_principal(aws, arn).await,
        documents,
    }
}

async fn clients(aws: &Aws, subject: &Subject, held: &[Held]) -> Part<Client> {
    let own = subject.clients.iter().map(|(id, cut)| (id, *cut, false));
    let mut wanted: Vec<(&Name, Cut, bool)> = own.collect();
    // Those that were seen, and the names of the things on its certificates, which their clients may bear.
    let others = held.iter().flat_map(|held| held.things.iter().flatten());
    let siblings = subject.siblings.iter().chain(others).filter(|id| **id != subject.thing);
    for id in siblings {
        if wanted.iter().all(|(known, ..)| *known != id) {
            wanted.push((id, Cut::Not, true));
        }
    }
    let unread = wanted.len().saturating_sub(CLIENTS);
    let mut all = Vec::new();
    for (id, cut, sibling) in wanted.into_iter().take(CLIENTS) {
        let connection = read_left::connection(aws, id.raw()).await;
        let filters = read_left::subscriptions(aws, id.raw()).await;
        all.push(Client { id: id.clone(), connection, filters, cut, sibling });
    }
    Part { read: all, unread }
}

/// What tells a device's topics from others.
pub(in crate::response) struct Own<'a> {
    pub(in crate::response) thing: &'a Name,
    /// Topics it was heard on.
    pub(in crate::response) topics: &'a [String],
    /// Client ids of it.
    pub(in crate::response) clients: &'a [Name],
}

impl Own<'_> {
    /// True when a topic is the device's: it was heard there, the configuration gives it the topic, or a level of it is its
    /// name or a client id of its. A topic that the configuration gives to another thing is that one's.
    pub(in crate::response) fn is(&self, rules: &Rules, topic: &str) -> bool {
        if self.topics.iter().any(|own| own == topic) {
            return true;
        }
        if let Some(thing) = rules.thing_of(topic) {
            return thing == self.thing.raw();
        }
        topic
            .split('/')
            .any(|level| level == self.thing.raw() || self.clients.iter().any(|c| c.raw() == level))
    }
}

async fn retained(once: &Once, subject: &Subject) -> Verdict {
    let read = async {
        let (all, ids) = traced(Box::pin(read_left::retained(&once.aws))).await;
        (all.map(Arc::from), ids)
    };
    let (all, ids) = once.retained.get_or_init(|| read).await;
    cite(ids);
    let known = !subject.topics.is_empty();
    let clients: Vec<Name> = subject.clients.iter().map(|(client, _)| client.clone()).collect();
    let own = Own { thing: &subject.thing, topics: &subject.topics, clients: &clients };
    let all = match Retained::of(&once.aws, all.clone(), &subject.topics).await {
        Ok(all) => all,
        Err(trouble) => return Verdict::unknown(judge::why(&trouble)),
    };
    let own: Vec<RetainedRecord> =
        all.found().iter().filter(|found| own.is(&once.rules, &found.topic)).cloned().collect();
    judge::retained(&subject.thing, &own, &all, known, once.now)
}

async fn https(once: &Once, subject: &Subject, held: &[Held]) -> Verdict {
    let active: Vec<&Held> = held.iter().filter(|held| held.may_connect()).collect();
    let read = async { traced(Box::pin(crate::response::read::arn_prefix(&once.aws))).await };
    let (prefix, ids) = once.prefix.get_or_init(|| read).await;
    cite(ids);
    let prefix = match prefix {
        Ok(prefix) => prefix,
        Err(trouble) => return Verdict::unknown(judge::why(trouble)),
    };
    let known = !subject.topics.is_empty();
    let topics: Vec<String> = match known {
        true => subject.topics.iter().take(TOPICS).map(|topic| format!("{prefix}topic/{topic}")).collect(),
        false => vec![format!("{prefix}topic/dt/{}/telemetry", subject.thing.raw())],
    };
    let of = if known { subject.topics.len() } else { topics.len() };
    let mut asked = Vec::new();
    for held in active {
        let principal = format!("{prefix}cert/{}", held.id);
        let (mut read, mut trouble) = (Vec::new(), None);
        for some in topics.chunks(QUESTIONS) {
            let questions = some.iter().map(|topic| (ActionType::Publish, vec![topic.clone()])).collect();
            match cloud::test_authorization(&once.aws, &principal, None, questions, &[]).await {
                Ok(all) => read.extend(all.into_iter().filter_map(|answer| {
                    Some((answer.resources.first()?.clone(), answer.decision == AuthDecision::Allowed))
                })),
                // What was answered before stands.
                Err(one) => {
                    trouble = Some(one);
                    break;
                }
            }
        }
        let unread = of.saturating_sub(read.len());
        let answers = Part { read, unread };
        asked.push(Asked { held, answers, trouble });
    }
    judge::https(&subject.thing, &asked, known)
}

async fn credentials(once: &Once, thing: &str, held: &[Held]) -> Verdict {
    if !judge::may_assume(held) {
        return judge::credentials(held, None, |_| false, once.now);
    }
    let read = async { traced(Box::pin(aliases(&once.aws))).await };
    let (aliases, ids) = once.aliases.get_or_init(|| read).await;
    cite(ids);
    // A certificate that is exclusively the thing's acts as the thing, so that the group's policy reaches it.
    let exclusive = cloud::exclusive_principals(&once.aws, thing).await.unwrap_or_default();
    let mut barred: Vec<String> = Vec::new();
    for arn in exclusive {
        let (Ok(policies), Ok(aliases)) = (cloud::effective_policies(&once.aws, thing, &arn).await, aliases)
        else {
            continue;
        };
        let documents: Vec<Value> = policies
            .iter()
            .filter_map(|policy| serde_json::from_str(policy.document.as_deref()?).ok())
            .collect();
        let none =
            aliases.read.iter().all(|alias| allows(&documents, judge::ASSUME, &alias.arn) == Allows::No);
        barred.extend(arn.split_once(":cert/").filter(|_| none).map(|(_, id)| id.to_owned()));
    }
    judge::credentials(held, Some(aliases), |held| barred.contains(&held.id), once.now)
}

async fn aliases(aws: &Aws) -> Read<Part<RoleAliasRecord>> {
    let names = read_left::role_aliases(aws).await?;
    let mut all = Vec::new();
    for name in names.iter().take(ALIASES) {
        all.extend(read_left::role_alias(aws, name).await?);
    }
    Ok(Part { read: all, unread: names.len().saturating_sub(ALIASES) })
}

async fn desired(aws: &Aws, thing: &str) -> Read<Part<Shadow>> {
    let mut all = vec![(None, cloud::shadow(aws, thing, None).await)];
    let names = read_left::named_shadows(aws, thing).await?;
    let unread = names.len().saturating_sub(SHADOWS);
    for name in names.into_iter().take(SHADOWS) {
        let document = cloud::shadow(aws, thing, Some(name.raw())).await;
        all.push((Some(name), document));
    }
    Ok(Part { read: all, unread })
}
