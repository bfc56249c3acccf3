//! Without a picture: no alternate screen, nothing drawn over. One sentence a change of state, commands typed as in the palette,
//! questions answered by typing: what a screen reader reads out, and what the log of a session is to hold.

use std::collections::{HashMap, VecDeque};
use std::io::{self, BufRead as _, Write as _};
use std::time::Instant;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::sync::mpsc;

use quell_fleet::text::SafeText;
use quell_fleet::{LinkState, Ms, Word};

use super::super::app::{App, Effect, Env, Msg, View};
use super::super::command::{self, Takes};
use super::super::dialogs::{Dialog, PlanPhase};
use super::super::{views, words};
use super::{Ended, GONE, Signals, World};
use crate::response::{Confirmation, RowState, Stop};

/// Columns and rows of a view that is asked for: as wide as a line is read, and as long as it has to be.
const PAGE: (u16, u16) = (100, 60);
/// Devices whose first state is told one by one; more are counted.
const FEW: usize = 12;

/// What was told already: a change is told once.
#[derive(Default)]
struct Told {
    link: String,
    identity: bool,
    words: Vec<Word>,
    status: Option<(SafeText, Ms)>,
    steps: HashMap<(String, usize), &'static str>,
    /// The plan that was read out.
    plan: Option<u64>,
    view: Option<View>,
}

/// A question that the next line answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Question {
    /// Whether to carry a plan out.
    Plan,
    /// Whether to leave although a response runs.
    Leaving,
}

struct Reader<W> {
    app: App,
    world: W,
    told: Told,
    question: Option<Question>,
}

/// Runs without a screen until it is quit.
///
/// # Errors
///
/// When nothing can be written any more.
pub(super) async fn read<W: World>(app: App, world: W) -> io::Result<Ended> {
    let mut signals = Signals::new()?;
    let mut reader = Reader { app, world, told: Told::default(), question: None };
    let (lines, mut typed) = mpsc::channel(16);
    // Standing in a thread of its own: nobody waits for a line at the end.
    std::thread::Builder::new().name("typed lines".to_owned()).spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    })?;
    say("quell without a screen. Type a command and Enter: help lists them, quit ends.")?;
    reader.tell(vec![Msg::Resize(PAGE.0, PAGE.1)])?;
    let mut listens = true;
    let mut next_tick = Instant::now() + reader.world.pace();
    let (ended, why) = loop {
        let quit = tokio::select! {
            biased;
            line = typed.recv(), if listens => match line {
                Some(line) => reader.line(&line)?,
                // Nothing more is typed: it goes on telling until a signal ends it.
                None => { listens = false; false }
            },
            name = signals.end.any() => break (Ended::Cut, Stop::Signal(name)),
            _ = signals.stop.recv() => { stop(); false }
            _ = signals.resume.recv() => false,
            news = reader.world.news() => reader.tell(news.msgs)?,
            () = tokio::time::sleep_until(next_tick.into()) => {
                next_tick = Instant::now() + reader.world.pace();
                let msgs = reader.world.tick()?;
                reader.tell(msgs)? || reader.tell(vec![Msg::Frame])?
            }
        };
        match reader.report() {
            Ok(()) => {}
            // Whoever read has gone.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => break (Ended::Cut, Stop::Signal(GONE)),
            Err(e) => return Err(e),
        }
        if quit {
            let left = reader.app.is_responding();
            break (if left { Ended::Left } else { Ended::Quit }, Stop::Left);
        }
    };
    let running = reader.app.responding();
    if running > 0 {
        reader.world.leave(running, why).await;
    }
    Ok(ended)
}

/// Stops as ctrl-z would have: SIGTSTP itself is listened to.
fn stop() {
    let _ = rustix::process::kill_current_process_group(rustix::process::Signal::STOP);
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", text.replace('…', "..."))?;
    out.flush()
}

impl<W: World> Reader<W> {
    /// Tells the reducer and carries out what it wants; true when it is to end.
    fn tell(&mut self, msgs: Vec<Msg>) -> io::Result<bool> {
        let mut msgs = VecDeque::from(msgs);
        while let Some(msg) = msgs.pop_front() {
            let env = Env { fleet: self.world.fleet(), now: self.world.now() };
            for effect in self.app.update(msg, &env) {
                match effect {
                    Effect::Quit => return Ok(true),
                    Effect::Suspend => stop(),
                    Effect::Redraw => {}
                    Effect::Copy(text) => say(&text)?,
                    Effect::Notify(text) => say(text.as_str())?,
                    other => msgs.extend(self.world.carry_out(other)?),
                }
            }
        }
        Ok(false)
    }

    fn run(&mut self, id: &str) -> io::Result<bool> {
        match command::find(id) {
            Some(id) => self.tell(vec![Msg::Run(id)]),
            None => Ok(false),
        }
    }

    /// A line was typed: the answer to a question, else a command.
    fn line(&mut self, line: &str) -> io::Result<bool> {
        let line = line.trim();
        match self.question.take() {
            Some(Question::Leaving) => {
                return if line == "yes" { self.run("back") } else { self.run("escape") };
            }
            Some(Question::Plan) => return self.answer(line),
            None => {}
        }
        if line.is_empty() {
            return Ok(false);
        }
        if line == "help" {
            self.help()?;
            return Ok(false);
        }
        let quit = self.tell(vec![Msg::Line(line.to_owned())])?;
        if !quit {
            self.show()?;
        }
        Ok(quit)
    }

    /// What can be typed here.
    fn help(&self) -> io::Result<()> {
        let (scopes, barred) = (self.app.view_scopes(), self.app.is_barred());
        for (_, command) in command::all().filter(|(_, c)| c.works(scopes, barred)) {
            let takes = match command.takes {
                Takes::Nothing => "",
                Takes::Things => " THING",
                Takes::Filter => " FILTER",
                Takes::Profile | Takes::Region => " NAME",
            };
            say(&format!("{}{takes}: {}.", command.id, command.sentence))?;
        }
        Ok(())
    }

    /// What was typed below a plan.
    fn answer(&mut self, line: &str) -> io::Result<bool> {
        let Some(Dialog::Plan(dialog)) = self.app.dialog() else { return Ok(false) };
        let PlanPhase::Ready(plan) = &dialog.phase else { return Ok(false) };
        match (line, plan.confirmation()) {
            ("calls" | "names", _) => {
                let theme = &self.app.look.theme;
                for text in dialog.told(theme, usize::from(PAGE.0), line == "calls") {
                    say(&text)?;
                }
                self.ask()
            }
            ("yes" | "y", Confirmation::Nothing | Confirmation::Enter) => self.run("confirm"),
            ("" | "no" | "n", _) | (_, Confirmation::Nothing | Confirmation::Enter) => {
                say("Left: nothing was sent.")?;
                self.run("escape")
            }
            (typed, confirmation) if confirmation.accepts(Some(typed)) => {
                let typed = typed.to_owned();
                Ok(self.tell(vec![Msg::Paste(typed)])? || self.run("confirm")?)
            }
            _ => {
                say("That is not what was asked for: nothing was sent.")?;
                self.ask()
            }
        }
    }

    /// Asks what the plan in front asks for.
    fn ask(&mut self) -> io::Result<bool> {
        let Some(Dialog::Plan(dialog)) = self.app.dialog() else { return Ok(false) };
        let PlanPhase::Ready(plan) = &dialog.phase else { return Ok(false) };
        let verb = plan.intent().verb().id();
        if dialog.refused(plan).is_some() {
            say("It cannot be confirmed.")?;
            return self.run("escape");
        }
        let asked = match plan.confirmation() {
            Confirmation::Nothing | Confirmation::Enter => format!("Type yes to {verb}"),
            Confirmation::TypeName { name, or: None } => format!("Type {name} to {verb}"),
            Confirmation::TypeName { name, or: Some(or) } => format!("Type {name}, or {or}, to {verb}"),
            Confirmation::TypeCount(n) => format!("It acts on {n} things. Type that number to {verb}"),
            Confirmation::TypeAccount(_) => {
                format!("Type the twelve digits of the account to {verb}")
            }
        };
        say(&format!("{asked}; calls lists the API calls, names all it acts on; an empty line leaves it."))?;
        self.question = Some(Question::Plan);
        Ok(false)
    }

    /// Tells what a command shows: the view it went to, or what it opened.
    fn show(&mut self) -> io::Result<()> {
        match self.app.dialog() {
            // A plan is read out as soon as it is there; the staircase step by step.
            Some(Dialog::Plan(_) | Dialog::Action(_)) => return Ok(()),
            Some(Dialog::Leaving(_)) => {
                self.print()?;
                say("Type yes to leave it unproven; anything else stays.")?;
                self.question = Some(Question::Leaving);
                return Ok(());
            }
            Some(dialog) if dialog.is_form() => {
                say("A form needs the screen; quell COMMAND --help tells how to do the same without one.")?;
                self.run("escape")?;
                return Ok(());
            }
            Some(_) => {
                self.print()?;
                self.run("escape")?;
                return Ok(());
            }
            None => {}
        }
        let view = self.app.view().clone();
        if self.told.view.replace(view.clone()) != Some(view) {
            self.print()?;
        }
        Ok(())
    }

    /// The view, or what stands in front of it, as lines of text.
    fn print(&self) -> io::Result<()> {
        let env = Env { fleet: self.world.fleet(), now: self.world.now() };
        let mut buffer = Buffer::empty(Rect::new(0, 0, PAGE.0, PAGE.1));
        views::draw(&self.app, &env, &mut buffer);
        // The first line and the last are of the screen: its head, and its keys.
        for y in 1..PAGE.1 - 1 {
            let mut line = String::new();
            let mut x = 0;
            while x < PAGE.0 {
                let symbol = buffer.cell((x, y)).map_or(" ", |cell| cell.symbol());
                line.push_str(symbol);
                x += u16::try_from(unicode_width::UnicodeWidthStr::width(symbol)).unwrap_or(1).max(1);
            }
            let line = line.trim_end();
            if !line.is_empty() {
                say(line)?;
            }
        }
        Ok(())
    }

    /// Tells what has changed.
    fn report(&mut self) -> io::Result<()> {
        let now = self.world.now();
        let zone = self.app.look.zone.clone();
        let mut said: Vec<String> = Vec::new();
        {
            let fleet = self.world.fleet();
            let env = Env { fleet, now };
            let link = match fleet.link().state() {
                LinkState::Up => "MQTT is up".to_owned(),
                LinkState::Off | LinkState::Connecting => "MQTT is connecting".to_owned(),
                LinkState::Down { reason, .. } => format!("MQTT is down: {reason}"),
            };
            if link != self.told.link {
                said.push(format!("{}.", link.trim_end_matches('.')));
                self.told.link = link;
            }
            if let Some(who) = fleet.identity().get().filter(|_| !self.told.identity) {
                said.push(format!("Account {} in {}, as {}.", who.account, who.region, who.arn));
                self.told.identity = true;
            }
            let first = self.told.words.len();
            let new = fleet.len().saturating_sub(first);
            for (id, device) in fleet.devices() {
                let word = device.word();
                let (why, _) = views::why(&self.app, &env, id, &self.app.look.theme);
                let why = if why.is_empty() { String::new() } else { format!(": {}", why.trim()) };
                let name = device.name().shown();
                match self.told.words.get_mut(id.index()) {
                    Some(before) if *before != word => {
                        said.push(format!("{name} is {word}, was {before}{why}."));
                        *before = word;
                    }
                    Some(_) => {}
                    None => {
                        if new <= FEW || word.is_loud() {
                            said.push(format!("{name} is {word}{why}."));
                        }
                        self.told.words.push(word);
                    }
                }
            }
            if new > FEW {
                said.push(format!("{} are known now.", words::plural(fleet.len(), "device", "devices")));
            }
        }
        for action in self.app.actions() {
            for (at, row) in action.rows.iter().enumerate() {
                let (state, text) = match &row.state {
                    RowState::Waiting => continue,
                    RowState::Running => ("runs", format!("under way {}", row.detail)),
                    RowState::Done(after) => ("done", format!("done after {}", words::took(*after))),
                    RowState::Failed(why) => ("failed", format!("failed: {why}")),
                    RowState::Skipped(why) => ("skipped", format!("left out: {why}")),
                };
                let key = (action.id.to_string(), at);
                if self.told.steps.insert(key, state) != Some(state) {
                    said.push(format!("{}: {}, {}.", action.title, row.title, text.trim()));
                }
            }
        }
        if let Some((text, _, at)) = self.app.status() {
            let status = Some((text.clone(), at));
            if status != self.told.status {
                said.push(text.to_string());
                self.told.status = status;
            }
        }
        for text in said {
            say(&format!("{} {text}", words::clock(now, &zone)))?;
        }
        self.read_plan()
    }

    /// Reads out a plan that is there now, and asks.
    fn read_plan(&mut self) -> io::Result<()> {
        let Some(Dialog::Plan(dialog)) = self.app.dialog() else { return Ok(()) };
        if self.told.plan == Some(dialog.generation) || matches!(dialog.phase, PlanPhase::Computing) {
            return Ok(());
        }
        self.told.plan = Some(dialog.generation);
        let theme = &self.app.look.theme;
        for text in dialog.read_out(theme, usize::from(PAGE.0)) {
            say(&text)?;
        }
        if matches!(dialog.phase, PlanPhase::Failed(_)) {
            self.run("escape")?;
        } else {
            self.ask()?;
        }
        Ok(())
    }
}
