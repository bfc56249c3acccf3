//! `quell config`: what is in force and where each value comes from; a template; a schema.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::config::{self, Environment};
use quell_fleet::text::SafeText;

use super::output::{ascii_json, lines, table};
use super::reads::usage;
use super::{Common, exit};

/// Flags of `quell config`.
#[derive(Args, Debug)]
#[group(multiple = false)]
pub struct ConfigArgs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Print a configuration file with every key explained
    #[arg(long)]
    pub template: bool,
    /// Print the JSON schema of the configuration file
    #[arg(long)]
    pub schema: bool,
}

/// Prints what was asked for.
pub(super) fn run(args: &ConfigArgs, common: &Common) -> color_eyre::Result<u8> {
    let mut out = std::io::stdout().lock();
    if args.template {
        lines(&mut out, config::template().lines().map(str::to_owned))?;
        return Ok(exit::DONE);
    }
    if args.schema {
        lines(&mut out, serde_json::to_string_pretty(&config::schema())?.lines().map(str::to_owned))?;
        return Ok(exit::DONE);
    }
    let env = Environment::of_process();
    let settings = match config::load(common, &env) {
        Ok(settings) => settings,
        Err(error) => return usage(&error.to_string()),
    };
    let all = config::effective(&settings, common, &env);
    if args.json {
        let all: Map<String, Value> =
            all.into_iter().map(|e| (e.key.to_owned(), json!({"value": e.value, "from": e.from}))).collect();
        lines(&mut out, [ascii_json(&Value::Object(all))])?;
        return Ok(exit::DONE);
    }
    let rows: Vec<_> = all
        .iter()
        .map(|e| {
            let shown = if e.value.is_null() { "-".to_owned() } else { e.value.to_string() };
            [e.key.into(), SafeText::new(&shown), SafeText::new(&e.from)]
        })
        .collect();
    lines(&mut out, table(["KEY", "VALUE", "FROM"], &rows))?;
    Ok(exit::DONE)
}
