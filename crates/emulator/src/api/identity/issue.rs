//! Makes keys and certificates for CreateKeysAndCertificate, CreateCertificateFromCsr and start-up seeding.
//!
//! What a device authenticates with is that its certificate is *registered*, not who issued it: the issuer made here is
//! never stored. Keys are P-256, where AWS makes RSA 2048 (see the deviation register): the emulator must make thousands.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use crate::api::ApiError;

/// A device's new certificate with its keys, in PEM.
pub struct Issued {
    /// The certificate.
    pub certificate_pem: String,
    /// The public key.
    pub public_key_pem: String,
    /// The private key (PKCS#8).
    pub private_key_pem: String,
}

fn failed(error: rcgen::Error) -> ApiError {
    ApiError::internal(format!("The certificate could not be made: {error}"))
}

fn issuer() -> Result<Issuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(
        DnType::OrganizationalUnitName,
        "Amazon Web Services O=Amazon.com Inc. L=Seattle ST=Washington C=US",
    );
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(Issuer::new(params, KeyPair::generate()?))
}

/// What every device certificate of AWS has: valid to the end of 2049, for client authentication.
fn device_params(params: &mut CertificateParams) {
    params.not_after = rcgen::date_time_ymd(2049, 12, 31);
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.serial_number = Some(fastrand::u128(..).to_be_bytes().to_vec().into());
}

/// New keys with a certificate for them.
pub fn keys_and_certificate() -> Result<Issued, ApiError> {
    let make = || {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "AWS IoT Certificate");
        device_params(&mut params);
        let certificate = params.signed_by(&key, &issuer()?)?;
        Ok(Issued {
            certificate_pem: certificate.pem(),
            public_key_pem: key.public_key_pem(),
            private_key_pem: key.serialize_pem(),
        })
    };
    make().map_err(failed)
}

/// A certificate for the key of a signing request, whose own signature is checked; in PEM.
pub(super) fn certificate_for(csr_pem: &str) -> Result<String, ApiError> {
    let mut request = CertificateSigningRequestParams::from_pem(csr_pem)
        .map_err(|_| ApiError::invalid("CSR violates constraints"))?;
    device_params(&mut request.params);
    let certificate = issuer().and_then(|issuer| request.signed_by(&issuer)).map_err(failed)?;
    Ok(certificate.pem())
}
