//! Links, addresses and routes of one network namespace, by rtnetlink.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd};

use futures::future::try_join_all;
use ipnet::IpNet;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressHeaderFlags};
use rtnetlink::packet_route::link::{
    BridgeStpState, InfoData, InfoKind, InfoVeth, LinkAttribute, LinkMessage,
};
use rtnetlink::packet_route::route::RouteMessage;
use rtnetlink::{
    AddressMessageBuilder, Handle, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth,
    RouteMessageBuilder,
};

use super::netns::NetNs;
use super::shaping;
use crate::plan::{LinkPlan, RoutePlan};

/// A network namespace with a netlink socket in it. Requests on one socket are carried out in the
/// order they are sent, so they are sent without waiting for one another's answer.
pub struct Network {
    namespace: NetNs,
    netlink: Handle,
}

impl Network {
    /// Opens a netlink socket in the namespace. Must be called on a tokio `LocalSet`.
    ///
    /// # Errors
    /// What setns(2) or socket(2) says.
    pub fn open(namespace: NetNs) -> io::Result<Self> {
        let (connection, netlink, _) = namespace.within(rtnetlink::new_connection)?;
        tokio::task::spawn_local(connection);
        Ok(Self { namespace, netlink })
    }

    /// The namespace.
    pub fn namespace(&self) -> &NetNs {
        &self.namespace
    }

    fn index(&self, name: &str) -> io::Result<u32> {
        self.namespace
            .within(|| Ok(nix::net::if_::if_nametoindex(name)?))
    }

    /// Makes a bridge that forwards at once: no spanning tree, no multicast snooping.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn add_bridge(&self, name: &str, mtu: u32) -> io::Result<()> {
        let bridge = LinkBridge::new(name)
            .stp_state(BridgeStpState::Disabled)
            .forward_delay(0)
            .mcast_snooping(false)
            .mtu(mtu)
            .up()
            .build();
        self.netlink
            .link()
            .add(bridge)
            .execute()
            .await
            .map_err(said)
    }

    /// Changes a bridge's largest packet, in bytes.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn set_mtu(&self, name: &str, mtu: u32) -> io::Result<()> {
        self.change(LinkUnspec::new_with_name(name).mtu(mtu).build())
            .await
    }

    /// Removes a link; one that is not there is removed already.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn delete_link(&self, name: &str) -> io::Result<()> {
        let Ok(index) = self.index(name) else {
            return Ok(());
        };
        match self.netlink.link().del(index).execute().await.map_err(said) {
            Err(error) if error.raw_os_error() == Some(nix::libc::ENODEV) => Ok(()),
            result => result,
        }
    }

    async fn change(&self, message: LinkMessage) -> io::Result<()> {
        self.netlink
            .link()
            .change(message)
            .execute()
            .await
            .map_err(said)
    }

    /// On the fabric: connects a node to a bridge, with its addresses.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn connect(&self, node: &Network, bridge: &str, link: &LinkPlan) -> io::Result<()> {
        self.make_pair(node, self.index(bridge)?, link).await?;
        node.set_up_link(link).await
    }

    /// On the fabric: connects a new node with all its links, then adds its routes.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn connect_node(
        &self,
        node: &Network,
        links: &[(String, &LinkPlan)],
        routes: &[RoutePlan],
    ) -> io::Result<()> {
        let mut pairs = Vec::new();
        for (bridge, link) in links {
            pairs.push(self.make_pair(node, self.index(bridge)?, link));
        }
        try_join_all(pairs).await?;
        node.change(LinkUnspec::new_with_name("lo").up().build())
            .await?;
        for (_, link) in links {
            node.set_up_link(link).await?;
        }
        node.change_routes(&[], routes).await
    }

    /// A veth pair by one message: one end here, on the bridge and up, the other in the node. The
    /// peer must not be set up by this message: the kernel opens it before its other end exists.
    async fn make_pair(&self, node: &Network, bridge: u32, link: &LinkPlan) -> io::Result<()> {
        let mut peer = LinkMessage::default();
        peer.attributes = vec![
            LinkAttribute::IfName(link.interface.clone()),
            LinkAttribute::Address(hardware_address(&link.mac)?),
            LinkAttribute::Mtu(link.mtu),
            LinkAttribute::NetNsFd(node.namespace.as_fd().as_raw_fd()),
        ];
        let port = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth)
            .name(link.port.clone())
            .mtu(link.mtu)
            .controller(bridge)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)));
        let port = if link.up { port.up() } else { port };
        self.netlink
            .link()
            .add(port.build())
            .execute()
            .await
            .map_err(said)
    }

    /// In the node: addresses, up, shaping.
    async fn set_up_link(&self, link: &LinkPlan) -> io::Result<()> {
        let index = self.index(&link.interface)?;
        let up = self.change(LinkUnspec::new_with_index(index).up().build());
        let addresses = try_join_all(
            link.addresses
                .iter()
                .map(|address| self.add_address(index, *address)),
        );
        futures::try_join!(up, addresses)?;
        if link.rate.is_some() || link.delay.is_some() || link.loss_ppm.is_some() {
            shaping::set(&self.namespace, link).await?;
        }
        Ok(())
    }

    async fn add_address(&self, index: u32, address: IpNet) -> io::Result<()> {
        let mut request = self
            .netlink
            .address()
            .add(index, address.addr(), address.prefix_len());
        if address.addr().is_ipv6() {
            // No wait for duplicate address detection: the plan has no duplicates.
            request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
            request
                .message_mut()
                .attributes
                .push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
        request.execute().await.map_err(said)
    }

    /// On the fabric: changes a node's link in place.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn change_link(
        &self,
        node: &Network,
        from: &LinkPlan,
        to: &LinkPlan,
    ) -> io::Result<()> {
        if from.mtu != to.mtu {
            self.change(LinkUnspec::new_with_name(&to.port).mtu(to.mtu).build())
                .await?;
            node.change(LinkUnspec::new_with_name(&to.interface).mtu(to.mtu).build())
                .await?;
        }
        if from.mac != to.mac {
            let mac = hardware_address(&to.mac)?;
            node.change(
                LinkUnspec::new_with_name(&to.interface)
                    .address(mac)
                    .build(),
            )
            .await?;
        }
        if from.addresses != to.addresses {
            let index = node.index(&to.interface)?;
            for address in to
                .addresses
                .iter()
                .filter(|address| !from.addresses.contains(address))
            {
                node.add_address(index, *address).await?;
            }
            for address in from
                .addresses
                .iter()
                .filter(|address| !to.addresses.contains(address))
            {
                node.delete_address(index, *address).await?;
            }
        }
        if (from.rate, from.delay, from.loss_ppm) != (to.rate, to.delay, to.loss_ppm) {
            shaping::set(&node.namespace, to).await?;
        }
        if from.up != to.up {
            // The far end goes down: the node sees its carrier go, as when a cable is pulled.
            let port = LinkUnspec::new_with_name(&to.port);
            self.change(if to.up { port.up() } else { port.down() }.build())
                .await?;
        }
        Ok(())
    }

    async fn delete_address(&self, index: u32, address: IpNet) -> io::Result<()> {
        let message = match address {
            IpNet::V4(net) => AddressMessageBuilder::<Ipv4Addr>::new()
                .index(index)
                .address(net.addr(), net.prefix_len())
                .build(),
            IpNet::V6(net) => AddressMessageBuilder::<Ipv6Addr>::new()
                .index(index)
                .address(net.addr(), net.prefix_len())
                .build(),
        };
        self.netlink
            .address()
            .del(message)
            .execute()
            .await
            .map_err(said)
    }

    /// In the node: removes and adds routes.
    ///
    /// # Errors
    /// What the kernel says, with the route.
    pub async fn change_routes(&self, remove: &[RoutePlan], add: &[RoutePlan]) -> io::Result<()> {
        for route in remove {
            match self
                .netlink
                .route()
                .del(self.route(route)?)
                .execute()
                .await
                .map_err(said)
            {
                // It went with an address or a link.
                Err(error) if error.raw_os_error() == Some(nix::libc::ESRCH) => {}
                result => result.map_err(|error| with_route(error, route))?,
            }
        }
        let add = add.iter().map(|route| async move {
            let message = self.route(route)?;
            self.netlink
                .route()
                .add(message)
                .execute()
                .await
                .map_err(|error| with_route(said(error), route))
        });
        try_join_all(add).await.map(drop)
    }

    fn route(&self, route: &RoutePlan) -> io::Result<RouteMessage> {
        let index = self.index(&route.interface)?;
        let wrong = || {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{} via {}", route.to, route.via),
            )
        };
        match (route.to, route.via) {
            (IpNet::V4(to), IpAddr::V4(via)) => Ok(RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix(to.network(), to.prefix_len())
                .gateway(via)
                .output_interface(index)
                .build()),
            (IpNet::V6(to), IpAddr::V6(via)) => Ok(RouteMessageBuilder::<Ipv6Addr>::new()
                .destination_prefix(to.network(), to.prefix_len())
                .gateway(via)
                .output_interface(index)
                .build()),
            _ => Err(wrong()),
        }
    }
}

fn with_route(error: io::Error, route: &RoutePlan) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("the route to {} via {}: {error}", route.to, route.via),
    )
}

/// What the kernel said, as an error of the system.
fn said(error: rtnetlink::Error) -> io::Error {
    match error {
        rtnetlink::Error::NetlinkError(message) => message.to_io(),
        other => io::Error::other(other),
    }
}

fn hardware_address(text: &str) -> io::Result<Vec<u8>> {
    let bytes: Option<Vec<u8>> = text
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16).ok())
        .collect();
    bytes.filter(|bytes| bytes.len() == 6).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("`{text}` is no hardware address"),
        )
    })
}
