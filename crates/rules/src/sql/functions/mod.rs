//! The functions of the language, in one table. Wrong types and wrong numbers of arguments give Undefined, as AWS documents.

mod math;
mod text;
mod time;

use serde_json::Value;

use super::ast::Expr;
use super::eval::Env;
use super::value::{self, Val};

/// How a function is carried out.
enum Body {
    /// On its arguments, some of which may be Undefined.
    Values(fn(&[Val]) -> Val),
    /// On the message, too.
    Message(fn(&Env<'_>, &[Val]) -> Val),
    /// On its arguments before they are evaluated.
    Lazy(fn(&Env<'_>, &[Expr]) -> Val),
}

/// A function of the language.
pub(super) struct Function {
    /// Its name in lower case; calls may be written in any case.
    pub(super) name: &'static str,
    /// Only from `2016-03-23` on.
    pub(super) newer: bool,
    arguments: (usize, usize),
    body: Body,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Function {
    /// What it makes of these values, when that is all it looks at and it is not a matter of chance.
    pub(super) fn of_values(&self, args: &[Val]) -> Option<Val> {
        let (least, most) = self.arguments;
        match self.body {
            _ if args.len() < least || args.len() > most => Some(None),
            Body::Values(f) if !args.is_empty() => Some(f(args)),
            _ => None,
        }
    }

    pub(super) fn call(&self, env: &Env<'_>, args: &[Expr]) -> Val {
        let (least, most) = self.arguments;
        if args.len() < least || args.len() > most {
            return None;
        }
        if let Body::Lazy(f) = self.body {
            return f(env, args);
        }
        let args: Vec<Val> = args.iter().map(|a| env.eval(a)).collect();
        match self.body {
            Body::Values(f) => f(&args),
            Body::Message(f) => f(env, &args),
            Body::Lazy(_) => None,
        }
    }
}

const fn old(name: &'static str, least: usize, most: usize, f: fn(&[Val]) -> Val) -> Function {
    Function { name, newer: false, arguments: (least, most), body: Body::Values(f) }
}

const fn new(name: &'static str, least: usize, most: usize, f: fn(&[Val]) -> Val) -> Function {
    Function { name, newer: true, arguments: (least, most), body: Body::Values(f) }
}

const fn about(name: &'static str, most: usize, f: fn(&Env<'_>, &[Val]) -> Val) -> Function {
    Function { name, newer: false, arguments: (0, most), body: Body::Message(f) }
}

/// A function that asks another service: understood, and Undefined.
const fn remote(name: &'static str) -> Function {
    Function { name, newer: false, arguments: (0, usize::MAX), body: Body::Lazy(|_, _| None) }
}

static FUNCTIONS: &[Function] = &[
    // --- the message ---
    about("accountid", 0, |e, _| Some(e.message.account_id.into())),
    about("clientid", 0, |e, _| Some(e.message.client_id.unwrap_or("n/a").into())),
    about("principal", 0, |e, _| Some(e.message.principal.unwrap_or("n/a").into())),
    about("sourceip", 0, |e, _| e.message.source_ip.map(Value::from)),
    about("sql_version", 0, |e, _| Some(e.version.as_str().into())),
    about("timestamp", 0, |e, _| Some(e.message.now_ms.into())),
    about("topic", 1, topic),
    about("traceid", 0, |e, _| Some(e.message.trace_id.into())),
    Function { name: "get_thing_shadow", newer: true, arguments: (2, 3), body: Body::Message(thing_shadow) },
    Function { name: "encode", newer: true, arguments: (2, 2), body: Body::Lazy(encode) },
    // --- Undefined and Null ---
    old("isnull", 1, 1, |a| Some((a[0] == Some(Value::Null)).into())),
    new("isundefined", 1, 1, |a| Some(a[0].is_none().into())),
    old(
        "nanvl",
        2,
        2,
        |a| if matches!(a[0], None | Some(Value::Null)) { a[1].clone() } else { a[0].clone() },
    ),
    new("get_or_default", 2, 2, |a| {
        if matches!(a[0], None | Some(Value::Null)) { a[1].clone() } else { a[0].clone() }
    }),
    old("get", 2, 2, get),
    // --- numbers ---
    old("abs", 1, 1, math::abs),
    old("acos", 1, 1, |a| math::double(a, f64::acos)),
    old("asin", 1, 1, |a| math::double(a, f64::asin)),
    old("atan", 1, 1, |a| math::double(a, f64::atan)),
    old("atan2", 2, 2, |a| math::double2(a, f64::atan2)),
    old("bitand", 2, 2, |a| math::bits(a, |x, y| x & y)),
    old("bitor", 2, 2, |a| math::bits(a, |x, y| x | y)),
    old("bitxor", 2, 2, |a| math::bits(a, |x, y| x ^ y)),
    old("bitnot", 1, 1, |a| Some((!value::int(a[0].as_ref()?)?).into())),
    old("ceil", 1, 1, |a| math::round(a, f64::ceil)),
    old("cos", 1, 1, |a| math::double(a, f64::cos)),
    old("cosh", 1, 1, |a| math::double(a, f64::cosh)),
    old("exp", 1, 1, |a| math::double(a, f64::exp)),
    old("floor", 1, 1, |a| math::round(a, f64::floor)),
    old("ln", 1, 1, |a| math::double(a, f64::ln)),
    old("log", 1, 1, |a| math::double(a, f64::log10)),
    old("mod", 2, 2, math::remainder),
    old("power", 2, 2, |a| math::double2(a, f64::powf)),
    old("rand", 0, 0, |_| serde_json::Number::from_f64(fastrand::f64()).map(Value::Number)),
    old("remainder", 2, 2, math::remainder),
    old("round", 1, 1, |a| math::round(a, f64::round)),
    old("sign", 1, 1, math::sign),
    old("sin", 1, 1, |a| math::double(a, f64::sin)),
    old("sinh", 1, 1, |a| math::double(a, f64::sinh)),
    old("sqrt", 1, 1, |a| math::double(a, f64::sqrt)),
    old("tan", 1, 1, |a| math::double(a, f64::tan)),
    old("tanh", 1, 1, |a| math::double(a, f64::tanh)),
    old("trunc", 2, 2, math::trunc),
    // --- text ---
    old("chr", 1, 1, text::chr),
    old("concat", 0, usize::MAX, text::concat),
    new("decode", 2, 2, text::decode),
    old("endswith", 2, 2, |a| text::test(a, |s, t| s.ends_with(t))),
    new("indexof", 2, 2, text::index_of),
    new("length", 1, 1, |a| Some(value::text(a[0].as_ref()?)?.chars().count().into())),
    old("lower", 1, 1, |a| text::map(a, |s| s.to_lowercase())),
    old("lpad", 2, 2, |a| text::pad(a, true)),
    old("ltrim", 1, 1, |a| text::map(a, |s| s.trim_start_matches([' ', '\t']).to_owned())),
    old("md5", 1, 1, text::hash::<md5::Md5>),
    // MD2 is not implemented: nobody who reads this should use it.
    remote("md2"),
    old("newuuid", 0, 0, |_| Some(uuid().into())),
    new("numbytes", 1, 1, |a| Some(value::text(a[0].as_ref()?)?.len().into())),
    old("regexp_matches", 2, 2, text::regexp_matches),
    old("regexp_replace", 3, 3, text::regexp_replace),
    old("regexp_substr", 2, 2, text::regexp_substr),
    old("replace", 3, 3, text::replace),
    old("rpad", 2, 2, |a| text::pad(a, false)),
    old("rtrim", 1, 1, |a| text::map(a, |s| s.trim_end_matches([' ', '\t']).to_owned())),
    old("sha1", 1, 1, text::sha1),
    old("sha224", 1, 1, text::hash::<sha2::Sha224>),
    old("sha256", 1, 1, text::hash::<sha2::Sha256>),
    old("sha384", 1, 1, text::hash::<sha2::Sha384>),
    old("sha512", 1, 1, text::hash::<sha2::Sha512>),
    old("startswith", 2, 2, |a| text::test(a, |s, t| s.starts_with(t))),
    old("substring", 2, 3, text::substring),
    old("trim", 1, 1, |a| text::map(a, |s| s.trim_matches([' ', '\t']).to_owned())),
    old("upper", 1, 1, |a| text::map(a, |s| s.to_uppercase())),
    // --- time ---
    new("parse_time", 2, 3, time::parse_time),
    new("time_to_epoch", 2, 2, time::time_to_epoch),
    // --- other services ---
    remote("aws_lambda"),
    remote("get_dynamodb"),
    remote("get_registry_data"),
    remote("get_secret"),
    remote("get_mqtt_property"),
    remote("get_user_properties"),
    remote("machinelearning_predict"),
    remote("transform"),
];

/// The function of that lower-case name.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|f| f.name == name)
}

fn uuid() -> String {
    let n = (fastrand::u128(..) & !(0xf << 76 | 0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{n:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn topic(env: &Env<'_>, args: &[Val]) -> Val {
    let Some(level) = args.first() else { return Some(env.message.topic.into()) };
    let level = usize::try_from(value::int(level.as_ref()?)?).ok()?;
    env.message.topic.split('/').nth(level.checked_sub(1)?).map(Value::from)
}

fn thing_shadow(env: &Env<'_>, args: &[Val]) -> Val {
    let thing = args[0].as_ref()?.as_str()?;
    let shadow = if args.len() == 3 { Some(args[1].as_ref()?.as_str()?) } else { None };
    env.message.shadow?(thing, shadow)
}

/// `*` is encoded as it came, JSON or not.
fn encode(env: &Env<'_>, args: &[Expr]) -> Val {
    use base64::Engine as _;
    if env.eval(&args[1])? != "base64" {
        return None;
    }
    let bytes = match &args[0] {
        Expr::Star => env.message.payload.to_vec(),
        expr => value::text(&env.eval(expr)?)?.into_bytes(),
    };
    Some(base64::engine::general_purpose::STANDARD.encode(bytes).into())
}

fn get(args: &[Val]) -> Val {
    let key = args[1].as_ref()?;
    let index = || usize::try_from(value::int(key)?).ok();
    match args[0].as_ref()? {
        Value::Array(items) => items.get(index()?).cloned(),
        Value::String(text) => text.chars().nth(index()?).map(|c| c.to_string().into()),
        Value::Object(fields) => fields.get(key.as_str()?).cloned(),
        _ => None,
    }
}
