//! A security profile as a whole, in AWS's own shape: what a file holds, what is exported, and what a plan would write.
//!
//! What DescribeSecurityProfile prints can be read back, and what is exported can be given to
//! `aws iot create-security-profile --cli-input-json` (docs/aws-iot.md#2.2, #2.3).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::metric::Metric;
use super::model::{Behavior, MetricDimension};
use super::validate;

/// The only kind of alert target AWS has.
const SNS: &str = "SNS";
/// Characters a description may have.
const DESCRIPTION: usize = 1000;

/// A security profile: what is normal, who is told, what is kept, and whom it judges.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecurityProfile {
    /// 1 to 128 of `[a-zA-Z0-9:_-]`.
    pub security_profile_name: String,
    /// At most 1000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_profile_description: Option<String>,
    /// What is normal.
    #[serde(default)]
    pub behaviors: Vec<Behavior>,
    /// Who is told of an alarm, by kind; AWS knows `SNS` only.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub alert_targets: BTreeMap<String, AlertTarget>,
    /// Metrics kept although no behaviour asks for them.
    #[serde(default, rename = "additionalMetricsToRetainV2", skip_serializing_if = "Vec::is_empty")]
    pub retained: Vec<MetricToRetain>,
    /// The older spelling of the same; read, never written.
    #[serde(default, rename = "additionalMetricsToRetain", skip_serializing)]
    pub older: Vec<String>,
    /// Where exported metrics go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_export_config: Option<ExportConfig>,
    /// Target ARNs, when the writer said so: no member `targets` leaves the targets as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Vec<Target>>,
    /// Topic filters of the dimensions that its behaviours name, where a file says them; no member of AWS's profiles.
    #[serde(skip)]
    pub dimensions: BTreeMap<String, Vec<String>>,
}

/// An SNS topic and the role that may publish to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertTarget {
    /// The topic's ARN.
    pub alert_target_arn: String,
    /// The role's ARN; whoever writes the profile needs iam:PassRole on it.
    pub role_arn: String,
}

/// A metric kept for ListMetricValues.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricToRetain {
    /// The metric.
    pub metric: String,
    /// Only on these topics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric_dimension: Option<MetricDimension>,
    /// Also published on the profile's export topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export_metric: Option<bool>,
}

/// `metricsExportConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportConfig {
    /// The MQTT topic.
    pub mqtt_topic: String,
    /// The role that may publish there.
    pub role_arn: String,
}

/// A target, as ListTargetsForSecurityProfile writes it or as a bare ARN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Target {
    /// `"arn:aws:iot:…:all/things"`.
    Plain(String),
    /// `{"arn": "…"}`.
    Listed {
        /// The ARN.
        arn: String,
    },
}

impl Target {
    /// The ARN.
    pub fn arn(&self) -> &str {
        match self {
            Self::Plain(arn) | Self::Listed { arn } => arn,
        }
    }
}

impl SecurityProfile {
    /// The SNS target, if there is one.
    pub fn alert(&self) -> Option<&AlertTarget> {
        self.alert_targets.get(SNS)
    }

    /// Sets or takes away the SNS target.
    pub fn set_alert(&mut self, target: Option<AlertTarget>) {
        match target {
            Some(target) => {
                self.alert_targets.insert(SNS.to_owned(), target);
            }
            None => {
                self.alert_targets.remove(SNS);
            }
        }
    }

    /// The same with every default spelled one way, without targets: AWS answers a profile with defaults filled in.
    pub fn canonical(&self) -> Self {
        let mut out = self.clone();
        out.targets = None;
        let older = std::mem::take(&mut out.older);
        if out.retained.is_empty() {
            out.retained = older
                .into_iter()
                .map(|metric| MetricToRetain { metric, metric_dimension: None, export_metric: None })
                .collect();
        }
        out.security_profile_description = out.security_profile_description.filter(|d| !d.is_empty());
        for behavior in &mut out.behaviors {
            behavior.suppress_alerts = behavior.suppress_alerts.filter(|on| *on);
            behavior.export_metric = behavior.export_metric.filter(|on| *on);
            side(behavior.metric_dimension.as_mut());
            if let Some(criteria) = &mut behavior.criteria {
                for points in [
                    &mut criteria.consecutive_datapoints_to_alarm,
                    &mut criteria.consecutive_datapoints_to_clear,
                ] {
                    points.get_or_insert(1);
                }
                if let Some(threshold) = &mut criteria.statistical_threshold {
                    threshold.statistic.get_or_insert_with(|| "p90".to_owned());
                }
            }
        }
        for kept in &mut out.retained {
            kept.export_metric = kept.export_metric.filter(|on| *on);
            side(kept.metric_dimension.as_mut());
        }
        out.behaviors.sort_by(|a, b| a.name.cmp(&b.name));
        out.retained.sort_by(|a, b| a.metric.cmp(&b.metric));
        out
    }

    /// True when AWS would make no difference between the two; targets are not looked at.
    pub fn same(&self, other: &Self) -> bool {
        self.canonical() == other.canonical()
    }

    /// Everything AWS would refuse about it, one sentence each; empty when it is valid as far as this can be known without
    /// the account.
    pub fn mistakes(&self) -> Vec<String> {
        let mut out = Vec::new();
        if !validate::valid_name(&self.security_profile_name) {
            out.push("a security profile's name has 1 to 128 of [a-zA-Z0-9:_-]".to_owned());
        }
        if self.security_profile_description.as_ref().is_some_and(|d| d.chars().count() > DESCRIPTION) {
            out.push(format!("the description has at most {DESCRIPTION} characters"));
        }
        out.extend(validate::behaviors(&self.behaviors));
        for kept in &self.canonical().retained {
            if Metric::parse(&kept.metric).is_none() {
                out.push(format!("unknown metric {} to retain", kept.metric));
            }
        }
        if let Some(kind) = self.alert_targets.keys().find(|kind| *kind != SNS) {
            out.push(format!("alert target {kind}: AWS knows SNS only"));
        }
        out.extend(self.alert().and_then(alert_mistake));
        out
    }

    /// Dimensions it names, each once.
    pub fn dimensions(&self) -> Vec<&str> {
        let of_behaviors = self.behaviors.iter().filter_map(|b| b.metric_dimension.as_ref());
        let of_kept = self.retained.iter().filter_map(|k| k.metric_dimension.as_ref());
        let mut out: Vec<&str> = of_behaviors.chain(of_kept).map(|d| d.dimension_name.as_str()).collect();
        out.sort_unstable();
        out.dedup();
        out
    }

    /// Custom metrics it names, each once.
    pub fn custom_metrics(&self) -> Vec<&str> {
        let of_behaviors = self.behaviors.iter().filter_map(|b| b.metric.as_deref());
        let of_kept = self.retained.iter().map(|k| k.metric.as_str());
        let mut out: Vec<&str> = of_behaviors
            .chain(of_kept)
            .filter(|m| matches!(Metric::parse(m), Some(Metric::Custom(_))))
            .collect();
        out.sort_unstable();
        out.dedup();
        out
    }
}

/// `IN` is the default.
fn side(dimension: Option<&mut MetricDimension>) {
    if let Some(dimension) = dimension {
        dimension.operator.get_or_insert_with(|| "IN".to_owned());
    }
}

/// What is wrong with an alert target; `None` when it is well formed.
pub fn alert_mistake(target: &AlertTarget) -> Option<String> {
    let service = |arn: &str| arn.split(':').nth(2).unwrap_or_default().to_owned();
    let arn = |text: &str| text.starts_with("arn:") && text.split(':').count() >= 6;
    if !arn(&target.alert_target_arn) || service(&target.alert_target_arn) != "sns" {
        return Some("an alert goes to the ARN of an SNS topic: arn:aws:sns:REGION:ACCOUNT:NAME".to_owned());
    }
    if !arn(&target.role_arn) || service(&target.role_arn) != "iam" || !target.role_arn.contains(":role/") {
        return Some("an alert needs the ARN of a role: arn:aws:iam::ACCOUNT:role/NAME".to_owned());
    }
    None
}

/// The ARN of a target said in words: `all things`, `registered`, `unregistered`, a thing group's name, or an ARN.
///
/// `prefix` is `arn:aws:iot:REGION:ACCOUNT:`.
///
/// # Errors
/// A sentence when it is none of these.
pub fn target_arn(text: &str, prefix: &str) -> Result<String, String> {
    let text = text.trim();
    let word = text.to_ascii_lowercase();
    let tail = match word.as_str() {
        "all" | "all things" | "all/things" => "all/things",
        "registered" | "registered things" | "all/registered-things" => "all/registered-things",
        "unregistered" | "unregistered things" | "all/unregistered-things" => "all/unregistered-things",
        _ => "",
    };
    if !tail.is_empty() {
        return Ok(format!("{prefix}{tail}"));
    }
    if let Some((_, tail)) = text.strip_prefix("arn:").and_then(|rest| rest.rsplit_once(':')) {
        let fits = tail.strip_prefix("thinggroup/").is_some_and(validate::valid_name)
            || matches!(tail, "all/things" | "all/registered-things" | "all/unregistered-things");
        return if fits { Ok(text.to_owned()) } else { Err(format!("{text} is no target of a profile")) };
    }
    let name = text.strip_prefix("thinggroup/").unwrap_or(text);
    if validate::valid_name(name) {
        Ok(format!("{prefix}thinggroup/{name}"))
    } else {
        Err(format!("{text:?} is neither `all things`, `registered`, `unregistered` nor a thing group"))
    }
}

/// A target's ARN in words.
pub fn target_words(arn: &str) -> String {
    match arn.rsplit(':').next().unwrap_or(arn) {
        "all/things" => "all things, registered or not".to_owned(),
        "all/registered-things" => "all registered things".to_owned(),
        "all/unregistered-things" => "all unregistered things".to_owned(),
        other => other.replace("thinggroup/", "thing group "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described() -> SecurityProfile {
        serde_json::from_str(
            r#"{"securityProfileName":"P","securityProfileArn":"arn:…","version":3,"securityProfileDescription":"",
            "behaviors":[{"name":"b","metric":"aws:message-byte-size","suppressAlerts":false,"criteria":
              {"comparisonOperator":"greater-than","statisticalThreshold":{"statistic":"p50"},"durationSeconds":300,
               "consecutiveDatapointsToAlarm":1,"consecutiveDatapointsToClear":1}}],
            "alertTargets":{"SNS":{"alertTargetArn":"arn:aws:sns:us-east-1:123456789012:Bad","roleArn":"arn:aws:iam::123456789012:role/r"}},
            "additionalMetricsToRetain":["aws:message-byte-size"]}"#,
        )
        .unwrap()
    }

    #[test]
    fn defaults_filled_in_by_aws_make_no_difference() {
        let described = described();
        let mut written = described.clone();
        written.security_profile_description = None;
        written.behaviors[0].suppress_alerts = None;
        if let Some(criteria) = &mut written.behaviors[0].criteria {
            criteria.consecutive_datapoints_to_alarm = None;
            criteria.consecutive_datapoints_to_clear = None;
        }
        written.older.clear();
        written.retained = vec![MetricToRetain {
            metric: "aws:message-byte-size".into(),
            metric_dimension: None,
            export_metric: None,
        }];
        written.targets = Some(Vec::new());
        assert!(described.same(&written));
        written.behaviors[0].suppress_alerts = Some(true);
        assert!(!described.same(&written));
        assert_eq!(described.mistakes(), Vec::<String>::new());
    }

    #[test]
    fn an_export_reads_back_the_same() {
        let profile = described().canonical();
        let text = serde_json::to_string(&profile).unwrap();
        assert_eq!(serde_json::from_str::<SecurityProfile>(&text).unwrap(), profile);
        assert!(text.contains("additionalMetricsToRetainV2") && !text.contains("targets\":null"), "{text}");
    }

    #[test]
    fn what_aws_would_refuse_is_said() {
        let mut profile = described();
        profile.security_profile_name = "two words".into();
        profile.set_alert(Some(AlertTarget {
            alert_target_arn: "BadIoTDevices".into(),
            role_arn: String::new(),
        }));
        profile.older = vec!["aws:nothing".into()];
        let said = profile.mistakes();
        assert_eq!(said.len(), 3, "{said:?}");
    }

    #[test]
    fn targets_are_said_in_words() {
        let prefix = "arn:aws:iot:us-east-1:123456789012:";
        for (text, tail) in [
            ("all things", "all/things"),
            ("Registered", "all/registered-things"),
            ("IsolatedDevices", "thinggroup/IsolatedDevices"),
            ("arn:aws:iot:us-east-1:123456789012:thinggroup/G", "thinggroup/G"),
        ] {
            assert_eq!(target_arn(text, prefix).as_deref(), Ok(format!("{prefix}{tail}").as_str()));
        }
        assert!(target_arn("two words here", prefix).is_err());
        assert!(target_arn("arn:aws:iot:us-east-1:123456789012:thing/T", prefix).is_err());
        assert_eq!(target_words("arn:aws:iot:us-east-1:1:thinggroup/G"), "thing group G");
    }
}
