//! Jobs: the control plane, the device's REST and MQTT sides, rollout, events (docs/aws-iot.md#2.6, #3.7, #4.5).
//!
//! * `model.rs`: what is stored. `machine.rs`: the rules of one execution, pure.
//! * `book.rs`: every job and execution with its indices. `engine.rs`: what moves them: rollout, timers, retries, abort,
//!   completion, joiners.
//! * `changes.rs`: what a change says on MQTT: `notify`, `notify-next` and, when switched on, job events.
//! * `validate.rs`, `control.rs`, `executions.rs`, `templates.rs`: the control plane. `device.rs`: what a device may ask, with its two doors
//!   `mqtt.rs` and `data.rs`.

mod book;
mod changes;
pub mod control;
pub mod data;
mod device;
mod engine;
pub mod executions;
mod machine;
pub mod model;
mod mqtt;
mod presign;
pub mod routes;
mod settings;
pub mod templates;
#[cfg(test)]
mod tests;
mod validate;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use self::book::Jobs;
use self::changes::Changes;
pub use self::mqtt::on_publish;
use self::presign::Presigner;
use super::ApiError;
use crate::account::Account;
use crate::api::arn::Arns;
use crate::api::registry::Registry;

/// What the engine needs to know besides the jobs.
struct Env<'a> {
    now_ms: i64,
    /// How long a minute of AWS takes here.
    minute_ms: i64,
    arns: &'a Arns,
    registry: &'a Registry,
    presigner: Presigner<'a>,
}

impl<'a> Env<'a> {
    /// As of now. `presigner` is made before `registry` is locked.
    fn of(account: &'a Account, registry: &'a Registry, presigner: Presigner<'a>) -> Self {
        Self {
            now_ms: account.clock.now_ms(),
            minute_ms: account.clock.scaled_secs_ms(60),
            arns: &account.arns,
            registry,
            presigner,
        }
    }
}

/// Messages to publish once a change is durable.
type Messages = Vec<(String, Bytes)>;

/// Runs one change on the jobs under the account's lock and makes it durable. The caller publishes the messages, after its
/// own answer where it has one. A change that fails must not have changed anything.
fn change<R, E: From<ApiError>>(
    account: &Account,
    act: impl FnOnce(&mut Jobs, &Env<'_>, &mut Changes) -> Result<R, E>,
) -> Result<(R, Messages), E> {
    let presigner = Presigner::of(account);
    let done = {
        let mut state = account.write();
        let state = &mut *state;
        let env = Env::of(account, &state.registry, presigner);
        let mut changes = Changes::default();
        let result = act(&mut state.jobs, &env, &mut changes)?;
        (result, changes.messages(&state.jobs, &env))
    };
    account.wal.commit_in_place().map_err(|error| {
        tracing::error!(%error, "a change of jobs could not be kept");
        ApiError::internal("Internal failure")
    })?;
    Ok(done)
}

fn publish(account: &Account, messages: Messages) {
    for (topic, payload) in messages {
        account.broker().publish(&topic, payload);
    }
}

/// A thing joined or left a group: continuous jobs of the group, or of one above it, queue or remove its execution.
pub fn on_membership(account: &Account, thing: &str, group: &str, added: bool) {
    if !account.read().jobs.has_continuous() {
        return;
    }
    let outcome = change(account, |jobs, env, changes| {
        jobs.membership(env, changes, thing, group, added);
        Ok::<_, ApiError>(())
    });
    if let Ok(((), messages)) = outcome {
        publish(account, messages);
    }
}

/// A thing was deleted: what it had open is REMOVED, so that a snapshot job can still complete.
pub fn on_thing_deleted(account: &Account, thing: &str) {
    if account.read().jobs.pending_of(thing).is_empty() {
        return;
    }
    let outcome = change(account, |jobs, env, changes| {
        jobs.thing_deleted(env, changes, thing);
        Ok::<_, ApiError>(())
    });
    if let Ok(((), messages)) = outcome {
        publish(account, messages);
    }
}

/// Moves jobs as time passes: rollouts, timers, start and end times. Runs until its task is dropped.
pub async fn run(account: Arc<Account>) {
    let beat =
        account.clock.scaled(Duration::from_secs(1)).clamp(Duration::from_millis(20), Duration::from_secs(1));
    let mut ticks = tokio::time::interval(beat);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        tick(&account);
    }
}

/// One step of [`run`]: does nothing, and takes no exclusive lock, when nothing is due.
pub fn tick(account: &Account) {
    if !account.read().jobs.is_due(account.clock.now_ms()) {
        return;
    }
    let outcome = change(account, |jobs, env, changes| {
        jobs.tick(env, changes);
        Ok::<_, ApiError>(())
    });
    if let Ok(((), messages)) = outcome {
        publish(account, messages);
    }
}
