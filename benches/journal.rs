//! How long it takes to find what a journal left open, and how much memory, as the journal grows.
//!
//! Not timed by criterion: each size is read a few times and the best is told. `cargo bench --bench journal` prints a table.

#![expect(clippy::print_stdout, reason = "the figures are the result")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot set up must stop")]

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use quell::response::recover;
use serde_json::json;

/// Entries of the journals read.
const SIZES: [usize; 3] = [4_000, 20_000, 100_000];
/// Entries of a plan: its intent, three requests, its outcome.
const OF_A_PLAN: usize = 5;

fn main() {
    println!("{:>9}  {:>8}  {:>9}  {:>12}", "entries", "MB", "open in", "peak RSS");
    for entries in SIZES {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let bytes = written(&path, entries);
        let best = (0..3).map(|_| read(&path)).min().unwrap();
        println!(
            "{entries:>9}  {:>8.1}  {:>6} ms  {:>9} kB",
            bytes as f64 / 1e6,
            best.as_millis(),
            peak_kb().map_or_else(|| "?".to_owned(), |kb| kb.to_string())
        );
    }
}

fn read(path: &Path) -> Duration {
    let began = Instant::now();
    let open = recover::left_open(path, None).unwrap();
    let took = began.elapsed();
    assert_eq!(open.len(), 1, "the last plan was cut short");
    took
}

/// Writes a journal as responses leave one, without waiting for the disk at each line; its chain is not what is measured.
fn written(path: &Path, entries: usize) -> usize {
    let mut text = String::new();
    let mut line = |entry: serde_json::Value| writeln!(text, "{entry}").unwrap();
    for plan in 0..entries / OF_A_PLAN {
        let (id, thing) = (format!("1a2b3c4d5e6-{plan:08x}"), format!("Thing{:05}", plan % 500));
        let at = format!("2026-11-{:02}T{:02}:{:02}:00.000Z", 1 + plan % 28, plan % 24, plan % 60);
        let who = json!({"arn": "arn:aws:iam::123456789012:user/operator", "user": "ana", "host": "jump", "process": 1,
            "process_started": 1});
        let requests = json!([{"AddToGroup": {"thing": thing, "group": "IsolatedDevices"}},
            {"Flag": {"thing": thing, "to": true, "was": null}}, {"Cut": {"client": thing}}]);
        let work = json!([{"name": thing, "client": thing, "mapped": true, "requests": requests,
            "proof": {"Isolated": {"group": "IsolatedDevices", "ask": null, "silence": 30000}}}]);
        let prev = "0".repeat(64);
        line(json!({"seq": plan * OF_A_PLAN, "at": at, "kind": "intent", "plan": id, "what": "isolate",
            "title": format!("Isolate {thing}"), "targets": [thing], "who": who, "region": "us-east-1", "work": work,
            "undoes": null, "finishes": null, "prev": prev}));
        for n in 0..3 {
            line(
                json!({"seq": plan * OF_A_PLAN + n + 1, "at": at, "kind": "request", "plan": id, "target": thing,
                "operation": "iot:AddThingToThingGroup", "resource": format!("thing/{thing} thinggroup/IsolatedDevices"),
                "of": 0, "n": n, "accepted": true, "certain": true, "request_id": "b41dcc3e-4a7d-4c8e-9b7a-0f4f3d5c2a11",
                "said": null, "ms": 41, "prev": prev}),
            );
        }
        if (plan + 1) * OF_A_PLAN < entries {
            let steps: Vec<_> = (0..5)
                .map(|n| json!({"proof": "a step of it", "state": "done", "after_ms": n, "detail": ""}))
                .collect();
            line(
                json!({"seq": plan * OF_A_PLAN + 4, "at": at, "kind": "outcome", "plan": id, "outcome": "proven",
                "took_ms": 4806, "targets": [{"target": thing, "result": "proven", "took_ms": 4400, "why": null,
                "steps": steps}], "prev": prev}),
            );
        }
    }
    std::fs::write(path, &text).unwrap();
    text.len()
}

/// The most memory this process has held (Linux).
fn peak_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?.trim().trim_end_matches(" kB").parse().ok()
}
