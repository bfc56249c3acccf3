//! The ways to the broker that AWS has: one TLS port told apart by ALPN, an authority of one's own, signatures that are
//! renewed in time, several connections; and what a configuration that changes does to them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned, crypto};

use crate::term::Term;
use crate::world::{Cloud, Watch, quell};

#[test]
fn a_control_plane_behind_an_authority_of_ones_own() {
    let cloud = Cloud::start();
    cloud.block(cloud.iot().create_thing().thing_name("pump").send()).unwrap();
    let tls = cloud.running().mqtts.port();
    let ca = cloud.running().credentials().join("root-CA.pem");
    let url = format!("https://localhost:{tls}");
    let args = |more: &[&str]| -> Vec<String> {
        let flags = ["--region", "us-east-1", "--endpoint-url", &url];
        more.iter().chain(&flags).map(|arg| (*arg).to_owned()).collect()
    };
    let output = quell(&args(&["things"]), &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "nobody vouches for it");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.to_lowercase().contains("certificate"), "{said}");
    let trusted = [("AWS_CA_BUNDLE", ca.to_str().unwrap())];
    let output = quell(&args(&["things"]), &trusted).output().unwrap();
    let found = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.code() == Some(0) && found.contains("pump"), "{found}");
    // The same bundle holds for the connection, found by DescribeEndpoint: signed, over TLS.
    let watch = Watch::spawn(&args(&["watch", "--topic", "dt/+"]), &trusted);
    watch.wait("its address", |line| line["source"] == "things" && line["count"] == 1);
    watch.wait_up();
}

/// A TLS server for `name` that speaks ALPN as AWS does on 443, and hands what it is told to the broker. Also the
/// protocols it agreed on.
fn port_443(
    name: &str,
    broker: SocketAddr,
    folder: &std::path::Path,
) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    std::fs::write(folder.join("ca.pem"), made.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    // As AWS: without one of these names the port is for HTTPS.
    config.alpn_protocols = vec![b"x-amzn-mqtt-ca".to_vec(), b"http/1.1".to_vec()];
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let agreed = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&agreed);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = StreamOwned::new(session, stream);
            while tls.conn.is_handshaking() {
                if tls.conn.complete_io(&mut tls.sock).is_err() {
                    break;
                }
            }
            let name = tls.conn.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
            let mqtt = name.as_deref() == Some("x-amzn-mqtt-ca");
            sink.lock().unwrap().push(name.unwrap_or_else(|| "none".to_owned()));
            if mqtt {
                std::thread::spawn(move || relay(tls, TcpStream::connect(broker).unwrap()));
            }
        }
    });
    (address, agreed)
}

/// Both ways over one TLS session, a moment at a time.
fn relay(mut tls: StreamOwned<ServerConnection, TcpStream>, mut plain: TcpStream) {
    let moment = Some(std::time::Duration::from_millis(10));
    tls.sock.set_read_timeout(moment).unwrap();
    plain.set_read_timeout(moment).unwrap();
    let mut buffer = [0; 4096];
    let waited = |e: &std::io::Error| {
        matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
    };
    loop {
        match tls.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) if plain.write_all(&buffer[..n]).is_err() => return,
            Err(error) if !waited(&error) => return,
            _ => {}
        }
        match plain.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) if tls.write_all(&buffer[..n]).and_then(|()| tls.flush()).is_err() => return,
            Err(error) if !waited(&error) => return,
            _ => {}
        }
    }
}

/// A proxy that leads every CONNECT to one address.
fn proxy(to: SocketAddr) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && client.read_exact(&mut byte).is_ok() {
                head.push(byte[0]);
            }
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let mut upstream = TcpStream::connect(to).unwrap();
            let (mut from, mut back) = (upstream.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut back));
            std::thread::spawn(move || std::io::copy(&mut client, &mut upstream));
        }
    });
    url
}

#[test]
fn mqtt_on_443_says_so_by_alpn() {
    let cloud = Cloud::start();
    let folder = tempfile::tempdir().unwrap();
    let (address, agreed) = port_443("broker.example", cloud.running().mqtt.unwrap(), folder.path());
    let ca = folder.path().join("ca.pem");
    let args = ["watch", "--no-aws", "--mqtt-url", "mqtts://broker.example:443", "--topic", "a"];
    let args: Vec<String> =
        args.into_iter().chain(["--ca", ca.to_str().unwrap()]).map(String::from).collect();
    let watch = Watch::spawn(&args, &[("ALL_PROXY", &proxy(address))]);
    watch.wait_up();
    cloud.publisher().publish("a", b"x");
    watch.wait("a message", |line| line["topic"] == "a");
    let agreed = agreed.lock().unwrap();
    assert!(!agreed.is_empty() && agreed.iter().all(|name| name == "x-amzn-mqtt-ca"), "{agreed:?}");
}

#[test]
fn a_signed_connection_is_renewed_before_it_is_ended() {
    let cloud = Cloud::start();
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(config.path(), "aws-speed = 60\n[mqtt]\nrenew-minutes = 2\n").unwrap();
    let watch = cloud.watch(&["--topic", "a/+", "--config", config.path().to_str().unwrap()]);
    let down = watch.wait("the renewal", |line| line["type"] == "link" && line["state"] == "down");
    assert_eq!(down["reason"], "signed anew, ahead of AWS's limit of 24 hours");
    let gap = watch.wait("its gap", |line| line["type"] == "gap" && line["reason"] == "not connected");
    assert!(gap["milliseconds"].as_i64().unwrap() < 10_000, "{gap}");
    watch.wait_all("the second connection", |lines| {
        (lines.iter().filter(|line| line["state"] == "up").count() >= 2).then_some(())
    });
    let connects = cloud.door.asked("GET /mqtt?");
    let dates: std::collections::HashSet<&str> =
        connects.iter().filter_map(|line| line.split("X-Amz-Date=").nth(1)?.split('&').next()).collect();
    assert!(dates.len() >= 2, "{connects:?}");
}

#[test]
fn several_connections_share_what_does_not_overlap() {
    let cloud = Cloud::start();
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(config.path(), "[mqtt]\nconnections = 3\n").unwrap();
    let topics = ["--topic", "a/+", "--topic", "b/+", "--topic", "a/1", "--topic", "c/+"];
    let topics: Vec<&str> = topics.into_iter().chain(["--config", config.path().to_str().unwrap()]).collect();
    let watch = cloud.watch(&topics);
    let up = watch.wait_up();
    let filters = up["filters"].as_array().unwrap();
    for filter in ["a/+", "b/+", "a/1", "c/+"] {
        assert_eq!(filters.iter().filter(|known| **known == filter).count(), 1, "{filters:?}");
    }
    assert_eq!(cloud.door.asked("GET /mqtt?").len(), 3);
    let publisher = cloud.publisher();
    let topics = ["a/1", "b/1", "c/1", "a/2"];
    for topic in topics {
        publisher.publish(topic, b"x");
    }
    for topic in topics {
        watch.wait(topic, |line| line["topic"] == topic);
    }
    // What came last is there: nothing else was on its way.
    let heard = watch.lines().iter().filter(|line| line["type"] == "telemetry").count();
    assert_eq!(heard, topics.len(), "each is heard once: {:#?}", watch.lines());
    cloud.door.shut();
    let down = watch.wait("the loss", |line| line["type"] == "link" && line["state"] == "down");
    assert!(down["reason"].as_str().unwrap().contains(" of 3: "), "{down}");
    cloud.door.open();
    watch.wait_all("all of them again", |lines| {
        (lines.iter().filter(|line| line["state"] == "up").count() >= 2).then_some(())
    });
}

#[test]
fn topics_polls_and_guardrails_change_while_it_runs() {
    let cloud = Cloud::start();
    let iot = cloud.iot();
    cloud.block(async {
        iot.create_thing().thing_name("pump-1").send().await.unwrap();
        let group = iot.create_thing_group().thing_group_name("IsolatedDevices").send().await.unwrap();
        let deny =
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iot:*","Resource":"*"}]}"#;
        iot.create_policy().policy_name("deny").policy_document(deny).send().await.unwrap();
        let attach = iot.attach_policy().policy_name("deny");
        attach.target(group.thing_group_arn().unwrap()).send().await.unwrap();
    });
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("config.toml");
    let write = |text: &str| {
        let new = home.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, &path).unwrap();
    };
    let rules = "thing-from = ['dt/{thing}/data']\n";
    write(&format!("topics = ['dt/old']\n{rules}[polls]\nregistry-seconds = 3600\n"));
    let flags = cloud.flags();
    let mut args: Vec<&str> = flags.iter().map(String::as_str).collect();
    args.extend(["--config", path.to_str().unwrap()]);
    let keys = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    let mut term = Term::spawn(&args, 170, 40, home.path(), &keys);
    term.wait_for("everything", crate::screen::LONG, |s| s.contains("pump-1") && s.contains("●MQTT"));
    let publisher = cloud.publisher();
    publisher.publish("dt/pump-2/data", b"1");
    // A registry that is read once an hour, and a topic nobody asked for.
    for thing in ["pump-2", "pump-3"] {
        cloud.block(iot.create_thing().thing_name(thing).send()).unwrap();
    }
    write(&format!(
        "topics = ['dt/+/data']\n{rules}[polls]\nregistry-seconds = 3600\n[guardrails]\nmax-bulk = 1\n"
    ));
    let screen =
        term.wait_for("the new topics", crate::screen::LONG, |s| s.contains("configuration read again"));
    assert!(screen.contains("topics") && screen.contains("guardrails"), "{screen}");
    assert!(!screen.contains("pump-2") && !screen.contains("pump-3"), "{screen}");
    term.wait_for("the new topics in force", crate::screen::LONG, |s| {
        publisher.publish("dt/pump-2/data", b"2");
        s.contains("pump-2")
    });
    write(&format!(
        "topics = ['dt/+/data']\n{rules}[polls]\nregistry-seconds = 1\n[guardrails]\nmax-bulk = 1\n"
    ));
    term.wait_for("the registry, read sooner", crate::screen::LONG, |s| s.contains("3 things"));
    // More than one at once is refused now.
    term.keys("1kkk  i");
    term.wait_for("the guardrail", crate::screen::LONG, |s| {
        s.contains("2 targets; the configuration allows 1 in one action")
    });
    term.keys("q");
}
