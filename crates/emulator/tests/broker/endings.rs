//! The end of an emulator: nothing that ran for it keeps its account.

use std::sync::Arc;

use aws_sdk_iot::types::CertificateStatus;

use crate::{ALLOW, World, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_gone_when_its_emulator_is_dropped_whoever_was_connected() {
    let world = World::start().await;
    let account = Arc::downgrade(&world.running.account());
    let mut plain = world.client("plain").await;
    plain.subscribe(&["a/#"]).await;
    // A certificate switched off has two minutes of grace, in which something waits.
    let identity = world.identity_with(ALLOW).await;
    let device = world.device("device", &identity).await;
    let off = world.iot.update_certificate().certificate_id(&identity.id);
    off.new_status(CertificateStatus::Inactive).send().await.unwrap();
    // An audit that is on its way.
    let checks = aws_sdk_iot::types::AuditCheckConfiguration::builder().enabled(true).build();
    let configure = world.iot.update_account_audit_configuration();
    let role = "arn:aws:iam::123456789012:role/Audit";
    let configure = configure.role_arn(role).audit_check_configurations("LOGGING_DISABLED_CHECK", checks);
    configure.send().await.unwrap();
    world.iot.start_on_demand_audit_task().target_check_names("LOGGING_DISABLED_CHECK").send().await.unwrap();
    assert!(account.upgrade().is_some());
    drop(world);
    until("the account is gone", async || (account.strong_count() == 0).then_some(())).await;
    drop((plain, device));
}
