//! The terminal: what the operator sees and presses.
//!
//! * [`command`]: every command once; [`keymap`]: which keys run it; [`key`]: how keys are written.
//! * [`app`]: what is looked at: views, cursors, marks, dialogs. Pure: commands in, effects out.
//! * [`dialogs`]: what stands in front of a view: plans, forms, help, the palette; each a component with its keys and drawing.
//! * [`board`]: the instructor's screen of a room; knows no fleet.
//! * [`views`]: `&App` and `&Fleet` in, cells out; [`paint`] and [`words`] are what they draw with, [`theme`] how.
//! * [`backend`], `pen`, [`terminal`], `ending`, [`panic`]: taken and given back; `ground`: what it writes on; [`event_loop`]: keys first, then events, a frame only when something changed.

pub mod app;
pub mod backend;
pub(crate) mod board;
pub mod command;
pub mod dialogs;
mod ending;
pub(crate) mod event_loop;
mod ground;
pub mod key;
pub mod keymap;
pub(crate) mod paint;
pub(crate) mod panic;
mod pen;
pub(crate) mod terminal;
pub mod theme;
pub mod views;
pub(crate) mod words;
