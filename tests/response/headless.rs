//! The headless commands as a script uses them: `--json`, `--dry-run`, `--yes`, and exit codes (cli.md).

use clap::CommandFactory as _;
use quell::config::Verb;
use quell::console::command::{COMMANDS, Danger};

use crate::door::Verdict;
use crate::program::Ran;
use crate::world::World;

const JOB: [&str; 7] =
    ["job", "create", "update-1", "--group", "NeedsUpdate", "--document-json", r#"{"operation":"update"}"#];

pub(crate) const ROLE: &str = "arn:aws:iam::123456789012:role/R";

const RULE: [&str; 9] = [
    "rules",
    "write",
    "Hot",
    "--sql",
    "SELECT * FROM 'dt/#' WHERE t > 50",
    "--value",
    "${t}",
    "--role",
    ROLE,
];

/// Every headless command that changes something, as one types it; `None` for those that only read or show.
fn typed(command: &str, plans: [&str; 2]) -> Option<Vec<String>> {
    let line: &[&str] = match command {
        "isolate" => &["isolate", "Thing02"],
        "release" => &["release", "Thing02"],
        "deactivate" => &["deactivate", "Thing02"],
        "activate" => &["activate", "Thing04"],
        "revoke" => &["revoke", "Thing02"],
        "cut" => &["cut", "Thing02", "--client", "Thing02"],
        "flag" => &["flag", "Thing02"],
        "join" => &["join", "NeedsUpdate", "Thing02"],
        "leave" => &["leave", "IsolatedDevices", "Thing02"],
        "job create" => &JOB,
        "job cancel" => &["job", "cancel", "running"],
        "undo" => &["undo", plans[0]],
        "finish" => &["finish", plans[1]],
        "setup" => &["setup", "--group", "Another"],
        "mitigate" => &["mitigate", "--action", "none", "--violation", "0"],
        "profiles apply" => &["profiles", "apply", "profile.json"],
        "profiles delete" => &["profiles", "delete", "Judged"],
        "profiles attach" => &["profiles", "attach", "Judged", "NeedsUpdate"],
        "profiles detach" => &["profiles", "detach", "Judged", "all things"],
        "dimension create" => &["dimension", "create", "Temperatures", "temperature/#"],
        "dimension delete" => &["dimension", "delete", "Known"],
        "metric create" => &["metric", "create", "battery"],
        "metric delete" => &["metric", "delete", "known"],
        "verify" => &["verify", "0", "--state", "FALSE_POSITIVE"],
        "rules enable" => &["rules", "enable", "Sleeping"],
        "rules disable" => &["rules", "disable", "Awake"],
        "rules write" => &RULE,
        "rules delete" => &["rules", "delete", "Awake"],
        "audit start" => &["audit", "start", "LOGGING_DISABLED_CHECK", "--role", ROLE],
        "audit schedule" => &[
            "audit",
            "schedule",
            "nightly",
            "--every",
            "daily",
            "--check",
            "LOGGING_DISABLED_CHECK",
            "--role",
            ROLE,
        ],
        "audit unschedule" => &["audit", "unschedule", "Weekly"],
        "audit cancel" => &["audit", "cancel", "none"],
        "audit suppress" => &["audit", "suppress", "CONFLICTING_CLIENT_IDS_CHECK", "clientId=Thing02"],
        "audit unsuppress" => &["audit", "unsuppress", "LOGGING_DISABLED_CHECK", "account=123456789012"],
        "action create" => &["action", "create", "Contain", "--group", "IsolatedDevices", "--role", ROLE],
        "action delete" => &["action", "delete", "Known"],
        "retained clear" => &["retained", "clear", "Thing02"],
        "respond" => &["respond"],
        "console" | "demo" | "drill" | "keys" | "local" | "workshop" | "watch" | "things" | "violations"
        | "shadow" | "jobs" | "profiles" | "profiles export" | "dimension list" | "metric list"
        | "job list" | "job show" | "rules check" | "audit status" | "action list" | "journal" | "guard"
        | "guard status" | "journal verify" | "journal recover" | "audit" | "rules" | "config"
        | "completions" | "man" | "record" | "replay" | "report" | "doctor" | "findings" | "explain"
        | "retained" | "sweep" | "policy try" | "policy least" | "case key" | "case open" | "case add"
        | "case close" | "case verify" | "case report" => {
            return None;
        }
        unknown => panic!("is `quell {unknown}` a command that changes something? say so here"),
    };
    Some(line.iter().map(|w| (*w).to_owned()).collect())
}

/// All commands of the program with something to do, `job create` and the like included.
fn commands() -> Vec<String> {
    let mut out = Vec::new();
    let mut quell = quell::cli::Cli::command();
    // A command's own come when it is built, and with them a `help` that is none of ours.
    quell.build();
    for command in quell.get_subcommands() {
        let name = command.get_name();
        let subs: Vec<_> = command.get_subcommands().filter(|sub| sub.get_name() != "help").collect();
        if subs.is_empty() || matches!(name, "journal" | "profiles" | "rules" | "audit" | "retained") {
            out.push(name.to_owned());
        }
        out.extend(subs.iter().map(|sub| format!("{name} {}", sub.get_name())));
    }
    out
}

/// An account in which each of them would have something to do.
pub(crate) async fn busy() -> (World, [String; 2]) {
    let world = World::start().await;
    world.things(&["Thing02", "Thing03"]).await;
    let off = world.things(&["Thing04"]).await;
    let inactive = aws_sdk_iot::types::CertificateStatus::Inactive;
    world.iot.update_certificate().certificate_id(off).new_status(inactive).send().await.unwrap();
    world.group("NeedsUpdate").await;
    let add = world.iot.add_thing_to_thing_group();
    add.thing_name("Thing02").thing_group_name("IsolatedDevices").send().await.unwrap();
    rules_and_actions(&world).await;
    let targets = "arn:aws:iot:us-east-1:123456789012:thinggroup/NeedsUpdate";
    let job = world.iot.create_job().job_id("running").targets(targets).document("{}");
    job.target_selection(aws_sdk_iot::types::TargetSelection::Continuous).send().await.unwrap();
    crate::profiles::one(&world, "Judged").await;
    let dimension = world.iot.create_dimension().name("Known").string_values("a/#");
    dimension.r#type(aws_sdk_iot::types::DimensionType::TopicFilter).send().await.unwrap();
    let retain = world.data.publish().topic("temperature/Thing02").retain(true);
    retain.payload(aws_sdk_iotdataplane::primitives::Blob::new("x")).send().await.unwrap();
    let metric = world.iot.create_custom_metric().metric_name("known");
    metric.metric_type(aws_sdk_iot::types::CustomMetricType::Number).send().await.unwrap();
    world.file("profile.json", crate::profiles::CORRECTED);
    let ran = world.run(&["join", "NeedsUpdate", "Thing03", "--yes", "--json"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let id = |ran: &Ran| ran.json()["plan"]["id"].as_str().unwrap().to_owned();
    let done = id(&ran);
    world.door.rule(|_, _| Verdict::Refuse);
    let ran = world.run(&["join", "NeedsUpdate", "Thing02", "--yes", "--json"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let failed = id(&ran);
    world.door.open();
    world.door.forget();
    (world, [done, failed])
}

/// Two topic rules, one of them asleep; a suppression, and a mitigation action.
async fn rules_and_actions(world: &World) {
    use aws_sdk_iot::types as sdk;
    let iot = &world.iot;
    for (name, off) in [("Sleeping", true), ("Awake", false)] {
        let metric = sdk::CloudwatchMetricAction::builder().role_arn(ROLE).metric_namespace("IoT");
        let metric = metric.metric_name(name).metric_value("1").metric_unit("Count").build().unwrap();
        let action = sdk::Action::builder().cloudwatch_metric(metric).build();
        let rule =
            sdk::TopicRulePayload::builder().sql("SELECT * FROM 'a'").rule_disabled(off).actions(action);
        let rule = rule.build().unwrap();
        iot.create_topic_rule().rule_name(name).topic_rule_payload(rule).send().await.unwrap();
    }
    let account = sdk::ResourceIdentifier::builder().account("123456789012").build();
    let suppression = iot.create_audit_suppression().check_name("LOGGING_DISABLED_CHECK");
    let suppression = suppression.resource_identifier(account).suppress_indefinitely(true);
    suppression.client_request_token("token").send().await.unwrap();
    let groups =
        sdk::AddThingsToThingGroupParams::builder().thing_group_names("NeedsUpdate").build().unwrap();
    let params = sdk::MitigationActionParams::builder().add_things_to_thing_group_params(groups).build();
    let action = iot.create_mitigation_action().action_name("Known").role_arn(ROLE).action_params(params);
    action.send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_changes_anything_when_it_may_not() {
    let (world, plans) = Box::pin(busy()).await;
    let plans = [plans[0].as_str(), plans[1].as_str()];
    let deny = "[[guardrails.rule]]\nrequire = \"deny\"\nreason = \"not today\"\n";
    let mut tried = 0;
    for command in commands() {
        let Some(line) = typed(&command, plans) else { continue };
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        let event = (command == "respond").then_some(include_str!("event.json"));
        let with = |more: &[&'static str]| [&line[..], more].concat();
        let unconfirmed = world.run_with(&line, "", event).await;
        let read_only = world.run_with(&with(&["--yes", "--read-only"]), "", event).await;
        let denied = world.run_with(&with(&["--yes"]), deny, event).await;
        if command != "respond" {
            assert_eq!(unconfirmed.code, Some(4), "{command}: {unconfirmed:?}");
            let dry = world.run(&with(&["--dry-run"])).await;
            assert!(matches!(dry.code, Some(0 | 4)), "{command}: {dry:?}");
        }
        assert_eq!(read_only.code, Some(4), "{command}: {read_only:?}");
        assert_eq!(denied.code, Some(4), "{command}: {denied:?}");
        assert_eq!(world.door.changes(), [] as [&str; 0], "{command}");
        tried += 1;
    }
    assert!(tried > Verb::ALL.len(), "{tried} commands were tried");
    // What was refused is in the journal, with the reason and who asked.
    let journal = world.run(&["journal", "--json"]).await.json();
    let refused: Vec<&serde_json::Value> =
        journal["entries"].as_array().unwrap().iter().filter(|e| e["kind"] == "refused").collect();
    for reason in ["read-only", "not today", "--yes was not given"] {
        assert!(refused.iter().any(|e| e["reason"].as_str().unwrap().contains(reason)), "{reason}");
    }
    assert!(refused.iter().all(|e| e["who"]["uid"].is_u64() && e["who"]["user"].is_string()));
}

#[test]
fn the_console_s_writing_commands_are_all_headless_too() {
    for command in COMMANDS.iter().filter(|c| c.danger != Danger::None) {
        let headless = match command.id {
            "job" => "job create",
            "clear-retained" => "retained clear",
            "cut-one" => "cut",
            "instead" => "deactivate",
            "rule-switch" => "rules disable",
            "rule-delete" => "rules delete",
            "rule-form" | "rule-new" => "rules write",
            "audit-start" => "audit start",
            "audit-cancel" => "audit cancel",
            "audit-schedule" => "audit schedule",
            "audit-unschedule" => "audit unschedule",
            "mitigate-finding" => "mitigate",
            "suppress" => "audit suppress",
            "unsuppress" => "audit unsuppress",
            "action-form" => "action create",
            "action-delete" => "action delete",
            "cancel-job" => "job cancel",
            "setup-patchable" => "setup",
            "group-add" | "join-group" | "add-to-group" => "join",
            "profile-form" | "profile-new" | "profile-import" => "profiles apply",
            "profile-delete" => "profiles delete",
            "profile-attach" => "profiles attach",
            "profile-detach" => "profiles detach",
            "dimension" => "dimension create",
            "custom-metric" => "metric create",
            "group-remove" | "leave-group" | "remove-from-group" => "leave",
            id => id,
        };
        assert!(typed(headless, ["p", "p"]).is_some(), "{}", command.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn isolate_and_release_are_proven_and_told_in_json() {
    let world = World::start().await;
    let certificate = world.things(&["Thing02"]).await;
    world.device("Thing02", &certificate).await;
    let isolated = world.run(&["isolate", "Thing02", "--yes", "--json"]).await;
    assert_eq!(isolated.code, Some(0), "{isolated:?}");
    let told = isolated.json();
    assert_eq!(told["outcome"], "proven");
    assert_eq!(told["targets"][0]["thingName"], "Thing02");
    assert!(told["targets"][0]["tookMs"].as_i64().unwrap() < 30_000);
    assert!(world.member("Thing02").await);
    let again = world.run(&["isolate", "Thing02", "--yes", "--json"]).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    let released = world.run(&["release", "Thing02", "--yes"]).await;
    assert_eq!(released.code, Some(0), "{released:?}");
    assert!(released.out.contains("proven"), "{released:?}");
    assert!(!world.member("Thing02").await);

    let journal = world.run(&["journal", "--json"]).await.json();
    let plan = &journal["plans"][0];
    assert_eq!(plan["results"][0]["timeToContainMs"], told["targets"][0]["tookMs"]);
    assert!(plan["who"]["arn"].as_str().unwrap().starts_with("arn:aws:"));
    let requests = journal["entries"].as_array().unwrap().iter().filter(|e| e["kind"] == "request");
    assert!(requests.clone().count() >= 5);
    assert!(requests.clone().all(|e| e["request_id"].as_str().is_some_and(|id| !id.is_empty())));
    assert_eq!(world.run(&["journal", "verify"]).await.code, Some(0));
    let text = std::fs::read_to_string(&world.rules.journal).unwrap();
    std::fs::write(&world.rules.journal, text.replacen("Thing02", "Thing03", 1)).unwrap();
    let tampered = world.run(&["journal", "verify", "--json"]).await;
    assert_eq!(tampered.code, Some(1), "{tampered:?}");
    assert_eq!(tampered.json()["faults"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_deactivated_activated_and_revoked() {
    let world = World::start().await;
    let certificate = world.things(&["Thing02"]).await;
    world.device("Thing02", &certificate).await;
    let status = || async {
        let found = world.iot.describe_certificate().certificate_id(&certificate).send().await;
        found.unwrap().certificate_description().unwrap().status().unwrap().as_str().to_owned()
    };
    let off = world.run(&["deactivate", "Thing02", "--yes", "--json"]).await;
    assert_eq!((off.code, status().await.as_str()), (Some(0), "INACTIVE"), "{off:?}");
    let on = world.run(&["activate", "Thing02", "--certificate", &certificate, "--yes"]).await;
    assert_eq!((on.code, status().await.as_str()), (Some(0), "ACTIVE"), "{on:?}");
    let wrong = world.run(&["revoke", "Thing02", "--confirm", "Thing03"]).await;
    assert_eq!((wrong.code, status().await.as_str()), (Some(4), "ACTIVE"), "{wrong:?}");
    let gone = world.run(&["revoke", "Thing02", "--confirm", "Thing02", "--json"]).await;
    assert_eq!((gone.code, status().await.as_str()), (Some(0), "REVOKED"), "{gone:?}");
    let undo = world.run(&["undo", gone.json()["plan"]["id"].as_str().unwrap(), "--yes"]).await;
    assert_eq!(undo.code, Some(4), "{undo:?}");
    assert!(undo.err.contains("cannot undo"), "{undo:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_named_directly_acts_on_all_it_serves_or_on_itself() {
    let world = World::start().await;
    let shared = world.things(&["Thing02", "Thing03"]).await;
    let alone = world.things(&[]).await;
    let status = |id: String| {
        let describe = world.iot.describe_certificate().certificate_id(id);
        async {
            let found = describe.send().await.unwrap();
            found.certificate_description().unwrap().status().unwrap().as_str().to_owned()
        }
    };
    let off =
        world.run(&["deactivate", "--certificate", &shared, "--yes", "--json", "--timeout", "20s"]).await;
    assert_eq!((off.code, status(shared.clone()).await.as_str()), (Some(0), "INACTIVE"), "{off:?}");
    let names: Vec<_> =
        off.json()["targets"].as_array().unwrap().iter().map(|t| t["thingName"].clone()).collect();
    assert_eq!(names, ["Thing02", "Thing03"]);
    let arn = format!("arn:aws:iot:us-east-1:123456789012:cert/{alone}");
    let off = world.run(&["deactivate", "--certificate", &arn, "--yes"]).await;
    assert_eq!((off.code, status(alone.clone()).await.as_str()), (Some(0), "INACTIVE"), "{off:?}");
    assert!(off.err.contains("attached to no thing"), "{off:?}");
    let wrong = world.run(&["revoke", "--certificate", &alone, "--confirm", &shared[56..]]).await;
    assert_eq!((wrong.code, status(alone.clone()).await.as_str()), (Some(4), "INACTIVE"), "{wrong:?}");
    let gone = world.run(&["revoke", "--certificate", &alone, "--confirm", &alone[56..]]).await;
    assert_eq!((gone.code, status(alone.clone()).await.as_str()), (Some(0), "REVOKED"), "{gone:?}");
    let back = world.run(&["activate", "--certificate", &alone, "--yes"]).await;
    assert_eq!(back.code, Some(4), "{back:?}");
    let nobody = world.run(&["revoke", "--certificate", &"0".repeat(64), "--yes"]).await;
    assert_eq!(nobody.code, Some(4), "{nobody:?}");
    for usage in [&["revoke"][..], &["revoke", "--certificate", "abc", "--yes"]] {
        assert_eq!(world.run(usage).await.code, Some(2), "{usage:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_cuts_others_off_says_so_and_wants_to_be_typed() {
    let world = World::start().await;
    let shared = world.things(&["Thing02", "Thing03"]).await;
    let off = world.run(&["deactivate", "Thing02", "--confirm", "Thing02", "--json"]).await;
    assert_eq!(off.code, Some(0), "{off:?}");
    let on = world.run(&["activate", "Thing02", "--yes", "--json", "--timeout", "1s"]).await;
    let plan = on.json()["plan"]["id"].as_str().unwrap().to_owned();
    let shown = world.run(&["undo", &plan, "--dry-run", "--json"]).await.json();
    assert_eq!(shown["confirmation"], "name", "{shown}");
    assert_eq!(shown["title"], "Undo: Activate the certificate of Thing02", "{shown}");
    let danger = shown["affects"].as_array().unwrap().iter().find(|n| n["level"] == "danger").unwrap();
    assert!(danger["text"].as_str().unwrap().contains("also serves Thing03"), "{danger}");
    assert!(shown["proofs"][0].as_str().unwrap().contains("does not connect again"), "{shown}");
    let undone = world.run(&["undo", &plan, "--confirm", "Thing02"]).await;
    assert_eq!(undone.code, Some(0), "{undone:?}");
    let found = world.iot.describe_certificate().certificate_id(&shared).send().await.unwrap();
    assert_eq!(found.certificate_description().unwrap().status().unwrap().as_str(), "INACTIVE");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_created_listed_shown_and_canceled() {
    let world = World::start().await;
    world.things(&["Thing02"]).await;
    world.group("NeedsUpdate").await;
    let more = ["--continuous", "--per-minute", "50", "--abort", "FAILED:20:10", "--job-timeout", "30m"];
    let made = world.run(&[&JOB[..], &more, &["--yes", "--json"]].concat()).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let found = world.iot.describe_job().job_id("update-1").send().await.unwrap();
    let job = found.job().unwrap();
    assert_eq!(job.timeout_config().unwrap().in_progress_timeout_in_minutes(), Some(30));
    assert_eq!(job.job_executions_rollout_config().unwrap().maximum_per_minute(), Some(50));
    assert_eq!(job.abort_config().unwrap().criteria_list()[0].min_number_of_executed_things(), 10);
    let list = world.run(&["job", "list", "--json"]).await.json();
    assert_eq!(list["jobs"][0]["jobId"], "update-1");
    let again = world.run(&[&JOB[..], &["--yes"]].concat()).await;
    assert_eq!(again.code, Some(4), "{again:?}");
    assert_eq!(world.run(&["job", "cancel", "update-1", "--yes"]).await.code, Some(0));
    let shown = world.run(&["job", "show", "update-1", "--json"]).await.json();
    assert_eq!(shown["status"], "CANCELED");
    let missing =
        world.run(&["job", "create", "x", "--thing", "nobody", "--document-json", "{}", "--yes"]).await;
    assert_eq!(missing.code, Some(4), "{missing:?}");
    assert_eq!(world.run(&["job", "create", "x"]).await.code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_have_their_exit_codes() {
    let world = World::start().await;
    world.things(&["Thing01", "Thing02"]).await;
    assert_eq!(world.run(&["isolate"]).await.code, Some(2));
    let config = world.run_with(&["isolate", "Thing01"], "[guardrails]\nmax-bulk = \"many\"", None).await;
    assert_eq!(config.code, Some(2), "{config:?}");
    world.door.rule(|_, line| if line.contains("/thing-groups/") { Verdict::Refuse } else { Verdict::Pass });
    let failed = world.run(&["isolate", "Thing01", "--yes", "--json"]).await;
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert_eq!(failed.json()["targets"][0]["result"], "failed");
    world.door.forget();
    world.door.rule(|n, _| if n == 0 { Verdict::Refuse } else { Verdict::Pass });
    let partly = world.run(&["join", "IsolatedDevices", "Thing01", "Thing02", "--yes", "--json"]).await;
    assert_eq!(partly.code, Some(3), "{partly:?}");
    world.door.open();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_talking_is_never_contained() {
    let world = World::start().await;
    world.things(&["Thing02"]).await;
    // Another client, with a certificate of its own, publishes on Thing02's topic: no policy of Thing02 reaches it.
    let other = world.things(&["Impostor"]).await;
    world.device_on("Impostor", &other, "temperature/Thing02").await;
    let ran = world.run(&["isolate", "Thing02", "--yes", "--json", "--timeout", "8s"]).await;
    assert_eq!(ran.code, Some(5), "{ran:?}");
    let told = ran.json();
    assert_eq!(told["targets"][0]["result"], "unproven");
    assert!(world.member("Thing02").await, "it is in the group, and that is not containment");
}

/// What is done is done, whoever reads it.
#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_cannot_be_written_changes_no_exit_code() {
    let world = World::start().await;
    world.things(&["Thing02"]).await;
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = world.command(&["join", "IsolatedDevices", "Thing02", "--yes", "--json"], "");
    command.stdout(full());
    let ran = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(0), "{said}");
    assert!(said.contains("the result could not be written"), "{said}");
    assert!(world.member("Thing02").await);
    // A read that nobody takes ends quietly; one that the disk refuses failed.
    for (out, code, quiet) in [(true, 0, true), (false, 1, false)] {
        let mut command = world.command(&["journal", "--json"], "");
        if !out {
            command.stdout(full());
        }
        let ran = tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            drop(child.stdout.take());
            child.wait_with_output().unwrap()
        });
        let ran = ran.await.unwrap();
        assert_eq!((ran.status.code(), ran.stderr.is_empty()), (Some(code), quiet), "{ran:?}");
    }
}

/// The time given with --timeout is no operator.
#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_ran_out_is_journalled_as_such() {
    let world = World::start().await;
    let certificate = world.things(&["Thing02"]).await;
    world.device("Thing02", &certificate).await;
    let ran = world.run(&["isolate", "Thing02", "--yes", "--json", "--timeout", "10ms"]).await;
    assert!(matches!(ran.code, Some(1 | 3 | 5)), "{ran:?}");
    let plan = world.run(&["journal", "--json"]).await.json()["plans"][0].clone();
    assert_eq!(plan["stopped"], "timeout", "{plan}");
    assert_ne!(plan["outcome"], "interrupted", "{plan}");
    let why = plan["results"][0]["why"].as_str().unwrap();
    assert!(why.contains("not within the time that was given for it") && !why.contains("operator"), "{plan}");
}

/// A disk that takes so much and no more: whatever was refused is said, nothing torn is left, and no plan that did not begin.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_leaves_no_torn_line_and_no_phantom_plan() {
    // In blocks of 512 bytes, as `ulimit -f` counts in a POSIX shell.
    const BLOCKS: usize = 64;
    let mut told = [0; 2];
    for room in [100, 1_000, 2_200, 2_800, 3_400, 4_200] {
        let world = World::start().await;
        world.things(&["Thing02"]).await;
        let journal = quell::response::journal::Journal::open(&world.rules.journal).unwrap();
        let filler = "x".repeat(BLOCKS * 512 - room - 250);
        journal.append(0, "refused", "filler", serde_json::json!({ "reason": filler })).unwrap();
        let inner = world.command(&["join", "IsolatedDevices", "Thing02", "--yes", "--json"], "");
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh"]);
        command
            .arg(inner.get_program())
            .args(inner.get_args())
            .env_clear()
            .stdin(std::process::Stdio::null());
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(world.folder.path());
        let ran = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        let verdict = world.run(&["journal", "verify"]).await;
        assert_eq!(verdict.code, Some(0), "{room}: {verdict:?} {said}");
        let entries = world.run(&["journal", "--json"]).await.json()["entries"].clone();
        let kinds: Vec<&str> =
            entries.as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
        let has = |kind: &str| kinds.contains(&kind);
        if has("intent") {
            assert!(world.member("Thing02").await, "{room}: {said}");
            assert!(has("outcome") || said.contains("could not be written"), "{room}: {kinds:?} {said}");
            told[0] += usize::from(!has("outcome"));
        } else {
            assert_eq!((ran.status.code(), world.changed()), (Some(4), 0), "{room}: {said}");
            assert!(
                said.contains("the journal cannot be written") && said.contains("nothing was sent"),
                "{said}"
            );
            told[1] += 1;
        }
    }
    assert!(told.iter().all(|n| *n > 0), "both were met: {told:?}");
}
