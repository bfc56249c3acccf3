//! Reads of what a device may leave behind: retained messages, sessions, subscriptions, shadows, and the role aliases that
//! give it AWS credentials. Only a sweep, and the plan that clears, need them.

use quell_fleet::Ms;
use quell_fleet::model::Name;

use super::call::{Read, failed, one, pages};
use super::{Aws, read_whole, trouble};

/// A retained message, without its payload.
#[derive(Clone, Debug, PartialEq)]
pub struct RetainedRecord {
    /// The topic, exact.
    pub topic: String,
    /// Bytes of its payload.
    pub bytes: usize,
    /// When it was published.
    pub at: Ms,
}

/// What GetConnection knows of a client id.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionRecord {
    /// Connected now?
    pub connected: bool,
    /// When it last connected.
    pub since: Ms,
    /// When it disconnected, of one that is not connected.
    pub gone: Option<Ms>,
    /// For how many seconds its session is kept beyond a disconnect; 0 for one that ends with its connection.
    pub kept: i64,
}

/// A role alias of the credentials provider (docs/aws-iot.md#3.10).
#[derive(Clone, Debug, PartialEq)]
pub struct RoleAliasRecord {
    /// Its ARN, exact: what a policy allows.
    pub arn: String,
    /// The role's ARN, exact.
    pub role: String,
    /// Seconds for which keys that it gives are good.
    pub duration: i64,
}

/// ListRetainedMessages: all of the account.
///
/// # Errors
/// When the call fails.
pub async fn retained(aws: &Aws) -> Read<Vec<RetainedRecord>> {
    let call = aws.data.list_retained_messages().max_results(200);
    let list = pages!(aws, call, "iot:ListRetainedMessages", retained_topics);
    let list = failed("iot:ListRetainedMessages", list)?;
    Ok(list
        .iter()
        .filter_map(|found| {
            Some(RetainedRecord {
                topic: found.topic()?.to_owned(),
                bytes: usize::try_from(found.payload_size()).unwrap_or_default(),
                at: found.last_modified_time(),
            })
        })
        .collect())
}

/// GetRetainedMessage; `None` when the topic has none.
///
/// # Errors
/// When the call fails.
pub async fn retained_on(aws: &Aws, topic: &str) -> Read<Option<RetainedRecord>> {
    let found = read_whole::retained(aws, topic).await?;
    Ok(found.map(|(payload, _, at)| RetainedRecord { topic: topic.to_owned(), bytes: payload.len(), at }))
}

/// GetConnection; `None` when AWS does not know the client: never connected, or gone for more than half an hour.
///
/// # Errors
/// When the call fails.
pub async fn connection(aws: &Aws, client: &str) -> Read<Option<ConnectionRecord>> {
    match one!(aws, aws.data.get_connection().client_id(client), "iot:GetConnection", true) {
        Ok(found) => Ok(Some(ConnectionRecord {
            connected: found.connected(),
            since: found.connected_since(),
            gone: Some(found.disconnected_since()).filter(|at| !found.connected() && *at > 0),
            kept: if found.clean_session() { 0 } else { found.session_expiry() },
        })),
        Err(e) if trouble::is_not_found(&e) => Ok(None),
        Err(e) => Err(trouble::of(&e, "iot:GetConnection")),
    }
}

/// ListSubscriptions: the filters of a client; `None` when AWS does not know the client.
///
/// # Errors
/// When the call fails.
pub async fn subscriptions(aws: &Aws, client: &str) -> Read<Option<Vec<String>>> {
    let call = aws.data.list_subscriptions().client_id(client).max_results(200);
    match pages!(aws, call, "iot:ListSubscriptions", subscriptions) {
        Ok(list) => Ok(Some(list.iter().map(|found| found.topic_filter().to_owned()).collect())),
        Err(e) if trouble::is_not_found(&e) => Ok(None),
        Err(e) => Err(trouble::of(&e, "iot:ListSubscriptions")),
    }
}

/// ListNamedShadowsForThing.
///
/// # Errors
/// When the call fails.
pub async fn named_shadows(aws: &Aws, thing: &str) -> Read<Vec<Name>> {
    let call = aws.data.list_named_shadows_for_thing().thing_name(thing).page_size(100);
    let list = pages!(aws, call, "iot:ListNamedShadowsForThing", results);
    let list = failed("iot:ListNamedShadowsForThing", list)?;
    Ok(list.iter().map(|name| Name::new(name)).collect())
}

/// ListRoleAliases: names, exact.
///
/// # Errors
/// When the call fails.
pub async fn role_aliases(aws: &Aws) -> Read<Vec<String>> {
    let call = aws.iot.list_role_aliases().page_size(250);
    let list = pages!(aws, call, "iot:ListRoleAliases", role_aliases, set_marker, next_marker, &mut |_| ());
    failed("iot:ListRoleAliases", list)
}

/// DescribeRoleAlias; `None` when there is no such alias.
///
/// # Errors
/// When the call fails.
pub async fn role_alias(aws: &Aws, name: &str) -> Read<Option<RoleAliasRecord>> {
    match one!(aws, aws.iot.describe_role_alias().role_alias(name), "iot:DescribeRoleAlias", true) {
        Ok(found) => Ok(found.role_alias_description().and_then(|found| {
            Some(RoleAliasRecord {
                arn: found.role_alias_arn()?.to_owned(),
                role: found.role_arn()?.to_owned(),
                // AWS's default (docs/aws-iot.md#3.10).
                duration: found.credential_duration_seconds().map_or(3_600, i64::from),
            })
        })),
        Err(e) if trouble::is_not_found(&e) => Ok(None),
        Err(e) => Err(trouble::of(&e, "iot:DescribeRoleAlias")),
    }
}
