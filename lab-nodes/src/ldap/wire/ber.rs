//! Elements of BER (X.690) as LDAP restricts them (RFC 4511 §5.1): definite lengths, tags of one
//! byte.

use super::Malformed;

/// BOOLEAN.
pub const BOOLEAN: u8 = 0x01;
/// INTEGER.
pub const INTEGER: u8 = 0x02;
/// OCTET STRING.
pub const OCTETS: u8 = 0x04;
/// ENUMERATED.
pub const ENUMERATED: u8 = 0x0a;
/// SEQUENCE.
pub const SEQUENCE: u8 = 0x30;
/// SET.
pub const SET: u8 = 0x31;

/// Most bytes of a length that is understood: four gigabytes are no message.
const LONGEST_LENGTH: u8 = 4;

/// Reads elements one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

/// Tag, bytes of the header, bytes of the content.
type Header = (u8, usize, usize);

/// The header that bytes begin with; none if more bytes are needed to know it.
pub(super) fn header(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let [tag, rest @ ..] = bytes else {
        return Ok(None);
    };
    if tag & 0x1f == 0x1f {
        return Err(Malformed("a tag is longer than a byte"));
    }
    let [first, rest @ ..] = rest else {
        return Ok(None);
    };
    if *first < 0x80 {
        return Ok(Some((*tag, 2, usize::from(*first))));
    }
    let count = first & 0x7f;
    if count == 0 {
        return Err(Malformed("a length is indefinite"));
    }
    if count > LONGEST_LENGTH {
        return Err(Malformed("a length has more than four bytes"));
    }
    let count = usize::from(count);
    let Some(length) = rest.get(..count) else {
        return Ok(None);
    };
    let length = length
        .iter()
        .fold(0_u32, |length, byte| length << 8 | u32::from(*byte));
    let length = usize::try_from(length).map_err(|_| Malformed("a length is too great"))?;
    Ok(Some((*tag, 2 + count, length)))
}

impl<'a> Reader<'a> {
    /// Of the elements in these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next element's tag and content.
    ///
    /// # Errors
    /// There is none, or it is longer than what it stands in.
    pub fn element(&mut self) -> Result<(u8, &'a [u8]), Malformed> {
        let (tag, header, length) =
            header(self.rest)?.ok_or(Malformed("an element is missing or cut off"))?;
        let end = header
            .checked_add(length)
            .ok_or(Malformed("a length is too great"))?;
        let content = self
            .rest
            .get(header..end)
            .ok_or(Malformed("an element is longer than what it stands in"))?;
        self.rest = &self.rest[end..];
        Ok((tag, content))
    }

    /// The content of the next element, which has this tag.
    ///
    /// # Errors
    /// There is none, or it has another one.
    pub fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        match self.element()? {
            (found, content) if found == tag => Ok(content),
            _ => Err(Malformed("an element has another tag than it should")),
        }
    }

    /// The content of the next element, if it has this tag.
    ///
    /// # Errors
    /// It has, but is longer than what it stands in.
    pub fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, Malformed> {
        if self.rest.first() == Some(&tag) {
            self.expect(tag).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The next element as text.
    ///
    /// # Errors
    /// It is no OCTET STRING, or no UTF-8.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        text(self.expect(OCTETS)?)
    }

    /// The next element as a number.
    ///
    /// # Errors
    /// It has another tag, or more than eight bytes.
    pub fn number(&mut self, tag: u8) -> Result<i64, Malformed> {
        number(self.expect(tag)?)
    }

    /// Nothing may follow.
    ///
    /// # Errors
    /// Something does.
    pub fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Malformed("something follows the last element"))
        }
    }
}

/// Content as text.
pub(super) fn text(content: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(content).map_err(|_| Malformed("a text is no UTF-8"))
}

/// Content as a number (X.690 §8.3).
pub(super) fn number(content: &[u8]) -> Result<i64, Malformed> {
    let [first, ..] = content else {
        return Err(Malformed("a number is empty"));
    };
    if content.len() > 8 {
        return Err(Malformed("a number has more than eight bytes"));
    }
    let start = if first & 0x80 == 0 { 0 } else { -1 };
    Ok(content
        .iter()
        .fold(start, |number, byte| number << 8 | i64::from(*byte)))
}

/// Content as a truth value.
pub(super) fn truth(content: &[u8]) -> Result<bool, Malformed> {
    match content {
        [byte] => Ok(*byte != 0),
        _ => Err(Malformed("a truth value is not one byte")),
    }
}

/// Appends an element.
pub fn put(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    put_length(out, content.len());
    out.extend_from_slice(content);
}

/// Appends an element whose content is written by `content`.
pub fn put_with(out: &mut Vec<u8>, tag: u8, content: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    let start = out.len();
    content(out);
    let mut length = Vec::with_capacity(5);
    put_length(&mut length, out.len() - start);
    out.splice(start..start, length);
}

/// Appends a number.
pub fn put_number(out: &mut Vec<u8>, tag: u8, number: i64) {
    let bytes = number.to_be_bytes();
    // As few bytes as keep the sign (X.690 §8.3.2).
    let superfluous = bytes
        .array_windows()
        .take_while(|[byte, next]| {
            (*byte == 0 && next & 0x80 == 0) || (*byte == 0xff && next & 0x80 != 0)
        })
        .count();
    put(out, tag, &bytes[superfluous..]);
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            out.push(0x80 | u8::try_from(bytes.len() - zeros).unwrap_or_default());
            out.extend_from_slice(&bytes[zeros..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_sign_in_as_few_bytes_as_can_be() {
        // X.690 §8.3.
        let cases: [(i64, &[u8]); 7] = [
            (0, &[0]),
            (127, &[0x7f]),
            (128, &[0, 0x80]),
            (256, &[1, 0]),
            (-128, &[0x80]),
            (-129, &[0xff, 0x7f]),
            (i64::MIN, &[0x80, 0, 0, 0, 0, 0, 0, 0]),
        ];
        for (value, bytes) in cases {
            let mut out = Vec::new();
            put_number(&mut out, INTEGER, value);
            assert_eq!(out[2..], *bytes, "{value}");
            assert_eq!(number(bytes), Ok(value));
        }
    }

    #[test]
    fn long_lengths_are_written_and_read() {
        for length in [0, 127, 128, 255, 256, 70_000] {
            let mut out = Vec::new();
            put_with(&mut out, OCTETS, |out| out.extend(vec![7; length]));
            let mut direct = Vec::new();
            put(&mut direct, OCTETS, &vec![7; length]);
            assert_eq!(out, direct);
            let mut reader = Reader::new(&out);
            assert_eq!(reader.expect(OCTETS).map(<[u8]>::len), Ok(length));
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn what_is_no_element_is_refused() {
        let cases: [&[u8]; 7] = [
            &[],
            &[0x04],
            &[0x04, 0x02, 0x00],
            &[0x04, 0x80, 0x00, 0x00],
            &[0x04, 0x85, 0, 0, 0, 0, 0],
            &[0x1f, 0x81, 0x01, 0x00],
            &[0x04, 0x84, 0xff, 0xff, 0xff, 0xff],
        ];
        for bytes in cases {
            assert!(Reader::new(bytes).element().is_err(), "{bytes:02x?}");
        }
    }
}
