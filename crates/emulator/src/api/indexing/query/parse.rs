//! Reads a query.

use quell_rules::policy::Glob;

use super::geo::Circle;
use super::{Bound, Node, Test};

/// Characters of a query, and of one with a leading wildcard.
const LENGTH: usize = 1000;
const LENGTH_LEADING: usize = 100;
/// Terms of a query.
const TERMS: usize = 12;
/// Levels of parentheses.
const DEPTH: usize = 20;

/// One character; an escaped one never means anything but itself.
type Char = (char, bool);

struct Parser<'a> {
    text: &'a [char],
    at: usize,
    terms: usize,
    leading: usize,
    depth: usize,
}

pub(super) fn parse(text: &str) -> Result<Node, String> {
    let length = text.chars().count();
    if length > LENGTH {
        return Err(format!("The query is longer than {LENGTH} characters"));
    }
    let chars: Vec<char> = text.chars().collect();
    let mut parser = Parser { text: &chars, at: 0, terms: 0, leading: 0, depth: 0 };
    parser.space();
    if parser.peek().is_none() {
        return Err("The query is empty".to_owned());
    }
    let node = parser.any_of(None)?;
    if let Some(c) = parser.peek() {
        return Err(format!("'{c}' at position {} was not expected", parser.at + 1));
    }
    if parser.terms > TERMS {
        return Err(format!("The query has {} terms; {TERMS} are allowed", parser.terms));
    }
    if parser.leading > 1 {
        return Err("Only one term may begin with a wildcard".to_owned());
    }
    if parser.leading > 0 && length > LENGTH_LEADING {
        return Err(format!(
            "A query with a leading wildcard must not be longer than {LENGTH_LEADING} characters"
        ));
    }
    Ok(node)
}

fn plain(word: &[Char]) -> String {
    word.iter().map(|(c, _)| c).collect()
}

/// Refuses what is an operator in other query languages, and would otherwise be a text that nothing has.
fn foreign(word: &[Char]) -> Result<(), String> {
    let text = plain(word);
    if let Some((c, _)) = word.iter().find(|(c, escaped)| !escaped && *c == ',') {
        return Err(format!("The character '{c}' must be escaped"));
    }
    match word {
        [(c @ ('<' | '>' | '=' | '!'), false), ..] => {
            Err(format!("'{c}' was not expected before a field or a value"))
        }
        [('+', false), rest @ ..] if !rest.first().is_some_and(|(c, _)| c.is_ascii_digit() || *c == '.') => {
            Err("'+' was not expected before a field or a value".to_owned())
        }
        _ if word.iter().all(|(c, escaped)| !escaped && matches!(c, '&' | '|')) => {
            Err(format!("{text} is not an operator: AND, OR, NOT and - are"))
        }
        _ => Ok(()),
    }
}

pub(super) fn number(text: &str) -> Option<f64> {
    // Not "inf", "nan" and their like.
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    numeric.then(|| text.parse().ok()).flatten().filter(|n: &f64| n.is_finite())
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    /// The operator word at this place, if it is this one and stands for itself.
    fn operator(&self, word: &str) -> bool {
        let end = self.at + word.len();
        let here = self.text.get(self.at..end).is_some_and(|t| t.iter().copied().eq(word.chars()));
        here && self.text.get(end).is_none_or(|c| c.is_whitespace() || *c == '(')
    }

    fn skip(&mut self, count: usize) {
        self.at += count;
        self.space();
    }

    /// `a OR b`.
    fn any_of(&mut self, field: Option<&str>) -> Result<Node, String> {
        let mut nodes = vec![self.all_of(field)?];
        while self.operator("OR") {
            self.skip(2);
            nodes.push(self.all_of(field)?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::Or(nodes) })
    }

    /// `a AND b`, `a b`, `a NOT b`.
    fn all_of(&mut self, field: Option<&str>) -> Result<Node, String> {
        let mut nodes = vec![self.one(field)?];
        loop {
            self.space();
            if self.operator("AND") {
                self.skip(3);
            } else if self.peek().is_none_or(|c| c == ')') || self.operator("OR") {
                break;
            }
            nodes.push(self.one(field)?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::And(nodes) })
    }

    fn one(&mut self, field: Option<&str>) -> Result<Node, String> {
        self.space();
        if self.operator("NOT") {
            self.skip(3);
            return Ok(Node::Not(Box::new(self.one(field)?)));
        }
        if let Some(operator) = ["AND", "OR"].into_iter().find(|word| self.operator(word)) {
            return Err(format!("{operator} has nothing before it"));
        }
        match self.peek() {
            None => Err("The query ends where a term was expected".to_owned()),
            Some('-') => {
                self.at += 1;
                Ok(Node::Not(Box::new(self.one(field)?)))
            }
            Some('(') => self.group(field),
            Some('"' | '[' | '{') => self.value(field),
            Some(_) => self.term(field),
        }
    }

    fn group(&mut self, field: Option<&str>) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(format!("The query has more than {DEPTH} levels of parentheses"));
        }
        self.skip(1);
        let node = self.any_of(field)?;
        if self.peek() != Some(')') {
            return Err("A parenthesis is not closed".to_owned());
        }
        self.skip(1);
        self.depth -= 1;
        Ok(node)
    }

    /// A field with its value, or a value by itself.
    fn term(&mut self, field: Option<&str>) -> Result<Node, String> {
        let start = self.at;
        let word = self.word(":<>=")?;
        // Blanks may stand on both sides of an operator.
        self.space();
        let next = self.peek();
        if field.is_none() && !word.is_empty() && matches!(next, Some(':' | '<' | '>' | '=')) {
            foreign(&word)?;
            let name = plain(&word);
            return match next {
                Some(':') => {
                    self.skip(1);
                    match self.peek() {
                        None => Err(format!("The field {name} has no value")),
                        Some('(') => self.group(Some(&name)),
                        Some(_) => self.value(Some(&name)),
                    }
                }
                _ => self.comparison(&name),
            };
        }
        self.at = start;
        self.value(field)
    }

    /// `<5`, `>=5`.
    fn comparison(&mut self, field: &str) -> Result<Node, String> {
        let sign = self.peek().unwrap_or('=');
        self.at += 1;
        let included = self.peek() == Some('=');
        if included {
            self.at += 1;
        }
        self.space();
        let text = plain(&self.word("")?);
        self.space();
        let Some(n) = number(&text) else {
            return Err(format!("{field} is compared with '{text}', which is no number"));
        };
        self.terms += 1;
        let bound = Some(Bound { text, number: Some(n), included: included || sign == '=' });
        let test = match sign {
            '<' => Test::Range { low: None, high: bound },
            '>' => Test::Range { low: bound, high: None },
            _ => return Err(format!("'=' after {field} was not expected")),
        };
        Ok(Node::Term { field: Some(field.to_owned()), test })
    }

    fn value(&mut self, field: Option<&str>) -> Result<Node, String> {
        self.terms += 1;
        let test = match self.peek() {
            Some('"') => {
                Test::Phrase(self.quoted()?.to_lowercase().split_whitespace().map(str::to_owned).collect())
            }
            Some('[' | '{') => self.range()?,
            _ => {
                let word = self.word("")?;
                if word.is_empty() {
                    let found = self.peek().map_or_else(|| "the end".to_owned(), |c| format!("'{c}'"));
                    return Err(format!("A value was expected, not {found}"));
                }
                if plain(&word).starts_with("geo_") && word.contains(&(',', false)) {
                    let field = field.ok_or("A geo query needs a field")?;
                    self.space();
                    return Ok(Node::Near { field: field.to_owned(), circle: Circle::read(&plain(&word))? });
                }
                foreign(&word)?;
                self.test(&word)
            }
        };
        self.space();
        if let (Some(field), Test::Equal { text, .. }) = (field, &test)
            && field.starts_with("deviceDefender.")
            && field.ends_with(".inViolation")
            && text == "false"
        {
            return Err(format!("{field}:false is not a valid query"));
        }
        match (field, test) {
            (None, Test::Exists) => Ok(Node::Everything),
            (field, test) => Ok(Node::Term { field: field.map(str::to_owned), test }),
        }
    }

    /// What one word asks for.
    fn test(&mut self, word: &[Char]) -> Test {
        let wild = |(c, escaped): &Char| !escaped && matches!(c, '*' | '?');
        if word.len() == 1 && word[0] == ('*', false) {
            return Test::Exists;
        }
        if !word.iter().any(wild) {
            let text = plain(word).to_lowercase();
            let number = number(&text);
            // The sign of a number is no part of the text of an attribute.
            let text = if number.is_some() { text.trim_start_matches('+').to_owned() } else { text };
            return Test::Equal { text, number };
        }
        if word.first().is_some_and(wild) {
            self.leading += 1;
        }
        let mut glob = Glob::default();
        for part in word.chunk_by(|a, b| wild(a) == wild(b)) {
            let text = plain(part).to_lowercase();
            if part.first().is_some_and(wild) { glob.push_pattern(&text) } else { glob.push_literal(&text) }
        }
        Test::Wild(glob)
    }

    /// Characters up to white space, a parenthesis or one of `stops`.
    fn word(&mut self, stops: &str) -> Result<Vec<Char>, String> {
        let mut out = Vec::new();
        while let Some(c) = self.peek() {
            if c.is_whitespace() || matches!(c, '(' | ')' | '"' | ']' | '}') || stops.contains(c) {
                break;
            }
            self.at += 1;
            match c {
                '\\' => {
                    let escaped = self.peek().ok_or("The query ends with a backslash")?;
                    self.at += 1;
                    out.push((escaped, true));
                }
                '`' | '^' | '~' | '\'' | ';' => return Err(format!("The character '{c}' must be escaped")),
                '/' if out.is_empty() => return Err("Regular expressions are not supported".to_owned()),
                c => out.push((c, false)),
            }
        }
        Ok(out)
    }

    fn quoted(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            match self.peek() {
                None => return Err("A quotation mark is not closed".to_owned()),
                Some('"') => break,
                Some('\\') => {
                    self.at += 1;
                    out.extend(self.peek());
                }
                Some(c) => out.push(c),
            }
            self.at += 1;
        }
        self.at += 1;
        Ok(out)
    }

    /// `[a TO b]`, `{a TO b}` and the mixed forms; `*` is no end.
    fn range(&mut self) -> Result<Test, String> {
        let from_included = self.peek() == Some('[');
        self.skip(1);
        let low = self.bound(from_included)?;
        if !self.operator("TO") {
            return Err("A range needs TO between its ends".to_owned());
        }
        self.skip(2);
        let mut high = self.bound(true)?;
        let to_included = match self.peek() {
            Some(']') => true,
            Some('}') => false,
            _ => return Err("A range is not closed".to_owned()),
        };
        self.at += 1;
        if let Some(high) = &mut high {
            high.included = to_included;
        }
        let mixed = matches!((&low, &high), (Some(l), Some(h)) if l.number.is_some() != h.number.is_some());
        if mixed {
            return Err("The ends of a range must both be numbers or both be texts".to_owned());
        }
        Ok(Test::Range { low, high })
    }

    fn bound(&mut self, included: bool) -> Result<Option<Bound>, String> {
        self.space();
        let (text, is_text) =
            if self.peek() == Some('"') { (self.quoted()?, true) } else { (plain(&self.word("")?), false) };
        self.space();
        if text.is_empty() {
            return Err("A range needs two ends".to_owned());
        }
        if text == "*" {
            return Ok(None);
        }
        let number = if is_text { None } else { number(&text) };
        Ok(Some(Bound { text: text.to_lowercase(), number, included }))
    }
}
