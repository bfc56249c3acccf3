//! What AWS tells beside what was heard, and what it would decide itself.

use std::collections::BTreeMap;

use aws_sdk_iot::types::{ActionType, AuthDecision};

use crate::cloud::read::{self, Decided, Read};
use crate::cloud::{Aws, read_left, read_whole};
use quell_fleet::flight::fly::{self, Outcome, Request};
use quell_fleet::flight::{Heard, Told};
use quell_fleet::known::{Trouble, TroubleKind};
use quell_rules::policy::{Bound, Document, Doubt};

/// Devices asked about: each costs some six calls.
const DEVICES: usize = 200;
/// Questions to TestAuthorization, of which AWS takes ten in a call and ten calls a second.
const QUESTIONS: usize = 1_000;
/// Questions in one call.
const AT_ONCE: usize = 10;

/// What AWS decides today about what was heard.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// By device, client id and request: the decision, and whether quell's evaluator says the same of the same policies;
    /// `None` where that hangs on what is not known.
    pub(super) of: BTreeMap<(String, String, Request), (AuthDecision, Option<bool>)>,
    /// Requests that were not asked about, or not answered.
    pub(super) left: usize,
    /// The first reason for that, where it is not quell's limit.
    pub(super) trouble: Option<Trouble>,
}

impl Checked {
    /// How often both say the same, and how often not.
    pub(super) fn agreement(&self) -> (usize, usize) {
        let count = |same| self.of.values().filter(|(_, agrees)| *agrees == Some(same)).count();
        (count(true), count(false))
    }
}

/// Reads what cannot be heard: what a thing is and has attached, and what its clients subscribed to.
pub(super) async fn fill(aws: &Aws, heard: &mut Heard) -> Read<()> {
    let names: Vec<String> = heard.devices().take(DEVICES).map(|(name, _)| name.to_owned()).collect();
    for name in &names {
        let told = told(aws, name).await?;
        let registered = told.registered;
        heard.told(name, told);
        let found = heard.devices().find(|(held, _)| held == name);
        let mut clients: Vec<String> =
            found.map(|(_, d)| d.clients.keys().map(ToString::to_string).collect()).unwrap_or_default();
        // A thing whose connect nobody heard may be connected under its name: AWS knows.
        if clients.is_empty() && registered && read::connected(aws, name).await?.is_some() {
            heard.connected(name, name);
            clients.push(name.clone());
        }
        for client in &clients {
            // A console may be let to read everything but this: then it is not known.
            if let Ok(Some(filters)) = read_left::subscriptions(aws, client).await {
                heard.subscribed(name, filters);
            }
        }
    }
    Ok(())
}

async fn told(aws: &Aws, name: &str) -> Read<Told> {
    let Some(thing) = read_whole::thing(aws, name).await? else { return Ok(Told::default()) };
    let ids = |arns: Vec<String>| -> Vec<String> {
        arns.iter().filter_map(|arn| Some(arn.split_once(":cert/")?.1.to_owned())).collect()
    };
    let groups = read::groups_of(aws, name).await.ok();
    Ok(Told {
        registered: true,
        certificates: ids(read::principals(aws, name).await?),
        exclusive: read::exclusive_principals(aws, name).await.ok().map(ids),
        thing_type: thing.thing_type,
        attributes: thing.attributes,
        groups: groups.map(|groups| groups.iter().map(|g| g.raw().to_owned()).collect()),
    })
}

/// Asks TestAuthorization about each request, and quell's evaluator about the same policies: those in effect now.
pub(super) async fn check(aws: &Aws, heard: &Heard) -> Read<Checked> {
    let prefix = read::caller_identity(aws).await?.arn_prefix();
    let topics: Vec<&str> = heard.topics().into_iter().collect();
    let (mut checked, mut all, mut refused) = (Checked::default(), 0, false);
    let mut documents: BTreeMap<(String, String), Vec<(String, Document)>> = BTreeMap::new();
    for (name, device) in heard.devices() {
        for (id, client) in &device.clients {
            let requests = fly::requests(device, Some(id), Some(client), &topics);
            all += requests.len();
            let room = QUESTIONS.saturating_sub(checked.of.len());
            let (Some(principal), true) = (&client.principal, room > 0 && !refused) else { continue };
            let arn = format!("{prefix}cert/{principal}");
            let key = (name.to_owned(), principal.to_string());
            if !documents.contains_key(&key) {
                // A certificate that is gone, or a principal that is none, has no policies to ask about.
                match policies(aws, name, id, device.registered, &arn).await {
                    Ok(found) => drop(documents.insert(key.clone(), found)),
                    Err(trouble) => {
                        refused |= trouble.kind == TroubleKind::Denied;
                        checked.trouble.get_or_insert(trouble);
                        continue;
                    }
                }
            }
            let held = documents.get(&key).map(Vec::as_slice).unwrap_or_default();
            let last = requests.iter().map(|(_, times)| times.last).max().unwrap_or_default();
            // TestAuthorization is asked without an address.
            let unseen = client
                .principal
                .clone()
                .map(|p| quell_fleet::flight::Client { principal: Some(p), ..Default::default() });
            let context = fly::context(name, device, Some(id), unseen.as_ref(), last);
            let named = || held.iter().map(|(name, document)| (name.as_str(), document));
            let closed = Bound::new(named(), &context, Doubt::Closed);
            let open = Bound::new(named(), &context, Doubt::Open);
            let asked: Vec<Request> = requests.into_iter().take(room).map(|(request, _)| request).collect();
            for some in asked.chunks(AT_ONCE) {
                let arns: Vec<String> =
                    some.iter().map(|r| format!("{prefix}{}/{}", r.kind, r.resource)).collect();
                let questions =
                    some.iter().zip(&arns).map(|(r, arn)| (kind(r.action), vec![arn.clone()])).collect();
                let answers = match read::test_authorization(aws, &arn, Some(id), questions, &[]).await {
                    Ok(answers) => answers,
                    Err(trouble) => {
                        refused |= trouble.kind == TroubleKind::Denied;
                        checked.trouble.get_or_insert(trouble);
                        break;
                    }
                };
                for (request, arn) in some.iter().zip(&arns) {
                    let asked = |answer: &&Decided| {
                        answer.action == kind(request.action) && answer.resources.contains(arn)
                    };
                    let Some(answer) = answers.iter().find(asked) else { continue };
                    let (outcome, _) = fly::decide(&closed, &open, request.action, arn);
                    let allowed = answer.decision == AuthDecision::Allowed;
                    let agrees = match outcome {
                        Outcome::Unknown => None,
                        Outcome::Allowed => Some(allowed),
                        Outcome::Refused => Some(!allowed),
                    };
                    let key = (name.to_owned(), id.to_string(), request.clone());
                    checked.of.insert(key, (answer.decision.clone(), agrees));
                }
            }
        }
    }
    checked.left = all - checked.of.len();
    Ok(checked)
}

/// The policies in effect for a certificate as AWS merges them: with the thing's groups where the client acts as the thing.
async fn policies(
    aws: &Aws,
    device: &str,
    client: &str,
    registered: bool,
    arn: &str,
) -> Read<Vec<(String, Document)>> {
    let found = match registered && device == client {
        true => read::effective_policies(aws, device, arn).await?,
        false => read::attached_policies(aws, arn).await?,
    };
    let parsed = found.into_iter().filter_map(|policy| {
        let document = Document::parse(policy.document.as_deref().unwrap_or_default()).ok()?;
        Some((policy.name.raw().to_owned(), document))
    });
    Ok(parsed.collect())
}

fn kind(action: &str) -> ActionType {
    match action {
        "iot:Publish" => ActionType::Publish,
        "iot:Subscribe" => ActionType::Subscribe,
        "iot:Receive" => ActionType::Receive,
        _ => ActionType::Connect,
    }
}
