//! Every command, declared once.
//!
//! Keymap files, the palette, `?`, the footer, `quell keys` and the journal's names all come from this table, so that none
//! of them can say something the others do not know.

use super::app::{App, Env};

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

/// Where a binding holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everywhere but in dialogs.
    Global,
    /// Wherever there is a list with a cursor.
    List,
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
    pub const ALL: [Self; 12] = [
        Self::Global,
        Self::List,
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
    pub const STACKS: [&'static [Self]; 13] = [
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

    /// The section of a keymap file.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::List => "list",
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

    /// Reads a section name.
    pub fn parse(name: &str) -> Option<Self> {
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
    /// Where it makes sense; the palette offers what makes sense where one is.
    pub scope: Scope,
    /// What it does.
    pub run: fn(&mut App, &Env<'_>),
}

const fn looks(
    id: &'static str,
    name: &'static str,
    scope: Scope,
    run: fn(&mut App, &Env<'_>),
    sentence: &'static str,
) -> Command {
    Command { id, name, sentence, danger: Danger::None, scope, run }
}

const fn opens_plan(
    id: &'static str,
    name: &'static str,
    danger: Danger,
    scope: Scope,
    run: fn(&mut App, &Env<'_>),
    sentence: &'static str,
) -> Command {
    Command { id, name, sentence, danger, scope, run }
}

use Danger::{Permanent, Reversible};
use Scope::{Audit, Doctor, Global, Jobs, Journal, List, Payload, Plan, Profiles, Replay, Rules, WhatIf};

/// The registry.
pub static COMMANDS: &[Command] = &[
    looks(
        "next-alarm",
        "next alarm",
        Global,
        App::next_alarm,
        "Go to the next thing in alarm, the worst first",
    ),
    opens_plan(
        "isolate",
        "isolate",
        Reversible,
        Global,
        App::isolate,
        "Plan the isolation of the marked things, or of the one under the cursor",
    ),
    opens_plan("release", "release", Reversible, Global, App::release, "Plan the release of isolated things"),
    opens_plan(
        "deactivate",
        "deactivate",
        Reversible,
        Global,
        App::deactivate,
        "Plan the deactivation of certificates; it can be taken back",
    ),
    opens_plan(
        "activate",
        "activate",
        Reversible,
        Global,
        App::activate,
        "Plan the activation of deactivated certificates",
    ),
    opens_plan(
        "revoke",
        "revoke",
        Permanent,
        Global,
        App::revoke,
        "Plan the revocation of certificates; it cannot be taken back",
    ),
    opens_plan("job", "job", Reversible, Global, App::job, "Fill in a job for the marked things or a group"),
    opens_plan(
        "join-group",
        "join group",
        Reversible,
        Global,
        App::join_group,
        "Plan to put the marked things into a thing group",
    ),
    opens_plan(
        "leave-group",
        "leave group",
        Reversible,
        Global,
        App::leave_group,
        "Plan to take the marked things out of a thing group",
    ),
    opens_plan(
        "mitigate",
        "mitigate",
        Permanent,
        Global,
        App::mitigate,
        "Name a mitigation action of AWS for the violation or finding under the cursor, or those of the marked things",
    ),
    opens_plan(
        "undo",
        "undo",
        Reversible,
        Journal,
        App::undo,
        "Plan what takes the entry under the cursor back, to what was before it",
    ),
    opens_plan(
        "finish",
        "finish",
        Reversible,
        Journal,
        App::finish,
        "Plan what sends the rest of an entry that was cut short or failed",
    ),
    opens_plan(
        "setup",
        "set up",
        Reversible,
        Doctor,
        App::setup,
        "Plan the isolation group and a policy on it that denies everything",
    ),
    opens_plan(
        "setup-patchable",
        "set up, patchable",
        Reversible,
        Doctor,
        App::setup_patchable,
        "Plan an isolation policy that leaves a device its own jobs and shadow, so that it can be patched",
    ),
    looks("examine", "look again", Doctor, App::examine, "Look again whether the account is ready"),
    opens_plan(
        "cancel-job",
        "cancel job",
        Permanent,
        Jobs,
        App::cancel_job,
        "Plan the cancellation of the job under the cursor",
    ),
    opens_plan(
        "rule-switch",
        "enable or disable",
        Reversible,
        Rules,
        App::rule_switch,
        "Plan to switch the rule under the cursor on, or off",
    ),
    opens_plan(
        "rule-form",
        "edit",
        Reversible,
        Rules,
        App::rule_form,
        "Write the rule under the cursor anew: what it can never match, and what it makes of what was heard",
    ),
    looks("rule-new", "new rule", Rules, App::rule_new, "Fill in a new topic rule"),
    opens_plan(
        "rule-delete",
        "delete",
        Permanent,
        Rules,
        App::rule_delete,
        "Plan the deletion of the rule under the cursor",
    ),
    opens_plan("audit-start", "audit now", Reversible, Audit, App::audit_start, "Fill in an audit on demand"),
    opens_plan(
        "audit-cancel",
        "cancel audit",
        Reversible,
        Audit,
        App::audit_cancel,
        "Plan to stop the audit that runs",
    ),
    opens_plan(
        "audit-schedule",
        "schedule",
        Reversible,
        Audit,
        App::audit_schedule,
        "Fill in when an audit is to run by itself",
    ),
    opens_plan(
        "audit-unschedule",
        "end schedule",
        Reversible,
        Audit,
        App::audit_unschedule,
        "Pick a scheduled audit to end",
    ),
    opens_plan(
        "mitigate-finding",
        "mitigate",
        Permanent,
        Audit,
        App::mitigate_finding,
        "Pick a mitigation action to run on the finding under the cursor",
    ),
    opens_plan(
        "action-form",
        "new action",
        Reversible,
        Audit,
        App::action_form,
        "Fill in a mitigation action",
    ),
    opens_plan(
        "action-delete",
        "delete action",
        Reversible,
        Audit,
        App::action_delete,
        "Pick a mitigation action to delete",
    ),
    opens_plan(
        "suppress",
        "suppress",
        Reversible,
        Audit,
        App::suppress,
        "Fill in until when findings about the resource under the cursor are not told",
    ),
    opens_plan("unsuppress", "tell again", Reversible, Audit, App::unsuppress, "Pick a suppression to end"),
    looks(
        "audit-more",
        "audits",
        Audit,
        App::audit_more,
        "Show audits, settings and suppressions in place of the finding's details, or those again",
    ),
    looks("mark", "mark", List, App::mark, "Mark or unmark the thing under the cursor"),
    looks("range", "mark range", List, App::range, "Begin or end marking a range"),
    looks("open", "details", List, App::open, "Open what is under the cursor; never writes"),
    looks(
        "filter",
        "filter",
        Global,
        App::filter,
        "Filter: words, !word, state:alarm, size>1k, rate>10, group:NAME, topic:dt/+/x",
    ),
    looks("palette", "commands", Global, App::palette, "Search commands, views and things"),
    looks("help", "keys", Global, App::help, "Show the keys in force"),
    looks("focus-next", "next pane", Global, App::focus_next, "Move to the next pane"),
    looks("focus-previous", "previous pane", Global, App::focus_previous, "Move to the previous pane"),
    looks("zoom", "zoom", Global, App::zoom, "Give the focused pane the whole screen, or take it back"),
    looks("pause", "pause", Global, App::pause, "Freeze the telemetry view; counting goes on"),
    looks("sort", "sort", List, App::sort, "Sort devices by the next column"),
    looks(
        "log-scale",
        "log scale",
        Global,
        App::log_scale,
        "Switch sparklines between a linear and a logarithmic scale",
    ),
    looks("copy", "copy", List, App::copy, "Copy the name under the cursor to the terminal's clipboard"),
    looks("overview", "overview", Global, App::view_overview, "The four live things on one screen"),
    looks("device", "device", Global, App::view_device, "Everything about the device under the cursor"),
    looks("stream", "stream", Global, App::view_stream, "Every message, the newest last"),
    looks("violations", "violations", Global, App::view_violations, "Active and past violations"),
    looks("shadows", "shadows", Global, App::view_shadows, "Shadow deltas across the fleet"),
    looks("jobs", "jobs", Global, App::view_jobs, "Jobs and how far they are"),
    looks("journal", "journal", Global, App::view_journal, "What was done, by whom, and how it ended"),
    looks("profiles", "profiles", Global, App::view_profiles, "Security profiles, and what they call normal"),
    opens_plan(
        "profile-form",
        "write a profile",
        Reversible,
        Global,
        App::profile_form,
        "Write the security profile under the cursor: checked at every key, judged on what was heard, then planned",
    ),
    opens_plan(
        "profile-new",
        "new profile",
        Reversible,
        Profiles,
        App::profile_new,
        "Write a security profile that does not exist yet",
    ),
    opens_plan(
        "profile-delete",
        "delete",
        Reversible,
        Profiles,
        App::profile_delete,
        "Plan the deletion of the security profile under the cursor",
    ),
    opens_plan(
        "profile-attach",
        "attach",
        Reversible,
        Profiles,
        App::profile_attach,
        "Plan to let the security profile judge a thing group or all things too",
    ),
    opens_plan(
        "profile-detach",
        "detach",
        Reversible,
        Profiles,
        App::profile_detach,
        "Plan to let the security profile no longer judge a target",
    ),
    opens_plan(
        "profile-import",
        "from a file",
        Reversible,
        Profiles,
        App::profile_import,
        "Take a security profile from a JSON or TOML file into the form",
    ),
    looks(
        "profile-export",
        "to a file",
        Profiles,
        App::profile_export,
        "Write the security profile under the cursor into a JSON file",
    ),
    opens_plan(
        "dimension",
        "dimension",
        Reversible,
        Profiles,
        App::dimension,
        "Plan to write or delete a dimension: topics a behaviour is limited to",
    ),
    opens_plan(
        "custom-metric",
        "custom metric",
        Reversible,
        Profiles,
        App::custom_metric,
        "Plan to create or delete a metric of the account's own",
    ),
    opens_plan(
        "verify",
        "verdict",
        Reversible,
        Global,
        App::verify,
        "Say what the violation under the cursor was found to be, with a note",
    ),
    looks("history", "history", Global, App::view_history, "Violations of the last day, and what was judged"),
    looks("audit", "audit", Global, App::view_audit, "Findings of audits, the worst first"),
    looks("rules", "rules", Global, App::view_rules, "Topic rules: their SQL and what they do"),
    looks(
        "what-if",
        "what if",
        Global,
        App::what_if,
        "Try other numbers on the behaviour under the cursor: who would have alarmed, and when",
    ),
    looks("what-if-raise", "raise", WhatIf, App::what_if_raise, "A threshold 5 % higher"),
    looks("what-if-lower", "lower", WhatIf, App::what_if_lower, "A threshold 5 % lower"),
    looks("what-if-double", "double", WhatIf, App::what_if_double, "Twice the threshold"),
    looks("what-if-halve", "halve", WhatIf, App::what_if_halve, "Half the threshold"),
    looks("what-if-operator", "operator", WhatIf, App::what_if_operator, "The next comparison operator"),
    looks(
        "what-if-statistic",
        "percentile",
        WhatIf,
        App::what_if_statistic,
        "The next percentile of the fleet instead of a threshold, and after the last a threshold again",
    ),
    looks(
        "what-if-duration",
        "window",
        WhatIf,
        App::what_if_duration,
        "The next window: 5 minutes to an hour",
    ),
    looks(
        "what-if-to-alarm",
        "to alarm",
        WhatIf,
        App::what_if_to_alarm,
        "One more consecutive datapoint to alarm; after ten, one",
    ),
    looks(
        "what-if-to-clear",
        "to clear",
        WhatIf,
        App::what_if_to_clear,
        "One more consecutive datapoint to clear; after ten, one",
    ),
    looks("what-if-next", "next behaviour", WhatIf, App::what_if_next, "Try the next behaviour"),
    looks(
        "what-if-previous",
        "previous behaviour",
        WhatIf,
        App::what_if_previous,
        "Try the previous behaviour",
    ),
    looks(
        "what-if-reset",
        "as in force",
        WhatIf,
        App::what_if_reset,
        "Put the numbers back to those in force",
    ),
    looks("doctor", "doctor", Global, App::view_doctor, "Is this account ready for an incident?"),
    looks("grid", "all devices", Global, App::view_grid, "All devices as cells by state"),
    looks(
        "metrics",
        "agent metrics",
        Global,
        App::view_metrics,
        "What the Defender agent of the device under the cursor reports",
    ),
    looks(
        "instructor",
        "instructor mode",
        Global,
        App::instructor,
        "For a projector: large cells, account ids and addresses masked, nothing is sent",
    ),
    looks(
        "profile",
        "another profile",
        Global,
        App::profile,
        "Go to another profile of the AWS configuration files",
    ),
    looks("region", "another region", Global, App::region, "Go to another region"),
    looks(
        "link",
        "connection",
        Global,
        App::view_link,
        "The connection: what it carries, loses and is refused",
    ),
    looks("last-action", "last action", Global, App::last_action, "Show how far the last response is"),
    looks("down", "down", List, App::down, "Move down"),
    looks("up", "up", List, App::up, "Move up"),
    looks("left", "left", List, App::left, "Move left, or show the payload the previous way"),
    looks("right", "right", List, App::right, "Move right, or show the payload the next way"),
    looks("first", "first", List, App::first, "Go to the first line"),
    looks("last", "last", List, App::last, "Go to the last line"),
    looks("half-page-down", "half page down", List, App::half_page_down, "Move half a page down"),
    looks("half-page-up", "half page up", List, App::half_page_up, "Move half a page up"),
    looks("confirm", "confirm", Plan, App::confirm, "Carry the plan out"),
    looks("edit", "change", Plan, App::edit, "Change the thing group or the job, and plan again"),
    looks("stop", "stop", Plan, App::stop, "Stop a running response after the requests under way"),
    looks(
        "api-calls",
        "what the API calls are",
        Plan,
        App::api_calls,
        "Show the requests the plan would send",
    ),
    looks(
        "escape",
        "leave",
        Payload,
        App::escape,
        "One step out: dialog, filter, marks, then back; never quits",
    ),
    looks("back", "back", Global, App::back, "Back, and at the first screen quit"),
    looks(
        "record",
        "record",
        Global,
        App::record,
        "Begin or end writing this session's events to a file, without payloads",
    ),
    looks("replay-pause", "pause", Replay, App::replay_pause, "Hold the recording, or go on"),
    looks("replay-next-alarm", "to next alarm", Replay, App::replay_next_alarm, "Play to the next alarm"),
    looks("replay-faster", "faster", Replay, App::replay_faster, "Play faster"),
    looks("replay-slower", "slower", Replay, App::replay_slower, "Play slower"),
    looks("replay-forward", "30 s on", Replay, App::replay_forward, "Go half a minute on"),
    looks("replay-back", "30 s back", Replay, App::replay_back, "Go half a minute back"),
    looks("suspend", "suspend", Global, App::suspend, "Put quell into the background"),
    looks("redraw", "redraw", Global, App::redraw, "Draw the whole screen again"),
    looks("interrupt", "quit", Global, App::interrupt, "Pressed twice, quit whatever is going on"),
    looks("force-quit", "quit now", Global, App::force_quit, "Quit whatever is going on"),
];

/// The command called `id`.
pub fn find(id: &str) -> Option<CommandId> {
    COMMANDS.iter().position(|c| c.id == id).map(CommandId)
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
    fn every_command_has_a_key_or_is_for_the_palette() {
        let map = Keymap::load(None, None).unwrap();
        for (id, command) in all() {
            let palette_only = matches!(command.id, "activate" | "force-quit");
            assert_eq!(map.keys_of(id).is_empty(), palette_only, "{}", command.id);
        }
    }
}
