//! What the operator answers to a plan: carry it out, look closer, change it, stop it, or take it back.

use tui_input::Input;

use crate::response::{DetectChange, Intent};
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::dialogs::{Field, JobForm, Overlay};
use super::{App, Effect, Env, PlanPhase, Tone};

/// Confirmed plans whose verb is remembered.
const CONFIRMED: usize = 64;

impl App {
    /// Confirm the plan in front.
    pub fn confirm(&mut self, env: &Env<'_>) {
        match self.overlay.take() {
            Some(Overlay::Plan(mut dialog)) => {
                let typed = dialog.wants_text().then(|| dialog.typed.value().to_owned());
                match &dialog.phase {
                    PlanPhase::Ready(plan) if plan.refused().is_some() => {
                        self.overlay = Some(Overlay::Plan(dialog));
                    }
                    PlanPhase::Ready(plan) if !plan.confirmation().accepts(typed.as_deref()) => {
                        dialog.typed.reset();
                        self.say(
                            SafeText::new("that is not what was asked for: nothing was sent"),
                            Tone::Warn,
                            env.now,
                        );
                        self.overlay = Some(Overlay::Plan(dialog));
                    }
                    PlanPhase::Ready(plan) => {
                        self.overlay = Some(Overlay::Action(plan.id().clone()));
                        self.marks.clear();
                        self.range = None;
                        self.rows.outdate();
                        if self.confirmed.len() >= CONFIRMED {
                            self.confirmed.remove(0);
                        }
                        self.confirmed.push((plan.id().clone(), plan.intent().verb()));
                        if matches!(plan.intent(), Intent::Detect(DetectChange::Apply { .. })) {
                            self.draft = None;
                        }
                        self.unanswered.push(plan.id().clone());
                        self.effects.push(Effect::Confirm { plan: plan.clone(), typed });
                    }
                    PlanPhase::Computing => self.overlay = Some(Overlay::Plan(dialog)),
                    PlanPhase::Failed(_) => {}
                }
            }
            // Enter on the staircase puts it away; it goes on behind.
            Some(Overlay::Action(_)) | None => {}
            other => self.overlay = other,
        }
    }

    /// Show or hide the plan's requests.
    pub fn api_calls(&mut self, _: &Env<'_>) {
        if let Some(Overlay::Plan(dialog)) = &mut self.overlay {
            dialog.calls = !dialog.calls;
        }
    }

    /// Change what the plan in front acts with: its thing group, or its job. Nothing else of it can be changed.
    pub fn edit(&mut self, env: &Env<'_>) {
        let Some(Overlay::Plan(dialog)) = &mut self.overlay else { return };
        if matches!(&dialog.intent, Intent::Detect(DetectChange::Apply { .. })) {
            return self.back_to_form(env);
        }
        match &dialog.intent {
            Intent::Isolate { group, .. } | Intent::Release { group, .. } => {
                let now = group.as_ref().map_or(self.look.isolation_group.as_str(), |g| g.raw());
                dialog.editing = Some(Input::new(now.to_owned()));
            }
            Intent::Join { group, .. } | Intent::Leave { group, .. } => {
                dialog.editing = Some(Input::new(group.raw().to_owned()));
            }
            Intent::LaunchJob(request) => {
                let group = request.targets.iter().find_map(|t| match t {
                    crate::response::JobTarget::Group(group) => Some(group.raw().to_owned()),
                    crate::response::JobTarget::Thing(_) => None,
                });
                let things = request.targets.iter().filter_map(|t| match t {
                    crate::response::JobTarget::Thing(thing) => Some(thing.clone()),
                    crate::response::JobTarget::Group(_) => None,
                });
                self.overlay = Some(Overlay::Job(Box::new(JobForm {
                    id: Input::new(request.id.clone()),
                    target: Input::new(group.unwrap_or_default()),
                    things: things.collect(),
                    continuous: request.continuous,
                    document: Input::new(request.document.clone()),
                    field: Field::Id,
                    trouble: None,
                })));
            }
            _ => self.say(SafeText::new("there is nothing to change in this plan"), Tone::Calm, env.now),
        }
    }

    /// Plan what would reach the device, where the plan in front would not.
    pub fn instead(&mut self, env: &Env<'_>) {
        let Some(Overlay::Plan(dialog)) = &self.overlay else { return };
        let PlanPhase::Ready(plan) = &dialog.phase else { return };
        let Some(intent) = plan.instead().cloned() else {
            return self.say(SafeText::new("this plan needs no other in its place"), Tone::Calm, env.now);
        };
        let whom = intent.things().first().map(|target| target.thing.shown().clone()).unwrap_or_default();
        let asked = SafeText::new(&format!("{} {whom}", intent.verb().words().lead));
        self.ask(env, asked, intent);
    }

    /// Plans again with the group that was typed.
    pub(super) fn submit_group(&mut self, env: &Env<'_>) {
        let Some(Overlay::Plan(dialog)) = &mut self.overlay else { return };
        let Some(typed) = dialog.editing.take() else { return };
        let typed = typed.value().trim();
        if typed.is_empty() {
            return;
        }
        let wanted = Name::new(typed);
        let mut intent = dialog.intent.clone();
        match &mut intent {
            Intent::Isolate { group, .. } | Intent::Release { group, .. } => *group = Some(wanted),
            Intent::Join { group, .. } | Intent::Leave { group, .. } => *group = wanted,
            _ => return,
        }
        let asked = dialog.asked.clone();
        self.ask(env, asked, intent);
    }

    /// Stop the response in front. What was sent stays sent, and stays in the journal.
    pub fn stop(&mut self, env: &Env<'_>) {
        let Some(Overlay::Action(id)) = &self.overlay else { return };
        let running = self.actions.iter().any(|a| a.id == *id && a.finished.is_none());
        if running {
            self.effects.push(Effect::Stop(id.clone()));
            let text = "stopping after the requests under way; what was done stays done";
            self.say(SafeText::new(text), Tone::Warn, env.now);
        } else {
            self.say(SafeText::new("it has ended"), Tone::Calm, env.now);
        }
    }
}
