use std::sync::Arc;

use serde_json::{Value, json};

use super::check;
use super::read::MODEL;
use crate::account::Account;
use crate::api::{Req, Service, routes};
use crate::clock::Clock;
use crate::store::Wal;

fn request(account: &Arc<Account>, path: &[(&'static str, &str)], query: &str, body: &Value) -> Req {
    Req {
        account: Arc::clone(account),
        caller: String::new(),
        device: None,
        path: path.iter().map(|(n, v)| (*n, (*v).to_owned())).collect(),
        query: crate::api::front::decode_query(query),
        headers: Vec::new(),
        body: body.to_string().into_bytes().into(),
    }
}

fn said(op: &'static str, path: &[(&'static str, &str)], query: &str, body: &Value) -> String {
    let account = Account::open("123456789012", "us-east-1", Clock::new(1.0), Wal::default(), "AK", "SK");
    check(Service::Iot, op, &request(&account, path, query, body))
        .map_or_else(|e| e.message, |()| String::new())
}

#[test]
fn every_line_is_understood_and_every_operation_has_its_route() {
    assert_eq!(MODEL.strange, Vec::<&str>::new());
    assert!(MODEL.shapes.len() > 200);
    for (service, op) in MODEL.operations.keys() {
        assert!(routes::all().any(|r| r.service == *service && r.op == *op), "{service:?} {op}");
    }
}

#[test]
fn paths_in_the_routes_carry_the_names_of_the_model() {
    for route in routes::all() {
        for member in MODEL.operations.get(&(route.service, route.op)).into_iter().flatten() {
            if member.place == super::read::Place::Path {
                let known = [format!("{{{}}}", member.wire), format!("{{{}+}}", member.wire)];
                assert!(
                    known.iter().any(|k| route.path.contains(k.as_str())),
                    "{}: {}",
                    route.op,
                    member.wire
                );
            }
        }
    }
}

#[test]
fn every_fault_is_named_in_the_words_of_aws() {
    assert_eq!(said("CreateThing", &[("thingName", "a-b:c_9")], "", &json!({})), "");
    assert_eq!(
        said("CreateThing", &[("thingName", "a b")], "", &json!({ "thingTypeName": "" })),
        "3 validation errors detected: Value 'a b' at 'thingName' failed to satisfy constraint: Member must satisfy \
         regular expression pattern: [a-zA-Z0-9:_-]+; Value '' at 'thingTypeName' failed to satisfy constraint: Member \
         must satisfy regular expression pattern: [a-zA-Z0-9:_-]+; Value '' at 'thingTypeName' failed to satisfy \
         constraint: Member must have length greater than or equal to 1"
    );
    assert_eq!(
        said("ListThings", &[], "maxResults=251", &Value::Null),
        "1 validation error detected: Value '251' at 'maxResults' failed to satisfy constraint: Member must have value \
         less than or equal to 250"
    );
    assert_eq!(
        said("ListViolationEvents", &[], "startTime=2026-11-21T00%3A00%3A00Z", &Value::Null),
        "1 validation error detected: Value null at 'endTime' failed to satisfy constraint: Member must not be null"
    );
    assert_eq!(
        said(
            "CreateThing",
            &[("thingName", "a")],
            "",
            &json!({ "attributePayload": { "attributes": { "k": "v v" } } })
        ),
        "1 validation error detected: Value '{k=v v}' at 'attributePayload.attributes' failed to satisfy constraint: \
         Map value must satisfy constraint: [Member must have length less than or equal to 800, Member must satisfy \
         regular expression pattern: [a-zA-Z0-9_.,@/:#=\\[\\]-]*]"
    );
    assert_eq!(
        said(
            "ValidateSecurityProfileBehaviors",
            &[],
            "",
            &json!({ "behaviors": [{ "name": "ok", "criteria": { "comparisonOperator": "more" } }] })
        )
        .split(" Member must")
        .next(),
        Some(
            "1 validation error detected: Value 'more' at 'behaviors.1.member.criteria.comparisonOperator' failed to \
             satisfy constraint:"
        )
    );
}

#[test]
fn lists_of_plain_values_tags_and_the_service_of_identities_have_forms_of_their_own() {
    let arn = "arn:aws:iot:us-east-1:123456789012:thinggroup/g";
    assert_eq!(
        said("UntagResource", &[], "", &json!({ "resourceArn": arn, "tagKeys": ["fine", "a#b"] })),
        "1 validation error detected: Value '[fine, a#b]' at 'tagKeys' failed to satisfy constraint: Member must satisfy \
         constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to \
         1, Member must satisfy regular expression pattern: ^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)$]"
    );
    assert_eq!(
        said("TagResource", &[], "", &json!({ "resourceArn": arn, "tags": [{ "Key": "", "Value": "v" }] })),
        "1 validation error detected: Value '' at 'tags.1.member.key' failed to satisfy constraint: Member must have \
         length greater than or equal to 1"
    );
    assert_eq!(
        said("SetDefaultPolicyVersion", &[("policyName", "p"), ("policyVersionId", "abc")], "", &Value::Null),
        "1 validation error detected: Value at 'policyVersionId' failed to satisfy constraint: Member must satisfy \
         regular expression pattern: [0-9]+"
    );
}

#[test]
fn what_the_model_cannot_judge_is_left_to_the_operation() {
    let account = Account::open("123456789012", "us-east-1", Clock::new(1.0), Wal::default(), "AK", "SK");
    let mut req = request(&account, &[("thingName", "a")], "", &Value::Null);
    req.body = "no json".into();
    assert!(check(Service::Iot, "CreateThing", &req).is_ok());
    assert!(check(Service::Sns, "Publish", &req).is_ok());
    assert_eq!(said("CreateThing", &[("thingName", "a")], "", &json!({ "thingTypeName": 5 })), "");
}
