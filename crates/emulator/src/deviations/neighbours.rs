//! Rules, and the neighbouring services.

use super::{Deviation, row};

/// The rows of this part.
pub(super) static ROWS: &[Deviation] = &[
    // --- rules ---
    row("SQL numbers", "34 decimal digits", "64-bit integers and doubles"),
    row(
        "SQL functions of other services",
        "aws_lambda, get_dynamodb, get_secret, machinelearning_predict ask them",
        "a rule that calls one is refused with SqlParseException, by name; decode of protobuf too",
    ),
    row(
        "get_registry_data, get_thing_shadow",
        "read as the role they name",
        "read; the role must be named and is not taken on",
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
