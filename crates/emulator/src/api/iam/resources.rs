//! What a request is about, as ARNs: the resource types of the Service Authorization Reference for AWS IoT. An operation
//! with several needs all of them allowed; one with none, or whose optional one is absent, is decided on `*`.

use serde_json::Value;

use crate::api::{Req, Service, sns};

/// Operations, the kind of their resource in its ARN, and the parameter that names it: in the path, the query, the body
/// or a header. A value that is an ARN already is taken as it is, a list as each of its members.
type Row = (&'static [&'static str], &'static str, &'static str);

static IOT: &[Row] = &[
    (
        &[
            "CreateBillingGroup",
            "DeleteBillingGroup",
            "DescribeBillingGroup",
            "ListThingsInBillingGroup",
            "UpdateBillingGroup",
        ],
        "billinggroup",
        "billingGroupName",
    ),
    (
        &["CreateRoleAlias", "DeleteRoleAlias", "DescribeRoleAlias", "UpdateRoleAlias"],
        "rolealias",
        "roleAlias",
    ),
    (
        &["CreateAuthorizer", "DeleteAuthorizer", "DescribeAuthorizer", "UpdateAuthorizer"],
        "authorizer",
        "authorizerName",
    ),
    (
        &[
            "CreateProvisioningClaim",
            "CreateProvisioningTemplateVersion",
            "DeleteProvisioningTemplate",
            "DeleteProvisioningTemplateVersion",
            "DescribeProvisioningTemplate",
            "DescribeProvisioningTemplateVersion",
            "ListProvisioningTemplateVersions",
            "UpdateProvisioningTemplate",
        ],
        "provisioningtemplate",
        "templateName",
    ),
    (
        &[
            "AcceptCertificateTransfer",
            "CancelCertificateTransfer",
            "RejectCertificateTransfer",
            "TransferCertificate",
        ],
        "cert",
        "certificateId",
    ),
    (
        &[
            "AddThingToThingGroup",
            "CancelJobExecution",
            "CreateThing",
            "DeleteJobExecution",
            "DeleteThing",
            "DeleteThingShadow",
            "DescribeJobExecution",
            "DescribeThing",
            "GetPendingJobExecutions",
            "GetThingConnectivityData",
            "GetThingShadow",
            "ListActiveViolations",
            "ListDetectMitigationActionsExecutions",
            "ListJobExecutionsForThing",
            "ListMetricValues",
            "ListNamedShadowsForThing",
            "ListThingGroupsForThing",
            "ListThingPrincipals",
            "ListThingPrincipalsV2",
            "ListViolationEvents",
            "RemoveThingFromThingGroup",
            "StartNextPendingJobExecution",
            "UpdateJobExecution",
            "UpdateThing",
            "UpdateThingGroupsForThing",
            "UpdateThingShadow",
        ],
        "thing",
        "thingName",
    ),
    (&["AddThingToThingGroup", "RemoveThingFromThingGroup"], "thing", "thingArn"),
    (
        &[
            "AddThingToThingGroup",
            "CreateDynamicThingGroup",
            "CreateThingGroup",
            "DeleteDynamicThingGroup",
            "DeleteThingGroup",
            "DescribeThingGroup",
            "ListThingsInThingGroup",
            "RemoveThingFromThingGroup",
            "UpdateDynamicThingGroup",
            "UpdateThingGroup",
        ],
        "thinggroup",
        "thingGroupName",
    ),
    (&["AddThingToThingGroup", "RemoveThingFromThingGroup"], "thinggroup", "thingGroupArn"),
    (&["UpdateThingGroupsForThing"], "thinggroup", "thingGroupsToAdd"),
    (&["UpdateThingGroupsForThing"], "thinggroup", "thingGroupsToRemove"),
    (
        &["CreateThingType", "DeleteThingType", "DeprecateThingType", "DescribeThingType", "UpdateThingType"],
        "thingtype",
        "thingTypeName",
    ),
    (
        &[
            "AssociateTargetsWithJob",
            "CancelJob",
            "CancelJobExecution",
            "CreateJob",
            "DeleteJob",
            "DeleteJobExecution",
            "DescribeJob",
            "GetJobDocument",
            "ListJobExecutionsForJob",
            "UpdateJob",
        ],
        "job",
        "jobId",
    ),
    (&["AssociateTargetsWithJob", "CreateJob"], "thing", "targets"),
    (&["CreateJob"], "jobtemplate", "jobTemplateArn"),
    (&["CreateJobTemplate", "DeleteJobTemplate", "DescribeJobTemplate"], "jobtemplate", "jobTemplateId"),
    (&["DeleteCertificate", "DescribeCertificate", "UpdateCertificate"], "cert", "certificateId"),
    (
        &["AttachThingPrincipal", "DetachThingPrincipal", "ListPrincipalThings", "ListPrincipalThingsV2"],
        "cert",
        "x-amzn-principal",
    ),
    (&["AttachPrincipalPolicy", "DetachPrincipalPolicy"], "cert", "x-amzn-iot-principal"),
    (&["GetEffectivePolicies", "TestAuthorization"], "cert", "principal"),
    (&["AttachPolicy", "DetachPolicy"], "cert", "target"),
    (&["DeleteCACertificate", "DescribeCACertificate", "UpdateCACertificate"], "cacert", "caCertificateId"),
    (
        &[
            "CreatePolicy",
            "CreatePolicyVersion",
            "DeletePolicy",
            "DeletePolicyVersion",
            "GetPolicy",
            "GetPolicyVersion",
            "ListPolicyVersions",
            "ListTargetsForPolicy",
            "SetDefaultPolicyVersion",
        ],
        "policy",
        "policyName",
    ),
    (
        &[
            "AttachSecurityProfile",
            "CreateSecurityProfile",
            "DeleteSecurityProfile",
            "DescribeSecurityProfile",
            "DetachSecurityProfile",
            "GetBehaviorModelTrainingSummaries",
            "ListActiveViolations",
            "ListTargetsForSecurityProfile",
            "ListViolationEvents",
            "UpdateSecurityProfile",
        ],
        "securityprofile",
        "securityProfileName",
    ),
    (
        &["AttachSecurityProfile", "DetachSecurityProfile", "ListSecurityProfilesForTarget"],
        "thinggroup",
        "securityProfileTargetArn",
    ),
    (&["CreateDimension", "DeleteDimension", "DescribeDimension", "UpdateDimension"], "dimension", "name"),
    (
        &["CreateCustomMetric", "DeleteCustomMetric", "DescribeCustomMetric", "UpdateCustomMetric"],
        "custommetric",
        "metricName",
    ),
    (
        &["CreateFleetMetric", "DeleteFleetMetric", "DescribeFleetMetric", "UpdateFleetMetric"],
        "fleetmetric",
        "metricName",
    ),
    (
        &[
            "DescribeIndex",
            "GetBucketsAggregation",
            "GetCardinality",
            "GetPercentiles",
            "GetStatistics",
            "SearchIndex",
        ],
        "index",
        "indexName",
    ),
    (
        &[
            "CreateMitigationAction",
            "DeleteMitigationAction",
            "DescribeMitigationAction",
            "UpdateMitigationAction",
        ],
        "mitigationaction",
        "actionName",
    ),
    (
        &["CreateScheduledAudit", "DeleteScheduledAudit", "DescribeScheduledAudit", "UpdateScheduledAudit"],
        "scheduledaudit",
        "scheduledAuditName",
    ),
    (
        &[
            "CreateTopicRule",
            "DeleteTopicRule",
            "DisableTopicRule",
            "EnableTopicRule",
            "GetTopicRule",
            "ReplaceTopicRule",
        ],
        "rule",
        "ruleName",
    ),
    (&["ListTagsForResource", "TagResource", "UntagResource"], "thinggroup", "resourceArn"),
    (&["DeleteConnection", "GetConnection", "ListSubscriptions", "SendDirectMessage"], "client", "clientId"),
    (&["GetRetainedMessage", "Publish"], "topic", "topic"),
];

/// Operations on one shadow: a named one has an ARN below its thing's (docs/aws-iot.md#2.7).
const SHADOW: [&str; 3] = ["DeleteThingShadow", "GetThingShadow", "UpdateThingShadow"];

/// Fleet indexing's only index, when a request names none.
const INDEX: &str = "AWS_Things";

/// What must be allowed for a request: actions, each with a resource.
pub(crate) fn needed(service: Service, op: &str, req: &Req) -> Vec<(String, String)> {
    let body: Value = serde_json::from_slice(&req.body).unwrap_or_default();
    let on = |prefix: &str, resources: Vec<String>| -> Vec<(String, String)> {
        let action = format!("{prefix}:{op}");
        if resources.is_empty() {
            return vec![(action, "*".to_owned())];
        }
        resources.into_iter().map(|resource| (action.clone(), resource)).collect()
    };
    match service {
        // AWS lets everybody ask who they are.
        Service::Sts => Vec::new(),
        Service::Iam => vec![(format!("iam:{op}"), "*".to_owned())],
        Service::CloudWatch => on("cloudwatch", Vec::new()),
        Service::Sns => on("sns", topic(req)),
        Service::S3 => {
            let action = match op {
                "ListBuckets" => "s3:ListAllMyBuckets",
                "ListObjectsV2" => "s3:ListBucket",
                _ => return on("s3", vec![object(req)]),
            };
            vec![(action.to_owned(), if op == "ListBuckets" { "*".to_owned() } else { object(req) })]
        }
        Service::JobsData => on("iotjobsdata", iot(op, req, &body)),
        Service::Iot | Service::IotData => {
            let mut all = on("iot", iot(op, req, &body));
            if op == "Publish" && req.flag("retain") {
                let topics = iot(op, req, &body);
                all.extend(topics.into_iter().map(|topic| ("iot:RetainPublish".to_owned(), topic)));
            }
            all
        }
    }
}

fn iot(op: &str, req: &Req, body: &Value) -> Vec<String> {
    let mut out = Vec::new();
    for (ops, kind, parameter) in IOT {
        if !ops.contains(&op) {
            continue;
        }
        let mut names = values(parameter, req, body);
        if *kind == "index" && names.is_empty() {
            names.push(INDEX.to_owned());
        }
        for name in names {
            let mut arn = if name.starts_with("arn:") { name } else { req.account.arn(kind, &name) };
            if SHADOW.contains(&op)
                && let Some(shadow) = req.query("name")
            {
                arn = format!("{arn}/{shadow}");
            }
            if !out.contains(&arn) {
                out.push(arn);
            }
        }
    }
    out
}

/// What a parameter holds, wherever it is.
fn values(parameter: &str, req: &Req, body: &Value) -> Vec<String> {
    let plain = [Some(req.path(parameter)), req.query(parameter), req.header(parameter)];
    if let Some(text) = plain.into_iter().flatten().find(|text| !text.is_empty()) {
        return vec![text.to_owned()];
    }
    match body.get(parameter) {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// The SNS topic a form names.
fn topic(req: &Req) -> Vec<String> {
    let named = ["TopicArn", "TargetArn", "SubscriptionArn"].iter().find_map(|name| req.query(name));
    let made = || req.query("Name").map(|name| sns::topic_arn(&req.account, name));
    named.map(str::to_owned).or_else(made).into_iter().collect()
}

fn object(req: &Req) -> String {
    let (bucket, key) = (req.path("bucket"), req.path("key"));
    let bucket = format!("arn:{}:s3:::{bucket}", req.account.partition());
    if key.is_empty() { bucket } else { format!("{bucket}/{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::routes;

    #[test]
    fn every_operation_and_parameter_of_the_table_exists() {
        for (ops, _, parameter) in IOT {
            for op in *ops {
                let mut routes = routes::all().filter(|route| route.op == *op).peekable();
                assert!(routes.peek().is_some(), "no operation is called {op}");
                let placeholder = format!("{{{parameter}");
                // A name in the path of one is in the path of all its kind; others come in query, header or body.
                if matches!(*parameter, "jobId" | "policyName" | "ruleName" | "clientId" | "certificateId") {
                    assert!(routes.all(|route| route.path.contains(&placeholder)), "{op} {parameter}");
                }
            }
        }
    }
}
