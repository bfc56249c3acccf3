//! What is said and waited for when AWS does not let quell cut a connection, or nobody knows which one it is.

use super::tests::{BEGAN, denied, heard, isolation, presence, rules, sent};
use super::*;

const CACHE: Ms = CACHE_MS as Ms;

/// An isolation of which AWS refused or missed the cut.
fn uncut(work: Work, answer: Result<Accepted, Failed>) -> Climb {
    let mut climb = Climb::new(work, BEGAN, &Ear::with(Some(0)), &rules());
    climb.requested(0, &Ok(Accepted::default()), BEGAN + 50);
    climb.requested(1, &answer, BEGAN + 100);
    climb.all_sent(BEGAN + 100);
    climb
}

fn refused() -> Result<Accepted, Failed> {
    Err(Failed { reason: "not allowed".into(), request_id: None, certain: true })
}

fn nobody() -> Result<Accepted, Failed> {
    Ok(Accepted { remark: Some("was not connected".into()), ..Accepted::default() })
}

#[test]
fn by_policy_alone_a_quiet_device_is_not_contained_before_aws_applied_it() {
    let mut climb = uncut(isolation(true), refused());
    assert_eq!(climb.outcome(), None, "a cut only hastens");
    climb.look(&Look { connected: Some(true), ..denied() }, BEGAN + 500);
    climb.tick(BEGAN + 200_000);
    assert_eq!(climb.outcome(), None, "silent for six intervals, but its connection may speak");
    assert_eq!(climb.waiting_for().as_str(), "AWS applies it within 4 min");
    let silent = climb.view().rows.last().unwrap().detail.clone();
    assert!(silent.as_str().contains("not cut") && silent.as_str().contains("within 4 min"), "{silent}");
    assert!(!climb.cut_due(BEGAN + 200_000), "what AWS does not allow is not tried again and again");
    climb.tick(BEGAN + 99 + CACHE);
    assert_eq!(climb.outcome(), None);
    climb.tick(BEGAN + 100 + CACHE);
    assert!(matches!(climb.outcome(), Some(TargetOutcome::Proven { .. })), "{:?}", climb.view());
}

#[test]
fn a_connection_that_aws_ended_makes_the_silence_count() {
    let mut climb = uncut(isolation(true), refused());
    climb.look(&denied(), BEGAN + 500);
    climb.fact(&presence(PresenceKind::Disconnected, BEGAN + 60_000));
    climb.tick(BEGAN + 61_000);
    assert!(matches!(climb.outcome(), Some(TargetOutcome::Proven { .. })));
    let mut back = uncut(isolation(true), refused());
    back.look(&denied(), BEGAN + 500);
    back.fact(&presence(PresenceKind::Disconnected, BEGAN + 60_000));
    back.fact(&presence(PresenceKind::Connected, BEGAN + 60_500));
    back.tick(BEGAN + 120_000);
    assert_eq!(back.outcome(), None, "it is there again");
}

#[test]
fn a_client_id_nobody_knows_is_no_proof_of_a_cut() {
    let mut climb = uncut(isolation(true), nobody());
    let unknown = Look { connected: Some(false), unknown: true, ..denied() };
    climb.look(&unknown, BEGAN + 500);
    climb.tick(BEGAN + 100_000);
    assert_eq!(climb.outcome(), None, "it was heard of late, so it is connected under another id");
    climb.tick(BEGAN + 100 + CACHE);
    assert!(matches!(climb.outcome(), Some(TargetOutcome::Proven { .. })));

    let mut work = isolation(true);
    if let Proof::Isolated { lively, .. } = &mut work.proof {
        *lively = false;
    }
    let mut asleep = uncut(work, nobody());
    asleep.look(&unknown, BEGAN + 500);
    asleep.tick(BEGAN + 31_000);
    assert!(matches!(asleep.outcome(), Some(TargetOutcome::Proven { .. })), "nobody heard it for long");
}

#[test]
fn a_device_that_may_connect_for_its_jobs_is_contained_by_its_silence() {
    let mut work = isolation(true);
    if let Proof::Isolated { connects, .. } = &mut work.proof {
        *connects = true;
    }
    let mut climb = sent(work, Some(0));
    climb.look(&Look { connected: Some(true), ..denied() }, BEGAN + 500);
    climb.fact(&presence(PresenceKind::Connected, BEGAN + 1_000));
    assert!(!climb.cut_due(BEGAN + 2_000), "to connect is allowed");
    climb.fact(&heard(BEGAN + 3_000));
    assert!(climb.cut_due(BEGAN + 3_000), "to speak is not");
    climb.cut_again(true, BEGAN + 3_000);
    climb.fact(&presence(PresenceKind::Connected, BEGAN + 4_000));
    climb.look(&Look { connected: Some(true), ..denied() }, BEGAN + 5_000);
    climb.tick(BEGAN + 32_999);
    assert_eq!(climb.outcome(), None);
    climb.tick(BEGAN + 33_000);
    assert_eq!(climb.outcome(), Some(&TargetOutcome::Proven { took: 3_000 }));
}
