//! Profiles that assume a role, or a chain of roles, with a code of an MFA device. The SDK has no prompt for it and would
//! assume the role without; so the code is asked for here, once, and the session it buys is used until it ends: by this
//! process, and through the AWS CLI's own cache by whoever comes after, as its sessions are by us. A role on top of such a
//! session needs no code: it is assumed anew whenever its own session ends.

mod cache;
mod chain;
mod prompt;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

use crate::config::{AwsProfiles, Environment, Settings};
use quell_fleet::known::{Trouble, TroubleKind};
use quell_fleet::text::SafeText;

use super::{keys, trouble};

use chain::{Base, Chain, Link};

/// A session that ends sooner is not begun with.
const LEFT: Duration = Duration::from_secs(60);
/// How long STS may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// What cannot be asked of STS is not asked.
const ACTION: &str = "sts:AssumeRole";

/// What a profile needs that assumes a role with a code somewhere on the way.
#[derive(Clone, Debug)]
pub struct Mfa {
    profile: String,
    region: Option<String>,
    chain: Chain,
}

/// A code that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The MFA device.
    pub serial: String,
    /// The profile whose role is assumed with it: the one in force, or one on its way.
    pub profile: String,
}

/// The sessions of this process that were begun with a code.
fn sessions() -> &'static Mutex<HashMap<Link, Credentials>> {
    static SESSIONS: OnceLock<Mutex<HashMap<Link, Credentials>>> = OnceLock::new();
    SESSIONS.get_or_init(Mutex::default)
}

/// The session that was begun with a code and still holds, here or in the AWS CLI's cache.
fn held(link: &Link) -> Option<Credentials> {
    let here = sessions().lock().unwrap_or_else(PoisonError::into_inner).get(link).cloned();
    if let Some(here) = here.filter(|found| holds(found, Duration::ZERO)) {
        return Some(here);
    }
    let found = cache::read(link)?;
    hold(link, found.clone());
    Some(found)
}

fn hold(link: &Link, session: Credentials) {
    sessions().lock().unwrap_or_else(PoisonError::into_inner).insert(link.clone(), session);
}

/// Is it good for so long?
fn holds(found: &Credentials, left: Duration) -> bool {
    found.expiry().is_none_or(|end| end > SystemTime::now() + left)
}

impl Mfa {
    /// What the profile in force needs; `None` when it needs no code, or keys of the environment come before it.
    ///
    /// # Errors
    /// There is no such profile, or its roles cannot be followed: a loop, or nobody to ask for one.
    pub fn of(settings: &Settings) -> Result<Option<Self>, Trouble> {
        let env = Environment::of_process();
        let keys = env.get("AWS_ACCESS_KEY_ID").is_some();
        if !settings.aws || settings.credentials.is_some() || keys && !settings.profile_outright {
            return Ok(None);
        }
        let profile = settings.profile.as_deref().unwrap_or("default");
        let profiles = AwsProfiles::read(&env);
        // The SDK would look for the next best credentials, or say that it cannot reach AWS.
        if profile != "default" && !profiles.has(profile) {
            let near = profiles.nearest(profile).map(|near| format!(": did you mean {near}?"));
            let words = format!(
                "there is no profile {profile} in the AWS configuration and credentials files{}",
                near.unwrap_or_default()
            );
            return Err(refused(TroubleKind::Credentials, &words));
        }
        let chain = Chain::read(&profiles, profile).map_err(|why| refused(TroubleKind::Credentials, &why))?;
        // Without any code to ask for, the SDK follows the roles by itself.
        let chain = chain.filter(|chain| chain.links.iter().any(|link| link.serial.is_some()));
        Ok(chain.map(|chain| Self {
            profile: profile.to_owned(),
            region: profiles.get(profile, "region").map(str::to_owned),
            chain,
        }))
    }

    /// The next code that is wanted; `None` while the session it would begin still holds. Those nearer to the keys come
    /// first: a code is spent as soon as it is typed, because it is good for half a minute.
    pub fn wanted(&self) -> Option<Wanted> {
        let link = self.chain.links.get(self.missing()?)?;
        Some(Wanted { serial: link.serial.clone()?, profile: link.profile.clone() })
    }

    /// The lowest role whose code is wanted before the topmost of them has a session.
    fn missing(&self) -> Option<usize> {
        let mut missing = None;
        for (at, link) in self.chain.links.iter().enumerate().rev() {
            if link.serial.is_some() {
                if held(link).is_some() {
                    break;
                }
                missing = Some(at);
            }
        }
        missing
    }

    /// Spends a code on the next role that wants one, or on a new session of the topmost, and keeps the session.
    ///
    /// # Errors
    /// What STS says of the code, the role or the keys that ask.
    pub async fn assume(&self, settings: &Settings, code: &str) -> Result<(), Trouble> {
        let links = &self.chain.links;
        let topmost = || links.iter().rposition(|link| link.serial.is_some());
        let Some((at, link)) = self.missing().or_else(topmost).and_then(|at| Some((at, links.get(at)?)))
        else {
            return Ok(());
        };
        let asks = self.asks_for(at, settings).await?;
        let session = self.session(link, asks, Some(code), settings).await?;
        if let Err(error) = cache::write(link, &session) {
            tracing::info!(%error, "the session is not kept for other programs");
        }
        hold(link, session);
        Ok(())
    }

    /// The credentials that ask for the role at `upto`; past the last role, those of the profile itself. Sessions that
    /// need no code are begun anew: only who asks for them rarely may ask.
    async fn asks_for(&self, upto: usize, settings: &Settings) -> Result<Credentials, Trouble> {
        let links = self.chain.links.get(..upto).unwrap_or_default();
        let coded = links.iter().enumerate().rfind(|(_, link)| link.serial.is_some());
        let (mut found, above) = match coded {
            Some((at, link)) => (held(link).ok_or_else(|| self.ended())?, links.get(at + 1..)),
            None => (self.base(settings).await?, Some(links)),
        };
        for link in above.unwrap_or_default() {
            found = self.session(link, found, None, settings).await?;
        }
        Ok(found)
    }

    fn ended(&self) -> Trouble {
        let words = format!(
            "the session of profile {0} has ended: `:profile {0} CODE` begins another, with a code of its MFA device",
            self.profile
        );
        refused(TroubleKind::Credentials, &words)
    }

    fn region(&self, settings: &Settings) -> Region {
        let region = settings.region.clone().or_else(|| self.region.clone());
        Region::new(region.unwrap_or_else(|| "us-east-1".to_owned()))
    }

    /// Assumes one role.
    async fn session(
        &self,
        link: &Link,
        asks: Credentials,
        code: Option<&str>,
        settings: &Settings,
    ) -> Result<Credentials, Trouble> {
        let http = super::aws::http(settings).map_err(|e| refused(TroubleKind::Failed, &e))?;
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .region(self.region(settings))
            .credentials_provider(asks);
        if let Some(url) = &settings.sts_endpoint_url {
            loader = loader.endpoint_url(url);
        }
        let config = aws_sdk_sts::config::Builder::from(&loader.load().await).interceptor(super::told::Told);
        let sts = aws_sdk_sts::Client::from_conf(config.build());
        let began = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let call = sts
            .assume_role()
            .role_arn(&link.role)
            .role_session_name(link.session.clone().unwrap_or_else(|| format!("quell-{began}")))
            .set_serial_number(link.serial.clone())
            .set_token_code(code.map(str::to_owned))
            .set_external_id(link.external_id.clone())
            .set_duration_seconds(link.seconds);
        let answer = tokio::time::timeout(PATIENCE, call.send())
            .await
            .map_err(|_| refused(TroubleKind::Unreachable, "STS: no answer in time"))?;
        let answer = answer.map_err(|error| trouble::of(&error, ACTION))?;
        let given = answer
            .credentials()
            .ok_or_else(|| refused(TroubleKind::Failed, "STS answered without credentials"))?;
        Ok(Credentials::new(
            given.access_key_id(),
            given.secret_access_key(),
            Some(given.session_token().to_owned()),
            SystemTime::try_from(*given.expiration()).ok(),
            "quell-mfa",
        ))
    }

    /// The credentials that ask for the first role.
    async fn base(&self, settings: &Settings) -> Result<Credentials, Trouble> {
        if let Base::Keys(profile) = &self.chain.base {
            let found = AwsProfiles::access_key(&Environment::of_process(), profile).ok_or_else(|| {
                let words = format!("the access key of profile {profile} is not whole");
                refused(TroubleKind::Credentials, &words)
            })?;
            let token = found.session_token;
            return Ok(Credentials::new(
                found.access_key_id,
                found.secret_access_key,
                token,
                None,
                "quell-profile",
            ));
        }
        let http = super::aws::http(settings).map_err(|e| refused(TroubleKind::Failed, &e))?;
        let given = ProviderConfig::default().with_http_client(http).with_region(Some(self.region(settings)));
        let provider = match &self.chain.base {
            Base::Environment => {
                SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new())
            }
            Base::Instance => {
                SharedCredentialsProvider::new(ImdsCredentialsProvider::builder().configure(&given).build())
            }
            Base::Container => {
                SharedCredentialsProvider::new(EcsCredentialsProvider::builder().configure(&given).build())
            }
            Base::Keys(profile) | Base::Profile(profile) => SharedCredentialsProvider::new(
                ProfileFileCredentialsProvider::builder().configure(&given).profile_name(profile).build(),
            ),
        };
        let found = provider.provide_credentials().await;
        found.map_err(|error| refused(TroubleKind::Credentials, &keys::words(&error)))
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

/// Asks for the codes on the terminal, without showing them, when the profile in force needs one and no session holds.
/// Nothing is asked once the terminal was left.
///
/// # Errors
/// Nobody is there to ask, nothing was typed, what STS says, or the profile's roles cannot be followed.
pub async fn prepare(settings: &Settings) -> Result<(), Trouble> {
    let Some(mfa) = Mfa::of(settings)? else { return Ok(()) };
    if TAKEN.load(Ordering::Relaxed) {
        return Ok(());
    }
    let mut last = None;
    while let Some(wanted) = mfa.wanted() {
        // Twice for the same role: its session is over as soon as it is begun, and would be asked for for ever.
        if last.as_ref() == Some(&wanted) {
            return Err(mfa.ended());
        }
        let (serial, profile) = (SafeText::new(&wanted.serial), SafeText::new(&wanted.profile));
        let spent = last.as_ref().is_some_and(|last: &Wanted| last.serial == wanted.serial);
        let next = if spent { " (the next one: each is good once)" } else { "" };
        let question = format!("MFA code of {serial} for profile {profile}{next}: ");
        let (told, answer) = tokio::sync::oneshot::channel();
        // Not a thread of the runtime: that would wait for it at the end.
        std::thread::spawn(move || told.send(prompt::hidden(&question)));
        let code = answer.await.unwrap_or_else(|_| Err("nothing was typed".to_owned()));
        let code = code.map_err(|why| {
            let words = format!("profile {profile} needs a code of its MFA device: {why}");
            refused(TroubleKind::Credentials, &words)
        })?;
        mfa.assume(settings, &code).await?;
        last = Some(wanted);
    }
    Ok(())
}

/// The sessions as a provider of credentials: it never asks, because a screen may be in front of the terminal.
#[derive(Debug)]
pub(super) struct Session(Result<Mfa, Trouble>, Settings);

impl Session {
    /// The provider of a profile that wants a code, or whose roles cannot be followed; `None` for any other.
    pub(super) fn of(settings: &Settings) -> Option<Self> {
        Some(Self(Mfa::of(settings).transpose()?, settings.clone()))
    }

    async fn get(&self) -> Result<Credentials, CredentialsError> {
        let Self(mfa, settings) = self;
        let found = match mfa {
            Ok(mfa) => mfa.asks_for(mfa.chain.links.len(), settings).await,
            Err(trouble) => Err(trouble.clone()),
        };
        found.map_err(|trouble| CredentialsError::provider_error(trouble.message.to_string()))
    }
}

impl ProvideCredentials for Session {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.get())
    }
}
