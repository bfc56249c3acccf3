//! What `--help` says: the commands by what they are for, examples, and the flags that every command takes under a heading of
//! their own. The sentences are those of the definitions.

use clap::CommandFactory as _;

use super::{Cli, Command, named};

const EXAMPLES: &str = "\
Examples:
  quell demo                                    an incident on this machine: no account, no network
  quell --profile ops --region eu-west-1        the console
  quell --no-aws --mqtt-url mqtt://localhost    any broker
  quell watch --types violation,presence        live, one JSON object a line
  quell things --json | jq '.things[]'          one read, for programs
  quell isolate Thing02 --dry-run               what it would send; without --dry-run it asks first
  quell undo                                    take the last response back
";

/// The definition with its help.
pub(super) fn command() -> clap::Command {
    let command = Cli::command();
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{}Global options:\n{{options}}\n\n{EXAMPLES}\n\
         quell COMMAND --help tells more of one command.\n",
        grouped(&command)
    );
    command.help_template(template)
}

fn grouped(command: &clap::Command) -> String {
    let widest = command.get_subcommands().map(|sub| sub.get_name().len()).max().unwrap_or(0);
    let mut out = String::new();
    for (heading, names) in Command::GROUPS {
        // Without the emulator some are not there.
        let known: Vec<_> = names
            .iter()
            .filter_map(|name| command.get_subcommands().find(|sub| sub.get_name() == named(name)))
            .collect();
        if known.is_empty() {
            continue;
        }
        out.push_str(&format!("{heading}:\n"));
        for sub in known {
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            out.push_str(&format!("  {:<widest$}  {about}\n", sub.get_name()));
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_stands_under_one_heading() {
        let command = Cli::command();
        for sub in command.get_subcommands() {
            let mut names = Command::GROUPS.iter().flat_map(|(_, names)| *names);
            assert!(names.any(|name| sub.get_name() == named(name)), "{}", sub.get_name());
        }
        let help = super::command().render_help().to_string();
        assert!(help.contains("Respond:\n  isolate") && help.contains("Examples:"), "{help}");
        assert!(help.contains("Global options:") && help.contains("--region"), "{help}");
    }
}
