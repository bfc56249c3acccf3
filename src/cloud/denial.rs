//! Whether a thing group's policies deny its members anything: what a word about a member of an isolation group rests on.

use quell_fleet::known::Trouble;
use quell_fleet::policy::denies;
use quell_fleet::text::SafeText;

use super::{Aws, read};

/// The policy that denies the members of `group` publishing or connecting, on the group itself or on one above it: policies
/// of an ancestor hold for its members too (docs/aws-iot.md#6.2). `None` when nothing does, and when there is no such group.
///
/// # Errors
/// When a call fails.
pub async fn of_group(aws: &Aws, group: &str) -> Result<Option<SafeText>, Trouble> {
    let Some(found) = read::describe_thing_group(aws, group).await? else { return Ok(None) };
    // The ARN of an ancestor differs in the name alone.
    let above = found.ancestors.iter().map(|name| match found.arn.rsplit_once('/') {
        Some((prefix, _)) => format!("{prefix}/{}", name.raw()),
        None => String::new(),
    });
    for target in std::iter::once(found.arn.clone()).chain(above) {
        for policy in read::attached_policies(aws, &target).await? {
            let document = policy.document.as_deref().and_then(|text| serde_json::from_str(text).ok());
            if document
                .is_some_and(|document| denies(&document, &["*", "iot:*", "iot:publish", "iot:connect"]))
            {
                return Ok(Some(policy.name.shown().clone()));
            }
        }
    }
    Ok(None)
}
