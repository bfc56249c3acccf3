//! TLS for the stream: one provider (ring), the platform's authorities or the given one.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use crate::config::MqttSettings;

/// A client configuration; with a client certificate where one is given.
pub(super) fn config(mqtt: &MqttSettings, alpn: Option<&[u8]>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &mqtt.ca {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|e| format!("{}: {e}", path.display()))?;
        }
    } else {
        let found = rustls_native_certs::load_native_certs();
        // A single odd certificate in a platform's store is common and no reason to fail.
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            return Err("no certificate authorities on this machine: give one with --ca".into());
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots);
    let mut config = match (&mqtt.cert, &mqtt.key) {
        (Some(cert), Some(key)) => {
            let key = PrivateKeyDer::from_pem_file(key).map_err(|e| format!("{}: {e}", key.display()))?;
            builder.with_client_auth_cert(certificates(cert)?, key).map_err(|e| e.to_string())?
        }
        (None, None) => builder.with_no_client_auth(),
        _ => return Err("a client certificate needs both --cert and --key".into()),
    };
    config.alpn_protocols = alpn.map(<[u8]>::to_vec).into_iter().collect();
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let list = CertificateDer::pem_file_iter(path).map_err(|e| wrong(&e))?;
    let list: Vec<_> = list.collect::<Result<_, _>>().map_err(|e| wrong(&e))?;
    if list.is_empty() { Err(wrong(&"no certificate in it")) } else { Ok(list) }
}
