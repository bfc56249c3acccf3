//! The log: a file nobody else may read, or stderr; never a secret in it.

use std::path::Path;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::{Command, Common};

/// What others' crates may say at most: below it they write requests with their headers, and a session's token among them.
const OTHERS: LevelFilter = LevelFilter::INFO;

/// What is said: `QUELL_LOG` or `RUST_LOG` decide in detail (`warn,quell::cloud=debug`), else the number of `-v`.
fn filter(verbose: u8) -> Targets {
    let level = match verbose {
        0 => "warn,quell=info",
        1 => "info,quell=debug",
        _ => "info,quell=trace",
    };
    let wished = ["QUELL_LOG", "RUST_LOG"].iter().find_map(|name| std::env::var(name).ok()?.parse().ok());
    wished.unwrap_or_else(|| level.parse().unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO)))
}

/// Opens the log of a headless command: `--log FILE`, or stderr with `-v`; none otherwise. The commands that take the screen
/// open their own.
pub(super) fn headless(command: Option<&Command>, common: &Common) {
    let screen = command.is_none_or(Command::takes_screen);
    match &common.log {
        _ if screen => {}
        Some(path) => {
            if let Err(e) = to(path, common.verbose) {
                use std::io::Write as _;
                let _ = writeln!(std::io::stderr(), "quell: no log: {}: {e}", path.display());
            }
        }
        None if common.verbose > 0 => begin(std::io::stderr, common.verbose),
        None => {}
    }
}

/// Logs into a file: a line on the terminal would be drawn across the screen.
///
/// # Errors
/// When the file cannot be opened for appending.
pub(super) fn to(path: &Path, verbose: u8) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let file = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    if file.metadata()?.is_file() {
        // One that was there before may have been readable by all.
        let _ = file.set_permissions(std::fs::Permissions::from_mode(0o600));
    }
    begin(std::sync::Mutex::new(file), verbose);
    Ok(())
}

fn begin<W>(writer: W, verbose: u8)
where
    W: for<'a> tracing_subscriber::fmt::MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = filter(verbose);
    let said = tracing_subscriber::filter::filter_fn(move |line| {
        let (target, level) = (line.target(), line.level());
        (target.starts_with("quell") || *level <= OTHERS) && filter.would_enable(target, level)
    });
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer).with_filter(said);
    if let Err(error) = tracing_subscriber::registry().with(lines).try_init() {
        tracing::debug!(%error, "the log was set up already");
    }
}
