//! Tickets (RFC 4120 §5.3).

use super::VERSION;
use super::parts::{EncryptedData, EncryptionKey, read_name, write_name};
use crate::der::{self, Malformed, Reader};
use crate::kerberos::Principal;
use crate::kerberos::time::Time;

/// A ticket: who somebody is, under the key of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The service.
    pub service: Principal,
    /// The rest, under its key.
    pub sealed: EncryptedData,
}

/// Flags of a ticket (RFC 4120 §5.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TicketFlags(pub u32);

impl TicketFlags {
    /// Tickets for other addresses may be had with it.
    pub const FORWARDABLE: u32 = 1 << 30;
    /// It was had so.
    pub const FORWARDED: u32 = 1 << 29;
    /// Service tickets for other addresses may be had with it.
    pub const PROXIABLE: u32 = 1 << 28;
    /// It was had so.
    pub const PROXY: u32 = 1 << 27;
    /// It may be renewed.
    pub const RENEWABLE: u32 = 1 << 23;
    /// It was had by a password, not by a ticket.
    pub const INITIAL: u32 = 1 << 22;
    /// The client proved itself before it was given.
    pub const PRE_AUTHENT: u32 = 1 << 21;

    /// Whether all these are there.
    pub fn has(self, flags: u32) -> bool {
        self.0 & flags == flags
    }
}

/// What is under the service's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncTicketPart {
    /// Flags.
    pub flags: TicketFlags,
    /// The key that client and service share from now on.
    pub key: EncryptionKey,
    /// Who.
    pub client: Principal,
    /// When the client proved itself.
    pub authenticated: Time,
    /// From when it holds.
    pub starts: Option<Time>,
    /// Until when.
    pub ends: Time,
    /// Until when it may be renewed.
    pub renew_till: Option<Time>,
}

impl Ticket {
    /// Reads it.
    ///
    /// # Errors
    /// It is none.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut fields = reader.application(1)?.sequence()?;
        if fields.field(0)?.integer()? != VERSION {
            return Err(Malformed("a ticket of another version"));
        }
        let realm = fields.field(1)?.string()?;
        Ok(Self {
            service: read_name(fields.field(2)?, &realm)?,
            sealed: EncryptedData::read(&mut fields.field(3)?)?,
        })
    }

    /// Writes it.
    pub fn write(&self) -> Vec<u8> {
        let inner = der::sequence(&[
            der::field(0, &der::integer(VERSION)),
            der::field(1, &der::string(&self.service.realm)),
            der::field(2, &write_name(&self.service)),
            der::field(3, &self.sealed.write()),
        ]);
        der::application(1, &inner)
    }
}

impl EncTicketPart {
    /// Reads it.
    ///
    /// # Errors
    /// It is none.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(bytes).application(3)?.sequence()?;
        let flags = TicketFlags(fields.field(0)?.flags()?);
        let key = EncryptionKey::read(fields.field(1)?)?;
        let realm = fields.field(2)?.string()?;
        let client = read_name(fields.field(3)?, &realm)?;
        // The realms it came through: there is one realm alone.
        fields.field(4)?;
        Ok(Self {
            flags,
            key,
            client,
            authenticated: Time::read(&mut fields.field(5)?)?,
            starts: optional_time(&mut fields, 6)?,
            ends: Time::read(&mut fields.field(7)?)?,
            renew_till: optional_time(&mut fields, 8)?,
        })
    }

    /// Writes it.
    pub fn write(&self) -> Vec<u8> {
        let transited = der::sequence(&[
            der::field(0, &der::integer(1)),
            der::field(1, &der::octets(&[])),
        ]);
        let inner = der::sequence(&[
            der::field(0, &der::flags(self.flags.0)),
            der::field(1, &self.key.write()),
            der::field(2, &der::string(&self.client.realm)),
            der::field(3, &write_name(&self.client)),
            der::field(4, &transited),
            der::field(5, &self.authenticated.write()),
            der::optional(6, self.starts.map(Time::write)),
            der::field(7, &self.ends.write()),
            der::optional(8, self.renew_till.map(Time::write)),
        ]);
        der::application(3, &inner)
    }
}

pub(super) fn optional_time(
    fields: &mut Reader<'_>,
    number: u8,
) -> Result<Option<Time>, Malformed> {
    match fields.optional(number)? {
        Some(mut time) => Time::read(&mut time).map(Some),
        None => Ok(None),
    }
}
