//! Signed by the AWS SDK's own signer, then checked and tampered with.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SessionTokenMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use axum::http::{HeaderName, HeaderValue};

use super::*;

const NOW: i64 = 1_750_000_000;

struct Signed {
    query: String,
    headers: HeaderMap,
}

fn signed(method: &str, url: &str, body: &[u8], service: &str, query: bool, token: Option<&str>) -> Signed {
    let identity = Credentials::new("AKIDEXAMPLE", "s3cret", token.map(str::to_owned), None, "test").into();
    let mut settings = SigningSettings::default();
    if query {
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(900));
        settings.session_token_mode = SessionTokenMode::Exclude;
    }
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name(service)
        .time(UNIX_EPOCH + Duration::from_secs(NOW as u64))
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let uri: axum::http::Uri = url.parse().unwrap();
    let host = uri.authority().unwrap().as_str();
    let request =
        SignableRequest::new(method, url, [("host", host)].into_iter(), SignableBody::Bytes(body)).unwrap();
    let (instructions, _) = sign(request, &params).unwrap().into_parts();
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_str(host).unwrap());
    for (name, value) in instructions.headers() {
        headers
            .insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let mut pairs: Vec<String> = uri.query().map(str::to_owned).into_iter().collect();
    for (name, value) in instructions.params() {
        pairs.push(format!("{name}={}", utf8_percent_encode(value, STRICT)));
    }
    Signed { query: pairs.join("&"), headers }
}

fn check(method: &str, path: &str, signed: &Signed, body: &[u8], now: i64) -> Result<Verified, SigError> {
    let request = Request { method, path, query: &signed.query, headers: &signed.headers, body };
    verify(&request, |key| (key == "AKIDEXAMPLE").then_some("s3cret"), now)
}

#[test]
fn headers_signed_by_the_sdk_are_accepted_and_each_change_is_refused() {
    let body = br#"{"a":1}"#;
    let good = signed("POST", "http://h:8080/things/a%3Ab?x=1%202&a=%2F", body, "iot", false, Some("tok"));
    let verified = check("POST", "/things/a%3Ab", &good, body, NOW).unwrap();
    assert_eq!((verified.access_key.as_str(), verified.service.as_str()), ("AKIDEXAMPLE", "iot"));
    assert_eq!(check("PUT", "/things/a%3Ab", &good, body, NOW), Err(SigError::Mismatch));
    assert_eq!(check("POST", "/things/b", &good, body, NOW), Err(SigError::Mismatch));
    assert_eq!(check("POST", "/things/a%3Ab", &good, b"{}", NOW), Err(SigError::Mismatch));
    assert!(matches!(check("POST", "/things/a%3Ab", &good, body, NOW + 301), Err(SigError::Expired(_))));
    assert!(matches!(check("POST", "/things/a%3Ab", &good, body, NOW - 301), Err(SigError::Expired(_))));
    let mut changed = Signed { query: good.query.clone(), headers: good.headers.clone() };
    changed.query.push_str("&y=2");
    assert_eq!(check("POST", "/things/a%3Ab", &changed, body, NOW), Err(SigError::Mismatch));
    let mut changed = Signed { query: good.query.clone(), headers: good.headers };
    changed.headers.insert("host", HeaderValue::from_static("other"));
    assert_eq!(check("POST", "/things/a%3Ab", &changed, body, NOW), Err(SigError::Mismatch));
}

#[test]
fn a_presigned_mqtt_url_is_accepted_with_the_token_appended_after_signing() {
    let mut url = signed("GET", "wss://h:8443/mqtt", b"", "iotdevicegateway", true, Some("to/ken"));
    if !url.query.contains("X-Amz-Security-Token") {
        url.query.push_str("&X-Amz-Security-Token=to%2Fken");
    }
    assert_eq!(check("GET", "/mqtt", &url, b"", NOW + 300).unwrap().service, "iotdevicegateway");
    let late = check("GET", "/mqtt", &url, b"", NOW + 301);
    assert!(matches!(late, Err(SigError::Expired(_))), "whatever X-Amz-Expires says: {late:?}");
    let bad = Signed { query: url.query.replace("us-east-1", "eu-west-1"), headers: url.headers.clone() };
    assert_eq!(check("GET", "/mqtt", &bad, b"", NOW), Err(SigError::Mismatch));
    let unknown =
        Signed { query: url.query.replace("AKIDEXAMPLE", "AKIDOTHER"), headers: url.headers.clone() };
    assert_eq!(check("GET", "/mqtt", &unknown, b"", NOW), Err(SigError::UnknownKey));
}

#[test]
fn an_unsigned_request_is_told_so() {
    let request = Request { method: "GET", path: "/mqtt", query: "", headers: &HeaderMap::new(), body: b"" };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let error = verify(&request, |_| None::<&str>, now).unwrap_err();
    assert_eq!((error.code(), error.status()), ("MissingAuthenticationTokenException", 403));
}

#[test]
fn a_presigned_object_lives_as_long_as_it_asks_for() {
    let url = Presign {
        host: "h:8080",
        path: "/bucket/key",
        region: "us-east-1",
        access_key: "AKIDEXAMPLE",
        secret_key: "s3cret",
        now: NOW,
        seconds: 900,
    };
    let (_, query) = url.path_and_query().split_once('?').map(|(p, q)| (p.to_owned(), q.to_owned())).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("h:8080"));
    let url = Signed { query, headers };
    assert!(check("GET", "/bucket/key", &url, b"", NOW + 900).is_ok());
    assert!(matches!(check("GET", "/bucket/key", &url, b"", NOW + 901), Err(SigError::Expired(_))));
}
