//! Without a picture: no alternate screen, nothing drawn over. One sentence a change of state, commands typed as in the palette,
//! questions answered by typing: what a screen reader reads out, and what the log of a session is to hold.

use std::collections::HashMap;
use std::io::{self, BufRead as _, Write as _};
use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::sync::mpsc;

use quell_fleet::text::SafeText;
use quell_fleet::{Heed, LinkState, Ms, Word};

use super::super::app::{App, Clip, Env, Msg, View};
use super::super::command::{self, Command};
use super::super::dialogs::{Dialog, PlanDialog, PlanPhase};
use super::super::paint::plain;
use super::super::{views, words};
use super::{Ended, Out, Seat, Signals, World};
use crate::response::{Confirmation, Plan, RowState};

/// Columns and rows of a view that is asked for: as wide as a line is read, and as long as it has to be.
const PAGE: (u16, u16) = (100, 60);
/// Devices whose first state is told one by one; more are counted.
const FEW: usize = 12;

/// What is read for a view that was asked for is waited for so long: then what is there is told.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was told already: a change is told once.
#[derive(Default)]
struct Told {
    /// The fleet it was told of: another account, or another time of a recording, is told anew.
    epoch: u64,
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

/// Standard output, in ASCII only where nothing else can be read.
struct Lines {
    ascii: bool,
}

impl Out for Lines {
    /// Stops as ctrl-z would have: SIGTSTP itself is listened to.
    fn suspend(&mut self) -> io::Result<()> {
        let _ = rustix::process::kill_current_process_group(rustix::process::Signal::STOP);
        Ok(())
    }

    fn forget(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn copy(&mut self, text: &Clip) -> io::Result<()> {
        self.say(text.as_str())
    }

    fn notify(&mut self, text: &SafeText) -> io::Result<()> {
        self.say(text.as_str())
    }

    /// Whoever read has gone.
    fn is_gone(&self, error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::BrokenPipe
    }
}

struct Reader<W> {
    seat: Seat<W, Lines>,
    told: Told,
    question: Option<Question>,
    /// The view that was asked for is printed when it has been read, or by this time.
    awaited: Option<Instant>,
}

/// Runs without a screen until it is quit.
///
/// # Errors
///
/// When nothing can be written any more.
pub(super) async fn read<W: World>(app: App, world: W) -> io::Result<Ended> {
    let signals = Signals::new()?;
    let (lines, typed) = mpsc::channel(16);
    // Standing in a thread of its own: nobody waits for a line at the end.
    std::thread::Builder::new().name("typed lines".to_owned()).spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    })?;
    let seat = Seat { out: Lines { ascii: app.look.theme.symbols.ascii }, app, world };
    let mut reader = Reader { seat, told: Told::default(), question: None, awaited: None };
    let ended = Box::pin(reader.listen(signals, typed)).await;
    reader.seat.end(ended).await
}

impl Lines {
    fn say(&self, text: &str) -> io::Result<()> {
        let text = if self.ascii { plain(text) } else { text.replace('…', "...") };
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()
    }
}

impl<W: World> Reader<W> {
    fn say(&self, text: &str) -> io::Result<()> {
        self.seat.out.say(text)
    }

    /// Lines, signals and news until the end: the name of the signal that ended it, `None` when the operator quit.
    async fn listen(
        &mut self,
        mut signals: Signals,
        mut typed: mpsc::Receiver<String>,
    ) -> io::Result<Option<&'static str>> {
        self.say("quell without a screen. Type a command and Enter: help lists them, quit ends.")?;
        self.seat.tell(vec![Msg::Resize(PAGE.0, PAGE.1)])?;
        let mut listens = true;
        let mut next_tick = Instant::now() + self.seat.world.pace();
        loop {
            let quit = tokio::select! {
                biased;
                line = typed.recv(), if listens => match line {
                    Some(line) => self.line(&line)?,
                    // Nothing more is typed: it goes on telling until a signal ends it.
                    None => { listens = false; false }
                },
                name = signals.end.any() => return Ok(Some(name)),
                _ = signals.stop.recv() => { self.seat.out.suspend()?; false }
                _ = signals.resume.recv() => false,
                news = self.seat.world.news() => self.seat.tell(news.msgs)?,
                () = tokio::time::sleep_until(next_tick.into()) => {
                    next_tick = Instant::now() + self.seat.world.pace();
                    self.seat.tick()? || self.seat.tell(vec![Msg::Frame])?
                }
            };
            if self.report()? || quit {
                return Ok(None);
            }
            self.print_when_read()?;
        }
    }

    /// Runs a command; true when that quits.
    fn run(&mut self, id: &str) -> io::Result<bool> {
        match command::find(id) {
            Some(id) => self.seat.tell(vec![Msg::Run(id)]),
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
        self.command(line)
    }

    /// A command was typed.
    fn command(&mut self, line: &str) -> io::Result<bool> {
        Ok(self.seat.tell(vec![Msg::Line(line.to_owned())])? || self.show()?)
    }

    /// What can be typed here.
    fn help(&self) -> io::Result<()> {
        let app = &self.seat.app;
        let (scopes, barred) = (app.view_scopes(), app.is_barred());
        let running = app.is_responding();
        let works = |c: &Command| c.works(scopes, barred) || running && c.id == "stop";
        for (_, command) in command::all().filter(|(_, c)| works(c)) {
            self.say(&format!("{}{}: {}.", command.id, command.takes.shown(), command.sentence))?;
        }
        Ok(())
    }

    /// The plan in front, when it is there.
    fn plan(&self) -> Option<(&PlanDialog, &Plan)> {
        let Some(Dialog::Plan(dialog)) = self.seat.app.dialog() else { return None };
        match &dialog.phase {
            PlanPhase::Ready(plan) => Some((dialog, plan)),
            PlanPhase::Computing | PlanPhase::Failed(_) => None,
        }
    }

    /// What was typed below a plan.
    fn answer(&mut self, line: &str) -> io::Result<bool> {
        let Some((dialog, plan)) = self.plan() else { return Ok(false) };
        let (confirmation, generation) = (plan.confirmation().clone(), dialog.generation);
        let enough = matches!(confirmation, Confirmation::Nothing | Confirmation::Enter);
        match line {
            "calls" | "names" => {
                let theme = &self.seat.app.look.theme;
                for text in dialog.told(theme, usize::from(PAGE.0), line == "calls") {
                    self.say(&text)?;
                }
                self.ask()
            }
            "yes" | "y" if enough => self.run("confirm"),
            typed if !enough && confirmation.accepts(Some(typed)) => {
                let typed = typed.to_owned();
                Ok(self.seat.tell(vec![Msg::Paste(typed)])? || self.run("confirm")?)
            }
            line if command::acts_on_plans(line) => {
                if self.command(line)? {
                    return Ok(true);
                }
                // It led to nothing: the plan is still there, and waits.
                match self.plan() {
                    Some((dialog, _)) if dialog.generation == generation => self.ask(),
                    _ => Ok(false),
                }
            }
            "" | "no" | "n" => self.leave(),
            _ if enough => self.leave(),
            _ => {
                self.say("That is not what was asked for: nothing was sent.")?;
                self.ask()
            }
        }
    }

    fn leave(&mut self) -> io::Result<bool> {
        self.say("Left: nothing was sent.")?;
        self.run("escape")
    }

    /// Asks what the plan in front asks for.
    fn ask(&mut self) -> io::Result<bool> {
        let Some((dialog, plan)) = self.plan() else { return Ok(false) };
        let verb = plan.intent().verb().id();
        let refused = dialog.refused(plan).is_some();
        let asked = match plan.confirmation() {
            _ if refused => "It cannot be confirmed".to_owned(),
            Confirmation::Nothing | Confirmation::Enter => format!("Type yes to {verb}"),
            Confirmation::TypeName { name, or: None } => format!("Type {name} to {verb}"),
            Confirmation::TypeName { name, or: Some(or) } => format!("Type {name}, or {or}, to {verb}"),
            Confirmation::TypeCount(n) => format!("It acts on {n} things. Type that number to {verb}"),
            Confirmation::TypeAccount(_) => {
                format!("Type the twelve digits of the account to {verb}")
            }
        };
        let mut besides = vec!["calls lists the API calls", "names all it acts on"];
        let others = [
            (plan.instead().is_some(), "instead plans what would reach the device"),
            (plan.cut_one().is_some(), "cut-one plans to cut one session only"),
            (dialog.has_group(), "edit GROUP plans it with another group"),
        ];
        besides.extend(others.iter().filter(|(offered, _)| *offered).map(|(_, text)| *text));
        let besides = besides.join(", ");
        self.say(&format!("{asked}; {besides}; an empty line leaves it."))?;
        self.question = Some(Question::Plan);
        Ok(false)
    }

    /// Tells what a command shows: the view it went to, or what it opened. True when that quits.
    fn show(&mut self) -> io::Result<bool> {
        match self.seat.app.dialog() {
            // A plan is read out as soon as it is there; the staircase step by step.
            Some(Dialog::Plan(_) | Dialog::Action(_)) => return Ok(false),
            Some(Dialog::Leaving(_)) => {
                self.print()?;
                self.say("Type yes to leave it unproven; anything else stays.")?;
                self.question = Some(Question::Leaving);
                return Ok(false);
            }
            Some(dialog) if dialog.is_form() => {
                self.say(
                    "A form needs the screen; quell COMMAND --help tells how to do the same without one.",
                )?;
                return self.run("escape");
            }
            Some(_) => {
                self.print()?;
                return self.run("escape");
            }
            None => {}
        }
        let view = self.seat.app.view().clone();
        if self.told.view.replace(view.clone()) != Some(view) {
            self.awaited = Some(Instant::now() + PATIENCE);
        }
        Ok(false)
    }

    /// Prints the view that was asked for, once it has been read.
    fn print_when_read(&mut self) -> io::Result<()> {
        let Some(until) = self.awaited else { return Ok(()) };
        let env = Env { fleet: self.seat.world.fleet(), now: self.seat.world.now() };
        if self.seat.app.dialog().is_some() || self.seat.app.is_reading(&env) && Instant::now() < until {
            return Ok(());
        }
        self.awaited = None;
        // What was read since is laid out first.
        self.seat.tell(vec![Msg::Frame])?;
        self.print()
    }

    /// The view, or what stands in front of it, as lines of text.
    fn print(&self) -> io::Result<()> {
        let env = Env { fleet: self.seat.world.fleet(), now: self.seat.world.now() };
        let mut buffer = Buffer::empty(Rect::new(0, 0, PAGE.0, PAGE.1));
        views::draw(&self.seat.app, &env, &mut buffer);
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
                self.say(line)?;
            }
        }
        Ok(())
    }

    /// Tells what has changed; true when what it led to quits.
    fn report(&mut self) -> io::Result<bool> {
        let now = self.seat.world.now();
        let (app, fleet) = (&self.seat.app, self.seat.world.fleet());
        let zone = &app.look.zone;
        let mut said: Vec<String> = Vec::new();
        if self.told.epoch != app.epoch() {
            self.told = Told { epoch: app.epoch(), status: self.told.status.take(), ..Told::default() };
        }
        let env = Env { fleet, now };
        let link = match (fleet.link().state(), fleet.heed()) {
            (LinkState::Down { reason, .. }, _) => format!("MQTT is down: {reason}"),
            (LinkState::Up, Heed::Deaf(why, since)) => {
                let at = words::moment(since, now, zone);
                format!("Not listening since {at}: {why}. Nothing that is told is newer")
            }
            (LinkState::Up, _) => "MQTT is up".to_owned(),
            (LinkState::Connecting, _) => "MQTT is connecting".to_owned(),
            (LinkState::Off, _) => "Nothing is listened to".to_owned(),
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
            let known = self.told.words.get_mut(id.index());
            let tells = match known {
                Some(before) if *before == word => continue,
                Some(before) => Some(std::mem::replace(before, word)),
                None => {
                    self.told.words.push(word);
                    if new > FEW && !word.is_loud() {
                        continue;
                    }
                    None
                }
            };
            let (why, _) = views::why(app, &env, id, &app.look.theme);
            let why =
                if why.is_empty() { String::new() } else { format!(": {}", why.trim().replace("  ", ", ")) };
            let was = tells.map(|before| format!(", was {before}")).unwrap_or_default();
            said.push(format!("{} is {word}{was}{why}.", device.name().shown()));
        }
        if new > FEW {
            said.push(format!("{} are known now.", words::plural(fleet.len(), "device", "devices")));
        }
        for action in app.actions() {
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
        if let Some((text, _, at)) = app.status() {
            let status = Some((text.clone(), at));
            if status != self.told.status {
                said.push(text.to_string());
                self.told.status = status;
            }
        }
        for text in said {
            self.say(&format!("{} {text}", words::clock(now, zone)))?;
        }
        self.read_plan()
    }

    /// Reads out a plan that is there now, and asks; true when that quits.
    fn read_plan(&mut self) -> io::Result<bool> {
        let app = &self.seat.app;
        let Some(Dialog::Plan(dialog)) = app.dialog() else { return Ok(false) };
        if self.told.plan == Some(dialog.generation) || matches!(dialog.phase, PlanPhase::Computing) {
            return Ok(false);
        }
        self.told.plan = Some(dialog.generation);
        for text in dialog.read_out(&app.look.theme, usize::from(PAGE.0)) {
            self.say(&text)?;
        }
        if matches!(dialog.phase, PlanPhase::Failed(_)) { self.run("escape") } else { self.ask() }
    }
}
