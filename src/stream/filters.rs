//! Which filters are subscribed, in which order, and which one to blame when the broker hangs up.
//!
//! AWS closes the connection of a client that subscribes to what its policy forbids. Asking for everything again at each
//! reconnect would then be an endless loop (docs/aws-iot.md#6.16). So one SUBSCRIBE is in flight at a time; when the connection
//! dies over it, its filters are asked for one by one, and the one that kills again is left out and said.

use std::collections::{HashSet, VecDeque};

use quell_rules::topics::Dialect;

use super::focus::Part;
use super::wire::Answer;

/// AWS: filters in one SUBSCRIBE.
const TOGETHER: usize = 8;
/// AWS: subscriptions of one connection.
pub(super) const MOST: usize = 50;

/// AWS's own topics a console listens to (docs/aws-iot.md#3.4).
pub(super) const RESERVED: &[&str] = &[
    "$aws/events/presence/#",
    "$aws/things/+/shadow/update/delta",
    "$aws/things/+/shadow/name/+/update/delta",
    "$aws/things/+/shadow/update/documents",
    "$aws/things/+/shadow/name/+/update/documents",
    "$aws/things/+/shadow/update/rejected",
    "$aws/things/+/shadow/delete/accepted",
    "$aws/things/+/shadow/name/+/delete/accepted",
    "$aws/things/+/jobs/notify",
    "$aws/events/job/+/+",
    "$aws/events/jobExecution/+/+",
    "$aws/events/thingGroupMembership/thingGroup/+/thing/+/added",
    "$aws/events/thingGroupMembership/thingGroup/+/thing/+/removed",
    "$aws/things/+/defender/metrics/+/accepted",
    "$aws/things/+/defender/metrics/+/rejected",
];

/// What a hang-up while subscribing teaches.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lesson {
    Nothing,
    /// One of a few it is; they are asked for one by one next time.
    Narrowed,
    /// This one it is, and why.
    Blamed(String, String),
}

/// The filters and how they fared.
#[derive(Debug, Default)]
pub(super) struct Filters {
    aws: bool,
    all: Vec<(String, Option<Part>)>,
    refused: HashSet<String>,
    suspects: HashSet<String>,
    queue: VecDeque<Vec<String>>,
    asked: Vec<String>,
    accepted: Vec<String>,
    /// Those of them that were not asked for, because another brings the same.
    covered: HashSet<String>,
    /// A filter was refused on this connection: some brokers say so and hang up a moment later, over nothing else.
    excused: bool,
}

impl Filters {
    /// No filters yet.
    pub(super) fn new(aws: bool) -> Self {
        Self { aws, ..Self::default() }
    }

    fn dialect(&self) -> Dialect {
        if self.aws { Dialect::Aws } else { Dialect::Mqtt }
    }

    /// Other filters from now on; [`Self::take_left`] tells those to give up, [`Self::next`] those to ask for.
    pub(super) fn aim(&mut self, all: Vec<(String, Option<Part>)>) {
        self.all = all;
        // What was heard by another filter may need one of its own now.
        let covered = std::mem::take(&mut self.covered);
        self.accepted.retain(|filter| !covered.contains(filter));
        self.line_up();
    }

    /// A new connection: everything not refused is asked for again, suspects last and alone. What another filter covers
    /// waits until that one is answered: many brokers send a message once for each subscription that matches it.
    pub(super) fn begin(&mut self) {
        self.accepted.clear();
        self.covered.clear();
        self.asked.clear();
        self.excused = false;
        self.line_up();
    }

    /// Everything neither refused, asked nor accepted is to be asked for, suspects last and alone.
    fn line_up(&mut self) {
        let dialect = self.dialect();
        let open = |f: &&String| ![&self.accepted, &self.asked].into_iter().any(|known| known.contains(*f));
        let (suspects, sound): (Vec<_>, Vec<_>) = self
            .all
            .iter()
            .map(|(filter, _)| filter)
            .filter(|f| !self.refused.contains(*f))
            .filter(open)
            .cloned()
            .partition(|f| self.suspects.contains(f));
        let wider =
            |narrow: &String| self.all.iter().any(|(wide, _)| wide != narrow && dialect.covers(wide, narrow));
        let (narrow, sound): (Vec<_>, Vec<_>) = sound.into_iter().partition(wider);
        self.queue = sound.chunks(TOGETHER).map(<[String]>::to_vec).collect();
        // Each by itself, the wider ones first: one of them may cover the next.
        let (narrow_suspects, suspects): (Vec<_>, Vec<_>) = suspects.into_iter().partition(wider);
        self.queue.extend(suspects.into_iter().map(|filter| vec![filter]));
        let mut narrow: Vec<String> = narrow.into_iter().chain(narrow_suspects).collect();
        narrow.sort_by_key(|narrow| self.all.iter().filter(|(wide, _)| dialect.covers(wide, narrow)).count());
        self.queue.extend(narrow.into_iter().map(|filter| vec![filter]));
    }

    /// The next filters to subscribe; `None` when all were answered. One that brings nothing more than what is
    /// subscribed already counts as accepted.
    pub(super) fn next(&mut self) -> Option<&[String]> {
        debug_assert!(self.asked.is_empty(), "one SUBSCRIBE is in flight at a time");
        let dialect = self.dialect();
        loop {
            let next = self.queue.pop_front()?;
            let (covered, asked): (Vec<_>, Vec<_>) = next
                .into_iter()
                .partition(|narrow| self.accepted.iter().any(|wide| dialect.covers(wide, narrow)));
            self.covered.extend(covered.iter().cloned());
            self.accepted.extend(covered);
            if !asked.is_empty() {
                self.asked = asked;
                return Some(&self.asked);
            }
        }
    }

    /// The broker's answer to the filters asked, in order. The refused ones come back, each with its reason.
    pub(super) fn answered(&mut self, answers: &[Answer]) -> Vec<(String, String)> {
        let mut refused = Vec::new();
        for (i, filter) in std::mem::take(&mut self.asked).into_iter().enumerate() {
            let why = match answers.get(i) {
                Some(Answer::Accepted) => {
                    self.suspects.remove(&filter);
                    self.accepted.push(filter);
                    continue;
                }
                Some(Answer::NotAuthorized) => self.forbidden(&filter),
                Some(Answer::Quota) => "the broker's limit of subscriptions is reached".to_owned(),
                Some(Answer::Refused) | None if self.aws => {
                    format!("{}, or the limit of {MOST} subscriptions is reached", self.forbidden(&filter))
                }
                Some(Answer::Refused) | None => "the broker refused it".to_owned(),
            };
            self.suspects.remove(&filter);
            self.refused.insert(filter.clone());
            self.excused = true;
            refused.push((filter, why));
        }
        refused
    }

    /// The broker hung up while it was asked for filters: what that teaches.
    pub(super) fn hung_up(&mut self) -> Lesson {
        let asked = std::mem::take(&mut self.asked);
        if asked.is_empty() {
            return Lesson::Nothing;
        }
        if std::mem::take(&mut self.excused) {
            return Lesson::Narrowed;
        }
        if let [only] = asked.as_slice()
            && self.suspects.remove(only)
        {
            self.refused.insert(only.clone());
            return Lesson::Blamed(only.clone(), self.forbidden(only));
        }
        self.suspects.extend(asked);
        Lesson::Narrowed
    }

    /// The connection was lost for another reason: nobody is to blame.
    pub(super) fn lost(&mut self) {
        self.asked.clear();
    }

    /// Refused filters are tried once more: a policy may have been mended since.
    pub(super) fn forgive(&mut self) {
        self.suspects.extend(self.refused.drain());
    }

    /// docs/aws-iot.md#5.1: a subscription needs two permissions.
    fn forbidden(&self, filter: &str) -> String {
        if self.aws {
            format!("missing permission: iot:Subscribe on topicfilter/{filter}")
        } else {
            "the broker does not allow it".to_owned()
        }
    }

    pub(super) fn accepted(&self) -> &[String] {
        &self.accepted
    }

    /// True while an answer is waited for.
    pub(super) fn is_asking(&self) -> bool {
        !self.asked.is_empty()
    }

    /// True for a filter that is heard by, or refused: nothing more will come of asking for it.
    pub(super) fn is_settled(&self, filter: &str) -> bool {
        self.accepted.iter().any(|f| f == filter) || self.refused.contains(filter)
    }

    /// Filters accepted that are not wanted any more.
    pub(super) fn take_left(&mut self) -> Vec<String> {
        let wanted = |filter: &String| self.all.iter().any(|(f, _)| f == filter);
        let (kept, left) = std::mem::take(&mut self.accepted).into_iter().partition(wanted);
        self.accepted = kept;
        left
    }

    /// The part a filter narrows, if it does.
    pub(super) fn part(&self, filter: &str) -> Option<Part> {
        self.all.iter().find(|(f, _)| f == filter).and_then(|(_, part)| *part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(topics: impl IntoIterator<Item = String>) -> Filters {
        let mut filters = Filters::new(false);
        filters.aim(topics.into_iter().map(|topic| (topic, None)).collect());
        filters
    }

    #[test]
    fn a_hang_up_after_a_refusal_blames_nobody_else() {
        let mut filters = filters(["bad".to_owned(), "good".to_owned()]);
        filters.begin();
        filters.next();
        assert_eq!(filters.hung_up(), Lesson::Narrowed);
        filters.begin();
        assert_eq!(filters.next(), Some(&["bad".to_owned()][..]));
        assert_eq!(filters.answered(&[Answer::Refused]).len(), 1);
        assert_eq!(filters.next(), Some(&["good".to_owned()][..]));
        assert_eq!(filters.hung_up(), Lesson::Narrowed);
        filters.begin();
        assert_eq!(filters.next(), Some(&["good".to_owned()][..]));
        // This time it stands alone: it is to blame.
        assert!(matches!(filters.hung_up(), Lesson::Blamed(filter, _) if filter == "good"));
    }

    #[test]
    fn the_filter_that_kills_the_connection_is_found_and_left_out() {
        let mut filters = filters((0..10).map(|i| format!("t/{i}")));
        let mut blamed = Vec::new();
        for _ in 0..20 {
            filters.begin();
            let mut died = false;
            while let Some(asked) = filters.next() {
                assert!(asked.len() <= 8);
                if asked.iter().any(|f| f == "t/3") {
                    died = true;
                    break;
                }
                let n = asked.len();
                filters.answered(&vec![Answer::Accepted; n]);
            }
            if !died {
                break;
            }
            match filters.hung_up() {
                Lesson::Blamed(filter, _) => blamed.push(filter),
                lesson => assert_eq!(lesson, Lesson::Narrowed),
            }
        }
        assert_eq!(blamed, ["t/3"]);
        assert_eq!(filters.accepted().len(), 9);
    }

    #[test]
    fn a_network_that_breaks_blames_nobody_and_a_mended_policy_is_noticed() {
        let mut filters = filters(["a".to_owned()]);
        for _ in 0..5 {
            filters.begin();
            assert_eq!(filters.next().map(<[String]>::len), Some(1));
            filters.lost();
        }
        filters.begin();
        assert!(filters.next().is_some());
        assert_eq!(filters.answered(&[Answer::NotAuthorized]).len(), 1);
        filters.begin();
        assert!(filters.next().is_none());
        filters.forgive();
        filters.begin();
        assert!(filters.next().is_some());
    }

    #[test]
    fn other_filters_are_asked_for_and_left_without_a_new_connection() {
        let mut filters = filters(["a".to_owned(), "b".to_owned()]);
        filters.begin();
        assert_eq!(filters.next().map(<[String]>::len), Some(2));
        // The wish changes while the answer is under way: what comes of it is given up after all.
        let wish = |list: &[&str]| list.iter().map(|f| ((*f).to_owned(), None)).collect();
        filters.aim(wish(&["b", "c"]));
        assert!(filters.take_left().is_empty());
        assert!(filters.is_asking());
        filters.answered(&[Answer::Accepted; 2]);
        assert_eq!(filters.take_left(), ["a"]);
        assert_eq!(filters.next(), Some(&["c".to_owned()][..]));
        filters.answered(&[Answer::Accepted]);
        assert!(filters.next().is_none());
        assert_eq!(filters.accepted(), ["b", "c"]);
        filters.aim(wish(&["c"]));
        assert_eq!(filters.take_left(), ["b"]);
        assert!(filters.next().is_none());
    }

    #[test]
    fn what_another_filter_brings_is_not_asked_for_again() {
        let mut filters = filters(["a/x", "a/+", "a/#", "b", "c"].map(String::from));
        filters.begin();
        let first = ["a/#", "b", "c"].map(String::from);
        assert_eq!(filters.next(), Some(&first[..]));
        assert!(filters.answered(&[Answer::Accepted, Answer::Accepted, Answer::Accepted]).is_empty());
        assert!(filters.next().is_none());
        assert_eq!(filters.accepted().len(), 5, "all of them are heard");
        // A wide one that is refused leaves the narrow ones, the widest of them first.
        filters.begin();
        assert_eq!(filters.next(), Some(&first[..]));
        assert_eq!(filters.answered(&[Answer::NotAuthorized, Answer::Accepted, Answer::Accepted]).len(), 1);
        assert_eq!(filters.next(), Some(&["a/+".to_owned()][..]));
        assert!(filters.answered(&[Answer::NotAuthorized]).len() == 1);
        assert_eq!(filters.next(), Some(&["a/x".to_owned()][..]));
        // It kills the connection each time: perhaps over those refused before it, then suspected, then to blame.
        for _ in 0..2 {
            assert_eq!(filters.hung_up(), Lesson::Narrowed);
            filters.begin();
            assert_eq!(filters.next().map(<[String]>::len), Some(2));
            filters.answered(&[Answer::Accepted, Answer::Accepted]);
            assert_eq!(filters.next(), Some(&["a/x".to_owned()][..]));
        }
        assert!(matches!(filters.hung_up(), Lesson::Blamed(filter, _) if filter == "a/x"));
    }

    #[test]
    fn on_aws_the_parent_of_a_tree_is_asked_for_beside_it() {
        for (aws, asked) in [(false, &["a/#"][..]), (true, &["a", "a/#"])] {
            let mut filters = Filters::new(aws);
            filters.aim(["a", "a/#"].map(|filter| (filter.to_owned(), None)).to_vec());
            filters.begin();
            assert_eq!(filters.next().unwrap(), asked, "AWS: {aws}");
            filters.answered(&vec![Answer::Accepted; asked.len()]);
            assert!(filters.next().is_none());
            assert_eq!(filters.accepted().len(), 2, "both are heard");
        }
    }

    #[test]
    fn without_the_wide_one_what_it_brought_is_asked_for_after_all() {
        let mut filters = filters(["a/x", "a/#"].map(String::from));
        filters.begin();
        assert_eq!(filters.next(), Some(&["a/#".to_owned()][..]));
        filters.answered(&[Answer::Accepted]);
        assert!(filters.next().is_none());
        filters.aim(vec![("a/x".to_owned(), None)]);
        assert_eq!(filters.take_left(), ["a/#"]);
        assert_eq!(filters.next(), Some(&["a/x".to_owned()][..]));
    }
}
