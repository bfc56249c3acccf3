//! Receivers of a guard's alerts, each a real one that listens here and takes only what its own documentation says it takes.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quell_emulator_tests::http;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, UdpSocket};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::guard::{guard, world};
use crate::outside;
use crate::sns::Running;
use crate::world::{LONG, World};

/// What a receiver took, and why it refused what it refused.
#[derive(Clone, Default)]
struct Taken(Arc<Mutex<(Vec<Value>, Vec<String>)>>);

impl Taken {
    /// Listens; the first request is answered 429, as a busy receiver would, and then what `check` finds nothing wrong with is
    /// taken with 202.
    async fn open(&self, check: impl Fn(&Value) -> Option<String> + Copy + Send + Sync + 'static) -> String {
        let taken = self.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        let busy = Arc::new(Mutex::new(true));
        http::serve(listener, move |request| {
            let is = |name: &str, value: &str| request.headers().get(name).is_some_and(|v| v == value);
            let body = serde_json::from_slice(request.body()).unwrap_or(Value::Null);
            let wrong = match check(&body) {
                _ if request.method() != hyper::Method::POST => Some("no POST".to_owned()),
                _ if !is("content-type", "application/json") => Some("no application/json".to_owned()),
                wrong => wrong,
            };
            let status = match wrong {
                _ if std::mem::take(&mut *busy.lock()) => 429,
                Some(wrong) => {
                    taken.0.lock().1.push(format!("{wrong}: {body}"));
                    400
                }
                None => {
                    taken.0.lock().0.push(body);
                    202
                }
            };
            std::future::ready(http::status(status))
        });
        address
    }

    /// The first that is what is looked for; nothing was refused.
    async fn until(&self, sought: impl Fn(&Value) -> bool) -> Value {
        let found = timeout(LONG, async {
            loop {
                if let Some(found) = self.0.lock().0.iter().find(|body| sought(body)) {
                    return found.clone();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let found = found.await.unwrap_or_else(|_| panic!("{:?}", self.0.lock()));
        assert_eq!(self.0.lock().1, [] as [&str; 0], "nothing was refused");
        found
    }
}

/// A trigger or resolve event of the Events API v2, with the limits its reference gives.
fn pagerduty(event: &Value) -> Option<String> {
    let text = |at: &str| event.pointer(at).and_then(Value::as_str).unwrap_or_default();
    let length = |at: &str| text(at).chars().count();
    if length("/routing_key") != 32 {
        return Some("the routing key has not 32 characters".to_owned());
    }
    if !(1..=255).contains(&length("/dedup_key")) {
        return Some("no dedup_key".to_owned());
    }
    match text("/event_action") {
        "resolve" => None,
        "trigger" => {
            let severe = ["critical", "error", "warning", "info"].contains(&text("/payload/severity"));
            let wrong = [
                ((1..=1_024).contains(&length("/payload/summary")), "summary"),
                (length("/payload/source") > 0, "source"),
                (severe, "severity"),
                (text("/payload/timestamp").parse::<jiff::Timestamp>().is_ok(), "timestamp"),
            ];
            wrong.iter().find(|(right, _)| !right).map(|(_, what)| format!("payload.{what}"))
        }
        _ => Some("no event_action".to_owned()),
    }
}

/// A message with one Adaptive Card, as a workflow's webhook takes it.
fn teams(message: &Value) -> Option<String> {
    let card = &message["attachments"][0];
    let texts = card["content"]["body"].as_array().map_or(&[] as &[Value], Vec::as_slice);
    let right = [
        (message["type"] == "message", "type"),
        (message["attachments"].as_array().is_some_and(|all| all.len() == 1), "attachments"),
        (card["contentType"] == "application/vnd.microsoft.card.adaptive", "contentType"),
        (card["content"]["type"] == "AdaptiveCard" && card["content"]["version"].is_string(), "card"),
        (!texts.is_empty() && texts.iter().all(|part| part["type"].is_string()), "body"),
    ];
    right.iter().find(|(right, _)| !right).map(|(_, what)| (*what).to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn pagerduty_and_teams_take_what_is_told_and_pagerduty_its_end() {
    let world = world().await;
    let (pages, cards) = (Taken::default(), Taken::default());
    let (pager, team) = (pages.open(pagerduty).await, cards.open(teams).await);
    world.file("key", "0123456789abcdef0123456789abcdef\n");
    let key = world.folder.path().join("key");
    let config = format!(
        "[[guard.sink]]\nkind = \"pagerduty\"\nurl = {pager:?}\nsecret-file = {key:?}\n\
         [[guard.sink]]\nkind = \"teams\"\nurl = {team:?}\n"
    );
    let _guard = Running::of(guard(&world, &[], &config).spawn().unwrap());
    let opened = pages.until(|page| page["event_action"] == "trigger").await;
    assert_eq!(opened["payload"]["source"], "dev-IZWB", "{opened}");
    let card = cards.until(|card| card.to_string().contains("dev-IZWB")).await;
    assert!(card.to_string().contains(opened["dedup_key"].as_str().unwrap()), "{card}");
    // It is met once: that is the end of it.
    world.say("temperature/dev-IZWB", "1");
    let over = pages.until(|page| page["event_action"] == "resolve").await;
    assert_eq!(over["dedup_key"], opened["dedup_key"]);
    let same = |page: &&Value| page["dedup_key"] == opened["dedup_key"] && page["event_action"] == "trigger";
    assert_eq!(pages.0.lock().0.iter().filter(same).count(), 1, "once, although it was busy at first");
}

/// The parts of a line of RFC 5424: its priority, then what spaces divide up to the structured data, and the message.
fn syslog(line: &str) -> (u32, Vec<&str>, &str) {
    let (priority, rest) = line.strip_prefix('<').unwrap().split_once('>').unwrap();
    let (head, rest) = rest.split_once(" [").unwrap();
    // A bracket in a value is written \].
    let (_, message) = rest.split_once("] ").unwrap();
    (priority.parse().unwrap(), head.split(' ').collect(), message)
}

fn is_told(line: &str) {
    let (priority, head, message) = syslog(line);
    assert_eq!(priority, 4 * 8 + 3, "security, error: {line}");
    let [version, time, host, name, process, kind] = head.as_slice() else { panic!("{line}") };
    assert_eq!((*version, *name, *kind), ("1", "quell", "alarm"), "{line}");
    assert!(time.parse::<jiff::Timestamp>().is_ok() && !host.is_empty(), "{line}");
    assert!(process.parse::<u32>().is_ok(), "{line}");
    assert!(message.strip_prefix('\u{feff}').is_some_and(|text| text.contains("dev-IZWB")), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn syslog_takes_it_over_tcp_and_over_udp() {
    let world = world().await;
    let stream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let datagrams = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let config = format!(
        "[[guard.sink]]\nname = \"stream\"\nkind = \"syslog\"\nto = \"tcp://{}\"\nalerts = [\"alarm\"]\n\
         [[guard.sink]]\nname = \"datagrams\"\nkind = \"syslog\"\nto = \"udp://{}\"\nalerts = [\"alarm\"]\n",
        stream.local_addr().unwrap(),
        datagrams.local_addr().unwrap(),
    );
    let _guard = Running::of(guard(&world, &[], &config).spawn().unwrap());
    // Octets are counted (RFC 6587): the length, a space, and so much.
    let (mut connection, _) = timeout(LONG, stream.accept()).await.unwrap().unwrap();
    let mut framed = String::new();
    timeout(LONG, connection.read_to_string(&mut framed)).await.unwrap().unwrap();
    let (length, line) = framed.split_once(' ').unwrap();
    assert_eq!(length.parse::<usize>().unwrap(), line.len(), "{framed}");
    is_told(line);
    // A datagram is a message.
    let mut buffer = vec![0; 65_536];
    let (length, _) = timeout(LONG, datagrams.recv_from(&mut buffer)).await.unwrap().unwrap();
    is_told(std::str::from_utf8(&buffer[..length]).unwrap());
}

/// What a client hears on a topic of the account.
async fn subscriber(world: &World, topic: &str) -> mpsc::UnboundedReceiver<Vec<u8>> {
    let certificate = world.things(&["Operations"]).await;
    let options = MqttOptions::new("Operations", ("127.0.0.1", world.listen(&certificate).await));
    let (client, mut events) = AsyncClient::builder(options).capacity(8).build();
    client.subscribe(topic, QoS::AtLeastOnce).await.unwrap();
    while !matches!(events.poll().await.unwrap(), Event::Incoming(Packet::SubAck(_))) {}
    let (sender, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let _client = client;
        while let Ok(event) = events.poll().await {
            if let Event::Incoming(Packet::Publish(message)) = event {
                let _ = sender.send(message.payload.to_vec());
            }
        }
    });
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_of_the_account_is_told_on_its_topic() {
    let world = world().await;
    let mut heard = subscriber(&world, "ops/alerts").await;
    let _guard = Running::of(
        guard(&world, &[], "[[guard.sink]]\nkind = \"mqtt\"\ntopic = \"ops/alerts\"\n").spawn().unwrap(),
    );
    let told = timeout(LONG, heard.recv()).await.unwrap().unwrap();
    let told: Value = serde_json::from_slice(&told).unwrap();
    assert_eq!((&told["thingName"], &told["violationEventType"]), (&json!("dev-IZWB"), &json!("in-alarm")));
}

/// Mosquitto on a free port, with lines for its configuration; none where it is not installed.
fn mosquitto(folder: &Path, more: &str) -> Option<(u16, Child)> {
    let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/opt/homebrew/sbin/mosquitto"]
        .into_iter()
        .find(|path| Path::new(path).exists())?;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = folder.join("mosquitto.conf");
    // As root it would go on as another user, who may read nothing here.
    std::fs::write(&config, format!("user root\nlistener {port} 127.0.0.1\n{more}\n")).unwrap();
    let child =
        Command::new(program).arg("-c").arg(config).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    Some((port, child))
}

/// An authority of somebody's own, and a certificate for this machine that it signed: `NAME-ca.pem`, `NAME.pem`, `NAME.key`.
fn authority(folder: &Path, name: &str) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let ca = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().unwrap();
    let server =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&own, &issuer).unwrap();
    std::fs::write(folder.join(format!("{name}-ca.pem")), ca.pem()).unwrap();
    std::fs::write(folder.join(format!("{name}.pem")), server.pem()).unwrap();
    std::fs::write(folder.join(format!("{name}.key")), own.serialize_pem()).unwrap();
}

/// A client that does nothing but wait for mosquitto to listen.
async fn listens(port: u16) {
    let listening = async {
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, listening).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_over_tls_is_told_and_one_that_nobody_vouches_for_is_not() {
    use quell::config::{AlertFormat, AlertKind, Broker, Proxies, Sink, SinkWay};
    use quell::guard::deliver::{Delivery, Patience};
    use quell::guard::sink::Post;
    use quell::guard::{Alert, Store};
    use quell::response::alert::web::Web;

    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    authority(folder.path(), "plant");
    authority(folder.path(), "stranger");
    let inside = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let more = format!(
        "certfile {}\nkeyfile {}\nallow_anonymous true\nlistener {inside} 127.0.0.1\nallow_anonymous true",
        at("plant.pem").display(),
        at("plant.key").display()
    );
    let Some((port, _broker)) = mosquitto(folder.path(), &more) else {
        return outside::skipped("mosquitto is not installed (apt-get install mosquitto)");
    };
    listens(port).await;
    let mut heard = listener(inside, ("ops", "hush"), "plant/+").await;
    let sink = |name: &str, ca: Option<&str>| Sink {
        name: name.to_owned(),
        way: SinkWay::Broker(Broker {
            url: format!("mqtts://localhost:{port}"),
            topic: format!("plant/{name}"),
            login: None,
            ca: ca.map(at),
        }),
        format: AlertFormat::Aws,
        alerts: AlertKind::ALL.to_vec(),
    };
    let sinks = vec![
        sink("vouched", Some("plant-ca.pem")),
        sink("stranger", Some("stranger-ca.pem")),
        sink("none", None),
    ];
    let post = Post {
        web: Arc::new(Web::default()),
        aws: None,
        sns: None,
        voice: None,
        proxies: Proxies::default(),
        host: "host".to_owned(),
    };
    let store = Arc::new(Mutex::new(Store::open(&at("state")).unwrap()));
    let delivery = Delivery::begin(sinks, store, &post, Patience(Duration::from_secs(2)), true);
    let alert = Alert::of_action("dev-IZWB", "isolated", &"isolated, proven".into(), 1_573_786_800_000);
    delivery.tell(&[alert]).unwrap();
    let told = timeout(LONG, heard.recv()).await.unwrap().unwrap();
    let told: Value = serde_json::from_slice(&told).unwrap();
    assert_eq!(told["thingName"], "dev-IZWB");
    timeout(LONG, delivery.settled()).await.unwrap();
    let tally = delivery.tally();
    assert_eq!((tally["vouched"].sent, tally["vouched"].failed), (1, 0), "{tally:?}");
    let given_up = std::fs::read_to_string(at("state/undelivered.jsonl")).unwrap();
    let given_up: Vec<Value> = given_up.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut names: Vec<&str> = given_up.iter().map(|line| line["sink"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["none", "stranger"]);
    for line in &given_up {
        let why = line["why"].as_str().unwrap();
        assert!(why.to_lowercase().contains("certificate"), "{why}");
        assert_eq!(line["alert"]["thingName"], "dev-IZWB");
    }
    assert!(heard.try_recv().is_err(), "whoever nobody vouches for was told nothing");
}

/// What a client hears on a topic of mosquitto.
async fn listener(port: u16, login: (&str, &str), topic: &str) -> mpsc::UnboundedReceiver<Vec<u8>> {
    let mut options = MqttOptions::new("Operations", ("127.0.0.1", port));
    options.set_credentials(login.0, login.1.to_owned());
    let (client, mut events) = AsyncClient::builder(options).capacity(8).build();
    let (sender, heard) = mpsc::unbounded_channel();
    let topic = topic.to_owned();
    let (ready, subscribed) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        client.subscribe(&topic, QoS::AtLeastOnce).await.unwrap();
        let mut ready = Some(ready);
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::SubAck(_))) => drop(ready.take().map(|ready| ready.send(()))),
                Ok(Event::Incoming(Packet::Publish(message))) => drop(sender.send(message.payload.to_vec())),
                Ok(_) => {}
                // It is being started.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    });
    timeout(LONG, subscribed).await.unwrap().unwrap();
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_of_somebody_s_own_is_told_over_mqtt() {
    let world = world().await;
    let folder = world.folder.path();
    std::fs::write(folder.join("acl"), "user ops\ntopic readwrite plant/alerts\n").unwrap();
    let passwords = folder.join("passwords");
    let hashed =
        Command::new("mosquitto_passwd").args(["-b", "-c"]).arg(&passwords).args(["ops", "hush"]).output();
    let more = format!("password_file {}\nacl_file {}", passwords.display(), folder.join("acl").display());
    let broker =
        if hashed.await.is_ok_and(|ran| ran.status.success()) { mosquitto(folder, &more) } else { None };
    let Some((port, _broker)) = broker else {
        return outside::skipped("mosquitto is not installed (apt-get install mosquitto)");
    };
    let mut heard = listener(port, ("ops", "hush"), "plant/alerts").await;
    world.file("key", "hush\n");
    let key = folder.join("key");
    let sink = |name: &str, topic: &str| {
        format!(
            "[[guard.sink]]\nname = {name:?}\nkind = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{port}\"\ntopic = {topic:?}\n\
             user = \"ops\"\nsecret-file = {key:?}\n"
        )
    };
    let config = sink("plant", "plant/alerts") + &sink("elsewhere", "elsewhere/alerts");
    // It is no topic of the account: also a guard that changes nothing there tells it.
    let _guard = Running::of(guard(&world, &["--read-only"], &config).spawn().unwrap());
    let told = timeout(LONG, heard.recv()).await.unwrap().unwrap();
    let told: Value = serde_json::from_slice(&told).unwrap();
    assert_eq!((&told["thingName"], &told["violationEventType"]), (&json!("dev-IZWB"), &json!("in-alarm")));
    // Its end comes too, on a connection of its own, and not what was told before.
    world.say("temperature/dev-IZWB", "1");
    let over = timeout(LONG, heard.recv()).await.unwrap().unwrap();
    let over: Value = serde_json::from_slice(&over).unwrap();
    assert_eq!(
        (&over["violationEventType"], &over["violationId"]),
        (&json!("alarm-cleared"), &told["violationId"])
    );
    // What the broker does not allow is not taken for told.
    let refused = crate::guard::status_until(&world, |status| {
        let sinks = status["sinks"].as_array().unwrap();
        sinks.iter().any(|sink| sink["name"] == "elsewhere" && sink["failed"].as_u64() > Some(0))
    });
    let elsewhere =
        refused.await["sinks"].as_array().unwrap().iter().find(|s| s["name"] == "elsewhere").cloned();
    assert_eq!(elsewhere.unwrap()["sent"], 0);
}
