//! Doing things: plan → gate → journal the intent → execute → journal the outcome → prove.
//!
//! The only room that changes anything in an account. Nothing here is sent that a [`Plan`] did not show first, nothing is
//! sent without a grant of the gate, and nothing is called done before it was proven by what the fleet was heard to do.
//!
//! The console (and the headless commands) hold a [`Responder`]: a handle to a background task. Every call returns at
//! once; answers come through a channel and carry the generation they were asked in.

pub mod alert;
mod aws;
mod execute;
mod gate;
pub mod journal;
pub mod listen;
pub mod past;
pub mod plan;
mod prover;
mod read;
pub mod recover;
pub mod responder;
pub mod rules;
mod run;
pub mod shared;
mod stop;
pub mod sweep;
pub mod timed;
pub mod view;

pub use gate::Voice;
pub use listen::{Fact, Listener};
pub use plan::{
    ActionSpec, ApiCall, AuditChange, Check, Confirmation, DetectChange, Intent, JobAbort, JobOptions,
    JobRequest, JobTarget, Level, Mitigation, Note, Plan, PlanId, ProofLine, Reversible, RuleBody,
    RuleChange, RuleEdit, SetupRequest, Step, Target, rule_doubts,
};
pub use read::things_served;
pub use responder::Responder;
pub use rules::Rules;
pub use stop::Stop;
pub use sweep::{Mark, Residue, Sweep, Swept, Trace};
pub use timed::HeldFor;
pub use view::{ActionView, Answer, Gauge, Outcome, RowState, StairRow, TargetOutcome, TargetView};
