//! Encryption types.

/// An encryption type that is spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Etype {
    /// 18 (RFC 3962).
    Aes256Sha1,
    /// 17 (RFC 3962).
    Aes128Sha1,
    /// 20 (RFC 8009).
    Aes256Sha2,
    /// 19 (RFC 8009).
    Aes128Sha2,
}

impl Etype {
    /// All, those that every domain controller knows first.
    pub const ALL: [Self; 4] = [
        Self::Aes256Sha1,
        Self::Aes128Sha1,
        Self::Aes256Sha2,
        Self::Aes128Sha2,
    ];

    /// Its number (RFC 3961 §8).
    pub fn number(self) -> i32 {
        match self {
            Self::Aes256Sha1 => 18,
            Self::Aes128Sha1 => 17,
            Self::Aes256Sha2 => 20,
            Self::Aes128Sha2 => 19,
        }
    }

    /// By its number; none for what is not spoken here.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|etype| etype.number() == number)
    }

    /// Its name (RFC 3961 §8).
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes256Sha1 => "aes256-cts-hmac-sha1-96",
            Self::Aes128Sha1 => "aes128-cts-hmac-sha1-96",
            Self::Aes256Sha2 => "aes256-cts-hmac-sha384-192",
            Self::Aes128Sha2 => "aes128-cts-hmac-sha256-128",
        }
    }

    /// Bytes of a key.
    pub fn key_size(self) -> usize {
        match self {
            Self::Aes256Sha1 | Self::Aes256Sha2 => 32,
            Self::Aes128Sha1 | Self::Aes128Sha2 => 16,
        }
    }

    /// Number of its required checksum.
    pub fn checksum_number(self) -> i32 {
        match self {
            Self::Aes256Sha1 => 16,
            Self::Aes128Sha1 => 15,
            Self::Aes256Sha2 => 20,
            Self::Aes128Sha2 => 19,
        }
    }

    /// Bytes of its required checksum.
    pub fn checksum_size(self) -> usize {
        match self {
            Self::Aes256Sha1 | Self::Aes128Sha1 => 12,
            Self::Aes256Sha2 => 24,
            Self::Aes128Sha2 => 16,
        }
    }

    /// Bytes by which a sealed text is longer than the plain one.
    pub fn overhead(self) -> usize {
        16 + self.checksum_size()
    }
}

impl std::fmt::Display for Etype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
