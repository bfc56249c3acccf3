//! The same screens from a recording: the player's time instead of the clock's, and nothing that could leave the process.

use std::io;
use std::time::{Duration, Instant};

use quell_fleet::record::Player;
use quell_fleet::text::SafeText;
use quell_fleet::{Fleet, Ms};

use super::super::app::{Effect, Msg, ReplayMove, Tone};
use super::{News, World};
use crate::response::Stop;

/// A frame this often while time runs.
const FRAME: Duration = Duration::from_millis(66);
/// The clock of a recording that is held.
const HELD: Duration = Duration::from_secs(1);
/// How fast time may run.
const SPEEDS: [f64; 9] = [0.25, 0.5, 1.0, 2.0, 4.0, 10.0, 30.0, 60.0, 300.0];
/// What is said of everything that would change something.
const REFUSED: &str = "a recording is played: nothing can be changed";

/// Where the recording stands and how fast it runs.
pub(super) struct Tape {
    player: Player,
    paused: bool,
    speed: usize,
    /// The time shown, and when it was: in between it runs.
    anchor: (Ms, Instant),
    /// So many damaged parts were told.
    damages: usize,
}

impl Tape {
    pub(super) fn new(player: Player) -> Self {
        let begin = player.span().0;
        Self { player, paused: false, speed: 2, anchor: (begin, Instant::now()), damages: 0 }
    }

    fn factor(&self) -> f64 {
        SPEEDS.get(self.speed).copied().unwrap_or(1.0)
    }

    fn hold(&mut self, at: Ms) {
        self.anchor = (at, Instant::now());
    }

    /// Goes to a time; backwards the fleet is another one.
    fn seek(&mut self, to: Ms, told: &mut Vec<Msg>) -> io::Result<()> {
        let (begin, end) = self.player.span();
        let to = to.clamp(begin, end);
        if to < self.player.at() {
            told.push(Msg::Rewound);
        }
        self.player.seek(to)?;
        self.hold(to);
        Ok(())
    }

    /// Moves, and tells what came of it.
    fn step(&mut self, to: ReplayMove) -> io::Result<Vec<Msg>> {
        let now = self.now();
        let (begin, end) = self.player.span();
        let mut told = Vec::new();
        self.hold(now);
        match to {
            ReplayMove::Pause => {
                self.paused = !self.paused;
                if !self.paused && now >= end {
                    self.seek(begin, &mut told)?;
                }
            }
            ReplayMove::Faster => self.speed = (self.speed + 1).min(SPEEDS.len() - 1),
            ReplayMove::Slower => self.speed = self.speed.saturating_sub(1),
            ReplayMove::By(ms) => self.seek(now.saturating_add(ms), &mut told)?,
            ReplayMove::NextAlarm => {
                self.paused = true;
                let found = self.player.next_alarm()?;
                self.hold(self.player.at());
                let text = match found {
                    Some(_) => "an alarm; space goes on",
                    None => "no further alarm: this is the end",
                };
                told.push(Msg::Say(text.into(), Tone::Calm));
            }
        }
        told.extend(self.tick()?);
        Ok(told)
    }

    fn badge(&self) -> SafeText {
        let (begin, end) = self.player.span();
        let clock = |ms: Ms| format!("{}:{:02}", ms / 60_000, ms % 60_000 / 1000);
        let speed = self.factor();
        let state = if self.paused { "paused".to_owned() } else { format!("×{speed}") };
        SafeText::from(format!("REPLAY {state} {}/{}", clock(self.now() - begin), clock(end - begin)))
    }
}

impl World for Tape {
    fn fleet(&self) -> &Fleet {
        self.player.fleet()
    }

    fn now(&self) -> Ms {
        let (at, since) = self.anchor;
        if self.paused {
            return at;
        }
        let passed = since.elapsed().as_secs_f64() * 1000.0 * self.factor();
        at.saturating_add(passed as Ms).min(self.player.span().1)
    }

    fn pace(&self) -> Duration {
        if self.paused || self.now() >= self.player.span().1 { HELD } else { FRAME }
    }

    async fn news(&mut self) -> News {
        // Nothing happens but what was recorded, at its time.
        std::future::pending().await
    }

    fn tick(&mut self) -> io::Result<Vec<Msg>> {
        let changes = self.player.advance(self.now())?;
        let mut told = vec![Msg::Fleet(changes), Msg::Badge(self.badge())];
        let damages = self.player.damages();
        if let Some(last) = damages.last().filter(|_| damages.len() > self.damages) {
            let clock = |ms: Ms| {
                let ms = (ms - self.player.span().0).max(0);
                format!("{}:{:02}", ms / 60_000, ms % 60_000 / 1000)
            };
            let more = damages.len() - self.damages;
            let others = if more > 1 { format!(" (and {} parts more)", more - 1) } else { String::new() };
            let text = format!(
                "the recording is damaged from {} to {}, which is skipped{others}: {}",
                clock(last.from),
                clock(last.to),
                last.what
            );
            self.damages = damages.len();
            told.push(Msg::Say(SafeText::new(&text), Tone::Warn));
        }
        Ok(told)
    }

    async fn leave(&mut self, _running: usize, _why: Stop) {
        // What ran then runs no more.
    }

    fn carry_out(&mut self, effect: Effect) -> io::Result<Vec<Msg>> {
        Ok(match effect {
            Effect::Replay(to) => self.step(to)?,
            Effect::Plan { generation, .. } => vec![Msg::NoPlan { generation, why: REFUSED.into() }],
            Effect::Confirm { .. }
            | Effect::Stop(_)
            | Effect::Record
            | Effect::Note { .. }
            | Effect::ImportProfile { .. }
            | Effect::ExportProfile { .. } => vec![Msg::Say(REFUSED.into(), Tone::Warn)],
            Effect::ReadPolicy { thing, path } => {
                let read = super::files::read(&path);
                vec![Msg::PolicyRead { thing, path, read }]
            }
            Effect::ReadJournal => {
                let text = "a recording has no journal; `quell report` reads both together";
                vec![Msg::Journal(Err(text.into()))]
            }
            Effect::Switch(_) => {
                vec![Msg::Say("a recording is of one account and region".into(), Tone::Warn)]
            }
            Effect::Examine => vec![Msg::Examined(Err(REFUSED.into()))],
            // What would be read is in the recording, if it was read.
            Effect::Watch(_) | Effect::ListenTo(_) | Effect::ReadSoon(_) | Effect::ReadProfiles => Vec::new(),
            // Nothing is opened besides.
            Effect::Arrive(_) | Effect::Stay => Vec::new(),
            // The screen's own, done before they come here.
            Effect::Quit | Effect::Suspend | Effect::Redraw | Effect::Copy(_) | Effect::Notify(_) => {
                Vec::new()
            }
        })
    }
}
