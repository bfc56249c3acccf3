//! The participants of one emulator: each has an account, devices and a folder of credentials, and may have a drill.
//!
//! Nothing here is on the way of a request: an account does not know that there are others.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::account::Account;
use super::credentials::CredentialsDir;
use super::drill::watch::{Device, look};
use super::drill::{Drill, Sheet};
use super::scenario::{Ahead, Lot, Step};
use super::start::{Equipped, Participant, Running, StartError, Supply};

/// Between two looks at an account that has a drill.
const LOOK: Duration = Duration::from_millis(250);

/// A participant's place.
pub(super) struct Seat {
    participant: Participant,
    folder: CredentialsDir,
    held: Mutex<Held>,
}

/// What changes when the account is emptied or a drill begins.
struct Held {
    topics: Vec<(String, String)>,
    lots: mpsc::Sender<Lot>,
    round: Option<Round>,
}

/// A drill under way, or over.
struct Round {
    /// Epoch milliseconds.
    began: i64,
    /// Those that could speak when it began.
    devices: Vec<Device>,
    sheet: Sheet,
    /// What was injected ahead of its time.
    ahead: Ahead,
}

impl Held {
    fn of(made: &Equipped) -> Self {
        Self { topics: made.topics.clone(), lots: made.lots.clone(), round: None }
    }
}

impl Seat {
    pub(super) fn new(participant: Participant, folder: CredentialsDir, made: &Equipped) -> Self {
        Self { participant, folder, held: Mutex::new(Held::of(made)) }
    }
}

/// All of them, and what they are given.
pub(super) struct Room {
    pub(super) supply: Supply,
    seats: Vec<Seat>,
    steps: Vec<Step>,
    drill: Option<Drill>,
}

impl Room {
    pub(super) fn new(supply: Supply, seats: Vec<Seat>, steps: Vec<Step>, drill: Option<Drill>) -> Self {
        Self { supply, seats, steps, drill }
    }

    /// What the devices of an account play from the start: the scenario, unless it is a drill that a participant begins.
    pub(super) fn steps_at_once(&self) -> Vec<Step> {
        if self.drill.is_some() && !self.seats.is_empty() { Vec::new() } else { self.steps.clone() }
    }

    fn seat(&self, name: &str) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.participant.name == name)
    }

    /// Looks at the account of a drill under way; false when there is none any more.
    fn judge(&self, name: &str, account: &Account) -> bool {
        let Some(seat) = self.seat(name) else { return false };
        let (drill, devices, began) = {
            let held = seat.held.lock();
            let Some(round) = held.round.as_ref().filter(|round| !round.sheet.is_over()) else {
                account.ledger.end();
                return false;
            };
            (round.sheet.drill().clone(), round.devices.clone(), round.began)
        };
        let sight = look(account, &drill, &devices, began);
        let now = ((account.clock.now_ms() - began) as f64 * account.clock.speed()) as i64;
        if let Some(round) = seat.held.lock().round.as_mut().filter(|round| round.began == began) {
            round.sheet.observe(&sight, now);
        }
        true
    }
}

impl Running {
    /// The participants.
    pub fn participants(&self) -> impl Iterator<Item = &Participant> {
        self.room.seats.iter().map(|seat| &seat.participant)
    }

    /// The folder of a participant's credentials: `operator.env`, `root-CA.pem` and the devices' certificates and keys.
    pub fn folder(&self, name: &str) -> Option<&Path> {
        self.room.seat(name).map(|seat| seat.folder.path())
    }

    /// A participant's account; another one after it was emptied.
    pub fn account_of(&self, name: &str) -> Option<Arc<Account>> {
        self.cloud.participant(&self.room.seat(name)?.participant.account)
    }

    /// Whether a participant is connected now: with a console, or a command that is still listening.
    pub fn is_connected(&self, name: &str) -> bool {
        self.account_of(name).is_some_and(|account| account.broker().has_identities())
    }

    /// The drill of the scenario, if it is one.
    pub fn drill(&self) -> Option<&Drill> {
        self.room.drill.as_ref()
    }

    /// Begins the drill of a participant, or begins it anew. False without a drill or such a participant. Must be called inside
    /// the runtime.
    pub fn begin(&self, name: &str) -> bool {
        let (Some(drill), Some(seat), Some(account)) =
            (&self.room.drill, self.room.seat(name), self.account_of(name))
        else {
            return false;
        };
        let mut held = seat.held.lock();
        let device = |(thing, topic): &(String, String)| Device::of(&account, thing, topic);
        let devices = held.topics.iter().map(device).filter(|device| device.is_heard(&account)).collect();
        let began = account.clock.now_ms();
        let was_on = held.round.as_ref().is_some_and(|round| !round.sheet.is_over());
        let ahead = Ahead::default();
        let lot = Lot { steps: self.room.steps.clone(), ahead: Arc::clone(&ahead) };
        held.round = Some(Round { began, devices, sheet: Sheet::new(drill), ahead });
        account.ledger.begin();
        // Its devices are gone only while the emulator ends; a lot that is still waiting for them is the same one.
        let _ = held.lots.try_send(lot);
        drop(held);
        if !was_on {
            let (room, name) = (Arc::clone(&self.room), name.to_owned());
            account.spawn(|account| async move {
                let mut beat = tokio::time::interval(LOOK);
                beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                loop {
                    beat.tick().await;
                    if !room.judge(&name, &account) {
                        return;
                    }
                }
            });
        }
        true
    }

    /// How a participant's drill goes; `None` before it began.
    pub fn sheet(&self, name: &str) -> Option<Sheet> {
        self.room.seat(name)?.held.lock().round.as_ref().map(|round| round.sheet.clone())
    }

    /// The next hint for a participant; it is on the sheet from then on. `None` when there is none left, or no drill.
    pub fn hint(&self, name: &str) -> Option<String> {
        self.room.seat(name)?.held.lock().round.as_mut()?.sheet.hint()
    }

    /// Makes the incident of that place in the drill go wrong now for a participant: ahead of its time, and then not again at its
    /// time; or once more, when it has begun. It is on the sheet. False without a drill under way or such an incident.
    pub fn inject(&self, name: &str, incident: usize) -> bool {
        let (Some(drill), Some(seat), Some(account)) =
            (&self.room.drill, self.room.seat(name), self.account_of(name))
        else {
            return false;
        };
        let Some(what) = drill.incidents.get(incident) else { return false };
        let mine = |step: &&Step| step.thing.as_ref() == Some(&what.thing) && step.at >= what.at;
        let steps: Vec<Step> = self.room.steps.iter().filter(mine).cloned().collect();
        let mut held = seat.held.lock();
        let Held { lots, round: Some(round), .. } = &mut *held else { return false };
        let Ok(place) = lots.try_reserve() else { return false };
        let now = ((account.clock.now_ms() - round.began) as f64 * account.clock.speed()) as i64;
        let is_new = round.sheet.cards.get(incident).is_some_and(|card| card.at > now);
        if !round.sheet.inject(incident, now) {
            return false;
        }
        if is_new {
            round.ahead.lock().extend(steps.iter().map(|step| step.line));
        }
        let from_now = |step: Step| Step { at: step.at - what.at, ..step };
        place.send(Lot { steps: steps.into_iter().map(from_now).collect(), ..Lot::default() });
        true
    }

    /// Empties a participant's account, gives it devices anew, and takes its drill from it. Their old keys are good no more.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub async fn reset(&self, name: &str) -> Result<(), StartError> {
        let (Some(seat), Some(old)) = (self.room.seat(name), self.account_of(name)) else { return Ok(()) };
        let failed = |what: String| StartError::Other(format!("{name}: {what}"));
        self.cloud.reset(&old).map_err(|error| failed(error.to_string()))?;
        let account = self.account_of(name).ok_or_else(|| failed("the account is gone".to_owned()))?;
        let made = self.room.supply.equip(account, seat.folder.lend()).await?;
        *seat.held.lock() = Held::of(&made);
        self.room.supply.run(made, self.room.steps_at_once());
        Ok(())
    }
}
