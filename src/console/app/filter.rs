//! The filter language: words, `!word`, `~fuzzy`, `"phrase"`, `state:alarm`, `size>1k`, `rate>10`, `group:NAME`, `topic:dt/+/x`;
//! of messages also `payload:PATTERN`, `kind:shadow` and comparisons on a path of a JSON payload: `temperature>50`.
//!
//! All terms must hold. What is not known does not match: a filter never claims something it cannot see.

use std::ops::Range;

use nucleo_matcher::pattern::{Atom, AtomKind, CaseMatching, Normalization};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use quell_rules::topics::Dialect;
use regex_lite::{Regex, RegexBuilder};
use serde_json::Value;

/// The most a compiled pattern may take, in bytes.
const COMPILED: usize = 256 << 10;
/// Levels of a path into a payload.
const LEVELS: usize = 16;
/// Places marked in one text.
const MARKS: usize = 32;

/// A parsed filter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    text: String,
    terms: Vec<Written>,
}

/// A term, and how it was written.
#[derive(Clone, Debug)]
struct Written {
    text: String,
    term: Term,
}

#[derive(Clone, Debug)]
enum Term {
    Word(Atom, Literal),
    Phrase(Literal),
    Not(Atom, Literal),
    State(String),
    Kind(String),
    Size(Sign, f64),
    Rate(Sign, f64),
    Group(String),
    Topic(String),
    Payload(Regex),
    Path(Path),
    /// It cannot be understood, and why: nothing matches it.
    Broken(String),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Sign {
    Above,
    Below,
    AtLeast,
    AtMost,
    Equal,
    Unequal,
}

/// Text looked for as it is; in any case unless it has capitals.
#[derive(Clone, Debug)]
struct Literal {
    text: String,
    exact: bool,
}

/// A comparison on a member of a JSON payload.
#[derive(Clone, Debug)]
struct Path {
    levels: Vec<String>,
    sign: Sign,
    wanted: String,
    number: Option<f64>,
}

/// What a filter may ask about a line.
pub(crate) struct Subject<'a> {
    /// The text words are looked for in.
    pub text: &'a str,
    /// Its state in a word.
    pub state: Option<&'a str>,
    /// What a message is about, in a word.
    pub kind: Option<&'a str>,
    /// Its size in bytes.
    pub size: Option<f64>,
    /// Its messages a minute.
    pub rate: Option<f64>,
    /// A message's payload, as far as it is kept.
    pub payload: Option<&'a [u8]>,
    /// Whether it is in a group.
    pub in_group: &'a dyn Fn(&str) -> bool,
    /// Whether one of its topics matches an MQTT filter.
    pub on_topic: &'a dyn Fn(&str) -> bool,
}

impl<'a> Subject<'a> {
    /// A line that is only text.
    pub(crate) fn text(text: &'a str) -> Self {
        Self {
            text,
            state: None,
            kind: None,
            size: None,
            rate: None,
            payload: None,
            in_group: &|_| false,
            on_topic: &|_| false,
        }
    }
}

impl Filter {
    /// Reads a filter of a list; a term that is not understood is a word.
    pub(crate) fn parse(text: &str) -> Self {
        Self::read(text, false)
    }

    /// Reads a search of messages: their payloads too.
    pub(crate) fn of_messages(text: &str) -> Self {
        Self::read(text, true)
    }

    fn read(text: &str, messages: bool) -> Self {
        let terms = words(text)
            .into_iter()
            .filter_map(|word| {
                let term = word.term(messages)?;
                Some(Written { text: word.written, term })
            })
            .collect();
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
        let name = self.terms.iter().find_map(|written| match written.term {
            Term::Word(..) if plain(&written.text) => Some(&written.text),
            _ => None,
        });
        let group = self.terms.iter().find_map(|written| match &written.term {
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
        self.terms.iter().all(|written| written.term.holds(subject, matcher))
    }

    /// As [`Self::accepts`], and counts for each term whether it holds by itself.
    pub(super) fn accepts_counting(
        &self,
        subject: &Subject<'_>,
        matcher: &mut Matcher,
        each: &mut [u64],
    ) -> bool {
        let mut all = true;
        for (written, count) in self.terms.iter().zip(each) {
            let holds = written.term.holds(subject, matcher);
            *count += u64::from(holds);
            all &= holds;
        }
        all
    }

    /// The terms as written.
    pub(super) fn written(&self) -> impl ExactSizeIterator<Item = &str> {
        self.terms.iter().map(|written| written.text.as_str())
    }

    /// Why nothing can ever pass: a term that cannot be understood.
    pub(crate) fn broken(&self) -> Option<String> {
        self.terms.iter().find_map(|written| match &written.term {
            Term::Broken(why) => Some(why.clone()),
            _ => None,
        })
    }

    /// How much work it is to look at a payload, as a multiple of its length: patterns and documents cost more than words.
    pub(super) fn effort(&self) -> u64 {
        let effort = |written: &Written| match written.term {
            Term::Payload(_) => 16,
            Term::Path(_) => 4,
            _ => 1,
        };
        self.terms.iter().map(effort).sum()
    }

    /// Whether the term at `at` is about payloads alone: of a message whose payload was let go it says nothing.
    pub(super) fn needs_payload(&self, at: usize) -> bool {
        matches!(self.terms.get(at).map(|written| &written.term), Some(Term::Payload(_) | Term::Path(_)))
    }

    /// Where in `text` what is searched for stands, in order, without overlaps.
    pub(crate) fn marks(&self, text: &str) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        for written in &self.terms {
            match &written.term {
                Term::Word(_, literal) | Term::Phrase(literal) => found.extend(literal.all(text)),
                Term::Payload(pattern) => {
                    found.extend(pattern.find_iter(text).take(MARKS).map(|hit| hit.range()));
                }
                Term::Path(path) => {
                    if let Some(last) = path.levels.last() {
                        found.extend(Literal { text: last.clone(), exact: true }.all(text));
                    }
                }
                _ => {}
            }
        }
        found.retain(|range| !range.is_empty());
        found.sort_by_key(|range| (range.start, range.end));
        let mut end = 0;
        found.retain(|range| {
            let apart = range.start >= end;
            if apart {
                end = range.end;
            }
            apart
        });
        found.truncate(MARKS);
        found
    }
}

impl Term {
    fn holds(&self, subject: &Subject<'_>, matcher: &mut Matcher) -> bool {
        let in_payload =
            |literal: &Literal| subject.payload.is_some_and(|bytes| literal.find(bytes).is_some());
        let named = |atom: &Atom, matcher: &mut Matcher| {
            let mut chars = Vec::new();
            atom.score(Utf32Str::new(subject.text, &mut chars), matcher).is_some()
        };
        let said = |literal: &Literal| literal.find(subject.text.as_bytes()).is_some() || in_payload(literal);
        match self {
            Self::Word(atom, literal) => named(atom, matcher) || in_payload(literal),
            Self::Phrase(literal) => said(literal),
            Self::Not(atom, literal) => !named(atom, matcher) && !in_payload(literal),
            Self::State(word) => subject.state.is_some_and(|s| s.to_lowercase().starts_with(word)),
            Self::Kind(word) => subject.kind.is_some_and(|s| s.starts_with(word.as_str())),
            Self::Size(sign, limit) => subject.size.is_some_and(|v| sign.holds(v, *limit)),
            Self::Rate(sign, limit) => subject.rate.is_some_and(|v| sign.holds(v, *limit)),
            Self::Group(name) => (subject.in_group)(name),
            Self::Topic(filter) => (subject.on_topic)(filter),
            Self::Payload(pattern) => {
                subject.payload.is_some_and(|bytes| pattern.is_match(&String::from_utf8_lossy(bytes)))
            }
            Self::Path(path) => subject.payload.is_some_and(|bytes| path.holds(bytes)),
            Self::Broken(_) => false,
        }
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
            Self::AtLeast => value >= limit,
            Self::AtMost => value <= limit,
            Self::Equal => value == limit,
            Self::Unequal => value != limit,
        }
    }

    /// Cuts `name`, a sign and what follows it.
    fn split(word: &str) -> Option<(&str, Self, &str)> {
        let at = word.find(['<', '>', '=', '!'])?;
        let (name, rest) = word.split_at_checked(at)?;
        let signs = [
            (">=", Self::AtLeast),
            ("<=", Self::AtMost),
            ("!=", Self::Unequal),
            (">", Self::Above),
            ("<", Self::Below),
            ("=", Self::Equal),
        ];
        let (sign, value) = signs.iter().find_map(|(text, sign)| Some((*sign, rest.strip_prefix(text)?)))?;
        (!name.is_empty()).then_some((name, sign, value))
    }
}

impl Literal {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), exact: text.chars().any(char::is_uppercase) }
    }

    /// The first place in `hay`. A range of bytes that begins and ends between characters, where `hay` is text.
    fn find(&self, hay: &[u8]) -> Option<Range<usize>> {
        if !self.exact && !self.text.is_ascii() {
            return self.find_folded(std::str::from_utf8(hay).ok()?);
        }
        let needle = self.text.as_bytes();
        let (first, last) = (*needle.first()?, hay.len().checked_sub(needle.len())?);
        let begins = |byte: u8| if self.exact { byte == first } else { byte.eq_ignore_ascii_case(&first) };
        (0..=last).find_map(|at| {
            let part = hay.get(at..at + needle.len())?;
            let same = begins(*part.first()?)
                && if self.exact { part == needle } else { part.eq_ignore_ascii_case(needle) };
            same.then(|| at..at + needle.len())
        })
    }

    /// The same for letters whose other case is other bytes.
    fn find_folded(&self, hay: &str) -> Option<Range<usize>> {
        hay.char_indices().find_map(|(at, _)| {
            let mut wanted = self.text.chars();
            for (begin, c) in hay.get(at..)?.char_indices() {
                for lower in c.to_lowercase() {
                    match wanted.next() {
                        Some(next) if next == lower => {}
                        Some(_) => return None,
                        // A letter that is several in the other case is found as a whole.
                        None => break,
                    }
                }
                if wanted.as_str().is_empty() {
                    return Some(at..at + begin + c.len_utf8());
                }
            }
            None
        })
    }

    fn all(&self, text: &str) -> Vec<Range<usize>> {
        let (mut found, mut from) = (Vec::new(), 0);
        while let Some(hit) = text.as_bytes().get(from..).and_then(|rest| self.find(rest)) {
            found.push(from + hit.start..from + hit.end);
            from += hit.end.max(hit.start + 1);
            if found.len() >= MARKS {
                break;
            }
        }
        found
    }
}

impl Path {
    /// `a.b.0>5`: levels of names or of places in a list.
    fn parse(name: &str, sign: Sign, wanted: &str) -> Option<Self> {
        let levels: Vec<String> = name.split('.').map(str::to_owned).collect();
        if wanted.is_empty() || levels.len() > LEVELS || levels.iter().any(String::is_empty) {
            return None;
        }
        let number = quantity(wanted);
        // Only numbers are more or less than each other.
        (number.is_some() || matches!(sign, Sign::Equal | Sign::Unequal)).then(|| Self {
            levels,
            sign,
            wanted: wanted.to_owned(),
            number,
        })
    }

    fn holds(&self, payload: &[u8]) -> bool {
        // Most payloads do not even have the name: they need not be read as documents. One that is written with escapes may.
        let named = payload.contains(&b'\\')
            || self.levels.iter().all(|level| {
                level.parse::<usize>().is_ok()
                    || Literal { text: level.clone(), exact: true }.find(payload).is_some()
            });
        if !named {
            return false;
        }
        let Ok(document) = serde_json::from_slice::<Value>(payload) else { return false };
        let found = self.levels.iter().try_fold(&document, |value, level| match value {
            Value::Array(items) => items.get(level.parse::<usize>().ok()?),
            other => other.get(level),
        });
        match (found, self.number) {
            (None, _) => false,
            (Some(Value::Number(value)), Some(limit)) => {
                value.as_f64().is_some_and(|value| self.sign.holds(value, limit))
            }
            (Some(value), _) => {
                let text = match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                match self.sign {
                    Sign::Equal => text == self.wanted,
                    Sign::Unequal => text != self.wanted,
                    _ => false,
                }
            }
        }
    }
}

/// A word of a filter, with what stood between quotes.
#[derive(Default)]
struct Word {
    /// As it was written.
    written: String,
    /// Without its quotes.
    text: String,
    /// It begins with a quote: whatever it holds is looked for as it is.
    phrase: bool,
}

/// Words are parted by spaces, but not between quotes; `\"` is a quote between quotes.
fn words(text: &str) -> Vec<Word> {
    let (mut out, mut word, mut quoted) = (Vec::new(), Word::default(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                word.written.push_str("\\\"");
                word.text.push('"');
            }
            '"' => {
                word.phrase |= word.written.is_empty();
                quoted = !quoted;
                word.written.push('"');
            }
            c if c.is_whitespace() && !quoted => {
                if !word.written.is_empty() {
                    out.push(std::mem::take(&mut word));
                }
            }
            c => {
                word.written.push(c);
                word.text.push(c);
            }
        }
    }
    if !word.written.is_empty() {
        out.push(word);
    }
    out
}

impl Word {
    fn term(&self, messages: bool) -> Option<Term> {
        let word = self.text.as_str();
        if self.phrase {
            return (!word.is_empty()).then(|| Term::Phrase(Literal::new(word)));
        }
        if let Some(not) = word.strip_prefix('!') {
            // In whatever case: who wants something gone wants all of it gone.
            let not = not.to_lowercase();
            return (!not.is_empty()).then(|| {
                let kind = AtomKind::Substring;
                let atom = Atom::new(&not, CaseMatching::Ignore, Normalization::Smart, kind, false);
                Term::Not(atom, Literal::new(&not))
            });
        }
        if let Some(state) = word.strip_prefix("state:") {
            return Some(Term::State(state.to_lowercase()));
        }
        if let Some(group) = word.strip_prefix("group:") {
            return Some(Term::Group(group.to_owned()));
        }
        if let Some(topic) = word.strip_prefix("topic:") {
            return match Dialect::Mqtt.valid_filter(topic) {
                Err(why) if messages && !topic.is_empty() => {
                    Some(Term::Broken(format!("topic:{topic} is no filter: {why}")))
                }
                _ => Some(Term::Topic(topic.to_owned())),
            };
        }
        if messages && let Some(pattern) = word.strip_prefix("payload:") {
            if pattern.is_empty() {
                return None;
            }
            let capitals = pattern.chars().any(char::is_uppercase);
            let made = RegexBuilder::new(pattern).case_insensitive(!capitals).size_limit(COMPILED).build();
            return Some(match made {
                Ok(pattern) => Term::Payload(pattern),
                Err(why) => Term::Broken(format!("payload:{pattern} is no pattern: {why}")),
            });
        }
        if messages && let Some(kind) = word.strip_prefix("kind:") {
            return Some(Term::Kind(kind.to_lowercase()));
        }
        if let Some((name, sign, value)) = Sign::split(word) {
            match (name, quantity(value)) {
                ("size", Some(limit)) => return Some(Term::Size(sign, limit)),
                ("rate", Some(limit)) if !messages => return Some(Term::Rate(sign, limit)),
                _ => {}
            }
            if messages && let Some(path) = Path::parse(name, sign, value) {
                return Some(Term::Path(path));
            }
        }
        // Letters strewn over a name are looked for only where that is asked for: `sd02` would find what nobody meant.
        let (word, kind) = match word.strip_prefix('~') {
            Some(fuzzy) => (fuzzy, AtomKind::Fuzzy),
            None => (word, AtomKind::Substring),
        };
        (!word.is_empty()).then(|| {
            let atom = Atom::new(word, CaseMatching::Smart, Normalization::Smart, kind, false);
            Term::Word(atom, Literal::new(word))
        })
    }
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
    fn a_state_of_several_words_stands_between_quotes() {
        let subject = |state| Subject { state: Some(state), ..Subject::text("Thing01") };
        for filter in ["state:\"not held\"", "state:\"NOT HELD\"", "state:not"] {
            assert!(accepts(filter, &subject("NOT HELD")), "{filter}");
            assert!(!accepts(filter, &subject("NO DATA")), "{filter}");
        }
    }

    #[test]
    fn letters_have_two_cases_in_every_script() {
        let payload = "{\"ort\": \"KÖLN\", \"\\u0074emp\": 7}";
        let subject = Subject { payload: Some(payload.as_bytes()), ..Subject::text("Überlauf") };
        let accepts = |filter: &str| Filter::of_messages(filter).accepts(&subject, &mut matcher());
        for yes in ["köln", "\"köln\"", "überlauf", "KÖLN", "temp>6", "!münchen"] {
            assert!(accepts(yes), "{yes}");
        }
        for no in ["!köln", "!überlauf", "!KÖLN", "Köln", "temp>7"] {
            assert!(!accepts(no), "{no}");
        }
    }

    #[test]
    fn unknown_does_not_match() {
        let subject = Subject::text("Thing01");
        for no in ["size<1k", "rate<1", "state:ok", "group:g", "topic:#"] {
            assert!(!accepts(no, &subject), "{no}");
        }
        for no in ["payload:.*", "temperature>0", "kind:tele"] {
            assert!(!Filter::of_messages(no).accepts(&subject, &mut matcher()), "{no}");
        }
    }

    #[test]
    fn a_payload_is_searched_by_words_phrases_patterns_and_paths() {
        let payload = r#"{"temperature": 51.5, "State": {"mode": "Full Speed", "list": [3, 4]}, "ok": true}"#;
        let subject = Subject {
            kind: Some("shadow"),
            size: Some(84.0),
            payload: Some(payload.as_bytes()),
            on_topic: &|t| topic_matches(t, "dt/7/temp"),
            ..Subject::text("Thing02 dt/7/temp")
        };
        let accepts = |filter: &str| Filter::of_messages(filter).accepts(&subject, &mut matcher());
        for yes in [
            "thing02",
            "speed",
            "\"full speed\"",
            "\"Full Speed\" thing02",
            "payload:temp.*51",
            "payload:\"full sp.ed\"",
            "temperature>50",
            "temperature>=51.5",
            "State.mode=\"Full Speed\"",
            "State.list.1=4",
            "ok=true",
            "ok!=false",
            "kind:sh",
            "topic:dt/+/temp size<1k",
            "!absent",
        ] {
            assert!(accepts(yes), "{yes}");
        }
        for no in [
            "absent",
            "\"speed full\"",
            "\"FULL\"",
            "payload:^x",
            "temperature>52",
            "temperature.x>1",
            "State.list.7=4",
            "missing!=1",
            "kind:job",
            "!speed",
            "speed absent",
        ] {
            assert!(!accepts(no), "{no}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_said() {
        for (filter, says) in
            [("payload:[a", "payload:[a is no pattern"), ("topic:a+/b", "topic:a+/b is no filter")]
        {
            let filter = Filter::of_messages(filter);
            assert!(filter.broken().is_some_and(|why| why.starts_with(says)), "{:?}", filter.broken());
        }
        assert_eq!(Filter::of_messages("temperature>warm").broken(), None, "a word like others");
    }

    #[test]
    fn what_was_found_is_marked_between_characters() {
        let filter = Filter::of_messages("ö payload:b+ \"c d\"");
        let text = "aöbb c d ö";
        let marks: Vec<&str> = filter.marks(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(marks, ["ö", "bb", "c d", "ö"]);
    }

    #[test]
    fn topics_match_as_mqtt_does() {
        assert!(topic_matches("a/#", "a/b/c"));
        assert!(topic_matches("a/#", "a"));
        assert!(topic_matches("+/b", "a/b"));
        assert!(!topic_matches("a/+", "a/b/c"));
        assert!(!topic_matches("a", "a/b"));
    }

    proptest::proptest! {
        #[test]
        fn no_filter_and_no_payload_is_too_much(filter in "\\PC{0,40}", payload in proptest::collection::vec(0u8.., 0..200)) {
            let subject = Subject { payload: Some(&payload), ..Subject::text("Thing02 dt/7") };
            let filter = Filter::of_messages(&filter);
            filter.accepts(&subject, &mut matcher());
            let text = quell_fleet::text::SafeText::from_bytes(&payload);
            for range in filter.marks(text.as_str()) {
                proptest::prop_assert!(text.as_str().get(range).is_some());
            }
        }
    }

    #[test]
    fn mutated_filters_are_survived() {
        use crate::mutate::{self, Rng, SEED};
        let (mut rng, texts) = (Rng::with_seed(SEED), mutate::texts("tests/corpus/filters"));
        let (mut matcher, subject) = (matcher(), Subject::text("Sensor\u{e9}Device02 \u{202e}"));
        let pieces = &["state:", "size>", "rate<", "topic:", "~", "!", "1e400k"];
        for _ in 0..5_000 {
            let filter = Filter::parse(&mutate::mutated(&texts, pieces, &mut rng));
            let _ = (filter.accepts(&subject, &mut matcher), filter.query());
        }
    }
}
