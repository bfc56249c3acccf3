//! Functions on text.

use regex_lite::{Regex, RegexBuilder};
use serde_json::Value;

use super::{Args, LARGEST};
use crate::sql::eval::Env;
use crate::sql::value::{self, Val};

pub(super) fn map(args: Args<'_>, f: fn(&str) -> String) -> Val {
    Some(f(&args.text(0)?).into())
}

pub(super) fn test(args: Args<'_>, f: fn(&str, &str) -> bool) -> Val {
    Some(f(&args.text(0)?, &args.text(1)?).into())
}

pub(super) fn chr(args: Args<'_>) -> Val {
    let code = u8::try_from(value::int(args.at(0)?)?).ok().filter(u8::is_ascii)?;
    Some(char::from(code).to_string().into())
}

pub(super) fn concat(args: Args<'_>) -> Val {
    match args.0 {
        [] => None,
        [one] => one.clone(),
        _ if args.0.iter().any(|a| matches!(a, Some(Value::Array(_)))) => {
            let mut out = Vec::new();
            for value in args.0.iter().flatten() {
                match value {
                    Value::Array(items) => out.extend(items.iter().cloned()),
                    other => out.push(other.clone()),
                }
            }
            Some(out.into())
        }
        _ if args.0.iter().any(|a| matches!(a, Some(Value::String(_)))) => {
            (0..args.len()).map(|at| args.text(at)).collect::<Option<String>>().map(Value::from)
        }
        _ => None,
    }
}

pub(super) fn decode(args: Args<'_>) -> Val {
    use base64::Engine as _;
    let text = args.text(0)?;
    if args.at(1)? != "base64" {
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
pub(super) fn index_of(args: Args<'_>) -> Val {
    let (text, part) = (args.text(0)?, args.text(1)?);
    let before = text.split_once(&part).map(|(before, _)| before.chars().count());
    Some(before.and_then(|count| i64::try_from(count).ok()).unwrap_or(-1).into())
}

pub(super) fn pad(args: Args<'_>, left: bool) -> Val {
    let text = args.text(0)?;
    let spaces = " ".repeat(value::int(args.at(1)?)?.clamp(0, 1000) as usize);
    Some(if left { spaces + &text } else { text + &spaces }.into())
}

pub(super) fn hash<D: sha2::Digest>(args: Args<'_>) -> Val {
    Some(hex::encode(D::digest(args.text(0)?.as_bytes())).into())
}

pub(super) fn sha1(args: Args<'_>) -> Val {
    use sha1::Digest as _;
    Some(hex::encode(sha1::Sha1::digest(args.text(0)?.as_bytes())).into())
}

/// The longest pattern compiled, and the longest replacement: both come from outside.
const PATTERN: usize = 1000;
/// What a compiled pattern may take, in bytes: `a{1000}` is longer than it looks.
const COMPILED: usize = 32 << 10;

/// The pattern in the second argument, ready for the text in the first. Looking through a text costs as much as both are long.
fn regex(env: &Env<'_>, args: Args<'_>) -> Option<(Regex, String)> {
    let (text, pattern) = (args.text(0)?, args.text(1)?);
    if pattern.len() > PATTERN || !env.work.spend(pattern.len().saturating_mul(text.len() + 64) / 8) {
        return None;
    }
    let regex = RegexBuilder::new(&pattern).size_limit(COMPILED).build().ok()?;
    Some((regex, text))
}

pub(super) fn regexp_matches(env: &Env<'_>, args: Args<'_>) -> Val {
    let (regex, text) = regex(env, args)?;
    Some(regex.is_match(&text).into())
}

pub(super) fn regexp_replace(env: &Env<'_>, args: Args<'_>) -> Val {
    let (regex, text) = regex(env, args)?;
    let with = args.text(2).filter(|with| with.len() <= PATTERN)?;
    let references = with.matches('$').count();
    let (mut out, mut rest) = (String::new(), 0);
    for found in regex.captures_iter(&text) {
        let whole = found.get(0)?;
        out.push_str(text.get(rest..whole.start())?);
        rest = whole.end();
        // Each reference gives at most what was found.
        if out.len() + with.len() + references.saturating_mul(whole.len()) > LARGEST {
            return None;
        }
        found.expand(&with, &mut out);
    }
    out.push_str(text.get(rest..)?);
    Some(out.into())
}

pub(super) fn regexp_substr(env: &Env<'_>, args: Args<'_>) -> Val {
    let (regex, text) = regex(env, args)?;
    Some(regex.find(&text)?.as_str().into())
}

pub(super) fn replace(args: Args<'_>) -> Val {
    let (text, part, with) = (args.text(0)?, args.text(1)?, args.text(2)?);
    let grown = text.matches(&part).count().saturating_mul(with.len());
    if text.len().saturating_add(grown) > LARGEST {
        return None;
    }
    Some(text.replace(&part, &with).into())
}

pub(super) fn substring(args: Args<'_>) -> Val {
    let text = args.text(0)?;
    let length = text.chars().count();
    let index = |at: usize| Some(value::int(args.at(at)?)?.clamp(0, length as i64) as usize);
    let from = index(1)?;
    let to = if args.len() == 3 { index(2)? } else { length };
    Some(text.chars().skip(from).take(to.saturating_sub(from)).collect::<String>().into())
}
