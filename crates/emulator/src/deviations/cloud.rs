//! Time, the control plane and policies.

use super::{Deviation, row};

/// The rows of this part.
pub(super) static ROWS: &[Deviation] = &[
    // --- time ---
    row(
        "policy and group cache",
        "6 to 8 minutes",
        "a live connection keeps the policies it loaded for 420 s",
    ),
    row(
        "policies after a reconnect",
        "undocumented; the cache is not the connection's",
        "the ended connection's policies serve its client id for 20 s more, so DeleteConnection brings a deny forward",
    ),
    row(
        "first connection after a policy change",
        "seconds to minutes",
        "at once for a client id that was not connected in the last 20 s, or had no policy at all",
    ),
    row(
        "certificate leaves ACTIVE",
        "sessions end within a few minutes",
        "sessions end after 120 s, with AUTH_ERROR",
    ),
    row(
        "detaching a thing or a policy",
        "seconds to 5 minutes",
        "at once in the control plane, cached as above",
    ),
    row("deleting a deprecated thing type", "after 5 minutes", "after 300 s"),
    // --- control plane ---
    row(
        "throttling",
        "per operation, burst undocumented",
        "the documented rate in real time, burst twice the rate, at least 10",
    ),
    row(
        "unknown operation",
        "undocumented",
        "404 UnknownOperationException, and a warning in the log that names it",
    ),
    row(
        "Detect refused (--fault detect=refuse)",
        "closed to new customers, the answer undocumented",
        "403 AccessDeniedException from all of Detect but ListMetricValues",
    ),
    row(
        "IAM",
        "identity policies decide each call",
        "likewise for users of --iam; the account's own key may do everything; no conditions, variables or PassRole",
    ),
    row(
        "IAM: a key that ends or changes",
        "an open WebSocket's fate is undocumented",
        "stays; its policies hold at once, and a key nobody has any more may do nothing",
    ),
    row(
        "data plane refused by IAM",
        "ForbiddenException, text not stated",
        "403 ForbiddenException: Forbidden",
    ),
    row(
        "AssumeRole, GetSessionToken",
        "a role's trust policy and the MFA device decide; the session may do what the role may",
        "any role name of the account and any six digits are good; the session may do everything until it ends",
    ),
    row("ListAccountAliases", "the alias given in IAM", "workshop"),
    row(
        "DescribeEndpoint",
        "a host name for each endpoint type",
        "the host and port of the request, for every type",
    ),
    row(
        "SendDirectMessage with confirmation",
        "answers when the client has acknowledged, or 504",
        "sent with QoS 1, answers at once",
    ),
    row(
        "automatic registration under a CA",
        "certificates of unknown devices are registered when they connect",
        "the CA's settings are kept; nobody is registered",
    ),
    row("device keys", "RSA 2048", "ECDSA P-256, PKCS#8"),
    row(
        "RegisterCertificate",
        "needs a registered CA",
        "registers any certificate; the CA's id is kept when given",
    ),
    row(
        "dynamic thing groups",
        "members follow within seconds to minutes",
        "looked at every 5 s, less often when that would take more than a twentieth of the time",
    ),
    row(
        "dynamic thing groups after a restart",
        "undocumented",
        "members are worked out anew, without membership events",
    ),
    row(
        "region of a request",
        "each region has an endpoint of its own",
        "requests signed for any region are answered by the one account of --region; its ARNs are of that region",
    ),
    row("policy document {}", "undocumented", "a policy that allows nothing"),
    row(
        "CreateBillingGroup of a name that is there",
        "undocumented",
        "ResourceAlreadyExistsException, also when nothing differs",
    ),
    row(
        "thing of two billing groups",
        "a thing has at most one",
        "InvalidRequestException from AddThingToBillingGroup",
    ),
    row(
        "role aliases, authorizers, domain configurations, provisioning templates",
        "real",
        "kept, checked and answered; no credential provider, no Lambda, any ACM certificate passes, no provisioning over MQTT",
    ),
    row(
        "certificate transfer",
        "to another account, which accepts or rejects",
        "pending until it is cancelled",
    ),
    row("log levels of targets", "real", "kept and answered; nothing is logged to CloudWatch"),
    row(
        "error wording",
        "partly undocumented",
        "names and statuses as documented, texts our own where unknown",
    ),
    // --- policies ---
    row(
        "variable without a value",
        "the statement does not match",
        "likewise; of several resources only the resolved count",
    ),
    row("Receive denied", "subscriber's fate undocumented", "not delivered, the connection stays"),
];
