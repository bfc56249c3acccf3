//! One signed request to a service that is asked for one thing only: it does not pay for a whole SDK client in build time and
//! size. Over the same connector (proxies, authorities) and with the same credentials as every other call.

use std::time::Duration;

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;

use quell_fleet::known::{Trouble, TroubleKind};
use quell_fleet::text::SafeText;

use super::read::Read;
use super::{Aws, now_ms};

/// An answer that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(15);
/// An answer larger than this is not read.
const MOST: usize = 4 << 20;

/// Which service is asked, where, and in whose name.
#[derive(Clone, Debug)]
pub(super) struct Service {
    /// As a person calls it.
    pub(super) called: &'static str,
    /// The name that is signed.
    pub(super) name: &'static str,
    /// The region that is signed.
    pub(super) region: String,
    /// Where it is, with a path.
    pub(super) url: String,
    pub(super) connector: SharedHttpConnector,
}

pub(super) fn failed(kind: TroubleKind, words: &str) -> Trouble {
    Trouble { kind, message: SafeText::limited(words.as_bytes(), 400), missing_action: None, since: now_ms() }
}

/// Posts `body`; the status and the answer's body.
pub(super) async fn post(
    aws: &Aws,
    service: &Service,
    headers: &[(&'static str, &str)],
    body: &str,
) -> Read<(u16, Bytes)> {
    let request = signed(aws, service, headers, body).await?;
    let began = std::time::Instant::now();
    let tell = |outcome: &str| {
        super::told::tell(service.name, "POST", None, began.elapsed().as_millis(), SafeText::new(outcome));
    };
    let called = service.called;
    let sent = async {
        let lost = |what: &str, e: &dyn std::fmt::Display| {
            failed(TroubleKind::Unreachable, &format!("{called} {what}: {e}"))
        };
        let answer = service.connector.call(request).await;
        let mut answer = answer.map_err(|e| lost("was not reached", &e))?;
        let status = answer.status().as_u16();
        let stream = ByteStream::new(std::mem::replace(answer.body_mut(), SdkBody::empty()));
        let bytes = stream.collect().await.map_err(|e| lost("stopped short", &e))?.into_bytes();
        Ok((status, bytes))
    };
    let answered = tokio::time::timeout(PATIENCE, sent).await;
    match &answered {
        Ok(Ok((200, _))) => tell("ok"),
        Ok(Ok((status, _))) => tell(&status.to_string()),
        Ok(Err(_)) | Err(_) => tell("no answer"),
    }
    let (status, bytes) =
        answered.map_err(|_| failed(TroubleKind::Unreachable, &format!("{called}: no answer in time")))??;
    if bytes.len() > MOST {
        return Err(failed(TroubleKind::Failed, &format!("{called}'s answer is too large")));
    }
    Ok((status, bytes))
}

async fn signed(
    aws: &Aws,
    service: &Service,
    headers: &[(&'static str, &str)],
    body: &str,
) -> Read<HttpRequest> {
    let wrong = |e: String| failed(TroubleKind::Failed, &e);
    let keys = aws.credentials.get().await;
    let identity = keys.map_err(|e| failed(TroubleKind::Credentials, &super::keys::words(&e)))?.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&service.region)
        .name(service.name)
        .time(aws.skew.now())
        .settings(SigningSettings::default())
        .build()
        .map_err(|e| wrong(e.to_string()))?;
    let url = service.url.as_str();
    let authority = url.split_once("://").map_or("", |(_, rest)| rest).split('/').next().unwrap_or_default();
    let headers: Vec<(&str, &str)> =
        std::iter::once(("host", authority)).chain(headers.iter().copied()).collect();
    let signable =
        SignableRequest::new("POST", url, headers.iter().copied(), SignableBody::Bytes(body.as_bytes()))
            .map_err(|e| wrong(e.to_string()))?;
    let (instructions, _) = sign(signable, &params.into()).map_err(|e| wrong(e.to_string()))?.into_parts();
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_method("POST").map_err(|e| wrong(e.to_string()))?;
    request.set_uri(url).map_err(|e| wrong(e.to_string()))?;
    for (name, value) in headers.into_iter().chain(instructions.headers()) {
        request
            .headers_mut()
            .try_insert(name.to_owned(), value.to_owned())
            .map_err(|e| wrong(e.to_string()))?;
    }
    Ok(request)
}
