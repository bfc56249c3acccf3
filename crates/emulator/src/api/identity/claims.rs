//! Provisioning claims: certificates that are in no list, are good for minutes, and may provision by one template.

use serde_json::json;

use super::Identity;
use super::certificates::{certificate_id_of, der_of};
use crate::api::ApiError;

/// What a claim's certificate is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The provisioning template.
    pub template: String,
    /// Until when, epoch milliseconds.
    pub until_ms: i64,
}

impl Identity {
    /// Takes a certificate as a claim; gives its id.
    ///
    /// # Errors
    /// A certificate that is none.
    pub fn claim(&mut self, pem: &str, claim: Claim) -> Result<String, ApiError> {
        let id = certificate_id_of(&der_of(pem)?);
        self.claims.insert(id.clone(), claim);
        Ok(id)
    }

    /// The claim of a certificate.
    pub fn claimed(&self, id: &str) -> Option<&Claim> {
        self.claims.get(id)
    }

    /// The claim's time is over.
    pub fn end_claim(&mut self, id: &str) {
        self.claims.remove(id);
    }

    /// The policy that a claim stands for: to connect, to ask for a certificate, to be registered by its template.
    pub fn claim_policy(&self, id: &str) -> Option<String> {
        let claim = self.claimed(id)?;
        let of = |kind: &str, name: &str| self.arns.iot(kind, name);
        let provision = format!("$aws/provisioning-templates/{}/provision/*", claim.template);
        let topics = |kind: &str| [of(kind, "$aws/certificates/create*"), of(kind, &provision)];
        let allow = |actions: &[&str], resources: &[String]| json!({ "Effect": "Allow", "Action": actions, "Resource": resources });
        let statements = [
            allow(&["iot:Connect"], &[of("client", "*")]),
            allow(&["iot:Publish", "iot:Receive"], &topics("topic")),
            allow(&["iot:Subscribe"], &topics("topicfilter")),
        ];
        Some(json!({ "Version": "2012-10-17", "Statement": statements }).to_string())
    }
}
