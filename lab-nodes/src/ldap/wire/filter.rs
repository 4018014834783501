//! Filters (RFC 4511 §4.5.1.7).

use super::Malformed;
use super::ber::{OCTETS, Reader, text, truth};

/// Deepest nesting of filters that is read.
const DEEPEST: usize = 64;
/// Most parts of one filter, all levels together.
const MOST_PARTS: usize = 4096;

/// What a search looks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Filter {
    /// All of them hold; of none: true (RFC 4526).
    And(Vec<Filter>),
    /// One of them holds; of none: false (RFC 4526).
    Or(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// A value of the attribute is this.
    Equal(String, Vec<u8>),
    /// A value is made of these pieces.
    Pieces(String, Substrings),
    /// A value is this or follows it.
    AtLeast(String, Vec<u8>),
    /// A value is this or precedes it.
    AtMost(String, Vec<u8>),
    /// The attribute is there.
    Present(String),
    /// A value is about this.
    About(String, Vec<u8>),
    /// A value matches by a rule of its own.
    ByRule(Rule),
}

/// Pieces of a value, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Substrings {
    /// How it begins.
    pub initial: Option<Vec<u8>>,
    /// What is in it.
    pub any: Vec<Vec<u8>>,
    /// How it ends.
    pub last: Option<Vec<u8>>,
}

/// An extensible match.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// Matching rule, by its identifier.
    pub rule: Option<String>,
    /// Attribute; none: all that the rule is for.
    pub attribute: Option<String>,
    /// Value.
    pub value: Vec<u8>,
    /// The parts of an entry's name are attributes, too.
    pub names_too: bool,
}

impl Filter {
    /// Reads the one filter that stands next.
    ///
    /// # Errors
    /// It is none, nested deeper than 64, or has more than 4,096 parts.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut parts = MOST_PARTS;
        Self::nested(reader, DEEPEST, &mut parts)
    }

    fn nested(
        reader: &mut Reader<'_>,
        deeper: usize,
        parts: &mut usize,
    ) -> Result<Self, Malformed> {
        let deeper = deeper
            .checked_sub(1)
            .ok_or(Malformed("a filter is nested too deep"))?;
        *parts = parts
            .checked_sub(1)
            .ok_or(Malformed("a filter has too many parts"))?;
        let (tag, content) = reader.element()?;
        let mut inner = Reader::new(content);
        let filter = match tag {
            0xa0 => Self::And(Self::list(&mut inner, deeper, parts)?),
            0xa1 => Self::Or(Self::list(&mut inner, deeper, parts)?),
            0xa2 => Self::Not(Box::new(Self::nested(&mut inner, deeper, parts)?)),
            0xa3 => pair(&mut inner, Self::Equal)?,
            0xa4 => {
                let attribute = inner.text()?.to_owned();
                Self::Pieces(attribute, Substrings::read(&mut inner, parts)?)
            }
            0xa5 => pair(&mut inner, Self::AtLeast)?,
            0xa6 => pair(&mut inner, Self::AtMost)?,
            0x87 => return Ok(Self::Present(text(content)?.to_owned())),
            0xa8 => pair(&mut inner, Self::About)?,
            0xa9 => Self::ByRule(Rule::read(&mut inner)?),
            _ => return Err(Malformed("a filter is of no known kind")),
        };
        inner.end()?;
        Ok(filter)
    }

    fn list(
        inner: &mut Reader<'_>,
        deeper: usize,
        parts: &mut usize,
    ) -> Result<Vec<Self>, Malformed> {
        let mut filters = Vec::new();
        while !inner.is_empty() {
            filters.push(Self::nested(inner, deeper, parts)?);
        }
        Ok(filters)
    }
}

fn pair(
    inner: &mut Reader<'_>,
    make: impl FnOnce(String, Vec<u8>) -> Filter,
) -> Result<Filter, Malformed> {
    let attribute = inner.text()?.to_owned();
    Ok(make(attribute, inner.expect(OCTETS)?.to_vec()))
}

impl Substrings {
    fn read(inner: &mut Reader<'_>, parts: &mut usize) -> Result<Self, Malformed> {
        let mut pieces = Reader::new(inner.expect(0x30)?);
        let mut read = Self::default();
        if pieces.is_empty() {
            return Err(Malformed("a substring filter has no pieces"));
        }
        while !pieces.is_empty() {
            *parts = parts
                .checked_sub(1)
                .ok_or(Malformed("a filter has too many parts"))?;
            let (tag, piece) = pieces.element()?;
            let first = read.initial.is_none() && read.any.is_empty();
            match tag {
                _ if read.last.is_some() => {
                    return Err(Malformed("a piece follows the last of a substring filter"));
                }
                0x80 if first => read.initial = Some(piece.to_vec()),
                0x81 => read.any.push(piece.to_vec()),
                0x82 => read.last = Some(piece.to_vec()),
                _ => {
                    return Err(Malformed(
                        "a piece of a substring filter is of no known kind",
                    ));
                }
            }
        }
        Ok(read)
    }
}

impl Rule {
    fn read(inner: &mut Reader<'_>) -> Result<Self, Malformed> {
        let owned = |content: Option<&[u8]>| {
            content
                .map(|content| text(content).map(str::to_owned))
                .transpose()
        };
        let rule = owned(inner.optional(0x81)?)?;
        let attribute = owned(inner.optional(0x82)?)?;
        let value = inner.expect(0x83)?.to_vec();
        let names_too = inner.optional(0x84)?.map(truth).transpose()?;
        if rule.is_none() && attribute.is_none() {
            return Err(Malformed("a match names neither rule nor attribute"));
        }
        Ok(Self {
            rule,
            attribute,
            value,
            names_too: names_too.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::ber::put_with;
    use super::*;

    fn nested(depth: usize) -> Vec<u8> {
        let mut bytes = [&[0x87, 0x02][..], b"cn"].concat();
        for _ in 0..depth {
            let mut outer = Vec::new();
            put_with(&mut outer, 0xa2, |out| out.extend(&bytes));
            bytes = outer;
        }
        bytes
    }

    #[test]
    fn nesting_has_an_end() {
        assert!(Filter::read(&mut Reader::new(&nested(DEEPEST - 1))).is_ok());
        assert!(Filter::read(&mut Reader::new(&nested(DEEPEST))).is_err());
        assert!(Filter::read(&mut Reader::new(&nested(1000))).is_err());
    }

    #[test]
    fn the_number_of_parts_has_an_end() {
        let mut bytes = Vec::new();
        put_with(&mut bytes, 0xa1, |out| {
            for _ in 0..MOST_PARTS {
                out.extend([0x87, 0x01, b'c']);
            }
        });
        assert!(Filter::read(&mut Reader::new(&bytes)).is_err());
    }

    #[test]
    fn values_need_not_be_text() {
        let bytes = [
            &[0xa3, 0x08, 0x04, 0x02][..],
            b"cn",
            &[0x04, 0x02, 0xff, 0x00],
        ]
        .concat();
        assert_eq!(
            Filter::read(&mut Reader::new(&bytes)),
            Ok(Filter::Equal("cn".into(), vec![0xff, 0]))
        );
    }
}
