//! Where everything comes from: the clients, the polls and the stream of one account and region, opened together and ended
//! by dropping them. A console that goes to another profile or region opens another source with a fleet of its own.

use aws_credential_types::provider::SharedCredentialsProvider;
use tokio::sync::mpsc;

use crate::cloud::{self, Aws, PollHandle};
use crate::config::Settings;
use crate::stream::{self, Signer, StreamHandle};
use quell_fleet::event::Event;
use quell_fleet::known::Trouble;
use quell_fleet::model::Identity;

/// An open source. Dropping it ends its polls and its connection.
#[derive(Debug)]
pub(super) struct Source {
    /// The clients; none without AWS.
    pub(super) clients: Option<Aws>,
    /// The polls; none without AWS.
    pub(super) polls: Option<PollHandle>,
    /// The connection.
    pub(super) stream: StreamHandle,
}

impl Source {
    /// Opens what `settings` name; events come to `events` until it is dropped. Only credentials and the endpoint are
    /// waited for.
    ///
    /// # Errors
    /// Without AWS none. Otherwise why it cannot be reached, or that the certificate given is a device's.
    pub(super) async fn open(settings: &Settings, events: &mpsc::Sender<Event>) -> Result<Self, Trouble> {
        if !settings.aws {
            let stream = stream::spawn(settings, None, None, events.clone());
            return Ok(Self { clients: None, polls: None, stream });
        }
        let clients = Aws::connect(settings).await?;
        Self::over(clients, settings, events).await
    }

    /// Opens another source beside one that runs: only when AWS says who we are there, so that going to an account that
    /// cannot be reached leaves one where one is. Says also who that is.
    ///
    /// # Errors
    /// As [`Self::open`], or what AWS answered instead of an identity.
    pub(super) async fn open_proven(
        settings: &Settings,
        events: &mpsc::Sender<Event>,
    ) -> Result<(Self, Identity), Trouble> {
        let clients = Aws::connect(settings).await?;
        let identity = cloud::read::caller_identity(&clients).await?;
        Ok((Self::over(clients, settings, events).await?, identity))
    }

    async fn over(clients: Aws, settings: &Settings, events: &mpsc::Sender<Event>) -> Result<Self, Trouble> {
        cloud::refuse_device_certificate(&clients, settings).await?;
        let polls = cloud::spawn_polls(clients.clone(), settings, events.clone());
        let host = clients.mqtt_host.clone();
        let stream = stream::spawn(settings, Some(signer(&clients)), host.as_deref(), events.clone());
        Ok(Self { clients: Some(clients), polls: Some(polls), stream })
    }
}

/// What signs the stream's WebSockets: the clients' credentials, by AWS's clock.
pub(super) fn signer(clients: &Aws) -> Signer {
    let skew = clients.skew.clone();
    Signer {
        credentials: SharedCredentialsProvider::new(clients.credentials.clone()),
        region: clients.region.clone(),
        now: std::sync::Arc::new(move || skew.now()),
    }
}
