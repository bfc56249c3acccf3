//! The commands: clap definitions and, one file each, thin callers of the rooms.

mod config;
mod console;
#[cfg(feature = "emulator")]
mod demo;
mod doctor;
mod job;
mod journal;
mod journal_lines;
mod keys;
mod local;
mod output;
mod reads;
mod respond;
mod respond_cmds;
mod setup;
mod source;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

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
#[command(name = "quell", version, about, long_about = None, disable_help_subcommand = true)]
pub struct Cli {
    /// Flags every command takes.
    #[command(flatten)]
    pub common: Common,
    /// What to do; the console without one.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags every command takes.
#[derive(Args, Clone, Debug, Default)]
pub struct Common {
    /// The named profile of the AWS configuration files
    #[arg(long, global = true, value_name = "NAME", env = "AWS_PROFILE", hide_env_values = true)]
    pub profile: Option<String>,
    /// The AWS region
    #[arg(long, global = true, value_name = "NAME")]
    pub region: Option<String>,
    /// Control plane endpoint
    #[arg(long, global = true, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// Data plane (iot-data) endpoint
    #[arg(long, global = true, value_name = "URL")]
    pub data_endpoint_url: Option<String>,
    /// Where telemetry comes from: wss:// (SigV4), mqtts:// (with --cert --key --ca), ws:// or mqtt://
    #[arg(long, global = true, value_name = "URL")]
    pub mqtt_url: Option<String>,
    /// No AWS control plane at all: watch any MQTT broker
    #[arg(long, global = true)]
    pub no_aws: bool,
    /// Client certificate for mqtts:// (PEM)
    #[arg(long, global = true, value_name = "FILE")]
    pub cert: Option<PathBuf>,
    /// Private key of --cert (PEM)
    #[arg(long, global = true, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Certificate authority to trust for MQTT (PEM)
    #[arg(long, global = true, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// A topic filter to watch (repeatable)
    #[arg(long = "topic", global = true, value_name = "FILTER")]
    pub topics: Vec<String>,
    /// How a topic names its thing, e.g. 'temperature-device-(\d+)=Thing$1' or 'dt/{thing}/#' (repeatable)
    #[arg(long = "thing-from", global = true, value_name = "PATTERN")]
    pub thing_from: Vec<String>,
    /// Security profiles to judge by, beside the account's or without one: JSON or TOML in AWS's own shape
    #[arg(long, global = true, value_name = "FILE")]
    pub security_profiles: Option<PathBuf>,
    /// Refuse every change
    #[arg(long, global = true)]
    pub read_only: bool,
    /// A keymap by name or file
    #[arg(long, global = true, value_name = "NAME|FILE")]
    pub keymap: Option<String>,
    /// A colour theme
    #[arg(long, global = true, value_name = "NAME")]
    pub theme: Option<String>,
    /// Draw with ASCII only
    #[arg(long, global = true)]
    pub ascii: bool,
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Frames a second at most
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=120))]
    pub max_fps: Option<u16>,
    /// Memory for payloads, e.g. 16MB
    #[arg(long, global = true, value_name = "SIZE")]
    pub memory_budget: Option<String>,
    /// Where to write the log
    #[arg(long, global = true, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Log more (repeatable)
    #[arg(short = 'v', long = "verbose", global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
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
    Local(local::LocalArgs),
    /// The live data without a screen: one JSON object a line
    Watch(watch::WatchArgs),
    /// The things of the registry
    Things(reads::ReadArgs),
    /// The active Device Defender violations
    Violations(reads::ReadArgs),
    /// A thing's shadow
    Shadow(reads::ShadowArgs),
    /// The jobs, with their executions counted
    Jobs(reads::ReadArgs),
    /// The security profiles
    Profiles(reads::ReadArgs),
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
    /// Create, list, show and cancel jobs
    Job(job::JobArgs),
    /// What was done, by whom, when, with the request ids
    Journal(journal::JournalArgs),
    /// Answer Device Defender's alerts: an SNS event on stdin, notifications over HTTP, or violations it polls
    Respond(respond::RespondArgs),
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
    let cli = Cli::parse();
    if let Err(report) = color_eyre::install() {
        tracing::warn!(%report, "plain error reports");
    }
    let _ = rustls_provider();
    let result = match cli.command {
        None => console::run(&cli.common),
        #[cfg(feature = "emulator")]
        Some(Command::Demo(args)) => demo::run(&args, &cli.common),
        Some(Command::Keys(args)) => keys::run(&args, &cli.common),
        Some(Command::Config(args)) => config::run(&args, &cli.common),
        Some(Command::Local(args)) => local::run(args, &cli.common),
        Some(Command::Watch(args)) => watch::run(&args, &cli.common),
        Some(Command::Things(args)) => reads::things(&args, &cli.common),
        Some(Command::Violations(args)) => reads::violations(&args, &cli.common),
        Some(Command::Shadow(args)) => reads::shadow(&args, &cli.common),
        Some(Command::Jobs(args)) => reads::jobs(&args, &cli.common),
        Some(Command::Profiles(args)) => reads::profiles(&args, &cli.common),
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
        Some(Command::Job(args)) => job::run(args, &cli.common),
        Some(Command::Journal(args)) => journal::run(&args, &cli.common),
        Some(Command::Respond(args)) => respond::run(&args, &cli.common),
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
        Err(report) => {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "quell: {report:#}");
            ExitCode::from(exit::FAILED)
        }
    }
}

/// Logs into a file: a line on the terminal would be drawn across the screen. A log that cannot be written is done
/// without; `RUST_LOG` decides in detail what is said.
fn log_to(path: &std::path::Path, verbose: u8) {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    let level = match verbose {
        0 => "warn,quell=info",
        1 => "info,quell=debug",
        _ => "debug,quell=trace",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    if let Some(folder) = path.parent() {
        let _ = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    }
    if let Ok(file) = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path) {
        let _ = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .with_writer(std::sync::Mutex::new(file))
            .try_init();
    }
}

/// One TLS provider for the whole process: ring.
fn rustls_provider() -> Result<(), std::sync::Arc<tokio_rustls::rustls::crypto::CryptoProvider>> {
    tokio_rustls::rustls::crypto::ring::default_provider().install_default()
}
