//! An emulated account behind a door that counts what would change something, and refuses or holds what it is told to.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_iot::types::ThingPrincipalType;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use quell::cloud::Aws;
use quell::config::{Settings, StaticCredentials, ThingFrom};
use quell::response::journal::Journal;
use quell::response::{ActionView, Answer, Intent, Plan, Responder, Rules, Target};
use quell_emulator::start::{Options, Running, start};
use quell_emulator_tests::{http, tunnel};
use quell_fleet::event::{Event, Stage};
use quell_fleet::model::Name;
use quell_fleet::{Fleet, Limits, LinkState};
use rumqttc::{AsyncClient, MqttOptions, PublishOptions};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::door::{Account, Door};

pub(crate) const ALLOW: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;
pub(crate) const DENY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iot:*","Resource":"*"}]}"#;
/// Longer than anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(60);
/// The policy cache holds 420 s and 20 s for new connections; at this speed 7 s and a third of one.
pub(crate) const SPEED: f64 = 60.0;

pub(crate) struct World {
    running: Running,
    /// Certificates made here, and their keys, by certificate id.
    keys: Mutex<HashMap<String, (String, String)>>,
    pub(crate) clients: Aws,
    /// The account asked directly, without quell.
    pub(crate) iot: aws_sdk_iot::Client,
    pub(crate) data: aws_sdk_iotdataplane::Client,
    pub(crate) rules: Rules,
    pub(crate) settings: Settings,
    pub(crate) door: Arc<Door>,
    pub(crate) folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::at(SPEED).await
    }

    pub(crate) async fn at(speed: f64) -> Self {
        Self::with(speed, &[]).await
    }

    /// An account that came after Detect was closed.
    pub(crate) async fn without_detect() -> Self {
        Self::with(SPEED, &["detect=refuse"]).await
    }

    async fn with(speed: f64, faults: &[&str]) -> Self {
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
        let options = Options { speed, faults, devices: Some(0), ..Options::on_free_ports() };
        let running = start(options).await.unwrap();
        let door = Arc::new(Door::default());
        let at_door = Arc::clone(&door);
        let client = Client::builder(TokioExecutor::new()).build_http();
        let account = Account { http: running.http, client };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        http::serve(listener, move |request| {
            let (door, account) = (Arc::clone(&at_door), account.clone());
            async move { door.pass(request, &account).await }
        });
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings {
            region: Some("us-east-1".to_owned()),
            endpoint_url: Some(endpoint.clone()),
            data_endpoint_url: Some(endpoint.clone()),
            sts_endpoint_url: Some(endpoint.clone()),
            cloudwatch_endpoint_url: Some(endpoint),
            credentials: Some(StaticCredentials {
                access_key_id: "test".to_owned(),
                secret_access_key: "test".to_owned(),
                session_token: None,
            }),
            topics: vec!["temperature/#".to_owned()],
            thing_from: vec![ThingFrom::parse("temperature/{thing}").unwrap()],
            aws_speed: speed,
            journal: folder.path().join("quell/journal.jsonl"),
            ..Settings::default()
        };
        settings.mqtt.url = Some(format!("mqtt://{}", running.mqtt.unwrap()));
        let clients = Aws::connect(&settings).await.unwrap();
        let (iot, data) = sdk(settings.endpoint_url.as_deref().unwrap());
        let rules = Rules::from(&settings);
        let keys = Mutex::default();
        let world = Self { running, keys, clients, iot, data, rules, settings, door, folder };
        world.policy("AllowAll", ALLOW).await;
        world.policy("DenyAll", DENY).await;
        let group = world.group("IsolatedDevices").await;
        world.iot.attach_policy().policy_name("DenyAll").target(group).send().await.unwrap();
        world.door.forget();
        world
    }

    pub(crate) async fn policy(&self, name: &str, document: &str) {
        self.iot.create_policy().policy_name(name).policy_document(document).send().await.unwrap();
    }

    pub(crate) async fn group(&self, name: &str) -> String {
        let made = self.iot.create_thing_group().thing_group_name(name).send().await.unwrap();
        made.thing_group_arn.unwrap()
    }

    /// Things on one certificate; its id.
    pub(crate) async fn things(&self, names: &[&str]) -> String {
        let made = self.iot.create_keys_and_certificate().set_as_active(true).send().await.unwrap();
        let (id, arn) = (made.certificate_id.unwrap(), made.certificate_arn.unwrap());
        let pair = (made.certificate_pem.unwrap(), made.key_pair.unwrap().private_key.unwrap());
        self.keys.lock().unwrap().insert(id.clone(), pair);
        self.iot.attach_policy().policy_name("AllowAll").target(&arn).send().await.unwrap();
        for name in names {
            self.iot.create_thing().thing_name(*name).send().await.unwrap();
            self.iot.attach_thing_principal().thing_name(*name).principal(&arn).send().await.unwrap();
        }
        self.door.forget();
        id
    }

    /// A thing with a certificate that can be no other thing's; the certificate's id.
    pub(crate) async fn exclusively(&self, name: &str) -> String {
        let made = self.iot.create_keys_and_certificate().set_as_active(true).send().await.unwrap();
        let (id, arn) = (made.certificate_id.unwrap(), made.certificate_arn.unwrap());
        let pair = (made.certificate_pem.unwrap(), made.key_pair.unwrap().private_key.unwrap());
        self.keys.lock().unwrap().insert(id.clone(), pair);
        self.iot.attach_policy().policy_name("AllowAll").target(&arn).send().await.unwrap();
        self.iot.create_thing().thing_name(name).send().await.unwrap();
        let attach = self.iot.attach_thing_principal().thing_name(name).principal(&arn);
        attach.thing_principal_type(ThingPrincipalType::ExclusiveThing).send().await.unwrap();
        self.door.forget();
        id
    }

    /// What the broker knows of a client.
    pub(crate) fn connection(&self, client: &str) -> Option<quell_emulator::Connection> {
        self.running.account().broker().connection(client)
    }

    /// A port of plain TCP that leads to the TLS listener, with a certificate made here.
    pub(crate) async fn listen(&self, certificate: &str) -> u16 {
        let ca = std::fs::read_to_string(self.running.credentials().join("root-CA.pem")).unwrap();
        let (pem, key) = self.keys.lock().unwrap()[certificate].clone();
        tunnel::tunnel(self.running.mqtts, tunnel::tls(&ca, Some((&pem, &key)), &[])).await
    }

    /// A device that speaks every 200 ms and reconnects when cut, as real ones do.
    pub(crate) async fn device(&self, name: &str, certificate: &str) -> u16 {
        self.device_on(name, certificate, &format!("temperature/{name}")).await
    }

    /// The same on a topic of another name.
    pub(crate) async fn device_on(&self, name: &str, certificate: &str, topic: &str) -> u16 {
        self.device_saying(name, certificate, topic, "21.5").await
    }

    /// The same, saying something else.
    pub(crate) async fn device_saying(
        &self,
        name: &str,
        certificate: &str,
        topic: &str,
        payload: &'static str,
    ) -> u16 {
        let port = self.listen(certificate).await;
        let mut options = MqttOptions::new(name, ("127.0.0.1", port));
        options.set_keep_alive(30);
        let topic = topic.to_owned();
        let (client, mut events) = AsyncClient::builder(options).capacity(4).build();
        tokio::spawn(async move {
            loop {
                if events.poll().await.is_err() {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
            }
        });
        tokio::spawn(async move {
            loop {
                let _ = client.try_publish(&topic, payload, PublishOptions::at_most_once());
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        port
    }

    /// So many messages a second on a topic, until it is dropped.
    pub(crate) fn flood(&self, topic: &'static str, per_second: u32) -> Flood {
        let account = self.running.account();
        Flood(tokio::spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_secs(1) / per_second);
            loop {
                tick.tick().await;
                account.broker().publish(topic, b"21.5".to_vec().into());
            }
        }))
    }

    /// One message on a topic.
    pub(crate) fn say(&self, topic: &str, payload: &'static str) {
        self.running.account().broker().publish(topic, payload.as_bytes().to_vec().into());
    }

    pub(crate) fn console(&self) -> Console {
        let (events, received) = mpsc::channel(64);
        let (answers, answered) = mpsc::channel(64);
        let responder =
            Responder::with_rules(self.clients.clone(), self.rules.clone(), events.clone(), answers);
        let stream = quell::stream::spawn(&self.settings, None, None, events);
        responder.asks_by(stream.questions());
        let (tell, stages) = mpsc::unbounded_channel();
        let (heard_tx, heard) = mpsc::unbounded_channel();
        let mut listener = responder.listener();
        let fleet = Arc::new(Mutex::new(Fleet::new(Limits::default())));
        let known = Arc::clone(&fleet);
        tokio::spawn(forward(received, tell, heard_tx, move |e| {
            listener.observe(e);
            let now = jiff::Timestamp::now().as_millisecond();
            let mut fleet = known.lock().unwrap();
            fleet.apply(e.clone(), now);
            listener.heed(&fleet, now);
        }));
        let journal = self.rules.journal.clone();
        Console { responder, answered, stages, heard, journal, fleet, _stream: stream }
    }

    pub(crate) async fn member(&self, thing: &str) -> bool {
        let found = self.iot.list_thing_groups_for_thing().thing_name(thing).send().await.unwrap();
        found.thing_groups().iter().any(|g| g.group_name() == Some("IsolatedDevices"))
    }

    /// A profile that every message of a device violates.
    pub(crate) async fn strict_profile(&self) {
        use aws_sdk_iot::types::{Behavior, BehaviorCriteria, ComparisonOperator, MetricValue};
        let criteria = BehaviorCriteria::builder()
            .comparison_operator(ComparisonOperator::LessThan)
            .value(MetricValue::builder().count(2).build())
            .build();
        let behavior = Behavior::builder().name("Tiny").metric("aws:message-byte-size").criteria(criteria);
        let iot = &self.iot;
        let create = iot.create_security_profile().security_profile_name("Strict");
        create.behaviors(behavior.build().unwrap()).send().await.unwrap();
        let target = "arn:aws:iot:us-east-1:123456789012:all/things";
        let attach = iot.attach_security_profile().security_profile_name("Strict");
        attach.security_profile_target_arn(target).send().await.unwrap();
        self.door.forget();
    }

    /// A file in the folder the program runs in.
    pub(crate) fn file(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    pub(crate) fn changed(&self) -> u64 {
        self.door.changes().len() as u64
    }
}

/// Messages that come until it is dropped.
pub(crate) struct Flood(tokio::task::JoinHandle<()>);

impl Drop for Flood {
    fn drop(&mut self) {
        self.0.abort();
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
            Event::Link(_) | Event::Poll(_) | Event::Own(_) => {}
        }
    }
}

pub(crate) struct Console {
    pub(crate) responder: Responder,
    pub(crate) answered: mpsc::Receiver<Answer>,
    pub(crate) stages: mpsc::UnboundedReceiver<(String, Stage)>,
    pub(crate) heard: mpsc::UnboundedReceiver<String>,
    pub(crate) journal: PathBuf,
    pub(crate) fleet: Arc<Mutex<Fleet>>,
    _stream: quell::stream::StreamHandle,
}

impl Console {
    pub(crate) async fn plan(&mut self, intent: Intent) -> Plan {
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
    pub(crate) async fn confirm(&mut self, plan: Plan, typed: Option<&str>) -> Result<ActionView, String> {
        self.responder.confirm(plan, typed.map(str::to_owned));
        timeout(LONG, async {
            loop {
                match self.answered.recv().await.unwrap() {
                    Answer::Done(view) => return Ok(view),
                    Answer::Refused { reason, .. } => return Err(reason.as_str().to_owned()),
                    Answer::Progress(_)
                    | Answer::Swept(_)
                    | Answer::Plan { .. }
                    | Answer::Recovered { .. }
                    | Answer::Unwritten { .. } => {}
                }
            }
        })
        .await
        .unwrap()
    }

    /// What was left behind, when that was looked for.
    pub(crate) async fn swept(&mut self) -> ActionView {
        let swept = async {
            loop {
                if let Answer::Swept(view) = self.answered.recv().await.unwrap() {
                    return view;
                }
            }
        };
        timeout(LONG, swept).await.unwrap()
    }

    /// Returns as soon as its stream listens.
    pub(crate) async fn listens(&self) {
        let up = async {
            while !matches!(self.fleet.lock().unwrap().link().state(), LinkState::Up) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(LONG, up).await.unwrap();
    }

    /// A device as its fleet knows it.
    pub(crate) fn target(&self, name: &str) -> Target {
        self.fleet.lock().unwrap().target_named(&Name::new(name))
    }

    pub(crate) async fn hears(&mut self, thing: &str) {
        timeout(LONG, async { while self.heard.recv().await.as_deref() != Some(thing) {} }).await.unwrap();
    }

    /// The stages told until one of them is what is looked for, that one last: they come beside the answers, not before.
    pub(crate) async fn stages_until(&mut self, sought: impl Fn(&Stage) -> bool) -> Vec<(String, Stage)> {
        let mut told = Vec::new();
        let seen = timeout(LONG, async {
            while !told.last().is_some_and(|(_, stage)| sought(stage)) {
                told.push(self.stages.recv().await.unwrap());
            }
        });
        seen.await.unwrap_or_else(|_| panic!("{told:?}"));
        told
    }

    pub(crate) fn entries(&self) -> Vec<serde_json::Value> {
        let mut entries = Vec::new();
        Journal::open(&self.journal).unwrap().each(|entry| entries.push(entry)).unwrap();
        entries
    }
}

/// Clients of the SDK for whoever arranges and looks from outside.
fn sdk(endpoint: &str) -> (aws_sdk_iot::Client, aws_sdk_iotdataplane::Client) {
    let credentials = aws_sdk_iot::config::Credentials::new("test", "test", None, None, "tests");
    let http = aws_smithy_http_client::Builder::new().build_http();
    let iot = aws_sdk_iot::Config::builder()
        .behavior_version(aws_sdk_iot::config::BehaviorVersion::latest())
        .region(aws_sdk_iot::config::Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(credentials.clone())
        .http_client(http.clone());
    let data = aws_sdk_iotdataplane::Config::builder()
        .behavior_version(aws_sdk_iotdataplane::config::BehaviorVersion::latest())
        .region(aws_sdk_iotdataplane::config::Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(credentials)
        .http_client(http);
    (aws_sdk_iot::Client::from_conf(iot.build()), aws_sdk_iotdataplane::Client::from_conf(data.build()))
}

/// A device as the fleet would describe it.
pub(crate) fn target(name: &str) -> Target {
    Target {
        cadence: Some(500),
        last_heard: Some(1),
        topics: vec![format!("temperature/{name}")],
        ..Target::named(Name::new(name))
    }
}

pub(crate) fn isolate(name: &str) -> Intent {
    Intent::Isolate { things: vec![target(name)], group: None, time: None }
}
