//! A filter's text → what it asks.

use super::condition::{Comparison, Condition, Field, Kind};
use super::protocol::{self, Protocol, Side};
use super::relation::number;
use super::words::{Token, split};
use crate::observe::names::Names;

/// Deepest nesting of parentheses.
const DEEPEST: usize = 64;
/// Most words of a filter: what is longer does not fit into the kernel's 4096 instructions.
const MOST_WORDS: usize = 4096;

/// Why a filter is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WrongFilter {
    /// A sentence.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

pub(super) fn wrong<T>(message: impl Into<String>) -> Result<T, WrongFilter> {
    Err(WrongFilter {
        message: message.into(),
        help: None,
    })
}

/// Reads a filter; names in it are those of the lab. An empty one is for every packet.
///
/// # Errors
/// What is not understood, with the nearest word that would be.
pub fn parse(text: &str, names: &Names) -> Result<Condition, WrongFilter> {
    let tokens = match split(text) {
        Ok(tokens) => tokens,
        Err(character) => return wrong(format!("`{character}` means nothing in a filter")),
    };
    if tokens.is_empty() {
        return Ok(Condition::always());
    }
    if tokens.len() > MOST_WORDS {
        return wrong(format!("it has more than {MOST_WORDS} words"));
    }
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
        names,
        last: Qualifiers::default(),
        depth: 0,
    };
    let kind = parser.any_of()?;
    match parser.peek() {
        None => Ok(Condition(kind)),
        Some(token) => {
            let text = token.text();
            let help = matches!(token, Token::Word(_))
                .then(|| "between two conditions stands `and` or `or`".to_owned());
            Err(WrongFilter {
                message: format!("`{text}` does not continue what stands before it"),
                help,
            })
        }
    }
}

/// What a value is a value of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Qualifiers {
    pub(super) protocol: Option<Protocol>,
    pub(super) side: Side,
    pub(super) what: What,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum What {
    /// A host, or a network where there is a `/`.
    #[default]
    Default,
    Host,
    Net,
    Port,
    PortRange,
    Proto,
}

pub(super) struct Parser<'a> {
    pub(super) tokens: &'a [Token],
    pub(super) at: usize,
    pub(super) names: &'a Names,
    /// A value alone is of what the last one was of: `port 80 or 443`.
    pub(super) last: Qualifiers,
    pub(super) depth: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    pub(super) fn word(&self) -> Option<&'a str> {
        match self.peek() {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    pub(super) fn take_sign(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(sign)) if *sign == wanted);
        self.at += usize::from(found);
        found
    }

    pub(super) fn take_word(&mut self, wanted: &str) -> bool {
        let found = self.word() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    pub(super) fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, WrongFilter>,
    ) -> Result<T, WrongFilter> {
        if self.depth >= DEEPEST {
            return wrong(format!("it is nested more than {DEEPEST} deep"));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    pub(super) fn close(&mut self) -> Result<(), WrongFilter> {
        if self.take_sign(")") {
            return Ok(());
        }
        match self.peek() {
            None => wrong("a `)` is missing at the end"),
            Some(token) => wrong(format!("a `)` is missing before `{}`", token.text())),
        }
    }

    /// `and` and `or` bind alike, from left to right.
    fn any_of(&mut self) -> Result<Kind, WrongFilter> {
        let mut kind = self.not()?;
        loop {
            if self.take_sign("&&") {
                kind = kind.and(self.not()?);
            } else if self.take_sign("||") {
                kind = kind.or(self.not()?);
            } else {
                return Ok(kind);
            }
        }
    }

    fn not(&mut self) -> Result<Kind, WrongFilter> {
        if self.take_sign("!") {
            return Ok(self.deeper(Self::not)?.not());
        }
        let before = (self.at, self.depth);
        match self.relation() {
            Ok(Some(kind)) => return Ok(kind),
            // It began as a sum does and was none.
            Ok(None) => (self.at, self.depth) = before,
            Err(error) => return Err(error),
        }
        if self.take_sign("(") {
            let kind = self.deeper(Self::any_of)?;
            self.close()?;
            return Ok(kind);
        }
        self.primitive()
    }

    /// Qualifiers and a value, or a word that says all by itself.
    fn primitive(&mut self) -> Result<Kind, WrongFilter> {
        let Some(token) = self.peek() else {
            return wrong("it ends where a condition is missing");
        };
        let Some(word) = self.word() else {
            return wrong(format!(
                "`{}` stands where a condition is missing",
                token.text()
            ));
        };
        match word {
            "less" | "greater" => {
                self.at += 1;
                let Some(bound) = self.word().and_then(number) else {
                    return wrong(format!("`{word}` wants a number of bytes"));
                };
                self.at += 1;
                let above = |value| Kind::Field {
                    field: Field::Length,
                    mask: None,
                    comparison: Comparison::Above,
                    value,
                };
                return Ok(match (word, bound) {
                    ("less", bound) => above(bound).not(),
                    (_, 0) => Kind::Always,
                    (_, bound) => above(bound - 1),
                });
            }
            "vlan" => {
                self.at += 1;
                let tagged = Kind::is(Field::VlanPresent, 1);
                let Some(id) = self.word().and_then(number) else {
                    return Ok(tagged);
                };
                self.at += 1;
                return Ok(tagged.and(Kind::masked(Field::VlanTag, 0xfff, id)));
            }
            // As the node sees it: what the fabric's end receives, the node has sent.
            "inbound" => {
                self.at += 1;
                return Ok(Kind::sent());
            }
            "outbound" => {
                self.at += 1;
                return Ok(Kind::sent().not());
            }
            _ => {}
        }
        let start = self.at;
        let qualifiers = self.qualifiers();
        if matches!(self.word(), Some("broadcast" | "multicast")) {
            return self.many_receivers(qualifiers.protocol);
        }
        let only_protocol = self.at == start + 1
            && matches!(
                qualifiers,
                Qualifiers {
                    protocol: Some(_),
                    ..
                }
            );
        let ends = !matches!(self.peek(), Some(Token::Word(_) | Token::Sign("(")));
        if let (true, true, Some(protocol)) = (only_protocol, ends, qualifiers.protocol) {
            return Ok(protocol.condition());
        }
        if self.at > start {
            self.last = qualifiers;
        }
        self.values()
    }

    fn many_receivers(&mut self, protocol: Option<Protocol>) -> Result<Kind, WrongFilter> {
        let word = self.word().unwrap_or_default();
        self.at += 1;
        let kind = match (word, protocol) {
            ("multicast", protocol) => protocol::multicast(protocol),
            (_, None | Some(Protocol::Ether)) => Some(protocol::hardware(Side::To, [0xff; 6])),
            _ => None,
        };
        kind.ok_or_else(|| WrongFilter {
            message: format!("`{word}` can't be told of that protocol"),
            help: Some("`broadcast` and `multicast` alone ask for the frame's address".into()),
        })
    }

    /// `tcp src port`: protocol, side and what, each of which may be missing.
    fn qualifiers(&mut self) -> Qualifiers {
        let mut found = Qualifiers::default();
        if let Some(protocol) = self.word().and_then(Protocol::named) {
            found.protocol = Some(protocol);
            self.at += 1;
        }
        if let Some(first) = self.side() {
            found.side = first;
            let joined = match self.peek() {
                Some(Token::Sign("||")) => Some(Side::Either),
                Some(Token::Sign("&&")) => Some(Side::Both),
                _ => None,
            };
            if let Some(joined) = joined {
                self.at += 1;
                match self.side() {
                    Some(second) if second != first => found.side = joined,
                    // `src a and src b`: the sign belongs to the conditions.
                    Some(_) => self.at -= 2,
                    None => self.at -= 1,
                }
            }
        }
        let whats = [
            ("host", What::Host),
            ("net", What::Net),
            ("port", What::Port),
            ("portrange", What::PortRange),
            ("proto", What::Proto),
        ];
        for (word, what) in whats {
            if self.take_word(word) {
                found.what = what;
                break;
            }
        }
        found
    }

    fn side(&mut self) -> Option<Side> {
        if self.take_word("src") {
            Some(Side::From)
        } else if self.take_word("dst") {
            Some(Side::To)
        } else {
            None
        }
    }
}
