//! Networks for tests: a test runs again in a process of its own, in new user and network
//! namespaces. So it needs no root, touches nothing of the host and leaves nothing behind.
#![allow(unsafe_code)]

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};
use tokio::io::AsyncReadExt;

use super::connect::NodeSockets;
use super::netns::NetNs;
use super::network::Network;
use crate::model::Place;
use crate::plan::{LinkPlan, RoutePlan};
use crate::service::Connect;

/// Set in the process that runs the test proper.
const INSIDE: &str = "TIERLAB_TEST_NETWORK";

/// Runs a test in a network of its own. `module` is `module_path!()`, `test` the function's name.
pub(super) fn in_own_network<T: Future<Output = io::Result<()>>>(
    module: &str,
    test: &str,
    body: impl FnOnce() -> T,
) {
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let limit = std::time::Duration::from_secs(60);
        let outcome = tokio::task::LocalSet::new().block_on(&runtime, async {
            tokio::time::timeout(limit, body())
                .await
                .expect("an end within a minute")
        });
        return outcome.unwrap_or_else(|error| panic!("{error}"));
    }
    let (_, path) = module.split_once("::").expect("a module of this crate");
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .args([
            "--test-threads=1",
            "--exact",
            "--nocapture",
            &format!("{path}::{test}"),
        ])
        .env(INSIDE, "1");
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let maps = [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("0 {user} 1")),
        ("/proc/self/gid_map", format!("0 {group} 1")),
    ];
    let enter = move || {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
        for (file, text) in &maps {
            std::fs::File::options()
                .write(true)
                .open(file)?
                .write_all(text.as_bytes())?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec it makes system calls only, on strings made before.
    let output = unsafe { command.pre_exec(enter) }
        .output()
        .expect("user namespaces");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A new node, not connected.
pub(super) fn new_node() -> io::Result<Network> {
    let node = Network::open(NetNs::new()?)?;
    // As a plan has it: with duplicates looked for, a link-local address is of no use for two
    // seconds.
    let setting = |path: &str| (path.to_owned(), "0".to_owned());
    let settings = [
        "net/ipv6/conf/all/accept_dad",
        "net/ipv6/conf/default/accept_dad",
    ];
    super::sysctl::write(node.namespace(), &settings.map(setting).into())?;
    Ok(node)
}

/// A fabric with these bridges.
pub(super) async fn new_fabric(bridges: &[&str]) -> io::Result<Network> {
    let fabric = new_node()?;
    for bridge in bridges {
        fabric.add_bridge(bridge, 1500).await?;
    }
    Ok(fabric)
}

/// A link to a segment whose bridge has its name; the last part of the first address makes the
/// hardware address and the port's name.
pub(super) fn link(segment: &str, addresses: &[&str]) -> LinkPlan {
    let addresses: Vec<ipnet::IpNet> = addresses
        .iter()
        .map(|text| text.parse().expect("an address"))
        .collect();
    let last = match addresses[0].addr() {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(address) => address.octets()[15],
    };
    LinkPlan {
        segment: segment.into(),
        interface: segment.into(),
        port: format!("{segment}-{last}"),
        mac: format!("02:00:00:00:00:{last:02x}"),
        addresses,
        mtu: 1500,
        rate: None,
        delay: None,
        loss_ppm: None,
        up: true,
        neighbours: Vec::new(),
    }
}

/// A route.
pub(super) fn route(to: &str, via: &str, interface: &str) -> RoutePlan {
    RoutePlan {
        to: to.parse().expect("a prefix"),
        via: via.parse().expect("an address"),
        interface: interface.into(),
        place: Place::default(),
    }
}

/// Connects a new node with these links.
pub(super) async fn connected(
    fabric: &Network,
    links: &[LinkPlan],
    routes: &[RoutePlan],
) -> io::Result<Network> {
    let node = new_node()?;
    let links: Vec<_> = links
        .iter()
        .map(|link| (link.segment.clone(), link))
        .collect();
    fabric.connect_node(&node, &links, routes).await?;
    Ok(node)
}

/// From now on the node answers every connection to the port with `name` and the address that it
/// sees the client come from.
pub(super) fn answer(node: &Network, port: u16, name: &str) -> io::Result<()> {
    let to = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, port));
    let listener = node.namespace().within(|| super::socket::listen_tcp(to))?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let name = name.to_owned();
    tokio::task::spawn_local(async move {
        while let Ok((stream, client)) = listener.accept().await {
            let Ok(mut stream) = stream.into_std() else {
                continue;
            };
            // A short answer fits into the socket's buffer.
            let _ = write!(stream, "{name} {}", client.ip().to_canonical());
        }
    });
    Ok(())
}

/// What the node reads on a connection to `to` until its end.
pub(super) async fn ask(node: &Network, to: &str) -> io::Result<String> {
    let to: SocketAddr = to.parse().expect("address and port");
    let sockets = NodeSockets::new(node.namespace().try_clone()?);
    let mut stream = sockets.tcp(to).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

/// Whether a connection from the node comes to nothing within a quarter of a second, in which one
/// that works has come and gone a thousand times.
pub(super) async fn is_stopped(node: &Network, to: &str) -> bool {
    let limit = std::time::Duration::from_millis(250);
    tokio::time::timeout(limit, ask(node, to)).await.is_err()
}

/// A connection that both ends hold open.
pub(super) struct Conversation {
    pub client: tokio::net::TcpStream,
    pub server: tokio::net::TcpStream,
}

/// Opens a conversation from one node, to an address and port as it sees them, with another one
/// that listens on a port.
pub(super) async fn converse(
    from: &Network,
    to: &str,
    with: &Network,
    port: u16,
) -> io::Result<Conversation> {
    let to: SocketAddr = to.parse().expect("address and port");
    let any = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, port));
    let listener = with.namespace().within(|| super::socket::listen_tcp(any))?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let sockets = NodeSockets::new(from.namespace().try_clone()?);
    let (client, server) = tokio::try_join!(sockets.tcp(to), listener.accept())?;
    Ok(Conversation {
        client,
        server: server.0,
    })
}
