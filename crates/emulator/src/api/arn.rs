//! ARNs of one account in one region, made and taken apart.

use std::sync::Arc;

/// The partition of a region, the second part of each ARN: China and GovCloud have their own (docs/aws-iot.md#2.1).
pub fn partition(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// Is it the ARN of something of a service, in any partition?
pub fn is_of(service: &str, arn: &str) -> bool {
    let mut parts = arn.split(':');
    let partition = (parts.next() == Some("arn")).then(|| parts.next()).flatten();
    partition.is_some_and(|name| name == "aws" || name.starts_with("aws-")) && parts.next() == Some(service)
}

/// Makes and reads the ARNs of one account in one region.
#[derive(Clone, Debug)]
pub struct Arns {
    prefix: Arc<str>,
}

impl Arns {
    /// For `account` in `region`.
    pub fn new(region: &str, account: &str) -> Self {
        Self { prefix: format!("arn:{}:iot:{region}:{account}:", partition(region)).into() }
    }

    /// The account's twelve digits.
    pub fn account(&self) -> &str {
        self.prefix.split(':').nth(4).unwrap_or_default()
    }

    /// `arn:PARTITION:iot:REGION:ACCOUNT:KIND/NAME`.
    pub fn iot(&self, kind: &str, name: &str) -> String {
        format!("{}{kind}/{name}", self.prefix)
    }

    /// The name in an ARN of `kind` that belongs to this account and region.
    pub fn name_of<'a>(&self, kind: &str, arn: &'a str) -> Option<&'a str> {
        arn.strip_prefix(&*self.prefix)?.strip_prefix(kind)?.strip_prefix('/').filter(|n| !n.is_empty())
    }

    /// What follows the account id in an ARN of this account and region: `thinggroup/NAME`.
    pub fn rest_of<'a>(&self, arn: &'a str) -> Option<&'a str> {
        arn.strip_prefix(&*self.prefix)
    }
}
