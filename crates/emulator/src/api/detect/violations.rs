//! Active violations, their events and metric values.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::profiles::{listing, missing};
use super::{Violation, ViolationEvent, seconds, values_key};
use crate::account::State;
use crate::api::{ApiError, Req, Resp, validate as shape};
use quell_rules::detect::metric::Metric;

/// What the two list operations filter by.
struct Filter<'a> {
    thing: Option<&'a str>,
    profile: Option<&'a str>,
    kind: Option<&'a str>,
    verification: Option<&'a str>,
    suppressed: bool,
}

impl<'a> Filter<'a> {
    fn of(req: &'a Req) -> Result<Self, ApiError> {
        if let Some(kind) = req.query("behaviorCriteriaType") {
            shape::one_of("behaviorCriteriaType", kind, &["STATIC", "STATISTICAL", "MACHINE_LEARNING"])?;
        }
        if let Some(state) = req.query("verificationState") {
            shape::one_of("verificationState", state, &VERIFICATION)?;
        }
        Ok(Self {
            thing: req.query("thingName"),
            profile: req.query("securityProfileName"),
            kind: req.query("behaviorCriteriaType"),
            verification: req.query("verificationState"),
            suppressed: req.flag("listSuppressedAlerts"),
        })
    }

    fn wants(&self, violation: &Violation) -> bool {
        let kind = violation.behavior.criteria.as_ref().map_or("STATIC", |c| {
            if c.ml_detection_config.is_some() {
                "MACHINE_LEARNING"
            } else if c.statistical_threshold.is_some() {
                "STATISTICAL"
            } else {
                "STATIC"
            }
        });
        self.thing.is_none_or(|t| t == violation.thing)
            && self.profile.is_none_or(|p| p == violation.profile)
            && self.kind.is_none_or(|k| k == kind)
            && self.verification.is_none_or(|v| v == violation.verification.as_deref().unwrap_or("UNKNOWN"))
            && (self.suppressed || violation.behavior.suppress_alerts != Some(true))
    }
}

const VERIFICATION: [&str; 4] = ["FALSE_POSITIVE", "BENIGN_POSITIVE", "TRUE_POSITIVE", "UNKNOWN"];

/// A thing filter must name a thing that exists or a device that was seen; a profile filter, a profile.
fn check_filter(state: &State, filter: &Filter<'_>) -> Result<(), ApiError> {
    if let Some(profile) = filter.profile {
        state.detect.profile(profile).ok_or_else(|| missing(profile))?;
    }
    if let Some(thing) = filter.thing
        && !state.detect.active().any(|v| v.thing == thing)
    {
        state.registry.require_thing(thing)?;
    }
    Ok(())
}

/// The members both shapes share, in the order AWS writes them.
fn head(violation: &Violation, value_member: &str) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("violationId".into(), violation.id.as_str().into());
    out.insert("thingName".into(), violation.thing.as_str().into());
    out.insert("securityProfileName".into(), violation.profile.as_str().into());
    out.insert("behavior".into(), json!(violation.behavior));
    out.insert(value_member.into(), json!(violation.value));
    out
}

fn verification(violation: &Violation, out: &mut Map<String, Value>) {
    if let Some(state) = &violation.verification {
        out.insert("verificationState".into(), state.as_str().into());
    }
    if let Some(text) = &violation.verification_text {
        out.insert("verificationStateDescription".into(), text.as_str().into());
    }
}

fn active_json(violation: &Violation) -> Value {
    let mut out = head(violation, "lastViolationValue");
    verification(violation, &mut out);
    out.insert("lastViolationTime".into(), seconds(violation.last_ms).into());
    out.insert("violationStartTime".into(), seconds(violation.start_ms).into());
    Value::Object(out)
}

/// ListActiveViolations.
pub fn list_active(req: &Req) -> Result<Resp, ApiError> {
    let filter = Filter::of(req)?;
    let page = req.page(250, 250)?;
    let state = req.account.read();
    check_filter(&state, &filter)?;
    let rows = state.detect.violations.iter().filter(|(_, v)| filter.wants(v));
    let (rows, token) = page.take(rows);
    Resp::json(listing("activeViolations", rows.into_iter().map(active_json).collect(), token))
}

/// A query parameter that is an ISO-8601 time, in epoch milliseconds. Seconds since the epoch are taken too.
fn time(req: &Req, name: &str) -> Result<i64, ApiError> {
    let text = req.required_query(name)?;
    if let Ok(seconds) = text.parse::<f64>() {
        return Ok((seconds * 1000.0) as i64);
    }
    text.parse::<Timestamp>()
        .map(|t| t.as_millisecond())
        .map_err(|_| ApiError::invalid(format!("{name} is not a date-time: {text}")))
}

fn range(req: &Req) -> Result<std::ops::RangeInclusive<i64>, ApiError> {
    let (start, end) = (time(req, "startTime")?, time(req, "endTime")?);
    if start > end {
        return Err(ApiError::invalid("startTime must be before endTime"));
    }
    Ok(start..=end)
}

fn event_json(event: &ViolationEvent) -> Value {
    let mut out = head(&event.violation, "metricValue");
    out.insert("violationEventType".into(), event.kind.as_str().into());
    verification(&event.violation, &mut out);
    out.insert("violationEventTime".into(), seconds(event.at_ms).into());
    Value::Object(out)
}

/// ListViolationEvents.
pub fn list_events(req: &Req) -> Result<Resp, ApiError> {
    let filter = Filter::of(req)?;
    let range = range(req)?;
    let page = req.page(250, 250)?;
    let state = req.account.read();
    // A profile or thing that is gone has events all the same.
    let rows =
        state.detect.events.iter().filter(|(_, e)| range.contains(&e.at_ms) && filter.wants(&e.violation));
    let (rows, token) = page.take(rows);
    Resp::json(listing("violationEvents", rows.into_iter().map(event_json).collect(), token))
}

/// PutVerificationStateOnViolation.
pub fn verify(req: &Req) -> Result<Resp, ApiError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        verification_state: String,
        verification_state_description: Option<String>,
    }
    let id = req.path("violationId");
    let body: Body = req.json()?;
    shape::one_of("verificationState", &body.verification_state, &VERIFICATION)?;
    if body.verification_state_description.as_ref().is_some_and(|t| t.chars().count() > 1000) {
        return Err(ApiError::invalid("verificationStateDescription must have length at most 1000"));
    }
    let mut state = req.account.write();
    let store = &mut state.detect;
    let active: Vec<String> =
        store.violations.iter().filter(|(_, v)| v.id == id).map(|(k, _)| k.to_owned()).collect();
    let events: Vec<String> =
        store.events.iter().filter(|(_, e)| e.violation.id == id).map(|(k, _)| k.to_owned()).collect();
    if active.is_empty() && events.is_empty() {
        return Err(ApiError::invalid(format!("Violation {id} does not exist")));
    }
    let set = |v: &mut Violation| {
        v.verification = Some(body.verification_state.clone());
        v.verification_text.clone_from(&body.verification_state_description);
    };
    for key in active {
        store.violations.update(&key, set);
    }
    for key in events {
        store.events.update(&key, |e| set(&mut e.violation));
    }
    Resp::empty()
}

/// ListMetricValues: what a profile judges or retains. Counts are those of 300 s; what agents report comes as reported.
pub fn metric_values(req: &Req) -> Result<Resp, ApiError> {
    let thing = req.required_query("thingName")?;
    let metric = req.required_query("metricName")?;
    let range = range(req)?;
    let page = req.page(250, 250)?;
    let operator = req.query("dimensionValueOperator");
    shape::one_of("dimensionValueOperator", operator.unwrap_or("IN"), &["IN", "NOT_IN"])?;
    let dimension = req.query("dimensionName").map(|name| (name, operator == Some("NOT_IN")));
    if dimension.is_none() && operator.is_some() {
        return Err(ApiError::invalid("dimensionValueOperator needs dimensionName"));
    }
    let state = req.account.read();
    if Metric::parse(metric).is_none() {
        return Err(ApiError::invalid(format!("Unknown metric {metric}")));
    }
    let is_it = |name: Option<&str>, limited: Option<(&str, Option<&str>)>| {
        name == Some(metric) && limited.map(|(name, op)| (name, op == Some("NOT_IN"))) == dimension
    };
    let text = |value: &'_ Value, member: &str| value.get(member).and_then(Value::as_str).map(str::to_owned);
    let kept = state.detect.profiles.iter().any(|(_, p)| {
        p.behaviors.iter().any(|b| {
            let limited = b.metric_dimension.as_ref();
            is_it(b.metric.as_deref(), limited.map(|d| (d.dimension_name.as_str(), d.operator.as_deref())))
        }) || p.retain.iter().any(|r| {
            let limited = r.get("metricDimension").map(|d| (text(d, "dimensionName"), text(d, "operator")));
            let limited = limited.as_ref().map(|(n, o)| (n.as_deref().unwrap_or_default(), o.as_deref()));
            is_it(r.get("metric").and_then(Value::as_str), limited)
        })
    });
    if !kept {
        return Err(ApiError::invalid(format!("Metric {metric} is not retained by any security profile")));
    }
    let values = state.detect.values.get(&values_key(metric, dimension)).and_then(|m| m.get(thing));
    if values.is_none() {
        state.registry.require_thing(thing)?;
    }
    // Two addresses may be seen in one millisecond: a number tells their rows apart.
    let rows = values.into_iter().flatten().scan((0, 0), |(last, same), (at, kept)| {
        *same = if last == at { *same + 1 } else { 0 };
        *last = *at;
        Some((at, *same, kept))
    });
    let rows = rows.filter(|(at, ..)| range.contains(at));
    let (rows, token) = page.take(rows.map(|(at, same, kept)| {
        (format!("{at:014}-{same:06}"), json!({"timestamp": seconds(*at), "value": kept.value()}))
    }));
    Resp::json(listing("metricDatumList", rows, token))
}

/// GetBehaviorModelTrainingSummaries: every model is being built, and none ever gets ready here.
pub fn training_summaries(req: &Req) -> Result<Resp, ApiError> {
    let wanted = req.query("securityProfileName");
    let page = req.page(10, 10)?;
    let state = req.account.read();
    if let Some(name) = wanted {
        state.detect.profile(name).ok_or_else(|| missing(name))?;
    }
    let mut rows = Vec::new();
    for (name, profile) in state.detect.profiles.iter().filter(|(n, _)| wanted.is_none_or(|w| w == *n)) {
        for behavior in &profile.behaviors {
            if behavior.criteria.as_ref().is_some_and(|c| c.ml_detection_config.is_some()) {
                let row = json!({"securityProfileName": name, "behaviorName": behavior.name,
                    "trainingDataCollectionStartDate": seconds(profile.created_ms),
                    "modelStatus": "PENDING_BUILD", "datapointsCollectionPercentage": 0.0});
                rows.push((format!("{name}\u{1f}{}", behavior.name), row));
            }
        }
    }
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let (rows, token) = page.take(rows.into_iter());
    Resp::json(listing("summaries", rows, token))
}
