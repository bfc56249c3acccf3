//! One typed configuration: the file, then the environment, then the flags; every error names its place.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quell_fleet::Limits;
use quell_fleet::model::ProfileRecord;
use quell_fleet::text::SafeText;
use quell_rules::detect::profile::SecurityProfile;
use quell_rules::topics::Dialect;

mod aws_files;
mod explain;
mod file;
pub mod flags;
mod guard;
mod guardrails;
mod key;
mod load;
mod mqtt;
mod narrow;
mod reload;
mod shares;
mod thing_from;
mod verb;

pub use aws_files::{AwsProfiles, REGIONS};
pub use explain::{Effective, effective, schema, template};
pub(crate) use explain::{place, region};
pub use guard::{AlertFormat, AlertKind, Broker, Mail, Severity, Sink, SinkWay};
pub(crate) use guardrails::glob;
pub use guardrails::{Demand, Guard, Guardrails, Judged, Window};
pub use load::{ConfigError, Environment, load, parse_size};
pub(crate) use load::{config_dir, file_path};
pub use mqtt::{MqttSettings, MqttVersion, Proxies, Secret};
pub use reload::Reloaded;
pub use thing_from::ThingFrom;
pub use verb::{Inverse, Verb};

use key::{Key, Kind};

/// Every key of the configuration file: what it sets and how, its bounds, what the template says of it.
const KEYS: &[Key] = key::keys! {
    "profile" profile as Plain, Kind::Text, Start, "\"workshop\"", ["AWS_PROFILE"], ["--profile" profile], "The named profile of the AWS configuration files.";
    "region" region as Plain, Kind::Text, Start, "\"us-east-1\"", ["AWS_REGION", "AWS_DEFAULT_REGION"], ["--region" region], "The AWS region; the profile's without it.";
    "endpoint-url" endpoint_url as Plain, Kind::Text, Start, "\"http://127.0.0.1:4510\"", ["AWS_ENDPOINT_URL_IOT", "AWS_ENDPOINT_URL"], ["--endpoint-url" endpoint_url], "Control plane endpoint, where it is not AWS's own.";
    "data-endpoint-url" data_endpoint_url as Plain, Kind::Text, Start, "\"http://127.0.0.1:4510\"", ["AWS_ENDPOINT_URL_IOT_DATA_PLANE", "AWS_ENDPOINT_URL"], ["--data-endpoint-url" data_endpoint_url], "Data plane endpoint; found by DescribeEndpoint without it.";
    "sts-endpoint-url" sts_endpoint_url as Plain, Kind::Text, Start, "\"http://127.0.0.1:4510\"", ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"], [], "STS endpoint.";
    "iam-endpoint-url" iam_endpoint_url as Plain, Kind::Text, Start, "\"http://127.0.0.1:4510\"", ["AWS_ENDPOINT_URL_IAM", "AWS_ENDPOINT_URL"], [], "IAM endpoint, asked for the account's alias only.";
    "cloudwatch-endpoint-url" cloudwatch_endpoint_url as Plain, Kind::Text, Start, "\"http://127.0.0.1:4510\"", ["AWS_ENDPOINT_URL_CLOUDWATCH", "AWS_ENDPOINT_URL"], [], "CloudWatch endpoint.";
    "ca-bundle" ca_bundle as Plain, Kind::File, Start, "\"/etc/ssl/corp.pem\"", ["AWS_CA_BUNDLE"], [], "Certificate authorities to trust instead of the platform's (PEM).";
    "no-aws" aws as Not, Kind::Flag, Start, "false", [], ["--no-aws" no_aws], "No AWS control plane at all: watch any MQTT broker.";
    "topics" topics as Filters, Kind::List, Live, "[\"temperature-device-01\", \"dt/+/data\"]", [], ["--topic" topics], "Topic filters of telemetry; AWS allows 50 a connection.";
    "thing-from" thing_from as Patterns, Kind::List, Live, "[\"temperature-device-(\\\\d+)=Thing$1\", \"dt/{thing}/data\"]", [], ["--thing-from" thing_from], "How a topic names its thing; the first that matches decides. What none matches is unattributed.";
    "security-profiles" security_profiles as Profiles, Kind::File, Live, "\"profiles.json\"", [], ["--security-profiles" security_profiles], "Security profiles to judge by besides the account's own.";
    "read-only" read_only as Plain, Kind::Flag, Live, "false", [], ["--read-only" read_only], "Refuse every change.";
    "instructor" instructor as Plain, Kind::Flag, Start, "false", [], ["--instructor" instructor], "For a room: large letters, account ids and addresses masked, every change refused.";
    "memory-budget" memory_budget as Size, Kind::Text, Live, "\"16MB\"", [], ["--memory-budget" memory_budget], "Memory for payloads, and how many topics are told apart: one for 80 bytes. Counts stay exact without both.";
    "max-fps" max_fps as Plain, Kind::Integer(1, 120), Start, "30", [], ["--max-fps" max_fps], "Frames a second at most; 30, or 15 over SSH, without it.";
    "keymap" keymap as Plain, Kind::Text, Live, "\"vim\"", [], ["--keymap" keymap], "A keymap by name or file.";
    "theme" theme as Plain, Kind::Text, Live, "\"dark\"", [], ["--theme" theme], "The colours: auto (by what the terminal writes on), dark, light, high-contrast, colour-blind, mono or projector.";
    "ascii" ascii as Plain, Kind::Flag, Live, "false", [], ["--ascii" ascii], "Draw with ASCII only.";
    "linear" linear as Plain, Kind::Flag, Start, "false", [], ["--linear" linear], "No screen: one sentence a change, commands and answers typed; for screen readers and logs.";
    "mouse" mouse as Plain, Kind::Flag, Start, "false", [], ["--mouse" mouse], "The mouse too: wheel, click, a column's head; it never changes anything.";
    "size" size as Screen, Kind::Text, Start, "\"120x36\"", [], ["--size" size], "Columns and rows, where the terminal does not tell them; or ask, to ask it.";
    "false-alarms-per-device-day" false_alarms as Plain, Kind::Number(0.000_001, 1000.0), Live, "0.01", [], [], "How many false early warnings a device may give a day.";
    "aws-speed" aws_speed as Plain, Kind::Number(0.1, 1000.0), Start, "1.0", [], [], "What AWS's durations are divided by: 1, except against a sped-up emulator.";
    "journal" journal as Plain, Kind::File, Start, "\"/var/log/quell/journal.jsonl\"", [], [], "The journal of actions.";
    "log" log as Plain, Kind::File, Start, "\"/var/log/quell/quell.log\"", [], ["--log" log], "The log.";
    "mqtt.url" mqtt.url as Plain, Kind::Text, Start, "\"mqtts://broker.example:8883\"", [], ["--mqtt-url" mqtt_url], "wss:// (SigV4), ws://, mqtts:// (client certificate) or mqtt://; found by DescribeEndpoint without it.";
    "mqtt.cert" mqtt.cert as Plain, Kind::File, Start, "\"console.pem\"", [], ["--cert" cert], "Client certificate (PEM); never a device's.";
    "mqtt.key" mqtt.key as Plain, Kind::File, Start, "\"console.key\"", [], ["--key" key], "Its private key (PEM).";
    "mqtt.ca" mqtt.ca as Plain, Kind::File, Start, "\"root-CA.pem\"", ["AWS_CA_BUNDLE"], ["--ca" ca], "Certificate authority to trust for MQTT (PEM).";
    "mqtt.keep-alive-seconds" mqtt.keep_alive as Seconds, Kind::Integer(5, 1200), Start, "30", [], [], "How often a quiet connection is asked whether it lives; AWS counts less than 30 as 30.";
    "mqtt.version" mqtt.version as Version, Kind::OneOf(&["auto", "5", "3.1.1"]), Start, "\"auto\"", [], [], "The version to speak: 5, and 3.1.1 with a broker that does not.";
    "mqtt.renew-minutes" mqtt.renew as Minutes, Kind::Integer(1, 1380), Start, "1380", [], [], "After how long a signed WebSocket is made anew; AWS ends it after 24 hours, a proxy perhaps sooner.";
    "mqtt.connections" mqtt.connections as Plain, Kind::Integer(1, 16), Start, "1", [], [], "Connections that share the telemetry filters; filters that overlap stay on one.";
    "mqtt.client-id" mqtt.client_id as ClientId, Kind::Text, Start, "\"quell-desk\"", [], [], "A fixed client id; a new one for each run, beginning with quell-, without it.";
    "mqtt.username" mqtt.username as Plain, Kind::Text, Start, "\"ops\"", ["QUELL_MQTT_USERNAME"], [], "User name, for brokers that ask for one.";
    "mqtt.password-file" mqtt.password as SecretFile, Kind::File, Start, "\"/run/secrets/mqtt\"", ["QUELL_MQTT_PASSWORD"], [], "A file with its password (the variable holds the password itself).";
    "groups.isolate" groups.isolate as Plain, Kind::Text, Live, "\"IsolatedDevices\"", [], [], "Devices are isolated by adding them here; it needs a policy that denies.";
    "groups.quarantine" groups.quarantine as Plain, Kind::List, Live, "[\"Quarantine\"]", [], [], "Other groups whose members count as quarantined.";
    "groups.update" groups.update as Plain, Kind::Text, Live, "\"NeedsUpdate\"", [], [], "Devices that need an update: the target of the update job.";
    "guardrails.max-bulk" guardrails.max_bulk as Plain, Kind::Integer(1, 100_000), Live, "500", [], [], "More devices than this in one action are refused. Rules: [[guardrails.rule]], levels: [guardrails.levels].";
    "guardrails.type-count-above" guardrails.type_count_above as Plain, Kind::Integer(0, 100_000), Live, "5", [], [], "Above this many devices their number must be typed.";
    "fleet.index-above" index_above as Plain, Kind::Integer(0, 100_000_000), Live, "10000", [], [], "Above this many things fleet indexing is asked, where it is on, instead of listing them all; 0 for never.";
    "fleet.stream" narrow as Stream, Kind::OneOf(&["auto", "all"]), Live, "\"auto\"", [], [], "What is streamed while fleet indexing is used: with auto only what is on screen, marked, in alarm or being acted on.";
    "guard.listen" guard.listen as Plain, Kind::Text, Start, "\"127.0.0.1:9464\"", [], [], "Where quell guard answers /healthz, /readyz and /metrics; nowhere without it. Alerts go to [[guard.sink]].";
    "guard.lease" guard.lease as Plain, Kind::Text, Start, "\"quell-guard\"", [], [], "The thing whose shadow says which of several guards of an account acts; empty where there is one only.";
    "polls.idle-seconds" polls.idle as Seconds, Kind::Integer(1, 86_400), Live, "30", [], [], "How often violations are read while none is active.";
    "polls.alarm-seconds" polls.alarm as Seconds, Kind::Integer(1, 86_400), Live, "10", [], [], "The same while one is.";
    "polls.registry-seconds" polls.registry as Seconds, Kind::Integer(1, 86_400), Live, "120", [], [], "How often the registry, groups and profiles are read.";
    "polls.jobs-seconds" polls.jobs as Seconds, Kind::Integer(1, 86_400), Live, "30", [], [], "How often jobs are read.";
};

/// What `quell guard` was told.
#[derive(Clone, Debug, PartialEq)]
pub struct GuardSettings {
    /// Where it answers how it is; `ADDRESS:PORT`.
    pub listen: Option<String>,
    /// The thing whose named shadow is the lease; empty for none.
    pub lease: String,
    /// Where alerts go; stdout alone when nothing is said.
    pub sinks: Vec<Sink>,
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self { listen: None, lease: "quell-guard".to_owned(), sinks: Vec::new() }
    }
}

/// No region: where one may be given.
pub(crate) fn no_region(settings: &Settings) -> String {
    let profile = settings.profile.as_deref().unwrap_or("default");
    format!(
        "no region: --region NAME, AWS_REGION, or a line \"region = NAME\" of profile {profile} in ~/.aws/config \
         says which (for example {}); `quell demo` needs none",
        REGIONS.first().copied().unwrap_or("us-east-1")
    )
}

/// Everything quell was told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// False with `--no-aws`: no control plane, any MQTT broker.
    pub aws: bool,
    /// The named profile of the AWS configuration files.
    pub profile: Option<String>,
    /// The profile was asked for by flag or key: then keys of the environment do not come before it, as with the AWS CLI.
    pub profile_outright: bool,
    /// The region; the AWS chain decides when absent.
    pub region: Option<String>,
    /// Control plane endpoint.
    pub endpoint_url: Option<String>,
    /// Data plane (iot-data) endpoint.
    pub data_endpoint_url: Option<String>,
    /// STS endpoint.
    pub sts_endpoint_url: Option<String>,
    /// IAM, when it is not AWS's.
    pub iam_endpoint_url: Option<String>,
    /// CloudWatch, when it is not AWS's.
    pub cloudwatch_endpoint_url: Option<String>,
    /// When the account began, where it is one that ends with this process: what a journal says of earlier days was done to
    /// another. UTC, milliseconds.
    pub account_since: Option<quell_fleet::Ms>,
    /// Key pair given outright; used by `quell demo`. Never logged.
    pub credentials: Option<StaticCredentials>,
    /// Where telemetry comes from.
    pub mqtt: MqttSettings,
    /// Certificate authorities to trust instead of the platform's, PEM, for the SDK and, unless `mqtt.ca` says
    /// otherwise, for MQTT.
    pub ca_bundle: Option<PathBuf>,
    /// Proxies of the environment.
    pub proxies: Proxies,
    /// Topic filters of telemetry.
    pub topics: Vec<String>,
    /// How a topic names its thing; the first that matches decides.
    pub thing_from: Vec<ThingFrom>,
    /// Above this many things the fleet index is asked instead of listing them; 0 for never.
    pub index_above: u64,
    /// While the fleet index is used, only what matters is streamed; else everything always.
    pub narrow: bool,
    /// The groups responses use.
    pub groups: Groups,
    /// Refuse every change.
    pub read_only: bool,
    /// For a room: large type, what is private masked, every change refused.
    pub instructor: bool,
    /// What is forbidden, or asked for, before a change.
    pub guardrails: Guardrails,
    /// Where a guard's alerts go, and how two of them agree.
    pub guard: GuardSettings,
    /// How often AWS is asked.
    pub polls: Polls,
    /// Bytes of payload kept.
    pub memory_budget: u64,
    /// Frames a second at most; the console decides when absent.
    pub max_fps: Option<u16>,
    /// A keymap by name or file.
    pub keymap: Option<String>,
    /// A colour theme.
    pub theme: Option<String>,
    /// Where keymap and theme were asked for, for an error: `--theme`, `…/config.toml:3: theme`.
    pub look_from: [String; 2],
    /// Draw with ASCII only.
    pub ascii: bool,
    /// No screen: sentences.
    pub linear: bool,
    /// The mouse is listened to.
    pub mouse: bool,
    /// The size of the screen, where the terminal is not to be believed.
    pub size: Option<ScreenSize>,
    /// No colour at all.
    pub no_color: bool,
    /// AWS's own durations (policy delay, poll intervals, cadence of windows) are divided by it: 1, except against a
    /// sped-up emulator.
    pub aws_speed: f64,
    /// Shown in the header, such as `LOCAL ×10`.
    pub badge: Option<SafeText>,
    /// False alarms of early warning accepted a device and day.
    pub false_alarms: f64,
    /// Security profiles of a file, judged by beside the account's, or without an account.
    pub security_profiles: Vec<SecurityProfile>,
    /// The journal of actions.
    pub journal: PathBuf,
    /// The log.
    pub log: PathBuf,
}

/// The size of a screen that is not the terminal's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScreenSize {
    /// The terminal is asked for it.
    Ask,
    /// Columns and rows.
    Fixed(u16, u16),
}

impl ScreenSize {
    /// `120x36`, or `ask`.
    ///
    /// # Errors
    /// A sentence when it is neither.
    pub fn parse(written: &str) -> Result<Self, String> {
        if written == "ask" {
            return Ok(Self::Ask);
        }
        let size = written.split_once(['x', '×']).and_then(|(columns, rows)| {
            let bounds = |n: &u16| (1..=1_000).contains(n);
            Some((columns.parse().ok().filter(bounds)?, rows.parse().ok().filter(bounds)?))
        });
        size.map(|(columns, rows)| Self::Fixed(columns, rows)).ok_or_else(|| {
            format!("{:?} is no size: COLUMNSxROWS, such as 120x36, or ask", SafeText::new(written))
        })
    }
}

impl std::fmt::Display for ScreenSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ask => f.write_str("ask"),
            Self::Fixed(columns, rows) => write!(f, "{columns}x{rows}"),
        }
    }
}

/// An access key given outright.
#[derive(Clone)]
pub struct StaticCredentials {
    /// The access key id.
    pub access_key_id: String,
    /// The secret. Not shown by `Debug`.
    pub secret_access_key: String,
    /// The session token of temporary credentials.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for StaticCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StaticCredentials").finish_non_exhaustive()
    }
}

/// The thing groups responses use.
#[derive(Clone, Debug, PartialEq)]
pub struct Groups {
    /// Devices are isolated by adding them here; it needs a policy that denies.
    pub isolate: String,
    /// Other groups whose members count as quarantined, such as one a Lambda uses.
    pub quarantine: Vec<String>,
    /// Devices that need an update: the target of the update job.
    pub update: String,
}

impl Default for Groups {
    fn default() -> Self {
        Self {
            isolate: "IsolatedDevices".into(),
            quarantine: vec!["Quarantine".into()],
            update: "NeedsUpdate".into(),
        }
    }
}

/// How often AWS is asked (docs/aws-iot.md#6.15), before the speed of an emulator divides it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Polls {
    /// Violations, while none is active.
    pub idle: Duration,
    /// Violations, while one is.
    pub alarm: Duration,
    /// The registry, groups and profiles.
    pub registry: Duration,
    /// Jobs.
    pub jobs: Duration,
}

impl Default for Polls {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(30),
            alarm: Duration::from_secs(10),
            registry: Duration::from_secs(120),
            jobs: Duration::from_secs(30),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        let state = load::state_dir(&Environment::default());
        Self {
            aws: true,
            profile: None,
            profile_outright: false,
            region: None,
            endpoint_url: None,
            data_endpoint_url: None,
            sts_endpoint_url: None,
            iam_endpoint_url: None,
            cloudwatch_endpoint_url: None,
            account_since: None,
            credentials: None,
            mqtt: MqttSettings::default(),
            ca_bundle: None,
            proxies: Proxies::default(),
            topics: ["temperature-device-01", "temperature-device-02", "temperature-device-03"]
                .map(String::from)
                .to_vec(),
            thing_from: thing_from::defaults(),
            index_above: 10_000,
            narrow: true,
            groups: Groups::default(),
            read_only: false,
            instructor: false,
            guardrails: Guardrails::default(),
            guard: GuardSettings::default(),
            polls: Polls::default(),
            memory_budget: 16 << 20,
            max_fps: None,
            keymap: None,
            theme: None,
            look_from: Default::default(),
            ascii: false,
            linear: false,
            mouse: false,
            size: None,
            no_color: false,
            aws_speed: 1.0,
            badge: None,
            false_alarms: 0.01,
            security_profiles: Vec::new(),
            journal: state.join("journal.jsonl"),
            log: state.join("quell.log"),
        }
    }
}

impl Settings {
    /// How the broker reads topic filters.
    pub fn dialect(&self) -> Dialect {
        if self.aws { Dialect::Aws } else { Dialect::Mqtt }
    }

    /// An AWS duration as it passes here: shorter against a sped-up emulator.
    pub fn scaled(&self, duration: Duration) -> Duration {
        let speed = if self.aws_speed.is_finite() { self.aws_speed.max(0.001) } else { 1.0 };
        duration.div_f64(speed)
    }

    /// All groups whose members count as quarantined.
    pub fn quarantine_groups(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.groups.isolate.as_str()).chain(self.groups.quarantine.iter().map(String::as_str))
    }

    /// The limits of a fleet under these settings.
    pub fn limits(&self) -> Limits {
        let defaults = Limits::default();
        let scaled = |ms: i64| {
            let duration = self.scaled(Duration::from_millis(ms.unsigned_abs()));
            i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
        };
        let faster = if self.aws_speed.is_finite() { self.aws_speed.max(1.0) } else { 1.0 };
        Limits {
            payload_bytes: self.memory_budget,
            connections: u32::try_from(self.connections()).unwrap_or(1),
            // docs/aws-iot.md#3.3: 100 publishes and 512 KB a second, in and out together; not adjustable. Where time runs faster,
            // as many times as much.
            ceiling: self.aws.then_some((100.0 * faster, 512.0 * 1024.0 * faster)),
            stale_after: scaled(defaults.stale_after).max(10_000),
            policy_delay: scaled(defaults.policy_delay),
            // Who connects is told on AWS's own topics (docs/aws-iot.md#3.5).
            presence: self.aws,
            detect_speed: self.aws_speed,
            false_alarms: self.false_alarms,
            security_profiles: self.security_profiles.iter().map(record).collect(),
            quarantine_groups: self.quarantine_groups().map(Arc::from).collect(),
            ..defaults
        }
    }
}

/// A profile of a file as the fleet judges by it: without targets it is meant for all things.
fn record(profile: &SecurityProfile) -> ProfileRecord {
    let all = || vec![SafeText::new("all/things")];
    let targets: Vec<_> = profile.targets.iter().flatten().map(|t| SafeText::new(t.arn())).collect();
    ProfileRecord {
        name: SafeText::new(&profile.security_profile_name),
        behaviors: profile.behaviors.clone(),
        targets: if targets.is_empty() { all() } else { targets },
        dimensions: profile.dimensions.clone(),
        whole: None,
        version: None,
    }
}
