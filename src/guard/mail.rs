//! Alerts by mail: the few commands of SMTP (RFC 5321) that submitting a text takes, with TLS (RFC 8314, or STARTTLS of RFC 3207) and
//! AUTH PLAIN (RFC 4954). A password is sent over TLS only, or to this machine.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use quell_fleet::text::SafeText;

use crate::config::{Mail, MqttSettings};

use super::alert::Alert;

/// Nobody is waited for longer, all commands together.
const PATIENCE: Duration = Duration::from_secs(30);
/// No line of an answer is longer (RFC 5321 allows 512), and no answer has more lines.
const LINE: u64 = 4_096;
const LINES: usize = 100;

trait Line: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Line for T {}

/// Hands a message about an alert to the server.
///
/// # Errors
/// What the server said instead of taking it, or why it was not reached.
pub async fn send(mail: &Mail, alert: &Alert, host: &str) -> Result<(), String> {
    let sent = Box::pin(submit(mail, alert, host));
    tokio::time::timeout(PATIENCE, sent).await.map_err(|_| "no answer in time".to_owned())?
}

async fn submit(mail: &Mail, alert: &Alert, host: &str) -> Result<(), String> {
    let reached = TcpStream::connect((mail.host.as_str(), mail.port)).await;
    let tcp = reached.map_err(|error| format!("{}:{}: {error}", mail.host, mail.port))?;
    let local = tcp.peer_addr().is_ok_and(|peer| peer.ip().is_loopback());
    let mut session = Session(BufReader::new(Box::new(tcp) as Box<dyn Line>));
    if mail.tls {
        session = session.encrypted(&mail.host).await?;
    }
    session.answer(220).await?;
    let name: String = host.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).collect();
    let name = if name.is_empty() { "localhost".to_owned() } else { name };
    let mut offers = session.command(&format!("EHLO {name}"), 250).await?;
    let mut private = mail.tls;
    if !private && offers.iter().any(|offer| offer.eq_ignore_ascii_case("STARTTLS")) {
        session.command("STARTTLS", 220).await?;
        if !session.0.buffer().is_empty() {
            // What came before the handshake was said by anybody (CVE-2011-0411).
            return Err("the server speaks before TLS does".to_owned());
        }
        session = session.encrypted(&mail.host).await?;
        offers = session.command(&format!("EHLO {name}"), 250).await?;
        private = true;
    }
    if let Some((user, password)) = &mail.login {
        if !private && !local {
            return Err("the server offers no TLS, and a password is not sent without".to_owned());
        }
        if !offers
            .iter()
            .any(|offer| offer.to_ascii_uppercase().starts_with("AUTH") && offer.contains("PLAIN"))
        {
            return Err("the server does not offer AUTH PLAIN".to_owned());
        }
        let secret = STANDARD.encode(format!("\0{user}\0{}", password.0));
        session.command(&format!("AUTH PLAIN {secret}"), 235).await?;
    }
    session.command(&format!("MAIL FROM:<{}>", mail.from), 250).await?;
    for to in &mail.to {
        session.command(&format!("RCPT TO:<{to}>"), 250).await?;
    }
    session.command("DATA", 354).await?;
    session.write(&message(mail, alert, &name)).await?;
    session.command(".", 250).await?;
    // It is taken: what is said at parting changes nothing.
    let _ = session.command("QUIT", 221).await;
    Ok(())
}

/// The message, with its lines ended as SMTP ends them. All text is in base64: no line of it is too long or begins with a stop.
fn message(mail: &Mail, alert: &Alert, host: &str) -> String {
    let subject = format!("[quell] {}: {}", alert.severity.word(), alert.title());
    let text = format!(
        "{}\n\n{}\n\nkind: {}\nseverity: {}\nprofile: {}\nbehaviour: {}\ngroups: {}\nid: {}\n\n{:#}\n",
        alert.title(),
        alert.sentence,
        alert.kind.word(),
        alert.severity.word(),
        SafeText::new(&alert.profile),
        SafeText::new(&alert.behavior.name),
        SafeText::new(&alert.groups.join(", ")),
        alert.id,
        alert.line(),
    );
    let encoded = STANDARD.encode(text);
    let body: Vec<&str> =
        encoded.as_bytes().chunks(76).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let date = jiff::Timestamp::from_millisecond(alert.found)
        .ok()
        .and_then(|at| jiff::fmt::rfc2822::to_string(&at.to_zoned(jiff::tz::TimeZone::UTC)).ok())
        .unwrap_or_default();
    // The same when it is sent again: a mail program shows one of two.
    let id = format!("{}.{}", alert.id, alert.event());
    let thread = format!("{}.in-alarm", alert.id);
    format!(
        "Date: {date}\r\nFrom: <{}>\r\nTo: {}\r\nSubject: {}\r\nMessage-ID: <{id}@{host}>\r\nReferences: <{thread}@{host}>\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\
         Auto-Submitted: auto-generated\r\n\r\n{}\r\n",
        mail.from,
        mail.to.iter().map(|to| format!("<{to}>")).collect::<Vec<_>>().join(", "),
        words(&subject),
        body.join("\r\n"),
    )
}

/// Encoded words of RFC 2047, each of 75 characters at most, no character cut.
fn words(text: &str) -> String {
    let mut parts: Vec<String> = vec![String::new()];
    for c in text.chars() {
        if parts.last().is_some_and(|part| part.len() + c.len_utf8() > 45) {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    let encoded: Vec<String> =
        parts.iter().map(|part| format!("=?utf-8?B?{}?=", STANDARD.encode(part))).collect();
    encoded.join("\r\n ")
}

struct Session(BufReader<Box<dyn Line>>);

impl Session {
    async fn encrypted(self, host: &str) -> Result<Self, String> {
        // The platform's authorities, as for everything that is not MQTT's.
        let config: Arc<ClientConfig> = crate::stream::tls_config(&MqttSettings::default())?;
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        let connected = TlsConnector::from(config).connect(name, self.0.into_inner()).await;
        let stream = connected.map_err(|error| format!("TLS: {error}"))?;
        Ok(Self(BufReader::new(Box::new(stream) as Box<dyn Line>)))
    }

    async fn write(&mut self, text: &str) -> Result<(), String> {
        let written = async {
            self.0.get_mut().write_all(text.as_bytes()).await?;
            self.0.get_mut().flush().await
        };
        written.await.map_err(|error: std::io::Error| error.to_string())
    }

    async fn command(&mut self, command: &str, code: u16) -> Result<Vec<String>, String> {
        self.write(&format!("{command}\r\n")).await?;
        self.answer(code).await
    }

    /// The lines of an answer without their code, when it is `code`; what the server said otherwise.
    async fn answer(&mut self, code: u16) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            let read = (&mut self.0).take(LINE).read_until(b'\n', &mut line).await;
            read.map_err(|error| error.to_string())?;
            if line.is_empty() || lines.len() == LINES {
                return Err("the server broke off".to_owned());
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let said = line.get(..3).and_then(|code| code.parse::<u16>().ok());
            if said != Some(code) {
                return Err(format!("the server said {}", SafeText::new(&line)));
            }
            let more = line.get(3..4) == Some("-");
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            if !more {
                return Ok(lines);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AlertKind, Secret};
    use crate::guard::judge::own;
    use tokio::net::TcpListener;

    /// A server that speaks SMTP with whoever comes first, refuses the recipient it is told to, and gives what it heard.
    async fn server(refuses: &'static str) -> (u16, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let (mut heard, mut data) = (Vec::new(), false);
            stream.get_mut().write_all(b"220 ready\r\n").await.unwrap();
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).await.unwrap() == 0 {
                    return heard;
                }
                assert!(line.ends_with("\r\n") && line.len() <= 1_000, "{line:?}");
                let line = line.trim_end().to_owned();
                let answer = match line.split([' ', ':']).next().unwrap() {
                    "." => {
                        data = false;
                        "250 queued\r\n"
                    }
                    _ if data => "",
                    "EHLO" => "250-here\r\n250-SIZE 1000\r\n250 AUTH LOGIN PLAIN\r\n",
                    "AUTH" => "235 yes\r\n",
                    "DATA" => {
                        data = true;
                        "354 go on\r\n"
                    }
                    "QUIT" => "221 bye\r\n",
                    "RCPT" if !refuses.is_empty() && line.contains(refuses) => "550 nobody \u{1b}[2J\r\n",
                    _ => "250 ok\r\n",
                };
                heard.push(line);
                stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
            }
        });
        (port, heard)
    }

    fn mail(port: u16) -> Mail {
        Mail {
            host: "127.0.0.1".to_owned(),
            port,
            tls: false,
            login: Some(("ops".to_owned(), Secret("hunter2".to_owned()))),
            from: "quell@example.com".to_owned(),
            to: vec!["a@example.com".to_owned(), "b@example.com".to_owned()],
        }
    }

    #[tokio::test]
    async fn a_server_takes_a_message_and_its_words_are_the_alert_s() {
        let (port, heard) = server("").await;
        let sentence = SafeText::new("\r\n.\r\nRCPT TO:<evil@example.com>\u{202e}");
        let alert = own(
            AlertKind::Blind,
            None,
            &"größe ".repeat(40),
            &sentence,
            1_573_786_800_000,
            1_573_786_800_000,
        );
        send(&mail(port), &alert, "host\r\nEvil: 1").await.unwrap();
        let heard = heard.await.unwrap();
        let to: Vec<&String> = heard.iter().filter(|line| line.starts_with("RCPT")).collect();
        assert_eq!(to, ["RCPT TO:<a@example.com>", "RCPT TO:<b@example.com>"], "{heard:#?}");
        assert_eq!(heard[1], format!("AUTH PLAIN {}", STANDARD.encode("\0ops\0hunter2")));
        assert!(heard.iter().any(|line| line == "Date: Fri, 15 Nov 2019 03:00:00 +0000"), "{heard:#?}");
        assert!(!heard.iter().any(|line| line.starts_with("Evil")), "{heard:#?}");
        let blank = heard.iter().position(String::is_empty).unwrap();
        let body: String =
            heard[blank + 1..].iter().take_while(|line| *line != ".").map(String::as_str).collect();
        let text = String::from_utf8(STANDARD.decode(body).unwrap()).unwrap();
        assert!(text.contains("kind: blind") && text.contains(&alert.id), "{text}");
    }

    #[tokio::test]
    async fn what_the_server_refuses_is_said_and_a_password_is_not() {
        let (port, _) = server("b@").await;
        let alert = own(AlertKind::Blind, None, "x", &"why".into(), 1, 1);
        let why = send(&mail(port), &alert, "host").await.unwrap_err();
        assert!(why.contains("550 nobody") && !why.contains('\u{1b}') && !why.contains("hunter2"), "{why}");
        assert!(!format!("{:?}", mail(1)).contains("hunter2"));
    }
}
