//! SPNEGO (RFC 4178, [MS-SPNG]): the negotiation of Kerberos or NTLM that HTTP and LDAP carry.
//! Wire only: total, bounded, no I/O.

/// A mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// Kerberos, 1.2.840.113554.1.2.2.
    Kerberos,
    /// The same with a wrong digit that older Windows sends, 1.2.840.48018.1.2.2.
    MsKerberos,
    /// NTLMSSP, 1.3.6.1.4.1.311.2.2.10.
    Ntlm,
    /// One that is not spoken here.
    Other,
}

/// What a client's token is, the first of a login or a later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// The first message of a negotiation.
    Init(NegTokenInit),
    /// A later one.
    Response(NegTokenResponse),
    /// A bare token of Kerberos: GSS-API framed, not negotiated.
    Kerberos(Vec<u8>),
    /// A bare NTLM message.
    Ntlm(Vec<u8>),
}

/// The first message of a negotiation (RFC 4178 §4.2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NegTokenInit {
    /// What the client can, the preferred first.
    pub mechanisms: Vec<Mechanism>,
    /// The list as it was sent, DER: `mech_list_mic` is made over it.
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

/// What is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no SPNEGO, Kerberos or NTLM token")]
pub struct Malformed;

impl Token {
    /// From its bytes.
    ///
    /// # Errors
    /// What is none.
    pub fn read(_bytes: &[u8]) -> Result<Self, Malformed> {
        Err(Malformed)
    }
}

impl NegTokenInit {
    /// To bytes, GSS-API framed.
    pub fn write(&self) -> Vec<u8> {
        Vec::new()
    }
}

impl NegTokenResponse {
    /// To bytes.
    pub fn write(&self) -> Vec<u8> {
        Vec::new()
    }
}
