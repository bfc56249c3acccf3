//! One alert, answered: believed or not, new or not, allowed or not, and then done, with retries.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::stream;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

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
use crate::response::{Confirmation, Intent, Plan, Stop, Target};
use quell_fleet::Ms;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::RespondArgs;

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
    /// It was isolated for so long, in a group other than the configured one where one is named.
    held: Option<(Duration, Option<String>)>,
    /// Its exit code.
    pub(in crate::cli) code: u8,
}

impl Answered {
    pub(in crate::cli) fn ignored(alert: Option<Alert>, why: &str, code: u8) -> Self {
        let result = if code == exit::DONE { "ignored" } else { "refused" };
        Self { alert, result, why: SafeText::new(why), detail: Vec::new(), held: None, code }
    }

    /// What became of it, in a word or two, and why.
    pub(in crate::cli) fn result(&self) -> (&'static str, &SafeText) {
        (self.result, &self.why)
    }

    /// For how long it was isolated, and in which group, when a rule says how long.
    pub(in crate::cli) fn held(&self) -> Option<&(Duration, Option<String>)> {
        self.held.as_ref()
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
    violations: HashSet<(String, String)>,
    acting: usize,
    ledger: Ledger,
}

/// One alert on its way: it leaves the flight however it ends.
struct Underway<'a> {
    flight: &'a Mutex<Flight>,
    violation: (String, String),
    acts: bool,
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        let mut flight = self.flight.lock();
        flight.violations.remove(&self.violation);
        flight.acting -= usize::from(self.acts);
    }
}

/// It was to stop before anything was sent.
fn stopped() -> (u8, &'static str, SafeText, Value) {
    let why = SafeText::new("stopped before anything was sent");
    (exit::INTERRUPTED, "interrupted", why.clone(), json!({ "interrupted": why }))
}

/// Answers alerts; several at once, as long as no two are about one thing.
pub(in crate::cli) struct Answerer {
    flight: Mutex<Flight>,
    settings: Settings,
    rules: AlertRules,
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
        args: &RespondArgs,
    ) -> color_eyre::Result<Self> {
        let connect = Aws::connect(settings).await;
        let clients = connect.map_err(|t| color_eyre::eyre::eyre!("{}", t.message))?;
        let who = Box::pin(cloud::read::caller_identity(&clients)).await;
        let account = who.map(|w| w.account.as_str().to_owned()).unwrap_or_default();
        Ok(Self {
            flight: Mutex::default(),
            settings: settings.clone(),
            rules,
            clients,
            web: Web::default(),
            certificates: Certificates::default(),
            stopping: watch::channel(false).0,
            acts: args.yes && !args.dry_run,
            checks_stdin: !args.no_signature_check,
            topics: args.topics.clone(),
            account,
            group: args.group.clone(),
            timeout: args.timeout,
        })
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
            Ok(alert) => Box::pin(self.alert(&alert, &message.message_id)).await,
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
        let endpoint = self.settings.endpoint_url.as_deref();
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
        if !signature::trusted(url, self.settings.endpoint_url.as_deref()) {
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

    /// One alert, whatever it came with.
    pub(in crate::cli) async fn alert(&self, alert: &Alert, message_id: &str) -> Answered {
        let ignored = |why: &str, code| Answered::ignored(Some(alert.clone()), why, code);
        if alert.event != "in-alarm" {
            let why = format!("{} is no alarm: nothing is to be contained", alert.event);
            return ignored(&why, exit::DONE);
        }
        if !self.rules.names(alert.kind) {
            return ignored("no rule is about alerts of its kind", exit::DONE);
        }
        let around = match Box::pin(self.around(alert)).await {
            Ok(around) => around,
            Err(why) => return ignored(&why, exit::FAILED),
        };
        let Some(mut rule) = self.rules.rule(alert, &around).cloned() else {
            return ignored("no rule is about it", exit::DONE);
        };
        if let Some(why) = self.rules.forbidden(&around) {
            // Telling is not acting.
            rule.actions.retain(|action| *action == Action::Notify);
            if rule.actions.is_empty() {
                return ignored(&why, exit::REFUSED);
            }
        }
        let path = self.settings.journal.clone();
        let acts = self.acts && !rule.dry_run;
        let underway = match self.take_up(alert, acts) {
            Ok(underway) => underway,
            Err((why, code)) => return ignored(&why, code),
        };
        let mut answered =
            Answered { result: "dry run", code: exit::DONE, ..ignored("--yes acts", exit::DONE) };
        for intent in self.intents(alert, &rule) {
            if self.is_stopping() && answered.code == exit::INTERRUPTED {
                break;
            }
            let mut wait = AGAIN;
            for attempt in 0..=self.rules.retries {
                let (code, result, why, detail) = Box::pin(self.act(intent.clone(), acts)).await;
                let last = attempt == self.rules.retries || code != exit::FAILED || self.is_stopping();
                if last {
                    let isolates = matches!(intent, Intent::Isolate { .. });
                    if isolates && acts && matches!(result, "isolated" | "unproven" | "done before") {
                        let group = rule.group.clone().or_else(|| self.group.clone());
                        answered.held = rule.length.map(|length| (length, group));
                    }
                    (answered.code, answered.result) = (code.max(answered.code), result);
                    answered.why = why;
                    answered.detail.push(detail);
                    break;
                }
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = self.stopped() => {}
                }
                wait *= 2;
            }
        }
        if rule.actions.contains(&Action::Notify) && acts && !self.settings.read_only {
            let endpoint = sns_endpoint(&self.settings);
            let text = format!("{} | {}: {}", alert.sentence(), answered.result, answered.why);
            let failed = self.rules.notify.send(&self.web, &self.clients, endpoint.as_deref(), &text).await;
            answered.detail.extend(failed.iter().map(|f| json!({ "notify": f })));
            if answered.detail.is_empty() {
                (answered.result, answered.why) = ("notified", SafeText::default());
            }
        }
        if acts {
            let unsent = answered.detail.iter().all(|d| d.get("interrupted").is_some());
            let handled = !(matches!(answered.code, exit::FAILED | exit::REFUSED)
                || answered.code == exit::INTERRUPTED && unsent);
            let plan = answered.detail.iter().find_map(|d| d.pointer("/plan/id")?.as_str());
            let fields = Ledger::fields(alert, message_id, answered.result, answered.why.as_str(), handled);
            let at = jiff::Timestamp::now().as_millisecond();
            let plan = plan.unwrap_or_default().to_owned();
            let written = tokio::task::spawn_blocking(move || {
                Journal::open(&path).and_then(|j| j.append(at, "alert", &plan, fields))
            });
            let written = written.await.unwrap_or_else(|e| Err(std::io::Error::other(e)));
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

    /// What the rules ask for besides the alert itself.
    async fn around(&self, alert: &Alert) -> Result<Around, String> {
        let now = cloud::now_ms();
        if !self.rules.asks_groups() {
            return Ok(Around { groups: Vec::new(), now });
        }
        let thing = self.rules.thing(alert);
        match cloud::read::groups_of(&self.clients, &thing).await {
            Ok(groups) => Ok(Around { groups: groups.iter().map(|g| g.raw().to_owned()).collect(), now }),
            // Whether it may be acted on is not known: then it may not.
            Err(trouble) => {
                Err(format!("its groups cannot be read ({}): left to an operator", trouble.message))
            }
        }
    }

    /// Lets a thing go that was isolated for a time; `None` when somebody else did so before.
    pub(in crate::cli) async fn release(&self, thing: &str, group: Option<&str>) -> Option<Answered> {
        if Box::pin(self.is_held(thing, group)).await == Some(false) {
            return None;
        }
        let intent =
            Intent::Release { things: vec![Target::named(Name::new(thing))], group: group.map(Name::new) };
        let (code, result, why, detail) = Box::pin(self.act(intent, self.acts)).await;
        let result = if result == "done" { "released" } else { result };
        Some(Answered { alert: None, result, why, detail: vec![detail], held: None, code })
    }

    /// Whether a thing is in its isolation group; `None` when that cannot be read.
    pub(in crate::cli) async fn is_held(&self, thing: &str, group: Option<&str>) -> Option<bool> {
        let group = group.unwrap_or(&self.settings.groups.isolate);
        let groups = cloud::read::groups_of(&self.clients, thing).await.ok()?;
        Some(groups.iter().any(|known| known.raw() == group))
    }

    /// Takes an alert up, or says why not: it was answered before, is being answered, or is one too many for an hour.
    fn take_up<'a>(&'a self, alert: &'a Alert, acts: bool) -> Result<Underway<'a>, (String, u8)> {
        // Held while the journal is read: two alerts never see the same last place of an hour as free.
        let mut flight = self.flight.lock();
        if let Err(error) = flight.ledger.refresh(&self.settings.journal) {
            // Nobody knows what was answered: neither a replay nor a flood could be told.
            return Err((format!("the journal cannot be read ({error}): left to an operator"), exit::FAILED));
        }
        if let Some(plan) = flight.ledger.answered(alert) {
            return Err((format!("a replay: this alert was answered already ({plan})"), exit::DONE));
        }
        let violation = (alert.violation.clone(), alert.thing.clone());
        if flight.violations.contains(&violation) {
            return Err(("a replay: this violation is being answered".to_owned(), exit::DONE));
        }
        let since = jiff::Timestamp::now().as_millisecond() - STALE_MS;
        if acts && flight.ledger.since(since) + flight.acting >= self.rules.max_per_hour {
            let why = format!(
                "more than {} responses within an hour: a flood of alarms is left to an operator",
                self.rules.max_per_hour
            );
            return Err((why, exit::REFUSED));
        }
        let day = jiff::Timestamp::now().as_millisecond() - DAY_MS;
        if let (true, Some(most)) = (acts, self.rules.ask_above) {
            let things = flight.ledger.things_since(day);
            if things.len() >= most && !things.contains(alert.thing.as_str()) {
                let why = format!(
                    "ask-above: {most} things were acted on within a day: the next is left to an operator"
                );
                return Err((why, exit::REFUSED));
            }
        }
        flight.violations.insert(violation.clone());
        flight.acting += usize::from(acts);
        Ok(Underway { flight: &self.flight, violation, acts })
    }

    /// The thing a message is about, before it is believed: what keeps the messages of one thing in order. Others, which
    /// are not about a thing, are in order among themselves.
    pub(super) fn about(&self, message: &Envelope) -> String {
        Alert::parse(&message.message).map_or_else(|_| String::new(), |alert| self.rules.thing(&alert))
    }

    /// How many alerts may be answered at once. With a client id of the configuration it is one: a second connection of
    /// the same name would cut the first.
    pub(in crate::cli) fn at_once(&self) -> usize {
        const AT_ONCE: usize = 4;
        if self.settings.mqtt.client_id.is_some() { 1 } else { AT_ONCE }
    }

    fn intents(&self, alert: &Alert, rule: &AlertRule) -> Vec<Intent> {
        let target = || vec![Target::named(Name::new(&self.rules.thing(alert)))];
        let group = rule.group.as_ref().or(self.group.as_ref()).map(|g| Name::new(g));
        let remedy = rule.job_group.as_ref().unwrap_or(&self.settings.groups.update);
        let intent = |action: &Action| match action {
            Action::Notify => None,
            Action::Isolate => Some(Intent::Isolate { things: target(), group: group.clone() }),
            Action::Deactivate => Some(Intent::Deactivate { things: target(), certificate: None }),
            Action::Cut => {
                let client = Name::new(&self.rules.thing(alert));
                Some(Intent::Cut { things: target(), client })
            }
            Action::Job => Some(Intent::Join { things: target(), group: Name::new(remedy) }),
        };
        rule.actions.iter().filter_map(intent).collect()
    }

    async fn planned(&self, intent: Intent) -> color_eyre::Result<(Session, Box<Plan>)> {
        let mut session = Session::open(&self.settings).await?;
        let intent = session.acquaint(intent).await;
        let plan = session.plan(intent).await?;
        Ok((session, plan))
    }

    /// Plans, and runs it when it may act: exit code, word, why, and the whole for programs.
    async fn act(&self, intent: Intent, acts: bool) -> (u8, &'static str, SafeText, Value) {
        let failed = |e: &color_eyre::Report| {
            let why = SafeText::new(&e.to_string());
            (exit::FAILED, "failed", why.clone(), json!({ "failed": why }))
        };
        let verb = intent.verb();
        let planned = tokio::select! {
            () = self.stopped() => return stopped(),
            planned = self.planned(intent) => planned,
        };
        let (mut session, plan) = match planned {
            Ok(planned) => planned,
            Err(e) => return failed(&e),
        };
        if self.is_stopping() {
            return stopped();
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
        // A program cannot type: where the configuration wants a name or the account typed, a person is wanted.
        let ended = match plan.confirmation() {
            Confirmation::Nothing | Confirmation::Enter => {
                let stop = stream::once(async {
                    self.stopped().await;
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
