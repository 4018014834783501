//! Tickets: how long they hold, what may be done with them.

use super::failure::Failure;
use super::{KVNO, Now};
use crate::kerberos::Principal;
use crate::kerberos::crypto::{Key, usage};
use crate::kerberos::messages::{
    EncKdcRepPart, EncTicketPart, EncryptedData, EncryptionKey, ErrorCode, Exchange, KdcOptions,
    KdcReqBody, Ticket, TicketFlags,
};
use crate::kerberos::replay::SKEW;
use crate::kerberos::time::Time;

/// A ticket holds for so many seconds (as in a new domain of AD DS: 10 hours).
const LIFETIME: i64 = 10 * 3600;
/// It may be renewed for so many seconds (7 days).
const RENEWAL: i64 = 7 * 86_400;

/// What a ticket says.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub client: Principal,
    pub service: Principal,
    pub session: Key,
    pub flags: TicketFlags,
    pub authenticated: Time,
    pub starts: Time,
    pub ends: Time,
    pub renew_till: Option<Time>,
}

/// Times and flags of a ticket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub flags: TicketFlags,
    pub starts: Time,
    pub ends: Time,
    pub renew_till: Option<Time>,
}

impl Terms {
    /// What is granted of what a client wishes; of the ticket it shows, where it shows one, no more
    /// than that one says.
    pub fn of(body: &KdcReqBody, now: Now, shown: Option<&EncTicketPart>) -> Result<Self, Failure> {
        let now = now.time;
        let later = body.from.is_some_and(|from| from > now.plus(SKEW as i64));
        if later || body.options.has(KdcOptions::POSTDATED) {
            let text = "tickets that start later are not given";
            return Err(Failure::new(ErrorCode::KDC_ERR_CANNOT_POSTDATE, text));
        }
        let latest = now.plus(LIFETIME);
        let latest = shown.map_or(latest, |shown| shown.ends.min(latest));
        let wished = match body.till {
            // "As long as may be" (RFC 4120 §3.1.3).
            Time(0) => latest,
            till => till,
        };
        let ends = wished.min(latest);
        if ends <= now {
            let text = "it would end before it starts";
            return Err(Failure::new(ErrorCode::KDC_ERR_NEVER_VALID, text));
        }
        let may = |flag: u32| shown.is_none_or(|shown| shown.flags.has(flag));
        let mut flags = 0;
        for flag in [TicketFlags::FORWARDABLE, TicketFlags::PROXIABLE] {
            if body.options.has(flag) && may(flag) {
                flags |= flag;
            }
        }
        let renewed = now.plus(RENEWAL);
        let renewed = shown
            .and_then(|shown| shown.renew_till)
            .map_or(renewed, |of_shown| of_shown.min(renewed));
        let renew_till = if body.options.has(TicketFlags::RENEWABLE) {
            Some(
                body.renew_till
                    .filter(|till| till.0 != 0)
                    .unwrap_or(renewed),
            )
        } else if body.options.has(KdcOptions::RENEWABLE_OK) && wished > ends {
            Some(wished)
        } else {
            None
        };
        let renew_till = renew_till
            .filter(|_| may(TicketFlags::RENEWABLE))
            .map(|till| till.min(renewed))
            .filter(|till| *till > ends);
        if renew_till.is_some() {
            flags |= TicketFlags::RENEWABLE;
        }
        Ok(Self {
            flags: TicketFlags(flags),
            starts: now,
            ends,
            renew_till,
        })
    }
}

impl Grant {
    /// The ticket, under the key of its service.
    pub fn ticket(&self, key: &Key) -> Ticket {
        let part = EncTicketPart {
            flags: self.flags,
            key: EncryptionKey::from(&self.session),
            client: self.client.clone(),
            authenticated: self.authenticated,
            starts: Some(self.starts),
            ends: self.ends,
            renew_till: self.renew_till,
        };
        Ticket {
            service: self.service.clone(),
            sealed: EncryptedData::seal(key, usage::TICKET, Some(KVNO), &part.write()),
        }
    }

    /// What the client must know of it.
    pub fn part(&self, exchange: Exchange, nonce: i32) -> Vec<u8> {
        EncKdcRepPart {
            key: EncryptionKey::from(&self.session),
            nonce,
            flags: self.flags,
            authenticated: self.authenticated,
            starts: Some(self.starts),
            ends: self.ends,
            renew_till: self.renew_till,
            service: self.service.clone(),
        }
        .write(exchange)
    }
}
