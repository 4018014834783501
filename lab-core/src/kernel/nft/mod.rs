//! Packet rules, by netlink: a node's rules are one table, `inet tierlab`.
//!
//! Every change is one transaction: a packet meets the old rules or the new ones, and what
//! connection tracking knows of connections stays.

mod comment;
mod rule;
mod sets;
pub mod watch;

pub use comment::{id_of, place_of};

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use nix::sys::socket::{setsockopt, sockopt};
use nlink::netlink::nftables::{
    BaseChain, Chain as NftChain, Family, FilterHook, NFT_MSG_NEWTABLE, NatHook, Policy, Priority,
    RawMessage, RuleExpr, Transaction,
};
use nlink::netlink::{Connection, Nftables};
use serde::{Deserialize, Serialize};

use super::netns::NetNs;
use crate::plan::{Chain, Hook, Ruleset};

/// The one table of a node.
const TABLE: &str = "tierlab";
/// It sees IPv4 and IPv6.
const FAMILY: Family = Family::Inet;
/// Bytes of a transaction, if the host lets.
const LONGEST_TRANSACTION: usize = 4 << 20;
/// How often a change is tried again that met another one.
const ATTEMPTS: usize = 8;

/// Packets and bytes counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Replaces all rules of a namespace at once; connections go on, counters begin at zero.
///
/// # Errors
/// The kernel refuses a rule, and keeps the rules it had.
pub async fn apply(namespace: &NetNs, rules: &Ruleset) -> io::Result<()> {
    let connection = connect(namespace)?;
    // A table can only be deleted if it is there. Adding it without NLM_F_EXCL sees to that.
    let table = RawMessage::new(NFT_MSG_NEWTABLE, FAMILY)
        .flags(NLM_F_CREATE)
        .attrs(table_name(TABLE));
    let mut batch = connection.transaction().raw(table).del_table(TABLE, FAMILY);
    if !rules.chains.is_empty() {
        batch = batch.add_table(TABLE, FAMILY);
    }
    for chain in &rules.chains {
        batch = batch.add_chain(declare(chain)?);
    }
    for set in sets::needed(rules.chains.iter()) {
        batch = set.add(batch);
    }
    for chain in &rules.chains {
        batch = fill(batch, chain)?;
    }
    batch
        .commit(&connection)
        .await
        .map_err(|error| said(&error))
}

/// Replaces the rules of one chain at once; connections go on, other chains' counters too.
///
/// # Errors
/// There is no such chain, or the kernel refuses a rule and keeps those it had.
pub async fn replace_chain(namespace: &NetNs, chain: &Chain) -> io::Result<()> {
    let connection = connect(namespace)?;
    for _ in 0..ATTEMPTS {
        match try_replace_chain(&connection, chain).await {
            // Between the look and the change, another change came in.
            Err(error) if error.is_restart() => {}
            result => return result.map_err(|error| said(&error)),
        }
    }
    Err(io::Error::other(format!(
        "the rules of the chain {} were changed by somebody else all the time",
        chain.name
    )))
}

async fn try_replace_chain(
    connection: &Connection<Nftables>,
    chain: &Chain,
) -> Result<(), nlink::Error> {
    let generation = connection.generation().await?;
    let there: BTreeSet<String> = connection
        .list_sets_in(TABLE, FAMILY)
        .await?
        .into_iter()
        .map(|set| set.name)
        .collect();
    let mut batch = connection
        .transaction()
        .expect_generation(generation)
        .flush_chain(TABLE, &chain.name, FAMILY);
    for map in there
        .iter()
        .filter(|set| sets::belongs_to(set, &chain.name))
    {
        batch = batch.del_set(TABLE, map, FAMILY);
    }
    for set in sets::needed(std::iter::once(chain)) {
        if !there.contains(set.name()) {
            batch = set.add(batch);
        }
    }
    let batch = fill(batch, chain).map_err(nlink::Error::from)?;
    batch.commit(connection).await
}

/// Packets and bytes by rule id; those of rules that share an id are added.
///
/// # Errors
/// What the kernel says.
pub async fn counters(namespace: &NetNs) -> io::Result<BTreeMap<String, Count>> {
    let connection = connect(namespace)?;
    let rules = connection
        .list_rules(TABLE, FAMILY)
        .await
        .map_err(|error| said(&error))?;
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    for rule in rules {
        let Some(comment) = &rule.comment_text else {
            continue;
        };
        let count = counts.entry(id_of(comment).to_owned()).or_default();
        for expression in rule.expressions() {
            if let RuleExpr::Counter { packets, bytes, .. } = expression {
                count.packets += packets;
                count.bytes += bytes;
            }
        }
    }
    Ok(counts)
}

fn connect(namespace: &NetNs) -> io::Result<Connection<Nftables>> {
    let connection =
        namespace.within(|| Connection::<Nftables>::new().map_err(|error| said(&error)))?;
    // A transaction is one datagram, so the buffer limits how many rules a node may have. The
    // kernel cuts this down to net.core.wmem_max: by default 400 KiB, some 500 rules.
    setsockopt(connection.socket(), sockopt::SndBuf, &LONGEST_TRANSACTION)?;
    Ok(connection)
}

fn said(error: &nlink::Error) -> io::Error {
    if error.errno() == Some(nix::libc::EMSGSIZE) {
        return io::Error::other(
            "the rules are too many for one transaction: raise net.core.wmem_max of the host, or \
             join rules that differ in addresses or ports only",
        );
    }
    let kind = error.errno().map_or(io::ErrorKind::Other, |errno| {
        io::Error::from_raw_os_error(errno).kind()
    });
    io::Error::new(kind, format!("nftables: {error}"))
}

fn declare(chain: &Chain) -> io::Result<NftChain> {
    let declared = NftChain::new(TABLE, chain.name.as_str())
        .map_err(|error| said(&error))?
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

fn fill(mut batch: Transaction, chain: &Chain) -> io::Result<Transaction> {
    for (position, rule) in chain.rules.iter().enumerate() {
        batch = rule::add(batch, &chain.name, position, rule)?;
    }
    Ok(batch)
}

/// linux/netlink.h.
const NLM_F_CREATE: u16 = 0x400;

/// The attribute NFTA_TABLE_NAME: length, type, the name with its NUL, and padding to four.
fn table_name(name: &str) -> Vec<u8> {
    const NFTA_TABLE_NAME: u16 = 1;
    let length = u16::try_from(4 + name.len() + 1).unwrap_or_default();
    let mut attribute = Vec::new();
    attribute.extend(length.to_ne_bytes());
    attribute.extend(NFTA_TABLE_NAME.to_ne_bytes());
    attribute.extend(name.bytes());
    attribute.push(0);
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}

#[cfg(test)]
mod tests;
