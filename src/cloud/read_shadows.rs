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
use super::{index, read, read_left};

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
    let began = super::now_ms();
    let found = match indexed(aws).await {
        Some(found) => found,
        None => one_by_one(aws, tell).await?,
    };
    Ok(ShadowsReading { began, ..found })
}

/// By the fleet index; `None` where it does not know shadows, or may not be asked.
async fn indexed(aws: &Aws) -> Option<ShadowsReading> {
    let things = index::configuration(aws).await.ok()??;
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
            } else {
                reading.searched.push(SafeText::new(shadow));
            }
        }
        reading.reach.more |= names.len() > NAMES;
    } else {
        reading.reach.unnamed = Some("the fleet index does not know named shadows".into());
    }
    Some(reading)
}

/// The shadows that a query finds, into `into`, as far as there is room for them.
async fn search(aws: &Aws, query: &str, shadow: Option<&str>, into: &mut ShadowsReading) -> Read<()> {
    let most = MOST.saturating_sub(into.found.len());
    let found = &mut into.found;
    into.reach.more |= index::search(aws, query, most, &mut |name, thing| {
        let document = thing.shadow().and_then(|text| serde_json::from_str::<Value>(text).ok());
        let document = document.and_then(|all| match shadow {
            None => Some(all),
            Some(name) => all.get("name").and_then(|names| names.get(name)).cloned(),
        });
        if let Some(document) = document {
            let (thing, shadow) = (Name::new(name), shadow.map(SafeText::new));
            found.push(ShadowRecord { thing, shadow, document: of_index(document) });
        }
    })
    .await?;
    Ok(())
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
        let found = join_all(some.iter().map(|thing| named_of(aws, thing))).await;
        for (thing, found) in some.iter().zip(found) {
            match found {
                Ok((found, more)) => {
                    reading.found.extend(found);
                    reading.reach.more |= more;
                    if !more {
                        reading.looked.push(thing.clone());
                    }
                }
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
    if reading.reach.unnamed.is_some() {
        // The classic ones were read.
        reading.looked = things;
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

/// The named shadows of a thing, and whether there are more than were read.
async fn named_of(aws: &Aws, thing: &Name) -> Result<(Vec<ShadowRecord>, bool), Trouble> {
    let names = read_left::named_shadows(aws, thing.raw()).await?;
    let mut found = Vec::new();
    for shadow in names.iter().take(NAMES) {
        found.extend(of_thing(aws, thing, Some(shadow.raw())).await?);
    }
    Ok((found, names.len() > NAMES))
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
