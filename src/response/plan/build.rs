//! Intent and facts to plan. Pure, so that every warning is a unit test.

use crate::config::{Demand, Inverse, Verb};
use crate::response::Rules;
use quell_fleet::Ms;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::draft::Draft;
use super::facts::Facts;
use super::request::{Request, Work};
use super::{Check, Confirmation, Intent, Level, Plan, PlanId, ProofLine, Reversible, Step};
use super::{
    audit, certificates, cut, detect, flag, groups, isolate, jobs, mitigate, past, retained, rule, setup,
};

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
        instead: None,
        cut: None,
        reversible: match intent.verb().words().inverse {
            Inverse::By(how) => Reversible::Yes(SafeText::new(how)),
            Inverse::None(why) => Reversible::No(SafeText::new(why)),
        },
    };
    let mut targets: Vec<Name> = match &intent {
        Intent::LaunchJob(job) => job.targets.iter().map(|t| t.name().clone()).collect(),
        Intent::CancelJob { job, .. } => vec![job.clone()],
        Intent::ClearRetained { things, topics } => {
            let things = things.iter().map(|thing| thing.thing.clone());
            things.chain(topics.iter().map(|topic| Name::new(topic))).collect()
        }
        Intent::Mitigate(_) => facts.mitigated.clone(),
        Intent::Detect(change) => change.targets(),
        Intent::Rule(change) => vec![change.rule.clone()],
        Intent::Audit(change) => vec![change.target()],
        Intent::Setup(wanted) => {
            vec![wanted.group.clone().unwrap_or_else(|| rules.isolate_group.clone())]
        }
        Intent::Undo { .. } | Intent::Finish { .. } => {
            facts.past.iter().flat_map(|p| p.targets().cloned()).collect()
        }
        // A certificate that was named directly acts on the things it serves, or on itself when it serves none.
        Intent::Deactivate { things, certificate: Some(id) }
        | Intent::Activate { things, certificate: Some(id) }
        | Intent::Revoke { things, certificate: Some(id) }
            if things.is_empty() =>
        {
            let served: Vec<Name> = facts.things.iter().map(|t| t.target.thing.clone()).collect();
            if served.is_empty() { vec![Name::new(id)] } else { served }
        }
        other => other.things().iter().map(|t| t.thing.clone()).collect(),
    };
    for thing in &facts.things {
        if !thing.registered {
            draft.note_of(Level::Warn, &thing.target.thing, "is not in the registry: left out");
        }
    }
    if facts.things.iter().all(|t| !t.registered) && !facts.things.is_empty() {
        draft.refuse("no such thing in the registry");
    }
    match &intent {
        Intent::Isolate { time, .. } => isolate::isolate(&mut draft, facts, *time),
        Intent::Release { .. } => isolate::release(&mut draft, facts),
        Intent::Deactivate { certificate, .. } => {
            certificates::deactivate(&mut draft, facts, certificate.as_deref());
        }
        Intent::Activate { certificate, .. } => {
            certificates::activate(&mut draft, facts, certificate.as_deref());
        }
        Intent::Revoke { certificate, .. } => certificates::revoke(&mut draft, facts, certificate.as_deref()),
        Intent::Cut { client, .. } => cut::cut(&mut draft, facts, client),
        Intent::Flag { .. } => flag::flag(&mut draft, facts),
        Intent::Join { group, .. } => groups::join(&mut draft, facts, group),
        Intent::Leave { group, .. } => groups::leave(&mut draft, facts, group),
        Intent::ClearRetained { topics, .. } => retained::clear(&mut draft, facts, topics),
        Intent::Mitigate(wanted) => mitigate::build(&mut draft, facts, wanted),
        Intent::Detect(change) => detect::build::build(&mut draft, facts, change),
        Intent::Rule(change) => rule::build::build(&mut draft, facts, change),
        Intent::Audit(change) => audit::build::build(&mut draft, facts, change),
        Intent::Setup(wanted) => setup::build(&mut draft, facts, wanted),
        Intent::Undo { plan } => past::undo(&mut draft, facts, plan),
        Intent::Finish { plan } => past::finish(&mut draft, facts, plan),
        Intent::LaunchJob(job) => jobs::launch(&mut draft, facts, job),
        Intent::CancelJob { job, force } => jobs::cancel(&mut draft, facts, job, *force),
    }
    if matches!(intent, Intent::Undo { .. } | Intent::Finish { .. }) && !draft.work.is_empty() {
        // Only what is left of an earlier plan is acted on, shown and counted.
        targets = draft.work.iter().map(|work| work.name.clone()).collect();
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
    let mut commands = vec![intent.verb()];
    commands.extend(facts.past.iter().filter_map(|p| Verb::parse(&p.what)));
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
        title: title(&intent, &targets, facts),
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
        instead: draft.instead,
        cut: draft.cut,
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

fn title(intent: &Intent, targets: &[Name], facts: &Facts) -> SafeText {
    // What is taken back is known by what it was; its id only names it where there is nothing better.
    let earlier = |id: &str| facts.past.as_ref().map_or_else(|| id.to_owned(), |past| past.title.to_string());
    let lead = intent.verb().words().lead;
    SafeText::new(&match intent {
        Intent::Isolate { time: Some(time), .. } => {
            format!("{lead} {} for {}", whom(targets), time.words())
        }
        Intent::Isolate { .. }
        | Intent::Release { .. }
        | Intent::Deactivate { .. }
        | Intent::Activate { .. }
        | Intent::Revoke { .. }
        | Intent::Flag { .. }
        | Intent::Setup(_) => format!("{lead} {}", whom(targets)),
        Intent::ClearRetained { .. } => format!("{lead} {}", whom(targets)),
        Intent::Mitigate(wanted) => format!("{lead} {} on {}", wanted.actions.join(", "), whom(targets)),
        Intent::Detect(change) => change.title(),
        Intent::Rule(change) => change.title(),
        Intent::Audit(change) => change.title(),
        Intent::Undo { plan } | Intent::Finish { plan } => {
            let all = facts.past.iter().flat_map(|past| past.targets()).count();
            let part =
                if targets.len() < all { format!(" ({} of {all})", targets.len()) } else { String::new() };
            format!("{lead} {}{part}", earlier(plan))
        }
        Intent::LaunchJob(job) => format!("{lead} {}", job.id),
        Intent::Cut { client, .. } => format!("{lead} {}: client {}", whom(targets), client.raw()),
        Intent::Join { group, .. } => format!("{lead} {} to {}", whom(targets), group.raw()),
        Intent::Leave { group, .. } => format!("{lead} {} from {}", whom(targets), group.raw()),
        Intent::CancelJob { job, .. } => format!("{lead} {}", job.raw()),
    })
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
    for (of, request) in draft.work.iter().flat_map(|w| w.requests.iter().map(|r| (&w.name, r))) {
        let (title, detail) = request.words(of);
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
