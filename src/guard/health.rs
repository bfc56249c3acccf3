//! How a guard is: alive, ready, and in numbers. Answered over HTTP, on loopback unless the configuration says otherwise; it
//! says nothing that is secret and takes nothing in.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, UnixListener};

use quell_fleet::Ms;

use crate::response::alert::accept;

/// Connections at once; each asks one thing.
const CONNECTIONS: usize = 64;
/// A request and its answer take no longer.
const WHOLE: Duration = Duration::from_secs(10);
/// A guard whose loop has not turned for so long is not alive.
const STUCK: Ms = 30_000;

/// How one receiver of alerts stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the metric of the same name")]
pub struct SinkHealth {
    pub name: String,
    pub sent: u64,
    pub failed: u64,
    pub dead: u64,
    pub waiting: u64,
}

/// How a guard is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// When it started.
    pub started: Ms,
    /// When its loop last turned.
    pub turned: Ms,
    /// It listens, and nothing keeps it from hearing.
    pub hears: bool,
    /// Why it does not, when it does not.
    pub deaf: Option<String>,
    /// Its share of the fleet: the filters of devices' topics that the broker accepted.
    #[serde(default)]
    pub share: Vec<String>,
    /// It acts, or says what it would do.
    pub acts: bool,
    /// Which guard of the account acts: this one, another, or nobody yet.
    pub lease: Option<String>,
    /// Devices known.
    pub devices: u64,
    /// Messages heard since the start.
    pub messages: u64,
    /// Messages a second, while it hears.
    pub messages_per_second: f64,
    /// Alerts told since the start, by kind and step.
    pub alerts: Vec<(String, String, u64)>,
    /// Alerts that are not over.
    pub open: u64,
    /// What was done, by result: `isolated`, `dry run`, `refused`, ….
    pub actions: Vec<(String, u64)>,
    /// Responses that were proven, and that were not within their time.
    #[serde(default)]
    pub proofs: (u64, u64),
    /// Devices held for a time.
    pub held: u64,
    /// How long after its datapoint the last alert was found, milliseconds.
    pub lag: Ms,
    /// Share of what the busiest connection may carry, once that is near; 0 below.
    pub near_limit: f64,
    /// Stretches in which nothing was heard.
    pub gaps: u64,
    /// The receivers.
    pub sinks: Vec<SinkHealth>,
    /// Behaviours that are not judged, or not on each device: absent from an older guard.
    #[serde(default)]
    pub not_judged: Vec<NotJudgedHealth>,
}

/// A behaviour that is not judged, or not on each device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotJudgedHealth {
    /// The security profile.
    pub profile: String,
    /// The behaviour.
    pub behavior: String,
    /// Why.
    pub why: String,
    /// On how many of how many devices that were heard, where it is judged on some.
    pub on: Option<(usize, usize)>,
    /// Some of the devices that it is not judged on.
    pub things: Vec<String>,
}

impl Health {
    /// Its loop turns.
    pub fn is_alive(&self, now: Ms) -> bool {
        now - self.turned < STUCK
    }

    /// Prometheus's text format, version 0.0.4.
    pub fn metrics(&self, now: Ms) -> String {
        let mut out = String::new();
        let mut metric = |name: &str, kind: &str, help: &str, values: &[(String, f64)]| {
            let _ = writeln!(out, "# HELP quell_guard_{name} {help}\n# TYPE quell_guard_{name} {kind}");
            for (labels, value) in values {
                let _ = writeln!(out, "quell_guard_{name}{labels} {value}");
            }
        };
        let one = |value: f64| [(String::new(), value)];
        let flag = |on: bool| one(f64::from(u8::from(on)));
        let label = |key: &str, value: &str| {
            format!("{key}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
        };
        metric("up", "gauge", "1 while its loop turns.", &flag(self.is_alive(now)));
        metric("hears", "gauge", "1 while nothing keeps it from hearing the fleet.", &flag(self.hears));
        metric("acts", "gauge", "1 when it acts, 0 when it only says what it would do.", &flag(self.acts));
        // Without a lease it is the only one.
        let leads = self.lease.as_deref().map_or(self.acts, |lease| lease == "held");
        metric("lease_held", "gauge", "1 while this guard is the one that acts.", &flag(leads));
        metric("start_time_seconds", "gauge", "When it started.", &one(self.started as f64 / 1000.0));
        metric("devices", "gauge", "Devices known.", &one(self.devices as f64));
        metric("messages_total", "counter", "Messages heard.", &one(self.messages as f64));
        metric("messages_per_second", "gauge", "Messages a second now.", &one(self.messages_per_second));
        let alerts: Vec<(String, f64)> = self
            .alerts
            .iter()
            .map(|(kind, step, n)| {
                (format!("{{{},{}}}", label("kind", kind), label("step", step)), *n as f64)
            })
            .collect();
        metric("alerts_total", "counter", "Alerts told.", &alerts);
        metric("alerts_open", "gauge", "Alerts that are not over.", &one(self.open as f64));
        let actions: Vec<(String, f64)> = self
            .actions
            .iter()
            .map(|(result, n)| (format!("{{{}}}", label("result", result)), *n as f64))
            .collect();
        metric("actions_total", "counter", "What was done about alerts, by result.", &actions);
        let (proven, unproven) = self.proofs;
        let proofs = [("proven", proven), ("unproven", unproven)];
        let proofs = proofs.map(|(result, n)| (format!("{{{}}}", label("result", result)), n as f64));
        metric(
            "proofs_total",
            "counter",
            "Isolations, releases and the like, by whether they were proven.",
            &proofs,
        );
        metric("held", "gauge", "Devices held for a time.", &one(self.held as f64));
        metric(
            "lag_seconds",
            "gauge",
            "From datapoint to alert, of the last one.",
            &one(self.lag as f64 / 1000.0),
        );
        let help = "Share of a connection's limit, once it is near; 0 below.";
        metric("near_limit", "gauge", help, &one(self.near_limit));
        metric("gaps_total", "counter", "Stretches in which nothing was heard.", &one(self.gaps as f64));
        let not_judged: Vec<(String, f64)> = self
            .not_judged
            .iter()
            .map(|not| {
                (format!("{{{},{}}}", label("profile", &not.profile), label("behavior", &not.behavior)), 1.0)
            })
            .collect();
        metric(
            "not_judged",
            "gauge",
            "1 for a behaviour that is not judged, or not on each device.",
            &not_judged,
        );
        type Read = fn(&SinkHealth) -> u64;
        let sinks: [(&str, &str, &str, Read); 4] = [
            ("sink_sent_total", "counter", "Alerts a receiver took.", |sink| sink.sent),
            ("sink_failed_total", "counter", "Attempts a receiver did not take.", |sink| sink.failed),
            ("sink_dead_total", "counter", "Alerts given up.", |sink| sink.dead),
            ("sink_waiting", "gauge", "Alerts that wait for a receiver.", |sink| sink.waiting),
        ];
        for (name, kind, help, read) in sinks {
            let values: Vec<(String, f64)> = self
                .sinks
                .iter()
                .map(|sink| (format!("{{{}}}", label("sink", &sink.name)), read(sink) as f64))
                .collect();
            metric(name, kind, help, &values);
        }
        out
    }
}

/// Answers `/healthz`, `/readyz`, `/metrics` and `/status`; where it listens.
///
/// # Errors
/// The address is not to be had.
pub async fn serve(address: SocketAddr, health: Arc<Mutex<Health>>) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    tokio::spawn(accept::serve(listener, CONNECTIONS, WHOLE, answering(health)));
    Ok(bound)
}

/// The same at a socket that only its user can reach: what `quell guard status` asks. The folder is a guard's own and locked,
/// so that what stands there is left by one that is gone.
///
/// # Errors
/// The socket cannot be made.
pub fn serve_at(path: &Path, health: Arc<Mutex<Health>>) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    tokio::spawn(accept::serve(listener, CONNECTIONS, WHOLE, answering(health)));
    Ok(())
}

fn answering(
    health: Arc<Mutex<Health>>,
) -> impl Fn(Request<Incoming>) -> std::future::Ready<Response<Full<Bytes>>> + Clone + Send + 'static {
    move |request| std::future::ready(answer(&request, &health.lock()))
}

fn answer(request: &Request<Incoming>, health: &Health) -> Response<Full<Bytes>> {
    let now = crate::cloud::now_ms();
    let alive = health.is_alive(now);
    let told = |good: bool, text: String| {
        (
            if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE },
            "text/plain; charset=utf-8",
            text,
        )
    };
    let (status, kind, text) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/healthz") => {
            told(alive, if alive { "alive\n" } else { "its loop does not turn\n" }.to_owned())
        }
        (&Method::GET | &Method::HEAD, "/readyz") => {
            let why = health.deaf.clone().unwrap_or_else(|| "not connected yet".to_owned());
            told(alive && health.hears, if health.hears { "ready\n".to_owned() } else { format!("{why}\n") })
        }
        (&Method::GET | &Method::HEAD, "/metrics") => {
            (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", health.metrics(now))
        }
        (&Method::GET | &Method::HEAD, "/status") => {
            let text = serde_json::to_string(health).unwrap_or_default();
            (StatusCode::OK, "application/json", format!("{text}\n"))
        }
        (_, "/healthz" | "/readyz" | "/metrics" | "/status") => {
            (StatusCode::METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", String::new())
        }
        _ => (StatusCode::NOT_FOUND, "text/plain; charset=utf-8", String::new()),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let value = hyper::header::HeaderValue::from_static(kind);
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, value);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dashboard_and_the_alert_rules_ask_for_what_there_is() {
        let health = Health {
            alerts: vec![("alarm".to_owned(), "in-alarm".to_owned(), 1)],
            actions: vec![("isolated".to_owned(), 1)],
            sinks: vec![SinkHealth::default()],
            not_judged: vec![NotJudgedHealth::default()],
            ..Health::default()
        };
        let known = health.metrics(0);
        let known: Vec<&str> = known
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split(['{', ' ']).next())
            .collect();
        let files = [
            include_str!("../../packaging/quell-guard.rules.yml"),
            include_str!("../../packaging/quell-guard.grafana.json"),
        ];
        let mut asked = 0;
        for word in files.iter().flat_map(|file| file.split(|c: char| !(c.is_ascii_lowercase() || c == '_')))
        {
            if word.starts_with("quell_guard_") {
                asked += 1;
                assert!(known.contains(&word), "{word}");
            }
        }
        assert!(asked > 15);
        assert!(serde_json::from_str::<serde_json::Value>(files[1]).is_ok());
        // Each of what the metrics tell of a guard's work is on the dashboard.
        for name in [
            "devices",
            "messages_total",
            "alerts_total",
            "actions_total",
            "proofs_total",
            "lag_seconds",
            "gaps_total",
        ] {
            assert!(files[1].contains(&format!("quell_guard_{name}")), "{name}");
        }
    }

    #[test]
    fn metrics_are_prometheus_s_text_whatever_a_sink_is_called() {
        let health = Health {
            turned: 100,
            alerts: vec![("alarm".to_owned(), "in-alarm".to_owned(), 3)],
            sinks: vec![SinkHealth { name: "a\"b\\\n".to_owned(), sent: 2, ..SinkHealth::default() }],
            ..Health::default()
        };
        let text = health.metrics(200);
        assert!(text.contains("quell_guard_alerts_total{kind=\"alarm\",step=\"in-alarm\"} 3\n"), "{text}");
        assert!(text.contains(r#"quell_guard_sink_sent_total{sink="a\"b\\\n"} 2"#), "{text}");
        for line in text.lines() {
            assert!(line.starts_with('#') || line.split(' ').count() == 2, "{line}");
        }
        assert!(health.is_alive(200) && !health.is_alive(100_000));
        let held = |acts, lease: Option<&str>| {
            let health = Health { acts, lease: lease.map(str::to_owned), ..Health::default() };
            health.metrics(0).contains("\nquell_guard_lease_held 1\n")
        };
        assert!(held(true, None) && held(true, Some("held")), "without a lease it is the only one");
        assert!(!held(false, None) && !held(true, Some("held by another")));
        assert!(health.metrics(100_000).contains("quell_guard_up 0"));
    }
}
