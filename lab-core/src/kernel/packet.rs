//! Packets as they pass the interfaces of a namespace (packet(7)), read from a ring that the
//! kernel fills and this process maps: no system call and no copy a packet.
//!
//! The layout is TPACKET_V3 of linux/if_packet.h: a ring of blocks, each with a header and a chain
//! of frames. The kernel hands a block over when it is full or has waited long enough, and loses
//! packets, counted, while it owns none.
#![allow(unsafe_code)]

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// Bytes of a block. A frame must fit: 64 kB where segmentation is left to a card that is none.
const BLOCK: usize = 128 * 1024;
/// The kernel wants one; frames in blocks are as long as they are.
const FRAME: usize = 2048;
/// `tpacket_block_desc`: where its status, number of packets and first packet stand.
const BLOCK_STATUS: usize = 8;
const BLOCK_PACKETS: usize = 12;
const BLOCK_FIRST: usize = 16;
/// Bytes of `tpacket3_hdr`; a `sockaddr_ll` follows.
const HEADER: usize = size_of::<libc::tpacket3_hdr>();
/// Tag of a VLAN frame where the kernel names none (IEEE 802.1Q).
const TAG: u16 = 0x8100;

/// One instruction of a filter: classic BPF as SO_ATTACH_FILTER takes it (`struct sock_filter`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// What it does: `BPF_LD | BPF_H | BPF_ABS`, …
    pub code: u16,
    /// Instructions to leap where a test holds.
    pub yes: u8,
    /// Instructions to leap where it does not.
    pub no: u8,
    /// Operand.
    pub value: u32,
}

/// Most instructions of a filter (BPF_MAXINSNS).
pub const MAX_INSTRUCTIONS: usize = 4096;

/// How much is kept for a reader that is slow, and how long a packet may wait for company.
#[derive(Clone, Copy, Debug)]
pub struct RingSize {
    /// Bytes; rounded up to blocks of 128 kB, two at least.
    pub bytes: usize,
    /// Longest time between a packet's coming and its being readable; rounded up to milliseconds.
    pub patience: Duration,
}

impl Default for RingSize {
    fn default() -> Self {
        Self {
            bytes: 16 << 20,
            patience: Duration::from_millis(20),
        }
    }
}

/// A packet socket that hears nothing yet. It belongs to the namespace it was made in, wherever
/// its descriptor goes.
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
}

impl PacketSocket {
    /// Makes one in the calling thread's network namespace.
    ///
    /// # Errors
    /// What socket(2) says: the caller has no CAP_NET_RAW there, or the kernel no packet sockets.
    pub fn open() -> io::Result<Self> {
        // Protocol 0: no packet comes in before it is bound, so none slips past the filter.
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
        Ok(Self { fd })
    }

    /// From a descriptor of one, as it came from another process.
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Its descriptor.
    pub(super) fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// Lets through only what a filter accepts, and of that so many bytes as it says. Replaces the
    /// filter that was there, with no packet between the two.
    ///
    /// # Errors
    /// The kernel finds the program wrong (`EINVAL`): it may leap or load out of bounds.
    pub fn set_filter(&self, program: &[Instruction]) -> io::Result<()> {
        set_filter(&self.fd, program)
    }

    /// Hears only what interfaces receive. On a bridge's ports that is each frame once; on a
    /// loopback, too.
    ///
    /// # Errors
    /// The kernel is older than 4.20.
    pub fn ignore_outgoing(&self) -> io::Result<()> {
        set_option(&self.fd, libc::PACKET_IGNORE_OUTGOING, &1i32)
            .map_err(|error| said("to leave out what goes out", &error))
    }

    /// Begins to hear: one interface, or all of the namespace, also those to come.
    ///
    /// # Errors
    /// There is no memory for the ring, or no such interface.
    pub fn listen(self, interface: Option<u32>, size: RingSize) -> io::Result<Ring> {
        set_option(
            &self.fd,
            libc::PACKET_VERSION,
            &(libc::tpacket_versions::TPACKET_V3 as libc::c_int),
        )
        .map_err(|error| said("a ring of blocks", &error))?;
        let blocks = size.bytes.div_ceil(BLOCK).max(2);
        let length = blocks * BLOCK;
        let patience = size.patience.as_micros().div_ceil(1000).max(1);
        let request = libc::tpacket_req3 {
            tp_block_size: BLOCK as u32,
            tp_block_nr: u32::try_from(blocks).map_err(io::Error::other)?,
            tp_frame_size: FRAME as u32,
            tp_frame_nr: u32::try_from(length / FRAME).map_err(io::Error::other)?,
            tp_retire_blk_tov: u32::try_from(patience).map_err(io::Error::other)?,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        set_option(&self.fd, libc::PACKET_RX_RING, &request)
            .map_err(|error| said(&format!("a ring of {length} bytes"), &error))?;
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                self.fd.as_raw_fd(),
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(said("to map the ring", &io::Error::last_os_error()));
        }
        let memory = NonNull::new(memory).ok_or(io::ErrorKind::OutOfMemory)?;
        let ring = Ring {
            socket: self.fd,
            memory: memory.cast(),
            blocks,
            next: 0,
            statistics: Statistics::default(),
        };
        bind(&ring.socket, interface.unwrap_or(0))?;
        Ok(ring)
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What a socket has heard since it was bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Packets that the filter accepted, the lost ones included.
    pub packets: u64,
    /// Of these, packets lost because the ring was full.
    pub drops: u64,
}

/// A packet socket that hears, and its ring. Readable (poll(2)) when a block is.
#[derive(Debug)]
pub struct Ring {
    socket: OwnedFd,
    memory: NonNull<u8>,
    blocks: usize,
    next: usize,
    statistics: Statistics,
}

// SAFETY: the mapping belongs to the ring alone, and is read through it alone.
unsafe impl Send for Ring {}

impl Ring {
    /// See [`PacketSocket::set_filter`].
    ///
    /// # Errors
    /// As there.
    pub fn set_filter(&self, program: &[Instruction]) -> io::Result<()> {
        set_filter(&self.socket, program)
    }

    /// The oldest block that was not read yet; the kernel gets it back when it is dropped. None
    /// where there is nothing to read now.
    pub fn next_block(&mut self) -> Option<Block<'_>> {
        // SAFETY: `next` is below `blocks`, so the block lies in the mapping.
        let start = unsafe { self.memory.add(self.next * BLOCK) };
        // SAFETY: the mapping is aligned to pages, and both sides use this word atomically.
        let status = unsafe { AtomicU32::from_ptr(start.add(BLOCK_STATUS).cast().as_ptr()) };
        if status.load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            return None;
        }
        self.next = (self.next + 1) % self.blocks;
        // SAFETY: until its status says otherwise, the kernel leaves the block to us.
        let bytes = unsafe { std::slice::from_raw_parts(start.as_ptr(), BLOCK) };
        Some(Block { status, bytes })
    }

    /// What the socket has heard since it was bound.
    ///
    /// # Errors
    /// What getsockopt(2) says.
    pub fn statistics(&mut self) -> io::Result<Statistics> {
        let (packets, drops) = statistics_of(&self.socket)?;
        // The kernel begins anew with each look.
        self.statistics.packets += packets;
        self.statistics.drops += drops;
        Ok(self.statistics)
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping is this long, and no block outlives the ring.
        let _ = unsafe { libc::munmap(self.memory.as_ptr().cast(), self.blocks * BLOCK) };
    }
}

/// Packets that the kernel handed over together, the oldest first.
#[derive(Debug)]
pub struct Block<'ring> {
    status: &'ring AtomicU32,
    bytes: &'ring [u8],
}

impl Block<'_> {
    /// Its packets.
    pub fn packets(&self) -> Packets<'_> {
        Packets {
            block: self.bytes,
            at: word(self.bytes, BLOCK_FIRST) as usize,
            left: word(self.bytes, BLOCK_PACKETS),
        }
    }
}

impl Drop for Block<'_> {
    fn drop(&mut self) {
        self.status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
    }
}

/// The packets of a block.
#[derive(Debug)]
pub struct Packets<'block> {
    block: &'block [u8],
    at: usize,
    left: u32,
}

impl<'block> Iterator for Packets<'block> {
    type Item = Packet<'block>;

    fn next(&mut self) -> Option<Packet<'block>> {
        self.left = self.left.checked_sub(1)?;
        let header = self.block.get(self.at..)?;
        let packet = read(header)?;
        self.at += word(header, 0) as usize;
        Some(packet)
    }
}

/// A packet on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'block> {
    /// Nanoseconds since the Unix epoch.
    pub time: u64,
    /// Index of the interface.
    pub interface: u32,
    /// The interface sends it; else it has received it.
    pub outgoing: bool,
    /// The frame from its Ethernet header on, as much of it as the filter let through. A VLAN tag
    /// that the kernel took out is in `vlan`.
    pub bytes: &'block [u8],
    /// Length of the whole frame in bytes. One that the sender's kernel left to the card to cut
    /// into pieces is longer than the link's MTU.
    pub length: u32,
    /// The sender's kernel left the checksum of TCP or UDP to the card: what stands there is the
    /// sum of the pseudo header only.
    pub checksum_pending: bool,
    /// Tag protocol and tag control information of a VLAN (IEEE 802.1Q).
    pub vlan: Option<(u16, u16)>,
}

/// A packet at its `tpacket3_hdr`; none where the header leads out of the block.
fn read(header: &[u8]) -> Option<Packet<'_>> {
    // struct sockaddr_ll follows: interface at 4, kind of packet at 10.
    if header.len() < HEADER + 20 {
        return None;
    }
    let status = word(header, 20);
    let start = usize::from(half(header, 24));
    let bytes = header.get(start..)?.get(..word(header, 12) as usize)?;
    let tag = (status & libc::TP_STATUS_VLAN_VALID != 0).then(|| {
        let named = status & libc::TP_STATUS_VLAN_TPID_VALID != 0;
        let protocol = if named { half(header, 36) } else { TAG };
        (protocol, word(header, 32) as u16)
    });
    Some(Packet {
        time: u64::from(word(header, 4)) * 1_000_000_000 + u64::from(word(header, 8)),
        interface: word(header, HEADER + 4),
        outgoing: header[HEADER + 10] == libc::PACKET_OUTGOING,
        bytes,
        length: word(header, 16),
        checksum_pending: status & libc::TP_STATUS_CSUMNOTREADY != 0,
        vlan: tag,
    })
}

/// The word at a place, in the machine's order; zero outside.
fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
    word.map_or(0, |word| u32::from_ne_bytes(*word))
}

fn half(bytes: &[u8], at: usize) -> u16 {
    let half = bytes.get(at..).and_then(<[u8]>::first_chunk);
    half.map_or(0, |half| u16::from_ne_bytes(*half))
}

/// Begins to hear an interface; 0 is all of the namespace, also those to come.
pub(super) fn bind(socket: &OwnedFd, interface: u32) -> io::Result<()> {
    // SAFETY: all zero is a value of this plain structure.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = i32::try_from(interface).map_err(io::Error::other)?;
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    let from = (&raw const address).cast();
    // SAFETY: the address outlives the call, and its length is told.
    match unsafe { libc::bind(socket.as_raw_fd(), from, length) } {
        -1 => Err(said("to hear that interface", &io::Error::last_os_error())),
        _ => Ok(()),
    }
}

/// Packets that the filter accepted since the last look, and how many of them were lost.
pub(super) fn statistics_of(socket: &OwnedFd) -> io::Result<(u64, u64)> {
    // SAFETY: all zero is a value of this plain structure.
    let mut raw: libc::tpacket_stats_v3 = unsafe { std::mem::zeroed() };
    // A socket without a ring fills in the first two fields only.
    let mut length = size_of::<libc::tpacket_stats_v3>() as libc::socklen_t;
    // SAFETY: the option is written into `raw`, which is as long as told.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut raw).cast(),
            &raw mut length,
        )
    };
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok((raw.tp_packets.into(), raw.tp_drops.into())),
    }
}

fn set_filter(fd: &OwnedFd, program: &[Instruction]) -> io::Result<()> {
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(io::Error::other)?,
        // The kernel only reads it.
        filter: program.as_ptr().cast_mut().cast(),
    };
    // SAFETY: Instruction has the layout of sock_filter, and the program outlives the call, which
    // copies it.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const filter).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    match result {
        -1 => Err(said(
            &format!("a filter of {} instructions", program.len()),
            &io::Error::last_os_error(),
        )),
        _ => Ok(()),
    }
}

fn set_option<T>(fd: &OwnedFd, option: libc::c_int, value: &T) -> io::Result<()> {
    // SAFETY: the value outlives the call, and its length is told.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_PACKET,
            option,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// A refusal with what it was that was refused.
fn said(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("the kernel refused {what}: {error}"))
}

#[cfg(test)]
mod tests;
