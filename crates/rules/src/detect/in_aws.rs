//! A behaviour as a statement of AWS's own rules engine, which judges any number of devices without a connection. What a
//! statement cannot say is refused with the reason: a rule sees one message, remembers nothing, and knows no groups.

use ipnet::IpNet;

use super::judge::parse_net;
use super::metric::Metric;
use super::model::{Behavior, ComparisonOperator as Op, Criteria};

/// The dialect that a statement is written in.
pub const VERSION: crate::sql::Version = crate::sql::Version::V2016_03_23;

/// Where AWS says who connected (docs/aws-iot.md#3.5).
const CONNECTED: &str = "$aws/events/presence/connected/#";
/// Where agents report: below anything of the operator's own (docs/aws-iot.md#3.8).
const REPORT: &str = "/defender/metrics/json";
/// Bytes of a message: base64 has four letters for three bytes, and what fills up the last four says nothing.
const SIZE: &str = "floor(length(regexp_replace(encode(*, 'base64'), '=', '')) * 0.75)";
/// A statement is not longer: far below what CreateTopicRule takes, and no list of addresses for people any more.
const LONGEST: usize = 16 * 1024;

/// The topic filters whose messages a behaviour is judged on, where `topics` are those that devices speak on; none where it is
/// judged on agents' reports, and these topics carry none.
pub fn filters<'a>(behavior: &Behavior, topics: &[&'a str]) -> Vec<&'a str> {
    match behavior.metric.as_deref().and_then(Metric::parse) {
        Some(Metric::SourceIp) => vec![CONNECTED],
        Some(metric) if metric.is_reported() => {
            topics.iter().copied().filter(|filter| carries_reports(filter)).collect()
        }
        _ => topics.to_vec(),
    }
}

/// Whether a filter has a topic that ends as those of agents' reports do, below a thing's name and one more level.
fn carries_reports(filter: &str) -> bool {
    let levels: Vec<&str> = filter.split('/').collect();
    let ends = levels.iter().rev().zip(REPORT.split('/').rev().take(3));
    levels.last() == Some(&"#")
        || levels.len() >= 5 && ends.into_iter().all(|(level, end)| *level == "+" || *level == end)
}

/// The statement that selects what violates `behavior` of `profile` on the topics of `filter`: an object of `profile`,
/// `behavior`, `topic`, `client`, `at` (epoch milliseconds), and what was measured as `bytes`, `value` or `address`. `dimension`
/// are the filters of the dimension that the behaviour names. What is published on `raised`, where that is handed on to, is left
/// out.
///
/// # Errors
/// Why a rule cannot judge it, in words.
pub fn statement(
    profile: &str,
    behavior: &Behavior,
    dimension: Option<&[String]>,
    filter: &str,
    raised: &str,
) -> Result<String, String> {
    let name = behavior.metric.as_deref().unwrap_or_default();
    for (what, text) in
        [("profile", profile), ("behavior", &behavior.name), ("metric", name), ("filter", filter)]
    {
        quotable(what, text)?;
    }
    let metric = Metric::parse(name).ok_or_else(|| format!("{name} is no metric of Device Defender"))?;
    if metric.needs_window() {
        return Err(format!("{name} is counted over a window, and a rule remembers nothing"));
    }
    let criteria =
        behavior.criteria.as_ref().ok_or_else(|| "it has no criteria: it is exported only".to_owned())?;
    stateless(criteria)?;
    let client = if metric == Metric::SourceIp { "clientId" } else { "clientid()" };
    let (measured, mut conditions) = match &metric {
        Metric::MessageByteSize => {
            if criteria.duration_seconds.is_some() {
                return Err("durationSeconds does not go with the size of each message".to_owned());
            }
            (format!("{SIZE} AS bytes"), vec![order(SIZE, criteria)?])
        }
        Metric::SourceIp => ("ipAddress AS address".to_owned(), vec![addresses("ipAddress", criteria)?]),
        Metric::DisconnectDuration => {
            return Err(format!("{name} passes while no message comes, and a rule sees messages only"));
        }
        reported => {
            let value = in_report(reported)
                .ok_or_else(|| format!("{name} is a list in agents' reports, and SQL compares no lists"))?;
            let head = member("header", "hed", None);
            let written = member("version", "v", Some(&head));
            let conditions = vec![
                format!("endswith(topic(), '{REPORT}')"),
                format!("startswith({written}, '1.')"),
                order(&value, criteria)?,
            ];
            (format!("{value} AS value"), conditions)
        }
    };
    if let Some(dimension_of) = &behavior.metric_dimension {
        if metric != Metric::MessageByteSize {
            return Err(format!("which topics {name} is limited to is not in what a rule sees"));
        }
        let filters = dimension.ok_or_else(|| {
            format!("the topics of its dimension {} are not known", dimension_of.dimension_name)
        })?;
        let any = filters.iter().map(|filter| on_topic(filter)).collect::<Result<Vec<_>, _>>()?.join(" OR ");
        let not = if dimension_of.operator.as_deref() == Some("NOT_IN") { "NOT " } else { "" };
        conditions.push(format!("{not}({any})"));
    }
    if crate::topics::Dialect::Aws.matches(filter, raised) {
        conditions.push(format!("topic() <> '{raised}'"));
    }
    let sql = format!(
        "SELECT '{profile}' AS profile, '{}' AS behavior, topic() AS topic, {client} AS client, timestamp() AS at, {measured} \
         FROM '{filter}' WHERE {}",
        behavior.name,
        conditions.join(" AND ")
    );
    if sql.len() > LONGEST {
        return Err(format!("its statement would have {} characters", sql.len()));
    }
    Ok(sql)
}

fn quotable(what: &str, text: &str) -> Result<(), String> {
    if text.contains(['\'', '\\', '"']) || text.chars().any(char::is_control) {
        return Err(format!("its {what} has a quote, which a statement cannot hold"));
    }
    Ok(())
}

/// That criteria ask for one message only.
fn stateless(criteria: &Criteria) -> Result<(), String> {
    if criteria.ml_detection_config.is_some() {
        return Err("a learned model is AWS's own".to_owned());
    }
    if criteria.statistical_threshold.is_some() {
        return Err("a percentile is of the whole fleet, and a rule sees one message".to_owned());
    }
    if let Some(in_a_row @ 2..) = criteria.consecutive_datapoints_to_alarm {
        return Err(format!("{in_a_row} datapoints in a row are needed, and a rule sees one message"));
    }
    Ok(())
}

/// That a number is not normal.
fn order(value: &str, criteria: &Criteria) -> Result<String, String> {
    let expected = criteria.value.as_ref();
    let limit = expected.and_then(|value| value.count.map(|count| count as f64).or(value.number));
    let Some(limit) = limit.filter(|limit| limit.is_finite()) else {
        return Err("it has no value to compare with".to_owned());
    };
    // What is selected is what is not normal.
    let violates = match criteria.comparison_operator {
        Some(Op::LessThan) => ">=",
        Some(Op::LessThanEquals) => ">",
        Some(Op::GreaterThan) => "<=",
        Some(Op::GreaterThanEquals) => "<",
        _ => return Err("its operator compares no numbers".to_owned()),
    };
    Ok(format!("{value} {violates} {limit}"))
}

/// A member of a report under its long or its short name.
fn member(long: &str, short: &str, of: Option<&str>) -> String {
    match of {
        None => format!("get_or_default({long}, {short})"),
        Some(of) => format!("get_or_default(get({of}, '{long}'), get({of}, '{short}'))"),
    }
}

/// Where a metric that is one number stands in a report; none for a list.
fn in_report(metric: &Metric) -> Option<String> {
    let metrics = member("metrics", "met", None);
    let total =
        |long: &str, short: &str, of: &str| member("total", "t", Some(&member(long, short, Some(of))));
    match metric {
        Metric::ListeningTcpCount => Some(total("listening_tcp_ports", "tp", &metrics)),
        Metric::ListeningUdpCount => Some(total("listening_udp_ports", "up", &metrics)),
        Metric::EstablishedTcpCount => {
            let connections = member("tcp_connections", "tc", Some(&metrics));
            Some(total("established_connections", "ec", &connections))
        }
        Metric::Custom(name) => {
            let custom = member("custom_metrics", "cmet", None);
            Some(format!("get(get(get({custom}, '{name}'), 0), 'number')"))
        }
        _ => None,
    }
}

/// That an address is not normal: SQL knows no ranges, and a pattern can say those of IPv4.
fn addresses(value: &str, criteria: &Criteria) -> Result<String, String> {
    let ranges = criteria.value.as_ref().and_then(|value| value.cidrs.as_deref());
    let ranges = ranges.ok_or_else(|| "it has no value to compare with".to_owned())?;
    let patterns = ranges.iter().map(|range| match parse_net(range) {
        // Each by a pattern of its own: one for all would be long.
        Some(IpNet::V4(range)) => Ok(format!("regexp_matches({value}, '^{}$')", pattern(range))),
        Some(IpNet::V6(_)) => Err(format!("{range}: no pattern of SQL can say a range of IPv6")),
        None => Err(format!("{range} is no range of addresses")),
    });
    let patterns = patterns.collect::<Result<Vec<_>, _>>()?.join(" OR ");
    match criteria.comparison_operator {
        Some(Op::InCidrSet) if ranges.is_empty() => Err("its set is empty".to_owned()),
        Some(Op::InCidrSet) => Ok(format!("NOT ({patterns})")),
        Some(Op::NotInCidrSet) if !ranges.is_empty() => Ok(format!("({patterns})")),
        _ => Err("its operator compares no addresses".to_owned()),
    }
}

/// The addresses of a range, written with dots. A full stop in brackets is no other letter, and needs no backslash, which a
/// statement would read as its own.
fn pattern(range: ipnet::Ipv4Net) -> String {
    let octets = range.network().octets();
    let bits = usize::from(range.prefix_len());
    let mut parts: Vec<String> = octets.iter().take(bits / 8).map(u8::to_string).collect();
    if let (Some(first), left @ 1..) = (octets.get(bits / 8), bits % 8) {
        let last = first | (0xff >> left);
        let all: Vec<String> = (*first..=last).map(|octet| octet.to_string()).collect();
        parts.push(format!("({})", all.join("|")));
    }
    parts.resize(4, "[0-9]+".to_owned());
    parts.join("[.]")
}

/// That a message is on a topic of a filter. A level that is not there is compared as a slash, which no level is: what is
/// undefined would make the whole condition so.
fn on_topic(filter: &str) -> Result<String, String> {
    quotable("dimension", filter)?;
    let level = |at: usize| format!("get_or_default(topic({at}), '/')");
    let mut conditions = Vec::new();
    let levels: Vec<&str> = filter.split('/').collect();
    if matches!(levels.first(), Some(&"#" | &"+")) {
        conditions.push("NOT startswith(topic(), '$')".to_owned());
    }
    for (text, at) in levels.iter().zip(1..) {
        conditions.push(match *text {
            "+" | "#" => format!("{} <> '/'", level(at)),
            "${iot:ClientId}" => format!("{} = clientid()", level(at)),
            text if text.contains("${") => {
                return Err(format!("its dimension has {text}, of which a rule compares whole levels only"));
            }
            text => format!("{} = '{text}'", level(at)),
        });
    }
    if levels.last() != Some(&"#") {
        conditions.push(format!("{} = '/'", level(levels.len() + 1)));
    }
    Ok(format!("({})", conditions.join(" AND ")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::detect::judge::is_normal;
    use crate::detect::model::MetricValue;
    use crate::sql::{Message, Outcome, Statement};

    const RAISED: &str = "quell/guard/raised";

    fn behavior(criteria: Value) -> Behavior {
        let metric = "aws:message-byte-size";
        serde_json::from_value(json!({"name": "Large", "metric": metric, "criteria": criteria})).unwrap()
    }

    fn outcome(sql: &str, topic: &str, payload: &[u8]) -> Outcome {
        let message = Message {
            topic,
            payload,
            client_id: Some("gw-7"),
            principal: None,
            source_ip: None,
            now_ms: 1_700_000_000_000,
            account_id: "123456789012",
            trace_id: "t",
            shadow: None,
            registry: None,
            properties: None,
        };
        Statement::parse(sql, VERSION).unwrap().evaluate(&message)
    }

    proptest! {
        /// A rule raises on a message what the judge finds in it, and says its size.
        #[test]
        fn a_rule_raises_what_the_judge_finds(
            payload in proptest::collection::vec(any::<u8>(), 0..200),
            limit in 0i64..200,
            operator in 0usize..4,
        ) {
            let names = ["less-than", "less-than-equals", "greater-than", "greater-than-equals"];
            let behavior =
                behavior(json!({"comparisonOperator": names[operator], "value": {"count": limit}}));
            let sql = statement("P", &behavior, None, "dt/#", RAISED).unwrap();
            let criteria = behavior.criteria.as_ref().unwrap();
            let measured = MetricValue { count: Some(payload.len() as i64), ..MetricValue::default() };
            let expected = criteria.value.as_ref().unwrap();
            let normal = is_normal(&measured, criteria.comparison_operator.unwrap(), expected).unwrap();
            match outcome(&sql, "dt/gw/7", &payload) {
                Outcome::NotSelected => prop_assert!(normal, "{sql}"),
                Outcome::Selected(bytes) => {
                    prop_assert!(!normal, "{sql}");
                    let raised: Value = serde_json::from_slice(&bytes).unwrap();
                    prop_assert_eq!(raised, json!({"profile": "P", "behavior": "Large", "topic": "dt/gw/7",
                        "client": "gw-7", "at": 1_700_000_000_000_i64, "bytes": payload.len()}));
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }

    fn judged(behavior: &Behavior, measured: &MetricValue) -> Option<bool> {
        let criteria = behavior.criteria.as_ref().unwrap();
        is_normal(measured, criteria.comparison_operator.unwrap(), criteria.value.as_ref().unwrap())
    }

    proptest! {
        /// Where a device connects from, as the presence event says it.
        #[test]
        fn a_rule_raises_an_address_that_the_judge_finds(
            address in prop_oneof![
                any::<[u8; 4]>().prop_map(|octets| std::net::Ipv4Addr::from(octets).to_string()),
                (0u8..4, 0u8..=255).prop_map(|(third, last)| format!("10.16.{third}.{last}")),
                any::<[u16; 8]>().prop_map(|parts| std::net::Ipv6Addr::from(parts).to_string()),
            ],
            ranges in proptest::collection::vec((any::<[u8; 4]>(), 0u8..=32, any::<bool>()), 1..4),
            inside: bool,
        ) {
            let cidrs: Vec<String> = ranges
                .iter()
                .map(|(octets, bits, near)| {
                    let octets = if *near { [10, 16, octets[2] % 4, octets[3]] } else { *octets };
                    ipnet::Ipv4Net::new(octets.into(), *bits).unwrap().to_string()
                })
                .collect();
            let operator = if inside { "in-cidr-set" } else { "not-in-cidr-set" };
            let behavior: Behavior = serde_json::from_value(json!({"name": "Home", "metric": "aws:source-ip-address",
                "criteria": {"comparisonOperator": operator, "value": {"cidrs": cidrs}}})).unwrap();
            let [filter] = filters(&behavior, &["dt/#"]).try_into().unwrap();
            let sql = statement("P", &behavior, None, filter, RAISED).unwrap();
            let event = json!({"clientId": "gw-7", "eventType": "connected", "ipAddress": address, "timestamp": 1});
            let topic = "$aws/events/presence/connected/gw-7";
            let measured = MetricValue { cidrs: Some(vec![address.clone()]), ..MetricValue::default() };
            match outcome(&sql, topic, event.to_string().as_bytes()) {
                Outcome::NotSelected => prop_assert_eq!(judged(&behavior, &measured), Some(true), "{}", sql),
                Outcome::Selected(bytes) => {
                    prop_assert_eq!(judged(&behavior, &measured), Some(false), "{}", sql);
                    let raised: Value = serde_json::from_slice(&bytes).unwrap();
                    prop_assert_eq!((&raised["client"], &raised["address"]), (&json!("gw-7"), &json!(address)));
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }

        /// What an agent reports, with long and short names in any mixture.
        #[test]
        fn a_rule_raises_what_the_judge_finds_in_a_report(
            total in 0i64..6,
            number in -6i64..6,
            limit in 0i64..6,
            short in any::<[bool; 8]>(),
            metric in 0usize..4,
            operator in 0usize..4,
            there: bool,
        ) {
            use crate::detect::report::Report;
            let name = |at: usize, long: &'static str, brief: &'static str| if short[at] { brief } else { long };
            let totals = json!({name(0, "total", "t"): total});
            let mut metrics = json!({});
            if there {
                metrics[name(1, "listening_tcp_ports", "tp")] = totals.clone();
                metrics[name(2, "listening_udp_ports", "up")] = totals.clone();
                metrics[name(3, "tcp_connections", "tc")] =
                    json!({name(4, "established_connections", "ec"): totals});
            } else {
                metrics["x"] = json!(1);
            }
            let report = json!({
                name(5, "header", "hed"): {name(6, "report_id", "rid"): 7, name(7, "version", "v"): "1.0"},
                name(1, "metrics", "met"): metrics,
                name(2, "custom_metrics", "cmet"): {"cpu-load": [{"number": number}]},
            });
            let names = ["aws:num-listening-tcp-ports", "aws:num-listening-udp-ports",
                "aws:num-established-tcp-connections", "cpu-load"];
            let value = if metric == 3 { json!({"number": limit - 3}) } else { json!({"count": limit}) };
            let operators = ["less-than", "less-than-equals", "greater-than", "greater-than-equals"];
            let behavior: Behavior = serde_json::from_value(json!({"name": "B", "metric": names[metric],
                "criteria": {"comparisonOperator": operators[operator], "value": value}})).unwrap();
            let sql = statement("P", &behavior, None, "fleet/#", RAISED).unwrap();
            let parsed = Report::parse(&report).unwrap();
            let sample = parsed.samples.iter().find(|(m, _)| m.name() == names[metric]);
            let normal = sample.and_then(|(_, value)| judged(&behavior, value)).unwrap_or(true);
            let payload = report.to_string();
            let raised = outcome(&sql, "fleet/gw-7/defender/metrics/json", payload.as_bytes());
            prop_assert_eq!(matches!(raised, Outcome::Selected(_)), !normal, "{} {} {:?}", sql, payload, raised);
            prop_assert_eq!(outcome(&sql, "fleet/gw-7/data", payload.as_bytes()), Outcome::NotSelected);
        }

        /// A dimension's topics, against the ones that the judge goes by.
        #[test]
        fn a_rule_keeps_to_the_topics_of_a_dimension(
            filters in proptest::collection::vec("(\\+|[ab]|\\$\\{iot:ClientId\\})?(/(\\+|[ab]|\\$\\{iot:ClientId\\})?){0,3}(/#)?", 1..3),
            topic in "([ab]|gw-7)?(/([ab]|gw-7)?){0,4}",
            negated: bool,
        ) {
            let written = |f: &String| f.replace("${iot:ClientId}", "gw-7");
            prop_assume!(filters.iter().all(|f| crate::topics::Dialect::Aws.valid_filter(&written(f)).is_ok()));
            prop_assume!(crate::topics::Dialect::Aws.valid_topic(&topic).is_ok());
            let mut behavior = behavior(json!({"comparisonOperator": "less-than", "value": {"count": 1}}));
            behavior.metric_dimension = serde_json::from_value(json!({"dimensionName": "D",
                "operator": if negated { "NOT_IN" } else { "IN" }})).unwrap();
            let sql = statement("P", &behavior, Some(&filters), "#", RAISED).unwrap();
            let found = outcome(&sql, &topic, b"long");
            let topics = crate::detect::engine::Topics { name: "D".to_owned(), filters, negated };
            prop_assert_eq!(matches!(found, Outcome::Selected(_)), topics.counts("gw-7", &topic), "{} {:?}", sql, found);
        }
    }

    #[test]
    fn a_report_is_looked_for_where_one_can_be() {
        let of = |metric: &str| -> Behavior {
            serde_json::from_value(json!({"name": "B", "metric": metric})).unwrap()
        };
        let topics = ["dt/+", "t/#", "fleet/+/defender/metrics/json", "a/+/+/+/+", "a/b/c/metrics/json"];
        assert_eq!(filters(&of("cpu"), &topics), [topics[1], topics[2], topics[3]]);
        assert_eq!(filters(&of("aws:message-byte-size"), &topics), topics);
        assert_eq!(filters(&of("aws:source-ip-address"), &topics), [CONNECTED]);
    }

    #[test]
    fn what_is_raised_is_not_judged_again() {
        let behavior = behavior(json!({"comparisonOperator": "less-than", "value": {"count": 1}}));
        let all = statement("P", &behavior, None, "#", RAISED).unwrap();
        assert_eq!(outcome(&all, RAISED, b"long enough"), Outcome::NotSelected);
        assert!(matches!(outcome(&all, "dt/x", b"long enough"), Outcome::Selected(_)));
        assert!(!statement("P", &behavior, None, "dt/#", RAISED).unwrap().contains(RAISED));
    }

    #[test]
    fn what_a_rule_cannot_say_is_refused_with_the_reason() {
        let refused = |value: Value, reason: &str| {
            let behavior: Behavior = serde_json::from_value(value).unwrap();
            let why = statement("P", &behavior, None, "dt/#", RAISED).unwrap_err();
            assert!(why.contains(reason), "{why}");
        };
        let sized =
            |criteria: Value| json!({"name": "B", "metric": "aws:message-byte-size", "criteria": criteria});
        refused(json!({"name": "B", "metric": "aws:num-messages-sent"}), "over a window");
        let limit = json!({"comparisonOperator": "less-than", "value": {"count": 1}});
        let of = |metric: &str, criteria: Value| json!({"name": "B", "metric": metric, "criteria": criteria});
        refused(of("aws:listening-tcp-ports", limit.clone()), "compares no lists");
        refused(of("aws:disconnect-duration", limit.clone()), "while no message comes");
        refused(of("aws:all-bytes-out", limit.clone()), "over a window");
        let v6 = json!({"comparisonOperator": "in-cidr-set", "value": {"cidrs": ["fd00::/8"]}});
        refused(of("aws:source-ip-address", v6), "IPv6");
        let mut limited = of("aws:num-listening-tcp-ports", limit);
        limited["metricDimension"] = json!({"dimensionName": "D"});
        refused(limited, "limited to");
        refused(json!({"name": "B", "metric": "aws:message-byte-size"}), "no criteria");
        let limit = json!({"comparisonOperator": "less-than", "value": {"count": 1}});
        let with = |key: &str, value: Value| {
            let mut criteria = limit.clone();
            criteria[key] = value;
            sized(criteria)
        };
        refused(with("consecutiveDatapointsToAlarm", json!(2)), "2 datapoints in a row");
        refused(with("statisticalThreshold", json!({"statistic": "p99"})), "percentile");
        refused(with("mlDetectionConfig", json!({"confidenceLevel": "HIGH"})), "learned");
        let mut dimension = sized(limit.clone());
        dimension["metricDimension"] = json!({"dimensionName": "D"});
        refused(dimension.clone(), "dimension D are not known");
        let dimension: Behavior = serde_json::from_value(dimension).unwrap();
        let within = ["dt/a${iot:ClientId}/x".to_owned()];
        let why = statement("P", &dimension, Some(&within), "dt/#", RAISED).unwrap_err();
        assert!(why.contains("whole levels only"), "{why}");
        let plain: Behavior = serde_json::from_value(sized(limit)).unwrap();
        assert!(statement("P", &plain, None, "it's/#", RAISED).unwrap_err().contains("quote"));
    }
}
