//! What the start found: responses that an earlier process began and never ended, each request with the truth about it.

use ratatui::layout::Rect;

use crate::response::past::Past;

use super::super::app::{App, Env, ListState};
use super::super::command::{self, Scope};
use super::super::paint::{Paint, part, wrap};
use super::super::views::text::{self, Line};
use super::super::views::{Place, shown_key};
use super::{Component, centered, centre};

/// Plans that an earlier process began and never ended.
pub struct RecoveredDialog {
    /// The plans, oldest first.
    plans: Vec<Past>,
    /// Which of them is shown.
    chosen: usize,
    scroll: ListState,
}

impl RecoveredDialog {
    /// The last of them is shown first.
    pub(in crate::console) fn new(plans: Vec<Past>) -> Self {
        Self { chosen: plans.len().saturating_sub(1), plans, scroll: ListState::default() }
    }

    /// The plan that is shown.
    pub(in crate::console) fn shown(&self) -> Option<&Past> {
        self.plans.get(self.chosen)
    }
}

impl Component for RecoveredDialog {
    fn scopes(&self) -> &'static [Scope] {
        &[Scope::Journal, Scope::Payload, Scope::Global]
    }

    /// The one before, or the one after.
    fn turn(&mut self, forward: bool) {
        let step = if forward { 1 } else { self.plans.len().saturating_sub(1) };
        self.chosen = (self.chosen + step) % self.plans.len().max(1);
        self.scroll = ListState::default();
    }

    fn scroll(&mut self) -> Option<&mut ListState> {
        Some(&mut self.scroll)
    }

    fn place(&self, app: &App, body: Rect) -> Option<Place> {
        let lines = told(app, body, self.shown()?).len();
        Some(text::above_foot_place(centre(body, WIDTH, lines + 1), lines))
    }

    fn hints(&self, _: &App) -> &'static [&'static str] {
        &["finish", "undo", "escape", "down"]
    }

    fn draw(&self, app: &App, _: &Env<'_>, paint: &mut Paint<'_>, body: Rect) {
        let theme = paint.theme;
        let s = theme.symbols;
        let Some(plan) = self.plans.get(self.chosen) else { return };
        let lines = told(app, body, plan);
        let area = centered(paint, body, WIDTH, lines.len() + 1);
        let mut title = vec![
            part("Cut short ", theme.warning),
            part(plan.title.to_string(), theme.brand),
            part(format!(" {} {}", s.dot, plan.at), theme.dim),
        ];
        if self.plans.len() > 1 {
            title.push(part(format!(" {} {} of {}", s.dot, self.chosen + 1, self.plans.len()), theme.dim));
        }
        let inner = paint.pane(area, &title, theme.warning);
        let mut foot = Vec::new();
        let mut hints = vec![("finish", "finish it"), ("undo", "undo it")];
        if self.plans.len() > 1 {
            hints.push(("left", "other plan"));
        }
        hints.push(("escape", "later"));
        for (id, what) in hints {
            if let Some(id) = command::find(id)
                && let Some(key) = app.look.keymap.key_for(app.scopes(), id)
            {
                foot.push(part(shown_key(&key, theme), theme.key));
                foot.push(part(format!(" {what}     "), theme.dim));
            }
        }
        text::above_foot(paint, inner, &lines, &self.scroll, foot);
    }
}

/// Columns of it.
const WIDTH: u16 = 110;

fn told<'a>(app: &App, body: Rect, plan: &Past) -> Vec<Line<'a>> {
    let theme = &app.look.theme;
    let s = theme.symbols;
    let room = WIDTH.min(body.width).saturating_sub(4) as usize;
    let mut lines: Vec<Line<'_>> = Vec::new();
    let done = plan.steps.iter().filter(|step| step.happened()).count();
    let lead = format!(
        "Its process is gone and wrote no outcome. Of its {} requests {done} happened, as the account shows now:",
        plan.steps.len()
    );
    lines.extend(wrap(&lead, room).into_iter().map(|l| vec![part(l, theme.warning)]));
    for step in &plan.steps {
        let (shape, style) = if step.happened() { (s.check, theme.good) } else { (s.warn, theme.warning) };
        let target = plan.target_of(step).map_or_else(String::new, |name| format!("{} ", name.shown()));
        let text = format!("{target}{} {}: {}", step.operation(), step.resource(), step.truth());
        for (i, l) in wrap(&text, room.saturating_sub(4)).into_iter().enumerate() {
            let lead = if i == 0 { format!(" {shape}  ") } else { "    ".to_owned() };
            lines.push(vec![part(lead, style), part(l, theme.text)]);
        }
    }
    lines
}
