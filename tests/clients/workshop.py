#!/usr/bin/env python3
"""The workshop's text, step by step, by a participant who calls AWS's API and has devices of his own.

    workshop.py READY

READY is the line `quell local --from-scratch --json` prints; its time should run faster. No name of the text is taken yet, and
each step is judged by its effect. The lambda functions are the text's own, fed with what the topics delivered.
"""

import json
import pathlib
import queue
import threading
import time
import urllib.request

import boto3
import paho.mqtt.client as paho
from botocore.exceptions import ClientError
from common import ALLOW, CA, HOST, PORT, READY, ROLE, files, iot

ACCOUNT, REGION, SPEED = READY["account"], READY["region"], READY["speed"]
KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
data, sns, cloudwatch = (
    boto3.client(service, endpoint_url=READY["http"], **KEYS) for service in ("iot-data", "sns", "cloudwatch")
)
s3 = boto3.client("s3", endpoint_url=READY["http"], config=boto3.session.Config(s3={"addressing_style": "path"}), **KEYS)
FOLDER = pathlib.Path(READY["credentials"])
OUTBOX = FOLDER / "sns-outbox.jsonl"
DENY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "iot:*", "Resource": "*"}]})
ALL = f"arn:aws:iot:{REGION}:{ACCOUNT}:all/things"


def topic(name):
    return f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}"


def eventually(what, ask, patience=60):
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {patience} s")


class Device:
    """A client with a certificate, which hears what it asked for."""

    def __init__(self, client_id, certificate, key, *filters):
        self.heard, self.up, self.down = queue.Queue(), threading.Event(), threading.Event()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=client_id)
        self.client.tls_set(CA, certificate, key)
        self.client.on_connect = lambda _c, _u, _f, reason, _p: reason.is_failure or self.up.set()
        self.client.on_disconnect = lambda *_: self.down.set()
        self.client.on_message = lambda _c, _u, message: self.heard.put(message)
        subscribed = threading.Event()
        self.client.on_subscribe = lambda *_: subscribed.set()
        self.client.connect(HOST, PORT)
        self.client.loop_start()
        assert self.up.wait(30), f"{client_id} is refused"
        if filters:
            self.client.subscribe([(each, 1) for each in filters])
            assert subscribed.wait(30)

    def tell(self, where, what):
        self.client.publish(where, what, qos=1).wait_for_publish(30)

    def hear(self, patience=30):
        return self.heard.get(timeout=patience)


def of_thing(thing):
    return [str(FOLDER / f"{thing}.cert.pem"), str(FOLDER / f"{thing}.private.key")]


def delivered(protocol, name):
    """The bodies the topic sent by this protocol."""
    lines = [json.loads(line) for line in OUTBOX.read_text().splitlines()] if OUTBOX.exists() else []
    return [line["body"] for line in lines if line["protocol"] == protocol and f":{name}:" in line["subscriptionArn"]]


def profile(name, behavior, alerts, role):
    target = {"SNS": {"alertTargetArn": topic(alerts), "roleArn": f"arn:aws:iam::{ACCOUNT}:role/{role}"}}
    iot.create_security_profile(securityProfileName=name, behaviors=[behavior], alertTargets=target)
    iot.attach_security_profile(securityProfileName=name, securityProfileTargetArn=ALL)


def environment():
    """Module 1: things with a certificate, telemetry."""
    things = {thing["thingName"] for thing in iot.list_things()["things"]}
    assert {"Thing01", "Thing02", "Thing03"} <= things, things
    principals = iot.list_thing_principals(thingName="Thing02")["principals"]
    assert iot.list_attached_policies(target=principals[0])["policies"][0]["policyName"] == "AllowAll"
    watcher = Device("watcher", *of_thing("Thing01"), "temperature-device-01")
    assert b"temperature" in watcher.hear().payload
    return watcher


def audit():
    """Module 2: settings, an e-mail address that is confirmed, an audit, a mitigation."""
    said = sns.subscribe(TopicArn=topic("BadIoTDevices"), Protocol="email", Endpoint="you@example.com")
    assert said["SubscriptionArn"] == "pending confirmation", said
    asked = eventually("a confirmation", lambda: delivered("email", "BadIoTDevices"))[0]
    with urllib.request.urlopen(asked["SubscribeURL"]) as page:
        assert page.status == 200
    checks = ["DEVICE_CERTIFICATE_SHARED_CHECK", "IOT_POLICY_OVERLY_PERMISSIVE_CHECK", "LOGGING_DISABLED_CHECK"]
    iot.update_account_audit_configuration(
        roleArn=ROLE,
        auditNotificationTargetConfigurations={
            "SNS": {"targetArn": topic("BadIoTDevices"), "roleArn": ROLE, "enabled": True}
        },
        auditCheckConfigurations={check: {"enabled": True} for check in checks},
    )
    task = iot.start_on_demand_audit_task(targetCheckNames=checks)["taskId"]
    eventually("the audit", lambda: iot.describe_audit_task(taskId=task)["taskStatus"] == "COMPLETED")
    found = {finding["checkName"] for finding in iot.list_audit_findings(taskId=task)["findings"]}
    assert found == set(checks), found
    iot.create_mitigation_action(
        actionName="log",
        roleArn=ROLE,
        actionParams={"enableIoTLoggingParams": {"roleArnForLogging": ROLE, "logLevel": "WARN"}},
    )
    iot.start_audit_mitigation_actions_task(
        taskId="mitigate", target={"auditTaskId": task}, auditCheckToActionsMapping={"LOGGING_DISABLED_CHECK": ["log"]}
    )
    described = iot.describe_audit_mitigation_actions_task
    eventually("the mitigation", lambda: described(taskId="mitigate")["taskStatus"] == "COMPLETED")
    assert iot.get_v2_logging_options()["defaultLogLevel"] == "WARN"


def isolation(watcher):
    """Module 3: a profile, a group that denies, a function that fills it, a device that sends 3,000 bytes."""
    # As the text means it: its own, "greater than" the median, would say that large messages are expected.
    criteria = {"comparisonOperator": "less-than-equals", "value": {"count": 1000}}
    behavior = {"name": "LargeMessageSize", "metric": "aws:message-byte-size", "criteria": criteria}
    profile("DetectLargeMessageSize", behavior, "BadIoTDevices", "workshop-SNSTopicRole")
    group = iot.create_thing_group(thingGroupName="IsolatedDevices")
    iot.create_policy(policyName="DenyAll", policyDocument=DENY)
    iot.attach_policy(policyName="DenyAll", target=group["thingGroupArn"])
    function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:IsolateDevice"
    sns.subscribe(TopicArn=topic("BadIoTDevices"), Protocol="lambda", Endpoint=function)
    event = eventually("an alert", lambda: delivered("lambda", "BadIoTDevices"))[0]
    thing = json.loads(event["Records"][0]["Sns"]["Message"])["thingName"]
    assert thing == "Thing02", event
    iot.add_thing_to_thing_group(thingGroupName="IsolatedDevices", thingName=thing)
    assert iot.list_things_in_thing_group(thingGroupName="IsolatedDevices")["things"] == ["Thing02"]
    cut = lambda: not iot.get_thing_connectivity_data(thingName="Thing02")["connected"]
    eventually("Thing02 is cut", cut)
    watcher.client.unsubscribe("temperature-device-01")
    watcher.client.subscribe("temperature-device-02")
    time.sleep(60 / SPEED)
    silent = [message for message in iter_now(watcher.heard) if message.topic == "temperature-device-02"]
    assert not silent, silent
    assert any("LargeMessageSize" in str(body.get("Message")) for body in delivered("email", "BadIoTDevices"))


def iter_now(waiting):
    while not waiting.empty():
        yield waiting.get_nowait()


def device_side():
    """Module 4: SensorDevice03 sends, its agent reports, a behaviour of the device itself is judged."""
    accepted = "$aws/things/Thing03/defender/metrics/json/accepted"
    sensor = Device("SensorDevice03", *of_thing("Thing03"), accepted)
    sensor.tell("temperature-device-03", json.dumps({"temperature": 21.5}))
    criteria = {"comparisonOperator": "less-than", "value": {"count": 200}, "durationSeconds": 300}
    behavior = {"name": "MoreBytesSent", "metric": "aws:all-bytes-out", "criteria": criteria}
    profile("DetectSendingMoreThanAverageBytes", behavior, "BadIoTDevices", "workshop-SNSTopicRole")
    report = {
        "header": {"report_id": int(time.time()), "version": "1.0"},
        "metrics": {"network_stats": {"bytes_in": 900, "bytes_out": 4100, "packets_in": 9, "packets_out": 20}},
    }
    sensor.tell("$aws/things/Thing03/defender/metrics/json", json.dumps(report))
    said = json.loads(sensor.hear().payload)
    assert said["status"] == "ACCEPTED" and said["reportId"] == report["header"]["report_id"], said
    eventually("MoreBytesSent", lambda: "MoreBytesSent" in alarms("Thing03"))


def alarms(thing):
    return [each["behavior"]["name"] for each in iot.list_active_violations(thingName=thing)["activeViolations"]]


def lab():
    """Mitigation, cloud side: a device that talks too much is quarantined by group and shadow."""
    criteria = {"comparisonOperator": "less-than", "value": {"count": 5}, "durationSeconds": 300}
    behavior = {"name": "MsgSentBehavior", "metric": "aws:num-messages-sent", "criteria": criteria}
    profile("MsgSentSecProfile", behavior, "DDD_Alerts", "DDDtoSNSRole")
    function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:Alerts"
    sns.subscribe(TopicArn=topic("DDD_Alerts"), Protocol="lambda", Endpoint=function)
    iot.create_thing(thingName="dev-ABCD")
    made = iot.create_keys_and_certificate(setAsActive=True)
    iot.create_policy(policyName="generic", policyDocument=ALLOW)
    iot.attach_policy(policyName="generic", target=made["certificateArn"])
    iot.attach_thing_principal(thingName="dev-ABCD", principal=made["certificateArn"])
    data.update_thing_shadow(thingName="dev-ABCD", payload=json.dumps({"state": {"desired": {"debug": "off"}}}))
    device = Device("dev-ABCD", *files("dev-ABCD", made["certificatePem"], made["keyPair"]["PrivateKey"]))

    def alerted():
        device.tell("dt/dev-ABCD/data", "{}")
        return [each for each in delivered("lambda", "DDD_Alerts") if "dev-ABCD" in each["Records"][0]["Sns"]["Message"]]

    message = json.loads(eventually("an alert of dev-ABCD", alerted)[0]["Records"][0]["Sns"]["Message"])
    assert message["violationEventType"] == "in-alarm" and message["metricValue"]["count"] >= 5, message
    iot.update_thing_groups_for_thing(thingName=message["thingName"], thingGroupsToAdd=["Quarantine"])
    quarantine = json.dumps({"state": {"desired": {"quarantine": True}}})
    data.update_thing_shadow(thingName=message["thingName"], payload=quarantine)
    groups = iot.list_thing_groups_for_thing(thingName="dev-ABCD")["thingGroups"]
    assert [group["groupName"] for group in groups] == ["Quarantine"], groups
    shadow = json.loads(data.get_thing_shadow(thingName="dev-ABCD")["payload"].read())
    wanted = {"debug": "off", "quarantine": True}
    assert (shadow["state"], shadow["version"]) == ({"desired": wanted, "delta": wanted}, 2), shadow
    assert "MsgSentBehavior" in alarms("dev-ABCD")


def extra_credit():
    """A continuous job from a bucket, a rule with a metric, a revoked certificate."""
    group = iot.create_thing_group(thingGroupName="NeedsUpdate")
    iot.add_thing_to_thing_group(thingGroupName="NeedsUpdate", thingName="Thing01")
    s3.create_bucket(Bucket="iot-workshop")
    s3.put_object(Bucket="iot-workshop", Key="config.json", Body=b'{"operation":"update"}')
    iot.create_job(
        jobId="Update-temp-firmware",
        targets=[group["thingGroupArn"]],
        documentSource=f"https://iot-workshop.s3.{REGION}.amazonaws.com/config.json",
        targetSelection="CONTINUOUS",
    )

    def state(thing):
        execution = iot.describe_job_execution(jobId="Update-temp-firmware", thingName=thing)["execution"]
        return execution["status"]

    eventually("the update", lambda: state("Thing01") == "SUCCEEDED")
    iot.add_thing_to_thing_group(thingGroupName="NeedsUpdate", thingName="dev-IZWB")
    eventually("the update of who joined", lambda: state("dev-IZWB") == "SUCCEEDED")

    metric = {"metricNamespace": "IoT", "metricName": "HighHumidity", "metricUnit": "Count", "metricValue": "1"}
    sql = "SELECT Humidity FROM '$aws/things/IoT-Temperature-Device/shadow/update' WHERE Humidity > 50"
    role = f"arn:aws:iam::{ACCOUNT}:role/IoTtoCloudWatchAlerting"
    payload = {"sql": sql, "actions": [{"cloudwatchMetric": metric | {"roleArn": role}}]}
    iot.create_topic_rule(ruleName="HighHumidity", topicRulePayload=payload)
    for humidity in (41, 78):
        body = json.dumps({"Humidity": humidity})
        data.publish(topic="$aws/things/IoT-Temperature-Device/shadow/update", payload=body)

    def counted():
        now = time.time()
        span = {"StartTime": now - 1800, "EndTime": now + 60, "Period": 60, "Statistics": ["Sum"]}
        points = cloudwatch.get_metric_statistics(Namespace="IoT", MetricName="HighHumidity", **span)["Datapoints"]
        return sum(point["Sum"] for point in points)

    eventually("the metric", counted)
    assert counted() == 1, counted()

    thing = "IoTTemperatureDemoDevice"
    principal = iot.list_thing_principals(thingName=thing)["principals"][0]
    iot.update_certificate(certificateId=principal.rsplit("/", 1)[1], newStatus="REVOKED")
    eventually("it is cut", lambda: not iot.get_thing_connectivity_data(thingName=thing)["connected"])


def free_names():
    """Nothing of what the text has one make is there."""
    try:
        iot.describe_thing_group(thingGroupName="IsolatedDevices")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "ResourceNotFoundException", error
    else:
        raise AssertionError("IsolatedDevices is there before it is made")


free_names()
watching = environment()
audit()
isolation(watching)
device_side()
lab()
extra_credit()
