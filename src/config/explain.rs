//! What the table of keys tells: the template, the JSON schema, and the answer to "where does this value come from?".

use serde_json::{Map, Value, json};

use super::key::Kind;
use super::{KEYS, Settings};

mod origin;

pub use origin::{Effective, effective};
pub(crate) use origin::{place, region};

/// The keys whose values differ.
pub(super) fn changed(one: &Settings, other: &Settings) -> Vec<&'static str> {
    KEYS.iter().filter(|key| (key.get)(one) != (key.get)(other)).map(|key| key.name).collect()
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
        let ways: Vec<&str> = key.flag.iter().map(|flag| &flag.name).chain(key.env).copied().collect();
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
            Kind::Text | Kind::File => json!({"type": "string"}),
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
    for (table, more) in [("guardrails", super::guardrails::schema()), ("guard", super::guard::schema())] {
        let properties = root.get_mut(table).and_then(|t| t.get_mut("properties"));
        if let Some(properties) = properties.and_then(Value::as_object_mut) {
            properties.extend(more);
        }
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

    #[test]
    fn the_template_is_accepted_whole_and_key_by_key() {
        let dir = tempfile::tempdir().unwrap();
        let beside = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        beside("profiles.json", r#"{"securityProfileName":"p","behaviors":[]}"#);
        let secret = dir.path().join("mqtt");
        std::fs::write(&secret, "hush").unwrap();
        let path = dir.path().join("config.toml");
        let load_text = |text: &str| {
            std::fs::write(&path, text).unwrap();
            load(&Common { config: Some(path.clone()), ..Common::default() }, &Environment::default())
        };
        let plain = template().replace("/run/secrets/mqtt", &secret.display().to_string());
        load_text(&plain).unwrap();
        let uncomment = |line: &str| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        };
        load_text(&plain.lines().map(uncomment).collect::<String>()).unwrap();
        let (mut table, mut keys) = ("", 0);
        for line in plain.lines() {
            if line.starts_with('[') {
                table = line;
            } else if line.starts_with('#') && !line.starts_with("# ") {
                let given = if line.contains("no-aws") { "mqtt.url = 'mqtt://h'\n" } else { "" };
                let settings = load_text(&format!("{given}{table}\n{}", uncomment(line)));
                settings.unwrap_or_else(|e| panic!("{line}: {e}"));
                keys += 1;
            }
        }
        assert_eq!(keys, KEYS.len());
    }

    #[test]
    fn every_default_is_within_its_own_bounds_and_every_name_is_unique() {
        let settings = Settings::default();
        let mut names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KEYS.len());
        for key in KEYS {
            let value = (key.get)(&settings);
            let within = match key.kind {
                Kind::Integer(least, most) => value.as_u64().is_none_or(|n| (least..=most).contains(&n)),
                Kind::Number(least, most) => value.as_f64().is_none_or(|n| (least..=most).contains(&n)),
                Kind::OneOf(words) => value.as_str().is_none_or(|word| words.contains(&word)),
                _ => true,
            };
            assert!(within, "{}: {value}", key.name);
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
