//! `quell policy try | least`: a proposed policy flown on what was heard, and the least policy that it needs. Nothing is
//! changed.

mod ask;
mod tell;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::cloud::{self, Aws};
use crate::config::{self, Environment, Settings};
use quell_fleet::flight::{Heard, fly, least};
use quell_fleet::known::Trouble;
use quell_fleet::record::file::Recording;
use quell_fleet::text::SafeText;
use quell_fleet::{Fleet, LinkState};
use quell_rules::policy::Document;

use super::output;
use super::reads::{code, complain, sentence, usage};
use super::source::Source;
use super::{Common, exit};

use ask::Checked;

/// Arguments of `quell policy`.
#[derive(Args, Debug)]
pub struct PolicyArgs {
    /// What to do
    #[command(subcommand)]
    pub command: PolicyCommand,
}

/// The subcommands of `quell policy`.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Which devices, messages and subscriptions of what was heard a policy would allow or refuse, and by which statement
    Try(TryArgs),
    /// The least policy that what was heard needs, with policy variables, one for the devices of each thing group
    Least(LeastArgs),
}

/// Where what was heard comes from.
#[derive(Args, Debug)]
pub struct OnArgs {
    /// A recording
    #[arg(long, value_name = "RECORDING", required_unless_present = "live", conflicts_with = "live")]
    pub on: Option<PathBuf>,
    /// Listen for so long: 30s, 10m, 1h
    #[arg(long, value_name = "DURATION", value_parser = output::duration)]
    pub live: Option<Duration>,
    /// Only this thing (repeatable)
    #[arg(long = "thing", value_name = "NAME")]
    pub things: Vec<String>,
    /// Only what was seen with this certificate (its id, or the beginning of it)
    #[arg(long, value_name = "ID")]
    pub principal: Option<String>,
    /// Ask AWS for what cannot be heard (subscriptions, attachments, attributes), and compare with TestAuthorization
    #[arg(long)]
    pub check_aws: bool,
    /// Take it that each thing connects under its own name with a certificate of its own, where nothing says otherwise
    #[arg(long)]
    pub as_things: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `quell policy try`.
#[derive(Args, Debug)]
pub struct TryArgs {
    /// Policy documents; several apply together, as those of one certificate
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// What it is tried on
    #[command(flatten)]
    pub on: OnArgs,
    /// Every request, those that are allowed too
    #[arg(long)]
    pub all: bool,
}

/// Arguments of `quell policy least`.
#[derive(Args, Debug)]
pub struct LeastArgs {
    /// What it is written for
    #[command(flatten)]
    pub on: OnArgs,
    /// One policy for all devices, whatever groups they are in
    #[arg(long)]
    pub together: bool,
}

/// Runs `quell policy`.
pub(super) fn run(args: PolicyArgs, common: &Common) -> color_eyre::Result<u8> {
    match args.command {
        PolicyCommand::Try(args) => try_it(&args, common),
        PolicyCommand::Least(args) => write_least(&args, common),
    }
}

/// What was heard, what AWS answered about it, and what ARNs begin with.
struct Ground {
    heard: Heard,
    prefix: String,
    checked: Option<Checked>,
    /// Devices whose client id or attachment is assumed.
    assumed: usize,
    interrupted: bool,
    /// Groups of an isolation: they say nothing of a device's work.
    quarantine: Vec<String>,
}

/// Why there is nothing to stand on, as an exit code that was explained on stderr.
type Refused = color_eyre::Result<u8>;

/// What could not be reached, explained.
fn unreached(trouble: &Trouble) -> Refused {
    complain(&sentence(trouble))?;
    Ok(code(trouble))
}

fn try_it(args: &TryArgs, common: &Common) -> color_eyre::Result<u8> {
    let mut policies = Vec::new();
    let mut texts = Vec::new();
    for file in &args.files {
        match read(file) {
            Ok((documents, text)) => {
                policies.extend(documents);
                texts.push(text);
            }
            Err(why) => return usage(&why),
        }
    }
    let ground = match ground(&args.on, common, &texts) {
        Ok(ground) => ground,
        Err(refused) => return refused,
    };
    let flights: Vec<fly::Flight> = fly::fly(&ground.heard, &policies, &ground.prefix).collect();
    if flights.iter().all(|flight| flight.requests.is_empty()) {
        return complain("nothing was heard of any device: there is nothing to try the policy on");
    }
    let told = tell::Told {
        heard: &ground.heard,
        flights: &flights,
        checked: ground.checked.as_ref(),
        assumed: ground.assumed,
        asked: args.on.check_aws,
    };
    let text = match args.on.json {
        true => format!("{}\n", output::ascii_json(&told.json())),
        false => told.text(args.all),
    };
    output::text(&text)?;
    let all = flights.iter().flat_map(|f| &f.requests).all(|r| r.outcome == fly::Outcome::Allowed);
    Ok(match (ground.interrupted, all) {
        (true, _) => exit::INTERRUPTED,
        (false, true) => exit::DONE,
        (false, false) => exit::PARTLY,
    })
}

fn write_least(args: &LeastArgs, common: &Common) -> color_eyre::Result<u8> {
    let ground = match ground(&args.on, common, &[]) {
        Ok(ground) => ground,
        Err(refused) => return refused,
    };
    let ignored: Vec<&str> = ground.quarantine.iter().map(String::as_str).collect();
    let found = least::write(&ground.heard, &ground.prefix, !args.together, &ignored);
    if found.iter().all(|least| least.documents.is_empty()) {
        return complain("nothing was heard of any device: there is nothing that a policy must allow");
    }
    if args.on.json {
        output::text(&format!("{}\n", output::ascii_json(&tell::least_json(&found))))?;
    } else {
        for least in &found {
            tell::least_said(least, args.together)?;
            for document in &least.documents {
                output::text(&format!("{document:#}\n"))?;
            }
        }
    }
    let unknown = ground.heard.devices().any(|(_, device)| device.subscriptions.is_none());
    if unknown && !args.on.check_aws {
        writeln!(std::io::stderr(), "--check-aws asks AWS for the subscriptions")?;
    }
    for sentence in tell::missing(&ground.heard.missing()) {
        writeln!(std::io::stderr(), "{}", SafeText::new(&sentence))?;
    }
    Ok(if ground.interrupted { exit::INTERRUPTED } else { exit::DONE })
}

/// Policies with their names (their file's, and a number where there are several, as `least` writes them), and their text.
fn read(file: &Path) -> Result<(Vec<(String, Document)>, String), String> {
    /// No document of AWS's 2,048 characters is longer, however it is indented.
    const MOST: u64 = 1 << 20;
    let shown = file.display();
    let length = std::fs::metadata(file).map_err(|e| format!("{shown}: {e}"))?.len();
    if length > MOST {
        return Err(format!("{shown}: {length} bytes are no policy document"));
    }
    let text = std::fs::read_to_string(file).map_err(|e| format!("{shown}: {e}"))?;
    let name = file.file_stem().map_or_else(|| shown.to_string(), |stem| stem.to_string_lossy().into_owned());
    let documents = Document::parse_all(&name, &text).map_err(|why| format!("{shown}: {why}"))?;
    Ok((documents, text))
}

/// Hears, asks, and says whose ARNs are meant.
fn ground(args: &OnArgs, common: &Common, policies: &[String]) -> Result<Ground, Refused> {
    let settings = config::load(common, &Environment::of_process()).map_err(|e| usage(&e.to_string()))?;
    if args.check_aws && !settings.aws {
        return Err(usage("--check-aws asks AWS: leave --no-aws off"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Err(e.into()))?;
    let found = runtime.block_on(Box::pin(hear(args, &settings)));
    let (mut heard, checked, interrupted) = found?;
    let assumed = if args.as_things { heard.assume_names() } else { 0 };
    let prefix = prefix(&heard, policies);
    let prefix = prefix.ok_or_else(|| {
        usage("what was heard does not say whose account it is, and the policy names none: give ARNs in it")
    })?;
    let quarantine = settings.quarantine_groups().map(str::to_owned).collect();
    Ok(Ground { heard, prefix, checked, assumed, interrupted, quarantine })
}

type Found = (Heard, Option<Checked>, bool);

async fn hear(args: &OnArgs, settings: &Settings) -> Result<Found, Refused> {
    // Until a signal is listened for, it ends the process by itself.
    let recorded = args.on.as_deref().map(recorded).transpose()?;
    let mut stop = Stop::listen().map_err(|e| Err(e.into()))?;
    let (mut heard, clients, interrupted) = match recorded {
        Some(heard) => (heard, None, false),
        None => live(settings, args.live.unwrap_or_default(), &mut stop).await?,
    };
    heard.retain(|name, device| {
        let meant = args.things.is_empty() || args.things.iter().any(|thing| thing == name);
        let with = args.principal.as_deref().is_none_or(|wanted| {
            device.clients.values().any(|c| c.principal.as_deref().is_some_and(|p| p.starts_with(wanted)))
        });
        meant && with
    });
    if !args.check_aws || interrupted {
        return Ok((heard, None, interrupted));
    }
    let asking = async {
        let aws = match clients {
            Some(clients) => clients,
            None => Aws::connect(settings).await?,
        };
        ask::fill(&aws, &mut heard).await?;
        ask::check(&aws, &heard).await
    };
    let checked = tokio::select! {
        checked = asking => Some(checked.map_err(|t| unreached(&t))?),
        () = stop.asked() => None,
    };
    let interrupted = checked.is_none();
    Ok((heard, checked, interrupted))
}

/// The signals that end what takes long: what is there till then is told.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn listen() -> std::io::Result<Self> {
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        Ok(Self { interrupt: signal(interrupt)?, terminate: signal(terminate)? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// What a recording tells.
fn recorded(file: &Path) -> Result<Heard, Refused> {
    let fail = |e: std::io::Error| complain(&format!("{}: {e}", file.display()));
    let mut recording = Recording::open(file).map_err(fail)?;
    Heard::recorded(&mut recording).map_err(fail)
}

/// What is heard from now on, for so long or until ctrl-c.
async fn live(
    settings: &Settings,
    length: Duration,
    stop: &mut Stop,
) -> Result<(Heard, Option<Aws>, bool), Refused> {
    let (sender, mut events) = mpsc::channel(64);
    let source = tokio::select! {
        opened = Source::open(settings, &sender) => opened.map_err(|t| unreached(&t))?,
        () = stop.asked() => return Err(Ok(exit::INTERRUPTED)),
    };
    drop(sender);
    let (mut heard, mut fleet) = (Heard::default(), Fleet::new(settings.limits()));
    let end = tokio::time::sleep(length);
    tokio::pin!(end);
    let interrupted = loop {
        let event = tokio::select! {
            event = events.recv() => match event {
                Some(event) => event,
                None => break false,
            },
            () = &mut end => break false,
            () = stop.asked() => break true,
        };
        let now = cloud::now_ms();
        heard.take(&event, now);
        // The fleet says what to read because of what was heard, as a console would.
        fleet.apply(event, now);
        if let Some(polls) = &source.polls {
            fleet.take_wanted().into_iter().for_each(|source| polls.now(source));
        }
    };
    if !interrupted && fleet.link().watch().first().is_none() {
        let why = match fleet.link().state() {
            LinkState::Down { reason, .. } => format!(": {reason}"),
            _ => String::new(),
        };
        return Err(complain(&format!("telemetry was not received, so nothing can be said of it{why}")));
    }
    Ok((heard, source.clients, interrupted))
}

/// What ARNs begin with: as the account says, or as the policies do.
fn prefix(heard: &Heard, policies: &[String]) -> Option<String> {
    if let Some(who) = heard.identity() {
        return Some(who.arn_prefix());
    }
    let named = policies.iter().flat_map(|text| text.split("\"arn:").skip(1)).find_map(|rest| {
        let parts: Vec<&str> = rest.splitn(5, ':').take(4).collect();
        let [partition, "iot", region, account] = parts[..] else { return None };
        let exact = |part: &str| !part.is_empty() && !part.contains(['*', '?', '$', '"']);
        [partition, region, account]
            .iter()
            .all(|part| exact(part))
            .then(|| format!("arn:{partition}:iot:{region}:{account}:"))
    });
    // A policy without any account in its ARNs is decided alike for every account.
    named.or_else(|| (!policies.is_empty()).then(|| "arn:aws:iot:us-east-1:123456789012:".to_owned()))
}
