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
mod guardrails;
mod load;
mod mqtt;
mod narrow;
mod reload;
mod shares;
mod thing_from;
mod verb;

pub use aws_files::{AwsProfiles, REGIONS};
pub use explain::{Effective, effective, schema, template};
pub(crate) use guardrails::glob;
pub use guardrails::{Demand, Guard, Guardrails, Judged, Window};
pub use load::{ConfigError, Environment, load, parse_size};
pub(crate) use load::{config_dir, file_path};
pub use mqtt::{MqttSettings, MqttVersion, Proxies, Secret};
pub use reload::Reloaded;
pub use thing_from::ThingFrom;
pub use verb::{Inverse, Verb};

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
            polls: Polls::default(),
            memory_budget: 16 << 20,
            max_fps: None,
            keymap: None,
            theme: None,
            look_from: Default::default(),
            ascii: false,
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
        whole: None,
        version: None,
    }
}
