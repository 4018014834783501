//! Bridges and the veth pairs on them.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsRawFd;

use futures::future::try_join_all;
use nix::libc;
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{
    BridgeStpState, InfoBridge, InfoData, InfoKind, InfoVeth, LinkAttribute, LinkMessage,
};
use rtnetlink::{LinkMessageBuilder, LinkUnspec, LinkVeth};

use super::request::Request;
use super::{Network, address, neighbour, route, shape};
use crate::kernel::sysctl;
use crate::plan::{LinkPlan, RoutePlan};

/// The loopback interface of every namespace.
const LOOPBACK: u32 = 1;

impl Network {
    /// Makes a bridge that forwards at once and says nothing of its own: no spanning tree, no
    /// waiting, no multicast snooping. `name` has at most 15 bytes, `mtu` counts bytes.
    ///
    /// # Errors
    /// The kernel refuses: there is an interface of that name.
    pub async fn add_bridge(&self, name: &str, mtu: u32) -> io::Result<()> {
        self.silence()?;
        let index = self.new_index();
        let message = LinkMessageBuilder::<LinkUnspec>::new_with_info_kind(InfoKind::Bridge)
            .set_info_data(InfoData::Bridge(vec![
                InfoBridge::StpState(BridgeStpState::Disabled),
                InfoBridge::ForwardDelay(0),
                InfoBridge::MulticastSnooping(false),
            ]))
            .index(index)
            .name(name.to_owned())
            .mtu(mtu)
            .up()
            .build();
        self.ask(vec![new_link(format!("the bridge {name}"), message)])
            .await?;
        self.bridges.borrow_mut().insert(name.to_owned(), index);
        Ok(())
    }

    /// Makes an interface of some kind, over another one where the kind wants that.
    ///
    /// # Errors
    /// The kernel refuses: it does not know the kind.
    pub(in crate::kernel) async fn add_virtual(
        &self,
        name: &str,
        kind: InfoKind,
        data: Option<InfoData>,
        over: Option<&str>,
    ) -> io::Result<()> {
        let mut message =
            LinkMessageBuilder::<LinkUnspec>::new_with_info_kind(kind).name(name.to_owned());
        if let Some(data) = data {
            message = message.set_info_data(data);
        }
        if let Some(over) = over {
            message = message.link(self.index_of(over).await?);
        }
        let what = format!("the interface {name}");
        self.ask(vec![new_link(what, message.build())]).await
    }

    /// Changes a bridge's largest packet, in bytes.
    ///
    /// # Errors
    /// The kernel refuses, or there is no such bridge.
    pub async fn set_mtu(&self, name: &str, mtu: u32) -> io::Result<()> {
        let index = self.index_of(name).await?;
        self.ask(vec![resize(index, name, mtu)]).await
    }

    /// Removes a bridge, or a veth pair by either end. It is no error if there is none.
    ///
    /// # Errors
    /// The kernel refuses.
    pub async fn delete_link(&self, name: &str) -> io::Result<()> {
        self.bridges.borrow_mut().remove(name);
        let message = LinkMessageBuilder::<LinkUnspec>::new()
            .name(name.to_owned())
            .build();
        let message = RouteNetlinkMessage::DelLink(message);
        let request = Request::new(format!("to remove the interface {name}"), message, 0);
        self.ask(vec![request.satisfied_by(&[libc::ENODEV])]).await
    }

    /// Connects a node that runs to one more bridge of this fabric, with the addresses and limits
    /// of the link.
    ///
    /// # Errors
    /// The kernel refuses; what was made of the link by then is gone again.
    pub async fn connect(&self, node: &Network, bridge: &str, link: &LinkPlan) -> io::Result<()> {
        self.plug(node, &[(bridge.to_owned(), link)], &[], false)
            .await
    }

    /// Connects a node that just began: loopback up, all links, addresses and routes.
    ///
    /// # Errors
    /// The kernel refuses; the links made by then are gone again.
    pub async fn connect_node(
        &self,
        node: &Network,
        links: &[(String, &LinkPlan)],
        routes: &[RoutePlan],
    ) -> io::Result<()> {
        self.plug(node, links, routes, true).await
    }

    async fn plug(
        &self,
        node: &Network,
        links: &[(String, &LinkPlan)],
        routes: &[RoutePlan],
        loopback: bool,
    ) -> io::Result<()> {
        let mut legs = Vec::with_capacity(links.len());
        for (bridge, link) in links {
            let known = self.bridges.borrow().get(bridge).copied();
            let bridge = match known {
                Some(index) => index,
                None => self.index_of(bridge).await?,
            };
            legs.push(Leg {
                link,
                bridge,
                port: self.new_port_index(),
                index: node.new_index(),
            });
        }
        let made = self.try_plug(node, &legs, routes, loopback).await;
        if made.is_err() {
            let undo = legs.iter().map(|leg| {
                let message = LinkMessageBuilder::<LinkUnspec>::new()
                    .index(leg.port)
                    .build();
                let what = format!("to remove the interface {}", leg.link.port);
                Request::new(what, RouteNetlinkMessage::DelLink(message), 0)
                    .satisfied_by(&[libc::ENODEV])
            });
            // The first error is the one to tell.
            let _ = self.ask(undo.collect()).await;
        }
        made
    }

    async fn try_plug(
        &self,
        node: &Network,
        legs: &[Leg<'_>],
        routes: &[RoutePlan],
        loopback: bool,
    ) -> io::Result<()> {
        let pairs = legs.iter().map(|leg| leg.pair(node));
        self.ask(pairs.collect::<io::Result<_>>()?).await?;

        let mut requests = Vec::new();
        if loopback {
            requests.push(switch(LOOPBACK, "lo", true));
        }
        for Leg { link, index, .. } in legs {
            requests.push(switch(*index, &link.interface, true));
            let add = |address| address::add(*index, &link.interface, address);
            requests.extend(link.addresses.iter().map(add));
            requests.extend(shape::add(*index, link)?);
            for known in &link.neighbours {
                requests.push(neighbour::add(*index, known)?);
            }
        }
        for plan in routes {
            let leg = legs.iter().find(|leg| leg.link.interface == plan.interface);
            let index = match leg {
                Some(leg) => leg.index,
                None => node.index_of(&plan.interface).await?,
            };
            requests.push(route::add(index, plan)?);
        }
        node.ask(requests).await?;

        // Only now: the kernel takes no IPv6 route over a wire without a carrier.
        let pulled = legs.iter().filter(|leg| !leg.link.up);
        let pulled = pulled.map(|leg| switch(leg.port, &leg.link.port, false));
        self.ask(pulled.collect()).await?;
        let up = legs.iter().filter(|leg| leg.link.up);
        try_join_all(up.map(|leg| self.until_forwarding(leg.port)))
            .await
            .map(drop)
    }

    /// Changes a link in place: carrier, MTU, hardware address, addresses, limits. What is alike
    /// in `from` and `to` is not touched.
    ///
    /// # Errors
    /// The kernel refuses, or the link is gone.
    pub async fn change_link(
        &self,
        node: &Network,
        from: &LinkPlan,
        to: &LinkPlan,
    ) -> io::Result<()> {
        let port = self.index_of(&to.port).await?;
        let index = node.index_of(&to.interface).await?;
        let mut fabrics = Vec::new();
        let mut nodes = Vec::new();
        if from.mtu != to.mtu {
            fabrics.push(resize(port, &to.port, to.mtu));
            nodes.push(resize(index, &to.interface, to.mtu));
        }
        if from.mac != to.mac {
            let message = LinkMessageBuilder::<LinkUnspec>::new()
                .index(index)
                .address(hardware_address(&to.mac)?)
                .build();
            let what = format!("the hardware address {} on {}", to.mac, to.interface);
            nodes.push(Request::new(what, RouteNetlinkMessage::SetLink(message), 0));
        }
        if from.addresses != to.addresses {
            let promote = BTreeMap::from([(
                "net/ipv4/conf/all/promote_secondaries".to_owned(),
                "1".to_owned(),
            )]);
            sysctl::write(node.namespace(), &promote)?;
            nodes.extend(address::change(
                index,
                &to.interface,
                &from.addresses,
                &to.addresses,
            ));
        }
        let known = neighbour::change(index, &from.neighbours, &to.neighbours)?;
        nodes.extend(known);
        if !shape::alike(from, to) {
            if shape::is_shaped(from) {
                nodes.push(shape::remove(index, from)?);
            }
            nodes.extend(shape::add(index, to)?);
        }
        if from.up != to.up {
            fabrics.push(switch(port, &to.port, to.up));
        }
        self.ask(fabrics).await?;
        node.ask(nodes).await?;
        if to.up && !from.up {
            self.until_forwarding(port).await?;
        }
        Ok(())
    }

    /// New interfaces here speak for nobody: no IPv6 address of their own, so no neighbour
    /// discovery on the segments; and frames that cross a bridge are no business of the fabric's
    /// IP rules.
    fn silence(&self) -> io::Result<()> {
        if self.silent.replace(true) {
            return Ok(());
        }
        let settings = [
            ("net/ipv6/conf/default/disable_ipv6", "1"),
            ("net/bridge/bridge-nf-call-iptables", "0"),
            ("net/bridge/bridge-nf-call-ip6tables", "0"),
            ("net/bridge/bridge-nf-call-arptables", "0"),
        ];
        let settings = settings.map(|(path, value)| (path.to_owned(), value.to_owned()));
        sysctl::write(&self.namespace, &BTreeMap::from(settings))
    }
}

/// A link about to be made.
struct Leg<'a> {
    link: &'a LinkPlan,
    /// Index of the bridge.
    bridge: u32,
    /// Index of the end on the bridge.
    port: u32,
    /// Index of the end in the node.
    index: u32,
}

impl Leg<'_> {
    /// A veth pair: one end here on the bridge and up, the other in the node under its final name.
    fn pair(&self, node: &Network) -> io::Result<Request> {
        let link = self.link;
        // Never up in this message: the kernel would first make the pair, then find that the
        // node's end can't go up alone (ENOTCONN), and take 16 ms to undo it all.
        let peer = LinkMessageBuilder::<LinkUnspec>::new()
            .index(self.index)
            .name(link.interface.clone())
            .address(hardware_address(&link.mac)?)
            .mtu(link.mtu)
            .setns_by_fd(node.namespace().fd().as_raw_fd())
            .append_extra_attribute(LinkAttribute::NumTxQueues(1))
            .append_extra_attribute(LinkAttribute::NumRxQueues(1))
            .build();
        let message = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
            .index(self.port)
            .name(link.port.clone())
            .mtu(link.mtu)
            .controller(self.bridge)
            .append_extra_attribute(LinkAttribute::NumTxQueues(1))
            .append_extra_attribute(LinkAttribute::NumRxQueues(1))
            .up()
            .build();
        let what = format!(
            "the wire between {} and the bridge of {}",
            link.interface, link.segment
        );
        Ok(new_link(what, message))
    }
}

fn new_link(what: String, message: LinkMessage) -> Request {
    Request::new(
        what,
        RouteNetlinkMessage::NewLink(message),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

fn switch(index: u32, name: &str, up: bool) -> Request {
    let message = LinkMessageBuilder::<LinkUnspec>::new().index(index);
    let message = if up { message.up() } else { message.down() };
    let what = format!("to switch {name} {}", if up { "on" } else { "off" });
    Request::new(what, RouteNetlinkMessage::SetLink(message.build()), 0)
}

fn resize(index: u32, name: &str, mtu: u32) -> Request {
    let message = LinkMessageBuilder::<LinkUnspec>::new()
        .index(index)
        .mtu(mtu)
        .build();
    let what = format!("packets of {mtu} bytes on {name}");
    Request::new(what, RouteNetlinkMessage::SetLink(message), 0)
}

/// `02:…` as bytes.
pub(super) fn hardware_address(text: &str) -> io::Result<Vec<u8>> {
    let bytes: Option<Vec<u8>> = text
        .split(':')
        .map(|byte| {
            if byte.len() == 2 {
                u8::from_str_radix(byte, 16).ok()
            } else {
                None
            }
        })
        .collect();
    bytes.filter(|bytes| bytes.len() == 6).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("`{text}` is no hardware address; one looks like 02:00:00:00:00:01"),
        )
    })
}
