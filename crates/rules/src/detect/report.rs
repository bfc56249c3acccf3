//! A report of a Device Defender agent, version 1: with long or short member names (docs/aws-iot.md#3.8).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::metric::Metric;
use super::model::MetricValue;

/// What a report says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Its number: each of a device's is larger than the one before.
    pub id: i64,
    /// Counted metrics with their amounts since the last report.
    pub counts: Vec<(Metric, i64)>,
    /// Metrics that are judged as they come.
    pub samples: Vec<(Metric, MetricValue)>,
}

impl Report {
    /// Reads a report; `None` when it is malformed.
    pub fn parse(document: &Value) -> Option<Self> {
        let id = report_id(document)?;
        get(get(document, "header", "hed")?, "version", "v")?.as_str().filter(|v| v.starts_with("1."))?;
        let metrics = get(document, "metrics", "met");
        let custom = get(document, "custom_metrics", "cmet");
        let blocks = |v: Option<&Value>| v.and_then(Value::as_object).map_or(0, Map::len);
        if blocks(metrics) + blocks(custom) == 0 {
            return None;
        }
        let mut report = Self { id, counts: Vec::new(), samples: Vec::new() };
        if let Some(metrics) = metrics {
            built_in(metrics, &mut report)?;
        }
        for (name, values) in custom.and_then(Value::as_object).into_iter().flatten() {
            let [value] = values.as_array()?.as_slice() else { return None };
            report.samples.push((Metric::Custom(name.clone()), custom_value(value)?));
        }
        Some(report)
    }
}

/// A member under its long or its short name.
fn get<'a>(value: &'a Value, long: &str, short: &str) -> Option<&'a Value> {
    value.get(long).or_else(|| value.get(short))
}

/// The number of a report that may be malformed otherwise.
pub fn report_id(document: &Value) -> Option<i64> {
    get(get(document, "header", "hed")?, "report_id", "rid")?.as_i64()
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
    use serde_json::json;

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
        let report = Report::parse(&long).unwrap();
        assert_eq!(Some(&report), Report::parse(&short).as_ref());
        assert_eq!(report.counts[1], (Metric::BytesOut, 2));
        assert!(
            report.samples.iter().any(|(m, v)| *m == Metric::DestinationIps
                && v.cidrs.as_deref() == Some(&["192.168.0.1".to_owned()]))
        );
    }

    #[test]
    fn a_report_needs_a_header_and_a_block() {
        assert_eq!(Report::parse(&json!({"header": {"report_id": 1, "version": "1.0"}})), None);
        assert_eq!(Report::parse(&json!({"metrics": {"network_stats": {"bytes_in": 1}}})), None);
        assert_eq!(
            Report::parse(
                &json!({"header": {"report_id": 1, "version": "1.0"}, "metrics": {"network_stats": {"bytes_in": -1}}})
            ),
            None
        );
        assert_eq!(address("[fd00::1]:80"), "fd00::1");
        assert_eq!(address("fd00::1"), "fd00::1");
        assert_eq!(address("2001:db8::7:8883"), "2001:db8::7");
        assert_eq!(address("192.0.2.1"), "192.0.2.1");
    }
}
