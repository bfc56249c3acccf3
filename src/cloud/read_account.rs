//! Reads that only some views need: policies in effect, a thing's jobs and device-side metrics, topic rules.

use aws_sdk_iot::types as sdk;
use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
use serde_json::Value;

use quell_fleet::Ms;
use quell_fleet::account::{
    CustomMetricRecord, DimensionRecord, EffectivePolicy, JobDetail, MetricSeries, RuleDelivery, RuleMetric,
    RuleRecord, TrainingRecord,
};
use quell_fleet::known::Trouble;
use quell_fleet::model::{ExecutionRecord, Name, Violation};
use quell_fleet::text::SafeText;
use quell_rules::detect::model::MetricValue;

use super::call::{Read, failed, one, pages};
use super::read;
use super::{Aws, convert, now_ms, read_detect, trouble};

/// Statements of a policy that are put in words.
const STATEMENTS: usize = 12;
/// Rules whose statement is read: an account's default limit is 1000, and each costs a call.
const RULES: usize = 100;
/// Device-side metrics are read this far back.
const METRICS_BACK: Ms = 3_600_000;

/// Dimensions and custom metrics described: an account's quota is 10 and 100.
const DESCRIBED: usize = 100;
/// A violation's metric is read this far back.
const VALUES_BACK: Ms = 6 * 3_600_000;

/// The metrics a Defender agent reports (docs/aws-iot.md#3.8).
const DEVICE_METRICS: [&str; 10] = [
    "aws:all-bytes-out",
    "aws:all-bytes-in",
    "aws:all-packets-out",
    "aws:all-packets-in",
    "aws:num-established-tcp-connections",
    "aws:destination-ip-addresses",
    "aws:listening-tcp-ports",
    "aws:num-listening-tcp-ports",
    "aws:listening-udp-ports",
    "aws:num-listening-udp-ports",
];

pub(super) fn safe(text: Option<&str>) -> SafeText {
    SafeText::new(text.unwrap_or_default())
}

/// GetEffectivePolicies of each certificate of a thing, and what each policy hangs on: GetEffectivePolicies does not say.
///
/// # Errors
/// When a call fails.
pub async fn policies_of(aws: &Aws, thing: &str) -> Read<Vec<EffectivePolicy>> {
    let mut out = Vec::new();
    for principal in read::principals(aws, thing).await? {
        let short: String = principal.rsplit('/').next().unwrap_or_default().chars().take(8).collect();
        let own = read::attached(aws, &principal).await?.unwrap_or_default();
        for policy in read::effective_policies(aws, thing, &principal).await? {
            let of_group = match own.iter().any(|name| name == policy.name.raw()) {
                true => None,
                false => group_of(aws, thing, policy.name.raw()).await?,
            };
            let (in_group, id) = (of_group.is_some(), principal.rsplit('/').next().unwrap_or_default());
            let hangs_on = of_group.unwrap_or_else(|| SafeText::new(&format!("certificate {short}…")));
            out.push(EffectivePolicy {
                name: policy.name.shown().clone(),
                hangs_on,
                statements: policy.document.as_deref().map(statements).unwrap_or_default(),
                principal: id.to_owned(),
                document: policy.document,
                of_group: in_group,
            });
        }
    }
    Ok(out)
}

/// The thing group, of those a thing is in and those above them, that a policy hangs on, in words.
async fn group_of(aws: &Aws, thing: &str, policy: &str) -> Read<Option<SafeText>> {
    for group in read::groups_of(aws, thing).await? {
        let Some(found) = read::describe_thing_group(aws, group.raw()).await? else { continue };
        let above = found.ancestors.iter().filter_map(|name| {
            let (prefix, _) = found.arn.rsplit_once('/')?;
            Some((name, format!("{prefix}/{}", name.raw())))
        });
        let own = std::iter::once((&group, found.arn.clone()));
        for (name, arn) in own.chain(above) {
            if read::attached(aws, &arn).await?.unwrap_or_default().iter().any(|attached| attached == policy)
            {
                return Ok(Some(SafeText::new(&format!("group {}", name.shown()))));
            }
        }
    }
    Ok(None)
}

/// A policy document's statements in words.
fn statements(document: &str) -> Vec<SafeText> {
    let Ok(document) = serde_json::from_str::<Value>(document) else { return Vec::new() };
    let list = match document.get("Statement") {
        Some(Value::Array(all)) => all.clone(),
        Some(one) => vec![one.clone()],
        None => return Vec::new(),
    };
    let words = |value: Option<&Value>| match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        _ => "?".to_owned(),
    };
    list.iter()
        .take(STATEMENTS)
        .map(|statement| {
            let effect = statement.get("Effect").and_then(Value::as_str).unwrap_or("?");
            let (action, resource) = (words(statement.get("Action")), words(statement.get("Resource")));
            let when = if statement.get("Condition").is_some() { " under a condition" } else { "" };
            SafeText::limited(format!("{effect} {action} on {resource}{when}").as_bytes(), 400)
        })
        .collect()
}

/// ListJobExecutionsForThing.
///
/// # Errors
/// When the call fails.
pub async fn jobs_of(aws: &Aws, thing: &str) -> Read<Vec<ExecutionRecord>> {
    let call = aws.iot.list_job_executions_for_thing().thing_name(thing).max_results(250);
    let list = pages!(aws, call, "iot:ListJobExecutionsForThing", execution_summaries);
    let list = failed("iot:ListJobExecutionsForThing", list)?;
    let mut all: Vec<_> = list
        .iter()
        .map(|found| {
            let summary = found.job_execution_summary();
            ExecutionRecord {
                job: Name::new(found.job_id().unwrap_or_default()),
                thing: Name::new(thing),
                status: safe(summary.and_then(|s| s.status()).map(sdk::JobExecutionStatus::as_str)),
                number: summary.and_then(|s| s.execution_number()).unwrap_or_default(),
                queued: convert::ms(summary.and_then(|s| s.queued_at())),
                started: convert::ms(summary.and_then(|s| s.started_at())),
                updated: convert::ms(summary.and_then(|s| s.last_updated_at())),
            }
        })
        .collect();
    all.sort_by_key(|e| std::cmp::Reverse(e.updated.or(e.started).or(e.queued)));
    Ok(all)
}

/// GetJobDocument, and of DescribeJob how the job is rolled out; `None` when there is no such job.
///
/// # Errors
/// When a call fails.
pub async fn job_detail(aws: &Aws, id: &str) -> Read<Option<JobDetail>> {
    let Some(job) = read::described_job(aws, id).await? else { return Ok(None) };
    let document = match one!(aws, aws.iot.get_job_document().job_id(id), "iot:GetJobDocument", true) {
        Ok(found) => found.document,
        Err(e) if trouble::is_not_found(&e) => return Ok(None),
        Err(e) => return Err(trouble::of(&e, "iot:GetJobDocument")),
    };
    let document = document
        .map_or(Value::Null, |text| serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text)));
    let rollout = job.job_executions_rollout_config();
    let growing = rollout.and_then(|rollout| rollout.exponential_rate()).map(|rate| {
        let after = rate.rate_increase_criteria().map(|after| {
            match (after.number_of_succeeded_things(), after.number_of_notified_things()) {
                (Some(n), _) => format!(" once {n} more succeeded"),
                (None, Some(n)) => format!(" once {n} more were told"),
                (None, None) => String::new(),
            }
        });
        let (base, factor) = (rate.base_rate_per_minute(), rate.increment_factor());
        SafeText::new(&format!("{base} a minute at first, times {factor}{}", after.unwrap_or_default()))
    });
    let abort = job.abort_config().map(|abort| abort.criteria_list()).unwrap_or_default();
    let retries = job.job_executions_retry_config().map(|all| all.criteria_list()).unwrap_or_default();
    Ok(Some(JobDetail {
        document,
        per_minute: rollout
            .and_then(|rollout| rollout.maximum_per_minute())
            .and_then(|n| u32::try_from(n).ok()),
        growing,
        abort: abort
            .iter()
            .map(|rule| {
                let (percent, least) = (rule.threshold_percentage(), rule.min_number_of_executed_things());
                let kind = rule.failure_type().as_str();
                SafeText::new(&format!("canceled when {percent} % of at least {least} end {kind}"))
            })
            .collect(),
        timeout_minutes: job.timeout_config().and_then(|config| config.in_progress_timeout_in_minutes()),
        retries: retries
            .iter()
            .map(|rule| {
                let (kind, times) = (rule.failure_type().as_str(), rule.number_of_retries());
                SafeText::new(&format!("{kind} is tried again {times} times"))
            })
            .collect(),
    }))
}

/// Custom metrics asked about for a device: each costs a call, and AWS allows an account a hundred.
const CUSTOM: usize = 16;

/// ListMetricValues of each device-side metric over the last hour, and of the account's custom ones; metrics without a
/// value are left out.
///
/// # Errors
/// When a call fails.
pub async fn metrics_of(aws: &Aws, thing: &str) -> Read<Vec<MetricSeries>> {
    let now = now_ms();
    let mut out = Vec::new();
    let call = aws.iot.list_custom_metrics();
    let custom = failed("iot:ListCustomMetrics", pages!(aws, call, "iot:ListCustomMetrics", metric_names))?;
    let custom = custom.iter().take(CUSTOM).map(String::as_str);
    for metric in DEVICE_METRICS.into_iter().chain(custom) {
        let points = points(aws, thing, metric, now - METRICS_BACK, now).await?;
        if !points.is_empty() {
            out.push(MetricSeries { metric: SafeText::new(metric), points });
        }
    }
    Ok(out)
}

/// ListDimensions, and DescribeDimension of each.
///
/// # Errors
/// When a call fails.
pub async fn dimensions(aws: &Aws) -> Read<Vec<DimensionRecord>> {
    let call = aws.iot.list_dimensions();
    let list = failed("iot:ListDimensions", pages!(aws, call, "iot:ListDimensions", dimension_names))?;
    let mut out = Vec::new();
    for name in list.iter().take(DESCRIBED) {
        let Some(values) = read_detect::dimension(aws, name).await? else { continue };
        let values = values.iter().map(|v| SafeText::new(v)).collect();
        out.push(DimensionRecord { name: SafeText::new(name), values });
    }
    Ok(out)
}

/// ListCustomMetrics, and DescribeCustomMetric of each.
///
/// # Errors
/// When a call fails.
pub async fn custom_metrics(aws: &Aws) -> Read<Vec<CustomMetricRecord>> {
    let call = aws.iot.list_custom_metrics();
    let list = failed("iot:ListCustomMetrics", pages!(aws, call, "iot:ListCustomMetrics", metric_names))?;
    let mut out = Vec::new();
    for name in list.iter().take(DESCRIBED) {
        let Some((kind, display)) = read_detect::custom_metric(aws, name).await? else { continue };
        out.push(CustomMetricRecord {
            name: SafeText::new(name),
            kind: SafeText::new(&kind),
            display: display.as_deref().map(SafeText::new),
        });
    }
    Ok(out)
}

/// GetBehaviorModelTrainingSummaries of all profiles.
///
/// # Errors
/// When the call fails.
pub async fn training(aws: &Aws) -> Read<Vec<TrainingRecord>> {
    let call = aws.iot.get_behavior_model_training_summaries().max_results(10);
    let list = pages!(aws, call, "iot:GetBehaviorModelTrainingSummaries", summaries);
    let list = failed("iot:GetBehaviorModelTrainingSummaries", list)?;
    let record = |from: &sdk::BehaviorModelTrainingSummary| TrainingRecord {
        profile: safe(from.security_profile_name()),
        behavior: safe(from.behavior_name()),
        status: safe(from.model_status().map(sdk::ModelStatus::as_str)),
        collected: from.datapoints_collection_percentage(),
        since: convert::ms(from.training_data_collection_start_date()),
        refreshed: convert::ms(from.last_model_refresh_date()),
    };
    Ok(list.iter().map(record).collect())
}

/// Active violations whose alerts are suppressed: AWS leaves them out unless it is asked for them.
///
/// # Errors
/// When the call fails.
pub async fn suppressed(aws: &Aws) -> Read<Vec<Violation>> {
    let call = aws.iot.list_active_violations().list_suppressed_alerts(true).max_results(250);
    let list = pages!(aws, call, "iot:ListActiveViolations", active_violations);
    let list = failed("iot:ListActiveViolations", list)?;
    let quiet = |v: &&sdk::ActiveViolation| v.behavior().is_some_and(|b| b.suppress_alerts() == Some(true));
    Ok(list.iter().filter(quiet).map(convert::violation).collect())
}

/// ListMetricValues of one metric of a thing over the last hours; no points when no profile retains it.
///
/// # Errors
/// When the call fails.
pub async fn values(aws: &Aws, thing: &str, metric: &SafeText) -> Read<MetricSeries> {
    let now = now_ms();
    let points = points(aws, thing, metric.as_str(), now - VALUES_BACK, now).await?;
    Ok(MetricSeries { metric: metric.clone(), points })
}

async fn points(aws: &Aws, thing: &str, metric: &str, from: Ms, to: Ms) -> Read<Vec<(Ms, MetricValue)>> {
    let time = aws_smithy_types::DateTime::from_millis;
    let call = aws.iot.list_metric_values().thing_name(thing).metric_name(metric);
    let call = call.start_time(time(from)).end_time(time(to)).max_results(100);
    let list = match pages!(aws, call, "iot:ListMetricValues", metric_datum_list) {
        // Kept only where a profile names or retains it (docs/aws-iot.md#4): one that is not has no values to show.
        Err(e) if e.code() == Some("InvalidRequestException") => return Ok(Vec::new()),
        list => failed("iot:ListMetricValues", list)?,
    };
    let mut points: Vec<_> =
        list.iter().filter_map(|d| Some((convert::ms(d.timestamp())?, convert::value(d.value()?)))).collect();
    points.sort_by_key(|(at, _)| *at);
    Ok(points)
}

/// What GetTopicRule says of a name. The model has no "not found": AWS says "unauthorized" of a rule that does not exist
/// (docs/aws-iot.md#2.7).
enum Rule {
    There(Box<sdk::TopicRule>),
    None,
    /// There is none, or it may not be read.
    NoneOrHidden(Trouble),
}

impl Rule {
    async fn of(aws: &Aws, name: &str) -> Read<Self> {
        match one!(aws, aws.iot.get_topic_rule().rule_name(name), "iot:GetTopicRule", true) {
            Ok(found) => Ok(found.rule.map_or(Self::None, |rule| Self::There(Box::new(rule)))),
            Err(e) if trouble::is_not_found(&e) => Ok(Self::None),
            Err(e) if e.code() == Some("UnauthorizedException") => {
                Ok(Self::NoneOrHidden(trouble::of(&e, "iot:GetTopicRule")))
            }
            Err(e) => Err(trouble::of(&e, "iot:GetTopicRule")),
        }
    }

    /// The rule, if it could be read.
    fn there(self) -> Option<sdk::TopicRule> {
        if let Self::There(rule) = self { Some(*rule) } else { None }
    }
}

/// A rule as it is (GetTopicRule); `None` when there is none of that name.
///
/// # Errors
/// When it cannot be read, or not be told whether it is there.
pub async fn rule(aws: &Aws, name: &str) -> Read<Option<sdk::TopicRule>> {
    match Rule::of(aws, name).await? {
        Rule::There(rule) => Ok(Some(*rule)),
        Rule::None => Ok(None),
        // The list decides which of the two it is.
        Rule::NoneOrHidden(trouble) => {
            let listed = listed_rules(aws).await?.iter().any(|listed| listed.rule_name() == Some(name));
            if listed { Err(trouble) } else { Ok(None) }
        }
    }
}

async fn listed_rules(aws: &Aws) -> Read<Vec<sdk::TopicRuleListItem>> {
    let call = aws.iot.list_topic_rules().max_results(1000);
    failed("iot:ListTopicRules", pages!(aws, call, "iot:ListTopicRules", rules))
}

/// ListTopicRules, and GetTopicRule of each.
///
/// # Errors
/// When a call fails.
pub async fn rules(aws: &Aws) -> Read<Vec<RuleRecord>> {
    let list = listed_rules(aws).await?;
    let mut out = Vec::new();
    for item in list.iter().take(RULES) {
        let name = item.rule_name().unwrap_or_default();
        // A rule that is gone meanwhile; AWS calls it unauthorized (docs/aws-iot.md#2).
        let Some(rule) = Rule::of(aws, name).await?.there() else { continue };
        out.push(RuleRecord {
            name: Name::new(name),
            disabled: rule.rule_disabled().unwrap_or(false),
            sql: safe(rule.sql()),
            sql_version: safe(rule.aws_iot_sql_version()),
            description: safe(rule.description()),
            actions: rule.actions().iter().map(action).collect(),
            error_action: rule.error_action().map(action),
            created: convert::ms(rule.created_at()),
            metrics: rule.actions().iter().filter_map(|a| a.cloudwatch_metric()).map(metric).collect(),
            deliveries: rule.actions().iter().filter_map(delivery).collect(),
        });
    }
    Ok(out)
}

fn metric(from: &sdk::CloudwatchMetricAction) -> RuleMetric {
    RuleMetric {
        namespace: Name::new(from.metric_namespace()),
        name: Name::new(from.metric_name()),
        value: Name::new(from.metric_value()),
        unit: Name::new(from.metric_unit()),
        role: Name::new(from.role_arn()),
    }
}

/// What an action hands on and to whom, when quell could write it again whole.
pub fn delivery(action: &sdk::Action) -> Option<RuleDelivery> {
    if let Some(a) = action.sns() {
        let format = a.message_format().map_or("RAW", sdk::MessageFormat::as_str);
        Some(RuleDelivery::Sns {
            topic: Name::new(a.target_arn()),
            role: Name::new(a.role_arn()),
            format: Name::new(format),
        })
    } else if let Some(a) = action.republish() {
        // Headers of MQTT 5 would be lost.
        a.headers().is_none().then(|| RuleDelivery::Republish {
            topic: Name::new(a.topic()),
            qos: a.qos().unwrap_or_default(),
            role: Name::new(a.role_arn()),
        })
    } else {
        action.lambda().map(|a| RuleDelivery::Lambda { function: Name::new(a.function_arn()) })
    }
}

/// An action of a rule in a line.
fn action(action: &sdk::Action) -> SafeText {
    let text = if let Some(a) = action.cloudwatch_metric() {
        format!("CloudWatch metric {} / {} = {}", a.metric_namespace(), a.metric_name(), a.metric_value())
    } else if let Some(a) = action.sns() {
        format!("SNS topic {}", a.target_arn())
    } else if let Some(a) = action.s3() {
        format!("S3 object s3://{}/{}", a.bucket_name(), a.key())
    } else if let Some(a) = action.lambda() {
        format!("Lambda function {}", a.function_arn())
    } else if let Some(a) = action.republish() {
        format!("republish to {}", a.topic())
    } else if let Some(a) = action.sqs() {
        format!("SQS queue {}", a.queue_url())
    } else if let Some(a) = action.kinesis() {
        format!("Kinesis stream {}", a.stream_name())
    } else if let Some(a) = action.firehose() {
        format!("Firehose stream {}", a.delivery_stream_name())
    } else if let Some(a) = action.cloudwatch_logs() {
        format!("CloudWatch logs {}", a.log_group_name())
    } else if let Some(a) = action.cloudwatch_alarm() {
        format!("CloudWatch alarm {} to {}", a.alarm_name(), a.state_value())
    } else if let Some(a) = action.http() {
        format!("HTTPS {}", a.url())
    } else {
        "an action this version of quell has no words for".to_owned()
    };
    SafeText::new(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_words() {
        let text = r#"{"Statement":[{"Effect":"Deny","Action":"iot:*","Resource":"*"},
            {"Effect":"Allow","Action":["iot:Connect","iot:Publish"],"Resource":["a","b"],"Condition":{}}]}"#;
        let words: Vec<_> = statements(text).iter().map(ToString::to_string).collect();
        assert_eq!(words, ["Deny iot:* on *", "Allow iot:Connect, iot:Publish on a, b under a condition"]);
        assert!(statements("not JSON").is_empty());
    }
}
