//! The least-privilege policies of `quell doctor --iam`, in force: under exactly these every read works for an instructor,
//! every response for a responder, every change to detection for its administrator, and nothing else does for any.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use quell_emulator::start::Options;
use quell_emulator::{Action, operations};
use serde_json::{Value, json};

use crate::world::{Cloud, Watch, quell};

const INSTRUCTOR: &str = "AKIAINSTRUCTOR";
const RESPONDER: &str = "AKIARESPONDER";
const ADMINISTRATOR: &str = "AKIAADMINISTRATOR";
const ARN: &str = "arn:aws:iot:us-east-1:123456789012";

/// The account with the policies its doctor prints in force, and a configuration at its speed.
struct Guarded {
    cloud: Cloud,
    home: tempfile::TempDir,
}

impl Guarded {
    fn start() -> Self {
        let cloud = Cloud::with(Options { speed: 60.0, ..Options::on_free_ports() });
        let home = tempfile::tempdir().unwrap();
        let text = "aws-speed = 60\ntopics = ['temperature-device-+']\nthing-from = ['dt/{thing}/data']\n[polls]\nidle-seconds = 1\njobs-seconds = 1\n";
        let text = text.replace("temperature-device-+", "dt/+/data");
        std::fs::write(home.path().join("config.toml"), text).unwrap();
        let guarded = Self { cloud, home };
        let output = guarded.run("test", &["doctor", "--iam"]);
        let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
        let user = |name: &str, key: &str, policies: Vec<&Value>| json!({"UserName": name, "AccessKeyId": key, "SecretAccessKey": key.to_lowercase(), "Policies": policies});
        let (reads, responses) = (&printed["instructor"], &printed["responder"]);
        // Roles are passed to AWS IoT alone; that is IAM's to judge, and the emulator evaluates no conditions.
        let mut changes = printed["administrator"].clone();
        let statements = changes["Statement"].as_array_mut().unwrap();
        let passed = statements.iter().position(|s| s["Action"] == "iam:PassRole").unwrap();
        let passed = statements.remove(passed);
        assert_eq!(passed["Condition"]["StringEquals"]["iam:PassedToService"], "iot.amazonaws.com");
        let users = json!({"Users": [
            user("ana", INSTRUCTOR, vec![reads]),
            user("rob", RESPONDER, vec![reads, responses]),
            user("ada", ADMINISTRATOR, vec![reads, &changes]),
        ]});
        let account = guarded.cloud.running().account();
        account.set_identities(&users.to_string()).unwrap();
        guarded
    }

    fn command(&self, key: &str, args: &[&str]) -> Command {
        let http = self.cloud.running().http;
        let (endpoint, mqtt) = (format!("http://{http}"), format!("ws://{http}/mqtt"));
        let config = self.home.path().join("config.toml");
        let mut all: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let flags = ["--region", "us-east-1", "--endpoint-url", &endpoint, "--mqtt-url", &mqtt, "--config"];
        all.extend(flags.map(str::to_owned));
        all.push(config.to_str().unwrap().to_owned());
        let state = self.home.path().join("state");
        let secret = key.to_lowercase();
        let env = [
            ("AWS_ACCESS_KEY_ID", key),
            ("AWS_SECRET_ACCESS_KEY", &*secret),
            ("HOME", self.home.path().to_str().unwrap()),
            ("XDG_STATE_HOME", state.to_str().unwrap()),
        ];
        quell(&all, &env)
    }

    fn run(&self, key: &str, args: &[&str]) -> std::process::Output {
        self.command(key, args).output().unwrap()
    }

    /// Status and error name of one signed request.
    fn ask(&self, key: &str, service: &str, method: &str, uri: &str, body: &Value) -> (u16, String) {
        request(self.cloud.running().http, key, service, method, uri, body)
    }
}

fn request(to: SocketAddr, key: &str, service: &str, method: &str, uri: &str, body: &Value) -> (u16, String) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let credentials =
        aws_sdk_iot::config::Credentials::new(key, key.to_lowercase(), None, None, "test").into();
    let params = v4::SigningParams::builder()
        .identity(&credentials)
        .region("us-east-1")
        .name(service)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let host = to.to_string();
    let url = format!("http://{host}{uri}");
    let headers = [("host", host.as_str()), ("x-amzn-principal", "arn:x"), ("x-amzn-iot-principal", "arn:x")];
    let signable =
        SignableRequest::new(method, &url, headers.into_iter(), SignableBody::Bytes(body.as_bytes()));
    let (instructions, _) = sign(signable.unwrap(), &params).unwrap().into_parts();
    let mut head =
        format!("{method} {uri} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers.into_iter().chain(instructions.headers()) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let name = answer.lines().find_map(|line| line.strip_prefix("x-amzn-errortype: ")).unwrap_or_default();
    (status, name.to_owned())
}

/// Every read a console makes or may make, and none that reveals addresses or payloads, or belongs to a device.
const READS: &[&str] = &[
    "DescribeAccountAuditConfiguration",
    "DescribeAuditFinding",
    "DescribeAuditMitigationActionsTask",
    "DescribeAuditSuppression",
    "DescribeAuditTask",
    "DescribeCertificate",
    "DescribeCustomMetric",
    "DescribeDetectMitigationActionsTask",
    "DescribeDimension",
    "DescribeEndpoint",
    "DescribeEventConfigurations",
    "DescribeIndex",
    "DescribeJob",
    "DescribeJobExecution",
    "DescribeMitigationAction",
    "DescribeSecurityProfile",
    "DescribeThing",
    "DescribeThingGroup",
    "GetBehaviorModelTrainingSummaries",
    "GetBucketsAggregation",
    "GetCardinality",
    "GetEffectivePolicies",
    "GetIndexingConfiguration",
    "GetJobDocument",
    "GetPercentiles",
    "GetPolicy",
    "GetStatistics",
    "GetThingConnectivityData",
    "GetThingShadow",
    "GetTopicRule",
    "ListActiveViolations",
    "ListAttachedPolicies",
    "ListAuditFindings",
    "ListAuditMitigationActionsExecutions",
    "ListAuditMitigationActionsTasks",
    "ListAuditSuppressions",
    "ListAuditTasks",
    "ListCertificates",
    "ListCustomMetrics",
    "ListDetectMitigationActionsExecutions",
    "ListDetectMitigationActionsTasks",
    "ListDimensions",
    "ListJobExecutionsForJob",
    "ListJobExecutionsForThing",
    "ListJobs",
    "ListMetricValues",
    "ListMitigationActions",
    "ListNamedShadowsForThing",
    "ListPolicies",
    "ListPrincipalThings",
    "ListPrincipalThingsV2",
    "ListRelatedResourcesForAuditFinding",
    "ListSecurityProfiles",
    "ListSecurityProfilesForTarget",
    "ListTargetsForPolicy",
    "ListTargetsForSecurityProfile",
    "ListThingGroups",
    "ListThingGroupsForThing",
    "ListThingPrincipals",
    "ListThingPrincipalsV2",
    "ListThings",
    "ListThingsInThingGroup",
    "ListTopicRules",
    "ListViolationEvents",
    "SearchIndex",
    "TestAuthorization",
    "ValidateSecurityProfileBehaviors",
];

/// What a responder may ask for besides, on the resources of the question below.
const RESPONSES: &[&str] = &[
    "AddThingToThingGroup",
    "CancelAuditTask",
    "CancelJob",
    "CancelJobExecution",
    "CreateAuditSuppression",
    "CreateJob",
    "DeleteConnection",
    "DescribeRoleAlias",
    "GetConnection",
    "GetRetainedMessage",
    "ListRetainedMessages",
    "ListRoleAliases",
    "ListSubscriptions",
    "PutVerificationStateOnViolation",
    "RemoveThingFromThingGroup",
    "SendDirectMessage",
    "StartAuditMitigationActionsTask",
    "StartDetectMitigationActionsTask",
    "StartOnDemandAuditTask",
    "UpdateCertificate",
    "UpdateThingShadow",
];

/// What an administrator of detection may ask for besides the reads; the isolation group and its policy by their names.
const CHANGES: &[&str] = &[
    "AttachPolicy",
    "AttachSecurityProfile",
    "CancelAuditTask",
    "CreateAuditSuppression",
    "CreateCustomMetric",
    "CreateDimension",
    "CreateMitigationAction",
    "CreatePolicy",
    "CreateScheduledAudit",
    "CreateSecurityProfile",
    "CreateThingGroup",
    "CreateTopicRule",
    "DeleteAuditSuppression",
    "DeleteCustomMetric",
    "DeleteDimension",
    "DeleteMitigationAction",
    "DeleteScheduledAudit",
    "DeleteSecurityProfile",
    "DeleteTopicRule",
    "DescribeScheduledAudit",
    "DetachSecurityProfile",
    "DisableTopicRule",
    "EnableTopicRule",
    "ListScheduledAudits",
    "PutVerificationStateOnViolation",
    "ReplaceTopicRule",
    "StartOnDemandAuditTask",
    "UpdateAccountAuditConfiguration",
    "UpdateAuditSuppression",
    "UpdateCustomMetric",
    "UpdateDimension",
    "UpdateMitigationAction",
    "UpdateScheduledAudit",
    "UpdateSecurityProfile",
];

/// The operations IAM lets a key do, asked one by one with names of nothing that exists.
fn allowed(guarded: &Guarded, key: &str) -> BTreeSet<&'static str> {
    let mut allowed = BTreeSet::new();
    let services = ["iot", "iotdata", "iot-jobs-data"];
    for operation in operations::all().filter(|o| services.contains(&o.service)) {
        let filled: Vec<&str> = operation
            .path
            .split('/')
            .map(|segment| match segment {
                "{policyName}" if operation.name == "CreatePolicy" || operation.name == "AttachPolicy" => {
                    "DenyAll"
                }
                "{thingGroupName}" if operation.name == "CreateThingGroup" => "IsolatedDevices",
                "{jobId}" => "quell-nothing",
                "{indexName}" => "AWS_Things",
                named if named.starts_with('{') => "nothing",
                literal => literal,
            })
            .collect();
        let body = match operation.name {
            "AddThingToThingGroup" | "RemoveThingFromThingGroup" => {
                json!({"thingName": "nothing", "thingGroupName": "IsolatedDevices"})
            }
            "AttachPolicy" => json!({"target": format!("{ARN}:thinggroup/IsolatedDevices")}),
            "CreateJob" => json!({"targets": [format!("{ARN}:thing/nothing")]}),
            _ => json!({}),
        };
        let body = if operation.method == "GET" || operation.method == "DELETE" { Value::Null } else { body };
        let (status, name) = guarded.ask(key, operation.service, operation.method, &filled.join("/"), &body);
        let refused = status == 403 && (name == "AccessDeniedException" || name == "ForbiddenException");
        assert!(refused || status != 403, "{}: {status} {name}", operation.name);
        if !refused {
            // Both services have a DescribeJobExecution.
            allowed.insert(if operation.service == "iot-jobs-data" {
                "a device's operation"
            } else {
                operation.name
            });
        }
    }
    allowed
}

#[test]
fn nothing_but_reads_and_responses_is_allowed() {
    let guarded = Guarded::start();
    let reads: BTreeSet<&str> = READS.iter().copied().collect();
    assert_eq!(allowed(&guarded, INSTRUCTOR), reads);
    let both: BTreeSet<&str> = reads.iter().chain(RESPONSES).copied().collect();
    assert_eq!(allowed(&guarded, RESPONDER), both);
    let changes: BTreeSet<&str> = reads.iter().chain(CHANGES).copied().collect();
    assert_eq!(allowed(&guarded, ADMINISTRATOR), changes);
    // What an administrator of detection must not reach: other policies and groups, and any device.
    let attach = json!({"target": format!("{ARN}:cert/00")});
    for (method, uri, body) in [
        ("POST", "/policies/AllowAll", &json!({})),
        ("PUT", "/target-policies/DenyAll", &attach),
        ("POST", "/thing-groups/Administrators", &json!({})),
        ("PUT", "/certificates/00?newStatus=REVOKED", &Value::Null),
    ] {
        let (status, name) = guarded.ask(ADMINISTRATOR, "iot", method, uri, body);
        assert_eq!((status, name.as_str()), (403, "AccessDeniedException"), "{method} {uri}");
    }

    // The same operations on what is not theirs.
    let group = json!({"thingName": "nothing", "thingGroupName": "Administrators"});
    let job = json!({"targets": [format!("{ARN}:thinggroup/Administrators")]});
    for (service, method, uri, body) in [
        ("iot", "PUT", "/thing-groups/addThingToThingGroup", &group),
        ("iot", "PUT", "/thing-groups/removeThingFromThingGroup", &group),
        ("iot", "PUT", "/jobs/quell-1", &job),
        ("iot", "PUT", "/jobs/theirs/cancel", &Value::Null),
        ("iotdata", "DELETE", "/connections/quell-colleague", &Value::Null),
        ("iotdata", "POST", "/topics/dt%2FThing02%2Fdata?qos=0", &json!({"spoofed": true})),
    ] {
        let (status, name) = guarded.ask(RESPONDER, service, method, uri, body);
        assert_eq!(status, 403, "{method} {uri}: {name}");
        assert_eq!(
            name,
            if service == "iot" { "AccessDeniedException" } else { "ForbiddenException" },
            "{uri}"
        );
    }

    let account = guarded.cloud.running().account();
    for key in [INSTRUCTOR, RESPONDER] {
        let may = |action, resource| account.identity_may(key, action, resource);
        assert!(may(Action::Connect, "quell-1") && !may(Action::Connect, "Thing02"), "{key}");
        for topic in ["dt/Thing02/data", "$aws/things/Thing02/shadow/update", "anything"] {
            assert!(!may(Action::Publish, topic) && !may(Action::RetainPublish, topic), "{key} {topic}");
        }
        assert!(may(Action::Subscribe, "dt/+/data") && may(Action::Receive, "dt/Thing02/data"), "{key}");
        // In a large account single things are streamed.
        assert!(
            may(Action::Subscribe, "dt/Thing02/data") && may(Action::Subscribe, "$aws/things/Thing02/#"),
            "{key}"
        );
        assert!(may(Action::Receive, "$aws/things/Thing02/shadow/update/delta"), "{key}");
        assert!(!may(Action::Subscribe, "#") && !may(Action::Subscribe, "dt/#"), "{key}");
        assert!(!may(Action::Receive, "private/Thing02"), "{key}");
    }
}

#[test]
fn an_instructor_reads_everything_and_changes_nothing() {
    let guarded = Guarded::start();
    let shadow = json!({"state": {"reported": {"firmware": "1.0"}}});
    let made = guarded.ask("test", "iotdata", "POST", "/things/Thing02/shadow", &shadow);
    assert_eq!(made.0, 200, "{made:?}");
    let watch = Watch::run(guarded.command(INSTRUCTOR, &["watch"]));
    let up = watch.wait_up();
    assert!(up["filters"].as_array().unwrap().len() > 10, "{up}");
    watch.wait("a device's message", |line| line["type"] == "telemetry");
    watch.wait("a shadow's", |line| line["type"] == "presence" || line["type"] == "shadow_delta");
    for source in
        ["identity", "things", "violations", "violation_events", "jobs", "profiles", "members", "credentials"]
    {
        watch.wait(source, |line| line["source"] == source && line["state"] == "ok");
    }
    let denied = |line: &&Value| line["state"] == "denied" || line["state"] == "filter_refused";
    assert_eq!(watch.lines().iter().find(denied), None);
    for args in [
        &["things"][..],
        &["violations"],
        &["shadow", "Thing02"],
        &["jobs"],
        &["job", "list"],
        &["profiles"],
        &["rules"],
        &["audit"],
        &["isolate", "Thing02", "--dry-run"],
    ] {
        let output = guarded.run(INSTRUCTOR, args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(0) && !said.contains("permission"), "{args:?}: {said}");
    }
    // What the screens of a device ask for besides.
    let settings = settings(&guarded, INSTRUCTOR);
    guarded.cloud.block(async {
        use quell::cloud::{Aws, metrics, read, read_account, read_audit};
        let clients = Aws::connect(&settings).await.unwrap();
        assert!(!read::certificates(&clients, "Thing02").await.unwrap().is_empty());
        read::groups_of(&clients, "Thing02").await.unwrap();
        assert!(!read_account::policies_of(&clients, "Thing02").await.unwrap().is_empty());
        read_account::jobs_of(&clients, "Thing02").await.unwrap();
        read_account::metrics_of(&clients, "Thing02").await.unwrap();
        read_audit::findings(&clients).await.unwrap();
        read_audit::setup(&clients).await.unwrap();
        read_audit::tasks(&clients).await.unwrap();
        let now = jiff::Timestamp::now().as_millisecond();
        assert!(!metrics::of_rule(&clients, "HighHumidity", now).await.unwrap().is_empty());
        read::shadow(&clients, "Thing02", None).await.unwrap();
        let refused = read::connected(&clients, "Thing02").await.unwrap_err();
        assert_eq!(refused.missing_action.unwrap().as_str(), "iot:GetConnection");
    });
    for args in [&["isolate", "Thing02"][..], &["deactivate", "Thing02"], &["join", "NeedsUpdate", "Thing02"]]
    {
        let all = [args, &["--yes", "--json", "--confirm", "Thing02"]].concat();
        let output = guarded.run(INSTRUCTOR, &all);
        assert_ne!(output.status.code(), Some(0), "{args:?}");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains("iot:") && said.contains("authorized"), "{args:?}: {said}");
    }
    let groups = guarded.cloud.iot();
    let groups = guarded.cloud.block(async {
        groups.list_thing_groups_for_thing().thing_name("Thing02").send().await.unwrap().thing_groups.unwrap()
    });
    let isolated = |g: &aws_sdk_iot::types::GroupNameAndArn| g.group_name() == Some("IsolatedDevices");
    assert!(!groups.iter().any(isolated), "{groups:?}");
}

fn settings(guarded: &Guarded, key: &str) -> quell::config::Settings {
    let http = format!("http://{}", guarded.cloud.running().http);
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let mut settings = quell::config::Settings {
        region: Some("us-east-1".to_owned()),
        endpoint_url: Some(http.clone()),
        data_endpoint_url: Some(http.clone()),
        sts_endpoint_url: Some(http.clone()),
        cloudwatch_endpoint_url: Some(http.clone()),
        credentials: Some(quell::config::StaticCredentials {
            access_key_id: key.to_owned(),
            secret_access_key: key.to_lowercase(),
            session_token: None,
        }),
        ..Default::default()
    };
    settings.mqtt.url = Some(http.replacen("http", "ws", 1) + "/mqtt");
    settings
}

#[test]
fn a_responder_can_do_every_response() {
    let guarded = Guarded::start();
    let iot = guarded.cloud.iot();
    guarded.cloud.block(async {
        // A thing with a certificate of its own: the workshop's share one.
        let policy = json!({"Version": "2012-10-17", "Statement":
            [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]});
        iot.create_policy().policy_name("Own").policy_document(policy.to_string()).send().await.unwrap();
        let made = iot.create_keys_and_certificate().set_as_active(true).send().await.unwrap();
        let arn = made.certificate_arn().unwrap();
        iot.attach_policy().policy_name("Own").target(arn).send().await.unwrap();
        iot.create_thing().thing_name("own").send().await.unwrap();
        iot.attach_thing_principal().thing_name("own").principal(arn).send().await.unwrap();
    });
    let job = ["--thing", "own", "--document-json", r#"{"operation":"x"}"#];
    let create = [&["job", "create", "quell-1"][..], &job].concat();
    for (args, proven) in [
        (&["isolate", "own"][..], true),
        (&["release", "own"], false),
        (&["join", "NeedsUpdate", "own"], true),
        (&["leave", "NeedsUpdate", "own"], true),
        (&create, true),
        (&["job", "cancel", "quell-1"], true),
        (&["deactivate", "own"], true),
        (&["activate", "own"], false),
        (&["undo"], false),
        (&["revoke", "own"], true),
    ] {
        // A device that is silent cannot prove that it speaks again.
        let patience = if proven { "25s" } else { "2s" };
        let all = [args, &["--yes", "--json", "--confirm", "own", "--timeout", patience]].concat();
        let all: Vec<&str> =
            if args[0] == "undo" { vec!["undo", "--yes", "--json", "--timeout", "2s"] } else { all };
        let output = guarded.run(RESPONDER, &all);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!said.contains("not authorized") && !said.contains("Forbidden"), "{args:?}: {said}");
        let code = output.status.code();
        assert!(code == Some(0) || (!proven && code == Some(5)), "{args:?}: {code:?} {said}");
    }
}
