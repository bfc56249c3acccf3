//! Credentials as the AWS CLI finds them, kept fresh: renewed five minutes ahead of their end, and found anew (files read
//! again, processes run again) when AWS refuses them. One cache for the SDK's clients and the stream's signatures.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::config::Settings;

/// Renewed this long before they end.
const AHEAD: Duration = Duration::from_secs(300);
/// A chain that failed is not asked again sooner: it may run a process or ask a server.
const AGAIN: Duration = Duration::from_secs(5);

/// The credentials in force. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Keys {
    settings: Arc<Settings>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    chain: Option<SharedCredentialsProvider>,
    current: Option<Credentials>,
    /// When they were found.
    found: Option<Instant>,
    failed: Option<(Instant, String)>,
}

impl Keys {
    pub(super) fn new(settings: &Settings, found: &SdkConfig) -> Self {
        let state = State { chain: found.credentials_provider(), ..State::default() };
        Self { settings: Arc::new(settings.clone()), state: Arc::new(Mutex::new(state)) }
    }

    /// The credentials, from memory while they are good for five minutes more.
    ///
    /// # Errors
    /// None are found, and none are left that still hold.
    pub async fn get(&self) -> Result<Credentials, CredentialsError> {
        let mut state = self.state.lock().await;
        let now = SystemTime::now();
        if let Some(current) = &state.current
            && current.expiry().is_none_or(|end| end > now + AHEAD)
        {
            return Ok(current.clone());
        }
        let still_good = state.current.clone().filter(|c| c.expiry().is_none_or(|end| end > now));
        if let Some((at, message)) = &state.failed
            && at.elapsed() < AGAIN
        {
            return still_good.ok_or_else(|| CredentialsError::provider_error(message.clone()));
        }
        let chain = match state.chain.take() {
            Some(chain) => Some(chain),
            None => super::clients::chain(&self.settings).await.credentials_provider(),
        };
        let found = match &chain {
            Some(chain) => chain.provide_credentials().await,
            None => Err(CredentialsError::not_loaded("no credentials are configured")),
        };
        match found {
            Ok(found) => {
                *state =
                    State { chain, current: Some(found.clone()), found: Some(Instant::now()), failed: None };
                Ok(found)
            }
            Err(error) => {
                // The chain is made anew next time: somebody may have logged in meanwhile.
                state.failed = Some((Instant::now(), words(&error)));
                still_good.ok_or(error)
            }
        }
    }

    /// AWS refused them: the next request looks for others. Asked often, it happens every few seconds at most.
    pub async fn renew(&self) {
        let mut state = self.state.lock().await;
        if state.found.is_none_or(|at| at.elapsed() >= AGAIN) {
            state.chain = None;
            state.current = None;
        }
    }

    /// When they end; `None` when they do not, or are not known.
    pub async fn expiry(&self) -> Option<SystemTime> {
        self.state.lock().await.current.as_ref().and_then(Credentials::expiry)
    }
}

/// The innermost reason, and what to do about it where that is known.
pub(super) fn words(error: &CredentialsError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(error) = next {
        text = error.to_string();
        next = error.source();
    }
    let lower = text.to_ascii_lowercase();
    if lower.contains("sso") && (lower.contains("expired") || lower.contains("token")) {
        text.push_str(" (run `aws sso login`)");
    }
    text
}

impl ProvideCredentials for Keys {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.get())
    }
}
