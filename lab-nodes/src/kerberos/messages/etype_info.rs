//! How a client is told to make its key (ETYPE-INFO2, RFC 4120 §5.2.7.5).

use crate::der::{self, Malformed, Reader};

/// Entries of a list at most.
const ENTRIES: usize = 64;

/// An encryption type with the salt of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtypeInfo {
    /// Number of the type.
    pub etype: i32,
    /// The salt.
    pub salt: Option<String>,
}

impl EtypeInfo {
    /// Reads a list of them.
    ///
    /// # Errors
    /// It is none.
    pub fn read_all(bytes: &[u8]) -> Result<Vec<Self>, Malformed> {
        let mut list = Reader::new(bytes).sequence()?;
        let mut all = Vec::new();
        while !list.is_empty() {
            if all.len() == ENTRIES {
                return Err(Malformed("too many encryption types"));
            }
            let mut fields = list.sequence()?;
            all.push(Self {
                etype: fields.field(0)?.int32()?,
                salt: match fields.optional(1)? {
                    Some(mut salt) => Some(salt.string()?),
                    None => None,
                },
            });
        }
        Ok(all)
    }

    /// Writes a list of them.
    pub fn write_all(all: &[Self]) -> Vec<u8> {
        let all: Vec<_> = all
            .iter()
            .map(|one| {
                der::sequence(&[
                    der::field(0, &der::integer(one.etype.into())),
                    der::optional(1, one.salt.as_deref().map(der::string)),
                ])
            })
            .collect();
        der::sequence(&all)
    }
}
