//! Tokens, one at a time: the topic filter of `FROM` may stand unquoted and is read as text.

use super::SqlError;

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name or keyword, as written.
    Word(String),
    /// `'…'` or `"…"`.
    Text(String),
    /// A number.
    Number(serde_json::Number),
    /// An operator or punctuation.
    Sign(&'static str),
    /// The end.
    End,
}

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
        &self.source[self.at..]
    }

    pub(super) fn skip_space(&mut self) {
        loop {
            let trimmed = self.rest().trim_start();
            self.at = self.source.len() - trimmed.len();
            // `--` comments are of SQL; AWS allows `//`-less statements only, so nothing else is skipped.
            if !trimmed.starts_with("--") {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    /// The next token and where it begins.
    pub(super) fn next(&mut self) -> Result<(Token, usize), SqlError> {
        self.skip_space();
        let start = self.at;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok((Token::End, start)) };
        if first.is_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            self.at += end;
            return Ok((Token::Word(rest[..end].to_owned()), start));
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
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let mut end = digits(rest);
        if rest[end..].starts_with('.') {
            let fraction = digits(&rest[end + 1..]);
            if fraction > 0 {
                end += 1 + fraction;
            }
        }
        if rest[end..].starts_with(['e', 'E']) {
            let sign = usize::from(rest[end + 1..].starts_with(['+', '-']));
            let exponent = digits(&rest[end + 1 + sign..]);
            if exponent > 0 {
                end += 1 + sign + exponent;
            }
        }
        let text = &rest[..end];
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
        let rest = self.rest();
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }
}
