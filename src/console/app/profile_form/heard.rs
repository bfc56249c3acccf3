//! What a behaviour that is being written would have done on what this console heard: whom it would have alarmed, and whom
//! it would call normal (docs/aws-iot.md#6.14).

use std::collections::BTreeMap;

use crate::response::{Level, Note};
use quell_fleet::text::SafeText;
use quell_rules::detect::model::Behavior;
use quell_rules::detect::whatif::{self, Held};

use super::super::super::words;
use super::super::Env;

/// Names said of many.
const NAMED: usize = 4;

/// What it would have done, in sentences. Costs milliseconds on a large fleet: asked when something changed, not for a frame.
pub(super) fn judged(behavior: &Behavior, held: &Held, env: &Env<'_>) -> Vec<Note> {
    let note = |level, text: String| Note { level, about: None, text: SafeText::new(&text) };
    let result = match whatif::judge(held, behavior) {
        Ok(result) => result,
        Err(why) => return vec![note(Level::Info, format!("not judged on what was heard: {why}"))],
    };
    if result.judged == 0 {
        let minutes = behavior.criteria.as_ref().and_then(|c| c.duration_seconds).unwrap_or(300) / 60;
        let text = format!("no whole window of {minutes} min was heard yet: nothing to judge it on");
        return vec![note(Level::Info, text)];
    }
    let span = words::age(result.span_ms);
    if result.alarmed == 0 {
        let devices = words::plural(result.judged, "device", "devices");
        return vec![note(Level::Info, format!("on the {span} heard, none of {devices} would have alarmed"))];
    }
    let mut rows: Vec<u32> = result.steps.iter().filter(|s| s.raised).map(|s| s.device).collect();
    rows.sort_unstable();
    rows.dedup();
    let mut named: Vec<&str> = rows.iter().take(NAMED).filter_map(|row| name(env, *row)).collect();
    named.sort_unstable();
    let more = rows.len().saturating_sub(named.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let most = result.alarmed * 2 > result.judged && result.judged > 1;
    let mut out = Vec::new();
    // Who would be in alarm now: a rogue was healthy once, too.
    let mut last: BTreeMap<u32, bool> = BTreeMap::new();
    for step in &result.steps {
        last.insert(step.device, step.raised);
    }
    let others = last.values().any(|raised| *raised);
    let calm = |row: &u32| last.get(row) != Some(&true);
    if let Some(loudest) = loudest(held, behavior).filter(|row| others && calm(row))
        && let Some(name) = name(env, loudest)
    {
        let text = format!("the WRONG device would alarm: {name}, which sends most, would count as normal");
        out.push(note(Level::Danger, text));
    }
    let text = format!(
        "on the {span} heard, {} of {} would have alarmed: {}{more}",
        result.alarmed,
        words::plural(result.judged, "device", "devices"),
        named.join(", ")
    );
    out.push(note(if most { Level::Danger } else { Level::Info }, text));
    out
}

fn name<'f>(env: &Env<'f>, row: u32) -> Option<&'f str> {
    let row = usize::try_from(row).ok()?;
    env.fleet.devices().nth(row).map(|(_, device)| device.name().shown().as_str())
}

/// The device that sends most of what the behaviour measures, if it sends at least twice what the next one does.
fn loudest(held: &Held, behavior: &Behavior) -> Option<u32> {
    let statistical = behavior.criteria.as_ref().is_some_and(|c| c.statistical_threshold.is_some());
    let mut most = vec![0_u64; held.devices];
    match (behavior.metric.as_deref()?, statistical) {
        ("aws:message-byte-size", false) => {
            for single in &held.messages {
                if let Some(known) = most.get_mut(single.device as usize) {
                    *known = (*known).max(single.len.into());
                }
            }
        }
        (metric @ ("aws:message-byte-size" | "aws:num-messages-sent"), _) => {
            let amounts = if metric == "aws:message-byte-size" { &held.sums } else { &held.counts };
            for (row, known) in most.iter_mut().enumerate() {
                let of_row = amounts.get(row * held.windows..(row + 1) * held.windows)?;
                *known = of_row.iter().map(|n| u64::from(*n)).sum();
            }
        }
        _ => return None,
    }
    let (row, top) = most.iter().enumerate().max_by_key(|(_, n)| **n)?;
    let next = most.iter().enumerate().filter(|(i, _)| *i != row).map(|(_, n)| *n).max().unwrap_or(0);
    (*top > 0 && *top >= next.saturating_mul(2)).then(|| u32::try_from(row).ok()).flatten()
}

/// What was heard of all devices.
pub(super) fn held(env: &Env<'_>) -> (Held, usize) {
    let held = env.fleet.held(None, env.now);
    let heard = env.fleet.devices().filter(|(_, d)| !d.is_unattributed() && d.received() > 0).count();
    (held, heard)
}
