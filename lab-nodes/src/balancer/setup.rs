//! From the lab's VIPs to what the service needs. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use lab_core::check::{Balancer, BalancerMode, Node, Site, Traffic};
use lab_core::plan::{CertificatePlan, Listen, Transport};
use lab_core::service::{OptionError, Setup, SetupRequest};

use super::settings::{self, Mode, Settings, Vip, VipAddress};

/// The listener of a layer-7 VIP.
pub(super) fn listener(vip: &str) -> String {
    format!("l7-{vip}")
}

/// Its listener without TLS.
pub(super) fn plain_listener(vip: &str) -> String {
    format!("l7-{vip}-plain")
}

pub(super) fn setup(request: &SetupRequest<'_>) -> Result<Setup, Vec<OptionError>> {
    let (lab, node) = (request.lab, request.node);
    if let Some(options) = request.options.as_object()
        && !options.is_empty()
    {
        let mistake = |key: &String| OptionError {
            pointer: format!("/{key}"),
            message: format!("the balancer has no option `{key}`"),
            help: Some("what it balances stands under `balancers`".to_owned()),
        };
        return Err(options.keys().map(mistake).collect());
    }
    let balancers: Vec<&Balancer> = lab
        .balancers
        .values()
        .filter(|balancer| balancer.node == node.name)
        .collect();
    if balancers.is_empty() {
        return Err(vec![OptionError {
            pointer: String::new(),
            message: format!(
                "no VIP stands on `{}`, so there is nothing to balance",
                node.name
            ),
            help: Some(format!(
                "add one under `balancers` with `on: {}`",
                node.name
            )),
        }]);
    }
    if balancers.iter().any(|balancer| balancer.name == "node") {
        return Err(vec![OptionError {
            pointer: String::new(),
            message: "a balancer named `node` would share its certificate's name with the node"
                .to_owned(),
            help: Some("give the balancer another name".to_owned()),
        }]);
    }
    let mut setup = Setup::default();
    let mut settings = Settings::default();
    for balancer in balancers {
        settings.vips.push(vip(node, balancer));
        if let BalancerMode::Layer7 { port, tls, sites } = &balancer.mode {
            setup.listens.extend(listens(balancer, *port, *tls, sites));
            if *tls {
                setup.certificates.push(certificate(balancer, sites));
            }
        }
    }
    setup.settings = serde_json::to_value(settings).unwrap_or_default();
    setup.peers = BTreeMap::new();
    Ok(setup)
}

fn listens(balancer: &Balancer, port: u16, tls: bool, sites: &[Site]) -> Vec<Listen> {
    let at = |name: String, port: u16| {
        balancer.vips.iter().map(move |address| Listen {
            name: name.clone(),
            protocol: Transport::Tcp,
            address: Some(*address),
            port,
        })
    };
    let plain: BTreeSet<u16> = sites
        .iter()
        .filter_map(|site| site.plain)
        .filter(|plain| tls && *plain != port)
        .collect();
    let plain = plain
        .into_iter()
        .flat_map(|port| at(plain_listener(&balancer.name), port));
    at(listener(&balancer.name), port).chain(plain).collect()
}

fn certificate(balancer: &Balancer, sites: &[Site]) -> CertificatePlan {
    let mut names: Vec<String> = Vec::new();
    for host in sites.iter().flat_map(|site| &site.hosts) {
        let host = host.to_ascii_lowercase();
        if !names.contains(&host) {
            names.push(host);
        }
    }
    CertificatePlan {
        id: balancer.name.clone(),
        subject: names.first().unwrap_or(&balancer.name).clone(),
        names,
        addresses: balancer.vips.clone(),
    }
}

fn vip(node: &Node, balancer: &Balancer) -> Vip {
    let mode = match &balancer.mode {
        BalancerMode::Layer4 { ports, pool } => Mode::Layer4 {
            // Members are known to answer where they are checked: another port may be that of a
            // service that is not there yet.
            port: Some(pool.health.port).filter(|health| {
                ports
                    .iter()
                    .any(|traffic| matches!(traffic, Traffic::Tcp(range) if range.contains(health)))
            }),
            pool: pool.clone(),
        },
        BalancerMode::Layer7 { port, tls, sites } => Mode::Layer7 {
            port: *port,
            tls: *tls,
            sites: balancer
                .pools()
                .into_iter()
                .zip(sites)
                .map(|((name, _), one)| site(name, one))
                .collect(),
        },
    };
    Vip {
        name: balancer.name.clone(),
        addresses: balancer
            .vips
            .iter()
            .map(|address| on_leg(node, *address))
            .collect(),
        mode,
    }
}

fn site(pool_name: String, site: &Site) -> settings::Site {
    settings::Site {
        pool_name,
        hosts: site
            .hosts
            .iter()
            .map(|host| host.to_ascii_lowercase())
            .collect(),
        paths: site.paths.clone(),
        plain: site.plain.is_some(),
        pool: site.pool.clone(),
        affinity: site.affinity.clone(),
    }
}

fn on_leg(node: &Node, address: IpAddr) -> VipAddress {
    let leg = node
        .attachments
        .iter()
        .flat_map(|attachment| &attachment.addresses)
        .find(|prefix| prefix.contains(&address))
        .map_or_else(|| IpNet::from(address), IpNet::trunc);
    VipAddress { address, leg }
}
