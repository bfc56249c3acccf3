//! The question before a change: answered by a person at a terminal, or by `--yes` and `--confirm`.

use std::io::{self, IsTerminal as _, Write as _};

use crate::response::{Confirmation, Plan};

use super::How;

/// What was typed to confirm, or why it was not confirmed.
pub(super) fn confirm(plan: &Plan, how: &How) -> io::Result<Result<String, &'static str>> {
    let expected = match plan.confirmation() {
        Confirmation::Nothing | Confirmation::Enter => String::new(),
        Confirmation::TypeName { name, .. } => name.as_str().to_owned(),
        Confirmation::TypeCount(n) => n.to_string(),
        // Not even --yes knows it: it must be given.
        Confirmation::TypeAccount(_) => how.confirm.clone().unwrap_or_default(),
    };
    if let Some(typed) = &how.confirm {
        return Ok(Ok(typed.clone()));
    }
    let unasked = matches!(plan.confirmation(), Confirmation::Nothing);
    if how.yes || unasked || plan.refused().is_some() {
        // A refused plan goes to the gate, which says no and writes it down.
        return Ok(Ok(expected));
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(Err("not confirmed: this is no terminal, and --yes was not given; nothing was sent"));
    }
    let question = match plan.confirmation() {
        Confirmation::Nothing | Confirmation::Enter => "go on? [y/N] ".to_owned(),
        Confirmation::TypeName { name, or: Some(or) } => format!("type {name} (or {or}) to go on: "),
        Confirmation::TypeName { name, or: None } => format!("type {name} to go on: "),
        Confirmation::TypeCount(n) => format!("type the number of devices ({n}) to go on: "),
        Confirmation::TypeAccount(_) => "type the twelve digits of the account to go on: ".to_owned(),
    };
    let mut terminal = io::stderr();
    write!(terminal, "{question}")?;
    terminal.flush()?;
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let typed = line.trim();
    let accepted = match plan.confirmation() {
        Confirmation::Nothing | Confirmation::Enter => matches!(typed, "y" | "Y" | "yes"),
        other => other.accepts(Some(typed)),
    };
    Ok(if accepted { Ok(typed.to_owned()) } else { Err("not confirmed by the operator: nothing was sent") })
}
