#!/usr/bin/env python3
"""Fleet provisioning with the AWS IoT Device SDK v2, then HTTPS and the credentials provider with what it gave.

    provision.py READY

READY is the line `quell local --json` prints.
"""

import http.client
import json
import ssl
import subprocess
import threading

from awscrt.mqtt_request_response import ClientOptions
from awsiot import iotidentity, mqtt5_client_builder
from awsiot.iotidentity import CreateCertificateFromCsrRequest, CreateKeysAndCertificateRequest, RegisterThingRequest
from common import ALLOW, CA, FOLDER, HOST, PORT, READY, ROLE, files, iot

TEMPLATE = {
    "Parameters": {"SerialNumber": {"Type": "String"}, "AWS::IoT::Certificate::Id": {"Type": "String"}},
    "Resources": {
        "thing": {"Type": "AWS::IoT::Thing", "Properties": {
            "ThingName": {"Fn::Join": ["", ["dev_", {"Ref": "SerialNumber"}]]}}},
        "certificate": {"Type": "AWS::IoT::Certificate", "Properties": {
            "CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "Active"}},
        "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": json.loads(ALLOW)}},
    },
    "DeviceConfiguration": {"site": "PHX3"},
}


def connected(certificate, key):
    up = threading.Event()
    client = mqtt5_client_builder.mtls_from_path(
        endpoint=HOST, port=PORT, ca_filepath=CA, cert_filepath=certificate, pri_key_filepath=key,
        client_id="from-the-box", on_lifecycle_connection_success=lambda _: up.set())
    client.start()
    assert up.wait(30), "not connected"
    return client


def refused(future):
    """The modeled error of a request, which must be refused."""
    try:
        future.result(30)
    except Exception as error:
        return error.modeled_error
    raise AssertionError("it was accepted")


def https(certificate, key, method, path, body=None, headers={}, alpn=()):
    context = ssl.create_default_context(cafile=CA)
    context.load_cert_chain(certificate, key)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    connection = http.client.HTTPSConnection(HOST, PORT, context=context, timeout=30)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def main():
    iot.create_provisioning_template(
        templateName="Fleet", templateBody=json.dumps(TEMPLATE), enabled=True, provisioningRoleArn=ROLE)
    claim = iot.create_provisioning_claim(templateName="Fleet")
    mqtt = connected(*files("claim", claim["certificatePem"], claim["keyPair"]["PrivateKey"]))
    options = ClientOptions(
        max_request_response_subscriptions=3, max_streaming_subscriptions=1, operation_timeout_in_seconds=30)
    identity = iotidentity.IotIdentityClientV2(mqtt, options)
    made = identity.create_keys_and_certificate(CreateKeysAndCertificateRequest()).result(30)
    token = made.certificate_ownership_token

    def register(token, parameters):
        return identity.register_thing(RegisterThingRequest(
            template_name="Fleet", certificate_ownership_token=token, parameters=parameters))

    assert refused(register("bogus", {"SerialNumber": "1"})).error_code == "InvalidCertificateOwnershipToken"
    assert refused(register(token, {})).error_code == "InvalidParameters"
    registered = register(token, {"SerialNumber": "1"}).result(30)
    assert (registered.thing_name, registered.device_configuration) == ("dev_1", {"site": "PHX3"}), registered
    subprocess.run(
        ["openssl", "req", "-new", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=x", "-keyout", FOLDER / "csr.key",
         "-out", FOLDER / "csr.pem"], check=True, capture_output=True)
    request = CreateCertificateFromCsrRequest(certificate_signing_request=(FOLDER / "csr.pem").read_text())
    token = identity.create_certificate_from_csr(request).result(30).certificate_ownership_token
    assert register(token, {"SerialNumber": "2"}).result(30).thing_name == "dev_2"
    mqtt.stop()

    own = files("own", made.certificate_pem, made.private_key)
    for alpn in ((), ("x-amzn-http-ca",)):
        status, body = https(*own, "POST", "/topics/dt/x?qos=1", b"hello", alpn=alpn)
        assert (status, body["message"]) == (200, "OK"), (alpn, status, body)

    iot.create_role_alias(roleAlias="Uploads", roleArn=ROLE)
    path, named = "/role-aliases/Uploads/credentials", {"x-amzn-iot-thingname": "dev_1"}
    status, body = https(*own, "GET", path, headers=named)
    given = body["credentials"]
    assert status == 200 and given["accessKeyId"].startswith("ASIA"), body
    status, body = https(*own, "GET", path, headers={"x-amzn-iot-thingname": "dev_2"})
    assert (status, body["message"]) == (403, "Invalid thing name passed"), body

    import boto3
    sts = boto3.client(
        "sts", endpoint_url=READY["http"], region_name=READY["region"], aws_access_key_id=given["accessKeyId"],
        aws_secret_access_key=given["secretAccessKey"], aws_session_token=given["sessionToken"])
    assert ":assumed-role/R/" in sts.get_caller_identity()["Arn"]


main()
