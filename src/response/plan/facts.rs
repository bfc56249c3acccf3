//! What a plan is computed from: the account as it was read, nothing else.

use serde_json::Value;

use quell_fleet::known::Trouble;
use quell_fleet::model::Name;
use quell_fleet::policy::denies;

use crate::response::past::Past;

use super::Target;
use super::audit::AuditFacts;
use super::detect::DetectFacts;
use super::rule::RuleFacts;

/// Everything read for one plan.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// `arn:aws:iot:us-east-1:123456789012:`.
    pub arn_prefix: String,
    /// The isolation group, when the intent concerns it.
    pub group: Option<GroupFacts>,
    /// Each target.
    pub things: Vec<ThingFacts>,
    /// A certificate named directly that serves no thing.
    pub lone: Option<PrincipalFacts>,
    /// The job, when one is to be canceled; its status.
    pub job_status: Option<String>,
    /// Targets of a job that do not exist; violations to be mitigated that are not active.
    pub missing: Vec<Name>,
    /// Things a job would reach that are members of the isolation group.
    pub isolated: Vec<Name>,
    /// Continuous jobs bound to the group: its standing remedies.
    pub standing: Vec<Name>,
    /// The plan of the journal that is to be finished or undone, with what the account shows of it.
    pub past: Option<Past>,
    /// Mitigation actions asked for: name and type as AWS has them, or that there is none.
    pub actions: Vec<(String, Option<String>)>,
    /// The things the violations or findings are about.
    pub mitigated: Vec<Name>,
    /// The document of the policy `setup` would create, when a policy of that name is there already.
    pub existing_policy: Option<Value>,
    /// What Detect judges by, when the intent changes that.
    pub detect: Option<DetectFacts>,
    /// The topic rule as it is, when the intent changes one.
    pub rule: Option<RuleFacts>,
    /// The audit settings as they are, when the intent changes audits.
    pub audit: Option<AuditFacts>,
    /// How many things a job would reach now.
    pub reached: usize,
}

/// A thing group.
#[derive(Clone, Debug)]
pub struct GroupFacts {
    /// Its name.
    pub name: Name,
    /// False when there is no such group.
    pub exists: bool,
    /// True when it has a query string: AWS allows it no policies and no members by hand.
    pub dynamic: bool,
    /// Its ancestors, root first.
    pub ancestors: Vec<Name>,
    /// Policies attached to it or to an ancestor: name and document.
    pub policies: Vec<(String, Value)>,
}

impl GroupFacts {
    /// The policy that denies everything the device could do, if there is one.
    pub fn full_deny(&self) -> Option<&str> {
        self.policies
            .iter()
            .find(|(_, document)| denies(document, &["*", "iot:*"]))
            .map(|(name, _)| name.as_str())
    }

    /// The policy that denies at least publishing or connecting, whatever the topic.
    pub fn any_deny(&self) -> Option<&str> {
        self.policies
            .iter()
            .find(|(_, document)| denies(document, &["*", "iot:*", "iot:publish", "iot:connect"]))
            .map(|(name, _)| name.as_str())
    }
}

impl ThingFacts {
    /// The policy in effect that denies although it is none of `without`, if there is one.
    pub fn denied_by(&self, without: &GroupFacts) -> Option<&str> {
        let other = |name: &str| without.policies.iter().all(|(n, _)| n != name);
        let mut found = self.effective.iter().flatten().filter(|(name, _)| other(name));
        found
            .find(|(_, document)| denies(document, &["*", "iot:*", "iot:publish", "iot:connect"]))
            .map(|(name, _)| name.as_str())
    }
}

impl GroupFacts {
    /// True when a policy keeps the device from connecting at all.
    pub fn denies_connect(&self) -> bool {
        self.policies.iter().any(|(_, document)| denies(document, &["*", "iot:*", "iot:connect"]))
    }
}

/// A device.
#[derive(Clone, Debug)]
pub struct ThingFacts {
    /// As the fleet knows it.
    pub target: Target,
    /// False when the registry has no such thing.
    pub registered: bool,
    /// Groups it is in directly.
    pub groups: Vec<GroupOfThing>,
    /// Its principals.
    pub principals: Vec<PrincipalFacts>,
    /// Whether a client of its client id is connected; an error when that could not be asked.
    pub connected: Result<Option<bool>, Trouble>,
    /// `desired.quarantine` of its classic shadow.
    pub flag: Option<Value>,
    /// What TestAuthorization said with the isolation group's policies added: true when it would be denied.
    pub would_be_denied: Option<bool>,
    /// The policies in effect for its first principal as this thing, by GetEffectivePolicies: name and document. `None` when
    /// it was not asked, or not answered.
    pub effective: Option<Vec<(String, Value)>>,
}

/// A group a thing is in.
#[derive(Clone, Debug)]
pub struct GroupOfThing {
    /// Its name.
    pub name: Name,
    /// The root of its hierarchy: itself when it has no parent.
    pub root: Name,
    /// True when membership follows a query.
    pub dynamic: bool,
}

/// A principal attached to a thing.
#[derive(Clone, Debug)]
pub struct PrincipalFacts {
    /// Its ARN.
    pub arn: String,
    /// The certificate id, when it is a certificate.
    pub certificate: Option<String>,
    /// The certificate's status.
    pub status: Option<String>,
    /// All things it is attached to, the target included.
    pub things: Vec<Name>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn group(document: Value) -> GroupFacts {
        GroupFacts {
            name: Name::new("G"),
            exists: true,
            dynamic: false,
            ancestors: Vec::new(),
            policies: vec![("P".to_owned(), document)],
        }
    }

    #[test]
    fn only_an_unconditional_deny_of_everything_counts_as_full() {
        let full = group(json!({"Statement":[{"Effect":"Deny","Action":"iot:*","Resource":["*"]}]}));
        assert_eq!(full.full_deny(), Some("P"));
        let single = group(json!({"Statement":{"Effect":"Deny","Action":["iot:Publish"],"Resource":"*"}}));
        assert_eq!((single.full_deny(), single.any_deny()), (None, Some("P")));
        let allow = group(json!({"Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}));
        assert_eq!(allow.any_deny(), None);
        let conditional = group(
            json!({"Statement":[{"Effect":"Deny","Action":"iot:*","Resource":"*","Condition":{"Bool":{"x":"true"}}}]}),
        );
        assert_eq!(conditional.any_deny(), None);
        let patchable = group(super::super::setup::patchable("arn:aws:iot:r:a:"));
        assert_eq!((patchable.full_deny(), patchable.any_deny()), (None, Some("P")));
        let narrow = group(
            json!({"Statement":[{"Effect":"Deny","Action":"iot:*","Resource":"arn:aws:iot:r:a:topic/x"}]}),
        );
        assert_eq!(narrow.any_deny(), None);
    }
}
