//! Every key of the configuration in one table: from it come the template, the JSON schema, and the answer to "where does
//! this value come from?".

use serde_json::{Map, Value, json};

use super::{MqttVersion, Settings};

mod origin;

pub(super) use origin::place;
pub use origin::{Effective, effective};

/// What a key takes.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    Path,
    Flag,
    Integer(u64, u64),
    Number(f64, f64),
    List,
    OneOf(&'static [&'static str]),
}

struct Key {
    /// As written in the file, with its table: `mqtt.url`.
    name: &'static str,
    kind: Kind,
    /// TOML, as shown in the template.
    example: &'static str,
    /// Environment variables, the winner first.
    env: &'static [&'static str],
    flag: Option<&'static str>,
    says: &'static str,
}

macro_rules! keys {
    ($($name:literal $kind:expr, $example:literal, [$($env:literal),*], $flag:expr, $says:literal;)*) => {
        &[$(Key { name: $name, kind: $kind, example: $example, env: &[$($env),*], flag: $flag, says: $says }),*]
    };
}

use Kind::{Flag, Integer, List, Number, OneOf, Path as File, Text};

const KEYS: &[Key] = keys! {
    "profile" Text, "\"workshop\"", ["AWS_PROFILE"], Some("--profile"), "The named profile of the AWS configuration files.";
    "region" Text, "\"us-east-1\"", ["AWS_REGION", "AWS_DEFAULT_REGION"], Some("--region"), "The AWS region; the profile's without it.";
    "endpoint-url" Text, "\"http://127.0.0.1:4510\"", ["AWS_ENDPOINT_URL_IOT", "AWS_ENDPOINT_URL"], Some("--endpoint-url"), "Control plane endpoint, where it is not AWS's own.";
    "data-endpoint-url" Text, "\"http://127.0.0.1:4510\"", ["AWS_ENDPOINT_URL_IOT_DATA_PLANE", "AWS_ENDPOINT_URL"], Some("--data-endpoint-url"), "Data plane endpoint; found by DescribeEndpoint without it.";
    "sts-endpoint-url" Text, "\"http://127.0.0.1:4510\"", ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"], None, "STS endpoint.";
    "iam-endpoint-url" Text, "\"http://127.0.0.1:4510\"", ["AWS_ENDPOINT_URL_IAM", "AWS_ENDPOINT_URL"], None, "IAM endpoint, asked for the account's alias only.";
    "cloudwatch-endpoint-url" Text, "\"http://127.0.0.1:4510\"", ["AWS_ENDPOINT_URL_CLOUDWATCH", "AWS_ENDPOINT_URL"], None, "CloudWatch endpoint.";
    "ca-bundle" File, "\"/etc/ssl/corp.pem\"", ["AWS_CA_BUNDLE"], None, "Certificate authorities to trust instead of the platform's (PEM).";
    "no-aws" Flag, "false", [], Some("--no-aws"), "No AWS control plane at all: watch any MQTT broker.";
    "topics" List, "[\"temperature-device-01\", \"dt/+/data\"]", [], Some("--topic"), "Topic filters of telemetry; AWS allows 50 a connection.";
    "thing-from" List, "[\"temperature-device-(\\\\d+)=Thing$1\", \"dt/{thing}/data\"]", [], Some("--thing-from"), "How a topic names its thing; the first that matches decides. What none matches is unattributed.";
    "security-profiles" File, "\"profiles.json\"", [], Some("--security-profiles"), "Security profiles to judge by besides the account's own.";
    "read-only" Flag, "false", [], Some("--read-only"), "Refuse every change.";
    "instructor" Flag, "false", [], Some("--instructor"), "For a room: large letters, account ids and addresses masked, every change refused.";
    "memory-budget" Text, "\"16MB\"", [], Some("--memory-budget"), "Memory for payloads; counts stay exact when payloads are let go.";
    "max-fps" Integer(1, 120), "30", [], Some("--max-fps"), "Frames a second at most; 30, or 15 over SSH, without it.";
    "keymap" Text, "\"vim\"", [], Some("--keymap"), "A keymap by name or file.";
    "theme" Text, "\"dark\"", [], Some("--theme"), "A colour theme.";
    "ascii" Flag, "false", [], Some("--ascii"), "Draw with ASCII only.";
    "false-alarms-per-device-day" Number(0.000_001, 1000.0), "0.01", [], None, "How many false early warnings a device may give a day.";
    "aws-speed" Number(0.1, 1000.0), "1.0", [], None, "What AWS's durations are divided by: 1, except against a sped-up emulator.";
    "journal" File, "\"/var/log/quell/journal.jsonl\"", [], None, "The journal of actions.";
    "log" File, "\"/var/log/quell/quell.log\"", [], Some("--log"), "The log.";
    "mqtt.url" Text, "\"mqtts://broker.example:8883\"", [], Some("--mqtt-url"), "wss:// (SigV4), ws://, mqtts:// (client certificate) or mqtt://; found by DescribeEndpoint without it.";
    "mqtt.cert" File, "\"console.pem\"", [], Some("--cert"), "Client certificate (PEM); never a device's.";
    "mqtt.key" File, "\"console.key\"", [], Some("--key"), "Its private key (PEM).";
    "mqtt.ca" File, "\"root-CA.pem\"", ["AWS_CA_BUNDLE"], Some("--ca"), "Certificate authority to trust for MQTT (PEM).";
    "mqtt.keep-alive-seconds" Integer(5, 1200), "30", [], None, "How often a quiet connection is asked whether it lives; AWS counts less than 30 as 30.";
    "mqtt.version" OneOf(&["auto", "5", "3.1.1"]), "\"auto\"", [], None, "The version to speak: 5, and 3.1.1 with a broker that does not.";
    "mqtt.renew-minutes" Integer(1, 1380), "1380", [], None, "After how long a signed WebSocket is made anew; AWS ends it after 24 hours, a proxy perhaps sooner.";
    "mqtt.connections" Integer(1, 16), "1", [], None, "Connections that share the telemetry filters; filters that overlap stay on one.";
    "mqtt.client-id" Text, "\"quell-desk\"", [], None, "A fixed client id; a new one for each run, beginning with quell-, without it.";
    "mqtt.username" Text, "\"ops\"", ["QUELL_MQTT_USERNAME"], None, "User name, for brokers that ask for one.";
    "mqtt.password-file" File, "\"/run/secrets/mqtt\"", ["QUELL_MQTT_PASSWORD"], None, "A file with its password (the variable holds the password itself).";
    "groups.isolate" Text, "\"IsolatedDevices\"", [], None, "Devices are isolated by adding them here; it needs a policy that denies.";
    "groups.quarantine" List, "[\"Quarantine\"]", [], None, "Other groups whose members count as quarantined.";
    "groups.update" Text, "\"NeedsUpdate\"", [], None, "Devices that need an update: the target of the update job.";
    "guardrails.max-bulk" Integer(1, 100_000), "500", [], None, "More devices than this in one action are refused. Rules: [[guardrails.rule]], levels: [guardrails.levels].";
    "guardrails.type-count-above" Integer(0, 100_000), "5", [], None, "Above this many devices their number must be typed.";
    "fleet.index-above" Integer(0, 100_000_000), "10000", [], None, "Above this many things fleet indexing is asked, where it is on, instead of listing them all; 0 for never.";
    "fleet.stream" OneOf(&["auto", "all"]), "\"auto\"", [], None, "What is streamed while fleet indexing is used: with auto only what is on screen, marked, in alarm or being acted on.";
    "polls.idle-seconds" Integer(1, 86_400), "30", [], None, "How often violations are read while none is active.";
    "polls.alarm-seconds" Integer(1, 86_400), "10", [], None, "The same while one is.";
    "polls.registry-seconds" Integer(1, 86_400), "120", [], None, "How often the registry, groups and profiles are read.";
    "polls.jobs-seconds" Integer(1, 86_400), "30", [], None, "How often jobs are read.";
};

/// The keys whose values differ.
pub(super) fn changed(one: &Settings, other: &Settings) -> Vec<&'static str> {
    KEYS.iter().map(|key| key.name).filter(|name| value(one, name) != value(other, name)).collect()
}

fn value(settings: &Settings, name: &str) -> Value {
    let (mqtt, groups, polls) = (&settings.mqtt, &settings.groups, &settings.polls);
    match name {
        "profile" => json!(settings.profile),
        "region" => json!(settings.region),
        "endpoint-url" => json!(settings.endpoint_url),
        "data-endpoint-url" => json!(settings.data_endpoint_url),
        "sts-endpoint-url" => json!(settings.sts_endpoint_url),
        "iam-endpoint-url" => json!(settings.iam_endpoint_url),
        "cloudwatch-endpoint-url" => json!(settings.cloudwatch_endpoint_url),
        "ca-bundle" => json!(settings.ca_bundle),
        "no-aws" => json!(!settings.aws),
        "topics" => json!(settings.topics),
        "thing-from" => settings.thing_from.iter().map(|rule| json!(rule.written())).collect(),
        // The profiles are not shown, only that there are some.
        "security-profiles" => json!(settings.security_profiles.len()),
        "read-only" => json!(settings.read_only),
        "instructor" => json!(settings.instructor),
        "memory-budget" => json!(settings.memory_budget),
        "max-fps" => json!(settings.max_fps),
        "keymap" => json!(settings.keymap),
        "theme" => json!(settings.theme),
        "ascii" => json!(settings.ascii),
        "false-alarms-per-device-day" => json!(settings.false_alarms),
        "aws-speed" => json!(settings.aws_speed),
        "journal" => json!(settings.journal),
        "log" => json!(settings.log),
        "mqtt.url" => json!(mqtt.url),
        "mqtt.cert" => json!(mqtt.cert),
        "mqtt.key" => json!(mqtt.key),
        "mqtt.ca" => json!(mqtt.ca),
        "mqtt.keep-alive-seconds" => json!(mqtt.keep_alive.as_secs()),
        "mqtt.version" => json!(match mqtt.version {
            MqttVersion::Auto => "auto",
            MqttVersion::V4 => "3.1.1",
            MqttVersion::V5 => "5",
        }),
        "mqtt.renew-minutes" => json!(mqtt.renew.as_secs() / 60),
        "mqtt.connections" => json!(mqtt.connections),
        "mqtt.client-id" => json!(mqtt.client_id),
        "mqtt.username" => json!(mqtt.username),
        "mqtt.password-file" => mqtt.password.as_ref().map_or(Value::Null, |_| json!("(set)")),
        "groups.isolate" => json!(groups.isolate),
        "groups.quarantine" => json!(groups.quarantine),
        "groups.update" => json!(groups.update),
        "guardrails.max-bulk" => json!(settings.guardrails.max_bulk),
        "guardrails.type-count-above" => json!(settings.guardrails.type_count_above),
        "fleet.index-above" => json!(settings.index_above),
        "fleet.stream" => json!(if settings.narrow { "auto" } else { "all" }),
        "polls.idle-seconds" => json!(polls.idle.as_secs()),
        "polls.alarm-seconds" => json!(polls.alarm.as_secs()),
        "polls.registry-seconds" => json!(polls.registry.as_secs()),
        "polls.jobs-seconds" => json!(polls.jobs.as_secs()),
        _ => Value::Null,
    }
}

/// A configuration file with every key explained and commented out.
pub fn template() -> String {
    let mut out = String::from(
        "# quell's configuration. Every line that begins with #key is an example: remove the # to use it.\n# Flags win over \
         environment variables, and those over this file. `quell config` tells where each value comes from.\n",
    );
    let mut table = "";
    for key in KEYS {
        let (inside, name) = key.name.split_once('.').unwrap_or(("", key.name));
        if inside != table {
            out.push_str(&format!("\n[{inside}]\n"));
            table = inside;
        }
        let ways: Vec<&str> = key.flag.iter().chain(key.env).copied().collect();
        let ways = if ways.is_empty() { String::new() } else { format!(" ({})", ways.join(", ")) };
        out.push_str(&format!("\n# {}{ways}\n#{name} = {}\n", key.says, key.example));
    }
    out
}

/// The JSON schema of the configuration file.
pub fn schema() -> Value {
    let mut root = Map::new();
    for key in KEYS {
        let mut entry = match key.kind {
            Kind::Text | Kind::Path => json!({"type": "string"}),
            Kind::Flag => json!({"type": "boolean"}),
            Kind::Integer(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
            Kind::Number(least, most) => json!({"type": "number", "minimum": least, "maximum": most}),
            Kind::List => json!({"type": "array", "items": {"type": "string"}}),
            Kind::OneOf(values) => json!({"enum": values}),
        };
        if let Some(entry) = entry.as_object_mut() {
            entry.insert("description".to_owned(), key.says.into());
        }
        match key.name.split_once('.') {
            None => root.insert(key.name.to_owned(), entry),
            Some((table, name)) => {
                let table = root.entry(table).or_insert_with(
                    || json!({"type": "object", "additionalProperties": false, "properties": {}}),
                );
                table
                    .get_mut("properties")
                    .and_then(Value::as_object_mut)
                    .and_then(|properties| properties.insert(name.to_owned(), entry))
            }
        };
    }
    let guardrails = root.get_mut("guardrails").and_then(|t| t.get_mut("properties"));
    if let Some(properties) = guardrails.and_then(Value::as_object_mut) {
        properties.extend(super::guardrails::schema());
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "quell's configuration",
        "type": "object",
        "additionalProperties": false,
        "properties": root,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Environment;
    use super::super::flags::Common;
    use super::super::load;
    use super::*;

    fn load_text(text: &str) -> Result<Settings, super::super::ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        load(&Common { config: Some(path), ..Common::default() }, &Environment::default())
    }

    #[test]
    fn the_table_has_every_key_the_file_takes_and_no_other() {
        // Files that must exist to be named would not be found: what counts is that the key is known.
        let plain = template();
        let used: String = plain
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let used: String = used
            .lines()
            .filter(|line| !line.starts_with("password-file") && !line.starts_with("security-profiles"))
            .map(|line| format!("{line}\n"))
            .collect();
        load_text(&used).unwrap();
        load_text(&plain).unwrap();
        // serde names the keys it knows; each must be in the table.
        for table in ["", "mqtt", "groups", "fleet", "polls", "guardrails"] {
            let head = if table.is_empty() { String::new() } else { format!("[{table}]\n") };
            let unknown: toml::Table = toml::from_str(&format!("{head}nonsense-key = 1")).unwrap();
            let error = super::super::file::known_keys(&unknown);
            assert!(!error.is_empty());
            for name in error {
                let name = if table.is_empty() { name } else { format!("{table}.{name}") };
                let tables = [
                    "mqtt",
                    "groups",
                    "fleet",
                    "polls",
                    "guardrails",
                    "guardrails.levels",
                    "guardrails.rule",
                ];
                let is_table = tables.contains(&name.as_str());
                assert!(is_table || KEYS.iter().any(|key| key.name == name), "{name} is not in the table");
            }
        }
    }

    #[test]
    fn the_schema_knows_tables_and_limits() {
        let schema = schema();
        assert_eq!(schema.pointer("/properties/max-fps/maximum"), Some(&json!(120)));
        assert_eq!(schema.pointer("/properties/mqtt/properties/version/enum/0"), Some(&json!("auto")));
        assert_eq!(schema.pointer("/properties/polls/additionalProperties"), Some(&json!(false)));
    }
}
