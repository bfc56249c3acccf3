//! After an isolation for a time: until when, who releases it, and the command that stays to do so itself.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::exit;
use crate::cli::output::iso;
use crate::cli::respond::answer::{Answerer, How as Answering};
use crate::cloud::{self, now_ms};
use crate::config::Settings;
use crate::console::event_loop::Ends;
use crate::response::alert::AlertRules;
use crate::response::timed::{self, Releaser};
use crate::response::{ActionView, HeldFor, Intent, TargetOutcome};
use quell_fleet::Ms;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;
use quell_fleet::{LinkState, Word};

use super::{How, Session};

/// Devices that were isolated for a time.
pub(super) struct Held {
    time: HeldFor,
    group: Option<String>,
    /// When their time began: with the end of the response.
    since: Ms,
    things: Vec<Name>,
}

impl Held {
    /// Those of a response that are isolated now, as far as it came; none where it was not for a time, or changed nothing.
    pub(super) fn of(intent: &Intent, view: &ActionView, since: Ms) -> Option<Self> {
        let Intent::Isolate { group, time: Some(time), .. } = intent else { return None };
        let held = |outcome: &TargetOutcome| !matches!(outcome, TargetOutcome::Failed { .. });
        let targets = view.targets.iter().filter(|target| target.outcome.as_ref().is_some_and(held));
        let things: Vec<Name> = targets.map(|target| target.name.clone()).collect();
        let group = group.as_ref().map(|group| group.raw().to_owned());
        (!things.is_empty()).then_some(Self { time: *time, group, since, things })
    }

    fn until(&self) -> Ms {
        self.since.saturating_add(self.time.length)
    }

    fn whom(&self) -> SafeText {
        SafeText::new(&quell_fleet::format::few(&self.things, |name| name.raw().to_owned()))
    }

    /// Who ends it: asked when the response has ended, since the plan said it of a moment before. None for this command, which
    /// does not stay when it was interrupted.
    pub(super) async fn releaser(&self, settings: &Settings, interrupted: bool) -> Option<Releaser> {
        match self.time.waits {
            true if interrupted => Some(Releaser::Nobody),
            true => None,
            false => Some(timed::releaser(&settings.journal).await),
        }
    }

    /// For people.
    pub(super) fn words(&self, releaser: Option<Releaser>) -> String {
        let until = iso(self.until());
        match releaser {
            None => format!(
                "isolated until {until}: this command stays and releases it then, unless it offends again\n"
            ),
            Some(Releaser::Guard) => {
                format!(
                    "isolated until {until}: the guard that runs here releases it then, unless it offends again\n"
                )
            }
            Some(Releaser::DryGuard | Releaser::Nobody) => {
                let things = self.things.iter().map(|name| name.raw());
                let release = quell_fleet::shell::command(&["quell", "release"], things);
                format!(
                    "DANGER: isolated until {until}, and nobody is here to release it then: start quell guard --yes, or run\n  {release}\n"
                )
            }
        }
    }

    /// For programs.
    pub(super) fn json(&self, releaser: Option<Releaser>) -> Value {
        let by = match releaser {
            None => "this command",
            Some(Releaser::Guard) => "guard",
            Some(Releaser::DryGuard | Releaser::Nobody) => "nobody",
        };
        json!({"seconds": self.time.length / 1000, "until": iso(self.until()), "releasedBy": by})
    }

    /// Stays until each device is released, or a person released it, or the command is told to end. What became of each, and
    /// the exit code.
    pub(super) async fn stay(
        self,
        session: &Session,
        settings: &Settings,
        how: &How,
    ) -> color_eyre::Result<(Vec<Value>, u8)> {
        let asked = Answering { acts: true, timeout: how.timeout, ..Answering::default() };
        let answerer = Arc::new(Box::pin(Answerer::open(settings, AlertRules::default(), asked)).await?);
        let mut ends = Ends::new()?;
        let mut waiting: Vec<Waiting> = self
            .things
            .iter()
            .map(|name| Waiting {
                name: name.clone(),
                since: self.since,
                until: self.until(),
                times: 1,
                failed: None,
            })
            .collect();
        let (mut told, mut code) = (Vec::new(), exit::DONE);
        while let Some(next) = waiting.iter().map(|one| one.until).min() {
            let pause = Duration::from_millis(u64::try_from(next - now_ms()).unwrap_or(0));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = ends.any() => {
                    let rest = Self { things: waiting.into_iter().map(|one| one.name).collect(), ..self };
                    let things = rest.things.iter().map(|name| name.raw());
                    let release = quell_fleet::shell::command(&["quell", "release"], things);
                    let _ = writeln!(io::stderr(), "left: {} stays isolated; to release it: {release}", rest.whom());
                    told.extend(rest.things.iter().map(|name| json!({"thing": name.raw(), "result": "left"})));
                    return Ok((told, exit::INTERRUPTED));
                }
            }
            let now = now_ms();
            let (due, rest) = waiting.into_iter().partition(|one| one.until <= now);
            waiting = rest;
            for one in due {
                match one.end(session, &answerer, &self, &mut ends).await {
                    Ended::Still(one) => waiting.push(one),
                    Ended::Over(line, ended) => {
                        told.push(line);
                        code = if ended == exit::DONE { code } else { ended };
                    }
                }
            }
        }
        Ok((told, code))
    }
}

/// A device whose time is waited for.
struct Waiting {
    name: Name,
    since: Ms,
    until: Ms,
    /// How often it was held: longer each time.
    times: u32,
    /// The pause after the last attempt to release it that failed.
    failed: Option<Ms>,
}

enum Ended {
    Still(Waiting),
    Over(Value, u8),
}

impl Waiting {
    /// Its time is over: it is let go, unless it offended, or a person let it go before.
    async fn end(
        mut self,
        session: &Session,
        answerer: &Arc<Answerer>,
        held: &Held,
        ends: &mut Ends,
    ) -> Ended {
        let (name, group) = (self.name.raw().to_owned(), held.group.as_deref());
        let over = |result: &str, why: &str, code: u8| {
            let _ = writeln!(io::stderr(), "{}: {result}: {why}", SafeText::new(&name));
            Ended::Over(json!({"thing": name, "result": result, "why": why}), code)
        };
        if Box::pin(answerer.is_held(&name, group)).await == Some(false) {
            let why = format!("it is not in {} any more", SafeText::new(&answerer.group_or_own(group)));
            return over("out already", &why, exit::DONE);
        }
        if let Some(why) = Box::pin(offended(session, &name, self.since)).await {
            let length = timed::lasts(held.time.length, self.times);
            let now = now_ms();
            (self.since, self.until, self.times) = (now, now + length, self.times + 1);
            let until = iso(self.until);
            let _ = writeln!(io::stderr(), "{}: {why}: it stays until {until}", self.name.shown());
            return Ended::Still(self);
        }
        let released = {
            let releasing = answerer.release(&name, group);
            tokio::pin!(releasing);
            tokio::select! {
                released = &mut releasing => released,
                // What is under way is stopped and written down.
                _ = ends.any() => {
                    answerer.stop();
                    releasing.await
                }
            }
        };
        let (result, why) = released.result();
        if released.code == exit::FAILED {
            let pause = timed::pause(self.failed, timed::AGAIN.as_millis() as Ms);
            let _ =
                writeln!(io::stderr(), "{}: {result}: {why}; again in {} s", self.name.shown(), pause / 1000);
            (self.failed, self.until) = (Some(pause), now_ms() + pause);
            return Ended::Still(self);
        }
        over(result, why.as_str(), released.code)
    }
}

/// Why a device is not let go: what was heard of it, and what AWS found, since its time began.
async fn offended(session: &Session, name: &str, since: Ms) -> Option<String> {
    let heard = session.heard(|fleet| {
        if !matches!(fleet.link().state(), LinkState::Up) {
            let _ = writeln!(
                io::stderr(),
                "telemetry is not received: whether {} was heard is not known",
                SafeText::new(name)
            );
        }
        let leaks = fleet.find(name).is_some_and(|id| fleet.device(id).word() == Word::Leaking);
        let found = fleet.own_findings().iter().find(|one| one.thing.raw() == name && one.found > since);
        match found {
            Some(found) => {
                Some(format!("it does not meet {} of {}", SafeText::new(&found.behavior.name), found.profile))
            }
            None => leaks.then(|| "it was heard although it is isolated".to_owned()),
        }
    });
    if heard.is_some() {
        return heard;
    }
    match Box::pin(cloud::read::active_violations(session.clients(), Some(name))).await {
        Ok(found) => found
            .iter()
            .find(|violation| violation.started > since)
            .map(|violation| format!("AWS has it in violation of {}", violation.behavior.name)),
        Err(trouble) => {
            let _ = writeln!(
                io::stderr(),
                "whether AWS has {} in violation is not known: {}",
                SafeText::new(name),
                trouble.message
            );
            None
        }
    }
}
