//! Who misbehaves when: the scenario file of `quell local` and `quell demo`.
//!
//! A TOML file of `[[step]]` tables; `scenarios/workshop.toml`, the default, documents every key.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use super::drill::{self, Drill};
use super::faults::Fault;

/// The default scenario: the workshop's incident.
pub const WORKSHOP: &str = include_str!("workshop.toml");

/// The scenarios that ship, by name, the default first.
pub const SHIPPED: [(&str, &str); 3] = [
    ("workshop", WORKSHOP),
    ("clone", include_str!("clone.toml")),
    ("foreign-client-id", include_str!("foreign-client-id.toml")),
];

/// The text of a scenario that ships.
pub fn shipped(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Messages of that many bytes that are not JSON.
    RogueSize(usize),
    /// So many times as many messages as normal.
    RogueRate(f64),
    /// No messages, connection kept.
    Silence,
    /// As healthy devices do.
    Normal,
    /// Drops the connection; the device comes back.
    Disconnect,
    /// From now on it connects under this client id, whatever its thing is called.
    ClientId(String),
    /// A second device with its certificate connects as well: under the same client id, so that each cuts the other off,
    /// or under one of its own.
    Clone {
        /// The clone's client id; the device's own without it.
        id: Option<String>,
        /// Its messages are of that many bytes; as the device's own without it.
        bytes: Option<usize>,
        /// The address it connects from; the device's own without it.
        from: Option<IpAddr>,
    },
    /// Its clones are gone.
    NoClone,
    /// Once it is refused, it comes back under this client id.
    ComesBack(String),
    /// It leaves a retained message of that many bytes on its topic.
    Retain(usize),
    /// Its certificate gets the policy `AllowAll`, beside what it has: somebody's mistake.
    Permit,
    /// Something on the device listens on that TCP port: its Defender agent tells, if it has one.
    Listen(u16),
    /// The device reports this state to its shadow.
    Report(Value),
    /// The shadow's desired state changes, as by an operator over REST.
    Desired(Value),
    /// From now on requests fail as the fault says.
    Fault(Fault),
    /// No request fails on order any more.
    NoFaults,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// When, after start, before `--speed` divides it.
    pub at: Duration,
    /// Which thing; `None` for what concerns the account.
    pub thing: Option<String>,
    /// What it does.
    pub action: Action,
    /// The line of the file the step's thing, or else its action, stands in, from 1.
    pub line: usize,
}

/// Lines of a drill's file whose steps were played ahead of their time, and are not played again.
pub(crate) type Ahead = Arc<Mutex<BTreeSet<usize>>>;

/// Steps that are played together, each so long after the lot was handed over.
#[derive(Debug, Default)]
pub(crate) struct Lot {
    /// The steps, in the order of their times.
    pub(crate) steps: Vec<Step>,
    /// Those that are left out.
    pub(crate) ahead: Ahead,
}

/// What a scenario file says.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// What happens, in the order of the times.
    pub steps: Vec<Step>,
    /// What is asked of whoever meets it, when the scenario is a drill.
    pub drill: Option<Drill>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    drill: Option<Spanned<drill::Raw>>,
    #[serde(default)]
    incident: Vec<drill::RawIncident>,
    #[serde(default)]
    step: Vec<RawStep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    at: Spanned<String>,
    thing: Option<Spanned<String>>,
    action: Spanned<String>,
    bytes: Option<Spanned<i64>>,
    id: Option<Spanned<String>>,
    from: Option<Spanned<String>>,
    factor: Option<Spanned<f64>>,
    port: Option<Spanned<i64>>,
    state: Option<toml::Table>,
    fault: Option<Spanned<String>>,
}

/// Reads a scenario.
///
/// # Errors
/// One sentence naming the line and the key.
pub fn parse(text: &str) -> Result<Scenario, String> {
    let file: File = toml::from_str(text).map_err(|e| {
        let line = e.span().map_or(1, |s| line_of(text, s.start));
        format!("line {line}: {}", e.message())
    })?;
    let mut steps = file.step.into_iter().map(|raw| step(text, raw)).collect::<Result<Vec<_>, _>>()?;
    steps.sort_by_key(|s| s.at);
    let drill = drill::read(text, file.drill, file.incident, &steps)?;
    Ok(Scenario { steps, drill })
}

pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|b| **b == b'\n').count() + 1
}

fn step(text: &str, raw: RawStep) -> Result<Step, String> {
    let at_line =
        |start: usize, key: &str, what: &str| format!("line {}: {key}: {what}", line_of(text, start));
    let at = duration(raw.at.get_ref()).ok_or_else(|| {
        at_line(raw.at.span().start, "at", "a time after start such as \"150s\", \"2m\" or \"500ms\"")
    })?;
    let name = raw.action.get_ref().as_str();
    let misplaced = |present: Option<usize>, key: &str, of: &str| match present {
        Some(start) => Err(at_line(start, key, &format!("only goes with action \"{of}\""))),
        None => Ok(()),
    };
    if !matches!(name, "rogue-size" | "clone" | "retain") {
        misplaced(raw.bytes.as_ref().map(|b| b.span().start), "bytes", "rogue-size")?;
    }
    if !matches!(name, "client-id" | "clone" | "comes-back") {
        misplaced(raw.id.as_ref().map(|id| id.span().start), "id", "client-id")?;
    }
    let bytes = match &raw.bytes {
        None => None,
        Some(bytes) => match usize::try_from(*bytes.get_ref()) {
            Ok(n) if (1..=131_072).contains(&n) => Some(n),
            _ => return Err(at_line(bytes.span().start, "bytes", "must be 1 to 131072")),
        },
    };
    let id = match &raw.id {
        Some(id) if !(1..=128).contains(&id.get_ref().len()) => {
            return Err(at_line(id.span().start, "id", "must have 1 to 128 bytes"));
        }
        id => id.as_ref().map(|id| id.get_ref().clone()),
    };
    if name != "clone" {
        misplaced(raw.from.as_ref().map(|from| from.span().start), "from", "clone")?;
    }
    let from = match &raw.from {
        None => None,
        Some(from) => match from.get_ref().parse() {
            Ok(address) => Some(address),
            Err(_) => {
                return Err(at_line(from.span().start, "from", "must be an address such as 203.0.113.7"));
            }
        },
    };
    if name != "rogue-rate" {
        misplaced(raw.factor.as_ref().map(|f| f.span().start), "factor", "rogue-rate")?;
    }
    if name != "listen" {
        misplaced(raw.port.as_ref().map(|p| p.span().start), "port", "listen")?;
    }
    if name != "fault" {
        misplaced(raw.fault.as_ref().map(|f| f.span().start), "fault", "fault")?;
    }
    match (&raw.thing, matches!(name, "fault" | "no-faults")) {
        (Some(thing), true) => {
            return Err(at_line(thing.span().start, "thing", &format!("does not go with action \"{name}\"")));
        }
        (None, false) => {
            return Err(at_line(raw.action.span().start, "thing", "is required with this action"));
        }
        _ => {}
    }
    let state = || -> Result<Value, String> {
        let table = raw.state.as_ref();
        let table =
            table.ok_or_else(|| at_line(raw.action.span().start, "state", "is required with this action"))?;
        serde_json::to_value(table).map_err(|e| at_line(raw.action.span().start, "state", &e.to_string()))
    };
    let action = match name {
        "rogue-size" => Action::RogueSize(bytes.unwrap_or(3000)),
        "rogue-rate" => match &raw.factor {
            None => Action::RogueRate(2.0),
            Some(factor) if (0.01..=1000.0).contains(factor.get_ref()) => {
                Action::RogueRate(*factor.get_ref())
            }
            Some(factor) => return Err(at_line(factor.span().start, "factor", "must be 0.01 to 1000")),
        },
        "silence" => Action::Silence,
        "normal" => Action::Normal,
        "disconnect" => Action::Disconnect,
        "client-id" | "comes-back" => match id {
            Some(id) if name == "client-id" => Action::ClientId(id),
            Some(id) => Action::ComesBack(id),
            None => return Err(at_line(raw.action.span().start, "id", "is required with this action")),
        },
        "retain" => Action::Retain(bytes.unwrap_or(200)),
        "permit" => Action::Permit,
        "clone" => Action::Clone { id, bytes, from },
        "no-clone" => Action::NoClone,
        "listen" => match &raw.port {
            None => Action::Listen(4444),
            Some(port) => match u16::try_from(*port.get_ref()) {
                Ok(number) if number > 0 => Action::Listen(number),
                _ => return Err(at_line(port.span().start, "port", "must be 1 to 65535")),
            },
        },
        "report" => Action::Report(state()?),
        "desired" => Action::Desired(state()?),
        "fault" => match &raw.fault {
            None => return Err(at_line(raw.action.span().start, "fault", "is required with this action")),
            Some(fault) => {
                let parsed =
                    fault.get_ref().parse().map_err(|e: String| at_line(fault.span().start, "fault", &e))?;
                Action::Fault(parsed)
            }
        },
        "no-faults" => Action::NoFaults,
        other => {
            let known = "rogue-size, rogue-rate, silence, normal, disconnect, client-id, clone, no-clone, comes-back, retain, \
                         permit, listen, report, desired, fault, no-faults";
            return Err(at_line(
                raw.action.span().start,
                "action",
                &format!("\"{other}\" is none of {known}"),
            ));
        }
    };
    let line = line_of(text, raw.thing.as_ref().unwrap_or(&raw.action).span().start);
    Ok(Step { at, thing: raw.thing.map(Spanned::into_inner), action, line })
}

/// `500ms`, `20s`, `2m`, `1h`.
pub fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let scale = match unit.trim() {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * scale).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workshop_turns_thing02_rogue() {
        let Scenario { steps, drill } = parse(WORKSHOP).unwrap();
        assert_eq!(drill, None);
        assert!(steps.is_sorted_by_key(|s| s.at));
        assert!(
            steps
                .iter()
                .any(|s| s.thing.as_deref() == Some("Thing02") && s.action == Action::RogueSize(3000))
        );
    }

    #[test]
    fn the_scenarios_beside_it_are_read_and_say_what_they_are_for() {
        assert!(SHIPPED.iter().all(|(_, text)| parse(text).is_ok()));
        let foreign = parse(shipped("foreign-client-id").unwrap()).unwrap().steps;
        assert!(foreign.iter().any(|s| s.action == Action::ClientId("gw-7".into())));
        let clone = parse(shipped("clone").unwrap()).unwrap().steps;
        assert!(clone.iter().any(|s| matches!(&s.action, Action::Clone { id: None, .. })));
        assert!(clone.iter().any(|s| matches!(&s.action, Action::Clone { id: Some(_), .. })));
    }

    #[test]
    fn a_mistake_is_named_by_line_and_key() {
        for (text, expected) in [
            ("[[step]]\nat = \"soon\"\nthing = \"T\"\naction = \"silence\"\n", "line 2: at: a time"),
            (
                "[[step]]\nat = \"1s\"\nthing = \"T\"\naction = \"explode\"\n",
                "line 4: action: \"explode\" is none of",
            ),
            (
                "[[step]]\nat = \"1s\"\nthing = \"T\"\naction = \"silence\"\nbytes = 3\n",
                "line 5: bytes: only goes with",
            ),
            (
                "[[step]]\nat = \"1s\"\nthing = \"T\"\naction = \"rogue-size\"\nbytes = 0\n",
                "line 5: bytes: must be",
            ),
            ("[[step]]\nat = \"1s\"\nthing = \"T\"\naction = \"desired\"\n", "line 4: state: is required"),
            (
                "[[step]]\nat = \"1s\"\nthing = \"T\"\naction = \"listen\"\nport = 70000\n",
                "line 5: port: must be",
            ),
            (
                "\n[[step]]\nat = \"1s\"\nthing = \"T\"\naction = \"silence\"\ncolour = 1\n",
                "line 6: unknown field",
            ),
            ("[[step]]\nat = 1\n", "line 2: "),
            ("[[step]]\nat = \"1s\"\nthing = \"T\"\naction = \"client-id\"\n", "line 4: id: is required"),
            (
                "[[step]]\nat = \"1s\"\nthing = \"T\"\naction = \"silence\"\nid = \"x\"\n",
                "line 5: id: only goes with",
            ),
            ("[[step]]\nat = \"1s\"\naction = \"silence\"\n", "line 3: thing: is required"),
            (
                "[[step]]\nat = \"1s\"\nthing = \"T\"\naction = \"clone\"\nfrom = \"Lisbon\"\n",
                "line 5: from: must be an address",
            ),
            (
                "[[step]]\nat = \"1s\"\nthing = \"T\"\naction = \"retain\"\nfrom = \"203.0.113.7\"\n",
                "line 5: from: only goes with action \"clone\"",
            ),
            ("[[step]]\nat = \"1s\"\naction = \"fault\"\n", "line 3: fault: is required"),
            (
                "[[step]]\nat = \"1s\"\naction = \"fault\"\nfault = \"ListThings\"\n",
                "line 4: fault: must look like",
            ),
            (
                "[[step]]\nat = \"1s\"\nthing = \"T\"\naction = \"no-faults\"\n",
                "line 3: thing: does not go with",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("1.5m"), Some(Duration::from_secs(90)));
        assert_eq!((duration("5"), duration("s"), duration("1e400s")), (None, None, None));
    }

    #[test]
    fn mutated_scenarios_are_survived() {
        use crate::mutate::{self, Rng, SEED};
        let (mut rng, mut texts) = (Rng::with_seed(SEED), mutate::texts("corpus/scenarios"));
        texts.extend(mutate::texts("../../scenarios"));
        for text in &texts {
            parse(text).unwrap();
        }
        let pieces =
            &["[[step]]\n", "at = ", "action = \"clone\"\n", "bytes = -1\n", "1e400h", "state = {", "\"\"\""];
        let mut read = 0;
        for _ in 0..4_000 {
            match parse(&mutate::mutated(&texts, pieces, &mut rng)) {
                Ok(_) => read += 1,
                Err(why) => assert!(why.starts_with("line "), "{why}"),
            }
        }
        assert!(read > 100, "too few of the mutations are scenarios still: {read}");
    }
}
