//! AWS as one identity in one region: one place that decides credentials, endpoints, time limits and retries, and the only
//! holder of the SDK's clients.

use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::{Connector, proxy, tls};
use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector};

use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use crate::config::Settings;
use quell_fleet::known::{Trouble, TroubleKind};
use quell_fleet::text::SafeText;

use super::budget::{Budget, Priority, Turn};
use super::hollow::Hollow;
use super::keys::Keys;
use super::patience::Patience;
use super::signed::Service;
use super::skew::Skew;
use super::told::Told;

/// An endpoint given outright wins; without one the SDK's own rules hold (environment, profile, region).
macro_rules! with_endpoint {
    ($builder:expr, $url:expr) => {{
        let mut builder = $builder;
        if let Some(url) = &$url {
            builder.set_endpoint_url(Some(url.clone()));
        }
        builder.build()
    }};
}

/// AWS as one identity in one region. Everything that is asked of it is a function of this room that takes its turn in one
/// budget; the SDK's clients stay inside. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Aws {
    /// Control plane.
    pub(super) iot: aws_sdk_iot::Client,
    /// Data plane: shadows and connections.
    pub(super) data: aws_sdk_iotdataplane::Client,
    /// Who we are.
    pub(super) sts: aws_sdk_sts::Client,
    /// CloudWatch.
    pub(super) metrics: Service,
    /// IAM.
    pub(super) iam: Service,
    /// The region in force.
    pub region: String,
    /// The credentials in force: the stream signs with them too.
    pub credentials: Keys,
    /// How far this clock is from AWS's.
    pub skew: Skew,
    /// Requests a second for each API, shared by all clones.
    pub(super) budget: Budget,
    /// What asks through this clone: a response goes before a poll.
    pub(super) priority: Priority,
    /// Where MQTT is, `wss://HOST` or `ws://HOST:PORT`, as found by DescribeEndpoint.
    pub mqtt_host: Option<String>,
}

impl Aws {
    /// Finds credentials and region as the AWS CLI does, and builds the clients. Only the data endpoint is asked for
    /// over the network, and only when none is configured.
    ///
    /// # Errors
    /// No region, or no credentials.
    pub async fn connect(settings: &Settings) -> Result<Self, Trouble> {
        let trouble = |kind, message: &str| Trouble {
            kind,
            message: SafeText::new(message),
            missing_action: None,
            since: super::now_ms(),
        };
        Box::pin(super::mfa::prepare(settings)).await?;
        let http = http(settings).map_err(|message| trouble(TroubleKind::Failed, &message))?;
        let found = Box::pin(chain_over(settings, http.clone())).await;
        let region = found
            .region()
            .map(|r| r.as_ref().to_owned())
            .ok_or_else(|| trouble(TroubleKind::Unsaid, &crate::config::no_region(settings)))?;
        let credentials = Keys::new(settings, &found);
        let shared = found
            .into_builder()
            .credentials_provider(SharedCredentialsProvider::new(credentials.clone()))
            // The keys remember by themselves; a second memory would hold on to refused ones.
            .identity_cache(IdentityCache::no_cache())
            .build();
        let skew = Skew::default();
        let iot = aws_sdk_iot::Client::from_conf(with_endpoint!(
            aws_sdk_iot::config::Builder::from(&shared)
                .interceptor(skew.clone())
                .interceptor(Hollow)
                .interceptor(Told),
            settings.endpoint_url
        ));
        let mut data_url = settings.data_endpoint_url.clone();
        let mut mqtt_host = None;
        if data_url.is_none() || settings.mqtt.url.is_none() {
            match iot.describe_endpoint().endpoint_type("iot:Data-ATS").send().await {
                Ok(found) => {
                    if let Some(host) = found.endpoint_address() {
                        // A control plane without TLS whose devices are served under its own name is a local one, which
                        // serves the data plane and the WebSocket beside it.
                        let name =
                            |host: &str| host.rsplit_once(':').map_or(host, |(name, _)| name).to_owned();
                        let asked = settings.endpoint_url.as_deref().or(shared.endpoint_url());
                        let plain = asked.and_then(|url| url.strip_prefix("http://")?.split('/').next());
                        let plain = plain.filter(|own| name(own) == name(host));
                        let (http, ws, host) = match plain {
                            Some(own) => ("http", "ws", own),
                            None => ("https", "wss", host),
                        };
                        data_url.get_or_insert_with(|| format!("{http}://{host}"));
                        mqtt_host = Some(format!("{ws}://{host}"));
                    }
                }
                // Without it there is nowhere to listen: worth trying again until it can be asked.
                Err(error) if settings.mqtt.url.is_none() => {
                    return Err(super::trouble::of(&error, "iot:DescribeEndpoint"));
                }
                // The SDK's default endpoint serves most accounts; the reason shows when the first read fails.
                Err(error) => tracing::warn!(code = ?error.code(), "DescribeEndpoint failed"),
            }
        }
        let data = aws_sdk_iotdataplane::Client::from_conf(with_endpoint!(
            aws_sdk_iotdataplane::config::Builder::from(&shared).interceptor(skew.clone()).interceptor(Told),
            data_url
        ));
        let sts = aws_sdk_sts::Client::from_conf(with_endpoint!(
            aws_sdk_sts::config::Builder::from(&shared).interceptor(skew.clone()).interceptor(Told),
            settings.sts_endpoint_url
        ));
        let connector = Connector::builder()
            .proxy_config(proxy::ProxyConfig::from_env())
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .tls_context(context(settings).map_err(|message| trouble(TroubleKind::Failed, &message))?)
            .build();
        let connector = SharedHttpConnector::new(connector);
        let iam = super::alias::service(settings, connector.clone(), &region);
        let metrics =
            super::metrics::service(connector, settings.cloudwatch_endpoint_url.as_deref(), &region);
        Ok(Self {
            iot,
            data,
            sts,
            metrics,
            iam,
            region,
            credentials,
            skew,
            budget: Budget::default(),
            priority: Priority::Response,
            mqtt_host,
        })
    }

    /// Waits for the turn of one request of `operation` (`iot:ListThings`). The request is under way until what comes back is
    /// dropped.
    pub async fn turn(&self, operation: &'static str) -> Turn {
        self.budget.turn(operation, self.priority).await
    }

    /// The same for reads that come again by themselves: they give way to a response, and a throttled request is left to the
    /// budget and the polls.
    pub(super) fn polling(mut self) -> Self {
        self.priority = Priority::Poll;
        let iot = self.iot.config().to_builder().retry_classifier(Patience);
        let data = self.data.config().to_builder().retry_classifier(Patience);
        let sts = self.sts.config().to_builder().retry_classifier(Patience);
        self.iot = aws_sdk_iot::Client::from_conf(iot.build());
        self.data = aws_sdk_iotdataplane::Client::from_conf(data.build());
        self.sts = aws_sdk_sts::Client::from_conf(sts.build());
        self
    }
}

/// The region that AWS's own chain finds where none is configured: that of the machine this runs on. Waited for only so long.
pub(crate) async fn found_region(settings: &Settings) -> Option<String> {
    const PATIENCE: Duration = Duration::from_secs(2);
    let found = tokio::time::timeout(PATIENCE, Box::pin(chain(settings))).await.ok()?;
    found.region().map(|region| region.as_ref().to_owned())
}

/// One HTTP client for all: with the environment's proxies, and the given authorities instead of the platform's.
pub(super) fn http(settings: &Settings) -> Result<SharedHttpClient, String> {
    let context = context(settings)?;
    let proxies = proxy::ProxyConfig::from_env();
    Ok(aws_smithy_http_client::Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder()
            .proxy_config(proxies.clone())
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .tls_context(context.clone());
        builder.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            builder.set_sleep_impl(components.sleep_impl());
        }
        builder.build()
    }))
}

/// Whom to trust: the platform's authorities, or the given ones.
fn context(settings: &Settings) -> Result<tls::TlsContext, String> {
    let mut context = tls::TlsContext::builder();
    if let Some(path) = &settings.ca_bundle {
        let pem = std::fs::read(path).map_err(|e| format!("the CA bundle {}: {e}", path.display()))?;
        if CertificateDer::pem_slice_iter(&pem).next().is_none() {
            return Err(format!("the CA bundle {}: there is no certificate in it", path.display()));
        }
        context = context.with_trust_store(tls::TrustStore::empty().with_pem_certificate(pem));
    }
    context.build().map_err(|e| format!("the CA bundle: {e}"))
}

/// The chain of credentials, made anew: files are read and processes run again.
pub(super) async fn chain(settings: &Settings) -> SdkConfig {
    match http(settings) {
        Ok(http) => chain_over(settings, http).await,
        // The bundle was readable at the start; without it there is nothing to ask.
        Err(_) => SdkConfig::builder().build(),
    }
}

async fn chain_over(settings: &Settings, http: SharedHttpClient) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http.clone())
        .retry_config(RetryConfig::standard().with_max_attempts(3).with_max_backoff(Duration::from_secs(5)))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(5))
                .operation_attempt_timeout(Duration::from_secs(10))
                .operation_timeout(Duration::from_secs(30))
                .build(),
        );
    if let Ok(name) = AppName::new("quell") {
        loader = loader.app_name(name);
    }
    if let Some(profile) = &settings.profile {
        loader = loader.profile_name(profile);
        if settings.profile_outright {
            let given = ProviderConfig::default()
                .with_http_client(http)
                .with_region(settings.region.clone().map(Region::new));
            let provider = ProfileFileCredentialsProvider::builder().configure(&given).profile_name(profile);
            loader = loader.credentials_provider(provider.build());
        }
    }
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(session) = super::mfa::Session::of(settings) {
        loader = loader.credentials_provider(session);
    }
    if let Some(given) = &settings.credentials {
        loader = loader.credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            &given.access_key_id,
            &given.secret_access_key,
            given.session_token.clone(),
            None,
            "quell",
        )));
    }
    loader.load().await
}
