//! What each denial of an IoT policy does to a connection (docs/aws-iot.md#4.3).

use rumqttc::PublishOptions;

use crate::World;
use crate::client::{Client, Heard, with_will};
use crate::raw::Raw;

fn statement(effect: &str, action: &str, resource: &str) -> String {
    format!(r#"{{"Effect":"{effect}","Action":"iot:{action}","Resource":"{resource}"}}"#)
}

fn policy(statements: &[(&str, &str, &str)]) -> String {
    let statements: Vec<_> = statements.iter().map(|(e, a, r)| statement(e, a, r)).collect();
    format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","))
}

const PREFIX: &str = "arn:aws:iot:us-east-1:123456789012";

#[tokio::test]
async fn a_denied_connect_is_refused_and_told() {
    let world = World::start().await;
    let own = format!("{PREFIX}:client/Thing01");
    let identity = world.identity_with(&policy(&[("Allow", "Connect", &own)])).await;
    let mut console = world.client("console").await;
    console.subscribe(&["$aws/events/presence/connect_failed/#"]).await;
    let reason = Client::refused(world.secure("Thing02", &identity)).await;
    assert_eq!(reason, "NotAuthorized");
    let (topic, event) = console.json().await;
    assert_eq!(topic, "$aws/events/presence/connect_failed/Thing02");
    assert_eq!(event["connectFailureReason"], "AUTHORIZATION_FAILED");
    assert_eq!(event["principalIdentifier"], identity.id.as_str());
    assert_eq!(event["ipAddress"], "127.0.0.1");
    assert!(event.get("versionNumber").is_none() && event.get("thingName").is_none(), "{event}");
    world.device("Thing01", &identity).await;
    // A will on a topic that may not be published to counts as well.
    let reason = Client::refused(with_will(world.secure("Thing01", &identity), "dt/last", "x", false)).await;
    assert_eq!(reason, "NotAuthorized");
    assert_eq!(console.json().await.0, "$aws/events/presence/connect_failed/Thing01");
}

#[tokio::test]
async fn a_denied_publish_ends_the_connection() {
    let world = World::start().await;
    let dt = format!("{PREFIX}:topic/dt/*");
    let identity =
        world.identity_with(&policy(&[("Allow", "Connect", "*"), ("Allow", "Publish", &dt)])).await;
    let mut console = world.client("console").await;
    console.subscribe(&["#", "$aws/events/presence/disconnected/Thing01"]).await;
    let mut device = world.device("Thing01", &identity).await;
    device.publish("dt/x", "good").await;
    assert_eq!(console.text().await.1, "good");
    device.publish_and_be_cut("secret", "bad").await;
    let (_, event) = console.json().await;
    assert_eq!(
        (&event["disconnectReason"], &event["clientInitiatedDisconnect"]),
        (&"AUTH_ERROR".into(), &false.into())
    );
    // QoS 0 has no acknowledgement to miss, and is cut as well.
    let mut device = world.device("Thing01", &identity).await;
    device.handle.publish("secret", "bad", PublishOptions::at_most_once()).await.unwrap();
    device.ended().await;
    assert_eq!(console.json().await.1["disconnectReason"], "AUTH_ERROR");
    // Retaining is an action of its own.
    let mut device = world.device("Thing01", &identity).await;
    device.handle.publish("dt/x", "kept", PublishOptions::at_most_once().retained()).await.unwrap();
    device.ended().await;
    assert_eq!(console.json().await.1["disconnectReason"], "AUTH_ERROR", "and `kept` was not delivered");
}

#[tokio::test]
async fn a_denied_subscribe_is_answered_with_a_failure_and_ends_the_connection() {
    let world = World::start().await;
    let (filter, topic) = (format!("{PREFIX}:topicfilter/cmd/+/x"), format!("{PREFIX}:topic/cmd/*"));
    let document =
        policy(&[("Allow", "Connect", "*"), ("Allow", "Subscribe", &filter), ("Allow", "Receive", &topic)]);
    let identity = world.identity_with(&document).await;
    let mut device = world.device("Thing01", &identity).await;
    device.subscribe(&["cmd/+/x"]).await;
    // rumqttc does not show a SUBACK that is followed at once by the end of the connection.
    let mut raw = Raw::secure(&world, &identity, 4).await;
    let suback = raw.end(b"\x82\x0c\x00\x01\x00\x07cmd/a/x\x01").await;
    assert_eq!(suback, [0x90, 3, 0, 1, 0x80], "a wildcard in a policy is not MQTT's");
    let mut raw = Raw::secure(&world, &identity, 4).await;
    let suback = raw.end(b"\x82\x10\x00\x02\x00\x07cmd/+/x\x01\x00\x01#\x01").await;
    assert_eq!(suback, [0x90, 4, 0, 2, 1, 0x80]);
}

#[tokio::test]
async fn a_message_that_may_not_be_received_is_left_out_and_the_connection_stays() {
    let world = World::start().await;
    let document = policy(&[
        ("Allow", "Connect", "*"),
        ("Allow", "Subscribe", "*"),
        ("Allow", "Receive", &format!("{PREFIX}:topic/cmd/*")),
        ("Deny", "Receive", &format!("{PREFIX}:topic/cmd/secret")),
    ]);
    let identity = world.identity_with(&document).await;
    let mut device = world.device("Thing01", &identity).await;
    let mut console = world.client("console").await;
    device.subscribe(&["#"]).await;
    for topic in ["dt/x", "cmd/secret"] {
        console.publish(topic, "hidden").await;
    }
    device.nothing_before(&mut console, "cmd/open").await;
}

#[tokio::test]
async fn policy_variables_follow_the_client_id_and_the_thing() {
    // A refused client id keeps its documents for 20 s: 0.1 s at this speed.
    let world = World::at_speed(200.0).await;
    let document = policy(&[
        ("Allow", "Connect", &format!("{PREFIX}:client/${{iot:Connection.Thing.ThingName}}")),
        ("Allow", "Publish", &format!("{PREFIX}:topic/dt/${{iot:ClientId}}")),
    ]);
    let identity = world.identity_with(&document).await;
    world.iot.create_thing().thing_name("Thing01").send().await.unwrap();
    assert_eq!(Client::refused(world.secure("Thing01", &identity)).await, "NotAuthorized", "not attached");
    let attach = world.iot.attach_thing_principal().thing_name("Thing01").principal(&identity.arn);
    attach.send().await.unwrap();
    let mut device = crate::until("the attachment counts", async || {
        let mut device = Client::open(world.secure("Thing01", &identity));
        matches!(device.next().await, Heard::Packet(_)).then_some(device)
    })
    .await;
    device.publish("dt/Thing01", "1").await;
    device.publish_and_be_cut("dt/Thing02", "1").await;
    assert_eq!(Client::refused(world.secure("Thing02", &identity)).await, "NotAuthorized");
}

#[tokio::test]
async fn what_a_connect_asks_for_is_a_condition() {
    let world = World::start().await;
    let with = |operator: &str, attribute: &str| {
        let condition = format!(r#"{{"{operator}":{{"iot:ConnectAttributes":["{attribute}"]}}}}"#);
        let connect =
            statement("Allow", "Connect", "*").replace('}', &format!(r#","Condition":{condition}}}"#));
        let publish = statement("Allow", "Publish", "*");
        format!(r#"{{"Version":"2012-10-17","Statement":[{connect},{publish}]}}"#)
    };
    let plain = |world: &World, identity: &crate::Identity| world.secure("Thing01", identity);
    let persistent = |world: &World, identity: &crate::Identity| {
        let mut options = world.secure("Thing02", identity);
        options.set_clean_session(false);
        options
    };
    let willing = |world: &World, identity: &crate::Identity| {
        with_will(world.secure("Thing03", identity), "dt/x", "x", false)
    };
    for (operator, attribute, allowed) in [
        ("ForAllValues:StringNotEquals", "PersistentConnect", [true, false, true]),
        ("ForAllValues:StringNotEquals", "LastWill", [true, true, false]),
        ("ForAllValues:StringEquals", "PersistentConnect", [true, true, false]),
        ("ForAllValues:StringEquals", "LastWill", [true, false, true]),
    ] {
        let identity = world.identity_with(&with(operator, attribute)).await;
        let asked = [plain(&world, &identity), persistent(&world, &identity), willing(&world, &identity)];
        for (options, allowed) in asked.into_iter().zip(allowed) {
            let what = format!("{operator} {attribute}: {}", options.client_id());
            let mut client = Client::open(options);
            let heard = client.next().await;
            assert_eq!(matches!(heard, Heard::Packet(_)), allowed, "{what}");
        }
    }
}

#[tokio::test]
async fn a_condition_key_that_is_not_modelled_refuses() {
    let world = World::start().await;
    let connect = statement("Allow", "Connect", "*")
        .replace('}', r#","Condition":{"StringNotEquals":{"aws:PrincipalOrgID":"o-1"}}}"#);
    let identity =
        world.identity_with(&format!(r#"{{"Version":"2012-10-17","Statement":[{connect}]}}"#)).await;
    assert_eq!(Client::refused(world.secure("Thing01", &identity)).await, "NotAuthorized");
}
