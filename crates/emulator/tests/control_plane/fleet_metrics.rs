//! Fleet metrics over the real SDK, and the CloudWatch metrics they become.

use std::time::Duration;

use aws_sdk_iot::operation::create_fleet_metric::builders::CreateFleetMetricFluentBuilder;
use aws_sdk_iot::types::{AggregationType, AggregationTypeName, FleetMetricUnit};
use tokio::time::Instant;

use crate::wire::signed;
use crate::{World, is, refusal};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

fn aggregation(name: AggregationTypeName, values: &[&str]) -> AggregationType {
    let values = values.iter().map(|v| (*v).to_owned()).collect();
    AggregationType::builder().name(name).set_values(Some(values)).build().unwrap()
}

impl World {
    fn new_metric(&self, name: &str, aggregation: AggregationType) -> CreateFleetMetricFluentBuilder {
        self.iot
            .create_fleet_metric()
            .metric_name(name)
            .query_string("attributes.site:north")
            .aggregation_field("attributes.build")
            .aggregation_type(aggregation)
            .period(60)
    }
}

#[tokio::test]
async fn a_fleet_metric_becomes_a_cloudwatch_metric() {
    let world = World::at_speed(500.0).await;
    let iot = &world.iot;
    let sums = || aggregation(AggregationTypeName::Statistics, &["sum", "count"]);
    let early = world.new_metric("builds", sums()).send().await;
    assert_eq!(refusal(early), is(404, "ResourceNotFoundException"));
    world.index_all().await;
    world.made("T1", "30", "north").await;
    world.made("T2", "12", "north").await;
    world.made("T3", "99", "south").await;
    let made = world.new_metric("builds", sums()).unit(FleetMetricUnit::Count).send().await.unwrap();
    assert!(made.metric_arn.unwrap().ends_with(":fleetmetric/builds"));
    assert_eq!(
        refusal(world.new_metric("builds", sums()).send().await),
        is(409, "ResourceAlreadyExistsException")
    );
    for (name, aggregation) in [
        ("none", aggregation(AggregationTypeName::Statistics, &[])),
        ("other", aggregation(AggregationTypeName::Statistics, &["median"])),
        ("high", aggregation(AggregationTypeName::Percentiles, &["101"])),
    ] {
        let refused = world.new_metric(name, aggregation).send().await;
        assert_eq!(refusal(refused), is(400, "InvalidRequestException"), "{name}");
    }
    let odd = world.new_metric("odd", sums()).period(61).send().await;
    assert_eq!(refusal(odd), is(400, "InvalidRequestException"));
    let no_query = world.new_metric("q", sums()).query_string("a:(").send().await;
    assert_eq!(refusal(no_query), is(400, "InvalidQueryException"));
    let no_field = world.new_metric("f", sums()).aggregation_field("attributes.site").send().await;
    assert_eq!(refusal(no_field), is(400, "InvalidAggregationException"));
    world
        .new_metric("top", aggregation(AggregationTypeName::Percentiles, &["50", "99"]))
        .send()
        .await
        .unwrap();

    let deadline = Instant::now() + LONG;
    let wanted = "Action=GetMetricStatistics&Namespace=AWS%2FIoTFleetMetrics&MetricName=builds&Period=60&\
                  Statistics.member.1=Maximum&Dimensions.member.1.Name=AggregationType&Dimensions.member.1.Value=sum";
    loop {
        let now = jiff::Timestamp::now();
        let (from, to) = (now - Duration::from_secs(600), now + Duration::from_secs(60));
        let body = format!("{wanted}&StartTime={from:.0}&EndTime={to:.0}");
        let answer = signed(&world, "monitoring", "POST", "/", &body).await;
        if answer.contains("<Maximum>42") {
            break;
        }
        assert!(Instant::now() < deadline, "{answer}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The second metric has a period of its own.
    loop {
        let list = "Action=ListMetrics&Namespace=AWS%2FIoTFleetMetrics";
        let listed = signed(&world, "monitoring", "POST", "/", list).await;
        if listed.contains("p99") && listed.contains("top") {
            break;
        }
        assert!(Instant::now() < deadline, "{listed}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    let pages = iot.list_fleet_metrics().max_results(1).into_paginator().items().send();
    let rows: Vec<_> = pages.collect::<Result<_, _>>().await.unwrap();
    assert_eq!(rows.len(), 2);
    let update = || iot.update_fleet_metric().metric_name("builds").index_name("AWS_Things");
    update().description("of the north").expected_version(1).send().await.unwrap();
    let conflict = update().description("x").expected_version(1).send().await;
    assert_eq!(refusal(conflict), is(409, "VersionConflictException"));
    let held = iot.describe_fleet_metric().metric_name("builds").send().await.unwrap();
    assert_eq!((held.version, held.description.as_deref()), (2, Some("of the north")));
    assert_eq!((held.period, held.unit), (Some(60), Some(FleetMetricUnit::Count)));
    assert_eq!(held.aggregation_type, Some(sums()));
    for _ in 0..2 {
        iot.delete_fleet_metric().metric_name("builds").send().await.unwrap();
    }
    let gone = iot.describe_fleet_metric().metric_name("builds").send().await;
    assert_eq!(refusal(gone), is(404, "ResourceNotFoundException"));
}
