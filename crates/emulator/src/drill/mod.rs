//! Drills: scenarios that are scored. What is wrong, from when, and what answers it, stands in the scenario's file; whether it
//! was answered is read off the account itself, never off what somebody says of it.
//!
//! * `mod.rs`: the `[drill]` and `[[incident]]` tables of a file.
//! * `score.rs`: what counts as seen, answered, proven and wrong, and the points. Pure.
//! * `ledger.rs`: what an account notes while a drill is on: who asked about what, and which clients spoke.
//! * `watch.rs`: what is true of an account now, for the score.

pub(crate) mod ledger;
mod score;
pub(crate) mod watch;

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use super::scenario::{Action, Step, duration, line_of};
pub use score::{Card, Injected, Mistake, Phase, Sheet, Stage};

/// When a stage earns all its points, after the incident began, unless the file says otherwise.
const PAR: [Duration; 3] = [Duration::from_secs(180), Duration::from_secs(360), Duration::from_secs(600)];
/// Hints of a drill at most.
const HINTS: usize = 10;
/// The drills that ship: name and file.
pub const SHIPPED: [(&str, &str); 5] = [
    ("oversized", include_str!("oversized.toml")),
    ("storm", include_str!("storm.toml")),
    ("stolen", include_str!("stolen.toml")),
    ("leak", include_str!("leak.toml")),
    ("return", include_str!("return.toml")),
];

/// What answers an incident.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Nothing of the device may connect or publish any more.
    Contain,
    /// It is looked at, and left as it is: taking it off the air is wrong.
    Look,
    /// Its retained message is cleared.
    Clear,
    /// The shadow's desired state does not have these members with these values any more.
    Restore(Value),
}

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// The thing it is about.
    pub thing: String,
    /// From when it can be seen, after the drill began.
    pub at: Duration,
    /// What answers it.
    pub answer: Answer,
    /// What it was, told at the end.
    pub what: String,
    /// Every client id that the thing's certificate is used with.
    pub clients: BTreeSet<String>,
    /// After how long seeing, answering and proving it still earn everything.
    pub par: [Duration; 3],
}

/// A drill.
#[derive(Clone, Debug, PartialEq)]
pub struct Drill {
    /// One line that gives nothing away.
    pub title: String,
    /// What it teaches; told at the end.
    pub teaches: String,
    /// When it is over at the latest.
    pub lasts: Duration,
    /// Told one after the other, to whoever asks.
    pub hints: Vec<String>,
    /// What goes wrong.
    pub incidents: Vec<Incident>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Raw {
    title: String,
    teaches: String,
    lasts: Spanned<String>,
    #[serde(default)]
    hints: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawIncident {
    thing: Spanned<String>,
    at: Option<Spanned<String>>,
    answer: Spanned<String>,
    what: String,
    state: Option<toml::Table>,
    seen_by: Option<Spanned<String>>,
    answered_by: Option<Spanned<String>>,
    proven_by: Option<Spanned<String>>,
}

/// Reads the tables of a drill; `None` for a scenario that is none.
pub(crate) fn read(
    text: &str,
    raw: Option<Spanned<Raw>>,
    incidents: Vec<RawIncident>,
    steps: &[Step],
) -> Result<Option<Drill>, String> {
    let at_line = |span: Range<usize>, key: &str, what: &str| {
        format!("line {}: {key}: {what}", line_of(text, span.start))
    };
    let time = |given: &Spanned<String>, key: &str| {
        let what = "a time such as \"150s\", \"2m\" or \"500ms\"";
        duration(given.get_ref()).ok_or_else(|| at_line(given.span(), key, what))
    };
    let Some(raw) = raw else {
        return match incidents.first() {
            None => Ok(None),
            Some(first) => Err(at_line(first.thing.span(), "incident", "only goes with a [drill]")),
        };
    };
    let span = raw.span();
    let raw = raw.into_inner();
    let lasts = time(&raw.lasts, "lasts")?;
    if incidents.is_empty() {
        return Err(at_line(span, "drill", "needs an [[incident]]"));
    }
    if raw.hints.len() > HINTS {
        return Err(at_line(span, "hints", &format!("there may be {HINTS}")));
    }
    let mut read = Vec::new();
    for incident in incidents {
        let thing = incident.thing.get_ref().clone();
        let own = || steps.iter().filter(|step| step.thing.as_ref() == Some(&thing));
        let Some(first) = own().map(|step| step.at).min() else {
            return Err(at_line(incident.thing.span(), "thing", "no step is about it"));
        };
        let at = incident.at.as_ref().map_or(Ok(first), |at| time(at, "at"))?;
        if at >= lasts {
            return Err(at_line(incident.thing.span(), "at", "is after the drill's end"));
        }
        let answer = match (incident.answer.get_ref().as_str(), incident.state) {
            ("restore", Some(state)) => {
                let state = serde_json::to_value(state).map_err(|e| e.to_string())?;
                Answer::Restore(state)
            }
            ("restore", None) => {
                return Err(at_line(incident.answer.span(), "state", "is required with this answer"));
            }
            (_, Some(_)) => {
                return Err(at_line(incident.answer.span(), "state", "only goes with answer \"restore\""));
            }
            ("contain", None) => Answer::Contain,
            ("look", None) => Answer::Look,
            ("clear", None) => Answer::Clear,
            (other, None) => {
                let what = format!("\"{other}\" is none of contain, look, clear, restore");
                return Err(at_line(incident.answer.span(), "answer", &what));
            }
        };
        let mut clients = BTreeSet::from([thing.clone()]);
        clients.extend(own().filter_map(|step| match &step.action {
            Action::ClientId(id) | Action::ComesBack(id) | Action::Clone { id: Some(id), .. } => {
                Some(id.clone())
            }
            _ => None,
        }));
        let mut par = PAR;
        let given = [
            (&incident.seen_by, "seen-by"),
            (&incident.answered_by, "answered-by"),
            (&incident.proven_by, "proven-by"),
        ];
        for (par, (given, key)) in par.iter_mut().zip(given) {
            if let Some(given) = given {
                *par = time(given, key)?;
            }
        }
        read.push(Incident { thing, at, answer, what: incident.what, clients, par });
    }
    Ok(Some(Drill { title: raw.title, teaches: raw.teaches, lasts, hints: raw.hints, incidents: read }))
}

/// The drill of that name that ships, as the text of its file.
pub fn shipped(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::super::scenario::parse;
    use super::*;

    #[test]
    fn the_drills_that_ship_are_read_and_are_about_devices_that_are_there() {
        for (name, text) in SHIPPED {
            let scenario = parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            let drill = scenario.drill.expect("a drill");
            assert!(!drill.hints.is_empty() && !drill.teaches.is_empty(), "{name}");
            for incident in &drill.incidents {
                let known = crate::seed::fixture_things().any(|thing| thing == incident.thing);
                assert!(known, "{name}: {}", incident.thing);
                assert!(incident.par.is_sorted(), "{name}: {}", incident.thing);
                // Nobody is told which device it is.
                assert!(!drill.title.contains(&incident.thing), "{name}");
            }
        }
    }

    #[test]
    fn a_mistake_in_a_drill_is_named_by_line_and_key() {
        let drill = "[drill]\ntitle = \"t\"\nteaches = \"x\"\nlasts = \"10m\"\n";
        let step = "[[step]]\nat = \"1m\"\nthing = \"T\"\naction = \"silence\"\n";
        let incident = "[[incident]]\nthing = \"T\"\nanswer = \"look\"\nwhat = \"mute\"\n";
        let read = parse(&format!("{drill}{incident}{step}")).unwrap().drill.unwrap();
        assert_eq!(read.incidents[0].at, Duration::from_secs(60));
        for (text, expected) in [
            (drill.to_owned(), "line 1: drill: needs"),
            (format!("{incident}{step}"), "line 2: incident: only goes with"),
            (format!("{drill}{incident}"), "line 6: thing: no step"),
            (
                format!("{drill}{}{step}", incident.replace("look", "glance")),
                "line 7: answer: \"glance\" is none",
            ),
            (format!("{drill}{}{step}", incident.replace("look", "restore")), "line 7: state: is required"),
            (format!("{drill}{incident}at = \"soon\"\n{step}"), "line 9: at: a time"),
            (format!("{drill}{incident}at = \"11m\"\n{step}"), "line 6: at: is after"),
            (format!("{drill}{incident}seen-by = \"x\"\n{step}"), "line 9: seen-by: a time"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
