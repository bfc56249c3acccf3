//! Topics, subscriptions, envelopes and where they go.

use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::account::Account;
use crate::clock::Clock;
use crate::store::Wal;

fn account() -> Arc<Account> {
    Account::open("123456789012", "us-east-1", Clock::new(200.0), Wal::default(), "AKIA", "secret")
}

fn call(
    account: &Arc<Account>,
    handler: fn(&Req) -> Result<Resp, ApiError>,
    fields: &[(&str, &str)],
) -> Result<String, ApiError> {
    let req = Req {
        account: account.clone(),
        caller: "AKIA".to_owned(),
        device: None,
        path: Vec::new(),
        query: fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        headers: vec![("host".to_owned(), "127.0.0.1:4510".to_owned())],
        body: bytes::Bytes::new(),
    };
    handler(&req).map(|resp| String::from_utf8(resp.body.to_vec()).unwrap())
}

fn tag<'a>(xml: &'a str, name: &str) -> &'a str {
    xml.split_once(&format!("<{name}>")).unwrap().1.split_once(&format!("</{name}>")).unwrap().0
}

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:BadIoTDevices";

#[test]
fn a_topic_is_made_once_and_found_until_it_is_deleted() {
    let account = account();
    let made = call(&account, create_topic, &[("Name", "BadIoTDevices")]).unwrap();
    assert_eq!(tag(&made, "TopicArn"), TOPIC);
    call(&account, create_topic, &[("Name", "BadIoTDevices")]).unwrap();
    assert!(call(&account, list_topics, &[]).unwrap().contains(TOPIC));
    assert_eq!(call(&account, create_topic, &[("Name", "bad name")]).unwrap_err().code, "InvalidParameter");
    call(&account, delete_topic, &[("TopicArn", TOPIC)]).unwrap();
    assert_eq!(publish(&account, TOPIC, None, "x").unwrap_err().status, 404);
}

#[test]
fn pages_of_topics_hold_each_topic_once() {
    let account = account();
    for n in 0..250 {
        call(&account, create_topic, &[("Name", &format!("t{n:03}"))]).unwrap();
    }
    let (mut seen, mut token) = (Vec::new(), None::<String>);
    loop {
        let fields: Vec<(&str, &str)> = token.iter().map(|t| ("NextToken", t.as_str())).collect();
        let xml = call(&account, list_topics, &fields).unwrap();
        seen.extend(
            xml.match_indices("<TopicArn>")
                .map(|(at, _)| xml[at + 10..].split('<').next().unwrap().to_owned()),
        );
        if !xml.contains("<NextToken>") {
            break;
        }
        token = Some(tag(&xml, "NextToken").to_owned());
    }
    assert_eq!(seen.len(), 250);
    seen.dedup();
    assert_eq!(seen.len(), 250);
}

#[test]
fn a_mailbox_confirms_before_it_is_written_to_and_a_function_gets_the_seeds_event() {
    let dir = tempfile::tempdir().unwrap();
    let account = account();
    account.sns.set_outbox(dir.path().join("sns-outbox.jsonl"));
    call(&account, create_topic, &[("Name", "BadIoTDevices")]).unwrap();
    let lines = || -> Vec<Value> {
        let text = std::fs::read_to_string(dir.path().join("sns-outbox.jsonl")).unwrap_or_default();
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    };
    let subscribed = call(
        &account,
        subscribe,
        &[("TopicArn", TOPIC), ("Protocol", "email"), ("Endpoint", "you@example.com")],
    )
    .unwrap();
    assert_eq!(tag(&subscribed, "SubscriptionArn"), "pending confirmation");
    let lambda = "arn:aws:lambda:us-east-1:123456789012:function:isolate";
    let subscribed =
        call(&account, subscribe, &[("TopicArn", TOPIC), ("Protocol", "lambda"), ("Endpoint", lambda)])
            .unwrap();
    let arn = tag(&subscribed, "SubscriptionArn").to_owned();
    assert!(arn.starts_with(&format!("{TOPIC}:")));

    publish(&account, TOPIC, None, r#"{"violationId":"37e1"}"#).unwrap();
    let seen = lines();
    assert_eq!(seen.len(), 2, "the unconfirmed mailbox got its confirmation only: {seen:?}");
    assert_eq!(seen[0]["body"]["Type"], "SubscriptionConfirmation");
    let record = &seen[1]["body"]["Records"][0];
    let seed: Value = serde_json::from_str(SEED).unwrap();
    let keys = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(record), keys(&seed["Records"][0]));
    assert_eq!(keys(&record["Sns"]), keys(&seed["Records"][0]["Sns"]));
    assert_eq!(record["EventSubscriptionArn"], arn);
    assert_eq!(record["Sns"]["Subject"], Value::Null);
    assert_eq!(record["Sns"]["Message"], r#"{"violationId":"37e1"}"#);

    let token = seen[0]["body"]["Token"].as_str().unwrap();
    assert!(call(&account, confirm_subscription, &[("TopicArn", TOPIC), ("Token", "guess")]).is_err());
    for _ in 0..2 {
        call(&account, confirm_subscription, &[("TopicArn", TOPIC), ("Token", token)]).unwrap();
    }
    publish(&account, TOPIC, Some("Alert"), "again").unwrap();
    let mail = lines().into_iter().find(|l| l["protocol"] == "email" && l["type"] == "Notification").unwrap();
    assert_eq!(mail["body"]["Subject"], "Alert");
    assert!(
        mail["body"]["SigningCertURL"]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1:4510/SimpleNotificationService-")
    );
    call(&account, unsubscribe, &[("SubscriptionArn", &arn)]).unwrap();
    publish(&account, TOPIC, None, "last").unwrap();
    assert_eq!(lines().len(), 5);
}

/// The members of seed 004's event, as its author printed it.
const SEED: &str = r#"{"Records":[{"EventSource":"aws:sns","EventVersion":"1.0","EventSubscriptionArn":"","Sns":{"Type":"","MessageId":"",
"TopicArn":"","Subject":null,"Message":"","Timestamp":"","SignatureVersion":"","Signature":"","SigningCertUrl":"","UnsubscribeUrl":"",
"MessageAttributes":{}}}]}"#;

#[test]
fn what_sns_refuses_is_refused() {
    let account = account();
    call(&account, create_topic, &[("Name", "BadIoTDevices")]).unwrap();
    for (protocol, endpoint) in
        [("http", "https://127.0.0.1"), ("email", "you"), ("fax", "1"), ("lambda", "isolate")]
    {
        let fields = [("TopicArn", TOPIC), ("Protocol", protocol), ("Endpoint", endpoint)];
        assert_eq!(call(&account, subscribe, &fields).unwrap_err().code, "InvalidParameter", "{protocol}");
    }
    assert_eq!(call(&account, publish_operation, &[("TopicArn", TOPIC)]).unwrap_err().status, 400);
    let long = "x".repeat(256 * 1024 + 1);
    assert_eq!(publish(&account, TOPIC, None, &long).unwrap_err().code, "InvalidParameter");
}
