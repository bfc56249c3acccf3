//! Security profiles from the keyboard: the seed's own is told why it would alarm the wrong device, the corrected one alarms
//! only the rogue; messages sent; and what SensorDevice03's Defender agent reports.

use std::path::Path;
use std::time::Duration;

use crate::term::{Term, line_with};

/// Generous beside what is measured: a loaded two-core machine must not fail the test.
const LIMIT: Duration = Duration::from_secs(90);
/// Windows of 300 s last five seconds.
const SPEED: &str = "60";

fn demo(home: &Path, more: &[&str]) -> Term {
    let args = [&["demo", "--speed", SPEED], more].concat();
    let term = Term::spawn(&args, 160, 48, home, &[]);
    term.wait_for("devices", LIMIT, |s| s.contains("Thing01") && s.contains("●MQTT"));
    term
}

/// Confirms the plan in front, waits for its proof and closes the staircase.
fn carry_out(term: &mut Term, title: &str) {
    term.wait_for("the plan", LIMIT, |s| s.contains(title) && s.contains("then prove"));
    term.keys("\r");
    term.wait_for("the proof", LIMIT, |s| s.contains("✓  the account shows it"));
    term.keys("\x1b");
    term.wait_for("the staircase to close", LIMIT, |s| !s.contains("esc close"));
}

/// Deletes the profile the demo begins with, so that it can be created as the seed does.
fn delete(term: &mut Term, profile: &str, down: usize) {
    term.keys("gp");
    term.wait_for("the profiles", LIMIT, |s| s.contains("Security profiles") && s.contains(profile));
    term.keys("gg");
    term.keys(&"j".repeat(down));
    term.keys("X");
    carry_out(term, &format!("Delete security profile {profile}"));
    term.wait_for("the profile to be gone", LIMIT, |s| {
        s.contains("Security profiles ── 2") && !s.contains(&format!("│ {profile}"))
    });
}

#[test]
fn the_seed_s_large_message_profile_is_told_wrong_and_the_corrected_one_alarms_only_the_rogue() {
    let home = tempfile::tempdir().unwrap();
    let mut term = demo(home.path(), &[]);
    term.wait_for("the rogue", LIMIT, |s| line_with(s, &["Thing02", "ALARM"]).is_some());
    delete(&mut term, "DetectLargeMessageSize", 0);

    // As the seed says: greater than p50, 5 minutes, 1 datapoint to alarm, 2 to clear, two metrics retained, BadIoTDevices.
    term.keys("n");
    term.wait_for("the form", LIMIT, |s| s.contains("what is normal") && s.contains("tells SNS topic"));
    term.keys("\t\t\t\t\t\t ");
    term.wait_for("a percentile", LIMIT, |s| s.contains("the fleet's percentile") && s.contains("p50"));
    term.keys("\t  ");
    term.wait_for("the operator", LIMIT, |s| s.contains("normal is MORE THAN"));
    term.keys(
        "\t\t\t\t\x152\t\tmessage-byte-size, num-messages-received\tBadIoTDevices\tworkshop-SNSTopicRole",
    );
    let told = term.wait_for("why it is wrong", LIMIT, |s| {
        s.contains("the WRONG device would alarm: Thing02") && s.contains("would count as normal")
    });
    assert!(told.contains("inverted?") && told.contains("p50 puts about 50 %"), "{told}");
    assert!(told.contains("above the fleet's p50 in 5 min"), "{told}");

    // AWS would take it as it is: the plan says the same once more, and nothing has been sent.
    term.keys("\r");
    let plan = term.wait_for("the plan", LIMIT, |s| s.contains("ValidateSecurityProfileBehaviors accepts"));
    assert!(plan.contains("the WRONG device would alarm: Thing02"), "{plan}");
    let sent = journal(home.path());
    assert!(!sent.contains("iot:CreateSecurityProfile"), "{sent}");

    // Back to the form with everything typed still there, and corrected: at most 1500 bytes, each message by itself.
    term.keys("e");
    let kept = term
        .wait_for("the form again", LIMIT, |s| s.contains("what is normal") && s.contains("BadIoTDevices"));
    assert!(kept.contains("message-byte-size, num-messages-received"), "{kept}");
    term.keys("\t\t\t\t\t\t\t\t\x1b[D");
    term.wait_for("a value", LIMIT, |s| s.contains("a value (static)"));
    term.keys("\t\x1b[D");
    term.wait_for("the operator", LIMIT, |s| s.contains("normal is AT MOST"));
    term.keys("\t\x151500");
    let told = term.wait_for("only the rogue", LIMIT, |s| {
        line_with(s, &["would have alarmed: Thing02"]).is_some() && s.contains("at most 1.5 kB")
    });
    assert!(!told.contains("WRONG") && !told.contains("inverted"), "{told}");
    term.keys("\r");
    carry_out(&mut term, "Write security profile DetectLargeMessageSize");

    // It alarms the rogue, and nobody else.
    term.keys("4");
    let alarmed = term.wait_for("the violation", LIMIT, |s| {
        line_with(s, &["ALARM", "Thing02", "LargeMessageSize"]).is_some() && s.contains("at most 1.5 kB")
    });
    for healthy in ["Thing01", "Thing03"] {
        assert!(line_with(&alarmed, &["ALARM", healthy, "LargeMessageSize"]).is_none(), "{alarmed}");
    }
    let sent = journal(home.path());
    assert!(
        sent.contains("iot:CreateSecurityProfile") && sent.contains("iot:AttachSecurityProfile"),
        "{sent}"
    );

    // What it was is said, with a note.
    term.keys("ggv");
    term.wait_for("the verdict's form", LIMIT, |s| s.contains("What was this violation?"));
    term.keys("\tbroken sensor\r");
    carry_out(&mut term, "Mark the violation TRUE_POSITIVE");
    term.wait_for("the verdict", LIMIT, |s| s.contains("TRUE_POSITIVE") && s.contains("broken sensor"));
}

fn journal(home: &Path) -> String {
    std::fs::read_to_string(home.join("state/quell/journal.jsonl")).unwrap_or_default()
}

#[test]
fn msg_sent_sec_profile_is_created_as_the_seed_says_and_alarms_who_sends_more() {
    let home = tempfile::tempdir().unwrap();
    let mut term = demo(home.path(), &[]);
    delete(&mut term, "MsgSentSecProfile", 1);
    term.keys("n");
    term.wait_for("the form", LIMIT, |s| s.contains("what is normal"));
    term.keys("\x15MsgSentSecProfile\t\t\t\x15MsgSentBehavior\t ");
    term.wait_for("the metric", LIMIT, |s| s.contains("aws:num-messages-sent"));
    term.keys("\t\t\t\t\x155\t\t\t\t\t\tDDD_Alerts\tDDDtoSNSRole");
    let form = term.wait_for("what it means", LIMIT, |s| {
        s.contains("normal when fewer than 5 messages sent in 5 min") && s.contains("would have alarmed")
    });
    assert!(form.contains("normal is LESS THAN"), "{form}");
    term.keys("\r");
    carry_out(&mut term, "Write security profile MsgSentSecProfile");
    // Thirty messages in five minutes are not fewer than five: dev-XBHY and the sensors alarm, as in the seed's samples.
    term.keys("4");
    term.wait_for("the violation", LIMIT, |s| {
        line_with(s, &["ALARM", "dev-XBHY", "MsgSentBehavior"]).is_some()
            && s.contains("fewer than 5 messages sent")
    });
}

#[test]
fn the_agent_of_sensor_device_03_reports_and_a_new_port_stands_out() {
    let home = tempfile::tempdir().unwrap();
    let scenario = home.path().join("port.toml");
    let step = "[[step]]\nat = \"25m\"\nthing = \"Thing03\"\naction = \"listen\"\nport = 4444\n";
    std::fs::write(&scenario, step).unwrap();
    let mut term = demo(home.path(), &["--scenario", scenario.to_str().unwrap()]);
    // What its profile expects: SSH and nothing else.
    term.keys("gp");
    term.wait_for("the profiles", LIMIT, |s| s.contains("MsgSentSecProfile") && s.contains("(123456789012)"));
    term.keys("n");
    term.wait_for("the form", LIMIT, |s| s.contains("what is normal"));
    term.keys("\x15Ports\t\t\t\x15OnlySsh\t");
    let metric = |screen: &str| {
        let line = line_with(screen, &["│   metric  "])?;
        line.split('│').find(|cell| cell.trim_start().starts_with("metric ")).map(str::to_owned)
    };
    for _ in 0..40 {
        let before = metric(&term.screen());
        if before.as_ref().is_some_and(|cell| cell.contains("aws:listening-tcp-ports")) {
            break;
        }
        term.keys(" ");
        term.wait_for("the next metric", LIMIT, |s| metric(s) != before);
    }
    term.wait_for("the metric", LIMIT, |s| {
        s.contains("aws:listening-tcp-ports") && s.contains("only THESE ports")
    });
    term.keys("\t\t\t\t\x1522\t\t\t\t\t");
    // AWS keeps what a behaviour judges and what is asked to be kept, and nothing else.
    term.keys(
        "all-bytes-out, all-bytes-in, all-packets-out, all-packets-in, num-established-tcp-connections\r",
    );
    carry_out(&mut term, "Write security profile Ports");
    term.keys("1");
    term.keys("/Thing03\r");
    term.wait_for("the thing", LIMIT, |s| line_with(s, &["Thing03"]).is_some() && s.contains("1/1 of 6"));
    term.keys("gggm");
    let healthy = term.wait_for("the agent's metrics", LIMIT, |s| {
        s.contains("Device-side metrics") && s.contains("report accepted") && s.contains("bytes out")
    });
    for told in ["bytes in", "packets out", "packets in", "TCP connections", "TCP ports"] {
        assert!(healthy.to_lowercase().contains(&told.to_lowercase()), "{told}:\n{healthy}");
    }
    term.wait_for("what is expected", LIMIT, |s| s.contains("as Ports expects"));
    let opened = term.wait_for("the new port", LIMIT, |s| line_with(s, &["▲", "4444"]).is_some());
    assert!(opened.contains("NOT as Ports expects"), "{opened}");
}

#[test]
fn a_read_only_console_writes_no_file() {
    let home = tempfile::tempdir().unwrap();
    let mut term = demo(home.path(), &["--read-only"]);
    term.keys("gp");
    term.wait_for("the profiles", LIMIT, |s| s.contains("Security profiles") && s.contains("DetectLarge"));
    term.keys("E");
    term.wait_for("the refusal", LIMIT, |s| s.contains("read-only: this quell writes no files"));
    term.keys("\r");
    term.keys("\x03\x03");
    term.wait_exit(Duration::from_secs(10));
    let written = std::fs::read_dir(home.path()).unwrap().filter_map(Result::ok);
    let written: Vec<_> = written.filter(|f| f.path().extension().is_some_and(|e| e == "json")).collect();
    assert!(written.is_empty(), "{written:?}");
}
