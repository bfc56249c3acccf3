//! Presigned URLs in job documents (docs/aws-iot.md#4.5): a placeholder `${aws:iot:s3-presigned-url:URL}` becomes, each time a
//! device is given the document, a URL with which the object can be had for as long as the job's `presignedUrlConfig` says.

use serde_json::Value;

use super::model::Settings;
use super::validate;
use crate::account::Account;
use crate::api::s3::Signer;
use crate::api::{ApiError, s3};

const CLASSIC: &str = "${aws:iot:s3-presigned-url:";
const V2: &str = "${aws:iot:s3-presigned-url-v2:";
/// Seconds a URL is good for when the job does not say.
const DEFAULT_SECONDS: u64 = 3600;

/// Fills placeholders in, as of one moment.
pub(super) struct Presigner<'a>(Signer<'a>);

impl<'a> Presigner<'a> {
    /// The account's own.
    pub(super) fn of(account: &'a Account) -> Self {
        Self(Signer::of(account))
    }

    /// A document with every placeholder in its texts filled in.
    pub(super) fn fill(&self, document: &mut Value, settings: &Settings) {
        let config = settings.presigned_url_config.as_ref();
        let seconds = config.and_then(|c| c.get("expiresInSec")).and_then(Value::as_u64);
        self.walk(document, seconds.unwrap_or(DEFAULT_SECONDS));
    }

    fn walk(&self, value: &mut Value, seconds: u64) {
        match value {
            Value::String(text) if text.contains("${aws:iot:s3-presigned-url") => {
                let mut out = String::new();
                let mut rest = text.as_str();
                while let Some((before, found, after)) = next(rest) {
                    out.push_str(before);
                    match s3::parse_url(found.url) {
                        Some((bucket, key)) => out.push_str(&self.0.url(&bucket, &key, seconds)),
                        None => out.push_str(found.whole),
                    }
                    rest = after;
                }
                out.push_str(rest);
                *text = out;
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.walk(item, seconds)),
            Value::Object(members) => members.values_mut().for_each(|member| self.walk(member, seconds)),
            _ => {}
        }
    }
}

struct Found<'a> {
    whole: &'a str,
    url: &'a str,
    v2: bool,
}

/// The first placeholder of a text, with what stands before and after it.
fn next(text: &str) -> Option<(&str, Found<'_>, &str)> {
    let classic = text.find(CLASSIC).map(|at| (at, CLASSIC.len(), false));
    let v2 = text.find(V2).map(|at| (at, V2.len(), true));
    let (at, skip, v2) = classic.into_iter().chain(v2).min()?;
    let (before, rest) = text.split_at_checked(at)?;
    let (whole, after) = rest.split_at_checked(rest.find('}')? + 1)?;
    let url = whole.get(skip..)?.strip_suffix('}')?;
    Some((before, Found { whole, url, v2 }, after))
}

/// Checks the placeholders of the document of a job or template to be.
///
/// # Errors
/// `InvalidRequestException` for a placeholder without a role to sign with, or one that names no S3 object.
pub(super) fn check(document: &str, settings: &Settings, id: &str) -> Result<(), ApiError> {
    let mut all = Vec::new();
    let mut rest = document;
    while let Some((_, found, after)) = next(rest) {
        all.push(found);
        rest = after;
    }
    let config = settings.presigned_url_config.as_ref();
    if !all.is_empty() && config.and_then(|c| c.get("roleArn")).is_none_or(Value::is_null) {
        return Err(ApiError::invalid(if all.iter().any(|found| !found.v2) {
            format!("Role must be provided for pre-sign S3 urls in job document of job {id}.")
        } else {
            "presignedUrlConfig role ARN is required to generate an S3 presigned url in job document."
                .to_owned()
        }));
    }
    for Found { url, v2, .. } in all {
        if !validate::is_s3(url) || (v2 && url.contains(' ')) {
            return Err(ApiError::invalid(format!("Given S3 url {url} is invalid.")));
        }
        if s3::parse_url(url).is_none() {
            return Err(ApiError::invalid(format!(
                "Provided S3 url is not valid: {url}. Error: Key cannot be null"
            )));
        }
    }
    Ok(())
}
