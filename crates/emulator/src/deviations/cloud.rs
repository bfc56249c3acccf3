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
        "the documented rate times --speed, burst twice the rate, at least 10; none with --no-throttle",
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
        "the host of the request and the port of the TLS listener, for every type",
    ),
    row(
        "SendDirectMessage that the client may not receive, or that ends with it",
        "504 after the timeout",
        "504 at once",
    ),
    row(
        "automatic registration under a CA",
        "certificates of unknown devices are registered when they connect",
        "the CA's settings are kept; nobody is registered",
    ),
    row("keys of simulated devices", "RSA 2048", "ECDSA P-256; what the API makes is RSA 2048, PKCS#1"),
    row(
        "issuer of device certificates",
        "Amazon's CA, RSA",
        "a key of the moment, ECDSA P-256: nobody can verify the chain",
    ),
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
        "each region has endpoints and a state of its own; some must be enabled first",
        "the region of the signature's scope, whatever its name, with a state of its own behind the same listeners",
    ),
    row(
        "accounts",
        "a key belongs to one account",
        "one account; with --any-key, whose signatures are not looked at, a key of 12 digits is the account of that number",
    ),
    row(
        "accounts and regions together",
        "no limit",
        "64; one more is refused with LimitExceededException until POST /_quell/reset empties another than the default one",
    ),
    row(
        "a certificate registered in several accounts or regions",
        "the server name of the handshake decides",
        "the account and region where it was registered first",
    ),
    row(
        "participants of quell workshop",
        "no such thing",
        "an account with a key each, in one region, 40 connections and one a device, and 300 messages a second, times --speed, together",
    ),
    row("plain MQTT (--mqtt)", "not offered", "nobody has an identity; everything is of the default account"),
    row(
        "a service that is not here",
        "there",
        "InvalidAction, UnknownOperationException or NotImplemented in the protocol of the request; the log names it",
    ),
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
        "authorizers, domain configurations",
        "real",
        "kept, checked and answered; no Lambda, any ACM certificate passes",
    ),
    row(
        "credentials provider",
        "the role must exist, trust the provider, and allow the duration",
        "any role is assumed; its session may do everything until it ends",
    ),
    row(
        "fleet provisioning: error codes",
        "undocumented but for the ownership token",
        "names of the control plane's errors; InvalidParameters, InvalidPayload, AccessDenied, Throttled",
    ),
    row(
        "provisioning claim: whether its certificate is listed; of a template that is not enabled",
        "undocumented",
        "in no list; InvalidRequestException",
    ),
    row(
        "fleet provisioning: pre-provisioning hook",
        "a Lambda function decides",
        "a template with a hook is rejected as AccessDenied",
    ),
    row(
        "RegisterThing: a template that cannot be carried out",
        "ResourceRegistrationFailureException; which mistakes are InvalidRequestException is undocumented",
        "InvalidRequestException for a template or parameters that cannot be read, the other for all else",
    ),
    row(
        "reports of a bulk registration",
        "JSON lines in a bucket of AWS's own; their members are undocumented",
        "likewise; lineNumber and response, or errorCode and errorMessage",
    ),
    row("registering a certificate as REVOKED", "undocumented", "406 CertificateStateException"),
    row(
        "certificate transfer",
        "to another account, which accepts or rejects",
        "likewise with --any-key; without it, and in a room, pending until it is cancelled",
    ),
    row("log levels of targets", "real", "kept and answered; nothing is logged to CloudWatch"),
    row(
        "error wording",
        "partly undocumented",
        "names and statuses as documented, texts our own where unknown",
    ),
    row(
        "hash of a signing request's signature",
        "undocumented",
        "MD5, SHA-1 or one of SHA-2; SHA-3 and others are refused as a key that is not taken",
    ),
    // --- policies ---
    row(
        "variable without a value",
        "the statement does not match",
        "likewise; of several resources only the resolved count",
    ),
    row(
        "condition keys",
        "global and service keys, iot:DomainName among them",
        "iot:ClientId, iot:ConnectAttributes, iot:Connection.Thing.*, iot:Certificate*, aws:SourceIp, aws:SecureTransport, \
         aws:CurrentTime, aws:EpochTime; with any other an Allow does not count and a Deny does",
    ),
    row(
        "aws:CurrentTime, aws:EpochTime",
        "whether AWS IoT has them is undocumented",
        "the time at which the connection's policies were loaded",
    ),
    row(
        "policies over HTTPS with a certificate",
        "cached as for MQTT; group policies without a client id are undocumented",
        "what one request loads serves the certificate's next ones for 20 s; groups count for an exclusive thing only",
    ),
    row("Receive denied", "subscriber's fate undocumented", "not delivered, the connection stays"),
];
