//! Signatures made by the AWS SDK's own signer, then checked and tampered with.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SessionTokenMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::World;

/// A request that can be sent as it was signed, or otherwise.
#[derive(Clone)]
struct Signed {
    method: &'static str,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: &'static str,
}

struct Made {
    service: &'static str,
    at: SystemTime,
    /// In the query instead of a header, good for so long.
    presigned: Option<Duration>,
    key: &'static str,
}

const FIVE_MINUTES: Duration = Duration::from_secs(310);

impl Made {
    fn of(service: &'static str) -> Self {
        Self { service, at: SystemTime::now(), presigned: None, key: "test" }
    }

    fn sign(
        &self,
        world: &World,
        method: &'static str,
        path: &str,
        query: &str,
        body: &'static str,
    ) -> Signed {
        let token = self.presigned.map(|_| "to/ken".to_owned());
        let identity = Credentials::new(self.key, "test", token, None, "test").into();
        let mut settings = SigningSettings::default();
        if let Some(life) = self.presigned {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(life);
            settings.session_token_mode = SessionTokenMode::Exclude;
        }
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name(self.service)
            .time(self.at)
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let host = world.endpoint.trim_start_matches("http://").to_owned();
        let url = format!("{}{path}?{query}", world.endpoint);
        let signable = match self.service {
            "s3" => SignableBody::UnsignedPayload,
            _ => SignableBody::Bytes(body.as_bytes()),
        };
        let request =
            SignableRequest::new(method, &url, [("host", host.as_str())].into_iter(), signable).unwrap();
        let (instructions, _) = sign(request, &params).unwrap().into_parts();
        let mut headers = vec![("host".to_owned(), host)];
        headers.extend(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())));
        let mut pairs: Vec<String> = Some(query.to_owned()).filter(|q| !q.is_empty()).into_iter().collect();
        for (name, value) in instructions.params() {
            pairs.push(format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
        }
        if self.presigned.is_some() {
            // The signer appends the token after it has signed, as clients do.
            assert!(pairs.iter().any(|pair| pair == "X-Amz-Security-Token=to%2Fken"));
            for (name, value) in [
                ("upgrade", "websocket"),
                ("connection", "upgrade"),
                ("sec-websocket-version", "13"),
                ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
                ("sec-websocket-protocol", "mqtt"),
            ] {
                headers.push((name.to_owned(), value.to_owned()));
            }
        } else {
            headers.push(("connection".to_owned(), "close".to_owned()));
        }
        Signed { method, path: path.to_owned(), query: pairs.join("&"), headers, body }
    }
}

impl Signed {
    /// The status and the error's name.
    async fn send(&self, world: &World) -> (u16, String) {
        let mut text = format!("{} {}?{} HTTP/1.1\r\n", self.method, self.path, self.query);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("content-length: {}\r\n\r\n{}", self.body.len(), self.body));
        let answer = head(world, &text).await;
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let name = answer.lines().find_map(|line| line.strip_prefix("x-amzn-errortype: "));
        (status, name.unwrap_or_default().to_owned())
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut changed = self.clone();
        change(&mut changed);
        changed
    }
}

/// The head of the answer: a connection that was upgraded, or could have been, stays open.
async fn head(world: &World, request: &str) -> String {
    let to = world.endpoint.trim_start_matches("http://");
    let mut stream = BufReader::new(TcpStream::connect(to).await.unwrap());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).await.unwrap() > 0 {}
    head
}

fn refused(name: &str) -> (u16, String) {
    (403, name.to_owned())
}

#[tokio::test]
async fn headers_signed_by_the_sdk_are_accepted_and_each_change_is_refused() {
    let world = World::start().await;
    let body = r#"{"attributePayload": {"attributes": {"a": "1"}}}"#;
    let made = Made::of("iot");
    let sign = |made: &Made| made.sign(&world, "POST", "/things/a%3Ab", "x=1%202&a=%2F", body);
    let good = sign(&made);
    let mismatch = refused("InvalidSignatureException");
    for changed in [
        good.with(|r| r.method = "PATCH"),
        good.with(|r| r.path = "/things/b".to_owned()),
        good.with(|r| r.body = "{}"),
        good.with(|r| r.query.push_str("&y=2")),
        good.with(|r| r.headers[0].1 = "other".to_owned()),
        sign(&Made { at: made.at - FIVE_MINUTES, ..Made::of("iot") }),
        sign(&Made { at: made.at + FIVE_MINUTES, ..Made::of("iot") }),
    ] {
        assert_eq!(
            changed.send(&world).await,
            mismatch,
            "{} {}?{}",
            changed.method,
            changed.path,
            changed.query
        );
    }
    let again = |of: &Signed| of.headers.iter().find(|(name, _)| name == "authorization").unwrap().clone();
    let incomplete = refused("IncompleteSignatureException");
    let two = good.with(|r| r.headers.push(again(r)));
    assert_eq!(two.send(&world).await, incomplete, "two signatures");
    let twice = good.with(|r| {
        let held = again(r).1;
        let signature = held.rsplit(", ").next().unwrap().to_owned();
        r.headers.retain(|(name, _)| name != "authorization");
        r.headers.push(("authorization".to_owned(), format!("{held}, {signature}")));
    });
    assert_eq!(twice.send(&world).await, incomplete, "a signature twice in one header");
    let beside = good.with(|r| r.query.push_str("&X-Amz-Signature=00"));
    assert_eq!(beside.send(&world).await, mismatch, "a header's signature covers the whole query");
    let unsigned = good.with(|r| r.headers.retain(|(name, _)| name != "authorization"));
    assert_eq!(unsigned.send(&world).await, refused("MissingAuthenticationTokenException"));
    let stranger = sign(&Made { key: "AKIDOTHER", ..Made::of("iot") });
    assert_eq!(stranger.send(&world).await, refused("UnrecognizedClientException"));
    assert_eq!(good.send(&world).await, (200, String::new()));
}

#[tokio::test]
async fn a_presigned_mqtt_url_is_accepted_with_the_token_appended_after_signing() {
    let world = World::start().await;
    let made = |at: SystemTime, life: u64, key: &'static str| {
        let presigned = Some(Duration::from_secs(life));
        Made { at, presigned, key, service: "iotdevicegateway" }.sign(&world, "GET", "/mqtt", "", "")
    };
    let now = SystemTime::now();
    let good = made(now, 60, "test");
    let elsewhere = good.with(|r| r.query = r.query.replace("us%2Deast%2D1", "eu%2Dwest%2D1"));
    assert_ne!(elsewhere.query, good.query);
    assert_eq!(elsewhere.send(&world).await, refused("InvalidSignatureException"));
    let late = made(now - FIVE_MINUTES, 86_400, "test");
    assert_eq!(late.send(&world).await, refused("InvalidSignatureException"), "whatever X-Amz-Expires says");
    assert_eq!(made(now, 60, "AKIDOTHER").send(&world).await, refused("UnrecognizedClientException"));
    for name in ["Signature", "Credential", "Date", "Expires", "SignedHeaders", "Algorithm", "Security-Token"]
    {
        let repeated = good.with(|r| {
            let of = format!("X-Amz-{name}=");
            let pair = r.query.split('&').find(|pair| pair.starts_with(&of)).unwrap().to_owned();
            r.query.push_str(&format!("&{pair}"));
        });
        assert_eq!(repeated.send(&world).await, refused("IncompleteSignatureException"), "{name} twice");
    }
    let unsigned = good.with(|r| r.query = "x=1".to_owned());
    assert_eq!(unsigned.send(&world).await, refused("MissingAuthenticationTokenException"));
    assert_eq!(good.send(&world).await, (101, String::new()));
}

#[tokio::test]
async fn a_presigned_object_lives_as_long_as_it_asks_for() {
    let world = World::start().await;
    let made = |life: u64| {
        let (at, presigned) = (SystemTime::now() - FIVE_MINUTES, Some(Duration::from_secs(life)));
        let url =
            Made { at, presigned, service: "s3", key: "test" }.sign(&world, "GET", "/bucket/key", "", "");
        url.with(|r| r.headers.truncate(1))
    };
    assert_eq!(made(900).send(&world).await.0, 404, "the bucket is not there");
    assert_eq!(made(60).send(&world).await.0, 403);
}
