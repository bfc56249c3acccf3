"""The account's things, groups, certificates, policies and settings."""

import json
import shutil
import subprocess
import tempfile
import urllib.request

from steps import ALLOW, DENY, ROLE, eventually, paged, refused
from strict import OTHER


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
    refused("MalformedPolicyException", iot.create_policy, policyName="bad", policyDocument='{"Version": "2012-10-17"}')
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
    assert iot.list_policy_principals(policyName="nobody-s")["principals"] == []
    refused("ResourceNotFoundException", iot.list_targets_for_policy, policyName="nobody-s")
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
    assumed = a.sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/responder", RoleSessionName="walk")
    assert assumed["AssumedRoleUser"]["Arn"].endswith(":assumed-role/responder/walk"), assumed
    assert a.sts.get_session_token()["Credentials"]["SessionToken"]
    a.iam.list_account_aliases()
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


def billing(a):
    iot = a.iot
    for name in ("north", "south"):
        iot.create_billing_group(billingGroupName=name, tags=[{"Key": "cost", "Value": name}])
    iot.update_billing_group(billingGroupName="north", billingGroupProperties={"billingGroupDescription": "cold"})
    held = iot.describe_billing_group(billingGroupName="north")
    assert held["version"] == 2 and held["billingGroupProperties"]["billingGroupDescription"] == "cold", held
    for n in (1, 2):
        iot.add_thing_to_billing_group(billingGroupName="north", thingName=f"Thing0{n}")
    refused("InvalidRequestException", iot.add_thing_to_billing_group, billingGroupName="south", thingName="Thing01")
    assert paged(iot, "list_things_in_billing_group", "things", billingGroupName="north") == ["Thing01", "Thing02"]
    assert iot.describe_thing(thingName="Thing01")["billingGroupName"] == "north"
    iot.remove_thing_from_billing_group(billingGroupArn=held["billingGroupArn"], thingName="Thing01")
    paged(iot, "list_billing_groups", "billingGroups")
    iot.delete_billing_group(billingGroupName="north")
    assert "billingGroupName" not in iot.describe_thing(thingName="Thing02")


TEMPLATE = {
    "Parameters": {"SerialNumber": {"Type": "String"}},
    "Resources": {
        "thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": "SerialNumber"}}},
        "certificate": {
            "Type": "AWS::IoT::Certificate",
            "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "ACTIVE"},
        },
    },
}


def in_bulk(a, template):
    """Many devices by one template and a file in a bucket: two that can be registered, one that cannot, one line that is none."""
    iot = a.iot
    template["Parameters"]["Name"] = {"Type": "String"}
    template["Resources"]["thing"]["Properties"]["ThingName"] = {"Ref": "Name"}
    known = [iot.create_keys_and_certificate()["certificateId"] for _ in range(2)]
    lines = [json.dumps({"Name": f"bulk-{n}", "Id": ident}) for n, ident in enumerate([*known, "0" * 64])]
    a.s3.create_bucket(Bucket="bulk-things")
    a.s3.put_object(Bucket="bulk-things", Key="things.json", Body="\n".join([*lines, "[]", ""]).encode())
    task = {"templateBody": json.dumps(template), "inputFileBucket": "bulk-things", "roleArn": ROLE}
    ended = {}
    for key, status in (("things.json", "Completed"), ("none.json", "Failed")):
        ident = iot.start_thing_registration_task(inputFileKey=key, **task)["taskId"]
        described = iot.describe_thing_registration_task
        eventually(f"the task is {status}", lambda: described(taskId=ident)["status"] == status)
        ended[status] = ident
    done = described(taskId=ended["Completed"])
    assert (done["successCount"], done["failureCount"], done["percentageProgress"]) == (2, 2, 100), done
    assert "none.json" in described(taskId=ended["Failed"])["message"]
    assert {"bulk-0", "bulk-1"} <= {thing["thingName"] for thing in iot.list_things()["things"]}
    for kind, count in (("RESULTS", 2), ("ERRORS", 2)):
        said = iot.list_thing_registration_task_reports(taskId=ended["Completed"], reportType=kind)
        with urllib.request.urlopen(said["resourceLinks"][0]) as report:
            assert len(report.read().splitlines()) == count, kind
    nothing = iot.list_thing_registration_task_reports(taskId=ended["Failed"], reportType="RESULTS")
    assert nothing["resourceLinks"] == [], nothing
    assert iot.list_thing_registration_tasks(status="Failed")["taskIds"] == [ended["Failed"]]
    paged(iot, "list_thing_registration_tasks", "taskIds")
    iot.stop_thing_registration_task(taskId=ended["Completed"])
    assert described(taskId=ended["Completed"])["status"] == "Completed"
    refused("ResourceNotFoundException", iot.stop_thing_registration_task, taskId="none")
    a.s3.delete_object(Bucket="bulk-things", Key="things.json")
    a.s3.delete_bucket(Bucket="bulk-things")


def settings(a):
    """What infrastructure code sets up around a fleet: aliases, authorizers, domains, templates, log levels."""
    iot = a.iot
    for alias in ("alias", "other"):
        iot.create_role_alias(roleAlias=alias, roleArn=ROLE)
    refused("ResourceAlreadyExistsException", iot.create_role_alias, roleAlias="alias", roleArn=ROLE)
    iot.update_role_alias(roleAlias="alias", credentialDurationSeconds=900)
    assert iot.describe_role_alias(roleAlias="alias")["roleAliasDescription"]["credentialDurationSeconds"] == 900
    paged(iot, "list_role_aliases", "roleAliases")
    iot.delete_role_alias(roleAlias="other")

    function = "arn:aws:lambda:us-east-1:123456789012:function:judge"
    for name in ("judge", "jury"):
        iot.create_authorizer(authorizerName=name, authorizerFunctionArn=function, signingDisabled=True)
    iot.set_default_authorizer(authorizerName="judge")
    assert iot.describe_default_authorizer()["authorizerDescription"]["authorizerName"] == "judge"
    refused("DeleteConflictException", iot.delete_authorizer, authorizerName="judge")
    iot.clear_default_authorizer()
    iot.update_authorizer(authorizerName="judge", status="INACTIVE")
    assert iot.describe_authorizer(authorizerName="judge")["authorizerDescription"]["status"] == "INACTIVE"
    paged(iot, "list_authorizers", "authorizers")
    iot.delete_authorizer(authorizerName="judge")

    iot.create_domain_configuration(domainConfigurationName="own")
    assert iot.describe_domain_configuration(domainConfigurationName="own")["domainType"] == "AWS_MANAGED"
    iot.update_domain_configuration(domainConfigurationName="own", domainConfigurationStatus="DISABLED")
    paged(iot, "list_domain_configurations", "domainConfigurations", 3)
    refused("InvalidRequestException", iot.delete_domain_configuration, domainConfigurationName="own")
    refused("ResourceNotFoundException", iot.delete_domain_configuration, domainConfigurationName="never")
    # One with a certificate of its own goes as soon as it is disabled.
    iot.create_domain_configuration(
        domainConfigurationName="custom", domainName="iot.example.com",
        serverCertificateArns=["arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"])
    iot.update_domain_configuration(domainConfigurationName="custom", domainConfigurationStatus="DISABLED")
    iot.delete_domain_configuration(domainConfigurationName="custom")
    refused("ResourceNotFoundException", iot.describe_domain_configuration, domainConfigurationName="custom")

    for name in ("fleet", "spare"):
        iot.create_provisioning_template(
            templateName=name, templateBody=json.dumps(TEMPLATE), provisioningRoleArn=ROLE, enabled=True)
    iot.create_provisioning_template_version(templateName="fleet", templateBody=json.dumps(TEMPLATE), setAsDefault=True)
    assert iot.describe_provisioning_template(templateName="fleet")["defaultVersionId"] == 2
    assert iot.describe_provisioning_template_version(templateName="fleet", versionId=1)["isDefaultVersion"] is False
    assert len(iot.list_provisioning_template_versions(templateName="fleet")["versions"]) == 2
    iot.delete_provisioning_template_version(templateName="fleet", versionId=1)
    claim = iot.create_provisioning_claim(templateName="fleet")
    assert "RSA PRIVATE KEY" in claim["keyPair"]["PrivateKey"], claim
    refused("ResourceNotFoundException", iot.describe_certificate, certificateId=claim["certificateId"])
    iot.update_provisioning_template(templateName="fleet", enabled=False)
    refused("InvalidRequestException", iot.create_provisioning_claim, templateName="fleet")
    paged(iot, "list_provisioning_templates", "templates")
    iot.delete_provisioning_template(templateName="spare")
    registered = {"Parameters": {"Id": {"Type": "String"}}, "Resources": {
        "thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": "registered"}},
        "certificate": {"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": {"Ref": "Id"}, "Status": "INACTIVE"}}}}
    known = iot.create_keys_and_certificate()["certificateId"]
    made = iot.register_thing(templateBody=json.dumps(registered), parameters={"Id": known})
    assert made["resourceArns"]["thing"].endswith(":thing/registered") and "BEGIN CERTIFICATE" in made["certificatePem"]
    in_bulk(a, registered)

    ident = iot.create_keys_and_certificate(setAsActive=False)["certificateId"]
    for end in ("cancelled", "rejected", "accepted"):
        iot.transfer_certificate(certificateId=ident, targetAwsAccount=OTHER, transferMessage="yours")
        assert iot.describe_certificate(certificateId=ident)["certificateDescription"]["status"] == "PENDING_TRANSFER"
        paged(iot, "list_outgoing_certificates", "outgoingCertificates", 1)
        if end == "cancelled":
            iot.cancel_certificate_transfer(certificateId=ident)
        elif end == "rejected":
            a.others_iot.reject_certificate_transfer(certificateId=ident, rejectReason="not mine")
        else:
            a.others_iot.accept_certificate_transfer(certificateId=ident, setAsActive=False)
    refused("ResourceNotFoundException", iot.describe_certificate, certificateId=ident)
    a.others_iot.delete_certificate(certificateId=ident)

    refused("NotConfiguredException", iot.list_v2_logging_levels)
    iot.set_v2_logging_options(roleArn=ROLE, defaultLogLevel="WARN")
    iot.set_v2_logging_level(logTarget={"targetType": "THING_GROUP", "targetName": "Quarantine"}, logLevel="DEBUG")
    paged(iot, "list_v2_logging_levels", "logTargetConfigurations")
    iot.delete_v2_logging_level(targetType="THING_GROUP", targetName="Quarantine")
    iot.set_v2_logging_options(roleArn=ROLE, defaultLogLevel="DISABLED", disableAllLogs=True)
