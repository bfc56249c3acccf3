//! The functions of the language, in one table. Wrong types and wrong numbers of arguments give Undefined, as AWS documents.

mod math;
mod text;
mod time;

use serde_json::Value;

use super::ast::Expr;
use super::eval::Env;
use super::value::{self, Val};

/// The values of a function's arguments.
#[derive(Clone, Copy)]
struct Args<'a>(&'a [Val]);

impl<'a> Args<'a> {
    /// One of them; `None` when it is Undefined or was left out.
    fn at(self, at: usize) -> Option<&'a Value> {
        self.0.get(at)?.as_ref()
    }

    /// One of them as text.
    fn text(self, at: usize) -> Option<String> {
        value::text(self.at(at)?)
    }

    fn len(self) -> usize {
        self.0.len()
    }
}

/// How a function is carried out.
enum Body {
    /// On its arguments, some of which may be Undefined.
    Values(fn(Args<'_>) -> Val),
    /// On the message, too, or at a cost.
    Message(fn(&Env<'_>, Args<'_>) -> Val),
    /// On its arguments before they are evaluated.
    Lazy(fn(&Env<'_>, &[Expr]) -> Val),
    /// On what the message alone does not show; what that is.
    Lookup(fn(&Env<'_>, Args<'_>) -> Val, &'static str),
    /// Only AWS can; why.
    Unmodelled(&'static str),
}

/// What is known against a call before any message.
pub(super) enum Told {
    /// Nothing.
    Nothing,
    /// It looks at more than a message that was heard shows: only a rule that runs can tell.
    Elsewhere(String),
    /// Only AWS can tell.
    Unmodelled(String),
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
            Body::Values(f) if !args.is_empty() => Some(f(Args(args))),
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
            Body::Values(f) => f(Args(&args)),
            Body::Message(f) | Body::Lookup(f, _) => f(env, Args(&args)),
            Body::Lazy(_) | Body::Unmodelled(_) => None,
        }
    }

    /// What is known against a call with these arguments.
    ///
    /// # Errors
    /// A call that AWS does not know either.
    pub(super) fn told_of(&self, args: &[Expr]) -> Result<Told, String> {
        let literal = |at: usize| match args.get(at) {
            Some(Expr::Literal(Value::String(text))) => Some(text.as_str()),
            _ => None,
        };
        match (&self.body, self.name) {
            (Body::Unmodelled(why), name) => Ok(Told::Unmodelled(format!("{name}() is not modelled: {why}"))),
            (_, "decode") if literal(1) == Some("proto") => Ok(Told::Unmodelled(
                "decode(…, 'proto', …) is not modelled: it reads a descriptor from S3".to_owned(),
            )),
            // A mode that is not written out is not a mode (docs/aws-iot.md#4.6).
            (_, "transform") if literal(0) != Some("enrichArray") => {
                Err("transform() knows one mode, written as text: 'enrichArray'".to_owned())
            }
            (_, "get_mqtt_property") if !literal(0).is_some_and(|name| PROPERTIES.contains(&name)) => Err(
                format!("get_mqtt_property() knows these, written as text: '{}'", PROPERTIES.join("', '")),
            ),
            (_, "get_registry_data") if !literal(0).is_some_and(|name| REGISTRY_READS.contains(&name)) => {
                Err(format!(
                    "get_registry_data() knows these, written as text: '{}'",
                    REGISTRY_READS.join("', '")
                ))
            }
            (Body::Lookup(_, what), name) => Ok(Told::Elsewhere(format!("{name}() reads {what}"))),
            _ => Ok(Told::Nothing),
        }
    }
}

/// What `get_mqtt_property` gives (docs/aws-iot.md#4.6).
const PROPERTIES: [&str; 4] = ["content_type", "format_indicator", "response_topic", "correlation_data"];
/// What `get_registry_data` asks the registry (docs/aws-iot.md#4.6).
const REGISTRY_READS: [&str; 2] = ["DescribeThing", "ListThingGroupsForThing"];

const fn old(name: &'static str, least: usize, most: usize, f: fn(Args<'_>) -> Val) -> Function {
    Function { name, newer: false, arguments: (least, most), body: Body::Values(f) }
}

const fn new(name: &'static str, least: usize, most: usize, f: fn(Args<'_>) -> Val) -> Function {
    Function { name, newer: true, arguments: (least, most), body: Body::Values(f) }
}

const fn about(name: &'static str, most: usize, f: fn(&Env<'_>, Args<'_>) -> Val) -> Function {
    Function { name, newer: false, arguments: (0, most), body: Body::Message(f) }
}

/// A function whose work depends on more than the size of what it gives.
const fn costly(name: &'static str, count: usize, f: fn(&Env<'_>, Args<'_>) -> Val) -> Function {
    Function { name, newer: false, arguments: (count, count), body: Body::Message(f) }
}

/// A function that looks at `what`, which a message that was heard does not show.
const fn lookup(
    name: &'static str,
    arguments: (usize, usize),
    f: fn(&Env<'_>, Args<'_>) -> Val,
    what: &'static str,
) -> Function {
    Function { name, newer: true, arguments, body: Body::Lookup(f, what) }
}

/// A function that is known by name only.
const fn unmodelled(name: &'static str, why: &'static str) -> Function {
    Function { name, newer: false, arguments: (0, usize::MAX), body: Body::Unmodelled(why) }
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
    lookup("get_thing_shadow", (2, 3), thing_shadow, "a shadow"),
    lookup("get_registry_data", (3, 3), registry_data, "the registry"),
    lookup("get_mqtt_property", (1, 1), mqtt_property, "the properties of MQTT 5"),
    lookup("get_user_properties", (0, 1), user_properties, "the properties of MQTT 5"),
    Function { name: "encode", newer: true, arguments: (2, 2), body: Body::Lazy(encode) },
    // --- Undefined and Null ---
    old("isnull", 1, 1, |a| Some((a.at(0) == Some(&Value::Null)).into())),
    new("isundefined", 1, 1, |a| Some(a.at(0).is_none().into())),
    old("nanvl", 2, 2, or_default),
    new("get_or_default", 2, 2, or_default),
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
    old("bitnot", 1, 1, |a| Some((!value::int(a.at(0)?)?).into())),
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
    new("length", 1, 1, |a| Some(a.text(0)?.chars().count().into())),
    old("lower", 1, 1, |a| text::map(a, |s| s.to_lowercase())),
    old("lpad", 2, 2, |a| text::pad(a, true)),
    old("ltrim", 1, 1, |a| text::map(a, |s| s.trim_start_matches([' ', '\t']).to_owned())),
    old("md5", 1, 1, text::hash::<md5::Md5>),
    old("md2", 1, 1, text::hash::<md2::Md2>),
    old("newuuid", 0, 0, |_| Some(uuid().into())),
    new("numbytes", 1, 1, |a| Some(a.text(0)?.len().into())),
    costly("regexp_matches", 2, text::regexp_matches),
    costly("regexp_replace", 3, text::regexp_replace),
    costly("regexp_substr", 2, text::regexp_substr),
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
    unmodelled("aws_lambda", "it calls a Lambda function"),
    unmodelled("get_dynamodb", "it reads DynamoDB"),
    unmodelled("get_secret", "it reads Secrets Manager"),
    unmodelled("machinelearning_predict", "it calls Amazon Machine Learning"),
    // --- lists ---
    new("transform", 3, 3, transform),
];

/// The function of that lower-case name.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|f| f.name == name)
}

fn uuid() -> String {
    let n = (fastrand::u128(..) & !(0xf << 76 | 0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        n >> 96,
        (n >> 80) & 0xffff,
        (n >> 64) & 0xffff,
        (n >> 48) & 0xffff,
        n & 0xffff_ffff_ffff
    )
}

fn topic(env: &Env<'_>, args: Args<'_>) -> Val {
    if args.len() == 0 {
        return Some(env.message.topic.into());
    }
    let level = usize::try_from(value::int(args.at(0)?)?).ok()?;
    env.message.topic.split('/').nth(level.checked_sub(1)?).map(Value::from)
}

fn thing_shadow(env: &Env<'_>, args: Args<'_>) -> Val {
    let thing = args.at(0)?.as_str()?;
    let shadow = if args.len() == 3 { Some(args.at(1)?.as_str()?) } else { None };
    env.message.shadow?(thing, shadow)
}

/// The answer of the registry to a read about one thing; nobody takes on the role.
fn registry_data(env: &Env<'_>, args: Args<'_>) -> Val {
    args.at(2)?.as_str()?;
    env.message.registry?(args.at(0)?.as_str()?, args.at(1)?.as_str()?)
}

fn mqtt_property(env: &Env<'_>, args: Args<'_>) -> Val {
    use base64::Engine as _;
    let with = env.message.properties?;
    match args.at(0)?.as_str()? {
        "content_type" => with.content_type.map(Value::from),
        "format_indicator" => Some(if with.utf8 { "UTF8_DATA" } else { "UNSPECIFIED_BYTES" }.into()),
        "response_topic" => with.response_topic.map(Value::from),
        "correlation_data" => {
            Some(base64::engine::general_purpose::STANDARD.encode(with.correlation_data?).into())
        }
        _ => None,
    }
}

/// All values of one name, or each name with its value: MQTT 5 lets a name come twice.
fn user_properties(env: &Env<'_>, args: Args<'_>) -> Val {
    let all = env.message.properties?.user_properties;
    if args.len() == 0 {
        let pair = |(name, value): &(String, String)| serde_json::json!({ name: value });
        return Some(all.iter().map(pair).collect());
    }
    let wanted = args.at(0)?.as_str()?;
    let values: Vec<Value> =
        all.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.as_str().into()).collect();
    (!values.is_empty()).then(|| values.into())
}

/// `*` is encoded as it came, JSON or not.
fn encode(env: &Env<'_>, args: &[Expr]) -> Val {
    use base64::Engine as _;
    let [what, scheme] = args else { return None };
    if env.eval(scheme)? != "base64" {
        return None;
    }
    let bytes = match what {
        Expr::Star => env.message.payload.to_vec(),
        expr => value::text(&env.eval(expr)?)?.into_bytes(),
    };
    Some(base64::engine::general_purpose::STANDARD.encode(bytes).into())
}

fn or_default(args: Args<'_>) -> Val {
    args.at(0).filter(|value| !value.is_null()).or(args.at(1)).cloned()
}

fn get(args: Args<'_>) -> Val {
    let key = args.at(1)?;
    let index = || usize::try_from(value::int(key)?).ok();
    match args.at(0)? {
        Value::Array(items) => items.get(index()?).cloned(),
        Value::String(text) => text.chars().nth(index()?).map(|c| c.to_string().into()),
        Value::Object(fields) => fields.get(key.as_str()?).cloned(),
        _ => None,
    }
}

/// `transform('enrichArray', object, array)`: each object of the array with the members of the object beside its own
/// (docs/aws-iot.md#4.6).
fn transform(args: Args<'_>) -> Val {
    let (Value::Object(attributes), Value::Array(items)) = (args.at(1)?, args.at(2)?) else { return None };
    let weight = args.at(1).map_or(0, value::weight);
    if weight.saturating_mul(items.len()) > LARGEST {
        return None;
    }
    let enriched = items.iter().map(|item| {
        let mut item = item.as_object()?.clone();
        item.extend(attributes.iter().map(|(name, value)| (name.clone(), value.clone())));
        Some(Value::Object(item))
    });
    enriched.collect()
}

/// The largest value, in bytes, that a function makes of smaller ones.
const LARGEST: usize = 1 << 20;
