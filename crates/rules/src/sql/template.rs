//! Substitution templates: `${expression}` in the parameters of an action.

use std::sync::Arc;

use super::ast::Expr;
use super::eval::{Env, Work, set};
use super::{Message, SqlError, Variable, Version, parse, value};

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Expr(Expr),
}

/// A parameter with its expressions parsed.
#[derive(Clone, Debug)]
pub struct Template {
    parts: Vec<Part>,
    version: Version,
    /// What SET of its statement gives values; none where no expression can use one.
    variables: Arc<[Variable]>,
    unmodelled: Option<SqlError>,
}

impl Template {
    /// Parses a parameter. `$$` is a literal `$` (a republish topic `$$aws/things/…`).
    pub(super) fn parse(
        source: &str,
        version: Version,
        variables: &Arc<[Variable]>,
    ) -> Result<Self, SqlError> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut at = 0;
        let mut unmodelled = None;
        while let Some((before, after)) = source.get(at..).unwrap_or_default().split_once('$') {
            text.push_str(before);
            let dollar = at + before.len();
            if after.starts_with('{') {
                if !text.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                }
                let embedded = parse::embedded(source, dollar + 2, version, variables)?;
                unmodelled = unmodelled.or(embedded.unmodelled);
                parts.push(Part::Expr(embedded.expr));
                at = embedded.end;
            } else {
                text.push('$');
                at = dollar + 1 + usize::from(after.starts_with('$'));
            }
        }
        text.push_str(source.get(at..).unwrap_or_default());
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(Self { parts, version, variables: Arc::clone(variables), unmodelled })
    }

    /// What it asks for that only AWS can tell, as in [`Statement::unmodelled`](super::Statement::unmodelled).
    pub fn unmodelled(&self) -> Option<&SqlError> {
        self.unmodelled.as_ref()
    }

    /// The parameter for a message. An expression that is Undefined gives nothing, as a value serialized by itself does.
    pub fn render(&self, message: &Message<'_>) -> String {
        let document;
        let root = if self.needs_document() {
            document = serde_json::from_slice(message.payload).ok();
            document.as_ref()
        } else {
            None
        };
        let work = Work::default();
        let bare = Env { message, root, version: self.version, variables: &[], work: &work };
        let variables = set(&self.variables, bare);
        let env = Env { variables: &variables, ..bare };
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Expr(expr) => {
                    if let Some(text) = env.eval(expr).as_ref().and_then(value::text) {
                        out.push_str(&text);
                    }
                }
            }
        }
        out
    }

    fn needs_document(&self) -> bool {
        let set = self.variables.iter().map(|(_, expr)| expr);
        let own =
            self.parts.iter().filter_map(|part| if let Part::Expr(expr) = part { Some(expr) } else { None });
        set.chain(own).any(Expr::uses_document)
    }
}
