//! The few HTTP requests outside AWS's SDK: signing certificates, subscription confirmations, webhooks, SNS.

use std::time::Duration;

use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;

/// Nobody is waited for longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// No answer worth reading is larger.
const MOST: usize = 64 * 1024;

/// One client for all of them.
#[derive(Debug)]
pub struct Web(Connector);

impl Default for Web {
    fn default() -> Self {
        let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
        Self(Connector::builder().tls_provider(ring).build())
    }
}

impl Web {
    /// GET; the body of a 2xx answer.
    ///
    /// # Errors
    /// Why there is none, without the URL: a webhook's is a secret.
    pub async fn get(&self, url: &str) -> Result<Vec<u8>, String> {
        self.call("GET", url, &[], Vec::new()).await
    }

    /// POST with headers.
    ///
    /// # Errors
    /// As [`Web::get`].
    pub async fn post(
        &self,
        url: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Result<Vec<u8>, String> {
        self.call("POST", url, headers, body).await
    }

    async fn call(
        &self,
        method: &str,
        url: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Result<Vec<u8>, String> {
        let length = body.len();
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method(method).map_err(|e| e.to_string())?;
        request.set_uri(url).map_err(|_| "this is no URL".to_owned())?;
        if length > 0 {
            request.headers_mut().insert("content-length", length.to_string());
        }
        for (name, value) in headers {
            let set = request.headers_mut().try_insert(name.clone(), value.clone());
            set.map_err(|e| e.to_string())?;
        }
        let whole = async {
            let answer = self.0.call(request).await.map_err(|_| "it could not be reached".to_owned())?;
            let status = answer.status().as_u16();
            let mut stream = ByteStream::new(answer.into_body());
            let mut body = Vec::new();
            while let Some(part) = stream.next().await {
                body.extend_from_slice(&part.map_err(|_| "the answer broke off".to_owned())?);
                if body.len() > MOST {
                    return Err("the answer is too long".to_owned());
                }
            }
            if (200..300).contains(&status) { Ok(body) } else { Err(format!("it answered {status}")) }
        };
        tokio::time::timeout(PATIENCE, whole).await.map_err(|_| "no answer in time".to_owned())?
    }
}
