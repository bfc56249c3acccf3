//! What a plan is computed from: the account as it was read, nothing else.

use serde_json::Value;

use quell_fleet::known::Trouble;
use quell_fleet::model::Name;
use quell_fleet::policy::denies;

use crate::response::past::Past;
use crate::response::timed::Releaser;

use crate::cloud::read_left::RetainedRecord;

use super::Target;
use super::audit::AuditFacts;
use super::detect::DetectFacts;
use super::request::{Proof, Request, Work};
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
    /// Retained messages that an intent would clear, each with the device on whose topic it is; without one where the topic
    /// was named directly.
    pub retained: Vec<(Option<Name>, RetainedRecord)>,
    /// Why the retained messages of the account could not be listed, so that only topics that were heard were asked for.
    pub unlisted: Option<Trouble>,
    /// How many things a job would reach now.
    pub reached: usize,
    /// Who would release the things, when they are to be isolated for a time and whoever asks does not stay.
    pub releaser: Option<Releaser>,
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
    /// The client ids it speaks under as far as they were seen, and its own name, which many devices use.
    pub clients: Vec<ClientFacts>,
    /// `desired.quarantine` of its classic shadow.
    pub flag: Option<Value>,
    /// What TestAuthorization said with the isolation group's policies added: true when it would be denied.
    pub would_be_denied: Option<bool>,
    /// The policies in effect for its first principal as this thing, by GetEffectivePolicies: name and document. `None` when
    /// it was not asked, or not answered.
    pub effective: Option<Vec<(String, Value)>>,
}

/// An MQTT client id that a thing may speak under.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientFacts {
    /// The client id.
    pub id: Name,
    /// The principal it was seen with: a certificate's id or an IAM id.
    pub principal: Option<String>,
    /// True when presence, the fleet index or GetConnection told of it; false for the thing's own name that is only asked.
    pub seen: bool,
    /// Whether it is connected now by GetConnection; `None` when AWS has not heard of it lately. An error when that could
    /// not be asked.
    pub connected: Result<Option<bool>, Trouble>,
}

impl ThingFacts {
    /// The client ids that were seen.
    pub fn seen(&self) -> impl Iterator<Item = &ClientFacts> {
        self.clients.iter().filter(|client| client.seen)
    }

    /// The client ids to cut, watch and ask about: those seen, else its own name as a candidate.
    pub fn client_ids(&self) -> Vec<Name> {
        let seen: Vec<Name> = self.seen().map(|client| client.id.clone()).collect();
        if seen.is_empty() { vec![self.target.thing.clone()] } else { seen }
    }

    /// The principals that serve this thing alone: whatever connects with one is this device.
    pub fn own_principals(&self) -> Vec<String> {
        let alone = self.principals.iter().filter(|p| p.things.iter().all(|t| *t == self.target.thing));
        alone.map(|p| p.id().to_owned()).collect()
    }

    /// True when the policies of the thing's groups apply to a client: its id is the thing's name and its principal is
    /// attached to the thing, or its principal is attached exclusively (docs/aws-iot.md#4.3).
    pub fn reaches(&self, client: &ClientFacts) -> bool {
        let with = client.principal.as_deref();
        let attached = self.principals.iter().find(|p| Some(p.id()) == with);
        match attached {
            Some(principal) if principal.exclusive == Some(true) => true,
            Some(_) => client.id == self.target.thing,
            None => client.id == self.target.thing && with.is_none(),
        }
    }

    /// The client ids seen that the policies of the thing's groups do not apply to.
    pub fn unreached(&self) -> Vec<&ClientFacts> {
        self.seen().filter(|client| !self.reaches(client)).collect()
    }

    /// Work on it, listened for under its client ids.
    pub(super) fn work(&self, requests: Vec<Request>, proof: Proof) -> Work {
        Work {
            clients: self.client_ids(),
            principals: self.own_principals(),
            mapped: self.target.mapped(),
            ..Work::of(self.target.thing.clone(), requests, proof)
        }
    }

    /// The same for a containment: its clients are asked afterwards, and what it left behind is looked for.
    pub(super) fn contained(&self, requests: Vec<Request>, proof: Proof) -> Work {
        let work = self.work(requests, proof);
        Work {
            questions: work.clients.iter().map(|client| Request::Ask { client: client.clone() }).collect(),
            siblings: self.siblings(),
            topics: self.target.topics.clone(),
            ..work
        }
    }

    /// Client ids seen with its principals that are not among its own: they bear the names of other things.
    pub(in crate::response) fn siblings(&self) -> Vec<Name> {
        const MOST: usize = 8;
        let own = self.client_ids();
        let mut found: Vec<Name> = Vec::new();
        for seen in
            self.principals.iter().flat_map(|principal| self.target.clients.of(principal.id()).iter().rev())
        {
            if found.len() < MOST && !own.contains(&seen.client) && !found.contains(&seen.client) {
                found.push(seen.client.clone());
            }
        }
        found
    }

    /// True when AWS says of each of its client ids that it is not connected.
    pub fn is_gone(&self) -> bool {
        self.clients.iter().all(|client| matches!(client.connected, Ok(Some(false) | None)))
    }
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
    /// Whether it is attached exclusively to the target; `None` when it was not asked, or not answered.
    pub exclusive: Option<bool>,
}

impl PrincipalFacts {
    /// How presence events name it: a certificate by its id.
    pub fn id(&self) -> &str {
        self.certificate.as_deref().unwrap_or(&self.arn)
    }
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
