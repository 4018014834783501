//! A balancer in front of tier-web nodes.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};

use serde_json::{Value, json};

use crate::authority::Authority;
use crate::curl::{self, Answer};
use crate::stage::{Running, Start, Web, fqdn, listen, listen_alike, start};

pub const HOST: &str = "meet.contoso.com";

/// A site's members, by name and address.
pub fn pool(members: &[(&str, SocketAddr)], health: Value) -> Value {
    let members: Vec<Value> = members
        .iter()
        .map(|(node, at)| {
            json!({ "name": node, "fqdn": fqdn(node), "address": at.ip(), "port": at.port() })
        })
        .collect();
    json!({ "members": members, "spread": "round-robin", "health": health })
}

/// What a lab file has where it says nothing else; the port is the member's.
pub fn health(port: u16, path: Option<&str>) -> Value {
    json!({
        "port": port, "path": path,
        "every": { "secs": 0, "nanos": 400_000_000 },
        "timeout": { "secs": 0, "nanos": 500_000_000 },
    })
}

pub fn site(name: &str, pool: Value, affinity: Value) -> Value {
    json!({
        "pool-name": name, "hosts": [HOST], "paths": [], "plain": false,
        "pool": pool, "affinity": affinity,
    })
}

pub fn layer7(sites: Value, port: u16) -> Value {
    json!({
        "vips": [{
            "name": "vip",
            "addresses": [{ "address": "127.0.0.1", "leg": "127.0.0.0/8" }],
            "mode": { "layer7": { "port": port, "tls": true, "sites": sites } },
        }],
        "drained": [],
    })
}

/// A balancer `lb` with one VIP.
pub struct Device {
    pub at: SocketAddr,
    pub plain: SocketAddr,
    pub running: Running,
}

pub fn balance(
    authority: &Authority,
    settings: Value,
    (listener, at): (TcpListener, SocketAddr),
) -> Device {
    let (plain_listener, plain) = listen("127.0.0.1:0");
    let running = start(
        authority,
        Start {
            service: "balancer",
            node: "lb",
            settings,
            listeners: vec![("l7-vip", listener), ("l7-vip-plain", plain_listener)],
            credentials: vec![
                ("vip", authority.credential(&[HOST, "dial.contoso.com"])),
                ("node", authority.credential(&[&fqdn("lb")])),
            ],
            peers: BTreeMap::new(),
        },
    );
    Device { at, plain, running }
}

/// Two web nodes behind a VIP whose site has this affinity. Each member checks on a port of its
/// own, so every one is the only member that listens there.
pub struct Stage {
    pub authority: Authority,
    pub device: Device,
    pub settings: Value,
    pub web: BTreeMap<&'static str, Running>,
    pub at: BTreeMap<&'static str, SocketAddr>,
}

impl Stage {
    pub async fn start(affinity: Value) -> Self {
        let authority = Authority::new();
        let (mut web, mut at) = (BTreeMap::new(), BTreeMap::new());
        for (node, (listener, address)) in ["fe1", "fe2"].into_iter().zip(listen_alike(2)) {
            web.insert(node, Self::web(&authority, node, listener));
            at.insert(node, address);
        }
        let members: Vec<(&str, SocketAddr)> = at.iter().map(|(node, at)| (*node, *at)).collect();
        let pool = pool(&members, health(members[0].1.port(), Some("/health")));
        let door = listen("127.0.0.1:0");
        let settings = layer7(json!([site("vip", pool, affinity)]), door.1.port());
        let mut device = balance(&authority, settings.clone(), door);
        device
            .running
            .reported("vip", &[("fe1", "healthy"), ("fe2", "healthy")])
            .await;
        Self {
            authority,
            device,
            settings,
            web,
            at,
        }
    }

    fn web(authority: &Authority, node: &str, listener: TcpListener) -> Running {
        let only_from = ["lb"];
        let web = Web {
            node,
            tier: "front end",
            hosts: &[HOST],
            only_from: Some(&only_from),
            asks: &[],
        };
        web.start(authority, listener)
    }

    pub async fn get(&self, more: &[&str]) -> Answer {
        curl::get(&self.authority, self.device.at, HOST, "/", more)
            .await
            .unwrap()
    }

    /// The member that answers.
    pub async fn member(&self, more: &[&str]) -> String {
        let answer = self.get(more).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.path()[0], "lb");
        answer.path()[1].to_owned()
    }

    pub async fn kill(&mut self, node: &'static str) {
        self.web.remove(node).expect("it runs").kill().await;
    }

    pub async fn restart(&mut self, node: &'static str) {
        let listener = TcpListener::bind(self.at[node]).unwrap();
        self.web
            .insert(node, Self::web(&self.authority, node, listener));
    }
}
