//! What-if: a behaviour with other numbers, judged on what was held. Nothing here changes a profile.

use std::collections::BTreeMap;

use quell_fleet::Ms;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;
use quell_rules::detect::model::{Behavior, ComparisonOperator, Criteria, MetricValue, StatisticalThreshold};
use quell_rules::detect::whatif::{self, Held, WhatIf};
use quell_rules::detect::{metric, validate};

use super::super::views::Spread;
use super::list::key_of;
use super::{App, Env, ListId, Offer, Tone, View, event_key, finding_key};

/// What is held is taken again after this long, while somebody looks.
const FRESH: Ms = 2_000;
/// A threshold where there is none yet: what the workshop's corrected profile says of sizes.
const THRESHOLD: i64 = 1_024;
/// Statistics offered; `None` is a value.
const STATISTICS: [Option<&str>; 8] =
    [None, Some("p1"), Some("p10"), Some("p50"), Some("p90"), Some("p99"), Some("p99.9"), Some("p100")];

/// A device that would have alarmed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Would {
    /// The device.
    pub thing: Name,
    /// When first.
    pub at: Ms,
    /// With what value.
    pub value: i64,
    /// Every alarm: raised, and cleared if it was.
    pub alarms: Vec<(Ms, Option<Ms>)>,
}

impl Would {
    /// Whether it would be in alarm still.
    pub(crate) fn still(&self) -> bool {
        self.alarms.last().is_some_and(|(_, over)| over.is_none())
    }
}

/// Stretches the time held is divided into.
const STRETCHES: usize = 240;

/// The values a behaviour is judged on, drawn together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::console) struct Picture {
    /// How often each came.
    pub(in crate::console) spread: Spread,
    /// Of each stretch of time the value farthest on the wrong side; `None` without one.
    pub(in crate::console) over_time: Vec<Option<i64>>,
    /// The time of it.
    pub(in crate::console) time: (Ms, Ms),
}

/// The behaviour being tried, and what it would have done.
#[derive(Clone, Debug)]
pub(crate) struct WhatIfState {
    /// The profile it comes from; `None` when no profile is known, and it is only an example.
    pub profile: Option<SafeText>,
    /// As it is in force.
    pub original: Behavior,
    /// As it is tried.
    pub draft: Behavior,
    /// What it would have done, or why that cannot be said.
    pub result: Result<WhatIf, String>,
    /// Devices alarmed and judged with the numbers in force, where those are others.
    pub in_force: Option<(usize, usize)>,
    /// Who would have alarmed, the first first.
    pub would: Vec<Would>,
    /// What its author may not have meant, and what AWS would refuse.
    pub cautions: Vec<String>,
    /// The stretch of time the answer is about.
    pub span: (Ms, Ms),
    /// Every value it is judged on: how often each size of it came, and the worst of each stretch of time.
    pub(in crate::console) picture: Picture,
    /// Base windows in which messages may have been missed, and how many there are.
    pub partial: (usize, usize),
    /// The threshold to come back to from a percentile.
    value: i64,
    held: Held,
    held_at: Option<Ms>,
    judged: bool,
}

impl App {
    /// The behaviour being tried.
    pub(crate) fn what_if_state(&self) -> Option<&WhatIfState> {
        self.whatif.as_deref()
    }

    /// Opens what-if on the behaviour under the cursor, or on the first there is.
    pub(crate) fn what_if(&mut self, env: &Env<'_>) {
        let wanted = self.behavior_here(env);
        let all = behaviors(env);
        let chosen = all
            .iter()
            .find(|(p, b)| {
                wanted.as_ref().is_some_and(|(wp, wb)| p == wp && wb.as_ref().is_none_or(|w| b.name == *w))
            })
            .or_else(|| all.first());
        let again = self.what_if_state().is_some_and(|s| match chosen {
            Some((profile, behavior)) => s.profile.as_ref() == Some(profile) && s.original == *behavior,
            None => s.profile.is_none(),
        });
        // Coming back to what was tried finds it as it was left.
        if !again {
            match chosen {
                Some((profile, behavior)) => self.try_out(Some(profile.clone()), behavior.clone()),
                None => self.try_out(None, example()),
            }
        }
        self.go(View::WhatIf);
    }

    /// The profile, and if there is one the behaviour, that the cursor is on.
    fn behavior_here(&self, env: &Env<'_>) -> Option<(SafeText, Option<String>)> {
        let active = env.fleet.violations().get().map_or(&[][..], Vec::as_slice);
        if matches!(self.view(), View::Profiles) {
            let all = env.fleet.profiles().get()?;
            let here = self.list(ListId::Profiles).cursor();
            let chosen = all.iter().find(|p| Some(key_of(p.name.as_str())) == here);
            return chosen.map(|p| (p.name.clone(), None));
        }
        let cursor = self.list(self.focused_list()).cursor();
        if self.focused_list() == ListId::History {
            let event = env.fleet.violation_events().get()?.iter().find(|e| Some(event_key(e)) == cursor)?;
            return Some((event.profile.clone(), Some(event.behavior.to_string())));
        }
        if self.focused_list() == ListId::Violations {
            let violation = active.iter().find(|v| Some(key_of(&v.id)) == cursor);
            let finding = env.fleet.own_findings().iter().find(|f| Some(finding_key(f)) == cursor);
            if let Some(violation) = violation {
                return Some((violation.profile.clone(), Some(violation.behavior.name.clone())));
            }
            return finding.map(|f| (f.profile.clone(), Some(f.behavior.name.clone())));
        }
        let device = self.thing_here(env)?;
        let name = env.fleet.device(device).name();
        let violation = active.iter().find(|v| v.thing == *name);
        let finding = env.fleet.own_findings().iter().find(|f| f.device == device);
        violation
            .map(|v| (v.profile.clone(), Some(v.behavior.name.clone())))
            .or_else(|| finding.map(|f| (f.profile.clone(), Some(f.behavior.name.clone()))))
    }

    fn try_out(&mut self, profile: Option<SafeText>, behavior: Behavior) {
        let value = behavior.criteria.as_ref().and_then(|c| c.value.as_ref()?.count).unwrap_or(THRESHOLD);
        *self.list_mut(ListId::WhatIf) = super::ListState::default();
        self.whatif = Some(Box::new(WhatIfState {
            profile,
            original: behavior.clone(),
            draft: behavior,
            result: Err("not judged yet".to_owned()),
            in_force: None,
            would: Vec::new(),
            cautions: Vec::new(),
            span: (0, 0),
            picture: Picture::default(),
            partial: (0, 0),
            value,
            held: Held::default(),
            held_at: None,
            judged: false,
        }));
    }

    fn what_if_turn(&mut self, env: &Env<'_>, forward: bool) {
        let all = behaviors(env);
        let Some(state) = self.what_if_state() else { return };
        if all.len() < 2 {
            return self.say(SafeText::new("no other behaviour is known"), Tone::Calm, env.now);
        }
        let here = |(p, b): &(SafeText, Behavior)| {
            Some(p) == state.profile.as_ref() && b.name == state.original.name
        };
        let next = all
            .iter()
            .position(here)
            .map_or(0, |at| (at + if forward { 1 } else { all.len() - 1 }) % all.len());
        if let Some((profile, behavior)) = all.into_iter().nth(next) {
            self.try_out(Some(profile), behavior);
        }
    }

    /// The next behaviour of the profiles known.
    pub(crate) fn what_if_next(&mut self, env: &Env<'_>) {
        self.what_if_turn(env, true);
    }

    /// The previous one.
    pub(crate) fn what_if_previous(&mut self, env: &Env<'_>) {
        self.what_if_turn(env, false);
    }

    fn change(&mut self, change: impl FnOnce(&mut WhatIfState, &mut Criteria)) {
        if let Some(state) = &mut self.whatif
            && let Some(mut criteria) = state.draft.criteria.take()
        {
            change(state, &mut criteria);
            state.draft.criteria = Some(criteria);
            state.judged = false;
        }
    }

    fn move_value(&mut self, env: &Env<'_>, to: impl FnOnce(i64) -> i64) {
        let mut moved = false;
        self.change(|state, criteria| {
            if let Some(count) = criteria.value.as_mut().and_then(|v| v.count.as_mut()) {
                *count = to(*count).clamp(0, i64::MAX / 4);
                state.value = *count;
                moved = true;
            }
        });
        if !moved {
            let text = "there is no threshold to move: % takes one instead of the percentile";
            self.say(SafeText::new(text), Tone::Calm, env.now);
        }
    }

    /// A higher threshold.
    pub(crate) fn what_if_raise(&mut self, env: &Env<'_>) {
        self.move_value(env, |value| value + (value / 20).max(1));
    }

    /// A lower threshold.
    pub(crate) fn what_if_lower(&mut self, env: &Env<'_>) {
        self.move_value(env, |value| value - (value / 20).max(1));
    }

    /// Twice the threshold.
    pub(crate) fn what_if_double(&mut self, env: &Env<'_>) {
        self.move_value(env, |value| (value * 2).max(1));
    }

    /// Half of it.
    pub(crate) fn what_if_halve(&mut self, env: &Env<'_>) {
        self.move_value(env, |value| value / 2);
    }

    /// The next operator.
    pub(crate) fn what_if_operator(&mut self, _: &Env<'_>) {
        use ComparisonOperator::{GreaterThan, GreaterThanEquals, LessThan, LessThanEquals};
        self.change(|_, criteria| {
            criteria.comparison_operator = match criteria.comparison_operator {
                Some(LessThan) => Some(LessThanEquals),
                Some(LessThanEquals) => Some(GreaterThan),
                Some(GreaterThan) => Some(GreaterThanEquals),
                Some(GreaterThanEquals) | None => Some(LessThan),
                // One of sets: there is no next that would take its value.
                other => other,
            };
        });
    }

    /// The next percentile; after the last, a value again.
    pub(crate) fn what_if_statistic(&mut self, _: &Env<'_>) {
        self.change(|state, criteria| {
            let counted = criteria.value.as_ref().is_none_or(|v| v.count.is_some());
            if !counted || criteria.ml_detection_config.is_some() {
                return;
            }
            let now =
                criteria.statistical_threshold.as_ref().map(|t| t.statistic.as_deref().unwrap_or("p90"));
            let at = STATISTICS.iter().position(|known| *known == now).unwrap_or(0);
            match STATISTICS.get((at + 1) % STATISTICS.len()).copied().flatten() {
                Some(statistic) => {
                    criteria.value = None;
                    criteria.statistical_threshold =
                        Some(StatisticalThreshold { statistic: Some(statistic.to_owned()) });
                    criteria.duration_seconds.get_or_insert(300);
                }
                None => {
                    criteria.statistical_threshold = None;
                    criteria.value = Some(MetricValue { count: Some(state.value), ..MetricValue::default() });
                    if state.draft.metric.as_deref() == Some("aws:message-byte-size") {
                        // A value of it is compared with each message, a percentile with the sum of a window.
                        criteria.duration_seconds = None;
                    }
                }
            }
        });
    }

    /// The next duration.
    pub(crate) fn what_if_duration(&mut self, env: &Env<'_>) {
        let mut windowed = true;
        self.change(|_, criteria| match criteria.duration_seconds {
            Some(now) => {
                let at = metric::DURATIONS.iter().position(|d| *d == now).unwrap_or(0);
                criteria.duration_seconds =
                    metric::DURATIONS.get((at + 1) % metric::DURATIONS.len()).copied();
            }
            None => windowed = false,
        });
        if !windowed {
            let text = "each message is judged by itself: there is no window to change";
            self.say(SafeText::new(text), Tone::Calm, env.now);
        }
    }

    /// One more datapoint to alarm; after ten, one.
    pub(crate) fn what_if_to_alarm(&mut self, _: &Env<'_>) {
        self.change(|_, criteria| {
            let now = criteria.consecutive_datapoints_to_alarm.unwrap_or(1);
            criteria.consecutive_datapoints_to_alarm = Some(now % 10 + 1);
        });
    }

    /// One more datapoint to clear; after ten, one.
    pub(crate) fn what_if_to_clear(&mut self, _: &Env<'_>) {
        self.change(|_, criteria| {
            let now = criteria.consecutive_datapoints_to_clear.unwrap_or(1);
            criteria.consecutive_datapoints_to_clear = Some(now % 10 + 1);
        });
    }

    /// As it is in force.
    pub(crate) fn what_if_reset(&mut self, _: &Env<'_>) {
        if let Some(state) = self.what_if_state() {
            let (profile, behavior) = (state.profile.clone(), state.original.clone());
            self.try_out(profile, behavior);
        }
    }

    /// The behaviour as it is tried, as AWS writes it, into the clipboard.
    pub(super) fn copy_what_if(&mut self, env: &Env<'_>) {
        let Some(json) = self.what_if_state().and_then(|s| serde_json::to_string(&s.draft).ok()) else {
            return;
        };
        self.put(Offer::of("behaviour as JSON", json), env);
    }

    /// Judges again what is tried, when it is looked at and something changed or time passed.
    pub(super) fn refresh_what_if(&mut self, env: &Env<'_>) {
        if *self.view() == View::WhatIf
            && let Some(state) = &mut self.whatif
        {
            state.refresh(env);
        }
    }
}

/// Every behaviour of the profiles quell judges by.
fn behaviors(env: &Env<'_>) -> Vec<(SafeText, Behavior)> {
    let all = env.fleet.judged_by().iter();
    all.flat_map(|p| p.behaviors.iter().map(|b| (p.name.clone(), b.clone()))).collect()
}

/// What to begin with where no profile is known.
fn example() -> Behavior {
    let value = MetricValue { count: Some(THRESHOLD), ..MetricValue::default() };
    Behavior {
        name: "LargeMessageSize".to_owned(),
        metric: Some("aws:message-byte-size".to_owned()),
        metric_dimension: None,
        criteria: Some(Criteria {
            comparison_operator: Some(ComparisonOperator::LessThanEquals),
            value: Some(value),
            ..Criteria::default()
        }),
        suppress_alerts: None,
        export_metric: None,
    }
}

impl WhatIfState {
    /// True when a number is another than in force.
    pub(crate) fn is_changed(&self) -> bool {
        self.draft != self.original
    }

    fn refresh(&mut self, env: &Env<'_>) {
        // A recording may go backwards: then what is held is of another time.
        if self.held_at.is_none_or(|at| !(0..FRESH).contains(&(env.now - at))) {
            let profile = env.fleet.judged_by().iter().find(|p| Some(&p.name) == self.profile.as_ref());
            // One that is attached to nothing would judge nobody; what it would say of all things is the question.
            self.held = env.fleet.held(profile.filter(|p| !p.targets.is_empty()), env.now);
            self.held_at = Some(env.now);
            self.judged = false;
        }
        if !std::mem::replace(&mut self.judged, true) {
            self.judge(env);
        }
    }

    /// Whether values above the limit are wrong; else those below it are.
    pub(crate) fn is_upper(&self) -> bool {
        let operator = self.draft.criteria.as_ref().and_then(|c| c.comparison_operator);
        !matches!(operator, Some(ComparisonOperator::GreaterThan | ComparisonOperator::GreaterThanEquals))
    }

    fn pictured(&self) -> Picture {
        let values = whatif::values(&self.held, &self.draft);
        let ends = values.iter().map(|v| v.at_ms);
        let (Some(from), Some(to)) = (ends.clone().min(), ends.max()) else { return Picture::default() };
        let upper = self.is_upper();
        let long = (to - from).max(1);
        let mut over_time = vec![None; STRETCHES];
        for value in &values {
            let at = (value.at_ms - from).saturating_mul(STRETCHES as Ms - 1) / long;
            if let Some(slot) = usize::try_from(at).ok().and_then(|at| over_time.get_mut(at)) {
                let worse = |held: i64| if upper { held.max(value.value) } else { held.min(value.value) };
                *slot = Some(slot.map_or(value.value, worse));
            }
        }
        Picture { spread: values.iter().map(|v| v.value as f64).collect(), over_time, time: (from, to) }
    }

    fn judge(&mut self, env: &Env<'_>) {
        let (held, to) = (&self.held, self.held_at.unwrap_or(env.now));
        self.result = whatif::judge(held, &self.draft);
        let in_force = self.is_changed().then(|| whatif::judge(held, &self.original).ok()).flatten();
        self.in_force = in_force.map(|r| (r.alarmed, r.judged));
        let reporting = self.result.as_ref().map_or(0, |r| r.judged);
        self.cautions = whatif::cautions(&self.draft, reporting);
        let refused = validate::behaviors(std::slice::from_ref(&self.draft));
        self.cautions.extend(refused.into_iter().map(|why| format!("AWS would refuse it: {why}")));
        self.partial = (held.partial.iter().filter(|p| **p).count(), held.windows);
        let windowed = self.draft.criteria.as_ref().is_some_and(|c| c.duration_seconds.is_some());
        let first = held.messages.first().map_or(to, |m| m.at_ms);
        self.span = (if windowed { held.first * held.base_ms } else { first }, to);
        self.picture = self.pictured();
        self.would.clear();
        let Ok(result) = &self.result else { return };
        let mut steps: BTreeMap<usize, Vec<&whatif::Step>> = BTreeMap::new();
        for step in &result.steps {
            steps.entry(step.device as usize).or_default().push(step);
        }
        for (id, device) in env.fleet.devices() {
            let Some(steps) = steps.get(&id.index()) else { continue };
            let mut alarms: Vec<(Ms, Option<Ms>)> = Vec::new();
            for step in steps {
                match alarms.last_mut() {
                    Some((_, over)) if !step.raised => *over = Some(step.at_ms),
                    _ => alarms.push((step.at_ms, None)),
                }
            }
            if let Some(first) = steps.first() {
                let thing = device.name().clone();
                self.would.push(Would { thing, at: first.at_ms, value: first.value, alarms });
            }
        }
        self.would.sort_by(|a, b| (a.at, a.thing.raw()).cmp(&(b.at, b.thing.raw())));
    }
}
