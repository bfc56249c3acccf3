//! The account a workshop starts with (docs/aws-iot.md#1.6): things, certificates and shadows here, what stands without a
//! device in `resources.rs`, the certificates of a large fleet in `late.rs`.

mod late;
mod resources;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::account::Account;
use super::api::ApiError;
use super::api::identity::certificate_id_of;
use super::api::registry::ThingSpec;
use super::api::shadows;
use super::credentials::{CredentialsDir, KeyPairPem};
use super::devices::{DeviceSpec, Kind};
pub use late::{Late, equip_all};

/// Devices whose certificates are made before start-up is done; a key takes a millisecond or so.
const AT_ONCE: usize = 200;

/// The simulated devices.
#[derive(Default)]
pub struct Seeded {
    /// Those that can connect.
    pub specs: Vec<DeviceSpec>,
    /// Those that are registered and get their certificates while the emulator is running.
    pub late: Vec<Late>,
}

/// The fixture things, in the order a smaller `--devices N` takes them.
const FIXTURE: [(&str, Kind); 6] = [
    ("Thing01", Kind::Sensor),
    ("Thing02", Kind::Sensor),
    ("Thing03", Kind::SensorWithAgent),
    ("dev-IZWB", Kind::Generic),
    ("dev-XBHY", Kind::Generic),
    ("IoTTemperatureDemoDevice", Kind::ShadowSensor),
];

/// Those the workshop's job updates: what measures temperature and does not misbehave. Members of NeedsUpdate.
const NEED_UPDATE: [&str; 3] = ["Thing01", "Thing03", "IoTTemperatureDemoDevice"];

/// The one a participant starts by the text: from scratch it is registered, its certificate lies ready, and nothing runs for it.
const TO_BE_STARTED: &str = "Thing03";

/// Those that share one certificate: the workshop's mistake, which the console must see.
const SHARED: [&str; 3] = ["Thing01", "Thing02", "Thing03"];

/// The names of the fixture things.
#[cfg(test)]
pub(crate) fn fixture_things() -> impl Iterator<Item = &'static str> {
    FIXTURE.iter().map(|(name, _)| *name)
}

/// The simulated devices of `--devices`: all fixture things without it, none for 0.
fn names(devices: Option<usize>) -> Vec<(String, Kind, String)> {
    let count = devices.unwrap_or(FIXTURE.len());
    let fixture = FIXTURE.iter().map(|(name, kind)| {
        let topic = match name.strip_prefix("Thing") {
            Some(number) => format!("temperature-device-{number}"),
            None => format!("dt/{name}/data"),
        };
        ((*name).to_owned(), *kind, topic)
    });
    let more = (FIXTURE.len() + 1..)
        .map(|n| (format!("Thing{n:02}"), Kind::Sensor, format!("temperature-device-{n:02}")));
    fixture.chain(more).take(count).collect()
}

/// Seeds an account nobody used yet, `from_scratch` without what the workshop's modules have one make, or finds the devices of
/// one that was kept; writes their certificates and keys.
///
/// Blocking: it makes keys.
///
/// # Errors
/// A text naming what could not be made.
pub fn seed(
    account: &Arc<Account>,
    devices: Option<usize>,
    from_scratch: bool,
    dir: &CredentialsDir,
) -> Result<Seeded, String> {
    let fresh =
        account.read().registry.thing_count() == 0 && account.read().identity.policies().next().is_none();
    let names = names(devices);
    if names.is_empty() {
        return Ok(Seeded::default());
    }
    if !fresh {
        return Ok(found(account, names, from_scratch, dir));
    }
    let failed = |e: ApiError| format!("the fixture account: {}", e.message);
    resources::prepare(account).map_err(failed)?;
    if !from_scratch {
        resources::finish(account).map_err(failed)?;
    }
    let mut seeded = Seeded::default();
    let mut shared: Option<Arc<KeyPairPem>> = None;
    for (n, (thing, kind, topic)) in names.into_iter().enumerate() {
        enroll(account, &thing, kind, !from_scratch).map_err(failed)?;
        let late = Late { thing, kind, topic };
        if n >= AT_ONCE {
            seeded.late.push(late);
            continue;
        }
        let is_shared = SHARED.contains(&late.thing.as_str());
        let pair = shared.clone().filter(|_| is_shared);
        let spec = late.equip(account, dir, pair, if is_shared { "AllowAll" } else { "DevicePolicy" })?;
        if is_shared {
            shared = Some(Arc::clone(&spec.pair));
        }
        if !from_scratch || spec.thing != TO_BE_STARTED {
            seeded.specs.push(spec);
        }
    }
    shadow_of_the_demo_device(account)?;
    account.wal.commit().map_err(|e| format!("the state could not be kept: {e}"))?;
    Ok(seeded)
}

/// The devices of a kept account whose keys are still in the credentials folder, and those that never got any.
fn found(
    account: &Account,
    mut names: Vec<(String, Kind, String)>,
    from_scratch: bool,
    dir: &CredentialsDir,
) -> Seeded {
    names.retain(|(thing, ..)| !from_scratch || thing != TO_BE_STARTED);
    let known = |thing: &str, pair: &KeyPairPem| {
        let state = account.read();
        let der =
            x509_parser::pem::parse_x509_pem(pair.certificate.as_bytes()).ok().map(|(_, pem)| pem.contents);
        state.registry.thing(thing).is_some()
            && der.is_some_and(|d| state.identity.certificate(&certificate_id_of(&d)).is_some())
    };
    let unequipped = |thing: &str| {
        let state = account.read();
        state.registry.thing(thing).is_some() && state.identity.principals_of(thing).is_empty()
    };
    let mut seeded = Seeded::default();
    for (n, (thing, kind, topic)) in names.into_iter().enumerate() {
        if let Some(pair) = dir.read_thing(&thing).filter(|pair| known(&thing, pair)) {
            let client_id = thing.clone();
            seeded.specs.push(DeviceSpec { thing, client_id, kind, topic, pair: Arc::new(pair), from: None });
        } else if n >= AT_ONCE && unequipped(&thing) {
            seeded.late.push(Late { thing, kind, topic });
        }
    }
    seeded
}

/// Registers the thing, without a certificate yet; `joins` the group of those to be updated if it is one of them.
fn enroll(account: &Account, thing: &str, kind: Kind, joins: bool) -> Result<(), ApiError> {
    let now = account.clock.now_ms();
    let mut state = account.write();
    let attributes = match kind {
        Kind::Sensor | Kind::SensorWithAgent => {
            BTreeMap::from([("SensorType".to_owned(), "DHT22".to_owned())])
        }
        Kind::Generic | Kind::ShadowSensor => BTreeMap::new(),
    };
    state.registry.create_thing(thing, ThingSpec { attributes, ..ThingSpec::default() }, now)?;
    if joins && NEED_UPDATE.contains(&thing) {
        state.registry.join_group(thing, resources::UPDATE_GROUP, false)?;
    }
    Ok(())
}

fn shadow_of_the_demo_device(account: &Account) -> Result<(), String> {
    let thing = "IoTTemperatureDemoDevice";
    if account.read().registry.thing(thing).is_none() {
        return Ok(());
    }
    let state = json!({"state": {"reported": {"Temperature": 21.3, "Humidity": 41.0}}});
    shadows::seed(account, thing, None, &state).map_err(|e| format!("the shadow of {thing}: {}", e.message))
}
