//! The certificates SNS signs with: fetched once each, few in a minute, and believed only with their chain and their name.
//!
//! A message names the URL of its certificate, and anybody may post a message: neither many messages nor many URLs may lead
//! to many requests.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, OnceCell};
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{CertificateError, Error, RootCertStore};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::{OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS, OID_PKIX_AUTHORITY_INFO_ACCESS};
use x509_parser::prelude::FromDer as _;

use super::signature::{self, Place};
use super::web::Web;

/// A certificate that was believed is not asked for again for this long.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// One that was not is asked for again after this long.
const REFUSED: Duration = Duration::from_secs(60);
/// SNS changes its certificate once in months: more than this in a minute is somebody who makes requests with us.
const A_MINUTE: usize = 10;
/// URLs remembered.
const MOST: usize = 64;
/// A leaf, and at most so many certificates up to a root.
const STEPS: usize = 4;

/// A certificate, or why there is none, and since when.
type Known = (Instant, Result<Arc<Vec<u8>>, String>);

/// The certificates, and when they were fetched.
#[derive(Debug, Default)]
pub struct Certificates {
    /// Held while one is fetched: messages that come together lead to one request.
    known: Mutex<Fetched>,
    roots: OnceCell<Arc<RootCertStore>>,
}

#[derive(Debug, Default)]
struct Fetched {
    by_url: HashMap<String, Known>,
    times: VecDeque<Instant>,
}

impl Certificates {
    /// The certificate at `url`, PEM, which only SNS can have put there. `endpoint` is a private endpoint of AWS's services;
    /// what it serves is believed as the endpoint itself is.
    ///
    /// # Errors
    /// Why it is not to be believed.
    pub async fn at(&self, web: &Web, url: &str, endpoint: Option<&str>) -> Result<Arc<Vec<u8>>, String> {
        let place = signature::certificate_place(url, endpoint)
            .ok_or("its signing certificate is not where SNS keeps them")?;
        let mut known = self.known.lock().await;
        if let Some((since, found)) = known.by_url.get(url) {
            let lasts = if found.is_ok() { KEPT } else { REFUSED };
            if since.elapsed() < lasts {
                return found.clone();
            }
        }
        while known.times.front().is_some_and(|t| t.elapsed() > Duration::from_secs(60)) {
            known.times.pop_front();
        }
        if known.times.len() >= A_MINUTE {
            return Err("too many signing certificates were named within a minute".to_owned());
        }
        known.times.push_back(Instant::now());
        let found = self.fetch(web, url, place).await.map(Arc::new);
        if known.by_url.len() >= MOST {
            let oldest = known.by_url.iter().min_by_key(|(_, (since, _))| *since).map(|(url, _)| url.clone());
            oldest.and_then(|url| known.by_url.remove(&url));
        }
        known.by_url.insert(url.to_owned(), (Instant::now(), found.clone()));
        found
    }

    async fn fetch(&self, web: &Web, url: &str, place: Place) -> Result<Vec<u8>, String> {
        let pem = web.get(url).await.map_err(|e| format!("its signing certificate: {e}"))?;
        let Place::Aws { host } = place else { return Ok(pem) };
        let roots = self
            .roots
            .get_or_try_init(|| async { tokio::task::spawn_blocking(roots).await.map_err(|e| e.to_string()) })
            .await?;
        let chain = chain(&pem)?;
        self.trust(web, Arc::clone(roots), chain, &host).await?;
        Ok(pem)
    }

    /// Follows the chain to a root of this machine. SNS serves the leaf alone: what issued it is fetched from Amazon's own
    /// certificate authority, which the leaf names.
    async fn trust(
        &self,
        web: &Web,
        roots: Arc<RootCertStore>,
        mut chain: Vec<CertificateDer<'static>>,
        host: &str,
    ) -> Result<(), String> {
        loop {
            let why = match verify(&roots, &chain, host) {
                Ok(()) => return Ok(()),
                Err(why) => why,
            };
            let issuer = chain.last().and_then(|c| issuer_url(c)).filter(|_| why.unknown_issuer);
            let Some(url) = issuer.filter(|_| chain.len() < STEPS) else { return Err(why.text) };
            let der = web.get(&url).await.map_err(|e| format!("what issued its signing certificate: {e}"))?;
            chain.push(CertificateDer::from(der));
        }
    }
}

/// Why a chain is not believed.
struct Doubt {
    /// Only its end is missing.
    unknown_issuer: bool,
    text: String,
}

fn roots() -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    Arc::new(roots)
}

fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Vec<CertificateDer<'static>> = x509_parser::pem::Pem::iter_from_buffer(pem)
        .take(STEPS)
        .filter_map(Result::ok)
        .map(|pem| CertificateDer::from(pem.contents))
        .collect();
    if chain.is_empty() { Err("the signing certificate is no PEM".to_owned()) } else { Ok(chain) }
}

/// Chain, name and time of a certificate, as for the TLS of the host it is for.
fn verify(roots: &Arc<RootCertStore>, chain: &[CertificateDer<'_>], host: &str) -> Result<(), Doubt> {
    let doubt = |text: String| Doubt { unknown_issuer: false, text };
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), provider)
        .build()
        .map_err(|e| doubt(format!("this machine has no roots to check the signing certificate by ({e})")))?;
    let Some((leaf, between)) = chain.split_first() else { return Err(doubt("no certificate".to_owned())) };
    // One certificate serves all regions of a partition; some are of a region's own name.
    let partition = if host.ends_with(".cn") { "sns.amazonaws.com.cn" } else { "sns.amazonaws.com" };
    let mut last = None;
    for name in [partition, host] {
        let Ok(name) = ServerName::try_from(name.to_owned()) else { continue };
        match verifier.verify_server_cert(leaf, between, &name, &[], UnixTime::now()) {
            Ok(_) => return Ok(()),
            Err(error) => last = Some(error),
        }
    }
    let unknown_issuer = matches!(last, Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)));
    let why = last.map(|e| e.to_string()).unwrap_or_default();
    Err(Doubt { unknown_issuer, text: format!("its signing certificate is not SNS's: {why}") })
}

/// Where a certificate says that its issuer's is: at Amazon's certificate authority, or nowhere.
fn issuer_url(der: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = x509_parser::certificate::X509Certificate::from_der(der).ok()?;
    let found = certificate.get_extension_unique(&OID_PKIX_AUTHORITY_INFO_ACCESS).ok()??;
    let ParsedExtension::AuthorityInfoAccess(access) = found.parsed_extension() else { return None };
    access.accessdescs.iter().find_map(|one| {
        let GeneralName::URI(url) = one.access_location else { return None };
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
        let (host, _) = rest.split_once('/')?;
        let amazon = host.strip_suffix(".amazontrust.com")?;
        let plain =
            amazon.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b));
        (one.access_method == OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS && plain).then(|| url.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    struct Authority {
        issuer: Issuer<'static, KeyPair>,
        der: CertificateDer<'static>,
    }

    fn params(names: &[&str], ca: bool) -> CertificateParams {
        let mut params =
            CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap();
        if ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params.distinguished_name.push(rcgen::DnType::CommonName, format!("{names:?} {ca}"));
        params
    }

    fn root() -> Authority {
        let key = KeyPair::generate().unwrap();
        let params = params(&["root"], true);
        let der = params.self_signed(&key).unwrap().der().clone();
        Authority { issuer: Issuer::new(params, key), der }
    }

    fn below(above: &Authority) -> Authority {
        let key = KeyPair::generate().unwrap();
        let params = params(&["between"], true);
        let der = params.signed_by(&key, &above.issuer).unwrap().der().clone();
        Authority { issuer: Issuer::new(params, key), der }
    }

    fn leaf(above: &Authority, name: &str) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        params(&[name], false).signed_by(&key, &above.issuer).unwrap().der().clone()
    }

    #[test]
    fn a_certificate_is_sns_s_by_its_chain_and_its_name() {
        let (root, host) = (root(), "sns.eu-west-1.amazonaws.com");
        let between = below(&root);
        let mut store = RootCertStore::empty();
        store.add(root.der.clone()).unwrap();
        let store = Arc::new(store);
        for name in ["sns.amazonaws.com", host] {
            let chain = [leaf(&between, name), between.der.clone()];
            assert!(verify(&store, &chain, host).is_ok(), "{name}");
            let cut = verify(&store, &chain[..1], host).unwrap_err();
            assert!(cut.unknown_issuer, "{}", cut.text);
        }
        let other = verify(&store, &[leaf(&between, "evil.example"), between.der.clone()], host).unwrap_err();
        assert!(!other.unknown_issuer && other.text.contains("not SNS's"), "{}", other.text);
        let stranger = super::tests::root();
        assert!(verify(&store, &[leaf(&stranger, "sns.amazonaws.com")], host).is_err());
    }

    #[tokio::test]
    async fn many_urls_lead_to_few_requests() {
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        quell_emulator_tests::http::serve(listener, move |_| {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            std::future::ready(quell_emulator_tests::http::status(404))
        });
        let (certificates, web) = (Certificates::default(), Web::default());
        for n in 0..40 {
            for _ in 0..3 {
                let url = format!("{endpoint}/SimpleNotificationService-{n}.pem");
                assert!(certificates.at(&web, &url, Some(&endpoint)).await.is_err());
            }
        }
        assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), A_MINUTE);
        let elsewhere = certificates.at(&web, "https://evil.example/x.pem", Some(&endpoint)).await;
        assert!(elsewhere.unwrap_err().contains("not where SNS keeps them"));
    }
}
