//! Asking another server: over UDP, over TCP where the answer does not fit.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, MessageType, Query};
use hickory_proto::rr::{Name, RecordType};
use lab_core::observe::{Deed, Tuple};
use lab_core::service::Conversation;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::settings::PORT;
use super::view::LARGEST_UDP;
use super::view::{bare, mnemonic};

/// How long one server may take.
const ANSWER: Duration = Duration::from_secs(1);
/// How often all servers are asked.
const ROUNDS: usize = 2;

/// Asks servers in turn; none answered is `None`.
pub(super) async fn ask(
    servers: &[IpAddr],
    name: &Name,
    kind: RecordType,
    conversation: &Conversation,
) -> Option<Message> {
    let query = question(name, kind);
    for server in servers.iter().cycle().take(servers.len() * ROUNDS) {
        let to = SocketAddr::new(*server, PORT);
        let since = Instant::now();
        let mut tuple = Tuple::tcp_to(to);
        let asked = timeout(ANSWER, ask_one(to, &query, &mut tuple)).await;
        let answer = match asked {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", ANSWER.as_secs())),
        };
        conversation.tell(|| Deed::Onward {
            tuple,
            to: to.ip().to_string(),
            asked: format!("{} {kind}", bare(name)),
            answer: match &answer {
                Ok(answer) => mnemonic(answer),
                Err(trouble) => trouble.clone(),
            },
            micros: u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX),
            kept: false,
        });
        match answer {
            Ok(answer) => return Some(answer),
            Err(trouble) => tracing::debug!("{to} does not answer for {name}: {trouble}"),
        }
    }
    tracing::warn!("nobody answers for {name}");
    None
}

/// A recursive query with a random id.
pub(crate) fn question(name: &Name, kind: RecordType) -> Message {
    let mut query = Message::query();
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(name.clone(), kind));
    let mut edns = Edns::new();
    edns.set_max_payload(LARGEST_UDP);
    query.edns = Some(edns);
    query
}

/// `tuple` becomes the conversation that the question travels in.
pub(super) async fn ask_one(
    to: SocketAddr,
    query: &Message,
    tuple: &mut Tuple,
) -> io::Result<Message> {
    let any: IpAddr = if to.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    // A socket for each question: its port is one more thing that a forger must guess.
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(to).await?;
    *tuple = Tuple::udp(socket.local_addr()?, to);
    let answer = over_udp(&socket, query).await?;
    if !answer.metadata.truncation {
        return Ok(answer);
    }
    over_tcp(TcpStream::connect(to).await?, query).await
}

/// Asks by a connected socket and waits for the answer to this very question.
pub(crate) async fn over_udp(socket: &UdpSocket, query: &Message) -> io::Result<Message> {
    socket.send(&encode(query)?).await?;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if let Some(answer) = read(&buffer[..length], query) {
            return Ok(answer);
        }
    }
}

/// Asks by a connection (RFC 7766).
pub(crate) async fn over_tcp(mut stream: TcpStream, query: &Message) -> io::Result<Message> {
    let bytes = encode(query)?;
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream
        .write_all(&[&length.to_be_bytes()[..], &bytes].concat())
        .await?;
    let length = stream.read_u16().await?;
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await?;
    read(&bytes, query).ok_or_else(|| io::Error::other("the answer is to another question"))
}

fn encode(message: &Message) -> io::Result<Vec<u8>> {
    message.to_vec().map_err(io::Error::other)
}

/// The answer, if it is one to this question.
fn read(bytes: &[u8], query: &Message) -> Option<Message> {
    let answer = Message::from_vec(bytes).ok()?;
    let fits = answer.metadata.message_type == MessageType::Response
        && answer.metadata.id == query.metadata.id
        && answer.queries == query.queries;
    fits.then_some(answer)
}
