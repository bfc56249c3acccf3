//! Intent and facts to plan. Pure, so that every warning is a unit test.

use serde_json::Value;

use crate::config::Demand;
use crate::fleet::Ms;
use crate::fleet::model::Name;
use crate::response::Rules;
use crate::text::SafeText;

use super::certificates;
use super::facts::{Facts, GroupFacts, ThingFacts};
use super::request::{DenyQuestion, Proof, Request, Work};
use super::{Check, Confirmation, Intent, Level, Note, Plan, PlanId, ProofLine, Reversible, Step, Target};
use super::{detect, groups, jobs, mitigate, past, setup};

/// A thing can be in so many groups (contract §2.4).
const MOST_GROUPS: usize = 10;

/// Collects a plan while it is computed.
pub(super) struct Draft<'a> {
    pub(super) rules: &'a Rules,
    pub(super) now: Ms,
    pub(super) work: Vec<Work>,
    pub(super) notes: Vec<Note>,
    pub(super) proofs: Vec<SafeText>,
    pub(super) checks: Vec<(&'static str, Check)>,
    pub(super) nothing: Option<SafeText>,
    pub(super) refused: Option<SafeText>,
    pub(super) type_name: Option<(SafeText, Option<SafeText>)>,
    pub(super) reversible: Reversible,
}

impl Draft<'_> {
    pub(super) fn note(&mut self, level: Level, text: impl AsRef<str>) {
        let note = Note { level, text: SafeText::new(text.as_ref()) };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// A reason not to run at all; the first one stays.
    pub(super) fn refuse(&mut self, text: impl AsRef<str>) {
        self.refused.get_or_insert_with(|| SafeText::new(text.as_ref()));
    }

    pub(super) fn prove(&mut self, text: impl AsRef<str>) {
        self.proofs.push(SafeText::new(text.as_ref()));
    }

    /// The silence a device has to keep, in the words of the plan.
    pub(super) fn prove_silence(&mut self, things: &[ThingFacts]) {
        let text = match things {
            [one] => {
                let window = self.rules.silence(one.target.cadence);
                format!(
                    "no message from this device for {}{}",
                    seconds(window),
                    self.habits(&one.target).map(|h| format!(" ({h})")).unwrap_or_default()
                )
            }
            many => {
                let longest =
                    many.iter().map(|t| self.rules.silence(t.target.cadence)).max().unwrap_or_default();
                format!(
                    "from each device no message for three times its usual interval (at most {})",
                    seconds(longest)
                )
            }
        };
        self.prove(text);
    }

    fn habits(&self, target: &Target) -> Option<String> {
        let mut said = Vec::new();
        if let Some(at) = target.last_heard {
            said.push(format!("last heard {} ago", seconds((self.now - at).max(0))));
        }
        if let Some(cadence) = target.cadence {
            said.push(format!("usually every {}", seconds(cadence)));
        }
        if said.is_empty() { None } else { Some(said.join(", ")) }
    }
}

/// `10 s`, `1.5 s`, `4 min`.
pub(in crate::response) fn seconds(ms: Ms) -> String {
    match ms {
        ms if ms >= 120_000 => format!("{} min", ms / 60_000),
        ms if ms >= 10_000 || ms % 1000 == 0 => format!("{} s", ms / 1000),
        ms => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
    }
}

/// Names in a sentence: all of a few, the first of many.
pub(super) fn listed(names: &[&Name]) -> String {
    const SHOWN: usize = 5;
    let head: Vec<&str> = names.iter().take(SHOWN).map(|n| n.raw()).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => head.join(", "),
        more => format!("{} and {more} more", head.join(", ")),
    }
}

pub(super) fn build(intent: Intent, facts: &Facts, rules: &Rules, id: PlanId, now: Ms) -> Plan {
    let mut draft = Draft {
        rules,
        now,
        work: Vec::new(),
        notes: Vec::new(),
        proofs: Vec::new(),
        checks: Vec::new(),
        nothing: None,
        refused: None,
        type_name: None,
        reversible: Reversible::Yes(SafeText::default()),
    };
    let targets: Vec<Name> = match &intent {
        Intent::LaunchJob(job) => job.targets.iter().map(|t| t.name().clone()).collect(),
        Intent::CancelJob { job, .. } => vec![job.clone()],
        Intent::Mitigate(_) => facts.mitigated.clone(),
        Intent::Detect(change) => change.targets(),
        Intent::Setup(wanted) => {
            vec![wanted.group.clone().unwrap_or_else(|| rules.isolate_group.clone())]
        }
        Intent::Undo { .. } | Intent::Finish { .. } => {
            facts.past.iter().flat_map(|p| p.targets().cloned()).collect()
        }
        other => other.things().iter().map(|t| t.thing.clone()).collect(),
    };
    for thing in &facts.things {
        if !thing.registered {
            draft.note(Level::Warn, format!("{} is not in the registry: left out", thing.target.thing.raw()));
        }
    }
    if facts.things.iter().all(|t| !t.registered) && !facts.things.is_empty() {
        draft.refuse("no such thing in the registry");
    }
    match &intent {
        Intent::Isolate { .. } => isolate(&mut draft, facts),
        Intent::Release { .. } => release(&mut draft, facts),
        Intent::Deactivate { certificate, .. } => {
            certificates::deactivate(&mut draft, facts, certificate.as_deref());
        }
        Intent::Activate { certificate, .. } => {
            certificates::activate(&mut draft, facts, certificate.as_deref());
        }
        Intent::Revoke { certificate, .. } => certificates::revoke(&mut draft, facts, certificate.as_deref()),
        Intent::Join { group, .. } => groups::join(&mut draft, facts, group),
        Intent::Leave { group, .. } => groups::leave(&mut draft, facts, group),
        Intent::Mitigate(wanted) => mitigate::build(&mut draft, facts, wanted),
        Intent::Detect(change) => detect::build::build(&mut draft, facts, change),
        Intent::Setup(wanted) => setup::build(&mut draft, facts, wanted),
        Intent::Undo { plan } => past::undo(&mut draft, facts, plan),
        Intent::Finish { plan } => past::finish(&mut draft, facts, plan),
        Intent::LaunchJob(job) => jobs::launch(&mut draft, facts, job),
        Intent::CancelJob { job, force } => jobs::cancel(&mut draft, facts, job, *force),
    }
    if targets.is_empty() {
        draft.refuse("no target");
    }
    if targets.len() > rules.guardrails.max_bulk {
        draft.refuse(format!(
            "{} targets; the configuration allows {} in one action",
            targets.len(),
            rules.guardrails.max_bulk
        ));
    }
    let mut commands = vec![intent.verb().to_owned()];
    commands.extend(facts.past.iter().map(|p| p.what.clone()));
    let groups = groups_of(&intent, &draft.work);
    let judged = rules.judge(&commands, &targets, &groups, now);
    if let Some(text) = judged.refusal() {
        draft.refuse(text);
    }
    if draft.work.iter().all(|w| w.requests.is_empty()) && draft.refused.is_none() {
        draft.nothing.get_or_insert_with(|| SafeText::new("nothing is left to do"));
    }
    draft.notes.sort_by_key(|n| std::cmp::Reverse(n.level));
    let steps = steps(&draft);
    let first = steps.len() + 1;
    let account = facts.arn_prefix.split(':').nth(4).unwrap_or_default();
    let confirmation = confirmation(&draft, &targets, judged.demand, account);
    Plan {
        id,
        title: title(&intent, &targets),
        targets,
        steps,
        proofs: draft
            .proofs
            .into_iter()
            .enumerate()
            .map(|(i, text)| ProofLine { n: first + i, text })
            .collect(),
        affects: draft.notes,
        would_change_nothing: draft.nothing,
        refused: draft.refused,
        confirmation,
        reversible: draft.reversible,
        made: now,
        commands,
        groups,
        work: draft.work,
        intent,
    }
}

/// What has to be typed: the plan's own demand or the configuration's, whichever is stricter.
fn confirmation(draft: &Draft<'_>, targets: &[Name], demand: Demand, account: &str) -> Confirmation {
    let many = targets.len() > draft.rules.guardrails.type_count_above;
    let own = if many || draft.type_name.is_some() { Demand::Name } else { Demand::None };
    match demand.max(own) {
        Demand::None => Confirmation::Nothing,
        Demand::Confirm => Confirmation::Enter,
        Demand::Name => match (&draft.type_name, targets) {
            (Some((name, or)), [_]) => Confirmation::TypeName { name: name.clone(), or: or.clone() },
            (None, [one]) => Confirmation::TypeName { name: one.shown().clone(), or: None },
            (_, many) => Confirmation::TypeCount(many.len()),
        },
        // A refused plan is not run whatever is typed.
        Demand::Account | Demand::Deny => Confirmation::TypeAccount(SafeText::new(account)),
    }
}

/// The groups a plan changes or aims at.
fn groups_of(intent: &Intent, work: &[Work]) -> Vec<Name> {
    let mut groups: Vec<Name> = Vec::new();
    let mut add = |name: &Name| {
        if !groups.contains(name) {
            groups.push(name.clone());
        }
    };
    if let Intent::LaunchJob(job) = intent {
        for target in &job.targets {
            if let super::JobTarget::Group(name) = target {
                add(name);
            }
        }
    }
    for request in work.iter().flat_map(|w| &w.requests) {
        match request {
            Request::AddToGroup { group, .. }
            | Request::RemoveFromGroup { group, .. }
            | Request::CreateGroup { group }
            | Request::DeleteGroup { group } => add(group),
            Request::AttachPolicy { target, .. } | Request::DetachPolicy { target, .. } => {
                if let Some((_, name)) = target.split_once(":thinggroup/") {
                    add(&Name::new(name));
                }
            }
            Request::Detect(detect) => {
                if let Some((_, name)) = detect.call().0.split_once(":thinggroup/") {
                    add(&Name::new(name));
                }
            }
            _ => {}
        }
    }
    groups
}

fn title(intent: &Intent, targets: &[Name]) -> SafeText {
    let verb = match intent {
        Intent::Isolate { .. } => "Isolate",
        Intent::Release { .. } => "Release",
        Intent::Deactivate { .. } => "Deactivate the certificate of",
        Intent::Activate { .. } => "Activate the certificate of",
        Intent::Revoke { .. } => "REVOKE the certificate of",
        Intent::Mitigate(wanted) => {
            return SafeText::new(&format!("Run {} on {}", wanted.actions.join(", "), whom(targets)));
        }
        Intent::Detect(change) => return SafeText::new(&change.title()),
        Intent::Setup(_) => return SafeText::new(&format!("Set up {}", whom(targets))),
        Intent::Undo { plan } => return SafeText::new(&format!("Undo {plan}: {}", whom(targets))),
        Intent::Finish { plan } => return SafeText::new(&format!("Finish {plan}: {}", whom(targets))),
        Intent::LaunchJob(job) => return SafeText::new(&format!("Launch job {}", job.id)),
        Intent::Join { group, .. } => {
            return SafeText::new(&format!("Add {} to {}", whom(targets), group.raw()));
        }
        Intent::Leave { group, .. } => {
            return SafeText::new(&format!("Remove {} from {}", whom(targets), group.raw()));
        }
        Intent::CancelJob { job, .. } => return SafeText::new(&format!("Cancel job {}", job.raw())),
    };
    SafeText::new(&format!("{verb} {}", whom(targets)))
}

fn whom(targets: &[Name]) -> String {
    match targets {
        [one] => one.raw().to_owned(),
        many => format!("{} devices", many.len()),
    }
}

/// Folds the requests of all targets into numbered lines: one for each kind of request and resource.
fn steps(draft: &Draft<'_>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for request in draft.work.iter().flat_map(|w| &w.requests) {
        let (title, detail) = request.words();
        let (title, detail) = (SafeText::new(title), SafeText::new(&detail));
        let call = request.call();
        match steps.iter_mut().find(|s| s.title == title && s.detail == detail) {
            Some(step) => step.calls.push(call),
            None => {
                let check = draft.checks.iter().find(|(op, _)| *op == call.operation);
                let check = check.map_or(Check::None, |(_, c)| c.clone());
                steps.push(Step { n: steps.len() + 1, title, detail, check, calls: vec![call] });
            }
        }
    }
    steps
}

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

fn isolate(draft: &mut Draft<'_>, facts: &Facts) {
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
            draft.note(Level::Info, format!("{} is already in {}", name.raw(), group.name.raw()));
        } else if let Some(obstacle) = obstacle(thing, group) {
            draft.note(Level::Danger, obstacle.clone());
            if facts.things.len() == 1 {
                draft.refuse(obstacle);
            }
            continue;
        }
        doubts(draft, thing);
        let mut requests = Vec::new();
        let flagged = thing.flag == Some(Value::Bool(true));
        if member && flagged && quiet(thing, draft) {
            draft.note(Level::Info, format!("{} is contained already: left alone", name.raw()));
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
        let client = thing.target.client_id().clone();
        // A second isolation cuts again: the first may have left the socket open.
        requests.push(Request::Cut { client: client.clone() });
        let ask = thing.principals.first().map(|p| question(&facts.arn_prefix, &p.arn, thing));
        let proof = Proof::Isolated {
            group: group.name.clone(),
            ask,
            silence: draft.rules.silence(thing.target.cadence),
        };
        draft.work.push(Work { name: name.clone(), client, requests, mapped: thing.target.mapped(), proof });
    }
    if held > 0 && held == facts.things.len() && !draft.work.is_empty() {
        draft.note(Level::Info, "already isolated: only the connection is cut again, and silence is proven");
    }
    draft.prove(format!(
        "the policy denies; takes up to {} to apply",
        seconds(draft.rules.scaled(super::super::rules::CACHE_MS))
    ));
    draft.prove_silence(&facts.things);
    let count = draft.work.len();
    draft.note(Level::Info, if count == 1 { "1 device".to_owned() } else { format!("{count} devices") });
    for thing in &facts.things {
        certificates::describe(draft, thing, facts.things.len() == 1);
    }
    draft.reversible = Reversible::Yes(SafeText::new("release takes it back"));
}

/// True when nothing is connected as the thing and it was not heard for as long as proves silence.
fn quiet(thing: &ThingFacts, draft: &Draft<'_>) -> bool {
    let window = draft.rules.silence(thing.target.cadence);
    matches!(thing.connected, Ok(Some(false) | None))
        && thing.target.last_heard.is_none_or(|at| draft.now - at > window)
}

/// The questions asked of TestAuthorization about a thing.
pub(in crate::response) fn question(prefix: &str, principal: &str, thing: &ThingFacts) -> DenyQuestion {
    let client = thing.target.client_id().clone();
    let topics = if thing.target.topics.is_empty() {
        vec![format!("dt/{}/telemetry", client.raw())]
    } else {
        thing.target.topics.clone()
    };
    DenyQuestion {
        principal: principal.to_owned(),
        connect: format!("{prefix}client/{}", client.raw()),
        // One call takes ten resources at most.
        publish: topics.iter().take(9).map(|t| format!("{prefix}topic/{t}")).collect(),
        client,
    }
}

/// What AWS would refuse about adding the thing to the group.
pub(super) fn obstacle(thing: &ThingFacts, group: &GroupFacts) -> Option<String> {
    let name = thing.target.thing.raw();
    let root = group.ancestors.first().unwrap_or(&group.name);
    if let Some(other) = thing.groups.iter().find(|g| g.root == *root && g.name != group.name) {
        return Some(format!(
            "{name} is in {}, of the same hierarchy as {}: AWS refuses a second group of one hierarchy",
            other.name.raw(),
            group.name.raw()
        ));
    }
    if thing.groups.len() >= MOST_GROUPS {
        let dynamic = thing.groups.iter().find(|g| g.dynamic);
        return Some(match dynamic {
            Some(lost) => format!(
                "{name} is in 10 groups, the most AWS allows; leave one first ({} is dynamic)",
                lost.name.raw()
            ),
            None => format!("{name} is in 10 groups, the most AWS allows; leave one first"),
        });
    }
    None
}

/// Why a group's policy may not reach this device (contract §4.3).
fn doubts(draft: &mut Draft<'_>, thing: &ThingFacts) {
    let name = thing.target.thing.raw();
    if let Some(client) = thing.target.client.as_ref().filter(|c| **c != thing.target.thing) {
        draft.note(
            Level::Danger,
            format!(
                "{name} connects as {}: a group's policy applies only when the client id is the thing's name; deactivate its certificate instead",
                client.raw()
            ),
        );
        draft.nothing.get_or_insert_with(|| {
            SafeText::new(&format!("the group's policy would not apply: {name} connects as {}", client.raw()))
        });
    } else if matches!(thing.connected, Ok(Some(false) | None)) && thing.target.last_heard.is_some() {
        draft.note(
            Level::Warn,
            format!("no client is connected as {name}: the messages may come from another client id"),
        );
    }
    if thing.principals.is_empty() {
        draft.note(
            Level::Danger,
            format!("{name} has no principal: the group's policy reaches it only through a certificate attached to it"),
        );
        draft.nothing.get_or_insert_with(|| {
            SafeText::new(&format!("the group's policy would not apply: {name} has no principal"))
        });
    }
}

fn release(draft: &mut Draft<'_>, facts: &Facts) {
    let Some(group) = &facts.group else { return draft.refuse("the isolation group could not be read") };
    for thing in facts.things.iter().filter(|t| t.registered) {
        let name = &thing.target.thing;
        let mut requests = Vec::new();
        if thing.groups.iter().any(|g| g.name == group.name) {
            requests.push(Request::RemoveFromGroup { thing: name.clone(), group: group.name.clone() });
        } else {
            draft.note(Level::Info, format!("{} is not in {}", name.raw(), group.name.raw()));
        }
        if thing.flag.is_some() {
            requests.push(Request::Flag { thing: name.clone(), to: None, was: thing.flag.clone() });
        }
        for principal in &thing.principals {
            if let (Some(id), Some(status)) = (&principal.certificate, &principal.status)
                && status != "ACTIVE"
            {
                draft.note(
                    Level::Warn,
                    format!(
                        "its certificate {} is {status}: it stays silent until that is ACTIVE",
                        super::request::short(id)
                    ),
                );
            }
        }
        draft.work.push(Work {
            name: name.clone(),
            client: thing.target.client_id().clone(),
            requests,
            mapped: thing.target.mapped(),
            proof: Proof::Released { group: group.name.clone() },
        });
    }
    draft.prove(format!(
        "heard again; the deny may hold for up to {}",
        seconds(draft.rules.scaled(super::super::rules::CACHE_MS))
    ));
    let count = draft.work.len();
    draft.note(Level::Info, if count == 1 { "1 device".to_owned() } else { format!("{count} devices") });
    draft.note(Level::Info, "it will alarm again if its behaviour has not changed");
    draft.reversible = Reversible::Yes(SafeText::new("isolate does it again"));
}
