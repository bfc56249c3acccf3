//! `quell doctor`: is this account ready for an incident? One line for each thing an incident needs, with what mends it.

use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::cloud::{Aws, iam, read};
use crate::config::Settings;
use crate::console::app::DoctorLine;
use crate::response::journal::Journal;
use crate::response::plan::facts::GroupFacts;
use crate::response::recover;
use quell_fleet::known::{Trouble, TroubleKind};
use quell_fleet::model::Name;
use quell_fleet::shell::{command, word};
use quell_fleet::text::SafeText;

use super::respond_cmds::{Session, runtime, settings};
use super::{Common, exit, output};

/// So many things are looked at: AWS answers twenty of these questions a second, and a doctor should not take minutes.
const THINGS: usize = 40;
/// A connection that is not up by then is not up.
const LISTEN: Duration = Duration::from_secs(8);

/// Arguments of `quell doctor`.
#[derive(Args, Debug)]
pub struct DoctorArgs {
    /// One JSON document
    #[arg(long)]
    pub json: bool,
    /// Print the least-privilege IAM policies of an instructor, of a responder and of an administrator of detection for
    /// this account and configuration
    #[arg(long)]
    pub iam: bool,
}

struct Line {
    check: &'static str,
    ok: bool,
    text: SafeText,
    /// The command that mends it.
    mend: Option<String>,
    /// The thing group that setting up would mend.
    group: Option<Name>,
}

/// The same for the console's view.
pub(super) async fn lines(settings: &Settings) -> Vec<DoctorLine> {
    let report = Box::pin(examine(settings)).await;
    let line = |l: Line| DoctorLine {
        check: l.check,
        ok: l.ok,
        text: l.text,
        mend: l.mend.map(|m| SafeText::new(&m)),
        group: l.group,
    };
    report.0.into_iter().map(line).collect()
}

#[derive(Default)]
struct Report(Vec<Line>);

impl Report {
    fn good(&mut self, check: &'static str, text: impl AsRef<str>) {
        self.0.push(Line { check, ok: true, text: SafeText::new(text.as_ref()), mend: None, group: None });
    }

    fn bad(&mut self, check: &'static str, text: impl AsRef<str>, mend: impl Into<String>) {
        let text = SafeText::new(text.as_ref());
        self.0.push(Line { check, ok: false, text, mend: Some(mend.into()), group: None });
    }

    /// A read that failed: the permission it lacks mends it.
    fn trouble(&mut self, check: &'static str, trouble: &Trouble) {
        let mend = trouble.missing_action.as_ref().map_or_else(
            || "quell doctor --log FILE -v, and look at FILE".to_owned(),
            |action| format!("allow {action} to these credentials"),
        );
        self.bad(check, trouble.message.as_str(), mend);
    }
}

pub(super) fn run(args: &DoctorArgs, common: &Common) -> color_eyre::Result<u8> {
    let settings = match settings(common) {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    if args.iam {
        return runtime()?.block_on(Box::pin(policies(&settings)));
    }
    let report = runtime()?.block_on(Box::pin(examine(&settings)));
    let ok = report.0.iter().all(|l| l.ok);
    let text = if args.json {
        let checks: Vec<Value> = report
            .0
            .iter()
            .map(|l| json!({"check": l.check, "ok": l.ok, "text": l.text, "mend": l.mend}))
            .collect();
        format!("{:#}\n", json!({"ok": ok, "checks": checks}))
    } else {
        people(&report, settings.ascii)
    };
    output::text(&text)?;
    Ok(if ok { exit::DONE } else { exit::FAILED })
}

/// The policies: a responder needs the instructor's and its own; who looks after detection the instructor's and the third.
async fn policies(settings: &Settings) -> color_eyre::Result<u8> {
    let found = async {
        let clients = Aws::connect(settings).await?;
        let account = read::caller_identity(&clients).await?.account.to_string();
        Ok((clients.region, account))
    };
    let found: Result<_, Trouble> = found.await;
    let (region, account) = match found {
        Ok(found) => found,
        Err(trouble) => {
            use std::io::Write as _;
            writeln!(std::io::stderr(), "quell: {}", super::reads::sentence(&trouble))?;
            return Ok(super::reads::code(&trouble));
        }
    };
    let document = json!({
        "instructor": iam::instructor(settings, &region, &account, &crate::stream::reserved_filters(settings)),
        "responder": iam::responder(settings, &region, &account),
        "administrator": iam::administrator(settings, &region, &account),
    });
    output::text(&format!("{document:#}\n"))?;
    Ok(exit::DONE)
}

fn people(report: &Report, ascii: bool) -> String {
    let (good, bad) = if ascii { ("ok ", "NO ") } else { ("✓", "✗") };
    let mut out = String::new();
    for line in &report.0 {
        // Writing into a string never fails.
        let _ = writeln!(out, "{} {:<14} {}", if line.ok { good } else { bad }, line.check, line.text);
        if let Some(mend) = &line.mend {
            let _ = writeln!(out, "    mend: {}", SafeText::new(mend));
        }
    }
    out
}

async fn examine(settings: &Settings) -> Report {
    let mut report = Report::default();
    journal(settings, &mut report);
    let clients = match Aws::connect(settings).await {
        Ok(clients) => clients,
        Err(trouble) if trouble.kind == TroubleKind::Unsaid => {
            report.bad("credentials", trouble.message.as_str(), "quell doctor --region NAME");
            return report;
        }
        Err(trouble) => {
            report.bad("credentials", trouble.message.as_str(), "aws sso login, or set AWS_PROFILE");
            return report;
        }
    };
    match read::caller_identity(&clients).await {
        Ok(who) => report.good("credentials", format!("{} in {}", who.arn, who.region)),
        Err(trouble) => {
            report.bad("credentials", trouble.message.as_str(), "aws sso login, or set AWS_PROFILE");
            return report;
        }
    }
    let skew = clients.skew.ms() / 1_000;
    if skew.abs() < 60 {
        report.good("clock", "within a minute of AWS's");
    } else {
        report.bad(
            "clock",
            format!("{skew} s from AWS's; made up for, as far as it can be"),
            "timedatectl set-ntp true",
        );
    }
    if settings.read_only {
        report.bad("mode", "read-only: nothing can be answered", "leave --read-only out");
    }
    listening(settings, &mut report).await;
    let mut groups: Vec<&str> = settings.quarantine_groups().collect();
    groups.dedup();
    for (i, name) in groups.iter().enumerate() {
        Box::pin(group(&clients, name, i == 0, &mut report)).await;
    }
    remedy(&clients, &settings.groups.update, &mut report).await;
    detect(&clients, &mut report).await;
    Box::pin(devices(&clients, &mut report)).await;
    match recover::unfinished(&clients, &settings.journal, settings.account_since).await {
        Ok(open) if open.is_empty() => report.good("crashes", "every response came to an end"),
        Ok(open) => {
            report.bad("crashes", format!("{} responses never ended", open.len()), "quell journal recover");
        }
        Err(error) => report.bad("crashes", error.to_string(), "quell journal verify"),
    }
    report
}

fn journal(settings: &Settings, report: &mut Report) {
    let shown = settings.journal.display();
    match Journal::open(&settings.journal).and_then(|j| j.verify()) {
        Ok(verdict) if verdict.faults.is_empty() => {
            let folder = settings.journal.parent().unwrap_or(&settings.journal);
            match rustix::fs::access(folder, rustix::fs::Access::WRITE_OK) {
                Ok(()) => report.good("journal", format!("{} entries, whole: {shown}", verdict.lines)),
                Err(e) => {
                    report.bad("journal", format!("{shown}: {e}"), format!("chmod u+w {}", folder.display()));
                }
            }
        }
        Ok(verdict) => {
            // What is wrong is named here too: others who can read it are mended by one command.
            let first = verdict.faults.first().map(String::as_str).unwrap_or_default();
            let more = match verdict.faults.len() {
                0 | 1 => String::new(),
                n => format!(" (and {} more)", n - 1),
            };
            report.bad("journal", format!("{first}{more}: {shown}"), "quell journal verify");
        }
        Err(error) => report.bad("journal", format!("{shown}: {error}"), format!("ls -l {shown}")),
    }
}

async fn listening(settings: &Settings, report: &mut Report) {
    match Session::open(settings).await {
        Ok(session) if session.listens(LISTEN).await => {
            report.good("telemetry", format!("subscribed to {}", settings.topics.join(", ")));
        }
        Ok(_) => report.bad(
            "telemetry",
            "the MQTT connection does not come up: silence could not be proven",
            "allow iot:Connect, iot:Subscribe and iot:Receive to these credentials; --mqtt-url names another broker",
        ),
        Err(e) => report.bad("telemetry", e.to_string(), "quell watch --for 10s"),
    }
}

async fn group(clients: &Aws, name: &str, isolates: bool, report: &mut Report) {
    let check = if isolates { "isolation" } else { "quarantine" };
    let setup = if isolates {
        "quell setup".to_owned()
    } else {
        command(&["quell", "setup", &format!("--group={name}")], [])
    };
    let found = match read::describe_thing_group(clients, name).await {
        Ok(Some(found)) => found,
        Ok(None) if isolates => return report.bad(check, format!("there is no thing group {name}"), setup),
        // A group nobody made restricts nobody: nothing is wrong with that.
        Ok(None) => return,
        Err(trouble) => return report.trouble(check, &trouble),
    };
    if found.dynamic_query.is_some() {
        let text = format!("{name} is a dynamic group: it carries no policy and takes no members by hand");
        return report.bad(
            check,
            text,
            "quell setup --group ANOTHER, and groups.isolate in the configuration",
        );
    }
    let policies = match read::attached_policies(clients, &found.arn).await {
        Ok(policies) => policies,
        Err(trouble) => return report.trouble(check, &trouble),
    };
    let facts = GroupFacts {
        name: Name::new(name),
        exists: true,
        dynamic: false,
        ancestors: found.ancestors,
        policies: policies
            .iter()
            .map(|p| {
                let document = p.document.as_deref().and_then(|d| serde_json::from_str(d).ok());
                (p.name.raw().to_owned(), document.unwrap_or_default())
            })
            .collect(),
    };
    match (facts.full_deny(), facts.any_deny()) {
        (Some(policy), _) => {
            report.good(
                check,
                format!("{name}: policy {policy} denies everything (a device cannot be patched in it)"),
            );
        }
        (None, Some(policy)) => report.good(check, format!("{name}: policy {policy} denies")),
        (None, None) => {
            report.bad(check, format!("{name}: no policy denies: membership restricts nothing"), setup);
            if let Some(line) = report.0.last_mut() {
                line.group = Some(Name::new(name));
            }
        }
    }
}

async fn remedy(clients: &Aws, name: &str, report: &mut Report) {
    match read::describe_thing_group(clients, name).await {
        Ok(Some(_)) => report.good("remedy", format!("thing group {name} is there for the update job")),
        Ok(None) => report.bad(
            "remedy",
            format!("there is no thing group {name}"),
            format!("aws iot create-thing-group --thing-group-name {}", word(name)),
        ),
        Err(trouble) => report.trouble("remedy", &trouble),
    }
}

async fn detect(clients: &Aws, report: &mut Report) {
    match read::profiles(clients).await {
        Ok(profiles) if profiles.is_empty() => report.bad(
            "detect",
            "no security profile: nothing raises an alarm",
            "aws iot create-security-profile, then aws iot attach-security-profile",
        ),
        Ok(profiles) => {
            let names: Vec<&str> = profiles.iter().map(|p| p.name.as_str()).collect();
            report.good("detect", format!("security profiles: {}", names.join(", ")));
        }
        Err(trouble) => report.trouble("detect", &trouble),
    }
    match read::active_violations(clients, None).await {
        Ok(found) => report.good("violations", format!("readable, {} active", found.len())),
        Err(trouble) => report.trouble("violations", &trouble),
    }
}

/// Things that a group's policy would not reach, and certificates that several things share.
async fn devices(clients: &Aws, report: &mut Report) {
    let things = match read::things(clients).await {
        Ok(things) => things,
        Err(trouble) => return report.trouble("devices", &trouble),
    };
    let (mut bare, mut shared) = (Vec::new(), Vec::new());
    for thing in things.iter().take(THINGS) {
        let name = thing.name.raw();
        match read::certificates(clients, name).await {
            Ok(certificates) if certificates.is_empty() => bare.push(name.to_owned()),
            Ok(certificates) => {
                shared.extend(certificates.iter().filter(|c| c.things.len() > 1).map(|c| {
                    let names: Vec<&str> = c.things.iter().map(|t| t.raw()).take(5).collect();
                    format!("{}… serves {}", c.id.get(..8).unwrap_or(&c.id), names.join(", "))
                }));
            }
            Err(trouble) => return report.trouble("devices", &trouble),
        }
        tokio::time::sleep(Duration::from_millis(55)).await;
    }
    shared.sort();
    shared.dedup();
    let looked = things.len().min(THINGS);
    if bare.is_empty() {
        report.good("principals", format!("each of the {looked} things looked at has a certificate"));
    } else {
        let list: Vec<&str> = bare.iter().take(5).map(String::as_str).collect();
        report.bad(
            "principals",
            format!("without a principal, so that no policy reaches them: {}", list.join(", ")),
            format!(
                "aws iot attach-thing-principal --thing-name {} --principal ARN",
                list.first().map_or_else(|| "THING".to_owned(), |name| word(name))
            ),
        );
    }
    if shared.is_empty() {
        report.good("certificates", format!("none of the {looked} things looked at shares its certificate"));
    } else {
        report.bad(
            "certificates",
            format!("shared, so that a certificate action stops several things: {}", shared.join("; ")),
            "aws iot create-keys-and-certificate --set-as-active for each device, and detach the shared one",
        );
    }
}
