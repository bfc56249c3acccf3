//! The console on a real terminal while things go wrong: what it shows is looked at all the time, and no key
//! is pressed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::term::Term;
use crate::world::{Cloud, Publisher};

/// Longer than anything here takes, also on a machine that does other things.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// The console, its home, and what may never be seen on it.
pub(crate) struct Screen {
    pub(crate) term: Term,
    home: tempfile::TempDir,
    never: Vec<String>,
}

/// Polls every second, and a connection that says nothing is dead after ten.
pub(crate) const QUICK: &str = "[polls]\nidle-seconds = 1\nalarm-seconds = 1\nregistry-seconds = 1\njobs-seconds = 1\n\
                                [mqtt]\nkeep-alive-seconds = 5\nversion = '3.1.1'\n";

impl Screen {
    /// The console through the cloud's door.
    pub(crate) fn of(cloud: &Cloud, more: &[&str]) -> Self {
        let mut args = cloud.flags();
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        Self::start(&args, &[("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")])
    }

    pub(crate) fn start(args: &[String], env: &[(&str, &str)]) -> Self {
        Self::with(args, env, QUICK)
    }

    pub(crate) fn with(args: &[String], env: &[(&str, &str)], config: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("config.toml");
        std::fs::write(&path, config).unwrap();
        let mut all: Vec<&str> = args.iter().map(String::as_str).collect();
        all.extend(["--config", path.to_str().unwrap()]);
        let term = Term::spawn(&all, 170, 50, home.path(), env);
        Self { term, home, never: Vec::new() }
    }

    /// From now on none of these may ever be shown: what is known not to be so.
    pub(crate) fn never(&mut self, texts: &[&str]) {
        self.never = texts.iter().map(|text| (*text).to_owned()).collect();
    }

    /// Waits until the screen is as wanted; every screen on the way is checked.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        self.wait_within(LONG, what, wanted)
    }

    /// The same within a time of its own.
    #[track_caller]
    pub(crate) fn wait_within(&self, time: Duration, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        self.term.wait_for(what, time, |screen| {
            self.check(screen);
            wanted(screen)
        })
    }

    /// Looks on for a while.
    #[track_caller]
    pub(crate) fn look_on(&self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.check(&self.term.screen());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    #[track_caller]
    fn check(&self, screen: &str) {
        for text in &self.never {
            // `10 alarm` is not `0 alarm`.
            let shown = screen.match_indices(text.as_str()).any(|(at, _)| {
                !screen[..at].chars().next_back().is_some_and(|before| before.is_ascii_digit())
            });
            assert!(!shown, "{text:?} is wrong, and shown:\n{screen}");
        }
        assert!(!screen.contains("panicked"), "{screen}");
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }
}

/// Devices that speak four times a second, straight to the broker.
pub(crate) struct Devices(Arc<AtomicBool>);

impl Devices {
    pub(crate) fn speak(publisher: Publisher) -> Self {
        let go = Arc::new(AtomicBool::new(true));
        let on = Arc::clone(&go);
        std::thread::spawn(move || {
            while on.load(Ordering::Relaxed) {
                for thing in 0..3 {
                    publisher.publish(&format!("dt/thing-{thing}/data"), br#"{"t":21.5}"#);
                }
                std::thread::sleep(Duration::from_millis(250));
            }
        });
        Self(go)
    }
}

impl Drop for Devices {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// One column of a sparkline.
pub(crate) fn bar(c: char) -> bool {
    ('▁'..='█').contains(&c)
}

/// The sparkline of a device's row.
pub(crate) fn sparkline<'a>(screen: &'a str, thing: &str) -> Option<&'a str> {
    screen.lines().find(|line| line.contains(thing) && line.contains(bar))
}

/// True when the row shows messages, then a stretch in which nobody listened, then messages again.
pub(crate) fn shows_gap(screen: &str, thing: &str) -> bool {
    let Some(line) = sparkline(screen, thing) else { return false };
    let drawn: Vec<char> = line.chars().skip_while(|c| !bar(*c)).collect();
    let last = drawn.iter().rposition(|c| bar(*c)).unwrap_or(0);
    // A stretch of silence would be dots; one in which nobody listened is a rule.
    drawn[..last].contains(&'─')
}
