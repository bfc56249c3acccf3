//! Provisioning by a trusted user: a certificate for five minutes, good for provisioning by one template and nothing else. A
//! phone or an installer's laptop asks for it and hands it to the new device (docs/aws-iot.md#3.11).

use std::time::Duration;

use serde_json::json;

use super::templates::require;
use crate::api::identity::{Claim, issue};
use crate::api::when::seconds;
use crate::api::{ApiError, Req, Resp};

/// How long a claim is good for (docs/aws-iot.md#3.11).
const GOOD_FOR: Duration = Duration::from_secs(300);

/// CreateProvisioningClaim. The certificate is in no list: it is a claim, not a device's.
pub(super) fn create(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("templateName");
    let usable = || {
        let state = req.account.read();
        match require(&state, name)? {
            held if !held.serves_claims() => {
                Err(ApiError::invalid(format!("Template {name} is not for fleet provisioning")))
            }
            held if !held.is_enabled() => Err(ApiError::invalid(format!("Template {name} is not enabled"))),
            _ => Ok(()),
        }
    };
    usable()?;
    let issued = issue::keys_in_place()?;
    let good_for = req.account.clock.scaled(GOOD_FOR);
    let until_ms = req.account.clock.now_ms() + i64::try_from(good_for.as_millis()).unwrap_or_default();
    let claim = Claim { template: name.to_owned(), until_ms };
    let id = req.account.write().identity.claim(&issued.certificate_pem, claim)?;
    let ended = id.clone();
    req.account.spawn(async move |account| {
        tokio::time::sleep(good_for).await;
        account.write().identity.end_claim(&ended);
        let cut = account.broker().disconnect_certificate(&ended, "AUTH_ERROR");
        tracing::debug!(certificate = ended, cut, "a claim is over");
    });
    Resp::json(json!({
        "certificateId": id,
        "certificatePem": issued.certificate_pem,
        "keyPair": { "PublicKey": issued.public_key_pem, "PrivateKey": issued.private_key_pem },
        "expiration": seconds(until_ms),
    }))
}
