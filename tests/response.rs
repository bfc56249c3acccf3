//! Responses against the emulator, over its sockets: the real AWS SDK sends, real MQTT proves.
#![cfg(feature = "emulator")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quell::cloud::Clients;
use quell::config::{Settings, StaticCredentials, ThingFrom};
use quell::emulator::account::Account;
use quell::emulator::api::front;
use quell::emulator::broker::{Broker, Peer};
use quell::emulator::clock::Clock;
use quell::emulator::hooks::{Hooks, Principal};
use quell::emulator::store::Wal;
use quell::fleet::event::{Event, Stage};
use quell::fleet::model::Name;
use quell::response::journal::Journal;
use quell::response::{
    ActionView, Answer, Intent, JobRequest, JobTarget, Level, Outcome, Plan, Responder, RowState, Rules,
    Target,
};
use rumqttc::{AsyncClient, MqttOptions, QoS};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

const ALLOW: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;
const DENY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iot:*","Resource":"*"}]}"#;
/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);
/// The policy cache holds 420 s and 20 s for new connections; at this speed 7 s and a third of one.
const SPEED: f64 = 60.0;

struct World {
    broker: Arc<Broker>,
    clients: Clients,
    rules: Rules,
    settings: Settings,
    requests: Arc<AtomicU64>,
    _folder: tempfile::TempDir,
}

impl World {
    async fn start() -> Self {
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let clock = Clock::new(SPEED);
        let account = Account::open("123456789012", "us-east-1", clock, Wal::default(), "test", "test");
        let broker = Broker::new(Hooks::new(Arc::clone(&account)), clock);
        let requests = Arc::new(AtomicU64::new(0));
        let changing = Arc::clone(&requests);
        // Counts what would change something: nothing may when the gate refuses.
        let router = front::router(account, Arc::clone(&broker)).layer(axum::middleware::from_fn(
            move |request: axum::extract::Request, next: axum::middleware::Next| {
                let path = request.uri().path().to_owned();
                let reads = request.method() == axum::http::Method::GET
                    || ["/test-authorization", "/attached-policies/", "/effective-policies"]
                        .iter()
                        .any(|p| path.starts_with(p))
                    || path == "/";
                if !reads {
                    changing.fetch_add(1, Ordering::SeqCst);
                }
                next.run(request)
            },
        ));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let folder = tempfile::tempdir().unwrap();
        let operator = listen(&broker, Principal::Anonymous).await;
        let mut settings = Settings {
            region: Some("us-east-1".to_owned()),
            endpoint_url: Some(endpoint.clone()),
            data_endpoint_url: Some(endpoint.clone()),
            sts_endpoint_url: Some(endpoint),
            credentials: Some(StaticCredentials {
                access_key_id: "test".to_owned(),
                secret_access_key: "test".to_owned(),
                session_token: None,
            }),
            topics: vec!["temperature/#".to_owned()],
            thing_from: vec![ThingFrom::parse("temperature/{thing}").unwrap()],
            aws_speed: SPEED,
            journal: folder.path().join("quell/journal.jsonl"),
            ..Settings::default()
        };
        settings.mqtt.url = Some(format!("mqtt://127.0.0.1:{operator}"));
        let clients = Clients::connect(&settings).await.unwrap();
        let world =
            Self { broker, clients, rules: Rules::from(&settings), settings, requests, _folder: folder };
        world.policy("AllowAll", ALLOW).await;
        world.policy("DenyAll", DENY).await;
        let group = world.group("IsolatedDevices").await;
        world.clients.iot.attach_policy().policy_name("DenyAll").target(group).send().await.unwrap();
        world.requests.store(0, Ordering::SeqCst);
        world
    }

    async fn policy(&self, name: &str, document: &str) {
        self.clients.iot.create_policy().policy_name(name).policy_document(document).send().await.unwrap();
    }

    async fn group(&self, name: &str) -> String {
        let made = self.clients.iot.create_thing_group().thing_group_name(name).send().await.unwrap();
        made.thing_group_arn.unwrap()
    }

    /// Things on one certificate; its id.
    async fn things(&self, names: &[&str]) -> String {
        let made = self.clients.iot.create_keys_and_certificate().set_as_active(true).send().await.unwrap();
        let (id, arn) = (made.certificate_id.unwrap(), made.certificate_arn.unwrap());
        self.clients.iot.attach_policy().policy_name("AllowAll").target(&arn).send().await.unwrap();
        for name in names {
            self.clients.iot.create_thing().thing_name(*name).send().await.unwrap();
            self.clients.iot.attach_thing_principal().thing_name(*name).principal(&arn).send().await.unwrap();
        }
        self.requests.store(0, Ordering::SeqCst);
        id
    }

    /// A device that speaks every 200 ms and reconnects when cut, as real ones do.
    async fn device(&self, name: &str, certificate: &str) -> u16 {
        let port = listen(&self.broker, Principal::Certificate(certificate.to_owned())).await;
        let mut options = MqttOptions::new(name, "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(30));
        let topic = format!("temperature/{name}");
        let (client, mut events) = AsyncClient::new(options, 4);
        tokio::spawn(async move {
            loop {
                if events.poll().await.is_err() {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
            }
        });
        tokio::spawn(async move {
            loop {
                let _ = client.try_publish(&topic, QoS::AtMostOnce, false, "21.5");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        port
    }

    fn console(&self) -> Console {
        let (events, received) = mpsc::channel(64);
        let (answers, answered) = mpsc::channel(64);
        let responder =
            Responder::with_rules(self.clients.clone(), self.rules.clone(), events.clone(), answers);
        let stream = quell::stream::spawn(&self.settings, None, None, events);
        let (tell, stages) = mpsc::unbounded_channel();
        let (heard_tx, heard) = mpsc::unbounded_channel();
        let mut listener = responder.listener();
        tokio::spawn(forward(received, tell, heard_tx, move |e| listener.observe(e)));
        Console { responder, answered, stages, heard, journal: self.rules.journal.clone(), _stream: stream }
    }

    async fn member(&self, thing: &str) -> bool {
        let found = self.clients.iot.list_thing_groups_for_thing().thing_name(thing).send().await.unwrap();
        found.thing_groups().iter().any(|g| g.group_name() == Some("IsolatedDevices"))
    }

    fn changed(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn forward(
    mut events: mpsc::Receiver<Event>,
    stages: mpsc::UnboundedSender<(String, Stage)>,
    heard: mpsc::UnboundedSender<String>,
    mut observe: impl FnMut(&Event),
) {
    let mut topics: Vec<Option<String>> = Vec::new();
    while let Some(event) = events.recv().await {
        observe(&event);
        match event {
            Event::Response(r) => drop(stages.send((r.thing.raw().to_owned(), r.stage))),
            Event::Batch(batch) => {
                topics.extend(batch.topics.iter().map(|t| t.thing.as_ref().map(|n| n.raw().to_owned())));
                for message in &batch.messages {
                    if let Some(Some(thing)) = topics.get(message.topic as usize) {
                        drop(heard.send(thing.clone()));
                    }
                }
            }
            Event::Link(_) | Event::Poll(_) => {}
        }
    }
}

struct Console {
    responder: Responder,
    answered: mpsc::Receiver<Answer>,
    stages: mpsc::UnboundedReceiver<(String, Stage)>,
    heard: mpsc::UnboundedReceiver<String>,
    journal: PathBuf,
    _stream: quell::stream::StreamHandle,
}

impl Console {
    async fn plan(&mut self, intent: Intent) -> Plan {
        self.responder.plan(7, intent);
        timeout(LONG, async {
            loop {
                if let Some(Answer::Plan { generation, result }) = self.answered.recv().await {
                    assert_eq!(generation, 7);
                    return *result.unwrap();
                }
            }
        })
        .await
        .unwrap()
    }

    /// The end of a confirmed plan, or why it was refused.
    async fn confirm(&mut self, plan: Plan, typed: Option<&str>) -> Result<ActionView, String> {
        self.responder.confirm(plan, typed.map(str::to_owned));
        timeout(LONG, async {
            loop {
                match self.answered.recv().await.unwrap() {
                    Answer::Done(view) => return Ok(view),
                    Answer::Refused { reason, .. } => return Err(reason.as_str().to_owned()),
                    Answer::Progress(_) | Answer::Plan { .. } => {}
                }
            }
        })
        .await
        .unwrap()
    }

    async fn hears(&mut self, thing: &str) {
        timeout(LONG, async { while self.heard.recv().await.as_deref() != Some(thing) {} }).await.unwrap();
    }

    fn entries(&self) -> Vec<serde_json::Value> {
        Journal::open(&self.journal).unwrap().entries().unwrap()
    }
}

async fn listen(broker: &Arc<Broker>, principal: Principal) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (local, broker) = (listener.local_addr().unwrap(), Arc::clone(broker));
    tokio::spawn(async move {
        while let Ok((stream, remote)) = listener.accept().await {
            let peer = Peer { remote, local, principal: principal.clone(), websocket: false };
            tokio::spawn(Arc::clone(&broker).serve(stream, peer));
        }
    });
    local.port()
}

/// A device as the fleet would describe it.
fn target(name: &str) -> Target {
    Target {
        cadence: Some(500),
        last_heard: Some(1),
        topics: vec![format!("temperature/{name}")],
        ..Target::named(Name::new(name))
    }
}

fn isolate(name: &str) -> Intent {
    Intent::Isolate { things: vec![target(name)], group: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_isolation_is_proven_in_seconds_and_a_release_is_heard() {
    let world = World::start().await;
    let certificate = world.things(&["Thing02"]).await;
    world.device("Thing02", &certificate).await;
    let mut console = world.console();
    console.hears("Thing02").await;

    let plan = console.plan(isolate("Thing02")).await;
    assert_eq!(plan.refused(), None);
    assert_eq!(world.changed(), 0, "planning changes nothing");
    let start = Instant::now();
    let view = console.confirm(plan, None).await.unwrap();
    assert_eq!(view.finished, Some(Outcome::Proven), "{view:#?}");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert!(world.member("Thing02").await);
    assert!(
        view.rows.iter().all(|r| matches!(r.state, RowState::Done(_) | RowState::Skipped(_))),
        "{view:#?}"
    );
    let mut stages = Vec::new();
    while let Ok(stage) = console.stages.try_recv() {
        stages.push(stage);
    }
    assert!(matches!(stages.first(), Some((t, Stage::Containing { .. })) if t == "Thing02"), "{stages:?}");
    assert!(
        matches!(stages.last(), Some((_, Stage::Contained { took, .. })) if *took < 30_000),
        "{stages:?}"
    );

    let kinds: Vec<String> =
        console.entries().iter().map(|e| e["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        kinds.first().map(String::as_str),
        Some("intent"),
        "intent is written before the first request"
    );
    assert_eq!(kinds.last().map(String::as_str), Some("outcome"));
    let entries = console.entries();
    assert!(entries[0]["who"]["arn"].as_str().unwrap().starts_with("arn:aws:"));
    let add = entries.iter().find(|e| e["operation"] == "iot:AddThingToThingGroup").unwrap();
    assert_eq!(add["accepted"], true);
    assert!(add["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{add}");
    assert_eq!(entries.last().unwrap()["outcome"], "proven");
    assert!(Journal::open(&console.journal).unwrap().verify().unwrap().faults.is_empty());

    let plan = console.plan(Intent::Release { things: vec![target("Thing02")], group: None }).await;
    let view = console.confirm(plan, None).await.unwrap();
    assert_eq!(view.finished, Some(Outcome::Proven), "{view:#?}");
    assert!(!world.member("Thing02").await);
    let shadow = world.clients.data.get_thing_shadow().thing_name("Thing02").send().await.unwrap();
    let shadow: serde_json::Value = serde_json::from_slice(shadow.payload().unwrap().as_ref()).unwrap();
    assert_eq!(shadow.pointer("/state/desired/quarantine"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_sends_nothing_whatever_is_asked() {
    let mut world = World::start().await;
    world.rules.read_only = true;
    let certificate = world.things(&["Thing01"]).await;
    world.group("NeedsUpdate").await;
    world.requests.store(0, Ordering::SeqCst);
    let mut console = world.console();
    let things = || vec![target("Thing01")];
    let job = JobRequest {
        id: "Update-temp-firmware".to_owned(),
        targets: vec![JobTarget::Group(Name::new("NeedsUpdate"))],
        document: "{}".to_owned(),
        continuous: true,
        description: None,
    };
    let certificate = Some(certificate);
    let intents = [
        isolate("Thing01"),
        Intent::Release { things: things(), group: None },
        Intent::Deactivate { things: things(), certificate: None },
        Intent::Activate { things: things(), certificate: certificate.clone() },
        Intent::Revoke { things: things(), certificate },
        Intent::LaunchJob(job),
        Intent::CancelJob { job: Name::new("Update-temp-firmware"), force: true },
    ];
    for intent in intents {
        let verb = intent.verb();
        let plan = console.plan(intent).await;
        let refused = console.confirm(plan, Some("Thing01")).await.unwrap_err();
        assert!(refused.contains("read-only"), "{verb}: {refused}");
    }
    assert_eq!(world.changed(), 0);
    let entries = console.entries();
    assert_eq!(entries.len(), 7);
    assert!(entries.iter().all(|e| e["kind"] == "refused"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_certificate_names_the_others_and_a_revocation_wants_its_name() {
    let world = World::start().await;
    let certificate = world.things(&["Thing01", "Thing02", "Thing03"]).await;
    world.device("Thing02", &certificate).await;
    let mut console = world.console();
    console.hears("Thing02").await;
    let revoke = || Intent::Revoke { things: vec![target("Thing02")], certificate: None };
    let plan = console.plan(revoke()).await;
    let first = &plan.affects()[0];
    assert_eq!(first.level, Level::Danger);
    assert!(
        plan.affects().iter().any(|n| n.text.as_str().contains("also serves Thing01, Thing03")),
        "{plan:#?}"
    );
    for wrong in [None, Some(""), Some("Thing01")] {
        let plan = console.plan(revoke()).await;
        assert!(console.confirm(plan, wrong).await.unwrap_err().contains("not confirmed"));
    }
    assert_eq!(world.changed(), 0);
    let view = console.confirm(plan, Some("Thing02")).await.unwrap();
    assert_eq!(view.finished, Some(Outcome::Proven), "{view:#?}");
    let found = world.clients.iot.describe_certificate().certificate_id(&certificate).send().await.unwrap();
    assert_eq!(found.certificate_description().unwrap().status().unwrap().as_str(), "REVOKED");
    let last = std::iter::from_fn(|| console.stages.try_recv().ok()).last();
    assert!(matches!(last, Some((_, Stage::Revoked))), "{last:?}");
    let again = console.plan(Intent::Activate { things: vec![target("Thing02")], certificate: None }).await;
    assert!(again.refused().is_some_and(|r| r.as_str().contains("REVOKED")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_without_a_deny_is_refused_before_anything_is_sent() {
    let world = World::start().await;
    world.things(&["Thing02"]).await;
    world.group("Quarantine").await;
    world.requests.store(0, Ordering::SeqCst);
    let mut console = world.console();
    let plan = console
        .plan(Intent::Isolate { things: vec![target("Thing02")], group: Some(Name::new("Quarantine")) })
        .await;
    assert!(plan.would_change_nothing().is_some_and(|t| t.as_str().contains("would change nothing")));
    assert!(console.confirm(plan, None).await.is_err());
    let plan = console.plan(isolate("nobody")).await;
    assert!(console.confirm(plan, None).await.is_err());
    assert_eq!(world.changed(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_journal_nothing_is_sent() {
    let world = World::start().await;
    world.things(&["Thing02"]).await;
    std::fs::create_dir_all(&world.rules.journal).unwrap();
    let mut console = world.console();
    let plan = console.plan(isolate("Thing02")).await;
    let refused = console.confirm(plan, None).await.unwrap_err();
    assert!(refused.contains("journal"), "{refused}");
    assert_eq!(world.changed(), 0);
    assert!(!world.member("Thing02").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_created_canceled_and_refused_for_isolated_things() {
    let world = World::start().await;
    world.things(&["Thing02"]).await;
    world.group("NeedsUpdate").await;
    let add = |group: &'static str| {
        world.clients.iot.add_thing_to_thing_group().thing_name("Thing02").thing_group_name(group).send()
    };
    add("NeedsUpdate").await.unwrap();
    let mut console = world.console();
    let job = JobRequest {
        id: "Update-temp-firmware".to_owned(),
        targets: vec![JobTarget::Group(Name::new("NeedsUpdate"))],
        document: r#"{"operation":"update"}"#.to_owned(),
        continuous: true,
        description: Some("new firmware".to_owned()),
    };
    let plan = console.plan(Intent::LaunchJob(job.clone())).await;
    assert_eq!(plan.refused(), None, "{plan:#?}");
    let view = console.confirm(plan, None).await.unwrap();
    assert_eq!(view.finished, Some(Outcome::Proven), "{view:#?}");
    let found = world.clients.iot.describe_job().job_id("Update-temp-firmware").send().await.unwrap();
    assert_eq!(found.job().unwrap().target_selection().unwrap().as_str(), "CONTINUOUS");
    let cancel = Intent::CancelJob { job: Name::new("Update-temp-firmware"), force: false };
    let plan = console.plan(cancel.clone()).await;
    assert_eq!(console.confirm(plan, None).await.unwrap().finished, Some(Outcome::Proven));
    let plan = console.plan(cancel).await;
    assert!(console.confirm(plan, None).await.unwrap_err().contains("CANCELED already"));
    add("IsolatedDevices").await.unwrap();
    let plan = console.plan(Intent::LaunchJob(JobRequest { id: "again".to_owned(), ..job })).await;
    assert!(console.confirm(plan, None).await.unwrap_err().contains("Release it first"));
}
