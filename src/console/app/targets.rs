//! Writes, as far as the console goes: what a plan is asked for. Nothing here sends anything.

use crate::response::{Intent, Residue, Swept, Target};
use quell_fleet::DeviceId;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::super::dialogs::{ActionDialog, Dialog, GroupForm, JobForm, Naming, PlanDialog};
use super::super::words;
use super::{App, Effect, Env, ListId, Pane, Tone, View, key_of};

impl App {
    /// Plan isolation.
    pub(crate) fn isolate(&mut self, env: &Env<'_>) {
        let time = self.held_for;
        self.plan_things(env, "Isolate", |things| Intent::Isolate { things, group: None, time });
    }

    /// Plan release.
    pub(crate) fn release(&mut self, env: &Env<'_>) {
        self.plan_things(env, "Release", |things| Intent::Release { things, group: None });
    }

    /// Plan deactivation.
    pub(crate) fn deactivate(&mut self, env: &Env<'_>) {
        self.plan_things(env, "Deactivate the certificate of", |things| Intent::Deactivate {
            things,
            certificate: None,
        });
    }

    /// Plan activation.
    pub(crate) fn activate(&mut self, env: &Env<'_>) {
        self.plan_things(env, "Activate the certificate of", |things| Intent::Activate {
            things,
            certificate: None,
        });
    }

    /// Plan revocation.
    pub(crate) fn revoke(&mut self, env: &Env<'_>) {
        self.plan_things(env, "Revoke the certificate of", |things| Intent::Revoke {
            things,
            certificate: None,
        });
    }

    /// Plan to clear retained messages: of the things of the staircase in front, else as any write.
    pub(crate) fn clear_retained(&mut self, env: &Env<'_>) {
        let lead = "Clear the retained messages of";
        let intent = |things| Intent::ClearRetained { things, topics: Vec::new() };
        let Some(Dialog::Action(ActionDialog { plan })) = &self.dialog else {
            return self.plan_things(env, lead, intent);
        };
        let Some(action) = self.actions().iter().find(|action| action.id == *plan) else { return };
        if action.finished.is_none() {
            let text = "it has not ended: what was left behind is looked for afterwards";
            return self.say(SafeText::new(text), Tone::Calm, env.now);
        }
        let left = match &action.swept {
            Swept::Done(sweeps) => sweeps.iter().filter(|s| s.left(Residue::Retained)).collect(),
            _ => Vec::new(),
        };
        let things: Vec<Target> = left.iter().map(|sweep| env.fleet.target_named(&sweep.thing)).collect();
        let Some(first) = things.first() else {
            return self.say(SafeText::new("nothing is retained on its topics"), Tone::Calm, env.now);
        };
        let whom = match things.len() {
            1 => first.thing.shown().to_string(),
            many => words::plural(many, "thing", "things"),
        };
        self.ask(env, SafeText::new(&format!("{lead} {whom}")), intent(things));
    }

    /// Plan the cancellation of a job.
    pub(crate) fn cancel_job(&mut self, env: &Env<'_>) {
        match self.job_under_cursor(env) {
            Some(job) => {
                let asked = SafeText::new(&format!("Cancel job {}", job.shown()));
                self.ask(env, asked, Intent::CancelJob { job, force: false });
            }
            None => self.say(SafeText::new("no job under the cursor"), Tone::Warn, env.now),
        }
    }

    /// Open the job form.
    pub(crate) fn job(&mut self, env: &Env<'_>) {
        // Without marks the workshop's own job is one Enter away: the group that updates are offered to.
        let form = JobForm::new(self.marked_names(env), &self.look.update_group);
        self.dialog = Some(Dialog::Job(Box::new(form)));
    }

    /// Name a thing group to put things into.
    pub(crate) fn join_group(&mut self, env: &Env<'_>) {
        self.group_form(env, Naming::Join);
    }

    /// Name a thing group to take things out of.
    pub(crate) fn leave_group(&mut self, env: &Env<'_>) {
        self.group_form(env, Naming::Leave);
    }

    /// Name a mitigation action of AWS for the violations of the marked things, or for the one under the cursor.
    pub(crate) fn mitigate(&mut self, env: &Env<'_>) {
        if *self.view() == View::Audit {
            return self.mitigate_finding(env);
        }
        let active = env.fleet.violations().get().map_or(&[][..], Vec::as_slice);
        let here =
            self.list(ListId::Violations).cursor().filter(|_| self.marks.is_empty() && self.named.is_empty());
        let violations: Vec<String> = match here {
            Some(cursor) if self.focused_list() == ListId::Violations => {
                active.iter().filter(|v| key_of(&v.id) == cursor).map(|v| v.id.clone()).collect()
            }
            _ => {
                let ids = self.targets(env);
                let concerns = |thing: &Name| ids.iter().any(|id| env.fleet.device(*id).name() == thing);
                active.iter().filter(|v| concerns(&v.thing)).map(|v| v.id.clone()).collect()
            }
        };
        if violations.is_empty() {
            let text = "Detect has no active violation of what is under the cursor";
            return self.say(SafeText::new(text), Tone::Warn, env.now);
        }
        self.group_form(env, Naming::Mitigate(violations));
    }

    fn group_form(&mut self, env: &Env<'_>, naming: Naming) {
        let Some((whom, things)) = self.things_to_act_on(env) else { return };
        let join = naming != Naming::Leave;
        // Out of a group: what is known of the only thing's groups is the likely answer.
        let now = match things.as_slice() {
            _ if matches!(naming, Naming::Mitigate(_)) => None,
            [only] if !join => env
                .fleet
                .find(only.thing.raw())
                .and_then(|id| env.fleet.device(id).groups().get())
                .and_then(|groups| groups.first())
                .map(|g| g.raw().to_owned()),
            _ if join => Some(self.look.update_group.clone()),
            _ => None,
        };
        let form = GroupForm::new(naming, (whom, things), now.unwrap_or_default(), env);
        self.dialog = Some(Dialog::Group(Box::new(form)));
    }

    fn plan_things(&mut self, env: &Env<'_>, verb: &str, intent: impl FnOnce(Vec<Target>) -> Intent) {
        if let Some((whom, targets)) = self.things_to_act_on(env) {
            self.ask(env, SafeText::new(&format!("{verb} {whom}")), intent(targets));
        }
    }

    /// The things a write acts on, in words and as targets; says why when there are none.
    fn things_to_act_on(&mut self, env: &Env<'_>) -> Option<(SafeText, Vec<Target>)> {
        let ids = self.targets(env);
        let names: Vec<Name> = ids.iter().map(|id| env.fleet.device(*id).name().clone()).collect();
        let Some(first) = names.first() else {
            self.say(
                SafeText::new("no thing here: put the cursor on one, or mark some"),
                Tone::Warn,
                env.now,
            );
            return None;
        };
        if let Some(topic) = ids.iter().find(|id| env.fleet.device(**id).is_unattributed()) {
            let name = env.fleet.device(*topic).name().shown();
            let text =
                format!("{name} is a topic of no known thing: --thing-from says whose topics are whose");
            self.say(SafeText::new(&text), Tone::Warn, env.now);
            return None;
        }
        let whom = if names.len() == 1 {
            first.shown().to_string()
        } else {
            words::plural(names.len(), "thing", "things")
        };
        let targets = ids.iter().map(|id| env.fleet.target(*id)).collect();
        Some((SafeText::new(&whom), targets))
    }

    pub(super) fn ask(&mut self, env: &Env<'_>, asked: SafeText, intent: Intent) {
        if self.instructing {
            let text = "instructor mode: nothing is planned or sent";
            return self.say(SafeText::new(text), Tone::Warn, env.now);
        }
        self.generation += 1;
        let dialog = PlanDialog::new(self.generation, asked, intent.clone(), self.look.read_only);
        self.dialog = Some(Dialog::Plan(Box::new(dialog)));
        self.effects.push(Effect::Plan { generation: self.generation, intent });
    }

    /// What a write acts on: the marks, else the thing under the cursor of whatever is in front.
    pub(super) fn targets(&self, env: &Env<'_>) -> Vec<DeviceId> {
        if !self.named.is_empty() {
            return self.named.clone();
        }
        if !self.marks.is_empty() {
            let mut ids: Vec<_> = self.marks.iter().copied().collect();
            ids.sort_unstable();
            return ids;
        }
        self.thing_here(env).into_iter().collect()
    }

    /// The thing under the cursor of the focused list.
    pub(super) fn thing_here(&self, env: &Env<'_>) -> Option<DeviceId> {
        if let Some(named) = self.named.first() {
            return Some(*named);
        }
        if let View::Device(name) | View::Policy(name) = self.view() {
            return env.fleet.find(name.raw());
        }
        // A shadow that has the screen is still the one chosen.
        let list = if *self.view() == View::Shadows { ListId::Shadows } else { self.focused_list() };
        let cursor = self.list(list).cursor()?;
        match list {
            ListId::Devices => self.device_at_cursor(),
            ListId::Violations => {
                let active = env.fleet.violations().get().map_or(&[][..], Vec::as_slice);
                let violation = active.iter().find(|v| key_of(&v.id) == cursor).map(|v| v.thing.raw());
                match violation {
                    Some(thing) => env.fleet.find(thing),
                    None => {
                        let own = env.fleet.own_findings();
                        let own = own.iter().find(|f| super::finding_key(f) == cursor).map(|f| f.device);
                        let mut cloned = env.fleet.cloned().iter();
                        own.or_else(|| cloned.find(|f| super::cloned_key(f) == cursor).map(|f| f.device))
                    }
                }
            }
            ListId::Deltas => env
                .fleet
                .deltas()
                .find(|d| super::lines::delta_key(d) == cursor)
                .and_then(|d| env.fleet.find(d.thing.raw())),
            ListId::Shadows => {
                let all = env.fleet.outstanding();
                let one = all.iter().find(|one| super::outstanding_key(one) == cursor)?;
                env.fleet.find(one.thing.raw())
            }
            ListId::Stream => env
                .fleet
                .stream()
                .position(cursor)
                .and_then(|at| env.fleet.stream().get(at))
                .and_then(|kept| env.fleet.topic(kept.topic))
                .and_then(|topic| topic.device()),
            ListId::WhatIf => {
                let would = self.what_if_state()?.would.iter().find(|w| key_of(w.thing.raw()) == cursor)?;
                env.fleet.find(would.thing.raw())
            }
            ListId::Executions => {
                let View::Executions(job) = self.view() else { return None };
                env.fleet
                    .executions(job.raw())?
                    .get()?
                    .iter()
                    .find(|e| key_of(e.thing.raw()) == cursor)
                    .and_then(|e| env.fleet.find(e.thing.raw()))
            }
            ListId::History => env
                .fleet
                .violation_events()
                .get()?
                .iter()
                .find(|e| super::lines::event_key(e) == cursor)
                .and_then(|e| env.fleet.find(e.thing.raw())),
            ListId::Jobs
            | ListId::Journal
            | ListId::Profiles
            | ListId::Findings
            | ListId::Rules
            | ListId::Text => None,
        }
    }

    /// The device the overview shows beside its lists: the one under the cursor, of the violations and deltas the one they
    /// are about.
    pub(in crate::console) fn focused_device(&self, env: &Env<'_>) -> Option<DeviceId> {
        let here = match self.focused_list() {
            ListId::Violations | ListId::Deltas => self.thing_here(env),
            _ => None,
        };
        here.or_else(|| self.device_at_cursor())
    }

    /// The device under the cursor; none when the filter hides it, for nobody acts on what is not seen.
    pub(super) fn device_at_cursor(&self) -> Option<DeviceId> {
        self.rows.device_of(self.list(ListId::Devices).cursor()?)
    }

    /// The device that keys are about: the one opened, or under the cursor.
    pub(crate) fn device_in_front(&self, env: &Env<'_>) -> Option<DeviceId> {
        self.thing_here(env).filter(|id| !env.fleet.device(*id).is_unattributed())
    }

    pub(super) fn job_under_cursor(&self, env: &Env<'_>) -> Option<Name> {
        if let View::Executions(job) = self.view() {
            return Some(job.clone());
        }
        let cursor = self.list(ListId::Jobs).cursor()?;
        env.fleet.jobs().get()?.iter().find(|j| key_of(j.id.raw()) == cursor).map(|j| j.id.clone())
    }

    fn marked_names(&self, env: &Env<'_>) -> Vec<Name> {
        let mut ids: Vec<_> = self.marks.iter().copied().collect();
        ids.sort_unstable();
        ids.into_iter().map(|id| env.fleet.device(id).name().clone()).collect()
    }

    /// Whether the devices are what keys act on.
    pub(super) fn on_devices(&self) -> bool {
        *self.view() == View::Overview && self.pane == Pane::Devices
    }
}
