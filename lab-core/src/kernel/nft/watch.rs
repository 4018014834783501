//! Watching rules decide: a table of its own marks the first packets of connections for tracing,
//! and the kernel then tells of each rule that they meet (NFNLGRP_NFTRACE).
//!
//! The table sees packets after connection tracking (-200) and before address translation (-100), and once
//! more when they leave, after translation of the source (100): a connection that is refused at once is
//! forgotten before anybody can ask what is tracked, so its translation is known by its packet alone.

use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, setsockopt,
    socket, sockopt,
};
use nlink::netlink::nftables::{
    BaseChain, Chain as NftChain, CtState, Expr, FilterHook, MetaKey, NFT_MSG_NEWTABLE, Policy,
    Priority, RawMessage, Register, Rule as NftRule,
};
use serde::{Deserialize, Serialize};

use super::{FAMILY, NLM_F_CREATE, connect, said, table_name};
use crate::kernel::netns::NetNs;

/// The table that marks packets; it is there only while somebody watches.
pub const TABLE: &str = "tierlab-watch";
/// Its chain that sees them leave.
pub const LEAVING: &str = "leaving";
/// linux/netfilter/nfnetlink.h.
const NFNLGRP_NFTRACE: u32 = 9;
/// Bytes of events that may wait, if the host lets.
const WAITING: usize = 4 << 20;

/// A rule as it stands in a namespace now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownRule {
    /// Its table.
    pub table: String,
    /// Its chain.
    pub chain: String,
    /// The kernel's number for it, unique in the table.
    pub handle: u64,
    /// Its comment: for rules of a lab id and place.
    pub comment: Option<String>,
}

/// Has the first packets of connections traced, from now on. A second call changes nothing.
///
/// # Errors
/// The kernel has no nftables or no `meta nftrace`.
pub async fn begin(namespace: &NetNs) -> io::Result<()> {
    let connection = connect(namespace)?;
    let mut batch = removal(&connection).add_table(TABLE, FAMILY);
    for (name, hook) in [
        ("prerouting", FilterHook::Prerouting),
        ("output", FilterHook::Output),
    ] {
        let chain = NftChain::new(TABLE, name)
            .map_err(|error| said(&error))?
            .family(FAMILY)
            .base(BaseChain::filter(hook, Priority::Mangle).policy(Policy::Accept));
        let rule = NftRule::new(TABLE, name)
            .family(FAMILY)
            .match_ct_state(CtState::NEW | CtState::INVALID | CtState::UNTRACKED)
            .expr(Expr::Immediate {
                dreg: Register::R0,
                data: vec![1],
            })
            .expr(Expr::MetaSet {
                key: MetaKey::NfTrace,
                sreg: Register::R0,
            });
        batch = batch.add_chain(chain).add_rule(rule);
    }
    let leaving = NftChain::new(TABLE, LEAVING)
        .map_err(|error| said(&error))?
        .family(FAMILY)
        .base(
            BaseChain::filter(FilterHook::Postrouting, Priority::Custom(200))
                .policy(Policy::Accept),
        );
    batch = batch.add_chain(leaving);
    batch
        .commit(&connection)
        .await
        .map_err(|error| said(&error))
}

/// Ends it.
///
/// # Errors
/// What the kernel says.
pub async fn end(namespace: &NetNs) -> io::Result<()> {
    let connection = connect(namespace)?;
    removal(&connection)
        .commit(&connection)
        .await
        .map_err(|error| said(&error))
}

fn removal(
    connection: &nlink::netlink::Connection<nlink::netlink::Nftables>,
) -> nlink::netlink::nftables::Transaction {
    // As in `apply`: added without NLM_F_EXCL, so that deleting it can't fail.
    let table = RawMessage::new(NFT_MSG_NEWTABLE, FAMILY)
        .flags(NLM_F_CREATE)
        .attrs(table_name(TABLE));
    connection.transaction().raw(table).del_table(TABLE, FAMILY)
}

/// All rules of the namespace as they are now, whoever made them, but for those that watch.
///
/// # Errors
/// What the kernel says.
pub async fn rules(namespace: &NetNs) -> io::Result<Vec<KnownRule>> {
    let connection = connect(namespace)?;
    let tables = connection
        .list_tables()
        .await
        .map_err(|error| said(&error))?;
    let mut known = Vec::new();
    for table in tables.iter().filter(|table| table.name != TABLE) {
        let rules = connection
            .list_rules(&table.name, table.family)
            .await
            .map_err(|error| said(&error))?;
        known.extend(rules.into_iter().map(|rule| KnownRule {
            table: rule.table,
            chain: rule.chain,
            handle: rule.handle,
            comment: rule.comment_text,
        }));
    }
    Ok(known)
}

/// A socket that hears what the rules of one namespace decide.
#[derive(Debug)]
pub struct Decisions {
    socket: OwnedFd,
}

impl Decisions {
    /// Listens in a namespace.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open(namespace: &NetNs) -> io::Result<Self> {
        namespace.within(|| {
            let socket = socket(
                AddressFamily::Netlink,
                SockType::Raw,
                SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
                SockProtocol::NetlinkNetFilter,
            )?;
            // Cut down to net.core.rmem_max; what does not fit is lost, and that is said.
            setsockopt(&socket, sockopt::RcvBuf, &WAITING)?;
            let group = NetlinkAddr::new(0, 1 << (NFNLGRP_NFTRACE - 1));
            bind(socket.as_raw_fd(), &group)?;
            Ok(Self { socket })
        })
    }

    /// From the descriptor of one.
    pub fn from_fd(socket: OwnedFd) -> Self {
        Self { socket }
    }

    /// The events that wait; none when there is none now.
    ///
    /// # Errors
    /// `ENOBUFS` when events were lost; those after them can be read.
    pub fn read(&self) -> io::Result<Vec<Decision>> {
        let mut buffer = vec![0; 32 << 10];
        match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Ok(length) => Ok(decisions_in(&buffer[..length])),
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Decisions {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What one chain decided on a packet, or one rule of it (`struct nft_traceinfo`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// The kernel's number for the packet, the same in all its decisions.
    pub packet: u32,
    /// Table.
    pub table: String,
    /// Chain.
    pub chain: String,
    /// The rule; none: the chain's policy, or its end.
    pub handle: Option<u64>,
    /// The verdict: NF_DROP 0, NF_ACCEPT 1, NFT_CONTINUE -1, NFT_JUMP -3, NFT_RETURN -5 …
    pub verdict: Option<i32>,
    /// Headers of network and transport layer, in the first decision of each chain on a packet.
    pub headers: Vec<u8>,
}

const NFNL_SUBSYS_NFTABLES: u16 = 10;
const NFT_MSG_TRACE: u16 = 17;

/// Reads netlink messages as they lie in memory; what is no trace event is left out.
pub fn decisions_in(mut bytes: &[u8]) -> Vec<Decision> {
    const HEADER: usize = 16;
    const NFGENMSG: usize = 4;
    let mut decisions = Vec::new();
    while let [a, b, c, d, e, f, ..] = *bytes {
        let length = u32::from_ne_bytes([a, b, c, d]) as usize;
        let kind = u16::from_ne_bytes([e, f]);
        let Some(message) = bytes.get(HEADER + NFGENMSG..length) else {
            break;
        };
        if kind == NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_TRACE {
            decisions.push(decision(message));
        }
        match bytes.get(length.next_multiple_of(4)..) {
            Some(rest) => bytes = rest,
            None => break,
        }
    }
    decisions
}

/// enum nft_trace_attributes of linux/netfilter/nf_tables.h.
fn decision(attributes: &[u8]) -> Decision {
    let mut decision = Decision::default();
    let (mut network, mut transport) = (&[][..], &[][..]);
    for (kind, value) in Attributes(attributes) {
        match kind {
            1 => decision.table = text(value),
            2 => decision.chain = text(value),
            3 => decision.handle = value.try_into().ok().map(u64::from_be_bytes),
            5 => {
                decision.verdict = Attributes(value)
                    .find(|(kind, _)| *kind == 1)
                    .and_then(|(_, code)| code.try_into().ok())
                    .map(i32::from_be_bytes);
            }
            6 => {
                decision.packet = value.try_into().map(u32::from_be_bytes).unwrap_or_default();
            }
            8 => network = value,
            9 => transport = value,
            _ => {}
        }
    }
    decision.headers = [network, transport].concat();
    decision
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value)
        .trim_end_matches('\0')
        .to_owned()
}

/// Netlink attributes as they lie in memory: kind and value.
struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        /// NLA_F_NESTED and NLA_F_NET_BYTEORDER.
        const FLAGS: u16 = 0xc000;
        let mut header = [0; 4];
        self.0.read_exact(&mut header).ok()?;
        let [a, b, c, d] = header;
        let length = usize::from(u16::from_ne_bytes([a, b])).checked_sub(4)?;
        let value = self.0.get(..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([c, d]) & !FLAGS, value))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::kernel::nft::{apply, id_of};
    use crate::kernel::testing::{answer, ask, connected, in_own_network, is_stopped, link};
    use crate::kernel::testing::{new_fabric, route};
    use crate::plan::{Action, Chain, Hook, Match, PortRange, Rule, Ruleset};

    fn rules_of_a_router() -> Ruleset {
        let rule = |id: &str, matches, action| Rule {
            id: id.into(),
            place: Some("lab.yaml:7".into()),
            matches,
            mark: None,
            action,
        };
        let web = Match::Tcp(PortRange {
            first: 80,
            last: 80,
        });
        let rules = vec![
            rule("established", vec![Match::Established], Action::Accept),
            rule("web", vec![web], Action::Accept),
            rule("rest", Vec::new(), Action::Drop),
        ];
        Ruleset {
            chains: vec![Chain {
                name: "forward".into(),
                hook: Some(Hook::Forward),
                rules,
            }],
        }
    }

    #[test]
    fn who_watches_hears_what_rules_decide() {
        in_own_network(
            module_path!(),
            "who_watches_hears_what_rules_decide",
            || async {
                let fabric = new_fabric(&["a", "b"]).await?;
                let there = [route("10.0.2.0/24", "10.0.1.1", "a")];
                let back = [route("10.0.1.0/24", "10.0.2.1", "b")];
                let client = connected(&fabric, &[link("a", &["10.0.1.2/24"])], &there).await?;
                let server = connected(&fabric, &[link("b", &["10.0.2.3/24"])], &back).await?;
                let legs = [link("a", &["10.0.1.1/24"]), link("b", &["10.0.2.1/24"])];
                let router = connected(&fabric, &legs, &[]).await?;
                let setting = [("net/ipv4/ip_forward".to_owned(), "1".to_owned())];
                crate::kernel::sysctl::write(router.namespace(), &setting.into())?;
                apply(router.namespace(), &rules_of_a_router()).await?;
                answer(&server, 80, "server")?;
                answer(&server, 81, "server")?;
                let decisions = Decisions::open(router.namespace())?;

                ask(&client, "10.0.2.3:80").await?;
                assert_eq!(decisions.read()?, [], "nobody watches yet");

                begin(router.namespace()).await?;
                begin(router.namespace()).await?;
                let known: BTreeMap<u64, String> = rules(router.namespace())
                    .await?
                    .into_iter()
                    .map(|rule| (rule.handle, rule.comment.unwrap_or_default()))
                    .collect();
                assert_eq!(known.len(), 3, "{known:?}");
                ask(&client, "10.0.2.3:80").await?;
                assert!(is_stopped(&client, "10.0.2.3:81").await);
                let mut heard = Vec::new();
                loop {
                    let more = decisions.read()?;
                    if more.is_empty() {
                        break;
                    }
                    heard.extend(more.into_iter().filter(|one| one.table == "tierlab"));
                }
                let decided: Vec<(&str, i32)> = heard
                    .iter()
                    .filter_map(|one| Some((id_of(&known[&one.handle?]), one.verdict?)))
                    .collect();
                assert_eq!(decided, [("web", 1), ("rest", 0)]);
                assert!(heard.iter().all(|one| one.chain == "forward"));
                // IPv4 without options, and TCP: source and destination stand in there.
                assert_eq!(heard[0].headers[12..20], [10, 0, 1, 2, 10, 0, 2, 3]);
                assert_eq!(heard[0].headers[22..24], 80_u16.to_be_bytes());

                end(router.namespace()).await?;
                end(router.namespace()).await?;
                ask(&client, "10.0.2.3:80").await?;
                assert_eq!(decisions.read()?, [], "nobody watches any more");
                Ok(())
            },
        );
    }

    #[test]
    fn what_is_cut_short_is_no_decision() {
        for bytes in [&[][..], &[20, 0, 0, 0, 17, 10], &[4, 0, 0, 0, 17, 10, 0, 0]] {
            assert_eq!(decisions_in(bytes), []);
        }
        let mut message = vec![0; 20];
        message[0] = 28;
        message[4] = 17;
        message[5] = 10;
        message.extend([200, 0, 1, 0, b'x', 0, 0, 0]);
        assert_eq!(decisions_in(&message), [Decision::default()]);
    }
}
