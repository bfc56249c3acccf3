//! What is in the buckets.

use bytes::Bytes;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use crate::store::{Table, Wal};

/// A bucket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct BucketRow {
    pub(super) created_ms: i64,
}

/// An object and what a client is told about it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ObjectRow {
    /// The bytes.
    #[serde(with = "as_base64")]
    pub body: Bytes,
    /// The content type it was put with.
    pub content_type: String,
    /// The MD5 of the body in hexadecimal, without quotes.
    pub etag: String,
    /// Epoch milliseconds of the last put.
    pub modified_ms: i64,
    /// `x-amz-meta-…` names (lower case, without the prefix) and values.
    #[serde(default)]
    pub metadata: Vec<(String, String)>,
}

/// Why an object could not be put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutError {
    /// There is no such bucket.
    NoSuchBucket,
}

struct Inner {
    buckets: Table<BucketRow>,
    // Keyed `bucket/key`: a bucket's name holds no slash, so its objects stand together.
    objects: Table<ObjectRow>,
}

/// Buckets and objects of the account.
pub struct Objects(RwLock<Inner>);

impl Objects {
    /// What `wal` held.
    pub fn open(wal: &Wal) -> Self {
        Self(RwLock::new(Inner {
            buckets: Table::open(wal, "s3.buckets"),
            objects: Table::open(wal, "s3.objects"),
        }))
    }

    /// The object under `key`.
    pub fn get(&self, bucket: &str, key: &str) -> Option<ObjectRow> {
        self.0.read().objects.get(&format!("{bucket}/{key}")).cloned()
    }

    /// Puts an object; the bucket must exist.
    pub fn put(&self, bucket: &str, key: &str, row: ObjectRow) -> Result<(), PutError> {
        let mut inner = self.0.write();
        if !inner.buckets.contains(bucket) {
            return Err(PutError::NoSuchBucket);
        }
        inner.objects.put(&format!("{bucket}/{key}"), row);
        Ok(())
    }

    /// Puts an object into a bucket that is not the account's: whoever knows its address gets it, and it is in no list.
    pub fn put_apart(&self, bucket: &str, key: &str, row: ObjectRow) {
        self.0.write().objects.put(&format!("{bucket}/{key}"), row);
    }

    /// Removes an object; true when it was there.
    pub fn remove(&self, bucket: &str, key: &str) -> bool {
        self.0.write().objects.remove(&format!("{bucket}/{key}")).is_some()
    }

    /// Creates a bucket; false when it was there.
    pub fn create_bucket(&self, bucket: &str, now_ms: i64) -> bool {
        let mut inner = self.0.write();
        if inner.buckets.contains(bucket) {
            return false;
        }
        inner.buckets.put(bucket, BucketRow { created_ms: now_ms });
        true
    }

    pub(super) fn has_bucket(&self, bucket: &str) -> bool {
        self.0.read().buckets.contains(bucket)
    }

    /// `Some(false)` when the bucket still holds objects, `None` when there is none.
    pub(super) fn remove_bucket(&self, bucket: &str) -> Option<bool> {
        let mut inner = self.0.write();
        if !inner.buckets.contains(bucket) {
            return None;
        }
        let prefix = format!("{bucket}/");
        if inner.objects.after(Some(&prefix)).next().is_some_and(|(k, _)| k.starts_with(&prefix)) {
            return Some(false);
        }
        inner.buckets.remove(bucket);
        Some(true)
    }

    /// Buckets in order of name, with the epoch milliseconds of their creation.
    pub(super) fn buckets(&self) -> Vec<(String, i64)> {
        self.0.read().buckets.iter().map(|(name, row)| (name.to_owned(), row.created_ms)).collect()
    }

    /// Keys of a bucket in order, after `after`, that begin with `prefix`: `(key, size, etag, modified)`.
    pub(super) fn keys(&self, bucket: &str, prefix: &str, after: &str) -> Vec<(String, usize, String, i64)> {
        let root = format!("{bucket}/");
        let from = format!("{root}{after}");
        self.0
            .read()
            .objects
            .after(Some(&from))
            .map_while(|(k, row)| k.strip_prefix(&root).map(|key| (key, row)))
            .filter(|(key, _)| key.starts_with(prefix))
            .map(|(key, row)| (key.to_owned(), row.body.len(), row.etag.clone(), row.modified_ms))
            .collect()
    }
}

/// The entity tag S3 gives to what was put in one piece: the MD5 of the bytes.
pub(super) fn etag(body: &[u8]) -> String {
    use md5::Digest as _;
    hex::encode(md5::Md5::digest(body))
}

mod as_base64 {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use bytes::Bytes;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(body: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(body))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text).map(Bytes::from).map_err(D::Error::custom)
    }
}
