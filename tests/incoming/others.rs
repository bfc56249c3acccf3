//! A control plane that is neither AWS's nor our emulator's: moto. Skipped, and said, where it is not installed.

use std::process::Command;
use std::time::Duration;

use crate::beside::Beside;
use crate::outside::{python_has, skipped};
use crate::screen::{Devices, Screen};
use crate::world::{Cloud, free_port};

#[test]
fn moto_s_control_plane_says_what_it_can_and_the_rest_is_unknown() {
    if !python_has("moto.server") {
        return skipped("python3 with moto's server is not here (pip install 'moto[server]')");
    }
    let port = free_port();
    let run = format!("from moto.server import main; main(['-H', '127.0.0.1', '-p', '{port}'])");
    let _moto = Beside::start(Command::new("python3").args(["-c", &run]), port);
    // Only its broker: moto has none.
    let cloud = Cloud::start();
    let endpoint = format!("http://127.0.0.1:{port}");
    let iot = cloud.iot_at(&endpoint);
    cloud.block(async {
        for thing in ["thing-0", "thing-1", "elsewhere"] {
            iot.create_thing().thing_name(thing).send().await.unwrap();
        }
    });
    let _devices = Devices::speak(cloud.publisher());
    let mqtt = format!("mqtt://{}", cloud.running().mqtt.unwrap());
    let args = [
        "--region",
        "us-east-1",
        "--endpoint-url",
        &endpoint,
        "--data-endpoint-url",
        &endpoint,
        "--mqtt-url",
        &mqtt,
        "--topic",
        "dt/+/data",
        "--thing-from",
        "dt/{thing}/data",
    ];
    let mut screen = Screen::start(
        &args.map(String::from),
        &[
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_ENDPOINT_URL_STS", &endpoint),
        ],
    );
    screen.never(&["0 ALARM", "0 active", "No violations", "no violations"]);
    // The three of the registry and the one that only speaks.
    screen.wait("what it has", |s| {
        s.contains("4 things")
            && s.contains("? ALARM")
            && s.contains("violations unknown")
            && s.contains("●MQTT")
    });
    for (key, unknown) in [("4", "violations unknown"), ("gp", "profiles unknown")] {
        screen.term.keys(key);
        screen.wait(unknown, |s| s.contains(unknown));
    }
    screen.look_on(Duration::from_secs(4));
}
