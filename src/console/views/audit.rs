//! Findings of audits, the worst first: what does not comply, what it means, and what mends it.

use ratatui::layout::Rect;
use ratatui::style::Style;

use quell_fleet::account::FindingRecord;
use quell_fleet::audit::{AuditTask, AuditTasks};
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::super::app::{App, Env, ListId, key_of};
use super::super::paint::{Paint, Part, inside, part, wrap};
use super::super::words;
use super::layout::Place;
use super::text::{self, Facts};
use super::{absence, aged, filtered, frame, quiet};

/// Where the list is, the details of its chosen line, and the audits.
pub(super) struct Parts {
    pub(super) list: Rect,
    detail: Option<Rect>,
    audits: Option<Rect>,
}

pub(super) fn parts(app: &App, env: &Env<'_>, area: Rect) -> Parts {
    let none = env.fleet.findings().get().is_none_or(Vec::is_empty);
    if app.shows_one() {
        let list = Rect { height: 0, ..area };
        return match none {
            // Without a finding it is what audits look at that has the screen.
            true => Parts { list, detail: None, audits: Some(area) },
            false => Parts { list, detail: Some(area), audits: None },
        };
    }
    let wide = area.width >= 120;
    // On a small screen the lower half is for one of two: what a finding means, or the audits.
    let busy = env.fleet.audit_tasks().get().is_some_and(AuditTasks::busy);
    let (list, below) = super::split(
        area,
        match (none, wide) {
            // A sentence, which may take two lines.
            (true, _) => 4.min(area.height / 2),
            (false, true) => area.height * 3 / 5,
            (false, false) => area.height / 2,
        },
    );
    let (detail, audits) = if wide && !none {
        let (left, right) = super::layout::cut(below, below.width * 3 / 5);
        (Some(left), Some(right))
    } else if app.shows_audits() || busy || none {
        (None, Some(below))
    } else {
        (Some(below), None)
    };
    Parts { list, detail, audits }
}

pub(super) fn draw(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let theme = paint.theme;
    let known = env.fleet.findings();
    let mut facts = Vec::new();
    match known.get() {
        None => facts.push(part("?", theme.unknown)),
        Some(all) => {
            for severity in ["CRITICAL", "HIGH", "MEDIUM", "LOW"] {
                let n = all.iter().filter(|f| f.severity.as_str() == severity && !f.suppressed).count();
                if n > 0 {
                    facts.push(part(format!("{n} {}", severity.to_lowercase()), style(theme, severity)));
                }
            }
            let hidden = all.iter().filter(|f| f.suppressed).count();
            if hidden > 0 {
                facts.push(part(format!("{hidden} suppressed"), theme.dim));
            }
        }
    }
    facts.extend(filtered(app, ListId::Findings, theme));
    facts.extend(aged(known, env, theme));
    let parts = parts(app, env, area);
    if let Some(right) = parts.audits {
        audits(app, env, paint, right);
    }
    if parts.list.height == 0 && parts.audits.is_some() {
        return;
    }
    let inner = frame(paint, parts.list, true, "Audit findings", facts);
    let Some(all) = known.get() else { return absence(app, known, "audit findings", paint, inner) };
    if all.is_empty() {
        let age = known.age(env.now).map(words::ago).unwrap_or_default();
        let text = format!(
            "no findings in 90 days, read {age}; without an audit there are none either: n audits now"
        );
        return quiet(paint, inner, &text);
    }
    let line = |key| {
        let finding = all.iter().find(|f| key_of(f.id.as_str()) == key)?;
        let severity = if finding.suppressed { "suppressed" } else { finding.severity.as_str() };
        let parts = vec![
            part(format!(" {} ", shape(theme, finding)), style(theme, severity)),
            part(format!("{severity:<10} "), style(theme, severity)),
            part(format!("{:<34} ", check_words(finding.check.as_str())), theme.text),
            part(finding.resource.as_str(), theme.brand),
            part(format!("  {}", words::moment(finding.at, env.now, &app.look.zone)), theme.dim),
        ];
        Some(parts)
    };
    let list = app.list(ListId::Findings);
    if parts.list.height > 0 {
        text::rows(paint, parts.list, inner, list, line);
    }
    if let Some(finding) = all.iter().find(|f| Some(key_of(f.id.as_str())) == list.chosen())
        && let Some(left) = parts.detail
    {
        detail(app, paint, left, finding);
    }
}

/// Audits and how far they are, mitigation tasks, what is enabled, what is suppressed until when, and the actions there are.
fn audits(app: &App, env: &Env<'_>, paint: &mut Paint<'_>, area: Rect) {
    let inner = frame(paint, area, app.shows_one(), "Audits", Vec::new());
    let tasks = env.fleet.audit_tasks();
    match tasks.get() {
        None => absence(app, tasks, "audits", paint, inner),
        Some(tasks) => text::opened(app, paint, (area, inner), &told_of_audits(app, env, inner, tasks)),
    }
}

/// The same in lines.
fn told_of_audits<'a>(app: &App, env: &Env<'_>, inner: Rect, tasks: &AuditTasks) -> Vec<text::Line<'a>> {
    let theme = &app.look.theme;
    let setup = env.fleet.audit_setup();
    let room = inner.width.saturating_sub(2);
    let mut lines: Vec<text::Line<'a>> = Vec::new();
    for audit in tasks.audits.iter().take(3) {
        lines.push(audit_line(app, env, theme, audit, if room < 70 { 8 } else { 16 }));
    }
    if tasks.audits.is_empty() {
        lines.push(vec![part("no audit in 90 days", theme.dim)]);
    }
    for task in tasks.mitigations.iter().take(2) {
        let names: Vec<&str> = task.actions.iter().map(SafeText::as_str).collect();
        let counts = format!("{} of {} done, {} failed", task.succeeded, task.total, task.failed);
        let style = if task.failed > 0 { theme.alarm } else { theme.text };
        lines.push(vec![
            part(format!("mitigation {:<11} ", status(task.status.as_str())), theme.text),
            part(format!("{counts}  "), style),
            part(names.join(", "), theme.brand),
        ]);
    }
    match setup.get() {
        None => lines.push(vec![part("settings not read yet", theme.dim)]),
        Some(setup) => {
            let on = setup.checks.iter().filter(|(_, on)| *on).count();
            let style = if on == 0 { theme.warning } else { theme.text };
            lines.push(vec![
                part(format!("{on} of {} checks enabled", setup.checks.len()), style),
                part(setup.role.as_ref().map(|r| format!("  {r}")).unwrap_or_default(), theme.dim),
            ]);
            for held in setup.schedules.iter().flatten() {
                lines.push(vec![
                    part("scheduled ", theme.dim),
                    part(format!("{}  ", held.name.shown()), theme.brand),
                    part(format!("{}, {} checks", held.when(), held.checks.len()), theme.text),
                ]);
            }
            for held in &setup.suppressions {
                let until = held.until.map_or("for ever".to_owned(), |at| {
                    format!("for another {}", words::ago(at - env.now).trim_end_matches(" ago"))
                });
                let what = format!("{} {}", check_words(held.check.raw()), held.resource.shown());
                lines.push(vec![
                    part("suppressed ", theme.dim),
                    part(format!("{what}  "), theme.text),
                    part(until, theme.dim),
                ]);
            }
            for action in &setup.actions {
                lines.push(vec![
                    part("action ", theme.dim),
                    part(format!("{}  ", action.name.shown()), theme.brand),
                    part(action.does.to_string(), theme.text),
                ]);
            }
            if env.fleet.findings().get().is_none_or(Vec::is_empty) && !setup.checks.is_empty() {
                lines.push(Vec::new());
                lines.push(vec![part("What an audit looks at, and what would mend it", theme.brand)]);
                lines.extend(looked_at(app, inner, lines.len(), &setup.checks));
            }
        }
    }
    lines
}

/// The checks, whether each is enabled, and what mends what it finds: where there is room for it in lines of its own, that are
/// never cut; and where there is none, how it is shown.
fn looked_at<'a>(app: &App, inner: Rect, before: usize, checks: &[(Name, bool)]) -> Vec<text::Line<'a>> {
    let theme = &app.look.theme;
    let room = usize::from(inner.width).saturating_sub(4);
    let head = |check: &Name, on: bool| {
        let (mark, style) =
            if on { (theme.symbols.check, theme.good) } else { (theme.symbols.waiting, theme.dim) };
        let name = SafeText::new(&check_words(check.raw())).to_string();
        vec![part(format!("{mark} "), style), part(name, theme.text)]
    };
    let whole: Vec<text::Line<'a>> = checks
        .iter()
        .flat_map(|(check, on)| {
            let mended = wrap(mended_by(check.raw()), room).into_iter();
            std::iter::once(head(check, *on))
                .chain(mended.map(|line| vec![part(format!("  {line}"), theme.dim)]))
        })
        .collect();
    if app.shows_one() || usize::from(inner.height) >= before + whole.len() {
        return whole;
    }
    let enter = vec![part(format!("{} shows what mends each", theme.symbols.enter), theme.dim)];
    std::iter::once(enter).chain(checks.iter().map(|(check, on)| head(check, *on))).collect()
}

/// An audit with a bar of `width` cells.
fn audit_line<'a>(
    app: &App,
    env: &Env<'_>,
    theme: &super::Theme,
    audit: &AuditTask,
    width: u32,
) -> Vec<Part<'a>> {
    let s = theme.symbols;
    let full = (audit.ended * width).checked_div(audit.total).unwrap_or(0).min(width) as usize;
    let running = audit.status.as_str() == "IN_PROGRESS";
    let block = s.blocks.last().copied().unwrap_or("#");
    let at = audit.started.map(|at| words::moment(at, env.now, &app.look.zone)).unwrap_or_default();
    let found = match (audit.non_compliant, audit.failed) {
        (found, 0) => format!("{found} found something"),
        (found, failed) => format!("{found} found something, {failed} not done"),
    };
    vec![
        part(
            format!("audit {:<11} ", status(audit.status.as_str())),
            if running { theme.busy } else { theme.text },
        ),
        part(block.repeat(full), theme.spark),
        part(s.gap.repeat(width as usize - full), theme.dim),
        part(format!(" {}/{} checks  ", audit.ended, audit.total), theme.text),
        part(format!("{found}  "), if audit.non_compliant > 0 { theme.warning } else { theme.good }),
        part(at, theme.dim),
    ]
}

/// `IN_PROGRESS` → `in progress`.
fn status(word: &str) -> String {
    word.to_lowercase().replace('_', " ")
}

/// How much text there is of the chosen finding, and room for, when it has the screen.
pub(super) fn place(app: &App, env: &Env<'_>, body: Rect) -> Place {
    let inner = inside(body);
    if env.fleet.findings().get().is_none_or(Vec::is_empty) {
        let tasks = env.fleet.audit_tasks().get();
        let lines = tasks.map_or(0, |tasks| told_of_audits(app, env, inner, tasks).len());
        return Place::Text { lines, page: inner.height.into() };
    }
    let chosen = app.list(ListId::Findings).chosen();
    let mut all = env.fleet.findings().get().into_iter().flatten();
    let lines = all
        .find(|f| Some(key_of(f.id.as_str())) == chosen)
        .map_or(0, |finding| told(&app.look.theme, finding, inner.width).len());
    Place::Text { lines, page: inner.height.into() }
}

fn detail(app: &App, paint: &mut Paint<'_>, area: Rect, finding: &FindingRecord) {
    let theme = paint.theme;
    let severity = finding.severity.as_str();
    let fact = part(severity.to_owned(), style(theme, severity));
    let inner = frame(paint, area, app.shows_one(), &check_words(finding.check.as_str()), vec![fact]);
    text::opened(app, paint, (area, inner), &told(theme, finding, inner.width));
}

/// A finding in facts.
fn told<'a>(theme: &super::Theme, finding: &FindingRecord, width: u16) -> Vec<text::Line<'a>> {
    let room = width.saturating_sub(12) as usize;
    let mut facts = Facts::new(10, room, theme);
    let mut say = |label: &str, text: &str, style: Style| facts.say(label, text, style);
    say("what", finding.resource.as_str(), theme.brand);
    say("why", finding.reason.as_str(), theme.text);
    say("mended by", mended_by(finding.check.as_str()), theme.good);
    for related in &finding.related {
        say("related", related.as_str(), theme.text);
    }
    facts.lines
}

fn shape(theme: &super::Theme, finding: &FindingRecord) -> &'static str {
    match (finding.suppressed, finding.severity.as_str()) {
        (true, _) => "-",
        (_, "CRITICAL") => theme.symbols.cross,
        (_, "HIGH" | "MEDIUM") => theme.symbols.warn,
        _ => theme.symbols.dot,
    }
}

fn style(theme: &super::Theme, severity: &str) -> Style {
    match severity {
        "CRITICAL" => theme.alarm,
        "HIGH" | "MEDIUM" => theme.warning,
        _ => theme.dim,
    }
}

/// `DEVICE_CERTIFICATE_SHARED_CHECK` → `device certificate shared`.
fn check_words(check: &str) -> String {
    check.strip_suffix("_CHECK").unwrap_or(check).to_lowercase().replace('_', " ")
}

/// What mends a finding of a check (the mitigations AWS's documentation names for each).
fn mended_by(check: &str) -> &'static str {
    match check {
        "DEVICE_CERTIFICATE_SHARED_CHECK" => {
            "a certificate for each device, then revoke the shared one: until then one device cannot be cut off alone"
        }
        "DEVICE_CERTIFICATE_EXPIRING_CHECK" | "CA_CERTIFICATE_EXPIRING_CHECK" => {
            "a new certificate before the old one ends"
        }
        "DEVICE_CERTIFICATE_AGE_CHECK" => "a new certificate, before the old one is older than you allow",
        "INTERMEDIATE_CA_REVOKED_FOR_ACTIVE_DEVICE_CERTIFICATES_CHECK" => {
            "certificates of another authority for its devices; what it issued can be trusted no more"
        }
        "DEVICE_CERTIFICATE_KEY_QUALITY_CHECK" | "CA_CERTIFICATE_KEY_QUALITY_CHECK" => {
            "a new certificate with a key of at least 2048 bits"
        }
        "REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK" | "REVOKED_CA_CERTIFICATE_STILL_ACTIVE_CHECK" => {
            "revoke it here too; its authority has already"
        }
        "CONFLICTING_CLIENT_IDS_CHECK" => {
            "a client id of its own for each device: two with one id cut each other off"
        }
        "IOT_POLICY_OVERLY_PERMISSIVE_CHECK" => {
            "a policy that names what a device may do, with policy variables in place of *"
        }
        "IOT_POLICY_POTENTIAL_MISCONFIGURATION_CHECK" => {
            "MQTT wildcards in a Deny are taken literally: write the topics out"
        }
        "LOGGING_DISABLED_CHECK" => "switch AWS IoT logging on (SetV2LoggingOptions)",
        "AUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK"
        | "UNAUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK" => "narrow the role of the Cognito pool",
        "IOT_ROLE_ALIAS_OVERLY_PERMISSIVE_CHECK"
        | "IOT_ROLE_ALIAS_ALLOWS_ACCESS_TO_UNUSED_SERVICES_CHECK" => "narrow the role behind the alias",
        _ => "see what AWS says about this check",
    }
}
