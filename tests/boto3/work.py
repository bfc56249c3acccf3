"""Shadows, jobs, rules and the end of a certificate: what is done to the fleet."""

import json
import time

from steps import ROLE, accepted, eventually, paged, refused


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
