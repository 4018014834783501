//! A layer-7 VIP in front of tier-web nodes, and what a layer-4 VIP is told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use lab_core::service::NetworkRequest;
use lab_nodes::tls;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;

use crate::authority::Authority;
use crate::curl::{self, Answer};
use crate::stage::{
    Running, Start, Web, bind_again, eventually, fqdn, listen, listen_alike, probe, start,
};

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
        "every": { "secs": 0, "nanos": 200_000_000 },
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
struct Stage {
    authority: Authority,
    device: Device,
    settings: Value,
    web: BTreeMap<&'static str, Running>,
    at: BTreeMap<&'static str, SocketAddr>,
}

impl Stage {
    async fn start(affinity: Value) -> Self {
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

    async fn get(&self, more: &[&str]) -> Answer {
        curl::get(&self.authority, self.device.at, HOST, "/", more)
            .await
            .unwrap()
    }

    /// The member that answers.
    async fn member(&self, more: &[&str]) -> String {
        let answer = self.get(more).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.path()[0], "lb");
        answer.path()[1].to_owned()
    }

    async fn kill(&mut self, node: &'static str) {
        self.web.remove(node).expect("it runs").kill().await;
    }

    async fn restart(&mut self, node: &'static str) {
        let listener = TcpListener::bind(self.at[node]).unwrap();
        self.web
            .insert(node, Self::web(&self.authority, node, listener));
    }
}

#[tokio::test]
async fn b1_requests_are_spread_and_say_where_they_went() {
    let stage = Stage::start(json!("none")).await;
    let mut members = BTreeSet::new();
    for _ in 0..4 {
        let answer = stage.get(&["-H", "X-Forwarded-For: 192.0.2.9"]).await;
        assert_eq!(answer.header("via"), Some("1.1 lb"));
        assert!(
            answer.body.contains("192.0.2.9, 127.0.0.1"),
            "{}",
            answer.body
        );
        assert!(answer.header("set-cookie").is_none());
        members.insert(answer.path()[1].to_owned());
    }
    assert_eq!(
        members.len(),
        2,
        "the members showed their certificates to each other in turn"
    );
}

#[tokio::test]
async fn only_published_hosts_and_paths_are_served() {
    let authority = Authority::new();
    let (listener, at) = listen("127.0.0.1:0");
    let web = Web {
        node: "fe1",
        tier: "f",
        hosts: &[HOST, "dial.contoso.com"],
        only_from: None,
        asks: &[],
    };
    let _web = web.start(&authority, listener);
    let pool = pool(&[("fe1", at)], health(at.port(), None));
    let mut inside = site("vip/meet", pool.clone(), json!("none"));
    inside["paths"] = json!(["/meet"]);
    let mut other = site("vip/dial", pool, json!("none"));
    other["hosts"] = json!(["dial.contoso.com"]);
    other["plain"] = json!(true);
    let door = listen("127.0.0.1:0");
    let settings = layer7(json!([inside, other]), door.1.port());
    let mut device = balance(&authority, settings, door);
    device
        .running
        .reported("vip/meet", &[("fe1", "healthy")])
        .await;
    device
        .running
        .reported("vip/dial", &[("fe1", "healthy")])
        .await;
    let status = async |path: &str, more: &[&str]| {
        curl::get(&authority, device.at, HOST, path, more)
            .await
            .unwrap()
            .status
    };
    assert_eq!(status("/meet/alice", &[]).await, 200);
    assert_eq!(status("/meeting", &[]).await, 404);
    assert_eq!(status("/meet/../admin", &[]).await, 400);
    assert_eq!(status("/meet/%2e%2e/admin", &[]).await, 400);
    assert_eq!(status("/meet", &["-H", "Host: other.example"]).await, 421);
    // The TLS handshake asked for one site: the request cannot turn to another.
    assert_eq!(
        status("/meet", &["-H", "Host: dial.contoso.com"]).await,
        421
    );
    let dial = curl::get(&authority, device.at, "dial.contoso.com", "/", &[])
        .await
        .unwrap();
    assert_eq!(dial.path(), ["lb", "fe1"]);
    assert!(
        dial.body.contains("<dt>Host</dt><dd>dial.contoso.com</dd>"),
        "Host is unchanged"
    );
    let plain = async |host: &str| curl::get_plain(device.plain, host, "/meet").await.unwrap();
    assert_eq!(plain(HOST).await.status, 421, "not published without TLS");
    assert_eq!(plain("dial.contoso.com").await.path(), ["lb", "fe1"]);
}

#[tokio::test]
async fn b4_a_cookie_leads_back_to_its_member_while_that_lives() {
    let mut stage = Stage::start(json!({ "cookie": "MS-WSMAN" })).await;
    let first = stage.get(&[]).await;
    let set = first.header("set-cookie").expect("a cookie").to_owned();
    assert!(set.ends_with("; Path=/; HttpOnly; Secure"), "{set}");
    let cookie = set.split(';').next().unwrap();
    let home = first.path()[1];
    assert!(
        !cookie.contains(home),
        "it says nothing to clients: {cookie}"
    );
    for _ in 0..3 {
        let answer = stage.get(&["-b", &format!("a=b; {cookie}")]).await;
        assert_eq!(answer.path()[1], home, "{answer:?}");
        assert!(answer.header("set-cookie").is_none(), "it has one");
    }
    let (home, other) = if home == "fe1" {
        ("fe1", "fe2")
    } else {
        ("fe2", "fe1")
    };
    stage.kill(home).await;
    let moved = stage.get(&["-b", cookie]).await;
    assert_eq!((moved.status, moved.path()[1]), (200, other));
    assert_ne!(
        moved
            .header("set-cookie")
            .expect("a new one")
            .split(';')
            .next()
            .unwrap(),
        cookie
    );
    let forged = stage
        .get(&["-b", "MS-WSMAN=0123456789abcdef0123456789abcdef"])
        .await;
    assert!(
        forged.header("set-cookie").is_some(),
        "a forged one is worth nothing"
    );
}

#[tokio::test]
async fn b5_a_header_leads_to_one_member() {
    let mut stage = Stage::start(json!({ "header": "X-Session" })).await;
    let mut homes = BTreeMap::new();
    for session in 0..12 {
        let value = format!("X-Session: {session}");
        let home = stage.member(&["-H", &value]).await;
        assert_eq!(stage.member(&["-H", &value]).await, home);
        homes.insert(value, home);
    }
    assert_eq!(
        homes.values().collect::<BTreeSet<_>>().len(),
        2,
        "{homes:?}"
    );
    stage.kill("fe1").await;
    for (value, _) in homes {
        assert_eq!(stage.member(&["-H", &value]).await, "fe2");
    }
}

#[tokio::test]
async fn b5_a_killed_member_costs_no_request_and_comes_back() {
    let mut stage = Stage::start(json!("none")).await;
    let url = format!("https://{HOST}:{}/", stage.device.at.port());
    let resolve = format!("{HOST}:{}:127.0.0.1", stage.device.at.port());
    let root = stage.authority.root_file();
    // One connection that asks for a second and a half, a request every 10 ms.
    let load = tokio::process::Command::new("curl")
        .args([
            "--silent",
            "--http1.1",
            "--noproxy",
            "*",
            "--resolve",
            &resolve,
            "--cacert",
        ])
        .arg(root)
        .args([
            "--rate",
            "100/s",
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code}\n",
        ])
        .arg(format!("{url}?[1-150]"))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(stage.get(&[]).await.status, 200);
    let killed = Instant::now();
    stage.kill("fe1").await;
    stage
        .device
        .running
        .reported("vip", &[("fe1", "down"), ("fe2", "healthy")])
        .await;
    assert!(
        killed.elapsed() < Duration::from_secs(1),
        "{:?}",
        killed.elapsed()
    );
    let codes = String::from_utf8(load.wait_with_output().await.unwrap().stdout).unwrap();
    assert_eq!(codes.lines().count(), 150);
    assert!(codes.lines().all(|code| code == "200"), "{codes}");
    stage.restart("fe1").await;
    stage
        .device
        .running
        .reported("vip", &[("fe1", "healthy"), ("fe2", "healthy")])
        .await;
    let members = BTreeSet::from([stage.member(&[]).await, stage.member(&[]).await]);
    assert_eq!(members.len(), 2);
}

#[tokio::test]
async fn b5_a_request_that_was_lost_is_sent_again_only_if_that_is_harmless() {
    let authority = Authority::new();
    let [(broken, broken_at), (listener, at)] = <[_; 2]>::try_from(listen_alike(2)).expect("two");
    let web = Web {
        node: "fe2",
        tier: "f",
        hosts: &[HOST],
        only_from: None,
        asks: &[],
    };
    let _web = web.start(&authority, listener);
    let credential = authority.credential(&[&fqdn("fe1")]);
    let config = tls::server_config(&credential, &[], tls::ClientCertificate::NotAsked).unwrap();
    broken.set_nonblocking(true).unwrap();
    let broken = tokio::net::TcpListener::from_std(broken).unwrap();
    let mut tasks = JoinSet::new();
    // Reads a request and dies of it, again and again.
    tasks.spawn(async move {
        loop {
            let (stream, _) = broken.accept().await.unwrap();
            let acceptor = tokio_rustls::TlsAcceptor::from(config.clone());
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.read(&mut [0; 4096]).await;
            }
        }
    });
    let pool = pool(&[("fe1", broken_at), ("fe2", at)], health(at.port(), None));
    let door = listen("127.0.0.1:0");
    let settings = layer7(json!([site("vip", pool, json!("none"))]), door.1.port());
    let mut device = balance(&authority, settings, door);
    device
        .running
        .reported("vip", &[("fe1", "healthy"), ("fe2", "healthy")])
        .await;
    let mut posts = BTreeSet::new();
    for _ in 0..2 {
        let get = curl::get(&authority, device.at, HOST, "/", &[])
            .await
            .unwrap();
        assert_eq!(get.path(), ["lb", "fe2"]);
    }
    for _ in 0..2 {
        let post = curl::get(&authority, device.at, HOST, "/", &["--data", "a=b"])
            .await
            .unwrap();
        posts.insert(post.status);
    }
    assert_eq!(
        posts,
        BTreeSet::from([405, 502]),
        "each member had one; none was sent twice"
    );
}

#[tokio::test]
async fn b5_a_silent_member_leaves_within_a_second() {
    let authority = Authority::new();
    // The kernel accepts for it, nobody answers: a node that hangs.
    let (silent, at) = listen("127.0.0.1:0");
    let pool = pool(&[("fe1", at)], health(at.port(), Some("/health")));
    let door = listen("127.0.0.1:0");
    let settings = layer7(json!([site("vip", pool, json!("none"))]), door.1.port());
    let started = Instant::now();
    let mut device = balance(&authority, settings, door);
    device.running.reported("vip", &[("fe1", "down")]).await;
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
    drop(silent);
}

#[tokio::test]
async fn a_pool_without_healthy_members_is_named() {
    let mut stage = Stage::start(json!("none")).await;
    let settings = stage.settings.clone();
    let well = async |stage: &Stage| {
        let address = IpAddr::from([127, 0, 0, 1]);
        probe(
            &stage.authority,
            "balancer",
            address,
            "unused",
            settings.clone(),
        )
        .await
    };
    assert!(well(&stage).await.is_ok());
    stage.kill("fe1").await;
    stage.kill("fe2").await;
    stage
        .device
        .running
        .reported("vip", &[("fe1", "down"), ("fe2", "down")])
        .await;
    let answer = stage.get(&[]).await;
    assert_eq!(
        (answer.status, answer.header("tierlab-missing")),
        (503, Some("vip"))
    );
    assert!(
        answer.body.contains("<dt>Pool</dt><dd>vip</dd>"),
        "{}",
        answer.body
    );
    let trouble = well(&stage)
        .await
        .expect_err("the probe sees it")
        .to_string();
    assert!(trouble.contains("No healthy member: vip"), "{trouble}");
}

#[tokio::test]
async fn a_member_with_another_name_or_authority_gets_nothing() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    for credential in [
        stranger.credential(&[&fqdn("fe1")]),
        authority.credential(&[HOST]),
    ] {
        let (listener, at) = listen("127.0.0.1:0");
        let web = Web {
            node: "fe1",
            tier: "f",
            hosts: &[HOST],
            only_from: None,
            asks: &[],
        };
        let _web = web.start_as(&authority, listener, credential);
        // Its check is a connection, so that only the way of a request can find it out.
        let pool = pool(&[("fe1", at)], health(at.port(), None));
        let door = listen("127.0.0.1:0");
        let settings = layer7(json!([site("vip", pool, json!("none"))]), door.1.port());
        let mut device = balance(&authority, settings, door);
        device.running.reported("vip", &[("fe1", "healthy")]).await;
        let answer = curl::get(&authority, device.at, HOST, "/", &[])
            .await
            .unwrap();
        assert_eq!((answer.status, answer.path()), (503, vec!["lb"]));
        device.running.reported("vip", &[("fe1", "down")]).await;
    }
}

#[tokio::test]
async fn a_drained_member_keeps_its_clients_and_gets_no_others() {
    let mut stage = Stage::start(json!({ "cookie": "home" })).await;
    let first = stage.get(&[]).await;
    let cookie = first
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let (home, other) = if first.path()[1] == "fe1" {
        ("fe1", "fe2")
    } else {
        ("fe2", "fe1")
    };
    let mut drained = stage.settings.clone();
    drained["drained"] = json!([home]);
    stage.device.running.settings.send(drained).unwrap();
    stage
        .device
        .running
        .reported("vip", &[(home, "drained"), (other, "healthy")])
        .await;
    for _ in 0..3 {
        assert_eq!(stage.member(&[]).await, other);
        assert_eq!(stage.member(&["-b", &cookie]).await, home);
    }
    stage
        .device
        .running
        .settings
        .send(stage.settings.clone())
        .unwrap();
    stage
        .device
        .running
        .reported("vip", &[(home, "healthy"), (other, "healthy")])
        .await;
}

#[tokio::test]
async fn b2_a_layer_4_vip_is_told_its_members() {
    let authority = Authority::new();
    let [(one, first), (two, second)] = <[_; 2]>::try_from(listen_alike(2)).expect("two");
    let members = pool(
        &[("cas1", first), ("cas2", second)],
        health(first.port(), None),
    );
    let mut settings = json!({
        "vips": [{
            "name": "exchange",
            "addresses": [{ "address": "127.0.0.1", "leg": "127.0.0.0/8" }],
            "mode": { "layer4": { "port": first.port(), "pool": members } },
        }],
    });
    let mut device = balance(&authority, settings.clone(), listen("127.0.0.1:0"));
    let mut told = async |members: &[SocketAddr]| {
        let members = members.iter().map(SocketAddr::ip).collect();
        let vip = "exchange".to_owned();
        let wanted = NetworkRequest::SetMembers { vip, members };
        assert_eq!(device.running.network.recv().await, Some(wanted));
    };
    told(&[first, second]).await;
    drop(two);
    told(&[first]).await;
    let two = bind_again(second).await;
    told(&[first, second]).await;
    settings["drained"] = json!(["cas1"]);
    device.running.settings.send(settings.clone()).unwrap();
    let drained = [("cas1", "drained"), ("cas2", "healthy")];
    device.running.reported("exchange", &drained).await;
    let wanted = NetworkRequest::SetMembers {
        vip: "exchange".to_owned(),
        members: vec![second.ip()],
    };
    assert_eq!(device.running.network.recv().await, Some(wanted));
    // Here the first member's port stands for what the kernel lets through.
    let address = IpAddr::from([127, 0, 0, 1]);
    assert!(
        probe(&authority, "balancer", address, "unused", settings.clone())
            .await
            .is_ok()
    );
    drop((one, two));
    // A curl that another test starts holds the sockets for as long as it takes to exec.
    eventually(async || {
        probe(&authority, "balancer", address, "unused", settings.clone())
            .await
            .is_err()
    })
    .await;
}
