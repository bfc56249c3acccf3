//! Where to connect and how, from a URL.

use crate::config::Settings;

/// How the bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Wss,
    Ws,
    Mqtts,
    Mqtt,
}

/// A parsed MQTT URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) scheme: Scheme,
    pub(super) host: String,
    pub(super) port: u16,
    /// With its leading slash; only for WebSockets.
    pub(super) path: String,
}

impl Target {
    pub(super) fn of(settings: &Settings, host: Option<&str>) -> Result<Self, String> {
        match (&settings.mqtt.url, host) {
            (Some(url), _) => Self::parse(url),
            (None, Some(host)) => {
                let plain = host.starts_with("ws://");
                let host = host.rsplit_once("://").map_or(host, |(_, host)| host).trim_end_matches('/');
                Self::parse(&format!("{}://{host}/mqtt", if plain { "ws" } else { "wss" }))
            }
            (None, None) => {
                Err("no MQTT endpoint: give --mqtt-url, or allow iot:DescribeEndpoint".to_owned())
            }
        }
    }

    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("the MQTT URL {url:?} {why}");
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("has no scheme such as wss://"))?;
        let (scheme, default) = match scheme {
            "wss" => (Scheme::Wss, 443),
            "ws" => (Scheme::Ws, 80),
            "mqtts" | "ssl" | "tls" => (Scheme::Mqtts, 8883),
            "mqtt" | "tcp" => (Scheme::Mqtt, 1883),
            _ => return Err(wrong("must begin with wss://, ws://, mqtts:// or mqtt://")),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(wrong("must not hold a user name or password"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse().map_err(|_| wrong("has no valid port"))?)
            }
            _ => (authority, default),
        };
        if host.is_empty() {
            return Err(wrong("has no host"));
        }
        let path = if path.is_empty() { "/mqtt".to_owned() } else { format!("/{path}") };
        Ok(Self { scheme, host: host.to_owned(), port, path })
    }

    pub(super) fn is_websocket(&self) -> bool {
        matches!(self.scheme, Scheme::Wss | Scheme::Ws)
    }

    /// `HOST`, or `HOST:PORT` when the port is not the scheme's: what the Host header will say, and so what is signed.
    pub(super) fn authority(&self) -> String {
        match (self.scheme, self.port) {
            (Scheme::Wss, 443) | (Scheme::Ws, 80) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }

    /// The URL of a WebSocket.
    pub(super) fn url(&self) -> String {
        let scheme = if self.scheme == Scheme::Wss { "wss" } else { "ws" };
        format!("{scheme}://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_understood_or_refused_in_words() {
        let target = Target::parse("wss://x.iot.us-east-1.amazonaws.com:443/mqtt").unwrap();
        assert_eq!(target.url(), "wss://x.iot.us-east-1.amazonaws.com/mqtt");
        let target = Target::parse("ws://127.0.0.1:4510").unwrap();
        assert_eq!(
            (target.authority().as_str(), target.url().as_str()),
            ("127.0.0.1:4510", "ws://127.0.0.1:4510/mqtt")
        );
        assert_eq!(Target::parse("mqtts://[::1]").unwrap().port, 8883);
        for wrong in ["http://x", "x", "mqtt://", "mqtt://u:p@h", "mqtt://h:99999"] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }
}
