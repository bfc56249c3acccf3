//! AWS IoT SQL: what a topic rule selects, from which topics, and when (docs/aws-iot.md#4.6).
//!
//! Pure: a statement and a message in, an outcome out. No account, no clock, no I/O, so that the same code can answer
//! "would this rule have fired on these messages?" anywhere: the emulator's `api/rules` runs rules with it, and the console
//! tells with it, before a rule is written, what it would make of the messages heard.
//!
//! * `lex.rs`, `parse/`, `ast.rs`: text to tree, with the position of whatever is wrong.
//! * `eval.rs`, `functions/`: tree and message to value. `Undefined` is [`None`].
//! * `explain.rs`: what can never match, known without a message.
//! * `template.rs`: `${…}` in the parameters of an action.
//!
//! Numbers are 64-bit integers and doubles where AWS has 34 decimal digits. The functions that call other services
//! (`aws_lambda`, `get_dynamodb`, `get_secret`, `machinelearning_predict`, …) are parsed, so that a rule of AWS can be read;
//! [`Statement::unmodelled`] names them, for whoever has to run the rule and would have to make something up.
//!
//! Statements and payloads come from outside: depth and length of a statement are bounded when it is parsed, and what its
//! evaluation may cost by `eval::Work`.

mod ast;
mod eval;
mod explain;
mod functions;
mod lex;
mod parse;
mod template;
mod value;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

pub use explain::Remark;
pub use template::Template;

/// The dialect, `awsIotSqlVersion`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Version {
    /// `2015-10-08`: what an omitted version means. No literals, no nested queries, fewer functions.
    #[default]
    V2015_10_08,
    /// `2016-03-23`.
    V2016_03_23,
}

impl Version {
    /// The version of that name; `beta` is the newest. `None` when AWS has no such version.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "2015-10-08" => Some(Self::V2015_10_08),
            "2016-03-23" | "beta" => Some(Self::V2016_03_23),
            _ => None,
        }
    }

    /// The name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2015_10_08 => "2015-10-08",
            Self::V2016_03_23 => "2016-03-23",
        }
    }
}

/// Why a statement or template is not AWS IoT SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// Byte offset of what is wrong.
    pub at: usize,
    /// 1-based line and column (in characters) of `at`.
    pub line_column: (usize, usize),
    /// What was expected or is not allowed there.
    pub message: String,
}

impl SqlError {
    fn new(source: &str, at: usize, message: impl Into<String>) -> Self {
        let before = source.get(..at).unwrap_or(source);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { at, line_column: (line, column), message: message.into() }
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_column;
        write!(f, "SQL error at line {line}, column {column}: {}", self.message)
    }
}

impl std::error::Error for SqlError {}

/// Gives a thing's shadow document, classic or named; for `get_thing_shadow`.
pub type ShadowLookup<'a> = &'a dyn Fn(&str, Option<&str>) -> Option<Value>;

/// Answers `DescribeThing` or `ListThingGroupsForThing` about a thing, as the registry does; for `get_registry_data`.
pub type RegistryLookup<'a> = &'a dyn Fn(&str, &str) -> Option<Value>;

/// The MQTT 5 properties of a PUBLISH that rules can read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Properties<'a> {
    /// What the payload is.
    pub content_type: Option<&'a str>,
    /// The payload format indicator: UTF-8 text.
    pub utf8: bool,
    /// Where an answer is wanted.
    pub response_topic: Option<&'a str>,
    /// What the answer is to carry.
    pub correlation_data: Option<&'a [u8]>,
    /// Names and values, in order.
    pub user_properties: &'a [(String, String)],
}

/// A published message and what the functions of the language tell about it.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// The topic it was published to.
    pub topic: &'a str,
    /// Its payload.
    pub payload: &'a [u8],
    /// The MQTT client id; `None` when it was not published over MQTT (`clientid()` is then `n/a`).
    pub client_id: Option<&'a str>,
    /// The certificate id or user id it was published with.
    pub principal: Option<&'a str>,
    /// The publisher's address.
    pub source_ip: Option<&'a str>,
    /// Epoch milliseconds of the evaluation, `timestamp()`.
    pub now_ms: i64,
    /// The account that owns the rule.
    pub account_id: &'a str,
    /// `traceid()`.
    pub trace_id: &'a str,
    /// Shadows, when they can be looked up.
    pub shadow: Option<ShadowLookup<'a>>,
    /// The registry, likewise.
    pub registry: Option<RegistryLookup<'a>>,
    /// Its properties; `None` when it was not published with MQTT 5, or they are not known.
    pub properties: Option<Properties<'a>>,
}

/// What a rule makes of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// `WHERE` is not true: the rule does not run.
    NotSelected,
    /// The statement needs fields and the payload is not JSON: the rule does not run and a `ParseError` is counted.
    ParseError,
    /// It would take more work, or make more of a message, than a rule may: it does not run.
    TooMuch,
    /// The payload handed to the actions. Nothing at all when a `SELECT VALUE` came to Undefined.
    Selected(Bytes),
}

/// A variable of SET and its expression, which may use the variables before it.
type Variable = (String, ast::Expr);

/// A parsed rule statement.
#[derive(Clone, Debug)]
pub struct Statement {
    select: ast::Select,
    /// The topic filter of `FROM`; `None` for a rule only reached through Basic Ingest.
    pub from: Option<String>,
    version: Version,
    /// What SET gives values, in order.
    variables: Arc<[Variable]>,
    /// It needs a payload that is JSON.
    document: bool,
    unmodelled: Option<SqlError>,
    /// What it asks beside the message that was heard.
    elsewhere: Option<SqlError>,
}

impl Statement {
    /// Parses a statement. Errors carry the position.
    pub fn parse(sql: &str, version: Version) -> Result<Self, SqlError> {
        parse::statement(sql, version)
    }

    /// Judges a message. The topic is not compared with [`Statement::from`]: Basic Ingest reaches a rule by its name.
    pub fn evaluate(&self, message: &Message<'_>) -> Outcome {
        eval::statement(self, message)
    }

    /// The first thing it asks for that only AWS can tell, by name and place: [`Statement::evaluate`] has Undefined for it.
    pub fn unmodelled(&self) -> Option<&SqlError> {
        self.unmodelled.as_ref()
    }

    /// Parses a parameter of one of its actions, which may use the variables of SET.
    ///
    /// # Errors
    /// What is no substitution template, with its position.
    pub fn template(&self, source: &str) -> Result<Template, SqlError> {
        Template::parse(source, self.version, &self.variables)
    }

    /// The dialect it was parsed as.
    pub fn version(&self) -> Version {
        self.version
    }
}
