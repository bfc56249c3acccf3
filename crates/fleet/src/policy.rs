//! What a policy document denies, as far as that can be told without a request: only an unconditional statement counts.

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

/// What `documents`, which apply together, say of `action` on `resource` (an ARN). An explicit deny outweighs what allows
/// (docs/aws-iot.md#4.3).
pub fn allows<'a>(documents: impl IntoIterator<Item = &'a Value>, action: &str, resource: &str) -> Allows {
    let (mut allowed, mut denied) = (Allows::No, Allows::No);
    for statement in documents.into_iter().flat_map(statements) {
        let applies = both(names_action(statement, action), names_resource(statement, resource));
        let applies = match statement.get("Condition") {
            Some(_) => both(applies, Allows::Perhaps),
            None => applies,
        };
        let side = match statement.get("Effect").and_then(Value::as_str) {
            Some("Allow") => &mut allowed,
            Some("Deny") => &mut denied,
            _ => continue,
        };
        *side = match (*side, applies) {
            (Allows::Yes, _) | (_, Allows::Yes) => Allows::Yes,
            (Allows::No, Allows::No) => Allows::No,
            _ => Allows::Perhaps,
        };
    }
    match (allowed, denied) {
        (Allows::No, _) | (_, Allows::Yes) => Allows::No,
        (allowed, Allows::No) => allowed,
        (_, Allows::Perhaps) => Allows::Perhaps,
    }
}

/// True when a statement of `documents` allows `action` on anything.
pub fn names<'a>(documents: impl IntoIterator<Item = &'a Value>, action: &str) -> bool {
    documents.into_iter().flat_map(statements).any(|statement| {
        statement.get("Effect").and_then(Value::as_str) == Some("Allow")
            && names_action(statement, action) != Allows::No
    })
}

fn statements(document: &Value) -> Vec<&Value> {
    match document.get("Statement") {
        Some(Value::Array(list)) => list.iter().collect(),
        Some(one @ Value::Object(_)) => vec![one],
        _ => Vec::new(),
    }
}

fn both(one: Allows, other: Allows) -> Allows {
    match (one, other) {
        (Allows::No, _) | (_, Allows::No) => Allows::No,
        (Allows::Yes, Allows::Yes) => Allows::Yes,
        _ => Allows::Perhaps,
    }
}

fn negated(is: Allows) -> Allows {
    match is {
        Allows::Yes => Allows::No,
        Allows::No => Allows::Yes,
        Allows::Perhaps => Allows::Perhaps,
    }
}

fn names_action(statement: &Value, action: &str) -> Allows {
    let action = action.to_ascii_lowercase();
    let any = |value| one_of(&words(value), |pattern| matches(&pattern.to_ascii_lowercase(), &action));
    match statement.get("NotAction") {
        Some(others) => negated(any(Some(others))),
        None => any(statement.get("Action")),
    }
}

fn names_resource(statement: &Value, resource: &str) -> Allows {
    let any = |value| one_of(&words(value), |pattern| matches(pattern, resource));
    match statement.get("NotResource") {
        Some(others) => negated(any(Some(others))),
        None => any(statement.get("Resource")),
    }
}

fn one_of(patterns: &[String], matches: impl Fn(&str) -> Allows) -> Allows {
    let found = patterns.iter().map(|pattern| matches(pattern));
    found.fold(Allows::No, |so_far, one| match (so_far, one) {
        (Allows::Yes, _) | (_, Allows::Yes) => Allows::Yes,
        (Allows::No, Allows::No) => Allows::No,
        _ => Allows::Perhaps,
    })
}

/// Whether a pattern with `*` and `?` matches `text`; one with a policy variable only may, whatever stands for it.
fn matches(pattern: &str, text: &str) -> Allows {
    let mut plain = String::with_capacity(pattern.len());
    let (mut rest, mut varies) = (pattern, false);
    while let Some((before, variable)) = rest.split_once("${") {
        plain.push_str(before);
        plain.push('*');
        varies = true;
        rest = variable.split_once('}').map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    match glob(&plain, text) {
        true if varies => Allows::Perhaps,
        true => Allows::Yes,
        false => Allows::No,
    }
}

/// Wildcards as in ARNs: linear but for the last `*`, to which it comes back.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut back) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                back = Some((p + 1, t));
                p += 1;
            }
            Some(c) if *c == '?' || Some(c) == text.get(t) => {
                p += 1;
                t += 1;
            }
            _ => match back {
                Some((after, from)) => {
                    (p, t) = (after, from + 1);
                    back = Some((after, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ALIAS: &str = "arn:aws:iot:us-east-1:1:rolealias/Uploads";

    fn assume(statements: Value) -> Allows {
        allows([&json!({ "Statement": statements })], "iot:AssumeRoleWithCertificate", ALIAS)
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
        let variable =
            json!({"Effect": "Allow", "Action": "iot:*", "Resource": "*rolealias/${iot:ClientId}"});
        assert_eq!(assume(variable), Allows::Perhaps);
        let others =
            json!({"Effect": "Allow", "NotAction": "iot:Publish", "NotResource": "*rolealias/Other"});
        assert_eq!(assume(others), Allows::Yes);
        assert_eq!(assume(json!("not a policy")), Allows::No);
    }

    #[test]
    fn wildcards_match_as_in_arns() {
        for (pattern, text, is) in [
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b", "a-b-c", false),
            ("?é", "xé", true),
            ("", "x", false),
            ("**x", "yx", true),
        ] {
            assert_eq!(glob(pattern, text), is, "{pattern} on {text}");
        }
    }
}
