//! The one gate. Mode, confirmation and guardrails produce a [`Grant`], without which no changing request can be built;
//! whatever is not clearly allowed is refused.

use crate::fleet::Ms;
use crate::text::SafeText;

use super::plan::request::Request;
use super::plan::{Plan, PlanId};
use super::rules::Rules;

/// Leave to send exactly the requests of one confirmed plan. Made by [`decide`] only; cannot be copied.
#[derive(Debug)]
pub(in crate::response) struct Grant {
    plan: PlanId,
    requests: Vec<Request>,
}

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
    if plan.targets.len() > rules.max_bulk {
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
    let requests: Vec<Request> = plan.work.iter().flat_map(|w| w.requests.iter().cloned()).collect();
    if requests.is_empty() {
        return refuse("there is nothing to send");
    }
    Ok(Grant { plan: plan.id.clone(), requests })
}
