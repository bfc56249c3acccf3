//! The loop: keys first, then signals, then what happens outside for a capped time slice; a frame only when something
//! changed, and never more often than the terminal's line is good for.
//!
//! What is watched is a [`World`]: a [`session`] with its cloud, or a [`recording`] of one. The loop, the reducer and the
//! screens are the same; only what carries out the reducer's effects is another.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use crossterm::event::{Event as TerminalEvent, EventStream, KeyEventKind, MouseButton, MouseEventKind};
use futures_util::StreamExt as _;
use futures_util::stream::select_all;

use quell_fleet::text::SafeText;
use quell_fleet::{Fleet, Ms};

mod files;
mod linear;
mod outside;
mod recording;
mod session;
mod signals;

pub(crate) use outside::{Arrival, Inputs, Outside, Reconfigured, Word};
pub(crate) use signals::Ends;
use signals::Signals;

use super::app::{App, Clip, Effect, Env, Mouse, Msg, Tone};
use super::ground::Question;
use super::panic;
use super::terminal::Screen;
use super::views;
use crate::config::{ScreenSize, Settings};
use crate::response::Stop;
use quell_fleet::record::Player;

/// Over a slow line fewer frames are fresher frames.
const FPS_SSH: u16 = 15;
/// Data alone is drawn no more often than this: numbers that change faster cannot be read, and each frame costs what
/// thousands of messages do. Keys are answered at once, follow-ups of a key and news at the full rate.
const CALM: Duration = Duration::from_millis(333);
/// How long after a key the full rate holds.
const LIVELY: Duration = Duration::from_secs(1);
/// What a local terminal shows without strain.
const FPS_LOCAL: u16 = 30;

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The operator quit.
    Quit,
    /// The operator quit while a response ran: it was stopped, and the journal says how far it came.
    Left,
    /// A signal, or the terminal went away.
    Cut,
}

/// Now, in milliseconds since the epoch.
pub(crate) fn now() -> Ms {
    jiff::Timestamp::now().as_millisecond()
}

/// What is watched, and what carries out what the reducer wants of it. Nothing here waits but [`World::news`].
trait World {
    /// What is true.
    fn fleet(&self) -> &Fleet;
    /// The time that is shown.
    fn now(&self) -> Ms;
    /// How often time is seen to pass.
    fn pace(&self) -> Duration;
    /// Waits for something to happen; may be dropped and asked again without loss.
    async fn news(&mut self) -> News;
    /// Time has passed.
    fn tick(&mut self) -> io::Result<Vec<Msg>>;
    /// Stops so many responses, and waits until each has written down how far it came; not for ever.
    async fn leave(&mut self, running: usize, why: Stop);
    /// Carries an effect out; what comes of it at once.
    fn carry_out(&mut self, effect: Effect) -> io::Result<Vec<Msg>>;
}

/// What happened outside.
#[derive(Default)]
struct News {
    msgs: Vec<Msg>,
    /// Something that is shown may have changed.
    seen: bool,
    /// It should be seen at the full rate.
    soon: bool,
}

/// Where the console sits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    /// Frames a second at most.
    pub(crate) max_fps: Option<u16>,
    /// The mouse is listened to.
    pub(crate) mouse: bool,
    /// The size of the screen, where the terminal is not to be believed.
    pub(crate) size: Option<ScreenSize>,
    /// No screen at all: sentences.
    pub(crate) linear: bool,
}

impl From<&Settings> for Place {
    fn from(settings: &Settings) -> Self {
        Self {
            max_fps: settings.max_fps,
            mouse: settings.mouse,
            size: settings.size,
            linear: settings.linear,
        }
    }
}

/// Runs the console until it is quit. The first frame is drawn before anything else is waited for.
///
/// # Errors
///
/// When the terminal cannot be taken or written to.
pub(crate) async fn run(
    app: App,
    fleet: Fleet,
    inputs: Inputs,
    outside: impl Outside,
    place: &Place,
) -> io::Result<Ended> {
    let session = session::Session::new(fleet, inputs, outside);
    if place.linear {
        return Box::pin(linear::read(app, session)).await;
    }
    Box::pin(sit(app, session, place)).await
}

/// Plays a recording until it is left.
///
/// # Errors
///
/// The terminal cannot be taken or written to, or the recording cannot be read on.
pub(crate) async fn replay(mut app: App, player: Player, place: &Place) -> io::Result<Ended> {
    app.replaying();
    let tape = recording::Tape::new(player);
    if place.linear {
        return Box::pin(linear::read(app, tape)).await;
    }
    Box::pin(sit(app, tape, place)).await
}

/// Where what is told goes: a screen, or lines. It carries out what the reducer wants of it.
trait Out {
    /// Goes into the background, and comes back.
    fn suspend(&mut self) -> io::Result<()>;
    /// Whatever stands there is shown anew.
    fn forget(&mut self) -> io::Result<()>;
    /// Puts a text where it can be pasted from.
    fn copy(&mut self, text: &Clip) -> io::Result<()>;
    /// Calls somebody who looks elsewhere.
    fn notify(&mut self, text: &SafeText) -> io::Result<()>;
    /// Whether nobody is left to read, given that writing failed so.
    fn is_gone(&self, error: &io::Error) -> bool;
}

/// The console between what is watched and whoever looks at it.
struct Seat<W, O> {
    app: App,
    world: W,
    out: O,
}

impl<W: World, O: Out> Seat<W, O> {
    /// Tells the reducer, carries out what it wants, and tells what comes of that; true when the operator quit.
    fn tell(&mut self, msgs: Vec<Msg>) -> io::Result<bool> {
        let mut msgs = VecDeque::from(msgs);
        while let Some(msg) = msgs.pop_front() {
            let env = Env { fleet: self.world.fleet(), now: self.world.now() };
            for effect in self.app.update(msg, &env) {
                match effect {
                    Effect::Quit => return Ok(true),
                    Effect::Suspend => self.out.suspend()?,
                    Effect::Redraw => self.out.forget()?,
                    Effect::Copy(text) => self.out.copy(&text)?,
                    Effect::Notify(text) => self.out.notify(&text)?,
                    other => msgs.extend(self.world.carry_out(other)?),
                }
            }
        }
        Ok(false)
    }

    /// Lets time pass, and tells of a fault that was survived meanwhile; true when the operator quit.
    fn tick(&mut self) -> io::Result<bool> {
        let fault = panic::survived().map(|text| Msg::Say(text, Tone::Warn));
        let mut msgs: Vec<Msg> = fault.into_iter().collect();
        msgs.extend(self.world.tick()?);
        self.tell(msgs)
    }

    /// Ends as the loop did, and however that was: what runs is stopped, and the journal told how far it came.
    async fn end(&mut self, ended: io::Result<Option<&'static str>>) -> io::Result<Ended> {
        let running = self.app.responding();
        let (ended, why) = match ended {
            Ok(None) if running > 0 => (Ok(Ended::Left), Stop::Left),
            Ok(None) => (Ok(Ended::Quit), Stop::Left),
            Ok(Some(signal)) => (Ok(Ended::Cut), Stop::Signal(signal)),
            // What cannot be written to any more is gone.
            Err(e) if self.out.is_gone(&e) => {
                tracing::info!(error = %e, "nobody reads any more");
                (Ok(Ended::Cut), Stop::Signal(GONE))
            }
            Err(e) => (Err(e), Stop::Signal(GONE)),
        };
        if running > 0 {
            self.world.leave(running, why).await;
        }
        ended
    }
}

/// A screen, and how large it was last.
struct Shown {
    screen: Screen,
    size: (u16, u16),
}

impl Out for Shown {
    fn suspend(&mut self) -> io::Result<()> {
        self.screen.suspend()
    }

    fn forget(&mut self) -> io::Result<()> {
        self.screen.forget()
    }

    fn copy(&mut self, text: &Clip) -> io::Result<()> {
        self.screen.copy(text.as_str())
    }

    fn notify(&mut self, text: &SafeText) -> io::Result<()> {
        self.screen.notify(text)
    }

    fn is_gone(&self, _: &io::Error) -> bool {
        Screen::is_gone()
    }
}

impl<W: World> Seat<W, Shown> {
    /// Settles what is shown and draws it; true when the operator quit.
    fn paint(&mut self) -> io::Result<bool> {
        let size = self.out.screen.size()?;
        let msg = if size == self.out.size { Msg::Frame } else { Msg::Resize(size.0, size.1) };
        self.out.size = size;
        if self.tell(vec![msg])? {
            return Ok(true);
        }
        let env = Env { fleet: self.world.fleet(), now: self.world.now() };
        self.out.screen.draw(|frame| views::draw(&self.app, &env, frame.buffer_mut()))?;
        Ok(false)
    }
}

async fn sit<W: World>(app: App, world: W, place: &Place) -> io::Result<Ended> {
    let signals = Signals::new()?;
    let screen = Screen::take(place.size, place.mouse)?;
    let mut seat = Seat { app, world, out: Shown { screen, size: (0, 0) } };
    let ended = Box::pin(watch(&mut seat, signals, place.max_fps)).await;
    seat.end(ended).await
}

/// What a terminal that went away is told by, whether or not the signal came first.
const GONE: &str = "SIGHUP";

/// The loop; the name of the signal that ended it, `None` when the operator quit.
async fn watch<W: World>(
    seat: &mut Seat<W, Shown>,
    mut signals: Signals,
    max_fps: Option<u16>,
) -> io::Result<Option<&'static str>> {
    if seat.tick()? || seat.paint()? {
        return Ok(None);
    }
    // After the first frame: nothing waits for the answer.
    let mut question = Question::default();
    seat.out.screen.ask_ground(&seat.app.look.theme, &mut question)?;
    let ended = listen(seat, &mut signals, &mut question, max_fps).await;
    if question.is_open(Instant::now()) {
        Screen::forget_input();
    }
    ended
}

/// Keys, signals and news until the end.
async fn listen<W: World>(
    seat: &mut Seat<W, Shown>,
    signals: &mut Signals,
    question: &mut Question,
    max_fps: Option<u16>,
) -> io::Result<Option<&'static str>> {
    // Looked at when it was woken, and not at each turn: each look spins for a lock that its own thread holds all the time.
    let mut keys = select_all([EventStream::new()]);
    let ssh = std::env::var_os("SSH_CONNECTION").is_some();
    let fps = max_fps.unwrap_or(if ssh { FPS_SSH } else { FPS_LOCAL }).max(1);
    let interval = Duration::from_secs(1) / u32::from(fps);
    let mut next_frame = Instant::now() + interval;
    let mut next_tick = Instant::now() + seat.world.pace();
    let mut dirty = false;
    let mut touched = Instant::now();
    let mut followed = seat.app.look.theme.follows_ground();
    loop {
        let wake = if dirty { next_frame.min(next_tick) } else { next_tick };
        let mut urgent = false;
        let mut quit = false;
        tokio::select! {
            biased;
            key = keys.next() => match key {
                Some(Ok(event)) => {
                    let msgs = pressed(event, &mut seat.out.screen, question)?;
                    if !msgs.is_empty() {
                        urgent = true;
                        quit = seat.tell(msgs)?;
                    }
                    touched = Instant::now();
                    next_frame = next_frame.min(touched + interval);
                    // A recording that is held goes on at once.
                    next_tick = next_tick.min(touched + seat.world.pace());
                    dirty = true;
                }
                // The terminal is gone: nobody is left to look.
                Some(Err(_)) | None => return Ok(Some(GONE)),
            },
            name = signals.end.any() => {
                tracing::info!(signal = name, "ending");
                return Ok(Some(name));
            }
            _ = signals.stop.recv() => { seat.out.screen.suspend()?; dirty = true; }
            _ = signals.resume.recv() => { seat.out.screen.retake()?; dirty = true; }
            news = seat.world.news() => {
                dirty |= news.seen;
                if news.soon {
                    next_frame = next_frame.min(Instant::now() + interval);
                }
                quit = seat.tell(news.msgs)?;
            }
            () = tokio::time::sleep_until(wake.into()) => {
                if Instant::now() >= next_tick {
                    next_tick = Instant::now() + seat.world.pace();
                    if Screen::is_gone() {
                        return Ok(Some(GONE));
                    }
                    quit = seat.tick()?;
                    // Ages and the clock: ratatui writes only the cells that differ.
                    dirty = true;
                }
            }
        }
        if !quit && dirty && (urgent || Instant::now() >= next_frame) {
            quit = seat.paint()?;
            // Another theme may follow the ground where the first one did not.
            let theme = &seat.app.look.theme;
            if !std::mem::replace(&mut followed, theme.follows_ground()) && !seat.app.knows_ground() {
                seat.out.screen.ask_ground(theme, question)?;
            }
            let calm = touched.elapsed() > LIVELY;
            let between = if calm { interval.max(CALM.min(seat.world.pace())) } else { interval };
            next_frame = Instant::now() + between;
            dirty = seat.app.rows().is_behind(seat.world.fleet()) || seat.app.is_searching();
        }
        if quit {
            return Ok(None);
        }
    }
}

/// What an event of the terminal tells the reducer.
fn pressed(event: TerminalEvent, screen: &mut Screen, question: &mut Question) -> io::Result<Vec<Msg>> {
    Ok(match event {
        TerminalEvent::Key(key) if key.kind != KeyEventKind::Release => {
            let (keys, ground) = question.take(key, Instant::now());
            keys.into_iter().map(Msg::Key).chain(ground.map(Msg::Ground)).collect()
        }
        TerminalEvent::Paste(text) => vec![Msg::Paste(text)],
        TerminalEvent::Resize(columns, rows) => {
            screen.resized(columns, rows);
            screen.forget()?;
            Vec::new()
        }
        TerminalEvent::Mouse(mouse) => match mouse.kind {
            MouseEventKind::ScrollUp => vec![Msg::Mouse(Mouse::Up(mouse.column, mouse.row))],
            MouseEventKind::ScrollDown => vec![Msg::Mouse(Mouse::Down(mouse.column, mouse.row))],
            MouseEventKind::Down(MouseButton::Left) => {
                vec![Msg::Mouse(Mouse::Click(mouse.column, mouse.row))]
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    })
}
