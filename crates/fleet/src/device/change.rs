//! What changes a device: messages heard, warnings put up and taken away, what was read or done about it.

use crate::Ms;
use crate::baseline::{Ledger, Pace, Signal, WarningKind};
use crate::clones::Suspect;
use crate::event::{ResponseEvent, Stage};
use crate::kept::KeptTraffic;
use crate::known::Known;
use crate::model::{CertificateRecord, Name};
use crate::presence::PresenceState;
use crate::state::{Held, Sign, Word};
use crate::text::SafeText;
use crate::traffic::{Heard, Traffic};

use super::{Device, NO_TOPIC, Warning};

impl Device {
    /// Puts up a warning; one of the same kind that stands keeps its time.
    pub(crate) fn warn(&mut self, warning: Warning) {
        let warnings = &mut self.rest_mut().warnings;
        match warnings.iter_mut().find(|w| w.kind == warning.kind) {
            Some(known) => *known = Warning { since: known.since, ..warning },
            None => {
                warnings.push(warning);
                warnings.sort_by_key(|w| w.kind);
            }
        }
    }

    /// Takes warnings of a kind away; true when there was one.
    pub(crate) fn calm(&mut self, kind: WarningKind) -> bool {
        let Some(rest) = &mut self.rest else { return false };
        let before = rest.warnings.len();
        rest.warnings.retain(|w| w.kind != kind);
        rest.warnings.len() != before
    }

    /// Takes away what is over by itself.
    pub(crate) fn expire(&mut self, now: Ms) {
        if let Some(rest) = &mut self.rest {
            rest.warnings.retain(|w| w.until.is_none_or(|until| until > now));
        }
    }

    /// Somebody acted on what was told of it.
    pub(crate) fn prove(&mut self, ledger: &mut Ledger) {
        self.traffic.prove(ledger);
    }

    /// A response let it go at `at`: what stood against it before is over, and what its isolation did to its pauses and
    /// connects is not its own doing.
    pub(crate) fn resume(&mut self, at: Ms) {
        self.traffic.resume();
        let rest = self.rest_mut();
        rest.warnings.clear();
        rest.connects.resume();
        rest.shadow_updates.resume();
        rest.suspect = None;
        rest.resumed = Some(at);
    }

    /// One more connect of this device, or shadow update; see [`Pace::note`].
    pub(crate) fn pace(&mut self, connects: bool) -> &mut Pace {
        let rest = self.rest_mut();
        if connects { &mut rest.connects } else { &mut rest.shadow_updates }
    }

    /// What is kept of its sessions, from now on.
    pub(crate) fn suspect_mut(&mut self) -> &mut Suspect {
        self.rest_mut().suspect.get_or_insert_default()
    }

    /// Nothing is kept of its sessions any more.
    pub(crate) fn clear_suspect(&mut self) {
        if let Some(rest) = &mut self.rest {
            rest.suspect = None;
        }
    }

    pub(crate) fn set_cloned(&mut self, cloned: bool) {
        if cloned || self.rest.is_some() {
            self.rest_mut().cloned = cloned;
        }
    }

    pub(crate) fn set_findings(&mut self, findings: u16) {
        self.findings = findings;
    }

    pub(crate) fn set_word(&mut self, word: Word, now: Ms) {
        self.word = word;
        self.word_since = now;
    }

    /// True when somebody asked for it to be held, or put it where it should be.
    fn is_to_be_held(&self) -> bool {
        self.rest.as_ref().is_some_and(|rest| rest.quarantined.is_some() || rest.stage.is_some())
    }

    /// Silent from now on, or not any more.
    pub(crate) fn set_quiet(&mut self, quiet: bool, now: Ms) {
        if quiet != self.is_quiet() {
            self.quiet = if quiet { now } else { Ms::MIN };
        }
    }

    pub(crate) fn set_held(&mut self, held: Option<Held>) {
        if held.is_some() || self.rest.is_some() {
            self.rest_mut().held = held;
        }
    }

    /// A sign of life of a kind that has no other place.
    pub(crate) fn note_sign(&mut self, sign: Sign, at: Ms) {
        let signs = &mut self.rest_mut().signs;
        if signs.of(sign).is_none_or(|known| at > known) {
            signs.set(sign, Some(at));
        }
    }

    pub(crate) fn set_registered(&mut self, registered: bool) -> bool {
        let changed = self.registered != Some(registered);
        self.registered = Some(registered);
        changed
    }

    /// Whether it is registered is not known any more.
    pub(crate) fn forget_registered(&mut self) {
        self.registered = None;
    }

    pub(crate) fn set_thing_type(&mut self, thing_type: Option<SafeText>) {
        if thing_type.is_some() || self.rest.is_some() {
            self.rest_mut().thing_type = thing_type;
        }
    }

    /// Gives the topic that `is` finds another number; false when there is none among the first few.
    pub(crate) fn renumber_topic(&mut self, topic: u32, is: impl Fn(u32) -> bool) -> bool {
        // A device that makes up topics all the time must not make each of them dearer than the one before.
        const FEW: usize = 16;
        let all = match &mut self.topics {
            Some(several) => several.as_mut_slice(),
            None => std::slice::from_mut(&mut self.topic),
        };
        let known = all.iter_mut().take(FEW).find(|known| is(**known));
        known.map(|known| *known = topic).is_some()
    }

    pub(crate) fn add_topic(&mut self, topic: u32) {
        match &mut self.topics {
            Some(several) => several.push(topic),
            None if self.topic == NO_TOPIC => self.topic = topic,
            None => self.topics = Some(Box::new(vec![self.topic, topic])),
        }
    }

    pub(crate) fn clear_violations(&mut self) {
        if let Some(rest) = &mut self.rest {
            rest.violations.clear();
        }
    }

    pub(crate) fn add_violation(&mut self, position: u32) {
        self.rest_mut().violations.push(position);
    }

    pub(crate) fn certificates_mut(&mut self) -> &mut Known<Vec<CertificateRecord>> {
        &mut self.rest_mut().certificates
    }

    pub(crate) fn groups_mut(&mut self) -> &mut Known<Vec<Name>> {
        &mut self.rest_mut().groups
    }

    /// A step of a response, whatever stood there before.
    pub(crate) fn set_stage(&mut self, event: ResponseEvent) {
        let rest = self.rest_mut();
        rest.stage = Some((event.stage, event.at));
        rest.responder = event.by;
        rest.plan = event.plan;
        rest.silent_until = event.silent_until;
    }

    /// Notes the group it is quarantined in; the time of a quarantine already known is kept. Whoever took it out released
    /// it, unless its certificates hold it. What tells of it may be `late`: it takes back nothing younger than that.
    pub(crate) fn set_quarantined(&mut self, group: Option<Name>, at: Ms, late: Ms) -> bool {
        match (group, &self.rest().quarantined) {
            (None, None) => false,
            (Some(group), Some((known, _))) if *known == group => false,
            (None, Some((_, since))) if at - since < late => false,
            (group, _) => {
                if group.is_none() {
                    self.resume(at);
                    let barred = self.certificates().get().is_some_and(|all| {
                        !all.is_empty() && all.iter().all(|c| c.status.as_str() != "ACTIVE")
                    });
                    let rest = self.rest_mut();
                    // Also where no response is known yet: one that is told of later, and was earlier, is over.
                    if !barred && rest.stage.as_ref().is_none_or(|(_, begun)| *begun <= at) {
                        rest.stage = Some((Stage::Released, at));
                        (rest.responder, rest.plan, rest.silent_until) = (None, None, None);
                    }
                }
                let rest = self.rest_mut();
                rest.held = None;
                rest.quarantined = group.map(|group| (group, at));
                true
            }
        }
    }

    pub(crate) fn set_report(&mut self, at: Ms, accepted: bool) {
        self.rest_mut().report = Some((at, accepted));
    }

    pub(crate) fn presence_mut(&mut self, settle: Ms) -> &mut PresenceState {
        self.presence.get_or_insert_with(|| Box::new(PresenceState::new(settle)))
    }

    pub(crate) fn adopt_presence(&mut self, presence: PresenceState) {
        self.presence = Some(Box::new(presence));
    }

    /// Goes on from how it usually spoke before a restart.
    pub(crate) fn resume_traffic(&mut self, kept: KeptTraffic) {
        self.traffic = Traffic::resumed(kept);
    }

    /// The hot path: something heard at `at`, having listened since `since`. True when the device must be judged again.
    pub(crate) fn hear(&mut self, at: Ms, since: Ms, heard: Heard, ledger: &mut Ledger) -> bool {
        let since = since.max(self.resumed());
        if let Some(suspect) = self.rest.as_mut().and_then(|rest| rest.suspect.as_deref_mut()) {
            suspect.heard(at, heard);
        }
        // Empty vectors cost nothing; nearly every message leaves it empty.
        let mut signals = Vec::new();
        self.traffic.note(at, since, heard, ledger, &mut signals);
        let mut changed = self.calm(WarningKind::Silence);
        for signal in signals {
            match signal {
                Signal::Calm(kind) => changed |= self.calm(kind),
                Signal::Raise(kind, times, text, sentence) => {
                    let (text, sentence) = (SafeText::from(text), SafeText::from(sentence));
                    self.warn(Warning { kind, since: at, times, text, sentence, until: None });
                    changed = true;
                }
            }
        }
        if changed {
            return true;
        }
        // Whoever should be held is judged with every sign, whatever its word.
        self.is_to_be_held()
            || !matches!(
                self.word,
                Word::Ok | Word::Alarm | Word::Finding | Word::Warning | Word::Unattributed
            )
    }
}
