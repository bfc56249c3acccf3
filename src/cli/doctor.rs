//! `quell doctor`: can everything be read that an incident needs, and do the groups of the responses exist? And with
//! `--iam`, the two policies that would allow it.

use clap::Args;
use serde_json::{Value, json};

use crate::cloud::{Clients, iam, read};
use crate::config::{self, Environment, Settings};
use crate::fleet::known::Trouble;
use crate::text::SafeText;

use super::output::{ascii_json, lines, table};
use super::reads::{sentence, usage};
use super::{Common, exit};

/// Flags of `quell doctor`.
#[derive(Args, Debug)]
pub struct DoctorArgs {
    /// Print the least-privilege IAM policies of an instructor and of a responder for this account and configuration
    #[arg(long)]
    pub iam: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// One thing that was looked at.
struct Check {
    name: &'static str,
    outcome: Result<String, String>,
}

impl Check {
    fn of<T>(name: &'static str, outcome: Result<T, Trouble>, say: impl FnOnce(T) -> String) -> Self {
        Self { name, outcome: outcome.map(say).map_err(|trouble| sentence(&trouble)) }
    }
}

/// Looks, and says.
pub(super) fn run(args: &DoctorArgs, common: &Common) -> color_eyre::Result<u8> {
    let settings = match config::load(common, &Environment::of_process()) {
        Ok(settings) => settings,
        Err(error) => return usage(&error.to_string()),
    };
    if !settings.aws {
        return usage("the doctor looks at AWS: leave --no-aws off");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Box::pin(async {
        let clients = match Clients::connect(&settings).await {
            Ok(clients) => clients,
            Err(trouble) => {
                lines(&mut std::io::stderr().lock(), [format!("quell: {}", sentence(&trouble))])?;
                return Ok(exit::FAILED);
            }
        };
        if args.iam {
            policies(&clients, &settings).await
        } else {
            checks(&clients, &settings, args.json).await
        }
    }))
}

async fn policies(clients: &Clients, settings: &Settings) -> color_eyre::Result<u8> {
    let account = match read::caller_identity(clients).await {
        Ok(identity) => identity.account.to_string(),
        Err(trouble) => {
            lines(&mut std::io::stderr().lock(), [format!("quell: the account: {}", sentence(&trouble))])?;
            return Ok(exit::FAILED);
        }
    };
    let document = json!({
        "instructor": iam::instructor(settings, &clients.region, &account, crate::stream::reserved_filters()),
        "responder": iam::responder(settings, &clients.region, &account),
    });
    let text = serde_json::to_string_pretty(&document)?;
    lines(&mut std::io::stdout().lock(), text.lines().map(str::to_owned))?;
    lines(
        &mut std::io::stderr().lock(),
        ["quell: a responder needs both policies; presigned jobs also need iam:PassRole for their role"
            .to_owned()],
    )?;
    Ok(exit::DONE)
}

async fn checks(clients: &Clients, settings: &Settings, as_json: bool) -> color_eyre::Result<u8> {
    let now = crate::cloud::now_ms();
    let number = |what: &'static str| move |n: usize| format!("{n} {what}");
    let mut all = vec![
        Check::of("identity", read::caller_identity(clients).await, |i| i.arn.to_string()),
        Check::of("things", read::things(clients).await.map(|l| l.len()), number("things")),
        Check::of(
            "violations",
            read::active_violations(clients, None).await.map(|l| l.len()),
            number("active violations"),
        ),
        Check::of(
            "violation events",
            read::violation_events(clients, now - 3_600_000, now).await.map(|l| l.len()),
            number("in the last hour"),
        ),
        Check::of("security profiles", read::profiles(clients).await, |list| {
            let aimless = list.iter().filter(|profile| profile.targets.is_empty()).count();
            format!("{} profiles, {aimless} without a target", list.len())
        }),
        Check::of("jobs", read::jobs(clients).await.map(|l| l.len()), number("jobs")),
    ];
    for group in settings.quarantine_groups().chain([settings.groups.update.as_str()]) {
        all.push(group_check(clients, group, group == settings.groups.isolate).await);
    }
    let skew = clients.skew.ms();
    all.push(Check {
        name: "clock",
        outcome: if skew.abs() < 60_000 {
            Ok("right within a minute".to_owned())
        } else {
            Err(format!("{} s from AWS's: made up for, but worth mending", skew / 1_000))
        },
    });
    let healthy = all.iter().all(|check| check.outcome.is_ok());
    let mut out = std::io::stdout().lock();
    if as_json {
        let list: Vec<Value> = all
            .iter()
            .map(|check| {
                let said = check.outcome.as_ref().unwrap_or_else(|problem| problem);
                json!({"check": check.name, "ok": check.outcome.is_ok(), "said": SafeText::new(said)})
            })
            .collect();
        lines(&mut out, [ascii_json(&json!({"healthy": healthy, "checks": list}))])?;
    } else {
        let rows: Vec<Vec<SafeText>> = all
            .iter()
            .map(|check| {
                let said = check.outcome.as_ref().unwrap_or_else(|problem| problem);
                let word = if check.outcome.is_ok() { "ok" } else { "PROBLEM" };
                vec![check.name.into(), word.into(), SafeText::new(said)]
            })
            .collect();
        lines(&mut out, table(&["CHECK", "STATE", "DETAIL"], &rows))?;
    }
    Ok(if healthy { exit::DONE } else { exit::FAILED })
}

/// A group must be there; the one for isolation must be static and carry a policy (contract §6.1, §6.7).
async fn group_check(clients: &Clients, group: &str, isolates: bool) -> Check {
    let outcome = async {
        let Some(found) = read::describe_thing_group(clients, group).await? else {
            return Ok(Err(format!("the group {group} does not exist")));
        };
        if found.dynamic_query.is_some() {
            return Ok(Err(format!("the group {group} is dynamic: such a group carries no policy")));
        }
        if !isolates {
            return Ok(Ok(format!("{group} is there")));
        }
        let policies = read::attached_policies(clients, &found.arn).await?;
        let denies = policies.iter().filter_map(|policy| policy.document.as_deref());
        if denies.into_iter().any(|text| text.contains("\"Deny\"")) {
            Ok(Ok(format!("{group} is there and a policy of it denies")))
        } else {
            Ok(Err(format!("no policy of the group {group} denies anything: adding a thing stops nothing")))
        }
    };
    let outcome: Result<Result<String, String>, Trouble> = outcome.await;
    let outcome = outcome.unwrap_or_else(|trouble| Err(format!("{group}: {}", sentence(&trouble))));
    Check { name: if isolates { "isolation group" } else { "group" }, outcome }
}
