//! Where the emulator is not AWS, or where AWS is not documented and a choice was made (contract §4.7).
//!
//! `quell local --deviations` prints this. Whoever makes a choice adds its row here.

/// One difference or choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// What it is about.
    pub knob: &'static str,
    /// What AWS does, as far as it is known.
    pub aws: &'static str,
    /// What the emulator does. Durations are at speed 1 and shrink with `--speed`, unless said otherwise.
    pub emulator: &'static str,
}

const fn row(knob: &'static str, aws: &'static str, emulator: &'static str) -> Deviation {
    Deviation { knob, aws, emulator }
}

/// The register.
pub static DEVIATIONS: &[Deviation] = &[
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
    // --- MQTT ---
    row(
        "MQTT's own times",
        "keep-alive, session and message expiry, will delay, 24 h of a WebSocket",
        "likewise, in real time: --speed does not divide them",
    ),
    row("life of a connection with a certificate", "one to two weeks", "7 days"),
    row(
        "rates of a connection",
        "100 publishes and 512 KB a second, 1 CONNECT a second for each client id",
        "not limited: what is sent arrives",
    ),
    row(
        "QoS 1 redelivery",
        "again and again for 1 h (MQTT 5: 16 min)",
        "at the next connection, marked as duplicate, given up after as long",
    ),
    row("messages kept for an absent client", "replayed at up to 10 a second", "replayed at once"),
    row(
        "slow or absent subscriber",
        "bound undocumented",
        "20,000 messages or 16 MiB wait for each, 512 MiB for all; beyond it new ones are dropped",
    ),
    row("QoS 2", "no PUBACK, no SUBACK", "a SUBSCRIBE is not answered, a PUBLISH ends with CLIENT_ERROR"),
    row("publish to a reserved topic", "can end the connection", "ends it with FORBIDDEN_ACCESS"),
    row(
        "will on a reserved or impossible topic",
        "undocumented",
        "the CONNECT is refused; MQTT 5 is told topic name invalid",
    ),
    row("retained messages", "each topic's last, 500,000", "up to 256 MiB; in memory, also with --state"),
    row("topic aliases to a client", "up to 8", "none are used"),
    row("SNI", "mandatory", "not asked for"),
    row("shared subscription groups", "100 for each account", "not limited"),
    // --- shadows ---
    row("shadow of an unregistered thing", "not stated", "accepted; the registry is not consulted"),
    row("shadow nesting", "the quota table says 8 levels, the error text 6", "8 levels, with AWS's text"),
    row("shadow metadata of arrays", "partly documented", "one timestamp for each element"),
    row(
        "first update/documents",
        "previous state undocumented",
        "an empty state at version 0, or the tombstone's version",
    ),
    row("version of a deleted shadow", "not reset immediately", "never reset"),
    row("shadow of a deleted thing", "undocumented", "stays"),
    row(
        "REST delete of a shadow",
        "whether MQTT hears of it is undocumented",
        "delete/accepted is published, as for MQTT",
    ),
    // --- jobs ---
    row(
        "job target group",
        "members of child groups undocumented",
        "things of the group and of every group below it",
    ),
    row(
        "job without a rollout rate",
        "up to 1000 things a minute",
        "every target is queued before CreateJob answers",
    ),
    row(
        "rollout rate",
        "about that many a minute",
        "the minute's share at once, then the next after a minute",
    ),
    row(
        "abort threshold",
        "share of executed things, not defined further",
        "of the things that succeeded, failed, were rejected or timed out",
    ),
    row(
        "retry of an execution",
        "retryAttempt grows",
        "also a new executionNumber; lists show the newest of each thing",
    ),
    row("return to a group of a continuous job", "runs again", "a new executionNumber, also after SUCCEEDED"),
    row("thing leaves a continuous job's group", "QUEUED becomes REMOVED", "likewise; IN_PROGRESS goes on"),
    row("QUEUED straight to SUCCEEDED or FAILED", "undocumented", "allowed to the device"),
    row(
        "expectedVersion over REST",
        "no error of that name in the model",
        "409 InvalidStateTransitionException, text VersionMismatch",
    ),
    row(
        "job with an endTime",
        "undocumented",
        "COMPLETED when it stopped rolling out and nothing is open, continuous ones too",
    ),
    row("DeleteJob", "takes time, DELETION_IN_PROGRESS", "done before it answers; both events are published"),
    row("maintenance windows", "recurring windows", "refused with InvalidRequestException"),
    row("presigned URLs in job documents", "minted at delivery", "the placeholder is delivered as it stands"),
    row("order of ListJobs", "undocumented", "by id"),
    row(
        "schedule of a job",
        "at least 30 minutes ahead",
        "likewise, divided by --speed; the times themselves are wall-clock",
    ),
    // --- Detect ---
    row(
        "Detect alert latency",
        "about 36 s after the window, observed",
        "36 s after the message or the end of the window",
    ),
    row(
        "Detect percentiles",
        "method and least fleet size undocumented",
        "nearest rank, same window, any number of devices",
    ),
    row("a window without messages", "undocumented", "no datapoint: silence neither raises nor clears"),
    row("IAM sessions in Detect", "undocumented", "have no metrics; defender reports are no messages either"),
    row(
        "a behavior that is changed, deleted or detached",
        "undocumented",
        "its violations end as alarm-invalidated",
    ),
    row("ML Detect", "14 days, then ACTIVE", "PENDING_BUILD for ever, no findings"),
    row(
        "aws:disconnect-duration",
        "when it is measured is undocumented",
        "every 300 s: whole minutes since the device was there, 0 while it is; only devices seen since the start",
    ),
    row(
        "aws:source-ip-address",
        "when it is measured is undocumented",
        "on every connect, and once in 300 s on a message; with a dimension only on its topics",
    ),
    row(
        "values of ListMetricValues",
        "interval undocumented",
        "sums of 300 s at the end of the window; reported values when they came; 14 days, gone with a restart",
    ),
    row(
        "statistical criteria on reported metrics",
        "accumulated over the window",
        "likewise; negative values are not judged",
    ),
    row(
        "defender reports too close together",
        "rejected under 5 minutes",
        "rejected as Throttled under 270 s: agents' timers and networks are not exact",
    ),
    row(
        "report_id that does not increase",
        "must be monotonic; the consequence is undocumented",
        "rejected as InvalidPayload; ids are forgotten with a restart",
    ),
    row(
        "report of a custom metric nobody created",
        "undocumented",
        "accepted; judged and kept only by a profile that names the metric",
    ),
    row("report in CBOR", "the answer's encoding is undocumented", "answered in CBOR"),
    row(
        "metrics export",
        "batches at regular intervals; message sizes as minimum, maximum and total",
        "whenever values are due, at most 200 in a message; message sizes as total only; times in milliseconds",
    ),
    row(
        "behavior on a missing dimension or custom metric",
        "undocumented",
        "refused; deleting a dimension in use ends judging by it, a custom metric in use cannot be deleted",
    ),
    // --- Audit and mitigation ---
    row("audit duration", "minutes to hours, by the size of the account", "3 s for each check"),
    row("mitigation task duration", "minutes", "2 s for each action on each finding or violation"),
    row(
        "checks of revocation lists, Cognito and IAM roles",
        "real",
        "FAILED with INSUFFICIENT_PERMISSIONS and the reason; the audit itself is COMPLETED unless every check failed",
    ),
    row(
        "shared certificate check",
        "concurrent connections from 31 days to 2 hours before the audit",
        "any two client ids in the 31 days until the audit; connections before a start of the emulator are forgotten",
    ),
    row("key quality check", "CVE-2017-15361 and CVE-2008-0166", "CVE-2017-15361 only"),
    row(
        "overly permissive policies",
        "what counts as broad is partly documented",
        "a data plane action allowed where a wildcard stands for the client, the topic's first level or the thing",
    ),
    row("additionalInfo of findings", "undocumented", "CONNECT_TIME, DISCONNECT_TIME, PRINCIPAL_ID"),
    row(
        "scheduled audits",
        "at some time of the day",
        "by the calendar in UTC first, then after 1, 7 or 14 days",
    ),
    row("message of PUBLISH_FINDING_TO_SNS", "undocumented", "the finding of DescribeAuditFinding"),
    row("BLANK_POLICY", "a policy without permissions", r#"{"Version":"2012-10-17","Statement":[]}"#),
    row("mitigation of a finding whose policy version is not in force any more", "undocumented", "SKIPPED"),
    row(
        "error codes of mitigation executions",
        "undocumented",
        "names of the API's errors; a task is FAILED when all its executions are",
    ),
    row("actions on a shared certificate's finding", "the things of the certificate", "those attached to it"),
    // --- fleet indexing ---
    row("building an index", "minutes to hours", "10 s, then answers are never behind"),
    row(
        "connectivity in the index",
        "kept for ever",
        "for 30 minutes after a disconnect, then connected: false alone",
    ),
    row("cardinality and percentiles", "approximate", "exact; percentiles by nearest rank"),
    row("thingGroupNames", "groups above a thing's own are undocumented", "the thing's own groups"),
    row(
        "fleet metrics",
        "names of dimensions partly documented",
        "namespace AWS/IoTFleetMetrics, dimension AggregationType: count, sum, p99, cardinality, …",
    ),
    row("geo queries", "real", "InvalidQueryException or nothing found"),
    row(
        "index that is off",
        "undocumented",
        "ResourceNotFoundException; InvalidRequestException for a new dynamic thing group",
    ),
    // --- rules ---
    row("SQL numbers", "34 decimal digits", "64-bit integers and doubles"),
    row(
        "SQL functions of other services",
        "aws_lambda, get_dynamodb, get_secret, machinelearning_predict, get_registry_data ask them",
        "understood, Undefined; md2 and MQTT properties too",
    ),
    row(
        "SQL column without AS",
        "undocumented for functions",
        "a function's name; other expressions _1, _2, …",
    ),
    row("SQL error texts", "undocumented", "our own, with line and column"),
    row("substitution of Undefined", "undocumented", "nothing, as when it is serialized by itself"),
    row(
        "roles of rules",
        "assumed when the rule is made",
        "must look like the ARN of a role; nothing is assumed",
    ),
    row(
        "rule actions",
        "23 kinds",
        "cloudwatchMetric, republish, sns, s3 act, cloudwatchLogs logs, the others are kept and fail",
    ),
    row("rules that feed one another", "run on", "stopped after 8 republished messages in a row"),
    row("GetTopicRule of a missing rule", "not in the model", "UnauthorizedException 401"),
    // --- SNS, CloudWatch, S3 ---
    row(
        "SNS delivery",
        "to any endpoint",
        "HTTP to loopback addresses; all else, HTTPS too, is a line of CREDENTIALS/sns-outbox.jsonl",
    ),
    row(
        "SNS signature",
        "RSA with SHA-1 (version 1) or SHA-256 (2), certificate of AWS",
        "ECDSA P-256 with SHA-256, called version 2, key and certificate made at each start",
    ),
    row(
        "SNS retries",
        "3 after 20 s each, policy adjustable",
        "likewise, policies are kept and not followed",
    ),
    row("SNS filter policies", "decide who gets a message", "kept, not followed"),
    row(
        "CloudWatch resolution",
        "down to one second",
        "one minute; percentiles by nearest rank, within 1 % beyond 200 values a minute",
    ),
    row("CloudWatch alarms, math, trimmed means", "real", "not here: InvalidParameterValue"),
    row(
        "S3",
        "versions, access control, multipart",
        "objects up to 1 MiB, without; upload checksums are not verified",
    ),
];

/// The register as a table of plain text, as wide as its longest cells.
pub fn table() -> String {
    use std::fmt::Write as _;
    let width = |cell: fn(&Deviation) -> &str| {
        DEVIATIONS.iter().map(|d| cell(d).chars().count()).max().unwrap_or_default()
    };
    let (knob, aws) = (width(|d| d.knob), width(|d| d.aws));
    let mut out = String::new();
    for d in std::iter::once(&row("", "AWS", "here")).chain(DEVIATIONS) {
        let _ = writeln!(out, "{:knob$}  {:aws$}  {}", d.knob, d.aws, d.emulator);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_has_one_row_in_the_table() {
        let mut knobs: Vec<_> = DEVIATIONS.iter().map(|d| d.knob).collect();
        knobs.sort_unstable();
        knobs.dedup();
        assert_eq!(knobs.len(), DEVIATIONS.len());
        assert_eq!(table().lines().count(), DEVIATIONS.len() + 1);
        assert!(table().contains("420 s"));
    }
}
