//! The loop: keys first, then signals, then events for a capped time slice, then answers; a frame only when something
//! changed, and never more often than the terminal's line is good for.

use std::time::{Duration, Instant};

use crossterm::event::{Event as TerminalEvent, EventStream, KeyEventKind};
use futures_util::StreamExt as _;
use tokio::sync::mpsc;

use quell_fleet::event::Event;
use quell_fleet::text::SafeText;
use quell_fleet::{Changes, Fleet, Ms};

mod files;
mod outside;
mod replay;
mod signals;

pub use outside::{Arrival, Inputs, Outside, Reconfigured, Word};
pub use replay::replay;
pub(super) use signals::Ends;
use signals::Signals;

use super::app::{App, Effect, Env, Tone};
use super::terminal::Screen;
use super::views;

/// Folding stops after this long and looks at the keyboard: a burst never delays a key by more.
const SLICE: Duration = Duration::from_millis(4);
/// Time passes on the screen in seconds.
const TICK: Duration = Duration::from_secs(1);
/// Over a slow line fewer frames are fresher frames.
const FPS_SSH: u16 = 15;
/// Data alone is drawn no more often than this: numbers that change faster cannot be read, and each frame costs what
/// thousands of messages do. Keys are answered at once, follow-ups of a key and news at the full rate.
const CALM: Duration = Duration::from_millis(250);
/// How long after a key the full rate holds.
const LIVELY: Duration = Duration::from_secs(1);
/// What a local terminal shows without strain.
const FPS_LOCAL: u16 = 30;

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The operator quit.
    Quit,
    /// A signal, or the terminal went away.
    Cut,
}

/// Now, in milliseconds since the epoch.
pub fn now() -> Ms {
    jiff::Timestamp::now().as_millisecond()
}

/// Runs the console until it is quit. The first frame is drawn before anything else is waited for.
///
/// # Errors
///
/// When the terminal cannot be taken or written to.
pub async fn run(
    mut app: App,
    mut fleet: Fleet,
    mut inputs: Inputs,
    mut outside: impl Outside,
    max_fps: Option<u16>,
) -> std::io::Result<Ended> {
    let mut signals = Signals::new()?;
    let mut screen = Screen::take()?;
    paint(&mut screen, &mut app, &fleet)?;
    let mut keys = EventStream::new();
    let ssh = std::env::var_os("SSH_CONNECTION").is_some();
    let fps = max_fps.unwrap_or(if ssh { FPS_SSH } else { FPS_LOCAL }).max(1);
    let interval = Duration::from_secs(1) / u32::from(fps);
    let mut next_frame = Instant::now() + interval;
    let mut next_tick = Instant::now() + TICK;
    let mut dirty = false;
    let mut touched = Instant::now();
    loop {
        let wake = if dirty { next_frame.min(next_tick) } else { next_tick };
        let mut urgent = false;
        tokio::select! {
            biased;
            key = keys.next() => match key {
                Some(Ok(event)) => {
                    urgent = press(&mut app, &fleet, event, &mut screen)?;
                    touched = Instant::now();
                    next_frame = next_frame.min(touched + interval);
                    dirty = true;
                }
                // The terminal is gone: nobody is left to look.
                Some(Err(_)) | None => return Ok(Ended::Cut),
            },
            name = signals.end.any() => {
                tracing::info!(signal = name, "ending");
                return Ok(Ended::Cut);
            }
            _ = signals.stop.recv() => { screen.suspend()?; dirty = true; }
            _ = signals.resume.recv() => { screen.retake()?; dirty = true; }
            Some(word) = inputs.words.recv() => {
                match word {
                    Word::CannotConnect(trouble) => app.cannot_connect(trouble),
                    Word::Journal(lines) => app.journal_read(lines),
                    Word::Examined(found) => app.examined(found),
                    Word::Settled => outside.settle(),
                    Word::Profiles(list) => app.set_profiles(list, &Env { fleet: &fleet, now: now() }),
                    Word::Moved(Ok(where_to)) => moved(&where_to, &mut app, &mut fleet, &mut inputs, &mut outside),
                    Word::Config(Ok(settings)) => match outside.reconfigure(*settings) {
                        Ok(new) => {
                            app.look = new.look;
                            let changes = fleet.relimit(&new.limits, now());
                            app.note(changes, &Env { fleet: &fleet, now: now() });
                            app.say(new.text, Tone::Calm, now());
                        }
                        Err(why) => app.say(why, Tone::Warn, now()),
                    },
                    Word::Config(Err(why)) => app.say(why, Tone::Warn, now()),
                    Word::Moved(Err(why)) => app.say(why, Tone::Warn, now()),
                }
                dirty = true;
            }
            Some(answer) = inputs.answers.recv() => {
                app.answer(answer, &Env { fleet: &fleet, now: now() });
                next_frame = next_frame.min(Instant::now() + interval);
                dirty = true;
            }
            Some(event) = inputs.events.recv() => {
                let changes = fold(&mut fleet, event, &mut inputs.events, &mut outside);
                app.note(changes, &Env { fleet: &fleet, now: now() });
                dirty |= !changes.is_empty();
                if changes.is_news() {
                    next_frame = next_frame.min(Instant::now() + interval);
                }
                for source in fleet.take_wanted() {
                    outside.read_soon(source);
                }
            }
            () = tokio::time::sleep_until(wake.into()) => {
                if Instant::now() >= next_tick {
                    next_tick = Instant::now() + TICK;
                    if Screen::is_gone() {
                        return Ok(Ended::Cut);
                    }
                    let at = now();
                    if let Some(recorder) = outside.recorder() {
                        recorder.tick(at);
                    }
                    let changes = fleet.tick(at);
                    app.note(changes, &Env { fleet: &fleet, now: now() });
                    // Ages and the clock: ratatui writes only the cells that differ.
                    dirty = true;
                }
            }
        }
        for effect in app.take_effects() {
            if matches!(effect, Effect::Record) {
                let (text, tone) = match outside.record(&fleet, now()) {
                    Ok((recording, text)) => {
                        app.set_recording(recording);
                        (text, Tone::Calm)
                    }
                    Err(text) => (text, Tone::Warn),
                };
                app.say(text, tone, now());
            } else if let Effect::ImportProfile { path, name } = effect {
                let read = files::read(&path);
                app.imported(&path, &name, read, &Env { fleet: &fleet, now: now() });
            } else if let Effect::ExportProfile { path, text } = effect {
                let written = files::write_new(&path, &text);
                app.exported(&path, written, &Env { fleet: &fleet, now: now() });
            } else if effect_done(effect, &mut app, &mut screen, &mut outside)? {
                return Ok(Ended::Quit);
            }
            dirty = true;
        }
        if dirty && (urgent || Instant::now() >= next_frame) {
            paint(&mut screen, &mut app, &fleet)?;
            let calm = touched.elapsed() > LIVELY;
            next_frame = Instant::now() + if calm { interval.max(CALM) } else { interval };
            dirty = app.rows().is_behind(&fleet);
        }
    }
}

/// Another source is open. Only now, and only if no response began meanwhile, the old one is left.
fn moved(
    where_to: &SafeText,
    app: &mut App,
    fleet: &mut Fleet,
    inputs: &mut Inputs,
    outside: &mut impl Outside,
) {
    if app.is_responding() {
        outside.stay();
        let text = "stayed here: a response is running, and it would be cut off; A shows it";
        return app.say(SafeText::new(text), Tone::Warn, now());
    }
    let Some(arrival) = outside.arrive() else { return };
    *fleet = arrival.fleet;
    inputs.events = arrival.events;
    inputs.answers = arrival.answers;
    app.begin_anew();
    app.set_recording(false);
    app.say(where_to.clone(), Tone::Calm, now());
}

fn paint(screen: &mut Screen, app: &mut App, fleet: &Fleet) -> std::io::Result<()> {
    let env = Env { fleet, now: now() };
    app.refresh(&env);
    screen.draw(|frame| views::draw(app, &env, frame.buffer_mut()))
}

/// A key or another event of the terminal; true when the answer should be seen at once.
fn press(app: &mut App, fleet: &Fleet, event: TerminalEvent, screen: &mut Screen) -> std::io::Result<bool> {
    let env = Env { fleet, now: now() };
    match event {
        TerminalEvent::Key(key) if key.kind != KeyEventKind::Release => {
            app.key(key, &env);
            return Ok(true);
        }
        TerminalEvent::Paste(text) => {
            app.paste(&text, &env);
            return Ok(true);
        }
        TerminalEvent::Resize(..) => screen.forget()?,
        _ => {}
    }
    Ok(false)
}

/// Folds what has come, for at most [`SLICE`].
fn fold(
    fleet: &mut Fleet,
    first: Event,
    events: &mut mpsc::Receiver<Event>,
    outside: &mut impl Outside,
) -> Changes {
    let began = Instant::now();
    let at = now();
    let mut changes = Changes::NONE;
    let mut next = Some(first);
    while let Some(event) = next {
        if let Some(listener) = outside.listener() {
            listener.observe(&event);
        }
        if let Some(recorder) = outside.recorder() {
            recorder.event(&event, at);
        }
        changes |= fleet.apply(event, at);
        if began.elapsed() >= SLICE {
            break;
        }
        next = events.try_recv().ok();
    }
    if fleet.is_at_limit(at)
        && let Some(listener) = outside.listener()
    {
        listener.at_limit(at);
    }
    changes
}

/// Does what a command wanted; true when that was to quit.
fn effect_done(
    effect: Effect,
    app: &mut App,
    screen: &mut Screen,
    outside: &mut impl Outside,
) -> std::io::Result<bool> {
    match effect {
        Effect::Quit => return Ok(true),
        Effect::Suspend => screen.suspend()?,
        Effect::Redraw => screen.forget()?,
        Effect::Copy(text) => screen.copy(&text)?,
        Effect::Notify(text) => screen.notify(&text)?,
        Effect::Plan { generation, intent } => {
            if let Err(why) = outside.plan(generation, intent) {
                app.no_plan(generation, why, now());
            }
        }
        Effect::Confirm { plan, typed } => {
            let id = plan.id().clone();
            if let Err(why) = outside.confirm(*plan, typed) {
                app.not_sent(&id);
                app.say(why, Tone::Warn, now());
            }
        }
        Effect::Stop(plan) => outside.stop(&plan),
        Effect::Watch(sources) => outside.watch(sources),
        Effect::ListenTo(things) => outside.listen_to(things),
        Effect::ReadSoon(sources) => {
            for source in sources {
                outside.read_soon(source);
            }
        }
        Effect::ReadJournal => outside.read_journal(),
        Effect::ReadProfiles => outside.read_profiles(),
        Effect::Switch(to) if app.is_responding() => {
            let text = format!(
                "no other {} now: a response is running, and it would be cut off; A shows it",
                to.word()
            );
            app.say(SafeText::new(&text), Tone::Warn, now());
        }
        Effect::Switch(to) => match outside.switch(&to) {
            Ok(()) => {
                let text = format!("going to {} {} …", to.word(), to.name().shown());
                app.say(SafeText::new(&text), Tone::Calm, now());
            }
            Err(why) => app.say(why, Tone::Warn, now()),
        },
        Effect::Examine => {
            if let Err(why) = outside.examine() {
                app.examined(Err(why));
            }
        }
        // Recording needs the fleet and is done where it is; a live console has nothing to rewind.
        Effect::Record | Effect::Replay(_) | Effect::ImportProfile { .. } | Effect::ExportProfile { .. } => {}
    }
    Ok(false)
}
