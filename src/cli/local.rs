//! `quell local`: the embedded AWS IoT alone.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{Common, exit};
use quell_emulator::faults::Fault;
use quell_emulator::start::{Options, Running, start};

pub(super) const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Flags of `quell local`.
#[derive(Args, Debug)]
pub struct LocalArgs {
    /// Control plane, data planes and MQTT WebSocket (/mqtt); port 0 takes any free one
    #[arg(long, value_name = "ADDR", default_value_t = loopback(4510))]
    pub http: SocketAddr,
    /// Plain MQTT, without identity or policies
    #[arg(long, value_name = "ADDR", default_value_t = loopback(1883))]
    pub mqtt: SocketAddr,
    /// MQTT over TLS with client certificates
    #[arg(long, value_name = "ADDR", default_value_t = loopback(8883))]
    pub mqtts: SocketAddr,
    /// No plain MQTT listener
    #[arg(long)]
    pub no_plain: bool,
    /// Divide every duration of AWS by N: metric windows, policy cache, device cadence, …
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
    /// The account's clock is ahead of this machine's by so much, e.g. 10m: what a wrong clock does to signatures
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = ahead)]
    pub clock_ahead: std::time::Duration,
    /// Simulated things; 0 starts an empty account; beyond 200 their certificates come while it runs [default: the
    /// workshop's six]
    #[arg(long, value_name = "N")]
    pub devices: Option<usize>,
    /// The account as the workshop's text begins: devices (Thing03 is for you to start), certificates, alert topics; without
    /// the profiles, groups, policy and rule that its modules have one make
    #[arg(long)]
    pub from_scratch: bool,
    /// Who misbehaves when: a TOML file, or workshop, clone (two devices with one identity), foreign-client-id (a device
    /// under another name) [default: workshop]
    #[arg(long, value_name = "FILE|NAME")]
    pub scenario: Option<PathBuf>,
    /// Make requests fail: OPERATION=KIND, e.g. ListThings=throttle, Describe*=error:503@50%, *=latency:2s,
    /// GetThingShadow=drop, detect=refuse; may be repeated
    #[arg(long = "fault", value_name = "FAULT")]
    pub faults: Vec<Fault>,
    /// IAM users with keys and policies of their own (JSON): see docs/local-cloud.md; read again when it changes
    #[arg(long, value_name = "FILE")]
    pub iam: Option<PathBuf>,
    /// What the simulation's random numbers start from
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Keep the account in this folder
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Write certificates and operator.env here [default: a temporary folder, removed at the end]
    #[arg(long, value_name = "DIR")]
    pub credentials: Option<PathBuf>,
    /// The access key id requests must be signed with
    #[arg(long, value_name = "ID", default_value = "test")]
    pub access_key: String,
    /// The secret of --access-key
    #[arg(long, value_name = "SECRET", default_value = "test", hide_default_value = true)]
    pub secret_key: String,
    /// Take any access key, its signature unseen: one of 12 digits is the account of that number, any other a person of the
    /// default account; users of --iam are still judged
    #[arg(long)]
    pub any_key: bool,
    /// Fleet indexing from the start: registry, shadows, connectivity and violations of things, and thing groups
    #[arg(long, value_name = "on|off", default_value = "off")]
    pub index: Switch,
    /// No limits of requests and messages a second; without it AWS's, times --speed
    #[arg(long)]
    pub no_throttle: bool,
    /// Print one JSON line when every listener is bound
    #[arg(long)]
    pub json: bool,
    /// Print the environment for `eval` when every listener is bound
    #[arg(long, conflicts_with = "json")]
    pub print_env: bool,
    /// Print where the emulator is not AWS, and end
    #[arg(long)]
    pub deviations: bool,
    /// Print the operations of AWS that are there, and end
    #[arg(long, conflicts_with = "deviations")]
    pub operations: bool,
}

/// On or off.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

pub(super) fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(n) if (0.01..=10_000.0).contains(&n) => Ok(n),
        _ => Err("must be a number from 0.01 to 10000".to_owned()),
    }
}

fn ahead(text: &str) -> Result<std::time::Duration, String> {
    quell_emulator::scenario::duration(text).ok_or_else(|| "must be a time: 90s, 10m".to_owned())
}

/// Runs the emulator until a signal ends it.
pub(super) fn run(args: LocalArgs, common: &Common) -> color_eyre::Result<u8> {
    if args.deviations {
        print(&quell_emulator::deviations::table())?;
        return Ok(exit::DONE);
    }
    if args.operations {
        print(&quell_emulator::operations::table())?;
        return Ok(exit::DONE);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(serve(args, common))?;
    // Connections still open end with the process; nobody waits for them.
    runtime.shutdown_background();
    Ok(code)
}

async fn serve(args: LocalArgs, common: &Common) -> color_eyre::Result<u8> {
    let (json, print_env) = (args.json, args.print_env);
    let speed = args.speed;
    let mut options = Options {
        http: args.http,
        mqtt: (!args.no_plain).then_some(args.mqtt),
        mqtts: args.mqtts,
        speed,
        clock_ahead: args.clock_ahead,
        devices: args.devices,
        from_scratch: args.from_scratch,
        scenario: args.scenario,
        iam: args.iam,
        faults: args.faults,
        seed: args.seed,
        state: args.state,
        credentials: args.credentials,
        access_key: args.access_key,
        secret_key: args.secret_key,
        any_key: args.any_key,
        throttle: !args.no_throttle,
        index: args.index == Switch::On,
        ..Options::default()
    };
    if let Some(region) = &common.region {
        options.region.clone_from(region);
    }
    let region = options.region.clone();
    // Listening for signals before the start: one that comes early must not leave a temporary folder behind.
    let mut signals = Signals::new()?;
    let running = tokio::select! {
        running = start(options) => running?,
        () = signals.any() => return Ok(exit::INTERRUPTED),
    };
    announce(&running, speed, &region, json, print_env)?;
    signals.any().await;
    running.shutdown().await;
    Ok(exit::DONE)
}

/// What ends a command that serves: an interrupt, a request to end, a terminal that is gone.
pub(super) struct Signals([tokio::signal::unix::Signal; 3]);

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// The system does not let it.
    pub(super) fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    /// Ends with the next one.
    pub(super) async fn any(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// Says where everything is: for programs on stdout, for people on stderr.
fn announce(
    running: &Running,
    speed: f64,
    region: &str,
    json: bool,
    print_env: bool,
) -> color_eyre::Result<()> {
    let http = format!("http://{}", running.http);
    let mqtt = running.mqtt.map(|a| format!("mqtt://{a}"));
    let mqtts = format!("mqtts://{}", running.mqtts);
    let ws = format!("ws://{}/mqtt", running.http);
    let credentials = running.credentials().display().to_string();
    let mut err = std::io::stderr().lock();
    for (flag, address) in
        [("--http", Some(running.http)), ("--mqtt", running.mqtt), ("--mqtts", Some(running.mqtts))]
    {
        if let Some(address) = address.filter(|a| !a.ip().is_loopback()) {
            writeln!(err, "quell local: warning: {flag} {address} can be reached from other machines")?;
        }
    }
    if json || print_env {
        let mut out = std::io::stdout().lock();
        if json {
            // A whole number is written as one: 1, not 1.0.
            let speed = if speed.fract() == 0.0 { json!(speed as i64) } else { json!(speed) };
            let line = json!({"event": "ready", "region": region, "account": running.account().id(), "speed": speed, "http": http,
                "mqtt": mqtt, "mqtts": mqtts, "ws": ws, "credentials": credentials});
            writeln!(out, "{line}")?;
        } else {
            out.write_all(std::fs::read_to_string(running.credentials().join("operator.env"))?.as_bytes())?;
        }
        out.flush()?;
        return Ok(());
    }
    writeln!(
        err,
        "A local AWS IoT is ready: region {region}, account {}, time ×{speed}",
        running.account().id()
    )?;
    writeln!(err, "  AWS APIs      {http}")?;
    writeln!(err, "  MQTT          {}", mqtt.as_deref().unwrap_or("off (--no-plain)"))?;
    writeln!(err, "  MQTT over TLS {mqtts}")?;
    writeln!(err, "  WebSocket     {ws}")?;
    writeln!(err, "  credentials   {credentials}")?;
    writeln!(err, "  devices       {}", running.things.len())?;
    writeln!(err, "For the AWS CLI:  eval \"$(cat {credentials}/operator.env)\"")?;
    writeln!(err, "Ctrl-C ends it.")?;
    Ok(())
}

fn print(table: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(table.as_bytes())?;
    out.flush()
}
