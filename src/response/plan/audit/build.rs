//! Changes to Device Defender Audit, as plans.

use crate::response::plan::draft::Draft;
use crate::response::plan::facts::Facts;
use crate::response::plan::request::{Proof, Request, Work};
use crate::response::plan::{Level, Reversible};
use quell_fleet::Ms;
use quell_fleet::audit::Schedule;
use quell_fleet::format::seconds;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::request::AuditRequest;
use super::{ActionSpec, AuditChange, AuditFacts};

/// A suppression's reason has at most so many characters.
const DESCRIPTION: usize = 1000;
/// AWS logs with these.
const LEVELS: [&str; 5] = ["DEBUG", "INFO", "ERROR", "WARN", "DISABLED"];

pub(in crate::response::plan) fn build(draft: &mut Draft<'_>, facts: &Facts, change: &AuditChange) {
    let Some(read) = &facts.audit else { return draft.refuse("the account could not be read") };
    match change {
        AuditChange::Start { checks, role } => return start(draft, read, checks, role.as_deref(), change),
        AuditChange::Schedule { wanted, role } => {
            return schedule(draft, read, wanted, role.as_deref(), change);
        }
        AuditChange::Unschedule { name } => {
            let held = read.setup.schedules.iter().flatten().find(|s| s.name == *name);
            let Some(held) = held else {
                return draft.refuse(format!("there is no scheduled audit {}", name.raw()));
            };
            push(draft, change, vec![AuditRequest::DeleteSchedule(held.clone())], Proof::Shown);
            draft.note(Level::Info, format!("it ran {}; what it found stays 90 days", held.when()));
        }
        AuditChange::Cancel { task } => {
            match read.task.as_deref() {
                None => draft.refuse(format!("there is no audit {}", task.raw())),
                Some("IN_PROGRESS") => {}
                Some(status) => draft.nothing = Some(SafeText::new(&format!("the audit is {status}"))),
            }
            if draft.nothing.is_none() {
                push(draft, change, vec![AuditRequest::Cancel { task: task.clone() }], Proof::Shown);
            }
        }
        AuditChange::Suppress { check, resource, until, description } => {
            suppress(draft, read, change, check, *until, description);
            draft.note(Level::Info, format!("about {}", resource.shown()));
        }
        AuditChange::Unsuppress { check, resource } => {
            let held = read.setup.suppressions.iter().find(|s| s.check == *check && s.resource == *resource);
            let Some(held) = held else { return draft.refuse("there is no such suppression") };
            let request = AuditRequest::Unsuppress {
                check: check.clone(),
                resource: resource.clone(),
                until: held.until,
                description: held.description.as_str().to_owned(),
                token: token(draft.now),
            };
            push(draft, change, vec![request], Proof::Shown);
        }
        AuditChange::CreateAction { name, does, role } => create(draft, read, change, name, does, role),
        AuditChange::DeleteAction { name } => {
            if !read.setup.actions.iter().any(|a| a.name == *name) {
                return draft.refuse(format!("the account has no mitigation action {}", name.raw()));
            }
            if read.action.is_none() {
                draft.reversible = Reversible::No(SafeText::new("quell cannot write what it did"));
            }
            let request = AuditRequest::DeleteAction { name: name.clone(), was: read.action.clone() };
            push(draft, change, vec![request], Proof::Shown);
        }
    }
    draft.prove("the account shows it");
}

/// Makes a request the same one when it is sent twice.
fn token(now: Ms) -> String {
    format!("quell-{now:x}-{:08x}", fastrand::u32(..))
}

fn push(draft: &mut Draft<'_>, change: &AuditChange, requests: Vec<AuditRequest>, proof: Proof) {
    let requests = requests.into_iter().map(|r| Request::Audit(Box::new(r))).collect();
    draft.work.push(Work::of(change.target(), requests, proof));
}

fn role_ok(role: &str) -> bool {
    role.starts_with("arn:") && role.contains(":iam::") && role.contains(":role/")
}

fn start(
    draft: &mut Draft<'_>,
    read: &AuditFacts,
    checks: &[String],
    role: Option<&str>,
    change: &AuditChange,
) {
    let Some((wanted, mut requests)) = enabled(draft, read, checks, role) else { return };
    requests.push(AuditRequest::Start { checks: wanted });
    push(draft, change, requests, Proof::Audited { task: None });
    draft.note(Level::Info, "an audit only looks; a large account takes hours");
    draft.prove(format!("the audit ends; waited for up to {}", seconds(draft.rules.patience())));
}

/// The checks an audit is to run, and what enables those that are not enabled: AWS refuses these otherwise.
fn enabled(
    draft: &mut Draft<'_>,
    read: &AuditFacts,
    checks: &[String],
    role: Option<&str>,
) -> Option<(Vec<String>, Vec<AuditRequest>)> {
    let enabled: Vec<&str> =
        read.setup.checks.iter().filter(|(_, on)| *on).map(|(name, _)| name.raw()).collect();
    let wanted: Vec<String> = match checks {
        [] => enabled.iter().map(|name| (*name).to_owned()).collect(),
        named => named.to_vec(),
    };
    if wanted.is_empty() {
        draft.refuse("no audit check is enabled: name those to enable and run");
        return None;
    }
    for name in &wanted {
        if !read.setup.checks.iter().any(|(known, _)| known.raw() == name) {
            draft.refuse(format!("AWS has no audit check {name}"));
        }
    }
    let off: Vec<String> = wanted.iter().filter(|n| !enabled.contains(&n.as_str())).cloned().collect();
    let mut requests = Vec::new();
    if !off.is_empty() {
        let role = match (&read.setup.role, role) {
            (Some(_), _) => None,
            (None, Some(role)) if role_ok(role) => Some(role.to_owned()),
            (None, Some(role)) => {
                draft.refuse(format!("{role} is not the ARN of an IAM role"));
                return None;
            }
            (None, None) => {
                draft.refuse("audits were never configured in this account: name the role they look with");
                return None;
            }
        };
        draft
            .note(Level::Info, format!("{} of the checks are not enabled yet: they stay enabled", off.len()));
        requests.push(AuditRequest::Enable { checks: off, role });
    }
    Some((wanted, requests))
}

/// AWS keeps so many scheduled audits of an account.
const SCHEDULES: usize = 5;

fn schedule(
    draft: &mut Draft<'_>,
    read: &AuditFacts,
    wanted: &Schedule,
    role: Option<&str>,
    change: &AuditChange,
) {
    let Some(held) = &read.setup.schedules else {
        return draft
            .refuse("scheduled audits may not be read by these credentials: iot:ListScheduledAudits");
    };
    let raw = wanted.name.raw();
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if raw.is_empty() || raw.len() > 128 || !raw.chars().all(valid) {
        draft.refuse("a scheduled audit's name has 1 to 128 letters, digits, _ or -");
    }
    if let Some(why) = wanted.wrong() {
        draft.refuse(why);
    }
    let Some((mut checks, mut requests)) = enabled(draft, read, &wanted.checks, role) else { return };
    checks.sort_unstable();
    let to = Schedule { checks, ..wanted.clone() };
    match held.iter().find(|s| s.name == wanted.name) {
        Some(was) if *was == to => {
            draft.nothing = Some(SafeText::new("it is scheduled like this already"));
            return;
        }
        Some(was) => {
            draft.note(Level::Warn, format!("it replaces: {}, {} checks", was.when(), was.checks.len()));
            requests.push(AuditRequest::UpdateSchedule { to, was: was.clone() });
        }
        None if held.len() >= SCHEDULES => {
            return draft.refuse(format!("AWS keeps at most {SCHEDULES} scheduled audits: end one first"));
        }
        None => {
            requests.push(AuditRequest::CreateSchedule(to));
            draft.reversible = Reversible::Yes(SafeText::new("undo ends it"));
        }
    }
    draft.note(Level::Info, "AWS chooses the hour; an audit only looks");
    push(draft, change, requests, Proof::Shown);
    draft.prove("the account shows it as it was written");
}

fn suppress(
    draft: &mut Draft<'_>,
    read: &AuditFacts,
    change: &AuditChange,
    check: &Name,
    until: Option<Ms>,
    description: &str,
) {
    let AuditChange::Suppress { resource, .. } = change else { return };
    if resource.0.is_empty() {
        return draft.refuse("the finding does not say what it is about");
    }
    if read.setup.suppressions.iter().any(|s| s.check == *check && s.resource == *resource) {
        return draft.refuse("these findings are suppressed already");
    }
    if description.chars().count() > DESCRIPTION || description.contains(char::is_control) {
        return draft.refuse(format!("a reason has at most {DESCRIPTION} printable characters"));
    }
    match until {
        Some(at) if at <= draft.now => return draft.refuse("the suppression would have ended already"),
        Some(at) => draft.note(Level::Info, format!("ends by itself in {}", days(at - draft.now))),
        None => draft.note(Level::Warn, "without an end: nobody will be told of it again"),
    }
    draft.note(Level::Warn, "mitigation tasks leave suppressed findings alone");
    let request = AuditRequest::Suppress {
        check: check.clone(),
        resource: resource.clone(),
        until,
        description: description.to_owned(),
        token: token(draft.now),
    };
    push(draft, change, vec![request], Proof::Shown);
}

fn days(ms: Ms) -> String {
    match ms / 86_400_000 {
        0 => seconds(ms),
        1 => "1 day".to_owned(),
        n => format!("{n} days"),
    }
}

fn create(
    draft: &mut Draft<'_>,
    read: &AuditFacts,
    change: &AuditChange,
    name: &Name,
    does: &ActionSpec,
    role: &str,
) {
    let raw = name.raw();
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if raw.is_empty() || raw.len() > 128 || !raw.chars().all(valid) {
        draft.refuse("a mitigation action's name has 1 to 128 letters, digits, _ or -");
    }
    if read.setup.actions.iter().any(|a| a.name == *name) {
        draft.refuse(format!("the account has a mitigation action {raw} already"));
    }
    if !role_ok(role) {
        draft.refuse("AWS needs a role to do it with: arn:aws:iam::…:role/…");
    }
    match does {
        ActionSpec::Groups(groups) if groups.is_empty() => draft.refuse("which thing group?"),
        ActionSpec::Groups(_) => {
            for group in &read.missing {
                draft.refuse(format!("there is no thing group {group}"));
            }
            draft.note(Level::Info, "of a finding about a certificate: every thing on it");
        }
        ActionSpec::Certificate | ActionSpec::CaCertificate => {
            draft.note(Level::Danger, "it cuts off every device of the certificate; AWS has no way back");
        }
        ActionSpec::BlankPolicy => {
            draft.note(Level::Danger, "devices with that policy may do nothing any more");
        }
        ActionSpec::Logging { role, level } => {
            if !role_ok(role) {
                draft.refuse("logging needs a role of its own to write with");
            }
            if !LEVELS.contains(&level.as_str()) {
                draft.refuse(format!("a log level is one of {}", LEVELS.join(", ")));
            }
        }
        ActionSpec::Sns(topic) if !topic.contains(":sns:") => draft.refuse("the SNS topic's ARN is missing"),
        ActionSpec::Sns(_) => {}
    }
    draft.note(Level::Info, "nothing happens until it is run on a finding");
    let request =
        AuditRequest::CreateAction { name: name.clone(), does: does.clone(), role: role.to_owned() };
    push(draft, change, vec![request], Proof::Shown);
}
