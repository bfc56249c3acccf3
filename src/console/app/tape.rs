//! Commands that record, and that move in a recording.

use super::{App, Effect, Env};

/// A move in a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayMove {
    /// Hold, or go on.
    Pause,
    /// The next speed.
    Faster,
    /// The previous speed.
    Slower,
    /// By so many milliseconds, backwards too.
    By(i64),
    /// To the next alarm, leak, finding or early warning.
    NextAlarm,
}

impl App {
    /// From now on what is shown comes from a recording.
    pub(crate) fn replaying(&mut self) {
        self.replay = true;
        self.look.read_only = true;
    }

    /// Whether a recording is played.
    pub(crate) fn is_replaying(&self) -> bool {
        self.replay
    }

    /// Whether a recording is being written.
    pub(crate) fn is_recording(&self) -> bool {
        self.recording
    }

    fn tape(&mut self, to: ReplayMove) {
        self.effects.push(Effect::Replay(to));
    }

    /// Begin or end recording.
    pub(crate) fn record(&mut self, _: &Env<'_>) {
        self.effects.push(Effect::Record);
    }

    /// Hold the recording, or go on.
    pub(crate) fn replay_pause(&mut self, _: &Env<'_>) {
        self.tape(ReplayMove::Pause);
    }

    /// Faster.
    pub(crate) fn replay_faster(&mut self, _: &Env<'_>) {
        self.tape(ReplayMove::Faster);
    }

    /// Slower.
    pub(crate) fn replay_slower(&mut self, _: &Env<'_>) {
        self.tape(ReplayMove::Slower);
    }

    /// Half a minute on.
    pub(crate) fn replay_forward(&mut self, _: &Env<'_>) {
        self.tape(ReplayMove::By(30_000));
    }

    /// Half a minute back.
    pub(crate) fn replay_back(&mut self, _: &Env<'_>) {
        self.tape(ReplayMove::By(-30_000));
    }

    /// To the next alarm.
    pub(crate) fn replay_next_alarm(&mut self, _: &Env<'_>) {
        self.tape(ReplayMove::NextAlarm);
    }
}
