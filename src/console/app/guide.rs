//! The workshop as a guide: what to do, what the AWS console would have had one do, and whether it is really done on this
//! account. A step is judged by what was read and heard, never by a key that was pressed.

use std::collections::HashSet;

use quell_fleet::Word;
use quell_fleet::account::RuleRecord;
use quell_fleet::known::Known;
use quell_rules::detect::model::{Behavior, ComparisonOperator};

use super::super::views::{reason, remarks};
use super::{App, Diagnosis, Env, JournalLine, View};

/// A step of the workshop.
pub(crate) struct Step {
    /// The part it belongs to; told once, above its first step.
    pub(crate) part: &'static str,
    /// What is to be true.
    pub(crate) title: &'static str,
    /// What to do here: `{isolate}` stands for the key of that command.
    pub(crate) here: &'static str,
    /// What the AWS console has one do.
    pub(crate) aws: &'static str,
    check: fn(&App, &Env<'_>) -> Check,
}

/// Whether a step is done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Check {
    /// It is, by this.
    Done(String),
    /// Not yet, and what is there.
    Open(String),
    /// It cannot be said, and why.
    Unknown(String),
}

const BUILD: &str = "1 · The environment";
const AUDIT: &str = "2 · Audit";
const DETECT: &str = "3 · Detect and respond";
const AGENT: &str = "4 · Metrics of the device's own";
const LAB: &str = "Lab · Mitigation";
const EXTRA: &str = "Extra credit";

/// The steps, in the order of the workshop.
pub(crate) const STEPS: [Step; 18] = [
    Step {
        part: BUILD,
        title: "The devices are registered",
        here: "{overview} lists them; {open} opens one",
        aws: "Manage, Things",
        check: |_, env| of(env.fleet.registered(), |n| counted(*n, "thing")),
    },
    Step {
        part: BUILD,
        title: "Each speaks with an active certificate",
        here: "{open} on a device: its certificates, who shares them, what their policies allow",
        aws: "Secure, Certificates; then Policies of each",
        check: |_, env| {
            let held = env.fleet.devices().filter_map(|(_, device)| device.certificates().get());
            let (mut read, mut active) = (0, 0);
            for certificates in held {
                read += 1;
                active += usize::from(certificates.iter().any(|c| c.status.as_str() == "ACTIVE"));
            }
            let text = format!("{active} of the {read} looked at");
            match read {
                0 => Check::Unknown("no thing's certificates were read yet".to_owned()),
                _ if active == read => Check::Done(text),
                _ => Check::Open(text),
            }
        },
    },
    Step {
        part: BUILD,
        title: "Telemetry came in",
        here: "{stream} shows every message; the overview who sent it, how large and how often",
        aws: "Test, MQTT test client, subscribe to temperature-device-01",
        check: |_, env| {
            let heard = env.fleet.devices().filter(|(_, d)| !d.is_unattributed() && d.received() > 0).count();
            heard_of(env, heard, "listening, and nothing from a device yet")
        },
    },
    Step {
        part: AUDIT,
        title: "Audits may look",
        here: "{audit}, then {audit-more}: the role and the checks that are on; an audit enables the checks it is to run",
        aws: "Defend, Audit, Settings: a role, and every check enabled",
        check: |_, env| {
            of(env.fleet.audit_setup(), |setup| {
                let on = setup.checks.iter().filter(|(_, on)| *on).count();
                if setup.role.is_none() {
                    return Check::Open("audits were never configured".to_owned());
                }
                counted(on, "check")
            })
        },
    },
    Step {
        part: AUDIT,
        title: "An audit on demand ran to its end",
        here: "{audit}, {audit-start}: pick the checks, confirm the plan, watch it run",
        aws: "Defend, Audit, Results, Create: run the audit once",
        check: |_, env| {
            of(env.fleet.audit_tasks(), |tasks| {
                let done =
                    tasks.audits.iter().filter(|t| t.schedule.is_none() && t.status.as_str() == "COMPLETED");
                counted(done.count(), "audit")
            })
        },
    },
    Step {
        part: AUDIT,
        title: "There is something that mends a finding",
        here: "{audit}, {action-form}: a mitigation action, for instance one that adds things to a group",
        aws: "Defend, Mitigation actions, Create",
        check: |_, env| {
            of(env.fleet.audit_setup(), |setup| counted(setup.actions.len(), "mitigation action"))
        },
    },
    Step {
        part: AUDIT,
        title: "A finding was mended",
        here: "{audit}, on a finding: {mitigate-finding} picks the action, the plan says what it will do",
        aws: "Defend, Audit, Results: select findings, Start mitigation actions",
        check: |_, env| {
            of(env.fleet.audit_tasks(), |tasks| {
                counted(tasks.mitigations.iter().filter(|t| t.succeeded > 0).count(), "task")
            })
        },
    },
    Step {
        part: DETECT,
        title: "A profile says how large a message may be",
        here: "{profiles}, {profile-new}: aws:message-byte-size less than 1000. What is written is what is *normal*: the workshop's own \"greater \
               than p50\" would alarm on every device but the rogue",
        aws: "Defend, Detect, Security profiles: LargeMessageSize, attached to all things",
        check: |_, env| sizes(env),
    },
    Step {
        part: DETECT,
        title: "A group denies everything",
        here: "{doctor}, then {setup}: the group and a policy on it, planned and proven; a group without a deny restricts nothing",
        aws: "Manage, Thing groups: IsolatedDevices; Secure, Policies: deny iot:*; attach it to the group",
        check: |app, _| match app.diagnosis() {
            Diagnosis::Found(lines) => match lines.iter().find(|line| line.check == "isolation") {
                Some(line) if line.ok => Check::Done(line.text.to_string()),
                Some(line) => Check::Open(line.text.to_string()),
                None => Check::Unknown("the doctor says nothing of it".to_owned()),
            },
            Diagnosis::Failed(why) => Check::Unknown(why.to_string()),
            Diagnosis::Looking => Check::Unknown("it is being looked at".to_owned()),
            Diagnosis::Unknown => Check::Unknown("not looked at yet".to_owned()),
        },
    },
    Step {
        part: DETECT,
        title: "The compromised device stands out",
        here: "{violations}: what was expected, what came, who found it first; {next-alarm} goes to the worst",
        aws: "Defend, Detect, Violations: some minutes after its window ended",
        check: |_, env| {
            let ours = env.fleet.own_findings().len() + env.fleet.past_findings().len();
            // An active violation has events too, and each violation several.
            let active = env.fleet.violations().get().into_iter().flatten().map(|v| v.id.as_str());
            let events = env.fleet.violation_events().get().into_iter().flatten().map(|e| e.id.as_str());
            let aws = active.chain(events).collect::<HashSet<_>>().len();
            match (ours + aws, env.fleet.violations().is_current()) {
                (0, false) => Check::Unknown("violations are not known, and quell found none".to_owned()),
                (0, true) => Check::Open("nothing is against anybody".to_owned()),
                _ => Check::Done(format!("{aws} of AWS's, {ours} of quell's")),
            }
        },
    },
    Step {
        part: DETECT,
        title: "It is isolated, and was proven silent",
        here: "{isolate}, read what it affects, {open}; then watch CONTAINING become CONTAINED",
        aws: "a Lambda function adds it to the group when the alert comes by SNS; nothing tells whether it worked",
        check: |app, env| {
            let held = env.fleet.devices().filter(|(_, device)| device.word() == Word::Contained).count();
            if held > 0 {
                return Check::Done(format!("{held} CONTAINED"));
            }
            journal(app, |line| line.verb == "isolate" && line.good)
        },
    },
    Step {
        part: AGENT,
        title: "A device reported its own metrics",
        here: "{metrics} on the device: connections, ports, bytes, its custom metrics",
        aws: "install the Device Defender agent on SensorDevice03, start it with its certificate and thing name",
        check: |_, env| {
            let told = env.fleet.devices().filter(|(_, device)| device.agent_report().is_some()).count();
            heard_of(env, told, "no report was heard yet; agents send one every five minutes")
        },
    },
    Step {
        part: AGENT,
        title: "A profile says what is normal on a device",
        here: "{profiles}, {profile-form}: a behaviour about aws:listening-tcp-ports, aws:num-established-tcp-connections, …",
        aws: "Defend, Detect, Security profiles: a behaviour with a device-side metric",
        check: |_, env| {
            let side = |metric: &str| {
                ["listening", "established", "bytes-", "packets-", "destination-ip"]
                    .iter()
                    .any(|w| metric.contains(w))
            };
            behaviour(env, |b| b.metric.as_deref().is_some_and(|m| m.starts_with("aws:") && side(m)))
        },
    },
    Step {
        part: LAB,
        title: "A profile counts messages",
        here: "{profiles}, {profile-new}: aws:num-messages-sent less than 5 in 5 minutes, attached to all things",
        aws: "Defend, Detect: MsgSentSecProfile with MsgSentBehavior, alerts to an SNS topic",
        check: |_, env| behaviour(env, |b| b.metric.as_deref() == Some("aws:num-messages-sent")),
    },
    Step {
        part: LAB,
        title: "The answer was the group and the shadow",
        here: "{isolate} does both: the group denies, and desired.quarantine tells the device itself",
        aws: "the lab's function calls AddThingToThingGroup and UpdateThingShadow",
        check: |app, _| {
            journal(app, |line| {
                line.verb == "isolate"
                    && line.good
                    && line.details.iter().any(|said| said.as_str().contains("UpdateThingShadow"))
            })
        },
    },
    Step {
        part: EXTRA,
        title: "A job waits for whoever joins NeedsUpdate",
        here: "{job}: group NeedsUpdate, continuous; {join-group} puts a device into the group",
        aws: "Manage, Jobs: Update-temp-firmware, continuous, on the thing group NeedsUpdate",
        check: |_, env| {
            of(env.fleet.jobs(), |jobs| {
                let waits = |job: &&quell_fleet::model::JobRecord| {
                    matches!(job.status.as_str(), "IN_PROGRESS" | "SCHEDULED")
                        && job.continuous
                        && job.targets.iter().any(|target| target.as_str().ends_with("NeedsUpdate"))
                };
                counted(jobs.iter().filter(waits).count(), "job")
            })
        },
    },
    Step {
        part: EXTRA,
        title: "A rule counts what is too humid",
        here: "{rules}, {rule-new}: state.reported.Humidity > 50. The workshop's Humidity at the top of a shadow document never matches; the \
               form says so",
        aws: "Act, Rules: HighHumidity, its metric to CloudWatch",
        check: |_, env| {
            of(env.fleet.rules(), |rules| {
                let counts = |rule: &&RuleRecord| {
                    let humid = rule.sql.as_str().to_lowercase().contains("humidity");
                    let never = remarks(rule).iter().any(|remark| remark.never);
                    humid && !never && !rule.disabled && !rule.metrics.is_empty()
                };
                counted(rules.iter().filter(counts).count(), "rule")
            })
        },
    },
    Step {
        part: EXTRA,
        title: "The certificate of a bad sensor is revoked",
        here: "{revoke} on the device; its name is typed, since it cannot be taken back, and a shared one is named first",
        aws: "Manage, Things, Security, the certificate: Actions, Revoke",
        check: |app, env| {
            let of_device = |certificates: &Vec<quell_fleet::model::CertificateRecord>| {
                certificates.iter().any(|c| c.status.as_str() == "REVOKED")
            };
            let revoked =
                env.fleet.devices().filter(|(_, d)| d.certificates().get().is_some_and(of_device)).count();
            if revoked > 0 {
                counted(revoked, "thing")
            } else {
                journal(app, |line| line.verb == "revoke" && line.good)
            }
        },
    },
];

/// `n` devices were heard; of none it is known only while somebody listens.
fn heard_of(env: &Env<'_>, n: usize, none: &str) -> Check {
    match (n, env.fleet.watch().since()) {
        (0, Some(_)) => Check::Open(none.to_owned()),
        (0, None) => Check::Unknown("nobody listens".to_owned()),
        _ => counted(n, "device"),
    }
}

/// `n` of them: done with at least one.
fn counted(n: usize, what: &str) -> Check {
    let text = if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") };
    if n > 0 { Check::Done(text) } else { Check::Open(format!("no {what} yet")) }
}

/// Judged by what was read of the account; unknown where it was not.
fn of<T>(known: &Known<T>, judge: impl Fn(&T) -> Check) -> Check {
    match (known.get().map(judge), known.trouble()) {
        // What was there stays done; that something is still missing is known only from a read that succeeds.
        (Some(done @ Check::Done(_)), _) => done,
        (Some(judged), None) => judged,
        (_, Some(trouble)) => Check::Unknown(reason(trouble)),
        (None, None) => Check::Unknown("not read yet".to_owned()),
    }
}

/// A profile that is attached somewhere holds such a behaviour.
fn behaviour(env: &Env<'_>, wanted: impl Fn(&Behavior) -> bool) -> Check {
    of(env.fleet.profiles(), |profiles| {
        let mut held = profiles.iter().filter(|profile| profile.behaviors.iter().any(&wanted));
        match held.clone().find(|profile| !profile.targets.is_empty()) {
            Some(profile) => Check::Done(profile.name.to_string()),
            None => Check::Open(held.next().map_or_else(
                || "no profile has such a behaviour".to_owned(),
                |profile| format!("{} is attached to nothing", profile.name),
            )),
        }
    })
}

/// A profile bounds the size of messages from above: what is normal is to be small.
fn sizes(env: &Env<'_>) -> Check {
    let about = |b: &Behavior| b.metric.as_deref() == Some("aws:message-byte-size");
    let above = |b: &Behavior| {
        let operator = b.criteria.as_ref().and_then(|criteria| criteria.comparison_operator);
        matches!(operator, Some(ComparisonOperator::LessThan | ComparisonOperator::LessThanEquals))
    };
    match (behaviour(env, |b| about(b) && above(b)), behaviour(env, about)) {
        (Check::Open(_), Check::Done(turned)) => {
            Check::Open(format!("{turned} calls large messages normal: it alarms on the small ones"))
        }
        (bounded, _) => bounded,
    }
}

/// A response that the journal of this host holds.
fn journal(app: &App, wanted: impl Fn(&JournalLine) -> bool) -> Check {
    match app.journal_lines() {
        Some(Ok(lines)) => match lines.iter().find(|line| wanted(line)) {
            Some(line) => Check::Done(format!("{}: {}", line.target, line.outcome)),
            None => Check::Open("not in this host's journal".to_owned()),
        },
        Some(Err(why)) => Check::Unknown(why.to_string()),
        None => Check::Unknown("the journal is not read yet".to_owned()),
    }
}

impl App {
    /// The workshop, step by step.
    pub(crate) fn view_guide(&mut self, env: &Env<'_>) {
        self.go(View::Guide);
        if !matches!(self.diagnosis, Diagnosis::Found(_)) {
            self.examine(env);
        }
    }

    /// How each step stands.
    pub(crate) fn guided(&self, env: &Env<'_>) -> Vec<(&'static Step, Check)> {
        STEPS.iter().map(|step| (step, (step.check)(self, env))).collect()
    }
}
