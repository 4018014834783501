//! VIPs, sites and pools as they are now.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use lab_core::check::Affinity;
use rustls::ClientConfig;
use tokio::sync::{Notify, watch};

use super::affinity::Secret;
use super::pool::LivePool;
use super::publish;
use super::settings::{Mode, Settings};

/// What all connections of the node share.
pub(super) struct Device {
    /// The node's name.
    pub node: String,
    /// How members are connected to.
    pub client: Arc<ClientConfig>,
    /// Changes when something else is revoked: connections made before prove nothing any more.
    pub revoked: watch::Receiver<u64>,
    /// What member ids are made with.
    pub secret: Secret,
    table: RwLock<Arc<Table>>,
}

/// One version of the settings, with the pools that live.
pub(super) struct Table {
    settings: Settings,
    pools: BTreeMap<String, Arc<LivePool>>,
    sites: BTreeMap<String, Vec<LiveSite>>,
}

/// A site of a layer-7 VIP.
pub(super) struct LiveSite {
    hosts: Vec<String>,
    paths: Vec<String>,
    plain: bool,
    /// Persistence.
    pub affinity: Affinity,
    /// Its members.
    pub pool: Arc<LivePool>,
}

/// Why no site takes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unpublished {
    /// The VIP has no site of that host, or the connection was made for another one.
    Host,
    /// The site does not publish that path.
    Path,
    /// The path can be read in two ways.
    Ambiguous,
}

impl Device {
    pub fn new(
        node: &str,
        client: Arc<ClientConfig>,
        revoked: watch::Receiver<u64>,
        secret: Secret,
        table: Table,
    ) -> Self {
        let table = RwLock::new(Arc::new(table));
        Self {
            node: node.to_owned(),
            client,
            revoked,
            secret,
            table,
        }
    }

    /// The table in force.
    pub fn table(&self) -> Arc<Table> {
        self.table
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Another one, for requests from now on.
    pub fn change(&self, table: Table) {
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }
}

impl Table {
    /// From settings; what another version knew of the same members is kept.
    pub fn new(settings: Settings, before: Option<&Self>, changed: &Arc<Notify>) -> Self {
        let pools: BTreeMap<String, Arc<LivePool>> = settings
            .pools()
            .map(|(name, pool)| {
                let before = before
                    .and_then(|before| before.pools.get(name))
                    .map(Arc::as_ref);
                (
                    name.to_owned(),
                    Arc::new(LivePool::new(name, pool, before, changed)),
                )
            })
            .collect();
        let mut sites: BTreeMap<String, Vec<LiveSite>> = BTreeMap::new();
        for vip in &settings.vips {
            let Mode::Layer7 {
                sites: published, ..
            } = &vip.mode
            else {
                continue;
            };
            let live = published.iter().filter_map(|site| {
                Some(LiveSite {
                    hosts: site.hosts.clone(),
                    paths: site.paths.clone(),
                    plain: site.plain,
                    affinity: site.affinity.clone(),
                    pool: pools.get(&site.pool_name)?.clone(),
                })
            });
            sites.insert(vip.name.clone(), live.collect());
        }
        let table = Self {
            settings,
            pools,
            sites,
        };
        table.drain(&table.settings.drained);
        table
    }

    /// Whether these settings differ at most in what is drained.
    pub fn fits(&self, settings: &Settings) -> bool {
        self.settings.vips == settings.vips
    }

    /// Drains these members in all pools, and no others.
    pub fn drain(&self, drained: &[String]) {
        for member in self.pools.values().flat_map(|pool| &pool.members) {
            member.set_drained(drained.contains(&member.member.name));
        }
    }

    /// All pools.
    pub fn pools(&self) -> impl Iterator<Item = &Arc<LivePool>> {
        self.pools.values()
    }

    /// Whether the pool is that of a layer-4 VIP.
    pub fn is_layer4(&self, pool: &str) -> bool {
        self.settings
            .vips
            .iter()
            .any(|vip| vip.name == pool && matches!(vip.mode, Mode::Layer4 { .. }))
    }

    /// The site of a VIP that takes a request. `server_name` is what the client asked for in
    /// the TLS handshake; `plain_only` leaves those sites that are published without TLS.
    pub fn site(
        &self,
        vip: &str,
        plain_only: bool,
        server_name: Option<&str>,
        host: &str,
        path: &str,
    ) -> Result<&LiveSite, Unpublished> {
        let sites = self.sites.get(vip).map(Vec::as_slice).unwrap_or_default();
        let of_host: Vec<&LiveSite> = sites
            .iter()
            .filter(|site| site.serves(host) && server_name.is_none_or(|name| site.serves(name)))
            .filter(|site| site.plain || !plain_only)
            .collect();
        if of_host.is_empty() {
            return Err(Unpublished::Host);
        }
        let mut best: Option<(usize, &LiveSite)> = None;
        for site in of_host {
            let length = publish::longest(&site.paths, path).map_err(|_| Unpublished::Ambiguous)?;
            if let Some(length) = length
                && best.is_none_or(|(longest, _)| length > longest)
            {
                best = Some((length, site));
            }
        }
        best.map(|(_, site)| site).ok_or(Unpublished::Path)
    }
}

impl LiveSite {
    fn serves(&self, host: &str) -> bool {
        self.hosts.iter().any(|known| known == host)
    }
}
