//! `quell workshop`: a room of participants on one local cloud. Each has an account, a fleet, a password and a line to join by;
//! a drill begins for all at once and is scored.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use crate::config::{self, Environment, ScreenSize};
use crate::console::app::Look;
use crate::console::board::{self, Tile, Tone, Wish};
use quell_emulator::Limits;
use quell_emulator::drill::{self, Phase, Stage};
use quell_emulator::start::{Options, Participant, Running, StartError, start};
use quell_fleet::shell;

use super::debrief::{self, Standing, clock, word};
use super::local::{Signals, loopback, speed};
use super::{Common, console, exit, output};

/// Participants of a room at most.
const MOST: u16 = 60;
/// How often the room is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Flags of `quell workshop`.
#[derive(Args, Debug)]
pub struct WorkshopArgs {
    /// How many accounts, p01, p02, …
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=i64::from(MOST)))]
    pub participants: u16,
    /// What happens in each account: a scenario's file, or a drill by name (see quell drill) [default: the workshop's incident]
    #[arg(long, value_name = "FILE|DRILL")]
    pub scenario: Option<String>,
    /// Control plane, data planes and MQTT WebSocket
    #[arg(long, value_name = "ADDR", default_value_t = loopback(4510))]
    pub http: SocketAddr,
    /// MQTT over TLS with client certificates
    #[arg(long, value_name = "ADDR", default_value_t = loopback(8883))]
    pub mqtts: SocketAddr,
    /// Under which URL participants on other machines reach --http, e.g. http://192.0.2.7:4510
    #[arg(long, value_name = "URL")]
    pub public: Option<String>,
    /// Divide every duration of AWS, and of the scenario, by N
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
    /// Simulated things of each account [default: the workshop's six]
    #[arg(long, value_name = "N")]
    pub devices: Option<usize>,
    /// Each account as the workshop's text begins: devices (Thing03 is for you to start), certificates, alert topics; without
    /// the profiles, groups, policy and rule that its modules have one make
    #[arg(long)]
    pub from_scratch: bool,
    /// What the simulation's random numbers start from
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Write the participants' files here [default: a temporary folder, removed at the end]
    #[arg(long, value_name = "DIR")]
    pub credentials: Option<PathBuf>,
    /// The drill begins after so much time, for all
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = output::duration)]
    pub begin_after: Duration,
    /// Write debrief.md, standings.csv and standings.json into this folder at the end of the drill
    #[arg(long, value_name = "DIR", requires = "scenario")]
    pub export: Option<PathBuf>,
    /// One JSON object a line on stdout: ready, progress, over
    #[arg(long)]
    pub json: bool,
    /// The instructor's board on this terminal, for a room with a drill
    #[arg(long, conflicts_with = "json", requires = "scenario")]
    pub board: bool,
}

/// The scenario of a flag: a drill's name, or a file.
pub(super) fn scenario(named: &str, folder: &Path) -> std::io::Result<PathBuf> {
    let Some(text) = drill::shipped(named) else { return Ok(PathBuf::from(named)) };
    let path = folder.join(format!("{named}.toml"));
    std::fs::write(&path, text)?;
    Ok(path)
}

/// The drill in each participant's account, all at once.
pub(super) fn begin_all(running: &Running) {
    let names: Vec<String> = running.participants().map(|p| p.name.clone()).collect();
    names.iter().for_each(|name| _ = running.begin(name));
}

/// Why a room cannot be as it was asked for; looked at before anything is started.
fn wrong(args: &WorkshopArgs, scenario: Option<&Path>) -> Option<String> {
    use std::io::IsTerminal as _;
    if args.board && (!std::io::stdout().is_terminal() || !std::io::stdin().is_terminal()) {
        return Some("--board needs a terminal; without it there are progress lines".to_owned());
    }
    if let (true, Some(path)) = (args.board || args.export.is_some(), scenario) {
        let read = std::fs::read_to_string(path).map_err(|error| error.to_string());
        match read.and_then(|text| quell_emulator::scenario::parse(&text)) {
            Err(why) => return Some(format!("{}: {why}", path.display())),
            Ok(read) if read.drill.is_none() => {
                let flag = if args.board { "--board shows" } else { "--export writes how it went of" };
                return Some(format!("{flag} a drill, and {} has no [drill]", path.display()));
            }
            Ok(_) => {}
        }
    }
    // Whoever hears at the end of an hour that nothing can be written there has lost the hour.
    let folder = args.export.as_ref()?;
    let made = std::fs::create_dir_all(folder).err()?;
    Some(format!("--export {}: {made}", folder.display()))
}

/// What a participant may use: enough for a console, a few tools and its fleet; a flood slows nobody else.
fn limits(devices: Option<usize>) -> Limits {
    Limits {
        connections: 40 + devices.unwrap_or(6),
        all_messages_per_second: Some(300),
        session_messages: 5_000,
        session_bytes: 1024 * 1024,
        all_bytes: 8 * 1024 * 1024,
        retained_bytes: 1024 * 1024,
        ..Limits::default()
    }
}

/// Runs the room until a signal ends it.
pub(super) fn run(args: WorkshopArgs, common: &Common) -> color_eyre::Result<u8> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(serve(args, common))?;
    runtime.shutdown_background();
    Ok(code)
}

async fn serve(args: WorkshopArgs, common: &Common) -> color_eyre::Result<u8> {
    let scratch = tempdir()?;
    let scenario = args.scenario.as_deref().map(|named| scenario(named, scratch.path())).transpose()?;
    if let Some(why) = wrong(&args, scenario.as_deref()) {
        return console::usage(&why);
    }
    let look = match args.board.then(|| board_look(common)).transpose() {
        Ok(look) => look,
        Err(why) => return console::usage(&why),
    };
    let participants = (1..=args.participants).map(Participant::numbered).collect::<Result<Vec<_>, _>>()?;
    let instructor = Participant::numbered(0)?;
    let mut options = Options {
        http: args.http,
        mqtt: None,
        mqtts: args.mqtts,
        speed: args.speed,
        devices: args.devices,
        from_scratch: args.from_scratch,
        scenario,
        seed: args.seed,
        credentials: args.credentials.clone(),
        // Nobody is told this key: the default account is empty and stays so.
        access_key: instructor.access_key,
        secret_key: instructor.secret_key,
        limits: limits(args.devices),
        participants,
        public: args.public.clone(),
        ..Options::default()
    };
    if let Some(region) = &common.region {
        options.region.clone_from(region);
    }
    let mut signals = Signals::new()?;
    let running = tokio::select! {
        running = start(options) => running?,
        () = signals.any() => return Ok(exit::INTERRUPTED),
    };
    drop(scratch);
    let joins = join(&running, args.speed)?;
    announce(&running, &joins, args.json)?;
    if let (Some(look), Some(drill)) = (look, running.drill().cloned()) {
        on_the_board(&running, &joins, &args, &look, &drill).await?;
        debrief(args.export.as_deref(), &drill, &standings(&running), args.json)?;
        running.shutdown().await;
        return Ok(exit::DONE);
    }
    let mut room = Watched { running: &running, json: args.json, told: HashMap::new(), over: false };
    let playing = async {
        tokio::time::sleep(args.begin_after).await;
        let Some(drill) = running.drill() else { return std::future::pending().await };
        begin_all(&running);
        loop {
            tokio::time::sleep(LOOK).await;
            room.tell()?;
            if room.over {
                return debrief(args.export.as_deref(), drill, &room.standings(), args.json);
            }
        }
    };
    let ended: color_eyre::Result<()> = tokio::select! {
        ended = playing => ended,
        () = signals.any() => {
            if let Some(drill) = running.drill() {
                debrief(args.export.as_deref(), drill, &standings(&running), args.json)?;
            }
            running.shutdown().await;
            return Ok(exit::DONE);
        }
    };
    ended?;
    // The accounts stay, to be looked at.
    signals.any().await;
    running.shutdown().await;
    Ok(exit::DONE)
}

/// The colours and the size of the board, as the configuration has them.
type BoardLook = (Look, Option<ScreenSize>);

fn board_look(common: &Common) -> Result<BoardLook, String> {
    let settings = config::load(common, &Environment::of_process()).map_err(|error| error.to_string())?;
    Ok((console::look(&settings)?, settings.size))
}

/// Shows the board until it is left; the drill begins when it is due.
async fn on_the_board(
    running: &Running,
    joins: &[(String, String)],
    args: &WorkshopArgs,
    (look, size): &BoardLook,
    drill: &drill::Drill,
) -> color_eyre::Result<()> {
    // What stood above is out of sight behind the board.
    let lines: String = joins.iter().map(|(name, line)| format!("{name}  {line}\n")).collect();
    private(&running.credentials().join("joins.txt"), &lines)?;
    let injects =
        drill.incidents.iter().map(|incident| format!("{}: {}", incident.thing, incident.what)).collect();
    let mut seen =
        Seen { running, export: args.export.as_deref(), begins: Some(Instant::now() + args.begin_after) };
    board::sit(&look.theme, *size, &drill.title, injects, &mut seen).await?;
    Ok(())
}

/// The room as the board sees it.
struct Seen<'a> {
    running: &'a Running,
    export: Option<&'a Path>,
    /// When the drill begins for all.
    begins: Option<Instant>,
}

impl Seen<'_> {
    fn begin_all(&mut self) {
        self.begins = None;
        begin_all(self.running);
    }

    /// Begins a participant's drill; one that was begun before leaves nothing behind it.
    async fn begin_anew(&self, name: &str) -> Result<(), StartError> {
        if self.running.sheet(name).is_some() {
            self.running.reset(name).await?;
        }
        self.running.begin(name);
        Ok(())
    }
}

impl board::Room for Seen<'_> {
    fn look(&mut self) -> (Vec<Tile>, String) {
        if self.begins.is_some_and(|at| at <= Instant::now()) {
            self.begin_all();
        }
        let standings = standings(self.running);
        let now = standings.iter().filter_map(|(_, sheet)| Some(sheet.as_ref()?.now)).max();
        let time = match (now, self.begins) {
            (Some(now), _) => clock(now),
            (None, Some(at)) => {
                let left = at.saturating_duration_since(Instant::now()).as_millis();
                format!("begins in {}", clock(i64::try_from(left).unwrap_or(i64::MAX)))
            }
            (None, None) => String::new(),
        };
        (standings.iter().map(tile).collect(), time)
    }

    async fn carry_out(&mut self, wish: Wish) -> String {
        match wish {
            Wish::Hint(name) => match self.running.hint(&name) {
                Some(hint) => format!("Tell {name}: {hint}"),
                None => format!("There is no hint for {name} any more, or the drill has not begun"),
            },
            Wish::Inject(one, place) => {
                let whom: Vec<String> = match one {
                    Some(name) => vec![name],
                    None => self.running.participants().map(|p| p.name.clone()).collect(),
                };
                let done = whom.iter().filter(|name| self.running.inject(name, place)).count();
                match (done, whom.as_slice()) {
                    (0, _) => "No drill is under way there".to_owned(),
                    (1, [name]) => format!("It goes wrong for {name}"),
                    (done, _) => format!("It goes wrong for {done} of {}", whom.len()),
                }
            }
            Wish::Begin(Some(name)) => match self.begin_anew(&name).await {
                Ok(()) => format!("{name} begins"),
                Err(error) => error.to_string(),
            },
            Wish::Begin(None) => {
                self.begins = None;
                let names: Vec<String> = self.running.participants().map(|p| p.name.clone()).collect();
                for name in &names {
                    if let Err(error) = self.begin_anew(name).await {
                        return error.to_string();
                    }
                }
                "All begin".to_owned()
            }
            Wish::Reset(name) => match self.running.reset(&name).await {
                Ok(()) => format!("{name} has a new account; its devices have new keys"),
                Err(error) => error.to_string(),
            },
            Wish::Export => match (self.export, self.running.drill()) {
                (Some(folder), Some(drill)) => {
                    match debrief::export(folder, drill, &standings(self.running)) {
                        Ok(()) => format!("written into {}", folder.display()),
                        Err(error) => format!("{}: {error}", folder.display()),
                    }
                }
                _ => "say with --export DIR where to".to_owned(),
            },
            Wish::Quit => String::new(),
        }
    }
}

fn tile((name, sheet): &Standing) -> Tile {
    let Some(sheet) = sheet else {
        return Tile {
            name: name.clone(),
            word: "WAIT",
            tone: Tone::Away,
            times: ["–", "–", "–"].map(str::to_owned),
            points: None,
            wrong: 0,
            hints: 0,
            timeline: Vec::new(),
        };
    };
    let (word, tone) = match sheet.phase() {
        Phase::Calm => ("CALM", Tone::Calm),
        Phase::Alarm => ("ALARM", Tone::Alarm),
        Phase::Seen => ("SEEN", Tone::Warning),
        Phase::Answered => ("HELD", Tone::Busy),
        Phase::Done => ("DONE", Tone::Good),
        Phase::Over => ("OVER", Tone::Away),
    };
    let took = |stage| sheet.took(stage).map_or_else(|| "–".to_owned(), clock);
    Tile {
        name: name.clone(),
        word,
        tone,
        times: [Stage::Seen, Stage::Answered, Stage::Proven].map(took),
        points: Some(sheet.points() as usize),
        wrong: sheet.mistakes.len(),
        hints: sheet.hints,
        timeline: debrief::timeline(sheet)
            .into_iter()
            .map(|line| format!("{:>6}  {}", clock(line.at), line.text()))
            .collect(),
    }
}

/// A folder of this process alone.
pub(super) fn tempdir() -> std::io::Result<Scratch> {
    use std::os::unix::fs::DirBuilderExt as _;
    let path = std::env::temp_dir().join(format!("quell-scenario-{:016x}", fastrand::u64(..)));
    std::fs::DirBuilder::new().mode(0o700).create(&path)?;
    Ok(Scratch(path))
}

/// A temporary folder, removed when this is dropped.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Whoever started it ends anyway.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Writes what each participant joins by: `pNN.env` for `eval`, and the console's configuration. Gives the lines.
pub(super) fn join(running: &Running, speed: f64) -> std::io::Result<Vec<(String, String)>> {
    let mut lines = Vec::new();
    for participant in running.participants() {
        let name = &participant.name;
        let Some(folder) = running.folder(name) else { continue };
        let quoted = |path: &Path| shell::word(&path.display().to_string());
        let config = folder.join("quell.toml");
        let journal = toml::Value::String(folder.join("journal.jsonl").display().to_string());
        private(
            &config,
            &format!(
                "aws-speed = {speed:?}\njournal = {journal}\ntopics = [\"+\", \"dt/+/data\"]\n\
                 thing-from = ['temperature-device-(\\d+)=Thing$1', 'dt/{{thing}}/data']\n"
            ),
        )?;
        let mut env = std::fs::read_to_string(folder.join("operator.env"))?;
        env.push_str(&format!("export QUELL_CONFIG={}\n", quoted(&config)));
        let path = running.credentials().join(format!("{name}.env"));
        private(&path, &env)?;
        lines.push((name.clone(), format!("eval \"$(cat {})\"; quell", quoted(&path))));
    }
    Ok(lines)
}

/// Writes a file nobody else may read.
fn private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file =
        std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

fn announce(running: &Running, joins: &[(String, String)], json: bool) -> color_eyre::Result<()> {
    let (http, mqtts) = (format!("http://{}", running.http), format!("mqtts://{}", running.mqtts));
    let mut err = std::io::stderr().lock();
    for (flag, address) in [("--http", running.http), ("--mqtts", running.mqtts)] {
        if !address.ip().is_loopback() {
            let _ =
                writeln!(err, "quell workshop: warning: {flag} {address} can be reached from other machines");
        }
    }
    if json {
        let participants: Vec<_> = running
            .participants()
            .map(|p| json!({"name": p.name, "account": p.account, "env": running.credentials().join(format!("{}.env", p.name))}))
            .collect();
        let drill = running.drill().map(|drill| &drill.title);
        let line = json!({"event": "ready", "http": http, "mqtts": mqtts, "drill": drill,
            "credentials": running.credentials(), "participants": participants});
        output::text(&format!("{line}\n"))?;
        return Ok(());
    }
    // A room goes on although nobody reads what is said of it.
    let _ = writeln!(err, "A room of {} on {http}, {mqtts}", joins.len());
    if let Some(drill) = running.drill() {
        let _ = writeln!(err, "{}", drill.title);
    }
    for (name, line) in joins {
        let _ = writeln!(err, "  {name}  {line}");
    }
    let _ = writeln!(err, "Ctrl-C ends it.");
    Ok(())
}

fn standings(running: &Running) -> Vec<Standing> {
    running.participants().map(|p| (p.name.clone(), running.sheet(&p.name))).collect()
}

/// The room while a drill is on: what was told of each, and whether everybody is done.
struct Watched<'a> {
    running: &'a Running,
    json: bool,
    told: HashMap<String, (&'static str, usize)>,
    over: bool,
}

impl Watched<'_> {
    fn standings(&self) -> Vec<Standing> {
        standings(self.running)
    }

    /// Tells what changed since the last time.
    fn tell(&mut self) -> std::io::Result<()> {
        let standings = self.standings();
        for (name, sheet) in &standings {
            let Some(sheet) = sheet else { continue };
            let now = (word(sheet.phase()), sheet.mistakes.len());
            if self.told.insert(name.clone(), now) == Some(now) {
                continue;
            }
            let wrong = sheet.mistakes.last().filter(|_| now.1 > 0).map(|mistake| &mistake.what);
            if self.json {
                let line = json!({"event": "progress", "participant": name, "at_ms": sheet.now, "state": sheet.phase(),
                    "points": sheet.points(), "mistakes": now.1});
                output::text(&format!("{line}\n"))?;
            } else {
                let wrong = wrong.map_or_else(String::new, |what| format!("  wrong: {what}"));
                let _ = writeln!(
                    std::io::stderr(),
                    "{:>6}  {name}  {:<8}  {:>3} points{wrong}",
                    clock(sheet.now),
                    now.0,
                    sheet.points()
                );
            }
        }
        self.over = standings
            .iter()
            .all(|(_, sheet)| sheet.as_ref().is_some_and(quell_emulator::drill::Sheet::is_over));
        Ok(())
    }
}

/// Tells how it went, and writes it where it was asked for.
pub(super) fn debrief(
    folder: Option<&Path>,
    drill: &drill::Drill,
    standings: &[Standing],
    json: bool,
) -> color_eyre::Result<()> {
    // First: whoever hears that it is over may look at once.
    if let Some(folder) = folder {
        debrief::export(folder, drill, standings)?;
    }
    if json {
        let mut line = debrief::json(drill, standings);
        line["event"] = json!("over");
        output::text(&format!("{line}\n"))?;
    } else {
        let mut lines = debrief::table(standings);
        lines.push(String::new());
        output::text(&(lines.join("\n") + &format!("{}\n", drill.teaches)))?;
    }
    Ok(())
}
