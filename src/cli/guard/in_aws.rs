//! `quell guard --in-aws`: what a topic rule can judge is judged by AWS's own rules engine, for any number of devices. One plan
//! for each rule, through the gate like every change, and taken back like every change.

use std::io::{self, Write as _};

use sha2::{Digest as _, Sha256};

use crate::cli::reads::{asked_where, code, sentence};
use crate::cli::respond_cmds::{How, respond, runtime, settings};
use crate::cli::{Common, exit};
use crate::cloud::{Aws, read};
use crate::config::{Environment, Settings};
use crate::guard::raised::TOPIC;
use crate::response::{Intent, RuleBody, RuleChange, RuleEdit};
use quell_fleet::account::RuleDelivery;
use quell_fleet::model::{Name, ProfileRecord};
use quell_fleet::text::SafeText;
use quell_rules::detect::in_aws::{VERSION, filters, statement};
use quell_rules::detect::profile::target_words;

use super::GuardArgs;

/// A rule's name has at most so many letters (docs/aws-iot.md#1.1), of which eight tell it from others.
const NAME: usize = 128 - 9;

pub(super) fn run(args: &GuardArgs, role: &str, common: &Common) -> color_eyre::Result<u8> {
    let settings = match settings(common) {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    if !settings.aws {
        return say("a topic rule is made in an account: leave --no-aws off", exit::USAGE);
    }
    if settings.topics.is_empty() {
        return say("which topics are judged? --topic FILTER, or topics in the configuration", exit::USAGE);
    }
    let profiles = match profiles(&settings, common)? {
        Ok(profiles) => profiles,
        Err((why, code)) => return say(&why, code),
    };
    let topics: Vec<&str> = settings.topics.iter().map(AsRef::as_ref).collect();
    let mut rules = Vec::new();
    for profile in &profiles {
        for behavior in &profile.behaviors {
            let of = |what: &str| SafeText::new(&format!("{}/{}: {what}", profile.name, behavior.name));
            let name = profile.name.as_str();
            let dimension = behavior.metric_dimension.as_ref();
            let dimension =
                dimension.and_then(|d| profile.dimensions.get(&d.dimension_name)).map(Vec::as_slice);
            let heard = filters(behavior, &topics);
            let said: Result<Vec<RuleChange>, String> = meant_for_all(profile).and_then(|()| {
                // Why it cannot be judged anywhere is said before where it is not heard.
                for filter in topics.iter().take(usize::from(heard.is_empty())) {
                    statement(name, behavior, dimension, filter, TOPIC)?;
                }
                let made = heard.iter().map(|filter| {
                    let sql = statement(name, behavior, dimension, filter, TOPIC)?;
                    Ok(rule(name, &behavior.name, filter, sql, role))
                });
                made.collect()
            });
            let said = said.and_then(|made| match made.is_empty() {
                true => Err("none of the topics ends in /THING/defender/metrics/json, as agents' reports do"
                    .to_owned()),
                false => Ok(made),
            });
            match said {
                Ok(made) => rules.extend(made),
                Err(why) => {
                    let _ = writeln!(io::stderr(), "quell: no rule can judge {}", of(&why));
                }
            }
        }
    }
    if rules.is_empty() {
        let why = match profiles.is_empty() {
            true => {
                "there is no security profile, neither of a file nor of the account: --security-profiles FILE"
            }
            false => "nothing of these profiles can be judged by a topic rule; guards judge it",
        };
        return say(why, exit::FAILED);
    }
    let how = How {
        dry_run: args.dry_run || !args.yes,
        yes: args.yes,
        confirm: None,
        json: false,
        timeout: args.timeout,
    };
    let mut code = exit::DONE;
    for rule in rules {
        match respond(Intent::Rule(rule), &how, common)? {
            exit::DONE => {}
            exit::INTERRUPTED => return Ok(exit::INTERRUPTED),
            other => code = other,
        }
    }
    if how.dry_run {
        return say("nothing was changed: --yes makes the rules", code);
    }
    say("quell guard --raised tells what they raise; quell undo takes a rule back", code)
}

fn say(text: &str, code: u8) -> color_eyre::Result<u8> {
    let _ = writeln!(io::stderr(), "quell: {text}");
    Ok(code)
}

/// The profiles of the files and of the account; an account without Detect has none.
fn profiles(
    settings: &Settings,
    common: &Common,
) -> color_eyre::Result<Result<Vec<ProfileRecord>, (String, u8)>> {
    let mut all = settings.limits().security_profiles;
    let read = runtime()?.block_on(Box::pin(async { read::profiles(&Aws::connect(settings).await?).await }));
    match read {
        Ok(list) => all.extend(list),
        Err(trouble) if all.is_empty() => {
            let place = asked_where(&trouble, settings, common, &Environment::of_process());
            return Ok(Err((format!("{}{place}", sentence(&trouble)), code(&trouble))));
        }
        Err(trouble) => {
            let _ = writeln!(io::stderr(), "quell: only the profiles of files: {}", sentence(&trouble));
        }
    }
    Ok(Ok(all))
}

/// A rule sees topics and no groups.
fn meant_for_all(profile: &ProfileRecord) -> Result<(), String> {
    if profile.targets.iter().any(|target| target.as_str().ends_with("all/things")) {
        return Ok(());
    }
    let targets: Vec<String> = profile.targets.iter().map(|t| target_words(t.as_str())).collect();
    match targets.as_slice() {
        [] => Err("its profile is attached to nothing".to_owned()),
        some => Err(format!("its profile is meant for {}, and a rule knows no groups", some.join(", "))),
    }
}

fn rule(profile: &str, behavior: &str, filter: &str, sql: String, role: &str) -> RuleChange {
    let mut hash = Sha256::new();
    for part in [profile, behavior, filter] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let own = hex::encode(hash.finalize().get(..4).unwrap_or_default());
    let plain = format!("quell_{profile}_{behavior}");
    let plain = plain.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
    let name: String = plain.take(NAME).chain(['_']).chain(own.chars()).collect();
    let body = RuleBody {
        sql,
        version: VERSION.as_str().to_owned(),
        description: format!("{behavior} of {profile} on {filter}, made by quell guard --in-aws"),
        disabled: false,
        metric: None,
        delivery: Some(RuleDelivery::Republish { topic: Name::new(TOPIC), qos: 1, role: Name::new(role) }),
    };
    RuleChange { rule: Name::new(&name), change: RuleEdit::Write(Box::new(body)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_s_name_is_one_for_aws_and_its_own() {
        let name = |behavior: &str, filter: &str| {
            let rule = rule("P:1", behavior, filter, String::new(), "arn:aws:iam::1:role/r");
            rule.rule.raw().to_owned()
        };
        let long = name(&"B".repeat(128), "dt/#");
        assert_eq!(long.len(), 128);
        for name in [&long, &name("a-b", "dt/#")] {
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{name}");
        }
        assert_ne!(name("a-b", "dt/#"), name("a_b", "dt/#"));
        assert_ne!(name("a", "dt/#"), name("a", "t/#"));
        assert_eq!(name("a", "t/#"), name("a", "t/#"));
    }
}
