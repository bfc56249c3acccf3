//! Whether SNS really sent a message: its signature, under a certificate that only SNS can serve (docs/aws-iot.md#3.9).

use base64::Engine as _;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use x509_parser::public_key::PublicKey;

use super::envelope::{Envelope, Kind};

/// Whose a URL of a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// SNS's own host in a region.
    Aws {
        /// `sns.eu-west-1.amazonaws.com`.
        host: String,
    },
    /// The private endpoint this quell was pointed at.
    Endpoint,
}

/// Whose a URL is; `None` when it is nobody's who may be asked.
fn place(url: &str, endpoint: Option<&str>) -> Option<Place> {
    if let Some(endpoint) = endpoint.map(|e| e.trim_end_matches('/')).filter(|e| !e.is_empty())
        && !endpoint.contains(".amazonaws.com")
        && url.strip_prefix(endpoint).is_some_and(|rest| rest.starts_with('/'))
    {
        return Some(Place::Endpoint);
    }
    let (host, _) = url.strip_prefix("https://")?.split_once('/')?;
    let name = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    is_region(name.strip_prefix("sns.")?).then(|| Place::Aws { host: host.to_owned() })
}

/// `us-east-1`, `us-gov-west-1`: two letters, words, a number. `s3-us-west-2` is none: a bucket called `sns` is served under
/// `sns.s3-us-west-2.amazonaws.com`, and anybody may have had it.
fn is_region(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let [partition, words @ .., number] = parts.as_slice() else { return false };
    let letters = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    partition.len() == 2
        && letters(partition)
        && !words.is_empty()
        && words.iter().all(|word| letters(word))
        && (1..=2).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
}

/// Where a signing certificate is kept; `None` when SNS keeps none there.
pub(super) fn certificate_place(url: &str, endpoint: Option<&str>) -> Option<Place> {
    let found = place(url, endpoint)?;
    let file = url.rsplit_once('/').map(|(_, file)| file)?;
    let name = file.strip_prefix("SimpleNotificationService-")?.strip_suffix(".pem")?;
    let whole =
        url.split('/').count() == 4 && name.bytes().all(|b| b.is_ascii_hexdigit()) && !name.is_empty();
    (whole || found == Place::Endpoint).then_some(found)
}

/// True when a subscription may be confirmed there: SNS's own host, or the private endpoint this quell was pointed at.
pub fn trusted(url: &str, endpoint: Option<&str>) -> bool {
    place(url, endpoint).is_some()
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
        let name = "SimpleNotificationService-9c6465fa7f48f5cacd23014631ec1136.pem";
        for host in [
            "sns.us-east-1.amazonaws.com",
            "sns.us-gov-west-1.amazonaws.com",
            "sns.cn-north-1.amazonaws.com.cn",
        ] {
            let url = format!("https://{host}/{name}");
            assert_eq!(certificate_place(&url, None), Some(Place::Aws { host: host.to_owned() }));
            assert!(trusted(&format!("https://{host}/?Action=ConfirmSubscription"), None));
        }
        for wrong in [
            "http://sns.us-east-1.amazonaws.com/",
            "https://sns.us-east-1.amazonaws.com.evil.net/",
            "https://evil.net/sns.us-east-1.amazonaws.com/",
            "https://s3.us-east-1.amazonaws.com/",
            "https://sns.s3-us-west-2.amazonaws.com/",
            "https://sns.s3.amazonaws.com/",
            "https://sns.abc.amazonaws.com/",
            "https://sns.us-east-1.elb.amazonaws.com/",
            "https://sns.us-east-1.amazonaws.com@evil.net/",
            "https://sns.us-east-1.amazonaws.com:8443/",
            "http://127.0.0.1:4510/",
        ] {
            assert!(!trusted(wrong, None), "{wrong}");
            assert_eq!(certificate_place(&format!("{wrong}{name}"), None), None, "{wrong}");
        }
        for file in [
            "x.pem",
            "a/SimpleNotificationService-aa.pem",
            "SimpleNotificationService-.pem",
            "SimpleNotificationService-aa.pem?x",
        ] {
            assert_eq!(
                certificate_place(&format!("https://sns.us-east-1.amazonaws.com/{file}"), None),
                None,
                "{file}"
            );
        }
        let own = Some("http://127.0.0.1:4510");
        assert_eq!(certificate_place(&format!("http://127.0.0.1:4510/{name}"), own), Some(Place::Endpoint));
        assert!(!trusted("http://127.0.0.1:45101/x.pem", own));
    }
}
