//! A plan before it is confirmed: what will be done, whom it touches, what proves it.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::style::Style;
use tui_input::Input;
use unicode_width::UnicodeWidthStr as _;

use crate::response::{Check, Confirmation, Intent, Level, Plan, Reversible};
use quell_fleet::known::Trouble;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::super::app::{App, Env, ListState};
use super::super::command::{self, Scope};
use super::super::key::Key;
use super::super::paint::{Paint, inside, part, wrap};
use super::super::theme::Theme;
use super::super::views::text::{self, Line};
use super::super::views::{Place, reason, shown_key, split};
use super::{Component, Here, Outcome, centre, is_control, type_into};

/// A plan on the screen.
pub struct PlanDialog {
    /// Comes back with the answer.
    pub(in crate::console) generation: u64,
    /// What was asked for, in a few words, until the plan has a title.
    asked: SafeText,
    /// How far it is.
    pub(in crate::console) phase: PlanPhase,
    /// What it was asked with: asked again, changed, by editing.
    pub(in crate::console) intent: Intent,
    /// The changed group being typed.
    pub(in crate::console) editing: Option<Input>,
    /// What is typed to confirm.
    typed: Input,
    /// Nothing may be changed here.
    read_only: bool,
    /// What of it is shown.
    page: Page,
    scroll: ListState,
}

/// What of a plan is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    /// What will be done, and whom it touches.
    Steps,
    /// All it acts on, by name.
    Names,
    /// The requests.
    Calls,
}

/// Said in a plan where nothing may be changed.
const READ_ONLY: &str = "read-only: this quell changes nothing";

/// So many of what a plan acts on are named beside its steps.
const NAMED: usize = 5;

/// How far a plan is.
pub(crate) enum PlanPhase {
    /// The account is being read.
    Computing,
    /// Here it is.
    Ready(Box<Plan>),
    /// It could not be computed.
    Failed(Trouble),
}

impl PlanDialog {
    /// A plan that was asked for.
    /// With `read_only` it is only shown: there is nothing to confirm.
    pub(in crate::console) fn new(generation: u64, asked: SafeText, intent: Intent, read_only: bool) -> Self {
        Self {
            read_only,
            generation,
            asked,
            phase: PlanPhase::Computing,
            intent,
            editing: None,
            typed: Input::default(),
            page: Page::Steps,
            scroll: ListState::default(),
        }
    }

    /// Why the plan cannot be confirmed: nothing may be changed here, or what the plan itself says.
    pub(in crate::console) fn refused<'a>(&self, plan: &'a Plan) -> Option<&'a str> {
        if self.read_only { Some(READ_ONLY) } else { plan.refused().map(SafeText::as_str) }
    }

    /// Shows the next of its pages.
    pub(in crate::console) fn turn_page(&mut self) {
        let PlanPhase::Ready(plan) = &self.phase else { return };
        self.page = match self.page {
            Page::Steps if plan.targets().len() > NAMED => Page::Names,
            Page::Steps | Page::Names => Page::Calls,
            Page::Calls => Page::Steps,
        };
        self.scroll = ListState::default();
    }

    /// Shows the requests, or the steps again.
    pub(in crate::console) fn show_calls(&mut self) {
        self.page = if self.page == Page::Calls { Page::Steps } else { Page::Calls };
        self.scroll = ListState::default();
    }

    /// The requests, or all names, as lines of text.
    pub(in crate::console) fn told(&self, theme: &Theme, room: usize, requests: bool) -> Vec<String> {
        let PlanPhase::Ready(plan) = &self.phase else { return Vec::new() };
        plain(if requests { calls(plan, theme, room) } else { names(plan, theme, room) })
    }

    /// All of it as lines of text: what will be done, to what, what proves it, whom it touches.
    pub(in crate::console) fn read_out(&self, theme: &Theme, room: usize) -> Vec<String> {
        match &self.phase {
            PlanPhase::Computing => Vec::new(),
            PlanPhase::Failed(trouble) => {
                vec![format!("{}: no plan could be made: {}. Nothing was sent.", self.asked, reason(trouble))]
            }
            PlanPhase::Ready(plan) => {
                let mut out = vec![format!("Plan: {}", plan.title())];
                out.extend(plain(steps(plan, self.refused(plan), theme, room)));
                out
            }
        }
    }

    /// What is on the page after the one that is shown.
    fn next_page(&self, plan: &Plan) -> String {
        match self.page {
            Page::Steps if plan.targets().len() > NAMED => format!("all {} names", plan.targets().len()),
            Page::Steps | Page::Names => "the API calls".to_owned(),
            Page::Calls => "the steps".to_owned(),
        }
    }

    /// True when something must be typed to confirm it.
    fn wants_name(&self) -> bool {
        matches!(&self.phase, PlanPhase::Ready(plan)
            if self.refused(plan).is_none() && !matches!(plan.confirmation(), Confirmation::Nothing | Confirmation::Enter))
    }

    /// What was typed to confirm it, where that is asked for.
    pub(in crate::console) fn typed(&self) -> Option<String> {
        self.takes_text().then(|| self.typed.value().to_owned())
    }

    /// What was typed was not what was asked for.
    pub(in crate::console) fn refuse(&mut self) {
        self.typed.reset();
    }

    /// Asks again with the group that was typed.
    fn with_other_group(&mut self) -> Outcome {
        let typed = self.editing.take().unwrap_or_default();
        match self.with_group(typed.value()) {
            Some((asked, intent)) => Outcome::Ask(asked, intent),
            None => Outcome::Taken,
        }
    }

    /// What asks for the same with another group; `None` where there is none in it, or none is named.
    pub(in crate::console) fn with_group(&self, group: &str) -> Option<(SafeText, Intent)> {
        let wanted = Some(group.trim()).filter(|name| !name.is_empty()).map(Name::new)?;
        let mut intent = self.intent.clone();
        match &mut intent {
            Intent::Isolate { group, .. } | Intent::Release { group, .. } => *group = Some(wanted),
            Intent::Join { group, .. } | Intent::Leave { group, .. } => *group = wanted,
            _ => return None,
        }
        Some((self.asked.clone(), intent))
    }

    /// Whether another group can be named in it.
    pub(in crate::console) fn has_group(&self) -> bool {
        matches!(
            self.intent,
            Intent::Isolate { .. } | Intent::Release { .. } | Intent::Join { .. } | Intent::Leave { .. }
        )
    }
}

/// Widest a plan gets: longer lines are not read.
pub(super) const WIDTH: u16 = 100;

/// A plan, laid out: its lines, and the keys below them, which are never scrolled away.
struct Laid<'a> {
    title: &'a SafeText,
    border: Style,
    lines: Vec<Line<'a>>,
    foot: Vec<Line<'a>>,
    area: Rect,
}

impl Laid<'_> {
    /// Where the lines are, and the keys.
    fn split(&self) -> (Rect, Rect) {
        let inner = inside(self.area);
        split(inner, inner.height.saturating_sub(self.foot.len() as u16))
    }
}

fn lay_out<'a>(app: &'a App, body: Rect, dialog: &'a PlanDialog) -> Laid<'a> {
    let theme = &app.look.theme;
    let width = WIDTH.min(body.width);
    let room = width.saturating_sub(4) as usize;
    let (title, border, lines) = match &dialog.phase {
        PlanPhase::Computing => {
            let lines = vec![vec![part(format!("reading the account {}", theme.symbols.more), theme.dim)]];
            (&dialog.asked, theme.focus, lines)
        }
        PlanPhase::Failed(trouble) => {
            let mut lines: Vec<Line<'_>> = Vec::new();
            let text = format!("no plan could be made: {}", reason(trouble));
            lines.extend(wrap(&text, room).into_iter().map(|l| vec![part(l, theme.alarm)]));
            lines.push(vec![part("Nothing was sent.", theme.dim)]);
            (&dialog.asked, theme.alarm, lines)
        }
        PlanPhase::Ready(plan) => {
            let bad = plan.would_change_nothing().is_some() || dialog.refused(plan).is_some();
            let is_final = matches!(plan.reversible(), Reversible::No(_));
            let border = if bad || is_final { theme.alarm } else { theme.focus };
            let lines = match dialog.page {
                Page::Steps => steps(plan, dialog.refused(plan), theme, room),
                Page::Names => names(plan, theme, room),
                Page::Calls => calls(plan, theme, room),
            };
            (plan.title(), border, lines)
        }
    };
    let foot: Vec<Line<'_>> = match &dialog.phase {
        PlanPhase::Ready(plan) => confirmation(app, plan, dialog, theme),
        _ => vec![keys(app, &[("escape", "leave")], theme)],
    };
    let area = centre(body, width, lines.len() + 1 + foot.len());
    Laid { title, border, lines, foot, area }
}

impl Component for PlanDialog {
    fn scopes(&self) -> &'static [Scope] {
        &[Scope::Plan]
    }

    fn takes_text(&self) -> bool {
        self.editing.is_some() || self.wants_name()
    }

    fn key(&mut self, event: KeyEvent, _: &Here<'_>) -> Outcome {
        if let Some(input) = &mut self.editing {
            match event.code {
                KeyCode::Esc => self.editing = None,
                KeyCode::Enter => return self.with_other_group(),
                _ => type_into(input, event),
            }
            return Outcome::Taken;
        }
        if event.code == KeyCode::Tab {
            self.turn_page();
            return Outcome::Taken;
        }
        let edits =
            matches!(event.code, KeyCode::Backspace | KeyCode::Left | KeyCode::Right | KeyCode::Delete);
        if Key::from(event).typed().is_some() || edits || is_control(event) {
            type_into(&mut self.typed, event);
            return Outcome::Taken;
        }
        Outcome::Command
    }

    fn scroll(&mut self) -> Option<&mut ListState> {
        Some(&mut self.scroll)
    }

    fn place(&self, app: &App, body: Rect) -> Option<Place> {
        let laid = lay_out(app, body, self);
        Some(Place::Dialog { lines: laid.lines.len(), page: laid.split().0.height.into() })
    }

    fn hints(&self, _: &App) -> &'static [&'static str] {
        match &self.phase {
            _ if self.takes_text() => &[],
            PlanPhase::Ready(plan) if self.refused(plan).is_some() => &["plan-page", "api-calls", "escape"],
            PlanPhase::Ready(_) => &["confirm", "plan-page", "api-calls", "edit", "escape"],
            PlanPhase::Computing | PlanPhase::Failed(_) => &["escape"],
        }
    }

    fn draw(&self, app: &App, _: &Env<'_>, paint: &mut Paint<'_>, body: Rect) {
        let theme = paint.theme;
        let laid = lay_out(app, body, self);
        paint.clear(laid.area);
        paint.pane(laid.area, &[part(laid.title.as_str(), theme.brand)], laid.border);
        // A plan that is longer than the screen scrolls above its keys.
        let (above, below) = laid.split();
        text::scrolled(paint, (laid.area, above), &laid.lines, &self.scroll, theme.warning);
        text::lines(paint, below, &laid.foot);
    }
}

/// Lines without their colours.
fn plain(lines: Vec<Line<'_>>) -> Vec<String> {
    lines
        .into_iter()
        .map(|line| line.iter().map(|(text, _)| text.as_ref()).collect::<String>().trim_end().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

fn label<'a>(text: &'a str, theme: &Theme) -> Line<'a> {
    vec![part(text, theme.dim)]
}

fn steps<'a>(plan: &'a Plan, refused: Option<&str>, theme: &Theme, room: usize) -> Vec<Line<'a>> {
    let s = theme.symbols;
    let mut lines = Vec::new();
    let nothing = plan.would_change_nothing().map(SafeText::as_str);
    for (why, lead) in [(refused, "refused: "), (nothing, "this would change nothing: ")] {
        if let Some(why) = why {
            let text = format!("{lead}{why}");
            lines.extend(wrap(&text, room).into_iter().map(|l| vec![part(l, theme.alarm)]));
            lines.push(Vec::new());
        }
    }
    if plan.targets().len() > 1 {
        let text = format!("on {}", some(plan.targets().iter().map(|name| name.shown().as_str()), NAMED));
        lines.extend(wrap(&text, room).into_iter().map(|l| vec![part(l, theme.text)]));
    }
    if !plan.steps().is_empty() {
        lines.push(label("will", theme));
    }
    let title_width = plan.steps().iter().map(|step| step.title.width()).max().unwrap_or(0).min(34);
    for step in plan.steps() {
        let pad = title_width.saturating_sub(step.title.width());
        let mut line = vec![
            part(format!("  {}  ", step.n), theme.dim),
            part(format!("{}{}  ", step.title, " ".repeat(pad)), theme.text),
            part(step.detail.as_str(), theme.brand),
        ];
        let (shape, text, style) = match &step.check {
            Check::None => ("", "", theme.dim),
            Check::Passed(text) => (s.check, text.as_str(), theme.good),
            Check::Doubtful(text) => (s.warn, text.as_str(), theme.warning),
            Check::Failed(text) => (s.cross, text.as_str(), theme.alarm),
        };
        let used: usize = line.iter().map(|(t, _)| t.width()).sum();
        if shape.is_empty() {
            lines.push(line);
        } else if used + text.width() + shape.width() + 4 <= room {
            line.push(part(format!("   {shape} {text}"), style));
            lines.push(line);
        } else {
            lines.push(line);
            let indented = wrap(text, room.saturating_sub(9));
            for (i, l) in indented.into_iter().enumerate() {
                let lead = if i == 0 { format!("     {shape} ") } else { "       ".to_owned() };
                lines.push(vec![part(format!("{lead}{l}"), style)]);
            }
        }
    }
    if !plan.proofs().is_empty() {
        lines.push(label("then prove", theme));
        for proof in plan.proofs() {
            for (i, l) in wrap(proof.text.as_str(), room.saturating_sub(6)).into_iter().enumerate() {
                let lead = if i == 0 { format!("  {}  ", proof.n) } else { "     ".to_owned() };
                lines.push(vec![part(lead, theme.dim), part(l, theme.text)]);
            }
        }
    }
    lines.push(label("affects", theme));
    for (level, text) in plan.told() {
        let (shape, style) = match level {
            Level::Info => (" ", theme.text),
            Level::Warn => (s.warn, theme.warning),
            Level::Danger => (s.warn, theme.alarm),
        };
        for (i, l) in wrap(&text, room.saturating_sub(5)).into_iter().enumerate() {
            let lead = if i == 0 { format!("  {shape} ") } else { "    ".to_owned() };
            lines.push(vec![part(lead, style), part(l, style)]);
        }
    }
    let (text, style) = match plan.reversible() {
        Reversible::Yes(how) => (format!("reversible: {how}"), theme.text),
        Reversible::No(why) => (format!("NOT reversible: {why}"), theme.alarm),
    };
    for l in wrap(&text, room.saturating_sub(5)) {
        lines.push(vec![part("    ", style), part(l, style)]);
    }
    lines
}

/// The first names, and how many more: `Thing01, Thing02, +3`.
fn some<'a>(names: impl ExactSizeIterator<Item = &'a str>, most: usize) -> String {
    let more = names.len().saturating_sub(most);
    let mut all: Vec<&str> = names.take(most).collect();
    let rest = format!("+{more}");
    if more > 0 {
        all.push(&rest);
    }
    all.join(", ")
}

/// All that a plan acts on, in columns.
fn names<'a>(plan: &'a Plan, theme: &Theme, room: usize) -> Vec<Line<'a>> {
    let mut lines = vec![vec![part(format!("all {} it acts on", plan.targets().len()), theme.dim)]];
    let longest = plan.targets().iter().map(|name| name.shown().width()).max().unwrap_or(1);
    let width = (longest + 2).min(room.max(1));
    for row in plan.targets().chunks((room / width).max(1)) {
        let cells = row.iter().map(|name| {
            let gap = " ".repeat(width.saturating_sub(name.shown().width()));
            part(format!("{}{gap}", name.shown()), theme.text)
        });
        lines.push(cells.collect());
    }
    lines
}

fn calls<'a>(plan: &'a Plan, theme: &Theme, room: usize) -> Vec<Line<'a>> {
    let mut lines = vec![label("the requests, in order", theme)];
    for step in plan.steps() {
        for call in &step.calls {
            lines.push(vec![
                part(format!("  {}  ", step.n), theme.dim),
                part(call.operation, theme.brand),
                part(format!("  {}", call.resource), theme.text),
            ]);
            for l in wrap(call.summary.as_str(), room.saturating_sub(6)) {
                lines.push(vec![part(format!("     {l}"), theme.dim)]);
            }
        }
    }
    lines
}

fn confirmation<'a>(app: &App, plan: &'a Plan, dialog: &PlanDialog, theme: &Theme) -> Vec<Line<'a>> {
    if let Some(input) = &dialog.editing {
        let typed = SafeText::new(input.value());
        return vec![
            vec![
                part("thing group: ", theme.warning),
                part(typed.to_string(), theme.brand),
                part(" ", theme.cursor),
            ],
            vec![
                part(theme.symbols.enter, theme.key),
                part(" plan again     ", theme.dim),
                part("esc", theme.key),
                part(" leave it as it is", theme.dim),
            ],
        ];
    }
    let change = match plan.intent() {
        Intent::Isolate { .. } | Intent::Release { .. } | Intent::Join { .. } | Intent::Leave { .. } => {
            Some(("edit", "change group"))
        }
        Intent::LaunchJob(_) => Some(("edit", "change job")),
        _ => None,
    };
    let verb = plan.intent().verb().id();
    let verb = if plan.would_change_nothing().is_some() { "do it all the same" } else { verb };
    let change = change
        .into_iter()
        .chain(plan.instead().map(|_| ("instead", "its certificate instead")))
        .chain(plan.cut_one().map(|_| ("cut-one", "cut one session")));
    let next = dialog.next_page(plan);
    if dialog.refused(plan).is_some() {
        let hints: Vec<_> = change.chain([("plan-page", next.as_str()), ("escape", "leave")]).collect();
        return vec![keys(app, &hints, theme)];
    }
    let mut lines = Vec::new();
    let ask = match plan.confirmation() {
        Confirmation::Nothing | Confirmation::Enter => None,
        Confirmation::TypeAccount(_) => Some("type the twelve digits of the account to confirm: ".to_owned()),
        Confirmation::TypeName { name, or } => Some(match or {
            Some(or) => match certificate_ending(plan, or.as_str()) {
                Some(short) => format!("certificate {short}: type {name} or {or} to confirm: "),
                None => format!("type {name} or {or} to confirm: "),
            },
            None => format!("type {name} to confirm: "),
        }),
        Confirmation::TypeCount(n) => Some(format!("it acts on {n} things; type the number to confirm: ")),
    };
    match ask {
        None => {
            let hints: Vec<_> = [("confirm", verb)]
                .into_iter()
                .chain(change)
                .chain([("plan-page", next.as_str()), ("escape", "leave")])
                .collect();
            lines.push(keys(app, &hints, theme));
        }
        Some(ask) => {
            let typed = SafeText::new(dialog.typed.value());
            let fits = plan.confirmation().accepts(Some(dialog.typed.value()));
            lines.push(vec![
                part(ask, theme.warning),
                part(typed.to_string(), theme.brand),
                part(" ", theme.cursor),
                part(if fits { format!("  {}", theme.symbols.check) } else { String::new() }, theme.good),
            ]);
            // While a name is typed, letters are letters: only these keys are commands.
            let mut line = Vec::new();
            for (key, what) in [(theme.symbols.enter, verb), ("tab", next.as_str()), ("esc", "leave")] {
                line.push(part(key, theme.key));
                line.push(part(format!(" {what}     "), theme.dim));
            }
            lines.push(line);
        }
    }
    lines
}

/// `d0bb69cc…6c35c6aa`: the certificate of which the last digits may be typed.
fn certificate_ending(plan: &Plan, digits: &str) -> Option<String> {
    let calls = plan.steps().iter().flat_map(|step| &step.calls);
    let id = calls.filter_map(|call| {
        let text = call.summary.as_str();
        text.split(|c: char| !c.is_ascii_hexdigit()).find(|w| w.len() == 64 && w.ends_with(digits))
    });
    let id = id.map(str::to_owned).next()?;
    Some(format!("{}…{digits}", id.get(..8)?))
}

pub(super) fn keys<'a>(app: &App, commands: &[(&str, &str)], theme: &Theme) -> Line<'a> {
    let mut line = Vec::new();
    for (id, what) in commands {
        let Some(id) = command::find(id) else { continue };
        let Some(key) = app.look.keymap.key_for(app.scopes(), id) else { continue };
        line.push(part(shown_key(&key, theme), theme.key));
        line.push(part(format!(" {what}     "), theme.dim));
    }
    line
}
