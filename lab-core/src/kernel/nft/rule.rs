//! One rule of a plan as nftables expressions.

use std::io;
use std::net::IpAddr;

use ipnet::IpNet;
use nlink::netlink::nftables::{
    CmpOp, CtState, CtStatus, Expr, Family, IcmpxCode, LookupExpr, MetaKey, NatAddr, NatExpr,
    NatStatement, NumgenKind, PacketField, PayloadBase, Register, Rule as NftRule, SetKeyType,
    Transaction,
};

use super::sets::{self, ICMPV6, Shared};
use super::{FAMILY, TABLE, comment};
use crate::plan::{Action, Match, PortRange, Rule, Target};

const TCP: u8 = 6;
const UDP: u8 = 17;
/// Router solicitation to redirect (RFC 4861 §4).
const NEIGHBOUR_DISCOVERY: (u8, u8) = (133, 137);

/// Appends a rule to a chain: one nftables rule, and a second where TCP is answered in another way
/// than the rest. `position` tells its map from those of other rules.
pub(super) fn add(
    mut batch: Transaction,
    chain: &str,
    position: usize,
    rule: &Rule,
) -> io::Result<Transaction> {
    let mut start = NftRule::new(TABLE, chain)
        .family(FAMILY)
        .comment(&comment::of(rule));
    for (number, condition) in rule.matches.iter().enumerate() {
        let name = sets::name(chain, position, &format!("match{number}-"));
        if let Some((set, elements)) = sets::of(condition, &name)? {
            batch = batch.add_set(set.clone()).add_set_elements(&set, &elements);
        }
        start = restrict(start, condition, &name);
    }
    let decided = |form: NftRule| match rule.mark {
        Some(mark) => form.counter().set_ct_mark(mark),
        None => form.counter(),
    };
    if rule.action == Action::Reject {
        batch = batch.add_rule(decided(start.clone().match_l4proto(TCP)).reject_tcp_reset());
    }
    let form = decided(start);
    let form = match &rule.action {
        Action::Accept => form.accept(),
        Action::Drop => form.drop(),
        Action::Jump(to) => form.try_jump(to).map_err(|error| super::said(&error))?,
        Action::Masquerade => form.masquerade(),
        Action::Snat(to) => form.nat(NatStatement::snat(*to)),
        Action::Reject => form.reject_icmpx(IcmpxCode::PortUnreachable),
        Action::Dnat { targets, random } => {
            return spread(batch, form, chain, position, targets, *random);
        }
    };
    Ok(batch.add_rule(form))
}

/// Adds a condition; `set` is the name of the set with its values, if it has several.
fn restrict(form: NftRule, condition: &Match, set: &str) -> NftRule {
    match condition {
        Match::Established => form.match_ct_state(CtState::ESTABLISHED | CtState::RELATED),
        Match::Invalid => form.match_ct_state(CtState::INVALID),
        Match::Translated => form.match_ct_status(CtStatus::DST_NAT),
        Match::Inbound(name) => form.match_iif(name),
        Match::Outbound(name) => form.match_oif(name),
        Match::Source(net) => form.match_saddr(net.network(), net.prefix_len()),
        Match::Destination(net) => form.match_daddr(net.network(), net.prefix_len()),
        Match::Sources(nets) => match nets.first() {
            Some(IpNet::V6(_)) => form.match_in_interval_set(PacketField::Ip6Saddr, set),
            _ => form.match_in_interval_set(PacketField::Ip4Saddr, set),
        },
        Match::Destinations(nets) => match nets.first() {
            Some(IpNet::V6(_)) => form.match_in_interval_set(PacketField::Ip6Daddr, set),
            _ => form.match_in_interval_set(PacketField::Ip4Daddr, set),
        },
        Match::TcpPorts(_) => form.match_in_interval_set(PacketField::TcpDport, set),
        Match::UdpPorts(_) => form.match_in_interval_set(PacketField::UdpDport, set),
        Match::Protocol(number) => form.match_l4proto(*number),
        Match::Tcp(ports) => restrict_port(form, TCP, PacketField::TcpDport, *ports),
        Match::Udp(ports) => restrict_port(form, UDP, PacketField::UdpDport, *ports),
        Match::Icmp => form
            .expr(load_protocol(Register::R0))
            .expr(LookupExpr::new(Shared::IcmpProtocols.name(), Register::R0)),
        Match::IcmpErrors => form
            .expr(load_protocol(Register::R0))
            .expr(load_icmp_type(Register::Reg32_01))
            .expr(LookupExpr::new(Shared::IcmpErrors.name(), Register::R0)),
        Match::NeighbourDiscovery => {
            let compare = |op, kind| Expr::Cmp {
                sreg: Register::R0,
                op,
                data: vec![kind],
            };
            form.match_l4proto(ICMPV6)
                .expr(load_icmp_type(Register::R0))
                .expr(compare(CmpOp::Gte, NEIGHBOUR_DISCOVERY.0))
                .expr(compare(CmpOp::Lte, NEIGHBOUR_DISCOVERY.1))
        }
    }
}

fn restrict_port(form: NftRule, protocol: u8, field: PacketField, ports: PortRange) -> NftRule {
    match (ports.first, ports.last) {
        // Also what has no port to look at: a later fragment.
        (0, u16::MAX) => form.match_l4proto(protocol),
        (first, last) if first == last && protocol == TCP => form.match_tcp_dport(first),
        (first, last) if first == last => form.match_udp_dport(first),
        (first, last) => form.match_range(field, first, last),
    }
}

fn load_protocol(into: Register) -> Expr {
    Expr::Meta {
        dreg: into,
        key: MetaKey::L4Proto,
    }
}

/// The first byte of an ICMP message (RFC 792, RFC 4443).
fn load_icmp_type(into: Register) -> Expr {
    Expr::Payload {
        dreg: into,
        base: PayloadBase::Transport,
        offset: 0,
        len: 1,
    }
}

/// Destination translation to one target, or to one of several that a number chooses in a map:
/// `dnat ip to numgen inc mod 3 map { 0 : 10.0.0.1, … }`.
fn spread(
    mut batch: Transaction,
    form: NftRule,
    chain: &str,
    position: usize,
    targets: &[Target],
    random: bool,
) -> io::Result<Transaction> {
    let wrong = |what: &str| {
        let text = format!("a rule of the chain {chain} translates to {what}");
        io::Error::new(io::ErrorKind::InvalidInput, text)
    };
    let first = targets.first().ok_or_else(|| wrong("no target"))?;
    if targets
        .iter()
        .any(|target| target.address.is_ipv4() != first.address.is_ipv4())
    {
        return Err(wrong("IPv4 and IPv6 at once"));
    }
    if targets.len() == 1 {
        let to = NatStatement::dnat(first.address);
        let to = match first.port {
            Some(port) => to.port(port),
            None => to,
        };
        return Ok(batch.add_rule(form.nat(to)));
    }

    // The kernel reads the address from register 0 and the port from register 1.
    let number = Register::R2;
    let (family, of) = match first.address {
        IpAddr::V4(_) => (Family::Ip, SetKeyType::Ipv4Addr),
        IpAddr::V6(_) => (Family::Ip6, SetKeyType::Ipv6Addr),
    };
    let addresses = sets::name(chain, position, "to");
    let values = targets.iter().map(|target| match target.address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    });
    batch = sets::numbered(batch, &addresses, of, values);
    let mut form = form
        .expr(Expr::Numgen {
            dreg: number,
            kind: if random {
                NumgenKind::Random
            } else {
                NumgenKind::Incremental
            },
            modulus: u32::try_from(targets.len()).map_err(io::Error::other)?,
            offset: 0,
        })
        .expr(LookupExpr::new(addresses, number).dreg(Register::R0));
    let ports: Option<Vec<u16>> = targets.iter().map(|target| target.port).collect();
    if let Some(ports) = &ports {
        let name = sets::name(chain, position, "port");
        let values = ports.iter().map(|port| port.to_be_bytes().to_vec());
        batch = sets::numbered(batch, &name, SetKeyType::InetService, values);
        form = form.expr(LookupExpr::new(name, number).dreg(Register::R1));
    } else if targets.iter().any(|target| target.port.is_some()) {
        return Err(wrong("some targets with a port and some without"));
    }
    let mut translation = NatExpr::dnat(family);
    translation.addr = NatAddr::Reg;
    // Which port it is says register 1; the number here only says that there is one.
    translation.port = ports.and_then(|ports| ports.first().copied());
    Ok(batch.add_rule(form.expr(Expr::Nat(translation))))
}
