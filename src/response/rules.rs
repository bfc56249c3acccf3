//! What the configuration allows and how long things take: the part of the settings a response needs.

use std::path::PathBuf;

use crate::config::{Guardrails, Judged, ThingFrom, Verb};
use quell_fleet::Ms;
use quell_fleet::model::Name;

/// Guardrails and durations.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Refuse every change.
    pub read_only: bool,
    /// The group that isolates, when an intent names none.
    pub isolate_group: Name,
    /// What the configuration forbids or asks for.
    pub guardrails: Guardrails,
    /// AWS's durations are divided by it: 1, except against an emulator that runs faster.
    pub speed: f64,
    /// The journal file.
    pub journal: PathBuf,
    /// When the account began, where that is known: plans of the journal from before are about another.
    pub since: Option<Ms>,
    /// A plan older than this (milliseconds) is not run: the account may have changed since it was read.
    pub plan_age: Ms,
    /// Send no request, even though nothing is refused: `--dry-run`.
    pub dry_run: bool,
    /// Every group whose members count as quarantined, the one above among them.
    pub quarantine_groups: Vec<Name>,
    /// How a topic names its thing; the first that matches decides.
    pub thing_from: Vec<ThingFrom>,
}

/// Policies, group membership and certificates take effect within this time (docs/aws-iot.md#4.3: 6 to 8 minutes).
pub(in crate::response) const CACHE_MS: f64 = 8.0 * 60_000.0;
/// Connections are cut again at most for this long (docs/aws-iot.md#6.27).
const CUT_MS: f64 = 10.0 * 60_000.0;
/// The silence asked of a device whose usual interval is not known, before scaling.
const DEFAULT_SILENCE_MS: f64 = 30_000.0;
/// No silence shorter than this proves anything: a message may be under way for as long.
const LEAST_SILENCE_MS: Ms = 1_500;
/// A silence longer than this is not waited for even when a device speaks rarely (before scaling).
const MOST_SILENCE_MS: f64 = 15.0 * 60_000.0;

impl From<&crate::config::Settings> for Rules {
    fn from(settings: &crate::config::Settings) -> Self {
        Self {
            read_only: settings.read_only,
            since: settings.account_since,
            speed: settings.aws_speed,
            guardrails: settings.guardrails.clone(),
            quarantine_groups: settings.quarantine_groups().map(Name::new).collect(),
            thing_from: settings.thing_from.clone(),
            ..Self::new(settings.journal.clone(), &settings.groups.isolate)
        }
    }
}

impl Rules {
    /// Defaults for a journal at `journal`.
    pub fn new(journal: PathBuf, isolate_group: &str) -> Self {
        Self {
            read_only: false,
            isolate_group: Name::new(isolate_group),
            guardrails: Guardrails::default(),
            speed: 1.0,
            journal,
            since: None,
            plan_age: 10 * 60_000,
            dry_run: false,
            quarantine_groups: vec![Name::new(isolate_group)],
            thing_from: Vec::new(),
        }
    }

    /// What the guardrails demand of an action.
    pub(in crate::response) fn judge(
        &self,
        commands: &[Verb],
        things: &[Name],
        groups: &[Name],
        now: Ms,
    ) -> Judged {
        let commands: Vec<&str> = commands.iter().map(|verb| verb.id()).collect();
        let things: Vec<&str> = things.iter().map(|n| n.raw()).collect();
        let groups: Vec<&str> = groups.iter().map(|n| n.raw()).collect();
        self.guardrails.judge(&commands, &things, &groups, now)
    }

    /// The thing that a topic names.
    pub(in crate::response) fn thing_of(&self, topic: &str) -> Option<String> {
        ThingFrom::of(&self.thing_from, topic)
    }

    /// An AWS duration in milliseconds as it passes here.
    pub(in crate::response) fn scaled(&self, ms: f64) -> Ms {
        let speed = if self.speed.is_finite() && self.speed > 0.0 { self.speed } else { 1.0 };
        (ms / speed).round() as Ms
    }

    /// The silence that proves a device with this usual interval contained: three times the interval.
    pub fn silence(&self, cadence: Option<Ms>) -> Ms {
        match cadence {
            Some(cadence) => cadence
                .saturating_mul(3)
                .clamp(LEAST_SILENCE_MS, self.scaled(MOST_SILENCE_MS).max(LEAST_SILENCE_MS)),
            None => self.scaled(DEFAULT_SILENCE_MS).max(LEAST_SILENCE_MS),
        }
    }

    /// How long a connection is cut again and again before the proof is given up.
    pub(in crate::response) fn patience(&self) -> Ms {
        self.scaled(CUT_MS).max(10_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_three_intervals_within_reason() {
        let mut rules = Rules::new(PathBuf::new(), "G");
        assert_eq!(rules.silence(Some(10_000)), 30_000);
        assert_eq!(rules.silence(None), 30_000);
        assert_eq!(rules.silence(Some(10)), LEAST_SILENCE_MS);
        assert_eq!(rules.silence(Some(86_400_000)), 900_000);
        rules.speed = 10.0;
        assert_eq!(rules.silence(None), 3_000);
        assert_eq!(rules.patience(), 60_000);
    }
}
