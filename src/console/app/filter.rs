//! The filter language: words, `!word`, `~fuzzy`, `state:alarm`, `size>1k`, `rate>10`, `group:NAME`, `topic:dt/+/x`.
//!
//! All terms must hold. What is not known does not match: a filter never claims something it cannot see.

use nucleo_matcher::pattern::{Atom, AtomKind, CaseMatching, Normalization};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use quell_rules::topics::Dialect;

/// A parsed filter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    text: String,
    terms: Vec<Term>,
}

#[derive(Clone, Debug)]
enum Term {
    Word(Atom),
    Not(String),
    State(String),
    Size(Sign, f64),
    Rate(Sign, f64),
    Group(String),
    Topic(String),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Sign {
    Above,
    Below,
}

/// What a filter may ask about a line.
pub(crate) struct Subject<'a> {
    /// The text words are looked for in.
    pub text: &'a str,
    /// Its state in a word.
    pub state: Option<&'a str>,
    /// Its size in bytes.
    pub size: Option<f64>,
    /// Its messages a minute.
    pub rate: Option<f64>,
    /// Whether it is in a group.
    pub in_group: &'a dyn Fn(&str) -> bool,
    /// Whether one of its topics matches an MQTT filter.
    pub on_topic: &'a dyn Fn(&str) -> bool,
}

impl<'a> Subject<'a> {
    /// A line that is only text.
    pub(crate) fn text(text: &'a str) -> Self {
        Self { text, state: None, size: None, rate: None, in_group: &|_| false, on_topic: &|_| false }
    }
}

impl Filter {
    /// Reads a filter; a term that is not understood is a word.
    pub(crate) fn parse(text: &str) -> Self {
        let terms = text.split_whitespace().filter_map(term).collect();
        Self { text: text.trim().to_owned(), terms }
    }

    /// True when everything passes.
    pub(crate) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The filter as typed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// A query of the fleet index for the things that may pass, by what of it an index can know: the beginning of a name,
    /// and a group. `None` when that is nothing.
    pub(crate) fn query(&self) -> Option<String> {
        // Names and groups have no other characters; these need no quotes.
        let plain = |text: &str| {
            text.len() >= 2 && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        };
        let words = self.text.split_whitespace();
        let name = words.into_iter().find(|word| plain(word) && matches!(term(word), Some(Term::Word(_))));
        let group = self.terms.iter().find_map(|term| match term {
            Term::Group(group) if plain(group) => Some(group),
            _ => None,
        });
        let parts =
            [name.map(|name| format!("thingName:{name}*")), group.map(|g| format!("thingGroupNames:{g}"))];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(" AND "))
    }

    /// True when every term holds.
    pub(crate) fn accepts(&self, subject: &Subject<'_>, matcher: &mut Matcher) -> bool {
        self.terms.iter().all(|term| match term {
            Term::Word(atom) => {
                let mut chars = Vec::new();
                atom.score(Utf32Str::new(subject.text, &mut chars), matcher).is_some()
            }
            Term::Not(word) => !subject.text.to_lowercase().contains(word),
            Term::State(word) => subject.state.is_some_and(|s| s.to_lowercase().starts_with(word)),
            Term::Size(sign, limit) => subject.size.is_some_and(|v| sign.holds(v, *limit)),
            Term::Rate(sign, limit) => subject.rate.is_some_and(|v| sign.holds(v, *limit)),
            Term::Group(name) => (subject.in_group)(name),
            Term::Topic(filter) => (subject.on_topic)(filter),
        })
    }
}

/// A matcher as [`Filter::accepts`] wants it; costly to make, so it is made once.
pub(in crate::console) fn matcher() -> Matcher {
    Matcher::new(Config::DEFAULT)
}

impl Sign {
    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Above => value > limit,
            Self::Below => value < limit,
        }
    }
}

fn term(word: &str) -> Option<Term> {
    if let Some(not) = word.strip_prefix('!') {
        return (!not.is_empty()).then(|| Term::Not(not.to_lowercase()));
    }
    if let Some(state) = word.strip_prefix("state:") {
        return Some(Term::State(state.to_lowercase()));
    }
    if let Some(group) = word.strip_prefix("group:") {
        return Some(Term::Group(group.to_owned()));
    }
    if let Some(topic) = word.strip_prefix("topic:") {
        return Some(Term::Topic(topic.to_owned()));
    }
    for (name, make) in [("size", Term::Size as fn(Sign, f64) -> Term), ("rate", Term::Rate)] {
        if let Some(rest) = word.strip_prefix(name) {
            let (sign, number) = match (rest.strip_prefix('>'), rest.strip_prefix('<')) {
                (Some(n), _) => (Sign::Above, n),
                (_, Some(n)) => (Sign::Below, n),
                _ => continue,
            };
            if let Some(limit) = quantity(number) {
                return Some(make(sign, limit));
            }
        }
    }
    // Letters strewn over a name are looked for only where that is asked for: `sd02` would find what nobody meant.
    let (word, kind) = match word.strip_prefix('~') {
        Some(fuzzy) => (fuzzy, AtomKind::Fuzzy),
        None => (word, AtomKind::Substring),
    };
    (!word.is_empty())
        .then(|| Term::Word(Atom::new(word, CaseMatching::Smart, Normalization::Smart, kind, false)))
}

fn quantity(text: &str) -> Option<f64> {
    let (number, factor) = match text.to_ascii_lowercase() {
        t if t.ends_with('k') => (t.trim_end_matches('k').to_owned(), 1e3),
        t if t.ends_with('m') => (t.trim_end_matches('m').to_owned(), 1e6),
        t => (t, 1.0),
    };
    number.parse::<f64>().ok().filter(|n| n.is_finite()).map(|n| n * factor)
}

/// True when a topic is one that `topic:FILTER` looks for. In the wider dialect: what was heard is searched, and `a/#` is meant
/// to find `a` too.
pub(crate) fn topic_matches(filter: &str, topic: &str) -> bool {
    Dialect::Mqtt.matches(filter, topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(filter: &str, subject: &Subject<'_>) -> bool {
        Filter::parse(filter).accepts(subject, &mut matcher())
    }

    #[test]
    fn every_term_must_hold() {
        let subject = Subject {
            state: Some("ALARM"),
            size: Some(3000.0),
            rate: Some(6.0),
            in_group: &|g| g == "IsolatedDevices",
            on_topic: &|t| topic_matches(t, "dt/7/temp"),
            ..Subject::text("SensorDevice02")
        };
        for yes in [
            "",
            "device02",
            "~sd02",
            "state:al",
            "size>1k",
            "rate<10",
            "group:IsolatedDevices",
            "topic:dt/+/temp",
            "!foo",
        ] {
            assert!(accepts(yes, &subject), "{yes}");
        }
        for no in [
            "xyz",
            "sd02",
            "~xyz",
            "state:ok",
            "size<1k",
            "rate>10",
            "group:x",
            "topic:dt/+",
            "!sensor",
            "sd02 state:ok",
        ] {
            assert!(!accepts(no, &subject), "{no}");
        }
    }

    #[test]
    fn unknown_does_not_match() {
        let subject = Subject::text("Thing01");
        for no in ["size<1k", "rate<1", "state:ok", "group:g", "topic:#"] {
            assert!(!accepts(no, &subject), "{no}");
        }
    }

    #[test]
    fn topics_match_as_mqtt_does() {
        assert!(topic_matches("a/#", "a/b/c"));
        assert!(topic_matches("a/#", "a"));
        assert!(topic_matches("+/b", "a/b"));
        assert!(!topic_matches("a/+", "a/b/c"));
        assert!(!topic_matches("a", "a/b"));
    }
}
