//! What the running service needs to know.

use std::net::IpAddr;

use ipnet::IpNet;
use lab_core::check::{Affinity, Pool};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Settings {
    /// VIPs of the node.
    pub vips: Vec<Vip>,
    /// Members that get no new clients; the engine adds them while the lab runs.
    #[serde(default)]
    pub drained: Vec<String>,
}

/// A VIP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Vip {
    /// The balancer's name in the lab file.
    pub name: String,
    /// Where it answers.
    pub addresses: Vec<VipAddress>,
    /// How it balances.
    pub mode: Mode,
}

/// An address of a VIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct VipAddress {
    /// The address.
    pub address: IpAddr,
    /// The prefix of the segment it stands on.
    pub leg: IpNet,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Mode {
    Layer4 {
        /// The first TCP port balanced; UDP alone cannot be probed.
        port: Option<u16>,
        pool: Pool,
    },
    Layer7 {
        port: u16,
        /// Clients speak TLS on that port.
        tls: bool,
        sites: Vec<Site>,
    },
}

/// A site of a layer-7 VIP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Site {
    /// What the pool is called in reports and pages.
    pub pool_name: String,
    /// Hosts, in lower case.
    pub hosts: Vec<String>,
    /// Path prefixes; empty is all.
    pub paths: Vec<String>,
    /// Is served without TLS, too.
    pub plain: bool,
    pub pool: Pool,
    pub affinity: Affinity,
}

impl Settings {
    /// Every pool with its name.
    pub fn pools(&self) -> impl Iterator<Item = (&str, &Pool)> {
        self.vips.iter().flat_map(|vip| match &vip.mode {
            Mode::Layer4 { pool, .. } => vec![(vip.name.as_str(), pool)],
            Mode::Layer7 { sites, .. } => sites
                .iter()
                .map(|site| (site.pool_name.as_str(), &site.pool))
                .collect(),
        })
    }
}
