//! The authentication service: a ticket for a password (RFC 4120 §3.1, [MS-KILE] §3.3.5.6).

use std::sync::Arc;

use super::failure::Failure;
use super::grant::{Grant, Terms};
use super::{Granted, KVNO, Kdc, Now, first_etype};
use crate::der::Reader;
use crate::directory::State;
use crate::domain_controller::accounts::{Entry, Refusal};
use crate::kerberos::NameType;
use crate::kerberos::Principal;
use crate::kerberos::crypto::{Etype, Key, usage};
use crate::kerberos::messages::{
    EncryptedData, ErrorCode, EtypeInfo, Exchange, KdcOptions, KdcRep, KdcReq, PaData, TicketFlags,
    padata, write_padata,
};
use crate::kerberos::replay::SKEW;
use crate::kerberos::time::{Time, read_timestamp};

impl Kdc {
    pub(super) fn authenticate(&self, request: &KdcReq, now: Now) -> Result<Granted, Failure> {
        let body = &request.body;
        let (entry, client) = self.client(request)?;
        self.accounts.admits(&entry)?;
        let service = body.service.as_ref().ok_or_else(|| {
            let text = "the request names no service";
            Failure::new(ErrorCode::KDC_ERR_S_PRINCIPAL_UNKNOWN, text)
        })?;
        let of_service = self.service(service)?;
        let session = first_etype(&body.etypes)?;
        let terms = Terms::of(body, now, None)?;
        let Some(proof) = request.padata(padata::ENC_TIMESTAMP) else {
            let text = "the client must prove itself by an encrypted timestamp";
            let mut failure = Failure::new(ErrorCode::KDC_ERR_PREAUTH_REQUIRED, text);
            failure.data = Some(hints(&entry, &body.etypes, true));
            return Err(failure);
        };
        let key = self.verify(&entry, proof, now).map_err(|mut failure| {
            if failure.code == ErrorCode::KDC_ERR_PREAUTH_FAILED {
                // The client may have salted wrongly ([MS-KILE] §3.3.5.6.1).
                failure.data = Some(hints(&entry, &body.etypes, false));
            }
            failure
        })?;
        let grant = Grant {
            client,
            service: self.of_own_realm(service),
            session: Key::random(session),
            flags: TicketFlags(terms.flags.0 | TicketFlags::INITIAL | TicketFlags::PRE_AUTHENT),
            authenticated: now.time,
            starts: terms.starts,
            ends: terms.ends,
            renew_till: terms.renew_till,
        };
        let part = grant.part(Exchange::Authentication, body.nonce);
        let answer = KdcRep {
            exchange: Exchange::Authentication,
            padata: vec![PaData {
                kind: padata::ETYPE_INFO2,
                value: EtypeInfo::write_all(&[info(&entry, key.etype())]),
            }],
            client: grant.client.clone(),
            ticket: grant.ticket(of_service.key(Etype::ALL[0])),
            sealed: EncryptedData::seal(key, usage::AS_REP, Some(KVNO), &part),
        };
        Ok(Granted {
            answer: answer.write(),
            proof: proof.to_vec(),
            client: entry.person().account.clone(),
            told: format!(
                "a ticket for {}, by password, {}",
                service.name(),
                key.etype()
            ),
        })
    }

    /// The account of the client, and the name that it has in the ticket.
    fn client(&self, request: &KdcReq) -> Result<(Arc<Entry>, Principal), Failure> {
        let body = &request.body;
        let unknown = |text: String| Failure::new(ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN, text);
        let Some(name) = &body.client else {
            return Err(unknown("the request names no client".into()));
        };
        if !self.is_own_realm(&name.realm) {
            let text = format!("{} is another realm", name.realm);
            return Err(Failure::new(ErrorCode::KDC_ERR_WRONG_REALM, text));
        }
        let [one] = name.parts.as_slice() else {
            return Err(unknown(format!("no account is called {}", name.name())));
        };
        let entry = self
            .accounts
            .find(one)
            .ok_or_else(|| unknown(format!("no account is called {one}")))?;
        let canonical =
            name.kind == NameType::ENTERPRISE || body.options.has(KdcOptions::CANONICALIZE);
        let realm = &self.accounts.domain.realm;
        let name = match canonical {
            true => Principal::user(&entry.person().account, realm),
            false => self.of_own_realm(name),
        };
        Ok((entry, name))
    }

    /// Verifies an encrypted timestamp; the key that it was encrypted with.
    fn verify<'e>(&self, entry: &'e Entry, proof: &[u8], now: Now) -> Result<&'e Key, Failure> {
        let malformed = |error: crate::der::Malformed| {
            Failure::new(ErrorCode::KRB_ERR_GENERIC, error.to_string())
        };
        let sealed = EncryptedData::read(&mut Reader::new(proof)).map_err(malformed)?;
        let etype = Etype::from_number(sealed.etype).ok_or_else(|| {
            let text = format!("the timestamp has encryption type {}", sealed.etype);
            Failure::new(ErrorCode::KDC_ERR_ETYPE_NOSUPP, text)
        })?;
        let key = entry.key(etype);
        let Ok(plain) = sealed.open(key, usage::TIMESTAMP) else {
            self.accounts.failed(entry);
            return Err(Refusal::WrongPassword.into());
        };
        let time: Time = read_timestamp(&plain).map_err(malformed)?;
        if time.distance(now.time) > SKEW {
            let text = format!("the clocks differ by {} s", time.distance(now.time));
            return Err(Failure::new(ErrorCode::KRB_AP_ERR_SKEW, text));
        }
        match entry.account.state {
            State::PasswordExpired => Err(Refusal::PasswordExpired.into()),
            State::Active | State::Disabled | State::Expired => Ok(key),
        }
    }
}

/// Which keys the client may prove itself with, and how they are salted.
fn hints(entry: &Entry, wished: &[i32], with_timestamp: bool) -> Vec<u8> {
    let known = wished.iter().filter_map(|one| Etype::from_number(*one));
    let infos: Vec<_> = known.map(|etype| info(entry, etype)).collect();
    let mut all = vec![PaData {
        kind: padata::ETYPE_INFO2,
        value: EtypeInfo::write_all(&infos),
    }];
    if with_timestamp {
        all.push(PaData {
            kind: padata::ENC_TIMESTAMP,
            value: Vec::new(),
        });
    }
    write_padata(&all)
}

fn info(entry: &Entry, etype: Etype) -> EtypeInfo {
    EtypeInfo {
        etype: etype.number(),
        salt: Some(entry.salt()),
    }
}
