//! Members that die, hang and come back.

use crate::authority::Authority;
use crate::curl::{self};
use crate::device::{HOST, Stage, balance, health, layer7, pool, site};
use crate::stage::{Web, bind_again, eventually, fqdn, listen, listen_alike, probe};
use lab_core::service::NetworkRequest;
use lab_nodes::tls;
use serde_json::json;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;

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

/// A VIP that stands behind a pool is taken for dead where the check met a dead member of its own.
#[tokio::test]
async fn a_pool_that_was_taken_for_dead_is_asked_once_more_before_it_refuses() {
    let authority = Authority::new();
    let (listener, at) = listen("127.0.0.1:0");
    let web = Web {
        node: "fe1",
        tier: "f",
        hosts: &[HOST],
        only_from: None,
        asks: &[],
    };
    let running = web.start(&authority, listener);
    // So seldom that only a request can have it checked again here.
    let mut seldom = health(at.port(), None);
    seldom["every"]["secs"] = json!(60);
    seldom["timeout"]["secs"] = json!(4);
    let door = listen("127.0.0.1:0");
    let pool = pool(&[("fe1", at)], seldom);
    let settings = layer7(json!([site("vip", pool, json!("none"))]), door.1.port());
    let mut device = balance(&authority, settings, door);
    device.running.reported("vip", &[("fe1", "healthy")]).await;
    let get = async |at| curl::get(&authority, at, HOST, "/", &[]).await.unwrap();
    running.kill().await;
    assert_eq!(get(device.at).await.status, 503);
    let _running = web.start(&authority, bind_again(at).await);
    assert_eq!(get(device.at).await.status, 200);
}

/// What is behind a VIP.
#[derive(Clone, Copy, PartialEq)]
enum Vip {
    Alive,
    Dead,
    /// The first connection meets silence, the others do not.
    SilentOnce,
}

/// The check that is under way may hang on a server that died behind the VIP.
#[tokio::test]
async fn a_check_that_hangs_does_not_keep_a_request_waiting() {
    let authority = Authority::new();
    let (listener, behind) = listen("127.0.0.1:0");
    let web = Web {
        node: "fe1",
        tier: "f",
        hosts: &[HOST],
        only_from: None,
        asks: &[],
    };
    let _web = web.start(&authority, listener);
    let (vip, at) = listen("127.0.0.1:0");
    vip.set_nonblocking(true).unwrap();
    let vip = tokio::net::TcpListener::from_std(vip).unwrap();
    let (state, mut states) = tokio::sync::watch::channel(Vip::Alive);
    let (held, holds) = tokio::sync::mpsc::channel(1);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut relays = JoinSet::new();
        loop {
            let mut client = tokio::select! {
                accepted = vip.accept() => accepted.unwrap().0,
                () = async { drop(states.wait_for(|state| *state == Vip::Dead).await) }, if !relays.is_empty() => {
                    relays.shutdown().await;
                    continue;
                }
            };
            let state = *states.borrow();
            match state {
                Vip::Dead => drop(client),
                Vip::SilentOnce if held.capacity() > 0 => held.send(client).await.unwrap(),
                Vip::Alive | Vip::SilentOnce => {
                    relays.spawn(async move {
                        let mut server = tokio::net::TcpStream::connect(behind).await.unwrap();
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    });
                }
            }
        }
    });
    // So seldom that only what is lost, or a request, can have it checked again here.
    let mut seldom = health(at.port(), Some("/health"));
    seldom["every"]["secs"] = json!(60);
    seldom["timeout"]["secs"] = json!(8);
    let door = listen("127.0.0.1:0");
    let pool = pool(&[("fe1", at)], seldom);
    let settings = layer7(json!([site("vip", pool, json!("none"))]), door.1.port());
    let mut device = balance(&authority, settings, door);
    device.running.reported("vip", &[("fe1", "healthy")]).await;
    state.send_replace(Vip::Dead);
    device.running.reported("vip", &[("fe1", "down")]).await;
    state.send_replace(Vip::SilentOnce);
    let get = async || {
        curl::get(&authority, device.at, HOST, "/", &[])
            .await
            .unwrap()
    };
    let (first, second) = tokio::join!(get(), async {
        // It stays in the channel, open.
        while holds.is_empty() {
            tokio::task::yield_now().await;
        }
        get().await
    });
    drop(holds);
    assert_eq!((first.status, second.status), (200, 200));
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
    let request = |members: &[SocketAddr], dead: &[SocketAddr]| NetworkRequest::SetMembers {
        vip: "exchange".to_owned(),
        members: members.iter().map(SocketAddr::ip).collect(),
        dead: dead.iter().map(SocketAddr::ip).collect(),
    };
    let mut told = async |members: &[SocketAddr], dead: &[SocketAddr]| {
        let wanted = request(members, dead);
        assert_eq!(device.running.network.recv().await, Some(wanted));
    };
    told(&[first, second], &[]).await;
    drop(two);
    told(&[first], &[second]).await;
    let two = bind_again(second).await;
    told(&[first, second], &[]).await;
    settings["drained"] = json!(["cas1"]);
    device.running.settings.send(settings.clone()).unwrap();
    let drained = [("cas1", "drained"), ("cas2", "healthy")];
    device.running.reported("exchange", &drained).await;
    // What is drained is not dead: its connections go on.
    let wanted = request(&[second], &[]);
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
