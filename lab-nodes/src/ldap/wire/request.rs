//! What clients send.

use super::ber::{
    BOOLEAN, ENUMERATED, INTEGER, OCTETS, Reader, SEQUENCE, SET, number, text, truth,
};
use super::{Filter, Malformed};

/// Most controls of a request.
const MOST_CONTROLS: usize = 32;
/// Most attributes that a search asks for.
const MOST_ATTRIBUTES: usize = 1024;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Message id, by which the client knows the answer.
    pub id: i32,
    /// What it asks.
    pub operation: Operation,
    /// How.
    pub controls: Vec<Control>,
}

/// A control (RFC 4511 §4.1.11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Its object identifier.
    pub oid: String,
    /// The operation must not be done without it.
    pub critical: bool,
    /// Its value.
    pub value: Option<Vec<u8>>,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Who the client is.
    Bind {
        /// Protocol version.
        version: i64,
        /// Its name.
        name: String,
        /// Its proof.
        proof: Proof,
    },
    /// Nothing more will come.
    Unbind,
    /// Entries.
    Search(Search),
    /// Whether an entry has a value.
    Compare {
        /// The entry.
        name: String,
        /// Attribute.
        attribute: String,
        /// Value.
        value: Vec<u8>,
    },
    /// A change of the directory.
    Change {
        /// Tag of the response.
        response: u8,
        /// The entry.
        name: String,
    },
    /// That the answer to an earlier request is not needed any more.
    Abandon(i32),
    /// An extended operation.
    Extended {
        /// Its object identifier.
        oid: String,
        /// Its value.
        value: Option<Vec<u8>>,
    },
}

/// How a client proves who it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Proof {
    /// A password.
    Password(Vec<u8>),
    /// A mechanism of SASL.
    Sasl {
        /// Its name.
        mechanism: String,
        /// Its token; none where the client leaves the first word to the server.
        token: Option<Vec<u8>>,
    },
    /// Which mechanisms Sicily has ([MS-ADTS] §5.1.1.1.3).
    SicilyDiscovery,
    /// The first NTLM message, by Sicily.
    SicilyNegotiate(Vec<u8>),
    /// The last NTLM message, by Sicily.
    SicilyResponse(Vec<u8>),
    /// Something else.
    Unknown,
}

// Passwords and tokens stay out of logs.
impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password(..)",
            Self::Sasl { .. } => "Sasl(..)",
            Self::SicilyDiscovery => "SicilyDiscovery",
            Self::SicilyNegotiate(_) => "SicilyNegotiate(..)",
            Self::SicilyResponse(_) => "SicilyResponse(..)",
            Self::Unknown => "Unknown",
        })
    }
}

/// A search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// Where.
    pub base: String,
    /// How far below.
    pub scope: Scope,
    /// Most entries; 0: as many as the server gives.
    pub most: i64,
    /// Most seconds; 0: as many as the server takes.
    pub seconds: i64,
    /// Attributes without values.
    pub types_only: bool,
    /// Which.
    pub filter: Filter,
    /// What of them; empty: all that is no operational attribute.
    pub attributes: Vec<String>,
}

/// How far below its base a search looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The base alone.
    Base,
    /// Its children.
    Children,
    /// It and all below.
    Subtree,
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Base => "base",
            Self::Children => "one",
            Self::Subtree => "sub",
        })
    }
}

impl Request {
    /// Reads one whole message.
    ///
    /// # Errors
    /// It is none, or none that a client sends.
    pub fn read(message: &[u8]) -> Result<Self, Malformed> {
        let mut outer = Reader::new(message);
        let mut reader = Reader::new(outer.expect(SEQUENCE)?);
        outer.end()?;
        let id = reader.number(INTEGER)?;
        let id = i32::try_from(id)
            .ok()
            .filter(|id| *id > 0)
            .ok_or(Malformed("a message id is no positive number of 31 bits"))?;
        let (tag, content) = reader.element()?;
        let operation = Operation::read(tag, content)?;
        let controls = match reader.optional(0xa0)? {
            Some(list) => Control::list(list)?,
            None => Vec::new(),
        };
        reader.end()?;
        Ok(Self {
            id,
            operation,
            controls,
        })
    }
}

impl Control {
    fn list(list: &[u8]) -> Result<Vec<Self>, Malformed> {
        let mut reader = Reader::new(list);
        let mut controls = Vec::new();
        while !reader.is_empty() {
            if controls.len() == MOST_CONTROLS {
                return Err(Malformed("a request has too many controls"));
            }
            let mut control = Reader::new(reader.expect(SEQUENCE)?);
            controls.push(Self {
                oid: control.text()?.to_owned(),
                critical: match control.optional(BOOLEAN)? {
                    Some(content) => truth(content)?,
                    None => false,
                },
                value: control.optional(OCTETS)?.map(<[u8]>::to_vec),
            });
            control.end()?;
        }
        Ok(controls)
    }
}

impl Operation {
    fn read(tag: u8, content: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(content);
        let operation = match tag {
            0x60 => Self::Bind {
                version: reader.number(INTEGER)?,
                name: reader.text()?.to_owned(),
                proof: Proof::read(&mut reader)?,
            },
            0x42 => return Ok(Self::Unbind),
            0x63 => Self::Search(Search::read(&mut reader)?),
            0x6e => {
                let name = reader.text()?.to_owned();
                let mut pair = Reader::new(reader.expect(SEQUENCE)?);
                let (attribute, value) = (pair.text()?.to_owned(), pair.expect(OCTETS)?.to_vec());
                pair.end()?;
                Self::Compare {
                    name,
                    attribute,
                    value,
                }
            }
            0x66 | 0x68 => {
                let name = reader.text()?.to_owned();
                changes(reader.expect(SEQUENCE)?, tag == 0x66)?;
                Self::Change {
                    response: tag + 1,
                    name,
                }
            }
            0x6c => {
                let name = reader.text()?.to_owned();
                reader.text()?;
                truth(reader.expect(BOOLEAN)?)?;
                reader.optional(0x80)?.map(text).transpose()?;
                Self::Change {
                    response: 0x6d,
                    name,
                }
            }
            0x4a => {
                return Ok(Self::Change {
                    response: 0x6b,
                    name: text(content)?.to_owned(),
                });
            }
            0x50 => {
                let id = number(content)?;
                let id = i32::try_from(id).map_err(|_| Malformed("a message id is too great"))?;
                return Ok(Self::Abandon(id));
            }
            0x77 => Self::Extended {
                oid: text(reader.expect(0x80)?)?.to_owned(),
                value: reader.optional(0x81)?.map(<[u8]>::to_vec),
            },
            _ => return Err(Malformed("an operation is none that clients ask for")),
        };
        reader.end()?;
        Ok(operation)
    }
}

/// The directory is read-only, but a malformed change is malformed first of all.
fn changes(list: &[u8], with_kind: bool) -> Result<(), Malformed> {
    let mut list = Reader::new(list);
    while !list.is_empty() {
        let mut change = Reader::new(list.expect(SEQUENCE)?);
        if with_kind {
            change.number(ENUMERATED)?;
            let mut attribute = Reader::new(change.expect(SEQUENCE)?);
            attribute.text()?;
            attribute.expect(SET)?;
            attribute.end()?;
        } else {
            change.text()?;
            change.expect(SET)?;
        }
        change.end()?;
    }
    Ok(())
}

impl Proof {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (tag, content) = reader.element()?;
        Ok(match tag {
            0x80 => Self::Password(content.to_vec()),
            0xa3 => {
                let mut sasl = Reader::new(content);
                let mechanism = sasl.text()?.to_owned();
                let token = sasl.optional(OCTETS)?.map(<[u8]>::to_vec);
                sasl.end()?;
                Self::Sasl { mechanism, token }
            }
            0x89 => Self::SicilyDiscovery,
            0x8a => Self::SicilyNegotiate(content.to_vec()),
            0x8b => Self::SicilyResponse(content.to_vec()),
            _ => Self::Unknown,
        })
    }
}

impl Search {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let base = reader.text()?.to_owned();
        let scope = match reader.number(ENUMERATED)? {
            0 => Scope::Base,
            1 => Scope::Children,
            2 => Scope::Subtree,
            _ => return Err(Malformed("a search has no known scope")),
        };
        if !(0..=3).contains(&reader.number(ENUMERATED)?) {
            return Err(Malformed("a search treats aliases in no known way"));
        }
        let (most, seconds) = (reader.number(INTEGER)?, reader.number(INTEGER)?);
        if most < 0 || seconds < 0 {
            return Err(Malformed("a limit of a search is negative"));
        }
        let types_only = truth(reader.expect(BOOLEAN)?)?;
        let filter = Filter::read(reader)?;
        let mut list = Reader::new(reader.expect(SEQUENCE)?);
        let mut attributes = Vec::new();
        while !list.is_empty() {
            if attributes.len() == MOST_ATTRIBUTES {
                return Err(Malformed("a search asks for too many attributes"));
            }
            attributes.push(list.text()?.to_owned());
        }
        Ok(Self {
            base,
            scope,
            most,
            seconds,
            types_only,
            filter,
            attributes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::ber::{put, put_number, put_with};
    use super::*;

    fn message(id: i64, tag: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_with(&mut bytes, SEQUENCE, |out| {
            put_number(out, INTEGER, id);
            put(out, tag, content);
        });
        bytes
    }

    #[test]
    fn a_search_of_a_stock_client_is_read() {
        // ldapsearch -x -b '' -s base '(objectClass=*)' namingContexts
        let bytes = [
            &[
                0x30, 0x35, 0x02, 0x01, 0x02, 0x63, 0x30, 0x04, 0x00, 0x0a, 0x01, 0x00,
            ][..],
            &[
                0x0a, 0x01, 0x00, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00, 0x01, 0x01, 0x00,
            ],
            &[0x87, 0x0b],
            b"objectClass",
            &[0x30, 0x10, 0x04, 0x0e],
            b"namingContexts",
        ]
        .concat();
        let request = Request::read(&bytes).expect("a request");
        let Operation::Search(search) = request.operation else {
            panic!("no search");
        };
        assert_eq!((search.scope, request.id), (Scope::Base, 2));
        assert_eq!(search.filter, Filter::Present("objectClass".into()));
        assert_eq!(search.attributes, ["namingContexts"]);
        for length in 0..bytes.len() {
            assert!(Request::read(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn sicily_is_read() {
        let bind = [&[0x02, 0x01, 0x03, 0x04, 0x00, 0x8a, 0x01, 0x4e][..]].concat();
        let request = Request::read(&message(1, 0x60, &bind)).expect("a request");
        assert!(matches!(
            request.operation,
            Operation::Bind { proof: Proof::SicilyNegotiate(token), .. } if token == b"N"
        ));
    }

    #[test]
    fn what_no_client_sends_is_refused() {
        for (id, tag, content) in [
            (0, 0x42, &[][..]),
            (-1, 0x42, &[]),
            (1 << 31, 0x42, &[]),
            (1, 0x61, &[0x0a, 0x01, 0x00]),
            (1, 0x30, &[]),
            (1, 0x66, &[0x04, 0x00, 0x30, 0x02, 0x30, 0x00]),
        ] {
            assert!(
                Request::read(&message(id, tag, content)).is_err(),
                "{id} {tag}"
            );
        }
        let mut trailing = message(1, 0x42, &[]);
        assert!(Request::read(&trailing).is_ok());
        trailing.push(0);
        assert!(Request::read(&trailing).is_err());
    }
}
