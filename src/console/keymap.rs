//! Which keys run which command: embedded files, with the user's laid over them.
//!
//! The default keymap is a file a user could have written. Mistakes in one (an unknown command, a key bound twice, a
//! key that can never be reached because a shorter one wins) are errors with file and line: a keymap that half works
//! would be found out at the worst moment.

use std::fmt;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::command::{self, CommandId, Scope};
use super::key::Key;

/// The embedded keymaps by name.
const EMBEDDED: [(&str, &str); 3] = [
    ("default", include_str!("../../keymaps/default.toml")),
    ("vim", include_str!("../../keymaps/vim.toml")),
    ("k9s", include_str!("../../keymaps/k9s.toml")),
];

/// A key sequence and what it runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// Where it holds.
    pub scope: Scope,
    /// One key, or several pressed after each other.
    pub keys: Vec<Key>,
    /// What it runs.
    pub command: CommandId,
    origin: Origin,
}

#[derive(Clone, Debug, PartialEq)]
struct Origin {
    file: String,
    line: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What a pressed sequence means.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// It runs this.
    Command(CommandId),
    /// It begins these: the keys still missing, and what they would run.
    Pending(Vec<(String, CommandId)>),
    /// Nothing.
    Nothing,
}

/// The keymap in force.
#[derive(Clone, Debug)]
pub struct Keymap {
    bindings: Vec<Binding>,
    /// Nothing is pressed: a command is reached by its name.
    typed: bool,
}

/// Why a keymap cannot be used: `file:line: sentence`.
#[derive(Clone, Debug, PartialEq)]
pub struct KeymapError(String);

impl fmt::Display for KeymapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KeymapError {}

impl Keymap {
    /// The keymap called `choice` (an embedded name, a file in `folder` without `.toml`, or a path), laid over the
    /// default one.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or says something impossible.
    pub fn load(choice: Option<&str>, folder: Option<&Path>) -> Result<Self, KeymapError> {
        let mut layers = vec![layer("default")?];
        match choice {
            None | Some("default") => {
                // A user's own default.toml counts without being asked for.
                if let Some(own) = folder.map(|f| f.join("default.toml")).filter(|p| p.is_file()) {
                    layers.push((own.display().to_string(), read(&own)?));
                }
            }
            Some(name) => layers.push(named(name, folder)?),
        }
        let layers: Vec<_> = layers.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
        Self::merge(&layers)
    }

    /// Lays several keymap texts over each other, the last one winning.
    ///
    /// # Errors
    ///
    /// When one of them says something impossible.
    pub fn merge(layers: &[(&str, &str)]) -> Result<Self, KeymapError> {
        let mut bindings: Vec<Binding> = Vec::new();
        for (file, text) in layers {
            let mut own: Vec<(Scope, Vec<Key>, Origin)> = Vec::new();
            for (scope, keys, command, origin) in parse(file, text)? {
                if let Some((_, _, first)) = own.iter().find(|(s, k, _)| *s == scope && *k == keys) {
                    return Err(KeymapError(format!(
                        "{origin}: \"{}\" is bound twice; first at {first}",
                        show(&keys)
                    )));
                }
                own.push((scope, keys.clone(), origin.clone()));
                bindings.retain(|b| !(b.scope == scope && b.keys == keys));
                if let Some(command) = command {
                    bindings.push(Binding { scope, keys, command, origin });
                }
            }
        }
        let map = Self { bindings, typed: false };
        map.check_reach()?;
        Ok(map)
    }

    /// A key that begins a longer sequence would always win: the longer one could never be typed.
    fn check_reach(&self) -> Result<(), KeymapError> {
        for long in &self.bindings {
            for short in &self.bindings {
                // The stacks are looked through for the few pairs that begin alike, not for all: every start does this.
                let begins = long.keys.len() > short.keys.len() && long.keys.starts_with(&short.keys);
                let together =
                    || Scope::STACKS.iter().any(|s| s.contains(&long.scope) && s.contains(&short.scope));
                if begins && together() {
                    return Err(KeymapError(format!(
                        "{}: \"{}\" cannot be reached: \"{}\" is bound at {}",
                        long.origin,
                        show(&long.keys),
                        show(&short.keys),
                        short.origin
                    )));
                }
            }
        }
        Ok(())
    }

    /// What `pressed` means where `scopes` hold, the innermost first.
    pub(crate) fn find(&self, scopes: &[Scope], pressed: &[Key]) -> Found {
        for scope in scopes {
            if let Some(hit) = self.bindings.iter().find(|b| b.scope == *scope && b.keys == pressed) {
                return Found::Command(hit.command);
            }
        }
        let longer: Vec<_> = scopes
            .iter()
            .flat_map(|scope| self.bindings.iter().filter(move |b| b.scope == *scope))
            .filter(|b| b.keys.len() > pressed.len() && b.keys.starts_with(pressed))
            .map(|b| (show(b.keys.get(pressed.len()..).unwrap_or_default()), b.command))
            .collect();
        if longer.is_empty() { Found::Nothing } else { Found::Pending(longer) }
    }

    /// All bindings, in the order of the files.
    pub(crate) fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    /// The same where commands are typed by their names: no key is told that nobody can press.
    #[must_use]
    pub(crate) fn typed(self) -> Self {
        Self { typed: true, ..self }
    }

    /// How `command` is reached where `scopes` hold: the first binding that is not hidden by an inner scope, or its name.
    pub(crate) fn key_for(&self, scopes: &[Scope], command: CommandId) -> Option<String> {
        if self.typed {
            return Some(command::get(command).id.to_owned());
        }
        scopes.iter().find_map(|scope| {
            self.bindings
                .iter()
                .find(|b| {
                    b.scope == *scope
                        && b.command == command
                        && self.find(scopes, &b.keys) == Found::Command(command)
                })
                .map(|b| show(&b.keys))
        })
    }

    /// Every way to reach `command`, as written.
    pub(crate) fn keys_of(&self, command: CommandId) -> Vec<String> {
        if self.typed {
            return vec![command::get(command).id.to_owned()];
        }
        let mut keys: Vec<String> =
            self.bindings.iter().filter(|b| b.command == command).map(|b| show(&b.keys)).collect();
        let mut seen = std::collections::HashSet::new();
        keys.retain(|k| seen.insert(k.clone()));
        keys
    }
}

impl Binding {
    /// The keys as written in a keymap file.
    pub(crate) fn shown(&self) -> String {
        show(&self.keys)
    }
}

fn show(keys: &[Key]) -> String {
    keys.iter().map(Key::to_string).collect::<Vec<_>>().join(" ")
}

fn layer(name: &str) -> Result<(String, String), KeymapError> {
    EMBEDDED
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(n, text)| (format!("keymaps/{n}.toml"), (*text).to_owned()))
        .ok_or_else(|| KeymapError(format!("there is no keymap called {name}")))
}

fn named(name: &str, folder: Option<&Path>) -> Result<(String, String), KeymapError> {
    let own = folder.map(|f| f.join(format!("{name}.toml"))).filter(|p| p.is_file());
    if let Some(path) = own {
        return Ok((path.display().to_string(), read(&path)?));
    }
    if let Ok(found) = layer(name) {
        return Ok(found);
    }
    let path = Path::new(name);
    if path.is_file() {
        return Ok((path.display().to_string(), read(path)?));
    }
    let known: Vec<_> = EMBEDDED.iter().map(|(n, _)| *n).collect();
    let place = folder.map(|f| format!(", nor in {}", f.display())).unwrap_or_default();
    Err(KeymapError(format!("there is no keymap {name:?} (known: {}){place}", known.join(", "))))
}

fn read(path: &Path) -> Result<String, KeymapError> {
    std::fs::read_to_string(path).map_err(|e| KeymapError(format!("{}: {e}", path.display())))
}

type Line = (Scope, Vec<Key>, Option<CommandId>, Origin);

fn parse(file: &str, text: &str) -> Result<Vec<Line>, KeymapError> {
    let ends: Vec<usize> = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i).collect();
    let at =
        |offset: usize| Origin { file: file.to_owned(), line: ends.partition_point(|end| *end < offset) + 1 };
    let table = DeTable::parse(text).map_err(|e| {
        let origin = at(e.span().map_or(0, |s| s.start));
        KeymapError(format!("{origin}: {}", e.message()))
    })?;
    let mut lines = Vec::new();
    for (section, value) in table.get_ref() {
        let origin = at(section.span().start);
        let scope = Scope::parse(section.get_ref()).ok_or_else(|| {
            let known: Vec<_> = Scope::ALL.iter().map(Scope::name).collect();
            KeymapError(format!(
                "{origin}: there is no section [{}] (known: {})",
                section.get_ref(),
                known.join(", ")
            ))
        })?;
        let DeValue::Table(entries) = value.get_ref() else {
            return Err(KeymapError(format!("{origin}: [{}] must be a table of keys", section.get_ref())));
        };
        for (keys, value) in entries {
            let origin = at(keys.span().start);
            let written = keys.get_ref();
            let mut sequence = Vec::new();
            for part in written.split_whitespace() {
                let key = Key::parse(part)
                    .ok_or_else(|| KeymapError(format!("{origin}: there is no key {part:?}")))?;
                if key.is_reserved() {
                    return Err(KeymapError(format!(
                        "{origin}: {key} belongs to the multiplexer or the terminal"
                    )));
                }
                sequence.push(key);
            }
            if sequence.is_empty() {
                return Err(KeymapError(format!("{origin}: a key is missing (a space is \"space\")")));
            }
            let DeValue::String(name) = value.get_ref() else {
                return Err(KeymapError(format!("{origin}: {written:?} must name a command")));
            };
            let command = if name == "none" {
                None
            } else {
                Some(command::find(name).ok_or_else(|| {
                    KeymapError(format!("{origin}: there is no command {name:?}; `quell keys` lists them"))
                })?)
            };
            lines.push((scope, sequence, command, origin));
        }
    }
    // The table keeps names in order, not places: line order makes messages and help follow the file.
    lines.sort_by_key(|(_, _, _, origin)| origin.line);
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Keymap::merge(&[("keys.toml", text)]).unwrap_err().to_string()
    }

    #[test]
    fn where_commands_are_typed_no_key_is_told() {
        let id = command::find("link").unwrap();
        let map = Keymap::load(None, None).unwrap();
        assert_eq!(map.key_for(&[Scope::Global], id).as_deref(), Some("g l"));
        let typed = map.typed();
        assert_eq!(typed.key_for(&[Scope::Global], id).as_deref(), Some("link"));
        assert_eq!(typed.keys_of(id), ["link"]);
    }

    #[test]
    fn every_embedded_keymap_is_sound() {
        for (name, _) in EMBEDDED {
            Keymap::load(Some(name), None).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }

    #[test]
    fn mistakes_have_file_and_line() {
        assert_eq!(
            error("[global]\n\"x\" = \"fly\"\n"),
            "keys.toml:2: there is no command \"fly\"; `quell keys` lists them"
        );
        assert_eq!(
            error("[list]\n\"ctrl-d\" = \"down\"\n\"Ctrl-D\" = \"up\"\n"),
            "keys.toml:3: \"ctrl-d\" is bound twice; first at keys.toml:2"
        );
        assert_eq!(
            error("[list]\n\"g\" = \"down\"\n\n\"g g\" = \"first\"\n"),
            "keys.toml:4: \"g g\" cannot be reached: \"g\" is bound at keys.toml:2"
        );
        assert_eq!(
            error("[global]\n\"ctrl-a\" = \"help\"\n"),
            "keys.toml:2: ctrl-a belongs to the multiplexer or the terminal"
        );
        assert!(error("[global]\n\"x\" = \n").starts_with("keys.toml:2: "), "a syntax error has its line");
        assert!(error("[golbal]\n").starts_with("keys.toml:1: there is no section [golbal]"));
    }

    #[test]
    fn a_sequence_waits_and_an_inner_scope_wins() {
        let map = Keymap::load(None, None).unwrap();
        let g = Key::parse("g").unwrap();
        let stack = &[Scope::List, Scope::Global];
        let Found::Pending(next) = map.find(stack, &[g]) else { panic!("g should wait") };
        assert!(next.contains(&("g".to_owned(), command::find("first").unwrap())), "{next:?}");
        assert!(next.contains(&("p".to_owned(), command::find("profiles").unwrap())), "{next:?}");
        assert_eq!(map.find(stack, &[g, g]), Found::Command(command::find("first").unwrap()));
        let tab = Key::parse("tab").unwrap();
        assert_eq!(
            map.find(&[Scope::Payload, Scope::Global], &[tab]),
            Found::Command(command::find("right").unwrap())
        );
        assert_eq!(map.find(stack, &[tab]), Found::Command(command::find("focus-next").unwrap()));
    }

    #[test]
    fn a_layer_replaces_and_takes_away() {
        let map = Keymap::merge(&[
            ("a", "[global]\n\"x\" = \"help\"\n\"y\" = \"help\"\n"),
            ("b", "[global]\n\"x\" = \"zoom\"\n\"y\" = \"none\"\n"),
        ])
        .unwrap();
        assert_eq!(map.keys_of(command::find("help").unwrap()), Vec::<String>::new());
        assert_eq!(map.keys_of(command::find("zoom").unwrap()), ["x"]);
    }

    #[test]
    fn half_page_is_never_a_write() {
        for (name, _) in EMBEDDED {
            let map = Keymap::load(Some(name), None).unwrap();
            for binding in map.bindings() {
                let written = binding.shown();
                if matches!(written.as_str(), "ctrl-d" | "ctrl-u" | "enter") && binding.scope != Scope::Plan {
                    assert_eq!(command::get(binding.command).danger, command::Danger::None, "{written}");
                }
            }
        }
    }

    #[test]
    fn mutated_keymaps_are_survived() {
        use crate::mutate::{self, Rng, SEED};
        let (mut rng, mut texts) = (Rng::with_seed(SEED), mutate::texts("tests/corpus/keymaps"));
        texts.extend(mutate::texts("keymaps"));
        for text in &texts {
            Keymap::merge(&[("m.toml", text)]).unwrap();
        }
        let pieces = &["[plan]\n", "\"ctrl-", "alt-", "\" = \"none\"\n", "f99", "space "];
        for _ in 0..2_000 {
            if let Ok(keymap) = Keymap::merge(&[("m.toml", &mutate::mutated(&texts, pieces, &mut rng))]) {
                for binding in keymap.bindings() {
                    let _ = binding.shown();
                }
            }
        }
    }
}
