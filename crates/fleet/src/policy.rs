//! What a policy document denies, as far as that can be told without a request: only an unconditional statement counts.

use serde_json::Value;

/// True when an unconditional Deny statement names one of `actions` (in lower case) on `*`, or, where publishing is asked for,
/// on all but the device's own jobs and shadow topics.
pub fn denies(document: &Value, actions: &[&str]) -> bool {
    let statements = match document.get("Statement") {
        Some(Value::Array(list)) => list.iter().collect(),
        Some(one @ Value::Object(_)) => vec![one],
        _ => Vec::new(),
    };
    let partly = actions.contains(&"iot:publish");
    statements.into_iter().any(|s| {
        let spared = words(s.get("NotResource"));
        let own = !spared.is_empty()
            && spared.iter().all(|r| r.contains("/$aws/things/${iot:Connection.Thing.ThingName}/"));
        s.get("Effect").and_then(Value::as_str) == Some("Deny")
            && s.get("Condition").is_none()
            && words(s.get("Action")).iter().any(|a| actions.contains(&a.to_ascii_lowercase().as_str()))
            && (words(s.get("Resource")).iter().any(|r| r == "*") || (partly && own))
    })
}

fn words(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}
