//! A thing group, or a mitigation action of AWS, being named.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use tui_input::Input;

use crate::response::{Intent, Mitigation, Target};
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::super::app::{App, Env};
use super::super::paint::{Paint, part, tail};
use super::{Component, Here, Outcome, centered, type_into};

/// What is being named, and for what.
#[derive(Clone, Debug, PartialEq)]
pub enum Naming {
    /// A thing group to put things into.
    Join,
    /// A thing group to take things out of.
    Leave,
    /// A mitigation action of AWS for these violations.
    Mitigate(Vec<String>),
}

/// A thing group, or a mitigation action, being named.
pub struct GroupForm {
    /// For what.
    pub naming: Naming,
    /// The things.
    things: Vec<Target>,
    /// The things, in words.
    whom: SafeText,
    /// What is typed.
    input: Input,
    /// Groups, or mitigation actions, the fleet knows, that match what is typed.
    known: Vec<Name>,
    /// What is wrong with it.
    trouble: Option<SafeText>,
}

impl GroupForm {
    /// A form that begins with `name`.
    pub(in crate::console) fn new(
        naming: Naming,
        (whom, things): (SafeText, Vec<Target>),
        name: String,
        env: &Env<'_>,
    ) -> Self {
        let mut form =
            Self { naming, things, whom, input: Input::new(name), known: Vec::new(), trouble: None };
        form.complete(env);
        form
    }

    /// The plan it asks for; what is wrong with it otherwise.
    fn submit(&mut self) -> Outcome {
        let typed = self.input.value().trim();
        if typed.is_empty() || typed.len() > 128 {
            self.trouble = Some(SafeText::new(match self.naming {
                Naming::Mitigate(_) => "name the mitigation action",
                Naming::Join | Naming::Leave => "name the thing group",
            }));
            return Outcome::Taken;
        }
        if let Naming::Mitigate(violations) = &self.naming {
            let wanted = Mitigation {
                actions: vec![typed.to_owned()],
                violations: violations.clone(),
                findings: Vec::new(),
                check: None,
                // Made once: the plan that is confirmed twice is one task.
                task: format!("quell-{:016x}", fastrand::u64(..)),
            };
            let asked = SafeText::new(&format!("Run {typed} on {}", self.whom));
            return Outcome::Ask(asked, Intent::Mitigate(wanted));
        }
        let (group, things) = (Name::new(typed), self.things.clone());
        let (verb, intent) = if self.naming == Naming::Join {
            ("Put into", Intent::Join { things, group: group.clone() })
        } else {
            ("Take out of", Intent::Leave { things, group: group.clone() })
        };
        Outcome::Ask(SafeText::new(&format!("{verb} {}: {}", group.shown(), self.whom)), intent)
    }

    /// Finds the groups the fleet has heard of that begin with, or contain, what is typed.
    fn complete(&mut self, env: &Env<'_>) {
        let typed = self.input.value().to_lowercase();
        if matches!(self.naming, Naming::Mitigate(_)) {
            let setup = env.fleet.audit_setup().get();
            let actions = setup.map(|s| s.actions.as_slice()).unwrap_or_default();
            // The only kind that Detect's violations take.
            let fits = actions.iter().filter(|a| a.kind.as_str() == "ADD_THINGS_TO_THING_GROUP");
            self.known = fits.map(|a| a.name.clone()).collect();
            self.known.retain(|name| name.raw().to_lowercase().contains(&typed));
            return;
        }
        let own = self.things.iter().filter_map(|t| env.fleet.find(t.thing.raw()));
        let own: Vec<Name> =
            own.filter_map(|id| env.fleet.device(id).groups().get()).flatten().cloned().collect();
        let mut known: Vec<Name> = env.fleet.groups_known().into_iter().chain(own).collect();
        known.retain(|name| name.raw().to_lowercase().contains(&typed));
        known.sort_unstable();
        known.dedup();
        self.known = known;
    }
}

impl Component for GroupForm {
    fn takes_text(&self) -> bool {
        true
    }

    fn key(&mut self, event: KeyEvent, here: &Here<'_>) -> Outcome {
        self.trouble = None;
        match event.code {
            KeyCode::Esc => return Outcome::Leave,
            KeyCode::Enter => return self.submit(),
            KeyCode::Tab | KeyCode::Down => {
                if let Some(first) = self.known.first() {
                    self.input = Input::new(first.raw().to_owned());
                }
            }
            _ => type_into(&mut self.input, event),
        }
        self.complete(here.env);
        Outcome::Taken
    }

    /// The account's mitigation actions may come while one is being named.
    fn settle(&mut self, env: &Env<'_>) {
        self.complete(env);
    }

    fn draw(&self, _: &App, _: &Env<'_>, paint: &mut Paint<'_>, body: Rect) {
        let theme = paint.theme;
        let known: Vec<_> = self.known.iter().take(6).collect();
        let area = centered(paint, body, 72, 4 + known.len() + usize::from(self.trouble.is_some()));
        let (title, what) = match &self.naming {
            Naming::Join => ("Put into a thing group", "thing group  "),
            Naming::Leave => ("Take out of a thing group", "thing group  "),
            Naming::Mitigate(_) => ("Run a mitigation action of AWS", "action       "),
        };
        let inner = paint.pane(area, &[part(title, theme.brand)], theme.focus);
        let (x, room) = (inner.x + 1, inner.width.saturating_sub(2));
        let mut y = inner.y;
        paint.line(x, y, room, &[part("things       ", theme.dim), part(self.whom.as_str(), theme.text)]);
        y += 1;
        let used = paint.text(x, y, room, what, theme.key);
        let typed = SafeText::new(self.input.value());
        let space = room.saturating_sub(used + 1);
        let wide = paint.text(x + used, y, space, &tail(typed.as_str(), space as usize), theme.text);
        paint.cell(x + used + wide, y, " ", theme.cursor);
        y += 1;
        for name in known {
            if y + 1 >= inner.bottom() {
                break;
            }
            paint.text(x + used, y, space, name.shown().as_str(), theme.dim);
            y += 1;
        }
        if let Some(trouble) = &self.trouble
            && y + 1 < inner.bottom()
        {
            paint.text(x, y, room, trouble.as_str(), theme.alarm);
        }
        let keys = [
            part(theme.symbols.enter, theme.key),
            part(" plan   ", theme.dim),
            part("tab", theme.key),
            part(" completes   ", theme.dim),
            part("esc", theme.key),
            part(" leave", theme.dim),
        ];
        if inner.height > 2 {
            paint.line(x, inner.bottom() - 1, room, &keys);
        }
    }
}
