//! An emulator in this process, a door in front of it, and `quell` as a program whose lines are looked at.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use quell_emulator::start::{Options, Running, start};
use rumqttc::{Client, MqttOptions, PublishOptions};
use serde_json::Value;

use crate::door::Door;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// An emulated account without devices, its runtime, and the door that leads to it.
pub(crate) struct Cloud {
    pub(crate) running: Option<Running>,
    runtime: tokio::runtime::Runtime,
    pub(crate) door: Door,
}

impl Cloud {
    pub(crate) fn start() -> Self {
        Self::with(Options { devices: Some(0), ..Options::on_free_ports() })
    }

    pub(crate) fn with(options: Options) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let running = runtime.block_on(start(options)).unwrap();
        let door = Door::to(running.http);
        Self { running: Some(running), runtime, door }
    }

    pub(crate) fn block<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub(crate) fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub(crate) fn iot(&self) -> aws_sdk_iot::Client {
        self.iot_at(&format!("http://{}", self.running().http))
    }

    pub(crate) fn iot_at(&self, url: &str) -> aws_sdk_iot::Client {
        let credentials = aws_sdk_iot::config::Credentials::new("test", "test", None, None, "tests");
        aws_sdk_iot::Client::from_conf(
            aws_sdk_iot::Config::builder()
                .behavior_version(aws_sdk_iot::config::BehaviorVersion::latest())
                .region(aws_sdk_iot::config::Region::new("us-east-1"))
                .endpoint_url(url)
                .credentials_provider(credentials)
                .http_client(aws_smithy_http_client::Builder::new().build_http())
                .build(),
        )
    }

    /// Flags that lead `quell` through the door.
    pub(crate) fn flags(&self) -> Vec<String> {
        let door = self.door.address();
        [
            "--region",
            "us-east-1",
            "--endpoint-url",
            &format!("http://{door}"),
            "--mqtt-url",
            &format!("ws://{door}/mqtt"),
        ]
        .map(String::from)
        .to_vec()
    }

    /// `quell watch` through the door.
    pub(crate) fn watch(&self, more: &[&str]) -> Watch {
        let mut args = vec!["watch".to_owned()];
        args.extend(self.flags());
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        Watch::spawn(&args, &[])
    }

    /// A client of the plain listener, which knows no identity and no policy.
    pub(crate) fn publisher(&self) -> Publisher {
        Publisher::to(self.running().mqtt.unwrap())
    }
}

/// Publishes and waits until the broker has it.
pub(crate) struct Publisher {
    client: Client,
    acknowledged: std::sync::mpsc::Receiver<()>,
}

impl Publisher {
    pub(crate) fn to(address: std::net::SocketAddr) -> Self {
        let id = format!("test-{:08x}", fastrand::u32(..));
        let mut options = MqttOptions::new(id, (address.ip().to_string(), address.port()));
        options.set_keep_alive(60).set_inflight(90).set_max_packet_size(1 << 20, 1 << 20);
        let (client, mut connection) = Client::builder(options).capacity(64).build();
        let (tell, acknowledged) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for event in connection.iter() {
                match event {
                    Ok(rumqttc::Event::Incoming(rumqttc::Packet::PubAck(_))) => {
                        if tell.send(()).is_err() {
                            return;
                        }
                    }
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
        });
        Self { client, acknowledged }
    }

    pub(crate) fn publish(&self, topic: &str, payload: &[u8]) {
        self.client.publish(topic, payload, PublishOptions::at_least_once()).unwrap();
        self.acknowledged.recv_timeout(PATIENCE).unwrap();
    }

    /// Publishes without waiting for each: only for the last.
    pub(crate) fn burst(&self, messages: impl Iterator<Item = (String, Vec<u8>)>) {
        let mut waiting = 0;
        for (topic, payload) in messages {
            self.client.publish(topic, payload, PublishOptions::at_least_once()).unwrap();
            waiting += 1;
        }
        for _ in 0..waiting {
            self.acknowledged.recv_timeout(PATIENCE).unwrap();
        }
    }
}

/// A program writing JSON lines.
pub(crate) struct Watch {
    child: Child,
    lines: Arc<Mutex<Vec<Value>>>,
    errors: Arc<Mutex<String>>,
    go: Arc<Mutex<()>>,
}

impl Watch {
    pub(crate) fn spawn(args: &[String], env: &[(&str, &str)]) -> Self {
        Self::run(quell(args, env))
    }

    pub(crate) fn run(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (lines, errors, go) = (Arc::default(), Arc::default(), Arc::new(Mutex::new(())));
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sink, gate) = (Arc::clone(&lines), Arc::clone(&go));
        std::thread::spawn(move || {
            for line in out.lines() {
                let _open = gate.lock().unwrap();
                let line = line.unwrap();
                let value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
                let sink: &Mutex<Vec<Value>> = &sink;
                sink.lock().unwrap().push(value);
            }
        });
        let (mut err, sink) = (child.stderr.take().unwrap(), Arc::clone(&errors));
        std::thread::spawn(move || {
            let mut text = String::new();
            let _ = err.read_to_string(&mut text);
            let sink: &Mutex<String> = &sink;
            *sink.lock().unwrap() = text;
        });
        Self { child, lines, errors, go }
    }

    pub(crate) fn lines(&self) -> Vec<Value> {
        self.lines.lock().unwrap().clone()
    }

    /// Nobody reads the lines while the guard lives: the pipe fills, and the program waits in its write.
    pub(crate) fn stop_reading(&self) -> std::sync::MutexGuard<'_, ()> {
        self.go.lock().unwrap()
    }

    /// The first line that fits, waited for.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.wait_all(what, |lines| lines.iter().find(|line| fits(line)).cloned())
    }

    /// What the lines so far add up to, waited for.
    #[track_caller]
    pub(crate) fn wait_all<T>(&self, what: &str, look: impl Fn(&[Value]) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look(&self.lines.lock().unwrap()) {
                return found;
            }
            if Instant::now() >= deadline {
                let lines = self.lines();
                let tail: Vec<String> = lines.iter().rev().take(30).map(ToString::to_string).collect();
                panic!(
                    "waited in vain for {what}; {} lines, latest first:\n{}",
                    lines.len(),
                    tail.join("\n")
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[track_caller]
    pub(crate) fn wait_up(&self) -> Value {
        self.wait("the link to come up", |line| line["type"] == "link" && line["state"] == "up")
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// The exit code, waited for, and what was said on stderr.
    #[track_caller]
    pub(crate) fn exit(&mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                // The readers see the ends of their pipes a moment later.
                std::thread::sleep(Duration::from_millis(50));
                return (status.code(), self.errors.lock().unwrap().clone());
            }
            assert!(Instant::now() < deadline, "it did not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program with nothing of this machine's configuration, and the emulator's key pair.
pub(crate) fn quell(args: &[String], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quell"));
    command.args(args).env_clear();
    let given = [
        ("PATH", "/usr/bin:/bin"),
        ("HOME", "/nonexistent"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    command.envs(given).envs(env.iter().copied());
    command
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
