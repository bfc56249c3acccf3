//! What a finding is about: AWS's resource identifiers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::api::ApiError;

/// A policy and one of its versions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyVersionIdentifier {
    /// The policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_name: Option<String>,
    /// The version's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_version_id: Option<String>,
}

/// AWS's `ResourceIdentifier`: one member is set, which one depends on the resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceIdentifier {
    /// A device certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_certificate_id: Option<String>,
    /// A CA certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_certificate_id: Option<String>,
    /// A Cognito identity pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cognito_identity_pool_id: Option<String>,
    /// An MQTT client id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// A policy version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_version_identifier: Option<PolicyVersionIdentifier>,
    /// The account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// An IAM role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iam_role_arn: Option<String>,
    /// A role alias.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_alias_arn: Option<String>,
    /// The issuer of a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer_certificate_identifier: Option<BTreeMap<String, String>>,
    /// A device certificate by its ARN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_certificate_arn: Option<String>,
}

impl ResourceIdentifier {
    /// A device certificate, with its ARN.
    pub fn device_certificate(id: &str, arn: &str) -> Self {
        Self {
            device_certificate_id: Some(id.to_owned()),
            device_certificate_arn: Some(arn.to_owned()),
            ..Self::default()
        }
    }

    /// An MQTT client id.
    pub fn client(id: &str) -> Self {
        Self { client_id: Some(id.to_owned()), ..Self::default() }
    }

    /// A CA certificate.
    pub fn ca_certificate(id: &str) -> Self {
        Self { ca_certificate_id: Some(id.to_owned()), ..Self::default() }
    }

    /// A policy's version.
    pub fn policy(name: &str, version: u32) -> Self {
        let version = PolicyVersionIdentifier {
            policy_name: Some(name.to_owned()),
            policy_version_id: Some(version.to_string()),
        };
        Self { policy_version_identifier: Some(version), ..Self::default() }
    }

    /// The account itself: its settings.
    pub fn account(id: &str) -> Self {
        Self { account: Some(id.to_owned()), ..Self::default() }
    }

    /// Does every member set here have the same value in `other`?
    pub fn is_part_of(&self, other: &Self) -> bool {
        fn same<T: PartialEq>(mine: Option<&T>, other: Option<&T>) -> bool {
            mine.is_none() || mine == other
        }
        same(self.device_certificate_id.as_ref(), other.device_certificate_id.as_ref())
            && same(self.ca_certificate_id.as_ref(), other.ca_certificate_id.as_ref())
            && same(self.cognito_identity_pool_id.as_ref(), other.cognito_identity_pool_id.as_ref())
            && same(self.client_id.as_ref(), other.client_id.as_ref())
            && same(self.policy_version_identifier.as_ref(), other.policy_version_identifier.as_ref())
            && same(self.account.as_ref(), other.account.as_ref())
            && same(self.iam_role_arn.as_ref(), other.iam_role_arn.as_ref())
            && same(self.role_alias_arn.as_ref(), other.role_alias_arn.as_ref())
            && same(self.issuer_certificate_identifier.as_ref(), other.issuer_certificate_identifier.as_ref())
            && same(self.device_certificate_arn.as_ref(), other.device_certificate_arn.as_ref())
    }

    /// Refuses an identifier that names nothing, or nothing of `kind` (a `resourceType`).
    ///
    /// # Errors
    /// `InvalidRequestException`.
    pub fn check(&self, kind: &str) -> Result<(), ApiError> {
        let named = match kind {
            "DEVICE_CERTIFICATE" => {
                self.device_certificate_id.is_some() || self.device_certificate_arn.is_some()
            }
            "CA_CERTIFICATE" => self.ca_certificate_id.is_some(),
            "IOT_POLICY" => self.policy_version_identifier.as_ref().is_some_and(|v| v.policy_name.is_some()),
            "COGNITO_IDENTITY_POOL" => self.cognito_identity_pool_id.is_some(),
            "CLIENT_ID" => self.client_id.is_some(),
            "ACCOUNT_SETTINGS" => self.account.is_some(),
            "ROLE_ALIAS" => self.role_alias_arn.is_some(),
            _ => true,
        };
        if named {
            return Ok(());
        }
        Err(ApiError::invalid(format!("The resource identifier must identify a resource of type {kind}")))
    }
}

/// A resource of a finding: the one that does not comply, or a related one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// `DEVICE_CERTIFICATE`, `IOT_POLICY`, …
    pub resource_type: String,
    /// Which one.
    pub resource_identifier: ResourceIdentifier,
    /// What else is known of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub additional_info: BTreeMap<String, String>,
}

impl Resource {
    /// A resource without further information.
    pub fn new(kind: &str, id: ResourceIdentifier) -> Self {
        Self { resource_type: kind.to_owned(), resource_identifier: id, additional_info: BTreeMap::new() }
    }

    /// The same with one more piece of information.
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.additional_info.insert(key.to_owned(), value.into());
        self
    }
}
