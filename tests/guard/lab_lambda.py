"""The lab's mitigation function as it stands in its page, with what it leaves out filled in; the event comes on stdin."""

import json
import sys

import boto3

IOT_QUARANTINE_GROUP = "Quarantine"

iot_cli = boto3.client("iot")
iot_data_cli = boto3.client("iot-data")


def get_thing_name(msg):
    return msg["thingName"]


def lambda_handler(event, context):
    msg = json.loads(event["Records"][0]["Sns"]["Message"])

    thing_name = get_thing_name(msg)

    iot_cli.update_thing_groups_for_thing(thingName=thing_name, thingGroupsToAdd=[IOT_QUARANTINE_GROUP])

    payload = json.dumps({"state": {"desired": {"quarantine": True}}})

    iot_data_cli.update_thing_shadow(thingName=thing_name, payload=payload)

    return "OK"


print(lambda_handler(json.load(sys.stdin), None))
