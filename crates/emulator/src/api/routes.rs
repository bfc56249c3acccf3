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
        &[$($($crate::api::routes::Route {
            op: stringify!($op),
            service: $crate::api::Service::$service,
            method: stringify!($method),
            path: $path,
            tps: $tps,
            handler: $handler,
        },)*)*]
    };
}
pub(super) use routes;

/// The families, by what docs/local-cloud.md calls them. A path that could match two rows is resolved in favour of literal
/// segments, wherever they stand.
static FAMILIES: &[(&str, &[Route])] = &[
    ("things, groups, types", super::registry::routes::ROUTES),
    ("certificates, policies", super::identity::routes::ROUTES),
    ("role aliases", super::role_aliases::ROUTES),
    ("authorizers", super::authorizers::ROUTES),
    ("domain configurations", super::domains::ROUTES),
    ("provisioning templates", super::provisioning::ROUTES),
    ("CA certificates", super::authorities::routes::ROUTES),
    ("endpoints, connections", super::account_routes::ROUTES),
    ("shadows", super::shadows::routes::ROUTES),
    ("jobs", super::jobs::routes::ROUTES),
    ("Detect", super::detect::routes::ROUTES),
    ("Audit", super::audit::routes::ROUTES),
    ("mitigation", super::mitigation::routes::ROUTES),
    ("fleet indexing", super::indexing::routes::ROUTES),
    ("rules", super::rules::routes::ROUTES),
    ("objects", super::s3::routes::ROUTES),
    ("metrics", super::cloudwatch::routes::ROUTES),
];

/// The operations of Detect.
pub fn detect() -> &'static [Route] {
    super::detect::routes::ROUTES
}

/// Is it an operation of AWS's service of identities (certificates, policies, CAs, domains, …)? That one does not repeat
/// the value it refuses.
pub(super) fn keeps_values_back(op: &str) -> bool {
    [
        super::identity::routes::ROUTES,
        super::role_aliases::ROUTES,
        super::authorizers::ROUTES,
        super::domains::ROUTES,
        super::provisioning::ROUTES,
        super::authorities::routes::ROUTES,
    ]
    .iter()
    .any(|family| family.iter().any(|route| route.op == op))
}

/// The names of every operation there is, in whichever protocol; some more than once.
pub fn names() -> impl Iterator<Item = &'static str> {
    listed().map(|(_, _, op)| op)
}

/// Every operation there is: its service, its family, its name. One that has several protocols comes several times.
pub fn listed() -> impl Iterator<Item = (Service, &'static str, &'static str)> {
    let rows = FAMILIES.iter().flat_map(|(family, routes)| routes.iter().map(|r| (r.service, *family, r.op)));
    rows.chain(super::query::actions().map(|(service, op)| {
        let family = match service {
            Service::Sns => "topics, subscriptions",
            Service::CloudWatch => "metrics",
            Service::Iam => "the account's alias",
            _ => "identity of the caller, sessions",
        };
        (service, family, op)
    }))
}

/// Every operation with a path of its own, family by family.
pub fn all() -> impl Iterator<Item = &'static Route> {
    FAMILIES.iter().flat_map(|(_, routes)| routes.iter())
}
