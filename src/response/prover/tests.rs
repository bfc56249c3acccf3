//! The staircase against a made-up clock.

use std::collections::HashMap;
use std::sync::Arc;

use super::*;
use crate::response::plan::request::DenyQuestion;
use quell_fleet::event::PresenceKind;
use quell_fleet::model::Name;

pub(super) const BEGAN: Ms = 1_000_000;

pub(super) fn rules() -> Rules {
    Rules::new("/nonexistent".into(), "IsolatedDevices")
}

pub(super) fn thing() -> Name {
    Name::new("Thing02")
}

pub(super) fn isolation(mapped: bool) -> Work {
    let group = Name::new("IsolatedDevices");
    Work {
        name: thing(),
        clients: vec![thing()],
        principals: vec!["c".to_owned()],
        requests: vec![
            Request::AddToGroup { thing: thing(), group: group.clone() },
            Request::Cut { client: thing() },
        ],
        questions: Vec::new(),
        siblings: Vec::new(),
        topics: Vec::new(),
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
pub(super) fn sent(work: Work, link: Option<Ms>) -> Prover {
    let requests = work.requests.len();
    let mut prover = Prover::new(work, BEGAN, &Hearing::with(link), &rules());
    for i in 0..requests {
        prover.requesting(i);
        prover.requested(i, &Ok(Accepted::default()), BEGAN + 100);
    }
    prover.all_sent(BEGAN + 100);
    prover
}

pub(super) fn denied() -> Look {
    Look { member: Some(true), denied: Some(Ok(true)), ..Look::default() }
}

pub(super) fn heard(at: Ms) -> Fact {
    Fact::Heard { thing: thing(), at }
}

fn reason(kind: PresenceKind) -> Option<quell_fleet::text::SafeText> {
    (kind == PresenceKind::ConnectFailed).then(|| "AUTHORIZATION_FAILED".into())
}

/// The only connection answered what it was asked then.
fn answered(asked: Ms) -> Fact {
    Fact::Answered { asked: [asked].into() }
}

/// Time passes, while the connection answers.
pub(super) fn tick(prover: &mut Prover, now: Ms) {
    prover.fact(&answered(now));
    prover.tick(now);
}

/// Whether its one client is to be cut now.
pub(super) fn due(prover: &Prover, now: Ms) -> bool {
    prover.cuts_due(now) == [thing()]
}

pub(super) fn presence(kind: PresenceKind, at: Ms) -> Fact {
    Fact::Presence { client: thing(), principal: None, kind, reason: reason(kind), at }
}

#[test]
fn silence_after_the_cut_proves_and_took_ends_at_the_last_message() {
    let mut prover = sent(isolation(true), Some(0));
    prover.look(&denied(), BEGAN + 500);
    prover.fact(&heard(BEGAN + 2_000));
    tick(&mut prover, BEGAN + 31_999);
    assert_eq!(prover.outcome(), None);
    tick(&mut prover, BEGAN + 32_000);
    assert_eq!(prover.outcome(), Some(&TargetOutcome::Proven { took: 2_000 }));
}

#[test]
fn accepted_requests_alone_never_prove() {
    let mut prover = sent(isolation(true), Some(0));
    tick(&mut prover, BEGAN + 400_000);
    assert_eq!(prover.outcome(), None, "member and policy were not looked at");
    prover.look(&Look { member: Some(true), denied: Some(Ok(false)), ..Look::default() }, BEGAN + 401_000);
    tick(&mut prover, BEGAN + 402_000);
    assert_eq!(prover.outcome(), None, "the policy does not deny");
    tick(&mut prover, BEGAN + 631_000);
    assert_eq!(prover.outcome(), Some(&TargetOutcome::Unproven { missing: "policy denies it".into() }));
}

#[test]
fn a_device_that_goes_on_talking_is_cut_once_a_second_and_never_contained() {
    let mut prover = sent(isolation(true), Some(0));
    prover.look(&denied(), BEGAN + 500);
    let mut cuts = 0;
    for at in (BEGAN + 1_000..BEGAN + 631_000).step_by(250) {
        prover.fact(&heard(at));
        tick(&mut prover, at);
        if due(&prover, at) {
            cuts += 1;
            prover.cut_again(&thing(), true, at);
        }
    }
    assert!((500..=600).contains(&cuts), "{cuts}");
    let Some(TargetOutcome::Unproven { missing }) = prover.outcome() else {
        panic!("{:?}", prover.outcome())
    };
    assert!(missing.as_str().starts_with("silence"), "{missing}");
}

#[test]
fn a_reconnection_starts_the_silence_again_and_a_refused_one_does_not() {
    let mut prover = sent(isolation(true), Some(0));
    prover.look(&denied(), BEGAN + 500);
    prover.fact(&presence(PresenceKind::Disconnected, BEGAN + 150));
    prover.fact(&presence(PresenceKind::Connected, BEGAN + 20_000));
    assert!(due(&prover, BEGAN + 20_100));
    prover.cut_again(&thing(), true, BEGAN + 20_100);
    prover.fact(&presence(PresenceKind::ConnectFailed, BEGAN + 21_000));
    assert!(!due(&prover, BEGAN + 25_000));
    tick(&mut prover, BEGAN + 40_000);
    assert_eq!(prover.outcome(), None);
    tick(&mut prover, BEGAN + 50_100);
    assert_eq!(prover.outcome(), Some(&TargetOutcome::Proven { took: 20_100 }));
}

#[test]
fn nobody_listening_proves_nothing_by_silence() {
    let mut prover = sent(isolation(true), None);
    prover.look(&denied(), BEGAN + 500);
    tick(&mut prover, BEGAN + 200_000);
    assert_eq!(prover.outcome(), None, "no link");
    prover.fact(&Fact::LinkUp { at: BEGAN + 200_000, presence: true });
    tick(&mut prover, BEGAN + 229_000);
    assert_eq!(prover.outcome(), None, "silence counts from the link on");
    tick(&mut prover, BEGAN + 230_000);
    assert!(matches!(prover.outcome(), Some(TargetOutcome::Proven { .. })));

    let mut unmapped = sent(isolation(false), Some(0));
    unmapped.look(&denied(), BEGAN + 500);
    tick(&mut unmapped, BEGAN + 200_000);
    assert_eq!(unmapped.outcome(), None, "its topic is not known");
    unmapped.look(&Look { clients: vec![(thing(), Some(false))], ..denied() }, BEGAN + 201_000);
    tick(&mut unmapped, BEGAN + 231_000);
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
    let mut prover = sent(work, Some(0));
    prover.look(&Look { member: Some(false), ..Look::default() }, BEGAN + 500);
    prover.fact(&heard(BEGAN - 10));
    tick(&mut prover, BEGAN + 1_000);
    assert_eq!(prover.outcome(), None);
    prover.fact(&heard(BEGAN + 5_000));
    tick(&mut prover, BEGAN + 5_001);
    assert_eq!(prover.outcome(), Some(&TargetOutcome::Proven { took: 5_000 }));
}

#[test]
fn the_silence_of_a_device_nobody_listens_to_proves_nothing() {
    let mut prover = sent(isolation(true), Some(0));
    prover.look(&denied(), BEGAN + 200);
    let only = |names: &[&str]| Some(std::sync::Arc::new(names.iter().map(|n| (*n).to_owned()).collect()));
    prover.fact(&Fact::Focus { only: only(&["another"]), at: BEGAN + 300 });
    prover.fact(&presence(PresenceKind::Connected, BEGAN + 400));
    prover.fact(&presence(PresenceKind::ConnectFailed, BEGAN + 500));
    tick(&mut prover, BEGAN + 20_000);
    // It is streamed again: its thirty seconds begin here.
    prover.fact(&Fact::Focus { only: only(&["another", "Thing02"]), at: BEGAN + 25_000 });
    tick(&mut prover, BEGAN + 54_000);
    assert_eq!(prover.outcome(), None);
    tick(&mut prover, BEGAN + 55_500);
    assert!(matches!(prover.outcome(), Some(TargetOutcome::Proven { .. })), "{:?}", prover.outcome());
}

#[test]
fn at_the_limit_of_the_connection_only_aws_s_word_counts() {
    let mut prover = sent(isolation(true), Some(0));
    prover.look(&denied(), BEGAN + 200);
    for second in 1..60 {
        prover.fact(&Fact::AtLimit { at: BEGAN + second * 1_000 });
        tick(&mut prover, BEGAN + second * 1_000);
    }
    assert_eq!(prover.outcome(), None, "what is not heard may have been discarded");
    let gone = Look { clients: vec![(thing(), Some(false))], ..denied() };
    prover.look(&gone, BEGAN + 60_000);
    prover.fact(&Fact::AtLimit { at: BEGAN + 80_000 });
    tick(&mut prover, BEGAN + 89_000);
    assert_eq!(prover.outcome(), None);
    tick(&mut prover, BEGAN + 90_500);
    assert!(matches!(prover.outcome(), Some(TargetOutcome::Proven { .. })), "{:?}", prover.outcome());

    // It was full for a moment: the silence counts from its end.
    let mut prover = sent(isolation(true), Some(0));
    prover.look(&denied(), BEGAN + 200);
    prover.fact(&Fact::AtLimit { at: BEGAN + 10_000 });
    tick(&mut prover, BEGAN + 39_000);
    assert_eq!(prover.outcome(), None);
    tick(&mut prover, BEGAN + 40_500);
    assert!(matches!(prover.outcome(), Some(TargetOutcome::Proven { .. })), "{:?}", prover.outcome());
}

#[test]
fn a_failed_request_leaves_the_rest_and_says_what_was_done() {
    let mut prover = Prover::new(isolation(true), BEGAN, &Hearing::with(Some(0)), &rules());
    prover.requested(0, &Ok(Accepted::default()), BEGAN + 10);
    let failed = Failed { reason: "no".into(), request_id: None, certain: true };
    let lost = Failed { certain: false, ..failed.clone() };
    prover.requested(1, &Err(lost), BEGAN + 20);
    assert_eq!(prover.outcome(), Some(&TargetOutcome::Failed { reason: "no".into(), partly: true }));
    let mut first = Prover::new(isolation(true), BEGAN, &Hearing::with(Some(0)), &rules());
    first.requested(0, &Err(failed), BEGAN + 10);
    assert_eq!(first.outcome(), Some(&TargetOutcome::Failed { reason: "no".into(), partly: false }));
}

/// An isolation whose deny was read, and whose device was cut.
fn waiting() -> Prover {
    let mut prover = sent(isolation(true), Some(0));
    prover.look(&Look { clients: vec![(thing(), Some(true))], ..denied() }, BEGAN + 500);
    prover
}

fn gone() -> Look {
    Look { clients: vec![(thing(), Some(false))], ..Look::default() }
}

#[test]
fn two_refusals_after_the_deny_prove_what_silence_takes_longer_for() {
    let mut prover = waiting();
    tick(&mut prover, BEGAN + 18_000);
    prover.fact(&presence(PresenceKind::ConnectFailed, BEGAN + 18_000));
    tick(&mut prover, BEGAN + 18_200);
    assert_eq!(prover.outcome(), None, "one refusal, and nobody asked what else is connected");
    prover.look(&gone(), BEGAN + 19_000);
    tick(&mut prover, BEGAN + 20_000);
    assert_eq!(prover.outcome(), None);
    let text = prover.view().rows.last().unwrap().detail.to_string();
    assert!(text.contains("a second refusal or 10 s of silence"), "{text}");
    prover.fact(&presence(PresenceKind::ConnectFailed, BEGAN + 22_000));
    tick(&mut prover, BEGAN + 22_200);
    assert!(matches!(prover.outcome(), Some(TargetOutcome::Proven { .. })), "{:#?}", prover.view());
}

#[test]
fn a_refusal_and_one_usual_interval_of_silence_prove_it_once_the_connection_answered() {
    let mut prover = waiting();
    prover.tick(BEGAN + 5_000);
    prover.fact(&presence(PresenceKind::ConnectFailed, BEGAN + 5_000));
    prover.look(&gone(), BEGAN + 6_000);
    prover.fact(&answered(BEGAN + 14_000));
    prover.tick(BEGAN + 20_000);
    assert_eq!(prover.outcome(), None, "nothing came since, so what it said may be under way");
    prover.fact(&answered(BEGAN + 20_100));
    prover.tick(BEGAN + 20_200);
    assert!(matches!(prover.outcome(), Some(TargetOutcome::Proven { .. })), "{:#?}", prover.view());
}

#[test]
fn a_refusal_does_not_outweigh_a_voice_a_session_or_a_link_that_is_gone() {
    let refused = |prover: &mut Prover, at: Ms| {
        tick(prover, at);
        prover.fact(&presence(PresenceKind::ConnectFailed, at));
    };
    let mut speaks = waiting();
    refused(&mut speaks, BEGAN + 2_000);
    speaks.look(&gone(), BEGAN + 3_000);
    speaks.fact(&heard(BEGAN + 3_500));
    refused(&mut speaks, BEGAN + 4_000);
    tick(&mut speaks, BEGAN + 4_200);
    assert_eq!(speaks.outcome(), None, "it spoke between the two");

    let mut connected = waiting();
    refused(&mut connected, BEGAN + 2_000);
    refused(&mut connected, BEGAN + 4_000);
    connected.look(&Look { clients: vec![(thing(), Some(true))], ..Look::default() }, BEGAN + 5_000);
    tick(&mut connected, BEGAN + 5_200);
    assert_eq!(connected.outcome(), None, "a session of it is left");

    let mut deaf = waiting();
    refused(&mut deaf, BEGAN + 2_000);
    deaf.look(&gone(), BEGAN + 3_000);
    deaf.fact(&Fact::LinkDown { at: BEGAN + 3_100 });
    deaf.fact(&Fact::LinkUp { at: BEGAN + 3_900, presence: true });
    refused(&mut deaf, BEGAN + 4_000);
    tick(&mut deaf, BEGAN + 4_200);
    assert_eq!(deaf.outcome(), None, "between the two nobody listened");

    let mut allowed = sent(isolation(true), Some(0));
    allowed.look(&Look { member: Some(true), denied: Some(Ok(false)), ..Look::default() }, BEGAN + 500);
    refused(&mut allowed, BEGAN + 2_000);
    allowed.look(&gone(), BEGAN + 3_000);
    refused(&mut allowed, BEGAN + 4_000);
    tick(&mut allowed, BEGAN + 4_200);
    assert_eq!(allowed.outcome(), None, "AWS says that it could still connect");
}

#[test]
fn membership_of_a_group_that_cannot_deny_it_is_no_containment() {
    let mut work = isolation(true);
    if let Proof::Isolated { ask, .. } = &mut work.proof {
        *ask = None;
    }
    let mut prover = sent(work, Some(0));
    prover.look(
        &Look { member: Some(true), clients: vec![(thing(), Some(false))], ..Look::default() },
        BEGAN + 500,
    );
    tick(&mut prover, BEGAN + 40_000);
    let Some(TargetOutcome::Unproven { missing }) = prover.outcome() else { panic!("{:#?}", prover.view()) };
    assert!(missing.as_str().contains("no principal"), "{missing}");

    let mut unasked = sent(isolation(true), Some(0));
    let why = Look { member: Some(true), denied: Some(Err("not allowed".into())), ..gone() };
    unasked.look(&why, BEGAN + 500);
    tick(&mut unasked, BEGAN + 40_000);
    let Some(TargetOutcome::Unproven { missing }) = unasked.outcome() else {
        panic!("{:#?}", unasked.view())
    };
    assert!(missing.as_str().contains("not allowed"), "{missing}");
}

#[test]
fn no_delay_of_aws_is_granted_where_nothing_denies() {
    let mut prover = sent(isolation(true), Some(0));
    prover.look(&Look { member: Some(true), denied: Some(Ok(false)), ..Look::default() }, BEGAN + 500);
    prover.fact(&heard(BEGAN + 3_000));
    tick(&mut prover, BEGAN + 4_000);
    let silent = prover.view().rows.last().unwrap().detail.to_string();
    assert!(silent.contains("nothing denies it"), "{silent}");
    assert!(!prover.waiting_for().as_str().contains("AWS applies"), "{}", prover.waiting_for());
    prover.look(&denied(), BEGAN + 5_000);
    tick(&mut prover, BEGAN + 5_100);
    let silent = prover.view().rows.last().unwrap().detail.to_string();
    assert!(silent.contains("the deny applies within"), "{silent}");
}

#[test]
fn each_client_of_a_device_is_cut_and_must_be_gone() {
    let gateway = Name::new("gw-7");
    let mut work = isolation(true);
    work.clients.push(gateway.clone());
    work.requests.push(Request::Cut { client: gateway.clone() });
    let mut prover = sent(work, Some(0));
    prover.look(&denied(), BEGAN + 500);
    prover.fact(&presence(PresenceKind::Disconnected, BEGAN + 600));
    let at_gateway = |kind, at| Fact::Presence {
        client: gateway.clone(),
        principal: Some("c".into()),
        kind,
        reason: reason(kind),
        at,
    };
    prover.fact(&at_gateway(PresenceKind::Connected, BEGAN + 1_500));
    assert_eq!(prover.cuts_due(BEGAN + 2_000), std::slice::from_ref(&gateway), "the one that came back");
    prover.cut_again(&gateway, true, BEGAN + 2_000);
    prover.fact(&at_gateway(PresenceKind::Disconnected, BEGAN + 2_050));
    tick(&mut prover, BEGAN + 32_100);
    assert!(matches!(prover.outcome(), Some(TargetOutcome::Proven { .. })), "{:#?}", prover.view());

    // The same principal under a name that nobody had seen: not cut, and not contained.
    let mut prover = sent(isolation(true), Some(0));
    prover.look(&denied(), BEGAN + 500);
    prover.fact(&at_gateway(PresenceKind::Connected, BEGAN + 1_500));
    prover.fact(&presence(PresenceKind::Disconnected, BEGAN + 1_600));
    assert_eq!(prover.cuts_due(BEGAN + 3_000), [] as [Name; 0]);
    tick(&mut prover, BEGAN + 40_000);
    assert_eq!(prover.outcome(), None);
    let rows = prover.view().rows;
    assert!(
        rows.iter().any(|r| r.detail.as_str().contains("gw-7, which the plan does not cut")),
        "{rows:#?}"
    );
}

#[test]
fn silence_that_the_connection_did_not_confirm_proves_nothing() {
    let mut prover = waiting();
    prover.look(&gone(), BEGAN + 600);
    prover.fact(&answered(BEGAN + 20_000));
    prover.tick(BEGAN + 120_000);
    assert_eq!(prover.outcome(), None, "for a hundred seconds nobody knows what was left behind");
    let silent = prover.view().rows.last().unwrap().detail.to_string();
    assert!(silent.contains("has not answered for 100 s"), "{silent}");
    prover.fact(&heard(BEGAN + 119_000));
    prover.fact(&answered(BEGAN + 121_000));
    prover.tick(BEGAN + 121_200);
    assert_eq!(prover.outcome(), None, "what had been left behind came");
}

#[test]
fn a_silence_that_could_not_have_been_heard_is_none() {
    // The cable is pulled: nothing is heard, nothing is answered, and AWS says that the client it knows is gone.
    let mut prover = sent(isolation(true), Some(0));
    prover.look(&Look { clients: vec![(thing(), Some(false))], ..denied() }, BEGAN + 600);
    prover.tick(BEGAN + 40_000);
    assert_eq!(prover.outcome(), None, "it was not asked");
    prover.fact(&Fact::Unanswered { connection: 0, at: BEGAN + 41_000 });
    prover.fact(&Fact::LinkDown { at: BEGAN + 50_000 });
    prover.tick(BEGAN + 90_000);
    assert_eq!(prover.outcome(), None, "what should have been heard could not be");
    // Back, it is silent from then on, up to what was answered.
    prover.fact(&Fact::LinkUp { at: BEGAN + 100_000, presence: true });
    prover.tick(BEGAN + 150_000);
    assert_eq!(prover.outcome(), None, "not answered since");
    tick(&mut prover, BEGAN + 151_000);
    assert!(matches!(prover.outcome(), Some(TargetOutcome::Proven { .. })), "{:?}", prover.outcome());

    let mut prover = sent(isolation(true), Some(0));
    prover.look(&denied(), BEGAN + 500);
    prover.fact(&heard(BEGAN + 600));
    prover.fact(&Fact::Unanswered { connection: 0, at: BEGAN + 5_000 });
    prover.tick(BEGAN + 700_000);
    let missing = "the link could not have heard it".into();
    assert_eq!(prover.outcome(), Some(&TargetOutcome::Unproven { missing }));
}

#[test]
fn a_voice_after_the_silence_and_before_the_last_proof_begins_the_silence_anew() {
    let mut prover = sent(isolation(true), Some(0));
    prover.look(&Look { member: Some(true), ..gone() }, BEGAN + 500);
    tick(&mut prover, BEGAN + 31_000);
    let silent = |prover: &Prover| prover.view().rows.last().unwrap().state.clone();
    assert!(matches!(silent(&prover), RowState::Done(_)), "{:#?}", prover.view());
    assert_eq!((prover.outcome(), prover.silent_until()), (None, Some(BEGAN + 31_000)));
    prover.fact(&heard(BEGAN + 40_000));
    assert_eq!((silent(&prover), prover.silent_until()), (RowState::Running, None));
    prover.look(&denied(), BEGAN + 41_000);
    tick(&mut prover, BEGAN + 69_000);
    assert_eq!(prover.outcome(), None, "it spoke, and its silence is not long enough yet");
    tick(&mut prover, BEGAN + 70_100);
    assert_eq!(prover.outcome(), Some(&TargetOutcome::Proven { took: 40_000 }));
    assert_eq!(prover.silent_until(), Some(BEGAN + 70_100), "what comes later is a leak");
}

#[test]
fn a_sign_of_life_of_any_kind_is_no_silence() {
    let mut prover = sent(isolation(true), Some(0));
    prover.look(&Look { clients: vec![(thing(), Some(false))], ..denied() }, BEGAN + 500);
    for second in 1..40 {
        // Its shadow is reported to, and no telemetry is heard.
        prover.fact(&Fact::Sign { thing: thing(), at: BEGAN + second * 1_000 });
        tick(&mut prover, BEGAN + second * 1_000 + 500);
    }
    assert_eq!(prover.outcome(), None);
    tick(&mut prover, BEGAN + 69_100);
    assert_eq!(prover.outcome(), Some(&TargetOutcome::Proven { took: 39_000 }));
}

#[test]
fn of_several_connections_those_that_carry_the_device_have_to_answer() {
    let answers = |first: Ms, second: Ms, third: Ms| Fact::Answered { asked: [first, second, third].into() };
    let mut prover = waiting();
    prover.look(&gone(), BEGAN + 600);
    prover.fact(&answers(BEGAN + 40_000, BEGAN + 40_000, Ms::MIN));
    prover.tick(BEGAN + 40_100);
    assert_eq!(prover.outcome(), None, "it may be heard by the third, as far as is known");
    prover.fact(&Fact::Carried { by: Arc::new(HashMap::from([(thing(), vec![0, 1])])) });
    prover.fact(&Fact::Unanswered { connection: 2, at: BEGAN + 41_000 });
    prover.fact(&answers(BEGAN + 41_000, BEGAN + 20_000, Ms::MIN));
    prover.tick(BEGAN + 41_100);
    assert_eq!(prover.outcome(), None, "the second carries it, and answered long ago");
    prover.fact(&answers(BEGAN + 41_000, BEGAN + 42_000, Ms::MIN));
    prover.tick(BEGAN + 42_100);
    assert!(matches!(prover.outcome(), Some(TargetOutcome::Proven { .. })), "{:#?}", prover.view());
    assert_eq!(prover.silent_until(), Some(BEGAN + 41_000));
}

#[test]
fn what_is_stopped_or_left_is_not_held_and_only_time_leaves_it_unproven() {
    for stop in [Stop::Operator, Stop::Left, Stop::Signal("SIGTERM")] {
        let mut prover = waiting();
        prover.look(&gone(), BEGAN + 600);
        prover.give_up(stop);
        let Some(TargetOutcome::Left { why, missing }) = prover.outcome() else {
            panic!("{:?}", prover.outcome())
        };
        assert_eq!((why.as_str(), missing.as_str()), (stop.why().as_str(), "silent for 30 s"));
    }
    let mut prover = waiting();
    prover.give_up(Stop::Timeout(std::time::Duration::from_secs(9)));
    assert!(matches!(prover.outcome(), Some(TargetOutcome::Unproven { .. })));
    let mut unsent = Prover::new(isolation(true), BEGAN, &Hearing::with(Some(0)), &rules());
    unsent.give_up(Stop::Left);
    assert!(matches!(unsent.outcome(), Some(TargetOutcome::Failed { partly: false, .. })));
}
