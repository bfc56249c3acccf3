//! What colleagues who write the same journal do, told in a line as it happens: their responses change the rows of this
//! screen, and a word that changes by itself must say who changed it.

use quell_fleet::Ms;
use quell_fleet::event::{ResponseEvent, Stage};
use quell_fleet::text::SafeText;

use super::super::words;
use super::{App, Env, Tone};

/// What happened longer ago than this is no news: the rows and the journal have it.
const NEWS: Ms = 60_000;

impl App {
    /// Tells the steps of colleagues that were just heard of: the last of them, with all the things it is true of.
    pub(super) fn colleagues(&mut self, steps: &[ResponseEvent], env: &Env<'_>) {
        let recent = |step: &&ResponseEvent| step.by.is_some() && env.now - step.at < NEWS;
        let Some(last) = steps.iter().rfind(recent) else { return };
        let Some(who) = &last.by else { return };
        let same = |step: &&ResponseEvent| {
            recent(step) && step.by == last.by && step.plan == last.plan && kind(step) == kind(last)
        };
        let whom = match steps.iter().filter(same).count() {
            0 | 1 => last.thing.shown().to_string(),
            many => words::plural(many, "thing", "things"),
        };
        let (text, tone) = match &last.stage {
            Stage::Containing { .. } => (format!("{who} is containing {whom}"), Tone::Calm),
            Stage::Contained { .. } => (format!("{who} contained {whom}: proven"), Tone::Calm),
            Stage::Revoked => (format!("{who} revoked what {whom} connects with: proven silent"), Tone::Calm),
            Stage::Unproven { missing, .. } => {
                (format!("{who} isolated {whom}, not proven: {missing}"), Tone::Warn)
            }
            Stage::Failed { what, .. } => {
                (format!("what {who} began for {whom} does not hold: {what}"), Tone::Warn)
            }
            // It may speak again from the first answer on; that it does is not proven by that.
            Stage::Released => (format!("{who} lets {whom} go"), Tone::Calm),
        };
        self.say(SafeText::new(&text), tone, env.now);
    }
}

fn kind(step: &ResponseEvent) -> std::mem::Discriminant<Stage> {
    std::mem::discriminant(&step.stage)
}
