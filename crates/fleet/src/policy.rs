//! What policy documents say without a connection: whether one denies unconditionally, and whether anybody may be allowed.

use quell_rules::policy::{Bound, Context, Decision, Document, Doubt, Glob};
use serde_json::Value;

/// True when an unconditional Deny statement names one of `actions` (in lower case) on `*`, or, where publishing is asked for,
/// on all but the device's own jobs and shadow topics.
pub fn denies(document: &Value, actions: &[&str]) -> bool {
    let partly = actions.contains(&"iot:publish");
    statements(document).into_iter().any(|s| {
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

/// What documents say of one action on one resource, as far as that can be told without a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allows {
    /// A statement allows it, and none could deny it.
    Yes,
    /// Nothing allows it, or a statement denies it whatever the circumstances.
    No,
    /// It hangs on a condition or on a variable.
    Perhaps,
}

/// What `documents`, which apply together, say of `action` on `resource` (an ARN), whoever asks. A document that cannot be
/// read may say anything.
pub fn allows<'a>(documents: impl IntoIterator<Item = &'a Value>, action: &str, resource: &str) -> Allows {
    let (mut read, mut unread) = (Vec::new(), false);
    for document in documents {
        match Document::parse(&document.to_string()) {
            Ok(document) => read.push(document),
            Err(_) => unread = true,
        }
    }
    let anybody = Context::anybody();
    let [certain, possible] = [Doubt::Closed, Doubt::Open].map(|doubt| {
        let decision = Bound::new(read.iter().map(|d| ("", d)), &anybody, doubt).decide(action, resource);
        (decision.is_allowed(), matches!(decision, Decision::ExplicitDeny { .. }))
    });
    match (certain, possible) {
        // What denies for certain denies whatever else is written.
        (_, (_, true)) => Allows::No,
        _ if unread => Allows::Perhaps,
        ((true, _), _) => Allows::Yes,
        (_, (true, _)) => Allows::Perhaps,
        _ => Allows::No,
    }
}

/// True when a statement of `documents` allows `action` on anything.
pub fn names<'a>(documents: impl IntoIterator<Item = &'a Value>, action: &str) -> bool {
    documents.into_iter().flat_map(statements).any(|statement| {
        statement.get("Effect").and_then(Value::as_str) == Some("Allow") && names_action(statement, action)
    })
}

fn statements(document: &Value) -> Vec<&Value> {
    match document.get("Statement") {
        Some(Value::Array(list)) => list.iter().collect(),
        Some(one @ Value::Object(_)) => vec![one],
        _ => Vec::new(),
    }
}

fn names_action(statement: &Value, action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    let any =
        |value| words(value).iter().any(|pattern| Glob::new(&pattern.to_ascii_lowercase()).matches(&action));
    match statement.get("NotAction") {
        Some(others) => !any(Some(others)),
        None => any(statement.get("Action")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ALIAS: &str = "arn:aws:iot:us-east-1:1:rolealias/Uploads";

    fn assume(statements: Value) -> Allows {
        allows(
            [&json!({ "Version": "2012-10-17", "Statement": statements })],
            "iot:AssumeRoleWithCertificate",
            ALIAS,
        )
    }

    #[test]
    fn what_is_allowed_is_told_from_what_hangs_on_circumstances() {
        let allow = json!({"Effect": "Allow", "Action": "iot:Assume*", "Resource": "arn:aws:iot:*:rolealias/U?loads"});
        assert_eq!(assume(allow.clone()), Allows::Yes);
        assert_eq!(assume(json!({"Effect": "Allow", "Action": "iot:Publish", "Resource": "*"})), Allows::No);
        let deny = |extra: Value| {
            let mut deny = json!({"Effect": "Deny", "Action": ["IOT:*"], "Resource": "*"});
            if let (Value::Object(deny), Value::Object(extra)) = (&mut deny, extra) {
                deny.extend(extra);
            }
            deny
        };
        assert_eq!(assume(json!([allow, deny(json!({}))])), Allows::No);
        assert_eq!(assume(json!([allow, deny(json!({"Condition": {"Bool": {"x": "y"}}}))])), Allows::Perhaps);
        let variable = json!({"Effect": "Allow", "Action": "iot:*", "Resource": "arn:aws:iot:*rolealias/${iot:ClientId}"});
        assert_eq!(assume(variable), Allows::Perhaps);
        let others = json!({"Effect": "Allow", "NotAction": "iot:Publish", "NotResource": "arn:aws:iot:*rolealias/Other"});
        assert_eq!(assume(others), Allows::Yes);
        assert_eq!(assume(json!("not a policy")), Allows::Perhaps);
        let unread = json!("not a policy");
        let deny = json!({"Version": "2012-10-17", "Statement": deny(json!({}))});
        assert_eq!(allows([&unread, &deny], "iot:AssumeRoleWithCertificate", ALIAS), Allows::No);
    }
}
