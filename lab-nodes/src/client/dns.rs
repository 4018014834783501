//! Questions to a name server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::{Name, RecordType};
use lab_core::scenario::Fails;
use lab_core::scenario::client::{Answer, DnsAsk};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::connect::{self, Trouble};
use crate::dns::forward::{over_tcp, over_udp, question};

/// Port of name servers.
const PORT: u16 = 53;
/// How long one question by UDP waits before it is sent again.
const AGAIN: Duration = Duration::from_secs(2);
/// How often it is sent.
const TRIES: usize = 3;

/// Asks.
pub async fn ask(ask: &DnsAsk) -> Answer {
    match answered(ask).await {
        Ok(message) => read(&message),
        Err(trouble) => trouble.into(),
    }
}

async fn answered(ask: &DnsAsk) -> Result<Message, Trouble> {
    let name = name_of(&ask.name, &ask.kind)
        .ok_or_else(|| Trouble::new(Fails::Name, format!("`{}` is no name", ask.name)))?;
    let kind = RecordType::from_str(&ask.kind)
        .map_err(|_| Trouble::protocol(format!("`{}` is no record type", ask.kind)))?;
    let server = server(ask.server.as_deref()).await?;
    let query = question(&name, kind);
    let what = format!("no answer from {server}");
    if !ask.tcp {
        let any: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let open = async {
            let socket = UdpSocket::bind((any, 0)).await?;
            socket.connect(server).await?;
            Ok(socket)
        };
        let socket = open.await.map_err(|error| Trouble::of(&error, &what))?;
        let mut answer = None;
        for _ in 0..TRIES {
            if let Ok(asked) = timeout(AGAIN, over_udp(&socket, &query)).await {
                answer = Some(asked.map_err(|error| Trouble::of(&error, &what))?);
                break;
            }
        }
        let answer = answer.ok_or_else(|| Trouble::new(Fails::Timeout, what.clone()))?;
        if !answer.metadata.truncation {
            return Ok(answer);
        }
    }
    let by_tcp = async { over_tcp(TcpStream::connect(server).await?, &query).await };
    by_tcp.await.map_err(|error| Trouble::of(&error, &what))
}

/// The name asked for: an address asked for its name stands in the reverse zone (RFC 1035 §3.5).
fn name_of(text: &str, kind: &str) -> Option<Name> {
    if kind == "PTR"
        && let Ok(address) = text.parse::<IpAddr>()
    {
        return Some(Name::from(address));
    }
    let absolute = format!("{}.", text.trim_end_matches('.'));
    Name::from_str(&absolute).ok()
}

async fn server(given: Option<&str>) -> Result<SocketAddr, Trouble> {
    let text = match given {
        Some(text) => text.to_owned(),
        None => own_server()?,
    };
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, PORT));
    }
    let addresses = connect::addresses(&format!("{text}:{PORT}")).await?;
    addresses
        .first()
        .copied()
        .ok_or_else(|| Trouble::new(Fails::Name, format!("{text} has no address")))
}

fn own_server() -> Result<String, Trouble> {
    let path = "/etc/resolv.conf";
    let text = std::fs::read_to_string(path)
        .map_err(|error| Trouble::new(Fails::Name, format!("can't read {path}: {error}")))?;
    text.lines()
        .filter_map(|line| line.strip_prefix("nameserver"))
        .map(|rest| rest.trim().to_owned())
        .next()
        .ok_or_else(|| Trouble::new(Fails::Name, "the node has no name server"))
}

fn read(message: &Message) -> Answer {
    let code = code(message);
    let asked = message.queries.first().map(|query| query.query_type());
    let answers: Vec<String> = message
        .answers
        .iter()
        // A CNAME on the way to what was asked for is no answer to it, as in `dig +short | tail`.
        .filter(|record| {
            asked.is_none_or(|asked| asked == RecordType::ANY || record.record_type() == asked)
        })
        .map(|record| record.data.to_string())
        .collect();
    Answer {
        text: answers.join("\n"),
        code: Some(code),
        answers,
        ..Answer::default()
    }
}

/// The code's name (RFC 1035 §4.1.1, RFC 6895 §2.3).
fn code(message: &Message) -> String {
    match u16::from(message.metadata.response_code) {
        0 => "NOERROR".into(),
        1 => "FORMERR".into(),
        2 => "SERVFAIL".into(),
        3 => "NXDOMAIN".into(),
        4 => "NOTIMP".into(),
        5 => "REFUSED".into(),
        other => format!("RCODE{other}"),
    }
}
