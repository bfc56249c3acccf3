//! Profiles that assume a role with a code of an MFA device. The SDK has no prompt for it and would assume the role without;
//! so the code is asked for here, once, and the session it buys is used until it ends: by this process, and through the AWS
//! CLI's own cache by whoever comes after, as its sessions are by us.

mod cache;
mod prompt;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::config::{AwsProfiles, Environment, Settings};
use crate::fleet::known::{Trouble, TroubleKind};
use crate::text::SafeText;

use super::trouble;

/// A session that ends sooner is not begun with.
const LEFT: Duration = Duration::from_secs(60);
/// How long STS may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// What cannot be asked of STS is not asked.
const ACTION: &str = "sts:AssumeRole";

/// A role, the MFA device it is assumed with, and whose keys ask for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mfa {
    profile: String,
    role: String,
    serial: String,
    source: Option<String>,
    session: Option<String>,
    external_id: Option<String>,
    seconds: Option<i32>,
    region: Option<String>,
}

/// The sessions of this process.
fn sessions() -> &'static Mutex<HashMap<Mfa, Credentials>> {
    static SESSIONS: OnceLock<Mutex<HashMap<Mfa, Credentials>>> = OnceLock::new();
    SESSIONS.get_or_init(Mutex::default)
}

fn held(mfa: &Mfa) -> Option<Credentials> {
    let sessions = sessions().lock().unwrap_or_else(PoisonError::into_inner);
    sessions.get(mfa).filter(|found| holds(found, Duration::ZERO)).cloned()
}

fn hold(mfa: &Mfa, session: Credentials) {
    sessions().lock().unwrap_or_else(PoisonError::into_inner).insert(mfa.clone(), session);
}

/// Is it good for so long?
fn holds(found: &Credentials, left: Duration) -> bool {
    found.expiry().is_none_or(|end| end > SystemTime::now() + left)
}

impl Mfa {
    /// What the profile in force needs; `None` when it needs no code, or keys of the environment come before it.
    pub fn of(settings: &Settings) -> Option<Self> {
        let env = Environment::of_process();
        let keys = env.get("AWS_ACCESS_KEY_ID").is_some();
        if !settings.aws || settings.credentials.is_some() || keys && !settings.profile_outright {
            return None;
        }
        Self::read(&AwsProfiles::read(&env), settings.profile.as_deref().unwrap_or("default"))
    }

    fn read(profiles: &AwsProfiles, profile: &str) -> Option<Self> {
        let get = |key: &str| profiles.get(profile, key).map(str::to_owned);
        let source = get("source_profile");
        if source.is_none() && profiles.get(profile, "credential_source") != Some("Environment") {
            return None;
        }
        Some(Self {
            profile: profile.to_owned(),
            role: get("role_arn")?,
            serial: get("mfa_serial")?,
            source,
            session: get("role_session_name"),
            external_id: get("external_id"),
            seconds: get("duration_seconds").and_then(|text| text.parse().ok()),
            region: get("region"),
        })
    }

    /// The MFA device.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// True while a session that was begun with a code still holds, here or in the AWS CLI's cache.
    pub fn is_met(&self) -> bool {
        if held(self).is_some() {
            return true;
        }
        let found = cache::read(self);
        found.map(|session| hold(self, session)).is_some()
    }

    /// Assumes the role with a code, and keeps the session.
    ///
    /// # Errors
    /// What STS says of the code, the role or the keys that ask.
    pub async fn assume(&self, settings: &Settings, code: &str) -> Result<(), Trouble> {
        let http = super::clients::http(settings).map_err(|e| refused(TroubleKind::Failed, &e))?;
        let region = settings.region.clone().or_else(|| self.region.clone());
        let region = Region::new(region.unwrap_or_else(|| "us-east-1".to_owned()));
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http.clone())
            .region(region.clone())
            .credentials_provider(self.keys(http, region));
        if let Some(url) = &settings.sts_endpoint_url {
            loader = loader.endpoint_url(url);
        }
        let sts = aws_sdk_sts::Client::new(&loader.load().await);
        let began = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let call = sts
            .assume_role()
            .role_arn(&self.role)
            .role_session_name(self.session.clone().unwrap_or_else(|| format!("quell-{began}")))
            .serial_number(&self.serial)
            .token_code(code)
            .set_external_id(self.external_id.clone())
            .set_duration_seconds(self.seconds);
        let answer = tokio::time::timeout(PATIENCE, call.send())
            .await
            .map_err(|_| refused(TroubleKind::Unreachable, "STS: no answer in time"))?;
        let answer = answer.map_err(|error| trouble::of(&error, ACTION))?;
        let given = answer
            .credentials()
            .ok_or_else(|| refused(TroubleKind::Failed, "STS answered without credentials"))?;
        let end = SystemTime::try_from(*given.expiration()).ok();
        let session = Credentials::new(
            given.access_key_id(),
            given.secret_access_key(),
            Some(given.session_token().to_owned()),
            end,
            "quell-mfa",
        );
        if let Err(error) = cache::write(self, &session) {
            tracing::info!(%error, "the session is not kept for other programs");
        }
        hold(self, session);
        Ok(())
    }

    /// Whoever may assume the role.
    fn keys(&self, http: SharedHttpClient, region: Region) -> SharedCredentialsProvider {
        match &self.source {
            Some(source) => {
                let given = ProviderConfig::default().with_http_client(http).with_region(Some(region));
                let provider =
                    ProfileFileCredentialsProvider::builder().configure(&given).profile_name(source).build();
                SharedCredentialsProvider::new(provider)
            }
            None => SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()),
        }
    }
}

fn refused(kind: TroubleKind, words: &str) -> Trouble {
    Trouble { kind, message: SafeText::new(words), missing_action: None, since: super::now_ms() }
}

/// Something is drawn on the terminal.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// From now on the terminal is not asked: a screen is in front of it.
pub fn leave_the_terminal() {
    TAKEN.store(true, Ordering::Relaxed);
}

/// Asks for the code on the terminal, without showing it, when the profile in force needs one and no session holds.
/// Nothing is asked once the terminal was left.
///
/// # Errors
/// Nobody is there to ask, nothing was typed, or what STS says.
pub async fn prepare(settings: &Settings) -> Result<(), Trouble> {
    let Some(mfa) = Mfa::of(settings) else { return Ok(()) };
    if TAKEN.load(Ordering::Relaxed) || mfa.is_met() {
        return Ok(());
    }
    let (told, answer) = tokio::sync::oneshot::channel();
    let question =
        format!("MFA code of {} for profile {}: ", SafeText::new(&mfa.serial), SafeText::new(&mfa.profile));
    // Not a thread of the runtime: that would wait for it at the end.
    std::thread::spawn(move || told.send(prompt::hidden(&question)));
    let code = answer.await.unwrap_or_else(|_| Err("nothing was typed".to_owned()));
    let code = code.map_err(|why| {
        let words = format!("profile {} needs a code of its MFA device: {why}", mfa.profile);
        refused(TroubleKind::Credentials, &words)
    })?;
    mfa.assume(settings, &code).await
}

/// The session as a provider of credentials: it never asks, because a screen may be in front of the terminal.
#[derive(Debug)]
pub(super) struct Session(pub(super) Mfa);

impl ProvideCredentials for Session {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let Self(mfa) = self;
        let found = held(mfa).or_else(|| cache::read(mfa)).ok_or_else(|| {
            CredentialsError::provider_error(format!(
                "the session of profile {0} has ended: `:profile {0} CODE` begins another, with a code of its MFA device",
                mfa.profile
            ))
        });
        future::ProvideCredentials::ready(found)
    }
}
