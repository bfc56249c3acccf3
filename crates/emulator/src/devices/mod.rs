//! Simulated devices: real MQTT clients with real certificates on the emulator's own TLS port.
//!
//! Each device is a task. It connects, sends its telemetry, answers jobs and shadow deltas, and comes back when it is cut,
//! as firmware does. The scenario makes it misbehave. What it sends depends on the seed and its name only.
//!
//! * `device.rs`: the task. `client.rs`: its MQTT. `payload.rs`: what it sends. `work.rs`: how it answers jobs. `agent.rs`: its Defender agent.

mod agent;
mod client;
mod device;
mod payload;
mod work;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::account::Account;
use super::api::identity::Target;
use super::api::shadows;
use super::clock::Clock;
use super::credentials::KeyPairPem;
use super::places::Places;
use super::scenario::{Action, Lot};
use super::tls::Trust;

/// What kind of device it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The workshop's temperature sensor: telemetry every 10 s, jobs, shadow.
    Sensor,
    /// A sensor on which the Defender agent runs as well.
    SensorWithAgent,
    /// A generic device: 30 messages in 300 s, jobs; never looks at its shadow.
    Generic,
    /// Reports temperature and humidity to its shadow.
    ShadowSensor,
}

/// A device to simulate.
#[derive(Clone)]
pub struct DeviceSpec {
    /// Thing name.
    pub thing: String,
    /// MQTT client id: the thing's name, unless the scenario says otherwise.
    pub client_id: String,
    /// Its kind.
    pub kind: Kind,
    /// Where its telemetry goes.
    pub topic: String,
    /// What it authenticates with.
    pub pair: Arc<KeyPairPem>,
    /// The address it seems to connect from, when that is not loopback.
    pub from: Option<IpAddr>,
}

/// Where devices connect to.
#[derive(Clone)]
pub struct Endpoint {
    /// Host or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The authority to trust.
    pub trust: Trust,
    /// Where devices that seem to be elsewhere are noted.
    pub places: Places,
}

/// The devices to run.
pub struct Fleet {
    /// Those that are there.
    pub specs: Vec<DeviceSpec>,
    /// The names of those that come later.
    pub names: Vec<String>,
    /// Where they come from.
    pub equipped: mpsc::Receiver<DeviceSpec>,
    /// What their random numbers start from.
    pub seed: u64,
}

/// Orders of the scenario that wait for a device.
const ORDERS: usize = 64;

/// Runs the devices of `fleet` until dropped, and plays the steps that come, each lot from when it comes.
pub async fn run(account: Arc<Account>, fleet: Fleet, endpoint: Endpoint, mut lots: mpsc::Receiver<Lot>) {
    let Fleet { specs, names, mut equipped, seed } = fleet;
    let clock = account.clock;
    let mut tasks = JoinSet::new();
    let mut orders: HashMap<String, mpsc::Sender<Action>> = HashMap::new();
    let mut waiting: HashMap<String, mpsc::Receiver<Action>> = HashMap::new();
    // A step may come before its device does: the order waits for it.
    for name in names.into_iter().chain(specs.iter().map(|s| s.thing.clone())) {
        let (sender, receiver) = mpsc::channel(ORDERS);
        orders.insert(name.clone(), sender);
        waiting.insert(name, receiver);
    }
    let arriving = async {
        let mut run = |spec: DeviceSpec| {
            if let Some(orders) = waiting.remove(&spec.thing) {
                tasks.spawn(device::run(spec, endpoint.clone(), clock, seed, orders));
            }
        };
        specs.into_iter().for_each(&mut run);
        while let Some(spec) = equipped.recv().await {
            run(spec);
        }
    };
    let playing = async {
        let mut plays = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(lot) = lots.recv() => plays.push(play(&account, clock, lot, &orders)),
                Some(()) = plays.next() => {}
                else => return,
            }
        }
    };
    tokio::join!(arriving, playing);
    // The devices go on after the last step; dropping this future ends them.
    while tasks.join_next().await.is_some() {}
}

async fn play(
    account: &Arc<Account>,
    clock: Clock,
    Lot { steps, ahead }: Lot,
    orders: &HashMap<String, mpsc::Sender<Action>>,
) {
    let start = tokio::time::Instant::now();
    for step in steps {
        tokio::time::sleep_until(start + clock.scaled(step.at)).await;
        if ahead.lock().contains(&step.line) {
            continue;
        }
        let thing = step.thing.unwrap_or_default();
        tracing::info!(thing, action = ?step.action, "scenario");
        match step.action {
            Action::Desired(state) => {
                let request = serde_json::json!({"state": {"desired": state}});
                if account.read().registry.thing(&thing).is_some()
                    && let Err(error) = shadows::seed(account, &thing, None, &request)
                {
                    tracing::warn!(thing, message = error.message, "scenario: desired state refused");
                }
            }
            Action::Permit => permit(account, &thing),
            Action::Fault(fault) => account.faults().add(fault),
            Action::NoFaults => account.faults().clear(),
            action => {
                if let Some(order) = orders.get(&thing) {
                    // Fails only when the device's task is gone, which ends the whole simulation. The steps behind wait for a
                    // device that is not equipped yet and has all the orders it takes.
                    let _ = order.send(action).await;
                }
            }
        }
    }
}

/// Gives the certificates of a thing the policy that allows everything.
fn permit(account: &Account, thing: &str) {
    let mut state = account.write();
    for principal in state.identity.principals_of(thing) {
        if let Err(error) = state.identity.attach_policy("AllowAll", &Target::Principal(principal)) {
            tracing::warn!(thing, message = error.message, "scenario: the policy was not attached");
        }
    }
}
