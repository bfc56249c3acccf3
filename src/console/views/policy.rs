//! What policies do with what was heard of one device: what they refuse first, and by which statement.

use ratatui::layout::Rect;

use quell_fleet::account::EffectivePolicy;
use quell_fleet::flight::fly::{Flight, Flown, Outcome};
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::super::app::{App, Env, ListId, Trial};
use super::super::paint::{Paint, fit_middle, inside, part, wrap};
use super::super::words;
use super::layout::{self, Place};
use super::text::{self, Line};
use super::{Theme, absence, focus, frame, lack, quiet};

/// Rows from which the device is told too.
const ROOM: u16 = 6;
/// From this width on the statement stands beside the resource, not below it.
const BESIDE: usize = 110;

/// Where it is told, and below it, where that leaves room, the device itself: what came of the refusals is seen there.
fn parts(app: &App, env: &Env<'_>, area: Rect, name: &Name) -> (Rect, Rect) {
    let lines = told(app, env, inside(area), name).len();
    let wanted = u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(2);
    if !layout::tells(area) || area.height.saturating_sub(wanted) < ROOM {
        return (area, Rect { y: area.bottom(), height: 0, ..area });
    }
    super::split(area, wanted.max(area.height / 2))
}

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, name: &Name) {
    let theme = paint.theme;
    let (area, below) = parts(app, env, area, name);
    if below.height > 0
        && let Some(id) = env.fleet.find(name.raw())
    {
        focus::one(app, env, paint, below, id);
    }
    let mut facts = vec![part(name.shown().to_string(), theme.brand)];
    facts.push(match app.trial().and_then(Trial::proposed) {
        Some(file) => part(format!("{file}, proposed"), theme.warning),
        None => part("in effect", theme.dim),
    });
    let flown = app.trial().and_then(Trial::flown);
    if let Some(flown) = flown {
        let styles = [
            (Outcome::Refused, theme.alarm),
            (Outcome::Unknown, theme.unknown),
            (Outcome::Allowed, theme.good),
        ];
        for (outcome, style) in styles {
            let n = flown.count(outcome);
            facts.push(part(format!("{n} {}", outcome.text()), if n > 0 { style } else { theme.dim }));
        }
    }
    let inner = frame(paint, area, true, "Policy", facts);
    match flown {
        Some(_) => {
            let lines = told(app, env, inner, name);
            text::scrolled(paint, (area, inner), &lines, app.list(ListId::Text), theme.dim);
        }
        None if env.fleet.identity().get().is_none() => {
            absence(app, env.fleet.identity(), "account", paint, inner);
        }
        None => match env.fleet.policies_of(name.raw()) {
            Some(known) => absence(app, known, "policies in effect", paint, inner),
            None => quiet(paint, inner, &format!("reading policies in effect {}", theme.symbols.more)),
        },
    }
}

pub(super) fn place(app: &App, env: &Env<'_>, area: Rect, name: &Name) -> Place {
    let inner = inside(parts(app, env, area, name).0);
    Place::Text { lines: told(app, env, inner, name).len(), page: inner.height.into() }
}

fn told<'a>(app: &App, env: &Env<'_>, inner: Rect, name: &Name) -> Vec<Line<'a>> {
    let theme = &app.look.theme;
    let width = inner.width.saturating_sub(2) as usize;
    let mut lines: Vec<Line<'a>> = Vec::new();
    let Some(flown) = app.trial().and_then(Trial::flown) else { return lines };
    let mut put = |text: &str, style| {
        lines.extend(wrap(text, width).into_iter().map(|line| vec![part(line, style)]));
    };
    for (_, device) in flown.heard.devices() {
        let topics = words::plural(device.published.len(), "topic", "topics");
        let clients = words::plural(device.clients.len(), "client id", "client ids");
        let kept = words::count(flown.heard.messages());
        put(
            &format!("tried on what is known of it: {topics}, {clients}; {kept} messages are kept"),
            theme.text,
        );
        if device.assumed {
            put("no connect with a certificate was heard: it is taken to connect as itself", theme.unknown);
        }
        if device.subscriptions.is_none() {
            put("its subscriptions are not heard: quell policy try --check-aws asks AWS for them", theme.dim);
        }
    }
    for policy in &flown.unread {
        put(
            &format!("{} {policy} cannot be read: what it allows is not known", theme.symbols.warn),
            theme.warning,
        );
    }
    if app.trial().and_then(Trial::proposed).is_some() {
        let known = env.fleet.policies_of(name.raw());
        if let Some(known) = known.filter(|known| known.get().is_none()) {
            let (text, style) = lack(app, known, "policies in effect");
            put(&text, style);
        }
    }
    if flown.flights.iter().all(|flight| flight.requests.is_empty()) {
        put(
            "no policy is in effect for it, or nothing was heard of it: there is nothing to try",
            theme.unknown,
        );
    }
    for flight in &flown.flights {
        lines.push(Vec::new());
        client(&mut lines, flight, theme);
        let mut requests: Vec<&Flown> = flight.requests.iter().collect();
        requests.sort_by_key(|flown| flown.outcome);
        let longest = requests.iter().map(|flown| flown.request.resource.chars().count()).max();
        let room = longest.unwrap_or_default().clamp(12, (width / 2).max(12));
        for request in requests {
            one(&mut lines, request, flown.otherwise(flight, request), theme, (width, room));
        }
    }
    let known = env.fleet.policies_of(name.raw()).and_then(|known| known.get());
    documents(&mut lines, known.map_or(&[], Vec::as_slice), theme);
    lines
}

/// The policies in effect as they are written, each once, with what it hangs on.
fn documents(lines: &mut Vec<Line<'_>>, all: &[EffectivePolicy], theme: &Theme) {
    /// Lines of one document; AWS allows 2,048 characters of it.
    const DOCUMENT: usize = 200;
    let mut told: Vec<(&SafeText, &SafeText)> = Vec::new();
    for policy in all {
        let this = (&policy.name, &policy.hangs_on);
        if told.contains(&this) {
            continue;
        }
        let again = told.iter().any(|(name, _)| *name == &policy.name);
        told.push(this);
        lines.push(Vec::new());
        lines.push(vec![
            part(format!("policy {}", policy.name), theme.brand),
            part(format!("  by {}", policy.hangs_on), theme.dim),
        ]);
        if again {
            lines.push(vec![part("  the same as above", theme.dim)]);
            continue;
        }
        match policy.document.as_deref().map(serde_json::from_str) {
            Some(Ok(document)) => {
                let mut tree = Vec::new();
                super::tree(&document, theme, DOCUMENT, &mut tree);
                for mut line in tree {
                    line.insert(0, part("  ", theme.text));
                    lines.push(line);
                }
            }
            _ => lines.push(vec![part("  it cannot be read", theme.unknown)]),
        }
    }
}

fn client(lines: &mut Vec<Line<'_>>, flight: &Flight, theme: &Theme) {
    let id = SafeText::new(flight.client.as_deref().unwrap_or("client id not known"));
    let with = match &flight.principal {
        Some(principal) => format!("  certificate {}", quell_fleet::format::short(principal)),
        None => "  certificate not known".to_owned(),
    };
    lines.push(vec![part(format!("as {id}"), theme.brand), part(with, theme.dim)]);
}

fn one(
    lines: &mut Vec<Line<'_>>,
    flown: &Flown,
    today: Option<Outcome>,
    theme: &Theme,
    (width, room): (usize, usize),
) {
    let s = theme.symbols;
    let (shape, style) = match flown.outcome {
        Outcome::Refused => (s.cross, theme.alarm),
        Outcome::Unknown => ("?", theme.unknown),
        Outcome::Allowed => (s.check, theme.good),
    };
    let action = flown.request.action.trim_start_matches("iot:");
    let resource = SafeText::new(&flown.request.resource);
    let resource = fit_middle(resource.as_str(), room, s.more).into_owned();
    let pad = room.saturating_sub(usize::from(words::cells(&resource)));
    let times = match (flown.times.inferred, flown.times.count) {
        (true, _) => "inferred".to_owned(),
        (false, 0) => String::new(),
        (false, n) => format!("{}{}", words::count(n), s.times),
    };
    let mut why = flown.why();
    if let Some(today) = today {
        why.push_str(&format!("; {} today", today.text()));
    }
    let head = vec![
        part(format!("{shape} {:<8} ", flown.outcome.text()), style),
        part(format!("{action:<8} "), theme.text),
        part(format!("{resource}{} ", " ".repeat(pad)), theme.brand),
        part(format!("{times:>8}  "), theme.dim),
    ];
    let lead = 2 + 9 + 9 + room + 1 + 10;
    let beside = width >= BESIDE && width > lead + 24;
    let indent = if beside { lead } else { 11 };
    let why = wrap(SafeText::new(&why).as_str(), width.saturating_sub(indent));
    let style = if flown.outcome == Outcome::Allowed && today.is_none() { theme.dim } else { theme.text };
    let mut head = Some(head);
    if !beside {
        lines.extend(head.take());
    }
    for text in why {
        let mut line = head.take().unwrap_or_else(|| vec![part(" ".repeat(indent), theme.text)]);
        line.push(part(text, style));
        lines.push(line);
    }
    lines.extend(head);
}
