use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use hyper::header::{HeaderMap, HeaderValue};
use lab_core::service::Secret;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use super::Computer;
use crate::http::cookie::cookie;
use crate::login::Identity;

/// Who logged in, sealed.
const DATA: &str = "cadata";
/// When the session was last used, sealed to who logged in; renewed by itself.
const TTL: &str = "cadataTTL";
/// Largest value that is looked at: what browsers keep of a cookie, in bytes.
const LONGEST: usize = 4096;

/// The cookies of forms logins. All servers that share the secret read them, so that none needs to
/// keep a session: what another began goes on here.
pub struct Sessions {
    key: Option<LessSafeKey>,
    random: SystemRandom,
}

/// A session that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Who.
    pub identity: Identity,
    /// Whose computer they said it is.
    pub computer: Computer,
    /// When it was last renewed, in seconds since the Unix epoch.
    pub renewed: u64,
    /// Its `cadata`, which canaries are made of.
    pub data: String,
}

/// Why there is no session; a client is led to the logon page whichever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSession {
    /// There are no cookies.
    #[error("the request carries no session")]
    None,
    /// They are not ours, were changed, or belong to two sessions.
    #[error("the session's cookies were not made here")]
    Foreign,
    /// Nothing was done for too long.
    #[error("the session has timed out")]
    TimedOut,
}

#[derive(Serialize, Deserialize)]
struct Data {
    identity: Identity,
    computer: Computer,
}

impl Computer {
    /// How long a session may rest: 15 minutes, or 8 hours.
    pub fn patience(self) -> Duration {
        match self {
            Self::Public => Duration::from_secs(15 * 60),
            Self::Private => Duration::from_secs(8 * 60 * 60),
        }
    }
}

impl Sessions {
    /// With a secret of the lab.
    pub fn new(secret: &Secret) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, secret.bytes()).ok();
        Self {
            key: key.map(LessSafeKey::new),
            random: SystemRandom::new(),
        }
    }

    /// Begins a session: its `Set-Cookie` fields. None: the random generator failed, or the
    /// identity is larger than a cookie.
    pub fn begin(
        &self,
        identity: &Identity,
        computer: Computer,
        now: SystemTime,
    ) -> Option<Vec<HeaderValue>> {
        let data = Data {
            identity: identity.clone(),
            computer,
        };
        let data = self.seal(DATA, &serde_json::to_vec(&data).ok()?)?;
        if data.len() > LONGEST {
            return None;
        }
        Some(vec![set(DATA, &data)?, self.renew(&data, now)?])
    }

    /// The session of a request's cookies.
    ///
    /// # Errors
    /// There is none, it is another's, or it rested too long.
    pub fn read(&self, headers: &HeaderMap, now: SystemTime) -> Result<Session, NoSession> {
        let text = cookie(headers, DATA).ok_or(NoSession::None)?;
        let ttl = cookie(headers, TTL).ok_or(NoSession::None)?;
        let opened = self.open(DATA, text).ok_or(NoSession::Foreign)?;
        let data: Data = serde_json::from_slice(&opened).map_err(|_| NoSession::Foreign)?;
        let renewed = self.open(&bound(text), ttl).ok_or(NoSession::Foreign)?;
        let renewed = renewed.try_into().map_err(|_| NoSession::Foreign)?;
        let renewed = u64::from_be_bytes(renewed);
        let rested = seconds(now).saturating_sub(renewed);
        if rested >= data.computer.patience().as_secs() {
            return Err(NoSession::TimedOut);
        }
        Ok(Session {
            identity: data.identity,
            computer: data.computer,
            renewed,
            data: text.to_owned(),
        })
    }

    /// The `Set-Cookie` field that lets a session rest anew.
    pub fn renew(&self, data: &str, now: SystemTime) -> Option<HeaderValue> {
        let sealed = self.seal(&bound(data), &seconds(now).to_be_bytes())?;
        set(TTL, &sealed)
    }

    /// The `Set-Cookie` fields that take a session away.
    pub fn end() -> Vec<HeaderValue> {
        let gone = |name| format!("{name}=; Path=/; Max-Age=0; Secure; HttpOnly");
        [DATA, TTL]
            .into_iter()
            .filter_map(|name| HeaderValue::from_str(&gone(name)).ok())
            .collect()
    }

    fn seal(&self, purpose: &str, plain: &[u8]) -> Option<String> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).ok()?;
        let mut sealed = plain.to_vec();
        let used = Nonce::assume_unique_for_key(nonce);
        let purpose = Aad::from(purpose.as_bytes());
        let key = self.key.as_ref()?;
        key.seal_in_place_append_tag(used, purpose, &mut sealed)
            .ok()?;
        Some(BASE64URL_NOPAD.encode(&[&nonce[..], &sealed].concat()))
    }

    fn open(&self, purpose: &str, text: &str) -> Option<Vec<u8>> {
        if text.len() > LONGEST {
            return None;
        }
        let whole = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (nonce, sealed) = whole.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let purpose = Aad::from(purpose.as_bytes());
        let key = self.key.as_ref()?;
        let opened = key.open_in_place(nonce, purpose, &mut sealed).ok()?;
        Some(opened.to_vec())
    }
}

/// A time is good for one `cadata` only, or an old session would live on by a new one's.
fn bound(data: &str) -> String {
    format!("{TTL} of {data}")
}

/// Out of reach of scripts, gone with the browser, never sent in clear text.
fn set(name: &str, value: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{name}={value}; Path=/; Secure; HttpOnly")).ok()
}

fn seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Person;
    use crate::login::Method;

    fn sessions(secret: u8) -> Sessions {
        Sessions::new(&Secret::new([secret; 32]))
    }

    fn alice() -> Identity {
        Identity {
            person: Person::default(),
            method: Method::Forms,
            proof: "password".into(),
        }
    }

    /// A client's Cookie field after these Set-Cookie fields.
    fn shown(set: &[HeaderValue]) -> HeaderMap {
        let pairs: Vec<&str> = set
            .iter()
            .filter_map(|field| field.to_str().ok()?.split(';').next())
            .collect();
        let mut headers = HeaderMap::new();
        headers.insert("cookie", pairs.join("; ").parse().expect("a field"));
        headers
    }

    #[test]
    fn b2_a_session_goes_on_at_another_server() {
        let now = SystemTime::now();
        let set = sessions(7).begin(&alice(), Computer::Public, now);
        let headers = shown(&set.expect("a session"));
        let session = sessions(7).read(&headers, now).expect("it holds");
        assert_eq!(session.identity, alice());
        assert_eq!(sessions(8).read(&headers, now), Err(NoSession::Foreign));
        assert_eq!(
            sessions(7).read(&HeaderMap::new(), now),
            Err(NoSession::None)
        );
        assert_eq!(
            sessions(7).read(&shown(&Sessions::end()), now),
            Err(NoSession::Foreign)
        );
    }

    #[test]
    fn a_session_times_out_when_it_rests_and_lives_on_when_it_is_used() {
        let (sessions, now) = (sessions(7), SystemTime::now());
        for (computer, minutes) in [(Computer::Public, 15), (Computer::Private, 480)] {
            let set = sessions.begin(&alice(), computer, now).expect("a session");
            let headers = shown(&set);
            let end = now + Duration::from_secs(minutes * 60);
            let before = end - Duration::from_secs(1);
            let session = sessions.read(&headers, before).expect("it holds");
            assert_eq!(sessions.read(&headers, end), Err(NoSession::TimedOut));
            let renewed = sessions.renew(&session.data, before).expect("a field");
            let headers = shown(&[set[0].clone(), renewed]);
            assert!(sessions.read(&headers, end).is_ok());
        }
    }

    #[test]
    fn a_time_of_another_session_and_a_changed_byte_are_refused() {
        let (sessions, now) = (sessions(7), SystemTime::now());
        let begin = || {
            let set = sessions.begin(&alice(), Computer::Public, now);
            set.expect("a session")
        };
        let (one, other) = (begin(), begin());
        let mixed = shown(&[one[0].clone(), other[1].clone()]);
        assert_eq!(sessions.read(&mixed, now), Err(NoSession::Foreign));
        let swapped = sessions.open(DATA, cookie(&shown(&one), TTL).expect("it is there"));
        assert_eq!(swapped, None);
        let field = shown(&one)["cookie"].as_bytes().to_vec();
        for at in (DATA.len() + 1)..field.len() {
            let mut changed = field.clone();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let mut headers = HeaderMap::new();
            let value = HeaderValue::from_bytes(&changed).expect("a field");
            headers.insert("cookie", value);
            assert!(sessions.read(&headers, now).is_err(), "{at}");
        }
    }
}
