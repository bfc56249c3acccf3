//! One alert, answered: believed or not, new or not, allowed or not, and then done, with retries.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::case::folder as case;
use crate::cli::exit;
use crate::cli::respond_cmds::{Ended, Session, code, plan_json, result_json};
use crate::cloud::{self, Aws};
use crate::config::{Settings, Verb};
use crate::response::alert::certificates::Certificates;
use crate::response::alert::notify::sns_endpoint;
use crate::response::alert::policy::AlertRule;
use crate::response::alert::web::Web;
use crate::response::alert::{Action, Alert, AlertRules, Around, Envelope, Form, Kind, Ledger, signature};
use crate::response::journal::Journal;
use crate::response::{Confirmation, Intent, Plan, Stop, Target, Voice};
use quell_fleet::Ms;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::severity;

/// Between two attempts; doubled each time.
const AGAIN: Duration = Duration::from_secs(2);
/// SNS gives up after an hour: what is older is not news.
const STALE_MS: Ms = 3_600_000;

/// A day.
const DAY_MS: Ms = 86_400_000;

/// What became of one alert.
pub(in crate::cli) struct Answered {
    alert: Option<Alert>,
    /// `isolated`, `dry run`, `ignored`, `refused`, `failed`, `confirmed`, …
    result: &'static str,
    why: SafeText,
    detail: Vec<Value>,
    /// Its thing was isolated for a time.
    held: Option<Held>,
    /// Everything its rule asks for was done, or left to go on by itself: it is answered no second time.
    handled: bool,
    /// Its exit code.
    pub(in crate::cli) code: u8,
}

/// A thing that is isolated for a time.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Held {
    /// The thing, by the name that the rules give it.
    pub(in crate::cli) thing: String,
    /// For how long.
    pub(in crate::cli) length: Duration,
    /// The isolation group; none for the configured one.
    pub(in crate::cli) group: Option<String>,
    /// The response came to its end; otherwise what of it was done is to be ended all the same.
    pub(in crate::cli) whole: bool,
}

impl Answered {
    pub(in crate::cli) fn ignored(alert: Option<Alert>, why: &str, code: u8) -> Self {
        let result = if code == exit::DONE { "ignored" } else { "refused" };
        Self { alert, result, why: SafeText::new(why), detail: Vec::new(), held: None, handled: false, code }
    }

    /// What became of it, in a word or two, and why.
    pub(in crate::cli) fn result(&self) -> (&'static str, &SafeText) {
        (self.result, &self.why)
    }

    /// The thing that was isolated, when a rule says for how long.
    pub(in crate::cli) fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// It was acted on, and nothing of it failed or was refused: nobody has to answer it again.
    pub(in crate::cli) fn is_handled(&self) -> bool {
        self.handled
    }

    pub(in crate::cli) fn line(&self) -> String {
        let thing = self.alert.as_ref().map_or("-", |a| a.thing.as_str());
        format!("{}  {}  {}\n", SafeText::new(thing), self.result, self.why)
    }

    pub(in crate::cli) fn json(&self) -> Value {
        json!({
            "thingName": self.alert.as_ref().map(|a| &a.thing),
            "violationId": self.alert.as_ref().map(|a| &a.violation),
            "violationEventType": self.alert.as_ref().map(|a| &a.event),
            "result": self.result,
            "why": self.why,
            "responses": self.detail,
        })
    }
}

/// What is being answered at this moment, by this process: the journal knows the rest.
#[derive(Default)]
struct Flight {
    /// Violation and thing, and whether something is done about it rather than only planned.
    violations: HashMap<(String, String), bool>,
    ledger: Ledger,
}

impl Flight {
    /// Things that are being acted on.
    fn acting(&self) -> impl Iterator<Item = &str> {
        self.violations.iter().filter(|(_, acts)| **acts).map(|((_, thing), _)| thing.as_str())
    }
}

/// One alert on its way: it leaves the flight however it ends.
struct Underway<'a> {
    flight: &'a Mutex<Flight>,
    violation: (String, String),
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        self.flight.lock().violations.remove(&self.violation);
    }
}

/// It was to stop before anything was sent.
fn stopped(why: &str) -> (u8, &'static str, SafeText, Value) {
    let why = SafeText::new(&format!("{why} before anything was sent"));
    (exit::INTERRUPTED, "interrupted", why.clone(), json!({ "interrupted": why }))
}

/// How an [`Answerer`] is asked to be.
#[derive(Debug, Default)]
pub(in crate::cli) struct How {
    /// Act, rather than say what would be done.
    pub(in crate::cli) acts: bool,
    /// Take no notification of SNS from stdin whose signature cannot be checked.
    pub(in crate::cli) checks_stdin: bool,
    /// Believe these topics only.
    pub(in crate::cli) topics: Vec<String>,
    /// The isolation group instead of the configured one.
    pub(in crate::cli) group: Option<String>,
    /// Give up waiting for a proof after so long.
    pub(in crate::cli) timeout: Option<Duration>,
}

/// Where what a containment destroys is kept before it.
struct Case {
    path: PathBuf,
    note: String,
}

impl Case {
    /// Keeps it, once: a second attempt, or the next of several responses, finds it kept.
    async fn keep(&self, session: &Session, plan: &Plan) -> io::Result<()> {
        if self.path.exists() {
            return Ok(());
        }
        if let Some(above) = self.path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(above)?;
        }
        let kept = Box::pin(crate::cli::case::kept(session, plan.intent().things(), &self.path)).await;
        match kept.and_then(|case| case.note(&self.note, cloud::now_ms())) {
            Ok(()) => Ok(()),
            Err(error) => {
                // Half a case is none; what could not be written may not be removed either.
                let _ = std::fs::remove_dir_all(&self.path);
                Err(error)
            }
        }
    }
}

/// What it answers by.
struct By {
    settings: Settings,
    rules: AlertRules,
}

/// Answers alerts; several at once, as long as no two are about one thing.
pub(in crate::cli) struct Answerer {
    flight: Mutex<Flight>,
    /// Replaced as a whole; what begins after that, begins by the new ones.
    by: watch::Sender<Arc<By>>,
    clients: Aws,
    web: Web,
    certificates: Certificates,
    /// True once the operator, or the system, wants it to end: nothing is begun any more.
    stopping: watch::Sender<bool>,
    acts: bool,
    checks_stdin: bool,
    topics: Vec<String>,
    account: String,
    group: Option<String>,
    timeout: Option<Duration>,
}

impl Answerer {
    pub(in crate::cli) async fn open(
        settings: &Settings,
        rules: AlertRules,
        how: How,
    ) -> color_eyre::Result<Self> {
        let connect = Aws::connect(settings).await;
        let clients = connect.map_err(|t| crate::cli::reads::Unreached::from(&t))?;
        let who = Box::pin(cloud::read::caller_identity(&clients)).await;
        let account = who.map(|w| w.account.as_str().to_owned()).unwrap_or_default();
        Ok(Self {
            flight: Mutex::default(),
            by: watch::channel(Arc::new(By { settings: settings.clone(), rules })).0,
            clients,
            web: Web::default(),
            certificates: Certificates::default(),
            stopping: watch::channel(false).0,
            acts: how.acts,
            checks_stdin: how.checks_stdin,
            topics: how.topics,
            account,
            group: how.group,
            timeout: how.timeout,
        })
    }

    /// Another configuration and other rules: what waits is answered by them, and what is under way stops when they are
    /// read-only.
    pub(in crate::cli) fn take(&self, settings: &Settings, rules: AlertRules) {
        self.by.send_replace(Arc::new(By { settings: settings.clone(), rules }));
    }

    fn by(&self) -> Arc<By> {
        Arc::clone(&self.by.borrow())
    }

    /// Waits until the configuration is read-only.
    async fn read_only(&self) {
        let mut by = self.by.subscribe();
        // The sender is ours: it cannot be gone.
        let _ = by.wait_for(|by| by.settings.read_only).await;
    }

    /// Tells those whom the rules name of something that is no alert. What could not be told is logged.
    pub(super) async fn people(&self, what: &str) {
        let by = self.by();
        let _ = writeln!(io::stderr(), "quell: {}", SafeText::new(what));
        if self.acts && !by.settings.read_only {
            for why in self.told(&format!("quell respond: {what}"), &by).await {
                tracing::warn!(%why, "people were not told");
            }
        }
    }

    /// Tells people; by channel, what could not be told.
    async fn told(&self, text: &str, by: &By) -> Vec<SafeText> {
        let (endpoint, mut voice) = (sns_endpoint(&by.settings), Voice::of(&by.settings));
        if let Some(topic) = by.rules.notify.sns.as_ref().filter(|_| voice.is_some()) {
            // What is published in the account is written down before.
            let fields = json!({"sns": topic, "text": SafeText::new(text)});
            let path = by.settings.journal.clone();
            let written = tokio::task::spawn_blocking(move || {
                Journal::open(&path).and_then(|journal| journal.append(cloud::now_ms(), "tell", "", fields))
            });
            if let Err(error) = written.await.unwrap_or_else(|e| Err(io::Error::other(e))) {
                tracing::error!(%error, "SNS is not told: it could not be written down");
                voice = None;
            }
        }
        by.rules.notify.send(&self.web, &self.clients, voice.as_ref(), endpoint.as_deref(), text).await
    }

    /// The thing an alert is about, by the name that the rules give it.
    pub(in crate::cli) fn thing(&self, alert: &Alert) -> String {
        self.by().rules.thing(&alert.thing)
    }

    /// The thing that a name in an alert stands for.
    pub(in crate::cli) fn thing_named(&self, name: &str) -> String {
        self.by().rules.thing(name)
    }

    pub(super) fn clients(&self) -> &Aws {
        &self.clients
    }

    /// Whatever is under way stops, and nothing more is begun.
    pub(in crate::cli) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    pub(in crate::cli) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Waits until it is to stop.
    pub(super) async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        // The sender is ours: it cannot be gone.
        let _ = stopping.wait_for(|stop| *stop).await;
    }

    /// One message of SNS. Over HTTP anybody can send one: then it must be signed and fresh. However it came, it must be of a
    /// topic that is ours.
    pub(super) async fn message(&self, message: &Envelope, over_http: bool) -> Answered {
        let signed = over_http || (message.form == Form::Http && self.checks_stdin);
        if signed && let Err(why) = Box::pin(self.believe(message, over_http)).await {
            return Answered::ignored(None, &format!("not believed: {why}"), exit::FAILED);
        }
        if let Err(why) = self.ours(message) {
            return Answered::ignored(None, &why, exit::DONE);
        }
        match message.kind {
            Kind::Notification => {}
            Kind::SubscriptionConfirmation => return Box::pin(self.subscribe(message)).await,
            Kind::UnsubscribeConfirmation => {
                return Answered::ignored(None, "this endpoint was unsubscribed", exit::DONE);
            }
        }
        match Alert::parse(&message.message) {
            Ok(alert) => Box::pin(self.alert(&alert, &message.message_id, None)).await,
            Err(why) => Answered::ignored(None, &why, exit::FAILED),
        }
    }

    /// Why a message is not to be believed.
    async fn believe(&self, message: &Envelope, over_http: bool) -> Result<(), String> {
        let now = jiff::Timestamp::now();
        let sent =
            message.timestamp.parse::<jiff::Timestamp>().map_err(|_| "its time cannot be read".to_owned())?;
        let age = now.as_millisecond() - sent.as_millisecond();
        if over_http && age > STALE_MS {
            return Err("it was sent more than an hour ago".to_owned());
        }
        if message.signature.is_empty() {
            return Err("it carries no signature".to_owned());
        }
        let by = self.by();
        let endpoint = by.settings.endpoint_url.as_deref();
        let certificate = self.certificates.at(&self.web, &message.signing_cert_url, endpoint).await?;
        signature::verify(message, &certificate, now.as_second())
    }

    /// Why a message is none of ours: its topic is not among those of `--topic-arn` or, without any, not of this account.
    fn ours(&self, message: &Envelope) -> Result<(), String> {
        let topic = message.topic_arn.as_str();
        let shown = SafeText::new(topic);
        if !self.topics.is_empty() {
            return match message.form {
                _ if self.topics.iter().any(|t| t == topic) => Ok(()),
                Form::Raw => Err("a bare alert names no topic, and --topic-arn asks for one".to_owned()),
                Form::Lambda | Form::Http => {
                    Err(format!("it is of {shown}, which --topic-arn does not name"))
                }
            };
        }
        let account = topic.split(':').nth(4).unwrap_or_default();
        // The workshop prints its event with its account masked: such an ARN names nobody's.
        let masked =
            message.form == Form::Lambda && account.len() == 12 && account.bytes().all(|b| b == b'x');
        if message.form == Form::Raw || masked || (!self.account.is_empty() && account == self.account) {
            return Ok(());
        }
        Err(format!("it is of {shown}, a topic of another account: --topic-arn names those that are ours"))
    }

    async fn subscribe(&self, message: &Envelope) -> Answered {
        let url = message.subscribe_url.as_deref().unwrap_or_default();
        if !signature::trusted(url, self.by().settings.endpoint_url.as_deref()) {
            return Answered::ignored(None, "its SubscribeURL is not SNS's: not followed", exit::FAILED);
        }
        match self.web.get(url).await {
            Ok(_) => Answered {
                result: "confirmed",
                ..Answered::ignored(None, &format!("subscribed to {}", message.topic_arn), exit::DONE)
            },
            Err(why) => Answered::ignored(None, &format!("the subscription: {why}"), exit::FAILED),
        }
    }

    /// One alert, whatever it came with. `before`: what came of it when it was tried before, which people were told.
    pub(in crate::cli) async fn alert(
        &self,
        alert: &Alert,
        message_id: &str,
        before: Option<&'static str>,
    ) -> Answered {
        let ignored = |why: &str, code| Answered::ignored(Some(alert.clone()), why, code);
        if alert.event != "in-alarm" {
            let why = format!("{} is no alarm: nothing is to be contained", alert.event);
            return ignored(&why, exit::DONE);
        }
        let by = self.by();
        let rules = &by.rules;
        if !rules.names(alert.kind) {
            return ignored("no rule is about alerts of its kind", exit::DONE);
        }
        let around = match Box::pin(self.around(alert, &by)).await {
            Ok(around) => around,
            Err(why) => return ignored(&why, exit::FAILED),
        };
        let Some(mut rule) = rules.rule(alert, &around).cloned() else {
            return ignored("no rule is about it", exit::DONE);
        };
        let forbidden = rules.forbidden(&around);
        if let Some(why) = &forbidden {
            // Telling is not acting.
            rule.actions.retain(|action| *action == Action::Notify);
            if rule.actions.is_empty() {
                return ignored(why, exit::REFUSED);
            }
        }
        let acts = self.acts && !rule.dry_run;
        let underway = match self.take_up(alert, acts, &by) {
            Ok(underway) => underway,
            Err((why, code)) => return ignored(&why, code),
        };
        let (result, why, code) = match &forbidden {
            Some(why) => ("refused", why.as_str(), exit::REFUSED),
            None if !rule.actions.contains(&Action::Notify) => {
                ("ignored", "its rule asks for nothing", exit::DONE)
            }
            None if acts && by.settings.read_only => ("refused", "read-only: nobody is told", exit::REFUSED),
            None => ("dry run", "people would be told", exit::DONE),
        };
        let mut answered = Answered { result, ..ignored(why, code) };
        let (mut failed, intents) = (forbidden.is_some(), self.intents(alert, &rule, &by));
        let asked = !intents.is_empty();
        let case = (rule.case && acts).then(|| {
            let folder = case::name(&[rules.thing(&alert.thing)], cloud::now_ms());
            Case { path: by.settings.journal.with_file_name("cases").join(folder), note: alert.sentence() }
        });
        for (at, intent) in intents.into_iter().enumerate() {
            if self.is_stopping() && answered.code == exit::INTERRUPTED {
                break;
            }
            let isolates = matches!(intent, Intent::Isolate { .. });
            let (code, result, why, detail) =
                Box::pin(self.tried(intent, acts, rules.retries, case.as_ref())).await;
            let sent = detail.get("plan").is_some();
            let held = match result {
                "isolated" | "unproven" | "done before" => Some(true),
                // Some of it may have been done: that ends in its time too.
                "partly" | "interrupted" if sent => Some(false),
                _ => None,
            };
            if let (true, true, Some(whole), Some(length)) = (isolates, acts, held, rule.length) {
                let group = rule.group.clone().or_else(|| self.group.clone());
                answered.held = Some(Held { thing: rules.thing(&alert.thing), length, group, whole });
            }
            failed |= matches!(code, exit::FAILED | exit::REFUSED) || code == exit::INTERRUPTED && !sent;
            // What went worst is what is told.
            if at == 0 || severity(code) >= severity(answered.code) {
                (answered.code, answered.result, answered.why) = (code, result, why);
            }
            answered.detail.push(detail);
        }
        if let Some(case) = case.filter(|case| case.path.exists()) {
            answered.why = SafeText::new(&format!("{}; the case is {}", answered.why, case.path.display()));
            answered.detail.push(json!({ "case": case.path }));
        }
        let news = !asked || before != Some(answered.result);
        if rule.actions.contains(&Action::Notify) && acts && news && !by.settings.read_only {
            let text = format!("{} | {}: {}", alert.sentence(), answered.result, answered.why);
            let untold = self.told(&text, &by).await;
            if !asked && forbidden.is_none() {
                (answered.result, answered.why, answered.code) =
                    match (rules.notify.channels(), untold.first()) {
                        (0, _) => (
                            "ignored",
                            SafeText::new("its rule tells people, and [notify] names nobody"),
                            exit::DONE,
                        ),
                        (all, Some(why)) if untold.len() == all => ("failed", why.clone(), exit::FAILED),
                        _ => ("notified", SafeText::default(), exit::DONE),
                    };
                failed |= answered.code == exit::FAILED;
            }
            answered.detail.extend(untold.iter().map(|why| json!({ "notify": why })));
        }
        if acts {
            answered.handled = !failed;
            let plan = answered.detail.iter().find_map(|d| d.pointer("/plan/id")?.as_str());
            let fields =
                Ledger::fields(alert, message_id, answered.result, answered.why.as_str(), answered.handled);
            let at = jiff::Timestamp::now().as_millisecond();
            let (plan, path) = (plan.unwrap_or_default().to_owned(), by.settings.journal.clone());
            let written = tokio::task::spawn_blocking(move || {
                Journal::open(&path).and_then(|j| j.append(at, "alert", &plan, fields))
            });
            let written = written.await.unwrap_or_else(|e| Err(io::Error::other(e)));
            // From here on the journal says it.
            drop(underway);
            if let Err(error) = written {
                tracing::error!(%error, "the answer to an alert could not be written down");
                answered
                    .detail
                    .push(json!({"journal": format!("the answer could not be written down ({error})")}));
            }
        }
        answered
    }

    /// One response, again with growing pauses while it fails.
    async fn tried(
        &self,
        intent: Intent,
        acts: bool,
        retries: u32,
        case: Option<&Case>,
    ) -> (u8, &'static str, SafeText, Value) {
        let (mut wait, mut left) = (AGAIN, retries);
        loop {
            let acted = Box::pin(self.act(intent.clone(), acts, case)).await;
            if left == 0 || acted.0 != exit::FAILED || self.is_stopping() {
                return acted;
            }
            left -= 1;
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stopped() => {}
            }
            wait *= 2;
        }
    }

    /// What the rules ask for besides the alert itself.
    async fn around(&self, alert: &Alert, by: &By) -> Result<Around, String> {
        let now = cloud::now_ms();
        if !by.rules.asks_groups() {
            return Ok(Around { groups: Vec::new(), now });
        }
        let thing = by.rules.thing(&alert.thing);
        match cloud::read::groups_of(&self.clients, &thing).await {
            Ok(groups) => Ok(Around { groups: groups.iter().map(|g| g.raw().to_owned()).collect(), now }),
            // Whether it may be acted on is not known: then it may not.
            Err(trouble) => {
                Err(format!("its groups cannot be read ({}): left to an operator", trouble.message))
            }
        }
    }

    /// Lets a thing go that was isolated for a time.
    pub(in crate::cli) async fn release(&self, thing: &str, group: Option<&str>) -> Answered {
        let intent =
            Intent::Release { things: vec![Target::named(Name::new(thing))], group: group.map(Name::new) };
        let (code, result, why, detail) = Box::pin(self.act(intent, self.acts, None)).await;
        let result = if result == "done" { "released" } else { result };
        let handled = matches!(code, exit::DONE | exit::UNPROVEN);
        Answered { alert: None, result, why, detail: vec![detail], held: None, handled, code }
    }

    /// Whether a thing is in its isolation group; `None` when that cannot be read.
    pub(in crate::cli) async fn is_held(&self, thing: &str, group: Option<&str>) -> Option<bool> {
        let group = self.group_or_own(group);
        let groups = cloud::read::groups_of(&self.clients, thing).await.ok()?;
        Some(groups.iter().any(|known| known.raw() == group))
    }

    /// A group that isolates: the one that is named, or the configured one.
    pub(in crate::cli) fn group_or_own(&self, group: Option<&str>) -> String {
        group.map_or_else(|| self.by().settings.groups.isolate.clone(), str::to_owned)
    }

    /// Takes an alert up, or says why not: it was answered before, is being answered, or is one too many for an hour.
    fn take_up<'a>(&'a self, alert: &Alert, acts: bool, by: &By) -> Result<Underway<'a>, (String, u8)> {
        // Held while the journal is read: two alerts never see the same last place of an hour as free.
        let mut flight = self.flight.lock();
        if let Err(error) = flight.ledger.refresh(&by.settings.journal) {
            // Nobody knows what was answered: neither a replay nor a flood could be told.
            return Err((format!("the journal cannot be read ({error}): left to an operator"), exit::FAILED));
        }
        if let Some(plan) = flight.ledger.answered(alert) {
            return Err((format!("a replay: this alert was answered already ({plan})"), exit::DONE));
        }
        let violation = (alert.violation.clone(), alert.thing.clone());
        if flight.violations.contains_key(&violation) {
            return Err(("a replay: this violation is being answered".to_owned(), exit::DONE));
        }
        let since = jiff::Timestamp::now().as_millisecond() - STALE_MS;
        if acts && flight.ledger.since(since) + flight.acting().count() >= by.rules.max_per_hour {
            let why = format!(
                "more than {} responses within an hour: a flood of alarms is left to an operator",
                by.rules.max_per_hour
            );
            return Err((why, exit::REFUSED));
        }
        let day = jiff::Timestamp::now().as_millisecond() - DAY_MS;
        if let (true, Some(most)) = (acts, by.rules.ask_above) {
            let mut things: HashSet<&str> = flight.ledger.things_since(day);
            things.extend(flight.acting());
            if things.len() >= most && !things.contains(alert.thing.as_str()) {
                let why = format!(
                    "ask-above: {most} things were acted on within a day: the next is left to an operator"
                );
                return Err((why, exit::REFUSED));
            }
        }
        flight.violations.insert(violation.clone(), acts);
        Ok(Underway { flight: &self.flight, violation })
    }

    /// The thing a message is about, before it is believed: what keeps the messages of one thing in order. Others, which
    /// are not about a thing, are in order among themselves.
    pub(super) fn about(&self, message: &Envelope) -> String {
        Alert::parse(&message.message).map_or_else(|_| String::new(), |alert| self.thing(&alert))
    }

    /// How many alerts may be answered at once. With a client id of the configuration it is one: a second connection of
    /// the same name would cut the first.
    pub(in crate::cli) fn at_once(&self) -> usize {
        const AT_ONCE: usize = 4;
        if self.by().settings.mqtt.client_id.is_some() { 1 } else { AT_ONCE }
    }

    fn intents(&self, alert: &Alert, rule: &AlertRule, by: &By) -> Vec<Intent> {
        let thing = by.rules.thing(&alert.thing);
        let target = || vec![Target::named(Name::new(&thing))];
        let group = rule.group.as_ref().or(self.group.as_ref()).map(|g| Name::new(g));
        let remedy = rule.job_group.as_ref().unwrap_or(&by.settings.groups.update);
        let intent = |action: &Action| match action {
            Action::Notify => None,
            Action::Isolate => Some(Intent::Isolate { things: target(), group: group.clone(), time: None }),
            Action::Deactivate => Some(Intent::Deactivate { things: target(), certificate: None }),
            Action::Cut => Some(Intent::Cut { things: target(), client: Name::new(&thing) }),
            Action::Shadow => Some(Intent::Flag { things: target() }),
            Action::Job => Some(Intent::Join { things: target(), group: Name::new(remedy) }),
        };
        rule.actions.iter().filter_map(intent).collect()
    }

    async fn planned(&self, intent: Intent, by: &By) -> color_eyre::Result<(Session, Box<Plan>)> {
        let mut session = Session::open(&by.settings).await?;
        let intent = session.acquaint(intent).await;
        let plan = session.plan(intent).await?;
        Ok((session, plan))
    }

    /// Plans, and runs it when it may act: exit code, word, why, and the whole for programs.
    async fn act(
        &self,
        intent: Intent,
        acts: bool,
        case: Option<&Case>,
    ) -> (u8, &'static str, SafeText, Value) {
        let failed = |e: &color_eyre::Report| {
            let why = SafeText::new(&e.to_string());
            (exit::FAILED, "failed", why.clone(), json!({ "failed": why }))
        };
        let verb = intent.verb();
        let by = self.by();
        let planned = tokio::select! {
            () = self.stopped() => return stopped("stopped"),
            planned = self.planned(intent, &by) => planned,
        };
        let (mut session, plan) = match planned {
            Ok(planned) => planned,
            Err(e) => return failed(&e),
        };
        if self.is_stopping() {
            return stopped("stopped");
        }
        let planned = plan_json(&plan);
        if !acts {
            let why = plan.refused().cloned().unwrap_or_else(|| plan.title().clone());
            return (exit::DONE, "dry run", why, json!({ "plan": planned }));
        }
        if plan.refused().is_none() && plan.steps().is_empty() {
            let why = SafeText::new("nothing is left to do");
            return (exit::DONE, "done before", why, json!({ "plan": planned }));
        }
        // The session's own gate refuses what was read-only when it began.
        let writes = !by.settings.read_only;
        if writes && self.by().settings.read_only {
            return stopped("read-only by now: stopped");
        }
        // A program cannot type: where the configuration wants a name or the account typed, a person is wanted.
        let ended = match plan.confirmation() {
            Confirmation::Nothing | Confirmation::Enter => {
                if let Some(case) = case.filter(|_| verb.words().contains && plan.refused().is_none())
                    && let Err(error) = case.keep(&session, &plan).await
                {
                    let why = format!("the case could not be kept in {} ({error})", case.path.display());
                    let _ = session.decline(plan, &why).await;
                    let why = SafeText::new(&format!("{why}: nothing was sent"));
                    return (exit::FAILED, "failed", why.clone(), json!({"planned": planned, "failed": why}));
                }
                if self.is_stopping() {
                    return stopped("stopped");
                }
                let stop = stream::once(async {
                    tokio::select! {
                        () = self.stopped() => {}
                        () = self.read_only(), if writes => {}
                    }
                    Stop::Operator
                });
                session.run(plan, String::new(), self.timeout, stop).await
            }
            _ => session.decline(plan, "it wants to be typed by a person: left to an operator").await,
        };
        match ended {
            Ok(Ended::Refused(why)) => {
                (exit::REFUSED, "refused", why.clone(), json!({"plan": planned, "refused": why}))
            }
            Ok(Ended::View { view, interrupted }) => {
                let code = code(&view, interrupted);
                let view = session.swept(view, self.stopped()).await;
                let word = view.finished.as_ref().map_or("open", crate::response::Outcome::word);
                let why = match word {
                    "proven" => SafeText::new(&format!("{verb}, proven")),
                    word => SafeText::new(&format!("{verb}: {word}")),
                };
                let result = match code {
                    exit::DONE if verb == Verb::Isolate => "isolated",
                    exit::DONE => "done",
                    exit::UNPROVEN => "unproven",
                    exit::PARTLY => "partly",
                    exit::INTERRUPTED => "interrupted",
                    _ => "failed",
                };
                (code, result, why, result_json(&view, &planned))
            }
            Err(e) => failed(&e),
        }
    }
}
