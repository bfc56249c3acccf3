//! Profiles whose role wants a code of an MFA device, and the account's alias.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use crate::screen::LONG;
use crate::term::Term;
use crate::world::{Cloud, quell};

const FILES: [(&str, &str); 2] = [
    (
        "config",
        "[profile base]\nregion = us-east-1\n[profile ops]\nregion = us-east-1\nrole_arn = arn:aws:iam::123456789012:role/ops\n\
         mfa_serial = arn:aws:iam::123456789012:mfa/ana\nsource_profile = base\nrole_session_name = ana-at-desk\n",
    ),
    ("credentials", "[base]\naws_access_key_id = test\naws_secret_access_key = test\n"),
];

/// A role with a code, one on top of it without, one on top of that with the code of another device; a role whose keys are
/// the environment's; and two that lead to one another.
const CHAIN: &str = "[profile jump]\nregion = us-east-1\nrole_arn = arn:aws:iam::123456789012:role/jump\n\
     mfa_serial = arn:aws:iam::123456789012:mfa/ana\nsource_profile = base\n\
     [profile top]\nregion = us-east-1\nrole_arn = arn:aws:iam::123456789012:role/top\nrole_session_name = from-top\n\
     duration_seconds = 900\nsource_profile = jump\n\
     [profile deep]\nregion = us-east-1\nrole_arn = arn:aws:iam::123456789012:role/deep\nrole_session_name = from-deep\n\
     mfa_serial = arn:aws:iam::123456789012:mfa/bob\nsource_profile = top\n\
     [profile box]\nregion = us-east-1\nrole_arn = arn:aws:iam::123456789012:role/box\n\
     mfa_serial = arn:aws:iam::123456789012:mfa/ana\ncredential_source = Environment\n\
     [profile round]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = about\n\
     [profile about]\nrole_arn = arn:aws:iam::123456789012:role/a\nmfa_serial = m\nsource_profile = round\n";

fn home_with_chain() -> tempfile::TempDir {
    let home = home();
    let path = home.path().join(".aws/config");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, format!("{text}{CHAIN}")).unwrap();
    home
}

/// `quell` where nobody can be asked, without keys in the environment.
fn unasked(args: &[&str], home: &Path) -> std::process::Output {
    let owned: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let mut command = quell(&owned, &[("HOME", home.to_str().unwrap())]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    // A session of its own has no terminal to open.
    let mut alone = std::process::Command::new("setsid");
    alone.arg("--wait").arg(command.get_program()).args(command.get_args()).env_clear();
    for (name, value) in command.get_envs().filter_map(|(n, v)| Some((n, v?))) {
        alone.env(name, value);
    }
    alone.output().unwrap()
}

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".aws");
    std::fs::create_dir(&folder).unwrap();
    for (name, text) in FILES {
        std::fs::write(folder.join(name), text).unwrap();
    }
    home
}

fn args<'a>(flags: &'a [String], before: &[&'a str], profile: &'a str) -> Vec<&'a str> {
    let mut all = before.to_vec();
    all.extend(["--profile", profile]);
    all.extend(flags.iter().skip(2).map(String::as_str));
    all
}

/// The AWS CLI's cached sessions.
fn cached(home: &Path) -> Vec<std::path::PathBuf> {
    let folder = std::fs::read_dir(home.join(".aws/cli/cache"));
    folder.map(|all| all.map(|entry| entry.unwrap().path()).collect()).unwrap_or_default()
}

#[test]
fn a_code_is_asked_for_on_the_terminal_unseen_and_once() {
    let cloud = Cloud::start();
    let home = home();
    let flags = cloud.flags();
    let things = args(&flags, &["things"], "ops");
    // Without a terminal nobody can be asked, and nothing is assumed.
    let run = || unasked(&things, home.path());
    let output = run();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("profile ops needs a code of its MFA device"), "{said}");

    let ask = |code: &str| {
        let mut term = Term::spawn(&things, 120, 20, home.path(), &[]);
        term.wait_for("the question", LONG, |s| s.contains("MFA code of arn:aws:iam::123456789012:mfa/ana"));
        term.keys(code);
        let status = term.wait_exit(LONG);
        let screen = term.screen();
        assert!(!screen.contains(code.trim()), "the code is shown:\n{screen}");
        (status, screen)
    };
    let (status, screen) = ask("90715x\r");
    assert!(status == 1 && screen.contains("invalid MFA one time pass code"), "{screen}");
    assert!(cached(home.path()).is_empty());
    let (status, screen) = ask("907155\r");
    assert!(status == 0 && screen.contains("none, read just now"), "{screen}");
    let kept = cached(home.path());
    let [file] = kept.as_slice() else { panic!("{kept:?}") };
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);

    // The session goes on without a question.
    let output = run();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    // One that has ended is asked for again.
    let text = std::fs::read_to_string(file).unwrap();
    let year = text.find("\"Expiration\":\"20").unwrap() + 14;
    std::fs::write(file, format!("{}1999{}", &text[..year], &text[year + 4..])).unwrap();
    assert_eq!(run().status.code(), Some(1));
}

/// The roles that were assumed, with the code they were assumed with, and who asked.
fn assumed(cloud: &Cloud) -> Vec<(String, Option<String>, bool)> {
    let one = |(key, form): (String, String)| {
        let field = |name: &str| {
            let found = form.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            found.map(str::to_owned)
        };
        let role = field("RoleArn").unwrap().rsplit("%2F").next().unwrap().to_owned();
        (role, field("TokenCode"), key.starts_with("ASIA"))
    };
    cloud.door.assumed().into_iter().map(one).collect()
}

#[test]
fn a_chain_of_roles_asks_for_each_code_it_needs_and_for_no_other() {
    let cloud = Cloud::start();
    let home = home_with_chain();
    let flags = cloud.flags();
    let things = |profile| args(&flags, &["things"], profile);
    let said = |output: &std::process::Output| String::from_utf8_lossy(&output.stderr).into_owned();

    // A role without a device of its own, on top of one that wants a code: nothing is assumed without it.
    let output = unasked(&things("top"), home.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("profile jump needs a code of its MFA device"), "{}", said(&output));
    assert_eq!(assumed(&cloud), []);

    let top = things("top");
    let mut term = Term::spawn(&top, 120, 20, home.path(), &[]);
    term.wait_for("the question", LONG, |s| {
        s.contains("MFA code of arn:aws:iam::123456789012:mfa/ana for profile jump")
    });
    term.keys("907155\r");
    assert_eq!(term.wait_exit(LONG), 0, "{}", term.screen());
    let one = |role: &str, code: Option<&str>, session| (role.to_owned(), code.map(str::to_owned), session);
    assert_eq!(assumed(&cloud), [one("jump", Some("907155"), false), one("top", None, true)]);
    // Only what was bought with a code is kept.
    let before = cached(home.path());
    assert_eq!(before.len(), 1);
    // The next one needs none: the upper role is assumed with the session that is there.
    let output = unasked(&things("top"), home.path());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(assumed(&cloud)[2..], [one("top", None, true)]);
    let (_, form) = cloud.door.assumed().pop().unwrap();
    assert!(form.contains("RoleSessionName=from-top") && form.contains("DurationSeconds=900"), "{form}");

    // A second device further up: only its code is missing.
    let deep = things("deep");
    let mut term = Term::spawn(&deep, 120, 20, home.path(), &[]);
    term.wait_for("the question", LONG, |s| s.contains("mfa/bob for profile deep"));
    term.keys("907156\r");
    assert_eq!(term.wait_exit(LONG), 0, "{}", term.screen());
    assert!(!term.screen().contains("mfa/ana"), "{}", term.screen());
    assert_eq!(assumed(&cloud)[3..], [one("top", None, true), one("deep", Some("907156"), true)]);
    // Its session is enough, even when the one it was begun with is gone.
    let both = cached(home.path());
    assert_eq!(both.len(), 2);
    std::fs::remove_file(both.iter().find(|path| before.contains(path)).unwrap()).unwrap();
    let output = unasked(&things("deep"), home.path());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(assumed(&cloud).len(), 5);

    // Keys of the environment may ask for a role that wants a code.
    let of_box = things("box");
    let env = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    let mut term = Term::spawn(&of_box, 120, 20, home.path(), &env);
    term.wait_for("the question", LONG, |s| s.contains("mfa/ana for profile box"));
    term.keys("907157\r");
    assert_eq!(term.wait_exit(LONG), 0, "{}", term.screen());
    assert_eq!(assumed(&cloud)[5..], [one("box", Some("907157"), false)]);

    // One that nobody has is not looked for elsewhere.
    let output = unasked(&things("depe"), home.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("there is no profile depe in the AWS configuration"), "{}", said(&output));
    let output = unasked(&things("dep"), home.path());
    assert!(said(&output).contains("did you mean deep?"), "{}", said(&output));

    // Two that lead to one another.
    let output = unasked(&things("round"), home.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("leads back to round: round → about → round"), "{}", said(&output));
    assert_eq!(assumed(&cloud).len(), 6);
}

#[test]
fn the_console_takes_the_codes_of_a_chain_one_after_the_other() {
    let cloud = Cloud::start();
    let home = home_with_chain();
    let flags = cloud.flags();
    let mut term = Term::spawn(&args(&flags, &[], "base"), 160, 40, home.path(), &[]);
    let header = |screen: &str| screen.lines().next().unwrap_or_default().to_owned();
    term.wait_for("the account", LONG, |s| header(s).contains("operator"));
    term.keys(":profile deep\r");
    term.wait_for("the first device", LONG, |s| {
        s.contains("profile deep wants a code of arn:aws:iam::123456789012:mfa/ana (for jump)")
    });
    term.keys(":profile deep 907155\r");
    term.wait_for("the second device", LONG, |s| {
        s.contains("profile deep wants a code of arn:aws:iam::123456789012:mfa/bob:")
    });
    term.keys(":profile deep 907156\r");
    term.wait_for("the session", LONG, |s| header(s).contains("from-deep") && header(s).contains("●MQTT"));
    term.keys(":profile deep 90x156\r");
    let screen =
        term.wait_for("what a code is", LONG, |s| s.contains("has six digits: `:profile deep CODE`"));
    assert!(!screen.contains("90x156"), "{screen}");
    // One that cannot be followed leaves the console where it is.
    term.keys(":profile round\r");
    let screen = term.wait_for("the loop", LONG, |s| s.contains("leads back to round"));
    assert!(header(&screen).contains("from-deep"), "{screen}");
    term.keys("q");
}

#[test]
fn another_profile_takes_its_code_in_the_console_and_the_account_has_its_alias() {
    let cloud = Cloud::start();
    let home = home();
    let flags = cloud.flags();
    let mut term = Term::spawn(&args(&flags, &[], "base"), 160, 40, home.path(), &[]);
    let header = |screen: &str| screen.lines().next().unwrap_or_default().to_owned();
    term.wait_for("the account", LONG, |s| {
        header(s).contains("workshop (123456789012)") && header(s).contains("operator")
    });
    term.keys(":profile ops\r");
    term.wait_for("what is missing", LONG, |s| {
        s.contains("profile ops wants a code of arn:aws:iam::123456789012:mfa/ana")
    });
    term.keys(":profile ops 907155");
    term.wait_for("the code, unseen", LONG, |s| s.contains("profile ops ******"));
    assert!(!term.screen().contains("907155"), "{}", term.screen());
    term.keys("\r");
    term.wait_for("the session", LONG, |s| header(s).contains("ana-at-desk") && header(s).contains("●MQTT"));
    assert_eq!(cached(home.path()).len(), 1);
    // From one that says nothing of it, and masked for a room.
    term.keys("gi");
    term.wait_for("no alias for a room", Duration::from_secs(20), |s| {
        header(s).contains("************") && !header(s).contains("workshop")
    });
    term.keys("q");
}

#[test]
fn an_alias_that_may_not_be_read_is_left_out() {
    let cloud = Cloud::start();
    let account = cloud.running().account();
    let users = serde_json::json!({"Users": [{"UserName": "ana", "AccessKeyId": "AKIAANA", "SecretAccessKey": "s",
        "Policies": [{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]}]}]});
    account.set_identities(&users.to_string()).unwrap();
    let home = tempfile::tempdir().unwrap();
    let flags = cloud.flags();
    let all: Vec<&str> = flags.iter().map(String::as_str).collect();
    let env = [("AWS_ACCESS_KEY_ID", "AKIAANA"), ("AWS_SECRET_ACCESS_KEY", "s")];
    let term = Term::spawn(&all, 160, 40, home.path(), &env);
    let screen = term.wait_for("the account", LONG, |s| s.contains("123456789012") && s.contains("●AWS"));
    assert!(!screen.contains("workshop") && !screen.contains("ListAccountAliases"), "{screen}");
}
