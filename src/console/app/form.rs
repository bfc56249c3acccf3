//! What every form is made of when it is drawn: labelled fields of which one is focused, each with its own error beside it;
//! and what the forms about detection are for.

use tui_input::Input;

use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

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
        self.hint = (!hint.is_empty()).then(|| hint.to_owned());
        self
    }
}

/// What a form about detection is for.
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
