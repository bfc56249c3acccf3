//! A policy flown on what is known of one device: the policies in effect, or one that is proposed. Nothing is changed.

use std::path::Path;

use quell_fleet::account::FindingRecord;
use quell_fleet::flight::fly::{Flight, Outcome, fly};
use quell_fleet::flight::{Heard, known};
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;
use quell_fleet::{Device, DeviceId, Ms};
use quell_rules::policy::Document;

use super::{App, Effect, Env, Tone, View};

/// What was heard is flown again after this long, while somebody looks.
const FRESH: Ms = 2_000;

/// What policies do with what was heard of a device.
#[derive(Debug)]
pub(crate) struct Flown {
    /// What was heard.
    pub heard: Heard,
    /// What the policy that is proposed does with it; without one, the policies in effect.
    pub flights: Vec<Flight>,
    /// What the policies in effect do, beside one that is proposed.
    pub today: Vec<Flight>,
    /// Policies in effect that cannot be read.
    pub unread: Vec<SafeText>,
}

impl Flown {
    /// How many requests come to it.
    pub(crate) fn count(&self, outcome: Outcome) -> usize {
        self.flights.iter().flat_map(|flight| &flight.requests).filter(|r| r.outcome == outcome).count()
    }

    /// What the policies in effect do with a request, where that is another than what the proposed one does.
    pub(crate) fn otherwise(
        &self,
        flight: &Flight,
        flown: &quell_fleet::flight::fly::Flown,
    ) -> Option<Outcome> {
        let same = self.today.iter().filter(|today| today.client == flight.client);
        let request = same.flat_map(|today| &today.requests).find(|today| today.request == flown.request)?;
        (request.outcome != flown.outcome).then_some(request.outcome)
    }
}

/// The trial that is looked at.
#[derive(Debug)]
pub(crate) struct Trial {
    thing: Name,
    /// The policy that is proposed: the file it is from, and its documents.
    proposed: Option<(SafeText, Vec<(String, Document)>)>,
    /// `None` until the account and the policies in effect were read.
    flown: Option<Flown>,
    of: Option<(u64, Ms)>,
}

impl Trial {
    fn of(thing: Name, proposed: Option<(SafeText, Vec<(String, Document)>)>) -> Self {
        Self { thing, proposed, flown: None, of: None }
    }

    /// The file of the policy that is proposed.
    pub(crate) fn proposed(&self) -> Option<&SafeText> {
        self.proposed.as_ref().map(|(file, _)| file)
    }

    /// What it came to.
    pub(crate) fn flown(&self) -> Option<&Flown> {
        self.flown.as_ref()
    }

    fn fly(&self, env: &Env<'_>) -> Option<Flown> {
        let id = env.fleet.find(self.thing.raw())?;
        let prefix = env.fleet.identity().get()?.arn_prefix();
        let policies = env.fleet.policies_of(self.thing.raw()).and_then(|known| known.get());
        let heard = Heard::of(env.fleet, id);
        let (today, unread) = match policies {
            Some(policies) => known::in_effect(&heard, policies, &prefix),
            None if self.proposed.is_some() => Default::default(),
            None => return None,
        };
        let (flights, today) = match &self.proposed {
            Some((_, documents)) => (fly(&heard, documents, &prefix).collect(), today),
            None => (today, Vec::new()),
        };
        Some(Flown { heard, flights, today, unread })
    }
}

/// The thing that has the certificate a finding is about, or whose client id it names: by the certificates that were read, or
/// by what connected with it.
fn finding_thing(finding: &FindingRecord, env: &Env<'_>) -> Option<DeviceId> {
    let named = |name: &Name| env.fleet.find(name.raw());
    let Some(certificate) = finding.resource_id.0.get("deviceCertificateId") else {
        return finding.resource_id.0.get("clientId").and_then(named);
    };
    let has = |device: &Device| {
        let known = device.certificates().get().into_iter().flatten();
        known.into_iter().any(|held| held.id == certificate.raw())
    };
    let read = env.fleet.devices().find(|(_, device)| has(device)).map(|(id, _)| id);
    read.or_else(|| env.fleet.clients().of(certificate.raw()).iter().find_map(|seen| named(&seen.client)))
}

impl App {
    /// The trial of a policy that is looked at.
    pub(crate) fn trial(&self) -> Option<&Trial> {
        self.trial.as_deref()
    }

    /// What the policies in effect do with what was heard of the device here.
    pub(crate) fn view_policy(&mut self, env: &Env<'_>) {
        match self.registered_here(env) {
            Some(thing) => self.try_policy(thing, None),
            None => self.no_thing_here(env),
        }
    }

    fn no_thing_here(&mut self, env: &Env<'_>) {
        match self.finding_here(env) {
            Some(_) => {
                let text = "which thing this finding is about is not known here: look at the thing once, and its \
                            certificates are read";
                self.say(SafeText::new(text), Tone::Warn, env.now);
            }
            None => self.nothing_here(env),
        }
    }

    /// The same of a policy in a file.
    pub(super) fn propose_policy(&mut self, file: &str, env: &Env<'_>) {
        match self.registered_here(env) {
            Some(thing) => self.effects.push(Effect::ReadPolicy { thing, path: file.into() }),
            None => self.no_thing_here(env),
        }
    }

    /// The thing here; on a finding about a certificate, the thing that has it.
    fn registered_here(&self, env: &Env<'_>) -> Option<Name> {
        let id = match self.finding_here(env) {
            Some(finding) => finding_thing(finding, env)?,
            None => self.thing_here(env).or_else(|| self.device_at_cursor())?,
        };
        let device = env.fleet.device(id);
        (!device.is_unattributed()).then(|| device.name().clone())
    }

    /// A file was read for a trial.
    pub(super) fn policy_read(
        &mut self,
        thing: Name,
        path: &Path,
        read: Result<String, String>,
        env: &Env<'_>,
    ) {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        match read.and_then(|text| Document::parse_all(&stem, &text)) {
            Ok(documents) => {
                let file = SafeText::new(&path.file_name().unwrap_or_default().to_string_lossy());
                self.try_policy(thing, Some((file, documents)));
            }
            Err(why) => {
                let text = format!("{}: {why}", path.display());
                self.say(SafeText::new(&text), Tone::Warn, env.now);
            }
        }
    }

    fn try_policy(&mut self, thing: Name, proposed: Option<(SafeText, Vec<(String, Document)>)>) {
        self.trial = Some(Box::new(Trial::of(thing.clone(), proposed)));
        self.go(View::Policy(thing));
    }

    /// Flies again what was heard meanwhile.
    pub(super) fn refresh_trial(&mut self, env: &Env<'_>) {
        let View::Policy(_) = self.view() else { return };
        let Some(trial) = &mut self.trial else { return };
        let revision = env.fleet.revision();
        let fresh = |(of, at): (u64, Ms)| of == revision || trial.flown.is_some() && env.now - at < FRESH;
        if !trial.of.is_some_and(fresh) {
            trial.flown = trial.fly(env);
            trial.of = Some((revision, env.now));
        }
    }

    /// Write a note: the palette, with its word typed already.
    pub(crate) fn note_line(&mut self, env: &Env<'_>) {
        self.palette_with("note ", env);
    }

    /// Writes what an operator has to say into the journal, about the marked things or the one under the cursor.
    pub(super) fn note_down(&mut self, text: &str, env: &Env<'_>) {
        if text.is_empty() {
            return self.note_line(env);
        }
        let things = self.targets(env).into_iter().map(|id| env.fleet.device(id));
        let things = things.filter(|device| !device.is_unattributed()).map(|d| d.name().clone()).collect();
        let arn = env.fleet.identity().get().map(|who| who.arn.clone());
        self.effects.push(Effect::Note { things, text: text.to_owned(), arn });
    }
}
