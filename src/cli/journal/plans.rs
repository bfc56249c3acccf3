//! The journal's lines folded into one object for each plan: who, what, how it ended, and how long it took.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::config::Verb;

/// The plans as far as the journal was read.
#[derive(Default)]
pub(super) struct Fold {
    plans: Vec<Map<String, Value>>,
    numbers: HashMap<String, usize>,
}

impl Fold {
    /// Takes the next entry in.
    pub(super) fn add(&mut self, entry: &Value) {
        let id = entry.get("plan").and_then(Value::as_str).unwrap_or_default();
        match entry.get("kind").and_then(Value::as_str) {
            Some(kind @ ("intent" | "refused")) => {
                self.numbers.insert(id.to_owned(), self.plans.len());
                self.plans.push(begun(entry, id, kind == "refused"));
            }
            Some("outcome") => {
                if let Some(plan) = self.numbers.get(id).and_then(|n| self.plans.get_mut(*n)) {
                    ended(plan, entry);
                }
            }
            Some("sweep") => {
                if let Some(plan) = self.numbers.get(id).and_then(|n| self.plans.get_mut(*n)) {
                    plan.insert("leftBehind".into(), entry.get("targets").cloned().unwrap_or_default());
                }
            }
            _ => {}
        }
    }

    /// One object for each plan that was begun or refused, oldest first. `timeToContainMs` is from the confirmation to the
    /// last sign of life of a device whose containment was proven.
    pub(super) fn done(self) -> impl Iterator<Item = Value> {
        self.plans.into_iter().map(Value::Object)
    }
}

fn begun(entry: &Value, id: &str, refused: bool) -> Map<String, Value> {
    let mut plan = Map::new();
    plan.insert("id".into(), id.into());
    for key in ["at", "what", "targets", "who", "reason"] {
        if let Some(value) = entry.get(key) {
            plan.insert(key.into(), value.clone());
        }
    }
    for key in ["undoes", "finishes"] {
        if let Some(value) = entry.get(key).filter(|v| !v.is_null()) {
            plan.insert(key.into(), value.clone());
        }
    }
    plan.insert("outcome".into(), if refused { "refused".into() } else { Value::Null });
    plan
}

fn ended(plan: &mut Map<String, Value>, entry: &Value) {
    plan.insert("outcome".into(), entry.get("outcome").cloned().unwrap_or_default());
    plan.insert("tookMs".into(), entry.get("took_ms").cloned().unwrap_or_default());
    if let Some(stopped) = entry.get("stopped").filter(|v| !v.is_null()) {
        plan.insert("stopped".into(), stopped.clone());
    }
    let verb = plan.get("what").and_then(Value::as_str).and_then(Verb::parse);
    let contains = verb.is_some_and(|verb| verb.words().contains);
    let targets = entry.get("targets").and_then(Value::as_array).into_iter().flatten();
    let results: Vec<Value> = targets
        .map(|t| {
            let get = |key: &str| t.get(key).cloned().unwrap_or_default();
            let mut result = json!({
                "target": get("target"), "result": get("result"), "why": get("why"),
            });
            if let (true, Some("proven"), Value::Object(map)) =
                (contains, t.get("result").and_then(Value::as_str), &mut result)
            {
                map.insert("timeToContainMs".into(), get("took_ms"));
            }
            result
        })
        .collect();
    plan.insert("results".into(), results.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_one_object_with_its_time_to_contain() {
        let entries = [
            json!({"kind": "intent", "plan": "a", "what": "isolate", "targets": ["T"], "at": "x", "undoes": null}),
            json!({"kind": "request", "plan": "a"}),
            json!({"kind": "refused", "plan": "b", "what": "revoke", "reason": "read-only"}),
            json!({"kind": "outcome", "plan": "a", "outcome": "proven", "took_ms": 9,
                   "targets": [{"target": "T", "result": "proven", "took_ms": 4}]}),
        ];
        let mut fold = Fold::default();
        entries.iter().for_each(|entry| fold.add(entry));
        let plans: Vec<Value> = fold.done().collect();
        assert_eq!(plans.len(), 2);
        assert_eq!(plans[0]["results"][0]["timeToContainMs"], 4);
        assert_eq!((&plans[0]["outcome"], &plans[1]["outcome"]), (&json!("proven"), &json!("refused")));
        assert!(plans[0].get("undoes").is_none());
    }
}
