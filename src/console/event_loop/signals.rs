//! The signals the loop listens to.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end it.
pub(in crate::console) struct Ends([Signal; 3]);

impl Ends {
    pub(in crate::console) fn new() -> std::io::Result<Self> {
        Ok(Self([
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
            signal(SignalKind::interrupt())?,
        ]))
    }

    /// Waits for one of them.
    pub(in crate::console) async fn any(&mut self) -> &'static str {
        let [term, hup, int] = &mut self.0;
        tokio::select! { _ = term.recv() => "SIGTERM", _ = hup.recv() => "SIGHUP", _ = int.recv() => "SIGINT" }
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
