"""Detect, Audit, mitigation, indexing: what watches the fleet."""

import json
import time
from datetime import datetime, timedelta, timezone

from botocore.exceptions import ClientError

from mqtt import Device
from steps import ALL, ROLE, eventually, paged, refused


def outbox(ready):
    """What SNS sent to addresses outside."""
    try:
        with open(ready["credentials"] + "/sns-outbox.jsonl") as lines:
            return [json.loads(line) for line in lines]
    except FileNotFoundError:
        return []


def alerts(a, ready):
    sns, topic = a.sns, a.sns.create_topic(Name="BadIoTDevices")["TopicArn"]
    sns.create_topic(Name="DDD_Alerts")
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ops@example.com")
    mail = eventually("the mail that asks", lambda: [m for m in outbox(ready) if m["protocol"] == "email"])[0]
    refused("InvalidParameter", sns.confirm_subscription, TopicArn=topic, Token="nonsense")
    arn = sns.confirm_subscription(TopicArn=topic, Token=mail["body"]["Token"])["SubscriptionArn"]
    sns.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="Alerts")
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["DisplayName"] == "Alerts"
    queue = sns.subscribe(TopicArn=topic, Protocol="lambda", ReturnSubscriptionArn=True,
                          Endpoint="arn:aws:lambda:us-east-1:123456789012:function:IsolateDevice")["SubscriptionArn"]
    sns.set_subscription_attributes(SubscriptionArn=queue, AttributeName="RawMessageDelivery", AttributeValue="false")
    assert sns.get_subscription_attributes(SubscriptionArn=queue)["Attributes"]["TopicArn"] == topic
    assert len(sns.list_topics()["Topics"]) == 2
    sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "team", "Value": "security"}, {"Key": "gone", "Value": "soon"}])
    sns.untag_resource(ResourceArn=topic, TagKeys=["gone"])
    assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "team", "Value": "security"}]
    batch = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[
        {"Id": "one", "Message": "1"}, {"Id": "two", "Message": "2", "Subject": "not\nallowed"}])
    assert [e["Id"] for e in batch["Successful"]] == ["one"] and [e["Id"] for e in batch["Failed"]] == ["two"], batch
    assert len(sns.list_subscriptions()["Subscriptions"]) == 2
    assert len(sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]) == 2
    assert sns.publish(TopicArn=topic, Message="hello")["MessageId"]
    sns.unsubscribe(SubscriptionArn=arn)
    spare = sns.create_topic(Name="spare")["TopicArn"]
    sns.delete_topic(TopicArn=spare)
    return topic


def detect(a, topic):
    iot = a.iot
    behavior = {
        "name": "LargeMessageSize",
        "metric": "aws:message-byte-size",
        "criteria": {"comparisonOperator": "less-than-equals", "value": {"count": 1024},
                     "consecutiveDatapointsToAlarm": 1, "consecutiveDatapointsToClear": 1},
    }
    assert iot.validate_security_profile_behaviors(behaviors=[behavior])["valid"]
    broken = dict(behavior, metric="aws:nonsense")
    answer = iot.validate_security_profile_behaviors(behaviors=[broken])
    assert not answer["valid"] and answer["validationErrors"]
    iot.create_security_profile(
        securityProfileName="DetectLargeMessageSize",
        behaviors=[behavior],
        alertTargets={"SNS": {"alertTargetArn": topic, "roleArn": ROLE}},
        additionalMetricsToRetainV2=[{"metric": "aws:message-byte-size"}, {"metric": "aws:num-messages-received"}],
    )
    iot.attach_security_profile(securityProfileName="DetectLargeMessageSize", securityProfileTargetArn=ALL)
    counted = {
        "name": "MsgSentBehavior",
        "metric": "aws:num-messages-sent",
        "criteria": {"comparisonOperator": "less-than", "value": {"count": 5}, "durationSeconds": 300,
                     "consecutiveDatapointsToAlarm": 1, "consecutiveDatapointsToClear": 1},
    }
    iot.create_security_profile(securityProfileName="MsgSentSecProfile", behaviors=[counted])
    iot.attach_security_profile(securityProfileName="MsgSentSecProfile", securityProfileTargetArn=ALL)
    iot.update_security_profile(securityProfileName="MsgSentSecProfile", securityProfileDescription="few messages",
                                expectedVersion=1)
    refused("VersionConflictException", iot.update_security_profile, securityProfileName="MsgSentSecProfile",
            expectedVersion=1, securityProfileDescription="late")
    assert iot.describe_security_profile(securityProfileName="MsgSentSecProfile")["version"] == 2
    paged(iot, "list_security_profiles", "securityProfileIdentifiers")
    assert paged(iot, "list_targets_for_security_profile", "securityProfileTargets", 1,
                 securityProfileName="MsgSentSecProfile") == [{"arn": ALL}]
    paged(iot, "list_security_profiles_for_target", "securityProfileTargetMappings", securityProfileTargetArn=ALL)
    iot.create_security_profile(securityProfileName="spare")
    iot.attach_security_profile(securityProfileName="spare", securityProfileTargetArn=ALL)
    iot.detach_security_profile(securityProfileName="spare", securityProfileTargetArn=ALL)
    iot.delete_security_profile(securityProfileName="spare")

    for name in ("topics", "others"):
        iot.create_dimension(name=name, type="TOPIC_FILTER", stringValues=["dt/#"], clientRequestToken=name)
    iot.update_dimension(name="topics", stringValues=["dt/+/data"])
    assert iot.describe_dimension(name="topics")["stringValues"] == ["dt/+/data"]
    paged(iot, "list_dimensions", "dimensionNames")
    iot.delete_dimension(name="others")
    for name in ("battery", "cpu"):
        iot.create_custom_metric(metricName=name, metricType="number", clientRequestToken=name)
    iot.update_custom_metric(metricName="battery", displayName="Battery")
    assert iot.describe_custom_metric(metricName="battery")["displayName"] == "Battery"
    paged(iot, "list_custom_metrics", "metricNames")
    iot.delete_custom_metric(metricName="cpu")
    iot.get_behavior_model_training_summaries()


def incident(a, ready, certificate):
    """Seed 001 and 004: the rogue alarms, the topic delivers, the responder isolates, the device is cut."""
    iot = a.iot
    pair = (a.device_certificate, a.device_key)
    connect = lambda name: Device(name, ready["mqtts"], ready["credentials"] + "/root-CA.pem", *pair)
    healthy, rogue = connect("Thing01"), connect("Thing02")
    for _ in range(3):
        healthy.publish("temperature-device-01", b"23.45")
        rogue.publish("temperature-device-02", b"X" * 3000)

    def alarming():
        found = iot.list_active_violations(securityProfileName="DetectLargeMessageSize")["activeViolations"]
        return [v for v in found if v["thingName"] == "Thing02"]

    violation = eventually("the rogue alarms", alarming)[0]
    assert violation["lastViolationValue"]["count"] == 3000, violation
    others = iot.list_active_violations(thingName="Thing01")["activeViolations"]
    assert all(v["securityProfileName"] != "DetectLargeMessageSize" for v in others), "the healthy thing alarms"

    def alarms():
        """What the workshop's function IsolateDevice is invoked with."""
        events = [m["body"] for m in outbox(ready) if m["protocol"] == "lambda" and "LargeMessageSize" in json.dumps(m)]
        return [json.loads(event["Records"][0]["Sns"]["Message"]) for event in events]

    alarm = eventually("the alert is delivered", alarms)[0]
    assert (alarm["violationEventType"], alarm["thingName"]) == ("in-alarm", "Thing02"), alarm
    assert alarm["violationId"] == violation["violationId"] and alarm["violationEventTime"] > 1e12, alarm

    now = datetime.now(timezone.utc)
    span = {"startTime": now - timedelta(hours=1), "endTime": now + timedelta(hours=1)}
    paged(iot, "list_violation_events", "violationEvents", 1, **span)
    iot.put_verification_state_on_violation(violationId=violation["violationId"], verificationState="TRUE_POSITIVE",
                                            verificationStateDescription="an incident")
    assert alarming()[0]["verificationState"] == "TRUE_POSITIVE"
    eventually("retained metric values", lambda: iot.list_metric_values(
        thingName="Thing02", metricName="aws:message-byte-size", **span)["metricDatumList"])

    if a.knows("iotdata", "GetConnection"):
        assert a.iot_data.get_connection(clientId="Thing02")["connected"]
    iot.update_indexing_configuration(thingIndexingConfiguration={
        "thingIndexingMode": "REGISTRY_AND_SHADOW", "thingConnectivityIndexingMode": "STATUS",
        "deviceDefenderIndexingMode": "VIOLATIONS",
        "customFields": [{"name": "attributes.SensorType", "type": "String"}]})
    assert iot.get_thing_connectivity_data(thingName="Thing02")["connected"]
    rogue.subscribe("orders/Thing02")
    if a.knows("iotdata", "ListSubscriptions"):
        eventually("its subscription", lambda: a.iot_data.list_subscriptions(clientId="Thing02")["subscriptions"])
    else:
        time.sleep(0.5)
    a.iot_data.publish(topic="orders/Thing02", qos=1, payload=b"{}")
    eventually("a message over HTTP arrives", lambda: rogue.said("orders/Thing02"))
    if a.knows("iotdata", "SendDirectMessage"):
        a.iot_data.send_direct_message(clientId="Thing02", topic="never/subscribed", payload=b"[1]")
        eventually("a direct message arrives", lambda: rogue.said("never/subscribed") == [[1]])
        refused("ResourceNotFoundException", a.iot_data.send_direct_message, clientId="nobody", topic="t", payload=b"")
    for topic in ("kept/a", "kept/b"):
        a.iot_data.publish(topic=topic, qos=1, retain=True, payload=b"{}")
    assert a.iot_data.get_retained_message(topic="kept/a")["payload"] == b"{}"
    paged(a.iot_data, "list_retained_messages", "retainedTopics")

    iot.add_thing_to_thing_group(thingGroupName="IsolatedDevices", thingName=alarm["thingName"])
    a.iot_data.delete_connection(clientId="Thing02")
    eventually("the rogue is cut", lambda: not rogue.connected)

    def shut_out():
        try:
            connect("Thing02").close()
        except (AssertionError, OSError):
            return True
        return False

    # Its policies are cached a little longer than its connection lived.
    eventually("the isolated device cannot come back", shut_out)
    assert healthy.connected
    return healthy, violation["violationId"], span


def indexing(a):
    iot = a.iot
    assert iot.get_indexing_configuration()["thingIndexingConfiguration"]["thingIndexingMode"] == "REGISTRY_AND_SHADOW"
    assert "AWS_Things" in iot.list_indices()["indexNames"]
    assert iot.describe_index(indexName="AWS_Things")["indexStatus"] == "ACTIVE"
    found = lambda query: [t["thingName"] for t in iot.search_index(queryString=query)["things"]]
    eventually("a search by group", lambda: found("thingGroupNames:IsolatedDevices") == ["Thing02"])
    eventually("a search by connection", lambda: found("connectivity.connected:true") == ["Thing01"])
    assert iot.get_statistics(queryString="thingName:Thing*")["statistics"]["count"] == 3
    assert iot.get_cardinality(queryString="*", aggregationField="attributes.SensorType")["cardinality"] == 1
    iot.get_percentiles(queryString="*", aggregationField="registry.version", percents=[50])
    buckets = iot.get_buckets_aggregation(queryString="*", aggregationField="attributes.SensorType",
                                          bucketsAggregationType={"termsAggregation": {"maxBuckets": 5}})["buckets"]
    assert buckets == [{"keyValue": "DHT22", "count": 3}], buckets
    metric = {"metricName": "sensors", "queryString": "thingName:Thing*", "period": 60, "aggregationField": "registry.version",
              "aggregationType": {"name": "Statistics", "values": ["count"]}}
    iot.create_fleet_metric(**metric)
    iot.create_fleet_metric(**dict(metric, metricName="other"))
    iot.update_fleet_metric(metricName="sensors", indexName="AWS_Things", description="how many")
    assert iot.describe_fleet_metric(metricName="sensors")["description"] == "how many"
    paged(iot, "list_fleet_metrics", "fleetMetrics")
    iot.delete_fleet_metric(metricName="other")
    iot.create_dynamic_thing_group(thingGroupName="connected", queryString="connectivity.connected:true")
    iot.update_dynamic_thing_group(thingGroupName="connected", queryString="connectivity.connected:false",
                                   thingGroupProperties={"thingGroupDescription": "silent"})
    iot.delete_dynamic_thing_group(thingGroupName="connected")


def audit(a, topic, span):
    """Seed 003: the audit finds the shared certificate, the mitigation action adds its things to a group."""
    iot = a.iot
    check = "DEVICE_CERTIFICATE_SHARED_CHECK"
    policy = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
    iot.update_account_audit_configuration(
        roleArn=ROLE,
        auditNotificationTargetConfigurations={"SNS": {"targetArn": topic, "roleArn": ROLE, "enabled": True}},
        auditCheckConfigurations={check: {"enabled": True}, policy: {"enabled": True}},
    )
    assert iot.describe_account_audit_configuration()["auditCheckConfigurations"][check]["enabled"]

    def run():
        task = iot.start_on_demand_audit_task(targetCheckNames=[check, policy])["taskId"]
        eventually("the audit ends", lambda: iot.describe_audit_task(taskId=task)["taskStatus"] == "COMPLETED")
        return task

    task = run()
    paged(iot, "list_audit_tasks", "tasks", 1, **span)
    findings = paged(iot, "list_audit_findings", "findings", 2, taskId=task)
    shared = [f for f in findings if f["checkName"] == check]
    permissive = [f for f in findings if f["checkName"] == policy]
    assert shared and permissive, f"shared certificate and AllowAll are both wrong: {findings}"
    finding = shared[0]["findingId"]
    assert iot.describe_audit_finding(findingId=finding)["finding"]["severity"] == "CRITICAL"
    iot.list_related_resources_for_audit_finding(findingId=finding)
    iot.start_on_demand_audit_task(targetCheckNames=[check])
    try:
        late = iot.start_on_demand_audit_task(targetCheckNames=[check])["taskId"]
        iot.cancel_audit_task(taskId=late)
    except ClientError:
        a.excused.add(("iot", "CancelAuditTask"))

    for action, parameters in {
        "Quarantine": {"addThingsToThingGroupParams": {"thingGroupNames": ["Quarantine"]}},
        "Publish": {"publishFindingToSnsParams": {"topicArn": topic}},
    }.items():
        iot.create_mitigation_action(actionName=action, roleArn=ROLE, actionParams=parameters)
    iot.update_mitigation_action(actionName="Publish", roleArn=ROLE)
    assert iot.describe_mitigation_action(actionName="Quarantine")["actionType"] == "ADD_THINGS_TO_THING_GROUP"
    paged(iot, "list_mitigation_actions", "actionIdentifiers")
    iot.start_audit_mitigation_actions_task(taskId="fix", target={"findingIds": [finding]}, clientRequestToken="fix",
                                            auditCheckToActionsMapping={check: ["Quarantine"]})
    members = lambda: iot.list_things_in_thing_group(thingGroupName="Quarantine")["things"]
    eventually("the mitigation acts", lambda: {"Thing01", "Thing02", "Thing03"} <= set(members()))
    iot.describe_audit_mitigation_actions_task(taskId="fix")
    paged(iot, "list_audit_mitigation_actions_tasks", "tasks", 1, **span)
    paged(iot, "list_audit_mitigation_actions_executions", "actionsExecutions", 1, taskId="fix", findingId=finding)
    for thing in members():
        iot.remove_thing_from_thing_group(thingGroupName="Quarantine", thingName=thing)
    iot.delete_mitigation_action(actionName="Publish")

    resource = shared[0]["nonCompliantResource"]["resourceIdentifier"]
    key = {"checkName": check, "resourceIdentifier": resource}
    iot.create_audit_suppression(**key, suppressIndefinitely=True, clientRequestToken="one")
    iot.update_audit_suppression(**key, suppressIndefinitely=True, description="known")
    assert iot.describe_audit_suppression(**key)["description"] == "known"
    paged(iot, "list_audit_suppressions", "suppressions", 1)
    again = run()
    suppressed = iot.list_audit_findings(taskId=again, listSuppressedFindings=True)["findings"]
    assert any(f["checkName"] == check and f["isSuppressed"] for f in suppressed), suppressed
    iot.delete_audit_suppression(**key)

    iot.create_scheduled_audit(scheduledAuditName="daily", frequency="DAILY", targetCheckNames=[check])
    iot.update_scheduled_audit(scheduledAuditName="daily", frequency="WEEKLY", dayOfWeek="MON")
    assert iot.describe_scheduled_audit(scheduledAuditName="daily")["frequency"] == "WEEKLY"
    paged(iot, "list_scheduled_audits", "scheduledAudits", 1)
    iot.delete_scheduled_audit(scheduledAuditName="daily")
    iot.set_v2_logging_options(roleArn=ROLE, defaultLogLevel="WARN")
    assert iot.get_v2_logging_options()["defaultLogLevel"] == "WARN"
    iot.set_logging_options(loggingOptionsPayload={"roleArn": ROLE, "logLevel": "ERROR"})
    iot.get_logging_options()
    iot.delete_account_audit_configuration(deleteScheduledAudits=True)


def detect_mitigation(a, violation, span):
    iot = a.iot
    start = lambda name: iot.start_detect_mitigation_actions_task(
        taskId=name, target={"violationIds": [violation]}, actions=["Quarantine"], clientRequestToken=name)
    start("contain")
    members = lambda: iot.list_things_in_thing_group(thingGroupName="Quarantine")["things"]
    eventually("the violation's mitigation acts", lambda: members() == ["Thing02"])
    assert iot.describe_detect_mitigation_actions_task(taskId="contain")["taskSummary"]["taskId"] == "contain"
    paged(iot, "list_detect_mitigation_actions_tasks", "tasks", 1, **span)
    paged(iot, "list_detect_mitigation_actions_executions", "actionsExecutions", 1, taskId="contain")
    start("late")
    try:
        iot.cancel_detect_mitigation_actions_task(taskId="late")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidRequestException", error
        a.excused.add(("iot", "CancelDetectMitigationActionsTask"))
    try:
        iot.cancel_audit_mitigation_actions_task(taskId="fix")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidRequestException", error
        a.excused.add(("iot", "CancelAuditMitigationActionsTask"))
