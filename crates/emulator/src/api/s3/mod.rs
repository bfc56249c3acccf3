//! As much S3 as a job document needs: buckets, objects, listing (docs/aws-iot.md#1.1 step 1.2, #2.6).
//!
//! A job is created from a `documentSource` in S3, so the documents of a workshop must have a place to be uploaded to with
//! the AWS CLI and read from when the job is created. Path-style addresses, and `BUCKET.localhost` for clients that insist
//! on virtual hosts. No versions, no access control, no multipart.

mod answer;
mod chunked;
pub mod routes;
mod signer;
mod store;

pub use signer::Signer;
pub use store::{ObjectRow, Objects, PutError};

use bytes::Bytes;

use super::{ApiError, Req, Resp};
use crate::account::Account;

/// The bytes of an object; `None` when the bucket or the key is not there.
pub fn get_object(account: &Account, bucket: &str, key: &str) -> Option<Bytes> {
    account.objects.get(bucket, key).map(|o| o.body)
}

/// Keeps JSON in a bucket that is AWS's own, for who is given its address.
pub fn keep_apart(account: &Account, bucket: &str, key: &str, body: Vec<u8>) {
    let row = ObjectRow {
        etag: store::etag(&body),
        body: body.into(),
        content_type: "application/json".to_owned(),
        modified_ms: account.clock.now_ms(),
        metadata: Vec::new(),
    };
    account.objects.put_apart(bucket, key, row);
}

/// Is there a bucket of that name?
pub fn has_bucket(account: &Account, bucket: &str) -> bool {
    account.objects.has_bucket(bucket)
}

/// The bucket and key an S3 address names, in any form AWS IoT accepts as `documentSource`: `https://BUCKET.s3.REGION.HOST/KEY`,
/// `https://s3.REGION.HOST/BUCKET/KEY`, `https://s3.HOST/BUCKET/KEY`, and `s3://BUCKET/KEY`.
pub fn parse_url(url: &str) -> Option<(String, String)> {
    let decode = |key: &str| percent_encoding::percent_decode_str(key).decode_utf8_lossy().into_owned();
    let split = |rest: &str| {
        let (bucket, key) = rest.split_once('/')?;
        (!bucket.is_empty() && !key.is_empty()).then(|| (bucket.to_owned(), decode(key)))
    };
    if let Some(rest) = url.strip_prefix("s3://") {
        return split(rest);
    }
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let (host, path) = rest.split_once('/')?;
    let path = path.split(['?', '#']).next().unwrap_or_default();
    if host.starts_with("s3.") || host.starts_with("s3-") || !host.contains(".s3") {
        return split(path);
    }
    let (bucket, _) = host.split_once(".s3.").or_else(|| host.split_once(".s3-"))?;
    (!path.is_empty()).then(|| (bucket.to_owned(), decode(path)))
}

/// Puts an object on behalf of a rule's action; the bucket must exist.
pub fn put_object(account: &Account, bucket: &str, key: &str, body: Bytes) -> Result<(), PutError> {
    let row = ObjectRow {
        etag: store::etag(&body),
        body,
        content_type: "application/octet-stream".to_owned(),
        modified_ms: account.clock.now_ms(),
        metadata: Vec::new(),
    };
    account.objects.put(bucket, key, row)
}

/// Bucket and key of a request, whichever way it is addressed. An empty key means the bucket itself.
fn target(req: &Req) -> (String, String) {
    let (first, rest) = (req.path("bucket"), req.path("key"));
    let host = req.header("host").unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let of_host = host.strip_suffix(".localhost").map(|b| b.strip_suffix(".s3").unwrap_or(b));
    match of_host.filter(|b| !b.is_empty() && *b != "s3") {
        Some(bucket) if rest.is_empty() => (bucket.to_owned(), first.to_owned()),
        Some(bucket) => (bucket.to_owned(), format!("{first}/{rest}")),
        None => (first.to_owned(), rest.to_owned()),
    }
}

/// `PUT /BUCKET` (CreateBucket) and `PUT /BUCKET/KEY` (PutObject, CopyObject).
pub fn put(req: &Req) -> Result<Resp, ApiError> {
    let (bucket, key) = target(req);
    if key.is_empty() {
        return answer::create_bucket(req, &bucket);
    }
    if let Some(source) = req.header("x-amz-copy-source") {
        return answer::copy(req, source, &bucket, &key);
    }
    answer::put(req, &bucket, &key)
}

/// `GET /` (ListBuckets), `GET /BUCKET` (ListObjectsV2, ListObjects, GetBucketLocation), `GET /BUCKET/KEY` (GetObject).
pub fn get(req: &Req) -> Result<Resp, ApiError> {
    match target(req) {
        (bucket, _) if bucket.is_empty() => answer::list_buckets(req),
        (bucket, key) if key.is_empty() => answer::get_bucket(req, &bucket),
        (bucket, key) => answer::get(req, &bucket, &key),
    }
}

/// `HEAD /BUCKET` and `HEAD /BUCKET/KEY`.
pub fn head(req: &Req) -> Result<Resp, ApiError> {
    match target(req) {
        (bucket, key) if key.is_empty() => answer::head_bucket(req, &bucket),
        (bucket, key) => answer::get(req, &bucket, &key),
    }
}

/// `DELETE /BUCKET` and `DELETE /BUCKET/KEY`.
pub fn delete(req: &Req) -> Result<Resp, ApiError> {
    match target(req) {
        (bucket, key) if key.is_empty() => answer::delete_bucket(req, &bucket),
        (bucket, key) => answer::delete(req, &bucket, &key),
    }
}

#[cfg(test)]
mod tests {
    use super::parse_url;

    #[test]
    fn every_form_of_a_document_source_names_its_object() {
        let want = Some(("docs".to_owned(), "a/config.json".to_owned()));
        for url in [
            "https://docs.s3.us-east-1.amazonaws.com/a/config.json",
            "https://docs.s3.amazonaws.com/a/config.json",
            "https://docs.s3-us-west-2.amazonaws.com/a/config.json",
            "https://s3.us-east-1.amazonaws.com/docs/a/config.json",
            "https://s3.amazonaws.com/docs/a/config.json",
            "http://127.0.0.1:4566/docs/a%2Fconfig.json?versionId=1",
            "s3://docs/a/config.json",
        ] {
            assert_eq!(parse_url(url), want, "{url}");
        }
        assert_eq!(parse_url("https://docs.s3.amazonaws.com/"), None);
        assert_eq!(parse_url("ftp://docs/a"), None);
    }
}
