//! Addresses as people write them: in full, or as the last octets (`.65`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Why a text is no address of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Neither an address nor `.65`.
    NoAddress,
    /// It lies in none of the prefixes.
    Outside(IpAddr),
    /// It names the network itself.
    Network(IpAddr, IpNet),
    /// It reaches all nodes of the segment.
    Broadcast(IpAddr, IpNet),
}

/// The address a text means on a segment of these prefixes, with the prefix's length.
pub(super) fn address(text: &str, prefixes: &[IpNet]) -> Result<IpNet, Wrong> {
    let candidates: Vec<IpAddr> = match text.strip_prefix('.') {
        Some(octets) => prefixes
            .iter()
            .filter_map(|prefix| match prefix {
                IpNet::V4(prefix) => Some(replace_last(prefix.network(), octets)),
                IpNet::V6(_) => None,
            })
            .collect::<Option<_>>()
            .ok_or(Wrong::NoAddress)?,
        None => vec![text.parse().map_err(|_| Wrong::NoAddress)?],
    };
    let found = candidates.iter().find_map(|address| {
        let prefix = prefixes.iter().find(|prefix| prefix.contains(address))?;
        Some((*address, *prefix))
    });
    match (found, candidates.first()) {
        (Some((address, prefix)), _) => usable(address, prefix),
        (None, Some(address)) => Err(Wrong::Outside(*address)),
        (None, None) => Err(Wrong::NoAddress),
    }
}

/// `203.0.113.64` and `65` → `203.0.113.65`; `10.1.0.0` and `2.5` → `10.1.2.5`.
fn replace_last(network: Ipv4Addr, octets: &str) -> Option<IpAddr> {
    let mut bytes = network.octets();
    let written: Vec<u8> = octets
        .split('.')
        .map(|octet| match octet.bytes().all(|b| b.is_ascii_digit()) {
            true => octet.parse().ok(),
            false => None,
        })
        .collect::<Option<_>>()?;
    let start = bytes.len().checked_sub(written.len())?;
    bytes.get_mut(start..)?.copy_from_slice(&written);
    Some(IpAddr::V4(bytes.into()))
}

fn usable(address: IpAddr, prefix: IpNet) -> Result<IpNet, Wrong> {
    // RFC 3021: both addresses of a /31 are hosts; so is the one of a /32.
    let all_hosts = match prefix {
        IpNet::V4(prefix) => prefix.prefix_len() >= 31,
        IpNet::V6(prefix) => prefix.prefix_len() >= 127,
    };
    if !all_hosts && address == prefix.network() {
        return Err(Wrong::Network(address, prefix));
    }
    if !all_hosts && address.is_ipv4() && address == prefix.broadcast() {
        return Err(Wrong::Broadcast(address, prefix));
    }
    with_length(address, prefix).ok_or(Wrong::NoAddress)
}

/// An address with a prefix's length.
pub(super) fn with_length(address: IpAddr, prefix: IpNet) -> Option<IpNet> {
    IpNet::new(address, prefix.prefix_len()).ok()
}

/// An address alone, as a prefix.
pub(super) fn host(address: IpAddr) -> IpNet {
    IpNet::from(address)
}

/// The address `steps` after this one.
pub(super) fn after(address: IpAddr, steps: usize) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => {
            let next = u32::from(v4).checked_add(u32::try_from(steps).ok()?)?;
            Some(Ipv4Addr::from(next).into())
        }
        IpAddr::V6(v6) => Some(Ipv6Addr::from(u128::from(v6).checked_add(steps as u128)?).into()),
    }
}

/// Host addresses of a prefix in the order in which they are derived: from `.11` (`::11`)
/// on, then those before; from `.1` where the prefix is too small for that.
pub(super) fn derivable(prefix: IpNet) -> impl Iterator<Item = IpAddr> {
    // A segment holds fewer nodes than this, so IPv6 need not be counted to its end.
    const MOST: u128 = 1 << 16;
    let (first, bits) = match prefix {
        IpNet::V4(v4) => (11, 32 - v4.prefix_len()),
        IpNet::V6(v6) => (0x11, 128 - v6.prefix_len()),
    };
    let size = 1_u128
        .checked_shl(u32::from(bits))
        .unwrap_or(u128::MAX)
        .min(MOST);
    let first = if size <= first {
        1.min(size - 1)
    } else {
        first
    };
    (first..size)
        .chain(0..first)
        .filter_map(move |number| after(prefix.network(), usize::try_from(number).ok()?))
        .filter(move |address| usable(*address, prefix).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().expect("a prefix")
    }

    #[test]
    fn last_octets_replace_those_of_the_network() {
        assert_eq!(
            address(".65", &[net("203.0.113.64/26")]),
            Ok(net("203.0.113.65/26"))
        );
        assert_eq!(
            address(".2.5", &[net("10.1.0.0/16")]),
            Ok(net("10.1.2.5/16"))
        );
        assert_eq!(
            address(".10", &[net("fd00::/64"), net("10.1.0.0/24")]),
            Ok(net("10.1.0.10/24"))
        );
        assert_eq!(
            address("fd00::5", &[net("fd00::/64")]),
            Ok(net("fd00::5/64"))
        );
        let outside = Wrong::Outside("203.0.113.5".parse().expect("address"));
        assert_eq!(address(".5", &[net("203.0.113.64/26")]), Err(outside));
        for wrong in [".", ".256", ".1.2.3.4.5", ".+5", "65", "host"] {
            assert_eq!(
                address(wrong, &[net("10.0.0.0/8")]),
                Err(Wrong::NoAddress),
                "{wrong}"
            );
        }
    }

    #[test]
    fn network_and_broadcast_are_no_hosts_but_in_a_31() {
        assert!(matches!(
            address(".0", &[net("10.0.0.0/24")]),
            Err(Wrong::Network(..))
        ));
        assert!(matches!(
            address(".255", &[net("10.0.0.0/24")]),
            Err(Wrong::Broadcast(..))
        ));
        assert!(address(".0", &[net("10.0.0.0/31")]).is_ok());
    }

    #[test]
    fn derived_addresses_start_at_eleven_and_use_small_prefixes_up() {
        let texts = |prefix: &str| -> Vec<String> {
            derivable(net(prefix))
                .take(3)
                .map(|a| a.to_string())
                .collect()
        };
        assert_eq!(
            texts("10.0.0.0/24"),
            ["10.0.0.11", "10.0.0.12", "10.0.0.13"]
        );
        assert_eq!(texts("203.0.113.0/30"), ["203.0.113.1", "203.0.113.2"]);
        assert_eq!(texts("10.0.0.0/31"), ["10.0.0.1", "10.0.0.0"]);
        assert_eq!(texts("fd00::/64"), ["fd00::11", "fd00::12", "fd00::13"]);
        assert_eq!(derivable(net("10.0.0.0/24")).count(), 254);
    }
}
