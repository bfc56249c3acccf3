//! What watches the fleet: Detect, Audit, mitigation, fleet indexing.

use super::{Deviation, row};

/// The rows of this part.
pub(super) static ROWS: &[Deviation] = &[
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
    row(
        "geo queries",
        "circles, boxes and polygons",
        "geo_distance in km, mi or m; others get InvalidQueryException",
    ),
    row(
        "index that is off",
        "undocumented",
        "ResourceNotFoundException; InvalidRequestException for a new dynamic thing group",
    ),
];
