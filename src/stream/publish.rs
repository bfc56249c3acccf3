//! One message to a broker, on a connection of its own: what a guard tells on a topic of a broker that is not the account's.

use std::time::Duration;

use crate::config::{Broker, MqttSettings, Proxies};

use super::dial::{Way, dial};
use super::session::client_id;
use super::target::{Scheme, Target};
use super::wire::{Greeting, Heard, How, Loss, Version, Wire};
use super::{proxy, tls, words};

/// How long dialling may take, and after it each of the broker's answers.
const CONNECT: Duration = Duration::from_secs(5);
/// Nobody is waited for longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Publishes a message with QoS 1, and returns when the broker has taken it. In MQTT 5, which says why one is not taken, and in
/// 3.1.1 with a broker that does not speak it.
///
/// # Errors
/// Why it was not taken, in a sentence.
pub async fn publish(broker: &Broker, proxies: &Proxies, payload: &[u8]) -> Result<(), String> {
    let told = async {
        match once(broker, proxies, payload, Version::V5).await {
            // An older one hangs up, or answers nonsense.
            Err(loss) if matches!(loss.how, How::Version | How::HungUp | How::Garbled | How::TimedOut) => {
                once(broker, proxies, payload, Version::V4).await
            }
            told => told,
        }
    };
    match tokio::time::timeout(PATIENCE, told).await {
        Ok(told) => told.map_err(|loss| loss.words),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

fn way(broker: &Broker, proxies: &Proxies) -> Result<Way, String> {
    let target = Target::parse(&broker.url)?;
    let mqtt = MqttSettings { ca: broker.ca.clone(), ..MqttSettings::default() };
    let tls = match target.scheme {
        Scheme::Mqtt | Scheme::Ws => None,
        Scheme::Mqtts | Scheme::Wss => Some(tls::config(&mqtt, None)?),
    };
    let proxy = proxy::towards(proxies, &target)?;
    let websocket = target.is_websocket().then(|| target.url());
    Ok(Way { host: target.host, port: target.port, proxy, tls, websocket })
}

async fn once(broker: &Broker, proxies: &Proxies, payload: &[u8], version: Version) -> Result<(), Loss> {
    let way = way(broker, proxies).map_err(|why| words::loss(How::Network, why))?;
    let line = dial(&way, CONNECT).await?;
    let greeting = Greeting {
        version,
        client_id: client_id(),
        keep_alive: Duration::from_secs(30),
        timeout: CONNECT,
        aws: false,
        login: broker.login.clone().map(|(user, password)| (user, Some(password.0))),
    };
    let mut wire = Wire::new(greeting, line);
    let asker = wire.asker();
    loop {
        let heard = match wire.buffered() {
            Some(heard) => heard,
            None => wire.next().await?,
        };
        match heard {
            Heard::Welcome if !asker.publish(&broker.topic, payload) => {
                return Err(words::loss(How::Refused, "it is no message that can be sent"));
            }
            Heard::Taken(None) => {
                // A connection that just ends would have the broker publish a last will, were there one, and log an error.
                asker.leave();
                let _ = tokio::time::timeout(Duration::from_millis(200), wire.next()).await;
                return Ok(());
            }
            Heard::Taken(Some(why)) => return Err(words::loss(How::NotAllowed, why)),
            _ => {}
        }
    }
}
