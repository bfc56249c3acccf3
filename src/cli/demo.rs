//! `quell demo`: the embedded local cloud with the workshop's incident, and the console connected to it over sockets.
//!
//! The console cannot tell it from AWS: it gets endpoints and a key pair, nothing else.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use color_eyre::eyre::Result;
use tokio::sync::oneshot;

use crate::config::{self, Environment, Settings, StaticCredentials};
use quell_emulator::faults::Fault;
use quell_emulator::scenario;
use quell_emulator::start::{Options, start};
use quell_fleet::text::SafeText;

use super::{Common, console};

/// Flags of `quell demo`.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// What the emulated cloud's durations are divided by
    #[arg(long, value_name = "N", default_value_t = 10.0)]
    pub speed: f64,
    /// Simulated things (the workshop's without it)
    #[arg(long, value_name = "N")]
    pub devices: Option<usize>,
    /// Control plane, data planes and MQTT WebSocket of the local cloud [default: any free port]
    #[arg(long, value_name = "ADDR")]
    pub http: Option<SocketAddr>,
    /// Its plain MQTT [default: any free port]
    #[arg(long, value_name = "ADDR")]
    pub mqtt: Option<SocketAddr>,
    /// Its MQTT over TLS [default: any free port]
    #[arg(long, value_name = "ADDR")]
    pub mqtts: Option<SocketAddr>,
    /// Who misbehaves, how and when: a TOML file, or workshop, clone (two devices with one identity), foreign-client-id (a
    /// device under another name) [default: workshop]
    #[arg(long, value_name = "FILE|NAME")]
    pub scenario: Option<PathBuf>,
    /// Make requests fail: OPERATION=KIND, e.g. ListThings=throttle, detect=refuse; may be repeated
    #[arg(long = "fault", value_name = "FAULT")]
    pub faults: Vec<Fault>,
    /// What the simulation's random numbers start from
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// Runs the emulator on a thread of its own and the console in front of it.
pub(super) fn run(args: &DemoArgs, common: &Common) -> Result<u8> {
    if !args.speed.is_finite() || args.speed < 0.1 || args.speed > 1_000.0 {
        return console::usage("--speed takes a number from 0.1 to 1000");
    }
    if let Some(path) = &args.scenario
        && !path.is_file()
        && path.to_str().and_then(scenario::shipped).is_none()
    {
        let names = scenario::SHIPPED.map(|(name, _)| name).join(", ");
        return console::usage(&format!("--scenario {}: no such file, nor one of {names}", path.display()));
    }
    let mut settings = match config::load(common, &Environment::of_process()) {
        Ok(settings) => settings,
        Err(error) => return console::usage(&error.to_string()),
    };
    local(&mut settings, common, "LOCAL", ("test", "test"), args.speed, args.devices);
    // A log that cannot be written is done without: the screen comes first.
    let _ = super::log::to(&settings.log, common.verbose);

    let (ready, is_ready) = oneshot::channel();
    let (stop, stopped) = oneshot::channel();
    let free = Options::on_free_ports();
    let options = Options {
        http: args.http.unwrap_or(free.http),
        mqtt: args.mqtt.or(free.mqtt),
        mqtts: args.mqtts.unwrap_or(free.mqtts),
        speed: args.speed,
        devices: args.devices,
        scenario: args.scenario.clone(),
        seed: args.seed,
        faults: args.faults.clone(),
        ..free
    };
    let cloud = std::thread::Builder::new()
        .name("local cloud".to_owned())
        .spawn(move || cloud(options, ready, stopped))?;
    let waiting = {
        let settings = settings.clone();
        async move {
            let http =
                is_ready.await.map_err(|_| SafeText::new("the local cloud ended before it began"))??;
            Ok(Some(pointed_at(settings, http)))
        }
    };
    let runtime = console::runtime()?;
    let result = console::open(&runtime, settings, None, waiting, None);
    runtime.shutdown_timeout(std::time::Duration::from_millis(300));
    let _ = stop.send(());
    // The thread removes its credentials folder; one that hangs does not keep the terminal waiting.
    let deadline = std::time::Instant::now() + std::time::Duration::from_millis(1_000);
    while !cloud.is_finished() && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    result
}

/// Settings for a console on a local cloud: who signs, how fast its time runs, and what its devices' topics are.
pub(super) fn local(
    settings: &mut Settings,
    common: &Common,
    badge: &str,
    (key, secret): (&str, &str),
    speed: f64,
    devices: Option<usize>,
) {
    settings.aws = true;
    settings.profile = None;
    settings.region = Some("us-east-1".to_owned());
    settings.credentials = Some(StaticCredentials {
        access_key_id: key.to_owned(),
        secret_access_key: secret.to_owned(),
        session_token: None,
    });
    settings.mqtt = config::MqttSettings::default();
    settings.aws_speed = speed;
    settings.account_since = Some(jiff::Timestamp::now().as_millisecond());
    if common.topics.is_empty() {
        // Its own devices: with more of them than AWS lets one connection subscribe to, one level's wildcard.
        if devices.is_some_and(|n| n > 6) {
            settings.topics = vec!["+".to_owned()];
        }
        settings.topics.push("dt/+/data".to_owned());
        settings.thing_from.extend(config::ThingFrom::parse("dt/{thing}/data").ok());
    }
    let speed = if speed.fract() == 0.0 { format!("{speed:.0}") } else { speed.to_string() };
    settings.badge =
        Some(SafeText::new(&if speed == "1" { badge.to_owned() } else { format!("{badge} ×{speed}") }));
}

/// The same settings, pointed at the local cloud.
pub(super) fn pointed_at(settings: Settings, http: std::net::SocketAddr) -> Settings {
    let url = format!("http://{http}");
    Settings {
        endpoint_url: Some(url.clone()),
        data_endpoint_url: Some(url.clone()),
        sts_endpoint_url: Some(url.clone()),
        cloudwatch_endpoint_url: Some(url),
        mqtt: config::MqttSettings {
            url: Some(format!("ws://{http}/mqtt")),
            ..config::MqttSettings::default()
        },
        ..settings
    }
}

fn cloud(
    options: Options,
    ready: oneshot::Sender<Result<std::net::SocketAddr, SafeText>>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = ready.send(Err(SafeText::new(&error.to_string())));
            return;
        }
    };
    runtime.block_on(async move {
        match start(options).await {
            Ok(running) => {
                let _ = ready.send(Ok(running.http));
                let _ = stopped.await;
                running.shutdown().await;
            }
            Err(error) => {
                let _ = ready.send(Err(SafeText::new(&error.to_string())));
            }
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_millis(300));
}
