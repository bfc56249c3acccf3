//! What `quell guard` is told by the configuration: where its alerts go, and how two of them agree on who acts.
//!
//! ```toml
//! [guard]
//! listen = "127.0.0.1:9464"
//! [[guard.sink]]
//! kind = "webhook"
//! url = "https://ops.example/quell"
//! secret-file = "/run/secrets/quell-hook"
//! alerts = ["alarm", "clone", "blind"]
//! ```

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Secret;

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlertKind {
    /// A behaviour of a security profile is not met.
    Alarm,
    /// A device is out of its own ordinary.
    Warning,
    /// Two devices use one identity.
    Clone,
    /// A device is silent for longer than ever.
    Silence,
    /// Something cannot be seen: a lost link, a refused filter, a behaviour that is not judged.
    Blind,
    /// Something was done about an alert, or was to be and was not.
    Action,
}

impl AlertKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Alarm, Self::Warning, Self::Clone, Self::Silence, Self::Blind, Self::Action];

    /// Its name in files and messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Alarm => "alarm",
            Self::Warning => "warning",
            Self::Clone => "clone",
            Self::Silence => "silence",
            Self::Blind => "blind",
            Self::Action => "action",
        }
    }
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Low,
    /// Worth a look today.
    Medium,
    /// Worth a look now.
    High,
    /// Somebody has to be woken.
    Critical,
}

impl Severity {
    /// What an alert of a kind usually is.
    pub fn of(kind: AlertKind) -> Self {
        match kind {
            AlertKind::Clone => Self::Critical,
            AlertKind::Alarm => Self::High,
            AlertKind::Blind | AlertKind::Silence => Self::Medium,
            AlertKind::Warning | AlertKind::Action => Self::Low,
        }
    }

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// How an alert is written, where a receiver has no form of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlertFormat {
    /// As Device Defender writes it (docs/aws-iot.md#3.9), with more under `quell`.
    #[default]
    Aws,
    /// An OCSF Detection Finding.
    Ocsf,
}

/// A mail server, and who writes to whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Mail {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// TLS from the first byte; otherwise from STARTTLS on, where the server offers it.
    pub tls: bool,
    /// User name and password.
    pub login: Option<(String, Secret)>,
    /// The sender's address.
    pub from: String,
    /// Those of the receivers.
    pub to: Vec<String>,
}

/// A topic of a broker that is not the account's.
#[derive(Clone, Debug, PartialEq)]
pub struct Broker {
    /// `mqtt://HOST:PORT`, `mqtts://HOST:PORT`, `ws://…` or `wss://…`.
    pub url: String,
    /// The topic.
    pub topic: String,
    /// User name and password.
    pub login: Option<(String, Secret)>,
    /// The authority of its certificate, PEM; the platform's without it.
    pub ca: Option<PathBuf>,
}

/// Where alerts go to.
#[derive(Clone, Debug, PartialEq)]
pub enum SinkWay {
    /// A line each on stdout.
    Stdout,
    /// A line each at the end of a file, which nobody else may read.
    File(PathBuf),
    /// An SNS topic, by its ARN.
    Sns(String),
    /// A POST to a URL, signed with a secret where there is one.
    Webhook(Secret, Option<Secret>),
    /// A Slack incoming webhook.
    Slack(Secret),
    /// A Microsoft Teams workflow that takes an Adaptive Card.
    Teams(Secret),
    /// PagerDuty's Events API v2: where it is, and the routing key.
    PagerDuty(String, Secret),
    /// An MQTT topic of the account.
    Mqtt(String),
    /// An MQTT topic of another broker.
    Broker(Broker),
    /// Mail, by a server.
    Smtp(Mail),
    /// A syslog receiver over TCP (`tcp://HOST:PORT`), UDP (`udp://HOST:PORT`) or a socket's path.
    Syslog(String),
}

impl SinkWay {
    /// Its kind, as the file writes it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::File(_) => "file",
            Self::Sns(_) => "sns",
            Self::Webhook(..) => "webhook",
            Self::Slack(_) => "slack",
            Self::Teams(_) => "teams",
            Self::PagerDuty(..) => "pagerduty",
            Self::Mqtt(_) | Self::Broker(_) => "mqtt",
            Self::Syslog(_) => "syslog",
            Self::Smtp(_) => "smtp",
        }
    }

    /// True when something in the account is changed by it, be it that a message is published there.
    pub fn writes_to_account(&self) -> bool {
        matches!(self, Self::Sns(_) | Self::Mqtt(_))
    }

    /// True when only this guard writes there: another one's alerts have a place of their own.
    pub fn is_own(&self) -> bool {
        matches!(self, Self::Stdout | Self::File(_) | Self::Syslog(_))
    }

    /// What it is told without being asked: programs that act on AWS's alerts get what AWS would send, people everything.
    fn usual(&self) -> &'static [AlertKind] {
        match self {
            Self::Sns(_) | Self::Mqtt(_) | Self::Broker(_) => &[AlertKind::Alarm],
            Self::PagerDuty(..) | Self::Smtp(_) => &[AlertKind::Alarm, AlertKind::Clone, AlertKind::Blind],
            _ => &AlertKind::ALL,
        }
    }
}

/// A receiver of alerts.
#[derive(Clone, Debug, PartialEq)]
pub struct Sink {
    /// Its name: unique among them, in the log, in metrics and in the file of what could not be delivered.
    pub name: String,
    /// Where to.
    pub way: SinkWay,
    /// In which form.
    pub format: AlertFormat,
    /// Which alerts.
    pub alerts: Vec<AlertKind>,
}

/// A sink as the file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct SinkFile {
    kind: toml::Spanned<String>,
    name: Option<String>,
    path: Option<PathBuf>,
    url: Option<Secret>,
    url_file: Option<PathBuf>,
    secret_file: Option<PathBuf>,
    topic: Option<String>,
    to: Option<String>,
    from: Option<String>,
    server: Option<String>,
    user: Option<String>,
    ca: Option<PathBuf>,
    #[serde(default)]
    format: AlertFormat,
    alerts: Option<Vec<AlertKind>>,
}

/// What of `[guard]` is no plain key.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct GuardFile {
    sink: Vec<SinkFile>,
}

/// The largest file that is taken for a secret.
const SECRET: u64 = 64 * 1024;

fn secret(folder: &Path, file: &Path) -> Result<Secret, String> {
    let path = folder.join(file);
    let named = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let known = std::fs::metadata(&path).map_err(|e| named(&e))?;
    if known.len() > SECRET {
        return Err(named(&"is too large for a secret"));
    }
    let text = std::fs::read_to_string(&path).map_err(|e| named(&e))?;
    let text = text.trim();
    if text.is_empty() { Err(named(&"is empty")) } else { Ok(Secret(text.to_owned())) }
}

impl GuardFile {
    /// The sinks it says; files are beside `folder`.
    ///
    /// # Errors
    /// Where in the file, and what is wrong there; never a URL or a secret.
    pub(super) fn read(self, folder: &Path) -> Result<Vec<Sink>, (usize, String)> {
        let mut out: Vec<Sink> = Vec::new();
        for sink in self.sink {
            let at = sink.kind.span().start;
            let kind = sink.kind.get_ref().clone();
            let wrong = |why: String| (at, format!("a sink of kind {kind:?}: {why}"));
            let read = sink.read(folder).map_err(wrong)?;
            if out.iter().any(|known| known.name == read.name) {
                return Err((at, format!("two sinks are called {:?}: give one another name", read.name)));
            }
            out.push(read);
        }
        Ok(out)
    }
}

impl SinkFile {
    fn mail(&self, password: Option<Secret>) -> Result<Mail, String> {
        let needs = |what: &str| format!("needs {what}");
        let server =
            self.server.as_deref().ok_or_else(|| needs("server: smtp://HOST:PORT or smtps://HOST:PORT"))?;
        let (tls, place) = match (server.strip_prefix("smtps://"), server.strip_prefix("smtp://")) {
            (Some(place), _) => (true, place),
            (None, Some(place)) => (false, place),
            (None, None) => {
                return Err("its server is neither smtp://HOST:PORT nor smtps://HOST:PORT".to_owned());
            }
        };
        let usual = if tls { 465 } else { 587 };
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| "its server has no port".to_owned())?),
            None => (place, usual),
        };
        if host.is_empty() {
            return Err("its server has no name".to_owned());
        }
        let address = |text: &str| {
            let text = text.trim();
            let fits = text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
                && text.len() <= 254
                && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b',' | b'"'));
            if fits {
                Ok(text.to_owned())
            } else {
                Err("an address of it is none, such as ops@example.com".to_owned())
            }
        };
        let from = address(self.from.as_deref().ok_or_else(|| needs("from, an address"))?)?;
        let to = self.to.as_deref().ok_or_else(|| needs("to: addresses, with commas between them"))?;
        let to = to.split(',').map(address).collect::<Result<_, _>>()?;
        let login = match (&self.user, password) {
            (Some(user), Some(password)) => Some((user.clone(), password)),
            (None, None) => None,
            _ => return Err("a login needs both user and secret-file".to_owned()),
        };
        Ok(Mail { host: host.to_owned(), port, tls, login, from, to })
    }

    fn broker(
        &self,
        folder: &Path,
        url: String,
        topic: String,
        password: Option<Secret>,
    ) -> Result<Broker, String> {
        let rest = ["mqtt://", "mqtts://", "ws://", "wss://"].iter().find_map(|s| url.strip_prefix(s));
        let Some(rest) = rest else {
            return Err("its url is none of mqtt://HOST:PORT, mqtts://, ws:// and wss://".to_owned());
        };
        let host = rest.split(['/', ':']).next().unwrap_or_default().to_ascii_lowercase();
        if rest.contains('@') {
            return Err("its url holds a user name: user and secret-file are for that".to_owned());
        }
        // That is the account, which is published in by its API, and never in read-only mode.
        if host.contains(".iot.") && host.contains(".amazonaws.") {
            return Err("its url is AWS's own broker: without url it is told by the account's API".to_owned());
        }
        let login = match (&self.user, password) {
            (Some(user), Some(password)) => Some((user.clone(), password)),
            (None, None) => None,
            _ => return Err("a login needs both user and secret-file".to_owned()),
        };
        Ok(Broker { url, topic, login, ca: self.ca.as_ref().map(|ca| folder.join(ca)) })
    }

    fn read(self, folder: &Path) -> Result<Sink, String> {
        let needs = |what: &str| format!("needs {what}");
        let url = || match (&self.url, &self.url_file) {
            (Some(url), None) => Ok(url.clone()),
            (None, Some(file)) => secret(folder, file),
            (Some(_), Some(_)) => Err("has both url and url-file".to_owned()),
            (None, None) => Err(needs("url, or url-file with it in it")),
        };
        let checked = |url: Secret| {
            let known = url.0.starts_with("https://") || url.0.starts_with("http://");
            if known { Ok(url) } else { Err("its URL begins with neither https:// nor http://".to_owned()) }
        };
        let key = self.secret_file.as_ref().map(|file| secret(folder, file)).transpose()?;
        let way = match self.kind.get_ref().as_str() {
            "stdout" => SinkWay::Stdout,
            "file" => SinkWay::File(folder.join(self.path.as_ref().ok_or_else(|| needs("path"))?)),
            "sns" => {
                let arn = self.topic.clone().ok_or_else(|| needs("topic, the topic's ARN"))?;
                let parts: Vec<&str> = arn.split(':').collect();
                match parts.as_slice() {
                    ["arn", _, "sns", region, account, name]
                        if !region.is_empty() && !account.is_empty() && !name.is_empty() =>
                    {
                        SinkWay::Sns(arn)
                    }
                    _ => return Err("its topic is no ARN of an SNS topic".to_owned()),
                }
            }
            "webhook" => SinkWay::Webhook(checked(url()?)?, key),
            "slack" => SinkWay::Slack(checked(url()?)?),
            "teams" => SinkWay::Teams(checked(url()?)?),
            "pagerduty" => {
                let at = self
                    .url
                    .clone()
                    .map_or_else(|| "https://events.pagerduty.com/v2/enqueue".to_owned(), |url| url.0);
                let key = key.ok_or_else(|| needs("secret-file, with the routing key in it"))?;
                SinkWay::PagerDuty(checked(Secret(at))?.0, key)
            }
            "mqtt" => {
                let topic = self.topic.clone().ok_or_else(|| needs("topic"))?;
                if topic.is_empty() || topic.len() > 256 || topic.contains(['+', '#', '\0']) {
                    return Err("its topic is none that can be published to".to_owned());
                }
                if topic.starts_with('$') {
                    return Err("its topic is one of the broker's own".to_owned());
                }
                match &self.url {
                    None if key.is_some() || self.user.is_some() || self.ca.is_some() => {
                        return Err("user, secret-file and ca go with the url of a broker".to_owned());
                    }
                    None => SinkWay::Mqtt(topic),
                    Some(url) => SinkWay::Broker(self.broker(folder, url.0.clone(), topic, key)?),
                }
            }
            "syslog" => {
                let to =
                    self.to.clone().ok_or_else(|| needs("to: tcp://HOST:PORT, udp://HOST:PORT or a path"))?;
                let known = to.starts_with("tcp://") || to.starts_with("udp://") || to.starts_with('/');
                if !known {
                    return Err("its to is neither tcp://HOST:PORT nor udp://HOST:PORT nor a path".to_owned());
                }
                SinkWay::Syslog(to)
            }
            "smtp" => SinkWay::Smtp(self.mail(key)?),
            _ => {
                return Err(
                    "is no kind: stdout, file, sns, webhook, slack, teams, pagerduty, mqtt, syslog or smtp"
                        .to_owned(),
                );
            }
        };
        let alerts = self.alerts.unwrap_or_else(|| way.usual().to_vec());
        Ok(Sink {
            name: self.name.unwrap_or_else(|| way.word().to_owned()),
            format: self.format,
            alerts,
            way,
        })
    }
}

/// The schema of what is no plain key: `sink`.
pub(super) fn schema() -> serde_json::Map<String, serde_json::Value> {
    use serde_json::json;
    let text = || json!({"type": "string"});
    let kinds: Vec<&str> = AlertKind::ALL.iter().map(|kind| kind.word()).collect();
    let sink = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["kind"],
        "properties": {
            "kind": {"enum": ["stdout", "file", "sns", "webhook", "slack", "teams", "pagerduty", "mqtt", "syslog", "smtp"]},
            "name": text(), "path": text(), "url": text(), "url-file": text(), "secret-file": text(),
            "topic": text(), "to": text(), "from": text(), "server": text(), "user": text(), "ca": text(), "format": {"enum": ["aws", "ocsf"]},
            "alerts": {"type": "array", "items": {"enum": kinds}},
        },
    });
    let sinks = json!({"type": "array", "items": sink, "description": "Where alerts of quell guard go."});
    [("sink".to_owned(), sinks)].into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, folder: &Path) -> Result<Vec<Sink>, String> {
        let file: GuardFile = toml::from_str(text).map_err(|e| e.message().to_owned())?;
        file.read(folder).map_err(|(_, why)| why)
    }

    #[test]
    fn sinks_are_read_with_their_secrets_and_never_show_them() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), "hush\n").unwrap();
        let text = r#"
            [[sink]]
            kind = "webhook"
            url = "https://ops.example/token"
            secret-file = "key"
            [[sink]]
            kind = "pagerduty"
            secret-file = "key"
            [[sink]]
            kind = "sns"
            topic = "arn:aws:sns:us-east-1:123456789012:DDD_Alerts"
            [[sink]]
            kind = "file"
            path = "alerts.jsonl"
            format = "ocsf"
            alerts = ["blind"]
        "#;
        let sinks = read(text, folder.path()).unwrap();
        let names: Vec<&str> = sinks.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["webhook", "pagerduty", "sns", "file"]);
        assert_eq!(sinks[2].alerts, [AlertKind::Alarm], "a program gets what AWS would send it");
        assert_eq!(sinks[3].way, SinkWay::File(folder.path().join("alerts.jsonl")));
        let shown = format!("{sinks:?}");
        assert!(!shown.contains("hush") && !shown.contains("token"), "{shown}");
    }

    #[test]
    fn what_is_wrong_is_said_without_what_is_secret() {
        let folder = tempfile::tempdir().unwrap();
        for (text, why) in [
            ("[[sink]]\nkind = 'carrier-pigeon'", "is no kind"),
            ("[[sink]]\nkind = 'webhook'", "needs url"),
            ("[[sink]]\nkind = 'slack'\nurl = 'hunter2'", "neither https"),
            ("[[sink]]\nkind = 'sns'\ntopic = 'DDD_Alerts'", "no ARN"),
            ("[[sink]]\nkind = 'mqtt'\ntopic = '$aws/x'", "broker's own"),
            ("[[sink]]\nkind = 'mqtt'\ntopic = 'a'\nurl = 'http://h'", "none of mqtt://"),
            ("[[sink]]\nkind = 'mqtt'\ntopic = 'a'\nurl = 'mqtt://u:hunter2@h'", "holds a user name"),
            (
                "[[sink]]\nkind = 'mqtt'\ntopic = 'a'\nurl = 'mqtts://x-ats.iot.eu-west-1.amazonaws.com'",
                "AWS's own broker",
            ),
            (
                "[[sink]]\nkind = 'mqtt'\ntopic = 'a'\nurl = 'mqtts://x-ats.IoT.eu-west-1.amazonaws.com'",
                "AWS's own broker",
            ),
            ("[[sink]]\nkind = 'mqtt'\ntopic = 'a'\nuser = 'u'", "url of a broker"),
            ("[[sink]]\nkind = 'mqtt'\ntopic = 'a/#'", "published to"),
            ("[[sink]]\nkind = 'syslog'\nto = 'host'", "neither tcp"),
            ("[[sink]]\nkind = 'pagerduty'", "routing key"),
            ("[[sink]]\nkind = 'smtp'\nserver = 'mail.example'", "neither smtp"),
            (
                "[[sink]]\nkind = 'smtp'\nserver = 'smtp://mail.example'\nfrom = 'q@example.com'\nto = 'a@b>\\r\\nc'",
                "address",
            ),
            (
                "[[sink]]\nkind = 'smtp'\nserver = 'smtps://m'\nfrom = 'q@e'\nto = 'a@b'\nuser = 'u'",
                "both user",
            ),
            ("[[sink]]\nkind = 'webhook'\nurl-file = 'nowhere'", "nowhere"),
            ("[[sink]]\nkind = 'stdout'\n[[sink]]\nkind = 'stdout'", "two sinks"),
            ("[[sink]]\nkind = 'stdout'\nalerts = ['storm']", "unknown variant"),
        ] {
            let told = read(text, folder.path()).unwrap_err();
            assert!(told.contains(why) && !told.contains("hunter2"), "{text}: {told}");
        }
    }
}
