//! Where each value of the configuration comes from: a flag, a variable, a line of a file, or something else that was given.

use std::path::Path;

use serde_json::{Value, json};

use super::super::flags::Common;
use super::super::key::Key;
use super::super::load::{file_path, plain};
use super::super::{AwsProfiles, Environment, KEYS, Settings};

/// A key, its value in force as JSON, and where that comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Effective {
    /// `mqtt.url`.
    pub key: &'static str,
    /// The value; null when there is none. A secret is shown as `(set)`.
    pub value: Value,
    /// `--region`, `AWS_REGION`, `…/config.toml:3`, `profile ops`, or `default`.
    pub from: String,
}

/// What is in force, key by key.
pub fn effective(settings: &Settings, common: &Common, env: &Environment) -> Vec<Effective> {
    let path = file_path(common, env);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    KEYS.iter()
        .map(|key| Effective {
            key: key.name,
            value: (key.get)(settings),
            from: from(key, common, env, &path, &text),
        })
        .map(|found| derived(found, settings, common, env, &path, &text))
        .collect()
}

/// Where a value was given, as an error begins: `--theme`, `…/config.toml:3: theme`; empty when nobody gave it.
pub(crate) fn place(name: &str, common: &Common, env: &Environment) -> String {
    let path = file_path(common, env);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let Some(key) = KEYS.iter().find(|key| key.name == name) else { return String::new() };
    match from(key, common, env, &path, &text) {
        nobody if nobody == DEFAULT => String::new(),
        file if file.starts_with(&path.display().to_string()) => format!("{file}: {name}"),
        other => other,
    }
}

/// The region in force, as far as files, variables and flags tell: that of the profile, where nothing else does.
pub(crate) fn region(settings: &Settings, env: &Environment) -> Option<String> {
    let profile = settings.profile.as_deref().unwrap_or("default");
    settings.region.clone().or_else(|| AwsProfiles::read(env).get(profile, "region").map(str::to_owned))
}

/// What nobody gave outright, and comes from something else that was: an endpoint from the control plane's, the region from
/// the profile's section of the AWS files.
fn derived(
    mut found: Effective,
    settings: &Settings,
    common: &Common,
    env: &Environment,
    path: &Path,
    text: &str,
) -> Effective {
    if found.from != DEFAULT {
        return found;
    }
    match found.key {
        "data-endpoint-url" | "sts-endpoint-url" | "cloudwatch-endpoint-url"
            if !found.value.is_null() && found.value == json!(settings.endpoint_url) =>
        {
            if let Some(key) = KEYS.iter().find(|key| key.name == "endpoint-url") {
                found.from = format!("{}, which is not AWS's", from(key, common, env, path, text));
            }
        }
        "linear" | "ascii" if found.value == json!(true) => {
            if let Some(name) = plain(found.key, env) {
                name.clone_into(&mut found.from);
            }
        }
        "region" if settings.aws && settings.region.is_none() => {
            let profile = settings.profile.as_deref().unwrap_or("default");
            if let Some(region) = region(settings, env) {
                (found.value, found.from) = (json!(region), format!("profile {profile}"));
            }
        }
        _ => {}
    }
    found
}

fn from(key: &Key, common: &Common, env: &Environment, path: &Path, text: &str) -> String {
    if let Some(flag) = &key.flag
        && (flag.given)(common)
        // clap takes the profile from its variable by itself.
        && !(key.name == "profile" && env.get("AWS_PROFILE") == common.profile.as_deref())
    {
        return flag.name.to_owned();
    }
    if let Some(name) = key.env.iter().find(|name| env.get(name).is_some()) {
        return (*name).to_owned();
    }
    match line(text, key.name) {
        Some(line) => format!("{}:{line}", path.display()),
        None if stands_in(text, key.name) => path.display().to_string(),
        None => DEFAULT.to_owned(),
    }
}

/// True when the file has the key, however it is written.
fn stands_in(text: &str, name: &str) -> bool {
    let Ok(file) = text.parse::<toml::Table>() else { return false };
    match name.split_once('.') {
        Some((table, key)) => file.get(table).and_then(|table| table.get(key)).is_some(),
        None => file.contains_key(name),
    }
}

/// Nobody said anything else.
const DEFAULT: &str = "default";

/// Where a key stands in the file. The file was read without a complaint before, so its shape is known.
fn line(text: &str, name: &str) -> Option<usize> {
    let (table, key) = name.split_once('.').unwrap_or(("", name));
    let mut inside = String::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix('[') {
            inside = rest.split(']').next().unwrap_or_default().trim().to_owned();
        } else if let Some((written, _)) = line.split_once('=') {
            let written = written.trim().replace(['"', '\'', ' '], "");
            if inside == table && written == key || inside.is_empty() && written == name {
                return Some(i + 1);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::super::load;
    use super::*;

    #[test]
    fn each_value_says_where_it_comes_from() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, "theme = 'x'\nprofile = 'p'\n[mqtt]\n# url = 'no'\nurl = 'mqtt://h'\n")
            .unwrap();
        let common =
            Common { config: Some(path.clone()), region: Some("eu-west-1".into()), ..Common::default() };
        let env: Environment = [("AWS_PROFILE".to_owned(), "e".to_owned())].into_iter().collect();
        let settings = load(&common, &env).unwrap();
        let all = effective(&settings, &common, &env);
        let of = |name: &str| {
            all.iter().find(|e| e.key == name).map(|e| (e.value.clone(), e.from.clone())).unwrap()
        };
        assert_eq!(of("region"), (json!("eu-west-1"), "--region".into()));
        assert_eq!(of("profile"), (json!("e"), "AWS_PROFILE".into()));
        assert_eq!(of("theme"), (json!("x"), format!("{}:1", path.display())));
        assert_eq!(of("mqtt.url"), (json!("mqtt://h"), format!("{}:5", path.display())));
        assert_eq!(of("polls.idle-seconds"), (json!(30), "default".into()));
        assert_eq!(of("sts-endpoint-url"), (Value::Null, "default".into()));
    }

    #[test]
    fn a_plain_terminal_is_named_as_what_makes_the_look_plain() {
        let env = |name: &str, value: &str| -> Environment {
            [(name.to_owned(), value.to_owned()), ("HOME".to_owned(), "/nonexistent".to_owned())]
                .into_iter()
                .collect()
        };
        let of = |env: &Environment, key: &str| {
            let common = Common::default();
            let all = effective(&load(&common, env).unwrap(), &common, env);
            all.iter().find(|e| e.key == key).map(|e| (e.value.clone(), e.from.clone())).unwrap()
        };
        let dumb = env("TERM", "dumb");
        assert_eq!(of(&dumb, "linear"), (json!(true), "TERM".to_owned()));
        assert_eq!(of(&dumb, "ascii"), (json!(true), "TERM".to_owned()));
        assert_eq!(of(&env("LC_ALL", "C"), "ascii"), (json!(true), "LC_ALL".to_owned()));
        assert_eq!(of(&env("LANG", "de_DE.UTF-8"), "ascii"), (json!(false), "default".to_owned()));
    }

    #[test]
    fn what_follows_from_something_else_says_from_what() {
        let dir = tempfile::tempdir().unwrap();
        let (path, aws) = (dir.path().join("config.toml"), dir.path().join("aws"));
        let text = "endpoint-url = 'http://10.0.0.1:4510'\npolls = { idle-seconds = 7 }\n";
        std::fs::write(&path, text).unwrap();
        std::fs::write(&aws, "[profile ops]\nregion = eu-north-1\n").unwrap();
        let common = Common { config: Some(path.clone()), profile: Some("ops".into()), ..Common::default() };
        let env: Environment =
            [("AWS_CONFIG_FILE".to_owned(), aws.display().to_string())].into_iter().collect();
        let settings = load(&common, &env).unwrap();
        assert_eq!(settings.region, None, "the SDK finds it");
        let all = effective(&settings, &common, &env);
        let of = |name: &str| {
            all.iter().find(|e| e.key == name).map(|e| (e.value.clone(), e.from.clone())).unwrap()
        };
        assert_eq!(of("region"), (json!("eu-north-1"), "profile ops".into()));
        let from = format!("{}:1, which is not AWS's", path.display());
        assert_eq!(of("sts-endpoint-url"), (json!("http://10.0.0.1:4510"), from.clone()));
        assert_eq!(of("data-endpoint-url").1, from);
        assert_eq!(of("polls.idle-seconds"), (json!(7), path.display().to_string()));
    }
}
