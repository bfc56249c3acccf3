//! Telling people: Slack and Chime webhooks, and SNS for text messages and mail.

use std::time::SystemTime;

use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;

use crate::cloud::Aws;
use crate::config::Settings;
use crate::response::Voice;
use quell_fleet::text::SafeText;

use super::web::Web;

/// Where notices go. Webhook URLs are secrets: they are never shown.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Notify {
    /// A Slack incoming webhook.
    pub slack: Option<String>,
    /// An Amazon Chime webhook.
    pub chime: Option<String>,
    /// The ARN of an SNS topic.
    pub sns: Option<String>,
}

impl std::fmt::Debug for Notify {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notify").field("sns", &self.sns).finish_non_exhaustive()
    }
}

impl Notify {
    /// How many are told.
    pub fn channels(&self) -> usize {
        [&self.slack, &self.chime, &self.sns].into_iter().flatten().count()
    }

    /// Tells everybody; what could not be told is returned, by channel. `sns_endpoint` replaces AWS's own.
    pub async fn send(
        &self,
        web: &Web,
        clients: &Aws,
        voice: Option<&Voice>,
        sns_endpoint: Option<&str>,
        text: &str,
    ) -> Vec<SafeText> {
        let mut failed = Vec::new();
        // Control characters of a hostile name stay here.
        let text = SafeText::new(text);
        let kind = [("content-type".to_owned(), "application/json".to_owned())];
        for (name, url, body) in [
            ("Slack", &self.slack, json!({ "text": plain(text.as_str()) })),
            ("Chime", &self.chime, json!({ "Content": text })),
        ] {
            if let Some(url) = url
                && let Err(why) = web.post(url, &kind, body.to_string().into_bytes()).await
            {
                failed.push(SafeText::new(&format!("{name} was not told: {why}")));
            }
        }
        if let Some(topic) = &self.sns {
            let told = match voice {
                Some(voice) => publish(voice, web, clients, sns_endpoint, topic, text.as_str()).await,
                None => Err("it is read-only, or cannot be written down before".to_owned()),
            };
            if let Err(why) = told {
                failed.push(SafeText::new(&format!("SNS was not told: {why}")));
            }
        }
        failed
    }
}

/// Slack's three characters that begin markup, as text.
pub fn plain(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Where SNS is, when it is not AWS's own: as the environment says, or where a private control plane is.
pub fn sns_endpoint(settings: &Settings) -> Option<String> {
    let own = std::env::var("AWS_ENDPOINT_URL_SNS").ok().filter(|v| !v.is_empty());
    let private = settings.endpoint_url.clone().filter(|u| !u.contains(".amazonaws.com"));
    own.or(private)
}

/// SNS Publish, signed here: one call is not worth another SDK. `endpoint` replaces AWS's own.
///
/// # Errors
/// Why it was not taken.
pub async fn publish(
    _held: &Voice,
    web: &Web,
    clients: &Aws,
    endpoint: Option<&str>,
    topic: &str,
    text: &str,
) -> Result<(), String> {
    let region = topic.split(':').nth(3).filter(|r| !r.is_empty()).unwrap_or(&clients.region).to_owned();
    let url = match endpoint {
        Some(url) => format!("{}/", url.trim_end_matches('/')),
        None => format!("https://sns.{region}.amazonaws.com/"),
    };
    let body = format!(
        "Action=Publish&Version=2010-03-31&TopicArn={}&Message={}",
        utf8_percent_encode(topic, NON_ALPHANUMERIC),
        utf8_percent_encode(text, NON_ALPHANUMERIC)
    );
    let credentials = clients.credentials.provide_credentials().await.map_err(|e| e.to_string())?;
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&region)
        .name("sns")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .map_err(|e| e.to_string())?;
    let authority = url.split('/').nth(2).unwrap_or_default().to_owned();
    let kind = "application/x-www-form-urlencoded; charset=utf-8";
    let signable = [("host", authority.as_str()), ("content-type", kind)];
    let request = SignableRequest::new(
        "POST",
        url.as_str(),
        signable.into_iter(),
        SignableBody::Bytes(body.as_bytes()),
    )
    .map_err(|e| e.to_string())?;
    let (instructions, _) = sign(request, &params.into()).map_err(|e| e.to_string())?.into_parts();
    let mut headers = vec![("content-type".to_owned(), kind.to_owned())];
    headers.extend(instructions.headers().map(|(n, v)| (n.to_owned(), v.to_owned())));
    web.post(&url, &headers, body.into_bytes()).await.map(drop)
}
