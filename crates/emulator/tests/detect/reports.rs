//! What Defender agents report: answers, values, violations (docs/aws-iot.md#3.8).

use std::time::{Duration, Instant};

use aws_sdk_iot::Client;
use aws_sdk_iot::primitives::DateTime;
use aws_sdk_iot::types::{
    Behavior, BehaviorCriteria, ComparisonOperator, CustomMetricType, MetricToRetain, MetricValue,
};
use quell_emulator::start::Running;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, PublishOptions, QoS};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{ALL, count, emulator_at};

/// A connected client: it publishes, and hears what it subscribed to.
pub(super) struct Mqtt {
    pub(super) client: AsyncClient,
    heard: mpsc::UnboundedReceiver<(String, Vec<u8>)>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Mqtt {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Mqtt {
    /// Connects as `id` and returns when its subscriptions stand.
    pub(super) async fn connect(running: &Running, id: &str, filters: &[&str]) -> Self {
        let address = running.mqtt.unwrap();
        let (client, mut events) =
            AsyncClient::builder(MqttOptions::new(id, (address.ip().to_string(), address.port())))
                .capacity(64)
                .build();
        for filter in filters {
            client.subscribe(*filter, QoS::AtLeastOnce).await.unwrap();
        }
        let (mut acknowledged, mut connected) = (0, false);
        while acknowledged < filters.len() || !connected {
            match events.poll().await.unwrap() {
                Event::Incoming(Packet::SubAck(_)) => acknowledged += 1,
                Event::Incoming(Packet::ConnAck(_)) => connected = true,
                _ => {}
            }
        }
        let (sender, heard) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            while let Ok(event) = events.poll().await {
                if let Event::Incoming(Packet::Publish(message)) = event {
                    let _ = sender
                        .send((String::from_utf8(message.topic.to_vec()).unwrap(), message.payload.to_vec()));
                }
            }
        });
        Self { client, heard, task }
    }

    pub(super) async fn hear(&mut self) -> (String, Vec<u8>) {
        tokio::time::timeout(Duration::from_secs(20), self.heard.recv()).await.unwrap().unwrap()
    }

    pub(super) async fn publish(&self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.client.publish(topic, payload.into(), PublishOptions::at_least_once()).await.unwrap();
    }

    /// Reports in `format` and returns the answer's verb and body.
    async fn report(&mut self, format: &str, payload: impl Into<Vec<u8>>) -> (String, Value) {
        self.publish(&format!("$aws/things/Thing03/defender/metrics/{format}"), payload).await;
        let (topic, body) = self.hear().await;
        let verb = topic.strip_prefix(&format!("$aws/things/Thing03/defender/metrics/{format}/")).unwrap();
        let body = if format == "cbor" {
            ciborium::from_reader(&body[..]).unwrap()
        } else {
            serde_json::from_slice(&body).unwrap()
        };
        (verb.to_owned(), body)
    }
}

const ANSWERS: &[&str] =
    &["$aws/things/Thing03/defender/metrics/+/accepted", "$aws/things/Thing03/defender/metrics/+/rejected"];

fn cbor(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    ciborium::into_writer(value, &mut out).unwrap();
    out
}

pub(super) fn behavior(
    name: &str,
    metric: &str,
    operator: ComparisonOperator,
    value: MetricValue,
) -> Behavior {
    let criteria = BehaviorCriteria::builder().comparison_operator(operator).value(value).build();
    Behavior::builder().name(name).metric(metric).criteria(criteria).build().unwrap()
}

fn kept(metric: &str) -> MetricToRetain {
    MetricToRetain::builder().metric(metric).build().unwrap()
}

/// The names of the behaviours in violation, once `done` holds of them.
async fn in_violation(iot: &Client, done: impl Fn(&[String]) -> bool) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let found = iot.list_active_violations().send().await.unwrap();
        let mut names: Vec<String> = found
            .active_violations()
            .iter()
            .map(|v| format!("{}:{}", v.thing_name().unwrap(), v.behavior().unwrap().name()))
            .collect();
        names.sort();
        if done(&names) || Instant::now() > deadline {
            return names;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(super) async fn values(iot: &Client, thing: &str, metric: &str, wanted: usize) -> Vec<MetricValue> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let mut pages = iot
            .list_metric_values()
            .thing_name(thing)
            .metric_name(metric)
            .start_time(DateTime::from_secs(0))
            .end_time(DateTime::from_secs(4_000_000_000))
            .max_results(1)
            .into_paginator()
            .items()
            .send();
        let mut found = Vec::new();
        while let Some(datum) = pages.next().await {
            found.push(datum.unwrap().value().unwrap().clone());
        }
        if found.len() >= wanted || Instant::now() > deadline {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn reports_in_json_and_cbor_become_values_and_violations() {
    // Reports may be 300 s apart: 0.3 s.
    let (running, iot) = emulator_at(1000.0).await;
    iot.create_thing().thing_name("Thing03").send().await.unwrap();
    iot.create_custom_metric()
        .metric_name("cpu_usage")
        .metric_type(CustomMetricType::Number)
        .client_request_token("t")
        .send()
        .await
        .unwrap();
    let ports = MetricValue::builder().ports(22).build();
    let number = MetricValue::builder().number(50.0).build();
    iot.create_security_profile()
        .security_profile_name("DeviceSide")
        .behaviors(behavior("ports", "aws:listening-tcp-ports", ComparisonOperator::InPortSet, ports))
        .behaviors(behavior("cpu", "cpu_usage", ComparisonOperator::LessThan, number))
        .behaviors(behavior("udp", "aws:num-listening-udp-ports", ComparisonOperator::LessThan, count(2)))
        .additional_metrics_to_retain_v2(kept("aws:destination-ip-addresses"))
        .additional_metrics_to_retain_v2(kept("aws:all-bytes-out"))
        .send()
        .await
        .unwrap();
    iot.attach_security_profile()
        .security_profile_name("DeviceSide")
        .security_profile_target_arn(ALL)
        .send()
        .await
        .unwrap();
    // The agent's client id need not be the thing's name; a bystander sees the answers, never the reports.
    let mut agent = Mqtt::connect(&running, "agent", ANSWERS).await;
    let mut bystander = Mqtt::connect(&running, "watcher", &["$aws/things/+/defender/metrics/#"]).await;
    let report = json!({"header": {"report_id": 1_530_304_554, "version": "1.0"}, "metrics": {
        "listening_tcp_ports": {"ports": [{"interface": "eth0", "port": 22}, {"interface": "eth0", "port": 4444}], "total": 2},
        "listening_udp_ports": {"ports": [], "total": 0},
        "network_stats": {"bytes_in": 1, "bytes_out": 26_485, "packets_in": 1, "packets_out": 1},
        "tcp_connections": {"established_connections": {"connections": [
            {"local_interface": "eth0", "local_port": 80, "remote_addr": "192.168.0.1:8000"}], "total": 1}}},
        "custom_metrics": {"cpu_usage": [{"number": 12}]}});
    let (verb, said) = agent.report("json", report.to_string()).await;
    assert_eq!((verb.as_str(), &said["status"]), ("accepted", &json!("ACCEPTED")));
    assert_eq!((&said["thingName"], &said["reportId"]), (&json!("Thing03"), &json!(1_530_304_554)));
    assert!(said["timestamp"].as_i64().unwrap() > 1_500_000_000_000, "milliseconds");
    assert_eq!(bystander.hear().await.0, "$aws/things/Thing03/defender/metrics/json/accepted");
    assert_eq!(in_violation(&iot, |v| !v.is_empty()).await, ["Thing03:ports"]);

    tokio::time::sleep(Duration::from_millis(320)).await;
    let report = json!({"hed": {"rid": 1_530_304_555, "v": "1.0"},
        "met": {"tp": {"pts": [{"if": "eth0", "pt": 22}], "t": 1}, "up": {"pts": [], "t": 3}},
        "cmet": {"cpu_usage": [{"number": 99.5}]}});
    let (verb, said) = agent.report("cbor", cbor(&report)).await;
    assert_eq!((verb.as_str(), &said["reportId"]), ("accepted", &json!(1_530_304_555)));
    let expected = ["Thing03:cpu", "Thing03:udp"];
    assert_eq!(in_violation(&iot, |v| v == expected).await, expected, "the ports are normal again");

    let cpu: Vec<_> = values(&iot, "Thing03", "cpu_usage", 2).await.iter().map(|v| v.number()).collect();
    assert_eq!(cpu, [Some(12.0), Some(99.5)]);
    let ports = values(&iot, "Thing03", "aws:listening-tcp-ports", 2).await;
    assert_eq!(ports.iter().map(|v| v.ports().to_vec()).collect::<Vec<_>>(), [vec![22, 4444], vec![22]]);
    let kept = values(&iot, "Thing03", "aws:destination-ip-addresses", 1).await;
    assert_eq!(kept[0].cidrs(), ["192.168.0.1"]);
    assert_eq!(values(&iot, "Thing03", "aws:all-bytes-out", 1).await[0].count(), Some(26_485));
    running.shutdown().await;
}

#[tokio::test]
async fn a_report_is_rejected_with_the_reason() {
    let (running, _) = emulator_at(1.0).await;
    let mut agent = Mqtt::connect(&running, "Thing03", ANSWERS).await;
    let (verb, said) = agent.report("json", "{\"header\":").await;
    assert_eq!((verb.as_str(), &said["status"]), ("rejected", &json!("REJECTED")));
    assert_eq!(
        said["statusDetails"],
        json!({"ErrorCode": "InvalidPayload", "ErrorMessage": "Malformed metrics report"})
    );
    assert!(said.get("reportId").is_none());
    let (_, said) = agent.report("json", r#"{"header":{"report_id":7,"version":"1.0"}}"#).await;
    assert_eq!(
        (&said["reportId"], &said["statusDetails"]["ErrorCode"]),
        (&json!(7), &json!("InvalidPayload"))
    );
    for bad in [
        json!({"listening_tcp_ports": {"ports": [{"port": "ssh"}], "total": 1}}),
        json!({"listening_tcp_ports": {"ports": [{"port": 70_000}], "total": 1}}),
        json!({"network_stats": {"bytes_in": -1}}),
        json!({"network_stats": []}),
    ] {
        let report = json!({"header": {"report_id": 7, "version": "1.0"}, "metrics": bad});
        let (verb, said) = agent.report("cbor", cbor(&report)).await;
        assert_eq!(
            (verb.as_str(), &said["statusDetails"]["ErrorCode"]),
            ("rejected", &json!("InvalidPayload")),
            "{report}"
        );
    }
    let fine = |id: i64| {
        json!({"header": {"report_id": id, "version": "1.0"}, "metrics": {"network_stats": {"bytes_in": 1}}})
            .to_string()
    };
    assert_eq!(
        agent.report("json", fine(8)).await.0,
        "accepted",
        "a rejected report does not start the interval"
    );
    let (verb, said) = agent.report("json", fine(9)).await;
    assert_eq!((verb.as_str(), &said["reportId"]), ("rejected", &json!(9)));
    assert_eq!(said["statusDetails"]["ErrorCode"], "Throttled");
    running.shutdown().await;
}

#[tokio::test]
async fn the_simulated_thing03_reports_and_the_scenario_opens_a_port() {
    let scenario = tempfile::NamedTempFile::new().unwrap();
    let step = "[[step]]\nat = \"700s\"\nthing = \"Thing03\"\naction = \"listen\"\nport = 4444\n";
    std::fs::write(scenario.path(), step).unwrap();
    let (running, iot) = super::emulator_with(|options| {
        options.devices = Some(3);
        options.speed = 300.0;
        options.scenario = Some(scenario.path().to_owned());
    })
    .await;
    let ports = MetricValue::builder().ports(22).build();
    iot.create_security_profile()
        .security_profile_name("Ports")
        .behaviors(behavior("ports", "aws:listening-tcp-ports", ComparisonOperator::InPortSet, ports))
        .behaviors(behavior(
            "sent",
            "aws:num-listening-tcp-ports",
            ComparisonOperator::LessThanEquals,
            count(9),
        ))
        .additional_metrics_to_retain_v2(kept("aws:all-bytes-out"))
        .send()
        .await
        .unwrap();
    iot.attach_security_profile()
        .security_profile_name("Ports")
        .security_profile_target_arn(ALL)
        .send()
        .await
        .unwrap();
    assert!(values(&iot, "Thing03", "aws:all-bytes-out", 1).await[0].count().unwrap() > 1_000);
    let found = in_violation(&iot, |v| v.iter().any(|n| n == "Thing03:ports")).await;
    assert!(found.contains(&"Thing03:ports".to_owned()), "{found:?}");
    assert!(!found.iter().any(|n| n.starts_with("Thing01:")), "it has no agent: {found:?}");
    running.shutdown().await;
}
