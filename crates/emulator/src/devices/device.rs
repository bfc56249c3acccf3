//! The task of one simulated device.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::agent::Agent;
use super::client::{Client, Heard, Io};
use super::payload::Payloads;
use super::work::Work;
use super::{DeviceSpec, Endpoint, Kind};
use crate::clock::Clock;
use crate::credentials::KeyPairPem;
use crate::scenario::Action;

/// Between two messages of a healthy device.
const CADENCE: Duration = Duration::from_secs(10);
/// Between a shadow delta and the device's report that it has obeyed.
const OBEYS_AFTER: Duration = Duration::from_secs(60);
/// Between two reports of the Defender agent: the shortest AWS accepts.
const REPORTS: Duration = Duration::from_secs(300);
/// Between two reports of a job's progress.
const JOB_STEP: Duration = Duration::from_secs(8);

/// How it sends now.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Normal,
    Size(usize),
    Rate(f64),
    Silent,
}

struct Device {
    spec: DeviceSpec,
    clock: Clock,
    payloads: Payloads,
    mode: Mode,
    work: Option<Work>,
    work_at: Instant,
    /// Desired values not yet obeyed, and when they will be.
    obey: Option<(Instant, Value)>,
    next: Instant,
    agent: Option<Agent>,
    report_at: Instant,
    client: Client,
    endpoint: Endpoint,
    seed: u64,
    /// Other devices with this one's certificate. They end with it.
    clones: JoinSet<()>,
    /// Their client ids; none is the device's own. One that is there already does not come twice.
    cloned: Vec<Option<String>>,
    /// The client id it takes when it is refused.
    refuge: Option<String>,
}

/// Lives as the device of `spec` until dropped. Reconnects after 1 to 3 seconds of real time whenever it is cut.
pub(super) async fn run(
    spec: DeviceSpec,
    endpoint: Endpoint,
    clock: Clock,
    seed: u64,
    mut orders: mpsc::Receiver<Action>,
) {
    let mut payloads = Payloads::new(&spec.thing, seed);
    let phase = clock.scaled(CADENCE).mul_f64(payloads.chance());
    // A fleet that starts at once would queue for its handshakes.
    tokio::time::sleep(phase.min(Duration::from_secs(2))).await;
    let client = connect(&spec, &endpoint);
    let now = Instant::now();
    let agent = (spec.kind == Kind::SensorWithAgent)
        .then(|| Agent::new(format!("{}:{}", endpoint.host, endpoint.port)));
    let mut device = Device {
        spec,
        clock,
        payloads,
        mode: Mode::Normal,
        work: None,
        work_at: now,
        obey: None,
        next: now,
        agent,
        // The first sample is not sent: there is nothing to tell the traffic since.
        report_at: now + clock.scaled(REPORTS),
        client,
        endpoint,
        seed,
        clones: JoinSet::new(),
        cloned: Vec::new(),
        refuge: None,
    };
    let mut connected = false;
    loop {
        let timer = device.next_timer();
        tokio::select! {
            heard = device.client.next() => match heard {
                Ok(Heard::Accepted) => {
                    connected = true;
                    device.next = device.next.max(Instant::now());
                    device.greet();
                }
                Ok(Heard::Subscribed) => device.ask(),
                Ok(Heard::Message { topic, payload }) => device.hear(&topic, &payload),
                Err(error) => {
                    tracing::debug!(thing = device.spec.thing, %error, "device cut off");
                    if !connected && let Some(id) = device.refuge.take() {
                        device.spec.client_id = id;
                    }
                    connected = false;
                    device.work = None;
                    let pause = Duration::from_millis(1000 + (device.payloads.chance() * 2000.0) as u64);
                    tokio::time::sleep(pause).await;
                    device.client = connect(&device.spec, &device.endpoint);
                }
            },
            Some(order) = orders.recv() => {
                if device.obey_order(order) {
                    device.client = connect(&device.spec, &device.endpoint);
                    connected = false;
                }
            }
            () = tokio::time::sleep_until(timer), if connected => device.act(),
        }
    }
}

fn connect(spec: &DeviceSpec, endpoint: &Endpoint) -> Client {
    let dial = dial(endpoint.clone(), Arc::clone(&spec.pair), spec.from);
    Client::new(&spec.client_id, Box::pin(dial))
}

/// TLS to the endpoint, with a device's certificate, and as if from `from`.
async fn dial(
    endpoint: Endpoint,
    identity: Arc<KeyPairPem>,
    from: Option<IpAddr>,
) -> io::Result<Box<dyn Io>> {
    let config = endpoint.trust.client(&identity)?;
    let name = ServerName::try_from(endpoint.host.clone()).map_err(io::Error::other)?;
    let host = (endpoint.host.as_str(), endpoint.port);
    // Noted before the connection is there, and until its handshake is over: the listener looks once, when it accepts.
    let (stream, _place) = match from {
        None => (TcpStream::connect(host).await?, None),
        Some(from) => {
            let to = tokio::net::lookup_host(host).await?.next().ok_or(io::ErrorKind::NotFound)?;
            let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            socket.bind(SocketAddr::new(to.ip(), 0))?;
            let place = endpoint.places.put(socket.local_addr()?, from);
            (socket.connect(to).await?, Some(place))
        }
    };
    // A lost option only costs latency.
    let _ = stream.set_nodelay(true);
    Ok(Box::new(TlsConnector::from(config).connect(name, stream).await?))
}

impl Device {
    fn topic(&self, rest: &str) -> String {
        format!("$aws/things/{}/{rest}", self.spec.thing)
    }

    fn publish(&mut self, topic: String, payload: impl Into<Vec<u8>>) {
        self.send_out(&topic, &payload.into(), false);
    }

    /// Queues a message; one that finds the queue full is lost, as QoS 0 is on a slow line.
    fn send_out(&mut self, topic: &str, payload: &[u8], retain: bool) {
        if let Some(agent) = &mut self.agent {
            agent.sent(payload.len());
        }
        if !self.client.publish(topic, payload, retain) {
            tracing::debug!(thing = self.spec.thing, "message lost");
        }
    }

    /// What it does first on every new connection.
    fn greet(&mut self) {
        let mut topics = vec!["jobs/notify-next", "jobs/start-next/accepted"];
        if self.spec.kind != Kind::Generic {
            topics.extend(["shadow/update/delta", "shadow/get/accepted"]);
        }
        if self.agent.is_some() {
            topics.extend(["defender/metrics/json/accepted", "defender/metrics/json/rejected"]);
        }
        let filters: Vec<String> = topics.into_iter().map(|topic| self.topic(topic)).collect();
        self.client.subscribe(filters.iter().map(String::as_str));
    }

    /// Asks for what waits for it, once the answers reach it.
    fn ask(&mut self) {
        self.publish(self.topic("jobs/start-next"), "{}");
        if self.spec.kind != Kind::Generic {
            self.publish(self.topic("shadow/get"), "");
        }
    }

    fn hear(&mut self, topic: &str, payload: &[u8]) {
        if let Some(agent) = &mut self.agent {
            agent.heard(payload.len());
        }
        let prefix = self.topic("");
        let Some(rest) = topic.strip_prefix(&prefix) else { return };
        match rest {
            "jobs/notify-next" => {
                let pending =
                    serde_json::from_slice::<Value>(payload).is_ok_and(|v| v.get("execution").is_some());
                if pending && self.work.is_none() {
                    self.publish(self.topic("jobs/start-next"), "{}");
                }
            }
            "jobs/start-next/accepted" if self.work.is_none() => {
                self.work = Work::from_answer(payload);
                self.work_at = Instant::now() + self.job_step();
            }
            "shadow/update/delta" | "shadow/get/accepted" => {
                let Ok(said) = serde_json::from_slice::<Value>(payload) else { return };
                let state = said.get("state");
                let delta =
                    if rest == "shadow/get/accepted" { state.and_then(|s| s.get("delta")) } else { state };
                if let Some(delta) = delta {
                    // The same wish comes again with every report; it must not postpone its own fulfilment.
                    let at = self.obey.as_ref().map(|(at, _)| *at);
                    let at = at.unwrap_or_else(|| Instant::now() + self.clock.scaled(OBEYS_AFTER));
                    self.obey = Some((at, delta.clone()));
                }
            }
            "defender/metrics/json/rejected" => {
                let said = String::from_utf8_lossy(payload);
                tracing::warn!(thing = self.spec.thing, %said, "the agent's report was rejected");
            }
            _ => {}
        }
    }

    fn job_step(&mut self) -> Duration {
        self.clock.scaled(JOB_STEP).mul_f64(0.6 + 0.8 * self.payloads.chance())
    }

    /// When it has to act next.
    fn next_timer(&self) -> Instant {
        let work = self.work.as_ref().map(|_| self.work_at);
        let obey = self.obey.as_ref().map(|(at, _)| *at);
        let report = self.agent.as_ref().map(|_| self.report_at);
        [Some(self.next), work, obey, report].into_iter().flatten().min().unwrap_or(self.next)
    }

    /// Does what is due.
    fn act(&mut self) {
        let now = Instant::now();
        if now >= self.next {
            let factor = if let Mode::Rate(factor) = self.mode { factor } else { 1.0 };
            let period = self.clock.scaled(CADENCE).div_f64(factor).max(Duration::from_millis(2));
            // The beat is kept; what was missed while the machine slept is not made up for.
            self.next = if self.next + period < now { now + period } else { self.next + period };
            self.send();
        }
        if self.work.is_some() && now >= self.work_at {
            self.work_at = now + self.job_step();
            self.progress();
        }
        if let Some((_, state)) = self.obey.take_if(|(at, _)| now >= *at) {
            let report = json!({"state": {"reported": state}});
            self.publish(self.topic("shadow/update"), report.to_string());
        }
        if now >= self.report_at {
            self.report_at = now + self.clock.scaled(REPORTS);
            if let Some(report) = self.agent.as_mut().map(|a| a.report(self.clock.now_ms() / 1000)) {
                self.publish(self.topic("defender/metrics/json"), report.to_string());
            }
        }
    }

    fn send(&mut self) {
        let topic = self.spec.topic.clone();
        match self.mode {
            Mode::Silent => {}
            Mode::Size(bytes) => {
                let noise = self.payloads.noise(bytes);
                self.publish(topic, noise);
            }
            Mode::Normal | Mode::Rate(_) if self.spec.kind == Kind::ShadowSensor => {
                let report = self.payloads.shadow_report().to_string();
                self.publish(self.topic("shadow/update"), report);
            }
            Mode::Normal | Mode::Rate(_) => {
                let text = self.payloads.telemetry(&self.spec.thing, self.clock.now_ms() / 1000);
                self.publish(topic, text);
            }
        }
    }

    fn progress(&mut self) {
        let Some(work) = &mut self.work else { return };
        let (topic, update, last) = work.step();
        self.publish(self.topic(&format!("jobs/{topic}")), update.to_string());
        if last {
            self.work = None;
            self.publish(self.topic("jobs/start-next"), "{}");
        }
    }

    /// Somebody else begins to use this device's certificate; shadow and agent stay the real one's.
    fn clone_it(&mut self, id: Option<String>, bytes: Option<usize>, from: Option<IpAddr>) {
        if self.cloned.contains(&id) {
            return;
        }
        self.cloned.push(id.clone());
        let mut spec = self.spec.clone();
        spec.from = from.or(spec.from);
        spec.kind = Kind::Generic;
        spec.client_id = id.unwrap_or(spec.client_id);
        let (sender, orders) = mpsc::channel(1);
        // The receiver is here still, and there is room for one.
        let _ = bytes.map(|bytes| sender.try_send(Action::RogueSize(bytes)));
        let seed = self.seed.wrapping_add(1 + self.clones.len() as u64);
        let life = run(spec, self.endpoint.clone(), self.clock, seed, orders);
        // Its orders come from nobody else: the sender lives as long as it does.
        let life: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(life);
        self.clones.spawn(async move {
            let _sender = sender;
            life.await;
        });
    }

    /// Follows the scenario; true when the connection shall drop.
    fn obey_order(&mut self, order: Action) -> bool {
        match order {
            Action::RogueSize(bytes) => self.mode = Mode::Size(bytes),
            Action::RogueRate(factor) => self.mode = Mode::Rate(factor),
            Action::Silence => self.mode = Mode::Silent,
            Action::Normal => {
                self.mode = Mode::Normal;
                self.agent.iter_mut().for_each(Agent::close);
            }
            Action::Listen(port) => self.agent.iter_mut().for_each(|a| a.open(port)),
            Action::Report(state) => {
                let report = json!({"state": {"reported": state}});
                self.publish(self.topic("shadow/update"), report.to_string());
            }
            Action::Disconnect => return true,
            Action::ClientId(id) => {
                self.spec.client_id = id;
                return true;
            }
            Action::Clone { id, bytes, from } => self.clone_it(id, bytes, from),
            Action::NoClone => {
                self.clones.abort_all();
                self.cloned.clear();
            }
            Action::ComesBack(id) => self.refuge = Some(id),
            Action::Retain(bytes) => {
                let noise = self.payloads.noise(bytes);
                let topic = self.spec.topic.clone();
                self.send_out(&topic, &noise, true);
            }
            // The scenario does that itself, over the account.
            Action::Desired(_) | Action::Permit | Action::Fault(_) | Action::NoFaults => {}
        }
        false
    }
}
