use std::io;
use std::net::UdpSocket;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::super::network::Network;
use super::super::testing::{connected, in_own_network, link, new_fabric};
use super::{Instruction, Packet, PacketSocket, Ring, RingSize};

/// Accepts the first `bytes` of every packet.
fn all(bytes: u32) -> Instruction {
    instruction(0x06, 0, 0, bytes)
}

fn instruction(code: u16, yes: u8, no: u8, value: u32) -> Instruction {
    Instruction {
        code,
        yes,
        no,
        value,
    }
}

/// Datagrams to port 4711 over IPv4 without options, 1000 bytes of each at most.
fn to_4711() -> Vec<Instruction> {
    vec![
        instruction(0x28, 0, 0, 12),
        instruction(0x15, 0, 5, 0x0800),
        instruction(0x30, 0, 0, 23),
        instruction(0x15, 0, 3, 17),
        instruction(0x28, 0, 0, 36),
        instruction(0x15, 0, 1, 4711),
        all(1000),
        all(0),
    ]
}

fn listen(filter: &[Instruction], bytes: usize) -> io::Result<Ring> {
    let socket = PacketSocket::open()?;
    socket.set_filter(filter)?;
    let patience = Duration::from_millis(5);
    socket.listen(None, RingSize { bytes, patience })
}

/// Sends datagrams of so many bytes from the first node to each of these ports of the second.
fn send(from: &Network, ports: &[u16], bytes: usize) -> io::Result<()> {
    let socket = from
        .namespace()
        .within(|| UdpSocket::bind(("10.0.0.1", 0)))?;
    for port in ports {
        socket.send_to(&vec![7; bytes], ("10.0.0.2", *port))?;
    }
    Ok(())
}

fn wait(ring: &Ring) {
    let mut sources = [PollFd::new(
        std::os::fd::AsFd::as_fd(ring),
        PollFlags::POLLIN,
    )];
    let ready = poll(&mut sources, PollTimeout::from(5000u16)).expect("poll");
    assert_eq!(ready, 1, "no packet within 5 s");
}

fn collect(ring: &mut Ring, count: usize) -> Vec<(u32, bool, u32, usize)> {
    let mut found = Vec::new();
    while found.len() < count {
        if let Some(block) = ring.next_block() {
            found.extend(block.packets().map(|packet: Packet<'_>| {
                assert!(packet.time > 1_500_000_000_000_000_000, "{packet:?}");
                let Packet {
                    interface,
                    outgoing,
                    length,
                    bytes,
                    ..
                } = packet;
                (interface, outgoing, length, bytes.len())
            }));
            continue;
        }
        wait(ring);
    }
    found
}

async fn two_nodes() -> io::Result<(Network, Network, Network)> {
    let fabric = new_fabric(&["s"]).await?;
    let first = connected(&fabric, &[link("s", &["10.0.0.1/24"])], &[]).await?;
    let second = connected(&fabric, &[link("s", &["10.0.0.2/24"])], &[]).await?;
    Ok((fabric, first, second))
}

#[test]
fn a_frame_is_heard_in_on_one_port_and_out_on_another() {
    in_own_network(
        module_path!(),
        "a_frame_is_heard_in_on_one_port_and_out_on_another",
        || async {
            let (fabric, first, _second) = two_nodes().await?;
            let mut ring = fabric.namespace().within(|| listen(&to_4711(), 1 << 20))?;
            send(&first, &[80, 4711, 81, 4711], 1200)?;
            let mut found = collect(&mut ring, 4);
            found.sort_unstable();
            let (from, to) = (found[0].0, found[3].0);
            assert_ne!(from, to);
            let whole = 1200 + 14 + 20 + 8;
            let wanted = [
                (from, false, whole, 1000),
                (from, false, whole, 1000),
                (to, true, whole, 1000),
                (to, true, whole, 1000),
            ];
            assert_eq!(found, wanted);
            let statistics = ring.statistics()?;
            assert_eq!((statistics.packets, statistics.drops), (4, 0));
            Ok(())
        },
    );
}

#[test]
fn without_what_goes_out_a_frame_is_heard_once() {
    in_own_network(
        module_path!(),
        "without_what_goes_out_a_frame_is_heard_once",
        || async {
            let (fabric, first, _second) = two_nodes().await?;
            let mut ring = fabric.namespace().within(|| {
                let socket = PacketSocket::open()?;
                socket.set_filter(&to_4711())?;
                socket.ignore_outgoing()?;
                socket.listen(None, RingSize::default())
            })?;
            send(&first, &[4711, 4711, 4711], 10)?;
            let found = collect(&mut ring, 3);
            assert!(found.iter().all(|packet| !packet.1), "{found:?}");
            assert_eq!(ring.statistics()?.packets, 3);
            Ok(())
        },
    );
}

#[test]
fn a_full_ring_loses_packets_and_counts_them() {
    in_own_network(
        module_path!(),
        "a_full_ring_loses_packets_and_counts_them",
        || async {
            let (fabric, first, _second) = two_nodes().await?;
            let mut ring = fabric
                .namespace()
                .within(|| listen(&to_4711(), 256 * 1024))?;
            // Twice 1000 bytes each, in a ring of 256 kB.
            send(&first, &[4711; 500], 1200)?;
            let statistics = ring.statistics()?;
            assert_eq!(statistics.packets, 1000);
            assert!(statistics.drops > 700, "{statistics:?}");
            let kept = statistics.packets - statistics.drops;
            assert_eq!(collect(&mut ring, kept as usize).len() as u64, kept);
            // It goes on when there is room again.
            send(&first, &[4711], 10)?;
            assert_eq!(collect(&mut ring, 2).len(), 2);
            assert_eq!(ring.statistics()?.drops, statistics.drops);
            Ok(())
        },
    );
}

#[test]
fn a_new_filter_replaces_the_old_one_and_a_wrong_one_is_refused() {
    in_own_network(
        module_path!(),
        "a_new_filter_replaces_the_old_one_and_a_wrong_one_is_refused",
        || async {
            let (fabric, first, _second) = two_nodes().await?;
            let mut ring = fabric.namespace().within(|| listen(&[all(0)], 1 << 20))?;
            send(&first, &[4711], 10)?;
            ring.set_filter(&to_4711())?;
            send(&first, &[4711], 100)?;
            let lengths: Vec<u32> = collect(&mut ring, 2).iter().map(|found| found.2).collect();
            assert_eq!(lengths, [142, 142]);
            // A leap beyond the end.
            let error = ring.set_filter(&[instruction(0x15, 9, 9, 0), all(1)]);
            let error = error.expect_err("a wrong program");
            assert!(error.to_string().contains("2 instructions"), "{error}");
            Ok(())
        },
    );
}
