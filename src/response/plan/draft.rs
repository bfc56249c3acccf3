//! A plan while it is computed: what each kind of plan writes into, and the words they share.

use crate::response::Rules;
use quell_fleet::Ms;
use quell_fleet::format::{few, seconds};
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::facts::ThingFacts;
use super::request::Work;
use super::{Check, Intent, Level, Note, Reversible, Target};

/// Collects a plan while it is computed.
pub(super) struct Draft<'a> {
    pub(super) rules: &'a Rules,
    pub(super) now: Ms,
    pub(super) work: Vec<Work>,
    pub(super) notes: Vec<Note>,
    pub(super) proofs: Vec<SafeText>,
    pub(super) checks: Vec<(&'static str, Check)>,
    pub(super) nothing: Option<SafeText>,
    pub(super) refused: Option<SafeText>,
    pub(super) type_name: Option<(SafeText, Option<SafeText>)>,
    pub(super) instead: Option<Intent>,
    pub(super) cut: Option<Intent>,
    pub(super) reversible: Reversible,
}

impl Draft<'_> {
    pub(super) fn note(&mut self, level: Level, text: impl AsRef<str>) {
        self.take(Note { level, about: None, text: SafeText::new(text.as_ref()) });
    }

    /// What is said of one thing: a sentence that begins with its name.
    pub(super) fn note_of(&mut self, level: Level, thing: &Name, rest: impl AsRef<str>) {
        let text = SafeText::new(&format!("{} {}", thing.shown(), rest.as_ref()));
        self.take(Note { level, about: Some(thing.shown().clone()), text });
    }

    fn take(&mut self, note: Note) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// A reason not to run at all; the first one stays.
    pub(super) fn refuse(&mut self, text: impl AsRef<str>) {
        self.refused.get_or_insert_with(|| SafeText::new(text.as_ref()));
    }

    pub(super) fn prove(&mut self, text: impl AsRef<str>) {
        self.proofs.push(SafeText::new(text.as_ref()));
    }

    /// The silence a device has to keep, in the words of the plan.
    pub(super) fn prove_silence(&mut self, things: &[ThingFacts]) {
        let text = match things {
            [one] => {
                let window = self.rules.silence(one.target.cadence);
                format!(
                    "no message from this device for {}{}",
                    seconds(window),
                    self.habits(&one.target).map(|h| format!(" ({h})")).unwrap_or_default()
                )
            }
            many => {
                let longest =
                    many.iter().map(|t| self.rules.silence(t.target.cadence)).max().unwrap_or_default();
                format!(
                    "from each device no message for three times its usual interval (at most {})",
                    seconds(longest)
                )
            }
        };
        self.prove(text);
        self.unheard(things);
    }

    /// Says beforehand whose silence proves nothing, because it could not be heard to be broken.
    fn unheard(&mut self, things: &[ThingFacts]) {
        let mut told: Vec<(&SafeText, Vec<&Name>)> = Vec::new();
        for target in things.iter().map(|thing| &thing.target) {
            let Some(why) = &target.unheard else { continue };
            match told.iter_mut().find(|(known, _)| *known == why) {
                Some((_, names)) => names.push(&target.thing),
                None => told.push((why, vec![&target.thing])),
            }
        }
        for (why, names) in told {
            let text = format!(
                "{why}: the silence of {} proves nothing meanwhile; only AWS's word that no client is connected counts",
                listed(&names)
            );
            self.note(Level::Warn, text);
        }
    }

    /// What follows a containment, in the words of the plan.
    pub(super) fn sweep(&mut self) {
        self.prove(
            "then looked for: what it left behind (retained messages, sessions, keys, jobs); its clients are asked by a direct message",
        );
    }

    /// Says under which client ids the devices are cut and watched, where that is not plainly the thing's name.
    pub(super) fn clients(&mut self, things: &[ThingFacts]) {
        let registered = || things.iter().filter(|thing| thing.registered);
        let unseen: Vec<&Name> =
            registered().filter(|t| t.seen().next().is_none()).map(|t| &t.target.thing).collect();
        if let [one] = unseen.as_slice() {
            let name = one.raw();
            self.note(
                Level::Warn,
                format!("the client id of {name} was never seen: asked for under the thing's name, which it may not use"),
            );
        } else if !unseen.is_empty() {
            self.note(
                Level::Warn,
                format!(
                    "client ids never seen, asked for under the thing's name, which it may not use: {}",
                    listed(&unseen)
                ),
            );
        }
        for thing in registered() {
            let others: Vec<&Name> =
                thing.seen().map(|c| &c.id).filter(|id| **id != thing.target.thing).collect();
            if !others.is_empty() {
                let name = thing.target.thing.raw();
                self.note(
                    Level::Info,
                    format!("client ids seen with a principal of {name}: {}", listed(&others)),
                );
            }
        }
    }

    /// True when it was heard so lately that it must have a connection.
    pub(super) fn lively(&self, target: &Target) -> bool {
        target.last_heard.is_some_and(|at| self.now - at <= self.rules.silence(target.cadence))
    }

    fn habits(&self, target: &Target) -> Option<String> {
        let mut said = Vec::new();
        if let Some(at) = target.last_heard {
            said.push(format!("last heard {} ago", seconds((self.now - at).max(0))));
        }
        if let Some(cadence) = target.cadence {
            said.push(format!("usually every {}", seconds(cadence)));
        }
        if said.is_empty() { None } else { Some(said.join(", ")) }
    }
}

/// Names in a sentence: all of a few, the first of many.
pub(super) fn listed(names: &[&Name]) -> String {
    few(names, |name| name.raw().to_owned())
}
