//! The form errors take: each service speaks a protocol of its own, and a client understands a refusal, that of its very
//! signature too, only in that one.

use axum::http::header;
use axum::http::request::Parts;

use crate::api::{ApiError, Resp, cloudwatch, query};

/// How a service says what went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `{"message": …}`, the name in a header: the IoT services.
    Rest,
    /// `<ErrorResponse>`: SNS, STS, IAM, and CloudWatch for older clients.
    Query,
    /// `<Error>`: S3.
    S3,
    /// `{"__type": …}`: CloudWatch in AWS JSON 1.0.
    Json,
    /// The same in CBOR.
    Cbor,
}

impl Dialect {
    /// What the sender of a request understands, whether its signature is any good or not.
    pub(super) fn of(parts: &Parts) -> Self {
        let signed = parts.headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        let credential = match signed {
            Some(text) => text
                .split("Credential=")
                .nth(1)
                .map(|rest| rest.split(',').next().unwrap_or_default().to_owned()),
            None => super::decode_query(parts.uri.query().unwrap_or_default())
                .into_iter()
                .find(|(name, _)| name == "X-Amz-Credential")
                .map(|(_, value)| value),
        };
        let Some(credential) = credential else {
            // Unsigned forms are posted to the root, where the other services have nothing.
            return if parts.uri.path() == "/" { Self::Query } else { Self::Rest };
        };
        match credential.split('/').nth(3) {
            Some("sns" | "sts" | "iam") => Self::Query,
            Some("s3") => Self::S3,
            Some("monitoring") if parts.headers.contains_key("smithy-protocol") => Self::Cbor,
            Some("monitoring") if parts.headers.contains_key("x-amz-target") => Self::Json,
            Some("monitoring") => Self::Query,
            _ => Self::Rest,
        }
    }

    /// An error as it goes over the wire.
    pub(super) fn say(self, error: ApiError, request_id: &str) -> Result<Resp, ApiError> {
        match self {
            Self::Rest => {
                let mut body = error.extra;
                body.insert("message".into(), error.message.into());
                Resp::raw("application/json", serde_json::Value::Object(body).to_string())
                    .map(|resp| resp.status(error.status))
            }
            Self::Query => {
                let status = error.status;
                Resp::raw("text/xml", query::error_body(&error, request_id)).map(|resp| resp.status(status))
            }
            Self::S3 => {
                let code = match error.code {
                    "UnrecognizedClientException" => "InvalidAccessKeyId",
                    "MissingAuthenticationTokenException" => "AccessDenied",
                    other => query::code(other),
                };
                let body = format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{}</Message>\
                     <RequestId>{request_id}</RequestId></Error>",
                    query::escape(&error.message)
                );
                Resp::raw("application/xml", body).map(|resp| resp.status(error.status))
            }
            Self::Json => cloudwatch::refuse(error, false),
            Self::Cbor => cloudwatch::refuse(error, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn dialect(uri: &str, headers: &[(&str, &str)]) -> Dialect {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Dialect::of(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn the_scope_of_the_signature_says_which_protocol_a_refusal_takes() {
        let signed = |service: &str| {
            format!(
                "AWS4-HMAC-SHA256 Credential=AK/20261121/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=00"
            )
        };
        for (service, expected) in [
            ("iot", Dialect::Rest),
            ("sns", Dialect::Query),
            ("sts", Dialect::Query),
            ("s3", Dialect::S3),
            ("monitoring", Dialect::Query),
        ] {
            assert_eq!(dialect("/", &[("authorization", &signed(service))]), expected, "{service}");
        }
        let cloudwatch = signed("monitoring");
        assert_eq!(dialect("/", &[("authorization", &cloudwatch), ("x-amz-target", "X.Y")]), Dialect::Json);
        assert_eq!(
            dialect("/service/x", &[("authorization", &cloudwatch), ("smithy-protocol", "rpc-v2-cbor")]),
            Dialect::Cbor
        );
        assert_eq!(
            dialect("/b/k?X-Amz-Credential=AK%2F20261121%2Fus-east-1%2Fs3%2Faws4_request", &[]),
            Dialect::S3
        );
        assert_eq!(dialect("/", &[]), Dialect::Query);
        assert_eq!(dialect("/things", &[]), Dialect::Rest);
    }

    #[test]
    fn a_bad_key_has_each_services_own_name() {
        let error = || ApiError::new(403, "UnrecognizedClientException", "no <such> key");
        let said = |dialect: Dialect| {
            let resp = dialect.say(error(), "id").unwrap();
            (resp.status, String::from_utf8_lossy(&resp.body).into_owned())
        };
        assert_eq!(said(Dialect::Rest), (403, r#"{"message":"no <such> key"}"#.to_owned()));
        let (_, query) = said(Dialect::Query);
        assert!(
            query.contains("<Code>InvalidClientTokenId</Code><Message>no &lt;such&gt; key</Message>"),
            "{query}"
        );
        assert!(said(Dialect::S3).1.contains("<Error><Code>InvalidAccessKeyId</Code>"));
        assert!(said(Dialect::Json).1.contains("cloudwatch#UnrecognizedClientException"));
    }
}
