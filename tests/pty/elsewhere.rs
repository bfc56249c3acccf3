//! From one account to another and back without a restart: two local clouds, two profiles, one console.

use std::path::Path;
use std::time::Duration;

use quell_emulator::start::{Options, Running, start};

use crate::term::{Term, line_with};

const LIMIT: Duration = Duration::from_secs(60);

struct World {
    runtime: tokio::runtime::Runtime,
    clouds: Vec<Running>,
    home: tempfile::TempDir,
}

impl World {
    /// `one` in us-east-1 with the workshop's things, `two` in eu-west-1 with one thing of its own.
    fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let options = |account: &str, region: &str, devices| Options {
            account: account.into(),
            region: region.into(),
            access_key: format!("key-{account}"),
            secret_key: "secret".into(),
            speed: 10.0,
            devices,
            ..Options::on_free_ports()
        };
        let one = runtime.block_on(start(options("111111111111", "us-east-1", None))).unwrap();
        let two = runtime.block_on(start(options("222222222222", "eu-west-1", Some(0)))).unwrap();
        let home = tempfile::tempdir().unwrap();
        let aws = home.path().join(".aws");
        std::fs::create_dir(&aws).unwrap();
        let config = format!(
            "[profile one]\nregion = us-east-1\nendpoint_url = http://{}\n[profile two]\nregion = eu-west-1\n\
             endpoint_url = http://{}\n[profile wrong]\nregion = eu-west-1\nendpoint_url = http://{}\n",
            one.http, two.http, two.http
        );
        std::fs::write(aws.join("config"), config).unwrap();
        let keys = |name: &str, account: &str| {
            format!("[{name}]\naws_access_key_id = key-{account}\naws_secret_access_key = secret\n")
        };
        let text =
            keys("one", "111111111111") + &keys("two", "222222222222") + &keys("wrong", "333333333333");
        std::fs::write(aws.join("credentials"), text).unwrap();
        Self { runtime, clouds: vec![one, two], home }
    }

    fn client(&self, at: usize, key: &str) -> aws_sdk_iot::Client {
        let credentials = aws_sdk_iot::config::Credentials::new(key, "secret", None, None, "tests");
        aws_sdk_iot::Client::from_conf(
            aws_sdk_iot::Config::builder()
                .behavior_version(aws_sdk_iot::config::BehaviorVersion::latest())
                .region(aws_sdk_iot::config::Region::new(["us-east-1", "eu-west-1"][at]))
                .endpoint_url(format!("http://{}", self.clouds[at].http))
                .credentials_provider(credentials)
                .http_client(aws_smithy_http_client::Builder::new().build_http())
                .build(),
        )
    }

    fn console(&self, args: &[&str], home: &Path) -> Term {
        // Keys of the environment that belong to nobody: a profile asked for outright comes before them.
        let env = [("AWS_ACCESS_KEY_ID", "nobody"), ("AWS_SECRET_ACCESS_KEY", "nothing")];
        Term::spawn(args, 160, 40, home, &env)
    }
}

#[test]
fn another_profile_is_another_fleet_and_one_that_does_not_work_changes_nothing() {
    let world = World::new();
    let thing = world.client(1, "key-222222222222").create_thing().thing_name("only-in-two");
    world.runtime.block_on(thing.send()).unwrap();
    let mut term = world.console(&["--profile", "one"], world.home.path());
    let header = |screen: &str| screen.lines().next().unwrap_or_default().to_owned();
    term.wait_for("the first account", LIMIT, |s| {
        header(s).contains("111111111111") && header(s).contains("us-east-1") && s.contains("Thing02")
    });
    term.wait_for("its telemetry", LIMIT, |s| header(s).contains("●MQTT") && s.contains("B"));

    // One whose keys are refused: said, and the first goes on.
    term.keys(":profile wrong\r");
    let screen = term.wait_for("the refusal", LIMIT, |s| s.contains("stayed here: profile wrong"));
    assert!(header(&screen).contains("111111111111") && screen.contains("Thing02"), "{screen}");

    // The palette lists the profiles of the files.
    term.keys(":profile ");
    term.wait_for("the profiles", LIMIT, |s| {
        ["one", "two", "wrong"].iter().all(|name| line_with(s, &["profile", name]).is_some())
    });
    term.keys("two\r");
    let screen = term.wait_for("the second account", LIMIT, |s| {
        header(s).contains("222222222222") && header(s).contains("eu-west-1") && s.contains("only-in-two")
    });
    assert!(!screen.contains("Thing02"), "nothing of the first account is left:\n{screen}");
    // The old connection is gone from the first cloud's broker, the new one is at the second's.
    term.wait_for("the link of the second", LIMIT, |s| header(s).contains("●MQTT"));

    // Plans are made there now.
    term.keys("i");
    term.wait_for("a plan or its refusal", LIMIT, |s| s.contains("Isolate only-in-two"));
    term.keys("\x1b");
    term.wait_for("the dialog to close", LIMIT, |s| !s.contains("Isolate only-in-two"));

    // And back.
    term.keys(":profile one\r");
    term.wait_for("the first account again", LIMIT, |s| {
        header(s).contains("111111111111") && s.contains("Thing02") && !s.contains("only-in-two")
    });
    term.wait_for("its telemetry again", LIMIT, |s| header(s).contains("●MQTT"));

    // A response that has begun is never cut off.
    term.keys("/Thing01\r");
    term.wait_for("the filter", LIMIT, |s| s.contains("/Thing01"));
    term.keys("i");
    term.wait_for("the plan", LIMIT, |s| s.contains("⏎ isolate"));
    term.keys("\r");
    term.wait_for("the staircase", LIMIT, |s| s.contains("esc close"));
    term.keys("\x1b");
    term.wait_for("the staircase to close", LIMIT, |s| !s.contains("esc close"));
    term.keys(":region eu-west-1\r");
    term.wait_for("the refusal to leave", LIMIT, |s| s.contains("a response is running"));
    // The first asks, for the response runs on.
    term.keys("qq");
    assert_eq!(term.wait_exit(Duration::from_secs(10)), 130);
}

#[test]
fn the_configuration_is_read_again_and_a_wrong_one_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("config/quell");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("config.toml");
    let write = |text: &str| {
        // As an editor does: another file in its place.
        let new = folder.join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, &path).unwrap();
    };
    write("topics = ['a/+']\n");
    let mut term = Term::spawn(
        &["--no-aws", "--mqtt-url", "mqtt://127.0.0.1:1", "--region", "us-east-1"],
        140,
        30,
        home.path(),
        &[],
    );
    term.wait_for("the first frame", LIMIT, |s| s.contains("no AWS"));
    write("topics = ['a/+']\n\nthem = 'light'\n");
    let screen = term.wait_for("what is wrong", LIMIT, |s| s.contains("config.toml:3"));
    assert!(screen.contains("did you mean \"theme\"?"), "{screen}");
    write("topics = ['a/+']\ntheme = 'none-such'\n");
    let screen = term.wait_for("what is wrong now", LIMIT, |s| s.contains("there is no theme"));
    assert!(screen.contains("stays in force"), "{screen}");
    write("topics = ['a/+']\nread-only = true\nascii = true\nmax-fps = 10\n");
    let screen = term.wait_for("the new one", LIMIT, |s| s.contains("READ-ONLY"));
    assert!(screen.contains("read-only, ascii") && screen.contains("max-fps"), "{screen}");
    assert!(!screen.contains('╭'), "ASCII from now on:\n{screen}");
    term.keys("q");
    assert_eq!(term.wait_exit(Duration::from_secs(10)), 0);
}
