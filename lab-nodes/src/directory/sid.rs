//! Security identifiers ([MS-DTYP] §2.4.2).

use std::fmt;
use std::str::FromStr;

use ring::digest::{SHA256, digest};

use super::Domain;

/// A security identifier of the NT authority (`S-1-5-…`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sid(Vec<u32>);

/// Most subauthorities.
const LONGEST: usize = 15;
/// SECURITY_NT_AUTHORITY.
const AUTHORITY: [u8; 6] = [0, 0, 0, 0, 0, 5];

impl Domain {
    /// The domain's own, made of its realm: the same in every run of every lab with this realm.
    pub fn sid(&self) -> Sid {
        let hash = digest(&SHA256, self.realm.to_ascii_uppercase().as_bytes());
        let words = hash.as_ref().as_chunks::<4>().0;
        let parts = words.iter().take(3).map(|word| u32::from_le_bytes(*word));
        // SECURITY_NT_NON_UNIQUE leads every domain's.
        Sid(std::iter::once(21).chain(parts).collect())
    }
}

impl Sid {
    /// Of a group that is built into every domain (`S-1-5-32-…`).
    pub fn builtin(rid: u32) -> Self {
        Self(vec![32, rid])
    }

    /// Of an account of this domain.
    #[must_use]
    pub fn with(&self, rid: u32) -> Self {
        let mut parts = self.0.clone();
        parts.push(rid);
        Self(parts)
    }

    /// As packets have it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let count = u8::try_from(self.0.len()).unwrap_or_default();
        let mut bytes = vec![1, count];
        bytes.extend(AUTHORITY);
        bytes.extend(self.0.iter().flat_map(|part| part.to_le_bytes()));
        bytes
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("S-1-5")?;
        self.0.iter().try_for_each(|part| write!(f, "-{part}"))
    }
}

/// A text that is no identifier of the NT authority.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no SID of the NT authority (S-1-5-…)")]
pub struct NoSid(String);

impl FromStr for Sid {
    type Err = NoSid;

    fn from_str(text: &str) -> Result<Self, NoSid> {
        let wrong = || NoSid(text.to_owned());
        let head = text.get(..6).ok_or_else(wrong)?;
        if !head.eq_ignore_ascii_case("S-1-5-") {
            return Err(wrong());
        }
        let parts: Result<Vec<u32>, _> = text[6..].split('-').map(str::parse).collect();
        let parts = parts.map_err(|_| wrong())?;
        if parts.len() > LONGEST {
            return Err(wrong());
        }
        Ok(Self(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_as_specified() {
        // The example of [MS-DTYP] §2.4.2.1 and its encoding by §2.4.2.2.
        let sid: Sid = "S-1-5-21-397955417-626881126-188441444-512"
            .parse()
            .expect("a SID");
        assert_eq!(
            sid.to_string(),
            "S-1-5-21-397955417-626881126-188441444-512"
        );
        let bytes = sid.to_bytes();
        assert_eq!(bytes[..8], [1, 5, 0, 0, 0, 0, 0, 5]);
        assert_eq!(bytes[8..12], 21_u32.to_le_bytes());
        assert_eq!(bytes[24..], 512_u32.to_le_bytes());
        for text in [
            "",
            "S-1-5-",
            "S-1-6-1",
            "S-1-5-x",
            "S-1-5-1-",
            "S-1-5-4294967296",
        ] {
            assert!(text.parse::<Sid>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_realm_has_one_of_its_own() {
        let of = |realm: &str| {
            Domain {
                realm: realm.into(),
                ..Domain::default()
            }
            .sid()
        };
        assert_eq!(of("CORP.EXAMPLE.COM"), of("corp.example.com"));
        assert_ne!(of("CORP.EXAMPLE.COM"), of("CORP.EXAMPLE.ORG"));
        let own = of("CORP.EXAMPLE.COM");
        assert_eq!(own.with(1000).to_string(), format!("{own}-1000"));
    }
}
