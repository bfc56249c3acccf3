//! Scheduled audits.

use std::time::Duration;

use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::configuration::required_checks;
use super::engine;
use crate::account::Account;
use crate::api::registry::tags::Tag;
use crate::api::{ApiError, Req, Resp, validate, when};

/// Scheduled audits of an account.
const SCHEDULES: usize = 5;
const FREQUENCIES: [&str; 4] = ["DAILY", "WEEKLY", "BIWEEKLY", "MONTHLY"];
const DAYS: [&str; 7] = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];

/// A scheduled audit. Its name is its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    frequency: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    day_of_month: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    day_of_week: Option<String>,
    /// The checks it runs.
    pub(super) checks: Vec<String>,
    /// When it runs next, epoch milliseconds.
    next_ms: i64,
}

impl Schedule {
    fn check(&self) -> Result<(), ApiError> {
        validate::one_of("frequency", &self.frequency, &FREQUENCIES)?;
        if let Some(day) = &self.day_of_week {
            validate::one_of("dayOfWeek", day, &DAYS)?;
        }
        if let Some(day) = &self.day_of_month
            && day != "LAST"
            && !day.parse::<i8>().is_ok_and(|d| (1..=31).contains(&d) && !day.starts_with(['0', '+']))
        {
            return Err(ApiError::invalid(format!("dayOfMonth must be 1 to 31 or LAST: {day}")));
        }
        match self.frequency.as_str() {
            "WEEKLY" | "BIWEEKLY" if self.day_of_week.is_none() => {
                Err(ApiError::invalid(format!("dayOfWeek is required for a {} audit", self.frequency)))
            }
            "MONTHLY" if self.day_of_month.is_none() => {
                Err(ApiError::invalid("dayOfMonth is required for a MONTHLY audit"))
            }
            _ => Ok(()),
        }
    }

    /// How long after `now_ms` it is due by the calendar (in UTC) for the first time.
    fn first(&self, now_ms: i64) -> Duration {
        let Ok(now) = Timestamp::from_millisecond(now_ms) else { return Duration::ZERO };
        let now = now.to_zoned(TimeZone::UTC);
        let fits = |day: &jiff::Zoned| match self.frequency.as_str() {
            "WEEKLY" | "BIWEEKLY" => {
                let at = day.weekday().to_monday_zero_offset() as usize;
                self.day_of_week.as_deref() == DAYS.get(at).copied()
            }
            "MONTHLY" => match self.day_of_month.as_deref() {
                Some("LAST") => day.day() == day.days_in_month(),
                // A month without that day has its last one instead.
                Some(text) => text.parse::<i8>().is_ok_and(|d| day.day() == d.min(day.days_in_month())),
                None => false,
            },
            _ => true,
        };
        let days = (1..=31_i64).find(|n| now.checked_add(n.days()).is_ok_and(|day| fits(&day)));
        Duration::from_secs(86_400 * days.unwrap_or(31) as u64)
    }

    /// How long after a run the next one is due.
    fn again(&self, now_ms: i64) -> Duration {
        let days = match self.frequency.as_str() {
            "DAILY" => 1,
            "WEEKLY" => 7,
            "BIWEEKLY" => 14,
            _ => return self.first(now_ms),
        };
        Duration::from_secs(86_400 * days)
    }
}

/// Starts the audits that are due.
pub(super) fn start_due(account: &Account) {
    let now = account.clock.now_ms();
    let due: Vec<(String, Vec<String>)> = {
        let state = account.read();
        let due = state.audit.schedules.iter().filter(|(_, s)| s.next_ms <= now);
        due.map(|(name, s)| (name.to_owned(), s.checks.clone())).collect()
    };
    for (name, checks) in due {
        account.write().audit.schedules.update(&name, |s| {
            s.next_ms = now + account.clock.scaled(s.again(now)).as_millis() as i64;
        });
        if let Err(error) = engine::start(account, Some(&name), &checks) {
            tracing::warn!(schedule = name, error = error.message, "a scheduled audit could not start");
        }
        if let Err(error) = account.wal.commit_in_place() {
            tracing::error!(%error, "a scheduled audit could not be kept");
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    frequency: Option<String>,
    day_of_month: Option<String>,
    day_of_week: Option<String>,
    target_check_names: Option<Vec<String>>,
    #[serde(default)]
    tags: Vec<Tag>,
}

fn name_of(req: &Req) -> Result<&str, ApiError> {
    let name = req.path("scheduledAuditName");
    super::check_id("scheduledAuditName", name, 128)?;
    Ok(name)
}

fn missing(name: &str) -> ApiError {
    ApiError::not_found(format!("Scheduled audit {name} cannot be found."))
}

/// CreateScheduledAudit.
pub fn create(req: &Req) -> Result<Resp, ApiError> {
    let name = name_of(req)?;
    let body: Body = req.json()?;
    let now = req.account.clock.now_ms();
    let mut schedule = Schedule {
        frequency: body.frequency.ok_or_else(|| when::missing("frequency"))?,
        day_of_month: body.day_of_month,
        day_of_week: body.day_of_week,
        checks: required_checks(body.target_check_names)?,
        next_ms: 0,
    };
    schedule.check()?;
    schedule.next_ms = now + req.account.clock.scaled(schedule.first(now)).as_millis() as i64;
    let arn = req.account.arn("scheduledaudit", name);
    let mut state = req.account.write();
    state.audit.check_targets(&schedule.checks)?;
    if state.audit.schedules.contains(name) {
        return Err(ApiError::already_exists(format!("Scheduled audit {name} already exists"), name, &arn));
    }
    if state.audit.schedules.len() >= SCHEDULES {
        return Err(ApiError::limit(format!("At most {SCHEDULES} scheduled audits are allowed")));
    }
    state.registry.set_tags(&arn, &body.tags)?;
    state.audit.schedules.put(name, schedule);
    Resp::json(json!({"scheduledAuditArn": arn}))
}

/// UpdateScheduledAudit: what is not given stays.
pub fn update(req: &Req) -> Result<Resp, ApiError> {
    let name = name_of(req)?;
    let body: Body = req.json()?;
    let now = req.account.clock.now_ms();
    let mut state = req.account.write();
    let mut changed = state.audit.schedules.get(name).ok_or_else(|| missing(name))?.clone();
    if let Some(frequency) = body.frequency {
        changed.frequency = frequency;
    }
    changed.day_of_month = body.day_of_month.or(changed.day_of_month);
    changed.day_of_week = body.day_of_week.or(changed.day_of_week);
    if let Some(checks) = body.target_check_names {
        state.audit.check_targets(&checks)?;
        changed.checks = checks;
    }
    changed.check()?;
    changed.next_ms = now + req.account.clock.scaled(changed.first(now)).as_millis() as i64;
    state.audit.schedules.put(name, changed);
    Resp::json(json!({"scheduledAuditArn": req.account.arn("scheduledaudit", name)}))
}

fn described(account: &Account, name: &str, schedule: &Schedule) -> Value {
    let mut out = json!({
        "scheduledAuditName": name,
        "scheduledAuditArn": account.arn("scheduledaudit", name),
        "frequency": schedule.frequency,
    });
    if let Some(day) = &schedule.day_of_month {
        out["dayOfMonth"] = json!(day);
    }
    if let Some(day) = &schedule.day_of_week {
        out["dayOfWeek"] = json!(day);
    }
    out
}

/// DescribeScheduledAudit.
pub fn describe(req: &Req) -> Result<Resp, ApiError> {
    let name = name_of(req)?;
    let state = req.account.read();
    let schedule = state.audit.schedules.get(name).ok_or_else(|| missing(name))?;
    let mut out = described(&req.account, name, schedule);
    out["targetCheckNames"] = json!(schedule.checks);
    Resp::json(out)
}

/// DeleteScheduledAudit.
pub fn delete(req: &Req) -> Result<Resp, ApiError> {
    let name = name_of(req)?;
    let mut state = req.account.write();
    state.audit.schedules.remove(name).ok_or_else(|| missing(name))?;
    state.registry.drop_tags(&req.account.arn("scheduledaudit", name));
    Resp::empty()
}

/// ListScheduledAudits.
pub fn list(req: &Req) -> Result<Resp, ApiError> {
    let page = req.page(250, 250)?;
    let state = req.account.read();
    let rows = state.audit.schedules.after(page.after.as_deref());
    let (rows, next) = page.take(rows.map(|(name, s)| (name, described(&req.account, name, s))));
    Resp::page("scheduledAudits", rows, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(frequency: &str, week: Option<&str>, month: Option<&str>) -> Schedule {
        Schedule {
            frequency: frequency.to_owned(),
            day_of_month: month.map(str::to_owned),
            day_of_week: week.map(str::to_owned),
            checks: Vec::new(),
            next_ms: 0,
        }
    }

    #[test]
    fn schedules_are_due_by_the_calendar() {
        // 2026-11-21 is a Saturday.
        let now = "2026-11-21T10:00:00Z".parse::<Timestamp>().unwrap().as_millisecond();
        let days = |s: Schedule| s.first(now).as_secs() / 86_400;
        assert_eq!(days(schedule("DAILY", None, None)), 1);
        assert_eq!(days(schedule("WEEKLY", Some("SUN"), None)), 1);
        assert_eq!(days(schedule("BIWEEKLY", Some("SAT"), None)), 7);
        assert_eq!(days(schedule("MONTHLY", None, Some("LAST"))), 9);
        assert_eq!(days(schedule("MONTHLY", None, Some("31"))), 9);
        assert_eq!(days(schedule("MONTHLY", None, Some("1"))), 10);
        assert_eq!(schedule("BIWEEKLY", Some("SAT"), None).again(now).as_secs(), 14 * 86_400);
    }

    #[test]
    fn a_frequency_needs_its_day() {
        assert!(schedule("DAILY", None, None).check().is_ok());
        assert!(schedule("WEEKLY", None, None).check().is_err());
        assert!(schedule("MONTHLY", None, Some("32")).check().is_err());
        assert!(schedule("MONTHLY", None, Some("01")).check().is_err());
        assert!(schedule("YEARLY", None, None).check().is_err());
    }
}
