//! How each receiver of alerts is told: what is sent, and what counts as taken.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ring::hmac;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use quell_fleet::Ms;
use quell_fleet::text::SafeText;

use crate::cloud::{self, Aws};
use crate::config::{AlertFormat, AlertKind, Proxies, Secret, Severity, Sink, SinkWay};
use crate::response::Voice;
use crate::response::alert::notify;
use crate::response::alert::web::Web;
use crate::stream;

use super::alert::{Alert, Step};
use super::mail;

/// Nobody is waited for longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// So much of the end of a file is looked through for an alert that a killed process may have written.
const BACK: u64 = 256 * 1024;

/// What telling takes.
#[derive(Clone, Debug)]
pub struct Post {
    /// HTTP.
    pub web: Arc<Web>,
    /// AWS, for SNS and topics; none without an account.
    pub aws: Option<Aws>,
    /// SNS, when it is not AWS's own.
    pub sns: Option<String>,
    /// Leave to say something in the account; none in read-only mode.
    pub voice: Option<Voice>,
    /// On the way to a broker.
    pub proxies: Proxies,
    /// The name of this host, for receivers that ask where something comes from.
    pub host: String,
}

impl Post {
    /// Tells one receiver. `again`: an earlier process may have told it already and been killed before it wrote that down.
    ///
    /// # Errors
    /// Why it was not taken, without the URL.
    pub async fn tell(&self, sink: &Sink, alert: &Alert, again: bool) -> Result<(), String> {
        let line = || alert.formatted(sink.format).to_string();
        let json = || vec![("content-type".to_owned(), "application/json".to_owned())];
        match &sink.way {
            SinkWay::Stdout => {
                let line = line();
                blocking(move || {
                    let mut out = io::stdout().lock();
                    writeln!(out, "{line}").and_then(|()| out.flush())
                })
                .await
            }
            SinkWay::File(path) => {
                let (path, line) = (path.clone(), line());
                blocking(move || append(&path, &line, again)).await
            }
            SinkWay::Sns(topic) => {
                let (aws, voice) = self.account()?;
                // AWS's own shape, without anything more: what takes its alerts takes this one.
                let text = match sink.format {
                    AlertFormat::Aws if matches!(alert.kind, AlertKind::Alarm | AlertKind::Clone) => {
                        alert.aws().to_string()
                    }
                    _ => line(),
                };
                notify::publish(voice, &self.web, aws, self.sns.as_deref(), topic, &text).await
            }
            SinkWay::Webhook(url, secret) => {
                let body = line();
                let mut headers = json();
                headers.push(("x-quell-alert".to_owned(), alert.id.clone()));
                if let Some(secret) = secret {
                    headers.push(("x-quell-signature".to_owned(), signature(secret, cloud::now_ms(), &body)));
                }
                self.post(&url.0, &headers, body).await
            }
            SinkWay::Slack(url) => self.post(&url.0, &json(), slack(alert).to_string()).await,
            SinkWay::Teams(url) => self.post(&url.0, &json(), teams(alert).to_string()).await,
            SinkWay::PagerDuty(url, key) => {
                self.post(url, &json(), pagerduty(alert, key, &self.host).to_string()).await
            }
            SinkWay::Mqtt(topic) => {
                let (aws, voice) = self.account()?;
                let sent = cloud::tell::publish(voice, aws, topic, line().into_bytes()).await;
                sent.map_err(|trouble| trouble.message.to_string())
            }
            SinkWay::Broker(broker) => stream::publish(broker, &self.proxies, line().as_bytes()).await,
            SinkWay::Smtp(server) => mail::send(server, alert, &self.host).await,
            SinkWay::Syslog(to) => syslog(to, &syslog_line(alert, &self.host)).await,
        }
    }

    /// The account, for whoever may say something there.
    fn account(&self) -> Result<(&Aws, &Voice), &'static str> {
        let aws = self.aws.as_ref().ok_or("there is no account to publish in")?;
        Ok((aws, self.voice.as_ref().ok_or("nothing is published in the account in read-only mode")?))
    }

    async fn post(&self, url: &str, headers: &[(String, String)], body: String) -> Result<(), String> {
        self.web.post(url, headers, body.into_bytes()).await.map(drop)
    }
}

async fn blocking(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<(), String> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(io::Error::other(e)));
    done.map_err(|error| error.to_string())
}

/// A line at the end of a file, on the disk when this returns; once, whatever was killed.
fn append(path: &Path, line: &str, again: bool) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(path)?;
    let length = file.metadata()?.len();
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(length.saturating_sub(BACK)))?;
    if again {
        io::Read::by_ref(&mut file).take(BACK).read_to_end(&mut tail)?;
        if tail.split(|byte| *byte == b'\n').any(|known| known == line.as_bytes()) {
            return Ok(());
        }
    }
    // What a kill cut stays a line of its own.
    let cut = again && length > 0 && tail.last() != Some(&b'\n');
    let text = if cut { format!("\n{line}\n") } else { format!("{line}\n") };
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

/// `t=SECONDS,v1=HEX`: HMAC-SHA-256 over the time, a full stop and the body. Whoever has the secret can tell that the body is of
/// quell and not a repetition of an old one.
pub fn signature(secret: &Secret, at: Ms, body: &str) -> String {
    let seconds = at / 1000;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.0.as_bytes());
    let tag = hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
    format!("t={seconds},v1={}", hex::encode(tag.as_ref()))
}

fn slack(alert: &Alert) -> Value {
    let sign = match alert.step {
        Step::InAlarm if alert.severity >= Severity::High => ":rotating_light:",
        Step::InAlarm => ":warning:",
        Step::AlarmCleared | Step::AlarmInvalidated => ":white_check_mark:",
    };
    json!({"text": format!("{sign} *{}*\n{}", notify::plain(&alert.title()), notify::plain(alert.sentence.as_str()))})
}

/// What a Teams workflow takes: a message with one Adaptive Card.
fn teams(alert: &Alert) -> Value {
    let facts: Vec<Value> = [
        ("Severity", alert.severity.word().to_owned()),
        ("Profile", SafeText::new(&alert.profile).to_string()),
        ("Behaviour", SafeText::new(&alert.behavior.name).to_string()),
        ("Groups", SafeText::new(&alert.groups.join(", ")).to_string()),
        ("Id", alert.id.clone()),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(title, value)| json!({"title": title, "value": value}))
    .collect();
    let colour = match alert.step {
        Step::InAlarm if alert.severity >= Severity::High => "attention",
        Step::InAlarm => "warning",
        Step::AlarmCleared | Step::AlarmInvalidated => "good",
    };
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard", "version": "1.4",
                "body": [
                    {"type": "TextBlock", "size": "medium", "weight": "bolder", "wrap": true, "color": colour,
                     "text": alert.title()},
                    {"type": "TextBlock", "wrap": true, "text": alert.sentence},
                    {"type": "FactSet", "facts": facts},
                ],
            },
        }],
    })
}

/// An event of PagerDuty's API v2: what ends an alert resolves what it opened.
fn pagerduty(alert: &Alert, key: &Secret, host: &str) -> Value {
    let severity = match alert.severity {
        Severity::Critical => "critical",
        Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "info",
    };
    let opens = alert.step == Step::InAlarm;
    let mut event = json!({
        "routing_key": key.0, "event_action": if opens { "trigger" } else { "resolve" }, "dedup_key": alert.id,
    });
    if opens && let Some(event) = event.as_object_mut() {
        // PagerDuty cuts a summary at 1,024 characters.
        let summary: String = format!("{}: {}", alert.title(), alert.sentence).chars().take(1_024).collect();
        let time = jiff::Timestamp::from_millisecond(alert.at).map(|at| at.to_string()).unwrap_or_default();
        event.insert(
            "payload".to_owned(),
            json!({
                "summary": summary, "severity": severity, "timestamp": time,
                "source": alert.thing.as_deref().unwrap_or(host), "component": alert.profile,
                "group": alert.groups.first(), "class": alert.behavior.name, "custom_details": alert.line(),
            }),
        );
    }
    event
}

/// RFC 5424: facility 4 (security), the alert's parts as structured data, the sentence as the message.
fn syslog_line(alert: &Alert, host: &str) -> String {
    let severity = match (alert.step, alert.severity) {
        (Step::AlarmCleared | Step::AlarmInvalidated, _) => 5,
        (Step::InAlarm, Severity::Critical) => 2,
        (Step::InAlarm, Severity::High) => 3,
        (Step::InAlarm, Severity::Medium) => 4,
        (Step::InAlarm, Severity::Low) => 5,
    };
    let name = |text: &str, most: usize| -> String {
        let name: String = text.chars().filter(char::is_ascii_graphic).take(most).collect();
        if name.is_empty() { "-".to_owned() } else { name }
    };
    let time = quell_fleet::format::iso(alert.at).unwrap_or_else(|| "-".to_owned());
    // 32473 is the number kept for examples (RFC 5612): quell has none of its own.
    let mut data = String::from("[alert@32473");
    let event = alert.event();
    for (key, value) in [
        ("id", alert.id.as_str()),
        ("event", event.as_str()),
        ("severity", alert.severity.word()),
        ("thing", alert.thing.as_deref().unwrap_or_default()),
        ("profile", alert.profile.as_str()),
        ("behavior", alert.behavior.name.as_str()),
    ] {
        let value = SafeText::new(value).to_string();
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace(']', "\\]");
        data.push_str(&format!(" {key}=\"{value}\""));
    }
    data.push(']');
    format!(
        "<{}>1 {time} {} quell {} {} {data} \u{feff}{}: {}",
        4 * 8 + severity,
        name(host, 255),
        std::process::id(),
        name(alert.kind.word(), 32),
        alert.title(),
        alert.sentence
    )
}

async fn syslog(to: &str, line: &str) -> Result<(), String> {
    let said = |error: io::Error| error.to_string();
    let send = async {
        if let Some(address) = to.strip_prefix("tcp://") {
            let mut stream = tokio::net::TcpStream::connect(address).await.map_err(said)?;
            // RFC 6587: the length, so that a message may hold line breaks.
            let framed = format!("{} {line}", line.len());
            stream.write_all(framed.as_bytes()).await.map_err(said)?;
            return stream.shutdown().await.map_err(said);
        }
        if let Some(address) = to.strip_prefix("udp://") {
            let mut found = tokio::net::lookup_host(address).await.map_err(said)?;
            let address = found.next().ok_or("the host has no address")?;
            let own = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = tokio::net::UdpSocket::bind(own).await.map_err(said)?;
            return socket.send_to(line.as_bytes(), address).await.map(drop).map_err(said);
        }
        let socket = tokio::net::UnixDatagram::unbound().map_err(said)?;
        socket.send_to(line.as_bytes(), to).await.map(drop).map_err(said)
    };
    tokio::time::timeout(PATIENCE, send).await.map_err(|_| "no answer in time".to_owned())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::judge::own;

    fn alert(name: &str, sentence: &str) -> Alert {
        let mut alert = own(AlertKind::Alarm, None, name, &SafeText::new(sentence), 1_573_786_800_000, 1);
        alert.thing = Some("dev-IZWB".to_owned());
        alert
    }

    #[test]
    fn a_signature_is_of_the_body_and_its_time() {
        // As `printf '1573786800.{}' | openssl dgst -sha256 -hmac key` says.
        let signed = signature(&Secret("key".to_owned()), 1_573_786_800_999, "{}");
        let expected = {
            let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
            hex::encode(hmac::sign(&key, b"1573786800.{}").as_ref())
        };
        assert_eq!(signed, format!("t=1573786800,v1={expected}"));
        assert_ne!(signed, signature(&Secret("key".to_owned()), 1_573_786_801_000, "{}"));
        assert_ne!(signed, signature(&Secret("other".to_owned()), 1_573_786_800_999, "{}"));
    }

    #[test]
    fn hostile_names_stay_in_their_place() {
        let hostile = alert("x\"] [other@1 a=\"b\n<@everyone>\u{1b}[2J", "<!channel> & \u{202e}");
        let line = syslog_line(&hostile, "host\nname");
        assert!(line.starts_with("<35>1 2019-11-15T03:00:00.000Z hostname quell "), "{line}");
        assert!(line.contains(r#"behavior="x\"\] [other@1 a=\"b"#), "{line}");
        assert!(!line.contains('\n') && !line.contains('\u{1b}'), "{line}");
        let text = slack(&hostile).to_string();
        assert!(!text.contains("<!channel>") && text.contains("&lt;!channel&gt;"), "{text}");
        assert!(!teams(&hostile)["attachments"][0]["content"].to_string().contains('\u{202e}'));
    }

    #[test]
    fn pagerduty_is_told_of_the_end_of_what_it_was_told_of() {
        let key = Secret("routing".to_owned());
        let found = alert("MessagesPub", &"long ".repeat(400));
        let opened = pagerduty(&found, &key, "host");
        assert_eq!(
            (&opened["event_action"], &opened["payload"]["severity"]),
            (&json!("trigger"), &json!("error"))
        );
        assert!(opened["payload"]["summary"].as_str().unwrap().chars().count() <= 1_024);
        let over = pagerduty(&found.ended(Step::AlarmCleared, 2, 2), &key, "host");
        assert_eq!((&over["event_action"], &over["dedup_key"]), (&json!("resolve"), &opened["dedup_key"]));
    }

    #[test]
    fn a_line_is_written_once_even_when_a_kill_came_between() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.jsonl");
        append(&path, "one", false).unwrap();
        append(&path, "one", true).unwrap();
        append(&path, "two", true).unwrap();
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"thr").unwrap();
        append(&path, "three", true).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\nthr\nthree\n");
    }
}
