//! Operations on the account as a whole: its endpoint and who calls.

use std::net::SocketAddr;

use serde_json::json;

use super::sessions::ROLE_ID;
use super::{ApiError, Req, Resp, query};

/// DescribeEndpoint: the host this very request went to, at the port of the TLS listener, which speaks MQTT and HTTPS.
///
/// AWS answers a bare host name; here the port belongs to it (see the deviation register).
pub(super) fn describe_endpoint(req: &Req) -> Result<Resp, ApiError> {
    let kind = req.query("endpointType").unwrap_or("iot:Data");
    match kind {
        "iot:Data" | "iot:Data-ATS" | "iot:Jobs" | "iot:CredentialProvider" | "iot:Data-Beta" => {
            let terms = &req.account.terms;
            Resp::json(
                json!({ "endpointAddress": tls_listener(req.header("host"), terms.http, terms.mqtts) }),
            )
        }
        _ => Err(ApiError::invalid(format!("Endpoint type {kind} is not supported"))),
    }
}

/// The TLS listener `mqtts` under the name a client used for `http`, where both listen on the same address.
fn tls_listener(host: Option<&str>, http: SocketAddr, mqtts: SocketAddr) -> String {
    let name = host.map(|host| match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    });
    match name {
        Some(name) if mqtts.ip().is_unspecified() || mqtts.ip() == http.ip() => {
            format!("{name}:{}", mqtts.port())
        }
        _ => mqtts.to_string(),
    }
}

/// STS GetCallerIdentity.
pub(super) fn get_caller_identity(req: &Req) -> Result<Resp, ApiError> {
    let arn = req.account.caller(&req.caller);
    // Of a role's session: the role's id and the session's name.
    let session = arn.split_once(":assumed-role/").and_then(|(_, rest)| rest.split_once('/'));
    let user = match session {
        Some((_, name)) => format!("{ROLE_ID}:{}", query::escape(name)),
        None => "AIDAQUELLOPERATOR000".to_owned(),
    };
    query::answer(
        "GetCallerIdentity",
        "https://sts.amazonaws.com/doc/2011-06-15/",
        &format!(
            "<Arn>{}</Arn><UserId>{user}</UserId><Account>{}</Account>",
            query::escape(&arn),
            req.account.id
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_is_the_tls_listener_under_the_name_the_client_used() {
        let http = SocketAddr::from(([127, 0, 0, 1], 4510));
        let mqtts = SocketAddr::from(([127, 0, 0, 1], 8883));
        assert_eq!(tls_listener(Some("localhost:4510"), http, mqtts), "localhost:8883");
        assert_eq!(tls_listener(Some("localhost"), http, mqtts), "localhost:8883");
        assert_eq!(tls_listener(Some("[::1]:4510"), http, mqtts), "[::1]:8883");
        assert_eq!(tls_listener(Some("[::1]"), http, mqtts), "[::1]:8883");
        assert_eq!(tls_listener(None, http, mqtts), "127.0.0.1:8883");
        let elsewhere = SocketAddr::from(([192, 0, 2, 1], 8883));
        assert_eq!(tls_listener(Some("localhost:4510"), http, elsewhere), "192.0.2.1:8883");
        let anywhere = SocketAddr::from(([0, 0, 0, 0], 8883));
        assert_eq!(tls_listener(Some("cloud.local:4510"), http, anywhere), "cloud.local:8883");
    }
}
