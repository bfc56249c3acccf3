//! How a topic names its thing (docs/aws-iot.md#6.8): by configuration or by a pattern with a capture, never by a guess.

use quell_rules::topics::{Dialect, Invalid};
use regex_lite::Regex;

/// One rule: which topics it explains, and the thing's name made from them.
#[derive(Clone, Debug)]
pub struct ThingFrom {
    written: String,
    rule: Rule,
}

#[derive(Clone, Debug)]
enum Rule {
    /// A pattern for the whole topic, and the name with the pattern's groups in it.
    Pattern(Regex, String),
    /// A topic filter with `+` at the level that names the thing, which level that is, and what stands around the name.
    Level { filter: String, level: usize, before: String, after: String },
}

/// What is written the same says the same.
impl PartialEq for ThingFrom {
    fn eq(&self, other: &Self) -> bool {
        self.written() == other.written()
    }
}

impl ThingFrom {
    /// Parses `REGEX=NAME` (with `$1` for a capture; the whole topic must match), `topic=NAME` as its simplest case, or
    /// a topic filter with `{thing}` for the level that names the thing (`dt/{thing}/#`).
    ///
    /// # Errors
    /// A sentence saying what is wrong.
    pub fn parse(written: &str) -> Result<Self, String> {
        let rule = if let Some((pattern, name)) = written.rsplit_once('=') {
            if pattern.is_empty() || name.is_empty() {
                return Err(format!("{written:?} needs a pattern before and a thing name after the ="));
            }
            let pattern = Regex::new(&format!("^(?:{pattern})$"));
            Rule::Pattern(pattern.map_err(|error| format!("{written:?}: {error}"))?, braced(name))
        } else if written.matches("{thing}").count() == 1 {
            level(written)?
        } else {
            return Err(format!(
                "{written:?} is neither REGEX=THING nor a topic filter with one {{thing}} in it"
            ));
        };
        Ok(Self { written: written.to_owned(), rule })
    }

    /// The thing a topic belongs to: the first of `rules` that says so decides.
    pub fn of(rules: &[Self], topic: &str) -> Option<String> {
        rules.iter().find_map(|rule| rule.thing(topic))
    }

    /// The thing a topic belongs to, by this rule.
    pub fn thing(&self, topic: &str) -> Option<String> {
        let name = match &self.rule {
            Rule::Pattern(pattern, name) => {
                let mut expanded = String::new();
                pattern.captures(topic)?.expand(name, &mut expanded);
                expanded
            }
            Rule::Level { filter, level, before, after } => {
                // In the wider dialect: it names the thing of a topic that was heard, and brings none.
                let named = Dialect::Mqtt.matches(filter, topic).then(|| topic.split('/').nth(*level))??;
                named.strip_prefix(before.as_str())?.strip_suffix(after.as_str())?.to_owned()
            }
        };
        // AWS's limit for a thing name; an empty one names nothing.
        (!name.is_empty() && name.len() <= 128).then_some(name)
    }

    /// The filter of the topics this rule gives to `thing`; an error where that cannot be told, because a pattern cannot be
    /// turned round.
    pub(super) fn filter_of(&self, thing: &str) -> Result<Option<String>, ()> {
        match self.written.rsplit_once('=') {
            None => Ok(Some(self.written.replace("{thing}", thing))),
            // A pattern that is a topic, and a name that is a name.
            Some((topic, name)) if literal(topic) == topic && !name.contains('$') => {
                Ok((name == thing).then(|| topic.to_owned()))
            }
            Some(_) => Err(()),
        }
    }

    /// What every topic this rule explains begins with.
    pub(super) fn begins(&self) -> &str {
        match self.written.rsplit_once('=') {
            None => self.written.split(['+', '#', '{']).next().unwrap_or_default(),
            Some((pattern, _)) => literal(pattern),
        }
    }

    /// The rule as it was written.
    pub fn written(&self) -> &str {
        &self.written
    }
}

/// `$1` followed by a letter would name another group: `Thing$1x` means `Thing${1}x`.
fn braced(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = after.split_at(digits);
        if number.is_empty() {
            out.push('$');
        } else {
            out.push_str(&format!("${{{number}}}"));
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// What a pattern begins with before anything in it has a meaning.
fn literal(pattern: &str) -> &str {
    // One of several alternatives begins otherwise.
    if pattern.contains('|') {
        return "";
    }
    let end = pattern.find(|c: char| r"\.+*?()[]{}^$".contains(c)).unwrap_or(pattern.len());
    let (plain, rest) = pattern.split_at(end);
    // What may be missing, or may come again, is not certain.
    if rest.starts_with(['*', '?', '+', '{']) {
        let mut certain = plain.chars();
        certain.next_back();
        return certain.as_str();
    }
    plain
}

/// `dt/+/{thing}/#`: a topic filter, one level of which names the thing.
fn level(written: &str) -> Result<Rule, String> {
    let (head, tail) = written.split_once("{thing}").unwrap_or((written, ""));
    let (above, before) = head.rsplit_once('/').map_or(("", head), |(above, before)| (above, before));
    let (after, below) = tail.split_once('/').map_or((tail, ""), |(after, below)| (after, below));
    let filter = format!(
        "{above}{}+{}{below}",
        if head.len() > before.len() { "/" } else { "" },
        if tail.len() > after.len() { "/" } else { "" }
    );
    let wild = before.contains(['+', '#']) || after.contains(['+', '#']);
    let valid = if wild { Err(Invalid::Wildcard) } else { Dialect::Mqtt.valid_filter(&filter) };
    valid.map_err(|why| format!("{written:?}: {why}"))?;
    let level = head.matches('/').count();
    Ok(Rule::Level { filter, level, before: before.to_owned(), after: after.to_owned() })
}

/// The workshop's convention (docs/aws-iot.md#6.8).
pub(super) fn defaults() -> Vec<ThingFrom> {
    ThingFrom::parse(r"temperature-device-(\d+)=Thing$1").into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_a_filter_and_an_exact_topic_name_things() {
        let workshop = ThingFrom::parse(r"temperature-device-(\d+)=Thing$1").unwrap();
        assert_eq!(workshop.thing("temperature-device-02").as_deref(), Some("Thing02"));
        assert_eq!(workshop.thing("x/temperature-device-02"), None);
        assert_eq!(ThingFrom::parse("a(.)=x$1y").unwrap().thing("ab").as_deref(), Some("xby"));
        let filter = ThingFrom::parse("dt/+/{thing}/#").unwrap();
        assert_eq!(filter.thing("dt/site.1/pump-7/temp/x").as_deref(), Some("pump-7"));
        assert_eq!(filter.thing("dt/site/pump-7").as_deref(), Some("pump-7"));
        assert_eq!(filter.thing("dt/site"), None);
        assert_eq!(
            ThingFrom::parse("boiler/42=Boiler").unwrap().thing("boiler/42").as_deref(),
            Some("Boiler")
        );
        assert!(ThingFrom::parse("dt/+/x").is_err());
        assert!(ThingFrom::parse("dt/#/{thing}").is_err());
        assert!(ThingFrom::parse("dt/+{thing}").is_err());
        let part = ThingFrom::parse("/dev-{thing}.x").unwrap();
        assert_eq!(part.thing("/dev-7.x").as_deref(), Some("7"));
        assert_eq!(
            (part.thing("/dev-.x"), part.thing("dev-7.x"), part.thing("/dev-7.x/y")),
            (None, None, None)
        );
        assert!(ThingFrom::parse("(=x").is_err());
    }
}
