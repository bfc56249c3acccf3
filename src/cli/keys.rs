//! `quell keys`: the keymap in force.

use std::io::Write as _;

use clap::Args;
use color_eyre::eyre::Result;
use serde_json::json;

use crate::config::{self, Environment};
use crate::console::command::{self, Danger};
use crate::console::keymap::Keymap;

use super::{Common, exit};

/// Flags of `quell keys`.
#[derive(Args, Clone, Debug)]
pub struct KeysArgs {
    /// One JSON document
    #[arg(long)]
    pub json: bool,
}

/// Prints the keymap.
pub(super) fn run(args: &KeysArgs, common: &Common) -> Result<u8> {
    let environment = Environment::of_process();
    let settings = match config::load(common, &environment) {
        Ok(settings) => settings,
        Err(error) => return super::console::usage(&error.to_string()),
    };
    let folder = config::config_dir(&environment).join("keymaps");
    let map = match Keymap::load(settings.keymap.as_deref(), Some(&folder)) {
        Ok(map) => map,
        Err(error) => return super::console::usage(&error.to_string()),
    };
    let mut out = std::io::stdout().lock();
    if args.json {
        let bindings: Vec<_> = map
            .bindings()
            .iter()
            .map(|b| json!({"scope": b.scope.name(), "keys": b.shown(), "command": command::get(b.command).id}))
            .collect();
        let commands: Vec<_> = command::all()
            .map(|(id, c)| {
                let danger = match c.danger {
                    Danger::None => "none",
                    Danger::Reversible => "reversible",
                    Danger::Permanent => "permanent",
                };
                json!({"id": c.id, "name": c.name, "sentence": c.sentence, "danger": danger, "keys": map.keys_of(id)})
            })
            .collect();
        writeln!(out, "{:#}", json!({"commands": commands, "bindings": bindings}))?;
    } else {
        writeln!(out, "{:<18} {:<18} {:<9} WHAT", "KEYS", "COMMAND", "WHERE")?;
        for (id, command) in command::all() {
            let mut scopes: Vec<_> =
                map.bindings().iter().filter(|b| b.command == id).map(|b| b.scope.name()).collect();
            scopes.dedup();
            let keys = map.keys_of(id).join(", ");
            let place = scopes.first().copied().unwrap_or("palette");
            writeln!(out, "{keys:<18} {:<18} {place:<9} {}", command.id, command.sentence)?;
        }
    }
    Ok(exit::DONE)
}
