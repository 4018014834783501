//! DER (X.690), as much as Kerberos and SPNEGO use: definite lengths, tags below 31. Reading walks
//! the bytes as its caller's types say, so that its depth and memory are bounded by them.

/// What is not the DER that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed: {0}")]
pub struct Malformed(
    /// What was expected or found.
    pub &'static str,
);

/// Universal tags.
mod tag {
    pub const BOOLEAN: u8 = 0x01;
    pub const INTEGER: u8 = 0x02;
    pub const BIT_STRING: u8 = 0x03;
    pub const OCTETS: u8 = 0x04;
    pub const OID: u8 = 0x06;
    pub const ENUMERATED: u8 = 0x0a;
    pub const GENERALIZED_TIME: u8 = 0x18;
    pub const GENERAL_STRING: u8 = 0x1b;
    pub const SEQUENCE: u8 = 0x30;
    pub const APPLICATION: u8 = 0x60;
    pub const CONTEXT: u8 = 0xa0;
}

/// Reads one value after the other.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Of these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What is not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether all is read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The tag of the next value; none at the end.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next value of any tag: its tag, its content and the whole of it.
    ///
    /// # Errors
    /// It is cut off, or has a tag or length of a form that is not used.
    pub fn any(&mut self) -> Result<(u8, &'a [u8], &'a [u8]), Malformed> {
        let (&tag, after) = self.rest.split_first().ok_or(Malformed("it ends early"))?;
        if tag & 0x1f == 0x1f {
            return Err(Malformed("a tag of several bytes"));
        }
        let (&first, mut after) = after.split_first().ok_or(Malformed("it ends early"))?;
        let length = match first {
            0..=0x7f => usize::from(first),
            0x81..=0x84 => {
                let (bytes, rest) = after
                    .split_at_checked(usize::from(first & 0x7f))
                    .ok_or(Malformed("it ends early"))?;
                after = rest;
                bytes
                    .iter()
                    .fold(0_usize, |all, byte| (all << 8) | usize::from(*byte))
            }
            0x80 | 0x85.. => return Err(Malformed("an indefinite or huge length")),
        };
        let (content, rest) = after
            .split_at_checked(length)
            .ok_or(Malformed("a length beyond the end"))?;
        let whole = &self.rest[..self.rest.len() - rest.len()];
        self.rest = rest;
        Ok((tag, content, whole))
    }

    /// The content of the next value, which must have this tag.
    fn take(&mut self, tag: u8, what: &'static str) -> Result<&'a [u8], Malformed> {
        if self.peek() != Some(tag) {
            return Err(Malformed(what));
        }
        self.any().map(|(_, content, _)| content)
    }

    /// What is inside the next sequence.
    ///
    /// # Errors
    /// There is none.
    pub fn sequence(&mut self) -> Result<Self, Malformed> {
        self.take(tag::SEQUENCE, "no sequence").map(Self::new)
    }

    /// What is inside the next value of an application tag.
    ///
    /// # Errors
    /// It has another tag.
    pub fn application(&mut self, number: u8) -> Result<Self, Malformed> {
        self.take(
            tag::APPLICATION | number,
            "not the message that was expected",
        )
        .map(Self::new)
    }

    /// What is inside the next value of a context tag.
    ///
    /// # Errors
    /// It has another tag.
    pub fn field(&mut self, number: u8) -> Result<Self, Malformed> {
        self.take(tag::CONTEXT | number, "a field is missing")
            .map(Self::new)
    }

    /// The same, if it is there.
    ///
    /// # Errors
    /// It is there and broken.
    pub fn optional(&mut self, number: u8) -> Result<Option<Self>, Malformed> {
        if self.peek() == Some(tag::CONTEXT | number) {
            return self.field(number).map(Some);
        }
        Ok(None)
    }

    /// An integer that fits.
    ///
    /// # Errors
    /// There is none, or a larger one.
    pub fn integer(&mut self) -> Result<i64, Malformed> {
        number(self.take(tag::INTEGER, "no integer")?)
    }

    /// An integer of 32 bits. An unsigned one beyond 2³¹ is taken as the negative one of the same
    /// bits: peers write nonces and sequence numbers both ways.
    ///
    /// # Errors
    /// There is none, or a larger one.
    pub fn int32(&mut self) -> Result<i32, Malformed> {
        let number = self.integer()?;
        i32::try_from(number)
            .or_else(|_| u32::try_from(number).map(u32::cast_signed))
            .map_err(|_| Malformed("a number of more than 32 bits"))
    }

    /// An enumerated value.
    ///
    /// # Errors
    /// There is none.
    pub fn enumerated(&mut self) -> Result<i64, Malformed> {
        number(self.take(tag::ENUMERATED, "no enumerated value")?)
    }

    /// A boolean.
    ///
    /// # Errors
    /// There is none.
    pub fn boolean(&mut self) -> Result<bool, Malformed> {
        match self.take(tag::BOOLEAN, "no boolean")? {
            [value] => Ok(*value != 0),
            _ => Err(Malformed("no boolean")),
        }
    }

    /// Octets.
    ///
    /// # Errors
    /// There are none.
    pub fn octets(&mut self) -> Result<&'a [u8], Malformed> {
        self.take(tag::OCTETS, "no octets")
    }

    /// The bytes of an object identifier.
    ///
    /// # Errors
    /// There is none.
    pub fn oid(&mut self) -> Result<&'a [u8], Malformed> {
        self.take(tag::OID, "no object identifier")
    }

    /// A GeneralString; what peers put into it is UTF-8.
    ///
    /// # Errors
    /// There is none.
    pub fn string(&mut self) -> Result<String, Malformed> {
        let bytes = self.take(tag::GENERAL_STRING, "no string")?;
        let text =
            std::str::from_utf8(bytes).map_err(|_| Malformed("a string that is no UTF-8"))?;
        Ok(text.to_owned())
    }

    /// The text of a GeneralizedTime.
    ///
    /// # Errors
    /// There is none.
    pub fn generalized_time(&mut self) -> Result<&'a [u8], Malformed> {
        self.take(tag::GENERALIZED_TIME, "no time")
    }

    /// The first 32 bits of a bit string; bit 0 is the highest.
    ///
    /// # Errors
    /// There is none.
    pub fn flags(&mut self) -> Result<u32, Malformed> {
        let bytes = self.take(tag::BIT_STRING, "no flags")?;
        let (unused, bits) = bytes.split_first().ok_or(Malformed("no flags"))?;
        if *unused > 7 {
            return Err(Malformed("no flags"));
        }
        let mut first = [0; 4];
        for (to, from) in first.iter_mut().zip(bits) {
            *to = *from;
        }
        Ok(u32::from_be_bytes(first))
    }
}

fn number(bytes: &[u8]) -> Result<i64, Malformed> {
    let first = *bytes.first().ok_or(Malformed("an empty integer"))?;
    if bytes.len() > 8 {
        return Err(Malformed("an integer that is too large"));
    }
    let start = if first & 0x80 == 0 { 0 } else { -1 };
    Ok(bytes
        .iter()
        .fold(start, |all, byte| (all << 8) | i64::from(*byte)))
}

/// A value with its tag and length.
fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut bytes = vec![tag];
    if length < 0x80 {
        bytes.push(length as u8);
    } else {
        let all = length.to_be_bytes();
        let skipped = all.iter().take_while(|byte| **byte == 0).count();
        bytes.push(0x80 | (all.len() - skipped) as u8);
        bytes.extend_from_slice(&all[skipped..]);
    }
    bytes.extend_from_slice(content);
    bytes
}

/// A sequence of values.
pub fn sequence(values: &[Vec<u8>]) -> Vec<u8> {
    value(tag::SEQUENCE, &values.concat())
}

/// A value below an application tag.
pub fn application(number: u8, inner: &[u8]) -> Vec<u8> {
    value(tag::APPLICATION | number, inner)
}

/// A value below a context tag.
pub fn field(number: u8, inner: &[u8]) -> Vec<u8> {
    value(tag::CONTEXT | number, inner)
}

/// The same, or nothing.
pub fn optional(number: u8, inner: Option<Vec<u8>>) -> Vec<u8> {
    inner.map_or_else(Vec::new, |inner| field(number, &inner))
}

/// An integer.
pub fn integer(number: i64) -> Vec<u8> {
    value(tag::INTEGER, shortest(&number.to_be_bytes()))
}

/// An enumerated value.
pub fn enumerated(number: i64) -> Vec<u8> {
    value(tag::ENUMERATED, shortest(&number.to_be_bytes()))
}

/// As few bytes as keep the number with its sign.
fn shortest(bytes: &[u8; 8]) -> &[u8] {
    let needless = bytes.windows(2).take_while(|pair| {
        (pair[0] == 0 && pair[1] & 0x80 == 0) || (pair[0] == 0xff && pair[1] & 0x80 != 0)
    });
    &bytes[needless.count()..]
}

/// Octets.
pub fn octets(bytes: &[u8]) -> Vec<u8> {
    value(tag::OCTETS, bytes)
}

/// An object identifier from its bytes.
pub fn oid(bytes: &[u8]) -> Vec<u8> {
    value(tag::OID, bytes)
}

/// A GeneralString.
pub fn string(text: &str) -> Vec<u8> {
    value(tag::GENERAL_STRING, text.as_bytes())
}

/// A GeneralizedTime.
pub fn generalized_time(text: &str) -> Vec<u8> {
    value(tag::GENERALIZED_TIME, text.as_bytes())
}

/// 32 bits; bit 0 is the highest.
pub fn flags(bits: u32) -> Vec<u8> {
    value(tag::BIT_STRING, &[&[0][..], &bits.to_be_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_as_short_as_may_be() {
        // X.690 §8.3.2.
        for (number, bytes) in [
            (0, &[2, 1, 0][..]),
            (127, &[2, 1, 127]),
            (128, &[2, 2, 0, 128]),
            (256, &[2, 2, 1, 0]),
            (-1, &[2, 1, 255]),
            (-128, &[2, 1, 128]),
            (-129, &[2, 2, 255, 127]),
            (i64::MIN, &[2, 8, 128, 0, 0, 0, 0, 0, 0, 0]),
        ] {
            assert_eq!(integer(number), bytes, "{number}");
            assert_eq!(Reader::new(bytes).integer(), Ok(number));
        }
    }

    #[test]
    fn a_nonce_may_be_written_with_or_without_sign() {
        for bytes in [&integer(0xffff_fffe)[..], &integer(-2)] {
            assert_eq!(Reader::new(bytes).int32(), Ok(-2));
        }
        assert!(Reader::new(&integer(1 << 32)).int32().is_err());
    }

    #[test]
    fn long_lengths_are_read_as_written() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let bytes = octets(&vec![7; length]);
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.octets().map(<[u8]>::len), Ok(length));
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn what_ends_early_is_refused() {
        let whole = sequence(&[integer(5), octets(&[1; 200])]);
        for length in 0..whole.len() {
            assert!(Reader::new(&whole[..length]).any().is_err(), "{length}");
        }
        for broken in [
            &[0x30, 0x80, 0, 0][..],
            &[0x30, 0x85, 0, 0, 0, 0, 0],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x3f, 0x01, 0],
        ] {
            assert!(Reader::new(broken).any().is_err(), "{broken:?}");
        }
    }
}
