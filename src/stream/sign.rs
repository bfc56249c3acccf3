//! SigV4 of the WebSocket URL (docs/aws-iot.md#3.2): an old URL is refused after minutes, so each connect signs anew.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SessionTokenMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    sign,
};
use aws_sigv4::sign::v4;

use super::target::Target;

/// The signed URL; the session token is appended after signing, AWS IoT's peculiarity.
pub(super) fn signed_url(
    target: &Target,
    credentials: &Credentials,
    region: &str,
    time: SystemTime,
) -> Result<String, String> {
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_secs(86_400));
    settings.session_token_mode = SessionTokenMode::Exclude;
    settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("iotdevicegateway")
        .time(time)
        .settings(settings)
        .build()
        .map_err(|e| e.to_string())?;
    // The signer knows http(s) only; scheme and port are not signed, the Host header is.
    let scheme = if target.scheme == super::target::Scheme::Wss { "https" } else { "http" };
    let authority = target.authority();
    let mut url = format!("{scheme}://{authority}{}", target.path);
    let headers = [("host", authority.as_str())];
    let request = SignableRequest::new("GET", url.as_str(), headers.into_iter(), SignableBody::Bytes(&[]))
        .map_err(|e| e.to_string())?;
    let (instructions, _) = sign(request, &params.into()).map_err(|e| e.to_string())?.into_parts();
    let mut separator = '?';
    for (name, value) in instructions.params() {
        url.push(separator);
        separator = '&';
        url.push_str(name);
        url.push('=');
        url.push_str(&encode(value));
    }
    Ok(url.replacen("http", "ws", 1))
}

fn encode(value: &str) -> String {
    /// Everything but the unreserved characters of RFC 3986, as SigV4 wants it.
    const ALL: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    percent_encoding::utf8_percent_encode(value, ALL).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_comes_after_the_signature_and_does_not_change_it() {
        let target = Target::parse("wss://abc-ats.iot.eu-west-1.amazonaws.com/mqtt").unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_574_254_500);
        let url = |token: Option<&str>| {
            let credentials = Credentials::new("AKID", "secret", token.map(String::from), None, "test");
            signed_url(&target, &credentials, "eu-west-1", time).unwrap()
        };
        let plain = url(None);
        assert!(plain.starts_with("wss://abc-ats.iot.eu-west-1.amazonaws.com/mqtt?X-Amz-"), "{plain}");
        assert!(
            plain.contains("X-Amz-Credential=AKID%2F20191120%2Feu-west-1%2Fiotdevicegateway%2Faws4_request")
        );
        assert!(plain.contains("X-Amz-SignedHeaders=host&"), "{plain}");
        let signature = |url: &str| url.split("X-Amz-Signature=").nth(1).unwrap()[..64].to_owned();
        let with_token = url(Some("to/ken=="));
        assert_eq!(signature(&plain), signature(&with_token));
        assert!(with_token.ends_with("X-Amz-Security-Token=to%2Fken%3D%3D"), "{with_token}");
    }
}
