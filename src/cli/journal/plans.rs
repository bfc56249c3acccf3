//! The journal's lines folded into one object for each plan: who, what, how it ended, and how long it took.

use serde_json::{Map, Value, json};

/// One object for each plan that was begun or refused, oldest first. `timeToContainMs` is from the confirmation to the last
/// sign of life of a device whose containment was proven.
pub(super) fn of(entries: &[Value]) -> Vec<Value> {
    let mut plans: Vec<Map<String, Value>> = Vec::new();
    for entry in entries {
        let text = |key: &str| entry.get(key).and_then(Value::as_str);
        let id = text("plan").unwrap_or_default();
        match text("kind") {
            Some("intent" | "refused") => {
                let mut plan = Map::new();
                plan.insert("id".into(), id.into());
                for (name, key) in [
                    ("at", "at"),
                    ("what", "what"),
                    ("targets", "targets"),
                    ("who", "who"),
                    ("reason", "reason"),
                ] {
                    if let Some(value) = entry.get(key) {
                        plan.insert(name.into(), value.clone());
                    }
                }
                for key in ["undoes", "finishes"] {
                    if let Some(value) = entry.get(key).filter(|v| !v.is_null()) {
                        plan.insert(key.into(), value.clone());
                    }
                }
                let refused = text("kind") == Some("refused");
                plan.insert("outcome".into(), if refused { "refused".into() } else { Value::Null });
                plans.push(plan);
            }
            Some("outcome") => {
                let Some(plan) =
                    plans.iter_mut().rev().find(|p| p.get("id").and_then(Value::as_str) == Some(id))
                else {
                    continue;
                };
                plan.insert("outcome".into(), text("outcome").into());
                plan.insert("tookMs".into(), entry.get("took_ms").cloned().unwrap_or_default());
                let contains = ["isolate", "deactivate", "revoke"]
                    .contains(&plan.get("what").and_then(Value::as_str).unwrap_or_default());
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
            _ => {}
        }
    }
    plans.into_iter().map(Value::Object).collect()
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
        let plans = of(&entries);
        assert_eq!(plans.len(), 2);
        assert_eq!(plans[0]["results"][0]["timeToContainMs"], 4);
        assert_eq!((&plans[0]["outcome"], &plans[1]["outcome"]), (&json!("proven"), &json!("refused")));
        assert!(plans[0].get("undoes").is_none());
    }
}
