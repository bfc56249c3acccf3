//! The emulator's control plane as the real AWS SDK sees it: every operation of the registry, identities, policies and
//! connections, its pages, and each refusal with AWS's name and status.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod audit;
mod authorities;
mod definitions;
mod faults;
mod fleet_metrics;
mod identity;
mod indexing;
mod live;
mod mitigation;
mod policies;
mod registry;
mod wire;

use std::sync::Arc;

use aws_sdk_iot::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use quell_emulator::account::Account;
use quell_emulator::api::front;
use quell_emulator::broker::Broker;
use quell_emulator::clock::Clock;
use quell_emulator::hooks::Hooks;
use quell_emulator::store::Wal;

/// The account every test gets for itself.
pub(crate) const ACCOUNT: &str = "123456789012";

/// An emulator on a port of its own, and clients for it.
pub(crate) struct World {
    pub(crate) account: Arc<Account>,
    pub(crate) broker: Arc<Broker>,
    pub(crate) endpoint: String,
    pub(crate) iot: aws_sdk_iot::Client,
    pub(crate) data: aws_sdk_iotdataplane::Client,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::at_speed(1.0).await
    }

    pub(crate) async fn at_speed(speed: f64) -> Self {
        let clock = Clock::new(speed);
        let account = Account::open(ACCOUNT, "us-east-1", clock, Wal::default(), "test", "test");
        let broker = Broker::new(Hooks::new(Arc::clone(&account)), clock);
        let router = front::router(Arc::clone(&account), Arc::clone(&broker));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self::with(account, broker, endpoint)
    }

    /// Clients for an emulator that runs.
    pub(crate) fn of(account: Arc<Account>, endpoint: &str) -> Self {
        let broker = Arc::clone(account.broker().unwrap());
        Self::with(account, broker, endpoint.to_owned())
    }

    fn with(account: Arc<Account>, broker: Arc<Broker>, endpoint: String) -> Self {
        let config = quell_emulator_tests::sdk::config(&endpoint);
        let iot = aws_sdk_iot::Client::new(&config);
        let once = aws_sdk_iotdataplane::config::retry::RetryConfig::disabled();
        let data = aws_sdk_iotdataplane::config::Builder::from(&config).retry_config(once).build();
        let data = aws_sdk_iotdataplane::Client::from_conf(data);
        Self { account, broker, endpoint, iot, data }
    }

    pub(crate) async fn thing(&self, name: &str) {
        self.iot.create_thing().thing_name(name).send().await.unwrap();
    }

    pub(crate) async fn group(&self, name: &str) -> String {
        let made = self.iot.create_thing_group().thing_group_name(name).send().await.unwrap();
        made.thing_group_arn.unwrap()
    }

    /// A new certificate: its id and ARN.
    pub(crate) async fn certificate(&self, active: bool) -> (String, String) {
        let made = self.iot.create_keys_and_certificate().set_as_active(active).send().await.unwrap();
        (made.certificate_id.unwrap(), made.certificate_arn.unwrap())
    }

    pub(crate) async fn policy(&self, name: &str, document: &str) {
        self.iot.create_policy().policy_name(name).policy_document(document).send().await.unwrap();
    }
}

/// The status and the name of an error.
#[track_caller]
pub(crate) fn refusal<T: std::fmt::Debug, E: ProvideErrorMetadata>(
    result: Result<T, SdkError<E, HttpResponse>>,
) -> (u16, String) {
    let error = result.expect_err("a refusal");
    let status = error.raw_response().expect("a response").status().as_u16();
    (status, error.code().unwrap_or_default().to_owned())
}

/// What `refusal` is compared with.
pub(crate) fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}
