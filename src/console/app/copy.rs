//! What can be copied where one is: names, ids, ARNs, a payload, the API calls of a plan. What cannot be, says why.

use quell_fleet::model::Name;
use quell_fleet::text::SafeText;
use quell_fleet::{DeviceId, SourceId};

use super::super::dialogs::{CopyDialog, Dialog, PlanPhase};
use super::super::words;
use super::profile_form::{prefix, profile_here};
use super::{
    App, Effect, Env, ListId, Tone, View, cloned_key, event_key, finding_key, key_of, outstanding_key,
};

/// The most that is put into a clipboard, in bytes: terminals take about 75,000 of its encoded form.
const MOST: usize = 56_000;

/// Something that can be copied.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Offer {
    /// What it is: `thing`, `request id`.
    pub what: &'static str,
    /// It, or why it cannot be copied.
    pub text: Result<String, String>,
}

impl Offer {
    pub(in crate::console) fn of(what: &'static str, text: impl Into<String>) -> Self {
        Self { what, text: Ok(text.into()) }
    }

    fn or(what: &'static str, text: Option<String>, why: &str) -> Self {
        Self { what, text: text.ok_or_else(|| why.to_owned()) }
    }
}

/// A text for a clipboard: safe to paste, and not too much for a terminal. There is no other way to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clip(String);

impl Clip {
    /// The text with lines as they are, and what a terminal would act on written as an escape; its length in bytes where
    /// that is too long.
    fn of(text: &str) -> Result<Self, usize> {
        let whole = |line: &str| SafeText::limited(line.as_bytes(), usize::MAX).to_string();
        let safe = text.split('\n').map(whole).collect::<Vec<_>>().join("\n");
        if safe.len() > MOST { Err(safe.len()) } else { Ok(Self(safe)) }
    }

    /// What is pasted.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl App {
    /// Copy what is likeliest to be meant.
    pub(crate) fn copy(&mut self, env: &Env<'_>) {
        if self.dialog.is_none() && *self.view() == View::WhatIf {
            return self.copy_what_if(env);
        }
        match self.offers(env).into_iter().next() {
            Some(offer) => self.put(offer, env),
            None => self.nothing_here(env),
        }
    }

    /// Choose what to copy.
    pub(crate) fn copy_what(&mut self, env: &Env<'_>) {
        let offers = self.offers(env);
        if offers.is_empty() {
            return self.nothing_here(env);
        }
        self.dialog = Some(Dialog::Copy(CopyDialog::new(offers)));
    }

    /// Puts what was chosen into the clipboard, and says so; or why not.
    pub(super) fn put(&mut self, offer: Offer, env: &Env<'_>) {
        let what = offer.what;
        let clip = offer.text.and_then(|text| {
            Clip::of(&text).map_err(|long| {
                let [is, most] = [long, MOST].map(|n| words::bytes(n as f64));
                format!("it is {is}, and a terminal takes about {most}")
            })
        });
        match clip {
            Err(why) => {
                let text = format!("{what} was not copied: {why}");
                self.say(SafeText::new(&text), Tone::Warn, env.now);
            }
            Ok(text) => {
                let first = text.as_str().lines().next().unwrap_or_default();
                let lines = text.as_str().lines().count();
                let more = if lines > 1 {
                    format!(" and {} more", words::plural(lines - 1, "line", "lines"))
                } else {
                    String::new()
                };
                let said = format!("copied {what}: {}{more}", SafeText::limited(first.as_bytes(), 60));
                self.say(SafeText::new(&said), Tone::Calm, env.now);
                self.effects.push(Effect::Copy(text));
            }
        }
    }

    /// What can be copied where one is, the likeliest first.
    fn offers(&self, env: &Env<'_>) -> Vec<Offer> {
        match &self.dialog {
            Some(Dialog::Payload(dialog)) => return self.of_message(env, &dialog.shown),
            Some(Dialog::Plan(dialog)) => {
                let PlanPhase::Ready(plan) = &dialog.phase else { return Vec::new() };
                let calls = plan.steps().iter().flat_map(|step| &step.calls);
                let calls: Vec<&str> = calls.map(|call| call.summary.as_str()).collect();
                let calls = (!calls.is_empty()).then(|| calls.join("\n"));
                let names: Vec<&str> = plan.targets().iter().map(Name::raw).collect();
                return vec![
                    Offer::or("API calls", calls, "the plan sends none"),
                    Offer::of("names", names.join("\n")),
                    Offer::of("plan", plan.id().to_string()),
                ];
            }
            Some(Dialog::Action(dialog)) => {
                let plan = dialog.plan.to_string();
                let action = self.actions.iter().find(|action| action.id == dialog.plan);
                let names: Vec<&str> =
                    action.into_iter().flat_map(|a| &a.targets).map(|target| target.name.raw()).collect();
                return vec![Offer::of("plan", plan), Offer::of("names", names.join("\n"))];
            }
            Some(Dialog::Entry(_)) | None => {}
            Some(_) => return Vec::new(),
        }
        let mut offers = Vec::new();
        let list = if *self.view() == View::Shadows { ListId::Shadows } else { self.focused_list() };
        let cursor = self.list(list).cursor();
        match list {
            ListId::Journal => {
                let Some(line) = self.entry_here() else { return offers };
                let ids: Vec<&str> =
                    line.details.iter().filter_map(|detail| request_id(detail.as_str())).collect();
                let names: Vec<&str> = line.targets.iter().map(Name::raw).collect();
                let ids = (!ids.is_empty()).then(|| ids.join("\n"));
                offers.push(Offer::of("plan", line.plan.clone()));
                offers.push(Offer::or("request ids", ids, "no request was answered with one"));
                offers.push(Offer::or(
                    "names",
                    (!names.is_empty()).then(|| names.join("\n")),
                    "it acts on no thing",
                ));
                return offers;
            }
            ListId::Jobs | ListId::Executions => {
                let Some(job) = self.job_under_cursor(env) else { return offers };
                offers.push(Offer::of("job", job.raw()));
                offers.push(arn(env, "job ARN", &format!("job/{}", job.raw())));
            }
            ListId::Profiles => {
                let Some(profile) = profile_here(self, env) else { return offers };
                offers.push(Offer::of("profile", profile.name.as_str()));
                offers.push(arn(env, "profile ARN", &format!("securityprofile/{}", profile.name)));
            }
            ListId::Rules => {
                let Some(rule) = self.rule_here(env) else { return offers };
                offers.push(Offer::of("rule", rule.name.raw()));
                offers.push(arn(env, "rule ARN", &format!("rule/{}", rule.name.raw())));
                offers.push(Offer::of("SQL", rule.sql.as_str()));
            }
            ListId::Findings => {
                let Some(finding) = self.finding_here(env) else { return offers };
                offers.push(Offer::of("finding id", finding.id.as_str()));
            }
            _ => {}
        }
        if list == ListId::Stream
            && let Some(payload) = self.message_here().and_then(|seq| self.payload_of(env, seq))
        {
            offers.extend(self.of_message(env, &payload));
            return offers;
        }
        if let Some(id) = self.thing_here(env) {
            offers.extend(self.of_thing(env, id));
        }
        match list {
            ListId::Violations => {
                let active = env.fleet.violations().get().map_or(&[][..], Vec::as_slice);
                let id = active.iter().find(|v| Some(key_of(&v.id)) == cursor).map(|v| v.id.clone());
                let mut own = env.fleet.own_findings().iter().map(finding_key);
                let mut cloned = env.fleet.cloned().iter().map(cloned_key);
                if id.is_some() || own.any(|key| Some(key) == cursor) || cloned.any(|key| Some(key) == cursor)
                {
                    offers.push(Offer::or("violation id", id, "quell found it, AWS has no id for it"));
                }
            }
            ListId::History => {
                let all = env.fleet.violation_events().get();
                let event = all.into_iter().flatten().find(|e| Some(event_key(e)) == cursor);
                offers.extend(event.map(|event| Offer::of("violation id", event.id.as_str())));
            }
            ListId::Shadows => {
                let all = env.fleet.outstanding();
                let one = all.iter().find(|one| Some(outstanding_key(one)) == cursor);
                let Some(one) = one else { return offers };
                let document = one.document.map(|document| {
                    let all = serde_json::json!({"desired": document.desired, "reported": document.reported,
                        "delta": document.delta});
                    serde_json::to_string_pretty(&all).unwrap_or_default()
                });
                offers.push(Offer::or("shadow", document, "its document was not read yet"));
            }
            _ => {}
        }
        offers
    }

    fn of_message(&self, env: &Env<'_>, message: &super::Payload) -> Vec<Offer> {
        let payload = message.text().map(str::to_owned).map_err(str::to_owned);
        let mut offers =
            vec![Offer::of("topic", message.topic.as_str()), Offer { what: "payload", text: payload }];
        if let Some(id) = message.thing.as_ref().and_then(|name| env.fleet.find(name.raw())) {
            offers.extend(self.of_thing(env, id));
        }
        offers
    }

    fn of_thing(&self, env: &Env<'_>, id: DeviceId) -> Vec<Offer> {
        let device = env.fleet.device(id);
        let name = device.name().raw();
        if device.is_unattributed() {
            return vec![Offer::of("topic", name)];
        }
        let certificates = device.certificates().get();
        let mut clients: Vec<&str> = env.fleet.clients_of(id).map(|seen| seen.client.raw()).collect();
        clients.sort_unstable();
        clients.dedup();
        let clients = (!clients.is_empty()).then(|| clients.join("\n"));
        let ids: Vec<&str> = certificates.into_iter().flatten().map(|c| c.id.as_str()).collect();
        let why = match env
            .fleet
            .polls()
            .any(|(source, _)| matches!(source, SourceId::Certificates(thing) if thing.raw() == name))
        {
            true => "it has none",
            false => "its certificates were not read yet",
        };
        vec![
            Offer::of("thing", name),
            Offer::or("client id", clients, "no connection of it was seen"),
            arn(env, "ARN", &format!("thing/{name}")),
            Offer::or("certificate id", (!ids.is_empty()).then(|| ids.join("\n")), why),
        ]
    }
}

/// The ARN of a resource of AWS IoT, as soon as it is known whose account this is.
fn arn(env: &Env<'_>, what: &'static str, resource: &str) -> Offer {
    let arn = prefix(env).map(|prefix| format!("{prefix}{resource}"));
    Offer::or(what, arn, "it is not known yet whose account this is")
}

/// The id of the request that a line of the journal tells of.
fn request_id(detail: &str) -> Option<&str> {
    let (_, id) = detail.split_once(", request ")?;
    let id = id.split([',', ' ', ';']).next()?;
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pasted_can_neither_end_a_paste_nor_run() {
        let clip = |text: &str| Clip::of(text).map(|clip| clip.0);
        assert_eq!(clip("{\n  \"a\": 1\n}").unwrap(), "{\n  \"a\": 1\n}");
        let hostile = clip("x\x1b[201~\rrm -rf ~\u{202e}\n").unwrap();
        assert!(hostile.chars().all(|c| c == '\n' || !c.is_control()), "{hostile:?}");
        // What is written as an escape is longer than it was.
        assert_eq!(clip(&"x".repeat(MOST)).map(|clip| clip.len()), Ok(MOST));
        assert!(clip(&"\x1b".repeat(MOST / 2)).unwrap_err() > MOST);
    }

    #[test]
    fn a_request_is_known_by_its_id() {
        assert_eq!(request_id("AddThing accepted after 0.3 s, request id-1, http 200"), Some("id-1"));
        assert_eq!(request_id("AddThing refused"), None);
    }
}
