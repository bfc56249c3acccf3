//! Every operation the emulator answers. Each family of resources declares its own in its `routes.rs`; this joins them.

use super::{ApiError, Req, Resp, Service};

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

/// A family's table: for each service, rows of operation, method, path, quota and handler.
macro_rules! routes {
    ($($service:ident { $($op:ident $method:ident $path:literal $tps:literal $handler:path,)* })*) => {
        &[$($($crate::emulator::api::routes::Route {
            op: stringify!($op),
            service: $crate::emulator::api::Service::$service,
            method: stringify!($method),
            path: $path,
            tps: $tps,
            handler: $handler,
        },)*)*]
    };
}
pub(super) use routes;

/// The families. A path that could match two rows is resolved in favour of literal segments, wherever they stand.
static FAMILIES: &[&[Route]] = &[
    super::registry::routes::ROUTES,
    super::identity::routes::ROUTES,
    super::account_routes::ROUTES,
    super::shadows::routes::ROUTES,
    super::jobs::routes::ROUTES,
    super::detect::routes::ROUTES,
    super::audit::routes::ROUTES,
    super::mitigation::routes::ROUTES,
    super::indexing::routes::ROUTES,
    super::rules::routes::ROUTES,
    super::s3::routes::ROUTES,
    super::cloudwatch::routes::ROUTES,
];

/// Every operation, family by family.
pub fn all() -> impl Iterator<Item = &'static Route> {
    FAMILIES.iter().flat_map(|family| family.iter())
}
