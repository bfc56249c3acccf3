//! Policies and their versions.

use std::collections::BTreeMap;

use quell_rules::policy::{CHARACTERS, Document, characters};
use serde::{Deserialize, Serialize};

use super::Identity;
use crate::api::registry::uuid;
use crate::api::{ApiError, validate};

/// Versions a policy may have.
const VERSIONS: usize = 5;
/// A document without statements.
const BLANK: &str = r#"{"Version":"2012-10-17","Statement":[]}"#;

/// One version of a policy.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct PolicyVersion {
    /// The document exactly as given.
    pub document: String,
    /// Epoch milliseconds.
    pub created_ms: i64,
}

/// A policy. Its name is its key.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Policy {
    /// Versions by number.
    pub versions: BTreeMap<u32, PolicyVersion>,
    /// The version in force.
    pub default: u32,
    /// The number the next version gets.
    pub next: u32,
    /// Epoch milliseconds.
    pub created_ms: i64,
    /// Epoch milliseconds.
    pub modified_ms: i64,
    /// A UUID.
    pub generation_id: String,
}

impl Policy {
    /// The document in force.
    pub fn document(&self) -> &str {
        self.versions.get(&self.default).map_or("", |v| &v.document)
    }
}

impl Identity {
    /// The policy of that name.
    pub fn policy(&self, name: &str) -> Option<&Policy> {
        self.policies.get(name)
    }

    /// The policy of that name, or AWS's refusal.
    pub fn require_policy(&self, name: &str) -> Result<&Policy, ApiError> {
        self.policy(name).ok_or_else(|| ApiError::not_found("Policy not found"))
    }

    /// All policies in the order of their names.
    pub fn policies(&self) -> impl DoubleEndedIterator<Item = (&str, &Policy)> {
        self.policies.iter()
    }

    /// CreatePolicy: version 1, in force.
    pub fn create_policy(&mut self, name: &str, document: &str, now_ms: i64) -> Result<&Policy, ApiError> {
        validate::policy_name(name)?;
        check_document(document)?;
        if self.policies.contains(name) {
            return Err(ApiError::already_exists(
                format!("Policy cannot be created - name already exists (name={name})"),
                name,
                &self.arns.iot("policy", name),
            ));
        }
        let version = PolicyVersion { document: document.to_owned(), created_ms: now_ms };
        self.policies.put(
            name,
            Policy {
                versions: BTreeMap::from([(1, version)]),
                default: 1,
                next: 2,
                created_ms: now_ms,
                modified_ms: now_ms,
                generation_id: uuid(),
            },
        );
        self.require_policy(name)
    }

    /// CreatePolicyVersion; gives its number.
    pub fn create_policy_version(
        &mut self,
        name: &str,
        document: &str,
        set_as_default: bool,
        now_ms: i64,
    ) -> Result<u32, ApiError> {
        self.require_policy(name)?;
        check_document(document)?;
        self.add_version(name, document, set_as_default, now_ms)
    }

    fn add_version(
        &mut self,
        name: &str,
        document: &str,
        set_as_default: bool,
        now_ms: i64,
    ) -> Result<u32, ApiError> {
        let policy = self.require_policy(name)?;
        if policy.versions.len() >= VERSIONS {
            return Err(ApiError::new(
                409,
                "VersionsLimitExceededException",
                format!("The policy {name} already has the maximum number of versions ({VERSIONS})"),
            ));
        }
        let number = policy.next;
        let version = PolicyVersion { document: document.to_owned(), created_ms: now_ms };
        self.policies.update(name, |p| {
            p.versions.insert(number, version);
            p.next += 1;
            if set_as_default {
                p.default = number;
            }
            p.modified_ms = now_ms;
        });
        Ok(number)
    }

    /// Puts a version in force that allows nothing (Device Defender's `BLANK_POLICY`); gives its number. Such a document
    /// cannot be created by a client.
    pub fn replace_with_blank(&mut self, name: &str, now_ms: i64) -> Result<u32, ApiError> {
        self.add_version(name, BLANK, true, now_ms)
    }

    /// One version of a policy by the number a client names.
    pub(super) fn policy_version(
        &self,
        name: &str,
        version: &str,
    ) -> Result<(u32, &PolicyVersion), ApiError> {
        let policy = self.require_policy(name)?;
        let number: u32 = version.parse().map_err(|_| {
            ApiError::invalid(
                "1 validation error detected: Value at 'policyVersionId' failed to satisfy constraint: Member must satisfy \
                 regular expression pattern: [0-9]+",
            )
        })?;
        let held = policy.versions.get(&number);
        held.map(|v| (number, v)).ok_or_else(|| {
            ApiError::not_found(format!("Policy version does not exist (name={name}, versionId={number})"))
        })
    }

    /// SetDefaultPolicyVersion.
    pub(super) fn set_default_version(
        &mut self,
        name: &str,
        version: &str,
        now_ms: i64,
    ) -> Result<(), ApiError> {
        let (number, _) = self.policy_version(name, version)?;
        self.policies.update(name, |p| {
            p.default = number;
            p.modified_ms = now_ms;
        });
        Ok(())
    }

    /// DeletePolicyVersion: not the one in force.
    pub(super) fn delete_policy_version(&mut self, name: &str, version: &str) -> Result<(), ApiError> {
        let (number, _) = self.policy_version(name, version)?;
        if self.require_policy(name)?.default == number {
            return Err(ApiError::new(
                409,
                "DeleteConflictException",
                format!("Cannot delete a default policy version (name={name}, versionId={number})"),
            ));
        }
        self.policies.update(name, |p| p.versions.remove(&number));
        Ok(())
    }

    /// DeletePolicy: only with one version and no targets.
    pub fn delete_policy(&mut self, name: &str) -> Result<(), ApiError> {
        let conflict = |message: String| ApiError::new(409, "DeleteConflictException", message);
        let policy = self.require_policy(name)?;
        if policy.versions.len() > 1 {
            return Err(conflict(format!(
                "The policy cannot be deleted as multiple versions of the policy exist (name={name}). Use \
                 DeletePolicyVersion action to delete all non-default versions of the policy and retry."
            )));
        }
        if self.targets_of(name).next().is_some() {
            return Err(conflict(format!(
                "The policy cannot be deleted as the policy is attached to one or more principals (name={name})"
            )));
        }
        self.policies.remove(name);
        Ok(())
    }
}

fn check_document(document: &str) -> Result<(), ApiError> {
    let malformed = |message: String| ApiError::new(400, "MalformedPolicyException", message);
    if characters(document) > CHARACTERS {
        return Err(malformed(format!("Policy document exceeds the maximum of {CHARACTERS} characters")));
    }
    Document::parse(document)
        .map(drop)
        .map_err(|why| malformed(format!("Policy document is Malformed: {why}")))
}
