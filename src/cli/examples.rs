//! An example or two at the end of each command's help, from one table: what a command is for is seen sooner than read.

/// What is typed, and what that does. A command's help ends with those that begin with its words.
const EXAMPLES: &[(&str, &str)] = &[
    ("quell demo", "an incident on this machine: no account, no network"),
    ("quell demo --devices 300 --scenario clone", "a larger fleet, in which two devices share one identity"),
    ("quell watch --types violation,presence", "live, one JSON object a line"),
    ("quell watch --thing Thing02 --payload --for 30s", "all that is heard of one device for half a minute"),
    ("quell record incident.quellrec --for 10m", "ten minutes, sizes only"),
    ("quell replay incident.quellrec", "the same screens again: space pauses, [ and ] seek"),
    ("quell report incident.quellrec > incident.md", "what happened, to hand on"),
    ("quell things --for 30s", "when each was heard last, too"),
    ("quell things --json | jq '.things[]'", "for programs"),
    ("quell violations", "who is in alarm, and since when"),
    ("quell violations --json | jq '.violations | length'", "how many"),
    ("quell shadow Thing02", "reported, desired and delta"),
    ("quell shadow Thing02 --name config --json", "a named shadow, for programs"),
    ("quell jobs", "each job with its executions counted"),
    ("quell profiles", "what is called normal, and of whom"),
    ("quell profiles export LargeMessages > profile.json", "into a file that `apply` takes"),
    ("quell profiles apply profile.json --dry-run", "what it would change"),
    ("quell profiles attach LargeMessages sensors", "let it judge a thing group too"),
    ("quell profiles detach LargeMessages 'all things'", "judge only its groups"),
    ("quell profiles delete LargeMessages --dry-run", "from what it would be detached first"),
    ("quell rules", "each rule with its SQL and its state"),
    (
        "quell rules check \"SELECT * FROM 'dt/+/data' WHERE temperature > 50\"",
        "what it can never match; asks nobody",
    ),
    ("quell rules enable HotDevices", "switch it on"),
    ("quell rules disable HotDevices --dry-run", "what switching it off would send"),
    (
        "quell rules write HotDevices --sql \"SELECT * FROM 'dt/+/data' WHERE temperature > 50\" \
         --republish alerts/hot --role arn:aws:iam::123456789012:role/rules",
        "hand on what is too hot",
    ),
    ("quell rules delete HotDevices", "after a plan, and a question"),
    ("quell audit", "the findings, the worst first"),
    ("quell audit start DEVICE_CERTIFICATE_SHARED_CHECK", "look for shared certificates now"),
    ("quell audit status", "settings, suppressions, the newest audits"),
    ("quell audit cancel \"$TASK\"", "by the task's id, as `status` prints it"),
    (
        "quell audit suppress LOGGING_DISABLED_CHECK account=123456789012 --days 30 --reason 'a test account'",
        "for a month",
    ),
    ("quell audit unsuppress LOGGING_DISABLED_CHECK account=123456789012", "tell it again"),
    ("quell audit schedule weekly --every weekly --on MON", "every Monday"),
    ("quell audit unschedule weekly", "no more"),
    ("quell journal", "what was done, the newest last"),
    ("quell journal verify", "whether an entry was changed, removed or cut off"),
    ("quell journal recover", "what a crash left half done"),
    ("quell doctor", "what is missing, and the command that mends it"),
    ("quell doctor --iam", "the least that a responder's role must be allowed"),
    ("quell sweep Thing02", "what is left of it after it was contained"),
    ("quell policy try policy.json --on incident.quellrec", "whom it would cut off, from a recording"),
    ("quell policy least --live 10m > policy.json", "the least that what is heard in ten minutes needs"),
    ("quell isolate Thing02 --dry-run", "what it would send; without --dry-run it asks first"),
    ("quell isolate Thing02 Thing03 --yes --json", "for scripts: exit 0 is proven, 5 not proven in time"),
    ("quell release Thing02", "and prove that it speaks again"),
    ("quell deactivate Thing02", "its certificates; `quell activate` takes that back"),
    ("quell deactivate --certificate \"$ID\" --dry-run", "one certificate, and whom else it serves"),
    ("quell activate Thing02", "let its certificates connect again"),
    ("quell revoke Thing02 --dry-run", "look first: this is final"),
    ("quell cut Thing02 --client Thing02-copy", "the session of a copy"),
    ("quell flag Thing02", "asks the device; nothing makes it"),
    ("quell undo", "take the last response back"),
    ("quell undo --dry-run", "what that would send"),
    ("quell finish", "send what a crash or a failure left unsent"),
    ("quell respond --poll", "say what would be done about each violation; --yes does it"),
    ("quell respond --rules rules.toml < event.json", "one SNS event, by these rules"),
    ("quell guard", "judge and tell; --yes acts"),
    ("quell guard --plan 100000", "what guarding so many devices takes"),
    ("quell guard status", "how the one that runs here is"),
    ("quell case key", "once: the key that signs cases"),
    ("quell case open Thing02 --note 'sends 3 kB a second'", "keep what containing it destroys"),
    ("quell case add 20261128T142207-Thing02 --note 'isolated at 14:22'", "to an open case"),
    ("quell case close 20261128T142207-Thing02", "into one signed archive"),
    ("quell case verify 20261128T142207-Thing02.tar --public-key case.pub", "offline"),
    ("quell case report 20261128T142207-Thing02.tar --format html > case.html", "to hand on"),
    ("quell join NeedsUpdate Thing02", "offer it the updates of that group"),
    ("quell leave NeedsUpdate Thing02 Thing03", "and no longer"),
    (
        "quell job create patch-7 --group sensors --document patch.json --per-minute 50",
        "a thousand things in twenty minutes",
    ),
    ("quell job create reboot-1 --thing Thing02 --document-json '{\"do\":\"reboot\"}'", "one thing"),
    ("quell job list", "each with its executions counted"),
    ("quell job show patch-7", "who is behind, and why"),
    ("quell job cancel patch-7 --dry-run", "what that would send"),
    (
        "quell mitigate --action quarantine --violation \"$ID\"",
        "by the violation's id, as `quell violations --json` prints it",
    ),
    (
        "quell verify \"$ID\" --state FALSE_POSITIVE --note 'a firmware update'",
        "so that the next who looks knows",
    ),
    ("quell retained", "what new subscribers are sent at once"),
    ("quell retained clear Thing02 --dry-run", "what would be cleared; it cannot be taken back"),
    ("quell setup --dry-run", "what is missing, and what would be created"),
    ("quell setup --patchable", "a group in which a device can still be updated"),
    ("quell dimension list", "each with its topic filters"),
    ("quell dimension create sensors 'dt/+/data'", "for a behaviour about these topics only"),
    ("quell dimension delete sensors", "after a plan, and a question"),
    ("quell metric list", "what devices report of themselves"),
    ("quell metric create batteryPercentage --display-name Battery", "a number that devices report"),
    ("quell metric delete batteryPercentage", "after a plan, and a question"),
    ("quell action list", "what AWS can be told to do"),
    (
        "quell action create quarantine --group IsolatedDevices --role arn:aws:iam::123456789012:role/mitigate",
        "then `quell mitigate` runs it",
    ),
    ("quell action delete quarantine", "after a plan, and a question"),
    ("quell local", "then, elsewhere: aws --endpoint-url http://127.0.0.1:4510 iot list-things"),
    ("eval \"$(quell local --print-env)\"", "the environment for the AWS CLI and SDKs"),
    ("quell workshop --participants 12 --scenario oversized", "twelve accounts, one drill"),
    ("quell drill", "those that ship"),
    ("quell drill oversized", "one alone"),
    ("quell config", "each value, and what gave it"),
    ("quell config --template > ~/.config/quell/config.toml", "to begin one"),
    ("quell keys", "the keymap in force"),
    ("quell keys --keymap vim", "another one"),
    ("quell completions bash > ~/.local/share/bash-completion/completions/quell", "for the next shell"),
    ("quell man > quell.1", "the manual page as a file"),
];

/// Examples in one help at most.
const MOST: usize = 3;

/// Gives a command, called as `path` says, and those below it their examples.
pub(super) fn on(command: clap::Command, path: &str) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let command = match told(path) {
        Some(text) => command.after_help(text),
        None => command,
    };
    names.into_iter().fold(command, |command, name| {
        let path = format!("{path} {name}");
        command.mut_subcommand(name, |sub| on(sub, &path))
    })
}

/// The examples of a command, beside each other or, where they are long, below.
fn told(path: &str) -> Option<String> {
    /// Cells of an example that still has what it does beside it.
    const BESIDE: usize = 64;
    let own = |line: &str| {
        let at = line.find("quell ").unwrap_or(0);
        let rest = line.get(at..).and_then(|line| line.strip_prefix(path));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', ')']))
    };
    let all: Vec<_> = EXAMPLES.iter().filter(|(line, _)| own(line)).take(MOST).collect();
    let widest = all.iter().map(|(line, _)| line.len()).filter(|wide| *wide <= BESIDE).max().unwrap_or(0);
    let lines = all.iter().map(|(line, does)| match line.len() > BESIDE {
        true => format!("  {line}\n      {does}"),
        false => format!("  {line:<widest$}  {does}"),
    });
    let lines: Vec<String> = lines.collect();
    (!lines.is_empty()).then(|| format!("Examples:\n{}", lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of an example as a shell makes them, to where its output goes elsewhere.
    fn words(line: &str) -> Vec<String> {
        let line = line.strip_prefix("eval \"$(").and_then(|rest| rest.strip_suffix(")\"")).unwrap_or(line);
        let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
        for c in line.chars() {
            match (quote, c) {
                (None, '|' | '<' | '>') => break,
                (None, '\'' | '"') => {
                    quote = Some(c);
                    word.get_or_insert_default();
                }
                (Some(open), c) if c == open => quote = None,
                (None, ' ') => words.extend(word.take()),
                (_, c) => word.get_or_insert_default().push(c),
            }
        }
        assert_eq!(quote, None, "{line}");
        words.extend(word);
        words
    }

    #[test]
    fn every_example_is_a_command() {
        let command = super::super::help::command();
        for (line, does) in EXAMPLES {
            // What stands for an id has its length.
            let words = words(&line.replace("$ID", &"0".repeat(64)).replace("$TASK", &"0".repeat(32)));
            assert_eq!(words.first().map(String::as_str), Some("quell"), "{line}");
            let known = |sub: &clap::Command| words.get(1).is_some_and(|word| word == sub.get_name());
            // Without the emulator some are not there.
            if !cfg!(feature = "emulator") && !command.get_subcommands().any(known) {
                continue;
            }
            let parsed = command.clone().try_get_matches_from(&words);
            assert!(parsed.is_ok(), "{line}: {}", parsed.err().map(|e| e.to_string()).unwrap_or_default());
            assert!(!does.is_empty() && !does.ends_with('.'), "{line}");
        }
    }

    #[test]
    fn every_help_ends_with_an_example() {
        fn look(command: &clap::Command, path: &str) {
            // clap adds a help to those that have commands below them.
            for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
                let path = format!("{path} {}", sub.get_name());
                // Its arguments are made when it is asked for them.
                let mut sub = sub.clone();
                sub.build();
                let help = sub.render_long_help().to_string();
                let (_, last) = help.rsplit_once("\nExamples:\n").unwrap_or_else(|| panic!("{path}: {help}"));
                assert!(last.contains(&path), "{path}: {last}");
                look(&sub, &path);
            }
        }
        look(&super::super::help::command(), "quell");
    }
}
