//! How a simulated device carries out a job: it says how far it is, then that it succeeded.

use serde_json::{Value, json};

/// Reports of progress a job takes.
const STEPS: u32 = 10;

/// The job a device is busy with.
#[derive(Debug, PartialEq)]
pub(super) struct Work {
    job: String,
    done: u32,
}

impl Work {
    /// The job of a `start-next/accepted` answer; `None` when there is none to do.
    pub(super) fn from_answer(payload: &[u8]) -> Option<Self> {
        let answer: Value = serde_json::from_slice(payload).ok()?;
        let job = answer.get("execution")?.get("jobId")?.as_str()?.to_owned();
        Some(Self { job, done: 0 })
    }

    /// The next update: the topic's part after `jobs/` and its payload. True when it is the last.
    pub(super) fn step(&mut self) -> (String, Value, bool) {
        self.done += 1;
        let last = self.done >= STEPS;
        let (status, percent) =
            if last { ("SUCCEEDED", 100) } else { ("IN_PROGRESS", self.done * 100 / STEPS) };
        let update = json!({"status": status, "statusDetails": {"progress": format!("{percent}%")}});
        (format!("{}/update", self.job), update, last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_progresses_and_succeeds_once() {
        let mut work =
            Work::from_answer(br#"{"execution":{"jobId":"Update-temp-firmware","jobDocument":{}}}"#).unwrap();
        let steps: Vec<_> = (0..STEPS).map(|_| work.step()).collect();
        assert!(steps.iter().all(|(topic, ..)| topic == "Update-temp-firmware/update"));
        assert_eq!(steps[0].1, json!({"status": "IN_PROGRESS", "statusDetails": {"progress": "10%"}}));
        assert_eq!(steps.iter().filter(|s| s.2).count(), 1);
        assert_eq!(steps[9].1["status"], "SUCCEEDED");
        assert_eq!(Work::from_answer(br#"{"timestamp":1}"#), None);
    }
}
