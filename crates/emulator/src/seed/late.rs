//! Certificates for simulated devices. A large fleet gets them while the emulator is running already: thousands of keys
//! would keep everybody waiting.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::account::Account;
use crate::api::ApiError;
use crate::api::identity::{CertStatus, Target, certificate_id_of, issue};
use crate::credentials::{CredentialsDir, KeyPairPem};
use crate::devices::{DeviceSpec, Kind};

/// Devices equipped, and made durable, together.
const BATCH: usize = 32;

/// A registered device that has no certificate yet.
pub struct Late {
    /// Its thing.
    pub thing: String,
    /// Its kind.
    pub kind: Kind,
    /// Where its telemetry goes.
    pub topic: String,
}

impl Late {
    /// Gives it a certificate of its own (or the one of `pair`) with `policy`, and writes both files. Blocking.
    pub(super) fn equip(
        self,
        account: &Account,
        dir: &CredentialsDir,
        pair: Option<Arc<KeyPairPem>>,
        policy: &str,
    ) -> Result<DeviceSpec, String> {
        let failed = |e: ApiError| format!("the certificate of {}: {}", self.thing, e.message);
        let pair = match pair {
            Some(pair) => pair,
            None => {
                let issued = issue::keys_and_certificate(issue::KeyKind::P256).map_err(failed)?;
                Arc::new(KeyPairPem { certificate: issued.certificate_pem, key: issued.private_key_pem })
            }
        };
        attach(account, &self.thing, &pair, policy).map_err(failed)?;
        dir.write_thing(&self.thing, &pair).map_err(|e| format!("credentials of {}: {e}", self.thing))?;
        let client_id = self.thing.clone();
        Ok(DeviceSpec { thing: self.thing, client_id, kind: self.kind, topic: self.topic, pair, from: None })
    }
}

fn attach(account: &Account, thing: &str, pair: &KeyPairPem, policy: &str) -> Result<(), ApiError> {
    let der = x509_parser::pem::parse_x509_pem(pair.certificate.as_bytes())
        .map(|(_, pem)| pem.contents)
        .map_err(|e| ApiError::internal(e.to_string()))?;
    let id = certificate_id_of(&der);
    let now = account.clock.now_ms();
    let mut state = account.write();
    if state.identity.certificate(&id).is_none() {
        state.identity.register_certificate(&pair.certificate, CertStatus::Active, true, None, now)?;
        state.identity.attach_policy(policy, &Target::Principal(id.clone()))?;
    }
    state.identity.attach_thing(&id, thing, None)
}

/// Equips devices one batch after the other and hands them on; ends early when nobody takes them any more.
pub async fn equip_all(
    account: Arc<Account>,
    late: Vec<Late>,
    dir: CredentialsDir,
    equipped: mpsc::Sender<DeviceSpec>,
) {
    let dir = Arc::new(dir);
    let mut late = late.into_iter();
    loop {
        let batch: Vec<Late> = late.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            return;
        }
        let (account, dir) = (Arc::clone(&account), Arc::clone(&dir));
        let made = tokio::task::spawn_blocking(move || {
            let equip = |late: Late| late.equip(&account, &dir, None, "DevicePolicy");
            let specs = batch.into_iter().map(equip).collect::<Result<Vec<_>, _>>()?;
            account.wal.commit().map_err(|e| format!("the state could not be kept: {e}"))?;
            Ok::<_, String>(specs)
        });
        match made.await {
            Ok(Ok(specs)) => {
                for spec in specs {
                    if equipped.send(spec).await.is_err() {
                        return;
                    }
                }
            }
            Ok(Err(error)) => return tracing::warn!(error, "the rest of the devices stay away"),
            Err(_) => return,
        }
    }
}
