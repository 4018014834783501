//! Packets of a running lab, each with the link that it passed.

use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};

use super::filter::{Condition, TooLong, program};
use super::links::{Link, Links};
use super::summary::{Direction, Headers, Sighting};
use super::target::{Selection, Target, Ways};
use crate::kernel::link_news::LinkNews;
use crate::kernel::packet::{Instruction, Packet, PacketSocket, Ring, RingSize, Statistics};
use crate::plan::Plan;

/// The loopback interface of every namespace.
const LOOPBACK: u32 = 1;
/// So many interfaces are told apart by the kernel, which limits the memory of filters
/// (net.core.optmem_max, 20 kB on older kernels); of more, it hands over all.
const MOST_ENDS: usize = 100;

/// A packet that was seen.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// On this link; a loopback has the segment `lo`.
    pub link: &'a Link,
    /// Which way, as the link's node sees it.
    pub direction: Direction,
    /// The packet.
    pub packet: Packet<'a>,
}

impl Seen<'_> {
    /// What its headers say.
    pub fn sighting(&self) -> Sighting {
        let mut headers = Headers::of(self.packet.bytes, self.packet.length);
        if let Some((_, tag)) = self.packet.vlan {
            headers.vlan.get_or_insert(tag & 0xfff);
        }
        Sighting {
            time: self.packet.time,
            link: self.link.clone(),
            direction: self.direction,
            headers,
        }
    }
}

/// What is to be captured.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Where.
    pub target: Target,
    /// Which packets.
    pub filter: Condition,
    /// Most bytes of each.
    pub snaplen: u32,
    /// How much is kept for a slow reader.
    pub ring: RingSize,
}

/// Who captures.
pub trait Watcher {
    /// What can go wrong with it.
    type Error: From<io::Error>;

    /// The plan in force: an interface came that is of none of the links known.
    ///
    /// # Errors
    /// It can't be had.
    fn plan(&mut self) -> Result<Plan, Self::Error>;

    /// A packet was seen; `Break` ends the reading.
    ///
    /// # Errors
    /// What went wrong with it.
    fn seen(&mut self, seen: &Seen<'_>) -> Result<ControlFlow<()>, Self::Error>;
}

/// What a look at the ring gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Nothing is there now.
    Nothing,
    /// A block; there may be more.
    Some,
    /// The watcher has seen enough.
    Enough,
}

/// A capture that runs.
#[derive(Debug)]
pub struct Capture {
    ring: Ring,
    news: LinkNews,
    links: Links,
    wanted: Wanted,
    /// The one link there is, where a loopback is watched.
    loopback: Option<Link>,
}

impl Capture {
    /// Begins, with sockets from [`RunningLab::tap`](crate::run::client::RunningLab::tap): the
    /// filter stands before the first packet.
    ///
    /// # Errors
    /// The filter is too long, or what the kernel says.
    pub fn begin(
        packets: PacketSocket,
        news: LinkNews,
        plan: &Plan,
        wanted: Wanted,
    ) -> io::Result<Self> {
        let mut links = Links::of(plan);
        links.learn(news.read()?);
        let loopback = match &wanted.target {
            Target::Loopback(node) => Some(Link {
                node: node.clone(),
                segment: "lo".into(),
            }),
            Target::Links(_) => None,
        };
        packets.set_filter(&filter(&wanted, &links)?)?;
        if loopback.is_some() {
            packets.ignore_outgoing()?;
        }
        let interface = loopback.is_some().then_some(LOOPBACK);
        let ring = packets.listen(interface, wanted.ring)?;
        Ok(Self {
            ring,
            news,
            links,
            wanted,
            loopback,
        })
    }

    /// Readable when packets are there.
    pub fn packets(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }

    /// Readable when interfaces came or went: [`Self::learn`] is due.
    pub fn news(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }

    /// The links that are watched, as far as they are known.
    pub fn links(&self) -> Vec<Link> {
        match (&self.loopback, &self.wanted.target) {
            (Some(loopback), _) => vec![loopback.clone()],
            (None, Target::Links(selection)) => {
                let wanted = self
                    .links
                    .all()
                    .filter(|link| selection.wants(link).is_some());
                wanted.cloned().collect()
            }
            (None, Target::Loopback(_)) => Vec::new(),
        }
    }

    /// Takes notice of interfaces that came: a node started again has new ones. Until then, the
    /// filter lets through all that pass them.
    ///
    /// # Errors
    /// What the kernel or the watcher says.
    pub fn learn<W: Watcher>(&mut self, watcher: &mut W) -> Result<(), W::Error> {
        if learn(&self.news, &mut self.links, watcher)? {
            self.narrow()?;
        }
        Ok(())
    }

    /// Leaves out the packets of interfaces that have become known and are not wanted.
    fn narrow(&self) -> io::Result<()> {
        let filter = filter(&self.wanted, &self.links)?;
        if let Err(error) = self.ring.set_filter(&filter) {
            // The old one lets through what it does not know: it costs more, and loses nothing.
            tracing::debug!("the filter of the capture stays as it was: {error}");
        }
        Ok(())
    }

    /// Hands out the oldest block that has come; does not wait.
    ///
    /// # Errors
    /// What the kernel or the watcher says.
    pub fn read<W: Watcher>(&mut self, watcher: &mut W) -> Result<Read, W::Error> {
        let Some(block) = self.ring.next_block() else {
            return Ok(Read::Nothing);
        };
        let mut learned = false;
        for packet in block.packets() {
            let seen = match (&self.loopback, &self.wanted.target) {
                (Some(link), _) => Some(Seen {
                    link,
                    direction: Direction::In,
                    packet,
                }),
                (None, Target::Loopback(_)) => None,
                (None, Target::Links(selection)) => {
                    if packet.interface > self.links.highest() {
                        learned |= learn(&self.news, &mut self.links, watcher)?;
                    }
                    on_link(selection, &self.links, packet)
                }
            };
            if let Some(seen) = seen
                && watcher.seen(&seen)?.is_break()
            {
                return Ok(Read::Enough);
            }
        }
        drop(block);
        if learned {
            self.narrow()?;
        }
        Ok(Read::Some)
    }

    /// From now on nothing more comes; what has come is still to be read, the last of it within
    /// the ring's patience.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn close(&mut self) -> io::Result<()> {
        let nothing = program(&Condition::always(), 0).map_err(io::Error::other)?;
        self.ring.set_filter(&nothing)
    }

    /// What the kernel has counted.
    ///
    /// # Errors
    /// What getsockopt(2) says.
    pub fn statistics(&mut self) -> io::Result<Statistics> {
        self.ring.statistics()
    }
}

/// True where something new is known.
fn learn<W: Watcher>(
    news: &LinkNews,
    links: &mut Links,
    watcher: &mut W,
) -> Result<bool, W::Error> {
    let mut fresh = news.read()?;
    fresh.retain(|news| !links.knows(news.index));
    if fresh.is_empty() {
        return Ok(false);
    }
    let indexes: Vec<u32> = fresh.iter().map(|news| news.index).collect();
    links.learn(fresh);
    // The plan in force changes before what it describes is built: it knows by now.
    if indexes.iter().any(|index| links.link(*index).is_none()) {
        links.replan(&watcher.plan()?);
    }
    Ok(true)
}

/// A packet with its link, if that is wanted.
fn on_link<'a>(selection: &Selection, links: &'a Links, packet: Packet<'a>) -> Option<Seen<'a>> {
    let link = links.link(packet.interface)?;
    match selection.wants(link)? {
        Ways::Out if packet.outgoing => None,
        _ => Some(Seen {
            link,
            // What the fabric's end sends, the node receives.
            direction: if packet.outgoing {
                Direction::In
            } else {
                Direction::Out
            },
            packet,
        }),
    }
}

fn filter(wanted: &Wanted, links: &Links) -> io::Result<Vec<Instruction>> {
    let here = match &wanted.target {
        Target::Loopback(_) => Condition::always(),
        Target::Links(selection) => of_links(selection, links),
    };
    let condition = here.and(wanted.filter.clone());
    program(&condition, wanted.snaplen)
        .map_err(|error: TooLong| io::Error::new(io::ErrorKind::InvalidInput, error))
}

/// The interfaces that are wanted, and all that come later, whose links are not known yet.
fn of_links(selection: &Selection, links: &Links) -> Condition {
    if selection.is_all() {
        return Condition::received();
    }
    let ends: Vec<Condition> = links
        .ends()
        .filter_map(|(index, link)| {
            let end = Condition::interface(index);
            Some(match selection.wants(link)? {
                Ways::Both => end,
                Ways::Out => end.and(Condition::received()),
            })
        })
        .collect();
    if ends.len() > MOST_ENDS {
        return Condition::always();
    }
    let later = Condition::interface_from(links.highest() + 1);
    ends.into_iter().fold(later, Condition::or)
}
