//! Sparklines: one scale for the whole screen, so that rows compare; gaps are not zeros.

use ratatui::layout::Rect;

use quell_fleet::{Column, DeviceId};

use super::super::app::{App, Env};
use super::super::paint::Paint;
use super::limit::Limit;

/// The scale all sparklines of a screen share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// The largest value, in bytes.
    pub(super) most: u32,
    /// The profile's limit on the message size, if one is known.
    pub(super) limit: Option<Limit>,
    log: bool,
}

/// Stretches of time that are shown, in seconds: the longest that was listened to. Each is at most half as long again as the
/// one before, so that a column that has filled never empties.
const SPANS: [i64; 11] = [30, 45, 60, 90, 120, 180, 240, 300, 400, 500, 600];

/// The stretch of time shown: as long as there is something to show, up to ten minutes, in small steps.
pub(super) fn span(env: &Env<'_>) -> i64 {
    let watched = watched(env);
    let longest = SPANS.iter().rev().map(|seconds| seconds * 1_000).find(|span| *span <= watched);
    longest.unwrap_or(30_000)
}

/// How long ago listening first began, gaps included: what was heard before a gap is still to be shown.
fn watched(env: &Env<'_>) -> i64 {
    env.fleet.watch().first().map_or(0, |at| env.now.saturating_sub(at))
}

/// The longest stretch that is shown of one device: as much as was listened to, from ten minutes to the hour its sizes are
/// kept for.
pub(super) fn long_span(env: &Env<'_>) -> i64 {
    const LONG: [i64; 6] = [10, 15, 20, 30, 45, 60];
    let watched = watched(env);
    LONG.iter().map(|minutes| minutes * 60_000).find(|span| *span >= watched).unwrap_or(3_600_000)
}

/// `30 s`, `2 min`.
pub(super) fn span_words(ms: i64) -> String {
    let seconds = ms / 1_000;
    if seconds % 60 == 0 { format!("{} min", seconds / 60) } else { format!("{seconds} s") }
}

impl Scale {
    /// The scale up to `most` bytes, and never below the limit: what is harmless does not look like an attack.
    pub(super) fn of(app: &App, env: &Env<'_>, most: u32) -> Self {
        Self { log: app.is_log_scale(), ..Self::to(most, limit(env)) }
    }

    /// The same for any value and its limit.
    pub(super) fn to(most: u32, limit: Option<Limit>) -> Self {
        // A cast from a float saturates.
        let least = limit.map_or(0, |limit| limit.at as u32);
        Self { most: most.max(least).max(1), limit, log: false }
    }

    /// How high a value is in `rows` cells, in eighths of a cell: never nothing.
    pub(super) fn eighths(&self, value: u32, rows: u16) -> u16 {
        let (value, most) = (f64::from(value), f64::from(self.most.max(1)));
        let part = if self.log { (value + 1.0).ln() / (most + 1.0).ln() } else { value / most };
        let all = rows.max(1).saturating_mul(8);
        ((part * f64::from(all)).ceil() as u16).clamp(1, all)
    }

    /// Whether a value is beyond the limit.
    pub(super) fn is_over(&self, value: u32) -> bool {
        self.limit.is_some_and(|limit| limit.is_beyond(f64::from(value)))
    }
}

/// The tightest static limit a known profile puts on the message size.
pub(super) fn limit(env: &Env<'_>) -> Option<Limit> {
    let profiles = env.fleet.profiles().get()?;
    profiles
        .iter()
        .flat_map(|p| &p.behaviors)
        .filter(|b| b.metric.as_deref() == Some("aws:message-byte-size"))
        .filter_map(|b| b.criteria.as_ref().and_then(Limit::of))
        .filter(Limit::is_upper)
        .reduce(Limit::tighter)
}

/// Draws a device's sizes over `span`.
pub(super) fn draw(env: &Env<'_>, paint: &mut Paint<'_>, at: Rect, id: DeviceId, span: i64, scale: &Scale) {
    let theme = paint.theme;
    let s = theme.symbols;
    let Rect { x, y, width, .. } = at;
    let mut columns = Vec::with_capacity(width as usize);
    let series = env.fleet.device(id).series();
    series.columns(env.fleet.listening(id), env.now, span, width as usize, &mut columns);
    for (i, column) in columns.iter().enumerate() {
        let (symbol, style) = match column {
            Column::NotWatching => (s.unwatched, theme.rule),
            Column::Silent => (s.gap, theme.dim),
            Column::Largest(value) => {
                let height = usize::from(scale.eighths(*value, 1)) - 1;
                let symbol = s.blocks.get(height).copied().unwrap_or(s.gap);
                (symbol, if scale.is_over(*value) { theme.spark_over } else { theme.spark })
            }
        };
        paint.cell(x + i as u16, y, symbol, style);
    }
}

/// The largest value of a row of columns; nothing is zero.
pub(super) fn largest(columns: &[Column]) -> u32 {
    let values = columns.iter().filter_map(|column| match column {
        Column::Largest(value) => Some(*value),
        Column::NotWatching | Column::Silent => None,
    });
    values.max().unwrap_or(0)
}
