//! Persistence of a client to a member (B4, B5).

use std::sync::Arc;

use hyper::header::{COOKIE, HeaderMap};
use lab_core::check::Affinity;
use ring::hmac;

use super::pool::{LiveMember, LivePool};

/// Makes member ids that say nothing to clients and stay the same when the balancer starts
/// again: it is derived from the private key of a certificate.
pub(super) struct Secret(hmac::Key);

impl Secret {
    /// From key material.
    pub fn derive(material: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, material);
        let derived = hmac::sign(&key, b"tierlab affinity");
        Self(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }

    /// The id of a pool's member, as cookies carry it.
    pub fn id(&self, pool: &LivePool, member: &LiveMember) -> String {
        let tag = self.sign(&["cookie", &pool.name, &member.member.name]);
        tag.as_ref()[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// How well a member suits a value: rendezvous hashing, where a member that leaves moves
    /// only its own clients.
    fn weight(&self, value: &str, member: &LiveMember) -> [u8; 8] {
        let mut weight = [0; 8];
        weight.copy_from_slice(&self.sign(&["header", value, &member.member.name]).as_ref()[..8]);
        weight
    }

    fn sign(&self, parts: &[&str]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        context.sign()
    }
}

/// The member that a client's cookie names, if it is healthy. A drained member still serves
/// those it has.
pub(super) fn by_cookie(
    secret: &Secret,
    pool: &LivePool,
    affinity: &Affinity,
    headers: &HeaderMap,
) -> Option<Arc<LiveMember>> {
    let Affinity::Cookie(name) = affinity else {
        return None;
    };
    let ids: Vec<&str> = super::LoadBalancer::cookies(headers, name).collect();
    let member = pool
        .members
        .iter()
        .find(|one| ids.contains(&secret.id(pool, one).as_str()))?;
    member.is_up().then(|| member.clone())
}

/// The member that suits the value of the affinity's header best; none without that header.
pub(super) fn by_header<'m>(
    secret: &Secret,
    affinity: &Affinity,
    headers: &HeaderMap,
    candidates: &[&'m Arc<LiveMember>],
) -> Option<&'m Arc<LiveMember>> {
    let Affinity::Header(name) = affinity else {
        return None;
    };
    let value = headers.get(name.as_str())?.to_str().ok()?;
    candidates
        .iter()
        .copied()
        .max_by_key(|member| secret.weight(value, member))
}

/// The `Set-Cookie` that names a member (RFC 6265 §4.1); `secure`: it came over TLS.
pub(super) fn set_cookie(name: &str, id: &str, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{name}={id}; Path=/; HttpOnly{secure}")
}

pub(super) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
}
