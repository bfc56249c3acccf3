//! Commands that look: moving, focusing, opening, filtering, leaving.

use tui_input::Input;

use crate::fleet::model::Name;
use crate::fleet::{Condition, DeltaEntry, DeviceId, Finding, SourceId};
use crate::text::SafeText;

use super::dialogs::{Overlay, PaletteState, PayloadState, Show};
use super::list::{Key, ListId, ListState, key_of};
use super::{App, Effect, Env, Pane, PlanPhase, Subject, Tone, View, filter};

/// The identity of a delta.
pub(in crate::console) fn delta_key(entry: &DeltaEntry) -> Key {
    key_of((entry.at, entry.thing.raw(), entry.version, entry.shadow.as_ref().map(SafeText::as_str)))
}

/// The identity of a finding.
pub(in crate::console) fn finding_key(finding: &Finding) -> Key {
    key_of(("finding", finding.thing.raw(), finding.profile.as_str(), &finding.behavior.name))
}

/// A second ctrl-c this soon ends quell.
const TWICE: i64 = 2_000;

impl App {
    /// The keys of a list's lines, in the order they are drawn.
    pub fn keys(&self, list: ListId, env: &Env<'_>) -> Vec<Key> {
        let filter = self.filter_of(list);
        let mut matcher = filter.map(|_| filter::matcher());
        let mut passes = |text: &dyn Fn() -> String| match (&filter, &mut matcher) {
            (Some(filter), Some(matcher)) => filter.accepts(&Subject::text(&text()), matcher),
            _ => true,
        };
        match list {
            ListId::Devices => self.rows.keys().to_vec(),
            ListId::Violations => {
                let active = env.fleet.violations().get().map_or(&[][..], Vec::as_slice);
                let mut keys: Vec<Key> = active
                    .iter()
                    .filter(|v| passes(&|| format!("{} {} {}", v.thing.shown(), v.behavior.name, v.profile)))
                    .map(|v| key_of(&v.id))
                    .collect();
                let own = env.fleet.findings_alone();
                keys.extend(
                    own.filter(|f| {
                        passes(&|| format!("{} {} {}", f.thing.shown(), f.behavior.name, f.profile))
                    })
                    .map(finding_key),
                );
                keys
            }
            ListId::Deltas => env
                .fleet
                .deltas()
                .rev()
                .filter(|d| passes(&|| d.thing.shown().to_string()))
                .map(delta_key)
                .collect(),
            ListId::Stream => {
                let end = self.paused.unwrap_or(u64::MAX);
                let Some(filter) = filter else {
                    let kept = env.fleet.stream().iter().filter(|k| k.seq <= end && self.streams(k, env));
                    return kept.map(|k| k.seq).collect();
                };
                let mut matcher = filter::matcher();
                env.fleet
                    .stream()
                    .iter()
                    .filter(|k| k.seq <= end && self.streams(k, env))
                    .filter(|k| {
                        let topic = env.fleet.topic(k.topic);
                        let text = topic.map_or("", |t| t.text().as_str());
                        let on_topic = |wanted: &str| super::topic_matches(wanted, text);
                        let thing = topic
                            .and_then(|t| t.device())
                            .map_or("", |id| env.fleet.device(id).name().shown().as_str());
                        let both = format!("{thing} {text}");
                        let subject = Subject {
                            size: Some(f64::from(k.len)),
                            on_topic: &on_topic,
                            ..Subject::text(&both)
                        };
                        filter.accepts(&subject, &mut matcher)
                    })
                    .map(|k| k.seq)
                    .collect()
            }
            ListId::Jobs => env.fleet.jobs().get().map_or_else(Vec::new, |jobs| {
                jobs.iter()
                    .filter(|j| passes(&|| j.id.shown().to_string()))
                    .map(|j| key_of(j.id.raw()))
                    .collect()
            }),
            ListId::Executions => {
                let View::Executions(job) = self.view() else { return Vec::new() };
                env.fleet.executions(job.raw()).and_then(|k| k.get()).map_or_else(Vec::new, |all| {
                    all.iter()
                        .filter(|e| passes(&|| format!("{} {}", e.thing.shown(), e.status)))
                        .map(|e| key_of(e.thing.raw()))
                        .collect()
                })
            }
            ListId::Journal => match &self.journal {
                Some(Ok(lines)) => (0..lines.len() as Key).collect(),
                _ => Vec::new(),
            },
            ListId::Text => Vec::new(),
        }
    }

    /// Whether a message belongs into the stream as it is shown: the overview keeps to telemetry, the stream view has
    /// AWS's own notices too.
    pub fn streams(&self, message: &crate::fleet::Kept, env: &Env<'_>) -> bool {
        *self.view() == View::Stream || env.fleet.topic(message.topic).is_none_or(|t| t.is_telemetry())
    }

    fn step(&mut self, env: &Env<'_>, by: isize) {
        match &mut self.overlay {
            Some(Overlay::Help(scroll)) => return scroll.scroll_by(by),
            Some(Overlay::Payload(payload)) => return payload.scroll.scroll_by(by),
            Some(Overlay::Plan(dialog)) => return dialog.scroll.scroll_by(by),
            Some(_) => return,
            None => {}
        }
        let list = self.focused_list();
        if list == ListId::Text {
            return self.list(list).scroll_by(by);
        }
        let keys = self.keys(list, env);
        if list == ListId::Stream && self.list(list).cursor().is_none() {
            // The newest is at the bottom: that is where a first move begins.
            self.list_mut(list).set(keys.last().copied());
            return;
        }
        self.list_mut(list).step(&keys, by);
        self.extend_range(env);
    }

    fn half(&self) -> isize {
        match &self.overlay {
            Some(Overlay::Help(scroll)) => scroll.half_page(),
            Some(Overlay::Payload(payload)) => payload.scroll.half_page(),
            _ => self.list(self.focused_list()).half_page(),
        }
    }

    /// One down.
    pub fn down(&mut self, env: &Env<'_>) {
        self.step(env, 1);
    }

    /// One up.
    pub fn up(&mut self, env: &Env<'_>) {
        self.step(env, -1);
    }

    /// Half a page down.
    pub fn half_page_down(&mut self, env: &Env<'_>) {
        self.step(env, self.half());
    }

    /// Half a page up.
    pub fn half_page_up(&mut self, env: &Env<'_>) {
        self.step(env, -self.half());
    }

    /// To the first line.
    pub fn first(&mut self, env: &Env<'_>) {
        self.step(env, -(i32::MAX as isize));
    }

    /// To the last line.
    pub fn last(&mut self, env: &Env<'_>) {
        self.step(env, i32::MAX as isize);
        // At the end of the stream the view follows again.
        if self.focused_list() == ListId::Stream && self.overlay.is_none() && self.paused.is_none() {
            self.list_mut(ListId::Stream).set(None);
        }
    }

    /// The previous way of showing, or the previous pane.
    pub fn left(&mut self, env: &Env<'_>) {
        match &mut self.overlay {
            Some(Overlay::Payload(payload)) => payload.turn(false),
            None => self.focus_previous(env),
            Some(_) => {}
        }
    }

    /// The next way of showing, or the next pane.
    pub fn right(&mut self, env: &Env<'_>) {
        match &mut self.overlay {
            Some(Overlay::Payload(payload)) => payload.turn(true),
            None => self.focus_next(env),
            Some(_) => {}
        }
    }

    fn turn_focus(&mut self, by: usize) {
        if *self.view() == View::Overview && self.overlay.is_none() {
            let at = Pane::ALL.iter().position(|p| *p == self.pane).unwrap_or(0);
            self.pane = Pane::ALL[(at + by) % Pane::ALL.len()];
        }
    }

    /// Next pane.
    pub fn focus_next(&mut self, _: &Env<'_>) {
        self.turn_focus(1);
    }

    /// Previous pane.
    pub fn focus_previous(&mut self, _: &Env<'_>) {
        self.turn_focus(Pane::ALL.len() - 1);
    }

    /// The focused pane alone, or all again.
    pub fn zoom(&mut self, _: &Env<'_>) {
        self.zoomed = !self.zoomed;
    }

    /// Freeze the stream.
    pub fn pause(&mut self, env: &Env<'_>) {
        self.paused = match self.paused {
            Some(_) => None,
            None => env.fleet.stream().iter().next_back().map(|k| k.seq),
        };
        if self.paused.is_none() {
            self.list_mut(ListId::Stream).set(None);
        }
    }

    /// The next order.
    pub fn sort(&mut self, _: &Env<'_>) {
        self.rows.set_sort(self.rows.sort().next());
    }

    /// Linear or logarithmic.
    pub fn log_scale(&mut self, _: &Env<'_>) {
        self.log_scale = !self.log_scale;
    }

    /// The next device that is leaking or in alarm, the worst first.
    pub fn next_alarm(&mut self, env: &Env<'_>) {
        let mut loud: Vec<_> = env
            .fleet
            .devices()
            .filter(|(_, d)| {
                matches!(d.condition(), Condition::Leaking | Condition::Alarm | Condition::Finding)
                    || !d.violations().is_empty()
            })
            .map(|(id, d)| (d.condition(), d.name().raw(), id))
            .collect();
        loud.sort_unstable();
        if loud.is_empty() {
            let known = env.fleet.violations().get().is_some() || !self.look.aws;
            let text = if known {
                "nothing is in alarm"
            } else {
                "violations could not be read yet: nothing is known to be in alarm"
            };
            self.say(SafeText::new(text), Tone::Calm, env.now);
            return;
        }
        let here = self.device_at_cursor(env).filter(|_| self.on_devices());
        let at = loud.iter().position(|(_, _, id)| Some(*id) == here).map_or(0, |at| (at + 1) % loud.len());
        if let Some((_, _, id)) = loud.get(at) {
            let id = *id;
            self.views = vec![View::Overview];
            self.overlay = None;
            self.pane = Pane::Devices;
            if !self.rows.ids().contains(&id) {
                // Asking for an alarm outranks a filter that hides it.
                self.filters.remove(&ListId::Devices);
                self.rows.outdate();
            }
            self.list_mut(ListId::Devices).set(Some(id.index() as Key));
        }
    }

    /// Mark or unmark.
    pub fn mark(&mut self, env: &Env<'_>) {
        if self.range.take().is_some() {
            return;
        }
        if !self.on_devices() {
            return;
        }
        if let Some(id) = self.device_at_cursor(env) {
            if !self.marks.remove(&id) {
                self.marks.insert(id);
            }
            let keys = self.rows.keys().to_vec();
            self.list_mut(ListId::Devices).step(&keys, 1);
            self.rows.outdate();
        }
    }

    /// Begin or end a range.
    pub fn range(&mut self, env: &Env<'_>) {
        if self.range.take().is_none() && self.on_devices() {
            self.range = self.device_at_cursor(env);
            self.extend_range(env);
        }
    }

    fn extend_range(&mut self, env: &Env<'_>) {
        let (Some(from), Some(to)) = (self.range, self.device_at_cursor(env)) else { return };
        let ids = self.rows.ids();
        let at = |id| ids.iter().position(|i| *i == id);
        if let (Some(a), Some(b)) = (at(from), at(to)) {
            self.marks = ids.iter().skip(a.min(b)).take(a.abs_diff(b) + 1).copied().collect();
        }
    }

    /// Open what is under the cursor.
    pub fn open(&mut self, env: &Env<'_>) {
        if self.overlay.is_some() {
            return;
        }
        match self.focused_list() {
            ListId::Stream => self.open_payload(env),
            ListId::Jobs => {
                if let Some(job) = self.job_under_cursor(env) {
                    self.go(View::Executions(job));
                }
            }
            _ => {
                if let Some(id) = self.thing_here(env) {
                    self.open_device(env, id);
                }
            }
        }
    }

    /// A thing has a view of its own; a topic of no known thing is shown as what was heard on it: AWS is never asked
    /// about a thing that may not exist.
    fn open_device(&mut self, env: &Env<'_>, id: DeviceId) {
        let device = env.fleet.device(id);
        if device.is_unattributed() {
            let topic = device.name().raw();
            self.filters.insert(ListId::Stream, filter::Filter::parse(&format!("topic:{topic}")));
            self.go(View::Stream);
        } else {
            self.go(View::Device(Name::clone(device.name())));
        }
    }

    fn open_payload(&mut self, env: &Env<'_>) {
        let log = env.fleet.stream();
        let message = match self.list(ListId::Stream).cursor() {
            Some(seq) => log.position(seq).and_then(|at| log.get(at)),
            None => log.iter().next_back(),
        };
        let Some(message) = message.cloned() else {
            let text = "this message is no longer kept; counts stay exact";
            return self.say(SafeText::new(text), Tone::Warn, env.now);
        };
        let topic = env.fleet.topic(message.topic).map(|t| t.text().clone()).unwrap_or_default();
        self.overlay = Some(Overlay::Payload(Box::new(PayloadState::new(message, topic))));
    }

    /// Copy the name under the cursor.
    pub fn copy(&mut self, env: &Env<'_>) {
        let name = match &self.overlay {
            Some(Overlay::Payload(payload)) => Some(payload.topic.clone()),
            _ if self.focused_list() == ListId::Jobs => self.job_under_cursor(env).map(|j| j.shown().clone()),
            _ => self.thing_here(env).map(|id| env.fleet.device(id).name().shown().clone()),
        };
        if let Some(name) = name {
            self.say(SafeText::new(&format!("copied {name}")), Tone::Calm, env.now);
            self.effects.push(Effect::Copy(name));
        }
    }

    /// Type a filter.
    pub fn filter(&mut self, _: &Env<'_>) {
        let list = self.focused_list();
        if list == ListId::Text || list == ListId::Journal {
            return;
        }
        let text = self.filter_of(list).map(|f| f.text().to_owned()).unwrap_or_default();
        self.overlay = Some(Overlay::Filter(list, Input::new(text)));
    }

    /// Search everything.
    pub fn palette(&mut self, env: &Env<'_>) {
        let mut state = PaletteState { input: Input::default(), found: Vec::new(), chosen: 0 };
        super::input::search(&mut state, env);
        self.overlay = Some(Overlay::Palette(state));
    }

    /// The keys in force.
    pub fn help(&mut self, _: &Env<'_>) {
        self.overlay = match self.overlay {
            Some(Overlay::Help(_)) => None,
            _ => Some(Overlay::Help(ListState::default())),
        };
    }

    /// The staircase of the last response.
    pub fn last_action(&mut self, env: &Env<'_>) {
        match self.actions.last() {
            Some(action) => self.overlay = Some(Overlay::Action(action.id.clone())),
            None => self.say(SafeText::new("nothing was done in this session yet"), Tone::Calm, env.now),
        }
    }

    pub(super) fn go(&mut self, view: View) {
        self.overlay = None;
        self.zoomed = false;
        *self.list_mut(ListId::Text) = ListState::default();
        let wanted = match &view {
            View::Device(name) => vec![
                SourceId::Shadow(name.clone(), None),
                SourceId::Certificates(name.clone()),
                SourceId::GroupsOf(name.clone()),
                SourceId::ViolationEvents,
                SourceId::Profiles,
            ],
            View::Executions(job) => vec![SourceId::Jobs, SourceId::Executions(job.clone())],
            View::Jobs => vec![SourceId::Jobs],
            View::Violations => vec![SourceId::ViolationEvents, SourceId::Profiles],
            _ => Vec::new(),
        };
        self.effects.push(Effect::Watch(wanted));
        if view == View::Journal {
            self.effects.push(Effect::ReadJournal);
        }
        if view == View::Overview {
            self.views.truncate(1);
        } else if *self.view() != view {
            // Digits jump: a stack deeper than a person remembers would make `q` a surprise.
            self.views.retain(|v| *v != view);
            self.views.push(view);
            if self.views.len() > 4 {
                self.views.remove(1);
            }
        }
    }

    /// The overview.
    pub fn view_overview(&mut self, _: &Env<'_>) {
        self.go(View::Overview);
    }

    /// The device under the cursor.
    pub fn view_device(&mut self, env: &Env<'_>) {
        let id = self.thing_here(env).or_else(|| self.device_at_cursor(env));
        if let Some(id) = id {
            self.open_device(env, id);
        }
    }

    /// The stream.
    pub fn view_stream(&mut self, _: &Env<'_>) {
        self.go(View::Stream);
    }

    /// Violations.
    pub fn view_violations(&mut self, _: &Env<'_>) {
        self.go(View::Violations);
    }

    /// Shadows.
    pub fn view_shadows(&mut self, _: &Env<'_>) {
        self.go(View::Shadows);
    }

    /// Jobs.
    pub fn view_jobs(&mut self, _: &Env<'_>) {
        self.go(View::Jobs);
    }

    /// The journal.
    pub fn view_journal(&mut self, _: &Env<'_>) {
        self.go(View::Journal);
    }

    /// One step out; never quits.
    pub fn escape(&mut self, _: &Env<'_>) {
        let list = self.focused_list();
        if self.overlay.take().is_some() {
        } else if self.filters.remove(&list).is_some() {
            self.rows.outdate();
        } else if self.range.take().is_some() || !self.marks.is_empty() {
            self.marks.clear();
            self.rows.outdate();
        } else if self.zoomed {
            self.zoomed = false;
        } else if self.views.len() > 1 {
            self.leave();
        }
    }

    fn leave(&mut self) {
        self.views.pop();
        if let Some(view) = self.views.pop() {
            self.go(view);
        }
        if self.views.is_empty() {
            self.views.push(View::Overview);
        }
    }

    /// Back; at the root, quit.
    pub fn back(&mut self, _: &Env<'_>) {
        if self.overlay.take().is_some() {
        } else if self.views.len() > 1 {
            self.leave();
        } else if self.zoomed {
            self.zoomed = false;
        } else {
            self.effects.push(Effect::Quit);
        }
    }

    /// Confirm the plan in front.
    pub fn confirm(&mut self, env: &Env<'_>) {
        match self.overlay.take() {
            Some(Overlay::Plan(mut dialog)) => {
                let typed = dialog.wants_text().then(|| dialog.typed.value().to_owned());
                match &dialog.phase {
                    PlanPhase::Ready(plan) if plan.refused().is_some() => {
                        self.overlay = Some(Overlay::Plan(dialog));
                    }
                    PlanPhase::Ready(plan) if !plan.confirmation().accepts(typed.as_deref()) => {
                        dialog.typed.reset();
                        self.say(
                            SafeText::new("that is not what was asked for: nothing was sent"),
                            Tone::Warn,
                            env.now,
                        );
                        self.overlay = Some(Overlay::Plan(dialog));
                    }
                    PlanPhase::Ready(plan) => {
                        self.overlay = Some(Overlay::Action(plan.id().clone()));
                        self.marks.clear();
                        self.range = None;
                        self.rows.outdate();
                        self.effects.push(Effect::Confirm { plan: plan.clone(), typed });
                    }
                    PlanPhase::Computing => self.overlay = Some(Overlay::Plan(dialog)),
                    PlanPhase::Failed(_) => {}
                }
            }
            // Enter on the staircase puts it away; it goes on behind.
            Some(Overlay::Action(_)) | None => {}
            other => self.overlay = other,
        }
    }

    /// Show or hide the plan's requests.
    pub fn api_calls(&mut self, _: &Env<'_>) {
        if let Some(Overlay::Plan(dialog)) = &mut self.overlay {
            dialog.calls = !dialog.calls;
        }
    }

    /// Into the background.
    pub fn suspend(&mut self, _: &Env<'_>) {
        self.effects.push(Effect::Suspend);
    }

    /// Everything again.
    pub fn redraw(&mut self, _: &Env<'_>) {
        self.effects.push(Effect::Redraw);
    }

    /// The first says how, the second quits.
    pub fn interrupt(&mut self, env: &Env<'_>) {
        if self.interrupted.is_some_and(|at| env.now - at < TWICE) {
            self.effects.push(Effect::Quit);
        } else {
            self.interrupted = Some(env.now);
            self.say(SafeText::new("ctrl-c once more quits"), Tone::Warn, env.now);
        }
    }

    /// Quit.
    pub fn force_quit(&mut self, _: &Env<'_>) {
        self.effects.push(Effect::Quit);
    }
}

impl PayloadState {
    /// A message, opened as JSON when it is JSON and small enough to be read as a tree.
    pub fn new(message: crate::fleet::Kept, topic: SafeText) -> Self {
        const TREE: usize = 64 << 10;
        let json = message
            .payload
            .as_deref()
            .filter(|bytes| bytes.len() <= TREE)
            .and_then(|bytes| serde_json::from_slice(bytes).ok());
        let text = message.payload.as_deref().is_some_and(|bytes| std::str::from_utf8(bytes).is_ok());
        let show = match (&json, text) {
            (Some(_), _) => Show::Json,
            (None, true) => Show::Text,
            (None, false) => Show::Hex,
        };
        Self { message, topic, show, json, scroll: ListState::default() }
    }

    fn turn(&mut self, forward: bool) {
        let ways: &[Show] =
            if self.json.is_some() { &[Show::Json, Show::Text, Show::Hex] } else { &[Show::Text, Show::Hex] };
        let at = ways.iter().position(|s| *s == self.show).unwrap_or(0);
        let next = if forward { at + 1 } else { at + ways.len() - 1 };
        self.show = ways[next % ways.len()];
        self.scroll = ListState::default();
    }
}
