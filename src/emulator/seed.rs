//! The account a workshop starts with: things, certificates, groups, policies, security profiles (contract §1.6).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::account::Account;
use super::api::ApiError;
use super::api::detect::profiles::create_profile;
use super::api::identity::{CertStatus, Target, certificate_id_of, issue};
use super::api::registry::{GroupSpec, ThingSpec};
use super::api::shadows;
use super::credentials::{CredentialsDir, KeyPairPem};
use super::devices::{DeviceSpec, Kind};

/// The fixture things, in the order a smaller `--devices N` takes them.
const FIXTURE: [(&str, Kind); 6] = [
    ("Thing01", Kind::Sensor),
    ("Thing02", Kind::Sensor),
    ("Thing03", Kind::Sensor),
    ("dev-IZWB", Kind::Generic),
    ("dev-XBHY", Kind::Generic),
    ("IoTTemperatureDemoDevice", Kind::ShadowSensor),
];

/// Those that share one certificate: the workshop's mistake, which the console must see.
const SHARED: [&str; 3] = ["Thing01", "Thing02", "Thing03"];

/// What the workshop's shared certificate may do: everything.
const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;
/// What isolates: nothing is allowed.
const DENY_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iot:*","Resource":"*"}]}"#;

/// What a device of its own certificate may do: be itself.
fn device_policy(account: &Account) -> String {
    let arn = |resource: &str| format!("arn:aws:iot:{}:{}:{resource}", account.region, account.id);
    let thing = "${iot:Connection.Thing.ThingName}";
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "iot:Connect", "Resource": arn(&format!("client/{thing}"))},
        {"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"], "Resource": [
            arn(&format!("topic/dt/{thing}/*")), arn("topic/temperature-device-*"), arn(&format!("topic/$aws/things/{thing}/*"))]},
        {"Effect": "Allow", "Action": "iot:Subscribe", "Resource": arn(&format!("topicfilter/$aws/things/{thing}/*"))}
    ]})
    .to_string()
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

/// Seeds an account nobody used yet, or finds the devices of one that was kept; writes their certificates and keys.
///
/// Blocking: it makes keys.
///
/// # Errors
/// A text naming what could not be made.
pub fn seed(
    account: &Arc<Account>,
    devices: Option<usize>,
    dir: &CredentialsDir,
) -> Result<Vec<DeviceSpec>, String> {
    let fresh =
        account.read().registry.thing_count() == 0 && account.read().identity.policies().next().is_none();
    let names = names(devices);
    if names.is_empty() {
        return Ok(Vec::new());
    }
    if !fresh {
        return Ok(found(account, names, dir));
    }
    let failed = |e: ApiError| format!("the fixture account: {}", e.message);
    base(account).map_err(failed)?;
    let mut specs = Vec::with_capacity(names.len());
    let mut shared: Option<Arc<KeyPairPem>> = None;
    for (name, kind, topic) in names {
        let is_shared = SHARED.contains(&name.as_str());
        let pair = match (&shared, is_shared) {
            (Some(pair), true) => Arc::clone(pair),
            _ => {
                let issued = issue::keys_and_certificate().map_err(failed)?;
                Arc::new(KeyPairPem { certificate: issued.certificate_pem, key: issued.private_key_pem })
            }
        };
        register(account, &name, kind, &pair, is_shared).map_err(failed)?;
        if is_shared {
            shared = Some(Arc::clone(&pair));
        }
        dir.write_thing(&name, &pair).map_err(|e| format!("credentials of {name}: {e}"))?;
        specs.push(DeviceSpec { thing: name, kind, topic, pair });
    }
    shadow_of_the_demo_device(account)?;
    account.wal.commit().map_err(|e| format!("the state could not be kept: {e}"))?;
    Ok(specs)
}

/// The devices of a kept account whose keys are still in the credentials folder.
fn found(account: &Account, names: Vec<(String, Kind, String)>, dir: &CredentialsDir) -> Vec<DeviceSpec> {
    let known = |thing: &str, pair: &KeyPairPem| {
        let state = account.read();
        let der =
            x509_parser::pem::parse_x509_pem(pair.certificate.as_bytes()).ok().map(|(_, pem)| pem.contents);
        state.registry.thing(thing).is_some()
            && der.is_some_and(|d| state.identity.certificate(&certificate_id_of(&d)).is_some())
    };
    names
        .into_iter()
        .filter_map(|(thing, kind, topic)| {
            let pair = dir.read_thing(&thing).filter(|pair| known(&thing, pair))?;
            Some(DeviceSpec { thing, kind, topic, pair: Arc::new(pair) })
        })
        .collect()
}

fn base(account: &Arc<Account>) -> Result<(), ApiError> {
    let now = account.clock.now_ms();
    let device_policy = device_policy(account);
    {
        let mut state = account.write();
        for (group, text) in [
            ("IsolatedDevices", "Devices that may not speak: DenyAll is attached"),
            ("Quarantine", "Devices under suspicion"),
            ("NeedsUpdate", "Devices that need new firmware"),
        ] {
            let spec = GroupSpec { description: Some(text.to_owned()), ..GroupSpec::default() };
            state.registry.create_group(group, spec, now)?;
        }
        state.identity.create_policy("AllowAll", ALLOW_ALL, now)?;
        state.identity.create_policy("DenyAll", DENY_ALL, now)?;
        state.identity.create_policy("DevicePolicy", &device_policy, now)?;
        // Quarantine gets none: the workshop's mistake, which the console must see.
        state.identity.attach_policy("DenyAll", &Target::Group("IsolatedDevices".to_owned()))?;
    }
    for (name, text, behavior) in [
        (
            "DetectLargeMessageSize",
            "A message is at most 1024 bytes",
            json!({"name": "LargeMessageSize", "metric": "aws:message-byte-size", "criteria":
                {"comparisonOperator": "less-than-equals", "value": {"count": 1024},
                 "consecutiveDatapointsToAlarm": 1, "consecutiveDatapointsToClear": 1}}),
        ),
        (
            "MsgSentSecProfile",
            "A device sends fewer than 50 messages in 5 minutes",
            json!({"name": "MsgSentBehavior", "metric": "aws:num-messages-sent", "criteria":
                {"comparisonOperator": "less-than", "value": {"count": 50}, "durationSeconds": 300,
                 "consecutiveDatapointsToAlarm": 1, "consecutiveDatapointsToClear": 1}}),
        ),
        (
            "acceptablebehavior",
            "Few authorization failures",
            json!({"name": "AuthorizationFailures", "metric": "aws:num-authorization-failures", "criteria":
                {"comparisonOperator": "less-than-equals", "value": {"count": 60}, "durationSeconds": 300,
                 "consecutiveDatapointsToAlarm": 1, "consecutiveDatapointsToClear": 1}}),
        ),
    ] {
        let behavior = serde_json::from_value(behavior).map_err(|e| ApiError::internal(e.to_string()))?;
        let target = account.arn("all", "things");
        create_profile(account, name, vec![behavior], Some(text.to_owned()), &[target])?;
    }
    Ok(())
}

fn register(
    account: &Account,
    thing: &str,
    kind: Kind,
    pair: &KeyPairPem,
    shared: bool,
) -> Result<(), ApiError> {
    let now = account.clock.now_ms();
    let mut state = account.write();
    let attributes = match kind {
        Kind::Sensor => BTreeMap::from([("SensorType".to_owned(), "DHT22".to_owned())]),
        Kind::Generic | Kind::ShadowSensor => BTreeMap::new(),
    };
    state.registry.create_thing(thing, ThingSpec { attributes, ..ThingSpec::default() }, now)?;
    let der = x509_parser::pem::parse_x509_pem(pair.certificate.as_bytes())
        .map(|(_, pem)| pem.contents)
        .map_err(|e| ApiError::internal(e.to_string()))?;
    let id = certificate_id_of(&der);
    if state.identity.certificate(&id).is_none() {
        state.identity.register_certificate(&pair.certificate, CertStatus::Active, true, None, now)?;
        let policy = if shared { "AllowAll" } else { "DevicePolicy" };
        state.identity.attach_policy(policy, &Target::Principal(id.clone()))?;
    }
    state.identity.attach_thing(&id, thing, None)
}

fn shadow_of_the_demo_device(account: &Account) -> Result<(), String> {
    let thing = "IoTTemperatureDemoDevice";
    if account.read().registry.thing(thing).is_none() {
        return Ok(());
    }
    let state = json!({"state": {"reported": {"Temperature": 21.3, "Humidity": 41.0}}});
    shadows::seed(account, thing, None, &state).map_err(|e| format!("the shadow of {thing}: {}", e.message))
}
