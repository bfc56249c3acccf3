//! The handle to the background task that plans, executes and proves.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::listen::{Fact, Listener, Watched};
use super::plan::{Intent, Plan, PlanId};

/// What the task is asked to do.
#[derive(Debug)]
pub(in crate::response) enum Ask {
    /// Compute a plan.
    Plan { generation: u64, intent: Intent },
    /// Run a plan.
    Confirm { plan: Box<Plan>, typed: Option<String> },
    /// Stop after the requests that are under way.
    Stop { plan: PlanId },
}

/// A cheap handle to the task; every call returns at once.
#[derive(Clone, Debug)]
pub struct Responder {
    asks: mpsc::UnboundedSender<Ask>,
    facts: mpsc::UnboundedSender<Fact>,
    watched: Arc<Watched>,
}

impl Responder {
    /// Asks for a plan; the answer carries `generation`.
    pub fn plan(&self, generation: u64, intent: Intent) {
        self.ask(Ask::Plan { generation, intent });
    }

    /// Confirms a plan with what was typed, if anything: gate → journal → execute → journal → prove.
    pub fn confirm(&self, plan: Plan, typed: Option<String>) {
        self.ask(Ask::Confirm { plan: Box::new(plan), typed });
    }

    /// Stops a running plan after the requests under way; what was done stays done and is in the journal.
    pub fn stop(&self, plan: &PlanId) {
        self.ask(Ask::Stop { plan: plan.clone() });
    }

    /// The ear of this responder: whoever receives the fleet's events shows it each of them first.
    pub fn listener(&self) -> Listener {
        Listener::new(self.facts.clone(), Arc::clone(&self.watched))
    }

    fn ask(&self, ask: Ask) {
        // The task ends only with the process; nobody is left to tell.
        let _ = self.asks.send(ask);
    }
}
