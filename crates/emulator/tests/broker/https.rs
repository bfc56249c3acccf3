//! Devices without MQTT: HTTPS with a client certificate, and the credentials provider (docs/aws-iot.md#3.10).

use rumqttc::QoS;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{ALLOW, DENY, Identity, World};

const PREFIX: &str = "arn:aws:iot:us-east-1:123456789012";

impl World {
    /// One request over TLS with a certificate, by HTTP/1.1: the status and the body.
    pub(crate) async fn https(
        &self,
        identity: Option<&Identity>,
        alpn: &[&str],
        request: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, String) {
        let tcp = tokio::net::TcpStream::connect(self.running.mqtts).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(self.tls(identity, alpn));
        let mut stream = connector.connect("localhost".try_into().unwrap(), tcp).await.unwrap();
        let mut head = format!(
            "{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n",
            body.len()
        );
        headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let mut answer = Vec::new();
        // A server may leave out the TLS farewell.
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    async fn asked(&self, identity: &Identity, request: &str, body: &str) -> (u16, Value) {
        let (status, body) = self.https(Some(identity), &[], request, &[], body.as_bytes()).await;
        (status, serde_json::from_str(&body).unwrap_or_else(|_| json!(body)))
    }

    async fn credentials(&self, identity: &Identity, alias: &str, thing: Option<&str>) -> (u16, Value) {
        let headers: Vec<_> = thing.map(|thing| ("x-amzn-iot-thingname", thing)).into_iter().collect();
        let request = format!("GET /role-aliases/{alias}/credentials");
        let (status, body) = self.https(Some(identity), &["x-amzn-http-ca"], &request, &headers, b"").await;
        (status, serde_json::from_str(&body).unwrap())
    }
}

fn allow(action: &str, resource: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"{PREFIX}:{resource}"}}]}}"#
    )
}

#[tokio::test]
async fn a_certificate_publishes_over_https_with_and_without_alpn() {
    let world = World::start().await;
    let identity = world.identity_with(&allow("iot:Publish", "topic/dt/*")).await;
    let mut console = world.client("console").await;
    console.subscribe(&["dt/x"]).await;
    for alpn in [&[][..], &["x-amzn-http-ca"], &["h2", "http/1.1"]] {
        let (status, body) =
            world.https(Some(&identity), alpn, "POST /topics/dt/x?qos=1", &[], b"hello").await;
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["message"], "OK");
        let message = console.message().await;
        assert_eq!((message.qos, &message.payload[..]), (QoS::AtLeastOnce, &b"hello"[..]));
    }
    let (status, body) = world.asked(&identity, "POST /topics/secret", "x").await;
    assert_eq!((status, &body["message"]), (403, &json!("Forbidden")));
    assert!(body["traceId"].is_string(), "{body}");
    // What curl calls a body it is given as text, which is a form of other services.
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let (status, body) = world.https(Some(&identity), &[], "POST /topics/secret", &form, b"x").await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["message"]), (403, &json!("Forbidden")));
    let (status, _) = world.asked(&identity, "POST /topics/dt%2Fx?retain=true", "x").await;
    assert_eq!(status, 403, "retaining is an action of its own");
    let other = world.identity_with(ALLOW).await;
    let (status, _) = world.asked(&other, "POST /topics/$aws/events/presence/connected/x", "{}").await;
    assert_eq!(status, 403, "reserved, whatever a policy says");
    let (status, body) = world.asked(&other, "POST /topics/$aws/certificates/create/json", "{}").await;
    assert_eq!(status, 400, "an answer could not come: {body}");
    let (status, _) = world.asked(&identity, "DELETE /connections/console", "").await;
    assert_eq!(status, 403, "what is for operators wants a signature");
    let (status, _) = world.https(None, &[], "POST /topics/dt/x", &[], b"x").await;
    assert_eq!(status, 403, "neither a certificate nor a signature");
}

#[tokio::test]
async fn shadows_jobs_and_retained_messages_answer_a_certificate_by_its_policy() {
    let world = World::start().await;
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["iot:GetThingShadow", "iot:UpdateThingShadow", "iotjobsdata:*"],
         "Resource": format!("{PREFIX}:thing/Thing01")},
        {"Effect": "Allow", "Action": ["iot:Publish", "iot:RetainPublish", "iot:GetRetainedMessage"],
         "Resource": format!("{PREFIX}:topic/dt/Thing01")},
        {"Effect": "Allow", "Action": "iot:ListRetainedMessages", "Resource": "*"},
    ]});
    let identity = world.identity_with(&policy.to_string()).await;
    world.iot.create_thing().thing_name("Thing01").send().await.unwrap();
    let (status, body) =
        world.asked(&identity, "POST /things/Thing01/shadow", r#"{"state":{"reported":{"t":1}}}"#).await;
    assert_eq!((status, &body["version"]), (200, &json!(1)));
    let (status, body) = world.asked(&identity, "GET /things/Thing01/shadow", "").await;
    assert_eq!((status, &body["state"]["reported"]["t"]), (200, &json!(1)));
    for refused in [
        "GET /things/Thing02/shadow",
        "DELETE /things/Thing01/shadow",
        "GET /things/Thing01/shadow?name=config",
        "GET /api/things/shadow/ListNamedShadowsForThing/Thing01",
        "GET /things/Thing02/jobs",
        "GET /retainedMessage/dt%2FThing02",
    ] {
        assert_eq!(world.asked(&identity, refused, "").await.0, 403, "{refused}");
    }
    let (status, body) = world.asked(&identity, "GET /things/Thing01/jobs", "").await;
    assert_eq!((status, &body["queuedJobs"]), (200, &json!([])));
    let (status, body) = world.asked(&identity, "PUT /things/Thing01/jobs/$next", "{}").await;
    assert_eq!(status, 200, "{body}");

    // What is retained over HTTPS is there over every path, and goes the same way.
    let (status, _) = world.asked(&identity, "POST /topics/dt%2FThing01?qos=1&retain=true", "kept").await;
    assert_eq!(status, 200);
    let (status, body) = world.asked(&identity, "GET /retainedMessage/dt%2FThing01", "").await;
    assert_eq!((status, &body["qos"], &body["payload"]), (200, &json!(1), &json!("a2VwdA==")));
    let (_, body) = world.asked(&identity, "GET /retainedMessage", "").await;
    assert_eq!(body["retainedTopics"][0]["topic"], "dt/Thing01");
    let mut late = world.client("late").await;
    late.subscribe(&["dt/Thing01"]).await;
    assert!(late.message().await.retain);
    world.asked(&identity, "POST /topics/dt%2FThing01?retain=true", "").await;
    let listed = world.data.list_retained_messages().send().await.unwrap();
    assert!(listed.retained_topics().is_empty());
}

#[tokio::test]
async fn only_an_active_certificate_is_heard_and_a_deny_arrives() {
    // Policies of one request serve the next ones for 20 s: 0.1 s at this speed.
    let world = World::at_speed(200.0).await;
    let identity = world.identity_with(ALLOW).await;
    let publish = async || world.asked(&identity, "POST /topics/dt/x", "x").await.0;
    assert_eq!(publish().await, 200);
    world.policy("DenyAll", DENY).await;
    world.iot.attach_policy().policy_name("DenyAll").target(&identity.arn).send().await.unwrap();
    crate::until("the deny holds", async || (publish().await == 403).then_some(())).await;
    world.iot.detach_policy().policy_name("DenyAll").target(&identity.arn).send().await.unwrap();
    crate::until("the deny is gone", async || (publish().await == 200).then_some(())).await;
    let off = world.iot.update_certificate().certificate_id(&identity.id);
    off.new_status(aws_sdk_iot::types::CertificateStatus::Inactive).send().await.unwrap();
    assert_eq!(publish().await, 403);
}

#[tokio::test]
async fn a_group_reaches_https_only_by_an_exclusive_thing() {
    let world = World::start().await;
    world.policy("DenyAll", DENY).await;
    let group = world.iot.create_thing_group().thing_group_name("IsolatedDevices").send().await.unwrap();
    world
        .iot
        .attach_policy()
        .policy_name("DenyAll")
        .target(group.thing_group_arn().unwrap())
        .send()
        .await
        .unwrap();
    let mut answers = Vec::new();
    for kind in ["NON_EXCLUSIVE_THING", "EXCLUSIVE_THING"] {
        let identity = world.identity_with(ALLOW).await;
        world.iot.create_thing().thing_name(kind).send().await.unwrap();
        let attach = world.iot.attach_thing_principal().thing_name(kind).principal(&identity.arn);
        attach.thing_principal_type(kind.into()).send().await.unwrap();
        let add = world.iot.add_thing_to_thing_group().thing_group_name("IsolatedDevices").thing_name(kind);
        add.send().await.unwrap();
        answers.push(world.asked(&identity, "POST /topics/dt/x", "x").await.0);
    }
    assert_eq!(answers, [200, 403], "there is no client id that could be a thing's name");
}

#[tokio::test]
async fn the_credentials_provider_gives_keys_that_sign_and_refuses_as_aws_does() {
    let world = World::start().await;
    let identity = world.identity_with(&allow("iot:AssumeRoleWithCertificate", "rolealias/*")).await;
    let role = "arn:aws:iam::123456789012:role/DeviceRole";
    let create = world.iot.create_role_alias().role_alias("Uploads").role_arn(role);
    create.credential_duration_seconds(900).send().await.unwrap();
    world.iot.create_thing().thing_name("Thing01").send().await.unwrap();

    let (status, body) = world.credentials(&identity, "Uploads", Some("Thing01")).await;
    assert_eq!((status, &body["message"]), (403, &json!("Invalid thing name passed")));
    let attach = world.iot.attach_thing_principal().thing_name("Thing01").principal(&identity.arn);
    attach.send().await.unwrap();
    let (status, body) = world.credentials(&identity, "Nothing", Some("Thing01")).await;
    assert_eq!((status, &body["message"]), (404, &json!("Role alias does not exist")));
    let other = world.identity_with(&allow("iot:Publish", "topic/*")).await;
    let (status, body) = world.credentials(&other, "Uploads", None).await;
    assert_eq!((status, &body["message"]), (403, &json!("Access Denied")));

    for thing in [None, Some("Thing01")] {
        let (status, body) = world.credentials(&identity, "Uploads", thing).await;
        assert_eq!(status, 200, "{body}");
        let keys = &body["credentials"];
        let end: jiff::Timestamp = keys["expiration"].as_str().unwrap().parse().unwrap();
        let left = end.as_second() - jiff::Timestamp::now().as_second();
        assert!((890..=900).contains(&left), "{left} s");
        let text = |name: &str| keys[name].as_str().unwrap().to_owned();
        let keys = aws_credential_types::Credentials::from_keys(
            text("accessKeyId"),
            text("secretAccessKey"),
            Some(text("sessionToken")),
        );
        let config = quell_emulator_tests::sdk::config(&format!("http://{}", world.running.http));
        let sts = aws_sdk_sts::config::Builder::from(&config).credentials_provider(keys).build();
        let caller = aws_sdk_sts::Client::from_conf(sts).get_caller_identity().send().await.unwrap();
        let arn = caller.arn().unwrap();
        assert_eq!(arn, format!("arn:aws:sts::123456789012:assumed-role/DeviceRole/{}", identity.id));
    }

    // The deny of a group takes the credentials away, where the request names the thing.
    world.policy("DenyAll", DENY).await;
    let group = world.iot.create_thing_group().thing_group_name("IsolatedDevices").send().await.unwrap();
    world
        .iot
        .attach_policy()
        .policy_name("DenyAll")
        .target(group.thing_group_arn().unwrap())
        .send()
        .await
        .unwrap();
    let add = world.iot.add_thing_to_thing_group().thing_group_name("IsolatedDevices").thing_name("Thing01");
    add.send().await.unwrap();
    assert_eq!(world.credentials(&identity, "Uploads", Some("Thing01")).await.0, 403);
    assert_eq!(world.credentials(&identity, "Uploads", None).await.0, 200);
    let off = world.iot.update_certificate().certificate_id(&identity.id);
    off.new_status(aws_sdk_iot::types::CertificateStatus::Revoked).send().await.unwrap();
    assert_eq!(world.credentials(&identity, "Uploads", None).await.0, 403);
}
