//! What every request goes through: signatures, unknown operations, methods, rates, the other protocols.

use aws_config::retry::RetryConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_types::Blob;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{ACCOUNT, World, is, refusal};

fn iot_with(world: &World, credentials: Credentials) -> aws_sdk_iot::Client {
    let keys = SharedCredentialsProvider::new(credentials);
    let config = quell_emulator_tests::sdk::config(&world.endpoint).into_builder().credentials_provider(keys);
    aws_sdk_iot::Client::new(&config.retry_config(RetryConfig::disabled()).build())
}

/// A raw request; the whole response as text.
pub(crate) async fn raw(world: &World, request: &str) -> String {
    let mut stream =
        tokio::net::TcpStream::connect(world.endpoint.trim_start_matches("http://")).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// A raw request with a good signature for `service`; the whole response as text.
pub(crate) async fn signed(world: &World, service: &str, method: &str, path: &str, body: &str) -> String {
    use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
    let identity = quell_emulator_tests::sdk::keys().into();
    let params = aws_sigv4::sign::v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name(service)
        .time(std::time::SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let host = world.endpoint.trim_start_matches("http://");
    let headers = [("host", host)];
    let uri = format!("{}{path}", world.endpoint);
    let request =
        SignableRequest::new(method, &uri, headers.into_iter(), SignableBody::Bytes(body.as_bytes()))
            .unwrap();
    let (instructions, _) = sign(request, &params).unwrap().into_parts();
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in instructions.headers() {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    raw(world, &text).await
}

#[tokio::test]
async fn malformed_requests_are_refused_in_the_services_form() {
    let world = World::start().await;
    for (service, method, path, body, status, code) in [
        ("iot", "POST", "/things/a", "{", 400, "InvalidRequestException"),
        ("iot", "POST", "/things/a", r#"{"attributePayload": 5}"#, 400, "InvalidRequestException"),
        ("iot", "POST", "/things/a", "\u{1b}[2J", 400, "InvalidRequestException"),
        ("iot", "POST", "/policies/p", "{}", 400, "InvalidRequestException"),
        ("iot", "DELETE", "/things/a?expectedVersion=x", "", 400, "InvalidRequestException"),
        ("iot", "GET", "/principals/things", "", 400, "InvalidRequestException"),
        ("iot", "DELETE", "/things", "", 405, "MethodNotAllowedException"),
        ("iot", "GET", "/things/", "", 404, "UnknownOperationException"),
        ("iot", "GET", "/connections/a", "", 404, "UnknownOperationException"),
        ("iotdata", "GET", "/things/a", "", 404, "UnknownOperationException"),
        ("lambda", "GET", "/things", "", 404, "UnknownOperationException"),
    ] {
        let answer = signed(&world, service, method, path, body).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{method} {path}: {answer}");
        assert!(answer.contains(&format!("x-amzn-errortype: {code}\r\n")), "{method} {path}: {answer}");
        assert!(answer.contains("{\"message\":\""), "{answer}");
    }
    let large = signed(&world, "iot", "POST", "/things/a", &" ".repeat(1024 * 1024 + 1)).await;
    assert!(large.starts_with("HTTP/1.1 413"), "{large}");
    for alias in ["iot", "execute-api"] {
        let answer = signed(&world, alias, "GET", "/things", "").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{alias}: {answer}");
    }
}

#[tokio::test]
async fn an_unsigned_or_wrongly_signed_request_is_refused() {
    let world = World::start().await;
    let answer = raw(&world, "GET /things HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(answer.contains("x-amzn-errortype: MissingAuthenticationTokenException"), "{answer}");
    assert!(answer.contains("\r\ndate: ") && answer.contains("\r\nx-amzn-requestid: "), "{answer}");
    let stranger = iot_with(&world, Credentials::new("AKIASTRANGER", "test", None, None, "tests"));
    assert_eq!(refusal(stranger.list_things().send().await), is(403, "UnrecognizedClientException"));
    let guesser = iot_with(&world, Credentials::new("test", "guess", None, None, "tests"));
    assert_eq!(refusal(guesser.list_things().send().await), is(403, "InvalidSignatureException"));
}

#[tokio::test]
async fn an_operation_beyond_its_rate_is_throttled_with_the_services_own_status() {
    let world = World::start().await;
    let iot = iot_with(&world, quell_emulator_tests::sdk::keys());
    let mut refused = None;
    for _ in 0..40 {
        if let Err(error) = iot.list_thing_groups().send().await {
            refused = Some(error);
            break;
        }
    }
    let error = refused.expect("the 10 TPS of ListThingGroups are over");
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 400);
    assert!(error.into_service_error().is_throttling_exception());
    iot.describe_thing_group()
        .thing_group_name("x")
        .send()
        .await
        .expect_err("another operation is not throttled");
}

#[tokio::test]
async fn the_caller_has_an_identity_and_the_account_an_endpoint() {
    let world = World::start().await;
    let sts = aws_sdk_sts::Client::new(&quell_emulator_tests::sdk::config(&world.endpoint));
    let caller = sts.get_caller_identity().send().await.unwrap();
    assert_eq!(caller.account(), Some(ACCOUNT));
    assert_eq!(caller.arn(), Some(format!("arn:aws:iam::{ACCOUNT}:user/operator").as_str()));
    let unknown = sts.get_federation_token().name("x").send().await;
    assert_eq!(refusal(unknown), is(400, "InvalidAction"));
    // A key nobody has is refused in the protocol of the service it was used for.
    let stranger = aws_sdk_sts::config::Credentials::new("nobody", "secret", None, None, "tests");
    let stranger =
        aws_sdk_sts::Client::from_conf(sts.config().to_builder().credentials_provider(stranger).build());
    assert_eq!(refusal(stranger.get_caller_identity().send().await), is(403, "InvalidClientTokenId"));

    let endpoint = world.iot.describe_endpoint().endpoint_type("iot:Data-ATS").send().await.unwrap();
    assert_eq!(endpoint.endpoint_address(), Some(world.running.mqtts.to_string().as_str()));
    let unknown = world.iot.describe_endpoint().endpoint_type("iot:Nonsense").send().await;
    assert_eq!(refusal(unknown), is(400, "InvalidRequestException"));
}

#[tokio::test]
async fn an_operation_that_is_not_there_answers_so() {
    let world = World::start().await;
    let unknown = world.iot.list_ota_updates().send().await;
    assert_eq!(refusal(unknown), is(404, "UnknownOperationException"));
}

#[tokio::test]
async fn connections_are_known_by_client_id() {
    let world = World::start().await;
    let absent = world.data.get_connection().client_id("nobody").send().await;
    assert_eq!(refusal(absent), is(404, "ResourceNotFoundException"));
    let absent = world.data.delete_connection().client_id("nobody").send().await;
    assert_eq!(refusal(absent), is(404, "ResourceNotFoundException"));
    let absent = world.data.list_subscriptions().client_id("nobody").send().await;
    assert_eq!(refusal(absent), is(404, "ResourceNotFoundException"));
    let reserved = world.data.delete_connection().client_id("$x").send().await;
    assert_eq!(refusal(reserved), is(400, "InvalidRequestException"));
}

#[tokio::test]
async fn publishing_over_http_checks_its_topic() {
    let world = World::start().await;
    let publish = |topic: &str| world.data.publish().topic(topic).qos(1).payload(Blob::new("21.5")).send();
    publish("dt/a/b c").await.unwrap();
    for topic in ["dt/+/x", "dt/#", "a/b/c/d/e/f/g/h/i", &"x".repeat(257)] {
        assert_eq!(refusal(publish(topic).await), is(400, "InvalidRequestException"), "{topic}");
    }
}
