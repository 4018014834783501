//! What several messages consist of (RFC 4120 §5.2).

use crate::der::{self, Malformed, Reader};
use crate::kerberos::crypto::{BadIntegrity, Etype, Key};
use crate::kerberos::{NameType, Principal};

/// Parts of a name at most; real ones have up to three.
const PARTS: usize = 8;
/// Pre-authentication data of a message at most.
const PADATA: usize = 64;

/// Kinds of pre-authentication data (RFC 4120 §7.5.2).
pub mod padata {
    /// An AP-REQ: who asks the ticket-granting service.
    pub const TGS_REQ: i32 = 1;
    /// The time under the client's key.
    pub const ENC_TIMESTAMP: i32 = 2;
    /// Which keys a client may use, and their salts.
    pub const ETYPE_INFO2: i32 = 19;
}

/// Reads the parts of a name; its realm stands elsewhere in a message.
pub(super) fn read_name(reader: Reader<'_>, realm: &str) -> Result<Principal, Malformed> {
    let mut reader = reader;
    let mut fields = reader.sequence()?;
    let kind = NameType(fields.field(0)?.int32()?);
    let mut list = fields.field(1)?.sequence()?;
    let mut parts = Vec::new();
    while !list.is_empty() {
        if parts.len() == PARTS {
            return Err(Malformed("a name of too many parts"));
        }
        parts.push(list.string()?);
    }
    Ok(Principal {
        kind,
        parts,
        realm: realm.to_owned(),
    })
}

/// Writes the parts of a name.
pub(super) fn write_name(name: &Principal) -> Vec<u8> {
    let parts: Vec<_> = name.parts.iter().map(|part| der::string(part)).collect();
    der::sequence(&[
        der::field(0, &der::integer(name.kind.0.into())),
        der::field(1, &der::sequence(&parts)),
    ])
}

/// Something encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptedData {
    /// Number of the encryption type.
    pub etype: i32,
    /// Version of the key.
    pub kvno: Option<u32>,
    /// It.
    pub cipher: Vec<u8>,
}

impl EncryptedData {
    /// Encrypts.
    pub fn seal(key: &Key, usage: i32, kvno: Option<u32>, plain: &[u8]) -> Self {
        Self {
            etype: key.etype().number(),
            kvno,
            cipher: key.encrypt(usage, plain),
        }
    }

    /// Decrypts.
    ///
    /// # Errors
    /// The key is another one, or the data was changed.
    pub fn open(&self, key: &Key, usage: i32) -> Result<Vec<u8>, BadIntegrity> {
        if self.etype != key.etype().number() {
            return Err(BadIntegrity);
        }
        key.decrypt(usage, &self.cipher)
    }

    /// Reads it.
    ///
    /// # Errors
    /// It is none.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut fields = reader.sequence()?;
        Ok(Self {
            etype: fields.field(0)?.int32()?,
            kvno: match fields.optional(1)? {
                Some(mut kvno) => Some(kvno.int32()?.cast_unsigned()),
                None => None,
            },
            cipher: fields.field(2)?.octets()?.to_vec(),
        })
    }

    /// Writes it.
    pub fn write(&self) -> Vec<u8> {
        der::sequence(&[
            der::field(0, &der::integer(self.etype.into())),
            der::optional(1, self.kvno.map(|kvno| der::integer(kvno.into()))),
            der::field(2, &der::octets(&self.cipher)),
        ])
    }
}

/// A key in a message, maybe of a type that is not spoken here.
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptionKey {
    /// Number of the encryption type.
    pub etype: i32,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EncryptionKey({})", self.etype)
    }
}

impl From<&Key> for EncryptionKey {
    fn from(key: &Key) -> Self {
        Self {
            etype: key.etype().number(),
            bytes: key.bytes().to_vec(),
        }
    }
}

impl EncryptionKey {
    /// The key, if its type is spoken here.
    pub fn key(&self) -> Option<Key> {
        Key::new(Etype::from_number(self.etype)?, &self.bytes)
    }

    pub(super) fn read(mut reader: Reader<'_>) -> Result<Self, Malformed> {
        let mut fields = reader.sequence()?;
        Ok(Self {
            etype: fields.field(0)?.int32()?,
            bytes: fields.field(1)?.octets()?.to_vec(),
        })
    }

    pub(super) fn write(&self) -> Vec<u8> {
        der::sequence(&[
            der::field(0, &der::integer(self.etype.into())),
            der::field(1, &der::octets(&self.bytes)),
        ])
    }
}

/// A checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// Number of its type.
    pub kind: i32,
    /// It.
    pub bytes: Vec<u8>,
}

impl Checksum {
    pub(super) fn read(mut reader: Reader<'_>) -> Result<Self, Malformed> {
        let mut fields = reader.sequence()?;
        Ok(Self {
            kind: fields.field(0)?.int32()?,
            bytes: fields.field(1)?.octets()?.to_vec(),
        })
    }

    pub(super) fn write(&self) -> Vec<u8> {
        der::sequence(&[
            der::field(0, &der::integer(self.kind.into())),
            der::field(1, &der::octets(&self.bytes)),
        ])
    }
}

/// Pre-authentication data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaData {
    /// Its kind, see [`padata`].
    pub kind: i32,
    /// It.
    pub value: Vec<u8>,
}

/// Reads a sequence of pre-authentication data.
///
/// # Errors
/// It is none, or too long.
pub fn read_padata(reader: &mut Reader<'_>) -> Result<Vec<PaData>, Malformed> {
    let mut list = reader.sequence()?;
    let mut all = Vec::new();
    while !list.is_empty() {
        if all.len() == PADATA {
            return Err(Malformed("too much pre-authentication data"));
        }
        let mut fields = list.sequence()?;
        all.push(PaData {
            kind: fields.field(1)?.int32()?,
            value: fields.field(2)?.octets()?.to_vec(),
        });
    }
    Ok(all)
}

/// Writes a sequence of pre-authentication data.
pub fn write_padata(all: &[PaData]) -> Vec<u8> {
    let all: Vec<_> = all
        .iter()
        .map(|one| {
            der::sequence(&[
                der::field(1, &der::integer(one.kind.into())),
                der::field(2, &der::octets(&one.value)),
            ])
        })
        .collect();
    der::sequence(&all)
}
