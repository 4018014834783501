//! Who is told about the members: `lab status` of all pools, the kernel of layer-4 VIPs.

use std::collections::BTreeMap;
use std::net::IpAddr;

use lab_core::service::{NetworkRequest, Report};
use tokio::sync::mpsc::UnboundedSender;

use super::device::Table;

/// Remembers what was said, so that only changes are.
pub(super) struct Announcer {
    network: UnboundedSender<NetworkRequest>,
    report: UnboundedSender<Report>,
    states: BTreeMap<String, BTreeMap<String, String>>,
    members: BTreeMap<String, Vec<IpAddr>>,
    ready: usize,
}

impl Announcer {
    pub fn new(network: UnboundedSender<NetworkRequest>, report: UnboundedSender<Report>) -> Self {
        Self {
            network,
            report,
            states: BTreeMap::new(),
            members: BTreeMap::new(),
            ready: 0,
        }
    }

    /// Says what changed. A pool is silent until each of its members was checked once: a
    /// balancer that starts again must not empty a VIP that works.
    pub fn announce(&mut self, table: &Table) {
        for pool in table
            .pools()
            .filter(|pool| pool.members.iter().all(|one| one.is_known()))
        {
            let members: BTreeMap<String, String> = pool
                .members
                .iter()
                .map(|one| (one.member.name.clone(), one.state_name().to_owned()))
                .collect();
            if self.states.get(&pool.name) != Some(&members) {
                self.states.insert(pool.name.clone(), members.clone());
                // An error means that the engine is gone; then nobody wants to know.
                let _ = self.report.send(Report::Pool {
                    pool: pool.name.clone(),
                    members,
                });
            }
            if table.is_layer4(&pool.name) {
                let takes: Vec<IpAddr> = pool
                    .candidates(&[])
                    .iter()
                    .map(|one| one.member.address)
                    .collect();
                if self.members.get(&pool.name) != Some(&takes) {
                    self.members.insert(pool.name.clone(), takes.clone());
                    let _ = self.network.send(NetworkRequest::SetMembers {
                        vip: pool.name.clone(),
                        members: takes,
                        dead: pool.dead(),
                    });
                }
            }
        }
        let alive = table.pools().filter(|pool| pool.is_alive()).count();
        if alive > self.ready {
            let _ = self.report.send(Report::Ready);
        }
        self.ready = alive;
    }
}
