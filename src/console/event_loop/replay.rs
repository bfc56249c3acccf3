//! The same screens from a recording: the player's time instead of the clock's, and nothing that could leave the process.

use std::time::{Duration, Instant};

use crossterm::event::{Event as TerminalEvent, EventStream, KeyEventKind};
use futures_util::StreamExt as _;

use quell_fleet::Ms;
use quell_fleet::record::Player;
use quell_fleet::text::SafeText;

use super::super::app::{App, Effect, Env, ReplayMove, Tone};
use super::super::terminal::Screen;
use super::super::views;
use super::{Ended, Signals};

/// A frame this often while time runs.
const FRAME: Duration = Duration::from_millis(66);
/// How fast time may run.
const SPEEDS: [f64; 9] = [0.25, 0.5, 1.0, 2.0, 4.0, 10.0, 30.0, 60.0, 300.0];

/// Where the recording stands and how fast it runs.
struct Tape {
    player: Player,
    paused: bool,
    speed: usize,
    /// The time shown, and when it was: in between it runs.
    anchor: (Ms, Instant),
}

impl Tape {
    fn now(&self) -> Ms {
        let (at, since) = self.anchor;
        if self.paused {
            return at;
        }
        let passed = since.elapsed().as_secs_f64() * 1000.0 * self.factor();
        at.saturating_add(passed as Ms).min(self.player.span().1)
    }

    fn factor(&self) -> f64 {
        SPEEDS.get(self.speed).copied().unwrap_or(1.0)
    }

    fn hold(&mut self, at: Ms) {
        self.anchor = (at, Instant::now());
    }

    /// Moves; a sentence for the operator when there is something to say.
    fn step(&mut self, to: ReplayMove) -> std::io::Result<Option<String>> {
        let now = self.now();
        let (begin, end) = self.player.span();
        self.hold(now);
        match to {
            ReplayMove::Pause => {
                self.paused = !self.paused;
                if !self.paused && now >= end {
                    self.player.seek(begin)?;
                    self.hold(begin);
                }
            }
            ReplayMove::Faster => self.speed = (self.speed + 1).min(SPEEDS.len() - 1),
            ReplayMove::Slower => self.speed = self.speed.saturating_sub(1),
            ReplayMove::By(ms) => {
                self.player.seek(now.saturating_add(ms))?;
                self.hold(now.saturating_add(ms).clamp(begin, end));
            }
            ReplayMove::NextAlarm => {
                self.paused = true;
                let found = self.player.next_alarm()?;
                self.hold(self.player.at());
                return Ok(Some(match found {
                    Some(_) => "an alarm; space goes on".to_owned(),
                    None => "no further alarm: this is the end".to_owned(),
                }));
            }
        }
        Ok(None)
    }

    fn badge(&self) -> SafeText {
        let (begin, end) = self.player.span();
        let clock = |ms: Ms| format!("{}:{:02}", ms / 60_000, ms % 60_000 / 1000);
        let speed = self.factor();
        let state = if self.paused { "paused".to_owned() } else { format!("×{speed}") };
        SafeText::from(format!("REPLAY {state} {}/{}", clock(self.now() - begin), clock(end - begin)))
    }
}

/// Plays a recording until it is left.
///
/// # Errors
/// The terminal cannot be taken or written to, or the recording cannot be read on.
pub async fn replay(mut app: App, player: Player) -> std::io::Result<Ended> {
    let begin = player.span().0;
    let mut tape = Tape { player, paused: false, speed: 2, anchor: (begin, Instant::now()) };
    app.replaying();
    let mut screen = Screen::take()?;
    let mut signals = Signals::new()?;
    let mut keys = EventStream::new();
    loop {
        let now = tape.now();
        let changes = tape.player.advance(now)?;
        app.note(changes, &Env { fleet: tape.player.fleet(), now });
        app.look.badge = Some(tape.badge());
        let env = Env { fleet: tape.player.fleet(), now };
        app.refresh(&env);
        screen.draw(|frame| views::draw(&app, &env, frame.buffer_mut()))?;
        let wait = if tape.paused || now >= tape.player.span().1 { Duration::from_secs(1) } else { FRAME };
        tokio::select! {
            biased;
            key = keys.next() => match key {
                Some(Ok(event)) => press(&mut app, &tape, event, &mut screen)?,
                Some(Err(_)) | None => return Ok(Ended::Cut),
            },
            _ = signals.end.any() => return Ok(Ended::Cut),
            _ = signals.stop.recv() => screen.suspend()?,
            _ = signals.resume.recv() => screen.retake()?,
            () = tokio::time::sleep(wait) => if Screen::is_gone() { return Ok(Ended::Cut) },
        }
        for effect in app.take_effects() {
            let refused = "a recording is played: nothing can be changed";
            match effect {
                Effect::Quit => return Ok(Ended::Quit),
                Effect::Suspend => screen.suspend()?,
                Effect::Redraw => screen.forget()?,
                Effect::Copy(text) => screen.copy(&text)?,
                Effect::Notify(text) => screen.notify(&text)?,
                Effect::Replay(to) => {
                    if let Some(text) = tape.step(to)? {
                        app.say(SafeText::from(text), Tone::Calm, tape.now());
                    }
                }
                Effect::Plan { generation, .. } => app.no_plan(generation, refused.into(), tape.now()),
                Effect::Confirm { .. }
                | Effect::Stop(_)
                | Effect::Record
                | Effect::ImportProfile { .. }
                | Effect::ExportProfile { .. } => {
                    app.say(refused.into(), Tone::Warn, tape.now());
                }
                Effect::ReadJournal => {
                    let text = "a recording has no journal; `quell report` reads both together";
                    app.journal_read(Err(text.into()));
                }
                Effect::Switch(_) => {
                    app.say("a recording is of one account and region".into(), Tone::Warn, tape.now());
                }
                Effect::Examine => app.examined(Err(refused.into())),
                Effect::Watch(_) | Effect::ListenTo(_) | Effect::ReadSoon(_) | Effect::ReadProfiles => {}
            }
        }
    }
}

fn press(app: &mut App, tape: &Tape, event: TerminalEvent, screen: &mut Screen) -> std::io::Result<()> {
    let env = Env { fleet: tape.player.fleet(), now: tape.now() };
    match event {
        TerminalEvent::Key(key) if key.kind != KeyEventKind::Release => app.key(key, &env),
        TerminalEvent::Paste(text) => app.paste(&text, &env),
        TerminalEvent::Resize(..) => screen.forget()?,
        _ => {}
    }
    Ok(())
}
