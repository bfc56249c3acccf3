//! Who connects, as whom, and through what: policies, certificates, client ids, credentials, clocks, proxies.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use quell_emulator::start::Options;
use serde_json::Value;

use crate::door::Answer;
use crate::world::{Cloud, Watch, quell};

/// A certificate of the account's own, with a policy; no thing is attached to it.
fn own_certificate(cloud: &Cloud, folder: &Path, policy: &str) -> (PathBuf, PathBuf) {
    let iot = cloud.iot();
    cloud.block(async {
        let made = iot.create_keys_and_certificate().set_as_active(true).send().await.unwrap();
        iot.create_policy().policy_name("console").policy_document(policy).send().await.unwrap();
        let arn = made.certificate_arn().unwrap();
        iot.attach_policy().policy_name("console").target(arn).send().await.unwrap();
        let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        std::fs::write(&cert, made.certificate_pem().unwrap()).unwrap();
        std::fs::write(&key, made.key_pair().unwrap().private_key().unwrap()).unwrap();
        (cert, key)
    })
}

fn over_tls(cloud: &Cloud, cert: &Path, key: &Path, more: &[&str]) -> Vec<String> {
    let ca = cloud.running().credentials().join("root-CA.pem");
    let url = format!("mqtts://{}", cloud.running().mqtts);
    let mut args = vec!["watch".to_owned()];
    args.extend(cloud.flags().into_iter().take(4));
    let own = [
        "--mqtt-url",
        &url,
        "--cert",
        cert.to_str().unwrap(),
        "--key",
        key.to_str().unwrap(),
        "--ca",
        ca.to_str().unwrap(),
    ];
    args.extend(own.iter().chain(more).map(|arg| (*arg).to_owned()));
    args
}

#[test]
fn a_forbidden_filter_is_found_named_and_left_out() {
    for version in ["5", "3.1.1"] {
        let cloud = Cloud::start();
        let folder = tempfile::tempdir().unwrap();
        let arn = "arn:aws:iot:us-east-1:123456789012";
        let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "iot:Connect", "Resource": format!("{arn}:client/quell-*")},
            {"Effect": "Allow", "Action": "iot:Subscribe", "Resource":
                [format!("{arn}:topicfilter/ok/*"), format!("{arn}:topicfilter/$aws/*")]},
            {"Effect": "Allow", "Action": "iot:Receive", "Resource": "*"},
        ]});
        let (cert, key) = own_certificate(&cloud, folder.path(), &policy.to_string());
        let config = folder.path().join("config.toml");
        std::fs::write(&config, format!("[mqtt]\nversion = '{version}'\n")).unwrap();
        let topics =
            ["--topic", "ok/1", "--topic", "bad/+", "--topic", "ok/2", "--config", config.to_str().unwrap()];
        let watch = Watch::spawn(&over_tls(&cloud, &cert, &key, &topics), &[]);
        let refused = watch.wait("the refusal", |line| line["state"] == "filter_refused");
        assert_eq!(refused["filter"], "bad/+");
        assert!(
            refused["reason"].as_str().unwrap().contains("iot:Subscribe on topicfilter/bad/+"),
            "{refused}"
        );
        let up = watch.wait_up();
        let filters: Vec<&str> =
            up["filters"].as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect();
        let sound = filters.contains(&"ok/1") && filters.contains(&"ok/2") && !filters.contains(&"bad/+");
        assert!(sound, "{filters:?}: {:#?}", watch.lines());
        assert!(filters.len() > 10, "the rest is alive: {filters:?}");
        cloud.publisher().publish("ok/2", b"x");
        watch.wait("a message", |line| line["topic"] == "ok/2");
        let refusals = watch.lines().iter().filter(|line| line["state"] == "filter_refused").count();
        assert_eq!(refusals, 1, "only what is forbidden is left out");
    }
}

#[test]
fn a_devices_certificate_is_refused_as_the_consoles_own() {
    let cloud = Cloud::with(Options::on_free_ports());
    let folder = cloud.running().credentials().to_path_buf();
    let (cert, key) = (folder.join("Thing02.cert.pem"), folder.join("Thing02.private.key"));
    let mut watch = Watch::spawn(&over_tls(&cloud, &cert, &key, &[]), &[]);
    let (code, said) = watch.exit();
    assert_eq!(code, Some(1));
    assert!(said.contains("Thing02") && said.contains("a device to AWS"), "{said}");
    assert!(watch.lines().is_empty());
}

/// Takes over a client id, and lets go of it again.
fn take_over(address: SocketAddr, id: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut packet = vec![0x10, 12 + id.len() as u8, 0, 4];
    packet.extend(b"MQTT\x04\x02\x00\x3c");
    packet.extend((id.len() as u16).to_be_bytes());
    packet.extend(id.as_bytes());
    stream.write_all(&packet).unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, [0x20, 2, 0, 0]);
}

#[test]
fn a_client_id_taken_over_twice_stops_the_stream_and_says_so() {
    let cloud = Cloud::start();
    let address = cloud.running().mqtt.unwrap();
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(config.path(), "[mqtt]\nclient-id = 'quell-desk'\n").unwrap();
    let url = format!("mqtt://{address}");
    let args = ["watch", "--no-aws", "--mqtt-url", &url, "--config", config.path().to_str().unwrap()];
    let watch = Watch::spawn(&args.map(String::from), &[]);
    assert_eq!(watch.wait_up()["client"], "quell-desk");
    take_over(address, "quell-desk");
    watch.wait("the first", |line| line["state"] == "down" && line["retry_at"].is_string());
    watch.wait_all("up again", |lines| {
        (lines.iter().filter(|line| line["state"] == "up").count() == 2).then_some(())
    });
    take_over(address, "quell-desk");
    let stopped = watch.wait("the stop", |line| line["state"] == "down" && line["retry_at"].is_null());
    let reason = stopped["reason"].as_str().unwrap();
    assert!(reason.contains("quell-desk") && reason.contains("twice"), "{reason}");
}

/// A broker that speaks 3.1.1 only, and tells what it was told at CONNECT.
fn old_broker() -> (SocketAddr, Arc<Mutex<Vec<Vec<u8>>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&told);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let sink = Arc::clone(&sink);
            std::thread::spawn(move || {
                let mut head = [0; 2];
                while stream.read_exact(&mut head).is_ok() {
                    let mut rest = vec![0; usize::from(head[1])];
                    if stream.read_exact(&mut rest).is_err() {
                        return;
                    }
                    let answer: Vec<u8> = match head[0] >> 4 {
                        1 => {
                            let known = rest[6] == 4;
                            sink.lock().unwrap().push(rest);
                            vec![0x20, 2, 0, u8::from(!known)]
                        }
                        8 => vec![0x90, 3, rest[0], rest[1], 0],
                        12 => vec![0xd0, 0],
                        _ => return,
                    };
                    if stream.write_all(&answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, told)
}

#[test]
fn an_old_broker_is_spoken_to_in_its_own_version_with_name_and_password() {
    let (address, told) = old_broker();
    let url = format!("mqtt://{address}");
    let args = ["watch", "--no-aws", "--mqtt-url", &url].map(String::from);
    let env = [("QUELL_MQTT_USERNAME", "ops"), ("QUELL_MQTT_PASSWORD", "s3cret")];
    let watch = Watch::spawn(&args, &env);
    watch.wait_up();
    let told = told.lock().unwrap();
    assert_eq!((told[0][6], told.last().unwrap()[6]), (5, 4), "5 first, then 3.1.1");
    let text = String::from_utf8_lossy(told.last().unwrap()).into_owned();
    assert!(text.contains("ops") && text.contains("s3cret"), "{text:?}");
    assert!(!watch.lines().iter().any(|line| line.to_string().contains("s3cret")));
}

#[test]
fn a_proxy_of_the_environment_is_gone_through() {
    let cloud = Cloud::start();
    let inside = cloud.running().mqtt.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://u:p@{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&asked);
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            client.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        *sink.lock().unwrap() = String::from_utf8(head).unwrap();
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let mut upstream = TcpStream::connect(inside).unwrap();
        let (mut from, mut to) = (upstream.try_clone().unwrap(), client.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        let _ = std::io::copy(&mut client, &mut upstream);
    });
    let args =
        ["watch", "--no-aws", "--mqtt-url", "mqtt://broker.example:1883", "--topic", "a"].map(String::from);
    let watch = Watch::spawn(&args, &[("ALL_PROXY", &proxy)]);
    watch.wait_up();
    cloud.publisher().publish("a", b"x");
    watch.wait("a message", |line| line["topic"] == "a");
    let asked = asked.lock().unwrap().to_ascii_lowercase();
    assert!(asked.starts_with("connect broker.example:1883 http/1.1"), "{asked}");
    assert!(asked.contains("proxy-authorization: basic dtpw"), "{asked}");
}

/// A configuration whose profile runs a process for its credentials, and the file the process prints.
fn process(folder: &Path) -> (PathBuf, PathBuf) {
    let (config, script, printed) = (folder.join("config"), folder.join("keys.sh"), folder.join("keys.json"));
    let text = format!("#!/bin/sh\necho x >> {0}.runs\ncat {0}\n", printed.display());
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    let text = format!("[profile desk]\nregion = us-east-1\ncredential_process = {}\n", script.display());
    std::fs::write(&config, text).unwrap();
    (config, printed)
}

fn keys(secret: &str, minutes: i64) -> String {
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(minutes);
    serde_json::json!({"Version": 1, "AccessKeyId": "test", "SecretAccessKey": secret,
        "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()})
    .to_string()
}

#[test]
fn credentials_rotated_under_it_are_found_without_a_key_press() {
    let cloud = Cloud::start();
    let folder = tempfile::tempdir().unwrap();
    let (config, printed) = process(folder.path());
    std::fs::write(&printed, keys("wrong", 60)).unwrap();
    let args =
        [&["watch".to_owned(), "--profile".to_owned(), "desk".to_owned()][..], &cloud.flags()[2..]].concat();
    let mut command = quell(&args, &[("AWS_CONFIG_FILE", config.to_str().unwrap())]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let watch = Watch::run(command);
    let line = watch.wait("the refusal", |line| line["source"] == "things" && line["state"] != "ok");
    assert_eq!(line["state"], "credentials");
    let down = watch.wait("the refused signature", |line| line["state"] == "down");
    assert!(down["reason"].as_str().unwrap().contains("refused the signature"), "{down}");
    let runs = || std::fs::read_to_string(format!("{}.runs", printed.display())).unwrap().lines().count();
    let before = runs();
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert!(runs() - before <= 3, "the process is not run in a loop");
    std::fs::write(&printed, keys("test", 60)).unwrap();
    watch.wait("things", |line| line["source"] == "things" && line["count"] == 0);
    watch.wait_up();
    let line = watch.wait("their end", |line| line["source"] == "credentials" && line["expires"].is_string());
    assert!(line["expires"].as_str().unwrap() > jiff::Timestamp::now().to_string().as_str());
}

#[test]
fn a_clock_ten_minutes_wrong_is_noticed_and_made_up_for() {
    let cloud = Cloud::start();
    // The service's clock, as its answers say: ten minutes ahead.
    cloud.door.refuse(|line| {
        if line.contains("/mqtt") {
            return Some(Answer::error(403, "InvalidSignatureException", "Signature expired"));
        }
        let theirs = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(10);
        let mut answer = Answer::error(403, "InvalidSignatureException", "Signature expired");
        answer.headers.push(("date".into(), theirs.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()));
        Some(answer)
    });
    let watch = cloud.watch(&[]);
    let line = watch.wait("the skew", |line| {
        line["source"] == "credentials" && line["clock_skew_ms"].as_i64().is_some_and(|ms| ms != 0)
    });
    let skew = line["clock_skew_ms"].as_i64().unwrap();
    assert!((595_000..=605_000).contains(&skew), "{skew}");
    let stamp = |line: &str| {
        let at = line.find("X-Amz-Date=").unwrap() + 11;
        jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", &line[at..at + 16]).unwrap()
    };
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).datetime();
    let deadline = std::time::Instant::now() + crate::world::PATIENCE;
    loop {
        let last = cloud.door.asked("GET /mqtt?").last().cloned();
        let ahead = last.map(|line| stamp(&line).duration_since(now).as_secs());
        if ahead.is_some_and(|ahead| ahead > 500) {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "signed with the wrong clock: {ahead:?}");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    let _: Value = line;
}
