//! What the two sides agree on ([MS-NLMP] §2.2.2.5).

use std::ops::BitOr;

/// A set of negotiation flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u32);

#[allow(missing_docs)]
impl Flags {
    pub const UNICODE: Self = Self(1);
    pub const OEM: Self = Self(1 << 1);
    pub const REQUEST_TARGET: Self = Self(1 << 2);
    pub const SIGN: Self = Self(1 << 4);
    pub const SEAL: Self = Self(1 << 5);
    pub const DATAGRAM: Self = Self(1 << 6);
    pub const NTLM: Self = Self(1 << 9);
    pub const ANONYMOUS: Self = Self(1 << 11);
    pub const ALWAYS_SIGN: Self = Self(1 << 15);
    pub const TARGET_TYPE_DOMAIN: Self = Self(1 << 16);
    pub const EXTENDED_SESSION_SECURITY: Self = Self(1 << 19);
    pub const TARGET_INFO: Self = Self(1 << 23);
    pub const VERSION: Self = Self(1 << 25);
    pub const KEY_128: Self = Self(1 << 29);
    pub const KEY_EXCHANGE: Self = Self(1 << 30);
    pub const KEY_56: Self = Self(1 << 31);
}

impl Flags {
    /// Whether all of these are in it.
    pub fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Those that are in both.
    #[must_use]
    pub fn both(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }
}
