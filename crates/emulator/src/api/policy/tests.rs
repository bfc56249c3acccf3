//! Inheritance, and the cache.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::api::identity::{CertStatus, Target, issue};
use crate::api::registry::{GroupSpec, ThingSpec, add_to_group, remove_from_group};
use crate::broker::Principal;
use crate::clock::Clock;
use crate::store::Wal;

const ALLOW: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;
const DENY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iot:*","Resource":"*"}]}"#;

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
