//! What AWS checks when a rule is created or replaced, and the rule ready to run.

use serde_json::Value;

use super::store::RuleRow;
use crate::api::ApiError;
use quell_rules::sql::{SqlError, Statement, Template, Version};

/// Members each action must have (service model), with those named first that name its resource.
const ACTIONS: &[(&str, &[&str])] = &[
    ("cloudwatchAlarm", &["alarmName", "roleArn", "stateReason", "stateValue"]),
    ("cloudwatchLogs", &["logGroupName", "roleArn"]),
    ("cloudwatchMetric", &["metricName", "roleArn", "metricNamespace", "metricValue", "metricUnit"]),
    ("dynamoDB", &["tableName", "roleArn", "hashKeyField", "hashKeyValue"]),
    ("dynamoDBv2", &["putItem", "roleArn"]),
    ("elasticsearch", &["endpoint", "roleArn", "index", "type", "id"]),
    ("firehose", &["deliveryStreamName", "roleArn"]),
    ("http", &["url"]),
    ("iotAnalytics", &[]),
    ("iotEvents", &["inputName", "roleArn"]),
    ("iotSiteWise", &["putAssetPropertyValueEntries", "roleArn"]),
    ("kafka", &["destinationArn", "topic", "clientProperties"]),
    ("kinesis", &["streamName", "roleArn"]),
    ("lambda", &["functionArn"]),
    ("location", &["trackerName", "roleArn", "deviceId", "latitude", "longitude"]),
    ("openSearch", &["endpoint", "roleArn", "index", "type", "id"]),
    ("republish", &["topic", "roleArn"]),
    ("s3", &["bucketName", "roleArn", "key"]),
    ("salesforce", &["url", "token"]),
    ("sns", &["targetArn", "roleArn"]),
    ("sqs", &["queueUrl", "roleArn"]),
    ("stepFunctions", &["stateMachineName", "roleArn"]),
    ("timestream", &["tableName", "roleArn", "databaseName", "dimensions"]),
];

/// Actions of a rule at most.
const MOST_ACTIONS: usize = 10;

/// An action ready to run.
#[derive(Debug)]
pub(super) enum Action {
    Metric {
        namespace: Template,
        name: Template,
        value: Template,
        unit: Template,
        timestamp: Option<Template>,
    },
    Republish {
        topic: Template,
        qos: Template,
        headers: Option<Box<Headers>>,
    },
    Sns {
        target: Template,
        json: bool,
    },
    S3 {
        bucket: Template,
        key: Template,
    },
    Logs {
        group: Template,
    },
    /// Stored, and failing when it runs: the service is not here.
    Elsewhere {
        resource: String,
    },
}

/// An action and its name in metrics and failures.
#[derive(Debug)]
pub(super) struct Step {
    /// `cloudwatchMetric`, as in the payload.
    pub(super) kind: &'static str,
    pub(super) action: Action,
}

/// A rule ready to run.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) statement: Statement,
    pub(super) steps: Vec<Step>,
    pub(super) on_error: Option<Step>,
}

fn sql_error(error: &SqlError) -> ApiError {
    ApiError::new(400, "SqlParseException", error.to_string())
}

/// Rule names: `[a-zA-Z0-9_]{1,128}`.
pub(super) fn name(name: &str) -> Result<(), ApiError> {
    let good = (1..=128).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if good {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "1 validation error detected: Value '{name}' at 'ruleName' failed to satisfy constraint: \
         Member must satisfy regular expression pattern: ^[a-zA-Z0-9_]+$"
    )))
}

/// Checks a rule and makes it ready. The statement is checked first, as AWS answers SqlParseException for it alone.
pub(super) fn compile(name: &str, row: &RuleRow) -> Result<Rule, ApiError> {
    let version = Version::parse(&row.aws_iot_sql_version)
        .ok_or_else(|| ApiError::invalid(format!("Unsupported SQL version: {}", row.aws_iot_sql_version)))?;
    let statement = Statement::parse(&row.sql, version).map_err(|e| sql_error(&e))?;
    // What would have to be made up is refused by its name, not answered with nothing.
    if let Some(told) = statement.unmodelled() {
        return Err(sql_error(told));
    }
    if row.actions.len() > MOST_ACTIONS {
        return Err(ApiError::invalid(format!("A rule can have at most {MOST_ACTIONS} actions")));
    }
    let steps = row.actions.iter().map(|a| step(a, &statement)).collect::<Result<_, _>>()?;
    let on_error = row.error_action.as_ref().map(|a| step(a, &statement)).transpose()?;
    Ok(Rule { name: name.to_owned(), statement, steps, on_error })
}

fn step(action: &Value, statement: &Statement) -> Result<Step, ApiError> {
    let given = action.as_object().map(|m| m.iter().filter(|(_, v)| !v.is_null()).collect::<Vec<_>>());
    let Some([(name, body)]) = given.as_deref() else {
        return Err(ApiError::invalid("An action must have exactly one of its members set"));
    };
    let Some((kind, required)) = ACTIONS.iter().find(|(k, _)| k == name) else {
        return Err(ApiError::invalid(format!("Unknown action: {name}")));
    };
    for member in *required {
        if body.get(member).is_none_or(|v| v.is_null() || v == "") {
            return Err(ApiError::invalid(format!("Missing required member {member} of action {name}")));
        }
    }
    if let Some(role) = body.get("roleArn").and_then(Value::as_str) {
        check_role(role)?;
    }
    let text = |member: &str| body.get(member).and_then(Value::as_str).unwrap_or_default();
    let filled = |member: &str, text: &str| -> Result<Template, ApiError> {
        let invalid = |e: &SqlError| {
            ApiError::invalid(format!("Invalid substitution template in {name}.{member}: {e}"))
        };
        let template = statement.template(text).map_err(|e| invalid(&e))?;
        template.unmodelled().map_or(Ok(()), |told| Err(invalid(told)))?;
        Ok(template)
    };
    let template = |member: &str| filled(member, text(member));
    let action = match *kind {
        "cloudwatchMetric" => Action::Metric {
            namespace: template("metricNamespace")?,
            name: template("metricName")?,
            value: template("metricValue")?,
            unit: template("metricUnit")?,
            timestamp: if text("metricTimestamp").is_empty() {
                None
            } else {
                Some(template("metricTimestamp")?)
            },
        },
        "republish" => {
            // An integer in the model; the API also takes a template.
            let qos = match body.get("qos") {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Number(n)) => n.to_string(),
                _ => "0".to_owned(),
            };
            let qos = statement.template(&qos).map_err(|e| ApiError::invalid(e.to_string()))?;
            let headers = body.get("headers").filter(|headers| !headers.is_null());
            let headers = headers.map(|headers| Headers::read(headers, &filled)).transpose()?;
            Action::Republish { topic: template("topic")?, qos, headers: headers.map(Box::new) }
        }
        "sns" => {
            let format = body.get("messageFormat").and_then(Value::as_str).unwrap_or("RAW");
            crate::api::validate::one_of("messageFormat", format, &["RAW", "JSON"])?;
            Action::Sns { target: template("targetArn")?, json: format == "JSON" }
        }
        "s3" => Action::S3 { bucket: template("bucketName")?, key: template("key")? },
        "cloudwatchLogs" => Action::Logs { group: template("logGroupName")? },
        _ => Action::Elsewhere { resource: required.first().map_or("", |m| text(m)).to_owned() },
    };
    Ok(Step { kind, action })
}

/// The MQTT 5 properties a republish action gives its messages.
#[derive(Debug)]
pub(super) struct Headers {
    pub(super) format: Option<Template>,
    pub(super) content_type: Option<Template>,
    pub(super) response_topic: Option<Template>,
    /// In base64.
    pub(super) correlation: Option<Template>,
    /// Seconds.
    pub(super) expiry: Option<Template>,
    pub(super) user: Vec<(Template, Template)>,
}

impl Headers {
    /// The `headers` of a republish action.
    fn read(
        headers: &Value,
        filled: &impl Fn(&str, &str) -> Result<Template, ApiError>,
    ) -> Result<Self, ApiError> {
        let one = |member: &str| {
            let text = headers.get(member).and_then(Value::as_str);
            text.map(|text| filled(&format!("headers.{member}"), text)).transpose()
        };
        let pairs = headers.get("userProperties").and_then(Value::as_array).map_or(&[][..], |all| all);
        let pair = |pair: &Value| {
            let part = |member: &str| {
                let text = pair.get(member).and_then(Value::as_str).unwrap_or_default();
                filled(&format!("headers.userProperties.{member}"), text)
            };
            Ok((part("key")?, part("value")?))
        };
        Ok(Self {
            format: one("payloadFormatIndicator")?,
            content_type: one("contentType")?,
            response_topic: one("responseTopic")?,
            correlation: one("correlationData")?,
            expiry: one("messageExpiry")?,
            user: pairs.iter().map(pair).collect::<Result<_, ApiError>>()?,
        })
    }
}

/// AWS assumes the role when the rule is made. Here it need only be one: `arn:aws:iam::ACCOUNT:role/NAME`.
fn check_role(role: &str) -> Result<(), ApiError> {
    let parts: Vec<&str> = role.splitn(6, ':').collect();
    let good = matches!(&parts[..], ["arn", _, "iam", "", account, name]
        if account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()) && name.strip_prefix("role/").is_some_and(|n| !n.is_empty()));
    if good {
        return Ok(());
    }
    Err(ApiError::invalid(format!("Unable to assume the role, or the role does not exist: {role}")))
}
