//! Every operation the emulator answers, in one table.

use super::{ApiError, Req, Resp, Service, shadows};

/// A handler: no I/O but the account's state and its broker.
pub type Handler = fn(&Req) -> Result<Resp, ApiError>;

/// One operation.
pub struct Route {
    /// AWS's operation name.
    pub op: &'static str,
    /// The service whose credential scope selects it.
    pub service: Service,
    /// HTTP method.
    pub method: &'static str,
    /// The URI: `{name}` is one segment, `{name+}` the rest of the path.
    pub path: &'static str,
    /// Default quota in requests a second; 0 where AWS documents none.
    pub tps: u32,
    /// The function that answers.
    pub handler: Handler,
}

const fn route(
    service: Service,
    op: &'static str,
    method: &'static str,
    path: &'static str,
    tps: u32,
    handler: Handler,
) -> Route {
    Route { op, service, method, path, tps, handler }
}

/// The table. Each family has its section; a path that could match two rows is resolved in favour of literal segments.
pub static ROUTES: &[Route] = &[
    // --- registry.rs: things, thing groups ---
    // --- identity.rs: certificates, policies, attachments ---
    // --- account-wide: endpoint, identity of the caller, connections ---
    // --- shadows.rs ---
    route(
        Service::IotData,
        "GetThingShadow",
        "GET",
        "/things/{thingName}/shadow",
        4000,
        shadows::get_thing_shadow,
    ),
    route(
        Service::IotData,
        "UpdateThingShadow",
        "POST",
        "/things/{thingName}/shadow",
        4000,
        shadows::update_thing_shadow,
    ),
    route(
        Service::IotData,
        "DeleteThingShadow",
        "DELETE",
        "/things/{thingName}/shadow",
        4000,
        shadows::delete_thing_shadow,
    ),
    route(
        Service::IotData,
        "ListNamedShadowsForThing",
        "GET",
        "/api/things/shadow/ListNamedShadowsForThing/{thingName}",
        0,
        shadows::list_named_shadows,
    ),
    // --- jobs.rs: control plane and jobs-data ---
    // --- detect.rs: security profiles, violations ---
    // --- s3/: buckets and objects, path style ---
    route(Service::S3, "ListBuckets", "GET", "/", 0, super::s3::get),
    route(Service::S3, "CreateBucket", "PUT", "/{bucket}", 0, super::s3::put),
    route(Service::S3, "ListObjectsV2", "GET", "/{bucket}", 0, super::s3::get),
    route(Service::S3, "HeadBucket", "HEAD", "/{bucket}", 0, super::s3::head),
    route(Service::S3, "DeleteBucket", "DELETE", "/{bucket}", 0, super::s3::delete),
    route(Service::S3, "PutObject", "PUT", "/{bucket}/{key+}", 0, super::s3::put),
    route(Service::S3, "GetObject", "GET", "/{bucket}/{key+}", 0, super::s3::get),
    route(Service::S3, "HeadObject", "HEAD", "/{bucket}/{key+}", 0, super::s3::head),
    route(Service::S3, "DeleteObject", "DELETE", "/{bucket}/{key+}", 0, super::s3::delete),
];
