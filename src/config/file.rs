//! The configuration file: its keys, and where exactly something in it cannot be used.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use quell_fleet::text::SafeText;

use super::load::{ConfigError, error, parse_size, security_profiles, set, set_some};
use super::{MqttVersion, Secret, Settings, ThingFrom};

/// The file, as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    profile: Option<String>,
    region: Option<String>,
    endpoint_url: Option<String>,
    data_endpoint_url: Option<String>,
    sts_endpoint_url: Option<String>,
    iam_endpoint_url: Option<String>,
    cloudwatch_endpoint_url: Option<String>,
    ca_bundle: Option<PathBuf>,
    no_aws: Option<bool>,
    topics: Option<Vec<toml::Spanned<String>>>,
    thing_from: Option<Vec<toml::Spanned<String>>>,
    false_alarms_per_device_day: Option<toml::Spanned<f64>>,
    security_profiles: Option<toml::Spanned<PathBuf>>,
    read_only: Option<bool>,
    instructor: Option<bool>,
    memory_budget: Option<toml::Spanned<String>>,
    max_fps: Option<toml::Spanned<u16>>,
    keymap: Option<String>,
    theme: Option<String>,
    ascii: Option<bool>,
    aws_speed: Option<toml::Spanned<f64>>,
    journal: Option<PathBuf>,
    log: Option<PathBuf>,
    mqtt: MqttFile,
    groups: GroupsFile,
    polls: PollsFile,
    fleet: FleetFile,
    guardrails: super::guardrails::GuardrailsFile,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct MqttFile {
    url: Option<String>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    ca: Option<PathBuf>,
    keep_alive_seconds: Option<toml::Spanned<u64>>,
    version: Option<toml::Spanned<String>>,
    renew_minutes: Option<toml::Spanned<u64>>,
    connections: Option<toml::Spanned<u32>>,
    client_id: Option<toml::Spanned<String>>,
    username: Option<String>,
    password_file: Option<toml::Spanned<PathBuf>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct GroupsFile {
    isolate: Option<String>,
    quarantine: Option<Vec<String>>,
    update: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct PollsFile {
    idle_seconds: Option<toml::Spanned<u64>>,
    alarm_seconds: Option<toml::Spanned<u64>>,
    registry_seconds: Option<toml::Spanned<u64>>,
    jobs_seconds: Option<toml::Spanned<u64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct FleetFile {
    index_above: Option<toml::Spanned<u64>>,
    stream: Option<toml::Spanned<String>>,
}

/// The keys serde says it expects where it met one it does not know.
#[cfg(test)]
pub(super) fn known_keys(with_unknown: &toml::Table) -> Vec<String> {
    let error = with_unknown.clone().try_into::<File>().unwrap_err();
    error.message().split('`').skip(1).step_by(2).skip(1).map(str::to_owned).collect()
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1
}

/// Takes over what the file says; `text` is what is in it.
///
/// # Errors
/// The first thing that cannot be used, with its line.
pub(super) fn read(settings: &mut Settings, path: &Path, text: &str) -> Result<(), ConfigError> {
    let at = |offset: usize| format!("{}:{}", path.display(), line_of(text, offset));
    let file: File = toml::from_str(text).map_err(|e| {
        let place = e.span().map_or_else(|| path.display().to_string(), |span| at(span.start));
        // serde names the type it wanted, not the key that has another.
        let key = e
            .span()
            .filter(|_| e.message().starts_with("invalid "))
            .and_then(|span| key_at(text, span.start));
        let key = key.map(|key| format!("{key}: ")).unwrap_or_default();
        error(place, format!("{key}{}", with_hint(e.message())))
    })?;
    set_some(&mut settings.profile, file.profile);
    set_some(&mut settings.region, file.region);
    set_some(&mut settings.endpoint_url, file.endpoint_url);
    set_some(&mut settings.data_endpoint_url, file.data_endpoint_url);
    set_some(&mut settings.sts_endpoint_url, file.sts_endpoint_url);
    set_some(&mut settings.iam_endpoint_url, file.iam_endpoint_url);
    set_some(&mut settings.cloudwatch_endpoint_url, file.cloudwatch_endpoint_url);
    set_some(&mut settings.ca_bundle, file.ca_bundle);
    set(&mut settings.aws, file.no_aws.map(|no| !no));
    if let Some(topics) = file.topics {
        for filter in &topics {
            super::load::check_filter(filter.get_ref())
                .map_err(|message| error(at(filter.span().start), format!("topics: {message}")))?;
        }
        settings.topics = topics.into_iter().map(toml::Spanned::into_inner).collect();
    }
    if let Some(rules) = file.thing_from {
        settings.thing_from.clear();
        for rule in rules {
            let parsed = ThingFrom::parse(rule.get_ref())
                .map_err(|message| error(at(rule.span().start), format!("thing-from: {message}")))?;
            settings.thing_from.push(parsed);
        }
    }
    if let Some(budget) = file.false_alarms_per_device_day {
        if !(1e-6..=1000.0).contains(budget.get_ref()) {
            let place = at(budget.span().start);
            return Err(error(place, "false-alarms-per-device-day: must be 0.000001 to 1000"));
        }
        settings.false_alarms = *budget.get_ref();
    }
    if let Some(profiles) = file.security_profiles {
        // A relative path is beside the file that names it.
        let beside = path.parent().unwrap_or(Path::new("")).join(profiles.get_ref());
        settings.security_profiles = security_profiles(&beside)
            .map_err(|message| error(at(profiles.span().start), format!("security-profiles: {message}")))?;
    }
    set(&mut settings.read_only, file.read_only);
    set(&mut settings.instructor, file.instructor);
    if let Some(size) = file.memory_budget {
        settings.memory_budget = parse_size(size.get_ref())
            .map_err(|message| error(at(size.span().start), format!("memory-budget: {message}")))?;
    }
    if let Some(fps) = file.max_fps {
        if !(1..=120).contains(fps.get_ref()) {
            return Err(error(at(fps.span().start), "max-fps: must be 1 to 120"));
        }
        settings.max_fps = Some(*fps.get_ref());
    }
    set_some(&mut settings.keymap, file.keymap);
    set_some(&mut settings.theme, file.theme);
    set(&mut settings.ascii, file.ascii);
    if let Some(speed) = file.aws_speed {
        if !(0.1..=1000.0).contains(speed.get_ref()) {
            return Err(error(at(speed.span().start), "aws-speed: must be 0.1 to 1000"));
        }
        settings.aws_speed = *speed.get_ref();
    }
    set(&mut settings.journal, file.journal);
    set(&mut settings.log, file.log);
    set_some(&mut settings.mqtt.url, file.mqtt.url.clone());
    set_some(&mut settings.mqtt.cert, file.mqtt.cert.clone());
    set_some(&mut settings.mqtt.key, file.mqtt.key.clone());
    set_some(&mut settings.mqtt.ca, file.mqtt.ca.clone());
    mqtt_more(&mut settings.mqtt, &file.mqtt, |start, message| error(at(start), message))?;
    settings.guardrails = file
        .guardrails
        .read()
        .map_err(|(place, message)| error(at(place), format!("guardrails: {message}")))?;
    set(&mut settings.groups.isolate, file.groups.isolate);
    set(&mut settings.groups.quarantine, file.groups.quarantine);
    set(&mut settings.groups.update, file.groups.update);
    if let Some(above) = file.fleet.index_above {
        if *above.get_ref() > 100_000_000 {
            return Err(error(at(above.span().start), "fleet.index-above: must be 0 to 100000000"));
        }
        settings.index_above = *above.get_ref();
    }
    if let Some(stream) = file.fleet.stream {
        settings.narrow = match stream.get_ref().as_str() {
            "auto" => true,
            "all" => false,
            _ => {
                let place = at(stream.span().start);
                return Err(error(place, "fleet.stream: must be \"auto\" or \"all\""));
            }
        };
    }
    for (key, value, target) in [
        ("idle-seconds", file.polls.idle_seconds, &mut settings.polls.idle),
        ("alarm-seconds", file.polls.alarm_seconds, &mut settings.polls.alarm),
        ("registry-seconds", file.polls.registry_seconds, &mut settings.polls.registry),
        ("jobs-seconds", file.polls.jobs_seconds, &mut settings.polls.jobs),
    ] {
        let Some(value) = value else { continue };
        if !(1..=86_400).contains(value.get_ref()) {
            return Err(error(at(value.span().start), format!("polls.{key}: must be 1 to 86400")));
        }
        *target = Duration::from_secs(*value.get_ref());
    }
    Ok(())
}

fn mqtt_more(
    mqtt: &mut super::MqttSettings,
    file: &MqttFile,
    wrong: impl Fn(usize, String) -> ConfigError,
) -> Result<(), ConfigError> {
    if let Some(seconds) = &file.keep_alive_seconds {
        // AWS refuses none, and treats longer ones as 1200.
        if !(5..=1_200).contains(seconds.get_ref()) {
            return Err(wrong(seconds.span().start, "mqtt.keep-alive-seconds: must be 5 to 1200".into()));
        }
        mqtt.keep_alive = Duration::from_secs(*seconds.get_ref());
    }
    if let Some(version) = &file.version {
        mqtt.version = match version.get_ref().as_str() {
            "auto" => MqttVersion::Auto,
            "3.1.1" => MqttVersion::V4,
            "5" => MqttVersion::V5,
            _ => {
                return Err(wrong(
                    version.span().start,
                    "mqtt.version: must be \"auto\", \"5\" or \"3.1.1\"".into(),
                ));
            }
        };
    }
    if let Some(minutes) = &file.renew_minutes {
        let renew = Duration::from_secs(minutes.get_ref().saturating_mul(60));
        if renew.is_zero() || renew > super::mqtt::RENEW {
            return Err(wrong(minutes.span().start, "mqtt.renew-minutes: must be 1 to 1380".into()));
        }
        mqtt.renew = renew;
    }
    if let Some(connections) = &file.connections {
        if !(1..=16).contains(connections.get_ref()) {
            return Err(wrong(connections.span().start, "mqtt.connections: must be 1 to 16".into()));
        }
        mqtt.connections = *connections.get_ref();
    }
    if let Some(id) = &file.client_id {
        // AWS: 128 bytes; with # or + in it there are no lifecycle events, with $ no connection APIs (docs/aws-iot.md#3.3).
        if id.get_ref().is_empty() || id.get_ref().len() > 128 || id.get_ref().contains(['#', '+', '$', '\0'])
        {
            let why = "mqtt.client-id: must be 1 to 128 bytes without #, + and $".into();
            return Err(wrong(id.span().start, why));
        }
        mqtt.client_id = Some(id.get_ref().clone());
    }
    set_some(&mut mqtt.username, file.username.clone());
    if let Some(path) = &file.password_file {
        let text = std::fs::read_to_string(path.get_ref()).map_err(|e| {
            wrong(path.span().start, format!("mqtt.password-file: {}: {e}", path.get_ref().display()))
        })?;
        mqtt.password = Some(Secret(text.trim_end_matches(['\r', '\n']).to_owned()));
    }
    Ok(())
}

/// The key of the line a value stands in.
fn key_at(text: &str, offset: usize) -> Option<&str> {
    let begin = text.get(..offset)?.rfind('\n').map_or(0, |at| at + 1);
    let (key, _) = text.get(begin..)?.lines().next()?.split_once('=')?;
    Some(key.trim()).filter(|key| !key.is_empty())
}

/// Adds the nearest valid key to serde's "unknown field `x`, expected one of `a`, `b`".
fn with_hint(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let (true, Some(unknown)) = (message.starts_with("unknown field"), quoted.next()) else {
        return message.to_owned();
    };
    let nearest = quoted.min_by_key(|known| distance(unknown, known));
    nearest.map_or_else(
        || message.to_owned(),
        |known| format!("unknown key {:?}: did you mean {known:?}?", SafeText::new(unknown)),
    )
}

/// Edit distance.
pub(super) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut corner = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (above, cb) in row.iter().skip(1).zip(&b) {
            left = (corner + usize::from(ca != *cb)).min(above + 1).min(left + 1);
            corner = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
