//! The client's side ([MS-NLMP] §3.1.5).

use super::av::{self, AvPairs};
use super::binding::Binding;
use super::flags::Flags;
use super::proof::{self, Key};
use super::security::{Security, Side};
use super::wire::{Authenticate, Challenge, Negotiate, WireError};

/// Who logs in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Initiator {
    /// The account.
    pub user: String,
    /// Its domain; empty where the name says it.
    pub domain: String,
    /// Its password.
    pub password: String,
    /// Name of this machine.
    pub workstation: String,
}

/// Random bytes that a client adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Random {
    /// Its challenge.
    pub challenge: [u8; 8],
    /// The session key that it chooses.
    pub session_key: Key,
}

/// What a response is made for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purpose {
    /// The TLS connection it is sent by.
    pub binding: Option<Binding>,
    /// The service it is meant for (`HTTP/intranet.example.com`).
    pub service: Option<String>,
}

const ASKED: Flags = Flags(
    Flags::UNICODE.0
        | Flags::REQUEST_TARGET.0
        | Flags::NTLM.0
        | Flags::ALWAYS_SIGN.0
        | Flags::EXTENDED_SESSION_SECURITY.0
        | Flags::VERSION.0
        | Flags::KEY_128.0
        | Flags::KEY_EXCHANGE.0
        | Flags::KEY_56.0,
);

impl Initiator {
    /// The first message; `more` is what the protocol needs besides, such as [`Flags::SEAL`].
    pub fn negotiate(&self, more: Flags) -> Vec<u8> {
        Negotiate {
            flags: ASKED | more,
        }
        .write()
    }

    /// The third message, which answers the second, with what protects the session then. `time` (in
    /// 100 ns since 1601) counts where the server tells none.
    ///
    /// # Errors
    /// The second message is none.
    pub fn authenticate(
        &self,
        first: &[u8],
        second: &[u8],
        purpose: &Purpose,
        random: Random,
        time: u64,
    ) -> Result<(Vec<u8>, Option<Security>), WireError> {
        let asked = Challenge::read(second)?;
        let flags = asked.flags.both(Negotiate::read(first)?.flags) | Flags::TARGET_INFO;
        let mut pairs = match asked.info.as_slice() {
            [] => AvPairs::default(),
            info => AvPairs::read(info)?,
        };
        let told = pairs
            .get(av::TIMESTAMP)
            .and_then(|time| time.try_into().ok());
        if told.is_some() {
            pairs.set(av::FLAGS, (pairs.flags() | av::HAS_MIC).to_le_bytes());
            let binding = purpose.binding.map_or([0; 16], |binding| binding.0);
            pairs.set(av::CHANNEL_BINDING, binding);
            if let Some(service) = &purpose.service {
                pairs.set_text(av::TARGET_NAME, service);
            }
        }
        let time = told.map_or(time, u64::from_le_bytes);
        let hash = proof::nt_hash(&self.password);
        let key = proof::response_key(&hash, &self.user, &self.domain);
        let mut temp = vec![1, 1, 0, 0, 0, 0, 0, 0];
        temp.extend(time.to_le_bytes());
        temp.extend(random.challenge);
        temp.extend([0; 4]);
        temp.extend(pairs.write());
        temp.extend([0; 4]);
        let proof_string = proof::proof(&key, &asked.challenge, &temp);
        let base = proof::session_base_key(&key, &proof_string);
        let exchange = flags.has(Flags::KEY_EXCHANGE);
        let session_key = if exchange { random.session_key } else { base };
        let message = Authenticate {
            flags,
            lm: match told {
                Some(_) => vec![0; 24],
                None => proof::lm_v2(&key, &asked.challenge, &random.challenge),
            },
            nt: [&proof_string[..], &temp].concat(),
            domain: self.domain.clone(),
            user: self.user.clone(),
            workstation: self.workstation.clone(),
            session_key: match exchange {
                true => proof::exchanged(&base, &session_key).to_vec(),
                false => Vec::new(),
            },
            version: flags.has(Flags::VERSION).then(Challenge::own_version),
            mic: told.map(|_| [0; 16]),
        };
        let mut third = message.write();
        if told.is_some() {
            let mic = proof::mic(&session_key, [first, second, &third]);
            Authenticate::put_mic(&mut third, mic);
        }
        Ok((third, Security::new(&session_key, flags, Side::Client)))
    }
}
