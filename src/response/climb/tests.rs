//! The staircase against a made-up clock.

use super::*;
use crate::response::plan::request::DenyQuestion;
use quell_fleet::model::Name;

pub(super) const BEGAN: Ms = 1_000_000;

pub(super) fn rules() -> Rules {
    Rules::new("/nonexistent".into(), "IsolatedDevices")
}

fn thing() -> Name {
    Name::new("Thing02")
}

pub(super) fn isolation(mapped: bool) -> Work {
    let group = Name::new("IsolatedDevices");
    Work {
        name: thing(),
        client: thing(),
        requests: vec![
            Request::AddToGroup { thing: thing(), group: group.clone() },
            Request::Cut { client: thing() },
        ],
        mapped,
        proof: Proof::Isolated {
            group,
            ask: Some(DenyQuestion {
                principal: "arn:aws:iot:r:1:cert/c".to_owned(),
                client: thing(),
                connect: "arn:aws:iot:r:1:client/Thing02".to_owned(),
                publish: vec!["arn:aws:iot:r:1:topic/t".to_owned()],
            }),
            silence: 30_000,
            connects: false,
            lively: true,
        },
    }
}

/// An isolation whose requests were accepted within 100 ms.
pub(super) fn sent(work: Work, link: Option<Ms>) -> Climb {
    let requests = work.requests.len();
    let mut climb = Climb::new(work, BEGAN, &Ear::with(link), &rules());
    for i in 0..requests {
        climb.requesting(i);
        climb.requested(i, &Ok(Accepted::default()), BEGAN + 100);
    }
    climb.all_sent(BEGAN + 100);
    climb
}

pub(super) fn denied() -> Look {
    Look { member: Some(true), denied: Some(Ok(true)), ..Look::default() }
}

pub(super) fn heard(at: Ms) -> Fact {
    Fact::Heard { thing: thing(), at }
}

pub(super) fn presence(kind: PresenceKind, at: Ms) -> Fact {
    Fact::Presence { client: thing(), kind, at }
}

#[test]
fn silence_after_the_cut_proves_and_took_ends_at_the_last_message() {
    let mut climb = sent(isolation(true), Some(0));
    climb.look(&denied(), BEGAN + 500);
    climb.fact(&heard(BEGAN + 2_000));
    climb.tick(BEGAN + 31_999);
    assert_eq!(climb.outcome(), None);
    climb.tick(BEGAN + 32_000);
    assert_eq!(climb.outcome(), Some(&TargetOutcome::Proven { took: 2_000 }));
}

#[test]
fn accepted_requests_alone_never_prove() {
    let mut climb = sent(isolation(true), Some(0));
    climb.tick(BEGAN + 400_000);
    assert_eq!(climb.outcome(), None, "member and policy were not looked at");
    climb.look(&Look { member: Some(true), denied: Some(Ok(false)), ..Look::default() }, BEGAN + 401_000);
    climb.tick(BEGAN + 402_000);
    assert_eq!(climb.outcome(), None, "the policy does not deny");
    climb.tick(BEGAN + 631_000);
    assert_eq!(climb.outcome(), Some(&TargetOutcome::Unproven { missing: "policy denies it".into() }));
}

#[test]
fn a_device_that_goes_on_talking_is_cut_once_a_second_and_never_contained() {
    let mut climb = sent(isolation(true), Some(0));
    climb.look(&denied(), BEGAN + 500);
    let mut cuts = 0;
    for at in (BEGAN + 1_000..BEGAN + 631_000).step_by(250) {
        climb.fact(&heard(at));
        climb.tick(at);
        if climb.cut_due(at) {
            cuts += 1;
            climb.cut_again(true, at);
        }
    }
    assert!((500..=600).contains(&cuts), "{cuts}");
    let Some(TargetOutcome::Unproven { missing }) = climb.outcome() else { panic!("{:?}", climb.outcome()) };
    assert!(missing.as_str().starts_with("silence"), "{missing}");
}

#[test]
fn a_reconnection_starts_the_silence_again_and_a_refused_one_does_not() {
    let mut climb = sent(isolation(true), Some(0));
    climb.look(&denied(), BEGAN + 500);
    climb.fact(&presence(PresenceKind::Disconnected, BEGAN + 150));
    climb.fact(&presence(PresenceKind::Connected, BEGAN + 20_000));
    assert!(climb.cut_due(BEGAN + 20_100));
    climb.cut_again(true, BEGAN + 20_100);
    climb.fact(&presence(PresenceKind::ConnectFailed, BEGAN + 21_000));
    assert!(!climb.cut_due(BEGAN + 25_000));
    climb.tick(BEGAN + 40_000);
    assert_eq!(climb.outcome(), None);
    climb.tick(BEGAN + 50_100);
    assert_eq!(climb.outcome(), Some(&TargetOutcome::Proven { took: 20_100 }));
}

#[test]
fn nobody_listening_proves_nothing_by_silence() {
    let mut climb = sent(isolation(true), None);
    climb.look(&denied(), BEGAN + 500);
    climb.tick(BEGAN + 200_000);
    assert_eq!(climb.outcome(), None, "no link");
    climb.fact(&Fact::LinkUp { at: BEGAN + 200_000 });
    climb.tick(BEGAN + 229_000);
    assert_eq!(climb.outcome(), None, "silence counts from the link on");
    climb.tick(BEGAN + 230_000);
    assert!(matches!(climb.outcome(), Some(TargetOutcome::Proven { .. })));

    let mut unmapped = sent(isolation(false), Some(0));
    unmapped.look(&denied(), BEGAN + 500);
    unmapped.tick(BEGAN + 200_000);
    assert_eq!(unmapped.outcome(), None, "its topic is not known");
    unmapped.look(&Look { connected: Some(false), ..denied() }, BEGAN + 201_000);
    unmapped.tick(BEGAN + 231_000);
    assert!(
        matches!(unmapped.outcome(), Some(TargetOutcome::Proven { .. })),
        "GetConnection says it is gone"
    );
}

#[test]
fn what_was_heard_before_the_confirmation_is_no_release() {
    let work = Work {
        requests: vec![Request::RemoveFromGroup { thing: thing(), group: Name::new("G") }],
        proof: Proof::Released { group: Name::new("G") },
        ..isolation(true)
    };
    let mut climb = sent(work, Some(0));
    climb.look(&Look { member: Some(false), ..Look::default() }, BEGAN + 500);
    climb.fact(&heard(BEGAN - 10));
    climb.tick(BEGAN + 1_000);
    assert_eq!(climb.outcome(), None);
    climb.fact(&heard(BEGAN + 5_000));
    climb.tick(BEGAN + 5_001);
    assert_eq!(climb.outcome(), Some(&TargetOutcome::Proven { took: 5_000 }));
}

#[test]
fn the_silence_of_a_device_nobody_listens_to_proves_nothing() {
    let mut climb = sent(isolation(true), Some(0));
    climb.look(&denied(), BEGAN + 200);
    let only = |names: &[&str]| Some(std::sync::Arc::new(names.iter().map(|n| (*n).to_owned()).collect()));
    climb.fact(&Fact::Focus { only: only(&["another"]), at: BEGAN + 300 });
    climb.fact(&Fact::Presence { client: thing(), kind: PresenceKind::Connected, at: BEGAN + 400 });
    climb.fact(&Fact::Presence { client: thing(), kind: PresenceKind::ConnectFailed, at: BEGAN + 500 });
    climb.tick(BEGAN + 20_000);
    // It is streamed again: its thirty seconds begin here.
    climb.fact(&Fact::Focus { only: only(&["another", "Thing02"]), at: BEGAN + 25_000 });
    climb.tick(BEGAN + 54_000);
    assert_eq!(climb.outcome(), None);
    climb.tick(BEGAN + 55_500);
    assert!(matches!(climb.outcome(), Some(TargetOutcome::Proven { .. })), "{:?}", climb.outcome());
}

#[test]
fn at_the_limit_of_the_connection_only_aws_s_word_counts() {
    let mut climb = sent(isolation(true), Some(0));
    climb.look(&denied(), BEGAN + 200);
    for second in 1..60 {
        climb.fact(&Fact::AtLimit { at: BEGAN + second * 1_000 });
        climb.tick(BEGAN + second * 1_000);
    }
    assert_eq!(climb.outcome(), None, "what is not heard may have been discarded");
    let gone = Look { connected: Some(false), ..denied() };
    climb.look(&gone, BEGAN + 60_000);
    climb.fact(&Fact::AtLimit { at: BEGAN + 80_000 });
    climb.tick(BEGAN + 89_000);
    assert_eq!(climb.outcome(), None);
    climb.tick(BEGAN + 90_500);
    assert!(matches!(climb.outcome(), Some(TargetOutcome::Proven { .. })), "{:?}", climb.outcome());

    // It was full for a moment: the silence counts from its end.
    let mut climb = sent(isolation(true), Some(0));
    climb.look(&denied(), BEGAN + 200);
    climb.fact(&Fact::AtLimit { at: BEGAN + 10_000 });
    climb.tick(BEGAN + 39_000);
    assert_eq!(climb.outcome(), None);
    climb.tick(BEGAN + 40_500);
    assert!(matches!(climb.outcome(), Some(TargetOutcome::Proven { .. })), "{:?}", climb.outcome());
}

#[test]
fn a_failed_request_leaves_the_rest_and_says_what_was_done() {
    let mut climb = Climb::new(isolation(true), BEGAN, &Ear::with(Some(0)), &rules());
    climb.requested(0, &Ok(Accepted::default()), BEGAN + 10);
    let failed = Failed { reason: "no".into(), request_id: None, certain: true };
    let lost = Failed { certain: false, ..failed.clone() };
    climb.requested(1, &Err(lost), BEGAN + 20);
    assert_eq!(climb.outcome(), Some(&TargetOutcome::Failed { reason: "no".into(), partly: true }));
    let mut first = Climb::new(isolation(true), BEGAN, &Ear::with(Some(0)), &rules());
    first.requested(0, &Err(failed), BEGAN + 10);
    assert_eq!(first.outcome(), Some(&TargetOutcome::Failed { reason: "no".into(), partly: false }));
}
