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
mod examples;
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

use clap::error::ErrorKind;
use clap::{ArgMatches, FromArgMatches, Parser, Subcommand};

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

/// How a command is called on a command line.
fn named(variant: &str) -> String {
    variant.to_lowercase()
}

/// Makes the commands from one row each, under the heading they stand under in `--help`: the sentence, the name with its
/// arguments, the feature it is part of, whether it takes the screen, and what runs it.
macro_rules! commands {
    (|$common:ident| $($heading:literal {
        $(
            #[doc = $about:literal]
            $name:ident $(($args:ident: $type:ty))? $(in $feature:literal)? $(as $place:ident)? => $run:expr;
        )*
    })*) => {
        /// The commands.
        #[derive(Debug)]
        pub enum Command {
            $($(
                #[doc = $about]
                $(#[cfg(feature = $feature)])?
                $name $(($type))?,
            )*)*
        }

        impl Command {
            /// The commands by what they are for, as the enum names them; those of a feature that is not there too.
            const GROUPS: &[(&str, &[&str])] = &[$(($heading, &[$(stringify!($name)),*])),*];

            /// Whether it draws a screen of its own, which a log on stderr would be drawn across.
            fn takes_screen(&self) -> bool {
                match self {
                    $($(
                        $(#[cfg(feature = $feature)])?
                        Self::$name { .. } => commands!(@screen $($place)?),
                    )*)*
                }
            }

            fn run(self, $common: &Common) -> color_eyre::Result<u8> {
                match self {
                    $($(
                        $(#[cfg(feature = $feature)])?
                        Self::$name $(($args))? => $run,
                    )*)*
                }
            }
        }

        // What would be derived has every argument of every command made before the first word is looked at.
        impl Subcommand for Command {
            fn augment_subcommands(app: clap::Command) -> clap::Command {
                $($(
                    $(#[cfg(feature = $feature)])?
                    let app = app.subcommand(
                        clap::Command::new(named(stringify!($name)))
                            .about($about.trim_start())
                            .defer(|app| {
                                $(let app = <$type as clap::Args>::augment_args(app).about($about.trim_start());)?
                                examples::on(app, &format!("quell {}", named(stringify!($name))))
                            })
                    );
                )*)*
                app
            }

            fn augment_subcommands_for_update(app: clap::Command) -> clap::Command {
                Self::augment_subcommands(app)
            }

            fn has_subcommand(name: &str) -> bool {
                $($(
                    $(#[cfg(feature = $feature)])?
                    if name == named(stringify!($name)) {
                        return true;
                    }
                )*)*
                false
            }
        }

        impl FromArgMatches for Command {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                let Some((name, arguments)) = matches.subcommand() else {
                    return Err(clap::Error::new(ErrorKind::MissingSubcommand));
                };
                $($(
                    $(#[cfg(feature = $feature)])?
                    if name == named(stringify!($name)) {
                        return Ok(Self::$name $((<$type as FromArgMatches>::from_arg_matches(arguments)?))?);
                    }
                )*)*
                let _ = arguments;
                Err(clap::Error::new(ErrorKind::InvalidSubcommand))
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                *self = Self::from_arg_matches(matches)?;
                Ok(())
            }
        }
    };
    (@screen) => { false };
    (@screen screen) => { true };
}

commands! { |common|
    "Watch (without a command: the console)" {
        /// The embedded local cloud with a fleet and a scripted incident, and the console connected to it
        Demo(args: demo::DemoArgs) in "emulator" as screen => demo::run(&args, common);
        /// The live data without a screen: one JSON object a line
        Watch(args: watch::WatchArgs) => watch::run(&args, common);
        /// Write a session's events to a file
        Record(args: record::RecordArgs) => record::record(&args, common);
        /// The same screens from a recording: speed, pause, seek, next alarm
        Replay(args: record::ReplayArgs) as screen => record::replay(&args, common);
        /// What happened, from a recording and the journal: Markdown, or JSON
        Report(args: record::ReportArgs) => record::tell(&args, common);
    }
    "Read once" {
        /// The things of the registry
        Things(args: reads::ThingsArgs) => reads::things(&args, common);
        /// The active Device Defender violations
        Violations(args: reads::ReadArgs) => reads::violations(&args, common);
        /// A thing's shadow
        Shadow(args: reads::ShadowArgs) => reads::shadow(&args, common);
        /// The jobs, with their executions counted
        Jobs(args: reads::ReadArgs) => reads::jobs(&args, common);
        /// The security profiles; export, write, attach and delete them
        Profiles(args: profiles::ProfilesArgs) => profiles::run(args, common);
        /// The topic rules; switch, write, delete, check them
        Rules(args: rules::RulesArgs) => rules::run(args, common);
        /// What Device Defender Audit found; audit, suppress
        Audit(args: audit::AuditArgs) => audit::run(args, common);
        /// What was done, by whom, when, with the request ids
        Journal(args: journal::JournalArgs) => journal::run(&args, common);
        /// Is this account ready for an incident; what mends what is not
        Doctor(args: doctor::DoctorArgs) => doctor::run(&args, common);
        /// What things left behind: retained messages, sessions, credentials, jobs; reads only
        Sweep(args: retained::SweepArgs) => retained::sweep(&args, common);
        /// Try a policy on what was heard; write the least policy that it needs
        Policy(args: policy::PolicyArgs) => policy::run(args, common);
    }
    "Respond" {
        /// Contain things: isolation group, shadow flag, connection cut, proof
        Isolate(args: respond_cmds::IsolateArgs) => respond_cmds::isolate(&args, common);
        /// Let isolated things speak again, and prove it
        Release(args: respond_cmds::ThingsArgs) => respond_cmds::release(&args, common);
        /// Set the certificates of things INACTIVE (can be taken back)
        Deactivate(args: respond_cmds::CertificateArgs) => respond_cmds::certificates(respond_cmds::Verb::Deactivate, &args, common);
        /// Set the certificates of things ACTIVE
        Activate(args: respond_cmds::CertificateArgs) => respond_cmds::certificates(respond_cmds::Verb::Activate, &args, common);
        /// Set the certificates of things REVOKED (final)
        Revoke(args: respond_cmds::CertificateArgs) => respond_cmds::certificates(respond_cmds::Verb::Revoke, &args, common);
        /// Cut one session of a thing whose identity several use, and prove that one or none is left
        Cut(args: respond_cmds::CutArgs) => respond_cmds::cut(&args, common);
        /// Ask things by their shadow (desired quarantine) to hold themselves back; nothing makes them, as isolate does
        Flag(args: respond_cmds::FlagArgs) => respond_cmds::flag(&args, common);
        /// Take the last response back, to what was before it
        Undo(args: journal::PastArgs) => journal::past(true, &args, common);
        /// Send what a response left unsent when it was cut short or failed
        Finish(args: journal::PastArgs) => journal::past(false, &args, common);
        /// Answer Device Defender's alerts: an SNS event on stdin, notifications over HTTP, or violations it polls
        Respond(args: respond::RespondArgs) => respond::run(&args, common);
        /// The judge without a screen: alerts to whom the configuration names, and action by rules
        Guard(args: Box<guard::GuardArgs>) => guard::run(&args, common);
        /// Keep the evidence of an incident before it is contained; close, check and tell it
        Case(args: case::CaseArgs) => case::run(args, common);
    }
    "Move and mend" {
        /// Put things into a thing group
        Join(args: respond_cmds::GroupArgs) => respond_cmds::group(true, &args, common);
        /// Take things out of a thing group
        Leave(args: respond_cmds::GroupArgs) => respond_cmds::group(false, &args, common);
        /// Create, list, show and cancel jobs
        Job(args: job::JobArgs) => job::run(args, common);
        /// Let AWS run its own mitigation actions on violations or audit findings
        Mitigate(args: setup::MitigateArgs) => setup::mitigate(&args, common);
        /// Say what violations were found to be, with a note
        Verify(args: profiles::VerifyArgs) => profiles::verify(args, common);
        /// The retained messages of the account; clear those of things
        Retained(args: retained::RetainedArgs) => retained::run(args, common);
    }
    "Set up" {
        /// Create the isolation group and its policy, as far as they are missing
        Setup(args: setup::SetupArgs) => setup::run(&args, common);
        /// Dimensions: topic filters a behaviour is limited to
        Dimension(args: profiles::DimensionArgs) => profiles::dimension(args, common);
        /// Custom metrics devices report
        Metric(args: profiles::MetricArgs) => profiles::metric(args, common);
        /// Mitigation actions: list, create, delete
        Action(args: audit::ActionArgs) => audit::action(args, common);
    }
    "A cloud of one's own" {
        /// The embedded local AWS IoT alone, for the AWS CLI, SDKs, devices, workshops and tests
        Local(args: local::LocalArgs) in "emulator" => local::run(args, common);
        /// A room of participants on one local cloud: an account, a fleet and a password each, and the score of a drill
        Workshop(args: workshop::WorkshopArgs) in "emulator" => workshop::run(args, common);
        /// One drill alone, against oneself; the list of them without a name
        Drill(args: drill::DrillArgs) in "emulator" as screen => drill::run(&args, common);
    }
    "quell itself" {
        /// The configuration in force and where each value comes from; a template; a schema
        Config(args: config::ConfigArgs) => config::run(&args, common);
        /// Print the keymap in force
        Keys(args: keys::KeysArgs) => keys::run(&args, common);
        /// Print completions for a shell
        Completions(args: pages::CompletionsArgs) => pages::completions(&args);
        /// Print the manual page
        Man => pages::man();
    }
}

/// The console's own flags, where no command is named and nothing is wrong: a command line with all commands gives each of them the
/// common flags, a megabyte that the first frame would wait for.
fn console_alone() -> Option<Cli> {
    let words: Vec<_> = std::env::args_os().collect();
    if words.iter().any(|word| word.to_str().is_some_and(Command::has_subcommand)) {
        return None;
    }
    let flags = clap::Command::new("quell").disable_help_flag(true).disable_version_flag(true);
    let matches = <Common as clap::Args>::augment_args(flags).try_get_matches_from(words).ok()?;
    Some(Cli { common: Common::from_arg_matches(&matches).ok()?, command: None })
}

/// Parses the arguments, prepares reports and logging, and runs the command.
pub fn main() -> ExitCode {
    let parsed = console_alone().map_or_else(|| Cli::from_arg_matches(&help::command().get_matches()), Ok);
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    crate::console::panic::install();
    let _ = rustls_provider();
    log::headless(cli.command.as_ref(), &cli.common);
    let result = match cli.command {
        None => console::run(&cli.common),
        Some(command) => command.run(&cli.common),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        // Whoever closes a pipe has read enough.
        Err(report) if is_closed_pipe(&report) => ExitCode::from(exit::DONE),
        Err(report) => {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "quell: {report:#}");
            let unreached = report.chain().find_map(|error| error.downcast_ref::<reads::Unreached>());
            ExitCode::from(unreached.map_or(exit::FAILED, |unreached| unreached.code))
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
