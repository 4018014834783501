//! What servers send.

use super::super::Code;
use super::Control;
use super::ber::{BOOLEAN, ENUMERATED, INTEGER, OCTETS, SEQUENCE, SET, put, put_number, put_with};

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Message id of the request; 0: of none.
    pub id: i32,
    /// What it answers.
    pub answer: Answer,
    /// What it says besides.
    pub controls: Vec<Control>,
}

/// How an operation went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Result code.
    pub code: Code,
    /// The nearest entry that is there, where the one asked for is not.
    pub matched: String,
    /// For people.
    pub message: String,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To a bind.
    Bind {
        /// How it went.
        outcome: Outcome,
        /// The mechanism's token.
        token: Option<Vec<u8>>,
    },
    /// To a bind by Sicily, whose token stands where others have the matched name ([MS-ADTS]
    /// §5.1.1.1.3).
    Sicily {
        /// Result code.
        code: Code,
        /// The token.
        token: Vec<u8>,
        /// For people.
        message: String,
    },
    /// An entry that was found.
    Entry {
        /// Its name.
        name: String,
        /// What was asked of it.
        attributes: Vec<Attribute>,
    },
    /// The end of a search.
    Found(Outcome),
    /// To a comparison.
    Compared(Outcome),
    /// To a change; the tag is the one that its kind is answered with.
    Changed(u8, Outcome),
    /// To an extended operation.
    Extended {
        /// How it went.
        outcome: Outcome,
        /// Object identifier.
        oid: Option<String>,
        /// Value.
        value: Option<Vec<u8>>,
    },
}

/// An attribute with its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its values.
    pub values: Vec<Vec<u8>>,
}

/// Notice of Disconnection (RFC 4511 §4.4.1).
const NOTICE: &str = "1.3.6.1.4.1.1466.20036";

impl Outcome {
    /// With a message for people.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            matched: String::new(),
            message: message.into(),
        }
    }

    /// It was done.
    pub fn success() -> Self {
        Self::new(Code::SUCCESS, "")
    }

    fn put(&self, out: &mut Vec<u8>) {
        put(out, ENUMERATED, &[self.code.0]);
        put(out, OCTETS, self.matched.as_bytes());
        put(out, OCTETS, self.message.as_bytes());
    }
}

impl Response {
    /// To the request of this id.
    pub fn new(id: i32, answer: Answer) -> Self {
        Self {
            id,
            answer,
            controls: Vec::new(),
        }
    }

    /// The notice that the server ends the connection, and why.
    pub fn notice(code: Code, why: impl Into<String>) -> Self {
        let answer = Answer::Extended {
            outcome: Outcome::new(code, why),
            oid: Some(NOTICE.into()),
            value: None,
        };
        Self::new(0, answer)
    }

    /// Appends it as a message.
    pub fn write(&self, out: &mut Vec<u8>) {
        put_with(out, SEQUENCE, |out| {
            put_number(out, INTEGER, self.id.into());
            self.answer.put(out);
            if !self.controls.is_empty() {
                put_with(out, 0xa0, |out| {
                    self.controls.iter().for_each(|control| control.put(out));
                });
            }
        });
    }
}

impl Control {
    fn put(&self, out: &mut Vec<u8>) {
        put_with(out, SEQUENCE, |out| {
            put(out, OCTETS, self.oid.as_bytes());
            if self.critical {
                put(out, BOOLEAN, &[0xff]);
            }
            if let Some(value) = &self.value {
                put(out, OCTETS, value);
            }
        });
    }
}

impl Answer {
    fn put(&self, out: &mut Vec<u8>) {
        let tag = match self {
            Self::Bind { .. } | Self::Sicily { .. } => 0x61,
            Self::Entry { .. } => 0x64,
            Self::Found(_) => 0x65,
            Self::Compared(_) => 0x6f,
            Self::Changed(tag, _) => *tag,
            Self::Extended { .. } => 0x78,
        };
        put_with(out, tag, |out| match self {
            Self::Bind { outcome, token } => {
                outcome.put(out);
                if let Some(token) = token {
                    put(out, 0x87, token);
                }
            }
            Self::Sicily {
                code,
                token,
                message,
            } => {
                put(out, ENUMERATED, &[code.0]);
                put(out, OCTETS, token);
                put(out, OCTETS, message.as_bytes());
            }
            Self::Entry { name, attributes } => {
                put(out, OCTETS, name.as_bytes());
                put_with(out, SEQUENCE, |out| {
                    attributes.iter().for_each(|attribute| attribute.put(out));
                });
            }
            Self::Found(outcome) | Self::Compared(outcome) | Self::Changed(_, outcome) => {
                outcome.put(out);
            }
            Self::Extended {
                outcome,
                oid,
                value,
            } => {
                outcome.put(out);
                if let Some(oid) = oid {
                    put(out, 0x8a, oid.as_bytes());
                }
                if let Some(value) = value {
                    put(out, 0x8b, value);
                }
            }
        });
    }
}

impl Attribute {
    fn put(&self, out: &mut Vec<u8>) {
        put_with(out, SEQUENCE, |out| {
            put(out, OCTETS, self.name.as_bytes());
            put_with(out, SET, |out| {
                self.values.iter().for_each(|value| put(out, OCTETS, value));
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bind_that_held_is_answered_as_in_the_standard() {
        let mut bytes = Vec::new();
        let answer = Answer::Bind {
            outcome: Outcome::success(),
            token: None,
        };
        Response::new(1, answer).write(&mut bytes);
        assert_eq!(
            bytes,
            [0x30, 0x0c, 2, 1, 1, 0x61, 0x07, 0x0a, 1, 0, 4, 0, 4, 0]
        );
    }
}
