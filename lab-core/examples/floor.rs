//! The least that a lab of this shape costs on this machine: a network namespace a node, with its
//! loopback, one veth end, an address and a default route, the other end on a bridge. Netlink
//! calls in one thread, each batch one datagram, no processes. `scripts/bench` measures against it.
//!
//! ```sh
//! cargo run --release -p lab-core --example floor -- 50        # a star of 50 nodes
//! cargo run --release -p lab-core --example floor -- 1000 20   # spread over 20 segments
//! ```
//! Prints the microseconds it took. All is made in a user and network namespace of its own, and
//! gone when the program ends.

use std::error::Error;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Instant;

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};
use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkMessage};
use rtnetlink::{LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Index of the loopback interface in every namespace.
const LOOPBACK: u32 = 1;
/// Index of a node's one interface.
const LEG: u32 = 1000;
/// Bridges and their ports are numbered from here.
const BRIDGES: u32 = 2000;
const PORTS: u32 = 1_000_000;

fn main() -> Outcome<()> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u32>());
    let nodes = numbers.next().ok_or("usage: floor NODES [SEGMENTS]")??;
    let segments = numbers.next().unwrap_or(Ok(1))?.max(1);
    own_network()?;
    let started = Instant::now();
    let made = build(nodes, segments)?;
    println!("{}", started.elapsed().as_micros());
    drop(made);
    Ok(())
}

/// A user namespace in which the caller is root, and a network namespace in that.
fn own_network() -> Outcome<()> {
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    unshare(CloneFlags::CLONE_NEWUSER)?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("0 {group} 1"))?;
    unshare(CloneFlags::CLONE_NEWNET)?;
    Ok(())
}

/// The namespaces made, held open.
fn build(nodes: u32, segments: u32) -> Outcome<Vec<File>> {
    let fabric = netlink()?;
    let home = File::open("/proc/self/ns/net")?;
    for segment in 0..segments {
        let bridge = LinkMessageBuilder::<LinkUnspec>::new_with_info_kind(InfoKind::Bridge)
            .index(BRIDGES + segment)
            .name(format!("segment{segment}"))
            .up();
        ask(&fabric, vec![new_link(bridge.build())])?;
    }
    let mut made = Vec::new();
    for node in 0..nodes {
        unshare(CloneFlags::CLONE_NEWNET)?;
        let namespace = File::open("/proc/self/ns/net")?;
        let inside = netlink()?;
        setns(&home, CloneFlags::CLONE_NEWNET)?;
        ask(&fabric, vec![pair(node, node % segments, &namespace)])?;
        ask(&inside, settle(node / segments, node % segments))?;
        made.push(namespace);
    }
    Ok(made)
}

/// A veth pair: one end on the bridge, the other in the namespace.
fn pair(node: u32, segment: u32, namespace: &File) -> NetlinkMessage<RouteNetlinkMessage> {
    let single = || [LinkAttribute::NumTxQueues(1), LinkAttribute::NumRxQueues(1)];
    let [transmit, receive] = single();
    let peer = LinkMessageBuilder::<LinkUnspec>::new()
        .index(LEG)
        .name("eth0".into())
        .setns_by_fd(namespace.as_raw_fd())
        .append_extra_attribute(transmit)
        .append_extra_attribute(receive)
        .build();
    let [transmit, receive] = single();
    let pair = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
        .index(PORTS + node)
        .name(format!("port{node}"))
        .controller(BRIDGES + segment)
        .append_extra_attribute(transmit)
        .append_extra_attribute(receive)
        .up();
    new_link(pair.build())
}

/// What is done inside: loopback and the leg up, an address, a default route.
fn settle(host: u32, segment: u32) -> Vec<NetlinkMessage<RouteNetlinkMessage>> {
    let network = (10 << 24) | (segment << 12);
    let mut address = AddressMessage::default();
    address.header.index = LEG;
    address.header.prefix_len = 20;
    address.header.family = rtnetlink::packet_route::AddressFamily::Inet;
    let own = IpAddr::V4(Ipv4Addr::from_bits(network + 2 + host));
    address.attributes.push(AddressAttribute::Local(own));
    address.attributes.push(AddressAttribute::Address(own));
    let route = RouteMessageBuilder::<Ipv4Addr>::new()
        .output_interface(LEG)
        .gateway(Ipv4Addr::from_bits(network + 1))
        .build();
    let up = |index| {
        LinkMessageBuilder::<LinkUnspec>::new()
            .index(index)
            .up()
            .build()
    };
    vec![
        request(RouteNetlinkMessage::SetLink(up(LOOPBACK)), 0),
        request(RouteNetlinkMessage::SetLink(up(LEG)), 0),
        request(RouteNetlinkMessage::NewAddress(address), NLM_F_CREATE),
        request(RouteNetlinkMessage::NewRoute(route), NLM_F_CREATE),
    ]
}

fn new_link(message: LinkMessage) -> NetlinkMessage<RouteNetlinkMessage> {
    request(
        RouteNetlinkMessage::NewLink(message),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

fn request(message: RouteNetlinkMessage, flags: u16) -> NetlinkMessage<RouteNetlinkMessage> {
    let mut message = NetlinkMessage::from(message);
    message.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    message.finalize();
    message
}

fn netlink() -> Outcome<OwnedFd> {
    Ok(socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?)
}

/// Sends all messages in one datagram and reads an answer to each.
fn ask(socket: &OwnedFd, messages: Vec<NetlinkMessage<RouteNetlinkMessage>>) -> Outcome<()> {
    let mut datagram = Vec::new();
    for message in &messages {
        let start = datagram.len();
        datagram.resize(start + message.buffer_len().next_multiple_of(4), 0);
        message.serialize(&mut datagram[start..]);
    }
    send(socket.as_raw_fd(), &datagram, MsgFlags::empty())?;
    let mut answers = 0;
    let mut buffer = vec![0; 16 * 1024];
    while answers < messages.len() {
        let length = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)?;
            if let NetlinkPayload::Error(error) = &answer.payload
                && error.code.is_some()
            {
                return Err(format!("the kernel refused: {}", error.to_io()).into());
            }
            answers += 1;
            let step = (answer.header.length as usize).next_multiple_of(4);
            rest = rest.get(step..).unwrap_or_default();
        }
    }
    Ok(())
}
