//! The emulator's certificate authority and its TLS: who a client is, is decided after the handshake.
//!
//! As in AWS IoT any well-formed client certificate may try: what authenticates is that it is *registered* and ACTIVE, which
//! the account ([`super::broker::Host::authenticate`]) knows. The handshake proves that the client holds the certificate's key.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
};

use crate::credentials::KeyPairPem;
use crate::signature::Hash;

/// MQTT with a client certificate, on a port shared with HTTP.
pub const ALPN_MQTT: &[u8] = b"x-amzn-mqtt-ca";
/// HTTP with a client certificate.
pub const ALPN_HTTP_CERTIFICATE: &[u8] = b"x-amzn-http-ca";
/// HTTP, signed.
pub const ALPN_HTTP: &[u8] = b"http/1.1";

/// The authority that vouches for the emulator's own servers.
pub struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pem: String,
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}

fn ca_params() -> io::Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new()).map_err(other)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "quell");
    params.distinguished_name.push(DnType::CommonName, "quell local AWS IoT CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    params.not_after = rcgen::date_time_ymd(2049, 12, 31);
    Ok(params)
}

impl Ca {
    /// A new authority.
    pub fn create() -> io::Result<Self> {
        let key = KeyPair::generate().map_err(other)?;
        let issuer = CertifiedIssuer::self_signed(ca_params()?, key).map_err(other)?;
        let pem = issuer.pem();
        Ok(Self { issuer, pem })
    }

    /// The authority kept in `dir` (`ca.pem`, `ca-key.pem`), made there when there is none: clients that trust it go on
    /// doing so after a restart.
    pub fn load_or_create(dir: &Path) -> io::Result<Self> {
        let (pem_path, key_path) = (dir.join("ca.pem"), dir.join("ca-key.pem"));
        match (std::fs::read_to_string(&pem_path), std::fs::read_to_string(&key_path)) {
            (Ok(pem), Ok(key)) => {
                let key = KeyPair::from_pem(&key).map_err(other)?;
                let issuer = CertifiedIssuer::self_signed(ca_params()?, key).map_err(other)?;
                Ok(Self { issuer, pem })
            }
            (Err(a), Err(b))
                if a.kind() == io::ErrorKind::NotFound && b.kind() == io::ErrorKind::NotFound =>
            {
                let ca = Self::create()?;
                write_private(&key_path, &ca.issuer.key().serialize_pem())?;
                write_private(&pem_path, &ca.pem)?;
                Ok(ca)
            }
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    /// The authority's certificate: what clients must trust.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A server that answers to `names` (DNS names and addresses) beside localhost, and takes any client certificate.
    pub fn server_config(&self, names: &[String]) -> io::Result<Arc<ServerConfig>> {
        let mut all: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
        all.extend(
            names.iter().filter(|n| !["localhost", "127.0.0.1", "::1"].contains(&n.as_str())).cloned(),
        );
        let key = KeyPair::generate().map_err(other)?;
        let mut params = CertificateParams::new(all).map_err(other)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "quell local AWS IoT");
        params.not_before = rcgen::date_time_ymd(2024, 1, 1);
        params.not_after = rcgen::date_time_ymd(2049, 12, 31);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).map_err(other)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(other)?
            .with_client_cert_verifier(Arc::new(AnyCertificate { provider }))
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .map_err(other)?;
        config.alpn_protocols = [ALPN_MQTT, ALPN_HTTP_CERTIFICATE, ALPN_HTTP].map(<[u8]>::to_vec).to_vec();
        Ok(Arc::new(config))
    }
}

/// What clients of one authority share: a fleet of them holds it once.
#[derive(Clone, Debug)]
pub struct Trust {
    provider: Arc<CryptoProvider>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl Trust {
    /// Trust in the authority `ca`, in PEM.
    pub fn new(ca: &str) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).map_err(other)?).map_err(other)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        Ok(Self { provider, verifier: verifier.build().map_err(other)? })
    }

    /// A client that shows what `pair` holds.
    ///
    /// # Errors
    /// A certificate or key that is none.
    pub fn client(&self, pair: &Arc<KeyPairPem>) -> io::Result<Arc<ClientConfig>> {
        let shown = OnDemand { pair: Arc::clone(pair), provider: Arc::clone(&self.provider) };
        shown.certified()?;
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(other)?
            .with_webpki_verifier(Arc::clone(&self.verifier))
            .with_client_cert_resolver(Arc::new(shown));
        // A device takes up no session of an earlier connection, and the memory for them is the largest part of it.
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }
}

/// A certificate and its key, read from their texts for each handshake: a connection holds its configuration to its end, and a
/// key that is ready takes more than its text.
struct OnDemand {
    pair: Arc<KeyPairPem>,
    provider: Arc<CryptoProvider>,
}

impl std::fmt::Debug for OnDemand {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnDemand").finish_non_exhaustive()
    }
}

impl OnDemand {
    fn certified(&self) -> io::Result<CertifiedKey> {
        let certificate = CertificateDer::from_pem_slice(self.pair.certificate.as_bytes()).map_err(other)?;
        let key = PrivateKeyDer::from_pem_slice(self.pair.key.as_bytes()).map_err(other)?;
        let key = self.provider.key_provider.load_private_key(key).map_err(other)?;
        Ok(CertifiedKey::new(vec![certificate], key))
    }
}

impl ResolvesClientCert for OnDemand {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.certified().ok().map(Arc::new)
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// AWS's certificate id: the SHA-256 of the certificate's DER in hexadecimal.
pub fn certificate_id(der: &[u8]) -> String {
    hex::encode(Sha256::digest(der))
}

/// Takes every certificate whose key the client holds; a client may also come without one (it then signs its requests).
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        x509_parser::parse_x509_certificate(end_entity)
            .map(|_| ClientCertVerified::assertion())
            .map_err(|_| rustls::Error::InvalidCertificate(rustls::CertificateError::BadEncoding))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if dss.scheme == SignatureScheme::ECDSA_NISTP521_SHA512 {
            return verify_p521(message, cert, dss.signature());
        }
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if dss.scheme == SignatureScheme::ECDSA_NISTP521_SHA512 {
            return verify_p521(message, cert, dss.signature());
        }
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.provider.signature_verification_algorithms.supported_schemes();
        schemes.push(SignatureScheme::ECDSA_NISTP521_SHA512);
        schemes
    }
}

/// AWS IoT takes keys on P-521; the TLS library's provider has no such curve.
fn verify_p521(
    message: &[u8],
    cert: &CertificateDer<'_>,
    signature: &[u8],
) -> Result<HandshakeSignatureValid, rustls::Error> {
    let bad = |error| rustls::Error::InvalidCertificate(error);
    let (_, parsed) =
        x509_parser::parse_x509_certificate(cert).map_err(|_| bad(rustls::CertificateError::BadEncoding))?;
    if crate::signature::ecdsa(parsed.public_key(), Hash::Sha512, message, signature) {
        Ok(HandshakeSignatureValid::assertion())
    } else {
        Err(bad(rustls::CertificateError::BadSignature))
    }
}
