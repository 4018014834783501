//! Names as the node itself resolves them: by the name servers of its resolv.conf.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::time::timeout;

use super::forward::{ask_one, question};
use super::settings::PORT;
use lab_core::observe::Tuple;

/// Where they stand.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// How long one of them may take.
const ANSWER: Duration = Duration::from_secs(2);

/// An address of a host, asked without the thread that the resolver of the C library would need.
///
/// # Errors
/// The node has no name server, none answers, or the host has no address.
pub(crate) async fn address(host: &str) -> io::Result<IpAddr> {
    let name = Name::from_str(&format!("{}.", host.trim_end_matches('.')))
        .map_err(|_| io::Error::other(format!("`{host}` is no name")))?;
    let conf = std::fs::read_to_string(RESOLV_CONF)
        .map_err(|error| io::Error::new(error.kind(), format!("{RESOLV_CONF}: {error}")))?;
    let mut last = io::Error::other("the node has no name server");
    for server in servers(&conf) {
        let to = SocketAddr::new(server, PORT);
        for kind in [RecordType::A, RecordType::AAAA] {
            let query = question(&name, kind);
            let mut tuple = Tuple::tcp_to(to);
            match timeout(ANSWER, ask_one(to, &query, &mut tuple)).await {
                Ok(Ok(answer)) => match first_address(&answer) {
                    Some(address) => return Ok(address),
                    None => last = io::Error::other(format!("{host} has no address")),
                },
                Ok(Err(error)) => last = error,
                Err(_) => {
                    last = io::Error::other(format!("{server} does not answer"));
                    break;
                }
            }
        }
    }
    Err(last)
}

fn servers(conf: &str) -> impl Iterator<Item = IpAddr> {
    conf.lines()
        .filter_map(|line| line.strip_prefix("nameserver")?.trim().parse().ok())
}

fn first_address(answer: &Message) -> Option<IpAddr> {
    answer.answers.iter().find_map(|record| match &record.data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    })
}
