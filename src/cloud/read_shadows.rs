//! Shadows whose desired state is not reported. Where the fleet index knows shadows it is asked for those alone; else the
//! shadows of the first things are read one by one, the classic ones first (docs/aws-iot.md#2.7, #3.8).

use aws_sdk_iot::types as sdk;
use futures_util::future::join_all;
use serde_json::Value;

use quell_fleet::known::Trouble;
use quell_fleet::model::{Name, ShadowDocument, ShadowRecord, ShadowsReach, ShadowsReading, delta};
use quell_fleet::text::SafeText;

use super::Aws;
use super::call::{Read, failed, one};
use super::index::INDEX;
use super::read;

/// Things of a page of SearchIndex, by its model.
const PAGE: i32 = 100;
/// Things of the index that are read: more are not answered one by one, and that there are more is said.
const MOST: usize = 500;
/// Named shadows that an index is asked for; AWS indexes ten by default.
const NAMES: usize = 10;
/// Things whose shadows are read one by one: a few seconds at the rate polls may ask at.
const THINGS: i32 = 100;
/// Reads under way at once; the budget says how many a second.
const AT_ONCE: usize = 4;

/// Reads what is outstanding; `tell` gets what is known before the end.
pub(super) async fn outstanding(aws: &Aws, tell: impl Fn(ShadowsReading)) -> Read<ShadowsReading> {
    if let Some(found) = indexed(aws).await {
        return Ok(found);
    }
    one_by_one(aws, tell).await
}

/// By the fleet index; `None` where it does not know shadows, or may not be asked.
async fn indexed(aws: &Aws) -> Option<ShadowsReading> {
    const CONFIGURATION: &str = "iot:GetIndexingConfiguration";
    let call = aws.iot.get_indexing_configuration();
    let configuration = failed(CONFIGURATION, one!(aws, call, CONFIGURATION, false)).ok()?;
    let things = configuration.thing_indexing_configuration()?;
    if things.thing_indexing_mode() != &sdk::ThingIndexingMode::RegistryAndShadow {
        return None;
    }
    let mut reading = ShadowsReading { done: true, ..ShadowsReading::default() };
    reading.reach.indexed = true;
    search(aws, "shadow.hasDelta:true", None, &mut reading).await.ok()?;
    let named = things.named_shadow_indexing_mode() == Some(&sdk::NamedShadowIndexingMode::On);
    let names = things.filter().map(|filter| filter.named_shadow_names().to_vec()).unwrap_or_default();
    if named {
        for shadow in names.iter().take(NAMES) {
            // A name may hold what a query means otherwise.
            let plain = shadow.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$'));
            let query = format!("shadow.name.{shadow}.hasDelta:true");
            if !plain || search(aws, &query, Some(shadow), &mut reading).await.is_err() {
                reading.reach.more = true;
            }
        }
        reading.reach.more |= names.len() > NAMES;
    } else {
        reading.reach.unnamed = Some("the fleet index does not know named shadows".into());
    }
    Some(reading)
}

/// SearchIndex, page by page.
async fn search(aws: &Aws, query: &str, shadow: Option<&str>, into: &mut ShadowsReading) -> Read<()> {
    const ACTION: &str = "iot:SearchIndex";
    let mut token: Option<String> = None;
    loop {
        let call = aws
            .iot
            .search_index()
            .index_name(INDEX)
            .query_string(query)
            .max_results(PAGE)
            .set_next_token(token.clone());
        let page = failed(ACTION, one!(aws, call, ACTION, true))?;
        for found in page.things() {
            let document = found.shadow().and_then(|text| serde_json::from_str::<Value>(text).ok());
            let document = document.and_then(|all| match shadow {
                None => Some(all),
                Some(name) => all.get("name").and_then(|names| names.get(name)).cloned(),
            });
            if let (Some(thing), Some(document)) = (found.thing_name(), document) {
                into.found.push(ShadowRecord {
                    thing: Name::new(thing),
                    shadow: shadow.map(SafeText::new),
                    document: of_index(document),
                });
            }
        }
        match page.next_token().filter(|next| !next.is_empty() && token.as_deref() != Some(next)) {
            None => return Ok(()),
            Some(_) if into.found.len() >= MOST => {
                into.reach.more = true;
                return Ok(());
            }
            Some(next) => token = Some(next.to_owned()),
        }
    }
}

/// A shadow as the index has it: its state without a frame round it. The delta is worked out where it is not told.
fn of_index(mut document: Value) -> ShadowDocument {
    let mut take = |key: &str| document.get_mut(key).map(Value::take).unwrap_or_default();
    let (desired, reported, told, metadata) =
        (take("desired"), take("reported"), take("delta"), take("metadata"));
    let delta = if told.is_null() { delta(&desired, &reported) } else { told };
    let version = document.get("version").and_then(Value::as_i64).unwrap_or_default();
    ShadowDocument { reported, desired, delta, version, metadata }
}

async fn one_by_one(aws: &Aws, tell: impl Fn(ShadowsReading)) -> Read<ShadowsReading> {
    const LIST: &str = "iot:ListThings";
    let call = aws.iot.list_things().max_results(THINGS);
    let page = failed(LIST, one!(aws, call, LIST, false))?;
    let things: Vec<Name> =
        page.things().iter().filter_map(|thing| thing.thing_name()).map(Name::new).collect();
    let more = page.next_token().is_some_and(|next| !next.is_empty());
    let reach = ShadowsReach { things: things.len(), more, ..ShadowsReach::default() };
    let mut reading = ShadowsReading { reach, ..ShadowsReading::default() };
    for some in things.chunks(AT_ONCE) {
        for found in join_all(some.iter().map(|thing| of_thing(aws, thing, None))).await {
            reading.found.extend(found?);
        }
    }
    tell(reading.clone());
    for some in things.chunks(AT_ONCE) {
        for found in join_all(some.iter().map(|thing| named_of(aws, thing))).await {
            match found {
                Ok(found) => reading.found.extend(found),
                // Without named shadows the classic ones are still worth telling.
                Err(trouble) => {
                    reading.reach.unnamed = Some(match &trouble.missing_action {
                        Some(action) => SafeText::new(&format!("missing permission: {action}")),
                        None => trouble.message,
                    });
                }
            }
        }
        if reading.reach.unnamed.is_some() {
            break;
        }
    }
    reading.done = true;
    Ok(reading)
}

async fn of_thing(aws: &Aws, thing: &Name, shadow: Option<&str>) -> Read<Option<ShadowRecord>> {
    let document = read::shadow(aws, thing.raw(), shadow).await?;
    let record =
        |document| ShadowRecord { thing: thing.clone(), shadow: shadow.map(SafeText::new), document };
    Ok(document.map(record))
}

/// The named shadows of a thing (ListNamedShadowsForThing).
async fn named_of(aws: &Aws, thing: &Name) -> Result<Vec<ShadowRecord>, Trouble> {
    const ACTION: &str = "iot:ListNamedShadowsForThing";
    let call = aws.data.list_named_shadows_for_thing().thing_name(thing.raw());
    let page = failed(ACTION, one!(aws, call, ACTION, false))?;
    let mut found = Vec::new();
    for shadow in page.results().iter().take(NAMES) {
        found.extend(of_thing(aws, thing, Some(shadow)).await?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_shadow_of_the_index_has_a_delta_also_where_none_is_told() {
        let document = of_index(json!({"desired": {"a": 1, "b": 2}, "reported": {"a": 1}, "version": 7}));
        assert_eq!((document.delta, document.version), (json!({"b": 2}), 7));
        let document = of_index(json!({"desired": {"a": 1}, "delta": {"a": 1}, "hasDelta": true}));
        assert_eq!(document.delta, json!({"a": 1}));
    }
}
