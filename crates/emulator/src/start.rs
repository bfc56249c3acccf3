//! Start-up: binds every listener, puts accounts, brokers, HTTP front and devices together, and ends them again.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::account::Account;
use super::api::iam::{Iam, Owner};
use super::broker::Limits;
use super::clock::Clock;
use super::cloud::{Cloud, Terms};
use super::credentials::{CredentialsDir, operator_env};
use super::faults::{Fault, Faults};
use super::http::Http;
use super::places::Places;
use super::room::{Room, Seat};
use super::scenario::{self, Lot, Scenario, Step};
use super::{api, devices, listen, seed, tls};

/// Somebody with an account of their own on the emulator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    /// A name that is fit to be a file's: of the credentials' folder.
    pub name: String,
    /// The twelve-digit account id.
    pub account: String,
    /// The access key id.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
}

impl Participant {
    /// The participant of that number, `p07` in account 100000000007, with a secret nobody can guess.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn numbered(number: u16) -> io::Result<Self> {
        let mut secret = [0; 20];
        getrandom::fill(&mut secret).map_err(|error| io::Error::other(error.to_string()))?;
        let name = format!("p{number:02}");
        let account = format!("1{number:011}");
        Ok(Self { access_key: name.clone(), name, account, secret_key: hex::encode(secret) })
    }
}

/// What an emulator is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Control plane, data planes and MQTT WebSocket; port 0 takes a free one.
    pub http: SocketAddr,
    /// Plain MQTT without identity; `None` leaves it out.
    pub mqtt: Option<SocketAddr>,
    /// MQTT over TLS with client certificates.
    pub mqtts: SocketAddr,
    /// What durations are divided by.
    pub speed: f64,
    /// How far the account's clock is ahead of this machine's.
    pub clock_ahead: std::time::Duration,
    /// Simulated things: the fixture set without it, an empty account for 0.
    pub devices: Option<usize>,
    /// Whether the account of those things is as the workshop's text begins: without what its modules have one make.
    pub from_scratch: bool,
    /// A scenario file, or the name of one that ships ([`scenario::SHIPPED`]); the workshop's without it.
    pub scenario: Option<PathBuf>,
    /// Identities beside the account's own key: see [`api::iam`].
    pub iam: Option<PathBuf>,
    /// What goes wrong from the start.
    pub faults: Vec<Fault>,
    /// What the simulation's random numbers start from.
    pub seed: u64,
    /// Where the account is kept; in memory without it.
    pub state: Option<PathBuf>,
    /// Where credentials are written; a private temporary folder, removed at the end, without it.
    pub credentials: Option<PathBuf>,
    /// The access key id requests must be signed with.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
    /// The region's name.
    pub region: String,
    /// The twelve-digit account id.
    pub account: String,
    /// Whether any access key is taken, its signature unseen: one of twelve digits is the account of that number.
    pub any_key: bool,
    /// Whether requests and messages a second are limited as AWS limits them.
    pub throttle: bool,
    /// Whether fleet indexing is on from the start.
    pub index: bool,
    /// What each account's broker allows: AWS's limits, unless a test of one, or a room, lowers it.
    pub limits: Limits,
    /// Those with an account of their own; the devices and the scenario are then theirs, one of each in every account, and the
    /// default account is empty.
    pub participants: Vec<Participant>,
    /// Under which URL participants reach HTTP; that of the listener without it.
    pub public: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            http: SocketAddr::from(([127, 0, 0, 1], 4510)),
            mqtt: Some(SocketAddr::from(([127, 0, 0, 1], 1883))),
            mqtts: SocketAddr::from(([127, 0, 0, 1], 8883)),
            speed: 1.0,
            clock_ahead: std::time::Duration::ZERO,
            devices: None,
            from_scratch: false,
            scenario: None,
            iam: None,
            faults: Vec::new(),
            seed: 1,
            state: None,
            credentials: None,
            access_key: "test".to_owned(),
            secret_key: "test".to_owned(),
            region: "us-east-1".to_owned(),
            account: "123456789012".to_owned(),
            any_key: false,
            throttle: true,
            index: false,
            limits: Limits::default(),
            participants: Vec::new(),
            public: None,
        }
    }
}

impl Options {
    /// Options on free loopback ports: for tests and `quell demo`.
    pub fn on_free_ports() -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { http: any, mqtt: Some(any), mqtts: any, ..Self::default() }
    }
}

/// Why it could not start.
#[derive(Debug)]
pub enum StartError {
    /// An address could not be bound: the flag, the address, why.
    Bind {
        /// The flag of `quell local` that names the address.
        flag: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// Something else, in words.
    Other(String),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bind { flag, address, error } if error.kind() == io::ErrorKind::AddrInUse => {
                let port = address.port();
                write!(
                    f,
                    "port {port} is already in use ({address}); choose another with {flag} {}:PORT",
                    address.ip()
                )
            }
            Self::Bind { flag, address, error } => write!(f, "{flag} {address}: {error}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for StartError {}

/// A running emulator. Dropping it ends it.
pub struct Running {
    pub(super) cloud: Arc<Cloud>,
    /// Where HTTP listens.
    pub http: SocketAddr,
    /// Where plain MQTT listens.
    pub mqtt: Option<SocketAddr>,
    /// Where MQTT over TLS listens.
    pub mqtts: SocketAddr,
    /// The things that are simulated.
    pub things: Vec<String>,
    credentials: CredentialsDir,
    tasks: JoinSet<()>,
    /// The participants.
    pub(super) room: Arc<Room>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cloud.end();
    }
}

impl Running {
    /// The default account, for those in the same process; another one after it was emptied.
    pub fn account(&self) -> Arc<Account> {
        self.cloud.main()
    }

    /// The credentials folder.
    pub fn credentials(&self) -> &std::path::Path {
        self.credentials.path()
    }

    /// Ends all tasks, keeps what was not yet kept, and removes a temporary credentials folder.
    pub async fn shutdown(mut self) {
        self.cloud.end();
        self.tasks.shutdown().await;
        for account in self.cloud.all() {
            if let Err(error) = account.wal.commit() {
                tracing::error!(%error, "the last changes could not be kept");
            }
        }
    }
}

async fn bind(flag: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |error| StartError::Bind { flag, address, error };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

fn scenario(options: &Options) -> Result<Scenario, StartError> {
    let Some(path) = &options.scenario else {
        return scenario::parse(scenario::WORKSHOP).map_err(StartError::Other);
    };
    let named = |what: String| StartError::Other(format!("--scenario {}: {what}", path.display()));
    // A file of the name of one that ships comes before it.
    match (std::fs::read_to_string(path), path.to_str().and_then(scenario::shipped)) {
        (Ok(text), _) => scenario::parse(&text).map_err(named),
        (Err(_), Some(text)) => scenario::parse(text).map_err(named),
        (Err(error), None) => Err(named(error.to_string())),
    }
}

/// Starts the account; it answers on every listener when this returns.
///
/// # Errors
/// A port in use, a scenario that cannot be read, a folder that cannot be written.
pub async fn start(options: Options) -> Result<Running, StartError> {
    listen::allow_many_connections();
    let Scenario { mut steps, drill } = scenario(&options)?;
    let (http_listener, http) = bind("--http", options.http).await?;
    let mqtt = match options.mqtt {
        Some(address) => Some(bind("--mqtt", address).await?),
        None => None,
    };
    let (mqtts_listener, mqtts) = bind("--mqtts", options.mqtts).await?;

    let other = |what: &str, error: &dyn std::fmt::Display| StartError::Other(format!("{what}: {error}"));
    // Devices must find their keys again when the account is kept.
    let folder =
        options.credentials.clone().or_else(|| options.state.as_ref().map(|dir| dir.join("credentials")));
    let credentials = CredentialsDir::open(folder.as_deref()).map_err(|e| other("--credentials", &e))?;
    let url = format!("http://{http}");
    let write = |name: &str, text: &str| credentials.write(name, text).map_err(|e| other(name, &e));
    write("operator.env", &operator_env(&url, &options.region, &options.access_key, &options.secret_key))?;

    let owner = |account: &str, key: &str, secret: &str| Owner {
        account: account.to_owned(),
        key: key.to_owned(),
        secret: secret.to_owned(),
    };
    let participants = options.participants.iter();
    let iam = Arc::new(Iam::new(
        owner(&options.account, &options.access_key, &options.secret_key),
        participants.clone().map(|p| owner(&p.account, &p.access_key, &p.secret_key)).collect(),
        options.any_key,
    ));
    if let Some(path) = &options.iam {
        iam.load(path).map_err(|what| StartError::Other(format!("--iam {}: {what}", path.display())))?;
    }
    let mut limits = options.limits;
    if !options.throttle {
        (limits.messages_per_second, limits.bytes_per_second) = (u32::MAX, u32::MAX);
    }
    let places = Places::default();
    let terms = Terms {
        region: options.region,
        clock: Clock::new(options.speed).ahead(options.clock_ahead),
        limits,
        throttle: options.throttle,
        index: options.index,
        iam: Arc::clone(&iam),
        faults: Faults::default(),
        places: places.clone(),
        http,
        mqtts,
        outbox: Some(credentials.path().join("sns-outbox.jsonl")),
        participants: participants
            .map(|p| (p.account.clone(), credentials.path().join(&p.name).join("sns-outbox.jsonl")))
            .collect(),
        state: options.state.clone(),
        accounts: parking_lot::Mutex::default(),
    };
    let cloud = Cloud::open(terms).map_err(|e| match &options.state {
        Some(dir) => other(&format!("--state {}", dir.display()), &e),
        None => other("the account", &e),
    })?;
    // After the account: its folder is there by now.
    let ca = match &options.state {
        Some(dir) => tls::Ca::load_or_create(dir),
        None => tls::Ca::create(),
    };
    let ca = ca.map_err(|e| other("the certificate authority", &e))?;
    let mut names =
        vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned(), mqtts.ip().to_string()];
    let public = options.public.as_deref().and_then(|url| url.parse::<hyper::Uri>().ok());
    names.extend(public.and_then(|url| url.host().map(str::to_owned)));
    let server = ca.server_config(&names).map_err(|e| other("the TLS server", &e))?;
    write("root-CA.pem", ca.pem())?;
    let cloud = Arc::new(cloud);
    let doors = Http::new(Arc::clone(&cloud));

    let host = if mqtts.ip().is_unspecified() { "127.0.0.1".to_owned() } else { mqtts.ip().to_string() };
    let trust = tls::Trust::new(ca.pem()).map_err(|e| other("the certificate authority", &e))?;
    let endpoint = devices::Endpoint { host, port: mqtts.port(), trust, places: places.clone() };
    let (devices, from_scratch) = (options.devices, options.from_scratch);
    let supply = Supply { endpoint, devices, from_scratch, seed: options.seed };
    let mut equipped = Vec::new();
    let mut things = Vec::new();
    let mut seats = Vec::new();
    if options.participants.is_empty() {
        let made = supply.equip(cloud.main(), credentials.lend()).await?;
        things.clone_from(&made.things);
        equipped.push(made);
    } else {
        let url = options.public.clone().unwrap_or(url);
        for participant in options.participants {
            let Some(account) = cloud.participant(&participant.account) else { continue };
            let folder = CredentialsDir::open(Some(&credentials.path().join(&participant.name)))
                .map_err(|e| other("--credentials", &e))?;
            let (key, secret) = (&participant.access_key, &participant.secret_key);
            let env = operator_env(&url, &cloud.terms().region, key, secret);
            folder.write("operator.env", &env).map_err(|e| other("operator.env", &e))?;
            folder.write("root-CA.pem", ca.pem()).map_err(|e| other("root-CA.pem", &e))?;
            let made = supply.equip(account, folder.lend()).await?;
            things.clone_from(&made.things);
            seats.push(Seat::new(participant, folder, &made));
            equipped.push(made);
        }
    }
    let stranger = steps
        .iter()
        .find_map(|s| s.thing.as_ref().filter(|thing| !things.contains(thing)).map(|thing| (s.line, thing)));
    match (&options.scenario, stranger) {
        (Some(path), Some((line, thing))) => {
            return Err(StartError::Other(format!(
                "--scenario {}: line {line}: thing: no simulated thing is named \"{thing}\"",
                path.display()
            )));
        }
        // The default scenario is played as far as its devices are there.
        _ => steps.retain(|s| s.thing.as_ref().is_none_or(|thing| things.contains(thing))),
    }

    cloud.run();
    let mut tasks = JoinSet::new();
    tasks.spawn(listen::serve_http(http_listener, Arc::clone(&doors)));
    let mqtt = mqtt.map(|(listener, address)| {
        tasks.spawn(listen::serve_tcp(listener, Arc::clone(&cloud)));
        address
    });
    tasks.spawn(listen::serve_tls(mqtts_listener, server, Arc::clone(&cloud), doors));
    if let Some(path) = options.iam {
        tasks.spawn(api::iam::follow(iam, path));
    }
    options.faults.into_iter().for_each(|fault| cloud.terms().faults.add(fault));
    let room = Arc::new(Room::new(supply, seats, steps, drill));
    for made in equipped {
        // The steps of a drill wait for its beginning, where there is somebody to have it.
        let steps = room.steps_at_once();
        room.supply.run(made, steps);
    }
    Ok(Running { cloud, http, mqtt, mqtts, things, credentials, tasks, room })
}

/// Devices for an account.
pub(super) struct Supply {
    endpoint: devices::Endpoint,
    devices: Option<usize>,
    from_scratch: bool,
    seed: u64,
}

/// Lots of steps that wait for the devices of an account.
const LOTS: usize = 8;

/// An account with its devices, which do not run yet.
pub(super) struct Equipped {
    pub(super) account: Arc<Account>,
    pub(super) things: Vec<String>,
    /// Thing and topic of those that have a certificate.
    pub(super) topics: Vec<(String, String)>,
    /// Where steps are sent to.
    pub(super) lots: mpsc::Sender<Lot>,
    played: mpsc::Receiver<Lot>,
    seeded: seed::Seeded,
    folder: CredentialsDir,
}

impl Supply {
    /// Seeds an account nobody used yet, and finds or makes its devices.
    pub(super) async fn equip(
        &self,
        account: Arc<Account>,
        folder: CredentialsDir,
    ) -> Result<Equipped, StartError> {
        let (seeding, count, from_scratch) = (Arc::clone(&account), self.devices, self.from_scratch);
        let made = tokio::task::spawn_blocking(move || {
            let seeded = seed::seed(&seeding, count, from_scratch, &folder)?;
            Ok::<_, String>((seeded, folder))
        });
        let (seeded, folder) = made
            .await
            .map_err(|error| StartError::Other(format!("seeding: {error}")))?
            .map_err(StartError::Other)?;
        let names = seeded.specs.iter().map(|s| &s.thing).chain(seeded.late.iter().map(|l| &l.thing));
        let things = names.cloned().collect();
        let topics = seeded.specs.iter().map(|s| (s.thing.clone(), s.topic.clone())).collect();
        let (lots, played) = mpsc::channel(LOTS);
        Ok(Equipped { account, things, topics, lots, played, seeded, folder })
    }

    /// Runs the devices of an account until it ends, and plays `steps` from now.
    pub(super) fn run(&self, made: Equipped, steps: Vec<Step>) {
        let Equipped { account, things, lots, played, seeded, folder, .. } = made;
        // Where somebody else holds the sender, more may come.
        let idle = things.is_empty() && steps.is_empty();
        // Nothing was sent before, so there is room.
        let _ = lots.try_send(Lot { steps, ..Lot::default() });
        if idle {
            return;
        }
        let seed::Seeded { specs, late } = seeded;
        let (sender, equipped) = mpsc::channel(64);
        let names = late.iter().map(|l| l.thing.clone()).collect();
        account.spawn(|account| seed::equip_all(account, late, folder, sender));
        let fleet = devices::Fleet { specs, names, equipped, seed: self.seed };
        let endpoint = self.endpoint.clone();
        account.spawn(|account| devices::run(account, fleet, endpoint, played));
    }
}
