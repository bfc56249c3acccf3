//! The one gate. Mode, confirmation and guardrails produce a [`Grant`], without which no changing request can be built;
//! whatever is not clearly allowed is refused.

use quell_fleet::Ms;
use quell_fleet::text::SafeText;

use crate::config::Settings;

use super::plan::request::Request;
use super::plan::{Plan, PlanId};
use super::rules::Rules;

/// Leave to send exactly the requests of one confirmed plan. Made by [`decide`] only; cannot be copied.
#[derive(Debug)]
pub(in crate::response) struct Grant {
    plan: PlanId,
    requests: Vec<Request>,
}

impl crate::cloud::Warrant for Grant {}

impl Grant {
    /// True when this very request was in the plan that was confirmed.
    pub(in crate::response) fn covers(&self, request: &Request) -> bool {
        self.requests.contains(request)
    }

    /// The plan it was given for.
    pub(in crate::response) fn plan(&self) -> &PlanId {
        &self.plan
    }
}

/// Leave to say something in the account in quell's own name: a message on a topic that the configuration names, or which of
/// several guards acts. It changes no device, and so no plan is confirmed for it; but it is something that others see, and some
/// act on. Nobody has it in read-only mode, and what is said is on the disk before: an alert among those of the guard, that a
/// lease is asked for in the journal.
#[derive(Clone, Debug)]
pub struct Voice(());

impl crate::cloud::Voice for Voice {}

impl Voice {
    /// The leave that a configuration gives; none where it is read-only.
    pub fn of(settings: &Settings) -> Option<Self> {
        (!settings.read_only).then_some(Self(()))
    }
}

/// Why nothing may be sent.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::response) struct Refusal(pub(in crate::response) SafeText);

/// Decides whether `plan` may run, given what was typed to confirm it.
pub(in crate::response) fn decide(
    plan: &Plan,
    typed: Option<&str>,
    rules: &Rules,
    now: Ms,
) -> Result<Grant, Refusal> {
    let refuse = |why: &str| Err(Refusal(SafeText::new(why)));
    if rules.read_only {
        return refuse("read-only: this quell changes nothing");
    }
    if rules.dry_run {
        return refuse("dry run: nothing was sent");
    }
    if let Some(reason) = &plan.refused {
        return Err(Refusal(reason.clone()));
    }
    // Asked again: a change window may have closed since the plan was made.
    let judged = rules.judge(&plan.commands, &plan.targets, &plan.groups, now);
    if let Some(reason) = judged.refusal() {
        return refuse(&reason);
    }
    if judged.demand > plan.confirmation.level() {
        return refuse("the configuration asks for more than this plan did: ask for it again");
    }
    if plan.targets.len() > rules.guardrails.max_bulk {
        return refuse("more targets than the configuration allows in one action");
    }
    if !plan.confirmation.accepts(typed) {
        return refuse("not confirmed: what was typed is not what was asked for");
    }
    if !(0..=rules.plan_age).contains(&(now - plan.made)) {
        return refuse(
            "the plan is too old: the account may have changed since it was read. Ask for it again",
        );
    }
    let mut requests: Vec<Request> = plan.work.iter().flat_map(|w| w.requests.iter().cloned()).collect();
    if requests.is_empty() {
        return refuse("there is nothing to send");
    }
    requests.extend(plan.work.iter().flat_map(|w| w.questions.iter().cloned()));
    Ok(Grant { plan: plan.id.clone(), requests })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Demand;
    use crate::response::plan::facts::Facts;
    use crate::response::plan::{Intent, JobRequest, JobTarget};
    use quell_fleet::model::Name;

    fn plan() -> Plan {
        let job = JobRequest {
            id: "j".to_owned(),
            targets: vec![JobTarget::Group(Name::new("G"))],
            document: "{}".to_owned(),
            continuous: true,
            description: None,
            options: crate::response::JobOptions::default(),
        };
        Plan::build(Intent::LaunchJob(job), &Facts::default(), &rules(), "p".to_owned(), 1_000)
    }

    fn rules() -> Rules {
        Rules::new("/nonexistent".into(), "IsolatedDevices")
    }

    #[test]
    fn a_grant_covers_the_plan_s_requests_and_no_other() {
        let plan = plan();
        let grant = decide(&plan, None, &rules(), 2_000).unwrap();
        assert!(grant.covers(&plan.work[0].requests[0]));
        assert!(!grant.covers(&Request::CancelJob { job: Name::new("j"), force: true }));
        assert_eq!(grant.plan(), plan.id());
    }

    #[test]
    fn whatever_is_not_clearly_allowed_is_refused() {
        let refused = |change: &dyn Fn(&mut Plan, &mut Rules), typed: Option<&str>, now: Ms| {
            let (mut plan, mut rules) = (plan(), rules());
            change(&mut plan, &mut rules);
            decide(&plan, typed, &rules, now).is_err()
        };
        assert!(!refused(&|_, _| {}, None, 2_000), "the plan itself is allowed");
        assert!(refused(&|_, r| r.read_only = true, None, 2_000));
        assert!(refused(&|_, r| r.dry_run = true, None, 2_000));
        assert!(refused(&|_, r| r.guardrails.max_bulk = 0, None, 2_000));
        assert!(refused(&|p, _| p.refused = Some("no".into()), None, 2_000));
        assert!(refused(&|p, _| p.work.clear(), None, 2_000));
        assert!(refused(&|_, _| {}, None, 3_600_000), "too old");
        assert!(refused(&|_, _| {}, None, 0), "from the future");
        let demand = |demand: Demand| {
            move |_: &mut Plan, r: &mut Rules| {
                r.guardrails.levels.insert("job create".to_owned(), demand);
            }
        };
        assert!(refused(&demand(Demand::Deny), None, 2_000), "a guardrail forbids it");
        assert!(refused(&demand(Demand::Name), Some("G"), 2_000), "it asks for more than the plan did");
        assert!(!refused(&demand(Demand::None), None, 2_000));
        let typed = |p: &mut Plan, _: &mut Rules| {
            p.confirmation = crate::response::Confirmation::TypeName { name: "x".into(), or: None };
        };
        assert!(refused(&typed, None, 2_000));
        assert!(refused(&typed, Some("y"), 2_000));
        assert!(!refused(&typed, Some("x"), 2_000));
    }
}
