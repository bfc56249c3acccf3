//! Which filters are subscribed, in which order, and which one to blame when the broker hangs up.
//!
//! AWS closes the connection of a client that subscribes to what its policy forbids. Asking for everything again at each
//! reconnect would then be an endless loop (contract §6.16). So one SUBSCRIBE is in flight at a time; when the connection
//! dies over it, its filters are asked for one by one, and the one that kills again is left out and said.

use std::collections::{HashSet, VecDeque};

use crate::config::Settings;

use super::wire::Answer;

/// AWS: filters in one SUBSCRIBE.
const TOGETHER: usize = 8;
/// AWS: subscriptions of one connection.
const MOST: usize = 50;

/// AWS's own topics a console listens to (contract §3.4).
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
#[derive(Debug)]
pub(super) struct Filters {
    aws: bool,
    all: Vec<String>,
    refused: HashSet<String>,
    suspects: HashSet<String>,
    queue: VecDeque<Vec<String>>,
    asked: Vec<String>,
    accepted: Vec<String>,
    /// A filter was refused on this connection: some brokers say so and hang up a moment later, over nothing else.
    excused: bool,
}

impl Filters {
    /// The filters of the settings; those over the limit come back to be said.
    #[cfg(test)]
    pub(super) fn new(settings: &Settings) -> (Self, Vec<String>) {
        Self::share(settings, 0, 1)
    }

    /// The same for one of `of` connections; AWS's own topics are on the first.
    pub(super) fn share(settings: &Settings, index: usize, of: usize) -> (Self, Vec<String>) {
        let reserved = if settings.aws && index == 0 { RESERVED } else { &[] };
        let topics = settings.shares(of).into_iter().nth(index).unwrap_or_default();
        let mut all: Vec<String> = Vec::new();
        for filter in topics.iter().map(String::as_str).chain(reserved.iter().copied()) {
            if !all.iter().any(|known| known == filter) {
                all.push(filter.to_owned());
            }
        }
        let over = if settings.aws && all.len() > MOST {
            // Our own topics are few and carry the proofs: the last of the telemetry filters go.
            let telemetry = MOST - reserved.len();
            let cut = topics.len().min(all.len());
            all.drain(telemetry.min(cut)..cut).collect()
        } else {
            Vec::new()
        };
        let filters = Self {
            aws: settings.aws,
            all,
            refused: HashSet::new(),
            suspects: HashSet::new(),
            queue: VecDeque::new(),
            asked: Vec::new(),
            accepted: Vec::new(),
            excused: false,
        };
        (filters, over)
    }

    /// A new connection: everything not refused is asked for again, suspects last and alone. What another filter covers
    /// waits until that one is answered: many brokers send a message once for each subscription that matches it.
    pub(super) fn begin(&mut self) {
        self.accepted.clear();
        self.asked.clear();
        self.excused = false;
        let (suspects, sound): (Vec<_>, Vec<_>) = self
            .all
            .iter()
            .filter(|f| !self.refused.contains(*f))
            .cloned()
            .partition(|f| self.suspects.contains(f));
        let wider = |narrow: &String| self.all.iter().any(|wide| wide != narrow && covers(wide, narrow));
        let (narrow, sound): (Vec<_>, Vec<_>) = sound.into_iter().partition(wider);
        self.queue = sound.chunks(TOGETHER).map(<[String]>::to_vec).collect();
        // Each by itself, the wider ones first: one of them may cover the next.
        let (narrow_suspects, suspects): (Vec<_>, Vec<_>) = suspects.into_iter().partition(wider);
        self.queue.extend(suspects.into_iter().map(|filter| vec![filter]));
        let mut narrow: Vec<String> = narrow.into_iter().chain(narrow_suspects).collect();
        narrow.sort_by_key(|narrow| self.all.iter().filter(|wide| covers(wide, narrow)).count());
        self.queue.extend(narrow.into_iter().map(|filter| vec![filter]));
    }

    /// The next filters to subscribe; `None` when all were answered. One that brings nothing more than what is
    /// subscribed already counts as accepted.
    pub(super) fn next(&mut self) -> Option<&[String]> {
        loop {
            let next = self.queue.pop_front()?;
            let (covered, asked): (Vec<_>, Vec<_>) =
                next.into_iter().partition(|narrow| self.accepted.iter().any(|wide| covers(wide, narrow)));
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

    /// Contract §5.1: a subscription needs two permissions.
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
}

/// Whether every topic that `narrow` matches is matched by `wide` too.
fn covers(wide: &str, narrow: &str) -> bool {
    // A wildcard at the beginning does not match the topics that begin with $ (MQTT 4.7.2).
    if wide.starts_with(['+', '#']) && narrow.starts_with('$') {
        return false;
    }
    let (mut wide, mut narrow) = (wide.split('/'), narrow.split('/'));
    loop {
        match (wide.next(), narrow.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some(_), Some("#")) => return false,
            (Some(x), Some(y)) if x == y || x == "+" => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hang_up_after_a_refusal_blames_nobody_else() {
        let topics = vec!["bad".to_owned(), "good".to_owned()];
        let (mut filters, _) = Filters::new(&Settings { topics, aws: false, ..Settings::default() });
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
        let topics: Vec<String> = (0..10).map(|i| format!("t/{i}")).collect();
        let settings = Settings { topics, aws: false, ..Settings::default() };
        let (mut filters, over) = Filters::new(&settings);
        assert!(over.is_empty());
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
        let settings = Settings { topics: vec!["a".into()], aws: false, ..Settings::default() };
        let (mut filters, _) = Filters::new(&settings);
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
    fn what_another_filter_brings_is_not_asked_for_again() {
        assert!(covers("a/+", "a/x") && covers("a/#", "a") && covers("a/#", "a/+/c") && covers("#", "a/#"));
        assert!(!covers("a/+", "a/#") && !covers("a/x", "a/+") && !covers("a/+", "a") && !covers("#", "$x"));
        assert!(!covers("+/+", "a") && !covers("a/+", "+/a"));
        let topics = ["a/x", "a/+", "a/#", "b", "$share/g/a/x"].map(String::from).to_vec();
        let (mut filters, _) = Filters::new(&Settings { topics, aws: false, ..Settings::default() });
        filters.begin();
        let first = ["a/#", "b", "$share/g/a/x"].map(String::from);
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
    fn aws_allows_fifty() {
        let topics: Vec<String> = (0..60).map(|i| format!("t/{i}")).collect();
        let (filters, over) = Filters::new(&Settings { topics, ..Settings::default() });
        assert_eq!((filters.all.len(), over.len()), (50, 25));
        assert!(RESERVED.iter().all(|r| filters.all.iter().any(|f| f == r)));
    }
}
