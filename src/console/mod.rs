//! The terminal: what the operator sees and presses.
//!
//! * [`command`]: every command once; [`keymap`]: which keys run it; [`key`]: how keys are written.
//! * [`app`]: what is looked at: views, cursors, marks, dialogs. Pure: commands in, effects out.
//! * [`views`]: `&App` and `&Fleet` in, cells out; [`paint`] and [`words`] are what they draw with, [`theme`] how.
//! * [`backend`], [`terminal`], `ending`, [`panic`]: taken and given back; [`event_loop`]: keys first, then events, a frame only when something changed.

pub mod app;
pub mod backend;
pub mod command;
mod ending;
pub mod event_loop;
pub mod key;
pub mod keymap;
pub mod paint;
pub mod panic;
pub mod terminal;
pub mod theme;
pub mod views;
pub mod words;
