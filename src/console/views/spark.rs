//! Sparklines: one scale for the whole screen, so that rows compare; gaps are not zeros.

use ratatui::layout::Rect;

use quell_fleet::{Column, DeviceId};

use super::super::app::{App, Env};
use super::super::paint::Paint;

/// The scale all sparklines of a screen share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// The largest value, in bytes.
    pub(super) most: u32,
    /// The profile's limit on the message size, if one is known.
    pub(super) limit: Option<u32>,
    log: bool,
}

/// The stretch of time shown: as long as there is something to show, up to ten minutes, in few steps.
pub(super) fn span(env: &Env<'_>) -> i64 {
    let first = env.fleet.watch().gaps().next().map(|(lost, _)| lost).or(env.fleet.watch().since());
    let watched = first.map_or(0, |at| env.now - at);
    match watched {
        ..110_000 => 120_000,
        110_000..280_000 => 300_000,
        _ => 600_000,
    }
}

/// `last 10 min`.
pub(super) fn span_words(ms: i64) -> String {
    format!("last {} min", ms / 60_000)
}

impl Scale {
    /// The scale up to `most` bytes, and never below the limit: what is harmless does not look like an attack.
    pub(super) fn of(app: &App, env: &Env<'_>, most: u32) -> Self {
        let limit = limit(env);
        Self { most: most.max(limit.unwrap_or(0)).max(1), limit, log: app.is_log_scale() }
    }

    fn height(&self, value: u32) -> usize {
        let (value, most) = (f64::from(value), f64::from(self.most.max(1)));
        let part = if self.log { (value + 1.0).ln() / (most + 1.0).ln() } else { value / most };
        ((part * 8.0).ceil() as usize).clamp(1, 8) - 1
    }
}

/// The tightest static limit a known profile puts on the message size.
pub(super) fn limit(env: &Env<'_>) -> Option<u32> {
    use quell_rules::detect::model::ComparisonOperator::{LessThan, LessThanEquals};
    let profiles = env.fleet.profiles().get()?;
    profiles
        .iter()
        .flat_map(|p| &p.behaviors)
        .filter(|b| b.metric.as_deref() == Some("aws:message-byte-size"))
        .filter_map(|b| b.criteria.as_ref())
        .filter(|c| matches!(c.comparison_operator, Some(LessThan | LessThanEquals)))
        .filter_map(|c| c.value.as_ref()?.count)
        .filter_map(|n| u32::try_from(n).ok())
        .min()
}

/// Draws a device's sizes over `span`; under the cursor in colours that stand on it.
pub(super) fn draw(
    env: &Env<'_>,
    paint: &mut Paint<'_>,
    at: Rect,
    id: DeviceId,
    span: i64,
    scale: &Scale,
    chosen: bool,
) {
    let theme = paint.theme;
    let s = theme.symbols;
    let Rect { x, y, width, .. } = at;
    let [plain, above, none] = if chosen {
        [theme.cursor_spark, theme.cursor_spark_over, theme.cursor_spark]
    } else {
        [theme.spark, theme.spark_over, theme.dim]
    };
    let mut columns = Vec::with_capacity(width as usize);
    let series = env.fleet.device(id).series();
    series.columns(env.fleet.listening(id), env.now, span, width as usize, &mut columns);
    for (i, column) in columns.iter().enumerate() {
        let (symbol, style) = match column {
            Column::NotWatching => (s.unwatched, none),
            Column::Silent => (s.gap, none),
            Column::Largest(value) => {
                let over = scale.limit.is_some_and(|limit| *value >= limit);
                let symbol = s.blocks.get(scale.height(*value)).copied().unwrap_or(s.gap);
                (symbol, if over { above } else { plain })
            }
        };
        paint.cell(x + i as u16, y, symbol, style);
    }
}
