//! What a client shows a service (RFC 4120 §5.5).

use super::VERSION;
use super::parts::{Checksum, EncryptedData, EncryptionKey, read_name, write_name};
use super::ticket::Ticket;
use crate::der::{self, Malformed, Reader};
use crate::kerberos::Principal;
use crate::kerberos::time::Time;

/// Options of an AP-REQ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ApOptions(pub u32);

impl ApOptions {
    /// The ticket is under the session key of another one.
    pub const USE_SESSION_KEY: u32 = 1 << 30;
    /// The service shall prove itself, too.
    pub const MUTUAL_REQUIRED: u32 = 1 << 29;

    /// Whether all these are there.
    pub fn has(self, options: u32) -> bool {
        self.0 & options == options
    }
}

/// A ticket, and the proof that it is one's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApReq {
    /// Options.
    pub options: ApOptions,
    /// The ticket.
    pub ticket: Ticket,
    /// An [`Authenticator`] under the ticket's session key.
    pub authenticator: EncryptedData,
}

/// The proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticator {
    /// Who.
    pub client: Principal,
    /// Checksum of what goes with it.
    pub checksum: Option<Checksum>,
    /// When: seconds, and the microseconds of that second.
    pub time: (Time, i32),
    /// A key for this conversation alone.
    pub subkey: Option<EncryptionKey>,
    /// Number of the first message.
    pub sequence: Option<i32>,
}

/// The service's proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApRep {
    /// An [`EncApRepPart`] under the session key.
    pub sealed: EncryptedData,
}

/// What is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncApRepPart {
    /// The time of the client's authenticator.
    pub time: (Time, i32),
    /// A key for this conversation alone.
    pub subkey: Option<EncryptionKey>,
    /// Number of the first message.
    pub sequence: Option<i32>,
}

impl ApReq {
    /// Reads it.
    ///
    /// # Errors
    /// It is none.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(bytes).application(14)?.sequence()?;
        head(&mut fields, 14)?;
        Ok(Self {
            options: ApOptions(fields.field(2)?.flags()?),
            ticket: Ticket::read(&mut fields.field(3)?)?,
            authenticator: EncryptedData::read(&mut fields.field(4)?)?,
        })
    }

    /// Writes it.
    pub fn write(&self) -> Vec<u8> {
        let inner = der::sequence(&[
            der::field(0, &der::integer(VERSION)),
            der::field(1, &der::integer(14)),
            der::field(2, &der::flags(self.options.0)),
            der::field(3, &self.ticket.write()),
            der::field(4, &self.authenticator.write()),
        ]);
        der::application(14, &inner)
    }
}

impl Authenticator {
    /// Reads it.
    ///
    /// # Errors
    /// It is none.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(bytes).application(2)?.sequence()?;
        if fields.field(0)?.integer()? != VERSION {
            return Err(Malformed("an authenticator of another version"));
        }
        let realm = fields.field(1)?.string()?;
        Ok(Self {
            client: read_name(fields.field(2)?, &realm)?,
            checksum: fields.optional(3)?.map(Checksum::read).transpose()?,
            time: {
                let micros = fields.field(4)?.int32()?;
                (Time::read(&mut fields.field(5)?)?, micros)
            },
            subkey: fields.optional(6)?.map(EncryptionKey::read).transpose()?,
            sequence: optional_number(&mut fields, 7)?,
        })
    }

    /// Writes it.
    pub fn write(&self) -> Vec<u8> {
        let inner = der::sequence(&[
            der::field(0, &der::integer(VERSION)),
            der::field(1, &der::string(&self.client.realm)),
            der::field(2, &write_name(&self.client)),
            der::optional(3, self.checksum.as_ref().map(Checksum::write)),
            der::field(4, &der::integer(self.time.1.into())),
            der::field(5, &self.time.0.write()),
            der::optional(6, self.subkey.as_ref().map(EncryptionKey::write)),
            der::optional(7, self.sequence.map(write_sequence)),
        ]);
        der::application(2, &inner)
    }
}

impl ApRep {
    /// Reads it.
    ///
    /// # Errors
    /// It is none.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(bytes).application(15)?.sequence()?;
        head(&mut fields, 15)?;
        Ok(Self {
            sealed: EncryptedData::read(&mut fields.field(2)?)?,
        })
    }

    /// Writes it.
    pub fn write(&self) -> Vec<u8> {
        let inner = der::sequence(&[
            der::field(0, &der::integer(VERSION)),
            der::field(1, &der::integer(15)),
            der::field(2, &self.sealed.write()),
        ]);
        der::application(15, &inner)
    }
}

impl EncApRepPart {
    /// Reads it.
    ///
    /// # Errors
    /// It is none.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(bytes).application(27)?.sequence()?;
        let time = Time::read(&mut fields.field(0)?)?;
        Ok(Self {
            time: (time, fields.field(1)?.int32()?),
            subkey: fields.optional(2)?.map(EncryptionKey::read).transpose()?,
            sequence: optional_number(&mut fields, 3)?,
        })
    }

    /// Writes it.
    pub fn write(&self) -> Vec<u8> {
        let inner = der::sequence(&[
            der::field(0, &self.time.0.write()),
            der::field(1, &der::integer(self.time.1.into())),
            der::optional(2, self.subkey.as_ref().map(EncryptionKey::write)),
            der::optional(3, self.sequence.map(write_sequence)),
        ]);
        der::application(27, &inner)
    }
}

/// Version and type of a message.
fn head(fields: &mut Reader<'_>, kind: i64) -> Result<(), Malformed> {
    if fields.field(0)?.integer()? != VERSION {
        return Err(Malformed("another version of the protocol"));
    }
    if fields.field(1)?.integer()? != kind {
        return Err(Malformed("two types of message in one"));
    }
    Ok(())
}

fn optional_number(fields: &mut Reader<'_>, number: u8) -> Result<Option<i32>, Malformed> {
    match fields.optional(number)? {
        Some(mut inner) => inner.int32().map(Some),
        None => Ok(None),
    }
}

/// Sequence numbers are unsigned (RFC 4120 §5.2.4).
fn write_sequence(number: i32) -> Vec<u8> {
    der::integer(number.cast_unsigned().into())
}
