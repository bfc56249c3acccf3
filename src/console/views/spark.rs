//! Sparklines: one scale for the whole screen, so that rows compare; gaps are not zeros.

use quell_fleet::{Column, Device, DeviceId};

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
    /// The scale for what is in sight.
    pub(super) fn of<'a>(app: &App, env: &Env<'_>, devices: impl Iterator<Item = &'a Device>) -> Self {
        let most = devices.filter_map(Device::max).max().unwrap_or(0).max(1);
        Self { most, limit: limit(env), log: app.is_log_scale() }
    }

    fn height(&self, value: u32) -> usize {
        let (value, most) = (f64::from(value), f64::from(self.most.max(1)));
        let part = if self.log { (value + 1.0).ln() / (most + 1.0).ln() } else { value / most };
        ((part * 8.0).ceil() as usize).clamp(1, 8) - 1
    }
}

/// The tightest static limit a known profile puts on the message size.
fn limit(env: &Env<'_>) -> Option<u32> {
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

/// Draws a device's sizes over `span` in `width` cells.
#[expect(
    clippy::too_many_arguments,
    reason = "a place, a time and a scale; a struct would be made and taken apart once"
)]
pub(super) fn draw(
    env: &Env<'_>,
    paint: &mut Paint<'_>,
    x: u16,
    y: u16,
    width: u16,
    id: DeviceId,
    span: i64,
    scale: &Scale,
) {
    let theme = paint.theme;
    let s = theme.symbols;
    let mut columns = Vec::with_capacity(width as usize);
    let series = env.fleet.device(id).series();
    series.columns(env.fleet.listening(id), env.now, span, width as usize, &mut columns);
    for (i, column) in columns.iter().enumerate() {
        let (symbol, style) = match column {
            Column::NotWatching => (s.unwatched, theme.dim),
            Column::Silent => (s.gap, theme.dim),
            Column::Largest(value) => {
                let over = scale.limit.is_some_and(|limit| *value >= limit);
                let symbol = s.blocks.get(scale.height(*value)).copied().unwrap_or(s.gap);
                (symbol, if over { theme.spark_over } else { theme.spark })
            }
        };
        paint.cell(x + i as u16, y, symbol, style);
    }
}
