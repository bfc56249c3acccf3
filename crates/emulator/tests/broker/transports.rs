//! Every listener: TCP, TLS with a client certificate, TLS by ALPN on the shared port, WebSocket with SigV4.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use futures_util::{SinkExt as _, StreamExt as _};
use rumqttc::{MqttOptions, PublishOptions, QoS};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::client::{Client, options};
use crate::{ALLOW, World};

/// How a WebSocket request is signed.
pub(crate) struct Signer<'a> {
    pub(crate) access_key: &'a str,
    pub(crate) secret: &'a str,
    pub(crate) service: &'static str,
    pub(crate) at: SystemTime,
    pub(crate) expires: u64,
}

impl Signer<'_> {
    pub(crate) fn good() -> Self {
        Self {
            access_key: "test",
            secret: "test",
            service: "iotdevicegateway",
            at: SystemTime::now(),
            expires: 86_400,
        }
    }

    /// The query of a presigned `/mqtt` on `host`.
    pub(crate) fn query(&self, host: &str) -> String {
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(self.expires));
        let identity = Credentials::new(self.access_key, self.secret, None, None, "tests").into();
        let params = aws_sigv4::sign::v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name(self.service)
            .time(self.at)
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let uri = format!("http://{host}/mqtt");
        let request =
            SignableRequest::new("GET", &uri, [("host", host)].into_iter(), SignableBody::Bytes(&[]))
                .unwrap();
        let (instructions, _) = sign(request, &params).unwrap().into_parts();
        let pairs = instructions.params().iter().map(|(name, value)| {
            let value = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
            format!("{name}={value}")
        });
        pairs.collect::<Vec<_>>().join("&")
    }
}

pub(crate) fn websocket(world: &World, client_id: &str, query: &str) -> MqttOptions {
    let http = world.running.http;
    let mut options = options(client_id, http.port());
    let url = format!("ws://{http}/mqtt?{query}");
    options.set_socket_connector(move |_, _| framed(http, url.clone()));
    options
}

/// The bytes that go through a WebSocket.
async fn framed(to: SocketAddr, url: String) -> io::Result<DuplexStream> {
    let mut request = url.into_client_request().map_err(io::Error::other)?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", "mqtt".parse().unwrap());
    let tcp = tokio::net::TcpStream::connect(to).await?;
    let (socket, _) = tokio_tungstenite::client_async(request, tcp).await.map_err(io::Error::other)?;
    let (mut sink, mut stream) = socket.split();
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    // One task for both ways: whichever side ends, the other one does.
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        loop {
            tokio::select! {
                read = far.read(&mut buffer) => match read {
                    Ok(n @ 1..) => {
                        if sink.send(Message::Binary(buffer[..n].to_vec().into())).await.is_err() {
                            return;
                        }
                    }
                    _ => return,
                },
                message = stream.next() => {
                    let Some(Ok(message)) = message else { return };
                    if far.write_all(&message.into_data()).await.is_err() {
                        return;
                    }
                }
            }
        }
    });
    Ok(near)
}

#[tokio::test]
async fn plain_tcp_carries_qos_0_and_1() {
    let world = World::start().await;
    let (mut console, mut device) = (world.client("console").await, world.client("SensorDevice01").await);
    console.subscribe(&["dt/+/temperature"]).await;
    device.publish("dt/SensorDevice01/temperature", "21.5").await;
    device
        .handle
        .publish("dt/SensorDevice01/temperature", "22", PublishOptions::at_most_once())
        .await
        .unwrap();
    let first = console.message().await;
    assert_eq!(
        (first.qos, &first.payload[..], first.dup, first.retain),
        (QoS::AtLeastOnce, &b"21.5"[..], false, false)
    );
    let second = console.message().await;
    assert_eq!((second.qos, &second.payload[..]), (QoS::AtMostOnce, &b"22"[..]));
}

#[tokio::test]
async fn a_certificate_is_the_principal_of_its_connection() {
    let world = World::start().await;
    let identity = world.identity_with(ALLOW).await;
    let mut console = world.client("console").await;
    console.subscribe(&["$aws/events/presence/connected/Thing01"]).await;
    let mut device = world.device("Thing01", &identity).await;
    let (_, event) = console.json().await;
    assert_eq!(event["principalIdentifier"], identity.id.as_str());
    device.subscribe(&["cmd/Thing01"]).await;
    console.publish("cmd/Thing01", "on").await;
    assert_eq!(device.text().await.1, "on");
}

#[tokio::test]
async fn without_a_registered_certificate_tls_leads_nowhere() {
    let world = World::start().await;
    Client::refused(world.over_tls("Thing01", world.tls(None, &[]))).await;
    let other = World::start().await;
    let stranger = other.identity_with(ALLOW).await;
    Client::refused(world.secure("Thing01", &stranger)).await;
    let known = world.data.get_connection().client_id("Thing01").send().await;
    assert!(known.is_err(), "it never was a connection");
}

#[tokio::test]
async fn one_tls_port_serves_mqtt_and_https_by_alpn() {
    let world = World::start().await;
    let identity = world.identity_with(ALLOW).await;
    let with_alpn = |names: &[&str]| world.over_tls("Thing01", world.tls(Some(&identity), names));
    let mut device = Client::connect(with_alpn(&["x-amzn-mqtt-ca"])).await;
    device.publish("dt/x", "1").await;
    drop(device);
    Client::refused(with_alpn(&["x-amzn-http-ca"])).await;
    Client::refused(with_alpn(&["nonsense"])).await;

    // And HTTPS, signed, on the same port.
    let host = format!("localhost:{}", world.running.mqtts.port());
    let tcp = tokio::net::TcpStream::connect(world.running.mqtts).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(world.tls(None, &["http/1.1"]));
    let mut stream = connector.connect("localhost".try_into().unwrap(), tcp).await.unwrap();
    let query = Signer::good().query(&host);
    let request = format!("GET /mqtt?{query} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 400"), "signed well, but not an upgrade: {answer}");
}

#[tokio::test]
async fn a_signed_websocket_is_mqtt_with_an_iam_identity() {
    let world = World::start().await;
    let host = world.running.http.to_string();
    let mut console = world.client("console").await;
    console.subscribe(&["dt/x", "$aws/events/presence/connected/quell-1"]).await;
    let mut ws = Client::connect(websocket(&world, "quell-1", &Signer::good().query(&host))).await;
    let (_, event) = console.json().await;
    assert_eq!(event["principalIdentifier"], "test");
    ws.publish("dt/x", "hello").await;
    assert_eq!(console.text().await.1, "hello");
    // A token that is appended after signing, as AWS IoT wants it, does not spoil the signature.
    let with_token = format!("{}&X-Amz-Security-Token=abc", Signer::good().query(&host));
    Client::connect(websocket(&world, "quell-2", &with_token)).await;
}

#[tokio::test]
async fn a_websocket_with_a_bad_signature_is_refused_with_403() {
    let world = World::start().await;
    let host = world.running.http.to_string();
    let hour = Duration::from_secs(3600);
    let ago = SystemTime::now() - 2 * hour;
    for (what, signer) in [
        ("a wrong secret", Signer { secret: "guess", ..Signer::good() }),
        ("an unknown key", Signer { access_key: "AKIASTRANGER", ..Signer::good() }),
        ("another service", Signer { service: "s3", ..Signer::good() }),
        ("an expired signature", Signer { at: ago, expires: 3600, ..Signer::good() }),
        (
            "an old one that asks for a day",
            Signer { at: SystemTime::now() - Duration::from_secs(600), ..Signer::good() },
        ),
        ("a signature of the future", Signer { at: SystemTime::now() + hour, ..Signer::good() }),
    ] {
        let reason = Client::refused(websocket(&world, "quell-1", &signer.query(&host))).await;
        assert!(reason.contains("403"), "{what}: {reason}");
    }
    let unsigned = Client::refused(websocket(&world, "quell-1", "")).await;
    assert!(unsigned.contains("403"), "{unsigned}");
    let tampered = Signer::good().query(&host).replace("east", "west");
    assert_ne!(tampered, Signer::good().query(&host));
    let reason = Client::refused(websocket(&world, "quell-1", &tampered)).await;
    assert!(reason.contains("403"), "{reason}");
    let elsewhere = Signer::good().query("example.com");
    let reason = Client::refused(websocket(&world, "quell-1", &elsewhere)).await;
    assert!(reason.contains("403"), "the host is part of the signature: {reason}");
}
