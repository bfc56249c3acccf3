//! `quell guard`: the judge without a screen. It listens as `watch` does, tells its alerts, and acts by rules, through the
//! responder that a person's commands go through.

mod in_aws;
mod watch;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::config::{self, Environment, Settings, Sink, SinkWay};
use crate::guard::health::Health;
use crate::guard::{judge, size};
use crate::response::alert::AlertRules;
use crate::response::timed;
use quell_fleet::text::SafeText;

use super::output::{self, iso};
use super::respond_cmds::{runtime, settings};
use super::{Common, exit};

/// Arguments of `quell guard`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct GuardArgs {
    /// Ask a running guard, instead of being one
    #[command(subcommand)]
    pub command: Option<GuardCommand>,
    /// Act by the rules; without it, only what would be done is said
    #[arg(long, conflicts_with = "dry_run")]
    pub yes: bool,
    /// Say what would be done (the default)
    #[arg(long)]
    pub dry_run: bool,
    /// Which alert leads to what (TOML), as for `quell respond`; without it every alarm isolates
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// What survives a restart: beside the journal without it
    #[arg(long, value_name = "FOLDER")]
    pub state: Option<PathBuf>,
    /// Answer /healthz, /readyz and /metrics here
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// End after this long: 30s, 5m, 1h
    #[arg(long = "for", value_name = "DURATION", value_parser = output::duration)]
    pub length: Option<Duration>,
    /// Be no guard, and say what guarding so many devices takes: connections, guards, what AWS meters
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub plan: Option<u64>,
    /// Be no guard: have AWS's rules engine judge what a topic rule can, one plan a rule
    #[arg(long, conflicts_with_all = ["plan", "rules", "listen", "length", "raised"], requires = "role")]
    pub in_aws: bool,
    /// With --in-aws: the role the rules engine hands on with; it needs iot:Publish on quell/guard/raised
    #[arg(long, value_name = "ARN", requires = "in_aws")]
    pub role: Option<String>,
    /// Tell what rules made by --in-aws raise, besides
    #[arg(long)]
    pub raised: bool,
    /// With --plan: how often a device sends
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = output::duration, requires = "plan")]
    pub every: Duration,
    /// With --plan: bytes of a message
    #[arg(long, value_name = "N", default_value_t = 256, requires = "plan")]
    pub bytes: u64,
    /// With --plan: one JSON document
    #[arg(long, requires = "plan")]
    pub json: bool,
    /// Give up waiting for a proof after so long, e.g. 90s, 5m
    #[arg(long, value_name = "DURATION", value_parser = output::duration)]
    pub timeout: Option<Duration>,
}

/// What a running guard is asked.
#[derive(Debug, Subcommand)]
pub enum GuardCommand {
    /// How a running guard is: what it hears, told, did, and what waits
    Status(StatusArgs),
}

/// Arguments of `quell guard status`.
#[derive(Args, Debug)]
pub struct StatusArgs {
    /// One JSON document
    #[arg(long)]
    pub json: bool,
    /// The folder of the guard: beside the journal without it
    #[arg(long, value_name = "FOLDER")]
    pub state: Option<PathBuf>,
}

/// Where a guard keeps what survives a restart.
fn folder(given: Option<&PathBuf>, settings: &Settings) -> PathBuf {
    given.cloned().unwrap_or_else(|| timed::guard_folder(&settings.journal))
}

/// The rules of a file, or the usual ones.
fn rules(file: Option<&PathBuf>) -> Result<AlertRules, String> {
    let Some(file) = file else { return Ok(AlertRules::default()) };
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    AlertRules::parse(&text).map_err(|e| format!("{}: {e}", file.display()))
}

/// Who is told; stdout when nobody is named.
fn sinks(settings: &Settings) -> Vec<Sink> {
    let mut sinks = settings.guard.sinks.clone();
    if sinks.is_empty() {
        let alerts = config::AlertKind::ALL.to_vec();
        let format = config::AlertFormat::Aws;
        sinks.push(Sink { name: "stdout".to_owned(), way: SinkWay::Stdout, format, alerts });
    }
    if settings.read_only {
        sinks.retain(|sink| {
            let writes = sink.way.writes_to_account();
            if writes {
                let _ = writeln!(
                    io::stderr(),
                    "quell: read-only: {} is not told, it is in the account",
                    sink.name
                );
            }
            !writes
        });
    }
    sinks
}

/// Runs until it is to end, or asks one that runs.
pub(super) fn run(args: &GuardArgs, common: &Common) -> color_eyre::Result<u8> {
    if let Some(devices) = args.plan {
        let found = size::size(size::Fleet { devices, every: args.every, bytes: args.bytes });
        let text =
            if args.json { format!("{:#}\n", serde_json::to_value(&found)?) } else { found.text(devices) };
        output::text(&text)?;
        return Ok(exit::DONE);
    }
    if let Some(role) = args.role.as_deref().filter(|_| args.in_aws) {
        return in_aws::run(args, role, common);
    }
    let settings = match settings(common) {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    if let Some(GuardCommand::Status(args)) = &args.command {
        return runtime()?.block_on(status(args, &settings));
    }
    let rules = match rules(args.rules.as_ref()) {
        Ok(rules) => rules,
        Err(error) => {
            let _ = writeln!(io::stderr(), "quell: {error}");
            return Ok(exit::USAGE);
        }
    };
    runtime()?.block_on(Box::pin(watch::run(args, settings, rules, common)))
}

/// The configuration and the rules anew; what is wrong with them in a sentence.
fn reloaded(file: Option<&PathBuf>, common: &Common) -> Result<(Settings, AlertRules), String> {
    let settings = config::load(common, &Environment::of_process()).map_err(|error| error.in_a_line())?;
    Ok((settings, rules(file)?))
}

async fn status(args: &StatusArgs, settings: &Settings) -> color_eyre::Result<u8> {
    let folder = folder(args.state.as_ref(), settings);
    let found: Health = match timed::ask(&folder).await {
        Ok(found) => found,
        Err(error) => {
            let _ = writeln!(io::stderr(), "quell: no guard answers in {}: {error}", folder.display());
            return Ok(exit::FAILED);
        }
    };
    if args.json {
        output::text(&format!("{:#}\n", serde_json::to_value(&found)?))?;
        return Ok(exit::DONE);
    }
    let hears = match &found.deaf {
        _ if found.hears => "hears the fleet".to_owned(),
        Some(why) => format!("does not hear: {why}"),
        None => "is not connected yet".to_owned(),
    };
    let mut lines = vec![
        format!("since {}, {hears}, {}", iso(found.started), if found.acts { "acts" } else { "dry run" }),
        format!(
            "{} devices, {} messages, {:.1} a second",
            found.devices, found.messages, found.messages_per_second
        ),
        format!("{} alerts open, {} devices held", found.open, found.held),
    ];
    if !found.share.is_empty() {
        let share: Vec<SafeText> = found.share.iter().map(|filter| SafeText::new(filter)).collect();
        lines.push(format!("its share: {}", quell_fleet::format::few(&share, |filter| filter.to_string())));
    }
    if let Some(lease) = &found.lease {
        lines.push(format!("lease: {lease}"));
    }
    lines.extend(found.not_judged.iter().map(|not| {
        let on = judge::on(not.on, not.things.iter().map(|thing| SafeText::new(thing)));
        let (behavior, profile) = (SafeText::new(&not.behavior), SafeText::new(&not.profile));
        format!("not judged: {behavior} of {profile}{on}: {}", SafeText::new(&not.why))
    }));
    lines.extend(found.alerts.iter().map(|(kind, step, n)| format!("{n} {kind} {step}")));
    lines.extend(found.actions.iter().map(|(result, n)| format!("{n} {result}")));
    lines.extend(found.sinks.iter().map(|sink| {
        format!("{}: {} sent, {} waiting, {} given up", sink.name, sink.sent, sink.waiting, sink.dead)
    }));
    output::text(&format!("{}\n", lines.join("\n")))?;
    Ok(exit::DONE)
}
