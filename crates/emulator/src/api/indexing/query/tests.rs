//! What queries find, on documents that are plain JSON objects.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Fields are the keys, as they stand.
#[derive(Debug)]
struct Plain(Value);

fn leaves(value: &Value, wanted: &mut dyn FnMut(Leaf<'_>) -> bool) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|v| leaves(v, wanted)),
        Value::String(s) => wanted(Leaf::Text(Cow::Borrowed(s))),
        Value::Number(n) => wanted(Leaf::Number(n.as_f64().unwrap())),
        Value::Bool(b) => wanted(Leaf::Bool(*b)),
        _ => false,
    }
}

impl Document for Plain {
    fn field(&self, name: &str, wanted: &mut dyn FnMut(Leaf<'_>) -> bool) -> bool {
        self.0.get(name).is_some_and(|v| leaves(v, wanted))
    }

    fn any(&self, wanted: &mut dyn FnMut(Leaf<'_>) -> bool) -> bool {
        self.0.as_object().unwrap().values().any(|v| leaves(v, wanted))
    }

    fn place(&self, name: &str) -> Option<Place> {
        place_of(self.0.get(name)?, if name.ends_with("geojson") { Order::LonLat } else { Order::LatLon })
    }
}

fn found(query: &str) -> bool {
    let document = Plain(json!({
        "thingName": "Sensor-07",
        "thingGroupNames": ["IsolatedDevices", "Quarantine"],
        "attributes.model": "DHT22 rev B",
        "attributes.build": "75",
        "attributes.serial": "abcd",
        "shadow.reported.temp": 21.5,
        "connectivity.connected": true,
    }));
    Query::parse(query).unwrap_or_else(|e| panic!("{query}: {e}")).matches(&document)
}

#[test]
fn every_documented_form_finds_what_it_should() {
    for query in [
        "*",
        "sensor-07",
        "thingName:Sensor-07",
        "thingName:sens*",
        "thingName:*07",
        "thingName:*nsor*",
        "thingName:Sensor-0?",
        "thingGroupNames:Quarantine",
        "attributes.model:dht22",
        "attributes.model:\"dht22 rev\"",
        "attributes.build:75",
        "attributes.build:[75 TO 80]",
        "attributes.build:{74 TO 75]",
        "attributes.build:[* TO 80]",
        "attributes.build>74 attributes.build<=75",
        "attributes.build : 75",
        "attributes.build : [ 75 TO 80 ]",
        "attributes.build :[75 TO 80] AND thingName : sens*",
        "attributes.build > 74 attributes.build <= 75",
        "attributes.build >= 75 AND shadow.reported.temp < 22",
        "attributes.build\t>\n74",
        "connectivity.connected:true AND attributes.build > 74",
        "thingName : (sens* OR nobody)",
        "attributes.model : \"dht22 rev\"",
        "NOT attributes.build > 75",
        "-attributes.build : 76",
        "attributes.build:+75",
        "attributes.serial:[\"abca\" TO \"abcf\"]",
        "attributes.serial:a*d",
        "shadow.reported.temp>21 AND NOT shadow.reported.temp>22",
        "shadow.reported.temp:21.5",
        "shadow.reported.temp:*",
        "connectivity.connected:true",
        "thingName:nobody OR connectivity.connected:true",
        "thingName:(sens* AND -nobody)",
        "(thingName:nobody OR thingName:sens*) AND NOT attributes.build:76",
        "thingName:sensor\\-07",
        "NOT thingName:nobody",
        "-thingName:nobody",
        "thingName:sens* -attributes.build:9",
    ] {
        assert!(found(query), "{query}");
    }
}

#[test]
fn and_nothing_else() {
    for query in [
        "nobody",
        "thingname:Sensor-07",
        "thingName:Sensor",
        "thingName:Sensor-0\\?",
        "attributes.model:\"rev dht22\"",
        "attributes.build:{75 TO 80]",
        "attributes.build:[70 TO 75}",
        "attributes.build<75",
        "attributes.none:*",
        "attributes.build > 75",
        "attributes.build < 75 OR attributes.build : [76 TO 80]",
        "NOT attributes.build:*",
        "connectivity.connected:false",
        "connectivity.connected>0",
        "shadow.reported.temp:abc",
        "thingName:sens* AND thingName:nobody",
    ] {
        assert!(!found(query), "{query}");
    }
}

#[test]
fn and_binds_closer_than_or() {
    assert!(found("connectivity.connected:true OR thingName:a AND thingName:b"));
    assert!(!found("(connectivity.connected:true OR thingName:a) AND thingName:b"));
}

#[test]
fn what_is_no_query_is_refused() {
    let many = "a ".repeat(13);
    let long = "x".repeat(1001);
    let leading = format!("thingName:*{}", "x".repeat(100));
    for query in [
        "",
        "  ",
        "thingName:",
        "thingName:(a",
        "a)",
        "a AND",
        "OR a",
        "\"open",
        "a:[1 TO 2",
        "a:[1 2]",
        "a:[1 TO b]",
        "/reg.*ex/",
        "roam~",
        "jakarta^4",
        "a<b",
        "a=5",
        "a = 5",
        "a < b",
        "a : ",
        "a <",
        "a:>5",
        "a:<=5",
        "a && b",
        "a || b",
        "!a",
        "!attributes.model:legacy",
        "+attributes.model:v2",
        "a:!b",
        "+a",
        "a:1,2",
        "geo_distance,47.6,-122.3,15.5km",
        "a:geo_distance,47.6,-122.3,15.5",
        "a:geo_distance,47.6,-122.3,-1km",
        "a:geo_distance,97.6,-122.3,1km",
        "a:geo_distance,47.6,west,1km",
        "a:geo_distance,47.6,-122.3",
        "a:geo_distance,47.6,-122.3,1km,1km",
        "a:geo_polygon,1,1,2,2,3,3",
        "end\\",
        "thingName:*a thingGroupNames:*b",
        "deviceDefender.profile.behavior.inViolation:false",
        &many,
        &long,
        &leading,
    ] {
        assert!(Query::parse(query).is_err(), "{query}");
    }
    assert!(Query::parse(&"(".repeat(500)).is_err());
}

#[test]
fn geo_queries_find_every_documented_form_of_a_location() {
    // 11.1 km and 111 km from the point that is asked for.
    for (place, near) in [
        (json!("47.7,-122.3"), true),
        (json!("47.7, -122.3"), true),
        (json!("POINT(-122.3 47.7)"), true),
        (json!({"lat": 47.7, "lon": -122.3}), true),
        (json!({"latitude": 47.7, "longitude": -122.3}), true),
        (json!({"latitude": 47.7, "long": -122.3}), true),
        (json!([47.7, -122.3]), true),
        (json!([46.6, -122.3]), false),
        (json!([-122.3, 47.7]), false),
        (json!("POINT(47.7 -122.3)"), false),
        (json!("here"), false),
        (json!({"lat": "47.7", "lon": -122.3}), false),
        (json!(null), false),
    ] {
        let document = Plain(json!({ "place": place }));
        for (query, wanted) in [
            ("place:geo_distance,47.6,-122.3,15.5km", near),
            ("place : geo_distance,47.6,-122.3,7mi", near),
            ("place:geo_distance,47.6,-122.3,11000m", false),
            ("NOT place:geo_distance,47.6,-122.3,15.5km", !near),
        ] {
            assert_eq!(Query::parse(query).unwrap().matches(&document), wanted, "{query}: {document:?}");
        }
    }
    let document = Plain(json!({"geojson": [-122.3, 47.7], "east": [0.0, 179.9]}));
    assert!(Query::parse("geojson:geo_distance,47.6,-122.3,15km").unwrap().matches(&document));
    assert!(
        Query::parse("east:geo_distance,0,-179.9,25km").unwrap().matches(&document),
        "over the date line"
    );
    let query = Query::parse("a:1 OR NOT b:geo_distance,0,0,1km").unwrap();
    assert_eq!(query.unplaced(&|_| false), Some("b"));
    assert_eq!(query.unplaced(&|field| field == "b"), None);
}

#[test]
fn a_query_knows_which_fields_it_names() {
    let query = Query::parse("a OR NOT connectivity.connected:true").unwrap();
    assert!(query.names_field("connectivity."));
    assert!(!query.names_field("deviceDefender."));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[a-z:*?()\\[\\]{}\"\\\\<>= \\-AORNDT0-9]{0,60}") {
        if let Ok(query) = Query::parse(&text) {
            query.matches(&Plain(json!({"a": "b"})));
        }
    }
}

#[test]
fn mutated_queries_are_survived() {
    use crate::mutate::{self, Rng, SEED};
    const PIECES: &[&str] = &[
        " AND ",
        " OR ",
        " NOT ",
        "[1 TO ",
        "{* TO ",
        "attributes.",
        ":>=",
        "-(",
        "\\:",
        "shadow.name.",
        "(((((",
    ];
    let (mut rng, texts) = (Rng::with_seed(SEED), mutate::texts("corpus/queries"));
    for text in &texts {
        Query::parse(text.trim()).unwrap_or_else(|e| panic!("{text}: {e}"));
    }
    let document = Plain(json!({"a": "b", "attributes.build": "75", "\u{e9}": [1, true, "DHT22 rev B"]}));
    let mut parsed = 0;
    for _ in 0..10_000 {
        if let Ok(query) = Query::parse(&mutate::mutated(&texts, PIECES, &mut rng)) {
            parsed += 1;
            query.matches(&document);
            query.names_field("shadow.");
        }
    }
    assert!(parsed > 500, "too few of the mutations are queries still: {parsed}");
}
