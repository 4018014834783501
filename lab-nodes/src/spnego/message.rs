//! The messages of a negotiation (RFC 4178 §4.2).

use crate::der::{self, Reader};
use crate::kerberos::gss;

pub use crate::der::Malformed;

/// 1.3.6.1.5.5.2, encoded.
const OID: &[u8] = &[0x2b, 6, 1, 5, 5, 2];
/// Mechanisms that a client may offer.
const MECHANISMS: usize = 16;

/// A mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// Kerberos, 1.2.840.113554.1.2.2.
    Kerberos,
    /// The same as Windows 2000 wrote it by mistake, 1.2.840.48018.1.2.2 ([MS-SPNG] §3.1.5.2).
    MsKerberos,
    /// NTLMSSP, 1.3.6.1.4.1.311.2.2.10.
    Ntlm,
    /// One that is not spoken here.
    Other,
}

impl Mechanism {
    fn of(oid: &[u8]) -> Self {
        [Self::Kerberos, Self::MsKerberos, Self::Ntlm]
            .into_iter()
            .find(|mechanism| mechanism.oid() == oid)
            .unwrap_or(Self::Other)
    }

    fn oid(self) -> &'static [u8] {
        match self {
            Self::Kerberos => gss::OID,
            Self::MsKerberos => &[0x2a, 0x86, 0x48, 0x82, 0xf7, 0x12, 0x01, 0x02, 0x02],
            Self::Ntlm => &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 0x0a],
            Self::Other => &[],
        }
    }
}

/// A client's or server's token, the first of a login or a later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// The first message of a negotiation.
    Init(NegTokenInit),
    /// A later one.
    Response(NegTokenResponse),
    /// A token of Kerberos that was not negotiated: GSS-API framed, or a bare AP-REQ.
    Kerberos(Vec<u8>),
    /// An NTLM message that was not negotiated.
    Ntlm(Vec<u8>),
}

/// The first message of a negotiation (RFC 4178 §4.2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NegTokenInit {
    /// What the client can, the preferred first.
    pub mechanisms: Vec<Mechanism>,
    /// The list as it was sent, DER: `mic` and the server's signature are made over it.
    pub mechanism_list: Vec<u8>,
    /// The first token of the preferred mechanism.
    pub token: Option<Vec<u8>>,
    /// Signature over the list.
    pub mic: Option<Vec<u8>>,
}

/// State of a negotiation (RFC 4178 §4.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The login held.
    Completed,
    /// More messages are to come.
    Incomplete,
    /// It did not.
    Rejected,
    /// More are to come, and signatures over the list must be exchanged.
    RequestMic,
}

/// A later message of a negotiation (RFC 4178 §4.2.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NegTokenResponse {
    /// State of the negotiation.
    pub state: Option<State>,
    /// The mechanism that was chosen.
    pub mechanism: Option<Mechanism>,
    /// Next token of the mechanism.
    pub token: Option<Vec<u8>>,
    /// Signature over the list of mechanisms.
    pub mic: Option<Vec<u8>>,
}

impl Token {
    /// From its bytes.
    ///
    /// # Errors
    /// What is no token of SPNEGO, Kerberos or NTLM.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.starts_with(b"NTLMSSP\0") {
            return Ok(Self::Ntlm(bytes.to_vec()));
        }
        let mut reader = Reader::new(bytes);
        match reader.peek() {
            Some(0x60) => {
                let mut inner = reader.application(0)?;
                match inner.oid()? {
                    OID => NegTokenInit::read(&mut inner).map(Self::Init),
                    oid if oid == gss::OID => Ok(Self::Kerberos(bytes.to_vec())),
                    _ => Err(Malformed("a token of another mechanism")),
                }
            }
            // Some leave the frame out.
            Some(0xa0) => NegTokenInit::read(&mut reader).map(Self::Init),
            Some(0xa1) => NegTokenResponse::read(&mut reader).map(Self::Response),
            Some(0x6e) => Ok(Self::Kerberos(bytes.to_vec())),
            _ => Err(Malformed("no SPNEGO, Kerberos or NTLM token")),
        }
    }
}

impl NegTokenInit {
    /// One that offers these mechanisms, with the first token of the first.
    pub fn new(mechanisms: &[Mechanism], token: Option<Vec<u8>>) -> Self {
        let oids = mechanisms.iter().map(|mechanism| der::oid(mechanism.oid()));
        Self {
            mechanisms: mechanisms.to_vec(),
            mechanism_list: der::sequence(&oids.collect::<Vec<_>>()),
            token,
            mic: None,
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut fields = reader.field(0)?.sequence()?;
        let list = fields.field(0)?;
        let mut oids = { list }.sequence()?;
        let mut mechanisms = Vec::new();
        while !oids.is_empty() {
            if mechanisms.len() == MECHANISMS {
                return Err(Malformed("too many mechanisms"));
            }
            mechanisms.push(Mechanism::of(oids.oid()?));
        }
        // Flags, which nobody heeds (RFC 4178 §4.2.1).
        fields.optional(1)?;
        let token = octets(&mut fields, 2)?;
        // Field 3 of a server's first message is a hint ([MS-SPNG] §2.2.1), and the signature is 4.
        let mic = match fields.optional(3)? {
            Some(mut inner) if inner.peek() == Some(0x04) => Some(inner.octets()?.to_vec()),
            Some(_) => octets(&mut fields, 4)?,
            None => None,
        };
        Ok(Self {
            mechanisms,
            mechanism_list: list.rest().to_vec(),
            token,
            mic,
        })
    }

    /// To bytes, GSS-API framed.
    pub fn write(&self) -> Vec<u8> {
        let fields = der::sequence(&[
            der::field(0, &self.mechanism_list),
            der::optional(2, self.token.as_deref().map(der::octets)),
            der::optional(3, self.mic.as_deref().map(der::octets)),
        ]);
        der::application(0, &[der::oid(OID), der::field(0, &fields)].concat())
    }
}

impl NegTokenResponse {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut fields = reader.field(1)?.sequence()?;
        let state = match fields.optional(0)? {
            None => None,
            Some(mut inner) => Some(match inner.enumerated()? {
                0 => State::Completed,
                1 => State::Incomplete,
                2 => State::Rejected,
                3 => State::RequestMic,
                _ => return Err(Malformed("no state of a negotiation")),
            }),
        };
        let mechanism = match fields.optional(1)? {
            None => None,
            Some(mut inner) => Some(Mechanism::of(inner.oid()?)),
        };
        Ok(Self {
            state,
            mechanism,
            token: octets(&mut fields, 2)?,
            mic: octets(&mut fields, 3)?,
        })
    }

    /// To bytes.
    pub fn write(&self) -> Vec<u8> {
        let state = self.state.map(|state| {
            der::enumerated(match state {
                State::Completed => 0,
                State::Incomplete => 1,
                State::Rejected => 2,
                State::RequestMic => 3,
            })
        });
        let mechanism = self.mechanism.filter(|one| *one != Mechanism::Other);
        let fields = der::sequence(&[
            der::optional(0, state),
            der::optional(1, mechanism.map(|one| der::oid(one.oid()))),
            der::optional(2, self.token.as_deref().map(der::octets)),
            der::optional(3, self.mic.as_deref().map(der::octets)),
        ]);
        der::field(1, &fields)
    }
}

fn octets(fields: &mut Reader<'_>, number: u8) -> Result<Option<Vec<u8>>, Malformed> {
    match fields.optional(number)? {
        Some(mut inner) => inner.octets().map(|bytes| Some(bytes.to_vec())),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_written() {
        let offered = [Mechanism::MsKerberos, Mechanism::Kerberos, Mechanism::Ntlm];
        let mut init = NegTokenInit::new(&offered, Some(b"token".to_vec()));
        assert_eq!(Token::read(&init.write()), Ok(Token::Init(init.clone())));
        init.mic = Some(b"mic".to_vec());
        assert_eq!(Token::read(&init.write()), Ok(Token::Init(init.clone())));
        for state in [
            State::Completed,
            State::Incomplete,
            State::Rejected,
            State::RequestMic,
        ] {
            let response = NegTokenResponse {
                state: Some(state),
                mechanism: Some(Mechanism::Ntlm),
                token: Some(vec![1; 300]),
                mic: None,
            };
            assert_eq!(
                Token::read(&response.write()),
                Ok(Token::Response(response))
            );
        }
    }

    #[test]
    fn what_windows_sends_is_read() {
        // The offer of a Windows client without a ticket: NTLM preferred, no token of Kerberos.
        let bytes = data_encoding::BASE64
            .decode(
                b"YEgGBisGAQUFAqA+MDygDjAMBgorBgEEAYI3AgIKoioEKE5UTE1TU1AAAQAAAJeCCOIAAAAAAAAAAAAAAAAA\
                  AAAABgGxHQAAAA8=",
            )
            .expect("base64");
        let Ok(Token::Init(init)) = Token::read(&bytes) else {
            panic!("{:?}", Token::read(&bytes));
        };
        assert_eq!(init.mechanisms, [Mechanism::Ntlm]);
        assert!(
            init.token
                .is_some_and(|token| token.starts_with(b"NTLMSSP\0"))
        );
    }

    #[test]
    fn what_was_not_negotiated_is_told_apart() {
        assert!(matches!(Token::read(b"NTLMSSP\0\x01"), Ok(Token::Ntlm(_))));
        let token = gss::frame(gss::Kind::Request, b"\x6e\x00");
        assert_eq!(Token::read(&token), Ok(Token::Kerberos(token.clone())));
        for bytes in [
            &b""[..],
            b"\x60",
            b"\x60\x00",
            b"NTLMSSP",
            b"\xa1\x02\x30\x05",
        ] {
            assert!(Token::read(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_long_list_of_mechanisms_is_refused() {
        let init = NegTokenInit::new(&[Mechanism::Ntlm; MECHANISMS + 1], None);
        assert!(Token::read(&init.write()).is_err());
    }
}
