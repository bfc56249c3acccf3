//! Rules over the account's own seams; over sockets they are tested in `tests/rules_sns_cloudwatch.rs`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::account::Account;
use crate::api::{ApiError, Req, Resp, cloudwatch, s3};
use crate::broker::{Principal, Session};
use crate::clock::Clock;
use crate::store::Wal;

fn account_on(wal: Wal) -> Arc<Account> {
    Account::open("123456789012", "us-east-1", Clock::new(1.0), wal, "AKIA", "secret")
}

fn account() -> Arc<Account> {
    account_on(Wal::default())
}

fn call(
    account: &Arc<Account>,
    handler: fn(&Req) -> Result<Resp, ApiError>,
    name: &str,
    query: &[(&str, &str)],
    body: &Value,
) -> Result<Value, ApiError> {
    let req = Req {
        account: account.clone(),
        caller: "AKIA".to_owned(),
        device: None,
        path: vec![("ruleName", name.to_owned())],
        query: query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        headers: Vec::new(),
        body: body.to_string().into(),
    };
    handler(&req).map(|resp| serde_json::from_slice(&resp.body).unwrap())
}

const ROLE: &str = "arn:aws:iam::123456789012:role/IoTtoCloudWatchAlerting";

fn humidity(sql: &str, value: &str) -> Value {
    json!({"sql": sql, "awsIotSqlVersion": "2016-03-23", "actions": [{"cloudwatchMetric": {"roleArn": ROLE,
        "metricNamespace": "IoT", "metricName": "HighHumidity", "metricValue": value, "metricUnit": "Count"}}]})
}

fn create(account: &Arc<Account>, name: &str, payload: &Value) {
    call(account, create_topic_rule, name, &[], payload).unwrap();
}

fn publish(account: &Arc<Account>, topic: &str, payload: &str) {
    let session = Session {
        client_id: "Thing01".into(),
        principal: Principal::Certificate("ab".repeat(32)),
        serial: 1,
        ip: [127, 0, 0, 1].into(),
        attributes: Default::default(),
    };
    on_publish(account, &session, topic, &payload.to_owned().into(), None);
}

/// The sum of a metric over the last hour.
fn sum(account: &Arc<Account>, namespace: &str, name: &str, dimensions: &[(&str, &str)]) -> f64 {
    let now = account.clock.now_secs();
    let dimensions: Vec<_> = dimensions.iter().map(|(n, v)| json!({"Name": n, "Value": v})).collect();
    let req = Req {
        account: account.clone(),
        caller: "AKIA".to_owned(),
        device: None,
        path: Vec::new(),
        query: Vec::new(),
        headers: vec![("x-amz-target".to_owned(), "G.GetMetricData".to_owned())],
        body: json!({"StartTime": now - 3600.0, "EndTime": now + 60.0, "MetricDataQueries": [{"Id": "a", "MetricStat": {
            "Metric": {"Namespace": namespace, "MetricName": name, "Dimensions": dimensions}, "Period": 60, "Stat": "Sum"}}]})
        .to_string()
        .into(),
    };
    let body: Value = serde_json::from_slice(&cloudwatch::get_metric_data(&req).unwrap().body).unwrap();
    body["MetricDataResults"][0]["Values"].as_array().unwrap().iter().filter_map(Value::as_f64).sum()
}

const UPDATE: &str = r#"{"state":{"reported":{"Humidity":63}}}"#;

#[test]
fn the_seeds_rule_stays_silent_and_the_corrected_one_counts() {
    let account = account();
    let topic = "$aws/things/IoT-Temperature-Device/shadow/update";
    create(
        &account,
        "HighHumidity",
        &humidity(&format!("SELECT Humidity FROM '{topic}' WHERE Humidity > 50"), "1"),
    );
    let right = "SELECT state.reported.Humidity AS Humidity FROM '$aws/things/+/shadow/update/accepted' WHERE state.reported.Humidity > 50";
    create(&account, "Corrected", &humidity(right, "${state.reported.Humidity}"));
    publish(&account, topic, UPDATE);
    assert_eq!(sum(&account, "IoT", "HighHumidity", &[]), 0.0);
    assert_eq!(sum(&account, "AWS/IoT", "TopicMatch", &[("RuleName", "HighHumidity")]), 1.0);
    // The shadow service's answer is published by AWS, and rules see it.
    account.broker().publish(&format!("{topic}/accepted"), UPDATE.into());
    assert_eq!(sum(&account, "IoT", "HighHumidity", &[]), 63.0);
    let dimensions = [("ActionType", "CloudwatchMetric"), ("RuleName", "Corrected")];
    assert_eq!(sum(&account, "AWS/IoT", "Success", &dimensions), 1.0);
    assert_eq!(sum(&account, "AWS/IoT", "RulesExecuted", &[]), 1.0);
}

#[test]
fn a_disabled_rule_is_not_evaluated_and_a_replaced_one_is_the_new_one() {
    let account = account();
    create(&account, "R", &humidity("SELECT * FROM 'a/+'", "1"));
    call(&account, disable_topic_rule, "R", &[], &json!({})).unwrap();
    publish(&account, "a/b", "{}");
    assert_eq!(sum(&account, "AWS/IoT", "TopicMatch", &[("RuleName", "R")]), 0.0);
    call(&account, enable_topic_rule, "R", &[], &json!({})).unwrap();
    publish(&account, "a/b", "{}");
    assert_eq!(sum(&account, "IoT", "HighHumidity", &[]), 1.0);
    call(&account, replace_topic_rule, "R", &[], &humidity("SELECT * FROM 'c'", "10")).unwrap();
    publish(&account, "a/b", "{}");
    publish(&account, "c", "{}");
    assert_eq!(sum(&account, "IoT", "HighHumidity", &[]), 11.0);
    call(&account, delete_topic_rule, "R", &[], &json!({})).unwrap();
    publish(&account, "c", "{}");
    assert_eq!(sum(&account, "IoT", "HighHumidity", &[]), 11.0);
}

#[test]
fn a_failed_action_reaches_the_error_action_with_the_original_message() {
    let account = account();
    account.objects.create_bucket("errors", 0);
    let mut payload = humidity("SELECT * FROM 'dt/#'", "${temperature}");
    payload["actions"]
        .as_array_mut()
        .unwrap()
        .push(json!({"lambda": {"functionArn": "arn:aws:lambda:us-east-1:123456789012:function:f"}}));
    payload["errorAction"] =
        json!({"s3": {"roleArn": ROLE, "bucketName": "errors", "key": "${topic(2)}.json"}});
    create(&account, "R", &payload);
    publish(&account, "dt/Thing01", r#"{"temperature":"warm"}"#);
    let report: Value =
        serde_json::from_slice(&s3::get_object(&account, "errors", "Thing01.json").unwrap()).unwrap();
    assert_eq!(report["ruleName"], "R");
    assert_eq!(report["topic"], "dt/Thing01");
    assert_eq!(report["clientId"], "Thing01");
    assert_eq!(report["base64OriginalPayload"], "eyJ0ZW1wZXJhdHVyZSI6Indhcm0ifQ==");
    let failed: Vec<_> = report["failures"].as_array().unwrap().iter().map(|f| &f["failedAction"]).collect();
    assert_eq!(failed, ["CloudwatchMetricAction", "LambdaAction"]);
    assert_eq!(sum(&account, "AWS/IoT", "Failure", &[("ActionType", "Lambda"), ("RuleName", "R")]), 1.0);
}

#[test]
fn rules_that_feed_one_another_come_to_an_end() {
    let account = account();
    let again = json!({"sql": "SELECT * FROM 'loop/#'", "actions": [{"republish": {"roleArn": ROLE, "topic": "loop/again"}}]});
    create(&account, "Loop", &again);
    publish(&account, "loop/first", "{}");
    let matched = sum(&account, "AWS/IoT", "TopicMatch", &[("RuleName", "Loop")]);
    assert!((2.0..=20.0).contains(&matched), "{matched}");
    publish(&account, "loop/second", "{}");
    assert_eq!(sum(&account, "AWS/IoT", "TopicMatch", &[("RuleName", "Loop")]), matched * 2.0);
}

#[test]
fn basic_ingest_names_its_rule_and_hides_the_prefix() {
    let account = account();
    account.objects.create_bucket("out", 0);
    create(
        &account,
        "Ingest",
        &json!({"sql": "SELECT topic() AS t, clientid() AS c", "actions": [{"s3": {"roleArn": ROLE, "bucketName": "out", "key": "k"}}]}),
    );
    publish(&account, "dt/a", "{}");
    assert_eq!(s3::get_object(&account, "out", "k"), None);
    publish(&account, "$aws/rules/Ingest/dt/a", "{}");
    let got = s3::get_object(&account, "out", "k").unwrap();
    assert_eq!(&got[..], br#"{"t":"dt/a","c":"Thing01"}"#);
    publish(&account, "$aws/rules/Nobody/dt/a", "{}");
    assert_eq!(sum(&account, "AWS/IoT", "RuleNotFound", &[("RuleName", "Nobody")]), 1.0);
}

#[test]
fn what_aws_refuses_is_refused_by_name() {
    let account = account();
    let good = humidity("SELECT * FROM 'a'", "1");
    let with = |path: &str, value: Value| {
        let mut payload = good.clone();
        *payload.pointer_mut(path).unwrap() = value;
        call(&account, create_topic_rule, "R", &[], &payload).unwrap_err().code
    };
    assert_eq!(with("/sql", json!("SELECT FROM 'a'")), "SqlParseException");
    assert_eq!(with("/sql", json!("SELECT isUndefinde(a) FROM 'a'")), "SqlParseException");
    // What would have to be made up is refused by its name.
    assert_eq!(with("/sql", json!("SELECT aws_lambda('arn', *) AS v FROM 'a'")), "SqlParseException");
    assert_eq!(
        with("/actions/0/cloudwatchMetric/metricValue", json!("${get_secret('s', 'k', 'r')}")),
        "InvalidRequestException"
    );
    assert_eq!(with("/awsIotSqlVersion", json!("2017-01-01")), "InvalidRequestException");
    assert_eq!(with("/actions/0", json!({"pager": {}})), "InvalidRequestException");
    assert_eq!(with("/actions/0/cloudwatchMetric/metricUnit", json!("")), "InvalidRequestException");
    assert_eq!(with("/actions/0/cloudwatchMetric/roleArn", json!("IoTRole")), "InvalidRequestException");
    assert_eq!(with("/actions/0/cloudwatchMetric/metricValue", json!("${")), "InvalidRequestException");
    assert_eq!(with("/actions", json!(vec![good["actions"][0].clone(); 11])), "InvalidRequestException");
    assert_eq!(
        call(&account, create_topic_rule, "bad-name", &[], &good).unwrap_err().code,
        "InvalidRequestException"
    );
    let missing = call(&account, get_topic_rule, "R", &[], &json!({})).unwrap_err();
    assert_eq!((missing.status, missing.code), (401, "UnauthorizedException"));
    create(&account, "R", &good);
    let taken = call(&account, create_topic_rule, "R", &[], &good).unwrap_err();
    assert_eq!((taken.status, taken.code), (409, "ResourceAlreadyExistsException"));
}

#[test]
fn rules_are_listed_by_topic_and_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let wal = Wal::open(dir.path()).unwrap();
    let account = account_on(wal.clone());
    create(&account, "A", &humidity("SELECT * FROM 'a/+'", "1"));
    create(&account, "B", &humidity("SELECT * FROM 'b'", "1"));
    call(&account, disable_topic_rule, "B", &[], &json!({})).unwrap();
    wal.commit().unwrap();
    drop((account, wal));
    let account = account_on(Wal::open(dir.path()).unwrap());
    let names = |query: &[(&str, &str)]| -> Vec<String> {
        let list = call(&account, list_topic_rules, "", query, &json!({})).unwrap();
        list["rules"].as_array().unwrap().iter().map(|r| r["ruleName"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&[]), ["A", "B"]);
    assert_eq!(names(&[("topic", "a/x")]), ["A"]);
    create(&account, "C", &humidity("SELECT * FROM 'a/#'", "1"));
    assert_eq!(names(&[("topic", "a")]), [""; 0], "a/# does not match a");
    assert_eq!(names(&[("topic", "a/x")]), ["A", "C"]);
    call(&account, delete_topic_rule, "C", &[], &json!({})).unwrap();
    assert_eq!(names(&[("ruleDisabled", "true")]), ["B"]);
    let page = call(&account, list_topic_rules, "", &[("maxResults", "1")], &json!({})).unwrap();
    let token = page["nextToken"].as_str().unwrap();
    assert_eq!(names(&[("maxResults", "1"), ("nextToken", token)]), ["B"]);
    publish(&account, "a/x", "{}");
    assert_eq!(sum(&account, "IoT", "HighHumidity", &[]), 1.0);
}
