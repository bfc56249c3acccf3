//! What the operator answers to a plan: carry it out, look closer, change it, or stop it again.

use crate::text::SafeText;

use super::dialogs::Overlay;
use super::{App, Effect, Env, PlanPhase, Tone};

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
}
