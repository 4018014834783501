//! Logging in to a server of HTTP.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::BASE64;
use hyper::Request;
use hyper::header::WWW_AUTHENTICATE;
use lab_core::scenario::Fails;
use lab_core::scenario::client::{Answer, DnsAsk, HttpLogin};
use ring::rand::{SecureRandom, SystemRandom};

use super::connect::{self, Trouble};
use super::dns;
use super::line::Line;
use super::url::Url;
use crate::http::body::Body;
use crate::kerberos::center::Center;
use crate::kerberos::initiator::{self, Held, InitiatorError};
use crate::ntlm::initiator::{Purpose, Random};
use crate::ntlm::{Binding, Flags, Initiator};
use crate::spnego::{Mechanism, NegTokenInit, Token};

/// 100 ns from 1601 to 1970.
const UNIX_IN_WINDOWS: u64 = 116_444_736_000_000_000;

/// How long a key distribution center may take for an answer.
const CENTER: Duration = Duration::from_secs(5);

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
    let client = ntlm_initiator(who);
    let first = client.negotiate(Flags::default());
    let field = format!("NTLM {}", BASE64.encode(&first));
    let answer = line.send(make(Some(&field), false)?).await?;
    if answer.status != Some(401) {
        // It asks nobody who they are.
        return line.send(make(None, true)?).await;
    }
    let Some(second) = token_of(&answer, "NTLM")? else {
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
    let answer = line.send(make(None, false)?).await?;
    if answer.status != Some(401) {
        // It asks nobody who they are.
        return line.send(make(None, true)?).await;
    }
    let offered = answer
        .header(WWW_AUTHENTICATE.as_str())
        .any(|field| field.trim().eq_ignore_ascii_case("negotiate"));
    if !offered {
        // It does not do Negotiate, and says so itself.
        return Ok(answer);
    }
    let ticket = ticket(who, &format!("HTTP/{}", url.host)).await?;
    let (begun, token) = initiator::Initiator::start(&ticket, line.channel.as_ref());
    let token = NegTokenInit::new(&[Mechanism::Kerberos], Some(token)).write();
    let field = format!("Negotiate {}", BASE64.encode(&token));
    let answer = line.send(make(Some(&field), true)?).await?;
    if answer.status == Some(401) {
        return Ok(answer);
    }
    // Who took the ticket must prove that it is the service it is for.
    let proof = token_of(&answer, "Negotiate")?;
    let proof = proof.and_then(|token| match Token::read(&token) {
        Ok(Token::Response(response)) => response.token,
        _ => None,
    });
    let proof = proof.ok_or_else(|| {
        Trouble::protocol(format!("{} took the ticket and proves nothing", url.host))
    })?;
    begun.finish(&proof).map_err(|error| {
        Trouble::protocol(format!(
            "{} is not whom the ticket is for: {error}",
            url.host
        ))
    })?;
    Ok(answer)
}

/// A ticket for a service, from the first key distribution center of the realm that answers.
async fn ticket(who: &HttpLogin, service: &str) -> Result<Held, Trouble> {
    let realm = &who.realm;
    let name = format!("_kerberos._tcp.{}", realm.to_ascii_lowercase());
    let question = DnsAsk {
        name: name.clone(),
        kind: "SRV".into(),
        ..DnsAsk::default()
    };
    let mut last = Trouble::new(
        Fails::Name,
        format!("no server of the realm {realm} is known: there is no record {name}"),
    );
    for record in dns::ask(&question).await.answers {
        // Priority, weight, port, host (RFC 2782).
        let words: Vec<&str> = record.split_whitespace().collect();
        let [_, _, port, host] = words[..] else {
            continue;
        };
        let place = format!("{}:{port}", host.trim_end_matches('.'));
        let stream = match connect::to(&place).await {
            Ok(stream) => stream,
            Err(trouble) => {
                last = trouble;
                continue;
            }
        };
        let mut center = Center::new(stream, CENTER);
        let got = async {
            let (account, password) = (&who.account, &who.password);
            let granting = initiator::login(&mut center, account, password, realm).await?;
            initiator::ticket(&mut center, &granting, service).await
        };
        match got.await {
            Ok(ticket) => return Ok(ticket),
            Err(error @ InitiatorError::Unreachable(_)) => {
                last = Trouble::protocol(format!("{place}: {error}"));
            }
            Err(error) => {
                let sentence = format!("no ticket for {service} from {place}: {error}");
                return Err(Trouble::protocol(sentence));
            }
        }
    }
    Err(last)
}

fn ntlm_initiator(who: &HttpLogin) -> Initiator {
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
fn token_of(answer: &Answer, scheme: &str) -> Result<Option<Vec<u8>>, Trouble> {
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
