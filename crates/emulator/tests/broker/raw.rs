//! A connection whose every byte a test sees, for what a client library hides or would not send.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::{Identity, LONG, World};

/// A connection of the client id `raw`.
pub(crate) struct Raw {
    stream: Box<dyn Stream>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Raw {
    /// Connects over TCP with MQTT 3.1.1 (`level` 4) or 5.
    pub(crate) async fn plain(world: &World, level: u8) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", world.plain())).await.unwrap();
        Self::connect(Box::new(stream), level).await
    }

    /// Connects over TLS with a certificate.
    pub(crate) async fn secure(world: &World, identity: &Identity, level: u8) -> Self {
        let tcp = TcpStream::connect(world.running.mqtts).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(world.tls(Some(identity), &[]));
        let stream = connector.connect("localhost".try_into().unwrap(), tcp).await.unwrap();
        Self::connect(Box::new(stream), level).await
    }

    async fn connect(mut stream: Box<dyn Stream>, level: u8) -> Self {
        let properties: &[u8] = if level == 5 { &[0] } else { &[] };
        let body = [&b"\x00\x04MQTT"[..], &[level, 2, 0, 60], properties, b"\x00\x03raw"].concat();
        stream.write_all(&[&[0x10, body.len() as u8][..], &body].concat()).await.unwrap();
        let mut head = [0; 2];
        timeout(LONG, stream.read_exact(&mut head)).await.expect("a CONNACK").unwrap();
        let mut rest = vec![0; usize::from(head[1])];
        stream.read_exact(&mut rest).await.unwrap();
        assert_eq!((head[0], rest[1]), (0x20, 0), "accepted");
        Self { stream }
    }

    /// Sends `bytes` and gives everything that comes until the broker closes.
    pub(crate) async fn end(&mut self, bytes: &[u8]) -> Vec<u8> {
        Self::end_of(&mut self.stream, bytes).await
    }

    /// [`Raw::end`] of any stream.
    pub(crate) async fn end_of(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), bytes: &[u8]) -> Vec<u8> {
        stream.write_all(bytes).await.unwrap();
        stream.flush().await.unwrap();
        let mut back = Vec::new();
        // TLS calls an end without close_notify an error; what came before counts.
        let _ = timeout(LONG, stream.read_to_end(&mut back)).await.expect("the broker closes");
        back
    }
}
