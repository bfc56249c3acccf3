//! The form errors take: each service speaks a protocol of its own, and a client understands a refusal, that of its very
//! signature too, only in that one.

use hyper::header;
use hyper::http::request::Parts;

use crate::api::{ApiError, Resp, cloudwatch, query};

/// How a service says what went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `{"message": …}`, the name in a header: the IoT services, and most others with paths of their own.
    Rest,
    /// `<ErrorResponse>`: SNS, STS, IAM, and CloudWatch for older clients.
    Query,
    /// `<Response><Errors>`: EC2.
    Ec2,
    /// `<Error>`: S3.
    S3,
    /// `<ErrorResponse>` at paths of its own: Route 53, CloudFront.
    RestXml,
    /// `{"__type": …}`: the services that are named in `X-Amz-Target`.
    Json {
        /// AWS JSON 1.0 or 1.1.
        content_type: &'static str,
        /// CloudWatch has names of its own.
        cloudwatch: bool,
    },
    /// The same in CBOR.
    Cbor {
        /// CloudWatch has names of its own.
        cloudwatch: bool,
    },
}

impl Dialect {
    /// What the sender of a request understands, whether its signature is any good or not: the form of the request says it,
    /// and where that says nothing, the service of its credential scope.
    pub(super) fn of(parts: &Parts) -> Self {
        let service = scope(parts);
        let service = service.as_deref();
        let header = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let cloudwatch = service == Some("monitoring");
        if header("smithy-protocol") == "rpc-v2-cbor" {
            return Self::Cbor { cloudwatch };
        }
        if parts.headers.contains_key("x-amz-target") {
            let newer = header("content-type").starts_with("application/x-amz-json-1.1");
            let content_type =
                if newer { "application/x-amz-json-1.1" } else { "application/x-amz-json-1.0" };
            return Self::Json { content_type, cloudwatch };
        }
        match service {
            Some("s3" | "s3-outposts" | "s3express") => Self::S3,
            Some("route53" | "cloudfront") => Self::RestXml,
            Some("ec2") => Self::Ec2,
            Some("sns" | "sts" | "iam" | "monitoring") => Self::Query,
            _ if header("content-type").starts_with("application/x-www-form-urlencoded") => Self::Query,
            // Unsigned forms are posted to the root, where the other services have nothing.
            None if parts.uri.path() == "/" => Self::Query,
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
            Self::Query | Self::RestXml => {
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
            Self::Ec2 => {
                let body = format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{}</Code><Message>{}\
                     </Message></Error></Errors><RequestID>{request_id}</RequestID></Response>",
                    query::code(error.code),
                    query::escape(&error.message)
                );
                Resp::raw("text/xml", body).map(|resp| resp.status(error.status))
            }
            Self::Json { cloudwatch: true, .. } => cloudwatch::refuse(error, false),
            Self::Cbor { cloudwatch: true } => cloudwatch::refuse(error, true),
            Self::Json { content_type, cloudwatch: false } => {
                let body = serde_json::json!({ "__type": shape(error.code), "message": error.message });
                Resp::raw(content_type, body.to_string()).map(|resp| resp.status(error.status))
            }
            Self::Cbor { cloudwatch: false } => {
                let text = |text: &str| ciborium::Value::Text(text.to_owned());
                let body = ciborium::Value::Map(vec![
                    (text("__type"), text(&shape(error.code))),
                    (text("message"), text(&error.message)),
                ]);
                let mut bytes = Vec::new();
                ciborium::into_writer(&body, &mut bytes).map_err(|e| ApiError::internal(e.to_string()))?;
                let resp = Resp::raw("application/cbor", bytes)?.header("smithy-protocol", "rpc-v2-cbor");
                Ok(resp.status(error.status))
            }
        }
    }
}

/// The service a request claims to be signed for.
fn scope(parts: &Parts) -> Option<String> {
    let signed = parts.headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let credential = match signed {
        Some(text) => text.split("Credential=").nth(1)?.split(',').next().unwrap_or_default().to_owned(),
        None => {
            let query = super::decode_query(parts.uri.query().unwrap_or_default());
            query.into_iter().find(|(name, _)| name == "X-Amz-Credential").map(|(_, value)| value)?
        }
    };
    credential.split('/').nth(3).map(str::to_owned)
}

/// An error's name as the frame of AWS's services gives it.
fn shape(code: &str) -> String {
    format!("com.amazon.coral.service#{code}")
}

#[cfg(test)]
mod tests {
    use hyper::Request;

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
        for (service, cloudwatch) in [("monitoring", true), ("dynamodb", false)] {
            let by = signed(service);
            let json = |content_type: &'static str| Dialect::Json { content_type, cloudwatch };
            for version in ["application/x-amz-json-1.0", "application/x-amz-json-1.1"] {
                let headers =
                    [("authorization", by.as_str()), ("x-amz-target", "X.Y"), ("content-type", version)];
                assert_eq!(dialect("/", &headers), json(version), "{service}");
            }
            let headers = [("authorization", by.as_str()), ("smithy-protocol", "rpc-v2-cbor")];
            assert_eq!(dialect("/service/x", &headers), Dialect::Cbor { cloudwatch }, "{service}");
        }
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        for (service, expected) in [("autoscaling", Dialect::Query), ("ec2", Dialect::Ec2)] {
            let headers = [("authorization", signed(service)), ("content-type", form.to_owned())];
            let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
            assert_eq!(dialect("/", &headers), expected);
        }
        for (service, expected) in [("lambda", Dialect::Rest), ("route53", Dialect::RestXml)] {
            assert_eq!(dialect("/2015-03-31/functions", &[("authorization", &signed(service))]), expected);
        }
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
        let json = |cloudwatch| Dialect::Json { content_type: "application/x-amz-json-1.1", cloudwatch };
        assert!(said(json(true)).1.contains("cloudwatch#UnrecognizedClientException"));
        assert!(said(json(false)).1.contains("com.amazon.coral.service#UnrecognizedClientException"));
        assert!(said(Dialect::Ec2).1.contains("<Response><Errors><Error><Code>InvalidClientTokenId</Code>"));
    }
}
