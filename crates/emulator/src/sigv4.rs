//! Checks AWS Signature Version 4 as AWS's front doors do: in the `Authorization` header or in the query of a presigned URL.
//!
//! The client says which headers it signed and the check uses exactly those: the CRT signs `connection;host`, others only
//! `host`. A session token in a presigned URL may be part of the signature or appended after it (docs/aws-iot.md#3.2).

mod presign;

use std::borrow::Cow;
use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

pub use presign::Presign;

const STRICT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &AsciiSet = &STRICT.remove(b'/');
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far a client's clock may be off, in seconds.
const SKEW: i64 = 300;
/// The longest life of a presigned URL, in seconds.
const LONGEST: i64 = 604_800;

/// A request as it came over the wire.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `GET`, …
    pub method: &'a str,
    /// The path, still percent-encoded.
    pub path: &'a str,
    /// The query without `?`, still percent-encoded.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a [u8],
}

/// Who signed a request, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The access key id.
    pub access_key: String,
    /// The region of the credential scope.
    pub region: String,
    /// The service of the credential scope.
    pub service: String,
    /// The session token that came along.
    pub token: Option<String>,
}

/// What a signature is checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// The secret of the access key id.
    Known(String),
    /// Nothing: whatever is signed with that key is taken as it is.
    Any,
}

/// Why a request is refused, in AWS's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SigError {
    /// Not signed at all.
    Missing,
    /// Something of the signature is absent or malformed.
    Incomplete(String),
    /// The access key id is unknown.
    UnknownKey,
    /// Signed too long ago, or in the future.
    Expired(String),
    /// The signature is not the one this request has.
    Mismatch,
}

impl SigError {
    /// The error name in the body and in `x-amzn-ErrorType`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "MissingAuthenticationTokenException",
            Self::Incomplete(_) => "IncompleteSignatureException",
            Self::UnknownKey => "UnrecognizedClientException",
            Self::Expired(_) | Self::Mismatch => "InvalidSignatureException",
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        403
    }
}

impl fmt::Display for SigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("Missing Authentication Token"),
            Self::Incomplete(what) | Self::Expired(what) => f.write_str(what),
            Self::UnknownKey => f.write_str("The security token included in the request is invalid."),
            Self::Mismatch => f.write_str(
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                 Access Key and signing method. Consult the service documentation for details.",
            ),
        }
    }
}

impl std::error::Error for SigError {}

struct Claim<'a> {
    credential: Cow<'a, str>,
    signed_headers: Cow<'a, str>,
    signature: Cow<'a, str>,
    date: String,
    /// Of a URL that carries its signature: the seconds it asks to be good for.
    expires: Option<i64>,
}

/// Verifies a request; `secret_of` knows the secret of an access key id, `now` is seconds since the epoch.
pub fn verify(
    request: &Request<'_>,
    secret_of: impl Fn(&str) -> Option<Secret>,
    now: i64,
) -> Result<Verified, SigError> {
    let pairs = pairs(request.query);
    let claim = match request.headers.get("authorization") {
        Some(value) => {
            let text = value.to_str().map_err(|_| SigError::Missing)?;
            from_header(text, request.headers)?
        }
        None => from_query(&pairs)?,
    };
    let fields: Vec<&str> = claim.credential.split('/').collect();
    let [access_key, day, region, service, "aws4_request"] = fields[..] else {
        return Err(SigError::Incomplete("Credential must name a scope ending in aws4_request".into()));
    };
    let verified = || Verified {
        access_key: access_key.to_owned(),
        region: region.to_owned(),
        service: service.to_owned(),
        token: token(request.headers, &pairs),
    };
    let secret = match secret_of(access_key).ok_or(SigError::UnknownKey)? {
        Secret::Known(secret) => secret,
        Secret::Any => return Ok(verified()),
    };
    check_time(&claim, day, service, now)?;
    let signature = hex::decode(claim.signature.as_bytes()).map_err(|_| SigError::Mismatch)?;

    let presigned = claim.expires.is_some();
    let payload = payload_hash(request, presigned, service)?;
    let headers = canonical_headers(request.headers, &claim.signed_headers)?;
    // A signature in a header covers the whole query.
    let mut queries = vec![canonical_query(&pairs, |n| !presigned || n != "X-Amz-Signature")];
    if presigned && pairs.iter().any(|(n, _)| n == "X-Amz-Security-Token") {
        queries.push(canonical_query(&pairs, |n| n != "X-Amz-Signature" && n != "X-Amz-Security-Token"));
    }
    for path in canonical_paths(request.path, service) {
        for query in &queries {
            let canonical = format!(
                "{}\n{path}\n{query}\n{headers}\n{}\n{payload}",
                request.method, claim.signed_headers
            );
            let to_sign = format!(
                "{ALGORITHM}\n{}\n{day}/{region}/{service}/aws4_request\n{}",
                claim.date,
                hex::encode(Sha256::digest(canonical.as_bytes()))
            );
            let key = ["aws4_request", service, region, day]
                .iter()
                .rev()
                .try_fold(format!("AWS4{secret}").into_bytes(), |key, part| mac(&key, part.as_bytes()))?;
            let mut check = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| SigError::Mismatch)?;
            check.update(to_sign.as_bytes());
            // Compares in constant time.
            if check.verify_slice(&signature).is_ok() {
                return Ok(verified());
            }
        }
    }
    Err(SigError::Mismatch)
}

fn token(headers: &HeaderMap, pairs: &[(String, String)]) -> Option<String> {
    let of_query = || pairs.iter().find(|(n, _)| n == "X-Amz-Security-Token").map(|(_, v)| v.clone());
    let of_header = headers.get("x-amz-security-token").and_then(|v| v.to_str().ok()).map(str::to_owned);
    of_header.or_else(of_query)
}

fn mac(key: &[u8], data: &[u8]) -> Result<Vec<u8>, SigError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| SigError::Mismatch)?;
    mac.update(data);
    Ok(mac.finalize().into_bytes().to_vec())
}

fn from_header<'a>(text: &'a str, headers: &HeaderMap) -> Result<Claim<'a>, SigError> {
    if headers.get_all("authorization").iter().count() > 1 {
        return Err(SigError::Incomplete("There is more than one Authorization header.".into()));
    }
    let rest = text
        .strip_prefix(ALGORITHM)
        .ok_or_else(|| SigError::Incomplete("Authorization header must be AWS4-HMAC-SHA256".into()))?;
    let field = |name: &str| {
        let mut held = rest.split(',').filter_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        match (held.next(), held.next()) {
            (Some(value), None) => Ok(Cow::Borrowed(value)),
            (None, _) => {
                let what = format!("Authorization header requires '{name}' parameter.");
                Err(SigError::Incomplete(what))
            }
            (Some(_), Some(_)) => {
                Err(SigError::Incomplete(format!("Authorization header has '{name}' twice.")))
            }
        }
    };
    let date = headers.get("x-amz-date").and_then(|v| v.to_str().ok()).ok_or_else(|| {
        SigError::Incomplete("Authorization header requires existence of 'X-Amz-Date'.".into())
    })?;
    Ok(Claim {
        credential: field("Credential")?,
        signed_headers: field("SignedHeaders")?,
        signature: field("Signature")?,
        date: date.to_owned(),
        expires: None,
    })
}

fn from_query(pairs: &[(String, String)]) -> Result<Claim<'static>, SigError> {
    // Of two the one that is checked need not be the one that was meant.
    for (n, (name, _)) in pairs.iter().enumerate() {
        if name.starts_with("X-Amz-") && pairs[..n].iter().any(|(other, _)| other == name) {
            return Err(SigError::Incomplete(format!("The query has the parameter '{name}' twice.")));
        }
    }
    let find = |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    if find("X-Amz-Algorithm").as_deref() != Some(ALGORITHM) {
        return Err(SigError::Missing);
    }
    let need = |name: &str| {
        find(name).ok_or_else(|| SigError::Incomplete(format!("The query requires the parameter '{name}'.")))
    };
    // AWS IoT takes a URL without X-Amz-Expires: older device SDKs make them.
    let expires = match find("X-Amz-Expires") {
        None => 86_400,
        Some(text) => match text.parse::<i64>() {
            Ok(n) if (1..=LONGEST).contains(&n) => n,
            _ => return Err(SigError::Incomplete("X-Amz-Expires must be between 1 and 604800".into())),
        },
    };
    Ok(Claim {
        credential: need("X-Amz-Credential")?.into(),
        signed_headers: need("X-Amz-SignedHeaders")?.into(),
        signature: need("X-Amz-Signature")?.into(),
        date: need("X-Amz-Date")?,
        expires: Some(expires),
    })
}

fn check_time(claim: &Claim<'_>, day: &str, service: &str, now: i64) -> Result<(), SigError> {
    let signed = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", &claim.date)
        .ok()
        .and_then(|d| d.to_zoned(jiff::tz::TimeZone::UTC).ok())
        .map(|z| z.timestamp().as_second())
        .ok_or_else(|| SigError::Incomplete("Date must be in ISO-8601 basic format".into()))?;
    if !claim.date.starts_with(day) {
        return Err(SigError::Incomplete(
            "Date in Credential scope does not match YYYYMMDD of the date".into(),
        ));
    }
    if now < signed - SKEW {
        return Err(SigError::Expired(format!(
            "Signature not yet current: {} is still in the future",
            claim.date
        )));
    }
    let life = match claim.expires {
        Some(asked) if service == "s3" => asked,
        // AWS IoT takes a signature for as long as a clock may be off, whatever the URL asks for (docs/aws-iot.md#3.2).
        Some(asked) => asked.min(SKEW),
        None => SKEW,
    };
    if now > signed + life {
        return Err(SigError::Expired(format!("Signature expired: {} is now too long ago", claim.date)));
    }
    Ok(())
}

fn payload_hash(request: &Request<'_>, presigned: bool, service: &str) -> Result<String, SigError> {
    let actual = || hex::encode(Sha256::digest(request.body));
    match request.headers.get("x-amz-content-sha256").and_then(|v| v.to_str().ok()) {
        // Streamed bodies carry their own chunk signatures; their integrity is not what is checked here.
        Some(said) if said == "UNSIGNED-PAYLOAD" || said.starts_with("STREAMING-") => Ok(said.to_owned()),
        Some(said) if said.eq_ignore_ascii_case(&actual()) => Ok(said.to_owned()),
        Some(_) => Err(SigError::Mismatch),
        None if presigned && service == "s3" => Ok("UNSIGNED-PAYLOAD".to_owned()),
        None => Ok(actual()),
    }
}

fn canonical_headers(headers: &HeaderMap, signed: &str) -> Result<String, SigError> {
    if !signed.split(';').any(|name| name == "host") {
        return Err(SigError::Incomplete("'Host' must be a signed header".into()));
    }
    let mut out = String::new();
    for name in signed.split(';') {
        let values: Vec<String> = headers
            .get_all(name)
            .iter()
            .map(|v| String::from_utf8_lossy(v.as_bytes()).split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        if values.is_empty() {
            return Err(SigError::Mismatch);
        }
        out.push_str(name);
        out.push(':');
        out.push_str(&values.join(","));
        out.push('\n');
    }
    Ok(out)
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

fn canonical_query(pairs: &[(String, String)], keep: impl Fn(&str) -> bool) -> String {
    let encode = |text: &str| utf8_percent_encode(text, STRICT).to_string();
    let mut out: Vec<(String, String)> =
        pairs.iter().filter(|(n, _)| keep(n)).map(|(n, v)| (encode(n), encode(v))).collect();
    out.sort();
    out.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join("&")
}

/// The forms a path may have been signed in: S3 encodes once; the others encode what is already encoded again, most of
/// them after removing dot segments and doubled slashes.
fn canonical_paths(path: &str, service: &str) -> Vec<String> {
    let path = if path.is_empty() { "/" } else { path };
    if service == "s3" {
        let decoded: Vec<u8> = percent_decode_str(path).collect();
        return vec![percent_encoding::percent_encode(&decoded, PATH).to_string()];
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    let mut normal = format!("/{}", kept.join("/"));
    if path.ends_with('/') && normal != "/" {
        normal.push('/');
    }
    let mut out = vec![utf8_percent_encode(&normal, PATH).to_string()];
    if normal != path {
        out.push(utf8_percent_encode(path, PATH).to_string());
    }
    out
}
