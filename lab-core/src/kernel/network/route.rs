//! Routes.

use std::io;
use std::net::IpAddr;

use nix::libc;
use rtnetlink::RouteMessageBuilder;
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::route::RouteMessage;

use super::Network;
use super::request::Request;
use crate::plan::RoutePlan;

/// Adds a route, or gives the destination another next hop.
pub(super) fn add(index: u32, route: &RoutePlan) -> io::Result<Request> {
    Ok(Request::new(
        format!(
            "the route to {} by {} on {}",
            route.to, route.via, route.interface
        ),
        RouteNetlinkMessage::NewRoute(message(index, route)?),
        NLM_F_CREATE | NLM_F_REPLACE,
    ))
}

fn remove(index: u32, route: &RoutePlan) -> io::Result<Request> {
    let request = Request::new(
        format!("to remove the route to {} by {}", route.to, route.via),
        RouteNetlinkMessage::DelRoute(message(index, route)?),
        0,
    );
    Ok(request.satisfied_by(&[libc::ESRCH]))
}

fn message(index: u32, route: &RoutePlan) -> io::Result<RouteMessage> {
    let builder = RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(route.to.network(), route.to.prefix_len())
        .and_then(|builder| builder.output_interface(index).gateway(route.via));
    let message = builder.map_err(|error| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "there is no route to {} by {}: {error}",
                route.to, route.via
            ),
        )
    })?;
    Ok(message.build())
}

impl Network {
    /// Changes the routes of this node. A destination that is in both lists gets its new next hop
    /// in one step: no packet meets a table without it.
    ///
    /// # Errors
    /// The kernel refuses a route: its next hop is on none of the interface's prefixes.
    pub async fn change_routes(&self, remove: &[RoutePlan], add: &[RoutePlan]) -> io::Result<()> {
        let mut requests = Vec::new();
        for route in add {
            requests.push(self::add(self.index_of(&route.interface).await?, route)?);
        }
        let replaced = |route: &RoutePlan| add.iter().any(|new| new.to == route.to);
        for route in remove.iter().filter(|route| !replaced(route)) {
            // With the interface, its routes are gone.
            if let Ok(index) = self.index_of(&route.interface).await {
                requests.push(self::remove(index, route)?);
            }
        }
        self.ask(requests).await
    }
}
