//! What to stream of an account too large to stream whole: what is acted on, marked, looked at or in alarm, in this order.
//! One connection of AWS's carries a hundred messages a second and fifty subscriptions; the rest would be discarded unseen.

use std::collections::HashSet;

use quell_fleet::model::Name;
use quell_fleet::{Ms, Word};

use super::super::dialogs::{Dialog, PlanPhase};
use super::{App, Effect, Env, View};

/// More is never asked for: sixteen connections carry eight hundred subscriptions.
const MOST: usize = 800;
/// How often it is looked what matters.
const LOOK: Ms = 500;
/// What goes on changing is followed no faster: AWS takes so many subscriptions a second of an account.
const WAIT: Ms = 2_000;

/// What was asked to be streamed of an account too large to stream whole.
#[derive(Debug, Default)]
pub(super) struct Streamed {
    /// The things; `None` for everything.
    only: Option<Vec<Name>>,
    asked: Ms,
    /// What mattered when it was last looked at: whoever scrolls past a device does not want it yet.
    seen: Option<Vec<Name>>,
    looked: Ms,
}

/// Names in the order they matter, each once.
#[derive(Default)]
struct Wanted {
    names: Vec<Name>,
    seen: HashSet<Name>,
}

impl Wanted {
    fn add<'a>(&mut self, names: impl IntoIterator<Item = &'a Name>) {
        for name in names {
            if self.names.len() < MOST && !self.seen.contains(name) {
                self.seen.insert(name.clone());
                self.names.push(name.clone());
            }
        }
    }
}

impl App {
    /// Says what is to be streamed whenever that is other than it was. Everything, until the account is known to be large.
    pub(super) fn stream_what_matters(&mut self, env: &Env<'_>) {
        let large = env.fleet.indexing().used().is_some();
        let Streamed { only, looked, .. } = &self.streamed;
        if self.replay || !large && only.is_none() || (0..LOOK).contains(&(env.now - looked)) {
            return;
        }
        let wanted = large.then(|| self.what_matters(env));
        let state = &mut self.streamed;
        state.looked = env.now;
        if wanted == state.only {
            return;
        }
        if wanted == state.seen || !(0..WAIT).contains(&(env.now - state.asked)) {
            state.asked = env.now;
            state.only.clone_from(&wanted);
            self.effects.push(Effect::ListenTo(wanted));
        } else {
            state.seen = wanted;
        }
    }

    fn what_matters(&self, env: &Env<'_>) -> Vec<Name> {
        let mut wanted = Wanted::default();
        // A proof of silence needs somebody who listens.
        for action in self.actions.iter().filter(|action| action.finished.is_none()) {
            wanted.add(action.targets.iter().map(|target| &target.name));
        }
        if let Some(Dialog::Plan(dialog)) = &self.dialog
            && let PlanPhase::Ready(plan) = &dialog.phase
        {
            wanted.add(plan.targets());
        }
        let name = |id| env.fleet.device(id).name();
        let mut marks: Vec<_> = self.marks.iter().copied().collect();
        marks.sort_unstable();
        wanted.add(marks.into_iter().map(name));
        if let View::Device(name) | View::Policy(name) = self.view()
            && env.fleet.find(name.raw()).is_some()
        {
            wanted.add([name]);
        }
        let in_sight: Vec<&Name> =
            self.devices_in_sight().filter(|id| !env.fleet.device(*id).is_unattributed()).map(name).collect();
        let here = matches!(self.view(), View::Overview);
        if here {
            wanted.add(self.device_at_cursor().map(name));
            wanted.add(in_sight.iter().copied());
        }
        // The worst first; what is isolated is listened to for leaks.
        let mut worst: Vec<(Word, &Name)> = env
            .fleet
            .devices()
            .filter(|(_, device)| device.word() < Word::Silent)
            .map(|(_, device)| (device.word(), device.name()))
            .collect();
        worst.sort_unstable();
        wanted.add(worst.into_iter().map(|(_, name)| name));
        if !here {
            // Whoever looks elsewhere for a moment finds no gap when back.
            wanted.add(in_sight.iter().copied());
        }
        wanted.names
    }
}
