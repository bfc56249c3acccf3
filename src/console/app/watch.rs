//! What is read for the sake of the line under the cursor: certificates of few devices, the metrics of one rule, the values
//! of one violation. Reading them for everything would use up the account's API quota.

use quell_fleet::model::Name;
use quell_fleet::text::SafeText;
use quell_fleet::{DeviceId, SourceId};

use super::lines::{event_key, finding_key, outstanding_key};
use super::{App, Effect, Env, ListId, View, go, key_of};

impl App {
    /// On the overview, certificates are read for what an operator is about to act on: the cursor's device and the
    /// worst few. Reading them for a whole fleet would use up the account's API quota.
    pub(super) fn watch_certificates(&mut self, env: &Env<'_>) {
        const FEW: usize = 8;
        if *self.view() != View::Overview {
            self.watched.clear();
            return;
        }
        let here = self.device_at_cursor();
        let worst = self.rows.ids().iter().copied().take(FEW);
        let mut wanted: Vec<DeviceId> =
            here.into_iter().chain(worst).filter(|id| !env.fleet.device(*id).is_unattributed()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        if wanted != self.watched {
            let names = wanted.iter().map(|id| env.fleet.device(*id).name().clone());
            self.effects.push(Effect::Watch(names.map(SourceId::Certificates).collect()));
            self.watched = wanted;
        }
    }

    /// The executions of the job under the cursor are read beside it.
    pub(super) fn watch_job(&mut self, env: &Env<'_>) {
        let job = (*self.view() == View::Jobs).then(|| self.job_under_cursor(env)).flatten();
        if job != self.watched_job {
            if let Some(job) = &job {
                self.effects.push(Effect::Watch(vec![SourceId::Jobs, SourceId::Executions(job.clone())]));
            }
            self.watched_job = job;
        }
    }

    /// CloudWatch is read for the rule under the cursor only: each metric asked for is paid for.
    pub(super) fn watch_rule(&mut self, env: &Env<'_>) {
        let rule = self.rule_here(env).map(|r| r.name.clone());
        if rule != self.watched_rule {
            if let Some(rule) = &rule {
                self.effects.push(Effect::Watch(vec![SourceId::Rules, SourceId::RuleMetrics(rule.clone())]));
            }
            self.watched_rule = rule;
        }
    }

    /// In the shadows' view, the document of the one under the cursor is read, where only its delta was heard.
    pub(super) fn watch_shadow(&mut self, env: &Env<'_>) {
        if *self.view() != View::Shadows {
            self.watched_shadow = None;
            return;
        }
        let cursor = self.list(ListId::Shadows).chosen();
        if cursor == self.watched_shadow {
            return;
        }
        self.watched_shadow = cursor;
        let all = env.fleet.outstanding();
        let mut sources = vec![SourceId::Outstanding];
        let chosen = all.iter().find(|one| Some(outstanding_key(one)) == cursor);
        if let Some(one) = chosen.filter(|one| one.document.is_none()) {
            sources.push(SourceId::Shadow(one.thing.clone(), one.shadow.cloned()));
        }
        self.effects.push(Effect::Watch(sources));
    }

    /// In the violations' views, AWS's own values of what the cursor is on are read.
    pub(super) fn watch_values(&mut self, env: &Env<'_>) {
        if !matches!(self.view(), View::Violations | View::History) {
            self.valued = None;
            return;
        }
        let wanted = self.metric_here(env);
        if wanted != self.valued {
            let mut sources = go::VIOLATIONS.to_vec();
            sources.extend(wanted.clone().map(|(thing, metric)| SourceId::Values(thing, metric)));
            self.effects.push(Effect::Watch(sources));
            self.valued = wanted;
        }
    }

    /// The thing and the metric of the violation under the cursor.
    fn metric_here(&self, env: &Env<'_>) -> Option<(Name, SafeText)> {
        let list = self.focused_list();
        let cursor = self.list(list).cursor()?;
        if list == ListId::History {
            let event = env.fleet.violation_events().get()?.iter().find(|e| event_key(e) == cursor)?;
            // The event only names its behaviour: an active violation has it whole, else the profile does.
            let active = env.fleet.violations().get().into_iter().flatten().find(|v| v.id == event.id);
            let of_profile = env.fleet.profiles().get().into_iter().flatten();
            let of_profile = of_profile.filter(|p| p.name == event.profile).flat_map(|p| &p.behaviors);
            let behavior = active
                .map(|v| &v.behavior)
                .or_else(|| of_profile.into_iter().find(|b| b.name == event.behavior.as_str()));
            return Some((event.thing.clone(), SafeText::new(behavior?.metric.as_deref()?)));
        }
        let active = env.fleet.violations().get().map_or(&[][..], Vec::as_slice);
        if let Some(violation) = active.iter().find(|v| key_of(&v.id) == cursor) {
            return Some((violation.thing.clone(), SafeText::new(violation.behavior.metric.as_deref()?)));
        }
        let finding = env.fleet.own_findings().iter().find(|f| finding_key(f) == cursor)?;
        Some((finding.thing.clone(), SafeText::new(finding.behavior.metric.as_deref()?)))
    }
}
