//! What every form is made of: labelled fields of which one is focused, each with its own error beside it, and small forms
//! of a few fields.

use tui_input::Input;

use crate::fleet::model::Name;
use crate::text::SafeText;

/// A field as it is drawn.
pub struct FormLine {
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
    pub(super) fn typed(label: &'static str, input: &Input) -> Self {
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
    pub(super) fn turned(label: &'static str, shown: &str) -> Self {
        Self { label, shown: SafeText::new(shown), choice: true, cursor: 0, trouble: None, hint: None }
    }

    pub(super) fn wrong(mut self, trouble: Option<String>) -> Self {
        self.trouble = trouble;
        self
    }

    pub(super) fn hint(mut self, hint: &str) -> Self {
        self.hint = Some(hint.to_owned());
        self
    }
}

/// What a small form is for.
#[derive(Clone, Debug, PartialEq)]
pub enum FormKind {
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

/// What a field of a small form is.
enum Entry {
    /// Typed.
    Text(Input),
    /// Turned.
    Choice(&'static [&'static str], usize),
}

/// A field of a small form.
struct SmallField {
    label: &'static str,
    hint: &'static str,
    entry: Entry,
    /// What is wrong with it.
    trouble: Option<String>,
}

/// A form of a few fields.
pub struct SmallForm {
    /// What it is for.
    pub kind: FormKind,
    /// Its title.
    pub title: SafeText,
    /// Its fields.
    fields: Vec<SmallField>,
    /// The focused one.
    pub at: usize,
    /// What is said below them.
    pub told: Vec<SafeText>,
}

impl SmallForm {
    pub(super) fn new(kind: FormKind, title: &str) -> Self {
        Self { kind, title: SafeText::new(title), fields: Vec::new(), at: 0, told: Vec::new() }
    }

    pub(super) fn text(mut self, label: &'static str, value: &str, hint: &'static str) -> Self {
        let entry = Entry::Text(Input::new(value.to_owned()));
        self.fields.push(SmallField { label, hint, entry, trouble: None });
        self
    }

    pub(super) fn choice(mut self, label: &'static str, of: &'static [&'static str]) -> Self {
        self.fields.push(SmallField { label, hint: "", entry: Entry::Choice(of, 0), trouble: None });
        self
    }

    pub(super) fn tell(mut self, text: &str) -> Self {
        self.told.push(SafeText::new(text));
        self
    }

    /// What a field holds, without spaces around it.
    pub(super) fn value(&self, at: usize) -> String {
        match self.fields.get(at).map(|f| &f.entry) {
            Some(Entry::Text(input)) => input.value().trim().to_owned(),
            Some(Entry::Choice(of, at)) => of.get(*at).copied().unwrap_or_default().to_owned(),
            None => String::new(),
        }
    }

    /// Says what is wrong with a field, and goes there.
    pub(super) fn refuse(&mut self, at: usize, why: &str) {
        if let Some(field) = self.fields.get_mut(at) {
            field.trouble = Some(why.to_owned());
            self.at = at;
        }
    }

    /// The next field, or the previous one.
    pub(super) fn step(&mut self, forward: bool) {
        let len = self.fields.len().max(1);
        self.at = (self.at + if forward { 1 } else { len - 1 }) % len;
    }

    /// Turns the focused field; false for one that is typed.
    pub(super) fn turn(&mut self, forward: bool) -> bool {
        let Some(SmallField { entry: Entry::Choice(of, at), .. }) = self.fields.get_mut(self.at) else {
            return false;
        };
        *at = (*at + if forward { 1 } else { of.len() - 1 }) % of.len().max(1);
        true
    }

    /// The input of the focused field, when it is typed; what was wrong with it may be mended by the next key.
    pub(super) fn input(&mut self) -> Option<&mut Input> {
        let field = self.fields.get_mut(self.at)?;
        field.trouble = None;
        match &mut field.entry {
            Entry::Text(input) => Some(input),
            Entry::Choice(..) => None,
        }
    }

    /// Its fields as they are drawn.
    pub fn lines(&self) -> Vec<FormLine> {
        let line = |field: &SmallField| {
            let line = match &field.entry {
                Entry::Text(input) => FormLine::typed(field.label, input),
                Entry::Choice(of, at) => {
                    FormLine::turned(field.label, of.get(*at).copied().unwrap_or_default())
                }
            };
            let line = if field.hint.is_empty() { line } else { line.hint(field.hint) };
            line.wrong(field.trouble.clone())
        };
        self.fields.iter().map(line).collect()
    }
}
