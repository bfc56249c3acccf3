//! How a device is silenced: a group's deny after the policy cache, DeleteConnection, a certificate that is switched off.

use aws_sdk_iot::types::CertificateStatus;
use tokio::time::Instant;

use crate::client::Client;
use crate::{ALLOW, DENY, Identity, LONG, World};

/// Thing02 with an allowing certificate, and a group that denies everything.
async fn incident(speed: f64) -> (World, Identity) {
    let world = World::at_speed(speed).await;
    let identity = world.identity_with(ALLOW).await;
    let iot = &world.iot;
    iot.create_thing().thing_name("Thing02").send().await.unwrap();
    iot.attach_thing_principal().thing_name("Thing02").principal(&identity.arn).send().await.unwrap();
    let group = iot.create_thing_group().thing_group_name("IsolatedDevices").send().await.unwrap();
    world.policy("DenyAll", DENY).await;
    let target = group.thing_group_arn.unwrap();
    iot.attach_policy().policy_name("DenyAll").target(target).send().await.unwrap();
    (world, identity)
}

async fn isolate(world: &World) {
    let add = world.iot.add_thing_to_thing_group();
    add.thing_name("Thing02").thing_group_name("IsolatedDevices").send().await.unwrap();
}

async fn switch(world: &World, identity: &Identity, status: CertificateStatus) {
    let update = world.iot.update_certificate().certificate_id(&identity.id);
    update.new_status(status).send().await.unwrap();
}

/// Publishes until the broker ends the connection; how long that took.
async fn talk_until_cut(device: &mut Client) -> std::time::Duration {
    let start = Instant::now();
    loop {
        device.handle.publish("dt/x", "1", rumqttc::PublishOptions::at_least_once()).await.unwrap();
        loop {
            match device.next().await {
                crate::client::Heard::Packet(rumqttc::Packet::PubAck(_)) => break,
                crate::client::Heard::Packet(_) => {}
                crate::client::Heard::Ended(_) => return start.elapsed(),
            }
        }
        assert!(start.elapsed() < LONG, "the deny takes effect");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_isolated_device_talks_until_the_policy_cache_expires() {
    // 420 s are 1.4 s at this speed.
    let (world, identity) = incident(300.0).await;
    let mut console = world.client("console").await;
    console.subscribe(&["$aws/events/presence/disconnected/Thing02"]).await;
    let start = Instant::now();
    let mut device = world.device("Thing02", &identity).await;
    // Another client id with the same certificate: the group's policy is not for it.
    let mut alias = world.device("SensorDevice02", &identity).await;
    isolate(&world).await;
    talk_until_cut(&mut device).await;
    assert!(start.elapsed().as_millis() >= 1300, "not before the cache expired: {:?}", start.elapsed());
    assert_eq!(console.json().await.1["disconnectReason"], "AUTH_ERROR");
    crate::until("the deny refuses new connections", async || {
        let mut again = Client::open(world.secure("Thing02", &identity));
        matches!(again.next().await, crate::client::Heard::Ended(reason) if reason == "NotAuthorized")
            .then_some(())
    })
    .await;
    alias.publish("dt/x", "still there").await;
}

#[tokio::test]
async fn deleting_the_connection_silences_an_isolated_device_before_the_cache_expires() {
    // The cache would hold for 42 s, an ended connection's documents hold for 2 s.
    let (world, identity) = incident(10.0).await;
    let mut console = world.client("console").await;
    console.subscribe(&["$aws/events/presence/disconnected/Thing02"]).await;
    let mut device = world.device("Thing02", &identity).await;
    isolate(&world).await;
    device.publish("dt/x", "still heard").await;
    let start = Instant::now();
    loop {
        let cut = world.data.delete_connection().client_id("Thing02").clean_session(true);
        cut.send().await.unwrap();
        device.ended().await;
        let (_, event) = console.json().await;
        assert_eq!(event["disconnectReason"], "API_INITIATED_DISCONNECT");
        assert_eq!(event["clientInitiatedDisconnect"], false);
        let mut again = Client::open(world.secure("Thing02", &identity));
        match again.next().await {
            crate::client::Heard::Ended(reason) => {
                assert_eq!(reason, "NotAuthorized");
                break;
            }
            crate::client::Heard::Packet(_) => device = again,
        }
        tokio::time::sleep(std::time::Duration::from_millis(1050)).await;
    }
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_certificate_that_is_switched_off_cannot_reconnect_and_says_nothing_of_it() {
    // 120 s are 0.6 s at this speed.
    let (world, identity) = incident(200.0).await;
    let mut console = world.client("console").await;
    console.subscribe(&["$aws/events/presence/#", "dt/own"]).await;
    for status in [CertificateStatus::Inactive, CertificateStatus::Revoked] {
        let mut device = world.device("Thing02", &identity).await;
        assert_eq!(console.json().await.0, "$aws/events/presence/connected/Thing02");
        switch(&world, &identity, status.clone()).await;
        // It is connected still, and may even talk for a moment; a new connection is out at once.
        let reason = Client::refused(world.secure("Thing03", &identity)).await;
        assert_ne!(reason, "NotAuthorized", "refused before any CONNACK");
        device.ended().await;
        let (topic, event) = console.json().await;
        assert_eq!(topic, "$aws/events/presence/disconnected/Thing02", "and no connect_failed before");
        assert_eq!(event["disconnectReason"], "AUTH_ERROR");
        Client::refused(world.secure("Thing02", &identity)).await;
        let mut marker = world.client("marker").await;
        assert_eq!(console.json().await.0, "$aws/events/presence/connected/marker", "no connect_failed");
        console.nothing_before(&mut marker, "dt/own").await;
        drop(marker);
        assert_eq!(console.json().await.1["disconnectReason"], "CONNECTION_LOST");
        if status == CertificateStatus::Inactive {
            switch(&world, &identity, CertificateStatus::Active).await;
        }
    }
    let update = world.iot.update_certificate().certificate_id(&identity.id);
    let back = update.new_status(CertificateStatus::Active).send().await;
    assert!(back.is_err(), "revoked is for ever");
}
