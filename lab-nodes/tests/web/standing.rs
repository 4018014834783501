//! Health checks that keep their connection: cheap, and as quick to see that a member is gone.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lab_core::service::Kept;
use lab_nodes::http::body;
use lab_nodes::http::dial::{self, DialError};
use lab_nodes::http::standing::{Line, Standing};
use lab_nodes::tls;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::authority::Authority;
use crate::device::{Device, balance, health, layer7, pool, site};
use crate::stage::{eventually, fqdn, listen, probe_again};

/// A member that counts, and hangs when it is told to.
struct Member {
    at: SocketAddr,
    seen: Arc<Seen>,
    task: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: AtomicUsize,
    hangs: AtomicBool,
}

impl Member {
    fn start(authority: &Authority, node: &str) -> Self {
        let (listener, at) = listen("127.0.0.1:0");
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let credential = authority.credential(&[&fqdn(node)]);
        let config =
            tls::server_config(&credential, &[], tls::ClientCertificate::NotAsked).unwrap();
        let seen = Arc::new(Seen::default());
        let mut task = JoinSet::new();
        let known = seen.clone();
        task.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let acceptor = tokio_rustls::TlsAcceptor::from(config.clone());
                let seen = known.clone();
                open.spawn(async move {
                    let mut stream = acceptor.accept(stream).await.ok()?;
                    seen.connections.fetch_add(1, Ordering::SeqCst);
                    let mut head = Vec::new();
                    loop {
                        head.push(stream.read_u8().await.ok()?);
                        if head.ends_with(b"\r\n\r\n") {
                            head.clear();
                            seen.requests.fetch_add(1, Ordering::SeqCst);
                            if seen.hangs.load(Ordering::SeqCst) {
                                std::future::pending::<()>().await;
                            }
                            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                            stream.write_all(answer).await.ok()?;
                        }
                    }
                    #[allow(unreachable_code)]
                    Some(())
                });
            }
        });
        Self { at, seen, task }
    }

    fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::SeqCst)
    }

    /// A balancer in front of it alone, once it is healthy there.
    async fn behind(&self, authority: &Authority, every: Duration) -> Device {
        let mut health = health(self.at.port(), Some("/health"));
        health["every"] = json!({ "secs": every.as_secs(), "nanos": every.subsec_nanos() });
        let pool = pool(&[("fe1", self.at)], health);
        let door = listen("127.0.0.1:0");
        let settings = layer7(json!([site("vip", pool, json!("none"))]), door.1.port());
        let mut device = balance(authority, settings, door);
        device.running.reported("vip", &[("fe1", "healthy")]).await;
        device
    }
}

#[tokio::test]
async fn b5_a_member_is_asked_over_the_connection_that_is_open() {
    let authority = Authority::new();
    let member = Member::start(&authority, "fe1");
    let _device = member.behind(&authority, Duration::from_millis(50)).await;
    eventually(async || member.requests() >= 5).await;
    assert_eq!(member.connections(), 1);
}

#[tokio::test]
async fn b5_a_member_that_hangs_leaves_within_a_second_though_its_connection_is_open() {
    let authority = Authority::new();
    let member = Member::start(&authority, "fe1");
    let mut device = member.behind(&authority, Duration::from_millis(400)).await;
    let hung = Instant::now();
    member.seen.hangs.store(true, Ordering::SeqCst);
    device.running.reported("vip", &[("fe1", "down")]).await;
    assert!(
        hung.elapsed() < Duration::from_secs(1),
        "{:?}",
        hung.elapsed()
    );
    member.seen.hangs.store(false, Ordering::SeqCst);
    device.running.reported("vip", &[("fe1", "healthy")]).await;
}

#[tokio::test]
async fn b5_a_killed_member_leaves_long_before_it_would_be_asked_again() {
    let authority = Authority::new();
    let mut member = Member::start(&authority, "fe1");
    let mut device = member.behind(&authority, Duration::from_secs(60)).await;
    let killed = Instant::now();
    member.task.shutdown().await;
    device.running.reported("vip", &[("fe1", "down")]).await;
    assert!(
        killed.elapsed() < Duration::from_secs(1),
        "{:?}",
        killed.elapsed()
    );
}

/// Asks twice; how many connections that took.
async fn connections_of_two(longest: Duration) -> usize {
    let authority = Authority::new();
    let member = Member::start(&authority, "fe1");
    let client = tls::client_config(std::slice::from_ref(&authority.root), None).unwrap();
    let client = tls::without_resumption(&client);
    let mut standing = Standing::new(longest);
    for _ in 0..2 {
        let open = async || -> Result<Line, DialError> {
            let stream = dial::tcp(member.at).await?;
            Line::over(dial::tls(stream, &client, &fqdn("fe1")).await?).await
        };
        let request = || hyper::Request::get("/").body(body::empty());
        assert_eq!(standing.ask(open, request).await.unwrap().status(), 200);
    }
    member.connections()
}

#[tokio::test]
async fn an_old_connection_is_replaced_so_that_new_ones_are_seen_to_work() {
    assert_eq!(connections_of_two(Duration::from_secs(60)).await, 1);
    assert_eq!(connections_of_two(Duration::ZERO).await, 2);
}

#[tokio::test]
async fn a_health_check_from_outside_keeps_its_connection_and_sees_it_close() {
    let authority = Authority::new();
    let mut member = Member::start(&authority, "fe1");
    let settings: Value = json!({ "tier": "f", "port": member.at.port(), "hosts": [], "asks": [], "only-from": null });
    let kept = Kept::default();
    let address = IpAddr::from([127, 0, 0, 1]);
    let ask = async || {
        let name = fqdn("fe1");
        probe_again(
            &authority,
            "tier-web",
            address,
            &name,
            settings.clone(),
            &kept,
        )
        .await
    };
    for _ in 0..3 {
        ask().await.unwrap();
    }
    assert_eq!((member.connections(), member.requests()), (1, 3));
    kept.forget();
    ask().await.unwrap();
    assert_eq!(member.connections(), 2);
    member.task.shutdown().await;
    assert!(ask().await.is_err());
}

#[tokio::test]
async fn b5_a_port_is_seen_to_listen_without_a_connection_that_its_server_would_have_to_take() {
    let authority = Authority::new();
    let (listener, at) = listen("127.0.0.1:0");
    let pool = pool(&[("fe1", at)], health(at.port(), None));
    let door = listen("127.0.0.1:0");
    let settings = layer7(json!([site("vip", pool, json!("none"))]), door.1.port());
    let mut device = balance(&authority, settings, door);
    device.running.reported("vip", &[("fe1", "healthy")]).await;
    listener.set_nonblocking(true).unwrap();
    let taken = listener.accept().map(drop).unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::WouldBlock);
    drop(listener);
    device.running.reported("vip", &[("fe1", "down")]).await;
}
