//! What is to be read for what is looked at: for the view, and for the sake of the line under the cursor, certificates of
//! few devices, the metrics of one rule, the values of one violation. Reading them for everything would use up the account's
//! API quota.
//!
//! What is wanted is worked out anew whenever something happened, and asked for when it is other than what was asked for
//! last: whatever changed the view or the cursor, nothing goes on being read that nobody looks at, and nothing is forgotten.

use quell_fleet::model::Name;
use quell_fleet::{DeviceId, SourceId};

use super::super::dialogs::{Dialog, Naming};
use super::super::views::Metered;
use super::lines::{event_key, finding_key, outstanding_key};
use super::{App, Diagnosis, Effect, Env, Key, ListId, View, key_of};

/// Devices whose certificates are read besides the one under the cursor.
const FEW: usize = 8;

/// What a view is about, whatever its cursor is on.
fn needs(view: &View) -> Vec<SourceId> {
    match view {
        View::Device(name) => vec![
            SourceId::Shadow(name.clone(), None),
            SourceId::Certificates(name.clone()),
            SourceId::GroupsOf(name.clone()),
            SourceId::ViolationEvents,
            SourceId::Profiles,
            SourceId::PoliciesOf(name.clone()),
            SourceId::JobsOf(name.clone()),
            SourceId::MetricsOf(name.clone()),
            SourceId::CustomMetrics,
        ],
        View::Executions(job) => {
            vec![SourceId::Jobs, SourceId::Executions(job.clone()), SourceId::JobDetail(job.clone())]
        }
        View::Jobs => vec![SourceId::Jobs],
        View::Violations | View::History => {
            vec![SourceId::ViolationEvents, SourceId::Profiles, SourceId::Suppressed, SourceId::Training]
        }
        View::Profiles => {
            vec![SourceId::Profiles, SourceId::Dimensions, SourceId::CustomMetrics, SourceId::Training]
        }
        View::Shadows => vec![SourceId::Outstanding],
        View::WhatIf => vec![SourceId::Profiles],
        View::Policy(name) => vec![
            SourceId::Certificates(name.clone()),
            SourceId::GroupsOf(name.clone()),
            SourceId::PoliciesOf(name.clone()),
            SourceId::Shadow(name.clone(), None),
        ],
        View::Audit => vec![SourceId::Findings, SourceId::AuditSetup, SourceId::AuditTasks],
        View::Rules => vec![SourceId::Rules],
        View::Guide => vec![
            SourceId::Profiles,
            SourceId::ViolationEvents,
            SourceId::AuditSetup,
            SourceId::AuditTasks,
            SourceId::Jobs,
            SourceId::Rules,
        ],
        View::Overview | View::Stream | View::Journal | View::Link | View::Grid | View::Doctor => Vec::new(),
    }
}

impl App {
    /// Asks for what is looked at to be read, when that is other than before.
    pub(super) fn watch(&mut self, env: &Env<'_>) {
        self.valued = self.metric_here(env);
        if !self.look.aws {
            return;
        }
        let wanted = self.wanted(env);
        if self.watching.as_ref() != Some(&wanted) {
            self.effects.push(Effect::Watch(wanted.clone()));
            self.watching = Some(wanted);
        }
    }

    /// Whether something that the view shows was neither read yet nor could it not be.
    pub(in crate::console) fn is_reading(&self, env: &Env<'_>) -> bool {
        if !self.look.aws || self.replay || self.startup.is_some() {
            return false;
        }
        let unread = |wanted: &SourceId| {
            let mut polls = env.fleet.polls().filter(|(source, _)| *source == wanted);
            polls.all(|(_, state)| state.last_ok.is_none() && state.trouble.is_none())
        };
        let view = self.view();
        let examined = matches!(view, View::Doctor | View::Guide);
        view.tells_journal() && self.journal.is_none()
            || examined && *self.diagnosis() == Diagnosis::Looking
            || needs(view).iter().any(unread)
    }

    fn wanted(&mut self, env: &Env<'_>) -> Vec<SourceId> {
        let mut wanted = needs(self.view());
        if *self.view() == View::Shadows {
            wanted.extend(self.shadow_wanted(env));
            // Beside a shadow stands the device it is of.
            let of = self.thing_here(env).map(|id| env.fleet.device(id).name().clone());
            wanted.extend(of.map(SourceId::Certificates));
        }
        if *self.view() == View::Jobs && env.fleet.jobs().get().is_some_and(Vec::is_empty) {
            wanted.push(SourceId::Members(Name::new(&self.look.update_group)));
        }
        match self.view() {
            View::Overview | View::Doctor => wanted.extend(self.certificates_wanted(env)),
            View::Jobs => {
                let job = self.job_under_cursor(env);
                wanted.extend(job.clone().map(SourceId::Executions));
                wanted.extend(job.map(SourceId::JobDetail));
            }
            // Each metric of CloudWatch's that is asked for is paid for.
            View::Rules => wanted.extend(self.rule_here(env).map(|r| SourceId::RuleMetrics(r.name.clone()))),
            View::Violations | View::History => {
                wanted.extend(self.valued.as_ref().map(Metered::source));
            }
            _ => {}
        }
        if let Some(Dialog::Group(form)) = &self.dialog
            && matches!(form.naming, Naming::Mitigate(_))
        {
            wanted.extend([SourceId::ViolationEvents, SourceId::Profiles, SourceId::AuditSetup]);
            let mut seen = std::collections::HashSet::new();
            wanted.retain(|source| seen.insert(source.clone()));
        }
        wanted
    }

    /// Certificates are read for what an operator is about to act on, or asks whether it could be: the cursor's device and the
    /// worst few.
    fn certificates_wanted(&self, env: &Env<'_>) -> Vec<SourceId> {
        let worst = self.rows.ids().iter().copied().take(FEW);
        let here = self.device_at_cursor().into_iter().chain(worst);
        let mut wanted: Vec<DeviceId> = here.filter(|id| !env.fleet.device(*id).is_unattributed()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let names = wanted.into_iter().map(|id| env.fleet.device(id).name().clone());
        names.map(SourceId::Certificates).collect()
    }

    /// The document of the shadow under the cursor, where only its delta was heard; once asked for it is kept up to date.
    ///
    /// All that is outstanding is gone through for it, so only where the cursor moved or the fleet changed.
    fn shadow_wanted(&mut self, env: &Env<'_>) -> Option<SourceId> {
        let here = (self.list(ListId::Shadows).chosen()?, env.fleet.revision());
        match &self.shadow_wanted {
            Some((of, wanted)) if *of == here => wanted.clone(),
            _ => {
                let wanted = self.shadow_unread(env, here.0);
                self.shadow_wanted = Some((here, wanted.clone()));
                wanted
            }
        }
    }

    fn shadow_unread(&self, env: &Env<'_>, cursor: Key) -> Option<SourceId> {
        let one = env.fleet.outstanding().into_iter().find(|one| outstanding_key(one) == cursor)?;
        let source = SourceId::Shadow(one.thing.clone(), one.shadow.cloned());
        let asked = self.watching.as_ref().is_some_and(|all| all.contains(&source));
        (one.document.is_none() || asked).then_some(source)
    }

    /// The metric of the violation under the cursor.
    fn metric_here(&self, env: &Env<'_>) -> Option<Metered> {
        if !matches!(self.view(), View::Violations | View::History) {
            return None;
        }
        let list = self.focused_list();
        let cursor = self.list(list).cursor()?;
        if list == ListId::History {
            let event = env.fleet.violation_events().get()?.iter().find(|e| event_key(e) == cursor)?;
            // The event only names its behaviour: an active violation has it whole, else the profile does.
            let active = env.fleet.violations().get().into_iter().flatten().find(|v| v.id == event.id);
            let of_profile = env.fleet.profiles().get().into_iter().flatten();
            let of_profile = of_profile.filter(|p| p.name == event.profile).flat_map(|p| &p.behaviors);
            let behavior = active
                .map(|v| &v.behavior)
                .or_else(|| of_profile.into_iter().find(|b| b.name == event.behavior.as_str()));
            return Metered::of(&event.thing, behavior?);
        }
        let active = env.fleet.violations().get().map_or(&[][..], Vec::as_slice);
        if let Some(violation) = active.iter().find(|v| key_of(&v.id) == cursor) {
            return Metered::of(&violation.thing, &violation.behavior);
        }
        let finding = env.fleet.own_findings().iter().find(|f| finding_key(f) == cursor)?;
        Metered::of(&finding.thing, &finding.behavior)
    }
}
