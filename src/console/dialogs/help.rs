//! The keys in force: those of the view first, then the rest by what they are for, then what works elsewhere. Typing searches,
//! and what is chosen can be run.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use tui_input::Input;
use unicode_width::UnicodeWidthStr as _;

use quell_fleet::text::SafeText;

use super::super::app::{App, Env, ListState, Look};
use super::super::command::{self, Command, CommandId, Danger, Purpose, Scope};
use super::super::paint::{Paint, Part, fit, inside, part};
use super::super::views::{Place, shown_key};
use super::{Component, Here, Outcome, Pick, is_control, type_into};

/// Columns of the keys.
const KEYS: usize = 13;
/// The narrowest column of help.
const COLUMN: u16 = 38;
/// Columns help takes at most.
const WIDEST: u16 = 176;

/// The keys in force.
#[derive(Default)]
pub struct HelpDialog {
    /// What is searched for.
    input: Input,
    /// The entry that can be run.
    chosen: Option<usize>,
    scroll: ListState,
}

/// A line of help.
enum Item {
    Heading(String),
    Entry { keys: String, id: CommandId, works: bool },
}

impl Item {
    fn command(&self) -> Option<&'static Command> {
        match self {
            Self::Heading(_) => None,
            Self::Entry { id, .. } => Some(command::get(*id)),
        }
    }
}

/// How help is laid out on a screen.
struct Laid {
    area: Rect,
    columns: u16,
    /// Lines of a column.
    rows: usize,
    /// Lines there is room for.
    page: usize,
}

impl Laid {
    fn of(body: Rect, items: usize, searching: bool) -> Self {
        let width = body.width.min(WIDEST);
        let columns = if searching { 1 } else { (width.saturating_sub(4) / COLUMN).max(1) };
        let rows = items.div_ceil(columns.into()).max(1);
        // A line for what is typed above, one for the sentence below.
        let wanted = u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(4);
        let height = wanted.min(body.height);
        let area = Rect {
            x: body.x + (body.width - width) / 2,
            y: body.y + (body.height - height) / 2,
            width,
            height,
        };
        let page = usize::from(inside(area).height).saturating_sub(2).max(1);
        Self { area, columns, rows, page }
    }
}

impl HelpDialog {
    fn items(&self, look: &Look, scopes: &[Scope], barred: bool) -> Vec<Item> {
        let typed = self.input.value().to_lowercase();
        let found = |command: &Command, keys: &str| {
            let text = format!("{} {} {} {keys}", command.name, command.id, command.sentence).to_lowercase();
            typed.split_whitespace().all(|word| text.contains(word))
        };
        let keys_in = |scopes: &[Scope], id: CommandId| -> Option<String> {
            let bound = look.keymap.bindings().iter().filter(|b| {
                let hit = b.command == id && scopes.contains(&b.scope);
                hit && look.keymap.find(scopes, &b.keys) == super::super::keymap::Found::Command(id)
            });
            let keys: Vec<String> = bound.map(|b| shown_key(&b.shown(), &look.theme)).collect();
            (!keys.is_empty()).then(|| keys.join(" "))
        };
        let mut items = Vec::new();
        let mut section =
            |heading: &str, scopes: &[Scope], wanted: &dyn Fn(&Command) -> bool, works: bool| {
                let entries: Vec<Item> = command::all()
                    .filter(|(_, command)| wanted(command))
                    .filter_map(|(id, command)| {
                        let keys = keys_in(scopes, id)?;
                        let works = works && !(barred && command.danger != Danger::None);
                        found(command, &keys).then_some(Item::Entry { keys, id, works })
                    })
                    .collect();
                if !entries.is_empty() {
                    items.push(Item::Heading(heading.to_owned()));
                    items.extend(entries);
                }
            };
        let own: Vec<Scope> =
            scopes.iter().copied().filter(|s| !matches!(s, Scope::Global | Scope::List)).collect();
        for scope in &own {
            // By where a key is bound: in this view it may run what others run elsewhere.
            let mine = |command: &Command| {
                let id = command::find(command.id);
                look.keymap.bindings().iter().any(|b| b.scope == *scope && Some(b.command) == id)
            };
            section(scope.heading(), &[*scope], &mine, true);
        }
        for purpose in Purpose::ALL {
            let rest = |command: &Command| {
                let id = command::find(command.id);
                let owned =
                    look.keymap.bindings().iter().any(|b| own.contains(&b.scope) && Some(b.command) == id);
                command.purpose == purpose && !owned
            };
            section(purpose.heading(), scopes, &rest, true);
        }
        for scope in Scope::ALL.into_iter().filter(|scope| !scopes.contains(scope)) {
            // Where a view has none of its own, what works in lists and everywhere was told above.
            let theirs = |command: &Command| command.scope == scope;
            section(scope.heading(), &[scope], &theirs, false);
        }
        items
    }

    /// The next entry, or the previous one.
    fn step(&mut self, items: &[Item], by: isize) {
        let entries: Vec<usize> =
            (0..items.len()).filter(|at| items.get(*at).is_some_and(|i| i.command().is_some())).collect();
        let Some(last) = entries.len().checked_sub(1) else {
            self.chosen = None;
            return;
        };
        let at = self.chosen.and_then(|chosen| entries.iter().position(|at| *at == chosen));
        let to = at.map_or(0, |at| at.saturating_add_signed(by).min(last));
        self.chosen = entries.get(to).copied();
    }

    /// Scrolls so that what is chosen is seen.
    fn show(&mut self, laid: &Laid) {
        let Some(chosen) = self.chosen else { return };
        let row = chosen % laid.rows;
        let top = self.scroll.top();
        let by = if row < top {
            row as isize - top as isize
        } else {
            (row + 1).saturating_sub(top + laid.page) as isize
        };
        self.scroll.scroll_by(by);
    }

    fn searching(&self) -> bool {
        !self.input.value().is_empty()
    }
}

impl Component for HelpDialog {
    fn takes_text(&self) -> bool {
        true
    }

    fn key(&mut self, event: KeyEvent, here: &Here<'_>) -> Outcome {
        let control = is_control(event);
        let empty = !self.searching();
        let items = |of: &Self| of.items(here.look, here.scopes, here.barred);
        let half = (self.scroll.page() / 2).max(1) as isize;
        match event.code {
            KeyCode::Esc => return Outcome::Leave,
            KeyCode::Char('q' | '?') if empty && !control => return Outcome::Leave,
            KeyCode::Enter => {
                let items = items(self);
                return match self.chosen.and_then(|at| items.get(at)) {
                    Some(Item::Entry { id, works: true, .. }) => Outcome::Pick(Pick::Command(*id)),
                    Some(Item::Entry { id, .. }) => Outcome::Elsewhere(*id),
                    _ => Outcome::Leave,
                };
            }
            KeyCode::Down | KeyCode::Tab => self.step(&items(self), 1),
            KeyCode::Up | KeyCode::BackTab => self.step(&items(self), -1),
            KeyCode::PageDown => self.step(&items(self), half),
            KeyCode::PageUp => self.step(&items(self), -half),
            KeyCode::Char('n') if control => self.step(&items(self), 1),
            KeyCode::Char('p') if control => self.step(&items(self), -1),
            KeyCode::Char('d') if control => self.step(&items(self), half),
            KeyCode::Char('u') if control => self.step(&items(self), -half),
            _ => {
                type_into(&mut self.input, event);
                self.chosen = None;
                self.scroll = ListState::default();
                if self.searching() {
                    self.step(&items(self), 1);
                }
                return Outcome::Taken;
            }
        }
        let laid = Laid::of(here.body, items(self).len(), self.searching());
        self.show(&laid);
        Outcome::Taken
    }

    fn scroll(&mut self) -> Option<&mut ListState> {
        Some(&mut self.scroll)
    }

    fn place(&self, app: &App, body: Rect) -> Option<Place> {
        let items = self.items(&app.look, app.view_scopes(), app.is_barred());
        let laid = Laid::of(body, items.len(), self.searching());
        Some(Place::Dialog { lines: laid.rows, page: laid.page })
    }

    fn draw(&self, app: &App, _: &Env<'_>, paint: &mut Paint<'_>, body: Rect) {
        let theme = paint.theme;
        let items = self.items(&app.look, app.view_scopes(), app.is_barred());
        let laid = Laid::of(body, items.len(), self.searching());
        paint.clear(laid.area);
        let inner = paint.pane(laid.area, &[part("Keys in force", theme.brand)], theme.focus);
        let room = inner.width.saturating_sub(2);
        let typed = SafeText::new(self.input.value());
        if self.searching() {
            let used = paint.line(
                inner.x + 1,
                inner.y,
                room,
                &[part("/ ", theme.key), part(typed.as_str(), theme.text)],
            );
            paint.cell(inner.x + 1 + used, inner.y, " ", theme.cursor);
        } else {
            paint.text(inner.x + 1, inner.y, room, "type to search", theme.dim);
        }
        if items.is_empty() {
            paint.text(inner.x + 1, inner.y + 1, room, "no command has that", theme.dim);
        }
        let width = room / laid.columns;
        for (at, item) in items.iter().enumerate() {
            let (column, row) = (at / laid.rows, at % laid.rows);
            let Some(y) = row.checked_sub(self.scroll.top()).filter(|y| *y < laid.page) else { continue };
            let x = inner.x + 1 + u16::try_from(column).unwrap_or(0) * width;
            let y = inner.y + 1 + u16::try_from(y).unwrap_or(0);
            let cells = width.saturating_sub(1);
            paint.line(x, y, cells, &line(item, theme, self.searching()));
            if self.chosen == Some(at) {
                paint.style(Rect { x, y, width: cells, height: 1 }, theme.cursor);
            }
        }
        let foot = match self.chosen.and_then(|at| items.get(at)) {
            Some(item) => {
                let sentence = item.command().map_or("", |command| command.sentence);
                vec![
                    part(theme.symbols.enter, theme.key),
                    part(" runs it   ", theme.dim),
                    part(sentence, theme.text),
                ]
            }
            None => vec![
                part("tab", theme.key),
                part(" chooses   ", theme.dim),
                part("esc", theme.key),
                part(" leaves", theme.dim),
            ],
        };
        if inner.height > 2 {
            paint.line(inner.x + 1, inner.bottom() - 1, room, &foot);
        }
        super::super::views::scroll_bar(paint, laid.area, &self.scroll, true);
    }
}

fn line<'a>(item: &'a Item, theme: &super::super::theme::Theme, searching: bool) -> Vec<Part<'a>> {
    match item {
        Item::Heading(text) => vec![part(text.as_str(), theme.brand)],
        Item::Entry { keys, id, works } => {
            let command = command::get(*id);
            let style = match command.danger {
                _ if !works => theme.dim,
                Danger::None => theme.text,
                Danger::Reversible => theme.warning,
                Danger::Permanent => theme.alarm,
            };
            let keys = fit(keys, KEYS, theme.symbols.more).into_owned();
            let gap = " ".repeat((KEYS + 1).saturating_sub(keys.width()));
            let mut parts = vec![part(format!(" {keys}{gap}"), theme.key)];
            if searching {
                parts.push(part(format!("{:<18} ", command.name), style));
                parts.push(part(command.sentence, theme.dim));
            } else {
                parts.push(part(command.name, style));
            }
            parts
        }
    }
}
