//! A form: labelled fields, each typed or turned through choices, with what is to be said of them below. What it asks for
//! is an intent; nothing is sent before its plan is confirmed.

use tui_input::Input;

use crate::response::Intent;
use quell_fleet::audit::Resource;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::dialogs::Overlay;
use super::form::{FormKind, FormLine};
use super::{App, Env};

/// What a form is about.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldsKind {
    /// What Detect judges by, and its files.
    Detect(FormKind),
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
pub enum Said {
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
pub struct FieldsForm {
    /// What it is about.
    pub kind: FieldsKind,
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
    pub(super) fn text(label: &'static str, value: impl Into<String>) -> Self {
        Self { label, hint: "", value: Value::Text(Input::new(value.into())), trouble: None }
    }

    /// A field that turns through choices; the one that stands for `is` is chosen.
    pub(super) fn choice(label: &'static str, options: &[(&str, &str)], is: &str) -> Self {
        let options: Vec<_> = options.iter().map(|(v, s)| ((*v).to_owned(), SafeText::new(s))).collect();
        Self::of(label, options, is)
    }

    pub(super) fn of(label: &'static str, options: Vec<(String, SafeText)>, is: &str) -> Self {
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
    pub fn get(&self) -> &str {
        match &self.value {
            Value::Text(input) => input.value(),
            Value::Choice { options, at } => options.get(*at).map_or("", |(value, _)| value),
        }
    }
}

impl FieldsForm {
    pub(super) fn new(kind: FieldsKind, title: &str, fields: Vec<FormField>) -> Self {
        Self { kind, title: SafeText::new(title), fields, at: 0, trouble: None, told: Vec::new() }
    }

    /// With a field to type in.
    pub(super) fn text(mut self, label: &'static str, value: &str, hint: &'static str) -> Self {
        self.fields.push(FormField { hint, ..FormField::text(label, value) });
        self
    }

    /// With a field that turns.
    pub(super) fn choice(mut self, label: &'static str, of: &[&str]) -> Self {
        let options: Vec<(&str, &str)> = of.iter().map(|word| (*word, *word)).collect();
        self.fields.push(FormField::choice(label, &options, ""));
        self
    }

    /// With something to be said below.
    pub(super) fn tell(mut self, text: &str) -> Self {
        self.told.push(SafeText::new(text));
        self
    }

    /// What a field holds, without spaces around it.
    pub(super) fn value(&self, at: usize) -> String {
        self.fields.get(at).map_or_else(String::new, |field| field.get().trim().to_owned())
    }

    /// Says what is wrong with a field, and goes there.
    pub(super) fn refuse(&mut self, at: usize, why: &str) {
        if let Some(field) = self.fields.get_mut(at) {
            field.trouble = Some(why.to_owned());
            self.at = at;
        }
    }

    /// Its fields as they are drawn.
    pub fn lines(&self) -> Vec<FormLine> {
        self.fields.iter().map(FormField::line).collect()
    }

    /// What the field called `label` stands for, without the spaces around it.
    pub fn get(&self, label: &str) -> &str {
        self.fields.iter().find(|f| f.label == label).map_or("", |f| f.get().trim())
    }

    /// The field being filled in.
    pub fn field(&self) -> Option<&FormField> {
        self.fields.get(self.at)
    }

    pub(super) fn step(&mut self, forward: bool) {
        let n = self.fields.len().max(1);
        self.at = if forward { (self.at + 1) % n } else { (self.at + n - 1) % n };
    }

    /// Turns a field that has choices; false for one that is typed.
    pub(super) fn turn(&mut self, forward: bool) -> bool {
        let Some(FormField { value: Value::Choice { options, at }, .. }) = self.fields.get_mut(self.at)
        else {
            return false;
        };
        let n = options.len().max(1);
        *at = if forward { (*at + 1) % n } else { (*at + n - 1) % n };
        true
    }

    pub(super) fn input(&mut self) -> Option<&mut Input> {
        let field = self.fields.get_mut(self.at)?;
        // What was wrong with it may be mended by the next key.
        field.trouble = None;
        match &mut field.value {
            Value::Text(input) => Some(input),
            Value::Choice { .. } => None,
        }
    }

    /// What is to be said of it as it stands.
    pub fn said(&self, env: &Env<'_>) -> Vec<(Said, String)> {
        match &self.kind {
            FieldsKind::Detect(_) => self.told.iter().map(|t| (Said::Plain, t.to_string())).collect(),
            FieldsKind::Rule => self.rule_said(env),
            _ => self.audit_said(env),
        }
    }

    fn intent(&self, env: &Env<'_>) -> Result<Intent, String> {
        match &self.kind {
            FieldsKind::Rule => Ok(self.rule_intent()),
            _ => self.audit_intent(env),
        }
    }
}

impl App {
    /// Asks for the plan of what was filled in; a form with a mistake stays and says it.
    pub(super) fn submit_fields(&mut self, env: &Env<'_>) {
        let Some(Overlay::Fields(form)) = &mut self.overlay else { return };
        if matches!(form.kind, FieldsKind::Detect(_)) {
            return self.submit_detect(env);
        }
        if let Some((_, wrong)) = form.said(env).iter().find(|(said, _)| *said == Said::Wrong) {
            form.trouble = Some(SafeText::new(wrong));
            return;
        }
        match form.intent(env) {
            Ok(intent) => {
                let asked = form.title.clone();
                self.ask(env, asked, intent);
            }
            Err(wrong) => form.trouble = Some(SafeText::new(&wrong)),
        }
    }
}
