//! S3's answers, in its own XML.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::chunked;
use super::store::{ObjectRow, PutError, etag};
use crate::api::{ApiError, Req, Resp};

const XMLNS: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn error(status: u16, code: &str, message: &str, resource: &str) -> Result<Resp, ApiError> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
         <Resource>{}</Resource></Error>",
        escape(resource)
    );
    Ok(Resp::raw("application/xml", body)?.status(status))
}

fn no_such_bucket(bucket: &str) -> Result<Resp, ApiError> {
    error(404, "NoSuchBucket", "The specified bucket does not exist", bucket)
}

fn iso(ms: i64) -> String {
    Timestamp::from_millisecond(ms)
        .map_or_else(|_| String::new(), |t| t.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string())
}

fn http_date(ms: i64) -> String {
    Timestamp::from_millisecond(ms)
        .map_or_else(|_| String::new(), |t| t.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

fn xml(root: &str, inner: &str) -> Result<Resp, ApiError> {
    Resp::raw(
        "application/xml",
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} xmlns=\"{XMLNS}\">{inner}</{root}>"),
    )
}

pub(super) fn create_bucket(req: &Req, bucket: &str) -> Result<Resp, ApiError> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if !(3..=63).contains(&bucket.len())
        || !bucket.chars().all(allowed)
        || !edge(bucket.chars().next())
        || !edge(bucket.chars().next_back())
    {
        return error(400, "InvalidBucketName", "The specified bucket is not valid.", bucket);
    }
    // In us-east-1 creating one's own bucket again succeeds; elsewhere AWS answers BucketAlreadyOwnedByYou.
    if !req.account.objects.create_bucket(bucket, req.account.clock.now_ms())
        && req.account.region != "us-east-1"
    {
        return error(
            409,
            "BucketAlreadyOwnedByYou",
            "Your previous request to create the named bucket succeeded and you already own it.",
            bucket,
        );
    }
    Ok(Resp::raw("application/xml", "")?.header("location", format!("/{bucket}")))
}

pub(super) fn put(req: &Req, bucket: &str, key: &str) -> Result<Resp, ApiError> {
    if key.len() > 1024 {
        return error(400, "KeyTooLongError", "Your key is too long", key);
    }
    let streamed = req.header("x-amz-content-sha256").is_some_and(|v| v.starts_with("STREAMING-"))
        || req.header("content-encoding").is_some_and(|v| v.split(',').any(|e| e.trim() == "aws-chunked"));
    let body = if streamed { chunked::decode(&req.body) } else { Some(req.body.clone()) };
    let Some(body) = body else {
        return error(
            400,
            "IncompleteBody",
            "You did not provide the number of bytes specified by the Content-Length HTTP header",
            key,
        );
    };
    let row = ObjectRow {
        etag: etag(&body),
        body,
        content_type: req.header("content-type").unwrap_or("binary/octet-stream").to_owned(),
        modified_ms: req.account.clock.now_ms(),
        metadata: req
            .headers
            .iter()
            .filter_map(|(n, v)| Some((n.strip_prefix("x-amz-meta-")?.to_owned(), v.clone())))
            .collect(),
    };
    let tag = row.etag.clone();
    match req.account.objects.put(bucket, key, row) {
        Ok(()) => Ok(Resp::raw("application/xml", "")?.header("etag", format!("\"{tag}\""))),
        Err(PutError::NoSuchBucket) => no_such_bucket(bucket),
    }
}

pub(super) fn copy(req: &Req, source: &str, bucket: &str, key: &str) -> Result<Resp, ApiError> {
    let source = percent_encoding::percent_decode_str(source).decode_utf8_lossy().into_owned();
    let source = source.split_once("?versionId=").map_or(source.as_str(), |(s, _)| s);
    let Some((from, from_key)) = source.trim_start_matches('/').split_once('/') else {
        return error(400, "InvalidArgument", "Copy Source must mention the source bucket and key", source);
    };
    let Some(mut row) = req.account.objects.get(from, from_key) else {
        return error(404, "NoSuchKey", "The specified key does not exist.", from_key);
    };
    row.modified_ms = req.account.clock.now_ms();
    let inner =
        format!("<LastModified>{}</LastModified><ETag>&quot;{}&quot;</ETag>", iso(row.modified_ms), row.etag);
    match req.account.objects.put(bucket, key, row) {
        Ok(()) => xml("CopyObjectResult", &inner),
        Err(PutError::NoSuchBucket) => no_such_bucket(bucket),
    }
}

pub(super) fn get(req: &Req, bucket: &str, key: &str) -> Result<Resp, ApiError> {
    let Some(object) = req.account.objects.get(bucket, key) else {
        if !req.account.objects.has_bucket(bucket) {
            return no_such_bucket(bucket);
        }
        return error(404, "NoSuchKey", "The specified key does not exist.", key);
    };
    let whole = object.body.len();
    let mut resp = Resp::raw("binary/octet-stream", object.body.clone())?;
    if let Some(range) = req.header("range").and_then(|r| r.strip_prefix("bytes=")) {
        let Some((from, to)) = byte_range(range, whole) else {
            return error(416, "InvalidRange", "The requested range is not satisfiable", key);
        };
        resp.body = object.body.slice(from..=to);
        resp = resp.status(206).header("content-range", format!("bytes {from}-{to}/{whole}"));
    }
    resp = resp
        .header("content-type", object.content_type)
        .header("etag", format!("\"{}\"", object.etag))
        .header("last-modified", http_date(object.modified_ms))
        .header("accept-ranges", "bytes");
    for (name, value) in object.metadata {
        resp = resp.header(format!("x-amz-meta-{name}"), value);
    }
    Ok(resp)
}

/// The first and last byte of a single range.
fn byte_range(range: &str, whole: usize) -> Option<(usize, usize)> {
    let (from, to) = range.split_once('-')?;
    let (from, to) = match (from.is_empty(), to.is_empty()) {
        (true, _) => (whole.saturating_sub(to.parse().ok()?), whole.checked_sub(1)?),
        (false, true) => (from.parse().ok()?, whole.checked_sub(1)?),
        (false, false) => (from.parse().ok()?, to.parse::<usize>().ok()?.min(whole.checked_sub(1)?)),
    };
    (from <= to && from < whole).then_some((from, to))
}

pub(super) fn delete(req: &Req, bucket: &str, key: &str) -> Result<Resp, ApiError> {
    if !req.account.objects.has_bucket(bucket) {
        return no_such_bucket(bucket);
    }
    req.account.objects.remove(bucket, key);
    Ok(Resp::raw("application/xml", "")?.status(204))
}

pub(super) fn head_bucket(req: &Req, bucket: &str) -> Result<Resp, ApiError> {
    if !req.account.objects.has_bucket(bucket) {
        return no_such_bucket(bucket);
    }
    Ok(Resp::raw("application/xml", "")?.header("x-amz-bucket-region", req.account.region.clone()))
}

pub(super) fn delete_bucket(req: &Req, bucket: &str) -> Result<Resp, ApiError> {
    match req.account.objects.remove_bucket(bucket) {
        Some(true) => Ok(Resp::raw("application/xml", "")?.status(204)),
        Some(false) => error(409, "BucketNotEmpty", "The bucket you tried to delete is not empty", bucket),
        None => no_such_bucket(bucket),
    }
}

pub(super) fn list_buckets(req: &Req) -> Result<Resp, ApiError> {
    let mut rows = String::new();
    for (name, created) in req.account.objects.buckets() {
        let _ =
            write!(rows, "<Bucket><Name>{name}</Name><CreationDate>{}</CreationDate></Bucket>", iso(created));
    }
    let id = &req.account.id;
    xml(
        "ListAllMyBucketsResult",
        &format!("<Owner><ID>{id}</ID><DisplayName>{id}</DisplayName></Owner><Buckets>{rows}</Buckets>"),
    )
}

pub(super) fn get_bucket(req: &Req, bucket: &str) -> Result<Resp, ApiError> {
    if !req.account.objects.has_bucket(bucket) {
        return no_such_bucket(bucket);
    }
    if req.query("location").is_some() {
        // us-east-1 is the empty constraint.
        let region = if req.account.region == "us-east-1" { "" } else { &req.account.region };
        return xml("LocationConstraint", region);
    }
    for (query, root) in [("versioning", "VersioningConfiguration"), ("acl", "AccessControlPolicy")] {
        if req.query(query).is_some() {
            return xml(root, "");
        }
    }
    list_objects(req, bucket)
}

fn list_objects(req: &Req, bucket: &str) -> Result<Resp, ApiError> {
    let v2 = req.query("list-type") == Some("2");
    let prefix = req.query("prefix").unwrap_or_default();
    let delimiter = req.query("delimiter").unwrap_or_default();
    let Ok(most) = req.query("max-keys").unwrap_or("1000").parse::<usize>() else {
        return error(
            400,
            "InvalidArgument",
            "Provided max-keys not an integer or within integer range",
            bucket,
        );
    };
    let most = most.min(1000);
    let after = if v2 {
        req.query("continuation-token").or_else(|| req.query("start-after"))
    } else {
        req.query("marker")
    };
    let after = after.unwrap_or_default();
    let (mut rows, mut groups) = (String::new(), String::new());
    let (mut count, mut last, mut truncated, mut group) = (0, String::new(), false, String::new());
    for (key, size, tag, modified) in req.account.objects.keys(bucket, prefix, after) {
        let rest = key.strip_prefix(prefix).filter(|_| !delimiter.is_empty());
        let common = rest
            .and_then(|rest| rest.find(delimiter))
            .and_then(|at| key.get(..prefix.len() + at + delimiter.len()));
        // A group that was told already, on this page or the one before.
        if let Some(common) = common
            && (common == group || (!after.is_empty() && after.starts_with(common)))
        {
            last.clone_from(&key);
            continue;
        }
        if count == most {
            truncated = true;
            break;
        }
        count += 1;
        match common {
            Some(common) => {
                common.clone_into(&mut group);
                let _ =
                    write!(groups, "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", escape(common));
            }
            None => {
                let _ = write!(
                    rows,
                    "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>&quot;{tag}&quot;</ETag>\
                     <Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>",
                    escape(&key),
                    iso(modified)
                );
            }
        }
        last = key;
    }
    let mut inner = format!(
        "<Name>{bucket}</Name><Prefix>{}</Prefix><MaxKeys>{most}</MaxKeys><IsTruncated>{truncated}</IsTruncated>",
        escape(prefix)
    );
    if !delimiter.is_empty() {
        let _ = write!(inner, "<Delimiter>{}</Delimiter>", escape(delimiter));
    }
    if v2 {
        let _ = write!(inner, "<KeyCount>{count}</KeyCount>");
    }
    if truncated {
        let name = if v2 { "NextContinuationToken" } else { "NextMarker" };
        let _ = write!(inner, "<{name}>{}</{name}>", escape(&last));
    }
    xml("ListBucketResult", &(inner + &rows + &groups))
}
