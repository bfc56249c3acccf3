//! Accounts too large to list: AWS's fleet index is asked how many things there are, how they fare, and which of them
//! matter (docs/aws-iot.md#2.7). It is asked only above a configured size, and only where it is on: to turn it on costs money, and
//! is not ours to do.

use std::collections::BTreeMap;

use aws_sdk_iot::types as sdk;
use serde_json::Value;

use crate::config::Settings;
use quell_fleet::Ms;
use quell_fleet::index::{IndexReading, IndexedThing};
use quell_fleet::known::{Trouble, TroubleKind};
use quell_fleet::model::{Name, ThingRecord, Violation};
use quell_fleet::text::SafeText;
use quell_rules::detect::model::{Behavior, MetricValue};

use super::Aws;
use super::call::{Read, failed, one};

/// The index of things.
const INDEX: &str = "AWS_Things";
/// Things of a page of SearchIndex, by its model.
const PAGE: i32 = 100;
/// Things of one search: more cannot be looked at one by one anyhow, and that there are more is said.
const MOST: usize = 5_000;
/// Things of a search somebody typed, and of the beginning of the list that is shown when nothing was: more than anyone
/// reads, and still few calls.
const FEW: usize = 200;
/// Groups whose sizes are read.
const GROUPS: i32 = 20;
/// Reasons of disconnects that are told apart; AWS has fifteen.
const REASONS: i32 = 20;
/// AWS: terms of a query (docs/aws-iot.md#2.7). A pair of quarantine groups is the usual number.
const TERMS: usize = 12;

/// What the configuration says about it.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    /// Above this many things; never when 0.
    above: u64,
    /// The quarantine groups.
    groups: Vec<String>,
    /// It was asked before, and there were too many things to list.
    used: bool,
}

impl Wish {
    pub(super) fn of(settings: &Settings, used: bool) -> Self {
        Self {
            above: settings.index_above,
            groups: settings.quarantine_groups().map(str::to_owned).collect(),
            used,
        }
    }

    /// Are so many things too many to list?
    pub(super) fn is_many(&self, things: usize) -> bool {
        self.above > 0 && things as u64 > self.above
    }
}

/// What asking the index came to.
pub(super) enum Found {
    /// There are too many things to list, and this is what the index says of them.
    Many(Box<IndexReading>),
    /// There are few enough to list.
    Few,
    /// It cannot be asked, and why: they are listed however many there are.
    Unusable(SafeText),
}

/// Asks the index, if that is wished and there are enough things.
///
/// # Errors
/// It did not answer this time, and there are too many things to list instead: what is known of them stays, and it is asked
/// again.
pub(super) async fn things(aws: &Aws, wish: &Wish) -> Read<Found> {
    if wish.above == 0 {
        return Ok(Found::Few);
    }
    let mut are_many = wish.used;
    let mut trouble = match many(aws, wish, &mut are_many).await {
        Ok(found) => return Ok(found),
        Err(trouble) => trouble,
    };
    let for_good = matches!(trouble.kind, TroubleKind::Denied | TroubleKind::Refused);
    // Refused credentials list nothing either.
    if are_many && !for_good || trouble.kind == TroubleKind::Credentials {
        let text = format!("fleet indexing: {}", trouble.message);
        trouble.message = SafeText::limited(text.as_bytes(), 400);
        return Err(trouble);
    }
    let what = match (&trouble.missing_action, trouble.kind) {
        (Some(action), _) => format!("missing permission: {action}"),
        (None, TroubleKind::Throttled) => "throttled".to_owned(),
        (None, _) => trouble.message.to_string(),
    };
    Ok(Found::Unusable(SafeText::limited(format!("fleet indexing: {what}").as_bytes(), 200)))
}

/// GetIndexingConfiguration: what is indexed of things; `None` where the answer does not say.
pub(super) async fn configuration(aws: &Aws) -> Read<Option<sdk::ThingIndexingConfiguration>> {
    const ACTION: &str = "iot:GetIndexingConfiguration";
    let call = aws.iot.get_indexing_configuration();
    Ok(failed(ACTION, one!(aws, call, ACTION, false))?.thing_indexing_configuration)
}

/// `are_many` becomes true when the index says so.
async fn many(aws: &Aws, wish: &Wish, are_many: &mut bool) -> Read<Found> {
    let Some(things) = configuration(aws).await? else {
        return Ok(Found::Unusable("fleet indexing: how it is configured is not known".into()));
    };
    if things.thing_indexing_mode() == &sdk::ThingIndexingMode::Off {
        return Ok(Found::Unusable("fleet indexing is off".into()));
    }
    let total = count(aws, "thingName:*").await?;
    if total <= wish.above {
        return Ok(Found::Few);
    }
    *are_many = true;
    let mut reading = IndexReading { total, ..IndexReading::default() };
    let mut found = BTreeMap::new();
    if things.device_defender_indexing_mode() == Some(&sdk::DeviceDefenderIndexingMode::Violations) {
        let query = "deviceDefender.violationCount>0";
        reading.in_alarm = Some(count(aws, query).await?);
        reading.cut |= collect(aws, query, MOST, &mut found).await?;
    }
    let groups: Vec<String> = wish.groups.iter().take(TERMS).map(|group| quoted(group)).collect();
    if !groups.is_empty() {
        let query = groups.join(" OR ");
        reading.cut |= collect(aws, &query, MOST, &mut found).await?;
    }
    if things.thing_connectivity_indexing_mode() == Some(&sdk::ThingConnectivityIndexingMode::Status) {
        let states = buckets(aws, "thingName:*", "connectivity.connected", 2).await?;
        let of = |state: &str| states.iter().find(|(key, _)| key == state).map_or(0, |(_, count)| *count);
        (reading.connected, reading.disconnected) = (Some(of("true")), Some(of("false")));
        let reasons =
            buckets(aws, "connectivity.connected:false", "connectivity.disconnectReason", REASONS).await?;
        reading.reasons =
            reasons.into_iter().map(|(reason, count)| (SafeText::new(&reason), count)).collect();
    }
    let groups = buckets(aws, "thingName:*", "registry.thingGroupNames", GROUPS).await?;
    reading.groups = groups.into_iter().map(|(group, count)| (Name::new(&group), count)).collect();
    // A table is not left empty because nothing is wrong.
    collect(aws, "thingName:*", FEW, &mut found).await?;
    reading.things = found.into_values().collect();
    Ok(Found::Many(Box::new(reading)))
}

/// The first few things that match a query.
pub(super) async fn find(aws: &Aws, query: &str) -> Read<Vec<IndexedThing>> {
    let mut found = BTreeMap::new();
    collect(aws, query, FEW, &mut found).await?;
    Ok(found.into_values().collect())
}

/// The first things as the index has them.
///
/// # Errors
/// It is off, or may not be asked.
pub(crate) async fn first_things(aws: &Aws) -> Read<Vec<IndexedThing>> {
    find(aws, "thingName:*").await
}

/// `thingGroupNames:"NAME"`. AWS allows letters, digits, `:`, `_` and `-` in the name of a group: nothing ends the quotes.
fn quoted(group: &str) -> String {
    format!("thingGroupNames:\"{}\"", group.replace(['"', '\\'], ""))
}

/// GetStatistics: how many things a query fits.
async fn count(aws: &Aws, query: &str) -> Read<u64> {
    const ACTION: &str = "iot:GetStatistics";
    let call = aws.iot.get_statistics().index_name(INDEX).query_string(query);
    let found = failed(ACTION, one!(aws, call, ACTION, true))?;
    let statistics = found.statistics().ok_or_else(|| nothing(ACTION))?;
    Ok(u64::try_from(statistics.count()).unwrap_or(0))
}

/// An answer without what was asked for is no zero.
fn nothing(action: &str) -> Trouble {
    Trouble {
        kind: TroubleKind::Failed,
        message: SafeText::new(&format!("{action}: an answer without a number")),
        missing_action: None,
        since: super::now_ms(),
    }
}

/// GetBucketsAggregation: the values of a field and how many things have each, the commonest first.
async fn buckets(aws: &Aws, query: &str, field: &str, most: i32) -> Read<Vec<(String, u64)>> {
    const ACTION: &str = "iot:GetBucketsAggregation";
    let terms = sdk::TermsAggregation::builder().max_buckets(most).build();
    let kind = sdk::BucketsAggregationType::builder().terms_aggregation(terms).build();
    let call = aws
        .iot
        .get_buckets_aggregation()
        .index_name(INDEX)
        .query_string(query)
        .aggregation_field(field)
        .buckets_aggregation_type(kind);
    let found = failed(ACTION, one!(aws, call, ACTION, true))?;
    let bucket = |b: &sdk::Bucket| Some((b.key_value()?.to_owned(), u64::try_from(b.count()).unwrap_or(0)));
    let buckets = found.buckets.as_ref().ok_or_else(|| nothing(ACTION))?;
    Ok(buckets.iter().filter_map(bucket).collect())
}

/// The things that match a query, into `found`; true when there are more than `most`.
async fn collect(
    aws: &Aws,
    query: &str,
    most: usize,
    found: &mut BTreeMap<String, IndexedThing>,
) -> Read<bool> {
    search(aws, query, most, &mut |name, document| {
        found.entry(name.to_owned()).or_insert_with(|| thing(name, document));
    })
    .await
}

/// SearchIndex, page by page, each thing by its name to `each`, until `most` are read; true when there is more.
pub(super) async fn search(
    aws: &Aws,
    query: &str,
    most: usize,
    each: &mut (dyn FnMut(&str, &sdk::ThingDocument) + Send),
) -> Read<bool> {
    const ACTION: &str = "iot:SearchIndex";
    let mut token: Option<String> = None;
    let mut read = 0;
    loop {
        let call = aws
            .iot
            .search_index()
            .index_name(INDEX)
            .query_string(query)
            .max_results(PAGE)
            .set_next_token(token.clone());
        let page = failed(ACTION, one!(aws, call, ACTION, true))?;
        for document in page.things() {
            let Some(name) = document.thing_name() else { continue };
            read += 1;
            each(name, document);
        }
        match page.next_token().filter(|next| !next.is_empty() && token.as_deref() != Some(next)) {
            None => return Ok(false),
            Some(_) if read >= most => return Ok(true),
            Some(next) => token = Some(next.to_owned()),
        }
    }
}

fn thing(name: &str, document: &sdk::ThingDocument) -> IndexedThing {
    let record =
        ThingRecord { name: Name::new(name), thing_type: document.thing_type_name().map(SafeText::new) };
    let connection = document.connectivity().and_then(|c| {
        let reason = c.disconnect_reason().filter(|reason| *reason != "NONE").map(SafeText::new);
        // A thing that never connected has no time: whether it is connected is not known.
        Some((c.connected()?, c.timestamp().filter(|at| *at > 0)?, reason))
    });
    let defender = document.device_defender().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let violations = defender.map(|value| violations(&record.name, &value)).unwrap_or_default();
    let groups = document.thing_group_names().iter().map(|group| Name::new(group)).collect();
    IndexedThing { record, groups, connection, violations }
}

/// `{"violationCount": n, PROFILE: {BEHAVIOR: {"inViolation": true, "lastViolationValue": …, "lastViolationTime": …}}}`.
fn violations(name: &Name, defender: &Value) -> Vec<Violation> {
    let mut out = Vec::new();
    for (profile, behaviors) in defender.as_object().into_iter().flatten() {
        for (behavior, state) in behaviors.as_object().into_iter().flatten() {
            if state.get("inViolation").and_then(Value::as_bool) == Some(false) {
                continue;
            }
            let at = state.get("lastViolationTime").map_or(0, time);
            let value = state.get("lastViolationValue").cloned();
            out.push(Violation {
                // The index does not tell AWS's id; this one is as lasting as the violation.
                id: format!("{}/{profile}/{behavior}", name.raw()),
                thing: name.clone(),
                profile: SafeText::new(profile),
                behavior: Behavior {
                    name: behavior.clone(),
                    metric: None,
                    metric_dimension: None,
                    criteria: None,
                    suppress_alerts: None,
                    export_metric: None,
                },
                value: value.and_then(|value| serde_json::from_value::<MetricValue>(value).ok()),
                verification: None,
                note: None,
                started: at,
                last: at,
            });
        }
    }
    out
}

/// Milliseconds, from those or from seconds: AWS does not document which.
fn time(value: &Value) -> Ms {
    let number = value.as_f64().unwrap_or(0.0);
    (if number < 1e11 { number * 1000.0 } else { number }) as Ms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_of_the_index_is_a_thing_with_its_violations() {
        let document = sdk::ThingDocument::builder()
            .thing_name("pump")
            .thing_group_names("Quarantine")
            .device_defender(
                r#"{"violationCount":1,"p":{"calm":{"inViolation":false},
                    "big":{"inViolation":true,"lastViolationValue":{"count":7},"lastViolationTime":1700000000}}}"#,
            )
            .connectivity(sdk::ThingConnectivity::builder().connected(false).timestamp(0).build())
            .build();
        let found = thing("pump", &document);
        assert_eq!(found.connection, None, "never connected is not disconnected");
        assert_eq!(found.groups, [Name::new("Quarantine")]);
        let [violation] = found.violations.as_slice() else { panic!("{:?}", found.violations) };
        assert_eq!((violation.behavior.name.as_str(), violation.last), ("big", 1_700_000_000_000));
        assert_eq!(violation.value.as_ref().and_then(|v| v.count), Some(7));
        assert_eq!(quoted("a\"b"), "thingGroupNames:\"ab\"");
    }
}
