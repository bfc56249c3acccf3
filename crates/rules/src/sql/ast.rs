//! The tree of a statement.

use super::functions::Function;

/// Binary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Or,
    And,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    Add,
    Sub,
    Mul,
    Div,
    Rem,
}

/// Target types of `cast`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cast {
    Text,
    Int,
    Decimal,
    Bool,
}

/// An expression.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    Literal(serde_json::Value),
    Undefined,
    /// The whole payload, or the element of a nested query.
    Star,
    /// A name at the root of the payload.
    Name(String),
    /// What SET gave the variable of this number.
    Variable(usize),
    Member(Box<Expr>, String),
    Not(Box<Expr>),
    Neg(Box<Expr>),
    Exists(Box<Expr>),
    Binary(Op, Box<Expr>, Box<Expr>),
    Call(&'static Function, Vec<Expr>),
    Cast(Box<Expr>, Cast),
    /// `CASE value WHEN … THEN … ELSE … END`.
    Case(Box<Expr>, Vec<(Expr, Expr)>, Option<Box<Expr>>),
    Array(Vec<Expr>),
    Object(Vec<(String, Expr)>),
    /// `(SELECT … FROM expression WHERE …)`.
    Query(Box<Select>, Box<Expr>),
}

/// One column.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Star,
    /// An expression and the path it is put at.
    Column(Expr, Vec<String>),
}

/// What is selected, and when.
#[derive(Clone, Debug)]
pub(super) struct Select {
    /// `SELECT VALUE`: one expression, not an object.
    pub(super) value: bool,
    pub(super) items: Vec<Item>,
    pub(super) filter: Option<Expr>,
}

impl Expr {
    /// Does it need a payload that is JSON?
    pub(super) fn uses_document(&self) -> bool {
        match self {
            Self::Literal(_) | Self::Undefined | Self::Variable(_) => false,
            Self::Name(_) | Self::Star => true,
            // What the inner statement reads are the elements of this.
            Self::Query(_, from) => from.uses_document(),
            Self::Member(e, _) | Self::Not(e) | Self::Neg(e) | Self::Exists(e) | Self::Cast(e, _) => {
                e.uses_document()
            }
            Self::Binary(_, a, b) => a.uses_document() || b.uses_document(),
            Self::Call(f, args) => {
                // `encode(*, …)` takes raw bytes; any other function needs a document.
                let raw = |at: usize, e: &Self| f.name == "encode" && at == 0 && matches!(e, Self::Star);
                args.iter().enumerate().any(|(at, e)| !raw(at, e) && e.uses_document())
            }
            Self::Case(v, arms, other) => {
                v.uses_document()
                    || arms.iter().any(|(w, t)| w.uses_document() || t.uses_document())
                    || other.as_ref().is_some_and(|o| o.uses_document())
            }
            Self::Array(items) => items.iter().any(Self::uses_document),
            Self::Object(items) => items.iter().any(|(_, e)| e.uses_document()),
        }
    }
}

impl Select {
    /// Does it need a payload that is JSON? `SELECT *` alone does not; `*` beside other columns does.
    pub(super) fn uses_document(&self) -> bool {
        self.filter.as_ref().is_some_and(Expr::uses_document)
            || self.items.iter().any(|item| match item {
                Item::Star => self.items.len() > 1,
                Item::Column(e, _) => e.uses_document(),
            })
    }
}
