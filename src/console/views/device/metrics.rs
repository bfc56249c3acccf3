//! Device-side metrics: what a thing's Defender agent reports, over the last hour, beside what its profiles expect.

use ratatui::layout::Rect;

use quell_fleet::account::MetricSeries;
use quell_fleet::model::Name;
use quell_rules::detect::judge::is_normal;
use quell_rules::detect::model::{Behavior, MetricValue};

use super::super::super::app::{App, Env, Section};
use super::super::super::paint::{Paint, Part, part};
use super::super::super::words;
use super::super::violations::{expected, got, metric_words};
use super::super::{frame, quiet, read};

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, name: &Name, focused: bool) {
    let theme = paint.theme;
    let report = env.fleet.find(name.raw()).and_then(|id| env.fleet.device(id).agent_report());
    let fact = match report {
        Some((at, true)) => part(format!("report accepted {}", words::ago(env.now - at)), theme.text),
        Some((at, false)) => part(format!("report REJECTED {}", words::ago(env.now - at)), theme.warning),
        None => part("no report heard", theme.dim),
    };
    let inner = frame(paint, area, focused, Section::Metrics.title(), vec![fact]);
    let Some(all) = read(app, env.fleet.metrics_of(name.raw()), "metrics", paint, inner) else { return };
    if all.is_empty() {
        let text = "no values in the last hour: it runs no Defender agent, or no profile retains its metrics";
        return quiet(paint, inner, text);
    }
    let mut y = inner.y;
    for series in all {
        for line in lines(env, series, theme, inner.width.saturating_sub(2) as usize) {
            if y < inner.bottom() {
                paint.line(inner.x + 1, y, inner.width.saturating_sub(2), &line);
                y += 1;
            }
        }
    }
}

fn lines<'a>(
    env: &Env<'_>,
    series: &MetricSeries,
    theme: &super::super::Theme,
    width: usize,
) -> Vec<Vec<Part<'a>>> {
    let s = theme.symbols;
    let Some((at, last)) = series.points.last() else { return Vec::new() };
    // One of the account's own is called what people call it.
    let custom = env.fleet.custom_metrics().get().into_iter().flatten();
    let own = custom.into_iter().find(|m| m.name == series.metric).and_then(|m| m.display.as_ref());
    let name = own.map_or_else(|| metric_words(series.metric.as_str()), ToString::to_string);
    let mut line = vec![
        part(format!("{name:<28} "), theme.text),
        part(format!("{:<16} ", got(Some(series.metric.as_str()), Some(last))), theme.brand),
    ];
    let numbers: Vec<f64> = series.points.iter().filter_map(|(_, v)| number(v)).collect();
    if numbers.len() > 1 && width > 70 {
        let most = numbers.iter().copied().fold(1.0, f64::max);
        let recent = numbers.iter().rev().take(24).rev();
        let blocks: String = recent
            .map(|v| {
                let at = ((v / most * 8.0).ceil() as usize).clamp(1, 8) - 1;
                s.blocks.get(at).copied().unwrap_or(s.gap)
            })
            .collect();
        line.push(part(format!("{blocks} "), theme.spark));
    }
    line.push(part(words::ago(env.now - at), theme.dim));
    let mut lines = vec![line];
    // A port that was not there an hour ago is the thing to look at.
    if let (Some(now), Some(first)) = (&last.ports, series.points.first().and_then(|(_, v)| v.ports.as_ref()))
    {
        let new: Vec<String> = now.iter().filter(|p| !first.contains(p)).map(ToString::to_string).collect();
        if !new.is_empty() {
            let text = format!("  {} new since the first report: {}", s.warn, new.join(", "));
            lines.push(vec![part(text, theme.warning)]);
        }
    }
    for profile in env.fleet.profiles().get().into_iter().flatten() {
        for behavior in
            profile.behaviors.iter().filter(|b| b.metric.as_deref() == Some(series.metric.as_str()))
        {
            let text = expected(behavior);
            lines.push(match fits(behavior, last) {
                Some(false) => {
                    let lead = format!("  {} NOT as {} expects: ", s.warn, profile.name);
                    vec![part(lead, theme.alarm), part(text, theme.dim)]
                }
                Some(true) => {
                    vec![part(format!("  {} as {} expects: {text}", s.check, profile.name), theme.good)]
                }
                None => vec![part(format!("  {} expects: {text}", profile.name), theme.dim)],
            });
        }
    }
    lines
}

/// Whether a value is what a behaviour calls normal; `None` for a percentile or a learned model.
fn fits(behavior: &Behavior, value: &MetricValue) -> Option<bool> {
    let criteria = behavior.criteria.as_ref()?;
    is_normal(value, criteria.comparison_operator?, criteria.value.as_ref()?)
}

fn number(value: &MetricValue) -> Option<f64> {
    let lists = [
        value.ports.as_ref().map(Vec::len),
        value.cidrs.as_ref().map(Vec::len),
        value.strings.as_ref().map(Vec::len),
    ];
    // Of a list of numbers the highest tells most; of other lists, how long they are.
    let highest = value.numbers.as_ref().and_then(|all| all.iter().copied().reduce(f64::max));
    let longest = lists.into_iter().flatten().next().map(|n| n as f64);
    value.count.map(|n| n as f64).or(value.number).or(highest).or(longest)
}
