//! The evaluator beside a slow, obvious judge: written from the facts (docs/aws-iot.md#4.3) and IAM's rules of evaluation,
//! working on the JSON as it stands, and sharing no code with the engine.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use quell_rules::policy::{Bound, Context, Decision, Document, Doubt};
use serde_json::{Value, json};

use super::mutate::SEED;

/// Pairs of policies and a request.
const PAIRS: usize = 20_000;
/// Pairs judged with values that are not known.
const DOUBTED: usize = 5_000;

/// What keys stand for, by their names in lower case.
type Keys = BTreeMap<String, Vec<String>>;

// --- the judge ---

/// One character of a pattern.
#[derive(Clone, Copy)]
enum Piece {
    Is(char),
    One,
    Any,
}

/// A pattern with its variables replaced; `None` when one has no value.
fn pieces(text: &str, keys: &Keys, variables: bool) -> Option<Vec<Piece>> {
    let all: Vec<char> = text.chars().collect();
    let (mut out, mut i) = (Vec::new(), 0);
    while i < all.len() {
        let opens = variables && all[i] == '$' && all.get(i + 1) == Some(&'{');
        let closes = all[i..].iter().position(|c| *c == '}').filter(|_| opens);
        if let Some(length) = closes {
            let name: String = all[i + 2..i + length].iter().collect();
            let value = match name.trim() {
                "*" => "*".to_owned(),
                "?" => "?".to_owned(),
                "$" => "$".to_owned(),
                name => keys.get(&name.to_lowercase())?.first()?.clone(),
            };
            out.extend(value.chars().map(Piece::Is));
            i += length + 1;
            continue;
        }
        out.push(match all[i] {
            '*' => Piece::Any,
            '?' => Piece::One,
            c => Piece::Is(c),
        });
        i += 1;
    }
    Some(out)
}

fn fits(pattern: &[Piece], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((Piece::Any, rest)) => (0..=text.len()).any(|n| fits(rest, &text[n..])),
        Some((Piece::One, rest)) => !text.is_empty() && fits(rest, &text[1..]),
        Some((Piece::Is(c), rest)) => text.first() == Some(c) && fits(rest, &text[1..]),
    }
}

fn like(pattern: &[Piece], text: &str) -> bool {
    fits(pattern, &text.chars().collect::<Vec<_>>())
}

fn list(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(all)) => all.iter().map(|v| v.as_str().unwrap().to_owned()).collect(),
        Some(Value::String(one)) => vec![one.clone()],
        _ => Vec::new(),
    }
}

/// Does a statement's selection (`Action` or `NotAction`, …) take `text`? `None` when the statement does not count at all.
fn selects(statement: &Value, what: &str, text: &str, keys: &Keys, variables: bool) -> Option<bool> {
    let not = format!("Not{what}");
    let negated = statement.get(&not).is_some();
    let patterns = list(statement.get(if negated { not.as_str() } else { what }));
    let mut any = false;
    for pattern in patterns {
        match pieces(&pattern, keys, variables) {
            Some(pattern) => any |= like(&pattern, text),
            None if negated => return None,
            None => {}
        }
    }
    Some(any != negated)
}

fn text_of(pieces: &[Piece]) -> String {
    pieces
        .iter()
        .map(|p| match p {
            Piece::Is(c) => *c,
            Piece::One => '?',
            Piece::Any => '*',
        })
        .collect()
}

/// Whether one value of the request fits one value of the condition.
fn fits_value(test: &str, held: &str, wanted: &[Piece]) -> bool {
    let text = text_of(wanted);
    match test {
        "StringEquals" => held == text,
        "StringEqualsIgnoreCase" | "Bool" => held.to_lowercase() == text.to_lowercase(),
        "StringLike" | "ArnLike" | "ArnEquals" => like(wanted, held),
        "NumericLessThan" => matches!((held.parse::<f64>(), text.parse::<f64>()), (Ok(a), Ok(b)) if a < b),
        "NumericGreaterThanEquals" => {
            matches!((held.parse::<f64>(), text.parse::<f64>()), (Ok(a), Ok(b)) if a >= b)
        }
        // All dates here are written alike: they sort as they follow each other.
        "DateLessThan" => held < text.as_str(),
        "IpAddress" => {
            let number =
                |ip: &str| ip.split('.').try_fold(0u64, |n, part| Some(n * 256 + part.parse::<u64>().ok()?));
            let (network, bits) = text.split_once('/').unwrap_or((text.as_str(), "32"));
            let shift = 32 - bits.parse::<u32>().unwrap();
            matches!((number(held), number(network)), (Some(a), Some(b)) if a >> shift == b >> shift)
        }
        other => unreachable!("{other}"),
    }
}

/// Whether a condition holds; `None` when the statement does not count.
fn holds(
    operator: &str,
    key: &str,
    wanted: &[String],
    keys: &Keys,
    variables: bool,
    denies: bool,
) -> Option<bool> {
    // A key whose value nobody here knows: a deny counts, an allow does not.
    if key == "iot:DomainName" {
        return Some(denies);
    }
    let held = keys.get(&key.to_lowercase()).cloned().unwrap_or_default();
    if operator == "Null" {
        return Some(wanted.iter().any(|w| (w == "true") == held.is_empty()));
    }
    let patterns: Option<Vec<Vec<Piece>>> = wanted.iter().map(|w| pieces(w, keys, variables)).collect();
    let patterns = patterns?;
    let (quantity, rest) = operator.split_once(':').unwrap_or(("", operator));
    let (test, if_exists) = match rest.strip_suffix("IfExists") {
        Some(test) => (test, true),
        None => (rest, false),
    };
    let positive = match test {
        "NotIpAddress" => "IpAddress".to_owned(),
        test => test.replace("Not", ""),
    };
    let negated = positive != test;
    // Of a value of the request: does it satisfy the operator against the whole list?
    let satisfied = |value: &String| {
        let equal = patterns.iter().any(|pattern| fits_value(&positive, value, pattern));
        equal != negated
    };
    Some(match quantity {
        "ForAllValues" => held.iter().all(satisfied),
        "ForAnyValue" if held.is_empty() => if_exists,
        "ForAnyValue" => held.iter().any(satisfied),
        _ if held.is_empty() => if_exists || negated,
        // Asked of a key with several values: whether one of them equals, or none does.
        _ if negated => held.iter().all(satisfied),
        _ => held.iter().any(satisfied),
    })
}

/// The statements that allow and those that deny, by policy and position.
fn judged(policies: &[Value], keys: &Keys, action: &str, resource: &str) -> [BTreeSet<(usize, usize)>; 2] {
    let mut sides = [BTreeSet::new(), BTreeSet::new()];
    for (p, policy) in policies.iter().enumerate() {
        let variables = policy["Version"] == "2012-10-17";
        for (s, statement) in policy["Statement"].as_array().unwrap().iter().enumerate() {
            let denies = statement["Effect"] == "Deny";
            let lower = lowered(statement);
            let named = selects(&lower, "Action", &action.to_lowercase(), keys, false);
            let meant = selects(statement, "Resource", resource, keys, variables);
            let mut counts = named == Some(true) && meant == Some(true);
            for (operator, wanted) in
                statement.get("Condition").and_then(Value::as_object).into_iter().flatten()
            {
                for (key, wanted) in wanted.as_object().unwrap() {
                    counts &=
                        holds(operator, key, &list(Some(wanted)), keys, variables, denies) == Some(true);
                }
            }
            if counts {
                sides[usize::from(denies)].insert((p, s));
            }
        }
    }
    sides
}

/// The statement with its actions in lower case: actions are compared without regard to it.
fn lowered(statement: &Value) -> Value {
    let mut statement = statement.clone();
    for key in ["Action", "NotAction"] {
        if let Some(value) = statement.get(key) {
            statement[key] = json!(list(Some(value)).iter().map(|a| a.to_lowercase()).collect::<Vec<_>>());
        }
    }
    statement
}

// --- what is judged ---

const ACTIONS: &[&str] = &["iot:Publish", "iot:Connect", "iot:Subscribe", "iot:Receive", "iot:RetainPublish"];
const ACTION_PATTERNS: &[&str] = &[
    "iot:*",
    "*",
    "iot:Publish",
    "IOT:publish",
    "iot:*Publish",
    "iot:Connect",
    "iot:Subscribe",
    "iot:?eceive",
    "iot:Con*",
];
const ARN: &str = "arn:aws:iot:r:1:";
const TAILS: &[&str] = &[
    "topic/a",
    "topic/a/b",
    "topic/dt/gw-1",
    "topic/dt/*",
    "client/gw-1",
    "topicfilter/a/+",
    "topicfilter/#",
    "topic/é",
];
const PATTERNS: &[&str] = &[
    "*",
    "topic/*",
    "topic/a",
    "topic/?",
    "topic/a/*",
    "topic/dt/${iot:ClientId}",
    "topic/${iot:Connection.Thing.ThingName}*",
    "client/${iot:ClientId}",
    "topicfilter/a/+",
    "topicfilter/*",
    "topic/dt/${*}",
    "topic/${iot:ClientId",
    "*/${aws:SourceIp}",
];
const CONDITIONS: &[(&str, &str, &[&str])] = &[
    ("StringEquals", "iot:ClientId", &["gw-1"]),
    ("StringNotEquals", "iot:ClientId", &["gw-1", "x"]),
    ("StringLike", "iot:ClientId", &["gw-?"]),
    ("StringNotLike", "iot:Connection.Thing.ThingName", &["T*"]),
    ("StringEqualsIfExists", "iot:Connection.Thing.ThingName", &["${iot:ClientId}"]),
    ("StringEqualsIgnoreCase", "IOT:clientid", &["GW-1"]),
    ("StringNotEqualsIgnoreCase", "iot:ClientId", &["GW-1"]),
    ("Bool", "iot:Connection.Thing.IsAttached", &["TRUE"]),
    ("Null", "iot:Connection.Thing.ThingName", &["true"]),
    ("Null", "iot:Connection.Thing.ThingName", &["false"]),
    ("IpAddress", "aws:SourceIp", &["10.0.0.0/8", "192.0.2.7"]),
    ("NotIpAddress", "aws:SourceIp", &["10.1.0.0/16"]),
    ("NumericLessThan", "aws:EpochTime", &["1000"]),
    ("NumericGreaterThanEquals", "aws:EpochTime", &["${aws:EpochTime}", "x"]),
    ("DateLessThan", "aws:CurrentTime", &["2026-11-28T00:00:00Z"]),
    ("ForAllValues:StringEquals", "iot:ConnectAttributes", &["PersistentConnect"]),
    ("ForAllValues:StringNotEquals", "iot:ConnectAttributes", &["PersistentConnect"]),
    ("ForAnyValue:StringEquals", "iot:ConnectAttributes", &["LastWill", "PersistentConnect"]),
    ("ForAnyValue:StringNotEquals", "iot:ConnectAttributes", &["LastWill"]),
    ("StringEquals", "iot:ConnectAttributes", &["LastWill"]),
    ("StringNotEquals", "iot:ConnectAttributes", &["LastWill"]),
    ("ArnLike", "iot:Connection.Thing.Attributes[arn]", &["arn:*:x"]),
    ("StringEquals", "iot:DomainName", &["x"]),
    ("StringNotEqualsIfExists", "iot:DomainName", &["x"]),
];

fn some<'a, T>(rng: &mut Rng, of: &'a [T]) -> &'a T {
    &of[rng.usize(..of.len())]
}

fn selection(rng: &mut Rng, what: &str, of: impl Fn(&mut Rng) -> String) -> (String, Value) {
    let name = if rng.u8(..10) == 0 { format!("Not{what}") } else { what.to_owned() };
    let value = match rng.usize(1..4) {
        1 => json!(of(rng)),
        n => json!((0..n).map(|_| of(rng)).collect::<Vec<_>>()),
    };
    (name, value)
}

fn policy(rng: &mut Rng) -> Value {
    let statements: Vec<Value> = (0..rng.usize(1..4))
        .map(|_| {
            let mut statement = json!({"Effect": if rng.u8(..4) == 0 { "Deny" } else { "Allow" }});
            let (name, value) = selection(rng, "Action", |rng| (*some(rng, ACTION_PATTERNS)).to_owned());
            statement[name] = value;
            let (name, value) = selection(rng, "Resource", |rng| match *some(rng, PATTERNS) {
                "*" => "*".to_owned(),
                tail => format!("{}{tail}", some(rng, &[ARN, ARN, "arn:*:"])),
            });
            statement[name] = value;
            if rng.u8(..3) == 0 {
                let mut conditions = json!({});
                for _ in 0..rng.usize(1..3) {
                    let (operator, key, wanted) = some(rng, CONDITIONS);
                    conditions[*operator][*key] = json!(wanted);
                }
                statement["Condition"] = conditions;
            }
            statement
        })
        .collect();
    let version = if rng.u8(..8) == 0 { "2008-10-17" } else { "2012-10-17" };
    json!({"Version": version, "Statement": statements})
}

/// Keys of a connection; of each, none, one or several values.
const VALUES: &[(&str, &[&str])] = &[
    ("iot:ClientId", &["gw-1", "Thing02", "*", "a"]),
    ("iot:Connection.Thing.ThingName", &["Thing02", "a", "gw-1"]),
    ("iot:Connection.Thing.IsAttached", &["true", "false"]),
    ("aws:SourceIp", &["10.1.2.3", "192.0.2.7", "10.9.9.9"]),
    ("aws:EpochTime", &["999", "1000", "1001"]),
    ("aws:CurrentTime", &["2026-11-27T23:59:59Z", "2026-11-28T00:00:00Z"]),
    ("iot:ConnectAttributes", &["PersistentConnect", "LastWill"]),
    ("iot:Connection.Thing.Attributes[arn]", &["arn:aws:x", "x"]),
];

fn keys(rng: &mut Rng) -> Keys {
    let mut keys = Keys::new();
    for (key, values) in VALUES {
        let count =
            if *key == "iot:ConnectAttributes" { rng.usize(..3) } else { usize::from(rng.u8(..4) > 0) };
        let held: Vec<String> = (0..count).map(|_| (*some(rng, values)).to_owned()).collect();
        if !held.is_empty() {
            keys.insert(key.to_lowercase(), held);
        }
    }
    keys
}

fn context(keys: &Keys) -> Context {
    let mut context = Context::default();
    for (key, values) in keys {
        values.iter().for_each(|value| context.add(key, value.as_str()));
    }
    context
}

fn read(policies: &[Value]) -> Vec<(String, Document)> {
    let parse = |(i, policy): (usize, &Value)| (i.to_string(), Document::parse(&policy.to_string()).unwrap());
    policies.iter().enumerate().map(parse).collect()
}

fn request(rng: &mut Rng) -> (String, String) {
    ((*some(rng, ACTIONS)).to_owned(), format!("{ARN}{}", some(rng, TAILS)))
}

#[test]
fn the_evaluator_decides_as_the_obvious_judge_does() {
    let mut rng = Rng::with_seed(SEED);
    let mut seen = [0; 3];
    for round in 0..PAIRS {
        let policies: Vec<Value> = (0..rng.usize(1..4)).map(|_| policy(&mut rng)).collect();
        let keys = keys(&mut rng);
        let (action, resource) = request(&mut rng);
        let [allow, deny] = judged(&policies, &keys, &action, &resource);
        let documents = read(&policies);
        let bound =
            Bound::new(documents.iter().map(|(n, d)| (n.as_str(), d)), &context(&keys), Doubt::Closed);
        let ids = |list: &[quell_rules::policy::StatementId]| -> BTreeSet<(usize, usize)> {
            list.iter().map(|s| (s.policy.parse().unwrap(), s.index)).collect()
        };
        let told = || format!("round {round}: {action} on {resource} with {keys:?}\n{policies:#?}");
        let (by, despite, kind) = match bound.decide(&action, &resource) {
            Decision::Allowed { by } => (BTreeSet::new(), ids(&by), 0),
            Decision::ExplicitDeny { by, despite } => (ids(&by), ids(&despite), 1),
            Decision::ImplicitDeny { .. } => (BTreeSet::new(), BTreeSet::new(), 2),
        };
        assert_eq!((&by, &despite), (&deny, &allow), "{}", told());
        assert_eq!(bound.allows(&action, &resource), deny.is_empty() && !allow.is_empty(), "{}", told());
        seen[kind] += 1;
    }
    assert!(seen.iter().all(|n| *n > PAIRS / 20), "the pairs are one-sided: {seen:?}");
}

/// What is certain in doubt is so whatever the unknown values are.
#[test]
fn what_is_certain_in_doubt_holds_for_every_value() {
    let mut rng = Rng::with_seed(SEED);
    let (mut certain, mut open) = (0, 0);
    for round in 0..DOUBTED {
        let policies: Vec<Value> = (0..rng.usize(1..3)).map(|_| policy(&mut rng)).collect();
        let all = keys(&mut rng);
        let (action, resource) = request(&mut rng);
        let hidden: Vec<&str> = VALUES.iter().map(|(key, _)| *key).filter(|_| rng.u8(..3) == 0).collect();
        let mut told = all.clone();
        told.retain(|key, _| !hidden.iter().any(|h| h.eq_ignore_ascii_case(key)));
        let mut partial = context(&told);
        hidden.iter().for_each(|key| partial.unknown(key));
        let documents = read(&policies);
        let bound = |context: &Context, doubt| {
            Bound::new(documents.iter().map(|(n, d)| (n.as_str(), d)), context, doubt)
                .allows(&action, &resource)
        };
        let truth = bound(&context(&all), Doubt::Closed);
        let [closed, wide] = [Doubt::Closed, Doubt::Open].map(|doubt| bound(&partial, doubt));
        let told = || {
            format!("round {round}: {action} on {resource} with {all:?} without {hidden:?}\n{policies:#?}")
        };
        assert!(!closed || truth, "allowed for certain, and is not: {}", told());
        assert!(wide || !truth, "refused for certain, and is allowed: {}", told());
        certain += usize::from(closed == wide);
        open += usize::from(closed != wide);
    }
    assert!(certain > DOUBTED / 2 && open > DOUBTED / 50, "{certain} certain, {open} open");
}
