//! Statements and expressions, by recursive descent.

mod operand;

use super::ast::{Expr, Item, Op, Select};
use super::lex::{Lexer, Token};
use super::{SqlError, Statement, Variable, Version};
use crate::topics::Dialect;

/// How deep expressions may nest: a statement comes from outside and must not exhaust the stack.
const DEPTH: usize = 48;

/// How many variables a statement may set.
const VARIABLES: usize = 64;

/// How many operators a statement may have: a chain of them is a tree as deep as it is long.
const OPERATORS: usize = 200;

/// An expression inside a template.
pub(super) struct Embedded {
    pub(super) expr: Expr,
    /// Where the text goes on after the `}`.
    pub(super) end: usize,
    pub(super) unmodelled: Option<SqlError>,
}

#[derive(Clone)]
struct Parser<'a> {
    lexer: Lexer<'a>,
    token: Token,
    start: usize,
    version: Version,
    depth: usize,
    operators: usize,
    /// The variables of SET so far.
    variables: Vec<Variable>,
    unmodelled: Option<SqlError>,
    elsewhere: Option<SqlError>,
}

/// Parses a whole statement.
pub(super) fn statement(sql: &str, version: Version) -> Result<Statement, SqlError> {
    let mut p = Parser::new(sql, 0, version)?;
    if p.take_word("SET")? {
        p.assignments()?;
    }
    p.keyword("SELECT", "a statement begins with SELECT")?;
    let (value, items) = p.columns()?;
    let mut from = None;
    if p.is_word("FROM") {
        // What follows may be unquoted and is not made of tokens then.
        let mut lexer = p.lexer.clone();
        lexer.skip_space();
        let at = lexer.at;
        let filter = if sql.get(at..).is_some_and(|rest| rest.starts_with(['\'', '"'])) {
            p.advance()?;
            match p.advance()? {
                Token::Text(filter) => filter,
                _ => return Err(SqlError::new(sql, at, "FROM needs a topic filter")),
            }
        } else {
            let bare = lexer.bare().trim_end_matches(';').to_owned();
            p.lexer = lexer;
            p.advance()?;
            bare
        };
        Dialect::Aws
            .valid_filter(&filter)
            .map_err(|why| SqlError::new(sql, at, format!("the topic filter of FROM: {why}")))?;
        from = Some(filter);
    }
    let filter = p.filter()?;
    if p.token == Token::Sign(";") {
        p.advance()?;
    }
    if p.token != Token::End {
        let wanted = if from.is_some() { "WHERE or the end" } else { "FROM, WHERE or the end" };
        return Err(p.error(format!("expected {wanted}")));
    }
    let select = Select { value, items, filter };
    let document = select.uses_document() || p.variables.iter().any(|(_, expr)| expr.uses_document());
    let (unmodelled, elsewhere) = (p.unmodelled, p.elsewhere);
    Ok(Statement { variables: p.variables.into(), select, from, version, document, unmodelled, elsewhere })
}

/// Parses an expression at `at` of `source` that a `}` ends and that may use `variables`.
pub(super) fn embedded(
    source: &str,
    at: usize,
    version: Version,
    variables: &[Variable],
) -> Result<Embedded, SqlError> {
    let mut p = Parser::new(source, at, version)?;
    p.variables = variables.to_vec();
    let expr = p.expr()?;
    if p.token != Token::Sign("}") {
        return Err(p.error("expected } after the expression"));
    }
    Ok(Embedded { expr, end: p.start + 1, unmodelled: p.unmodelled })
}

impl<'a> Parser<'a> {
    fn new(source: &'a str, at: usize, version: Version) -> Result<Self, SqlError> {
        let mut lexer = Lexer::new(source);
        lexer.at = at;
        let (token, start) = lexer.next()?;
        Ok(Self {
            lexer,
            token,
            start,
            version,
            depth: 0,
            operators: 0,
            variables: Vec::new(),
            unmodelled: None,
            elsewhere: None,
        })
    }

    /// Takes the present token. The one after it is read at once, except past the `}` of a template, where free text follows.
    fn advance(&mut self) -> Result<Token, SqlError> {
        let (next, start) = self.lexer.next()?;
        self.start = start;
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn error(&self, message: impl Into<String>) -> SqlError {
        let found = match &self.token {
            Token::Word(w) => format!(", found {w}"),
            Token::Variable(name) => format!(", found @{name}"),
            Token::Text(_) => ", found a string".to_owned(),
            Token::Number(n) => format!(", found {n}"),
            Token::Sign(s) => format!(", found {s}"),
            Token::End => ", found the end".to_owned(),
        };
        SqlError::new(self.lexer.source, self.start, message.into() + &found)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(&self.token, Token::Word(w) if w.eq_ignore_ascii_case(word))
    }

    fn take_word(&mut self, word: &str) -> Result<bool, SqlError> {
        let found = self.is_word(word);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn keyword(&mut self, word: &str, why: &str) -> Result<(), SqlError> {
        if self.take_word(word)? { Ok(()) } else { Err(self.error(why)) }
    }

    fn take_sign(&mut self, sign: &'static str) -> Result<bool, SqlError> {
        let found = self.token == Token::Sign(sign);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn sign(&mut self, sign: &'static str) -> Result<(), SqlError> {
        if self.take_sign(sign)? { Ok(()) } else { Err(self.error(format!("expected {sign}"))) }
    }

    fn newer(&self, what: &str) -> Result<(), SqlError> {
        if self.version == Version::V2016_03_23 {
            return Ok(());
        }
        Err(self.error(format!("{what} needs awsIotSqlVersion 2016-03-23")))
    }

    /// `@a = expr, @b = expr`: each may use those before it.
    fn assignments(&mut self) -> Result<(), SqlError> {
        loop {
            let Token::Variable(name) = self.token.clone() else {
                return Err(self.error("SET gives variables values: @name = expression"));
            };
            if self.variables.iter().any(|(known, _)| *known == name) {
                return Err(self.error("a variable is set once"));
            }
            if self.variables.len() >= VARIABLES {
                return Err(self.error("the statement sets too many variables"));
            }
            self.advance()?;
            self.sign("=")?;
            let expr = self.expr()?;
            self.variables.push((name, expr));
            if !self.take_sign(",")? {
                return Ok(());
            }
        }
    }

    /// `VALUE expr`, or columns.
    fn columns(&mut self) -> Result<(bool, Vec<Item>), SqlError> {
        if self.is_word("VALUE")
            && let Some(item) = self.value_of()?
        {
            return Ok((true, vec![item]));
        }
        let mut items = Vec::new();
        loop {
            items.push(self.column(items.len() + 1)?);
            if !self.take_sign(",")? {
                return Ok((false, items));
            }
        }
    }

    /// What `VALUE` stands before; nothing where `value` is the name of a field: it is the keyword only when one expression
    /// without a name of its own follows.
    fn value_of(&mut self) -> Result<Option<Item>, SqlError> {
        let keyword = match self.lexer.clone().next()?.0 {
            Token::Word(w) => !["from", "as", "and", "or", "in"].contains(&w.to_ascii_lowercase().as_str()),
            Token::Text(_) | Token::Number(_) | Token::Variable(_) | Token::Sign("(" | "[" | "{") => true,
            // `VALUE -x`, `VALUE *`; but `value - 1 AS x`, `value * 2 AS x`.
            Token::Sign("-" | "*") => {
                let mut ahead = self.clone();
                let _ = ahead.advance()?;
                let read = ahead.take_sign("*")? || ahead.expr().is_ok();
                let at_end = matches!(ahead.token, Token::End | Token::Sign(")" | ";"));
                read && (at_end || ahead.is_word("FROM") || ahead.is_word("WHERE"))
            }
            Token::Sign(_) | Token::End => false,
        };
        if !keyword {
            return Ok(None);
        }
        self.advance()?;
        Ok(Some(if self.take_sign("*")? { Item::Star } else { Item::Column(self.expr()?, Vec::new()) }))
    }

    fn column(&mut self, position: usize) -> Result<Item, SqlError> {
        let expr = if self.take_sign("*")? {
            if !self.is_word("AS") {
                return Ok(Item::Star);
            }
            // The whole payload under a name.
            Expr::Star
        } else {
            self.expr()?
        };
        if self.take_word("AS")? {
            let mut path = Vec::new();
            loop {
                match self.advance()? {
                    Token::Word(name) | Token::Text(name) => path.push(name),
                    _ => return Err(self.error("AS needs a name before this")),
                }
                if !self.take_sign(".")? {
                    return Ok(Item::Column(expr, path));
                }
            }
        }
        // Without AS a field keeps its last name and a function its own; anything else is named by its position.
        let name = match &expr {
            Expr::Name(name) | Expr::Member(_, name) => name.clone(),
            Expr::Call(function, _) => function.name.to_owned(),
            _ => format!("_{position}"),
        };
        Ok(Item::Column(expr, vec![name]))
    }

    fn filter(&mut self) -> Result<Option<Expr>, SqlError> {
        if self.take_word("WHERE")? { Ok(Some(self.expr()?)) } else { Ok(None) }
    }

    fn expr(&mut self) -> Result<Expr, SqlError> {
        self.nested(|p| {
            let mut left = p.conjunction()?;
            while p.take_word("OR")? {
                left = p.operator(Op::Or, left, Self::conjunction)?;
            }
            Ok(left)
        })
    }

    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, SqlError>) -> Result<T, SqlError> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.error("the expression is nested too deeply"));
        }
        let result = parse(self);
        self.depth -= 1;
        result
    }

    /// A chain of operators grows by one.
    fn operator(
        &mut self,
        op: Op,
        left: Expr,
        right: fn(&mut Self) -> Result<Expr, SqlError>,
    ) -> Result<Expr, SqlError> {
        self.operators += 1;
        if self.operators > OPERATORS {
            return Err(self.error("the statement has too many operators"));
        }
        Ok(Expr::Binary(op, Box::new(left), Box::new(right(self)?)))
    }

    fn conjunction(&mut self) -> Result<Expr, SqlError> {
        let mut left = self.negation()?;
        while self.take_word("AND")? {
            left = self.operator(Op::And, left, Self::negation)?;
        }
        Ok(left)
    }

    fn negation(&mut self) -> Result<Expr, SqlError> {
        if self.is_word("NOT") {
            self.advance()?;
            return Ok(Expr::Not(Box::new(self.nested(Self::negation)?)));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Expr, SqlError> {
        let mut left = self.sum()?;
        loop {
            let op = match &self.token {
                Token::Sign("=") => Op::Eq,
                Token::Sign("<>" | "!=") => Op::Ne,
                Token::Sign("<") => Op::Lt,
                Token::Sign("<=") => Op::Le,
                Token::Sign(">") => Op::Gt,
                Token::Sign(">=") => Op::Ge,
                Token::Word(w) if w.eq_ignore_ascii_case("IN") => Op::In,
                _ => return Ok(left),
            };
            self.advance()?;
            left = self.operator(op, left, Self::sum)?;
        }
    }

    fn sum(&mut self) -> Result<Expr, SqlError> {
        let mut left = self.product()?;
        loop {
            let op = match self.token {
                Token::Sign("+") => Op::Add,
                Token::Sign("-") => Op::Sub,
                _ => return Ok(left),
            };
            self.advance()?;
            left = self.operator(op, left, Self::product)?;
        }
    }

    fn product(&mut self) -> Result<Expr, SqlError> {
        let mut left = self.unary()?;
        loop {
            let op = match self.token {
                Token::Sign("*") => Op::Mul,
                Token::Sign("/") => Op::Div,
                Token::Sign("%") => Op::Rem,
                _ => return Ok(left),
            };
            self.advance()?;
            left = self.operator(op, left, Self::unary)?;
        }
    }

    fn unary(&mut self) -> Result<Expr, SqlError> {
        if self.token == Token::Sign("-") {
            self.advance()?;
            return Ok(Expr::Neg(Box::new(self.nested(Self::unary)?)));
        }
        let mut expr = self.primary()?;
        while self.token == Token::Sign(".") {
            self.advance()?;
            self.operators += 1;
            if self.operators > OPERATORS {
                return Err(self.error("the statement has too many operators"));
            }
            match self.advance()? {
                Token::Word(name) | Token::Text(name) => expr = Expr::Member(Box::new(expr), name),
                _ => return Err(self.error("expected a name after the dot, before this")),
            }
        }
        Ok(expr)
    }
}
