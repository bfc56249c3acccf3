//! Weekly spans of time in a time zone: the change windows of the guardrails.

use jiff::tz::TimeZone;

/// A weekly span of time in a time zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    days: [bool; 7],
    /// Minutes of the day.
    from: u16,
    to: u16,
    zone: TimeZone,
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Window {
    /// Reads `Mon-Fri 08:00-18:00 Europe/Berlin`; days and zone may be left out (every day, UTC). A span that ends before
    /// it begins goes over midnight and belongs to the day it begins on.
    ///
    /// # Errors
    /// A sentence that names what is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut window = Self { days: [true; 7], from: 0, to: 0, zone: TimeZone::UTC };
        let mut timed = false;
        for word in text.split_whitespace() {
            if let Some((from, to)) = word.split_once('-')
                && let (Some(from), Some(to)) = (minutes(from), minutes(to))
            {
                (window.from, window.to) = (from, to);
                timed = true;
            } else if let Some(days) = days(word) {
                window.days = days;
            } else {
                window.zone = TimeZone::get(word).map_err(|_| {
                    format!("{word:?} is no day (Mon-Fri), time (08:00-18:00) or time zone (Europe/Berlin)")
                })?;
            }
        }
        if timed { Ok(window) } else { Err(format!("{text:?} has no time such as 08:00-18:00")) }
    }

    /// True when `at` (milliseconds since 1970) lies in it.
    pub fn contains(&self, at: i64) -> bool {
        let Ok(time) = jiff::Timestamp::from_millisecond(at) else { return false };
        let time = time.to_zoned(self.zone.clone());
        let minute = u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs());
        let today = usize::from(time.weekday().to_monday_zero_offset().unsigned_abs());
        let on = |day: usize| self.days.get(day % 7).copied().unwrap_or(false);
        if self.from < self.to {
            on(today) && (self.from..self.to).contains(&minute)
        } else {
            (on(today) && minute >= self.from) || (on(today + 6) && minute < self.to)
        }
    }
}

fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 24 && minutes < 60 && hours * 60 + minutes <= 24 * 60).then_some(hours * 60 + minutes)
}

fn days(text: &str) -> Option<[bool; 7]> {
    let day = |name: &str| DAYS.iter().position(|d| d.eq_ignore_ascii_case(name.trim()));
    let mut out = [false; 7];
    for part in text.split(',') {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (day(first)?, day(last)?),
            None => (day(part)?, day(part)?),
        };
        let mut at = first;
        loop {
            if let Some(slot) = out.get_mut(at) {
                *slot = true;
            }
            if at == last {
                break;
            }
            at = (at + 1) % 7;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn windows_know_days_zones_and_midnight() {
        let office = Window::parse("Mon-Fri 08:00-18:00 Europe/Berlin").unwrap();
        assert!(office.contains(at("2026-11-20T07:30:00Z")), "08:30 in Berlin, a Friday");
        assert!(!office.contains(at("2026-11-20T17:30:00Z")), "18:30 in Berlin");
        assert!(!office.contains(at("2026-11-21T10:00:00Z")), "a Saturday");
        let night = Window::parse("Sat 22:00-06:00").unwrap();
        assert!(night.contains(at("2026-11-21T23:00:00Z")));
        assert!(night.contains(at("2026-11-22T05:59:00Z")), "the night of Saturday ends on Sunday");
        assert!(!night.contains(at("2026-11-21T05:00:00Z")), "that is the night of Friday");
        for wrong in ["", "Mon", "25:00-26:00", "08:00-18:00 Mars/Base"] {
            assert!(Window::parse(wrong).is_err(), "{wrong}");
        }
    }
}
