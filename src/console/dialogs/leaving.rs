//! What leaving would mean while a response runs: what it is, since when, what it waits for, and what the journal will say.

use ratatui::layout::Rect;

use crate::response::RowState;

use super::super::app::{App, Env};
use super::super::command::{self, Scope};
use super::super::paint::{Paint, Part, part, wrap};
use super::super::views::{shown_key, text};
use super::super::words;
use super::{Component, centered};

/// What leaving means, in the words of the operator.
const MEANS: &str = "Leaving ends it: requests under way are answered first, what was not begun is not sent, and nothing \
                     more is proven. The journal will say \"left unproven\"; quell finish goes on with it.";

/// Whether to leave although a response runs.
pub struct LeavingDialog;

impl Component for LeavingDialog {
    fn scopes(&self) -> &'static [Scope] {
        &[Scope::Global]
    }

    fn hints(&self, _: &App) -> &'static [&'static str] {
        &["back", "escape"]
    }

    fn draw(&self, app: &App, env: &Env<'_>, paint: &mut Paint<'_>, body: Rect) {
        let theme = paint.theme;
        let width = 84.min(body.width);
        let room = width.saturating_sub(4) as usize;
        let mut lines: Vec<Vec<Part<'_>>> = Vec::new();
        let running: Vec<_> = app.running().collect();
        for action in &running {
            let done = action.rows.iter().filter(|r| matches!(r.state, RowState::Done(_))).count();
            let waits = action.rows.iter().find(|r| matches!(r.state, RowState::Running | RowState::Waiting));
            let waits = waits.map(|r| format!(", waits for: {}", r.title)).unwrap_or_default();
            let since = words::took(env.now.saturating_sub(action.began).max(0));
            let text =
                format!("{} since {since}, {done} of {} steps{waits}", action.title, action.rows.len());
            lines.extend(wrap(&text, room).into_iter().map(|l| vec![part(l, theme.text)]));
        }
        if running.is_empty() {
            lines.push(vec![part("a plan was just confirmed; nothing was heard of it yet", theme.text)]);
        }
        lines.push(Vec::new());
        lines.extend(wrap(MEANS, room).into_iter().map(|l| vec![part(l, theme.warning)]));
        lines.push(Vec::new());
        let mut foot = Vec::new();
        for (id, what) in [("back", "leave it unproven"), ("escape", "stay")] {
            if let Some(id) = command::find(id)
                && let Some(key) = app.look.keymap.key_for(app.scopes(), id)
            {
                foot.push(part(shown_key(&key, theme), theme.key));
                foot.push(part(format!(" {what}     "), theme.dim));
            }
        }
        lines.push(foot);
        let area = centered(paint, body, width, lines.len());
        let inner = paint.pane(area, &[part("A response is running", theme.warning)], theme.warning);
        text::lines(paint, inner, &lines);
    }
}
