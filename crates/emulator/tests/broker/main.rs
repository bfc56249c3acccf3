//! The emulator's MQTT broker as outside clients meet it: real sockets, TLS, WebSocket, and a client library that knows
//! nothing of the emulator. Each test has an account of its own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod client;
mod client5;
mod containment;
mod direct;
mod endings;
mod hostile;
mod https;
mod limits;
mod messages;
mod policies;
mod presence;
mod properties;
mod provisioning;
mod raw;
mod retained;
mod rooms;
mod sessions;
mod transports;
mod wills;

use std::sync::Arc;
use std::time::Duration;

use quell_emulator::start::{Options, Running, start};
use tokio_rustls::rustls::ClientConfig;

/// Longer than anything here takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(30);
/// Long enough for something that must not happen to happen on an idle machine.
pub(crate) const SOON: Duration = Duration::from_millis(300);

/// A policy that allows everything.
pub(crate) const ALLOW: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;
/// A policy that denies everything.
pub(crate) const DENY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iot:*","Resource":"*"}]}"#;

/// A certificate and its key.
pub(crate) struct Identity {
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// An empty account and the SDK's clients for it.
pub(crate) struct World {
    pub(crate) running: Running,
    pub(crate) iot: aws_sdk_iot::Client,
    pub(crate) data: aws_sdk_iotdataplane::Client,
    ca: String,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::at_speed(1.0).await
    }

    pub(crate) async fn at_speed(speed: f64) -> Self {
        Self::with(Options { speed, ..Options::on_free_ports() }).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let options = Options { devices: Some(options.devices.unwrap_or(0)), ..options };
        let running = start(options).await.unwrap();
        let config = quell_emulator_tests::sdk::config(&format!("http://{}", running.http));
        let iot = aws_sdk_iot::Client::new(&config);
        let data = aws_sdk_iotdataplane::Client::new(&config);
        let ca = std::fs::read_to_string(running.credentials().join("root-CA.pem")).unwrap();
        Self { running, iot, data, ca }
    }

    /// The port of plain MQTT, where nobody has an identity.
    pub(crate) fn plain(&self) -> u16 {
        self.running.mqtt.unwrap().port()
    }

    /// A new, active certificate.
    pub(crate) async fn identity(&self) -> Identity {
        let made = self.iot.create_keys_and_certificate().set_as_active(true).send().await.unwrap();
        Identity {
            id: made.certificate_id.unwrap(),
            arn: made.certificate_arn.unwrap(),
            certificate: made.certificate_pem.unwrap(),
            key: made.key_pair.unwrap().private_key.unwrap(),
        }
    }

    /// A new, active certificate with one policy.
    pub(crate) async fn identity_with(&self, document: &str) -> Identity {
        let identity = self.identity().await;
        let name = format!("P-{}", &identity.id[..12]);
        self.policy(&name, document).await;
        self.iot.attach_policy().policy_name(name).target(&identity.arn).send().await.unwrap();
        identity
    }

    pub(crate) async fn policy(&self, name: &str, document: &str) {
        self.iot.create_policy().policy_name(name).policy_document(document).send().await.unwrap();
    }

    /// TLS that trusts the emulator's authority, with `identity`'s certificate when there is one.
    pub(crate) fn tls(&self, identity: Option<&Identity>, alpn: &[&str]) -> Arc<ClientConfig> {
        let identity = identity.map(|i| (i.certificate.as_str(), i.key.as_str()));
        quell_emulator_tests::tunnel::tls(&self.ca, identity, alpn)
    }
}

/// Polls `done` until it gives something; fails after [`LONG`].
pub(crate) async fn until<T>(what: &str, mut done: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + LONG;
    loop {
        if let Some(found) = done().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
