//! Tags of topics.

use std::collections::BTreeMap;

use super::{answer, not_found, required};
use crate::api::query::escape;
use crate::api::{ApiError, Req, Resp};

/// Tags of one topic.
const TAGS: usize = 50;

fn missing() -> ApiError {
    let mut error = not_found("Resource");
    error.code = "ResourceNotFound";
    error
}

/// `Tags.member.N.{Key, Value}`.
pub(super) fn given(req: &Req) -> Result<BTreeMap<String, String>, ApiError> {
    let refuse =
        |text: &str| Err(ApiError::new(400, "InvalidParameter", format!("Invalid parameter: {text}")));
    let mut out = BTreeMap::new();
    for n in 1.. {
        let Some(key) = req.query(&format!("Tags.member.{n}.Key")) else { break };
        let value = req.query(&format!("Tags.member.{n}.Value")).unwrap_or_default();
        if key.is_empty()
            || key.chars().count() > 128
            || value.chars().count() > 256
            || key.starts_with("aws:")
        {
            return refuse("Tags");
        }
        if out.insert(key.to_owned(), value.to_owned()).is_some() {
            return refuse("Duplicated keys are not allowed.");
        }
    }
    Ok(out)
}

/// `TagResource`.
pub fn tag_resource(req: &Req) -> Result<Resp, ApiError> {
    let (arn, tags) = (required(req, "ResourceArn")?, given(req)?);
    let mut inner = req.account.sns.inner.lock();
    let mut held = inner.topics.get(arn).ok_or_else(missing)?.tags.clone();
    held.extend(tags);
    if held.len() > TAGS {
        let text = "Could not complete request: tag quota of per resource exceeded";
        return Err(ApiError::new(400, "TagLimitExceeded", text));
    }
    inner.topics.update(arn, |topic| topic.tags = held);
    answer("TagResource", "")
}

/// `UntagResource`.
pub fn untag_resource(req: &Req) -> Result<Resp, ApiError> {
    let arn = required(req, "ResourceArn")?;
    let keys: Vec<&str> = (1..).map_while(|n| req.query(&format!("TagKeys.member.{n}"))).collect();
    let mut inner = req.account.sns.inner.lock();
    let found = inner.topics.update(arn, |topic| topic.tags.retain(|key, _| !keys.contains(&key.as_str())));
    found.ok_or_else(missing)?;
    answer("UntagResource", "")
}

/// `ListTagsForResource`.
pub fn list_tags(req: &Req) -> Result<Resp, ApiError> {
    let arn = required(req, "ResourceArn")?;
    let inner = req.account.sns.inner.lock();
    let topic = inner.topics.get(arn).ok_or_else(missing)?;
    let members: String = topic
        .tags
        .iter()
        .map(|(k, v)| format!("<member><Key>{}</Key><Value>{}</Value></member>", escape(k), escape(v)))
        .collect();
    answer("ListTagsForResource", &format!("<Tags>{members}</Tags>"))
}
