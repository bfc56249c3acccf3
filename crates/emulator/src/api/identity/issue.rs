//! Makes keys and certificates for CreateKeysAndCertificate, CreateCertificateFromCsr, fleet provisioning and start-up
//! seeding.
//!
//! What a device authenticates with is that its certificate is *registered*, not who issued it: the issuer made here is
//! never stored.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use num_bigint::BigUint;
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use rsa::traits::{PrivateKeyParts as _, PublicKeyParts as _};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::signature_algorithm::SignatureAlgorithm;
use yasna::models::ObjectIdentifier;
use yasna::{DERWriter, Tag, construct_der};

use crate::api::ApiError;
use crate::signature::{self, Hash};

/// A device's new certificate with its keys, in PEM.
pub struct Issued {
    /// The certificate.
    pub certificate_pem: String,
    /// The public key.
    pub public_key_pem: String,
    /// The private key.
    pub private_key_pem: String,
}

/// Which keys a certificate is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA of 2048 bits, the private key in PKCS#1: what AWS IoT makes. Takes a tenth of a second or so.
    Rsa2048,
    /// ECDSA P-256, the private key in PKCS#8: for simulated devices, of which there may be thousands.
    P256,
}

/// Bits of an RSA key: what AWS IoT makes, and the least it takes.
const RSA_BITS: usize = 2048;
const ECDSA_WITH_SHA256: [u64; 7] = [1, 2, 840, 10045, 4, 3, 2];
const RSA_ENCRYPTION: [u64; 7] = [1, 2, 840, 113_549, 1, 1, 1];
const COMMON_NAME: [u64; 4] = [2, 5, 4, 3];
const ORGANIZATIONAL_UNIT: [u64; 4] = [2, 5, 4, 11];
/// Valid from 2024-01-01 to the end of 2049, as times of DER.
const VALIDITY: [&[u8]; 2] = [b"\x17\x0d240101000000Z", b"\x17\x0d491231235959Z"];
/// No CA; signs; as a client: basic constraints, key usage and extended key usage in DER.
const EXTENSIONS: [&[u8]; 3] = [
    b"\x30\x0c\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x02\x30\x00",
    b"\x30\x0e\x06\x03\x55\x1d\x0f\x01\x01\xff\x04\x04\x03\x02\x07\x80",
    b"\x30\x13\x06\x03\x55\x1d\x25\x04\x0c\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02",
];

fn failed(error: impl std::fmt::Display) -> ApiError {
    ApiError::internal(format!("The certificate could not be made: {error}"))
}

/// New keys with a certificate for them. Blocking for RSA: see [`KeyKind`].
pub fn keys_and_certificate(kind: KeyKind) -> Result<Issued, ApiError> {
    let (private_key_pem, public_key) = match kind {
        KeyKind::P256 => {
            let key = KeyPair::generate().map_err(failed)?;
            (key.serialize_pem(), key.subject_public_key_info())
        }
        KeyKind::Rsa2048 => rsa_keys()?,
    };
    let subject = name(&COMMON_NAME, "AWS IoT Certificate");
    Ok(Issued {
        certificate_pem: certificate(&subject, &public_key)?,
        public_key_pem: pem("PUBLIC KEY", &public_key),
        private_key_pem,
    })
}

/// [`keys_and_certificate`] with keys as AWS IoT makes them, for a task of the runtime: its worker goes on with other
/// tasks meanwhile.
pub fn keys_in_place() -> Result<Issued, ApiError> {
    crate::store::in_place(|| keys_and_certificate(KeyKind::Rsa2048))
}

/// An RSA key: PKCS#1 in PEM, and its public part as SubjectPublicKeyInfo.
fn rsa_keys() -> Result<(String, Vec<u8>), ApiError> {
    let mut entropy = rsa::rand_core::UnwrapErr(getrandom::SysRng);
    let key = rsa::PrivateKey::new(&mut entropy, RSA_BITS).map_err(failed)?;
    let number = |bytes: &[u8]| BigUint::from_bytes_be(bytes);
    let [p, q] = key.primes() else { return Err(failed("an RSA key of two primes was expected")) };
    let (p, q) = (number(&p.to_be_bytes()), number(&q.to_be_bytes()));
    let (n, e, d) =
        (number(&key.n().to_be_bytes()), number(&key.e().to_be_bytes()), number(&key.d().to_be_bytes()));
    let one = BigUint::from(1u32);
    let (dp, dq) = (&d % (&p - &one), &d % (&q - &one));
    let inverse = q.modinv(&p).ok_or_else(|| failed("its primes are not coprime"))?;
    let private = construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_u8(0);
            for part in [&n, &e, &d, &p, &q, &dp, &dq, &inverse] {
                writer.next().write_bigint_bytes(&part.to_bytes_be(), true);
            }
        });
    });
    let public = construct_der(|writer| {
        writer.write_sequence(|writer| {
            [&n, &e].into_iter().for_each(|part| writer.next().write_bigint_bytes(&part.to_bytes_be(), true));
        });
    });
    let info = construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_sequence(|writer| {
                writer.next().write_oid(&ObjectIdentifier::from_slice(&RSA_ENCRYPTION));
                writer.next().write_null();
            });
            writer.next().write_bitvec_bytes(&public, public.len() * 8);
        });
    });
    Ok((pem("RSA PRIVATE KEY", &private), info))
}

/// A certificate for the key of a signing request, whose own signature is checked; in PEM.
///
/// # Errors
/// `InvalidRequestException` for what is no request, a key that is neither RSA of 2048 bits or more nor on P-256, P-384 or
/// P-521, and a signature that is not the key's.
pub(in crate::api) fn certificate_for(csr_pem: &str) -> Result<String, ApiError> {
    let refuse = || ApiError::invalid("CSR violates constraints");
    let (_, parsed) = x509_parser::pem::parse_x509_pem(csr_pem.as_bytes()).map_err(|_| refuse())?;
    if !parsed.label.ends_with("CERTIFICATE REQUEST") {
        return Err(refuse());
    }
    let (_, request) = X509CertificationRequest::from_der(&parsed.contents).map_err(|_| refuse())?;
    if !is_signed_by_its_key(&request) {
        return Err(refuse());
    }
    let info = &request.certification_request_info;
    certificate(info.subject.as_raw(), info.subject_pki.raw)
}

fn is_signed_by_its_key(request: &X509CertificationRequest<'_>) -> bool {
    let info = &request.certification_request_info;
    let (key, signature) = (&info.subject_pki, &request.signature_value.data);
    match (key.parsed(), Hash::of_algorithm(&request.signature_algorithm.algorithm)) {
        (Ok(PublicKey::EC(_)), Some((hash, true))) => signature::ecdsa(key, hash, info.raw, signature),
        (Ok(PublicKey::RSA(public)), scheme) => {
            let modulus = BigUint::from_bytes_be(public.modulus);
            modulus.bits() >= RSA_BITS as u64
                && match scheme {
                    Some((hash, false)) => {
                        signature::rsa(public.modulus, public.exponent, hash, info.raw, signature)
                    }
                    _ => match SignatureAlgorithm::try_from(&request.signature_algorithm) {
                        Ok(SignatureAlgorithm::RSASSA_PSS(parameters)) => {
                            let (modulus, exponent) = (public.modulus, public.exponent);
                            signature::rsa_pss(modulus, exponent, &parameters, info.raw, signature)
                        }
                        _ => false,
                    },
                }
        }
        _ => false,
    }
}

/// A certificate, in PEM, as every one of AWS IoT's is: for client authentication, to the end of 2049.
fn certificate(subject: &[u8], public_key: &[u8]) -> Result<String, ApiError> {
    let issuer = KeyPair::generate().map_err(failed)?;
    let issuer_name =
        name(&ORGANIZATIONAL_UNIT, "Amazon Web Services O=Amazon.com Inc. L=Seattle ST=Washington C=US");
    let algorithm = |writer: DERWriter<'_>| {
        writer.write_sequence(|writer| {
            writer.next().write_oid(&ObjectIdentifier::from_slice(&ECDSA_WITH_SHA256));
        });
    };
    let mut serial = fastrand::u128(..).to_be_bytes();
    // Positive, and of its full length.
    serial[0] = serial[0] & 0x7f | 0x40;
    let to_sign = construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_tagged(Tag::context(0), |writer| writer.write_u8(2));
            writer.next().write_bigint_bytes(&serial, true);
            algorithm(writer.next());
            writer.next().write_der(&issuer_name);
            writer.next().write_sequence(|writer| VALIDITY.iter().for_each(|at| writer.next().write_der(at)));
            writer.next().write_der(subject);
            writer.next().write_der(public_key);
            writer.next().write_tagged(Tag::context(3), |writer| {
                writer
                    .write_sequence(|writer| EXTENSIONS.iter().for_each(|one| writer.next().write_der(one)));
            });
        });
    });
    let signature = issuer.sign(&to_sign).map_err(failed)?;
    let der = construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_der(&to_sign);
            algorithm(writer.next());
            writer.next().write_bitvec_bytes(&signature, signature.len() * 8);
        });
    });
    Ok(pem("CERTIFICATE", &der))
}

/// A distinguished name of one part.
fn name(kind: &[u64], value: &str) -> Vec<u8> {
    construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_set(|writer| {
                writer.next().write_sequence(|writer| {
                    writer.next().write_oid(&ObjectIdentifier::from_slice(kind));
                    writer.next().write_utf8_string(value);
                });
            });
        });
    })
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}
