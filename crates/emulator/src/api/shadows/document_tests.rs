//! What the document engine promises, by example and by property.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn update(shadow: &mut Shadow, body: &Value, now: i64) -> Result<Accepted, Rejection> {
    shadow.update(&Update::parse(body.to_string().as_bytes())?, now)
}

fn refused(body: &str) -> (u16, String) {
    let rejection = Update::parse(body.as_bytes()).unwrap_err();
    (rejection.code, rejection.message)
}

#[test]
fn a_merge_recurses_into_objects_replaces_the_rest_and_null_deletes() {
    let mut shadow = Shadow::default();
    update(&mut shadow, &json!({"state":{"reported":{"a":{"b":1,"c":[1,2]},"d":true}}}), 10).unwrap();
    update(&mut shadow, &json!({"state":{"reported":{"a":{"b":null,"c":[3]},"e":{"f":null}}}}), 20).unwrap();
    let document = shadow.document(30, None);
    assert_eq!(document["state"], json!({"reported":{"a":{"c":[3]},"d":true,"e":{}}}));
    assert_eq!(
        document["metadata"],
        json!({"reported":{"a":{"c":[{"timestamp":20}]},"d":{"timestamp":10},"e":{}}})
    );
    assert_eq!((&document["version"], &document["timestamp"]), (&json!(2), &json!(30)));
    update(&mut shadow, &json!({"state":{"reported":null}}), 40).unwrap();
    assert_eq!(shadow.document(40, None)["state"], json!({}));
}

/// As moto's tests found AWS to answer.
#[test]
fn a_null_state_clears_the_document_and_empty_sections_are_not_shown() {
    let mut shadow = Shadow::default();
    let none = json!({"state":null});
    let said = update(&mut shadow, &none, 5).unwrap().accepted;
    assert_eq!(said, json!({"state":null,"metadata":{"timestamp":5},"version":1,"timestamp":5}));
    let empty = |version: u64, now: i64| json!({"state":{},"metadata":{},"version":version,"timestamp":now});
    assert_eq!(shadow.document(6, None), empty(1, 6));
    update(&mut shadow, &json!({"state":{"desired":{"a":1}}}), 7).unwrap();
    update(&mut shadow, &json!({"state":{"desired":{"a":null},"reported":{}}}), 8).unwrap();
    assert_eq!(shadow.document(9, None), empty(3, 9));
    update(&mut shadow, &json!({"state":{"reported":{"a":1}}}), 10).unwrap();
    update(&mut shadow, &none, 11).unwrap();
    assert_eq!(shadow.document(12, None), empty(5, 12));
}

#[test]
fn the_workshops_get_answer_comes_out_as_in_the_fixture() {
    // fixtures/get-thing-shadow.json: no reported section at all, so the delta is all of desired.
    let mut shadow = Shadow::default();
    update(&mut shadow, &json!({"state":{"desired":{"debug":"off"}}}), 1_574_251_760).unwrap();
    update(&mut shadow, &json!({"state":{"desired":{"quarantine":true}}}), 1_574_254_539).unwrap();
    let expected = r#"{"state":{"desired":{"debug":"off","quarantine":true},"delta":{"debug":"off","quarantine":true}},"metadata":{"desired":{"debug":{"timestamp":1574251760},"quarantine":{"timestamp":1574254539}}},"version":2,"timestamp":1574256114}"#;
    assert_eq!(shadow.document(1_574_256_114, None).to_string(), expected);
}

#[test]
fn accepted_echoes_the_request_and_documents_shows_before_and_after() {
    let mut shadow = Shadow::default();
    update(&mut shadow, &json!({"state":{"desired":{"a":1},"reported":{"b":2}}}), 5).unwrap();
    let said =
        update(&mut shadow, &json!({"state":{"desired":{"q":true}},"version":1,"clientToken":"c-1"}), 7)
            .unwrap();
    assert_eq!(
        said.accepted,
        json!({"state":{"desired":{"q":true}},"metadata":{"desired":{"q":{"timestamp":7}}},"version":2,"timestamp":7,"clientToken":"c-1"})
    );
    assert_eq!(
        said.delta.unwrap(),
        json!({"version":2,"timestamp":7,"state":{"a":1,"q":true},"metadata":{"a":{"timestamp":5},"q":{"timestamp":7}},"clientToken":"c-1"})
    );
    assert_eq!(said.documents["previous"]["version"], 1);
    assert_eq!(said.documents["previous"]["state"], json!({"desired":{"a":1},"reported":{"b":2}}));
    assert_eq!(said.documents["current"]["state"], json!({"desired":{"a":1,"q":true},"reported":{"b":2}}));
    let quiet = update(&mut shadow, &json!({"state":{"reported":{"a":1,"q":true}}}), 8).unwrap();
    assert_eq!(quiet.delta, None, "nothing is said when the difference becomes empty");
}

#[test]
fn a_version_only_grows_and_survives_a_delete() {
    let mut shadow = Shadow::default();
    for expected in 1..=3 {
        assert_eq!(update(&mut shadow, &json!({"state":{}}), 1).unwrap().accepted["version"], expected);
    }
    let conflict = update(&mut shadow, &json!({"state":{},"version":2,"clientToken":"t"}), 1).unwrap_err();
    assert_eq!((conflict.code, conflict.message.as_str()), (409, "Version conflict"));
    assert_eq!(
        conflict.payload(9),
        json!({"code":409,"message":"Version conflict","timestamp":9,"clientToken":"t"})
    );
    assert_eq!(shadow.delete(4, None), json!({"version":3,"timestamp":4}));
    assert!(!shadow.is_live());
    assert_eq!(
        update(&mut shadow, &json!({"state":{"reported":{"a":1}}}), 5).unwrap().accepted["version"],
        4
    );
    assert_eq!(shadow.document(5, None)["state"], json!({"reported":{"a":1}}));
}

#[test]
fn each_malformed_request_gets_the_text_of_the_error_table() {
    assert_eq!(refused("{"), (400, "Invalid JSON".into()));
    assert_eq!(refused("[]"), (400, "Invalid JSON".into()));
    assert_eq!(refused("{}"), (400, "Missing required node: state".into()));
    assert_eq!(refused(r#"{"state":1}"#), (400, "State node must be an object".into()));
    assert_eq!(refused(r#"{"state":{"desired":1}}"#), (400, "Desired node must be an object".into()));
    assert_eq!(refused(r#"{"state":{"reported":[]}}"#), (400, "Reported node must be an object".into()));
    assert_eq!(refused(r#"{"state":{},"version":"1"}"#), (400, "Invalid version".into()));
    assert_eq!(refused(r#"{"state":{},"version":-1}"#), (400, "Invalid version".into()));
    let long = format!(r#"{{"state":{{}},"clientToken":"{}"}}"#, "x".repeat(65));
    assert_eq!(refused(&long), (400, "Invalid clientToken".into()));
    assert_eq!(refused(r#"{"state":{"delta":{}}}"#), (400, "State contains an invalid node: 'delta'".into()));
    assert_eq!(
        refused(r#"{"state":{"desired":{"a":[null]}}}"#),
        (400, "State contains an invalid node: 'a'".into())
    );
    let rejection = Update::parse(b"{\"state\":\"\xff\"}").unwrap_err();
    assert_eq!(
        (rejection.code, rejection.message.as_str()),
        (415, "Unsupported documented encoding; supported encoding is UTF-8")
    );
}

#[test]
fn eight_levels_pass_and_nine_do_not() {
    let nested = |levels: usize| {
        let mut value = json!("leaf");
        for _ in 1..levels {
            value = json!({ "k": value });
        }
        json!({"state":{"desired":value}}).to_string()
    };
    assert!(Update::parse(nested(8).as_bytes()).is_ok());
    assert_eq!(refused(&nested(9)), (400, "JSON contains too many levels of nesting; maximum is 6".into()));
}

#[test]
fn a_document_over_8_kilobytes_is_refused_and_the_old_one_stays() {
    let mut shadow = Shadow::default();
    update(&mut shadow, &json!({"state":{"reported":{"a":"x".repeat(8000)}}}), 1).unwrap();
    let before = shadow.clone();
    let error = update(&mut shadow, &json!({"state":{"reported":{"b":"x".repeat(300)}}}), 2).unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (413, "The payload exceeds the maximum size allowed"));
    assert_eq!(shadow, before);
}

fn section() -> impl Strategy<Value = Map<String, Value>> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (0..4i64).prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from),
        Just(Value::Null),
        prop::collection::vec((0..3i64).prop_map(Value::from), 0..3).prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 16, 4, |inner| {
        prop::collection::btree_map("[a-d]", inner, 0..4)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
    });
    prop::collection::btree_map("[a-d]", value, 0..4).prop_map(|map| map.into_iter().collect())
}

fn request(section_name: &str, section: Map<String, Value>) -> Value {
    json!({"state": {section_name: section}})
}

/// Each key of `part` is in `whole`, recursively.
fn within(part: &Map<String, Value>, whole: &Map<String, Value>) -> bool {
    part.iter().all(|(key, value)| match (value, whole.get(key)) {
        (_, None) => false,
        (Value::Object(part), Some(Value::Object(whole))) => within(part, whole),
        (value, Some(other)) => value == other,
    })
}

/// The metadata has the state's own shape, with a timestamp at every leaf.
fn mirrors(state: &Value, meta: &Value) -> bool {
    match (state, meta) {
        (Value::Object(state), Value::Object(meta)) => {
            state.len() == meta.len() && state.iter().all(|(k, v)| meta.get(k).is_some_and(|m| mirrors(v, m)))
        }
        (Value::Array(items), Value::Array(stamps)) => {
            items.len() == stamps.len() && items.iter().zip(stamps).all(|(v, m)| mirrors(v, m))
        }
        (_, meta) => meta.get("timestamp").is_some_and(Value::is_i64),
    }
}

proptest! {
    #[test]
    fn reporting_the_delta_leaves_no_difference(
        desired in prop::collection::vec(section(), 1..4),
        reported in prop::collection::vec(section(), 0..4),
    ) {
        let mut shadow = Shadow::default();
        for section in reported {
            update(&mut shadow, &request("reported", section), 1).unwrap();
        }
        for section in desired {
            update(&mut shadow, &request("desired", section), 2).unwrap();
        }
        if let Some((delta, _)) = shadow.delta() {
            prop_assert!(within(&delta, shadow.desired().unwrap()), "keys of reported never appear");
            let said = update(&mut shadow, &request("reported", delta), 3).unwrap();
            prop_assert_eq!(said.delta, None);
        }
        prop_assert_eq!(shadow.delta(), None);
    }

    #[test]
    fn metadata_always_mirrors_the_state(updates in prop::collection::vec((any::<bool>(), section()), 1..6)) {
        let mut shadow = Shadow::default();
        for (n, (desired, section)) in updates.iter().enumerate() {
            let name = if *desired { "desired" } else { "reported" };
            let said = update(&mut shadow, &request(name, section.clone()), n as i64).unwrap();
            prop_assert_eq!(said.accepted["version"].as_u64(), Some(n as u64 + 1));
            let document = shadow.document(9, None);
            for name in ["desired", "reported"] {
                if let Some(state) = document["state"].get(name) {
                    prop_assert!(mirrors(state, &document["metadata"][name]), "{}", document);
                }
            }
        }
    }
}

#[test]
fn mutated_updates_are_survived() {
    use crate::mutate::{self, Rng, SEED};
    let (mut rng, texts) = (Rng::with_seed(SEED), mutate::texts("corpus/shadows"));
    let files = mutate::corpus("corpus/shadows");
    let pieces = &["\"state\":", "\"desired\":{", "\"reported\":null", "\"version\":-1"];
    let (mut shadow, mut taken) = (Shadow::default(), 0);
    for round in 0..10_000 {
        let bytes = if round % 2 == 0 {
            mutate::mutated(&texts, pieces, &mut rng).into_bytes()
        } else {
            mutate::scrambled(&files, &mut rng)
        };
        let _ = request_token(&bytes);
        if let Ok(update) = Update::parse(&bytes) {
            taken += usize::from(shadow.update(&update, round).is_ok());
            let _ = (shadow.document(round, None), shadow.delta());
        }
        if round % 100 == 0 {
            shadow.delete(round, None);
        }
    }
    assert!(taken > 50, "too few of the mutations are updates still: {taken}");
}
