//! Faults on order: what a client must live with, made to happen (`--fault`, or a step of the scenario).
//!
//! A fault names operations and says what becomes of their requests: `ListThings=throttle`, `Describe*=error:503@50%`,
//! `*=latency:2s`, `GetThingShadow=drop`, `detect=refuse`. Signatures are checked before, so a fault never hides a wrong key.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;

use super::api::{ApiError, Service, routes};
use super::scenario::duration;

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `ThrottlingException`.
    Throttle,
    /// 500 `InternalFailureException` or 503 `ServiceUnavailableException`.
    Error(u16),
    /// Runs, but only after that long. Real time, whatever the clock's speed.
    Latency(Duration),
    /// The connection ends without an answer; the operation is not run.
    Drop,
    /// 403 `AccessDeniedException`: for Detect, what an account sees that never had it.
    Refuse,
}

/// Which operations: a name with `*` for any run of letters, or `detect`.
#[derive(Clone, Debug, PartialEq)]
enum Selector {
    Named(String),
    Detect,
}

/// One fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    selector: Selector,
    kind: Kind,
    /// Of a hundred requests.
    percent: u64,
}

impl Selector {
    fn covers(&self, op: &str) -> bool {
        match self {
            Self::Named(pattern) => matches(pattern.as_bytes(), op.as_bytes()),
            Self::Detect => is_detect(op),
        }
    }
}

/// One of the operations AWS closed to new customers (docs/aws-iot.md#0): all of Detect but ListMetricValues.
fn is_detect(op: &str) -> bool {
    op.contains("DetectMitigationActions")
        || (op != "ListMetricValues" && routes::detect().iter().any(|route| route.op == op))
}

fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|n| matches(rest, &text[n..])),
        Some((letter, rest)) => text.split_first().is_some_and(|(l, t)| l == letter && matches(rest, t)),
    }
}

impl std::str::FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = "must look like OPERATION=KIND, KIND being throttle, error[:500|503], latency:TIME, drop or refuse, \
                     with @N% for some requests only";
        let (selector, rest) = text.split_once('=').ok_or(shape)?;
        let (kind, percent) = match rest.rsplit_once('@') {
            None => (rest, 100),
            Some((kind, share)) => {
                let share = share.strip_suffix('%').and_then(|n| n.parse().ok());
                (kind, share.filter(|n| (1..=100).contains(n)).ok_or("the share must be 1% to 100%")?)
            }
        };
        let selector = match selector.trim() {
            "detect" => Selector::Detect,
            name => Selector::Named(name.to_owned()),
        };
        if !routes::names().any(|op| selector.covers(op)) {
            return Err(format!(
                "no operation is called \"{}\"; see --operations",
                text.split('=').next().unwrap_or_default()
            ));
        }
        let kind = match kind.trim().split_once(':').unwrap_or((kind.trim(), "")) {
            ("throttle", "") => Kind::Throttle,
            ("error", "" | "500") => Kind::Error(500),
            ("error", "503") => Kind::Error(503),
            ("latency", time) => {
                Kind::Latency(duration(time).ok_or("latency needs a time: latency:500ms, latency:2s")?)
            }
            ("drop", "") => Kind::Drop,
            ("refuse", "") => Kind::Refuse,
            _ => return Err(shape.to_owned()),
        };
        Ok(Self { selector, kind, percent })
    }
}

/// The faults in force.
#[derive(Default)]
pub struct Faults(RwLock<Vec<(Fault, AtomicU64)>>);

/// What the faults in force do to one request.
#[derive(Debug, Default, PartialEq)]
pub struct Verdict {
    /// It waits that long first.
    pub delay: Duration,
    /// It is not run.
    pub end: Option<End>,
}

/// How a request ends that is not run.
#[derive(Debug, PartialEq)]
pub enum End {
    /// With this answer.
    Answer(ApiError),
    /// With no answer at all.
    Drop,
}

impl Faults {
    /// One more fault.
    pub fn add(&self, fault: Fault) {
        self.0.write().push((fault, AtomicU64::new(0)));
    }

    /// No faults any more.
    pub fn clear(&self) {
        self.0.write().clear();
    }

    /// What becomes of a request for `op` now. Delays add up; the first fault that ends the request does.
    pub fn judge(&self, service: Service, op: &str) -> Verdict {
        let mut verdict = Verdict::default();
        for (fault, seen) in self.0.read().iter().filter(|(f, _)| f.selector.covers(op)) {
            let n = seen.fetch_add(1, Ordering::Relaxed);
            // Spread evenly and the same in every run: the n-th request is hit when its share completes a whole.
            if (n + 1) * fault.percent / 100 == n * fault.percent / 100 {
                continue;
            }
            let end = match &fault.kind {
                Kind::Latency(time) => {
                    verdict.delay += *time;
                    continue;
                }
                Kind::Drop => End::Drop,
                kind => End::Answer(answer(service, op, kind)),
            };
            verdict.end.get_or_insert(end);
        }
        verdict
    }
}

fn answer(service: Service, op: &str, kind: &Kind) -> ApiError {
    match kind {
        Kind::Throttle => throttled(service),
        Kind::Error(503) => {
            ApiError::new(503, "ServiceUnavailableException", "The service is temporarily unavailable.")
        }
        Kind::Refuse if is_detect(op) => ApiError::new(
            403,
            "AccessDeniedException",
            "AWS IoT Device Defender Detect is not available to new customers.",
        ),
        Kind::Refuse => ApiError::new(
            403,
            "AccessDeniedException",
            format!(
                "User is not authorized to perform: {op} because no identity-based policy allows the action"
            ),
        ),
        _ => ApiError::internal("An internal failure occurred."),
    }
}

/// The service's own form of "too fast" (docs/aws-iot.md#2.1).
pub fn throttled(service: Service) -> ApiError {
    let status = if matches!(service, Service::IotData | Service::JobsData) { 429 } else { 400 };
    ApiError::new(status, "ThrottlingException", "Rate exceeded")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(texts: &[&str]) -> Faults {
        let faults = Faults::default();
        texts.iter().for_each(|text| faults.add(text.parse().unwrap()));
        faults
    }

    fn status(faults: &Faults, op: &str) -> Option<u16> {
        match faults.judge(Service::Iot, op).end {
            Some(End::Answer(error)) => Some(error.status),
            Some(End::Drop) => Some(0),
            None => None,
        }
    }

    #[test]
    fn each_kind_does_its_part_to_the_operations_it_names() {
        let faults =
            faults(&["List*=throttle", "DescribeThing=error:503", "GetThingShadow=drop", "detect=refuse"]);
        assert_eq!(status(&faults, "ListThings"), Some(400));
        assert_eq!(status(&faults, "DescribeThing"), Some(503));
        assert_eq!(status(&faults, "DescribeThingGroup"), None);
        assert_eq!(status(&faults, "GetThingShadow"), Some(0));
        assert_eq!(status(&faults, "CreateSecurityProfile"), Some(403));
        assert_eq!(status(&faults, "UpdateThingShadow"), None);
        assert_eq!(throttled(Service::IotData).status, 429);
        faults.clear();
        assert_eq!(status(&faults, "ListThings"), None);
    }

    #[test]
    fn detect_refused_leaves_list_metric_values() {
        let faults = faults(&["detect=refuse"]);
        assert_eq!(status(&faults, "ListActiveViolations"), Some(403));
        assert_eq!(status(&faults, "ListMetricValues"), None);
    }

    #[test]
    fn a_share_hits_evenly_and_delays_add_up() {
        let faults = faults(&["ListThings=error@25%", "*=latency:1s", "ListThings=latency:500ms"]);
        let hits: Vec<bool> = (0..8).map(|_| status(&faults, "ListThings").is_some()).collect();
        assert_eq!(hits, [false, false, false, true, false, false, false, true]);
        assert_eq!(faults.judge(Service::Iot, "ListThings").delay, Duration::from_millis(1500));
        assert_eq!(faults.judge(Service::Iot, "CreateThing").delay, Duration::from_secs(1));
    }

    #[test]
    fn a_mistake_is_said() {
        for (text, expected) in [
            ("ListThings", "must look like"),
            ("ListThings=explode", "must look like"),
            ("ListThings=error:404", "must look like"),
            ("ListThings=latency", "latency needs a time"),
            ("ListThings=drop@0%", "the share"),
            ("ListTings=drop", "no operation is called \"ListTings\""),
        ] {
            let error = text.parse::<Fault>().unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    #[test]
    fn mutated_orders_are_survived() {
        use crate::mutate::{self, Rng, SEED};
        let (mut rng, texts) = (Rng::with_seed(SEED), mutate::texts("corpus/faults"));
        for text in &texts {
            text.trim().parse::<Fault>().unwrap();
        }
        for _ in 0..5_000 {
            let _ =
                mutate::mutated(&texts, &["=latency:", "@", "1e308h", "error:"], &mut rng).parse::<Fault>();
        }
    }
}
