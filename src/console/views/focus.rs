//! The device under the cursor, beside the list it stands in: its sizes over time with their scale, what is said against it
//! and by whom first, and what it connects with. What is enough to decide on is here; `Enter` shows all of it.

use ratatui::layout::Rect;

use quell_fleet::state::{Containment, Hearing};
use quell_fleet::text::SafeText;
use quell_fleet::{Agreement, DeviceId};

use super::super::app::{App, Env};
use super::super::paint::{Paint, part, wrap};
use super::super::words;
use super::chart;
use super::spark;
use super::text::{self, Line};
use super::violations::against;
use super::{Theme, frame, lasting, of_now, quiet, said, split};

/// Rows it would like: a chart that can be read, and what is usually said.
pub(super) const ROOM: u16 = 20;
/// A chart that is taller says no more.
const TALLEST: u16 = 20;

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let Some(id) = app.focused_device(env) else {
        let inner = frame(paint, area, false, "Device", Vec::new());
        return quiet(paint, inner, "no device is chosen");
    };
    one(app, env, paint, area, id);
}

/// The pane of a device.
pub(super) fn one(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, id: DeviceId) {
    let theme = paint.theme;
    let device = env.fleet.device(id);
    let (word, style) = said(env, theme, id, 30);
    let mut title = vec![part(format!(" {word} "), style)];
    title.extend(lasting(env, id).map(|text| part(text, theme.dim)));
    let inner = frame(paint, area, false, device.name().shown().as_str(), title);
    let lines = lines(app, env, id, theme, inner.width.saturating_sub(2).into());
    let wanted = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(1);
    let room = inner.height.saturating_sub(wanted).clamp(chart::LEAST + 2, TALLEST);
    let drawn = device.last_seen().is_some() && inner.height >= 2 * chart::LEAST;
    let (above, below) = split(inner, if drawn { room } else { 0 });
    if drawn {
        sizes(app, env, paint, Rect { width: above.width.saturating_sub(1), ..above }, id, 0);
    }
    text::lines(paint, below, &lines);
}

/// A device's sizes over the time the sparklines show, or somewhat longer at first; as high as `most` at least.
pub(super) fn sizes(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, id: DeviceId, most: u32) {
    /// A column that stands for less moves on more often than anything new is heard.
    const LEAST: i64 = 1_250;
    let span = spark::span(env).max(LEAST * i64::try_from(chart::cells(area)).unwrap_or(0));
    chart::sizes(app, env, paint, area, (id, span), most);
}

fn lines<'a>(app: &App, env: &Env<'_>, id: DeviceId, theme: &Theme, width: usize) -> Vec<Line<'a>> {
    let device = env.fleet.device(id);
    let mut lines: Vec<Line<'a>> = Vec::new();
    let mut say = |text: &str, style| {
        lines.extend(wrap(text, width).into_iter().map(|line| vec![part(line, style)]));
    };
    let clock = |at| words::moment(at, env.now, &app.look.zone);
    let facets = env.fleet.facets(id);
    if !matches!(facets.containment, Containment::None) {
        let (why, style) = super::why::why(app, env, id, theme);
        say(&why, style);
    }
    let violations =
        device.violations().iter().filter_map(|i| env.fleet.violations().get()?.get(*i as usize));
    for violation in violations.take(3) {
        let name = SafeText::new(&violation.behavior.name);
        say(&format!("{name}: {}", against(&violation.behavior, violation.value.as_ref())), theme.alarm);
        say(&first_seen(env.fleet.ours_on(violation), violation.started, &clock), theme.text);
    }
    let own = env.fleet.findings_alone().filter(|f| f.device == id);
    for finding in own.take(3) {
        let name = SafeText::new(&finding.behavior.name);
        say(&format!("{name}: {}", against(&finding.behavior, Some(&finding.value))), theme.warning);
        let aws = match env.fleet.aws_on(finding, env.now) {
            _ if !app.look.aws => "no AWS to agree (--no-aws)".to_owned(),
            Agreement::Open(text) | Agreement::Differ(text) => format!("AWS: {text}"),
            Agreement::Agree { aws, .. } => format!("by AWS {}", clock(aws)),
        };
        say(&format!("first seen by quell {}; {aws}", clock(finding.found)), theme.text);
    }
    for warning in device.warnings().iter().take(2) {
        say(warning.sentence.as_str(), theme.warning);
    }
    if let Hearing::NotListening { why, since } = facets.hearing {
        say(&format!("not listening since {}: {why}", clock(since)), theme.warning);
    }
    certificates(app, env, id, theme, &mut say);
    connection(env, id, theme, &clock, &mut say);
    let heard = match (device.last_seen(), device.cadence()) {
        (Some(_), Some(every)) if speaks(env, id) => format!("heard every {}", words::took(every)),
        (Some(at), Some(every)) => {
            format!("last heard {}, usually every {}", words::ago(env.now - at), words::took(every))
        }
        (Some(at), None) => format!("heard {}", words::ago(env.now - at)),
        (None, _) => String::new(),
    };
    if device.last_seen().is_none() {
        let besides = facets.life.signs.last_besides_telemetry();
        let besides = besides.map(|(sign, at)| format!("; {} {}", sign.word(), words::ago(env.now - at)));
        say(&format!("no telemetry was heard{}", besides.unwrap_or_default()), theme.text);
    }
    let topics: Vec<&str> =
        device.topics().iter().filter_map(|t| env.fleet.topic(*t)).map(|t| t.text()).take(3).collect();
    if !topics.is_empty() {
        say(&format!("{heard} on {}", topics.join(", ")), theme.dim);
    }
    if let Some(groups) = device.groups().get().filter(|all| !all.is_empty()) {
        let names: Vec<String> = groups.iter().map(|g| g.shown().to_string()).collect();
        say(&format!("in {}", names.join(", ")), theme.dim);
    }
    lines
}

/// Who said it first, with both times.
fn first_seen(agreement: Agreement, started: i64, clock: &impl Fn(i64) -> String) -> String {
    match agreement {
        Agreement::Agree { ours, aws } if ours <= aws => {
            format!("first seen by quell {}, by AWS {}", clock(ours), clock(aws))
        }
        Agreement::Agree { ours, aws } => {
            format!("first seen by AWS {}, by quell {}", clock(aws), clock(ours))
        }
        Agreement::Open(text) | Agreement::Differ(text) => {
            format!("by AWS since {}; quell: {text}", clock(started))
        }
    }
}

fn certificates(
    app: &App,
    env: &Env<'_>,
    id: DeviceId,
    theme: &Theme,
    say: &mut impl FnMut(&str, ratatui::style::Style),
) {
    let device = env.fleet.device(id);
    let Some(all) = device.certificates().get() else {
        if let Some(trouble) = device.certificates().trouble() {
            say(&format!("certificate unknown: {}", super::reason(trouble)), theme.unknown);
        } else if app.look.aws && !device.is_unattributed() {
            say(&format!("reading its certificate {}", theme.symbols.more), theme.dim);
        }
        return;
    };
    if all.is_empty() {
        say("no certificate", theme.warning);
    }
    for certificate in all {
        let short: String = certificate.id.chars().take(8).collect();
        let status = certificate.status.as_str().to_lowercase();
        let style = if certificate.status.as_str() == "ACTIVE" { theme.text } else { theme.warning };
        let others: Vec<String> = certificate
            .things
            .iter()
            .filter(|t| *t != device.name())
            .map(|t| t.shown().to_string())
            .collect();
        let also = match others.as_slice() {
            [] => String::new(),
            few if few.len() <= 3 => format!(", also of {}", few.join(", ")),
            [first, ..] => format!(", also of {first} and {} more", others.len() - 1),
        };
        let style = if others.is_empty() { style } else { theme.warning };
        say(&format!("certificate {}{} {status}{also}", SafeText::new(&short), theme.symbols.more), style);
    }
}

/// Whether a device is heard at its interval: not one whose telemetry stays away, whatever else is seen of it, nor one that nobody
/// listens to.
pub(super) fn speaks(env: &Env<'_>, id: DeviceId) -> bool {
    !env.fleet.device(id).is_overdue(env.now) && env.fleet.facets(id).hearing.since().is_some()
}

/// As whom it is connected: client ids that were seen, never the thing's name by assumption. Those that share its certificate
/// under the names of other things are theirs.
fn connection(
    env: &Env<'_>,
    id: DeviceId,
    theme: &Theme,
    clock: &impl Fn(i64) -> String,
    say: &mut impl FnMut(&str, ratatui::style::Style),
) {
    let device = env.fleet.device(id);
    let all: Vec<_> = env.fleet.clients_of(id).collect();
    let mut connected: Vec<_> = all.iter().filter(|client| client.connected).collect();
    connected.sort_by_key(|client| client.client != device.name());
    match (connected.as_slice(), all.last()) {
        ([client, others @ ..], _) => {
            let others: Vec<_> =
                others.iter().take(3).map(|other| other.client.shown().to_string()).collect();
            let others =
                if others.is_empty() { String::new() } else { format!(", and as {}", others.join(", ")) };
            let text = format!("connected as {} since {}{others}", client.client.shown(), clock(client.at));
            let (text, old) = of_now(env, &text);
            say(&text, if old { theme.dim } else { theme.text });
        }
        ([], Some(last)) => {
            // The reason is that of the client of the thing's own name.
            let presence = device.presence().filter(|_| *last.client == *device.name());
            let why = presence.and_then(|p| p.reason()).map(|r| format!(": {r}")).unwrap_or_default();
            let (text, old) = of_now(env, &format!("not connected since {}{why}", clock(last.at)));
            say(&text, if old { theme.dim } else { theme.warning });
        }
        ([], None) => say("no presence event heard", theme.dim),
    }
    if let Some(at) = device.presence().and_then(|p| p.refused_at()) {
        say(&format!("refused to connect {}", words::ago(env.now - at)), theme.warning);
    }
}
