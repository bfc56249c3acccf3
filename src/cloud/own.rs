//! A console must not connect as a device: it would be judged, counted and isolated as one (docs/aws-iot.md#6.23).

use std::path::Path;

use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use crate::config::Settings;
use quell_fleet::known::{Trouble, TroubleKind};
use quell_fleet::text::SafeText;

use super::{Aws, read};

/// Refuses the client certificate of `settings` when things are attached to it.
///
/// # Errors
/// It is a device's. A certificate that cannot be asked about is let through: the broker decides.
pub async fn refuse_device_certificate(aws: &Aws, settings: &Settings) -> Result<(), Trouble> {
    let Some(id) = settings.mqtt.cert.as_deref().and_then(certificate_id) else { return Ok(()) };
    let arn = match read::certificate(aws, &id).await {
        Ok(Some(found)) => found.arn,
        Ok(None) => return Ok(()),
        Err(trouble) => {
            tracing::warn!(message = %trouble.message, "whether the certificate is a device's is not known");
            return Ok(());
        }
    };
    match read::things_of_principal(aws, &arn).await {
        Ok(things) if !things.is_empty() => {
            let names: Vec<&str> = things.iter().take(3).map(|thing| thing.shown().as_str()).collect();
            let more = if things.len() > names.len() { ", …" } else { "" };
            let message = format!(
                "the certificate of --cert belongs to {}{more}: a console that connects with it is a device to AWS, and \
                 may be isolated as one; use a certificate of its own, or SigV4 (wss://)",
                names.join(", ")
            );
            Err(Trouble {
                kind: TroubleKind::Refused,
                message: SafeText::new(&message),
                missing_action: None,
                since: super::now_ms(),
            })
        }
        Ok(_) => Ok(()),
        Err(trouble) => {
            tracing::warn!(message = %trouble.message, "whether the certificate is a device's is not known");
            Ok(())
        }
    }
}

/// A certificate's id is the SHA-256 of its DER form.
fn certificate_id(path: &Path) -> Option<String> {
    let first = CertificateDer::pem_file_iter(path).ok()?.next()?.ok()?;
    Some(hex::encode(Sha256::digest(&first)))
}
