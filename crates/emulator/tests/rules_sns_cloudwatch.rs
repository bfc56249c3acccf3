//! Rules, SNS, CloudWatch and S3 over the wire: signed requests in the forms the AWS CLI and SDKs send, and a real endpoint
//! that is delivered to.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use ciborium::Value as Cbor;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use parking_lot::Mutex;
use quell_emulator::start::{Options, Running, start};
use quell_emulator_tests::{http, tunnel};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, PublishOptions};
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::123456789012:role/IoTtoCloudWatchAlerting";
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:BadIoTDevices";

struct World {
    running: Running,
    endpoint: String,
    http: Client<HttpConnector, Full<Bytes>>,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl World {
    async fn start() -> Self {
        Self::with_devices(0).await
    }

    async fn with_devices(devices: usize) -> Self {
        // A notification's retries are 20 s apart: 40 ms here.
        let options = Options { speed: 500.0, devices: Some(devices), ..Options::on_free_ports() };
        let running = start(options).await.unwrap();
        let endpoint = format!("http://{}", running.http);
        Self { running, endpoint, http: Client::builder(TokioExecutor::new()).build_http() }
    }

    /// A connection as `client_id` with the certificate and key of a new, active or inactive, certificate that may do
    /// everything; false when it is refused.
    async fn device(&self, client_id: &str, active: bool) -> Option<AsyncClient> {
        let path = format!("/keys-and-certificate?setAsActive={active}");
        let made = self.call("iot", "POST", &path, &[], b"").await.json();
        let policy = json!({"policyDocument":
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#});
        self.call("iot", "POST", "/policies/AllowAll", &[], policy.to_string().as_bytes()).await;
        let target = json!({"target": made["certificateArn"]});
        self.call("iot", "PUT", "/target-policies/AllowAll", &[], target.to_string().as_bytes()).await;
        let ca = std::fs::read_to_string(self.running.credentials().join("root-CA.pem")).unwrap();
        let (pem, key) = (&made["certificatePem"], &made["keyPair"]["PrivateKey"]);
        let config = tunnel::tls(&ca, Some((pem.as_str().unwrap(), key.as_str().unwrap())), &[]);
        let port = tunnel::tunnel(self.running.mqtts, config).await;
        let mut options = MqttOptions::new(client_id, ("127.0.0.1", port));
        options.set_keep_alive(30);
        let (client, mut events) = AsyncClient::builder(options).capacity(16).build();
        match tokio::time::timeout(Duration::from_secs(20), events.poll()).await.unwrap() {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {}
            _ => return None,
        }
        tokio::spawn(async move { while events.poll().await.is_ok() {} });
        Some(client)
    }

    /// A request signed for `service`.
    async fn call(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let url = format!("{}{path}", self.endpoint);
        let identity = Credentials::new("test", "test", None, None, "test").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name(service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .unwrap();
        let signable =
            SignableRequest::new(method, &url, headers.iter().copied(), SignableBody::Bytes(body)).unwrap();
        let (instructions, _) = sign(signable, &params.into()).unwrap().into_parts();
        let mut request = Request::builder().method(method).uri(&url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Full::from(body.to_vec())).unwrap();
        instructions.apply_to_request_http1x(&mut request);
        self.send(request).await
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let (parts, body) = self.http.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// A Query request: `Action=…` in a form.
    async fn form(&self, service: &str, fields: &[(&str, &str)]) -> Answer {
        let encode = |t: &str| {
            percent_encoding::utf8_percent_encode(t, percent_encoding::NON_ALPHANUMERIC).to_string()
        };
        let body: Vec<String> = fields.iter().map(|(n, v)| format!("{}={}", encode(n), encode(v))).collect();
        let headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
        self.call(service, "POST", "/", &headers, body.join("&").as_bytes()).await
    }

    /// CloudWatch in AWS JSON 1.0.
    async fn target(&self, op: &str, body: &Value) -> Answer {
        let target = format!("GraniteServiceVersion20100801.{op}");
        let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target.as_str())];
        self.call("monitoring", "POST", "/", &headers, body.to_string().as_bytes()).await
    }

    /// CloudWatch in Smithy RPC v2 CBOR.
    async fn cbor(&self, op: &str, body: &Cbor) -> (u16, Cbor, HeaderMap) {
        let mut bytes = Vec::new();
        ciborium::into_writer(body, &mut bytes).unwrap();
        let headers = [
            ("content-type", "application/cbor"),
            ("smithy-protocol", "rpc-v2-cbor"),
            ("accept", "application/cbor"),
        ];
        let path = format!("/service/GraniteServiceVersion20100801/operation/{op}");
        let answer = self.call("monitoring", "POST", &path, &headers, &bytes).await;
        (answer.status, ciborium::from_reader(&answer.body[..]).unwrap(), answer.headers)
    }

    async fn rule(&self, name: &str, payload: &Value) {
        let body = payload.to_string();
        let made = self.call("iot", "POST", &format!("/rules/{name}"), &[], body.as_bytes()).await;
        assert_eq!(made.status, 200, "{}", made.text());
    }

    async fn publish(&self, topic: &str, payload: &str) {
        let path = format!("/topics/{}?qos=0", topic.replace('/', "%2F").replace('$', "%24"));
        let done = self.call("iotdata", "POST", &path, &[], payload.as_bytes()).await;
        assert_eq!(done.status, 200, "{}", done.text());
    }

    /// The sum of a metric over the last ten minutes.
    async fn sum(&self, namespace: &str, name: &str, dimensions: Value) -> f64 {
        let now = now();
        let body = json!({"StartTime": now - 600.0, "EndTime": now + 60.0, "MetricDataQueries": [{"Id": "a", "MetricStat": {
            "Metric": {"Namespace": namespace, "MetricName": name, "Dimensions": dimensions}, "Period": 60, "Stat": "Sum"}}]});
        let answer = self.target("GetMetricData", &body).await.json();
        answer["MetricDataResults"][0]["Values"].as_array().unwrap().iter().filter_map(Value::as_f64).sum()
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
}

fn metric(name: &str, value: &str) -> Value {
    json!([{"cloudwatchMetric": {"roleArn": ROLE, "metricNamespace": "IoT", "metricName": name, "metricValue": value,
        "metricUnit": "Count"}}])
}

/// What an endpoint was sent: the type header and the body.
type Received = Arc<Mutex<Vec<(String, Value)>>>;

/// An HTTP endpoint that refuses its first `refusals` requests as a server in trouble does.
async fn endpoint(refusals: usize) -> (String, Received) {
    let received: Received = Arc::default();
    let (kept, left) = (Arc::clone(&received), Arc::new(Mutex::new(refusals)));
    let answer = move |request: http::Request| {
        let mut left = left.lock();
        if *left > 0 {
            *left -= 1;
            return std::future::ready(http::status(503));
        }
        let kind = request.headers()["x-amz-sns-message-type"].to_str().unwrap().to_owned();
        kept.lock().push((kind, serde_json::from_slice(request.body()).unwrap()));
        std::future::ready(http::status(200))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    http::serve(listener, answer);
    (url, received)
}

/// Waits until the endpoint was sent `count` messages.
async fn received(by: &Received, count: usize) -> Vec<(String, Value)> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let seen = by.lock().clone();
        if seen.len() >= count {
            return seen;
        }
        assert!(tokio::time::Instant::now() < deadline, "only {seen:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_seeds_rule_stays_silent_and_the_corrected_one_counts() {
    let world = World::start().await;
    let thing = "IoTTemperatureDemoDevice";
    assert_eq!(world.call("iot", "POST", &format!("/things/{thing}"), &[], b"{}").await.status, 200);
    let seed = format!("SELECT Humidity FROM '$aws/things/{thing}/shadow/update' WHERE Humidity > 50");
    world.rule("HighHumidity", &json!({"sql": seed, "actions": metric("HighHumidity", "1")})).await;
    let right = "SELECT state.reported.Humidity AS Humidity, topic(3) AS thing FROM '$aws/things/+/shadow/update/accepted' \
                 WHERE state.reported.Humidity > 50";
    let value = "${state.reported.Humidity}";
    world
        .rule(
            "Corrected",
            &json!({"sql": right, "awsIotSqlVersion": "2016-03-23", "actions": metric("Corrected", value)}),
        )
        .await;
    for humidity in [63, 40, 70] {
        let update = json!({"state": {"reported": {"Humidity": humidity}}}).to_string();
        world.publish(&format!("$aws/things/{thing}/shadow/update"), &update).await;
    }
    assert_eq!(world.sum("IoT", "HighHumidity", json!([])).await, 0.0);
    assert_eq!(world.sum("IoT", "Corrected", json!([])).await, 133.0);
    let matched = json!([{"Name": "RuleName", "Value": "HighHumidity"}]);
    assert_eq!(world.sum("AWS/IoT", "TopicMatch", matched).await, 3.0);
    let done = json!([{"Name": "ActionType", "Value": "CloudwatchMetric"}, {"Name": "RuleName", "Value": "Corrected"}]);
    assert_eq!(world.sum("AWS/IoT", "Success", done).await, 2.0);
    // The flat document: the shadow service rejects it, the seed's rule counts it.
    world.publish(&format!("$aws/things/{thing}/shadow/update"), r#"{"Humidity":51}"#).await;
    assert_eq!(world.sum("IoT", "HighHumidity", json!([])).await, 1.0);
    let refused = world.call("iot", "POST", "/rules/Bad", &[], br#"{"sql":"SELEC 1","actions":[]}"#).await;
    assert_eq!(
        (refused.status, refused.headers["x-amzn-errortype"].to_str().unwrap()),
        (400, "SqlParseException")
    );
    let missing = world.call("iot", "GET", "/rules/Nobody", &[], b"").await;
    assert_eq!(
        (missing.status, missing.headers["x-amzn-errortype"].to_str().unwrap()),
        (401, "UnauthorizedException")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rule_of_the_seeded_account_measures_humidity() {
    let world = World::with_devices(1).await;
    for humidity in [63, 40] {
        let update = json!({"state": {"reported": {"Humidity": humidity}}}).to_string();
        world.publish("$aws/things/Thing01/shadow/update", &update).await;
    }
    assert_eq!(world.sum("IoT", "HighHumidity", json!([])).await, 63.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_not_active_is_only_counted() {
    let world = World::start().await;
    assert!(world.device("a", false).await.is_none());
    assert!(world.device("a", true).await.is_some());
    assert_eq!(world.sum("AWS/IoT", "Connection.AuthNError", json!([])).await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_confirms_and_is_then_delivered_to_through_its_troubles() {
    let world = World::start().await;
    let (url, seen) = endpoint(2).await;
    assert!(
        world
            .form("sns", &[("Action", "CreateTopic"), ("Name", "BadIoTDevices")])
            .await
            .text()
            .contains(TOPIC)
    );
    let subscribe =
        [("Action", "Subscribe"), ("TopicArn", TOPIC), ("Protocol", "http"), ("Endpoint", url.as_str())];
    let subscribed = world.form("sns", &subscribe).await;
    assert!(subscribed.text().contains("<SubscriptionArn>pending confirmation</SubscriptionArn>"));
    // A rule publishes to the topic; before the confirmation nobody is told.
    world
        .rule("Alert", &json!({"sql": "SELECT * FROM 'alerts'", "actions": [{"sns": {"targetArn": TOPIC, "roleArn": ROLE}}]}))
        .await;
    world.publish("alerts", r#"{"n":0}"#).await;
    let first = received(&seen, 1).await;
    let (kind, confirmation) = &first[0];
    assert_eq!((kind.as_str(), &confirmation["TopicArn"]), ("SubscriptionConfirmation", &json!(TOPIC)));

    // The link is visited without any signature.
    let link = confirmation["SubscribeURL"].as_str().unwrap();
    let visited = world.send(Request::get(link).body(Full::default()).unwrap()).await;
    assert_eq!(visited.status, 200, "{}", visited.text());
    world.publish("alerts", r#"{"n":1}"#).await;
    let all = received(&seen, 2).await;
    let (kind, note) = &all[1];
    assert_eq!((kind.as_str(), &note["Message"]), ("Notification", &json!(r#"{"n":1}"#)));
    assert_eq!(all.len(), 2);
    for member in [
        "MessageId",
        "TopicArn",
        "Timestamp",
        "SignatureVersion",
        "Signature",
        "SigningCertURL",
        "UnsubscribeURL",
    ] {
        assert!(note[member].is_string(), "{member}");
    }
    // The certificate is where the message says, and made the signature.
    let pem = world
        .send(Request::get(note["SigningCertURL"].as_str().unwrap()).body(Full::default()).unwrap())
        .await;
    verify(note, pem.text());

    let gone = world
        .send(Request::get(note["UnsubscribeURL"].as_str().unwrap()).body(Full::default()).unwrap())
        .await;
    assert_eq!(gone.status, 200);
    let left = world.form("sns", &[("Action", "ListSubscriptionsByTopic"), ("TopicArn", TOPIC)]).await;
    assert!(left.text().contains("<Subscriptions></Subscriptions>"), "{}", left.text());
    // Nothing else is open to the unsigned.
    let open = world
        .send(Request::get(format!("{}/?Action=ListTopics", world.endpoint)).body(Full::default()).unwrap())
        .await;
    assert_eq!(open.status, 403);
}

/// Checks the signature as a subscriber would: over the documented members, by the certificate's key.
fn verify(note: &Value, pem: &str) {
    use base64::Engine as _;
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap();
    let certificate = pem.parse_x509().unwrap();
    let text: String = ["Message", "MessageId", "Timestamp", "TopicArn", "Type"]
        .iter()
        .flat_map(|name| [*name, "\n", note[name].as_str().unwrap(), "\n"])
        .collect();
    let signature =
        base64::engine::general_purpose::STANDARD.decode(note["Signature"].as_str().unwrap()).unwrap();
    let provider = tokio_rustls::rustls::crypto::ring::default_provider();
    let algorithm = provider
        .signature_verification_algorithms
        .all
        .iter()
        .find(|a| format!("{a:?}").contains("ECDSA_P256_SHA256"))
        .unwrap();
    algorithm
        .verify_signature(&certificate.public_key().subject_public_key.data, text.as_bytes(), &signature)
        .unwrap();
    assert!(
        algorithm
            .verify_signature(&certificate.public_key().subject_public_key.data, b"other", &signature)
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_reaches_the_profiles_topic_in_the_words_of_the_seed() {
    let world = World::start().await;
    let (url, seen) = endpoint(0).await;
    world.form("sns", &[("Action", "CreateTopic"), ("Name", "BadIoTDevices")]).await;
    world
        .form(
            "sns",
            &[("Action", "Subscribe"), ("TopicArn", TOPIC), ("Protocol", "http"), ("Endpoint", &url)],
        )
        .await;
    let link = received(&seen, 1).await[0].1["SubscribeURL"].as_str().unwrap().to_owned();
    world.send(Request::get(link).body(Full::default()).unwrap()).await;
    let behavior = json!({"name": "msgSize", "metric": "aws:message-byte-size", "criteria": {
        "comparisonOperator": "less-than-equals", "value": {"count": 1024},
        "consecutiveDatapointsToAlarm": 1, "consecutiveDatapointsToClear": 1}});
    let quiet = json!({"name": "quiet", "suppressAlerts": true, "metric": "aws:message-byte-size",
        "criteria": behavior["criteria"].clone()});
    let profile = json!({"behaviors": [behavior, quiet],
        "alertTargets": {"SNS": {"alertTargetArn": TOPIC, "roleArn": ROLE}}});
    let made = world
        .call("iot", "POST", "/security-profiles/DetectLargeMessageSize", &[], profile.to_string().as_bytes())
        .await;
    assert_eq!(made.status, 200, "{}", made.text());
    let target = "securityProfileTargetArn=arn%3Aaws%3Aiot%3Aus-east-1%3A123456789012%3Aall%2Fthings";
    let path = format!("/security-profiles/DetectLargeMessageSize/targets?{target}");
    let attached = world.call("iot", "PUT", &path, &[], b"").await;
    assert_eq!(attached.status, 200, "{}", attached.text());

    let rogue = world.device("Thing02", true).await.unwrap();
    rogue.publish("temperature-device-02", "x".repeat(3000), PublishOptions::at_most_once()).await.unwrap();
    let alert = received(&seen, 2).await[1].1["Message"].as_str().unwrap().to_owned();
    let alert: Value = serde_json::from_str(&alert).unwrap();
    assert_eq!(alert["thingName"], "Thing02");
    assert_eq!(alert["violationEventType"], "in-alarm");
    assert_eq!(alert["metricValue"], json!({"count": 3000}));
    assert_eq!(alert["securityProfileName"], "DetectLargeMessageSize");
    assert_eq!(alert["behavior"]["name"], "msgSize");
    assert!(alert["violationEventTime"].as_i64().unwrap() > 1_500_000_000_000);
    let seed: Value = serde_json::from_str(
        r#"{"violationEventTime":0,"thingName":"","behavior":{},"violationEventType":"","metricValue":{},"violationId":"",
            "securityProfileName":""}"#,
    )
    .unwrap();
    let members = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(&alert), members(&seed));
    let counted = |behavior: &str| json!([{"Name": "SecurityProfileName", "Value": "DetectLargeMessageSize"}, {"Name": "BehaviorName", "Value": behavior}]);
    // A suppressed behavior is counted, but nobody was told.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while world.sum("AWS/IoT", "Violations", counted("quiet")).await != 1.0 {
        assert!(tokio::time::Instant::now() < deadline, "the suppressed behavior was not counted");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(world.sum("AWS/IoT", "Violations", counted("msgSize")).await, 1.0);
    assert_eq!(seen.lock().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cloudwatch_answers_in_the_protocol_it_was_asked_in() {
    let world = World::start().await;
    let text = |t: &str| Cbor::Text(t.to_owned());
    let map =
        |entries: &[(&str, Cbor)]| Cbor::Map(entries.iter().map(|(k, v)| (text(k), v.clone())).collect());
    let datum = map(&[
        ("MetricName", text("HighHumidity")),
        ("Value", Cbor::Float(63.5)),
        ("Unit", text("Percent")),
        ("Timestamp", Cbor::Tag(1, Box::new(Cbor::Float(now())))),
    ]);
    let put = map(&[("Namespace", text("IoT")), ("MetricData", Cbor::Array(vec![datum]))]);
    let (status, body, headers) = world.cbor("PutMetricData", &put).await;
    assert_eq!((status, body), (200, Cbor::Map(vec![])));
    assert_eq!(
        (&headers["smithy-protocol"], &headers["content-type"]),
        (&"rpc-v2-cbor".parse().unwrap(), &"application/cbor".parse().unwrap())
    );

    // Query, put and read.
    let put = [
        ("Action", "PutMetricData"),
        ("Namespace", "IoT"),
        ("MetricData.member.1.MetricName", "HighHumidity"),
        ("MetricData.member.1.Value", "0.5"),
        ("MetricData.member.1.Unit", "Percent"),
    ];
    assert_eq!(world.form("monitoring", &put).await.status, 200);
    let at = |offset: f64| {
        let ms = ((now() + offset) * 1000.0) as i64;
        jiff::Timestamp::from_millisecond(ms).unwrap().to_string()
    };
    let (start, end) = (at(-600.0), at(60.0));
    let read = [
        ("Action", "GetMetricStatistics"),
        ("Namespace", "IoT"),
        ("MetricName", "HighHumidity"),
        ("Period", "3600"),
        ("StartTime", start.as_str()),
        ("EndTime", end.as_str()),
        ("Statistics.member.1", "Sum"),
    ];
    let answer = world.form("monitoring", &read).await;
    assert!(answer.text().contains("<Label>HighHumidity</Label>"), "{}", answer.text());

    // JSON sees both.
    assert_eq!(world.sum("IoT", "HighHumidity", json!([])).await, 64.0);

    // CBOR reads, times tagged.
    let stat = map(&[
        ("Metric", map(&[("Namespace", text("IoT")), ("MetricName", text("HighHumidity"))])),
        ("Period", Cbor::Integer(60.into())),
        ("Stat", text("Maximum")),
    ]);
    let time = |offset: f64| Cbor::Tag(1, Box::new(Cbor::Float(now() + offset)));
    let get = map(&[
        ("MetricDataQueries", Cbor::Array(vec![map(&[("Id", text("a")), ("MetricStat", stat)])])),
        ("StartTime", time(-600.0)),
        ("EndTime", time(60.0)),
    ]);
    let (status, body, _) = world.cbor("GetMetricData", &get).await;
    assert_eq!(status, 200);
    let rendered = format!("{body:?}");
    assert!(rendered.contains("Tag(1, Float(") && rendered.contains("Float(63.5)"), "{rendered}");

    // Refusals carry their name in each protocol.
    let put = map(&[("Namespace", text("AWS/IoT")), ("MetricData", Cbor::Array(vec![]))]);
    let (status, body, headers) = world.cbor("PutMetricData", &put).await;
    assert_eq!(
        (status, &headers["x-amzn-query-error"]),
        (400, &"InvalidParameterValue;Sender".parse().unwrap())
    );
    assert!(format!("{body:?}").contains("com.amazonaws.cloudwatch#InvalidParameterValueException"));
    let refused = world.target("PutMetricData", &json!({"Namespace": "AWS/IoT", "MetricData": []})).await;
    assert_eq!(
        (refused.status, &refused.json()["__type"]),
        (400, &json!("com.amazonaws.cloudwatch#InvalidParameterValueException"))
    );
    let refused = world.form("monitoring", &[("Action", "PutMetricData"), ("Namespace", "AWS/IoT")]).await;
    assert!(refused.text().contains("<Code>InvalidParameterValue</Code>"), "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_is_got_as_it_was_put_and_a_job_reads_it() {
    let world = World::start().await;
    assert_eq!(world.call("s3", "PUT", "/workshop-docs", &[], b"").await.status, 200);
    let chunked = b"17\r\n{\"operation\":\"update\"}\n\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
    let headers = [
        ("content-encoding", "aws-chunked"),
        ("content-type", "application/json"),
        ("x-amz-decoded-content-length", "23"),
    ];
    let put = world.call("s3", "PUT", "/workshop-docs/jobs/config.json", &headers, chunked).await;
    assert_eq!(put.status, 200, "{}", put.text());
    let got = world.call("s3", "GET", "/workshop-docs/jobs/config.json", &[], b"").await;
    assert_eq!(
        (got.text(), &got.headers["content-type"]),
        ("{\"operation\":\"update\"}\n", &"application/json".parse().unwrap())
    );
    assert_eq!(got.headers["etag"], "\"8610ee5cd1d00328980e071c5a7ed5df\"");
    let head = world.call("s3", "HEAD", "/workshop-docs/jobs/config.json", &[], b"").await;
    assert_eq!((&head.headers["content-length"], head.body.len()), (&"23".parse().unwrap(), 0));
    let part =
        world.call("s3", "GET", "/workshop-docs/jobs/config.json", &[("range", "bytes=2-10")], b"").await;
    assert_eq!((part.status, part.text()), (206, "operation"));
    let list = world.call("s3", "GET", "/workshop-docs?list-type=2&delimiter=%2F", &[], b"").await;
    assert!(
        list.text().contains("<CommonPrefixes><Prefix>jobs/</Prefix></CommonPrefixes>"),
        "{}",
        list.text()
    );
    assert_eq!(world.call("iot", "POST", "/things/Thing01", &[], b"{}").await.status, 200);
    let job = json!({"targets": ["arn:aws:iot:us-east-1:123456789012:thing/Thing01"],
        "documentSource": "https://workshop-docs.s3.us-east-1.amazonaws.com/jobs/config.json"});
    let made = world.call("iot", "PUT", "/jobs/Update-temp-firmware", &[], job.to_string().as_bytes()).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let document = world.call("iot", "GET", "/jobs/Update-temp-firmware/job-document", &[], b"").await.json();
    assert_eq!(document["document"], "{\"operation\":\"update\"}\n");
    let missing = world.call("s3", "GET", "/workshop-docs/nope", &[], b"").await;
    assert!(missing.status == 404 && missing.text().contains("<Code>NoSuchKey</Code>"));
    assert_eq!(world.call("s3", "DELETE", "/workshop-docs", &[], b"").await.status, 409);
    world.call("s3", "DELETE", "/workshop-docs/jobs/config.json", &[], b"").await;
    assert_eq!(world.call("s3", "DELETE", "/workshop-docs", &[], b"").await.status, 204);
}
