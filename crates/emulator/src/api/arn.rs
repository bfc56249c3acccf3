//! ARNs of one account in one region, made and taken apart.

use std::sync::Arc;

/// Makes and reads the ARNs of one account in one region.
#[derive(Clone, Debug)]
pub struct Arns {
    prefix: Arc<str>,
}

impl Arns {
    /// For `account` in `region`.
    pub fn new(region: &str, account: &str) -> Self {
        Self { prefix: format!("arn:aws:iot:{region}:{account}:").into() }
    }

    /// The account's twelve digits.
    pub fn account(&self) -> &str {
        self.prefix.split(':').nth(4).unwrap_or_default()
    }

    /// `arn:aws:iot:REGION:ACCOUNT:KIND/NAME`.
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
