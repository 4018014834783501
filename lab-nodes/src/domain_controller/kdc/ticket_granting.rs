//! The ticket-granting service: a ticket for a ticket (RFC 4120 §3.3).

use std::sync::Arc;

use md5::{Digest, Md5};

use super::failure::Failure;
use super::grant::{Grant, Terms};
use super::{Granted, Kdc, Now, first_etype};
use crate::directory::State;
use crate::domain_controller::accounts::{Entry, Refusal};
use crate::kerberos::Principal;
use crate::kerberos::crypto::{Etype, Key, is_same, usage};
use crate::kerberos::messages::{
    ApReq, Authenticator, EncTicketPart, EncryptedData, ErrorCode, Exchange, KdcOptions, KdcRep,
    KdcReq, TicketFlags, padata,
};
use crate::kerberos::replay::SKEW;

/// A checksum without a key (RFC 3961 §6.1).
const RSA_MD5: i32 = 7;

/// What a client showed.
struct Shown {
    /// The service that its ticket is for.
    service: Principal,
    /// The ticket.
    ticket: EncTicketPart,
    /// Its session key.
    session: Key,
    /// The proof that it is the client's own.
    authenticator: Authenticator,
    /// The same as it was encrypted.
    proof: Vec<u8>,
}

impl Kdc {
    pub(super) fn grant_ticket(&self, request: &KdcReq, now: Now) -> Result<Granted, Failure> {
        let body = &request.body;
        let shown = self.shown(request, now)?;
        let account = self.holder(&shown.ticket.client)?;
        let (usage, key) = match &shown.authenticator.subkey {
            None => (usage::TGS_REP, shown.session.clone()),
            Some(subkey) => {
                let key = subkey.key().ok_or_else(|| {
                    let text = format!("the subkey has encryption type {}", subkey.etype);
                    Failure::new(ErrorCode::KDC_ERR_ETYPE_NOSUPP, text)
                })?;
                (usage::TGS_REP_SUBKEY, key)
            }
        };
        let service = body.service.as_ref().ok_or_else(|| {
            let text = "the request names no service";
            Failure::new(ErrorCode::KDC_ERR_S_PRINCIPAL_UNKNOWN, text)
        })?;
        let of_service = self.service(service)?;
        let session = first_etype(&body.etypes)?;
        if body.options.has(KdcOptions::ENC_TKT_IN_SKEY) || body.options.has(KdcOptions::VALIDATE) {
            let text = "tickets between users, and such that start later, are not given";
            return Err(Failure::new(ErrorCode::KDC_ERR_BADOPTION, text));
        }
        let terms = if body.options.has(KdcOptions::RENEW) {
            renewed(&shown, service, now)?
        } else if self.is_granting(&shown.service) {
            granted(request, &shown.ticket, now)?
        } else {
            let text = format!("a ticket for {} buys no other", shown.service.name());
            return Err(Failure::new(ErrorCode::KRB_AP_ERR_NOT_US, text));
        };
        let grant = Grant {
            client: shown.ticket.client.clone(),
            service: self.of_own_realm(service),
            session: Key::random(session),
            flags: terms.flags,
            authenticated: shown.ticket.authenticated,
            starts: terms.starts,
            ends: terms.ends,
            renew_till: terms.renew_till,
        };
        let part = grant.part(Exchange::TicketGranting, body.nonce);
        let answer = KdcRep {
            exchange: Exchange::TicketGranting,
            padata: Vec::new(),
            client: grant.client.clone(),
            ticket: grant.ticket(of_service.key(Etype::ALL[0])),
            sealed: EncryptedData::seal(&key, usage, None, &part),
        };
        Ok(Granted {
            answer: answer.write(),
            proof: shown.proof,
            client: account.person().account.clone(),
            told: format!(
                "a ticket for {}, by ticket, {}",
                service.name(),
                shown.session.etype()
            ),
        })
    }

    /// Opens and verifies what the client shows.
    fn shown(&self, request: &KdcReq, now: Now) -> Result<Shown, Failure> {
        let malformed = |error: crate::der::Malformed| {
            Failure::new(ErrorCode::KRB_ERR_GENERIC, error.to_string())
        };
        let bytes = request.padata(padata::TGS_REQ).ok_or_else(|| {
            let text = "the request shows no ticket";
            Failure::new(ErrorCode::KDC_ERR_PADATA_TYPE_NOSUPP, text)
        })?;
        let shown = ApReq::read(bytes).map_err(malformed)?;
        let key = self.key_of(&shown)?;
        let broken = |what: &str| {
            let text =
                format!("the {what} does not open: it was changed, or made with another key");
            Failure::new(ErrorCode::KRB_AP_ERR_BAD_INTEGRITY, text)
        };
        let plain = shown.ticket.sealed.open(&key, usage::TICKET);
        let plain = plain.map_err(|_| broken("ticket"))?;
        let ticket = EncTicketPart::read(&plain).map_err(malformed)?;
        let session = ticket.key.key().ok_or_else(|| broken("session key"))?;
        let plain = shown
            .authenticator
            .open(&session, usage::TGS_AUTHENTICATOR)
            .map_err(|_| broken("authenticator"))?;
        let authenticator = Authenticator::read(&plain).map_err(malformed)?;
        if authenticator.client.parts != ticket.client.parts
            || authenticator.client.realm != ticket.client.realm
        {
            let text = "the ticket is another's than the authenticator";
            return Err(Failure::new(ErrorCode::KRB_AP_ERR_BADMATCH, text));
        }
        let apart = authenticator.time.0.distance(now.time);
        if apart > SKEW {
            let text = format!("the clocks differ by {apart} s");
            return Err(Failure::new(ErrorCode::KRB_AP_ERR_SKEW, text));
        }
        let starts = ticket.starts.unwrap_or(ticket.authenticated);
        if starts > now.time.plus(SKEW as i64) {
            let text = "the ticket's time is to come";
            return Err(Failure::new(ErrorCode::KRB_AP_ERR_TKT_NYV, text));
        }
        if ticket.ends <= now.time {
            let text = "the ticket's time is over";
            return Err(Failure::new(ErrorCode::KRB_AP_ERR_TKT_EXPIRED, text));
        }
        check_body(request, &session, &authenticator)?;
        Ok(Shown {
            service: shown.ticket.service,
            ticket,
            session,
            authenticator,
            proof: shown.authenticator.cipher,
        })
    }

    /// The key that a ticket is under.
    fn key_of(&self, shown: &ApReq) -> Result<Key, Failure> {
        let service = &shown.ticket.service;
        let entry = self.service(service).map_err(|_| {
            let text = format!("the ticket is for {service}");
            Failure::new(ErrorCode::KRB_AP_ERR_NOT_US, text)
        })?;
        let etype = Etype::from_number(shown.ticket.sealed.etype).ok_or_else(|| {
            let text = format!(
                "the ticket has encryption type {}",
                shown.ticket.sealed.etype
            );
            Failure::new(ErrorCode::KDC_ERR_ETYPE_NOSUPP, text)
        })?;
        Ok(entry.key(etype).clone())
    }

    /// The account of a ticket's client, which may be gone or disabled since.
    fn holder(&self, client: &Principal) -> Result<Arc<Entry>, Failure> {
        let entry = self
            .accounts
            .find(&client.name())
            .ok_or(Failure::from(Refusal::Unknown))?;
        match entry.account.state {
            State::Disabled => Err(Refusal::Disabled.into()),
            State::Expired => Err(Refusal::Expired.into()),
            // A lock is for guesses at the password, which tickets are not.
            State::Active | State::PasswordExpired => Ok(entry),
        }
    }
}

/// The body is the one that the client put its checksum on (RFC 4120 §3.3.3.1). It stands in the
/// encrypted authenticator, where one without a key (Java's MD5) holds as well. Some clients send
/// none, which AD DS takes, too.
fn check_body(request: &KdcReq, session: &Key, proof: &Authenticator) -> Result<(), Failure> {
    let Some(checksum) = &proof.checksum else {
        return Ok(());
    };
    let body = &request.raw_body;
    let holds = if checksum.kind == session.etype().checksum_number() {
        session.verifies(usage::TGS_BODY, body, &checksum.bytes)
    } else if checksum.kind == RSA_MD5 {
        is_same(&Md5::digest(body), &checksum.bytes)
    } else {
        let text = format!("a checksum of type {} is not taken", checksum.kind);
        return Err(Failure::new(ErrorCode::KRB_AP_ERR_INAPP_CKSUM, text));
    };
    if !holds {
        let text = "the request was changed on its way";
        return Err(Failure::new(ErrorCode::KRB_AP_ERR_MODIFIED, text));
    }
    Ok(())
}

/// The terms of a new ticket.
fn granted(request: &KdcReq, shown: &EncTicketPart, now: Now) -> Result<Terms, Failure> {
    let mut terms = Terms::of(&request.body, now, Some(shown))?;
    terms.flags.0 |= shown.flags.0 & TicketFlags::PRE_AUTHENT;
    for (wished, needed) in [
        (TicketFlags::FORWARDED, TicketFlags::FORWARDABLE),
        (TicketFlags::PROXY, TicketFlags::PROXIABLE),
    ] {
        if !request.body.options.has(wished) {
            terms.flags.0 |= shown.flags.0 & wished;
        } else if shown.flags.has(needed) {
            terms.flags.0 |= wished;
        } else {
            let text = "the ticket that is shown may not be passed on";
            return Err(Failure::new(ErrorCode::KDC_ERR_BADOPTION, text));
        }
    }
    Ok(terms)
}

/// The terms of the ticket that is shown, from now on (RFC 4120 §3.3.3).
fn renewed(shown: &Shown, service: &Principal, now: Now) -> Result<Terms, Failure> {
    let ticket = &shown.ticket;
    let same = service.name().eq_ignore_ascii_case(&shown.service.name());
    let renew_till = ticket
        .renew_till
        .filter(|_| same && ticket.flags.has(TicketFlags::RENEWABLE));
    let Some(renew_till) = renew_till else {
        let text = "the ticket that is shown is not renewable";
        return Err(Failure::new(ErrorCode::KDC_ERR_BADOPTION, text));
    };
    if renew_till <= now.time {
        let text = "the ticket's time of renewal is over";
        return Err(Failure::new(ErrorCode::KRB_AP_ERR_TKT_EXPIRED, text));
    }
    let starts = ticket.starts.unwrap_or(ticket.authenticated);
    let lasts = ticket.ends.0.saturating_sub(starts.0);
    Ok(Terms {
        flags: TicketFlags(ticket.flags.0 & !TicketFlags::INITIAL),
        starts: now.time,
        ends: now.time.plus(lasts).min(renew_till),
        renew_till: Some(renew_till),
    })
}
