//! Kerberos, NTLM and the negotiation of either, as LDAP carries them.

use std::sync::Arc;
use std::time::SystemTime;

use ring::rand::{SecureRandom, SystemRandom};

use super::bind::data_of;
use super::extension::Caller;
use super::sasl::{Acceptor, Established, Mechanism, Protection, Refused, Step};
use super::server::{SICILY, Server};
use super::time;
use crate::directory::Person;
use crate::domain_controller::Accounts;
use crate::kerberos::gss::Flags;
use crate::kerberos::{Accepted, SecurityContext};
use crate::login::attempt::{self, Begun, Move, Pending};
use crate::login::question::{Bytes, Question, Verdict};
use crate::login::{Verification, Way};
use crate::ntlm::security::SIGNATURE;
use crate::ntlm::{self, Security};

/// What logins by tokens need.
pub struct Logins {
    /// Names and keys of this server.
    pub server: attempt::Server,
    /// Judges responses of NTLM.
    pub verification: Arc<Verification>,
    /// The accounts.
    pub accounts: Arc<Accounts>,
}

impl Logins {
    /// A server that lets clients log in by all of them.
    pub fn add_to(this: Arc<Self>, server: Server) -> Server {
        let by = |way| {
            Arc::new(Tokens {
                way,
                logins: Arc::clone(&this),
            })
        };
        let server = if this.server.kerberos.is_some() {
            server.with_mechanism("GSSAPI", by(None))
        } else {
            server
        };
        server
            .with_mechanism("GSS-SPNEGO", by(Some(Way::Negotiate)))
            .with_mechanism(SICILY, by(Some(Way::Ntlm)))
    }

    /// Who a ticket is of.
    fn holder(&self, accepted: &Accepted) -> Result<Person, Refused> {
        let principal = accepted.client.to_string();
        let refuse = |reason: String, data: u32| Refused {
            token: None,
            principal: principal.clone(),
            reason,
            data,
        };
        let entry = self.accounts.find(&principal);
        let entry = entry.ok_or_else(|| refuse("the ticket is for nobody here".into(), 0x525))?;
        let admitted = self.accounts.admits(&entry);
        admitted.map_err(|refusal| refuse(refusal.to_string(), data_of(refusal)))?;
        Ok(entry.person().clone())
    }

    fn by_ticket(&self, accepted: Accepted, token: Option<Vec<u8>>) -> Step {
        match self.holder(&accepted) {
            Ok(person) => Step::Done(Established {
                token,
                person,
                proof: accepted.proof(),
                integrity: accepted.flags.has(Flags::INTEGRITY),
                confidentiality: accepted.flags.has(Flags::CONFIDENTIAL),
                protection: Some(Box::new(accepted.context)),
            }),
            Err(refused) => Step::Refused(refused),
        }
    }

    fn by_response(&self, pending: Pending) -> Step {
        let attempt = &pending.attempt;
        let principal = attempt.principal();
        let entry = self.accounts.find(attempt.user());
        let barred = entry.and_then(|entry| self.accounts.admits(&entry).err());
        let verdict = self.verification.judge(&Question::Ntlm {
            user: attempt.user().to_owned(),
            domain: attempt.domain().to_owned(),
            challenge: Bytes(attempt.challenge().to_vec()),
            response: Bytes(attempt.response().to_vec()),
        });
        let refuse = |reason: String| {
            Step::Refused(Refused {
                token: None,
                principal: principal.clone(),
                reason,
                data: barred.map_or(0x52e, data_of),
            })
        };
        let (person, key) = match verdict {
            Verdict::Good {
                person,
                session_key,
            } => (person, session_key.and_then(|key| key.0.try_into().ok())),
            Verdict::Refused { reason } => return refuse(reason),
        };
        let Some(key) = key else {
            return refuse("the response has no session key".into());
        };
        match self.server.conclude(pending, &key) {
            Ok(concluded) => {
                let sealed = concluded.session.flags.has(ntlm::Flags::SEAL);
                let signed = concluded.session.flags.has(ntlm::Flags::SIGN);
                let protection = concluded.security.map(|security| {
                    let boxed: Box<dyn Protection> = Box::new(Ntlm { security, sealed });
                    boxed
                });
                Step::Done(Established {
                    token: concluded.answer,
                    person,
                    proof: concluded.session.proof(),
                    protection,
                    integrity: signed,
                    confidentiality: sealed,
                })
            }
            Err(refused) => refuse(refused.reason),
        }
    }
}

/// One of them; none: Kerberos alone.
struct Tokens {
    way: Option<Way>,
    logins: Arc<Logins>,
}

impl Mechanism for Tokens {
    fn begin(&self, _caller: &Caller) -> Box<dyn Acceptor> {
        match self.way {
            Some(way) => Box::new(Negotiated {
                way,
                begun: None,
                logins: Arc::clone(&self.logins),
            }),
            None => Box::new(Kerberos {
                logins: Arc::clone(&self.logins),
            }),
        }
    }
}

struct Kerberos {
    logins: Arc<Logins>,
}

impl Acceptor for Kerberos {
    fn step(&mut self, token: &[u8]) -> Step {
        // A client that sends none wants to hear which mechanism it is: it is this one.
        if token.is_empty() {
            return Step::Continue(Vec::new());
        }
        let server = &self.logins.server;
        let Some(acceptor) = &server.kerberos else {
            return Step::Refused(Refused::protocol("this server has no account"));
        };
        match acceptor.accept(token, server.binding.as_ref()) {
            Ok(mut accepted) => {
                let reply = accepted.reply.take();
                self.logins.by_ticket(accepted, reply)
            }
            Err(rejected) => Step::Refused(Refused {
                token: rejected.reply,
                principal: String::new(),
                reason: rejected.reason,
                data: 0x52e,
            }),
        }
    }
}

struct Negotiated {
    way: Way,
    begun: Option<Begun>,
    logins: Arc<Logins>,
}

impl Acceptor for Negotiated {
    fn step(&mut self, token: &[u8]) -> Step {
        let mut random = [0; 8];
        if SystemRandom::new().fill(&mut random).is_err() {
            return Step::Refused(Refused::protocol("there are no random numbers"));
        }
        let now = time::file_time(Some(SystemTime::now()));
        let server = &self.logins.server;
        match server.take(self.way, self.begun.take(), token, random, now) {
            Ok(Move::More(answer, begun)) => {
                self.begun = Some(begun);
                Step::Continue(answer)
            }
            Ok(Move::Ntlm(pending)) => self.logins.by_response(*pending),
            Ok(Move::Kerberos { accepted, answer }) => self.logins.by_ticket(*accepted, answer),
            Err(refused) => Step::Refused(Refused {
                token: refused.answer,
                principal: refused.principal,
                reason: refused.reason,
                data: 0x52e,
            }),
        }
    }
}

impl Protection for SecurityContext {
    fn wrap(&mut self, message: &[u8], sealed: bool) -> Vec<u8> {
        Self::wrap(self, message, sealed)
    }

    fn unwrap(&mut self, wrapped: &[u8]) -> Result<(Vec<u8>, bool), String> {
        let opened = Self::unwrap(self, wrapped);
        opened
            .map(|opened| (opened.plain, opened.sealed))
            .map_err(|error| error.to_string())
    }
}

/// Signature before message ([MS-NLMP] §3.4.6, GSS_WrapEx).
struct Ntlm {
    security: Security,
    /// What was agreed on: messages do not say it themselves.
    sealed: bool,
}

impl Protection for Ntlm {
    fn wrap(&mut self, message: &[u8], sealed: bool) -> Vec<u8> {
        if sealed {
            let (message, signature) = self.security.seal(message);
            [&signature[..], &message].concat()
        } else {
            let signature = self.security.sign(message);
            [&signature[..], message].concat()
        }
    }

    fn unwrap(&mut self, wrapped: &[u8]) -> Result<(Vec<u8>, bool), String> {
        let (signature, message) = wrapped
            .split_at_checked(SIGNATURE)
            .ok_or("a message is shorter than its signature")?;
        let opened = if self.sealed {
            self.security.open(message, signature)
        } else {
            let verified = self.security.verify(message, signature);
            verified.then(|| message.to_vec())
        };
        match opened {
            Some(message) => Ok((message, self.sealed)),
            None => Err("a message is not the client's, or not in its turn".into()),
        }
    }
}
