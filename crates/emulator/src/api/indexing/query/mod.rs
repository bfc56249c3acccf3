//! The fleet-indexing query language: what a query says, and whether a document fits it. Pure.
//!
//! Terms, phrases, fields, wildcards, ranges, comparisons, `AND` (also between neighbours), `OR`, `NOT` (also `-`), groups
//! and field groups, as in AWS's documentation of the query syntax. Values are compared without regard to case, words of a
//! text each for themselves.

mod geo;
mod parse;

use std::borrow::Cow;

use quell_rules::policy::Glob;

pub use geo::{Order, Place, place_of};

/// One value of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Leaf<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// A number.
    Number(f64),
    /// True or false.
    Bool(bool),
}

impl Leaf<'_> {
    /// As a number: texts that are one, and 1 and 0 for true and false.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Text(text) => text.parse().ok().filter(|n: &f64| n.is_finite()),
            Self::Number(n) => Some(*n),
            Self::Bool(b) => Some(f64::from(u8::from(*b))),
        }
    }

    /// As the text it is shown as.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Number(n) => Cow::Owned(n.to_string()),
            Self::Bool(b) => Cow::Borrowed(if *b { "true" } else { "false" }),
        }
    }
}

/// What can be searched.
pub trait Document {
    /// Gives the values of a field, one after another, until one is wanted; true when one was.
    fn field(&self, name: &str, wanted: &mut dyn FnMut(Leaf<'_>) -> bool) -> bool;

    /// Gives the values of all fields a term without field looks at.
    fn any(&self, wanted: &mut dyn FnMut(Leaf<'_>) -> bool) -> bool;

    /// Where the thing is by a field that holds locations.
    fn place(&self, name: &str) -> Option<Place>;
}

/// A parsed query.
#[derive(Debug)]
pub struct Query(Node);

#[derive(Debug)]
enum Node {
    Everything,
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Term { field: Option<String>, test: Test },
    Near { field: String, circle: geo::Circle },
}

/// What a value must be. Texts are in lower case.
#[derive(Debug)]
enum Test {
    Exists,
    Equal { text: String, number: Option<f64> },
    Wild(Glob),
    Phrase(Vec<String>),
    Range { low: Option<Bound>, high: Option<Bound> },
}

/// One end of a range.
#[derive(Debug)]
struct Bound {
    text: String,
    number: Option<f64>,
    included: bool,
}

impl Query {
    /// Reads a query; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse::parse(text).map(Self)
    }

    /// Does the document fit?
    pub fn matches(&self, document: &impl Document) -> bool {
        self.0.matches(document)
    }

    /// A field that a geo query asks and that holds no locations, as far as is `known`.
    pub fn unplaced(&self, known: &dyn Fn(&str) -> bool) -> Option<&str> {
        self.0.unplaced(known)
    }

    /// Does some term name a field that begins so?
    pub fn names_field(&self, prefix: &str) -> bool {
        self.0.names_field(prefix)
    }
}

impl Node {
    fn matches(&self, document: &impl Document) -> bool {
        match self {
            Self::Everything => true,
            Self::And(all) => all.iter().all(|n| n.matches(document)),
            Self::Or(any) => any.iter().any(|n| n.matches(document)),
            Self::Not(node) => !node.matches(document),
            Self::Near { field, circle } => document.place(field).is_some_and(|place| circle.holds(place)),
            Self::Term { field: Some(field), test } => document.field(field, &mut |leaf| test.holds(&leaf)),
            Self::Term { field: None, test } => document.any(&mut |leaf| test.holds(&leaf)),
        }
    }

    fn names_field(&self, prefix: &str) -> bool {
        match self {
            Self::Everything => false,
            Self::And(nodes) | Self::Or(nodes) => nodes.iter().any(|n| n.names_field(prefix)),
            Self::Not(node) => node.names_field(prefix),
            Self::Near { field, .. } => field.starts_with(prefix),
            Self::Term { field, .. } => field.as_deref().is_some_and(|f| f.starts_with(prefix)),
        }
    }

    fn unplaced(&self, known: &dyn Fn(&str) -> bool) -> Option<&str> {
        match self {
            Self::Everything | Self::Term { .. } => None,
            Self::And(nodes) | Self::Or(nodes) => nodes.iter().find_map(|n| n.unplaced(known)),
            Self::Not(node) => node.unplaced(known),
            Self::Near { field, .. } => (!known(field)).then_some(field),
        }
    }
}

fn lower(text: &str) -> Cow<'_, str> {
    if text.is_ascii() && !text.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.to_lowercase())
    }
}

impl Test {
    fn holds(&self, leaf: &Leaf<'_>) -> bool {
        match self {
            Self::Exists => true,
            Self::Equal { text, number } => match (leaf, number) {
                (Leaf::Number(n), Some(wanted)) => n == wanted,
                (Leaf::Number(_), None) => false,
                (Leaf::Bool(b), _) => text == if *b { "true" } else { "false" },
                (Leaf::Text(held), _) => {
                    let held = lower(held);
                    held == *text || held.split_whitespace().any(|word| word == text)
                }
            },
            Self::Wild(glob) => {
                let text = leaf.text();
                let text = lower(&text);
                glob.matches(&text) || text.split_whitespace().any(|word| glob.matches(word))
            }
            Self::Phrase(words) => {
                let text = leaf.text();
                let text = lower(&text);
                let held: Vec<&str> = text.split_whitespace().collect();
                words.is_empty() || held.windows(words.len()).any(|w| w.iter().eq(words.iter()))
            }
            Self::Range { low, high } => {
                let above = |b: &Bound| b.compare(leaf).is_some_and(|o| o.is_gt() || o.is_eq() && b.included);
                let below = |b: &Bound| b.compare(leaf).is_some_and(|o| o.is_lt() || o.is_eq() && b.included);
                low.as_ref().is_none_or(above) && high.as_ref().is_none_or(below)
            }
        }
    }
}

impl Bound {
    /// The value compared with this end: as numbers when the end is one, else as texts.
    fn compare(&self, leaf: &Leaf<'_>) -> Option<std::cmp::Ordering> {
        match self.number {
            Some(number) => match leaf {
                Leaf::Bool(_) => None,
                leaf => leaf.number()?.partial_cmp(&number),
            },
            None => match leaf {
                Leaf::Text(text) => Some(lower(text).as_ref().cmp(self.text.as_str())),
                _ => None,
            },
        }
    }
}

#[cfg(test)]
mod tests;
