//! `quell respond --listen` against an SNS that signs: it subscribes, believes what is signed, and nothing else. And
//! `--poll`, and who is told.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::Child;
use std::sync::Arc;
use std::time::SystemTime;

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use parking_lot::Mutex;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use quell::response::alert::web::Web;
use quell_emulator_tests::http;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::alerts::{EVENT, with_message};
use crate::world::{LONG, World};

impl World {
    /// One call of SNS, as an SDK would make it; its XML.
    pub(crate) async fn sns(&self, parameters: &[(&str, &str)]) -> String {
        let url = format!("{}/", self.settings.endpoint_url.as_ref().unwrap());
        let mut body = "Version=2010-03-31".to_owned();
        for (name, value) in parameters {
            body.push_str(&format!("&{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
        }
        let identity = aws_credential_types::Credentials::new("test", "test", None, None, "test").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("sns")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .unwrap();
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let authority = url.split('/').nth(2).unwrap();
        let signable = [("host", authority), kind];
        let request =
            SignableRequest::new("POST", &url, signable.into_iter(), SignableBody::Bytes(body.as_bytes()));
        let (signed, _) = sign(request.unwrap(), &params.into()).unwrap().into_parts();
        let mut headers = vec![(kind.0.to_owned(), kind.1.to_owned())];
        headers.extend(signed.headers().map(|(n, v)| (n.to_owned(), v.to_owned())));
        let answer = Web::default().post(&url, &headers, body.into_bytes()).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    /// A topic; its ARN.
    pub(crate) async fn topic(&self, name: &str) -> String {
        self.sns(&[("Action", "CreateTopic"), ("Name", name)]).await;
        format!("arn:aws:sns:us-east-1:123456789012:{name}")
    }

    pub(crate) async fn subscribe(&self, topic: &str, endpoint: &str) {
        let subscribe =
            [("Action", "Subscribe"), ("TopicArn", topic), ("Protocol", "http"), ("Endpoint", endpoint)];
        self.sns(&subscribe).await;
    }

    async fn publish(&self, topic: &str, message: &str) {
        self.sns(&[("Action", "Publish"), ("TopicArn", topic), ("Message", message)]).await;
    }
}

/// The message of the workshop's event, about another violation.
fn alert(violation: &str) -> String {
    let event: Value = serde_json::from_str(&with_message(|m| m["violationId"] = json!(violation))).unwrap();
    event["Records"][0]["Sns"]["Message"].as_str().unwrap().to_owned()
}

/// The program as it runs on, and what it said, line by line.
pub(crate) struct Running {
    pub(crate) child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    told: mpsc::UnboundedReceiver<String>,
}

impl Running {
    pub(crate) fn of(mut child: Child) -> Self {
        fn lines(from: impl std::io::Read + Send + 'static) -> mpsc::UnboundedReceiver<String> {
            let (send, receive) = mpsc::unbounded_channel();
            std::thread::spawn(move || {
                for line in BufReader::new(from).lines().map_while(Result::ok) {
                    let _ = send.send(line);
                }
            });
            receive
        }
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, lines: lines(out), told: lines(err) }
    }

    /// The next answer on stdout.
    pub(crate) async fn answer(&mut self) -> Value {
        let line = timeout(LONG, self.lines.recv()).await.unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Where it listens.
    pub(crate) async fn address(&mut self) -> String {
        let line = self.says("listening on ").await;
        line.split_once("listening on ").unwrap().1.to_owned()
    }

    /// The next line on stderr with this in it.
    pub(crate) async fn says(&mut self, sought: &str) -> String {
        loop {
            let line = timeout(LONG, self.told.recv()).await.unwrap().unwrap();
            if line.contains(sought) {
                return line;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An HTTP endpoint that keeps what it is sent, by path.
#[derive(Clone, Default)]
pub(crate) struct Ear(Arc<Mutex<BTreeMap<String, Vec<String>>>>);

impl Ear {
    /// Answers `status` on every path; its address.
    pub(crate) async fn open(&self, status: u16) -> String {
        let ear = self.clone();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        http::serve(listener, move |request| {
            let body = String::from_utf8(request.body().to_vec()).unwrap();
            ear.0.lock().entry(request.uri().path().to_owned()).or_default().push(body);
            std::future::ready(http::status(status))
        });
        address
    }

    pub(crate) fn heard(&self, path: &str) -> Vec<String> {
        self.0.lock().get(path).cloned().unwrap_or_default()
    }

    /// The first message on `path` that is what is looked for.
    pub(crate) async fn hears(&self, path: &str, sought: impl Fn(&str) -> bool) -> String {
        timeout(LONG, async {
            loop {
                if let Some(found) = self.heard(path).into_iter().find(|m| sought(m)) {
                    return found;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await
        .unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_notification_is_acted_on_once_and_a_forged_one_never() {
    let world = crate::alerts::world().await;
    let topic = world.topic("DDD_Alerts").await;
    let mut quell = Running::of(world.spawn(&["respond", "--yes", "--json", "--listen", "127.0.0.1:0"]));
    let address = quell.address().await;
    world.subscribe(&topic, &address).await;
    let confirmed = quell.answer().await;
    assert_eq!(confirmed["result"], "confirmed", "{confirmed}");
    let listed = world.sns(&[("Action", "ListSubscriptionsByTopic"), ("TopicArn", &topic)]).await;
    assert!(!listed.contains("PendingConfirmation"), "{listed}");
    // A second subscriber keeps what SNS signed, to forge from.
    let ear = Ear::default();
    let copy = format!("{}/copy", ear.open(200).await);
    world.subscribe(&topic, &copy).await;
    let asked = ear.hears("/copy", |m| m.contains("SubscribeURL")).await;
    let asked: Value = serde_json::from_str(&asked).unwrap();
    Web::default().get(asked["SubscribeURL"].as_str().unwrap()).await.unwrap();

    world.publish(&topic, &alert("11111111111111111111111111111111")).await;
    let isolated = quell.answer().await;
    assert_eq!((&isolated["thingName"], &isolated["result"]), (&json!("dev-IZWB"), &json!("isolated")));
    assert!(world.member("dev-IZWB").await);
    let signed = ear.hears("/copy", |m| m.contains("1111111111111111")).await;
    world.door.forget();

    let post = async |body: String| Web::default().post(&address, &[], body.into_bytes()).await;
    post(signed.clone()).await.unwrap();
    let replay = quell.answer().await;
    assert!(replay["why"].as_str().unwrap().contains("replay"), "SNS delivers at least once: {replay}");
    let forged = signed.replace("1111111111111111", "2222222222222222");
    assert_ne!(forged, signed);
    post(forged).await.unwrap();
    let forged = quell.answer().await;
    assert!(forged["why"].as_str().unwrap().contains("not of its content"), "{forged}");
    world
        .publish(&topic, &alert("33333333333333333333333333333333").replace("in-alarm", "alarm-cleared"))
        .await;
    let cleared = quell.answer().await;
    assert!(cleared["why"].as_str().unwrap().contains("alarm-cleared"), "{cleared}");
    let refused = post("[]".to_owned()).await.unwrap_err();
    assert!(refused.contains("400"), "{refused}");
    let said = quell.says("not taken").await;
    assert!(said.contains("neither an SNS event"), "garbage is answered with why: {said}");
    assert!(post("x".repeat(2_000_000)).await.is_err(), "nothing that large is from SNS");
    assert_eq!(world.door.changes(), [] as [&str; 0]);
    let journal = world.run(&["journal", "verify"]).await;
    assert_eq!(journal.code, Some(0), "{journal:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_things_are_answered_at_once_and_a_violation_only_once() {
    let world = World::start().await;
    let names = ["dev-A", "dev-B", "dev-C"];
    for name in names {
        let certificate = world.things(&[name]).await;
        world.device(name, &certificate).await;
    }
    let topic = world.topic("DDD_Alerts").await;
    let mut quell = Running::of(world.spawn(&["respond", "--yes", "--json", "--listen", "127.0.0.1:0"]));
    let address = quell.address().await;
    world.subscribe(&topic, &address).await;
    assert_eq!(quell.answer().await["result"], "confirmed");
    for (i, name) in names.iter().chain(&names).enumerate() {
        // Each violation is told twice.
        let violation = format!("{:032}", i % names.len() + 1);
        world.publish(&topic, &alert(&violation).replace("dev-IZWB", name)).await;
    }
    let mut results: Vec<(String, String)> = Vec::new();
    for _ in 0..2 * names.len() {
        let answered = quell.answer().await;
        let text = |key: &str| answered[key].as_str().unwrap().to_owned();
        results.push((text("thingName"), text("result")));
    }
    for name in names {
        let of: Vec<&str> = results.iter().filter(|(n, _)| n == name).map(|(_, r)| r.as_str()).collect();
        assert_eq!(of, ["isolated", "ignored"], "{results:?}");
        assert!(world.member(name).await, "{name}");
    }
    let journal = world.run(&["journal", "--json"]).await.json();
    let entries = journal["entries"].as_array().unwrap();
    let kinds: Vec<&str> = entries.iter().map(|e| e["kind"].as_str().unwrap_or_default()).collect();
    let first = kinds.iter().position(|kind| *kind == "outcome").unwrap();
    let begun = kinds[..first].iter().filter(|kind| **kind == "intent").count();
    assert_eq!(begun, names.len(), "the second does not wait for the first to be proven: {kinds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn polls_find_a_violation_by_themselves_and_answer_it_once() {
    let world = World::start().await;
    let certificate = world.things(&["dev-IZWB"]).await;
    world.strict_profile().await;
    world.device("dev-IZWB", &certificate).await;
    let line = ["respond", "--poll", "--yes", "--json"];
    let mut quell = Running::of(world.spawn(&line));
    let answered = quell.answer().await;
    assert_eq!((&answered["thingName"], &answered["result"]), (&json!("dev-IZWB"), &json!("isolated")));
    assert!(world.member("dev-IZWB").await);
    drop(quell);
    world.door.forget();
    // The alarm stays, since an isolated device sends nothing that could clear it: another process finds it answered.
    let mut again = Running::of(world.spawn(&line));
    let answered = again.answer().await;
    assert!(answered["why"].as_str().unwrap().contains("replay"), "{answered}");
    assert_eq!(world.door.changes(), [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_the_polling_at_once_and_no_further_alert_is_answered() {
    let world = World::start().await;
    world.strict_profile().await;
    for name in ["dev-A", "dev-B", "dev-C"] {
        let certificate = world.things(&[name]).await;
        world.device(name, &certificate).await;
    }
    // All of them are in alarm before the first is answered.
    timeout(LONG, async {
        loop {
            let ran = world.run(&["violations", "--json"]).await;
            if ["dev-A", "dev-B", "dev-C"].iter().all(|name| ran.out.contains(name)) {
                break;
            }
        }
    })
    .await
    .unwrap();
    world.door.forget();
    let mut quell = Running::of(world.spawn(&["respond", "--poll", "--yes", "--json"]));
    timeout(LONG, async {
        while world.changed() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    // The first is being answered, and takes seconds to be proven silent.
    let interrupt = std::process::Command::new("kill").args(["-INT", &quell.child.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    let ended = timeout(LONG, async {
        loop {
            if let Some(status) = quell.child.try_wait().unwrap() {
                return status.code();
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    assert_eq!(ended.await.unwrap(), Some(130));
    let answered = world.run(&["journal", "--json"]).await.json();
    let intents = answered["entries"].as_array().unwrap().iter().filter(|e| e["kind"] == "intent").count();
    assert_eq!(intents, 1, "no further alert was answered: {answered}");
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_chime_and_sns_are_told_what_was_done() {
    let world = crate::alerts::world().await;
    let topic = world.topic("OnCall").await;
    let (ear, deaf) = (Ear::default(), Ear::default());
    let (address, down) = (ear.open(200).await, deaf.open(503).await);
    world.subscribe(&topic, &format!("{address}/sms")).await;
    let asked: Value =
        serde_json::from_str(&ear.hears("/sms", |m| m.contains("SubscribeURL")).await).unwrap();
    Web::default().get(asked["SubscribeURL"].as_str().unwrap()).await.unwrap();
    let rules = |slack: &str, actions: &str| {
        let text = format!(
            "[notify]\nslack = \"{slack}/slack\"\nchime = \"{address}/chime\"\nsns = \"{topic}\"\n[[rule]]\ndo = {actions}\n"
        );
        world.file("rules.toml", &text);
    };
    let file = world.folder.path().join("rules.toml");
    let line = ["respond", "--yes", "--json", "--rules", file.to_str().unwrap()];
    rules(&address, "[\"notify\"]");
    let dry = world.run_with(&["respond", "--json", "--rules", line[4]], "", Some(EVENT)).await;
    assert_eq!(dry.code, Some(0), "{dry:?}");
    assert_eq!(ear.heard("/slack").len(), 0, "a dry run tells nobody");
    let told = world.run_with(&line, "", Some(EVENT)).await;
    assert_eq!((told.code, world.changed()), (Some(0), 0), "{told:?}");
    let slack: Value = serde_json::from_str(&ear.hears("/slack", |_| true).await).unwrap();
    let text = slack["text"].as_str().unwrap();
    assert!(text.contains("dev-IZWB") && text.contains("MessagesPub"), "{text}");
    let chime: Value = serde_json::from_str(&ear.hears("/chime", |_| true).await).unwrap();
    assert_eq!(chime["Content"], slack["text"]);
    ear.hears("/sms", |m| m.contains("IoT Device Defender alert!")).await;

    // Slack is down: that is said, and hinders nothing.
    rules(&down, "[\"isolate\", \"notify\"]");
    let other = with_message(|m| m["violationId"] = json!("44444444444444444444444444444444"));
    let acted = world.run_with(&line, "", Some(&other)).await;
    assert_eq!(acted.code, Some(0), "{acted:?}");
    assert!(world.member("dev-IZWB").await);
    assert!(acted.out.contains("Slack was not told: it answered 503"), "{acted:?}");
    assert!(!acted.out.contains(&down) && !acted.err.contains(&down), "a webhook is a secret");
    ear.hears("/chime", |m| m.contains("isolated")).await;
}
