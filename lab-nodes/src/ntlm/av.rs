//! Attribute and value pairs: what a server says of itself, and a client says back
//! ([MS-NLMP] §2.2.2.1).

use super::wire::{WireError, utf16};

/// NetBIOS name of the server.
pub const NETBIOS_COMPUTER: u16 = 1;
/// NetBIOS name of its domain.
pub const NETBIOS_DOMAIN: u16 = 2;
/// DNS name of the server.
pub const DNS_COMPUTER: u16 = 3;
/// DNS name of its domain.
pub const DNS_DOMAIN: u16 = 4;
/// DNS name of the forest.
pub const DNS_FOREST: u16 = 5;
/// A number of flags.
pub const FLAGS: u16 = 6;
/// The server's time: a client that sees it sends a MIC.
pub const TIMESTAMP: u16 = 7;
/// The service that a client means.
pub const TARGET_NAME: u16 = 9;
/// MD5 of the channel binding.
pub const CHANNEL_BINDING: u16 = 10;

/// In [`FLAGS`]: the message has a MIC.
pub const HAS_MIC: u32 = 2;

/// A list of pairs, without the one that ends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AvPairs(Vec<(u16, Vec<u8>)>);

impl AvPairs {
    /// Reads them up to the one that ends them; what stands after it is not theirs.
    ///
    /// # Errors
    /// They break off.
    pub fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut pairs = Vec::new();
        let mut rest = bytes;
        loop {
            let broken = || WireError::Short("the target information");
            let (head, after) = rest.split_first_chunk::<4>().ok_or_else(broken)?;
            let id = u16::from_le_bytes([head[0], head[1]]);
            let length = usize::from(u16::from_le_bytes([head[2], head[3]]));
            let value = after.get(..length).ok_or_else(broken)?;
            if id == 0 {
                return Ok(Self(pairs));
            }
            pairs.push((id, value.to_vec()));
            rest = &after[length..];
        }
    }

    /// The bytes, the end included.
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (id, value) in &self.0 {
            bytes.extend(id.to_le_bytes());
            bytes.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
            bytes.extend(&value[..value.len().min(usize::from(u16::MAX))]);
        }
        bytes.extend([0; 4]);
        bytes
    }

    /// A pair's value.
    pub fn get(&self, id: u16) -> Option<&[u8]> {
        let found = self.0.iter().find(|(key, _)| *key == id);
        found.map(|(_, value)| value.as_slice())
    }

    /// Adds a pair, in place of one of the same kind.
    pub fn set(&mut self, id: u16, value: impl Into<Vec<u8>>) {
        let value = value.into();
        match self.0.iter_mut().find(|(key, _)| *key == id) {
            Some((_, old)) => *old = value,
            None => self.0.push((id, value)),
        }
    }

    /// Adds a pair that is a text.
    pub fn set_text(&mut self, id: u16, text: &str) {
        self.set(id, utf16(text));
    }

    /// The flags; 0 where there are none.
    pub fn flags(&self) -> u32 {
        let value = self.get(FLAGS).and_then(|value| value.try_into().ok());
        value.map_or(0, u32::from_le_bytes)
    }
}
