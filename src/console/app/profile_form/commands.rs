//! The commands about security profiles, dimensions, custom metrics and verdicts. Each opens a form; a form without mistakes
//! asks for a plan; nothing is sent before that is confirmed.

use std::path::PathBuf;

use crate::response::{DetectChange, Intent, Level, Note};
use quell_fleet::model::{Name, ProfileRecord};
use quell_fleet::text::SafeText;
use quell_rules::detect::file;
use quell_rules::detect::profile::SecurityProfile;

use super::super::super::dialogs::{DetectKind, Dialog, Form, FormKind, Outcome, PlanPhase};
use super::super::{App, Effect, Env, ListId, Tone, View, event_key, key_of};
use super::{ProfileForm, heard, listed, profile_here};

/// Said where a file would be written.
pub(in crate::console::app) const NO_FILES: &str =
    "read-only: this quell writes no files; quell profiles export prints it";

/// What a verdict may be, as it is chosen and as AWS has it.
const VERDICTS: [&str; 4] = ["TRUE_POSITIVE", "FALSE_POSITIVE", "BENIGN_POSITIVE", "UNKNOWN"];
const TYPES: [&str; 4] = ["number", "number-list", "string-list", "ip-address-list"];

impl App {
    /// Opens the form: as the profile under the cursor, else as the workshop's. A draft of it is found as it was left.
    pub(crate) fn profile_form(&mut self, env: &Env<'_>) {
        let record = if *self.view() == View::Profiles { profile_here(self, env) } else { None };
        let name = record.map(|r| r.name.as_str());
        if let Some(draft) = self.draft.take_if(|draft| draft.base_name() == name) {
            return self.open_form(*draft, env);
        }
        let document = record.map(ProfileRecord::document);
        self.open_new(document, env);
    }

    /// Opens the form for a profile that does not exist yet.
    pub(crate) fn profile_new(&mut self, env: &Env<'_>) {
        self.open_new(None, env);
    }

    /// Opens a form for a profile, or for a new one: its targets are ARNs of the account, which must be known.
    fn open_new(&mut self, document: Option<SecurityProfile>, env: &Env<'_>) {
        let Some(prefix) = self.account_known(env) else { return };
        let form = match document {
            Some(profile) => ProfileForm::of(profile, env, prefix),
            None => ProfileForm::new(env, prefix),
        };
        self.open_form(form, env);
    }

    /// What the account's ARNs begin with; says why not, while it is not known whose account this is.
    pub(in crate::console::app) fn account_known(&mut self, env: &Env<'_>) -> Option<String> {
        let prefix = super::prefix(env);
        if prefix.is_none() {
            let text = match env.fleet.identity().trouble() {
                Some(trouble) => format!("whose account this is could not be read: {}", trouble.message),
                None => "whose account this is was not read yet: again in a moment".to_owned(),
            };
            self.say(SafeText::new(&text), Tone::Warn, env.now);
        }
        prefix
    }

    fn open_form(&mut self, mut form: ProfileForm, env: &Env<'_>) {
        form.judge(env);
        self.dialog = Some(Dialog::Profile(Box::new(form)));
    }

    /// Puts the form aside; what was typed is found again when it is opened again. With a plan, asks for it.
    pub(in crate::console::app) fn keep_draft(&mut self, plan: Option<(SafeText, Intent)>, env: &Env<'_>) {
        if let Some(Dialog::Profile(form)) = self.dialog.take() {
            self.draft = Some(form);
        }
        match plan {
            Some((asked, intent)) => self.ask(env, asked, intent),
            None => {
                let text = "nothing was sent; the draft is kept until quell ends";
                self.say(SafeText::new(text), Tone::Calm, env.now);
            }
        }
    }

    /// From the plan back to the form, with what AWS said against it.
    pub(in crate::console::app) fn back_to_form(&mut self, env: &Env<'_>) {
        let Some(mut form) = self.draft.take() else { return };
        if let Some(Dialog::Plan(dialog)) = &self.dialog
            && let PlanPhase::Ready(plan) = &dialog.phase
        {
            let said = plan.affects().iter().filter(|n| n.level == Level::Danger);
            form.refused =
                said.filter(|n| n.text.as_str().starts_with("AWS: ")).map(|n| n.text.clone()).collect();
        }
        self.open_form(*form, env);
    }

    /// Plan the deletion of the profile under the cursor.
    pub(crate) fn profile_delete(&mut self, env: &Env<'_>) {
        let Some(profile) = self.profile_here(env) else { return };
        let asked = SafeText::new(&format!("Delete security profile {}", profile.shown()));
        self.ask(env, asked, Intent::Detect(DetectChange::Delete { profile }));
    }

    fn profile_here(&mut self, env: &Env<'_>) -> Option<Name> {
        let found = profile_here(self, env).map(|p| Name::new(p.name.as_str()));
        if found.is_none() {
            self.say(SafeText::new("no security profile here"), Tone::Warn, env.now);
        }
        found
    }

    /// Name what a profile is to judge besides.
    pub(crate) fn profile_attach(&mut self, env: &Env<'_>) {
        self.target_form(env, true);
    }

    /// Name what a profile is no longer to judge.
    pub(crate) fn profile_detach(&mut self, env: &Env<'_>) {
        self.target_form(env, false);
    }

    fn target_form(&mut self, env: &Env<'_>, attach: bool) {
        let Some(profile) = self.profile_here(env) else { return };
        let now = profile_here(self, env).map(|p| p.targets.clone()).unwrap_or_default();
        let words: Vec<String> =
            now.iter().map(|t| quell_rules::detect::profile::target_words(t.as_str())).collect();
        let judges = if words.is_empty() { "nobody".to_owned() } else { words.join(", ") };
        let first = now.first().map(|t| t.as_str().rsplit(':').next().unwrap_or_default().to_owned());
        let (title, value) = if attach {
            (format!("Attach {}", profile.shown()), String::new())
        } else {
            (format!("Detach {}", profile.shown()), first.unwrap_or_default().replace("thinggroup/", ""))
        };
        let hint = "all things, registered, unregistered, or thing groups; with commas";
        let form = Form::new(FormKind::Detect(DetectKind::Target { profile, attach }), &title, Vec::new())
            .text(if attach { "judge too" } else { "no longer judge" }, &value, hint)
            .tell(&format!("judges now: {judges}"));
        self.dialog = Some(Dialog::Form(Box::new(form)));
    }

    /// Write or delete a dimension.
    pub(crate) fn dimension(&mut self, env: &Env<'_>) {
        let mut form = Form::new(FormKind::Detect(DetectKind::Dimension), "Dimension", Vec::new())
            .choice("do", &["write", "delete"])
            .text("name", "", "1 to 128 letters, digits, :, _ or -")
            .text("topic filters", "", "with commas: temperature/#, dt/${iot:ClientId}/+");
        for known in env.fleet.dimensions().get().into_iter().flatten().take(6) {
            let values: Vec<&str> = known.values.iter().map(SafeText::as_str).collect();
            form = form.tell(&format!("{}: {}", known.name, values.join(", ")));
        }
        self.dialog = Some(Dialog::Form(Box::new(form)));
    }

    /// Create or delete a custom metric.
    pub(crate) fn custom_metric(&mut self, env: &Env<'_>) {
        let mut form = Form::new(FormKind::Detect(DetectKind::Metric), "Custom metric", Vec::new())
            .choice("do", &["create", "delete"])
            .text("name", "", "as devices report it")
            .choice("type", &TYPES)
            .text("display name", "", "what people call it; may be empty");
        for known in env.fleet.custom_metrics().get().into_iter().flatten().take(6) {
            form = form.tell(&format!("{}, a {}", known.name, known.kind));
        }
        self.dialog = Some(Dialog::Form(Box::new(form)));
    }

    /// Take a profile from a file into the form.
    pub(crate) fn profile_import(&mut self, _: &Env<'_>) {
        let form = Form::new(FormKind::Detect(DetectKind::Import), "Take a profile from a file", Vec::new())
            .text("file", "", "JSON or TOML in AWS's shape")
            .text("profile", "", "which, if the file has several");
        self.dialog = Some(Dialog::Form(Box::new(form)));
    }

    /// Write the profile under the cursor into a file.
    pub(crate) fn profile_export(&mut self, env: &Env<'_>) {
        let Some(record) = profile_here(self, env) else {
            return self.say(SafeText::new("no security profile here"), Tone::Warn, env.now);
        };
        if self.look.read_only {
            return self.say(SafeText::new(NO_FILES), Tone::Warn, env.now);
        }
        let text = serde_json::to_string_pretty(&record.document()).unwrap_or_default();
        let title = format!("Write {} into a file", record.name);
        let name = format!("{}.json", record.name.as_str().replace(':', "_"));
        let form = Form::new(FormKind::Detect(DetectKind::Export { text }), &title, Vec::new())
            .text("file", &name, "a file that does not exist yet")
            .tell("as the AWS CLI and `quell profiles apply` take it");
        self.dialog = Some(Dialog::Form(Box::new(form)));
    }

    /// Say what the violation under the cursor was found to be.
    pub(crate) fn verify(&mut self, env: &Env<'_>) {
        let Some((id, words, was)) = self.violation_here(env) else {
            return self.say(SafeText::new("no violation of AWS's under the cursor"), Tone::Warn, env.now);
        };
        let form = Form::new(
            FormKind::Detect(DetectKind::Verify { violations: vec![id] }),
            "What was this violation?",
            Vec::new(),
        )
        .choice("it was", &VERDICTS)
        .text("because", "", "a note of at most 1000 characters")
        .tell(&words)
        .tell(&was);
        self.dialog = Some(Dialog::Form(Box::new(form)));
    }

    fn violation_here(&self, env: &Env<'_>) -> Option<(String, String, String)> {
        let said = |verdict: Option<&SafeText>, note: Option<&SafeText>| match (verdict, note) {
            (Some(verdict), Some(note)) if !note.is_empty() => format!("so far {verdict}: {note}"),
            (Some(verdict), _) => format!("so far {verdict}"),
            (None, _) => "nobody has said anything yet".to_owned(),
        };
        let list = self.focused_list();
        let cursor = self.list(list).cursor();
        if list == ListId::History {
            let all = env.fleet.violation_events().get()?;
            let event = all.iter().find(|e| Some(event_key(e)) == cursor)?;
            let words = format!("{}: {}", event.thing.shown(), event.behavior);
            return Some((event.id.clone(), words, said(event.verification.as_ref(), event.note.as_ref())));
        }
        let all = env.fleet.violations().get()?;
        let found = match list {
            ListId::Violations => all.iter().find(|v| Some(key_of(&v.id)) == cursor)?,
            // Elsewhere the violation of the device under the cursor.
            _ => {
                let device = self.thing_here(env)?;
                all.iter().find(|v| v.thing == *env.fleet.device(device).name())?
            }
        };
        let words = format!("{}: {}", found.thing.shown(), SafeText::new(&found.behavior.name));
        Some((found.id.clone(), words, said(found.verification.as_ref(), found.note.as_ref())))
    }

    /// A file was read: its profile goes into the form, or the form says why not.
    pub(in crate::console::app) fn imported(
        &mut self,
        path: &std::path::Path,
        name: &str,
        read: Result<String, String>,
        env: &Env<'_>,
    ) {
        let toml = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("toml"));
        let name = (!name.is_empty()).then_some(name);
        match read.and_then(|text| file::parse(&text, toml)).and_then(|all| file::only(all, name)) {
            Ok(profile) => self.open_new(Some(profile), env),
            Err(why) => {
                if let Some(Dialog::Form(form)) = &mut self.dialog {
                    form.refuse(0, SafeText::new(&why).as_str());
                }
            }
        }
    }

    /// A file was written, or could not be.
    pub(in crate::console::app) fn exported(
        &mut self,
        path: &std::path::Path,
        written: Result<(), String>,
        env: &Env<'_>,
    ) {
        match written {
            Ok(()) => {
                self.dialog = None;
                self.say(SafeText::new(&format!("written to {}", path.display())), Tone::Calm, env.now);
            }
            Err(why) => {
                if let Some(Dialog::Form(form)) = &mut self.dialog {
                    form.refuse(0, SafeText::new(&why).as_str());
                }
            }
        }
    }
}

impl ProfileForm {
    /// The plan of a form without mistakes; one with mistakes goes to the first of them.
    pub(in crate::console) fn submit(&mut self, env: &Env<'_>) -> Option<(SafeText, Intent)> {
        if let Some(wrong) = self.first_wrong() {
            self.field = wrong;
            return None;
        }
        if !self.mistakes().is_empty() {
            return None;
        }
        let profile = Box::new(self.document());
        let (held, devices) = heard::held(env);
        let notes = |b| heard::judged(b, &held, env).into_iter();
        let named = profile.behaviors.iter().flat_map(|b| {
            notes(b).map(|n| Note { text: SafeText::new(&format!("{}: {}", b.name, n.text)), ..n })
        });
        let heard: Vec<Note> = named.collect();
        let asked = SafeText::new(&format!("Write security profile {}", profile.security_profile_name));
        // A name that is not the one it began with is a new profile's.
        let new = self.base_name() != Some(profile.security_profile_name.as_str());
        let change = DetectChange::Apply { profile, heard, devices: Some(devices), new };
        Some((asked, Intent::Detect(change)))
    }
}

impl Form {
    /// What a form about detection without mistakes asks for: a plan, or a file.
    pub(in crate::console) fn submit_detect(&mut self, kind: DetectKind) -> Outcome {
        let change = match wanted(self, &kind) {
            Ok(change) => change,
            Err((at, why)) => {
                self.refuse(at, &why);
                return Outcome::Taken;
            }
        };
        match (change, kind) {
            (Some(change), _) => Outcome::Ask(SafeText::new(&change.title()), Intent::Detect(change)),
            (None, DetectKind::Import) => {
                let (path, name) = (PathBuf::from(self.value(0)), self.value(1));
                Outcome::Want(Effect::ImportProfile { path, name }, None)
            }
            (None, DetectKind::Export { text }) => {
                let path = PathBuf::from(self.value(0));
                Outcome::Want(Effect::ExportProfile { path, text }, None)
            }
            (None, _) => Outcome::Taken,
        }
    }
}

/// What a form asks for; `None` for one that is about a file. The field that is wrong, and why, when one is.
fn wanted(form: &Form, kind: &DetectKind) -> Result<Option<DetectChange>, (usize, String)> {
    let named = |at: usize| {
        let name = form.value(at);
        if quell_rules::detect::validate::valid_name(&name) {
            Ok(Name::new(&name))
        } else {
            Err((at, "1 to 128 letters, digits, :, _ or -".to_owned()))
        }
    };
    Ok(Some(match kind {
        DetectKind::Target { profile, attach } => {
            let typed = form.value(0);
            let targets: Vec<String> = listed(&typed).map(str::to_owned).collect();
            if targets.is_empty() {
                return Err((0, "whom? all things, or a thing group".to_owned()));
            }
            for text in &targets {
                quell_rules::detect::profile::target_arn(text, "arn:aws:iot:r:a:").map_err(|why| (0, why))?;
            }
            let profile = profile.clone();
            if *attach {
                DetectChange::Attach { profile, targets }
            } else {
                DetectChange::Detach { profile, targets }
            }
        }
        DetectKind::Dimension => {
            let name = named(1)?;
            if form.value(0) == "delete" {
                return Ok(Some(DetectChange::DeleteDimension { name }));
            }
            let values: Vec<String> = listed(&form.value(2)).map(str::to_owned).collect();
            if values.is_empty() {
                return Err((2, "at least one topic filter".to_owned()));
            }
            DetectChange::PutDimension { name, values }
        }
        DetectKind::Metric => {
            let name = named(1)?;
            if form.value(0) == "delete" {
                return Ok(Some(DetectChange::DeleteMetric { name }));
            }
            let display = form.value(3);
            let display = (!display.is_empty()).then_some(display);
            DetectChange::CreateMetric { name, kind: form.value(2), display }
        }
        DetectKind::Verify { violations } => {
            let note = form.value(1);
            if note.chars().count() > 1000 {
                return Err((1, "at most 1000 characters".to_owned()));
            }
            DetectChange::Verify { violations: violations.clone(), state: form.value(0), note }
        }
        DetectKind::Import | DetectKind::Export { .. } if form.value(0).is_empty() => {
            return Err((0, "which file?".to_owned()));
        }
        DetectKind::Import | DetectKind::Export { .. } => return Ok(None),
    }))
}
