//! The emulator's control plane as the real AWS SDK sees it: every operation of the registry, identities, policies and
//! connections, its pages, and each refusal with AWS's name and status.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod audit;
mod authorities;
mod definitions;
mod faults;
mod first_contact;
mod fleet_metrics;
mod identity;
mod indexing;
mod live;
mod mitigation;
mod policies;
mod registry;
mod signatures;
mod wire;

use std::collections::HashMap;

use aws_sdk_iot::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use parking_lot::Mutex;
use quell_emulator::start::{Options, Running, start};
use quell_emulator_tests::tunnel;

/// The account every test gets for itself.
pub(crate) const ACCOUNT: &str = "123456789012";

/// An emulator on a port of its own, and clients for it.
pub(crate) struct World {
    pub(crate) running: Running,
    pub(crate) endpoint: String,
    pub(crate) iot: aws_sdk_iot::Client,
    pub(crate) data: aws_sdk_iotdataplane::Client,
    /// Certificates made here, and their keys, by certificate id.
    keys: Mutex<HashMap<String, (String, String)>>,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::at_speed(1.0).await
    }

    pub(crate) async fn at_speed(speed: f64) -> Self {
        Self::with(Options { speed, devices: Some(0), ..Options::on_free_ports() }).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let running = start(options).await.unwrap();
        let endpoint = format!("http://{}", running.http);
        let config = quell_emulator_tests::sdk::config(&endpoint);
        let iot = aws_sdk_iot::Client::new(&config);
        let once = aws_sdk_iotdataplane::config::retry::RetryConfig::disabled();
        let data = aws_sdk_iotdataplane::config::Builder::from(&config).retry_config(once).build();
        let data = aws_sdk_iotdataplane::Client::from_conf(data);
        Self { running, endpoint, iot, data, keys: Mutex::default() }
    }

    /// A port of plain TCP that leads to the TLS listener, with a certificate made here.
    pub(crate) async fn listen(&self, certificate: &str) -> u16 {
        let ca = std::fs::read_to_string(self.running.credentials().join("root-CA.pem")).unwrap();
        let (pem, key) = self.keys.lock()[certificate].clone();
        tunnel::tunnel(self.running.mqtts, tunnel::tls(&ca, Some((&pem, &key)), &[])).await
    }

    /// Milliseconds since the epoch.
    pub(crate) fn now_ms(&self) -> i64 {
        jiff::Timestamp::now().as_millisecond()
    }

    /// What was sent to subscribers that are nowhere, a line each.
    pub(crate) fn outbox(&self) -> std::path::PathBuf {
        self.running.credentials().join("sns-outbox.jsonl")
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
        let (id, keys) = (made.certificate_id.unwrap(), made.key_pair.unwrap());
        let pair = (made.certificate_pem.unwrap(), keys.private_key.unwrap());
        self.keys.lock().insert(id.clone(), pair);
        (id, made.certificate_arn.unwrap())
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
