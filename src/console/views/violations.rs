//! Violations: what was expected, what came instead, in a sentence.

use ratatui::layout::{Position, Rect};

use quell_fleet::model::{Name, Violation, ViolationEvent};
use quell_fleet::text::SafeText;
use quell_fleet::{Agreement, ClonedIdentity, Finding, SourceId};
use quell_rules::detect::model::{Behavior, ComparisonOperator, MetricValue};

use super::super::app::{App, Env, ListId, cloned_key, finding_key, key_of};
use super::super::paint::{Paint, inside, part, wrap};
use super::super::words;
use super::{absence, aged, filtered, frame, layout, quiet, read, scroll_bar, text, values};

/// Where things are in the view of violations.
pub(super) struct Parts {
    pub(super) active: Rect,
    /// Those that are over.
    past: Rect,
    /// What is told of the chosen one.
    told: Rect,
}

/// The active ones, the past ones below them, and beside both what is told of the chosen one.
pub(super) fn parts(env: &Env<'_>, area: Rect) -> Parts {
    let (list, told) = if layout::tells(area) {
        layout::cut(area, area.width * 52 / 100)
    } else {
        (area, Rect { width: 0, ..area })
    };
    if list.height < 16 {
        return Parts { active: list, past: Rect { height: 0, ..list }, told };
    }
    // As tall as what is active, as long as what is over has some room too.
    let active = env.fleet.violations().get().map_or(0, Vec::len) + env.fleet.findings_alone().count();
    let rows = |lines: usize| u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(2);
    let past = rows(env.fleet.violation_events().get().map_or(1, Vec::len)).min(list.height / 3);
    let (least, most) =
        if told.width > 0 { (8, list.height - past) } else { (list.height / 2, list.height / 2) };
    let (active, past) =
        super::split(list, rows(active * usize::from(tall(true))).clamp(least, most.max(least)));
    Parts { active, past, told }
}

/// Lines of an entry.
fn tall(wide: bool) -> u16 {
    if wide { 3 } else { 2 }
}

/// quell's findings of both kinds.
fn findings(env: &Env<'_>) -> usize {
    env.fleet.own_findings().len() + env.fleet.cloned().len()
}

/// Detect's silence has a reason, and quell's findings stand below it: whether that line is there.
fn silence_is_told(env: &Env<'_>, inner: Rect) -> bool {
    let found = findings(env) > 0;
    env.fleet.violations().get().is_none() && found && inner.height > 4
}

/// Entries there is room for.
pub(super) fn page(env: &Env<'_>, area: Rect, wide: bool) -> usize {
    let inner = inside(area);
    ((inner.height - u16::from(silence_is_told(env, inner))) / tall(wide)).max(1).into()
}

/// The entry at a place, from the first in sight.
pub(super) fn row(env: &Env<'_>, area: Rect, at: Position, wide: bool) -> Option<(ListId, usize)> {
    let inner = inside(area);
    let below = at.y.checked_sub(inner.y + u16::from(silence_is_told(env, inner)))?;
    inner.contains(at).then(|| (ListId::Violations, usize::from(below / tall(wide))))
}

/// Draws the active ones in a pane of the overview.
pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, focused: bool) {
    draw_active(app, env, paint, area, focused, false);
}

/// Draws all there is about violations.
pub(super) fn draw_all(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let Parts { active, past, told } = parts(env, area);
    draw_active(app, env, paint, active, true, true);
    let mut past = past;
    if told.width > 0 {
        detail(app, env, paint, told);
    } else if past.height >= values::ROWS + 4 {
        let (metric, below) = super::split(past, values::ROWS);
        values::draw(app, env, paint, metric);
        past = below;
    }
    if past.height > 0 {
        draw_past(app, env, paint, past);
    }
}

/// How bad the chosen one is, since when, and who says so.
fn detail(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let Some(chosen) = Chosen::of(app, env) else {
        return judged(env, paint, area);
    };
    let title = vec![part(chosen.title(), chosen.style(theme))];
    let inner = frame(paint, area, false, chosen.thing.shown().as_str(), title);
    let room = usize::from(inner.width.saturating_sub(2));
    let mut lines: Vec<text::Line<'_>> = Vec::new();
    let mut say =
        |text: &str, style| lines.extend(wrap(text, room).into_iter().map(|l| vec![part(l, style)]));
    match &chosen.by {
        By::Breach(breach) => {
            say(&super::normal(breach.behavior), theme.text);
            let got = format!(
                "got {}, for {}",
                got(breach.behavior.metric.as_deref(), breach.value),
                words::age(env.now - chosen.since)
            );
            say(&got, chosen.style(theme));
            let (text, style) = breach.said(app, env, theme);
            say(&text, style);
            say(&format!("profile {}", breach.profile), theme.dim);
            if let Judge::Aws(Violation { verification: Some(verdict), note, .. }) = breach.judge {
                let note = note.as_ref().filter(|note| !note.is_empty());
                let note = note.map(|note| format!(": {note}")).unwrap_or_default();
                say(&format!("judged {verdict}{note}"), theme.text);
            }
        }
        By::Cloned(found) => {
            say(&found.sentence(), theme.text);
            let ago = |at| words::age(env.now - at);
            let seen = format!("found {} ago, last sign {} ago, by quell", ago(found.found), ago(found.last));
            say(&seen, chosen.style(theme));
        }
    }
    if let Some(id) = env.fleet.find(chosen.thing.raw()) {
        let (word, style) = super::said(env, theme, id, 40);
        let (why, _) = super::why::why(app, env, id, theme);
        lines.push(vec![part("now ", theme.dim), part(word, style), part(format!("  {why}"), theme.text)]);
    }
    let told = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    text::lines(paint, inner, &lines);
    let (_, rest) = super::split(inner, told.saturating_add(1).min(inner.height));
    let (traces, rest) = super::split(rest, (rest.height * 3 / 5).clamp(rest.height.min(10), 24));
    let metric = match &chosen.by {
        By::Breach(breach) => values::Metered::of(chosen.thing, breach.behavior),
        // How large its messages are is what tells the two apart most often.
        By::Cloned(_) => Some(values::Metered::sizes(chosen.thing)),
    };
    match metric {
        Some(metered) => values::charts(app, env, paint, traces, &metered),
        None => quiet(paint, traces, "it is about no metric"),
    }
    let (_, rest) = super::split(rest, rest.height.min(1));
    let (done, rest) = super::split(rest, DONE + 1);
    let below = headed(paint, done, "What was done");
    super::journal::of_thing(app, env, paint, below, chosen.thing);
    let below = headed(paint, rest, "Earlier, of this thing");
    past_of(app, env, paint, below, chosen.thing);
}

/// Lines told of what was done to a thing.
const DONE: u16 = 4;

/// A heading in a pane; what is below it.
fn headed(paint: &mut Paint<'_>, area: Rect, title: &str) -> Rect {
    if area.height > 0 {
        paint.text(area.x + 1, area.y, area.width.saturating_sub(2), title, paint.theme.brand);
    }
    super::split(area, 1).1
}

/// What is judged, where nothing is against anybody: an empty list is good news as far as this goes.
fn judged(env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let inner = frame(paint, area, false, "What is judged", Vec::new());
    let Some(profiles) = env.fleet.profiles().get() else {
        return quiet(paint, inner, "the security profiles are not read yet");
    };
    let room = usize::from(inner.width.saturating_sub(4));
    let mut lines: Vec<text::Line<'_>> = Vec::new();
    for profile in profiles {
        let targets = words::plural(profile.targets.len(), "target", "targets");
        lines.push(vec![part(profile.name.as_str(), theme.brand), part(format!("  {targets}"), theme.dim)]);
        for behavior in &profile.behaviors {
            let name = SafeText::new(&behavior.name);
            let text = format!("{name}: {}", super::normal(behavior));
            lines.extend(
                wrap(&text, room).into_iter().map(|line| vec![part(format!("  {line}"), theme.text)]),
            );
            let heard = super::behavior::heard(behavior, env);
            if let Some(heard) = &heard {
                let devices = words::plural(heard.values.len(), "device", "devices");
                let text = format!("  {devices} heard, {} outside now", heard.outside);
                lines.push(vec![part(text, if heard.outside > 0 { theme.alarm } else { theme.good })]);
            }
            for doubt in super::behavior::doubts(behavior, heard.as_ref()) {
                let text = format!("{} {doubt}", theme.symbols.warn);
                lines.extend(
                    wrap(&text, room).into_iter().map(|line| vec![part(format!("  {line}"), theme.warning)]),
                );
            }
        }
        lines.push(Vec::new());
    }
    text::lines(paint, inner, &lines);
}

/// The entry under the cursor, whoever says it.
struct Chosen<'a> {
    thing: &'a Name,
    since: quell_fleet::Ms,
    by: By<'a>,
}

/// What is told of the thing.
enum By<'a> {
    Breach(Breach<'a>),
    Cloned(&'a ClonedIdentity),
}

/// A behaviour that a thing does not keep.
struct Breach<'a> {
    profile: &'a SafeText,
    behavior: &'a Behavior,
    value: Option<&'a MetricValue>,
    judge: Judge<'a>,
}

/// Who says it.
enum Judge<'a> {
    Aws(&'a Violation),
    Quell(&'a Finding),
}

impl<'a> Chosen<'a> {
    fn of(app: &App, env: &Env<'a>) -> Option<Self> {
        let cursor = app.list(ListId::Violations).chosen()?;
        let active = env.fleet.violations().get().into_iter().flatten();
        if let Some(v) = active.into_iter().find(|v| key_of(&v.id) == cursor) {
            let (profile, behavior, value) = (&v.profile, &v.behavior, v.value.as_ref());
            let by = By::Breach(Breach { profile, behavior, value, judge: Judge::Aws(v) });
            return Some(Self { thing: &v.thing, since: env.fleet.alarm_since(v), by });
        }
        if let Some(f) = env.fleet.own_findings().iter().find(|f| finding_key(f) == cursor) {
            let (profile, behavior, value) = (&f.profile, &f.behavior, Some(&f.value));
            let by = By::Breach(Breach { profile, behavior, value, judge: Judge::Quell(f) });
            return Some(Self { thing: &f.thing, since: f.found, by });
        }
        let found = env.fleet.cloned().iter().find(|f| cloned_key(f) == cursor)?;
        Some(Self { thing: &found.thing, since: found.found, by: By::Cloned(found) })
    }

    fn title(&self) -> String {
        match &self.by {
            By::Breach(breach) => SafeText::new(&breach.behavior.name).to_string(),
            By::Cloned(found) => found.text().to_owned(),
        }
    }

    fn style(&self, theme: &super::Theme) -> ratatui::style::Style {
        match self.by {
            By::Breach(Breach { judge: Judge::Aws(_), .. }) => theme.alarm,
            By::Breach(_) | By::Cloned(_) => theme.warning,
        }
    }
}

impl Breach<'_> {
    /// What the other side says, and who was first.
    fn said(&self, app: &App, env: &Env<'_>, theme: &super::Theme) -> (String, ratatui::style::Style) {
        match self.judge {
            Judge::Aws(violation) => said(env.fleet.ours_on(violation), "quell", theme),
            Judge::Quell(finding) => said_by_aws(app, env, finding, theme),
        }
    }
}

/// What AWS says of one of quell's findings.
fn said_by_aws(
    app: &App,
    env: &Env<'_>,
    finding: &Finding,
    theme: &super::Theme,
) -> (String, ratatui::style::Style) {
    if app.look.aws {
        said(env.fleet.aws_on(finding, env.now), "AWS", theme)
    } else {
        ("no AWS to agree or disagree (--no-aws)".to_owned(), theme.dim)
    }
}

fn draw_active(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, focused: bool, wide: bool) {
    let theme = paint.theme;
    let known = env.fleet.violations();
    let mut facts = Vec::new();
    match (known.get(), known.trouble()) {
        (Some(all), None) => facts.push(part(format!("{} active", all.len()), theme.text)),
        (Some(all), Some(_)) => {
            let age = known.age(env.now).map(words::age).unwrap_or_default();
            facts.push(part(format!("{} active {age} ago", all.len()), theme.warning));
        }
        (None, _) => facts.push(part("?", theme.unknown)),
    }
    let suppressed = env.fleet.suppressed().get().map_or(0, Vec::len);
    if suppressed > 0 {
        facts.push(part(format!("{suppressed} suppressed"), theme.dim));
    }
    let found = findings(env);
    if found > 0 {
        facts.push(part(words::plural(found, "finding", "findings"), theme.warning));
    }
    facts.extend(filtered(app, ListId::Violations, theme));
    let inner = frame(paint, area, focused, "Violations", facts);
    let all = known.get().map_or(&[][..], Vec::as_slice);
    let mut inner = inner;
    if all.is_empty() {
        if findings(env) == 0 {
            if known.get().is_none() {
                return absence(app, known, "violations", paint, inner);
            }
            return quiet(paint, inner, &nothing_active(env));
        }
        if silence_is_told(env, inner) {
            absence(app, known, "violations", paint, Rect { height: 1, ..inner });
            inner = Rect { y: inner.y + 1, height: inner.height - 1, ..inner };
        }
    }
    let tall = tall(wide);
    let list = app.list(ListId::Violations);
    for (y, key) in (inner.y..inner.bottom()).step_by(tall.into()).zip(list.in_sight()) {
        let area = Rect { y, height: tall.min(inner.bottom() - y), ..inner };
        match all.iter().find(|v| key_of(&v.id) == *key) {
            Some(violation) => entry(env, paint, area, violation, wide),
            None => match env.fleet.own_findings().iter().find(|f| finding_key(f) == *key) {
                Some(finding) => own(app, env, paint, area, finding, wide),
                None => match env.fleet.cloned().iter().find(|f| cloned_key(f) == *key) {
                    Some(found) => cloned(env, paint, area, found, wide),
                    None => continue,
                },
            },
        }
        if list.cursor() == Some(*key) && focused {
            paint.select(Rect { y, height: 1, ..inner }, focused);
        }
    }
    scroll_bar(paint, area, list, focused);
}

/// An empty list is only good news when somebody looked (docs/aws-iot.md#6.13).
fn nothing_active(env: &Env<'_>) -> String {
    let seen = env
        .fleet
        .polls()
        .find(|(source, _)| **source == SourceId::Violations)
        .and_then(|(_, state)| state.last_ok)
        .map(|at| (env.now - at).max(0) / 5_000 * 5_000)
        .map(|ms| if ms == 0 { "; just read".to_owned() } else { format!("; read {} ago", words::age(ms)) })
        .unwrap_or_default();
    match env.fleet.profiles().get() {
        Some(profiles) => {
            let targets: usize = profiles.iter().map(|p| p.targets.len()).sum();
            let quiet = profiles
                .iter()
                .flat_map(|p| &p.behaviors)
                .filter(|b| b.suppress_alerts == Some(true))
                .count();
            let hidden = if quiet > 0 { format!("; {quiet} suppressed") } else { String::new() };
            format!(
                "0 violations in {} attached to {}{hidden}{seen}",
                words::plural(profiles.len(), "profile", "profiles"),
                words::plural(targets, "target", "targets")
            )
        }
        None => format!("0 violations; profiles not read yet{seen}"),
    }
}

fn entry(env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, violation: &Violation, wide: bool) {
    let theme = paint.theme;
    let age = words::age(env.now - violation.started);
    let mut parts = vec![
        part(" ALARM ", theme.alarm_state),
        part(" ", theme.text),
        part(violation.thing.shown().as_str(), theme.brand),
        part("  ", theme.text),
        part(SafeText::new(&violation.behavior.name).as_str().to_owned(), theme.text),
    ];
    if wide {
        parts.push(part(format!("  {}", violation.profile), theme.dim));
        if let Some(verdict) = &violation.verification {
            parts.push(part(format!("  {verdict}"), theme.dim));
            if let Some(note) = violation.note.as_ref().filter(|n| !n.is_empty()) {
                parts.push(part(format!(": {note}"), theme.dim));
            }
        }
    }
    let room = area.width.saturating_sub(age.len() as u16 + 2);
    paint.line(area.x, area.y, room, &parts);
    paint.right(area.x, area.y, area.width.saturating_sub(1), &age, theme.dim);
    if area.height > 1 {
        let x = area.x + 8;
        let room = area.width.saturating_sub(9);
        let full = format!("expected: {}", against(&violation.behavior, violation.value.as_ref()));
        let text = if full.chars().count() <= room as usize {
            full
        } else {
            brief(&violation.behavior, violation.value.as_ref())
        };
        paint.text(x, area.y + 1, room, &text, theme.dim);
    }
    if area.height > 2 {
        let (text, style) = said(env.fleet.ours_on(violation), "quell", theme);
        paint.text(area.x + 8, area.y + 2, area.width.saturating_sub(9), &text, style);
    }
}

/// One of quell's own findings that AWS has no violation for.
fn own(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, finding: &Finding, wide: bool) {
    let theme = paint.theme;
    let age = words::age(env.now - finding.found);
    let mut parts = vec![
        part(" FINDING ", theme.warning_state),
        part(finding.thing.shown().as_str(), theme.brand),
        part("  ", theme.text),
        part(SafeText::new(&finding.behavior.name).as_str().to_owned(), theme.text),
    ];
    if wide {
        parts.push(part(format!("  {}", finding.profile), theme.dim));
        parts.push(part("  by quell", theme.dim));
    }
    let room = area.width.saturating_sub(age.len() as u16 + 2);
    paint.line(area.x, area.y, room, &parts);
    paint.right(area.x, area.y, area.width.saturating_sub(1), &age, theme.dim);
    let x = area.x + 8;
    let room = area.width.saturating_sub(9);
    if area.height > 1 {
        let late = finding.found - finding.bad;
        let late = if wide { format!("; found {} after it", words::took(late)) } else { String::new() };
        let full = format!("expected: {}{late}", against(&finding.behavior, Some(&finding.value)));
        let text = if full.chars().count() <= room as usize {
            full
        } else {
            brief(&finding.behavior, Some(&finding.value))
        };
        paint.text(x, area.y + 1, room, &text, theme.dim);
    }
    if area.height > 2 {
        let (text, style) = said_by_aws(app, env, finding, theme);
        paint.text(x, area.y + 2, room, &text, style);
    }
}

/// An identity that two devices use.
fn cloned(env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, found: &ClonedIdentity, wide: bool) {
    let theme = paint.theme;
    let age = words::age(env.now - found.found);
    let mut parts = vec![
        part(" FINDING ", theme.warning),
        part(found.thing.shown().as_str(), theme.brand),
        part("  ", theme.text),
        part(found.text(), theme.text),
    ];
    if wide {
        parts.push(part("  by quell", theme.dim));
    }
    let room = area.width.saturating_sub(age.len() as u16 + 2);
    paint.line(area.x, area.y, room, &parts);
    paint.right(area.x, area.y, area.width.saturating_sub(1), &age, theme.dim);
    let room = area.width.saturating_sub(9);
    let whole = wrap(&found.sentence(), room.into());
    let fits = whole.len() < usize::from(area.height);
    let lines = if fits { whole } else { wrap(&found.told_apart(), room.into()) };
    for (y, line) in (area.y + 1..area.bottom()).zip(&lines) {
        paint.text(area.x + 8, y, room, line, theme.dim);
    }
}

/// What the other side says, in a sentence.
fn said(agreement: Agreement, whose: &str, theme: &super::Theme) -> (String, ratatui::style::Style) {
    match agreement {
        Agreement::Agree { ours, aws } => {
            let (apart, word) = if ours <= aws { (aws - ours, "before") } else { (ours - aws, "after") };
            let apart = words::took(apart);
            (format!("agreed: quell found it {apart} {word} AWS's violation was read"), theme.good)
        }
        Agreement::Open(text) => (format!("{whose}: {text}"), theme.dim),
        Agreement::Differ(text) => (format!("{whose} differs: {text}"), theme.warning),
    }
}

/// The same in fewer words: `message size 3.0 kB, expected < 1.0 kB`.
fn brief(behavior: &Behavior, value: Option<&MetricValue>) -> String {
    let criteria = behavior.criteria.as_ref();
    let sign = match criteria.and_then(|c| c.comparison_operator) {
        Some(ComparisonOperator::LessThan) => "<",
        Some(ComparisonOperator::LessThanEquals) => "<=",
        Some(ComparisonOperator::GreaterThan) => ">",
        Some(ComparisonOperator::GreaterThanEquals) => ">=",
        _ => "",
    };
    let limit = match criteria.and_then(|c| c.value.as_ref()) {
        Some(value) => got(behavior.metric.as_deref(), Some(value)),
        None => "its usual".to_owned(),
    };
    let metric = metric_words(behavior.metric.as_deref().unwrap_or("?"));
    format!("{metric} {}, expected {sign} {limit}", got(behavior.metric.as_deref(), value))
}

fn draw_past(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let known = env.fleet.violation_events();
    let count = known.get().map_or("?".to_owned(), |all| all.len().to_string());
    let mut facts = vec![part(count, theme.text)];
    facts.extend(aged(known, env, theme));
    let inner = frame(paint, area, false, "Past", facts);
    let Some(all) = read(app, Some(known), "past violations", paint, inner) else { return };
    events(app, env, paint, inner, all.iter().collect());
}

/// Past events of one thing, the newest first.
pub(super) fn past_of(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, thing: &Name) {
    let known = env.fleet.violation_events();
    let Some(all) = read(app, Some(known), "past violations", paint, area) else { return };
    events(app, env, paint, area, all.iter().filter(|event| event.thing == *thing).collect());
}

/// Past events, as many as there is room for, the newest first.
fn events(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect, mut all: Vec<&ViolationEvent>) {
    if all.is_empty() {
        return quiet(paint, area, "none in the last 24 hours, as far as AWS tells");
    }
    all.sort_by_key(|event| std::cmp::Reverse(event.at));
    for (y, event) in (area.y..area.bottom()).zip(all) {
        past(app, env, paint, Rect { y, height: 1, ..area }, event);
    }
}

/// The shape and the style of a kind of event. AWS has more kinds than two (docs/aws-iot.md#6.6): only one that says so is good
/// news.
pub(super) fn event_look(theme: &super::Theme, kind: &str) -> (&'static str, ratatui::style::Style) {
    match kind {
        "in-alarm" => (theme.symbols.warn, theme.alarm),
        "alarm-cleared" => (theme.symbols.check, theme.good),
        _ => (theme.symbols.dot, theme.dim),
    }
}

/// What was measured at a past event, `got 3.0 kB`; the unit is that of the behaviour's metric, as far as its profile was read.
pub(super) fn got_then(env: &Env<'_>, event: &ViolationEvent) -> Option<String> {
    let profiles = env.fleet.profiles().get().into_iter().flatten();
    let profile = profiles.into_iter().find(|profile| profile.name == event.profile);
    let named = |behavior: &&Behavior| SafeText::new(&behavior.name) == event.behavior;
    let behavior = profile.and_then(|profile| profile.behaviors.iter().find(named));
    let metric = behavior.and_then(|behavior| behavior.metric.as_deref());
    Some(format!("got {}", got(metric, Some(event.value.as_ref()?))))
}

/// One past event.
fn past(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, line: Rect, event: &ViolationEvent) {
    let theme = paint.theme;
    let (_, style) = event_look(theme, event.kind.as_str());
    let got = got_then(env, event).unwrap_or_default();
    let mut parts = vec![
        part(format!(" {:<8} ", words::moment(event.at, env.now, &app.look.zone)), theme.dim),
        part(format!("{:<17} ", event.kind), style),
    ];
    // In a narrow place the thing is in the title above.
    if line.width >= 70 {
        parts.push(part(format!("{:<20} ", event.thing.shown()), theme.text));
    }
    parts.push(part(format!("{}  ", event.behavior), theme.text));
    parts.push(part(got, theme.dim));
    paint.line(line.x, line.y, line.width.saturating_sub(1), &parts);
}

/// What a behaviour expects: `fewer than 5 messages sent in 5 min`.
pub(crate) fn expected(behavior: &Behavior) -> String {
    let metric = behavior.metric.as_deref().unwrap_or("?");
    let Some(criteria) = &behavior.criteria else {
        return format!("{} is exported only", metric_words(metric));
    };
    let counted = matches!(
        metric,
        "aws:num-messages-sent"
            | "aws:num-messages-received"
            | "aws:num-authorization-failures"
            | "aws:num-connection-attempts"
            | "aws:num-disconnects"
    );
    let window = criteria.duration_seconds.map(|s| format!(" in {}", stretch(s))).unwrap_or_default();
    let unit = metric_words(metric);
    if let Some(threshold) = &criteria.statistical_threshold {
        let statistic = threshold.statistic.as_deref().unwrap_or("p?");
        let side = match criteria.comparison_operator {
            Some(ComparisonOperator::GreaterThan | ComparisonOperator::GreaterThanEquals) => "above",
            _ => "below",
        };
        return SafeText::new(&format!("{unit} {side} the fleet's {statistic}{window}")).to_string();
    }
    if criteria.ml_detection_config.is_some() {
        return SafeText::new(&format!("{unit} as AWS learned it")).to_string();
    }
    let value = got(behavior.metric.as_deref(), criteria.value.as_ref());
    let text = match (criteria.comparison_operator, counted) {
        (Some(ComparisonOperator::LessThan), true) => format!("fewer than {value} {unit}"),
        (Some(ComparisonOperator::LessThanEquals), true) => format!("at most {value} {unit}"),
        (Some(ComparisonOperator::GreaterThan), true) => format!("more than {value} {unit}"),
        (Some(ComparisonOperator::GreaterThanEquals), true) => format!("at least {value} {unit}"),
        (Some(ComparisonOperator::LessThan), false) => format!("{unit} below {value}"),
        (Some(ComparisonOperator::LessThanEquals), false) => format!("{unit} at most {value}"),
        (Some(ComparisonOperator::GreaterThan), false) => format!("{unit} above {value}"),
        (Some(ComparisonOperator::GreaterThanEquals), false) => format!("{unit} at least {value}"),
        (
            Some(ComparisonOperator::InCidrSet | ComparisonOperator::InPortSet | ComparisonOperator::InSet),
            _,
        ) => {
            format!("{unit} among {value}")
        }
        (Some(_), _) => format!("{unit} none of {value}"),
        (None, _) => format!("{unit} {value}"),
    };
    SafeText::new(&format!("{text}{window}")).to_string()
}

/// What a behaviour expects, and what came: `message size at most 1.0 kB; got 3.0 kB`.
pub(crate) fn against(behavior: &Behavior, value: Option<&MetricValue>) -> String {
    let metric = behavior.metric.as_deref();
    let limit = behavior.criteria.as_ref().and_then(|criteria| criteria.value.as_ref());
    let came = match value.and_then(|value| value.count) {
        // Written as the limit is, and yet not it: to the byte.
        Some(n)
            if value != limit
                && metric.is_some_and(is_in_bytes)
                && got(metric, value) == got(metric, limit) =>
        {
            format!("{n} B")
        }
        _ => got(metric, value),
    };
    format!("{}; got {came}", expected(behavior))
}

/// Whether a metric's values are bytes (docs/aws-iot.md#4.1).
pub(super) fn is_in_bytes(metric: &str) -> bool {
    matches!(metric, "aws:message-byte-size" | "aws:all-bytes-in" | "aws:all-bytes-out")
}

/// How a metric's numbers are written.
pub(super) fn unit(metric: Option<&str>) -> fn(f64) -> String {
    if metric.is_some_and(is_in_bytes) { words::bytes } else { words::number }
}

/// A measured or expected value of a metric in few words, with its unit: `27`, `3.0 kB`.
pub(crate) fn got(metric: Option<&str>, value: Option<&MetricValue>) -> String {
    let Some(value) = value else { return "?".to_owned() };
    let sized = metric.is_some_and(is_in_bytes);
    let some = |list: Vec<String>| {
        let shown = list.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
        let more = list.len().saturating_sub(3);
        let text = if more > 0 { format!("{shown} and {more} more") } else { shown };
        SafeText::new(&text).to_string()
    };
    match value {
        MetricValue { count: Some(n), .. } if sized => words::bytes(*n as f64),
        MetricValue { count: Some(n), .. } => {
            u64::try_from(*n).map(words::count).unwrap_or_else(|_| n.to_string())
        }
        MetricValue { number: Some(n), .. } if sized => words::bytes(*n),
        MetricValue { number: Some(n), .. } => words::number(*n),
        MetricValue { cidrs: Some(list), .. } => some(list.clone()),
        MetricValue { ports: Some(list), .. } => some(list.iter().map(ToString::to_string).collect()),
        MetricValue { numbers: Some(list), .. } => some(list.iter().map(|n| words::number(*n)).collect()),
        MetricValue { strings: Some(list), .. } => some(list.clone()),
        _ => "?".to_owned(),
    }
}

/// `5 min`, `1 h`.
pub(super) fn stretch(seconds: i64) -> String {
    if seconds % 3600 == 0 { format!("{} h", seconds / 3600) } else { format!("{} min", seconds / 60) }
}

pub(super) fn metric_words(metric: &str) -> String {
    match metric {
        "aws:message-byte-size" => "message size".to_owned(),
        "aws:num-messages-sent" => "messages sent".to_owned(),
        "aws:num-messages-received" => "messages received".to_owned(),
        "aws:num-authorization-failures" => "authorization failures".to_owned(),
        "aws:num-connection-attempts" => "connection attempts".to_owned(),
        "aws:num-disconnects" => "disconnects".to_owned(),
        "aws:source-ip-address" => "source addresses".to_owned(),
        other => SafeText::new(other.strip_prefix("aws:").unwrap_or(other)).as_str().replace('-', " "),
    }
}

/// The sentence of a behaviour, broken into lines.
pub(super) fn sentence(behavior: &Behavior, width: usize) -> Vec<String> {
    wrap(&format!("expected: {}", expected(behavior)), width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quell_rules::detect::model::Criteria;

    #[test]
    fn criteria_are_sentences() {
        let behavior = |metric: &str, operator, count, seconds| Behavior {
            name: "b".to_owned(),
            metric: Some(metric.to_owned()),
            metric_dimension: None,
            criteria: Some(Criteria {
                comparison_operator: Some(operator),
                value: Some(MetricValue { count: Some(count), ..MetricValue::default() }),
                duration_seconds: seconds,
                ..Criteria::default()
            }),
            suppress_alerts: None,
            export_metric: None,
        };
        let sent = behavior("aws:num-messages-sent", ComparisonOperator::LessThan, 5, Some(300));
        assert_eq!(expected(&sent), "fewer than 5 messages sent in 5 min");
        let size = behavior("aws:message-byte-size", ComparisonOperator::LessThanEquals, 1000, None);
        assert_eq!(expected(&size), "message size at most 1.0 kB");
        let measured = |n| MetricValue { count: Some(n), ..MetricValue::default() };
        assert_eq!(got(sent.metric.as_deref(), Some(&measured(27))), "27");
        assert_eq!(got(size.metric.as_deref(), Some(&measured(1400))), "1.4 kB");
        assert_eq!(got(size.metric.as_deref(), Some(&measured(119))), "119 B");
        assert_eq!(got(None, None), "?");
        assert_eq!(against(&size, Some(&measured(3000))), "message size at most 1.0 kB; got 3.0 kB");
        assert_eq!(against(&size, Some(&measured(1001))), "message size at most 1.0 kB; got 1001 B");
    }
}
