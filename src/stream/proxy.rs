//! The proxy on the way to a broker: CONNECT over HTTP, as the environment says.

use base64::Engine as _;

use crate::config::Proxies;

use super::target::{Scheme, Target};

/// A proxy that is asked with CONNECT.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    /// What stands behind `Proxy-Authorization`: a secret.
    pub(super) login: Option<String>,
}

/// The proxy towards a target.
///
/// # Errors
/// A sentence when the proxy's URL is none.
pub(super) fn towards(proxies: &Proxies, target: &Target) -> Result<Option<Proxy>, String> {
    let encrypted = matches!(target.scheme, Scheme::Wss | Scheme::Mqtts);
    let Some(written) = proxies.towards(&target.host, encrypted, target.is_websocket()) else {
        return Ok(None);
    };
    // Never with the password in it.
    let wrong = |why: &str| format!("the proxy of the environment {why}");
    let (scheme, rest) = written.split_once("://").unwrap_or(("http", written));
    if scheme != "http" {
        return Err(wrong("must be an http:// one"));
    }
    let rest = rest.trim_end_matches('/');
    let (login, address) = rest.rsplit_once('@').map_or((None, rest), |(login, rest)| (Some(login), rest));
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().map_err(|_| wrong("has no valid port"))?),
        None => (address, 80),
    };
    if host.is_empty() {
        return Err(wrong("has no host"));
    }
    let plain = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let login = login.map(|login| {
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let pair = format!("{}:{}", plain(user), plain(password));
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
    });
    Ok(Some(Proxy { host: host.to_owned(), port, login }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_read_from_its_url() {
        let target = Target::parse("wss://x.iot.us-east-1.amazonaws.com/mqtt").unwrap();
        let with = |url: &str| Proxies { https: Some(url.into()), ..Proxies::default() };
        let proxy = towards(&with("http://u:p%40ss@proxy.corp:3128/"), &target).unwrap().unwrap();
        assert_eq!((proxy.host.as_str(), proxy.port), ("proxy.corp", 3128));
        assert_eq!(proxy.login.as_deref(), Some("Basic dTpwQHNz"), "u:p@ss");
        assert!(towards(&Proxies::default(), &target).unwrap().is_none());
        let error = towards(&with("socks5://u:secret@h:1"), &target).unwrap_err();
        assert!(!error.contains("secret"), "{error}");
    }
}
