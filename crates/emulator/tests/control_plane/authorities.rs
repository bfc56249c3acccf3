//! CA certificates over the real SDK, and what audits and mitigation make of them and of certificates near their end.

use aws_sdk_iot::types::{
    CaCertificateStatus, CaCertificateUpdateAction, CertificateMode, MitigationActionParams,
    UpdateCaCertificateParams,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};

use crate::audit::ROLE;
use crate::{World, is, refusal};

const CA_EXPIRING: &str = "CA_CERTIFICATE_EXPIRING_CHECK";
const EXPIRING: &str = "DEVICE_CERTIFICATE_EXPIRING_CHECK";
const AGE: &str = "DEVICE_CERTIFICATE_AGE_CHECK";

/// A certificate in PEM that ends in so many days from now.
fn certificate(authority: bool, days: i64) -> String {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "Test");
    if authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let end = jiff::Zoned::now().checked_add(jiff::Span::new().days(days)).unwrap();
    params.not_after = rcgen::date_time_ymd(end.year().into(), end.month() as u8, end.day() as u8);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
}

#[tokio::test]
async fn certificates_near_their_end_are_found_and_a_ca_is_switched_off() {
    let world = World::at_speed(300.0).await;
    let iot = &world.iot;
    let pem = certificate(true, 10);
    let register = |pem: &str| {
        iot.register_ca_certificate()
            .ca_certificate(pem)
            .certificate_mode(CertificateMode::SniOnly)
            .set_as_active(true)
            .send()
    };
    let made = register(&pem).await.unwrap();
    let id = made.certificate_id.unwrap();
    assert!(made.certificate_arn.unwrap().ends_with(&format!(":cacert/{id}")));
    assert_eq!(refusal(register(&pem).await), is(409, "ResourceAlreadyExistsException"));
    assert_eq!(refusal(register(&certificate(false, 10)).await), is(400, "CertificateValidationException"));
    register(&certificate(true, 300)).await.unwrap();
    let unproven = iot.register_ca_certificate().ca_certificate(certificate(true, 300)).send().await;
    assert_eq!(refusal(unproven), is(400, "InvalidRequestException"));
    let code = iot.get_registration_code().send().await.unwrap().registration_code.unwrap();
    assert_eq!(code.len(), 64);

    for days in [-1, 20, 40] {
        let device = iot.register_certificate_without_ca().certificate_pem(certificate(false, days));
        device.status(aws_sdk_iot::types::CertificateStatus::Active).send().await.unwrap();
    }
    world.audits(&[CA_EXPIRING, EXPIRING, AGE]).await;
    let audit = world.audit(&[CA_EXPIRING, EXPIRING, AGE]).await;
    let details = iot.describe_audit_task().task_id(&audit).send().await.unwrap().audit_details.unwrap();
    let counts = |check: &str| {
        let held = &details[check];
        (held.total_resources_count.unwrap(), held.non_compliant_resources_count.unwrap())
    };
    assert_eq!((counts(CA_EXPIRING), counts(EXPIRING), counts(AGE)), ((2, 1), (3, 2), (3, 0)));
    let findings = world.findings(&audit).await;
    let mut codes: Vec<&str> =
        findings.iter().map(|f| f.reason_for_non_compliance_code.as_deref().unwrap()).collect();
    codes.sort_unstable();
    let near = "CERTIFICATE_APPROACHING_EXPIRATION";
    assert_eq!(codes, [near, near, "CERTIFICATE_PAST_EXPIRATION"]);

    let params =
        UpdateCaCertificateParams::builder().action(CaCertificateUpdateAction::Deactivate).build().unwrap();
    let params = MitigationActionParams::builder().update_ca_certificate_params(params).build();
    let action = iot.create_mitigation_action().action_name("CaOff").role_arn(ROLE).action_params(params);
    action.send().await.unwrap();
    world.mitigate("ca", &audit, CA_EXPIRING, &["CaOff"]).await;
    let status = |id: &str| {
        let describe = iot.describe_ca_certificate().certificate_id(id);
        async move { describe.send().await.unwrap().certificate_description.unwrap().status.unwrap() }
    };
    assert_eq!(status(&id).await, CaCertificateStatus::Inactive);
    assert!(world.findings(&world.audit(&[CA_EXPIRING]).await).await.is_empty());

    let pages = iot.list_ca_certificates().page_size(1).into_paginator().items().send();
    let rows: Vec<_> = pages.collect::<Result<_, _>>().await.unwrap();
    assert_eq!(rows.len(), 2);
    let on = iot.update_ca_certificate().certificate_id(&id).new_status(CaCertificateStatus::Active);
    on.send().await.unwrap();
    assert_eq!(status(&id).await, CaCertificateStatus::Active);
    let delete = || iot.delete_ca_certificate().certificate_id(&id).send();
    assert_eq!(refusal(delete().await), is(406, "CertificateStateException"));
    let off = iot.update_ca_certificate().certificate_id(&id).new_status(CaCertificateStatus::Inactive);
    off.send().await.unwrap();
    delete().await.unwrap();
    assert_eq!(refusal(delete().await), is(404, "ResourceNotFoundException"));
}
