//! Text from outside, as it is and mutated: statements, templates, payloads and profile files. Nothing of it may panic, and
//! each is done with in bounded time and memory. The corpora are the files in `corpus/`; the mutations are the same in every
//! run.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "../../../tests/common/mutate.rs"]
#[expect(dead_code, reason = "shared with the tests of the other crates, which need more of it")]
mod mutate;

use mutate::{Rng, SEED};
use quell_rules::detect::{file, validate};
use quell_rules::sql::{Message, Outcome, Statement, Version};

/// Statements tried, each with several payloads.
const ROUNDS: usize = 10_000;
/// Pieces that mean something somewhere.
const PIECES: &[&str] = &[
    "SELECT",
    " FROM ",
    " WHERE ",
    " AS ",
    "SET @a = ",
    "@a",
    "VALUE ",
    "*",
    "(",
    ")",
    "[",
    "]",
    "{'a':",
    "}",
    "'",
    "\"",
    "\\",
    ",",
    ".",
    " AND ",
    " OR ",
    " NOT ",
    " IN ",
    "exists ",
    "CASE ",
    " WHEN ",
    " THEN ",
    " END",
    "cast(",
    " as Int)",
    "-",
    "1e309",
    "9223372036854775807",
    "0.0",
    "null",
    "undefined",
    "topic(",
    "replace(p, 'a', p)",
    "regexp_replace(p, '(a*)*', '$0$0')",
    "(SELECT VALUE * FROM e)",
    "transform('enrichArray', *, e)",
    "parse_time(p, 0)",
    "time_to_epoch(ts, p)",
    "${",
    "$$",
    "#",
    "+",
    "/",
    "é",
    "\u{0}",
    "\u{202e}",
    "😀",
    "+aéb",
    "UTC-",
    "zzzz",
    "SSSSSSSSSSSS",
    ";",
    "--",
    "\n",
];

fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    mutate::corpus(&format!("tests/corpus/{name}"))
}

fn texts(name: &str) -> Vec<String> {
    mutate::texts(&format!("tests/corpus/{name}"))
}

/// A few changes to one of the texts.
fn mutated(texts: &[String], rng: &mut Rng) -> String {
    mutate::mutated(texts, PIECES, rng)
}

fn message(payload: &[u8]) -> Message<'_> {
    Message {
        topic: "in/é/Thing01",
        payload,
        client_id: Some("Thing01"),
        principal: None,
        source_ip: None,
        now_ms: 1_573_786_800_000,
        account_id: "123456789012",
        trace_id: "trace",
        shadow: Some(&|_, _| Some(serde_json::json!({"state": {"reported": {"a": 1}}}))),
        registry: None,
        properties: None,
    }
}

#[test]
fn statements_of_the_corpus_parse_and_give_something() {
    for (name, sql) in corpus("sql") {
        let sql = String::from_utf8(sql).unwrap();
        let statement =
            Statement::parse(&sql, Version::V2016_03_23).unwrap_or_else(|e| panic!("{name}: {e}"));
        statement.remarks();
        for (payload, bytes) in corpus("payloads") {
            let outcome = statement.evaluate(&message(&bytes));
            assert_ne!(outcome, Outcome::TooMuch, "{name} on {payload}");
            if payload == "zone.json" && name == "time_zone.sql" {
                assert_eq!(outcome, Outcome::Selected("{}".into()));
            }
        }
    }
}

#[test]
fn mutated_statements_and_payloads_are_survived() {
    let (mut rng, statements) = (Rng::with_seed(SEED), texts("sql"));
    let payloads = corpus("payloads");
    let whole: Vec<String> = payloads.iter().filter_map(|(_, b)| String::from_utf8(b.clone()).ok()).collect();
    let mut parsed = 0;
    for _ in 0..ROUNDS {
        let sql = mutated(&statements, &mut rng);
        for version in [Version::V2015_10_08, Version::V2016_03_23] {
            let Ok(statement) = Statement::parse(&sql, version) else { continue };
            parsed += 1;
            statement.remarks();
            statement.evaluate(&message(&rng.choice(&payloads).unwrap().1));
            statement.evaluate(&message(mutated(&whole, &mut rng).as_bytes()));
        }
    }
    assert!(parsed > ROUNDS / 20, "too few of the mutations are statements still: {parsed}");
}

#[test]
fn mutated_templates_are_survived() {
    let (mut rng, templates) = (Rng::with_seed(SEED), texts("templates"));
    let payloads = corpus("payloads");
    let sql = "SET @a = state.reported, @b = @a.temperature SELECT * FROM 'a'";
    let statement = Statement::parse(sql, Version::V2016_03_23).unwrap();
    for _ in 0..ROUNDS {
        let text = mutated(&templates, &mut rng);
        if let Ok(template) = statement.template(&text) {
            template.render(&message(&rng.choice(&payloads).unwrap().1));
        }
    }
}

#[test]
fn mutated_profiles_are_survived() {
    let mut rng = Rng::with_seed(SEED);
    for (name, bytes) in corpus("profiles") {
        let text = String::from_utf8(bytes).unwrap();
        let toml = name.ends_with(".toml");
        file::parse(&text, toml).unwrap_or_else(|e| panic!("{name}: {e}"));
        for _ in 0..ROUNDS / 4 {
            let text = mutated(std::slice::from_ref(&text), &mut rng);
            for profile in file::parse(&text, toml).into_iter().flatten() {
                validate::valid_name(&profile.security_profile_name);
                let _ = (profile.canonical(), profile.dimensions(), profile.alert());
            }
        }
    }
}
