//! The requests a plan stands for, exactly as they will be sent, and what must be seen afterwards. The journal keeps them
//! whole, so that a later run can finish or undo what an earlier one began.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use quell_fleet::Ms;
use quell_fleet::format::{seconds, short};
use quell_fleet::model::Name;
use quell_fleet::shell::word;
use quell_fleet::text::SafeText;

use super::audit::request::AuditRequest;
use super::detect::request::DetectRequest;
use super::rule::request::RuleRequest;
use super::{ApiCall, JobOptions};

/// The topic of a direct message that only asks: no device subscribes to it, so that none takes it for a command.
pub(in crate::response) const ASKED_ON: &str = "quell/asks";

/// The status a certificate is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
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

    /// One of the three a certificate can be set to; others only AWS gives.
    pub(in crate::response) fn parse(word: &str) -> Option<Self> {
        [Self::Active, Self::Inactive, Self::Revoked].into_iter().find(|s| s.word() == word)
    }
}

/// One changing request. `was` is what it replaces, for an undo that restores that and not a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::response) enum Request {
    AddToGroup {
        thing: Name,
        group: Name,
    },
    RemoveFromGroup {
        thing: Name,
        group: Name,
    },
    /// `desired.quarantine` of the classic shadow; `None` takes it out with `null`.
    Flag {
        thing: Name,
        to: Option<Value>,
        was: Option<Value>,
    },
    /// `things` are those the plan showed as served by it: if others came since, the request is not sent.
    Certificate {
        id: String,
        arn: String,
        status: CertificateStatus,
        was: Option<CertificateStatus>,
        things: Vec<Name>,
    },
    Cut {
        client: Name,
    },
    /// An empty retained message, which takes the one that is kept away.
    ClearRetained {
        topic: String,
    },
    /// A direct message to a client, with confirmation: whether it is there, its own answer says. Changes nothing.
    Ask {
        client: Name,
    },
    CreateJob {
        id: String,
        targets: Vec<String>,
        document: String,
        continuous: bool,
        description: Option<String>,
        options: JobOptions,
    },
    CancelJob {
        job: Name,
        force: bool,
    },
    CreateGroup {
        group: Name,
    },
    DeleteGroup {
        group: Name,
    },
    CreatePolicy {
        policy: Name,
        document: String,
    },
    DeletePolicy {
        policy: Name,
    },
    /// `target` is the ARN of a thing group or certificate.
    AttachPolicy {
        policy: Name,
        target: String,
    },
    DetachPolicy {
        policy: Name,
        target: String,
    },
    /// What Detect judges by.
    Detect(Box<DetectRequest>),
    /// A topic rule.
    Rule(Box<RuleRequest>),
    /// Audits, suppressions, mitigation actions.
    Audit(Box<AuditRequest>),
    /// AWS's own mitigation actions on violations; AWS offers no way back.
    Mitigate {
        task: String,
        violations: Vec<String>,
        actions: Vec<String>,
    },
    /// AWS's own mitigation actions on the findings of one audit check.
    MitigateFindings {
        task: String,
        findings: Vec<String>,
        check: String,
        actions: Vec<String>,
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
            Self::ClearRetained { .. } => "iot:RetainPublish",
            Self::Ask { .. } => "iot:SendDirectMessage",
            Self::CreateJob { .. } => "iot:CreateJob",
            Self::CancelJob { .. } => "iot:CancelJob",
            Self::CreateGroup { .. } => "iot:CreateThingGroup",
            Self::DeleteGroup { .. } => "iot:DeleteThingGroup",
            Self::CreatePolicy { .. } => "iot:CreatePolicy",
            Self::DeletePolicy { .. } => "iot:DeletePolicy",
            Self::AttachPolicy { .. } => "iot:AttachPolicy",
            Self::DetachPolicy { .. } => "iot:DetachPolicy",
            Self::Detect(request) => request.operation(),
            Self::Rule(request) => request.operation(),
            Self::Audit(request) => request.operation(),
            Self::Mitigate { .. } => "iot:StartDetectMitigationActionsTask",
            Self::MitigateFindings { .. } => "iot:StartAuditMitigationActionsTask",
        }
    }

    /// The request that takes this one back to what was; `None` where AWS has none.
    pub(in crate::response) fn inverse(&self) -> Option<Self> {
        Some(match self {
            Self::AddToGroup { thing, group } => {
                Self::RemoveFromGroup { thing: thing.clone(), group: group.clone() }
            }
            Self::RemoveFromGroup { thing, group } => {
                Self::AddToGroup { thing: thing.clone(), group: group.clone() }
            }
            Self::Flag { thing, to, was } => {
                Self::Flag { thing: thing.clone(), to: was.clone(), was: to.clone() }
            }
            Self::Certificate { status: CertificateStatus::Revoked, .. } => return None,
            Self::Certificate { id, arn, status, was: Some(was), things } => Self::Certificate {
                id: id.clone(),
                arn: arn.clone(),
                status: *was,
                was: Some(*status),
                things: things.clone(),
            },
            Self::CreateJob { id, .. } => Self::CancelJob { job: Name::new(id), force: false },
            Self::CreateGroup { group } => Self::DeleteGroup { group: group.clone() },
            Self::CreatePolicy { policy, .. } => Self::DeletePolicy { policy: policy.clone() },
            Self::AttachPolicy { policy, target } => {
                Self::DetachPolicy { policy: policy.clone(), target: target.clone() }
            }
            Self::DetachPolicy { policy, target } => {
                Self::AttachPolicy { policy: policy.clone(), target: target.clone() }
            }
            Self::Detect(request) => Self::Detect(Box::new(request.inverse())),
            Self::Rule(request) => Self::Rule(Box::new(request.inverse()?)),
            Self::Audit(request) => Self::Audit(Box::new(request.inverse()?)),
            Self::Certificate { was: None, .. }
            | Self::Cut { .. }
            | Self::Ask { .. }
            | Self::ClearRetained { .. }
            | Self::CancelJob { .. }
            | Self::DeleteGroup { .. }
            | Self::DeletePolicy { .. }
            | Self::Mitigate { .. }
            | Self::MitigateFindings { .. } => return None,
        })
    }

    /// The request as shown by the plan and kept by the journal.
    pub(in crate::response) fn call(&self) -> ApiCall {
        let (resource, summary) = match self {
            Self::AddToGroup { thing, group } | Self::RemoveFromGroup { thing, group } => (
                format!("thing/{} thinggroup/{}", thing.raw(), group.raw()),
                format!("--thing-name {} --thing-group-name {}", word(thing.raw()), word(group.raw())),
            ),
            Self::Flag { thing, to, .. } => (
                format!("thing/{}", thing.raw()),
                format!("--thing-name {} --payload {}", word(thing.raw()), word(&flag_payload(to.as_ref()))),
            ),
            Self::Certificate { id, status, .. } => (
                format!("cert/{id}"),
                format!("--certificate-id {} --new-status {}", word(id), status.word()),
            ),
            Self::Cut { client } => (
                format!("client/{}", client.raw()),
                format!("--client-id {} --clean-session --prevent-will-message", word(client.raw())),
            ),
            Self::ClearRetained { topic } => {
                (format!("topic/{topic}"), format!("--topic {} --qos 1 --retain --payload ''", word(topic)))
            }
            Self::Ask { client } => (
                format!("client/{}", client.raw()),
                format!("--client-id {} --topic {ASKED_ON} --confirmation", word(client.raw())),
            ),
            Self::CreateJob { id, targets, document, continuous, options, .. } => (
                format!("job/{id}"),
                format!(
                    "--job-id {} --targets {} --target-selection {} {}{}",
                    word(id),
                    words(targets),
                    if *continuous { "CONTINUOUS" } else { "SNAPSHOT" },
                    options.document(document),
                    options.flags()
                ),
            ),
            Self::CancelJob { job, force } => (
                format!("job/{}", job.raw()),
                format!("--job-id {}{}", word(job.raw()), if *force { " --force" } else { "" }),
            ),
            Self::CreateGroup { group } | Self::DeleteGroup { group } => {
                (format!("thinggroup/{}", group.raw()), format!("--thing-group-name {}", word(group.raw())))
            }
            Self::CreatePolicy { policy, document } => (
                format!("policy/{}", policy.raw()),
                format!("--policy-name {} --policy-document {}", word(policy.raw()), word(document)),
            ),
            Self::DeletePolicy { policy } => {
                (format!("policy/{}", policy.raw()), format!("--policy-name {}", word(policy.raw())))
            }
            Self::AttachPolicy { policy, target } | Self::DetachPolicy { policy, target } => (
                format!("policy/{} {target}", policy.raw()),
                format!("--policy-name {} --target {}", word(policy.raw()), word(target)),
            ),
            Self::Detect(request) => request.call(),
            Self::Rule(request) => return request.call(),
            Self::Audit(request) => return request.call(),
            Self::Mitigate { task, violations, actions } => (
                format!("task/{task}"),
                format!(
                    "--task-id {} --target {} --actions {}",
                    word(task),
                    word(&format!("violationIds={}", violations.join(","))),
                    words(actions)
                ),
            ),
            Self::MitigateFindings { task, findings, check, actions } => (
                format!("task/{task}"),
                format!(
                    "--task-id {} --target {} --audit-check-to-actions-mapping {}",
                    word(task),
                    word(&format!("findingIds={}", findings.join(","))),
                    word(&format!("{check}={}", actions.join(",")))
                ),
            ),
        };
        ApiCall {
            operation: self.operation(),
            resource: SafeText::new(&resource),
            summary: SafeText::new(&summary),
        }
    }

    /// The words of its row on the staircase of `of`.
    pub(in crate::response) fn title(&self, of: &Name) -> SafeText {
        SafeText::new(&match self {
            Self::AddToGroup { group, .. } => format!("added to {}", group.raw()),
            Self::RemoveFromGroup { group, .. } => format!("removed from {}", group.raw()),
            Self::Flag { to: Some(Value::Bool(true)), .. } => "shadow asks for quarantine".to_owned(),
            Self::Flag { to: None, .. } => "shadow no longer asks for quarantine".to_owned(),
            Self::Flag { to: Some(value), .. } => format!("shadow's quarantine is {value} again"),
            Self::Certificate { id, status, .. } => format!("certificate {} {}", short(id), status.word()),
            Self::Cut { client } if client != of => format!("connection of {} cut", client.raw()),
            Self::Cut { .. } => "connection cut".to_owned(),
            Self::ClearRetained { topic } => format!("{topic} cleared"),
            Self::Ask { client } => format!("{} asked", client.raw()),
            Self::CreateJob { id, .. } => format!("job {id} created"),
            Self::CancelJob { job, .. } => format!("job {} canceled", job.raw()),
            Self::CreateGroup { group } => format!("thing group {} created", group.raw()),
            Self::DeleteGroup { group } => format!("thing group {} deleted", group.raw()),
            Self::CreatePolicy { policy, .. } => format!("policy {} created", policy.raw()),
            Self::DeletePolicy { policy } => format!("policy {} deleted", policy.raw()),
            Self::AttachPolicy { policy, .. } => format!("policy {} attached", policy.raw()),
            Self::DetachPolicy { policy, .. } => format!("policy {} detached", policy.raw()),
            Self::Detect(request) => request.title(),
            Self::Rule(request) => request.title(),
            Self::Audit(request) => request.title(),
            Self::Mitigate { task, .. } | Self::MitigateFindings { task, .. } => {
                format!("task {} started", short(task))
            }
        })
    }

    /// Its line in a plan about `of`: what, and on what.
    pub(in crate::response) fn words(&self, of: &Name) -> (&'static str, String) {
        match self {
            Self::AddToGroup { group, .. } => ("add to thing group", group.raw().to_owned()),
            Self::RemoveFromGroup { group, .. } => ("remove from thing group", group.raw().to_owned()),
            Self::Flag { to: None, .. } => ("clear shadow desired", r#"{"quarantine": null}"#.to_owned()),
            Self::Flag { to: Some(value), .. } => {
                ("set shadow desired", format!(r#"{{"quarantine": {value}}}"#))
            }
            Self::Certificate { id, status, .. } => {
                ("set certificate", format!("{} {}", short(id), status.word()))
            }
            Self::Cut { client } if client != of => (
                "cut the connection",
                format!("of client {}, again at each reconnect until it is denied", client.raw()),
            ),
            Self::Cut { .. } => {
                ("cut the connection", "again at each reconnect until it is denied".to_owned())
            }
            Self::ClearRetained { topic } => ("clear the retained message on", topic.clone()),
            Self::Ask { client } => ("ask the client", client.raw().to_owned()),
            Self::CreateJob { continuous, targets, options, .. } => {
                let names: Vec<&str> =
                    targets.iter().filter_map(|t| t.rsplit_once('/').map(|(_, n)| n)).collect();
                let kind = if *continuous { "CONTINUOUS" } else { "SNAPSHOT" };
                ("create job", format!("{kind} on {}{}", names.join(", "), options.words()))
            }
            Self::CancelJob { force, .. } => (
                "cancel job",
                if *force { "IN_PROGRESS executions too" } else { "executions still QUEUED" }.to_owned(),
            ),
            Self::CreateGroup { group } => ("create thing group", group.raw().to_owned()),
            Self::DeleteGroup { group } => ("delete thing group", group.raw().to_owned()),
            Self::CreatePolicy { policy, document } => {
                ("create policy", format!("{} {document}", policy.raw()))
            }
            Self::DeletePolicy { policy } => ("delete policy", policy.raw().to_owned()),
            Self::AttachPolicy { policy, target } => {
                ("attach policy", format!("{} to {}", policy.raw(), last(target)))
            }
            Self::DetachPolicy { policy, target } => {
                ("detach policy", format!("{} from {}", policy.raw(), last(target)))
            }
            Self::Detect(request) => request.words(),
            Self::Rule(request) => request.words(),
            Self::Audit(request) => request.words(),
            Self::Mitigate { violations, actions, .. } => (
                "start AWS's mitigation",
                format!("{} on {} violations", actions.join(", "), violations.len()),
            ),
            Self::MitigateFindings { findings, check, actions, .. } => (
                "start AWS's mitigation",
                format!("{} on {} findings of {check}", actions.join(", "), findings.len()),
            ),
        }
    }
}

/// Words of a command, one after the other.
pub(in crate::response) fn words(all: &[String]) -> String {
    all.iter().map(|one| word(one)).collect::<Vec<_>>().join(" ")
}

/// What must be seen after one session was cut; `shared` says that all sessions are of one client id.
pub(in crate::response) fn stays_away(cut: &Name, silence: Ms, shared: bool) -> String {
    match shared {
        true => format!("nobody takes the session of {} over for {}", cut.raw(), seconds(silence)),
        false => format!("{} stays away for {}", cut.raw(), seconds(silence)),
    }
}

fn last(arn: &str) -> &str {
    arn.rsplit_once('/').map_or(arn, |(_, name)| name)
}

/// The shadow document that sets `desired.quarantine`, or takes it out with `null`.
pub(in crate::response) fn flag_payload(to: Option<&Value>) -> String {
    json!({"state": {"desired": {"quarantine": to}}}).to_string()
}

/// What must be seen before a target counts as done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::response) enum Proof {
    /// Membership, a policy that denies, the cut, and silence. `connects`: the policy lets it connect, so that it can be
    /// patched. `lively`: it was heard of late, so that it has a connection, whether or not its client id is known.
    Isolated {
        group: Name,
        ask: Option<DenyQuestion>,
        silence: Ms,
        #[serde(default)]
        connects: bool,
        #[serde(default)]
        lively: bool,
    },
    /// The certificate's status, the cut, and silence. `is` is INACTIVE or REVOKED.
    Barred {
        certificates: Vec<String>,
        is: CertificateStatus,
        silence: Ms,
        #[serde(default)]
        lively: bool,
    },
    /// The client that was cut stays away, or nobody takes its session over, for the silence in milliseconds; and one session
    /// or none is left.
    OneLeft { cut: Name, silence: Ms },
    /// Out of the group, and heard again.
    Released { group: Name },
    /// The status, and heard again.
    Activated { certificates: Vec<String> },
    /// `desired.quarantine` is true in the classic shadow, and so is what the device reports.
    Flagged,
    /// In the group, or no longer.
    Member { group: Name, is: bool },
    /// The job exists with its status.
    Job { job: Name, canceled: bool },
    /// The isolation group denies, or is gone again.
    Ready { group: Name, is: bool },
    /// The account shows every request as it was sent.
    Shown,
    /// The audit ended; its id is known when it was started.
    Audited { task: Option<String> },
    /// AWS's task ended well.
    Mitigated { task: String, audit: bool },
}

impl Proof {
    /// True when a device is to be held back.
    pub(in crate::response) fn holds(&self) -> bool {
        matches!(self, Self::Isolated { .. } | Self::Barred { .. })
    }
}

/// A TestAuthorization call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::response) struct DenyQuestion {
    pub(in crate::response) principal: String,
    pub(in crate::response) client: Name,
    pub(in crate::response) connect: String,
    pub(in crate::response) publish: Vec<String>,
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Name>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Clients {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Clients::deserialize(deserializer)? {
        Clients::One(one) => vec![Name::new(&one)],
        Clients::Many(many) => many.iter().map(|name| Name::new(name)).collect(),
    })
}

/// One target's requests, in order, and its proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::response) struct Work {
    pub(in crate::response) name: Name,
    /// The client ids to watch and to ask about: those seen with its principals, else its own name as a candidate. Older
    /// journals name one.
    #[serde(alias = "client", deserialize_with = "one_or_many")]
    pub(in crate::response) clients: Vec<Name>,
    /// Principals that serve this thing alone: whatever connects with one is this device.
    #[serde(default)]
    pub(in crate::response) principals: Vec<String>,
    pub(in crate::response) requests: Vec<Request>,
    /// Sent once the proof is there, to hear from the clients themselves; they change nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::response) questions: Vec<Request>,
    /// Client ids seen with its principals that bear other things' names: not cut, and looked for by the sweep.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::response) siblings: Vec<Name>,
    /// Its telemetry topics, exact, for the sweep.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::response) topics: Vec<String>,
    /// True when a topic is known to be its telemetry: only then does hearing nothing prove anything.
    pub(in crate::response) mapped: bool,
    pub(in crate::response) proof: Proof,
}

impl Work {
    /// Work that nobody listens for: no client is cut or asked, and no silence is waited for.
    pub(in crate::response) fn of(name: Name, requests: Vec<Request>, proof: Proof) -> Self {
        Self {
            name,
            clients: Vec::new(),
            principals: Vec::new(),
            requests,
            questions: Vec::new(),
            siblings: Vec::new(),
            topics: Vec::new(),
            mapped: false,
            proof,
        }
    }
}
