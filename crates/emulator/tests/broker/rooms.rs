//! A room: participants on one emulator, of whom nobody sees, hears or disturbs another; and the score of a drill.

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_iot::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_types::Blob;
use quell_emulator::Limits;
use quell_emulator::drill::{Phase, Sheet};
use quell_emulator::start::{Options, Participant, Running, start};

use crate::client::Client;
use crate::transports::{Signer, websocket};
use crate::{ALLOW, Identity, World, until};

fn participants(n: u16) -> Vec<Participant> {
    (1..=n).map(|n| Participant::numbered(n).unwrap()).collect()
}

fn config(running: &Running, key: &str, secret: &str) -> aws_config::SdkConfig {
    quell_emulator_tests::sdk::config(&format!("http://{}", running.http))
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(Credentials::from_keys(key, secret, None)))
        .build()
}

/// The room as one of its participants sees it.
async fn seat(options: &Options, n: usize) -> (World, Participant) {
    let running = start(options.clone()).await.unwrap();
    let own = options.participants[n].clone();
    let config = config(&running, &own.access_key, &own.secret_key);
    let (iot, data) = (aws_sdk_iot::Client::new(&config), aws_sdk_iotdataplane::Client::new(&config));
    let ca = std::fs::read_to_string(running.credentials().join("root-CA.pem")).unwrap();
    (World { running, iot, data, ca }, own)
}

/// Another participant's clients on the same emulator.
fn others(world: &World, own: &Participant) -> (aws_sdk_iot::Client, aws_sdk_iotdataplane::Client) {
    let config = config(&world.running, &own.access_key, &own.secret_key);
    (aws_sdk_iot::Client::new(&config), aws_sdk_iotdataplane::Client::new(&config))
}

fn code<T: std::fmt::Debug, E: ProvideErrorMetadata, R>(result: Result<T, SdkError<E, R>>) -> String {
    let Err(error) = result else { panic!("a refusal was expected") };
    error.code().unwrap_or_default().to_owned()
}

fn signed(world: &World, id: &str, own: &Participant) -> rumqttc::MqttOptions {
    let signer = Signer { access_key: &own.access_key, secret: &own.secret_key, ..Signer::good() };
    websocket(world, id, &signer.query(&world.running.http.to_string()))
}

async fn identity(iot: &aws_sdk_iot::Client) -> Identity {
    let made = iot.create_keys_and_certificate().set_as_active(true).send().await.unwrap();
    iot.create_policy().policy_name("All").policy_document(ALLOW).send().await.unwrap();
    let arn = made.certificate_arn.unwrap();
    iot.attach_policy().policy_name("All").target(&arn).send().await.unwrap();
    Identity {
        id: made.certificate_id.unwrap(),
        arn,
        certificate: made.certificate_pem.unwrap(),
        key: made.key_pair.unwrap().private_key.unwrap(),
    }
}

fn room(n: u16) -> Options {
    Options { mqtt: None, devices: Some(0), participants: participants(n), ..Options::on_free_ports() }
}

#[tokio::test]
async fn nothing_of_one_participant_is_seen_or_heard_by_another() {
    let options = room(2);
    let (world, first) = seat(&options, 0).await;
    let second = options.participants[1].clone();
    let (iot, data) = others(&world, &second);
    let (mine, theirs) = (identity(&world.iot).await, identity(&iot).await);
    for iot in [&world.iot, &iot] {
        iot.create_thing().thing_name("pump").send().await.unwrap();
    }
    iot.create_thing().thing_name("secret").send().await.unwrap();

    // Over HTTP: what the other has is not there, by name, by id and by ARN.
    let listed = world.iot.list_things().send().await.unwrap();
    assert_eq!(listed.things().iter().filter_map(|t| t.thing_name()).collect::<Vec<_>>(), ["pump"]);
    let arn = listed.things()[0].thing_arn().unwrap();
    assert_eq!(arn, format!("arn:aws:iot:us-east-1:{}:thing/pump", first.account));
    let nothing = "ResourceNotFoundException";
    assert_eq!(code(world.iot.describe_thing().thing_name("secret").send().await), nothing);
    assert_eq!(code(world.iot.describe_certificate().certificate_id(&theirs.id).send().await), nothing);
    let attached = world.iot.attach_policy().policy_name("All").target(&theirs.arn).send().await;
    assert_eq!(code(attached), "AccessDeniedException");
    let off = world.iot.update_certificate().certificate_id(&theirs.id);
    let off = off.new_status(aws_sdk_iot::types::CertificateStatus::Inactive).send().await;
    assert_eq!(code(off), nothing);
    data.publish().topic("dt/kept").payload(Blob::new("theirs")).retain(true).send().await.unwrap();
    for (data, kept) in [(&world.data, 0), (&data, 1)] {
        assert_eq!(data.list_retained_messages().send().await.unwrap().retained_topics().len(), kept);
    }

    // Over MQTT, TLS and WebSocket alike: the same client id in both accounts, and each hears its own.
    let mut console = Client::connect(signed(&world, "console", &first)).await;
    console.subscribe(&["#", "$aws/events/presence/connected/+"]).await;
    let mut other = Client::connect(signed(&world, "console", &second)).await;
    other.subscribe(&["dt/x"]).await;
    let mut device = world.device("pump", &theirs).await;
    device.publish("dt/x", "by TLS").await;
    let mut writer = Client::connect(signed(&world, "writer", &second)).await;
    writer.publish("dt/x", "by WebSocket").await;
    let (status, _) = world.https(Some(&theirs), &[], "POST /topics/dt/x?qos=1", &[], b"by HTTPS").await;
    assert_eq!(status, 200);
    data.publish().topic("dt/x").payload(Blob::new("by HTTP")).send().await.unwrap();
    for expected in ["by TLS", "by WebSocket", "by HTTPS", "by HTTP"] {
        assert_eq!(other.text().await.1, expected);
    }
    // Whatever had come over would have come before this.
    let mut own = world.device("pump", &mine).await;
    assert!(console.text().await.0.ends_with("connected/pump"), "its own device, and the other's not");
    own.publish("dt/x", "mine").await;
    assert_eq!(console.text().await, ("dt/x".to_owned(), "mine".to_owned()));
    let seen = world.data.get_connection().client_id("pump").send().await.unwrap();
    assert_eq!(seen.connected(), data.get_connection().client_id("pump").send().await.unwrap().connected());
    // Cutting one's own client does not touch the other's of the same name.
    world.data.delete_connection().client_id("pump").send().await.unwrap();
    own.ended().await;
    device.publish("dt/x", "still here").await;
    assert_eq!(other.text().await.1, "still here");
}

#[tokio::test]
async fn a_participant_is_let_in_by_his_own_password_into_his_own_account_only() {
    let options = room(2);
    let (world, first) = seat(&options, 0).await;
    let second = options.participants[1].clone();
    // The password of the one does not open the account of the other.
    let forged = Participant { secret_key: first.secret_key.clone(), ..second.clone() };
    let (iot, data) = others(&world, &forged);
    assert_eq!(code(iot.list_things().send().await), "InvalidSignatureException");
    assert_eq!(code(data.get_thing_shadow().thing_name("pump").send().await), "InvalidSignatureException");
    Client::refused(signed(&world, "console", &forged)).await;
    for (key, secret) in [("test", "test"), (second.account.as_str(), "x"), ("p00", "")] {
        let config = config(&world.running, key, secret);
        let refused = aws_sdk_iot::Client::new(&config).list_things().send().await;
        let known = key == "test";
        assert!(refused.is_ok() == known, "{key}");
    }
    // Nobody makes another region, or takes what there is for others.
    let elsewhere = config(&world.running, &first.access_key, &first.secret_key).into_builder();
    let elsewhere = elsewhere.region(aws_config::Region::new("eu-west-1")).build();
    let refused = aws_sdk_iot::Client::new(&elsewhere).list_things().send().await;
    assert_eq!(code(refused), "UnrecognizedClientException");
    // A copy of another's certificate does not draw the other's device over, whatever becomes of it there.
    let (iot, _) = others(&world, &second);
    let theirs = identity(&iot).await;
    let copied = world.iot.register_certificate_without_ca().certificate_pem(&theirs.certificate);
    copied.status(aws_sdk_iot::types::CertificateStatus::Active).send().await.unwrap();
    identity(&world.iot).await;
    world
        .iot
        .attach_policy()
        .policy_name("All")
        .target(format!("arn:aws:iot:us-east-1:{}:cert/{}", first.account, theirs.id))
        .send()
        .await
        .unwrap();
    drop(world.device("pump", &theirs).await);
    let off = iot.update_certificate().certificate_id(&theirs.id);
    off.new_status(aws_sdk_iot::types::CertificateStatus::Inactive).send().await.unwrap();
    Client::refused(world.secure("pump", &theirs)).await;
    assert_eq!(code(world.data.get_connection().client_id("pump").send().await), "ResourceNotFoundException");
}

#[tokio::test]
async fn a_participant_has_so_many_connections_and_messages_and_no_more() {
    let limits = Limits { connections: 2, all_messages_per_second: Some(0), ..Limits::default() };
    let options = Options { limits, ..room(2) };
    let (world, first) = seat(&options, 0).await;
    let second = options.participants[1].clone();
    let connect = async |id: &str, own: &Participant| Client::connect(signed(&world, id, own)).await;
    let (one, _two) = (connect("one", &first).await, connect("two", &first).await);
    assert_eq!(Client::refused(signed(&world, "three", &first)).await, "ServiceUnavailable");
    // The other's are his.
    let _theirs = connect("one", &second).await;
    drop(one);
    let next = until("a place for the next", async || {
        let mut next = Client::open(signed(&world, "three", &first));
        match next.next().await {
            crate::client::Heard::Packet(_) => Some(next),
            crate::client::Heard::Ended(_) => None,
        }
    })
    .await;
    next.handle.publish("dt/x", "1", rumqttc::PublishOptions::at_most_once()).await.unwrap();
    let account = world.running.account_of("p01").unwrap();
    until("the message is let go", async || (account.broker().counters().dropped == 1).then_some(())).await;
}

const DRILL: &str = r#"
[drill]
title = "t"
teaches = "x"
lasts = "200m"
hints = ["look at the sizes"]

[[incident]]
thing = "Thing02"
answer = "contain"
what = "large"
seen-by = "190m"
answered-by = "190m"
proven-by = "190m"

[[step]]
at = "1s"
thing = "Thing02"
action = "rogue-size"
"#;

/// An emulator with devices, on whose accounts a drill is played.
async fn drilled(n: u16, text: &str) -> (Running, Vec<Participant>) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let participants = participants(n);
    let options = Options {
        mqtt: None,
        speed: 60.0,
        scenario: Some(file.path().to_owned()),
        participants: participants.clone(),
        ..Options::on_free_ports()
    };
    (start(options).await.unwrap(), participants)
}

async fn sheet(running: &Running, name: &str, what: &str, wanted: impl Fn(&Sheet) -> bool) -> Sheet {
    until(what, async || running.sheet(name).filter(|sheet| wanted(sheet))).await
}

#[tokio::test]
async fn a_drill_is_scored_by_what_is_true_of_the_account() {
    let (running, participants) = drilled(2, DRILL).await;
    assert!(running.sheet("p01").is_none() && running.hint("p01").is_none(), "it has not begun");
    assert!(running.begin("p01") && running.begin("p02") && !running.begin("p03"));
    let config = config(&running, &participants[0].access_key, &participants[0].secret_key);
    let (iot, data) = (aws_sdk_iot::Client::new(&config), aws_sdk_iotdataplane::Client::new(&config));
    sheet(&running, "p01", "an alarm", |sheet| sheet.phase() == Phase::Alarm).await;
    // Looking at the list of all is not seeing it; asking about it is.
    iot.list_things().send().await.unwrap();
    iot.get_effective_policies().thing_name("Thing02").send().await.unwrap();
    let seen = sheet(&running, "p01", "seen", |sheet| sheet.cards[0].seen.is_some()).await;
    assert_eq!((seen.phase(), seen.cards[0].answered), (Phase::Seen, None));
    // The wrong one first.
    let isolate = async |thing: &str| {
        let join = iot.add_thing_to_thing_group().thing_group_name("IsolatedDevices");
        join.thing_name(thing).send().await.unwrap();
    };
    isolate("Thing01").await;
    let wrong = sheet(&running, "p01", "a mistake", |sheet| !sheet.mistakes.is_empty()).await;
    assert_eq!(wrong.mistakes[0].what, "took Thing01 off the air");
    isolate("Thing02").await;
    until("it is cut", async || {
        let _ = data.delete_connection().client_id("Thing02").send().await;
        running.sheet("p01").filter(|sheet| sheet.cards[0].answered.is_some())
    })
    .await;
    assert_eq!(running.hint("p01").as_deref(), Some("look at the sizes"));
    assert_eq!(running.hint("p01"), None);
    let done = until("it is proven", async || {
        let _ = data.get_connection().client_id("Thing02").send().await;
        running.sheet("p01").filter(|sheet| sheet.phase() == Phase::Done)
    })
    .await;
    assert_eq!((done.points(), done.mistakes.len(), done.hints), (80.0, 1, 1));
    // The other one's account is as it was.
    let other = running.sheet("p02").unwrap();
    assert_eq!((other.phase(), other.points()), (Phase::Alarm, 0.0));
    // Emptied, an account begins anew: its devices are back and nothing is on the sheet.
    running.reset("p01").await.unwrap();
    assert!(running.sheet("p01").is_none());
    let account = running.account_of("p01").unwrap();
    until("the devices are back", async || account.broker().connection("Thing02").filter(|c| c.connected))
        .await;
    assert!(running.begin("p01"));
    sheet(&running, "p01", "an alarm again", |sheet| sheet.phase() == Phase::Alarm).await;
    running.shutdown().await;
}

#[tokio::test]
async fn taking_the_shared_certificate_is_the_worst_that_can_be_done() {
    let (running, participants) = drilled(1, DRILL).await;
    running.begin("p01");
    sheet(&running, "p01", "an alarm", |sheet| sheet.phase() == Phase::Alarm).await;
    let config = config(&running, &participants[0].access_key, &participants[0].secret_key);
    let iot = aws_sdk_iot::Client::new(&config);
    let principals = iot.list_thing_principals().thing_name("Thing02").send().await.unwrap();
    let id = principals.principals()[0].rsplit('/').next().unwrap().to_owned();
    let off = iot.update_certificate().certificate_id(id);
    off.new_status(aws_sdk_iot::types::CertificateStatus::Inactive).send().await.unwrap();
    let wrong = sheet(&running, "p01", "a mistake", |sheet| !sheet.mistakes.is_empty()).await;
    assert_eq!(wrong.mistakes.len(), 1);
    assert_eq!(wrong.mistakes[0].what, "took the certificate that Thing01, Thing03 needed");
    // It does hold the device, once its connection has ended.
    let held = sheet(&running, "p01", "held", |sheet| sheet.cards[0].answered.is_some()).await;
    assert_eq!(held.points(), 40.0, "70 less 30");
    running.shutdown().await;
}

/// What answers each drill that ships, by the SDK alone.
async fn answer(name: &str, iot: &aws_sdk_iot::Client, data: &aws_sdk_iotdataplane::Client) {
    let isolate = async |thing: &str| {
        let join = iot.add_thing_to_thing_group().thing_group_name("IsolatedDevices");
        join.thing_name(thing).send().await.unwrap();
        // Refused while it is away, as often as it is there.
        let _ = data.delete_connection().client_id(thing).send().await;
    };
    let deactivate = async |thing: &str| {
        let principals = iot.list_thing_principals().thing_name(thing).send().await.unwrap();
        let id = principals.principals()[0].rsplit('/').next().unwrap().to_owned();
        let off = iot.update_certificate().certificate_id(id);
        off.new_status(aws_sdk_iot::types::CertificateStatus::Inactive).send().await.unwrap();
    };
    match name {
        "oversized" => isolate("Thing02").await,
        "storm" => {
            isolate("dev-XBHY").await;
            isolate("Thing03").await;
            iot.get_effective_policies().thing_name("IoTTemperatureDemoDevice").send().await.unwrap();
        }
        "stolen" => deactivate("dev-IZWB").await,
        "leak" => {
            isolate("dev-IZWB").await;
            let wish = Blob::new(r#"{"state":{"desired":{"uploadTo":null}}}"#);
            data.update_thing_shadow()
                .thing_name("IoTTemperatureDemoDevice")
                .payload(wish)
                .send()
                .await
                .unwrap();
            data.get_thing_shadow().thing_name("IoTTemperatureDemoDevice").send().await.unwrap();
        }
        "return" => {
            deactivate("dev-IZWB").await;
            data.publish().topic("temperature-device-02").retain(true).send().await.unwrap();
            data.list_retained_messages().send().await.unwrap();
        }
        other => panic!("how is {other} answered?"),
    }
    let _ = data.get_connection().client_id("Thing02").send().await;
    for thing in ["Thing02", "Thing03", "dev-XBHY", "dev-IZWB"] {
        iot.get_effective_policies().thing_name(thing).send().await.unwrap();
    }
}

#[tokio::test]
async fn each_drill_that_ships_can_be_answered_without_a_mistake() {
    for (name, text) in quell_emulator::drill::SHIPPED {
        // However slow this machine is, the time is not over.
        let text = text.replace("lasts = \"2", "lasts = \"4000");
        let (running, participants) = drilled(1, &text).await;
        running.begin("p01");
        let config = config(&running, &participants[0].access_key, &participants[0].secret_key);
        let (iot, data) = (aws_sdk_iot::Client::new(&config), aws_sdk_iotdataplane::Client::new(&config));
        let begun = |sheet: &Sheet| sheet.cards.iter().all(|card| sheet.now > card.at + 20_000);
        let before = sheet(&running, "p01", "everything is wrong", begun).await;
        assert!(before.cards.iter().all(|card| card.answered.is_none()), "{name}: {before:?}");
        let done = until(name, async || {
            answer(name, &iot, &data).await;
            running.sheet("p01").filter(|sheet| sheet.phase() == Phase::Done)
        })
        .await;
        assert_eq!(done.mistakes, [], "{name}");
        assert!(done.points() > 0.0, "{name}: {done:?}");
        running.shutdown().await;
    }
}

#[tokio::test]
async fn a_group_alone_does_not_hold_what_comes_back_under_another_name() {
    let (running, participants) = drilled(1, quell_emulator::drill::shipped("return").unwrap()).await;
    running.begin("p01");
    let config = config(&running, &participants[0].access_key, &participants[0].secret_key);
    let (iot, data) = (aws_sdk_iot::Client::new(&config), aws_sdk_iotdataplane::Client::new(&config));
    sheet(&running, "p01", "an alarm", |sheet| sheet.phase() == Phase::Alarm).await;
    let join = iot.add_thing_to_thing_group().thing_group_name("IsolatedDevices");
    join.thing_name("dev-IZWB").send().await.unwrap();
    let account = running.account_of("p01").unwrap();
    until("it is back", async || {
        let _ = data.delete_connection().client_id("dev-IZWB").send().await;
        account.broker().connection("gw-9").filter(|held| held.connected)
    })
    .await;
    let sheet = running.sheet("p01").unwrap();
    assert_eq!((sheet.cards[0].answered, sheet.mistakes.len()), (None, 0));
    running.shutdown().await;
}

#[tokio::test]
async fn what_is_injected_goes_wrong_for_one_alone_and_once() {
    let late = DRILL.replace("at = \"1s\"", "at = \"170m\"");
    let (running, participants) = drilled(2, &late).await;
    assert!(!running.inject("p01", 0), "no drill is under way");
    assert!(running.begin("p01") && running.begin("p02"));
    assert!(!running.inject("p01", 1) && !running.inject("p03", 0), "no such incident, no such participant");
    let account = running.account_of("p01").unwrap();
    until("the device is there", async || account.broker().connection("Thing02").filter(|c| c.connected))
        .await;
    assert!(running.inject("p01", 0));
    let alarm = sheet(&running, "p01", "an alarm", |sheet| sheet.phase() == Phase::Alarm).await;
    assert!(alarm.cards[0].at < 60_000 * 170 && alarm.injected.len() == 1);
    let other = running.sheet("p02").unwrap();
    assert!(other.phase() == Phase::Calm && other.injected.is_empty());
    // It is real: AWS's own Detect sees the size of its messages.
    let config = config(&running, &participants[0].access_key, &participants[0].secret_key);
    let iot = aws_sdk_iot::Client::new(&config);
    until("a violation", async || {
        let active = iot.list_active_violations().thing_name("Thing02").send().await.unwrap();
        let large = |v: &aws_sdk_iot::types::ActiveViolation| {
            v.behavior().and_then(|b| b.metric()) == Some("aws:message-byte-size")
        };
        active.active_violations().iter().any(large).then_some(())
    })
    .await;
    running.shutdown().await;
}
