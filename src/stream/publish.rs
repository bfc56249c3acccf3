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
            // An older one hangs up, or answers nonsense. One that has welcomed this client speaks the version: what it was sent
            // then it may have taken, and it is not sent again in the same breath.
            Err((loss, false))
                if matches!(loss.how, How::Version | How::HungUp | How::Garbled | How::TimedOut) =>
            {
                once(broker, proxies, payload, Version::V4).await
            }
            told => told,
        }
    };
    match tokio::time::timeout(PATIENCE, told).await {
        Ok(told) => told.map_err(|(loss, sent)| match (loss.how, sent) {
            (How::HungUp | How::TimedOut | How::Network, true) => {
                format!("{}, after it was sent: whether it was taken is not known", loss.words)
            }
            _ => loss.words,
        }),
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

/// One attempt; with why it failed, whether the message had been sent by then.
async fn once(
    broker: &Broker,
    proxies: &Proxies,
    payload: &[u8],
    version: Version,
) -> Result<(), (Loss, bool)> {
    let way = way(broker, proxies).map_err(|why| (words::loss(How::Network, why), false))?;
    let line = dial(&way, CONNECT).await.map_err(|loss| (loss, false))?;
    let mut sent = false;
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
            None => wire.next().await.map_err(|loss| (loss, sent))?,
        };
        match heard {
            Heard::Welcome if asker.publish(&broker.topic, payload) => sent = true,
            Heard::Welcome => {
                return Err((words::loss(How::Refused, "it is no message that can be sent"), false));
            }
            Heard::Taken(None) => {
                // A connection that just ends would have the broker publish a last will, were there one, and log an error.
                asker.leave();
                let _ = tokio::time::timeout(Duration::from_millis(200), wire.next()).await;
                return Ok(());
            }
            Heard::Taken(Some(why)) => return Err((words::loss(How::NotAllowed, why), sent)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// A whole packet: its first byte, and what is behind its length.
    async fn packet(line: &mut tokio::net::TcpStream) -> Option<(u8, Vec<u8>)> {
        let first = line.read_u8().await.ok()?;
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            let byte = line.read_u8().await.ok()?;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut rest = vec![0; length];
        line.read_exact(&mut rest).await.ok()?;
        Some((first, rest))
    }

    /// What a broker was asked, by version and by packet, that hangs up where it is told to.
    async fn told_by(hangs_up_at: u8) -> (Result<(), String>, Vec<(u8, u8)>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("mqtt://{}", listener.local_addr().unwrap());
        let heard = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
        let kept = std::sync::Arc::clone(&heard);
        let serving = tokio::spawn(async move {
            while let Ok((mut line, _)) = listener.accept().await {
                let mut version = 0;
                while let Some((first, rest)) = packet(&mut line).await {
                    if first == 0x10 {
                        version = rest[6];
                    }
                    kept.lock().push((version, first & 0xf0));
                    if first & 0xf0 == hangs_up_at {
                        break;
                    }
                    let welcome: &[u8] = if version == 5 { &[0x20, 3, 0, 0, 0] } else { &[0x20, 2, 0, 0] };
                    if first == 0x10 {
                        line.write_all(welcome).await.unwrap();
                    }
                }
            }
        });
        let broker = Broker { url, topic: "ops/alerts".to_owned(), login: None, ca: None };
        let told = publish(&broker, &Proxies::default(), b"{}").await;
        serving.abort();
        let heard = heard.lock().clone();
        (told, heard)
    }

    #[tokio::test]
    async fn a_message_that_may_have_been_taken_is_not_sent_again_in_another_version() {
        let (told, heard) = told_by(0x30).await;
        assert_eq!(heard, [(5, 0x10), (5, 0x30)], "{told:?}");
        assert!(told.unwrap_err().contains("whether it was taken is not known"));
        // One that hangs up on the greeting may be older.
        let (told, heard) = told_by(0x10).await;
        assert_eq!(heard, [(5, 0x10), (4, 0x10)], "{told:?}");
        assert!(!told.unwrap_err().contains("whether it was taken"));
    }
}
