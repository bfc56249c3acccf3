//! The two servers, and how clients reach them.

use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::cost::cpu_of;

/// A way in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Door {
    /// TCP, without an identity.
    Plain,
    /// TLS with a client certificate.
    Certificate,
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Plain { "plain" } else { "mTLS" })
    }
}

/// A connection of either kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An address, and what is shown there.
pub(crate) struct Address {
    port: u16,
    tls: Option<Arc<ClientConfig>>,
}

impl Address {
    /// A client that was let in.
    pub(crate) async fn connect(&self, client_id: &str) -> Box<dyn Stream> {
        let tcp = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let mut stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(tcp),
            Some(config) => {
                let name = ServerName::try_from("localhost").unwrap();
                Box::new(TlsConnector::from(Arc::clone(config)).connect(name, tcp).await.unwrap())
            }
        };
        let head = &b"\x00\x04MQTT\x04\x02\x04\xb0\x00"[..];
        let body = [head, &[client_id.len() as u8], client_id.as_bytes()].concat();
        stream.write_all(&[&[0x10, body.len() as u8], &body[..]].concat()).await.unwrap();
        // TLS keeps what it could not write at once, as when a task of many clients has had its share of the runtime.
        stream.flush().await.unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer[3], 0, "{client_id} was refused");
        stream
    }
}

/// A server under way.
pub(crate) trait Server {
    /// Its process.
    fn pid(&self) -> u32;
    /// A way in.
    fn door(&self, door: Door) -> Address;

    /// Seconds of processor time so far.
    fn cpu(&self) -> f64 {
        cpu_of(self.pid())
    }

    /// Its memory now.
    fn resident_kb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).unwrap_or(0.0)
    }
}

/// What a client shows, to a server that `authority` vouches for.
fn client(authority: &Path, certificate: &Path, key: &Path) -> Arc<ClientConfig> {
    let certificates = |file: &Path| CertificateDer::pem_file_iter(file).unwrap().map(Result::unwrap);
    let mut roots = RootCertStore::empty();
    certificates(authority).for_each(|root| roots.add(root).unwrap());
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(
            certificates(certificate).collect(),
            PrivateKeyDer::from_pem_file(key).unwrap(),
        )
        .unwrap();
    Arc::new(config)
}

/// `quell local` with the workshop's devices and no limits.
pub(crate) struct Quell {
    child: Child,
    ready: serde_json::Value,
    folder: tempfile::TempDir,
}

impl Quell {
    /// Starts it, and waits until it is ready.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_quell"))
            .args(["local", "--json", "--no-throttle", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"])
            .args(["--mqtts", "127.0.0.1:0", "--credentials"])
            .arg(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, ready: serde_json::from_str(&line).unwrap(), folder }
    }

    fn port(&self, of: &str) -> u16 {
        self.ready[of].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap()
    }

    /// Its control plane.
    pub(crate) fn iot(&self) -> aws_sdk_iot::Client {
        aws_sdk_iot::Client::new(&quell_emulator_tests::sdk::config(self.ready["http"].as_str().unwrap()))
    }
}

impl Server for Quell {
    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn door(&self, door: Door) -> Address {
        match door {
            Door::Plain => Address { port: self.port("mqtt"), tls: None },
            Door::Certificate => {
                let file = |name: &str| self.folder.path().join(name);
                let tls =
                    client(&file("root-CA.pem"), &file("Thing01.cert.pem"), &file("Thing01.private.key"));
                Address { port: self.port("mqtts"), tls: Some(tls) }
            }
        }
    }
}

impl Drop for Quell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// mosquitto, with a plain listener and one that asks for a client certificate.
pub(crate) struct Mosquitto {
    child: Child,
    ports: [u16; 2],
    tls: Arc<ClientConfig>,
    _folder: tempfile::TempDir,
}

impl Mosquitto {
    /// Starts it where it is installed.
    pub(crate) fn start() -> Option<Self> {
        let program = ["mosquitto", "/usr/sbin/mosquitto"]
            .into_iter()
            .find(|program| Command::new(program).arg("-h").output().is_ok())?;
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        // Each is its own authority.
        for who in ["server", "client"] {
            let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
            std::fs::write(file(&format!("{who}.pem")), own.cert.pem()).unwrap();
            std::fs::write(file(&format!("{who}.key")), own.signing_key.serialize_pem()).unwrap();
        }
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let ports = [free(), free()];
        let text = format!(
            "user root\nper_listener_settings false\nallow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 0\n\
             listener {} 127.0.0.1\nlistener {} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\n",
            ports[0],
            ports[1],
            file("client.pem").display(),
            file("server.pem").display(),
            file("server.key").display(),
        );
        std::fs::write(file("mosquitto.conf"), text).unwrap();
        let child = Command::new(program)
            .arg("-c")
            .arg(file("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let tls = client(&file("server.pem"), &file("client.pem"), &file("client.key"));
        while ports.iter().any(|port| std::net::TcpStream::connect(("127.0.0.1", *port)).is_err()) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Some(Self { child, ports, tls, _folder: folder })
    }
}

impl Server for Mosquitto {
    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn door(&self, door: Door) -> Address {
        match door {
            Door::Plain => Address { port: self.ports[0], tls: None },
            Door::Certificate => Address { port: self.ports[1], tls: Some(Arc::clone(&self.tls)) },
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Each connection takes a descriptor; often only 1024 are allowed at first.
pub(crate) fn allow_many_connections() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}
