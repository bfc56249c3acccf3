//! Device-side metrics: the reports of Defender agents, in JSON or CBOR, with long or short member names (docs/aws-iot.md#3.8).

use std::collections::HashMap;

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::live::feed;
use crate::account::Account;
use quell_rules::detect::metric::Metric;
use quell_rules::detect::model::MetricValue;

/// Seconds between two reports of a thing, at least.
const INTERVAL_SECS: u64 = 300;

/// When each thing reported last, epoch milliseconds, and its last report id.
#[derive(Default)]
pub(super) struct Reports(Mutex<HashMap<String, (i64, i64)>>);

/// What a report says, or why it is rejected.
#[derive(Debug, PartialEq)]
struct Report {
    id: i64,
    /// Counted metrics with their amounts since the last report.
    counts: Vec<(Metric, i64)>,
    /// Metrics that are judged as they come.
    samples: Vec<(Metric, MetricValue)>,
}

/// A device published a report to `$aws/things/{thing}/defender/metrics/{rest}` (`json` or `cbor`).
/// Whoever subscribed hears the answer: it is the proof that an agent reports (docs/aws-iot.md#3.4).
pub fn on_report(account: &Account, thing: &str, rest: &str, payload: &Bytes) {
    let document = match rest {
        "json" => serde_json::from_slice::<Value>(payload).ok(),
        "cbor" => ciborium::from_reader::<Value, _>(payload.as_ref()).ok(),
        _ => return,
    };
    let now = account.clock.now_ms();
    let report = document.as_ref().and_then(parse);
    let mut answer = Map::new();
    answer.insert("thingName".into(), thing.into());
    let id = report.as_ref().map(|r| r.id).or_else(|| report_id(document.as_ref()?));
    if let Some(id) = id {
        answer.insert("reportId".into(), id.into());
    }
    let refusal = match &report {
        None => Some(("InvalidPayload", "Malformed metrics report")),
        Some(report) => {
            let state = account.read();
            let mut reports = state.detect.reports.0.lock();
            // A tenth of tolerance: an agent's timer and the network are not exact.
            let earliest = account.clock.scaled_secs_ms(INTERVAL_SECS) * 9 / 10;
            match reports.get(thing) {
                Some((at, _)) if now - at < earliest => {
                    Some(("Throttled", "Reports must be at least 300 seconds apart"))
                }
                Some((_, last)) if report.id <= *last => {
                    Some(("InvalidPayload", "report_id must increase with every report"))
                }
                _ => {
                    reports.insert(thing.to_owned(), (now, report.id));
                    None
                }
            }
        }
    };
    if let (None, Some(report)) = (refusal, &report) {
        for (metric, amount) in &report.counts {
            feed(account, thing, |e, now| e.count(thing, metric, "", *amount, now));
        }
        for (metric, value) in &report.samples {
            feed(account, thing, |e, now| e.sample(thing, metric, value, now));
        }
    }
    let verb = if refusal.is_none() { "accepted" } else { "rejected" };
    answer.insert("status".into(), verb.to_uppercase().into());
    if let Some((code, message)) = refusal {
        answer.insert("statusDetails".into(), json!({"ErrorCode": code, "ErrorMessage": message}));
    }
    answer.insert("timestamp".into(), now.into());
    let topic = format!("$aws/things/{thing}/defender/metrics/{rest}/{verb}");
    let answer = Value::Object(answer);
    let mut bytes = Vec::new();
    if rest == "json" || ciborium::into_writer(&answer, &mut bytes).is_err() {
        bytes = answer.to_string().into_bytes();
    }
    account.broker().publish(&topic, bytes.into());
}

/// A member under its long or its short name.
fn get<'a>(value: &'a Value, long: &str, short: &str) -> Option<&'a Value> {
    value.get(long).or_else(|| value.get(short))
}

fn report_id(document: &Value) -> Option<i64> {
    get(get(document, "header", "hed")?, "report_id", "rid")?.as_i64()
}

/// Reads a report; `None` when it is malformed.
fn parse(document: &Value) -> Option<Report> {
    let id = report_id(document)?;
    get(get(document, "header", "hed")?, "version", "v")?.as_str().filter(|v| v.starts_with("1."))?;
    let metrics = get(document, "metrics", "met");
    let custom = get(document, "custom_metrics", "cmet");
    let blocks = |v: Option<&Value>| v.and_then(Value::as_object).map_or(0, Map::len);
    if blocks(metrics) + blocks(custom) == 0 {
        return None;
    }
    let mut report = Report { id, counts: Vec::new(), samples: Vec::new() };
    if let Some(metrics) = metrics {
        built_in(metrics, &mut report)?;
    }
    for (name, values) in custom.and_then(Value::as_object).into_iter().flatten() {
        let [value] = values.as_array()?.as_slice() else { return None };
        report.samples.push((Metric::Custom(name.clone()), custom_value(value)?));
    }
    Some(report)
}

/// Each element once, in the order of its first place: many connections may lead to one address.
fn distinct<T: Clone + Eq + std::hash::Hash>(list: Vec<T>) -> Vec<T> {
    list.into_iter().collect::<indexmap::IndexSet<T>>().into_iter().collect()
}

/// A member that is an object when it is there.
fn block<'a>(value: &'a Value, long: &str, short: &str) -> Option<Option<&'a Value>> {
    match get(value, long, short) {
        Some(block) if !block.is_object() => None,
        block => Some(block),
    }
}

fn count(total: &Value) -> Option<MetricValue> {
    let count = total.as_i64().filter(|n| *n >= 0)?;
    Some(MetricValue { count: Some(count), ..MetricValue::default() })
}

fn built_in(metrics: &Value, report: &mut Report) -> Option<()> {
    if let Some(net) = block(metrics, "network_stats", "ns")? {
        for (long, short, metric) in [
            ("bytes_in", "bi", Metric::BytesIn),
            ("bytes_out", "bo", Metric::BytesOut),
            ("packets_in", "pi", Metric::PacketsIn),
            ("packets_out", "po", Metric::PacketsOut),
        ] {
            if let Some(amount) = get(net, long, short) {
                report.counts.push((metric, amount.as_i64().filter(|n| *n >= 0)?));
            }
        }
    }
    for (long, short, ports, how_many) in [
        ("listening_tcp_ports", "tp", Metric::ListeningTcpPorts, Metric::ListeningTcpCount),
        ("listening_udp_ports", "up", Metric::ListeningUdpPorts, Metric::ListeningUdpCount),
    ] {
        let Some(block) = block(metrics, long, short)? else { continue };
        if let Some(list) = get(block, "ports", "pts") {
            let port = |p: &Value| get(p, "port", "pt")?.as_i64().filter(|n| (0..=65_535).contains(n));
            let list: Option<Vec<i64>> = list.as_array()?.iter().map(port).collect();
            report
                .samples
                .push((ports, MetricValue { ports: Some(distinct(list?)), ..MetricValue::default() }));
        }
        if let Some(total) = get(block, "total", "t") {
            report.samples.push((how_many, count(total)?));
        }
    }
    if let Some(connections) = block(metrics, "tcp_connections", "tc")?
        && let Some(block) = block(connections, "established_connections", "ec")?
    {
        if let Some(list) = get(block, "connections", "cs") {
            let list: Option<Vec<String>> = list
                .as_array()?
                .iter()
                .map(|c| get(c, "remote_addr", "rad").and_then(Value::as_str).map(address))
                .collect();
            report.samples.push((
                Metric::DestinationIps,
                MetricValue { cidrs: Some(distinct(list?)), ..MetricValue::default() },
            ));
        }
        if let Some(total) = get(block, "total", "t") {
            report.samples.push((Metric::EstablishedTcpCount, count(total)?));
        }
    }
    Some(())
}

/// The address of `ip:port`, `[ip]:port` or `ip`. AWS's agent writes `ip:port` for IPv6 too: what stands before the last
/// colon is the address, if it is one.
fn address(text: &str) -> String {
    let bare = |host: &str| host.trim_matches(['[', ']']).to_owned();
    match text.rsplit_once(':') {
        Some((host, _)) if bare(host).parse::<std::net::IpAddr>().is_ok() => bare(host),
        _ => bare(text),
    }
}

fn custom_value(value: &Value) -> Option<MetricValue> {
    let strings = |v: &Value| -> Option<Vec<String>> {
        v.as_array()?.iter().map(|s| s.as_str().map(str::to_owned)).collect()
    };
    let mut out = MetricValue::default();
    if let Some(number) = value.get("number") {
        out.number = Some(number.as_f64()?);
    } else if let Some(list) = value.get("number_list") {
        out.numbers = Some(list.as_array()?.iter().map(Value::as_f64).collect::<Option<_>>()?);
    } else if let Some(list) = value.get("string_list") {
        out.strings = Some(strings(list)?);
    } else {
        out.cidrs = Some(strings(value.get("ip_list")?)?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_short_names_may_be_mixed_and_say_the_same() {
        let long = json!({"header": {"report_id": 7, "version": "1.0"}, "metrics": {
            "listening_tcp_ports": {"ports": [{"interface": "eth0", "port": 24800}], "total": 1},
            "network_stats": {"bytes_in": 1, "bytes_out": 2, "packets_in": 3, "packets_out": 4},
            "tcp_connections": {"established_connections": {"connections": [{"remote_addr": "192.168.0.1:8000"}], "total": 1}}},
            "custom_metrics": {"cpu_usage": [{"number": 12}]}});
        let short = json!({"hed": {"rid": 7, "v": "1.0"}, "met": {
            "tp": {"pts": [{"interface": "eth0", "port": 24800}], "t": 1},
            "ns": {"bi": 1, "bo": 2, "pi": 3, "po": 4},
            "tc": {"ec": {"cs": [{"rad": "192.168.0.1:8000"}], "t": 1}}},
            "cmet": {"cpu_usage": [{"number": 12}]}});
        let report = parse(&long).unwrap();
        assert_eq!(Some(&report), parse(&short).as_ref());
        assert_eq!(report.counts[1], (Metric::BytesOut, 2));
        assert!(
            report.samples.iter().any(|(m, v)| *m == Metric::DestinationIps
                && v.cidrs.as_deref() == Some(&["192.168.0.1".to_owned()]))
        );
    }

    #[test]
    fn a_report_needs_a_header_and_a_block() {
        assert_eq!(parse(&json!({"header": {"report_id": 1, "version": "1.0"}})), None);
        assert_eq!(parse(&json!({"metrics": {"network_stats": {"bytes_in": 1}}})), None);
        assert_eq!(
            parse(
                &json!({"header": {"report_id": 1, "version": "1.0"}, "metrics": {"network_stats": {"bytes_in": -1}}})
            ),
            None
        );
        assert_eq!(address("[fd00::1]:80"), "fd00::1");
        assert_eq!(address("fd00::1"), "fd00::1");
        assert_eq!(address("2001:db8::7:8883"), "2001:db8::7");
        assert_eq!(address("192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn mutated_reports_are_survived() {
        use crate::mutate::{self, Rng, SEED};
        let (mut rng, texts) = (Rng::with_seed(SEED), mutate::texts("corpus/reports"));
        let cbor = texts.iter().map(|text| {
            let value: Value = serde_json::from_str(text).unwrap();
            assert!(parse(&value).is_some(), "{text}");
            let mut bytes = Vec::new();
            ciborium::into_writer(&value, &mut bytes).unwrap();
            (String::new(), bytes)
        });
        let cbor: Vec<(String, Vec<u8>)> = cbor.collect();
        let pieces = &["\"total\":", "\"remote_addr\":", "\"number\":", "[[[[[[", "\"cmet\":{"];
        let mut read = 0;
        for _ in 0..5_000 {
            let json = serde_json::from_str::<Value>(&mutate::mutated(&texts, pieces, &mut rng)).ok();
            let other = ciborium::from_reader::<Value, _>(mutate::scrambled(&cbor, &mut rng).as_slice()).ok();
            for document in [json, other].into_iter().flatten() {
                let _ = report_id(&document);
                read += usize::from(parse(&document).is_some());
            }
        }
        assert!(read > 100, "too few of the mutations are reports still: {read}");
    }
}
