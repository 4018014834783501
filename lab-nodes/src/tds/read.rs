//! A cursor over received bytes.

/// A message that is not what the protocol says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed TDS message: {0}")]
pub struct Malformed(pub &'static str);

/// Reads from the front of a slice; past its end it fails.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = (self.0)
            .split_at_checked(length)
            .ok_or(Malformed("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = (self.0)
            .split_first_chunk()
            .ok_or(Malformed("it ends too early"))?;
        self.0 = rest;
        Ok(*taken)
    }

    pub fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A length as an index; one that does not fit is past every end.
    pub fn length(&mut self) -> Result<usize, Malformed> {
        Ok(usize::try_from(self.u32()?).unwrap_or(usize::MAX))
    }

    /// Little-endian, of 1 to 8 bytes.
    pub fn unsigned(&mut self, length: usize) -> Result<u64, Malformed> {
        let mut bytes = [0; 8];
        bytes
            .get_mut(..length)
            .ok_or(Malformed("a number that is too long"))?
            .copy_from_slice(self.take(length)?);
        Ok(u64::from_le_bytes(bytes))
    }

    /// UTF-16 of so many code units; a lone surrogate becomes U+FFFD.
    pub fn utf16(&mut self, units: usize) -> Result<String, Malformed> {
        let length = units.checked_mul(2).ok_or(Malformed("a text too long"))?;
        Ok(utf16(self.take(length)?))
    }

    /// A text with its length in code units as a byte before it.
    pub fn b_varchar(&mut self) -> Result<String, Malformed> {
        let units = self.u8()?;
        self.utf16(units.into())
    }
}

/// Text of UTF-16, little-endian; half a code unit at its end is left out.
pub(super) fn utf16(bytes: &[u8]) -> String {
    let units = bytes.as_chunks::<2>().0.iter();
    char::decode_utf16(units.map(|unit| u16::from_le_bytes(*unit)))
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}
