//! Proofs: how a host sees that a request comes from the farm it trusts (X-WOPI-Proof,
//! X-WOPI-ProofOld and X-WOPI-TimeStamp, [MS-WOPI] §2.2.1).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::BASE64;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::keys::{ProofKey, PublicKey};

/// Signature by the current key.
pub const PROOF: HeaderName = HeaderName::from_static("x-wopi-proof");
/// Signature by the key before it.
pub const PROOF_OLD: HeaderName = HeaderName::from_static("x-wopi-proofold");
/// When it was signed.
pub const TIMESTAMP: HeaderName = HeaderName::from_static("x-wopi-timestamp");
/// How far the clocks of farm and host may be apart.
pub const WINDOW: Duration = Duration::from_secs(20 * 60);

/// Ticks of 100 ns from the year 1 to the Unix epoch.
const EPOCH: u64 = 621_355_968_000_000_000;

/// The keys that a farm signs with, and signed with before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeys {
    /// The current one.
    pub current: PublicKey,
    /// The one before it; the same where there was none.
    pub old: PublicKey,
}

/// Why a request does not prove that it is the farm's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadProof {
    /// It carries no proof, or what it carries is none.
    #[error("the request carries no proof")]
    None,
    /// It was signed too long ago, or ahead of our time.
    #[error("the proof was signed more than 20 minutes from now")]
    Time,
    /// None of the keys signed it.
    #[error("no key of the farm signed the request")]
    Signature,
}

/// The bytes that are signed: length and bytes of the access token, of the URL in upper case and
/// of the time, all in network byte order.
pub fn message(token: &str, url: &str, ticks: u64) -> Vec<u8> {
    let url = url.to_ascii_uppercase();
    let mut message = Vec::with_capacity(20 + token.len() + url.len());
    for part in [token.as_bytes(), url.as_bytes(), &ticks.to_be_bytes()] {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(part);
    }
    message
}

/// A time in ticks of 100 ns since the year 1.
pub fn ticks(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    EPOCH + u64::try_from(since.as_nanos() / 100).unwrap_or_default()
}

/// Puts the proof headers onto a request for this URL. None: signing failed.
pub fn prove(
    headers: &mut HeaderMap,
    token: &str,
    url: &str,
    now: SystemTime,
    (current, old): (&ProofKey, &ProofKey),
) -> Option<()> {
    let ticks = ticks(now);
    let message = message(token, url, ticks);
    for (name, key) in [(PROOF, current), (PROOF_OLD, old)] {
        let signature = BASE64.encode(&key.sign(&message)?);
        headers.insert(name, HeaderValue::from_str(&signature).ok()?);
    }
    headers.insert(TIMESTAMP, HeaderValue::from(ticks));
    Some(())
}

/// Whether a request for this URL comes from the farm with these keys. A farm that changed its
/// keys lately, or a host that did not notice yet, is understood.
///
/// # Errors
/// There is no proof, it is too old, or not signed by the farm.
pub fn verify(
    headers: &HeaderMap,
    token: &str,
    url: &str,
    now: SystemTime,
    keys: &PublicKeys,
) -> Result<(), BadProof> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok();
    let signature = |name| BASE64.decode(text(name)?.as_bytes()).ok();
    let proof = signature(PROOF).ok_or(BadProof::None)?;
    let signed: u64 = text(TIMESTAMP)
        .and_then(|text| text.parse().ok())
        .ok_or(BadProof::None)?;
    let apart = ticks(now).abs_diff(signed);
    if u128::from(apart) * 100 > WINDOW.as_nanos() {
        return Err(BadProof::Time);
    }
    let message = message(token, url, signed);
    let by_old = signature(PROOF_OLD);
    let held = keys.current.verifies(&message, &proof)
        // The farm has a newer key than we know: what it calls old is what we call current.
        || by_old.is_some_and(|old| keys.current.verifies(&message, &old))
        // A server of the farm has not changed to the new key yet.
        || keys.old.verifies(&message, &proof);
    held.then_some(()).ok_or(BadProof::Signature)
}

#[cfg(test)]
mod tests {
    use lab_core::service::Secret;

    use super::*;

    const URL: &str = "https://teams.contoso.com/wopi/files/7?access_token=abc";

    #[test]
    fn the_signed_bytes_are_lengths_and_upper_case() {
        let message = message("To", "https://a/b", 1);
        let expected = [
            &[0, 0, 0, 2][..],
            b"To",
            &[0, 0, 0, 11],
            b"HTTPS://A/B",
            &[0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1],
        ]
        .concat();
        assert_eq!(message, expected);
    }

    #[test]
    fn a_time_is_in_ticks_since_the_year_one() {
        // 2014-02-18T00:00:00Z, as .NET counts.
        let time = UNIX_EPOCH + Duration::from_secs(1_392_681_600);
        assert_eq!(ticks(time), 635_282_784_000_000_000);
    }

    #[test]
    fn proofs_hold_for_20_minutes_and_over_a_change_of_keys() {
        let secret = Secret::new([2; 32]);
        let keys: Vec<ProofKey> = (0..3)
            .map(|number| ProofKey::derive(&secret, number).expect("a key"))
            .collect();
        let known = |current: usize, old: usize| PublicKeys {
            current: keys[current].public().clone(),
            old: keys[old].public().clone(),
        };
        let now = SystemTime::now();
        let mut headers = HeaderMap::new();
        prove(&mut headers, "abc", URL, now, (&keys[1], &keys[0])).expect("it is signed");
        let verify = |token: &str, url: &str, when, (current, old)| {
            super::verify(&headers, token, url, when, &known(current, old))
        };
        assert_eq!(verify("abc", URL, now, (1, 0)), Ok(()));
        // The host knows the keys from before the change, and from after the next one.
        assert_eq!(verify("abc", URL, now, (0, 0)), Ok(()));
        assert_eq!(verify("abc", URL, now, (2, 1)), Ok(()));
        let stranger = ProofKey::derive(&Secret::new([3; 32]), 0).expect("a key");
        let strange = PublicKeys {
            current: stranger.public().clone(),
            old: stranger.public().clone(),
        };
        let wrong = Err(BadProof::Signature);
        assert_eq!(super::verify(&headers, "abc", URL, now, &strange), wrong);
        assert_eq!(verify("abd", URL, now, (1, 0)), wrong);
        assert_eq!(verify("abc", "https://a/", now, (1, 0)), wrong);
        for late in [now + WINDOW * 2, now - WINDOW * 2] {
            assert_eq!(verify("abc", URL, late, (1, 0)), Err(BadProof::Time));
        }
        let nothing = HeaderMap::new();
        let none = super::verify(&nothing, "abc", URL, now, &known(1, 0));
        assert_eq!(none, Err(BadProof::None));
    }
}
