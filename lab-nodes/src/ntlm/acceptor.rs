//! The server's side: it challenges, and asks somebody who knows the account whether the response
//! holds ([MS-NLMP] §3.2.5).

use super::av::{self, AvPairs};
use super::binding::Binding;
use super::flags::Flags;
use super::proof::{self, Key};
use super::security::{Security, Side};
use super::wire::{Authenticate, Challenge, Negotiate, Response, WireError};

/// What a server says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// NetBIOS name of its domain.
    pub netbios_domain: String,
    /// Its own.
    pub netbios_computer: String,
    /// DNS name of its domain.
    pub dns_domain: String,
    /// Its own.
    pub dns_computer: String,
}

/// Why a login is refused; a sentence for logs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no NTLM.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A third message where none was asked for: that of another connection, or for the second time.
    #[error("it answers no challenge of this connection")]
    Unasked,
    /// A response that anybody can compute who has heard a few.
    #[error("it is an LM or NTLMv1 response")]
    Old,
    /// Nobody.
    #[error("it is anonymous")]
    Anonymous,
    /// What was agreed on does not do.
    #[error("it does without {0}")]
    Without(&'static str),
    /// The messages are not those that the client sent and saw.
    #[error("the integrity code (MIC) of its messages is wrong")]
    Mic,
    /// The client speaks to a server with another certificate: somebody stands in between.
    #[error("it is bound to a TLS connection with another certificate")]
    Binding,
}

/// A login that begins.
#[derive(Debug)]
pub struct Acceptor {
    first: Vec<u8>,
    second: Vec<u8>,
    challenge: [u8; 8],
    flags: Flags,
}

/// What is taken of what a client offers.
const TAKEN: Flags = Flags(
    Flags::SIGN.0 | Flags::SEAL.0 | Flags::KEY_128.0 | Flags::KEY_56.0 | Flags::KEY_EXCHANGE.0,
);
/// What is offered to everybody: curl leaves UNICODE out of its first message, and uses it.
const OFFERED: Flags = Flags(
    Flags::UNICODE.0
        | Flags::REQUEST_TARGET.0
        | Flags::NTLM.0
        | Flags::ALWAYS_SIGN.0
        | Flags::TARGET_TYPE_DOMAIN.0
        | Flags::EXTENDED_SESSION_SECURITY.0
        | Flags::TARGET_INFO.0
        | Flags::VERSION.0,
);

impl Acceptor {
    /// Answers the first message with a challenge of these random bytes, at this time (in 100 ns
    /// since 1601). Gives the second message, too.
    ///
    /// # Errors
    /// It is no first message.
    pub fn challenge(
        first: &[u8],
        target: &Target,
        challenge: [u8; 8],
        time: u64,
    ) -> Result<(Self, Vec<u8>), Refusal> {
        let asked = Negotiate::read(first)?;
        let flags = OFFERED | asked.flags.both(TAKEN);
        let mut info = AvPairs::default();
        info.set_text(av::NETBIOS_DOMAIN, &target.netbios_domain);
        info.set_text(av::NETBIOS_COMPUTER, &target.netbios_computer);
        info.set_text(av::DNS_DOMAIN, &target.dns_domain);
        info.set_text(av::DNS_COMPUTER, &target.dns_computer);
        info.set_text(av::DNS_FOREST, &target.dns_domain);
        info.set(av::TIMESTAMP, time.to_le_bytes());
        let message = Challenge {
            flags,
            target: target.netbios_domain.clone(),
            challenge,
            info: info.write(),
            version: Some(Challenge::own_version()),
        };
        let second = message.write();
        let this = Self {
            first: first.to_vec(),
            second: second.clone(),
            challenge,
            flags,
        };
        Ok((this, second))
    }

    /// Takes the third message. A challenge is answered once.
    ///
    /// # Errors
    /// It is none, or none of NTLMv2.
    pub fn authenticate(self, third: &[u8]) -> Result<Attempt, Refusal> {
        let message = Authenticate::read(third)?;
        if message.user.is_empty() && message.nt.is_empty() {
            return Err(Refusal::Anonymous);
        }
        if message.nt.len() <= 24 {
            return Err(Refusal::Old);
        }
        let response = Response::read(&message.nt)?;
        let (pairs, version) = (response.pairs, response.temp.first());
        if version != Some(&1) {
            return Err(Refusal::Old);
        }
        Ok(Attempt {
            accepted: self,
            pairs,
            third: third.to_vec(),
            message,
        })
    }
}

/// A response that is to be verified by somebody who knows the account.
#[derive(Debug)]
pub struct Attempt {
    accepted: Acceptor,
    pairs: AvPairs,
    third: Vec<u8>,
    message: Authenticate,
}

impl Attempt {
    /// The account, as the client sent it.
    pub fn user(&self) -> &str {
        &self.message.user
    }

    /// Its domain, as the client sent it.
    pub fn domain(&self) -> &str {
        &self.message.domain
    }

    /// The name that the client's machine gives itself.
    pub fn workstation(&self) -> &str {
        &self.message.workstation
    }

    /// The challenge.
    pub fn challenge(&self) -> [u8; 8] {
        self.accepted.challenge
    }

    /// The response.
    pub fn response(&self) -> &[u8] {
        &self.message.nt
    }

    /// `CONTOSO\alice`, for people.
    pub fn principal(&self) -> String {
        match self.domain() {
            "" => self.user().to_owned(),
            domain => format!("{domain}\\{}", self.user()),
        }
    }

    /// The response held, with this session base key: what else the client proved is checked. A
    /// client that binds its login to a TLS connection is held to it where `binding` is known.
    ///
    /// # Errors
    /// Its MIC or its binding is wrong.
    pub fn conclude(
        self,
        session_base_key: &Key,
        binding: Option<Binding>,
    ) -> Result<Session, Refusal> {
        // What was offered and what the client took.
        let flags = self.accepted.flags.both(self.message.flags);
        let mut key = *session_base_key;
        if flags.has(Flags::KEY_EXCHANGE) && !self.message.session_key.is_empty() {
            let encrypted = self.message.session_key.as_slice().try_into();
            let encrypted = encrypted.map_err(|_| WireError::Short("the session key"))?;
            key = proof::exchanged(session_base_key, encrypted);
        } else if flags.has(Flags::KEY_EXCHANGE | Flags::SIGN) {
            return Err(Refusal::Without("the session key it agreed to"));
        }
        let must = self.pairs.flags() & av::HAS_MIC != 0;
        match self.message.mic {
            Some(seen) => {
                let third = Authenticate::without_mic(&self.third);
                let messages = [&self.accepted.first[..], &self.accepted.second, &third];
                if !proof::has_mic(&key, messages, &seen) {
                    return Err(Refusal::Mic);
                }
            }
            None if must => return Err(Refusal::Mic),
            None => {}
        }
        let bound = self.pairs.get(av::CHANNEL_BINDING);
        let bound = bound.filter(|bound| bound.iter().any(|byte| *byte != 0));
        if let (Some(bound), Some(binding)) = (bound, binding)
            && bound != binding.0
        {
            return Err(Refusal::Binding);
        }
        Ok(Session {
            key,
            flags,
            has_mic: self.message.mic.is_some(),
            is_bound: bound.is_some() && binding.is_some(),
        })
    }
}

/// A login that held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its key.
    pub key: Key,
    /// What was agreed on.
    pub flags: Flags,
    /// All its messages were seen to be the client's.
    pub has_mic: bool,
    /// It is bound to the TLS connection it came by.
    pub is_bound: bool,
}

impl Session {
    /// Protects what follows, on the server's side.
    pub fn security(&self) -> Option<Security> {
        Security::new(&self.key, self.flags, Side::Server)
    }

    /// What was proved, for people.
    pub fn proof(&self) -> String {
        let mut said = "NTLMv2".to_owned();
        if self.has_mic {
            said.push_str(", messages intact");
        }
        if self.is_bound {
            said.push_str(", bound to the TLS connection");
        }
        said
    }
}
