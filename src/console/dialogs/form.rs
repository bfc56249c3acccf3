//! A form: labelled fields, each typed or turned through choices, with what is wrong beside its field and what is to be said
//! of all below. The focused field is always in sight. What a form asks for is an intent; nothing is sent before its plan is
//! confirmed.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::style::Style;
use tui_input::Input;

use quell_fleet::audit::Resource;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::super::app::{App, Env};
use super::super::paint::{Paint, Part, part, wrap};
use super::{Component, Here, Outcome, centered, type_into};

/// Columns of a label.
const LABEL: u16 = 18;
/// Rows kept for fields, whatever is said below them.
const FIELDS: usize = 6;

/// A field as it is drawn.
pub(crate) struct FormLine {
    /// Its label.
    pub label: &'static str,
    /// What it holds.
    pub shown: SafeText,
    /// True when it is turned rather than typed.
    pub choice: bool,
    /// Characters before the cursor, in a typed field.
    pub cursor: usize,
    /// What is wrong with it.
    pub trouble: Option<String>,
    /// What it takes, while it is focused.
    pub hint: Option<String>,
}

impl FormLine {
    /// A field that is typed.
    pub(in crate::console) fn typed(label: &'static str, input: &Input) -> Self {
        let before: String = input.value().chars().take(input.cursor()).collect();
        Self {
            label,
            shown: SafeText::new(input.value()),
            choice: false,
            cursor: SafeText::new(&before).as_str().chars().count(),
            trouble: None,
            hint: None,
        }
    }

    /// A field that is turned.
    pub(in crate::console) fn turned(label: &'static str, shown: &str) -> Self {
        Self { label, shown: SafeText::new(shown), choice: true, cursor: 0, trouble: None, hint: None }
    }

    pub(in crate::console) fn wrong(mut self, trouble: Option<String>) -> Self {
        self.trouble = trouble;
        self
    }

    pub(in crate::console) fn hint(mut self, hint: &str) -> Self {
        self.hint = (!hint.is_empty()).then(|| hint.to_owned());
        self
    }
}

/// What a form is about.
#[derive(Clone, Debug, PartialEq)]
pub enum FormKind {
    /// What Detect judges by, and its files.
    Detect(DetectKind),
    /// A topic rule.
    Rule,
    /// An audit on demand.
    AuditStart,
    /// Findings about a resource told no more.
    Suppress {
        /// Of this check.
        check: Name,
        /// The resource.
        resource: Resource,
    },
    /// Suppressions, one of which is to end.
    Unsuppress(Vec<(Name, Resource)>),
    /// A mitigation action run on findings of one check.
    Mitigate {
        /// The check.
        check: String,
        /// The finding under the cursor.
        finding: String,
        /// All findings of that check that are not suppressed.
        all: Vec<String>,
    },
    /// A mitigation action being made.
    Action,
    /// A mitigation action to delete.
    ActionDelete,
    /// An audit that is to run by itself.
    Schedule,
    /// One that is to end.
    Unschedule,
}

/// A field's value.
#[derive(Clone, Debug)]
pub enum Value {
    /// Typed.
    Text(Input),
    /// One of these.
    Choice {
        /// What it stands for, and what is shown.
        options: Vec<(String, SafeText)>,
        /// Which.
        at: usize,
    },
}

/// A field.
#[derive(Clone, Debug)]
pub struct FormField {
    /// What it is called.
    pub label: &'static str,
    /// What it takes, shown while it is filled in.
    hint: &'static str,
    /// What it holds.
    pub value: Value,
    /// What is wrong with it.
    trouble: Option<String>,
}

/// How a line below the fields should be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// It would be refused.
    Wrong,
    /// It would be taken, and is not what is meant.
    Doubtful,
    /// Good to know.
    Plain,
    /// It works as meant.
    Good,
}

/// A form being filled in.
pub struct Form {
    /// What it is about.
    pub kind: FormKind,
    /// Its title.
    pub title: SafeText,
    /// Its fields, in order.
    pub fields: Vec<FormField>,
    /// Which is being filled in.
    pub at: usize,
    /// Why it could not be planned.
    pub trouble: Option<SafeText>,
    /// What is to be said below the fields, whatever stands in them.
    told: Vec<SafeText>,
}

impl FormField {
    /// A field to type in.
    pub(in crate::console) fn text(label: &'static str, value: impl Into<String>) -> Self {
        Self { label, hint: "", value: Value::Text(Input::new(value.into())), trouble: None }
    }

    /// A field that turns through choices; the one that stands for `is` is chosen.
    pub(in crate::console) fn choice(label: &'static str, options: &[(&str, &str)], is: &str) -> Self {
        let options: Vec<_> = options.iter().map(|(v, s)| ((*v).to_owned(), SafeText::new(s))).collect();
        Self::of(label, options, is)
    }

    pub(in crate::console) fn of(label: &'static str, options: Vec<(String, SafeText)>, is: &str) -> Self {
        let at = options.iter().position(|(value, _)| value == is).unwrap_or(0);
        Self { label, hint: "", value: Value::Choice { options, at }, trouble: None }
    }

    fn line(&self) -> FormLine {
        let line = match &self.value {
            Value::Text(input) => FormLine::typed(self.label, input),
            Value::Choice { options, at } => {
                FormLine::turned(self.label, options.get(*at).map_or("", |(_, shown)| shown.as_str()))
            }
        };
        line.hint(self.hint).wrong(self.trouble.clone())
    }

    /// What it stands for.
    pub(crate) fn get(&self) -> &str {
        match &self.value {
            Value::Text(input) => input.value(),
            Value::Choice { options, at } => options.get(*at).map_or("", |(value, _)| value),
        }
    }
}

impl Form {
    pub(in crate::console) fn new(kind: FormKind, title: &str, fields: Vec<FormField>) -> Self {
        Self { kind, title: SafeText::new(title), fields, at: 0, trouble: None, told: Vec::new() }
    }

    /// With a field to type in.
    pub(in crate::console) fn text(mut self, label: &'static str, value: &str, hint: &'static str) -> Self {
        self.fields.push(FormField { hint, ..FormField::text(label, value) });
        self
    }

    /// With a field that turns.
    pub(in crate::console) fn choice(mut self, label: &'static str, of: &[&str]) -> Self {
        let options: Vec<(&str, &str)> = of.iter().map(|word| (*word, *word)).collect();
        self.fields.push(FormField::choice(label, &options, ""));
        self
    }

    /// With something to be said below.
    pub(in crate::console) fn tell(mut self, text: &str) -> Self {
        self.told.push(SafeText::new(text));
        self
    }

    /// What a field holds, without spaces around it.
    pub(in crate::console) fn value(&self, at: usize) -> String {
        self.fields.get(at).map_or_else(String::new, |field| field.get().trim().to_owned())
    }

    /// Says what is wrong with a field, and goes there.
    pub(in crate::console) fn refuse(&mut self, at: usize, why: &str) {
        if let Some(field) = self.fields.get_mut(at) {
            field.trouble = Some(why.to_owned());
            self.at = at;
        }
    }

    /// Its fields as they are drawn.
    pub(crate) fn lines(&self) -> Vec<FormLine> {
        self.fields.iter().map(FormField::line).collect()
    }

    /// What the field called `label` stands for, without the spaces around it.
    pub(crate) fn get(&self, label: &str) -> &str {
        self.fields.iter().find(|f| f.label == label).map_or("", |f| f.get().trim())
    }

    pub(in crate::console) fn step(&mut self, forward: bool) {
        let n = self.fields.len().max(1);
        self.at = if forward { (self.at + 1) % n } else { (self.at + n - 1) % n };
    }

    /// Turns a field that has choices; false for one that is typed.
    pub(in crate::console) fn turn(&mut self, forward: bool) -> bool {
        let Some(FormField { value: Value::Choice { options, at }, .. }) = self.fields.get_mut(self.at)
        else {
            return false;
        };
        let n = options.len().max(1);
        *at = if forward { (*at + 1) % n } else { (*at + n - 1) % n };
        true
    }

    pub(in crate::console) fn input(&mut self) -> Option<&mut Input> {
        let field = self.fields.get_mut(self.at)?;
        // What was wrong with it may be mended by the next key.
        field.trouble = None;
        match &mut field.value {
            Value::Text(input) => Some(input),
            Value::Choice { .. } => None,
        }
    }

    /// What is to be said of it as it stands.
    pub(crate) fn said(&self, env: &Env<'_>) -> Vec<(Said, String)> {
        match &self.kind {
            FormKind::Detect(_) => self.told.iter().map(|t| (Said::Plain, t.to_string())).collect(),
            FormKind::Rule => self.rule_said(env),
            _ => self.audit_said(env),
        }
    }
}

/// What a form about detection is for.
#[derive(Clone, Debug, PartialEq)]
pub enum DetectKind {
    /// Let a profile judge more, or less.
    Target {
        /// The profile.
        profile: Name,
        /// True to attach.
        attach: bool,
    },
    /// Write or delete a dimension.
    Dimension,
    /// Create or delete a custom metric.
    Metric,
    /// Say what a violation was found to be.
    Verify {
        /// The violations' ids.
        violations: Vec<String>,
    },
    /// Take a profile from a file into the form.
    Import,
    /// Write a profile into a file.
    Export {
        /// The JSON.
        text: String,
    },
}

impl Component for Form {
    fn takes_text(&self) -> bool {
        true
    }

    fn key(&mut self, event: KeyEvent, here: &Here<'_>) -> Outcome {
        self.trouble = None;
        match event.code {
            KeyCode::Esc => return Outcome::Leave,
            KeyCode::Enter => return self.submit(here.env),
            KeyCode::Down | KeyCode::Tab => self.step(true),
            KeyCode::Up | KeyCode::BackTab => self.step(false),
            KeyCode::Char(' ') | KeyCode::Right if self.turn(true) => {}
            KeyCode::Left if self.turn(false) => {}
            _ => {
                if let Some(input) = self.input() {
                    type_into(input, event);
                }
            }
        }
        Outcome::Taken
    }

    fn draw(&self, _: &App, env: &Env<'_>, paint: &mut Paint<'_>, body: Rect) {
        let theme = paint.theme;
        let s = theme.symbols;
        let mut told: Vec<(String, Style)> = Vec::new();
        if let Some(trouble) = &self.trouble {
            told.push((format!("{} {trouble}", s.cross), theme.alarm));
        }
        for (said, text) in self.said(env) {
            let (mark, style) = match said {
                Said::Wrong => (s.cross, theme.alarm),
                Said::Doubtful => (s.warn, theme.warning),
                Said::Good => (s.check, theme.good),
                Said::Plain => (s.dot, theme.dim),
            };
            let line = format!("{mark} {}", SafeText::new(&text));
            if !told.iter().any(|(known, _)| *known == line) {
                told.push((line, style));
            }
        }
        let does = match self.kind {
            FormKind::Detect(DetectKind::Import) => " read  ",
            FormKind::Detect(DetectKind::Export { .. }) => " write  ",
            _ => " plan  ",
        };
        let keys = [
            part(s.enter, theme.key),
            part(does, theme.dim),
            part("tab", theme.key),
            part(" next field  ", theme.dim),
            part(s.space, theme.key),
            part(" turns a choice  ", theme.dim),
            part("esc", theme.key),
            part(" leave", theme.dim),
        ];
        draw(paint, body, self.title.as_str(), &self.lines(), self.at, &told, &keys);
    }
}

impl Form {
    /// The plan, or the file, it asks for; a form with a mistake stays and says it.
    fn submit(&mut self, env: &Env<'_>) -> Outcome {
        if let FormKind::Detect(kind) = self.kind.clone() {
            return self.submit_detect(kind);
        }
        if let Some((_, wrong)) = self.said(env).iter().find(|(said, _)| *said == Said::Wrong) {
            self.trouble = Some(SafeText::new(wrong));
            return Outcome::Taken;
        }
        match self.audit_intent(env) {
            Ok(intent) => Outcome::Ask(self.title.clone(), intent),
            Err(wrong) => {
                self.trouble = Some(SafeText::new(&wrong));
                Outcome::Taken
            }
        }
    }
}

/// Draws a form.
pub(super) fn draw(
    paint: &mut Paint<'_>,
    body: Rect,
    title: &str,
    lines: &[FormLine],
    focus: usize,
    told: &[(String, Style)],
    keys: &[Part<'_>],
) {
    let theme = paint.theme;
    let s = theme.symbols;
    let width = 96.min(body.width);
    let room = width.saturating_sub(4);
    let mut told: Vec<(String, Style)> = told
        .iter()
        .flat_map(|(text, style)| wrap(text, room as usize).into_iter().map(move |line| (line, *style)))
        .collect();
    // A field is one row, or two when what is wrong with it does not fit beside it.
    let beside = |line: &FormLine| {
        let used = LABEL as usize + line.shown.as_str().chars().count().max(12) + 4;
        line.trouble.as_ref().is_some_and(|t| used + t.chars().count() <= room as usize)
    };
    let tall = |line: &FormLine| if line.trouble.is_some() && !beside(line) { 2 } else { 1 };
    let wanted: usize = lines.iter().map(tall).sum();
    // Frame, keys, and the space above what is said.
    let high = (body.height as usize).saturating_sub(3);
    let below = told.len().min(high.saturating_sub(wanted.min(FIELDS.max(high / 2)) + 1));
    if below < told.len() {
        told.truncate(below);
        if let Some((last, _)) = told.last_mut() {
            last.push_str(" …");
        }
    }
    let area = centered(paint, body, width, wanted + told.len() + 2);
    let inner = paint.pane(area, &[part(SafeText::new(title).to_string(), theme.brand)], theme.focus);
    let x = inner.x + 1;
    let space = (inner.height as usize).saturating_sub(told.len() + 2).max(1);
    // The first line shown: as far up as keeps the focused field in sight.
    let mut top = 0;
    while top < focus && lines.iter().take(focus + 1).skip(top).map(tall).sum::<usize>() > space {
        top += 1;
    }
    let mut y = inner.y;
    let end = inner.y + u16::try_from(space).unwrap_or(u16::MAX).min(inner.height.saturating_sub(1).max(1));
    let mut shown = top;
    for (i, line) in lines.iter().enumerate().skip(top) {
        if y >= end {
            break;
        }
        field(paint, Rect { x, y, width: room, height: 1 }, line, i == focus, beside(line));
        y += 1;
        if tall(line) == 2 && y < end {
            let text = format!("{} {}", s.cross, line.trouble.as_deref().unwrap_or_default());
            let x = x + LABEL.min(room / 3);
            paint.text(x, y, room.saturating_sub(LABEL.min(room / 3)), &text, theme.alarm);
            y += 1;
        }
        shown = i + 1;
    }
    if top > 0 || shown < lines.len() {
        let text = format!("{}-{} of {} ", top + 1, shown, lines.len());
        paint.right(inner.x, area.y, inner.width.saturating_sub(1), &text, theme.dim);
    }
    y = end.max(y);
    for (line, style) in &told {
        if y + 1 < inner.bottom() {
            y += 1;
            paint.text(x, y.min(inner.bottom().saturating_sub(2)), room, line, *style);
        }
    }
    if inner.height > 1 {
        paint.line(x, inner.bottom() - 1, room, keys);
    }
}

fn field(paint: &mut Paint<'_>, row: Rect, line: &FormLine, here: bool, beside: bool) {
    let theme = paint.theme;
    let Rect { x, y, width, .. } = row;
    let label = LABEL.min(width / 3 + 2);
    let style = if here { theme.key } else { theme.dim };
    paint.text(x, y, label, line.label, style);
    let x = x + label;
    let mut space = width.saturating_sub(label + 1);
    let trouble = line.trouble.as_ref().filter(|_| beside);
    let trouble = trouble.map(|t| format!("{} {t}", theme.symbols.cross));
    if let Some(text) = &trouble {
        space = space.saturating_sub(u16::try_from(text.chars().count()).unwrap_or(u16::MAX) + 2);
    }
    // The cursor stays in sight: what is before it is shown, then what is after it.
    let text: Vec<char> = line.shown.as_str().chars().collect();
    let skip =
        if here && !line.choice { line.cursor.saturating_sub(space.saturating_sub(1) as usize) } else { 0 };
    let shown: String = text.iter().skip(skip).collect();
    let style = if line.trouble.is_some() { theme.alarm } else { theme.text };
    let wide = paint.text(x, y, space, &shown, style);
    if here && line.choice {
        paint.style(Rect { x, y, width: wide.max(1), height: 1 }, theme.cursor);
    } else if here {
        let at = u16::try_from(line.cursor - skip).unwrap_or(u16::MAX).min(space.saturating_sub(1));
        let under = text.get(line.cursor).map_or(" ".to_owned(), ToString::to_string);
        paint.cell(x + at, y, &under, theme.cursor);
    }
    if let Some(text) = trouble {
        paint.text(
            x + wide.max(12) + 2,
            y,
            width.saturating_sub(label + wide.max(12) + 2),
            &text,
            theme.alarm,
        );
    } else if let Some(hint) = line.hint.as_ref().filter(|_| here && line.trouble.is_none()) {
        let from = wide + 3;
        if from + 12 < width.saturating_sub(label) {
            paint.text(x + from, y, width.saturating_sub(label + from), hint, theme.dim);
        }
    }
}
