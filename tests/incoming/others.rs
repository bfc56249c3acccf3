//! What is not AWS and not our emulator: mosquitto as the broker, moto as the control plane. Skipped, and said, where they
//! are not installed.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::screen::{Devices, LONG, Screen, bar, shows_gap};
use crate::world::{Cloud, Publisher, free_port};

/// A program that is ended with the test.
struct Beside(Child);

impl Beside {
    fn start(command: &mut Command, port: u16) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + LONG;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "{command:?} does not listen: {:?}", child.try_wait());
            std::thread::sleep(Duration::from_millis(50));
        }
        Self(child)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn skipped(why: &str) {
    let mut said = std::io::stderr();
    writeln!(said, "SKIPPED: {why}").unwrap();
}

fn mosquitto(folder: &Path, port: u16) -> Option<Beside> {
    let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/opt/homebrew/sbin/mosquitto"]
        .into_iter()
        .find(|path| Path::new(path).exists())?;
    let config = folder.join("mosquitto.conf");
    let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\n");
    std::fs::write(&config, text).unwrap();
    Some(Beside::start(Command::new(program).arg("-c").arg(config), port))
}

#[test]
fn mosquitto_is_watched_killed_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let Some(broker) = mosquitto(folder.path(), port) else {
        return skipped("mosquitto is not installed (apt-get install mosquitto)");
    };
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let devices = Devices::speak(Publisher::to(address));
    let url = format!("mqtt://{address}");
    let args = ["--no-aws", "--mqtt-url", &url, "--topic", "#", "--thing-from", "dt/{thing}/data"];
    // MQTT 5, as mosquitto speaks it.
    let mut screen = Screen::with(&args.map(String::from), &[], "[mqtt]\nkeep-alive-seconds = 5\n");
    screen.never(&["0 things", "0 alarm"]);
    screen.wait("devices from topics", |s| {
        s.contains("3 things") && s.contains("thing-2") && s.contains(bar) && s.contains("{\"t\":21.5}")
    });
    screen.look_on(Duration::from_secs(2));
    screen.begin();
    drop((devices, broker));
    screen.wait("the loss", |s| s.contains("mqtt down") && s.contains("3 things"));
    screen.look_on(Duration::from_secs(4));
    let _broker = mosquitto(folder.path(), port).unwrap();
    screen.wait("the connection", |s| s.contains("●mqtt"));
    let _devices = Devices::speak(Publisher::to(address));
    screen.wait("the gap", |s| shows_gap(s, "thing-0"));
    screen.end();

    // The stream, paused and gone on; a payload; a recording.
    screen.term.keys("3");
    screen.wait("the stream", |s| s.contains("dt/thing-1/data"));
    screen.term.keys("p");
    screen.wait("the pause", |s| s.contains("PAUSED"));
    screen.term.keys("\r");
    screen.wait("the payload", |s| s.contains("\"t\": 21.5") || s.contains("{\"t\":21.5}"));
    screen.term.keys("\x1bp");
    screen.wait("the stream to go on", |s| !s.contains("PAUSED"));
    screen.term.keys("w");
    screen.wait("the recording", |s| s.contains("REC"));
    screen.term.keys("w");
    screen.wait("its end", |s| !s.contains(" REC "));
    let made = std::fs::read_dir(screen.home().join("state/quell/recordings")).unwrap().count();
    assert_eq!(made, 1);
    screen.term.keys("q");
}

#[test]
fn moto_s_control_plane_says_what_it_can_and_the_rest_is_unknown() {
    let has = Command::new("python3").args(["-c", "import moto.server"]).output();
    if !has.is_ok_and(|output| output.status.success()) {
        return skipped("python3 with moto's server is not here (pip install 'moto[server]')");
    }
    let port = free_port();
    let run = format!("from moto.server import main; main(['-H', '127.0.0.1', '-p', '{port}'])");
    let _moto = Beside::start(Command::new("python3").args(["-c", &run]), port);
    // Only its broker: moto has none.
    let cloud = Cloud::start();
    let endpoint = format!("http://127.0.0.1:{port}");
    let iot = cloud.iot_at(&endpoint);
    cloud.block(async {
        for thing in ["thing-0", "thing-1", "elsewhere"] {
            iot.create_thing().thing_name(thing).send().await.unwrap();
        }
    });
    let _devices = Devices::speak(cloud.publisher());
    let mqtt = format!("mqtt://{}", cloud.running().mqtt.unwrap());
    let args = [
        "--region",
        "us-east-1",
        "--endpoint-url",
        &endpoint,
        "--data-endpoint-url",
        &endpoint,
        "--mqtt-url",
        &mqtt,
        "--topic",
        "dt/+/data",
        "--thing-from",
        "dt/{thing}/data",
    ];
    let mut screen = Screen::start(
        &args.map(String::from),
        &[
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_ENDPOINT_URL_STS", &endpoint),
        ],
    );
    screen.never(&["0 alarm", "0 active", "No violations", "no violations"]);
    // The three of the registry and the one that only speaks.
    screen.wait("what it has", |s| {
        s.contains("4 things")
            && s.contains("? alarm")
            && s.contains("violations unknown")
            && s.contains("●mqtt")
    });
    screen.begin();
    for (key, unknown) in [("4", "violations unknown"), ("gp", "profiles unknown")] {
        screen.term.keys(key);
        screen.wait(unknown, |s| s.contains(unknown));
    }
    screen.look_on(Duration::from_secs(4));
    screen.end();
}
