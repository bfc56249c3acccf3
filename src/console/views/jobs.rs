//! Jobs: how far each is, by the status of its executions.

use ratatui::layout::Rect;
use ratatui::style::Style;

use quell_fleet::known::Known;
use quell_fleet::model::{ExecutionRecord, JobCounts, JobRecord, Name};
use quell_fleet::text::SafeText;
use quell_fleet::{Column, Ms};

use super::super::app::{App, Env, ListId, key_of};
use super::super::dialogs::JobForm;
use super::super::paint::{Paint, inside, part};
use super::super::words;
use super::chart::{self, Chart};
use super::spark::Scale;
use super::text::Facts;
use super::{absence, aged, counted, filtered, frame, lack, of_now, quiet, read, reason, said, scroll_bar};
use super::{layout, shadows, text};

/// Rows that what J begins with takes at least.
const OFFER: u16 = 9;
/// Cells of a label.
const LABEL: usize = 12;
/// Lines of a document.
const DOCUMENT: usize = 200;
/// Members told of what a device reports.
const REPORTED: usize = 4;

/// Lines of a job.
pub(super) const TALL: u16 = 3;

/// Where the jobs are, and below them the executions of the chosen one.
pub(super) fn list_parts(env: &Env<'_>, area: Rect) -> (Rect, Rect) {
    let jobs = env.fleet.jobs().get().map_or(0, Vec::len);
    if jobs == 0 && layout::tells(area) {
        // A sentence.
        return super::split(area, 3);
    }
    layout::above_told(area, jobs.saturating_mul(TALL.into()))
}

/// Jobs there is room for.
pub(super) fn page(env: &Env<'_>, area: Rect) -> usize {
    (inside(list_parts(env, area).0).height / TALL).max(1).into()
}

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let known = env.fleet.jobs();
    let mut facts = vec![counted(app, ListId::Jobs, known.get().map(Vec::len), theme)];
    facts.extend(filtered(app, ListId::Jobs, theme));
    facts.extend(aged(known, env, theme));
    let (area, below) = list_parts(env, area);
    let inner = frame(paint, area, true, "Jobs", facts);
    let Some(all) = known.get() else { return absence(app, known, "jobs", paint, inner) };
    if all.is_empty() {
        quiet(paint, inner, "no jobs; J begins one");
        return whom(app, env, paint, below);
    }
    let list = app.list(ListId::Jobs);
    for (y, key) in (inner.y..inner.bottom()).step_by(TALL.into()).zip(list.in_sight()) {
        let Some(job) = all.iter().find(|j| key_of(j.id.raw()) == *key) else { continue };
        entry(app, env, paint, Rect { y, height: TALL.min(inner.bottom() - y), ..inner }, job);
        if list.cursor() == Some(*key) {
            paint.select(Rect { y, height: 1, ..inner }, true);
        }
    }
    scroll_bar(paint, area, list, true);
    if below.height > 0
        && let Some(job) = all.iter().find(|j| Some(key_of(j.id.raw())) == list.chosen())
    {
        told(app, env, paint, below, job);
    }
}

/// What J begins with, to be changed before it is planned, and what becomes of a job.
fn offer(app: &App, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let inner = frame(paint, area, false, "What J begins with", Vec::new());
    let mut facts = Facts::new(LABEL, usize::from(inner.width).saturating_sub(LABEL + 2), theme);
    let form = JobForm::new(Vec::new(), &app.look.update_group);
    for (label, text) in form.told() {
        facts.say(label, text.as_str(), theme.text);
    }
    facts.say("rollout", "no rate, no abort rule, no timeout: quell job create sets them", theme.dim);
    facts.say("then", "QUEUED until the device asks for it, IN_PROGRESS when it has taken it", theme.dim);
    facts.say(
        "at its end",
        "SUCCEEDED, FAILED or REJECTED as the device says; TIMED_OUT where it says nothing",
        theme.dim,
    );
    facts.say("here", "a bar of its executions, the oldest that are stuck first; X cancels it", theme.dim);
    let document = document(&form.document(), theme);
    text::lines(paint, inner, facts.lines.iter().chain(&document));
}

/// A job document as a tree below its label.
fn document<'a>(document: &serde_json::Value, theme: &super::Theme) -> Vec<text::Line<'a>> {
    let mut lines = Vec::new();
    super::tree(document, theme, DOCUMENT, &mut lines);
    for (i, line) in lines.iter_mut().enumerate() {
        let label = if i == 0 { "document" } else { "" };
        line.insert(0, part(format!("{label:<LABEL$}"), theme.dim));
    }
    lines
}

/// Whom a job would reach now, while there is none: the group that J offers, and of each device whether it could take one.
fn whom(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let group = SafeText::new(&app.look.update_group);
    let known = env.fleet.members(&app.look.update_group);
    let members = known.and_then(|known| known.get()).map(Option::as_deref);
    let fact = match members {
        Some(Some(members)) => {
            part(format!("{} in {group}", words::plural(members.len(), "thing", "things")), theme.text)
        }
        Some(None) => part(format!("there is no thing group {group}"), theme.warning),
        None => match known.and_then(|known| known.trouble()) {
            Some(trouble) => part(format!("{group}: {}", reason(trouble)), theme.unknown),
            None => part(format!("{group} was not read yet"), theme.dim),
        },
    };
    let mut lines = Vec::new();
    for id in app.rows().ids() {
        if lines.len() >= usize::from(area.height) {
            break;
        }
        let device = env.fleet.device(*id);
        if device.is_unattributed() {
            continue;
        }
        let (word, style) = said(env, theme, *id, 24);
        let inside = members.flatten().is_some_and(|all| all.contains(device.name()));
        lines.push(vec![
            part(format!("{:<30} ", device.name().shown()), theme.brand),
            part(format!(" {word} "), style),
        ]);
        let (text, style) = match (members, inside) {
            (Some(Some(_)), true) => (format!("in {group}: a job for the group is its job"), theme.good),
            (Some(Some(_)), false) => (
                format!("not in {group}: + puts it there, and a continuous job is its job from then on"),
                theme.text,
            ),
            _ => (format!("whether it is in {group} is not known"), theme.unknown),
        };
        lines.push(vec![part("  ", theme.dim), part(text, style)]);
        let (text, style) = match (device.quarantined_in(), device.connected()) {
            (Some(held), _) => (
                format!(
                    "isolated in {}: a deny of everything keeps its jobs from it too, they stay QUEUED",
                    held.shown()
                ),
                theme.warning,
            ),
            (None, Some(true)) => {
                let (text, old) = of_now(env, "connected: a job reaches it at once");
                (text, if old { theme.dim } else { theme.text })
            }
            (None, Some(false)) => {
                ("not connected: a job stays QUEUED until it is".to_owned(), theme.warning)
            }
            (None, None) => {
                ("whether it is connected is not known: no presence event was heard".to_owned(), theme.dim)
            }
        };
        lines.push(vec![part("  ", theme.dim), part(text, style)]);
        // Which version it runs stands there, where it says so.
        let document = env.fleet.shadow(device.name().raw(), None);
        if let Some(document) = document.and_then(|known| known.get()?.as_ref()) {
            let reported = shadows::reported(document, REPORTED);
            lines.push(vec![
                part("  reports ", theme.dim),
                part(if reported.is_empty() { "nothing".to_owned() } else { reported }, theme.text),
            ]);
        }
    }
    let wanted = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let (area, below) = match area.height.checked_sub(wanted) {
        Some(rest) if rest >= OFFER => super::split(area, wanted),
        _ => (area, Rect { height: 0, ..area }),
    };
    if below.height > 0 {
        offer(app, paint, below);
    }
    let inner = frame(paint, area, false, "Whom a job would reach", vec![fact]);
    text::lines(paint, inner, &lines);
}

/// What a job runs, and how it is rolled out.
fn detail<'a>(app: &App, env: &Env<'_>, job: &JobRecord, room: u16) -> Vec<text::Line<'a>> {
    let theme = &app.look.theme;
    let unread = Known::default();
    let known = env.fleet.job_detail(job.id.raw());
    let mut facts = Facts::new(LABEL, usize::from(room).saturating_sub(LABEL), theme);
    let kind = if job.continuous {
        "CONTINUOUS: whoever joins the target later gets it too"
    } else {
        "SNAPSHOT: of those that were in the target"
    };
    facts.say("kind", kind, theme.text);
    let detail = match known.and_then(|known| known.get()) {
        Some(Some(detail)) => detail,
        Some(None) => {
            facts.say("document", "there is no such job any more", theme.unknown);
            return facts.lines;
        }
        None => {
            let (text, style) = lack(app, known.unwrap_or(&unread), "document and rollout");
            facts.say("document", &text, style);
            return facts.lines;
        }
    };
    match (detail.per_minute, &detail.growing) {
        (None, None) => facts.say("rollout", "no rate is set: all are told of it at once", theme.text),
        (most, growing) => {
            if let Some(n) = most {
                let things = words::plural(n as usize, "thing is", "things are");
                facts.say("rollout", &format!("at most {things} told of it a minute"), theme.text);
            }
            if let Some(growing) = growing {
                facts.say("rollout", growing.as_str(), theme.text);
            }
        }
    }
    for rule in &detail.abort {
        facts.say("abort", rule.as_str(), theme.text);
    }
    if detail.abort.is_empty() {
        facts.say("abort", "no rule: it goes on however many fail", theme.warning);
    }
    match detail.timeout_minutes {
        Some(minutes) => facts.say("timeout", &format!("{minutes} min in progress"), theme.text),
        None => facts.say("timeout", "none: what hangs stays IN_PROGRESS", theme.warning),
    }
    for rule in &detail.retries {
        facts.say("retries", rule.as_str(), theme.text);
    }
    let mut lines = facts.lines;
    lines.extend(document(&detail.document, theme));
    lines
}

/// The pane of what a job runs, and below it, where there is room, how many have finished over time.
fn runs(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, job: &JobRecord) {
    let theme = paint.theme;
    let known = env.fleet.job_detail(job.id.raw());
    let aged = known.and_then(|known| aged(known, env, theme));
    let inner = frame(paint, area, false, "What it runs", aged.into_iter().collect());
    let lines = detail(app, env, job, inner.width.saturating_sub(2));
    text::lines(paint, inner, &lines);
    let hidden = lines.len().saturating_sub(inner.height.into());
    if hidden > 0 {
        return text::below(paint, area, hidden, theme.dim);
    }
    let told = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(1);
    let (_, rest) = super::split(inner, told.min(inner.height));
    if let Some(all) = env.fleet.executions(job.id.raw()).and_then(|known| known.get())
        && rest.height > chart::LEAST
    {
        let allowed = known.and_then(|known| known.get()?.as_ref()?.per_minute);
        finished(app, env, paint, Rect { width: rest.width.saturating_sub(1), ..rest }, all, allowed);
    }
}

/// How many executions had finished when, and how many did in the busiest minute.
fn finished(
    app: &App,
    env: &Env<'_>,
    paint: &mut Paint<'_>,
    area: Rect,
    all: &[ExecutionRecord],
    allowed: Option<u32>,
) {
    let theme = paint.theme;
    let over = |e: &&ExecutionRecord| !matches!(e.status.as_str(), "QUEUED" | "IN_PROGRESS");
    let mut ends: Vec<Ms> = all.iter().filter(over).filter_map(|e| e.updated).collect();
    ends.sort_unstable();
    let Some(began) = all.iter().filter_map(|e| e.queued.or(e.started)).min() else { return };
    let busiest = ends.iter().enumerate().map(|(i, at)| {
        let (_, rest) = ends.split_at(i);
        rest.partition_point(|end| *end < at + 60_000)
    });
    let busiest = busiest.max().unwrap_or(0);
    let rate = match allowed {
        Some(allowed) => format!(", {busiest} in the busiest minute of {allowed} allowed"),
        None => format!(", {busiest} in the busiest minute"),
    };
    let text = format!("{} of {} finished{rate}", ends.len(), all.len());
    paint.text(area.x + 1, area.y, area.width.saturating_sub(1), &text, theme.label);
    let (_, plot) = super::split(area, 1);
    // A chart that is taller says no more.
    let plot = Rect { height: plot.height.min(16), ..plot };
    let cells = chart::cells(plot);
    let waiting = ends.len() < all.len();
    let last = if waiting { env.now } else { ends.last().copied().unwrap_or(env.now).min(env.now) };
    let time = chart::time(last, (last - began).max(30_000), cells);
    let step = ((time.1 - time.0) / Ms::try_from(cells).unwrap_or(1).max(1)).max(1);
    let columns: Vec<Column> = (0..cells)
        .map(|cell| {
            let end = time.0 + step * (Ms::try_from(cell).unwrap_or(0) + 1);
            match ends.partition_point(|at| *at < end) {
                0 if end <= began => Column::NotWatching,
                0 => Column::Silent,
                n => Column::Largest(u32::try_from(n).unwrap_or(u32::MAX)),
            }
        })
        .collect();
    let scale = Scale::to(u32::try_from(all.len()).unwrap_or(u32::MAX), None);
    let unit = |n: f64| words::count(n.round() as u64);
    let chart = Chart { columns: &columns, time, scale, unit, now: env.now };
    chart::draw(paint, plot, &app.look.zone, &chart);
}

/// How the chosen job is going: when each device finished, and who is not there yet; and beside it what it runs.
fn told(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, job: &JobRecord) {
    let theme = paint.theme;
    let (area, beside) = layout::cut(area, area.width * 3 / 5);
    runs(app, env, paint, beside, job);
    let mut facts = vec![part(job.status.to_string(), status_style(theme, job.status.as_str()))];
    facts.extend(env.fleet.executions(job.id.raw()).and_then(|known| aged(known, env, theme)));
    let inner = frame(paint, area, false, job.id.shown().as_str(), facts);
    let known = env.fleet.executions(job.id.raw());
    let Some(all) = read(app, known, "executions", paint, inner) else { return };
    if all.is_empty() {
        return quiet(paint, inner, "no executions: no device is a target yet");
    }
    // What is stuck is read first: the failed, then those that wait longest.
    let rank = |e: &ExecutionRecord| match e.status.as_str() {
        "FAILED" | "REJECTED" | "TIMED_OUT" => 0,
        "IN_PROGRESS" => 1,
        "QUEUED" => 2,
        _ => 3,
    };
    let since = |e: &ExecutionRecord| e.updated.or(e.started).or(e.queued);
    let mut sorted: Vec<&ExecutionRecord> = all.iter().collect();
    let order = |e: &&ExecutionRecord| (rank(e), since(e));
    // Only what there is room for is sorted, and laid out.
    let room = usize::from(inner.height.saturating_sub(1));
    if room > 0 && sorted.len() > room {
        sorted.select_nth_unstable_by_key(room, order);
        sorted.truncate(room);
    }
    sorted.sort_by_key(order);
    let clock = |at: Option<i64>| at.map(|at| words::moment(at, env.now, &app.look.zone)).unwrap_or_default();
    let wide = usize::from(inner.width).saturating_sub(58).clamp(12, 28);
    let head = format!(
        "{:<wide$} {:<12} {:>3}  {:<9} {:<9} {:<9} AGE",
        "THING", "STATUS", "#", "QUEUED", "STARTED", "UPDATED"
    );
    let mut lines = vec![vec![part(head, theme.label)]];
    for execution in sorted {
        let name =
            super::super::paint::fit(execution.thing.shown().as_str(), wide, theme.symbols.more).into_owned();
        let age = since(execution).map(|at| words::age(env.now - at)).unwrap_or_default();
        lines.push(vec![
            part(format!("{name:<wide$} "), theme.text),
            part(format!("{:<12} ", execution.status), status_style(theme, execution.status.as_str())),
            part(format!("{:>3}  ", execution.number), theme.dim),
            part(
                format!(
                    "{:<9} {:<9} {:<9} ",
                    clock(execution.queued),
                    clock(execution.started),
                    clock(execution.updated)
                ),
                theme.text,
            ),
            part(age, theme.dim),
        ]);
    }
    text::lines(paint, inner, &lines);
}

fn entry(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, job: &JobRecord) {
    let theme = paint.theme;
    let s = theme.symbols;
    let kind = if job.continuous { "CONTINUOUS" } else { "SNAPSHOT" };
    let targets = job.targets.iter().take(3).map(SafeText::to_string).collect::<Vec<_>>().join(", ");
    let parts = [
        part(format!(" {}  ", job.id.shown()), theme.brand),
        part(format!("{}  ", job.status), status_style(theme, job.status.as_str())),
        part(format!("{kind}  {} {targets}  ", s.arrow), theme.dim),
        part(job.description.as_ref().map(SafeText::to_string).unwrap_or_default(), theme.dim),
    ];
    paint.line(area.x, area.y, area.width.saturating_sub(10), &parts);
    if let Some(at) = job.updated.or(job.created) {
        let text = words::moment(at, env.now, &app.look.zone);
        paint.right(area.x, area.y, area.width.saturating_sub(1), &text, theme.dim);
    }
    if area.height < 2 {
        return;
    }
    match &job.counts {
        Some(counts) => bar(
            paint,
            Rect { x: area.x + 3, y: area.y + 1, width: area.width.saturating_sub(4), height: 1 },
            counts,
        ),
        None => {
            paint.text(
                area.x + 3,
                area.y + 1,
                area.width.saturating_sub(4),
                "progress not read yet",
                theme.unknown,
            );
        }
    }
}

pub(super) fn status_style(theme: &super::Theme, status: &str) -> Style {
    match status {
        "SUCCEEDED" | "COMPLETED" => theme.good,
        "IN_PROGRESS" | "SCHEDULED" => theme.busy,
        "FAILED" | "REJECTED" | "TIMED_OUT" => theme.alarm,
        "CANCELED" | "REMOVED" | "DELETION_IN_PROGRESS" => theme.dim,
        _ => theme.text,
    }
}

/// A bar whose parts are executions by status, and the same in words.
fn bar(paint: &mut Paint<'_>, area: Rect, counts: &JobCounts) {
    let theme = paint.theme;
    let s = theme.symbols;
    let total = counts.total();
    let bad = counts.failed + counts.rejected + counts.timed_out;
    let gone = counts.canceled + counts.removed;
    let width = (area.width / 3).clamp(8, 40);
    let cells = |n: u32| -> u16 {
        if total == 0 || n == 0 {
            return 0;
        }
        // Whatever exists is seen: at least one cell.
        ((u64::from(n) * u64::from(width) / u64::from(total)) as u16).max(1)
    };
    let parts = [
        (cells(counts.succeeded), s.bar, theme.good),
        (cells(bad), s.bar_bad, theme.alarm),
        (cells(counts.in_progress), s.bar_busy, theme.busy),
        (cells(gone), s.gap, theme.dim),
    ];
    let mut x = area.x;
    for (n, symbol, style) in parts {
        for _ in 0..n.min((area.x + width).saturating_sub(x)) {
            paint.cell(x, area.y, symbol, style);
            x += 1;
        }
    }
    while x < area.x + width {
        paint.cell(x, area.y, s.bar_empty, theme.dim);
        x += 1;
    }
    let mut text = Vec::new();
    let done = counts.succeeded;
    text.push(part(
        format!("  {done}/{total} succeeded"),
        if total > 0 && done == total { theme.good } else { theme.text },
    ));
    for (n, word, style) in [
        (counts.in_progress, "in progress", theme.busy),
        (counts.queued, "queued", theme.dim),
        (counts.failed, "failed", theme.alarm),
        (counts.rejected, "rejected", theme.alarm),
        (counts.timed_out, "timed out", theme.alarm),
        (counts.canceled, "canceled", theme.dim),
        (counts.removed, "removed", theme.dim),
    ] {
        if n > 0 {
            text.push(part(format!("  {n} {word}"), style));
        }
    }
    paint.line(x, area.y, area.right().saturating_sub(x), &text);
}

fn record<'a>(env: &Env<'a>, job: &Name) -> Option<&'a JobRecord> {
    env.fleet.jobs().get().and_then(|all| all.iter().find(|j| j.id == *job))
}

/// Where the job is, its executions below it, and beside or below them what it runs.
fn parts(area: Rect, record: Option<&JobRecord>) -> (Rect, Rect, Rect) {
    /// Columns from which two stand beside each other.
    const BESIDE: u16 = 110;
    /// Rows from which both have room, one above the other.
    const BELOW: u16 = 14;
    let (top, rest) = super::split(area, if record.is_some() && area.height >= 10 { 5 } else { 0 });
    let (list, runs) = match record {
        Some(_) if rest.width >= BESIDE => layout::cut(rest, rest.width * 3 / 5),
        Some(_) if rest.height >= BELOW => super::split(rest, rest.height - (rest.height / 2).min(12)),
        _ => (rest, Rect { height: 0, ..rest }),
    };
    (top, list, runs)
}

/// Executions there is room for.
pub(super) fn executions_page(env: &Env<'_>, area: Rect, job: &Name) -> usize {
    inside(executions_area(env, area, job)).height.into()
}

/// Where the executions of one job are.
pub(super) fn executions_area(env: &Env<'_>, area: Rect, job: &Name) -> Rect {
    parts(area, record(env, job)).1
}

/// The executions of one job.
pub(super) fn executions(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, job: &Name) {
    let theme = paint.theme;
    let record = record(env, job);
    let (top, rest, beside) = parts(area, record);
    if let Some(record) = record {
        if top.height > 0 {
            let inner = frame(paint, top, false, "Job", Vec::new());
            entry(app, env, paint, inner, record);
        }
        if beside.height > 0 {
            runs(app, env, paint, beside, record);
        }
    }
    let known = env.fleet.executions(job.raw());
    let total = known.and_then(|k| k.get()).map(Vec::len);
    let mut facts =
        vec![part(job.shown().as_str(), theme.brand), counted(app, ListId::Executions, total, theme)];
    facts.extend(filtered(app, ListId::Executions, theme));
    facts.extend(known.and_then(|known| aged(known, env, theme)));
    let inner = frame(paint, rest, true, "Executions", facts);
    let Some(all) = read(app, known, "executions", paint, inner) else { return };
    if all.is_empty() {
        return quiet(paint, inner, "no executions yet");
    }
    let line = |key| {
        let execution = all.iter().find(|e| key_of(e.thing.raw()) == key)?;
        let at = execution.updated.or(execution.started).or(execution.queued);
        let name = format!("{:<28}", execution.thing.shown());
        let parts = vec![
            part(format!(" {name} "), theme.text),
            part(format!("{:<12} ", execution.status), status_style(theme, execution.status.as_str())),
            part(format!("#{}  ", execution.number), theme.dim),
            part(at.map(|at| words::moment(at, env.now, &app.look.zone)).unwrap_or_default(), theme.dim),
        ];
        Some(parts)
    };
    text::rows(paint, rest, inner, app.list(ListId::Executions), line);
}
