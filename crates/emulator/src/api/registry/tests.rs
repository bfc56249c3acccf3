//! Rules of the store, without HTTP.

use std::collections::BTreeMap;

use super::*;
use crate::api::ApiError;

fn registry() -> Registry {
    Registry::open(&Wal::default(), Arns::new("us-east-1", "123456789012"))
}

fn with_things(names: &[&str]) -> Registry {
    let mut registry = registry();
    for name in names {
        registry.create_thing(name, ThingSpec::default(), 1).unwrap();
    }
    registry
}

fn child_of(parent: &str) -> GroupSpec {
    GroupSpec { parent: Some(parent.to_owned()), ..GroupSpec::default() }
}

fn code<T>(result: Result<T, ApiError>) -> (u16, &'static str) {
    let error = result.err().expect("an error");
    (error.status, error.code)
}

#[test]
fn creating_a_thing_again_succeeds_only_with_the_same_configuration() {
    let mut registry = registry();
    let spec = |value: &str| ThingSpec {
        attributes: BTreeMap::from([("kind".to_owned(), value.to_owned())]),
        ..ThingSpec::default()
    };
    let id = registry.create_thing("a", spec("x"), 1).unwrap().id.clone();
    assert_eq!(registry.create_thing("a", spec("x"), 2).unwrap().id, id);
    let error = registry.create_thing("a", spec("y"), 3).unwrap_err();
    assert_eq!((error.status, error.code), (409, "ResourceAlreadyExistsException"));
    assert_eq!(error.extra["resourceArn"], "arn:aws:iot:us-east-1:123456789012:thing/a");
    assert_eq!(code(registry.create_thing("a b", ThingSpec::default(), 1)), (400, "InvalidRequestException"));
    assert_eq!(code(registry.create_thing("", ThingSpec::default(), 1)), (400, "InvalidRequestException"));
    assert_eq!(
        code(registry.create_thing(&"x".repeat(129), ThingSpec::default(), 1)),
        (400, "InvalidRequestException")
    );
}

#[test]
fn a_thing_without_a_type_has_at_most_three_attributes() {
    let mut registry = registry();
    registry.create_thing_type("sensor", serde_json::Value::Null, 1).unwrap();
    let attributes: BTreeMap<String, String> = (0..4).map(|n| (format!("a{n}"), "v".to_owned())).collect();
    let untyped = ThingSpec { attributes: attributes.clone(), ..ThingSpec::default() };
    assert_eq!(code(registry.create_thing("a", untyped, 1)), (400, "InvalidRequestException"));
    let typed = ThingSpec { attributes, type_name: Some("sensor".to_owned()), ..ThingSpec::default() };
    registry.create_thing("a", typed, 1).unwrap();
    let unknown = ThingSpec { type_name: Some("none".to_owned()), ..ThingSpec::default() };
    assert_eq!(code(registry.create_thing("b", unknown, 1)), (404, "ResourceNotFoundException"));
}

#[test]
fn a_hierarchy_is_seven_levels_deep_and_knows_its_ancestors() {
    let mut registry = registry();
    registry.create_group("g1", GroupSpec::default(), 1).unwrap();
    for level in 2..=7 {
        registry.create_group(&format!("g{level}"), child_of(&format!("g{}", level - 1)), 1).unwrap();
    }
    assert_eq!(code(registry.create_group("g8", child_of("g7"), 1)), (400, "InvalidRequestException"));
    assert_eq!(registry.ancestors("g4"), ["g1", "g2", "g3"]);
    assert_eq!(registry.descendants("g5").into_iter().collect::<Vec<_>>(), ["g6", "g7"]);
    assert_eq!(code(registry.delete_group("g3", None)), (400, "InvalidRequestException"));
    assert_eq!(code(registry.delete_group("g7", Some(9))), (409, "VersionConflictException"));
    registry.delete_group("g7", Some(1)).unwrap();
    registry.delete_group("g6", None).unwrap();
    assert!(registry.delete_group("g6", None).unwrap().is_empty());
}

#[test]
fn one_group_of_a_hierarchy_and_ten_groups_in_all() {
    let mut registry = with_things(&["t"]);
    registry.create_group("root", GroupSpec::default(), 1).unwrap();
    registry.create_group("left", child_of("root"), 1).unwrap();
    registry.create_group("right", child_of("root"), 1).unwrap();
    registry.join_group("t", "left", false).unwrap().unwrap();
    assert_eq!(registry.join_group("t", "left", false).unwrap(), None);
    for same_hierarchy in ["right", "root"] {
        assert_eq!(code(registry.join_group("t", same_hierarchy, true)), (400, "InvalidRequestException"));
    }
    for n in 2..=11 {
        registry.create_group(&format!("g{n}"), GroupSpec::default(), 1).unwrap();
    }
    for n in 2..=10 {
        registry.join_group("t", &format!("g{n}"), false).unwrap().unwrap();
    }
    assert_eq!(code(registry.join_group("t", "g11", false)), (400, "InvalidRequestException"));
    assert_eq!(code(registry.join_group("t", "g11", true)), (400, "InvalidRequestException"));
    registry.leave_group("t", "g2").unwrap().unwrap();
    registry.join_group("t", "g11", false).unwrap().unwrap();
    assert_eq!(registry.groups_of("t").len(), 10);
    assert!(registry.all_groups_of("t").contains("root"));
    assert_eq!(registry.things_under("root").into_iter().collect::<Vec<_>>(), ["t"]);
    assert_eq!(registry.things_in("root").count(), 0);
}

#[test]
fn dynamic_groups_take_no_manual_members() {
    let mut registry = with_things(&["t"]);
    let dynamic = DynamicQuery {
        index_name: "AWS_Things".to_owned(),
        query: "attributes.x:1".to_owned(),
        query_version: "2017-09-30".to_owned(),
    };
    let spec = GroupSpec { dynamic: Some(dynamic), ..GroupSpec::default() };
    registry.create_group("d", spec, 1).unwrap();
    assert!(registry.is_dynamic("d"));
    assert_eq!(code(registry.join_group("t", "d", false)), (400, "InvalidRequestException"));
    assert_eq!(code(registry.leave_group("t", "d")), (400, "InvalidRequestException"));
    assert_eq!(code(registry.create_group("c", child_of("d"), 1)), (400, "InvalidRequestException"));
}

#[test]
fn deleting_a_group_or_a_thing_ends_memberships_both_ways() {
    let mut registry = with_things(&["a", "b"]);
    registry.create_group("g", GroupSpec::default(), 1).unwrap();
    registry.join_group("a", "g", false).unwrap();
    registry.join_group("b", "g", false).unwrap();
    let left = registry.remove_thing("a");
    assert_eq!(left.iter().map(|c| (c.thing.as_str(), c.added)).collect::<Vec<_>>(), [("a", false)]);
    assert_eq!(registry.things_in("g").collect::<Vec<_>>(), ["b"]);
    let left = registry.delete_group("g", None).unwrap();
    assert_eq!(left.iter().map(|c| c.thing.as_str()).collect::<Vec<_>>(), ["b"]);
    assert!(registry.groups_of("b").is_empty());
}

#[test]
fn what_was_committed_is_there_after_reopening_with_its_indexes() {
    let dir = tempfile::tempdir().unwrap();
    let arns = Arns::new("us-east-1", "123456789012");
    {
        let wal = Wal::open(dir.path()).unwrap();
        let mut registry = Registry::open(&wal, arns.clone());
        registry.create_thing("t", ThingSpec::default(), 1).unwrap();
        registry.create_group("root", GroupSpec::default(), 1).unwrap();
        registry.create_group("leaf", child_of("root"), 1).unwrap();
        registry.join_group("t", "leaf", false).unwrap();
        wal.commit().unwrap();
    }
    let registry = Registry::open(&Wal::open(dir.path()).unwrap(), arns);
    assert!(registry.is_member("t", "leaf"));
    assert_eq!(registry.things_under("root").into_iter().collect::<Vec<_>>(), ["t"]);
}

#[test]
fn uuids_have_their_form_and_differ() {
    let (a, b) = (uuid(), uuid());
    assert_ne!(a, b);
    assert_eq!((a.len(), a.as_bytes()[14]), (36, b'4'));
    assert!(matches!(a.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
}
