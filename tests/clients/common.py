"""What the clients share: where `quell local` is, what they need there, and a client certificate's files."""

import json
import pathlib
import sys
import tempfile

import boto3

READY = json.loads(sys.argv[1])
HOST, PORT = READY["mqtts"].removeprefix("mqtts://").rsplit(":", 1)
PORT = int(PORT)
CA = str(pathlib.Path(READY["credentials"]) / "root-CA.pem")
ROLE = f"arn:aws:iam::{READY['account']}:role/R"
ALLOW = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]})
FOLDER = pathlib.Path(tempfile.mkdtemp())

iot = boto3.client(
    "iot",
    endpoint_url=READY["http"],
    region_name=READY["region"],
    aws_access_key_id="test",
    aws_secret_access_key="test",
)


def files(name, certificate, key):
    """The certificate and its key as files."""
    paths = [FOLDER / f"{name}.pem", FOLDER / f"{name}.key"]
    for path, text in zip(paths, (certificate, key)):
        path.touch(mode=0o600)
        path.write_text(text)
    return [str(path) for path in paths]


def device(thing):
    """A thing with a certificate of its own that may do everything; the certificate's files."""
    iot.create_thing(thingName=thing)
    made = iot.create_keys_and_certificate(setAsActive=True)
    iot.create_policy(policyName=f"{thing}-may", policyDocument=ALLOW)
    iot.attach_policy(policyName=f"{thing}-may", target=made["certificateArn"])
    iot.attach_thing_principal(thingName=thing, principal=made["certificateArn"])
    return files(thing, made["certificatePem"], made["keyPair"]["PrivateKey"])
