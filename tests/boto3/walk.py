#!/usr/bin/env python3
"""Walks an empty account of `quell local` through every operation it has, with boto3.

    walk.py READY < (output of quell local --operations)

READY is the line `quell local --json` prints.

The order is the workshops': a fleet, Detect, Audit and mitigation, jobs, rules, alerts; each step is checked by its effect.
Fails when an effect is missing, when an answer does not fit AWS's model, when a paginator does not page, and when an
operation of the table was never called.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone

from botocore.exceptions import ClientError

from mqtt import Device
from strict import Account

DENY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "iot:*", "Resource": "*"}]})
ALLOW = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]})
ROLE = "arn:aws:iam::123456789012:role/workshop"
ALL = "arn:aws:iot:us-east-1:123456789012:all/things"


def eventually(what, ask, patience=60):
    deadline = time.monotonic() + patience
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {patience} s")
        time.sleep(0.2)


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, f"{code} expected: {error}"
    else:
        raise AssertionError(f"{code} expected, and it was accepted")


def paged(client, operation, member, least=2, **arguments):
    """All rows of a paginator, one a page; it must really take several pages."""
    pages = list(client.get_paginator(operation).paginate(PaginationConfig={"PageSize": 1}, **arguments))
    rows = [row for page in pages for row in page[member]]
    assert len(rows) >= least and len(pages) >= least, f"{operation}: {len(rows)} rows on {len(pages)} pages"
    return rows


def things(a):
    iot = a.iot
    for n in (1, 2, 3):
        iot.create_thing(thingName=f"Thing0{n}", attributePayload={"attributes": {"SensorType": "DHT22"}})
    iot.create_thing_type(thingTypeName="Sensor", thingTypeProperties={"thingTypeDescription": "measures"})
    iot.create_thing_type(thingTypeName="Old")
    iot.update_thing_type(thingTypeName="Sensor", thingTypeProperties={"thingTypeDescription": "measures well"})
    iot.create_thing(thingName="typed", thingTypeName="Sensor")
    iot.update_thing(thingName="Thing01", attributePayload={"attributes": {"site": "PHX3"}, "merge": True})
    thing = iot.describe_thing(thingName="Thing01")
    assert thing["attributes"] == {"SensorType": "DHT22", "site": "PHX3"} and thing["version"] == 2, thing
    assert iot.describe_thing_type(thingTypeName="Sensor")["thingTypeMetadata"]["deprecated"] is False
    paged(iot, "list_things", "things", 4)
    paged(iot, "list_thing_types", "thingTypes")
    iot.deprecate_thing_type(thingTypeName="Old")
    refused("InvalidRequestException", iot.delete_thing_type, thingTypeName="Old")
    refused("ResourceNotFoundException", iot.describe_thing, thingName="nobody")
    iot.create_thing(thingName="gone")
    iot.delete_thing(thingName="gone")

    for group in ("IsolatedDevices", "Quarantine", "NeedsUpdate"):
        iot.create_thing_group(thingGroupName=group, tags=[{"Key": "team", "Value": "security"}])
    iot.create_thing_group(thingGroupName="spare", parentGroupName="NeedsUpdate")
    iot.update_thing_group(thingGroupName="spare", thingGroupProperties={"thingGroupDescription": "child"})
    assert iot.describe_thing_group(thingGroupName="spare")["thingGroupMetadata"]["parentGroupName"] == "NeedsUpdate"
    paged(iot, "list_thing_groups", "thingGroups", 4)
    iot.delete_thing_group(thingGroupName="spare")
    iot.add_thing_to_thing_group(thingGroupName="NeedsUpdate", thingName="Thing01")
    iot.update_thing_groups_for_thing(thingName="Thing01", thingGroupsToAdd=["Quarantine"])
    paged(iot, "list_thing_groups_for_thing", "thingGroups", thingName="Thing01")
    iot.update_thing_groups_for_thing(thingName="Thing01", thingGroupsToRemove=["Quarantine"])
    iot.add_thing_to_thing_group(thingGroupName="NeedsUpdate", thingName="Thing03")
    assert paged(iot, "list_things_in_thing_group", "things", thingGroupName="NeedsUpdate") == ["Thing01", "Thing03"]
    iot.remove_thing_from_thing_group(thingGroupName="NeedsUpdate", thingName="Thing03")

    arn = iot.describe_thing_group(thingGroupName="Quarantine")["thingGroupArn"]
    iot.tag_resource(resourceArn=arn, tags=[{"Key": "stage", "Value": "test"}])
    assert len(iot.list_tags_for_resource(resourceArn=arn)["tags"]) == 2
    iot.untag_resource(resourceArn=arn, tagKeys=["stage"])
    iot.update_event_configurations(eventConfigurations={"THING_GROUP_MEMBERSHIP": {"Enabled": True}})
    events = iot.describe_event_configurations()["eventConfigurations"]
    assert events["THING_GROUP_MEMBERSHIP"]["Enabled"] and not events["JOB"]["Enabled"]


def identities(a):
    iot = a.iot
    made = iot.create_keys_and_certificate(setAsActive=True)
    arn, ident = made["certificateArn"], made["certificateId"]
    a.device_certificate, a.device_key = made["certificatePem"], made["keyPair"]["PrivateKey"]
    other = iot.create_keys_and_certificate(setAsActive=False)
    iot.create_policy(policyName="AllowAll", policyDocument=ALLOW)
    iot.create_policy(policyName="DenyAll", policyDocument=DENY)
    refused("MalformedPolicyException", iot.create_policy, policyName="bad", policyDocument="{}")
    iot.attach_policy(policyName="AllowAll", target=arn)
    group = iot.describe_thing_group(thingGroupName="IsolatedDevices")["thingGroupArn"]
    iot.attach_policy(policyName="DenyAll", target=group)
    paged(iot, "list_policies", "policies")
    paged(iot, "list_certificates", "certificates")
    assert [p["policyName"] for p in paged(iot, "list_attached_policies", "policies", 1, target=arn)] == ["AllowAll"]
    assert paged(iot, "list_targets_for_policy", "targets", 1, policyName="DenyAll") == [group]
    for n in (1, 2, 3):
        iot.attach_thing_principal(thingName=f"Thing0{n}", principal=arn)
    assert paged(iot, "list_principal_things", "things", 3, principal=arn) == ["Thing01", "Thing02", "Thing03"]
    assert paged(iot, "list_thing_principals", "principals", 1, thingName="Thing01") == [arn]
    assert iot.list_thing_principals_v2(thingName="Thing01")["thingPrincipalObjects"][0]["principal"] == arn
    assert len(iot.list_principal_things_v2(principal=arn)["principalThingObjects"]) == 3
    iot.attach_principal_policy(policyName="AllowAll", principal=other["certificateArn"])
    assert len(iot.list_policy_principals(policyName="AllowAll")["principals"]) == 2
    assert len(iot.list_principal_policies(principal=other["certificateArn"])["policies"]) == 1
    iot.detach_principal_policy(policyName="AllowAll", principal=other["certificateArn"])

    iot.create_policy(policyName="versions", policyDocument=ALLOW)
    iot.create_policy_version(policyName="versions", policyDocument=DENY)
    iot.set_default_policy_version(policyName="versions", policyVersionId="2")
    assert iot.get_policy(policyName="versions")["defaultVersionId"] == "2"
    assert iot.get_policy_version(policyName="versions", policyVersionId="1")["isDefaultVersion"] is False
    assert len(iot.list_policy_versions(policyName="versions")["policyVersions"]) == 2
    iot.delete_policy_version(policyName="versions", policyVersionId="1")
    iot.delete_policy(policyName="versions")

    # Isolation as the console computes it before it isolates.
    asked = [{"actionType": "PUBLISH", "resources": ["arn:aws:iot:us-east-1:123456789012:topic/temperature-device-02"]}]
    decide = lambda: iot.test_authorization(principal=arn, clientId="Thing02", authInfos=asked)["authResults"][0]
    assert decide()["authDecision"] == "ALLOWED"
    iot.add_thing_to_thing_group(thingGroupName="IsolatedDevices", thingName="Thing02")
    assert decide()["authDecision"] == "EXPLICIT_DENY"
    effective = iot.get_effective_policies(principal=arn, thingName="Thing02")["effectivePolicies"]
    assert {p["policyName"] for p in effective} == {"AllowAll", "DenyAll"}
    iot.remove_thing_from_thing_group(thingGroupName="IsolatedDevices", thingName="Thing02")

    described = iot.describe_certificate(certificateId=ident)["certificateDescription"]
    assert described["status"] == "ACTIVE" and described["certificatePem"] == made["certificatePem"]
    iot.update_certificate(certificateId=other["certificateId"], newStatus="ACTIVE")
    refused("CertificateStateException", iot.delete_certificate, certificateId=other["certificateId"])
    iot.update_certificate(certificateId=other["certificateId"], newStatus="REVOKED")
    iot.delete_certificate(certificateId=other["certificateId"])
    iot.register_certificate_without_ca(certificatePem=other["certificatePem"], status="INACTIVE")
    iot.delete_certificate(certificateId=other["certificateId"])
    iot.register_certificate(certificatePem=other["certificatePem"], status="INACTIVE")
    csr = request_for_a_certificate()
    if csr:
        iot.create_certificate_from_csr(certificateSigningRequest=csr)
    else:
        a.excused.add(("iot", "CreateCertificateFromCsr"))
    endpoint = iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
    assert endpoint and "/" not in endpoint
    assert a.sts.get_caller_identity()["Account"] == "123456789012"
    return arn


def openssl(folder, *arguments):
    made = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, check=True)
    return made.stdout.decode()


NEW_KEY = ("-newkey", "rsa:2048", "-nodes", "-keyout")


def request_for_a_certificate():
    """A CSR made by openssl; None where there is none."""
    if not shutil.which("openssl"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        return openssl(folder, "req", "-new", *NEW_KEY, "key", "-subj", "/CN=csr")


def authorities(a):
    """A CA of one's own, registered with the proof that its key is at hand."""
    iot = a.iot
    code = iot.get_registration_code()["registrationCode"]
    if not shutil.which("openssl"):
        for operation in ("Register", "Describe", "Update", "Delete"):
            a.excused.add(("iot", operation + "CACertificate"))
        a.excused.add(("iot", "ListCertificatesByCA"))
        iot.list_ca_certificates()
    else:
        with tempfile.TemporaryDirectory() as folder:
            authority = openssl(folder, "req", "-x509", *NEW_KEY, "ca.key", "-days", "9", "-subj", "/CN=CA", "-out", "ca.pem")
            with open(folder + "/ca.pem") as pem:
                authority = pem.read()
            openssl(folder, "req", "-new", *NEW_KEY, "key", "-subj", "/CN=" + code, "-out", "csr")
            proof = openssl(folder, "x509", "-req", "-in", "csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
            openssl(folder, "req", "-new", *NEW_KEY, "other", "-subj", "/CN=wrong", "-out", "csr")
            wrong = openssl(folder, "x509", "-req", "-in", "csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
        refused("RegistrationCodeValidationException", iot.register_ca_certificate,
                caCertificate=authority, verificationCertificate=wrong)
        made = iot.register_ca_certificate(caCertificate=authority, verificationCertificate=proof, setAsActive=True)
        ident = made["certificateId"]
        assert iot.describe_ca_certificate(certificateId=ident)["certificateDescription"]["status"] == "ACTIVE"
        paged(iot, "list_ca_certificates", "certificates", 1)
        iot.register_certificate(certificatePem=wrong, caCertificatePem=authority, status="INACTIVE")
        paged(iot, "list_certificates_by_ca", "certificates", 1, caCertificateId=ident)
        refused("CertificateStateException", iot.delete_ca_certificate, certificateId=ident)
        iot.update_ca_certificate(certificateId=ident, newStatus="INACTIVE")
        iot.delete_ca_certificate(certificateId=ident)
    iot.delete_registration_code()


def shadows(a):
    data = a.iot_data
    payload = json.dumps({"state": {"desired": {"quarantine": True}}})
    data.update_thing_shadow(thingName="Thing01", payload=payload)
    data.update_thing_shadow(thingName="Thing01", shadowName="config", payload=payload)
    data.update_thing_shadow(thingName="Thing01", shadowName="more", payload=payload)
    shadow = json.loads(data.get_thing_shadow(thingName="Thing01")["payload"].read())
    assert shadow["state"]["delta"] == {"quarantine": True} and shadow["version"] == 1
    assert data.list_named_shadows_for_thing(thingName="Thing01")["results"] == ["config", "more"]
    data.delete_thing_shadow(thingName="Thing01", shadowName="config")
    refused("ResourceNotFoundException", data.get_thing_shadow, thingName="Thing01", shadowName="config")


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


def jobs(a, device):
    """Seed 000: the continuous job, its document in a bucket, reaches the group, and who joins it later."""
    iot, s3, data = a.iot, a.s3, a.iot_jobs_data
    document = {"operation": "update-firmware", "version": "1.1.0"}
    s3.create_bucket(Bucket="firmware")
    s3.put_object(Bucket="firmware", Key="config.json", Body=json.dumps(document).encode())
    assert json.loads(s3.get_object(Bucket="firmware", Key="config.json")["Body"].read()) == document
    s3.head_bucket(Bucket="firmware")
    s3.head_object(Bucket="firmware", Key="config.json")
    assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["firmware"]
    assert s3.list_objects_v2(Bucket="firmware")["Contents"][0]["Key"] == "config.json"

    group = iot.describe_thing_group(thingGroupName="NeedsUpdate")["thingGroupArn"]
    job = "Update-temp-firmware"
    iot.create_job(jobId=job, targets=[group], targetSelection="CONTINUOUS", description="firmware",
                   documentSource="https://s3.us-east-1.amazonaws.com/firmware/config.json")
    assert json.loads(iot.get_job_document(jobId=job)["document"]) == document
    iot.update_job(jobId=job, description="new firmware")
    assert iot.describe_job(jobId=job)["job"]["description"] == "new firmware"

    # The device does it over MQTT, as devices do.
    prefix = "$aws/things/Thing01/jobs/"
    device.subscribe(prefix + "start-next/accepted")
    device.subscribe(prefix + job + "/update/accepted")
    time.sleep(0.3)
    device.publish(prefix + "start-next", {})
    started = eventually("the job starts", lambda: device.said(prefix + "start-next/accepted"))[0]
    assert started["execution"]["jobDocument"] == document, started
    device.publish(prefix + job + "/update", {"status": "SUCCEEDED", "statusDetails": {"progress": "100%"}})
    eventually("the job is done", lambda: device.said(prefix + job + "/update/accepted"))
    status = lambda thing: iot.describe_job_execution(jobId=job, thingName=thing)["execution"]["status"]
    assert status("Thing01") == "SUCCEEDED"

    # Who joins later gets it too, and may answer over HTTP.
    iot.add_thing_to_thing_group(thingGroupName="NeedsUpdate", thingName="Thing03")
    eventually("the new member is queued", lambda: data.get_pending_job_executions(thingName="Thing03")["queuedJobs"])
    paged(iot, "list_job_executions_for_job", "executionSummaries", jobId=job)
    paged(iot, "list_job_executions_for_thing", "executionSummaries", 1, thingName="Thing03")
    assert data.describe_job_execution(jobId=job, thingName="Thing03")["execution"]["status"] == "QUEUED"
    begun = data.start_next_pending_job_execution(thingName="Thing03")["execution"]
    assert begun["jobId"] == job and json.loads(begun["jobDocument"]) == document
    data.update_job_execution(jobId=job, thingName="Thing03", status="IN_PROGRESS", statusDetails={"progress": "10%"})
    iot.cancel_job_execution(jobId=job, thingName="Thing03", force=True)
    assert status("Thing03") == "CANCELED"
    iot.delete_job_execution(jobId=job, thingName="Thing03", executionNumber=1)
    thing = iot.describe_thing(thingName="typed")["thingArn"]
    iot.associate_targets_with_job(jobId=job, targets=[thing])
    assert status("typed") == "QUEUED"

    for name in ("template", "other"):
        iot.create_job_template(jobTemplateId=name, description="firmware", document=json.dumps(document))
    assert iot.describe_job_template(jobTemplateId="template")["document"]
    paged(iot, "list_job_templates", "jobTemplates")
    iot.delete_job_template(jobTemplateId="other")
    iot.create_job(jobId="second", targets=[thing], document="{}")
    paged(iot, "list_jobs", "jobs")
    iot.cancel_job(jobId=job, comment="enough", force=True)
    assert iot.describe_job(jobId=job)["job"]["status"] == "CANCELED"
    iot.delete_job(jobId=job, force=True)
    s3.delete_object(Bucket="firmware", Key="config.json")
    s3.delete_bucket(Bucket="firmware")


def rules(a, span):
    """Seed 000: its own rule stays silent, the corrected one counts."""
    iot, watch = a.iot, a.cloudwatch
    metric = lambda name: [{"cloudwatchMetric": {"roleArn": ROLE, "metricNamespace": "IoT", "metricName": name,
                                                "metricValue": "1", "metricUnit": "Count"}}]
    rule = lambda sql, name: {"sql": sql, "actions": metric(name), "awsIotSqlVersion": "2016-03-23"}
    seed = "SELECT Humidity FROM '$aws/things/Thing01/shadow/update' WHERE Humidity > 50"
    better = ("SELECT state.reported.Humidity AS Humidity, topic(3) AS thing "
              "FROM '$aws/things/+/shadow/update/accepted' WHERE state.reported.Humidity > 50")
    iot.create_topic_rule(ruleName="HighHumidity", topicRulePayload=rule(seed, "Silent"))
    iot.create_topic_rule(ruleName="Corrected", topicRulePayload=rule(better, "HighHumidity"))
    refused("SqlParseException", iot.create_topic_rule, ruleName="Broken", topicRulePayload=rule("SELECT", "x"))
    report = json.dumps({"state": {"reported": {"Humidity": 78.5}}})
    a.iot_data.update_thing_shadow(thingName="Thing01", payload=report)

    def counted(name):
        query = {"Id": "m1", "MetricStat": {"Metric": {"Namespace": "IoT", "MetricName": name}, "Period": 60, "Stat": "Sum"}}
        found = watch.get_metric_data(MetricDataQueries=[query], StartTime=span["startTime"], EndTime=span["endTime"])
        return sum(found["MetricDataResults"][0]["Values"])

    eventually("the corrected rule counts", lambda: counted("HighHumidity") == 1)
    assert counted("Silent") == 0
    watch.put_metric_data(Namespace="Own", MetricData=[{"MetricName": "m", "Value": 4.0, "Unit": "Count"}])
    own = watch.get_metric_statistics(Namespace="Own", MetricName="m", StartTime=span["startTime"],
                                      EndTime=span["endTime"], Period=60, Statistics=["Maximum"])
    assert [p["Maximum"] for p in own["Datapoints"]] == [4.0], own
    assert {m["MetricName"] for m in watch.list_metrics(Namespace="IoT")["Metrics"]} == {"HighHumidity"}
    iot.disable_topic_rule(ruleName="HighHumidity")
    assert iot.get_topic_rule(ruleName="HighHumidity")["rule"]["ruleDisabled"] is True
    iot.enable_topic_rule(ruleName="HighHumidity")
    iot.replace_topic_rule(ruleName="HighHumidity", topicRulePayload=rule(better, "HighHumidity"))
    paged(iot, "list_topic_rules", "rules")
    iot.delete_topic_rule(ruleName="HighHumidity")


def revocation(a, device, certificate):
    """Seed 000's end: the certificate is revoked, its devices fall silent and cannot come back."""
    ident = certificate.rsplit("/", 1)[1]
    a.iot.update_certificate(certificateId=ident, newStatus="REVOKED")
    refused("CertificateStateException", a.iot.update_certificate, certificateId=ident, newStatus="ACTIVE")
    eventually("the revoked device is cut", lambda: not device.connected)
    a.iot.detach_policy(policyName="AllowAll", target=certificate)
    for n in (1, 2, 3):
        a.iot.detach_thing_principal(thingName=f"Thing0{n}", principal=certificate)
    a.iot.delete_certificate(certificateId=ident)
    delete = a.iot.delete_thing_type
    eventually("a deprecated type may go after its time", lambda: accepted(delete, thingTypeName="Old"))


def accepted(call, **arguments):
    try:
        call(**arguments)
    except ClientError:
        return False
    return True


def main():
    ready = json.loads(sys.argv[1])
    wanted = set()
    for line in sys.stdin.read().splitlines()[2:]:
        _, service, _, operations, _ = [cell.strip() for cell in line.split("|")]
        wanted |= {(service.strip("`"), operation) for operation in re.split(r",\s*", operations)}
    assert len(wanted) > 150, f"the table of operations is read wrongly: {wanted}"
    a = Account(ready["http"])
    a.excused = set()
    things(a)
    certificate = identities(a)
    authorities(a)
    shadows(a)
    topic = alerts(a, ready)
    detect(a, topic)
    device, violation, span = incident(a, ready, certificate)
    indexing(a)
    audit(a, topic, span)
    detect_mitigation(a, violation, span)
    jobs(a, device)
    rules(a, span)
    revocation(a, device, certificate)
    unknown = sorted(operation for operation in wanted if not a.knows(*operation))
    left = sorted(wanted - a.called - a.excused - set(unknown))
    strange = sorted(set(a.wrong))
    for text in strange:
        print("does not fit AWS's model:", text)
    for service, operation in left:
        print("never called with success:", service, operation)
    if left or strange:
        sys.exit(1)
    print(f"{len(a.called)} operations; {unknown or 'none'} unknown to botocore, {sorted(a.excused) or 'none'} too quick")


main()
