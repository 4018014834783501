//! Logging in to a server of HTTP.

use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64;
use hyper::Request;
use hyper::header::WWW_AUTHENTICATE;
use lab_core::scenario::client::{Answer, HttpLogin};
use ring::rand::{SecureRandom, SystemRandom};

use super::connect::Trouble;
use super::line::Line;
use super::url::Url;
use crate::http::body::Body;
use crate::ntlm::initiator::{Purpose, Random};
use crate::ntlm::{Binding, Flags, Initiator};

/// 100 ns from 1601 to 1970.
const UNIX_IN_WINDOWS: u64 = 116_444_736_000_000_000;

/// Name and password in the request (RFC 7617).
pub fn basic(who: &HttpLogin) -> String {
    let credentials = format!("{}:{}", who.account, who.password);
    format!("Basic {}", BASE64.encode(credentials.as_bytes()))
}

/// NTLM: three messages over one connection ([MS-NTHT] §3.1.5). `make` makes the request with an
/// `Authorization` field, whole or without its content.
pub async fn ntlm(
    line: &mut Line,
    who: &HttpLogin,
    url: &Url,
    make: impl Fn(Option<&str>, bool) -> Result<Request<Body>, Trouble>,
) -> Result<Answer, Trouble> {
    let client = initiator(who);
    let first = client.negotiate(Flags::default());
    let field = format!("NTLM {}", BASE64.encode(&first));
    let answer = line.send(make(Some(&field), false)?).await?;
    if answer.status != Some(401) {
        // It asks nobody who they are.
        return line.send(make(None, true)?).await;
    }
    let Some(second) = token(&answer, "NTLM")? else {
        // It does not do NTLM, and says so itself.
        return Ok(answer);
    };
    let mut random = Random {
        challenge: [0; 8],
        session_key: [0; 16],
    };
    let numbers = SystemRandom::new();
    let filled = numbers.fill(&mut random.challenge);
    filled
        .and_then(|()| numbers.fill(&mut random.session_key))
        .map_err(|_| Trouble::protocol("there are no random numbers"))?;
    let purpose = Purpose {
        binding: line.channel.as_ref().map(Binding::from),
        service: Some(format!("HTTP/{}", url.host)),
    };
    let third = client.authenticate(&first, &second, &purpose, random, windows_time());
    let (third, _) =
        third.map_err(|error| Trouble::protocol(format!("the server's challenge: {error}")))?;
    let field = format!("NTLM {}", BASE64.encode(&third));
    line.send(make(Some(&field), true)?).await
}

/// Kerberos by Negotiate (RFC 4559): a ticket for the server from the realm's key distribution
/// center, shown when the server asks.
pub async fn negotiate(
    line: &mut Line,
    who: &HttpLogin,
    url: &Url,
    make: impl Fn(Option<&str>, bool) -> Result<Request<Body>, Trouble>,
) -> Result<Answer, Trouble> {
    let _ = (line, who, url, make(None, false));
    Err(Trouble::protocol("Negotiate is not there yet"))
}

fn initiator(who: &HttpLogin) -> Initiator {
    let (domain, user) = match who.account.split_once('\\') {
        Some((domain, user)) => (domain, user),
        None if who.account.contains('@') => ("", who.account.as_str()),
        None => (who.domain.as_str(), who.account.as_str()),
    };
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Initiator {
        user: user.to_owned(),
        domain: domain.to_owned(),
        password: who.password.clone(),
        workstation: name.trim().to_ascii_uppercase(),
    }
}

/// The token of a scheme in an answer's challenges.
fn token(answer: &Answer, scheme: &str) -> Result<Option<Vec<u8>>, Trouble> {
    let mut fields = answer.header(WWW_AUTHENTICATE.as_str());
    let found = fields.find_map(|field| {
        let (name, token) = field.split_once(' ')?;
        name.eq_ignore_ascii_case(scheme).then_some(token.trim())
    });
    let Some(found) = found else {
        return Ok(None);
    };
    let token = BASE64.decode(found.as_bytes());
    let token = token.map_err(|_| Trouble::protocol("the server's challenge is no base64"))?;
    Ok(Some(token))
}

/// Now, in 100 ns since 1601.
fn windows_time() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let hundreds = u64::try_from(since.as_nanos() / 100).unwrap_or(u64::MAX);
    hundreds.saturating_add(UNIX_IN_WINDOWS)
}
