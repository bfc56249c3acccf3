//! The few operations of S3, path style.

use super::{delete, get, head, put};
use crate::api::routes::{Route, routes};

/// Operation, method, path, requests a second, handler.
pub static ROUTES: &[Route] = routes! {
    S3 {
        ListBuckets   GET    "/"                0 get,
        CreateBucket  PUT    "/{bucket}"        0 put,
        ListObjectsV2 GET    "/{bucket}"        0 get,
        HeadBucket    HEAD   "/{bucket}"        0 head,
        DeleteBucket  DELETE "/{bucket}"        0 delete,
        PutObject     PUT    "/{bucket}/{key+}" 0 put,
        GetObject     GET    "/{bucket}/{key+}" 0 get,
        HeadObject    HEAD   "/{bucket}/{key+}" 0 head,
        DeleteObject  DELETE "/{bucket}/{key+}" 0 delete,
    }
};
