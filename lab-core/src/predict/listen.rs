//! Who takes a packet at the node it is for.

use super::kind::Kind;
use super::way::{End, Packet};
use crate::check::ProgramHealth;
use crate::plan::{NodePlan, ProcessKind, Transport};

/// Who takes a packet at the node it is for.
pub(super) fn listener(node: &NodePlan, packet: Packet) -> End {
    let (transport, port) = match packet.kind {
        Kind::Tcp(port) => (Transport::Tcp, port),
        Kind::Udp(port) => (Transport::Udp, port),
        Kind::Icmp => return End::Listens { process: None },
        Kind::Protocol(_) => return End::Closed,
    };
    let running = || node.processes.iter().filter(|process| process.running);
    let service = running().find(|process| {
        process.listens.iter().any(|listen| {
            listen.protocol == transport
                && listen.port == port
                && listen
                    .address
                    .is_none_or(|address| address.is_unspecified() || address == packet.destination)
        })
    });
    if let Some(service) = service {
        return End::Listens {
            process: Some(service.name.clone()),
        };
    }
    // Of a program the plan knows no more than the port of its health check.
    let mut programs = running().filter_map(|process| match &process.kind {
        ProcessKind::Program { health, .. } => Some((process, health)),
        ProcessKind::Service { .. } => None,
    });
    let checked = programs.clone().find(|(_, health)| {
        let asked = match health {
            Some(ProgramHealth::Tcp(port) | ProgramHealth::Http { port, .. }) => Some(*port),
            None => None,
        };
        transport == Transport::Tcp && asked == Some(port)
    });
    match checked {
        Some((program, _)) => End::Listens {
            process: Some(program.name.clone()),
        },
        None if programs.next().is_some() => End::Unknown,
        None => End::Closed,
    }
}
