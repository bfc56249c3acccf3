//! Isolating devices through a thing group whose policy denies, and letting them speak again.

use serde_json::Value;

use crate::response::rules::CACHE_MS;
use crate::response::timed::{HeldFor, Releaser};
use quell_fleet::format::{seconds, short};
use quell_fleet::text::SafeText;

use super::certificates;
use super::cut;
use super::draft::{Draft, listed};
use super::facts::{Facts, GroupFacts, PrincipalFacts, ThingFacts};
use super::request::{DenyQuestion, Proof, Request};
use super::{Check, Intent, Level};

/// A thing can be in so many groups (docs/aws-iot.md#2.4).
const MOST_GROUPS: usize = 10;

/// Why a group cannot isolate; `None` when it can, as far as was to be seen.
fn useless(group: &GroupFacts) -> Option<String> {
    let name = group.name.raw();
    if !group.exists {
        return Some(format!("there is no thing group {name}: create it and attach a policy that denies"));
    }
    if group.dynamic {
        return Some(format!("{name} is a dynamic group: it carries no policy and takes no members by hand"));
    }
    if group.policies.is_empty() {
        return Some(format!("isolating would change nothing: {name} has no policy"));
    }
    if group.any_deny().is_none() {
        return Some(format!("isolating would change nothing: no policy of {name} denies"));
    }
    None
}

pub(super) fn isolate(draft: &mut Draft<'_>, facts: &Facts, time: Option<HeldFor>) {
    let Some(group) = &facts.group else { return draft.refuse("the isolation group could not be read") };
    // What AWS itself answers for the devices outweighs our own reading of the documents.
    let answers: Vec<bool> = facts.things.iter().filter_map(|t| t.would_be_denied).collect();
    let reason = match useless(group) {
        Some(_) if group.exists && !group.dynamic && !answers.is_empty() && answers.iter().all(|d| *d) => {
            None
        }
        None if !answers.is_empty() && answers.iter().all(|d| !d) => Some(format!(
            "isolating would change nothing: with the policies of {} it could still publish",
            group.name.raw()
        )),
        other => other,
    };
    if let Some(reason) = reason {
        draft.checks.push(("iot:AddThingToThingGroup", Check::Failed(SafeText::new(&reason))));
        draft.nothing = Some(SafeText::new(&reason));
        draft.refuse(&reason);
    } else {
        let check = match (group.full_deny(), group.any_deny()) {
            (Some(policy), _) => Check::Passed(SafeText::new(&format!("policy {policy} denies iot:* on *"))),
            (None, Some(policy)) => {
                Check::Passed(SafeText::new(&format!("policy {policy} denies publishing")))
            }
            (None, None) => Check::Passed(SafeText::new("AWS says it would be denied")),
        };
        draft.checks.push(("iot:AddThingToThingGroup", check));
    }
    let mut held = 0;
    for thing in facts.things.iter().filter(|t| t.registered) {
        let name = &thing.target.thing;
        let member = thing.groups.iter().any(|g| g.name == group.name);
        if member {
            held += 1;
            draft.note_of(Level::Info, name, format!("is already in {}", group.name.raw()));
        } else if let Some(obstacle) = obstacle(thing, group) {
            draft.note_of(Level::Danger, name, &obstacle);
            if facts.things.len() == 1 {
                draft.refuse(format!("{} {obstacle}", name.raw()));
            }
            continue;
        }
        doubts(draft, thing);
        cut::offer(draft, thing, facts.things.len() == 1);
        in_effect(draft, thing, facts.things.len() == 1);
        let mut requests = Vec::new();
        let flagged = thing.flag == Some(Value::Bool(true));
        if member && flagged && quiet(thing, draft) {
            draft.note_of(Level::Info, name, "is contained already: left alone");
            continue;
        }
        if !member {
            requests.push(Request::AddToGroup { thing: name.clone(), group: group.name.clone() });
        }
        if !flagged {
            requests.push(Request::Flag {
                thing: name.clone(),
                to: Some(Value::Bool(true)),
                was: thing.flag.clone(),
            });
        }
        let clients = thing.client_ids();
        // A second isolation cuts again: the first may have left the socket open.
        requests.extend(clients.iter().map(|client| Request::Cut { client: client.clone() }));
        let ask = question(&facts.arn_prefix, thing);
        let proof = Proof::Isolated {
            group: group.name.clone(),
            ask,
            silence: draft.rules.silence(thing.target.cadence),
            connects: !group.denies_connect(),
            lively: draft.lively(&thing.target),
        };
        draft.work.push(thing.contained(requests, proof));
    }
    if held > 0 && held == facts.things.len() && !draft.work.is_empty() {
        draft.note(Level::Info, "already isolated: only the connection is cut again, and silence is proven");
    }
    draft.prove(format!("the policy denies; takes up to {} to apply", seconds(draft.rules.scaled(CACHE_MS))));
    if let [ThingFacts { target, .. }] = facts.things.as_slice()
        && let Some(cloned) = &target.cloned
    {
        let clients = listed(&cloned.clients());
        draft.prove(format!("no session is left of the two ({clients}), by presence and GetConnection"));
    }
    draft.prove_silence(&facts.things);
    draft.sweep();
    let count = draft.work.len();
    draft.note(Level::Info, if count == 1 { "1 device".to_owned() } else { format!("{count} devices") });
    draft.clients(&facts.things);
    for thing in &facts.things {
        certificates::describe(draft, thing, facts.things.len() == 1);
    }
    over_https(draft, &facts.things);
    if let Some(time) = time {
        ends(draft, time, facts.releaser, held);
    }
}

/// When it is over, and who sees to that.
fn ends(draft: &mut Draft<'_>, time: HeldFor, releaser: Option<Releaser>, held: usize) {
    let length = time.words();
    let unless = "with proof, unless it offended again";
    match releaser {
        _ if time.waits => {
            draft.note(
                Level::Info,
                format!("released after {length} by this command, which stays until then, {unless}"),
            );
        }
        Some(Releaser::Guard) => {
            draft.note(Level::Info, format!("released after {length} by the guard that runs here, {unless}"));
        }
        found => {
            let why = if found == Some(Releaser::DryGuard) {
                "the guard that runs here is a dry run"
            } else {
                "no guard runs with this journal"
            };
            draft.note(
                Level::Danger,
                format!(
                    "nobody would release it after {length}: {why}. quell guard --yes releases it, when it is started \
                     within a day of that time; --wait has the command stay and release it; else quell release does"
                ),
            );
        }
    }
    if held > 0 {
        draft.note(
            Level::Warn,
            format!("isolated already, by whomever: after {length} it is released all the same"),
        );
    }
}

/// A request over HTTPS has no client id: a group's policy reaches only a certificate that is exclusively the thing's
/// (docs/aws-iot.md#3.10).
fn over_https(draft: &mut Draft<'_>, things: &[ThingFacts]) {
    let open = |principal: &&PrincipalFacts| {
        principal.certificate.is_some()
            && principal.status.as_deref() == Some("ACTIVE")
            && principal.exclusive != Some(true)
    };
    let reached: Vec<&ThingFacts> =
        things.iter().filter(|thing| thing.registered && thing.principals.iter().any(|p| open(&p))).collect();
    let text = match reached.as_slice() {
        [] => return,
        [one] => {
            let certificate = one.principals.iter().find(open);
            let id = certificate.map(|principal| short(principal.id())).unwrap_or_default();
            match certificate.and_then(|principal| principal.exclusive) {
                Some(_) => format!(
                    "over HTTPS its certificate {id} may go on publishing: it is not attached exclusively, so the group's policy does not reach it"
                ),
                None => format!(
                    "over HTTPS its certificate {id} may go on publishing, unless it is attached exclusively: a group's policy needs a client id"
                ),
            }
        }
        many => format!(
            "over HTTPS the certificates of {} of them may go on publishing, unless they are attached exclusively: a group's policy needs a client id",
            many.len()
        ),
    };
    draft.note(Level::Warn, text);
}

/// What GetEffectivePolicies says of a device that stands alone in a plan.
fn in_effect(draft: &mut Draft<'_>, thing: &ThingFacts, alone: bool) {
    if let (Some(policies), true) = (&thing.effective, alone) {
        let names: Vec<&str> = policies.iter().map(|(name, _)| name.as_str()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        draft.note(Level::Info, format!("policies in effect for it now: {names}"));
    }
}

/// True when nothing is connected as the thing and it was not heard for as long as proves silence.
fn quiet(thing: &ThingFacts, draft: &Draft<'_>) -> bool {
    let window = draft.rules.silence(thing.target.cadence);
    thing.is_gone() && thing.target.last_heard.is_none_or(|at| draft.now - at > window)
}

/// The questions asked of TestAuthorization about a thing: of the client that its group's policies reach least. `None` when
/// it has no principal.
pub(in crate::response) fn question(prefix: &str, thing: &ThingFacts) -> Option<DenyQuestion> {
    let unreached = thing.unreached().into_iter().next();
    let client = unreached.or_else(|| thing.seen().next());
    let with = client.and_then(|client| client.principal.as_deref());
    let principal =
        thing.principals.iter().find(|p| Some(p.id()) == with).or_else(|| thing.principals.first())?;
    let client = client.map_or(&thing.target.thing, |client| &client.id).clone();
    let topics = if thing.target.topics.is_empty() {
        vec![format!("dt/{}/telemetry", client.raw())]
    } else {
        thing.target.topics.clone()
    };
    Some(DenyQuestion {
        principal: principal.arn.clone(),
        connect: format!("{prefix}client/{}", client.raw()),
        // One call takes ten resources at most.
        publish: topics.iter().take(9).map(|t| format!("{prefix}topic/{t}")).collect(),
        client,
    })
}

/// What AWS would refuse about adding the thing to the group.
pub(super) fn obstacle(thing: &ThingFacts, group: &GroupFacts) -> Option<String> {
    let root = group.ancestors.first().unwrap_or(&group.name);
    if let Some(other) = thing.groups.iter().find(|g| g.root == *root && g.name != group.name) {
        return Some(format!(
            "is in {}, of the same hierarchy as {}: AWS refuses a second group of one hierarchy",
            other.name.raw(),
            group.name.raw()
        ));
    }
    if thing.groups.len() >= MOST_GROUPS {
        let dynamic = thing.groups.iter().find(|g| g.dynamic);
        return Some(match dynamic {
            Some(lost) => format!(
                "is in 10 groups, the most AWS allows; leave one first ({} is dynamic)",
                lost.name.raw()
            ),
            None => "is in 10 groups, the most AWS allows; leave one first".to_owned(),
        });
    }
    None
}

/// Why a group's policy may not reach this device (docs/aws-iot.md#4.3).
fn doubts(draft: &mut Draft<'_>, thing: &ThingFacts) {
    let name = thing.target.thing.raw();
    foreign(draft, thing);
    if thing.seen().next().is_some() && thing.is_gone() && thing.target.last_heard.is_some() {
        draft.note_of(
            Level::Warn,
            &thing.target.thing,
            "has no client connected: its messages may come from another client id",
        );
    }
    if thing.principals.is_empty() {
        draft.note_of(
            Level::Danger,
            &thing.target.thing,
            "has no principal: the group's policy reaches it only through a certificate attached to it",
        );
        draft.nothing.get_or_insert_with(|| {
            SafeText::new(&format!("the group's policy would not apply: {name} has no principal"))
        });
    }
}

/// Clients that a group's policy does not reach, and what would: their certificate.
fn foreign(draft: &mut Draft<'_>, thing: &ThingFacts) {
    let name = thing.target.thing.raw();
    let unreached = thing.unreached();
    for client in &unreached {
        let id = client.id.raw();
        let own = client.id == thing.target.thing;
        let with = client.principal.as_deref().unwrap_or_default();
        let attached = thing.principals.iter().find(|p| p.id() == with);
        let why = match attached {
            _ if own => format!("its principal {} is not attached to the thing", short(with)),
            Some(principal) if principal.things.len() > 1 => {
                format!(
                    "its id is not the thing's name, and its certificate serves {} things",
                    principal.things.len()
                )
            }
            _ => "its id is not the thing's name, and its certificate is not attached exclusively".to_owned(),
        };
        draft.note_of(
            Level::Danger,
            &thing.target.thing,
            format!("connects as {id}: a group's policy does not reach it ({why})"),
        );
        let Some(certificate) = attached.and_then(|p| p.certificate.clone()) else { continue };
        draft.note(
            Level::Danger,
            format!(
                "deactivate certificate {} instead: that stops {id}, whatever its client id",
                short(&certificate)
            ),
        );
        draft.instead.get_or_insert_with(|| Intent::Deactivate {
            things: vec![thing.target.clone()],
            certificate: Some(certificate),
        });
    }
    let seen = thing.seen().count();
    if let (Some(client), true) = (unreached.first(), unreached.len() == seen) {
        let text =
            format!("the group's policy would not reach {name}, which connects as {}", client.id.raw());
        draft.nothing.get_or_insert_with(|| SafeText::new(&text));
    }
}

pub(super) fn release(draft: &mut Draft<'_>, facts: &Facts) {
    let Some(group) = &facts.group else { return draft.refuse("the isolation group could not be read") };
    for thing in facts.things.iter().filter(|t| t.registered) {
        let name = &thing.target.thing;
        let mut requests = Vec::new();
        if thing.groups.iter().any(|g| g.name == group.name) {
            requests.push(Request::RemoveFromGroup { thing: name.clone(), group: group.name.clone() });
        } else {
            draft.note_of(Level::Info, name, format!("is not in {}", group.name.raw()));
        }
        if thing.flag.is_some() {
            requests.push(Request::Flag { thing: name.clone(), to: None, was: thing.flag.clone() });
        }
        in_effect(draft, thing, facts.things.len() == 1);
        if let Some(policy) = thing.denied_by(group) {
            let rest =
                format!("stays denied: policy {policy} is in effect, and not from {}", group.name.raw());
            draft.note_of(Level::Danger, name, &rest);
            if facts.things.len() == 1 {
                draft.nothing = Some(SafeText::new(&format!("{} {rest}", name.raw())));
            }
        }
        for principal in &thing.principals {
            if let (Some(id), Some(status)) = (&principal.certificate, &principal.status)
                && status != "ACTIVE"
            {
                draft.note_of(
                    Level::Warn,
                    name,
                    format!("stays silent until its certificate {}, now {status}, is ACTIVE", short(id)),
                );
            }
        }
        draft.work.push(thing.work(requests, Proof::Released { group: group.name.clone() }));
    }
    draft
        .prove(format!("heard again; the deny may hold for up to {}", seconds(draft.rules.scaled(CACHE_MS))));
    let count = draft.work.len();
    draft.note(Level::Info, if count == 1 { "1 device".to_owned() } else { format!("{count} devices") });
    draft.note(Level::Info, "it will alarm again if its behaviour has not changed");
}
