//! Policies: what documents decide, each rule alone; beside them AWS's own examples (`examples`) and a slow judge
//! (`reference`).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "../../../../tests/common/mutate.rs"]
#[expect(dead_code, reason = "shared with the tests of the other crates, which need more of it")]
mod mutate;

mod examples;
mod reference;

use mutate::{Rng, SEED};
use proptest::prelude::*;
use quell_rules::policy::{Bound, Context, Decision, Document, Doubt, Why};

const ALLOW: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;
const DENY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iot:*","Resource":"*"}]}"#;
const ARN: &str = "arn:aws:iot:us-east-1:123456789012:";

fn statement(effect: &str, action: &str, resource: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"{effect}","Action":"{action}","Resource":"{resource}"}}}}"#
    )
}

fn escaped(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    quoted.trim_matches('"').to_owned()
}

/// Documents bound to a context, each under its position as its name. One that does not parse says nothing.
fn bind(documents: &[&str], context: &Context) -> Bound {
    let read: Vec<(String, Document)> = documents
        .iter()
        .enumerate()
        .map(|(i, text)| (i.to_string(), Document::parse(text).unwrap_or_default()))
        .collect();
    Bound::new(read.iter().map(|(name, document)| (name.as_str(), document)), context, Doubt::Closed)
}

#[test]
fn a_decision_names_the_statements_and_what_they_lacked() {
    let document = serde_json::json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "Own", "Effect": "Allow", "Action": "iot:Publish", "Resource": format!("{ARN}topic/dt/${{iot:ClientId}}")},
        {"Effect": "Allow", "Action": "iot:*", "Resource": format!("{ARN}topic/open/*")},
        {"Sid": "Home", "Effect": "Allow", "Action": "iot:Publish", "Resource": "*",
         "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
        {"Effect": "Allow", "Action": "iot:Publish", "Resource": "*",
         "Condition": {"StringEquals": {"iot:DomainName": "x"}}},
        {"Sid": "Never", "Effect": "Deny", "Action": "iot:Publish", "Resource": format!("{ARN}topic/open/secret")},
    ]})
    .to_string();
    let document = Document::parse(&document).unwrap();
    let mut context = Context::default();
    context.set("aws:SourceIp", "192.0.2.1");
    let decide = |context: &Context, topic: &str| {
        let bound = Bound::new([("Sensors", &document)], context, Doubt::Closed);
        bound.decide("iot:Publish", &format!("{ARN}topic/{topic}"))
    };
    let Decision::ImplicitDeny { missed } = decide(&context, "dt/a") else { unreachable!() };
    let said: Vec<String> = missed.iter().map(|m| format!("{}: {}", m.statement, m.why)).collect();
    assert_eq!(
        said,
        [
            "Sensors statement 1 (Own): ${iot:ClientId} has no value on this connection",
            "Sensors statement 2: its resources do not match",
            "Sensors statement 3 (Home): its condition IpAddress on aws:SourceIp does not hold",
            "Sensors statement 4: the value of iot:DomainName is not known here",
        ]
    );
    assert_eq!(missed.first().map(|m| &m.why), Some(&Why::NoValue("iot:ClientId".to_owned())));
    context.set("iot:ClientId", "a");
    let Decision::Allowed { by } = decide(&context, "dt/a") else { unreachable!() };
    assert_eq!(by.iter().map(ToString::to_string).collect::<Vec<_>>(), ["Sensors statement 1 (Own)"]);
    let Decision::ExplicitDeny { by, despite } = decide(&context, "open/secret") else { unreachable!() };
    assert_eq!((by.len(), despite.len()), (1, 1));
    assert_eq!((by[0].index, by[0].sid.as_deref(), despite[0].index), (4, Some("Never"), 1));
}

#[test]
fn what_is_not_known_may_be_either_way() {
    let mut context = Context::default();
    context.unknown("iot:Certificate.");
    context.unknown("aws:SourceIp");
    let both = |documents: &[&str], action: &str, resource: &str| {
        let read: Vec<Document> = documents.iter().map(|text| Document::parse(text).unwrap()).collect();
        [Doubt::Closed, Doubt::Open]
            .map(|doubt| Bound::new(read.iter().map(|d| ("p", d)), &context, doubt).allows(action, resource))
    };
    let named =
        statement("Allow", "iot:Publish", &format!("{ARN}topic/${{iot:Certificate.Subject.CommonName}}/a"));
    assert_eq!(both(&[&named], "iot:Publish", &format!("{ARN}topic/x/a")), [false, true]);
    assert_eq!(both(&[&named], "iot:Publish", &format!("{ARN}topic/x/b")), [false, false], "whatever it is");
    let home = ALLOW.replace(
        r#""Resource":"*""#,
        r#""Resource":"*","Condition":{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#,
    );
    assert_eq!(both(&[&home], "iot:Publish", ARN), [false, true]);
    let abroad = home.replace("Allow", "Deny");
    assert_eq!(both(&[ALLOW, &abroad], "iot:Publish", ARN), [false, true]);
    assert_eq!(both(&[ALLOW], "iot:Publish", ARN), [true, true], "nothing hangs on it");
    assert_eq!(both(&[DENY, &home], "iot:Publish", ARN), [false, false]);
}

#[test]
fn an_explicit_deny_beats_an_allow_and_silence_denies() {
    let context = Context::default();
    let topic = format!("{ARN}topic/a");
    assert_eq!(
        bind(&[], &context).decide("iot:Publish", &topic),
        Decision::ImplicitDeny { missed: Vec::new() }
    );
    assert!(bind(&[ALLOW], &context).allows("iot:Publish", &topic));
    assert!(matches!(
        bind(&[ALLOW, DENY], &context).decide("iot:Publish", &topic),
        Decision::ExplicitDeny { .. }
    ));
    assert!(matches!(
        bind(&[DENY, ALLOW], &context).decide("iot:Publish", &topic),
        Decision::ExplicitDeny { .. }
    ));
    let connect_only = statement("Allow", "iot:connect", "*");
    assert!(bind(&[&connect_only], &context).allows("iot:Connect", &topic), "actions ignore case");
    assert!(!bind(&[&connect_only], &context).allows("iot:Publish", &topic));
}

#[test]
fn variables_are_literal_text_and_an_unresolved_one_matches_nothing() {
    let mut context = Context::default();
    let own = statement("Allow", "iot:Publish", &format!("{ARN}topic/dt/${{iot:ClientId}}/*"));
    let topic = |rest: &str| format!("{ARN}topic/dt/{rest}");
    let bound = bind(&[&own], &context);
    assert!(!bound.allows("iot:Publish", &topic("a/x")));
    assert_eq!(bound.missing().collect::<Vec<_>>(), ["iot:ClientId"]);
    context.set("iot:ClientId", "a");
    assert!(bind(&[&own], &context).allows("iot:Publish", &topic("a/x")));
    assert!(!bind(&[&own], &context).allows("iot:Publish", &topic("b/x")));
    let mut star = Context::default();
    star.set("iot:clientid", "*");
    assert!(!bind(&[&own], &star).allows("iot:Publish", &topic("a/x")), "a client id is no wildcard");
    assert!(bind(&[&own], &star).allows("iot:Publish", &topic("*/x")));
    let old = own.replace("2012-10-17", "2008-10-17");
    assert!(!bind(&[&old], &context).allows("iot:Publish", &topic("a/x")), "no variables before 2012-10-17");
}

#[test]
fn conditions_narrow_statements() {
    let mut context = Context::default();
    context.set("iot:Connection.Thing.IsAttached", "true");
    context.set("aws:SourceIp", "10.1.2.3");
    context.set("iot:Connection.Thing.ThingTypeName", "sensor");
    let with = |condition: &str| {
        ALLOW.replace(r#""Resource":"*""#, &format!(r#""Resource":"*","Condition":{condition}"#))
    };
    let holds = |condition: &str| bind(&[&with(condition)], &context).allows("iot:Connect", "x");
    assert!(holds(r#"{"Bool":{"iot:Connection.Thing.IsAttached":["true"]}}"#));
    assert!(!holds(r#"{"Bool":{"iot:Connection.Thing.IsAttached":false}}"#));
    assert!(holds(r#"{"IpAddress":{"aws:SourceIp":["192.0.2.0/24","10.0.0.0/8"]}}"#));
    assert!(!holds(r#"{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#));
    assert!(holds(r#"{"StringLike":{"iot:Connection.Thing.ThingTypeName":"sen*"}}"#));
    assert!(!holds(r#"{"StringEquals":{"iot:Connection.Thing.ThingTypeName":"sen*"}}"#));
    assert!(!holds(r#"{"StringEquals":{"iot:ClientId":"x"}}"#));
    assert!(holds(r#"{"StringEqualsIfExists":{"iot:ClientId":"x"}}"#));
    assert!(holds(r#"{"StringNotEquals":{"iot:ClientId":"x"}}"#));
    assert!(holds(r#"{"Null":{"iot:ClientId":"true"}}"#));
    assert!(holds(r#"{"ForAllValues:StringLike":{"iot:Connection.Thing.ThingTypeName":["s*"]}}"#));
    assert!(!holds(
        r#"{"StringEquals":{"iot:Connection.Thing.ThingTypeName":"sensor"},"IpAddress":{"aws:SourceIp":"11.0.0.1"}}"#
    ));
    assert!(Document::parse(&with(r#"{"StringSounds":{"a":"b"}}"#)).is_err());
    assert!(Document::parse("{}").is_err(), "a policy has statements");
}

#[test]
fn a_key_of_several_values_is_judged_by_all_or_by_any() {
    let with = |condition: &str| {
        ALLOW.replace(r#""Resource":"*""#, &format!(r#""Resource":"*","Condition":{condition}"#))
    };
    let attributes = |names: &[&str]| {
        let mut context = Context::default();
        names.iter().for_each(|name| context.add("iot:ConnectAttributes", *name));
        context
    };
    let only = |quantity: &str, values: &str| {
        let condition = format!(r#"{{"{quantity}":{{"iot:ConnectAttributes":[{values}]}}}}"#);
        [&[][..], &["PersistentConnect"], &["LastWill"], &["PersistentConnect", "LastWill"]]
            .map(|names| bind(&[&with(&condition)], &attributes(names)).allows("iot:Connect", "x"))
    };
    let persistent = r#""PersistentConnect""#;
    assert_eq!(only("ForAllValues:StringEquals", persistent), [true, true, false, false]);
    assert_eq!(only("ForAllValues:StringNotEquals", persistent), [true, false, true, false]);
    assert_eq!(only("ForAnyValue:StringEquals", persistent), [false, true, false, true]);
    assert_eq!(only("ForAnyValue:StringNotEquals", persistent), [false, false, true, true]);
    assert_eq!(only("StringEquals", persistent), [false, true, false, true]);
    let both = r#""PersistentConnect","LastWill""#;
    assert_eq!(only("ForAllValues:StringEquals", both), [true; 4]);
}

#[test]
fn a_key_that_is_not_modelled_never_opens_anything() {
    let mut context = Context::default();
    context.set("iot:DomainName", "x");
    let allow = |condition: &str| {
        let document =
            ALLOW.replace(r#""Resource":"*""#, &format!(r#""Resource":"*","Condition":{condition}"#));
        bind(&[&document], &context).allows("iot:Connect", "x")
    };
    let deny = |condition: &str| {
        let document =
            DENY.replace(r#""Resource":"*""#, &format!(r#""Resource":"*","Condition":{condition}"#));
        !bind(&[ALLOW, &document], &context).allows("iot:Connect", "x")
    };
    for condition in [
        r#"{"StringEquals":{"iot:DomainName":"x"}}"#,
        r#"{"StringNotEquals":{"aws:PrincipalOrgID":"x"}}"#,
        r#"{"StringEqualsIfExists":{"aws:PrincipalOrgID":"x"}}"#,
        r#"{"ForAllValues:StringLike":{"aws:TagKeys":["*"]}}"#,
        r#"{"Null":{"aws:PrincipalOrgID":"true"}}"#,
        r#"{"Null":{"aws:PrincipalOrgID":"false"}}"#,
    ] {
        assert!(!allow(condition), "{condition}");
        assert!(deny(condition), "{condition}");
    }
}

#[test]
fn dates_are_compared_as_instants() {
    let mut context = Context::default();
    context.set("aws:CurrentTime", "2026-11-28T06:00:00Z");
    context.set("aws:EpochTime", "1795845600");
    let holds = |condition: &str| {
        let document =
            ALLOW.replace(r#""Resource":"*""#, &format!(r#""Resource":"*","Condition":{condition}"#));
        bind(&[&document], &context).allows("iot:Connect", "x")
    };
    for condition in [
        r#"{"DateGreaterThan":{"aws:CurrentTime":"2026-11-28T05:59:59Z"}}"#,
        r#"{"DateLessThan":{"aws:CurrentTime":["2020-01-01","2026-11-29"]}}"#,
        r#"{"DateEquals":{"aws:CurrentTime":"2026-11-28T07:00:00+01:00"}}"#,
        r#"{"DateNotEquals":{"aws:CurrentTime":"2026"}}"#,
        r#"{"DateGreaterThanEquals":{"aws:EpochTime":"1795845600"}}"#,
        r#"{"NumericLessThanEquals":{"aws:EpochTime":1795845600}}"#,
    ] {
        assert!(holds(condition), "{condition}");
    }
    for condition in [
        r#"{"DateLessThan":{"aws:CurrentTime":"2026-11"}}"#,
        r#"{"DateGreaterThan":{"aws:CurrentTime":"soon"}}"#,
        r#"{"DateEquals":{"aws:SourceIp":"2026-11-28"}}"#,
    ] {
        assert!(!holds(condition), "{condition}");
    }
}

proptest! {
    #[test]
    fn no_order_of_statements_lets_an_allow_beat_a_deny(order in proptest::collection::vec(any::<bool>(), 1..6)) {
        let documents: Vec<&str> = order.iter().map(|allow| if *allow { ALLOW } else { DENY }).collect();
        let bound = bind(&documents, &Context::default());
        prop_assert_eq!(bound.allows("iot:Publish", "arn:x"), order.iter().all(|allow| *allow));
    }

    #[test]
    fn no_document_panics(text in "\\PC{0,200}") {
        let _ = Document::parse(&text);
        let _ = Document::parse(&statement("Allow", &text, "*"));
        let mut context = Context::default();
        context.set("iot:ClientId", text.clone());
        if let Ok(document) = Document::parse(&statement("Allow", "iot:Publish", &format!("arn:{}", escaped(&text)))) {
            let _ = Bound::new([("p", &document)], &context, Doubt::Closed).decide("iot:Publish", &text);
        }
    }
}

#[test]
fn mutated_documents_are_survived() {
    const PIECES: &[&str] = &[
        "${iot:ClientId}",
        "${",
        "ForAnyValue:",
        "IfExists",
        "NotIpAddress",
        "/33",
        "Numeric",
        "Date",
        "iot:*",
    ];
    let (mut rng, texts) = (Rng::with_seed(SEED), mutate::texts("tests/corpus/policies"));
    for text in &texts {
        Document::parse(text).unwrap();
    }
    let mut parsed = 0;
    for _ in 0..10_000 {
        let text = mutate::mutated(&texts, PIECES, &mut rng);
        parsed += usize::from(Document::parse(&text).is_ok());
        let mut context = Context::default();
        context.set("iot:ClientId", "Thing\u{e9}02");
        context.set("aws:SourceIp", "10.0.0.7");
        let bound = bind(&[&text], &context);
        for resource in ["arn:aws:iot:us-east-1:123456789012:topic/temperature-device-\u{e9}", "", "*"] {
            let _ = bound.decide("iot:Publish", resource);
        }
    }
    assert!(parsed > 500, "too few of the mutations are documents still: {parsed}");
}
