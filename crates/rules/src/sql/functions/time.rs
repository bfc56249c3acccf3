//! `parse_time` and `time_to_epoch`: the letters of Joda-Time and of the JDK that dates of messages use.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};
use serde_json::Value;

use super::Args;
use crate::sql::value::{self, Val};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A pattern cut into runs of one letter and literal text.
enum Run {
    Letter(char, usize),
    Text(String),
}

/// The longest pattern: it comes from outside, and a run of one letter is a width.
const LONGEST: usize = 256;

/// The runs of a pattern; `None` for one longer than any that is meant.
fn runs(pattern: &str) -> Option<Vec<Run>> {
    if pattern.len() > LONGEST {
        return None;
    }
    let mut out = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\'' {
            let mut text = String::new();
            if chars.peek() == Some(&'\'') {
                chars.next();
                text.push('\'');
            } else {
                text.extend(chars.by_ref().take_while(|c| *c != '\''));
            }
            out.push(Run::Text(text));
        } else if c.is_ascii_alphabetic() {
            let mut count = 1;
            while chars.next_if_eq(&c).is_some() {
                count += 1;
            }
            out.push(Run::Letter(c, count));
        } else {
            out.push(Run::Text(c.to_string()));
        }
    }
    Some(out)
}

/// The name of a month, 1 to 12.
fn month_name(month: i8) -> Option<&'static str> {
    MONTHS.get(usize::try_from(month).ok()?.checked_sub(1)?).copied()
}

/// `parse_time(pattern, milliseconds[, zone])`: a time as text.
pub(super) fn parse_time(args: Args<'_>) -> Val {
    let pattern = args.text(0)?;
    let at = Timestamp::from_millisecond(value::int(args.at(1)?)?).ok()?;
    let zone = if args.len() > 2 { zone_of(&args.text(2)?)? } else { TimeZone::UTC };
    let at = at.to_zoned(zone);
    let mut out = String::new();
    for run in runs(&pattern)? {
        match run {
            Run::Text(text) => out.push_str(&text),
            Run::Letter(letter, count) => out.push_str(&format_letter(&at, letter, count)?),
        }
    }
    Some(out.into())
}

fn format_letter(at: &Zoned, letter: char, count: usize) -> Option<String> {
    let padded = |n: i64| format!("{n:0count$}");
    let hour12 = (i64::from(at.hour()) + 11) % 12 + 1;
    let year = i64::from(at.year());
    Some(match letter {
        'y' | 'Y' | 'u' if count == 2 => format!("{:02}", year.rem_euclid(100)),
        'y' | 'Y' | 'x' | 'u' => padded(year),
        'C' => padded(year / 100),
        'G' => if year > 0 { "AD" } else { "BC" }.to_owned(),
        'M' | 'L' => match count {
            1 | 2 => padded(at.month().into()),
            3 => month_name(at.month())?.get(..3)?.to_owned(),
            _ => month_name(at.month())?.to_owned(),
        },
        'd' => padded(at.day().into()),
        'D' => padded(at.day_of_year().into()),
        'e' => padded(at.weekday().to_monday_one_offset().into()),
        'E' if count < 4 => at.strftime("%a").to_string(),
        'E' => at.strftime("%A").to_string(),
        'w' => padded(at.date().iso_week_date().week().into()),
        'a' => if at.hour() < 12 { "AM" } else { "PM" }.to_owned(),
        'H' => padded(at.hour().into()),
        'k' => padded(if at.hour() == 0 { 24 } else { at.hour().into() }),
        'h' => padded(hour12),
        'K' => padded(hour12 % 12),
        'm' => padded(at.minute().into()),
        's' => padded(at.second().into()),
        'S' => {
            let nanos = format!("{:09}", at.subsec_nanosecond());
            format!("{nanos:0<count$}").get(..count)?.to_owned()
        }
        'z' => at.strftime("%Z").to_string(),
        'Z' if count == 1 => at.strftime("%z").to_string(),
        'Z' if count == 2 => at.strftime("%:z").to_string(),
        'Z' | 'V' => at.time_zone().iana_name().unwrap_or("UTC").to_owned(),
        'X' if at.offset() == Offset::UTC => "Z".to_owned(),
        'X' => at.strftime("%:z").to_string(),
        _ => return None,
    })
}

fn zone_of(name: &str) -> Option<TimeZone> {
    if name == "Z" || name.eq_ignore_ascii_case("utc") || name.eq_ignore_ascii_case("gmt") {
        return Some(TimeZone::UTC);
    }
    let offset = ["UTC", "GMT", "UT"].iter().find_map(|p| name.strip_prefix(p)).unwrap_or(name);
    let signed = [('+', 1), ('-', -1)].iter().find_map(|(c, sign)| Some((sign, offset.strip_prefix(*c)?)));
    if let Some((sign, offset)) = signed {
        let digits: String = offset.chars().filter(|c| *c != ':').collect();
        let number = if digits.bytes().all(|b| b.is_ascii_digit()) {
            digits.parse::<i32>().ok()?
        } else {
            return None;
        };
        let (hours, minutes) = match digits.len() {
            1 | 2 => (number, 0),
            4 => (number / 100, number % 100),
            _ => return None,
        };
        let offset = Offset::from_seconds(sign * (hours * 60 + minutes) * 60).ok()?;
        return Some(TimeZone::fixed(offset));
    }
    TimeZone::get(name).ok()
}

/// `time_to_epoch(text, pattern)`: text as milliseconds; UTC without a zone.
pub(super) fn time_to_epoch(args: Args<'_>) -> Val {
    let text = args.text(0)?;
    let pattern = args.text(1)?;
    let mut rest = text.as_str();
    let (mut year, mut month, mut day) = (1970i64, 1i64, 1i64);
    let (mut hour, mut minute, mut second, mut nanos) = (0i64, 0i64, 0i64, 0i64);
    let mut afternoon = None;
    let mut zone = TimeZone::UTC;
    for run in runs(&pattern)? {
        match run {
            Run::Text(literal) => rest = rest.strip_prefix(literal.as_str())?,
            Run::Letter(letter, count) => match letter {
                'y' | 'u' => {
                    year = digits(&mut rest, if count == 1 { 4 } else { count })?;
                    if count == 2 {
                        year += 2000;
                    }
                }
                'M' | 'L' if count >= 3 => {
                    let (number, tail) = (1..).zip(MONTHS).find_map(|(number, name)| {
                        let written = if count == 3 { name.get(..3)? } else { name };
                        Some((number, rest.strip_prefix(written)?))
                    })?;
                    rest = tail;
                    month = number;
                }
                'M' | 'L' => month = digits(&mut rest, 2)?,
                'd' => day = digits(&mut rest, 2)?,
                'H' | 'k' | 'h' | 'K' => hour = digits(&mut rest, 2)?,
                'm' => minute = digits(&mut rest, 2)?,
                's' => second = digits(&mut rest, 2)?,
                'S' | 'n' => {
                    let before = rest.len();
                    let value = digits(&mut rest, count.min(9))?;
                    nanos = value * 10i64.pow(9u32.saturating_sub((before - rest.len()) as u32));
                }
                'a' => {
                    let (half, tail) = rest.split_at_checked(2)?;
                    afternoon = Some(half.eq_ignore_ascii_case("pm"));
                    rest = tail;
                }
                'V' | 'z' | 'Z' | 'X' | 'x' | 'O' => {
                    let (name, tail) = rest.split_at_checked(rest.find(' ').unwrap_or(rest.len()))?;
                    zone = zone_of(name)?;
                    rest = tail;
                }
                'E' => rest = rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()),
                _ => return None,
            },
        }
    }
    if !rest.is_empty() {
        return None;
    }
    match afternoon {
        Some(true) if hour < 12 => hour += 12,
        Some(false) if hour == 12 => hour = 0,
        _ => {}
    }
    let civil = DateTime::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
        i8::try_from(hour % 24).ok()?,
        i8::try_from(minute).ok()?,
        i8::try_from(second).ok()?,
        i32::try_from(nanos).ok()?,
    )
    .ok()?;
    Some(Value::from(civil.to_zoned(zone).ok()?.timestamp().as_millisecond()))
}

/// Up to `most` digits, at least one.
fn digits(rest: &mut &str, most: usize) -> Option<i64> {
    let end = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let (number, tail) = rest.split_at_checked(end)?;
    *rest = tail;
    number.parse().ok()
}
