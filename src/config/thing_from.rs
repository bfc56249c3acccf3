//! How a topic names its thing (docs/aws-iot.md#6.8): by configuration or by a pattern with a capture, never by a guess.

use regex_lite::Regex;

/// One rule: a pattern for topics and the thing's name made from it.
#[derive(Clone, Debug)]
pub struct ThingFrom {
    written: String,
    pattern: Regex,
    name: String,
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
        let (pattern, name) = if let Some((pattern, name)) = written.rsplit_once('=') {
            if pattern.is_empty() || name.is_empty() {
                return Err(format!("{written:?} needs a pattern before and a thing name after the ="));
            }
            (format!("^(?:{pattern})$"), braced(name))
        } else if written.matches("{thing}").count() == 1 {
            (filter_pattern(written)?, "${thing}".to_owned())
        } else {
            return Err(format!(
                "{written:?} is neither REGEX=THING nor a topic filter with one {{thing}} in it"
            ));
        };
        let pattern = Regex::new(&pattern).map_err(|error| format!("{written:?}: {error}"))?;
        Ok(Self { written: written.to_owned(), pattern, name })
    }

    /// The thing a topic belongs to, by this rule.
    pub fn thing(&self, topic: &str) -> Option<String> {
        let captures = self.pattern.captures(topic)?;
        let mut name = String::new();
        captures.expand(&self.name, &mut name);
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
        let last = plain.chars().next_back().map_or(0, char::len_utf8);
        return &plain[..plain.len() - last];
    }
    plain
}

fn filter_pattern(filter: &str) -> Result<String, String> {
    let mut pattern = String::from("^");
    let levels: Vec<&str> = filter.split('/').collect();
    for (i, level) in levels.iter().enumerate() {
        let last = i + 1 == levels.len();
        match *level {
            "#" if last => {
                // `a/#` matches `a` too.
                pattern.push_str("(?:/.*)?");
                continue;
            }
            "#" => return Err(format!("{filter:?}: # is only allowed as the last level")),
            _ => {}
        }
        if i > 0 {
            pattern.push('/');
        }
        match *level {
            "+" => pattern.push_str("[^/]*"),
            level => {
                let (before, after) = level.split_once("{thing}").unwrap_or((level, ""));
                pattern.push_str(&regex_lite::escape(before));
                if level.contains("{thing}") {
                    pattern.push_str("(?P<thing>[^/]+)");
                }
                pattern.push_str(&regex_lite::escape(after));
            }
        }
    }
    pattern.push('$');
    Ok(pattern)
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
        assert!(ThingFrom::parse("(=x").is_err());
    }
}
