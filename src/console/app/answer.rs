//! What the operator answers to a plan: carry it out, look closer, change it, stop it, or take it back.

use tui_input::Input;

use crate::fleet::model::Name;
use crate::response::{Intent, Target};
use crate::text::SafeText;

use super::dialogs::{EntryState, Field, JobForm, Overlay};
use super::list::{ListId, ListState};
use super::{App, Effect, Env, JournalLine, PlanPhase, Tone};

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

    /// The journal's entry under the cursor.
    fn entry_here(&self) -> Option<&JournalLine> {
        if let Some(Overlay::Entry(entry)) = &self.overlay {
            return Some(&entry.line);
        }
        let Some(Ok(lines)) = &self.journal else { return None };
        let at = self.list(ListId::Journal).cursor().unwrap_or(0);
        lines.get(usize::try_from(at).ok()?)
    }

    /// Open the journal's entry under the cursor.
    pub(super) fn open_entry(&mut self) {
        if let Some(line) = self.entry_here().cloned() {
            self.overlay = Some(Overlay::Entry(Box::new(EntryState { line, scroll: ListState::default() })));
        }
    }

    /// Plan what takes the entry under the cursor back. The plan reads the account as it is now, not as it was then.
    pub fn undo(&mut self, env: &Env<'_>) {
        let Some(line) = self.entry_here().cloned() else {
            return self.say(SafeText::new("no entry under the cursor"), Tone::Warn, env.now);
        };
        if !line.was_sent() {
            let text = "nothing was sent then: there is nothing to take back";
            return self.say(SafeText::new(text), Tone::Calm, env.now);
        }
        match reverse(&line, env) {
            Ok((verb, intent)) => {
                let asked = SafeText::new(&format!("{verb} {}", line.target));
                self.ask(env, asked, intent);
            }
            Err(why) => self.say(SafeText::new(why), Tone::Warn, env.now),
        }
    }
}

impl JournalLine {
    /// False when the gate refused it or it failed before anything was accepted.
    fn was_sent(&self) -> bool {
        !["refused", "failed"].iter().any(|word| self.outcome.as_str().starts_with(word))
    }
}

/// What takes an entry back, as a verb and an intent.
fn reverse(line: &JournalLine, env: &Env<'_>) -> Result<(&'static str, Intent), &'static str> {
    let things: Vec<Target> = line
        .targets
        .iter()
        .map(|name| match env.fleet.find(name.raw()) {
            Some(id) => Target::seen(env.fleet, env.fleet.device(id)),
            None => Target::named(name.clone()),
        })
        .collect();
    let (group, certificate) = (line.group.clone(), line.certificate.clone());
    match (line.verb.as_str(), group) {
        ("isolate", group) => Ok(("Release", Intent::Release { things, group })),
        ("release", group) => Ok(("Isolate", Intent::Isolate { things, group })),
        ("deactivate", _) => Ok(("Activate the certificate of", Intent::Activate { things, certificate })),
        ("activate", _) => Ok(("Deactivate the certificate of", Intent::Deactivate { things, certificate })),
        ("join", Some(group)) => Ok(("Take out of the group", Intent::Leave { things, group })),
        ("leave", Some(group)) => Ok(("Put into the group", Intent::Join { things, group })),
        ("revoke", _) => Err("REVOKED is final: the device needs a new certificate"),
        ("job create", _) => match line.targets.first() {
            Some(job) => Ok(("Cancel job", Intent::CancelJob { job: job.clone(), force: false })),
            None => Err("the journal does not name the job"),
        },
        ("job cancel", _) => Err("a cancelled job stays cancelled; launch it again under another id"),
        _ => Err("this cannot be taken back from here"),
    }
}
