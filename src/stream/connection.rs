//! One connection from its signature to its end: subscribing step by step, and listening without ever making a keep-alive
//! wait for the console.

use std::future::Future as _;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use aws_credential_types::provider::ProvideCredentials as _;
use quell_fleet::event::{LinkEvent, Notice, PresenceKind};
use tokio::sync::watch;

use super::dial::{Socket, Way, dial};
use super::now_ms;
use super::pace::{HAND_OVER, Pace};
use super::question::{Asked, Due};
use super::session::{Control, End, Session, called, wished};
use super::sign::signed_url;
use super::target::Scheme;
use super::wire::{Answer, Asker, Greeting, Heard, How, Loss, Version, Wire};
use super::{Only, proxy, tls, words};

/// How long dialling may take, and after it the broker's answer.
const CONNECT: Duration = Duration::from_secs(15);
/// The same while it is not known whether the broker understands: an older one's answer to MQTT 5 may look unfinished.
const TRY: Duration = Duration::from_secs(8);

/// What may be wished for while a connection stands.
struct Wishes<'a> {
    /// Which things to stream.
    only: &'a mut watch::Receiver<Only>,
    /// A question.
    questions: &'a mut watch::Receiver<u64>,
}

impl Session {
    /// The way to the broker, with a signature made now where one is needed.
    async fn way(&self) -> Result<Way, String> {
        let target = &self.target;
        let mqtt = &self.settings.mqtt;
        let websocket = match (&self.signer, target.is_websocket()) {
            (_, false) => None,
            (None, true) => Some(target.url()),
            (Some(signer), true) => {
                let credentials = signer
                    .credentials
                    .provide_credentials()
                    .await
                    .map_err(|e| format!("credentials: {}", words::chain(&e)))?;
                Some(signed_url(target, &credentials, &signer.region, (signer.now)())?)
            }
        };
        let tls = match target.scheme {
            Scheme::Mqtt | Scheme::Ws => None,
            Scheme::Wss => Some(tls::config(mqtt, None)?),
            // On 443 AWS tells MQTT from HTTPS by ALPN (docs/aws-iot.md#3.1).
            Scheme::Mqtts => Some(tls::config(mqtt, (target.port == 443).then_some(&b"x-amzn-mqtt-ca"[..]))?),
        };
        Ok(Way {
            host: target.host.clone(),
            port: target.port,
            proxy: proxy::towards(&self.settings.proxies, target)?,
            tls,
            websocket,
        })
    }

    fn greeting(&self) -> Greeting {
        let mqtt = &self.settings.mqtt;
        Greeting {
            version: self.version,
            client_id: self.client_id.clone(),
            keep_alive: mqtt.keep_alive,
            timeout: if self.version_proven || self.version == Version::V4 { CONNECT } else { TRY },
            aws: self.settings.aws,
            login: mqtt.username.clone().map(|user| {
                (
                    user,
                    mqtt.password.clone().map(|password| password.0).filter(|password| !password.is_empty()),
                )
            }),
        }
    }

    /// Connects, up to the first byte of MQTT. What waits for the console is handed over while it dials.
    async fn dial(&mut self, control: &mut Control) -> Result<Box<dyn Socket>, End> {
        let way = tokio::select! {
            end = called(&mut control.stop, &mut control.settings) => return Err(end),
            way = self.way() => {
                way.map_err(|words| End::Lost(Loss { how: How::Network, words }))?
            }
        };
        let mut dialled = pin!(dial(&way, CONNECT));
        loop {
            let flushed = self.flush();
            tokio::select! {
                biased;
                dialled = &mut dialled => return dialled.map_err(End::Lost),
                end = called(&mut control.stop, &mut control.settings) => return Err(end),
                () = tokio::time::sleep(HAND_OVER), if !flushed => {}
            }
        }
    }

    pub(super) async fn connection(&mut self, control: &mut Control) -> End {
        let line = match self.dial(control).await {
            Ok(line) => line,
            Err(end) => return end,
        };
        let mut wire = Wire::new(self.greeting(), line);
        let asker = wire.asker();
        let mut renewal = pin!(tokio::time::sleep(self.settings.scaled(self.settings.mqtt.renew)));
        let mut pace = Pace::default();
        let mut asked_id = None;
        self.asked = Asked::new(self.asked.answers(), Instant::now());
        let (mut now, mut read) = (now_ms(), Instant::now());
        loop {
            let heard = match wire.buffered() {
                // It was read together with the one before it.
                Some(heard) => Ok(heard),
                None => {
                    let mut wishes = Wishes { only: &mut control.only, questions: &mut control.questions };
                    let heard = tokio::select! {
                        biased;
                        heard = self.next(&mut wire, &asker, &mut wishes, &mut pace) => heard,
                        end = called(&mut control.stop, &mut control.settings) => return end,
                        // Only what AWS would end: a signed WebSocket.
                        () = &mut renewal, if self.signer.is_some() && self.target.is_websocket() => return End::Renewed,
                    };
                    (now, read) = (now_ms(), Instant::now());
                    heard
                }
            };
            match heard {
                Ok(Heard::Messages(messages)) => {
                    self.heard = now;
                    self.asked.heard(read);
                    for (topic, payload) in messages.iter() {
                        if !self.message(topic, payload, &mut pace) {
                            return End::Stopped;
                        }
                    }
                }
                Ok(Heard::Message(topic, payload)) => {
                    self.heard = now;
                    self.asked.heard(read);
                    let Some(topic) = topic.as_str() else { continue };
                    if !self.message(topic, &payload, &mut pace) {
                        return End::Stopped;
                    }
                }
                Ok(Heard::Welcome) => {
                    self.alive(read);
                    self.version_proven = true;
                    self.filters.begin();
                    if !self.proceed(&asker) {
                        return End::Lost(no_room());
                    }
                }
                Ok(Heard::Asked(id)) => asked_id = Some(id),
                Ok(Heard::Answered(id, answers)) if Some(id) == asked_id => {
                    if !self.answered(&answers, &asker) {
                        return End::Lost(no_room());
                    }
                }
                Ok(Heard::Left(id)) => self.asked.sent(id),
                Ok(Heard::Released(id)) => {
                    self.alive(read);
                    if let Some(asked) = self.asked.answered(id, read) {
                        let connection = u32::try_from(self.share.index).unwrap_or(0);
                        self.tell(LinkEvent::Answered { connection, asked, at: self.heard });
                    }
                }
                Ok(Heard::Answered(..) | Heard::Taken(_) | Heard::Life) => self.alive(read),
                Ok(Heard::Nothing) => {}
                Err(loss) => return End::Lost(loss),
            }
        }
    }

    /// Takes in a message; false when nobody takes any more.
    fn message(&mut self, topic: &str, payload: &[u8], pace: &mut Pace) -> bool {
        self.batcher.push(topic, payload, self.heard);
        pace.heard();
        self.look_for_usurper();
        // A stream that never pauses must not keep its batch.
        if pace.is_due() {
            self.flush();
        }
        !self.batcher.is_closed()
    }

    /// Something came that is no message.
    fn alive(&mut self, read: Instant) {
        self.heard = now_ms();
        self.asked.heard(read);
    }

    /// Questions that are wanted, or due. An error when there is no room for one, or the broker answers no more.
    fn inquire(&mut self, asker: &Asker) -> Result<(), Loss> {
        match self.asked.next() {
            (at, _) if at > Instant::now() => return Ok(()),
            (_, Due::Dead) => {
                let words = "the broker stopped answering: it was asked, and nothing came".to_owned();
                return Err(Loss { how: How::Dead, words });
            }
            (_, Due::Suspect(asked)) => {
                self.asked.suspected();
                let connection = u32::try_from(self.share.index).unwrap_or(0);
                self.tell(LinkEvent::Unanswered { connection, asked, at: now_ms() });
            }
            (_, Due::Ask) => {
                if !self.ask(asker) {
                    return Err(no_room());
                }
            }
        }
        Ok(())
    }

    /// The broker's answer to a SUBSCRIBE; then the next. False when there is no room to ask.
    fn answered(&mut self, answers: &[Answer], asker: &Asker) -> bool {
        self.alive(Instant::now());
        for (filter, why) in self.filters.answered(answers) {
            self.refuse(filter, &why);
        }
        self.proceed(asker)
    }

    /// The next thing heard. Meanwhile batches are handed over.
    async fn next(
        &mut self,
        wire: &mut Wire,
        asker: &Asker,
        wishes: &mut Wishes<'_>,
        pace: &mut Pace,
    ) -> Result<Heard, Loss> {
        // A stream that never pauses does not come as far as waiting for these below.
        if wishes.only.has_changed().unwrap_or(false) && !self.refocus(wishes.only, asker) {
            return Err(no_room());
        }
        if self.up {
            if wishes.questions.has_changed().unwrap_or(false) {
                wishes.questions.mark_unchanged();
                if !self.ask(asker) {
                    return Err(no_room());
                }
            }
            self.inquire(asker)?;
        }
        let connected = self.version_proven && self.heard > 0;
        let mut next = pin!(wire.next());
        let ready = std::future::poll_fn(|context| Poll::Ready(next.as_mut().poll(context))).await;
        if let Poll::Ready(heard) = ready {
            return heard;
        }
        if connected && pace.is_dense() {
            // All there was is read. It is handed over when that is due, and not at each look: each hand-over wakes the
            // console.
            if pace.is_due_soon() && self.flush() {
                pace.flushed();
            }
            // This thread has nothing else to do: sleeping it coalesces better than a timer of the runtime.
            std::thread::sleep(pace.pause());
            // The runtime looks at the socket now.
            tokio::task::yield_now().await;
            if let Ok(heard) = tokio::time::timeout(pace.until_due(), next.as_mut()).await {
                return heard;
            }
        }
        loop {
            let flushed = self.flush();
            if flushed {
                pace.flushed();
            }
            tokio::select! {
                biased;
                heard = next.as_mut() => return heard,
                () = wished(wishes.only) => if !self.refocus(wishes.only, asker) {
                    return Err(no_room());
                },
                () = wished(wishes.questions), if self.up => if !self.ask(asker) {
                    return Err(no_room());
                },
                () = tokio::time::sleep_until(self.asked.next().0.into()), if self.up => self.inquire(asker)?,
                // The console is busy: try again soon, and keep reading meanwhile.
                () = tokio::time::sleep(HAND_OVER), if !flushed => {}
            }
        }
    }

    /// MQTT 3.1.1 has no words for a take-over, but AWS announces it to whoever is back.
    fn look_for_usurper(&mut self) {
        if let Some(Notice::Presence {
            client, kind: PresenceKind::Disconnected, reason: Some(reason), ..
        }) = self.batcher.notices().last()
            && client.raw() == self.client_id
            && reason.as_str() == "DUPLICATE_CLIENTID"
        {
            self.usurped = true;
        }
    }
}

fn no_room() -> Loss {
    Loss { how: How::Network, words: "no room to subscribe".into() }
}
