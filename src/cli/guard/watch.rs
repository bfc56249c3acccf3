//! A guard's loop: what is heard goes into the fleet, what the fleet is found to be is written down and told, and what the rules
//! say is done beside it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::cli::output::iso;
use crate::cli::reads::{asked_where, code, sentence};
use crate::cli::respond::answer::{Answered, Answerer, How};
use crate::cli::respond::crew::Crew;
use crate::cli::source::Source;
use crate::cli::{Common, exit};
use crate::cloud::now_ms;
use crate::config::{AlertKind, Environment, Settings};
use crate::guard::deliver::{Delivery, Patience};
use crate::guard::health::{self, Health, NotJudgedHealth, SinkHealth};
use crate::guard::leader::{LENGTH, Leader};
use crate::guard::notify::Notify;
use crate::guard::raised::{self, Raised};
use crate::guard::sink::Post;
use crate::guard::store::Hold;
use crate::guard::store::keep_windows;
use crate::guard::{Alert, Judge, Step, Store};
use crate::response::alert::notify::sns_endpoint;
use crate::response::alert::web::Web;
use crate::response::alert::{Alert as Alarm, AlertRules};
use crate::response::timed::{self, Isolated};
use crate::response::{Voice, shared};
use quell_fleet::event::Event;
use quell_fleet::text::SafeText;
use quell_fleet::{Fleet, Heed, Ms, NotJudged, Word};

use super::GuardArgs;

/// How often every device is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Windows are kept at most this often, and never for more than a fiftieth of the time.
const KEEP: Duration = Duration::from_secs(2);
const SHARE: u32 = 50;
/// At the end what is under way gets this long: actions to stop and write down how far they came, alerts to be delivered.
const LEAVE: Duration = Duration::from_secs(30);
const FLUSH: Duration = Duration::from_secs(5);
/// Alerts that wait to be acted on; beyond it the rules' own limit for an hour has long been passed.
const QUEUE: usize = 1_000;

/// Isolations by persons for a time that wait while nothing is acted on.
const ASKED: usize = 1_000;
/// One whose time has been over for so long when a guard first reads of it is left to persons; less than what is over is
/// remembered for, so that what was released is not released again.
const STALE: Ms = 86_400_000;
/// How often a device was held is remembered for so long.
const REMEMBERED: Ms = 7 * 86_400_000;
/// Alerts kept in memory while the disk is full; beyond it the oldest are lost, and that is logged.
const UNTOLD: usize = 100_000;

/// Behaviours that are named as not judged, at most.
const NOT_JUDGED: usize = 500;

/// A dry run plans so many answers within an hour: each reads the account and connects.
const PLANNED: usize = 20;
const HOUR: Ms = 3_600_000;

/// What is to be done.
enum Work {
    /// About an alarm; whether it is acted on, rather than planned only, and what came of it before, when it is tried again.
    Answer(Box<Alarm>, bool, Option<&'static str>),
    /// A device's time is over; whether it offended meanwhile.
    Release(Hold, bool),
}

/// What came of it.
enum Done {
    /// And whether it was acted on.
    Answered(Box<Alarm>, Answered, bool),
    /// It is held, as far as was written down, and out of its group before its time: it is left alone.
    LeftAlone(Box<Alarm>, Hold),
    /// Its time was over, and it was in its group still.
    Released(Hold, Answered),
    /// Its time is over, and it is out of its group already.
    Out(Hold),
    /// It offended: it stays for longer.
    Stays(Hold),
    /// Whether it is in its group could not be read, and it offended: neither is done.
    Unread(Hold),
}

async fn work(work: Work, answerer: Arc<Answerer>, store: Arc<Mutex<Store>>) -> Done {
    match work {
        Work::Answer(alarm, acts, before) => {
            let thing = answerer.thing(&alarm);
            let hold = store.lock().holds().find(|hold| hold.thing == thing && !hold.over).cloned();
            if let Some(hold) = hold
                && Box::pin(answerer.is_held(&hold.thing, hold.group.as_deref())).await == Some(false)
            {
                return Done::LeftAlone(alarm, hold);
            }
            if acts {
                let violation = alarm.violation.clone();
                let written =
                    tokio::task::spawn_blocking(move || store.lock().acting(&violation, true)).await;
                if let Err(error) = written.unwrap_or_else(|e| Err(io::Error::other(e))) {
                    let why =
                        format!("that it is begun could not be written down, and it is not begun: {error}");
                    let answered = Answered::ignored(None, &why, exit::FAILED);
                    return Done::Answered(alarm, answered, false);
                }
            }
            let answered = Box::pin(answerer.alert(&alarm, "", before)).await;
            Done::Answered(alarm, answered, acts)
        }
        Work::Release(hold, offended) => {
            match Box::pin(answerer.is_held(&hold.thing, hold.group.as_deref())).await {
                Some(false) => Done::Out(hold),
                Some(true) if offended => Done::Stays(hold),
                None if offended => Done::Unread(hold),
                // The plan reads for itself, and says what it cannot.
                Some(true) | None => {
                    let released = Box::pin(answerer.release(&hold.thing, hold.group.as_deref())).await;
                    Done::Released(hold, released)
                }
            }
        }
    }
}

/// What did not succeed, and when it is tried again.
struct Again {
    /// When; none while it is tried.
    at: Option<Ms>,
    pause: Ms,
    /// What was told of it: only another result is news.
    result: &'static str,
}

impl Again {
    fn after(before: Option<&Self>, first: Ms, result: &'static str, now: Ms) -> Self {
        let pause = timed::pause(before.map(|before| before.pause), first);
        Self { at: Some(now + pause), pause, result }
    }

    fn is_news(before: Option<&Self>, result: &str) -> bool {
        before.is_none_or(|before| before.result != result)
    }
}

/// What makes it end, or read its configuration anew.
struct Signals([(Signal, &'static str); 3], Signal);

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self(
            [
                (signal(SignalKind::terminate())?, "SIGTERM"),
                (signal(SignalKind::interrupt())?, "SIGINT"),
                (signal(SignalKind::quit())?, "SIGQUIT"),
            ],
            signal(SignalKind::hangup())?,
        ))
    }

    /// The signal that ends it; none for the one that asks for a new configuration.
    async fn any(&mut self) -> Option<&'static str> {
        let [term, int, quit] = &mut self.0;
        tokio::select! {
            _ = term.0.recv() => Some(term.1),
            _ = int.0.recv() => Some(int.1),
            _ = quit.0.recv() => Some(quit.1),
            _ = self.1.recv() => None,
        }
    }

    /// The signal that ends it; one that asks for a new configuration waits.
    async fn end(&mut self) -> &'static str {
        let [term, int, quit] = &mut self.0;
        tokio::select! {
            _ = term.0.recv() => term.1,
            _ = int.0.recv() => int.1,
            _ = quit.0.recv() => quit.1,
        }
    }
}

/// What was told and done since the start.
#[derive(Default)]
struct Counts {
    alerts: HashMap<(AlertKind, Step), u64>,
    actions: HashMap<&'static str, u64>,
    /// Proven, and not.
    proofs: (u64, u64),
    lag: Ms,
}

/// What runs.
struct Guard {
    fleet: Fleet,
    judge: Judge,
    store: Arc<Mutex<Store>>,
    delivery: Delivery,
    /// Found, and not written down yet: the disk was full.
    untold: Vec<Alert>,
    counts: Counts,
    health: Arc<Mutex<Health>>,
    acts: bool,
    /// Who of several guards acts; none where there is one only, or where nothing is acted on.
    leader: Option<Leader>,
    /// Whether this one did when it was last looked.
    led: bool,
    /// There is somebody to answer alerts: without an account nothing can be done.
    answers: bool,
    /// Found and not acted on yet.
    to_do: VecDeque<Alert>,
    /// What rules in AWS raise, where that is listened to.
    raised: Option<Raised>,
    /// By the alert's id: answers that failed.
    failed: BTreeMap<String, Again>,
    /// Isolated by persons for a time, and not held yet: only who acts holds.
    asked: VecDeque<Isolated>,
    /// Devices that are being let go.
    releasing: HashSet<String>,
    /// By thing: releases that did not succeed.
    unreleased: BTreeMap<String, Again>,
    /// The first pause after something failed.
    again: Ms,
    /// When a dry run planned something.
    planned: Vec<Ms>,
    windows: PathBuf,
    /// When windows were kept, and until when not again.
    kept: Instant,
}

pub(super) async fn run(
    args: &GuardArgs,
    mut settings: Settings,
    rules: AlertRules,
    common: &Common,
) -> color_eyre::Result<u8> {
    let mut signals = Signals::new()?;
    let folder = super::folder(args.state.as_ref(), &settings);
    let store = match Store::open(&folder) {
        Ok(store) => store,
        Err(error) => {
            let _ = writeln!(io::stderr(), "quell: {error}");
            return Ok(exit::FAILED);
        }
    };
    listen_to(args, &mut settings);
    let notify = Notify::to(std::env::var_os("NOTIFY_SOCKET").as_deref())?;
    let (sender, mut events) = mpsc::channel(64);
    let opened = tokio::select! {
        opened = Source::open(&settings, &sender) => opened,
        _ = signals.end() => return Ok(exit::INTERRUPTED),
    };
    let source = match opened {
        Ok(source) => source,
        Err(trouble) => {
            let place = asked_where(&trouble, &settings, common, &Environment::of_process());
            let _ = writeln!(io::stderr(), "quell: {}{place}", sentence(&trouble));
            return Ok(code(&trouble));
        }
    };
    let (isolated, mut isolations) = mpsc::channel(64);
    if let Some(aws) = &source.clients {
        tokio::spawn(shared::colleagues(aws.clone(), settings.clone(), sender.clone(), Some(isolated)));
    }
    drop(sender);
    let acts = args.yes && !settings.read_only && source.clients.is_some();
    let answerer = match &source.clients {
        Some(_) => {
            let how = How { acts: args.yes && !args.dry_run, timeout: args.timeout, ..How::default() };
            Some(Arc::new(Box::pin(Answerer::open(&settings, rules, how)).await?))
        }
        None => None,
    };
    let mut post = Post {
        web: Arc::new(Web::default()),
        aws: source.clients.clone(),
        sns: sns_endpoint(&settings),
        voice: Voice::of(&settings),
        proxies: settings.proxies.clone(),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
    };
    let leader = leader(&settings, &post, acts)?;
    let mut guard = Guard::begin(store, &settings, &post, acts, leader, answerer.is_some());
    guard.raised = args.raised.then(|| Raised::new(settings.thing_from.clone()));
    let bound = match args.listen.as_ref().or(settings.guard.listen.as_ref()) {
        Some(address) => {
            let address = address.parse().map_err(|_| {
                color_eyre::eyre::eyre!("{:?} is no ADDRESS:PORT to listen at", SafeText::new(address))
            })?;
            Some(health::serve(address, Arc::clone(&guard.health)).await?)
        }
        None => None,
    };
    health::serve_at(&folder.join("socket"), Arc::clone(&guard.health))?;
    if let Some(bound) = bound {
        let _ = writeln!(io::stderr(), "listening on http://{bound}/");
    }
    let mode = if acts { "acts by the rules" } else { "dry run: --yes acts" };
    let _ = writeln!(io::stderr(), "guarding; {mode}");
    let store = Arc::clone(&guard.store);
    let mut crew = Crew::new(
        answerer.as_ref().map_or(1, |a| a.at_once()),
        move |(to_do, answerer): (Work, Arc<Answerer>)| -> BoxFuture<'_, Done> {
            Box::pin(work(to_do, answerer, Arc::clone(&store)))
        },
    );
    let mut reading: Option<JoinHandle<Result<(Settings, AlertRules), String>>> = None;
    let mut loaded = settings.clone();
    let alive = Notify::watchdog(std::env::var("WATCHDOG_USEC").ok().as_deref());
    let mut watchdog = tokio::time::interval(alive.unwrap_or(Duration::from_secs(3_600)));
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let deadline = args.length.map(|length| tokio::time::Instant::now() + length);
    let mut ready = false;
    let code = loop {
        if let Some(answerer) = &answerer {
            for (thing, work) in guard.due(answerer, QUEUE.saturating_sub(crew.waiting())) {
                crew.add(thing, (work, Arc::clone(answerer)));
            }
        }
        tokio::select! {
            biased;
            signal = signals.any() => match signal {
                Some(name) => {
                    tracing::info!(signal = name, "ending");
                    break exit::INTERRUPTED;
                }
                None => {
                    notify.tell("RELOADING=1");
                    let (rules, common) = (args.rules.clone(), common.clone());
                    // A file on a network may hang: the loop goes on meanwhile.
                    reading = Some(tokio::task::spawn_blocking(move || super::reloaded(rules.as_ref(), &common)));
                }
            },
            read = async { match &mut reading { Some(reading) => reading.await, None => std::future::pending().await } } => {
                reading = None;
                match read.unwrap_or_else(|error| Err(error.to_string())) {
                    Ok((mut new, rules)) => {
                        listen_to(args, &mut new);
                        let told = settings.take_live(&loaded, &new);
                        settings.guard = new.guard.clone();
                        settings.security_profiles = new.security_profiles.clone();
                        loaded = new;
                        // First of all: what is read-only from now on writes nothing.
                        if let Some(answerer) = &answerer {
                            answerer.take(&settings, rules);
                        }
                        post.voice = Voice::of(&settings);
                        guard.acts_by(args.yes, &settings, &post);
                        source.stream.take(&settings);
                        guard.reload(&settings, &post);
                        tracing::info!(now = ?told.now, later = ?told.later, "read anew");
                    }
                    Err(why) => {
                        let _ = writeln!(io::stderr(), "quell: {why}; the old configuration stays in force");
                    }
                }
                notify.tell("READY=1");
            }
            done = crew.next() => guard.done(done, answerer.as_deref()),
            Some(isolated) = isolations.recv() => guard.isolated(isolated),
            event = events.recv() => match event {
                Some(event) => guard.event(event),
                None => break exit::FAILED,
            },
            _ = look.tick() => {
                guard.look();
                if guard.health.lock().hears && !std::mem::replace(&mut ready, true) {
                    notify.tell("READY=1\nSTATUS=listening");
                }
            }
            _ = watchdog.tick(), if alive.is_some() => notify.tell("WATCHDOG=1"),
            () = async { match deadline { Some(at) => tokio::time::sleep_until(at).await, None => std::future::pending().await } } => {
                break exit::DONE;
            }
        }
        if let Some(polls) = &source.polls {
            guard.fleet.take_wanted().into_iter().for_each(|source| polls.now(source));
        }
    };
    notify.tell("STOPPING=1");
    crew.dismiss();
    if let Some(answerer) = &answerer {
        answerer.stop();
    }
    let until = tokio::time::Instant::now() + LEAVE;
    while !crew.is_idle() {
        let Ok(done) = tokio::time::timeout_at(until, crew.next()).await else { break };
        guard.done(done, answerer.as_deref());
    }
    guard.end();
    if guard.tells() {
        let _ = tokio::time::timeout(FLUSH, guard.delivery.settled()).await;
    }
    if let Some(leader) = guard.leader.take() {
        leader.give_up().await;
    }
    Ok(code)
}

/// Who acts, of several guards; none where this one does not, or there is only one.
fn leader(settings: &Settings, post: &Post, acts: bool) -> io::Result<Option<Leader>> {
    match (&post.aws, &post.voice) {
        (Some(aws), Some(voice)) if acts && !settings.guard.lease.is_empty() => {
            let length = settings.scaled(LENGTH).max(Duration::from_secs(2));
            let (lease, host) = (&settings.guard.lease, &post.host);
            Leader::begin(aws.clone(), voice.clone(), lease, host, length, &settings.journal).map(Some)
        }
        _ => Ok(None),
    }
}

/// What rules in AWS raise is one topic more.
fn listen_to(args: &GuardArgs, settings: &mut Settings) {
    let heard = |filter: &String| settings.dialect().matches(filter, raised::TOPIC);
    if args.raised && !settings.topics.is_empty() && !settings.topics.iter().any(heard) {
        settings.topics.push(raised::TOPIC.to_owned());
    }
}

fn millis(length: Duration) -> Ms {
    Ms::try_from(length.as_millis()).unwrap_or(Ms::MAX)
}

/// An alert as the rules know it; none for what nothing can be done about.
fn alarm(alert: &Alert) -> Option<Alarm> {
    let acted_on =
        matches!(alert.kind, AlertKind::Alarm | AlertKind::Clone | AlertKind::Warning | AlertKind::Silence);
    // A text of the same form that `respond` reads: what is no name of a thing is refused there as here.
    let mut message = alert.line();
    message["violationEventType"] = alert.step.word().into();
    (acted_on && alert.step == Step::InAlarm).then(|| Alarm::parse(&message.to_string()).ok())?
}

/// The group that holds a device, for people.
fn group(hold: &Hold, answerer: Option<&Answerer>) -> SafeText {
    let own = answerer.map(|answerer| answerer.group_or_own(hold.group.as_deref()));
    SafeText::new(own.as_deref().or(hold.group.as_deref()).unwrap_or("its group"))
}

/// What it listens to of devices' own topics.
fn share(fleet: &Fleet) -> Vec<String> {
    let own = fleet.link().filters().iter().filter(|filter| !filter.as_str().starts_with("$aws/"));
    own.map(|filter| filter.to_string()).collect()
}

fn not_judged(not: NotJudged) -> NotJudgedHealth {
    NotJudgedHealth {
        profile: not.profile.to_string(),
        behavior: not.behavior.to_string(),
        why: not.why.to_string(),
        on: not.on,
        things: not.things.iter().map(|thing| thing.raw().to_owned()).collect(),
    }
}

impl Counts {
    /// What was done, by its result.
    fn acted(&mut self, result: &'static str) {
        *self.actions.entry(result).or_default() += 1;
        match result {
            "isolated" | "released" | "done" => self.proofs.0 += 1,
            "unproven" => self.proofs.1 += 1,
            _ => {}
        }
    }
}

impl Guard {
    fn begin(
        store: Store,
        settings: &Settings,
        post: &Post,
        acts: bool,
        leader: Option<Leader>,
        answers: bool,
    ) -> Self {
        let now = now_ms();
        let judge = Judge::new(store.open_alerts(), settings.aws_speed, now);
        let mut fleet = Fleet::new(settings.limits());
        let (kept, trouble) = store.windows();
        if let Some(why) = trouble {
            let _ = writeln!(io::stderr(), "quell: {why}");
        }
        fleet.resume(kept, judge.findings(), &|thing, kind| judge.is_warned(thing, kind), now);
        let sinks = super::sinks(settings);
        let names: Vec<String> = sinks.iter().map(|sink| sink.name.clone()).collect();
        for name in store.strangers(&names) {
            let _ = writeln!(
                io::stderr(),
                "quell: {} alerts wait for {name:?}, which is not configured any more",
                store.waiting(&name)
            );
        }
        let windows = store.windows_path();
        let store = Arc::new(Mutex::new(store));
        let led = leader.is_none();
        let delivery = Delivery::begin(sinks, Arc::clone(&store), post, Patience::default(), led);
        // An alarm of an earlier process that was not acted on is: the journal knows which was.
        let to_do = judge.open().filter(|alert| answers && !alert.raised).cloned().collect();
        let health = Health { started: now, turned: now, acts, ..Health::default() };
        Self {
            fleet,
            judge,
            store,
            delivery,
            untold: Vec::new(),
            counts: Counts::default(),
            health: Arc::new(Mutex::new(health)),
            acts,
            leader,
            led,
            answers,
            to_do,
            raised: None,
            failed: BTreeMap::new(),
            asked: VecDeque::new(),
            releasing: HashSet::new(),
            unreleased: BTreeMap::new(),
            again: millis(settings.scaled(timed::AGAIN)),
            planned: Vec::new(),
            windows,
            kept: Instant::now() + KEEP,
        }
    }

    /// Another configuration, while it runs.
    fn reload(&mut self, settings: &Settings, post: &Post) {
        self.fleet.relimit(&settings.limits(), now_ms());
        if let Some(raised) = &mut self.raised {
            raised.set_rules(settings.thing_from.clone());
        }
        self.delivery.replace(super::sinks(settings), post, Patience::default());
    }

    /// Whether it acts may have changed, and by which lease. Where it does not any more the lease ends by itself: giving it up
    /// is a change in the account.
    fn acts_by(&mut self, yes: bool, settings: &Settings, post: &Post) {
        let before = std::mem::replace(&mut self.acts, yes && !settings.read_only && self.answers);
        if self.acts && !before {
            // What was only looked at is to be done; the journal knows what was.
            self.to_do = self.judge.open().filter(|alert| !alert.raised).cloned().collect();
        }
        let lease = Some(settings.guard.lease.as_str()).filter(|lease| self.acts && !lease.is_empty());
        if self.leader.as_ref().map(Leader::thing) == lease {
            return;
        }
        if let Some(old) = self.leader.take()
            && self.acts
        {
            tokio::spawn(old.give_up());
        }
        match leader(settings, post, self.acts) {
            Ok(leader) => self.leader = leader,
            Err(error) => {
                self.acts = false;
                let _ = writeln!(io::stderr(), "quell: {error}; nothing is acted on");
            }
        }
    }

    /// Whether this guard is the one that acts.
    fn leads(&self) -> bool {
        self.leader.as_ref().is_none_or(Leader::leads)
    }

    /// Whether this guard tells those whom others would tell too: because it acts, or because nobody knows who does.
    fn tells(&self) -> bool {
        self.leader.as_ref().is_none_or(|leader| leader.leads() || leader.unknown().is_some())
    }

    /// Who acts may have changed.
    fn look_who_leads(&mut self, now: Ms) {
        let (leads, tells) = (self.leads(), self.tells());
        let unknown = self.leader.as_ref().and_then(Leader::unknown);
        // What was found longer ago than a holder may be unheard of, the holder told and acted on; the rest it may have missed.
        if unknown.is_none()
            && let Some(leader) = self.leader.as_ref().filter(|leader| leader.follows())
            && let Err(error) = self.delivery.told_by_another(now - 2 * millis(leader.length()))
        {
            tracing::warn!(%error, "what another guard told could not be written down");
        }
        self.judge.lease(unknown);
        if !leads || self.to_do.len() > QUEUE {
            // What is over needs nobody to act, whoever it will be.
            let open: HashSet<&str> = self.judge.open().map(|alert| alert.id.as_str()).collect();
            self.to_do.retain(|alert| open.contains(alert.id.as_str()));
        }
        if tells != std::mem::replace(&mut self.led, tells) {
            let lease = self.leader.as_ref().map(Leader::words);
            tracing::info!(acts = leads, tells, lease, "who acts");
        }
        self.delivery.lead(tells);
    }

    /// What is to be done now, at most so much, and about which thing.
    fn due(&mut self, answerer: &Answerer, room: usize) -> Vec<(String, Work)> {
        let now = now_ms();
        let mut out = Vec::new();
        if self.acts {
            // Whoever held a device lets it go, also when another acts by now.
            let ended: Vec<Hold> = self
                .store
                .lock()
                .holds()
                .filter(|hold| !hold.over && hold.until <= now && !self.releasing.contains(&hold.thing))
                .take(room)
                .cloned()
                .collect();
            for hold in ended {
                self.releasing.insert(hold.thing.clone());
                let offended = self.offended(&hold, answerer);
                out.push((hold.thing.clone(), Work::Release(hold, offended)));
            }
        }
        if !self.leads() {
            return out;
        }
        self.due_again(now);
        while out.len() < room
            && let Some(alert) = self.to_do.pop_front()
        {
            let Some(alarm) = alarm(&alert) else { continue };
            // By the one that led before.
            let done = |l: &Leader| l.was_done(&alarm.thing, &alarm.behavior, alert.found);
            if self.leader.as_ref().is_some_and(done) {
                continue;
            }
            if !self.acts {
                self.planned.retain(|at| now - at < HOUR);
                if self.planned.len() >= PLANNED {
                    *self.counts.actions.entry("not planned").or_default() += 1;
                    continue;
                }
                self.planned.push(now);
            }
            let before = self.failed.get(&alarm.violation).map(|again| again.result);
            out.push((answerer.thing(&alarm), Work::Answer(Box::new(alarm), self.acts, before)));
        }
        out
    }

    /// Answers that failed, once their time has come, as long as their alert is not over.
    fn due_again(&mut self, now: Ms) {
        let due: Vec<String> = self
            .failed
            .iter()
            .filter(|(_, again)| again.at.is_some_and(|at| at <= now))
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            match self.judge.open().find(|alert| alert.id == id) {
                Some(alert) => self.to_do.push_back(alert.clone()),
                None => {
                    self.failed.remove(&id);
                    continue;
                }
            }
            if let Some(again) = self.failed.get_mut(&id) {
                again.at = None;
            }
        }
    }

    /// Whether a device offended again while it was held.
    fn offended(&self, hold: &Hold, answerer: &Answerer) -> bool {
        let again = self.judge.open().any(|alert| {
            matches!(alert.kind, AlertKind::Alarm | AlertKind::Clone)
                && alert.found > hold.since
                && alert.id != hold.alert
                && alert.thing.as_ref().is_some_and(|thing| answerer.thing_named(thing) == hold.thing)
        });
        let leaks = self.fleet.find(&hold.thing).map(|id| self.fleet.device(id).word());
        again || leaks == Some(Word::Leaking)
    }

    /// A device is held from now on: twice as long each time it was before.
    fn hold(&mut self, thing: &str, length: Ms, group: Option<String>, alert: &str, whole: bool, now: Ms) {
        let before = self.store.lock().holds().find(|hold| hold.thing == thing).map_or(0, |hold| hold.times);
        let lasts = timed::lasts(length, before);
        let hold = Hold {
            thing: thing.to_owned(),
            group,
            since: now,
            until: now + lasts,
            length,
            times: before + 1,
            over: false,
            alert: alert.to_owned(),
        };
        let often = if before == 0 { String::new() } else { format!(", time {} in a row", before + 1) };
        let seconds = lasts / 1000;
        let sentence = if whole {
            format!("isolated for {seconds} s{often}; it is released then unless it offends again")
        } else {
            format!(
                "its isolation did not come to its end; what of it was done is released after {seconds} s{often}"
            )
        };
        self.write_hold(hold);
        self.acted(thing, "held", &sentence, now);
    }

    /// What another process that writes the same journal isolated. A person's word is newer than that of a rule: for a time, it
    /// is held for that time; for good, it is not let go any more.
    fn isolated(&mut self, isolated: Isolated) {
        if self.asked.len() == ASKED {
            self.asked.pop_front();
        }
        self.asked.push_back(isolated);
        self.hold_asked(now_ms());
    }

    fn hold_asked(&mut self, now: Ms) {
        if !self.acts {
            return;
        }
        for Isolated { plan, thing, group, length, at, whole } in std::mem::take(&mut self.asked) {
            let known = self.store.lock().holds().find(|hold| hold.thing == thing.raw()).cloned();
            match (length, known) {
                // Read again after a restart, or older than what came since.
                (_, Some(known)) if known.alert == plan || known.since > at => {}
                (None, Some(known)) if !known.over => {
                    self.write_hold(Hold { over: true, ..known });
                    let sentence =
                        "a person isolated it until somebody releases it: its time does not end it any more";
                    self.acted(thing.raw(), "left to a person", sentence, now);
                }
                (None, _) => {}
                // Whoever isolated it was told so.
                (Some(length), _) if at.saturating_add(length).saturating_add(STALE) < now => {}
                (Some(length), _) => {
                    let hold = Hold {
                        thing: thing.raw().to_owned(),
                        group: Some(group),
                        since: at,
                        until: at.saturating_add(length),
                        length,
                        times: 1,
                        over: false,
                        alert: plan,
                    };
                    let part = if whole { "" } else { " as far as that came" };
                    let until = iso(hold.until);
                    let sentence = format!(
                        "isolated by a person{part}; it is released at {until} unless it offends again"
                    );
                    self.write_hold(hold);
                    self.acted(thing.raw(), "held", &sentence, now);
                }
            }
        }
    }

    fn write_hold(&self, hold: Hold) {
        if let Err(error) = self.store.lock().hold(hold) {
            tracing::error!(%error, "that a device is held for a time could not be written down");
        }
    }

    /// What was done, as an alert.
    fn acted(&mut self, thing: &str, result: &str, sentence: &str, now: Ms) {
        let mut alert = Alert::of_action(thing, result, &SafeText::new(sentence), now);
        alert.groups = self.groups(thing);
        self.tell(vec![alert], now);
    }

    fn done(&mut self, done: Done, answerer: Option<&Answerer>) {
        let now = now_ms();
        match done {
            Done::Answered(alarm, answered, acted) => self.answered(&alarm, &answered, acted, now),
            Done::LeftAlone(alarm, hold) => {
                *self.counts.actions.entry("left alone").or_default() += 1;
                let left = format!(
                    "it is not in {} any more, before its time: it is left alone for {} s more",
                    group(&hold, answerer),
                    (hold.until - now).max(0) / 1000
                );
                self.acted(&alarm.thing, "left alone", &left, now);
            }
            Done::Out(hold) => {
                *self.counts.actions.entry("out already").or_default() += 1;
                let sentence =
                    format!("its time is over, and it is not in {} any more", group(&hold, answerer));
                self.acted(&hold.thing, "out already", &sentence, now);
                self.let_go(hold, answerer, now);
            }
            Done::Stays(hold) => {
                self.releasing.remove(&hold.thing);
                self.unreleased.remove(&hold.thing);
                self.hold(&hold.thing, hold.length, hold.group, &hold.alert, true, now);
            }
            Done::Unread(hold) => {
                let why = format!(
                    "its time is over and it offended; whether it is in {} cannot be read",
                    group(&hold, answerer)
                );
                self.keep_hold(hold, "failed", &why, now);
            }
            Done::Released(hold, released) => {
                let (result, why) = released.result();
                self.counts.acted(result);
                let sentence = format!("its time is over: {result}: {why}");
                if released.is_handled() {
                    self.acted(&hold.thing, result, &sentence, now);
                    self.let_go(hold, answerer, now);
                } else {
                    self.keep_hold(hold, result, &sentence, now);
                }
            }
        }
    }

    fn answered(&mut self, alarm: &Alarm, answered: &Answered, acted: bool, now: Ms) {
        let (result, why) = answered.result();
        self.counts.acted(result);
        let before = self.failed.remove(&alarm.violation);
        if result == "ignored" {
            tracing::info!(thing = alarm.thing, %why, "nothing is done about an alert");
        } else if Again::is_news(before.as_ref(), result) {
            self.acted(&alarm.thing, result, &format!("{result}: {why}"), now);
        }
        if answered.is_handled()
            && let Some(leader) = &self.leader
        {
            leader.did(&alarm.thing, &alarm.behavior, now);
        }
        // What was refused is left to a person; what failed is not.
        if answered.code == exit::FAILED && self.judge.open().any(|alert| alert.id == alarm.violation) {
            let again = Again::after(before.as_ref(), self.again, result, now);
            self.failed.insert(alarm.violation.clone(), again);
        }
        // Isolated already: by a guard that was killed over it, or by somebody else, whose isolation is not ours to end.
        let killed = self.store.lock().was_acting(&alarm.violation);
        if let Some(held) = answered.held().filter(|_| result != "done before" || killed) {
            self.hold(
                &held.thing,
                millis(held.length),
                held.group.clone(),
                &alarm.violation,
                held.whole,
                now,
            );
        }
        if acted && let Err(error) = self.store.lock().acting(&alarm.violation, false) {
            tracing::warn!(%error, "that something was done could not be written down");
        }
    }

    /// A device is held no more: what it does from now on is judged anew.
    fn let_go(&mut self, hold: Hold, answerer: Option<&Answerer>, now: Ms) {
        self.releasing.remove(&hold.thing);
        self.unreleased.remove(&hold.thing);
        // Under its own name, and under those that the rules take for it.
        let mut names: Vec<String> = self
            .judge
            .open()
            .filter_map(|alert| alert.thing.clone())
            .filter(|name| answerer.is_some_and(|a| a.thing_named(name) == hold.thing))
            .collect();
        names.push(hold.thing.clone());
        for name in &names {
            self.fleet.absolve(name, now);
        }
        self.write_hold(Hold { over: true, ..hold });
    }

    /// A device could not be let go: it is tried again.
    fn keep_hold(&mut self, hold: Hold, result: &'static str, sentence: &str, now: Ms) {
        self.releasing.remove(&hold.thing);
        let before = self.unreleased.remove(&hold.thing);
        if Again::is_news(before.as_ref(), result) {
            self.acted(&hold.thing, result, sentence, now);
        }
        let again = Again::after(before.as_ref(), self.again, result, now);
        let until = now + again.pause;
        self.unreleased.insert(hold.thing.clone(), again);
        self.write_hold(Hold { until, ..hold });
    }

    fn event(&mut self, mut event: Event) {
        let now = now_ms();
        let raised = match (&mut self.raised, &mut event) {
            (Some(raised), Event::Batch(batch)) => raised.take(batch, &self.fleet, now),
            _ => Vec::new(),
        };
        self.fleet.apply(event, now);
        let mut found = self.judge.findings_of(&self.fleet, now);
        found.extend(self.judge.raised(raised, now));
        self.tell(found, now);
        let seen = self.judge.take_seen();
        if self.answers {
            self.to_do.extend(seen);
        }
    }

    fn look(&mut self) {
        let now = now_ms();
        self.fleet.tick(now);
        let found = self.judge.tick(&self.fleet, now);
        self.tell(found, now);
        self.look_who_leads(now);
        self.hold_asked(now);
        self.forget_holds(now);
        self.report(now);
        if Instant::now() >= self.kept {
            let began = Instant::now();
            self.keep_now();
            self.kept = Instant::now() + KEEP.max(began.elapsed() * SHARE);
        }
    }

    /// How often a device was held is of no interest any more.
    fn forget_holds(&self, now: Ms) {
        let mut store = self.store.lock();
        let old =
            store.holds().find(|hold| hold.over && now - hold.until > REMEMBERED).map(|h| h.thing.clone());
        if let Some(thing) = old
            && let Err(error) = store.forget(&thing)
        {
            tracing::warn!(%error, "what is over could not be forgotten");
        }
    }

    /// Writes down and tells what was found, with what was found before and could not be written.
    fn tell(&mut self, found: Vec<Alert>, now: Ms) {
        let mut all = std::mem::take(&mut self.untold);
        all.extend(found);
        if all.is_empty() {
            return;
        }
        if let Err(error) = self.delivery.tell(&all) {
            tracing::error!(%error, "alerts could not be written down, and are told when they can");
            let over = all.len().saturating_sub(UNTOLD);
            if over > 0 {
                tracing::error!(lost = over, "too many alerts wait for the disk: the oldest are lost");
                all.drain(..over);
            }
            self.untold = all;
            return;
        }
        for alert in &all {
            *self.counts.alerts.entry((alert.kind, alert.step)).or_default() += 1;
            if alert.step == Step::InAlarm {
                self.counts.lag = now - alert.at;
            }
        }
        if self.answers {
            let acted_on = all.into_iter().filter(|alert| {
                alert.step == Step::InAlarm && alert.kind != AlertKind::Action && !alert.raised
            });
            self.to_do.extend(acted_on);
        }
    }

    fn groups(&self, thing: &str) -> Vec<String> {
        let device = self.fleet.find(thing).map(|id| self.fleet.device(id));
        let groups = device.and_then(|device| device.groups().get());
        groups.into_iter().flatten().map(|group| group.raw().to_owned()).collect()
    }

    /// Keeps windows and baselines, after what was found is written down: never before.
    fn keep_now(&self) {
        if !self.untold.is_empty() {
            return;
        }
        let (kept, path) = (self.fleet.keep(now_ms()), self.windows.clone());
        let write = move || {
            let bytes = kept.to_bytes().map_err(io::Error::other)?;
            keep_windows(&path, &bytes)
        };
        if let Err(error) = tokio::task::block_in_place(write) {
            tracing::warn!(%error, "windows could not be kept: after a restart they begin anew");
        }
    }

    /// What was found last is written down, and then what judging goes on from.
    fn end(&mut self) {
        let now = now_ms();
        let found = self.judge.findings_of(&self.fleet, now);
        self.tell(found, now);
        self.keep_now();
    }

    fn report(&self, now: Ms) {
        let tally = self.delivery.tally();
        let sinks = self.delivery.waiting().into_iter().map(|(name, waiting)| {
            let known = tally.get(&name).copied().unwrap_or_default();
            SinkHealth {
                sent: known.sent,
                failed: known.failed,
                dead: known.dead,
                waiting: waiting as u64,
                name,
            }
        });
        let mut alerts: Vec<(String, String, u64)> = self
            .counts
            .alerts
            .iter()
            .map(|((kind, step), n)| (kind.word().to_owned(), step.word().to_owned(), *n))
            .collect();
        alerts.sort();
        let mut actions: Vec<(String, u64)> =
            self.counts.actions.iter().map(|(result, n)| ((*result).to_owned(), *n)).collect();
        actions.sort();
        let deaf = match self.fleet.heed() {
            Heed::Hears => None,
            Heed::Deaf(why, _) => Some(why.to_string()),
            Heed::Never(_) => Some("not connected yet".to_owned()),
        };
        let held = self.store.lock().holds().filter(|hold| !hold.over).count();
        let mut health = self.health.lock();
        *health = Health {
            started: health.started,
            turned: now,
            hears: deaf.is_none(),
            deaf,
            share: share(&self.fleet),
            acts: self.acts,
            lease: self.leader.as_ref().map(Leader::words),
            devices: self.fleet.devices().filter(|(_, device)| !device.is_unattributed()).count() as u64,
            messages: self.fleet.stream().received(),
            messages_per_second: self.fleet.rates(now).map_or(0.0, |rates| rates.messages_per_s),
            alerts,
            open: self.judge.open().len() as u64,
            actions,
            proofs: self.counts.proofs,
            held: held as u64,
            lag: self.counts.lag,
            near_limit: self.fleet.near_limit(now).unwrap_or(0.0),
            gaps: self.fleet.losses().totals().disconnects,
            sinks: sinks.collect(),
            not_judged: self.fleet.not_judged().take(NOT_JUDGED).map(not_judged).collect(),
        };
    }
}
