//! What the responder answers: plans, how far a response is, how it ended, and what is to be read again then.

use crate::config::Verb;
use crate::response::{ActionView, Answer};
use quell_fleet::text::SafeText;
use quell_fleet::{Ms, SourceId};

use super::{App, Effect, Env, Overlay, PlanPhase, Tone, View, state};

impl App {
    /// Takes an answer of the responder in; one of an older generation is dropped.
    pub(super) fn answer(&mut self, answer: Answer, env: &Env<'_>) {
        match answer {
            Answer::Plan { generation, result } => {
                if let Some(Overlay::Plan(dialog)) = &mut self.overlay
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
                if !self.is_responding() && matches!(self.overlay, Some(Overlay::Leaving)) {
                    // There is nothing left to leave.
                    self.overlay = None;
                }
                self.reread();
                self.effects.push(Effect::ReadJournal);
                let changed = verb.map_or(&[][..], |verb| verb.words().changes);
                if !changed.is_empty() {
                    self.effects.push(Effect::ReadSoon(changed.to_vec()));
                }
                if matches!(verb, Some(Verb::Setup | Verb::Undo | Verb::Finish)) {
                    self.outdate_diagnosis(env);
                }
            }
            Answer::Unwritten { plan, why } => {
                // Said when the response has ended, which it does at once: that would take its place.
                self.unwritten = Some((plan, why));
            }
            Answer::Recovered { plans } => self.recovered(plans, env),
            Answer::Refused { plan, reason } => {
                self.unanswered.retain(|id| *id != plan);
                self.say(SafeText::new(&format!("refused: {reason}")), Tone::Warn, env.now);
                if matches!(self.overlay, Some(Overlay::Action(_))) {
                    self.overlay = None;
                }
            }
        }
    }

    /// What a view shows was just changed: it is read again, not waited for.
    fn reread(&mut self) {
        let sources = match self.view() {
            View::Rules => {
                let metrics = self.watched_rule.clone().map(SourceId::RuleMetrics);
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
