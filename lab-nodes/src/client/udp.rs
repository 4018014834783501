//! A datagram, and what answers it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use lab_core::scenario::Fails;
use lab_core::scenario::client::{Answer, UdpAsk};
use tokio::net::UdpSocket;

use super::connect::{Trouble, addresses};

/// The longest datagram there is, in bytes.
const LONGEST: usize = 1 << 16;

/// Sends it to the first address of the name, and waits for an answer.
pub(super) async fn ask(ask: &UdpAsk) -> Answer {
    asked(ask).await.unwrap_or_else(Answer::from)
}

async fn asked(ask: &UdpAsk) -> Result<Answer, Trouble> {
    let nowhere = || Trouble::new(Fails::Name, format!("{} has no address", ask.to));
    let to = *addresses(&ask.to).await?.first().ok_or_else(nowhere)?;
    let any = match to {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    let trouble = |error| Trouble::of(&error, &format!("no answer from {to}"));
    let socket = UdpSocket::bind((any, 0)).await.map_err(trouble)?;
    // Connected, it hears of ICMP errors and of nobody else.
    socket.connect(to).await.map_err(trouble)?;
    let body = ask.body.as_deref().unwrap_or_default();
    socket.send(body.as_bytes()).await.map_err(trouble)?;
    let mut answer = vec![0; LONGEST];
    let length = socket.recv(&mut answer).await.map_err(trouble)?;
    Ok(Answer {
        text: String::from_utf8_lossy(&answer[..length]).into_owned(),
        ..Answer::default()
    })
}
