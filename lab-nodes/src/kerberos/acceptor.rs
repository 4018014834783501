//! From a client's first token to who it is (RFC 4120 §3.2, RFC 4121 §4.1).

use ring::rand::{SecureRandom, SystemRandom};

use super::binding::ChannelBinding;
use super::context::{Role, SecurityContext};
use super::crypto::{Etype, Key, is_same, usage};
use super::gss::{self, Flags, Kind};
use super::messages::{
    ApOptions, ApRep, ApReq, Authenticator, EncApRepPart, EncTicketPart, EncryptedData, ErrorCode,
    KrbError,
};
use super::replay::{ReplayCache, SKEW};
use super::time::Time;
use super::{Keytab, Principal};
use crate::der::Malformed;

/// Accepts logins for the services whose keys it holds.
pub struct Acceptor {
    keytab: Keytab,
    replays: ReplayCache,
}

/// A login that held.
#[derive(Debug)]
pub struct Accepted {
    /// Who.
    pub client: Principal,
    /// The service that the ticket is for.
    pub service: Principal,
    /// Encryption type of the ticket.
    pub etype: Etype,
    /// When the ticket's time is over.
    pub ends: Time,
    /// Whether the client bound the login to the channel it came over.
    pub bound: bool,
    /// What the client wishes of the context.
    pub flags: Flags,
    /// What goes back to the client, framed as the token that came was; none where the client did
    /// not ask for mutual authentication.
    pub reply: Option<Vec<u8>>,
    /// Signs and seals messages from now on.
    pub context: SecurityContext,
}

impl Accepted {
    /// The proof in a few words, for those who watch: service and cipher.
    pub fn proof(&self) -> String {
        format!("a ticket for {}, {}", self.service.name(), self.etype)
    }
}

/// A login that did not.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Rejected {
    /// Why, a sentence.
    pub reason: String,
    /// What goes back to the client (a KRB-ERROR), where the protocol has a word for it.
    pub reply: Option<Vec<u8>>,
}

/// Why, before it is put into a message.
struct Reason(ErrorCode, String);

impl From<Malformed> for Reason {
    fn from(malformed: Malformed) -> Self {
        Self(ErrorCode::KRB_ERR_GENERIC, malformed.to_string())
    }
}

/// What a ticket and its authenticator say.
struct Shown {
    service: Principal,
    etype: Etype,
    ticket: EncTicketPart,
    session: Key,
    authenticator: Authenticator,
    mutual: bool,
}

impl Acceptor {
    /// With the keys of a keytab.
    pub fn new(keytab: Keytab) -> Self {
        Self {
            keytab,
            replays: ReplayCache::default(),
        }
    }

    /// From the client's token: a GSS-API initial token of Kerberos (as it is, or as SPNEGO
    /// carries it), or a bare AP-REQ. `binding` is that of the channel it came over: a client that
    /// sends one must send this one.
    ///
    /// # Errors
    /// Why the login does not hold.
    pub fn accept(
        &self,
        token: &[u8],
        binding: Option<&ChannelBinding>,
    ) -> Result<Accepted, Rejected> {
        let (framed, message) = match gss::unframe(token) {
            Ok((Kind::Request, message)) => (true, message),
            Ok(_) => return Err(no_token("the token is no request")),
            Err(_) if token.first() == Some(&0x6e) => (false, token),
            Err(malformed) => return Err(no_token(&malformed.to_string())),
        };
        let (now, micros) = Time::now();
        let frame = |kind, message: &[u8]| match framed {
            true => gss::frame(kind, message),
            false => message.to_vec(),
        };
        self.judge(message, framed, binding, now, &frame)
            .map_err(|Reason(code, text)| {
                let error = KrbError {
                    client_time: None,
                    time: (now, micros),
                    code,
                    client: None,
                    service: service_of(message, self.keytab.realm()),
                    text: None,
                    data: None,
                };
                Rejected {
                    reason: format!("{code}: {text}"),
                    reply: Some(frame(Kind::Error, &error.write())),
                }
            })
    }

    fn judge(
        &self,
        message: &[u8],
        framed: bool,
        binding: Option<&ChannelBinding>,
        now: Time,
        frame: &dyn Fn(Kind, &[u8]) -> Vec<u8>,
    ) -> Result<Accepted, Reason> {
        let shown = self.open(message, now)?;
        let proof = &shown.authenticator;
        let (flags, sent) = match (framed, &proof.checksum) {
            (true, Some(checksum)) => gss::read_checksum(checksum)?,
            (true, None) => {
                let text = "the authenticator has no checksum";
                return Err(Reason(ErrorCode::KRB_AP_ERR_INAPP_CKSUM, text.into()));
            }
            (false, _) => (Flags::default(), [0; 16]),
        };
        if flags.has(Flags::DCE_STYLE) {
            let text = "a login of three legs is not taken";
            return Err(Reason(ErrorCode::KRB_ERR_GENERIC, text.into()));
        }
        let unbound = sent == [0; 16];
        if let Some(binding) = binding
            && !unbound
            && !is_same(&binding.hash(), &sent)
        {
            let text = "the login is bound to another channel than it came over";
            return Err(Reason(ErrorCode::KRB_AP_ERR_MODIFIED, text.into()));
        }
        let key = match &proof.subkey {
            None => shown.session.clone(),
            Some(subkey) => subkey.key().ok_or_else(|| {
                let text = format!("the subkey has encryption type {}", subkey.etype);
                Reason(ErrorCode::KDC_ERR_ETYPE_NOSUPP, text)
            })?,
        };
        let theirs = proof.sequence.unwrap_or_default().cast_unsigned();
        let mutual = shown.mutual || flags.has(Flags::MUTUAL);
        let ours = if mutual { random_number() } else { theirs };
        let reply = mutual.then(|| {
            let part = EncApRepPart {
                time: proof.time,
                subkey: None,
                sequence: Some(ours.cast_signed()),
            };
            let sealed = EncryptedData::seal(&shown.session, usage::AP_REP, None, &part.write());
            frame(Kind::Reply, &ApRep { sealed }.write())
        });
        let context = SecurityContext::new(Role::Acceptor, key, false, ours, theirs);
        Ok(Accepted {
            client: shown.ticket.client,
            service: shown.service,
            etype: shown.etype,
            ends: shown.ticket.ends,
            bound: binding.is_some() && !unbound,
            flags,
            reply,
            context: match flags.has(Flags::SEQUENCE) {
                true => context,
                false => context.unordered(),
            },
        })
    }

    /// Opens and verifies an AP-REQ.
    fn open(&self, message: &[u8], now: Time) -> Result<Shown, Reason> {
        let request = ApReq::read(message)?;
        let service = request.ticket.service;
        let sealed = request.ticket.sealed;
        if request.options.has(ApOptions::USE_SESSION_KEY) {
            let text = "a ticket between users is not taken";
            return Err(Reason(ErrorCode::KRB_AP_ERR_NOKEY, text.into()));
        }
        let etype = Etype::from_number(sealed.etype).ok_or_else(|| {
            let text = format!("the ticket has encryption type {}", sealed.etype);
            Reason(ErrorCode::KDC_ERR_ETYPE_NOSUPP, text)
        })?;
        let key = Some(())
            .filter(|()| service.realm.eq_ignore_ascii_case(self.keytab.realm()))
            .and_then(|()| self.keytab.key(&service.name(), etype))
            .ok_or_else(|| {
                let text = format!("the ticket is for {service}, whose key is not held here");
                Reason(ErrorCode::KRB_AP_ERR_NOT_US, text)
            })?;
        let broken = |what: &str| {
            let text =
                format!("the {what} does not open: it was changed, or made with another key");
            Reason(ErrorCode::KRB_AP_ERR_BAD_INTEGRITY, text)
        };
        let plain = sealed.open(key, usage::TICKET);
        let ticket = EncTicketPart::read(&plain.map_err(|_| broken("ticket"))?)?;
        let session = ticket.key.key().ok_or_else(|| broken("session key"))?;
        let plain = request
            .authenticator
            .open(&session, usage::AP_AUTHENTICATOR)
            .map_err(|_| broken("authenticator"))?;
        let authenticator = Authenticator::read(&plain)?;
        check(&ticket, &authenticator, now)?;
        if !self.replays.is_new(&request.authenticator.cipher, now) {
            let text = "this authenticator was shown before";
            return Err(Reason(ErrorCode::KRB_AP_ERR_REPEAT, text.into()));
        }
        Ok(Shown {
            service,
            etype,
            ticket,
            session,
            authenticator,
            mutual: request.options.has(ApOptions::MUTUAL_REQUIRED),
        })
    }
}

/// Who and when (RFC 4120 §3.2.3).
fn check(ticket: &EncTicketPart, proof: &Authenticator, now: Time) -> Result<(), Reason> {
    let skew = SKEW as i64;
    if proof.client.parts != ticket.client.parts || proof.client.realm != ticket.client.realm {
        let text = "the ticket is another's than the authenticator";
        return Err(Reason(ErrorCode::KRB_AP_ERR_BADMATCH, text.into()));
    }
    let apart = proof.time.0.distance(now);
    if apart > SKEW {
        let text = format!("the clocks differ by {apart} s");
        return Err(Reason(ErrorCode::KRB_AP_ERR_SKEW, text));
    }
    if ticket.starts.unwrap_or(ticket.authenticated) > now.plus(skew) {
        let text = "the ticket's time is to come";
        return Err(Reason(ErrorCode::KRB_AP_ERR_TKT_NYV, text.into()));
    }
    if ticket.ends.plus(skew) < now {
        let text = "the ticket's time is over";
        return Err(Reason(ErrorCode::KRB_AP_ERR_TKT_EXPIRED, text.into()));
    }
    Ok(())
}

fn no_token(reason: &str) -> Rejected {
    Rejected {
        reason: reason.to_owned(),
        reply: None,
    }
}

/// The service of a message, as far as it can be read.
fn service_of(message: &[u8], realm: &str) -> Principal {
    ApReq::read(message).map_or_else(
        |_| Principal::service("unknown", realm),
        |request| request.ticket.service,
    )
}

/// Number of a first message. Small enough that a side that takes it for signed counts alike.
pub(super) fn random_number() -> u32 {
    let mut bytes = [0; 4];
    // Without random bytes no key could be made either; the number itself is no secret.
    let _ = SystemRandom::new().fill(&mut bytes);
    u32::from_be_bytes(bytes) & 0x3fff_ffff
}
