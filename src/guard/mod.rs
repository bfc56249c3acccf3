//! The judge without a screen: what a fleet is found to be becomes alerts, each told once to each of those who want it, and
//! remembered across a restart.
//!
//! [`Judge`] turns a fleet into alerts, purely. [`Store`] is what survives a kill: a file of alerts, written before anybody is
//! told, and a file of windows. [`Delivery`] tells the sinks, with patience. Nothing here changes a device: what is done about
//! an alert leaves by the responder, as a person's doing does.

pub mod alert;
pub mod deliver;
pub mod health;
pub mod judge;
pub mod leader;
pub mod lease;
pub mod mail;
pub mod notify;
pub mod raised;
pub mod sink;
pub mod size;
pub mod store;

pub use alert::{Alert, Step};
pub use deliver::Delivery;
pub use judge::Judge;
pub use leader::Leader;
pub use store::Store;
