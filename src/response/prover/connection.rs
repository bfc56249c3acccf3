//! The connections of one target: each client id that was seen with its principals, cut and asked about by itself.

use quell_fleet::Ms;
use quell_fleet::event::PresenceKind;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use crate::response::plan::request::{Proof, Request};
use crate::response::sweep::Cut;
use crate::response::view::RowState;

use super::{ProofStep, Prover};

/// AWS takes one cut a second for a client (docs/aws-iot.md#2.7).
const BETWEEN_CUTS: Ms = 1_000;

/// What was seen of one client id since the confirmation.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) client: Name,
    /// Whether the plan cuts it: another client is only watched.
    cuttable: bool,
    /// When it last connected.
    pub(super) connected: Option<Ms>,
    /// The connection that was there is known to be over: only a new one could speak, and that one meets the policy.
    pub(super) ended: bool,
    /// Since when AWS has said that it is not connected, or has not heard of it.
    pub(super) gone: Option<Ms>,
    /// When it was cut.
    pub(super) cut: Option<Ms>,
    /// When a cut was last asked for.
    pub(super) tried_cut: Option<Ms>,
    pub(super) wants_cut: bool,
    /// A cut found nothing to end.
    absent: bool,
}

impl Connection {
    pub(super) fn new(client: Name, requests: &[Request]) -> Self {
        let cuttable = requests.iter().any(|r| matches!(r, Request::Cut { client: c } if *c == client));
        Self {
            client,
            cuttable,
            connected: None,
            ended: false,
            gone: None,
            cut: None,
            tried_cut: None,
            wants_cut: false,
            absent: false,
        }
    }

    /// A cut was accepted; `was_there` when there was a connection to end.
    pub(super) fn cut(&mut self, was_there: bool, now: Ms) {
        (self.cut, self.tried_cut) = (Some(now), Some(now));
        self.wants_cut = false;
        self.ended |= was_there;
        self.absent = !was_there;
    }

    pub(super) fn cut_due(&self, now: Ms) -> bool {
        self.cuttable && self.wants_cut && self.tried_cut.is_none_or(|at| now - at >= BETWEEN_CUTS)
    }

    /// True when no connection of it is left, as far as AWS said.
    fn is_over(&self) -> bool {
        self.ended || self.absent || self.gone.is_some()
    }
}

impl Prover {
    pub(super) fn connection(&mut self, client: &Name) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|connection| connection.client == *client)
    }

    /// Whether a client is one of this target's: by its id, or by a principal that serves this thing alone.
    pub(super) fn is_its(&self, client: &Name, principal: Option<&SafeText>) -> bool {
        self.connections.iter().any(|connection| connection.client == *client)
            || principal.is_some_and(|p| self.work.principals.iter().any(|own| own == p.as_str()))
    }

    /// A presence event of a client of its.
    pub(super) fn presence(&mut self, client: &Name, kind: PresenceKind, reason: Option<&SafeText>, at: Ms) {
        if self.leaves_one() {
            return self.left_presence(client, kind, reason, at);
        }
        if self.connection(client).is_none() {
            // It came back under a name that nobody had seen: not cut, because the plan did not say so.
            self.connections.push(Connection::new(client.clone(), &[]));
        }
        match kind {
            PresenceKind::Connected => {
                if let Some(connection) = self.connection(client) {
                    connection.gone = None;
                }
                self.done(ProofStep::Heard, at);
                self.reconnected(client, at);
            }
            PresenceKind::Disconnected => self.over(client, at),
            PresenceKind::ConnectFailed => {
                self.over(client, at);
                self.say(ProofStep::Gone, "tried to connect and was refused");
                if reason.is_some_and(|why| why.as_str() == "AUTHORIZATION_FAILED") {
                    let heard = self.now.max(self.began);
                    let [_, last] = self.refused;
                    self.refused = [last, Some(heard)];
                    if self.unasked.is_some() && self.sent.is_some() {
                        self.denies(heard);
                        self.say(ProofStep::Denied, "its connect was refused: AUTHORIZATION_FAILED");
                    }
                }
            }
        }
    }

    /// What AWS says of its clients.
    pub(super) fn looked(&mut self, clients: &[(Name, Option<bool>)], now: Ms) {
        if self.leaves_one() {
            return self.left_looked(clients, now);
        }
        for (client, connected) in clients {
            let may_connect = self.may_connect();
            let Some(connection) = self.connection(client) else { continue };
            match connected {
                Some(true) if connection.gone.take().is_some() || connection.connected.is_none() => {
                    self.reconnected(client, now);
                }
                Some(true) if !may_connect => {
                    connection.wants_cut |= connection.cut.is_some();
                    self.reopen(ProofStep::Gone);
                }
                Some(true) => {}
                Some(false) => self.over(client, now),
                None => {
                    connection.gone.get_or_insert(now);
                    connection.wants_cut = false;
                    self.all_over(now);
                }
            }
        }
        if clients.iter().any(|(_, connected)| *connected == Some(true)) {
            self.looked_gone = None;
            if self.hearing().is_none() {
                self.done(ProofStep::Heard, now);
                self.say(
                    ProofStep::Heard,
                    "connected, says GetConnection; its telemetry is not received here",
                );
            }
        } else if !clients.is_empty() {
            self.looked_gone = Some(now);
        }
    }

    /// A connection of it ended.
    fn over(&mut self, client: &Name, at: Ms) {
        if let Some(connection) = self.connection(client) {
            connection.ended = true;
            connection.gone.get_or_insert(at);
            connection.wants_cut = false;
        }
        self.all_over(at);
    }

    fn all_over(&mut self, at: Ms) {
        if self.gone_since().is_some() {
            self.done(ProofStep::Gone, at);
        }
    }

    /// It connected after the confirmation. Where the policy lets it connect, only speaking counts against it.
    fn reconnected(&mut self, client: &Name, at: Ms) {
        if self.may_connect() {
            return;
        }
        let Some(connection) = self.connection(client) else { return };
        connection.connected = connection.connected.max(Some(at));
        (connection.ended, connection.absent) = (false, false);
        connection.wants_cut |= connection.cut.is_some();
        let stranger = !connection.cuttable;
        self.refused = [None; 2];
        self.reopen(ProofStep::Gone);
        if self.silent_until.take().is_some() {
            self.reopen(ProofStep::Silent);
        }
        if stranger && self.work.requests.iter().any(|r| matches!(r, Request::Cut { .. })) {
            let text = format!("connected as {}, which the plan does not cut: plan again", client.raw());
            self.say(ProofStep::Gone, &text);
        }
    }

    pub(super) fn may_connect(&self) -> bool {
        matches!(self.work.proof, Proof::Isolated { connects: true, .. })
    }

    /// The client ids that were watched, those that came up meanwhile too, and whether a connection of each was cut.
    pub(in crate::response) fn watched(&self) -> Vec<(Name, Cut)> {
        let cut = |c: &Connection| if c.cut.is_some() && !c.absent { Cut::Done } else { Cut::Not };
        self.connections.iter().map(|c| (c.client.clone(), cut(c))).collect()
    }

    /// Since when AWS has said of each of its clients that it is not connected.
    pub(super) fn gone_since(&self) -> Option<Ms> {
        let gone: Option<Vec<Ms>> = self.connections.iter().map(|connection| connection.gone).collect();
        gone?.into_iter().max()
    }

    /// When a client of it was last cut.
    pub(super) fn last_cut(&self) -> Option<Ms> {
        self.connections.iter().filter_map(|connection| connection.cut).max()
    }

    /// When a client of it last connected.
    pub(super) fn last_connected(&self) -> Option<Ms> {
        self.connections.iter().filter_map(|connection| connection.connected).max()
    }

    /// Until when a connection that nobody saw end may still speak; `None` when none is left.
    pub(super) fn stands_until(&self) -> Option<Ms> {
        let lively = match self.work.proof {
            Proof::Isolated { lively, .. } | Proof::Barred { lively, .. } => lively,
            _ => return None,
        };
        let ended = self.connections.iter().any(|connection| connection.ended)
            && self.connections.iter().all(Connection::is_over);
        let open = !ended && (lively || self.heard.is_some() || self.last_connected().is_some());
        self.sent.filter(|_| open).map(|sent| sent.saturating_add(self.cache))
    }

    /// The policy was seen to deny it.
    pub(super) fn denies(&mut self, now: Ms) {
        self.denied.get_or_insert(now);
        self.unasked = None;
        self.done(ProofStep::Denied, now);
    }

    pub(super) fn is_open(&self, step: ProofStep) -> bool {
        let row = self.at(step).and_then(|i| self.rows.get(i));
        row.is_some_and(|row| matches!(row.state, RowState::Waiting | RowState::Running))
    }
}
