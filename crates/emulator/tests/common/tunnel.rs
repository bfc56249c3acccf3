//! TLS as devices speak it, and a tunnel for clients that only speak plain TCP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// TLS that trusts the authority `ca` (PEM), with a certificate and key (PEM) when there are any, and offers `alpn`.
///
/// # Panics
/// On what is not PEM.
pub fn tls(ca: &str, identity: Option<(&str, &str)>, alpn: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        Some((certificate, key)) => {
            let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![certificate], key).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// A TLS connection to `to`, which calls itself localhost.
///
/// # Errors
/// What the network or the handshake says.
///
/// # Panics
/// Never: the name is one.
pub async fn dial(to: SocketAddr, config: Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(config).connect(name, TcpStream::connect(to).await?).await
}

/// A loopback port whose connections go through TLS to `to`.
///
/// # Panics
/// Without a free port.
pub async fn tunnel(to: SocketAddr, config: Arc<ClientConfig>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connector = TlsConnector::from(config);
    tokio::spawn(async move {
        while let Ok((mut plain, _)) = listener.accept().await {
            let connector = connector.clone();
            tokio::spawn(async move {
                let Ok(stream) = TcpStream::connect(to).await else { return };
                let name = ServerName::try_from("localhost").unwrap();
                let Ok(mut stream) = connector.connect(name, stream).await else { return };
                // An end on either side is all there is to tell.
                let _ = tokio::io::copy_bidirectional(&mut plain, &mut stream).await;
            });
        }
    });
    port
}
