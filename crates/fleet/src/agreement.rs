//! Where quell's findings and AWS's violations agree, and why they do not when they do not (docs/aws-iot.md#6.9, #6.12).

use crate::text::SafeText;

use super::findings::Finding;
use super::model::Violation;
use super::{Fleet, Ms};

/// What one side says about the other's judgement.
#[derive(Clone, Debug, PartialEq)]
pub enum Agreement {
    /// Both say so.
    Agree {
        /// When quell found it.
        ours: Ms,
        /// When AWS's violation was first read here.
        aws: Ms,
    },
    /// The other side cannot have said anything yet, or at all.
    Open(SafeText),
    /// The other side says otherwise.
    Differ(SafeText),
}

/// AWS needs a window, some 36 s to collect, and is read at intervals (docs/aws-iot.md#6.12): until then it is not late.
const AWS_TAKES: f64 = (300 + 36 + 60) as f64 * 1000.0;

impl Fleet {
    /// Findings that AWS has no violation for: the others are told beside it.
    pub fn findings_alone(&self) -> impl Iterator<Item = &Finding> {
        let active = self.violations().get().map_or(&[][..], Vec::as_slice);
        self.own_findings().iter().filter(move |f| {
            !active
                .iter()
                .any(|v| v.thing == f.thing && v.behavior.name == f.behavior.name && v.profile == f.profile)
        })
    }

    /// AWS's side of a finding.
    pub fn aws_on(&self, finding: &Finding, now: Ms) -> Agreement {
        let open = |text: String| Agreement::Open(SafeText::new(&text));
        let same = |v: &&Violation| {
            v.thing == finding.thing
                && v.behavior.name == finding.behavior.name
                && v.profile == finding.profile
        };
        if let Some(violation) = self.violations().get().and_then(|all| all.iter().find(same)) {
            let aws = self.violation_seen(&violation.id).unwrap_or(violation.started);
            return Agreement::Agree { ours: finding.found, aws };
        }
        if let Some(trouble) = self.violations().trouble() {
            return open(format!("Detect cannot be read: {}", trouble.message));
        }
        let Some(read) = self.violations().read_at() else { return open("Detect was not read".to_owned()) };
        if self.profiles().get().is_some_and(|all| all.iter().all(|p| p.name != finding.profile)) {
            return open("the profile is only in your file, Detect does not know it".to_owned());
        }
        if finding.behavior.suppress_alerts == Some(true) {
            return open("suppressed: AWS judges it, and does not list it".to_owned());
        }
        if read < finding.bad + (AWS_TAKES / self.detect_speed()) as Ms {
            return open("AWS has not judged it yet: a window, 36 s and the next read".to_owned());
        }
        let device = self.device(finding.device);
        let why = if device.registered() == Some(false) {
            "no registered thing: AWS knows its client by another name"
        } else if device.presence().is_none() && self.strangers().next().is_some() {
            "no client of this name was seen to connect: AWS counts per client id"
        } else if self.link().gaps().next().is_some() {
            "this console was deaf for a while; AWS was not"
        } else if finding.behavior.criteria.as_ref().is_some_and(|c| c.statistical_threshold.is_some()) {
            "a percentile over the devices heard here; AWS has others"
        } else {
            "AWS counts per client id what its broker took, quell per topic what it heard"
        };
        let age = (now - read).max(0) / 1000;
        Agreement::Differ(SafeText::new(&format!("AWS, read {age} s ago, does not say so: {why}")))
    }

    /// Our side of a violation.
    pub fn ours_on(&self, violation: &Violation) -> Agreement {
        let differ = |text: &str| Agreement::Differ(SafeText::new(text));
        let open = |text: String| Agreement::Open(SafeText::new(&text));
        let same = |f: &&Finding| {
            f.thing == violation.thing
                && f.behavior.name == violation.behavior.name
                && f.profile == violation.profile
        };
        if let Some(finding) = self.own_findings().iter().find(same) {
            let aws = self.violation_seen(&violation.id).unwrap_or(violation.started);
            return Agreement::Agree { ours: finding.found, aws };
        }
        let name = violation.behavior.name.as_str();
        if let Some(why) = self.not_judged_on(&violation.thing, &violation.profile, name) {
            return open(format!("not judged here: {why}"));
        }
        if self.judged_by().iter().all(|p| p.name != violation.profile) {
            return open("the profile was not read: quell cannot judge by it".to_owned());
        }
        let id = self.find(violation.thing.raw());
        match id.map_or_else(|| self.watch().since(), |id| self.listening(id).since()) {
            None if self.watch().since().is_some() => {
                return open(
                    "its telemetry is not streamed: the account is large, and it was not looked at"
                        .to_owned(),
                );
            }
            None => return open("nobody listens: the stream is down".to_owned()),
            Some(since) if violation.last <= since => {
                return open("it happened before this console listened".to_owned());
            }
            Some(_) => {}
        }
        let heard = self.find(violation.thing.raw()).and_then(|id| self.device(id).last_seen());
        if heard.is_none() {
            return differ("nothing was heard of it here: its topics are not subscribed to (--topic)");
        }
        if heard.is_some_and(|at| at <= self.judging_since()) {
            return open("nothing was heard of it since quell has the profile".to_owned());
        }
        if self.past_findings().any(|f| same(&f)) {
            return differ("over by what is heard here; AWS clears it later, or never without data");
        }
        if violation.behavior.criteria.as_ref().is_some_and(|c| c.statistical_threshold.is_some()) {
            return differ("a percentile over the devices heard here says otherwise; AWS has others");
        }
        differ("not so by what is heard here: messages on other topics, or lost on the way (QoS 0)")
    }
}
