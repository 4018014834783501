//! Who means it no good: each is refused or ignored, and the server serves on.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{Running, start};

async fn still_serves(server: &Running) {
    let pool = server.pool("content");
    let asked = tokio::time::timeout(Duration::from_secs(10), pool.query(None, "SELECT 1", &[]));
    asked.await.expect("in time").expect("it serves");
}

/// Sends this and reads to the end.
async fn answered(server: &Running, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.at).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer));
    // A reset is an end, too.
    let _ = read.await.expect("the connection ends");
    answer
}

#[tokio::test]
async fn what_is_no_tds_ends_its_own_connection() {
    let server = start();
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        &[0; 4096],
        &[0x12, 1, 0, 4, 0, 0, 0, 0],
        // A PRELOGIN whose option lies outside, one without an end of options, an empty one.
        &[0x12, 1, 0, 14, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 6, 0xFF],
        &[0x12, 1, 0, 13, 0, 0, 0, 0, 0, 0, 6, 0, 6],
        &[0x12, 1, 0, 8, 0, 0, 0, 0],
        // A batch before any login, a TLS handshake outside of packets.
        &[0x01, 1, 0, 10, 0, 0, 0, 0, b'x', 0],
        &[0x16, 3, 1, 0, 1, 0, 0, 0],
    ] {
        assert!(answered(&server, bytes).await.is_empty(), "{bytes:?}");
    }
    still_serves(&server).await;
}

#[tokio::test]
async fn who_cannot_encrypt_is_told_and_let_go() {
    let server = start();
    let prelogin = [
        0x12, 1, 0, 26, 0, 0, 0, 0, 0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xFF, 1, 2, 3, 4, 5, 6, 2,
    ];
    let answer = answered(&server, &prelogin).await;
    assert_eq!(answer.first(), Some(&4), "a response: {answer:?}");
}

#[tokio::test]
async fn silent_clients_keep_nobody_out() {
    let server = start();
    // As many as may be unknown at once would be let go after their time only: fewer than that here.
    let mut idle = Vec::new();
    for _ in 0..48 {
        let mut stream = TcpStream::connect(server.at).await.unwrap();
        stream.write_all(&[0x12, 1, 0x7F]).await.unwrap();
        idle.push(stream);
    }
    still_serves(&server).await;
}

#[tokio::test]
async fn a_text_nested_too_deeply_is_refused() {
    let server = start();
    let pool = server.pool("content");
    for sql in [
        "(".repeat(100_000),
        format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000)),
        "IF 1=1 ".repeat(100_000),
        "BEGIN ".repeat(100_000),
        "SELECT -1".to_owned() + &" + 1".repeat(50_000),
        "/*".repeat(100_000),
    ] {
        let error = pool.batch(None, &sql).await.expect_err("refused");
        assert!(error.number().is_some(), "{error}");
    }
    still_serves(&server).await;
}

#[tokio::test]
async fn a_statement_without_an_end_ends_with_its_client() {
    let server = start();
    let pool = server.pool("content");
    let endless = "WITH c AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM c) SELECT COUNT(*) FROM c";
    let asked = tokio::time::timeout(Duration::from_millis(200), pool.query(None, endless, &[]));
    assert!(asked.await.is_err(), "it has no end");
    still_serves(&server).await;
}
