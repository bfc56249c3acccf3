//! Audits from the keyboard: started and stopped, findings suppressed, mitigation actions made and run.

use crate::response::{ActionSpec, AuditChange, Intent, Mitigation};
use quell_fleet::account::FindingRecord;
use quell_fleet::audit::{MitigationAction, Schedule};
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::super::dialogs::{Dialog, Form, FormField, FormKind, Said};
use super::list::{ListId, key_of};
use super::{App, Env, Tone, View};

const DAY: i64 = 86_400_000;

/// Kinds of mitigation actions the form makes.
const KINDS: [(&str, &str); 4] = [
    ("group", "add the things to a thing group"),
    ("certificate", "set the device certificate INACTIVE"),
    ("policy", "put a blank version of the policy in force"),
    ("sns", "publish the finding to an SNS topic"),
];

impl App {
    /// The finding under the cursor.
    pub(crate) fn finding_here<'a>(&self, env: &Env<'a>) -> Option<&'a FindingRecord> {
        if *self.view() != View::Audit {
            return None;
        }
        let all = env.fleet.findings().get()?;
        let chosen = self.list(ListId::Findings).cursor();
        all.iter().find(|f| Some(key_of(f.id.as_str())) == chosen)
    }

    fn no_finding(&mut self, env: &Env<'_>) {
        self.say(SafeText::new("no finding under the cursor: n audits now"), Tone::Warn, env.now);
    }

    fn open_fields(&mut self, form: Form) {
        self.dialog = Some(Dialog::Form(Box::new(form)));
    }

    /// Fill in what to audit.
    pub(crate) fn audit_start(&mut self, env: &Env<'_>) {
        let fields = check_fields(env);
        self.open_fields(Form::new(FormKind::AuditStart, "Audit the account now", fields));
    }

    /// Fill in when an audit is to run by itself.
    pub(crate) fn audit_schedule(&mut self, env: &Env<'_>) {
        let of = |name: &'static str| (name, name);
        let often = Schedule::FREQUENCIES.map(of);
        let mut days = vec![("", "no day: for a daily one")];
        days.extend(Schedule::DAYS.map(of));
        days.extend(DATES.map(of));
        let mut fields = vec![
            FormField::text("name", "quell-daily"),
            FormField::choice("how often", &often, "DAILY"),
            FormField::choice("on", &days, ""),
        ];
        fields.extend(check_fields(env));
        self.open_fields(Form::new(FormKind::Schedule, "Schedule an audit", fields));
    }

    /// Pick a scheduled audit to end.
    pub(crate) fn audit_unschedule(&mut self, env: &Env<'_>) {
        let all = schedules(env);
        if all.is_empty() {
            let text = "no audit is scheduled, or these credentials may not read them";
            return self.say(SafeText::new(text), Tone::Calm, env.now);
        }
        let shown = |s: &Schedule| SafeText::new(&format!("{}: {}", s.name.shown(), s.when()));
        let options = all.iter().map(|s| (s.name.raw().to_owned(), shown(s))).collect();
        let fields = vec![FormField::of("audit", options, "")];
        self.open_fields(Form::new(FormKind::Unschedule, "End a scheduled audit", fields));
    }

    /// Plan to stop the audit that runs.
    pub(crate) fn audit_cancel(&mut self, env: &Env<'_>) {
        let tasks = env.fleet.audit_tasks().get();
        let running = tasks.and_then(|t| t.audits.iter().find(|a| a.status.as_str() == "IN_PROGRESS"));
        match running.map(|a| a.id.clone()) {
            Some(task) => {
                self.ask(env, SafeText::new("Cancel the audit"), Intent::Audit(AuditChange::Cancel { task }));
            }
            None => self.say(SafeText::new("no audit is under way"), Tone::Calm, env.now),
        }
    }

    /// Fill in how long findings about the resource under the cursor are not told.
    pub(crate) fn suppress(&mut self, env: &Env<'_>) {
        let Some(finding) = self.finding_here(env) else { return self.no_finding(env) };
        let (check, resource) = (Name::new(finding.check.as_str()), finding.resource_id.clone());
        let until =
            [("30", "30 days"), ("7", "7 days"), ("90", "90 days"), ("365", "a year"), ("", "never ends")];
        let fields = vec![FormField::choice("for", &until, "30"), FormField::text("reason", "")];
        let title = format!("Suppress findings about {}", finding.resource);
        self.open_fields(Form::new(FormKind::Suppress { check, resource }, &title, fields));
    }

    /// Pick a suppression to end.
    pub(crate) fn unsuppress(&mut self, env: &Env<'_>) {
        let all = env.fleet.audit_setup().get().map(|s| s.suppressions.as_slice()).unwrap_or_default();
        if all.is_empty() {
            return self.say(SafeText::new("nothing is suppressed"), Tone::Calm, env.now);
        }
        let options: Vec<_> = all
            .iter()
            .enumerate()
            .map(|(i, s)| {
                (i.to_string(), SafeText::new(&format!("{} {}", s.check.shown(), s.resource.shown())))
            })
            .collect();
        let kind = FormKind::Unsuppress(all.iter().map(|s| (s.check.clone(), s.resource.clone())).collect());
        let fields = vec![FormField::of("suppression", options, "0")];
        self.open_fields(Form::new(kind, "Tell suppressed findings again", fields));
    }

    /// Pick a mitigation action for the finding under the cursor.
    pub(crate) fn mitigate_finding(&mut self, env: &Env<'_>) {
        let Some(finding) = self.finding_here(env) else { return self.no_finding(env) };
        let actions = actions(env);
        if actions.is_empty() {
            let text = "the account has no mitigation action yet: N makes one";
            return self.say(SafeText::new(text), Tone::Warn, env.now);
        }
        let findings = env.fleet.findings().get().map(Vec::as_slice).unwrap_or_default();
        let same = findings.iter().filter(|f| f.check == finding.check && !f.suppressed);
        let all: Vec<String> = same.map(|f| f.id.as_str().to_owned()).collect();
        let scope = [("one", "this finding".to_owned()), ("all", format!("all {} of this check", all.len()))];
        let scope: Vec<(&str, &str)> = scope.iter().map(|(v, s)| (*v, s.as_str())).collect();
        let fields =
            vec![FormField::of("action", choices(actions), ""), FormField::choice("findings", &scope, "one")];
        let kind = FormKind::Mitigate {
            check: finding.check.as_str().to_owned(),
            finding: finding.id.as_str().to_owned(),
            all,
        };
        let title = format!("Run a mitigation action on {}", finding.resource);
        self.open_fields(Form::new(kind, &title, fields));
    }

    /// Fill in a mitigation action.
    pub(crate) fn action_form(&mut self, env: &Env<'_>) {
        let account = env.fleet.identity().get().map(|who| who.account.to_string()).unwrap_or_default();
        let role = format!("arn:aws:iam::{account}:role/IoTMitigationActionRole");
        let fields = vec![
            FormField::text("name", "AddToIsolatedDevices"),
            FormField::choice("does", &KINDS, "group"),
            FormField::text("group or topic", self.look.isolation_group.clone()),
            FormField::text("role", role),
        ];
        self.open_fields(Form::new(FormKind::Action, "Create mitigation action", fields));
    }

    /// Pick a mitigation action to delete.
    pub(crate) fn action_delete(&mut self, env: &Env<'_>) {
        let actions = actions(env);
        if actions.is_empty() {
            return self.say(SafeText::new("the account has no mitigation action"), Tone::Calm, env.now);
        }
        let fields = vec![FormField::of("action", choices(actions), "")];
        self.open_fields(Form::new(FormKind::ActionDelete, "Delete mitigation action", fields));
    }

    /// Show the audits and what is suppressed in place of the finding's details, or those again.
    pub(crate) fn audit_more(&mut self, _: &Env<'_>) {
        self.audits = !self.audits;
    }
}

/// The days of a month as AWS names them.
const DATES: [&str; 32] = [
    "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19",
    "20", "21", "22", "23", "24", "25", "26", "27", "28", "29", "30", "31", "LAST",
];

fn schedules<'a>(env: &Env<'a>) -> &'a [Schedule] {
    let setup = env.fleet.audit_setup().get();
    setup.and_then(|s| s.schedules.as_deref()).unwrap_or_default()
}

/// Which checks, and the role where the account has none.
fn check_fields(env: &Env<'_>) -> Vec<FormField> {
    let setup = env.fleet.audit_setup().get();
    let checks = setup.map(|s| s.checks.as_slice()).unwrap_or_default();
    let on = checks.iter().filter(|(_, on)| *on).count();
    let mut options = Vec::new();
    if on > 0 {
        options.push(("enabled".to_owned(), SafeText::new(&format!("the {on} that are enabled"))));
    }
    options.push(("all".to_owned(), SafeText::new(&format!("all {} of them", checks.len()))));
    options.extend(checks.iter().map(|(name, on)| {
        let shown = format!("{}{}", name.shown(), if *on { "" } else { " (is enabled for it)" });
        (name.raw().to_owned(), SafeText::new(&shown))
    }));
    let mut fields = vec![FormField::of("checks", options, "enabled")];
    if setup.is_some_and(|s| s.role.is_none()) {
        let account = env.fleet.identity().get().map(|who| who.account.to_string()).unwrap_or_default();
        let role = format!("arn:aws:iam::{account}:role/service-role/AWSIoTDeviceDefenderAudit");
        fields.push(FormField::text("role", role));
    }
    fields
}

fn actions<'a>(env: &Env<'a>) -> &'a [MitigationAction] {
    env.fleet.audit_setup().get().map(|s| s.actions.as_slice()).unwrap_or_default()
}

fn choices(actions: &[MitigationAction]) -> Vec<(String, SafeText)> {
    let shown = |a: &MitigationAction| SafeText::new(&format!("{}: {}", a.name.shown(), a.does));
    actions.iter().map(|a| (a.name.raw().to_owned(), shown(a))).collect()
}

impl Form {
    pub(in crate::console) fn audit_said(&self, env: &Env<'_>) -> Vec<(Said, String)> {
        let plain = |text: &str| vec![(Said::Plain, text.to_owned())];
        match &self.kind {
            FormKind::AuditStart => {
                plain("an audit only looks; it is watched to its end, and its findings stay 90 days")
            }
            FormKind::Suppress { check, .. } => {
                vec![(
                    Said::Plain,
                    format!("findings of {} about it are found, marked and not told", check.shown()),
                )]
            }
            FormKind::Mitigate { .. } => {
                let chosen = actions(env).iter().find(|a| a.name.raw() == self.get("action"));
                let does = chosen.map(|a| format!("AWS {}; there is no rollback", a.does));
                does.map(|text| (Said::Doubtful, text)).into_iter().collect()
            }
            FormKind::Schedule => self.schedule_said(env),
            FormKind::Action => plain("nothing happens until it is run on a finding"),
            FormKind::Unsuppress(_)
            | FormKind::ActionDelete
            | FormKind::Unschedule
            | FormKind::Detect(_)
            | FormKind::Rule => Vec::new(),
        }
    }

    /// The schedule as it stands, without its checks.
    fn schedule(&self) -> Schedule {
        Schedule {
            name: Name::new(self.get("name")),
            frequency: self.get("how often").to_owned(),
            day: Some(self.get("on").to_owned()).filter(|day| !day.is_empty()),
            checks: Vec::new(),
        }
    }

    fn schedule_said(&self, env: &Env<'_>) -> Vec<(Said, String)> {
        let wanted = self.schedule();
        let mut said: Vec<(Said, String)> =
            wanted.wrong().map(|why| (Said::Wrong, why)).into_iter().collect();
        if let Some(held) = schedules(env).iter().find(|s| s.name == wanted.name) {
            let text = format!("it replaces: {}, {} checks", held.when(), held.checks.len());
            said.push((Said::Doubtful, text));
        }
        said.push((Said::Plain, "AWS chooses the hour; an audit only looks".to_owned()));
        said
    }

    /// The checks chosen; none for all that are enabled.
    fn checks(&self, env: &Env<'_>) -> Result<Vec<String>, String> {
        let known = env.fleet.audit_setup().get();
        let known = known.ok_or("the audit checks have not been read yet: try again in a moment")?;
        Ok(match self.get("checks") {
            "enabled" => Vec::new(),
            "all" => known.checks.iter().map(|(name, _)| name.raw().to_owned()).collect(),
            one => vec![one.to_owned()],
        })
    }

    fn role(&self) -> Option<String> {
        Some(self.get("role").to_owned()).filter(|r| !r.is_empty())
    }

    pub(in crate::console) fn audit_intent(&self, env: &Env<'_>) -> Result<Intent, String> {
        let change = match &self.kind {
            FormKind::AuditStart => AuditChange::Start { checks: self.checks(env)?, role: self.role() },
            FormKind::Schedule => {
                let wanted = Schedule { checks: self.checks(env)?, ..self.schedule() };
                AuditChange::Schedule { wanted, role: self.role() }
            }
            FormKind::Unschedule => AuditChange::Unschedule { name: Name::new(self.get("audit")) },
            FormKind::Suppress { check, resource } => AuditChange::Suppress {
                check: check.clone(),
                resource: resource.clone(),
                until: self.get("for").parse::<i64>().ok().map(|days| env.now + days * DAY),
                description: self.get("reason").to_owned(),
            },
            FormKind::Unsuppress(all) => {
                let at: usize = self.get("suppression").parse().unwrap_or_default();
                let (check, resource) = all.get(at).cloned().ok_or("pick a suppression")?;
                AuditChange::Unsuppress { check, resource }
            }
            FormKind::Mitigate { check, finding, all } => {
                let findings =
                    if self.get("findings") == "all" { all.clone() } else { vec![finding.clone()] };
                return Ok(Intent::Mitigate(Mitigation {
                    actions: vec![self.get("action").to_owned()],
                    violations: Vec::new(),
                    findings,
                    check: Some(check.clone()),
                    task: format!("quell-{:016x}", fastrand::u64(..)),
                }));
            }
            FormKind::Action => {
                let what = self.get("group or topic").to_owned();
                let does = match self.get("does") {
                    "certificate" => ActionSpec::Certificate,
                    "policy" => ActionSpec::BlankPolicy,
                    "sns" => ActionSpec::Sns(what),
                    _ => ActionSpec::Groups(what.split_whitespace().map(str::to_owned).collect()),
                };
                let role = self.get("role").to_owned();
                AuditChange::CreateAction { name: Name::new(self.get("name")), does, role }
            }
            FormKind::ActionDelete => AuditChange::DeleteAction { name: Name::new(self.get("action")) },
            FormKind::Rule => return Ok(self.rule_intent()),
            FormKind::Detect(_) => return Err("this form is about detection".to_owned()),
        };
        Ok(Intent::Audit(change))
    }
}
