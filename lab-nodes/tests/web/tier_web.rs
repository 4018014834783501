//! Three tiers that ask each other.

use std::net::SocketAddr;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::authority::Authority;
use crate::curl;
use crate::stage::{Running, Web, fqdn, listen, listen_alike, probe};

const HOST: &str = "intranet.contoso.com";

/// fe1 → search1, search2 → sql1, sql2.
struct Farm {
    fe: SocketAddr,
    running: Vec<(&'static str, Running)>,
}

impl Farm {
    fn start(authority: &Authority) -> Self {
        let (sql, search) = (listen_alike(2), listen_alike(2));
        let (fe_listener, fe) = listen("127.0.0.1:0");
        let members = |names: [&'static str; 2], at: &[(std::net::TcpListener, SocketAddr)]| {
            vec![(names[0], at[0].1), (names[1], at[1].1)]
        };
        let databases = [(
            "sql",
            "SharePoint database",
            members(["sql1", "sql2"], &sql),
        )];
        let application = [(
            "search",
            "SharePoint search",
            members(["search1", "search2"], &search),
        )];
        let mut running = vec![];
        for (node, (listener, _)) in ["sql1", "sql2"].into_iter().zip(sql) {
            let web = Web {
                node,
                tier: "SharePoint database",
                hosts: &[],
                only_from: Some(&["search1", "search2"]),
                asks: &[],
            };
            running.push((node, web.start(authority, listener)));
        }
        for (node, (listener, _)) in ["search1", "search2"].into_iter().zip(search) {
            let web = Web {
                node,
                tier: "SharePoint search",
                hosts: &[],
                only_from: Some(&["fe1"]),
                asks: &databases,
            };
            running.push((node, web.start(authority, listener)));
        }
        let web = Web {
            node: "fe1",
            tier: "SharePoint front end",
            hosts: &[HOST],
            only_from: None,
            asks: &application,
        };
        running.push(("fe1", web.start(authority, fe_listener)));
        Self { fe, running }
    }

    async fn kill(&mut self, node: &str) {
        let at = self
            .running
            .iter()
            .position(|(name, _)| *name == node)
            .expect("it runs");
        self.running.remove(at).1.kill().await;
    }
}

#[tokio::test]
async fn f18_a_page_names_one_node_of_every_tier() {
    let authority = Authority::new();
    let farm = Farm::start(&authority);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..4 {
        let answer = curl::get(&authority, farm.fe, HOST, "/sites/a", &[])
            .await
            .unwrap();
        assert_eq!(answer.status, 200);
        let path = answer.path();
        assert_eq!(path.len(), 3, "{path:?}");
        assert_eq!(path[0], "fe1");
        assert!(
            path[1].starts_with("search") && path[2].starts_with("sql"),
            "{path:?}"
        );
        for part in [HOST, "SharePoint front end", "127.0.0.1", path[2]] {
            assert!(
                answer.body.contains(part),
                "{part} is missing in {}",
                answer.body
            );
        }
        seen.extend(path.iter().map(|node| (*node).to_owned()));
    }
    assert_eq!(seen.len(), 5, "every member had its turn: {seen:?}");
}

#[tokio::test]
async fn a_dead_member_is_passed_over_and_a_dead_tier_is_named() {
    let authority = Authority::new();
    let mut farm = Farm::start(&authority);
    farm.kill("sql1").await;
    for _ in 0..4 {
        let answer = curl::get(&authority, farm.fe, HOST, "/", &[])
            .await
            .unwrap();
        assert_eq!((answer.status, answer.path()[2]), (200, "sql2"));
    }
    farm.kill("sql2").await;
    let answer = curl::get(&authority, farm.fe, HOST, "/", &[])
        .await
        .unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.header("tierlab-missing"),
        Some("SharePoint database")
    );
    assert!(answer.body.contains("SharePoint database"));
    assert_eq!(answer.path(), ["fe1"]);
    let health = curl::get(&authority, farm.fe, HOST, "/health", &[])
        .await
        .unwrap();
    assert_eq!(health.status, 200, "the node itself is well");
}

#[tokio::test]
async fn a_peer_that_cannot_show_its_name_takes_no_part() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let own = fqdn("sql1");
    for credential in [
        stranger.credential(&[&own]),
        authority.credential(&["sql9.corp.example"]),
    ] {
        let (listener, at) = listen("127.0.0.1:0");
        let sql = Web {
            node: "sql1",
            tier: "SQL",
            hosts: &[],
            only_from: Some(&[]),
            asks: &[],
        };
        let _sql = sql.start_as(&authority, listener, credential);
        let (listener, fe) = listen("127.0.0.1:0");
        let asks = [("sql", "SQL", vec![("sql1", at)])];
        let web = Web {
            node: "fe1",
            tier: "front",
            hosts: &[HOST],
            only_from: None,
            asks: &asks,
        };
        let _fe = web.start(&authority, listener);
        let answer = curl::get(&authority, fe, HOST, "/", &[]).await.unwrap();
        assert_eq!(
            (answer.status, answer.header("tierlab-missing")),
            (503, Some("SQL"))
        );
    }
}

#[tokio::test]
async fn f18_a_back_end_answers_only_the_tier_that_asks_it() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (listener, at) = listen("127.0.0.1:0");
    let web = Web {
        node: "sql1",
        tier: "SQL",
        hosts: &[],
        only_from: Some(&["fe1"]),
        asks: &[],
    };
    let _sql = web.start(&authority, listener);
    let host = fqdn("sql1");
    let status = async |path: &str, files: Option<[String; 4]>| {
        let files: Vec<&str> = files.iter().flatten().map(String::as_str).collect();
        curl::get(&authority, at, &host, path, &files)
            .await
            .map(|answer| answer.status)
    };
    assert_eq!(status("/", None).await, Ok(403), "no certificate");
    assert_eq!(
        status("/health", None).await,
        Ok(200),
        "its health is no secret"
    );
    assert_eq!(
        status("/", Some(authority.files(&fqdn("pc1")))).await,
        Ok(403),
        "another node"
    );
    assert_eq!(
        status("/", Some(authority.files(&fqdn("fe1")))).await,
        Ok(200),
        "a peer"
    );
    let strange = status("/", Some(stranger.files(&fqdn("fe1")))).await;
    assert!(
        strange.is_err(),
        "another authority's certificate ends the handshake: {strange:?}"
    );
}

#[tokio::test]
async fn a_wrong_host_a_wrong_method_and_a_body_are_answered() {
    let authority = Authority::new();
    let (listener, at) = listen("127.0.0.1:0");
    let web = Web {
        node: "www",
        tier: "web",
        hosts: &[HOST],
        only_from: None,
        asks: &[],
    };
    let _web = web.start(&authority, listener);
    let other = curl::get(&authority, at, HOST, "/", &["-H", "Host: other.example"])
        .await
        .unwrap();
    assert_eq!(other.status, 421);
    let post = curl::get(&authority, at, HOST, "/", &["--data", "a=b"])
        .await
        .unwrap();
    assert_eq!(
        (post.status, post.header("allow")),
        (405, Some("GET, HEAD"))
    );
    // The body was read to its end: the same connection serves a second request.
    let url = format!("https://{HOST}:{}/", at.port());
    let again = [
        "--data",
        "a=b",
        "--write-out",
        "connects %{num_connects}\n",
        &url,
    ];
    let twice = curl::get(&authority, at, HOST, "/", &again).await.unwrap();
    assert!(twice.body.contains("connects 0"), "{}", twice.body);
    let long = ["--data-binary", &"x".repeat(100_000)].map(ToOwned::to_owned);
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    assert_eq!(
        curl::get(&authority, at, HOST, "/", &long)
            .await
            .unwrap()
            .status,
        405
    );
}

#[tokio::test]
async fn a_malformed_request_ends_its_own_connection_only() {
    let authority = Authority::new();
    let (listener, at) = listen("127.0.0.1:0");
    let web = Web {
        node: "www",
        tier: "web",
        hosts: &[HOST],
        only_from: None,
        asks: &[],
    };
    let _web = web.start(&authority, listener);
    let mut garbage = tokio::net::TcpStream::connect(at).await.unwrap();
    garbage
        .write_all(b"this is no TLS at all\r\n\r\n")
        .await
        .unwrap();
    let mut rest = Vec::new();
    let _ = garbage.read_to_end(&mut rest).await;
    let answer = curl::get(
        &authority,
        at,
        HOST,
        "/",
        &["-X", "GET", "-H", "Bad Name: x"],
    )
    .await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 400));
    assert_eq!(
        curl::get(&authority, at, HOST, "/", &[])
            .await
            .unwrap()
            .status,
        200
    );
}

#[tokio::test]
async fn a_probe_succeeds_only_with_the_node_that_was_meant() {
    let authority = Authority::new();
    let (listener, at) = listen("127.0.0.1:0");
    let web = Web {
        node: "www",
        tier: "web",
        hosts: &[HOST],
        only_from: None,
        asks: &[],
    };
    let running = web.start(&authority, listener);
    let settings = json!({
        "tier": "web", "port": at.port(), "hosts": [], "asks": [], "only-from": null
    });
    let ask = async |name: &str| {
        probe(
            &authority,
            "tier-web",
            at.ip(),
            &fqdn(name),
            settings.clone(),
        )
        .await
        .is_ok()
    };
    assert!(ask("www").await);
    assert!(!ask("other").await);
    running.kill().await;
    assert!(!ask("www").await);
}
