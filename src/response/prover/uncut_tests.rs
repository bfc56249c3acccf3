//! What is said and waited for when AWS does not let quell cut a connection, or nobody knows which one it is.

use quell_fleet::event::PresenceKind;

use super::tests::{BEGAN, denied, due, heard, isolation, presence, rules, sent, thing, tick};
use super::*;

const CACHE: Ms = CACHE_MS as Ms;

/// An isolation of which AWS refused or missed the cut.
fn uncut(work: Work, answer: Result<Accepted, Failed>) -> Prover {
    let mut prover = Prover::new(work, BEGAN, &Hearing::with(Some(0)), &rules());
    prover.requested(0, &Ok(Accepted::default()), BEGAN + 50);
    prover.requested(1, &answer, BEGAN + 100);
    prover.all_sent(BEGAN + 100);
    prover
}

fn refused() -> Result<Accepted, Failed> {
    Err(Failed { reason: "not allowed".into(), request_id: None, certain: true })
}

fn nobody() -> Result<Accepted, Failed> {
    Ok(Accepted { remark: Some("was not connected".into()), ..Accepted::default() })
}

#[test]
fn by_policy_alone_a_quiet_device_is_not_contained_before_aws_applied_it() {
    let mut prover = uncut(isolation(true), refused());
    assert_eq!(prover.outcome(), None, "a cut only hastens");
    prover.look(&Look { clients: vec![(thing(), Some(true))], ..denied() }, BEGAN + 500);
    tick(&mut prover, BEGAN + 200_000);
    assert_eq!(prover.outcome(), None, "silent for six intervals, but its connection may speak");
    assert_eq!(prover.waiting_for().as_str(), "AWS applies it within 4 min");
    let silent = prover.view().rows.last().unwrap().detail.clone();
    assert!(silent.as_str().contains("not cut") && silent.as_str().contains("within 4 min"), "{silent}");
    assert!(!due(&prover, BEGAN + 200_000), "what AWS does not allow is not tried again and again");
    tick(&mut prover, BEGAN + 99 + CACHE);
    assert_eq!(prover.outcome(), None);
    tick(&mut prover, BEGAN + 100 + CACHE);
    assert!(matches!(prover.outcome(), Some(TargetOutcome::Proven { .. })), "{:?}", prover.view());
}

#[test]
fn a_connection_that_aws_ended_makes_the_silence_count() {
    let mut prover = uncut(isolation(true), refused());
    prover.look(&denied(), BEGAN + 500);
    prover.fact(&presence(PresenceKind::Disconnected, BEGAN + 60_000));
    tick(&mut prover, BEGAN + 61_000);
    assert!(matches!(prover.outcome(), Some(TargetOutcome::Proven { .. })));
    let mut back = uncut(isolation(true), refused());
    back.look(&denied(), BEGAN + 500);
    back.fact(&presence(PresenceKind::Disconnected, BEGAN + 60_000));
    back.fact(&presence(PresenceKind::Connected, BEGAN + 60_500));
    tick(&mut back, BEGAN + 120_000);
    assert_eq!(back.outcome(), None, "it is there again");
}

#[test]
fn a_client_id_nobody_knows_is_no_proof_of_a_cut() {
    let mut prover = uncut(isolation(true), nobody());
    let unknown = Look { clients: vec![(thing(), None)], ..denied() };
    prover.look(&unknown, BEGAN + 500);
    tick(&mut prover, BEGAN + 100_000);
    assert_eq!(prover.outcome(), None, "it was heard of late, so it is connected under another id");
    tick(&mut prover, BEGAN + 100 + CACHE);
    assert!(matches!(prover.outcome(), Some(TargetOutcome::Proven { .. })));

    let mut work = isolation(true);
    if let Proof::Isolated { lively, .. } = &mut work.proof {
        *lively = false;
    }
    let mut asleep = uncut(work, nobody());
    asleep.look(&unknown, BEGAN + 500);
    tick(&mut asleep, BEGAN + 31_000);
    assert!(matches!(asleep.outcome(), Some(TargetOutcome::Proven { .. })), "nobody heard it for long");
}

#[test]
fn a_device_that_may_connect_for_its_jobs_is_contained_by_its_silence() {
    let mut work = isolation(true);
    if let Proof::Isolated { connects, .. } = &mut work.proof {
        *connects = true;
    }
    let mut prover = sent(work, Some(0));
    prover.look(&Look { clients: vec![(thing(), Some(true))], ..denied() }, BEGAN + 500);
    prover.fact(&presence(PresenceKind::Connected, BEGAN + 1_000));
    assert!(!due(&prover, BEGAN + 2_000), "to connect is allowed");
    prover.fact(&heard(BEGAN + 3_000));
    assert!(due(&prover, BEGAN + 3_000), "to speak is not");
    prover.cut_again(&thing(), true, BEGAN + 3_000);
    prover.fact(&presence(PresenceKind::Connected, BEGAN + 4_000));
    prover.look(&Look { clients: vec![(thing(), Some(true))], ..denied() }, BEGAN + 5_000);
    tick(&mut prover, BEGAN + 32_999);
    assert_eq!(prover.outcome(), None);
    tick(&mut prover, BEGAN + 33_000);
    assert_eq!(prover.outcome(), Some(&TargetOutcome::Proven { took: 3_000 }));
}
