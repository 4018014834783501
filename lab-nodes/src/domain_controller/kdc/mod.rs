//! The key distribution center (RFC 4120 §3.1, §3.3): requests in, answers out, no sockets.
//!
//! - `authentication`: a ticket for a password;
//! - `ticket_granting`: a ticket for a ticket;
//! - `grant`: times, flags and the ticket itself;
//! - `failure`: what goes wrong, as a KRB-ERROR.

mod authentication;
mod failure;
mod grant;
mod ticket_granting;

use std::sync::Arc;

use lab_core::observe::Deed;
use lab_core::service::Conversation;

use self::failure::Failure;
use super::accounts::{Accounts, Entry};
use crate::directory::Kind;
use crate::kerberos::Principal;
use crate::kerberos::crypto::Etype;
use crate::kerberos::messages::{ErrorCode, Exchange, KdcReq};
use crate::kerberos::replay::ReplayCache;
use crate::kerberos::time::Time;

/// An answer over UDP has no more bytes: what fits into a frame, and less than the client's buffer.
pub(super) const DATAGRAM: usize = 1400;

/// The version of every key: they do not change while a lab is up.
const KVNO: u32 = 1;

/// The key distribution center of a realm.
pub struct Kdc {
    accounts: Arc<Accounts>,
    replays: ReplayCache,
}

/// When it is, by the KDC's clock.
#[derive(Clone, Copy, Debug)]
struct Now {
    time: Time,
    micros: i32,
}

/// A request that was granted, before anything of it is remembered.
struct Granted {
    /// The answer.
    answer: Vec<u8>,
    /// What must not be seen twice: the client's proof, as it was encrypted.
    proof: Vec<u8>,
    /// The client's account.
    client: String,
    /// What was given for what.
    told: String,
}

impl Kdc {
    /// Of these accounts.
    pub fn new(accounts: Arc<Accounts>) -> Self {
        Self {
            accounts,
            replays: ReplayCache::default(),
        }
    }

    /// The answer to a message; none to what is no request at all, with which a stranger's
    /// answers could be sent to and fro for ever. `most` is how long it may be.
    pub fn answer(
        &self,
        bytes: &[u8],
        conversation: &Conversation,
        most: usize,
    ) -> Option<Vec<u8>> {
        let from = conversation.tuple.source;
        let (time, micros) = Time::now();
        let now = Now { time, micros };
        let request = match KdcReq::read(bytes) {
            Ok(request) => request,
            Err(malformed) => {
                tracing::warn!("a message from {from} is refused: {malformed}");
                // [APPLICATION 10] and [APPLICATION 12] are requests, broken or not.
                return matches!(bytes.first(), Some(0x6a | 0x6c)).then(|| {
                    Failure::new(ErrorCode::KRB_ERR_GENERIC, malformed.to_string()).write(
                        None,
                        &self.accounts.domain.realm,
                        now,
                    )
                });
            }
        };
        let granted = match request.exchange {
            Exchange::Authentication => self.authenticate(&request, now),
            Exchange::TicketGranting => self.grant_ticket(&request, now),
        };
        let granted = granted.and_then(|granted| {
            if granted.answer.len() > most {
                // Nothing is remembered: the same bytes come again over TCP.
                let text = format!("the answer has {} bytes", granted.answer.len());
                return Err(Failure::new(ErrorCode::KRB_ERR_RESPONSE_TOO_BIG, text));
            }
            if !self.replays.is_new(&granted.proof, now.time) {
                let text = "this request was answered before";
                return Err(Failure::new(ErrorCode::KRB_AP_ERR_REPEAT, text));
            }
            Ok(granted)
        });
        match granted {
            Ok(granted) => {
                if request.exchange == Exchange::Authentication
                    && let Some(entry) = self.accounts.find(&granted.client)
                {
                    self.accounts.succeeded(&entry);
                }
                tracing::info!("{from}: {}: {}", granted.client, granted.told);
                conversation.tell(|| Deed::Login {
                    method: "kerberos".into(),
                    principal: granted.client,
                    verified: true,
                    proof: granted.told,
                });
                Some(granted.answer)
            }
            Err(failure) => {
                // A request to the ticket-granting service names its client in the ticket alone.
                let client = request.body.client.as_ref();
                let client = client.map_or_else(|| "somebody".into(), Principal::name);
                if failure.is_about_the_client() {
                    conversation.tell(|| Deed::Login {
                        method: "kerberos".into(),
                        principal: client.clone(),
                        verified: false,
                        proof: failure.text.clone(),
                    });
                }
                // That a client must prove itself is how every login begins.
                if failure.code == ErrorCode::KDC_ERR_PREAUTH_REQUIRED {
                    tracing::debug!("{from}: {client}: {failure}");
                } else {
                    tracing::info!("{from}: {client}: {failure}");
                }
                Some(failure.write(Some(&request.body), &self.accounts.domain.realm, now))
            }
        }
    }

    /// What whoever announces a request that is too long is told (RFC 4120 §7.2.2).
    pub(super) fn too_long(&self, length: usize) -> Vec<u8> {
        let (time, micros) = Time::now();
        let text = format!("a request of {length} bytes is too long");
        let failure = Failure::new(ErrorCode::KRB_ERR_FIELD_TOOLONG, text);
        failure.write(None, &self.accounts.domain.realm, Now { time, micros })
    }

    /// The account that tickets for a service are made for, by a service principal name or the
    /// account's own name.
    fn service(&self, service: &Principal) -> Result<Arc<Entry>, Failure> {
        let name = service.name();
        let unknown = || {
            let text = format!("no account owns {name}");
            Failure::new(ErrorCode::KDC_ERR_S_PRINCIPAL_UNKNOWN, text)
        };
        if !self.is_own_realm(&service.realm) {
            return Err(unknown());
        }
        let entry = self.accounts.find(&name).ok_or_else(unknown)?;
        match entry.account.kind {
            Kind::Service { .. } => Ok(entry),
            Kind::User { .. } => {
                let text = format!("{name} is a user, and no service");
                Err(Failure::new(ErrorCode::KDC_ERR_MUST_USE_USER2USER, text))
            }
        }
    }

    fn is_own_realm(&self, realm: &str) -> bool {
        realm.eq_ignore_ascii_case(&self.accounts.domain.realm)
    }

    /// A name of this realm, written as the realm is.
    fn of_own_realm(&self, name: &Principal) -> Principal {
        Principal {
            realm: self.accounts.domain.realm.clone(),
            ..name.clone()
        }
    }

    /// Whether it is the ticket-granting service of this realm.
    fn is_granting(&self, service: &Principal) -> bool {
        matches!(service.parts.as_slice(), [class, realm]
            if class.eq_ignore_ascii_case(super::accounts::KRBTGT) && self.is_own_realm(realm))
    }
}

/// The first of a client's encryption types that is spoken here.
fn first_etype(wished: &[i32]) -> Result<Etype, Failure> {
    let found = wished.iter().find_map(|number| Etype::from_number(*number));
    found.ok_or_else(|| {
        let text = format!("none of the encryption types {wished:?} is spoken here");
        Failure::new(ErrorCode::KDC_ERR_ETYPE_NOSUPP, text)
    })
}
