//! How the console ends: by signals, when its terminal is closed, and when nobody reads its terminal any more. Within two
//! seconds, the terminal given back where there is one, the journal whole.

use std::io::Read as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::screen::{LONG, QUICK, Screen};
use crate::world::{Cloud, quell};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use quell_emulator::start::Options;

/// How long an ending may take.
const ENDS: Duration = Duration::from_secs(2);

/// The console in a terminal that is read only when the test reads.
struct Raw {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    output: Box<dyn std::io::Read + Send>,
    _home: tempfile::TempDir,
}

impl Raw {
    fn of(cloud: &Cloud) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("config.toml"), QUICK).unwrap();
        let size = PtySize { rows: 50, cols: 170, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_quell"));
        command.args(cloud.flags());
        command.args(["--config", home.path().join("config.toml").to_str().unwrap()]);
        command.env_clear();
        for (name, value) in [
            ("PATH", "/usr/bin:/bin"),
            ("TERM", "xterm-256color"),
            ("HOME", home.path().to_str().unwrap()),
            ("XDG_STATE_HOME", home.path().join("state").to_str().unwrap()),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ] {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let output = pair.master.try_clone_reader().unwrap();
        Self { master: pair.master, child, output, _home: home }
    }

    fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// Reads until `text` came, a word that is drawn in one piece.
    fn read_until(&mut self, text: &str) {
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        let deadline = Instant::now() + LONG;
        while !String::from_utf8_lossy(&seen).contains(text) {
            assert!(Instant::now() < deadline, "no {text:?} in {}", String::from_utf8_lossy(&seen));
            let n = self.output.read(&mut buffer).unwrap();
            seen.extend_from_slice(&buffer[..n]);
        }
    }

    fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// How long until it is gone.
    #[track_caller]
    fn gone(&mut self, since: Instant) {
        while self.child.try_wait().unwrap().is_none() {
            assert!(since.elapsed() < ENDS, "still there after {:?}", since.elapsed());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

#[test]
fn nobody_reads_the_terminal() {
    let cloud = Cloud::start();
    for name in ["-TERM", "-HUP"] {
        let mut raw = Raw::of(&cloud);
        raw.read_until("Devices");
        // Each new size is a whole new frame: more than a terminal holds unread.
        let deadline = Instant::now() + LONG;
        let stuck = |pid: u32| {
            let call = std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
            let mut fields = call.split(' ');
            // write(1, …) on x86-64 and on aarch64.
            matches!(fields.next(), Some("1" | "64")) && fields.next() == Some("0x1")
        };
        let mut cols = 170;
        while !stuck(raw.pid()) {
            assert!(Instant::now() < deadline, "it never waited for its reader");
            cols = if cols == 170 { 160 } else { 170 };
            raw.master.resize(PtySize { rows: 50, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
            std::thread::sleep(Duration::from_millis(50));
        }
        let since = Instant::now();
        raw.signal(name);
        raw.gone(since);
        let mut rest = Vec::new();
        let _ = raw.output.read_to_end(&mut rest);
        let rest = String::from_utf8_lossy(&rest).into_owned();
        let left = rest.rfind("\x1b[?1049l").expect("the alternate screen is left");
        assert!(rest[left..].contains("\x1b[?25h"), "the cursor is shown again: {:?}", &rest[left..]);
    }
}

#[test]
fn the_terminal_is_closed() {
    let cloud = Cloud::start();
    let mut raw = Raw::of(&cloud);
    raw.read_until("Devices");
    let pid = raw.pid();
    let since = Instant::now();
    // Nothing of the terminal is left open here.
    let nothing = native_pty_system().openpty(PtySize::default()).unwrap();
    raw.output = Box::new(std::io::empty());
    raw.master = nothing.master;
    raw.gone(since);
    assert!(!std::path::Path::new(&format!("/proc/{pid}/fd/0")).exists());
}

#[test]
fn a_signal_while_a_response_runs_leaves_a_whole_journal() {
    for name in ["-TERM", "-HUP", "-INT"] {
        let cloud = Cloud::with(Options::on_free_ports());
        let mut screen = Screen::of(&cloud, &[]);
        screen.wait("the device", |s| s.contains("Thing02") && s.contains("●MQTT"));
        screen.term.keys("/Thing02\r");
        screen.wait("the device alone", |s| !s.contains("Thing03"));
        screen.term.keys("ji");
        screen.wait("the plan", |s| s.contains("Isolate Thing02") && s.contains("⏎ isolate"));
        // What is asked now is answered in five seconds.
        cloud.door.slow(Duration::from_secs(5));
        screen.term.keys("\r");
        let deadline = Instant::now() + LONG;
        while cloud.door.asked("addThingToThingGroup").is_empty() {
            assert!(Instant::now() < deadline, "nothing was sent:\n{}", screen.term.screen());
            std::thread::sleep(Duration::from_millis(20));
        }
        signal(screen.term.pid(), name);
        screen.term.wait_exit(ENDS);
        screen.term.wait_restored(name);
        let (code, said) = journal(screen.home(), &["journal", "verify"]);
        assert_eq!(code, Some(0), "{name}: {said}");
        let (code, said) = journal(screen.home(), &["journal", "--json"]);
        assert_eq!(code, Some(0), "{name}: {said}");
        assert!(said.contains("isolate") && said.contains("Thing02"), "{name}: {said}");
    }
}

/// What the program itself says of the journal.
fn journal(home: &Path, args: &[&str]) -> (Option<i32>, String) {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let state = home.join("state");
    let env = [
        ("HOME", home.to_str().unwrap()),
        ("XDG_STATE_HOME", state.to_str().unwrap()),
        ("AWS_REGION", "us-east-1"),
    ];
    let output = quell(&args, &env).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.code(), said)
}
