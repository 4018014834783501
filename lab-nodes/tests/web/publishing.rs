//! What a VIP serves, and from whom.

use crate::authority::Authority;
use crate::curl::{self};
use crate::device::{HOST, Stage, balance, health, layer7, pool, site};
use crate::stage::{Web, fqdn, listen};
use serde_json::json;
use std::collections::BTreeSet;

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
async fn a_member_that_refuses_a_body_before_it_was_sent_is_heard() {
    let stage = Stage::start(json!("none")).await;
    let long = stage.authority.root_file().with_file_name("long");
    std::fs::write(&long, vec![b'x'; 32 << 20]).unwrap();
    let long = format!("@{}", long.display());
    for _ in 0..4 {
        let answer = stage.get(&["--data-binary", &long, "-H", "Expect:"]).await;
        assert_eq!(answer.status, 413, "{}", answer.body);
        assert!(answer.body.contains("longer than"), "{}", answer.body);
    }
}
