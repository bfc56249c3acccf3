//! What an incident needs and may be missing: the isolation group and a policy on it that denies.

use serde_json::{Value, json};

use crate::response::plan::draft::Draft;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::facts::Facts;
use super::request::{Proof, Request, Work};
use super::{Level, SetupRequest};

/// Denies everything; the device cannot even be patched (docs/aws-iot.md#6.10).
fn full() -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "iot:*", "Resource": "*"}]})
}

/// Denies everything but the device's own jobs and shadow topics, and the connection they need.
pub(in crate::response) fn patchable(prefix: &str) -> Value {
    const THING: &str = "${iot:Connection.Thing.ThingName}";
    let own = |kind: &str| -> Vec<String> {
        ["jobs", "shadow"].iter().map(|s| format!("{prefix}{kind}/$aws/things/{THING}/{s}/*")).collect()
    };
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Action": ["iot:Publish", "iot:Receive"], "NotResource": own("topic")},
        {"Effect": "Deny", "Action": "iot:Subscribe", "NotResource": own("topicfilter")},
    ]})
}

pub(super) fn build(draft: &mut Draft<'_>, facts: &Facts, wanted: &SetupRequest) {
    let Some(group) = &facts.group else { return draft.refuse("the isolation group could not be read") };
    let default = if wanted.patchable { "QuarantinePatchable" } else { "DenyAll" };
    let policy = wanted.policy.clone().unwrap_or_else(|| Name::new(default));
    let document = if wanted.patchable { patchable(&facts.arn_prefix) } else { full() };
    if group.dynamic {
        draft.refuse(format!(
            "{} is a dynamic group: it carries no policy; name another with --group",
            group.name.raw()
        ));
    }
    let attached = group.policies.iter().find(|(name, _)| name == policy.raw());
    let mut requests = Vec::new();
    match &facts.existing_policy {
        Some(there) if *there != document => {
            draft.refuse(format!(
                "there is a policy {} that says something else: it is left as it is; name another with --policy",
                policy.raw()
            ));
        }
        Some(_) => draft.note(Level::Info, format!("policy {} is there", policy.raw())),
        None => {
            requests.push(Request::CreatePolicy { policy: policy.clone(), document: document.to_string() });
        }
    }
    if group.exists {
        draft.note(Level::Info, format!("thing group {} is there", group.name.raw()));
    } else {
        requests.push(Request::CreateGroup { group: group.name.clone() });
    }
    if attached.is_none() {
        if group.policies.len() >= 2 {
            draft.refuse(format!(
                "{} carries two policies already, the most AWS allows for a group",
                group.name.raw()
            ));
        }
        if let (true, Some(full)) = (wanted.patchable, group.full_deny()) {
            draft.note(
                Level::Warn,
                format!(
                    "policy {full} on {} denies everything: with it there, a device still cannot be patched; detach it, or use a group of its own with --group",
                    group.name.raw()
                ),
            );
        }
        let target = format!("{}thinggroup/{}", facts.arn_prefix, group.name.raw());
        requests.push(Request::AttachPolicy { policy: policy.clone(), target });
    } else {
        draft.note(Level::Info, format!("policy {} is attached to it", policy.raw()));
    }
    if requests.is_empty() {
        draft.nothing = Some(SafeText::new("nothing is missing"));
    } else {
        let proof = Proof::Ready { group: group.name.clone(), is: true };
        draft.work.push(Work::of(group.name.clone(), requests, proof));
    }
    if wanted.patchable {
        draft.note(
            Level::Info,
            "an isolated device keeps its own jobs and shadow topics: isolate, patch by job, release",
        );
    }
    draft.note(Level::Info, "devices are touched only when they are put into the group");
    draft.prove("the group carries a policy that denies");
}
