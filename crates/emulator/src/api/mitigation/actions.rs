//! Mitigation actions: create, update, describe, delete, list.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Definition;
use crate::account::Account;
use crate::api::arn::is_of;
use crate::api::audit::{check_id, check_role};
use crate::api::registry::{tags::Tag, uuid};
use crate::api::{ApiError, Req, Resp, validate, when};

/// Actions of an account.
const ACTIONS: usize = 100;
const LEVELS: [&str; 5] = ["DEBUG", "INFO", "ERROR", "WARN", "DISABLED"];
const TYPES: [&str; 6] = [
    "UPDATE_DEVICE_CERTIFICATE",
    "UPDATE_CA_CERTIFICATE",
    "ADD_THINGS_TO_THING_GROUP",
    "REPLACE_DEFAULT_POLICY_VERSION",
    "ENABLE_IOT_LOGGING",
    "PUBLISH_FINDING_TO_SNS",
];

/// What an action does: exactly one of AWS's parameter members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Params {
    /// Deactivates a device certificate.
    #[serde(rename = "updateDeviceCertificateParams")]
    DeviceCertificate {
        /// `DEACTIVATE`.
        action: String,
    },
    /// Deactivates a CA certificate.
    #[serde(rename = "updateCACertificateParams")]
    CaCertificate {
        /// `DEACTIVATE`.
        action: String,
    },
    /// Adds things to groups.
    #[serde(rename = "addThingsToThingGroupParams", rename_all = "camelCase")]
    Groups {
        /// One to ten static groups.
        thing_group_names: Vec<String>,
        /// Give up a dynamic group where a thing has ten groups?
        #[serde(default, skip_serializing_if = "Option::is_none")]
        override_dynamic_groups: Option<bool>,
    },
    /// Makes a policy's version in force one that allows nothing.
    #[serde(rename = "replaceDefaultPolicyVersionParams", rename_all = "camelCase")]
    Policy {
        /// `BLANK_POLICY`.
        template_name: String,
    },
    /// Turns AWS IoT's logs on.
    #[serde(rename = "enableIoTLoggingParams", rename_all = "camelCase")]
    Logging {
        /// The role that writes them.
        role_arn_for_logging: String,
        /// `DEBUG`, `INFO`, `ERROR`, `WARN`, `DISABLED`.
        log_level: String,
    },
    /// Publishes the finding.
    #[serde(rename = "publishFindingToSnsParams", rename_all = "camelCase")]
    Sns {
        /// The topic.
        topic_arn: String,
    },
}

impl Params {
    /// `actionType`.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::DeviceCertificate { .. } => "UPDATE_DEVICE_CERTIFICATE",
            Self::CaCertificate { .. } => "UPDATE_CA_CERTIFICATE",
            Self::Groups { .. } => "ADD_THINGS_TO_THING_GROUP",
            Self::Policy { .. } => "REPLACE_DEFAULT_POLICY_VERSION",
            Self::Logging { .. } => "ENABLE_IOT_LOGGING",
            Self::Sns { .. } => "PUBLISH_FINDING_TO_SNS",
        }
    }

    fn read(value: Value) -> Result<Self, ApiError> {
        let params: Self = serde_json::from_value(value).map_err(|_| {
            ApiError::invalid(
                "actionParams must hold the parameters of exactly one type of mitigation action",
            )
        })?;
        match &params {
            Self::DeviceCertificate { action } | Self::CaCertificate { action } => {
                validate::one_of("action", action, &["DEACTIVATE"])?;
            }
            Self::Groups { thing_group_names, .. } => {
                if !(1..=10).contains(&thing_group_names.len()) {
                    return Err(ApiError::invalid("thingGroupNames must hold 1 to 10 thing groups"));
                }
                for name in thing_group_names {
                    validate::name("thingGroupNames", name)?;
                }
            }
            Self::Policy { template_name } => {
                validate::one_of("templateName", template_name, &["BLANK_POLICY"])?;
            }
            Self::Logging { role_arn_for_logging, log_level } => {
                check_role("roleArnForLogging", role_arn_for_logging)?;
                validate::one_of("logLevel", log_level, &LEVELS)?;
            }
            Self::Sns { topic_arn } => {
                if !is_of("sns", topic_arn) || topic_arn.len() > 350 {
                    return Err(ApiError::invalid(format!(
                        "topicArn is not the ARN of an SNS topic: {topic_arn}"
                    )));
                }
            }
        }
        Ok(params)
    }
}

/// A mitigation action. Its name is its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Action {
    id: String,
    role: String,
    params: Params,
    created_ms: i64,
    modified_ms: i64,
}

impl Action {
    pub(super) fn definition(&self, name: &str) -> Definition {
        Definition {
            name: name.to_owned(),
            id: self.id.clone(),
            role_arn: self.role.clone(),
            action_params: self.params.clone(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    role_arn: Option<String>,
    action_params: Option<Value>,
    #[serde(default)]
    tags: Vec<Tag>,
}

fn name_of(req: &Req) -> Result<&str, ApiError> {
    let name = req.path("actionName");
    check_id("actionName", name, 128)?;
    Ok(name)
}

fn missing(name: &str) -> ApiError {
    ApiError::not_found(format!("Mitigation action {name} cannot be found."))
}

fn arn(account: &Account, name: &str) -> String {
    account.arn("mitigationaction", name)
}

/// CreateMitigationAction.
pub fn create(req: &Req) -> Result<Resp, ApiError> {
    let name = name_of(req)?;
    let body: Body = req.json()?;
    let role = body.role_arn.ok_or_else(|| when::missing("roleArn"))?;
    check_role("roleArn", &role)?;
    let params = Params::read(body.action_params.ok_or_else(|| when::missing("actionParams"))?)?;
    let (id, arn, now) = (uuid(), arn(&req.account, name), req.account.clock.now_ms());
    let mut state = req.account.write();
    if let Some(held) = state.mitigation.actions.get(name) {
        let text = format!("Mitigation action {name} already exists");
        return Err(ApiError::already_exists(text, &held.id, &arn));
    }
    if state.mitigation.actions.len() >= ACTIONS {
        return Err(ApiError::limit(format!("At most {ACTIONS} mitigation actions are allowed")));
    }
    state.registry.set_tags(&arn, &body.tags)?;
    let action = Action { id: id.clone(), role, params, created_ms: now, modified_ms: now };
    state.mitigation.actions.put(name, action);
    Resp::json(json!({"actionArn": arn, "actionId": id}))
}

/// UpdateMitigationAction: what is not given stays; the type cannot change.
pub fn update(req: &Req) -> Result<Resp, ApiError> {
    let name = name_of(req)?;
    let body: Body = req.json()?;
    let params = body.action_params.map(Params::read).transpose()?;
    if let Some(role) = &body.role_arn {
        check_role("roleArn", role)?;
    }
    let now = req.account.clock.now_ms();
    let mut state = req.account.write();
    let held = state.mitigation.actions.get(name).ok_or_else(|| missing(name))?;
    if params.as_ref().is_some_and(|p| p.kind() != held.params.kind()) {
        return Err(ApiError::invalid(format!("The type of mitigation action {name} cannot be changed")));
    }
    let id = held.id.clone();
    state.mitigation.actions.update(name, |action| {
        action.params = params.unwrap_or_else(|| action.params.clone());
        action.role = body.role_arn.unwrap_or_else(|| action.role.clone());
        action.modified_ms = now;
    });
    Resp::json(json!({"actionArn": arn(&req.account, name), "actionId": id}))
}

/// DescribeMitigationAction.
pub fn describe(req: &Req) -> Result<Resp, ApiError> {
    let name = name_of(req)?;
    let state = req.account.read();
    let action = state.mitigation.actions.get(name).ok_or_else(|| missing(name))?;
    Resp::json(json!({
        "actionName": name,
        "actionType": action.params.kind(),
        "actionArn": arn(&req.account, name),
        "actionId": action.id,
        "roleArn": action.role,
        "actionParams": action.params,
        "creationDate": when::seconds(action.created_ms),
        "lastModifiedDate": when::seconds(action.modified_ms),
    }))
}

/// DeleteMitigationAction: fine when there is none. Tasks go on with what they took over.
pub fn delete(req: &Req) -> Result<Resp, ApiError> {
    let name = name_of(req)?;
    let mut state = req.account.write();
    state.mitigation.actions.remove(name);
    state.registry.drop_tags(&arn(&req.account, name));
    Resp::empty()
}

/// ListMitigationActions.
pub fn list(req: &Req) -> Result<Resp, ApiError> {
    let wanted = req.query("actionType");
    if let Some(kind) = wanted {
        validate::one_of("actionType", kind, &TYPES)?;
    }
    let page = req.page(250, 250)?;
    let state = req.account.read();
    let rows = state
        .mitigation
        .actions
        .after(page.after.as_deref())
        .filter(|(_, action)| wanted.is_none_or(|kind| kind == action.params.kind()))
        .map(|(name, action)| {
            let created = when::seconds(action.created_ms);
            (name, json!({"actionName": name, "actionArn": arn(&req.account, name), "creationDate": created}))
        });
    let (actions, next) = page.take(rows);
    Resp::page("actionIdentifiers", actions, next)
}
