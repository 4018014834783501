//! Which member a client gets.

use crate::device::Stage;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

#[tokio::test]
async fn b4_a_cookie_leads_back_to_its_member_while_that_lives() {
    let mut stage = Stage::start(json!({ "cookie": "MS-WSMAN" })).await;
    let first = stage.get(&[]).await;
    let set = first.header("set-cookie").expect("a cookie").to_owned();
    assert!(set.ends_with("; Path=/; HttpOnly; Secure"), "{set}");
    let cookie = set.split(';').next().unwrap();
    let home = first.path()[1];
    let id = cookie.strip_prefix("MS-WSMAN=").expect("of that name");
    assert!(
        id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "it says nothing to clients: {id}"
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
