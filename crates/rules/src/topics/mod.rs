//! Topic names and topic filters: what a filter brings, what two filters share, and which of them a broker takes.
//!
//! It is asked in many places (what to subscribe, which connection hears a thing, which rule runs, what a dimension counts),
//! and the answers must agree: a filter that one place believes to be covered and another does not is a topic nobody
//! listens to. There are two dialects, and they differ where it matters: on AWS IoT `a/#` does not bring `a`
//! (docs/aws-iot.md#3.3).
//!
//! Filters given to [`Dialect::matches`], [`Dialect::covers`], [`Dialect::meets`] and [`Dialect::intersection`] are meant to
//! be valid; one that is not matches nothing or next to nothing, and nothing panics.

mod tree;

pub use tree::Tree;

/// What a shared subscription begins with.
const SHARE: &str = "$share/";
/// What topics of Basic Ingest begin with: they go to one rule and to nobody else.
const BASIC_INGEST: &str = "$aws/rules/";

/// Whose rules for topics are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// MQTT as its specification has it (3.1.1 and 5, section 4.7): `a/#` brings `a` too.
    Mqtt,
    /// AWS IoT (docs/aws-iot.md#3.3): `a/#` does not bring `a`, and topics are short and shallow.
    Aws,
}

/// Why a topic or a topic filter is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// It is empty.
    Empty,
    /// It has more bytes than this, not counting the prefix of Basic Ingest or of a shared subscription.
    TooLong(usize),
    /// It has more slashes than this, not counting those prefixes.
    TooDeep(usize),
    /// `#` stands elsewhere than alone in the last level, or `+` shares its level.
    Wildcard,
    /// It is a topic and has a wildcard in it.
    Wild,
    /// It holds U+0000.
    Null,
    /// It begins as a shared subscription and is none: `$share/GROUP/FILTER`.
    Share,
}

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::TooLong(most) => write!(f, "it is longer than {most} bytes"),
            Self::TooDeep(most) => write!(f, "it has more than {most} slashes"),
            Self::Wildcard => f.write_str("a + must fill a whole level, and a # be the whole last one"),
            Self::Wild => f.write_str("it is a topic: + and # are for filters"),
            Self::Null => f.write_str("it holds a null character"),
            Self::Share => f.write_str("a shared subscription is written $share/GROUP/FILTER"),
        }
    }
}

impl std::error::Error for Invalid {}

impl Dialect {
    /// Does `filter` bring a message on `topic`? A wildcard in the first level never stands for one that begins with `$`.
    /// A shared subscription matches what its filter matches.
    pub fn matches(self, filter: &str, topic: &str) -> bool {
        let filter = unshared(filter);
        if topic.starts_with('$') && filter.starts_with(['+', '#']) {
            return false;
        }
        let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
        loop {
            match (filter.next(), topic.next()) {
                (Some("#"), level) => {
                    return filter.next().is_none() && (level.is_some() || self == Self::Mqtt);
                }
                (None, None) => return true,
                (Some("+"), Some(_)) => {}
                (Some(wanted), Some(level)) if wanted == level => {}
                _ => return false,
            }
        }
    }

    /// Does `wider` bring everything that `narrower` brings? A shared subscription brings a part only: it covers nothing
    /// but itself.
    pub fn covers(self, wider: &str, narrower: &str) -> bool {
        if wider == narrower {
            return true;
        }
        if shared(wider).is_some() {
            return false;
        }
        let (wide, narrow) = (Form::of(self, wider), Form::of(self, unshared(narrower)));
        if wide.begins_wild() && narrow.begins_reserved() {
            return false;
        }
        let long_enough =
            if wide.open { narrow.least >= wide.least } else { !narrow.open && narrow.least == wide.least };
        long_enough
            && wide.levels.iter().enumerate().all(|(i, level)| *level == "+" || narrow.level(i) == *level)
    }

    /// Is there a topic that both filters bring?
    pub fn meets(self, a: &str, b: &str) -> bool {
        let (a, b) = (Form::of(self, unshared(a)), Form::of(self, unshared(b)));
        if a.begins_wild() && b.begins_reserved() || b.begins_wild() && a.begins_reserved() {
            return false;
        }
        let lengths = match (a.open, b.open) {
            (true, true) => true,
            (true, false) => b.least >= a.least,
            (false, true) => a.least >= b.least,
            (false, false) => a.least == b.least,
        };
        lengths && a.levels.iter().zip(&b.levels).all(|(a, b)| a == b || *a == "+" || *b == "+")
    }

    /// The filter of the topics that both filters bring; `None` when there is no such topic.
    pub fn intersection(self, a: &str, b: &str) -> Option<String> {
        if !self.meets(a, b) {
            return None;
        }
        let (a, b) = (Form::of(self, unshared(a)), Form::of(self, unshared(b)));
        // What ends says where both end; of two that go on, the longer one.
        let length = match (a.open, b.open) {
            (true, true) => a.levels.len().max(b.levels.len()),
            (true, false) => b.levels.len(),
            (false, _) => a.levels.len(),
        };
        let levels = (0..length).map(|i| match a.level(i) {
            "+" => b.level(i),
            level => level,
        });
        let levels: Vec<&str> = levels.chain((a.open && b.open).then_some("#")).collect();
        Some(levels.join("/"))
    }

    /// Is it a filter that can be subscribed to? Shared subscriptions are.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn valid_filter(self, filter: &str) -> Result<(), Invalid> {
        let filter = match shared(filter) {
            Some(("", _)) => return Err(Invalid::Share),
            Some((group, _)) if group.contains(['+', '#']) => return Err(Invalid::Share),
            Some((_, filter)) => filter,
            None if filter.starts_with(SHARE) => return Err(Invalid::Share),
            None => filter,
        };
        self.valid_size(filter)?;
        let mut levels = filter.split('/').peekable();
        while let Some(level) = levels.next() {
            let fills = match level {
                "+" => true,
                "#" => levels.peek().is_none(),
                other => !other.contains(['+', '#']),
            };
            if !fills {
                return Err(Invalid::Wildcard);
            }
        }
        Ok(())
    }

    /// Is it a topic that can be published to? Who may is another question.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn valid_topic(self, topic: &str) -> Result<(), Invalid> {
        self.valid_size(topic)?;
        if topic.contains(['+', '#']) { Err(Invalid::Wild) } else { Ok(()) }
    }

    fn valid_size(self, text: &str) -> Result<(), Invalid> {
        if text.is_empty() {
            return Err(Invalid::Empty);
        }
        if text.contains('\0') {
            return Err(Invalid::Null);
        }
        let (bytes, slashes) = match self {
            Self::Mqtt => (65_535, usize::MAX),
            Self::Aws => (256, 7),
        };
        let counted = match text.strip_prefix(BASIC_INGEST) {
            Some(rest) if self == Self::Aws => rest.split_once('/').map_or("", |(_, topic)| topic),
            _ => text,
        };
        if counted.len() > bytes {
            return Err(Invalid::TooLong(bytes));
        }
        if counted.bytes().filter(|byte| *byte == b'/').count() > slashes {
            return Err(Invalid::TooDeep(slashes));
        }
        Ok(())
    }
}

/// True when a filter can bring more than one topic.
pub fn is_wild(filter: &str) -> bool {
    unshared(filter).split('/').any(|level| level == "+" || level == "#")
}

/// The group and the filter of a shared subscription, `$share/GROUP/FILTER`; `None` for any other filter.
pub fn shared(filter: &str) -> Option<(&str, &str)> {
    filter.strip_prefix(SHARE)?.split_once('/')
}

fn unshared(filter: &str) -> &str {
    shared(filter).map_or(filter, |(_, filter)| filter)
}

/// A filter as a set of topics: those that begin with these levels, and how long they are.
struct Form<'a> {
    /// The levels before `#`.
    levels: Vec<&'a str>,
    /// How many levels a topic has; at least, when [`Self::open`].
    least: usize,
    /// It ends in `#`.
    open: bool,
}

impl<'a> Form<'a> {
    fn of(dialect: Dialect, filter: &'a str) -> Self {
        let mut levels: Vec<&str> = filter.split('/').collect();
        let open = levels.pop_if(|last| *last == "#").is_some();
        let least = match dialect {
            Dialect::Aws if open => levels.len() + 1,
            // A topic has at least one level, and is not empty.
            Dialect::Mqtt if open && levels == [""] => 2,
            _ => levels.len().max(1),
        };
        Self { levels, least, open }
    }

    /// What stands at a level; after `#` anything may.
    fn level(&self, at: usize) -> &'a str {
        self.levels.get(at).copied().unwrap_or("+")
    }

    /// True when a wildcard stands for the first level.
    fn begins_wild(&self) -> bool {
        self.level(0) == "+"
    }

    /// True for a filter of topics that begin with `$`.
    fn begins_reserved(&self) -> bool {
        self.level(0).starts_with('$')
    }
}
