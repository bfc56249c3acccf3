//! Decisions, inheritance, and the cache.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::evaluate::Context;
use super::*;
use crate::api::identity::{CertStatus, Target, issue};
use crate::api::registry::{GroupSpec, ThingSpec, add_to_group, remove_from_group};
use crate::broker::Principal;
use crate::clock::Clock;
use crate::mutate::{self, Rng, SEED};
use crate::store::Wal;

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

fn bind(documents: &[&str], context: &Context) -> Bound {
    Bound::new(documents.iter().map(|d| ("p", *d)), context)
}

#[test]
fn an_explicit_deny_beats_an_allow_and_silence_denies() {
    let context = Context::default();
    let topic = format!("{ARN}topic/a");
    assert_eq!(bind(&[], &context).decide("iot:Publish", &topic), Decision::ImplicitDeny);
    assert!(bind(&[ALLOW], &context).allows("iot:Publish", &topic));
    assert!(matches!(
        bind(&[ALLOW, DENY], &context).decide("iot:Publish", &topic),
        Decision::ExplicitDeny(..)
    ));
    assert!(matches!(
        bind(&[DENY, ALLOW], &context).decide("iot:Publish", &topic),
        Decision::ExplicitDeny(..)
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
    assert!(!bind(&[&own], &context).allows("iot:Publish", &topic("a/x")));
    assert_eq!(context.missing(), ["iot:ClientId"]);
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

struct World {
    account: Arc<Account>,
    certificate: String,
}

fn world() -> World {
    let account = Account::open("123456789012", "us-east-1", Clock::new(1.0), Wal::default(), "test", "test");
    let certificate = {
        let mut state = account.write();
        let pem = issue::keys_and_certificate(issue::KeyKind::P256).unwrap().certificate_pem;
        let id = state.identity.register_certificate(&pem, CertStatus::Active, false, None, 1).unwrap();
        state.registry.create_thing("Thing02", ThingSpec::default(), 1).unwrap();
        state.registry.create_group("Parent", GroupSpec::default(), 1).unwrap();
        let child = GroupSpec { parent: Some("Parent".to_owned()), ..GroupSpec::default() };
        state.registry.create_group("IsolatedDevices", child, 1).unwrap();
        state.identity.attach_thing(&id, "Thing02", None).unwrap();
        state.identity.create_policy("AllowAll", ALLOW, 1).unwrap();
        state.identity.create_policy("DenyAll", DENY, 1).unwrap();
        state.identity.attach_policy("AllowAll", &Target::Principal(id.clone())).unwrap();
        state.identity.attach_policy("DenyAll", &Target::Group("Parent".to_owned())).unwrap();
        id
    };
    World { account, certificate }
}

impl World {
    fn session(&self, serial: u64, client_id: &str) -> Session {
        Session {
            client_id: client_id.into(),
            principal: Principal::Certificate(self.certificate.clone()),
            serial,
            ip: IpAddr::from([127, 0, 0, 1]),
            attributes: Default::default(),
        }
    }

    fn may(&self, session: &Session, action: Action, resource: &str, at: Instant) -> bool {
        self.account.policies.authorize(&self.account, session, action, resource, at)
    }

    fn publishes(&self, session: &Session, at: Instant) -> bool {
        self.may(session, Action::Publish, "temperature-device-02", at)
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_isolated_device_talks_until_its_cached_policies_expire() {
    let (world, start) = (world(), Instant::now());
    let (device, other) = (world.session(1, "Thing02"), world.session(2, "SensorDevice02"));
    assert!(world.publishes(&device, start) && world.publishes(&other, start));
    add_to_group(&world.account, "Thing02", "IsolatedDevices", false).unwrap();
    assert!(world.publishes(&device, start + 419 * SECOND));
    assert!(!world.publishes(&device, start + 420 * SECOND), "the ancestor's deny reaches the member");
    assert!(
        world.publishes(&other, start + 900 * SECOND),
        "a client id that is not the thing's name is untouched"
    );
}

#[test]
fn cutting_the_connection_brings_the_deny_forward_after_a_short_while() {
    let (world, start) = (world(), Instant::now());
    let first = world.session(1, "Thing02");
    assert!(world.publishes(&first, start));
    add_to_group(&world.account, "Thing02", "IsolatedDevices", false).unwrap();
    let policies = &world.account.policies;
    let cut = start + 5 * SECOND;
    policies.forget(&world.account, &first, cut);
    let second = world.session(2, "Thing02");
    assert!(world.may(&second, Action::Connect, "Thing02", cut + SECOND), "not everywhere yet");
    policies.forget(&world.account, &second, cut + 2 * SECOND);
    let third = world.session(3, "Thing02");
    assert!(world.may(&third, Action::Connect, "Thing02", cut + 19 * SECOND));
    policies.forget(&world.account, &third, cut + 20 * SECOND);
    let fourth = world.session(4, "Thing02");
    assert!(!world.may(&fourth, Action::Connect, "Thing02", cut + 21 * SECOND));

    remove_from_group(&world.account, "Thing02", "IsolatedDevices").unwrap();
    let fifth = world.session(5, "Thing02");
    assert!(!world.may(&fifth, Action::Connect, "Thing02", cut + 22 * SECOND), "a release takes as long");
    let sixth = world.session(6, "Thing02");
    assert!(world.may(&sixth, Action::Connect, "Thing02", cut + 42 * SECOND));
}

#[test]
fn a_principal_without_policies_is_looked_up_afresh() {
    let (world, start) = (world(), Instant::now());
    let session = world.session(1, "x");
    world.account.write().identity.detach_policy("AllowAll", &Target::Principal(world.certificate.clone()));
    assert!(!world.may(&session, Action::Connect, "x", start));
    world
        .account
        .write()
        .identity
        .attach_policy("AllowAll", &Target::Principal(world.certificate.clone()))
        .unwrap();
    assert!(world.may(&world.session(2, "x"), Action::Connect, "x", start));
}

#[test]
fn thing_variables_and_attachment_reach_policies() {
    let world = world();
    let state = world.account.read();
    let effective = effective_policies(&state, &world.certificate, Some("Thing02"));
    assert_eq!(effective.thing.as_deref(), Some("Thing02"));
    let ip = Some(IpAddr::from([10, 0, 0, 1]));
    let context = context_of(&state, &world.certificate, Some("Thing02"), Some("Thing02"), ip, 0);
    for (key, value) in [
        ("iot:Connection.Thing.ThingName", "Thing02"),
        ("iot:Connection.Thing.IsAttached", "true"),
        ("iot:Certificate.Subject.CommonName", "AWS IoT Certificate"),
        ("aws:SourceIp", "10.0.0.1"),
        ("iot:CertificateId", world.certificate.as_str()),
    ] {
        assert_eq!(context.get(key), Some(value), "{key}");
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
        let _ = context.substitute(&text);
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
    let (mut rng, texts) = (Rng::with_seed(SEED), mutate::texts("corpus/policies"));
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
