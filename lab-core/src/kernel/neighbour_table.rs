//! The table of IPv4 neighbours, which all namespaces of a host share.

use std::io;

const STATISTICS: &str = "/proc/net/stat/arp_cache";
const MOST: &str = "/proc/sys/net/ipv4/neigh/default/gc_thresh3";

/// How full it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeighbourTable {
    /// Neighbours in it.
    pub entries: u64,
    /// How many may be in it (arp(7), gc_thresh3); permanent ones do not count.
    pub most: u64,
    /// How often one found no room since the host started: who looked for it got no answer, or gave
    /// none.
    pub refused: u64,
}

/// How full it is now. To be called in the host's own network namespace.
///
/// # Errors
/// What the kernel says, or it writes its statistics in another form.
pub fn neighbour_table() -> io::Result<NeighbourTable> {
    let statistics = std::fs::read_to_string(STATISTICS)?;
    let most = std::fs::read_to_string(MOST)?;
    let most = most.trim().parse().map_err(io::Error::other)?;
    read(&statistics, most)
        .ok_or_else(|| io::Error::other(format!("{STATISTICS} has another form than expected")))
}

/// A line with the names of columns, and one in hexadecimal for each processor, of which each has
/// the number of all entries.
fn read(statistics: &str, most: u64) -> Option<NeighbourTable> {
    let mut lines = statistics.lines();
    let names: Vec<&str> = lines.next()?.split_whitespace().collect();
    let column = |name: &str| names.iter().position(|one| *one == name);
    let (entries_at, refused_at) = (column("entries")?, column("table_fulls")?);
    let (mut entries, mut refused) = (None, 0);
    for line in lines {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| u64::from_str_radix(fields.get(at)?, 16).ok();
        entries = Some(number(entries_at)?);
        refused += number(refused_at)?;
    }
    Some(NeighbourTable {
        entries: entries?,
        most,
        refused,
    })
}

#[cfg(test)]
mod tests {
    use super::{NeighbourTable, neighbour_table, read};

    #[test]
    fn processors_are_summed_up() {
        let text = "entries  allocs   table_fulls\n00000010 00000001 0000000a\n00000010 00000002 00000002\n";
        let table = NeighbourTable {
            entries: 16,
            most: 1024,
            refused: 12,
        };
        assert_eq!(read(text, 1024), Some(table));
        assert_eq!(read("entries  allocs\n00000010 00000001\n", 1024), None);
        assert_eq!(read("entries  table_fulls\n", 1024), None);
        assert_eq!(read("", 1024), None);
    }

    #[test]
    fn the_kernel_s_own_is_read() {
        neighbour_table().expect("the host has one");
    }
}
