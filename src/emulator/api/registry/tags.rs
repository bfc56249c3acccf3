//! Tags on resources, by ARN (TagResource, UntagResource, ListTagsForResource).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Registry;
use crate::emulator::api::{ApiError, Req, Resp};

/// Tags of one resource.
const TAGS: usize = 50;

/// `{"Key": …, "Value": …}`.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    /// The key.
    pub key: String,
    /// The value; absent means empty.
    #[serde(default)]
    pub value: String,
}

impl Registry {
    /// The tags of a resource, in the order of their keys.
    pub fn tags_of(&self, arn: &str) -> Vec<Tag> {
        let tags = self.tags.get(arn).into_iter().flatten();
        tags.map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect()
    }

    /// Sets tags on a resource; those of the same key are replaced.
    pub fn set_tags(&mut self, arn: &str, tags: &[Tag]) -> Result<(), ApiError> {
        if tags.is_empty() {
            return Ok(());
        }
        let mut held: BTreeMap<String, String> = self.tags.get(arn).cloned().unwrap_or_default();
        for tag in tags {
            if tag.key.is_empty() || tag.key.chars().count() > 128 || tag.value.chars().count() > 256 {
                return Err(ApiError::invalid(format!("Invalid tag: {}", tag.key)));
            }
            if tag.key.to_ascii_lowercase().starts_with("aws:") {
                return Err(ApiError::invalid("Tag keys must not start with aws:"));
            }
            held.insert(tag.key.clone(), tag.value.clone());
        }
        if held.len() > TAGS {
            return Err(ApiError::limit(format!("A resource can have at most {TAGS} tags")));
        }
        self.tags.put(arn, held);
        Ok(())
    }

    /// Forgets the tags of a resource that is gone.
    pub fn drop_tags(&mut self, arn: &str) {
        self.tags.remove(arn);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TagBody {
    resource_arn: String,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

/// TagResource.
pub fn tag(req: &Req) -> Result<Resp, ApiError> {
    let body: TagBody = req.json()?;
    req.account.write().registry.set_tags(&body.resource_arn, &body.tags)?;
    Resp::empty()
}

/// UntagResource.
pub fn untag(req: &Req) -> Result<Resp, ApiError> {
    let body: TagBody = req.json()?;
    let mut state = req.account.write();
    state.registry.tags.update(&body.resource_arn, |held| held.retain(|k, _| !body.tag_keys.contains(k)));
    Resp::empty()
}

/// ListTagsForResource.
pub fn list(req: &Req) -> Result<Resp, ApiError> {
    let arn = req.required_query("resourceArn")?;
    Resp::json(json!({ "tags": req.account.read().registry.tags_of(arn) }))
}
