//! Tokens by their parentheses.

use super::lexer::Token;
use super::syntax;
use crate::tds::token::Notice;

/// Deepest nesting of parentheses.
const DEEPEST: usize = 64;

/// A token, or what stands in parentheses.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Leaf(Token),
    Group(Vec<Node>),
}

impl Node {
    /// Whether it is this keyword.
    pub fn is(&self, keyword: &str) -> bool {
        matches!(self, Self::Leaf(token) if token.is(keyword))
    }

    /// Whether it is this symbol.
    pub fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self, Self::Leaf(token) if token.is_symbol(symbol))
    }

    /// The keyword, in capitals.
    pub fn keyword(&self) -> Option<String> {
        match self {
            Self::Leaf(token) => token.keyword(),
            Self::Group(_) => None,
        }
    }

    /// The name, if it can be one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Leaf(token) => token.name(),
            Self::Group(_) => None,
        }
    }

    /// Its line.
    pub fn line(&self) -> u32 {
        match self {
            Self::Leaf(token) => token.line,
            Self::Group(inside) => inside.first().map_or(1, Self::line),
        }
    }
}

/// Sorts tokens by their parentheses.
///
/// # Errors
/// A parenthesis without its other half, or too many in one another.
pub(super) fn tree(tokens: &[Token]) -> Result<Vec<Node>, Notice> {
    let mut open: Vec<Vec<Node>> = vec![Vec::new()];
    for token in tokens {
        if token.is_symbol("(") {
            if open.len() > DEEPEST {
                let text = "Some part of your SQL statement is nested too deeply.".to_owned();
                return Err(super::error(191, 15, text, token.line));
            }
            open.push(Vec::new());
        } else if token.is_symbol(")") {
            let group = open.pop().unwrap_or_default();
            let Some(outer) = open.last_mut() else {
                return Err(syntax(")", token.line));
            };
            outer.push(Node::Group(group));
        } else if let Some(inner) = open.last_mut() {
            inner.push(Node::Leaf(token.clone()));
        }
    }
    let whole = open.pop().unwrap_or_default();
    if !open.is_empty() {
        let last = tokens.last();
        return Err(syntax(
            last.map_or("", Token::shown),
            last.map_or(1, |token| token.line),
        ));
    }
    Ok(whole)
}

/// The parts between commas.
pub(super) fn parts(nodes: &[Node]) -> Vec<&[Node]> {
    if nodes.is_empty() {
        return Vec::new();
    }
    nodes.split(|node| node.is_symbol(",")).collect()
}
