//! Device-side metrics: the reports of Defender agents, in JSON or CBOR, with long or short member names (docs/aws-iot.md#3.8).

use std::collections::HashMap;

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::live::feed;
use crate::account::Account;
use quell_rules::detect::report::{Report, report_id};

/// Seconds between two reports of a thing, at least.
const INTERVAL_SECS: u64 = 300;

/// When each thing reported last, epoch milliseconds, and its last report id.
#[derive(Default)]
pub(super) struct Reports(Mutex<HashMap<String, (i64, i64)>>);

/// A device published a report to `$aws/things/{thing}/defender/metrics/{rest}` (`json` or `cbor`).
/// Whoever subscribed hears the answer: it is the proof that an agent reports (docs/aws-iot.md#3.4).
pub fn on_report(account: &Account, thing: &str, rest: &str, payload: &Bytes) {
    let document = match rest {
        "json" => serde_json::from_slice::<Value>(payload).ok(),
        "cbor" => ciborium::from_reader::<Value, _>(payload.as_ref()).ok(),
        _ => return,
    };
    let now = account.clock.now_ms();
    let report = document.as_ref().and_then(Report::parse);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutated_reports_are_survived() {
        use crate::mutate::{self, Rng, SEED};
        let (mut rng, texts) = (Rng::with_seed(SEED), mutate::texts("corpus/reports"));
        let cbor = texts.iter().map(|text| {
            let value: Value = serde_json::from_str(text).unwrap();
            assert!(Report::parse(&value).is_some(), "{text}");
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
                read += usize::from(Report::parse(&document).is_some());
            }
        }
        assert!(read > 100, "too few of the mutations are reports still: {read}");
    }
}
