//! Fleet indexing over the real SDK: what is indexed, queries, aggregations, dynamic thing groups.

use std::time::Duration;

use aws_sdk_iot::types::{
    AttributePayload, BucketsAggregationType, DeviceDefenderIndexingMode, DynamicGroupStatus, Field,
    FieldType, IndexStatus, IndexingFilter, NamedShadowIndexingMode, TermsAggregation,
    ThingConnectivityIndexingMode, ThingGroupIndexingConfiguration, ThingGroupIndexingMode,
    ThingIndexingConfiguration, ThingIndexingMode,
};
use aws_smithy_types::Blob;
use tokio::time::Instant;

use crate::live::device;
use crate::{World, is, refusal};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

impl World {
    /// The registry and nothing else.
    pub(crate) fn things_only(&self) -> ThingIndexingConfiguration {
        ThingIndexingConfiguration::builder()
            .thing_indexing_mode(ThingIndexingMode::Registry)
            .build()
            .unwrap()
    }

    pub(crate) async fn index(&self, things: &ThingIndexingConfiguration) {
        let update = self.iot.update_indexing_configuration();
        update.thing_indexing_configuration(things.clone()).send().await.unwrap();
    }

    /// Everything is indexed, and the index is built.
    pub(crate) async fn index_all(&self) {
        let filter = IndexingFilter::builder().named_shadow_names("status").build();
        let custom = Field::builder().name("attributes.build").r#type(FieldType::Number).build();
        let things = ThingIndexingConfiguration::builder()
            .thing_indexing_mode(ThingIndexingMode::RegistryAndShadow)
            .thing_connectivity_indexing_mode(ThingConnectivityIndexingMode::Status)
            .device_defender_indexing_mode(DeviceDefenderIndexingMode::Violations)
            .named_shadow_indexing_mode(NamedShadowIndexingMode::On)
            .filter(filter)
            .custom_fields(custom)
            .build()
            .unwrap();
        self.index(&things).await;
        self.built().await;
    }

    /// Waits until the index is built.
    async fn built(&self) {
        let deadline = Instant::now() + LONG;
        loop {
            let index = self.iot.describe_index().index_name("AWS_Things").send().await.unwrap();
            if index.index_status == Some(IndexStatus::Active) {
                return;
            }
            assert!(Instant::now() < deadline, "the index is built");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn made(&self, name: &str, build: &str, site: &str) {
        let payload = AttributePayload::builder().attributes("build", build).attributes("site", site).build();
        self.iot.create_thing().thing_name(name).attribute_payload(payload).send().await.unwrap();
    }

    async fn found(&self, query: &str) -> Vec<String> {
        let search = self.iot.search_index().query_string(query).send().await;
        let found = search.expect(query);
        found.things().iter().map(|t| t.thing_name.clone().unwrap()).collect()
    }
}

#[tokio::test]
async fn indexing_is_off_at_first_and_an_index_needs_its_time() {
    let world = World::start().await;
    let iot = &world.iot;
    let held = iot.get_indexing_configuration().send().await.unwrap();
    let things = held.thing_indexing_configuration.unwrap();
    assert_eq!(things.thing_indexing_mode, ThingIndexingMode::Off);
    assert_eq!(
        refusal(iot.search_index().query_string("*").send().await),
        is(404, "ResourceNotFoundException")
    );
    let describe = || iot.describe_index().index_name("AWS_Things").send();
    assert_eq!(refusal(describe().await), is(404, "ResourceNotFoundException"));
    assert!(iot.list_indices().send().await.unwrap().index_names().is_empty());
    let connected_only = ThingIndexingConfiguration::builder()
        .thing_indexing_mode(ThingIndexingMode::Off)
        .thing_connectivity_indexing_mode(ThingConnectivityIndexingMode::Status)
        .build()
        .unwrap();
    let update = |things: ThingIndexingConfiguration| {
        iot.update_indexing_configuration().thing_indexing_configuration(things).send()
    };
    assert_eq!(refusal(update(connected_only).await), is(400, "InvalidRequestException"));
    let managed = Field::builder().name("registry.version").r#type(FieldType::Number).build();
    let managed = ThingIndexingConfiguration::builder()
        .thing_indexing_mode(ThingIndexingMode::Registry)
        .custom_fields(managed)
        .build()
        .unwrap();
    assert_eq!(refusal(update(managed).await), is(400, "InvalidRequestException"));
    let groups = ThingGroupIndexingConfiguration::builder()
        .thing_group_indexing_mode(ThingGroupIndexingMode::On)
        .build()
        .unwrap();
    let both = iot.update_indexing_configuration().thing_indexing_configuration(world.things_only());
    both.thing_group_indexing_configuration(groups).send().await.unwrap();
    let building = describe().await.unwrap();
    assert_eq!(building.index_status, Some(IndexStatus::Building));
    assert_eq!(building.schema.as_deref(), Some("REGISTRY"));
    assert_eq!(refusal(iot.search_index().query_string("*").send().await), is(400, "IndexNotReadyException"));
    assert_eq!(iot.list_indices().send().await.unwrap().index_names(), ["AWS_ThingGroups", "AWS_Things"]);
    let held = iot.get_indexing_configuration().send().await.unwrap();
    assert_eq!(
        held.thing_group_indexing_configuration.unwrap().thing_group_indexing_mode,
        ThingGroupIndexingMode::On
    );
}

#[tokio::test]
async fn queries_look_at_registry_shadows_and_connections() {
    let world = World::at_speed(500.0).await;
    let iot = &world.iot;
    for (name, build, site) in
        [("Sensor01", "70", "north"), ("Sensor02", "75", "north"), ("Pump01", "90", "south")]
    {
        world.made(name, build, site).await;
    }
    world.group("IsolatedDevices").await;
    let add = iot.add_thing_to_thing_group().thing_name("Sensor02").thing_group_name("IsolatedDevices");
    add.send().await.unwrap();
    let shadow = |thing: &str, name: Option<&str>, body: &str| {
        let update = world.data.update_thing_shadow().thing_name(thing).payload(Blob::new(body));
        update.set_shadow_name(name.map(str::to_owned)).send()
    };
    shadow("Sensor01", None, r#"{"state":{"reported":{"t":{"c":21.5},"fw":"1.2"},"desired":{"fw":"1.3"}}}"#)
        .await
        .unwrap();
    shadow("Sensor02", None, r#"{"state":{"reported":{"t":{"c":30},"ok":true}}}"#).await.unwrap();
    shadow("Pump01", Some("status"), r#"{"state":{"reported":{"mode":"idle"}}}"#).await.unwrap();
    shadow("Pump01", Some("secret"), r#"{"state":{"reported":{"mode":"hidden"}}}"#).await.unwrap();
    let (id, arn) = world.certificate(true).await;
    let all = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;
    world.policy("AllowAll", all).await;
    iot.attach_policy().policy_name("AllowAll").target(&arn).send().await.unwrap();
    let port = world.listen(&id).await;
    let mut client = device(port, "Pump01");
    assert!(client.connected().await);
    world.index_all().await;

    for (query, names) in [
        ("*", vec!["Pump01", "Sensor01", "Sensor02"]),
        ("thingName:sensor*", vec!["Sensor01", "Sensor02"]),
        ("attributes.build:[70 TO 80]", vec!["Sensor01", "Sensor02"]),
        ("attributes.build>70 AND NOT attributes.site:south", vec!["Sensor02"]),
        ("thingGroupNames:IsolatedDevices", vec!["Sensor02"]),
        ("NOT thingGroupNames:*", vec!["Pump01", "Sensor01"]),
        ("shadow.reported.t.c>=21.5", vec!["Sensor01", "Sensor02"]),
        ("shadow.hasDelta:true", vec!["Sensor01"]),
        ("shadow.delta.fw:1.3", vec!["Sensor01"]),
        ("shadow.reported.ok:true", vec!["Sensor02"]),
        ("shadow.name.status.reported.mode:idle", vec!["Pump01"]),
        ("shadow.name.secret.reported.mode:hidden", vec![]),
        ("hidden", vec![]),
        ("idle", vec!["Pump01"]),
        ("connectivity.connected:true", vec!["Pump01"]),
        ("connectivity.connected:false", vec!["Sensor01", "Sensor02"]),
        ("deviceDefender.violationCount:0", vec!["Pump01", "Sensor01", "Sensor02"]),
        ("deviceDefender.p.b.inViolation:true", vec![]),
        ("south OR thingName:Sensor02", vec!["Pump01", "Sensor02"]),
    ] {
        assert_eq!(world.found(query).await, names, "{query}");
    }
    for bad in ["thingName:", "(a", "thingName:*a attributes.site:*b", "deviceDefender.p.b.inViolation:false"]
    {
        assert_eq!(
            refusal(iot.search_index().query_string(bad).send().await),
            is(400, "InvalidQueryException"),
            "{bad}"
        );
    }
    let found = iot.search_index().query_string("thingName:Sensor01").send().await.unwrap();
    let thing = &found.things()[0];
    let shadow: serde_json::Value = serde_json::from_str(thing.shadow.as_deref().unwrap()).unwrap();
    assert_eq!(shadow["reported"]["t"]["c"], 21.5);
    assert_eq!(shadow["hasDelta"], true);
    assert_eq!(thing.device_defender.as_deref(), Some(r#"{"violationCount":0}"#));
    assert_eq!(thing.attributes.as_ref().unwrap()["site"], "north");
    let pump = iot.search_index().query_string("thingName:Pump01").send().await.unwrap().things()[0].clone();
    let connectivity = pump.connectivity.unwrap();
    assert!(connectivity.connected == Some(true) && connectivity.timestamp.unwrap() > 1_700_000_000_000);
    assert!(pump.shadow.unwrap().contains("idle"));

    let first = iot.search_index().query_string("*").max_results(2).send().await.unwrap();
    assert_eq!(first.things().len(), 2);
    let rest = iot
        .search_index()
        .query_string("*")
        .max_results(2)
        .set_next_token(first.next_token)
        .send()
        .await
        .unwrap();
    assert_eq!(rest.things()[0].thing_name.as_deref(), Some("Sensor02"));
    assert_eq!(rest.next_token, None);
    let none = iot.search_index().query_string("*").index_name("Other").send().await;
    assert_eq!(refusal(none), is(404, "ResourceNotFoundException"));
    let old = iot.search_index().query_string("*").query_version("2000-01-01").send().await;
    assert_eq!(refusal(old), is(400, "InvalidQueryException"));
}

#[tokio::test]
async fn aggregations_count_what_fits() {
    let world = World::at_speed(500.0).await;
    let iot = &world.iot;
    for n in 1..=4 {
        world.made(&format!("T{n}"), &(n * 10).to_string(), if n == 4 { "south" } else { "north" }).await;
    }
    world.index_all().await;
    let statistics =
        iot.get_statistics().query_string("*").aggregation_field("attributes.build").send().await;
    let statistics = statistics.unwrap().statistics.unwrap();
    assert_eq!((statistics.count, statistics.sum, statistics.average), (4, Some(100.0), Some(25.0)));
    assert_eq!((statistics.minimum, statistics.maximum), (Some(10.0), Some(40.0)));
    assert_eq!((statistics.sum_of_squares, statistics.variance), (Some(3000.0), Some(125.0)));
    let usual = iot.get_statistics().query_string("thingName:T1").send().await.unwrap().statistics.unwrap();
    assert_eq!((usual.count, usual.average), (1, Some(1.0)));
    let names = iot.get_statistics().query_string("*").aggregation_field("thingName").send().await.unwrap();
    let names = names.statistics.unwrap();
    assert_eq!((names.count, names.sum), (4, None));
    let percentiles = iot.get_percentiles().query_string("*").aggregation_field("attributes.build");
    let percentiles = percentiles.percents(50.0).percents(100.0).send().await.unwrap();
    let values: Vec<f64> = percentiles.percentiles().iter().map(|p| p.value).collect();
    assert_eq!(values, [20.0, 40.0]);
    let seven =
        iot.get_percentiles().query_string("*").aggregation_field("registry.version").send().await.unwrap();
    assert_eq!(seven.percentiles().len(), 7);
    let of_text = iot.get_percentiles().query_string("*").aggregation_field("thingName").send().await;
    assert_eq!(refusal(of_text), is(400, "InvalidAggregationException"));
    let cardinality =
        iot.get_cardinality().query_string("attributes.build>10").aggregation_field("attributes.build");
    assert_eq!(cardinality.send().await.unwrap().cardinality, 3);
    let unknown = iot.get_cardinality().query_string("*").aggregation_field("attributes.site").send().await;
    assert_eq!(refusal(unknown), is(400, "InvalidAggregationException"));
    world.group("g").await;
    iot.add_thing_to_thing_group().thing_name("T1").thing_group_name("g").send().await.unwrap();
    let terms = BucketsAggregationType::builder()
        .terms_aggregation(TermsAggregation::builder().max_buckets(2).build())
        .build();
    let buckets = |field: &str| {
        iot.get_buckets_aggregation()
            .query_string("*")
            .aggregation_field(field)
            .buckets_aggregation_type(terms.clone())
            .send()
    };
    let groups = buckets("registry.thingGroupNames").await.unwrap();
    assert_eq!((groups.total_count, groups.buckets().len()), (4, 1));
    assert_eq!((groups.buckets()[0].key_value.as_deref(), groups.buckets()[0].count), (Some("g"), 1));
    assert_eq!(buckets("thingName").await.unwrap().buckets().len(), 2);
    let connected = buckets("connectivity.connected").await.unwrap();
    assert_eq!(
        (connected.buckets()[0].key_value.as_deref(), connected.buckets()[0].count),
        (Some("false"), 4)
    );
}

#[tokio::test]
async fn dynamic_groups_follow_their_query() {
    let world = World::at_speed(500.0).await;
    let iot = &world.iot;
    world.made("T1", "70", "north").await;
    world.made("T2", "80", "north").await;
    world.index_all().await;
    let create = |name: &str, query: &str| {
        iot.create_dynamic_thing_group().thing_group_name(name).query_string(query).send()
    };
    assert_eq!(refusal(create("bad", "a:(").await), is(400, "InvalidQueryException"));
    create("old", "attributes.build<75").await.unwrap();
    let members = |wanted: &'static [&'static str]| {
        let world = &world;
        async move {
            let deadline = Instant::now() + LONG;
            loop {
                let held =
                    world.iot.list_things_in_thing_group().thing_group_name("old").send().await.unwrap();
                let group = world.iot.describe_thing_group().thing_group_name("old").send().await.unwrap();
                if held.things() == wanted && group.status == Some(DynamicGroupStatus::Active) {
                    return;
                }
                assert!(Instant::now() < deadline, "{wanted:?}, not {:?}", held.things());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    members(&["T1"]).await;
    let groups = iot.list_thing_groups_for_thing().thing_name("T1").send().await.unwrap();
    assert_eq!(groups.thing_groups()[0].group_name(), Some("old"));
    assert_eq!(world.found("thingGroupNames:old").await, ["T1"]);
    world.made("T3", "60", "north").await;
    members(&["T1", "T3"]).await;
    iot.delete_thing().thing_name("T1").send().await.unwrap();
    members(&["T3"]).await;
    let properties = aws_sdk_iot::types::ThingGroupProperties::builder().build();
    let update = iot.update_dynamic_thing_group().thing_group_name("old").thing_group_properties(properties);
    update.query_string("attributes.build>75").send().await.unwrap();
    members(&["T2"]).await;

    // Ten groups are the limit; an eleventh takes a dynamic one's place only when asked.
    for n in 1..=10 {
        world.group(&format!("g{n}")).await;
    }
    let add = |group: String, over: bool| {
        let add = iot.add_thing_to_thing_group().thing_name("T2").thing_group_name(group);
        add.override_dynamic_groups(over).send()
    };
    for n in 1..=9 {
        add(format!("g{n}"), false).await.unwrap();
    }
    assert_eq!(refusal(add("g10".into(), false).await), is(400, "InvalidRequestException"));
    add("g10".into(), true).await.unwrap();
    members(&[]).await;
    world.group("g11").await;
    assert_eq!(refusal(add("g11".into(), true).await), is(400, "InvalidRequestException"));
    iot.delete_dynamic_thing_group().thing_group_name("old").send().await.unwrap();
}

#[tokio::test]
async fn thing_groups_are_searched_too() {
    let world = World::at_speed(500.0).await;
    let iot = &world.iot;
    world.group("plant").await;
    iot.create_thing_group().thing_group_name("hall").parent_group_name("plant").send().await.unwrap();
    let groups = ThingGroupIndexingConfiguration::builder()
        .thing_group_indexing_mode(ThingGroupIndexingMode::On)
        .build()
        .unwrap();
    iot.update_indexing_configuration().thing_group_indexing_configuration(groups).send().await.unwrap();
    let search = |query: &str| iot.search_index().index_name("AWS_ThingGroups").query_string(query).send();
    let deadline = Instant::now() + LONG;
    let found = loop {
        if let Ok(found) = search("parentGroupNames:plant").await {
            break found;
        }
        assert!(Instant::now() < deadline, "the index is built");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(found.thing_groups()[0].thing_group_name.as_deref(), Some("hall"));
    assert_eq!(search("thingGroupName:*").await.unwrap().thing_groups().len(), 2);
}

#[tokio::test]
async fn a_large_fleet_is_searched_and_counted_whole() {
    let world = World::at_speed(500.0).await;
    let thing = |n: u32| (format!("T{n:05}"), [("build".to_owned(), (n % 100).to_string())].into());
    world.running.account().create_things((0..30_000).map(thing)).unwrap();
    world.index_all().await;
    let found =
        world.iot.search_index().query_string("attributes.build:7 AND thingName:t29*").send().await.unwrap();
    assert_eq!(found.things().len(), 10);
    let statistics =
        world.iot.get_statistics().query_string("*").aggregation_field("attributes.build").send().await;
    assert_eq!(statistics.unwrap().statistics.unwrap().count, 30_000);
}

#[tokio::test]
async fn blanks_may_stand_around_operators_in_searches_and_in_dynamic_groups() {
    let world = World::at_speed(100.0).await;
    world.index_all().await;
    world.made("Thing01", "1", "a").await;
    world.made("Thing02", "7", "a").await;
    for query in [
        "attributes.build : [1 TO 2]",
        "attributes.build < 5",
        "attributes.build <= 1 AND attributes.site : a",
        "connectivity.connected : false AND attributes.build : 1",
        "thingName : thing01",
    ] {
        assert_eq!(world.found(query).await, ["Thing01"], "{query}");
    }
    for query in ["attributes.build:>5", "attributes.build && thingName", "!thingName"] {
        let refused = world.iot.search_index().query_string(query).send().await;
        assert_eq!(refusal(refused), is(400, "InvalidQueryException"), "{query}");
        let group = world.iot.create_dynamic_thing_group().thing_group_name("bad").query_string(query);
        assert_eq!(refusal(group.send().await), is(400, "InvalidQueryException"), "{query}");
    }
    let group =
        world.iot.create_dynamic_thing_group().thing_group_name("Old").query_string("attributes.build < 5");
    group.send().await.unwrap();
    let deadline = Instant::now() + LONG;
    loop {
        let members = world.iot.list_things_in_thing_group().thing_group_name("Old").send().await.unwrap();
        if members.things() == ["Thing01"] {
            break;
        }
        assert!(Instant::now() < deadline, "the group has its member");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn things_are_found_by_where_they_are() {
    use aws_sdk_iot::types::{GeoLocationTarget, TargetFieldOrder};
    let world = World::at_speed(20.0).await;
    for (thing, place) in [("near", "47.61,-122.33"), ("far", "45.5,-122.7"), ("nowhere", "unknown")] {
        let payload = AttributePayload::builder().attributes("place", place).build();
        world.iot.create_thing().thing_name(thing).attribute_payload(payload).send().await.unwrap();
    }
    let shadow =
        r#"{"state":{"reported":{"gps":{"coordinates":[-122.33,47.61]},"at":{"lat":47.61,"long":-122.33}}}}"#;
    world.data.update_thing_shadow().thing_name("nowhere").payload(Blob::new(shadow)).send().await.unwrap();
    let target = |name: &str, order| GeoLocationTarget::builder().name(name).order(order).build();
    let filter = IndexingFilter::builder()
        .geo_locations(target("attributes.place", TargetFieldOrder::LatLon))
        .geo_locations(target("shadow.reported.gps.coordinates", TargetFieldOrder::LonLat))
        .geo_locations(target("shadow.reported.at", TargetFieldOrder::LatLon))
        .build();
    let things = ThingIndexingConfiguration::builder()
        .thing_indexing_mode(ThingIndexingMode::RegistryAndShadow)
        .filter(filter.clone())
        .build()
        .unwrap();
    world.index(&things).await;
    let held = world.iot.get_indexing_configuration().send().await.unwrap();
    assert_eq!(held.thing_indexing_configuration.unwrap().filter, Some(filter));
    world.built().await;
    let near = "geo_distance,47.6204,-122.3491,15.5km";
    assert_eq!(world.found(&format!("attributes.place:{near}")).await, ["near"]);
    assert_eq!(world.found(&format!("NOT attributes.place:{near}")).await, ["far", "nowhere"]);
    assert_eq!(world.found(&format!("shadow.reported.gps.coordinates:{near}")).await, ["nowhere"]);
    assert_eq!(world.found(&format!("shadow.reported.at:{near} AND thingName:no*")).await, ["nowhere"]);
    // A field that is not indexed as a location, and what is no geo query of ours.
    for query in [format!("attributes.other:{near}"), "attributes.place:geo_polygon,1,2,3,4,5,6".to_owned()] {
        let answer = world.iot.search_index().query_string(&query).send().await;
        assert_eq!(refusal(answer), is(400, "InvalidQueryException"), "{query}");
    }
}
