//! Wildcards over ARNs: `*` is any run of characters, `?` one; everything else, `+` and `#` too, is itself.

/// One element of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    One,
    Any,
}

/// A compiled pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glob(Vec<Token>);

impl Glob {
    /// A pattern whose `*` and `?` are wildcards.
    pub fn new(pattern: &str) -> Self {
        let mut glob = Self::default();
        glob.push_pattern(pattern);
        glob
    }

    /// Appends text whose `*` and `?` are wildcards.
    pub fn push_pattern(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                b'*' if self.0.last() == Some(&Token::Any) => {}
                b'*' => self.0.push(Token::Any),
                b'?' => self.0.push(Token::One),
                byte => self.0.push(Token::Byte(byte)),
            }
        }
    }

    /// Appends text that stands for itself: the value of a variable.
    pub fn push_literal(&mut self, text: &str) {
        self.0.extend(text.bytes().map(Token::Byte));
    }

    /// Does the whole of `text` match? Linear in the pattern for each `*`: no input makes it exponential.
    pub fn matches(&self, text: &str) -> bool {
        let (pattern, text) = (&self.0, text.as_bytes());
        let (mut p, mut t) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        loop {
            let advanced = match pattern.get(p) {
                Some(Token::Any) => {
                    retry = Some((p + 1, t));
                    p += 1;
                    continue;
                }
                Some(Token::One) if t < text.len() => {
                    t += char_len(text, t);
                    true
                }
                Some(Token::Byte(byte)) if text.get(t) == Some(byte) => {
                    t += 1;
                    true
                }
                None if t == text.len() => return true,
                _ => false,
            };
            if advanced {
                p += 1;
                continue;
            }
            let Some((after, from)) = retry else { return false };
            if from >= text.len() {
                return false;
            }
            let next = from + char_len(text, from);
            retry = Some((after, next));
            (p, t) = (after, next);
        }
    }
}

/// Bytes of the UTF-8 character that starts at `at`.
fn char_len(text: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while text.get(end).is_some_and(|b| b & 0xc0 == 0x80) {
        end += 1;
    }
    end - at
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stars_and_marks_match_and_mqtt_wildcards_are_literal() {
        let arn = "arn:aws:iot:us-east-1:123456789012:topicfilter/a/+/b/#";
        assert!(Glob::new("*").matches(arn));
        assert!(Glob::new("*").matches(""));
        assert!(Glob::new("arn:aws:iot:*:topicfilter/a/+/b/#").matches(arn));
        assert!(!Glob::new("topic/a/+").matches("topic/a/b"));
        assert!(!Glob::new("topic/a/#").matches("topic/a/b/c"));
        assert!(Glob::new("topic/a/*").matches("topic/a/b/c"));
        assert!(Glob::new("t?pic").matches("töpic"));
        assert!(!Glob::new("t?pic").matches("tpic"));
        assert!(!Glob::new("abc").matches("abcd"));
        assert!(Glob::new("a*b*c").matches("aXbXbXc"));
        assert!(!Glob::new("a*b*c").matches("aXbXbXd"));
    }

    /// The definition, slow and obvious.
    fn reference(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|n| reference(rest, &text[n..])),
            Some(('?', rest)) => !text.is_empty() && reference(rest, &text[1..]),
            Some((c, rest)) => text.first() == Some(c) && reference(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*?ä]{0,8}", text in "[abä]{0,10}") {
            let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(Glob::new(&pattern).matches(&text), reference(&p, &t));
        }
    }
}
