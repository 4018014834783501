//! Netlink requests: sent together, answered one by one, refused in words.

use std::io;

use futures::StreamExt;
use nix::libc;
use rtnetlink::packet_core::{
    ErrorMessage, NLM_F_ACK, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{LinkAttribute, LinkMessage};

use super::{MAX_IN_FLIGHT, Network};

/// One request.
pub(super) struct Request {
    what: String,
    message: RouteNetlinkMessage,
    flags: u16,
    satisfied_by: &'static [i32],
}

impl Request {
    /// `what` completes "the kernel refused …".
    pub fn new(what: impl Into<String>, message: RouteNetlinkMessage, flags: u16) -> Self {
        Self {
            what: what.into(),
            message,
            flags: flags | NLM_F_REQUEST | NLM_F_ACK,
            satisfied_by: &[],
        }
    }

    /// These refusals mean that all is as it was wanted.
    pub fn satisfied_by(mut self, errors: &'static [i32]) -> Self {
        self.satisfied_by = errors;
        self
    }
}

/// What the kernel would not do, and why.
#[derive(Debug)]
pub(super) struct Refused {
    what: String,
    errno: i32,
    words: Option<String>,
}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        let Refused { what, errno, words } = refused;
        let error = io::Error::from_raw_os_error(errno);
        let words = words.map(|words| format!(" ({words})")).unwrap_or_default();
        io::Error::new(
            error.kind(),
            format!("the kernel refused {what}: {error}{words}"),
        )
    }
}

impl Network {
    /// Sends requests in their order, not waiting in between, and waits for all answers.
    ///
    /// # Errors
    /// The first refusal. Those after it were tried all the same.
    pub(super) async fn ask(&self, requests: Vec<Request>) -> io::Result<()> {
        let mut first = Ok(());
        let mut requests = requests.into_iter().peekable();
        while requests.peek().is_some() {
            let together: Vec<Request> = requests.by_ref().take(MAX_IN_FLIGHT).collect();
            let permits = u32::try_from(together.len()).unwrap_or(u32::MAX);
            let permit = self
                .in_flight
                .acquire_many(permits)
                .await
                .map_err(io::Error::other)?;
            let sent: Vec<_> = together
                .into_iter()
                .map(|request| self.send(request))
                .collect();
            for answer in sent {
                let answer = answer.await;
                first = first.and(answer);
            }
            drop(permit);
        }
        first
    }

    /// Sends at once; the answer is waited for in the future given back.
    fn send(&self, request: Request) -> impl Future<Output = io::Result<()>> + use<> {
        let Request {
            what,
            message,
            flags,
            satisfied_by,
        } = request;
        let mut message = NetlinkMessage::from(message);
        message.header.flags = flags;
        let sent = self.handle.clone().request(message);
        async move {
            let closed = || io::Error::other("the netlink socket was closed");
            let mut answers = sent.map_err(|_| closed())?;
            while let Some(answer) = answers.next().await {
                if let NetlinkPayload::Error(error) = answer.payload
                    && error.code.is_some()
                {
                    let errno = error.raw_code().saturating_abs();
                    if !satisfied_by.contains(&errno) {
                        return Err(Refused {
                            what,
                            errno,
                            words: words(&error),
                        }
                        .into());
                    }
                }
            }
            Ok(())
        }
    }

    /// The index of an interface.
    ///
    /// # Errors
    /// There is none of that name.
    pub(super) async fn index_of(&self, name: &str) -> io::Result<u32> {
        let mut message = LinkMessage::default();
        message
            .attributes
            .push(LinkAttribute::IfName(name.to_owned()));
        let found = self.find(message, name).await?;
        Ok(found.header.index)
    }

    /// The interface that a message names; `name` is what to call it in an error.
    ///
    /// # Errors
    /// There is none.
    pub(super) async fn find(&self, message: LinkMessage, name: &str) -> io::Result<LinkMessage> {
        let mut message = NetlinkMessage::from(RouteNetlinkMessage::GetLink(message));
        message.header.flags = NLM_F_REQUEST;
        let refused = |errno, words| Refused {
            what: format!("to find the interface {name}"),
            errno,
            words,
        };
        let mut answers = self
            .handle
            .clone()
            .request(message)
            .map_err(|_| refused(libc::ENOTCONN, None))?;
        match answers.next().await.map(|answer| answer.payload) {
            Some(NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link))) => Ok(link),
            Some(NetlinkPayload::Error(error)) => {
                Err(refused(error.raw_code().saturating_abs(), words(&error)).into())
            }
            _ => Err(refused(libc::ENODEV, None).into()),
        }
    }
    /// MTU and hardware address of an interface.
    #[cfg(test)]
    pub(super) async fn link_of(&self, name: &str) -> io::Result<(u32, String)> {
        let mut found = (0, String::new());
        let mut message = LinkMessage::default();
        message.header.index = self.index_of(name).await?;
        for attribute in self.find(message, name).await?.attributes {
            match attribute {
                LinkAttribute::Mtu(mtu) => found.0 = mtu,
                LinkAttribute::Address(bytes) => {
                    let bytes: Vec<String> =
                        bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                    found.1 = bytes.join(":");
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

/// The kernel's own words about a refusal: the string attribute NLMSGERR_ATTR_MSG behind the
/// header of the request (linux/netlink.h), which some refusals carry.
fn words(error: &ErrorMessage) -> Option<String> {
    const HEADER: usize = 16;
    words_in(error.header.get(HEADER..)?)
}

/// The string attribute NLMSGERR_ATTR_MSG among netlink attributes as they lie in memory.
pub fn words_in(mut rest: &[u8]) -> Option<String> {
    const NLMSGERR_ATTR_MSG: u16 = 1;
    while let [a, b, c, d, ..] = *rest {
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let value = rest.get(4..length)?;
        if u16::from_ne_bytes([c, d]) == NLMSGERR_ATTR_MSG {
            return Some(
                String::from_utf8_lossy(value)
                    .trim_end_matches('\0')
                    .to_owned(),
            );
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(tail: &[u8]) -> ErrorMessage {
        let mut error = ErrorMessage::default();
        error.header = [&[0; 16], tail].concat();
        error
    }

    #[test]
    fn the_kernels_words_are_found_behind_other_attributes() {
        let mut tail = vec![8, 0, 2, 0, 1, 2, 3, 4];
        tail.extend([7, 0, 1, 0, b'h', b'i', 0, 0]);
        assert_eq!(words(&error(&tail)).as_deref(), Some("hi"));
    }

    #[test]
    fn attributes_cut_short_give_no_words() {
        for tail in [
            &[][..],
            &[9, 0],
            &[9, 0, 1, 0, b'h'],
            &[0, 0, 1, 0],
            &[3, 0, 1, 0, 0, 0, 0, 0],
        ] {
            assert_eq!(words(&error(tail)), None, "{tail:?}");
        }
    }
}
