//! Ending although nobody reads the terminal any more. A write to a terminal whose reader has stopped waits for ever, and
//! the loop that would hear the signal is the one that waits; so a thread of its own listens too, and frees it.

use std::time::{Duration, Instant};

use super::event_loop::Ends;
use super::terminal;

/// A loop that is not stuck ends before this.
const GRACE: Duration = Duration::from_millis(150);
/// Later than that the process is ended without asking it. Whoever sent the signal waits.
const LIMIT: Duration = Duration::from_millis(1_800);

/// Listens from now on. A system that gives no thread only loses the help.
pub(super) fn guard() {
    let spawned = std::thread::Builder::new().name("ending".into()).spawn(|| {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        let heard = runtime.block_on(async {
            let mut ends = Ends::new()?;
            Ok::<_, std::io::Error>(ends.any().await)
        });
        if heard.is_err() {
            return;
        }
        let began = Instant::now();
        terminal::ending();
        std::thread::sleep(GRACE);
        while began.elapsed() < LIMIT {
            if terminal::is_taken() {
                terminal::free();
                // Room alone wakes no writer; a signal does, and it writes on.
                let _ =
                    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        terminal::cook();
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    });
    if let Err(error) = spawned {
        tracing::warn!(%error, "no thread to end with");
    }
}
