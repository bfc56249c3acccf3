//! The policies of AWS's documents, with what the documents say of them (docs/aws-iot.md#4.3, the pages named there).

use quell_rules::policy::{Bound, Context, Document, Doubt};
use serde_json::{Value, json};

const ARN: &str = "arn:aws:iot:us-east-1:123456789012:";

/// The thing `name` of a type, connected under its own name with a certificate attached to it.
fn thing(name: &str) -> Context {
    let mut context = client(name);
    context.set("iot:Connection.Thing.IsAttached", "true");
    context.set("iot:Connection.Thing.ThingName", name);
    context
}

/// A client that is no registered thing.
fn client(id: &str) -> Context {
    let mut context = Context::default();
    context.set("iot:ClientId", id);
    context.set("iot:Connection.Thing.IsAttached", "false");
    context
}

fn allows(statements: &Value, context: &Context, action: &str, resource: &str) -> bool {
    let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    let document = Document::parse(&text).unwrap();
    Bound::new([("example", &document)], context, Doubt::Closed).allows(action, &format!("{ARN}{resource}"))
}

/// connect-and-pub: a registered device connects as its thing and publishes on the topic of its name.
#[test]
fn a_registered_device_is_kept_to_its_name() {
    let statements = json!([
        {"Effect": "Allow", "Action": ["iot:Publish"], "Resource": [format!("{ARN}topic/${{iot:Connection.Thing.ThingName}}")]},
        {"Effect": "Allow", "Action": ["iot:Connect"], "Resource": [format!("{ARN}client/${{iot:Connection.Thing.ThingName}}")]},
    ]);
    let sensor = thing("Sensor1");
    assert!(allows(&statements, &sensor, "iot:Connect", "client/Sensor1"));
    assert!(allows(&statements, &sensor, "iot:Publish", "topic/Sensor1"));
    assert!(!allows(&statements, &sensor, "iot:Connect", "client/Sensor2"));
    assert!(!allows(&statements, &sensor, "iot:Publish", "topic/Sensor1/x"));
    assert!(
        !allows(&statements, &client("Sensor1"), "iot:Connect", "client/Sensor1"),
        "not attached: no thing name"
    );
}

/// connect-and-pub: one that is not registered, by its client id.
#[test]
fn an_unregistered_device_is_kept_to_its_client_id() {
    let statements = json!([
        {"Effect": "Allow", "Action": ["iot:Publish"], "Resource": [format!("{ARN}topic/${{iot:ClientId}}")]},
        {"Effect": "Allow", "Action": ["iot:Connect"], "Resource": [format!("{ARN}client/client1")]},
    ]);
    assert!(allows(&statements, &client("client1"), "iot:Connect", "client/client1"));
    assert!(allows(&statements, &client("client1"), "iot:Publish", "topic/client1"));
    assert!(!allows(&statements, &client("client2"), "iot:Connect", "client/client2"));
}

/// thing-policy-examples: only with a certificate that is attached to the thing.
#[test]
fn a_connection_may_ask_for_an_attached_thing() {
    let statements = json!([{"Effect": "Allow", "Action": ["iot:Connect"], "Resource": ["*"],
        "Condition": {"Bool": {"iot:Connection.Thing.IsAttached": ["true"]}}}]);
    assert!(allows(&statements, &thing("a"), "iot:Connect", "client/a"));
    assert!(!allows(&statements, &client("a"), "iot:Connect", "client/a"));
}

/// thing-policy-examples: by the type of the thing and an attribute of it; and a topic that begins with an attribute.
#[test]
fn type_and_attributes_of_the_thing_count() {
    let statements = json!([{"Effect": "Allow", "Action": ["iot:Publish"], "Resource": format!("{ARN}topic/device/stats"),
        "Condition": {
            "StringEquals": {"iot:Connection.Thing.Attributes[attributeName]": "attributeValue",
                             "iot:Connection.Thing.ThingTypeName": "Thing_Type_Name"},
            "Bool": {"iot:Connection.Thing.IsAttached": "true"}}}]);
    let mut right = thing("a");
    right.set("iot:Connection.Thing.ThingTypeName", "Thing_Type_Name");
    assert!(!allows(&statements, &right, "iot:Publish", "topic/device/stats"), "every key must hold");
    right.set("iot:Connection.Thing.Attributes[attributeName]", "attributeValue");
    assert!(allows(&statements, &right, "iot:Publish", "topic/device/stats"));
    let begins = json!([{"Effect": "Allow", "Action": ["iot:Publish"],
        "Resource": format!("{ARN}topic/${{iot:Connection.Thing.Attributes[attributeName]}}*")}]);
    assert!(allows(&begins, &right, "iot:Publish", "topic/attributeValue/1"));
    assert!(
        !allows(&begins, &client("a"), "iot:Publish", "topic/attributeValue/1"),
        "not resolved: access denied"
    );
}

/// pub-sub-policy: MQTT's wildcards have no meaning in a policy, and `*` is not kept to a level.
#[test]
fn mqtt_wildcards_are_characters() {
    let on = |pattern: &str| json!([{"Effect": "Allow", "Action": ["iot:Subscribe"], "Resource": format!("{ARN}topicfilter/{pattern}")}]);
    let client = client("c");
    let may = |pattern: &str, filter: &str| {
        allows(&on(pattern), &client, "iot:Subscribe", &format!("topicfilter/{filter}"))
    };
    assert!(may("some/+/topic", "some/+/topic"));
    assert!(!may("some/+/topic", "some/a/topic"));
    assert!(may("some/*/topic", "some/a/topic") && may("some/*/topic", "some/+/topic"));
    assert!(may("some/*/topic", "some/a/b/topic"), "more than one level");
    assert!(may("some/?????/topic", "some/space/topic") && !may("some/?????/topic", "some/a/topic"));
    assert!(may("some/#", "some/#") && !may("some/#", "some/a"));
}

/// pub-sub-policy: a subscription needs Subscribe on the filter, and each message Receive on its topic.
#[test]
fn receiving_is_asked_for_by_topic() {
    let statements = json!([
        {"Effect": "Allow", "Action": ["iot:Subscribe"], "Resource": [format!("{ARN}topicfilter/topic_prefix*")]},
        {"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"], "Resource": [format!("{ARN}topic/topic_prefix*")]},
    ]);
    let client = client("c");
    assert!(allows(&statements, &client, "iot:Subscribe", "topicfilter/topic_prefix/#"));
    assert!(allows(&statements, &client, "iot:Receive", "topic/topic_prefix/a"));
    assert!(!allows(&statements, &client, "iot:Receive", "topicfilter/topic_prefix/a"));
    assert!(!allows(&statements, &client, "iot:Subscribe", "topicfilter/#"));
}

/// connect-policy: which attributes a CONNECT may have.
#[test]
fn connect_attributes_are_all_or_none() {
    let with = |operator: &str| {
        json!([{"Effect": "Allow", "Action": ["iot:Connect"], "Resource": format!("{ARN}client/client1"),
            "Condition": {operator: {"iot:ConnectAttributes": ["PersistentConnect"]}}}])
    };
    let connect = |attributes: &[&str]| {
        let mut context = client("client1");
        attributes.iter().for_each(|a| context.add("iot:ConnectAttributes", *a));
        context
    };
    let may = |operator: &str, attributes: &[&str]| {
        allows(&with(operator), &connect(attributes), "iot:Connect", "client/client1")
    };
    assert!(
        may("ForAllValues:StringEquals", &["PersistentConnect"]) && may("ForAllValues:StringEquals", &[])
    );
    assert!(!may("ForAllValues:StringEquals", &["PersistentConnect", "LastWill"]));
    assert!(may("ForAllValues:StringNotEquals", &["LastWill"]));
    assert!(!may("ForAllValues:StringNotEquals", &["PersistentConnect"]));
}

/// retained-message-policy-examples: a retained publish is another action, and an explicit deny wins.
#[test]
fn retained_messages_are_allowed_apart() {
    let statements = json!([
        {"Effect": "Allow", "Action": ["iot:Publish"], "Resource": [format!("{ARN}topic/example/topic")]},
        {"Effect": "Deny", "Action": ["iot:RetainPublish"], "Resource": [format!("{ARN}topic/*")]},
    ]);
    let client = client("device1");
    assert!(allows(&statements, &client, "iot:Publish", "topic/example/topic"));
    assert!(!allows(&statements, &client, "iot:RetainPublish", "topic/example/topic"));
}

/// certificate-policy-examples: a topic of the certificate's own, and a connection of its holders alone.
#[test]
fn certificates_have_variables_of_their_own() {
    let statements = json!([
        {"Effect": "Allow", "Action": ["iot:Publish"], "Resource": [format!("{ARN}topic/${{iot:Certificate.Subject.CommonName}}/*")]},
        {"Effect": "Allow", "Action": ["iot:Connect"], "Resource": ["*"],
         "Condition": {"StringLike": {"iot:Certificate.Subject.Organization": ["Example*"]}}},
    ]);
    let mut context = client("c");
    context.set("iot:Certificate.Subject.CommonName", "device");
    assert!(allows(&statements, &context, "iot:Publish", "topic/device/a"));
    assert!(!allows(&statements, &context, "iot:Publish", "topic/other/a"));
    assert!(!allows(&statements, &context, "iot:Connect", "client/c"), "it names no organization");
    context.set("iot:Certificate.Subject.Organization", "Example Corp");
    assert!(allows(&statements, &context, "iot:Connect", "client/c"));
}
