//! What the engine's network layer takes for a star: the same as `floor`, made as the keeper makes
//! it, without node processes. `scripts/bench` sets it against the floor.
//!
//! ```sh
//! cargo run --release -p lab-core --example network -- 50
//! ```
//! Prints the microseconds. All is made in a user and network namespace of its own.

use std::error::Error;
use std::time::Instant;

use futures::future::try_join_all;
use lab_core::kernel::netns::NetNs;
use lab_core::kernel::network::Network;
use lab_core::model::Place;
use lab_core::plan::{LinkPlan, RoutePlan};
use nix::sched::{CloneFlags, unshare};

fn main() -> Result<(), Box<dyn Error>> {
    let nodes: u32 = std::env::args()
        .nth(1)
        .ok_or("usage: network NODES")?
        .parse()?;
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    unshare(CloneFlags::CLONE_NEWUSER)?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("0 {group} 1"))?;
    unshare(CloneFlags::CLONE_NEWNET)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let took = runtime.block_on(build(nodes))?;
    println!("{took}");
    Ok(())
}

async fn build(nodes: u32) -> Result<u128, Box<dyn Error>> {
    let routes = [RoutePlan {
        to: "0.0.0.0/0".parse()?,
        via: "10.0.0.1".parse()?,
        interface: "lan".into(),
        place: Place::default(),
    }];
    let links = (0..nodes).map(link).collect::<Result<Vec<_>, _>>()?;
    let started = Instant::now();
    let fabric = Network::open(NetNs::current()?)?;
    fabric.add_bridge("lan", 1500).await?;
    let (fabric, routes) = (&fabric, &routes);
    let made = links.iter().map(|link| async move {
        let node = Network::open(NetNs::new()?)?;
        let wires = [("lan".to_owned(), link)];
        fabric.connect_node(&node, &wires, routes).await?;
        Ok::<_, std::io::Error>(node)
    });
    let made = try_join_all(made).await?;
    let took = started.elapsed().as_micros();
    drop(made);
    Ok(took)
}

fn link(node: u32) -> Result<LinkPlan, Box<dyn Error>> {
    let [_, _, high, low] = node.to_be_bytes();
    let host = std::net::Ipv4Addr::from_bits((10 << 24) + 2 + node);
    Ok(LinkPlan {
        segment: "lan".into(),
        interface: "lan".into(),
        port: format!("port{node}"),
        mac: format!("02:00:00:00:{high:02x}:{low:02x}"),
        addresses: vec![format!("{host}/20").parse()?],
        mtu: 1500,
        rate: None,
        delay: None,
        loss_ppm: None,
        up: true,
        neighbours: Vec::new(),
    })
}
