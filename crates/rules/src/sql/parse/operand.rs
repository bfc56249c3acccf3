//! What operators stand between: literals, names, calls, lists, objects, nested queries, `CASE` and `CAST`.

use serde_json::Value;

use super::super::SqlError;
use super::super::ast::{Cast, Expr, Select};
use super::super::functions::{self, Told};
use super::super::lex::Token;
use super::Parser;

impl Parser<'_> {
    pub(super) fn primary(&mut self) -> Result<Expr, SqlError> {
        match self.token.clone() {
            Token::Number(n) => {
                self.advance()?;
                Ok(Expr::Literal(Value::Number(n)))
            }
            Token::Text(text) => {
                self.advance()?;
                Ok(Expr::Literal(Value::String(text)))
            }
            Token::Sign("*") => {
                self.advance()?;
                Ok(Expr::Star)
            }
            Token::Sign("(") => {
                self.advance()?;
                let inner = if self.is_word("SELECT") { self.query()? } else { self.expr()? };
                self.sign(")")?;
                Ok(inner)
            }
            Token::Sign("[") => {
                self.newer("an array literal")?;
                self.advance()?;
                Ok(Expr::Array(self.list("]")?))
            }
            Token::Sign("{") => self.object(),
            Token::Word(word) => self.word(&word),
            Token::Variable(name) => self.variable(&name),
            Token::Sign(_) | Token::End => Err(self.error("expected an expression")),
        }
    }

    /// Expressions up to `close`, which is taken.
    fn list(&mut self, close: &'static str) -> Result<Vec<Expr>, SqlError> {
        let mut out = Vec::new();
        if self.take_sign(close)? {
            return Ok(out);
        }
        loop {
            out.push(if self.is_word("SELECT") { self.query()? } else { self.expr()? });
            if !self.take_sign(",")? {
                self.sign(close)?;
                return Ok(out);
            }
        }
    }

    fn object(&mut self) -> Result<Expr, SqlError> {
        self.newer("an object literal")?;
        self.advance()?;
        let mut out = Vec::new();
        if self.take_sign("}")? {
            return Ok(Expr::Object(out));
        }
        loop {
            let key = match self.advance()? {
                Token::Text(key) | Token::Word(key) => key,
                _ => return Err(self.error("expected a key in quotes before this")),
            };
            self.sign(":")?;
            out.push((key, self.expr()?));
            if !self.take_sign(",")? {
                self.sign("}")?;
                return Ok(Expr::Object(out));
            }
        }
    }

    fn query(&mut self) -> Result<Expr, SqlError> {
        self.newer("a nested query")?;
        self.keyword("SELECT", "expected SELECT")?;
        let (value, items) = self.columns()?;
        self.keyword("FROM", "a nested query needs FROM")?;
        let from = self.unary()?;
        let filter = self.filter()?;
        Ok(Expr::Query(Box::new(Select { value, items, filter }), Box::new(from)))
    }

    fn word(&mut self, word: &str) -> Result<Expr, SqlError> {
        let at = self.start;
        let lower = word.to_ascii_lowercase();
        let called = {
            let mut ahead = self.lexer.clone();
            ahead.skip_space();
            self.lexer.source.get(ahead.at..).is_some_and(|rest| rest.starts_with('('))
        };
        if called && lower == "exists" {
            self.advance()?;
            return Ok(Expr::Exists(Box::new(self.primary()?)));
        }
        if called && lower == "cast" {
            return self.cast();
        }
        if called && !["in", "and", "or", "not", "from", "where", "select"].contains(&lower.as_str()) {
            let Some(function) = functions::find(&lower) else {
                return Err(SqlError::new(self.lexer.source, at, format!("unknown function {word}")));
            };
            if function.newer {
                self.newer(&format!("{}()", function.name))?;
            }
            self.advance()?;
            self.advance()?;
            let args = self.list(")")?;
            let error = |why| SqlError::new(self.lexer.source, at, why);
            match function.told_of(&args).map_err(error)? {
                Told::Nothing => {}
                Told::Elsewhere(why) => _ = self.elsewhere.get_or_insert_with(|| error(why)),
                Told::Unmodelled(why) => _ = self.unmodelled.get_or_insert_with(|| error(why)),
            }
            return Ok(Expr::Call(function, args));
        }
        let literal = match lower.as_str() {
            "case" => return self.case(),
            "true" => Expr::Literal(true.into()),
            "false" => Expr::Literal(false.into()),
            "null" => Expr::Literal(Value::Null),
            "undefined" => Expr::Undefined,
            "select" | "from" | "where" | "as" | "and" | "or" | "in" | "when" | "then" | "else" => {
                return Err(self.error("expected an expression"));
            }
            _ => Expr::Name(word.to_owned()),
        };
        self.advance()?;
        Ok(literal)
    }

    fn variable(&mut self, name: &str) -> Result<Expr, SqlError> {
        let Some(at) = self.variables.iter().position(|(known, _)| known == name) else {
            return Err(self.error("a variable is given its value by SET before it is used"));
        };
        self.advance()?;
        Ok(Expr::Variable(at))
    }

    fn cast(&mut self) -> Result<Expr, SqlError> {
        self.advance()?;
        self.sign("(")?;
        let inner = self.expr()?;
        self.keyword("AS", "cast needs AS and a type")?;
        let Token::Word(name) = self.token.clone() else {
            return Err(self.error("cast needs the name of a type"));
        };
        let to = match name.to_ascii_lowercase().as_str() {
            "string" | "nvarchar" | "text" | "ntext" | "varchar" => Cast::Text,
            "int" | "integer" => Cast::Int,
            "double" => Cast::Decimal,
            "decimal" => {
                self.newer("cast to Decimal")?;
                Cast::Decimal
            }
            "bool" | "boolean" => {
                self.newer("cast to Boolean")?;
                Cast::Bool
            }
            _ => return Err(self.error("cast knows String, Int, Decimal and Boolean")),
        };
        self.advance()?;
        self.sign(")")?;
        Ok(Expr::Cast(Box::new(inner), to))
    }

    fn case(&mut self) -> Result<Expr, SqlError> {
        self.advance()?;
        let subject = self.expr()?;
        let mut arms = Vec::new();
        while self.take_word("WHEN")? {
            let when = self.expr()?;
            self.keyword("THEN", "WHEN needs THEN")?;
            arms.push((when, self.expr()?));
        }
        if arms.is_empty() {
            return Err(self.error("CASE needs WHEN"));
        }
        let other = if self.take_word("ELSE")? { Some(Box::new(self.expr()?)) } else { None };
        self.keyword("END", "CASE ends with END")?;
        Ok(Expr::Case(Box::new(subject), arms, other))
    }
}
