//! Fleet provisioning over MQTT, by claim (docs/aws-iot.md#3.11).

use bytes::Bytes;
use rumqttc::PublishOptions;
use serde_json::{Value, json};

use crate::client::Client;
use crate::{Identity, World};

const PREFIX: &str = "arn:aws:iot:us-east-1:123456789012";

/// What a claim certificate may do: provision with one template.
fn claim_policy() -> String {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"},
        {"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"], "Resource": [
            format!("{PREFIX}:topic/$aws/certificates/*"),
            format!("{PREFIX}:topic/$aws/provisioning-templates/Fleet/provision/*")]},
        {"Effect": "Allow", "Action": "iot:Subscribe", "Resource": [
            format!("{PREFIX}:topicfilter/$aws/certificates/*"),
            format!("{PREFIX}:topicfilter/$aws/provisioning-templates/Fleet/provision/*")]}
    ]})
    .to_string()
}

fn template() -> String {
    json!({
        "Parameters": {"SerialNumber": {"Type": "String"}, "AWS::IoT::Certificate::Id": {"Type": "String"}},
        "Resources": {
            "thing": {"Type": "AWS::IoT::Thing", "Properties": {
                "ThingName": {"Fn::Join": ["", ["dev-", {"Ref": "SerialNumber"}]]},
                "AttributePayload": {"serial": {"Ref": "SerialNumber"}}, "ThingGroups": ["Fleet"]}},
            "certificate": {"Type": "AWS::IoT::Certificate", "Properties":
                {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "Active"}},
            "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "Device"}}},
        "DeviceConfiguration": {"LocationUrl": "https://example.aws"},
    })
    .to_string()
}

/// A world with a template, what it needs, and a device that holds a claim.
async fn world() -> (World, Client) {
    let world = World::start().await;
    world.policy("Device", crate::ALLOW).await;
    world.iot.create_thing_group().thing_group_name("Fleet").send().await.unwrap();
    let create = world.iot.create_provisioning_template().template_name("Fleet").enabled(true);
    let role = "arn:aws:iam::123456789012:role/Provisioning";
    create.provisioning_role_arn(role).template_body(template()).send().await.unwrap();
    let claim = world.identity_with(&claim_policy()).await;
    let device = world.device("new-device", &claim).await;
    (world, device)
}

/// Asks and waits for the answer: which of the two, and what it says.
async fn ask(device: &mut Client, topic: &str, payload: impl Into<Bytes>) -> (bool, Bytes) {
    for verdict in ["accepted", "rejected"] {
        device.subscribe(&[&format!("{topic}/{verdict}")]).await;
    }
    device.handle.publish(topic, payload.into(), PublishOptions::at_least_once()).await.unwrap();
    let answer = device.message().await;
    (answer.topic == format!("{topic}/accepted"), answer.payload)
}

async fn ask_json(device: &mut Client, topic: &str, request: &Value) -> (bool, Value) {
    let (accepted, body) = ask(device, topic, request.to_string()).await;
    (accepted, serde_json::from_slice(&body).unwrap())
}

fn identity(certificate: &Value, key: &str) -> Identity {
    let id = certificate["certificateId"].as_str().unwrap().to_owned();
    Identity {
        arn: format!("{PREFIX}:cert/{id}"),
        id,
        certificate: certificate["certificatePem"].as_str().unwrap().to_owned(),
        key: key.to_owned(),
    }
}

#[tokio::test]
async fn a_device_with_a_claim_gets_keys_is_registered_and_lives_with_them() {
    let (world, mut device) = world().await;
    let (accepted, made) = ask_json(&mut device, "$aws/certificates/create/json", &json!({})).await;
    assert!(accepted, "{made}");
    let key = made["privateKey"].as_str().unwrap();
    assert!(key.starts_with("-----BEGIN RSA PRIVATE KEY-----"), "as AWS writes them");
    let own = identity(&made, key);
    let status = async || {
        let held = world.iot.describe_certificate().certificate_id(&own.id).send().await.unwrap();
        held.certificate_description.unwrap().status.unwrap().as_str().to_owned()
    };
    assert_eq!(status().await, "PENDING_ACTIVATION");
    let token = made["certificateOwnershipToken"].as_str().unwrap();
    let topic = "$aws/provisioning-templates/Fleet/provision/json";
    let request = json!({"certificateOwnershipToken": token, "parameters": {"SerialNumber": "7"}});
    let (accepted, answer) = ask_json(&mut device, topic, &request).await;
    assert!(accepted, "{answer}");
    let configuration = json!({"LocationUrl": "https://example.aws"});
    assert_eq!(answer, json!({"deviceConfiguration": configuration, "thingName": "dev-7"}));
    assert_eq!(status().await, "ACTIVE");
    let thing = world.iot.describe_thing().thing_name("dev-7").send().await.unwrap();
    assert_eq!(thing.attributes.unwrap()["serial"], "7");
    let members = world.iot.list_things_in_thing_group().thing_group_name("Fleet").send().await.unwrap();
    assert_eq!(members.things(), ["dev-7"]);
    let principals = world.iot.list_thing_principals().thing_name("dev-7").send().await.unwrap();
    assert_eq!(principals.principals(), [own.arn.as_str()]);
    // And the keys are good.
    world.device("dev-7", &own).await.publish("dt/dev-7", "hello").await;
    // A token serves once.
    let (accepted, answer) = ask_json(&mut device, topic, &request).await;
    assert_eq!((accepted, &answer["errorCode"]), (false, &json!("InvalidCertificateOwnershipToken")));
}

#[tokio::test]
async fn a_claim_that_a_trusted_user_asked_for_provisions_by_its_template_and_does_nothing_else() {
    let (world, _) = world().await;
    let issued = world.iot.create_provisioning_claim().template_name("Fleet").send().await.unwrap();
    let left = issued.expiration().unwrap().secs() - jiff::Timestamp::now().as_second();
    assert!((280..=300).contains(&left), "five minutes: {left}");
    let id = issued.certificate_id().unwrap().to_owned();
    let key = issued.key_pair().unwrap().private_key().unwrap().to_owned();
    let pem = issued.certificate_pem().unwrap().to_owned();
    // No device's: it is in no list.
    let described = world.iot.describe_certificate().certificate_id(&id).send().await;
    assert!(described.unwrap_err().into_service_error().is_resource_not_found_exception());
    let claim = Identity { arn: format!("{PREFIX}:cert/{id}"), id, certificate: pem, key };
    let mut device = world.device("straight-from-the-box", &claim).await;
    let (accepted, made) = ask_json(&mut device, "$aws/certificates/create/json", &json!({})).await;
    assert!(accepted, "{made}");
    let token = &made["certificateOwnershipToken"];
    let request = json!({"certificateOwnershipToken": token, "parameters": {"SerialNumber": "9"}});
    let topic = "$aws/provisioning-templates/Fleet/provision/json";
    let (accepted, answer) = ask_json(&mut device, topic, &request).await;
    assert_eq!((accepted, &answer["thingName"]), (true, &json!("dev-9")));
    // Another topic ends the connection, as any that a policy does not allow.
    device.publish_and_be_cut("dt/x", "no").await;
    let refused = world.iot.create_provisioning_claim().template_name("Other").send().await;
    assert!(refused.unwrap_err().into_service_error().is_resource_not_found_exception());
    let update = world.iot.update_provisioning_template().template_name("Fleet").enabled(false);
    update.send().await.unwrap();
    let refused = world.iot.create_provisioning_claim().template_name("Fleet").send().await;
    assert!(refused.unwrap_err().into_service_error().is_invalid_request_exception());
}

#[tokio::test]
async fn a_claim_is_over_after_its_time_and_so_is_its_connection() {
    let world = World::at_speed(100.0).await;
    let role = "arn:aws:iam::123456789012:role/Provisioning";
    let create = world.iot.create_provisioning_template().template_name("Fleet").enabled(true);
    create.provisioning_role_arn(role).template_body(template()).send().await.unwrap();
    let issued = world.iot.create_provisioning_claim().template_name("Fleet").send().await.unwrap();
    let id = issued.certificate_id().unwrap().to_owned();
    let claim = Identity {
        arn: format!("{PREFIX}:cert/{id}"),
        id,
        certificate: issued.certificate_pem().unwrap().to_owned(),
        key: issued.key_pair().unwrap().private_key().unwrap().to_owned(),
    };
    world.device("in-time", &claim).await.ended().await;
    Client::refused(world.secure("late", &claim)).await;
}

#[tokio::test]
async fn a_signing_request_and_cbor_go_the_same_way() {
    let (world, mut device) = world().await;
    let key = rcgen::KeyPair::generate().unwrap();
    let csr =
        rcgen::CertificateParams::new(Vec::new()).unwrap().serialize_request(&key).unwrap().pem().unwrap();
    let cbor = |value: &Value| {
        let mut out = Vec::new();
        ciborium::into_writer(value, &mut out).unwrap();
        out
    };
    let request = cbor(&json!({"certificateSigningRequest": csr}));
    let (accepted, body) = ask(&mut device, "$aws/certificates/create-from-csr/cbor", request).await;
    let made: Value = ciborium::from_reader(&body[..]).unwrap();
    assert!(accepted, "{made}");
    assert!(made.get("privateKey").is_none());
    let token = &made["certificateOwnershipToken"];
    let request = cbor(&json!({"certificateOwnershipToken": token, "parameters": {"SerialNumber": "8"}}));
    let (accepted, body) =
        ask(&mut device, "$aws/provisioning-templates/Fleet/provision/cbor", request).await;
    let answer: Value = ciborium::from_reader(&body[..]).unwrap();
    assert!(accepted, "{answer}");
    let own = identity(&made, &key.serialize_pem());
    world.device("dev-8", &own).await.publish("dt/dev-8", "hello").await;
}

#[tokio::test]
async fn what_cannot_be_provisioned_is_rejected_with_a_reason() {
    let (world, mut device) = world().await;
    let (_, made) = ask_json(&mut device, "$aws/certificates/create/json", &json!({})).await;
    let token = made["certificateOwnershipToken"].clone();
    let topic = "$aws/provisioning-templates/Fleet/provision/json";
    let forged = json!(format!("{}x", token.as_str().unwrap()));
    for (request, status, code) in [
        (json!({"parameters": {}}), 400, "InvalidCertificateOwnershipToken"),
        (json!({"certificateOwnershipToken": forged}), 400, "InvalidCertificateOwnershipToken"),
        (json!({"certificateOwnershipToken": token}), 400, "InvalidParameters"),
        (
            json!({"certificateOwnershipToken": token, "parameters": {"SerialNumber": 7}}),
            400,
            "InvalidParameters",
        ),
        (
            json!({"certificateOwnershipToken": token, "parameters": {"SerialNumber": "a b"}}),
            400,
            "InvalidParameters",
        ),
        (json!([]), 400, "InvalidPayload"),
    ] {
        let (accepted, answer) = ask_json(&mut device, topic, &request).await;
        assert_eq!(
            (accepted, &answer["statusCode"], &answer["errorCode"]),
            (false, &json!(status), &json!(code)),
            "{request}"
        );
        assert!(answer["errorMessage"].is_string());
    }
    let (accepted, answer) = ask_json(
        &mut device,
        "$aws/certificates/create-from-csr/json",
        &json!({"certificateSigningRequest": "x"}),
    )
    .await;
    assert!(!accepted, "{answer}");
    // A template that is off, and one that is gone.
    let off = world.iot.update_provisioning_template().template_name("Fleet").enabled(false);
    off.send().await.unwrap();
    let request = json!({"certificateOwnershipToken": token, "parameters": {"SerialNumber": "9"}});
    assert_eq!(ask_json(&mut device, topic, &request).await.1["errorCode"], "AccessDenied");
    world.iot.delete_provisioning_template().template_name("Fleet").send().await.unwrap();
    assert_eq!(ask_json(&mut device, topic, &request).await.1["errorCode"], "ResourceNotFound");
    // Of all that nothing was left behind.
    let things = world.iot.list_things().send().await.unwrap();
    assert!(things.things().is_empty());
    // A claim may do nothing else.
    device.publish_and_be_cut("dt/x", "x").await;
}

#[tokio::test]
async fn a_reserved_topic_that_is_no_request_ends_the_connection() {
    let world = World::start().await;
    for topic in [
        "$aws/certificates/revoke/json",
        "$aws/provisioning-templates/Fleet/provision/xml",
        "$aws/things/T/defender/metrics/xml",
        "$aws/things/T/streams/s/get/json",
    ] {
        let mut device = world.client("device").await;
        device.handle.publish(topic, "{}", PublishOptions::at_most_once()).await.unwrap();
        device.ended().await;
    }
    // One of the jobs is answered.
    let mut device = world.client("device").await;
    device.subscribe(&["$aws/things/T/jobs/nonsense/rejected"]).await;
    device.handle.publish("$aws/things/T/jobs/nonsense", "{}", PublishOptions::at_most_once()).await.unwrap();
    assert_eq!(device.json().await.1["code"], "InvalidTopic");
}
