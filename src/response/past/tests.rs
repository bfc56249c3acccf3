use super::*;
use serde_json::json;

/// A journal of these entries, each `(kind, plan, fields)`.
fn journal(entries: &[(&'static str, &str, Value)]) -> (tempfile::TempDir, Journal) {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(&folder.path().join("journal.jsonl")).unwrap();
    for (n, (kind, plan, fields)) in entries.iter().enumerate() {
        let at = 1_700_000_000_000 + i64::try_from(n).unwrap();
        journal.append(at, kind, plan, fields.clone()).unwrap();
    }
    (folder, journal)
}

fn plans(entries: &[(&'static str, &str, Value)]) -> Plans {
    let (_folder, journal) = journal(entries);
    // The files stay open although their folder goes.
    Plans::of(&journal, None).unwrap()
}

fn add(thing: &str) -> Value {
    json!({"AddToGroup": {"thing": thing, "group": "G"}})
}

fn flag(thing: &str) -> Value {
    json!({"Flag": {"thing": thing, "to": true, "was": null}})
}

fn work(thing: &str, requests: &[Value]) -> Value {
    json!({"name": thing, "client": thing, "mapped": true, "requests": requests,
        "proof": {"Isolated": {"group": "G", "ask": null, "silence": 30000}}})
}

/// Two things, of each the group and the flag.
fn begun(plan: &'static str) -> (&'static str, &'static str, Value) {
    let all = [work("A", &[add("A"), flag("A")]), work("B", &[add("B"), flag("B")])];
    ("intent", plan, json!({"what": "isolate", "title": "Isolate 2 devices", "work": all, "who": {}}))
}

fn intent(plan: &'static str, link: &str, of: &str, work: &[Value]) -> (&'static str, &'static str, Value) {
    ("intent", plan, json!({"what": link, "title": link, "work": work, "who": {}, link: of}))
}

fn accepted(plan: &'static str, of: u64, n: u64) -> (&'static str, &'static str, Value) {
    ("request", plan, json!({"of": of, "n": n, "accepted": true, "request_id": format!("{plan}{of}{n}")}))
}

fn outcome(plan: &'static str, word: &str) -> (&'static str, &'static str, Value) {
    ("outcome", plan, json!({ "outcome": word }))
}

/// The plan that an undo without a name takes back.
fn undoable(plans: &Plans) -> Option<String> {
    plans.changed().next().transpose().unwrap().filter(Past::can_be_undone).map(|past| past.id)
}

fn ids(found: &[Past]) -> Vec<&str> {
    found.iter().map(|p| p.id.as_str()).collect()
}

#[test]
fn what_was_begun_before_the_account_is_not_offered() {
    let (_folder, journal) = journal(&[begun("a"), accepted("a", 0, 0)]);
    let since = |since| Plans::of(&journal, Some(since)).unwrap();
    assert_eq!(ids(&since(0).open().unwrap()), ["a"]);
    let later = since(Ms::MAX);
    assert!(later.open().unwrap().is_empty() && later.load("a").unwrap().is_none());
    assert_eq!((undoable(&later), later.unfinished().unwrap()), (None, None));
}

#[test]
fn an_intent_without_an_outcome_is_open_and_its_answers_are_known() {
    let uncertain = ("request", "a", json!({"of": 0, "n": 1, "accepted": false, "certain": false}));
    let plans = plans(&[begun("a"), accepted("a", 0, 0), uncertain]);
    let open = plans.open().unwrap();
    let [past] = open.as_slice() else { panic!("{open:?}") };
    assert!(matches!(&past.steps[0].answered, Answered::Accepted { request_id: Some(id) } if id == "a00"));
    assert_eq!(past.steps[1].answered, Answered::Never, "an answer that is uncertain is none");
    assert!(past.steps[0].happened() && !past.steps[2].happened());
    assert_eq!(plans.unfinished().unwrap().as_deref(), Some("a"));
    assert_eq!(undoable(&plans).as_deref(), Some("a"));
}

#[test]
fn what_somebody_works_on_is_not_open() {
    let mut mine = begun("a");
    mine.2["who"] = super::super::journal::who(None);
    let plans = plans(&[mine]);
    assert!(plans.open().unwrap().is_empty());
    assert_eq!(plans.unfinished().unwrap(), None);
    assert_eq!(plans.load("a").unwrap().unwrap().busy, Some(i64::from(std::process::id())));
}

#[test]
fn all_answers_may_have_been_lost_and_it_can_still_be_undone() {
    assert_eq!(undoable(&plans(&[begun("a")])).as_deref(), Some("a"));
}

#[test]
fn a_plan_that_ended_did_not_send_what_it_has_no_line_of() {
    let plans = plans(&[begun("a"), accepted("a", 0, 0), outcome("a", "interrupted")]);
    let past = plans.load("a").unwrap().unwrap();
    assert_eq!(past.steps[3].answered, Answered::Unsent);
    assert_eq!(plans.unfinished().unwrap().as_deref(), Some("a"));
    assert!(plans.open().unwrap().is_empty());
}

#[test]
fn lines_the_disk_refused_are_told_with_the_outcome() {
    let late =
        json!({"outcome": "failed", "requests": [{"of": 0, "n": 0, "accepted": true, "request_id": "r"}]});
    let past = plans(&[begun("a"), ("outcome", "a", late)]).load("a").unwrap().unwrap();
    assert!(past.steps[0].happened());
}

/// Killed, finished, killed, finished: undoing sees what each of them sent.
#[test]
fn finishing_and_undoing_see_all_that_was_sent_whatever_was_cut_short_how_often() {
    let mut entries = vec![
        begun("a"),
        accepted("a", 0, 0),
        intent("b", "finishes", "a", &[work("A", &[flag("A")]), work("B", &[add("B"), flag("B")])]),
        accepted("b", 0, 0),
        // Names the plan before it, as `quell finish` of an older version did.
        intent("c", "finishes", "b", &[work("B", &[add("B"), flag("B")])]),
        accepted("c", 0, 0),
    ];
    let cut = plans(&entries);
    assert_eq!(ids(&cut.open().unwrap()), ["a"], "one effort, told as one");
    assert_eq!(cut.unfinished().unwrap().as_deref(), Some("a"));
    for id in ["a", "b", "c"] {
        let past = cut.load(id).unwrap().unwrap();
        assert_eq!((past.id.as_str(), past.steps.len()), ("a", 4));
        let happened: Vec<bool> = past.steps.iter().map(PastStep::happened).collect();
        assert_eq!(happened, [true, true, true, false], "{past:?}");
    }
    entries.push(outcome("c", "proven"));
    let whole = plans(&entries);
    assert!(whole.open().unwrap().is_empty());
    assert_eq!(whole.unfinished().unwrap(), None);
    assert_eq!(undoable(&whole).as_deref(), Some("a"));

    // The undo is cut short, finished, and then it is all undone.
    let back = |thing: &str| json!({"RemoveFromGroup": {"thing": thing, "group": "G"}});
    entries.push(intent("u", "undoes", "a", &[work("A", &[back("A")]), work("B", &[back("B")])]));
    entries.push(accepted("u", 0, 0));
    let half = plans(&entries);
    assert_eq!(ids(&half.open().unwrap()), ["u"]);
    assert_eq!(half.unfinished().unwrap().as_deref(), Some("u"), "finish finishes the undo");
    assert_eq!(undoable(&half).as_deref(), Some("a"), "undo goes on with it");
    assert!(half.load("a").unwrap().unwrap().undone.is_some_and(|u| u.by == "u" && !u.whole));
    let mut again = entries.clone();
    again.push(intent("u2", "undoes", "a", &[work("B", &[back("B")])]));
    assert_eq!(ids(&plans(&again).open().unwrap()), ["u"], "an undo begun again is the same undo");
    again.push(outcome("u2", "proven"));
    assert!(plans(&again).open().unwrap().is_empty());
    entries.push(intent("f", "finishes", "u", &[work("B", &[back("B")])]));
    entries.push(outcome("f", "proven"));
    let all = plans(&entries);
    assert_eq!((undoable(&all), all.unfinished().unwrap()), (None, None));
    assert!(all.load("c").unwrap().unwrap().undone.is_some_and(|u| u.whole));
    // An undo that is undone undoes nothing.
    entries.push(intent("v", "undoes", "u", &[work("A", &[add("A")])]));
    entries.push(outcome("v", "proven"));
    assert_eq!(undoable(&plans(&entries)).as_deref(), Some("a"));
}

#[test]
fn a_later_plan_that_changed_nothing_closes_nothing() {
    for link in ["finishes", "undoes"] {
        let entries = [begun("a"), accepted("a", 0, 0), intent("b", link, "a", &[]), outcome("b", "failed")];
        assert_eq!(ids(&plans(&entries).open().unwrap()), ["a"]);
    }
}

#[test]
fn an_operator_lets_an_effort_rest_until_it_is_taken_up_again() {
    let finish = || intent("b", "finishes", "a", &[work("B", &[flag("B")])]);
    let mut entries = vec![begun("a"), finish(), ("closed", "a", json!({}))];
    let closed = plans(&entries);
    assert!(closed.open().unwrap().is_empty() && closed.unfinished().unwrap().is_none());
    assert_eq!(undoable(&closed).as_deref(), Some("a"));
    entries.push(intent("c", "finishes", "a", &[work("B", &[flag("B")])]));
    assert_eq!(ids(&plans(&entries).open().unwrap()), ["a"]);
}
