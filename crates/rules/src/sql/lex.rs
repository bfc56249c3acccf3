//! Tokens, one at a time: the topic filter of `FROM` may stand unquoted and is read as text.

use super::SqlError;

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name or keyword, as written.
    Word(String),
    /// `@name`, a variable of SET.
    Variable(String),
    /// `'…'` or `"…"`.
    Text(String),
    /// A number.
    Number(serde_json::Number),
    /// An operator or punctuation.
    Sign(&'static str),
    /// The end.
    End,
}

/// The longest name of a variable.
const VARIABLE: usize = 64;

const SIGNS: &[&str] = &[
    "<>", "<=", ">=", "!=", "<", ">", "=", "+", "-", "*", "/", "%", "(", ")", "[", "]", "{", "}", ",", ".",
    ":", ";",
];

/// Reads tokens of `source` from `at`.
#[derive(Clone)]
pub(super) struct Lexer<'a> {
    pub(super) source: &'a str,
    pub(super) at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Self { source, at: 0 }
    }

    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or_default()
    }

    pub(super) fn skip_space(&mut self) {
        // No comments: AWS IoT SQL has none.
        self.at = self.source.len() - self.rest().trim_start().len();
    }

    /// The next token and where it begins.
    pub(super) fn next(&mut self) -> Result<(Token, usize), SqlError> {
        self.skip_space();
        let start = self.at;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok((Token::End, start)) };
        if first.is_alphabetic() || first == '_' {
            let word = begin(rest, |c| c.is_alphanumeric() || c == '_');
            self.at += word.len();
            return Ok((Token::Word(word.to_owned()), start));
        }
        if let Some(rest) = rest.strip_prefix('@') {
            let name = begin(rest, |c| c.is_ascii_alphanumeric() || c == '_');
            if name.is_empty() || name.len() > VARIABLE {
                let text = format!("a variable is @ and 1 to {VARIABLE} letters, digits or underscores");
                return Err(SqlError::new(self.source, start, text));
            }
            self.at += 1 + name.len();
            return Ok((Token::Variable(name.to_owned()), start));
        }
        if first.is_ascii_digit() {
            return self.number(rest, start);
        }
        if first == '\'' || first == '"' {
            return self.text(rest, first, start);
        }
        for sign in SIGNS {
            if rest.starts_with(sign) {
                self.at += sign.len();
                return Ok((Token::Sign(sign), start));
            }
        }
        Err(SqlError::new(self.source, start, format!("unexpected character '{}'", first.escape_debug())))
    }

    fn number(&mut self, rest: &str, start: usize) -> Result<(Token, usize), SqlError> {
        let digits = |text: &str| begin(text, |c| c.is_ascii_digit()).len();
        let after = |end: usize| rest.get(end..).unwrap_or_default();
        let mut end = digits(rest);
        let fraction = after(end).strip_prefix('.').map_or(0, digits);
        if fraction > 0 {
            end += 1 + fraction;
        }
        if let Some(exponent) = after(end).strip_prefix(['e', 'E']) {
            let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            let count = digits(unsigned);
            if count > 0 {
                end += 1 + exponent.len() - unsigned.len() + count;
            }
        }
        let text = rest.get(..end).unwrap_or_default();
        let number = match text.parse::<i64>() {
            Ok(n) => Some(n.into()),
            Err(_) => text.parse::<f64>().ok().and_then(serde_json::Number::from_f64),
        };
        self.at += end;
        match number {
            Some(n) => Ok((Token::Number(n), start)),
            None => Err(SqlError::new(self.source, start, format!("{text} is not a number"))),
        }
    }

    fn text(&mut self, rest: &str, quote: char, start: usize) -> Result<(Token, usize), SqlError> {
        let mut out = String::new();
        let mut chars = rest.char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            if c == quote {
                // A doubled quote is one quote.
                if chars.peek().is_some_and(|(_, next)| *next == quote) {
                    chars.next();
                    out.push(quote);
                    continue;
                }
                self.at += at + c.len_utf8();
                return Ok((Token::Text(out), start));
            }
            match (c, chars.peek().map(|(_, next)| *next)) {
                ('\\', Some(next)) if next == quote || next == '\\' => {
                    chars.next();
                    out.push(next);
                }
                _ => out.push(c),
            }
        }
        Err(SqlError::new(self.source, start, "string literal is not closed"))
    }

    /// Text up to the next white space: an unquoted topic filter.
    pub(super) fn bare(&mut self) -> &'a str {
        self.skip_space();
        let word = begin(self.rest(), |c| !c.is_whitespace());
        self.at += word.len();
        word
    }
}

/// The longest beginning of such characters.
fn begin(text: &str, fits: impl Fn(char) -> bool) -> &str {
    text.split_once(|c| !fits(c)).map_or(text, |(begin, _)| begin)
}
