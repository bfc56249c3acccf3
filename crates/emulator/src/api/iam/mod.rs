//! IAM identities beside the account's own key, which may do everything: each signs with a key of its own and may do what
//! its policies allow. Evaluated for the control plane, the data planes and MQTT over WebSocket.
//!
//! * `document.rs`: what an identity policy says, and the decision. Pure.
//! * `resources.rs`: the ARNs a request is about, by the Service Authorization Reference.
//!
//! The file is JSON: `{"Users": [{"UserName", "AccessKeyId", "SecretAccessKey", "Policies": [DOCUMENT, …]}]}`, with
//! `SessionToken` and `Expiration` for temporary keys. It is read again when it changes, as IAM's changes come into force
//! within seconds.

mod document;
mod resources;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use serde::Deserialize;
use serde_json::Value;

use super::{ApiError, Req, Service, sessions};
use crate::account::Account;
use crate::broker::Action;
use crate::sigv4::Secret;

use document::{Decision, Policy};
pub(crate) use resources::needed;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Somebody with a key.
struct Identity {
    arn: String,
    secret: String,
    token: Option<String>,
    /// Seconds since the epoch.
    expires: Option<i64>,
    policy: Policy,
    /// Made by STS, not by the file.
    session: bool,
}

/// The key of an account, which may do everything in it.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The twelve-digit account id.
    pub account: String,
    /// The access key id.
    pub key: String,
    /// Its secret.
    pub secret: String,
}

/// Who may sign: the accounts' own keys, which may do everything; the identities beside them; anybody, when any key is taken.
pub struct Iam {
    /// Of the account of whoever's key names no other.
    main: Owner,
    /// Of the other accounts.
    others: Vec<Owner>,
    /// Whether a key nobody has is taken, its signature unseen.
    any_key: bool,
    /// By access key id; empty until some are set.
    identities: RwLock<HashMap<String, Arc<Identity>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct File {
    users: Vec<User>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct User {
    user_name: String,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    /// RFC 3339.
    expiration: Option<String>,
    #[serde(default)]
    policies: Vec<Value>,
}

impl Iam {
    /// The key of the default account, those of the `others`, and any beside them if `any_key`.
    pub fn new(main: Owner, others: Vec<Owner>, any_key: bool) -> Self {
        Self { main, others, any_key, identities: RwLock::default() }
    }

    /// The account of whoever's key names no other.
    pub fn account(&self) -> &str {
        &self.main.account
    }

    /// Whose own key that is.
    fn owner(&self, key: &str) -> Option<&Owner> {
        std::iter::once(&self.main).chain(&self.others).find(|owner| owner.key == key)
    }

    /// Replaces all identities by those of `text`.
    ///
    /// # Errors
    /// Not the form above, a policy with something that is not evaluated here, a key id that is given twice or is the
    /// account's own. Nothing is changed then.
    pub fn set(&self, text: &str) -> Result<(), String> {
        let file: File = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let mut identities = HashMap::new();
        for user in file.users {
            let name = &user.user_name;
            let policy = Policy::read(&user.policies).map_err(|what| format!("user {name}: {what}"))?;
            let expires = match user.expiration.as_deref().map(str::parse::<jiff::Timestamp>) {
                None => None,
                Some(Ok(end)) => Some(end.as_second()),
                Some(Err(error)) => return Err(format!("user {name}: Expiration: {error}")),
            };
            let identity = Identity {
                arn: format!("arn:aws:iam::{}:user/{name}", self.main.account),
                secret: user.secret_access_key,
                token: user.session_token,
                expires,
                policy,
                session: false,
            };
            let taken = self.owner(&user.access_key_id).is_some();
            if taken || identities.insert(user.access_key_id, Arc::new(identity)).is_some() {
                return Err(format!("user {name}: the AccessKeyId is somebody else's"));
            }
        }
        let mut held = self.identities.write();
        // Sessions go on: the file says nothing of them.
        held.retain(|_, identity| identity.session);
        held.extend(identities);
        Ok(())
    }

    /// Takes in a session: keys that may do everything until they end.
    pub(super) fn begin_session(&self, arn: String, keys: &sessions::Keys, expires: i64) {
        let everything = serde_json::json!({"Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
        let Ok(policy) = Policy::read(&[everything]) else { return };
        let (secret, token) = (keys.secret.clone(), Some(keys.token.clone()));
        let identity = Identity { arn, secret, token, expires: Some(expires), policy, session: true };
        let mut held = self.identities.write();
        held.retain(|_, known| !known.session || known.expires.is_some_and(|end| end > expires - 2 * 43_200));
        held.insert(keys.id.clone(), Arc::new(identity));
    }

    fn get(&self, key: &str) -> Option<Arc<Identity>> {
        self.identities.read().get(key).cloned()
    }

    /// The ARN of who has an access key id.
    pub fn arn(&self, key: &str) -> String {
        if let Some(identity) = self.get(key) {
            return identity.arn.clone();
        }
        // Where any key is taken, each is a person.
        let sound = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        let named = self.any_key
            && self.owner(key).is_none()
            && !is_account(key)
            && key.len() <= 64
            && key.chars().all(sound);
        format!("arn:aws:iam::{}:user/{}", self.account_of(key), if named { key } else { "operator" })
    }

    /// The account of who has an access key id.
    pub fn account_of(&self, key: &str) -> String {
        if let Some(identity) = self.get(key) {
            return identity.arn.split(':').nth(4).unwrap_or(&self.main.account).to_owned();
        }
        match self.owner(key) {
            Some(owner) => owner.account.clone(),
            None if self.any_key && is_account(key) => key.to_owned(),
            None => self.main.account.clone(),
        }
    }

    /// What the signature of an access key id is checked with; `None` for a key nobody has.
    pub fn secret_of(&self, key: &str) -> Option<Secret> {
        match self.get(key) {
            Some(identity) => Some(Secret::Known(identity.secret.clone())),
            None if self.any_key => Some(Secret::Any),
            None => self.owner(key).map(|owner| Secret::Known(owner.secret.clone())),
        }
    }

    /// A key that may do everything in `account`, and its secret: for URLs the emulator signs itself.
    pub fn own_key(&self, account: &str) -> (String, String) {
        let owner = self.others.iter().find(|owner| owner.account == account).unwrap_or(&self.main);
        // An account that has no key of its own is there because any is taken: its number is one.
        let key = if owner.account == account { &owner.key } else { account };
        (key.to_owned(), owner.secret.clone())
    }

    /// Whether a key whose signature is good is good itself: its session token is the one it came with, and it has not ended
    /// at `now`, in seconds since the epoch.
    ///
    /// # Errors
    /// AWS's error name and words.
    pub fn admit(
        &self,
        key: &str,
        token: Option<&str>,
        now: i64,
    ) -> Result<(), (&'static str, &'static str)> {
        let Some(identity) = self.get(key) else { return Ok(()) };
        if identity.token.is_some() && identity.token.as_deref() != token {
            return Err((
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            ));
        }
        if identity.expires.is_some_and(|end| now >= end) {
            return Err(("ExpiredTokenException", "The security token included in the request is expired"));
        }
        Ok(())
    }

    /// Whether a key may do everything there is.
    pub fn may_do_everything(&self, key: &str) -> bool {
        self.get(key).is_none_or(|identity| identity.policy.decide("quell:Reset", "*") == Decision::Allowed)
    }

    /// Reads the identities' file.
    ///
    /// # Errors
    /// The file cannot be read, or see [`Iam::set`].
    pub fn load(&self, path: &Path) -> Result<(), String> {
        let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
        self.set(&text)
    }

    /// True when the identity may do everything these are: an MQTT action on a bare name. Keys nobody has any more may
    /// nothing; the account's own may everything.
    pub fn allows_mqtt(&self, account: &Account, key: &str, action: Action, resource: &str) -> bool {
        let Some(identity) = self.get(key) else { return self.any_key || self.owner(key).is_some() };
        let arn = account.arn(action.resource_kind(), resource);
        identity.policy.decide(action.name(), &arn) == Decision::Allowed
    }

    /// Refuses a request its signer may not make, in AWS's words.
    ///
    /// # Errors
    /// `AccessDeniedException`, or what the service calls it.
    pub(super) fn check(&self, service: Service, op: &str, req: &Req) -> Result<(), ApiError> {
        let Some(identity) = self.get(&req.caller) else { return Ok(()) };
        for (action, resource) in needed(service, op, req) {
            let why = match identity.policy.decide(&action, &resource) {
                Decision::Allowed => continue,
                Decision::Denied => "with an explicit deny in an identity-based policy".to_owned(),
                Decision::Silent => format!("because no identity-based policy allows the {action} action"),
            };
            tracing::info!(op, %action, %resource, who = %identity.arn, "refused by IAM");
            let message = format!(
                "User: {} is not authorized to perform: {action} on resource: {resource} {why}",
                identity.arn
            );
            return Err(match service {
                // The data plane says nothing more.
                Service::IotData => ApiError::new(403, "ForbiddenException", "Forbidden"),
                Service::Sns => ApiError::new(403, "AuthorizationError", message),
                Service::S3 | Service::Sts | Service::Iam | Service::CloudWatch => {
                    ApiError::new(403, "AccessDenied", message)
                }
                Service::Iot | Service::JobsData => ApiError::new(403, "AccessDeniedException", message),
            });
        }
        Ok(())
    }
}

/// Is it the number of an account?
fn is_account(key: &str) -> bool {
    key.len() == 12 && key.bytes().all(|b| b.is_ascii_digit())
}

/// Reads the file again whenever it has changed. A file that cannot be read leaves the identities as they are.
pub async fn follow(iam: Arc<Iam>, path: PathBuf) {
    let stamp = || std::fs::metadata(&path).ok().and_then(|m| Some((m.modified().ok()?, m.len())));
    let mut known = stamp();
    loop {
        tokio::time::sleep(LOOK).await;
        let now = stamp();
        if now == known {
            continue;
        }
        known = now;
        match iam.load(&path) {
            Ok(()) => tracing::info!(path = %path.display(), "identities read again"),
            Err(error) => tracing::warn!(path = %path.display(), %error, "identities stay as they were"),
        }
    }
}
