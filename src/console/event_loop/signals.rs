//! The signals the loop listens to.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end the process: SIGTERM, SIGHUP (the terminal went away), SIGINT and SIGQUIT.
pub(crate) struct Ends([(Signal, &'static str); 4]);

impl Ends {
    /// Listens from now on; none of them ends the process by itself any more.
    ///
    /// # Errors
    /// The system gives no handler.
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self([
            (signal(SignalKind::terminate())?, "SIGTERM"),
            (signal(SignalKind::hangup())?, "SIGHUP"),
            (signal(SignalKind::interrupt())?, "SIGINT"),
            (signal(SignalKind::quit())?, "SIGQUIT"),
        ]))
    }

    /// Waits for one of them; its name.
    pub(crate) async fn any(&mut self) -> &'static str {
        let [term, hup, int, quit] = &mut self.0;
        tokio::select! {
            _ = term.0.recv() => term.1,
            _ = hup.0.recv() => hup.1,
            _ = int.0.recv() => int.1,
            _ = quit.0.recv() => quit.1,
        }
    }
}

pub(super) struct Signals {
    pub(super) end: Ends,
    pub(super) stop: Signal,
    pub(super) resume: Signal,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        use rustix::process::Signal as Raw;
        Ok(Self {
            end: Ends::new()?,
            stop: signal(SignalKind::from_raw(Raw::TSTP.as_raw()))?,
            resume: signal(SignalKind::from_raw(Raw::CONT.as_raw()))?,
        })
    }
}
