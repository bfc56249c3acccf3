//! What devices send must never reach the terminal as anything but printable cells: proven on the bytes written.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use rumqttc::{Client, Event, MqttOptions, Packet, PublishOptions};

/// Ends the emulator with the test.
struct Local(std::process::Child);

impl Drop for Local {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Payloads that would do harm if they were printed.
fn hostile() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = vec![
        b"\x1b]52;c;UVVFTEw=\x07".to_vec(),
        b"\x1b]0;pwned-title\x07".to_vec(),
        b"\x1b[2J\x1b[H\x1b[31mred\x1b[6n".to_vec(),
        b"\x9b31m\x9d0;x\x9c".to_vec(),
        "\u{9b}31m\u{9d}0;x\u{9c}".as_bytes().to_vec(),
        "user\u{202e}gpj.exe \u{2066}x\u{2069} \u{200b}\u{200d}\u{feff}".as_bytes().to_vec(),
        b"over\rwritten\x08\x08\x08\x7f\x00\x0e\x0f".to_vec(),
        b"\xff\xfe\xc3\x28\xf0\x28\x8c\xbc".to_vec(),
        b"\x1bP$q\"p\x1b\\ \x1b_Gf=100;AAAA\x1b\\ \x1bc".to_vec(),
        "z\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}a\u{34f}lgo".as_bytes().to_vec(),
        format!("{{\"k\":\"\\u001b]52;c;UVVFTEw=\\u0007\",\"{}\":1}}", "\u{202e}key").into_bytes(),
        br#"{"state":{"desired":{"\u001b[31mkey":"\u009b2J"}}}"#.to_vec(),
    ];
    all.push(vec![b'A'; 128 * 1024]);
    all.push(b"\x1b[31m".repeat(20_000));
    all
}

#[test]
fn hostile_payloads_put_only_printable_cells_on_the_terminal() {
    let home = tempfile::tempdir().unwrap();
    let mut local = Command::new(env!("CARGO_BIN_EXE_quell"))
        .args(["local", "--json", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--mqtts", "127.0.0.1:0"])
        .args(["--devices", "0", "--credentials"])
        .arg(home.path().join("credentials"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(local.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let _local = Local(local);
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    let http = ready["http"].as_str().unwrap().to_owned();
    let mqtt = ready["mqtt"].as_str().unwrap().strip_prefix("mqtt://").unwrap().to_owned();
    let (host, port) = mqtt.rsplit_once(':').unwrap();

    let mut term = crate::term::Term::spawn(
        &[
            "--endpoint-url",
            &http,
            "--data-endpoint-url",
            &http,
            "--mqtt-url",
            ready["ws"].as_str().unwrap(),
            "--topic",
            "#",
        ],
        160,
        48,
        home.path(),
        &[
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", &http),
        ],
    );
    term.wait_for("a live link", Duration::from_secs(30), |s| s.contains("●MQTT"));

    // A client with a hostile id, publishing hostile payloads on hostile topics.
    let mut options = MqttOptions::new("dev\u{202e}\u{200b}-evil", (host, port.parse().unwrap()));
    options.set_max_packet_size(256 * 1024, 256 * 1024);
    let (client, mut connection) = Client::builder(options).capacity(64).build();
    let topics = ["plain", "to\u{202e}pic/\u{200b}x", "$aws/things/evil\u{9b}31m/shadow/update"];
    let payloads = hostile();
    let expected = payloads.len() * topics.len();
    for payload in &payloads {
        for topic in topics {
            client.try_publish(topic, payload.clone(), PublishOptions::at_least_once()).unwrap();
        }
    }
    client.try_publish("last", "the-last-message", PublishOptions::at_least_once()).unwrap();
    let mut acknowledged = 0;
    for event in connection.iter() {
        if let Event::Incoming(Packet::PubAck(_)) = event.expect("the broker takes what is within its limits")
        {
            acknowledged += 1;
            if acknowledged == expected + 1 {
                break;
            }
        }
    }
    term.wait_for("the last message", Duration::from_secs(30), |s| s.contains("the-last-message"));

    // Look at them everywhere: stream, payload as text, JSON and hex, device view, shadows, palette, filter. One key at
    // a time, each with what it must show: an escape byte right before another key would be read as Alt and that key.
    let mut step = |keys: &str, shows: &str, hides: &str| {
        term.keys(keys);
        let what = format!("{shows:?} without {hides:?} after {keys:?}");
        term.wait_for(&what, Duration::from_secs(10), |s| {
            s.contains(shows) && (hides.is_empty() || !s.contains(hides))
        });
    };
    step("3", "received", "");
    for _ in 0..6 {
        step("\r", "esc leave", "");
        step("\t", "esc leave", "");
        step("\t", "esc leave", "");
        step("\x1b", "received", "esc leave");
        step("k", "received", "");
    }
    step("1", "Violations ──", "");
    step("jj\r", "/topic:", "Violations ──");
    step("5", "none heard yet", "Telemetry ──");
    step("1", "Violations ──", "");
    step(":evil", "Commands, views, things", "");
    step("\x1b", "Telemetry ──", "Commands, views, things");
    step("/evil", "/evil", "");
    step("\x1b", "Telemetry ──", "/evil");
    term.keys("q");
    term.wait_exit(Duration::from_secs(10));
    assert_harmless(&term.bytes());
}

/// Every byte belongs to printable text or to a control sequence a full-screen program needs; none of these sequences can
/// set the clipboard or the title, ask the terminal for an answer, or change how characters are read.
fn assert_harmless(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).expect("only UTF-8 is written");
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let near = |rest: &str| rest.chars().take(24).collect::<String>();
        if c == '\x1b' {
            let tail = &rest[1..];
            let used = if let Some(csi) = tail.strip_prefix('[') {
                let len = csi.find(|c: char| ('@'..='~').contains(&c)).expect("a final byte");
                let last = csi[len..].chars().next().unwrap();
                assert!(
                    "mHhlJKABCDGdrsu".contains(last) || (last == 'q' && csi[..len].ends_with(' ')),
                    "unexpected sequence {:?}",
                    near(rest)
                );
                2 + len + 1
            } else if tail.starts_with("]9;") {
                let end = tail.find(['\x07', '\x1b']).expect("an end");
                1 + end + if tail[end..].starts_with('\x07') { 1 } else { 2 }
            } else if tail.starts_with("]11;?\x1b\\") {
                // What it writes on, asked once: a constant, which no outside text has a part in.
                assert_eq!(text.matches("\x1b]11;").count(), 1);
                8
            } else if tail.starts_with(['7', '8']) {
                2
            } else {
                panic!("unexpected escape {:?}", near(rest));
            };
            rest = &rest[used..];
            continue;
        }
        let hidden = matches!(c as u32, 0x00..=0x06 | 0x08..=0x09 | 0x0b..=0x0c | 0x0e..=0x1f | 0x7f..=0x9f
            | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0x300..=0x36f);
        assert!(!hidden, "{c:?} was written, near {:?}", near(rest));
        rest = &rest[c.len_utf8()..];
    }
    for needle in ["\x1b]52", "\x1b]0;", "\x1b]2;", "\x1b[6n", "\x1bc", "\x1bP", "\x1b_"] {
        assert!(!text.contains(needle), "{needle:?} was written");
    }
}
