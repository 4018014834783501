//! What no stock client sends.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stage::{LIMIT, PASSWORD, Stage};

/// All that the server says until it hangs up.
async fn said(stream: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    // A connection that is reset said what it had to say before.
    let read = stream.read_to_end(&mut said);
    let _ = tokio::time::timeout(LIMIT, read)
        .await
        .expect("the server hangs up");
    said
}

fn is_notice(said: &[u8], code: u8) -> bool {
    let oid = b"1.3.6.1.4.1.1466.20036";
    said.windows(oid.len()).any(|part| part == oid)
        && said.windows(3).any(|part| part == [10, 1, code])
}

/// A length in four bytes, and what has it.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x84][..], &length, content].concat()
}

fn search(filter: &[u8]) -> Vec<u8> {
    let head = [4, 0, 10, 1, 0, 10, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, 0];
    let search = element(0x63, &[&head[..], filter, &[0x30, 0]].concat());
    element(0x30, &[&[2, 1, 1][..], &search].concat())
}

async fn is_alive(stage: &Stage) {
    let url = stage.url();
    stage
        .good(
            "ldapwhoami",
            &["-x", "-H", &url, "-D", "EXAMPLE\\alice", "-w", PASSWORD],
        )
        .await;
}

#[tokio::test]
async fn what_is_no_message_ends_its_connection_with_a_notice() {
    let stage = Stage::new().await;
    let mut deep = b"\x87\x02cn".to_vec();
    for _ in 0..200 {
        deep = element(0xa2, &deep);
    }
    let wide = element(0xa1, &b"\x87\x01c".repeat(5000));
    let cases: [(&str, Vec<u8>); 10] = [
        ("another protocol", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        (
            "a length of four gigabytes",
            b"\x30\x84\xff\xff\xff\xff".to_vec(),
        ),
        (
            "a length of more bytes than there are",
            b"\x30\x88\x01\x00\x00\x00\x00\x00\x00\x00".to_vec(),
        ),
        (
            "an indefinite length",
            b"\x30\x80\x02\x01\x01\x42\x00\x00\x00".to_vec(),
        ),
        (
            "more than a stranger may send",
            element(0x30, &vec![0; 70_000]),
        ),
        ("no message id", b"\x30\x02\x42\x00".to_vec()),
        (
            "a response",
            b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00".to_vec(),
        ),
        ("a filter that is too deep", search(&deep)),
        ("a filter that is too wide", search(&wide)),
        ("a filter of no kind", search(b"\xaf\x00")),
    ];
    for (what, bytes) in cases {
        let mut stream = TcpStream::connect(stage.plain).await.unwrap();
        // It may hang up while there are bytes on their way.
        let _ = stream.write_all(&bytes).await;
        let said = said(&mut stream).await;
        assert!(is_notice(&said, 2), "{what}: {said:02x?}");
    }
    is_alive(&stage).await;
}

#[tokio::test]
async fn bytes_along_with_starttls_are_nobodys() {
    let stage = Stage::new().await;
    let mut stream = TcpStream::connect(stage.plain).await.unwrap();
    let start = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
    let who = b"\x30\x1e\x02\x01\x02\x77\x19\x80\x171.3.6.1.4.1.4203.1.11.3";
    stream.write_all(&[&start[..], who].concat()).await.unwrap();
    let said = said(&mut stream).await;
    assert!(
        said.windows(3).any(|part| part == [10, 1, 0]),
        "{said:02x?}"
    );
    assert!(
        !said.windows(4).any(|part| part == [2, 1, 2, 0x78]),
        "{said:02x?}"
    );
    is_alive(&stage).await;
}

#[tokio::test]
async fn a_login_that_is_broken_off_is_nobodys() {
    let stage = Stage::new().await;
    let mut stream = TcpStream::connect(stage.plain).await.unwrap();
    // A token of no mechanism, three times, then whoever that is.
    for id in 1..=3 {
        let sasl = element(0xa3, b"\x04\x06GSSAPI\x04\x03abc");
        let bind = element(0x60, &[&[2, 1, 3, 4, 0][..], &sasl].concat());
        let message = element(0x30, &[&[2, 1, id][..], &bind].concat());
        stream.write_all(&message).await.unwrap();
        let mut answer = vec![0; 300];
        let read = tokio::time::timeout(LIMIT, stream.read(&mut answer))
            .await
            .unwrap()
            .unwrap();
        assert!(
            answer[..read].windows(3).any(|part| part == [10, 1, 49]),
            "{answer:02x?}"
        );
    }
    let who = b"\x30\x1e\x02\x01\x04\x77\x19\x80\x171.3.6.1.4.1.4203.1.11.3";
    stream.write_all(who).await.unwrap();
    let mut answer = vec![0; 300];
    let read = tokio::time::timeout(LIMIT, stream.read(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(
        answer[..read].ends_with(&[0x8b, 0]),
        "{:02x?}",
        &answer[..read]
    );
}

#[tokio::test]
async fn who_asks_and_does_not_listen_costs_little() {
    let stage = Stage::new().await;
    let mut stream = TcpStream::connect(stage.plain).await.unwrap();
    let one = search(b"\x87\x0bobjectClass");
    // It takes no answers: the server stops reading when enough of them wait, long before this is
    // all sent.
    let flood = one.repeat(10_000);
    let sent = tokio::time::timeout(Duration::from_secs(1), async {
        let mut sent = 0;
        while sent < 200 {
            stream.write_all(&flood).await.unwrap();
            sent += 1;
        }
        sent
    });
    assert!(sent.await.is_err(), "the server reads on and on");
    is_alive(&stage).await;
}

#[tokio::test]
async fn when_the_server_ends_its_clients_are_told() {
    let stage = Stage::new().await;
    let mut stream = TcpStream::connect(stage.plain).await.unwrap();
    let who = b"\x30\x1e\x02\x01\x04\x77\x19\x80\x171.3.6.1.4.1.4203.1.11.3";
    stream.write_all(who).await.unwrap();
    let mut answer = vec![0; 300];
    let read = tokio::time::timeout(LIMIT, stream.read(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(read > 0);
    stage.end();
    assert!(is_notice(&said(&mut stream).await, 52));
}
