//! Where a service tells what it does, for those who watch.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

use crate::observe::{Deed, Span, Tuple, now};

/// Spans that may wait to be sent; more are lost, and counted.
const WAITING: usize = 4096;

/// How much those who watch want to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Watched {
    /// Nobody watches.
    #[default]
    No,
    /// What it does.
    Deeds,
    /// The secrets of its TLS connections, too.
    Keys,
}

/// Tells what a service does. While nobody watches it costs a look at a flag.
#[derive(Clone, Debug)]
pub struct Spans {
    watched: watch::Receiver<Watched>,
    outward: mpsc::Sender<Item>,
    lost: Arc<AtomicU64>,
}

/// What comes out at the other end.
#[derive(Debug, PartialEq, Eq)]
pub enum Item {
    /// Something was done.
    Span(Box<Span>),
    /// A line of an SSLKEYLOGFILE.
    Key(String),
    /// [`Spans::mark`] was called here.
    Mark,
}

/// The other end of [`Spans`].
#[derive(Debug)]
pub struct Told {
    items: mpsc::Receiver<Item>,
    lost: Arc<AtomicU64>,
}

impl Spans {
    /// Both ends; `watched` says whether anybody wants to know.
    pub fn channel(watched: watch::Receiver<Watched>) -> (Self, Told) {
        let (outward, items) = mpsc::channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let told = Told {
            items,
            lost: lost.clone(),
        };
        let spans = Self {
            watched,
            outward,
            lost,
        };
        (spans, told)
    }

    /// Nobody will ever watch.
    pub fn unwatched() -> Self {
        Self::channel(watch::channel(Watched::No).1).0
    }

    /// Whether somebody watches.
    pub fn watched(&self) -> bool {
        *self.watched.borrow() >= Watched::Deeds
    }

    /// Whether somebody wants the secrets of TLS connections.
    pub fn wants_keys(&self) -> bool {
        *self.watched.borrow() >= Watched::Keys
    }

    /// Tells a secret of a TLS connection: a line of an SSLKEYLOGFILE (RFC 9850). Told to those
    /// alone who asked for it.
    pub fn key(&self, line: String) {
        if self.wants_keys() && self.outward.try_send(Item::Key(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Marks a place among what is told: all that was told before comes out before the mark.
    pub async fn mark(&self) {
        // The other end is gone: nobody waits for the mark.
        let _ = self.outward.send(Item::Mark).await;
    }

    /// Tells what was done for a conversation; it is put into words only if somebody watches.
    pub fn tell(&self, tuple: Tuple, deed: impl FnOnce() -> Deed) {
        if !self.watched() {
            return;
        }
        let span = Span {
            at: now(),
            tuple,
            deed: deed(),
        };
        if self.outward.try_send(Item::Span(Box::new(span))).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A conversation that a service has with a client.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// From the client to the service, as the service sees it.
    pub tuple: Tuple,
    spans: Spans,
}

impl Conversation {
    /// Over TCP.
    pub fn tcp(client: SocketAddr, own: SocketAddr, spans: &Spans) -> Self {
        Self {
            tuple: Tuple::tcp(client, own),
            spans: spans.clone(),
        }
    }

    /// Over UDP.
    pub fn udp(client: SocketAddr, own: SocketAddr, spans: &Spans) -> Self {
        Self {
            tuple: Tuple::udp(client, own),
            spans: spans.clone(),
        }
    }

    /// Tells what was done for it; it is put into words only if somebody watches.
    pub fn tell(&self, deed: impl FnOnce() -> Deed) {
        self.spans.tell(self.tuple, deed);
    }

    /// Whether somebody watches.
    pub fn watched(&self) -> bool {
        self.spans.watched()
    }
}

impl Told {
    /// The next; none when nobody can tell any more.
    pub async fn next(&mut self) -> Option<Item> {
        self.items.recv().await
    }

    /// How many spans found no room since this was asked last.
    pub fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple() -> Tuple {
        let address = "10.0.0.1:1".parse().expect("an address");
        Tuple::tcp(address, address)
    }

    fn deed() -> Deed {
        Deed::TlsFailed {
            reason: "no reason".into(),
        }
    }

    #[test]
    fn nothing_is_told_while_nobody_watches() {
        let (watch, watched) = watch::channel(Watched::No);
        let (spans, mut told) = Spans::channel(watched);
        spans.tell(tuple(), || panic!("it is put into words"));
        assert!(told.items.try_recv().is_err());
        watch.send_replace(Watched::Deeds);
        spans.tell(tuple(), deed);
        let Ok(Item::Span(span)) = told.items.try_recv() else {
            panic!("nothing was told");
        };
        assert_eq!((span.tuple, span.deed), (tuple(), deed()));
    }

    #[test]
    fn secrets_are_told_to_who_asked_for_them() {
        let (watch, watched) = watch::channel(Watched::Deeds);
        let (spans, mut told) = Spans::channel(watched);
        spans.key("secret".into());
        assert!(told.items.try_recv().is_err());
        watch.send_replace(Watched::Keys);
        spans.key("secret".into());
        assert_eq!(told.items.try_recv(), Ok(Item::Key("secret".into())));
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let (_watch, watched) = watch::channel(Watched::Deeds);
        let (spans, told) = Spans::channel(watched);
        for _ in 0..WAITING + 3 {
            spans.tell(tuple(), deed);
        }
        assert_eq!((told.take_lost(), told.take_lost()), (3, 0));
    }
}
