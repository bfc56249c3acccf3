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

/// Credentials that still hold are looked for again no sooner: whoever gives them may give the same ones until they end.
const PATIENT: Duration = Duration::from_secs(30);

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
        let just_found = state.found.is_some_and(|at| at.elapsed() < PATIENT);
        if let Some(current) = &state.current
            && just_found
            && current.expiry().is_none_or(|end| end > now)
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
            None => super::aws::chain(&self.settings).await.credentials_provider(),
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
                let message = whose(&words(&error), self.settings.profile.as_deref());
                state.failed = Some((Instant::now(), message.clone()));
                still_good.ok_or_else(|| CredentialsError::provider_error(message))
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

/// The reason with the profile it belongs to, unless it names it.
fn whose(words: &str, profile: Option<&str>) -> String {
    match profile {
        Some(profile) if words.contains(&format!("profile {profile}")) => words.to_owned(),
        Some(profile) => format!("profile {profile}: {words}"),
        None => words.to_owned(),
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
    // The SDK says what it tried, one line each, or nothing of use.
    if matches!(error, CredentialsError::CredentialsNotLoaded(_))
        && (text.contains('\n') || text == error.to_string())
    {
        return "no credentials are found, neither in the environment nor in the profile, a container or an instance"
            .to_owned();
    }
    let kept = text.trim_end().trim_end_matches("Stderr:").trim_end().len();
    text.truncate(kept);
    let lower = text.to_ascii_lowercase();
    if !lower.contains("aws sso login")
        && lower.contains("sso")
        && (lower.contains("expired") || lower.contains("token"))
    {
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Gives keys that end in so many seconds, and counts.
    #[derive(Debug)]
    struct Source(Arc<AtomicUsize>, u64);

    impl ProvideCredentials for Source {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let run = self.0.fetch_add(1, Ordering::Relaxed);
            let end = SystemTime::now() + Duration::from_secs(self.1);
            future::ProvideCredentials::ready(Ok(Credentials::new(
                format!("{run}"),
                "s",
                None,
                Some(end),
                "test",
            )))
        }
    }

    #[test]
    fn what_the_sdk_says_of_credentials_is_a_sentence_for_a_person() {
        let none = CredentialsError::not_loaded("no credentials found in chain. Attempted:\n  A\n  B");
        assert!(words(&none).starts_with("no credentials are found"), "{}", words(&none));
        assert!(words(&CredentialsError::not_loaded_no_source()).starts_with("no credentials are found"));
        let sso = words(&CredentialsError::provider_error("failed to load the cached SSO token"));
        assert_eq!(sso, "failed to load the cached SSO token (run `aws sso login`)");
        // Once it has been put into words it stays so.
        let again = words(&CredentialsError::provider_error(whose(&sso, Some("sso"))));
        assert_eq!(again, "profile sso: failed to load the cached SSO token (run `aws sso login`)");
        let process = words(&CredentialsError::provider_error("exit status: 1. Stderr: "));
        assert_eq!(whose(&process, None), "exit status: 1.");
        assert_eq!(
            whose("the session of profile p has ended", Some("p")),
            "the session of profile p has ended"
        );
    }

    #[tokio::test]
    async fn keys_that_end_soon_are_not_looked_for_at_every_request() {
        for (seconds, most) in [(3_600, 1), (240, 1), (0, 50)] {
            let asked = Arc::new(AtomicUsize::new(0));
            let found = SdkConfig::builder()
                .credentials_provider(SharedCredentialsProvider::new(Source(Arc::clone(&asked), seconds)))
                .build();
            let keys = Keys::new(&Settings::default(), &found);
            for _ in 0..50 {
                assert!(keys.get().await.is_ok());
            }
            assert_eq!(asked.load(Ordering::Relaxed), most, "keys of {seconds} s");
        }
    }
}
