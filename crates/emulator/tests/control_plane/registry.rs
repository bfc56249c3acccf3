//! Things, types, groups, tags, event configurations.

use aws_sdk_iot::types::{
    AttributePayload, Configuration, EventType, Tag, ThingGroupProperties, ThingTypeProperties,
};

use crate::{ACCOUNT, World, is, refusal};

#[tokio::test]
async fn a_thing_is_made_described_changed_listed_and_deleted() {
    let world = World::start().await;
    let payload = |key: &str, value: &str, merge: bool| {
        AttributePayload::builder().attributes(key, value).merge(merge).build()
    };
    let create =
        || world.iot.create_thing().thing_name("Thing02").attribute_payload(payload("kind", "sensor", false));
    let made = create().send().await.unwrap();
    assert_eq!(made.thing_arn(), Some(format!("arn:aws:iot:us-east-1:{ACCOUNT}:thing/Thing02").as_str()));
    assert_eq!(create().send().await.unwrap().thing_id(), made.thing_id(), "idempotent");
    let other = world.iot.create_thing().thing_name("Thing02").send().await;
    let error = other.unwrap_err().into_service_error();
    assert!(error.is_resource_already_exists_exception());

    let update = || world.iot.update_thing().thing_name("Thing02");
    update().attribute_payload(payload("site", "north", true)).expected_version(1).send().await.unwrap();
    let stale = update().attribute_payload(payload("a", "b", true)).expected_version(1).send().await;
    assert_eq!(refusal(stale), is(409, "VersionConflictException"));
    let thing = world.iot.describe_thing().thing_name("Thing02").send().await.unwrap();
    assert_eq!(thing.version(), 2);
    assert_eq!(thing.default_client_id(), Some("Thing02"));
    assert_eq!(thing.attributes().unwrap().len(), 2);
    update().attribute_payload(payload("kind", "", true)).send().await.unwrap();
    let thing = world.iot.describe_thing().thing_name("Thing02").send().await.unwrap();
    assert_eq!(thing.attributes().unwrap().len(), 1, "an empty value removes");

    let absent = world.iot.describe_thing().thing_name("nobody").send().await;
    assert_eq!(refusal(absent), is(404, "ResourceNotFoundException"));
    let malformed = world.iot.create_thing().thing_name("a b").send().await;
    assert_eq!(refusal(malformed), is(400, "InvalidRequestException"));
    world.iot.delete_thing().thing_name("Thing02").send().await.unwrap();
    world.iot.delete_thing().thing_name("Thing02").send().await.unwrap();
    let gone = world.iot.describe_thing().thing_name("Thing02").send().await;
    assert_eq!(refusal(gone), is(404, "ResourceNotFoundException"));
}

#[tokio::test]
async fn lists_come_in_pages_and_by_attribute() {
    let world = World::start().await;
    for n in 0..23 {
        let payload = AttributePayload::builder().attributes("site", format!("s{}", n % 2)).build();
        let create = world.iot.create_thing().thing_name(format!("t{n:02}")).attribute_payload(payload);
        create.send().await.unwrap();
    }
    let names: Vec<String> = world
        .iot
        .list_things()
        .max_results(5)
        .into_paginator()
        .items()
        .send()
        .try_collect()
        .await
        .unwrap()
        .into_iter()
        .map(|t| t.thing_name.unwrap())
        .collect();
    assert_eq!(names, (0..23).map(|n| format!("t{n:02}")).collect::<Vec<_>>());
    let list = || world.iot.list_things().attribute_name("site");
    assert_eq!(list().attribute_value("s1").send().await.unwrap().things().len(), 11);
    assert_eq!(list().attribute_value("s").send().await.unwrap().things().len(), 0);
    let prefixed = list().attribute_value("s").use_prefix_attribute_value(true).send().await.unwrap();
    assert_eq!(prefixed.things().len(), 23);
    let too_many = world.iot.list_things().max_results(251).send().await;
    assert_eq!(refusal(too_many), is(400, "InvalidRequestException"));
    let forged = world.iot.list_things().next_token("!!").send().await;
    assert_eq!(refusal(forged), is(400, "InvalidRequestException"));
}

#[tokio::test]
async fn thing_types_are_deprecated_before_they_are_deleted() {
    let world = World::at_speed(1000.0).await;
    let iot = &world.iot;
    let properties = ThingTypeProperties::builder().thing_type_description("a sensor").build();
    iot.create_thing_type().thing_type_name("sensor").thing_type_properties(properties).send().await.unwrap();
    iot.create_thing().thing_name("t").thing_type_name("sensor").send().await.unwrap();
    assert_eq!(iot.list_things().thing_type_name("sensor").send().await.unwrap().things().len(), 1);
    let early = iot.delete_thing_type().thing_type_name("sensor").send().await;
    assert_eq!(refusal(early), is(400, "InvalidRequestException"));
    iot.deprecate_thing_type().thing_type_name("sensor").send().await.unwrap();
    let described = iot.describe_thing_type().thing_type_name("sensor").send().await.unwrap();
    assert!(described.thing_type_metadata().unwrap().deprecated());
    let deprecated = iot.create_thing().thing_name("u").thing_type_name("sensor").send().await;
    assert_eq!(refusal(deprecated), is(400, "InvalidRequestException"));
    iot.update_thing().thing_name("t").remove_thing_type(true).send().await.unwrap();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while iot.delete_thing_type().thing_type_name("sensor").send().await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "five minutes at speed 1000 have passed long since");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(iot.list_thing_types().send().await.unwrap().thing_types().is_empty());
}

#[tokio::test]
async fn groups_form_a_hierarchy() {
    let world = World::start().await;
    let iot = &world.iot;
    world.group("Fleet").await;
    let properties = ThingGroupProperties::builder().thing_group_description("cut off").build();
    let child = || iot.create_thing_group().thing_group_name("IsolatedDevices").parent_group_name("Fleet");
    let made = child().thing_group_properties(properties).send().await.unwrap();
    let held = iot.describe_thing_group().thing_group_name("IsolatedDevices").send().await.unwrap();
    assert_eq!(held.thing_group_id(), made.thing_group_id());
    assert_eq!(held.query_string(), None);
    let metadata = held.thing_group_metadata().unwrap();
    assert_eq!(metadata.parent_group_name(), Some("Fleet"));
    assert_eq!(metadata.root_to_parent_thing_groups()[0].group_name(), Some("Fleet"));
    assert_eq!(refusal(child().send().await), is(409, "ResourceAlreadyExistsException"));
    let orphan = iot.create_thing_group().thing_group_name("x").parent_group_name("none").send().await;
    assert_eq!(refusal(orphan), is(400, "InvalidRequestException"));

    let children = iot.list_thing_groups().parent_group("Fleet").send().await.unwrap();
    assert_eq!(children.thing_groups()[0].group_name(), Some("IsolatedDevices"));
    let by_prefix = iot.list_thing_groups().name_prefix_filter("Iso").send().await.unwrap();
    assert_eq!(by_prefix.thing_groups().len(), 1);
    let update = iot
        .update_thing_group()
        .thing_group_name("IsolatedDevices")
        .thing_group_properties(ThingGroupProperties::builder().thing_group_description("changed").build());
    assert_eq!(update.clone().expected_version(1).send().await.unwrap().version(), 2);
    assert_eq!(refusal(update.expected_version(1).send().await), is(409, "VersionConflictException"));
    let parent = iot.delete_thing_group().thing_group_name("Fleet").send().await;
    assert_eq!(refusal(parent), is(400, "InvalidRequestException"));
    iot.delete_thing_group().thing_group_name("IsolatedDevices").send().await.unwrap();
    iot.delete_thing_group().thing_group_name("Fleet").send().await.unwrap();
    assert!(iot.list_thing_groups().send().await.unwrap().thing_groups().is_empty());
}

#[tokio::test]
async fn membership_keeps_its_rules() {
    let world = World::start().await;
    let iot = &world.iot;
    world.thing("Thing02").await;
    let arn = world.group("IsolatedDevices").await;
    let add = |group: &str| iot.add_thing_to_thing_group().thing_name("Thing02").thing_group_name(group);
    add("IsolatedDevices").send().await.unwrap();
    add("IsolatedDevices").send().await.unwrap();
    let groups = iot.list_thing_groups_for_thing().thing_name("Thing02").send().await.unwrap();
    assert_eq!(groups.thing_groups()[0].group_arn(), Some(arn.as_str()));
    let members = iot.list_things_in_thing_group().thing_group_name("IsolatedDevices").send().await.unwrap();
    assert_eq!(members.things(), ["Thing02"]);

    assert_eq!(refusal(add("none").send().await), is(404, "ResourceNotFoundException"));
    let nobody = iot.add_thing_to_thing_group().thing_name("none").thing_group_name("IsolatedDevices");
    assert_eq!(refusal(nobody.send().await), is(404, "ResourceNotFoundException"));
    let nameless = iot.add_thing_to_thing_group().thing_name("Thing02").send().await;
    assert_eq!(refusal(nameless), is(400, "InvalidRequestException"));
    let early = iot.create_dynamic_thing_group().thing_group_name("dyn").query_string("attributes.x:1");
    assert_eq!(refusal(early.send().await), is(400, "InvalidRequestException"));
    world.index(&world.things_only()).await;
    iot.create_dynamic_thing_group()
        .thing_group_name("dyn")
        .query_string("attributes.x:1")
        .send()
        .await
        .unwrap();
    let held = iot.describe_thing_group().thing_group_name("dyn").send().await.unwrap();
    assert_eq!(held.query_string(), Some("attributes.x:1"));
    assert_eq!(refusal(add("dyn").send().await), is(400, "InvalidRequestException"));
    for n in 2..=10 {
        world.group(&format!("g{n}")).await;
        add(&format!("g{n}")).send().await.unwrap();
    }
    world.group("g11").await;
    assert_eq!(refusal(add("g11").send().await), is(400, "InvalidRequestException"));

    let update = iot.update_thing_groups_for_thing().thing_name("Thing02");
    update.thing_groups_to_remove("g2").thing_groups_to_add("g11").send().await.unwrap();
    let remove = iot.remove_thing_from_thing_group().thing_name("Thing02").thing_group_arn(&arn);
    remove.clone().send().await.unwrap();
    remove.send().await.unwrap();
    let groups = iot.list_thing_groups_for_thing().thing_name("Thing02").send().await.unwrap();
    let names: Vec<_> = groups.thing_groups().iter().filter_map(|g| g.group_name()).collect();
    assert_eq!(names, ["g10", "g11", "g3", "g4", "g5", "g6", "g7", "g8", "g9"]);
}

#[tokio::test]
async fn resources_carry_tags_and_events_have_switches() {
    let world = World::start().await;
    let iot = &world.iot;
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build().unwrap();
    let made = iot.create_thing_group().thing_group_name("g").tags(tag("team", "red")).send().await.unwrap();
    let arn = made.thing_group_arn().unwrap();
    iot.tag_resource().resource_arn(arn).tags(tag("site", "n")).send().await.unwrap();
    iot.untag_resource().resource_arn(arn).tag_keys("team").send().await.unwrap();
    let tags = iot.list_tags_for_resource().resource_arn(arn).send().await.unwrap();
    assert_eq!(tags.tags(), [tag("site", "n")]);

    let held = iot.describe_event_configurations().send().await.unwrap();
    let off = held.event_configurations().unwrap();
    assert!(!off[&EventType::ThingGroupMembership].enabled() && off.len() == 11);
    let on = Configuration::builder().enabled(true).build();
    iot.update_event_configurations().event_configurations(EventType::JobExecution, on).send().await.unwrap();
    let held = iot.describe_event_configurations().send().await.unwrap();
    assert!(held.event_configurations().unwrap()[&EventType::JobExecution].enabled());
    assert!(held.last_modified_date().is_some());
}
