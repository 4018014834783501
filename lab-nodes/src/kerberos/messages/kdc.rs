//! Requests to the key distribution center and its answers (RFC 4120 §5.4).

use super::VERSION;
use super::parts::{
    EncryptedData, EncryptionKey, PaData, read_name, read_padata, write_name, write_padata,
};
use super::ticket::{Ticket, TicketFlags, optional_time};
use crate::der::{self, Malformed, Reader};
use crate::kerberos::Principal;
use crate::kerberos::time::Time;

/// Encryption types that a client may name.
const ETYPES: usize = 64;
/// Further tickets that a request may have.
const TICKETS: usize = 8;

/// Which of the two services is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// The authentication service: a ticket for a password.
    Authentication,
    /// The ticket-granting service: a ticket for a ticket.
    TicketGranting,
}

impl Exchange {
    /// Number of its request's type; the answer's is the next one.
    fn request(self) -> u8 {
        match self {
            Self::Authentication => 10,
            Self::TicketGranting => 12,
        }
    }

    /// Number of the encrypted part's type.
    fn part(self) -> u8 {
        match self {
            Self::Authentication => 25,
            Self::TicketGranting => 26,
        }
    }
}

/// Options of a request (RFC 4120 §5.4.1); the flags of tickets that are asked for have the same
/// bits as in [`TicketFlags`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KdcOptions(pub u32);

impl KdcOptions {
    /// A ticket that starts later.
    pub const POSTDATED: u32 = 1 << 25;
    /// The answer may have other names than the request (RFC 6806 §3).
    pub const CANONICALIZE: u32 = 1 << 16;
    /// If the wished end is too late, a renewable one will do.
    pub const RENEWABLE_OK: u32 = 1 << 4;
    /// The ticket is to be encrypted with the session key of another one.
    pub const ENC_TKT_IN_SKEY: u32 = 1 << 3;
    /// The ticket at hand is to be renewed.
    pub const RENEW: u32 = 1 << 1;
    /// The ticket at hand is to be made valid.
    pub const VALIDATE: u32 = 1;

    /// Whether all these are there.
    pub fn has(self, options: u32) -> bool {
        self.0 & options == options
    }
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KdcReq {
    /// To which service.
    pub exchange: Exchange,
    /// Pre-authentication data.
    pub padata: Vec<PaData>,
    /// The body.
    pub body: KdcReqBody,
    /// The body as it was sent, which checksums are made over.
    pub raw_body: Vec<u8>,
}

/// The body of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KdcReqBody {
    /// Options.
    pub options: KdcOptions,
    /// Who asks; not in requests to the ticket-granting service.
    pub client: Option<Principal>,
    /// The realm asked.
    pub realm: String,
    /// The service that the ticket is for.
    pub service: Option<Principal>,
    /// From when it shall hold.
    pub from: Option<Time>,
    /// Until when.
    pub till: Time,
    /// Until when it shall be renewable.
    pub renew_till: Option<Time>,
    /// Comes back in the answer.
    pub nonce: i32,
    /// Encryption types that the client can, the preferred first.
    pub etypes: Vec<i32>,
    /// Further tickets.
    pub tickets: Vec<Ticket>,
}

impl KdcReq {
    /// Reads it.
    ///
    /// # Errors
    /// It is none.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let exchange = match reader.peek() {
            Some(0x6a) => Exchange::Authentication,
            Some(0x6c) => Exchange::TicketGranting,
            _ => return Err(Malformed("no request to a key distribution center")),
        };
        let mut fields = reader.application(exchange.request())?.sequence()?;
        if fields.field(1)?.integer()? != VERSION {
            return Err(Malformed("another version of the protocol"));
        }
        if fields.field(2)?.integer()? != i64::from(exchange.request()) {
            return Err(Malformed("two types of message in one"));
        }
        let padata = match fields.optional(3)? {
            Some(mut list) => read_padata(&mut list)?,
            None => Vec::new(),
        };
        let body = fields.field(4)?;
        Ok(Self {
            exchange,
            padata,
            body: KdcReqBody::read(&mut { body })?,
            raw_body: body.rest().to_vec(),
        })
    }

    /// A request with this body.
    pub fn new(exchange: Exchange, body: KdcReqBody) -> Self {
        Self {
            exchange,
            padata: Vec::new(),
            raw_body: body.write(),
            body,
        }
    }

    /// Writes it.
    pub fn write(&self) -> Vec<u8> {
        let padata = (!self.padata.is_empty()).then(|| write_padata(&self.padata));
        let inner = der::sequence(&[
            der::field(1, &der::integer(VERSION)),
            der::field(2, &der::integer(self.exchange.request().into())),
            der::optional(3, padata),
            der::field(4, &self.raw_body),
        ]);
        der::application(self.exchange.request(), &inner)
    }

    /// The first pre-authentication data of a kind.
    pub fn padata(&self, kind: i32) -> Option<&[u8]> {
        let found = self.padata.iter().find(|one| one.kind == kind);
        found.map(|one| one.value.as_slice())
    }
}

impl KdcReqBody {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut fields = reader.sequence()?;
        let options = KdcOptions(fields.field(0)?.flags()?);
        let client = fields.optional(1)?;
        let realm = fields.field(2)?.string()?;
        let client = client.map(|name| read_name(name, &realm)).transpose()?;
        let service = fields.optional(3)?;
        let service = service.map(|name| read_name(name, &realm)).transpose()?;
        let from = optional_time(&mut fields, 4)?;
        let till = Time::read(&mut fields.field(5)?)?;
        let renew_till = optional_time(&mut fields, 6)?;
        let nonce = fields.field(7)?.int32()?;
        let mut list = fields.field(8)?.sequence()?;
        let mut etypes = Vec::new();
        while !list.is_empty() {
            if etypes.len() == ETYPES {
                return Err(Malformed("too many encryption types"));
            }
            etypes.push(list.int32()?);
        }
        // Addresses: tickets are not bound to any, which clients behind NAT want.
        fields.optional(9)?;
        // Authorization data that the client wants in the ticket: it may, and none reads it.
        fields.optional(10)?;
        let mut tickets = Vec::new();
        if let Some(mut list) = fields.optional(11)? {
            let mut list = list.sequence()?;
            while !list.is_empty() {
                if tickets.len() == TICKETS {
                    return Err(Malformed("too many tickets"));
                }
                tickets.push(Ticket::read(&mut list)?);
            }
        }
        Ok(Self {
            options,
            client,
            realm,
            service,
            from,
            till,
            renew_till,
            nonce,
            etypes,
            tickets,
        })
    }

    fn write(&self) -> Vec<u8> {
        let etypes = self.etypes.iter();
        let etypes: Vec<_> = etypes.map(|etype| der::integer((*etype).into())).collect();
        let tickets: Vec<_> = self.tickets.iter().map(Ticket::write).collect();
        der::sequence(&[
            der::field(0, &der::flags(self.options.0)),
            der::optional(1, self.client.as_ref().map(write_name)),
            der::field(2, &der::string(&self.realm)),
            der::optional(3, self.service.as_ref().map(write_name)),
            der::optional(4, self.from.map(Time::write)),
            der::field(5, &self.till.write()),
            der::optional(6, self.renew_till.map(Time::write)),
            der::field(7, &der::integer(self.nonce.into())),
            der::field(8, &der::sequence(&etypes)),
            der::optional(11, (!tickets.is_empty()).then(|| der::sequence(&tickets))),
        ])
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KdcRep {
    /// Of which service.
    pub exchange: Exchange,
    /// Pre-authentication data.
    pub padata: Vec<PaData>,
    /// Who asked.
    pub client: Principal,
    /// The ticket.
    pub ticket: Ticket,
    /// What the client must know of it, under a key of the client.
    pub sealed: EncryptedData,
}

impl KdcRep {
    /// Reads it.
    ///
    /// # Errors
    /// It is none.
    pub fn read(exchange: Exchange, bytes: &[u8]) -> Result<Self, Malformed> {
        let number = exchange.request() + 1;
        let mut fields = Reader::new(bytes).application(number)?.sequence()?;
        if fields.field(0)?.integer()? != VERSION {
            return Err(Malformed("another version of the protocol"));
        }
        fields.field(1)?;
        let padata = match fields.optional(2)? {
            Some(mut list) => read_padata(&mut list)?,
            None => Vec::new(),
        };
        let realm = fields.field(3)?.string()?;
        Ok(Self {
            exchange,
            padata,
            client: read_name(fields.field(4)?, &realm)?,
            ticket: Ticket::read(&mut fields.field(5)?)?,
            sealed: EncryptedData::read(&mut fields.field(6)?)?,
        })
    }

    /// Writes it.
    pub fn write(&self) -> Vec<u8> {
        let number = self.exchange.request() + 1;
        let padata = (!self.padata.is_empty()).then(|| write_padata(&self.padata));
        let inner = der::sequence(&[
            der::field(0, &der::integer(VERSION)),
            der::field(1, &der::integer(number.into())),
            der::optional(2, padata),
            der::field(3, &der::string(&self.client.realm)),
            der::field(4, &write_name(&self.client)),
            der::field(5, &self.ticket.write()),
            der::field(6, &self.sealed.write()),
        ]);
        der::application(number, &inner)
    }
}

/// What a client must know of its ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncKdcRepPart {
    /// The key it shares with the service.
    pub key: EncryptionKey,
    /// The request's nonce.
    pub nonce: i32,
    /// Flags of the ticket.
    pub flags: TicketFlags,
    /// When the client proved itself.
    pub authenticated: Time,
    /// From when it holds.
    pub starts: Option<Time>,
    /// Until when.
    pub ends: Time,
    /// Until when it may be renewed.
    pub renew_till: Option<Time>,
    /// The service.
    pub service: Principal,
}

impl EncKdcRepPart {
    /// Reads it.
    ///
    /// # Errors
    /// It is none.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        // Some write the type of the other exchange (RFC 4120 §5.4.2).
        let number = match reader.peek() {
            Some(0x79) => 25,
            _ => 26,
        };
        let mut fields = reader.application(number)?.sequence()?;
        let key = EncryptionKey::read(fields.field(0)?)?;
        fields.field(1)?;
        let nonce = fields.field(2)?.int32()?;
        fields.optional(3)?;
        let flags = TicketFlags(fields.field(4)?.flags()?);
        let authenticated = Time::read(&mut fields.field(5)?)?;
        let starts = optional_time(&mut fields, 6)?;
        let ends = Time::read(&mut fields.field(7)?)?;
        let renew_till = optional_time(&mut fields, 8)?;
        let realm = fields.field(9)?.string()?;
        Ok(Self {
            key,
            nonce,
            flags,
            authenticated,
            starts,
            ends,
            renew_till,
            service: read_name(fields.field(10)?, &realm)?,
        })
    }

    /// Writes it.
    pub fn write(&self, exchange: Exchange) -> Vec<u8> {
        // That nothing is known of the last request (RFC 4120 §5.4.2).
        let last = der::sequence(&[der::sequence(&[
            der::field(0, &der::integer(0)),
            der::field(1, &self.authenticated.write()),
        ])]);
        let inner = der::sequence(&[
            der::field(0, &self.key.write()),
            der::field(1, &last),
            der::field(2, &der::integer(self.nonce.into())),
            der::field(4, &der::flags(self.flags.0)),
            der::field(5, &self.authenticated.write()),
            der::optional(6, self.starts.map(Time::write)),
            der::field(7, &self.ends.write()),
            der::optional(8, self.renew_till.map(Time::write)),
            der::field(9, &der::string(&self.service.realm)),
            der::field(10, &write_name(&self.service)),
        ]);
        der::application(exchange.part(), &inner)
    }
}
