//! A session: the fleet as events make it, and the wiring that carries effects out.

use std::io;
use std::time::{Duration, Instant};

use quell_fleet::event::{Event, ResponseEvent};
use quell_fleet::text::SafeText;
use quell_fleet::{Changes, Fleet, Ms};

use super::super::app::{Effect, Msg, Tone};
use super::{Inputs, News, Outside, Word, World, files, now};
use crate::response::{Answer, Stop};

/// Folding stops after this long and looks at the keyboard: a burst never delays a key by more.
const SLICE: Duration = Duration::from_millis(4);
/// Time passes on the screen in seconds.
const TICK: Duration = Duration::from_secs(1);

/// So long is waited for responses that are left: shorter than whoever sent the signal waits before the process is killed.
const LEAVE: Duration = Duration::from_millis(1_600);

/// A session.
pub(super) struct Session<O> {
    fleet: Fleet,
    inputs: Inputs,
    outside: O,
}

impl<O: Outside> Session<O> {
    pub(super) fn new(fleet: Fleet, inputs: Inputs, outside: O) -> Self {
        Self { fleet, inputs, outside }
    }

    /// Folds what has come, for at most [`SLICE`]; the steps of colleagues' responses among it are given as well.
    fn fold(&mut self, first: Event) -> (Changes, Vec<ResponseEvent>) {
        let began = Instant::now();
        let at = now();
        let mut changes = Changes::NONE;
        let mut colleagues = Vec::new();
        let mut next = Some(first);
        while let Some(event) = next {
            if let Some(listener) = self.outside.listener() {
                listener.observe(&event);
            }
            if let Some(recorder) = self.outside.recorder() {
                recorder.event(&event, at);
            }
            if let Event::Response(step) = &event
                && step.by.is_some()
            {
                colleagues.push(step.clone());
            }
            changes |= self.fleet.apply(event, at);
            if let Some(listener) = self.outside.listener() {
                listener.heed(&self.fleet, at);
            }
            if began.elapsed() >= SLICE {
                break;
            }
            next = self.inputs.events.try_recv().ok();
        }
        for source in self.fleet.take_wanted() {
            self.outside.read_soon(source);
        }
        (changes, colleagues)
    }

    fn heard(&mut self, word: Word) -> Vec<Msg> {
        match word {
            Word::Tell(msg) => vec![msg],
            Word::Settled => {
                self.outside.settle();
                Vec::new()
            }
            Word::Config(Ok(settings)) => match self.outside.reconfigure(*settings) {
                Ok(new) => {
                    let at = now();
                    if let Some(recorder) = self.outside.recorder() {
                        recorder.limits(&new.limits, at);
                    }
                    let changes = self.fleet.relimit(&new.limits, at);
                    vec![Msg::Configured(Box::new(new.look), new.text), Msg::Fleet(changes)]
                }
                Err(why) => vec![Msg::Say(why, Tone::Warn)],
            },
            Word::Config(Err(why)) => vec![Msg::Say(why, Tone::Warn)],
        }
    }
}

impl<O: Outside> World for Session<O> {
    fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    fn now(&self) -> Ms {
        now()
    }

    fn pace(&self) -> Duration {
        TICK
    }

    async fn news(&mut self) -> News {
        tokio::select! {
            biased;
            Some(word) = self.inputs.words.recv() => {
                News { msgs: self.heard(word), seen: true, soon: false }
            }
            Some(answer) = self.inputs.answers.recv() => {
                News { msgs: vec![Msg::Answer(answer)], seen: true, soon: true }
            }
            Some(event) = self.inputs.events.recv() => {
                let (changes, colleagues) = self.fold(event);
                let mut msgs = vec![Msg::Fleet(changes)];
                if !colleagues.is_empty() {
                    msgs.push(Msg::Colleagues(colleagues));
                }
                News { msgs, seen: !changes.is_empty(), soon: changes.is_news() }
            }
            else => std::future::pending().await,
        }
    }

    fn tick(&mut self) -> io::Result<Vec<Msg>> {
        let at = now();
        if let Some(recorder) = self.outside.recorder() {
            recorder.tick(at);
        }
        Ok(vec![Msg::Fleet(self.fleet.tick(at))])
    }

    async fn leave(&mut self, mut running: usize, why: Stop) {
        self.outside.stop_all(why);
        let ended = async {
            while running > 0 {
                match self.inputs.answers.recv().await {
                    Some(Answer::Done(_) | Answer::Refused { .. }) => running -= 1,
                    Some(_) => {}
                    None => return,
                }
            }
        };
        let _ = tokio::time::timeout(LEAVE, ended).await;
    }

    fn carry_out(&mut self, effect: Effect) -> io::Result<Vec<Msg>> {
        let outside = &mut self.outside;
        let told = match effect {
            Effect::Plan { generation, intent } => {
                outside.plan(generation, intent).err().map(|why| Msg::NoPlan { generation, why })
            }
            Effect::Confirm { plan, typed } => {
                let id = plan.id().clone();
                outside.confirm(*plan, typed).err().map(|why| Msg::NotSent { plan: id, why })
            }
            Effect::Stop(plan) => {
                outside.stop(&plan);
                None
            }
            Effect::Watch(sources) => {
                outside.watch(sources);
                None
            }
            Effect::ListenTo(things) => {
                outside.listen_to(things);
                None
            }
            Effect::ReadSoon(sources) => {
                sources.into_iter().for_each(|source| outside.read_soon(source));
                None
            }
            Effect::ReadJournal => {
                outside.read_journal();
                None
            }
            Effect::ReadProfiles => {
                outside.read_profiles();
                None
            }
            Effect::Switch(to) => Some(match outside.switch(&to) {
                Ok(()) => {
                    let text = format!("going to {} {} …", to.word(), to.name().shown());
                    Msg::Say(SafeText::new(&text), Tone::Calm)
                }
                Err(why) => Msg::Say(why, Tone::Warn),
            }),
            Effect::Arrive(text) => outside.arrive().map(|there| {
                self.fleet = there.fleet;
                self.inputs.events = there.events;
                self.inputs.answers = there.answers;
                Msg::Arrived(text)
            }),
            Effect::Stay => {
                outside.stay();
                None
            }
            Effect::Examine => outside.examine().err().map(|why| Msg::Examined(Err(why))),
            Effect::Record => Some(Msg::Recorded(outside.record(&self.fleet, now()))),
            Effect::Note { things, text, arn } => {
                outside.note(things, text, arn);
                None
            }
            Effect::ReadPolicy { thing, path } => {
                let read = files::read(&path);
                Some(Msg::PolicyRead { thing, path, read })
            }
            Effect::ImportProfile { path, name } => {
                let read = files::read(&path);
                Some(Msg::Imported { path, name, read })
            }
            Effect::ExportProfile { path, text } => {
                let written = files::write_new(&path, &text);
                Some(Msg::Exported { path, written })
            }
            // A session has nothing to rewind.
            Effect::Replay(_) => None,
            // The screen's own, done before they come here.
            Effect::Quit | Effect::Suspend | Effect::Redraw | Effect::Copy(_) | Effect::Notify(_) => None,
        };
        Ok(told.into_iter().collect())
    }
}
