//! Packet rules, by netlink: a node's rules are one table, `inet tierlab`, written in one
//! transaction.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;

use ipnet::IpNet;
use nlink::netlink::nftables::{
    BaseChain, Chain as NftChain, CmpOp, CtState, CtStatus, Expr, Family, FilterHook, IcmpxCode,
    NatHook, NumgenKind, PacketField, Policy, Priority, Register, Rule as NftRule, Set, SetElement,
    SetKeyType, Transaction,
};
use nlink::netlink::{Connection, Nftables};

use super::netns::NetNs;
use crate::plan::{Action, Chain, Hook, Match, PortRange, Rule, Ruleset, Target};
use crate::run::control::Count;

/// The one table of a node.
const TABLE: &str = "tierlab";
const FAMILY: Family = Family::Inet;
/// Longest comment that nftables takes, in bytes.
const LONGEST_COMMENT: usize = 127;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const ICMPV6: u8 = 58;
/// Destination unreachable, time exceeded, parameter problem (RFC 792).
const ICMP_ERRORS: [u8; 3] = [3, 11, 12];
/// Destination unreachable to parameter problem (RFC 4443 §2.1).
const ICMPV6_ERRORS: [u8; 4] = [1, 2, 3, 4];
/// Router solicitation to redirect (RFC 4861 §4).
const NEIGHBOUR_DISCOVERY: [u8; 5] = [133, 134, 135, 136, 137];

fn connect(namespace: &NetNs) -> io::Result<Connection<Nftables>> {
    Connection::<Nftables>::new_in(namespace.as_fd()).map_err(said)
}

/// Replaces all rules of a namespace at once; connections go on.
///
/// # Errors
/// What the kernel says.
pub async fn apply(namespace: &NetNs, rules: &Ruleset) -> io::Result<()> {
    let connection = connect(namespace)?;
    let tables = connection.list_tables_in(FAMILY).await.map_err(said)?;
    let mut batch = connection.transaction();
    if tables.iter().any(|table| table.name == TABLE) {
        batch = batch.del_table(TABLE, FAMILY);
    }
    if !rules.chains.is_empty() {
        batch = batch.add_table(TABLE, FAMILY);
    }
    for chain in &rules.chains {
        batch = batch.add_chain(declare(chain)?);
    }
    let mut sets = 0;
    for chain in &rules.chains {
        batch = fill(batch, chain, &mut sets)?;
    }
    batch.commit(&connection).await.map_err(said)
}

/// Replaces the rules of one chain at once; connections go on.
///
/// # Errors
/// What the kernel says; the chain must be there.
pub async fn replace_chain(namespace: &NetNs, chain: &Chain) -> io::Result<()> {
    let connection = connect(namespace)?;
    let batch = connection
        .transaction()
        .flush_chain(TABLE, &chain.name, FAMILY);
    // Chains that are replaced alone need no sets: those that VIPs spread by.
    fill(batch, chain, &mut 0)?
        .commit(&connection)
        .await
        .map_err(said)
}

/// Packets and bytes by rule id; those of rules that share an id are added.
///
/// # Errors
/// What the kernel says.
pub async fn counters(namespace: &NetNs) -> io::Result<BTreeMap<String, Count>> {
    let connection = connect(namespace)?;
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    for rule in connection.list_rules(TABLE, FAMILY).await.map_err(said)? {
        let (Some(comment), Some((packets, bytes))) = (&rule.comment_text, rule.counter()) else {
            continue;
        };
        let count = counts.entry(id_of(comment).to_owned()).or_default();
        count.packets += packets;
        count.bytes += bytes;
    }
    Ok(counts)
}

fn said(error: nlink::Error) -> io::Error {
    match error.errno() {
        Some(errno) => io::Error::new(
            io::Error::from_raw_os_error(errno).kind(),
            format!("nftables: {error}"),
        ),
        None => io::Error::other(format!("nftables: {error}")),
    }
}

/// A comment is the rule's id and, where there is one, the place behind it.
fn comment_of(rule: &Rule) -> String {
    let mut comment = match &rule.place {
        Some(place) if rule.id.len() + place.len() < LONGEST_COMMENT => {
            format!("{} {place}", rule.id)
        }
        _ => rule.id.clone(),
    };
    while comment.len() > LONGEST_COMMENT {
        comment.pop();
    }
    comment
}

fn id_of(comment: &str) -> &str {
    match comment.rsplit_once(' ') {
        Some((id, place)) if is_place(place) => id,
        _ => comment,
    }
}

fn is_place(word: &str) -> bool {
    word.rsplit_once(':')
        .is_some_and(|(_, line)| !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit()))
}

fn declare(chain: &Chain) -> io::Result<NftChain> {
    let declared = NftChain::new(TABLE, chain.name.as_str())
        .map_err(said)?
        .family(FAMILY);
    let base = match chain.hook {
        None => return Ok(declared),
        Some(Hook::Prerouting) => BaseChain::nat(NatHook::Prerouting, Priority::DstNat),
        Some(Hook::Output) => BaseChain::nat(NatHook::Output, Priority::DstNat),
        Some(Hook::Postrouting) => BaseChain::nat(NatHook::Postrouting, Priority::SrcNat),
        Some(Hook::Input) => BaseChain::filter(FilterHook::Input, Priority::Filter),
        Some(Hook::Forward) => BaseChain::filter(FilterHook::Forward, Priority::Filter),
    };
    Ok(declared.base(base.policy(Policy::Accept)))
}

fn fill(mut batch: Transaction, chain: &Chain, sets: &mut usize) -> io::Result<Transaction> {
    for rule in &chain.rules {
        let mut named = BTreeMap::new();
        for (at, condition) in rule.matches.iter().enumerate() {
            if let Some((kind, elements)) = elements_of(condition)? {
                let name = format!("set-{sets}");
                *sets += 1;
                let set = Set::new(TABLE, &name)
                    .family(FAMILY)
                    .key_type(kind)
                    .interval();
                batch = batch.add_set(set.clone()).add_set_elements(&set, &elements);
                named.insert(at, name);
            }
        }
        for written in write(&chain.name, rule, &named) {
            batch = batch.add_rule(written);
        }
    }
    Ok(batch)
}

/// The set that a condition with several values needs.
fn elements_of(condition: &Match) -> io::Result<Option<(SetKeyType, Vec<SetElement>)>> {
    let nets = |nets: &[IpNet]| -> io::Result<Option<(SetKeyType, Vec<SetElement>)>> {
        let kind = match nets.first() {
            Some(IpNet::V6(_)) => SetKeyType::Ipv6Addr,
            _ => SetKeyType::Ipv4Addr,
        };
        let elements = nets.iter().map(|net| match net {
            IpNet::V4(net) => {
                SetElement::ipv4_prefix(net.network(), net.prefix_len()).map_err(said)
            }
            IpNet::V6(net) => {
                SetElement::ipv6_prefix(net.network(), net.prefix_len()).map_err(said)
            }
        });
        Ok(Some((kind, elements.collect::<io::Result<_>>()?)))
    };
    match condition {
        Match::Sources(list) | Match::Destinations(list) => nets(list),
        Match::TcpPorts(list) | Match::UdpPorts(list) => {
            let elements = list
                .iter()
                .map(|ports| SetElement::port_range(ports.first, ports.last));
            Ok(Some((SetKeyType::InetService, elements.collect())))
        }
        _ => Ok(None),
    }
}

/// The nftables rules that one rule becomes: more than one where a condition or an action has
/// several forms (ICMP of both families, members of a pool).
fn write(chain: &str, rule: &Rule, sets: &BTreeMap<usize, String>) -> Vec<NftRule> {
    let start = NftRule::new(TABLE, chain)
        .family(FAMILY)
        .comment(&comment_of(rule));
    let mut forms = vec![start];
    for (at, condition) in rule.matches.iter().enumerate() {
        let set = sets.get(&at).map_or("", String::as_str);
        forms = forms
            .into_iter()
            .flat_map(|form| restrict(form, condition, set))
            .collect();
    }
    let mark = rule.mark;
    let marked = move |form: NftRule| {
        let form = form.counter();
        match mark {
            Some(mark) => form.set_ct_mark(mark),
            None => form,
        }
    };
    forms
        .into_iter()
        .flat_map(|form| act(form, &rule.action, &marked))
        .collect()
}

fn restrict(form: NftRule, condition: &Match, set: &str) -> Vec<NftRule> {
    let one = match condition {
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
        Match::Tcp(ports) => restrict_ports(form, PacketField::TcpDport, *ports),
        Match::Udp(ports) => restrict_ports(form, PacketField::UdpDport, *ports),
        Match::Icmp => {
            return vec![form.clone().match_l4proto(ICMP), form.match_l4proto(ICMPV6)];
        }
        Match::IcmpErrors => {
            let v4 = ICMP_ERRORS.map(|kind| form.clone().match_icmp_type(kind));
            let v6 = ICMPV6_ERRORS.map(|kind| form.clone().match_icmpv6_type(kind));
            return v4.into_iter().chain(v6).collect();
        }
        Match::NeighbourDiscovery => {
            return NEIGHBOUR_DISCOVERY
                .map(|kind| form.clone().match_icmpv6_type(kind))
                .into();
        }
    };
    vec![one]
}

fn restrict_ports(form: NftRule, field: PacketField, ports: PortRange) -> NftRule {
    if (ports.first, ports.last) == (0, u16::MAX) {
        let protocol = if field == PacketField::TcpDport {
            TCP
        } else {
            17
        };
        return form.match_l4proto(protocol);
    }
    form.match_range(field, ports.first, ports.last)
}

fn act(form: NftRule, action: &Action, marked: &dyn Fn(NftRule) -> NftRule) -> Vec<NftRule> {
    let one = match action {
        Action::Accept => marked(form).accept(),
        Action::Drop => marked(form).drop(),
        Action::Jump(chain) => match marked(form).try_jump(chain) {
            Ok(form) => form,
            // A name that is too long is refused where the chain is declared.
            Err(_) => return Vec::new(),
        },
        Action::Masquerade => marked(form).masquerade(),
        Action::Snat(IpAddr::V4(to)) => marked(form).snat(*to, None),
        Action::Snat(IpAddr::V6(to)) => marked(form).snat_v6(*to, None),
        Action::Reject => {
            return vec![
                marked(form.clone().match_l4proto(TCP)).reject_tcp_reset(),
                marked(form).reject_icmpx(IcmpxCode::PortUnreachable),
            ];
        }
        Action::Dnat { targets, random } => return spread(form, targets, *random, marked),
    };
    vec![one]
}

/// One rule a target. The first takes every n-th connection, the second every (n-1)-th of those it
/// left, and so on: equal shares, in turn.
fn spread(
    form: NftRule,
    targets: &[Target],
    random: bool,
    marked: &dyn Fn(NftRule) -> NftRule,
) -> Vec<NftRule> {
    let kind = if random {
        NumgenKind::Random
    } else {
        NumgenKind::Incremental
    };
    targets
        .iter()
        .zip((1..=targets.len()).rev())
        .map(|(target, left)| {
            let mut rule = form.clone();
            if left > 1 {
                let modulus = u32::try_from(left).unwrap_or(u32::MAX);
                rule = rule
                    .expr(Expr::Numgen {
                        dreg: Register::R0,
                        kind,
                        modulus,
                        offset: 0,
                    })
                    .expr(Expr::Cmp {
                        sreg: Register::R0,
                        op: CmpOp::Eq,
                        data: vec![0; 4],
                    });
            }
            match target.address {
                IpAddr::V4(to) => marked(rule).dnat(to, target.port),
                IpAddr::V6(to) => marked(rule).dnat_v6(to, target.port),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::id_of;

    #[test]
    fn an_id_is_read_back_from_its_comment() {
        assert_eq!(id_of("P7 acl.yaml:12"), "P7");
        assert_eq!(id_of("vip exchange"), "vip exchange");
        assert_eq!(id_of("vip exchange lab.yaml:7"), "vip exchange");
        assert_eq!(id_of("established"), "established");
    }
}
