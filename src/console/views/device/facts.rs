//! A device's facts: what was heard, its certificates and groups, what it is judged to be and why.

use ratatui::layout::Rect;

use quell_fleet::DeviceId;
use quell_fleet::state::{Containment, Denies, Health, Hearing, Sign, Voice};
use quell_fleet::text::SafeText;

use super::super::super::app::{App, Env, ListId};
use super::super::super::paint::{Paint, Part, part, wrap};
use super::super::super::theme::Theme;
use super::super::super::words;
use super::super::frame;
use super::super::spark::{self, Scale};
use super::super::{left, of_now, split, text};

pub(super) fn draw(
    app: &App,
    env: &Env<'_>,
    paint: &mut Paint<'_>,
    area: Rect,
    id: DeviceId,
    title: Vec<Part<'_>>,
    lines: &[Vec<Part<'_>>],
) {
    let theme = paint.theme;
    let device = env.fleet.device(id);
    let inner = frame(paint, area, true, device.name().shown().as_str(), title);
    let chart = chart_height(inner);
    if chart > 0 && inner.width > 12 {
        let scale = Scale::of(app, env, device.max().unwrap_or(0));
        let line = Rect { x: inner.x + 1, y: inner.y, width: inner.width - 2, height: 1 };
        spark::draw(env, paint, line, id, spark::span(env), &scale);
        let limit = scale.limit.map(|l| format!(", limit {}", words::bytes(l.at))).unwrap_or_default();
        let text = format!(
            "message size, {}, max {}{limit}",
            spark::span_words(spark::span(env)),
            words::bytes(f64::from(scale.most))
        );
        if chart > 1 {
            paint.text(inner.x + 1, inner.y + 1, inner.width - 2, &text, theme.dim);
        }
    }
    text::scrolled(paint, (area, text_area(inner)), lines, app.list(ListId::Text), theme.dim);
}

fn chart_height(inner: Rect) -> u16 {
    if inner.height >= 8 { 2 } else { u16::from(inner.height >= 4) }
}

/// Where the facts are, below the chart.
pub(super) fn text_area(inner: Rect) -> Rect {
    split(inner, chart_height(inner)).1
}

fn label<'a>(text: &str, theme: &Theme) -> Part<'a> {
    part(format!("{text:<13}"), theme.dim)
}

pub(super) fn lines<'a>(app: &App, env: &Env<'a>, id: DeviceId, theme: &Theme) -> Vec<Vec<Part<'a>>> {
    let s = theme.symbols;
    let device = env.fleet.device(id);
    let mut lines = answers(app, env, id, theme);
    let heard = match (device.last_seen(), device.cadence()) {
        (Some(at), Some(every)) => {
            format!("{}, usually every {}", words::ago(env.now - at), words::took(every))
        }
        (Some(at), None) => words::ago(env.now - at),
        _ => "never".to_owned(),
    };
    lines.push(vec![label("last heard", theme), part(heard, theme.text)]);
    let size = |v: Option<u32>| v.map_or("?".to_owned(), |v| words::bytes(f64::from(v)));
    let sizes =
        format!("last {}, p50 {}, max {}", size(device.last_len()), size(device.p50()), size(device.max()));
    lines.push(vec![label("size", theme), part(sizes, theme.text)]);
    let total =
        format!("{} messages, {}", words::count(device.received()), words::bytes(device.bytes() as f64));
    lines.push(vec![label("received", theme), part(total, theme.text)]);
    let connected = device.connected().map(|yes| {
        let why = device.presence().and_then(|p| p.reason()).filter(|_| !yes);
        let why = why.map(|r| format!(": {r}")).unwrap_or_default();
        let (text, old) = of_now(env, &format!("{}{why}", if yes { "yes" } else { "no" }));
        part(
            text,
            if old {
                theme.dim
            } else if yes {
                theme.good
            } else {
                theme.warning
            },
        )
    });
    let connected = connected.unwrap_or_else(|| part("? (no presence event heard)", theme.unknown));
    lines.push(vec![label("connected", theme), connected]);
    if let Some(at) = device.presence().and_then(|p| p.refused_at()) {
        let text = format!("tried to connect and was refused {}", words::ago(env.now - at));
        lines.push(vec![label("", theme), part(text, theme.warning)]);
    }
    lines.extend(clients(env, id, theme));
    match device.certificates().get() {
        Some(all) if all.is_empty() => {
            lines.push(vec![label("certificate", theme), part("none", theme.warning)]);
        }
        Some(all) => {
            for certificate in all {
                let short: String = certificate.id.chars().take(8).collect();
                let style = if certificate.status.as_str() == "ACTIVE" { theme.text } else { theme.warning };
                let mut line = vec![
                    label("certificate", theme),
                    part(format!("{}{} ", SafeText::new(&short), s.more), theme.text),
                    part(certificate.status.as_str().to_owned(), style),
                ];
                let others: Vec<_> = certificate
                    .things
                    .iter()
                    .filter(|t| *t != device.name())
                    .map(|t| t.shown().to_string())
                    .collect();
                if !others.is_empty() {
                    line.push(part(format!("  serves also: {}", others.join(", ")), theme.warning));
                }
                lines.push(line);
            }
        }
        None => lines.push(vec![label("certificate", theme), unknown(app, device.certificates(), theme)]),
    }
    match device.groups().get() {
        Some(all) if all.is_empty() => lines.push(vec![label("groups", theme), part("none", theme.dim)]),
        Some(all) => {
            let names = all.iter().map(|g| g.shown().to_string()).collect::<Vec<_>>().join(", ");
            lines.push(vec![label("groups", theme), part(names, theme.text)]);
        }
        None => lines.push(vec![label("groups", theme), unknown(app, device.groups(), theme)]),
    }
    if let Some((at, accepted)) = device.agent_report() {
        let word = if accepted { "accepted" } else { "rejected" };
        let text = format!("report {word} {}", words::ago(env.now - at));
        lines
            .push(vec![label("agent", theme), part(text, if accepted { theme.text } else { theme.warning })]);
    }
    for violation in device.violations().iter().filter_map(|i| env.fleet.violations().get()?.get(*i as usize))
    {
        let name = SafeText::new(&violation.behavior.name).to_string();
        lines.push(vec![
            label("in alarm", theme),
            part(name, theme.alarm),
            part(format!("  for {}", words::age(env.now - env.fleet.alarm_since(violation))), theme.dim),
        ]);
        for text in super::super::violations::sentence(&violation.behavior, 60) {
            lines.push(vec![label("", theme), part(text, theme.text)]);
        }
        let got =
            super::super::violations::got(violation.behavior.metric.as_deref(), violation.value.as_ref());
        lines.push(vec![label("", theme), part(format!("got {got}"), theme.alarm)]);
    }
    for finding in env.fleet.own_findings().iter().filter(|f| f.thing == *device.name()) {
        lines.push(vec![
            label("finding", theme),
            part(SafeText::new(&finding.behavior.name).to_string(), theme.warning),
            part(format!("  by quell, for {}", words::age(env.now - finding.found)), theme.dim),
        ]);
        let got = super::super::violations::got(finding.behavior.metric.as_deref(), Some(&finding.value));
        lines.push(vec![label("", theme), part(format!("got {got}"), theme.warning)]);
    }
    if let Some(cloned) = env.fleet.cloned_of(id) {
        for (i, line) in wrap(&cloned.sentence(), 60).into_iter().enumerate() {
            lines.push(vec![label(if i == 0 { "finding" } else { "" }, theme), part(line, theme.warning)]);
        }
        let text = format!("by quell, for {}", words::age(env.now - cloned.found));
        lines.push(vec![label("", theme), part(text, theme.dim)]);
    }
    if let Some(sweep) = app.sweep_of(device.name()) {
        lines.push(vec![label("left behind", theme), part(sweep.summary(), theme.text)]);
        for line in left::one(sweep, theme, 60) {
            lines.push(std::iter::once(label("", theme)).chain(line).collect());
        }
    }
    for warning in device.warnings() {
        for (i, line) in wrap(warning.sentence.as_str(), 60).into_iter().enumerate() {
            lines.push(vec![label(if i == 0 { "warning" } else { "" }, theme), part(line, theme.warning)]);
        }
    }
    lines
}

/// Every client id seen with its principals: a thing's name is not its client id.
fn clients<'a>(env: &Env<'a>, id: DeviceId, theme: &Theme) -> Vec<Vec<Part<'a>>> {
    /// The latest of them; a fleet may share a certificate.
    const SHOWN: usize = 6;
    let mut all: Vec<_> = env.fleet.clients_of(id).collect();
    all.reverse();
    let own = env.fleet.device(id).name();
    if all.is_empty() {
        return vec![vec![label("client id", theme), part("? never seen to connect", theme.unknown)]];
    }
    let mut lines: Vec<Vec<Part<'a>>> = Vec::new();
    for client in all.iter().take(SHOWN) {
        let style = if client.client == own { theme.text } else { theme.warning };
        let (word, tone) =
            if client.connected { ("connected", theme.good) } else { ("not connected", theme.dim) };
        let (word, old) = of_now(env, word);
        let tone = if old { theme.dim } else { tone };
        let last = if client.connected { "" } else { ", last" };
        let from = client.address.map(|address| format!("{last} from {address}")).unwrap_or_default();
        lines.push(vec![
            label(if lines.is_empty() { "client id" } else { "" }, theme),
            part(format!("{}  ", client.client.shown()), style),
            part(word, tone),
            part(from, theme.dim),
        ]);
    }
    if all.len() > SHOWN {
        lines.push(vec![label("", theme), part(format!("and {} more", all.len() - SHOWN), theme.dim)]);
    }
    lines
}

/// The four answers, each with its evidence: what the word was made of.
fn answers<'a>(app: &App, env: &Env<'a>, id: DeviceId, theme: &Theme) -> Vec<Vec<Part<'a>>> {
    let (facets, now) = (env.fleet.facets(id), env.now);
    let clock = |at| words::moment(at, now, &app.look.zone);
    let hearing = match facets.hearing {
        Hearing::Listening { since } => part(format!("listening since {}", clock(since)), theme.text),
        Hearing::NotListening { why, since } => {
            part(format!("not listening since {}: {why}", clock(since)), theme.warning)
        }
        Hearing::Unknown(why) => part(format!("? {why}"), theme.unknown),
    };
    let signs: Vec<String> = Sign::ALL
        .into_iter()
        .filter_map(|sign| {
            facets.life.signs.of(sign).map(|at| format!("{} {}", sign.word(), words::ago(now - at)))
        })
        .collect();
    let voice = match facets.life.voice {
        Voice::Heard if signs.is_empty() => "heard".to_owned(),
        Voice::Heard => String::new(),
        Voice::Silent => "silent".to_owned(),
        Voice::NoData => "no telemetry".to_owned(),
        Voice::Unknown(_) if signs.is_empty() => "? never listened to".to_owned(),
        Voice::Unknown(_) => String::new(),
    };
    let life: Vec<String> = std::iter::once(voice).filter(|v| !v.is_empty()).chain(signs).collect();
    let health = match facets.health {
        Health::Alarm { violations } => {
            part(words::plural(violations, "violation by AWS", "violations by AWS"), theme.alarm)
        }
        Health::Finding { findings } => {
            part(words::plural(findings.into(), "finding by quell", "findings by quell"), theme.warning)
        }
        Health::Warning(_) => part("out of its own ordinary, by quell", theme.warning),
        Health::Fine => part("nothing against it", theme.text),
        Health::Unknown(why) => part(format!("? {why}"), theme.unknown),
    };
    let label = |text: &str| super::facts::label(text, theme);
    let mut lines = vec![
        vec![label("hearing"), hearing],
        vec![label("life"), part(life.join(", "), theme.text)],
        vec![label("health"), health],
    ];
    let (text, style) = super::super::why::why(app, env, id, theme);
    match facets.containment {
        Containment::None => lines.push(vec![label("containment"), part("none asked for", theme.dim)]),
        _ => lines.push(vec![label("containment"), part(text, style)]),
    }
    if let Containment::InGroup { group, since, denies, .. } = facets.containment {
        let held = match denies {
            Denies::Yes { by, .. } => format!("denies by {by}"),
            Denies::No { read } => format!("denies nothing, read {}", words::ago(now - read)),
            Denies::NoCertificate { .. } => "reaches nothing: no certificate".to_owned(),
            Denies::Unknown(why) => format!("denies ? ({why})"),
        };
        let text = format!("in {} since {}, {held}", group.shown(), clock(since));
        lines.push(vec![label(""), part(text, theme.text)]);
    }
    lines
}

fn unknown<'a, T>(app: &App, known: &quell_fleet::known::Known<T>, theme: &Theme) -> Part<'a> {
    match known.trouble() {
        Some(trouble) => part(format!("? {}", super::super::reason(trouble)), theme.unknown),
        None if !app.look.aws => part("? no AWS control plane", theme.dim),
        None => part(theme.symbols.more, theme.dim),
    }
}
