//! A response without a screen: the same stream, fleet and responder as the console's, and what to wait for.

use std::collections::HashSet;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use color_eyre::eyre::eyre;
use futures_util::{Stream, StreamExt as _};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::cli::exit;
use crate::cloud::Aws;
use crate::config::Settings;
use crate::response::{
    ActionView, Answer, Intent, Listener, Outcome, Plan, Responder, RowState, Stop, Sweep, Swept, Target,
    TargetOutcome,
};
use crate::stream::StreamHandle;
use quell_fleet::event::Event;
use quell_fleet::known::Trouble;
use quell_fleet::text::SafeText;
use quell_fleet::{Fleet, LinkState};

/// How long the commands listen before they plan.
const LISTEN: Duration = Duration::from_secs(3);

/// A sweep ends by itself before this time.
const SWEEP: Duration = Duration::from_secs(120);

/// How a confirmed plan ended.
pub(in crate::cli) enum Ended {
    /// It ran.
    View {
        /// How far.
        view: Box<ActionView>,
        /// By ctrl-c.
        interrupted: bool,
    },
    /// The gate, or the operator, said no; it is in the journal.
    Refused(SafeText),
}

/// The rooms a response needs, running.
pub(in crate::cli) struct Session {
    responder: Responder,
    answered: mpsc::Receiver<Answer>,
    fleet: Arc<Mutex<Fleet>>,
    clients: Aws,
    /// Held so that the stream lives as long as the session.
    _stream: StreamHandle,
}

impl Session {
    pub(in crate::cli) async fn open(settings: &Settings) -> color_eyre::Result<Self> {
        let clients = Aws::connect(settings).await.map_err(|t| crate::cli::reads::Unreached::from(&t))?;
        let (events, received) = mpsc::channel::<Event>(64);
        let (answers, answered) = mpsc::channel(64);
        let responder = Responder::spawn(clients.clone(), settings, events.clone(), answers);
        let signer = Some(crate::cli::source::signer(&clients));
        let host = clients.mqtt_host.as_deref();
        let stream = crate::stream::spawn(settings, signer, host, events);
        responder.asks_by(stream.questions());
        let fleet = Arc::new(Mutex::new(Fleet::new(settings.limits())));
        tokio::spawn(follow(received, responder.listener(), Arc::clone(&fleet)));
        Ok(Self { responder, answered, fleet, clients, _stream: stream })
    }

    /// True as soon as telemetry is received, false when it is not within this time.
    pub(in crate::cli) async fn listens(&self, within: Duration) -> bool {
        let until = tokio::time::Instant::now() + within;
        loop {
            if matches!(self.fleet.lock().link().state(), LinkState::Up) {
                return true;
            }
            if tokio::time::Instant::now() >= until {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Fills in the things a certificate serves that was named without any; what cannot be read the plan says.
    pub(in crate::cli) async fn served(&self, mut intent: Intent) -> Intent {
        let (Intent::Deactivate { things, certificate: Some(id) }
        | Intent::Activate { things, certificate: Some(id) }
        | Intent::Revoke { things, certificate: Some(id) }) = &mut intent
        else {
            return intent;
        };
        if things.is_empty()
            && let Ok(served) = crate::response::things_served(&self.clients, id).await
        {
            things.extend(served.into_iter().map(Target::named));
        }
        intent
    }

    /// The clients, for reads.
    pub(in crate::cli) fn clients(&self) -> &Aws {
        &self.clients
    }

    /// What `look` makes of the fleet as it was heard till now.
    pub(in crate::cli) fn heard<T>(&self, look: impl FnOnce(&Fleet) -> T) -> T {
        look(&self.fleet.lock())
    }

    /// Fills in what the fleet knows of the targets, after listening for a moment.
    pub(in crate::cli) async fn acquaint(&self, intent: Intent) -> Intent {
        acquaint(intent, &self.fleet).await
    }

    /// What things left behind, looked at now, after listening for a moment.
    pub(in crate::cli) async fn swept_now(
        &self,
        settings: &Settings,
        things: Vec<Target>,
    ) -> Result<Vec<Sweep>, Trouble> {
        let intent = self.acquaint(Intent::Isolate { things, group: None, time: None }).await;
        crate::response::sweep::now(&self.clients, settings, intent.things()).await
    }

    pub(in crate::cli) async fn plan(&mut self, intent: Intent) -> color_eyre::Result<Box<Plan>> {
        self.responder.plan(1, intent);
        loop {
            match self.answered.recv().await {
                Some(Answer::Plan { result, .. }) => return result.map_err(|t| eyre!("{}", t.message)),
                Some(answer) => notice(&answer),
                None => return Err(eyre!("the plan was not computed")),
            }
        }
    }

    /// Writes into the journal that the operator said no.
    pub(in crate::cli) async fn decline(&mut self, plan: Box<Plan>, why: &str) -> color_eyre::Result<Ended> {
        self.responder.decline(*plan, SafeText::new(why));
        loop {
            match self.answered.recv().await {
                Some(Answer::Refused { reason, .. }) => return Ok(Ended::Refused(reason)),
                Some(answer) => notice(&answer),
                None => return Err(eyre!("the refusal was not written down")),
            }
        }
    }

    /// Runs a confirmed plan to its end, or until `stop` says so, telling on stderr how far it is. Each later word of `stop`
    /// hurries it: the outcome is written down whatever comes.
    pub(in crate::cli) async fn run(
        &mut self,
        plan: Box<Plan>,
        typed: String,
        limit: Option<Duration>,
        stop: impl Stream<Item = Stop>,
    ) -> color_eyre::Result<Ended> {
        let id = plan.id().clone();
        self.responder.confirm(*plan, Some(typed));
        let deadline = async {
            match limit {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(deadline);
        tokio::pin!(stop);
        let (mut interrupted, mut late, mut said) = (false, false, Said::default());
        loop {
            tokio::select! {
                answer = self.answered.recv() => match answer {
                    Some(Answer::Done(view)) => {
                        said.end();
                        return Ok(Ended::View { view: Box::new(view), interrupted });
                    }
                    Some(Answer::Progress(view)) => said.progress(&view),
                    Some(Answer::Refused { reason, .. }) => return Ok(Ended::Refused(reason)),
                    Some(answer) => notice(&answer),
                    None => {
                        return Err(eyre!("the response ended without an outcome; the journal says how far it came"));
                    }
                },
                () = &mut deadline, if !late => {
                    late = true;
                    self.responder.stop(&id, Stop::Timeout(limit.unwrap_or_default()));
                }
                Some(why) = stop.next() => {
                    if std::mem::replace(&mut interrupted, true) {
                        let _ = writeln!(io::stderr(), "stopping: how far it came is being written down");
                    }
                    self.responder.stop(&id, why);
                }
            }
        }
    }

    /// Waits for the sweep that follows a response, where one does, or until `stop`: what is told of the response is not
    /// changed by it.
    pub(in crate::cli) async fn swept(
        &mut self,
        view: Box<ActionView>,
        stop: impl Future,
    ) -> Box<ActionView> {
        if view.swept != Swept::Running {
            return view;
        }
        let found = async {
            loop {
                match self.answered.recv().await {
                    Some(Answer::Swept(swept)) if swept.id == view.id => return Some(Box::new(swept)),
                    Some(answer) => notice(&answer),
                    None => return None,
                }
            }
        };
        let found = tokio::select! {
            found = tokio::time::timeout(SWEEP, found) => found.ok().flatten(),
            _ = stop => None,
        };
        found.unwrap_or(view)
    }
}

/// Says what came unasked.
fn notice(answer: &Answer) {
    if let Answer::Unwritten { plan, why } = answer {
        let _ = writeln!(io::stderr(), "{plan}: {why}");
    }
    if let Answer::Recovered { plans } = answer {
        for plan in plans {
            let _ = writeln!(
                io::stderr(),
                "{} ({}) never ended: quell journal recover says how far it came",
                plan.title,
                plan.id
            );
        }
    }
}

/// Columns that every terminal has, but the last.
const LINE: usize = 79;
/// How often a line that stays is told anew.
const BETWEEN: Duration = Duration::from_millis(500);

/// What was told on stderr. On a terminal one line is drawn over itself; elsewhere a line is told once, also where a device that
/// keeps trying makes a step open and done in turn.
#[derive(Default)]
struct Said {
    lines: HashSet<String>,
    last: String,
    at: Option<Instant>,
}

impl Said {
    fn progress(&mut self, view: &ActionView) {
        let (many, live) = (view.targets.len() > 1, io::stderr().is_terminal());
        let line = if many { bar(view) } else { row(view, live) };
        let soon = self.at.is_some_and(|at| at.elapsed() < BETWEEN);
        if line.is_empty() || line == self.last || (soon && (many || live)) {
            return;
        }
        if live {
            let over = self.last.chars().count().saturating_sub(line.chars().count());
            let _ = write!(io::stderr(), "\r{line}{}", " ".repeat(over));
        } else if !self.lines.insert(line.clone()) {
            return;
        } else {
            let _ = writeln!(io::stderr(), "{line}");
        }
        (self.last, self.at) = (line, Some(Instant::now()));
    }

    fn end(&self) {
        if !self.last.is_empty() && io::stderr().is_terminal() {
            let _ = writeln!(io::stderr());
        }
    }
}

/// `3/7 · next: silent for 30 s`, with what is known of it so far where it is told live.
fn row(view: &ActionView, live: bool) -> String {
    let done = view.rows.iter().filter(|r| matches!(r.state, RowState::Done(_))).count();
    let open = view.rows.iter().find(|r| matches!(r.state, RowState::Running | RowState::Waiting));
    let Some(open) = open else { return String::new() };
    let detail = match open.detail.as_str() {
        detail if live && !detail.is_empty() => format!("  {detail}"),
        _ => String::new(),
    };
    let line = format!("  {done}/{} · next: {}{detail}", view.rows.len(), open.title);
    // What is longer than a terminal's line cannot be drawn over.
    if live { line.chars().take(LINE).collect() } else { line }
}

/// `[########------------]  81/200 · 2 failed`.
fn bar(view: &ActionView) -> String {
    const WIDTH: usize = 30;
    let ended = view.targets.iter().filter(|t| t.outcome.is_some()).count();
    let failed =
        view.targets.iter().filter(|t| matches!(t.outcome, Some(TargetOutcome::Failed { .. }))).count();
    let full = ended * WIDTH / view.targets.len().max(1);
    let failed = if failed > 0 { format!(" · {failed} failed") } else { String::new() };
    let (done, open) = ("#".repeat(full), "-".repeat(WIDTH - full));
    format!("  [{done}{open}] {ended}/{}{failed}", view.targets.len())
}

/// Keeps the fleet true while there is no screen that shows it.
async fn follow(mut received: mpsc::Receiver<Event>, mut listener: Listener, fleet: Arc<Mutex<Fleet>>) {
    while let Some(event) = received.recv().await {
        listener.observe(&event);
        let now = jiff::Timestamp::now().as_millisecond();
        let mut fleet = fleet.lock();
        fleet.apply(event, now);
        listener.heed(&fleet, now);
    }
}

/// Listens for a moment, so that silence can be told from a topic nobody knows, and says when nothing is received.
async fn acquaint(mut intent: Intent, fleet: &Mutex<Fleet>) -> Intent {
    if intent.things().is_empty() {
        return intent;
    }
    let names: Vec<String> = intent.things().iter().map(|t| t.thing.raw().to_owned()).collect();
    let known = || {
        let fleet = fleet.lock();
        names.iter().all(|n| fleet.find(n).is_some_and(|id| fleet.device(id).last_seen().is_some()))
    };
    let until = tokio::time::Instant::now() + LISTEN;
    while !known() && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let fleet = fleet.lock();
    if !matches!(fleet.link().state(), LinkState::Up) {
        let _ = writeln!(io::stderr(), "telemetry is not received: GetConnection has to prove it");
    }
    for target in intent.things_mut() {
        *target = fleet.target_named(&target.thing);
    }
    intent
}

/// The exit code of an ended response.
pub(in crate::cli) fn code(view: &ActionView, interrupted: bool) -> u8 {
    match view.finished {
        _ if interrupted => exit::INTERRUPTED,
        Some(Outcome::Proven) => exit::DONE,
        Some(Outcome::Unproven) => exit::UNPROVEN,
        Some(Outcome::Interrupted | Outcome::Left) => exit::INTERRUPTED,
        Some(Outcome::Partly) => exit::PARTLY,
        Some(Outcome::Failed) | None => exit::FAILED,
    }
}
