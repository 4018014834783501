//! KRB-ERROR (RFC 4120 §5.9.1).

use super::VERSION;
use super::parts::{read_name, write_name};
use super::ticket::optional_time;
use crate::der::{self, Malformed, Reader};
use crate::kerberos::Principal;
use crate::kerberos::time::Time;

/// What went wrong (RFC 4120 §7.5.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode(pub i32);

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal;)*) => {
        impl ErrorCode {
            $($(#[doc = $doc])+ pub const $name: Self = Self($number);)*

            /// Its name in RFC 4120.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// Client's account has expired.
    KDC_ERR_NAME_EXP = 1;
    /// The client is not known.
    KDC_ERR_C_PRINCIPAL_UNKNOWN = 6;
    /// The service is not known.
    KDC_ERR_S_PRINCIPAL_UNKNOWN = 7;
    /// Tickets that start later are not given.
    KDC_ERR_CANNOT_POSTDATE = 10;
    /// It would end before it starts.
    KDC_ERR_NEVER_VALID = 11;
    /// Refused by rule.
    KDC_ERR_POLICY = 12;
    /// An option that is not for this ticket.
    KDC_ERR_BADOPTION = 13;
    /// None of the client's encryption types is spoken here.
    KDC_ERR_ETYPE_NOSUPP = 14;
    /// A checksum of a type that is not spoken here.
    KDC_ERR_SUMTYPE_NOSUPP = 15;
    /// The TGS-REQ has no ticket.
    KDC_ERR_PADATA_TYPE_NOSUPP = 16;
    /// The account is disabled, expired or locked.
    KDC_ERR_CLIENT_REVOKED = 18;
    /// The password has expired.
    KDC_ERR_KEY_EXPIRED = 23;
    /// The password is wrong.
    KDC_ERR_PREAUTH_FAILED = 24;
    /// The client must prove itself first.
    KDC_ERR_PREAUTH_REQUIRED = 25;
    /// The service is a user, who has no key for tickets.
    KDC_ERR_MUST_USE_USER2USER = 27;
    /// Changed, or another key.
    KRB_AP_ERR_BAD_INTEGRITY = 31;
    /// The ticket's time is over.
    KRB_AP_ERR_TKT_EXPIRED = 32;
    /// The ticket's time is to come.
    KRB_AP_ERR_TKT_NYV = 33;
    /// The request was seen before.
    KRB_AP_ERR_REPEAT = 34;
    /// The ticket is for somebody else.
    KRB_AP_ERR_NOT_US = 35;
    /// Ticket and authenticator are of two clients.
    KRB_AP_ERR_BADMATCH = 36;
    /// The clocks differ by more than five minutes.
    KRB_AP_ERR_SKEW = 37;
    /// Another version of the protocol.
    KRB_AP_ERR_BADVERSION = 39;
    /// A message of another type.
    KRB_AP_ERR_MSG_TYPE = 40;
    /// The message was changed.
    KRB_AP_ERR_MODIFIED = 41;
    /// No key for the ticket.
    KRB_AP_ERR_NOKEY = 45;
    /// A checksum of a type that is not for this.
    KRB_AP_ERR_INAPP_CKSUM = 50;
    /// The answer has no room in a datagram.
    KRB_ERR_RESPONSE_TOO_BIG = 52;
    /// Something else, told in its text.
    KRB_ERR_GENERIC = 60;
    /// A field longer than is taken.
    KRB_ERR_FIELD_TOOLONG = 61;
    /// The client belongs to another realm.
    KDC_ERR_WRONG_REALM = 68;
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "error {}", self.0),
        }
    }
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KrbError {
    /// The time of the client's request.
    pub client_time: Option<(Time, i32)>,
    /// Now.
    pub time: (Time, i32),
    /// What went wrong.
    pub code: ErrorCode,
    /// Who asked.
    pub client: Option<Principal>,
    /// The service.
    pub service: Principal,
    /// A sentence.
    pub text: Option<String>,
    /// More, depending on the code.
    pub data: Option<Vec<u8>>,
}

impl KrbError {
    /// Reads it.
    ///
    /// # Errors
    /// It is none.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(bytes).application(30)?.sequence()?;
        if fields.field(0)?.integer()? != VERSION {
            return Err(Malformed("another version of the protocol"));
        }
        fields.field(1)?;
        let client_time = optional_time(&mut fields, 2)?;
        let client_micros = match fields.optional(3)? {
            Some(mut micros) => micros.int32()?,
            None => 0,
        };
        let time = Time::read(&mut fields.field(4)?)?;
        let micros = fields.field(5)?.int32()?;
        let code = ErrorCode(fields.field(6)?.int32()?);
        let client_realm = match fields.optional(7)? {
            Some(mut realm) => Some(realm.string()?),
            None => None,
        };
        let client = match (fields.optional(8)?, &client_realm) {
            (Some(name), Some(realm)) => Some(read_name(name, realm)?),
            _ => None,
        };
        let realm = fields.field(9)?.string()?;
        Ok(Self {
            client_time: client_time.map(|time| (time, client_micros)),
            time: (time, micros),
            code,
            client,
            service: read_name(fields.field(10)?, &realm)?,
            text: match fields.optional(11)? {
                Some(mut text) => Some(text.string()?),
                None => None,
            },
            data: match fields.optional(12)? {
                Some(mut data) => Some(data.octets()?.to_vec()),
                None => None,
            },
        })
    }

    /// Writes it.
    pub fn write(&self) -> Vec<u8> {
        let client = self.client.as_ref();
        let inner = der::sequence(&[
            der::field(0, &der::integer(VERSION)),
            der::field(1, &der::integer(30)),
            der::optional(2, self.client_time.map(|(time, _)| time.write())),
            der::optional(
                3,
                self.client_time
                    .map(|(_, micros)| der::integer(micros.into())),
            ),
            der::field(4, &self.time.0.write()),
            der::field(5, &der::integer(self.time.1.into())),
            der::field(6, &der::integer(self.code.0.into())),
            der::optional(7, client.map(|client| der::string(&client.realm))),
            der::optional(8, client.map(write_name)),
            der::field(9, &der::string(&self.service.realm)),
            der::field(10, &write_name(&self.service)),
            der::optional(11, self.text.as_deref().map(der::string)),
            der::optional(12, self.data.as_deref().map(der::octets)),
        ]);
        der::application(30, &inner)
    }
}
