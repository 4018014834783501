//! Links, addresses and routes of one network namespace, by rtnetlink.
//!
//! A [`Network`] is a netlink socket made inside its namespace. The fabric's makes the bridges and
//! the veth pairs, whose other ends come up in a node; the node's own brings up the rest. Requests
//! that build on one another go out together and in order: the kernel works each off before it
//! takes the next.

mod address;
mod carrier;
mod link;
mod neighbour;
mod request;
mod route;
mod shape;

pub use request::words_in;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;

use rtnetlink::Handle;
use rtnetlink::sys::AsyncSocket;
use tokio::sync::Semaphore;

use super::netns::NetNs;

/// Requests of one socket on their way at once. The answers of about 150 fit into a socket's
/// buffer as the kernel gives it to an ordinary user; one that does not fit is lost.
const MAX_IN_FLIGHT: usize = 64;

/// Interfaces that this project makes are numbered from here on. The number is chosen before the
/// interface exists, so that what builds on it need not wait; below are the numbers that the
/// kernel gives by itself (loopback, tunnel devices that come with a namespace).
const FIRST_INDEX: u32 = 1000;
/// The ends of links on a bridge are numbered from here on. An end and its peer must not have the
/// same number in their namespaces: the kernel would take the news of the carrier for that of a
/// physical card, and spread such news once a second only (linkwatch_urgent_event).
const FIRST_PORT: u32 = 1_000_000;

/// The index of an interface of the network namespace that the calling thread is in.
///
/// # Errors
/// There is none of that name.
pub fn index_here(name: &str) -> io::Result<u32> {
    Ok(nix::net::if_::if_nametoindex(name)?)
}

/// Links, addresses and routes of one network namespace.
#[derive(Debug)]
pub struct Network {
    namespace: NetNs,
    handle: Handle,
    in_flight: Semaphore,
    driver: tokio::task::JoinHandle<()>,
    next_index: Cell<u32>,
    next_port: Cell<u32>,
    /// Bridges made here, by name.
    bridges: RefCell<BTreeMap<String, u32>>,
    /// New interfaces of this namespace speak no IPv6 of their own.
    silent: Cell<bool>,
}

impl Network {
    /// Opens a namespace. Must be called within a tokio runtime, which then drives the socket.
    ///
    /// # Errors
    /// The namespace can't be entered, or the process has no descriptor left.
    pub fn open(namespace: NetNs) -> io::Result<Self> {
        let (mut connection, handle, _unasked) = namespace.within(rtnetlink::new_connection)?;
        let socket = connection.socket_mut().socket_mut();
        // Answers without an echo of the question, refusals with the kernel's own words. A kernel
        // that knows neither (before 4.12) answers all the same.
        let _ = socket.set_cap_ack(true);
        let _ = socket.set_ext_ack(true);
        let driver = tokio::spawn(connection);
        Ok(Self {
            namespace,
            handle,
            in_flight: Semaphore::new(MAX_IN_FLIGHT),
            driver,
            next_index: Cell::new(FIRST_INDEX),
            next_port: Cell::new(FIRST_PORT),
            bridges: RefCell::default(),
            silent: Cell::new(false),
        })
    }

    /// The namespace it works in.
    pub fn namespace(&self) -> &NetNs {
        &self.namespace
    }

    fn new_index(&self) -> u32 {
        self.next_index.replace(self.next_index.get() + 1)
    }

    fn new_port_index(&self) -> u32 {
        self.next_port.replace(self.next_port.get() + 1)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

#[cfg(test)]
mod tests;
