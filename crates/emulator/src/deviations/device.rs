//! What a device meets: MQTT, shadows, jobs.

use super::{Deviation, row};

/// The rows of this part.
pub(super) static ROWS: &[Deviation] = &[
    // --- MQTT ---
    row(
        "MQTT's own times",
        "keep-alive, session and message expiry, will delay, 24 h of a WebSocket",
        "likewise, in real time: --speed does not divide them",
    ),
    row("life of a connection with a certificate", "one to two weeks", "7 days"),
    row(
        "rates of a connection",
        "100 messages and 512 KB a second in and out, the excess discarded; bursts undocumented",
        "likewise, a second's worth at once, times --speed; outbound QoS 1 waits instead; the plain listener has no limits",
    ),
    row("CONNECT", "1 a second for each client id, 500 for the account", "not limited"),
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
        "will on an impossible topic, or a reserved one that is no request",
        "undocumented",
        "the CONNECT is refused; MQTT 5 is told topic name invalid",
    ),
    row(
        "request topics of services that are not here (streams, device location)",
        "answered by the service",
        "end the connection as any reserved topic does",
    ),
    row(
        "age of a signed WebSocket URL",
        "refused after minutes, 10 to 15 by reports, whatever X-Amz-Expires says",
        "refused after 5 minutes",
    ),
    row(
        "HTTPS with a certificate that is not ACTIVE",
        "refused in the TLS handshake",
        "403 ForbiddenException; the credentials provider says that the certificate is invalid",
    ),
    row("retained messages", "each topic's last, 500,000", "up to 256 MiB; kept with --state"),
    row("topic aliases to a client", "up to 8", "none are used"),
    row("SNI", "mandatory", "not asked for"),
    row("shared subscription groups", "100 for each account", "not limited"),
    // --- shadows ---
    row("shadow of an unregistered thing", "not stated", "accepted; the registry is not consulted"),
    row("shadow nesting", "the quota table says 8 levels, the error text 6", "8 levels, with AWS's text"),
    row("shadow metadata of arrays", "partly documented", "one timestamp for each element"),
    row(
        "\"state\": null in a shadow update",
        "the document is cleared, as other emulators' tests found",
        "likewise; empty sections are not shown",
    ),
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
        "of all executions that are over, as measured by others; the last one completes the job instead",
    ),
    row("retry of an execution", "retryAttempt grows", "also a new executionNumber"),
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
    row(
        "presigned URLs in job documents",
        "signed with the session of presignedUrlConfig.roleArn",
        "minted at delivery too, for this emulator's objects, with the account's own key",
    ),
    row("order of ListJobs, ListJobExecutionsForJob", "undocumented", "by id, by thing"),
    row(
        "InvalidTopic of the jobs API",
        "where it is published is undocumented",
        "at the topic the request was sent to, with /rejected after it",
    ),
    row(
        "update of a finished execution",
        "TerminalStateReached over MQTT; no such error in UpdateJobExecution's model",
        "TerminalStateReached over MQTT, InvalidStateTransitionException over REST",
    ),
    row(
        "schedule of a job",
        "at least 30 minutes ahead",
        "likewise, divided by --speed; the times themselves are wall-clock",
    ),
];
