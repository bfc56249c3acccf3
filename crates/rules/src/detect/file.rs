//! Security profiles from a file, for accounts that Detect is not offered to: JSON or TOML in AWS's own shape.
//!
//! What `aws iot describe-security-profile` prints is such a file; several make a list, or stand below `securityProfiles`. Beside
//! that, `dimensions` are what `aws iot describe-dimension` prints, for behaviours that name one.

use serde::Deserialize;

use super::profile::SecurityProfile;
use crate::topics::Dialect;

#[derive(Deserialize)]
#[serde(untagged)]
enum Shape {
    Many {
        #[serde(rename = "securityProfiles")]
        profiles: Vec<SecurityProfile>,
        #[serde(default)]
        dimensions: Vec<Dimension>,
    },
    List(Vec<SecurityProfile>),
    One(SecurityProfile),
}

/// As DescribeDimension answers.
#[derive(Deserialize)]
struct Dimension {
    name: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(rename = "stringValues")]
    filters: Vec<String>,
}

/// Reads profiles from `text`; `toml` says which of the two it is.
///
/// # Errors
/// A sentence naming what is wrong: the syntax with its line, or everything that AWS would refuse.
pub fn parse(text: &str, toml: bool) -> Result<Vec<SecurityProfile>, String> {
    // Editors of Windows put a byte-order mark before the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value: serde_json::Value = if toml {
        toml::from_str(text).map_err(|e| e.to_string().trim().replace('\n', " "))?
    } else {
        serde_json::from_str(text).map_err(|e| e.to_string())?
    };
    // Tried one by one: an untagged error would only say that nothing fits.
    let shape = if value.get("securityProfiles").is_some() || value.is_array() {
        serde_json::from_value::<Shape>(value.clone()).map_err(|_| unreadable(&value))?
    } else {
        Shape::One(serde_json::from_value(value).map_err(|e| e.to_string())?)
    };
    let (mut profiles, dimensions) = match shape {
        Shape::Many { profiles, dimensions } => (profiles, dimensions),
        Shape::List(profiles) => (profiles, Vec::new()),
        Shape::One(profile) => (vec![profile], Vec::new()),
    };
    let mut wrong: Vec<String> = Vec::new();
    for dimension in &dimensions {
        if dimension.kind.as_deref().is_some_and(|kind| kind != "TOPIC_FILTER") {
            wrong.push(format!("dimension {} is no TOPIC_FILTER", dimension.name));
        }
        if let Some(filter) = dimension
            .filters
            .iter()
            .find(|f| Dialect::Aws.valid_filter(&f.replace("${iot:ClientId}", "c")).is_err())
        {
            wrong.push(format!("dimension {}: {filter} is no topic filter", dimension.name));
        }
    }
    for profile in &mut profiles {
        let named = |d: &&Dimension| {
            profile
                .behaviors
                .iter()
                .filter_map(|b| b.metric_dimension.as_ref())
                .any(|m| m.dimension_name == d.name)
        };
        profile.dimensions =
            dimensions.iter().filter(named).map(|d| (d.name.clone(), d.filters.clone())).collect();
    }
    for (at, profile) in profiles.iter().enumerate() {
        let name = &profile.security_profile_name;
        if profiles.iter().take(at).any(|p| p.security_profile_name == *name) {
            wrong.push(format!("security profile {name} twice"));
        }
        wrong.extend(profile.mistakes().iter().map(|wrong| format!("security profile {name}: {wrong}")));
    }
    if wrong.is_empty() { Ok(profiles) } else { Err(wrong.join("; ")) }
}

/// The one profile that is meant: the only one, or the one called `name`.
///
/// # Errors
/// A sentence when there are several and none was named, or none of that name.
pub fn only(profiles: Vec<SecurityProfile>, name: Option<&str>) -> Result<SecurityProfile, String> {
    let names: Vec<String> = profiles.iter().map(|p| p.security_profile_name.clone()).collect();
    let mut meant = profiles.into_iter().filter(|p| name.is_none_or(|n| n == p.security_profile_name));
    match (meant.next(), meant.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(format!("no security profile {}", name.unwrap_or_default())),
        (Some(_), Some(_)) => Err(format!("{} profiles: name one of {}", names.len(), names.join(", "))),
    }
}

/// Everything that makes no profile, in its place.
fn unreadable(value: &serde_json::Value) -> String {
    let list = value.get("securityProfiles").unwrap_or(value);
    let Some(list) = list.as_array() else { return "securityProfiles must be a list".to_owned() };
    let wrong = list.iter().enumerate().filter_map(|(at, one)| {
        let error = serde_json::from_value::<SecurityProfile>(one.clone()).err()?;
        Some(format!("security profile {}: {error}", at + 1))
    });
    let wrong: Vec<String> = wrong.collect();
    if wrong.is_empty() && value.get("dimensions").is_some() {
        return "dimensions: each has a name, a type and stringValues, as describe-dimension prints it"
            .to_owned();
    }
    if wrong.is_empty() { "no security profiles".to_owned() } else { wrong.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = r#"
[[securityProfiles]]
securityProfileName = "DetectLargeMessageSize"
targets = ["arn:aws:iot:us-east-1:123456789012:all/things"]

[[securityProfiles.behaviors]]
name = "LargeMessageSize"
metric = "aws:message-byte-size"
criteria = { comparisonOperator = "less-than-equals", value = { count = 1024 } }
"#;

    #[test]
    fn toml_and_json_say_the_same() {
        let from_toml = parse(TOML, true).unwrap();
        let json = r#"{"securityProfileName":"DetectLargeMessageSize",
            "securityProfileArn":"arn:…","version":1,
            "behaviors":[{"name":"LargeMessageSize","metric":"aws:message-byte-size",
              "criteria":{"comparisonOperator":"less-than-equals","value":{"count":1024}}}],
            "targets":[{"arn":"arn:aws:iot:us-east-1:123456789012:all/things"}]}"#;
        let from_json = parse(json, false).unwrap();
        assert_eq!(from_toml.first().map(|p| &p.behaviors), from_json.first().map(|p| &p.behaviors));
        let arns = |p: &[SecurityProfile]| p[0].targets.as_ref().unwrap()[0].arn().to_owned();
        assert_eq!(arns(&from_toml), arns(&from_json));
        assert_eq!(parse(&format!("[{json}]"), false).unwrap(), from_json);
    }

    #[test]
    fn a_dimension_stands_beside_the_profiles_that_name_it() {
        let json = r#"{"securityProfiles": [{"securityProfileName": "P", "behaviors": [
              {"name": "B", "metric": "aws:num-messages-sent", "metricDimension": {"dimensionName": "Own", "operator": "NOT_IN"},
               "criteria": {"comparisonOperator": "less-than", "value": {"count": 1}, "durationSeconds": 300}}]}],
            "dimensions": [{"name": "Own", "type": "TOPIC_FILTER", "stringValues": ["dt/${iot:ClientId}/#"]},
                           {"name": "Other", "stringValues": ["x"]}]}"#;
        let [profile] = parse(json, false).unwrap().try_into().unwrap();
        assert_eq!(profile.dimensions.keys().collect::<Vec<_>>(), ["Own"]);
        assert_eq!(profile.dimensions["Own"], ["dt/${iot:ClientId}/#"]);
        let wrong = parse(&json.replace("dt/${iot:ClientId}/#", "dt/#/x"), false).unwrap_err();
        assert!(wrong.contains("dimension Own: dt/#/x is no topic filter"), "{wrong}");
        let wrong = parse(&json.replace("\"stringValues\"", "\"values\""), false).unwrap_err();
        assert!(wrong.contains("stringValues"), "{wrong}");
    }

    #[test]
    fn what_aws_would_refuse_is_refused_here() {
        let wrong = TOML.replace("less-than-equals", "in-port-set");
        let error = parse(&wrong, true).unwrap_err();
        assert!(error.contains("DetectLargeMessageSize") && error.contains("in-port-set"), "{error}");
        assert!(parse("[{\"behaviors\":[]}]", false).unwrap_err().contains("securityProfileName"));
        assert!(parse("{", false).is_err() && parse("= 3", true).is_err());
        let twice = wrong.replace("count = 1024", "count = 1024, ports = [1]");
        let all = parse(&twice.replace("aws:message-byte-size", "no-such-metric"), true).unwrap_err();
        assert!(all.matches("security profile DetectLargeMessageSize: ").count() > 1, "{all}");
        let unread = parse("[{\"behaviors\":[]},{\"behaviors\":1}]", false).unwrap_err();
        assert!(unread.contains("profile 1:") && unread.contains("profile 2:"), "{unread}");
        assert!(parse(&format!("\u{feff}{TOML}"), true).is_ok(), "as an editor of Windows writes it");
    }
}
