#!/usr/bin/env python3
"""Asks an empty account of `quell local` for every operation it has, about things that are not there.

    probe.py READY < (output of quell local --operations)

READY is the line `quell local --json` prints.

The members that botocore's model requires are made up from the model. Fails when an operation breaks down (5xx), is not known,
answers in another protocol than its client's, or refuses with an error that AWS's model of the operation does not have.
"""

import datetime
import json
import re
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

CLIENTS = {"iotdata": "iot-data", "monitoring": "cloudwatch"}
ACCOUNT = "123456789012"
IOT = f"arn:aws:iot:us-east-1:{ACCOUNT}:"
ARNS = {
    "role": f"arn:aws:iam::{ACCOUNT}:role/none",
    "topic": f"arn:aws:sns:us-east-1:{ACCOUNT}:none",
    "sns": f"arn:aws:sns:us-east-1:{ACCOUNT}:none",
    "group": IOT + "thinggroup/none",
    "": IOT + "thing/none",
}
# Errors that the service has and no operation's model names.
UNNAMED = {"NoSuchBucket", "404", "MissingRequiredParameter", "InvalidParameterValue"}


def text(name, shape):
    least, most = shape.metadata.get("min", 1), shape.metadata.get("max", 128)
    lower = name.lower()
    if shape.enum:
        return shape.enum[0]
    if "arn" in lower:
        return next(arn for part, arn in ARNS.items() if part in lower)
    if lower in ("principal", "target"):
        return IOT + "cert/" + "a" * 64
    if "certificateid" in lower:
        return "a" * 64
    if lower == "policydocument":
        allow = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}
        return json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    if lower == "sql":
        return "SELECT * FROM 'a'"
    if lower == "querystring":
        return "thingName:none"
    if "version" in lower:
        return "1"
    return "none"[:most].ljust(least, "x")


def made_up(name, shape, depth=0):
    kind = shape.type_name
    if kind == "string":
        return text(name, shape)
    if kind in ("integer", "long"):
        return max(shape.metadata.get("min", 1), 1)
    if kind == "list":
        return [made_up(name, shape.member, depth + 1)]
    if kind == "map":
        return {text("key", shape.key): made_up(name, shape.value, depth + 1)}
    if kind == "structure":
        return {} if depth > 5 else required(shape, depth + 1)
    plain = {"double": 1.0, "float": 1.0, "boolean": False, "blob": b"{}"}
    return plain.get(kind, datetime.datetime(2026, 11, 27))


def required(shape, depth=0):
    members = shape.members.items() if shape else ()
    return {name: made_up(name, member, depth) for name, member in members if name in shape.required_members}


def probe(client, operation):
    """What is wrong with the answer; nothing when it is one of AWS's."""
    model = client.meta.service_model.operation_model(operation)
    method = next(name for name, known in client.meta.method_to_api_mapping.items() if known == operation)
    try:
        getattr(client, method)(**required(model.input_shape))
    except ClientError as error:
        said, status = error.response["Error"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        named = {shape.name for shape in model.error_shapes}
        named |= {(shape.metadata.get("error") or {}).get("code") for shape in model.error_shapes}
        # Neither a breakdown nor an operation that is not known is among them.
        if status >= 500 or said["Code"] not in named | UNNAMED:
            return f"{status} {said['Code']}: {said.get('Message', '')}"
    return None


def main():
    ready = json.loads(sys.argv[1])
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    config = Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"})
    wrong, asked, unknown = [], 0, []
    for line in sys.stdin.read().splitlines()[2:]:
        _, service, _, operations, _ = [cell.strip() for cell in line.split("|")]
        service = CLIENTS.get(service.strip("`"), service.strip("`"))
        client = boto3.client(service, endpoint_url=ready["http"], region_name="us-east-1", config=config, **keys)
        for operation in re.split(r",\s*", operations):
            if operation not in client.meta.service_model.operation_names:
                unknown.append(operation)
                continue
            asked += 1
            told = probe(client, operation)
            if told:
                wrong.append(f"{service} {operation}: {told}")
    print("\n".join(wrong))
    assert asked > 150, f"the table of operations is read wrongly: {asked}"
    if wrong:
        sys.exit(1)
    print(f"{asked} operations; {unknown or 'none'} unknown to botocore")


main()
