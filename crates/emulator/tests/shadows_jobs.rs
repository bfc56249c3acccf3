//! Shadows and jobs as their users see them: the real AWS SDK over HTTP, a real MQTT client over TCP.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

use std::collections::VecDeque;
use std::time::Duration;

use aws_sdk_iot::error::ProvideErrorMetadata;
use aws_sdk_iot::types::{
    JobExecutionStatus, JobExecutionsRolloutConfig, JobStatus, TargetSelection, TimeoutConfig,
};
use aws_sdk_iotdataplane::primitives::Blob;
use quell_emulator::start::{Options, Running, start};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, PublishOptions, QoS};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Nothing here takes longer on a machine that is merely busy.
const PATIENCE: Duration = Duration::from_secs(20);

struct World {
    running: Running,
    iot: aws_sdk_iot::Client,
    data: aws_sdk_iotdataplane::Client,
}

impl World {
    async fn at_speed(speed: f64) -> Self {
        Self::with(Options { speed, devices: Some(0), ..Options::on_free_ports() }).await
    }

    async fn with(options: Options) -> Self {
        let running = start(options).await.unwrap();
        let config = quell_emulator_tests::sdk::config(&format!("http://{}", running.http));
        let iot = aws_sdk_iot::Client::new(&config);
        let data = aws_sdk_iotdataplane::Client::new(&config);
        Self { running, iot, data }
    }

    async fn client(&self, id: &str, filters: &[&str]) -> Mqtt {
        let mut options = MqttOptions::new(id, ("127.0.0.1", self.running.mqtt.unwrap().port()));
        options.set_keep_alive(30);
        options.set_max_packet_size(160 * 1024, 160 * 1024);
        let (client, mut events) = AsyncClient::builder(options).capacity(64).build();
        let (sender, inbox) = mpsc::unbounded_channel();
        let (acknowledged, mut acknowledgements) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(event) = events.poll().await {
                match event {
                    Event::Incoming(Packet::Publish(p)) => {
                        let body = serde_json::from_slice(&p.payload).unwrap_or(Value::Null);
                        let _ = sender.send((String::from_utf8(p.topic.to_vec()).unwrap(), body));
                    }
                    Event::Incoming(Packet::SubAck(_)) => drop(acknowledged.send(())),
                    _ => {}
                }
            }
        });
        for filter in filters {
            client.subscribe(*filter, QoS::AtLeastOnce).await.unwrap();
            tokio::time::timeout(PATIENCE, acknowledgements.recv()).await.expect("a SUBACK").unwrap();
        }
        Mqtt { client, inbox, kept: VecDeque::new() }
    }

    async fn thing(&self, name: &str) -> String {
        self.iot.create_thing().thing_name(name).send().await.unwrap().thing_arn.unwrap()
    }

    async fn job(&self, id: &str) -> aws_sdk_iot::types::Job {
        self.iot.describe_job().job_id(id).send().await.unwrap().job.unwrap()
    }

    async fn status(&self, job: &str, thing: &str) -> JobExecutionStatus {
        let said = self.iot.describe_job_execution().job_id(job).thing_name(thing).send().await.unwrap();
        said.execution.unwrap().status.unwrap()
    }
}

struct Mqtt {
    client: AsyncClient,
    inbox: mpsc::UnboundedReceiver<(String, Value)>,
    kept: VecDeque<(String, Value)>,
}

impl Mqtt {
    async fn publish(&self, topic: &str, body: impl Into<String>) {
        self.client.publish(topic, body.into(), PublishOptions::at_least_once()).await.unwrap();
    }

    /// The next message on `topic`; others are kept for later.
    async fn on(&mut self, topic: &str) -> Value {
        if let Some(at) = self.kept.iter().position(|(t, _)| t == topic) {
            return self.kept.remove(at).unwrap().1;
        }
        let wait = async {
            loop {
                let (t, body) = self.inbox.recv().await.expect("a live connection");
                if t == topic {
                    return body;
                }
                self.kept.push_back((t, body));
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("nothing on {topic}"))
    }

    /// Everything that came before a message this client now sends to itself.
    async fn drain(&mut self) -> Vec<(String, Value)> {
        self.publish("fence", "0").await;
        self.on("fence").await;
        self.kept.drain(..).collect()
    }

    async fn ask(&mut self, topic: &str, body: Value) -> Result<Value, Value> {
        self.publish(topic, body.to_string()).await;
        let (yes, no) = (format!("{topic}/accepted"), format!("{topic}/rejected"));
        loop {
            if let Some(at) = self.kept.iter().position(|(t, _)| *t == yes || *t == no) {
                let (topic, body) = self.kept.remove(at).unwrap();
                return if topic == yes { Ok(body) } else { Err(body) };
            }
            let next = tokio::time::timeout(PATIENCE, self.inbox.recv()).await;
            self.kept.push_back(next.unwrap_or_else(|_| panic!("no answer on {topic}")).unwrap());
        }
    }
}

fn blob(value: &Value) -> Blob {
    Blob::new(value.to_string())
}

fn read(payload: Option<Blob>) -> Value {
    serde_json::from_slice(payload.unwrap().as_ref()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rest_update_is_heard_on_mqtt_and_a_rest_error_is_not() {
    let world = World::at_speed(1.0).await;
    let mut watcher = world.client("watcher", &["$aws/things/+/shadow/#", "fence"]).await;
    let missing = world.data.get_thing_shadow().thing_name("T").send().await.unwrap_err();
    assert_eq!(missing.raw_response().unwrap().status().as_u16(), 404);
    assert_eq!(missing.code(), Some("ResourceNotFoundException"));
    assert_eq!(missing.message(), Some("No shadow exists with name: 'T'"));

    let ask = json!({"state":{"desired":{"quarantine":true}},"clientToken":"c-1"});
    let said = world.data.update_thing_shadow().thing_name("T").payload(blob(&ask)).send().await.unwrap();
    let said = read(said.payload);
    assert_eq!((&said["version"], &said["clientToken"]), (&json!(1), &json!("c-1")));
    assert_eq!(watcher.on("$aws/things/T/shadow/update/accepted").await, said);
    let documents = watcher.on("$aws/things/T/shadow/update/documents").await;
    assert_eq!(documents["current"]["state"], json!({"desired":{"quarantine":true}}));
    let delta = watcher.on("$aws/things/T/shadow/update/delta").await;
    assert_eq!(delta["state"], json!({"quarantine":true}));

    let stale = blob(&json!({"state":{},"version":7}));
    let conflict = world.data.update_thing_shadow().thing_name("T").payload(stale).send().await.unwrap_err();
    assert_eq!((conflict.code(), conflict.message()), (Some("ConflictException"), Some("Version conflict")));
    let large = blob(&json!({"state":{"reported":{"x":"y".repeat(9000)}}}));
    let large = world.data.update_thing_shadow().thing_name("T").payload(large).send().await.unwrap_err();
    assert_eq!(large.raw_response().unwrap().status().as_u16(), 413);
    assert_eq!(watcher.drain().await, [], "REST errors emit no MQTT message");

    let shown = read(world.data.get_thing_shadow().thing_name("T").send().await.unwrap().payload);
    assert_eq!(shown["state"], json!({"desired":{"quarantine":true},"delta":{"quarantine":true}}));
    let gone = world.data.delete_thing_shadow().thing_name("T").send().await.unwrap();
    let gone = read(Some(gone.payload));
    assert_eq!(gone["version"], 1);
    assert_eq!(watcher.on("$aws/things/T/shadow/delete/accepted").await["version"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_keeps_its_named_shadow_over_mqtt() {
    let world = World::at_speed(1.0).await;
    let mut device = world.client("Thing01", &["$aws/things/Thing01/shadow/name/fw/#"]).await;
    let topic = |op: &str| format!("$aws/things/Thing01/shadow/name/fw/{op}");
    let refused = device.ask(&topic("get"), json!({"clientToken":"g"})).await.unwrap_err();
    assert_eq!((&refused["code"], &refused["clientToken"]), (&json!(404), &json!("g")));
    let ask = json!({"state":{"desired":{"v":2},"reported":{"v":1}}});
    device.ask(&topic("update"), ask).await.unwrap();
    assert_eq!(device.on(&topic("update/delta")).await["state"], json!({"v":2}));
    device.ask(&topic("update"), json!({"state":{"reported":{"v":2}}})).await.unwrap();
    let shown = device.ask(&topic("get"), json!({})).await.unwrap();
    assert_eq!(shown["state"], json!({"desired":{"v":2},"reported":{"v":2}}));
    device.publish(&topic("update"), "{not json").await;
    assert_eq!(device.on(&topic("update/rejected")).await["message"], "Invalid JSON");

    let names = world.data.list_named_shadows_for_thing().thing_name("Thing01").send().await.unwrap();
    assert_eq!(names.results.unwrap(), ["fw"]);
    let classic = world.data.get_thing_shadow().thing_name("Thing01").send().await.unwrap_err();
    assert_eq!(classic.code(), Some("ResourceNotFoundException"), "the classic shadow is another one");
    let named = world.data.get_thing_shadow().thing_name("Thing01").shadow_name("fw").send().await.unwrap();
    assert_eq!(read(named.payload)["version"], 2);
    assert_eq!(device.ask(&topic("delete"), json!({})).await.unwrap()["version"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn start_up_gives_the_demo_device_its_first_shadow() {
    let world = World::with(Options { devices: Some(6), ..Options::on_free_ports() }).await;
    let shown = world.data.get_thing_shadow().thing_name("IoTTemperatureDemoDevice").send().await.unwrap();
    let reported = &read(shown.payload)["state"]["reported"];
    assert!(reported["Temperature"].is_number() && reported["Humidity"].is_number(), "{reported}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thing_that_joins_the_group_later_gets_the_continuous_job_and_finishes_it() {
    let world = World::at_speed(1.0).await;
    world.thing("Thing02").await;
    let made = world.iot.create_thing_group().thing_group_name("NeedsUpdate").send().await.unwrap();
    let group = made.thing_group_arn.unwrap();
    let created = world
        .iot
        .create_job()
        .job_id("Update-temp-firmware")
        .targets(&group)
        .document(r#"{"operation":"update"}"#)
        .target_selection(TargetSelection::Continuous)
        .send()
        .await
        .unwrap();
    assert_eq!(created.job_arn.unwrap(), "arn:aws:iot:us-east-1:123456789012:job/Update-temp-firmware");
    let mut watcher = world.client("watcher", &["$aws/things/+/jobs/#", "fence"]).await;
    let mut device = world.client("Thing02", &["$aws/things/Thing02/jobs/#", "fence"]).await;

    let add = world.iot.add_thing_to_thing_group().thing_group_name("NeedsUpdate").thing_name("Thing02");
    add.send().await.unwrap();
    let notify = watcher.on("$aws/things/Thing02/jobs/notify").await;
    assert_eq!(notify["jobs"]["QUEUED"][0]["jobId"], "Update-temp-firmware");
    let next = device.on("$aws/things/Thing02/jobs/notify-next").await;
    assert_eq!(next["execution"]["jobDocument"], json!({"operation":"update"}));
    watcher.drain().await;
    device.drain().await;

    let started =
        device.ask("$aws/things/Thing02/jobs/start-next", json!({"clientToken":"s"})).await.unwrap();
    assert_eq!(
        (&started["execution"]["status"], &started["clientToken"]),
        (&json!("IN_PROGRESS"), &json!("s"))
    );
    let pending = device.ask("$aws/things/Thing02/jobs/get", json!({})).await.unwrap();
    assert_eq!(pending["inProgressJobs"][0]["versionNumber"], 2);
    let nowhere =
        device.ask("$aws/things/Thing02/jobs/Update-temp-firmware/cancel", json!({"clientToken":"n"}));
    let nowhere = nowhere.await.unwrap_err();
    assert_eq!((&nowhere["code"], &nowhere["clientToken"]), (&json!("InvalidTopic"), &json!("n")));
    let topic = "$aws/things/Thing02/jobs/Update-temp-firmware/update";
    let stale = device.ask(topic, json!({"status":"IN_PROGRESS","expectedVersion":1})).await.unwrap_err();
    assert_eq!(
        (&stale["code"], &stale["executionState"]["versionNumber"]),
        (&json!("VersionMismatch"), &json!(2))
    );
    assert_eq!(watcher.drain().await, [], "direct answers are for nobody else, and a start changes no list");
    let done = device
        .ask(
            topic,
            json!({"status":"SUCCEEDED","statusDetails":{"stderr":"mv: no such file\n"},"includeJobExecutionState":true}),
        )
        .await
        .unwrap();
    assert_eq!(done["executionState"]["versionNumber"], 3);
    assert_eq!(done["executionState"]["statusDetails"]["stderr"], "mv: no such file\n");
    assert_eq!(watcher.on("$aws/things/Thing02/jobs/notify").await["jobs"], json!({}));
    assert!(watcher.on("$aws/things/Thing02/jobs/notify-next").await.get("execution").is_none());
    let over = device.ask(topic, json!({"status":"FAILED"})).await.unwrap_err();
    assert_eq!(over["code"], "TerminalStateReached");
    let unknown = device.ask("$aws/things/Thing02/jobs/nope/get", json!({})).await.unwrap_err();
    assert_eq!(unknown["code"], "ResourceNotFound");

    let job = world.job("Update-temp-firmware").await;
    assert_eq!(job.status, Some(JobStatus::InProgress), "a continuous job stays open");
    assert_eq!(job.job_process_details.unwrap().number_of_succeeded_things, Some(1));
    let listed = world.iot.list_job_executions_for_job().job_id("Update-temp-firmware").send().await.unwrap();
    let row = &listed.execution_summaries.unwrap()[0];
    assert_eq!(row.thing_arn.as_deref(), Some("arn:aws:iot:us-east-1:123456789012:thing/Thing02"));
    let of_thing = world.iot.list_job_executions_for_thing().thing_name("Thing02").send().await.unwrap();
    let row = of_thing.execution_summaries.unwrap().remove(0);
    assert_eq!(row.job_execution_summary.unwrap().status, Some(JobExecutionStatus::Succeeded));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_background_rolls_out_and_times_out_on_the_scaled_clock() {
    // One AWS minute takes a fifth of a second.
    let world = World::at_speed(300.0).await;
    let mut targets = Vec::new();
    for n in 0..3 {
        targets.push(world.thing(&format!("t{n}")).await);
    }
    let mut device = world.client("t0", &["$aws/things/t0/jobs/#"]).await;
    world
        .iot
        .create_job()
        .job_id("slow")
        .set_targets(Some(targets))
        .document("{}")
        .job_executions_rollout_config(JobExecutionsRolloutConfig::builder().maximum_per_minute(1).build())
        .timeout_config(TimeoutConfig::builder().in_progress_timeout_in_minutes(2).build())
        .send()
        .await
        .unwrap();
    let started = device.ask("$aws/things/t0/jobs/start-next", json!({})).await.unwrap();
    assert_eq!(started["execution"]["jobId"], "slow", "the first minute's share is queued at once");
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let details = world.job("slow").await.job_process_details.unwrap();
        if details.number_of_timed_out_things == Some(1) && details.number_of_queued_things == Some(2) {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{details:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(world.status("slow", "t0").await, JobExecutionStatus::TimedOut);
    world.iot.cancel_job().job_id("slow").comment("enough").send().await.unwrap();
    assert_eq!(world.status("slow", "t2").await, JobExecutionStatus::Canceled);
    assert_eq!(world.job("slow").await.status, Some(JobStatus::Canceled));
    world.iot.delete_job().job_id("slow").send().await.unwrap();
    let gone = world.iot.describe_job().job_id("slow").send().await.unwrap_err();
    assert_eq!(gone.code(), Some("ResourceNotFoundException"));
}
