//! Reads `constraints.txt`.
//!
//! A line is a shape or a member of an operation's input; a shape stands before those that use it, and one without
//! constraints is `-`:
//!
//! ```text
//! service Iot
//! string ThingName 1..128 [a-zA-Z0-9:_-]+
//! enum LogLevel DEBUG|INFO
//! number MaxResults 1..250
//! double IncrementFactor 1.1..5
//! list Names 1..10 ThingName
//! map Attributes ..  AttributeName AttributeValue
//! struct Tag Key!:TagKey Value:TagValue
//! op ListThings
//!   query maxResults:MaxResults
//!   path t=thingName!:ThingName
//! ```

use std::collections::HashMap;
use std::sync::LazyLock;

use regex_lite::Regex;

use crate::api::Service;

/// Bounds of a length or a value, both ends included.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
}

/// What a value must be like.
pub(super) enum Shape {
    /// Characters, and the pattern as AWS writes and as this reads it.
    Text(Bounds, Option<(&'static str, Regex)>),
    /// One of these.
    Enum(Vec<&'static str>),
    /// A number, and whether AWS reads it as one with a fraction.
    Number(Bounds, bool),
    /// So many, each of a shape.
    List(Bounds, Option<usize>),
    /// Keys and values.
    Map(Option<usize>, Option<usize>),
    /// Named members.
    Struct(Vec<Field>),
}

/// A member of a structure.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) required: bool,
    pub(super) shape: Option<usize>,
}

/// Where a request carries a member of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Query,
    Header,
    /// A member of the JSON body.
    Body,
    /// The whole JSON body.
    Payload,
}

/// A member of an operation's input.
pub(super) struct Member {
    pub(super) place: Place,
    /// Its name on the wire.
    pub(super) wire: &'static str,
    /// The name AWS's messages call it by.
    pub(super) field: Field,
}

/// Everything of the file.
pub(super) struct Model {
    pub(super) shapes: Vec<Shape>,
    pub(super) operations: HashMap<(Service, &'static str), Vec<Member>>,
    /// Lines that were not understood; a test holds this at none.
    pub(super) strange: Vec<&'static str>,
}

/// The model, read when the first request comes.
pub(super) static MODEL: LazyLock<Model> = LazyLock::new(|| read(include_str!("constraints.txt")));

fn read(text: &'static str) -> Model {
    let mut model = Model { shapes: Vec::new(), operations: HashMap::new(), strange: Vec::new() };
    let mut names: HashMap<&'static str, usize> = HashMap::new();
    let mut service = Service::Iot;
    let mut op = "";
    for line in text.lines() {
        let (kind, rest) = line.trim_start().split_once(' ').unwrap_or((line, ""));
        if kind == "service" {
            names.clear();
            service = match rest {
                "IotData" => Service::IotData,
                "JobsData" => Service::JobsData,
                _ => Service::Iot,
            };
        } else if kind == "op" {
            op = rest;
        } else if let Some(place) = place(kind) {
            match member(place, rest, &names) {
                Some(member) => model.operations.entry((service, op)).or_default().push(member),
                None => model.strange.push(line),
            }
        } else if let Some((name, shape)) = shape(kind, rest, &names) {
            names.insert(name, model.shapes.len());
            model.shapes.push(shape);
        } else {
            model.strange.push(line);
        }
    }
    model
}

fn place(kind: &str) -> Option<Place> {
    Some(match kind {
        "path" => Place::Path,
        "query" => Place::Query,
        "header" => Place::Header,
        "body" => Place::Body,
        "payload" => Place::Payload,
        _ => return None,
    })
}

fn member(place: Place, text: &'static str, names: &HashMap<&'static str, usize>) -> Option<Member> {
    let (wire, said) = text.split_once('=').unwrap_or((text, text));
    let field = field(said, names)?;
    let wire = if said == text { field.name } else { wire };
    Some(Member { place, wire, field })
}

fn field(text: &'static str, names: &HashMap<&'static str, usize>) -> Option<Field> {
    let (name, shape) = text.split_once(':')?;
    let required = name.ends_with('!');
    Some(Field { name: name.trim_end_matches('!'), required, shape: reference(shape, names)? })
}

/// `-` is no shape; a name must be known.
fn reference(name: &str, names: &HashMap<&'static str, usize>) -> Option<Option<usize>> {
    if name == "-" { Some(None) } else { names.get(name).copied().map(Some) }
}

fn bounds(text: &str) -> Option<Bounds> {
    let (low, high) = text.split_once("..")?;
    Some(Bounds { low: low.parse().ok(), high: high.parse().ok() })
}

fn shape(
    kind: &str,
    rest: &'static str,
    names: &HashMap<&'static str, usize>,
) -> Option<(&'static str, Shape)> {
    let (name, rest) = rest.split_once(' ')?;
    let shape = match kind {
        "string" => {
            let (limits, pattern) = rest.split_once(' ').unwrap_or((rest, ""));
            let pattern = match pattern {
                "" => None,
                written => Some((written, regex(written)?)),
            };
            Shape::Text(bounds(limits)?, pattern)
        }
        "enum" => Shape::Enum(rest.split('|').collect()),
        "number" => Shape::Number(bounds(rest)?, false),
        "double" => Shape::Number(bounds(rest)?, true),
        "list" => {
            let (limits, item) = rest.split_once(' ')?;
            Shape::List(bounds(limits)?, reference(item, names)?)
        }
        "map" => {
            let mut words = rest.split(' ').skip(1);
            Shape::Map(reference(words.next()?, names)?, reference(words.next()?, names)?)
        }
        "struct" => Shape::Struct(rest.split(' ').map(|f| field(f, names)).collect::<Option<_>>()?),
        _ => return None,
    };
    Some((name, shape))
}

/// A pattern of the models (Java's) as one for the whole value. Of Java's classes only those in use are known.
fn regex(written: &str) -> Option<Regex> {
    let ours = written
        .replace("\\p{Graph}", "!-~")
        .replace("\\p{Upper}", "A-Z")
        .replace("\\p{Digit}", "0-9")
        .replace("[^\\p{Cntrl}]", "[^\\x00-\\x1f\\x7f]")
        .replace("[^\\p{C}]", "[^\\x00-\\x1f\\x7f-\\x9f]")
        // Letters, spaces and digits of any script: all that is not ASCII is taken for one.
        .replace("\\p{L}\\p{Z}\\p{N}", "a-zA-Z0-9 \\u{a0}-\\u{10ffff}");
    Regex::new(&format!("^(?:{ours})$")).ok()
}
