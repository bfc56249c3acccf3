//! A plan's way once it is there: what the operator answers to it — carry it out, look closer, change it, stop it — and what
//! the responder answers: how far a response is, how it ended, and what is to be read again then.

use tui_input::Input;

use crate::config::Verb;
use crate::response::{ActionView, Answer, DetectChange, Intent};
use quell_fleet::text::SafeText;
use quell_fleet::{Ms, SourceId};

use super::super::dialogs::{ActionDialog, Dialog, JobForm, PlanPhase};
use super::{App, Effect, Env, Tone, View, state};

/// Confirmed plans whose verb is remembered.
const CONFIRMED: usize = 64;

impl App {
    /// Confirm the plan in front; on the staircase, put it away: it goes on behind.
    pub(crate) fn confirm(&mut self, env: &Env<'_>) {
        let Some(Dialog::Plan(dialog)) = &mut self.dialog else {
            if matches!(self.dialog, Some(Dialog::Action(_))) {
                self.dialog = None;
            }
            return;
        };
        let typed = dialog.typed();
        let plan = match &dialog.phase {
            PlanPhase::Computing => return,
            PlanPhase::Failed(_) => {
                self.dialog = None;
                return;
            }
            PlanPhase::Ready(plan) if dialog.refused(plan).is_some() => {
                let why = dialog.refused(plan).unwrap_or_default().to_owned();
                return self.say(SafeText::new(&why), Tone::Brief, env.now);
            }
            PlanPhase::Ready(plan) if !plan.confirmation().accepts(typed.as_deref()) => {
                dialog.refuse();
                let text = "that is not what was asked for: nothing was sent";
                return self.say(SafeText::new(text), Tone::Warn, env.now);
            }
            PlanPhase::Ready(plan) => plan.clone(),
        };
        self.dialog = Some(Dialog::Action(ActionDialog { plan: plan.id().clone() }));
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
        self.effects.push(Effect::Confirm { plan, typed });
    }

    /// Show or hide the plan's requests.
    pub(crate) fn api_calls(&mut self, _: &Env<'_>) {
        if let Some(Dialog::Plan(dialog)) = &mut self.dialog {
            dialog.show_calls();
        }
    }

    /// Show the next page of the plan: its steps, all names, its requests.
    pub(crate) fn plan_page(&mut self, _: &Env<'_>) {
        if let Some(Dialog::Plan(dialog)) = &mut self.dialog {
            dialog.turn_page();
        }
    }

    /// Change what the plan in front acts with: its thing group, or its job. Nothing else of it can be changed.
    pub(crate) fn edit(&mut self, env: &Env<'_>) {
        let Some(Dialog::Plan(dialog)) = &mut self.dialog else { return };
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
                let form = JobForm::of(request);
                self.dialog = Some(Dialog::Job(Box::new(form)));
            }
            _ => self.say(SafeText::new("there is nothing to change in this plan"), Tone::Calm, env.now),
        }
    }

    /// Plan what would reach the device, where the plan in front would not.
    pub(crate) fn instead(&mut self, env: &Env<'_>) {
        let Some(Dialog::Plan(dialog)) = &self.dialog else { return };
        let PlanPhase::Ready(plan) = &dialog.phase else { return };
        let Some(intent) = plan.instead().cloned() else {
            return self.say(SafeText::new("this plan needs no other in its place"), Tone::Calm, env.now);
        };
        self.ask_instead(env, intent);
    }

    /// Plan to cut one session only, where the plan in front would isolate an identity that several use.
    pub(crate) fn cut_one(&mut self, env: &Env<'_>) {
        let Some(Dialog::Plan(dialog)) = &self.dialog else { return };
        let PlanPhase::Ready(plan) = &dialog.phase else { return };
        let Some(intent) = plan.cut_one().cloned() else {
            return self.say(
                SafeText::new("there is no session to choose in this plan"),
                Tone::Calm,
                env.now,
            );
        };
        self.ask_instead(env, intent);
    }

    fn ask_instead(&mut self, env: &Env<'_>, intent: Intent) {
        let whom = intent.things().first().map(|target| target.thing.shown().clone()).unwrap_or_default();
        let asked = SafeText::new(&format!("{} {whom}", intent.verb().words().lead));
        self.ask(env, asked, intent);
    }

    /// Stop the response in front. What was sent stays sent, and stays in the journal.
    pub(crate) fn stop(&mut self, env: &Env<'_>) {
        let Some(Dialog::Action(ActionDialog { plan: id })) = &self.dialog else { return };
        let running = self.actions.iter().any(|a| a.id == *id && a.finished.is_none());
        if running {
            self.effects.push(Effect::Stop(id.clone()));
            let text = "stopping after the requests under way; what was done stays done";
            self.say(SafeText::new(text), Tone::Warn, env.now);
        } else {
            self.say(SafeText::new("it has ended"), Tone::Calm, env.now);
        }
    }

    /// Takes an answer of the responder in; one of an older generation is dropped.
    pub(super) fn answer(&mut self, answer: Answer, env: &Env<'_>) {
        match answer {
            Answer::Plan { generation, result } => {
                if let Some(Dialog::Plan(dialog)) = &mut self.dialog
                    && dialog.generation == generation
                {
                    dialog.phase = match result {
                        Ok(plan) => PlanPhase::Ready(plan),
                        Err(trouble) => PlanPhase::Failed(trouble),
                    };
                }
            }
            Answer::Progress(view) => {
                self.keep_action(view);
                self.look_at_tasks(env);
            }
            Answer::Done(view) => {
                let verb = self.verb_of(&view.id);
                let (text, tone) = state::outcome_line(&view, verb, env.now, &self.look);
                self.say(text, tone, env.now);
                if let Some((_, why)) = self.unwritten.take_if(|(plan, _)| *plan == view.id) {
                    self.say(SafeText::new(&format!("{}: {why}", view.title)), Tone::Warn, env.now);
                }
                self.keep_action(view);
                if !self.is_responding() && matches!(self.dialog, Some(Dialog::Leaving(_))) {
                    // There is nothing left to leave.
                    self.dialog = None;
                }
                self.reread(env);
                self.effects.push(Effect::ReadJournal);
                let changed = verb.map_or(&[][..], |verb| verb.words().changes);
                if !changed.is_empty() {
                    self.effects.push(Effect::ReadSoon(changed.to_vec()));
                }
                if matches!(verb, Some(Verb::Setup | Verb::Undo | Verb::Finish)) {
                    self.outdate_diagnosis(env);
                }
            }
            Answer::Swept(view) => {
                // The proof keeps the status line: what was left behind stands under the staircase.
                self.keep_action(view);
                self.effects.push(Effect::ReadJournal);
            }
            Answer::Unwritten { plan, why } => {
                // Said when the response has ended, which it does at once: that would take its place.
                self.unwritten = Some((plan, why));
            }
            Answer::Recovered { plans } => self.recovered(plans, env),
            Answer::Refused { plan, reason } => {
                self.unanswered.retain(|id| *id != plan);
                self.say(SafeText::new(&format!("refused: {reason}")), Tone::Warn, env.now);
                if matches!(self.dialog, Some(Dialog::Action(_))) {
                    self.dialog = None;
                }
            }
        }
    }

    /// What a view shows was just changed: it is read again, not waited for.
    fn reread(&mut self, env: &Env<'_>) {
        let sources = match self.view() {
            View::Rules => {
                let metrics = self.rule_here(env).map(|rule| SourceId::RuleMetrics(rule.name.clone()));
                std::iter::once(SourceId::Rules).chain(metrics).collect()
            }
            View::Audit => vec![SourceId::Findings, SourceId::AuditSetup, SourceId::AuditTasks],
            _ => return,
        };
        self.effects.push(Effect::ReadSoon(sources));
    }

    /// A task of AWS's was begun here: the view finds it without waiting for its next poll.
    fn look_at_tasks(&mut self, env: &Env<'_>) {
        const BETWEEN: Ms = 1_500;
        let busy = env.fleet.audit_tasks().get().is_some_and(quell_fleet::audit::AuditTasks::busy);
        if *self.view() == View::Audit && !busy && env.now - self.asked_tasks > BETWEEN {
            self.asked_tasks = env.now;
            self.effects.push(Effect::ReadSoon(vec![SourceId::AuditTasks]));
        }
    }

    fn keep_action(&mut self, view: ActionView) {
        self.unanswered.retain(|id| *id != view.id);
        match self.actions.iter_mut().find(|a| a.id == view.id) {
            Some(known) => *known = view,
            None => {
                if self.actions.len() >= 32 {
                    self.actions.remove(0);
                }
                self.actions.push(view);
            }
        }
    }
}
