//! What CloudWatch has of a rule, as the workshop looks at it: Sum, one minute, thirty minutes. A minute without data is a
//! gap, not a zero.

use ratatui::layout::Rect;

use quell_fleet::Ms;
use quell_fleet::account::{RULE_WINDOW, RuleRecord, RuleSeries};
use quell_fleet::known::Known;

use super::super::super::app::{App, Env};
use super::super::super::paint::{Paint, Part, part};
use super::super::super::words;
use super::super::absence;

/// Lines a chart with its captions would like.
pub(super) const ROOM: u16 = 9;
/// And no more than this.
pub(super) const TALLEST: u16 = 14;
const MINUTE: Ms = 60_000;
const MINUTES: usize = 30;

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, rule: &RuleRecord) {
    if area.height < 2 || area.width < 20 {
        return;
    }
    // Taller says no more.
    let area = Rect { height: area.height.min(TALLEST), ..area };
    let theme = paint.theme;
    let unread = Known::default();
    let known = env.fleet.rule_metrics(rule.name.raw()).unwrap_or(&unread);
    let Some(all) = known.get() else { return absence(app, known, "CloudWatch's metrics", paint, area) };
    let (own, counted): (Vec<&RuleSeries>, Vec<_>) =
        all.iter().partition(|s| s.namespace.as_str() != "AWS/IoT");
    let width = area.width.saturating_sub(2);
    // AWS's own counts stand apart: the same word may name two metrics.
    let mut counts: Vec<Part<'_>> = vec![part("AWS/IoT  ", theme.dim)];
    for series in &counted {
        let total: f64 = series.points.iter().map(|(_, v)| v).sum();
        let style = if series.name.as_str() == "Failure" && total > 0.0 { theme.alarm } else { theme.text };
        counts.push(part(format!("{} {}   ", series.name, number(total)), style));
    }
    counts.push(part("in 30 min", theme.dim));
    paint.line(area.x + 1, area.bottom() - 1, width, &counts);
    let Some(series) = own.first() else {
        return paint_note(paint, area, "no action of it writes a CloudWatch metric");
    };
    let total: f64 = series.points.iter().map(|(_, v)| v).sum();
    let title = [
        part(format!("{} / {}", series.namespace, series.name), theme.brand),
        part(format!("  Sum of each minute, 30 min: {}", number(total)), theme.text),
        part(format!("   {}", known.age(env.now).map(words::ago).unwrap_or_default()), theme.dim),
    ];
    paint.line(area.x + 1, area.y, width, &title);
    if area.height >= 4 {
        bars(env, paint, Rect { y: area.y + 1, height: area.height - 2, ..area }, series);
    }
}

/// How many messages its filter matched, minute by minute: a rule that never fires is told from one that nothing reaches.
pub(super) fn matched(env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, rule: &RuleRecord) {
    let theme = paint.theme;
    let all = env.fleet.rule_metrics(rule.name.raw()).and_then(Known::get).into_iter().flatten();
    let mut counted = all.filter(|s| s.namespace.as_str() == "AWS/IoT");
    let Some(series) = counted.find(|s| s.name.as_str() == "TopicMatch") else { return };
    let title = [
        part("AWS/IoT / TopicMatch", theme.brand),
        part("  messages of each minute that FROM matches", theme.text),
    ];
    paint.line(area.x + 1, area.y, area.width.saturating_sub(2), &title);
    bars(env, paint, Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area }, series);
}

fn paint_note(paint: &mut Paint<'_>, area: Rect, text: &str) {
    let style = paint.theme.dim;
    paint.text(area.x + 1, area.y, area.width.saturating_sub(2), text, style);
}

/// One column for each minute, the newest at the right, and under them when it was.
fn bars(env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, series: &RuleSeries) {
    let theme = paint.theme;
    let s = theme.symbols;
    let newest = env.now / MINUTE * MINUTE;
    let minutes: Vec<Option<f64>> = (0..MINUTES)
        .map(|i| {
            let at = newest - RULE_WINDOW + MINUTE * (i as Ms + 1);
            series.points.iter().find(|(t, _)| t / MINUTE * MINUTE == at).map(|(_, v)| *v)
        })
        .collect();
    let most = minutes.iter().flatten().copied().fold(0.0, f64::max);
    let axis = 8;
    let wide = (area.width.saturating_sub(axis + 2) / MINUTES as u16).clamp(1, 3);
    let height = area.height.saturating_sub(1);
    for row in 0..height {
        let y = area.y + row;
        let label = if row == 0 && most > 0.0 {
            number(most)
        } else if row + 1 == height {
            "0".to_owned()
        } else if most > 0.0 && height >= 8 && (height - 1 - row).is_multiple_of((height / 4).max(1)) {
            // The value at the row's middle.
            number((f64::from(height - 1 - row) + 0.5) / f64::from(height) * most)
        } else {
            String::new()
        };
        paint.text(area.x, y, axis, &format!("{label:>7} "), theme.dim);
        for (i, value) in minutes.iter().enumerate() {
            let x = area.x + axis + i as u16 * wide;
            if x + wide > area.right() {
                break;
            }
            // Eighths of a cell, from the bottom.
            let level = value.map(|v| if most > 0.0 { v / most * f64::from(height) * 8.0 } else { 0.0 });
            let from_bottom = f64::from(height - 1 - row) * 8.0;
            let (text, style) = match level {
                None if row + 1 == height => (s.gap, theme.dim),
                None => (" ", theme.dim),
                Some(level) => match (level - from_bottom).ceil() as i64 {
                    ..1 if row + 1 == height => (s.blocks.first().copied().unwrap_or(s.gap), theme.spark),
                    ..1 => (" ", theme.spark),
                    eighths => {
                        let at = usize::try_from(eighths.min(8) - 1).unwrap_or(0);
                        (s.blocks.get(at).copied().unwrap_or(s.gap), theme.spark)
                    }
                },
            };
            for dx in 0..wide.saturating_sub(u16::from(wide > 1)) {
                paint.cell(x + dx, y, text, style);
            }
        }
    }
    let y = area.bottom() - 1;
    let last = area.x + axis + (MINUTES as u16) * wide;
    paint.text(area.x + axis, y, area.width.saturating_sub(axis), "30 min ago", theme.dim);
    if last >= area.x + axis + 14 && last <= area.right() {
        paint.text(last - 3, y, 3, "now", theme.dim);
    }
}

/// At most three digits that mean something.
fn number(value: f64) -> String {
    // A sum of nothing is -0.
    let value = value + 0.0;
    if value.fract() == 0.0 && value.abs() < 1e6 { format!("{value}") } else { format!("{value:.1}") }
}
