//! Functions on text.

use regex_lite::Regex;
use serde_json::Value;

use crate::sql::value::{self, Val};

fn arg(args: &[Val], at: usize) -> Option<String> {
    value::text(args.get(at)?.as_ref()?)
}

pub(super) fn map(args: &[Val], f: fn(&str) -> String) -> Val {
    Some(f(&arg(args, 0)?).into())
}

pub(super) fn test(args: &[Val], f: fn(&str, &str) -> bool) -> Val {
    Some(f(&arg(args, 0)?, &arg(args, 1)?).into())
}

pub(super) fn chr(args: &[Val]) -> Val {
    let code = u8::try_from(value::int(args[0].as_ref()?)?).ok().filter(u8::is_ascii)?;
    Some(char::from(code).to_string().into())
}

pub(super) fn concat(args: &[Val]) -> Val {
    match args {
        [] => None,
        [one] => one.clone(),
        _ if args.iter().any(|a| matches!(a, Some(Value::Array(_)))) => {
            let mut out = Vec::new();
            for value in args.iter().flatten() {
                match value {
                    Value::Array(items) => out.extend(items.iter().cloned()),
                    other => out.push(other.clone()),
                }
            }
            Some(out.into())
        }
        _ if args.iter().any(|a| matches!(a, Some(Value::String(_)))) => {
            (0..args.len()).map(|at| arg(args, at)).collect::<Option<String>>().map(Value::from)
        }
        _ => None,
    }
}

pub(super) fn decode(args: &[Val]) -> Val {
    use base64::Engine as _;
    let text = arg(args, 0)?;
    if args[1].as_ref()? != "base64" {
        return None;
    }
    // What cannot be decoded is Null, says AWS.
    let Some(decoded) = base64::engine::general_purpose::STANDARD
        .decode(text)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
    else {
        return Some(Value::Null);
    };
    Some(serde_json::from_str(&decoded).unwrap_or(Value::String(decoded)))
}

/// The position in characters; -1 when it is not there.
pub(super) fn index_of(args: &[Val]) -> Val {
    let (text, part) = (arg(args, 0)?, arg(args, 1)?);
    Some(text.find(&part).map_or(-1, |at| text[..at].chars().count() as i64).into())
}

pub(super) fn pad(args: &[Val], left: bool) -> Val {
    let text = arg(args, 0)?;
    let spaces = " ".repeat(value::int(args[1].as_ref()?)?.clamp(0, 1000) as usize);
    Some(if left { spaces + &text } else { text + &spaces }.into())
}

pub(super) fn hash<D: sha2::Digest>(args: &[Val]) -> Val {
    Some(hex::encode(D::digest(arg(args, 0)?.as_bytes())).into())
}

pub(super) fn sha1(args: &[Val]) -> Val {
    use sha1::Digest as _;
    Some(hex::encode(sha1::Sha1::digest(arg(args, 0)?.as_bytes())).into())
}

/// The longest pattern compiled: patterns come from outside.
const PATTERN: usize = 1000;

fn regex(args: &[Val]) -> Option<Regex> {
    let pattern = arg(args, 1)?;
    if pattern.len() > PATTERN { None } else { Regex::new(&pattern).ok() }
}

pub(super) fn regexp_matches(args: &[Val]) -> Val {
    Some(regex(args)?.is_match(&arg(args, 0)?).into())
}

pub(super) fn regexp_replace(args: &[Val]) -> Val {
    let (text, with) = (arg(args, 0)?, arg(args, 2)?);
    Some(regex(args)?.replace_all(&text, with.as_str()).into_owned().into())
}

pub(super) fn regexp_substr(args: &[Val]) -> Val {
    let text = arg(args, 0)?;
    Some(regex(args)?.find(&text)?.as_str().into())
}

pub(super) fn replace(args: &[Val]) -> Val {
    Some(arg(args, 0)?.replace(&arg(args, 1)?, &arg(args, 2)?).into())
}

pub(super) fn substring(args: &[Val]) -> Val {
    let text = arg(args, 0)?;
    let length = text.chars().count();
    let index = |at: usize| Some(value::int(args[at].as_ref()?)?.clamp(0, length as i64) as usize);
    let from = index(1)?;
    let to = if args.len() == 3 { index(2)? } else { length };
    Some(text.chars().skip(from).take(to.saturating_sub(from)).collect::<String>().into())
}
