//! Connection tracking of a namespace, by netlink.

use std::io;
use std::net::{IpAddr, SocketAddr};

use nlink::netlink::netfilter::{ConntrackEntry, ConntrackFilter, ConntrackStatus, ConntrackTuple};
use nlink::netlink::{Connection, Netfilter};

use serde::{Deserialize, Serialize};

use super::netns::NetNs;

/// Forgets the connections whose destination was translated to this address, and says how many
/// they were. The next packet of each meets the rules as they are now: one that was being opened
/// is spread anew when its client sends again, one that was open is reset by whoever gets it.
///
/// # Errors
/// What the kernel says.
pub async fn forget_translated_to(namespace: &NetNs, address: IpAddr) -> io::Result<usize> {
    let connection =
        namespace.within(|| Connection::<Netfilter>::new().map_err(|error| said(&error)))?;
    let translated = ConntrackStatus::DST_NAT;
    let filter = ConntrackFilter::new()
        .reply_src(address)
        .status(translated, translated);
    connection
        .del_conntrack_matching(&filter)
        .await
        .map_err(|error| said(&error))
}

/// A connection as it is tracked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracked {
    /// IP protocol number.
    pub protocol: u8,
    /// Source and destination as the first packet came; ports are 0 where there are none, and for
    /// ICMP echo the source's port is the identifier.
    pub original: (SocketAddr, SocketAddr),
    /// Source and destination of the answers as they are expected.
    pub reply: (SocketAddr, SocketAddr),
    /// Its mark.
    pub mark: u32,
}

/// The connections that a namespace knows, of both families.
///
/// # Errors
/// What the kernel says.
pub async fn connections(namespace: &NetNs) -> io::Result<Vec<Tracked>> {
    let connection =
        namespace.within(|| Connection::<Netfilter>::new().map_err(|error| said(&error)))?;
    let mut entries = connection
        .get_conntrack()
        .await
        .map_err(|error| said(&error))?;
    // A kernel without IPv6 tracks none of it.
    entries.extend(connection.get_conntrack_v6().await.unwrap_or_default());
    Ok(entries.iter().filter_map(tracked).collect())
}

/// How many connections a namespace tracks, and how many it may.
///
/// # Errors
/// What the kernel says; `ENOENT` from one that tracks none.
pub fn usage(namespace: &NetNs) -> io::Result<(u64, u64)> {
    namespace.within(|| {
        let number = |name: &str| {
            let text = std::fs::read_to_string(format!("/proc/sys/net/netfilter/{name}"))?;
            text.trim().parse().map_err(io::Error::other)
        };
        Ok((number("nf_conntrack_count")?, number("nf_conntrack_max")?))
    })
}

fn tracked(entry: &ConntrackEntry) -> Option<Tracked> {
    let ends = |tuple: &ConntrackTuple| {
        let source = tuple.src_port.or(tuple.icmp_id).unwrap_or_default();
        Some((
            SocketAddr::new(tuple.src_ip?, source),
            SocketAddr::new(tuple.dst_ip?, tuple.dst_port.unwrap_or_default()),
        ))
    };
    Some(Tracked {
        protocol: entry.proto.number(),
        original: ends(&entry.orig)?,
        reply: ends(&entry.reply)?,
        mark: entry.mark.unwrap_or_default(),
    })
}

fn said(error: &nlink::Error) -> io::Error {
    let kind = error.errno().map_or(io::ErrorKind::Other, |errno| {
        io::Error::from_raw_os_error(errno).kind()
    });
    io::Error::new(kind, format!("connection tracking: {error}"))
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::super::testing::{
        answer, ask, connected, converse, in_own_network, link, new_fabric,
    };
    use super::forget_translated_to;
    use crate::kernel::nft;
    use crate::plan::{Action, Chain, Hook, Match, Rule, Ruleset, Target};

    fn rule(matches: Vec<Match>, action: Action) -> Rule {
        Rule {
            id: "vip".into(),
            place: None,
            matches,
            mark: None,
            action,
        }
    }

    fn chain(name: &str, hook: Hook, rule: Rule) -> Chain {
        Chain {
            name: name.into(),
            hook: Some(hook),
            rules: vec![rule],
        }
    }

    fn vip_to(member: &str) -> Ruleset {
        let target = Target {
            address: member.parse().expect("an address"),
            port: None,
        };
        let vip = Match::Destination("10.0.0.9/32".parse().expect("a prefix"));
        let to_member = Action::Dnat {
            targets: vec![target],
            random: false,
        };
        Ruleset {
            chains: vec![
                chain("in", Hook::Prerouting, rule(vec![vip], to_member)),
                chain(
                    "out",
                    Hook::Postrouting,
                    rule(Vec::new(), Action::Masquerade),
                ),
            ],
        }
    }

    #[test]
    fn a_connection_to_a_dead_member_is_reset_by_the_next_one() {
        in_own_network(
            module_path!(),
            "a_connection_to_a_dead_member_is_reset_by_the_next_one",
            || async {
                let fabric = new_fabric(&["s"]).await?;
                let node = async |address| connected(&fabric, &[link("s", &[address])], &[]).await;
                let balancer =
                    connected(&fabric, &[link("s", &["10.0.0.1/24", "10.0.0.9/24"])], &[]).await?;
                let (client, first, second) = (
                    node("10.0.0.2/24").await?,
                    node("10.0.0.3/24").await?,
                    node("10.0.0.4/24").await?,
                );
                let setting = [("net/ipv4/ip_forward".to_owned(), "1".to_owned())];
                crate::kernel::sysctl::write(balancer.namespace(), &setting.into())?;
                nft::apply(balancer.namespace(), &vip_to("10.0.0.3")).await?;
                let mut open = converse(&client, "10.0.0.9:80", &first, 80).await?;
                answer(&second, 80, "second")?;
                nft::apply(balancer.namespace(), &vip_to("10.0.0.4")).await?;

                let forgotten =
                    forget_translated_to(balancer.namespace(), "10.0.0.3".parse().expect("one"));
                assert_eq!(forgotten.await?, 1);
                assert!(ask(&client, "10.0.0.9:80").await?.starts_with("second"));
                open.client.try_write(b"anybody there?")?;
                let heard = open.client.read(&mut [0; 16]).await;
                assert_eq!(
                    heard.map_err(|error| error.kind()),
                    Err(std::io::ErrorKind::ConnectionReset)
                );
                Ok(())
            },
        );
    }
}
