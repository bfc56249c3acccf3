//! What a key of the configuration is: its name and bounds, what is said about it, and how its value is read from a file,
//! shown, and taken over while quell runs. The keys themselves are one table, beside the settings they set.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::{DeserializeOwned, IntoDeserializer as _};
use serde_json::{Value, json};
use toml::Spanned;
use toml::de::DeValue;

use quell_rules::detect::profile::SecurityProfile;

use super::flags::Common;
use super::load::{check_filter, parse_size, security_profiles};
use super::{MqttVersion, ScreenSize, Secret, Settings, ThingFrom};

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    File,
    Flag,
    Integer(u64, u64),
    Number(f64, f64),
    List,
    OneOf(&'static [&'static str]),
}

/// From when on a changed value holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// At once.
    Live,
    /// From the next start.
    Start,
}

/// A command line flag that sets a key too.
#[derive(Debug)]
pub(super) struct Flag {
    pub(super) name: &'static str,
    /// Whether it was given.
    pub(super) given: fn(&Common) -> bool,
}

/// A key of the configuration file.
#[derive(Debug)]
pub(super) struct Key {
    /// As written in the file, with its table: `mqtt.url`.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// TOML, as shown in the template.
    pub(super) example: &'static str,
    /// Environment variables, the winner first.
    pub(super) env: &'static [&'static str],
    pub(super) flag: Option<Flag>,
    pub(super) says: &'static str,
    pub(super) holds: Holds,
    /// The value in force, as JSON; a secret is shown as `(set)`.
    pub(super) get: fn(&Settings) -> Value,
    /// Sets it to what the file says.
    pub(super) read: fn(&mut Settings, &Written<'_>) -> Result<(), Wrong>,
    /// Takes it over from other settings.
    pub(super) keep: fn(&mut Settings, &Settings),
}

/// Makes the table of keys: name, field of the settings and how it is written, kind, from when on a change holds, example,
/// environment variables, flag and its field, and what it does.
macro_rules! keys {
    ($($name:literal $($field:ident).+ as $codec:ident, $kind:expr, $holds:ident, $example:literal,
       [$($env:literal),*], [$($flag:literal $given:ident)?], $says:literal;)*) => {
        &[$($crate::config::key::Key {
            name: $name,
            kind: $kind,
            example: $example,
            env: &[$($env),*],
            flag: $crate::config::key::keys!(@flag $($flag $given)?),
            says: $says,
            holds: $crate::config::key::Holds::$holds,
            get: |settings| $crate::config::key::$codec::show(&settings.$($field).+),
            read: |settings, written| {
                settings.$($field).+ = $crate::config::key::$codec::read(written)?;
                Ok(())
            },
            keep: |to, from| to.$($field).+.clone_from(&from.$($field).+),
        }),*]
    };
    (@flag) => { None };
    (@flag $flag:literal $given:ident) => {
        Some($crate::config::key::Flag { name: $flag, given: |common| $crate::config::key::Given::given(&common.$given) })
    };
}
pub(super) use keys;

/// Whether a flag was given.
pub(super) trait Given {
    fn given(&self) -> bool;
}

impl Given for bool {
    fn given(&self) -> bool {
        *self
    }
}

impl<T> Given for Option<T> {
    fn given(&self) -> bool {
        self.is_some()
    }
}

impl<T> Given for Vec<T> {
    fn given(&self) -> bool {
        !self.is_empty()
    }
}

/// What is wrong with a value, and where in the file: bytes from its beginning.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) at: usize,
    pub(super) message: String,
}

/// A value as the file has it.
pub(super) struct Written<'a> {
    pub(super) value: &'a Spanned<DeValue<'a>>,
    pub(super) kind: Kind,
    /// The folder of the file: a relative path is beside it.
    pub(super) folder: &'a Path,
}

impl Written<'_> {
    fn wrong<T>(&self, message: impl Into<String>) -> Result<T, Wrong> {
        Err(Wrong { at: self.value.span().start, message: message.into() })
    }

    fn take<T: DeserializeOwned>(&self) -> Result<T, Wrong> {
        T::deserialize(self.value.clone().into_deserializer()).map_err(|e| Wrong {
            at: e.span().map_or(self.value.span().start, |span| span.start),
            message: e.message().to_owned(),
        })
    }

    /// Checks the bounds of the key.
    fn within(&self, value: &Value) -> Result<(), Wrong> {
        match self.kind {
            Kind::Integer(least, most) if !value.as_u64().is_some_and(|n| (least..=most).contains(&n)) => {
                self.wrong(format!("must be {least} to {most}"))
            }
            Kind::Number(least, most) if !value.as_f64().is_some_and(|n| (least..=most).contains(&n)) => {
                self.wrong(format!("must be {least} to {most}"))
            }
            Kind::OneOf(words) if !value.as_str().is_some_and(|word| words.contains(&word)) => {
                let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
                let (last, first) = quoted
                    .split_last()
                    .map_or((String::new(), String::new()), |(l, f)| (l.clone(), f.join(", ")));
                self.wrong(format!("must be {first} or {last}"))
            }
            _ => Ok(()),
        }
    }

    fn integer(&self) -> Result<u64, Wrong> {
        let number = self.take()?;
        self.within(&json!(number))?;
        Ok(number)
    }

    fn word(&self) -> Result<String, Wrong> {
        let word: String = self.take()?;
        self.within(&json!(word))?;
        Ok(word)
    }
}

/// A value that is written as what it is.
pub(super) struct Plain;

impl Plain {
    pub(super) fn read<T: DeserializeOwned + Serialize>(written: &Written<'_>) -> Result<T, Wrong> {
        let value = written.take()?;
        written.within(&json!(value))?;
        Ok(value)
    }

    pub(super) fn show(value: &impl Serialize) -> Value {
        json!(value)
    }
}

/// A flag that is written as its opposite: `no-aws`.
pub(super) struct Not;

impl Not {
    pub(super) fn read(written: &Written<'_>) -> Result<bool, Wrong> {
        Ok(!written.take::<bool>()?)
    }

    pub(super) fn show(value: &bool) -> Value {
        json!(!value)
    }
}

/// Topic filters.
pub(super) struct Filters;

impl Filters {
    pub(super) fn read(written: &Written<'_>) -> Result<Vec<String>, Wrong> {
        let filters: Vec<Spanned<String>> = written.take()?;
        for filter in &filters {
            check_filter(filter.get_ref()).map_err(|message| Wrong { at: filter.span().start, message })?;
        }
        Ok(filters.into_iter().map(Spanned::into_inner).collect())
    }

    pub(super) fn show(value: &[String]) -> Value {
        json!(value)
    }
}

/// How topics name their things.
pub(super) struct Patterns;

impl Patterns {
    pub(super) fn read(written: &Written<'_>) -> Result<Vec<ThingFrom>, Wrong> {
        let rules: Vec<Spanned<String>> = written.take()?;
        let parsed = rules.iter().map(|rule| {
            ThingFrom::parse(rule.get_ref()).map_err(|message| Wrong { at: rule.span().start, message })
        });
        parsed.collect()
    }

    pub(super) fn show(value: &[ThingFrom]) -> Value {
        value.iter().map(|rule| json!(rule.written())).collect()
    }
}

/// A file of security profiles. The profiles are not shown, only that there are some.
pub(super) struct Profiles;

impl Profiles {
    pub(super) fn read(written: &Written<'_>) -> Result<Vec<SecurityProfile>, Wrong> {
        let path: PathBuf = written.take()?;
        security_profiles(&written.folder.join(path)).or_else(|message| written.wrong(message))
    }

    pub(super) fn show(value: &[SecurityProfile]) -> Value {
        json!(value.len())
    }
}

/// A size: `16MB`.
pub(super) struct Size;

impl Size {
    pub(super) fn read(written: &Written<'_>) -> Result<u64, Wrong> {
        let text: String = written.take()?;
        parse_size(&text).or_else(|message| written.wrong(message))
    }

    pub(super) fn show(value: &u64) -> Value {
        json!(value)
    }
}

/// The size of the screen.
pub(super) struct Screen;

impl Screen {
    pub(super) fn read(written: &Written<'_>) -> Result<Option<ScreenSize>, Wrong> {
        let text: String = written.take()?;
        ScreenSize::parse(&text).map(Some).or_else(|message| written.wrong(message))
    }

    pub(super) fn show(value: &Option<ScreenSize>) -> Value {
        json!(value.map(|size| size.to_string()))
    }
}

/// A time in whole seconds.
pub(super) struct Seconds;

impl Seconds {
    pub(super) fn read(written: &Written<'_>) -> Result<Duration, Wrong> {
        Ok(Duration::from_secs(written.integer()?))
    }

    pub(super) fn show(value: &Duration) -> Value {
        json!(value.as_secs())
    }
}

/// A time in whole minutes.
pub(super) struct Minutes;

impl Minutes {
    pub(super) fn read(written: &Written<'_>) -> Result<Duration, Wrong> {
        Ok(Duration::from_secs(written.integer()?.saturating_mul(60)))
    }

    pub(super) fn show(value: &Duration) -> Value {
        json!(value.as_secs() / 60)
    }
}

/// The version of MQTT.
pub(super) struct Version;

impl Version {
    pub(super) fn read(written: &Written<'_>) -> Result<MqttVersion, Wrong> {
        Ok(match written.word()?.as_str() {
            "5" => MqttVersion::V5,
            "3.1.1" => MqttVersion::V4,
            _ => MqttVersion::Auto,
        })
    }

    pub(super) fn show(value: &MqttVersion) -> Value {
        json!(match value {
            MqttVersion::Auto => "auto",
            MqttVersion::V4 => "3.1.1",
            MqttVersion::V5 => "5",
        })
    }
}

/// Whether the stream is narrowed to what matters: `auto`, or `all`.
pub(super) struct Stream;

impl Stream {
    pub(super) fn read(written: &Written<'_>) -> Result<bool, Wrong> {
        Ok(written.word()? == "auto")
    }

    pub(super) fn show(value: &bool) -> Value {
        json!(if *value { "auto" } else { "all" })
    }
}

/// A client id. AWS: 128 bytes; with # or + in it there are no lifecycle events, with $ no connection APIs
/// (docs/aws-iot.md#3.3).
pub(super) struct ClientId;

impl ClientId {
    pub(super) fn read(written: &Written<'_>) -> Result<Option<String>, Wrong> {
        let id: String = written.take()?;
        if id.is_empty() || id.len() > 128 || id.contains(['#', '+', '$', '\0']) {
            return written.wrong("must be 1 to 128 bytes without #, + and $");
        }
        Ok(Some(id))
    }

    pub(super) fn show(value: &Option<String>) -> Value {
        json!(value)
    }
}

/// A file that holds a secret.
pub(super) struct SecretFile;

impl SecretFile {
    pub(super) fn read(written: &Written<'_>) -> Result<Option<Secret>, Wrong> {
        let path: PathBuf = written.take()?;
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(Secret(text.trim_end_matches(['\r', '\n']).to_owned()))),
            Err(e) => written.wrong(format!("{}: {e}", path.display())),
        }
    }

    pub(super) fn show(value: &Option<Secret>) -> Value {
        value.as_ref().map_or(Value::Null, |_| json!("(set)"))
    }
}
