//! A login by tokens, as far as it goes without asking anybody: what HTTP and LDAP have in common.

use crate::kerberos::{self, Accepted, ChannelBinding};
use crate::ntlm::{self, Acceptor, Binding, Security, Session, Target, wire};

use super::Way;
use super::negotiation::{Negotiation, Offer, Turn};

/// What a login needs to know of its server.
pub struct Server {
    /// Its names, for NTLM.
    pub target: Target,
    /// Its keys, for Kerberos; none where it runs under no account.
    pub kerberos: Option<kerberos::Acceptor>,
    /// What logins are bound to, where TLS ends here.
    pub binding: Option<ChannelBinding>,
}

/// A login that waits for its next token.
#[derive(Debug)]
pub struct Begun {
    /// By which scheme.
    pub way: Way,
    negotiation: Negotiation,
    ntlm: Option<Acceptor>,
}

/// What a token led to.
pub enum Move {
    /// This goes back, and another token is to come.
    More(Vec<u8>, Begun),
    /// NTLM: somebody who knows the account must say whether the response holds.
    Ntlm(Box<Pending>),
    /// Kerberos held.
    Kerberos {
        /// Who, and by which ticket.
        accepted: Box<Accepted>,
        /// Goes back with the answer.
        answer: Option<Vec<u8>>,
    },
}

/// A token that is refused.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Who it claims to be from, where that is known.
    pub principal: String,
    /// Why, a sentence for logs.
    pub reason: String,
    /// Goes back, where the mechanism has a word for it.
    pub answer: Option<Vec<u8>>,
}

/// A response of NTLM that is to be verified.
pub struct Pending {
    /// It.
    pub attempt: ntlm::Attempt,
    negotiation: Negotiation,
    mic: Option<Vec<u8>>,
}

/// An NTLM login that held.
pub struct Concluded {
    /// The session.
    pub session: Session,
    /// Protects what follows; none where the client cannot.
    pub security: Option<Security>,
    /// Goes back with the answer.
    pub answer: Option<Vec<u8>>,
}

impl Server {
    /// Takes a client's token; `begun` is what this connection has seen before. `random` and `time`
    /// (100 ns since 1601) are for a challenge.
    ///
    /// # Errors
    /// It does not hold.
    pub fn take(
        &self,
        way: Way,
        begun: Option<Begun>,
        token: &[u8],
        random: [u8; 8],
        time: u64,
    ) -> Result<Move, Refused> {
        let mut begun = begun.filter(|begun| begun.way == way).unwrap_or(Begun {
            way,
            negotiation: Negotiation::default(),
            ntlm: None,
        });
        let refused = |reason: String| Refused {
            reason,
            ..Refused::default()
        };
        let turn = match way {
            Way::Negotiate => {
                let offer = Offer {
                    kerberos: self.kerberos.is_some(),
                    ntlm: true,
                };
                begun.negotiation.take(token, offer).map_err(refused)?
            }
            Way::Ntlm | Way::Basic => Turn::Ntlm(token.to_vec(), None),
        };
        match turn {
            Turn::Answer(answer) => Ok(Move::More(answer, begun)),
            Turn::Kerberos(token, mic) => self.kerberos(&token, mic.as_deref(), &begun),
            Turn::Ntlm(message, mic) => {
                let first = wire::kind(&message).map_err(|error| refused(error.to_string()))? == 1;
                if first {
                    let made = Acceptor::challenge(&message, &self.target, random, time);
                    let (acceptor, second) = made.map_err(|error| refused(error.to_string()))?;
                    let answer = begun.negotiation.more(Some(second));
                    begun.ntlm = Some(acceptor);
                    return Ok(Move::More(answer, begun));
                }
                let principal = claimed(&message);
                let attempt = begun.ntlm.ok_or(ntlm::Refusal::Unasked);
                let attempt = attempt.and_then(|acceptor| acceptor.authenticate(&message));
                let attempt = attempt.map_err(|refusal| Refused {
                    principal,
                    reason: refusal.to_string(),
                    answer: None,
                })?;
                Ok(Move::Ntlm(Box::new(Pending {
                    attempt,
                    negotiation: begun.negotiation,
                    mic,
                })))
            }
        }
    }

    fn kerberos(&self, token: &[u8], mic: Option<&[u8]>, begun: &Begun) -> Result<Move, Refused> {
        let acceptor = self.kerberos.as_ref().ok_or_else(|| Refused {
            reason: "this server runs under no account that tickets are made for".into(),
            ..Refused::default()
        })?;
        let accepted = acceptor.accept(token, self.binding.as_ref());
        let mut accepted = accepted.map_err(|rejected| Refused {
            principal: String::new(),
            reason: rejected.reason,
            answer: rejected.reply,
        })?;
        // Kerberos is the best that is offered: nobody gains by a shortened list, so that a client
        // need not sign it. One that does is held to it.
        let mut ours = None;
        if let (Some(list), Some(mic)) = (begun.negotiation.list(), mic) {
            let verified = accepted.context.verify_mic(list, mic);
            verified.map_err(|_| Refused {
                principal: accepted.client.name(),
                reason: "the signature over its mechanisms is wrong".into(),
                answer: None,
            })?;
            ours = Some(accepted.context.mic(list));
        }
        let answer = begun.negotiation.done(accepted.reply.take(), ours);
        Ok(Move::Kerberos {
            accepted: Box::new(accepted),
            answer,
        })
    }

    /// The response held, with this session base key.
    ///
    /// # Errors
    /// What else the client proves does not.
    pub fn conclude(&self, pending: Pending, key: &[u8; 16]) -> Result<Concluded, Refused> {
        let principal = pending.attempt.principal();
        let refused = |reason: String| Refused {
            principal: principal.clone(),
            reason,
            answer: None,
        };
        let binding = self.binding.as_ref().map(Binding::from);
        let session = pending.attempt.conclude(key, binding);
        let session = session.map_err(|refusal| refused(refusal.to_string()))?;
        let mut security = session.security();
        let mut ours = None;
        match (pending.negotiation.list(), &pending.mic, &mut security) {
            (Some(list), Some(mic), Some(security)) => {
                if !security.verify(list, mic) {
                    return Err(refused("the signature over its mechanisms is wrong".into()));
                }
                ours = Some(security.sign(list).to_vec());
                security.begin_ciphers_anew();
            }
            _ if pending.negotiation.must_be_signed() => {
                let missing = "the signature over its mechanisms is missing";
                return Err(refused(missing.into()));
            }
            _ => {}
        }
        Ok(Concluded {
            session,
            security,
            answer: pending.negotiation.done(None, ours),
        })
    }
}

/// Who a third message claims to be from, for the log.
fn claimed(message: &[u8]) -> String {
    let read = wire::Authenticate::read(message);
    read.map(|message| message.user).unwrap_or_default()
}
