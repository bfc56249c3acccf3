//! Whether SNS really sent a message: its signature, under a certificate that only SNS can serve (docs/aws-iot.md#3.9).

use base64::Engine as _;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use x509_parser::public_key::PublicKey;

use super::envelope::{Envelope, Kind};

/// True when a URL of a message may be fetched: SNS's own host, or the private endpoint this quell was pointed at.
pub fn trusted(url: &str, endpoint: Option<&str>) -> bool {
    if let Some(endpoint) = endpoint.map(|e| e.trim_end_matches('/')).filter(|e| !e.is_empty())
        && !endpoint.contains(".amazonaws.com")
        && url.strip_prefix(endpoint).is_some_and(|rest| rest.starts_with('/'))
    {
        return true;
    }
    let Some(rest) = url.strip_prefix("https://") else { return false };
    let Some((host, _)) = rest.split_once('/') else { return false };
    let name = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"));
    name.and_then(|n| n.strip_prefix("sns.")).is_some_and(|region| {
        region.len() >= 3 && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    })
}

/// The text SNS signs: name, newline, value, newline, of the members of its kind in this order.
fn signed_text(envelope: &Envelope) -> String {
    let mut members = vec![("Message", Some(&envelope.message)), ("MessageId", Some(&envelope.message_id))];
    match envelope.kind {
        Kind::Notification => members.push(("Subject", envelope.subject.as_ref())),
        Kind::SubscriptionConfirmation | Kind::UnsubscribeConfirmation => {
            members.push(("SubscribeURL", envelope.subscribe_url.as_ref()));
        }
    }
    members.push(("Timestamp", Some(&envelope.timestamp)));
    if envelope.kind != Kind::Notification {
        members.push(("Token", envelope.token.as_ref()));
    }
    members.push(("TopicArn", Some(&envelope.topic_arn)));
    let kind = envelope.kind.word().to_owned();
    members.push(("Type", Some(&kind)));
    members.iter().filter_map(|(name, value)| value.map(|v| format!("{name}\n{v}\n"))).collect()
}

/// Checks a message's signature under the certificate its URL led to, at `now` (seconds since 1970).
///
/// # Errors
/// Why it is not to be believed.
pub fn verify(envelope: &Envelope, certificate: &[u8], now: i64) -> Result<(), String> {
    let signature = base64::engine::general_purpose::STANDARD
        .decode(&envelope.signature)
        .map_err(|_| "the signature is not base64".to_owned())?;
    if signature.is_empty() {
        return Err("it carries no signature".to_owned());
    }
    let (_, pem) = x509_parser::pem::parse_x509_pem(certificate)
        .map_err(|_| "the signing certificate is no PEM".to_owned())?;
    let certificate = pem.parse_x509().map_err(|_| "the signing certificate cannot be read".to_owned())?;
    let validity = certificate.validity();
    if now < validity.not_before.timestamp() || now > validity.not_after.timestamp() {
        return Err("the signing certificate is not valid now".to_owned());
    }
    let key = certificate.public_key();
    let parsed = key.parsed().map_err(|_| "the signing certificate's key cannot be read".to_owned())?;
    let algorithm: &dyn VerificationAlgorithm = match (&parsed, envelope.signature_version.as_str()) {
        (PublicKey::RSA(_), "1") => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        (PublicKey::RSA(_), "2") => &RSA_PKCS1_2048_8192_SHA256,
        // AWS signs with RSA; the emulator's key is of this kind.
        (PublicKey::EC(_), "2") => &ECDSA_P256_SHA256_ASN1,
        _ => return Err("a signature version that SNS does not have".to_owned()),
    };
    UnparsedPublicKey::new(algorithm, key.subject_public_key.data.as_ref())
        .verify(signed_text(envelope).as_bytes(), &signature)
        .map_err(|_| "its signature is not of its content".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::alert::envelope::parse;
    use rcgen::{CertificateParams, KeyPair, SigningKey as _};

    fn message() -> Envelope {
        let text = r#"{"Type":"Notification","MessageId":"m","TopicArn":"arn:aws:sns:r:1:t","Message":"hello","Timestamp":"2026-11-21T03:00:36.527Z","SignatureVersion":"2","Signature":"","SigningCertURL":"https://sns.us-east-1.amazonaws.com/x.pem"}"#;
        parse(text).unwrap().remove(0)
    }

    #[test]
    fn only_what_was_signed_verifies() {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["sns.amazonaws.com".to_owned()]).unwrap();
        let pem = certificate.self_signed(&key).unwrap().pem();
        let now = jiff::Timestamp::now().as_second();
        let mut envelope = message();
        assert!(verify(&envelope, pem.as_bytes(), now).unwrap_err().contains("no signature"));
        let signature = key.sign(signed_text(&envelope).as_bytes()).unwrap();
        envelope.signature = base64::engine::general_purpose::STANDARD.encode(signature);
        assert_eq!(verify(&envelope, pem.as_bytes(), now), Ok(()));
        assert!(verify(&envelope, pem.as_bytes(), 0).is_err(), "before the certificate's time");
        for change in [
            |e: &mut Envelope| e.message.push('!'),
            |e: &mut Envelope| e.topic_arn.push('x'),
            |e: &mut Envelope| e.timestamp.clear(),
            |e: &mut Envelope| e.kind = Kind::SubscriptionConfirmation,
            |e: &mut Envelope| e.subject = Some("added".to_owned()),
            |e: &mut Envelope| e.signature_version = "1".to_owned(),
        ] {
            let mut forged = envelope.clone();
            change(&mut forged);
            assert!(verify(&forged, pem.as_bytes(), now).is_err(), "{forged:?}");
        }
    }

    #[test]
    fn certificates_come_from_sns_alone() {
        assert!(trusted("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem", None));
        assert!(trusted("https://sns.cn-north-1.amazonaws.com.cn/x.pem", None));
        for wrong in [
            "http://sns.us-east-1.amazonaws.com/x.pem",
            "https://sns.us-east-1.amazonaws.com.evil.net/x.pem",
            "https://evil.net/sns.us-east-1.amazonaws.com/x.pem",
            "https://s3.us-east-1.amazonaws.com/x.pem",
            "https://sns.us-east-1.amazonaws.com@evil.net/x.pem",
            "http://127.0.0.1:4510/x.pem",
        ] {
            assert!(!trusted(wrong, None), "{wrong}");
        }
        assert!(trusted("http://127.0.0.1:4510/x.pem", Some("http://127.0.0.1:4510")));
        assert!(!trusted("http://127.0.0.1:45101/x.pem", Some("http://127.0.0.1:4510")));
    }
}
