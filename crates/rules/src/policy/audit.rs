//! What an auditor would say of a policy document (docs/aws-iot.md#2.5, the two policy checks of Device Defender).

use super::document::{Document, Effect, Selection, Statement};
use super::glob::Glob;

/// Data plane actions and the kind of resource each is decided on.
const DATA_PLANE: [(&str, &str); 11] = [
    ("iot:Connect", "client"),
    ("iot:Publish", "topic"),
    ("iot:RetainPublish", "topic"),
    ("iot:Receive", "topic"),
    ("iot:Subscribe", "topicfilter"),
    ("iot:GetThingShadow", "thing"),
    ("iot:UpdateThingShadow", "thing"),
    ("iot:DeleteThingShadow", "thing"),
    ("iotjobsdata:DescribeJobExecution", "thing"),
    ("iotjobsdata:StartNextPendingJobExecution", "thing"),
    ("iotjobsdata:UpdateJobExecution", "thing"),
];

fn names_action(actions: &Selection, action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    let named = actions.patterns.iter().any(|p| Glob::new(&p.to_ascii_lowercase()).matches(&action));
    named != actions.negated
}

/// The last part of an ARN pattern: `topic/a/*`. A pattern that ends before it covers everything.
fn resource_part(pattern: &str) -> &str {
    if pattern == "*" { "*" } else { pattern.splitn(6, ':').nth(5).unwrap_or("*") }
}

/// Does the pattern cover the resources of this kind of every device, or of any?
fn is_broad(pattern: &str, kind: &str) -> bool {
    let part = resource_part(pattern);
    if part.starts_with(['*', '?']) {
        return true;
    }
    let Some(tail) = part.strip_prefix(kind).and_then(|p| p.strip_prefix('/')) else {
        // `topic*` covers `topic/…` too.
        return part.ends_with('*') && kind.starts_with(part.trim_end_matches('*'));
    };
    let first =
        |text: &str| text.starts_with(['*', '?']) || text.starts_with(['+', '#']) && kind == "topicfilter";
    first(tail) || tail == "$aws/*" || tail.strip_prefix("$aws/things/").is_some_and(first)
}

/// A connection that may only be made by an attached thing is bounded, whatever its client id.
fn attached_only(statement: &Statement) -> bool {
    statement.conditions.iter().any(|c| {
        c.key.eq_ignore_ascii_case("iot:Connection.Thing.IsAttached") && c.values.iter().any(|v| v == "true")
    })
}

/// The data plane actions the document allows on everything, or on everybody's resources.
pub fn broad_access(document: &Document) -> Vec<&'static str> {
    let mut out = Vec::new();
    for (action, kind) in DATA_PLANE {
        let broad = document.statements.iter().any(|s| {
            s.effect == Effect::Allow
                && names_action(&s.actions, action)
                && (s.resources.negated || s.resources.patterns.iter().any(|p| is_broad(p, kind)))
                && !(action == "iot:Connect" && attached_only(s))
        });
        if broad {
            out.push(action);
        }
    }
    out
}

fn statements<'a>(
    document: &'a Document,
    effect: Effect,
    action: &'a str,
) -> impl Iterator<Item = &'a Statement> {
    document.statements.iter().filter(move |s| s.effect == effect && names_action(&s.actions, action))
}

fn names_resource(resources: &Selection, arn: &str) -> bool {
    resources.patterns.iter().any(|p| Glob::new(p).matches(arn)) != resources.negated
}

/// The first topic or topic filter in a deny statement with `+` or `#` in it: policies take them literally.
pub fn mqtt_wildcard_in_deny(document: &Document) -> Option<&str> {
    let denied = document.statements.iter().filter(|s| s.effect == Effect::Deny);
    denied.flat_map(|s| &s.resources.patterns).map(String::as_str).find(|pattern| {
        let part = resource_part(pattern);
        (part.starts_with("topic/") || part.starts_with("topicfilter/")) && part.contains(['+', '#'])
    })
}

/// A denied pattern of topic filters whose topics a broader filter (`building/#`) still brings: the pattern and the filter.
pub fn deny_evaded_by_filter(document: &Document) -> Option<(&str, String)> {
    for statement in statements(document, Effect::Deny, "iot:Subscribe") {
        for pattern in &statement.resources.patterns {
            let Some((head, denied)) = pattern.split_once("topicfilter/") else { continue };
            let Some(prefix) = denied.strip_suffix('*') else { continue };
            if statement.resources.negated || prefix.contains(['*', '?', '$']) {
                continue;
            }
            let levels: Vec<&str> = prefix.trim_end_matches('/').split('/').collect();
            let topic = format!("{head}topic/{prefix}x");
            let received = statements(document, Effect::Allow, "iot:Receive")
                .any(|s| names_resource(&s.resources, &topic))
                && !statements(document, Effect::Deny, "iot:Receive")
                    .any(|s| names_resource(&s.resources, &topic));
            if !received {
                continue;
            }
            for kept in (0..levels.len()).rev() {
                let mut filter = levels.iter().take(kept).copied().collect::<Vec<_>>().join("/");
                filter.push_str(if kept == 0 { "#" } else { "/#" });
                let arn = format!("{head}topicfilter/{filter}");
                let names = |s: &Statement| names_resource(&s.resources, &arn);
                if statements(document, Effect::Allow, "iot:Subscribe").any(names)
                    && !statements(document, Effect::Deny, "iot:Subscribe").any(names)
                {
                    return Some((pattern, filter));
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ARN: &str = "arn:aws:iot:us-east-1:123456789012:";

    fn document(statements: Value) -> Document {
        Document::parse(&json!({"Version": "2012-10-17", "Statement": statements}).to_string()).unwrap()
    }

    fn allow(action: &str, resource: &str) -> Value {
        json!({"Effect": "Allow", "Action": action, "Resource": resource})
    }

    #[test]
    fn everything_on_everything_is_broad() {
        assert_eq!(broad_access(&document(json!([allow("iot:*", "*")]))).len(), 8);
        assert_eq!(broad_access(&document(json!([allow("*", "*")]))).len(), 11);
        assert_eq!(
            broad_access(&document(json!([allow("iot:Publish", "arn:aws:iot:*:*:*")]))),
            ["iot:Publish"]
        );
        let deny = json!([{"Effect": "Deny", "Action": "iot:*", "Resource": "*"}]);
        assert!(broad_access(&document(deny)).is_empty());
        let all_but =
            json!([{"Effect": "Allow", "NotAction": "iot:Publish", "NotResource": format!("{ARN}topic/a")}]);
        assert!(!broad_access(&document(all_but)).contains(&"iot:Publish"));
    }

    #[test]
    fn a_devices_own_resources_are_not_broad() {
        for (action, tail) in [
            ("iot:Publish", "topic/dt/${iot:Connection.Thing.ThingName}/*"),
            ("iot:Publish", "topic/temperature-device-*"),
            ("iot:Subscribe", "topicfilter/$aws/things/${iot:Connection.Thing.ThingName}/*"),
            ("iot:Connect", "client/${iot:Connection.Thing.ThingName}"),
            ("iot:Publish", "client/*"),
        ] {
            assert!(
                broad_access(&document(json!([allow(action, &format!("{ARN}{tail}"))]))).is_empty(),
                "{tail}"
            );
        }
        for (action, tail) in [
            ("iot:Publish", "topic/*"),
            ("iot:Publish", "topic/$aws/things/*/shadow/update"),
            ("iot:Subscribe", "topicfilter/#"),
            ("iot:Connect", "client/*"),
            ("iot:GetThingShadow", "thing/*"),
        ] {
            assert_eq!(
                broad_access(&document(json!([allow(action, &format!("{ARN}{tail}"))]))),
                [action],
                "{tail}"
            );
        }
        let attached = json!([{"Effect": "Allow", "Action": "iot:Connect", "Resource": "*",
            "Condition": {"Bool": {"iot:Connection.Thing.IsAttached": "true"}}}]);
        assert!(broad_access(&document(attached)).is_empty());
    }

    #[test]
    fn denies_that_do_not_deny_are_found() {
        let building = |deny: Value| {
            document(json!([
                allow("iot:Subscribe", &format!("{ARN}topicfilter/building/*")),
                allow("iot:Receive", &format!("{ARN}topic/building/*")),
                deny
            ]))
        };
        let deny = |action: Value, resource: Value| json!({"Effect": "Deny", "Action": action, "Resource": resource});
        let literal =
            building(deny(json!("iot:Subscribe"), json!(format!("{ARN}topicfilter/building/control/#"))));
        assert!(mqtt_wildcard_in_deny(&literal).is_some());
        let evaded =
            building(deny(json!("iot:Subscribe"), json!(format!("{ARN}topicfilter/building/control/*"))));
        assert!(mqtt_wildcard_in_deny(&evaded).is_none());
        assert_eq!(deny_evaded_by_filter(&evaded).unwrap().1, "building/#");
        let right = building(deny(
            json!(["iot:Subscribe", "iot:Receive"]),
            json!([format!("{ARN}topicfilter/building/control/*"), format!("{ARN}topic/building/control/*")]),
        ));
        assert!(deny_evaded_by_filter(&right).is_none());
    }
}
