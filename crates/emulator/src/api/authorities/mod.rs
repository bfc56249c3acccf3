//! CA certificates: those device certificates are registered under, and the code that proves one owns a CA's key.
//!
//! What a device authenticates with is its registered certificate; a CA decides nothing at connect time.

mod operations;
pub mod routes;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use x509_parser::certificate::X509Certificate;
use x509_parser::public_key::PublicKey;

use super::identity::certificate_id_of;
use super::registry::uuid;
use super::{ApiError, when};
use crate::store::{Table, Wal};

/// Bits an RSA key needs at least.
const RSA_BITS: usize = 2048;
const ONLY: &str = "account";

/// A registered CA certificate. Its id is its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Authority {
    /// The certificate in PEM.
    pub pem: String,
    /// `ACTIVE`, not `INACTIVE`.
    pub active: bool,
    /// May certificates of unknown devices be registered when they connect?
    auto_registration: bool,
    /// `registrationConfig` as given.
    registration: Option<Value>,
    /// True for `SNI_ONLY`.
    sni_only: bool,
    created_ms: i64,
    modified_ms: i64,
    version: i64,
    generation_id: String,
    not_before: i64,
    /// Validity, epoch seconds.
    pub not_after: i64,
}

/// The account's CA certificates and its registration code.
pub struct Authorities {
    table: Table<Authority>,
    code: Table<String>,
}

/// What a CA is registered with.
struct Registration {
    pem: String,
    verification_pem: Option<String>,
    sni_only: bool,
    active: bool,
    auto_registration: bool,
    registration: Option<Value>,
}

fn invalid_certificate(message: &str) -> ApiError {
    ApiError::new(400, "CertificateValidationException", message)
}

fn bad_code(message: &str) -> ApiError {
    ApiError::new(400, "RegistrationCodeValidationException", message)
}

fn missing() -> ApiError {
    ApiError::not_found("Requested CA Certificate does not exist.")
}

/// The DER of a PEM text's certificate.
fn der_of(pem: &str) -> Result<Vec<u8>, ApiError> {
    let parsed = x509_parser::pem::parse_x509_pem(pem.as_bytes()).ok().map(|(_, parsed)| parsed);
    let der = parsed.filter(|p| p.label == "CERTIFICATE").map(|p| p.contents);
    der.ok_or_else(|| invalid_certificate("Failed to parse certificate PEM"))
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, ApiError> {
    let parsed = x509_parser::parse_x509_certificate(der).map(|(_, certificate)| certificate);
    parsed.map_err(|_| invalid_certificate("Failed to parse certificate"))
}

impl Authorities {
    /// What `wal` held.
    pub fn open(wal: &Wal) -> Self {
        Self { table: Table::open(wal, "ca-certificates"), code: Table::open(wal, "registration-code") }
    }

    /// Is there a CA certificate of that id?
    pub fn has(&self, id: &str) -> bool {
        self.table.contains(id)
    }

    /// The CA certificates in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Authority)> {
        self.table.iter()
    }

    /// Switches a CA certificate off; fine when it is off already.
    ///
    /// # Errors
    /// 404 for one that is not registered.
    pub fn deactivate(&mut self, id: &str, now_ms: i64) -> Result<(), ApiError> {
        self.change(id, now_ms, |held| held.active = false)
    }

    fn require(&self, id: &str) -> Result<&Authority, ApiError> {
        self.table.get(id).ok_or_else(missing)
    }

    fn change(&mut self, id: &str, now_ms: i64, change: impl FnOnce(&mut Authority)) -> Result<(), ApiError> {
        let mut held = self.require(id)?.clone();
        change(&mut held);
        if self.table.get(id) != Some(&held) {
            held.modified_ms = now_ms;
            held.version += 1;
            self.table.put(id, held);
        }
        Ok(())
    }

    /// The code a verification certificate's common name must be; made when first asked for.
    fn registration_code(&mut self) -> String {
        if let Some(code) = self.code.get(ONLY) {
            return code.clone();
        }
        let code = format!("{:032x}{:032x}", fastrand::u128(..), fastrand::u128(..));
        self.code.put(ONLY, code.clone());
        code
    }

    /// Registers a CA certificate; gives its id. Its owner proves to hold its key by a certificate for the registration code,
    /// unless it is only used with SNI.
    fn register(&mut self, wanted: Registration, now_ms: i64) -> Result<String, ApiError> {
        let der = der_of(&wanted.pem)?;
        let certificate = parse(&der)?;
        if !certificate.is_ca() {
            return Err(invalid_certificate("The certificate is not a CA certificate"));
        }
        let validity = certificate.validity();
        if validity.not_after.timestamp() <= now_ms / 1000 {
            return Err(invalid_certificate("The CA certificate has expired"));
        }
        if let Ok(PublicKey::RSA(key)) = certificate.public_key().parsed()
            && key.key_size() < RSA_BITS
        {
            return Err(invalid_certificate("The RSA key of the CA certificate is too short"));
        }
        let id = certificate_id_of(&der);
        if self.table.contains(&id) {
            let text = format!("The CA certificate is already registered: {id}");
            return Err(ApiError::already_exists(text, &id, ""));
        }
        if !wanted.sni_only {
            let pem =
                wanted.verification_pem.as_deref().ok_or_else(|| when::missing("verificationCertificate"))?;
            self.verify(&certificate, pem)?;
        }
        let authority = Authority {
            active: wanted.active,
            auto_registration: wanted.auto_registration,
            registration: wanted.registration,
            sni_only: wanted.sni_only,
            created_ms: now_ms,
            modified_ms: now_ms,
            version: 1,
            generation_id: uuid(),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
            pem: wanted.pem,
        };
        self.table.put(&id, authority);
        Ok(id)
    }

    fn verify(&self, authority: &X509Certificate<'_>, pem: &str) -> Result<(), ApiError> {
        let der = der_of(pem)?;
        let proof = parse(&der)?;
        let mut names = proof.subject().iter_common_name().filter_map(|name| name.as_str().ok());
        if !self.code.get(ONLY).is_some_and(|code| names.any(|name| name == code)) {
            return Err(bad_code(
                "The common name of the verification certificate is not the registration code",
            ));
        }
        if proof.verify_signature(Some(authority.public_key())).is_err() {
            return Err(bad_code("The verification certificate is not signed by the CA certificate"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    use super::*;

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    fn authority() -> (String, Issuer<'static, KeyPair>) {
        let mut wanted = params("Test CA");
        wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = wanted.self_signed(&key).unwrap().pem();
        (pem, Issuer::new(wanted, key))
    }

    fn registration(pem: &str, verification_pem: Option<String>) -> Registration {
        Registration {
            pem: pem.to_owned(),
            verification_pem,
            sni_only: false,
            active: true,
            auto_registration: false,
            registration: None,
        }
    }

    #[test]
    fn only_the_holder_of_its_key_registers_a_ca() {
        let mut store = Authorities::open(&Wal::default());
        let (pem, issuer) = authority();
        let (_, other) = authority();
        let code = store.registration_code();
        assert_eq!(code, store.registration_code());
        let key = KeyPair::generate().unwrap();
        let proof =
            |name: &str, by: &Issuer<'static, KeyPair>| Some(params(name).signed_by(&key, by).unwrap().pem());
        let refused =
            |store: &mut Authorities, proof| store.register(registration(&pem, proof), 0).unwrap_err().code;
        assert_eq!(refused(&mut store, None), "InvalidRequestException");
        assert_eq!(refused(&mut store, proof("x", &issuer)), "RegistrationCodeValidationException");
        assert_eq!(refused(&mut store, proof(&code, &other)), "RegistrationCodeValidationException");
        let id = store.register(registration(&pem, proof(&code, &issuer)), 0).unwrap();
        assert_eq!(refused(&mut store, proof(&code, &issuer)), "ResourceAlreadyExistsException");
        store.deactivate(&id, 5).unwrap();
        store.deactivate(&id, 6).unwrap();
        let held = store.require(&id).unwrap();
        assert_eq!((held.active, held.version, held.modified_ms), (false, 2, 5));
    }

    #[test]
    fn a_device_certificate_and_an_expired_ca_are_refused() {
        let mut store = Authorities::open(&Wal::default());
        let key = KeyPair::generate().unwrap();
        let device = params("device").self_signed(&key).unwrap().pem();
        let refused = |store: &mut Authorities, pem: &str, now| {
            store.register(Registration { sni_only: true, ..registration(pem, None) }, now).unwrap_err().code
        };
        assert_eq!(refused(&mut store, &device, 0), "CertificateValidationException");
        assert_eq!(refused(&mut store, "nonsense", 0), "CertificateValidationException");
        let (pem, _) = authority();
        assert_eq!(refused(&mut store, &pem, i64::MAX), "CertificateValidationException");
    }
}
