//! `--state DIR`: what was acknowledged survives, however the program ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Local, eventually};

#[tokio::test]
async fn no_acknowledged_write_is_lost_when_the_process_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("account");
    let args = ["--state", state.to_str().unwrap(), "--devices", "0"];
    let mut local = Local::start(&args);
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (iot, acknowledged) = (local.iot(), Arc::clone(&acknowledged));
            tokio::spawn(async move {
                let mut done = Vec::new();
                for n in 0.. {
                    let thing = format!("w{writer}-{n}");
                    match iot.create_thing().thing_name(&thing).send().await {
                        Ok(_) => done.push(thing),
                        Err(_) => break,
                    }
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                done
            })
        })
        .collect();
    eventually("writes under way", || async { (acknowledged.load(Ordering::Relaxed) >= 60).then_some(()) })
        .await;
    // SIGKILL, in the middle of writing.
    local.child.kill().unwrap();
    local.child.wait().unwrap();
    let mut written = Vec::new();
    for writer in writers {
        written.extend(writer.await.unwrap());
    }
    assert!(written.len() >= 60);

    let again = Local::start(&args);
    let mut pages = again.iot().list_things().into_paginator().items().send();
    let mut kept = std::collections::BTreeSet::new();
    while let Some(thing) = pages.next().await {
        kept.insert(thing.unwrap().thing_name.unwrap());
    }
    let lost: Vec<_> = written.iter().filter(|thing| !kept.contains(*thing)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    // A write under way may have got in or not; no more than one for each writer.
    assert!(kept.len() <= written.len() + 4, "{} kept, {} acknowledged", kept.len(), written.len());
}
