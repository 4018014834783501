//! The heads of conversations: frames that begin and end them, as they pass through a namespace's
//! interfaces (packet(7)). Read one by one, so that who has read all there is has missed nothing.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::libc;
use nix::sys::socket::{ControlMessageOwned, LinkAddr, MsgFlags, recvmsg, setsockopt, sockopt};

use super::netns::NetNs;
use super::packet::{self, Instruction, PacketSocket};

/// Bytes of frames that may wait, if the host lets.
const WAITING: usize = 8 << 20;
/// Bytes of a frame that are kept where headers alone are wanted: Ethernet, an IPv6 header, an
/// ICMPv6 header and the IPv6 and TCP headers of the packet it is about, with room for options.
const HEADERS: u32 = 192;

/// A packet socket on all interfaces of a namespace that hears what begins and ends conversations:
/// TCP packets with SYN, FIN or RST set, all other packets of IP, and ARP.
#[derive(Debug)]
pub struct Heads {
    socket: OwnedFd,
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Index of the interface.
    pub interface: u32,
    /// It was sent out by the interface, not received.
    pub outgoing: bool,
    /// Microseconds since the Unix epoch.
    pub at: u64,
    /// The frame, perhaps cut short.
    pub bytes: Vec<u8>,
}

impl Heads {
    /// Opens one.
    ///
    /// # Errors
    /// `EPERM` without CAP_NET_RAW in the namespace.
    pub fn open(namespace: &NetNs) -> io::Result<Self> {
        namespace.within(|| {
            let socket = PacketSocket::open()?;
            socket.set_filter(&program())?;
            let socket = socket.into_fd();
            // The first is allowed to root of the host alone, the second is cut down to
            // net.core.rmem_max. What does not fit is counted.
            if setsockopt(&socket, sockopt::RcvBufForce, &WAITING).is_err() {
                setsockopt(&socket, sockopt::RcvBuf, &WAITING)?;
            }
            setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
            packet::bind(&socket, 0)?;
            Ok(Self { socket })
        })
    }

    /// From the descriptor of one.
    pub fn from_fd(socket: OwnedFd) -> Self {
        Self { socket }
    }

    /// The next frame; none when none waits.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn read(&self) -> io::Result<Option<Frame>> {
        let mut bytes = vec![0; 2048];
        let mut slices = [IoSliceMut::new(&mut bytes)];
        let mut space = nix::cmsg_space!(nix::sys::time::TimeSpec);
        let message = recvmsg::<LinkAddr>(
            self.socket.as_raw_fd(),
            &mut slices,
            Some(&mut space),
            MsgFlags::empty(),
        );
        let message = match message {
            Ok(message) => message,
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => return Ok(None),
            // An interface went down or away; the others go on.
            Err(nix::errno::Errno::ENETDOWN) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let at = message
            .cmsgs()?
            .find_map(|control| match control {
                ControlMessageOwned::ScmTimestampns(time) => {
                    let seconds = u64::try_from(time.tv_sec()).ok()?;
                    let nanos = u64::try_from(time.tv_nsec()).ok()?;
                    Some(seconds * 1_000_000 + nanos / 1000)
                }
                _ => None,
            })
            .unwrap_or_default();
        let from = message.address;
        let length = message.bytes;
        bytes.truncate(length);
        Ok(from.map(|from| Frame {
            interface: u32::try_from(from.ifindex()).unwrap_or_default(),
            outgoing: from.pkttype() == libc::PACKET_OUTGOING,
            at,
            bytes,
        }))
    }

    /// How many frames found no room since this was asked last.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn take_lost(&self) -> io::Result<u64> {
        packet::statistics_of(&self.socket).map(|(_, lost)| lost)
    }
}

impl AsFd for Heads {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The filter, in classic BPF.
fn program() -> Vec<Instruction> {
    const LOAD_HALF: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16;
    const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
    const LOAD_BYTE_BEHIND: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_IND) as u16;
    const LOAD_HEADER_LENGTH: u16 = (libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const ANY_BIT: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    const TCP: u32 = 6;
    const FIN_SYN_RST: u32 = 0x07;
    let step = |code, value, yes, no| Instruction {
        code,
        yes,
        no,
        value,
    };
    vec![
        step(LOAD_HALF, 12, 0, 0),
        step(EQUAL, 0x0800, 0, 7), // IPv4, else 9
        step(LOAD_BYTE, 23, 0, 0),
        step(EQUAL, TCP, 0, 11), // else 15: keep
        step(LOAD_HALF, 20, 0, 0),
        step(ANY_BIT, 0x1fff, 10, 0), // a later fragment: 16
        step(LOAD_HEADER_LENGTH, 14, 0, 0),
        step(LOAD_BYTE_BEHIND, 14 + 13, 0, 0),
        step(ANY_BIT, FIN_SYN_RST, 6, 7), // 15 or 16
        step(EQUAL, 0x86dd, 0, 4),        // IPv6, else 14
        step(LOAD_BYTE, 20, 0, 0),
        step(EQUAL, TCP, 0, 3), // else 15: keep
        step(LOAD_BYTE, 14 + 40 + 13, 0, 0),
        step(ANY_BIT, FIN_SYN_RST, 1, 2), // 15 or 16
        step(EQUAL, 0x0806, 0, 1),        // ARP, else 16
        step(RETURN, HEADERS, 0, 0),      // 15: keep
        step(RETURN, 0, 0, 0),            // 16: drop
    ]
}
