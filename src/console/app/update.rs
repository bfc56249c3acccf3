//! The reducer: a message in, what is to be done outside out. Nothing else changes the console's state, and drawing changes
//! nothing.

use std::path::PathBuf;

use crossterm::event::KeyEvent;

use crate::response::{Answer, PlanId};
use quell_fleet::event::ResponseEvent;
use quell_fleet::known::Trouble;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;
use quell_fleet::{Changes, Word};

use super::super::command::{self, CommandId};
use super::super::dialogs::{Dialog, PlanPhase};
use super::super::theme::{Ground, NAMES};
use super::super::views::{self, Place};
use super::doctor::Diagnosis;
use super::mouse::Mouse;
use super::{App, DoctorLine, Effect, Env, JournalLine, Key, ListId, Look, Tone, View};

/// What the console is told.
#[derive(Debug)]
pub enum Msg {
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// A line was typed where there is no screen: a command, with what it takes.
    Line(String),
    /// The mouse was used.
    Mouse(Mouse),
    /// A command was picked without its key.
    Run(CommandId),
    /// The screen has so many columns and rows.
    Resize(u16, u16),
    /// What the terminal writes on.
    Ground(Ground),
    /// A frame is about to be drawn: what it shows is settled now.
    Frame,
    /// The fleet changed, or only time passed.
    Fleet(Changes),
    /// Colleagues who write the same journal came along with responses of theirs.
    Colleagues(Vec<ResponseEvent>),
    /// What was shown begins anew from another time: a recording was wound back.
    Rewound,
    /// The responder answers.
    Answer(Answer),
    /// A plan cannot even be asked for: there is no connection to AWS yet, or none at all.
    NoPlan {
        /// The question.
        generation: u64,
        /// Why.
        why: SafeText,
    },
    /// A confirmed plan could not even be handed over.
    NotSent {
        /// The plan.
        plan: PlanId,
        /// Why.
        why: SafeText,
    },
    /// What stands in the way of reading anything; `None` when that is over.
    CannotConnect(Option<Trouble>),
    /// The journal was read, or could not be.
    Journal(Result<Vec<JournalLine>, SafeText>),
    /// The account was looked at, or could not be.
    Examined(Result<Vec<DoctorLine>, SafeText>),
    /// The names of the profiles.
    Profiles(Vec<Name>),
    /// Another profile or region is open, or why not.
    Moved(Result<SafeText, SafeText>),
    /// The other profile or region is what is looked at now; a sentence.
    Arrived(SafeText),
    /// Another configuration: how it looks, and a sentence.
    Configured(Box<Look>, SafeText),
    /// A recording began (true) or ended, with a sentence; or why neither.
    Recorded(Result<(bool, SafeText), SafeText>),
    /// What the badge says of a recording that is played.
    Badge(SafeText),
    /// A file was read for the form of a security profile.
    Imported {
        /// The file.
        path: PathBuf,
        /// Which profile, when the file has several; else empty.
        name: String,
        /// What it holds, or why not.
        read: Result<String, String>,
    },
    /// A file was read for the trial of a policy.
    PolicyRead {
        /// The device whose trial it is.
        thing: Name,
        /// The file.
        path: PathBuf,
        /// What it holds, or why not.
        read: Result<String, String>,
    },
    /// A file was written, or could not be.
    Exported {
        /// The file.
        path: PathBuf,
        /// Why not.
        written: Result<(), String>,
    },
    /// How to reach the local cloud that is looked at with the AWS CLI.
    Reach(SafeText),
    /// A line for the operator.
    Say(SafeText, Tone),
}

impl App {
    /// Takes a message in; what is to be done outside, in this order. A key acts on what the last frame showed; what its
    /// answer needs to be read is asked for at once.
    pub fn update(&mut self, msg: Msg, env: &Env<'_>) -> Vec<Effect> {
        let settles = matches!(
            msg,
            Msg::Key(_)
                | Msg::Paste(_)
                | Msg::Line(_)
                | Msg::Mouse(_)
                | Msg::Run(_)
                | Msg::Resize(..)
                | Msg::Frame
                | Msg::Arrived(_)
        );
        self.take(msg, env);
        if settles {
            self.settle(env);
            self.lay_out(env);
            self.inspect(env);
            self.ask_for_what_is_seen(env);
        }
        std::mem::take(&mut self.effects)
    }

    fn take(&mut self, msg: Msg, env: &Env<'_>) {
        match msg {
            Msg::Key(event) => self.key(event, env),
            Msg::Paste(text) => self.paste(&text, env),
            Msg::Line(line) => self.line(&line, env),
            Msg::Mouse(mouse) => self.mouse(mouse, env),
            Msg::Run(id) => self.run(id, env),
            Msg::Resize(columns, rows) => self.size = (columns, rows),
            Msg::Frame => {}
            Msg::Fleet(changes) => self.note(changes, env),
            Msg::Colleagues(steps) => self.colleagues(&steps, env),
            Msg::Rewound => {
                // Devices may have other numbers there, or not be known yet.
                self.epoch += 1;
                self.marks.clear();
                self.range = None;
                self.rows = super::DeviceRows::sorted(self.rows.sort());
                self.leaks.clear();
            }
            Msg::Answer(answer) => self.answer(answer, env),
            Msg::NoPlan { generation, why } => self.no_plan(generation, why, env.now),
            Msg::NotSent { plan, why } => {
                self.unanswered.retain(|id| *id != plan);
                self.say(why, Tone::Warn, env.now);
            }
            Msg::CannotConnect(trouble) => self.connecting(trouble, env),
            Msg::Journal(lines) => self.journal = Some(lines),
            Msg::Examined(found) => self.examined(found),
            Msg::Profiles(names) => self.set_profiles(names, env),
            Msg::Moved(Ok(_)) if self.is_responding() => {
                self.effects.push(Effect::Stay);
                let text = "stayed here: a response is running, and it would be cut off; A shows it";
                self.say(SafeText::new(text), Tone::Warn, env.now);
            }
            Msg::Moved(Ok(to)) => self.effects.push(Effect::Arrive(to)),
            Msg::Moved(Err(why)) => self.say(why, Tone::Warn, env.now),
            Msg::Arrived(text) => {
                self.begin_anew();
                self.recording = false;
                self.say(text, Tone::Calm, env.now);
            }
            Msg::Ground(ground) => {
                self.ground = Some(ground);
                self.stand_on_ground();
            }
            Msg::Configured(look, text) => {
                self.look = *look;
                self.stand_on_ground();
                self.say(text, Tone::Calm, env.now);
            }
            Msg::Recorded(Ok((recording, text))) => {
                self.recording = recording;
                self.say(text, Tone::Calm, env.now);
            }
            Msg::Recorded(Err(why)) => self.say(why, Tone::Warn, env.now),
            Msg::Badge(badge) => self.look.badge = Some(badge),
            Msg::Imported { path, name, read } => self.imported(&path, &name, read, env),
            Msg::Exported { path, written } => self.exported(&path, written, env),
            Msg::PolicyRead { thing, path, read } => self.policy_read(thing, &path, read, env),
            Msg::Reach(command) => {
                let key = self.key_for("link").map(|key| format!("{key} shows how")).unwrap_or_default();
                let text = format!("the AWS CLI can reach this cloud too: {key}");
                self.say(SafeText::new(&text), Tone::Calm, env.now);
                self.reach = Some(command);
            }
            Msg::Say(text, tone) => self.say(text, tone, env.now),
        }
    }

    /// There is a connection now, or why there is none yet.
    fn connecting(&mut self, trouble: Option<Trouble>, env: &Env<'_>) {
        self.startup = trouble;
        // What could not be looked at was asked for before there was anybody to ask.
        if self.startup.is_none() && matches!(self.diagnosis, Diagnosis::Failed(_)) {
            self.outdate_diagnosis(env);
        }
    }

    /// Which themes there are: one is chosen by its name.
    pub(in crate::console) fn theme(&mut self, env: &Env<'_>) {
        let text = format!("theme takes one of {}", NAMES.join(", "));
        self.say(SafeText::new(&text), Tone::Calm, env.now);
    }

    /// Whether the terminal has said what it writes on.
    pub(in crate::console) fn knows_ground(&self) -> bool {
        self.ground.is_some()
    }

    pub(super) fn stand_on_ground(&mut self) {
        if let Some(ground) = self.ground.filter(|_| self.look.theme.follows_ground()) {
            self.look.theme = self.look.theme.on(ground);
        }
    }

    /// Runs a command.
    pub(super) fn run(&mut self, id: CommandId, env: &Env<'_>) {
        // Several keys may come before a frame: what they act on is settled before each.
        self.rest_cursor(env);
        (command::get(id).run)(self, env);
    }

    /// Keeps true what follows from the fleet, the time and the cursor.
    fn settle(&mut self, env: &Env<'_>) {
        let filter = self.filters.get(&ListId::Devices);
        // A filter just typed takes the cursor along: what it hides must not be acted on.
        let refiltered = self.rows.is_outdated();
        let held = self.order_is_held(env.now);
        self.rows.refresh(env, filter, &self.marks, held);
        if *self.view() == View::Grid {
            self.rows.refresh_names(env);
        }
        let list = &mut self.lists[ListId::Devices as usize];
        let lost = |key: Option<Key>| key.is_none_or(|key| refiltered && !self.rows.keys().contains(&key));
        // Until somebody presses a key the worst is in sight and under the cursor, also when it comes last.
        if (!self.touched || lost(list.cursor()))
            && let Some(first) = self.rows.keys().first()
        {
            list.set(Some(*first));
        }
        self.search_stream(env);
        self.rest_cursor(env);
        self.follow(env);
        if let Some(dialog) = &mut self.dialog {
            dialog.component_mut().settle(env);
        }
        self.refresh_what_if(env);
        self.refresh_trial(env);
        self.leaks.retain(|(name, _)| {
            env.fleet.find(name.raw()).is_some_and(|id| env.fleet.device(id).word() == Word::Leaking)
        });
        if let Some((_, tone, at)) = &self.status {
            let stays = match tone {
                Tone::Warn => 15_000,
                Tone::Calm => 6_000,
                Tone::Brief => 2_000,
            };
            if env.now - at > stays {
                self.status = None;
            }
        }
    }

    /// Asks for what the cursor is on and what is in sight needs to be read or heard.
    fn ask_for_what_is_seen(&mut self, env: &Env<'_>) {
        self.watch(env);
        if self.look.aws {
            self.stream_what_matters(env);
            self.search_index(env);
        }
    }

    /// Lays out what is in sight, from the size of the screen and what is looked at.
    fn lay_out(&mut self, env: &Env<'_>) {
        for place in views::places(self, env, self.size) {
            match place {
                Place::List(ListId::Stream, page) => self.lay_out_stream(env, page),
                Place::List(list, page) => {
                    let keys = self.keys(list, env);
                    self.list_mut(list).lay_out(&keys, page);
                }
                Place::Text { lines, page } => self.list_mut(ListId::Text).lay_out_text(lines, page),
                Place::Dialog { lines, page } => {
                    if let Some(scroll) =
                        self.dialog.as_mut().and_then(|dialog| dialog.component_mut().scroll())
                    {
                        scroll.lay_out_text(lines, page);
                    }
                }
            }
        }
    }

    /// A list that is looked at has a line that keys act on: the first one, until somebody moves. The stream follows its
    /// newest message instead.
    pub(super) fn rest_cursor(&mut self, env: &Env<'_>) {
        let list = self.focused_list();
        if list == ListId::Stream {
            return self.rest_in_stream(env);
        }
        let filtered = self.filter_of(list).is_some();
        let settled = self.list(list).cursor().is_some() && !filtered;
        if settled || matches!(list, ListId::Devices | ListId::Text) {
            return;
        }
        // A line that left the list is not replaced by itself; one that a filter hides is: nobody acts on what is unseen.
        let keys = self.keys(list, env);
        if self.list(list).cursor().is_none_or(|key| !keys.contains(&key)) {
            self.list_mut(list).set(keys.first().copied());
        }
    }

    /// Takes note of what the fleet says has changed.
    fn note(&mut self, changes: Changes, env: &Env<'_>) {
        if changes.contains(Changes::LEAK) {
            for (_, device) in env.fleet.devices() {
                let known = self.leaks.iter().any(|(name, _)| name == device.name());
                if device.word() == Word::Leaking && !known {
                    self.leaks.push((device.name().clone(), env.now));
                    let text = format!("quell: {} is isolated, yet heard", device.name().shown());
                    self.effects.push(Effect::Notify(SafeText::new(&text)));
                }
            }
        }
    }

    fn no_plan(&mut self, generation: u64, why: SafeText, now: quell_fleet::Ms) {
        if let Some(Dialog::Plan(dialog)) = &mut self.dialog
            && dialog.generation == generation
        {
            let kind = quell_fleet::known::TroubleKind::Unreachable;
            dialog.phase =
                PlanPhase::Failed(Trouble { kind, message: why, missing_action: None, since: now });
        }
    }
}
