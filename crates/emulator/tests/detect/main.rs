//! Detect through the real emulator: real MQTT in, the real AWS SDK out (docs/aws-iot.md#6.28).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod limited;
mod reports;
mod seed_004;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_sdk_iot::Client;
use aws_sdk_iot::types::{
    ActiveViolation, Behavior, BehaviorCriteria, ComparisonOperator, MetricValue, StatisticalThreshold,
};
use quell_emulator::start::{Options, Running, start};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, PublishOptions};

const ALL: &str = "arn:aws:iot:us-east-1:123456789012:all/things";
/// 300 s take 3 s.
const WINDOW: Duration = Duration::from_secs(3);

async fn emulator() -> (Running, Client) {
    emulator_at(100.0).await
}

async fn emulator_at(speed: f64) -> (Running, Client) {
    emulator_with(|options| options.speed = speed).await
}

/// An emulator without devices, or with what `change` makes of it.
async fn emulator_with(change: impl FnOnce(&mut Options)) -> (Running, Client) {
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let mut options = Options { devices: Some(0), ..Options::on_free_ports() };
    change(&mut options);
    let running = start(options).await.unwrap();
    let iot = Client::new(&quell_emulator_tests::sdk::config(&format!("http://{}", running.http)));
    (running, iot)
}

async fn profile(iot: &Client, name: &str, metric: &str, criteria: BehaviorCriteria) {
    profile_named(iot, name, "b", metric, criteria).await;
}

async fn profile_named(iot: &Client, name: &str, behavior: &str, metric: &str, criteria: BehaviorCriteria) {
    let behavior = Behavior::builder().name(behavior).metric(metric).criteria(criteria).build().unwrap();
    iot.create_security_profile().security_profile_name(name).behaviors(behavior).send().await.unwrap();
    iot.attach_security_profile()
        .security_profile_name(name)
        .security_profile_target_arn(ALL)
        .send()
        .await
        .unwrap();
}

/// Connects as `id` and sends `count` messages of `bytes`; returns when the broker has taken the last one.
async fn send(running: &Running, id: &str, count: usize, bytes: usize) {
    let address = running.mqtt.unwrap();
    let (client, mut events) =
        AsyncClient::builder(MqttOptions::new(id, (address.ip().to_string(), address.port())))
            .capacity(count + 1)
            .build();
    for _ in 0..count {
        client.publish(format!("dt/{id}"), vec![b'x'; bytes], PublishOptions::at_least_once()).await.unwrap();
    }
    let mut acknowledged = 0;
    while acknowledged < count {
        if let Event::Incoming(Packet::PubAck(_)) = events.poll().await.unwrap() {
            acknowledged += 1;
        }
    }
}

/// Waits for the next window to begin, so that what follows falls into one.
async fn window_start() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let into = Duration::from_millis((now.as_millis() % WINDOW.as_millis()) as u64);
    tokio::time::sleep(WINDOW - into + Duration::from_millis(20)).await;
}

async fn violations(iot: &Client, wanted: usize) -> Vec<ActiveViolation> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let found = iot.list_active_violations().send().await.unwrap();
        if found.active_violations().len() >= wanted || Instant::now() > deadline {
            return found.active_violations().to_vec();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn count(n: i64) -> MetricValue {
    MetricValue::builder().count(n).build()
}

#[tokio::test]
async fn fewer_than_five_and_27_messages_alarm_at_the_boundary() {
    let (running, iot) = emulator().await;
    let criteria = BehaviorCriteria::builder()
        .comparison_operator(ComparisonOperator::LessThan)
        .value(count(5))
        .duration_seconds(300)
        .build();
    profile(&iot, "MsgSentSecProfile", "aws:num-messages-sent", criteria).await;
    window_start().await;
    send(&running, "dev-XBHY", 27, 20).await;
    let found = violations(&iot, 1).await;
    let [violation] = found.as_slice() else { panic!("one violation: {found:?}") };
    assert_eq!(violation.thing_name(), Some("dev-XBHY"));
    assert_eq!(violation.last_violation_value().and_then(MetricValue::count), Some(27));
    let at = violation.violation_start_time().unwrap().to_millis().unwrap();
    assert_eq!(at % WINDOW.as_millis() as i64, 0, "the end of a window");
    assert_eq!(violation.violation_id().map(str::len), Some(32));
    let from = aws_sdk_iot::primitives::DateTime::from_millis(at - 1000);
    let to = aws_sdk_iot::primitives::DateTime::from_millis(at + 1000);
    let events = iot.list_violation_events().start_time(from).end_time(to).send().await.unwrap();
    assert_eq!(events.violation_events().len(), 1);
    running.shutdown().await;
}

#[tokio::test]
async fn the_inverted_profile_alarms_the_healthy_thing_and_the_corrected_one_the_rogue() {
    let (running, iot) = emulator().await;
    let inverted = BehaviorCriteria::builder()
        .comparison_operator(ComparisonOperator::GreaterThan)
        .statistical_threshold(StatisticalThreshold::builder().statistic("p50").build())
        .duration_seconds(300)
        .consecutive_datapoints_to_clear(2)
        .build();
    profile(&iot, "Inverted", "aws:message-byte-size", inverted).await;
    let corrected = BehaviorCriteria::builder()
        .comparison_operator(ComparisonOperator::LessThanEquals)
        .value(count(1024))
        .build();
    profile(&iot, "Corrected", "aws:message-byte-size", corrected).await;
    window_start().await;
    send(&running, "Thing01", 5, 120).await;
    send(&running, "Thing02", 5, 3000).await;
    let found = violations(&iot, 2).await;
    let mut pairs: Vec<_> =
        found.iter().map(|v| (v.security_profile_name().unwrap(), v.thing_name().unwrap())).collect();
    pairs.sort_unstable();
    assert_eq!(pairs, [("Corrected", "Thing02"), ("Inverted", "Thing01")]);
    running.shutdown().await;
}
