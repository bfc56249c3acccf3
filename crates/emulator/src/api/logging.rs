//! AWS IoT's logging options, old and new: kept and answered. What they change is what the audit says of them.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{ApiError, Req, Resp, audit, validate, when};
use crate::store::{Table, Wal};

const LEVELS: [&str; 5] = ["DEBUG", "INFO", "ERROR", "WARN", "DISABLED"];
const OLD: &str = "v1";
const NEW: &str = "v2";

/// One generation of options.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Options {
    role: Option<String>,
    level: String,
    #[serde(default)]
    all_off: bool,
}

impl Options {
    fn is_on(&self) -> bool {
        self.role.is_some() && self.level != "DISABLED" && !self.all_off
    }
}

/// The account's logging options.
pub struct Logging {
    options: Table<Options>,
    /// Levels of their own, under `TYPE/name`.
    levels: Table<String>,
}

impl Logging {
    /// What `wal` held.
    pub fn open(wal: &Wal) -> Self {
        Self { options: Table::open(wal, "logging"), levels: Table::open(wal, "logging-levels") }
    }

    /// Does AWS IoT write logs?
    pub fn is_on(&self) -> bool {
        self.options.iter().any(|(_, o)| o.is_on())
    }

    /// Turns the new options on, or off with the level `DISABLED`.
    ///
    /// # Errors
    /// `InvalidRequestException` for an unknown level or what is no role.
    pub fn enable(&mut self, role: &str, level: &str) -> Result<(), ApiError> {
        validate::one_of("logLevel", level, &LEVELS)?;
        audit::check_role("roleArn", role)?;
        let options = Options { role: Some(role.to_owned()), level: level.to_owned(), all_off: false };
        self.options.put(NEW, options);
        Ok(())
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Body {
    role_arn: Option<String>,
    default_log_level: Option<String>,
    disable_all_logs: bool,
    log_level: Option<String>,
}

/// SetV2LoggingOptions: members not given stay.
pub(super) fn set_v2(req: &Req) -> Result<Resp, ApiError> {
    let body: Body = req.json()?;
    let mut state = req.account.write();
    let mut options = state.logging.options.get(NEW).cloned().unwrap_or_default();
    if let Some(role) = body.role_arn {
        audit::check_role("roleArn", &role)?;
        options.role = Some(role);
    }
    if let Some(level) = body.default_log_level {
        validate::one_of("defaultLogLevel", &level, &LEVELS)?;
        options.level = level;
    } else if options.level.is_empty() {
        "ERROR".clone_into(&mut options.level);
    }
    if options.role.is_none() {
        return Err(when::missing("roleArn"));
    }
    options.all_off = body.disable_all_logs;
    state.logging.options.put(NEW, options);
    Resp::nothing()
}

/// GetV2LoggingOptions: 404 before they were ever set.
pub(super) fn get_v2(req: &Req) -> Result<Resp, ApiError> {
    let state = req.account.read();
    let Some(options) = state.logging.options.get(NEW) else {
        return Err(ApiError::new(404, "NotConfiguredException", "The resource is not configured."));
    };
    Resp::json(
        json!({"roleArn": options.role, "defaultLogLevel": options.level, "disableAllLogs": options.all_off}),
    )
}

/// SetLoggingOptions, the older form: the body is the options themselves.
pub(super) fn set_v1(req: &Req) -> Result<Resp, ApiError> {
    let body: Body = req.json()?;
    let role = body.role_arn.ok_or_else(|| when::missing("loggingOptionsPayload.roleArn"))?;
    audit::check_role("roleArn", &role)?;
    let level = body.log_level.unwrap_or_else(|| "DISABLED".to_owned());
    validate::one_of("logLevel", &level, &LEVELS)?;
    req.account.write().logging.options.put(OLD, Options { role: Some(role), level, all_off: false });
    Resp::nothing()
}

/// GetLoggingOptions: empty before they were ever set.
pub(super) fn get_v1(req: &Req) -> Result<Resp, ApiError> {
    let state = req.account.read();
    match state.logging.options.get(OLD) {
        Some(options) => Resp::json(json!({"roleArn": options.role, "logLevel": options.level})),
        None => Resp::json(json!({"logLevel": "DISABLED"})),
    }
}

const TARGETS: [&str; 5] = ["DEFAULT", "THING_GROUP", "CLIENT_ID", "SOURCE_IP", "PRINCIPAL_ID"];

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LevelBody {
    log_target: Option<Target>,
    log_level: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    target_type: String,
    target_name: Option<String>,
}

fn not_configured() -> ApiError {
    ApiError::new(404, "NotConfiguredException", "The resource is not configured.")
}

/// SetV2LoggingLevel: needs the options to be set first.
pub(super) fn set_level(req: &Req) -> Result<Resp, ApiError> {
    let body: LevelBody = req.json()?;
    let target = body.log_target.ok_or_else(|| when::missing("logTarget"))?;
    let level = body.log_level.ok_or_else(|| when::missing("logLevel"))?;
    validate::one_of("logTarget.targetType", &target.target_type, &TARGETS)?;
    validate::one_of("logLevel", &level, &LEVELS)?;
    let name = target.target_name.unwrap_or_default();
    if name.is_empty() != (target.target_type == TARGETS[0]) {
        return Err(ApiError::invalid("targetName is required for every target type but DEFAULT"));
    }
    let mut state = req.account.write();
    if target.target_type == TARGETS[0] {
        let set = state.logging.options.update(NEW, |options| options.level = level);
        return set.map_or_else(|| Err(not_configured()), |()| Resp::nothing());
    }
    if !state.logging.options.contains(NEW) {
        return Err(not_configured());
    }
    if target.target_type == "THING_GROUP" {
        state.registry.require_group(&name)?;
    }
    state.logging.levels.put(&format!("{}/{name}", target.target_type), level);
    Resp::nothing()
}

/// ListV2LoggingLevels, in the order of target types and names.
pub(super) fn list_levels(req: &Req) -> Result<Resp, ApiError> {
    let page = req.page(250, 250)?;
    let wanted = req.query("targetType");
    if let Some(kind) = wanted {
        validate::one_of("targetType", kind, &TARGETS)?;
    }
    let state = req.account.read();
    let default = state.logging.options.get(NEW).ok_or_else(not_configured)?;
    let first = (TARGETS[0], json!({"logTarget": {"targetType": TARGETS[0]}, "logLevel": default.level}));
    let named = state.logging.levels.iter().filter_map(|(key, level)| {
        let (kind, name) = key.split_once('/')?;
        let target = json!({"targetType": kind, "targetName": name});
        Some((key, json!({"logTarget": target, "logLevel": level})))
    });
    let mut rows: Vec<_> = std::iter::once(first).chain(named).collect();
    rows.retain(|(key, _)| wanted.is_none_or(|kind| key.split('/').next() == Some(kind)));
    rows.sort_by(|a, b| a.0.cmp(b.0));
    let (rows, next) = page.take(rows.into_iter());
    Resp::page("logTargetConfigurations", rows, next)
}

/// DeleteV2LoggingLevel: fine when there is none.
pub(super) fn delete_level(req: &Req) -> Result<Resp, ApiError> {
    let (kind, name) = (req.required_query("targetType")?, req.required_query("targetName")?);
    validate::one_of("targetType", kind, &TARGETS)?;
    req.account.write().logging.levels.remove(&format!("{kind}/{name}"));
    Resp::nothing()
}
