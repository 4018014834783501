//! Interfaces of a namespace as they come, told by the kernel (rtnetlink(7)).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    socket,
};
use rtnetlink::packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::link::{LinkAttribute, LinkMessage};
use rtnetlink::packet_route::{AddressFamily as Family, RouteNetlinkMessage};

/// Group of the news about links, as a bit (RTMGRP_LINK).
const LINK_GROUP: u32 = 1;
/// The kernel sends a dump in parts of 32 kB at most.
const MESSAGES: usize = 64 * 1024;
/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;

/// An interface that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
}

/// A socket that hears of new interfaces. It belongs to the namespace it was made in, wherever its
/// descriptor goes.
#[derive(Debug)]
pub struct LinkNews {
    fd: OwnedFd,
}

impl LinkNews {
    /// Makes one in the calling thread's network namespace. It first tells of what is there.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            flags,
            SockProtocol::NetlinkRoute,
        )?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, LINK_GROUP))?;
        let news = Self { fd };
        news.ask()?;
        Ok(news)
    }

    /// From a descriptor of one, as it came from another process.
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Asks for all interfaces that are there.
    fn ask(&self) -> io::Result<()> {
        let all = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let mut message = NetlinkMessage::from(all);
        message.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        send(self.fd.as_raw_fd(), &bytes, MsgFlags::empty())?;
        Ok(())
    }

    /// What came since the last look; does not wait.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn read(&self) -> io::Result<Vec<News>> {
        let mut found = Vec::new();
        let mut bytes = vec![0; MESSAGES];
        loop {
            match recv(self.fd.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
                Ok(length) => collect(&bytes[..length], &mut found),
                Err(nix::errno::Errno::EINTR) => {}
                Err(nix::errno::Errno::EAGAIN) => return Ok(found),
                // Something was lost: a look at all makes up for it.
                Err(nix::errno::Errno::ENOBUFS) => self.ask()?,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for LinkNews {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn collect(mut bytes: &[u8], found: &mut Vec<News>) {
    while let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes) {
        let length = (message.header.length as usize).next_multiple_of(4);
        if let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) = message.payload
            // A bridge tells of its ports, too, in a family of its own.
            && link.header.interface_family == Family::Unspec
        {
            let name = link.attributes.into_iter().find_map(|found| match found {
                LinkAttribute::IfName(name) => Some(name),
                _ => None,
            });
            found.extend(name.map(|name| News {
                index: link.header.index,
                name,
            }));
        }
        match bytes.get(length.max(HEADER)..) {
            Some(rest) if !rest.is_empty() => bytes = rest,
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{connected, in_own_network, link, new_fabric};
    use super::{LinkNews, News};

    #[test]
    fn what_is_there_and_what_comes_is_told() {
        in_own_network(
            module_path!(),
            "what_is_there_and_what_comes_is_told",
            || async {
                let fabric = new_fabric(&["s"]).await?;
                let _first = connected(&fabric, &[link("s", &["10.0.0.1/24"])], &[]).await?;
                let news = fabric.namespace().within(LinkNews::open)?;
                let names = |news: Vec<News>| -> Vec<String> {
                    news.into_iter().map(|news| news.name).collect()
                };
                let found = names(news.read()?);
                for name in ["lo", "s", "s-1"] {
                    assert!(found.iter().any(|found| found == name), "{found:?}");
                }
                let _second = connected(&fabric, &[link("s", &["10.0.0.2/24"])], &[]).await?;
                let found = names(news.read()?);
                assert!(found.iter().any(|found| found == "s-2"), "{found:?}");
                assert!(news.read()?.is_empty());
                Ok(())
            },
        );
    }
}
