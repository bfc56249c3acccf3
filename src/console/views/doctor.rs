//! Is this account ready for an incident? One line for each thing it needs, with the command that mends what is not there.

use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr as _;

use quell_fleet::Device;

use super::super::app::{App, Diagnosis, DoctorLine, Env, ListId};
use super::super::paint::{Paint, Part, fit, inside, part, wrap};
use super::super::words;
use super::layout::{self, Place};
use super::{Theme, focus, frame, journal, quiet, text};

/// The column of the checks' names.
const NAME: usize = 14;

/// Where the checks are, as tall as their lines, and what is below them.
fn parts(app: &App, area: Rect) -> (Rect, Rect) {
    /// Lines of what was done that are worth a pane.
    const DONE: u16 = 5;
    let told = match app.diagnosis() {
        Diagnosis::Found(found) if layout::tells(area) => {
            lines(&app.look.theme, found, inside(area), true).len()
        }
        _ => return (area, Rect { y: area.bottom(), height: 0, ..area }),
    };
    let told = u16::try_from(told).unwrap_or(u16::MAX).saturating_add(2);
    let tall = if area.height < told.saturating_add(DONE) { area.height } else { told };
    super::split(area, tall)
}

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let told = layout::tells(area);
    let (area, below) = parts(app, area);
    if below.height > 0 {
        self::below(app, env, paint, below);
    }
    let mut facts: Vec<Part<'_>> = Vec::new();
    if let Diagnosis::Found(lines) = app.diagnosis() {
        let bad = lines.iter().filter(|l| !l.ok).count();
        facts.push(match bad {
            0 => part("ready for an incident", theme.good),
            n => part(format!("{n} of {} missing", lines.len()), theme.alarm),
        });
    }
    let inner = frame(paint, area, true, "Doctor", facts);
    let found = match app.diagnosis() {
        Diagnosis::Unknown => return quiet(paint, inner, "not looked at yet"),
        Diagnosis::Looking => {
            return quiet(paint, inner, "looking at credentials, journal, group, policies, devices");
        }
        Diagnosis::Failed(why) => return quiet(paint, inner, &format!("it could not be looked at: {why}")),
        Diagnosis::Found(found) => found,
    };
    let top = app.list(ListId::Text).top();
    for (i, line) in lines(theme, found, inner, told).iter().skip(top).take(inner.height as usize).enumerate()
    {
        paint.line(inner.x, inner.y + i as u16, inner.width.saturating_sub(1), line);
    }
}

/// What was done from here, for an account that was rehearsed in is readier than one that was not; and as far as there is room,
/// whether each device could be held alone and its silence proven.
fn below(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    /// Rows from which both have a pane.
    const BOTH: u16 = 12;
    let devices = app.rows().ids().iter().map(|id| (*id, env.fleet.device(*id)));
    let devices = devices.filter(|(_, device)| !device.is_unattributed());
    let devices: Vec<_> = devices.take(area.height.into()).collect();
    let wanted = u16::try_from(devices.len()).unwrap_or(u16::MAX).saturating_add(3);
    let (done, ready) = match area.height {
        BOTH.. => super::split(area, area.height.saturating_sub(wanted).max(area.height / 3)),
        _ => (area, Rect { y: area.bottom(), height: 0, ..area }),
    };
    let inner = frame(paint, done, false, "What was done from here", Vec::new());
    journal::all(app, env, paint, inner);
    if ready.height == 0 {
        return;
    }
    let theme = paint.theme;
    let inner = frame(paint, ready, false, "Could each be held alone?", Vec::new());
    let head = format!("{:<28} {:<44} {:<30} HEARD", "THING", "CERTIFICATE", "CONNECTS");
    let mut lines = vec![vec![part(head, theme.label)]];
    // A style may underline: what fills up a column is no part of the word.
    let gap = |text: &str, wide: usize| part(" ".repeat((wide + 1).saturating_sub(text.width())), theme.text);
    for (id, device) in devices {
        let name = fit(device.name().shown().as_str(), 28, theme.symbols.more).into_owned();
        let (certificate, style) = certificate(device, theme);
        let certificate = fit(&certificate, 44, theme.symbols.more).into_owned();
        let mut clients: Vec<_> = env.fleet.clients_of(id).collect();
        clients.sort_by_key(|client| client.client != device.name());
        let (client, of_client) = match clients.as_slice() {
            [] => ("no connect was seen".to_owned(), theme.unknown),
            [one] if one.client == device.name() => ("as itself".to_owned(), theme.text),
            [one] => (format!("as {}", one.client.shown()), theme.warning),
            all => (format!("as {} clients", all.len()), theme.warning),
        };
        let client = fit(&client, 30, theme.symbols.more).into_owned();
        let (heard, of_heard) = match (device.last_seen(), device.cadence()) {
            (None, _) => ("never: its silence would prove nothing".to_owned(), theme.warning),
            (Some(_), Some(every)) if focus::speaks(env, id) => {
                (format!("every {}", words::took(every)), theme.text)
            }
            (Some(at), _) => (format!("last {}", words::ago(env.now - at)), theme.dim),
        };
        lines.push(vec![
            part(format!("{name:<28} "), theme.brand),
            part(certificate.clone(), style),
            gap(&certificate, 44),
            part(client.clone(), of_client),
            gap(&client, 30),
            part(heard, of_heard),
        ]);
    }
    text::lines(paint, inner, &lines);
}

/// Whether a device's certificate is its own.
fn certificate(device: &Device, theme: &Theme) -> (String, Style) {
    match device.certificates().get().map(Vec::as_slice) {
        None => ("not read yet".to_owned(), theme.unknown),
        Some([]) => ("none is attached".to_owned(), theme.warning),
        Some([one]) => match one.things.len() {
            0 => ("whose else it is was not told".to_owned(), theme.unknown),
            1 => ("its own".to_owned(), theme.good),
            n => (
                format!("shared with {}: isolate by group", words::plural(n - 1, "thing", "things")),
                theme.warning,
            ),
        },
        Some(all) => (format!("{} certificates", all.len()), theme.text),
    }
}

/// The checks; with what each is needed for where that is `told`.
fn lines<'a>(theme: &Theme, found: &'a [DoctorLine], inner: Rect, told: bool) -> Vec<Vec<Part<'a>>> {
    let room = (inner.width as usize).saturating_sub(NAME + 5);
    found.iter().flat_map(|line| one(theme, line, room, told)).collect()
}

pub(super) fn place(app: &App, area: Rect) -> Place {
    let inner = inside(parts(app, area).0);
    let lines = match app.diagnosis() {
        Diagnosis::Found(found) => lines(&app.look.theme, found, inner, layout::tells(area)).len(),
        _ => 0,
    };
    Place::Text { lines, page: inner.height.into() }
}

/// A check; with what it is needed for where that is `told`.
fn one<'a>(theme: &Theme, line: &'a DoctorLine, room: usize, told: bool) -> Vec<Vec<Part<'a>>> {
    let s = theme.symbols;
    let (shape, style) = if line.ok { (s.check, theme.good) } else { (s.cross, theme.alarm) };
    let mut out = Vec::new();
    for (i, text) in wrap(line.text.as_str(), room).into_iter().enumerate() {
        let lead = if i == 0 { format!(" {shape} {:<NAME$}", line.check) } else { " ".repeat(NAME + 3) };
        out.push(vec![part(lead, style), part(text, theme.text)]);
    }
    if let Some(needed) = needed_for(line.check).filter(|_| told) {
        for text in wrap(needed, room) {
            out.push(vec![part(" ".repeat(NAME + 3), theme.dim), part(text, theme.dim)]);
        }
    }
    if let Some(mend) = &line.mend {
        for (i, text) in wrap(mend.as_str(), room.saturating_sub(2)).into_iter().enumerate() {
            let lead = if i == 0 { "> " } else { "  " };
            out.push(vec![part(format!("{}{lead}", " ".repeat(NAME + 3)), theme.dim), part(text, theme.key)]);
        }
    }
    out
}

/// What an incident needs it for.
fn needed_for(check: &str) -> Option<&'static str> {
    Some(match check {
        "journal" => {
            "nothing is sent before it is written there; undo, finish and the report are made from it"
        }
        "credentials" => "every request is made as this identity, and the journal names it",
        "clock" => {
            "AWS refuses requests signed at another time, and the times of alarms could not be compared"
        }
        "mode" => "read-only, quell plans and sends nothing",
        "telemetry" => "what is heard shows an incident before AWS does, and proves the silence after it",
        "isolation" => "a device is isolated by joining this group: without a deny, membership stops nothing",
        "quarantine" => "a member of it is shown as isolated only as far as its policies deny",
        "remedy" => "an update is offered to this group: whoever joins it gets the job",
        "detect" => "what AWS calls normal is written there: without it AWS raises no alarm",
        "violations" => "AWS's alarms are read there every few seconds",
        "principals" => "a device is told from its clones, and cut off for good, by its certificate",
        "certificates" => "to deactivate or revoke one that is shared stops every device that uses it",
        "crashes" => "what never came to its end may have left a device half isolated",
        _ => return None,
    })
}
