//! The client: from a password to a ticket to an AP-REQ. Messages in, messages out; who exchanges
//! them with a key distribution center is the caller's.

use super::Principal;
use super::acceptor::random_number;
use super::binding::ChannelBinding;
use super::context::{Role, SecurityContext};
use super::crypto::{Etype, Key, usage};
use super::gss::{self, Flags, Kind};
use super::messages::{
    ApOptions, ApRep, ApReq, Authenticator, Checksum, EncApRepPart, EncKdcRepPart, EncryptedData,
    EncryptionKey, ErrorCode, EtypeInfo, Exchange, KdcOptions, KdcRep, KdcReq, KdcReqBody,
    KrbError, PaData, Ticket, TicketFlags, padata, read_padata,
};
use super::time::{Time, write_timestamp};
use crate::der::{Malformed, Reader};

/// Why there is no ticket.
#[derive(Debug, thiserror::Error)]
pub enum InitiatorError {
    /// The key distribution center could not be asked.
    #[error("the key distribution center does not answer: {0}")]
    Unreachable(#[from] std::io::Error),
    /// It refuses.
    #[error("the key distribution center refuses: {0}")]
    Refused(ErrorCode, Option<String>),
    /// Its answer is none.
    #[error("the answer is {0}")]
    Malformed(#[from] Malformed),
    /// Its answer does not open, or is that to another request.
    #[error("the answer is not the one to this request")]
    Mismatch,
}

/// A ticket that one holds.
#[derive(Clone, Debug)]
pub struct Held {
    /// Who one is.
    pub client: Principal,
    /// It.
    pub ticket: Ticket,
    /// The key that one shares with its service.
    pub session: Key,
    /// When its time is over.
    pub ends: Time,
}

/// Asks a key distribution center one question: bytes of a request to bytes of its answer.
pub trait Ask {
    /// The answer.
    fn ask(&mut self, request: Vec<u8>) -> impl Future<Output = std::io::Result<Vec<u8>>> + Send;
}

/// Gets a ticket-granting ticket for a password.
///
/// # Errors
/// The center cannot be asked, refuses, or answers what does not fit.
pub async fn login(
    center: &mut (impl Ask + Send),
    account: &str,
    password: &str,
    realm: &str,
) -> Result<Held, InitiatorError> {
    let client = Principal::user(account, realm);
    let service = Principal::service(&format!("krbtgt/{realm}"), realm);
    let mut request = authentication(&client, service);
    let first = center.ask(request.write()).await?;
    let refusal = KrbError::read(&first)?;
    if refusal.code != ErrorCode::KDC_ERR_PREAUTH_REQUIRED {
        return Err(refused(refusal));
    }
    let (etype, salt) = hint(&refusal, &client)?;
    let key = Key::of_password(etype, password, &salt);
    let stamp = write_timestamp(Time::now());
    let sealed = EncryptedData::seal(&key, usage::TIMESTAMP, None, &stamp);
    request.padata.push(PaData {
        kind: padata::ENC_TIMESTAMP,
        value: sealed.write(),
    });
    let answer = center.ask(request.write()).await?;
    taken(&request, &answer, |sealed| {
        sealed.open(&key, usage::AS_REP).ok()
    })
}

/// Gets a ticket for a service (`HTTP/intranet.example.com`) for a ticket-granting ticket.
///
/// # Errors
/// As [`login`].
pub async fn ticket(
    center: &mut (impl Ask + Send),
    granting: &Held,
    service: &str,
) -> Result<Held, InitiatorError> {
    let service = Principal::service(service, &granting.client.realm);
    let mut request = KdcReq::new(
        Exchange::TicketGranting,
        KdcReqBody {
            client: None,
            ..body(&granting.client, service)
        },
    );
    let subkey = Key::random(granting.session.etype());
    let checksum = Checksum {
        kind: granting.session.etype().checksum_number(),
        bytes: granting
            .session
            .checksum(usage::TGS_BODY, &request.raw_body),
    };
    let proof = Authenticator {
        client: granting.client.clone(),
        checksum: Some(checksum),
        time: Time::now(),
        subkey: Some(EncryptionKey::from(&subkey)),
        sequence: None,
    };
    let shown = ApReq {
        options: ApOptions::default(),
        ticket: granting.ticket.clone(),
        authenticator: EncryptedData::seal(
            &granting.session,
            usage::TGS_AUTHENTICATOR,
            None,
            &proof.write(),
        ),
    };
    request.padata.push(PaData {
        kind: padata::TGS_REQ,
        value: shown.write(),
    });
    let answer = center.ask(request.write()).await?;
    taken(&request, &answer, |sealed| {
        sealed.open(&subkey, usage::TGS_REP_SUBKEY).ok()
    })
}

/// The first request of a login, which a center answers with how the client shall prove itself.
pub fn authentication(client: &Principal, service: Principal) -> KdcReq {
    KdcReq::new(Exchange::Authentication, body(client, service))
}

fn body(client: &Principal, service: Principal) -> KdcReqBody {
    KdcReqBody {
        options: KdcOptions(TicketFlags::FORWARDABLE | KdcOptions::CANONICALIZE),
        client: Some(client.clone()),
        realm: client.realm.clone(),
        service: Some(service),
        from: None,
        till: Time::now().0.plus(86_400),
        renew_till: None,
        nonce: random_number().cast_signed(),
        etypes: Etype::ALL.map(Etype::number).to_vec(),
        tickets: Vec::new(),
    }
}

fn refused(error: KrbError) -> InitiatorError {
    InitiatorError::Refused(error.code, error.text)
}

/// The key that the center wants a proof with: type and salt.
fn hint(refusal: &KrbError, client: &Principal) -> Result<(Etype, String), Malformed> {
    let data = refusal.data.as_deref().unwrap_or_default();
    for one in read_padata(&mut Reader::new(data))? {
        if one.kind != padata::ETYPE_INFO2 {
            continue;
        }
        for info in EtypeInfo::read_all(&one.value)? {
            if let Some(etype) = Etype::from_number(info.etype) {
                // Realm and name is the salt that is not named (RFC 4120 §4).
                let usual = || format!("{}{}", client.realm, client.parts.concat());
                return Ok((etype, info.salt.unwrap_or_else(usual)));
            }
        }
    }
    Err(Malformed("no encryption type that is spoken here"))
}

/// The ticket in an answer.
fn taken(
    request: &KdcReq,
    answer: &[u8],
    open: impl Fn(&EncryptedData) -> Option<Vec<u8>>,
) -> Result<Held, InitiatorError> {
    if let Ok(error) = KrbError::read(answer) {
        return Err(refused(error));
    }
    let answer = KdcRep::read(request.exchange, answer)?;
    let plain = open(&answer.sealed).ok_or(InitiatorError::Mismatch)?;
    let part = EncKdcRepPart::read(&plain)?;
    let session = part.key.key().ok_or(InitiatorError::Mismatch)?;
    if part.nonce != request.body.nonce {
        return Err(InitiatorError::Mismatch);
    }
    Ok(Held {
        client: answer.client,
        ticket: answer.ticket,
        session,
        ends: part.ends,
    })
}

/// A login at a service, under way.
#[derive(Debug)]
pub struct Initiator {
    session: Key,
    subkey: Key,
    time: (Time, i32),
    number: u32,
}

impl Initiator {
    /// Begins one; the token is for the service, framed for the GSS-API. Mutual authentication is
    /// asked for.
    pub fn start(held: &Held, binding: Option<&ChannelBinding>) -> (Self, Vec<u8>) {
        let all = Flags::MUTUAL
            | Flags::REPLAY
            | Flags::SEQUENCE
            | Flags::CONFIDENTIAL
            | Flags::INTEGRITY;
        let this = Self {
            session: held.session.clone(),
            subkey: Key::random(held.session.etype()),
            time: Time::now(),
            number: random_number(),
        };
        let proof = Authenticator {
            client: held.client.clone(),
            checksum: Some(gss::write_checksum(Flags(all), binding)),
            time: this.time,
            subkey: Some(EncryptionKey::from(&this.subkey)),
            sequence: Some(this.number.cast_signed()),
        };
        let request = ApReq {
            options: ApOptions(ApOptions::MUTUAL_REQUIRED),
            ticket: held.ticket.clone(),
            authenticator: EncryptedData::seal(
                &held.session,
                usage::AP_AUTHENTICATOR,
                None,
                &proof.write(),
            ),
        };
        let token = gss::frame(Kind::Request, &request.write());
        (this, token)
    }

    /// Verifies the service's proof.
    ///
    /// # Errors
    /// It is none, or that of somebody without the key; or the service refuses.
    pub fn finish(self, token: &[u8]) -> Result<SecurityContext, InitiatorError> {
        let (kind, message) = gss::unframe(token)?;
        match kind {
            Kind::Reply => {}
            Kind::Error => return Err(refused(KrbError::read(message)?)),
            Kind::Request => return Err(InitiatorError::Mismatch),
        }
        let sealed = ApRep::read(message)?.sealed;
        let plain = sealed.open(&self.session, usage::AP_REP);
        let part = EncApRepPart::read(&plain.map_err(|_| InitiatorError::Mismatch)?)?;
        if part.time != self.time {
            return Err(InitiatorError::Mismatch);
        }
        let chosen = part.subkey.as_ref();
        let key = match chosen {
            None => self.subkey,
            Some(key) => key.key().ok_or(InitiatorError::Mismatch)?,
        };
        let theirs = part.sequence.unwrap_or_default().cast_unsigned();
        Ok(SecurityContext::new(
            Role::Initiator,
            key,
            chosen.is_some(),
            self.number,
            theirs,
        ))
    }
}
