//! The commands: clap definitions and, one file each, thin callers of the rooms.

mod about;
mod audit;
mod case;
mod config;
mod console;
#[cfg(feature = "emulator")]
mod debrief;
#[cfg(feature = "emulator")]
mod demo;
mod doctor;
#[cfg(feature = "emulator")]
mod drill;
mod guard;
mod help;
mod job;
mod journal;
mod journal_lines;
mod keys;
#[cfg(feature = "emulator")]
mod local;
mod log;
mod output;
mod pages;
mod policy;
mod profiles;
mod reads;
mod record;
mod reload;
mod respond;
mod respond_cmds;
mod retained;
mod rules;
mod setup;
mod source;
mod watch;
#[cfg(feature = "emulator")]
mod workshop;
mod zone;

use std::process::ExitCode;

use clap::{FromArgMatches as _, Parser, Subcommand};

pub use crate::config::flags::Common;

/// Exit codes scripts rely on.
pub mod exit {
    /// Done, and for a response: proven.
    pub const DONE: u8 = 0;
    /// Failed, nothing was changed.
    pub const FAILED: u8 = 1;
    /// Wrong usage or configuration.
    pub const USAGE: u8 = 2;
    /// Partly done.
    pub const PARTLY: u8 = 3;
    /// Refused by the write gate.
    pub const REFUSED: u8 = 4;
    /// Done, but not proven within the time.
    pub const UNPROVEN: u8 = 5;
    /// Interrupted.
    pub const INTERRUPTED: u8 = 130;
}

/// The operations console for AWS IoT fleets: watch, isolate, and prove that a device went silent.
#[derive(Debug, Parser)]
#[command(name = "quell", version, long_version = about::VERSION.as_str(), about, long_about = None, disable_help_subcommand = true)]
pub struct Cli {
    /// Flags every command takes.
    #[command(flatten)]
    pub common: Common,
    /// What to do; the console without one.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The embedded local cloud with a fleet and a scripted incident, and the console connected to it
    #[cfg(feature = "emulator")]
    Demo(demo::DemoArgs),
    /// Print the keymap in force
    Keys(keys::KeysArgs),
    /// The configuration in force and where each value comes from; a template; a schema
    Config(config::ConfigArgs),
    /// The embedded local AWS IoT alone, for the AWS CLI, SDKs, devices, workshops and tests
    #[cfg(feature = "emulator")]
    Local(local::LocalArgs),
    /// A room of participants on one local cloud: an account, a fleet and a password each, and the score of a drill
    #[cfg(feature = "emulator")]
    Workshop(workshop::WorkshopArgs),
    /// One drill alone, against oneself; the list of them without a name
    #[cfg(feature = "emulator")]
    Drill(drill::DrillArgs),
    /// The live data without a screen: one JSON object a line
    Watch(watch::WatchArgs),
    /// The things of the registry
    Things(reads::ThingsArgs),
    /// The active Device Defender violations
    Violations(reads::ReadArgs),
    /// A thing's shadow
    Shadow(reads::ShadowArgs),
    /// The jobs, with their executions counted
    Jobs(reads::ReadArgs),
    /// The security profiles; export, write, attach and delete them
    Profiles(profiles::ProfilesArgs),
    /// Dimensions: topic filters a behaviour is limited to
    Dimension(profiles::DimensionArgs),
    /// Custom metrics devices report
    Metric(profiles::MetricArgs),
    /// Say what violations were found to be, with a note
    Verify(profiles::VerifyArgs),
    /// The topic rules; switch, write, delete, check them
    Rules(rules::RulesArgs),
    /// What Device Defender Audit found; audit, suppress
    Audit(audit::AuditArgs),
    /// Mitigation actions: list, create, delete
    Action(audit::ActionArgs),
    /// Contain things: isolation group, shadow flag, connection cut, proof
    Isolate(respond_cmds::ThingsArgs),
    /// Let isolated things speak again, and prove it
    Release(respond_cmds::ThingsArgs),
    /// Set the certificates of things INACTIVE (can be taken back)
    Deactivate(respond_cmds::CertificateArgs),
    /// Set the certificates of things ACTIVE
    Activate(respond_cmds::CertificateArgs),
    /// Set the certificates of things REVOKED (final)
    Revoke(respond_cmds::CertificateArgs),
    /// Cut one session of a thing whose identity several use, and prove that one or none is left
    Cut(respond_cmds::CutArgs),
    /// Ask things by their shadow (desired quarantine) to hold themselves back; nothing makes them, as isolate does
    Flag(respond_cmds::FlagArgs),
    /// The retained messages of the account; clear those of things
    Retained(retained::RetainedArgs),
    /// What things left behind: retained messages, sessions, credentials, jobs; reads only
    Sweep(retained::SweepArgs),
    /// Create, list, show and cancel jobs
    Job(job::JobArgs),
    /// What was done, by whom, when, with the request ids
    Journal(journal::JournalArgs),
    /// Write a session's events to a file
    Record(record::RecordArgs),
    /// The same screens from a recording: speed, pause, seek, next alarm
    Replay(record::ReplayArgs),
    /// What happened, from a recording and the journal: Markdown, or JSON
    Report(record::ReportArgs),
    /// Keep the evidence of an incident before it is contained; close, check and tell it
    Case(case::CaseArgs),
    /// Try a policy on what was heard; write the least policy that it needs
    Policy(policy::PolicyArgs),
    /// Print completions for a shell
    Completions(pages::CompletionsArgs),
    /// Print the manual page
    Man,
    /// Answer Device Defender's alerts: an SNS event on stdin, notifications over HTTP, or violations it polls
    Respond(respond::RespondArgs),
    /// The judge without a screen: alerts to whom the configuration names, and action by rules
    Guard(Box<guard::GuardArgs>),
    /// Is this account ready for an incident; what mends what is not
    Doctor(doctor::DoctorArgs),
    /// Create the isolation group and its policy, as far as they are missing
    Setup(setup::SetupArgs),
    /// Let AWS run its own mitigation actions on violations or audit findings
    Mitigate(setup::MitigateArgs),
    /// Take the last response back, to what was before it
    Undo(journal::PastArgs),
    /// Send what a response left unsent when it was cut short or failed
    Finish(journal::PastArgs),
    /// Put things into a thing group
    Join(respond_cmds::GroupArgs),
    /// Take things out of a thing group
    Leave(respond_cmds::GroupArgs),
}

/// Parses the arguments, prepares reports and logging, and runs the command.
pub fn main() -> ExitCode {
    let cli = match Cli::from_arg_matches(&help::command().get_matches()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    crate::console::panic::install();
    let _ = rustls_provider();
    log::headless(cli.command.as_ref(), &cli.common);
    let result = match cli.command {
        None => console::run(&cli.common),
        #[cfg(feature = "emulator")]
        Some(Command::Demo(args)) => demo::run(&args, &cli.common),
        Some(Command::Keys(args)) => keys::run(&args, &cli.common),
        Some(Command::Config(args)) => config::run(&args, &cli.common),
        #[cfg(feature = "emulator")]
        Some(Command::Local(args)) => local::run(args, &cli.common),
        #[cfg(feature = "emulator")]
        Some(Command::Workshop(args)) => workshop::run(args, &cli.common),
        #[cfg(feature = "emulator")]
        Some(Command::Drill(args)) => drill::run(&args, &cli.common),
        Some(Command::Watch(args)) => watch::run(&args, &cli.common),
        Some(Command::Things(args)) => reads::things(&args, &cli.common),
        Some(Command::Violations(args)) => reads::violations(&args, &cli.common),
        Some(Command::Shadow(args)) => reads::shadow(&args, &cli.common),
        Some(Command::Jobs(args)) => reads::jobs(&args, &cli.common),
        Some(Command::Profiles(args)) => profiles::run(args, &cli.common),
        Some(Command::Dimension(args)) => profiles::dimension(args, &cli.common),
        Some(Command::Metric(args)) => profiles::metric(args, &cli.common),
        Some(Command::Verify(args)) => profiles::verify(args, &cli.common),
        Some(Command::Rules(args)) => rules::run(args, &cli.common),
        Some(Command::Audit(args)) => audit::run(args, &cli.common),
        Some(Command::Action(args)) => audit::action(args, &cli.common),
        Some(Command::Cut(args)) => respond_cmds::cut(&args, &cli.common),
        Some(Command::Flag(args)) => respond_cmds::flag(&args, &cli.common),
        Some(Command::Isolate(args)) => respond_cmds::things(respond_cmds::Verb::Isolate, &args, &cli.common),
        Some(Command::Release(args)) => respond_cmds::things(respond_cmds::Verb::Release, &args, &cli.common),
        Some(Command::Deactivate(args)) => {
            respond_cmds::certificates(respond_cmds::Verb::Deactivate, &args, &cli.common)
        }
        Some(Command::Activate(args)) => {
            respond_cmds::certificates(respond_cmds::Verb::Activate, &args, &cli.common)
        }
        Some(Command::Revoke(args)) => {
            respond_cmds::certificates(respond_cmds::Verb::Revoke, &args, &cli.common)
        }
        Some(Command::Retained(args)) => retained::run(args, &cli.common),
        Some(Command::Sweep(args)) => retained::sweep(&args, &cli.common),
        Some(Command::Job(args)) => job::run(args, &cli.common),
        Some(Command::Completions(args)) => pages::completions(&args),
        Some(Command::Man) => pages::man(),
        Some(Command::Journal(args)) => journal::run(&args, &cli.common),
        Some(Command::Record(args)) => record::record(&args, &cli.common),
        Some(Command::Replay(args)) => record::replay(&args, &cli.common),
        Some(Command::Report(args)) => record::tell(&args, &cli.common),
        Some(Command::Case(args)) => case::run(args, &cli.common),
        Some(Command::Policy(args)) => policy::run(args, &cli.common),
        Some(Command::Respond(args)) => respond::run(&args, &cli.common),
        Some(Command::Guard(args)) => guard::run(&args, &cli.common),
        Some(Command::Doctor(args)) => doctor::run(&args, &cli.common),
        Some(Command::Setup(args)) => setup::run(&args, &cli.common),
        Some(Command::Mitigate(args)) => setup::mitigate(&args, &cli.common),
        Some(Command::Undo(args)) => journal::past(true, &args, &cli.common),
        Some(Command::Finish(args)) => journal::past(false, &args, &cli.common),
        Some(Command::Join(args)) => respond_cmds::group(true, &args, &cli.common),
        Some(Command::Leave(args)) => respond_cmds::group(false, &args, &cli.common),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        // Whoever closes a pipe has read enough.
        Err(report) if is_closed_pipe(&report) => ExitCode::from(exit::DONE),
        Err(report) => {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "quell: {report:#}");
            ExitCode::from(exit::FAILED)
        }
    }
}

fn is_closed_pipe(report: &color_eyre::Report) -> bool {
    report.chain().filter_map(|error| error.downcast_ref::<std::io::Error>()).any(output::is_closed)
}

/// One TLS provider for the whole process: ring.
fn rustls_provider() -> Result<(), std::sync::Arc<tokio_rustls::rustls::crypto::CryptoProvider>> {
    tokio_rustls::rustls::crypto::ring::default_provider().install_default()
}
