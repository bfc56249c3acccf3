//! Where telemetry comes from, and which way the connection goes.

use std::path::PathBuf;
use std::time::Duration;

use super::Environment;

/// AWS ends a signed WebSocket after 24 hours: better at a time of our choosing.
pub(super) const RENEW: Duration = Duration::from_secs(23 * 3600);

/// A secret that `Debug` does not show.
#[derive(Clone, Default, PartialEq, Eq, serde::Deserialize)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

/// The version of MQTT to speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MqttVersion {
    /// 5, and 3.1.1 with a broker that does not.
    #[default]
    Auto,
    /// 3.1.1 only.
    V4,
    /// 5 only.
    V5,
}

/// Where telemetry comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct MqttSettings {
    /// `wss://` (SigV4), `ws://`, `mqtts://` (client certificate) or `mqtt://`; found by DescribeEndpoint when absent.
    pub url: Option<String>,
    /// Client certificate, PEM.
    pub cert: Option<PathBuf>,
    /// Its private key, PEM.
    pub key: Option<PathBuf>,
    /// Certificate authority to trust, PEM.
    pub ca: Option<PathBuf>,
    /// How often a quiet connection is asked whether it lives; a dead one is noticed within twice this. AWS itself
    /// hangs up after 1.5 times this or 45 s, whichever is longer.
    pub keep_alive: Duration,
    /// Which version to speak.
    pub version: MqttVersion,
    /// A signed WebSocket is made anew after this long: AWS ends it after 24 hours, others on the way perhaps sooner.
    pub renew: Duration,
    /// How many connections may share the telemetry filters.
    pub connections: u32,
    /// The client id; a new one for each run, beginning with `quell-`, when absent.
    pub client_id: Option<String>,
    /// User name, for brokers that ask for one.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
}

impl Default for MqttSettings {
    fn default() -> Self {
        Self {
            url: None,
            cert: None,
            key: None,
            ca: None,
            // AWS counts anything shorter as 30 s (docs/aws-iot.md#3.3).
            keep_alive: Duration::from_secs(30),
            version: MqttVersion::Auto,
            renew: RENEW,
            connections: 1,
            client_id: None,
            username: None,
            password: None,
        }
    }
}

/// The proxies of the environment, as curl and the AWS CLI read them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proxies {
    /// `HTTPS_PROXY`: for `wss://` and `mqtts://`.
    pub https: Option<String>,
    /// `http_proxy`: for `ws://`.
    pub http: Option<String>,
    /// `ALL_PROXY`: for everything else.
    pub all: Option<String>,
    /// `NO_PROXY`: hosts that are reached directly, by name or suffix; `*` for all.
    pub none: Vec<String>,
}

impl Proxies {
    pub(super) fn of(env: &Environment) -> Self {
        let either =
            |upper: &str| env.get(&upper.to_ascii_lowercase()).or_else(|| env.get(upper)).map(str::to_owned);
        Self {
            https: either("HTTPS_PROXY"),
            http: either("HTTP_PROXY"),
            all: either("ALL_PROXY"),
            none: either("NO_PROXY")
                .map(|list| list.split(',').map(|host| host.trim().to_ascii_lowercase()).collect())
                .unwrap_or_default(),
        }
    }

    /// The proxy on the way to a host, if there is one. The machine itself is always reached directly.
    pub fn towards(&self, host: &str, encrypted: bool, websocket: bool) -> Option<&str> {
        let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
        let loopback =
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let exempt = self.none.iter().any(|rule| {
            let suffix = rule.trim_start_matches('.');
            rule == "*" || !suffix.is_empty() && (host == suffix || host.ends_with(&format!(".{suffix}")))
        });
        if loopback || exempt {
            return None;
        }
        let own = match (encrypted, websocket) {
            (true, _) => self.https.as_deref(),
            (false, true) => self.http.as_deref(),
            // Nobody means MQTT when they say http_proxy.
            (false, false) => None,
        };
        own.or(self.all.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_chosen_as_curl_does() {
        let pairs =
            [("https_proxy", "http://p:1"), ("ALL_PROXY", "http://q:2"), ("NO_PROXY", "corp.example, .x.io")];
        let env: Environment = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let proxies = Proxies::of(&env);
        assert_eq!(proxies.towards("a.iot.us-east-1.amazonaws.com", true, true), Some("http://p:1"));
        assert_eq!(proxies.towards("broker.example", false, false), Some("http://q:2"));
        assert_eq!(proxies.towards("b.corp.example", true, true), None);
        assert_eq!(proxies.towards("x.io", true, true), None);
        assert_eq!(proxies.towards("notcorp.example", true, true), Some("http://p:1"));
        assert_eq!(proxies.towards("127.0.0.1", true, true), None);
        assert!(!format!("{:?}", Secret("hunter2".into())).contains("hunter2"));
    }
}
