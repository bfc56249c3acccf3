//! The real program against the test's account.

use std::process::{Child, Command, Output, Stdio};

use tokio::time::timeout;

use crate::world::{LONG, World};

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Its one JSON document.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

impl World {
    /// The real program against this account, with more lines in its configuration.
    pub(crate) fn command(&self, args: &[&str], config: &str) -> Command {
        let file = self.folder.path().join(format!("config-{:x}.toml", config.len()));
        let text = format!(
            "aws-speed = {}\njournal = {:?}\ntopics = [\"temperature/#\"]\nthing-from = [\"temperature/{{thing}}\"]\n{config}\n[mqtt]\nurl = {:?}\n",
            self.settings.aws_speed,
            self.rules.journal,
            self.settings.mqtt.url.as_ref().unwrap(),
        );
        // Whoever was started with it may be reading it just now.
        if std::fs::read_to_string(&file).ok().as_ref() != Some(&text) {
            std::fs::write(&file, text).unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_quell"));
        let home = self.folder.path();
        command
            .args(args)
            .args(["--config", file.to_str().unwrap()])
            .args(["--region", "us-east-1", "--endpoint-url", self.settings.endpoint_url.as_ref().unwrap()])
            .env_clear()
            .envs([
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
                ("AWS_EC2_METADATA_DISABLED", "true"),
            ])
            .env("HOME", home)
            .current_dir(home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn spawn(&self, args: &[&str]) -> Child {
        self.command(args, "").spawn().unwrap()
    }

    pub(crate) async fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, "", None).await
    }

    /// Runs it to its end, with a configuration and something on stdin.
    pub(crate) async fn run_with(&self, args: &[&str], config: &str, stdin: Option<&str>) -> Ran {
        let mut command = self.command(args, config);
        let stdin = stdin.map(str::to_owned);
        if stdin.is_some() {
            command.stdin(Stdio::piped());
        }
        let run = tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            if let Some(text) = stdin {
                use std::io::Write as _;
                let mut pipe = child.stdin.take().unwrap();
                pipe.write_all(text.as_bytes()).unwrap();
            }
            child.wait_with_output().unwrap()
        });
        Ran::of(timeout(LONG * 2, run).await.unwrap().unwrap())
    }
}
