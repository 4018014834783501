//! What a mechanism of SASL does for a bind (RFC 4752, RFC 4178, [MS-NLMP]).

use super::extension::Caller;
use crate::directory::Person;

/// A mechanism that a server has.
pub trait Mechanism: Send + Sync + 'static {
    /// Begins a login.
    fn begin(&self, caller: &Caller) -> Box<dyn Acceptor>;
}

/// One login by tokens, from its first message to its end. Kerberos, NTLM and SPNEGO are such.
pub trait Acceptor: Send {
    /// Takes the client's next token. Not called again after [`Step::Done`] or [`Step::Refused`].
    fn step(&mut self, token: &[u8]) -> Step;
}

/// What a token led to.
pub enum Step {
    /// This goes back to the client, which sends another one.
    Continue(Vec<u8>),
    /// The client is who it says.
    Done(Established),
    /// It is not, or its token is none.
    Refused(Refused),
}

/// A login that did not hold.
#[derive(Debug)]
pub struct Refused {
    /// Goes back to the client, where the mechanism has words for it (KRB-ERROR).
    pub token: Option<Vec<u8>>,
    /// Who it said it is; empty where that is not known.
    pub principal: String,
    /// A sentence for those who watch.
    pub reason: String,
    /// The number in the diagnostic message: a Win32 error (`52e`).
    pub data: u32,
}

/// A login that held.
pub struct Established {
    /// Goes back to the client, where the mechanism answers its last token.
    pub token: Option<Vec<u8>>,
    /// Who it is.
    pub person: Person,
    /// The proof, for those who watch: the ticket's service and cipher, the NTLM session.
    pub proof: String,
    /// Protects messages from here on, where a session key was agreed on.
    pub protection: Option<Box<dyn Protection>>,
    /// The client asked for integrity (GSS_C_INTEG_FLAG, NTLMSSP_NEGOTIATE_SIGN).
    pub integrity: bool,
    /// The client asked for confidentiality (GSS_C_CONF_FLAG, NTLMSSP_NEGOTIATE_SEAL).
    pub confidentiality: bool,
}

/// Wraps and unwraps messages with a session's key (RFC 2743 §2.3.3, §2.3.4).
pub trait Protection: Send {
    /// Wraps a message: signed, and sealed with `sealed`.
    fn wrap(&mut self, message: &[u8], sealed: bool) -> Vec<u8>;

    /// Opens one; also says whether it was sealed.
    ///
    /// # Errors
    /// It was not made with this session's key, or not in its turn; a sentence for the log.
    fn unwrap(&mut self, wrapped: &[u8]) -> Result<(Vec<u8>, bool), String>;
}
