//! Rules of the store, without HTTP.

use super::*;
use crate::api::ApiError;

const ALLOW: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;

fn identity() -> Identity {
    Identity::open(&Wal::default(), Arns::new("us-east-1", "123456789012"))
}

fn certificate(identity: &mut Identity, status: CertStatus) -> String {
    let issued = issue::keys_and_certificate(issue::KeyKind::P256).unwrap();
    identity.register_certificate(&issued.certificate_pem, status, false, None, 1).unwrap()
}

fn code<T>(result: Result<T, ApiError>) -> (u16, &'static str) {
    let error = result.err().expect("an error");
    (error.status, error.code)
}

#[test]
fn an_issued_certificate_registers_once_under_the_hash_of_its_der() {
    let mut identity = identity();
    let issued = issue::keys_and_certificate(issue::KeyKind::P256).unwrap();
    let register = |i: &mut Identity| {
        i.register_certificate(&issued.certificate_pem, CertStatus::Active, false, None, 1)
    };
    let id = register(&mut identity).unwrap();
    assert_eq!(id.len(), 64);
    assert_eq!(code(register(&mut identity)), (409, "ResourceAlreadyExistsException"));
    let held = identity.certificate(&id).unwrap();
    assert!(held.not_before < held.not_after);
    assert!(issued.private_key_pem.contains("PRIVATE KEY") && issued.public_key_pem.contains("PUBLIC KEY"));
    let rubbish = identity.register_certificate("nonsense", CertStatus::Active, false, None, 1);
    assert_eq!(code(rubbish), (400, "CertificateValidationException"));
}

#[test]
fn a_signing_request_becomes_a_certificate_and_rubbish_does_not() {
    let key = rcgen::KeyPair::generate().unwrap();
    let request = rcgen::CertificateParams::new(Vec::new()).unwrap().serialize_request(&key).unwrap();
    let pem = issue::certificate_for(&request.pem().unwrap()).unwrap();
    let mut identity = identity();
    identity.register_certificate(&pem, CertStatus::Active, false, None, 1).unwrap();
    assert_eq!(code(issue::certificate_for("rubbish")), (400, "InvalidRequestException"));
}

#[test]
fn deleting_needs_a_status_other_than_active_and_nothing_attached() {
    let mut identity = identity();
    let active = certificate(&mut identity, CertStatus::Active);
    assert_eq!(code(identity.delete_certificate(&active, true)), (406, "CertificateStateException"));
    let id = certificate(&mut identity, CertStatus::Inactive);
    identity.attach_thing(&id, "t", None).unwrap();
    identity.create_policy("p", ALLOW, 1).unwrap();
    identity.attach_policy("p", &Target::Principal(id.clone())).unwrap();
    assert_eq!(code(identity.delete_certificate(&id, true)), (409, "DeleteConflictException"));
    assert!(identity.detach_thing(&id, "t"));
    assert_eq!(code(identity.delete_certificate(&id, false)), (409, "DeleteConflictException"));
    identity.delete_certificate(&id, true).unwrap();
    assert_eq!(code(identity.delete_certificate(&id, true)), (404, "ResourceNotFoundException"));
    identity.delete_policy("p").unwrap();
}

#[test]
fn an_exclusive_attachment_shares_with_nobody() {
    let mut identity = identity();
    let id = certificate(&mut identity, CertStatus::Active);
    identity.attach_thing(&id, "a", Some(true)).unwrap();
    identity.attach_thing(&id, "a", None).unwrap();
    assert_eq!(identity.exclusive_thing(&id), Some("a"));
    assert_eq!(code(identity.attach_thing(&id, "b", None)), (400, "InvalidRequestException"));
    assert_eq!(code(identity.attach_thing(&id, "a", Some(false))), (400, "InvalidRequestException"));
    identity.detach_thing(&id, "a");
    identity.attach_thing(&id, "b", None).unwrap();
    assert_eq!(code(identity.attach_thing(&id, "a", Some(true))), (400, "InvalidRequestException"));
    identity.attach_thing(&id, "a", None).unwrap();
    assert_eq!(identity.things_of(&id), [("a".to_owned(), false), ("b".to_owned(), false)]);
    assert_eq!(identity.principals_of("b"), [id]);
}

#[test]
fn policies_have_limits_versions_and_well_formed_documents() {
    let mut identity = identity();
    identity.create_policy("p", ALLOW, 1).unwrap();
    assert_eq!(code(identity.create_policy("p", ALLOW, 1)), (409, "ResourceAlreadyExistsException"));
    for bad in [
        "",
        "[]",
        r#"{"Version":"2012-10-17","Statement":[]}"#,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Perhaps","Action":"iot:*","Resource":"*"}]}"#,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*"}]}"#,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"topic/x"}]}"#,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*","Principal":"*"}]}"#,
        r#"{"Version":"2020-01-01","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#,
    ] {
        assert_eq!(code(identity.create_policy("q", bad, 1)), (400, "MalformedPolicyException"), "{bad}");
    }
    let wide = ALLOW.replace("\"*\"", &format!("\"arn:{}\"", "x".repeat(2048)));
    assert_eq!(code(identity.create_policy("q", &wide, 1)), (400, "MalformedPolicyException"));
    identity.create_policy("spaces", &format!("{ALLOW}{}", " ".repeat(4000)), 1).unwrap();

    for number in 2..=5 {
        assert_eq!(identity.create_policy_version("p", ALLOW, number == 5, 1).unwrap(), number);
    }
    assert_eq!(
        code(identity.create_policy_version("p", ALLOW, false, 1)),
        (409, "VersionsLimitExceededException")
    );
    assert_eq!(identity.policy("p").unwrap().default, 5);
    assert_eq!(code(identity.delete_policy_version("p", "5")), (409, "DeleteConflictException"));
    assert_eq!(code(identity.delete_policy("p")), (409, "DeleteConflictException"));
    assert_eq!(code(identity.policy_version("p", "9")), (404, "ResourceNotFoundException"));
    assert_eq!(code(identity.policy_version("p", "x")), (400, "InvalidRequestException"));
    for number in 1..=4 {
        identity.delete_policy_version("p", &number.to_string()).unwrap();
    }
    assert_eq!(
        identity.create_policy_version("p", ALLOW, false, 1).unwrap(),
        6,
        "numbers are not used again"
    );
}

#[test]
fn two_policies_on_a_group_and_ten_on_a_certificate() {
    let mut identity = identity();
    for n in 0..11 {
        identity.create_policy(&format!("p{n}"), ALLOW, 1).unwrap();
    }
    let (group, principal) = (Target::Group("g".to_owned()), Target::Principal("c".repeat(64)));
    for (target, most) in [(&group, 2), (&principal, 10)] {
        for n in 0..most {
            identity.attach_policy(&format!("p{n}"), target).unwrap();
            identity.attach_policy(&format!("p{n}"), target).unwrap();
        }
        assert_eq!(code(identity.attach_policy("p10", target)), (410, "LimitExceededException"));
    }
    assert_eq!(code(identity.delete_policy("p0")), (409, "DeleteConflictException"));
    identity.drop_group("g");
    assert!(identity.detach_policy("p0", &principal));
    assert!(!identity.detach_policy("p0", &principal));
    identity.delete_policy("p0").unwrap();
}

#[test]
fn signing_requests_of_every_key_and_hash_aws_takes_are_answered() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/csr");
    let mut seen = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let answer = issue::certificate_for(&std::fs::read_to_string(&path).unwrap());
        if name.starts_with("refused-") {
            seen.1 += 1;
            assert_eq!(answer.map_err(|e| e.status), Err(400), "{name}");
            continue;
        }
        seen.0 += 1;
        let pem = answer.unwrap_or_else(|error| panic!("{name}: {}", error.message));
        let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap();
        let (_, certificate) = x509_parser::parse_x509_certificate(&pem.contents).unwrap();
        let subject = certificate.subject().iter_common_name().next().unwrap().as_str().unwrap();
        assert_eq!(subject, "device", "{name}");
        assert!(!certificate.is_ca() && certificate.validity().is_valid(), "{name}");
    }
    assert_eq!(seen, (15, 6));
}

#[test]
fn keys_are_rsa_in_pkcs1_as_aws_makes_them() {
    let issued = issue::keys_and_certificate(issue::KeyKind::Rsa2048).unwrap();
    assert!(issued.private_key_pem.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
    assert!(issued.public_key_pem.starts_with("-----BEGIN PUBLIC KEY-----\n"));
    let (_, pem) = x509_parser::pem::parse_x509_pem(issued.certificate_pem.as_bytes()).unwrap();
    let (_, certificate) = x509_parser::parse_x509_certificate(&pem.contents).unwrap();
    let (_, private) = x509_parser::pem::parse_x509_pem(issued.private_key_pem.as_bytes()).unwrap();
    // The key is whole, and the certificate is for it.
    let key = ring::rsa::KeyPair::from_der(&private.contents).unwrap();
    let public: &[u8] = key.public().as_ref();
    assert_eq!(&certificate.public_key().subject_public_key.data[..], public);
    assert_eq!(key.public().modulus_len(), 256);
}
