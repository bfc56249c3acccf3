//! The mouse, where it is asked for: the wheel moves, a click chooses a line or a pane, or sorts by a column. It never changes
//! anything.

use super::super::views::{self, Under};
use super::list::ListId;
use super::{App, Env, View};

/// Lines a turn of the wheel moves.
const WHEEL: isize = 3;

/// What was done with the mouse, and where: columns and rows of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mouse {
    /// The wheel was turned up.
    Up(u16, u16),
    /// The wheel was turned down.
    Down(u16, u16),
    /// The left button was pressed.
    Click(u16, u16),
}

impl App {
    pub(super) fn mouse(&mut self, mouse: Mouse, env: &Env<'_>) {
        self.touched = true;
        let (Mouse::Up(x, y) | Mouse::Down(x, y) | Mouse::Click(x, y)) = mouse;
        if self.dialog.is_some() {
            return match mouse {
                Mouse::Up(..) => self.step(env, -WHEEL),
                Mouse::Down(..) => self.step(env, WHEEL),
                // What is in front may ask for something: that is answered by keys.
                Mouse::Click(..) => {}
            };
        }
        let under = views::under(self, env, self.size, (x, y));
        if let (Some(Under { pane: Some(pane), .. }), View::Overview) = (&under, self.view()) {
            self.pane = *pane;
        }
        match mouse {
            Mouse::Up(..) => self.step(env, -WHEEL),
            Mouse::Down(..) => self.step(env, WHEEL),
            Mouse::Click(..) => {
                let Some(under) = under else { return };
                if let Some(sort) = under.sort {
                    self.rows.set_sort(sort);
                }
                if let Some((list, row)) = under.row
                    && let Some(key) = self.list(list).in_sight().get(row).copied()
                {
                    self.list_mut(list).set(Some(key));
                    if list == ListId::Devices {
                        self.moved = Some(env.now);
                    }
                }
            }
        }
    }
}
