//! Certificates and what is attached to them.

use aws_sdk_iot::types::{CertificateStatus, ThingPrincipalType};

use crate::{ACCOUNT, World, is, refusal};

#[tokio::test]
async fn a_certificate_lives_through_its_states() {
    let world = World::start().await;
    let iot = &world.iot;
    let (id, arn) = world.certificate(true).await;
    let held = iot.describe_certificate().certificate_id(&id).send().await.unwrap();
    let held = held.certificate_description().unwrap();
    assert_eq!(held.certificate_arn(), Some(arn.as_str()));
    assert_eq!(held.status(), Some(&CertificateStatus::Active));
    assert!(held.validity().unwrap().not_after().is_some());

    let update =
        |status: CertificateStatus| iot.update_certificate().certificate_id(&id).new_status(status).send();
    update(CertificateStatus::Inactive).await.unwrap();
    update(CertificateStatus::Inactive).await.unwrap();
    update(CertificateStatus::Active).await.unwrap();
    let unsettable = update(CertificateStatus::PendingActivation).await;
    assert_eq!(refusal(unsettable), is(400, "InvalidRequestException"));
    let unknown = update(CertificateStatus::from("BROKEN")).await;
    assert_eq!(refusal(unknown), is(400, "InvalidRequestException"));
    let active = iot.delete_certificate().certificate_id(&id).send().await;
    assert_eq!(refusal(active), is(406, "CertificateStateException"));
    update(CertificateStatus::Revoked).await.unwrap();
    update(CertificateStatus::Revoked).await.unwrap();
    for status in [CertificateStatus::Active, CertificateStatus::Inactive] {
        assert_eq!(refusal(update(status).await), is(406, "CertificateStateException"));
    }
    iot.delete_certificate().certificate_id(&id).send().await.unwrap();
    let gone = iot.describe_certificate().certificate_id(&id).send().await;
    assert_eq!(refusal(gone), is(404, "ResourceNotFoundException"));
    let short = iot.describe_certificate().certificate_id("abc").send().await;
    assert_eq!(refusal(short), is(400, "InvalidRequestException"));
}

#[tokio::test]
async fn certificates_come_from_requests_and_from_outside_and_are_listed_in_pages() {
    let world = World::start().await;
    let iot = &world.iot;
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["device".to_owned()]).unwrap();
    let csr = params.serialize_request(&key).unwrap().pem().unwrap();
    let made = iot.create_certificate_from_csr().certificate_signing_request(csr).send().await.unwrap();
    assert!(made.certificate_pem().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    let rubbish = iot.create_certificate_from_csr().certificate_signing_request("x").send().await;
    assert_eq!(refusal(rubbish), is(400, "InvalidRequestException"));

    let own = params.self_signed(&key).unwrap().pem();
    let register = || {
        iot.register_certificate_without_ca().certificate_pem(&own).status(CertificateStatus::Active).send()
    };
    let registered = register().await.unwrap();
    let again = register().await;
    assert_eq!(refusal(again), is(409, "ResourceAlreadyExistsException"));
    let waiting = iot.register_certificate_without_ca().certificate_pem(&own);
    let waiting = waiting.status(CertificateStatus::PendingActivation).send().await;
    assert_eq!(refusal(waiting), is(406, "CertificateStateException"));
    let rubbish = iot.register_certificate().certificate_pem("x").send().await;
    assert_eq!(refusal(rubbish), is(400, "CertificateValidationException"));

    world.certificate(true).await;
    let (mut seen, mut marker) = (Vec::new(), None);
    loop {
        let list = iot.list_certificates().page_size(2).ascending_order(true).set_marker(marker);
        let page = list.send().await.unwrap();
        seen.extend(page.certificates().iter().map(|c| c.certificate_id().unwrap().to_owned()));
        marker = page.next_marker().map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 3);
    assert!(seen.contains(&registered.certificate_id().unwrap().to_owned()));
    let newest_first = iot.list_certificates().send().await.unwrap();
    let backwards: Vec<_> =
        newest_first.certificates().iter().rev().map(|c| c.certificate_id().unwrap()).collect();
    assert_eq!(seen, backwards);
}

#[tokio::test]
async fn a_shared_certificate_names_all_its_things() {
    let world = World::start().await;
    let iot = &world.iot;
    let (id, arn) = world.certificate(true).await;
    for thing in ["Thing01", "Thing02"] {
        world.thing(thing).await;
        iot.attach_thing_principal().thing_name(thing).principal(&arn).send().await.unwrap();
    }
    let principals = iot.list_thing_principals().thing_name("Thing02").send().await.unwrap();
    assert_eq!(principals.principals(), std::slice::from_ref(&arn));
    let things = iot.list_principal_things().principal(&arn).send().await.unwrap();
    assert_eq!(things.things(), ["Thing01", "Thing02"]);
    let objects = iot.list_thing_principals_v2().thing_name("Thing02").send().await.unwrap();
    let object = &objects.thing_principal_objects()[0];
    assert_eq!(object.thing_principal_type(), Some(&ThingPrincipalType::NonExclusiveThing));
    let exclusive = ThingPrincipalType::ExclusiveThing;
    let none = iot.list_principal_things_v2().principal(&arn).thing_principal_type(exclusive.clone());
    assert!(none.send().await.unwrap().principal_thing_objects().is_empty());
    world.thing("Thing03").await;
    let attach = iot.attach_thing_principal().thing_name("Thing03").principal(&arn);
    let refused = attach.thing_principal_type(exclusive).send().await;
    assert_eq!(refusal(refused), is(400, "InvalidRequestException"));

    let kept = iot.delete_thing().thing_name("Thing01").send().await;
    assert_eq!(refusal(kept), is(400, "InvalidRequestException"));
    iot.update_certificate()
        .certificate_id(&id)
        .new_status(CertificateStatus::Inactive)
        .send()
        .await
        .unwrap();
    let attached = iot.delete_certificate().certificate_id(&id).force_delete(true).send().await;
    assert_eq!(refusal(attached), is(409, "DeleteConflictException"));
    for thing in ["Thing01", "Thing02"] {
        iot.detach_thing_principal().thing_name(thing).principal(&arn).send().await.unwrap();
    }
    iot.delete_thing().thing_name("Thing01").send().await.unwrap();
    iot.delete_certificate().certificate_id(&id).send().await.unwrap();
    let gone = iot.list_principal_things().principal(&arn).send().await;
    assert_eq!(refusal(gone), is(404, "ResourceNotFoundException"));
    let nonsense = iot.list_principal_things().principal("somebody").send().await;
    assert_eq!(refusal(nonsense), is(400, "InvalidRequestException"));
}

#[tokio::test]
async fn a_thing_is_registered_by_the_template_in_the_request() {
    let world = World::start().await;
    world
        .policy(
            "Known",
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#,
        )
        .await;
    world.group("Pumps").await;
    let template = serde_json::json!({
        "Parameters": {"ThingName": {"Type": "String"}, "CSR": {"Type": "String"}, "Place": {"Type": "String", "Default": "WA"}},
        "Resources": {
            "thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": "ThingName"},
                "AttributePayload": {"place": {"Ref": "Place"}}, "ThingGroups": ["Pumps"]}},
            "certificate": {"Type": "AWS::IoT::Certificate", "Properties":
                {"CertificateSigningRequest": {"Ref": "CSR"}, "Status": "ACTIVE"}},
            "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "Known"}}}});
    let csr = std::fs::read_to_string("fixtures/csr/p256-sha512.pem").unwrap();
    let register = async |body: &serde_json::Value, csr: &str| {
        let ask = world.iot.register_thing().template_body(body.to_string());
        ask.parameters("ThingName", "pump").parameters("CSR", csr).send().await
    };
    let made = register(&template, &csr).await.unwrap();
    let arns = made.resource_arns().unwrap();
    assert_eq!(arns["thing"], format!("arn:aws:iot:us-east-1:{ACCOUNT}:thing/pump"));
    assert_eq!(arns["policy"], format!("arn:aws:iot:us-east-1:{ACCOUNT}:policy/Known"));
    let id = arns["certificate"].rsplit('/').next().unwrap();
    let held = world.iot.describe_certificate().certificate_id(id).send().await.unwrap();
    let held = held.certificate_description().unwrap();
    assert_eq!(held.certificate_pem(), made.certificate_pem());
    assert_eq!(held.status().unwrap().as_str(), "ACTIVE");
    let thing = world.iot.describe_thing().thing_name("pump").send().await.unwrap();
    assert_eq!(thing.attributes().unwrap()["place"], "WA");
    let principals = world.iot.list_thing_principals().thing_name("pump").send().await.unwrap();
    assert_eq!(principals.principals(), [arns["certificate"].clone()]);
    let groups = world.iot.list_thing_groups_for_thing().thing_name("pump").send().await.unwrap();
    assert_eq!(groups.thing_groups().len(), 1);
    // What cannot be read is the caller's mistake, what cannot be done a failed registration that leaves nothing.
    let certificates = async || world.iot.list_certificates().send().await.unwrap().certificates().len();
    let before = certificates().await;
    for (body, csr, code) in [
        (serde_json::json!("no template"), csr.as_str(), "InvalidRequestException"),
        (serde_json::json!({"Resources": {}}), &csr, "InvalidRequestException"),
        (template.clone(), "no request", "ResourceRegistrationFailureException"),
    ] {
        assert_eq!(refusal(register(&body, csr).await), is(400, code), "{body}");
    }
    let mut absent = template.clone();
    absent["Resources"]["policy"]["Properties"]["PolicyName"] = "Unknown".into();
    assert_eq!(refusal(register(&absent, &csr).await), is(400, "ResourceRegistrationFailureException"));
    // Found out only once the certificate is there.
    let mut late = template.clone();
    late["Resources"]["policy"]["Properties"] = serde_json::json!({"PolicyDocument": "{}"});
    let other = std::fs::read_to_string("fixtures/csr/p384-sha512.pem").unwrap();
    assert_eq!(refusal(register(&late, &other).await), is(400, "ResourceRegistrationFailureException"));
    assert_eq!(certificates().await, before);
}
