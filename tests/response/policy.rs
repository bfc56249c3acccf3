//! `quell policy` against an account: a proposed policy beside what devices do, and beside what AWS itself decides.

use serde_json::Value;

use crate::world::World;

/// Lets a thing connect and publish on topics it does not use.
pub(crate) const NARROW: &str = r#"{"Version": "2012-10-17", "Statement": [
    {"Sid": "In", "Effect": "Allow", "Action": "iot:Connect",
     "Resource": "arn:aws:iot:us-east-1:123456789012:client/${iot:Connection.Thing.ThingName}"},
    {"Sid": "Own", "Effect": "Allow", "Action": "iot:Publish",
     "Resource": "arn:aws:iot:us-east-1:123456789012:topic/dt/${iot:Connection.Thing.ThingName}/*"}]}"#;

fn decisions(told: &Value) -> Vec<(String, String, bool)> {
    let devices = told["devices"].as_array().unwrap().iter();
    devices
        .flat_map(|device| device["requests"].as_array().unwrap())
        .map(|request| {
            let what =
                format!("{} {}", request["action"].as_str().unwrap(), request["resource"].as_str().unwrap());
            (what, request["decision"].as_str().unwrap().to_owned(), request["awsToday"].is_object())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_tried_on_what_is_heard_and_on_a_recording_and_nothing_changes() {
    let world = World::start().await;
    let certificate = world.things(&["Thing02"]).await;
    world.file("narrow.json", NARROW);
    world.file("broken.json", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow"}]}"#);
    let _device = world.device("Thing02", &certificate).await;
    let recording = world.spawn(&["record", "heard.quell", "--for", "6s"]);
    let recording = tokio::task::spawn_blocking(move || recording.wait_with_output().unwrap());
    while !recording.is_finished() {
        // Cut, it comes back: while it is recorded it connects, whenever that begins.
        let _ = world.data.delete_connection().client_id("Thing02").send().await;
        tokio::time::sleep(std::time::Duration::from_millis(900)).await;
    }
    assert!(recording.await.unwrap().status.success());
    world.door.forget();
    let live =
        ["policy", "try", "narrow.json", "--live", "3s", "--check-aws", "--as-things", "--all", "--json"];
    let live = world.run(&live).await;
    assert_eq!(live.code, Some(3), "{live:?}");
    let told = live.json();
    let found = decisions(&told);
    assert!(
        found.iter().any(|(what, decision, _)| what == "iot:Connect Thing02" && decision == "allowed"),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .any(|(what, decision, _)| what == "iot:Publish temperature/Thing02" && decision == "refused"),
        "{found:?}"
    );
    assert_eq!(told["testAuthorization"]["differ"], 0, "{told:#}");
    assert_eq!(told["devices"].as_array().map(Vec::len), Some(1), "a console is no device: {told:#}");
    let missed = &told["devices"][0]["requests"][1]["missed"][0];
    assert_eq!((&missed["statement"]["sid"], &missed["statement"]["statement"]), (&"Own".into(), &2.into()));

    let table =
        world.run(&["policy", "try", "narrow.json", "--on", "heard.quell", "--no-aws", "--as-things"]).await;
    assert_eq!(table.code, Some(3), "{table:?}");
    assert!(table.out.contains("narrow statement 2 (Own): its resources do not match"), "{}", table.out);
    assert!(table.out.starts_with("DECISION") && table.out.contains("refused"), "{}", table.out);

    // The least policy of the recording allows what the recording holds; AWS, asked, agrees with quell about today.
    let least = world.run(&["policy", "least", "--on", "heard.quell", "--check-aws"]).await;
    assert_eq!(least.code, Some(0), "{least:?}");
    assert!(least.out.contains("topic/temperature/${iot:Connection.Thing.ThingName}"), "{least:?}");
    world.file("least.json", &least.out);
    let again =
        world.run(&["policy", "try", "least.json", "--on", "heard.quell", "--check-aws", "--json"]).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    let told = again.json();
    assert_eq!((&told["refused"], &told["unknown"]), (&0.into(), &0.into()), "{told:#}");
    assert!(told["testAuthorization"]["agree"].as_u64().unwrap() >= 2, "{told:#}");
    assert_eq!(told["testAuthorization"]["differ"], 0, "{told:#}");

    let broken = world.run(&["policy", "try", "broken.json", "--on", "heard.quell"]).await;
    assert_eq!(broken.code, Some(2));
    assert!(broken.err.contains("broken.json: Action is missing"), "{}", broken.err);
    assert_eq!(world.changed(), 0, "nothing is changed");
}
