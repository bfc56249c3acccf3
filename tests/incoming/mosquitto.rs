//! A broker that is not AWS: mosquitto, plain and over TLS, with and without names and passwords, in MQTT 5 and 3.1.1, by
//! one connection and by several. Skipped, and said, where it is not installed.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::beside::Beside;
use crate::cable::Cable;
use crate::outside::skipped;
use crate::screen::{Devices, QUICK, Screen, bar, shows_gap};
use crate::world::{Publisher, Watch, free_port};

pub(crate) const ABSENT: &str = "mosquitto is not installed (apt-get install mosquitto)";

/// Mosquitto on `port`, with more lines for its configuration.
pub(crate) fn mosquitto(folder: &Path, port: u16, more: &str) -> Option<Beside> {
    let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/opt/homebrew/sbin/mosquitto"]
        .into_iter()
        .find(|path| Path::new(path).exists())?;
    let config = folder.join("mosquitto.conf");
    // As root it would go on as another user, who may read nothing here.
    let text = format!(
        "user root\nper_listener_settings true\nmax_inflight_messages 0\nlistener {port} 127.0.0.1\n{more}\n"
    );
    std::fs::write(&config, text).unwrap();
    Some(Beside::start(Command::new(program).arg("-c").arg(config), port))
}

pub(crate) fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

#[test]
fn mosquitto_is_watched_killed_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let Some(broker) = mosquitto(folder.path(), port, "allow_anonymous true") else {
        return skipped(ABSENT);
    };
    let address = local(port);
    let devices = Devices::speak(Publisher::to(address));
    let url = format!("mqtt://{address}");
    let args = ["--no-aws", "--mqtt-url", &url, "--topic", "#", "--thing-from", "dt/{thing}/data"];
    // MQTT 5, as mosquitto speaks it.
    let mut screen = Screen::with(&args.map(String::from), &[], "[mqtt]\nkeep-alive-seconds = 5\n");
    screen.never(&["0 things", "0 ALARM"]);
    screen.wait("devices from topics", |s| {
        s.contains("3 things") && s.contains("thing-2") && s.contains(bar) && s.contains("{\"t\":21.5}")
    });
    screen.look_on(Duration::from_secs(2));
    drop((devices, broker));
    screen.wait("the loss", |s| s.contains("MQTT down") && s.contains("3 things"));
    screen.look_on(Duration::from_secs(4));
    let _broker = mosquitto(folder.path(), port, "allow_anonymous true").unwrap();
    screen.wait("the connection", |s| s.contains("●MQTT"));
    let _devices = Devices::speak(Publisher::to(address));
    screen.wait("the gap", |s| shows_gap(s, "thing-0"));
    use_everything(&mut screen);
    screen.term.keys("q");
}

/// The stream, paused and gone on; a payload; a recording.
fn use_everything(screen: &mut Screen) {
    screen.term.keys("3");
    screen.wait("the stream", |s| s.contains("dt/thing-1/data"));
    screen.term.keys("p");
    screen.wait("the pause", |s| s.contains("PAUSED"));
    screen.term.keys("\r");
    screen.wait("the payload", |s| s.contains("[json]") && s.contains("t: 21.5"));
    screen.term.keys("\x1bp");
    screen.wait("the stream to go on", |s| !s.contains("PAUSED"));
    screen.term.keys("w");
    screen.wait("the recording", |s| s.contains("REC"));
    screen.term.keys("w");
    screen.wait("its end", |s| !s.contains(" REC "));
    let made = std::fs::read_dir(screen.home().join("state/quell/recordings")).unwrap().count();
    assert_eq!(made, 1);
}

/// An authority, and a certificate for this machine that it signed: `ca.pem`, `server.pem`, `server.key`.
fn authority(folder: &Path) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "the plant's own authority");
    let ca = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let server = CertificateParams::new(names).unwrap().signed_by(&own, &issuer).unwrap();
    std::fs::write(folder.join("ca.pem"), ca.pem()).unwrap();
    std::fs::write(folder.join("server.pem"), server.pem()).unwrap();
    std::fs::write(folder.join("server.key"), own.serialize_pem()).unwrap();
}

fn set_password(folder: &Path, password: &str) -> Option<()> {
    let file = folder.join("passwords");
    let mut command = Command::new("mosquitto_passwd");
    if !file.exists() {
        command.arg("-c");
    }
    let status = command.arg("-b").arg(&file).args(["ops", password]).status().ok()?;
    status.success().then_some(())
}

#[test]
fn names_passwords_and_an_authority_of_ones_own_in_both_versions() {
    for version in ["5", "3.1.1"] {
        let folder = tempfile::tempdir().unwrap();
        let (tls, inside) = (free_port(), free_port());
        authority(folder.path());
        let at = |name: &str| folder.path().join(name).display().to_string();
        // Devices speak on a listener of their own.
        let more = format!(
            "certfile {}\nkeyfile {}\nallow_anonymous false\npassword_file {}\n\
             listener {inside} 127.0.0.1\nallow_anonymous true\n",
            at("server.pem"),
            at("server.key"),
            at("passwords")
        );
        if set_password(folder.path(), "another").is_none() {
            return skipped(ABSENT);
        }
        let Some(broker) = mosquitto(folder.path(), tls, &more) else {
            return skipped(ABSENT);
        };
        let _devices = Devices::speak(Publisher::to(local(inside)));
        let cable = Cable::to(local(tls));
        let url = format!("mqtts://localhost:{}", cable.address().port());
        let args = |ca: &[&str]| -> Vec<String> {
            let plain =
                ["--no-aws", "--mqtt-url", &url, "--topic", "dt/#", "--thing-from", "dt/{thing}/data"];
            plain.iter().chain(ca).map(|arg| (*arg).to_owned()).collect()
        };
        let config = format!("[mqtt]\nkeep-alive-seconds = 5\nversion = '{version}'\n");
        let env = [("QUELL_MQTT_USERNAME", "ops"), ("QUELL_MQTT_PASSWORD", "right")];
        // Without the authority nobody vouches for the broker.
        let mut screen = Screen::with(&args(&[]), &env, &config);
        screen.never(&["0 things", "0 ALARM"]);
        screen.wait("a stranger", |s| s.contains("MQTT down") && s.to_lowercase().contains("certificate"));
        screen.term.keys("q");
        drop(screen);

        let ca = at("ca.pem");
        let mut screen = Screen::with(&args(&["--ca", &ca]), &env, &config);
        screen.never(&["0 things", "0 ALARM"]);
        screen.wait("the refusal", |s| s.contains("MQTT down") && s.to_lowercase().contains("authori"));
        // Refused, it does not knock in a loop.
        let (_, before) = cable.counts();
        screen.look_on(Duration::from_secs(5));
        let (_, after) = cable.counts();
        assert!((before..=before + 6).contains(&after), "{} attempts in 5 s", after - before);
        assert!(!screen.term.screen().contains("right"), "{}", screen.term.screen());
        // The password it has becomes the right one.
        set_password(folder.path(), "right").unwrap();
        broker.signal("-HUP");
        screen.wait("devices", |s| {
            s.contains("●MQTT") && s.contains("3 things") && s.contains(bar) && s.contains("{\"t\":21.5}")
        });
        use_everything(&mut screen);
        screen.term.keys("q");
    }
}

#[test]
fn a_broker_of_3_1_1_only_is_a_console_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let Some(_broker) = mosquitto(folder.path(), port, "allow_anonymous true") else {
        return skipped(ABSENT);
    };
    let _devices = Devices::speak(Publisher::to(local(port)));
    let cable = Cable::to_old(local(port));
    let url = format!("mqtt://{}", cable.address());
    let args = ["--no-aws", "--mqtt-url", &url, "--topic", "#", "--thing-from", "dt/{thing}/data"];
    let mut screen = Screen::with(&args.map(String::from), &[], "[mqtt]\nkeep-alive-seconds = 5\n");
    screen.never(&["0 things", "0 ALARM"]);
    screen.wait("devices from topics", |s| {
        s.contains("●MQTT") && s.contains("3 things") && s.contains(bar) && s.contains("{\"t\":21.5}")
    });
    assert_eq!(cable.levels(), [5, 4], "5 is tried once, and not again");
    use_everything(&mut screen);
    // Back after a loss, it is known what the broker speaks.
    cable.cut(0);
    screen.wait("the loss", |s| s.contains("MQTT down"));
    screen.wait("the connection", |s| s.contains("●MQTT"));
    assert_eq!(cable.levels(), [5, 4, 4]);
    screen.term.keys("q");
}

/// How many messages came. None came twice; of those that were merged only the number is known.
fn heard(lines: &[Value]) -> usize {
    let mut seen = BTreeSet::new();
    let mut merged = 0;
    for line in lines {
        if line["type"] == "telemetry" {
            let told = (line["topic"].as_str().unwrap(), line["payload"].as_str().unwrap());
            assert!(seen.insert(told), "twice: {line}");
        } else if line["reason"] == "merged" {
            merged += usize::try_from(line["messages"].as_u64().unwrap()).unwrap();
        }
    }
    seen.len() + merged
}

const SHARED: &str = "[mqtt]\nconnections = 3\nclient-id = 'quell-desk'\nkeep-alive-seconds = 5\n";

#[test]
fn several_connections_to_mosquitto_bring_every_message_once() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let Some(broker) = mosquitto(folder.path(), port, "allow_anonymous true") else {
        return skipped(ABSENT);
    };
    let cable = Cable::to(local(port));
    let config = folder.path().join("config.toml");
    std::fs::write(&config, SHARED).unwrap();
    let url = format!("mqtt://{}", cable.address());
    let mut args = vec!["watch", "--payload", "--no-aws", "--mqtt-url", &url];
    args.extend(["--config", config.to_str().unwrap()]);
    for topic in ["a/+", "a/x", "b/#", "c/+/d"] {
        args.extend(["--topic", topic]);
    }
    let owned: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let watch = Watch::spawn(&owned, &[]);
    watch.wait_up();
    assert_eq!(cable.counts(), (3, 3), "a connection for each share");
    let topics = ["a/x", "a/y", "b/1/2", "c/1/d"];
    let speak = |publisher: &Publisher, from: usize| {
        let all = (from..from + 250)
            .flat_map(|n| topics.map(|topic| (topic.to_owned(), format!("{{\"n\":{n}}}").into_bytes())));
        publisher.burst(all);
    };
    let count = |least: usize| {
        watch.wait_all(&format!("{least} messages"), |lines| (heard(lines) >= least).then_some(()));
    };
    let publisher = Publisher::to(local(port));
    speak(&publisher, 0);
    count(1000);
    // One of three is cut, and stays out for a while: what the others bring still comes.
    cable.shut(true);
    cable.cut(1);
    let down = watch.wait("the loss", |line| line["type"] == "link" && line["state"] == "down");
    assert!(down["reason"].as_str().unwrap().starts_with("connection "), "{down}");
    assert!(down["reason"].as_str().unwrap().contains(" of 3: "), "{down}");
    assert_eq!(heard(&watch.lines()), 1000);
    for (i, topic) in topics.iter().enumerate() {
        publisher.publish(topic, format!("{{\"lost\":{i}}}").as_bytes());
    }
    // Two filters overlap and stay together, so it was one topic, or two.
    watch.wait_all("what the others hear", |lines| {
        let lost = |line: &&Value| line["payload"].to_string().contains("lost");
        (lines.iter().filter(lost).count() >= 2).then_some(())
    });
    std::thread::sleep(Duration::from_secs(2));
    let (_, knocks) = cable.counts();
    assert!(knocks <= 3 + 8, "{knocks} attempts");
    cable.shut(false);
    let gap = watch.wait("the gap", |line| line["type"] == "gap" && line["reason"] == "not connected");
    assert!(gap["milliseconds"].as_i64().unwrap() >= 1_000, "{gap}");
    let ups = |n: usize| {
        watch.wait_all("all of them again", |lines| {
            (lines.iter().filter(|line| line["state"] == "up").count() >= n).then_some(())
        });
    };
    ups(2);
    assert_eq!(cable.counts().0, 4, "the others were left alone");
    let so_far = heard(&watch.lines());
    assert!((1002..1004).contains(&so_far), "what nobody was there for did not come: {so_far}");
    speak(&publisher, 1000);
    count(so_far + 1000);

    // The broker is killed and comes back: all three do.
    drop(broker);
    drop(publisher);
    watch.wait_all("the loss of all", |lines| {
        let down = |line: &&Value| line["type"] == "link" && line["state"] == "down";
        (lines.iter().filter(down).count() >= 2).then_some(())
    });
    let _broker = mosquitto(folder.path(), port, "allow_anonymous true").unwrap();
    ups(3);
    let publisher = Publisher::to(local(port));
    speak(&publisher, 2000);
    count(so_far + 2000);
    // A last word on each connection: nothing else was on its way.
    for topic in topics {
        publisher.publish(topic, b"{\"last\":1}");
    }
    count(so_far + 2004);
    let lines = watch.lines();
    assert_eq!(heard(&lines), so_far + 2004);
    let gaps = lines.iter().filter(|line| line["type"] == "gap" && line["reason"] == "not connected").count();
    assert_eq!(gaps, 2, "one for the cable, one for the broker");
}

#[test]
fn one_of_several_connections_lost_is_a_gap_on_the_screen_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let Some(broker) = mosquitto(folder.path(), port, "allow_anonymous true") else {
        return skipped(ABSENT);
    };
    let cable = Cable::to(local(port));
    let devices = Devices::speak(Publisher::to(local(port)));
    let url = format!("mqtt://{}", cable.address());
    let mut args = vec!["--no-aws", "--mqtt-url", &url, "--thing-from", "dt/{thing}/data"];
    for topic in ["dt/thing-0/data", "dt/thing-1/data", "dt/thing-2/data"] {
        args.extend(["--topic", topic]);
    }
    let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
    let mut screen = Screen::with(&args, &[], &format!("{QUICK}connections = 3\n"));
    screen.never(&["0 things", "0 ALARM"]);
    screen.wait("the devices", |s| s.contains("●MQTT") && s.contains("3 things") && s.contains(bar));
    screen.look_on(Duration::from_secs(2));
    cable.shut(true);
    cable.cut(0);
    screen.wait("the loss", |s| s.contains("MQTT down"));
    screen.term.keys("gl");
    screen.wait("which one", |s| {
        s.contains("MQTT is down") && s.contains(": connection ") && s.contains(" of 3: ")
    });
    screen.term.keys("1");
    // A gap is drawn where a whole column of two to three seconds lies in it.
    screen.look_on(Duration::from_secs(6));
    cable.shut(false);
    screen.wait("the connection", |s| s.contains("●MQTT"));
    screen.wait("the gap", |s| (0..3).any(|n| shows_gap(s, &format!("thing-{n}"))));
    drop((devices, broker));
    screen.wait("the loss of all", |s| s.contains("MQTT down"));
    screen.look_on(Duration::from_secs(6));
    let _broker = mosquitto(folder.path(), port, "allow_anonymous true").unwrap();
    let _devices = Devices::speak(Publisher::to(local(port)));
    screen.wait("the connection", |s| s.contains("●MQTT"));
    screen.wait("the gap in all", |s| (0..3).all(|n| shows_gap(s, &format!("thing-{n}"))));
    screen.term.keys("gl");
    screen.wait("the gaps as events", |s| s.matches("not connected").count() >= 2);
    screen.term.keys("q");
}
