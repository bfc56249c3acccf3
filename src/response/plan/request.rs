//! The requests a plan stands for, exactly as they will be sent, and what must be seen afterwards.

use crate::fleet::Ms;
use crate::fleet::model::Name;
use crate::text::SafeText;

use super::ApiCall;

/// The status a certificate is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::response) enum CertificateStatus {
    Active,
    Inactive,
    Revoked,
}

impl CertificateStatus {
    pub(in crate::response) fn word(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::Revoked => "REVOKED",
        }
    }
}

/// One changing request.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::response) enum Request {
    AddToGroup {
        thing: Name,
        group: Name,
    },
    RemoveFromGroup {
        thing: Name,
        group: Name,
    },
    /// `desired.quarantine` is set, or taken out with `null`.
    Flag {
        thing: Name,
        on: bool,
    },
    /// `things` are those the plan showed as served by it: if others came since, the request is not sent.
    Certificate {
        id: String,
        arn: String,
        status: CertificateStatus,
        things: Vec<Name>,
    },
    Cut {
        client: Name,
    },
    CreateJob {
        id: String,
        targets: Vec<String>,
        document: String,
        continuous: bool,
        description: Option<String>,
    },
    CancelJob {
        job: Name,
        force: bool,
    },
}

impl Request {
    /// `iot:AddThingToThingGroup`: the IAM action, which is also what the journal says.
    pub(in crate::response) fn operation(&self) -> &'static str {
        match self {
            Self::AddToGroup { .. } => "iot:AddThingToThingGroup",
            Self::RemoveFromGroup { .. } => "iot:RemoveThingFromThingGroup",
            Self::Flag { .. } => "iot:UpdateThingShadow",
            Self::Certificate { .. } => "iot:UpdateCertificate",
            Self::Cut { .. } => "iot:DeleteConnection",
            Self::CreateJob { .. } => "iot:CreateJob",
            Self::CancelJob { .. } => "iot:CancelJob",
        }
    }

    /// The request as shown by the plan and kept by the journal.
    pub(in crate::response) fn call(&self) -> ApiCall {
        let (resource, summary) = match self {
            Self::AddToGroup { thing, group } | Self::RemoveFromGroup { thing, group } => (
                format!("thing/{} thinggroup/{}", thing.raw(), group.raw()),
                format!("--thing-name {} --thing-group-name {}", thing.raw(), group.raw()),
            ),
            Self::Flag { thing, on } => (
                format!("thing/{}", thing.raw()),
                format!("--thing-name {} --payload '{}'", thing.raw(), flag_payload(*on)),
            ),
            Self::Certificate { id, status, .. } => {
                (format!("cert/{id}"), format!("--certificate-id {id} --new-status {}", status.word()))
            }
            Self::Cut { client } => (
                format!("client/{}", client.raw()),
                format!("--client-id {} --clean-session --prevent-will-message", client.raw()),
            ),
            Self::CreateJob { id, targets, document, continuous, .. } => (
                format!("job/{id}"),
                format!(
                    "--job-id {id} --targets {} --target-selection {} --document <{} bytes>",
                    targets.join(" "),
                    if *continuous { "CONTINUOUS" } else { "SNAPSHOT" },
                    document.len()
                ),
            ),
            Self::CancelJob { job, force } => (
                format!("job/{}", job.raw()),
                format!("--job-id {}{}", job.raw(), if *force { " --force" } else { "" }),
            ),
        };
        ApiCall {
            operation: self.operation(),
            resource: SafeText::new(&resource),
            summary: SafeText::new(&summary),
        }
    }

    /// The words of its row on the staircase.
    pub(in crate::response) fn title(&self) -> SafeText {
        SafeText::new(&match self {
            Self::AddToGroup { group, .. } => format!("added to {}", group.raw()),
            Self::RemoveFromGroup { group, .. } => format!("removed from {}", group.raw()),
            Self::Flag { on: true, .. } => "shadow asks for quarantine".to_owned(),
            Self::Flag { on: false, .. } => "shadow no longer asks for quarantine".to_owned(),
            Self::Certificate { id, status, .. } => format!("certificate {} {}", short(id), status.word()),
            Self::Cut { .. } => "connection cut".to_owned(),
            Self::CreateJob { id, .. } => format!("job {id} created"),
            Self::CancelJob { job, .. } => format!("job {} canceled", job.raw()),
        })
    }
}

/// The shadow document that asks for quarantine, or no longer.
pub(in crate::response) fn flag_payload(on: bool) -> &'static str {
    if on {
        r#"{"state":{"desired":{"quarantine":true}}}"#
    } else {
        r#"{"state":{"desired":{"quarantine":null}}}"#
    }
}

/// The first characters of a certificate id, enough to tell it from others.
pub(in crate::response) fn short(id: &str) -> String {
    let head: String = id.chars().take(8).collect();
    if head.len() < id.len() { format!("{head}…") } else { head }
}

/// What must be seen before a target counts as done.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::response) enum Proof {
    /// Membership, a policy that denies, the cut, and silence.
    Isolated { group: Name, ask: Option<DenyQuestion>, silence: Ms },
    /// The certificate's status, the cut, and silence. `is` is INACTIVE or REVOKED.
    Barred { certificates: Vec<String>, is: CertificateStatus, silence: Ms },
    /// Out of the group, and heard again.
    Released { group: Name },
    /// The status, and heard again.
    Activated { certificates: Vec<String> },
    /// In the group, or no longer.
    Member { group: Name, is: bool },
    /// The job exists with its status.
    Job { job: Name, canceled: bool },
}

/// A TestAuthorization call.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::response) struct DenyQuestion {
    pub(in crate::response) principal: String,
    pub(in crate::response) client: Name,
    pub(in crate::response) connect: String,
    pub(in crate::response) publish: Vec<String>,
}

/// One target's requests, in order, and its proof.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::response) struct Work {
    pub(in crate::response) name: Name,
    pub(in crate::response) client: Name,
    pub(in crate::response) requests: Vec<Request>,
    /// True when a topic is known to be its telemetry: only then does hearing nothing prove anything.
    pub(in crate::response) mapped: bool,
    pub(in crate::response) proof: Proof,
}
