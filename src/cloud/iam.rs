//! The two least-privilege IAM policies of docs/aws-iot.md#5, filled in for an account and a configuration: what an instructor
//! may see, and what a responder may do besides. And a third, apart from both, for who looks after detection itself:
//! profiles, audits, rules, the isolation group. Nothing here asks anybody.

use serde_json::{Value, json};

use crate::config::Settings;

/// Detect, audit and registry: reads without a resource type need `*`.
const READS: &[&str] = &[
    "iot:ListActiveViolations",
    "iot:ListViolationEvents",
    "iot:ListMetricValues",
    "iot:GetBehaviorModelTrainingSummaries",
    "iot:ValidateSecurityProfileBehaviors",
    "iot:ListSecurityProfiles",
    "iot:DescribeSecurityProfile",
    "iot:ListTargetsForSecurityProfile",
    "iot:ListSecurityProfilesForTarget",
    "iot:ListCustomMetrics",
    "iot:DescribeCustomMetric",
    "iot:ListDimensions",
    "iot:DescribeDimension",
    "iot:DescribeAccountAuditConfiguration",
    "iot:ListAuditTasks",
    "iot:DescribeAuditTask",
    "iot:ListAuditFindings",
    "iot:DescribeAuditFinding",
    "iot:ListRelatedResourcesForAuditFinding",
    "iot:ListAuditSuppressions",
    "iot:DescribeAuditSuppression",
    "iot:ListMitigationActions",
    "iot:DescribeMitigationAction",
    "iot:ListDetectMitigationActionsTasks",
    "iot:DescribeDetectMitigationActionsTask",
    "iot:ListDetectMitigationActionsExecutions",
    "iot:ListAuditMitigationActionsTasks",
    "iot:DescribeAuditMitigationActionsTask",
    "iot:ListAuditMitigationActionsExecutions",
    "iot:ListThings",
    "iot:DescribeThing",
    "iot:ListThingGroups",
    "iot:DescribeThingGroup",
    "iot:ListThingsInThingGroup",
    "iot:ListThingGroupsForThing",
    "iot:ListThingPrincipals",
    "iot:ListThingPrincipalsV2",
    "iot:ListPrincipalThings",
    "iot:ListPrincipalThingsV2",
    "iot:ListCertificates",
    "iot:DescribeCertificate",
    "iot:ListPolicies",
    "iot:GetPolicy",
    "iot:ListAttachedPolicies",
    "iot:ListTargetsForPolicy",
    "iot:GetEffectivePolicies",
    "iot:TestAuthorization",
    "iot:ListJobs",
    "iot:DescribeJob",
    "iot:GetJobDocument",
    "iot:ListJobExecutionsForJob",
    "iot:ListJobExecutionsForThing",
    "iot:DescribeJobExecution",
    "iot:ListTopicRules",
    "iot:GetTopicRule",
    "iot:DescribeEndpoint",
    "iot:DescribeEventConfigurations",
    "iot:GetIndexingConfiguration",
    "iot:DescribeIndex",
    "iot:GetThingConnectivityData",
];

/// What even a responder must not do by accident.
const GUARDED: &[&str] = &[
    "iot:DetachPolicy",
    "iot:DeletePolicy",
    "iot:CreatePolicyVersion",
    "iot:SetDefaultPolicyVersion",
    "iot:DeleteCertificate",
    "iot:DeleteThing",
    "iot:DeleteThingGroup",
    "iot:DeleteSecurityProfile",
    "iot:UpdateIndexingConfiguration",
    "iot:UpdateEventConfigurations",
];

/// A `+` or `#` of a filter is a literal character in a `topicfilter` ARN; a `topic` ARN says `*` for both.
fn topic_of(filter: &str) -> String {
    let levels: Vec<&str> =
        filter.split('/').map(|level| if level == "+" || level == "#" { "*" } else { level }).collect();
    levels.join("/")
}

/// What an instructor needs: every read, every subscription of this configuration, and nothing that changes anything.
/// `reserved` are the filters of AWS's own topics. In an account large enough to be indexed the filters are narrowed to
/// single things: then any thing's name may stand in them.
pub fn instructor(settings: &Settings, region: &str, account: &str, reserved: &[&str]) -> Value {
    let arn = |rest: &str| format!("arn:aws:iot:{region}:{account}:{rest}");
    let narrow = if settings.narrows() { settings.topics_of("*") } else { Vec::new() };
    let topics = || settings.topics.iter().chain(narrow.iter().filter(|n| !settings.topics.contains(n)));
    let filters = || topics().map(String::as_str).chain(reserved.iter().copied());
    let subscribe: Vec<String> = filters().map(|filter| arn(&format!("topicfilter/{filter}"))).collect();
    let mut receive: Vec<String> =
        filters().map(|filter| arn(&format!("topic/{}", topic_of(filter)))).collect();
    receive.sort_unstable();
    receive.dedup();
    let client = settings.mqtt.client_id.as_deref().unwrap_or("quell-*");
    json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "Read", "Effect": "Allow", "Action": READS, "Resource": "*"},
        {"Sid": "FleetIndexRead", "Effect": "Allow", "Action": ["iot:SearchIndex", "iot:GetStatistics",
            "iot:GetPercentiles", "iot:GetCardinality", "iot:GetBucketsAggregation"],
            "Resource": arn("index/AWS_Things")},
        {"Sid": "ShadowRead", "Effect": "Allow", "Action": ["iot:GetThingShadow", "iot:ListNamedShadowsForThing"],
            "Resource": arn("thing/*")},
        {"Sid": "AccountName", "Effect": "Allow", "Action": "iam:ListAccountAliases", "Resource": "*"},
        {"Sid": "MetricsRead", "Effect": "Allow", "Action": "cloudwatch:GetMetricData", "Resource": "*"},
        {"Sid": "MqttConnect", "Effect": "Allow", "Action": "iot:Connect", "Resource": arn(&format!("client/{client}"))},
        {"Sid": "MqttSubscribe", "Effect": "Allow", "Action": "iot:Subscribe", "Resource": subscribe},
        {"Sid": "MqttReceive", "Effect": "Allow", "Action": "iot:Receive", "Resource": receive},
    ]})
}

/// What a responder needs besides: the responses of this configuration, into its groups only, and never a colleague's
/// connection.
pub fn responder(settings: &Settings, region: &str, account: &str) -> Value {
    let arn = |rest: &str| format!("arn:aws:iot:{region}:{account}:{rest}");
    let groups = settings.quarantine_groups().chain([settings.groups.update.as_str()]);
    let mut members = vec![arn("thing/*")];
    members.extend(groups.map(|group| arn(&format!("thinggroup/{group}"))));
    let jobs = ["job/quell-*", "job/Update-temp-firmware", "thing/*"].map(arn);
    let mut jobs = jobs.to_vec();
    jobs.push(arn(&format!("thinggroup/{}", settings.groups.update)));
    json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "IsolateOnlyIntoKnownGroups", "Effect": "Allow",
            "Action": ["iot:AddThingToThingGroup", "iot:RemoveThingFromThingGroup"], "Resource": members},
        {"Sid": "Certificates", "Effect": "Allow", "Action": "iot:UpdateCertificate", "Resource": arn("cert/*")},
        {"Sid": "Shadow", "Effect": "Allow", "Action": "iot:UpdateThingShadow", "Resource": arn("thing/*")},
        {"Sid": "CutConnection", "Effect": "Allow",
            "Action": ["iot:DeleteConnection", "iot:GetConnection", "iot:ListSubscriptions"],
            "Resource": arn("client/*")},
        {"Sid": "NeverCutConsoles", "Effect": "Deny", "Action": "iot:DeleteConnection",
            "Resource": arn("client/quell-*")},
        {"Sid": "LeftBehind", "Effect": "Allow", "Action": ["iot:ListRetainedMessages", "iot:ListRoleAliases",
            "iot:DescribeRoleAlias"], "Resource": "*"},
        {"Sid": "LeftBehindOnTopics", "Effect": "Allow", "Action": "iot:GetRetainedMessage", "Resource": arn("topic/*")},
        {"Sid": "AskTheClient", "Effect": "Allow", "Action": "iot:SendDirectMessage",
            "Resource": [arn("client/*"), arn("topic/quell/asks")]},
        {"Sid": "Triage", "Effect": "Allow", "Action": ["iot:PutVerificationStateOnViolation",
            "iot:StartOnDemandAuditTask", "iot:CancelAuditTask", "iot:CreateAuditSuppression"], "Resource": "*"},
        {"Sid": "Mitigate", "Effect": "Allow", "Action": ["iot:StartDetectMitigationActionsTask",
            "iot:StartAuditMitigationActionsTask"], "Resource": "*"},
        {"Sid": "Jobs", "Effect": "Allow", "Action": ["iot:CreateJob", "iot:CancelJob", "iot:CancelJobExecution"],
            "Resource": jobs},
        {"Sid": "GuardRails", "Effect": "Deny", "Action": GUARDED, "Resource": "*"},
    ]})
}

/// What an administrator of detection needs besides an instructor's reads: what the console writes that is no response.
/// A responder at three in the morning needs none of it, and who may rewrite what raises an alarm could silence it:
/// that is why it is no part of the responder's policy.
pub fn administrator(settings: &Settings, region: &str, account: &str) -> Value {
    let arn = |rest: &str| format!("arn:aws:iot:{region}:{account}:{rest}");
    let mut isolation: Vec<String> =
        settings.quarantine_groups().map(|group| arn(&format!("thinggroup/{group}"))).collect();
    isolation.extend(["policy/DenyAll", "policy/QuarantinePatchable"].map(arn));
    json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "Profiles", "Effect": "Allow", "Action": ["iot:CreateSecurityProfile", "iot:UpdateSecurityProfile",
            "iot:DeleteSecurityProfile", "iot:AttachSecurityProfile", "iot:DetachSecurityProfile"],
            "Resource": [arn("securityprofile/*"), arn("thinggroup/*"), arn("all/*"), arn("dimension/*"), arn("custommetric/*")]},
        {"Sid": "Measures", "Effect": "Allow", "Action": ["iot:CreateDimension", "iot:UpdateDimension",
            "iot:DeleteDimension", "iot:CreateCustomMetric", "iot:UpdateCustomMetric", "iot:DeleteCustomMetric"],
            "Resource": [arn("dimension/*"), arn("custommetric/*")]},
        {"Sid": "Verdicts", "Effect": "Allow", "Action": "iot:PutVerificationStateOnViolation", "Resource": "*"},
        {"Sid": "Audits", "Effect": "Allow", "Action": ["iot:UpdateAccountAuditConfiguration",
            "iot:StartOnDemandAuditTask", "iot:CancelAuditTask", "iot:CreateAuditSuppression",
            "iot:UpdateAuditSuppression", "iot:DeleteAuditSuppression", "iot:ListScheduledAudits"],
            "Resource": "*"},
        {"Sid": "Schedules", "Effect": "Allow", "Action": ["iot:CreateScheduledAudit", "iot:UpdateScheduledAudit",
            "iot:DeleteScheduledAudit", "iot:DescribeScheduledAudit"], "Resource": arn("scheduledaudit/*")},
        {"Sid": "MitigationActions", "Effect": "Allow", "Action": ["iot:CreateMitigationAction",
            "iot:UpdateMitigationAction", "iot:DeleteMitigationAction"], "Resource": arn("mitigationaction/*")},
        {"Sid": "Rules", "Effect": "Allow", "Action": ["iot:CreateTopicRule", "iot:ReplaceTopicRule",
            "iot:EnableTopicRule", "iot:DisableTopicRule", "iot:DeleteTopicRule"], "Resource": arn("rule/*")},
        {"Sid": "SetUpIsolation", "Effect": "Allow", "Action": ["iot:CreateThingGroup", "iot:CreatePolicy",
            "iot:AttachPolicy"], "Resource": isolation},
        {"Sid": "RolesForAwsIoT", "Effect": "Allow", "Action": "iam:PassRole",
            "Resource": format!("arn:aws:iam::{account}:role/*"),
            "Condition": {"StringEquals": {"iam:PassedToService": "iot.amazonaws.com"}}},
    ]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_filled_in_and_the_instructors_changes_nothing() {
        let mut settings = Settings { topics: vec!["dt/+/data".into()], ..Settings::default() };
        settings.groups.isolate = "Isolated".into();
        let text =
            instructor(&settings, "eu-west-1", "111122223333", &["$aws/events/presence/#"]).to_string();
        assert!(text.contains("arn:aws:iot:eu-west-1:111122223333:topicfilter/dt/+/data"));
        assert!(text.contains("arn:aws:iot:eu-west-1:111122223333:topic/dt/*/data"));
        assert!(
            text.contains("topicfilter/$aws/events/presence/#")
                && text.contains("topic/$aws/events/presence/*")
        );
        for change in
            ["Create", "Update", "Delete", "Add", "Remove", "Attach", "Detach", "Put", "Publish", "Start"]
        {
            assert!(!text.contains(&format!("iot:{change}")), "{change}");
        }
        let responder = responder(&settings, "eu-west-1", "111122223333");
        let groups = responder.pointer("/Statement/0/Resource").unwrap().to_string();
        assert!(groups.contains("thinggroup/Isolated\"") && groups.contains("thinggroup/Quarantine"));
        assert!(!responder.to_string().contains("iot:Publish"));
    }
}
