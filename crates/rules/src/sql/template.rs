//! Substitution templates: `${expression}` in the parameters of an action.

use super::ast::Expr;
use super::eval::Env;
use super::{Message, SqlError, Version, parse, value};

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
}

impl Template {
    /// Parses a parameter. `$$` is a literal `$` (a republish topic `$$aws/things/…`).
    pub fn parse(source: &str, version: Version) -> Result<Self, SqlError> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut at = 0;
        while let Some(dollar) = source[at..].find('$') {
            let dollar = at + dollar;
            text.push_str(&source[at..dollar]);
            let after = &source[dollar + 1..];
            if after.starts_with('{') {
                if !text.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                }
                let (expr, end) = parse::embedded(source, dollar + 2, version)?;
                parts.push(Part::Expr(expr));
                at = end;
            } else {
                text.push('$');
                at = dollar + 1 + usize::from(after.starts_with('$'));
            }
        }
        text.push_str(&source[at..]);
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(Self { parts, version })
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
        let env = Env { message, root, version: self.version };
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
        self.parts.iter().any(|p| matches!(p, Part::Expr(e) if e.uses_names() || matches!(e, Expr::Star)))
    }
}
