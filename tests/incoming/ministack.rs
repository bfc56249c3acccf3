//! A control plane and a broker that are neither AWS's nor our emulator's: ministack. Policies are not enforced there, so that a
//! thing in a group that denies everything goes on speaking; what quell says of it must not be better than what it heard.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quell_emulator_tests::tunnel;
use rumqttc::{Client, MqttOptions, PublishOptions};
use serde_json::Value;

use crate::beside::Beside;
use crate::outside::{python_has, skipped};
use crate::world::{Cloud, PATIENCE, Watch, free_port, quell};

const DENY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iot:*","Resource":"*"}]}"#;
const ALLOW: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;

/// The body of a GET, as long as the other side keeps to HTTP/1.0.
fn get(port: u16, path: &str) -> String {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(socket, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn a_device_that_goes_on_speaking_is_never_called_contained() {
    if !python_has("ministack") {
        return skipped("python3 with ministack is not here (pip install ministack)");
    }
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let (http, tls) = (free_port(), free_port());
    let _ministack = Beside::start(
        Command::new("python3")
            .args(["-c", "import sys; sys.argv = ['ministack']; from ministack.app import main; main()"])
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", http.to_string())
            .env("IOT_MTLS_PORT", tls.to_string())
            .env("SFTP_ENABLED", "0"),
        http,
    );
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let ca = get(http, "/_ministack/iot/ca.pem");
    assert!(ca.contains("BEGIN CERTIFICATE"), "{ca}");
    std::fs::write(at("ca.pem"), &ca).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", tls)).is_err() {
        assert!(Instant::now() < deadline, "ministack's TLS listener does not come");
        std::thread::sleep(Duration::from_millis(50));
    }

    // Only for its runtime and its clients.
    let cloud = Cloud::start();
    let endpoint = format!("http://127.0.0.1:{http}");
    let iot = cloud.iot_at(&endpoint);
    let mut keys = Vec::new();
    cloud.block(async {
        iot.create_policy().policy_name("AllowAll").policy_document(ALLOW).send().await.unwrap();
        iot.create_policy().policy_name("DenyAll").policy_document(DENY).send().await.unwrap();
        let group = iot.create_thing_group().thing_group_name("IsolatedDevices").send().await.unwrap();
        iot.attach_policy()
            .policy_name("DenyAll")
            .target(group.thing_group_arn.unwrap())
            .send()
            .await
            .unwrap();
        iot.create_thing().thing_name("Talker").send().await.unwrap();
        for who in ["operator", "Talker"] {
            let made = iot.create_keys_and_certificate().set_as_active(true).send().await.unwrap();
            let arn = made.certificate_arn.unwrap();
            iot.attach_policy().policy_name("AllowAll").target(&arn).send().await.unwrap();
            if who == "Talker" {
                iot.attach_thing_principal().thing_name(who).principal(&arn).send().await.unwrap();
            }
            let pair = made.key_pair.unwrap();
            keys.push((made.certificate_pem.unwrap(), pair.private_key.unwrap()));
        }
    });
    std::fs::write(at("cert.pem"), &keys[0].0).unwrap();
    std::fs::write(at("key.pem"), &keys[0].1).unwrap();

    let mut options = MqttOptions::new("Talker", ("localhost", tls));
    options.set_keep_alive(30);
    let config = tunnel::tls(&ca, Some((&keys[1].0, &keys[1].1)), &[]);
    let to = std::net::SocketAddr::from(([127, 0, 0, 1], tls));
    options.set_socket_connector(move |_, _| tunnel::dial(to, Arc::clone(&config)));
    let (device, mut connection) = Client::builder(options).capacity(16).build();
    std::thread::spawn(move || {
        for event in connection.iter() {
            if event.is_err() {
                std::thread::sleep(Duration::from_millis(200));
            }
        }
    });
    let speaking = device;
    std::thread::spawn(move || {
        while speaking.try_publish("dt/Talker/data", "21.5", PublishOptions::at_most_once()).is_ok() {
            std::thread::sleep(Duration::from_millis(200));
        }
    });

    let state = at("state");
    let env = [("XDG_STATE_HOME", state.as_str()), ("AWS_ENDPOINT_URL_STS", endpoint.as_str())];
    let mqtt = format!("mqtts://localhost:{tls}");
    let (ca, cert, key) = (at("ca.pem"), at("cert.pem"), at("key.pem"));
    let flags: Vec<String> = [
        "--region",
        "us-east-1",
        "--endpoint-url",
        &endpoint,
        "--data-endpoint-url",
        &endpoint,
        "--mqtt-url",
        &mqtt,
        "--ca",
        &ca,
        "--cert",
        &cert,
        "--key",
        &key,
        "--topic",
        "dt/+/data",
        "--thing-from",
        "dt/{thing}/data",
    ]
    .map(String::from)
    .to_vec();
    let with = |args: &[&str]| -> Vec<String> {
        args.iter().map(|arg| (*arg).to_owned()).chain(flags.iter().cloned()).collect()
    };

    // It is heard at all: otherwise nothing below would say anything.
    let watch = Watch::spawn(&with(&["watch"]), &env);
    watch.wait("the device", |line| line["type"] == "telemetry" && line["thing"] == "Talker");

    let done =
        quell(&with(&["isolate", "Talker", "--yes", "--json", "--timeout", "20s"]), &env).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    // Nothing changed because what is missing there could not be read, partly done, or done and not proven.
    assert!(matches!(done.status.code(), Some(1 | 3 | 5)), "{:?}: {said}", done.status);
    let journal =
        std::fs::read_to_string(folder.path().join("state/quell/journal.jsonl")).unwrap_or_default();
    for line in journal.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_ne!(line["outcome"], "proven", "{line}");
    }
    // In the group by another hand, and still speaking.
    cloud.block(async {
        let add = iot.add_thing_to_thing_group().thing_group_name("IsolatedDevices").thing_name("Talker");
        add.send().await.unwrap();
    });
    let heard = watch.lines().len();
    watch.wait_all("the device, still", |lines| (lines.len() > heard + 10).then_some(()));
    let things = quell(&with(&["things", "--json"]), &env).output().unwrap();
    let things = String::from_utf8_lossy(&things.stdout).into_owned();
    assert!(things.contains("Talker") && !things.contains("CONTAINED"), "{things}");
}
