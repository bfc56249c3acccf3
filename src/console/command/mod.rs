//! Every command, declared once.
//!
//! Keymap files, the palette, `?`, the footer, `quell keys` and the journal's names all come from this table, so that none
//! of them can say something the others do not know.

mod table;

use super::app::{App, Env};

pub use table::COMMANDS;

/// A command's place in [`COMMANDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommandId(usize);

/// How much harm a command can begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Danger {
    /// Looks only.
    None,
    /// Opens a plan whose effect can be taken back.
    Reversible,
    /// Opens a plan whose effect cannot simply be taken back.
    Permanent,
}

/// What a command is for: the headings of help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Goes somewhere, or leaves.
    Go,
    /// Looks closer, or otherwise.
    Look,
    /// Marks things.
    Mark,
    /// Opens a plan of a response.
    Respond,
    /// Opens a plan of, or a form for, what the account is set up with.
    Write,
}

impl Purpose {
    /// All of them, in the order help shows them.
    pub const ALL: [Self; 5] = [Self::Go, Self::Look, Self::Mark, Self::Respond, Self::Write];

    /// The heading in help.
    pub(crate) fn heading(self) -> &'static str {
        match self {
            Self::Go => "Go",
            Self::Look => "Look",
            Self::Mark => "Mark",
            Self::Respond => "Respond: each opens a plan",
            Self::Write => "Write: each opens a plan or a form",
        }
    }
}

/// What a command takes when it is typed in the palette: `isolate Thing03`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// Names of things: it acts on them instead of the marked ones, or of the one under the cursor.
    Things,
    /// A filter.
    Filter,
    /// A profile of the AWS configuration files.
    Profile,
    /// A region.
    Region,
    /// A theme.
    Theme,
    /// The file of a policy.
    Policy,
    /// What an operator has to say.
    Note,
}

impl Takes {
    /// What it takes as it stands behind its name: ` THING`.
    pub(crate) fn shown(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Things => " THING",
            Self::Filter => " FILTER",
            Self::Profile | Self::Region | Self::Theme => " NAME",
            Self::Policy => " FILE",
            Self::Note => " TEXT",
        }
    }
}

/// Where a binding holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everywhere but in dialogs.
    Global,
    /// Wherever there is a list with a cursor.
    List,
    /// The stream.
    Stream,
    /// The jobs view.
    Jobs,
    /// The topic rules.
    Rules,
    /// The audit.
    Audit,
    /// The journal.
    Journal,
    /// The doctor.
    Doctor,
    /// An opened payload, and other text to scroll in.
    Payload,
    /// Security profiles.
    Profiles,
    /// What-if.
    WhatIf,
    /// A recording that is played.
    Replay,
    /// A plan waiting for its confirmation, and the staircase after it.
    Plan,
}

impl Scope {
    /// All scopes, in the order help shows them.
    pub const ALL: [Self; 13] = [
        Self::Global,
        Self::List,
        Self::Stream,
        Self::Jobs,
        Self::Rules,
        Self::Audit,
        Self::Journal,
        Self::Profiles,
        Self::Doctor,
        Self::WhatIf,
        Self::Payload,
        Self::Replay,
        Self::Plan,
    ];

    /// Which scopes hold together, the innermost first.
    pub const STACKS: [&'static [Self]; 15] = [
        &[Self::Stream, Self::Replay, Self::List, Self::Global],
        &[Self::Stream, Self::List, Self::Global],
        &[Self::WhatIf, Self::Replay, Self::List, Self::Global],
        &[Self::WhatIf, Self::List, Self::Global],
        &[Self::Replay, Self::List, Self::Global],
        &[Self::List, Self::Global],
        &[Self::Jobs, Self::List, Self::Global],
        &[Self::Rules, Self::List, Self::Global],
        &[Self::Audit, Self::List, Self::Global],
        &[Self::Journal, Self::List, Self::Global],
        &[Self::Profiles, Self::List, Self::Global],
        &[Self::Doctor, Self::List, Self::Global],
        &[Self::Payload, Self::Global],
        &[Self::Journal, Self::Payload, Self::Global],
        &[Self::Plan],
    ];

    /// The scopes that hold in a view with a scope of its own, or without one, and in front of a recording.
    pub(crate) fn of_view(own: Option<Self>, replay: bool) -> &'static [Self] {
        let holds = |stack: &&&'static [Self]| {
            let inner =
                stack.iter().copied().filter(|s| !matches!(s, Self::Replay | Self::List | Self::Global));
            stack.contains(&Self::List) && inner.eq(own) && stack.contains(&Self::Replay) == replay
        };
        Self::STACKS.iter().find(holds).copied().unwrap_or(&[Self::List, Self::Global])
    }

    /// The section of a keymap file.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::List => "list",
            Self::Stream => "stream",
            Self::Jobs => "jobs",
            Self::Rules => "rules",
            Self::Audit => "audit",
            Self::Journal => "journal",
            Self::Profiles => "profiles",
            Self::Doctor => "doctor",
            Self::WhatIf => "what-if",
            Self::Payload => "payload",
            Self::Replay => "replay",
            Self::Plan => "plan",
        }
    }

    /// The heading of its keys in help.
    pub(crate) fn heading(self) -> &'static str {
        match self {
            Self::Global => "Everywhere",
            Self::List => "In lists",
            Self::Stream => "In the stream",
            Self::Jobs => "In jobs",
            Self::Journal => "In the journal",
            Self::Profiles => "In security profiles",
            Self::Doctor => "In the doctor",
            Self::WhatIf => "In what-if",
            Self::Rules => "In topic rules",
            Self::Audit => "In the audit",
            Self::Payload => "In an opened payload",
            Self::Replay => "In a recording",
            Self::Plan => "In a plan",
        }
    }

    /// Reads a section name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }
}

/// One command.
pub struct Command {
    /// What keymap files call it.
    pub id: &'static str,
    /// A few words, for the footer.
    pub name: &'static str,
    /// A sentence, for help and the palette.
    pub sentence: &'static str,
    /// What it can begin.
    pub danger: Danger,
    /// What it is for.
    pub purpose: Purpose,
    /// Where it makes sense; the palette offers what makes sense where one is.
    pub scope: Scope,
    /// What it does.
    pub run: fn(&mut App, &Env<'_>),
    /// What else it is called in the palette.
    pub aliases: &'static [&'static str],
    /// What it takes when it is typed there.
    pub takes: Takes,
}

impl Command {
    /// The same, also called so.
    const fn also(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    /// The same, taking something.
    const fn takes(self, takes: Takes) -> Self {
        Self { takes, ..self }
    }

    /// Whether it acts on the plan, or the response, that stands in front.
    pub(crate) fn acts_on_plans(&self) -> bool {
        self.scope == Scope::Plan || matches!(self.id, "finish" | "clear-retained")
    }

    /// True when it is called `word` outright: by its id, its name or an alias.
    pub(crate) fn is_called(&self, word: &str) -> bool {
        self.id == word || self.name == word || self.aliases.contains(&word)
    }

    /// Whether it makes sense where these scopes hold; with `barred`, not what changes something.
    pub(crate) fn works(&self, scopes: &[Scope], barred: bool) -> bool {
        scopes.contains(&self.scope) && !(barred && self.danger != Danger::None)
    }
}

/// The command called `id`.
pub fn find(id: &str) -> Option<CommandId> {
    COMMANDS.iter().position(|c| c.id == id).map(CommandId)
}

/// Whether a line begins with a command that acts on the plan, or the response, in front.
pub(crate) fn acts_on_plans(line: &str) -> bool {
    let word = line.split_whitespace().next().unwrap_or_default();
    COMMANDS.iter().any(|c| c.id == word && c.acts_on_plans())
}

/// The command behind a [`CommandId`].
pub fn get(id: CommandId) -> &'static Command {
    // Ids are only made from positions in the table.
    &COMMANDS[id.0]
}

/// All commands with their ids.
pub fn all() -> impl Iterator<Item = (CommandId, &'static Command)> {
    COMMANDS.iter().enumerate().map(|(i, c)| (CommandId(i), c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::keymap::Keymap;

    #[test]
    fn ids_are_unique_and_sentences_end_without_a_stop() {
        let mut seen = std::collections::HashSet::new();
        for command in COMMANDS {
            assert!(seen.insert(command.id), "{} twice", command.id);
            assert!(!command.sentence.ends_with('.'), "{}", command.id);
        }
    }

    #[test]
    fn what_a_command_is_called_means_no_other() {
        for command in COMMANDS {
            for word in command.aliases.iter().chain([&command.id]) {
                let called =
                    COMMANDS.iter().filter(|other| other.id == *word || other.aliases.contains(word));
                assert_eq!(called.count(), 1, "{word}");
            }
        }
    }

    #[test]
    fn a_command_that_can_change_something_is_for_that() {
        for command in COMMANDS {
            let changes = matches!(command.purpose, Purpose::Respond | Purpose::Write);
            assert!(command.danger == Danger::None || changes, "{}", command.id);
        }
    }

    #[test]
    fn every_command_has_a_key_or_is_for_the_palette() {
        let map = Keymap::load(None, None).unwrap();
        for (id, command) in all() {
            let palette_only = matches!(command.id, "activate" | "force-quit" | "quit" | "theme");
            assert_eq!(map.keys_of(id).is_empty(), palette_only, "{}", command.id);
        }
    }
}
