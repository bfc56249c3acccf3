//! The operations of the control plane.

use serde::Deserialize;
use serde_json::{Value, json};

use super::check;
use super::store::RuleRow;
use crate::api::{ApiError, Req, Resp};
use quell_rules::sql::Version;
use quell_rules::topics::Dialect;

/// A `topicRulePayload`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    sql: Option<String>,
    description: Option<String>,
    actions: Option<Vec<Value>>,
    rule_disabled: Option<bool>,
    aws_iot_sql_version: Option<String>,
    error_action: Option<Value>,
}

fn row(req: &Req, created_ms: i64) -> Result<RuleRow, ApiError> {
    let payload: Payload = req.json()?;
    let sql = payload.sql.filter(|s| !s.is_empty()).ok_or_else(|| ApiError::invalid("sql is required"))?;
    let actions = payload.actions.ok_or_else(|| ApiError::invalid("actions is required"))?;
    let row = RuleRow {
        sql,
        description: payload.description.filter(|d| !d.is_empty()),
        actions,
        rule_disabled: payload.rule_disabled.unwrap_or(false),
        aws_iot_sql_version: payload
            .aws_iot_sql_version
            .unwrap_or_else(|| Version::default().as_str().to_owned()),
        error_action: payload.error_action.filter(|a| !a.is_null()),
        created_ms,
    };
    check::compile(req.path("ruleName"), &row)?;
    Ok(row)
}

/// What AWS answers for a rule that is not there: its model knows no ResourceNotFoundException for rules, so the missing
/// rule looks like a forbidden one.
fn missing(req: &Req) -> ApiError {
    let name = req.path("ruleName");
    ApiError::new(401, "UnauthorizedException", format!("Access to topic rule '{name}' was denied"))
}

/// `CreateTopicRule`.
pub fn create_topic_rule(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("ruleName");
    check::name(name)?;
    let row = row(req, req.account.clock.now_ms())?;
    let arn = req.account.arn("rule", name);
    let created = req.account.rules.change(|table| {
        let free = !table.contains(name);
        if free {
            table.put(name, row);
        }
        free
    });
    if !created {
        return Err(ApiError::already_exists(format!("Rule {name} already exists"), name, &arn));
    }
    let tags = tags(req);
    if !tags.is_empty() {
        req.account.write().registry.set_tags(&arn, &tags)?;
    }
    Resp::empty()
}

/// `x-amz-tagging: k=v&k2=v2`.
fn tags(req: &Req) -> Vec<crate::api::registry::tags::Tag> {
    let header = req.header("x-amz-tagging").unwrap_or_default();
    crate::api::front::decode_query(header)
        .into_iter()
        .map(|(key, value)| crate::api::registry::tags::Tag { key, value })
        .collect()
}

/// `ReplaceTopicRule`.
pub fn replace_topic_rule(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("ruleName");
    check::name(name)?;
    let held = req.account.rules.get(name).ok_or_else(|| missing(req))?;
    let row = row(req, held.created_ms)?;
    req.account.rules.change(|table| drop(table.put(name, row)));
    Resp::empty()
}

/// `DeleteTopicRule`.
pub fn delete_topic_rule(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("ruleName");
    check::name(name)?;
    req.account.rules.change(|table| table.remove(name)).ok_or_else(|| missing(req))?;
    let arn = req.account.arn("rule", name);
    req.account.write().registry.drop_tags(&arn);
    Resp::empty()
}

/// `GetTopicRule`.
pub fn get_topic_rule(req: &Req) -> Result<Resp, ApiError> {
    let name = req.path("ruleName");
    check::name(name)?;
    let row = req.account.rules.get(name).ok_or_else(|| missing(req))?;
    let mut rule = json!({
        "ruleName": name,
        "sql": row.sql,
        "createdAt": row.created_ms as f64 / 1000.0,
        "actions": row.actions,
        "ruleDisabled": row.rule_disabled,
        "awsIotSqlVersion": row.aws_iot_sql_version,
    });
    if let Some(description) = row.description {
        rule["description"] = description.into();
    }
    if let Some(action) = row.error_action {
        rule["errorAction"] = action;
    }
    Resp::json(json!({ "ruleArn": req.account.arn("rule", name), "rule": rule }))
}

/// `ListTopicRules`: `topic` keeps the rules a message on that topic would match.
pub fn list_topic_rules(req: &Req) -> Result<Resp, ApiError> {
    let page = req.page(10_000, 10_000)?;
    let disabled = match req.query("ruleDisabled") {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => return Err(ApiError::invalid("ruleDisabled must be true or false")),
    };
    let rows = req.account.rules.all();
    let rows = rows.iter().filter_map(|(name, row)| {
        let pattern = check::compile(name, row).ok()?.statement.from.unwrap_or_default();
        let wanted = disabled.is_none_or(|d| d == row.rule_disabled)
            && req.query("topic").is_none_or(|t| t == pattern || Dialect::Aws.matches(&pattern, t));
        wanted.then(|| {
            let entry = json!({
                "ruleArn": req.account.arn("rule", name),
                "ruleName": name,
                "topicPattern": pattern,
                "createdAt": row.created_ms as f64 / 1000.0,
                "ruleDisabled": row.rule_disabled,
            });
            (name.as_str(), entry)
        })
    });
    let (rules, next) = page.take(rows);
    let mut out = json!({ "rules": rules });
    if let Some(token) = next {
        out["nextToken"] = token.into();
    }
    Resp::json(out)
}

fn set_disabled(req: &Req, disabled: bool) -> Result<Resp, ApiError> {
    let name = req.path("ruleName");
    check::name(name)?;
    let found = req.account.rules.change(|table| table.update(name, |row| row.rule_disabled = disabled));
    found.ok_or_else(|| missing(req))?;
    Resp::empty()
}

/// `EnableTopicRule`.
pub fn enable_topic_rule(req: &Req) -> Result<Resp, ApiError> {
    set_disabled(req, false)
}

/// `DisableTopicRule`.
pub fn disable_topic_rule(req: &Req) -> Result<Resp, ApiError> {
    set_disabled(req, true)
}
