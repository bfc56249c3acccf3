//! The REST doors of jobs: the control plane's and the device's.

use serde_json::{Value, json};

use super::super::model::Status;
use super::super::*;
use super::{MINUTE, account, at, body, create, now, request, statuses, things};
use crate::api::s3;

#[test]
fn the_rest_door_speaks_of_the_head_of_the_list_with_a_textual_document() {
    let account = account(1);
    create(&account, "a", json!({"targets": things(&account, 0..1), "document": "{\"n\":1}"})).unwrap();
    let path = [("thingName", "t0"), ("jobId", "$next")];
    let next = body(data::describe(&request(&account, &path, &[], Value::Null)));
    assert_eq!(
        (&next["execution"]["jobId"], &next["execution"]["jobDocument"]),
        (&json!("a"), &json!("{\"n\":1}"))
    );
    assert!(next["execution"]["queuedAt"].is_i64());
    let started =
        body(data::start_next(&request(&account, &path, &[], json!({"statusDetails": {"k": "v"}}))));
    assert_eq!(started["execution"]["status"], "IN_PROGRESS");
    let listed = body(data::pending(&request(&account, &path, &[], Value::Null)));
    assert_eq!(listed["inProgressJobs"][0]["jobId"], "a");
    assert_eq!(listed["queuedJobs"], json!([]));
    let path = [("thingName", "t0"), ("jobId", "a")];
    let ask = json!({"status": "SUCCEEDED", "expectedVersion": 9, "includeJobExecutionState": true});
    let refused = data::update(&request(&account, &path, &[], ask)).unwrap_err();
    assert_eq!((refused.status, refused.extra["executionState"]["versionNumber"].as_u64()), (409, Some(2)));
    for nonsense in [json!("two"), json!(true), json!(-1), json!([2])] {
        let ask = json!({"status": "SUCCEEDED", "expectedVersion": nonsense});
        assert_eq!(data::update(&request(&account, &path, &[], ask)).unwrap_err().status, 400);
    }
    // As a text: AWS's guide has devices send it so.
    let ask = json!({"status": "SUCCEEDED", "expectedVersion": "2", "includeJobExecutionState": true});
    let done = body(data::update(&request(&account, &path, &[], ask)));
    assert_eq!(
        done["executionState"],
        json!({"status":"SUCCEEDED","statusDetails":{"k":"v"},"versionNumber":3})
    );
    let none = body(data::describe(&request(
        &account,
        &[("thingName", "t0"), ("jobId", "$next")],
        &[],
        Value::Null,
    )));
    assert_eq!(none, json!({}));
}

#[test]
fn each_member_out_of_bounds_is_refused() {
    let account = account(1);
    let target = things(&account, 0..1);
    let with = |member: &str, value: Value| {
        let mut spec = json!({"targets": target, "document": "{}"});
        spec[member] = value;
        create(&account, "j", spec).map_err(|e| e.status).map(drop)
    };
    assert_eq!(with("targets", json!([])), Err(400));
    assert_eq!(with("targets", json!(["arn:aws:iot:us-east-1:123456789012:thing/nobody"])), Err(404));
    assert_eq!(with("targets", json!(["arn:aws:iot:us-east-1:123456789012:cert/x"])), Err(400));
    assert_eq!(with("document", json!("not json")), Err(400));
    assert_eq!(with("document", json!(format!("\"{}\"", "x".repeat(32_768)))), Err(400));
    assert_eq!(with("documentSource", json!("https://s3.amazonaws.com/b/k")), Err(400));
    assert_eq!(with("targetSelection", json!("ALL")), Err(400));
    assert_eq!(with("timeoutConfig", json!({"inProgressTimeoutInMinutes": 10_081})), Err(400));
    assert_eq!(with("jobExecutionsRolloutConfig", json!({"maximumPerMinute": 0})), Err(400));
    assert_eq!(with("presignedUrlConfig", json!({"expiresInSec": 59})), Err(400));
    assert_eq!(with("abortConfig", json!({"criteriaList": []})), Err(400));
    let retries = |list: Value| with("jobExecutionsRetryConfig", json!({"criteriaList": list}));
    assert_eq!(retries(json!([{"failureType": "REJECTED", "numberOfRetries": 1}])), Err(400));
    assert_eq!(retries(json!([{"failureType": "FAILED", "numberOfRetries": 11}])), Err(400));
    assert_eq!(create(&account, "no spaces", json!({})).unwrap_err().status, 400);
    assert_eq!(with("description", json!("fine")), Ok(()));
}

#[test]
fn a_document_comes_from_s3_and_a_template_gives_a_job_what_it_lacks() {
    let account = account(1);
    account.objects.create_bucket("documents", 0);
    crate::api::s3::put_object(&account, "documents", "fw.json", Bytes::from_static(b"{\"fw\":2}")).unwrap();
    let source = "https://s3.amazonaws.com/documents/fw.json";
    let template = |body: Value| templates::create(&request(&account, &[("jobTemplateId", "T")], &[], body));
    assert_eq!(template(json!({"document": "{}"})).unwrap_err().status, 400, "a description is required");
    let timeout = json!({"inProgressTimeoutInMinutes": 7});
    let made =
        body(template(json!({"description": "d", "documentSource": source, "timeoutConfig": timeout})));
    let arn = made["jobTemplateArn"].as_str().unwrap();
    assert_eq!(arn, "arn:aws:iot:us-east-1:123456789012:jobtemplate/T");
    create(&account, "j", json!({"targets": things(&account, 0..1), "jobTemplateArn": arn})).unwrap();
    let answer = body(control::describe(&request(&account, &[("jobId", "j")], &[], Value::Null)));
    assert_eq!((&answer["documentSource"], &answer["job"]["timeoutConfig"]), (&json!(source), &timeout));
    let document = body(control::document(&request(&account, &[("jobId", "j")], &[], Value::Null)));
    assert_eq!(document["document"], "{\"fw\":2}");
    templates::delete(&request(&account, &[("jobTemplateId", "T")], &[], Value::Null)).unwrap();
    let orphan = create(&account, "k", json!({"targets": things(&account, 0..1), "jobTemplateArn": arn}));
    assert_eq!(orphan.unwrap_err().status, 404);
}

#[test]
fn a_deleted_thing_does_not_keep_a_snapshot_job_open() {
    let account = account(2);
    let spec = json!({"targets": things(&account, 0..2), "document": "{}",
        "jobExecutionsRolloutConfig": {"maximumPerMinute": 1}});
    create(&account, "j", spec).unwrap();
    for thing in ["t0", "t1"] {
        crate::api::registry::delete_thing(&account, thing, None).unwrap();
    }
    assert_eq!(statuses(&account, "j")["t0"], Status::Removed);
    at(&account, now(&account) + MINUTE, |jobs, env, changes| jobs.tick(env, changes));
    assert_eq!(statuses(&account, "j").len(), 1, "a thing that is gone is not reached");
    assert_eq!(account.read().jobs.job("j").unwrap().status.as_str(), "COMPLETED");
}

#[test]
fn a_placeholder_becomes_a_url_that_serves_the_object_each_time_a_device_asks() {
    let account = account(1);
    account.sns.set_base("http://127.0.0.1:4510");
    assert!(account.objects.create_bucket("fw", 0));
    s3::put_object(&account, "fw", "dir/v 2.bin", "new".into()).unwrap();
    let document = json!({
        "url": "${aws:iot:s3-presigned-url:https://s3.us-east-1.amazonaws.com/fw/dir/v 2.bin}",
        "text": "get ${aws:iot:s3-presigned-url-v2:s3://fw/dir/v%202.bin} now",
        "n": 1
    });
    let spec = |config: Value| json!({ "targets": things(&account, 0..1), "document": document.to_string(), "presignedUrlConfig": config });
    let refused = create(&account, "j", spec(json!({ "expiresInSec": 300 }))).unwrap_err();
    assert_eq!(refused.message, "Role must be provided for pre-sign S3 urls in job document of job j.");
    let role = "arn:aws:iam::123456789012:role/presign";
    create(&account, "j", spec(json!({ "roleArn": role, "expiresInSec": 300 }))).unwrap();
    let held = body(control::document(&request(&account, &[("jobId", "j")], &[], Value::Null)));
    assert_eq!(held["document"], document.to_string(), "the operator sees the placeholder");

    let path = [("thingName", "t0"), ("jobId", "j")];
    let given = body(data::describe(&request(&account, &path, &[], Value::Null)));
    let given: Value = serde_json::from_str(given["execution"]["jobDocument"].as_str().unwrap()).unwrap();
    let url = given["url"].as_str().unwrap();
    assert!(url.starts_with("http://127.0.0.1:4510/fw/dir/v%202.bin?X-Amz-Algorithm="), "{url}");
    assert!(url.contains("&X-Amz-Expires=300&"));
    let text = given["text"].as_str().unwrap();
    assert!(text.starts_with("get http://") && text.ends_with(" now"), "{text}");

    // The signature is one the front lets in, until it runs out.
    let (path, query) = url.strip_prefix("http://127.0.0.1:4510").unwrap().split_once('?').unwrap();
    let mut headers = hyper::HeaderMap::new();
    headers.insert("host", "127.0.0.1:4510".parse().unwrap());
    let get = crate::sigv4::Request { method: "GET", path, query, headers: &headers, body: b"" };
    let verify =
        |now| crate::sigv4::verify(&get, |_| Some(crate::sigv4::Secret::Known("SK".to_owned())), now);
    let now = account.clock.now_ms() / 1000;
    assert_eq!(verify(now).unwrap().service, "s3");
    assert!(verify(now + 302).is_err());
}

#[test]
fn a_placeholder_that_names_no_object_is_refused() {
    let account = account(1);
    let said = |url: &str, v2: &str| {
        let spec = json!({
            "targets": things(&account, 0..1),
            "document": json!({ "u": format!("${{aws:iot:s3-presigned-url{v2}:{url}}}") }).to_string(),
            "presignedUrlConfig": { "roleArn": "arn:aws:iam::123456789012:role/presign" }
        });
        create(&account, "j", spec).unwrap_err().message
    };
    assert_eq!(said("https://example.com/fw.bin", ""), "Given S3 url https://example.com/fw.bin is invalid.");
    assert_eq!(said("s3://b/fw 1.bin", "-v2"), "Given S3 url s3://b/fw 1.bin is invalid.");
    assert_eq!(
        said("https://s3.us-east-1.amazonaws.com/bucket", ""),
        "Provided S3 url is not valid: https://s3.us-east-1.amazonaws.com/bucket. Error: Key cannot be null"
    );
}

#[test]
fn every_execution_is_listed_the_newest_of_a_thing_first() {
    let account = account(2);
    let spec = json!({
        "targets": things(&account, 0..2),
        "document": "{}",
        "jobExecutionsRetryConfig": { "criteriaList": [{ "failureType": "FAILED", "numberOfRetries": 2 }] }
    });
    create(&account, "j", spec).unwrap();
    let path = [("thingName", "t0"), ("jobId", "j")];
    for _ in 0..2 {
        data::update(&request(&account, &path, &[], json!({ "status": "FAILED" }))).unwrap();
    }
    let pages = |query: &[(&str, &str)]| {
        body(executions::for_job(&request(&account, &[("jobId", "j")], query, Value::Null)))
    };
    let seen = |page: &Value| -> Vec<(String, u64)> {
        let rows = page["executionSummaries"].as_array().unwrap().iter();
        rows.map(|row| {
            let thing = row["thingArn"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            (thing, row["jobExecutionSummary"]["executionNumber"].as_u64().unwrap())
        })
        .collect()
    };
    let row = |thing: &str, number: u64| (thing.to_owned(), number);
    let first = pages(&[("maxResults", "2")]);
    assert_eq!(seen(&first), [row("t0", 3), row("t0", 2)]);
    let token = first["nextToken"].as_str().unwrap();
    assert_eq!(seen(&pages(&[("maxResults", "2"), ("nextToken", token)])), [row("t0", 1), row("t1", 1)]);
    assert_eq!(seen(&pages(&[("status", "FAILED")])), [row("t0", 2), row("t0", 1)]);
    let of_thing = body(executions::for_thing(&request(&account, &[("thingName", "t0")], &[], Value::Null)));
    let numbers: Vec<_> = of_thing["executionSummaries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["jobExecutionSummary"]["executionNumber"])
        .collect();
    assert_eq!(numbers, [3, 2, 1]);
}

#[test]
fn a_finished_execution_refuses_an_update_in_the_words_and_with_the_error_of_each_door() {
    let account = account(1);
    create(&account, "j", json!({ "targets": things(&account, 0..1), "document": "{}" })).unwrap();
    let path = [("thingName", "t0"), ("jobId", "j")];
    let update = |status: &str| data::update(&request(&account, &path, &[], json!({ "status": status })));
    update("SUCCEEDED").unwrap();
    let refused = update("FAILED").unwrap_err();
    assert_eq!(
        (refused.status, refused.code, refused.message.as_str()),
        (409, "InvalidStateTransitionException", "Job j for t0 has already finished with status SUCCEEDED")
    );
    assert_eq!(
        update("CANCELED").unwrap_err().message,
        "The status of job execution cannot be changed to be CANCELED"
    );
    let described = data::describe(&request(&account, &path, &[], Value::Null)).unwrap_err();
    assert_eq!((described.status, described.code), (410, "TerminalStateException"));
    let canceled = executions::cancel(&request(&account, &path, &[], Value::Null)).unwrap_err();
    assert_eq!(canceled.message, "Job execution for thing t0 within job j cannot be canceled.");
}
