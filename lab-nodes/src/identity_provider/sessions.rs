//! Who logged in. A session is known by a cookie of 256 random bits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;
use ring::rand::{SecureRandom, SystemRandom};

use crate::saml;

/// The cookie.
pub(super) const COOKIE: &str = "MSISAuth";
/// Most sessions; the oldest goes when there is one more.
const MOST: usize = 10_000;

/// Somebody's session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    /// Their mail address, as the settings have it.
    pub user: String,
    /// When they logged in.
    pub authenticated: saml::Instant,
    /// Realms of the sites that they got tokens for.
    pub visited: BTreeSet<String>,
    begun: Instant,
}

/// All of them.
#[derive(Default)]
pub(super) struct Sessions(Mutex<BTreeMap<String, Session>>);

impl Sessions {
    /// Begins one, and gives its cookie's value; none if there are no random numbers.
    pub fn begin(&self, user: &str, authenticated: saml::Instant, now: Instant) -> Option<String> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).ok()?;
        let id = BASE64URL_NOPAD.encode(&bytes);
        let mut sessions = self.lock();
        if sessions.len() >= MOST {
            let oldest = sessions.iter().min_by_key(|(_, session)| session.begun);
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                sessions.remove(&oldest);
            }
        }
        let session = Session {
            user: user.to_owned(),
            authenticated,
            visited: BTreeSet::new(),
            begun: now,
        };
        sessions.insert(id.clone(), session);
        Some(id)
    }

    /// The session of a cookie, if it is not older than that.
    pub fn get(&self, id: &str, lifetime: Duration, now: Instant) -> Option<Session> {
        let mut sessions = self.lock();
        let session = sessions.get(id)?;
        if now.duration_since(session.begun) >= lifetime {
            sessions.remove(id);
            return None;
        }
        Some(session.clone())
    }

    /// They got a token for this site.
    pub fn visit(&self, id: &str, realm: &str) {
        if let Some(session) = self.lock().get_mut(id) {
            session.visited.insert(realm.to_owned());
        }
    }

    /// Ends one.
    pub fn end(&self, id: &str) -> Option<Session> {
        self.lock().remove(id)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_end_by_time_and_by_signing_out_and_are_bounded() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let authenticated = saml::Instant::new(std::time::SystemTime::now());
        let minute = Duration::from_secs(60);
        let one = sessions.begin("pat", authenticated, start).expect("an id");
        let other = sessions.begin("pat", authenticated, start).expect("an id");
        assert_ne!(one, other);
        sessions.visit(&one, "urn:a");
        let session = sessions.get(&one, minute, start).expect("a session");
        assert!(session.user == "pat" && session.visited.contains("urn:a"));
        assert!(sessions.end(&one).is_some() && sessions.get(&one, minute, start).is_none());
        assert!(sessions.get(&other, minute, start + minute).is_none());
        for at in 0..=MOST as u64 {
            sessions.begin("kim", authenticated, start + Duration::from_millis(at));
        }
        assert_eq!(sessions.lock().len(), MOST);
    }
}
